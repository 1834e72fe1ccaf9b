/*
 * canonical.c
 *	  The stage in front of a remote $group that checks each used column once.
 *
 * A guard (field_value.c) is many times the work of what it guards, and an aggregate uses a column several
 * times: in its sum, in the count that goes with it, in the counter of misfits.  So the stage adds the
 * canonical value of each column to the document, null where nothing decodes.  (It adds, because a stage
 * that keeps these values only makes one engine write every document anew.)  What is computed of them several
 * times is computed several times: one engine needs more for one more stage than for ten products (m).
 *
 * What must not happen here: a name that meets a field which is read behind the stage.
 */
#include "pipeline/canonical.h"

#include "pipeline/believed.h"
#include "pipeline/field_value.h"
#include "plan/compute.h"

/* Count the uses of the fields of a term that have a guard, but the `untested` ones. */
static void
add_term(MtfCanonical *canonical, MtfTerm *term, const List *untested, Bitmapset **repeated)
{
	ListCell *cell;

	if (term == NULL)
		return;
	foreach (cell, mtf_term_fields(term))
	{
		MtfField *field = lfirst(cell);
		int i = mtf_canonical_find(canonical, field);

		if (list_member(untested, field))
			continue;
		if (i >= 0)
			*repeated = bms_add_member(*repeated, i);
		else if (!field->trust || field->loose)
			canonical->fields = lappend(canonical->fields, field);
	}
}

static void
add_all_terms(MtfCanonical *canonical, const MtfScanPlan *plan, Bitmapset **repeated)
{
	const List *believed = mtf_believed_of(plan);
	ListCell *cell;

	foreach (cell, plan->keys)
		add_term(canonical, lfirst(cell), NIL, repeated);
	foreach (cell, plan->distinct)
		add_term(canonical, lfirst(cell), NIL, repeated);
	foreach (cell, plan->accumulators)
	{
		MtfAccumulator *accumulator = lfirst(cell);

		/* Computed from groups, not from documents. */
		if (accumulator->distinct)
			continue;
		add_term(canonical, accumulator->arg, believed, repeated);
		add_term(canonical, accumulator->filter, believed, repeated);
	}
}

/* Does one of the paths start with the text? */
static bool
starts_a_path(const char *prefix, const List *fields, const List *tenants)
{
	size_t length = strlen(prefix);
	const ListCell *cell;

	foreach (cell, tenants)
		if (strncmp(lfirst(cell), prefix, length) == 0)
			return true;
	foreach (cell, fields)
		if (strncmp(((const MtfField *) lfirst(cell))->path, prefix, length) == 0)
			return true;
	return false;
}

/* All fields that anything of the plan reads behind the stage. */
static List *
fields_of(const MtfScanPlan *plan)
{
	List *fields = NIL;
	ListCell *cell;

	foreach (cell, plan->keys)
		fields = list_concat(fields, mtf_term_fields(lfirst(cell)));
	foreach (cell, plan->distinct)
		fields = list_concat(fields, mtf_term_fields(lfirst(cell)));
	foreach (cell, plan->accumulators)
	{
		MtfAccumulator *accumulator = lfirst(cell);

		if (accumulator->arg != NULL)
			fields = list_concat(fields, mtf_term_fields(accumulator->arg));
		if (accumulator->filter != NULL)
			fields = list_concat(fields, mtf_term_fields(accumulator->filter));
	}
	return fields;
}

char *
mtf_canonical_free_name(const MtfScanPlan *plan, const List *tenants, const char *name)
{
	List *fields = fields_of(plan);
	char *free_name = pstrdup(name);

	while (starts_a_path(free_name, fields, tenants))
		free_name = psprintf("%s_", free_name);
	return free_name;
}

MtfCanonical *
mtf_canonical_of(const MtfScanPlan *plan, const List *tenants)
{
	MtfCanonical *canonical = palloc0(sizeof(MtfCanonical));
	Bitmapset *repeated = NULL;
	List *kept = NIL;
	ListCell *cell;
	int i = 0;

	add_all_terms(canonical, plan, &repeated);
	foreach (cell, canonical->fields)
		if (bms_is_member(i++, repeated))
			kept = lappend(kept, lfirst(cell));
	if (kept == NIL)
		return NULL;
	canonical->fields = kept;
	canonical->prefix = mtf_canonical_free_name(plan, tenants, "v");
	return canonical;
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

char *
mtf_canonical_name(const MtfCanonical *canonical, const MtfField *field)
{
	return psprintf("%s%d", canonical->prefix, mtf_canonical_find(canonical, field));
}

void
mtf_canonical_write(const MtfCanonical *canonical, const MtfExprContext *context, StringInfo out)
{
	ListCell *cell;

	foreach (cell, canonical->fields)
		mtf_field_write_value(context, lfirst(cell), out,
							  mtf_canonical_name(canonical, lfirst(cell)));
}
