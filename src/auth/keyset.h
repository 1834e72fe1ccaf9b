/*
 * keyset.h
 *	  JWK Set, PEM and HMAC secret → keys, checked once, kept for verification.
 *
 * A set is all or nothing: one bad, weak, private, duplicate or mixed key refuses the whole set
 * with a reason that an administrator can act on.
 */
#ifndef MTF_KEYSET_H
#define MTF_KEYSET_H

#include "base/compat.h"

typedef enum MtfAlgorithm
{
	MTF_ALG_RS256,
	MTF_ALG_RS384,
	MTF_ALG_RS512,
	MTF_ALG_PS256,
	MTF_ALG_PS384,
	MTF_ALG_PS512,
	MTF_ALG_ES256,
	MTF_ALG_ES384,
	MTF_ALG_ES512,
	MTF_ALG_EDDSA,
	MTF_ALG_HS256,
	MTF_ALG_HS384,
	MTF_ALG_HS512,
	MTF_ALG_COUNT
} MtfAlgorithm;

#define MTF_ALG_BIT(alg)   (1u << (alg))
#define MTF_ALG_ASYMMETRIC (MTF_ALG_BIT(MTF_ALG_HS256) - 1)

/* Exact, case-sensitive names of RFC 7518 and 8037; false for anything else ("none" included). */
extern bool mtf_algorithm_parse(const char *name, MtfAlgorithm *algorithm);
extern const char *mtf_algorithm_name(MtfAlgorithm algorithm);

typedef struct MtfKeySet MtfKeySet;

/* An empty set living in `context`; its OpenSSL keys are freed with the context. */
extern MtfKeySet *mtf_keyset_create(MemoryContext context);

/*
 * HMAC secrets may come as JWK too ("kty": "oct"): for files of mongo_tenant.key_dir only.  Without
 * this such a JWK refuses the set; mtf_keyset_add_secret() implies it.
 */
extern void mtf_keyset_allow_secrets(MtfKeySet *set);

/*
 * Add all keys of a JWK Set (or one JWK), one PEM public key, or one HMAC secret.
 * False: nothing usable, and *why (static or palloc'd, no key material) says what an administrator
 * must change, in the current context.  `kid` may be NULL only for the single key of a set.
 * After a refusal the whole set is refused: it counts no keys and takes no more.
 */
extern bool mtf_keyset_add_jwks(MtfKeySet *set, const char *json, size_t len, const char **why);
extern bool mtf_keyset_add_pem(MtfKeySet *set, const char *kid, const char *pem, size_t len,
							   const char **why);
extern bool mtf_keyset_add_secret(MtfKeySet *set, const char *kid, const char *secret, size_t len,
								  const char **why);

/*
 * Checks that are too slow for every session's first token (5 to 40 ms for an RSA key): is its modulus
 * a product of large primes?  To be made where keys are defined.  False and *why (static).
 */
extern bool mtf_keyset_prove(const MtfKeySet *set, const char **why);

extern int mtf_keyset_count(const MtfKeySet *set);

/* The algorithms that some key of the set can verify, as a set of MTF_ALG_BIT. */
extern uint32 mtf_keyset_algorithms(const MtfKeySet *set);

/*
 * A stable fingerprint (RFC 7638 thumbprint, hex) of key `i`, to refuse one key under two issuers.
 */
extern const char *mtf_keyset_thumbprint(const MtfKeySet *set, int i);

#endif /* MTF_KEYSET_H */
