/*
 * value.c
 *	  Lowered terms → aggregation expressions: the exact form.
 *
 * Expressions see BSON values of any type, arrays and missing fields, without type bracketing.  So a
 * field is never used bare: it stands behind a test of what decodes (rows/value.h has the rules),
 * becomes null otherwise, and is brought to one BSON type.  Conditions are two-valued: true if and
 * only if PostgreSQL's is true; NOT was pushed down to the leaves before.
 *
 * What must not happen here: an expression that can fail on any document (the server may evaluate it
 * on another tenant's); a user's value outside $literal.
 */
#include "pipeline/value.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/float.h"
#include "utils/timestamp.h"

#include "pipeline/canonical.h"
#include "pipeline/literal.h"
#include "pipeline/operand.h"
#include "pipeline/pattern.h"

/* --- building blocks --------------------------------------------------------------------------- */

/* {op: [arguments…]} being written */
typedef struct Call
{
	MtfMark document;
	MtfMark list;
	int n;
} Call;

static Call
begin_call(StringInfo out, const char *key, const char *op)
{
	Call call = {0};

	call.document = mtf_write_begin(out, key);
	call.list = mtf_write_begin_array(out, op);
	return call;
}

static const char *
next(Call *call)
{
	return mtf_array_key(call->n++);
}

static void
end_call(StringInfo out, const Call *call)
{
	mtf_write_end(out, call->list);
	mtf_write_end(out, call->document);
}

/* {op: [x, y]} of a reference and a literal of our own (not a user's value) */
static void
write_pair(StringInfo out, const char *key, const char *op, const char *reference,
		   const MtfLiteral *literal)
{
	Call call = begin_call(out, key, op);

	mtf_write_word(out, next(&call), reference);
	mtf_write_literal(out, next(&call), literal);
	end_call(out, &call);
}

/* {op: [x, y]} of two references */
static void
write_references(StringInfo out, const char *key, const char *op, const char *x, const char *y)
{
	Call call = begin_call(out, key, op);

	mtf_write_word(out, next(&call), x);
	mtf_write_word(out, next(&call), y);
	end_call(out, &call);
}

/* {$literal: value} */
static void
write_quoted(StringInfo out, const char *key, const MtfLiteral *literal)
{
	MtfMark quoted = mtf_write_begin(out, key);

	mtf_write_literal(out, "$literal", literal);
	mtf_write_end(out, quoted);
}

/* {op: [reference, {$literal: value}]} */
static void
write_comparison(StringInfo out, const char *key, const char *op, const char *reference,
				 const MtfLiteral *literal)
{
	Call call = begin_call(out, key, op);

	mtf_write_word(out, next(&call), reference);
	write_quoted(out, next(&call), literal);
	end_call(out, &call);
}

/* {$gt: [reference, null]}: neither null nor missing ($ne would let missing through). */
static void
write_not_null(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral null = mtf_literal_null();

	write_pair(out, key, "$gt", reference, &null);
}

/* {op: reference} */
static void
write_unary(StringInfo out, const char *key, const char *op, const char *reference)
{
	MtfMark call = mtf_write_begin(out, key);

	mtf_write_word(out, op, reference);
	mtf_write_end(out, call);
}

/* {$in: [{$type: reference}, [types…]]} */
static void
write_type_in(StringInfo out, const char *key, const char *reference, const char *const *types)
{
	Call call = begin_call(out, key, "$in");
	MtfMark list;

	write_unary(out, next(&call), "$type", reference);
	list = mtf_write_begin_array(out, next(&call));
	for (int i = 0; types[i] != NULL; i++)
		mtf_write_word(out, mtf_array_key(i), types[i]);
	mtf_write_end(out, list);
	end_call(out, &call);
}

/* Was the field checked already, by the stage before? */
static bool
is_canonical(const MtfExprContext *context, const MtfField *field)
{
	return context->canonical != NULL && mtf_canonical_find(context->canonical, field) >= 0;
}

static char *
reference_of(const MtfExprContext *context, const MtfField *field)
{
	if (is_canonical(context, field))
		return psprintf("$v%d", mtf_canonical_find(context->canonical, field));
	if (context->aliases == NULL)
		return psprintf("$%s", field->path);
	return psprintf("$%s.%s", context->aliases[field->rel], field->path);
}

/* --- what decodes -------------------------------------------------------------------------------- */

static const char *const numbers[] = {"int", "long", "double", "decimal", NULL};
static const char *const doubles[] = {"double", NULL};
static const char *const binary_numbers[] = {"int", "long", "double", NULL};
static const char *const strings[] = {"string", NULL};
static const char *const ids[] = {"objectId", NULL};
static const char *const dates[] = {"date", NULL};
static const char *const booleans[] = {"bool", NULL};

/* reference between two literals, bounds included */
static void
write_between(StringInfo out, Call *call, const char *reference, const MtfLiteral *low,
			  const MtfLiteral *high)
{
	write_pair(out, next(call), "$gte", reference, low);
	write_pair(out, next(call), "$lte", reference, high);
}

/* Whole numbers in the type's range, of any BSON type. */
static void
write_known_integer(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfLiteral low = mtf_literal_int64(field->kind == MTF_KIND_INT2   ? PG_INT16_MIN
									   : field->kind == MTF_KIND_INT4 ? PG_INT32_MIN
																	  : PG_INT64_MIN);
	MtfLiteral high = mtf_literal_int64(field->kind == MTF_KIND_INT2   ? PG_INT16_MAX
										: field->kind == MTF_KIND_INT4 ? PG_INT32_MAX
																	   : PG_INT64_MAX);
	Call cond = begin_call(out, key, "$cond");
	Call all;
	Call whole;

	write_type_in(out, next(&cond), reference, numbers);
	all = begin_call(out, next(&cond), "$and");
	write_between(out, &all, reference, &low, &high);
	whole = begin_call(out, next(&all), "$eq");
	mtf_write_word(out, next(&whole), reference);
	write_unary(out, next(&whole), "$trunc", reference);
	end_call(out, &whole);
	end_call(out, &all);
	mtf_write_bool(out, next(&cond), false);
	end_call(out, &cond);
}

