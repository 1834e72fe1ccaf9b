/*
 * diag.h
 *	  What rooms know of their libraries, for mongo_tenant.diag().
 */
#ifndef MTF_DIAG_H
#define MTF_DIAG_H

#include "base/compat.h"

typedef const char *(*MtfDiagReader)(void);

/* From _PG_init only.  `name` is static; `reader` returns static or palloc'd text, or NULL. */
extern void mtf_diag_register(const char *name, MtfDiagReader reader);

/* The i-th entry: false when there is none. */
extern bool mtf_diag_get(int i, const char **name, const char **value);

#endif /* MTF_DIAG_H */
