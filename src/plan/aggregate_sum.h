/*
 * aggregate_sum.h
 *	  Counts and sums, and what PostgreSQL makes of them: averages, variances.
 *
 * Each function adds accumulators to the grouping and returns the expression that completes the aggregate
 * here; NULL, with the reason in lowering->why, when it has no remote form.
 */
#ifndef MTF_AGGREGATE_SUM_H
#define MTF_AGGREGATE_SUM_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/grouping.h"

extern Node *mtf_aggregate_count(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter);
extern Node *mtf_aggregate_sum(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter, Oid result);
extern Node *mtf_aggregate_avg(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter);

/* The transition state of avg(int4): {count, sum}. */
extern Node *mtf_aggregate_avg_state(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter);

/*
 * The sum and the count of which the transition state of sum() or avg() of int8 or numeric is made.  A sum of
 * int8 comes as one.
 */
extern Node *mtf_aggregate_sum_state(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter,
									 bool is_int8, Node **count);

/* Of a sample or a population; its square root or itself. */
extern Node *mtf_aggregate_variance(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter,
									bool sample, bool root);

/* All is computed here unless 34 digits do for each of the values. */
extern void mtf_aggregate_guard_values(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter);

/* All is computed here unless all numbers of a numeric of any scale are decimals that the server knows. */
extern void mtf_aggregate_need_decimals(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter);

#endif /* MTF_AGGREGATE_SUM_H */