/*
 * The greatest Decimal128 that rounds to a finite double, and the greatest that rounds to zero:
 * DBL_MAX and 2^-1075 with what is behind them, cut to 34 digits.
 */
#define GREATEST_DECIMAL_TO_DOUBLE "1.797693134862315807937289714053034E+308"
#define GREATEST_DECIMAL_TO_ZERO   "2.470328229206232720882843964341106E-324"

static void
write_known_decimal_to_double(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral specials[4] = {mtf_literal_decimal_nan(), mtf_literal_decimal("Infinity"),
							  mtf_literal_decimal("-Infinity"), mtf_literal_int64(0)};
	MtfLiteral highest = mtf_literal_decimal(GREATEST_DECIMAL_TO_DOUBLE);
	MtfLiteral zero = mtf_literal_decimal(GREATEST_DECIMAL_TO_ZERO);
	Call any = begin_call(out, key, "$or");
	Call in = begin_call(out, next(&any), "$in");
	MtfMark list;
	Call both;
	Call cmp;

	mtf_write_word(out, next(&in), reference);
	list = mtf_write_begin_array(out, next(&in));
	for (int i = 0; i < lengthof(specials); i++)
		mtf_write_literal(out, mtf_array_key(i), &specials[i]);
	mtf_write_end(out, list);
	end_call(out, &in);
	both = begin_call(out, next(&any), "$and");
	cmp = begin_call(out, next(&both), "$lte");
	write_unary(out, next(&cmp), "$abs", reference);
	mtf_write_literal(out, next(&cmp), &highest);
	end_call(out, &cmp);
	cmp = begin_call(out, next(&both), "$gt");
	write_unary(out, next(&cmp), "$abs", reference);
	mtf_write_literal(out, next(&cmp), &zero);
	end_call(out, &cmp);
	end_call(out, &both);
	end_call(out, &any);
}

static void
write_known_double(StringInfo out, const char *key, const char *reference)
{
	static const char *const decimals[] = {"decimal", NULL};
	Call outer = begin_call(out, key, "$cond");
	Call inner;

	write_type_in(out, next(&outer), reference, binary_numbers);
	mtf_write_bool(out, next(&outer), true);
	inner = begin_call(out, next(&outer), "$cond");
	write_type_in(out, next(&inner), reference, decimals);
	write_known_decimal_to_double(out, next(&inner), reference);
	mtf_write_bool(out, next(&inner), false);
	end_call(out, &inner);
	end_call(out, &outer);
}

static int
numeric_precision(int32 typmod)
{
	return ((typmod - VARHDRSZ) >> 16) & 0xffff;
}

/* Bits above the scale are zero: only scales from 0 on reach us (classify.c). */
static int
numeric_scale(int32 typmod)
{
	return (typmod - VARHDRSZ) & 0x7ff;
}

static void
write_is_nan_of(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral nans[2] = {mtf_literal_double(get_float8_nan()), mtf_literal_decimal_nan()};
	Call in = begin_call(out, key, "$in");
	MtfMark list;

	mtf_write_word(out, next(&in), reference);
	list = mtf_write_begin_array(out, next(&in));
	for (int i = 0; i < 2; i++)
		mtf_write_literal(out, mtf_array_key(i), &nans[i]);
	mtf_write_end(out, list);
	end_call(out, &in);
}

/* {$round: [{$toDecimal: reference}, scale]}: a double of up to 15 digits gives them back. */
static void
write_rounded_decimal(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	Call call = begin_call(out, key, "$round");

	write_unary(out, next(&call), "$toDecimal", reference);
	mtf_write_int(out, next(&call), numeric_scale(field->typmod));
	end_call(out, &call);
}

/* numeric(p,s): numbers that fit without rounding.  A double's text has at most 15 digits. */
static void
write_known_numeric(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	int whole_digits = numeric_precision(field->typmod) - numeric_scale(field->typmod);
	MtfLiteral limit = mtf_literal_decimal(psprintf("1E+%d", whole_digits));
	Call outer = begin_call(out, key, "$cond");
	Call small;
	Call nan;
	Call inner;
	Call equal;
	Call choice;

	write_type_in(out, next(&outer), reference, numbers);
	/* NaN fits any precision; not every server can round it. */
	nan = begin_call(out, next(&outer), "$cond");
	write_is_nan_of(out, next(&nan), reference);
	mtf_write_bool(out, next(&nan), true);
	inner = begin_call(out, next(&nan), "$cond");
	small = begin_call(out, next(&inner), "$lt");
	write_unary(out, next(&small), "$abs", reference);
	mtf_write_literal(out, next(&small), &limit);
	end_call(out, &small);
	choice = begin_call(out, next(&inner), "$cond");
	write_type_in(out, next(&choice), reference, doubles);
	equal = begin_call(out, next(&choice), "$eq");
	{
		MtfMark back = mtf_write_begin(out, next(&equal));

		write_rounded_decimal(field, out, "$toDouble", reference);
		mtf_write_end(out, back);
	}
	mtf_write_word(out, next(&equal), reference);
	end_call(out, &equal);
	equal = begin_call(out, next(&choice), "$eq");
	write_rounded_decimal(field, out, next(&equal), reference);
	mtf_write_word(out, next(&equal), reference);
	end_call(out, &equal);
	end_call(out, &choice);
	mtf_write_bool(out, next(&inner), false);
	end_call(out, &inner);
	end_call(out, &nan);
	mtf_write_bool(out, next(&outer), false);
	end_call(out, &outer);
}

