/*
 * shift.h
 *	  A column plus or minus a constant, compared with a value: a range of the column itself.
 */
#ifndef MTF_SHIFT_H
#define MTF_SHIFT_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/lowering.h"

/* The term of `node op value`; NULL, with no reason, when `node` is nothing of the kind. */
extern MtfTerm *mtf_shift_comparison(MtfLowering *lowering, MtfOp op, Node *node, Node *value);

#endif /* MTF_SHIFT_H */
