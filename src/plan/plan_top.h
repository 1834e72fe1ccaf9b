/*
 * plan_top.h
 *	  ORDER BY and LIMIT above groups.
 */
#ifndef MTF_PLAN_TOP_H
#define MTF_PLAN_TOP_H

#include "base/compat.h"
#include "base/compat_planner.h"

/* Add a remote path for the final step above a grouping step of ours, when all of it is exact. */
extern void mtf_plan_top_paths(PlannerInfo *root, RelOptInfo *final_rel, FinalPathExtraData *extra);

#endif /* MTF_PLAN_TOP_H */
