/*
 * field_value.c
 *	  A field's value in aggregation expressions: what decodes, and in which BSON type.
 *
 * Expressions see BSON values of any type, arrays and missing fields, without type bracketing.  So a
 * field is never used bare: it stands behind a test of what decodes (rows/value.h has the rules),
 * becomes null otherwise, and is brought to one BSON type.
 *
 * What must not happen here: an expression that can fail on any document (the server may evaluate it
 * on another tenant's).
 */
#include "pipeline/field_value.h"

#include "datatype/timestamp.h"

#include "pipeline/call.h"
#include "pipeline/canonical.h"
#include "pipeline/field_float.h"
#include "pipeline/operand.h"

bool
mtf_field_is_canonical(const MtfExprContext *context, const MtfField *field)
{
	return context->canonical != NULL && mtf_canonical_find(context->canonical, field) >= 0;
}

static char *
reference_in_document(const MtfExprContext *context, const MtfField *field)
{
	if (context->aliases == NULL)
		return psprintf("$%s", field->path);
	return psprintf("$%s.%s", context->aliases[field->rel], field->path);
}

char *
mtf_field_reference(const MtfExprContext *context, const MtfField *field)
{
	if (mtf_field_is_canonical(context, field))
		return psprintf("$%s", mtf_canonical_name(context->canonical, field));
	return reference_in_document(context, field);
}

/* --- what decodes -------------------------------------------------------------------------------- */

static const char *const numbers[] = {"int", "long", "double", "decimal", NULL};
static const char *const doubles[] = {"double", NULL};
static const char *const binary_numbers[] = {"int", "long", "double", NULL};
static const char *const strings[] = {"string", NULL};
static const char *const ids[] = {"objectId", NULL};
static const char *const dates[] = {"date", NULL};
static const char *const booleans[] = {"bool", NULL};

/* The BSON types all values of which the integer type holds, and the other numbers. */
static const char *const *
whole_types(const MtfField *field)
{
	static const char *const none[] = {NULL};
	static const char *const ints[] = {"int", NULL};
	static const char *const longs[] = {"int", "long", NULL};

	return field->kind == MTF_KIND_INT2 ? none : field->kind == MTF_KIND_INT4 ? ints : longs;
}

static const char *const *
doubtful_types(const MtfField *field)
{
	static const char *const others[] = {"long", "double", "decimal", NULL};
	static const char *const fractions[] = {"double", "decimal", NULL};

	return field->kind == MTF_KIND_INT2   ? numbers
		   : field->kind == MTF_KIND_INT4 ? others
										  : fractions;
}

/*
 * A number not below the type's least.  One engine takes the double -2^63 for less than the int64 of the
 * same value, so that the two are compared as doubles as well.
 */
static void
write_not_below(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfLiteral least = mtf_literal_int64(field->kind == MTF_KIND_INT2   ? PG_INT16_MIN
										 : field->kind == MTF_KIND_INT4 ? PG_INT32_MIN
																		: PG_INT64_MIN);
	MtfLiteral as_double = mtf_literal_double((double) PG_INT64_MIN);
	MtfCall either;

	if (field->kind != MTF_KIND_INT8)
	{
		mtf_call_write_pair(out, key, "$gte", reference, &least);
		return;
	}
	either = mtf_call_begin(out, key, "$or");
	mtf_call_write_pair(out, mtf_call_next(&either), "$gte", reference, &least);
	mtf_call_write_pair(out, mtf_call_next(&either), "$eq", reference, &as_double);
	mtf_call_end(out, &either);
}

/*
 * A number in the type's range without a fraction.  Not by $trunc, nor by $round: one engine's give 15
 * digits of a double.
 */
