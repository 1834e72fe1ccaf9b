/*
 * aggregate.c
 *	  One aggregate → accumulators of the server's, and the expression that completes it here.
 *
 * The server counts, sums and compares; what makes a result PostgreSQL's own is finished here, by
 * PostgreSQL's functions, over attributes of the scan's slot (MtfFinish): sum(x) without any x is NULL,
 * avg() divides numerics, NaN is the greatest number.
 *
 * Sums of floating point numbers stay local: their result depends on the order of addition.
 *
 * What must not happen here: a value that does not decode dropped in silence (a counter per field
 * raises what the decoder would have).
 */
#include "plan/aggregate.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "plan/collation.h"
#include "plan/compute.h"
#include "plan/relation.h"
#include "plan/shippable.h"

static Node *
no_remote_form(MtfGrouping *grouping, const char *why)
{
	mtf_grouping_local(grouping, why);
	return NULL;
}

/* --- sums ----------------------------------------------------------------------------------------------- */

#define DECIMAL_DIGITS 34 /* of a Decimal128 */
#define COUNT_DIGITS   15 /* of a number of documents */
#define INT4_DIGITS    10

/* Can the argument be summed at all: has every value the same scale? */
static bool
is_summable(MtfGrouping *grouping, const MtfTerm *arg)
{
	if (arg->field != NULL && arg->field->loose)
		return true;
	if (arg->precision >= 0 && arg->scale >= 0 && arg->scale < DECIMAL_DIGITS)
		return true;
	return mtf_grouping_local(grouping, "a numeric without precision and scale");
}

static int32
numeric_typmod(int precision, int scale)
{
	return ((precision << 16) | scale) + VARHDRSZ;
}

static Node *
numeric_constant(const char *text)
{
	return (Node *) makeConst(NUMERICOID, -1, InvalidOid, -1,
							  DirectFunctionCall3(numeric_in, CStringGetDatum(text),
												  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)),
							  false, false);
}

static Node *
magnitude(MtfGrouping *grouping, MtfAccumulate kind, MtfTerm *field)
{
	const char *name = mtf_grouping_accumulate(grouping, kind, field, NULL, true);

	return mtf_finish_call(F_NUMERIC_ABS, NUMERICOID,
						   list_make1(mtf_grouping_hidden(grouping, name, NUMERICOID, -1)));
}

/* Of the field's values: their extremes cost a server less than each one's own magnitude. */
static Node *
greatest_magnitude(MtfGrouping *grouping, MtfTerm *field)
{
	MinMaxExpr *greatest = makeNode(MinMaxExpr);

	greatest->minmaxtype = NUMERICOID;
	greatest->op = IS_GREATEST;
	greatest->args = list_make2(magnitude(grouping, MTF_ACCUMULATE_LOWEST, field),
								magnitude(grouping, MTF_ACCUMULATE_HIGHEST, field));
	greatest->location = -1;
	return (Node *) greatest;
}

/* The greatest absolute value that the term can have, given the greatest ones of its fields. */
static Node *
bound_of(MtfGrouping *grouping, MtfTerm *term)
{
	Node *bound = NULL;
	ListCell *cell;

	if (term->kind == MTF_TERM_VALUE)
		return mtf_finish_call(F_NUMERIC_ABS, NUMERICOID,
							   list_make1(mtf_compute_constant_as_numeric(
								   list_nth(grouping->lowering->values, term->value))));
	if (term->kind == MTF_TERM_FIELD)
		return mtf_finish_first_of(greatest_magnitude(grouping, term), numeric_constant("0"));
	foreach (cell, term->args)
	{
		MtfTerm *arg = lfirst(cell);
		Node *other;

		if (arg->kind < MTF_TERM_FIELD)
			continue; /* a condition of CASE */
		other = bound_of(grouping, arg);
		bound = bound == NULL
					? other
					: mtf_finish_call(term->function == MTF_FUNCTION_MULTIPLY ? F_NUMERIC_MUL
																			  : F_NUMERIC_ADD,
									  NUMERICOID, list_make2(bound, other));
	}
	return bound;
}