/* {$lt: [{$indexOfBytes: [reference, "\0"]}, 0]}: PostgreSQL has no text with a NUL. */
static void
write_no_nul(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral nul = {.type = MTF_LITERAL_STRING, .data = "\0", .len = 1};
	MtfLiteral zero = mtf_literal_int64(0);
	Call less = begin_call(out, key, "$lt");

	write_pair(out, next(&less), "$indexOfBytes", reference, &nul);
	mtf_write_literal(out, next(&less), &zero);
	end_call(out, &less);
}

/* The number of characters that varchar(n) allows; -1: any. */
static int
character_limit(const MtfField *field)
{
	return field->typmod >= (int32) VARHDRSZ ? field->typmod - VARHDRSZ : -1;
}

static void
write_known_string(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	Call cond = begin_call(out, key, "$cond");
	Call all;

	write_type_in(out, next(&cond), reference, strings);
	all = begin_call(out, next(&cond), "$and");
	write_no_nul(out, next(&all), reference);
	if (character_limit(field) >= 0)
	{
		MtfLiteral limit = mtf_literal_int64(character_limit(field));
		Call short_enough = begin_call(out, next(&all), "$lte");

		write_unary(out, next(&short_enough), "$strLenCP", reference);
		mtf_write_literal(out, next(&short_enough), &limit);
		end_call(out, &short_enough);
	}
	end_call(out, &all);
	if (field->any_id && (character_limit(field) < 0 || character_limit(field) >= 24))
		write_type_in(out, next(&cond), reference, ids);
	else
		mtf_write_bool(out, next(&cond), false);
	end_call(out, &cond);
}

/*
 * Dates inside the range of the PostgreSQL type, compared as numbers of milliseconds: one engine
 * cannot even read a pipeline with dates outside the years 1 to 9999 in it (m).
 */
static void
write_known_date(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	const int64 epoch_days = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
	const int64 day = INT64CONST(86400000);
	bool is_date = field->kind == MTF_KIND_DATE;
	int64 first_day = is_date ? DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE : 0;
	int64 end_day = is_date ? DATE_END_JULIAN - POSTGRES_EPOCH_JDATE : 0;
	MtfLiteral low = mtf_literal_int64(is_date ? (first_day + epoch_days) * day
											   : MIN_TIMESTAMP / 1000 + epoch_days * day);
	MtfLiteral high = mtf_literal_int64(is_date ? (end_day + epoch_days) * day - 1
												: END_TIMESTAMP / 1000 + epoch_days * day - 1);
	Call cond = begin_call(out, key, "$cond");
	Call both;

	write_type_in(out, next(&cond), reference, dates);
	both = begin_call(out, next(&cond), "$and");
	for (int i = 0; i < 2; i++)
	{
		Call compare = begin_call(out, next(&both), i == 0 ? "$gte" : "$lte");

		write_unary(out, next(&compare), "$toLong", reference);
		mtf_write_literal(out, next(&compare), i == 0 ? &low : &high);
		end_call(out, &compare);
	}
	end_call(out, &both);
	mtf_write_bool(out, next(&cond), false);
	end_call(out, &cond);
}

/*
 * May the column's promise of its types stand for a test of them?  Not where the value is converted: the
 * conversion of what is not as promised fails, on another tenant's document too.
 */
static bool
is_trusted(const MtfField *field)
{
	return field->trust && field->kind != MTF_KIND_OBJECTID && !field->any_id;
}

static void
write_known(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	if (is_trusted(field))
	{
		write_not_null(out, key, reference);
		return;
	}
	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_BOOL: write_type_in(out, key, reference, booleans); break;
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8: write_known_integer(field, out, key, reference); break;
		case MTF_KIND_FLOAT8: write_known_double(out, key, reference); break;
		case MTF_KIND_NUMERIC: write_known_numeric(field, out, key, reference); break;
		case MTF_KIND_TEXT: write_known_string(field, out, key, reference); break;
		case MTF_KIND_OBJECTID: write_type_in(out, key, reference, ids); break;
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: write_known_date(field, out, key, reference); break;
		/* Never exact without the owner's promise (classify.c). */
		default: write_not_null(out, key, reference); break;
	}
}

void
mtf_value_write_known(const MtfExprContext *context, const MtfField *field, StringInfo out,
					  const char *key)
{
	if (is_canonical(context, field))
		write_not_null(out, key, reference_of(context, field));
	else
		write_known(field, out, key, reference_of(context, field));
}

/* The value in one BSON type, given that it decodes. */
static void
write_canonical(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	if (field->kind == MTF_KIND_OBJECTID || field->any_id)
		write_unary(out, key, "$toString", reference);
	else if (field->trust)
		mtf_write_word(out, key, reference);
	else if (mtf_is_integer_kind(field))
		write_unary(out, key, "$toLong", reference);
	else if (field->kind == MTF_KIND_FLOAT8)
		write_unary(out, key, "$toDouble", reference);
	else if (field->kind == MTF_KIND_NUMERIC)
	{
		MtfLiteral nan = mtf_literal_decimal_nan();
		Call cond = begin_call(out, key, "$cond");

		write_is_nan_of(out, next(&cond), reference);
		mtf_write_literal(out, next(&cond), &nan);
		write_rounded_decimal(field, out, next(&cond), reference);
		end_call(out, &cond);
	}
	else
		mtf_write_word(out, key, reference);
}

