/*
 * plan_first.h
 *	  DISTINCT ON: the first row of each group, in an order.
 */
#ifndef MTF_PLAN_FIRST_H
#define MTF_PLAN_FIRST_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/plan_group.h"

/* Add a remote path for SELECT DISTINCT ON, when all of it is exact. */
extern void mtf_plan_first_paths(PlannerInfo *root, RelOptInfo *input_rel,
								 RelOptInfo *distinct_rel);

/* The same with LIMIT above, given the step's own. */
extern void mtf_plan_first_limit(PlannerInfo *root, const MtfGroupInfo *info, RelOptInfo *final_rel,
								 FinalPathExtraData *extra);

#endif /* MTF_PLAN_FIRST_H */
