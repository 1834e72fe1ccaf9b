/*
 * jwt_verify.c
 *	  Signatures: libjwt where it can, OpenSSL where it cannot.
 *
 * The only file that knows libjwt; its two generations have nothing in common but the header's name.
 *
 * libjwt is loaded here, not linked: it calls jansson's json_object(), and the postgres executable
 * exports another function of that name, which the dynamic linker would find first.  RTLD_DEEPBIND
 * makes libjwt look in its own dependencies before.  Where that cannot be had, OpenSSL verifies all.
 *
 * libjwt 1.x parses a PEM text at every call (the verdict cache of the tenant room makes this the
 * cold path), knows no EdDSA, refuses every `typ` but "JWT", and compares HMACs with strcmp before
 * 1.17: those go to OpenSSL.  libjwt 3 keeps keys parsed; it takes PSS salts of any length, so PS* go to
 * OpenSSL there too, and its checks of times are switched off since claims.c makes them, with the
 * leeway of our settings.
 */
#include "auth/jwt_verify.h"

#include <dlfcn.h>
#include <jwt.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/guard.h"

/* libjwt 3 announces itself by this macro of its new interface. */
#ifdef jwk_set_auto_t
#define LIBJWT_3
#endif

/* Normally the Makefile names the library that the header belongs to. */
#ifndef MTF_LIBJWT_SONAME
#define MTF_LIBJWT_SONAME "libjwt.so"
#endif

#ifdef LIBJWT_3
#define LIBJWT_FUNCTIONS(F)                                                                        \
	F(jwks_create)                                                                                 \
	F(jwks_error)                                                                                  \
	F(jwks_free)                                                                                   \
	F(jwks_item_error)                                                                             \
	F(jwks_item_get)                                                                               \
	F(jwt_checker_free)                                                                            \
	F(jwt_checker_new)                                                                             \
	F(jwt_checker_setkey)                                                                          \
	F(jwt_checker_time_leeway)                                                                     \
	F(jwt_checker_verify)                                                                          \
	F(jwt_str_alg)
#else
#define LIBJWT_FUNCTIONS(F)                                                                        \
	F(jwt_decode)                                                                                  \
	F(jwt_free)
#endif

/*
 * Other C libraries than glibc have no RTLD_DEEPBIND.  Programs of the test suite set their own flags:
 * a sanitizer's run-time library cannot live with it, and there is no postgres executable there.
 */
#ifndef MTF_LIBJWT_FLAGS
#ifdef RTLD_DEEPBIND
#define MTF_LIBJWT_FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
#else
#define MTF_LIBJWT_FLAGS 0 /* do not load it */
#endif
#endif

/* The functions of libjwt, once it is loaded. */
static struct
{
	bool tried;
	bool usable;
#define LIBJWT_MEMBER(name) typeof(&name) name;
	LIBJWT_FUNCTIONS(LIBJWT_MEMBER)
#undef LIBJWT_MEMBER
} libjwt;

