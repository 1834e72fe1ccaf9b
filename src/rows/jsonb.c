/*
 * jsonb.c
 *	  BSON value → jsonb, in the formats `plain` and `extended` of the option json_format.
 *
 * A JsonbValue tree is built whose strings point into the document wherever they can, and handed to
 * JsonbValueToJsonb() once.  Objects are given to it sorted (by length, then bytes) and without
 * duplicates, as it demands; sorting them here is what lets the first of two equal keys win.
 */
#include "rows/jsonb.h"
#include "base/bson_raw.h"
#include "rows/number.h"
#include "rows/value.h"

#include <math.h>

#include "base/driver_compat.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

typedef struct JsonState
{
	bool extended;
	bool unfit; /* a string that jsonb cannot hold was met: the result is thrown away */
} JsonState;

static void read_value(JsonState *state, uint8 type, const uint8 *value, uint32 size,
					   JsonbValue *out);

static void
set_text(JsonbValue *out, const char *text, int len)
{
	out->type = jbvString;
	out->val.string.val = unconstify(char *, text);
	out->val.string.len = len;
}

static void
set_c_string(JsonbValue *out, const char *text)
{
	set_text(out, text, strlen(text));
}

/* A string of the document: checked, and converted when the database is not UTF-8. */
static void
set_document_text(JsonState *state, JsonbValue *out, const char *text, uint32 len)
{
	uint32 server_len;
	const char *server_text = mtf_text_to_server(text, len, &server_len);

	if (server_text == NULL)
	{
		state->unfit = true;
		server_text = "";
		server_len = 0;
	}
	set_text(out, server_text, server_len);
}

static void
set_decimal(JsonbValue *out, const MtfDecimal *decimal, int min_scale)
{
	char *numeric = palloc(MTF_NUMERIC_MAX_SIZE);

	mtf_decimal_to_numeric_scaled(decimal, min_scale, numeric);
	out->type = jbvNumeric;
	out->val.numeric = (Numeric) numeric;
}

static void
set_int64(JsonbValue *out, int64 number)
{
	MtfDecimal decimal;

	mtf_decimal_from_int64(&decimal, number);
	set_decimal(out, &decimal, 0);
}

/* A pair's key and place: small, because pairs themselves are slow to move about. */
typedef struct SortKey
{
	const char *key;
	int len;
	int index; /* in the document's order */
} SortKey;

/* jsonb's order of keys: shorter first, then by bytes. */
static inline int
compare_keys(const SortKey *a, const SortKey *b)
{
	if (a->len != b->len)
		return a->len - b->len;
	return memcmp(a->key, b->key, a->len);
}

static int
compare_sort_keys(const void *a, const void *b)
{
	const SortKey *left = a;
	const SortKey *right = b;
	int result = compare_keys(left, right);

	return result != 0 ? result : left->index - right->index;
}

static void
sort_keys(SortKey *keys, int n)
{
	const int small = 24;

	if (n > small)
	{
		qsort(keys, n, sizeof(SortKey), compare_sort_keys);
		return;
	}
	/* Stable: of equal keys the first of the document stays first. */
	for (int i = 1; i < n; i++)
	{
		SortKey key = keys[i];
		int j = i;

		for (; j > 0 && compare_keys(&keys[j - 1], &key) > 0; j--)
			keys[j] = keys[j - 1];
		keys[j] = key;
	}
}

/* Make `out` the object of these pairs: in jsonb's order, and the first of equal keys only. */
static void
set_object(JsonbValue *out, const JsonbPair *pairs, int n)
{
	SortKey *keys = palloc(Max(n, 1) * sizeof(SortKey));
	JsonbPair *sorted = palloc(Max(n, 1) * sizeof(JsonbPair));
	int kept = 0;

	for (int i = 0; i < n; i++)
		keys[i] = (SortKey){pairs[i].key.val.string.val, pairs[i].key.val.string.len, i};
	sort_keys(keys, n);
	for (int i = 0; i < n; i++)
		if (i == 0 || compare_keys(&keys[i - 1], &keys[i]) != 0)
			sorted[kept++] = pairs[keys[i].index];
	pfree(keys);
	memset(out, 0, sizeof(*out));
	out->type = jbvObject;
	out->val.object.pairs = sorted;
	out->val.object.nPairs = kept;
}

