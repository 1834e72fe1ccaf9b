/*
 * keyset.c
 *	  JWK Set, PEM and HMAC secret → a set of keys; all or nothing.
 *
 * Assumption: a set is filled by an administrator's text, once, and read by many verifications.
 * Whatever is wrong with one key makes the whole set refuse: half a set is how a rotation gone wrong
 * stays unseen.
 *
 * A key of the set that is meant for encryption (`use`, `key_ops`) is checked like the others but may
 * verify nothing.
 */
#include "auth/keyset.h"

#include <string.h>

#include "auth/jwt_verify.h"
#include "auth/key.h"
#include "auth/strict.h"

#include "utils/memutils.h"

#define KEYS_MAX       100
#define JWKS_MAX_BYTES (256 * 1024)
#define KID_MAX_BYTES  256

struct MtfKeySet
{
	MemoryContext context;
	bool secrets_allowed;
	bool refused; /* a key was refused: the set stays empty */
	int nkeys;
	MtfKey *keys[KEYS_MAX];
};

static const char *const algorithm_names[MTF_ALG_COUNT] = {
	[MTF_ALG_RS256] = "RS256", [MTF_ALG_RS384] = "RS384", [MTF_ALG_RS512] = "RS512",
	[MTF_ALG_PS256] = "PS256", [MTF_ALG_PS384] = "PS384", [MTF_ALG_PS512] = "PS512",
	[MTF_ALG_ES256] = "ES256", [MTF_ALG_ES384] = "ES384", [MTF_ALG_ES512] = "ES512",
	[MTF_ALG_EDDSA] = "EdDSA", [MTF_ALG_HS256] = "HS256", [MTF_ALG_HS384] = "HS384",
	[MTF_ALG_HS512] = "HS512",
};

bool
mtf_algorithm_parse(const char *name, MtfAlgorithm *algorithm)
{
	for (int i = 0; i < MTF_ALG_COUNT; i++)
	{
		if (strcmp(algorithm_names[i], name) == 0)
		{
			*algorithm = (MtfAlgorithm) i;
			return true;
		}
	}
	return false;
}

const char *
mtf_algorithm_name(MtfAlgorithm algorithm)
{
	return algorithm_names[algorithm];
}

MtfKeySet *
mtf_keyset_create(MemoryContext context)
{
	MtfKeySet *set = MemoryContextAllocZero(context, sizeof(MtfKeySet));

	set->context = context;
	return set;
}

void
mtf_keyset_allow_secrets(MtfKeySet *set)
{
	set->secrets_allowed = true;
}

int
mtf_keyset_count(const MtfKeySet *set)
{
	return set->refused ? 0 : set->nkeys;
}

const char *
mtf_keyset_thumbprint(const MtfKeySet *set, int i)
{
	return set->keys[i]->thumbprint;
}

uint32
mtf_keyset_algorithms(const MtfKeySet *set)
{
	uint32 algorithms = 0;

	for (int i = 0; i < mtf_keyset_count(set); i++)
		algorithms |= set->keys[i]->algorithms;
	return algorithms;
}

bool
mtf_keyset_prove(const MtfKeySet *set, const char **why)
{
	*why = NULL;
	for (int i = 0; i < mtf_keyset_count(set) && *why == NULL; i++)
		*why = mtf_key_prove(set->keys[i]);
	return *why == NULL;
}

const MtfKey *
mtf_keyset_find(const MtfKeySet *set, const char *kid, MtfAlgorithm algorithm, const char **why)
{
	const MtfKey *found = NULL;
	int nfitting = 0;

	for (int i = 0; i < mtf_keyset_count(set); i++)
	{
		const MtfKey *key = set->keys[i];

		if (kid != NULL && (key->kid == NULL || strcmp(key->kid, kid) != 0))
			continue;
		if (kid != NULL && !(key->algorithms & MTF_ALG_BIT(algorithm)))
		{
			*why = "the key of this key id is not for this algorithm";
			return NULL;
		}
		if (key->algorithms & MTF_ALG_BIT(algorithm))
		{
			found = key;
			nfitting++;
		}
	}
	if (nfitting == 1)
		return found;
	if (kid != NULL)
		*why = "no key has this key id";
	else if (nfitting == 0)
		*why = "no key is for this algorithm";
	else
		*why = "the token names no key id and several keys fit";
	return NULL;
}