static void
write_whole_in_range(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfLiteral greatest = mtf_literal_int64(field->kind == MTF_KIND_INT2   ? PG_INT16_MAX
											: field->kind == MTF_KIND_INT4 ? PG_INT32_MAX
																		   : PG_INT64_MAX);
	MtfCall all = mtf_call_begin(out, key, "$and");
	MtfCall whole;

	write_not_below(field, out, mtf_call_next(&all), reference);
	mtf_call_write_pair(out, mtf_call_next(&all), "$lte", reference, &greatest);
	whole = mtf_call_begin(out, mtf_call_next(&all), "$eq");
	mtf_write_word(out, mtf_call_next(&whole), reference);
	mtf_call_write_unary(out, mtf_call_next(&whole), "$floor", reference);
	mtf_call_end(out, &whole);
	mtf_call_end(out, &all);
}

/* Whole numbers in the type's range, of any BSON type; most are of one that needs no further test. */
static void
write_known_integer(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	const char *const *whole = whole_types(field);
	MtfCall outer = {0};
	MtfCall cond;

	if (whole[0] != NULL)
	{
		outer = mtf_call_begin(out, key, "$or");
		mtf_call_write_type_in(out, mtf_call_next(&outer), reference, whole);
		key = mtf_call_next(&outer);
	}
	cond = mtf_call_begin(out, key, "$cond");
	mtf_call_write_type_in(out, mtf_call_next(&cond), reference, doubtful_types(field));
	write_whole_in_range(field, out, mtf_call_next(&cond), reference);
	mtf_write_bool(out, mtf_call_next(&cond), false);
	mtf_call_end(out, &cond);
	if (whole[0] != NULL)
		mtf_call_end(out, &outer);
}

static int
numeric_precision(int32 typmod)
{
	return ((typmod - VARHDRSZ) >> 16) & 0xffff;
}

/* Bits above the scale are zero: only scales from 0 on reach us (lowering.c). */
static int
numeric_scale(int32 typmod)
{
	return (typmod - VARHDRSZ) & 0x7ff;
}

/* {$round: [{$toDecimal: reference}, scale]}: a double of up to 15 digits gives them back. */
static void
write_rounded_decimal(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfCall call = mtf_call_begin(out, key, "$round");

	mtf_call_write_unary(out, mtf_call_next(&call), "$toDecimal", reference);
	mtf_write_int(out, mtf_call_next(&call), numeric_scale(field->typmod));
	mtf_call_end(out, &call);
}

/* {$lt: [{$abs: reference}, limit]} of a Decimal128; of NaN, the lowest number, it is true */
static void
write_is_small(StringInfo out, const char *key, const char *reference, const MtfLiteral *limit)
{
	MtfCall small = mtf_call_begin(out, key, "$lt");

	mtf_call_write_unary(out, mtf_call_next(&small), "$abs", reference);
	mtf_write_literal(out, mtf_call_next(&small), limit);
	mtf_call_end(out, &small);
}

/*
 * A number of no more digits before the point than numeric(p,s) has, or NaN.  Not by $abs, which fails on
 * the least int64.
 */
static void
write_few_digits(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	int digits = numeric_precision(field->typmod) - numeric_scale(field->typmod);
	MtfLiteral high = mtf_literal_decimal(psprintf("1E+%d", digits));
	MtfLiteral low = mtf_literal_decimal(psprintf("-1E+%d", digits));
	MtfCall both = mtf_call_begin(out, key, "$and");
	MtfCall either;

	mtf_call_write_pair(out, mtf_call_next(&both), "$lt", reference, &high);
	either = mtf_call_begin(out, mtf_call_next(&both), "$or");
	mtf_call_write_pair(out, mtf_call_next(&either), "$gt", reference, &low);
	mtf_call_write_is_nan(out, mtf_call_next(&either), reference);
	mtf_call_end(out, &either);
	mtf_call_end(out, &both);
}

