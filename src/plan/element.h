/*
 * element.h
 *	  Conditions on array columns: their elements, one of them, all of them.
 *
 * All of them are supersets.  NULL: no remote form, and lowering->why may say the reason.
 */
#ifndef MTF_ELEMENT_H
#define MTF_ELEMENT_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/lowering.h"
#include "plan/shippable.h"

/* array @> values, array && values, array = values */
extern MtfTerm *mtf_element_operator(MtfLowering *lowering, OpExpr *expr, const MtfShippable *row,
									 bool negate);

/* value op ANY (array column), value <> ALL (array column) */
extern MtfTerm *mtf_element_any(MtfLowering *lowering, ScalarArrayOpExpr *expr,
								const MtfShippable *row, bool negate);

/* array[n] op value; with kind ANY or ALL, each of a list of values. */
extern MtfTerm *mtf_element_comparison(MtfLowering *lowering, MtfTermKind kind, MtfOp op,
									   Node *element, Node *value, Oid collation);

/* array[n] IS NOT NULL */
extern MtfTerm *mtf_element_not_null(MtfLowering *lowering, Node *element);

#endif /* MTF_ELEMENT_H */
