/*
 * value.c
 *	  One BSON value → one Datum of a column's type: the rules of what fits.
 *
 * The common pair of each kind (a string in a text column, an int in an integer column) comes first
 * in its function; the others are rare and may cost more.
 *
 * What must not happen here: a value in an error message; a value cut, wrapped or guessed to fit.
 */
#include "rows/value.h"
#include "base/bson_raw.h"
#include "rows/jsonb.h"
#include "rows/number.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

const char mtf_hex_pairs[256][3] = {
	"00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "0a", "0b", "0c", "0d", "0e", "0f",
	"10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "1a", "1b", "1c", "1d", "1e", "1f",
	"20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "2a", "2b", "2c", "2d", "2e", "2f",
	"30", "31", "32", "33", "34", "35", "36", "37", "38", "39", "3a", "3b", "3c", "3d", "3e", "3f",
	"40", "41", "42", "43", "44", "45", "46", "47", "48", "49", "4a", "4b", "4c", "4d", "4e", "4f",
	"50", "51", "52", "53", "54", "55", "56", "57", "58", "59", "5a", "5b", "5c", "5d", "5e", "5f",
	"60", "61", "62", "63", "64", "65", "66", "67", "68", "69", "6a", "6b", "6c", "6d", "6e", "6f",
	"70", "71", "72", "73", "74", "75", "76", "77", "78", "79", "7a", "7b", "7c", "7d", "7e", "7f",
	"80", "81", "82", "83", "84", "85", "86", "87", "88", "89", "8a", "8b", "8c", "8d", "8e", "8f",
	"90", "91", "92", "93", "94", "95", "96", "97", "98", "99", "9a", "9b", "9c", "9d", "9e", "9f",
	"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "aa", "ab", "ac", "ad", "ae", "af",
	"b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "ba", "bb", "bc", "bd", "be", "bf",
	"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "ca", "cb", "cc", "cd", "ce", "cf",
	"d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "da", "db", "dc", "dd", "de", "df",
	"e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9", "ea", "eb", "ec", "ed", "ee", "ef",
	"f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "fa", "fb", "fc", "fd", "fe", "ff",
};

const char *
mtf_text_to_server(const char *text, uint32 len, uint32 *result_len)
{
	const char *converted;

	*result_len = len;
	if (mtf_text_is_plain(text, len))
		return text;
	if (!pg_verify_mbstr(PG_UTF8, text, len, true))
		return NULL;
	if (GetDatabaseEncoding() == PG_UTF8)
		return text;
	converted = mtf_compat_utf8_to_server(text, len);
	if (converted == NULL)
		return NULL;
	if (converted != text)
		*result_len = strlen(converted);
	return converted;
}

static bool
too_many_characters(const MtfTarget *target, const char *text, uint32 len)
{
	/* A character has at least one byte. */
	return target->max_chars >= 0 && len > (uint32) target->max_chars &&
		   pg_mbstrlen_with_len(text, len) > target->max_chars;
}

/* Blank padding of char(n); `len` bytes stand at `text` already. */
static MtfFit
pad_bpchar(const MtfTarget *target, const char *text, uint32 len, MtfArena *arena, Datum *datum)
{
	int chars = pg_mbstrlen_with_len(text, len);
	int blanks = target->max_chars > chars ? target->max_chars - chars : 0;
	char *result = mtf_arena_alloc(arena, VARHDRSZ + len + blanks);

	memcpy(VARDATA(result), text, len);
	memset(VARDATA(result) + len, ' ', blanks);
	SET_VARSIZE(result, VARHDRSZ + len + blanks);
	*datum = PointerGetDatum(result);
	return MTF_FIT_VALUE;
}

static MtfFit
finish_text(const MtfTarget *target, char *result, uint32 len, MtfArena *arena, Datum *datum)
{
	if (too_many_characters(target, VARDATA(result), len))
		return MTF_MISFIT_LENGTH;
	if (target->pads)
		return pad_bpchar(target, VARDATA(result), len, arena, datum);
	SET_VARSIZE(result, VARHDRSZ + len);
	*datum = PointerGetDatum(result);
	return MTF_FIT_VALUE;
}

