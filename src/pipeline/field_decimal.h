/*
 * field_decimal.h
 *	  A numeric field's value as Decimal128: which numbers decode, and to what.
 */
#ifndef MTF_FIELD_DECIMAL_H
#define MTF_FIELD_DECIMAL_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* The value fits numeric(p,s) without rounding. */
extern void mtf_decimal_write_known(const MtfField *field, StringInfo out, const char *key,
									const char *reference);

/* A value that is known to fit, as Decimal128. */
extern void mtf_decimal_write_canonical(const MtfField *field, StringInfo out, const char *key,
										const char *reference);

/* Both together: the value as Decimal128, or null. */
extern void mtf_decimal_write_value(const MtfField *field, StringInfo out, const char *key,
									const char *reference);

/* A numeric of any scale as the same Decimal128, or null for what the server cannot tell exactly. */
extern void mtf_decimal_write_loose(StringInfo out, const char *key, const char *reference);

#endif /* MTF_FIELD_DECIMAL_H */
