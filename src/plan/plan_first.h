/*
 * plan_first.h
 *	  DISTINCT ON: the first row of each group, in an order.
 */
#ifndef MTF_PLAN_FIRST_H
#define MTF_PLAN_FIRST_H

#include "base/compat.h"
#include "base/compat_planner.h"

/* Add a remote path for SELECT DISTINCT ON, when all of it is exact. */
extern void mtf_plan_first_paths(PlannerInfo *root, RelOptInfo *input_rel,
								 RelOptInfo *distinct_rel);

#endif /* MTF_PLAN_FIRST_H */
