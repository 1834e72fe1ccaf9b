/*
 * validator.c
 *	  trust_types 'validator': what a collection's $jsonSchema proves about columns.
 *
 * A document that a strict validator has let in has the types that the schema says; with that the exact form
 * of a clause needs no tests of types.  Documents that were there before the validator, or came past it
 * (bypassDocumentValidation), are not proven to be anything: the owner who sets the option says that there
 * are none.  The tenant's predicate tests its type whatever a validator says.
 *
 * Proven is only what the schema says outright: properties and bsonType from the root to the field, no
 * array on the way.  Whatever else a schema may say (allOf, not, …) can only narrow that.
 *
 * What must not happen here: a proof by a validator that warns, or that spares documents.
 */
#include "rows/validator.h"

#include "base/compat_planner.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/plancache.h"

#include "base/guard.h"
#include "options/cache.h"
#include "remote/connection.h"
#include "remote/validator.h"
#include "rows/kept.h"
#include "tenant/session.h"

/* --- the schema -------------------------------------------------------------------------------------- */

static bool
find_document(const bson_t *in, const char *name, bson_t *out)
{
	const uint8_t *data;
	bson_iter_t iter;
	uint32_t len;

	if (!bson_iter_init_find(&iter, in, name) || !BSON_ITER_HOLDS_DOCUMENT(&iter))
		return false;
	bson_iter_document(&iter, &len, &data);
	return bson_init_static(out, data, len);
}

static bool
is_text(const bson_iter_t *iter, const char *const *words)
{
	if (!BSON_ITER_HOLDS_UTF8(iter))
		return false;
	for (; *words != NULL; words++)
		if (strcmp(bson_iter_utf8(iter, NULL), *words) == 0)
			return true;
	return false;
}

/* Is every type of the schema's bsonType one of `types`, or null? */
static bool
has_types(const bson_t *schema, const char *const *types)
{
	static const char *const null[] = {"null", NULL};
	bson_iter_t iter;
	bson_iter_t one;
	int n = 0;

	if (!bson_iter_init_find(&iter, schema, "bsonType"))
		return false;
	if (is_text(&iter, types))
		return true;
	if (!BSON_ITER_HOLDS_ARRAY(&iter) || !bson_iter_recurse(&iter, &one))
		return false;
	for (; bson_iter_next(&one); n++)
		if (!is_text(&one, types) && !is_text(&one, null))
			return false;
	return n > 0;
}

/* The schema of the column's field; false: it says nothing of it, or of what lies on the way. */
static bool
find_schema(const bson_t *root, const MtfColumn *column, bson_t *found)
{
	static const char *const objects[] = {"object", NULL};
	const bson_t *schema = root;
	bson_t properties;
	bson_t inner;

	for (int i = 0; i < column->nsegments; i++)
	{
		if (i > 0 && !has_types(schema, objects))
			return false;
		if (!find_document(schema, "properties", &properties) ||
			!find_document(&properties, column->segments[i], &inner))
			return false;
		*found = inner;
		schema = found;
	}
	return column->nsegments > 0;
}

/* --- columns ----------------------------------------------------------------------------------------- */

/* A keyword's number as text; NULL: it has none. */
static char *
number_of(const bson_t *schema, const char *keyword)
{
	bson_decimal128_t decimal;
	char text[BSON_DECIMAL128_STRING];
	bson_iter_t iter;

	if (!bson_iter_init_find(&iter, schema, keyword))
		return NULL;
	if (BSON_ITER_HOLDS_INT32(&iter) || BSON_ITER_HOLDS_INT64(&iter))
		return psprintf(INT64_FORMAT, (int64) bson_iter_as_int64(&iter));
	if (!BSON_ITER_HOLDS_DECIMAL128(&iter) || !bson_iter_decimal128(&iter, &decimal))
		return NULL;
	bson_decimal128_to_string(&decimal, text);
	return strspn(text, "-+.0123456789Ee") == strlen(text) ? pstrdup(text) : NULL;
}

