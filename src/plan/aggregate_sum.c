/*
 * aggregate_sum.c
 *	  Counts and sums, and what PostgreSQL makes of them: averages, variances.
 *
 * The server counts and adds; what makes a result PostgreSQL's own is finished here: the sum of nothing is
 * NULL, avg() divides numerics.  Decimal128 adds exactly while 34 digits are enough: the types prove it, or
 * the server tells the greatest values, too, and what may not have been exact is computed here.
 */
#include "plan/aggregate_sum.h"

#include "catalog/pg_type.h"
#include "utils/fmgroids.h"

#include "plan/compute.h"
#include "plan/node.h"
#include "plan/relation.h"

/* --- sums ----------------------------------------------------------------------------------------------- */

#define COUNT_DIGITS 15 /* of a number of documents */
#define INT4_DIGITS  10

static bool
is_loose(const MtfTerm *arg)
{
	return arg->field != NULL && arg->field->loose;
}

/* Can the argument be summed at all: has every value the same scale? */
static bool
is_summable(MtfGrouping *grouping, const MtfTerm *arg)
{
	if (is_loose(arg))
		return true;
	if (arg->precision >= 0 && arg->scale >= 0 && arg->scale < MTF_DECIMAL_DIGITS)
		return true;
	return mtf_grouping_local(grouping, "a numeric without precision and scale");
}

static Node *
magnitude(MtfGrouping *grouping, MtfAccumulate kind, MtfTerm *field)
{
	const char *name = mtf_grouping_accumulate(grouping, kind, field, NULL, true);

	return mtf_node_call(F_NUMERIC_ABS, NUMERICOID,
						 list_make1(mtf_grouping_hidden(grouping, name, NUMERICOID, -1)));
}

/* Of the field's values: their extremes cost a server less than each one's own magnitude. */
static Node *
greatest_magnitude(MtfGrouping *grouping, MtfTerm *field)
{
	Node *highest = magnitude(grouping, MTF_ACCUMULATE_HIGHEST, field);
	Node *lowest = magnitude(grouping, MTF_ACCUMULATE_LOWEST, field);

	return mtf_node_greatest(lowest, highest);
}

/* The greatest absolute value that the term can have, given the greatest ones of its fields. */
static Node *
bound_of(MtfGrouping *grouping, MtfTerm *term)
{
	Node *bound = NULL;
	ListCell *cell;

	if (term->kind == MTF_TERM_VALUE)
		return mtf_node_call(F_NUMERIC_ABS, NUMERICOID,
							 list_make1(mtf_compute_constant_as_numeric(
								 list_nth(grouping->lowering->values, term->value))));
	if (term->kind == MTF_TERM_FIELD)
		return mtf_node_first_of(greatest_magnitude(grouping, term), mtf_node_numeric("0"));
	foreach (cell, term->args)
	{
		MtfTerm *arg = lfirst(cell);
		Node *other;

		if (arg->kind < MTF_TERM_FIELD)
			continue; /* a condition of CASE */
		other = bound_of(grouping, arg);
		bound = bound == NULL
					? other
					: mtf_node_call(term->function == MTF_FUNCTION_MULTIPLY ? F_NUMERIC_MUL
																			: F_NUMERIC_ADD,
									NUMERICOID, list_make2(bound, other));
	}
	return bound;
}

/* Unless `inexact` is false, the server's numbers are not exact, and all is computed here. */
static void
need_exact(MtfGrouping *grouping, Node *inexact)
{
	grouping->alarms_here = true;
	grouping->plan->finish =
		lappend(grouping->plan->finish, mtf_finish_create(MTF_FINISH_DIGITS, 0, inexact, NULL));
}

/* The scale that a text of zeros can show (pipeline/believed.c). */
#define MAX_BELIEVED_SCALE 6

/*
 * With so few digits a sum cannot outgrow a Decimal128, unless there are more behind the point than declared: then
 * some of those stay.
 */
static bool
can_be_believed(const MtfTerm *operand)
{
	return operand->field->kind == MTF_KIND_NUMERIC && !operand->field->loose &&
		   operand->precision >= 0 && operand->precision + COUNT_DIGITS < MTF_DECIMAL_DIGITS &&
		   operand->scale >= 0 && operand->scale <= MAX_BELIEVED_SCALE;
}

/*
 * Take the term's columns for Decimal128s that fit: then they are used as they are, where a test of each value
 * costs some engines more than to send it.  The group shows whether they were: whether any document has
 * another type there, the extremes of each column, and the scale of its sum, which is that of the longest fraction.
 * False: they must be tested one by one.
 */
