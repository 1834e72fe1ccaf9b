/*
 * aggregate.c
 *	  One aggregate → accumulators of the server's, and the expression that completes it here.
 *
 * The server counts, sums and compares; what makes a result PostgreSQL's own is finished here, by
 * PostgreSQL's functions, over attributes of the scan's slot (MtfFinish).  Which aggregates there are, the
 * table in shippable.c says.
 *
 * What must not happen here: a value that does not decode dropped in silence (a counter per field
 * raises what the decoder would have).
 */
#include "plan/aggregate.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"

#include "plan/aggregate_extreme.h"
#include "plan/aggregate_sum.h"
#include "plan/compute.h"
#include "plan/compute_part.h"
#include "plan/group_key.h"
#include "plan/node.h"
#include "plan/relation.h"
#include "plan/shippable.h"

static Node *
finish_aggregate(MtfGrouping *grouping, MtfForm form, const Aggref *aggref, MtfTerm *arg,
				 MtfTerm *filter)
{
	switch (form)
	{
		case MTF_FORM_COUNT: return mtf_aggregate_count(grouping, arg, filter);
		case MTF_FORM_SUM: return mtf_aggregate_sum(grouping, arg, filter, aggref->aggtype);
		case MTF_FORM_AVG:
			if (aggref->aggsplit != AGGSPLIT_SIMPLE)
				return mtf_aggregate_avg_state(grouping, arg, filter);
			return mtf_aggregate_avg(grouping, arg, filter);
		case MTF_FORM_VAR_POP: return mtf_aggregate_variance(grouping, arg, filter, false, false);
		case MTF_FORM_VAR_SAMP: return mtf_aggregate_variance(grouping, arg, filter, true, false);
		case MTF_FORM_STDDEV_POP: return mtf_aggregate_variance(grouping, arg, filter, false, true);
		case MTF_FORM_STDDEV_SAMP: return mtf_aggregate_variance(grouping, arg, filter, true, true);
		case MTF_FORM_MIN:
			return mtf_aggregate_extreme(grouping, arg, filter, MTF_ACCUMULATE_MIN, aggref);
		case MTF_FORM_MAX:
			return mtf_aggregate_extreme(grouping, arg, filter, MTF_ACCUMULATE_MAX, aggref);
		default: return mtf_grouping_none(grouping, "no aggregate");
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

	if (term->overflows != InvalidOid)
	{
		name = mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_OVERFLOWS, term, filter, false);
		grouping->plan->alarms = lappend(grouping->plan->alarms, makeString(pstrdup(name)));
		grouping->plan->finish = lappend(
			grouping->plan->finish,
			mtf_finish_create(MTF_FINISH_OVERFLOW, 0,
							  mtf_node_some(mtf_grouping_hidden(grouping, name, INT8OID, -1)),
							  integer_name(term->overflows)));
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

/* --- DISTINCT -------------------------------------------------------------------------------------------- */

/* The term that reads a distinct value again where the groups of it have it: canonical, or null. */
static MtfTerm *
distinct_term(const MtfTerm *arg, const char *path)
{
	MtfTerm *term = mtf_compute_create(MTF_TERM_FIELD, MTF_FUNCTION_NONE,
									   mtf_grouping_field(path, arg->type), -1, NIL);

	if (arg->type == NUMERICOID && arg->field != NULL)
		term->field->typmod = arg->field->typmod;
	term->type = arg->type;
	term->precision = arg->precision;
	term->scale = arg->scale;
	return term;
}

/* The value where the condition is true, else null. */
static MtfTerm *
value_where(MtfTerm *filter, MtfTerm *value)
{
	MtfTerm *choice =
		mtf_compute_create(MTF_TERM_CALL, MTF_FUNCTION_CASE, NULL, -1, list_make2(filter, value));

	choice->type = value->type;
	choice->precision = value->precision;
	choice->scale = value->scale;
	return choice;
}

/* The number of the list of distinct values, from 1 on. */
static int
number_of_distinct(MtfGrouping *grouping, MtfTerm *key)
{
	ListCell *cell;
	int n = 0;

	foreach (cell, grouping->plan->distinct)
	{
		n++;
		if (equal(lfirst(cell), key))
			return n;
	}
	grouping->plan->distinct = lappend(grouping->plan->distinct, key);
	return n + 1;
}

/*
 * DISTINCT: documents are grouped by the argument too, first; the other aggregates are computed in two
 * steps as well.  Of several arguments each document is taken once for each (group_stages.c).  FILTER is
 * part of the argument: every aggregate here passes over NULL.
 */
static MtfTerm *
lower_distinct(MtfGrouping *grouping, const Aggref *aggref, MtfTerm *arg, MtfTerm **filter)
{
	SortGroupClause *clause = linitial_node(SortGroupClause, aggref->aggdistinct);
	TargetEntry *entry = linitial(aggref->args);
	MtfTerm *shown = arg;
	MtfTerm *key;

	if (arg == NULL || !mtf_group_key(grouping, arg, (Node *) entry->expr, clause->eqop, &key))
		return NULL;
	if (*filter != NULL)
	{
		shown = value_where(*filter, arg);
		if (key == arg)
			key = shown;
		else
			linitial(key->args) = value_where(*filter, linitial(key->args));
		*filter = NULL;
	}
	key = mtf_compute_day(key);
	grouping->in_distinct = number_of_distinct(grouping, key);
	/* Numbers are put together by what equal ones have in common: the value itself comes beside it. */
	return distinct_term(arg, key->function == MTF_FUNCTION_NUMBER_KEY
								  ? mtf_grouping_first(grouping, shown)
								  : MTF_DISTINCT_PATH);
}

/* --- the argument ---------------------------------------------------------------------------------------- */

/* The single argument; false when it has no remote form. */
static bool
lower_argument(MtfGrouping *grouping, MtfForm form, const Aggref *aggref, MtfTerm **arg)
{
	bool takes_loose = form == MTF_FORM_COUNT || form == MTF_FORM_SUM || form == MTF_FORM_AVG ||
					   form == MTF_FORM_MIN || form == MTF_FORM_MAX;
	MtfField *field = NULL;
	TargetEntry *entry;

	*arg = NULL;
	if (aggref->args == NIL && form == MTF_FORM_COUNT)
		return true;
	if (list_length(aggref->args) != 1)
		return mtf_grouping_local(grouping, mtf_lowering_function_reason(aggref->aggfnoid));
	entry = linitial(aggref->args);
	/* The least of distinct values is the least of all; of distinct sums the scale is not known. */
	if (takes_loose && (aggref->aggdistinct == NIL || form == MTF_FORM_COUNT ||
						form == MTF_FORM_MIN || form == MTF_FORM_MAX))
		field = mtf_lowering_loose_field(grouping->lowering, (Node *) entry->expr);
	if (field == NULL)
		return (*arg = mtf_compute(grouping->lowering, (Node *) entry->expr)) != NULL;
	*arg = mtf_compute_create(MTF_TERM_FIELD, MTF_FUNCTION_NONE, field, -1, NIL);
	(*arg)->type = exprType((Node *) entry->expr);
	return true;
}

/*
 * Can what one partition brings be combined by PostgreSQL: a value that it shows (a count, a sum in int8, the
 * least, the greatest, count and sum of an average of int4), or a state that its own functions make of a sum
 * and a count?
 */
static bool
has_partial_state(MtfForm form, const Aggref *aggref)
{
	return aggref->aggsplit == AGGSPLIT_INITIAL_SERIAL &&
		   (aggref->aggtype != BYTEAOID || form == MTF_FORM_SUM || form == MTF_FORM_AVG);
}

/* The row of the table for the aggregate; NULL, with the reason, when it has no remote form. */
static const MtfShippable *
find_row(MtfGrouping *grouping, const Aggref *aggref)
{
	const MtfShippable *row = mtf_shippable_find(aggref->aggfnoid);

	if (aggref->aggkind != AGGKIND_NORMAL || aggref->aggvariadic ||
		(aggref->aggorder != NIL && aggref->aggdistinct == NIL))
		mtf_grouping_local(grouping, "an aggregate of ordered or variadic arguments");
	else if (row == NULL || row->form < MTF_FORM_COUNT)
		mtf_grouping_local(grouping, mtf_lowering_function_reason(aggref->aggfnoid));
	else if (row->ship == MTF_SHIP_LOCAL)
		mtf_grouping_local(grouping, row->why);
	else if (aggref->aggsplit != AGGSPLIT_SIMPLE && !has_partial_state(row->form, aggref))
		mtf_grouping_local(grouping, "its partial state is neither a value nor a sum and a count");
	else
		return row;
	return NULL;
}

/* The steps that complete the aggregate's attribute; false, with the reason, when it has no remote form. */
static bool
add_finish(MtfGrouping *grouping, MtfForm form, const Aggref *aggref, MtfTerm *arg, MtfTerm *filter,
		   int attno)
{
	bool is_state = aggref->aggtype == BYTEAOID;
	Node *count = NULL;
	MtfFinish *finish;
	Node *result;

	if (is_state)
		result = mtf_aggregate_sum_state(grouping, arg, filter,
										 linitial_oid(aggref->aggargtypes) == INT8OID, &count);
	else
		result = finish_aggregate(grouping, form, aggref, arg, filter);
	if (result == NULL)
		return false;
	finish = mtf_finish_create(is_state ? MTF_FINISH_STATE : MTF_FINISH_VALUE, attno, result, NULL);
	finish->count = count;
	grouping->plan->finish = lappend(grouping->plan->finish, finish);
	return true;
}

bool
mtf_grouping_add_aggregate(MtfGrouping *grouping, Aggref *aggref)
{
	const MtfShippable *row;
	bool distinct;
	MtfTerm *filter;
	MtfTerm *arg;
	bool added;
	int attno;

	grouping->current = (Expr *) aggref;
	if ((row = find_row(grouping, aggref)) == NULL || !lower_filter(grouping, aggref, &filter) ||
		!lower_argument(grouping, row->form, aggref, &arg))
		return false;
	if (arg != NULL)
	{
		mtf_grouping_count_misfits(grouping, arg);
		mtf_grouping_count_overflows(grouping, arg, filter);
	}
	if (arg != NULL && aggref->aggdistinct != NIL && row->form == MTF_FORM_COUNT &&
		arg->field != NULL && arg->field->loose)
		mtf_aggregate_need_decimals(grouping, arg, filter);
	distinct = aggref->aggdistinct != NIL && row->form != MTF_FORM_MIN && row->form != MTF_FORM_MAX;
	if (distinct && (arg = lower_distinct(grouping, aggref, arg, &filter)) == NULL)
		return false;
	/* The aggregate's own attribute comes before those that it is made of. */
	attno = mtf_grouping_add(grouping, (Expr *) copyObject(aggref), NULL, aggref->aggtype, -1);
	grouping->remote = NULL;
	grouping->never_null = grouping->rounded = false;
	added = add_finish(grouping, row->form, aggref, arg, filter, attno);
	grouping->in_distinct = 0;
	if (!added)
		return false;
	if (grouping->remote != NULL)
		mtf_grouping_know(grouping, (Expr *) aggref, grouping->remote, grouping->never_null);
	grouping->rounded = false;
	return true;
}
