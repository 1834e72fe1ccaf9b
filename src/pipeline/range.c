/*
 * range.c
 *	  A collection cut into ranges of `_id`, each document in exactly one of them.
 *
 * Keys are values that servers sent before; they go back byte by byte.
 *
 * What must not happen here: a document in two ranges, or in none.  So keys are only of types whose
 * order is the same everywhere: of text, lower-case letters and digits.  No binary data, so no UUIDs:
 * secantusd-rs compares them by length first in an index and by bytes in a filter, and a document is
 * lost between the two (measured).
 */
#include "pipeline/range.h"

#include "base/bson_raw.h"
#include "pipeline/writer.h"

/* Text that every order of text, with case or without, puts in the order of its bytes, unless digits are numbers. */
static bool
is_plain_text(const uint8 *value, uint32 size)
{
	if (size < 5 || value[size - 1] != '\0')
		return false;
	for (uint32 i = 4; i + 1 < size; i++)
		if (!(value[i] >= '0' && value[i] <= '9') && !(value[i] >= 'a' && value[i] <= 'z'))
			return false;
	return true;
}

static bool
is_usable(const MtfElement *element)
{
	if (element->size > MTF_RANGE_KEY_MAX)
		return false;
	switch (element->type)
	{
		case MTF_BSON_OBJECTID:
		case MTF_BSON_INT32:
		case MTF_BSON_INT64:
		case MTF_BSON_DATE: return true;
		case MTF_BSON_STRING: return is_plain_text(element->value, element->size);
		default: return false;
	}
}

bool
mtf_range_key_read(MtfRangeKey *key, const uint8 *doc, uint32 len)
{
	const uint8 *at;
	const uint8 *end;
	MtfElement element;

	if (!mtf_bson_open(doc, len, &at, &end))
		return false;
	while (at < end && mtf_bson_read(&at, end, &element))
	{
		if (strcmp(element.name, "_id") != 0)
			continue;
		if (!is_usable(&element))
			return false;
		key->type = element.type;
		key->len = (uint8) element.size;
		memcpy(key->bytes, element.value, element.size);
		return true;
	}
	return false;
}

int
mtf_range_key_group(const MtfRangeKey *key)
{
	return key->type == MTF_BSON_INT32 ? MTF_BSON_INT64 : key->type;
}

static int64
whole_number(const MtfRangeKey *key)
{
	if (key->type == MTF_BSON_INT32)
		return (int32) mtf_load_u32(key->bytes);
	return (int64) mtf_load_u64(key->bytes);
}

int
mtf_range_key_compare(const MtfRangeKey *a, const MtfRangeKey *b)
{
	int order;

	switch (mtf_range_key_group(a))
	{
		case MTF_BSON_INT64:
		case MTF_BSON_DATE:
		{
			int64 x = whole_number(a);
			int64 y = whole_number(b);

			return (x > y) - (x < y);
		}
		case MTF_BSON_STRING:
			order = memcmp(a->bytes + 4, b->bytes + 4, Min(a->len, b->len) - 4);
			return order != 0 ? order : (int) a->len - (int) b->len;
		default: return memcmp(a->bytes, b->bytes, Min(a->len, b->len));
	}
}

/* --- the condition ----------------------------------------------------------------------------- */

static void
write_key(StringInfo out, const char *op, const MtfRangeKey *key)
{
	appendStringInfoChar(out, (char) key->type);
	appendBinaryStringInfo(out, op, strlen(op) + 1);
	appendBinaryStringInfo(out, (const char *) key->bytes, key->len);
}

bool
mtf_range_is_bounded(const MtfRange *range)
{
	return range->from != NULL;
}

void
mtf_range_write(const MtfRange *range, StringInfo out)
{
	MtfMark id = mtf_write_begin(out, "_id");

	if (range->from != NULL)
	{
		write_key(out, "$gte", range->from);
		if (range->to != NULL)
			write_key(out, "$lt", range->to);
	}
	else
	{
		MtfMark not = mtf_write_begin(out, "$not");

		write_key(out, "$gte", range->to);
		mtf_write_end(out, not );
	}
	mtf_write_end(out, id);
}

void
mtf_range_append(const MtfRange *range, bson_t *match)
{
	StringInfoData text;
	MtfMark document;
	bson_t view;

	if (!mtf_range_is_bounded(range))
		return;
	initStringInfo(&text);
	document = mtf_write_begin(&text, NULL);
	mtf_range_write(range, &text);
	mtf_write_end(&text, document);
	if (!bson_init_static(&view, (const uint8 *) text.data, text.len) || !bson_concat(match, &view))
		elog(ERROR, "a range of _id is not BSON");
	pfree(text.data);
}