static bool
believe(MtfGrouping *grouping, MtfTerm *arg)
{
	MtfScanPlan *plan = grouping->plan;
	List *operands = mtf_term_operands(arg);
	Node *strangers;
	ListCell *cell;

	/* Groups of groups add up what was computed, not documents. */
	if (grouping->in_distinct != 0)
		return false;
	foreach (cell, operands)
		if (!can_be_believed(lfirst(cell)))
			return false;
	strangers = mtf_grouping_hidden(
		grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_STRANGERS, NULL, NULL, false),
		INT8OID, -1);
	if (plan->believed == NIL)
		need_exact(grouping, mtf_node_some(strangers));
	foreach (cell, operands)
	{
		MtfTerm *operand = lfirst(cell);

		if (list_member(plan->believed, operand->field))
			continue;
		plan->believed = lappend(plan->believed, copyObject(operand->field));
		(void) greatest_magnitude(grouping, operand);
		(void) mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SUM, operand, NULL, true);
	}
	return true;
}

/* Is the term made of numbers whose texts the server can measure? */
static bool
is_measurable(const MtfTerm *term)
{
	const MtfField *field = term->field;
	ListCell *cell;

	if (term->kind < MTF_TERM_FIELD || term->kind == MTF_TERM_VALUE)
		return true; /* conditions of CASE choose; constants are known here */
	if (term->kind == MTF_TERM_FIELD)
		return !field->loose && (field->kind == MTF_KIND_NUMERIC || field->kind == MTF_KIND_INT2 ||
								 field->kind == MTF_KIND_INT4 || field->kind == MTF_KIND_INT8);
	if (term->function != MTF_FUNCTION_ADD && term->function != MTF_FUNCTION_SUBTRACT &&
		term->function != MTF_FUNCTION_MULTIPLY && term->function != MTF_FUNCTION_CASE &&
		term->function != MTF_FUNCTION_COALESCE)
		return false;
	foreach (cell, term->args)
		if (!is_measurable(lfirst(cell)))
			return false;
	return true;
}

/*
 * The bound times what constants and additions can make of it: each factor is at least 1, so that the product of
 * two bounds is one of either, and twice that one of their sum.
 */
static Node *
times_constants(MtfGrouping *grouping, const MtfTerm *term, Node *bound)
{
	Node *factor = NULL;
	ListCell *cell;

	if (term->kind == MTF_TERM_VALUE)
		factor = mtf_node_greatest(bound_of(grouping, (MtfTerm *) term), mtf_node_numeric("1"));
	else if (term->function == MTF_FUNCTION_ADD || term->function == MTF_FUNCTION_SUBTRACT)
		factor = mtf_node_numeric("2");
	if (factor != NULL)
		bound = mtf_node_call(F_NUMERIC_MUL, NUMERICOID, list_make2(bound, factor));
	foreach (cell, term->args)
		if (((MtfTerm *) lfirst(cell))->kind >= MTF_TERM_FIELD)
			bound = times_constants(grouping, lfirst(cell), bound);
	return bound;
}

/*
 * No number is as great as 10 to the number of characters of its text, nor a product as 10 to the sum of them:
 * one accumulator for all of a term's columns, where the extremes of each are two.
 */
static Node *
bound_by_length(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	Node *length = mtf_grouping_hidden(
		grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_LENGTH, arg, filter, true),
		INT4OID, -1);
	Node *bound = mtf_node_call(
		F_NUMERIC_POWER, NUMERICOID,
		list_make2(mtf_node_numeric("10"),
				   mtf_node_call(F_NUMERIC_INT4, NUMERICOID,
								 list_make1(mtf_node_first_of(length, mtf_node_int4(0))))));

	return times_constants(grouping, arg, bound);
}

/* What no absolute value of the term is above. */
static Node *
greatest_of(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	if (arg->kind != MTF_TERM_CALL || mtf_term_fields(arg) == NIL || !is_measurable(arg))
		return bound_of(grouping, arg);
	return believe(grouping, arg) ? bound_of(grouping, arg)
								  : bound_by_length(grouping, arg, filter);
}

/* Unless the bound is one of numbers that fit a Decimal128, with `scale` digits behind the point, all is computed here. */
static void
need_below(MtfGrouping *grouping, Node *bound, int scale)
{
	Node *limit = mtf_node_numeric(psprintf("1e%d", MTF_DECIMAL_DIGITS - scale));

	need_exact(grouping, mtf_node_call(F_NUMERIC_GE, BOOLOID, list_make2(bound, limit)));
}