/* Unless the condition is false, the server's numbers are not exact. */
static void
need_digits(MtfGrouping *grouping, Node *too_many)
{
	grouping->alarms_here = true;
	grouping->plan->finish =
		lappend(grouping->plan->finish, mtf_finish_create(MTF_FINISH_DIGITS, 0, too_many, NULL));
}

/*
 * A sum is exact if the digits of the greatest summand and of the count fit a Decimal128: by the types,
 * or by the greatest values that there are, which the server then finds too.
 */
static void
guard_digits(MtfGrouping *grouping, MtfTerm *arg, Node *count)
{
	Node *limit;
	Node *total;

	if (arg->precision + COUNT_DIGITS <= DECIMAL_DIGITS)
		return;
	total = mtf_finish_call(
		F_NUMERIC_MUL, NUMERICOID,
		list_make2(bound_of(grouping, arg),
				   mtf_finish_call(F_NUMERIC_INT8, NUMERICOID, list_make1(copyObject(count)))));
	limit = numeric_constant(psprintf("1e%d", DECIMAL_DIGITS - arg->scale));
	need_digits(grouping, mtf_finish_call(F_NUMERIC_GE, BOOLOID, list_make2(total, limit)));
}

/* The same CASE over the scales of its results; other terms have one scale. */
static MtfTerm *
scale_term(MtfGrouping *grouping, MtfTerm *term)
{
	Const *scale;
	MtfTerm *copy;
	ListCell *cell;

	if (term->function != MTF_FUNCTION_CASE)
	{
		scale = makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(term->scale), false,
						  true);
		return mtf_compute(grouping->lowering, (Node *) scale);
	}
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

/* PostgreSQL shows a sum with the greatest scale among what was added; with CASE that varies. */
static Node *
with_scale_seen(MtfGrouping *grouping, Node *sum, MtfTerm *arg, MtfTerm *filter)
{
	Node *scale;

	if (arg->function != MTF_FUNCTION_CASE || arg->scale == 0)
		return sum;
	scale = mtf_grouping_hidden(grouping,
								mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_MAX,
														scale_term(grouping, arg), filter, false),
								INT4OID, -1);
	return mtf_finish_call(F_ROUND_NUMERIC_INT4, NUMERICOID, list_make2(sum, scale));
}

/* sum() as a numeric of the values' scale, 0 when there are none. */
static Node *
sum_attribute(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	const char *name = mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, true);

	return with_scale_seen(grouping,
						   mtf_grouping_hidden(grouping, name, NUMERICOID,
											   numeric_typmod(2 * DECIMAL_DIGITS, arg->scale)),
						   arg, filter);
}

static Node *
count_attribute(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	return mtf_grouping_hidden(
		grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_COUNT, arg, filter, false),
		INT8OID, -1);
}

static Node *
finish_count(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	grouping->remote = mtf_grouping_field(
		mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_COUNT, arg, filter, false), INT8OID);
	grouping->never_null = true;
	return mtf_finish_first_of(count_attribute(grouping, arg, filter), mtf_finish_int8(0));
}

/* The digits behind the point that numerics of any scale may have: the others stand before it. */
#define LOOSE_SCALE 10

/*
 * A numeric of any scale: Decimal128 keeps each number's digits behind the point and adds exactly while
 * 34 digits are enough, so a sum of zeros tells the scale that PostgreSQL's sum has.  Documents with
 * other numbers (doubles with a fraction, NaN) are counted.
 */
