/*
 * plan_join.h
 *	  Planner callback of joins of foreign tables of one database.
 */
#ifndef MTF_PLAN_JOIN_H
#define MTF_PLAN_JOIN_H

#include "base/compat.h"
#include "base/compat_planner.h"

#include "foreign/fdwapi.h"

extern void mtfGetForeignJoinPaths(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
								   RelOptInfo *innerrel, JoinType jointype,
								   JoinPathExtraData *extra);

#endif /* MTF_PLAN_JOIN_H */
