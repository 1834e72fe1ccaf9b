/*
 * field_decimal.c
 *	  A numeric field's value as Decimal128: which numbers decode, and to what.
 *
 * A numeric(p,s) takes the numbers that fit it without rounding, of any BSON type; a numeric without scale (a
 * loose field) is exact of whole numbers and decimals, and whoever uses it counts the others.
 *
 * What must not happen here: an expression that can fail on any document (the server may evaluate it
 * on another tenant's).
 */
#include "pipeline/field_decimal.h"

#include "pipeline/call.h"

static const char *const numbers[] = {"int", "long", "double", "decimal", NULL};
static const char *const doubles[] = {"double", NULL};
static const char *const binary_numbers[] = {"int", "long", "double", NULL};

/* {$round: [{$toDecimal: reference}, scale]}: a double of up to 15 digits gives them back. */
static void
write_rounded_decimal(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfCall call = mtf_call_begin(out, key, "$round");

	mtf_call_write_unary(out, mtf_call_next(&call), "$toDecimal", reference);
	mtf_write_int(out, mtf_call_next(&call), mtf_compat_numeric_scale(field->typmod));
	mtf_call_end(out, &call);
}

/* {$lt: [{$abs: reference}, limit]} of a Decimal128; of NaN, the lowest number, it is true */
static void
write_is_small(StringInfo out, const char *key, const char *reference, const MtfLiteral *limit)
{
	mtf_call_write_of(out, key, "$lt", "$abs", reference, limit);
}

/*
 * A number of no more digits before the point than numeric(p,s) has, or NaN.  Not by $abs, which fails on
 * the least int64.
 */
static void
write_few_digits(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	int digits =
		mtf_compat_numeric_precision(field->typmod) - mtf_compat_numeric_scale(field->typmod);
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
void
mtf_decimal_write_known(const MtfField *field, StringInfo out, const char *key,
						const char *reference)
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
	MtfLet let;

	mtf_call_write_type_in(out, mtf_call_next(&outer), reference, binary_numbers);
	inner = mtf_call_begin(out, mtf_call_next(&outer), "$cond");
	write_few_digits(field, out, mtf_call_next(&inner), reference);
	let = mtf_let_begin(out, mtf_call_next(&inner));
	write_rounded_decimal(field, out, "d", reference);
	write_if_unchanged(out, mtf_let_in(out, &let), reference);
	mtf_let_end(out, &let);
	mtf_write_null(out, mtf_call_next(&inner));
	mtf_call_end(out, &inner);
	mtf_write_null(out, mtf_call_next(&outer));
	mtf_call_end(out, &outer);
}

void
mtf_decimal_write_canonical(const MtfField *field, StringInfo out, const char *key,
							const char *reference)
{
	MtfLiteral nan = mtf_literal_decimal_nan();
	MtfCall cond = mtf_call_begin(out, key, "$cond");

	mtf_call_write_is_nan(out, mtf_call_next(&cond), reference);
	mtf_write_literal(out, mtf_call_next(&cond), &nan);
	write_rounded_decimal(field, out, mtf_call_next(&cond), reference);
	mtf_call_end(out, &cond);
}

/* Scales of which a text of few characters says that the number fits. */
static bool
fits_by_text(const MtfField *field)
{
	int scale = mtf_compat_numeric_scale(field->typmod);

	return (scale == 1 || scale == 2) &&
		   mtf_compat_numeric_precision(field->typmod) - scale >= scale;
}

/*
 * {$let: {vars: {t: {$toString: reference}}, in: {$and: [{$lte: [its length, …]}, {$lte: [characters from
 * the point on, …]}]}}} of a Decimal128: no more digits before and behind the point than numeric(p,s) has.
 * An exponent takes four characters behind the point, or three where there is none.  Arithmetic with
 * decimals costs one engine several times as much (m); what this does not recognize is tested by it.
 */