static Node *
finish_loose_sum(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	Node *inexact = mtf_grouping_hidden(
		grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_INEXACT, arg, filter, false),
		INT8OID, -1);
	Node *zero = mtf_grouping_hidden(
		grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SCALE, arg, filter, true),
		NUMERICOID, -1);
	Node *scale = mtf_finish_call(F_SCALE, INT4OID, list_make1(zero));
	Node *most = (Node *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
									Int32GetDatum(LOOSE_SCALE), false, true);
	Node *count = count_attribute(grouping, arg, filter);
	Node *total = mtf_finish_call(
		F_NUMERIC_MUL, NUMERICOID,
		list_make2(bound_of(grouping, arg),
				   mtf_finish_call(F_NUMERIC_INT8, NUMERICOID, list_make1(copyObject(count)))));
	Node *limit = numeric_constant(psprintf("1e%d", DECIMAL_DIGITS - LOOSE_SCALE));

	need_digits(grouping, mtf_finish_some(inexact));
	need_digits(grouping, mtf_finish_call(F_INT4GT, BOOLOID, list_make2(copyObject(scale), most)));
	need_digits(grouping, mtf_finish_call(F_NUMERIC_GE, BOOLOID, list_make2(total, limit)));
	return mtf_finish_call(
		F_ROUND_NUMERIC_INT4, NUMERICOID,
		list_make2(mtf_grouping_hidden(
					   grouping,
					   mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, true),
					   NUMERICOID, -1),
				   scale));
}

/* The sum as the server has it, null when nothing was added. */
static void
know_sum(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter, Oid result)
{
	char *name = psprintf("h%d", list_length(grouping->plan->group_values));

	grouping->plan->group_values = lappend(
		grouping->plan->group_values,
		mtf_group_value_create(
			name,
			mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, result != INT8OID),
			mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_COUNT, arg, filter, false)));
	grouping->remote = mtf_grouping_field(name, result);
}

static Node *
finish_sum(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter, Oid result)
{
	Node *count;
	Node *sum;

	if (!is_summable(grouping, arg))
		return NULL;
	count = count_attribute(grouping, arg, filter);
	if (arg->field != NULL && arg->field->loose)
		return mtf_finish_choose(mtf_finish_some(count), finish_loose_sum(grouping, arg, filter),
								 NULL);
	if (result == INT8OID)
		sum = mtf_grouping_hidden(
			grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, false),
			INT8OID, -1);
	else
	{
		guard_digits(grouping, arg, count);
		sum = sum_attribute(grouping, arg, filter);
	}
	know_sum(grouping, arg, filter, result);
	return mtf_finish_choose(mtf_finish_some(count), sum, NULL);
}

/* numeric_div is what PostgreSQL's own avg() of integers and numerics ends with. */
static Node *
finish_avg(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	Node *count;
	Node *quotient;
	Node *sum;

	if (!is_summable(grouping, arg))
		return NULL;
	count = count_attribute(grouping, arg, filter);
	if (arg->field != NULL && arg->field->loose)
		sum = finish_loose_sum(grouping, arg, filter);
	else
	{
		guard_digits(grouping, arg, count);
		sum = sum_attribute(grouping, arg, filter);
	}
	quotient = mtf_finish_call(F_NUMERIC_DIV, NUMERICOID,
							   list_make2(sum, mtf_finish_call(F_NUMERIC_INT8, NUMERICOID,
															   list_make1(copyObject(count)))));
	return mtf_finish_choose(mtf_finish_some(count), quotient, NULL);
}

/* The transition state of avg(int4): {count, sum}. */
static Node *
finish_avg_state(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	ArrayExpr *state = makeNode(ArrayExpr);
	Node *sum;

	if (!is_summable(grouping, arg))
		return NULL;
	sum = mtf_grouping_hidden(
		grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, false),
		INT8OID, -1);
	state->array_typeid = INT8ARRAYOID;
	state->element_typeid = INT8OID;
	state->elements =
		list_make2(mtf_finish_first_of(count_attribute(grouping, arg, filter), mtf_finish_int8(0)),
				   mtf_finish_first_of(sum, mtf_finish_int8(0)));
	state->location = -1;
	return (Node *) state;
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
	Node *scale = mtf_finish_call(F_SCALE, INT4OID, list_make1(copyObject(variance)));
	Node *two =
		(Node *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(2), false, true);
	Node *more =
		(Node *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(64), false, true);
	Node *long_scale = mtf_finish_call(
		F_INT4PL, INT4OID,
		list_make2(mtf_finish_call(F_INT4MUL, INT4OID, list_make2(copyObject(scale), two)), more));
	Node *precise = mtf_finish_call(F_ROUND_NUMERIC_INT4, NUMERICOID,
									list_make2(copyObject(variance), long_scale));
	Node *root = mtf_finish_call(F_SQRT_NUMERIC, NUMERICOID, list_make1(precise));

	/* NaN has no scale. */
	return mtf_finish_first_of(
		mtf_finish_call(F_ROUND_NUMERIC_INT4, NUMERICOID, list_make2(root, scale)), variance);
}

