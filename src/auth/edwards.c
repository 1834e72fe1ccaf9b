/*
 * edwards.c
 *	  Point checks for Ed25519 and Ed448 with OpenSSL's big numbers.
 *
 * The curves are a x^2 + y^2 = 1 + d x^2 y^2 (mod p), a = -1 for Ed25519 and 1 for Ed448, so
 * x^2 = u / v with u = 1 - y^2 and v = a - d y^2.  A point exists when u v is a square.
 *
 * Small order: y is 1 or -1 (orders 1, 2; u = 0), y = 0 (order 4), or, with cofactor 8, a point whose
 * double has y = 0.  By the addition law that is y^2 = a x^2, so y^2 v = a u.  With cofactor 4 no
 * point has order 8 and the last test never fires.
 *
 * Not constant time: public keys only.
 */
#include "auth/edwards.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <string.h>

typedef struct Edwards
{
	int bytes;     /* of an encoded point */
	int field_len; /* of y in it, without the sign byte of Ed448 */
	const char *p;
	const char *d; /* as a residue */
	int a;         /* 1 or -1 */
} Edwards;

static const Edwards ed25519_curve = {
	32, 32, "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed",
	"52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3", -1};

static const Edwards ed448_curve = {57, 56,
									"fffffffffffffffffffffffffffffffffffffffffffffffffffffffe"
									"ffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
									/* -39081 */
									"fffffffffffffffffffffffffffffffffffffffffffffffffffffffe"
									"ffffffffffffffffffffffffffffffffffffffffffffffffffff6756",
									1};

/* y from its little-endian encoding, without the sign of x; NULL when bits are set beyond it. */
static BIGNUM *
decode_y(const Edwards *curve, const unsigned char *encoded)
{
	unsigned char big_endian[57];

	for (int i = 0; i < curve->field_len; i++)
		big_endian[i] = encoded[curve->field_len - 1 - i];
	if (curve->field_len == curve->bytes)
		big_endian[0] &= 0x7f;
	else if (encoded[curve->bytes - 1] & 0x7f)
		return NULL;
	return BN_bin2bn(big_endian, curve->field_len, NULL);
}

/* x^2 = u / v has a solution, and (x, y) is none of the points of small order. */
static bool
point_valid(const Edwards *curve, const BIGNUM *y, BN_CTX *ctx)
{
	BIGNUM *p = BN_CTX_get(ctx);
	BIGNUM *d = BN_CTX_get(ctx);
	BIGNUM *y2 = BN_CTX_get(ctx);
	BIGNUM *u = BN_CTX_get(ctx);
	BIGNUM *v = BN_CTX_get(ctx);
	BIGNUM *t = BN_CTX_get(ctx);
	BIGNUM *au = BN_CTX_get(ctx);

	if (au == NULL || !BN_hex2bn(&p, curve->p) || !BN_hex2bn(&d, curve->d))
		return false;
	if (BN_cmp(y, p) >= 0 || BN_is_zero(y))
		return false; /* not canonical, or of order 4 */
	if (!BN_mod_sqr(y2, y, p, ctx) || !BN_one(t) || !BN_mod_sub(u, t, y2, p, ctx) ||
		!BN_mod_mul(v, d, y2, p, ctx))
		return false;
	if (BN_is_zero(u))
		return false; /* of order 1 or 2 */
	/* v = a - d y^2, au = a u */
	if (curve->a == 1 ? !BN_mod_sub(v, t, v, p, ctx) || BN_copy(au, u) == NULL
					  : !BN_mod_add(v, t, v, p, ctx) || !BN_mod_sub(v, p, v, p, ctx) ||
							!BN_mod_sub(au, p, u, p, ctx))
		return false;
	if (!BN_mod_mul(t, y2, v, p, ctx) || BN_cmp(t, au) == 0)
		return false; /* of order 8 */
	return BN_mod_mul(t, u, v, p, ctx) && BN_kronecker(t, p, ctx) == 1;
}

bool
mtf_edwards_point_valid(bool ed448, const unsigned char *encoded)
{
	const Edwards *curve = ed448 ? &ed448_curve : &ed25519_curve;
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *y = decode_y(curve, encoded);
	bool valid = false;

	if (ctx != NULL && y != NULL)
	{
		BN_CTX_start(ctx);
		valid = point_valid(curve, y, ctx);
		BN_CTX_end(ctx);
	}
	BN_free(y);
	BN_CTX_free(ctx);
	ERR_clear_error();
	return valid;
}
