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

#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/tlist.h"

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

static MtfUpperPlan *
plan_top(PlannerInfo *root, const MtfGroupInfo *info)
{
	MtfGrouping grouping;
	MtfLowering *over;

	if (!mtf_group_plan(root, info, &grouping) || !grouping.whole_having || grouping.alarms_here ||
		!mtf_group_add_target(&grouping, root->upper_targets[UPPERREL_FINAL]->exprs))
		return NULL;
	if (grouping.plan->alarms != NIL && root->parse->limitOffset != NULL)
		return NULL;
	over = mtf_group_lowering(&grouping);
	if (!mtf_upper_add_sort(grouping.plan, over, root->sort_pathkeys) ||
		!mtf_upper_add_limit(grouping.plan, over, root->parse))
		return NULL;
	grouping.upper->values = over->values;
	return grouping.upper;
}

#define REMOTE_LIMIT_FACTOR 0.9

void
mtf_plan_top_paths(PlannerInfo *root, RelOptInfo *final_rel, FinalPathExtraData *extra)
{
	const MtfGroupInfo *info = extra->limit_needed ? group_info(root) : NULL;
	MtfUpperPlan *upper;
	double rows;
	MtfCost cost;

	if (!mtf_setting_enable_limit_pushdown || info == NULL || info->clauses == NIL ||
		mtf_compat_limit_with_ties(root->parse) ||
		(root->sort_pathkeys != NIL && !mtf_setting_enable_sort_pushdown) ||
		(upper = plan_top(root, info)) == NULL)
		return;
	rows = extra->limit_tuples > 0 ? Min(info->groups, extra->limit_tuples) : info->groups;
	cost = mtf_group_cost(info, upper->plan, rows);
	cost.total *= REMOTE_LIMIT_FACTOR;
	add_path(final_rel, (Path *) mtf_compat_create_foreign_upper_path(
							root, final_rel, root->upper_targets[UPPERREL_FINAL], rows, cost.total,
							cost.total, root->sort_pathkeys, NULL, list_make1(upper)));
}
