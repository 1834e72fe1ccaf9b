/*
 * plan_first.c
 *	  DISTINCT ON: the first row of each group, in an order.
 *
 * The server sorts, takes the first document of each group, and sorts those again.  Which one of several
 * that sort alike is the first, SQL leaves open.  A Unique stands above: one server does not take the first
 * of sorted documents under a collation, and is asked for all of them.
 *
 * What must not happen here: a first row above a superset.
 */
#include "plan/plan_first.h"

#include <math.h>

#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/pathnode.h"
#include "optimizer/tlist.h"

#include "plan/compute.h"
#include "plan/compute_part.h"
#include "plan/cost.h"
#include "plan/group_key.h"
#include "plan/plan_upper.h"
#include "plan/relation.h"
#include "plan/setting.h"

/* The order that rows come in: ORDER BY begins with the keys of DISTINCT ON, or there are no other keys. */
static List *
needed_order(PlannerInfo *root)
{
	return list_length(root->distinct_pathkeys) < list_length(root->sort_pathkeys)
			   ? root->sort_pathkeys
			   : root->distinct_pathkeys;
}

static bool
add_keys(MtfGrouping *grouping, PlannerInfo *root)
{
	ListCell *cell;

	foreach (cell, root->parse->distinctClause)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, cell);
		Node *expr = get_sortgroupclause_expr(clause, root->processed_tlist);
		MtfTerm *value;
		MtfTerm *key;

		grouping->current = (Expr *) expr;
		value = mtf_compute(grouping->lowering, expr);
		if (value == NULL || !mtf_group_key(grouping, value, expr, clause->eqop, &key))
			return false;
		grouping->plan->first_of = lappend(grouping->plan->first_of, mtf_compute_day(key));
	}
	grouping->current = NULL;
	return true;
}

/* The plan; NULL, with the reason shown by the scan, when the step has no remote form. */
static MtfUpperPlan *
plan_first(PlannerInfo *root, RelOptInfo *rel)
{
	MtfGrouping grouping = {0};
	MtfScanPlan *plan = mtf_scan_plan_create();
	MtfLowering *lowering = mtf_remote_begin(root, rel, plan, false);

	if (lowering == NULL)
	{
		mtf_explain_local(rel, NULL, "DISTINCT ON: a condition below it is not exact");
		return NULL;
	}
	grouping.lowering = lowering;
	grouping.upper = palloc0(sizeof(MtfUpperPlan));
	grouping.upper->plan = grouping.plan = plan;
	if (!add_keys(&grouping, root) || !mtf_upper_add_sort(plan, lowering, needed_order(root)))
	{
		mtf_explain_local(rel, grouping.current, lowering->why);
		return NULL;
	}
	/* The server keeps whole documents of ours: those with keys computed must not be wanted as they are. */
	if (!mtf_upper_add_columns(grouping.upper, lowering,
							   root->upper_targets[UPPERREL_DISTINCT]->exprs) ||
		!plan->projects)
	{
		mtf_explain_local(rel, NULL, "DISTINCT ON: whole rows or documents are wanted");
		return NULL;
	}
	grouping.upper->values = lowering->values;
	return grouping.upper;
}

/* Rows as the query has them before DISTINCT: nothing but a table or a join of ours, and expressions. */
static bool
is_possible(PlannerInfo *root, RelOptInfo *rel)
{
	const Query *parse = root->parse;

	/* Keys that are constants are no keys. */
	return mtf_setting_enable_sort_pushdown && root->distinct_pathkeys != NIL && !parse->hasAggs &&
		   parse->groupClause == NIL && !parse->hasWindowFuncs && !parse->hasTargetSRFs &&
		   !root->hasHavingQual && parse->setOperations == NULL &&
		   (IS_JOIN_REL(rel) ||
			(rel->reloptkind == RELOPT_BASEREL && !root->simple_rte_array[rel->relid]->inh));
}

/* As PostgreSQL reckons a sort, and what its keys cost, which are those of the groups as well. */
static Cost
cost_of_sort(const MtfScanPlan *plan, double documents)
{
	List *fields = NIL;
	ListCell *cell;

	foreach (cell, plan->sort)
		fields = lappend(fields, ((MtfSortKey *) lfirst(cell))->field);
	return 2 * mtf_cost_keys(fields, documents) +
		   2.0 * cpu_operator_cost * documents * log2(Max(documents, 2.0));
}

void
mtf_plan_first_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *distinct_rel)
{
	QualCost none = {0};
	MtfUpperPlan *upper;
	double documents;
	double rows;
	MtfCost cost;
	Path *path;

	if (!is_possible(root, input_rel) || (upper = plan_first(root, input_rel)) == NULL)
		return;
	rows = mtf_compat_estimate_num_groups(
		root, get_sortgrouplist_exprs(root->parse->distinctClause, root->processed_tlist),
		input_rel->rows);
	documents = mtf_documents_below(input_rel);
	cost = mtf_cost_scan(documents, rows, input_rel->reltarget->width, &none);
	cost.total += cost_of_sort(upper->plan, input_rel->rows);
	if (IS_JOIN_REL(input_rel))
		cost.total += ((MtfJoinInfo *) input_rel->fdw_private)->work;
	else
		cost.total += mtf_cost_filters(upper->plan->terms, input_rel->rows);
	path = (Path *) mtf_compat_create_foreign_upper_path(
		root, distinct_rel, root->upper_targets[UPPERREL_DISTINCT], rows, cost.total, cost.total,
		needed_order(root), NULL, list_make1(upper));
	add_path(distinct_rel,
			 (Path *) create_upper_unique_path(root, distinct_rel, path,
											   list_length(root->distinct_pathkeys), rows));
}
