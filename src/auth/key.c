/*
 * key.c
 *	  One verification key from its numbers or from PEM, with every check of its strength.
 *
 * OpenSSL's objects are made and freed inside functions that do not palloc, or are held by a guard.
 * Its error queue is left empty: PostgreSQL's own TLS code reads that queue.
 */
#include "auth/key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <string.h>

#include "auth/edwards.h"
#include "auth/strict.h"
#include "base/guard.h"

#define RSA_MIN_BITS     2048
#define RSA_MAX_BITS     8192 /* above, one verification costs an attacker nothing and us much */
#define PEM_MAX_BYTES    (16 * 1024)
#define SECRET_MAX_BYTES 4096

typedef struct EcCurve
{
	const char *name;  /* JWK */
	const char *group; /* OpenSSL */
	int bytes;         /* of one coordinate */
	MtfAlgorithm algorithm;
} EcCurve;

static const EcCurve ec_curves[] = {
	{"P-256", "prime256v1", 32, MTF_ALG_ES256},
	{"P-384", "secp384r1", 48, MTF_ALG_ES384},
	{"P-521", "secp521r1", 66, MTF_ALG_ES512},
};

typedef struct OkpCurve
{
	const char *name;
	int type; /* EVP_PKEY_* */
	int key_bytes;
	int signature_bytes;
} OkpCurve;

static const OkpCurve okp_curves[] = {
	{"Ed25519", EVP_PKEY_ED25519, 32, 64},
	{"Ed448", EVP_PKEY_ED448, 57, 114},
};

static void
destroy_pkey(void *object)
{
	EVP_PKEY_free((EVP_PKEY *) object);
}

static void
destroy_bio(void *object)
{
	BIO_free_all((BIO *) object);
}

