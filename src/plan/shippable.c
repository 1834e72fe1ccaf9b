/*
 * shippable.c
 *	  One table: PostgreSQL function or aggregate → Mongo form → exact or superset → why the meaning matches.
 *
 * To ship another operator of a known form, add one line: the F_ name of its function (fmgroids.h;
 * `SELECT oprcode FROM pg_operator` tells it) in the section of its type.  A form that does not
 * exist yet needs a MtfForm, a case in classify.c, and a place where it is taken apart and written:
 *
 *	  a column and a value		lowering.c			→ pipeline/match_field.c (superset), condition.c (exact)
 *	  patterns					regex.c				→ pipeline/pattern.c
 *	  elements of arrays		element.c			→ pipeline/expr.c
 *	  members of jsonb			member.c, json_path.c	→ pipeline/json_match.c
 *	  parts of times			time_range.c (ranges), compute_part.c (computed)	→ pipeline/instant.c
 *	  parts of texts			text_part.c (patterns, computed)					→ pipeline/text_value.c
 *	  other computed values		scalar.c, compute.c	→ pipeline/value.c, compare.c
 *
 * sql/ gets an EXPLAIN that shows it remote and one that shows where it stays, and the fuzzer's grammar
 * (test/differential/grammar.py) its leaf.
 *
 * "exact" says that an exact form exists (used below LIMIT, aggregates and joins); a plain filter
 * sends the index-friendly superset and PostgreSQL rechecks every row either way.
 *
 * What must not happen here: a row because a function is built in, or "because it should work".
 */
