/*
 * admin.c
 *	  SQL functions that change providers, keys, revocations and policies.
 *
 * They run as the extension's owner (SECURITY DEFINER) with a pinned search_path: whoever is granted
 * EXECUTE may change these tables by these functions only.  What was written is then loaded as every
 * session will load it, and refused if it could not be used.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"

#include "options/cache.h"
#include "tenant/policy.h"
#include "tenant/provider.h"

PG_FUNCTION_INFO_V1(mtf_create_provider);
PG_FUNCTION_INFO_V1(mtf_drop_provider);
PG_FUNCTION_INFO_V1(mtf_add_key_pem);
PG_FUNCTION_INFO_V1(mtf_add_key_jwks);
PG_FUNCTION_INFO_V1(mtf_drop_key);
PG_FUNCTION_INFO_V1(mtf_revoke);
PG_FUNCTION_INFO_V1(mtf_set_policy);
PG_FUNCTION_INFO_V1(mtf_drop_policy);
PG_FUNCTION_INFO_V1(mtf_rebind_policies);

#define MAX_ARGS 14

static char *
arg_text(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

static char *
arg_name(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(i)));
}

static bool
arg_bool(FunctionCallInfo fcinfo, int i)
{
	return !PG_ARGISNULL(i) && PG_GETARG_BOOL(i);
}

static void
refuse(const char *message)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg_internal("%s", message)));
}

/* `why` is a sentence of the options room. */
static void
refuse_argument(const char *argument, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" cannot be used", argument), errdetail_internal("%s", why)));
}

static void
require_text(const char *value, const char *argument)
{
	if (value == NULL || value[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"%s\" must not be empty", argument)));
}

/* One statement of our own with the call's arguments as $1, $2, …: how many rows it touched. */
static uint64
run(FunctionCallInfo fcinfo, const char *sql, int nargs, const Oid *types, const Datum *values,
	const char *nulls)
{
	int result;

	result = SPI_execute_with_args(sql, nargs, (Oid *) types, (Datum *) values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "could not run a statement of mongo_tenant: %s",
			 SPI_result_code_string(result));
	return SPI_processed;
}

/* The same for arguments that are all texts; NULL is SQL NULL. */
static uint64
run_texts(FunctionCallInfo fcinfo, const char *sql, int nargs, const char *const *texts)
{
	Oid types[MAX_ARGS];
	Datum values[MAX_ARGS];
	char nulls[MAX_ARGS];
	int i;

	for (i = 0; i < nargs; i++)
	{
		types[i] = TEXTOID;
		nulls[i] = texts[i] == NULL ? 'n' : ' ';
		values[i] = texts[i] == NULL ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	return run(fcinfo, sql, nargs, types, values, nulls);
}

/* The same with the call's own arguments as they came. */
static uint64
run_arguments(FunctionCallInfo fcinfo, const char *sql, int nargs, const Oid *types)
{
	Datum values[MAX_ARGS];
	char nulls[MAX_ARGS];
	int i;

	for (i = 0; i < nargs; i++)
	{
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
		values[i] = PG_GETARG_DATUM(i);
	}
	return run(fcinfo, sql, nargs, types, values, nulls);
}

static void
connect_spi(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

/* Load the providers as a session would, and refuse the change if this one cannot be used. */
static void
check_provider(const char *name)
{
	const MtfProvider *provider;
	const char *why;

	CommandCounterIncrement();
	AcceptInvalidationMessages();
	mtf_provider_refresh();
	provider = mtf_provider_find(name);
	if (provider == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("provider \"%s\" does not exist", name)));
	if (provider->why != NULL && !provider->keyless)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("provider \"%s\" could not be used", name),
						errdetail_internal("%s", provider->why)));
	/* What would cost every session's first token too much. */
	if (provider->trust.keys != NULL && !mtf_keyset_prove(provider->trust.keys, &why))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("provider \"%s\" could not be used", name), errdetail_internal("%s", why)));
}

static void
require_row(uint64 processed, const char *what, const char *name)
{
	if (processed == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("%s \"%s\" does not exist", what, name != NULL ? name : "")));
}

static bool
array_is_empty(FunctionCallInfo fcinfo, int i)
{
	ArrayType *array;

	if (PG_ARGISNULL(i))
		return true;
	array = PG_GETARG_ARRAYTYPE_P(i);
	return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) == 0;
}

