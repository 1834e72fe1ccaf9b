/*
 * value.h
 *	  Lowered computations → aggregation expressions.
 */
#ifndef MTF_PIPELINE_VALUE_H
#define MTF_PIPELINE_VALUE_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* A computed value, or null. */
extern void mtf_value_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
							const char *key);

/* A number as Decimal128, or null: of no document an error. */
extern void mtf_value_write_decimal(const MtfExprContext *context, const MtfTerm *term,
									StringInfo out, const char *key);

/* The value for accumulators, which pass over what is missing. */
extern void mtf_value_write_summand(const MtfExprContext *context, const MtfTerm *term,
									StringInfo out, const char *key);

/* An expression that is true if the computed value is not null. */
extern void mtf_value_write_present(const MtfExprContext *context, const MtfTerm *term,
									StringInfo out, const char *key);

/* Has every value in the term a form there that means the same?  Of what is exact it is so of itself. */
extern bool mtf_value_is_representable(const MtfExprContext *context, const MtfTerm *term);

#endif /* MTF_PIPELINE_VALUE_H */
