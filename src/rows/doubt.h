/*
 * doubt.h
 *	  Aggregates whose numbers from the server turned out not to be exact: which are computed here at once.
 *
 * A doubtful aggregate (MTF_FINISH_DIGITS) that has to be computed here after all has cost a command for nothing.  What
 * a tenant's documents hold changes seldom, so the same aggregates of the same reader are not tried again for a while.
 */
#ifndef MTF_DOUBT_H
#define MTF_DOUBT_H

#include "base/compat.h"

#include "plan/plan_private.h"
#include "tenant/session.h"

typedef struct MtfDoubt MtfDoubt;

/* For one scan, in the current memory context; NULL: nothing is kept for whoever reads. */
extern MtfDoubt *mtf_doubt_create(const MtfScanPlan *plan, Oid userid, MtfBinding *binding);

/* Were these aggregates inexact a while ago?  Of NULL false. */
extern bool mtf_doubt_is_known(const MtfDoubt *doubt);

/* They are.  NULL: nothing happens. */
extern void mtf_doubt_keep(const MtfDoubt *doubt);

#endif /* MTF_DOUBT_H */