/* An object of `n` pairs still to be filled by pair_at(). */
static void
begin_object(JsonbValue *out, int n)
{
	memset(out, 0, sizeof(*out));
	out->type = jbvObject;
	out->val.object.nPairs = n;
	out->val.object.pairs = palloc0(n * sizeof(JsonbPair));
}

/* The value of pair `i`; our own keys are given in jsonb's order. */
static JsonbValue *
pair_at(JsonbValue *object, int i, const char *key)
{
	JsonbPair *pair = &object->val.object.pairs[i];

	set_c_string(&pair->key, key);
	pair->order = i;
	return &pair->value;
}

/* {"$key": …}; the inner value to fill. */
static JsonbValue *
wrap(JsonbValue *out, const char *key)
{
	begin_object(out, 1);
	return pair_at(out, 0, key);
}

/* Room for more elements of that size. */
static void *
grow(void *elements, int *capacity, Size size)
{
	*capacity = Max(16, *capacity * 2);
	return elements == NULL ? palloc(*capacity * size) : repalloc(elements, *capacity * size);
}

static void
read_object(JsonState *state, const uint8 *value, uint32 size, JsonbValue *out)
{
	const uint8 *at;
	const uint8 *end;
	MtfElement element;
	JsonbPair *pairs = NULL;
	int count = 0;
	int capacity = 0;

	if (!mtf_bson_open(value, size, &at, &end))
		mtf_bson_raise_invalid();
	while (mtf_bson_next(&at, end, &element))
	{
		if (count == capacity)
			pairs = grow(pairs, &capacity, sizeof(JsonbPair));
		set_document_text(state, &pairs[count].key, element.name, element.name_len);
		read_value(state, element.type, element.value, element.size, &pairs[count].value);
		pairs[count].order = count;
		count++;
	}
	set_object(out, pairs, count);
}

static void
read_array(JsonState *state, const uint8 *value, uint32 size, JsonbValue *out)
{
	const uint8 *at;
	const uint8 *end;
	MtfElement element;
	JsonbValue *elems = NULL;
	int count = 0;
	int capacity = 0;

	if (!mtf_bson_open(value, size, &at, &end))
		mtf_bson_raise_invalid();
	while (mtf_bson_next(&at, end, &element))
	{
		if (count == capacity)
			elems = grow(elems, &capacity, sizeof(JsonbValue));
		read_value(state, element.type, element.value, element.size, &elems[count++]);
	}
	memset(out, 0, sizeof(*out));
	out->type = jbvArray;
	out->val.array.elems = elems;
	out->val.array.nElems = count;
	out->val.array.rawScalar = false;
}

static char *
hex_text(const uint8 *bytes, int n)
{
	char *text = palloc(2 * n + 1);

	for (int i = 0; i < n; i++)
		memcpy(text + 2 * i, mtf_hex_pairs[bytes[i]], 2);
	text[2 * n] = '\0';
	return text;
}

