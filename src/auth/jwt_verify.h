/*
 * jwt_verify.h
 *	  Is this signature that key's?  The only door to libjwt.
 *
 * The caller has bound key and algorithm together (mtf_keyset_find) and has passed the token through
 * the strict front end.  libjwt checks RSA and ECDSA signatures (libjwt 3: all); OpenSSL checks what
 * the libjwt at hand lacks.
 *
 * What must not happen here: an algorithm taken from the token, an error raised between a library's
 * allocation and its release.
 */
#ifndef MTF_JWT_VERIFY_H
#define MTF_JWT_VERIFY_H

#include "base/compat.h"

#include "auth/jws.h"
#include "auth/key.h"

/* For diag(): the libjwt that judges what it can; NULL when none could be loaded: OpenSSL judges all. */
extern const char *mtf_signature_libjwt(void);

/* For diag(): the OpenSSL that is running. */
extern const char *mtf_signature_openssl(void);

/* Give the library its own form of the key once, if it has one; owned by `context`. */
extern void mtf_signature_prepare(MtfKey *key, MemoryContext context);

/*
 * True when the signature of `jws` was made by the holder of `key` with `algorithm`.
 * False for everything else, short memory included; never raises.
 */
extern bool mtf_signature_verify(const MtfJws *jws, MtfAlgorithm algorithm, const MtfKey *key);

#endif /* MTF_JWT_VERIFY_H */
