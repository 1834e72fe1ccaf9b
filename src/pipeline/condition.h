/*
 * condition.h
 *	  Lowered conditions → aggregation expressions: the exact form.
 */
#ifndef MTF_PIPELINE_CONDITION_H
#define MTF_PIPELINE_CONDITION_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* An expression that is true if and only if the (exact) condition is true here. */
extern void mtf_condition_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
								const char *key);

#endif /* MTF_PIPELINE_CONDITION_H */
