/*
 * operand.c
 *	  What the values of a comparison mean for a field: literals, moments, lists.
 */
#include "pipeline/operand.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

bool
mtf_is_integer_kind(const MtfField *field)
{
	return field->kind == MTF_KIND_INT2 || field->kind == MTF_KIND_INT4 ||
		   field->kind == MTF_KIND_INT8;
}

bool
mtf_is_number_kind(const MtfField *field)
{
	return mtf_is_integer_kind(field) || field->kind == MTF_KIND_FLOAT4 ||
		   field->kind == MTF_KIND_FLOAT8 || field->kind == MTF_KIND_NUMERIC;
}

bool
mtf_is_date_kind(const MtfField *field)
{
	return field->kind == MTF_KIND_DATE || field->kind == MTF_KIND_TIMESTAMP ||
		   field->kind == MTF_KIND_TIMESTAMPTZ;
}

#define MILLISECONDS_PER_DAY INT64CONST(86400000)

static int64
floor_to_day(int64 milliseconds)
{
	int64 rest = milliseconds % MILLISECONDS_PER_DAY;

	return milliseconds - (rest < 0 ? rest + MILLISECONDS_PER_DAY : rest);
}

MtfMoment
mtf_moment_of(const MtfField *field, const MtfInstant *instant)
{
	MtfMoment moment = {instant->milliseconds, instant->milliseconds + 1, !instant->rest};

	if (field->kind == MTF_KIND_DATE)
	{
		int64 day = floor_to_day(instant->milliseconds);

		moment.exists = !instant->rest && day == instant->milliseconds;
		moment.first = day;
		moment.behind = day + MILLISECONDS_PER_DAY;
	}
	/* No unit is equal: everything up to the end of the unit it lies in is below it. */
	if (!moment.exists)
		moment.first = moment.behind;
	return moment;
}

/*
 * The day 9999-12-31 ends where not every server has dates: the same is said by its last millisecond.  (Of data that
 * has an end, and no end yet, it is the usual value.)
 */
MtfDateBound
mtf_moment_bound(const MtfMoment *moment, MtfOp op)
{
	bool below = op == MTF_OP_LT || op == MTF_OP_LE;
	int64 date = op == MTF_OP_LT || op == MTF_OP_GE ? moment->first : moment->behind;

	if (date == MTF_LAST_COMMON_MS + 1)
		return (MtfDateBound){below ? "$lte" : "$gt", mtf_literal_date(MTF_LAST_COMMON_MS)};
	return (MtfDateBound){below ? "$lt" : "$gte", mtf_literal_date(date)};
}

int
mtf_equal_literals(const MtfField *field, const MtfValue *value, MtfLiteral literals[2])
{
	MtfInstant instant;
	int n = 0;

	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8:
			if (!mtf_value_is_plain_integer(value))
				return MTF_NOT_BY_LITERALS;
			break;
		case MTF_KIND_TEXT:
		case MTF_KIND_OBJECTID:
			if (!mtf_literal_of(value, &literals[0]))
				return 0;
			n = field->kind == MTF_KIND_TEXT ? 1 : 0;
			if (field->any_id || field->kind == MTF_KIND_OBJECTID)
				n += mtf_literal_objectid(literals[0].data, literals[0].len, &literals[n]);
			return n;
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ:
			instant = mtf_value_as_instant(value, field->kind == MTF_KIND_TIMESTAMPTZ);
			if (instant.kind != MTF_INSTANT_FINITE || instant.rest)
				return 0;
			literals[0] = mtf_literal_date(instant.milliseconds);
			return 1;
		case MTF_KIND_BOOL:
		case MTF_KIND_UUID:
		case MTF_KIND_BYTEA: break;
		default: return MTF_NOT_BY_LITERALS;
	}
	return mtf_literal_of(value, &literals[0]) ? 1 : 0;
}

MtfValueList
mtf_expand_list(const MtfValue *value)
{
	ArrayType *array = DatumGetArrayTypeP(value->datum);
	MtfValueList list = {NULL};
	int16 length;
	bool by_value;
	char align;
	Datum *datums;
	bool *nulls;
	int n;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align, &datums, &nulls, &n);
	list.values = palloc(sizeof(MtfValue) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			list.has_null = true;
		else
			list.values[list.n++] = (MtfValue){ARR_ELEMTYPE(array), false, true, datums[i]};
	}
	return list;
}
