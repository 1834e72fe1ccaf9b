/*
 * claims.c
 *	  Text token → verified claims: the order of all checks, and the checks of the claims.
 *
 * Everything made on the way lives in a scratch context; what is handed over is copied.
 */
#include "auth/claims.h"

#include <string.h>

#include "auth/jws.h"
#include "auth/jwt_verify.h"
#include "auth/key.h"
#include "auth/strict.h"

#include "common/int.h"
#include "utils/memutils.h"

#define PATH_SEPARATOR   '.'
#define TENANT_MAX_BYTES 1024
#define TIME_MAX         INT64CONST(253402300799) /* the end of year 9999 */

static const char *const check_names[MTF_CHECK_COUNT] = {
	[MTF_CHECK_STRUCTURE] = "structure",   [MTF_CHECK_ISSUER] = "issuer",
	[MTF_CHECK_ALGORITHM] = "algorithm",   [MTF_CHECK_KEY] = "key",
	[MTF_CHECK_SIGNATURE] = "signature",   [MTF_CHECK_TYPE] = "type",
	[MTF_CHECK_AUDIENCE] = "audience",     [MTF_CHECK_TIMES] = "times",
	[MTF_CHECK_REQUIRED] = "required",     [MTF_CHECK_TENANT] = "tenant",
	[MTF_CHECK_REVOCATION] = "revocation",
};

const char *
mtf_claims_libraries(void)
{
	const char *libjwt = mtf_signature_libjwt();

	if (libjwt == NULL)
		return psprintf("%s", mtf_signature_openssl());
	return psprintf("%s, else %s", libjwt, mtf_signature_openssl());
}

const char *
mtf_check_name(MtfCheck check)
{
	return check_names[check];
}

/* One verification under way. */
typedef struct Verification
{
	const MtfTimeRules *rules;
	int64 now;
	MtfTrustLookup lookup;
	void *lookup_arg;
	MtfJws jws;
	const MtfTrust *trust;
	const char *issuer;
	MtfAlgorithm algorithm;
	const MtfKey *key;
	int64 iat;
	int64 nbf;
	int64 exp;
	bool has_iat;
	bool has_nbf;
	const char *subject;
	const char *jti;
	const json_t *tenant;
} Verification;

static int64
saturating_add(int64 a, int64 b)
{
	int64 sum;

	if (pg_add_s64_overflow(a, b, &sum))
		return b > 0 ? PG_INT64_MAX : PG_INT64_MIN;
	return sum;
}

static int64
saturating_sub(int64 a, int64 b)
{
	int64 difference;

	if (pg_sub_s64_overflow(a, b, &difference))
		return b < 0 ? PG_INT64_MAX : PG_INT64_MIN;
	return difference;
}

static bool
not_expired(int64 exp, int64 leeway, int64 now)
{
	return now < saturating_add(exp, leeway); /* RFC 7519, 4.1.4: refused on or after exp */
}

static bool
already_valid(int64 nbf, int64 leeway, int64 now)
{
	return saturating_add(now, leeway) >= nbf;
}

bool
mtf_claims_current(int64 nbf, bool has_nbf, int64 exp, int64 leeway, int64 now)
{
	return not_expired(exp, leeway, now) && (!has_nbf || already_valid(nbf, leeway, now));
}

/* Each check_* returns NULL when it passes, or says why not. */

static const char *
check_issuer(Verification *v)
{
	const json_t *iss = json_object_get(v->jws.payload, "iss");

	if (!json_is_string(iss) || json_string_length(iss) == 0)
		return "iss is missing or not text";
	v->issuer = json_string_value(iss);
	v->trust = v->lookup(v->issuer, v->lookup_arg);
	if (v->trust == NULL || strcmp(v->trust->issuer, v->issuer) != 0)
		return "no provider has this issuer";
	return NULL;
}

static const char *
check_algorithm(Verification *v)
{
	if (!mtf_algorithm_parse(v->jws.alg, &v->algorithm))
		return "alg is none, misspelt or not supported";
	if (!(v->trust->algorithms & MTF_ALG_BIT(v->algorithm)))
		return "the provider does not allow this algorithm";
	return NULL;
}

static const char *
check_key(Verification *v)
{
	const char *why = NULL;

	if (v->trust->keys == NULL)
		return "the keys of the provider are unusable";
	v->key = mtf_keyset_find(v->trust->keys, v->jws.kid, v->algorithm, &why);
	return v->key == NULL ? why : NULL;
}