/*
 * (n Σx² - (Σx)²) / (n (n - 1)), or n² for a population: what PostgreSQL's own variances of integers and
 * numerics end with, 0 when it is not above 0.
 */
static Node *
finish_variance(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter, bool sample, bool root)
{
	Node *zero = numeric_constant("0");
	MtfTerm *square;
	Node *count;
	Node *n;
	Node *sum;
	Node *numerator;
	Node *quotient;

	if (!is_summable(grouping, arg))
		return NULL;
	if (arg->scale < 0 || (arg->function == MTF_FUNCTION_CASE && arg->scale > 0))
		return no_remote_form(grouping, "squares of several scales");
	square = square_of(arg);
	count = count_attribute(grouping, arg, filter);
	guard_digits(grouping, square, count);
	n = mtf_finish_call(F_NUMERIC_INT8, NUMERICOID, list_make1(copyObject(count)));
	sum = sum_attribute(grouping, arg, filter);
	numerator = mtf_finish_call(
		F_NUMERIC_SUB, NUMERICOID,
		list_make2(mtf_finish_call(F_NUMERIC_MUL, NUMERICOID,
								   list_make2(n, sum_attribute(grouping, square, filter))),
				   mtf_finish_call(F_NUMERIC_MUL, NUMERICOID, list_make2(sum, copyObject(sum)))));
	quotient = mtf_finish_call(
		F_NUMERIC_DIV, NUMERICOID,
		list_make2(
			numerator,
			mtf_finish_call(F_NUMERIC_MUL, NUMERICOID,
							list_make2(copyObject(n),
									   sample ? mtf_finish_call(F_NUMERIC_SUB, NUMERICOID,
																list_make2(copyObject(n),
																		   numeric_constant("1")))
											  : copyObject(n)))));
	quotient = mtf_finish_choose(
		mtf_finish_call(F_NUMERIC_GT, BOOLOID, list_make2(copyObject(numerator), zero)),
		root ? root_of(quotient) : quotient, copyObject(zero));
	return mtf_finish_choose(
		mtf_finish_call(F_INT8GT, BOOLOID, list_make2(copyObject(count), mtf_finish_int8(sample))),
		quotient, NULL);
}

