/*
 * scope.c
 *	  From a binding and a policy to a scope: the tenant's value, the predicate that is sent.
 *
 * The recheck of what comes back is in recheck.c; predicate and recheck must agree on every document
 * that a healthy server holds (architecture.md, rule 3).
 *
 * What must not happen here: a tenant's value anywhere but in a value position of BSON; a scope for a
 * collection that no policy opens.
 */
#include "tenant/scope.h"

#include "utils/lsyscache.h"

#include "base/guard.h"
#include "base/stat.h"
#include "options/cache.h"
#include "tenant/policy.h"
#include "tenant/recheck.h"

struct MtfScope
{
	bool bound;  /* false: for EXPLAIN */
	bool shared; /* no predicate */
	Oid serverid;
	const char *database;
	const char *collection;
	const char *field; /* dotted path; NULL when shared */
	MtfTenantType type;
	bool array;
	bool compare_bytes; /* the server may fold case: collation 'none' */

	/* The tenant's value by its type. */
	const char *string; /* UTF-8 */
	int string_len;
	int64 integer;
	bson_oid_t oid;
	uint8 uuid[16];

	MtfRecheck *recheck;         /* NULL when shared */
	MtfAudit *audit;             /* NULL when not bound */
	const MtfIdentity *identity; /* pinned by the binding, which lives as long; NULL under bypass */
	Oid relid;
};

static bool
parse_hex(const char *text, int nbytes, uint8 *out)
{
	int i;

	for (i = 0; i < 2 * nbytes; i++)
	{
		uint8 nibble;

		if (text[i] >= '0' && text[i] <= '9')
			nibble = text[i] - '0';
		else if (text[i] >= 'a' && text[i] <= 'f')
			nibble = text[i] - 'a' + 10;
		else
			return false;
		out[i / 2] = i % 2 == 0 ? nibble << 4 : out[i / 2] | nibble;
	}
	return true;
}

/* 8-4-4-4-12 lower-case digits: one spelling per value, as one tenant has one name. */
static bool
parse_uuid(const char *text, int len, uint8 *out)
{
	static const int groups[] = {4, 2, 2, 2, 6};
	int i;

	if (len != 36)
		return false;
	for (i = 0; i < lengthof(groups); i++)
	{
		if (i > 0 && *text++ != '-')
			return false;
		if (!parse_hex(text, groups[i], out))
			return false;
		text += 2 * groups[i];
		out += groups[i];
	}
	return true;
}

/* The tenant claim as the collection's type wants it; NULL, or why it does not fit. */
static const char *
convert_tenant(MtfScope *scope, const MtfClaims *claims)
{
	bool is_string = claims->tenant_kind == MTF_TENANT_CLAIM_STRING;
	uint8 oid[12];

	switch (scope->type)
	{
		case MTF_TENANT_STRING:
			scope->string = pstrdup(claims->tenant);
			scope->string_len = claims->tenant_len;
			return is_string ? NULL : "tenant_type is string, the tenant claim is not";
		case MTF_TENANT_INT:
			scope->integer = claims->tenant_integer;
			return is_string ? "tenant_type is int, the tenant claim is not" : NULL;
		case MTF_TENANT_OBJECTID:
			if (!is_string || claims->tenant_len != 24 || !parse_hex(claims->tenant, 12, oid))
				return "tenant_type is objectid, the tenant claim is not 24 lower-case hex digits";
			bson_oid_init_from_data(&scope->oid, oid);
			return NULL;
		case MTF_TENANT_UUID:
			if (!is_string || !parse_uuid(claims->tenant, claims->tenant_len, scope->uuid))
				return "tenant_type is uuid, the tenant claim is not a canonical UUID";
			return NULL;
	}
	return "tenant_type is not known";
}

static void
create_recheck(MtfScope *scope)
{
	MtfRecheck *recheck = mtf_recheck_create(scope->field, scope->array);

	switch (scope->type)
	{
		case MTF_TENANT_STRING:
			mtf_recheck_accept_string(recheck, scope->string, scope->string_len);
			break;
		case MTF_TENANT_INT: mtf_recheck_accept_integer(recheck, scope->integer); break;
		case MTF_TENANT_OBJECTID: mtf_recheck_accept_objectid(recheck, scope->oid.bytes); break;
		case MTF_TENANT_UUID: mtf_recheck_accept_uuid(recheck, scope->uuid); break;
	}
	scope->recheck = recheck;
}

static void
raise_policy(Oid relid, const MtfIdentity *identity, const MtfPolicyDenial *denial)
{
	mtf_stat_add(MTF_STAT_DENIED_POLICY, 1);
	mtf_audit_refusal(identity, relid, denial->why);
	ereport(ERROR, (errcode(denial->sqlstate),
					errmsg("access to foreign table \"%s\" is denied by its tenant policy",
						   get_rel_name(relid)),
					errdetail_internal("%s", denial->why)));
}

