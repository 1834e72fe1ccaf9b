/*
 * recheck.c
 *	  Compare a document's tenant field with precomputed images of the value, byte for byte.
 *
 * All keys of a level are walked, since a second tenant field makes a document nobody's.  Every step
 * is checked against the document's end: the bytes come from a server and were not validated.
 */
#include "tenant/recheck.h"

#include "port/pg_bswap.h"

/* BSON element types that matter here, https://bsonspec.org/spec.html */
enum
{
	BSON_DOUBLE = 0x01,
	BSON_STRING = 0x02,
	BSON_DOCUMENT = 0x03,
	BSON_ARRAY = 0x04,
	BSON_BINARY = 0x05,
	BSON_UNDEFINED = 0x06,
	BSON_OBJECTID = 0x07,
	BSON_BOOLEAN = 0x08,
	BSON_DATE = 0x09,
	BSON_NULL = 0x0a,
	BSON_REGEX = 0x0b,
	BSON_DBPOINTER = 0x0c,
	BSON_CODE = 0x0d,
	BSON_SYMBOL = 0x0e,
	BSON_CODE_SCOPE = 0x0f,
	BSON_INT32 = 0x10,
	BSON_TIMESTAMP_TYPE = 0x11,
	BSON_INT64 = 0x12,
	BSON_DECIMAL = 0x13,
	BSON_MAX_KEY = 0x7f,
	BSON_MIN_KEY = 0xff
};

#define MAX_IMAGES   2
#define MIN_DOCUMENT 5

typedef struct Image
{
	uint8 type;
	uint32 len;
	const uint8 *bytes; /* the value as it stands in a document */
} Image;

typedef struct Segment
{
	const char *name;
	uint32 len; /* without the NUL */
} Segment;

struct MtfRecheck
{
	bool array;
	int nsegments;
	Segment *segments;
	int nimages;
	Image images[MAX_IMAGES];
};

typedef struct Element
{
	uint8 type;
	const uint8 *value;
	uint32 len;
} Element;

static const char *const malformed = "it is not valid BSON";

MtfRecheck *
mtf_recheck_create(const char *field, bool array)
{
	MtfRecheck *recheck = palloc0(sizeof(MtfRecheck));
	const char *p;
	int i;

	recheck->array = array;
	recheck->nsegments = 1;
	for (p = field; *p != '\0'; p++)
		recheck->nsegments += *p == '.';
	recheck->segments = palloc0(sizeof(Segment) * recheck->nsegments);
	for (i = 0, p = field; i < recheck->nsegments; i++)
	{
		size_t len = strcspn(p, ".");

		recheck->segments[i].name = pnstrdup(p, len);
		recheck->segments[i].len = len;
		p += len + 1;
	}
	return recheck;
}

static void
put_int32(uint8 *to, uint32 value)
{
	to[0] = value;
	to[1] = value >> 8;
	to[2] = value >> 16;
	to[3] = value >> 24;
}

static uint8 *
add_image(MtfRecheck *recheck, uint8 type, uint32 len)
{
	Image *image = &recheck->images[recheck->nimages++];
	uint8 *bytes = palloc0(len);

	image->type = type;
	image->len = len;
	image->bytes = bytes;
	return bytes;
}

void
mtf_recheck_accept_string(MtfRecheck *recheck, const char *value, int len)
{
	uint8 *bytes = add_image(recheck, BSON_STRING, 4 + len + 1);

	put_int32(bytes, len + 1);
	memcpy(bytes + 4, value, len);
}

void
mtf_recheck_accept_integer(MtfRecheck *recheck, int64 value)
{
	uint8 *bytes = add_image(recheck, BSON_INT64, 8);

	put_int32(bytes, (uint32) (uint64) value);
	put_int32(bytes + 4, (uint32) ((uint64) value >> 32));
	if (value >= PG_INT32_MIN && value <= PG_INT32_MAX)
		put_int32(add_image(recheck, BSON_INT32, 4), (uint32) (int32) value);
}

void
mtf_recheck_accept_objectid(MtfRecheck *recheck, const uint8 *oid)
{
	memcpy(add_image(recheck, BSON_OBJECTID, 12), oid, 12);
}

void
mtf_recheck_accept_uuid(MtfRecheck *recheck, const uint8 *uuid)
{
	uint8 *bytes = add_image(recheck, BSON_BINARY, 4 + 1 + 16);

	put_int32(bytes, 16);
	bytes[4] = 0x04; /* subtype UUID; 3 is the old one with other byte orders */
	memcpy(bytes + 5, uuid, 16);
}

static inline uint32
get_int32(const uint8 *p)
{
	return (uint32) p[0] | (uint32) p[1] << 8 | (uint32) p[2] << 16 | (uint32) p[3] << 24;
}

/* Bytes of a C string with its NUL; 0 when it does not end before `end`. */
static inline uint32
cstring_size(const uint8 *p, const uint8 *end)
{
	const uint8 *q;

	for (q = p; q < end; q++)
		if (*q == 0)
			return q - p + 1;
	return 0;
}

