/*
 * plan_bind.h
 *	  Bind joins: a join that runs here and asks for the inner documents by batches of outer keys.
 */
#ifndef MTF_PLAN_BIND_H
#define MTF_PLAN_BIND_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/classify.h"
#include "plan/cost.h"

#include "nodes/extensible.h"

/* Install the planner's hook; from _PG_init only.  The plan room does not know who runs the plans. */
extern void mtf_plan_bind_init(const CustomScanMethods *methods);

/* Add the lists of keys to the plan of the inner scan; `keys` is of a path made in plan_bind.c. */
extern void mtf_plan_bind_scan(MtfScanPlan *plan, MtfLowering *lowering, const MtfFacts *facts,
							   List *keys);

#endif /* MTF_PLAN_BIND_H */