static MtfFit
decode_string(const MtfTarget *target, const uint8 *value, uint32 size, MtfArena *arena,
			  Datum *datum)
{
	uint32 len;
	const char *text = mtf_bson_text(value, size, &len);
	char *result = mtf_arena_alloc(arena, VARHDRSZ + len);

	if (unlikely(!mtf_copy_plain(VARDATA(result), text, len)))
	{
		uint32 server_len;
		const char *server_text = mtf_text_to_server(text, len, &server_len);

		if (server_text == NULL)
			return MTF_MISFIT_ENCODING;
		if (server_len > len)
			result = mtf_arena_alloc(arena, VARHDRSZ + server_len);
		len = server_len;
		memcpy(VARDATA(result), server_text, len);
	}
	return finish_text(target, result, len, arena, datum);
}

static MtfFit
decode_objectid(const MtfTarget *target, const uint8 *value, MtfArena *arena, Datum *datum)
{
	Datum text = mtf_objectid_text(value, arena);

	return finish_text(target, DatumGetPointer(text), 24, arena, datum);
}

static MtfFit
decode_text(const MtfTarget *target, uint8 type, const uint8 *value, uint32 size, MtfArena *arena,
			Datum *datum)
{
	if (likely(type == MTF_BSON_STRING && target->kind != MTF_KIND_OBJECTID))
		return decode_string(target, value, size, arena, datum);
	if (type == MTF_BSON_OBJECTID && target->takes_objectid)
		return decode_objectid(target, value, arena, datum);
	return MTF_MISFIT_TYPE;
}

/* Any number to a whole one: MTF_MISFIT_RANGE when it is not integral or too large for 64 bits. */
static MtfFit
read_integer(uint8 type, const uint8 *value, int64 *result)
{
	MtfDecimal decimal;
	bool fits = true;

	switch (type)
	{
		case MTF_BSON_INT32: *result = (int32) mtf_load_u32(value); break;
		case MTF_BSON_INT64: *result = (int64) mtf_load_u64(value); break;
		case MTF_BSON_DOUBLE: fits = mtf_double_to_int64(mtf_load_double(value), result); break;
		case MTF_BSON_DECIMAL:
			mtf_decimal_from_bson(&decimal, value);
			fits = mtf_decimal_to_int64(&decimal, result);
			break;
		default: return MTF_MISFIT_TYPE;
	}
	return fits ? MTF_FIT_VALUE : MTF_MISFIT_RANGE;
}

static MtfFit
decode_integer(const MtfTarget *target, uint8 type, const uint8 *value, Datum *datum)
{
	int64 number;
	MtfFit fit = read_integer(type, value, &number);

	if (fit != MTF_FIT_VALUE)
		return fit;
	switch (target->kind)
	{
		case MTF_KIND_INT2:
			if (number < PG_INT16_MIN || number > PG_INT16_MAX)
				return MTF_MISFIT_RANGE;
			*datum = Int16GetDatum((int16) number);
			break;
		case MTF_KIND_INT4:
			if (number < PG_INT32_MIN || number > PG_INT32_MAX)
				return MTF_MISFIT_RANGE;
			*datum = Int32GetDatum((int32) number);
			break;
		default: *datum = Int64GetDatum(number); break;
	}
	return MTF_FIT_VALUE;
}

static MtfFit
read_double(uint8 type, const uint8 *value, double *result)
{
	MtfDecimal decimal;
	bool fits = true;

	switch (type)
	{
		case MTF_BSON_DOUBLE: *result = mtf_load_double(value); break;
		case MTF_BSON_INT32: *result = (int32) mtf_load_u32(value); break;
		case MTF_BSON_INT64: *result = (double) (int64) mtf_load_u64(value); break;
		case MTF_BSON_DECIMAL:
			mtf_decimal_from_bson(&decimal, value);
			fits = mtf_decimal_to_double(&decimal, result);
			break;
		default: return MTF_MISFIT_TYPE;
	}
	return fits ? MTF_FIT_VALUE : MTF_MISFIT_RANGE;
}