static char *
hex_digest(MemoryContext context, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char *hex = MemoryContextAlloc(context, 2 * SHA256_DIGEST_LENGTH + 1);

	SHA256((const unsigned char *) text, strlen(text), digest);
	for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
	{
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[2 * SHA256_DIGEST_LENGTH] = '\0';
	return hex;
}

/* The public key as PEM, living in `context`. */
static char *
public_pem(MemoryContext context, EVP_PKEY *pkey, int *len)
{
	MtfGuard *guard = mtf_guard_arm(CurrentMemoryContext, destroy_bio);
	BIO *bio = mtf_guard_hold(guard, BIO_new(BIO_s_mem()));
	char *data;
	char *pem = NULL;

	if (PEM_write_bio_PUBKEY(bio, pkey) == 1)
	{
		*len = (int) BIO_get_mem_data(bio, &data);
		pem = MemoryContextAlloc(context, *len + 1);
		memcpy(pem, data, *len);
		pem[*len] = '\0';
	}
	mtf_guard_release(guard);
	return pem;
}

/* OpenSSL's full check of a public key; for RSA it looks for primes and takes milliseconds. */
static bool
pkey_checks(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool ok = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

/* An EVP_PKEY from its parameters; NULL when they make no public key. */
static EVP_PKEY *
pkey_from_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
	{
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return pkey;
}

/*
 * Finish an asymmetric key: hold `pkey`, render it as PEM and as canonical JWK.  `jwk` is the
 * RFC 7638 text in scratch memory.
 */
static MtfKey *
finish_key(MemoryContext context, MtfGuard *guard, EVP_PKEY *pkey, MtfKeyType type, const char *jwk)
{
	MtfKey *key;

	mtf_guard_hold(guard, pkey);
	key = MemoryContextAllocZero(context, sizeof(MtfKey));
	key->type = type;
	key->pkey = pkey;
	key->jwk = MemoryContextStrdup(context, jwk);
	key->thumbprint = hex_digest(context, jwk);
	key->pem = public_pem(context, pkey, &key->pem_len);
	if (key->pem == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return key;
}

static MtfKeyBytes
strip_zeros(MtfKeyBytes bytes)
{
	while (bytes.len > 0 && bytes.data[0] == 0)
	{
		bytes.data++;
		bytes.len--;
	}
	return bytes;
}

static int
bit_length(MtfKeyBytes bytes)
{
	int bits = (int) bytes.len * 8;

	for (unsigned char mask = 0x80; bytes.len > 0 && mask != 0 && !(bytes.data[0] & mask);
		 mask >>= 1)
		bits--;
	return bits;
}

static const char modulus_refusal[] = "the modulus of an RSA key is not a product of large primes";

/* Is the number divisible by 2 or by an odd number up to 751?  Cheap enough for every load. */
static bool
has_small_factor(MtfKeyBytes n)
{
	BIGNUM *bn = BN_bin2bn(n.data, (int) n.len, NULL);
	bool found = bn == NULL || !BN_is_odd(bn);

	for (BN_ULONG divisor = 3; divisor <= 751 && !found; divisor += 2)
		found = BN_mod_word(bn, divisor) == 0;
	BN_free(bn);
	return found;
}

const char *
mtf_key_prove(const MtfKey *key)
{
	return key->type != MTF_KEY_RSA || pkey_checks(key->pkey) ? NULL : modulus_refusal;
}

/* The RSA numbers as an EVP_PKEY; no palloc in here. */
static EVP_PKEY *
rsa_pkey(MtfKeyBytes n, MtfKeyBytes e)
{
	BIGNUM *bn_n = BN_bin2bn(n.data, (int) n.len, NULL);
	BIGNUM *bn_e = BN_bin2bn(e.data, (int) e.len, NULL);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey = NULL;

	if (bn_n != NULL && bn_e != NULL && builder != NULL &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, bn_n) == 1 &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, bn_e) == 1 &&
		(params = OSSL_PARAM_BLD_to_param(builder)) != NULL)
		pkey = pkey_from_params("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	BN_free(bn_n);
	BN_free(bn_e);
	return pkey;
}

MtfKey *
mtf_key_rsa(MemoryContext context, MtfKeyBytes n, MtfKeyBytes e, const char **why)
{
	MtfGuard *guard;
	EVP_PKEY *pkey;
	MtfKey *key;
	int bits;

	n = strip_zeros(n);
	e = strip_zeros(e);
	bits = bit_length(n);
	*why = NULL;
	if (bits < RSA_MIN_BITS)
		*why = "an RSA key has fewer than 2048 bits";
	else if (bits > RSA_MAX_BITS)
		*why = "an RSA key has more than 8192 bits";
	else if (e.len == 0 || !(e.data[e.len - 1] & 1) || bit_length(e) < 2)
		*why = "the exponent of an RSA key is even or 1";
	else if (bit_length(e) > 64)
		*why = "the exponent of an RSA key has more than 64 bits";
	else if (has_small_factor(n))
		*why = modulus_refusal;
	if (*why != NULL)
		return NULL;

	guard = mtf_guard_arm(context, destroy_pkey);
	pkey = rsa_pkey(n, e);
	if (pkey == NULL)
	{
		*why = "the cryptographic library refuses an RSA key";
		return NULL;
	}
	key = finish_key(context, guard, pkey, MTF_KEY_RSA,
					 psprintf("{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}",
							  mtf_base64url_encode(e.data, e.len),
							  mtf_base64url_encode(n.data, n.len)));
	key->signature_bytes = (bits + 7) / 8;
	key->algorithms = MTF_ALG_BIT(MTF_ALG_RS256) | MTF_ALG_BIT(MTF_ALG_RS384) |
					  MTF_ALG_BIT(MTF_ALG_RS512) | MTF_ALG_BIT(MTF_ALG_PS256) |
					  MTF_ALG_BIT(MTF_ALG_PS384) | MTF_ALG_BIT(MTF_ALG_PS512);
	return key;
}

/* An uncompressed point as an EVP_PKEY; no palloc in here. */
static EVP_PKEY *
ec_pkey(const EcCurve *curve, MtfKeyBytes x, MtfKeyBytes y)
{
	unsigned char point[1 + 2 * 66];
	OSSL_PARAM params[3];

	point[0] = POINT_CONVERSION_UNCOMPRESSED;
	memcpy(point + 1, x.data, curve->bytes);
	memcpy(point + 1 + curve->bytes, y.data, curve->bytes);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
												 unconstify(char *, curve->group), 0);
	params[1] =
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * curve->bytes);
	params[2] = OSSL_PARAM_construct_end();
	return pkey_from_params("EC", params);
}

MtfKey *
mtf_key_ec(MemoryContext context, const char *name, MtfKeyBytes x, MtfKeyBytes y, const char **why)
{
	const EcCurve *curve = NULL;
	MtfGuard *guard;
	EVP_PKEY *pkey;
	MtfKey *key;

	for (size_t i = 0; i < lengthof(ec_curves); i++)
		if (strcmp(ec_curves[i].name, name) == 0)
			curve = &ec_curves[i];
	if (curve == NULL)
	{
		*why = "an EC key is on a curve other than P-256, P-384, P-521";
		return NULL;
	}
	if (x.len != (size_t) curve->bytes || y.len != (size_t) curve->bytes)
	{
		*why = "a coordinate of an EC key does not have the length of its curve";
		return NULL;
	}
	guard = mtf_guard_arm(context, destroy_pkey);
	pkey = ec_pkey(curve, x, y);
	if (pkey == NULL || !pkey_checks(pkey))
	{
		EVP_PKEY_free(pkey);
		*why = "the point of an EC key is not on its curve";
		return NULL;
	}
	key = finish_key(context, guard, pkey, MTF_KEY_EC,
					 psprintf("{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
							  curve->name, mtf_base64url_encode(x.data, x.len),
							  mtf_base64url_encode(y.data, y.len)));
	key->signature_bytes = 2 * curve->bytes;
	key->algorithms = MTF_ALG_BIT(curve->algorithm);
	return key;
}

