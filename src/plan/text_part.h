/*
 * text_part.h
 *	  left(), right(), substring(), length() and lower(): patterns of the column itself, or computed.
 */
#ifndef MTF_TEXT_PART_H
#define MTF_TEXT_PART_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/lowering.h"

/*
 * part op value, or op ANY or ALL of a list, as patterns of the column: an index serves them.  NULL: it is
 * no part of a text column, or no pattern says it.
 */
extern MtfTerm *mtf_text_comparison(MtfLowering *lowering, MtfTermKind kind, MtfOp op, Node *part,
									Node *value, Oid collation);

/* The exact term of such a call; NULL: it has none, and lowering->why says the reason. */
extern MtfTerm *mtf_compute_text(MtfLowering *lowering, FuncExpr *expr);

#endif /* MTF_TEXT_PART_H */
