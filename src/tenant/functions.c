/*
 * functions.c
 *	  SQL functions that everyone may call, and those that only look: tenant(), claims(), whoami(),
 *	  diag(), check_token(), explain_policy(), the view stat.
 */
#include "base/compat.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "auth/claims.h"
#include "base/diag.h"
#include "base/driver_compat.h"
#include "base/guard.h"
#include "base/stat.h"
#include "options/cache.h"
#include "tenant/policy.h"
#include "tenant/provider.h"
#include "tenant/scope.h"
#include "tenant/session.h"

/* default_version of the control file */
#define MTF_VERSION "0.1"

PG_FUNCTION_INFO_V1(mtf_tenant);
PG_FUNCTION_INFO_V1(mtf_claims);
PG_FUNCTION_INFO_V1(mtf_whoami);
PG_FUNCTION_INFO_V1(mtf_diag);
PG_FUNCTION_INFO_V1(mtf_check_token);
PG_FUNCTION_INFO_V1(mtf_explain_policy);
PG_FUNCTION_INFO_V1(mtf_stat_counters);

/* Is `name` one of the elements of a text array? */
static bool
array_has_text(ArrayType *array, const char *name)
{
	size_t len = strlen(name);
	ArrayIterator iterator = array_create_iterator(array, 0, NULL);
	bool found = false;
	Datum element;
	bool isnull;

	while (!found && array_iterate(iterator, &element, &isnull))
	{
		text *value;

		if (isnull)
			continue;
		value = DatumGetTextPP(element);
		found = VARSIZE_ANY_EXHDR(value) == len && memcmp(VARDATA_ANY(value), name, len) == 0;
	}
	array_free_iterator(iterator);
	return found;
}

/* mongo_tenant.tenant(VARIADIC providers text[]) */
PGDLLEXPORT Datum
mtf_tenant(PG_FUNCTION_ARGS)
{
	MtfIdentity *identity = mtf_session_identity(fcinfo);
	ArrayType *providers = PG_ARGISNULL(0) ? NULL : PG_GETARG_ARRAYTYPE_P(0);
	bool fits;

	/* Tenant "UA" of one issuer is not "UA" of another: who calls says whose. */
	if (providers == NULL)
		fits = false;
	else if (ArrayGetNItems(ARR_NDIM(providers), ARR_DIMS(providers)) == 0)
		fits = mtf_identity_is_local(identity);
	else
		fits = array_has_text(providers, mtf_identity_claims(identity)->provider);
	if (!fits)
		mtf_session_deny(MTF_STAT_DENIED_PROVIDER,
						 "the token's provider is none of those that tenant() asks for");
	/* A copy: the identity may be gone before the caller is done with it. */
	PG_RETURN_DATUM(datumCopy(PointerGetDatum(mtf_identity_tenant(identity)), false, -1));
}

/* mongo_tenant.claims() */
PGDLLEXPORT Datum
mtf_claims(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(datumCopy(mtf_identity_payload(mtf_session_identity(fcinfo)), false, -1));
}

typedef struct Rows
{
	Tuplestorestate *store;
	TupleDesc tupdesc;
} Rows;

/* Materialize mode, as every set-returning function here is short. */
static Rows
begin_rows(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;
	Rows rows;

	if (info == NULL || !IsA(info, ReturnSetInfo) || !(info->allowedModes & SFRM_Materialize))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("set-valued function called in context that cannot accept a set")));
	old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &rows.tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	rows.tupdesc = BlessTupleDesc(rows.tupdesc);
	rows.store = tuplestore_begin_heap(true, false, work_mem);
	info->returnMode = SFRM_Materialize;
	info->setResult = rows.store;
	info->setDesc = rows.tupdesc;
	MemoryContextSwitchTo(old);
	return rows;
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* mongo_tenant.whoami() */
PGDLLEXPORT Datum
mtf_whoami(PG_FUNCTION_ARGS)
{
	Rows rows = begin_rows(fcinfo);
	const MtfClaims *claims;
	Datum values[5];
	bool nulls[5] = {false};

	if (!mtf_session_has_token())
		PG_RETURN_NULL();
	claims = mtf_identity_claims(mtf_session_identity(fcinfo));
	values[0] = CStringGetTextDatum(claims->provider);
	values[1] = CStringGetTextDatum(mtf_text_from_utf8(claims->issuer));
	values[2] = text_or_null(claims->subject != NULL ? mtf_text_from_utf8(claims->subject) : NULL,
							 &nulls[2]);
	values[3] = CStringGetTextDatum(mtf_text_from_utf8(claims->tenant));
	values[4] = TimestampTzGetDatum(time_t_to_timestamptz((pg_time_t) claims->exp));
	tuplestore_putvalues(rows.store, rows.tupdesc, values, nulls);
	PG_RETURN_NULL();
}

static void
put_pair(const Rows *rows, const char *name, const char *value)
{
	Datum values[2];
	bool nulls[2] = {false};

	values[0] = CStringGetTextDatum(name);
	values[1] = text_or_null(value, &nulls[1]);
	tuplestore_putvalues(rows->store, rows->tupdesc, values, nulls);
}

