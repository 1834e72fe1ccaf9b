/*
 * choice.h
 *	  CASE and COALESCE: what every reader of them shares.
 */
#ifndef MTF_CHOICE_H
#define MTF_CHOICE_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/classify.h"

/* How the reader lowers a value; NULL: it has no exact form. */
typedef MtfTerm *(*MtfLowerValue)(MtfLowering *lowering, Node *node);

/* An exact condition; NULL, with the reason in lowering->why: it has no exact form. */
extern MtfTerm *mtf_choice_condition(MtfLowering *lowering, Node *node);

/* The exact condition of one WHEN, also of `CASE x WHEN y`; NULL as above. */
extern MtfTerm *mtf_choice_when(MtfLowering *lowering, CaseExpr *expr, CaseWhen *when);

/* Condition, result, condition, result, … of every WHEN into *terms; false: one has no exact form. */
extern bool mtf_choice_branches(MtfLowering *lowering, CaseExpr *expr, MtfLowerValue lower,
								List **terms);

/* Each value into *terms; false: one has no exact form. */
extern bool mtf_choice_values(MtfLowering *lowering, List *values, MtfLowerValue lower,
							  List **terms);

#endif /* MTF_CHOICE_H */