/* Rules between keys; NULL when `key` may join. */
static const char *
conflict(const MtfKeySet *set, const MtfKey *key)
{
	if (set->nkeys >= KEYS_MAX)
		return "a key set has more than 100 keys";
	if (key->type == MTF_KEY_OCT && !set->secrets_allowed)
		return "an HMAC secret is allowed in a file of mongo_tenant.key_dir only";
	for (int i = 0; i < set->nkeys; i++)
	{
		const MtfKey *other = set->keys[i];

		if (key->kid == NULL || other->kid == NULL)
			return "a key without key id (kid) must be the only one of its set";
		if (strcmp(key->kid, other->kid) == 0)
			return "two keys have the same key id (kid)";
		if (strcmp(key->thumbprint, other->thumbprint) == 0)
			return "one key is there twice under two key ids (kid)";
		if ((key->type == MTF_KEY_OCT) != (other->type == MTF_KEY_OCT))
			return "HMAC secrets and public keys are mixed";
	}
	return NULL;
}

/* Let a finished key (NULL: it was refused for *why) join the set. */
static bool
join(MtfKeySet *set, MtfKey *key, const char *kid, const char **why)
{
	if (key == NULL)
		return false;
	if (kid != NULL && (kid[0] == '\0' || strlen(kid) > KID_MAX_BYTES))
	{
		*why = "a key id (kid) is empty or longer than 256 bytes";
		return false;
	}
	key->kid = kid != NULL ? MemoryContextStrdup(set->context, kid) : NULL;
	*why = conflict(set, key);
	if (*why != NULL)
		return false;
	mtf_signature_prepare(key, set->context);
	set->keys[set->nkeys++] = key;
	return true;
}

/* One base64url member of a JWK, decoded into scratch memory; NULL and *why when it is not. */
static bool
jwk_bytes(const json_t *jwk, const char *name, MtfKeyBytes *bytes, const char **why)
{
	const json_t *member = json_object_get(jwk, name);
	unsigned char *data;

	if (!json_is_string(member))
	{
		*why = psprintf("a key has no text member \"%s\"", name);
		return false;
	}
	data = palloc(MTF_BASE64URL_DECODED_SIZE(json_string_length(member)));
	if (!mtf_base64url_decode(json_string_value(member), json_string_length(member), data,
							  &bytes->len))
	{
		*why = psprintf("member \"%s\" of a key is not canonical base64url", name);
		return false;
	}
	bytes->data = data;
	return true;
}

/* A text member that may be missing (*value NULL then); false when it is not text. */
static bool
jwk_text(const json_t *jwk, const char *name, const char **value, const char **why)
{
	const json_t *member = json_object_get(jwk, name);

	*value = NULL;
	if (member == NULL)
		return true;
	if (!json_is_string(member))
	{
		*why = psprintf("member \"%s\" of a key is not text", name);
		return false;
	}
	*value = json_string_value(member);
	return true;
}

/* `use` and `key_ops` (RFC 7517, 4.2 and 4.3): may this key verify signatures? */
static bool
jwk_for_signatures(const json_t *jwk, bool *verifies, const char **why)
{
	const json_t *ops = json_object_get(jwk, "key_ops");
	const char *use;

	*verifies = true;
	if (!jwk_text(jwk, "use", &use, why))
		return false;
	if (use != NULL && strcmp(use, "sig") != 0)
		*verifies = false;
	if (ops == NULL)
		return true;
	if (!json_is_array(ops))
	{
		*why = "member \"key_ops\" of a key is not an array";
		return false;
	}
	for (size_t i = 0; i < json_array_size(ops); i++)
	{
		const json_t *op = json_array_get(ops, i);

		if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0)
			return true;
	}
	*verifies = false;
	return true;
}

/* Members that only the holder of a private key has (RFC 7518, 6.2.2 and 6.3.2; RFC 8037). */
static bool
has_private_member(const json_t *jwk)
{
	static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};

	for (size_t i = 0; i < lengthof(names); i++)
		if (json_object_get(jwk, names[i]) != NULL)
			return true;
	return false;
}

/* The key of a JWK by its type; NULL and *why when it is refused. */
static MtfKey *
jwk_key(MemoryContext context, const json_t *jwk, const char *kty, const char **why)
{
	const char *curve;
	MtfKeyBytes a;
	MtfKeyBytes b;

	if (strcmp(kty, "oct") == 0)
		return jwk_bytes(jwk, "k", &a, why) ? mtf_key_oct(context, a, why) : NULL;
	if (has_private_member(jwk) || json_object_get(jwk, "k") != NULL)
	{
		*why = "a key has private members: give the public half only";
		return NULL;
	}
	if (strcmp(kty, "RSA") == 0)
		return jwk_bytes(jwk, "n", &a, why) && jwk_bytes(jwk, "e", &b, why)
				   ? mtf_key_rsa(context, a, b, why)
				   : NULL;
	if (!jwk_text(jwk, "crv", &curve, why))
		return NULL;
	if (curve == NULL)
	{
		*why = "an EC or OKP key has no curve (crv), or its type (kty) is unknown";
		return NULL;
	}
	if (strcmp(kty, "EC") == 0)
		return jwk_bytes(jwk, "x", &a, why) && jwk_bytes(jwk, "y", &b, why)
				   ? mtf_key_ec(context, curve, a, b, why)
				   : NULL;
	if (strcmp(kty, "OKP") == 0)
		return jwk_bytes(jwk, "x", &a, why) ? mtf_key_okp(context, curve, a, why) : NULL;
	*why = "the type (kty) of a key is none of RSA, EC, OKP, oct";
	return NULL;
}

