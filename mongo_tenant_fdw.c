/*
 * mongo_tenant_fdw.c
 *	  Entry: module magic, settings in alphabetical order, and the handler's table of callbacks.
 *
 * Follow one SELECT from here: the planner callbacks are in src/plan, the executor callbacks in
 * src/rows; src/README.md tells the story.
 */
#include "base/compat.h"

#include <limits.h>

#include "foreign/fdwapi.h"
#include "utils/guc.h"

#include "base/key_dir.h"
#include "plan/cost.h"
#include "plan/plan_bind.h"
#include "plan/plan_private.h"
#include "plan/plan_join.h"
#include "plan/plan_scan.h"
#include "plan/plan_upper.h"
#include "plan/setting.h"
#include "plan/unique.h"
#include "remote/connection.h"
#include "rows/estimate.h"
#include "rows/validator.h"
#include "rows/exec_async.h"
#include "rows/exec_bind.h"
#include "rows/exec_scan.h"
#include "rows/explain.h"
#include "tenant/audit.h"
#include "tenant/identity.h"
#include "tenant/login.h"
#include "tenant/session.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(mongo_tenant_fdw_handler);

extern PGDLLEXPORT void _PG_init(void);

static void
define_pushdown_setting(const char *name, const char *description, bool *variable)
{
	DefineCustomBoolVariable(name, description,
							 "For comparing plans: the rows never change, only where work is done.",
							 variable, true, PGC_USERSET, 0, NULL, mtf_setting_assign_switch, NULL);
}

