/*
 * canonical.c
 *	  The stage in front of a remote $group that checks each used column once.
 *
 * A guard (field_value.c) is many times the work of what it guards, and an aggregate uses a column several
 * times: in its sum, in the count that goes with it, in the counter of misfits.  So the stage keeps
 * nothing of a document but the canonical value of each column, null where nothing decodes, and (for
 * the counter of misfits) whether there was a value at all.
 *
 * What must not happen here: a name that comes from a document.  All are ours: no field of a document
 * is left that they could meet.
 */
#include "pipeline/canonical.h"

#include "pipeline/field_value.h"
#include "plan/compute.h"

/* Add the fields of a term, and count how often one with a guard is used again. */
static void
add_term(MtfCanonical *canonical, MtfTerm *term, int *repeated)
{
	ListCell *cell;

	if (term == NULL)
		return;
	foreach (cell, mtf_term_fields(term))
	{
		MtfField *field = lfirst(cell);

		if (!list_member(canonical->fields, field))
			canonical->fields = lappend(canonical->fields, field);
		else if (!field->trust)
			(*repeated)++;
	}
}

MtfCanonical *
mtf_canonical_of(const MtfScanPlan *plan)
{
	MtfCanonical *canonical = palloc0(sizeof(MtfCanonical));
	int repeated = 0;
	ListCell *cell;

	foreach (cell, plan->keys)
		add_term(canonical, lfirst(cell), &repeated);
	add_term(canonical, plan->distinct, &repeated);
	foreach (cell, plan->accumulators)
	{
		MtfAccumulator *accumulator = lfirst(cell);

		/* Computed from groups, not from documents. */
		if (accumulator->distinct)
			continue;
		add_term(canonical, accumulator->arg, &repeated);
		add_term(canonical, accumulator->filter, &repeated);
		if (accumulator->kind == MTF_ACCUMULATE_MISFITS)
			canonical->absent = list_append_unique(canonical->absent, accumulator->arg->field);
	}
	return repeated > 0 ? canonical : NULL;
}

int
mtf_canonical_find(const MtfCanonical *canonical, const MtfField *field)
{
	ListCell *cell;
	int i = 0;

	foreach (cell, canonical->fields)
	{
		if (equal(lfirst(cell), field))
			return i;
		i++;
	}
	return -1;
}

void
mtf_canonical_write(const MtfCanonical *canonical, const MtfExprContext *context, StringInfo out)
{
	ListCell *cell;
	int i = 0;

	foreach (cell, canonical->fields)
	{
		const MtfField *field = lfirst(cell);

		mtf_field_write_value(context, field, out, psprintf("v%d", i));
		if (list_member(canonical->absent, field))
			mtf_field_write_absent(context, field, out, psprintf("n%d", i));
		i++;
	}
}
