/*
 * compute_part.h
 *	  date_trunc(), extract() and casts among dates and timestamps → lowered terms.
 */
#ifndef MTF_COMPUTE_PART_H
#define MTF_COMPUTE_PART_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/compute.h"

/* The exact term of such a call; NULL, with the reason in lowering->why, for any other function. */
extern MtfTerm *mtf_compute_part(MtfLowering *lowering, FuncExpr *expr);

/* The midnight of a computed date, which may stand for any instant of its day; any other value as it is. */
extern MtfTerm *mtf_compute_day(MtfTerm *value);

#endif /* MTF_COMPUTE_PART_H */