/* {$mod: [{$toLong: reference}, a day]} */
static void
write_time_of_day(StringInfo out, const char *key, const char *reference, const MtfLiteral *day)
{
	Call mod = begin_call(out, key, "$mod");

	write_unary(out, next(&mod), "$toLong", reference);
	mtf_write_literal(out, next(&mod), day);
	end_call(out, &mod);
}

/* Midnight (UTC) of a date: its milliseconds less those of the day, which $mod counts back before 1970. */
static void
write_midnight(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral day = mtf_literal_int64(INT64CONST(86400000));
	MtfLiteral zero = mtf_literal_int64(0);
	MtfMark date = mtf_write_begin(out, key);
	Call subtract = begin_call(out, "$toDate", "$subtract");
	Call cond;
	Call less;
	Call add;

	write_unary(out, next(&subtract), "$toLong", reference);
	cond = begin_call(out, next(&subtract), "$cond");
	less = begin_call(out, next(&cond), "$lt");
	write_time_of_day(out, next(&less), reference, &day);
	mtf_write_literal(out, next(&less), &zero);
	end_call(out, &less);
	add = begin_call(out, next(&cond), "$add");
	write_time_of_day(out, next(&add), reference, &day);
	mtf_write_literal(out, next(&add), &day);
	end_call(out, &add);
	write_time_of_day(out, next(&cond), reference, &day);
	end_call(out, &cond);
	end_call(out, &subtract);
	mtf_write_end(out, date);
}

void
mtf_value_write_day(const MtfExprContext *context, const MtfField *field, StringInfo out,
					const char *key)
{
	char *reference = reference_of(context, field);
	Call cond = begin_call(out, key, "$cond");

	mtf_value_write_known(context, field, out, next(&cond));
	write_midnight(out, next(&cond), reference);
	mtf_write_null(out, next(&cond));
	end_call(out, &cond);
}

/* $$d, the value as Decimal128 rounded to the column's scale, if that changed nothing; else null. */
static void
write_if_unchanged(StringInfo out, const char *key, const char *reference)
{
	Call outer = begin_call(out, key, "$cond");
	Call inner;
	Call equal;

	write_references(out, next(&outer), "$eq", "$$d", reference);
	mtf_write_word(out, next(&outer), "$$d");
	inner = begin_call(out, next(&outer), "$cond");
	write_type_in(out, next(&inner), reference, doubles);
	{
		/* A double's text has at most 15 digits here: they give it back. */
		Call same = begin_call(out, next(&inner), "$cond");

		equal = begin_call(out, next(&same), "$eq");
		write_unary(out, next(&equal), "$toDouble", "$$d");
		mtf_write_word(out, next(&equal), reference);
		end_call(out, &equal);
		mtf_write_word(out, next(&same), "$$d");
		mtf_write_null(out, next(&same));
		end_call(out, &same);
	}
	mtf_write_null(out, next(&inner));
	end_call(out, &inner);
	end_call(out, &outer);
}

/* The same as write_known_numeric() and write_canonical() together, for half of the work. */
static void
write_numeric(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	int whole_digits = numeric_precision(field->typmod) - numeric_scale(field->typmod);
	MtfLiteral limit = mtf_literal_decimal(psprintf("1E+%d", whole_digits));
	Call outer = begin_call(out, key, "$cond");
	Call inner;
	Call small;
	MtfMark document;
	MtfMark let;
	MtfMark vars;

	write_type_in(out, next(&outer), reference, numbers);
	inner = begin_call(out, next(&outer), "$cond");
	small = begin_call(out, next(&inner), "$lt");
	write_unary(out, next(&small), "$abs", reference);
	mtf_write_literal(out, next(&small), &limit);
	end_call(out, &small);
	document = mtf_write_begin(out, next(&inner));
	let = mtf_write_begin(out, "$let");
	vars = mtf_write_begin(out, "vars");
	write_rounded_decimal(field, out, "d", reference);
	mtf_write_end(out, vars);
	write_if_unchanged(out, "in", reference);
	mtf_write_end(out, let);
	mtf_write_end(out, document);
	mtf_write_null(out, next(&inner));
	end_call(out, &inner);
	mtf_write_null(out, next(&outer));
	end_call(out, &outer);
}

void
mtf_value_write_field(const MtfExprContext *context, const MtfField *field, StringInfo out,
					  const char *key)
{
	char *reference = reference_of(context, field);
	Call cond;

	if (is_canonical(context, field))
	{
		mtf_write_word(out, key, reference);
		return;
	}
	/* All that can be wrong is that it is missing. */
	if (is_trusted(field))
	{
		cond = begin_call(out, key, "$ifNull");
		write_canonical(field, out, next(&cond), reference);
		mtf_write_null(out, next(&cond));
		end_call(out, &cond);
		return;
	}
	if (field->kind == MTF_KIND_NUMERIC)
	{
		write_numeric(field, out, key, reference);
		return;
	}
	cond = begin_call(out, key, "$cond");
	write_known(field, out, next(&cond), reference);
	write_canonical(field, out, next(&cond), reference);
	mtf_write_null(out, next(&cond));
	end_call(out, &cond);
}

/* --- comparisons of $$v with a value ------------------------------------------------------------- */

#define V "$$v"

static bool
has_nan(const MtfField *field)
{
	return field->kind == MTF_KIND_FLOAT8 || field->kind == MTF_KIND_NUMERIC;
}