static const char *
check_signature(Verification *v)
{
	if (!mtf_signature_verify(&v->jws, v->algorithm, v->key))
		return "the signature does not fit";
	return NULL;
}

/* A media type without its usual prefix (RFC 7515, 4.1.9). */
static const char *
short_type(const char *typ)
{
	return pg_strncasecmp(typ, "application/", 12) == 0 ? typ + 12 : typ;
}

static bool
same_type(const char *a, const char *b)
{
	return pg_strcasecmp(short_type(a), short_type(b)) == 0;
}

static bool
listed(const char *value, int n, const char *const *list)
{
	for (int i = 0; i < n; i++)
		if (strcmp(value, list[i]) == 0)
			return true;
	return false;
}

static bool
type_listed(const char *typ, int n, const char *const *list)
{
	for (int i = 0; i < n; i++)
		if (same_type(typ, list[i]))
			return true;
	return false;
}

/*
 * Marks of a token that is not meant to give access: an OpenID Connect ID token (hashes of what was
 * issued with it, the nonce of a login), a logout token, or one that says so in the claims that
 * widely used servers write.
 */
static const char *
refused_purpose(const json_t *payload)
{
	static const char *const marks[] = {"at_hash", "c_hash", "s_hash", "nonce", "events"};
	static const char *const purposes[] = {"ID", "Refresh", "Offline", "Logout", "id", "refresh"};
	const json_t *typ = json_object_get(payload, "typ");
	const json_t *use = json_object_get(payload, "token_use");

	for (size_t i = 0; i < lengthof(marks); i++)
		if (json_object_get(payload, marks[i]) != NULL)
			return "the claims are those of an ID or logout token";
	if (json_is_string(typ) && listed(json_string_value(typ), lengthof(purposes), purposes))
		return "the claim typ names another purpose than access";
	if (json_is_string(use) && listed(json_string_value(use), lengthof(purposes), purposes))
		return "the claim token_use names another purpose than access";
	return NULL;
}

static const char *
check_authorized_party(const Verification *v)
{
	const json_t *azp = json_object_get(v->jws.payload, "azp");

	if (azp != NULL && !json_is_string(azp))
		return "azp is not text";
	if (v->trust->nazp == 0)
		return NULL;
	if (azp == NULL)
		return "azp is missing";
	if (!listed(json_string_value(azp), v->trust->nazp, v->trust->azp))
		return "azp is not one of the provider's";
	return NULL;
}

/*
 * Without a list: no typ, "JWT" or "at+jwt", since any other typ says that the token was made for
 * another use (RFC 8725, 3.11).  A list names what must be there; "id_token" in it lets the claims of
 * ID tokens through as well.
 */
static const char *
check_type(Verification *v)
{
	static const char *const usual[] = {"JWT", "at+jwt"};
	const char *typ = v->jws.typ;
	const char *why;

	if (v->trust->ntyp == 0)
	{
		if (typ != NULL && !type_listed(typ, lengthof(usual), usual))
			return "typ names another kind of token";
	}
	else if (typ == NULL)
		return "typ is missing";
	else if (!type_listed(typ, v->trust->ntyp, v->trust->typ))
		return "typ is not one of the provider's";

	if (!type_listed("id_token", v->trust->ntyp, v->trust->typ) &&
		(typ == NULL || !same_type(typ, "at+jwt")) &&
		(why = refused_purpose(v->jws.payload)) != NULL)
		return why;
	return check_authorized_party(v);
}

/* Is `audience` in `aud`, which is text or an array of texts? */
static bool
aud_contains(const json_t *aud, const char *audience)
{
	if (json_is_string(aud))
		return strcmp(json_string_value(aud), audience) == 0;
	for (size_t i = 0; i < json_array_size(aud); i++)
		if (strcmp(json_string_value(json_array_get(aud, i)), audience) == 0)
			return true;
	return false;
}

/* Text that is not empty, or a non-empty array of such texts. */
static bool
aud_well_formed(const json_t *aud)
{
	if (json_is_string(aud))
		return json_string_length(aud) > 0;
	for (size_t i = 0; i < json_array_size(aud); i++)
	{
		const json_t *element = json_array_get(aud, i);

		if (!json_is_string(element) || json_string_length(element) == 0)
			return false;
	}
	return json_array_size(aud) > 0; /* 0 too when it is no array */
}