/* A length prefix that counts `extra` bytes less than the value; 0 when it does not fit. */
static inline uint32
prefixed_size(const uint8 *p, uint32 left, uint32 extra, uint32 least)
{
	uint32 len;

	if (left < 4)
		return 0;
	len = get_int32(p);
	if (len < least || len > left || extra > left - len)
		return 0;
	return len + extra;
}

/* Size of a value that takes no bytes must be told from "does not fit": true and *size. */
static inline bool
value_size(uint8 type, const uint8 *p, const uint8 *end, uint32 *size)
{
	uint32 left = end - p;
	uint32 pattern;
	uint32 flags;

	switch (type)
	{
		case BSON_STRING:
		case BSON_CODE:
		case BSON_SYMBOL: return (*size = prefixed_size(p, left, 4, 1)) != 0;
		case BSON_DOUBLE:
		case BSON_DATE:
		case BSON_TIMESTAMP_TYPE:
		case BSON_INT64: *size = 8; return left >= 8;
		case BSON_INT32: *size = 4; return left >= 4;
		case BSON_OBJECTID: *size = 12; return left >= 12;
		case BSON_BOOLEAN: *size = 1; return left >= 1;
		case BSON_DECIMAL: *size = 16; return left >= 16;
		case BSON_UNDEFINED:
		case BSON_NULL:
		case BSON_MIN_KEY:
		case BSON_MAX_KEY: *size = 0; return true;
		case BSON_DOCUMENT:
		case BSON_ARRAY:
		case BSON_CODE_SCOPE: return (*size = prefixed_size(p, left, 0, MIN_DOCUMENT)) != 0;
		case BSON_BINARY: return (*size = prefixed_size(p, left, 5, 0)) != 0;
		case BSON_DBPOINTER: return (*size = prefixed_size(p, left, 4 + 12, 1)) != 0;
		case BSON_REGEX:
			pattern = cstring_size(p, end);
			flags = pattern == 0 ? 0 : cstring_size(p + pattern, end);
			*size = pattern + flags;
			return flags != 0;
		default: return false;
	}
}

static inline bool
is_document(const uint8 *doc, uint32 len)
{
	return len >= MIN_DOCUMENT && get_int32(doc) == len && doc[len - 1] == 0;
}

/* The only element of that name; NULL, or why there is none. */
static const char *
find_only(const uint8 *doc, uint32 len, const Segment *segment, Element *found)
{
	const uint8 *end = doc + len - 1;
	const uint8 *p = doc + 4;
	bool seen = false;

	if (!is_document(doc, len))
		return malformed;
	while (p < end)
	{
		uint8 type = *p++;
		const uint8 *key = p;
		uint32 size = cstring_size(p, end);

		if (size == 0)
			return malformed;
		p += size;
		if (unlikely(size == segment->len + 1 && memcmp(key, segment->name, size) == 0))
		{
			if (seen)
				return "it has the tenant field more than once";
			seen = true;
			found->type = type;
			found->value = p;
		}
		if (!value_size(type, p, end, &size))
			return malformed;
		if (found->value == p)
			found->len = size;
		p += size;
	}
	return seen ? NULL : "it has no tenant field";
}

static bool
is_tenant(const MtfRecheck *recheck, const Element *element)
{
	int i;

	for (i = 0; i < recheck->nimages; i++)
	{
		const Image *image = &recheck->images[i];

		if (element->type == image->type && element->len == image->len &&
			memcmp(element->value, image->bytes, image->len) == 0)
			return true;
	}
	return false;
}

/* Some element of the array is the tenant; all of it is walked, as it must be valid. */
static const char *
find_in_array(const MtfRecheck *recheck, const uint8 *doc, uint32 len)
{
	const uint8 *end = doc + len - 1;
	const uint8 *p = doc + 4;
	bool seen = false;

	if (!is_document(doc, len))
		return malformed;
	while (p < end)
	{
		Element element;
		uint32 size;

		element.type = *p++;
		size = cstring_size(p, end);
		if (size == 0)
			return malformed;
		p += size;
		element.value = p;
		if (!value_size(element.type, p, end, &element.len))
			return malformed;
		seen = seen || is_tenant(recheck, &element);
		p += element.len;
	}
	return seen ? NULL : "its tenants are others";
}

const char *
mtf_recheck_document(const MtfRecheck *recheck, const uint8 *doc, uint32 len)
{
	Element element = {0, NULL, 0};
	int i;

	for (i = 0; i < recheck->nsegments; i++)
	{
		const char *why;

		if (i > 0)
		{
			if (element.type != BSON_DOCUMENT)
				return "its path to the tenant is not made of documents";
			doc = element.value;
			len = element.len;
			element.value = NULL;
		}
		why = find_only(doc, len, &recheck->segments[i], &element);
		if (why != NULL)
			return why;
	}
	if (recheck->array)
		return element.type == BSON_ARRAY ? find_in_array(recheck, element.value, element.len)
										  : "its tenant field is not an array";
	return is_tenant(recheck, &element) ? NULL : "its tenant is another one";
}