static void
write_is_nan(StringInfo out, const char *key)
{
	write_is_nan_of(out, key, V);
}

void
mtf_value_write_rank(const MtfExprContext *context, const MtfField *field, int rank_of_null,
					 int rank_of_nan, int rank_of_others, StringInfo out, const char *key)
{
	char *reference = reference_of(context, field);
	Call cond = begin_call(out, key, "$cond");
	Call nan;

	write_known(field, out, next(&cond), reference);
	if (has_nan(field))
	{
		nan = begin_call(out, next(&cond), "$cond");
		write_is_nan_of(out, next(&nan), reference);
		mtf_write_int(out, next(&nan), rank_of_nan);
		mtf_write_int(out, next(&nan), rank_of_others);
		end_call(out, &nan);
	}
	else
		mtf_write_int(out, next(&cond), rank_of_others);
	mtf_write_int(out, next(&cond), rank_of_null);
	end_call(out, &cond);
}

static void
write_not_nan(StringInfo out, const char *key)
{
	Call not = begin_call(out, key, "$not");

	write_is_nan(out, next(&not ));
	end_call(out, &not );
}

/* NaN is PostgreSQL's highest number and equal to itself. */
static void
write_compare_nan(MtfOp op, StringInfo out, const char *key)
{
	switch (op)
	{
		case MTF_OP_EQ:
		case MTF_OP_GE: write_is_nan(out, key); break;
		case MTF_OP_NE:
		case MTF_OP_LT: write_not_nan(out, key); break;
		default: mtf_write_bool(out, key, op == MTF_OP_LE); break;
	}
}

/* A comparison by the server's order of numbers, which has NaN lowest. */
static void
write_compare_number(const MtfField *field, MtfOp op, const MtfLiteral *literal, StringInfo out,
					 const char *key)
{
	bool greater = op == MTF_OP_GT || op == MTF_OP_GE;
	bool less = op == MTF_OP_LT || op == MTF_OP_LE;
	Call call;

	if (!has_nan(field) || !(greater || less))
	{
		write_comparison(out, key, mtf_op_word(op), V, literal);
		return;
	}
	call = begin_call(out, key, greater ? "$or" : "$and");
	if (greater)
		write_is_nan(out, next(&call));
	else
		write_not_nan(out, next(&call));
	write_comparison(out, next(&call), mtf_op_word(op), V, literal);
	end_call(out, &call);
}

static void
write_compare_numeric(const MtfField *field, MtfOp op, const MtfValue *value, StringInfo out,
					  const char *key)
{
	MtfDecimalBound bound = mtf_value_as_decimal(value);

	if (bound.is_nan)
		write_compare_nan(op, out, key);
	else if (bound.exact)
		write_compare_number(field, op, &bound.literal, out, key);
	/* The constant has more digits than any Decimal128: nothing is equal, its neighbour decides. */
	else if (op == MTF_OP_EQ || op == MTF_OP_NE)
		mtf_write_bool(out, key, op == MTF_OP_NE);
	else if (op == MTF_OP_GT || op == MTF_OP_GE)
		write_compare_number(field, bound.below ? MTF_OP_GT : MTF_OP_GE, &bound.literal, out, key);
	else
		write_compare_number(field, bound.below ? MTF_OP_LE : MTF_OP_LT, &bound.literal, out, key);
}

/* Dates are compared as instants, of a date column too: its day is a range of them. */
static void
write_compare_date(const MtfField *field, MtfOp op, const MtfValue *value, StringInfo out,
				   const char *key)
{
	MtfInstant instant = mtf_value_as_instant(value, field->kind == MTF_KIND_TIMESTAMPTZ);
	MtfMoment moment;
	MtfLiteral first;
	MtfLiteral behind;
	Call call;

	if (instant.kind != MTF_INSTANT_FINITE)
	{
		bool below = instant.kind == MTF_INSTANT_AFTER_ALL;

		mtf_write_bool(out, key,
					   op == MTF_OP_NE || (below && (op == MTF_OP_LT || op == MTF_OP_LE)) ||
						   (!below && (op == MTF_OP_GT || op == MTF_OP_GE)));
		return;
	}
	moment = mtf_moment_of(field, &instant);
	first = mtf_literal_date(moment.first);
	behind = mtf_literal_date(moment.behind);
	switch (op)
	{
		case MTF_OP_LT: write_comparison(out, key, "$lt", V, &first); return;
		case MTF_OP_LE: write_comparison(out, key, "$lt", V, &behind); return;
		case MTF_OP_GT: write_comparison(out, key, "$gte", V, &behind); return;
		case MTF_OP_GE: write_comparison(out, key, "$gte", V, &first); return;
		default: break;
	}
	if (!moment.exists)
	{
		mtf_write_bool(out, key, op == MTF_OP_NE);
		return;
	}
	call = begin_call(out, key, op == MTF_OP_NE ? "$or" : "$and");
	write_comparison(out, next(&call), op == MTF_OP_NE ? "$lt" : "$gte", V, &first);
	write_comparison(out, next(&call), op == MTF_OP_NE ? "$gte" : "$lt", V, &behind);
	end_call(out, &call);
}

/* $$v, not null, with a value that is known and not NULL. */
static void
write_compare(const MtfField *field, MtfOp op, const MtfValue *value, StringInfo out,
			  const char *key)
{
	MtfLiteral literal;

	if (mtf_is_date_kind(field))
		write_compare_date(field, op, value, out, key);
	else if (field->kind == MTF_KIND_NUMERIC)
		write_compare_numeric(field, op, value, out, key);
	else if (field->kind == MTF_KIND_FLOAT8 && isnan(mtf_value_as_double(value)))
		write_compare_nan(op, out, key);
	/* No text of the database is equal to bytes that are no text. */
	else if (!mtf_literal_of(value, &literal))
		mtf_write_bool(out, key, op == MTF_OP_NE);
	else
		write_compare_number(field, op, &literal, out, key);
}

