/*
 * cost_expression.c
 *	  What expressions are believed to cost the server.
 *
 * What decodes here and means the same there is computed there by expressions of many operators, each
 * evaluated for each document: a guard of a numeric costs more than to send the number.  Weights are in
 * operators, whose price is the option remote_operator_cost: measured on secantusd-rs (test/tpch/grid.py), 0.6
 * microseconds each, where a document that is sent and decoded takes 5.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"

#include "plan/compute.h"
#include "plan/cost.h"

/* A field as it is, in operators. */
#define READING 0.5
/* Of several lists of distinct values: a document's copy for each, with a group of its own (measured). */
#define LIST_OPERATORS 20
/* Of several conditions the first that fails ends the test, and those on one field share its guard. */
#define FILTER_FACTOR 0.15

/* --- values ---------------------------------------------------------------------------------------- */

/* Testing and converting a field's value. */
static double
guard_of(const MtfField *field)
{
	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_NUMERIC:
			/* Of any scale: whole doubles and decimals are told apart. */
			if (field->loose)
				return 12;
			if (field->trust)
				return 0.7;
			return field->typmod >= 0 ? 5.5 : 6;
		case MTF_KIND_FLOAT4:
		case MTF_KIND_FLOAT8:
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: return field->trust ? READING : 3;
		default: return field->trust ? READING : 2;
	}
}

/* `guarded`: tested here, not by a stage before */
static double
field_value(const MtfField *field, bool guarded)
{
	return guarded || field->trust ? guard_of(field) : READING;
}

static double condition(const MtfTerm *term, bool guarded);

/* Computing a value. */
static double
value(const MtfTerm *term, bool guarded)
{
	double operators = 0.5;
	ListCell *cell;

	if (term->kind == MTF_TERM_FIELD)
		return field_value(term->field, guarded);
	if (term->kind == MTF_TERM_CALL)
		operators = 2;
	foreach (cell, term->args)
	{
		const MtfTerm *arg = lfirst(cell);

		operators += arg->kind < MTF_TERM_FIELD ? condition(arg, guarded) : value(arg, guarded);
	}
	return operators;
}

static double
condition(const MtfTerm *term, bool guarded)
{
	double operators = term->field != NULL ? 1.5 + field_value(term->field, guarded) : 1;
	ListCell *cell;

	foreach (cell, term->args)
	{
		const MtfTerm *arg = lfirst(cell);

		operators += arg->kind < MTF_TERM_FIELD ? condition(arg, guarded) : value(arg, guarded);
	}
	return operators;
}

/* --- filters ---------------------------------------------------------------------------------------- */

Cost
mtf_cost_filters(const MtfPrices *prices, const List *terms, double passed)
{
	double operators = 0;
	const ListCell *cell;

	foreach (cell, terms)
	{
		const MtfTerm *term = lfirst(cell);

		/* A scan evaluates the others, too. */
		if (term->field != NULL && !term->field->trust)
			operators += condition(term, true);
	}
	return operators * passed * FILTER_FACTOR * prices->operation;
}

Cost
mtf_cost_keys(const MtfPrices *prices, const List *fields, double documents)
{
	double operators = 0;
	const ListCell *cell;

	foreach (cell, fields)
		operators += guard_of(lfirst(cell));
	return operators * documents * prices->operation;
}

/* --- groups ----------------------------------------------------------------------------------------- */

static List *
add_fields(List *fields, MtfTerm *term)
{
	return term == NULL ? fields : list_concat_unique(fields, mtf_term_fields(term));
}

/* What a stage that adds fields to documents costs, however few. */
#define ADDED_STAGE 4

/* Equal numbers of several types have one key, and NaN its own place. */
#define DECIMAL_ORDER 5

/* Of fields that are used untested (pipeline/believed.c): an accumulator, the order of two values, a test of the type. */
#define BELIEVED_FIELD 0.5
#define BELIEVED_ORDER 1
#define BELIEVED_TYPE  1

