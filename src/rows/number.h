/*
 * number.h
 *	  Decimal128, integers and doubles → numeric and integers, without a detour through text.
 *
 * A numeric is written in PostgreSQL's storage format, which pg_upgrade has kept unchanged since 9.1:
 * a short or long header, then digits of base 10,000 without leading or trailing zeros.
 */
#ifndef MTF_NUMBER_H
#define MTF_NUMBER_H

#include "base/compat.h"

#include "utils/numeric.h"

typedef enum MtfDecimalClass
{
	MTF_DECIMAL_FINITE,
	MTF_DECIMAL_NAN,
	MTF_DECIMAL_INFINITY
} MtfDecimalClass;

/* (-1)^negative * (high * 10^18 + low) * 10^exponent; low < 10^18, high < 10^16. */
typedef struct MtfDecimal
{
	MtfDecimalClass class;
	bool negative;
	uint64 high;
	uint64 low;
	int exponent;
} MtfDecimal;

/* Any numeric built here fits: header, 10 digits of base 10,000. */
#define MTF_NUMERIC_MAX_SIZE 32

/* Sixteen bytes of a BSON decimal; a non-canonical coefficient is zero, as IEEE 754 says. */
extern void mtf_decimal_from_bson(MtfDecimal *decimal, const uint8 *value);
extern void mtf_decimal_from_int64(MtfDecimal *decimal, int64 value);

/* The shortest decimal that reads back as the same double. */
extern void mtf_decimal_from_double(MtfDecimal *decimal, double value);

/*
 * Round trip checked conversions: false when the value is not exactly the result, and nothing is
 * rounded.  A numeric's typmod -1 takes everything; else the value must fit precision and scale
 * without rounding (infinity never does).  `buffer` is int-aligned, MTF_NUMERIC_MAX_SIZE bytes.
 */
extern bool mtf_decimal_to_int64(const MtfDecimal *decimal, int64 *value);
extern bool mtf_decimal_to_numeric(const MtfDecimal *decimal, int32 typmod, char *buffer);

/* Nearest double; false when a finite decimal would become infinite, or nonzero become zero. */
extern bool mtf_decimal_to_double(const MtfDecimal *decimal, double *value);

/* A double that is integral and fits. */
extern bool mtf_double_to_int64(double number, int64 *value);

/* A numeric with at least `min_scale` digits after the point (relaxed Extended JSON prints 5.0). */
extern void mtf_decimal_to_numeric_scaled(const MtfDecimal *decimal, int min_scale, char *buffer);

#endif /* MTF_NUMBER_H */
