/*
 * plan_upper.h
 *	  Planner callbacks above scans: LIMIT, and grouping.
 */
#ifndef MTF_PLAN_UPPER_H
#define MTF_PLAN_UPPER_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/classify.h"
#include "plan/plan_private.h"

#include "foreign/fdwapi.h"

/*
 * A remote query that is more than a scan of one table, complete when its path is made: the only
 * member of ForeignPath.fdw_private.
 */
typedef struct MtfUpperPlan
{
	MtfScanPlan *plan;
	List *values;     /* fdw_exprs */
	List *scan_tlist; /* fdw_scan_tlist: what plan->outputs bring */
	List *quals;      /* tested here, on rows of scan_tlist */
} MtfUpperPlan;

extern void mtfGetForeignUpperPaths(PlannerInfo *root, UpperRelationKind stage,
									RelOptInfo *input_rel, RelOptInfo *output_rel, void *extra);

/*
 * The remote sort of a plain scan: keys that the fields themselves sort right, given `terms` (each of
 * which is rechecked here).  NIL when there is none.
 */
extern List *mtf_upper_plain_sort(MtfLowering *lowering, List *terms, List *pathkeys);

/* Why the rows of a plain scan that has no remote sort are sorted here; NULL: they are not. */
extern const char *mtf_upper_sort_reason(PlannerInfo *root, MtfLowering *lowering, List *terms);

/* The sort keys of `pathkeys`; false when one has no remote form. */
extern bool mtf_upper_add_sort(MtfScanPlan *plan, MtfLowering *lowering, List *pathkeys);

/* The setting that keeps LIMIT here; NULL: none does. */
extern const char *mtf_upper_limit_off(PlannerInfo *root);

/* LIMIT and OFFSET as values; false when one depends on rows. */
extern bool mtf_upper_add_limit(MtfScanPlan *plan, MtfLowering *lowering, Query *parse);

/*
 * For a plan whose LIMIT ends here: the server is asked for so many rows as LIMIT and OFFSET together pass.
 * False, with the reason, when that is no value; without LIMIT the reason is `why_not`.
 */
extern bool mtf_upper_add_limit_and_offset(MtfScanPlan *plan, MtfLowering *lowering,
										   PlannerInfo *root, const char *why_not);

/* The query's own LIMIT and OFFSET above `path`. */
extern Path *mtf_upper_limit_here(PlannerInfo *root, RelOptInfo *final_rel, Path *path,
								  FinalPathExtraData *extra);

/* The plan node of a path of ours that carries a MtfUpperPlan. */
extern ForeignScan *mtf_upper_foreign_plan(ForeignPath *path, List *tlist, Plan *outer_plan);

/* One attribute of the scan per column that `exprs` use; false when a column cannot be one. */
extern bool mtf_upper_add_columns(MtfUpperPlan *upper, MtfLowering *lowering, List *exprs);

#endif /* MTF_PLAN_UPPER_H */