static bool
is_decimal(const MtfTerm *term)
{
	return term != NULL && (term->type == NUMERICOID || term->type == FLOAT8OID ||
							(term->field != NULL && (term->field->kind == MTF_KIND_NUMERIC ||
													 term->field->kind == MTF_KIND_FLOAT8)));
}

static bool
is_extreme(const MtfAccumulator *accumulator)
{
	return accumulator->kind >= MTF_ACCUMULATE_MIN && accumulator->kind <= MTF_ACCUMULATE_HIGHEST;
}

static bool
is_believed(const MtfScanPlan *plan, const MtfTerm *arg)
{
	return arg != NULL && arg->kind == MTF_TERM_FIELD && list_member(plan->believed, arg->field);
}

/* `computed`: values that are paid for, once for all uses (pipeline/canonical.c) */
static double
accumulate(const MtfScanPlan *plan, const MtfAccumulator *accumulator, List **computed)
{
	double operators = 1;

	if (accumulator->kind == MTF_ACCUMULATE_STRANGERS)
		return operators + BELIEVED_TYPE * list_length(plan->believed);
	if (accumulator->filter != NULL)
		operators += condition(accumulator->filter, false);
	if (is_believed(plan, accumulator->arg))
		return operators + BELIEVED_FIELD - 1 + (is_extreme(accumulator) ? BELIEVED_ORDER : 0);
	if (is_extreme(accumulator) && is_decimal(accumulator->arg))
		operators += DECIMAL_ORDER;
	if (accumulator->arg != NULL && !list_member(*computed, accumulator->arg))
	{
		operators += value(accumulator->arg, false);
		*computed = lappend(*computed, accumulator->arg);
	}
	return operators;
}

/* The tests of the fields, each once, in a stage before. */
static double
test_fields(const MtfScanPlan *plan, const List *fields)
{
	double operators = 0;
	const ListCell *cell;

	foreach (cell, fields)
	{
		const MtfField *field = lfirst(cell);

		if ((!field->trust || field->loose) && !list_member(plan->believed, field))
			operators += guard_of(field);
	}
	return operators > 0 || plan->believed == NIL ? ADDED_STAGE + operators : 0;
}

Cost
mtf_cost_groups(const MtfPrices *prices, const MtfScanPlan *plan, double documents)
{
	double operators = 2 * list_length(plan->keys);
	List *fields = NIL;
	List *computed = NIL;
	ListCell *cell;

	foreach (cell, plan->keys)
	{
		fields = add_fields(fields, lfirst(cell));
		if (is_decimal(lfirst(cell)))
			operators += DECIMAL_ORDER;
	}
	foreach (cell, plan->accumulators)
	{
		const MtfAccumulator *accumulator = lfirst(cell);

		operators += accumulate(plan, accumulator, &computed);
		fields = add_fields(add_fields(fields, accumulator->arg), accumulator->filter);
	}
	foreach (cell, plan->distinct)
	{
		operators += 2 + value(lfirst(cell), false);
		fields = add_fields(fields, lfirst(cell));
	}
	if (list_length(plan->distinct) > 1)
		operators = list_length(plan->distinct) * (operators + LIST_OPERATORS);
	return (operators + test_fields(plan, fields)) * documents * prices->operation;
}

/* --- sorts ------------------------------------------------------------------------------------------- */

#define SORT_OPERATORS 3
/* Null, NaN and the number, a key each, of what was computed. */
#define NUMERIC_KEY 35

Cost
mtf_cost_sort(const MtfPrices *prices, const List *sort, double documents)
{
	double operators = SORT_OPERATORS;
	bool computed = false;
	const ListCell *cell;

	foreach (cell, sort)
	{
		const MtfSortKey *key = lfirst(cell);

		if (key->plain)
			continue;
		computed = true;
		operators += 2 + guard_of(key->field);
		if (key->field->kind == MTF_KIND_NUMERIC)
			operators += NUMERIC_KEY;
	}
	if (computed)
		operators += ADDED_STAGE;
	return operators * documents * prices->operation;
}
