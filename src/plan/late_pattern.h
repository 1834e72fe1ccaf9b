/*
 * late_pattern.h
 *	  LIKE patterns that are known when a plan runs, in plans that are exact.
 */
#ifndef MTF_LATE_PATTERN_H
#define MTF_LATE_PATTERN_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/plan_private.h"

/* Note in the plan the terms of such patterns; `values` are its expressions. */
extern void mtf_late_patterns_find(MtfScanPlan *plan, const List *values);

/* Has the value of such a term an exact form?  `text` is NULL for NULL, which no text is like. */
extern bool mtf_late_pattern_is_exact(const MtfTerm *term, const char *text);

/* The same plan for patterns that have none: more documents, all of them, for a recheck here. */
extern MtfScanPlan *mtf_late_patterns_loosen(const MtfScanPlan *plan);

#endif /* MTF_LATE_PATTERN_H */
