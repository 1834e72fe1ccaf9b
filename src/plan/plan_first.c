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
#include "optimizer/paths.h"
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

/*
 * The plan; NULL, with the reason shown by the scan, when the step has no remote form.  With LIMIT (why_no_limit
 * is not NULL) the reason is given there when LIMIT has none.
 */
static MtfUpperPlan *
plan_first(PlannerInfo *root, RelOptInfo *rel, const char **why_no_limit)
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
	if (why_no_limit != NULL &&
		!mtf_upper_add_limit_and_offset(
			plan, lowering, root, "OFFSET: without LIMIT all rows come, and are passed over here"))
	{
		*why_no_limit = lowering->why;
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
	return root->distinct_pathkeys != NIL && !parse->hasAggs && parse->groupClause == NIL &&
		   !parse->hasWindowFuncs && !parse->hasTargetSRFs && !root->hasHavingQual &&
		   parse->setOperations == NULL &&
		   (IS_JOIN_REL(rel) ||
			(rel->reloptkind == RELOPT_BASEREL && !root->simple_rte_array[rel->relid]->inh));
}

/* As PostgreSQL reckons a sort, and what its keys cost, which are those of the groups as well. */
static Cost
cost_of_sort(const MtfPrices *prices, const MtfScanPlan *plan, double documents)
{
	List *fields = NIL;
	ListCell *cell;

	foreach (cell, plan->sort)
		fields = lappend(fields, ((MtfSortKey *) lfirst(cell))->field);
	return 2 * mtf_cost_keys(prices, fields, documents) +
		   2.0 * cpu_operator_cost * documents * log2(Max(documents, 2.0));
}

/* The path of the first rows, `rows` of them, in a relation of the planner's; with a Unique above (see the head). */
static Path *
create_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel, MtfUpperPlan *upper,
			double rows)
{
	QualCost none = {0};
	double documents = mtf_documents_below(input_rel);
	const MtfPrices *prices = mtf_prices_of(input_rel);
	MtfCost cost = mtf_cost_scan(prices, documents, rows, input_rel->reltarget->width, &none);
	Path *path;

	cost.total += cost_of_sort(prices, upper->plan, input_rel->rows);
	if (IS_JOIN_REL(input_rel))
		cost.total += ((MtfJoinInfo *) input_rel->fdw_private)->work;
	else
		cost.total += mtf_cost_filters(prices, upper->plan->terms, input_rel->rows);
	path = (Path *) mtf_compat_create_foreign_upper_path(
		root, output_rel, root->upper_targets[UPPERREL_DISTINCT], rows, cost.total, cost.total,
		needed_order(root), NULL, list_make1(upper));
	return (Path *) create_upper_unique_path(root, output_rel, path,
											 list_length(root->distinct_pathkeys), rows);
}

void
mtf_plan_first_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *distinct_rel)
{
	MtfGroupInfo *info;
	MtfUpperPlan *upper;

	if (!is_possible(root, input_rel))
		return;
	if (!mtf_setting_enable_sort_pushdown)
		mtf_explain_local(input_rel, NULL, "DISTINCT ON: mongo_tenant.enable_sort_pushdown is off");
	if (!mtf_setting_enable_sort_pushdown || (upper = plan_first(root, input_rel, NULL)) == NULL)
		return;
	info = palloc0(sizeof(MtfGroupInfo));
	info->input = input_rel;
	info->firsts = true;
	info->upper = upper;
	info->groups = mtf_compat_estimate_num_groups(
		root, get_sortgrouplist_exprs(root->parse->distinctClause, root->processed_tlist),
		input_rel->rows);
	distinct_rel->fdw_private = info;
	add_path(distinct_rel, create_path(root, input_rel, distinct_rel, upper, info->groups));
}

/* --- LIMIT ---------------------------------------------------------------------------------------------- */

/* Why LIMIT above the first rows ends here alone; NULL: it need not. */
static const char *
limit_obstacle(PlannerInfo *root)
{
	if (mtf_compat_limit_with_ties(root->parse))
		return "LIMIT: rows that tie are found here";
	if (!equal(root->upper_targets[UPPERREL_FINAL]->exprs,
			   root->upper_targets[UPPERREL_DISTINCT]->exprs))
		return "LIMIT: values that are computed after DISTINCT ON";
	if (!pathkeys_contained_in(root->sort_pathkeys, needed_order(root)))
		return "LIMIT: another order than that of DISTINCT ON";
	return NULL;
}

/* A server that sends all documents sends no less for LIMIT: so LIMIT and OFFSET end here. */
void
mtf_plan_first_limit(PlannerInfo *root, const MtfGroupInfo *info, RelOptInfo *final_rel,
					 FinalPathExtraData *extra)
{
	const char *why = limit_obstacle(root);
	MtfUpperPlan *upper = why == NULL ? plan_first(root, info->input, &why) : NULL;
	double rows = extra->limit_tuples > 0 ? Min(info->groups, extra->limit_tuples) : info->groups;

	if (upper != NULL)
		add_path(final_rel, mtf_upper_limit_here(
								root, final_rel,
								create_path(root, info->input, final_rel, upper, rows), extra));
	else if (why != NULL)
		info->upper->plan->decisions =
			lappend(info->upper->plan->decisions, mtf_decision_create(MTF_SHIP_LOCAL, NULL, why));
}