static char *
uuid_text(const uint8 *bytes)
{
	char *hex = hex_text(bytes, 16);

	return psprintf("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static char *
base64_text(const uint8 *bytes, uint32 n)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = palloc(((Size) n + 2) / 3 * 4 + 1);
	char *to = text;

	for (uint32 i = 0; i < n; i += 3)
	{
		uint32 left = n - i;
		uint32 word =
			bytes[i] << 16 | (left > 1 ? bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);

		*to++ = alphabet[word >> 18];
		*to++ = alphabet[(word >> 12) & 63];
		*to++ = left > 1 ? alphabet[(word >> 6) & 63] : '=';
		*to++ = left > 2 ? alphabet[word & 63] : '=';
	}
	*to = '\0';
	return text;
}

/*
 * ISO 8601 in UTC.  Outside the years 0 to 9999 the year has a sign and at least six digits, as the
 * standard's expanded form wants.  Our own arithmetic: PostgreSQL's stops at the year 294276.
 */
static char *
date_text(int64 ms)
{
	const int64 ms_per_day = INT64CONST(86400000);
	int64 day = ms / ms_per_day - (ms % ms_per_day < 0 ? 1 : 0);
	int rest = (int) (ms % ms_per_day + (ms % ms_per_day < 0 ? ms_per_day : 0));
	/* Days since 0000-03-01, in eras of 400 years. */
	int64 shifted = day + 719468;
	int64 era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int day_of_era = (int) (shifted - era * 146097);
	int year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int march_month = (5 * day_of_year + 2) / 153;
	int mday = day_of_year - (153 * march_month + 2) / 5 + 1;
	int month = march_month < 10 ? march_month + 3 : march_month - 9;
	int64 year = year_of_era + era * 400 + (month <= 2);
	char fraction[8] = "";

	if (rest % 1000 != 0)
		snprintf(fraction, sizeof(fraction), ".%03d", rest % 1000);
	return psprintf(year >= 0 && year <= 9999 ? "%04lld-%02d-%02dT%02d:%02d:%02d%sZ"
											  : "%+07lld-%02d-%02dT%02d:%02d:%02d%sZ",
					(long long) year, month, mday, rest / 3600000, rest / 60000 % 60,
					rest / 1000 % 60, fraction);
}

static void
read_date(JsonState *state, const uint8 *value, JsonbValue *out)
{
	int64 ms = (int64) mtf_load_u64(value);
	/* 10000-01-01T00:00:00Z */
	bool in_range = ms >= 0 && ms < INT64CONST(253402300800000);

	if (!state->extended)
		set_c_string(out, date_text(ms));
	else if (in_range)
		set_c_string(wrap(out, "$date"), date_text(ms));
	else
		set_c_string(wrap(wrap(out, "$date"), "$numberLong"), psprintf("%lld", (long long) ms));
}

static void
read_double(JsonState *state, double number, JsonbValue *out)
{
	MtfDecimal decimal;

	if (isnan(number) || isinf(number))
	{
		const char *name = isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";

		set_c_string(state->extended ? wrap(out, "$numberDouble") : out, name);
		return;
	}
	mtf_decimal_from_double(&decimal, number);
	/* 5.0 stays a double in Extended JSON. */
	set_decimal(out, &decimal, state->extended ? 1 : 0);
}

static void
read_decimal(JsonState *state, const uint8 *value, JsonbValue *out)
{
	MtfDecimal decimal;

	mtf_decimal_from_bson(&decimal, value);
	if (state->extended)
	{
		bson_decimal128_t number = {.low = mtf_load_u64(value), .high = mtf_load_u64(value + 8)};
		char *text = palloc(BSON_DECIMAL128_STRING);

		bson_decimal128_to_string(&number, text);
		set_c_string(wrap(out, "$numberDecimal"), text);
	}
	else if (decimal.class == MTF_DECIMAL_FINITE)
		set_decimal(out, &decimal, 0);
	else
		set_c_string(out, decimal.class == MTF_DECIMAL_NAN ? "NaN"
						  : decimal.negative               ? "-Infinity"
														   : "Infinity");
}

static void
read_binary(JsonState *state, const uint8 *value, uint32 size, JsonbValue *out)
{
	uint8 subtype = value[4];
	const uint8 *bytes = value + 5;
	uint32 n = size - 5;
	JsonbValue *binary;

	if (!state->extended)
	{
		set_c_string(out, subtype == 0x04 && n == 16 ? uuid_text(bytes) : base64_text(bytes, n));
		return;
	}
	/* The old generic subtype repeats its length inside. */
	if (subtype == 0x02 && n >= 4 && mtf_load_u32(bytes) == n - 4)
		bytes += 4, n -= 4;
	binary = wrap(out, "$binary");
	begin_object(binary, 2);
	set_c_string(pair_at(binary, 0, "base64"), base64_text(bytes, n));
	set_c_string(pair_at(binary, 1, "subType"), hex_text(&subtype, 1));
}

static void
read_regex(JsonState *state, const uint8 *value, JsonbValue *out)
{
	const char *pattern = (const char *) value;
	const char *options = pattern + strlen(pattern) + 1;
	JsonbValue *regex = wrap(out, "$regularExpression");

	begin_object(regex, 2);
	set_document_text(state, pair_at(regex, 0, "options"), options, strlen(options));
	set_document_text(state, pair_at(regex, 1, "pattern"), pattern, strlen(pattern));
}

static void
read_timestamp(const uint8 *value, JsonbValue *out)
{
	JsonbValue *timestamp = wrap(out, "$timestamp");

	begin_object(timestamp, 2);
	set_int64(pair_at(timestamp, 0, "i"), mtf_load_u32(value));
	set_int64(pair_at(timestamp, 1, "t"), mtf_load_u32(value + 4));
}

static void
read_dbpointer(JsonState *state, const uint8 *value, uint32 size, JsonbValue *out)
{
	uint32 len;
	const char *namespace = mtf_bson_text(value, size - 12, &len);
	JsonbValue *pointer = wrap(out, "$dbPointer");

	begin_object(pointer, 2);
	set_c_string(wrap(pair_at(pointer, 0, "$id"), "$oid"), hex_text(value + size - 12, 12));
	set_document_text(state, pair_at(pointer, 1, "$ref"), namespace, len);
}

/* int32 of the whole, string, document. */
static void
read_code_with_scope(JsonState *state, const uint8 *value, uint32 size, JsonbValue *out)
{
	const uint8 *code = value + 4;
	const uint8 *end = value + size;
	uint32 code_size = size < 14 ? MTF_BSON_BAD : mtf_bson_size(MTF_BSON_CODE, code, end);
	uint32 len;
	const char *text;

	if (code_size == MTF_BSON_BAD ||
		mtf_bson_size(MTF_BSON_DOCUMENT, code + code_size, end) != end - code - code_size)
		mtf_bson_raise_invalid();
	text = mtf_bson_text(code, code_size, &len);
	begin_object(out, 2);
	set_document_text(state, pair_at(out, 0, "$code"), text, len);
	read_object(state, code + code_size, end - code - code_size, pair_at(out, 1, "$scope"));
}

static void
read_string(JsonState *state, uint8 type, const uint8 *value, uint32 size, JsonbValue *out)
{
	uint32 len;
	const char *text = mtf_bson_text(value, size, &len);

	if (type == MTF_BSON_CODE)
		out = wrap(out, "$code");
	else if (type == MTF_BSON_SYMBOL && state->extended)
		out = wrap(out, "$symbol");
	set_document_text(state, out, text, len);
}

static void
read_bool(const uint8 *value, JsonbValue *out)
{
	if (*value > 1)
		mtf_bson_raise_invalid();
	out->type = jbvBool;
	out->val.boolean = *value == 1;
}

static void
read_undefined(JsonState *state, JsonbValue *out)
{
	if (state->extended)
	{
		out = wrap(out, "$undefined");
		out->type = jbvBool;
		out->val.boolean = true;
	}
	else
		out->type = jbvNull;
}

static void
read_value(JsonState *state, uint8 type, const uint8 *value, uint32 size, JsonbValue *out)
{
	check_stack_depth();
	switch ((MtfBsonType) type)
	{
		case MTF_BSON_DOUBLE: read_double(state, mtf_load_double(value), out); break;
		case MTF_BSON_STRING:
		case MTF_BSON_CODE:
		case MTF_BSON_SYMBOL: read_string(state, type, value, size, out); break;
		case MTF_BSON_DOCUMENT: read_object(state, value, size, out); break;
		case MTF_BSON_ARRAY: read_array(state, value, size, out); break;
		case MTF_BSON_BINARY: read_binary(state, value, size, out); break;
		case MTF_BSON_UNDEFINED: read_undefined(state, out); break;
		case MTF_BSON_OBJECTID:
			set_text(state->extended ? wrap(out, "$oid") : out, hex_text(value, 12), 24);
			break;
		case MTF_BSON_BOOL: read_bool(value, out); break;
		case MTF_BSON_DATE: read_date(state, value, out); break;
		case MTF_BSON_NULL: out->type = jbvNull; break;
		case MTF_BSON_REGEX: read_regex(state, value, out); break;
		case MTF_BSON_DBPOINTER: read_dbpointer(state, value, size, out); break;
		case MTF_BSON_CODE_SCOPE: read_code_with_scope(state, value, size, out); break;
		case MTF_BSON_INT32: set_int64(out, (int32) mtf_load_u32(value)); break;
		case MTF_BSON_TIMESTAMP: read_timestamp(value, out); break;
		case MTF_BSON_INT64: set_int64(out, (int64) mtf_load_u64(value)); break;
		case MTF_BSON_DECIMAL: read_decimal(state, value, out); break;
		case MTF_BSON_MAXKEY: set_int64(wrap(out, "$maxKey"), 1); break;
		case MTF_BSON_MINKEY: set_int64(wrap(out, "$minKey"), 1); break;
		default: mtf_bson_raise_invalid();
	}
}

Jsonb *
mtf_jsonb_from_bson(uint8 type, const uint8 *value, uint32 size, MtfJsonFormat format)
{
	JsonState state = {.extended = format == MTF_JSON_EXTENDED};
	JsonbValue root;

	read_value(&state, type, value, size, &root);
	return state.unfit ? NULL : JsonbValueToJsonb(&root);
}