static MtfFit
decode_float(const MtfTarget *target, uint8 type, const uint8 *value, Datum *datum)
{
	double number;
	float4 narrow;
	MtfFit fit = read_double(type, value, &number);

	if (fit != MTF_FIT_VALUE)
		return fit;
	if (target->kind == MTF_KIND_FLOAT8)
	{
		*datum = Float8GetDatum(number);
		return MTF_FIT_VALUE;
	}
	narrow = (float4) number;
	if ((isinf(narrow) && !isinf(number)) || (narrow == 0.0f && number != 0.0))
		return MTF_MISFIT_RANGE;
	*datum = Float4GetDatum(narrow);
	return MTF_FIT_VALUE;
}

static MtfFit
decode_numeric(const MtfTarget *target, uint8 type, const uint8 *value, MtfArena *arena,
			   Datum *datum)
{
	MtfDecimal decimal;
	char *result;

	switch (type)
	{
		case MTF_BSON_DECIMAL: mtf_decimal_from_bson(&decimal, value); break;
		case MTF_BSON_DOUBLE: mtf_decimal_from_double(&decimal, mtf_load_double(value)); break;
		case MTF_BSON_INT32: mtf_decimal_from_int64(&decimal, (int32) mtf_load_u32(value)); break;
		case MTF_BSON_INT64: mtf_decimal_from_int64(&decimal, (int64) mtf_load_u64(value)); break;
		default: return MTF_MISFIT_TYPE;
	}
	result = mtf_arena_alloc(arena, MTF_NUMERIC_MAX_SIZE);
	if (!mtf_decimal_to_numeric(&decimal, target->typmod, result))
		return MTF_MISFIT_RANGE;
	*datum = PointerGetDatum(result);
	return MTF_FIT_VALUE;
}

static MtfFit
decode_bool(uint8 type, const uint8 *value, Datum *datum)
{
	if (type != MTF_BSON_BOOL)
		return MTF_MISFIT_TYPE;
	if (*value > 1)
		mtf_bson_raise_invalid();
	*datum = BoolGetDatum(*value == 1);
	return MTF_FIT_VALUE;
}

/* Milliseconds since 1970, UTC, to a day. */
static MtfFit
decode_date(uint8 type, const uint8 *value, Datum *datum)
{
	const int64 ms_per_day = INT64CONST(86400000);
	int64 ms;
	int64 day;

	if (type != MTF_BSON_DATE)
		return MTF_MISFIT_TYPE;
	ms = (int64) mtf_load_u64(value);
	day = ms / ms_per_day - (ms % ms_per_day < 0 ? 1 : 0);
	day -= POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
	if (day < DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE ||
		day >= DATE_END_JULIAN - POSTGRES_EPOCH_JDATE)
		return MTF_MISFIT_RANGE;
	*datum = DateADTGetDatum((DateADT) day);
	return MTF_FIT_VALUE;
}

static MtfFit
decode_timestamp(uint8 type, const uint8 *value, Datum *datum)
{
	if (type != MTF_BSON_DATE)
		return MTF_MISFIT_TYPE;
	return mtf_timestamp_from_bson(value, datum) ? MTF_FIT_VALUE : MTF_MISFIT_RANGE;
}

static MtfFit
decode_uuid(uint8 type, const uint8 *value, uint32 size, Datum *datum)
{
	if (type != MTF_BSON_BINARY || size != 5 + UUID_LEN || value[4] != 0x04)
		return MTF_MISFIT_TYPE;
	/* A uuid has no alignment: its bytes in the batch are the value. */
	*datum = PointerGetDatum(value + 5);
	return MTF_FIT_VALUE;
}

static MtfFit
decode_bytea(uint8 type, const uint8 *value, uint32 size, MtfArena *arena, Datum *datum)
{
	char *result;

	/* Bytes alone do not tell one subtype from another, and comparisons on the server do. */
	if (type != MTF_BSON_BINARY || value[4] != 0x00)
		return MTF_MISFIT_TYPE;
	result = mtf_arena_alloc(arena, VARHDRSZ + size - 5);
	memcpy(VARDATA(result), value + 5, size - 5);
	SET_VARSIZE(result, VARHDRSZ + size - 5);
	*datum = PointerGetDatum(result);
	return MTF_FIT_VALUE;
}