/* Do computed values of the type compare alike here and there, and show what they are? */
static bool
is_ordered_type(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == BOOLOID ||
		   type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

static Node *
finish_extreme(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter, MtfAccumulate kind,
			   const Aggref *aggref)
{
	const MtfField *field = arg->field;
	int32 typmod = field != NULL && field->kind == MTF_KIND_NUMERIC ? field->typmod : -1;
	Oid type = aggref->aggtype;
	Node *extreme;
	Node *nans;

	if (field == NULL && is_ordered_type(arg->type))
	{
		const char *name = mtf_grouping_accumulate(grouping, kind, arg, filter, false);

		grouping->remote = mtf_grouping_field(name, type);
		return mtf_grouping_hidden(grouping, name, type, -1);
	}
	if (field == NULL)
		return no_remote_form(grouping, "computed values of a type that may look different");
	if ((field->kind == MTF_KIND_TEXT || field->kind == MTF_KIND_OBJECTID) &&
		!mtf_collation_is_byte_order(aggref->inputcollid))
		return no_remote_form(grouping, psprintf("collation %s is not byte order",
												 get_collation_name(aggref->inputcollid)));
	if (field->kind == MTF_KIND_NUMERIC && typmod < 0)
		return no_remote_form(grouping, "equal numerics may have several scales");
	extreme = mtf_grouping_hidden(
		grouping, mtf_grouping_accumulate(grouping, kind, arg, filter, false), type, typmod);
	((Var *) extreme)->varcollid = aggref->aggcollid;
	if (field->kind != MTF_KIND_NUMERIC && field->kind != MTF_KIND_FLOAT8)
	{
		grouping->remote =
			mtf_grouping_field(mtf_grouping_accumulate(grouping, kind, arg, filter, false), type);
		return extreme;
	}
	nans = mtf_grouping_hidden(
		grouping, mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_NANS, arg, filter, false),
		INT8OID, -1);
	if (kind == MTF_ACCUMULATE_MAX)
		return mtf_finish_choose(mtf_finish_some(nans), mtf_finish_nan(type), extreme);
	return mtf_finish_first_of(
		extreme, mtf_finish_choose(mtf_finish_some(nans), mtf_finish_nan(type), NULL));
}

/* count(x) takes any column that can be told to be there. */
static bool
counts_rows(const Aggref *aggref)
{
	return aggref->aggfnoid == F_COUNT_ANY || aggref->aggfnoid == F_COUNT_;
}

static Node *
finish_aggregate(MtfGrouping *grouping, const Aggref *aggref, MtfTerm *arg, MtfTerm *filter)
{
	switch (aggref->aggfnoid)
	{
		case F_COUNT_:
		case F_COUNT_ANY: return finish_count(grouping, arg, filter);
		case F_SUM_INT2:
		case F_SUM_INT4:
		case F_SUM_INT8:
		case F_SUM_NUMERIC: return finish_sum(grouping, arg, filter, aggref->aggtype);
		case F_AVG_INT2:
		case F_AVG_INT4:
		case F_AVG_INT8:
		case F_AVG_NUMERIC:
			if (aggref->aggsplit != AGGSPLIT_SIMPLE)
				return finish_avg_state(grouping, arg, filter);
			return finish_avg(grouping, arg, filter);
		case F_VAR_POP_INT2:
		case F_VAR_POP_INT4:
		case F_VAR_POP_INT8:
		case F_VAR_POP_NUMERIC: return finish_variance(grouping, arg, filter, false, false);
		case F_STDDEV_POP_INT2:
		case F_STDDEV_POP_INT4:
		case F_STDDEV_POP_INT8:
		case F_STDDEV_POP_NUMERIC: return finish_variance(grouping, arg, filter, false, true);
		case F_VARIANCE_INT2:
		case F_VARIANCE_INT4:
		case F_VARIANCE_INT8:
		case F_VARIANCE_NUMERIC:
		case F_VAR_SAMP_INT2:
		case F_VAR_SAMP_INT4:
		case F_VAR_SAMP_INT8:
		case F_VAR_SAMP_NUMERIC: return finish_variance(grouping, arg, filter, true, false);
		case F_STDDEV_INT2:
		case F_STDDEV_INT4:
		case F_STDDEV_INT8:
		case F_STDDEV_NUMERIC:
		case F_STDDEV_SAMP_INT2:
		case F_STDDEV_SAMP_INT4:
		case F_STDDEV_SAMP_INT8:
		case F_STDDEV_SAMP_NUMERIC: return finish_variance(grouping, arg, filter, true, true);
		case F_MIN_INT2:
		case F_MIN_INT4:
		case F_MIN_INT8:
		case F_MIN_FLOAT8:
		case F_MIN_NUMERIC:
		case F_MIN_TEXT:
		case F_MIN_DATE:
		case F_MIN_TIMESTAMP:
		case F_MIN_TIMESTAMPTZ:
		case F_BOOL_AND:
		case F_EVERY: return finish_extreme(grouping, arg, filter, MTF_ACCUMULATE_MIN, aggref);
		case F_MAX_INT2:
		case F_MAX_INT4:
		case F_MAX_INT8:
		case F_MAX_FLOAT8:
		case F_MAX_NUMERIC:
		case F_MAX_TEXT:
		case F_MAX_DATE:
		case F_MAX_TIMESTAMP:
		case F_MAX_TIMESTAMPTZ:
		case F_BOOL_OR: return finish_extreme(grouping, arg, filter, MTF_ACCUMULATE_MAX, aggref);
		default: return no_remote_form(grouping, mtf_lowering_function_reason(aggref->aggfnoid));
	}
}

