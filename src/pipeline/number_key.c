/*
 * number_key.c
 *	  What is the same for equal numbers and for no others (plan/group_key.c).
 *
 * What must not happen here: a conversion that can fail: the number is null or tested (of numeric(p,s) as a
 * long not more than 18 digits).
 */
#include "pipeline/number_key.h"

#include "catalog/pg_type.h"

#include "pipeline/call.h"
#include "pipeline/value.h"

#define LONG_DIGITS 18 /* of which every number is a BSON long */

/* {key: {conversion: {function: ["$$n", decimal]}}} */
static void
write_converted(StringInfo out, const char *key, const char *conversion, const char *function,
				const char *decimal)
{
	MtfLiteral literal = mtf_literal_decimal(decimal);
	MtfMark document = mtf_write_begin(out, key);

	mtf_call_write_pair(out, conversion, function, "$$n", &literal);
	mtf_write_end(out, document);
}

/* {$toLong: {$multiply: ["$$n", 10^scale]}}: numeric(p,s) as a whole number of its last digits. */
static void
write_last_digits(StringInfo out, const char *key, int scale)
{
	write_converted(out, key, "$toLong", "$multiply", psprintf("1E+%d", scale));
}

/*
 * {$toString: {$add: ["$$n", 0E-6176]}}: the sum has all 34 digits, since its exponent is the least that is
 * possible (IEEE 754), and no sign if it is 0.
 */
static void
write_all_digits(StringInfo out, const char *key)
{
	write_converted(out, key, "$toString", "$add", "0E-6176");
}

/* {$cond: [{$eq: ["$$n", 0]}, 0, "$$n"]}: -0 is 0 */
static void
write_without_sign(StringInfo out, const char *key)
{
	MtfLiteral zero = mtf_literal_double(0);
	MtfCall cond = mtf_call_begin(out, key, "$cond");

	mtf_call_write_pair(out, mtf_call_next(&cond), "$eq", "$$n", &zero);
	mtf_write_literal(out, mtf_call_next(&cond), &zero);
	mtf_write_word(out, mtf_call_next(&cond), "$$n");
	mtf_call_end(out, &cond);
}

/* NaN is a text, which no number equals; null stays null. */
void
mtf_number_key_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
					 const char *key)
{
	MtfLet let = mtf_let_begin(out, key);
	MtfCall cond;

	mtf_value_write(context, linitial(term->args), out, "n");
	cond = mtf_call_begin(out, mtf_let_in(out, &let), "$cond");
	mtf_call_write_is_nan(out, mtf_call_next(&cond), "$$n");
	mtf_write_word(out, mtf_call_next(&cond), "NaN");
	if (term->type == NUMERICOID &&
		(term->precision < 0 || term->precision > LONG_DIGITS || term->scale < 0))
		write_all_digits(out, mtf_call_next(&cond));
	else if (term->type == NUMERICOID)
		write_last_digits(out, mtf_call_next(&cond), term->scale);
	else
		write_without_sign(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
	mtf_let_end(out, &let);
}