/* numeric(p,s): numbers that fit without rounding.  A double's text has at most 15 digits. */
static void
write_known_numeric(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfCall outer = mtf_call_begin(out, key, "$cond");
	MtfCall nan;
	MtfCall inner;
	MtfCall equal;
	MtfCall choice;

	mtf_call_write_type_in(out, mtf_call_next(&outer), reference, numbers);
	/* NaN fits any precision; not every server can round it. */
	nan = mtf_call_begin(out, mtf_call_next(&outer), "$cond");
	mtf_call_write_is_nan(out, mtf_call_next(&nan), reference);
	mtf_write_bool(out, mtf_call_next(&nan), true);
	inner = mtf_call_begin(out, mtf_call_next(&nan), "$cond");
	write_few_digits(field, out, mtf_call_next(&inner), reference);
	choice = mtf_call_begin(out, mtf_call_next(&inner), "$cond");
	mtf_call_write_type_in(out, mtf_call_next(&choice), reference, doubles);
	equal = mtf_call_begin(out, mtf_call_next(&choice), "$eq");
	{
		MtfMark back = mtf_write_begin(out, mtf_call_next(&equal));

		write_rounded_decimal(field, out, "$toDouble", reference);
		mtf_write_end(out, back);
	}
	mtf_write_word(out, mtf_call_next(&equal), reference);
	mtf_call_end(out, &equal);
	equal = mtf_call_begin(out, mtf_call_next(&choice), "$eq");
	write_rounded_decimal(field, out, mtf_call_next(&equal), reference);
	mtf_write_word(out, mtf_call_next(&equal), reference);
	mtf_call_end(out, &equal);
	mtf_call_end(out, &choice);
	mtf_write_bool(out, mtf_call_next(&inner), false);
	mtf_call_end(out, &inner);
	mtf_call_end(out, &nan);
	mtf_write_bool(out, mtf_call_next(&outer), false);
	mtf_call_end(out, &outer);
}

/* {$lt: [{$indexOfBytes: [reference, "\0"]}, 0]}: PostgreSQL has no text with a NUL. */
static void
write_no_nul(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral nul = {.type = MTF_LITERAL_STRING, .data = "\0", .len = 1};
	MtfLiteral zero = mtf_literal_int64(0);
	MtfCall less = mtf_call_begin(out, key, "$lt");

	mtf_call_write_pair(out, mtf_call_next(&less), "$indexOfBytes", reference, &nul);
	mtf_write_literal(out, mtf_call_next(&less), &zero);
	mtf_call_end(out, &less);
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
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall all;

	mtf_call_write_type_in(out, mtf_call_next(&cond), reference, strings);
	all = mtf_call_begin(out, mtf_call_next(&cond), "$and");
	write_no_nul(out, mtf_call_next(&all), reference);
	if (character_limit(field) >= 0)
	{
		MtfLiteral limit = mtf_literal_int64(character_limit(field));
		MtfCall short_enough = mtf_call_begin(out, mtf_call_next(&all), "$lte");

		mtf_call_write_unary(out, mtf_call_next(&short_enough), "$strLenCP", reference);
		mtf_write_literal(out, mtf_call_next(&short_enough), &limit);
		mtf_call_end(out, &short_enough);
	}
	mtf_call_end(out, &all);
	if (field->any_id && (character_limit(field) < 0 || character_limit(field) >= 24))
		mtf_call_write_type_in(out, mtf_call_next(&cond), reference, ids);
	else
		mtf_write_bool(out, mtf_call_next(&cond), false);
	mtf_call_end(out, &cond);
}

/* The first and the last millisecond of the PostgreSQL type. */
static void
date_range(const MtfField *field, MtfLiteral *low, MtfLiteral *high)
{
	const int64 epoch_days = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
	const int64 day = INT64CONST(86400000);
	bool is_date = field->kind == MTF_KIND_DATE;
	int64 first_day = is_date ? DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE : 0;
	int64 end_day = is_date ? DATE_END_JULIAN - POSTGRES_EPOCH_JDATE : 0;

	*low = mtf_literal_int64(is_date ? (first_day + epoch_days) * day
									 : MIN_TIMESTAMP / 1000 + epoch_days * day);
	*high = mtf_literal_int64(is_date ? (end_day + epoch_days) * day - 1
									  : END_TIMESTAMP / 1000 + epoch_days * day - 1);
}