static const char *
check_audience(const Verification *v)
{
	const json_t *aud = json_object_get(v->jws.payload, "aud");
	int found = 0;

	if (aud == NULL)
		return v->trust->any_audience ? NULL : "aud is missing";
	if (!aud_well_formed(aud))
		return "aud is neither text nor an array of texts";
	if (v->trust->any_audience)
		return NULL;
	for (int i = 0; i < v->trust->naudiences; i++)
		if (aud_contains(aud, v->trust->audiences[i]))
			found++;
	if (found == 0)
		return "aud is not the provider's";
	if (v->trust->all_audiences && found < v->trust->naudiences)
		return "aud lacks one of the provider's audiences";
	return NULL;
}

/* A time claim: an integer from 1970 to 9999.  False when it is there and anything else. */
static bool
time_claim(const json_t *payload, const char *name, bool *present, int64 *value)
{
	const json_t *claim = json_object_get(payload, name);

	*present = claim != NULL;
	if (claim == NULL)
		return true;
	if (!json_is_integer(claim))
		return false;
	*value = json_integer_value(claim);
	return *value >= 0 && *value <= TIME_MAX;
}

static const char *
check_times(Verification *v)
{
	const MtfTimeRules *rules = v->rules;
	int64 leeway = Max(rules->leeway, 0);
	bool has_exp;

	if (!time_claim(v->jws.payload, "exp", &has_exp, &v->exp) || !has_exp)
		return "exp is missing or not an integer time";
	if (!time_claim(v->jws.payload, "nbf", &v->has_nbf, &v->nbf))
		return "nbf is not an integer time";
	if (!time_claim(v->jws.payload, "iat", &v->has_iat, &v->iat))
		return "iat is not an integer time";
	if (!not_expired(v->exp, leeway, v->now))
		return "the token has expired";
	if (v->has_nbf && !already_valid(v->nbf, leeway, v->now))
		return "the token is not yet valid";
	if (v->has_iat && !already_valid(v->iat, leeway, v->now))
		return "the token was issued in the future";
	if (v->has_iat && v->exp < v->iat)
		return "the token expires before it was issued";
	if (rules->max_lifetime > 0 &&
		saturating_sub(v->exp, v->has_iat ? v->iat : v->now) > rules->max_lifetime)
		return "the lifetime of the token is longer than mongo_tenant.max_token_lifetime";
	return NULL;
}

/* sub and jti are what revocations name: they are text or they are not there. */
static bool
optional_text(const json_t *payload, const char *name, const char **value)
{
	const json_t *claim = json_object_get(payload, name);

	*value = NULL;
	if (claim == NULL)
		return true;
	if (!json_is_string(claim) || json_string_length(claim) == 0)
		return false;
	*value = json_string_value(claim);
	return true;
}

static const char *
check_required(Verification *v)
{
	if (!optional_text(v->jws.payload, "sub", &v->subject))
		return "sub is not text";
	if (!optional_text(v->jws.payload, "jti", &v->jti))
		return "jti is not text";
	for (int i = 0; i < v->trust->nrequired; i++)
	{
		const json_t *claim = json_object_get(v->jws.payload, v->trust->required[i]);

		if (claim == NULL || json_is_null(claim))
			return "a required claim is missing";
	}
	return NULL;
}

/*
 * Copy the next name of a dotted path, without its escapes, to `name` and return what follows it
 * (NULL at the end).  *valid is false for an empty name or a stray backslash.
 */
static const char *
next_name(const char *path, char *name, bool *valid)
{
	size_t n = 0;

	*valid = true;
	for (; *path != '\0' && *path != PATH_SEPARATOR; path++)
	{
		if (*path == '\\')
		{
			path++;
			if (*path != PATH_SEPARATOR && *path != '\\')
			{
				*valid = false;
				return NULL;
			}
		}
		name[n++] = *path;
	}
	name[n] = '\0';
	if (n == 0)
		*valid = false;
	return *path == '\0' ? NULL : path + 1;
}

/* The claim at a dotted path through objects; NULL when there is none or the path is malformed. */
static const json_t *
claim_at(const json_t *object, const char *path)
{
	char *name = palloc(strlen(path) + 1);

	while (path != NULL)
	{
		bool valid;

		path = next_name(path, name, &valid);
		if (!valid)
			return NULL;
		object = json_object_get(object, name); /* NULL when `object` is no object */
	}
	return object;
}

bool
mtf_claim_path_valid(const char *path)
{
	char *name = palloc(strlen(path) + 1);
	bool valid = true;

	while (path != NULL && valid)
		path = next_name(path, name, &valid);
	pfree(name);
	return valid;
}

