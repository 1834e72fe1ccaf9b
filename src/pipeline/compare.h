/*
 * compare.h
 *	  Two values of one document compared: an aggregation expression.
 */
#ifndef MTF_PIPELINE_COMPARE_H
#define MTF_PIPELINE_COMPARE_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* True if and only if `left op right` (a MTF_TERM_COMPARE_VALUES) is true here. */
extern void mtf_compare_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
							  const char *key);

#endif /* MTF_PIPELINE_COMPARE_H */
