/*
 * literal.c
 *	  Datum → BSON value: the one door by which user values enter what is sent.
 *
 * A value stays a value here: text that starts with "$" or looks like an operator is a BSON string,
 * and nothing is ever printed and parsed again.
 *
 * What must not happen here: an ERROR for a legal value of a type, a rounded integer.
 */
#include "pipeline/literal.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define BSON_UUID_SUBTYPE 4

MtfLiteral
mtf_literal_int64(int64 value)
{
	return (MtfLiteral){.type = MTF_LITERAL_INT64, .value.integer = value};
}

MtfLiteral
mtf_literal_double(double value)
{
	return (MtfLiteral){.type = MTF_LITERAL_DOUBLE, .value.number = value};
}

MtfLiteral
mtf_literal_bool(bool value)
{
	return (MtfLiteral){.type = MTF_LITERAL_BOOL, .value.boolean = value};
}

MtfLiteral
mtf_literal_null(void)
{
	return (MtfLiteral){.type = MTF_LITERAL_NULL};
}

MtfLiteral
mtf_literal_date(int64 milliseconds)
{
	return (MtfLiteral){.type = MTF_LITERAL_DATE, .value.integer = milliseconds};
}

MtfLiteral
mtf_literal_decimal_nan(void)
{
	MtfLiteral literal = {.type = MTF_LITERAL_DECIMAL};

	literal.value.decimal.high = UINT64CONST(0x7c00000000000000);
	return literal;
}

/* --- text ------------------------------------------------------------------------------------ */

/* Text as UTF-8; false when its bytes are not text in UTF-8 (an SQL_ASCII database holds any). */
static bool
literal_of_text(Datum datum, MtfLiteral *literal)
{
	text *value = DatumGetTextPP(datum);
	const char *data = VARDATA_ANY(value);
	int len = VARSIZE_ANY_EXHDR(value);

	if (GetDatabaseEncoding() != PG_UTF8)
	{
		char *converted;

		if (GetDatabaseEncoding() == PG_SQL_ASCII)
		{
			if (!pg_verify_mbstr(PG_UTF8, data, len, true))
				return false;
		}
		else if ((converted = pg_server_to_any(data, len, PG_UTF8)) != data)
		{
			data = converted;
			len = strlen(converted);
		}
	}
	*literal = (MtfLiteral){.type = MTF_LITERAL_STRING, .data = data, .len = len};
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
mtf_literal_objectid(const char *text, int len, MtfLiteral *literal)
{
	if (len != 24)
		return false;
	*literal = (MtfLiteral){.type = MTF_LITERAL_OBJECTID};
	for (int i = 0; i < 12; i++)
	{
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		literal->value.oid[i] = (uint8) (high << 4 | low);
	}
	return true;
}

/* --- numbers --------------------------------------------------------------------------------- */

bool
mtf_value_is_plain_integer(const MtfValue *value)
{
	return value->typid == INT2OID || value->typid == INT4OID ||
		   (value->typid == INT8OID && DatumGetInt64(value->datum) != PG_INT64_MIN);
}

static int64
value_as_int64(const MtfValue *value)
{
	switch (value->typid)
	{
		case INT2OID: return DatumGetInt16(value->datum);
		case INT4OID: return DatumGetInt32(value->datum);
		default: return DatumGetInt64(value->datum);
	}
}

double
mtf_value_as_double(const MtfValue *value)
{
	switch (value->typid)
	{
		case FLOAT4OID: return DatumGetFloat4(value->datum);
		case FLOAT8OID: return DatumGetFloat8(value->datum);
		/* strtod rounds to nearest, to infinity above and to zero below the range: no error. */
		case NUMERICOID:
			return strtod(DatumGetCString(DirectFunctionCall1(numeric_out, value->datum)), NULL);
		default: return (double) value_as_int64(value);
	}
}

MtfLiteral
mtf_literal_decimal(const char *text)
{
	MtfLiteral literal = {.type = MTF_LITERAL_DECIMAL};

	if (!bson_decimal128_from_string(text, &literal.value.decimal))
		elog(ERROR, "not a decimal: \"%s\"", text);
	return literal;
}

#define DECIMAL_DIGITS       34
#define GREATEST_DIGITS      "9999999999999999999999999999999999"
#define DECIMAL_MAX_EXPONENT 6111
#define DECIMAL_MIN_EXPONENT (-6176)

/* The digits of a finite numeric's text without leading zeros, cut to 34, and their exponent. */
static char *
significant_digits(const char *text, int *exponent, bool *exact)
{
	char *digits = palloc(strlen(text) + 1);
	int n = 0;
	bool point = false;

	*exponent = 0;
	*exact = true;
	for (; *text != '\0'; text++)
	{
		if (*text == '.')
			point = true;
		else if (*text != '-' && n < DECIMAL_DIGITS && (n > 0 || *text != '0'))
		{
			digits[n++] = *text;
			*exponent -= point;
		}
		else if (*text != '-' && n == 0)
			*exponent -= point;
		else if (*text != '-')
		{
			*exact &= *text == '0';
			*exponent += !point;
		}
	}
	digits[n] = '\0';
	return digits;
}

MtfDecimalBound
mtf_value_as_decimal(const MtfValue *value)
{
	char *text = DatumGetCString(DirectFunctionCall1(numeric_out, value->datum));
	bool negative = text[0] == '-';
	MtfDecimalBound bound = {.exact = true};
	int exponent;
	char *digits;

	bound.is_nan = strcmp(text, "NaN") == 0;
	if (bound.is_nan)
		bound.literal = mtf_literal_decimal_nan();
	else if (strstr(text, "Infinity") != NULL)
		bound.literal = mtf_literal_decimal(text);
	if (bound.is_nan || strstr(text, "Infinity") != NULL)
		return bound;

	digits = significant_digits(text, &exponent, &bound.exact);
	bound.below = !negative;
	/* Above the range of Decimal128, zeros at the end may bring the exponent down; else its greatest. */
	while (digits[0] != '\0' && exponent > DECIMAL_MAX_EXPONENT && strlen(digits) < DECIMAL_DIGITS)
	{
		digits = psprintf("%s0", digits);
		exponent--;
	}
	if (digits[0] != '\0' && exponent > DECIMAL_MAX_EXPONENT)
	{
		digits = GREATEST_DIGITS;
		bound.exact = false;
	}
	exponent = Min(exponent, DECIMAL_MAX_EXPONENT);
	/* Below it, the digits that do not fit are cut. */
	while (digits[0] != '\0' && exponent < DECIMAL_MIN_EXPONENT)
	{
		size_t last = strlen(digits) - 1;

		bound.exact &= digits[last] == '0';
		digits[last] = '\0';
		exponent++;
	}
	exponent = Max(exponent, DECIMAL_MIN_EXPONENT);
	if (digits[0] == '\0')
		digits = "0";
	bound.literal =
		mtf_literal_decimal(psprintf("%s%sE%+d", negative ? "-" : "", digits, exponent));
	return bound;
}

/* --- dates ----------------------------------------------------------------------------------- */

#define MILLISECONDS_PER_DAY INT64CONST(86400000)
#define EPOCH_DAYS           (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

static MtfInstant
instant_of_date(DateADT date)
{
	if (DATE_IS_NOBEGIN(date))
		return (MtfInstant){MTF_INSTANT_BEFORE_ALL};
	if (DATE_IS_NOEND(date))
		return (MtfInstant){MTF_INSTANT_AFTER_ALL};
	return (MtfInstant){MTF_INSTANT_FINITE, ((int64) date + EPOCH_DAYS) * MILLISECONDS_PER_DAY};
}

static MtfInstant
instant_of_timestamp(Timestamp timestamp)
{
	int64 milliseconds = timestamp / 1000;
	int64 rest = timestamp % 1000;

	if (TIMESTAMP_IS_NOBEGIN(timestamp))
		return (MtfInstant){MTF_INSTANT_BEFORE_ALL};
	if (TIMESTAMP_IS_NOEND(timestamp))
		return (MtfInstant){MTF_INSTANT_AFTER_ALL};
	if (rest < 0)
		milliseconds--;
	return (MtfInstant){MTF_INSTANT_FINITE, milliseconds + EPOCH_DAYS * MILLISECONDS_PER_DAY,
						rest != 0};
}

/*
 * In the session's time zone, as PostgreSQL's own operators between these types do it: what no
 * timestamptz can hold is before or after all of them, not an error.
 */
static MtfInstant
instant_in_zone(const MtfValue *value)
{
	int overflow;
	TimestampTz timestamp =
		value->typid == DATEOID
			? date2timestamptz_opt_overflow(DatumGetDateADT(value->datum), &overflow)
			: timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value->datum), &overflow);

	if (overflow != 0)
		return (MtfInstant){overflow < 0 ? MTF_INSTANT_BEFORE_ALL : MTF_INSTANT_AFTER_ALL};
	return instant_of_timestamp(timestamp);
}

