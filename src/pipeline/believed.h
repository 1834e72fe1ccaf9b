/*
 * believed.h
 *	  Numeric columns that a group takes for Decimal128s that fit, and how the group shows whether they were.
 */
#ifndef MTF_PIPELINE_BELIEVED_H
#define MTF_PIPELINE_BELIEVED_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* The columns (of MtfField) that the plan's $group uses untested; NIL: it tests them all. */
extern const List *mtf_believed_of(const MtfScanPlan *plan);

/* The field's value where it is a Decimal128, else null: it fails nowhere. */
extern void mtf_believed_write_value(StringInfo out, const char *key, const char *reference);

/* Is it a Decimal128? */
extern void mtf_believed_write_known(StringInfo out, const char *key, const char *reference);

/* 1 for a document in which one of the columns has a value of another type, else 0. */
extern void mtf_believed_write_stranger(const MtfExprContext *context, StringInfo out,
										const char *key);

/*
 * {$addFields: {p: true where the group shows that all values were as believed}}: nothing else of a group counts
 * where they were not.
 */
extern void mtf_believed_write_stage(MtfPipeline *pipeline, const MtfScanPlan *plan);

/* {$cond: ["$p", "$name", null]}, and of the accumulator of strangers {$cond: ["$p", 0, 1]} */
extern void mtf_believed_write_result(StringInfo out, const MtfAccumulator *accumulator);

#endif /* MTF_PIPELINE_BELIEVED_H */
