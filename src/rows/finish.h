/*
 * finish.h
 *	  The steps that complete a row of a remote aggregate here (MtfFinish).
 */
#ifndef MTF_FINISH_H
#define MTF_FINISH_H

#include "base/compat.h"
#include "plan/plan_private.h"

typedef struct MtfFinisher MtfFinisher;

/* The plan's steps, ready to run; NULL when there are none.  Lives in the current memory context. */
extern MtfFinisher *mtf_finisher_create(const MtfScanPlan *plan, PlanState *parent);

/* Has it steps that find the server's numbers inexact? */
extern bool mtf_finisher_may_be_inexact(const MtfFinisher *finisher);

/*
 * Complete the decoded row in `slot` (values and isnull are written in place); false when the server's
 * numbers were not exact.  Results live in the expression context's per-tuple memory.  Raises 22018 for a
 * value that did not decode, 22003 for an overflow, and whatever PostgreSQL's own functions raise.
 */
extern bool mtf_finisher_row(MtfFinisher *finisher, TupleTableSlot *slot, ExprContext *econtext);

#endif /* MTF_FINISH_H */
