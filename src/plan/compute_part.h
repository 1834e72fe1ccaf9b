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

/* The midnight of a term of type date, which may stand for any instant of its day. */
extern MtfTerm *mtf_compute_day(MtfTerm *date);

#endif /* MTF_COMPUTE_PART_H */