/*
 * A sum is exact if the digits of the greatest summand and of the count fit a Decimal128: by the types,
 * or by the greatest values that there are, which the server then finds too.
 */
static void
guard_digits(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter, Node *count)
{
	Node *total;

	if (arg->precision + COUNT_DIGITS <= MTF_DECIMAL_DIGITS)
		return;
	total = mtf_node_call(
		F_NUMERIC_MUL, NUMERICOID,
		list_make2(greatest_of(grouping, arg, filter),
				   mtf_node_call(F_NUMERIC_INT8, NUMERICOID, list_make1(copyObject(count)))));
	need_below(grouping, total, arg->scale);
}

void
mtf_aggregate_guard_values(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	if (arg->precision > MTF_DECIMAL_DIGITS)
		need_below(grouping, greatest_of(grouping, arg, filter), arg->scale);
}

/* The same CASE over the scales of its results; other terms have one scale. */
static MtfTerm *
scale_term(MtfGrouping *grouping, MtfTerm *term)
{
	MtfTerm *copy;
	ListCell *cell;

	if (term->function != MTF_FUNCTION_CASE)
		return mtf_compute(grouping->lowering, mtf_node_int4(term->scale));
	copy = mtf_term_create(MTF_TERM_CALL, MTF_OP_EQ, NULL, -1, NIL);
	copy->function = MTF_FUNCTION_CASE;
	foreach (cell, term->args)
	{
		MtfTerm *arg = lfirst(cell);

		copy->args =
			lappend(copy->args, arg->kind < MTF_TERM_FIELD ? arg : scale_term(grouping, arg));
	}
	return copy;
}

/* The same where the term is not NULL: what is not added shows no scale. */
static MtfTerm *
scale_of_known(MtfGrouping *grouping, MtfTerm *term)
{
	MtfTerm *known = mtf_term_create(MTF_TERM_COMPARE_VALUES, MTF_OP_EQ, NULL, -1,
									 list_make2(term, copyObject(term)));
	MtfTerm *scale = mtf_term_create(MTF_TERM_CALL, MTF_OP_EQ, NULL, -1,
									 list_make2(known, scale_term(grouping, term)));

	known->as = MTF_COMPARE_NUMBERS;
	scale->function = MTF_FUNCTION_CASE;
	return scale;
}

/* PostgreSQL shows a sum with the greatest scale among what was added; with CASE that varies. */
static Node *
with_scale_seen(MtfGrouping *grouping, Node *sum, MtfTerm *arg, MtfTerm *filter)
{
	Node *scale;

	if (arg->function != MTF_FUNCTION_CASE || arg->scale == 0)
		return sum;
	scale =
		mtf_grouping_hidden(grouping,
							mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_MAX,
													scale_of_known(grouping, arg), filter, false),
							INT4OID, -1);
	return mtf_node_call(F_ROUND_NUMERIC_INT4, NUMERICOID, list_make2(sum, scale));
}

/* sum() as a numeric of the values' scale, 0 when there are none. */
static Node *
sum_attribute(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	const char *name = mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, true);

	return with_scale_seen(
		grouping,
		mtf_grouping_hidden(grouping, name, NUMERICOID, mtf_grouping_numeric_typmod(arg->scale)),
		arg, filter);
}

static Node *
count_attribute(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	return mtf_grouping_hidden(
		grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_COUNT, arg, filter, false),
		INT8OID, -1);
}

Node *
mtf_aggregate_count(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	grouping->remote = mtf_grouping_field(
		mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_COUNT, arg, filter, false), INT8OID);
	grouping->never_null = true;
	return mtf_node_first_of(count_attribute(grouping, arg, filter), mtf_node_int8(0));
}

/* The digits behind the point that numerics of any scale may have: the others stand before it. */
#define LOOSE_SCALE 10

void
mtf_aggregate_need_decimals(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	Node *inexact = mtf_grouping_hidden(
		grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_INEXACT, arg, filter, false),
		INT8OID, -1);

	need_exact(grouping, mtf_node_some(inexact));
}

/*
 * A numeric of any scale: Decimal128 keeps each number's digits behind the point and adds exactly while
 * 34 digits are enough, so a sum of zeros tells the scale that PostgreSQL's sum has.  Documents with
 * other numbers (doubles with a fraction, NaN) are counted.
 */
