/*
 * recheck.h
 *	  Is this document the tenant's?  Once per document: one pass over raw bytes; allocates only when
 *	  it learns the order of the fields.
 *
 * Knows BSON and nothing else: no session, no catalog, no error reporting.
 */
#ifndef MTF_RECHECK_H
#define MTF_RECHECK_H

#include "base/compat.h"

typedef struct MtfRecheck MtfRecheck;

/* For the dotted path `field`; with `array` the field must be an array that contains the tenant. */
extern MtfRecheck *mtf_recheck_create(const char *field, bool array);

/* The tenant's value: call exactly one of these. */
extern void mtf_recheck_accept_string(MtfRecheck *recheck, const char *value, int len);
extern void mtf_recheck_accept_integer(MtfRecheck *recheck, int64 value);
extern void mtf_recheck_accept_objectid(MtfRecheck *recheck, const uint8 *oid);
extern void mtf_recheck_accept_uuid(MtfRecheck *recheck, const uint8 *uuid);

/* NULL: it is the tenant's.  Else why not, in static text that holds no value. */
extern const char *mtf_recheck_document(MtfRecheck *recheck, const uint8 *doc, uint32 len);

#endif /* MTF_RECHECK_H */