/* --- conditions ------------------------------------------------------------------------------------ */

/* {$let: {vars: {v: the field's value}, in: {$and: [{$gt: [$$v, null]}, …]}}}, to be ended. */
typedef struct Bound
{
	MtfMark document;
	MtfMark let;
	Call all;
} Bound;

static Bound
begin_bound(const MtfExprContext *context, const MtfField *field, StringInfo out, const char *key)
{
	Bound bound;
	MtfMark vars;

	bound.document = mtf_write_begin(out, key);
	bound.let = mtf_write_begin(out, "$let");
	vars = mtf_write_begin(out, "vars");
	mtf_value_write_field(context, field, out, "v");
	mtf_write_end(out, vars);
	bound.all = begin_call(out, "in", "$and");
	write_not_null(out, next(&bound.all), V);
	return bound;
}

static void
end_bound(StringInfo out, Bound *bound)
{
	end_call(out, &bound->all);
	mtf_write_end(out, bound->let);
	mtf_write_end(out, bound->document);
}

/* {$not: [known]} */
static void
write_unknown_field(const MtfExprContext *context, const MtfField *field, StringInfo out,
					const char *key)
{
	Call not = begin_call(out, key, "$not");

	mtf_value_write_known(context, field, out, next(&not ));
	end_call(out, &not );
}

static void
write_field_comparison(const MtfExprContext *context, const MtfField *field, MtfOp op,
					   const MtfValue *value, StringInfo out, const char *key)
{
	bool distinct = op == MTF_OP_DISTINCT;
	Call not = {0};
	Bound bound;

	if (value->isnull)
	{
		if (op == MTF_OP_DISTINCT)
			mtf_value_write_known(context, field, out, key);
		else if (op == MTF_OP_NOT_DISTINCT)
			write_unknown_field(context, field, out, key);
		else
			mtf_write_bool(out, key, false);
		return;
	}
	/* IS DISTINCT FROM a value is the whole opposite of being equal to it. */
	if (distinct)
	{
		not = begin_call(out, key, "$not");
		key = next(&not );
	}
	if (op == MTF_OP_DISTINCT || op == MTF_OP_NOT_DISTINCT)
		op = MTF_OP_EQ;
	bound = begin_bound(context, field, out, key);
	write_compare(field, op, value, out, next(&bound.all));
	end_bound(out, &bound);
	if (distinct)
		end_call(out, &not );
}

/* {$in: [$$v, {$literal: […]}]}, or not in; false (nothing written) when values are no plain literals. */
static bool
write_membership(const MtfField *field, const MtfValueList *list, bool in, StringInfo out,
				 const char *key)
{
	MtfMark start = out->len;
	Call not = {0};
	MtfMark quoted;
	MtfMark items;
	Call call;

	if (!mtf_is_integer_kind(field) && field->kind != MTF_KIND_TEXT)
		return false;
	if (!in)
	{
		not = begin_call(out, key, "$not");
		key = next(&not );
	}
	call = begin_call(out, key, "$in");
	mtf_write_word(out, next(&call), V);
	quoted = mtf_write_begin(out, next(&call));
	items = mtf_write_begin_array(out, "$literal");
	for (int i = 0; i < list->n; i++)
	{
		MtfLiteral literal;

		if (!mtf_literal_of(&list->values[i], &literal))
		{
			mtf_write_take_back(out, start);
			return false;
		}
		mtf_write_literal(out, mtf_array_key(i), &literal);
	}
	mtf_write_end(out, items);
	mtf_write_end(out, quoted);
	end_call(out, &call);
	if (!in)
		end_call(out, &not );
	return true;
}

static void
write_list_comparison(const MtfExprContext *context, const MtfTerm *term, const MtfValue *value,
					  StringInfo out, const char *key)
{
	bool any = term->kind == MTF_TERM_ANY;
	MtfValueList list;
	Bound bound;
	Call each;

	if (value->isnull)
	{
		mtf_write_bool(out, key, false);
		return;
	}
	list = mtf_expand_list(value);
	if (list.n == 0 || (!any && list.has_null))
	{
		mtf_write_bool(out, key, !any && !list.has_null);
		return;
	}
	bound = begin_bound(context, term->field, out, key);
	if (term->op == (any ? MTF_OP_EQ : MTF_OP_NE) &&
		write_membership(term->field, &list, any, out, next(&bound.all)))
	{
		end_bound(out, &bound);
		return;
	}
	bound.all.n = 1;
	each = begin_call(out, next(&bound.all), any ? "$or" : "$and");
	for (int i = 0; i < list.n; i++)
		write_compare(term->field, term->op, &list.values[i], out, next(&each));
	end_call(out, &each);
	end_bound(out, &bound);
}

static void
write_truth(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	bool negative = term->op == MTF_OP_IS_NOT_TRUE || term->op == MTF_OP_IS_NOT_FALSE;
	MtfLiteral literal =
		mtf_literal_bool(term->op == MTF_OP_IS_TRUE || term->op == MTF_OP_IS_NOT_TRUE);
	Call call = begin_call(out, key, negative ? "$ne" : "$eq");

	mtf_value_write_field(context, term->field, out, next(&call));
	mtf_write_literal(out, next(&call), &literal);
	end_call(out, &call);
}

