/*
 * trust.c
 *	  A trust written as one JSON text.
 *
 * What must not happen here: half a file believed.
 */
#include "auth/trust.h"

#include "auth/strict.h"

/* "audience": a text or an array of texts, none of them empty; false otherwise. */
static bool
read_audience(const json_t *audience, MtfTrust *trust)
{
	int n = json_is_array(audience) ? (int) json_array_size(audience) : 1;

	trust->audiences = palloc0(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		const json_t *one = json_is_array(audience) ? json_array_get(audience, i) : audience;

		if (!json_is_string(one) || json_string_length(one) == 0)
			return false;
		trust->audiences[trust->naudiences++] = json_string_value(one);
	}
	return trust->naudiences > 0;
}

static const char *
read_members(const json_t *json, MtfTrust *trust)
{
	const json_t *claim = json_object_get(json, "tenant_claim");

	trust->issuer = json_string_value(json_object_get(json, "issuer"));
	trust->tenant_claim = claim == NULL ? "tenantId" : json_string_value(claim);
	if (trust->issuer == NULL || trust->issuer[0] == '\0')
		return "it has no \"issuer\"";
	if (!read_audience(json_object_get(json, "audience"), trust))
		return "it has no usable \"audience\"";
	if (trust->tenant_claim == NULL || !mtf_claim_path_valid(trust->tenant_claim))
		return "its \"tenant_claim\" is not a path";
	return NULL;
}

MtfTrust *
mtf_trust_from_json(const char *name, const char *json, size_t len, const char **why)
{
	MtfTrust *trust = palloc0(sizeof(MtfTrust));
	MtfKeySet *keys = mtf_keyset_create(CurrentMemoryContext);
	const json_t *parsed = mtf_json_load(CurrentMemoryContext, json, len, why);

	if (parsed == NULL || !mtf_keyset_add_jwks(keys, json, len, why))
		return NULL;
	trust->name = pstrdup(name);
	trust->algorithms = MTF_ALG_ASYMMETRIC;
	trust->keys = keys;
	*why = read_members(parsed, trust);
	return *why == NULL ? trust : NULL;
}
