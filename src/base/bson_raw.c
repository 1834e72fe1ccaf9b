/*
 * bson_raw.c
 *	  Reading BSON bytes in place, every length checked against the end of its document.
 */
#include "base/bson_raw.h"

/* Type 0 is the end of a document: as the type of an element it is unknown. */
const uint8 mtf_bson_sizes[256] = {
	[0x00] = MTF_SIZE_UNKNOWN,
	[MTF_BSON_DOUBLE] = 8,
	[MTF_BSON_STRING] = MTF_SIZE_TEXT,
	[MTF_BSON_DOCUMENT] = MTF_SIZE_WHOLE,
	[MTF_BSON_ARRAY] = MTF_SIZE_WHOLE,
	[MTF_BSON_BINARY] = MTF_SIZE_BINARY,
	[MTF_BSON_UNDEFINED] = 0,
	[MTF_BSON_OBJECTID] = 12,
	[MTF_BSON_BOOL] = 1,
	[MTF_BSON_DATE] = 8,
	[MTF_BSON_NULL] = 0,
	[MTF_BSON_REGEX] = MTF_SIZE_REGEX,
	[MTF_BSON_DBPOINTER] = MTF_SIZE_DBPOINTER,
	[MTF_BSON_CODE] = MTF_SIZE_TEXT,
	[MTF_BSON_SYMBOL] = MTF_SIZE_TEXT,
	[MTF_BSON_CODE_SCOPE] = MTF_SIZE_WHOLE,
	[MTF_BSON_INT32] = 4,
	[MTF_BSON_TIMESTAMP] = 8,
	[MTF_BSON_INT64] = 8,
	[MTF_BSON_DECIMAL] = 16,
	[0x14 ... 0x7E] = MTF_SIZE_UNKNOWN,
	[MTF_BSON_MAXKEY] = 0,
	[0x80 ... 0xFE] = MTF_SIZE_UNKNOWN,
	[MTF_BSON_MINKEY] = 0,
};

void
mtf_bson_raise_invalid(void)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("the server sent a document that is not valid BSON")));
}

/* Bytes of a NUL-terminated string, the NUL included; 0 when there is none in `available`. */
static uint32
c_string_size(const uint8 *at, uint32 available)
{
	const uint8 *nul = memchr(at, '\0', available);

	return nul == NULL ? 0 : (uint32) (nul - at) + 1;
}

static uint32
regex_size(const uint8 *value, uint32 available)
{
	uint32 pattern = c_string_size(value, available);
	uint32 options = pattern == 0 ? 0 : c_string_size(value + pattern, available - pattern);

	return options == 0 ? MTF_BSON_BAD : pattern + options;
}

uint32
mtf_bson_size_slow(uint8 size_class, const uint8 *value, uint32 available)
{
	uint32 length;
	uint32 least; /* the smallest size that this class can have */
	uint32 extra; /* what its length does not count */

	if (size_class == MTF_SIZE_REGEX)
		return regex_size(value, available);
	switch (size_class)
	{
		case MTF_SIZE_WHOLE: least = 5, extra = 0; break;
		case MTF_SIZE_TEXT: least = 5, extra = 4; break;
		case MTF_SIZE_BINARY: least = 5, extra = 5; break;
		case MTF_SIZE_DBPOINTER: least = 17, extra = 16; break;
		default: return MTF_BSON_BAD;
	}
	if (available < least)
		return MTF_BSON_BAD;
	length = mtf_load_u32(value);
	/* In this order nothing can wrap. */
	if (length > available || length + extra > available || length + extra < least)
		return MTF_BSON_BAD;
	return length + extra;
}

bool
mtf_bson_read(const uint8 **at, const uint8 *end, MtfElement *element)
{
	const uint8 *p = *at;
	uint32 name_size;

	element->type = *p++;
	name_size = c_string_size(p, (uint32) (end - p));
	if (name_size == 0)
		return false;
	element->name = (const char *) p;
	element->name_len = name_size - 1;
	element->value = p + name_size;
	element->size = mtf_bson_size(element->type, element->value, end);
	if (element->size == MTF_BSON_BAD)
		return false;
	*at = element->value + element->size;
	return true;
}

bool
mtf_bson_next(const uint8 **at, const uint8 *end, MtfElement *element)
{
	if (*at >= end)
		return false;
	if (!mtf_bson_read(at, end, element))
		mtf_bson_raise_invalid();
	return true;
}

const char *
mtf_bson_text(const uint8 *value, uint32 size, uint32 *len)
{
	if (value[size - 1] != 0)
		mtf_bson_raise_invalid();
	*len = size - 5;
	return (const char *) value + 4;
}

const char *
mtf_bson_type_name(uint8 type)
{
	static const char *const names[] = {
		[MTF_BSON_DOUBLE] = "double",
		[MTF_BSON_STRING] = "string",
		[MTF_BSON_DOCUMENT] = "object",
		[MTF_BSON_ARRAY] = "array",
		[MTF_BSON_BINARY] = "binData",
		[MTF_BSON_UNDEFINED] = "undefined",
		[MTF_BSON_OBJECTID] = "objectId",
		[MTF_BSON_BOOL] = "bool",
		[MTF_BSON_DATE] = "date",
		[MTF_BSON_NULL] = "null",
		[MTF_BSON_REGEX] = "regex",
		[MTF_BSON_DBPOINTER] = "dbPointer",
		[MTF_BSON_CODE] = "javascript",
		[MTF_BSON_SYMBOL] = "symbol",
		[MTF_BSON_CODE_SCOPE] = "javascriptWithScope",
		[MTF_BSON_INT32] = "int",
		[MTF_BSON_TIMESTAMP] = "timestamp",
		[MTF_BSON_INT64] = "long",
		[MTF_BSON_DECIMAL] = "decimal",
	};

	if (type == MTF_BSON_MINKEY)
		return "minKey";
	if (type == MTF_BSON_MAXKEY)
		return "maxKey";
	return type < lengthof(names) && names[type] != NULL ? names[type] : "unknown";
}