static void
write_group(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	Call call = begin_call(out, key, term->kind == MTF_TERM_OR ? "$or" : "$and");
	ListCell *cell;

	foreach (cell, term->args)
		mtf_value_write_condition(context, lfirst(cell), out, next(&call));
	end_call(out, &call);
}

/* The value matches the pattern, which is sound (classify.c). */
static void
write_like(const MtfExprContext *context, const MtfTerm *term, const MtfValue *value,
		   StringInfo out, const char *key)
{
	MtfLiteral literal;
	Bound bound;
	Call not = {0};
	Call guard = {0};
	MtfMark call;
	MtfMark match;
	char *regex;
	bool whole;

	if (value->isnull || !mtf_literal_of(value, &literal) ||
		(regex = mtf_pattern_to_regex(literal.data, literal.len, false, &whole)) == NULL)
	{
		mtf_write_bool(out, key, false);
		return;
	}
	if (!whole)
		elog(ERROR, "the beginning of a pattern is not exact");
	bound = begin_bound(context, term->field, out, key);
	key = next(&bound.all);
	if (term->op == MTF_OP_NE)
	{
		not = begin_call(out, key, "$not");
		key = next(&not );
	}
	/* $regexMatch fails on what is no string, whatever was promised. */
	if (term->field->trust)
	{
		guard = begin_call(out, key, "$cond");
		write_type_in(out, next(&guard), V, strings);
		key = next(&guard);
	}
	call = mtf_write_begin(out, key);
	match = mtf_write_begin(out, "$regexMatch");
	mtf_write_word(out, "input", V);
	mtf_write_regex(out, "regex", regex, "s");
	mtf_write_end(out, match);
	mtf_write_end(out, call);
	if (term->field->trust)
	{
		mtf_write_bool(out, next(&guard), false);
		end_call(out, &guard);
	}
	if (term->op == MTF_OP_NE)
		end_call(out, &not );
	end_bound(out, &bound);
}

/* {$let: {vars: {v: …, w: …}, in: {$and: [both not null, comparison]}}} */
static void
write_fields_comparison(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
						const char *key)
{
	const MtfTerm *left = linitial(term->args);
	const MtfTerm *right = lsecond(term->args);
	MtfMark document = mtf_write_begin(out, key);
	MtfMark let = mtf_write_begin(out, "$let");
	MtfMark vars = mtf_write_begin(out, "vars");
	Call all;
	Call compare;

	mtf_value_write_field(context, left->field, out, "v");
	mtf_value_write_field(context, right->field, out, "w");
	mtf_write_end(out, vars);
	all = begin_call(out, "in", "$and");
	write_not_null(out, next(&all), V);
	write_not_null(out, next(&all), "$$w");
	compare = begin_call(out, next(&all), mtf_op_word(term->op));
	mtf_write_word(out, next(&compare), V);
	mtf_write_word(out, next(&compare), "$$w");
	end_call(out, &compare);
	end_call(out, &all);
	mtf_write_end(out, let);
	mtf_write_end(out, document);
}

/* EXPLAIN shows a value that is not known yet as "$n". */
static void
write_unknown_value(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
					const char *key)
{
	Call call = begin_call(out, key, mtf_op_word(term->op));

	if (term->field != NULL)
		mtf_write_word(out, next(&call), reference_of(context, term->field));
	mtf_write_word(out, next(&call), psprintf("$%d", term->value + 1));
	end_call(out, &call);
}

static const MtfValue *
value_of(const MtfExprContext *context, const MtfTerm *term)
{
	return term->value >= 0 && term->value < context->nvalues ? &context->values[term->value]
															  : NULL;
}

void
mtf_value_write_condition(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
						  const char *key)
{
	const MtfValue *value = value_of(context, term);

	if (value != NULL && !value->is_known)
	{
		write_unknown_value(context, term, out, key);
		return;
	}
	switch ((MtfTermKind) term->kind)
	{
		case MTF_TERM_TRUE: mtf_write_bool(out, key, true); break;
		case MTF_TERM_FALSE: mtf_write_bool(out, key, false); break;
		case MTF_TERM_AND:
		case MTF_TERM_OR: write_group(context, term, out, key); break;
		case MTF_TERM_COMPARE:
			write_field_comparison(context, term->field, term->op, value, out, key);
			break;
		case MTF_TERM_ANY:
		case MTF_TERM_ALL: write_list_comparison(context, term, value, out, key); break;
		case MTF_TERM_LIKE: write_like(context, term, value, out, key); break;
		case MTF_TERM_COMPARE_FIELDS: write_fields_comparison(context, term, out, key); break;
		case MTF_TERM_NULL: write_unknown_field(context, term->field, out, key); break;
		case MTF_TERM_NOT_NULL: mtf_value_write_known(context, term->field, out, key); break;
		case MTF_TERM_TRUTH:
			if (term->field != NULL)
				write_truth(context, term, out, key);
			else
				mtf_write_bool(out, key,
							   !value->isnull &&
								   DatumGetBool(value->datum) == (term->op == MTF_OP_IS_TRUE));
			break;
		/* classify.c calls nothing else exact. */
		default: mtf_write_bool(out, key, false); break;
	}
}

/* --- values ---------------------------------------------------------------------------------------- */

/* Is the value of a term a Decimal128 (or null) as it is written? */
bool
mtf_value_is_decimal(const MtfExprContext *context, const MtfTerm *term)
{
	const MtfValue *value = value_of(context, term);
	MtfLiteral literal;

	switch ((MtfTermKind) term->kind)
	{
		case MTF_TERM_FIELD: return term->field->kind == MTF_KIND_NUMERIC && !term->field->trust;
		case MTF_TERM_VALUE:
			return value != NULL && value->is_known && !value->isnull &&
				   mtf_literal_of(value, &literal) && literal.type == MTF_LITERAL_DECIMAL;
		case MTF_TERM_CALL: return term->function != MTF_FUNCTION_CASE;
		default: return false;
	}
}

