/*
 * recheck.c
 *	  Compare a document's tenant field with precomputed images of the value, byte for byte.
 *
 * All keys of a level are walked, since a second tenant field makes a document nobody's.  Every step
 * is checked against the document's end: the bytes come from a server and were not validated.
 *
 * Documents of a collection mostly agree in their fields.  So the types and names of one are kept as
 * the order to expect, and an element is compared with the expected one, eight bytes at a time, before
 * it is read byte by byte.  What an element is, is decided by its whole name either way.
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

/* An expected element: its type and name with the NUL, compared by words. */
typedef struct Expected
{
	uint64 head; /* first eight bytes, masked */
	uint64 mask;
	uint64 tail; /* last eight bytes, when there are more than eight */
	uint8 *bytes;
	uint32 size;
	uint8 type;
	uint8 fixed;   /* size of the value, or SIZE_VARIES */
	bool is_field; /* the segment's own name */
} Expected;

#define SIZE_VARIES    0xff
#define MAX_EXPECTED   64
#define MAX_NAMES      2048 /* bytes of all expected elements */
#define LOOKAHEAD      3    /* optional fields that may be missing */
#define FIRST_PATIENCE 8

typedef struct Segment
{
	const char *name;
	uint32 len; /* without the NUL */

	Expected *expected; /* MAX_EXPECTED of them; NULL until a document was seen */
	int nexpected;
	uint8 *names;
	uint32 misses; /* unexpected elements since the order was learned */
	uint32 patience;
} Segment;

struct MtfRecheck
{
	MemoryContext context;
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

	recheck->context = CurrentMemoryContext;
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
		recheck->segments[i].patience = FIRST_PATIENCE;
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

static inline uint64
load_word(const uint8 *p)
{
	uint64 word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Has the element at `p` the expected type and name?  Reads at most up to the zero at `end`. */
static inline bool
is_expected(const Expected *expected, const uint8 *p, const uint8 *end)
{
	uint32 left = end - p;
	uint32 size = expected->size;

	if (unlikely(size > left))
		return false;
	if (unlikely(left < 8))
		return memcmp(p, expected->bytes, size) == 0;
	if ((load_word(p) ^ expected->head) & expected->mask)
		return false;
	if (size <= 8)
		return true;
	return load_word(p + size - 8) == expected->tail &&
		   (size <= 16 || memcmp(p + 8, expected->bytes + 8, size - 16) == 0);
}

static bool
is_field(const Segment *segment, const uint8 *name, uint32 size)
{
	return size == segment->len + 1 && memcmp(name, segment->name, size) == 0;
}

static uint8
fixed_size(uint8 type)
{
	static const uint8 zeros[16] = {0};
	uint32 size;

	switch (type)
	{
		case BSON_DOUBLE:
		case BSON_DATE:
		case BSON_TIMESTAMP_TYPE:
		case BSON_INT64:
		case BSON_INT32:
		case BSON_OBJECTID:
		case BSON_BOOLEAN:
		case BSON_DECIMAL:
		case BSON_UNDEFINED:
		case BSON_NULL:
		case BSON_MIN_KEY:
		case BSON_MAX_KEY:
			return value_size(type, zeros, zeros + sizeof(zeros), &size) ? size : SIZE_VARIES;
		default: return SIZE_VARIES;
	}
}

/* `bytes` are the type and the name with its NUL, which stay. */
static void
expect(Expected *expected, const Segment *segment, uint8 *bytes, uint32 size)
{
	uint8 head[8] = {0};
	uint8 mask[8] = {0};

	memcpy(head, bytes, Min(size, 8));
	memset(mask, 0xff, Min(size, 8));
	expected->head = load_word(head);
	expected->mask = load_word(mask);
	expected->tail = size > 8 ? load_word(bytes + size - 8) : 0;
	expected->bytes = bytes;
	expected->size = size;
	expected->type = bytes[0];
	expected->fixed = fixed_size(bytes[0]);
	expected->is_field = is_field(segment, bytes + 1, size - 1);
}

/* Keep the order of a document that was found to be well formed; its first fields when it has many. */
static void
learn_order(const MtfRecheck *recheck, Segment *segment, const uint8 *doc, uint32 len)
{
	const uint8 *end = doc + len - 1;
	const uint8 *p = doc + 4;
	uint32 used = 0;
	int n = 0;

	if (segment->expected == NULL)
	{
		segment->expected = MemoryContextAlloc(recheck->context, sizeof(Expected) * MAX_EXPECTED);
		segment->names = MemoryContextAlloc(recheck->context, MAX_NAMES);
	}
	while (p < end && n < MAX_EXPECTED)
	{
		uint32 size = 1 + cstring_size(p + 1, end);
		uint32 value;

		if (used + size > MAX_NAMES || !value_size(*p, p + size, end, &value))
			break;
		memcpy(segment->names + used, p, size);
		expect(&segment->expected[n++], segment, segment->names + used, size);
		used += size;
		p += size + value;
	}
	segment->nexpected = n;
	segment->misses = 0;
	/* Where orders keep changing, learning must not cost more than reading. */
	if (segment->patience < PG_INT32_MAX)
		segment->patience *= 2;
}

/* The expected element that stands at `p`, looking a little ahead; NULL when it is none of them. */
static const Expected *
find_expected(const Expected *expected, const Expected *last, const uint8 *p, const uint8 *end)
{
	int i;

	for (i = 0; i <= LOOKAHEAD && expected + i < last; i++)
		if (is_expected(expected + i, p, end))
			return expected + i;
	return NULL;
}

/* The only element of that name; NULL, or why there is none. */
static const char *
find_only(const MtfRecheck *recheck, Segment *segment, const uint8 *doc, uint32 len, Element *found)
{
	const uint8 *end = doc + len - 1;
	const uint8 *p = doc + 4;
	const Expected *next = segment->expected;
	const Expected *last = next + segment->nexpected;
	bool seen = false;

	if (!is_document(doc, len))
		return malformed;
	while (p < end)
	{
		const Expected *expected = next;
		uint8 type = *p;
		bool ours;
		uint32 size;

		if (unlikely(next >= last || !is_expected(next, p, end)))
			expected = find_expected(next, last, p, end);
		if (likely(expected != NULL))
		{
			next = expected + 1;
			ours = expected->is_field;
			p += expected->size;
			size = expected->fixed;
			if (size == SIZE_VARIES ? !value_size(type, p, end, &size) : size > end - p)
				return malformed;
		}
		else
		{
			segment->misses++;
			size = cstring_size(p + 1, end);
			if (size == 0)
				return malformed;
			ours = is_field(segment, p + 1, size);
			p += 1 + size;
			if (!value_size(type, p, end, &size))
				return malformed;
		}
		if (ours)
		{
			if (seen)
				return "it has the tenant field more than once";
			seen = true;
			found->type = type;
			found->value = p;
			found->len = size;
		}
		p += size;
	}
	if (unlikely(segment->misses > segment->patience))
		learn_order(recheck, segment, doc, len);
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
mtf_recheck_document(MtfRecheck *recheck, const uint8 *doc, uint32 len)
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
		}
		why = find_only(recheck, &recheck->segments[i], doc, len, &element);
		if (why != NULL)
			return why;
	}
	if (recheck->array)
		return element.type == BSON_ARRAY ? find_in_array(recheck, element.value, element.len)
										  : "its tenant field is not an array";
	return is_tenant(recheck, &element) ? NULL : "its tenant is another one";
}
