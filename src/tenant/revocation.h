/*
 * revocation.h
 *	  Is a verified token revoked: by its id, its subject, its tenant, or by when it was issued?
 */
#ifndef MTF_REVOCATION_H
#define MTF_REVOCATION_H

#include "base/compat.h"

#include "auth/claims.h"

/* Reads the catalog (four index probes); the caller remembers the answer for one generation. */
extern bool mtf_revocation_applies(const MtfClaims *claims);

/* Advances when revocations change. */
extern uint64 mtf_revocation_generation(void);

#endif /* MTF_REVOCATION_H */
