/*
 * value.c
 *	  Lowered computations → aggregation expressions.
 *
 * What must not happen here: an expression that can fail on any document (the server may evaluate it
 * on another tenant's); a user's value outside $literal.
 */
#include "pipeline/value.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "pipeline/call.h"
#include "pipeline/canonical.h"
#include "pipeline/condition.h"
#include "pipeline/field_value.h"
#include "pipeline/instant.h"
#include "pipeline/number_key.h"
#include "pipeline/text_value.h"
#include "plan/late_pattern.h"

/* Is the value of a term a Decimal128 (or null) as it is written? */
static bool
value_is_decimal(const MtfExprContext *context, const MtfTerm *term)
{
	const MtfValue *value = mtf_expr_value(context, term);
	MtfLiteral literal;

	switch ((MtfTermKind) term->kind)
	{
		case MTF_TERM_FIELD:
			return term->field->kind == MTF_KIND_NUMERIC &&
				   (!term->field->trust || term->field->loose ||
					mtf_field_is_believed(context, term->field));
		case MTF_TERM_VALUE:
			return value != NULL && value->is_known && !value->isnull &&
				   mtf_literal_of(value, &literal) && literal.type == MTF_LITERAL_DECIMAL;
		case MTF_TERM_CALL:
			return term->function == MTF_FUNCTION_ADD || term->function == MTF_FUNCTION_SUBTRACT ||
				   term->function == MTF_FUNCTION_MULTIPLY;
		default: return false;
	}
}

/* Does it read a field whose type is promised, not tested? */
static bool
reads_trusted(const MtfExprContext *context, const MtfTerm *term)
{
	ListCell *cell;

	if (term->kind == MTF_TERM_FIELD)
		return term->field->trust && !mtf_field_is_canonical(context, term->field) &&
			   !mtf_field_is_believed(context, term->field);
	foreach (cell, term->args)
		if (reads_trusted(context, lfirst(cell)))
			return true;
	return false;
}

/* Of one of the types and, if `limited`, a whole number of no more digits than a double holds. */
static void
write_test(const char *const *types, bool limited, StringInfo out, const char *key)
{
	MtfLiteral least = mtf_literal_int64(INT64CONST(-1000000000000000));
	MtfLiteral greatest = mtf_literal_int64(INT64CONST(1000000000000000));
	MtfCall all;

	if (!limited)
	{
		mtf_call_write_type_in(out, key, "$$n", types);
		return;
	}
	all = mtf_call_begin(out, key, "$and");
	mtf_call_write_type_in(out, mtf_call_next(&all), "$$n", types);
	mtf_call_write_pair(out, mtf_call_next(&all), "$gt", "$$n", &least);
	mtf_call_write_pair(out, mtf_call_next(&all), "$lt", "$$n", &greatest);
	mtf_call_end(out, &all);
}

/*
 * A promise of types does not hold for other tenants' documents, where a sum or a conversion of a text
 * would fail: what does not pass the test is null.
 */
static void
write_tested(const MtfExprContext *context, const MtfTerm *term, const char *const *types,
			 bool limited, const char *conversion, StringInfo out, const char *key)
{
	MtfLet let = mtf_let_begin(out, key);
	MtfCall cond;

	mtf_value_write(context, term, out, "n");
	cond = mtf_call_begin(out, mtf_let_in(out, &let), "$cond");
	write_test(types, limited, out, mtf_call_next(&cond));
	if (conversion != NULL)
		mtf_call_write_unary(out, mtf_call_next(&cond), conversion, "$$n");
	else
		mtf_write_word(out, mtf_call_next(&cond), "$$n");
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
	mtf_let_end(out, &let);
}

/* Whole numbers would be added and multiplied with overflow. */
void
mtf_value_write_decimal(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
						const char *key)
{
	static const char *const numbers[] = {"int", "long", "double", "decimal", NULL};
	MtfMark decimal;

	if (value_is_decimal(context, term))
	{
		mtf_value_write(context, term, out, key);
		return;
	}
	if (reads_trusted(context, term))
	{
		write_tested(context, term, numbers, false, "$toDecimal", out, key);
		return;
	}
	decimal = mtf_write_begin(out, key);
	mtf_value_write(context, term, out, "$toDecimal");
	mtf_write_end(out, decimal);
}

