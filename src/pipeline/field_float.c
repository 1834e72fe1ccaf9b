/*
 * field_float.c
 *	  Which numbers decode as floating point, in aggregation expressions.
 *
 * What must not happen here: an expression that can fail on any document.
 */
#include "pipeline/field_float.h"

#include "utils/float.h"

#include "pipeline/call.h"

static const char *const binary_numbers[] = {"int", "long", "double", NULL};

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
	MtfCall any = mtf_call_begin(out, key, "$or");
	MtfCall both;

	mtf_call_write_among(out, mtf_call_next(&any), reference, specials, lengthof(specials));
	both = mtf_call_begin(out, mtf_call_next(&any), "$and");
	mtf_call_write_of(out, mtf_call_next(&both), "$lte", "$abs", reference, &highest);
	mtf_call_write_of(out, mtf_call_next(&both), "$gt", "$abs", reference, &zero);
	mtf_call_end(out, &both);
	mtf_call_end(out, &any);
}

void
mtf_double_write_known(StringInfo out, const char *key, const char *reference)
{
	static const char *const decimals[] = {"decimal", NULL};
	MtfCall outer = mtf_call_begin(out, key, "$cond");
	MtfCall inner;

	mtf_call_write_type_in(out, mtf_call_next(&outer), reference, binary_numbers);
	mtf_write_bool(out, mtf_call_next(&outer), true);
	inner = mtf_call_begin(out, mtf_call_next(&outer), "$cond");
	mtf_call_write_type_in(out, mtf_call_next(&inner), reference, decimals);
	write_known_decimal_to_double(out, mtf_call_next(&inner), reference);
	mtf_write_bool(out, mtf_call_next(&inner), false);
	mtf_call_end(out, &inner);
	mtf_call_end(out, &outer);
}

/* What rounds to 0 at most, and what rounds to infinity at least, as a float4. */
#define GREATEST_DOUBLE_TO_ZERO  7.006492321624085e-46
#define LEAST_DOUBLE_TO_INFINITY 3.4028235677973366e+38

/*
 * A double that rounds to a float4: neither to infinity nor to zero, if it is not that itself.  (It is
 * rounded here: the order of doubles is that of what they round to.)
 */
void
mtf_float4_write_known(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral bounds[2] = {mtf_literal_double(GREATEST_DOUBLE_TO_ZERO),
							mtf_literal_double(LEAST_DOUBLE_TO_INFINITY)};
	MtfLiteral specials[4] = {mtf_literal_double(get_float8_nan()),
							  mtf_literal_double(get_float8_infinity()),
							  mtf_literal_double(-get_float8_infinity()), mtf_literal_double(0)};
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfLet let;
	MtfCall either;
	MtfCall both;

	mtf_double_write_known(out, mtf_call_next(&cond), reference);
	let = mtf_let_begin(out, mtf_call_next(&cond));
	mtf_call_write_unary(out, "d", "$toDouble", reference);
	either = mtf_call_begin(out, mtf_let_in(out, &let), "$or");
	mtf_call_write_among(out, mtf_call_next(&either), "$$d", specials, lengthof(specials));
	both = mtf_call_begin(out, mtf_call_next(&either), "$and");
	for (int i = 0; i < lengthof(bounds); i++)
		mtf_call_write_of(out, mtf_call_next(&both), i == 0 ? "$gt" : "$lt", "$abs", "$$d",
						  &bounds[i]);
	mtf_call_end(out, &both);
	mtf_call_end(out, &either);
	mtf_let_end(out, &let);
	mtf_write_bool(out, mtf_call_next(&cond), false);
	mtf_call_end(out, &cond);
}
