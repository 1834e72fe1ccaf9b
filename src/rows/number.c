/*
 * number.c
 *	  Decimal128, integers and doubles → numeric and integers, without a detour through text.
 *
 * Storage format of a numeric (see the comment above NumericShort in PostgreSQL's numeric.c), after
 * the varlena header: a uint16 whose two high bits are 10 for the short form (sign 1 bit, display
 * scale 6 bits, weight 7 bits, two's complement), 00 or 01 for the long form (positive or negative,
 * display scale 14 bits, then the weight as int16), or 11 for NaN and the infinities.
 */
#include "rows/number.h"
#include "base/bson_raw.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "utils/float.h"

#define POW10_18 UINT64CONST(1000000000000000000)

#define NUMERIC_HEAD_NAN      0xC000
#define NUMERIC_HEAD_PINF     0xD000
#define NUMERIC_HEAD_NINF     0xF000
#define NUMERIC_HEAD_SHORT    0x8000
#define NUMERIC_SHORT_NEG     0x2000
#define NUMERIC_LONG_NEG      0x4000
#define NUMERIC_SHORT_MAX     63
#define MAX_DECIMAL_DIGITS    34
#define MAX_NUMERIC_DIGITS    10 /* 34 decimal digits at any alignment */
#define DECIMAL128_EXPONENT_0 6176

static const uint64 pow10_small[] = {1, 10, 100, 1000};

/* The digits of a finite decimal, most significant first, no leading zero; their count. */
static int
decimal_digits(const MtfDecimal *decimal, uint8 *digits)
{
	uint8 all[36];
	uint64 high = decimal->high;
	uint64 low = decimal->low;
	int first = 0;

	for (int i = 35; i >= 18; i--, low /= 10)
		all[i] = low % 10;
	for (int i = 17; i >= 0; i--, high /= 10)
		all[i] = high % 10;
	while (first < 36 && all[first] == 0)
		first++;
	memcpy(digits, all + first, 36 - first);
	return 36 - first;
}

/*
 * Divide a 113-bit number, as four 32-bit words from the top, by 10^9 in place; the remainder.
 */
static uint32
divide_words(uint32 *words)
{
	uint64 remainder = 0;

	for (int i = 0; i < 4; i++)
	{
		remainder = (remainder << 32) | words[i];
		words[i] = (uint32) (remainder / 1000000000);
		remainder %= 1000000000;
	}
	return (uint32) remainder;
}

void
mtf_decimal_from_bson(MtfDecimal *decimal, const uint8 *value)
{
	uint64 low = mtf_load_u64(value);
	uint64 high = mtf_load_u64(value + 8);
	uint32 combination = (high >> 58) & 0x1F;
	uint64 top = high & UINT64CONST(0x1FFFFFFFFFFFF);

	decimal->class = combination == 0x1F   ? MTF_DECIMAL_NAN
					 : combination == 0x1E ? MTF_DECIMAL_INFINITY
										   : MTF_DECIMAL_FINITE;
	decimal->negative = (high >> 63) != 0;
	decimal->high = 0;
	if ((combination >> 3) == 3)
	{
		/* Special, or a coefficient above 10^34 - 1: not canonical, which counts as zero. */
		decimal->low = 0;
		decimal->exponent = (int) ((high >> 47) & 0x3FFF) - DECIMAL128_EXPONENT_0;
		return;
	}
	decimal->exponent = (int) ((high >> 49) & 0x3FFF) - DECIMAL128_EXPONENT_0;
	decimal->low = low;
	if (top != 0 || low >= POW10_18)
	{
		uint32 words[4] = {(uint32) (top >> 32), (uint32) top, (uint32) (low >> 32), (uint32) low};
		uint64 part0 = divide_words(words);
		uint64 part1 = divide_words(words);
		uint64 part2 = divide_words(words);
		uint64 part3 = words[3];

		decimal->low = part1 * 1000000000 + part0;
		decimal->high = part3 * 1000000000 + part2;
		if (words[2] != 0 || decimal->high >= UINT64CONST(10000000000000000))
			decimal->high = decimal->low = 0;
	}
}

void
mtf_decimal_from_int64(MtfDecimal *decimal, int64 value)
{
	uint64 magnitude = value < 0 ? -(uint64) value : (uint64) value;

	decimal->class = MTF_DECIMAL_FINITE;
	decimal->negative = value < 0;
	decimal->high = 0;
	decimal->low = magnitude;
	decimal->exponent = 0;
	if (unlikely(magnitude >= POW10_18))
	{
		decimal->high = magnitude / POW10_18;
		decimal->low = magnitude % POW10_18;
	}
}

/*
 * A double with at most six digits after the point and fifteen in all, such as a price, is found
 * without a general search: the quotient below is correctly rounded, so these digits read back as the
 * same double, and no two decimals of fifteen digits read as one double.  False for all others.
 */