/* Load libjwt once per process; false when it is not there, or was loaded by others without care. */
static bool
libjwt_load(void)
{
	void *handle;

	if (libjwt.tried)
		return libjwt.usable;
	libjwt.tried = true;
	if (MTF_LIBJWT_FLAGS == 0 || dlopen(MTF_LIBJWT_SONAME, RTLD_NOW | RTLD_NOLOAD) != NULL)
		return false;
	handle = dlopen(MTF_LIBJWT_SONAME, MTF_LIBJWT_FLAGS);
	if (handle == NULL)
		return false;
	libjwt.usable = true;
#define LIBJWT_LOOK_UP(name)                                                                       \
	libjwt.name = (typeof(&name)) dlsym(handle, #name);                                            \
	libjwt.usable &= libjwt.name != NULL;
	LIBJWT_FUNCTIONS(LIBJWT_LOOK_UP)
#undef LIBJWT_LOOK_UP
	return libjwt.usable;
}

const char *
mtf_signature_libjwt(void)
{
	return libjwt_load() ? MTF_LIBJWT_SONAME : NULL;
}

/* Family of an algorithm: three hash sizes each, in the order of MtfAlgorithm. */
static bool
is_family(MtfAlgorithm algorithm, MtfAlgorithm first)
{
	return algorithm >= first && algorithm < first + 3;
}

static const EVP_MD *
algorithm_hash(MtfAlgorithm algorithm)
{
	switch (algorithm)
	{
		case MTF_ALG_RS256:
		case MTF_ALG_PS256:
		case MTF_ALG_ES256:
		case MTF_ALG_HS256: return EVP_sha256();
		case MTF_ALG_RS384:
		case MTF_ALG_PS384:
		case MTF_ALG_ES384:
		case MTF_ALG_HS384: return EVP_sha384();
		case MTF_ALG_RS512:
		case MTF_ALG_PS512:
		case MTF_ALG_ES512:
		case MTF_ALG_HS512: return EVP_sha512();
		case MTF_ALG_EDDSA:
		case MTF_ALG_COUNT: break;
	}
	return NULL; /* EdDSA hashes by itself */
}

static bool
hmac_verify(const MtfJws *jws, MtfAlgorithm algorithm, const MtfKey *key)
{
	const EVP_MD *hash = algorithm_hash(algorithm);
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int mac_len = 0;
	bool equal;

	if (HMAC(hash, key->secret, (int) key->secret_len, (const unsigned char *) jws->token,
			 jws->signed_len, mac, &mac_len) == NULL)
		return false;
	equal = jws->signature_len == mac_len && CRYPTO_memcmp(mac, jws->signature, mac_len) == 0;
	OPENSSL_cleanse(mac, sizeof(mac));
	return equal;
}

/* The DER form of a raw r || s signature, malloc'd by OpenSSL; NULL on failure. */
static unsigned char *
ecdsa_der(const unsigned char *raw, int raw_len, int *der_len)
{
	BIGNUM *r = BN_bin2bn(raw, raw_len / 2, NULL);
	BIGNUM *s = BN_bin2bn(raw + raw_len / 2, raw_len / 2, NULL);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char *der = NULL;

	if (r == NULL || s == NULL || sig == NULL || ECDSA_SIG_set0(sig, r, s) != 1)
	{
		BN_free(r);
		BN_free(s);
	}
	else
		*der_len = i2d_ECDSA_SIG(sig, &der);
	ECDSA_SIG_free(sig);
	return der;
}

/* PSS as RFC 7518, 3.5 wants it: the salt as long as the hash, MGF1 with the same hash. */
static bool
set_pss(EVP_PKEY_CTX *ctx, const EVP_MD *hash)
{
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		   EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1 &&
		   EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, hash) == 1;
}

static bool
evp_verify(const MtfJws *jws, MtfAlgorithm algorithm, const MtfKey *key)
{
	const EVP_MD *hash = algorithm_hash(algorithm);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pkey_ctx;
	const unsigned char *signature = jws->signature;
	int signature_len = (int) jws->signature_len;
	unsigned char *der = NULL;
	bool valid = false;

	if (is_family(algorithm, MTF_ALG_ES256))
		signature = der = ecdsa_der(jws->signature, signature_len, &signature_len);
	if (ctx != NULL && signature != NULL &&
		EVP_DigestVerifyInit(ctx, &pkey_ctx, hash, NULL, key->pkey) == 1 &&
		(!is_family(algorithm, MTF_ALG_PS256) || set_pss(pkey_ctx, hash)))
		valid = EVP_DigestVerify(ctx, signature, signature_len, (const unsigned char *) jws->token,
								 jws->signed_len) == 1;
	OPENSSL_free(der);
	EVP_MD_CTX_free(ctx);
	return valid;
}

#ifdef LIBJWT_3

static void
destroy_jwks(void *object)
{
	libjwt.jwks_free((jwk_set_t *) object);
}

static bool
libjwt_judges(MtfAlgorithm algorithm)
{
	return is_family(algorithm, MTF_ALG_RS256) || is_family(algorithm, MTF_ALG_ES256) ||
		   algorithm == MTF_ALG_EDDSA;
}