/* A value of the field that does not decode must raise, as it would have here. */
static void
count_field_misfits(MtfGrouping *grouping, MtfField *field)
{
	MtfTerm *term = mtf_term_create(MTF_TERM_FIELD, MTF_OP_EQ, field, -1, NIL);
	const char *name;
	Var *misfits;
	ListCell *cell;

	if (field->null_mismatch || field->trust)
		return;
	name = mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_MISFITS, term, NULL, false);
	misfits = (Var *) mtf_grouping_hidden(grouping, name, INT8OID, -1);
	foreach (cell, grouping->plan->finish)
	{
		const MtfFinish *finish = lfirst(cell);

		if (finish->kind == MTF_FINISH_MISFITS && finish->attno == misfits->varattno)
			return;
	}
	grouping->plan->alarms = lappend(grouping->plan->alarms, makeString(pstrdup(name)));
	grouping->plan->finish =
		lappend(grouping->plan->finish,
				mtf_finish_create(MTF_FINISH_MISFITS, misfits->varattno, NULL, field->path));
}

void
mtf_grouping_count_misfits(MtfGrouping *grouping, MtfTerm *arg)
{
	ListCell *cell;

	foreach (cell, mtf_term_fields(arg))
		count_field_misfits(grouping, lfirst(cell));
}

static char *
integer_name(Oid type)
{
	return type == INT2OID ? "smallint" : type == INT4OID ? "integer" : "bigint";
}

/* Whole numbers outside their type must raise, as they would have here. */
void
mtf_grouping_count_overflows(MtfGrouping *grouping, MtfTerm *term, MtfTerm *filter)
{
	const char *name;
	ListCell *cell;

	if (term->checked)
	{
		name = mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_OVERFLOWS, term, filter, false);
		grouping->plan->alarms = lappend(grouping->plan->alarms, makeString(pstrdup(name)));
		grouping->plan->finish = lappend(
			grouping->plan->finish,
			mtf_finish_create(MTF_FINISH_OVERFLOW, 0,
							  mtf_finish_some(mtf_grouping_hidden(grouping, name, INT8OID, -1)),
							  integer_name(term->type)));
	}
	foreach (cell, term->args)
		mtf_grouping_count_overflows(grouping, lfirst(cell), filter);
}

/* FILTER (WHERE …) in exact form; false when it has none. */
static bool
lower_filter(MtfGrouping *grouping, const Aggref *aggref, MtfTerm **filter)
{
	const char *why;
	MtfShip ship;

	*filter = NULL;
	if (aggref->aggfilter == NULL)
		return true;
	*filter = mtf_classify_filter(grouping->lowering, (Node *) aggref->aggfilter, &ship, &why);
	return ship == MTF_SHIP_EXACT ||
		   mtf_grouping_local(grouping, why != NULL ? why : "FILTER without exact form");
}

/* --- equality -------------------------------------------------------------------------------------------- */

/* Does the server put exactly those values of a type together that PostgreSQL's = does? */
static bool
type_groups(MtfGrouping *grouping, Node *expr, Oid equality)
{
	const MtfShippable *row = mtf_shippable_find(get_opcode(equality));
	Oid collation = exprCollation(expr);

	if (row == NULL || row->form != MTF_FORM_COMPARE || row->op != MTF_OP_EQ)
		return mtf_grouping_local(grouping, "the type groups by rules that have no remote form");
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		return mtf_grouping_local(
			grouping, psprintf("collation %s is not deterministic", get_collation_name(collation)));
	return true;
}