/* One engine subtracts in Python's own context, which keeps no more digits. */
#define SUBTRACTED_DIGITS 28

/* {$add: [left, {$multiply: [right, -1]}]} */
static void
write_long_difference(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
					  const char *key)
{
	MtfLiteral minus = mtf_literal_decimal("-1");
	MtfCall add = mtf_call_begin(out, key, "$add");
	MtfCall negated;

	mtf_value_write_decimal(context, linitial(term->args), out, mtf_call_next(&add));
	negated = mtf_call_begin(out, mtf_call_next(&add), "$multiply");
	mtf_value_write_decimal(context, lsecond(term->args), out, mtf_call_next(&negated));
	mtf_write_literal(out, mtf_call_next(&negated), &minus);
	mtf_call_end(out, &negated);
	mtf_call_end(out, &add);
}

static void
write_arithmetic(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
				 const char *key)
{
	MtfCall call;
	ListCell *cell;

	if (term->function == MTF_FUNCTION_SUBTRACT && term->precision > SUBTRACTED_DIGITS)
	{
		write_long_difference(context, term, out, key);
		return;
	}
	call = mtf_call_begin(out, key,
						  term->function == MTF_FUNCTION_ADD        ? "$add"
						  : term->function == MTF_FUNCTION_SUBTRACT ? "$subtract"
																	: "$multiply");
	foreach (cell, term->args)
		mtf_value_write_decimal(context, lfirst(cell), out, mtf_call_next(&call));
	mtf_call_end(out, &call);
}

/* --- whole numbers ----------------------------------------------------------------------------------- */

static const char *
integer_operator(MtfFunction function)
{
	switch (function)
	{
		case MTF_FUNCTION_INT_ADD: return "$add";
		case MTF_FUNCTION_INT_SUBTRACT: return "$subtract";
		case MTF_FUNCTION_INT_MULTIPLY: return "$multiply";
		case MTF_FUNCTION_INT_DIVIDE: return "$divide";
		default: return "$mod";
	}
}

static void
write_integer(const MtfExprContext *context, const MtfTerm *term, bool limited, StringInfo out,
			  const char *key)
{
	static const char *const integers[] = {"int", "long", NULL};

	if (reads_trusted(context, term))
		write_tested(context, term, integers, limited, NULL, out, key);
	else
		mtf_value_write(context, term, out, key);
}

/* Are the term's whole numbers ones that a double holds?  Those of four bytes, and their sums. */
static bool
fits_double(const MtfExprContext *context, const MtfTerm *term)
{
	const MtfValue *value = mtf_expr_value(context, term);
	ListCell *cell;

	if (term->kind == MTF_TERM_FIELD)
		return term->field->kind == MTF_KIND_INT2 || term->field->kind == MTF_KIND_INT4;
	if (term->kind == MTF_TERM_VALUE)
		return value != NULL && (value->typid == INT2OID || value->typid == INT4OID);
	if (term->kind != MTF_TERM_CALL || term->function == MTF_FUNCTION_INT_MULTIPLY)
		return false;
	foreach (cell, term->args)
		if (!fits_double(context, lfirst(cell)))
			return false;
	return true;
}

/* {$toLong: {$mod: […]}} of Decimal128s: one engine takes the remainder of int64s as doubles. */
static void
write_remainder(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	MtfMark whole = mtf_write_begin(out, key);
	MtfCall call = mtf_call_begin(out, "$toLong", "$mod");
	ListCell *cell;

	foreach (cell, term->args)
	{
		MtfMark decimal = mtf_write_begin(out, mtf_call_next(&call));

		write_integer(context, lfirst(cell), false, out, "$toDecimal");
		mtf_write_end(out, decimal);
	}
	mtf_call_end(out, &call);
	mtf_write_end(out, whole);
}

