/*
 * value.h
 *	  Lowered terms → aggregation expressions: the exact form.
 */
#ifndef MTF_PIPELINE_VALUE_H
#define MTF_PIPELINE_VALUE_H

#include "base/compat.h"
#include "pipeline/expr.h"

/*
 * Write, under `key`, an expression that is true if the column's value decodes (and is not NULL
 * here), false otherwise.
 */
extern void mtf_value_write_known(const MtfExprContext *context, const MtfField *field,
								  StringInfo out, const char *key);

/* The value that decodes, in its canonical BSON type, or null: never missing, never a misfit. */
extern void mtf_value_write_field(const MtfExprContext *context, const MtfField *field,
								  StringInfo out, const char *key);

/* One of three ranks: the value is null, is NaN, or is any other. */
extern void mtf_value_write_rank(const MtfExprContext *context, const MtfField *field,
								 int rank_of_null, int rank_of_nan, int rank_of_others,
								 StringInfo out, const char *key);

/* The midnight of a date column's value, or null: equal for all instants of a day. */
extern void mtf_value_write_day(const MtfExprContext *context, const MtfField *field,
								StringInfo out, const char *key);

/* An expression that is true if and only if the (exact) condition is true here. */
extern void mtf_value_write_condition(const MtfExprContext *context, const MtfTerm *term,
									  StringInfo out, const char *key);

/* A computed value, or null. */
extern void mtf_value_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
							const char *key);

/* Is the value a Decimal128 (or null) as mtf_value_write() writes it? */
extern bool mtf_value_is_decimal(const MtfExprContext *context, const MtfTerm *term);

/* The value for accumulators, which pass over what is missing. */
extern void mtf_value_write_summand(const MtfExprContext *context, const MtfTerm *term,
									StringInfo out, const char *key);

/* An expression that is true if the computed value is not null. */
extern void mtf_value_write_present(const MtfExprContext *context, const MtfTerm *term,
									StringInfo out, const char *key);

/* An expression that is false if the decoder would call the field's value a misfit. */
extern void mtf_value_write_fits(const MtfExprContext *context, const MtfField *field,
								 StringInfo out, const char *key);

/* An expression that is true if there is no value to decode (null counts as none), and no misfit either. */
extern void mtf_value_write_absent(const MtfExprContext *context, const MtfField *field,
								   StringInfo out, const char *key);

#endif /* MTF_PIPELINE_VALUE_H */
