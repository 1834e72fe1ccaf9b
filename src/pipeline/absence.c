/*
 * absence.c
 *	  What is NULL here, in the match language: nothing there, or a value that does not decode.
 *
 * `{x: null}` alone would leave out the documents whose value does not decode: without pushdown they are
 * NULL, or an error.  So they are asked for too, by ranges and types that an index on (tenant, field) serves:
 * the types that never decode, and of those that may, the values outside the column's range.  Where a
 * range cannot say it (a whole number stored as a double), the server tests the value by the exact form's
 * expression.  The owner's promise (trust_types) says that there are none.
 *
 * What must not happen here: a value that does not decode left out.
 */
#include "pipeline/absence.h"

#include <float.h>

#include "mb/pg_wchar.h"

#include "base/integer_range.h"
#include "pipeline/call.h"
#include "pipeline/combination.h"
#include "pipeline/field_value.h"
#include "plan/lowering.h"

/* A longer repetition makes a regular expression that servers may refuse. */
#define MAX_REPETITION 500

/* {$or: [conditions…]} on one path, being written */
typedef struct Either
{
	StringInfo out;
	const char *path;
	MtfCombination list;
} Either;

static Either
begin_either(const MtfField *field, StringInfo out, const char *key)
{
	return (Either){out, field->path, mtf_combination_begin(out, key, true)};
}

static const char *
next(Either *either)
{
	return mtf_combination_next(&either->list);
}

static void
add_op(Either *either, const char *op, MtfLiteral literal)
{
	mtf_match_write_op(either->out, next(either), either->path, op, &literal);
}

static void
add_types(Either *either, const char *const *types)
{
	mtf_match_write_type(either->out, next(either), either->path, types);
}

/* Strictly between two doubles */
static void
add_between(Either *either, double low, double high)
{
	MtfLiteral bounds[2] = {mtf_literal_double(low), mtf_literal_double(high)};
	MtfNest condition = mtf_nest_begin(either->out, next(either), either->path);

	mtf_write_literal(either->out, "$gt", &bounds[0]);
	mtf_write_literal(either->out, "$lt", &bounds[1]);
	mtf_nest_end(either->out, condition);
}

static void
add_regex(Either *either, const char *regex)
{
	MtfMark condition = mtf_write_begin(either->out, next(either));

	mtf_write_regex(either->out, either->path, regex, "s");
	mtf_write_end(either->out, condition);
}

