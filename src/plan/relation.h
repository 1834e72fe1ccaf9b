/*
 * relation.h
 *	  What planning knows about a base foreign table, shared by plan_scan, plan_upper and plan_join.
 */
#ifndef MTF_RELATION_H
#define MTF_RELATION_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "options/column.h"
#include "plan/classify.h"

/* Kept in RelOptInfo.fdw_private. */
typedef struct MtfRelInfo
{
	MtfColumnMap *map;
	List *remote;                   /* of RestrictInfo: base clauses of which something is sent */
	Selectivity remote_selectivity; /* of `remote` */
} MtfRelInfo;

/* A lowering over one base relation, and over several (their RelOptInfos). */
extern MtfLowering *mtf_lowering_of(PlannerInfo *root, RelOptInfo *baserel);
extern MtfLowering *mtf_lowering_of_list(PlannerInfo *root, List *baserels);

/*
 * mtf_classify() under mongo_tenant.enable_filter_pushdown: off, everything is local.
 */
extern MtfTerm *mtf_classify_filter(MtfLowering *lowering, Node *clause, MtfShip *ship,
									const char **why);

/* Keep a column in the plan's projection; one that no projection can name ends projecting. */
extern void mtf_plan_project_column(MtfScanPlan *plan, const MtfColumn *column);

#endif /* MTF_RELATION_H */
