/*
 * field_known.c
 *	  Does a field's value decode?  The tests of rows/value.h as aggregation expressions.
 *
 * What must not happen here: an expression that can fail on any document (the server may evaluate it
 * on another tenant's).
 */
#include "pipeline/field_known.h"

#include "datatype/timestamp.h"

#include "base/integer_range.h"
#include "pipeline/call.h"
#include "pipeline/field_decimal.h"
#include "pipeline/field_float.h"

static const char *const numbers[] = {"int", "long", "double", "decimal", NULL};
static const char *const strings[] = {"string", NULL};
static const char *const ids[] = {"objectId", NULL};
static const char *const dates[] = {"date", NULL};
static const char *const booleans[] = {"bool", NULL};

const char *const *
mtf_known_whole_types(const MtfField *field)
{
	static const char *const none[] = {NULL};
	static const char *const ints[] = {"int", NULL};
	static const char *const longs[] = {"int", "long", NULL};

	return field->kind == MTF_KIND_INT2 ? none : field->kind == MTF_KIND_INT4 ? ints : longs;
}

/* The other numbers. */
static const char *const *
doubtful_types(const MtfField *field)
{
	static const char *const others[] = {"long", "double", "decimal", NULL};
	static const char *const fractions[] = {"double", "decimal", NULL};

	return field->kind == MTF_KIND_INT2   ? numbers
		   : field->kind == MTF_KIND_INT4 ? others
										  : fractions;
}

/*
 * A number not below the type's least.  One engine takes the double -2^63 for less than the int64 of the
 * same value, so that the two are compared as doubles as well.
 */
static void
write_not_below(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfLiteral least = mtf_literal_int64(mtf_integer_least(mtf_field_integer_type(field)));
	MtfLiteral as_double = mtf_literal_double((double) PG_INT64_MIN);
	MtfCall either;

	if (field->kind != MTF_KIND_INT8)
	{
		mtf_call_write_pair(out, key, "$gte", reference, &least);
		return;
	}
	either = mtf_call_begin(out, key, "$or");
	mtf_call_write_pair(out, mtf_call_next(&either), "$gte", reference, &least);
	mtf_call_write_pair(out, mtf_call_next(&either), "$eq", reference, &as_double);
	mtf_call_end(out, &either);
}

/*
 * A number in the type's range without a fraction.  Not by $trunc, nor by $round: one engine's give 15
 * digits of a double.
 */
static void
write_whole_in_range(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfLiteral greatest = mtf_literal_int64(mtf_integer_greatest(mtf_field_integer_type(field)));
	MtfCall all = mtf_call_begin(out, key, "$and");
	MtfCall whole;

	write_not_below(field, out, mtf_call_next(&all), reference);
	mtf_call_write_pair(out, mtf_call_next(&all), "$lte", reference, &greatest);
	whole = mtf_call_begin(out, mtf_call_next(&all), "$eq");
	mtf_write_word(out, mtf_call_next(&whole), reference);
	mtf_call_write_unary(out, mtf_call_next(&whole), "$floor", reference);
	mtf_call_end(out, &whole);
	mtf_call_end(out, &all);
}

/* Whole numbers in the type's range, of any BSON type; most are of one that needs no further test. */
static void
write_known_integer(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	const char *const *whole = mtf_known_whole_types(field);
	MtfCall outer = {0};
	MtfCall cond;

	if (whole[0] != NULL)
	{
		outer = mtf_call_begin(out, key, "$or");
		mtf_call_write_type_in(out, mtf_call_next(&outer), reference, whole);
		key = mtf_call_next(&outer);
	}
	cond = mtf_call_begin(out, key, "$cond");
	mtf_call_write_type_in(out, mtf_call_next(&cond), reference, doubtful_types(field));
	write_whole_in_range(field, out, mtf_call_next(&cond), reference);
	mtf_write_bool(out, mtf_call_next(&cond), false);
	mtf_call_end(out, &cond);
	if (whole[0] != NULL)
		mtf_call_end(out, &outer);
}

/* {$lt: [{$indexOfBytes: [reference, "\0"]}, 0]}: PostgreSQL has no text with a NUL. */
static void
write_no_nul(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral nul = {.type = MTF_LITERAL_STRING, .data = "\0", .len = 1};
	MtfLiteral zero = mtf_literal_int64(0);
	MtfCall less = mtf_call_begin(out, key, "$lt");

	mtf_call_write_pair(out, mtf_call_next(&less), "$indexOfBytes", reference, &nul);
	mtf_write_literal(out, mtf_call_next(&less), &zero);
	mtf_call_end(out, &less);
}

/* The number of characters that varchar(n) allows; -1: any. */
static int
character_limit(const MtfField *field)
{
	return field->typmod >= (int32) VARHDRSZ ? field->typmod - VARHDRSZ : -1;
}