static void
write_integer_call(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
				   const char *key)
{
	bool divides = term->function == MTF_FUNCTION_INT_DIVIDE;
	MtfMark whole = 0;
	MtfMark truncated = 0;
	ListCell *cell;
	MtfCall call;

	if (term->function == MTF_FUNCTION_INT_MODULO && !fits_double(context, term))
	{
		write_remainder(context, term, out, key);
		return;
	}
	if (divides)
	{
		whole = mtf_write_begin(out, key);
		truncated = mtf_write_begin(out, "$toLong");
		key = "$trunc";
	}
	call = mtf_call_begin(out, key, integer_operator(term->function));
	foreach (cell, term->args)
		/* A quotient is a double, which is made an int64 again: what is too large for that fails. */
		write_integer(context, lfirst(cell), divides, out, mtf_call_next(&call));
	mtf_call_end(out, &call);
	if (divides)
	{
		mtf_write_end(out, truncated);
		mtf_write_end(out, whole);
	}
}

/* --- choices ------------------------------------------------------------------------------------------ */

/* {$ifNull: [value, the rest]} */
static void
write_coalesce(const MtfExprContext *context, const MtfTerm *term, int i, StringInfo out,
			   const char *key)
{
	MtfCall call;

	if (i == list_length(term->args) - 1)
	{
		mtf_value_write(context, list_nth(term->args, i), out, key);
		return;
	}
	call = mtf_call_begin(out, key, "$ifNull");
	mtf_value_write(context, list_nth(term->args, i), out, mtf_call_next(&call));
	write_coalesce(context, term, i + 1, out, mtf_call_next(&call));
	mtf_call_end(out, &call);
}