/* No element of a list may be NULL or empty: an empty audience would be one that a token can name. */
static void
check_list(FunctionCallInfo fcinfo, int i, const char *argument)
{
	ArrayIterator iterator;
	Datum element;
	bool isnull;

	if (PG_ARGISNULL(i))
		return;
	iterator = array_create_iterator(PG_GETARG_ARRAYTYPE_P(i), 0, NULL);
	while (array_iterate(iterator, &element, &isnull))
		if (isnull || VARSIZE_ANY_EXHDR(DatumGetTextPP(element)) == 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("argument \"%s\" has an empty element", argument)));
	array_free_iterator(iterator);
}

static void
check_algorithms(FunctionCallInfo fcinfo, int i)
{
	ArrayIterator iterator;
	Datum element;
	bool isnull;

	if (PG_ARGISNULL(i))
		return;
	check_list(fcinfo, i, "algorithms");
	if (array_is_empty(fcinfo, i))
		refuse("argument \"algorithms\" must not be empty");
	iterator = array_create_iterator(PG_GETARG_ARRAYTYPE_P(i), 0, NULL);
	while (array_iterate(iterator, &element, &isnull))
	{
		MtfAlgorithm algorithm;

		if (!mtf_algorithm_parse(TextDatumGetCString(element), &algorithm))
			refuse("algorithms are names such as RS256, PS256, ES256, EdDSA, HS256");
	}
	array_free_iterator(iterator);
}

/* Arguments of create_provider, in order. */
enum
{
	CREATE_NAME,
	CREATE_ISSUER,
	CREATE_AUDIENCE,
	CREATE_JWKS,
	CREATE_ALGORITHMS,
	CREATE_TENANT_CLAIM,
	CREATE_REQUIRED,
	CREATE_ANY_AUDIENCE,
	CREATE_ALL_AUDIENCES,
	CREATE_TYP,
	CREATE_AZP,
	CREATE_LOCAL,
	CREATE_JWKS_FILE,
	CREATE_SECRET_FILE,
	CREATE_COUNT
};

static void
check_create_provider(FunctionCallInfo fcinfo)
{
	const char *claim = arg_text(fcinfo, CREATE_TENANT_CLAIM);
	bool any = arg_bool(fcinfo, CREATE_ANY_AUDIENCE);

	require_text(arg_text(fcinfo, CREATE_NAME), "name");
	require_text(arg_text(fcinfo, CREATE_ISSUER), "issuer");
	if (array_is_empty(fcinfo, CREATE_AUDIENCE) && !any)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a provider needs an audience"),
				 errhint("A token made for another service would be accepted without one; "
						 "any_audience => true says that this is meant.")));
	if (!array_is_empty(fcinfo, CREATE_AUDIENCE) && any)
		refuse("audience and any_audience exclude each other");
	if (claim == NULL || !mtf_claim_path_valid(mtf_text_to_utf8(claim)))
		refuse("tenant_claim is a path such as \"tenantId\" or \"app.tenant\"");
	check_algorithms(fcinfo, CREATE_ALGORITHMS);
	check_list(fcinfo, CREATE_AUDIENCE, "audience");
	check_list(fcinfo, CREATE_REQUIRED, "required_claims");
	check_list(fcinfo, CREATE_TYP, "typ");
	check_list(fcinfo, CREATE_AZP, "azp");
}

/* A JWK Set in $2, or one JWK. */
#define KEYS_OF_SET                                                                                \
	"pg_catalog.jsonb_array_elements("                                                             \
	"  CASE WHEN pg_catalog.jsonb_typeof($2 -> 'keys') = 'array' THEN $2 -> 'keys'"                \
	"  ELSE pg_catalog.jsonb_build_array($2) END) k"

#define ADD_KEYS_SQL                                                                               \
	"INSERT INTO mongo_tenant.provider_key (provider, kid, jwk)"                                   \
	" SELECT $1, k ->> 'kid', k FROM " KEYS_OF_SET " ON CONFLICT DO NOTHING"

/*
 * Refuse keys before they are written anywhere: a private key must not reach a table or the log of its
 * changes, nor the server's log by the statement's text.
 */
static void
refuse_keys(const char *why)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the keys cannot be used"),
					errdetail_internal("%s", why), errhidestmt(true), errhidecontext(true)));
}