static bool
short_decimal(MtfDecimal *decimal, double magnitude)
{
	static const struct
	{
		double power;
		int digits;
	} tries[] = {{1.0, 0}, {1e3, 3}, {1e6, 6}};

	for (int i = 0; i < lengthof(tries); i++)
	{
		double scaled = magnitude * tries[i].power;
		uint64 digits;

		if (scaled >= 1e15)
			return false;
		digits = (uint64) (scaled + 0.5);
		if ((double) digits / tries[i].power != magnitude)
			continue;
		decimal->low = digits;
		decimal->exponent = -tries[i].digits;
		while (decimal->exponent < 0 && decimal->low % 10 == 0)
			decimal->low /= 10, decimal->exponent++;
		return true;
	}
	return false;
}

void
mtf_decimal_from_double(MtfDecimal *decimal, double value)
{
	char text[DOUBLE_SHORTEST_DECIMAL_LEN];
	const char *at = text;
	int after_point = 0;
	bool point = false;

	memset(decimal, 0, sizeof(*decimal));
	decimal->negative = signbit(value) != 0;
	if (isnan(value) || isinf(value))
	{
		decimal->class = isnan(value) ? MTF_DECIMAL_NAN : MTF_DECIMAL_INFINITY;
		return;
	}
	if (short_decimal(decimal, fabs(value)))
		return;
	double_to_shortest_decimal_buf(value, text);
	for (; *at != '\0' && *at != 'e'; at++)
	{
		if (*at == '.')
			point = true;
		else if (*at != '-')
		{
			/* At most 17 digits, or an integer below 10^16 in full. */
			decimal->low = decimal->low * 10 + (*at - '0');
			after_point += point;
		}
	}
	decimal->exponent = (*at == 'e' ? atoi(at + 1) : 0) - after_point;
}

bool
mtf_double_to_int64(double number, int64 *value)
{
	/* 2^63 is a double, 2^63 - 1 is none. */
	if (!(number >= -9223372036854775808.0 && number < 9223372036854775808.0) ||
		number != trunc(number))
		return false;
	*value = (int64) number;
	return true;
}

bool
mtf_decimal_to_int64(const MtfDecimal *decimal, int64 *value)
{
	uint8 digits[36];
	uint64 limit = decimal->negative ? (uint64) 1 << 63 : PG_INT64_MAX;
	uint64 magnitude = 0;
	int exponent = decimal->exponent;
	int n;

	if (decimal->class != MTF_DECIMAL_FINITE)
		return false;
	n = decimal_digits(decimal, digits);
	while (n > 0 && exponent < 0 && digits[n - 1] == 0)
		n--, exponent++;
	if (n == 0)
	{
		*value = 0;
		return true;
	}
	if (exponent < 0 || n + exponent > 19)
		return false;
	for (int i = 0; i < n + exponent; i++)
	{
		uint8 digit = i < n ? digits[i] : 0;

		if (magnitude > (limit - digit) / 10)
			return false;
		magnitude = magnitude * 10 + digit;
	}
	*value = decimal->negative ? (int64) (0 - magnitude) : (int64) magnitude;
	return true;
}

bool
mtf_decimal_to_double(const MtfDecimal *decimal, double *value)
{
	uint8 digits[36];
	char text[64];
	int n;

	if (decimal->class != MTF_DECIMAL_FINITE)
	{
		*value = decimal->class == MTF_DECIMAL_NAN ? get_float8_nan() : get_float8_infinity();
		if (decimal->class == MTF_DECIMAL_INFINITY && decimal->negative)
			*value = -*value;
		return true;
	}
	/* Correct rounding is what strtod is for; the backend keeps LC_NUMERIC at C. */
	n = decimal_digits(decimal, digits);
	for (int i = 0; i < n; i++)
		text[i] = '0' + digits[i];
	snprintf(text + n, sizeof(text) - n, "%se%d", n == 0 ? "0" : "",
			 n == 0 ? 0 : decimal->exponent);
	*value = strtod(text, NULL);
	if (decimal->negative)
		*value = -*value;
	return !isinf(*value) && (*value != 0.0 || n == 0);
}

static void
write_special(uint16 head, char *buffer)
{
	SET_VARSIZE(buffer, VARHDRSZ + sizeof(uint16));
	memcpy(buffer + VARHDRSZ, &head, sizeof(head));
}

/*
 * Write header and digits; `digits` without leading and trailing zeros, the first one worth
 * 10000^weight.
 */