/* What the catalogs say of a table's collection: all of a scope but the tenant. */
static MtfScope *
create_unbound(Oid relid, const MtfIdentity *identity, List **providers)
{
	const MtfTableOptions *table = mtf_table_options(relid);
	const MtfServerOptions *server = mtf_server_options(table->serverid);
	MtfScope *scope = palloc0(sizeof(MtfScope));
	MtfPolicyDenial denial;
	MtfPolicy policy;

	if (!mtf_policy_find(server, table->database, table->collection, &policy, &denial))
		raise_policy(relid, identity, &denial);
	scope->relid = relid;
	scope->serverid = table->serverid;
	scope->database = table->database;
	scope->collection = table->collection;
	scope->shared = policy.shared;
	scope->field = policy.field;
	scope->type = policy.type;
	scope->array = policy.array;
	scope->compare_bytes = policy.type == MTF_TENANT_STRING && server->collation != NULL &&
						   strcmp(server->collation, "none") == 0;
	*providers = server->providers;
	return scope;
}

static bool
contains_name(const List *names, const char *name)
{
	ListCell *cell;

	foreach (cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

static void
deny_access(MtfStat stat, const MtfScope *scope, const char *why)
{
	mtf_audit_refusal(scope->identity, scope->relid, why);
	mtf_session_deny(stat, why);
}

MtfScope *
mtf_scope_create(MtfBinding *binding, Oid relid)
{
	const MtfIdentity *identity = mtf_binding_identity(binding);
	List *providers;
	MtfScope *scope = create_unbound(relid, identity, &providers);

	scope->bound = true;
	scope->identity = identity;
	if (identity == NULL)
		scope->shared = true;
	else
	{
		const MtfClaims *claims = mtf_identity_claims(identity);
		const char *why = NULL;

		/* "UA" of one issuer is not "UA" of another, for shared collections too. */
		if (!contains_name(providers, claims->provider))
			deny_access(MTF_STAT_DENIED_PROVIDER, scope,
						"the token's provider is not one of the server's providers");
		if (!scope->shared)
			why = convert_tenant(scope, claims);
		if (why != NULL)
			deny_access(MTF_STAT_DENIED_TENANT, scope, why);
	}
	if (scope->shared)
		scope->field = NULL;
	else
		create_recheck(scope);
	scope->audit = mtf_audit_begin(identity, relid, "select");
	mtf_stat_add(MTF_STAT_SCANS, 1);
	return scope;
}

MtfScope *
mtf_scope_create_for_explain(Oid relid)
{
	List *providers;

	return create_unbound(relid, NULL, &providers);
}

bool
mtf_scope_is_bound(const MtfScope *scope)
{
	return scope->bound;
}

Oid
mtf_scope_server(const MtfScope *scope)
{
	return scope->serverid;
}

const char *
mtf_scope_database(const MtfScope *scope)
{
	return scope->database;
}

const char *
mtf_scope_collection(const MtfScope *scope)
{
	return scope->collection;
}

const char *
mtf_scope_field(const MtfScope *scope)
{
	return scope->field;
}

void
mtf_scope_set_operation(MtfScope *scope, const char *operation)
{
	if (scope->audit != NULL)
		scope->audit->operation = operation;
}

/*
 * The predicate.  For the tenant "UA" in the field t:
 *
 *	{$and: [{t: {$eq: "UA"}}, {t: {$type: "string"}}, {t: {$not: {$type: "array"}}}]}
 *
 * For a path a.t also {a: {$not: {$type: "array"}}}: a path through an array never matches.  For an
 * array of tenants {t: {$elemMatch: {$eq: "UA", $type: "string"}}} takes the place of the three.
 */

static void
append_value(const MtfScope *scope, bson_t *to, const char *key)
{
	if (!scope->bound)
		BSON_APPEND_UTF8(to, key, "<tenant>");
	else
		switch (scope->type)
		{
			case MTF_TENANT_STRING:
				bson_append_utf8(to, key, -1, scope->string, scope->string_len);
				break;
			case MTF_TENANT_INT: BSON_APPEND_INT64(to, key, scope->integer); break;
			case MTF_TENANT_OBJECTID: BSON_APPEND_OID(to, key, &scope->oid); break;
			case MTF_TENANT_UUID:
				BSON_APPEND_BINARY(to, key, BSON_SUBTYPE_UUID, scope->uuid, sizeof(scope->uuid));
				break;
		}
}

static void
append_type(const MtfScope *scope, bson_t *to)
{
	bson_t *both;

	switch (scope->type)
	{
		case MTF_TENANT_STRING: BSON_APPEND_UTF8(to, "$type", "string"); break;
		case MTF_TENANT_OBJECTID: BSON_APPEND_UTF8(to, "$type", "objectId"); break;
		case MTF_TENANT_UUID: BSON_APPEND_UTF8(to, "$type", "binData"); break;
		case MTF_TENANT_INT:
			both = mtf_bson_create(CurrentMemoryContext);
			BSON_APPEND_UTF8(both, "0", "int");
			BSON_APPEND_UTF8(both, "1", "long");
			BSON_APPEND_ARRAY(to, "$type", both);
			break;
	}
}

static void
append_element(bson_t *array, uint32 *n, const bson_t *element)
{
	char buffer[16];
	const char *key;

	bson_uint32_to_string((*n)++, &key, buffer, sizeof(buffer));
	BSON_APPEND_DOCUMENT(array, key, element);
}

/* Append {field: condition} to the conjunction. */
static void
append_condition(bson_t *conjunction, uint32 *n, const char *field, const bson_t *condition)
{
	bson_t *element = mtf_bson_create(CurrentMemoryContext);

	BSON_APPEND_DOCUMENT(element, field, condition);
	append_element(conjunction, n, element);
}

static void
append_not_array(bson_t *conjunction, uint32 *n, const char *field)
{
	bson_t *condition = mtf_bson_create(CurrentMemoryContext);
	bson_t negated;

	BSON_APPEND_DOCUMENT_BEGIN(condition, "$not", &negated);
	BSON_APPEND_UTF8(&negated, "$type", "array");
	bson_append_document_end(condition, &negated);
	append_condition(conjunction, n, field, condition);
}

static void
append_scalar_match(const MtfScope *scope, bson_t *conjunction, uint32 *n)
{
	bson_t *equal = mtf_bson_create(CurrentMemoryContext);
	bson_t *typed = mtf_bson_create(CurrentMemoryContext);

	append_value(scope, equal, "$eq");
	append_condition(conjunction, n, scope->field, equal);
	append_type(scope, typed);
	append_condition(conjunction, n, scope->field, typed);
	append_not_array(conjunction, n, scope->field);
}

static void
append_array_match(const MtfScope *scope, bson_t *conjunction, uint32 *n)
{
	bson_t *condition = mtf_bson_create(CurrentMemoryContext);
	bson_t element;

	BSON_APPEND_DOCUMENT_BEGIN(condition, "$elemMatch", &element);
	append_value(scope, &element, "$eq");
	append_type(scope, &element);
	bson_append_document_end(condition, &element);
	append_condition(conjunction, n, scope->field, condition);
}

/* {operator: [a, b]} into `to`. */
static void
append_binary(bson_t *to, const char *operator, const bson_t * a, const bson_t *b)
{
	bson_t *operands = mtf_bson_create(CurrentMemoryContext);

	BSON_APPEND_DOCUMENT(operands, "0", a);
	BSON_APPEND_DOCUMENT(operands, "1", b);
	BSON_APPEND_ARRAY(to, operator, operands);
}

/* {operator: [{unary…}, number]} or the like: {"$eq": [{inner}, n]}. */
static bson_t *
compare_with_number(const bson_t *inner, int number)
{
	bson_t *operands = mtf_bson_create(CurrentMemoryContext);
	bson_t *result = mtf_bson_create(CurrentMemoryContext);

	BSON_APPEND_DOCUMENT(operands, "0", inner);
	BSON_APPEND_INT32(operands, "1", number);
	BSON_APPEND_ARRAY(result, "$eq", operands);
	return result;
}

/* {$eq: [{$indexOfBytes: [variable, value]}, 0]} and {$eq: [{$strLenBytes: variable}, length]} */
static bson_t *
bytes_are_equal(const MtfScope *scope, const char *variable)
{
	bson_t *arguments = mtf_bson_create(CurrentMemoryContext);
	bson_t *position = mtf_bson_create(CurrentMemoryContext);
	bson_t *length = mtf_bson_create(CurrentMemoryContext);
	bson_t *result = mtf_bson_create(CurrentMemoryContext);
	bson_t literal;

	/* A value is never an expression: $literal. */
	BSON_APPEND_UTF8(arguments, "0", variable);
	BSON_APPEND_DOCUMENT_BEGIN(arguments, "1", &literal);
	append_value(scope, &literal, "$literal");
	bson_append_document_end(arguments, &literal);
	BSON_APPEND_ARRAY(position, "$indexOfBytes", arguments);
	BSON_APPEND_UTF8(length, "$strLenBytes", variable);
	append_binary(result, "$and", compare_with_number(position, 0),
				  compare_with_number(length, scope->string_len));
	return result;
}

/* {$cond: [{$eq: [{$type: variable}, type]}, then, otherwise]}: operators on bytes fail on others. */
static bson_t *
guarded_by_type(const char *variable, const char *type, const char *then_text, const bson_t *then)
{
	bson_t *of = mtf_bson_create(CurrentMemoryContext);
	bson_t *test = mtf_bson_create(CurrentMemoryContext);
	bson_t *equal = mtf_bson_create(CurrentMemoryContext);
	bson_t *branches = mtf_bson_create(CurrentMemoryContext);
	bson_t *result = mtf_bson_create(CurrentMemoryContext);

	BSON_APPEND_UTF8(of, "$type", variable);
	BSON_APPEND_DOCUMENT(test, "0", of);
	BSON_APPEND_UTF8(test, "1", type);
	BSON_APPEND_ARRAY(equal, "$eq", test);
	BSON_APPEND_DOCUMENT(branches, "0", equal);
	if (then != NULL)
	{
		BSON_APPEND_DOCUMENT(branches, "1", then);
		BSON_APPEND_BOOL(branches, "2", false);
	}
	else
	{
		BSON_APPEND_UTF8(branches, "1", then_text);
		BSON_APPEND_ARRAY(branches, "2", mtf_bson_create(CurrentMemoryContext));
	}
	BSON_APPEND_ARRAY(result, "$cond", branches);
	return result;
}

/*
 * A server that compares under a collation of its own would take "ua" for "UA".  For an array, one
 * element must have the bytes: {$anyElementTrue: [{$map: {input, as, in}}]}.
 */
static void
append_bytes_match(const MtfScope *scope, bson_t *conjunction, uint32 *n)
{
	const char *path = psprintf("$%s", scope->field);
	bson_t *element = mtf_bson_create(CurrentMemoryContext);
	bson_t *test;

	if (!scope->array)
		test = guarded_by_type(path, "string", NULL, bytes_are_equal(scope, path));
	else
	{
		bson_t *map = mtf_bson_create(CurrentMemoryContext);
		bson_t *mapped = mtf_bson_create(CurrentMemoryContext);
		bson_t *argument = mtf_bson_create(CurrentMemoryContext);

		BSON_APPEND_DOCUMENT(map, "input", guarded_by_type(path, "array", path, NULL));
		BSON_APPEND_UTF8(map, "as", "e");
		BSON_APPEND_DOCUMENT(map, "in",
							 guarded_by_type("$$e", "string", NULL, bytes_are_equal(scope, "$$e")));
		BSON_APPEND_DOCUMENT(mapped, "$map", map);
		BSON_APPEND_DOCUMENT(argument, "0", mapped);
		test = mtf_bson_create(CurrentMemoryContext);
		BSON_APPEND_ARRAY(test, "$anyElementTrue", argument);
	}
	BSON_APPEND_DOCUMENT(element, "$expr", test);
	append_element(conjunction, n, element);
}

/* Every proper prefix of a dotted path. */
static void
append_prefixes(const MtfScope *scope, bson_t *conjunction, uint32 *n)
{
	const char *dot = strchr(scope->field, '.');

	for (; dot != NULL; dot = strchr(dot + 1, '.'))
		append_not_array(conjunction, n, pnstrdup(scope->field, dot - scope->field));
}

void
mtf_scope_append_match(const MtfScope *scope, bson_t *match)
{
	bson_t *conjunction;
	uint32 n = 0;

	if (scope->shared)
		return;
	conjunction = mtf_bson_create(CurrentMemoryContext);
	if (scope->array)
		append_array_match(scope, conjunction, &n);
	else
		append_scalar_match(scope, conjunction, &n);
	append_prefixes(scope, conjunction, &n);
	if (scope->compare_bytes)
		append_bytes_match(scope, conjunction, &n);
	if (!BSON_APPEND_ARRAY(match, "$and", conjunction))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the filter is too large")));
}

void
mtf_scope_append_equality(const MtfScope *scope, bson_t *match)
{
	if (!scope->shared && !scope->array)
		append_value(scope, match, scope->field);
}

static void
raise_recheck(const MtfScope *scope, const char *why)
{
	mtf_stat_add(MTF_STAT_RECHECKS_FAILED, 1);
	mtf_audit_refusal(scope->identity, scope->relid, why);
	ereport(LOG_SERVER_ONLY, (errmsg("mongo_tenant recheck failed on a document of \"%s.%s\": %s",
									 scope->database, scope->collection, why),
							  errhidestmt(true), errhidecontext(true)));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("a document of collection \"%s\" failed the tenant check", scope->collection)));
}

void
mtf_scope_count(const MtfScope *scope)
{
	scope->audit->rows++;
}

void
mtf_scope_recheck(const MtfScope *scope, const uint8 *doc, uint32 len)
{
	if (scope->recheck != NULL)
	{
		const char *why = mtf_recheck_document(scope->recheck, doc, len);

		if (unlikely(why != NULL))
			raise_recheck(scope, why);
	}
}
