/*
 * plan_group.h
 *	  GROUP BY and aggregates above one foreign table.
 */
#ifndef MTF_PLAN_GROUP_H
#define MTF_PLAN_GROUP_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/cost.h"
#include "plan/grouping.h"

/* Kept in RelOptInfo.fdw_private of a grouping step that can run remotely. */
typedef struct MtfGroupInfo
{
	RelOptInfo *input; /* a table or a join of ours */
	PathTarget *target;
	List *
		clauses; /* of SortGroupClause: GROUP BY's or DISTINCT's; NIL: all documents are one group */
	List *having;
	bool firsts; /* DISTINCT ON: no groups but their first rows (plan_first.c) */
	double groups;
	MtfUpperPlan *upper; /* of its own path: shows why steps above it stay local */
} MtfGroupInfo;

/* Plan the step; false when it has no remote form (the reason is shown by the scan below). */
extern bool mtf_group_plan(PlannerInfo *root, const MtfGroupInfo *info, MtfGrouping *grouping);

/* The cost of the step when `rows` groups come back. */
extern MtfCost mtf_group_cost(const MtfGroupInfo *info, const MtfScanPlan *plan, double rows);

/* A lowering of expressions over the step's groups. */
extern MtfLowering *mtf_group_lowering(const MtfGrouping *grouping);

/* Everything in `exprs` that is not there yet; false when it is no expression over groups. */
extern bool mtf_group_add_target(MtfGrouping *grouping, List *exprs);

/* Add a remote path for the grouping step, when all of it is exact. */
extern void mtf_plan_group_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *grouped_rel,
								 GroupPathExtraData *extra);

/* The same for a partition's part of groups that other partitions have, too. */
extern void mtf_plan_partial_group_paths(PlannerInfo *root, RelOptInfo *input_rel,
										 RelOptInfo *partial_rel, GroupPathExtraData *extra);

/* The same for SELECT DISTINCT: keys without aggregates. */
extern void mtf_plan_distinct_paths(PlannerInfo *root, RelOptInfo *input_rel,
									RelOptInfo *distinct_rel);

#endif /* MTF_PLAN_GROUP_H */