static void
check_jwks(Datum jwks)
{
	const char *json = mtf_text_to_utf8(DatumGetCString(DirectFunctionCall1(jsonb_out, jwks)));
	const char *why;

	if (!mtf_keyset_add_jwks(mtf_keyset_create(CurrentMemoryContext), json, strlen(json), &why))
		refuse_keys(why);
}

static void
check_pem(const char *kid, const char *pem)
{
	const char *why;

	if (!mtf_keyset_add_pem(mtf_keyset_create(CurrentMemoryContext), kid, pem, strlen(pem), &why))
		refuse_keys(why);
}

/* In place of the unique index's error, which would quote the row. */
static void
raise_key_exists(const char *provider)
{
	ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
					errmsg("provider \"%s\" has a key of this key id (kid) already", provider),
					errhint("Drop the old key first, in the same transaction.")));
}

static void
add_jwks(FunctionCallInfo fcinfo, const char *provider, Datum jwks)
{
	static const Oid types[] = {TEXTOID, JSONBOID};
	Datum values[2] = {CStringGetTextDatum(provider), jwks};

	uint64 given = run(fcinfo, "SELECT $1 FROM " KEYS_OF_SET, 2, types, values, NULL);

	if (run(fcinfo, ADD_KEYS_SQL, 2, types, values, NULL) < given)
		raise_key_exists(provider);
}

/* The statement that makes a provider wrote no row: something that is there once only is taken. */
static void
raise_provider_exists(FunctionCallInfo fcinfo)
{
	const char *name = arg_text(fcinfo, CREATE_NAME);
	const char *issuer = arg_text(fcinfo, CREATE_ISSUER);
	const char *message;

	if (run_texts(fcinfo, "SELECT FROM mongo_tenant.provider WHERE name = $1", 1, &name) > 0)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
						errmsg("provider \"%s\" already exists", name)));
	if (run_texts(fcinfo, "SELECT FROM mongo_tenant.provider WHERE issuer = $1", 1, &issuer) > 0)
		message = "another provider has this issuer already";
	else
		message = "another provider is the local one already";
	ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg_internal("%s", message)));
}

PGDLLEXPORT Datum
mtf_create_provider(PG_FUNCTION_ARGS)
{
	static const Oid types[CREATE_COUNT] = {
		TEXTOID, TEXTOID, TEXTARRAYOID, JSONBOID,     TEXTARRAYOID, TEXTOID, TEXTARRAYOID,
		BOOLOID, BOOLOID, TEXTARRAYOID, TEXTARRAYOID, BOOLOID,      TEXTOID, TEXTOID};
	static const char insert[] =
		"INSERT INTO mongo_tenant.provider (name, issuer, audience, algorithms, tenant_claim,"
		" required_claims, any_audience, all_audiences, typ, azp, local, jwks_file, secret_file)"
		" SELECT $1, $2, COALESCE($3, '{}'), COALESCE($5, '{RS256,RS384,RS512,PS256,PS384,PS512,"
		"ES256,ES384,ES512,EdDSA}'), $6, COALESCE($7, '{}'), COALESCE($8, false),"
		" COALESCE($9, false), COALESCE($10, '{}'), COALESCE($11, '{}'), COALESCE($12, false),"
		" $13, $14 WHERE $4 IS NULL OR true ON CONFLICT DO NOTHING";
	char *name = arg_text(fcinfo, CREATE_NAME);

	check_create_provider(fcinfo);
	if (!PG_ARGISNULL(CREATE_JWKS))
		check_jwks(PG_GETARG_DATUM(CREATE_JWKS));
	connect_spi();
	if (run_arguments(fcinfo, insert, CREATE_COUNT, types) == 0)
		raise_provider_exists(fcinfo);
	/* Keys that a dropped provider of this name left behind (foreign keys may be off) stay dead. */
	run_arguments(fcinfo, "DELETE FROM mongo_tenant.provider_key WHERE provider = $1", 1, types);
	if (!PG_ARGISNULL(CREATE_JWKS))
		add_jwks(fcinfo, name, PG_GETARG_DATUM(CREATE_JWKS));
	check_provider(name);
	SPI_finish();
	PG_RETURN_VOID();
}

