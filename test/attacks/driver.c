/*
 * driver.c
 *	  The auth room as a program: one case per line of JSON in, one verdict per line out.
 *
 * In:  {"token_hex": …, "now": …, "leeway": …, "max_lifetime": …, "max_bytes": …,
 *       "providers": [{"name", "issuer", "audience": […], "any_audience", "all_audiences",
 *                      "algorithms": […], "tenant_claim", "required": […], "typ": […], "azp": […],
 *                      "keys": [{"jwks": text, "secrets": bool} | {"pem": text, "kid"} |
 *                               {"secret_hex", "kid"}]}]}
 * Out: {"ok": true, "provider", "tenant", "kind", …} or {"ok": false, "check", "why"}; the check is
 *      "provider" when a key set was refused.
 *
 * With --time N every case is verified N times and "us" says what one verification costs.
 */
#include "base/compat.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/claims.h"
#include "auth/jwt_verify.h"

#include "utils/memutils.h"

#undef printf
#undef fprintf

typedef struct Providers
{
	int n;
	MtfTrust *trusts;
} Providers;

static const MtfTrust *
lookup(const char *issuer, void *arg)
{
	const Providers *providers = arg;

	for (int i = 0; i < providers->n; i++)
		if (strcmp(providers->trusts[i].issuer, issuer) == 0)
			return &providers->trusts[i];
	return NULL;
}

static const char *
text_member(const json_t *object, const char *name, const char *missing)
{
	const json_t *member = json_object_get(object, name);

	return json_is_string(member) ? json_string_value(member) : missing;
}

static const char **
texts(const json_t *object, const char *name, int *n)
{
	const json_t *array = json_object_get(object, name);
	const char **list;

	*n = (int) json_array_size(array);
	list = palloc(sizeof(char *) * (*n + 1));
	for (int i = 0; i < *n; i++)
		list[i] = json_string_value(json_array_get(array, i));
	return list;
}

static int
hex_value(char c)
{
	return c >= 'a' ? c - 'a' + 10 : c - '0';
}

static char *
unhex(const char *hex, size_t *len)
{
	char *bytes;

	*len = strlen(hex) / 2;
	bytes = palloc(*len + 1);
	for (size_t i = 0; i < *len; i++)
		bytes[i] = (char) (hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
	return bytes;
}

static const MtfKeySet *
load_keys(const json_t *provider, const char **why)
{
	MtfKeySet *set = mtf_keyset_create(CurrentMemoryContext);
	const json_t *keys = json_object_get(provider, "keys");

	for (size_t i = 0; i < json_array_size(keys); i++)
	{
		const json_t *key = json_array_get(keys, i);
		const char *kid = text_member(key, "kid", NULL);
		const char *jwks = text_member(key, "jwks", NULL);
		const char *pem = text_member(key, "pem", NULL);
		bool ok;

		if (json_is_true(json_object_get(key, "secrets")))
			mtf_keyset_allow_secrets(set);
		if (jwks != NULL)
			ok = mtf_keyset_add_jwks(set, jwks, strlen(jwks), why);
		else if (pem != NULL)
			ok = mtf_keyset_add_pem(set, kid, pem, strlen(pem), why);
		else
		{
			size_t len;
			char *secret = unhex(text_member(key, "secret_hex", ""), &len);

			ok = mtf_keyset_add_secret(set, kid, secret, len, why);
		}
		if (!ok)
			return NULL;
	}
	return mtf_keyset_prove(set, why) ? set : NULL;
}

static bool
load_provider(const json_t *json, MtfTrust *trust, const char **why)
{
	int nalgorithms;
	const char **algorithms = texts(json, "algorithms", &nalgorithms);

	memset(trust, 0, sizeof(*trust));
	trust->id = 1;
	trust->name = text_member(json, "name", "p");
	trust->issuer = text_member(json, "issuer", "");
	trust->audiences = texts(json, "audience", &trust->naudiences);
	trust->any_audience = json_is_true(json_object_get(json, "any_audience"));
	trust->all_audiences = json_is_true(json_object_get(json, "all_audiences"));
	trust->tenant_claim = text_member(json, "tenant_claim", "tenantId");
	trust->required = texts(json, "required", &trust->nrequired);
	trust->typ = texts(json, "typ", &trust->ntyp);
	trust->azp = texts(json, "azp", &trust->nazp);
	for (int i = 0; i < nalgorithms; i++)
	{
		MtfAlgorithm algorithm;

		if (!mtf_algorithm_parse(algorithms[i], &algorithm))
		{
			*why = "unknown algorithm";
			return false;
		}
		trust->algorithms |= MTF_ALG_BIT(algorithm);
	}
	trust->keys = load_keys(json, why);
	return trust->keys != NULL;
}

static json_t *
denied(const char *check, const char *why)
{
	return json_pack("{sbssss}", "ok", 0, "check", check, "why", why);
}

static json_t *
verdict(const json_t *request, const Providers *providers, int repeat)
{
	MtfTimeRules rules = {30, 86400, 16384};
	MtfClaims claims;
	MtfChecklist checks;
	struct timespec start;
	struct timespec end;
	size_t len;
	char *token = unhex(text_member(request, "token_hex", ""), &len);
	const json_t *number;
	int64 now = time(NULL);
	bool ok = false;
	json_t *answer;

	if ((number = json_object_get(request, "now")) != NULL)
		now = json_integer_value(number);
	if ((number = json_object_get(request, "leeway")) != NULL)
		rules.leeway = json_integer_value(number);
	if ((number = json_object_get(request, "max_lifetime")) != NULL)
		rules.max_lifetime = json_integer_value(number);
	if ((number = json_object_get(request, "max_bytes")) != NULL)
		rules.max_bytes = (int) json_integer_value(number);

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < repeat; i++)
		ok = mtf_claims_verify(token, len, &rules, now, lookup, unconstify(Providers *, providers),
							   &claims, &checks);
	clock_gettime(CLOCK_MONOTONIC, &end);

	if (ok)
		answer = json_pack("{sbssssss%sisIsssssIss}", "ok", 1, "provider", claims.provider,
						   "issuer", claims.issuer, "tenant", claims.tenant,
						   (size_t) claims.tenant_len, "kind", (int) claims.tenant_kind, "exp",
						   (json_int_t) claims.exp, "subject", claims.subject ? claims.subject : "",
						   "jti", claims.jti ? claims.jti : "", "tenant_integer",
						   (json_int_t) claims.tenant_integer, "payload", claims.payload);
	else
	{
		int check = 0;

		while (check < MTF_CHECK_COUNT && checks.state[check] != MTF_CHECK_FAIL)
			check++;
		answer = denied(mtf_check_name((MtfCheck) check), checks.why[check]);
	}
	if (repeat > 1)
		json_object_set_new(
			answer, "us",
			json_real(((end.tv_sec - start.tv_sec) * 1e6 + (end.tv_nsec - start.tv_nsec) / 1e3) /
					  repeat));
	return answer;
}

