/*
 * field_value.h
 *	  A field's value in aggregation expressions: what decodes, and in which BSON type.
 */
#ifndef MTF_PIPELINE_FIELD_VALUE_H
#define MTF_PIPELINE_FIELD_VALUE_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* Was the field checked already, by the stage of canonical.h? */
extern bool mtf_field_is_canonical(const MtfExprContext *context, const MtfField *field);

/* Are the field's misfits counted, so that counting values need not tell them from what decodes? */
extern bool mtf_field_is_counted(const MtfExprContext *context, const MtfField *field);

/* Is the field used untested (believed.h)? */
extern bool mtf_field_is_believed(const MtfExprContext *context, const MtfField *field);

/* "$path", or where the field stands in a join or behind the stage of canonical.h; palloc'ed. */
extern char *mtf_field_reference(const MtfExprContext *context, const MtfField *field);

/* Can the field's value be NaN? */
extern bool mtf_field_has_nan(const MtfField *field);

/* A value that is known to decode, in its canonical BSON type. */
extern void mtf_field_write_canonical(const MtfField *field, StringInfo out, const char *key,
									  const char *reference);

/*
 * Write, under `key`, an expression that is true if the column's value decodes (and is not NULL
 * here), false otherwise.
 */
extern void mtf_field_write_known(const MtfExprContext *context, const MtfField *field,
								  StringInfo out, const char *key);

/* The value that decodes, in its canonical BSON type, or null: never missing, never a misfit. */
extern void mtf_field_write_value(const MtfExprContext *context, const MtfField *field,
								  StringInfo out, const char *key);

/* One of three ranks: the value is null, is NaN, or is any other. */
extern void mtf_field_write_rank(const MtfExprContext *context, const MtfField *field,
								 int rank_of_null, int rank_of_nan, int rank_of_others,
								 StringInfo out, const char *key);

/* The midnight of a date column's value, or null: equal for all instants of a day. */
extern void mtf_field_write_day(const MtfExprContext *context, const MtfField *field,
								StringInfo out, const char *key);

/* An expression that is false if the decoder would call the field's value a misfit. */
extern void mtf_field_write_fits(const MtfExprContext *context, const MtfField *field,
								 StringInfo out, const char *key);

#endif /* MTF_PIPELINE_FIELD_VALUE_H */
