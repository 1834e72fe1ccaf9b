/*
 * field_float.h
 *	  Which numbers decode as floating point, in aggregation expressions.
 */
#ifndef MTF_FIELD_FLOAT_H
#define MTF_FIELD_FLOAT_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* True for what decodes as float8: a Decimal128 neither too large nor too small. */
extern void mtf_double_write_known(StringInfo out, const char *key, const char *reference);

/* True for what decodes as float4. */
extern void mtf_float4_write_known(StringInfo out, const char *key, const char *reference);

#endif /* MTF_FIELD_FLOAT_H */
