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

#include "plan/plan_first.h"
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

static bool
add_limit(MtfScanPlan *plan, MtfLowering *over, PlannerInfo *root)
{
	Query *parse = root->parse;

	if (!skips_here(plan, parse))
		return mtf_upper_add_limit(plan, over, parse);
	return mtf_upper_add_limit_and_offset(plan, over, root,
										  "OFFSET: a group that is an error is not passed over");
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
	else if (grouping.plan->patterns != NIL)
		*why = "LIMIT: a pattern that is known later may have no exact form there";
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
	return skips ? mtf_upper_limit_here(root, final_rel, path, extra) : path;
}

void
mtf_plan_top_paths(PlannerInfo *root, RelOptInfo *final_rel, FinalPathExtraData *extra)
{
	const MtfGroupInfo *info = extra->limit_needed ? group_info(root) : NULL;
	const char *why = NULL;
	MtfUpperPlan *upper;

	if (info == NULL || (info->clauses == NIL && !info->firsts))
		return;
	if ((why = mtf_upper_limit_off(root)) == NULL && info->firsts)
	{
		mtf_plan_first_limit(root, info, final_rel, extra);
		return;
	}
	if (why == NULL && (upper = plan_top(root, info, &why)) != NULL)
		add_path(final_rel, create_top_path(root, final_rel, extra, upper, info));
	else if (why != NULL)
		info->upper->plan->decisions =
			lappend(info->upper->plan->decisions, mtf_decision_create(MTF_SHIP_LOCAL, NULL, why));
}
