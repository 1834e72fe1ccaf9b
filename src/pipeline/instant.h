/*
 * instant.h
 *	  Parts of instants: date_trunc() and extract() in UTC → aggregation expressions.
 */
#ifndef MTF_PIPELINE_INSTANT_H
#define MTF_PIPELINE_INSTANT_H

#include "base/compat.h"
#include "pipeline/expr.h"

/*
 * Write a term of MTF_FUNCTION_TRUNCATE or MTF_FUNCTION_EXTRACT: a date or a whole number; null for what
 * is no date.
 */
extern void mtf_instant_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
							  const char *key);

#endif /* MTF_PIPELINE_INSTANT_H */