bool
mtf_grouping_term_groups(MtfGrouping *grouping, const MtfTerm *term, Node *expr, Oid equality)
{
	/* Whole numbers of whatever type: no NaN, no scale. */
	if (term->function == MTF_FUNCTION_EXTRACT)
		return true;
	/* SecantusDB cannot group by Decimal128 and keeps NaNs apart (measured). */
	if (term->type == NUMERICOID || term->type == FLOAT8OID)
		return mtf_grouping_local(grouping,
								  "equal numbers may look different, and servers keep them apart");
	return type_groups(grouping, expr, equality);
}

/* The term that reads a distinct value again where the groups of it have it: canonical, or null. */
static MtfTerm *
distinct_term(const MtfTerm *arg)
{
	MtfField *field = copyObject(arg->field);
	MtfTerm *term = copyObject((MtfTerm *) arg);

	field->path = pstrdup(MTF_DISTINCT_PATH);
	field->trust = field->null_mismatch = true;
	field->any_id = false;
	if (field->kind == MTF_KIND_OBJECTID)
		field->kind = MTF_KIND_TEXT;
	term->field = field;
	return term;
}

/*
 * DISTINCT: documents are grouped by the argument too, first.  One argument only, for all aggregates
 * with DISTINCT; the others are computed in two steps as well.
 */
static MtfTerm *
lower_distinct(MtfGrouping *grouping, const Aggref *aggref, MtfTerm *arg)
{
	SortGroupClause *clause = linitial_node(SortGroupClause, aggref->aggdistinct);
	TargetEntry *entry = linitial(aggref->args);

	if (arg == NULL || arg->kind != MTF_TERM_FIELD || aggref->aggfilter != NULL)
		return mtf_lowering_local(grouping->lowering, "DISTINCT of a column only, without FILTER");
	if (!mtf_grouping_term_groups(grouping, arg, (Node *) entry->expr, clause->eqop))
		return NULL;
	if (grouping->plan->distinct != NULL && !equal(grouping->plan->distinct, arg))
		return mtf_lowering_local(grouping->lowering, "DISTINCT of one column only");
	grouping->plan->distinct = arg;
	return distinct_term(arg);
}

/*
 * Is what one partition brings, for PostgreSQL to combine, a value that it shows: a count, a sum in
 * int8, the least, the greatest, or count and sum of an average of int4?
 */
static bool
has_plain_state(const Aggref *aggref)
{
	if (aggref->aggsplit != AGGSPLIT_INITIAL_SERIAL)
		return false;
	switch (aggref->aggfnoid)
	{
		case F_AVG_INT2:
		case F_AVG_INT4: return aggref->aggtype == INT8ARRAYOID;
		case F_COUNT_:
		case F_COUNT_ANY:
		case F_SUM_INT2:
		case F_SUM_INT4: return aggref->aggtype == INT8OID;
		case F_MIN_INT2:
		case F_MIN_INT4:
		case F_MIN_INT8:
		case F_MIN_FLOAT8:
		case F_MIN_NUMERIC:
		case F_MIN_TEXT:
		case F_MIN_DATE:
		case F_MIN_TIMESTAMP:
		case F_MIN_TIMESTAMPTZ:
		case F_MAX_INT2:
		case F_MAX_INT4:
		case F_MAX_INT8:
		case F_MAX_FLOAT8:
		case F_MAX_NUMERIC:
		case F_MAX_TEXT:
		case F_MAX_DATE:
		case F_MAX_TIMESTAMP:
		case F_MAX_TIMESTAMPTZ:
		case F_BOOL_AND:
		case F_BOOL_OR:
		case F_EVERY: return true;
		default: return false;
	}
}

