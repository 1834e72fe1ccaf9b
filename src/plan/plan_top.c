/*
 * plan_top.c
 *	  ORDER BY and LIMIT above groups: the first of them by count, by sum, by key.
 *
 * What the server cuts off is gone.  So everything before has to be exact (HAVING too), and a group of
 * which something would have raised here comes first of all (MtfScanPlan.alarms): it is never cut off.
 *
 * What must not happen here: OFFSET passing over such a group.
 */
#include "plan/plan_top.h"

#include "catalog/pg_type.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/tlist.h"
#include "utils/fmgroids.h"

#include "plan/node.h"
#include "plan/plan_group.h"
#include "plan/plan_upper.h"
#include "plan/setting.h"

/* The last grouping step below the final one, when it is ours. */
static const MtfGroupInfo *
group_info(PlannerInfo *root)
{
	Query *parse = root->parse;
	bool groups = parse->groupClause != NIL || parse->hasAggs || root->hasHavingQual;
	List *rels = root->upper_rels[groups ? UPPERREL_GROUP_AGG : UPPERREL_DISTINCT];

	if (parse->commandType != CMD_SELECT || parse->rowMarks != NIL || parse->hasTargetSRFs ||
		parse->hasWindowFuncs || parse->setOperations != NULL || parse->groupingSets != NIL ||
		(groups && parse->distinctClause != NIL) || list_length(rels) != 1)
		return NULL;
	return ((RelOptInfo *) linitial(rels))->fdw_private;
}

/*
 * A group that may be an error must not be passed over: it comes first of all, and is looked at here before
 * PostgreSQL skips rows.  So OFFSET is applied here, and the server brings as many more.
 */
static bool
skips_here(const MtfScanPlan *plan, const Query *parse)
{
	return plan->alarms != NIL && parse->limitOffset != NULL;
}

/* LIMIT and OFFSET together: NULL, which is no limit, where there is none or the sum is none. */
static Node *
count_with_offset(const Query *parse)
{
	/* A negative one is an error, but not the server's. */
	Node *offset = mtf_node_greatest(copyObject(parse->limitOffset), mtf_node_int8(0));
	Node *room;
	Node *fits;

	room = mtf_node_call(F_INT8MI, INT8OID,
						 list_make2(mtf_node_int8(PG_INT64_MAX), copyObject(offset)));
	fits = mtf_node_call(F_INT8LE, BOOLOID, list_make2(copyObject(parse->limitCount), room));
	return mtf_node_choose(
		fits, mtf_node_call(F_INT8PL, INT8OID, list_make2(copyObject(parse->limitCount), offset)),
		NULL);
}

static bool
add_limit(MtfScanPlan *plan, MtfLowering *over, PlannerInfo *root)
{
	Query *parse = root->parse;

	if (!skips_here(plan, parse))
		return mtf_upper_add_limit(plan, over, parse);
	if (parse->limitCount == NULL)
		return mtf_lowering_local(over, "OFFSET: a group that is an error is not passed over") !=
			   NULL;
	plan->limit = mtf_lowering_value(over, eval_const_expressions(root, count_with_offset(parse)));
	return plan->limit >= 0 || mtf_lowering_local(over, "LIMIT: a count that is no value") != NULL;
}

/* The plan; NULL, with the reason, when the step has no remote form. */
static MtfUpperPlan *
plan_top(PlannerInfo *root, const MtfGroupInfo *info, const char **why)
{
	MtfGrouping grouping;
	MtfLowering *over;

	if (!mtf_group_plan(root, info, &grouping))
		return NULL;
	if (mtf_compat_limit_with_ties(root->parse))
		*why = "LIMIT: groups that tie are found here";
	else if (!grouping.whole_having)
		*why = "LIMIT: the server does not test all of HAVING";
	else if (grouping.alarms_here)
		*why = "LIMIT: the server's numbers may not be exact";
	else if (!mtf_group_add_target(&grouping, root->upper_targets[UPPERREL_FINAL]->exprs))
		*why = "LIMIT: not an expression over keys and aggregates";
	if (*why != NULL)
		return NULL;
	over = mtf_group_lowering(&grouping);
	if (!mtf_upper_add_sort(grouping.plan, over, root->sort_pathkeys) ||
		!add_limit(grouping.plan, over, root))
	{
		*why = over->why;
		return NULL;
	}
	grouping.upper->values = over->values;
	return grouping.upper;
}

#define REMOTE_LIMIT_FACTOR 0.9

/* The path for the final step: with a Limit above it where rows are skipped here. */
static Path *
create_top_path(PlannerInfo *root, RelOptInfo *final_rel, FinalPathExtraData *extra,
				MtfUpperPlan *upper, const MtfGroupInfo *info)
{
	bool skips = skips_here(upper->plan, root->parse);
	double rows = extra->limit_tuples > 0 ? Min(info->groups, extra->limit_tuples) : info->groups;
	MtfCost cost = mtf_group_cost(info, upper->plan, rows);
	Path *path;

	cost.total *= REMOTE_LIMIT_FACTOR;
	path = (Path *) mtf_compat_create_foreign_upper_path(
		root, final_rel, root->upper_targets[UPPERREL_FINAL], rows, cost.total, cost.total,
		root->sort_pathkeys, NULL, list_make1(upper));
	if (!skips)
		return path;
	return (Path *) create_limit_path(root, final_rel, path, root->parse->limitOffset,
									  root->parse->limitCount, LIMIT_OPTION_COUNT,
									  extra->offset_est, extra->count_est);
}

void
mtf_plan_top_paths(PlannerInfo *root, RelOptInfo *final_rel, FinalPathExtraData *extra)
{
	const MtfGroupInfo *info = extra->limit_needed ? group_info(root) : NULL;
	const char *why = NULL;
	MtfUpperPlan *upper;

	if (!mtf_setting_enable_limit_pushdown || info == NULL || info->clauses == NIL ||
		(root->sort_pathkeys != NIL && !mtf_setting_enable_sort_pushdown))
		return;
	if ((upper = plan_top(root, info, &why)) != NULL)
		add_path(final_rel, create_top_path(root, final_rel, extra, upper, info));
	else if (why != NULL)
		info->upper->plan->decisions =
			lappend(info->upper->plan->decisions, mtf_decision_create(MTF_SHIP_LOCAL, NULL, why));
}