/* A number as Decimal128: whole numbers would be added and multiplied with overflow. */
static void
write_decimal(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	MtfMark decimal;

	if (mtf_value_is_decimal(context, term))
	{
		mtf_value_write(context, term, out, key);
		return;
	}
	decimal = mtf_write_begin(out, key);
	mtf_value_write(context, term, out, "$toDecimal");
	mtf_write_end(out, decimal);
}

static void
write_arithmetic(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
				 const char *key)
{
	Call call = begin_call(out, key,
						   term->function == MTF_FUNCTION_ADD        ? "$add"
						   : term->function == MTF_FUNCTION_SUBTRACT ? "$subtract"
																	 : "$multiply");
	ListCell *cell;

	foreach (cell, term->args)
		write_decimal(context, lfirst(cell), out, next(&call));
	end_call(out, &call);
}

/* CASE from its argument `i` on. */
static void
write_case(const MtfExprContext *context, const MtfTerm *term, int i, StringInfo out,
		   const char *key)
{
	Call cond;

	if (i >= list_length(term->args))
	{
		mtf_write_null(out, key);
		return;
	}
	if (i == list_length(term->args) - 1)
	{
		mtf_value_write(context, list_nth(term->args, i), out, key);
		return;
	}
	cond = begin_call(out, key, "$cond");
	mtf_value_write_condition(context, list_nth(term->args, i), out, next(&cond));
	mtf_value_write(context, list_nth(term->args, i + 1), out, next(&cond));
	write_case(context, term, i + 2, out, next(&cond));
	end_call(out, &cond);
}

static void
write_value(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	const MtfValue *value = value_of(context, term);
	MtfLiteral literal;

	if (value == NULL || value->isnull)
		mtf_write_null(out, key);
	else if (!value->is_known)
		mtf_write_word(out, key, psprintf("$%d", term->value + 1));
	else if (mtf_literal_of(value, &literal))
		write_quoted(out, key, &literal);
	else
		mtf_write_null(out, key);
}

void
mtf_value_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	switch ((MtfTermKind) term->kind)
	{
		case MTF_TERM_FIELD: mtf_value_write_field(context, term->field, out, key); break;
		case MTF_TERM_VALUE: write_value(context, term, out, key); break;
		case MTF_TERM_CALL:
			if (term->function == MTF_FUNCTION_CASE)
				write_case(context, term, 0, out, key);
			else
				write_arithmetic(context, term, out, key);
			break;
		default: mtf_write_null(out, key); break;
	}
}

void
mtf_value_write_summand(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
						const char *key)
{
	if (term->kind == MTF_TERM_FIELD && term->field->trust && !is_canonical(context, term->field))
		write_canonical(term->field, out, key, reference_of(context, term->field));
	else
		mtf_value_write(context, term, out, key);
}

void
mtf_value_write_present(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
						const char *key)
{
	const MtfValue *value = value_of(context, term);
	Call call;

	if (term->kind == MTF_TERM_FIELD)
	{
		mtf_value_write_known(context, term->field, out, key);
		return;
	}
	if (value != NULL && value->is_known)
	{
		mtf_write_bool(out, key, !value->isnull);
		return;
	}
	/* Arithmetic is null if and only if an operand is. */
	if (term->kind == MTF_TERM_CALL && term->function != MTF_FUNCTION_CASE)
	{
		ListCell *cell;

		call = begin_call(out, key, "$and");
		foreach (cell, term->args)
			mtf_value_write_present(context, lfirst(cell), out, next(&call));
		end_call(out, &call);
		return;
	}
	call = begin_call(out, key, "$gt");
	mtf_value_write(context, term, out, next(&call));
	mtf_write_null(out, next(&call));
	end_call(out, &call);
}

/*
 * The path's own value may be absent; on the way anything but an array leads to it or to NULL
 * (decode.c).  Most often there is a value, and the first comparison says so.
 */
void
mtf_value_write_absent(const MtfExprContext *context, const MtfField *field, StringInfo out,
					   const char *key)
{
	static const char *const absent[] = {"missing", "null", "undefined", NULL};
	char *reference = reference_of(context, field);
	size_t start = strlen(reference) - strlen(field->path);
	Call cond = begin_call(out, key, "$cond");
	Call all;

	write_not_null(out, next(&cond), reference);
	mtf_write_bool(out, next(&cond), false);
	all = begin_call(out, next(&cond), "$and");
	for (char *dot = strchr(reference + start, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
	{
		Call no_array = begin_call(out, next(&all), "$ne");

		write_unary(out, next(&no_array), "$type", pnstrdup(reference, dot - reference));
		mtf_write_word(out, next(&no_array), "array");
		end_call(out, &no_array);
	}
	write_type_in(out, next(&all), reference, absent);
	end_call(out, &all);
	end_call(out, &cond);
}

/* Through an array on the way no path leads to a value that decodes: an array comes of it. */
void
mtf_value_write_fits(const MtfExprContext *context, const MtfField *field, StringInfo out,
					 const char *key)
{
	Call either = begin_call(out, key, "$or");

	mtf_value_write_known(context, field, out, next(&either));
	if (is_canonical(context, field))
		mtf_write_word(out, next(&either),
					   psprintf("$n%d", mtf_canonical_find(context->canonical, field)));
	else
		mtf_value_write_absent(context, field, out, next(&either));
	end_call(out, &either);
}