/* Providers of the last request, kept while requests name the same ones. */
typedef struct Cache
{
	json_t *json;
	MemoryContext context;
	Providers providers;
	const char *why; /* they were refused */
} Cache;

static void
fill_cache(Cache *cache, json_t *list)
{
	MemoryContext caller = CurrentMemoryContext;
	Providers *providers = &cache->providers;

	if (cache->context != NULL)
		MemoryContextDelete(cache->context);
	json_decref(cache->json);
	cache->json = json_incref(list);
	cache->context = AllocSetContextCreate(TopMemoryContext, "providers", ALLOCSET_SMALL_SIZES);
	cache->why = NULL;
	MemoryContextSwitchTo(cache->context);
	providers->n = (int) json_array_size(list);
	providers->trusts = palloc(sizeof(MtfTrust) * (providers->n + 1));
	for (int i = 0; i < providers->n && cache->why == NULL; i++)
		if (!load_provider(json_array_get(list, i), &providers->trusts[i], &cache->why) &&
			cache->why == NULL)
			cache->why = "refused without a reason";
	MemoryContextSwitchTo(caller);
}

static json_t *
answer_request(Cache *cache, const json_t *request, int repeat)
{
	json_t *list = json_object_get(request, "providers");

	if (cache->json == NULL || !json_equal(list, cache->json))
		fill_cache(cache, list);
	if (cache->why != NULL)
		return denied("provider", cache->why);
	return verdict(request, &cache->providers, repeat);
}

int
main(int argc, char **argv)
{
	int repeat = argc == 3 && strcmp(argv[1], "--time") == 0 ? atoi(argv[2]) : 1;
	char *line = NULL;
	size_t size = 0;
	Cache cache = {0};

	fprintf(stderr, "libjwt: %s\n", mtf_signature_libjwt() != NULL ? "used" : "not used");
	while (getline(&line, &size, stdin) > 0)
	{
		MemoryContext context =
			AllocSetContextCreate(TopMemoryContext, "case", ALLOCSET_SMALL_SIZES);
		json_t *request = json_loads(line, 0, NULL);
		json_t *answer;

		MemoryContextSwitchTo(context);
		answer =
			request ? answer_request(&cache, request, repeat) : denied("driver", "not a request");
		json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
		fflush(stdout);
		json_decref(answer);
		json_decref(request);
		MemoryContextSwitchTo(TopMemoryContext);
		MemoryContextDelete(context);
	}
	if (cache.context != NULL)
		MemoryContextDelete(cache.context);
	json_decref(cache.json);
	free(line);
	return 0;
}