/* A date between the two years, most often, or else one inside the type's range as a number. */
static void
write_in_date_range(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfLiteral years[2] = {mtf_literal_date(MTF_FIRST_COMMON_MS),
						   mtf_literal_date(MTF_LAST_COMMON_MS)};
	MtfLiteral ends[2];
	MtfCall either = mtf_call_begin(out, key, "$or");
	MtfCall both = mtf_call_begin(out, mtf_call_next(&either), "$and");

	mtf_call_write_pair(out, mtf_call_next(&both), "$gte", reference, &years[0]);
	mtf_call_write_pair(out, mtf_call_next(&both), "$lte", reference, &years[1]);
	mtf_call_end(out, &both);
	date_range(field, &ends[0], &ends[1]);
	both = mtf_call_begin(out, mtf_call_next(&either), "$and");
	for (int i = 0; i < 2; i++)
	{
		MtfCall compare = mtf_call_begin(out, mtf_call_next(&both), i == 0 ? "$gte" : "$lte");

		mtf_call_write_unary(out, mtf_call_next(&compare), "$toLong", reference);
		mtf_write_literal(out, mtf_call_next(&compare), &ends[i]);
		mtf_call_end(out, &compare);
	}
	mtf_call_end(out, &both);
	mtf_call_end(out, &either);
}

/*
 * Dates inside the range of the PostgreSQL type; its ends are compared as numbers of milliseconds: one
 * engine cannot even read a pipeline with dates outside the years 1 to 9999 in it (m).
 */
void
mtf_field_write_known_date(const MtfField *field, StringInfo out, const char *key,
						   const char *reference)
{
	MtfCall cond = mtf_call_begin(out, key, "$cond");

	mtf_call_write_type_in(out, mtf_call_next(&cond), reference, dates);
	write_in_date_range(field, out, mtf_call_next(&cond), reference);
	mtf_write_bool(out, mtf_call_next(&cond), false);
	mtf_call_end(out, &cond);
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
	if (field->loose)
	{
		mtf_call_write_type_in(out, key, reference, numbers);
		return;
	}
	if (is_trusted(field))
	{
		mtf_call_write_not_null(out, key, reference);
		return;
	}
	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_BOOL: mtf_call_write_type_in(out, key, reference, booleans); break;
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8: write_known_integer(field, out, key, reference); break;
		case MTF_KIND_FLOAT4: mtf_float4_write_known(out, key, reference); break;
		case MTF_KIND_FLOAT8: mtf_double_write_known(out, key, reference); break;
		case MTF_KIND_NUMERIC: write_known_numeric(field, out, key, reference); break;
		case MTF_KIND_TEXT: write_known_string(field, out, key, reference); break;
		case MTF_KIND_OBJECTID: mtf_call_write_type_in(out, key, reference, ids); break;
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: mtf_field_write_known_date(field, out, key, reference); break;
		/* Never exact without the owner's promise (lowering.c). */
		default: mtf_call_write_not_null(out, key, reference); break;
	}
}

void
mtf_field_write_known(const MtfExprContext *context, const MtfField *field, StringInfo out,
					  const char *key)
{
	/* Numbers whose exact value is not known are known, too. */
	if (field->loose)
		write_known(field, out, key, reference_in_document(context, field));
	else if (mtf_field_is_canonical(context, field))
		mtf_call_write_not_null(out, key, mtf_field_reference(context, field));
	else
		write_known(field, out, key, mtf_field_reference(context, field));
}