/* Bind a key to its `alg`, if it names one. */
static bool
bind_algorithm(MtfKey *key, const char *alg, const char **why)
{
	MtfAlgorithm algorithm;

	if (alg == NULL)
		return true;
	if (!mtf_algorithm_parse(alg, &algorithm))
	{
		*why = "the algorithm (alg) of a key is not supported";
		return false;
	}
	if (!(key->algorithms & MTF_ALG_BIT(algorithm)))
	{
		*why = "the algorithm (alg) of a key does not fit its type, curve or length";
		return false;
	}
	key->algorithms = MTF_ALG_BIT(algorithm);
	return true;
}

static bool
add_jwk(MtfKeySet *set, const json_t *jwk, const char **why)
{
	const char *kty;
	const char *kid;
	const char *alg;
	bool verifies;
	MtfKey *key;

	if (!json_is_object(jwk))
	{
		*why = "a key is not a JSON object";
		return false;
	}
	if (!jwk_text(jwk, "kty", &kty, why) || !jwk_text(jwk, "kid", &kid, why) ||
		!jwk_text(jwk, "alg", &alg, why) || !jwk_for_signatures(jwk, &verifies, why))
		return false;
	if (kty == NULL)
	{
		*why = "a key has no type (kty)";
		return false;
	}
	key = jwk_key(set->context, jwk, kty, why);
	if (key == NULL)
		return false;
	if (!verifies)
		key->algorithms = 0;
	else if (!bind_algorithm(key, alg, why))
		return false;
	return join(set, key, kid, why);
}

static bool
add_parsed_jwks(MtfKeySet *set, const char *json, size_t len, const char **why)
{
	const json_t *root =
		len <= JWKS_MAX_BYTES ? mtf_json_load(CurrentMemoryContext, json, len, why) : NULL;
	const json_t *keys;

	if (root == NULL)
	{
		if (len > JWKS_MAX_BYTES)
			*why = "the key set is longer than 256 kB";
		return false;
	}
	keys = json_object_get(root, "keys"); /* NULL too when the root is no object */
	if (keys == NULL)
		return add_jwk(set, root, why);
	if (!json_is_array(keys) || json_array_size(keys) == 0)
	{
		*why = "\"keys\" is not an array of keys";
		return false;
	}
	for (size_t i = 0; i < json_array_size(keys); i++)
		if (!add_jwk(set, json_array_get(keys, i), why))
			return false;
	if (mtf_keyset_algorithms(set) == 0)
	{
		*why = "no key of the set is for signatures";
		return false;
	}
	return true;
}

/*
 * Every way of adding runs through here: scratch memory, and the verdict on the whole set.
 * `kid` is for PEM and secrets.
 */
typedef enum Source
{
	SOURCE_JWKS,
	SOURCE_PEM,
	SOURCE_SECRET
} Source;

static bool
add(MtfKeySet *set, Source source, const char *kid, const char *text, size_t len, const char **why)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch =
		AllocSetContextCreate(caller, "mongo_tenant key set", ALLOCSET_SMALL_SIZES);
	MtfKeyBytes secret = {(const unsigned char *) text, len};
	bool ok = false;

	*why = NULL;
	MemoryContextSwitchTo(scratch);
	if (set->refused)
		*why = "an earlier key of the set was refused";
	else if (source == SOURCE_JWKS)
		ok = add_parsed_jwks(set, text, len, why);
	else if (source == SOURCE_PEM)
		ok = join(set, mtf_key_pem(set->context, text, len, why), kid, why);
	else
	{
		set->secrets_allowed = true;
		ok = join(set, mtf_key_oct(set->context, secret, why), kid, why);
	}
	MemoryContextSwitchTo(caller);
	if (!ok)
	{
		set->refused = true;
		*why = pstrdup(*why);
	}
	MemoryContextDelete(scratch);
	return ok;
}

bool
mtf_keyset_add_jwks(MtfKeySet *set, const char *json, size_t len, const char **why)
{
	return add(set, SOURCE_JWKS, NULL, json, len, why);
}

bool
mtf_keyset_add_pem(MtfKeySet *set, const char *kid, const char *pem, size_t len, const char **why)
{
	return add(set, SOURCE_PEM, kid, pem, len, why);
}

bool
mtf_keyset_add_secret(MtfKeySet *set, const char *kid, const char *secret, size_t len,
					  const char **why)
{
	return add(set, SOURCE_SECRET, kid, secret, len, why);
}