/* mongo_tenant.diag(): what every bug report should hold, and nothing secret. */
PGDLLEXPORT Datum
mtf_diag(PG_FUNCTION_ARGS)
{
	static const char *const settings[] = {"token_scope",
										   "leeway",
										   "max_token_lifetime",
										   "max_token_bytes",
										   "audit",
										   "enable_filter_pushdown",
										   "enable_sort_pushdown",
										   "enable_limit_pushdown",
										   "enable_aggregate_pushdown",
										   "enable_join_pushdown"};
	Rows rows = begin_rows(fcinfo);
	const char *name;
	const char *value;
	int i;

	put_pair(&rows, "library", MTF_VERSION);
	put_pair(&rows, "postgresql", PG_VERSION);
	put_pair(&rows, "libbson (compiled)", BSON_VERSION_S);
	put_pair(&rows, "libbson (running)", bson_get_version());
	for (i = 0; mtf_diag_get(i, &name, &value); i++)
		put_pair(&rows, name, value);
	put_pair(&rows, "signatures", mtf_claims_libraries());
	put_pair(&rows, "encoding", GetDatabaseEncodingName());
	put_pair(&rows, "counters", mtf_stat_is_shared() ? "server" : "backend");
	put_pair(&rows, "mongo_tenant.key_dir",
			 mtf_setting_key_dir != NULL && mtf_setting_key_dir[0] != '\0' ? "set" : "not set");
	for (i = 0; i < lengthof(settings); i++)
	{
		name = psprintf("mongo_tenant.%s", settings[i]);
		put_pair(&rows, name, GetConfigOption(name, true, false));
	}
	PG_RETURN_NULL();
}

/* mongo_tenant.check_token(token) */
PGDLLEXPORT Datum
mtf_check_token(PG_FUNCTION_ARGS)
{
	Rows rows = begin_rows(fcinfo);
	MtfChecklist checks;
	int i;

	mtf_identity_check(PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0)), &checks);
	for (i = 0; i < MTF_CHECK_COUNT; i++)
	{
		Datum values[3];
		bool nulls[3] = {false};

		values[0] = CStringGetTextDatum(mtf_check_name((MtfCheck) i));
		values[1] = BoolGetDatum(checks.state[i] == MTF_CHECK_PASS);
		nulls[1] = checks.state[i] == MTF_CHECK_NOT_REACHED;
		values[2] = text_or_null(checks.why[i], &nulls[2]);
		tuplestore_putvalues(rows.store, rows.tupdesc, values, nulls);
	}
	PG_RETURN_NULL();
}

/* The mandatory predicate as it is sent, with a placeholder for the tenant. */
static char *
describe_predicate(Oid relid)
{
	MtfScope *scope = mtf_scope_create_for_explain(relid);
	bson_t *match = mtf_bson_create(CurrentMemoryContext);
	char *json;
	char *copy;

	mtf_scope_append_match(scope, match);
	json = bson_as_relaxed_extended_json(match, NULL);
	if (json == NULL)
		return NULL;
	copy = MemoryContextAllocExtended(CurrentMemoryContext, strlen(json) + 1, MCXT_ALLOC_NO_OOM);
	if (copy != NULL)
		strcpy(copy, json);
	bson_free(json);
	if (copy == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return copy;
}

static Datum
names_datum(const List *names)
{
	Datum *elements = palloc(sizeof(Datum) * Max(list_length(names), 1));
	ListCell *cell;
	int n = 0;

	foreach (cell, names)
		elements[n++] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* mongo_tenant.explain_policy(regclass) */
PGDLLEXPORT Datum
mtf_explain_policy(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	const MtfTableOptions *table;
	const MtfServerOptions *server;
	MtfPolicyDenial denial;
	MtfPolicy policy;
	TupleDesc tupdesc;
	Datum values[12] = {0};
	bool nulls[12];
	bool allowed;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("relation is not a foreign table")));
	table = mtf_table_options(relid);
	server = mtf_server_options(table->serverid);
	allowed = mtf_policy_find(server, table->database, table->collection, &policy, &denial);

	memset(nulls, true, sizeof(nulls));
	values[0] = text_or_null(server->name, &nulls[0]);
	values[1] = text_or_null(table->database, &nulls[1]);
	values[2] = text_or_null(table->collection, &nulls[2]);
	values[4] = BoolGetDatum(allowed);
	values[9] = names_datum(server->providers);
	nulls[4] = nulls[9] = false;
	if (allowed)
	{
		values[3] = text_or_null(policy.is_default ? "server" : "policy", &nulls[3]);
		values[5] = BoolGetDatum(policy.shared);
		nulls[5] = false;
	}
	else
		values[11] = text_or_null(denial.why, &nulls[11]);
	if (allowed && !policy.shared)
	{
		values[6] = text_or_null(policy.field, &nulls[6]);
		values[7] = text_or_null(mtf_tenant_type_name(policy.type), &nulls[7]);
		values[8] = text_or_null(policy.array ? "array" : "scalar", &nulls[8]);
		values[10] = text_or_null(describe_predicate(relid), &nulls[10]);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}

/* Behind the view mongo_tenant.stat. */
PGDLLEXPORT Datum
mtf_stat_counters(PG_FUNCTION_ARGS)
{
	Rows rows = begin_rows(fcinfo);
	const char *scope = mtf_stat_is_shared() ? "server" : "backend";
	int i;

	for (i = 0; i < MTF_STAT_COUNT; i++)
	{
		Datum values[3];
		bool nulls[3] = {false};

		values[0] = CStringGetTextDatum(mtf_stat_name((MtfStat) i));
		values[1] = Int64GetDatum((int64) mtf_stat_get((MtfStat) i));
		values[2] = CStringGetTextDatum(scope);
		tuplestore_putvalues(rows.store, rows.tupdesc, values, nulls);
	}
	PG_RETURN_NULL();
}