/* CASE from its argument `i` on. */
static void
write_case(const MtfExprContext *context, const MtfTerm *term, int i, StringInfo out,
		   const char *key)
{
	MtfCall cond;

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
	cond = mtf_call_begin(out, key, "$cond");
	mtf_condition_write(context, list_nth(term->args, i), out, mtf_call_next(&cond));
	mtf_value_write(context, list_nth(term->args, i + 1), out, mtf_call_next(&cond));
	write_case(context, term, i + 2, out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

static void
write_value(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	const MtfValue *value = mtf_expr_value(context, term);
	MtfLiteral literal;

	if (value == NULL || value->isnull)
		mtf_write_null(out, key);
	else if (!value->is_known)
		mtf_write_word(out, key, psprintf("$%d", term->value + 1));
	else if (value->typid == DATEOID || value->typid == TIMESTAMPOID ||
			 value->typid == TIMESTAMPTZOID)
	{
		MtfInstant instant = mtf_value_as_instant(value, value->typid == TIMESTAMPTZOID);

		literal = mtf_literal_date(instant.milliseconds);
		mtf_write_quoted(out, key, &literal);
	}
	else if (mtf_literal_of(value, &literal))
		mtf_write_quoted(out, key, &literal);
	else
		mtf_write_null(out, key);
}

/* --- what has no form there ------------------------------------------------------------------------------- */

/* Digits of a numeric that surely stand in a Decimal128, point and sign included. */
#define SURE_NUMERIC_CHARACTERS 30

static bool
is_representable(const MtfValue *value)
{
	char *text;
	MtfInstant instant;

	switch (value->typid)
	{
		case NUMERICOID:
			text = DatumGetCString(DirectFunctionCall1(numeric_out, value->datum));
			return strlen(text) <= SURE_NUMERIC_CHARACTERS &&
				   strspn(text, "-.0123456789") == strlen(text);
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			instant = mtf_value_as_instant(value, value->typid == TIMESTAMPTZOID);
			return instant.kind == MTF_INSTANT_FINITE && !instant.rest &&
				   instant.milliseconds >= MTF_FIRST_COMMON_MS &&
				   instant.milliseconds <= MTF_LAST_COMMON_MS;
		default: return true;
	}
}

static bool
has_form(const MtfTerm *term, const MtfValue *value)
{
	if (term->kind == MTF_TERM_LIKE)
		return mtf_late_pattern_is_exact(term, TextDatumGetCString(value->datum));
	return term->kind != MTF_TERM_VALUE || is_representable(value);
}

bool
mtf_value_is_representable(const MtfExprContext *context, const MtfTerm *term)
{
	const MtfValue *value = mtf_expr_value(context, term);
	ListCell *cell;

	if (value != NULL && value->is_known && !value->isnull && !has_form(term, value))
		return false;
	foreach (cell, term->args)
		if (!mtf_value_is_representable(context, lfirst(cell)))
			return false;
	return true;
}

static void
write_call(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	switch ((MtfFunction) term->function)
	{
		case MTF_FUNCTION_ADD:
		case MTF_FUNCTION_SUBTRACT:
		case MTF_FUNCTION_MULTIPLY: write_arithmetic(context, term, out, key); break;
		case MTF_FUNCTION_CASE: write_case(context, term, 0, out, key); break;
		case MTF_FUNCTION_COALESCE: write_coalesce(context, term, 0, out, key); break;
		case MTF_FUNCTION_INT_ADD:
		case MTF_FUNCTION_INT_SUBTRACT:
		case MTF_FUNCTION_INT_MULTIPLY:
		case MTF_FUNCTION_INT_DIVIDE:
		case MTF_FUNCTION_INT_MODULO: write_integer_call(context, term, out, key); break;
		case MTF_FUNCTION_TRUNCATE:
		case MTF_FUNCTION_EXTRACT: mtf_instant_write(context, term, out, key); break;
		case MTF_FUNCTION_NUMBER_KEY: mtf_number_key_write(context, term, out, key); break;
		case MTF_FUNCTION_SUBSTRING:
		case MTF_FUNCTION_LENGTH: mtf_text_write(context, term, out, key); break;
		case MTF_FUNCTION_NONE: mtf_write_null(out, key); break;
	}
}

void
mtf_value_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	switch ((MtfTermKind) term->kind)
	{
		case MTF_TERM_FIELD: mtf_field_write_value(context, term->field, out, key); break;
		case MTF_TERM_VALUE: write_value(context, term, out, key); break;
		case MTF_TERM_CALL: write_call(context, term, out, key); break;
		default: mtf_write_null(out, key); break;
	}
}

void
mtf_value_write_summand(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
						const char *key)
{
	/* Accumulators pass over what is no number. */
	if (term->kind == MTF_TERM_FIELD && mtf_field_is_believed(context, term->field))
		mtf_write_word(out, key, mtf_field_reference(context, term->field));
	else if (term->kind == MTF_TERM_FIELD && term->field->trust && !term->field->loose &&
			 !mtf_field_is_canonical(context, term->field))
		mtf_field_write_canonical(term->field, out, key, mtf_field_reference(context, term->field));
	else
		mtf_value_write(context, term, out, key);
}

void
mtf_value_write_present(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
						const char *key)
{
	const MtfValue *value = mtf_expr_value(context, term);
	MtfCall call;

	if (term->kind == MTF_TERM_FIELD && mtf_field_is_counted(context, term->field))
	{
		mtf_call_write_not_null(out, key, mtf_field_reference(context, term->field));
		return;
	}
	if (term->kind == MTF_TERM_FIELD)
	{
		mtf_field_write_known(context, term->field, out, key);
		return;
	}
	if (value != NULL && value->is_known)
	{
		mtf_write_bool(out, key, !value->isnull);
		return;
	}
	/* Everything but a choice is null if and only if an operand is. */
	if (term->kind == MTF_TERM_CALL && term->function != MTF_FUNCTION_CASE &&
		term->function != MTF_FUNCTION_COALESCE)
	{
		ListCell *cell;

		call = mtf_call_begin(out, key, "$and");
		foreach (cell, term->args)
		{
			const MtfValue *operand = mtf_expr_value(context, lfirst(cell));

			/* A constant that is there needs no test for each document. */
			if (operand == NULL || !operand->is_known || operand->isnull)
				mtf_value_write_present(context, lfirst(cell), out, mtf_call_next(&call));
		}
		mtf_call_end(out, &call);
		return;
	}
	call = mtf_call_begin(out, key, "$gt");
	mtf_value_write(context, term, out, mtf_call_next(&call));
	mtf_write_null(out, mtf_call_next(&call));
	mtf_call_end(out, &call);
}