/* libjwt 3 binds a key to one algorithm: one item per algorithm of the key, in MtfAlgorithm order. */
void
mtf_signature_prepare(MtfKey *key, MemoryContext context)
{
	MtfGuard *guard;
	char *json = pstrdup("");
	jwk_set_t *native;

	if (key->type == MTF_KEY_OCT || key->algorithms == 0 || !libjwt_load())
		return;
	for (int i = 0; i < MTF_ALG_COUNT; i++)
		if ((key->algorithms & MTF_ALG_BIT(i)) && libjwt_judges((MtfAlgorithm) i))
			json = psprintf("%s%s{\"alg\":\"%s\",%s", json, json[0] ? "," : "",
							mtf_algorithm_name((MtfAlgorithm) i), key->jwk + 1);
	if (json[0] == '\0')
		return;
	json = psprintf("{\"keys\":[%s]}", json);
	guard = mtf_guard_arm(context, destroy_jwks);
	native = libjwt.jwks_create(json);
	ERR_clear_error();
	if (native == NULL)
		return; /* OpenSSL verifies then */
	mtf_guard_hold(guard, native);
	if (libjwt.jwks_error(native) == 0)
		key->native = native;
}

static const jwk_item_t *
native_item(const MtfKey *key, MtfAlgorithm algorithm)
{
	const jwk_item_t *item = NULL;
	size_t index = 0;

	if (!libjwt_judges(algorithm))
		return NULL;
	for (int i = 0; i < (int) algorithm; i++)
		if ((key->algorithms & MTF_ALG_BIT(i)) && libjwt_judges((MtfAlgorithm) i))
			index++;
	if (key->native != NULL)
		item = libjwt.jwks_item_get((const jwk_set_t *) key->native, index);
	return item != NULL && libjwt.jwks_item_error(item) == 0 ? item : NULL;
}

/* True when libjwt has judged, and *valid is its word; false when it cannot judge. */
static bool
libjwt_verify(const MtfJws *jws, MtfAlgorithm algorithm, const MtfKey *key, bool *valid)
{
	const jwk_item_t *item = native_item(key, algorithm);
	jwt_checker_t *checker;

	if (item == NULL || (checker = libjwt.jwt_checker_new()) == NULL)
		return false;
	*valid = libjwt.jwt_checker_setkey(checker, libjwt.jwt_str_alg(mtf_algorithm_name(algorithm)),
									   item) == 0 &&
			 libjwt.jwt_checker_time_leeway(checker, JWT_CLAIM_EXP, -1) == 0 &&
			 libjwt.jwt_checker_time_leeway(checker, JWT_CLAIM_NBF, -1) == 0 &&
			 libjwt.jwt_checker_verify(checker, jws->token) == 0;
	libjwt.jwt_checker_free(checker);
	return true;
}

#else /* libjwt 1.x and 2.x */

void
mtf_signature_prepare(MtfKey *key, MemoryContext context)
{
}

static bool
libjwt_verify(const MtfJws *jws, MtfAlgorithm algorithm, const MtfKey *key, bool *valid)
{
	jwt_t *jwt = NULL;

	if (!libjwt_load())
		return false;
	if (!is_family(algorithm, MTF_ALG_RS256) && !is_family(algorithm, MTF_ALG_ES256))
		return false;
	if (jws->typ != NULL && pg_strcasecmp(jws->typ, "JWT") != 0)
		return false;
	*valid =
		libjwt.jwt_decode(&jwt, jws->token, (const unsigned char *) key->pem, key->pem_len) == 0 &&
		jwt != NULL;
	if (jwt != NULL)
		libjwt.jwt_free(jwt);
	return true;
}

#endif

const char *
mtf_signature_openssl(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}

bool
mtf_signature_verify(const MtfJws *jws, MtfAlgorithm algorithm, const MtfKey *key)
{
	bool valid = false;

	/* The caller has seen to this; a key of the wrong kind must not depend on it. */
	if (!(key->algorithms & MTF_ALG_BIT(algorithm)))
		return false;
	if (key->type == MTF_KEY_OCT)
		return hmac_verify(jws, algorithm, key);
	if (jws->signature_len != (size_t) key->signature_bytes)
		return false;
	if (!libjwt_verify(jws, algorithm, key, &valid))
		valid = evp_verify(jws, algorithm, key);
	ERR_clear_error();
	return valid;
}
