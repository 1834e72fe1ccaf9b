/*
 * time_range.h
 *	  Comparisons of date_trunc(), extract(year) and casts to date as ranges of the column itself.
 */
#ifndef MTF_TIME_RANGE_H
#define MTF_TIME_RANGE_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/lowering.h"

/* part(column) op constant, where an index on the column serves; NULL: it is none of those. */
extern MtfTerm *mtf_time_range(MtfLowering *lowering, Node *part, Node *constant, MtfOp op);

#endif /* MTF_TIME_RANGE_H */
