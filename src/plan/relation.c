/*
 * relation.c
 *	  What planning knows about a base foreign table.
 */
#include "plan/relation.h"

#include "nodes/makefuncs.h"

#include "plan/setting.h"

MtfLowering *
mtf_lowering_of_list(PlannerInfo *root, List *baserels)
{
	MtfLowerRel *rels = palloc(sizeof(MtfLowerRel) * list_length(baserels));
	ListCell *cell;
	int n = 0;

	foreach (cell, baserels)
	{
		RelOptInfo *baserel = lfirst(cell);

		rels[n].rti = baserel->relid;
		rels[n++].map = ((MtfRelInfo *) baserel->fdw_private)->map;
	}
	return mtf_lowering_create(root, n, rels);
}

MtfLowering *
mtf_lowering_of(PlannerInfo *root, RelOptInfo *baserel)
{
	return mtf_lowering_of_list(root, list_make1(baserel));
}

MtfTerm *
mtf_classify_filter(MtfLowering *lowering, Node *clause, MtfShip *ship, const char **why)
{
	if (mtf_setting_enable_filter_pushdown)
		return mtf_classify(lowering, clause, ship, why);
	*ship = MTF_SHIP_LOCAL;
	*why = "mongo_tenant.enable_filter_pushdown is off";
	return NULL;
}

void
mtf_plan_project_column(MtfScanPlan *plan, const MtfColumn *column)
{
	if (!plan->projects)
		return;
	/* The whole document, or a name that a projection cannot say: everything travels. */
	if (!mtf_column_is_addressable(column))
	{
		plan->projects = false;
		plan->paths = NIL;
		return;
	}
	plan->paths = lappend(plan->paths, makeString(pstrdup(column->path)));
}