MtfKey *
mtf_key_okp(MemoryContext context, const char *name, MtfKeyBytes x, const char **why)
{
	const OkpCurve *curve = NULL;
	MtfGuard *guard;
	EVP_PKEY *pkey;
	MtfKey *key;

	for (size_t i = 0; i < lengthof(okp_curves); i++)
		if (strcmp(okp_curves[i].name, name) == 0)
			curve = &okp_curves[i];
	if (curve == NULL)
	{
		*why = "an OKP key is on a curve other than Ed25519, Ed448";
		return NULL;
	}
	if (x.len != (size_t) curve->key_bytes)
	{
		*why = "an OKP key does not have the length of its curve";
		return NULL;
	}
	if (!mtf_edwards_point_valid(curve->type == EVP_PKEY_ED448, x.data))
	{
		*why = "the point of an OKP key is off its curve or of small order";
		return NULL;
	}
	guard = mtf_guard_arm(context, destroy_pkey);
	pkey = EVP_PKEY_new_raw_public_key(curve->type, NULL, x.data, x.len);
	ERR_clear_error();
	if (pkey == NULL)
	{
		*why = "the cryptographic library refuses an OKP key";
		return NULL;
	}
	key = finish_key(context, guard, pkey, MTF_KEY_OKP,
					 psprintf("{\"crv\":\"%s\",\"kty\":\"OKP\",\"x\":\"%s\"}", curve->name,
							  mtf_base64url_encode(x.data, x.len)));
	key->signature_bytes = curve->signature_bytes;
	key->algorithms = MTF_ALG_BIT(MTF_ALG_EDDSA);
	return key;
}

MtfKey *
mtf_key_oct(MemoryContext context, MtfKeyBytes k, const char **why)
{
	bool varied = false;
	unsigned char *secret;
	MtfKey *key;

	for (size_t i = 1; i < k.len; i++)
		varied |= k.data[i] != k.data[0];
	*why = NULL;
	if (k.len < 32)
		*why = "an HMAC secret has fewer than 32 bytes";
	else if (k.len > SECRET_MAX_BYTES)
		*why = "an HMAC secret has more than 4096 bytes";
	else if (!varied)
		*why = "all bytes of an HMAC secret are equal";
	else if (memcmp(k.data, "-----BEGIN", 10) == 0)
		*why = "an HMAC secret is a PEM text: was a public key meant?";
	if (*why != NULL)
		return NULL;

	key = MemoryContextAllocZero(context, sizeof(MtfKey));
	secret = MemoryContextAlloc(context, k.len);
	memcpy(secret, k.data, k.len);
	key->type = MTF_KEY_OCT;
	key->secret = secret;
	key->secret_len = k.len;
	key->thumbprint = hex_digest(
		context, psprintf("{\"k\":\"%s\",\"kty\":\"oct\"}", mtf_base64url_encode(k.data, k.len)));
	/* RFC 7518, 3.2: a secret at least as long as the hash. */
	key->algorithms = MTF_ALG_BIT(MTF_ALG_HS256);
	if (k.len >= 48)
		key->algorithms |= MTF_ALG_BIT(MTF_ALG_HS384);
	if (k.len >= 64)
		key->algorithms |= MTF_ALG_BIT(MTF_ALG_HS512);
	return key;
}

/* The numbers of a parsed PEM key, in fixed space: no palloc while OpenSSL objects are open. */
typedef struct PemNumbers
{
	int type; /* EVP_PKEY_* */
	char group[32];
	unsigned char a[RSA_MAX_BITS / 8]; /* n, x or the raw key */
	unsigned char b[RSA_MAX_BITS / 8]; /* e or y */
	int a_len;
	int b_len;
} PemNumbers;

/* One number, left-padded to `width` bytes (0: as short as it is); false when it does not fit. */
static bool
pkey_number(const EVP_PKEY *pkey, const char *name, int width, unsigned char *dst, int *len)
{
	BIGNUM *bn = NULL;
	bool fits;

	if (EVP_PKEY_get_bn_param(pkey, name, &bn) != 1)
		return false;
	*len = width > 0 ? width : BN_num_bytes(bn);
	fits = *len <= RSA_MAX_BITS / 8 && BN_bn2binpad(bn, dst, *len) == *len;
	BN_free(bn);
	return fits;
}

