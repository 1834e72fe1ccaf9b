/*
 * plan_scan.h
 *	  The planner callbacks of a scan of one foreign table.
 *
 * Planning needs no network and no token by default.
 */
#ifndef MTF_PLAN_SCAN_H
#define MTF_PLAN_SCAN_H

#include "base/compat.h"
#include "base/compat_planner.h"

#include "foreign/fdwapi.h"

extern void mtfGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid);
extern void mtfGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid);
extern ForeignScan *mtfGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid,
									  ForeignPath *best_path, List *tlist, List *scan_clauses,
									  Plan *outer_plan);

#endif /* MTF_PLAN_SCAN_H */
