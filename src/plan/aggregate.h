/*
 * aggregate.h
 *	  One aggregate → accumulators of the server's, and the expression that completes it here.
 */
#ifndef MTF_AGGREGATE_H
#define MTF_AGGREGATE_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/grouping.h"

/* Values of the term's fields that do not decode must raise, as they would have here. */
extern void mtf_grouping_count_misfits(MtfGrouping *grouping, MtfTerm *term);

/* The same for whole numbers outside their type; `filter` tells which documents count. */
extern void mtf_grouping_count_overflows(MtfGrouping *grouping, MtfTerm *term, MtfTerm *filter);

/* An attribute for the aggregate, and what it is made of; false, with the reason, when it has no form. */
extern bool mtf_grouping_add_aggregate(MtfGrouping *grouping, Aggref *aggref);

#endif /* MTF_AGGREGATE_H */
