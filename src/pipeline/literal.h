/*
 * literal.h
 *	  Datum → BSON value: the one door by which user values enter what is sent.
 */
#ifndef MTF_LITERAL_H
#define MTF_LITERAL_H

#include "base/compat.h"
#include "pipeline/pipeline.h"
#include "pipeline/writer.h"

/*
 * The literal of a value that is known and not NULL, for an expression or a comparison by value:
 * integers as int64, floats as double, text in UTF-8, bool, uuid, bytea.  False: the value has no
 * BSON form that means the same (then no document can be equal to it).
 */
extern bool mtf_literal_of(const MtfValue *value, MtfLiteral *literal);

extern MtfLiteral mtf_literal_int64(int64 value);
extern MtfLiteral mtf_literal_double(double value);
extern MtfLiteral mtf_literal_bool(bool value);
extern MtfLiteral mtf_literal_null(void);
extern MtfLiteral mtf_literal_date(int64 milliseconds);
extern MtfLiteral mtf_literal_decimal_nan(void);
/* A Decimal128 from a text of ours that is one ("1E+5", "Infinity"). */
extern MtfLiteral mtf_literal_decimal(const char *text);

/* An ObjectId from text: only as PostgreSQL would show it, 24 lower-case hexadecimal digits. */
extern bool mtf_literal_objectid(const char *text, int len, MtfLiteral *literal);

/* A number of any PostgreSQL type as a double, rounded to nearest; never raises. */
extern double mtf_value_as_double(const MtfValue *value);
/*
 * An integer that numbers of every BSON type compare with by value.  The least int64 is none: one engine
 * takes the double of the same value for less than it (test/tap/engines.py).
 */
extern bool mtf_value_is_plain_integer(const MtfValue *value);

/* A numeric as Decimal128: itself, or, with more than 34 digits, the next one towards zero. */
typedef struct MtfDecimalBound
{
	MtfLiteral literal;
	bool is_nan;
	bool exact;
	bool below; /* when not exact: the literal is less than the value */
} MtfDecimalBound;

extern MtfDecimalBound mtf_value_as_decimal(const MtfValue *value);

/* The instant, in milliseconds since 1970 UTC, of a date, timestamp or timestamptz. */
typedef enum MtfInstantKind
{
	MTF_INSTANT_FINITE,
	MTF_INSTANT_BEFORE_ALL, /* -infinity */
	MTF_INSTANT_AFTER_ALL   /* infinity */
} MtfInstantKind;

/* The first millisecond of year 1 and the last of year 9999: between them every server reads a date. */
#define MTF_FIRST_COMMON_MS INT64CONST(-62135596800000)
#define MTF_LAST_COMMON_MS  INT64CONST(253402300799999)

/* milliseconds = floor; `rest` tells that microseconds were cut off. */
typedef struct MtfInstant
{
	MtfInstantKind kind;
	int64 milliseconds;
	bool rest;
} MtfInstant;

/* `zoned`: for a timestamptz column, where dates and timestamps are taken in the session's time zone. */
extern MtfInstant mtf_value_as_instant(const MtfValue *value, bool zoned);

#endif /* MTF_LITERAL_H */