static void
write_numeric(bool negative, int weight, int dscale, const int16 *digits, int ndigits, char *buffer)
{
	char *at = buffer + VARHDRSZ;

	if (ndigits == 0)
	{
		negative = false;
		weight = 0;
	}
	if (dscale <= NUMERIC_SHORT_MAX && weight <= NUMERIC_SHORT_MAX && weight >= -64)
	{
		uint16 head = NUMERIC_HEAD_SHORT | (negative ? NUMERIC_SHORT_NEG : 0) | (dscale << 7) |
					  (weight & 0x7F);

		memcpy(at, &head, sizeof(head));
	}
	else
	{
		uint16 head = (negative ? NUMERIC_LONG_NEG : 0) | dscale;
		int16 long_weight = weight;

		memcpy(at, &head, sizeof(head));
		at += sizeof(head);
		memcpy(at, &long_weight, sizeof(long_weight));
	}
	at += sizeof(uint16);
	memcpy(at, digits, ndigits * sizeof(int16));
	SET_VARSIZE(buffer, at + ndigits * sizeof(int16) - buffer);
}

/* exponent = 4 * quotient + remainder, remainder 0 to 3. */
static int
split_exponent(int exponent, int *remainder)
{
	*remainder = ((exponent % 4) + 4) % 4;
	return (exponent - *remainder) / 4;
}

/* The common case: at most 16 decimal digits. */
static void
build_small(const MtfDecimal *decimal, int dscale, char *buffer)
{
	int16 digits[MAX_NUMERIC_DIGITS];
	int16 *first = digits + lengthof(digits);
	int remainder;
	int unit = split_exponent(decimal->exponent, &remainder);
	uint64 rest = decimal->low * pow10_small[remainder];

	for (; rest != 0 && rest % 10000 == 0; rest /= 10000)
		unit++;
	for (; rest != 0; rest /= 10000)
		*--first = rest % 10000;
	write_numeric(decimal->negative, unit + (digits + lengthof(digits) - first) - 1, dscale, first,
				  digits + lengthof(digits) - first, buffer);
}

/* Any number of digits: aligned to groups of four from the decimal point. */
static void
build_large(const MtfDecimal *decimal, int dscale, char *buffer)
{
	uint8 decimals[36];
	int16 digits[MAX_NUMERIC_DIGITS + 1] = {0};
	int n = decimal_digits(decimal, decimals);
	int remainder;
	int unit = split_exponent(decimal->exponent, &remainder);
	int ngroups = (n + remainder + 3) / 4;
	int first = 0;
	int count = ngroups;

	for (int i = 0; i < n; i++)
	{
		int place = n - 1 - i + remainder; /* power of ten above 10000^unit */

		digits[ngroups - 1 - place / 4] += decimals[i] * pow10_small[place % 4];
	}
	while (count > 0 && digits[first + count - 1] == 0)
		count--;
	write_numeric(decimal->negative, unit + ngroups - 1, dscale, digits + first, count, buffer);
}

static void
build_finite(const MtfDecimal *decimal, int dscale, char *buffer)
{
	/* 10^16 * 1000 still fits 64 bits. */
	if (decimal->high == 0 && decimal->low < UINT64CONST(10000000000000000))
		build_small(decimal, dscale, buffer);
	else
		build_large(decimal, dscale, buffer);
}

/* Does a finite value fit precision and scale as it is? */
static bool
fits_typmod(const MtfDecimal *decimal, int precision, int scale)
{
	uint8 digits[36];
	int n = decimal_digits(decimal, digits);
	int exponent = decimal->exponent;

	while (n > 0 && digits[n - 1] == 0)
		n--, exponent++;
	return n == 0 || (exponent >= -scale && n + exponent <= precision - scale);
}

static bool
write_infinity(bool negative, char *buffer)
{
#ifdef MTF_NUMERIC_HAS_INFINITY
	write_special(negative ? NUMERIC_HEAD_NINF : NUMERIC_HEAD_PINF, buffer);
	return true;
#else
	return false;
#endif
}

bool
mtf_decimal_to_numeric(const MtfDecimal *decimal, int32 typmod, char *buffer)
{
	int dscale = decimal->exponent < 0 ? -decimal->exponent : 0;

	if (decimal->class == MTF_DECIMAL_NAN)
	{
		write_special(NUMERIC_HEAD_NAN, buffer);
		return true;
	}
	if (decimal->class == MTF_DECIMAL_INFINITY)
		return typmod < (int32) VARHDRSZ && write_infinity(decimal->negative, buffer);
	if (typmod >= (int32) VARHDRSZ)
	{
		/* Scale is signed since PostgreSQL 15; before, it is below 1024 and reads the same. */
		int precision = ((typmod - VARHDRSZ) >> 16) & 0xFFFF;
		int scale = (((typmod - VARHDRSZ) & 0x7FF) ^ 1024) - 1024;

		if (!fits_typmod(decimal, precision, scale))
			return false;
		dscale = Max(scale, 0);
	}
	build_finite(decimal, dscale, buffer);
	return true;
}

void
mtf_decimal_to_numeric_scaled(const MtfDecimal *decimal, int min_scale, char *buffer)
{
	int dscale = decimal->exponent < 0 ? -decimal->exponent : 0;

	Assert(decimal->class == MTF_DECIMAL_FINITE);
	build_finite(decimal, Max(dscale, min_scale), buffer);
}