PGDLLEXPORT Datum
mtf_drop_provider(PG_FUNCTION_ARGS)
{
	const char *name = arg_text(fcinfo, 0);

	connect_spi();
	run_texts(fcinfo, "DELETE FROM mongo_tenant.provider_key WHERE provider = $1", 1, &name);
	require_row(run_texts(fcinfo, "DELETE FROM mongo_tenant.provider WHERE name = $1", 1, &name),
				"provider", name);
	SPI_finish();
	PG_RETURN_VOID();
}

static void
require_provider(FunctionCallInfo fcinfo, const char *name)
{
	require_row(run_texts(fcinfo, "SELECT FROM mongo_tenant.provider WHERE name = $1", 1, &name),
				"provider", name);
}

/* mongo_tenant.add_key(provider, kid, pem) */
PGDLLEXPORT Datum
mtf_add_key_pem(PG_FUNCTION_ARGS)
{
	const char *texts[3] = {arg_text(fcinfo, 0), arg_text(fcinfo, 1), arg_text(fcinfo, 2)};

	require_text(texts[2], "pem");
	check_pem(texts[1], texts[2]);
	connect_spi();
	require_provider(fcinfo, texts[0]);
	if (run_texts(fcinfo,
				  "INSERT INTO mongo_tenant.provider_key (provider, kid, pem) VALUES ($1, $2, $3)"
				  " ON CONFLICT DO NOTHING",
				  3, texts) == 0)
		raise_key_exists(texts[0]);
	check_provider(texts[0]);
	SPI_finish();
	PG_RETURN_VOID();
}

/* mongo_tenant.add_key(provider, jwks) */
PGDLLEXPORT Datum
mtf_add_key_jwks(PG_FUNCTION_ARGS)
{
	char *provider = arg_text(fcinfo, 0);

	if (PG_ARGISNULL(1))
		refuse("argument \"jwks\" must not be empty");
	check_jwks(PG_GETARG_DATUM(1));
	connect_spi();
	require_provider(fcinfo, provider);
	add_jwks(fcinfo, provider, PG_GETARG_DATUM(1));
	check_provider(provider);
	SPI_finish();
	PG_RETURN_VOID();
}

PGDLLEXPORT Datum
mtf_drop_key(PG_FUNCTION_ARGS)
{
	const char *texts[2] = {arg_text(fcinfo, 0), arg_text(fcinfo, 1)};

	connect_spi();
	require_row(run_texts(fcinfo,
						  "DELETE FROM mongo_tenant.provider_key"
						  " WHERE provider = $1 AND kid IS NOT DISTINCT FROM $2",
						  2, texts),
				"key", texts[1]);
	check_provider(texts[0]);
	SPI_finish();
	PG_RETURN_VOID();
}

/* mongo_tenant.revoke(provider, jti | sub | tenant, not_before) */
PGDLLEXPORT Datum
mtf_revoke(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {"jti", "sub", "tenant"};
	static const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID};
	const char *provider = arg_text(fcinfo, 0);
	const char *kind = "all";
	const char *value = "";
	Datum values[4];
	char nulls[4] = {' ', ' ', ' ', ' '};
	int given = 0;
	int i;

	for (i = 0; i < lengthof(kinds); i++)
		if (!PG_ARGISNULL(i + 1))
		{
			kind = kinds[i];
			value = arg_text(fcinfo, i + 1);
			require_text(value, kind);
			given++;
		}
	if (given > 1)
		refuse("only one of jti, sub and tenant can be given");
	if (given == 0 && PG_ARGISNULL(4))
		refuse("one of jti, sub, tenant or not_before must be given");
	values[0] = PG_GETARG_DATUM(0);
	values[1] = CStringGetTextDatum(kind);
	values[2] = CStringGetTextDatum(value);
	values[3] = PG_GETARG_DATUM(4);
	nulls[3] = PG_ARGISNULL(4) ? 'n' : ' ';
	connect_spi();
	require_provider(fcinfo, provider);
	/* Two revocations of one thing: the one that revokes more stands. */
	run(fcinfo,
		"INSERT INTO mongo_tenant.revocation AS r (provider, kind, value, not_before)"
		" VALUES ($1, $2, $3, $4) ON CONFLICT (provider, kind, value) DO UPDATE SET not_before ="
		" CASE WHEN r.not_before IS NULL OR excluded.not_before IS NULL THEN NULL"
		" ELSE GREATEST(r.not_before, excluded.not_before) END, revoked_at = pg_catalog.now()",
		4, types, values, nulls);
	SPI_finish();
	PG_RETURN_VOID();
}

