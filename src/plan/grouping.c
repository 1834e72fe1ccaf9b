/*
 * grouping.c
 *	  A grouping step while it is planned: the attributes of its rows, and what completes them here.
 *
 * What must not happen here: an attribute whose place changes (MtfFinish refers to places).
 */
#include "plan/grouping.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

/* An attribute that the query does not ask for. */
typedef struct Hidden
{
	int attno;
	char *name;
	Oid typid;
	int32 typmod;
} Hidden;

/* Stay local, and remember why. */
bool
mtf_grouping_local(MtfGrouping *grouping, const char *why)
{
	return mtf_lowering_local(grouping->lowering, why) != NULL;
}

Node *
mtf_grouping_none(MtfGrouping *grouping, const char *why)
{
	mtf_grouping_local(grouping, why);
	return NULL;
}

/* --- attributes of the slot ------------------------------------------------------------------------ */

int
mtf_grouping_add(MtfGrouping *grouping, Expr *expr, const char *name, Oid typid, int32 typmod)
{
	MtfOutput *output = mtf_output_create(-1, 0, name);
	int attno = list_length(grouping->plan->outputs) + 1;

	output->typid = typid;
	output->typmod = typmod;
	output->collation = exprCollation((Node *) expr);
	grouping->plan->outputs = lappend(grouping->plan->outputs, output);
	grouping->upper->scan_tlist =
		lappend(grouping->upper->scan_tlist, makeTargetEntry(expr, attno, NULL, false));
	return attno;
}

/* A Var of the slot for an accumulator's result, read as the given type. */
Node *
mtf_grouping_hidden(MtfGrouping *grouping, const char *name, Oid typid, int32 typmod)
{
	ListCell *cell;
	Hidden *hidden;

	foreach (cell, grouping->hidden)
	{
		hidden = lfirst(cell);
		if (strcmp(hidden->name, name) == 0 && hidden->typid == typid)
			return (Node *) makeVar(INDEX_VAR, hidden->attno, typid, typmod, InvalidOid, 0);
	}
	hidden = palloc(sizeof(Hidden));
	hidden->name = pstrdup(name);
	hidden->typid = typid;
	hidden->typmod = typmod;
	hidden->attno =
		mtf_grouping_add(grouping, (Expr *) makeNullConst(typid, typmod, get_typcollation(typid)),
						 name, typid, typmod);
	grouping->hidden = lappend(grouping->hidden, hidden);
	return (Node *) makeVar(INDEX_VAR, hidden->attno, typid, typmod, get_typcollation(typid), 0);
}

/* The accumulator's name; equal ones are computed once. */
const char *
mtf_grouping_accumulate(MtfGrouping *grouping, MtfAccumulate kind, MtfTerm *arg, MtfTerm *filter,
						bool decimal)
{
	MtfAccumulator *accumulator = mtf_accumulator_create(kind, arg, filter);
	ListCell *cell;

	accumulator->decimal = decimal;
	accumulator->distinct = grouping->in_distinct;
	foreach (cell, grouping->plan->accumulators)
	{
		MtfAccumulator *other = lfirst(cell);

		accumulator->name = other->name;
		if (equal(accumulator, other))
			return other->name;
	}
	accumulator->name = psprintf("a%d", list_length(grouping->plan->accumulators));
	grouping->plan->accumulators = lappend(grouping->plan->accumulators, accumulator);
	return accumulator->name;
}

const char *
mtf_grouping_first(MtfGrouping *grouping, MtfTerm *value)
{
	int in_distinct = grouping->in_distinct;
	const char *name;

	/* Of documents, not of the groups that are made of them. */
	grouping->in_distinct = 0;
	name = mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_FIRST, value, NULL, false);
	grouping->in_distinct = in_distinct;
	return name;
}

int32
mtf_grouping_numeric_typmod(int scale)
{
	const int precision =
		NUMERIC_MAX_PRECISION; /* a Decimal128 may be a great number of few digits */

	return ((precision << 16) | scale) + VARHDRSZ;
}

/* --- what the server has ------------------------------------------------------------------------------- */

MtfField *
mtf_grouping_field(const char *name, Oid type)
{
	MtfField *field = mtf_field_create();
	MtfKind element;
	MtfKind kind;

	if (!mtf_kind_of_type(type, &kind, &element))
		elog(ERROR, "a group has a value of type %u", type);
	field->path = pstrdup(name);
	field->kind = kind;
	field->typmod = -1;
	/* It is null or of its type: the accumulators saw to that. */
	field->null_mismatch = field->trust = field->exact = true;
	return field;
}

void
mtf_grouping_know(MtfGrouping *grouping, Expr *expr, MtfField *field, bool never_null)
{
	MtfKnown *known = palloc(sizeof(MtfKnown));

	known->expr = expr;
	known->field = field;
	known->never_null = never_null;
	known->rounded = grouping->rounded;
	grouping->known = lappend(grouping->known, known);
}

MtfField *
mtf_grouping_value(MtfGrouping *grouping, MtfGroupValueKind kind, const char *value,
				   const char *count, Oid type)
{
	char *name = psprintf("h%d", list_length(grouping->plan->group_values));

	grouping->plan->group_values =
		lappend(grouping->plan->group_values, mtf_group_value_create(kind, name, value, count));
	return mtf_grouping_field(name, type);
}