static Node *
finish_loose_sum(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	Node *zero = mtf_grouping_hidden(
		grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SCALE, arg, filter, true),
		NUMERICOID, -1);
	Node *scale = mtf_node_call(F_SCALE, INT4OID, list_make1(zero));
	Node *count = count_attribute(grouping, arg, filter);
	Node *total = mtf_node_call(
		F_NUMERIC_MUL, NUMERICOID,
		list_make2(bound_of(grouping, arg),
				   mtf_node_call(F_NUMERIC_INT8, NUMERICOID, list_make1(copyObject(count)))));
	Node *limit = mtf_node_numeric(psprintf("1e%d", MTF_DECIMAL_DIGITS - LOOSE_SCALE));

	mtf_aggregate_need_decimals(grouping, arg, filter);
	need_exact(grouping, mtf_node_call(F_INT4GT, BOOLOID,
									   list_make2(copyObject(scale), mtf_node_int4(LOOSE_SCALE))));
	need_exact(grouping, mtf_node_call(F_NUMERIC_GE, BOOLOID, list_make2(total, limit)));
	return mtf_node_call(
		F_ROUND_NUMERIC_INT4, NUMERICOID,
		list_make2(mtf_grouping_hidden(
					   grouping,
					   mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, true),
					   NUMERICOID, -1),
				   scale));
}

/* The sum as the server has it, null when nothing was added; or what its quotient by the count is. */
static void
know_sum(MtfGrouping *grouping, MtfGroupValueKind kind, MtfTerm *arg, MtfTerm *filter, bool decimal,
		 Oid result)
{
	grouping->remote = mtf_grouping_value(
		grouping, kind, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, decimal),
		mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_COUNT, arg, filter, false), result);
}

/* As a numeric that is exact, or the query is answered here. */
static Node *
finish_sum(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter, Node *count)
{
	if (is_loose(arg))
		return finish_loose_sum(grouping, arg, filter);
	guard_digits(grouping, arg, filter, count);
	return sum_attribute(grouping, arg, filter);
}

Node *
mtf_aggregate_sum(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter, Oid result)
{
	/* The sum of what is outside its type may be outside int8, too. */
	bool decimal = result != INT8OID || mtf_term_may_overflow(arg);
	Node *count;
	Node *sum;

	if (!is_summable(grouping, arg))
		return NULL;
	count = count_attribute(grouping, arg, filter);
	if (result == INT8OID)
		sum = mtf_grouping_hidden(
			grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, decimal),
			INT8OID, -1);
	else
		sum = finish_sum(grouping, arg, filter, count);
	if (!is_loose(arg))
		know_sum(grouping, MTF_GROUP_VALUE_SOME, arg, filter, decimal, result);
	return mtf_node_choose(mtf_node_some(count), sum, NULL);
}

/* numeric_div is what PostgreSQL's own avg() of integers and numerics ends with. */
Node *
mtf_aggregate_avg(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	Node *count;
	Node *quotient;
	Node *sum;

	if (!is_summable(grouping, arg))
		return NULL;
	count = count_attribute(grouping, arg, filter);
	sum = finish_sum(grouping, arg, filter, count);
	if (!is_loose(arg))
	{
		know_sum(grouping, MTF_GROUP_VALUE_QUOTIENT, arg, filter, true, NUMERICOID);
		grouping->rounded = true;
	}
	quotient = mtf_node_call(
		F_NUMERIC_DIV, NUMERICOID,
		list_make2(sum, mtf_node_call(F_NUMERIC_INT8, NUMERICOID, list_make1(copyObject(count)))));
	return mtf_node_choose(mtf_node_some(count), quotient, NULL);
}

/* The transition state of avg(int4): {count, sum}. */
Node *
mtf_aggregate_avg_state(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	ArrayExpr *state = makeNode(ArrayExpr);
	Node *sum;

	if (!is_summable(grouping, arg))
		return NULL;
	sum = mtf_grouping_hidden(grouping,
							  mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter,
													  mtf_term_may_overflow(arg)),
							  INT8OID, -1);
	state->array_typeid = INT8ARRAYOID;
	state->element_typeid = INT8OID;
	state->elements =
		list_make2(mtf_node_first_of(count_attribute(grouping, arg, filter), mtf_node_int8(0)),
				   mtf_node_first_of(sum, mtf_node_int8(0)));
	state->location = -1;
	return (Node *) state;
}

