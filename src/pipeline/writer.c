/*
 * writer.c
 *	  BSON written into palloc'd memory.
 *
 * libbson's own builder keeps malloc'd memory that an ERROR would leak, and cannot take back an
 * element.  Here a document is bytes in a StringInfo: https://bsonspec.org, all little-endian.
 */
#include "pipeline/writer.h"

static void
write_bytes(StringInfo out, const void *data, int len)
{
	appendBinaryStringInfo(out, data, len);
}

static void
write_int32(StringInfo out, int32 value)
{
	uint32 bytes = BSON_UINT32_TO_LE((uint32) value);

	write_bytes(out, &bytes, sizeof(bytes));
}

static void
write_int64(StringInfo out, int64 value)
{
	uint64 bytes = BSON_UINT64_TO_LE((uint64) value);

	write_bytes(out, &bytes, sizeof(bytes));
}

static void
write_header(StringInfo out, const char *key, bson_type_t type)
{
	appendStringInfoChar(out, (char) type);
	write_bytes(out, key, strlen(key) + 1);
}

/* The mark is where the element starts; the length field follows its header. */
static MtfMark
begin(StringInfo out, const char *key, bson_type_t type)
{
	MtfMark mark = out->len;

	if (key != NULL)
		write_header(out, key, type);
	write_int32(out, 0);
	return mark;
}

MtfMark
mtf_write_begin(StringInfo out, const char *key)
{
	return begin(out, key, BSON_TYPE_DOCUMENT);
}

MtfMark
mtf_write_begin_array(StringInfo out, const char *key)
{
	return begin(out, key, BSON_TYPE_ARRAY);
}

void
mtf_write_end(StringInfo out, MtfMark mark)
{
	int start = mark;
	uint32 len;

	appendStringInfoChar(out, '\0');
	/* An outermost document starts with its length; an element with type and key. */
	if (mark > 0)
		start += 1 + strlen(out->data + mark + 1) + 1;
	len = BSON_UINT32_TO_LE((uint32) (out->len - start));
	memcpy(out->data + start, &len, sizeof(len));
}

MtfNest
mtf_nest_begin(StringInfo out, const char *key, const char *inner)
{
	MtfNest nest;

	nest.outer = mtf_write_begin(out, key);
	nest.inner = mtf_write_begin(out, inner);
	return nest;
}

void
mtf_nest_end(StringInfo out, MtfNest nest)
{
	mtf_write_end(out, nest.inner);
	mtf_write_end(out, nest.outer);
}

void
mtf_write_take_back(StringInfo out, MtfMark mark)
{
	out->len = mark;
	out->data[mark] = '\0';
}

static void
write_string(StringInfo out, const char *data, int len)
{
	write_int32(out, len + 1);
	write_bytes(out, data, len);
	appendStringInfoChar(out, '\0');
}

static void
write_double(StringInfo out, double value)
{
	uint64 bits;

	memcpy(&bits, &value, sizeof(bits));
	write_int64(out, (int64) bits);
}

void
mtf_write_literal(StringInfo out, const char *key, const MtfLiteral *literal)
{
	static const bson_type_t types[] = {
		[MTF_LITERAL_NULL] = BSON_TYPE_NULL,          [MTF_LITERAL_BOOL] = BSON_TYPE_BOOL,
		[MTF_LITERAL_INT64] = BSON_TYPE_INT64,        [MTF_LITERAL_DOUBLE] = BSON_TYPE_DOUBLE,
		[MTF_LITERAL_DECIMAL] = BSON_TYPE_DECIMAL128, [MTF_LITERAL_STRING] = BSON_TYPE_UTF8,
		[MTF_LITERAL_DATE] = BSON_TYPE_DATE_TIME,     [MTF_LITERAL_OBJECTID] = BSON_TYPE_OID,
		[MTF_LITERAL_BINARY] = BSON_TYPE_BINARY,
	};

	write_header(out, key, types[literal->type]);
	switch (literal->type)
	{
		case MTF_LITERAL_NULL: break;
		case MTF_LITERAL_BOOL: appendStringInfoChar(out, literal->value.boolean ? 1 : 0); break;
		case MTF_LITERAL_INT64:
		case MTF_LITERAL_DATE: write_int64(out, literal->value.integer); break;
		case MTF_LITERAL_DOUBLE: write_double(out, literal->value.number); break;
		case MTF_LITERAL_DECIMAL:
			write_int64(out, (int64) literal->value.decimal.low);
			write_int64(out, (int64) literal->value.decimal.high);
			break;
		case MTF_LITERAL_STRING: write_string(out, literal->data, literal->len); break;
		case MTF_LITERAL_OBJECTID: write_bytes(out, literal->value.oid, 12); break;
		case MTF_LITERAL_BINARY:
			write_int32(out, literal->len);
			appendStringInfoChar(out, (char) literal->subtype);
			write_bytes(out, literal->data, literal->len);
			break;
	}
}

void
mtf_write_int(StringInfo out, const char *key, int32 value)
{
	write_header(out, key, BSON_TYPE_INT32);
	write_int32(out, value);
}

void
mtf_write_bool(StringInfo out, const char *key, bool value)
{
	write_header(out, key, BSON_TYPE_BOOL);
	appendStringInfoChar(out, value ? 1 : 0);
}

void
mtf_write_null(StringInfo out, const char *key)
{
	write_header(out, key, BSON_TYPE_NULL);
}

void
mtf_write_word(StringInfo out, const char *key, const char *word)
{
	write_header(out, key, BSON_TYPE_UTF8);
	write_string(out, word, strlen(word));
}

void
mtf_write_words(StringInfo out, const char *key, const char *const *words)
{
	MtfMark list = mtf_write_begin_array(out, key);

	for (int i = 0; words[i] != NULL; i++)
		mtf_write_word(out, mtf_array_key(i), words[i]);
	mtf_write_end(out, list);
}

void
mtf_write_regex(StringInfo out, const char *key, const char *pattern, const char *options)
{
	write_header(out, key, BSON_TYPE_REGEX);
	write_bytes(out, pattern, strlen(pattern) + 1);
	write_bytes(out, options, strlen(options) + 1);
}

void
mtf_write_document(StringInfo out, const char *key, const uint8 *data, uint32 len)
{
	write_header(out, key, BSON_TYPE_DOCUMENT);
	write_bytes(out, data, len);
}

void
mtf_write_array(StringInfo out, const char *key, const uint8 *data, uint32 len)
{
	write_header(out, key, BSON_TYPE_ARRAY);
	write_bytes(out, data, len);
}

const char *
mtf_array_key(int i)
{
	static char key[16];

	snprintf(key, sizeof(key), "%d", i);
	return key;
}