/* A server of ours, by name. */
static const MtfServerOptions *
require_server(const char *name)
{
	ForeignServer *server;

	require_text(name, "server");
	server = GetForeignServerByName(name, false);
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, "mongo_tenant_fdw") != 0)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("server \"%s\" is not a server of mongo_tenant_fdw", name)));
	return mtf_server_options(server->serverid);
}

static const char *
require_database(const MtfServerOptions *server, const char *given)
{
	const char *database = given != NULL ? given : server->database;
	const char *why;

	if (database == NULL)
		refuse("the server has no database: argument \"database\" is needed");
	if (!mtf_database_name_is_valid(database, &why))
		refuse_argument("database", why);
	return database;
}

static void
check_policy(const char *field, const char *type, const char *match)
{
	MtfTenantType parsed;
	const char *why;

	if (field == NULL)
		refuse("the server has no tenant_field: argument \"field\" is needed");
	if (!mtf_tenant_field_is_valid(field, &why))
		refuse_argument("field", why);
	if (!mtf_tenant_type_parse(type, &parsed))
		refuse("type is one of string, int, objectid, uuid");
	if (strcmp(match, "scalar") != 0 && strcmp(match, "array") != 0)
		refuse("match is scalar or array");
}

#define SET_POLICY_SQL                                                                             \
	"INSERT INTO mongo_tenant.policy"                                                              \
	" (server, serverid, database, collection, shared, field, type, match)"                        \
	" VALUES ($1, 0, $2, $3, $4::pg_catalog.bool, $5, $6, $7)"                                     \
	" ON CONFLICT (server, database, collection) DO UPDATE SET shared = excluded.shared,"          \
	" field = excluded.field, type = excluded.type, match = excluded.match"

/* mongo_tenant.set_policy(server, collection, field, type, shared, match, database) */
PGDLLEXPORT Datum
mtf_set_policy(PG_FUNCTION_ARGS)
{
	const MtfServerOptions *server = require_server(arg_name(fcinfo, 0));
	const char *collection = arg_text(fcinfo, 1);
	const char *field = arg_text(fcinfo, 2);
	const char *type = arg_text(fcinfo, 3);
	bool shared = arg_bool(fcinfo, 4);
	const char *match = arg_text(fcinfo, 5);
	const char *database = require_database(server, arg_text(fcinfo, 6));
	const char *why;

	require_text(collection, "collection");
	if (!mtf_collection_name_is_valid(collection, &why))
		refuse_argument("collection", why);
	if (shared && (field != NULL || type != NULL || match != NULL))
		refuse("a shared collection has no tenant field");
	if (!shared)
	{
		/* What is not said is the server's default, written down as it is now. */
		field = field != NULL ? field : server->tenant_field;
		type = type != NULL ? type : mtf_tenant_type_name(server->tenant_type);
		match = match != NULL ? match : server->tenant_array ? "array" : "scalar";
		check_policy(field, type, match);
	}
	connect_spi();
	{
		const char *texts[7] = {server->name, database, collection, shared ? "true" : "false",
								field,        type,     match};

		run_texts(fcinfo, SET_POLICY_SQL, 7, texts);
	}
	SPI_finish();
	PG_RETURN_VOID();
}

/* mongo_tenant.drop_policy(server, collection, database): the server's default holds again. */
PGDLLEXPORT Datum
mtf_drop_policy(PG_FUNCTION_ARGS)
{
	const MtfServerOptions *server = require_server(arg_name(fcinfo, 0));
	const char *texts[3] = {server->name, require_database(server, arg_text(fcinfo, 2)),
							arg_text(fcinfo, 1)};

	connect_spi();
	require_row(run_texts(fcinfo,
						  "DELETE FROM mongo_tenant.policy"
						  " WHERE server = $1 AND database = $2 AND collection = $3",
						  3, texts),
				"policy of collection", texts[2]);
	SPI_finish();
	PG_RETURN_VOID();
}

/* mongo_tenant.rebind_policies(): after pg_upgrade, which gives servers other OIDs. */
PGDLLEXPORT Datum
mtf_rebind_policies(PG_FUNCTION_ARGS)
{
	uint64 n;

	connect_spi();
	n = run(fcinfo, "UPDATE mongo_tenant.policy SET server = server", 0, NULL, NULL, NULL);
	SPI_finish();
	PG_RETURN_INT64((int64) n);
}