Node *
mtf_aggregate_sum_state(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter, bool is_int8,
						Node **count)
{
	Node *sum;

	if (!is_summable(grouping, arg))
		return NULL;
	*count = count_attribute(grouping, arg, filter);
	sum = finish_sum(grouping, arg, filter, *count);
	if (!is_int8 || is_loose(arg))
		return sum;
	need_exact(grouping,
			   mtf_node_call(F_NUMERIC_GT, BOOLOID,
							 list_make2(mtf_node_call(F_NUMERIC_ABS, NUMERICOID, list_make1(sum)),
										mtf_node_numeric("9223372036854775807"))));
	return mtf_node_call(F_INT8_NUMERIC, INT8OID, list_make1(copyObject(sum)));
}

/* --- variances ----------------------------------------------------------------------------------------- */

/* arg², with the digits that it can have. */
static MtfTerm *
square_of(MtfTerm *arg)
{
	MtfTerm *square = mtf_compute_create(MTF_TERM_CALL, MTF_FUNCTION_MULTIPLY, NULL, -1,
										 list_make2(arg, copyObject(arg)));

	square->type = NUMERICOID;
	square->scale = 2 * arg->scale;
	/* Of an int4 the square has less than twice the digits: 2^62. */
	square->precision = arg->precision == INT4_DIGITS ? 2 * INT4_DIGITS - 1 : 2 * arg->precision;
	return square;
}

/*
 * The square root with as many digits behind the point as `variance` has.  sqrt() chooses another number
 * of them; so it is taken of the same value with so many zeros that rounding twice is rounding once.
 */
static Node *
root_of(Node *variance)
{
	Node *scale = mtf_node_call(F_SCALE, INT4OID, list_make1(copyObject(variance)));
	Node *doubled =
		mtf_node_call(F_INT4MUL, INT4OID, list_make2(copyObject(scale), mtf_node_int4(2)));
	Node *long_scale = mtf_node_call(F_INT4PL, INT4OID, list_make2(doubled, mtf_node_int4(64)));
	Node *precise = mtf_node_call(F_ROUND_NUMERIC_INT4, NUMERICOID,
								  list_make2(copyObject(variance), long_scale));
	Node *root = mtf_node_call(F_SQRT_NUMERIC, NUMERICOID, list_make1(precise));

	/* NaN has no scale. */
	return mtf_node_first_of(
		mtf_node_call(F_ROUND_NUMERIC_INT4, NUMERICOID, list_make2(root, scale)), variance);
}

/*
 * (n Σx² - (Σx)²) / (n (n - 1)), or n² for a population: what PostgreSQL's own variances of integers and
 * numerics end with, 0 when it is not above 0.
 */
Node *
mtf_aggregate_variance(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter, bool sample, bool root)
{
	Node *zero = mtf_node_numeric("0");
	MtfTerm *square;
	Node *count;
	Node *n;
	Node *sum;
	Node *numerator;
	Node *quotient;

	if (!is_summable(grouping, arg))
		return NULL;
	if (arg->scale < 0 || (arg->function == MTF_FUNCTION_CASE && arg->scale > 0))
	{
		mtf_grouping_local(grouping, "squares of several scales");
		return NULL;
	}
	square = square_of(arg);
	count = count_attribute(grouping, arg, filter);
	guard_digits(grouping, square, filter, count);
	n = mtf_node_call(F_NUMERIC_INT8, NUMERICOID, list_make1(copyObject(count)));
	sum = sum_attribute(grouping, arg, filter);
	numerator = mtf_node_call(
		F_NUMERIC_SUB, NUMERICOID,
		list_make2(mtf_node_call(F_NUMERIC_MUL, NUMERICOID,
								 list_make2(n, sum_attribute(grouping, square, filter))),
				   mtf_node_call(F_NUMERIC_MUL, NUMERICOID, list_make2(sum, copyObject(sum)))));
	quotient = mtf_node_call(
		F_NUMERIC_DIV, NUMERICOID,
		list_make2(
			numerator,
			mtf_node_call(
				F_NUMERIC_MUL, NUMERICOID,
				list_make2(copyObject(n),
						   sample ? mtf_node_call(F_NUMERIC_SUB, NUMERICOID,
												  list_make2(copyObject(n), mtf_node_numeric("1")))
								  : copyObject(n)))));
	quotient = mtf_node_choose(
		mtf_node_call(F_NUMERIC_GT, BOOLOID, list_make2(copyObject(numerator), zero)),
		root ? root_of(quotient) : quotient, copyObject(zero));
	return mtf_node_choose(
		mtf_node_call(F_INT8GT, BOOLOID, list_make2(copyObject(count), mtf_node_int8(sample))),
		quotient, NULL);
}