MtfInstant
mtf_value_as_instant(const MtfValue *value, bool zoned)
{
	if (zoned && value->typid != TIMESTAMPTZOID)
		return instant_in_zone(value);
	if (value->typid == DATEOID)
		return instant_of_date(DatumGetDateADT(value->datum));
	return instant_of_timestamp(DatumGetTimestamp(value->datum));
}

/* --- any value --------------------------------------------------------------------------------- */

bool
mtf_literal_of(const MtfValue *value, MtfLiteral *literal)
{
	switch (value->typid)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID: *literal = mtf_literal_int64(value_as_int64(value)); return true;
		case FLOAT4OID:
		case FLOAT8OID: *literal = mtf_literal_double(mtf_value_as_double(value)); return true;
		case NUMERICOID:
		{
			MtfDecimalBound bound = mtf_value_as_decimal(value);

			*literal = bound.literal;
			return bound.exact;
		}
		case BOOLOID: *literal = mtf_literal_bool(DatumGetBool(value->datum)); return true;
		case TEXTOID:
		case VARCHAROID: return literal_of_text(value->datum, literal);
		case UUIDOID:
			*literal = (MtfLiteral){.type = MTF_LITERAL_BINARY,
									.data = (char *) DatumGetUUIDP(value->datum)->data,
									.len = UUID_LEN,
									.subtype = BSON_UUID_SUBTYPE};
			return true;
		case BYTEAOID:
		{
			bytea *bytes = DatumGetByteaPP(value->datum);

			*literal = (MtfLiteral){.type = MTF_LITERAL_BINARY,
									.data = VARDATA_ANY(bytes),
									.len = VARSIZE_ANY_EXHDR(bytes)};
			return true;
		}
		default: return false;
	}
}