/* Who may reach what, and what is written down of it. */
static void
define_access_settings(void)
{
	/* Without it, whoever may create a server could make this machine call inner addresses. */
	DefineCustomStringVariable(
		"mongo_tenant.allowed_hosts", "Hosts that a server not owned by a superuser may reach.",
		"A comma-separated list; empty allows none.", &mtf_setting_allowed_hosts, "", PGC_SIGHUP,
		GUC_LIST_INPUT, NULL, NULL, NULL);

	/* Who read what: `deny` keeps the refusals, `all` every access. */
	DefineCustomEnumVariable("mongo_tenant.audit", "Which accesses are written to the server log.",
							 NULL, &mtf_setting_audit, MTF_AUDIT_OFF, mtf_audit_options, PGC_SUSET,
							 0, NULL, NULL, NULL);

	/* Support and migration need a view of all tenants; every use is logged. */
	DefineCustomBoolVariable("mongo_tenant.bypass", "Read without a tenant.",
							 "Counts only for members of mongo_tenant.bypass_role.",
							 &mtf_setting_bypass, false, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("mongo_tenant.bypass_role",
							   "Role whose members may use mongo_tenant.bypass.", NULL,
							   &mtf_setting_bypass_role, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/* Where work is done. */
static void
define_planner_settings(void)
{
	/* Turn one kind of pushdown off to see what it does, or to step round a server's fault. */
	define_pushdown_setting("mongo_tenant.enable_aggregate_pushdown",
							"Run aggregates on the MongoDB server.",
							&mtf_setting_enable_aggregate_pushdown);
	define_pushdown_setting("mongo_tenant.enable_filter_pushdown",
							"Send WHERE clauses to the MongoDB server.",
							&mtf_setting_enable_filter_pushdown);
	define_pushdown_setting("mongo_tenant.enable_join_pushdown", "Run joins on the MongoDB server.",
							&mtf_setting_enable_join_pushdown);
	define_pushdown_setting("mongo_tenant.enable_limit_pushdown",
							"Send LIMIT and OFFSET to the MongoDB server.",
							&mtf_setting_enable_limit_pushdown);
	define_pushdown_setting("mongo_tenant.enable_sort_pushdown",
							"Send ORDER BY to the MongoDB server.",
							&mtf_setting_enable_sort_pushdown);

	/* How many keys of the outer side a join asks for in one command, when it runs here. */
	DefineCustomIntVariable("mongo_tenant.join_batch_size",
							"Keys that one command of a bind join asks for.", NULL,
							&mtf_setting_join_batch_size, 1000, 1, 10000, PGC_USERSET, 0, NULL,
							mtf_setting_assign_number, NULL);

	/* To compare the ways to join, or when the planner knows too little to choose well. */
	DefineCustomEnumVariable("mongo_tenant.join_method",
							 "Which of the wrapper's ways to join are considered.", NULL,
							 &mtf_setting_join_method, MTF_JOIN_METHOD_AUTO, mtf_join_methods,
							 PGC_USERSET, 0, NULL, mtf_setting_assign_number, NULL);
}

/* Whose rows are read: the token, and what makes it good. */
static void
define_token_settings(void)
{
	/* The session's identity.  See session.h for what its hooks promise. */
	DefineCustomStringVariable("mongo_tenant.jwt", "The session's token: whose tenant is read.",
							   "Shown as a placeholder; set it with a bound parameter.",
							   &mtf_setting_jwt, "", PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   mtf_jwt_check, mtf_jwt_assign, mtf_jwt_show);

	/* The only directory that key material is read from: options name files, never paths. */
	DefineCustomStringVariable(
		"mongo_tenant.key_dir", "Directory of key, secret and TLS files, named by base name.",
		"Refused when it is writable by group or world.", &mtf_setting_key_dir, "", PGC_SIGHUP,
		GUC_SUPERUSER_ONLY, NULL, NULL, NULL);

	/* Clocks of issuer and server differ. */
	DefineCustomIntVariable("mongo_tenant.leeway", "Clock skew allowed in token times.", NULL,
							&mtf_setting_leeway, 30, 0, 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL,
							NULL);

	/* Catalogs cannot be read while a connection authenticates: logins have key files. */
	DefineCustomStringVariable("mongo_tenant.login_providers",
							   "Files of key_dir whose issuers may authenticate connections.",
							   "For PostgreSQL 18's OAuth login; see the README.",
							   &mtf_setting_login_providers, "", PGC_SIGHUP,
							   GUC_LIST_INPUT | GUC_SUPERUSER_ONLY, NULL, NULL, NULL);

	/* An absurdly long token is refused before anything parses it. */
	DefineCustomIntVariable("mongo_tenant.max_token_bytes", "Longest token that is looked at.",
							NULL, &mtf_setting_max_token_bytes, 16384, 1024, 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_BYTE, NULL, NULL, NULL);

	/* A token stolen once is good until it expires: so it must expire soon. */
	DefineCustomIntVariable("mongo_tenant.max_token_lifetime",
							"Longest lifetime of a token that is accepted.",
							"0 turns the limit off.", &mtf_setting_max_token_lifetime, 24 * 3600, 0,
							INT_MAX, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	/* Behind a pool, a token must not outlive the transaction of the client that set it. */
	DefineCustomEnumVariable("mongo_tenant.token_scope",
							 "How long a token counts: its session or its transaction.", NULL,
							 &mtf_setting_token_scope, MTF_TOKEN_SCOPE_SESSION,
							 mtf_token_scope_options, PGC_SUSET, 0, NULL, NULL, NULL);
}

static void
define_settings(void)
{
	define_access_settings();
	define_planner_settings();
	define_token_settings();
	MarkGUCPrefixReserved("mongo_tenant");
}

void
_PG_init(void)
{
	define_settings();
	mtf_session_init();
	mtf_plan_private_init();
	mtf_facts_hook = mtf_estimate_facts;
	mtf_sample_hook = mtf_estimate_sample;
	mtf_unique_install();
	mtf_validator_hook = mtf_validator_proves;
	mtf_plan_bind_init(&mtf_bind_scan_methods);
	mtf_plan_join_init();
	mtf_connection_init();
}

PGDLLEXPORT Datum
mongo_tenant_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = mtfGetForeignRelSize;
	routine->GetForeignPaths = mtfGetForeignPaths;
	routine->GetForeignPlan = mtfGetForeignPlan;
	routine->GetForeignJoinPaths = mtfGetForeignJoinPaths;
	routine->GetForeignUpperPaths = mtfGetForeignUpperPaths;

	routine->BeginForeignScan = mtfBeginForeignScan;
	routine->IterateForeignScan = mtfIterateForeignScan;
	routine->ReScanForeignScan = mtfReScanForeignScan;
	routine->EndForeignScan = mtfEndForeignScan;
	routine->RecheckForeignScan = mtfRecheckForeignScan;

	routine->ExplainForeignScan = mtfExplainForeignScan;

	mtf_exec_async_set(routine);

	PG_RETURN_POINTER(routine);
}