static int
compare_numbers(const char *x, const char *y)
{
	return DatumGetInt32(
		DirectFunctionCall2(numeric_cmp,
							DirectFunctionCall3(numeric_in, CStringGetDatum(x),
												ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)),
							DirectFunctionCall3(numeric_in, CStringGetDatum(y),
												ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
}

/* minimum and maximum within the bounds; a NaN is above all of them */
static bool
is_bounded(const bson_t *schema, const char *low, const char *high)
{
	char *minimum = number_of(schema, "minimum");
	char *maximum = number_of(schema, "maximum");

	return minimum != NULL && maximum != NULL && compare_numbers(minimum, low) >= 0 &&
		   compare_numbers(minimum, "0") <= 0 && compare_numbers(maximum, high) <= 0 &&
		   compare_numbers(maximum, "0") >= 0;
}

/* numeric(p,s): decimals that are multiples of 10^-s, of at most p digits; numeric: any. */
static bool
proves_numeric(const bson_t *schema, const MtfColumn *column)
{
	static const char *const decimals[] = {"decimal", NULL};
	int precision = mtf_compat_numeric_precision(column->typmod);
	int scale = mtf_compat_numeric_scale(column->typmod);
	char *step = number_of(schema, "multipleOf");
	char *high;

	if (!has_types(schema, decimals))
		return false;
	if (column->typmod < (int32) VARHDRSZ)
		return MTF_COMPAT_NUMERIC_HAS_INFINITY;
	if (scale < 0 || scale > precision || step == NULL ||
		compare_numbers(step, psprintf("1e-%d", scale)) != 0)
		return false;
	high = psprintf("%se-%d", pnstrdup("9999999999999999999999999999999999", Min(precision, 34)),
					scale);
	return precision <= 34 && is_bounded(schema, psprintf("-%s", high), high);
}

static bool
proves_text(const bson_t *schema, const MtfColumn *column)
{
	static const char *const strings[] = {"string", NULL};
	int limit = column->typmod >= (int32) VARHDRSZ ? column->typmod - VARHDRSZ : -1;
	char *longest = number_of(schema, "maxLength");

	return has_types(schema, strings) && !column->any_id &&
		   (limit < 0 || (longest != NULL && compare_numbers(longest, psprintf("%d", limit)) <= 0));
}

static bool
proves(const bson_t *root, const MtfColumn *column)
{
	static const char *const bools[] = {"bool", NULL};
	static const char *const ints[] = {"int", NULL};
	static const char *const longs[] = {"int", "long", NULL};
	static const char *const doubles[] = {"double", NULL};
	static const char *const dates[] = {"date", NULL};
	static const char *const ids[] = {"objectId", NULL};
	bson_t schema;

	if (!find_schema(root, column, &schema))
		return false;
	switch (column->kind)
	{
		case MTF_KIND_BOOL: return has_types(&schema, bools);
		case MTF_KIND_INT2:
			return has_types(&schema, ints) && is_bounded(&schema, "-32768", "32767");
		case MTF_KIND_INT4: return has_types(&schema, ints);
		case MTF_KIND_INT8: return has_types(&schema, longs);
		case MTF_KIND_FLOAT8: return has_types(&schema, doubles);
		case MTF_KIND_NUMERIC: return proves_numeric(&schema, column);
		case MTF_KIND_TEXT: return proves_text(&schema, column);
		case MTF_KIND_OBJECTID: return column->typmod < 0 && has_types(&schema, ids);
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: return has_types(&schema, dates);
		default: return false;
	}
}

/* A keyword that is missing has the value that proves. */
static bool
is_or_missing(const bson_t *options, const char *name, const char *const *words)
{
	bson_iter_t iter;

	return !bson_iter_init_find(&iter, options, name) || is_text(&iter, words);
}

static Bitmapset *
read_proof(const uint8 *data, uint32 len, const MtfColumnMap *map)
{
	static const char *const strict[] = {"strict", NULL};
	static const char *const error[] = {"error", "errorAndLog", NULL};
	Bitmapset *proven = NULL;
	bson_t validator;
	bson_t options;
	bson_t schema;

	if (data == NULL || !bson_init_static(&options, data, len) ||
		!is_or_missing(&options, "validationLevel", strict) ||
		!is_or_missing(&options, "validationAction", error) ||
		!find_document(&options, "validator", &validator) ||
		!find_document(&validator, "$jsonSchema", &schema))
		return NULL;
	for (int i = 0; i < map->natts; i++)
		if (map->columns[i] != NULL && proves(&schema, map->columns[i]))
			proven = bms_add_member(proven, map->columns[i]->attnum);
	return proven;
}

/* --- asking ------------------------------------------------------------------------------------------ */

typedef struct Proof
{
	Bitmapset *columns; /* attribute numbers */
} Proof;

static MtfKept kept = {"validators", 30000, 256}; /* Proof */

/* A table that was altered may be of another collection. */
static void
forget_changed(Datum argument, Oid relid)
{
	if (kept.entries != NIL)
		mtf_kept_forget(&kept);
}

/* A server that was altered may be another one, or of another database. */
static void
forget_server(Datum argument, int cacheid, uint32 hashvalue)
{
	forget_changed(argument, InvalidOid);
}

/* Whatever the token: a validator belongs to the collection. */
static MtfReader
any_reader(Oid relid, Oid userid)
{
	MtfReader reader;

	memset(&reader, 0, sizeof(reader));
	reader.relid = relid;
	reader.userid = userid;
	return reader;
}

static void
keep(const MtfReader *reader, const Bitmapset *proven)
{
	static bool is_registered = false;
	MemoryContext memory = mtf_kept_begin(&kept);
	MemoryContext old = MemoryContextSwitchTo(memory);
	Proof *proof = palloc(sizeof(Proof));

	proof->columns = bms_copy(proven);
	MemoryContextSwitchTo(old);
	if (!is_registered)
	{
		CacheRegisterRelcacheCallback(forget_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, forget_server, (Datum) 0);
		is_registered = true;
	}
	mtf_kept_put(&kept, reader, memory, proof);
}

static void
ask(const MtfReader *reader)
{
	const MtfTableOptions *table = mtf_table_options(reader->relid);
	MtfBinding *binding = mtf_session_bind_now();
	MtfScope *scope;
	uint8 *options;
	uint32 len = 0;

	if (mtf_binding_identity(binding) == NULL)
		return;
	scope = mtf_scope_create(binding, reader->relid);
	options = mtf_validator_ask(mtf_connection_get(mtf_scope_server(scope), reader->userid), scope,
								table->read_preference, &len);
	keep(reader, read_proof(options, len, mtf_column_map(reader->relid)));
}

Bitmapset *
mtf_validator_proves(Oid relid, Oid userid)
{
	MemoryContext current = CurrentMemoryContext;
	MemoryContext work;
	const Proof *found;
	MtfReader reader;

	if (!mtf_session_has_token())
		return NULL;
	reader = any_reader(relid, OidIsValid(userid) ? userid : GetUserId());
	if (mtf_kept_find(&kept, &reader) == NULL)
	{
		work = AllocSetContextCreate(current, "mongo_tenant_fdw validator", ALLOCSET_SMALL_SIZES);
		MemoryContextSwitchTo(work);
		ask(&reader);
		MemoryContextSwitchTo(current);
		MemoryContextDelete(work);
	}
	found = mtf_kept_find(&kept, &reader);
	return found == NULL ? NULL : bms_copy(found->columns);
}

void
mtf_validator_check(const MtfScanPlan *plan, Oid userid)
{
	ListCell *cell;
	int i = 0;

	foreach (cell, plan->proofs)
	{
		Oid relid = list_nth_oid(plan->relids, i++);
		Bitmapset *proven = NULL;
		ListCell *attnum;

		foreach (attnum, (List *) lfirst(cell))
			if (lfirst_int(attnum) > 0)
				proven = bms_add_member(proven, lfirst_int(attnum));
		if (proven == NULL || bms_is_subset(proven, mtf_validator_proves(relid, userid)))
			continue;
		/* The next statement is planned by what is proven then.  (An invalidation would go with the error.) */
		ResetPlanCache();
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the validator of the collection has changed since the query was planned"),
				 errhint("Run the query again.")));
	}
}
