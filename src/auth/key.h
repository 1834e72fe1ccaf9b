/*
 * key.h
 *	  One verification key: how it is made, what it may verify.  Private to the auth room.
 *
 * JWK and PEM end in the same constructors, so that no format is judged more mildly than another.
 * A key that exists has passed every check but those of mtf_key_prove(), which are made where keys are
 * defined.
 */
#ifndef MTF_KEY_H
#define MTF_KEY_H

#include "base/compat.h"

#include <openssl/evp.h>

#include "auth/keyset.h"

typedef enum MtfKeyType
{
	MTF_KEY_RSA,
	MTF_KEY_EC,
	MTF_KEY_OKP,
	MTF_KEY_OCT
} MtfKeyType;

typedef struct MtfKey
{
	const char *kid; /* NULL: none */
	MtfKeyType type;
	uint32 algorithms;   /* what it may verify; 0: nothing (an encryption key of the set) */
	int signature_bytes; /* exact length of a signature; 0 for MTF_KEY_OCT: the hash's */
	EVP_PKEY *pkey;      /* owned by a guard of the set's context; NULL for MTF_KEY_OCT */
	const char *pem;     /* SubjectPublicKeyInfo; NULL for MTF_KEY_OCT */
	int pem_len;
	const unsigned char *secret; /* MTF_KEY_OCT only */
	size_t secret_len;
	const char *jwk; /* required public members only, in RFC 7638 form; NULL for MTF_KEY_OCT */
	const char *thumbprint; /* RFC 7638, SHA-256, hex */
	void *native;           /* jwt_verify's own form of the key, owned by a guard; may be NULL */
} MtfKey;

/* Big-endian bytes of one key member. */
typedef struct MtfKeyBytes
{
	const unsigned char *data;
	size_t len;
} MtfKeyBytes;

/*
 * Constructors: the key lives in `context`.  NULL and *why (static or palloc'd, no key material)
 * when the key is weak or malformed.  `curve` is the JWK name, "P-256" or "Ed25519".
 * Scratch memory comes from the current context.  Raise out-of-memory only.
 */
extern MtfKey *mtf_key_rsa(MemoryContext context, MtfKeyBytes n, MtfKeyBytes e, const char **why);
extern MtfKey *mtf_key_ec(MemoryContext context, const char *curve, MtfKeyBytes x, MtfKeyBytes y,
						  const char **why);
extern MtfKey *mtf_key_okp(MemoryContext context, const char *curve, MtfKeyBytes x,
						   const char **why);
extern MtfKey *mtf_key_oct(MemoryContext context, MtfKeyBytes k, const char **why);
extern MtfKey *mtf_key_pem(MemoryContext context, const char *pem, size_t len, const char **why);

/* The checks that are too slow for every load; NULL, or why the key is refused (static). */
extern const char *mtf_key_prove(const MtfKey *key);

/* The key of a set for a token's kid (NULL: none named) and algorithm, or NULL and *why (static). */
extern const MtfKey *mtf_keyset_find(const MtfKeySet *set, const char *kid, MtfAlgorithm algorithm,
									 const char **why);

#endif /* MTF_KEY_H */