static bool
pkey_numbers(const EVP_PKEY *pkey, PemNumbers *numbers)
{
	size_t raw_len = sizeof(numbers->a);

	numbers->type = EVP_PKEY_get_base_id(pkey);
	switch (numbers->type)
	{
		case EVP_PKEY_RSA:
			return pkey_number(pkey, OSSL_PKEY_PARAM_RSA_N, 0, numbers->a, &numbers->a_len) &&
				   pkey_number(pkey, OSSL_PKEY_PARAM_RSA_E, 0, numbers->b, &numbers->b_len);
		case EVP_PKEY_EC:
			if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, numbers->group,
											   sizeof(numbers->group), NULL) != 1)
				return false;
			for (size_t i = 0; i < lengthof(ec_curves); i++)
				if (strcmp(ec_curves[i].group, numbers->group) == 0)
				{
					strlcpy(numbers->group, ec_curves[i].name, sizeof(numbers->group));
					return pkey_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, ec_curves[i].bytes,
									   numbers->a, &numbers->a_len) &&
						   pkey_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, ec_curves[i].bytes,
									   numbers->b, &numbers->b_len);
				}
			return false;
		case EVP_PKEY_ED25519:
		case EVP_PKEY_ED448:
			if (EVP_PKEY_get_raw_public_key(pkey, numbers->a, &raw_len) != 1)
				return false;
			numbers->a_len = (int) raw_len;
			return true;
		default: return false;
	}
}

/* OpenSSL would ask the terminal for a pass phrase. */
static int
no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
	return -1;
}

/* Parse one PEM public key; false when it is none of a supported type.  No palloc in here. */
static bool
read_pem(const char *pem, size_t len, PemNumbers *numbers)
{
	BIO *bio = BIO_new_mem_buf(pem, (int) len);
	EVP_PKEY *pkey = NULL;
	bool ok = false;

	if (bio != NULL)
		pkey = PEM_read_bio_PUBKEY(bio, NULL, no_pass_phrase, NULL);
	if (pkey != NULL)
		ok = pkey_numbers(pkey, numbers);
	EVP_PKEY_free(pkey);
	BIO_free_all(bio);
	ERR_clear_error();
	return ok;
}

/* Exactly one block "PUBLIC KEY", with nothing but blanks around it. */
static const char *
pem_refusal(const char *pem, size_t len)
{
	static const char begin[] = "-----BEGIN PUBLIC KEY-----";
	static const char end[] = "-----END PUBLIC KEY-----";
	const char *text;
	const char *stop;

	if (len > PEM_MAX_BYTES)
		return "the PEM text is longer than 16 kB";
	if (memchr(pem, '\0', len) != NULL)
		return "the PEM text contains a NUL byte";
	text = pnstrdup(pem, len);
	text += strspn(text, " \t\r\n");
	if (strstr(text, "PRIVATE KEY-----") != NULL)
		return "the PEM text contains a private key: give the public half only";
	if (strncmp(text, begin, strlen(begin)) != 0)
		return "the PEM text does not start with \"-----BEGIN PUBLIC KEY-----\"";
	stop = strstr(text, end);
	if (stop == NULL)
		return "the PEM text has no end line";
	stop += strlen(end);
	if (stop[strspn(stop, " \t\r\n")] != '\0')
		return "the PEM text has something behind its first key";
	return NULL;
}

MtfKey *
mtf_key_pem(MemoryContext context, const char *pem, size_t len, const char **why)
{
	PemNumbers *numbers = palloc0(sizeof(PemNumbers));
	MtfKeyBytes a;
	MtfKeyBytes b;

	*why = pem_refusal(pem, len);
	if (*why != NULL)
		return NULL;
	if (!read_pem(pem, len, numbers))
	{
		*why = "the PEM text holds no RSA key up to 8192 bits, EC key on P-256, P-384 or P-521, "
			   "Ed25519 or Ed448 key";
		return NULL;
	}
	a.data = numbers->a;
	a.len = numbers->a_len;
	b.data = numbers->b;
	b.len = numbers->b_len;
	switch (numbers->type)
	{
		case EVP_PKEY_RSA: return mtf_key_rsa(context, a, b, why);
		case EVP_PKEY_EC: return mtf_key_ec(context, numbers->group, a, b, why);
		case EVP_PKEY_ED448: return mtf_key_okp(context, "Ed448", a, why);
		default: return mtf_key_okp(context, "Ed25519", a, why);
	}
}