static const char *
check_tenant(Verification *v)
{
	const json_t *tenant = claim_at(v->jws.payload, v->trust->tenant_claim);

	v->tenant = tenant;
	if (tenant == NULL)
		return "the tenant claim is missing";
	if (json_is_integer(tenant))
		return NULL;
	if (!json_is_string(tenant))
		return "the tenant claim is neither text nor an integer";
	if (json_string_length(tenant) == 0)
		return "the tenant claim is empty";
	if (json_string_length(tenant) > TENANT_MAX_BYTES)
		return "the tenant claim is longer than 1024 bytes";
	if (strlen(json_string_value(tenant)) != json_string_length(tenant))
		return "the tenant claim contains a NUL character";
	return NULL;
}

/* Run one check of the payload or of what surrounds it; the reason or NULL. */
static const char *
run_check(Verification *v, MtfCheck check)
{
	switch (check)
	{
		case MTF_CHECK_ISSUER: return check_issuer(v);
		case MTF_CHECK_ALGORITHM: return check_algorithm(v);
		case MTF_CHECK_KEY: return check_key(v);
		case MTF_CHECK_SIGNATURE: return check_signature(v);
		case MTF_CHECK_TYPE: return check_type(v);
		case MTF_CHECK_AUDIENCE: return check_audience(v);
		case MTF_CHECK_TIMES: return check_times(v);
		case MTF_CHECK_REQUIRED: return check_required(v);
		case MTF_CHECK_TENANT: return check_tenant(v);
		case MTF_CHECK_STRUCTURE:
		case MTF_CHECK_REVOCATION:
		case MTF_CHECK_COUNT: break;
	}
	return "this check is not made here"; /* never reached; fails closed */
}

/* Copy what outlives the verification into the current context. */
static void
hand_over(const Verification *v, MtfClaims *claims)
{
	memset(claims, 0, sizeof(*claims));
	claims->trust_id = v->trust->id;
	claims->provider = pstrdup(v->trust->name);
	claims->issuer = pstrdup(v->issuer);
	claims->subject = v->subject != NULL ? pstrdup(v->subject) : NULL;
	claims->jti = v->jti != NULL ? pstrdup(v->jti) : NULL;
	if (json_is_integer(v->tenant))
	{
		claims->tenant_kind = MTF_TENANT_CLAIM_INTEGER;
		claims->tenant_integer = json_integer_value(v->tenant);
		claims->tenant = psprintf(INT64_FORMAT, claims->tenant_integer);
	}
	else
	{
		claims->tenant_kind = MTF_TENANT_CLAIM_STRING;
		claims->tenant = pstrdup(json_string_value(v->tenant));
	}
	claims->tenant_len = (int) strlen(claims->tenant);
	claims->has_iat = v->has_iat;
	claims->iat = v->iat;
	claims->has_nbf = v->has_nbf;
	claims->nbf = v->nbf;
	claims->exp = v->exp;
	claims->payload = pstrdup(v->jws.payload_text);
}

/* All checks in order; the first failure ends it. */
static bool
verify(Verification *v, const char *token, size_t len, MtfChecklist *checks)
{
	const char *why;

	if (!mtf_jws_parse(token, len, v->rules->max_bytes, &v->jws, &why))
	{
		checks->state[MTF_CHECK_STRUCTURE] = MTF_CHECK_FAIL;
		checks->why[MTF_CHECK_STRUCTURE] = why;
		return false;
	}
	checks->state[MTF_CHECK_STRUCTURE] = MTF_CHECK_PASS;
	for (int check = MTF_CHECK_ISSUER; check <= MTF_CHECK_TENANT; check++)
	{
		why = run_check(v, (MtfCheck) check);
		checks->state[check] = why == NULL ? MTF_CHECK_PASS : MTF_CHECK_FAIL;
		checks->why[check] = why;
		if (why != NULL)
			return false;
	}
	return true;
}

bool
mtf_claims_verify(const char *token, size_t len, const MtfTimeRules *rules, int64 now,
				  MtfTrustLookup lookup, void *arg, MtfClaims *claims, MtfChecklist *checks)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch =
		AllocSetContextCreate(caller, "mongo_tenant token", ALLOCSET_SMALL_SIZES);
	Verification *v;
	bool ok;

	memset(checks, 0, sizeof(*checks));
	MemoryContextSwitchTo(scratch);
	v = palloc0(sizeof(Verification));
	v->rules = rules;
	v->now = now;
	v->lookup = lookup;
	v->lookup_arg = arg;
	ok = verify(v, token, len, checks);
	MemoryContextSwitchTo(caller);
	if (ok)
		hand_over(v, claims);
	MemoryContextDelete(scratch);
	return ok;
}