static void
write_short_text(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	int scale = mtf_compat_numeric_scale(field->typmod);
	MtfLiteral length = mtf_literal_int64(mtf_compat_numeric_precision(field->typmod) - scale + 2);
	MtfLiteral behind = mtf_literal_int64(scale + 1);
	MtfLiteral point = {.type = MTF_LITERAL_STRING, .data = ".", .len = 1};
	MtfLet let = mtf_let_begin(out, key);
	MtfCall both;
	MtfCall less;
	MtfCall rest;

	mtf_call_write_unary(out, "t", "$toString", reference);
	both = mtf_call_begin(out, mtf_let_in(out, &let), "$and");
	less = mtf_call_begin(out, mtf_call_next(&both), "$lte");
	mtf_call_write_unary(out, mtf_call_next(&less), "$strLenBytes", "$$t");
	mtf_write_literal(out, mtf_call_next(&less), &length);
	mtf_call_end(out, &less);
	less = mtf_call_begin(out, mtf_call_next(&both), "$lte");
	rest = mtf_call_begin(out, mtf_call_next(&less), "$subtract");
	mtf_call_write_unary(out, mtf_call_next(&rest), "$strLenBytes", "$$t");
	mtf_call_write_pair(out, mtf_call_next(&rest), "$indexOfBytes", "$$t", &point);
	mtf_call_end(out, &rest);
	mtf_write_literal(out, mtf_call_next(&less), &behind);
	mtf_call_end(out, &less);
	mtf_call_end(out, &both);
	mtf_let_end(out, &let);
}

/* A Decimal128 that fits without rounding, by arithmetic; else null. */
static void
write_fitting_decimal(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	int whole_digits =
		mtf_compat_numeric_precision(field->typmod) - mtf_compat_numeric_scale(field->typmod);
	MtfLiteral limit = mtf_literal_decimal(psprintf("1E+%d", whole_digits));
	MtfCall small = mtf_call_begin(out, key, "$cond");
	MtfCall equal;
	MtfCall same;
	MtfCall round;

	write_is_small(out, mtf_call_next(&small), reference, &limit);
	equal = mtf_call_begin(out, mtf_call_next(&small), "$cond");
	same = mtf_call_begin(out, mtf_call_next(&equal), "$eq");
	round = mtf_call_begin(out, mtf_call_next(&same), "$round");
	mtf_write_word(out, mtf_call_next(&round), reference);
	mtf_write_int(out, mtf_call_next(&round), mtf_compat_numeric_scale(field->typmod));
	mtf_call_end(out, &round);
	mtf_write_word(out, mtf_call_next(&same), reference);
	mtf_call_end(out, &same);
	mtf_write_word(out, mtf_call_next(&equal), reference);
	mtf_write_null(out, mtf_call_next(&equal));
	mtf_call_end(out, &equal);
	mtf_write_null(out, mtf_call_next(&small));
	mtf_call_end(out, &small);
}

/*
 * The same as mtf_decimal_write_known() and mtf_field_write_canonical() together.  Most values are Decimal128
 * already, and need no conversion and no name.
 */
void
mtf_decimal_write_value(const MtfField *field, StringInfo out, const char *key,
						const char *reference)
{
	static const char *const decimals[] = {"decimal", NULL};
	MtfCall outer = mtf_call_begin(out, key, "$cond");
	MtfCall inner;

	mtf_call_write_type_in(out, mtf_call_next(&outer), reference, decimals);
	if (fits_by_text(field))
	{
		inner = mtf_call_begin(out, mtf_call_next(&outer), "$cond");
		write_short_text(field, out, mtf_call_next(&inner), reference);
		mtf_write_word(out, mtf_call_next(&inner), reference);
		write_fitting_decimal(field, out, mtf_call_next(&inner), reference);
		mtf_call_end(out, &inner);
	}
	else
		write_fitting_decimal(field, out, mtf_call_next(&outer), reference);
	write_any_numeric(field, out, mtf_call_next(&outer), reference);
	mtf_call_end(out, &outer);
}

/* {$cond: [{$lt: [{$abs: reference}, bound]}, …, …]}: begun */
static MtfCall
begin_bounded(StringInfo out, const char *key, const char *reference, const MtfLiteral *bound)
{
	MtfCall cond = mtf_call_begin(out, key, "$cond");

	write_is_small(out, mtf_call_next(&cond), reference, bound);
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
void
mtf_decimal_write_loose(StringInfo out, const char *key, const char *reference)
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
