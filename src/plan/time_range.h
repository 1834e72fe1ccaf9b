/*
 * time_range.h
 *	  Comparisons of date_trunc(), extract(year), casts to date and AT TIME ZONE as ranges of the column itself.
 */
#ifndef MTF_TIME_RANGE_H
#define MTF_TIME_RANGE_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/lowering.h"

/* part(column) op value, or value op part(column), where an index on the column serves; NULL: it is none of those. */
extern MtfTerm *mtf_time_range(MtfLowering *lowering, OpExpr *expr, MtfOp op);

#endif /* MTF_TIME_RANGE_H */
