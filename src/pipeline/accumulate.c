/*
 * accumulate.c
 *	  Accumulators of a remote $group.
 *
 * $sum, $min and $max pass over null, and every value here is null when it does not decode, or when
 * FILTER leaves it out.
 */
#include "pipeline/accumulate.h"

#include "catalog/pg_type.h"
#include "utils/float.h"

#include "base/integer_range.h"
#include "pipeline/believed.h"
#include "pipeline/literal.h"
#include "pipeline/call.h"
#include "pipeline/condition.h"
#include "pipeline/field_value.h"
#include "pipeline/value.h"
#include "plan/compute.h"

/* The end of {$cond: [condition, 1, 0]}. */
static void
end_one_if(StringInfo out, MtfCall *cond)
{
	mtf_write_int(out, mtf_call_next(cond), 1);
	mtf_write_int(out, mtf_call_next(cond), 0);
	mtf_call_end(out, cond);
}

/* {$in: [value, [NaN, Decimal NaN]]} */
static void
write_is_nan(const MtfExprContext *context, const MtfTerm *arg, StringInfo out, const char *key)
{
	MtfLiteral nans[2] = {mtf_literal_double(get_float8_nan()), mtf_literal_decimal_nan()};
	MtfCall in = mtf_call_begin(out, key, "$in");
	MtfMark list;

	mtf_value_write(context, arg, out, mtf_call_next(&in));
	list = mtf_write_begin_array(out, mtf_call_next(&in));
	mtf_write_literal(out, "0", &nans[0]);
	mtf_write_literal(out, "1", &nans[1]);
	mtf_write_end(out, list);
	mtf_call_end(out, &in);
}

static bool
may_be_nan(const MtfTerm *arg)
{
	if (arg->field == NULL)
		return arg->type == NUMERICOID && arg->function != MTF_FUNCTION_EXTRACT;
	/* Of the loose ones NaN is null already. */
	return arg->field->kind == MTF_KIND_FLOAT8 || arg->field->kind == MTF_KIND_FLOAT4 ||
		   (arg->field->kind == MTF_KIND_NUMERIC && !arg->field->loose);
}