static MtfFit
decode_jsonb(const MtfTarget *target, uint8 type, const uint8 *value, uint32 size, Datum *datum)
{
	Jsonb *jsonb = mtf_jsonb_from_bson(type, value, size, target->column->json_format);

	if (jsonb == NULL)
		return MTF_MISFIT_ENCODING;
	*datum = PointerGetDatum(jsonb);
	return MTF_FIT_VALUE;
}

static MtfFit decode_array(const MtfTarget *target, uint8 type, const uint8 *value, uint32 size,
						   MtfArena *arena, Datum *datum);

/*
 * *datum is set for MTF_FIT_VALUE only; it may point into the arena, into `value`, or into the current
 * memory context.  Raises XX001 for invalid BSON; a misfit is returned, not raised.
 */
static MtfFit
decode_value(const MtfTarget *target, uint8 type, const uint8 *value, uint32 size, MtfArena *arena,
			 Datum *datum)
{
	if (type == MTF_BSON_NULL || type == MTF_BSON_UNDEFINED)
		return MTF_FIT_NULL;
	switch (target->kind)
	{
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8: return decode_integer(target, type, value, datum);
		case MTF_KIND_TEXT:
		case MTF_KIND_BPCHAR:
		case MTF_KIND_OBJECTID: return decode_text(target, type, value, size, arena, datum);
		case MTF_KIND_FLOAT4:
		case MTF_KIND_FLOAT8: return decode_float(target, type, value, datum);
		case MTF_KIND_NUMERIC: return decode_numeric(target, type, value, arena, datum);
		case MTF_KIND_BOOL: return decode_bool(type, value, datum);
		case MTF_KIND_DATE: return decode_date(type, value, datum);
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: return decode_timestamp(type, value, datum);
		case MTF_KIND_UUID: return decode_uuid(type, value, size, datum);
		case MTF_KIND_BYTEA: return decode_bytea(type, value, size, arena, datum);
		case MTF_KIND_JSONB: return decode_jsonb(target, type, value, size, datum);
		case MTF_KIND_ARRAY: return decode_array(target, type, value, size, arena, datum);
	}
	return MTF_MISFIT_TYPE;
}

/* A growing list of elements. */
typedef struct ElementList
{
	Datum *values;
	bool *nulls;
	int count;
	int capacity;
} ElementList;

static void
append_element(ElementList *list, Datum value, bool isnull)
{
	if (list->count == list->capacity)
	{
		list->capacity = Max(16, list->capacity * 2);
		list->values = list->values == NULL
						   ? palloc(list->capacity * sizeof(Datum))
						   : repalloc(list->values, list->capacity * sizeof(Datum));
		list->nulls = list->nulls == NULL ? palloc(list->capacity * sizeof(bool))
										  : repalloc(list->nulls, list->capacity * sizeof(bool));
	}
	list->values[list->count] = value;
	list->nulls[list->count++] = isnull;
}

static MtfFit
decode_array(const MtfTarget *target, uint8 type, const uint8 *value, uint32 size, MtfArena *arena,
			 Datum *datum)
{
	ElementList list = {0};
	MtfElement element;
	const uint8 *at;
	const uint8 *end;
	int lower = 1;

	if (type != MTF_BSON_ARRAY)
		return MTF_MISFIT_TYPE;
	if (!mtf_bson_open(value, size, &at, &end))
		mtf_bson_raise_invalid();
	while (mtf_bson_next(&at, end, &element))
	{
		Datum one = (Datum) 0;
		MtfFit fit =
			decode_value(target->element, element.type, element.value, element.size, arena, &one);

		if (fit > MTF_FIT_NULL)
			return fit == MTF_MISFIT_ENCODING ? fit : MTF_MISFIT_ELEMENT;
		append_element(&list, one, fit == MTF_FIT_NULL);
	}
	if (list.count == 0)
		*datum = PointerGetDatum(construct_empty_array(target->element_type));
	else
		*datum = PointerGetDatum(construct_md_array(
			list.values, list.nulls, 1, &list.count, &lower, target->element_type,
			target->element_len, target->element_by_value, target->element_align));
	return MTF_FIT_VALUE;
}