/* An array here or on the way: a test of types or values looks inside it. */
static void
add_arrays(Either *either)
{
	static const char *const arrays[] = {"array", NULL};
	const char *path = either->path;

	add_types(either, arrays);
	for (const char *dot = strchr(path, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		mtf_match_write_type(either->out, next(either), pnstrdup(path, dot - path), arrays);
}

/* --- the types that never decode ----------------------------------------------------------------- */

static bool
is_among(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

/* Every BSON type but `types`; null is not among them, arrays are in add_arrays(). */
static void
add_other_types(Either *either, const char *const *types)
{
	static const char *const all[] = {"double",    "string",    "object",     "binData",
									  "undefined", "objectId",  "bool",       "date",
									  "regex",     "dbPointer", "javascript", "symbol",
									  "int",       "timestamp", "long",       "javascriptWithScope",
									  "decimal",   "minKey",    "maxKey"};
	const char *others[lengthof(all) + 1];
	int n = 0;

	for (int i = 0; i < lengthof(all); i++)
		if (!is_among(all[i], types))
			others[n++] = all[i];
	others[n] = NULL;
	add_types(either, others);
}

/* --- the values that do not decode, of types that may -------------------------------------------- */

/* Of these types, what the exact form's test says does not decode; without an exact form all of them. */
static void
add_tested(Either *either, const MtfField *field, const char *const *types)
{
	MtfExprContext context = {NULL};
	StringInfo out = either->out;
	MtfMark condition;
	MtfMark both;
	MtfMark expression;
	MtfCall not ;

	if (!field->exact)
	{
		add_types(either, types);
		return;
	}
	condition = mtf_write_begin(out, next(either));
	both = mtf_write_begin_array(out, "$and");
	mtf_match_write_type(out, "0", either->path, types);
	expression = mtf_write_begin(out, "1");
	not = mtf_call_begin(out, "$expr", "$not");
	mtf_field_write_known(&context, field, out, mtf_call_next(&not ));
	mtf_call_end(out, &not );
	mtf_write_end(out, expression);
	mtf_write_end(out, both);
	mtf_write_end(out, condition);
}

static void
add_integer_misfits(Either *either, const MtfField *field)
{
	static const char *const inexact[] = {"double", "decimal", NULL};
	Oid type = mtf_field_integer_type(field);

	if (field->kind != MTF_KIND_INT8)
	{
		add_op(either, "$lt", mtf_literal_int64(mtf_integer_least(type)));
		add_op(either, "$gt", mtf_literal_int64(mtf_integer_greatest(type)));
	}
	add_tested(either, field, inexact);
}

/* What rounds to infinity, and what rounds to zero without being zero. */
static void
add_float4_misfits(Either *either)
{
	const double least = 1.401298464324817e-45;

	add_op(either, "$lt", mtf_literal_double(-FLT_MAX));
	add_op(either, "$gt", mtf_literal_double(FLT_MAX));
	add_between(either, 0, least);
	add_between(either, -least, 0);
}

static void
add_numeric_misfits(Either *either, const MtfField *field)
{
	static const char *const numbers[] = {"int", "long", "double", "decimal", NULL};
	static const char *const decimals[] = {"decimal", NULL};

	if (field->typmod >= 0)
		add_tested(either, field, numbers);
	else
	{
		/* Before PostgreSQL 14 a numeric has no infinity. */
		add_op(either, "$gt", mtf_literal_double(DBL_MAX));
		add_op(either, "$lt", mtf_literal_double(-DBL_MAX));
		add_types(either, decimals);
	}
}

/* Too long, with a NUL, or (in other encodings) perhaps a character that the database has not. */
static void
add_text_misfits(Either *either, const MtfField *field)
{
	static const char *const strings[] = {"string", NULL};
	static const char *const ids[] = {"objectId", NULL};
	int limit = field->typmod >= (int32) VARHDRSZ ? field->typmod - VARHDRSZ : -1;

	if (field->any_id && limit >= 0 && limit < 24)
		add_types(either, ids);
	if (GetDatabaseEncoding() != PG_UTF8 || limit > MAX_REPETITION)
	{
		add_types(either, strings);
		return;
	}
	add_regex(either, "\\x00");
	if (limit >= 0)
		add_regex(either, psprintf("^.{%d}", limit + 1));
}

/*
 * PostgreSQL's years begin and end far outside those that every server can read (1 to 9999): the dates
 * behind these are few, and rechecked.
 */
static void
add_date_misfits(Either *either)
{
	add_op(either, "$lt", mtf_literal_date(MTF_FIRST_COMMON_MS));
	add_op(either, "$gt", mtf_literal_date(MTF_LAST_COMMON_MS));
}

/* Add what does not decode, arrays apart; false: everything may be that. */
static bool
add_misfits(Either *either, const MtfField *field)
{
	static const char *const decimals[] = {"decimal", NULL};
	static const char *const ids[] = {"objectId", NULL};
	static const char *const plain[] = {"double",  "binData", "objectId",  "bool",
										"date",    "int",     "timestamp", "long",
										"decimal", "minKey",  "maxKey",    NULL};

	/* Of jsonb, what may hold text that the database cannot. */
	add_other_types(either, field->kind == MTF_KIND_JSONB ? plain : mtf_decodable_types(field));
	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_BOOL:
		case MTF_KIND_JSONB: return true;
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8: add_integer_misfits(either, field); return true;
		case MTF_KIND_FLOAT4: add_float4_misfits(either); return true;
		case MTF_KIND_FLOAT8: add_tested(either, field, decimals); return true;
		case MTF_KIND_NUMERIC: add_numeric_misfits(either, field); return true;
		case MTF_KIND_TEXT:
		case MTF_KIND_BPCHAR: add_text_misfits(either, field); return true;
		case MTF_KIND_OBJECTID:
			if (field->typmod >= 0)
				add_types(either, ids);
			return true;
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: add_date_misfits(either); return true;
		/* The subtype of a binary is no range of its own on every server. */
		case MTF_KIND_UUID:
		case MTF_KIND_BYTEA:
		case MTF_KIND_ARRAY: break;
	}
	return false;
}

MtfVerdict
mtf_match_write_absent(const MtfField *field, StringInfo out, const char *key)
{
	/* Until server 8 equal to null, not so on every server. */
	static const char *const undefined[] = {"undefined", NULL};
	Either either = begin_either(field, out, key);

	add_op(&either, "$eq", mtf_literal_null());
	if (field->trust)
		add_types(&either, undefined);
	else if (!add_misfits(&either, field))
	{
		mtf_write_take_back(out, either.list.condition);
		return MTF_ALWAYS;
	}
	else
		add_arrays(&either);
	return mtf_combination_end(&either.list);
}

MtfVerdict
mtf_match_write_other(const MtfField *field, const MtfLiteral *literal, StringInfo out,
					  const char *key)
{
	Either either;

	/* A member `1` of a document in the list would count as `list.1`. */
	if (mtf_path_has_position(field->path))
		return MTF_ALWAYS;
	if (field->trust)
		return mtf_match_write_op(out, key, field->path, "$ne", literal);
	either = begin_either(field, out, key);
	add_op(&either, "$ne", *literal);
	add_arrays(&either);
	return mtf_combination_end(&either.list);
}
