/*
 * login.c
 *	  The OAuth validator of PostgreSQL 18.
 *
 * The login's verdict opens the door and no more: the token is put in force as the setting's value
 * from the start of the session (source PGC_S_OVERRIDE), and at its first use the database's own
 * provider must accept it too.
 *
 * What must not happen here: catalog access (no transaction yet), a token in a message, a login under
 * a file that cannot be used whole.
 */
#include "tenant/login.h"

#include <time.h>

#include "utils/guc.h"
#include "utils/varlena.h"

#include "auth/trust.h"
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

/* The trust that one file describes; NULL and *why when it cannot be used. */
static MtfTrust *
load_trust(const char *name, const char **why)
{
	MtfFileStamp stamp;
	size_t len;
	char *content = mtf_key_dir_load(name, MAX_LOGIN_FILE_BYTES, false, &len, &stamp, why);

	return content == NULL ? NULL : mtf_trust_from_json(name, content, len, why);
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