static int
misfit_sqlstate(const MtfTarget *target, MtfFit fit)
{
	switch (fit)
	{
		case MTF_MISFIT_RANGE:
			return target->kind == MTF_KIND_DATE || target->kind == MTF_KIND_TIMESTAMP ||
						   target->kind == MTF_KIND_TIMESTAMPTZ
					   ? ERRCODE_DATETIME_VALUE_OUT_OF_RANGE
					   : ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		case MTF_MISFIT_LENGTH: return ERRCODE_STRING_DATA_RIGHT_TRUNCATION;
		case MTF_MISFIT_ENCODING: return ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
		default: return ERRCODE_INVALID_CHARACTER_VALUE_FOR_CAST;
	}
}

static const char *
misfit_detail(MtfFit fit)
{
	switch (fit)
	{
		case MTF_MISFIT_RANGE: return "A value of BSON type %s is outside the column's range.";
		case MTF_MISFIT_LENGTH: return "A value of BSON type %s is too long for the column.";
		case MTF_MISFIT_ENCODING:
			return "A value of BSON type %s has characters that PostgreSQL cannot store.";
		case MTF_MISFIT_ELEMENT: return "An element of the %s does not fit.";
		default: return "The document has a value of BSON type %s there.";
	}
}

static void
raise_misfit(const MtfTarget *target, MtfFit fit, uint8 type)
{
	const MtfColumn *column = target->column;

	ereport(ERROR,
			(errcode(misfit_sqlstate(target, fit)),
			 errmsg("the value at path \"%s\" does not fit column \"%s\" of type %s", column->path,
					column->name, format_type_with_typemod(column->typid, column->typmod)),
			 errdetail_internal(misfit_detail(fit), mtf_bson_type_name(type)),
			 errhint("To read such values as NULL, set the option on_mismatch to 'null'.")));
}

void
mtf_value_store_misfit(MtfTarget *target, uint8 type, bool *isnull)
{
	if (target->column->on_mismatch == MTF_MISMATCH_ERROR)
		raise_misfit(target, MTF_MISFIT_TYPE, type);
	isnull[target->index] = true;
}

void
mtf_value_store(MtfTarget *target, uint8 type, const uint8 *value, uint32 size, MtfArena *arena,
				Datum *values, bool *isnull)
{
	Datum datum;
	MtfFit fit = decode_value(target, type, value, size, arena, &datum);

	if (likely(fit == MTF_FIT_VALUE))
	{
		if (unlikely(OidIsValid(target->domain)))
			domain_check(datum, false, target->domain, &target->domain_cache, target->context);
		values[target->index] = datum;
		isnull[target->index] = false;
	}
	else if (fit != MTF_FIT_NULL && target->column->on_mismatch == MTF_MISMATCH_ERROR)
		raise_misfit(target, fit, type);
}

void
mtf_value_check_null(MtfTarget *target)
{
	if (OidIsValid(target->domain))
		domain_check((Datum) 0, true, target->domain, &target->domain_cache, target->context);
}

static void
set_scalar(MtfTarget *target, MtfKind kind, Oid typid, int32 typmod)
{
	target->kind = kind;
	target->typmod = typmod;
	target->takes_objectid = kind == MTF_KIND_OBJECTID || target->column->any_id;
	target->max_chars = -1;
	if ((kind == MTF_KIND_TEXT || kind == MTF_KIND_BPCHAR || kind == MTF_KIND_OBJECTID) &&
		typmod >= (int32) VARHDRSZ)
		target->max_chars = typmod - VARHDRSZ;
	target->pads = typid == BPCHAROID && target->max_chars >= 0;
}

MtfTarget *
mtf_target_create(const MtfColumn *column, int index)
{
	MtfTarget *target = palloc0(sizeof(MtfTarget));

	target->index = index;
	target->column = column;
	target->context = CurrentMemoryContext;
	set_scalar(target, column->kind, column->typid, column->typmod);
	if (column->declared_typid != column->typid)
		target->domain = column->declared_typid;
	if (column->kind == MTF_KIND_ARRAY)
	{
		target->element = palloc0(sizeof(MtfTarget));
		target->element->column = column;
		target->element_type = get_element_type(column->typid);
		set_scalar(target->element, column->element, target->element_type, column->typmod);
		get_typlenbyvalalign(target->element_type, &target->element_len, &target->element_by_value,
							 &target->element_align);
	}
	return target;
}
