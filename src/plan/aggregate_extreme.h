/*
 * aggregate_extreme.h
 *	  The least and the greatest: min, max, bool_and, bool_or, every.
 */
#ifndef MTF_AGGREGATE_EXTREME_H
#define MTF_AGGREGATE_EXTREME_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/grouping.h"

/*
 * Accumulators for the aggregate, and the expression that completes it here; NULL, with the reason in
 * lowering->why, when it has no remote form.  `kind` is MIN or MAX.
 */
extern Node *mtf_aggregate_extreme(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter,
								   MtfAccumulate kind, const Aggref *aggref);

#endif /* MTF_AGGREGATE_EXTREME_H */