#include "plan/shippable.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* A comparison in its six operators; DATETIME types and a few others write an underscore. */
#define SIX(f, ship, why)                                                                          \
	{F_##f##EQ, MTF_FORM_COMPARE, MTF_OP_EQ, ship, "$eq", why},                                    \
		{F_##f##NE, MTF_FORM_COMPARE, MTF_OP_NE, ship, "$ne", why},                                \
		{F_##f##LT, MTF_FORM_COMPARE, MTF_OP_LT, ship, "$lt", why},                                \
		{F_##f##LE, MTF_FORM_COMPARE, MTF_OP_LE, ship, "$lte", why},                               \
		{F_##f##GT, MTF_FORM_COMPARE, MTF_OP_GT, ship, "$gt", why},                                \
	{                                                                                              \
		F_##f##GE, MTF_FORM_COMPARE, MTF_OP_GE, ship, "$gte", why                                  \
	}

/* The same between two types: F_DATE_LT_TIMESTAMP. */
#define SIX_CROSS(f, g, ship, why)                                                                 \
	{F_##f##_EQ_##g, MTF_FORM_COMPARE, MTF_OP_EQ, ship, "$eq", why},                               \
		{F_##f##_NE_##g, MTF_FORM_COMPARE, MTF_OP_NE, ship, "$ne", why},                           \
		{F_##f##_LT_##g, MTF_FORM_COMPARE, MTF_OP_LT, ship, "$lt", why},                           \
		{F_##f##_LE_##g, MTF_FORM_COMPARE, MTF_OP_LE, ship, "$lte", why},                          \
		{F_##f##_GT_##g, MTF_FORM_COMPARE, MTF_OP_GT, ship, "$gt", why},                           \
	{                                                                                              \
		F_##f##_GE_##g, MTF_FORM_COMPARE, MTF_OP_GE, ship, "$gte", why                             \
	}

#define ONE(f, op, ship, mongo, why)                                                               \
	{                                                                                              \
		F_##f, MTF_FORM_COMPARE, MTF_OP_##op, ship, mongo, why                                     \
	}
#define LIKE_ROW(f, form, op, ship, why)                                                           \
	{                                                                                              \
		F_##f, MTF_FORM_##form, MTF_OP_##op, ship, "$regex", why                                   \
	}
/* The same operator of each pair of integer types */
#define ARITHMETIC(suffix, mongo, why)                                                             \
	{F_INT2##suffix, MTF_FORM_ARITHMETIC, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why},                  \
		{F_INT24##suffix, MTF_FORM_ARITHMETIC, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why},             \
		{F_INT28##suffix, MTF_FORM_ARITHMETIC, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why},             \
		{F_INT42##suffix, MTF_FORM_ARITHMETIC, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why},             \
		{F_INT4##suffix, MTF_FORM_ARITHMETIC, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why},              \
		{F_INT48##suffix, MTF_FORM_ARITHMETIC, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why},             \
		{F_INT82##suffix, MTF_FORM_ARITHMETIC, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why},             \
		{F_INT84##suffix, MTF_FORM_ARITHMETIC, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why},             \
	{                                                                                              \
		F_INT8##suffix, MTF_FORM_ARITHMETIC, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why                 \
	}
#define WIDEN(f, why)                                                                              \
	{                                                                                              \
		F_##f, MTF_FORM_WIDEN, MTF_OP_EQ, MTF_SHIP_EXACT, "", why                                  \
	}

#define AGGREGATE(f, form, ship, mongo, why)                                                       \
	{                                                                                              \
		F_##f, MTF_FORM_##form, MTF_OP_EQ, ship, mongo, why                                        \
	}
/* The same aggregate of each type of whole numbers and of numeric, and of floating point */
#define EXACT_SUMS(f, form, mongo, why)                                                            \
	{F_##f##_INT2, MTF_FORM_##form, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why},                        \
		{F_##f##_INT4, MTF_FORM_##form, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why},                    \
		{F_##f##_INT8, MTF_FORM_##form, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why},                    \
	{                                                                                              \
		F_##f##_NUMERIC, MTF_FORM_##form, MTF_OP_EQ, MTF_SHIP_EXACT, mongo, why                    \
	}
#define FLOAT_SUMS(f, form)                                                                        \
	{F_##f##_FLOAT4, MTF_FORM_##form, MTF_OP_EQ, MTF_SHIP_LOCAL, "", float_sums},                  \
	{                                                                                              \
		F_##f##_FLOAT8, MTF_FORM_##form, MTF_OP_EQ, MTF_SHIP_LOCAL, "", float_sums                 \
	}
#define ORDERED(f, form, mongo)                                                                    \
	AGGREGATE(f##_INT2, form, EXACT, mongo, extremes),                                             \
		AGGREGATE(f##_INT4, form, EXACT, mongo, extremes),                                         \
		AGGREGATE(f##_INT8, form, EXACT, mongo, extremes),                                         \
		AGGREGATE(f##_FLOAT4, form, EXACT, mongo, extremes),                                       \
		AGGREGATE(f##_FLOAT8, form, EXACT, mongo, extremes),                                       \
		AGGREGATE(f##_NUMERIC, form, EXACT, mongo, numeric_extremes),                              \
		AGGREGATE(f##_TEXT, form, EXACT, mongo, text_extremes),                                    \
		AGGREGATE(f##_DATE, form, EXACT, mongo, extremes),                                         \
		AGGREGATE(f##_TIMESTAMP, form, EXACT, mongo, extremes),                                    \
		AGGREGATE(f##_TIMESTAMPTZ, form, EXACT, mongo, extremes)

/* Reasons that several rows share. */
static const char extremes[] = "NaN, the greatest number, is counted apart";
static const char numeric_extremes[] =
	"of equal numerics any one; what is no exact decimal there is computed here";
static const char text_extremes[] = "C collations only";
static const char float_sums[] = "a sum of floating point numbers depends on their order";

#define EXACT    MTF_SHIP_EXACT
#define SUPERSET MTF_SHIP_SUPERSET

/* One row, one line. */
/* clang-format off */
static const MtfShippable table[] = {
	/* Integers: numbers of all BSON types compare by value; 5.5 and arrays are guarded. */
	SIX(INT2, EXACT, "numbers compare by value"),
	SIX(INT24, EXACT, "numbers compare by value"),
	SIX(INT28, EXACT, "numbers compare by value"),
	SIX(INT42, EXACT, "numbers compare by value"),
	SIX(INT4, EXACT, "numbers compare by value"),
	SIX(INT48, EXACT, "numbers compare by value"),
	SIX(INT82, EXACT, "numbers compare by value"),
	SIX(INT84, EXACT, "numbers compare by value"),
	SIX(INT8, EXACT, "numbers compare by value"),

	/* Floating point: NaN is PostgreSQL's highest value; what rounds to a double is included. */
	SIX(FLOAT4, SUPERSET, "range widened by one unit in the last place, NaN added where it sorts highest"),
	SIX(FLOAT48, SUPERSET, "range widened by one unit in the last place, NaN added where it sorts highest"),
	SIX(FLOAT84, EXACT, "NaN is the highest number; a plain filter is widened by one unit in the last place"),
	SIX(FLOAT8, EXACT, "NaN is the highest number; a plain filter is widened by one unit in the last place"),

	/* Numeric: 0.1 as double and 0.1 as Decimal128 differ remotely and are equal here. */
	SIX(NUMERIC_, EXACT, "exact for numeric(p,s) up to 15 digits or with trust_types; a plain filter is widened by two units"),

	/* Text: equality is equality of bytes under deterministic collations; order only under C. */
	ONE(TEXTEQ, EQ, EXACT, "$eq", "equal bytes; deterministic collations only"),
	ONE(TEXTNE, NE, EXACT, "$ne", "equal bytes; deterministic collations only"),
	ONE(TEXT_LT, LT, EXACT, "$lt", "byte order; C collations only"),
	ONE(TEXT_LE, LE, EXACT, "$lte", "byte order; C collations only"),
	ONE(TEXT_GT, GT, EXACT, "$gt", "byte order; C collations only"),
	ONE(TEXT_GE, GE, EXACT, "$gte", "byte order; C collations only"),

	/* LIKE: `_` is one character, `%` any number, newlines too; ILIKE over-matches on purpose. */
	LIKE_ROW(TEXTLIKE, LIKE, EQ, EXACT, "a range of texts, or an anchored, escaped pattern"),
	LIKE_ROW(TEXTNLIKE, LIKE, NE, EXACT, "documents that have the field; exact as a pattern"),
	LIKE_ROW(TEXTICLIKE, ILIKE, EQ, SUPERSET, "ASCII letters in either case; patterns of ASCII only"),

	/* Regular expressions: those that say what LIKE says. */
	LIKE_ROW(TEXTREGEXEQ, REGEX, EQ, EXACT, "only what LIKE says as well: characters, . .* .+, ^ first and $ last"),
	LIKE_ROW(TEXTREGEXNE, REGEX, NE, EXACT, "only what LIKE says as well: characters, . .* .+, ^ first and $ last"),
	LIKE_ROW(TEXTICREGEXEQ, IREGEX, EQ, SUPERSET, "only what ILIKE says as well: characters, . .* .+, ^ first and $ last"),
	LIKE_ROW(STARTS_WITH, PREFIX, EQ, EXACT, "as LIKE"),

	/* Parts of text, compared with constants: patterns of the column, which an index serves. */
	{F_LEFT, MTF_FORM_TEXT, MTF_OP_EQ, EXACT, "$regex or $substrCP", "the beginning of the column, as LIKE says it; else the characters themselves"},
	{F_SUBSTR_TEXT_INT4_INT4, MTF_FORM_TEXT, MTF_OP_EQ, EXACT, "$regex or $substrCP", "the beginning of the column, as LIKE says it; else the characters themselves"},
	{F_SUBSTRING_TEXT_INT4_INT4, MTF_FORM_TEXT, MTF_OP_EQ, EXACT, "$regex or $substrCP", "the beginning of the column, as LIKE says it; else the characters themselves"},
	{F_RIGHT, MTF_FORM_TEXT, MTF_OP_EQ, EXACT, "$regex", "the end of the column, as LIKE says it"},
	{F_LENGTH_TEXT, MTF_FORM_TEXT, MTF_OP_EQ, EXACT, "$strLenCP", "characters of UTF-8"},
	{F_CHAR_LENGTH_TEXT, MTF_FORM_TEXT, MTF_OP_EQ, EXACT, "$strLenCP", "characters of UTF-8"},
	{F_CHARACTER_LENGTH_TEXT, MTF_FORM_TEXT, MTF_OP_EQ, EXACT, "$strLenCP", "characters of UTF-8"},
	{F_LOWER_TEXT, MTF_FORM_TEXT, MTF_OP_EQ, SUPERSET, "$regex", "equal to ASCII: letters in either case, and those that some locale makes ASCII"},
	{F_UPPER_TEXT, MTF_FORM_TEXT, MTF_OP_EQ, SUPERSET, "$regex", "equal to ASCII: letters in either case, and those that some locale makes ASCII"},

	/* Arrays: a condition on an array field holds if one element satisfies it. */
	{F_ARRAYCONTAINS, MTF_FORM_CONTAINS, MTF_OP_EQ, SUPERSET, "$and of $eq",
	 "each element is there"},
	{F_ARRAY_EQ, MTF_FORM_CONTAINS, MTF_OP_NOT_DISTINCT, SUPERSET, "$and of $eq", "each element is there; NULLs are passed over"},
	{F_ARRAYOVERLAP, MTF_FORM_OVERLAPS, MTF_OP_EQ, SUPERSET, "$in", "one of the elements is there"},
	{F_ARRAYCONTAINED, MTF_FORM_CONTAINED, MTF_OP_EQ, SUPERSET, "$in or []", "one of the elements is there, or none at all"},
	{F_ARRAY_NE, MTF_FORM_ARRAY_UNEQUAL, MTF_OP_NE, SUPERSET, "$type", "there is an array"},

	/* jsonb: a member is a field below; its text, also cast, is compared by the type that fits best. */
	{F_JSONB_OBJECT_FIELD_TEXT, MTF_FORM_MEMBER, MTF_OP_EQ, SUPERSET, "path", "a member is a field below; other types are rechecked"},
	{F_JSONB_OBJECT_FIELD, MTF_FORM_MEMBER, MTF_OP_EQ, SUPERSET, "path", "a member is a field below; other types are rechecked"},
	{F_JSONB_ARRAY_ELEMENT_TEXT, MTF_FORM_MEMBER, MTF_OP_EQ, SUPERSET, "path", "a position is a step of the path; other types are rechecked"},
	{F_JSONB_ARRAY_ELEMENT, MTF_FORM_MEMBER, MTF_OP_EQ, SUPERSET, "path", "a position is a step of the path; other types are rechecked"},
	{F_JSONB_EXTRACT_PATH_TEXT, MTF_FORM_MEMBER, MTF_OP_EQ, SUPERSET, "path", "a constant path of names and positions; other types are rechecked"},
	{F_JSONB_EXTRACT_PATH, MTF_FORM_MEMBER, MTF_OP_EQ, SUPERSET, "path", "a constant path of names and positions; other types are rechecked"},
	{F_JSONB_CONTAINS, MTF_FORM_JSON_CONTAINS, MTF_OP_EQ, SUPERSET, "$and", "each scalar is there"},
	{F_JSONB_EQ, MTF_FORM_JSON_EQUAL, MTF_OP_EQ, SUPERSET, "$and", "each scalar is there"},
	{F_JSONB_EXISTS, MTF_FORM_JSON_KEY, MTF_OP_EQ, SUPERSET, "$exists", "a field or an element of that name"},
	{F_JSONB_EXISTS_ANY, MTF_FORM_JSON_KEY, MTF_OP_EQ, SUPERSET, "$exists", "a field or an element of that name"},
	{F_JSONB_EXISTS_ALL, MTF_FORM_JSON_KEY, MTF_OP_NE, SUPERSET, "$exists", "fields or elements of those names"},
	{F_JSONB_PATH_EXISTS_OPR, MTF_FORM_JSON_PATH, MTF_OP_EQ, SUPERSET, "path", "the keys of a constant path, and comparisons with constants in its filters"},
	{F_JSONB_PATH_MATCH_OPR, MTF_FORM_JSON_PATH, MTF_OP_NE, SUPERSET, "path", "the keys of a constant path, and comparisons with constants in its filters"},

	/* Boolean. */
	ONE(BOOLEQ, EQ, EXACT, "$eq", "booleans only equal booleans"),
	ONE(BOOLNE, NE, EXACT, "$ne", "booleans only equal booleans"),

	/* Dates and times: a BSON date counts milliseconds; microseconds are rounded outwards. */
	SIX(DATE_, EXACT, "the UTC day as a range of instants"),
	SIX(TIMESTAMP_, EXACT, "milliseconds; finer constants are rounded outwards"),
	SIX(TIMESTAMPTZ_, EXACT, "milliseconds; finer constants are rounded outwards"),
	SIX_CROSS(DATE, TIMESTAMP, EXACT, "the UTC day as a range of instants"),
	SIX_CROSS(TIMESTAMP, DATE, EXACT, "midnight of the date"),
	SIX_CROSS(TIMESTAMP, TIMESTAMPTZ, EXACT, "the timestamp is taken in the session's time zone first"),
	SIX_CROSS(TIMESTAMPTZ, TIMESTAMP, EXACT, "the timestamp is taken in the session's time zone first"),
	SIX_CROSS(DATE, TIMESTAMPTZ, EXACT, "the date is taken in the session's time zone first"),
	SIX_CROSS(TIMESTAMPTZ, DATE, EXACT, "the date is taken in the session's time zone first"),

	/* Parts of times, compared with values: ranges of the column, which an index serves. */
	{F_DATE_TRUNC_TEXT_TIMESTAMP, MTF_FORM_PART, MTF_OP_EQ, EXACT, "$gte and $lt", "the unit of time as a range of instants"},
	{F_DATE_TIMESTAMP, MTF_FORM_PART, MTF_OP_EQ, EXACT, "$gte and $lt", "the day as a range of instants"},
	{F_EXTRACT_TEXT_TIMESTAMP, MTF_FORM_PART, MTF_OP_EQ, EXACT, "$gte and $lt", "the year as a range of instants; other parts are computed"},
	{F_EXTRACT_TEXT_DATE, MTF_FORM_PART, MTF_OP_EQ, EXACT, "$gte and $lt", "the year as a range of instants; other parts are computed"},
	{F_DATE_PART_TEXT_TIMESTAMP, MTF_FORM_PART, MTF_OP_EQ, EXACT, "$gte and $lt", "the year as a range of instants; other parts are computed"},
	{F_TIMEZONE_TEXT_TIMESTAMPTZ, MTF_FORM_PART, MTF_OP_EQ, EXACT, "$gte and $lt", "of UTC the instant itself; of other zones two days wider"},
	{F_DATE_TRUNC_TEXT_TIMESTAMPTZ, MTF_FORM_PART, MTF_OP_EQ, SUPERSET, "$gte and $lt", "two days wider, for the session's time zone decides"},
	{F_DATE_TIMESTAMPTZ, MTF_FORM_PART, MTF_OP_EQ, SUPERSET, "$gte and $lt", "two days wider, for the session's time zone decides"},
	{F_EXTRACT_TEXT_TIMESTAMPTZ, MTF_FORM_PART, MTF_OP_EQ, SUPERSET, "$gte and $lt", "the year, two days wider, for the session's time zone decides"},
	{F_DATE_PART_TEXT_TIMESTAMPTZ, MTF_FORM_PART, MTF_OP_EQ, SUPERSET, "$gte and $lt", "the year, two days wider, for the session's time zone decides"},

	/* UUID: 16 bytes of binary subtype 4, compared byte by byte on both sides. */
	SIX(UUID_, EXACT, "same bytes, same order; exact with trust_types"),

	/* bytea: BSON orders binary by length first, so equality only. */
	ONE(BYTEAEQ, EQ, SUPERSET, "$eq", "same bytes"),
	ONE(BYTEANE, NE, SUPERSET, "$ne", "same bytes"),

	/* Arithmetic, by what the operands' types and constants allow (compute.c). */
	ARITHMETIC(PL, "$add", "where no result can overflow"),
	ARITHMETIC(MI, "$subtract", "where no result can overflow"),
	ARITHMETIC(MUL, "$multiply", "where no result can overflow"),
	ARITHMETIC(DIV, "$divide", "by a constant; cut towards zero"),
	{F_INT2MOD, MTF_FORM_ARITHMETIC, MTF_OP_EQ, EXACT, "$mod", "by a constant; the sign of the first"},
	{F_INT4MOD, MTF_FORM_ARITHMETIC, MTF_OP_EQ, EXACT, "$mod", "by a constant; the sign of the first"},
	{F_INT8MOD, MTF_FORM_ARITHMETIC, MTF_OP_EQ, EXACT, "$mod", "by a constant; the sign of the first"},
	{F_NUMERIC_ADD, MTF_FORM_ARITHMETIC, MTF_OP_EQ, EXACT, "$add", "of numeric(p,s) whose digits a Decimal128 holds"},
	{F_NUMERIC_SUB, MTF_FORM_ARITHMETIC, MTF_OP_EQ, EXACT, "$subtract", "of numeric(p,s) whose digits a Decimal128 holds"},
	{F_NUMERIC_MUL, MTF_FORM_ARITHMETIC, MTF_OP_EQ, EXACT, "$multiply", "of numeric(p,s) whose digits a Decimal128 holds"},

	/* Casts of a column that keep its values apart and in order. */
	WIDEN(INT4_INT2, "every int2 is an int4"),
	WIDEN(INT8_INT2, "every int2 is an int8"),
	WIDEN(INT8_INT4, "every int4 is an int8"),
	WIDEN(FLOAT8_INT2, "every int2 is a double"),
	WIDEN(FLOAT8_INT4, "every int4 is a double"),
	WIDEN(FLOAT8_INT8, "int8 rounds to a double in order; the range is widened"),
	WIDEN(FLOAT8_FLOAT4, "every float4 is a double"),
	WIDEN(NUMERIC_INT2, "every int2 is a numeric"),
	WIDEN(NUMERIC_INT4, "every int4 is a numeric"),
	WIDEN(NUMERIC_INT8, "every int8 is a numeric"),
	WIDEN(TIMESTAMP_DATE, "midnight of the day"),

	/* Aggregates (aggregate.c): accumulated there, finished here by PostgreSQL's own functions. */
	AGGREGATE(COUNT_, COUNT, EXACT, "$sum", "counted"),
	AGGREGATE(COUNT_ANY, COUNT, EXACT, "$sum", "counted"),
	EXACT_SUMS(SUM, SUM, "$sum", "while the digits fit a Decimal128, else computed here"),
	EXACT_SUMS(AVG, AVG, "$sum", "sum and count; the quotient is taken here"),
	EXACT_SUMS(VAR_POP, VAR_POP, "$sum", "sums of values and squares; the quotient is taken here"),
	EXACT_SUMS(VAR_SAMP, VAR_SAMP, "$sum", "sums of values and squares; the quotient is taken here"),
	EXACT_SUMS(VARIANCE, VAR_SAMP, "$sum", "sums of values and squares; the quotient is taken here"),
	EXACT_SUMS(STDDEV_POP, STDDEV_POP, "$sum", "sums of values and squares; the quotient is taken here"),
	EXACT_SUMS(STDDEV_SAMP, STDDEV_SAMP, "$sum", "sums of values and squares; the quotient is taken here"),
	EXACT_SUMS(STDDEV, STDDEV_SAMP, "$sum", "sums of values and squares; the quotient is taken here"),
	ORDERED(MIN, MIN, "$min"),
	ORDERED(MAX, MAX, "$max"),
	AGGREGATE(BOOL_AND, MIN, EXACT, "$min", "false is less than true"),
	AGGREGATE(EVERY, MIN, EXACT, "$min", "false is less than true"),
	AGGREGATE(BOOL_OR, MAX, EXACT, "$max", "false is less than true"),
	FLOAT_SUMS(SUM, SUM),
	FLOAT_SUMS(AVG, AVG),
	FLOAT_SUMS(VAR_POP, VAR_POP),
	FLOAT_SUMS(VAR_SAMP, VAR_SAMP),
	FLOAT_SUMS(VARIANCE, VAR_SAMP),
	FLOAT_SUMS(STDDEV_POP, STDDEV_POP),
	FLOAT_SUMS(STDDEV_SAMP, STDDEV_SAMP),
	FLOAT_SUMS(STDDEV, STDDEV_SAMP),
};
/* clang-format on */

/* Function → row; built once per backend. */
static HTAB *by_function = NULL;

typedef struct Entry
{
	Oid function;
	const MtfShippable *row;
} Entry;

static void
build_index(void)
{
	HASHCTL control = {0};
	HTAB *index;

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Entry);
	control.hcxt = TopMemoryContext;
	index = hash_create("mongo_tenant_fdw shippable functions", lengthof(table), &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < lengthof(table); i++)
	{
		Entry *entry = hash_search(index, &table[i].function, HASH_ENTER, NULL);

		entry->row = &table[i];
	}
	by_function = index;
}

const MtfShippable *
mtf_shippable_find(Oid function)
{
	Entry *entry;

	if (by_function == NULL)
		build_index();
	entry = hash_search(by_function, &function, HASH_FIND, NULL);
	return entry == NULL ? NULL : entry->row;
}

/* --- the pushdown matrix ------------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(mtf_pushdown_matrix);

static Tuplestorestate *
begin_rows(FunctionCallInfo fcinfo, TupleDesc *tupdesc)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		(result->allowedModes & SFRM_Materialize) == 0 ||
		get_call_result_type(fcinfo, NULL, tupdesc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("set-valued function called in context that cannot accept a set")));
	old = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	result->returnMode = SFRM_Materialize;
	result->setResult = tuplestore_begin_heap(true, false, work_mem);
	result->setDesc = CreateTupleDescCopy(*tupdesc);
	MemoryContextSwitchTo(old);
	return result->setResult;
}

/*
 * mongo_tenant.pushdown_matrix(): function regprocedure, mongo text, ship text, why text.
 * One row per line of the table; the README's matrix is printed from it.
 */
PGDLLEXPORT Datum
mtf_pushdown_matrix(PG_FUNCTION_ARGS)
{
	TupleDesc tupdesc;
	Tuplestorestate *rows = begin_rows(fcinfo, &tupdesc);

	for (int i = 0; i < lengthof(table); i++)
	{
		Datum values[4];
		bool nulls[4] = {false};

		values[0] = ObjectIdGetDatum(table[i].function);
		values[1] = CStringGetTextDatum(table[i].mongo);
		values[2] = CStringGetTextDatum(table[i].ship == EXACT      ? "exact"
										: table[i].ship == SUPERSET ? "superset"
																	: "local");
		values[3] = CStringGetTextDatum(table[i].why);
		tuplestore_putvalues(rows, tupdesc, values, nulls);
	}
	return (Datum) 0;
}
