/*
 * trust.h
 *	  A trust written as one JSON text: a JWK Set with the members "issuer" and "audience".
 */
#ifndef MTF_TRUST_H
#define MTF_TRUST_H

#include "base/compat.h"

#include "auth/claims.h"

/*
 * Read {"issuer": …, "audience": … or […], "tenant_claim": … (default tenantId), "keys": [...]} into
 * the current context.  Any asymmetric algorithm of its keys is allowed, and never HMAC: whoever can
 * check such a token could have made it.  NULL and *why (no value quoted) when it cannot be used.
 */
extern MtfTrust *mtf_trust_from_json(const char *name, const char *json, size_t len,
									 const char **why);

#endif /* MTF_TRUST_H */