/* A whole number in range as int64.  One engine fails to convert the Decimal128 -2^63, and errors tell. */
static void
write_long(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral least = mtf_literal_int64(PG_INT64_MIN);
	MtfCall cond = mtf_call_begin(out, key, "$cond");

	mtf_call_write_pair(out, mtf_call_next(&cond), "$lte", reference, &least);
	mtf_write_literal(out, mtf_call_next(&cond), &least);
	mtf_call_write_unary(out, mtf_call_next(&cond), "$toLong", reference);
	mtf_call_end(out, &cond);
}

/* The value in one BSON type, given that it decodes. */
void
mtf_field_write_canonical(const MtfField *field, StringInfo out, const char *key,
						  const char *reference)
{
	if (field->kind == MTF_KIND_OBJECTID || field->any_id)
		mtf_call_write_unary(out, key, "$toString", reference);
	else if (field->trust)
		mtf_write_word(out, key, reference);
	else if (field->kind == MTF_KIND_INT8)
		write_long(out, key, reference);
	else if (mtf_is_integer_kind(field))
		mtf_call_write_unary(out, key, "$toLong", reference);
	else if (field->kind == MTF_KIND_FLOAT8 || field->kind == MTF_KIND_FLOAT4)
		mtf_call_write_unary(out, key, "$toDouble", reference);
	else if (field->kind == MTF_KIND_NUMERIC)
	{
		MtfLiteral nan = mtf_literal_decimal_nan();
		MtfCall cond = mtf_call_begin(out, key, "$cond");

		mtf_call_write_is_nan(out, mtf_call_next(&cond), reference);
		mtf_write_literal(out, mtf_call_next(&cond), &nan);
		write_rounded_decimal(field, out, mtf_call_next(&cond), reference);
		mtf_call_end(out, &cond);
	}
	else
		mtf_write_word(out, key, reference);
}

/* {$mod: [{$toLong: reference}, a day]} */
static void
write_time_of_day(StringInfo out, const char *key, const char *reference, const MtfLiteral *day)
{
	MtfCall mod = mtf_call_begin(out, key, "$mod");

	mtf_call_write_unary(out, mtf_call_next(&mod), "$toLong", reference);
	mtf_write_literal(out, mtf_call_next(&mod), day);
	mtf_call_end(out, &mod);
}

/* Midnight (UTC) of a date: its milliseconds less those of the day, which $mod counts back before 1970. */
static void
write_midnight(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral day = mtf_literal_int64(INT64CONST(86400000));
	MtfLiteral zero = mtf_literal_int64(0);
	MtfMark date = mtf_write_begin(out, key);
	MtfCall subtract = mtf_call_begin(out, "$toDate", "$subtract");
	MtfCall cond;
	MtfCall less;
	MtfCall add;

	mtf_call_write_unary(out, mtf_call_next(&subtract), "$toLong", reference);
	cond = mtf_call_begin(out, mtf_call_next(&subtract), "$cond");
	less = mtf_call_begin(out, mtf_call_next(&cond), "$lt");
	write_time_of_day(out, mtf_call_next(&less), reference, &day);
	mtf_write_literal(out, mtf_call_next(&less), &zero);
	mtf_call_end(out, &less);
	add = mtf_call_begin(out, mtf_call_next(&cond), "$add");
	write_time_of_day(out, mtf_call_next(&add), reference, &day);
	mtf_write_literal(out, mtf_call_next(&add), &day);
	mtf_call_end(out, &add);
	write_time_of_day(out, mtf_call_next(&cond), reference, &day);
	mtf_call_end(out, &cond);
	mtf_call_end(out, &subtract);
	mtf_write_end(out, date);
}

