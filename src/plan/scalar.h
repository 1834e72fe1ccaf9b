/*
 * scalar.h
 *	  Comparisons whose operands are not a column and a value: two columns, COALESCE, CASE, arithmetic.
 */
#ifndef MTF_SCALAR_H
#define MTF_SCALAR_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/lowering.h"

/* left op right, at least one of them computed or both columns; NULL: no remote form. */
extern MtfTerm *mtf_scalar_comparison(MtfLowering *lowering, OpExpr *expr, MtfOp op);

/* computed value op ANY or ALL (list); NULL: no remote form. */
extern MtfTerm *mtf_scalar_list(MtfLowering *lowering, ScalarArrayOpExpr *expr, MtfTermKind kind,
								MtfOp op);

/* A computed boolean: op is one of IS [NOT] TRUE and FALSE.  NULL: no remote form. */
extern MtfTerm *mtf_scalar_truth(MtfLowering *lowering, Node *node, MtfOp op);

/* computed value IS [NOT] NULL; NULL: no remote form. */
extern MtfTerm *mtf_scalar_null_test(MtfLowering *lowering, Node *node, bool is_null);

#endif /* MTF_SCALAR_H */
