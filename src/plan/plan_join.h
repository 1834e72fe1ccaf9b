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

/* Keep why tables of ours are joined here about which PostgreSQL does not ask: of two servers, or two users. */
extern void mtf_plan_join_note_other(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
									 RelOptInfo *innerrel, List *clauses);

/* From _PG_init only. */
extern void mtf_plan_join_init(void);

/*
 * The server refused a join by $unionWith and $group.  For some minutes this backend plans none for it, and what
 * was planned before is planned again.
 */
extern void mtf_plan_join_refused(Oid serverid);

#endif /* MTF_PLAN_JOIN_H */