/* The value for $min and $max: NaN, the server's lowest number, is counted apart. */
static void
write_comparable(const MtfExprContext *context, const MtfTerm *arg, StringInfo out, const char *key)
{
	MtfCall cond;

	if (!may_be_nan(arg))
	{
		mtf_value_write_summand(context, arg, out, key);
		return;
	}
	cond = mtf_call_begin(out, key, "$cond");
	write_is_nan(context, arg, out, mtf_call_next(&cond));
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_value_write(context, arg, out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

static void
write_summand(const MtfExprContext *context, const MtfAccumulator *accumulator, StringInfo out,
			  const char *key)
{
	const MtfTerm *arg = accumulator->arg;
	bool believed = arg->kind == MTF_TERM_FIELD && mtf_field_is_believed(context, arg->field);

	if (accumulator->decimal && !believed)
		mtf_value_write_decimal(context, arg, out, key);
	else
		mtf_value_write_summand(context, arg, out, key);
}

/* 1 for a document that counts. */
static void
write_one_if_known(const MtfExprContext *context, const MtfTerm *arg, StringInfo out,
				   const char *key)
{
	MtfCall cond;

	if (arg == NULL)
	{
		mtf_write_int(out, key, 1);
		return;
	}
	cond = mtf_call_begin(out, key, "$cond");
	mtf_value_write_present(context, arg, out, mtf_call_next(&cond));
	end_one_if(out, &cond);
}

static void
write_one_if_nan(const MtfExprContext *context, const MtfTerm *arg, StringInfo out, const char *key)
{
	MtfCall cond = mtf_call_begin(out, key, "$cond");

	write_is_nan(context, arg, out, mtf_call_next(&cond));
	end_one_if(out, &cond);
}

/* 0 of the same scale */
static void
write_zero(const MtfExprContext *context, const MtfTerm *arg, StringInfo out, const char *key)
{
	MtfLiteral zero = mtf_literal_decimal("0");
	MtfCall call = mtf_call_begin(out, key, "$multiply");

	mtf_value_write(context, arg, out, mtf_call_next(&call));
	mtf_write_literal(out, mtf_call_next(&call), &zero);
	mtf_call_end(out, &call);
}

/* {$ifNull: [{$toString: value}, ""]} */
static void
write_text(const MtfExprContext *context, const MtfTerm *operand, StringInfo out, const char *key)
{
	MtfLiteral nothing = {.type = MTF_LITERAL_STRING, .data = "", .len = 0};
	MtfCall call = mtf_call_begin(out, key, "$ifNull");
	MtfMark text = mtf_write_begin(out, mtf_call_next(&call));

	mtf_value_write_decimal(context, operand, out, "$toString");
	mtf_write_end(out, text);
	mtf_write_literal(out, mtf_call_next(&call), &nothing);
	mtf_call_end(out, &call);
}

/*
 * {$let: {vars: {t: {$concat: [the operands' texts]}}, in: {$cond: [{$lt: [{$indexOfBytes: ["$$t", "+"]}, 0]},
 * {$strLenBytes: "$$t"}, unknown]}}}.  With a positive exponent a text says less than the number is.
 */
static void
write_length(const MtfExprContext *context, const MtfTerm *arg, StringInfo out, const char *key)
{
	MtfLiteral zero = mtf_literal_int64(0);
	MtfLiteral plus = {.type = MTF_LITERAL_STRING, .data = "+", .len = 1};
	MtfLet let = mtf_let_begin(out, key);
	MtfCall concat = mtf_call_begin(out, "t", "$concat");
	MtfCall cond;
	MtfCall less;
	ListCell *cell;

	foreach (cell, mtf_term_operands((MtfTerm *) arg))
		write_text(context, lfirst(cell), out, mtf_call_next(&concat));
	mtf_call_end(out, &concat);
	cond = mtf_call_begin(out, mtf_let_in(out, &let), "$cond");
	less = mtf_call_begin(out, mtf_call_next(&cond), "$lt");
	mtf_call_write_pair(out, mtf_call_next(&less), "$indexOfBytes", "$$t", &plus);
	mtf_write_literal(out, mtf_call_next(&less), &zero);
	mtf_call_end(out, &less);
	mtf_call_write_unary(out, mtf_call_next(&cond), "$strLenBytes", "$$t");
	mtf_write_int(out, mtf_call_next(&cond), MTF_LENGTH_UNKNOWN);
	mtf_call_end(out, &cond);
	mtf_let_end(out, &let);
}

/* 1 for a number whose exact decimal is not known. */
static void
write_one_if_inexact(const MtfExprContext *context, const MtfTerm *arg, StringInfo out,
					 const char *key)
{
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall both = mtf_call_begin(out, mtf_call_next(&cond), "$and");
	MtfCall unknown;

	unknown = mtf_call_begin(out, mtf_call_next(&both), "$eq");
	mtf_value_write(context, arg, out, mtf_call_next(&unknown));
	mtf_write_null(out, mtf_call_next(&unknown));
	mtf_call_end(out, &unknown);
	mtf_field_write_known(context, arg->field, out, mtf_call_next(&both));
	mtf_call_end(out, &both);
	end_one_if(out, &cond);
}

/* 1 for a whole number outside its type; null is none. */
static void
write_one_if_overflow(const MtfExprContext *context, const MtfTerm *arg, StringInfo out,
					  const char *key)
{
	MtfLiteral low = mtf_literal_int64(mtf_integer_least(arg->overflows));
	MtfLiteral high = mtf_literal_int64(mtf_integer_greatest(arg->overflows));
	MtfLet let = mtf_let_begin(out, key);
	MtfCall cond;
	MtfCall either;
	MtfCall both;

	mtf_value_write(context, arg, out, "v");
	cond = mtf_call_begin(out, mtf_let_in(out, &let), "$cond");
	either = mtf_call_begin(out, mtf_call_next(&cond), "$or");
	mtf_call_write_pair(out, mtf_call_next(&either), "$gt", "$$v", &high);
	both = mtf_call_begin(out, mtf_call_next(&either), "$and");
	mtf_call_write_not_null(out, mtf_call_next(&both), "$$v");
	mtf_call_write_pair(out, mtf_call_next(&both), "$lt", "$$v", &low);
	mtf_call_end(out, &both);
	mtf_call_end(out, &either);
	end_one_if(out, &cond);
	mtf_let_end(out, &let);
}

static void
write_operand(const MtfExprContext *context, const MtfAccumulator *accumulator, StringInfo out,
			  const char *key)
{
	switch ((MtfAccumulate) accumulator->kind)
	{
		case MTF_ACCUMULATE_COUNT: write_one_if_known(context, accumulator->arg, out, key); break;
		case MTF_ACCUMULATE_SUM: write_summand(context, accumulator, out, key); break;
		case MTF_ACCUMULATE_MIN:
		case MTF_ACCUMULATE_MAX: write_comparable(context, accumulator->arg, out, key); break;
		case MTF_ACCUMULATE_LOWEST:
		case MTF_ACCUMULATE_HIGHEST:
			mtf_value_write_summand(context, accumulator->arg, out, key);
			break;
		case MTF_ACCUMULATE_LENGTH: write_length(context, accumulator->arg, out, key); break;
		case MTF_ACCUMULATE_SCALE: write_zero(context, accumulator->arg, out, key); break;
		case MTF_ACCUMULATE_INEXACT:
			write_one_if_inexact(context, accumulator->arg, out, key);
			break;
		case MTF_ACCUMULATE_OVERFLOWS:
			write_one_if_overflow(context, accumulator->arg, out, key);
			break;
		case MTF_ACCUMULATE_NANS: write_one_if_nan(context, accumulator->arg, out, key); break;
		case MTF_ACCUMULATE_FIRST: mtf_value_write(context, accumulator->arg, out, key); break;
		case MTF_ACCUMULATE_STRANGERS:
			if (context->believed != NIL)
				mtf_believed_write_stranger(context, out, key);
			else
				mtf_write_int(out, key, 0);
			break;
		/* All in one (group_stages.c). */
		case MTF_ACCUMULATE_MISFITS: break;
	}
}

static const char *
operator_of(const MtfAccumulator *accumulator)
{
	switch ((MtfAccumulate) accumulator->kind)
	{
		case MTF_ACCUMULATE_MIN:
		case MTF_ACCUMULATE_LOWEST: return "$min";
		case MTF_ACCUMULATE_MAX:
		case MTF_ACCUMULATE_HIGHEST:
		case MTF_ACCUMULATE_LENGTH: return "$max";
		case MTF_ACCUMULATE_FIRST:
			/* One engine takes the $first of a constant for the operator on arrays; all values are equal. */
			return mtf_term_fields(accumulator->arg) == NIL ? "$max" : "$first";
		default: return "$sum";
	}
}

void
mtf_value_write_reaccumulator(const MtfAccumulator *accumulator, StringInfo out)
{
	MtfMark field = mtf_write_begin(out, accumulator->name);

	mtf_write_word(out, operator_of(accumulator), psprintf("$%s", accumulator->name));
	mtf_write_end(out, field);
}

/* The operand where FILTER's condition is true, else null. */
static void
write_filtered(const MtfExprContext *context, const MtfAccumulator *accumulator, StringInfo out,
			   const char *key)
{
	MtfCall cond;

	if (accumulator->filter == NULL)
	{
		write_operand(context, accumulator, out, key);
		return;
	}
	cond = mtf_call_begin(out, key, "$cond");
	mtf_condition_write(context, accumulator->filter, out, mtf_call_next(&cond));
	write_operand(context, accumulator, out, mtf_call_next(&cond));
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

void
mtf_value_write_accumulator(const MtfExprContext *context, const MtfAccumulator *accumulator,
							const char *path, int number, StringInfo out)
{
	MtfLiteral literal = mtf_literal_int64(number);
	MtfMark field = mtf_write_begin(out, accumulator->name);
	const char *op = operator_of(accumulator);
	MtfCall cond;

	if (path == NULL)
		write_filtered(context, accumulator, out, op);
	else
	{
		cond = mtf_call_begin(out, op, "$cond");
		mtf_call_write_pair(out, mtf_call_next(&cond), "$eq", psprintf("$%s", path), &literal);
		write_filtered(context, accumulator, out, mtf_call_next(&cond));
		mtf_write_null(out, mtf_call_next(&cond));
		mtf_call_end(out, &cond);
	}
	mtf_write_end(out, field);
}