void
mtf_field_write_day(const MtfExprContext *context, const MtfField *field, StringInfo out,
					const char *key)
{
	char *reference = mtf_field_reference(context, field);
	MtfCall cond = mtf_call_begin(out, key, "$cond");

	/* A promise is no test, and midnight of no date, or of a far one, fails. */
	if (field->trust)
		mtf_field_write_known_date(field, out, mtf_call_next(&cond), reference);
	else
		mtf_field_write_known(context, field, out, mtf_call_next(&cond));
	write_midnight(out, mtf_call_next(&cond), reference);
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

/* $$d, the value as Decimal128 rounded to the column's scale, if that changed nothing; else null. */
static void
write_if_unchanged(StringInfo out, const char *key, const char *reference)
{
	MtfCall outer = mtf_call_begin(out, key, "$cond");
	MtfCall inner;
	MtfCall equal;

	mtf_call_write_references(out, mtf_call_next(&outer), "$eq", "$$d", reference);
	mtf_write_word(out, mtf_call_next(&outer), "$$d");
	inner = mtf_call_begin(out, mtf_call_next(&outer), "$cond");
	mtf_call_write_type_in(out, mtf_call_next(&inner), reference, doubles);
	{
		/* A double's text has at most 15 digits here: they give it back. */
		MtfCall same = mtf_call_begin(out, mtf_call_next(&inner), "$cond");

		equal = mtf_call_begin(out, mtf_call_next(&same), "$eq");
		mtf_call_write_unary(out, mtf_call_next(&equal), "$toDouble", "$$d");
		mtf_write_word(out, mtf_call_next(&equal), reference);
		mtf_call_end(out, &equal);
		mtf_write_word(out, mtf_call_next(&same), "$$d");
		mtf_write_null(out, mtf_call_next(&same));
		mtf_call_end(out, &same);
	}
	mtf_write_null(out, mtf_call_next(&inner));
	mtf_call_end(out, &inner);
	mtf_call_end(out, &outer);
}

/* Numbers of any type below the limit, as Decimal128. */
static void
write_any_numeric(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfCall outer = mtf_call_begin(out, key, "$cond");
	MtfCall inner;
	MtfMark document;
	MtfMark let;
	MtfMark vars;

	mtf_call_write_type_in(out, mtf_call_next(&outer), reference, binary_numbers);
	inner = mtf_call_begin(out, mtf_call_next(&outer), "$cond");
	write_few_digits(field, out, mtf_call_next(&inner), reference);
	document = mtf_write_begin(out, mtf_call_next(&inner));
	let = mtf_write_begin(out, "$let");
	vars = mtf_write_begin(out, "vars");
	write_rounded_decimal(field, out, "d", reference);
	mtf_write_end(out, vars);
	write_if_unchanged(out, "in", reference);
	mtf_write_end(out, let);
	mtf_write_end(out, document);
	mtf_write_null(out, mtf_call_next(&inner));
	mtf_call_end(out, &inner);
	mtf_write_null(out, mtf_call_next(&outer));
	mtf_call_end(out, &outer);
}

/*
 * The same as write_known_numeric() and mtf_field_write_canonical() together.  Most values are Decimal128
 * already, and need no conversion and no name.
 */
static void
write_numeric(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	static const char *const decimals[] = {"decimal", NULL};
	int whole_digits = numeric_precision(field->typmod) - numeric_scale(field->typmod);
	MtfLiteral limit = mtf_literal_decimal(psprintf("1E+%d", whole_digits));
	MtfCall outer = mtf_call_begin(out, key, "$cond");
	MtfCall inner;
	MtfCall equal;

	mtf_call_write_type_in(out, mtf_call_next(&outer), reference, decimals);
	inner = mtf_call_begin(out, mtf_call_next(&outer), "$cond");
	write_is_small(out, mtf_call_next(&inner), reference, &limit);
	equal = mtf_call_begin(out, mtf_call_next(&inner), "$cond");
	{
		MtfCall same = mtf_call_begin(out, mtf_call_next(&equal), "$eq");
		MtfCall round = mtf_call_begin(out, mtf_call_next(&same), "$round");

		mtf_write_word(out, mtf_call_next(&round), reference);
		mtf_write_int(out, mtf_call_next(&round), numeric_scale(field->typmod));
		mtf_call_end(out, &round);
		mtf_write_word(out, mtf_call_next(&same), reference);
		mtf_call_end(out, &same);
	}
	mtf_write_word(out, mtf_call_next(&equal), reference);
	mtf_write_null(out, mtf_call_next(&equal));
	mtf_call_end(out, &equal);
	mtf_write_null(out, mtf_call_next(&inner));
	mtf_call_end(out, &inner);
	write_any_numeric(field, out, mtf_call_next(&outer), reference);
	mtf_call_end(out, &outer);
}

/* {$cond: [{$lt: [{$abs: reference}, bound]}, …, …]}: begun */
static MtfCall
begin_bounded(StringInfo out, const char *key, const char *reference, const MtfLiteral *bound)
{
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall less = mtf_call_begin(out, mtf_call_next(&cond), "$lt");

	mtf_call_write_unary(out, mtf_call_next(&less), "$abs", reference);
	mtf_write_literal(out, mtf_call_next(&less), bound);
	mtf_call_end(out, &less);
	return cond;
}

/* A double that is a whole number below 2^53 as Decimal128; else null. */
static void
write_whole_double(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral limit = mtf_literal_double(9007199254740992.0);
	MtfCall bounded = begin_bounded(out, key, reference, &limit);
	MtfCall whole = mtf_call_begin(out, mtf_call_next(&bounded), "$cond");
	MtfCall equal = mtf_call_begin(out, mtf_call_next(&whole), "$eq");
	MtfMark decimal;

	mtf_write_word(out, mtf_call_next(&equal), reference);
	mtf_call_write_unary(out, mtf_call_next(&equal), "$floor", reference);
	mtf_call_end(out, &equal);
	decimal = mtf_write_begin(out, mtf_call_next(&whole));
	mtf_call_write_unary(out, "$toDecimal", "$toLong", reference);
	mtf_write_end(out, decimal);
	mtf_write_null(out, mtf_call_next(&whole));
	mtf_call_end(out, &whole);
	mtf_write_null(out, mtf_call_next(&bounded));
	mtf_call_end(out, &bounded);
}

/*
 * A numeric of any scale as the same Decimal128: whole numbers of any type, and decimals.  Null for a
 * double with a fraction (whose shortest text the server does not know), NaN and the infinities.
 */
static void
write_loose(StringInfo out, const char *key, const char *reference)
{
	static const char *const integers[] = {"int", "long", NULL};
	static const char *const decimals[] = {"decimal", NULL};
	MtfLiteral infinity = mtf_literal_decimal("Infinity");
	MtfCall integer = mtf_call_begin(out, key, "$cond");
	MtfCall number;
	MtfCall finite;
	MtfCall nan;
	MtfCall decimal;

	mtf_call_write_type_in(out, mtf_call_next(&integer), reference, integers);
	mtf_call_write_unary(out, mtf_call_next(&integer), "$toDecimal", reference);
	number = mtf_call_begin(out, mtf_call_next(&integer), "$cond");
	mtf_call_write_type_in(out, mtf_call_next(&number), reference, numbers);
	nan = mtf_call_begin(out, mtf_call_next(&number), "$cond");
	mtf_call_write_is_nan(out, mtf_call_next(&nan), reference);
	mtf_write_null(out, mtf_call_next(&nan));
	decimal = mtf_call_begin(out, mtf_call_next(&nan), "$cond");
	mtf_call_write_type_in(out, mtf_call_next(&decimal), reference, decimals);
	finite = begin_bounded(out, mtf_call_next(&decimal), reference, &infinity);
	mtf_write_word(out, mtf_call_next(&finite), reference);
	mtf_write_null(out, mtf_call_next(&finite));
	mtf_call_end(out, &finite);
	write_whole_double(out, mtf_call_next(&decimal), reference);
	mtf_call_end(out, &decimal);
	mtf_call_end(out, &nan);
	mtf_write_null(out, mtf_call_next(&number));
	mtf_call_end(out, &number);
	mtf_call_end(out, &integer);
}

void
mtf_field_write_value(const MtfExprContext *context, const MtfField *field, StringInfo out,
					  const char *key)
{
	char *reference = mtf_field_reference(context, field);
	MtfCall cond;

	if (mtf_field_is_canonical(context, field))
	{
		mtf_write_word(out, key, reference);
		return;
	}
	if (field->loose)
	{
		write_loose(out, key, reference);
		return;
	}
	/* All that can be wrong is that it is missing. */
	if (is_trusted(field))
	{
		cond = mtf_call_begin(out, key, "$ifNull");
		mtf_field_write_canonical(field, out, mtf_call_next(&cond), reference);
		mtf_write_null(out, mtf_call_next(&cond));
		mtf_call_end(out, &cond);
		return;
	}
	if (field->kind == MTF_KIND_NUMERIC)
	{
		write_numeric(field, out, key, reference);
		return;
	}
	cond = mtf_call_begin(out, key, "$cond");
	write_known(field, out, mtf_call_next(&cond), reference);
	mtf_field_write_canonical(field, out, mtf_call_next(&cond), reference);
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}
bool
mtf_field_has_nan(const MtfField *field)
{
	return field->kind == MTF_KIND_FLOAT8 || field->kind == MTF_KIND_NUMERIC;
}

void
mtf_field_write_rank(const MtfExprContext *context, const MtfField *field, int rank_of_null,
					 int rank_of_nan, int rank_of_others, StringInfo out, const char *key)
{
	char *reference = mtf_field_reference(context, field);
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall nan;

	write_known(field, out, mtf_call_next(&cond), reference);
	if (mtf_field_has_nan(field))
	{
		nan = mtf_call_begin(out, mtf_call_next(&cond), "$cond");
		mtf_call_write_is_nan(out, mtf_call_next(&nan), reference);
		mtf_write_int(out, mtf_call_next(&nan), rank_of_nan);
		mtf_write_int(out, mtf_call_next(&nan), rank_of_others);
		mtf_call_end(out, &nan);
	}
	else
		mtf_write_int(out, mtf_call_next(&cond), rank_of_others);
	mtf_write_int(out, mtf_call_next(&cond), rank_of_null);
	mtf_call_end(out, &cond);
}

/*
 * The path's own value may be absent; on the way anything but an array leads to it or to NULL
 * (decode.c).  Most often there is a value, and the first comparison says so.
 */
static void
write_absent(const MtfExprContext *context, const MtfField *field, StringInfo out, const char *key)
{
	static const char *const absent[] = {"missing", "null", "undefined", NULL};
	char *reference = reference_in_document(context, field);
	size_t start = strlen(reference) - strlen(field->path);
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall all;

	mtf_call_write_not_null(out, mtf_call_next(&cond), reference);
	mtf_write_bool(out, mtf_call_next(&cond), false);
	all = mtf_call_begin(out, mtf_call_next(&cond), "$and");
	for (char *dot = strchr(reference + start, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
	{
		MtfCall no_array = mtf_call_begin(out, mtf_call_next(&all), "$ne");

		mtf_call_write_unary(out, mtf_call_next(&no_array), "$type",
							 pnstrdup(reference, dot - reference));
		mtf_write_word(out, mtf_call_next(&no_array), "array");
		mtf_call_end(out, &no_array);
	}
	mtf_call_write_type_in(out, mtf_call_next(&all), reference, absent);
	mtf_call_end(out, &all);
	mtf_call_end(out, &cond);
}

/* Through an array on the way no path leads to a value that decodes: an array comes of it. */
void
mtf_field_write_fits(const MtfExprContext *context, const MtfField *field, StringInfo out,
					 const char *key)
{
	MtfCall either = mtf_call_begin(out, key, "$or");

	mtf_field_write_known(context, field, out, mtf_call_next(&either));
	write_absent(context, field, out, mtf_call_next(&either));
	mtf_call_end(out, &either);
}