static void
write_known_string(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall all;

	mtf_call_write_type_in(out, mtf_call_next(&cond), reference, strings);
	all = mtf_call_begin(out, mtf_call_next(&cond), "$and");
	write_no_nul(out, mtf_call_next(&all), reference);
	if (character_limit(field) >= 0)
	{
		MtfLiteral limit = mtf_literal_int64(character_limit(field));

		mtf_call_write_of(out, mtf_call_next(&all), "$lte", "$strLenCP", reference, &limit);
	}
	mtf_call_end(out, &all);
	if (field->any_id && (character_limit(field) < 0 || character_limit(field) >= 24))
		mtf_call_write_type_in(out, mtf_call_next(&cond), reference, ids);
	else
		mtf_write_bool(out, mtf_call_next(&cond), false);
	mtf_call_end(out, &cond);
}

/* The first and the last millisecond of the PostgreSQL type. */
static void
date_range(const MtfField *field, MtfLiteral *low, MtfLiteral *high)
{
	const int64 epoch_days = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
	const int64 day = INT64CONST(86400000);
	bool is_date = field->kind == MTF_KIND_DATE;
	int64 first_day = is_date ? DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE : 0;
	int64 end_day = is_date ? DATE_END_JULIAN - POSTGRES_EPOCH_JDATE : 0;

	*low = mtf_literal_int64(is_date ? (first_day + epoch_days) * day
									 : MIN_TIMESTAMP / 1000 + epoch_days * day);
	*high = mtf_literal_int64(is_date ? (end_day + epoch_days) * day - 1
									  : END_TIMESTAMP / 1000 + epoch_days * day - 1);
}

/* A date between the two years, most often, or else one inside the type's range as a number. */
static void
write_in_date_range(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfLiteral years[2] = {mtf_literal_date(MTF_FIRST_COMMON_MS),
						   mtf_literal_date(MTF_LAST_COMMON_MS)};
	MtfLiteral ends[2];
	MtfCall either = mtf_call_begin(out, key, "$or");
	MtfCall both = mtf_call_begin(out, mtf_call_next(&either), "$and");

	mtf_call_write_pair(out, mtf_call_next(&both), "$gte", reference, &years[0]);
	mtf_call_write_pair(out, mtf_call_next(&both), "$lte", reference, &years[1]);
	mtf_call_end(out, &both);
	date_range(field, &ends[0], &ends[1]);
	both = mtf_call_begin(out, mtf_call_next(&either), "$and");
	for (int i = 0; i < 2; i++)
		mtf_call_write_of(out, mtf_call_next(&both), i == 0 ? "$gte" : "$lte", "$toLong", reference,
						  &ends[i]);
	mtf_call_end(out, &both);
	mtf_call_end(out, &either);
}

/*
 * Dates inside the range of the PostgreSQL type; its ends are compared as numbers of milliseconds: one
 * engine cannot even read a pipeline with dates outside the years 1 to 9999 in it (m).
 */
void
mtf_known_write_date(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	MtfCall cond = mtf_call_begin(out, key, "$cond");

	mtf_call_write_type_in(out, mtf_call_next(&cond), reference, dates);
	write_in_date_range(field, out, mtf_call_next(&cond), reference);
	mtf_write_bool(out, mtf_call_next(&cond), false);
	mtf_call_end(out, &cond);
}

/*
 * May the column's promise of its types stand for a test of them?  Not where the value is converted: the
 * conversion of what is not as promised fails, on another tenant's document too.
 */
bool
mtf_known_is_trusted(const MtfField *field)
{
	return field->trust && field->kind != MTF_KIND_OBJECTID && !field->any_id;
}

void
mtf_known_write(const MtfField *field, StringInfo out, const char *key, const char *reference)
{
	if (field->loose)
	{
		mtf_call_write_type_in(out, key, reference, numbers);
		return;
	}
	if (mtf_known_is_trusted(field))
	{
		mtf_call_write_not_null(out, key, reference);
		return;
	}
	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_BOOL: mtf_call_write_type_in(out, key, reference, booleans); break;
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8: write_known_integer(field, out, key, reference); break;
		case MTF_KIND_FLOAT4: mtf_float4_write_known(out, key, reference); break;
		case MTF_KIND_FLOAT8: mtf_double_write_known(out, key, reference); break;
		case MTF_KIND_NUMERIC: mtf_decimal_write_known(field, out, key, reference); break;
		case MTF_KIND_TEXT: write_known_string(field, out, key, reference); break;
		case MTF_KIND_OBJECTID: mtf_call_write_type_in(out, key, reference, ids); break;
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: mtf_known_write_date(field, out, key, reference); break;
		/* Never exact without the owner's promise (lowering.c). */
		default: mtf_call_write_not_null(out, key, reference); break;
	}
}
