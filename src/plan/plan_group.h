/*
 * plan_group.h
 *	  GROUP BY and aggregates above one foreign table.
 */
#ifndef MTF_PLAN_GROUP_H
#define MTF_PLAN_GROUP_H

#include "base/compat.h"
#include "base/compat_planner.h"

/* Add a remote path for the grouping step, when all of it is exact. */
extern void mtf_plan_group_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *grouped_rel,
								 GroupPathExtraData *extra);

/* The same for SELECT DISTINCT: keys without aggregates. */
extern void mtf_plan_distinct_paths(PlannerInfo *root, RelOptInfo *input_rel,
									RelOptInfo *distinct_rel);

#endif /* MTF_PLAN_GROUP_H */