/* Nothing is proven of sums of floating point numbers, and so of what is made of them. */
static bool
is_float_sum(Oid aggregate)
{
	switch (aggregate)
	{
		case F_SUM_FLOAT4:
		case F_SUM_FLOAT8:
		case F_AVG_FLOAT4:
		case F_AVG_FLOAT8:
		case F_VARIANCE_FLOAT4:
		case F_VARIANCE_FLOAT8:
		case F_VAR_SAMP_FLOAT4:
		case F_VAR_SAMP_FLOAT8:
		case F_VAR_POP_FLOAT4:
		case F_VAR_POP_FLOAT8:
		case F_STDDEV_FLOAT4:
		case F_STDDEV_FLOAT8:
		case F_STDDEV_SAMP_FLOAT4:
		case F_STDDEV_SAMP_FLOAT8:
		case F_STDDEV_POP_FLOAT4:
		case F_STDDEV_POP_FLOAT8: return true;
		default: return false;
	}
}

static bool
sums_numerics(Oid aggregate)
{
	return aggregate == F_SUM_NUMERIC || aggregate == F_AVG_NUMERIC;
}

/* The single argument; false when it has no remote form. */
static bool
lower_argument(MtfGrouping *grouping, const Aggref *aggref, MtfTerm **arg)
{
	MtfField *field = NULL;
	TargetEntry *entry;

	*arg = NULL;
	if (aggref->args == NIL && counts_rows(aggref))
		return true;
	if (list_length(aggref->args) != 1)
		return mtf_grouping_local(grouping, mtf_lowering_function_reason(aggref->aggfnoid));
	if (is_float_sum(aggref->aggfnoid))
		return mtf_grouping_local(grouping,
								  "a sum of floating point numbers depends on their order");
	entry = linitial(aggref->args);
	if ((sums_numerics(aggref->aggfnoid) || counts_rows(aggref)) && aggref->aggdistinct == NIL)
		field = mtf_lowering_loose_field(grouping->lowering, (Node *) entry->expr);
	if (field != NULL)
	{
		*arg = mtf_compute_create(MTF_TERM_FIELD, MTF_FUNCTION_NONE, field, -1, NIL);
		(*arg)->type = NUMERICOID;
		return true;
	}
	return (*arg = mtf_compute(grouping->lowering, (Node *) entry->expr)) != NULL;
}

bool
mtf_grouping_add_aggregate(MtfGrouping *grouping, Aggref *aggref)
{
	MtfTerm *filter;
	MtfTerm *arg;
	Node *result;
	int attno;

	grouping->current = (Expr *) aggref;
	if (aggref->aggsplit != AGGSPLIT_SIMPLE && !has_plain_state(aggref))
		return mtf_grouping_local(grouping, "its partial state is no plain value");
	if (aggref->aggkind != AGGKIND_NORMAL || aggref->aggvariadic ||
		(aggref->aggorder != NIL && aggref->aggdistinct == NIL))
		return mtf_grouping_local(grouping, "an aggregate of ordered or variadic arguments");
	if (!lower_filter(grouping, aggref, &filter) || !lower_argument(grouping, aggref, &arg))
		return false;
	if (arg != NULL)
	{
		mtf_grouping_count_misfits(grouping, arg);
		mtf_grouping_count_overflows(grouping, arg, filter);
	}
	if (aggref->aggdistinct != NIL && (arg = lower_distinct(grouping, aggref, arg)) == NULL)
		return false;
	/* The aggregate's own attribute comes before those that it is made of. */
	attno = mtf_grouping_add(grouping, (Expr *) copyObject(aggref), NULL, aggref->aggtype, -1);
	grouping->in_distinct = aggref->aggdistinct != NIL;
	grouping->remote = NULL;
	grouping->never_null = false;
	result = finish_aggregate(grouping, aggref, arg, filter);
	grouping->in_distinct = false;
	if (result == NULL)
		return false;
	if (grouping->remote != NULL)
		mtf_grouping_know(grouping, (Expr *) aggref, grouping->remote, grouping->never_null);
	grouping->plan->finish =
		lappend(grouping->plan->finish, mtf_finish_create(MTF_FINISH_VALUE, attno, result, NULL));
	return true;
}
