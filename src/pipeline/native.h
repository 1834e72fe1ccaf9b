/*
 * native.h
 *	  Values of a column's own BSON types: the superset form says of them what the exact form says.
 */
#ifndef MTF_PIPELINE_NATIVE_H
#define MTF_PIPELINE_NATIVE_H

#include "base/compat.h"
#include "pipeline/expr.h"

/*
 * Do the superset and the exact form of the condition agree on each document that satisfies mtf_native_write()'s
 * condition?  Raises nothing.
 */
extern bool mtf_native_decides(const MtfExprContext *context, const MtfTerm *term);

/* Write, as a document under `key`: each field of the condition holds a value of the column's own types. */
extern void mtf_native_write(const MtfTerm *term, StringInfo out, const char *key);

#endif /* MTF_PIPELINE_NATIVE_H */
