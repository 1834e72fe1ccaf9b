/*
 * login.c
 *	  The OAuth validator of PostgreSQL 18.
 *
 * The login's verdict opens the door and no more: the token is put in force as the setting's value
 * from the start of the session (source PGC_S_OVERRIDE), and at its first use the database's own
 * provider must accept it too.
 *
 * What must not happen here: catalog access (no transaction yet), a token in a message, a login under
 * a file that cannot be used whole, HMAC (whoever checks such a token could have made it).
 */
#include "tenant/login.h"

#include <jansson.h>
#include <time.h>

#include "utils/guc.h"
#include "utils/varlena.h"

#include "auth/claims.h"
#include "auth/strict.h"
#include "base/compat_login.h"
#include "base/key_dir.h"
#include "tenant/identity.h"

char *mtf_setting_login_providers = "";

static bool login_bound = false;

bool
mtf_login_is_bound(void)
{
	return login_bound;
}

#ifdef MTF_HAVE_OAUTH_LOGIN

#define MAX_LOGIN_FILE_BYTES (1024 * 1024)

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

/* The trust that one file describes; NULL and *why when it cannot be used. */
static MtfTrust *
load_trust(const char *name, const char **why)
{
	MtfTrust *trust = palloc0(sizeof(MtfTrust));
	MtfKeySet *keys = mtf_keyset_create(CurrentMemoryContext);
	const json_t *json;
	const json_t *claim;
	MtfFileStamp stamp;
	size_t len;
	char *content = mtf_key_dir_load(name, MAX_LOGIN_FILE_BYTES, false, &len, &stamp, why);

	if (content == NULL || (json = mtf_json_load(CurrentMemoryContext, content, len, why)) == NULL)
		return NULL;
	if (!mtf_keyset_add_jwks(keys, content, len, why))
		return NULL;
	trust->name = pstrdup(name);
	trust->issuer = json_string_value(json_object_get(json, "issuer"));
	trust->algorithms = MTF_ALG_ASYMMETRIC;
	trust->keys = keys;
	claim = json_object_get(json, "tenant_claim");
	trust->tenant_claim = claim == NULL ? "tenantId" : json_string_value(claim);
	*why = NULL;
	if (trust->issuer == NULL || trust->issuer[0] == '\0')
		*why = "it has no \"issuer\"";
	else if (!read_audience(json_object_get(json, "audience"), trust))
		*why = "it has no usable \"audience\"";
	else if (trust->tenant_claim == NULL || !mtf_claim_path_valid(trust->tenant_claim))
		*why = "its \"tenant_claim\" is not a path";
	return *why == NULL ? trust : NULL;
}

/* All login providers that can be used; the others deny, and the log says why. */
static List *
load_trusts(void)
{
	List *names;
	List *trusts = NIL;
	ListCell *cell;

	if (!SplitGUCList(pstrdup(mtf_setting_login_providers), ',', &names))
	{
		ereport(LOG, (errcode(ERRCODE_CONFIG_FILE_ERROR),
					  errmsg("mongo_tenant.login_providers is not a list of file names")));
		return NIL;
	}
	foreach (cell, names)
	{
		const char *why = NULL;
		MtfTrust *trust = load_trust(lfirst(cell), &why);

		if (trust != NULL)
			trusts = lappend(trusts, trust);
		else
			ereport(LOG, (errcode(ERRCODE_CONFIG_FILE_ERROR),
						  errmsg("login provider \"%s\" cannot be used: %s",
								 (const char *) lfirst(cell), why)));
	}
	return trusts;
}

/* An MtfTrustLookup over the list; an issuer that two files claim has none. */
static const MtfTrust *
find_trust(const char *issuer, void *arg)
{
	const MtfTrust *found = NULL;
	ListCell *cell;

	foreach (cell, (List *) arg)
	{
		const MtfTrust *trust = lfirst(cell);

		if (strcmp(trust->issuer, issuer) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = trust;
	}
	return found;
}

static void
log_refusal(const MtfChecklist *checks)
{
	for (int i = 0; i < MTF_CHECK_COUNT; i++)
		if (checks->state[i] == MTF_CHECK_FAIL)
			ereport(LOG, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
						  errmsg("login token refused: %s: %s", mtf_check_name((MtfCheck) i),
								 checks->why[i] != NULL ? checks->why[i] : "failed")));
}

/*
 * ValidatorValidateCB: false only for a failure of ours; a token that does not verify is a result
 * that is not authorized.
 */
static bool
validate_token(const ValidatorModuleState *state, const char *token, const char *role,
			   ValidatorModuleResult *result)
{
	MtfTimeRules rules = {.leeway = mtf_setting_leeway,
						  .max_lifetime = mtf_setting_max_token_lifetime,
						  .max_bytes = mtf_setting_max_token_bytes};
	MtfChecklist checks;
	MtfClaims claims;

	if (!mtf_claims_verify(token, strlen(token), &rules, (int64) time(NULL), find_trust,
						   load_trusts(), &claims, &checks))
	{
		log_refusal(&checks);
		return true;
	}
	if (claims.subject == NULL)
	{
		ereport(LOG, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					  errmsg("login token refused: it has no subject")));
		return true;
	}
	SetConfigOption("mongo_tenant.jwt", token, PGC_USERSET, PGC_S_OVERRIDE);
	login_bound = true;
	result->authn_id = psprintf("%s|%s", claims.issuer, claims.subject);
	result->authorized = true;
	return true;
}

static const OAuthValidatorCallbacks callbacks = {
	.magic = PG_OAUTH_VALIDATOR_MAGIC,
	.validate_cb = validate_token,
};

PGDLLEXPORT const OAuthValidatorCallbacks *
_PG_oauth_validator_module_init(void)
{
	return &callbacks;
}

#endif /* MTF_HAVE_OAUTH_LOGIN */
