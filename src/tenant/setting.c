/*
 * setting.c
 *	  mongo_tenant.jwt: SET never fails, stores nothing, and shows the token to nobody.
 *
 * The token's hash and the transaction that set it travel in the setting's `extra`, so that SET
 * LOCAL, ROLLBACK TO and RESET bring the right ones back without any work of ours.
 *
 * What must not happen here: a token in an error message (guc.c quotes values that a check hook
 * refuses without a message of its own), an error out of a hook.
 */
#include "tenant/setting.h"

#include "access/xact.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/plancache.h"

#include "tenant/login.h"

/* Counts transactions; 0 is never one of them. */
static uint64 current_transaction = 1;

typedef struct TokenExtra
{
	MtfTokenHash hash;
	uint64 transaction; /* that set it; 0: at connection start, or taken over at load */
} TokenExtra;

char *mtf_setting_jwt = NULL;
bool mtf_setting_plans_know_tenant = false;
int mtf_setting_token_scope = MTF_TOKEN_SCOPE_SESSION;

const struct config_enum_entry mtf_token_scope_options[] = {
	{"session", MTF_TOKEN_SCOPE_SESSION, false},
	{"transaction", MTF_TOKEN_SCOPE_TRANSACTION, false},
	{NULL, 0, false},
};

static const TokenExtra *current_extra = NULL;
static bool ready = false;
static emit_log_hook_type prev_emit_log_hook = NULL;

static bool
source_is_stored(GucSource source)
{
	switch (source)
	{
		case PGC_S_DEFAULT:
		case PGC_S_DYNAMIC_DEFAULT:
		case PGC_S_CLIENT:
		case PGC_S_OVERRIDE:
		case PGC_S_SESSION: return false;
		default: return true;
	}
}

bool
mtf_jwt_check(char **newval, void **extra, GucSource source)
{
	TokenExtra *made;

	/* A token of the login is the connection's for life: not even "" takes its place. */
	if (mtf_login_is_bound() && source == PGC_S_SESSION)
	{
		GUC_check_errcode(ERRCODE_CANT_CHANGE_RUNTIME_PARAM);
		GUC_check_errmsg("parameter \"mongo_tenant.jwt\" cannot be changed");
		GUC_check_errdetail("The connection was authenticated with its token.");
		return false;
	}
	if (*newval == NULL || (*newval)[0] == '\0')
		return true;
	if (source_is_stored(source))
	{
		GUC_check_errcode(ERRCODE_CANT_CHANGE_RUNTIME_PARAM);
		GUC_check_errmsg("parameter \"mongo_tenant.jwt\" cannot be stored");
		GUC_check_errhint(
			"Set it in the session: SELECT set_config('mongo_tenant.jwt', $1, true).");
		return false;
	}
	made = guc_malloc(LOG, sizeof(TokenExtra));
	if (made == NULL)
	{
		GUC_check_errcode(ERRCODE_OUT_OF_MEMORY);
		GUC_check_errmsg("out of memory");
		return false;
	}
	mtf_identity_hash(*newval, &made->hash);
	made->transaction = ready && IsTransactionState() ? current_transaction : 0;
	*extra = made;
	return true;
}

static bool
matches_ignoring_case(const char *text, const char *lower)
{
	for (; *lower != '\0'; text++, lower++)
		if (pg_tolower((unsigned char) *text) != (unsigned char) *lower)
			return false;
	return true;
}

/* Does a text name the setting, or hold the token in force or what looks like the start of one? */
static bool
may_hold_token(const char *text, const char *token)
{
	const char *p;

	if (token != NULL && token[0] != '\0' && strstr(text, token) != NULL)
		return true;
	for (p = text; *p != '\0'; p++)
	{
		if (*p == 'e' && p[1] == 'y' && p[2] == 'J')
			return true;
		if ((*p == 'm' || *p == 'M') && matches_ignoring_case(p, "mongo_tenant.jwt"))
			return true;
	}
	return false;
}

/* Every session of the same role can read pg_stat_activity. */
static void
mask_activity(const char *token)
{
	if (MyBackendType == B_BACKEND && debug_query_string != NULL &&
		may_hold_token(debug_query_string, token))
		pgstat_report_activity(STATE_RUNNING, "<statement with mongo_tenant.jwt>");
}

/* Marks plans only: safe where a transaction aborts and the setting goes back. */
static void
forget_plans(const TokenExtra *next)
{
	if (!mtf_setting_plans_know_tenant ||
		(current_extra != NULL && next != NULL &&
		 memcmp(&current_extra->hash, &next->hash, sizeof(next->hash)) == 0))
		return;
	mtf_setting_plans_know_tenant = false;
	ResetPlanCache();
}

void
mtf_jwt_assign(const char *newval, void *extra)
{
	forget_plans(extra);
	current_extra = extra;
	if (newval != NULL && newval[0] != '\0')
		mask_activity(newval);
}

const char *
mtf_jwt_show(void)
{
	return mtf_setting_jwt != NULL && mtf_setting_jwt[0] != '\0' ? "********" : "";
}

/*
 * Runs for every log line: no allocation, no error.  A statement that fails may never have come to the
 * setting, so its text is hidden from pg_stat_activity here too.
 */
static void
hide_statement(ErrorData *edata)
{
	if (!edata->hide_stmt && debug_query_string != NULL &&
		may_hold_token(debug_query_string, mtf_setting_jwt))
		edata->hide_stmt = true;
	if (!edata->hide_ctx && edata->context != NULL &&
		may_hold_token(edata->context, mtf_setting_jwt))
		edata->hide_ctx = true;
	if (edata->internalquery != NULL && may_hold_token(edata->internalquery, mtf_setting_jwt))
	{
		edata->internalquery = NULL;
		edata->internalpos = 0;
	}
	if (edata->elevel >= ERROR)
		mask_activity(mtf_setting_jwt);
	if (prev_emit_log_hook != NULL)
		prev_emit_log_hook(edata);
}

static void
transaction_ended(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE: current_transaction++; break;
		default: break;
	}
}

void
mtf_setting_init(void)
{
	RegisterXactCallback(transaction_ended, NULL);
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = hide_statement;
	ready = true;
}

const char *
mtf_setting_token(const MtfTokenHash **hash)
{
	if (current_extra == NULL || mtf_setting_jwt == NULL || mtf_setting_jwt[0] == '\0')
		return NULL;
	*hash = &current_extra->hash;
	return mtf_setting_jwt;
}

bool
mtf_setting_token_is_fresh(void)
{
	return current_extra != NULL && current_extra->transaction == current_transaction;
}
