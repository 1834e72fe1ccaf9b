/*
 * recheck.c
 *	  Compare a document's tenant field with precomputed images of the value, byte for byte.
 *
 * All keys of a level are walked, since a second tenant field makes a document nobody's.  Every step
 * is checked against the document's end: the bytes come from a server and were not validated.
 *
 * An element that stands where the learned order expects it is known without reading its name byte by
 * byte (base/bson_order.h); what it is, is decided by its whole name either way.
 */
#include "tenant/recheck.h"

#include "base/bson_order.h"

#define MAX_IMAGES 2

typedef struct Image
{
	uint8 type;
	uint32 len;
	const uint8 *bytes; /* the value as it stands in a document */
} Image;

typedef struct Segment
{
	const char *name;
	uint32 len;     /* without the NUL */
	MtfOrder order; /* of the documents at this level; its only owner is the segment */
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
		mtf_order_init(&recheck->segments[i].order, CurrentMemoryContext);
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
	uint8 *bytes = add_image(recheck, MTF_BSON_STRING, 4 + len + 1);

	put_int32(bytes, len + 1);
	memcpy(bytes + 4, value, len);
}

void
mtf_recheck_accept_integer(MtfRecheck *recheck, int64 value)
{
	uint8 *bytes = add_image(recheck, MTF_BSON_INT64, 8);

	put_int32(bytes, (uint32) (uint64) value);
	put_int32(bytes + 4, (uint32) ((uint64) value >> 32));
	if (value >= PG_INT32_MIN && value <= PG_INT32_MAX)
		put_int32(add_image(recheck, MTF_BSON_INT32, 4), (uint32) (int32) value);
}

void
mtf_recheck_accept_objectid(MtfRecheck *recheck, const uint8 *oid)
{
	memcpy(add_image(recheck, MTF_BSON_OBJECTID, 12), oid, 12);
}

void
mtf_recheck_accept_uuid(MtfRecheck *recheck, const uint8 *uuid)
{
	uint8 *bytes = add_image(recheck, MTF_BSON_BINARY, 4 + 1 + 16);

	put_int32(bytes, 16);
	bytes[4] = 0x04; /* subtype UUID; 3 is the old one with other byte orders */
	memcpy(bytes + 5, uuid, 16);
}

/* A whole document of exactly `len` bytes. */
static inline bool
open_document(const uint8 *doc, uint32 len, const uint8 **at, const uint8 **end)
{
	return mtf_bson_open(doc, len, at, end) && *end == doc + len - 1;
}

static void
learn_order(Segment *segment, const uint8 *at, const uint8 *end)
{
	MtfOrder *order = &segment->order;

	mtf_order_learn(order, at, end);
	for (int i = 0; i < order->nsteps; i++)
	{
		MtfStep *step = &order->steps[i];

		if (step->size == segment->len + 2 &&
			memcmp(step->bytes + 1, segment->name, segment->len) == 0)
			step->owner = segment;
	}
}

/* Elements of the segment's name: how many, and the last of them. */
typedef struct Finding
{
	int count;
	const MtfStep *step; /* the step that met it */
	const uint8 *value;
} Finding;

/*
 * Walk as long as the elements are those expected, from *step on; where that ends, with the next
 * *step.  NULL: invalid.
 */
static const uint8 *
walk_expected(const uint8 *at, const uint8 *end, const MtfStep **step, Finding *finding)
{
	const MtfStep *next = *step;

	for (; at < end && mtf_step_matches(next, at, end); next++)
	{
		const uint8 *value = at + next->size;
		uint32 size = mtf_step_value_size(next, value, end);

		if (unlikely(size == MTF_BSON_BAD))
			return NULL;
		if (unlikely(next->owner != NULL))
		{
			finding->count++;
			finding->step = next;
			finding->value = value;
		}
		at = value + size;
	}
	*step = next;
	return at;
}

/* An element that is not the expected one; true when it has the segment's name.  NULL *why: valid. */
static bool
read_unexpected(const Segment *segment, const uint8 **at, const uint8 *end, const MtfStep **step,
				MtfElement *element, const char **why)
{
	const MtfStep *found = mtf_order_find(&segment->order, *step, *at, end);

	if (!mtf_bson_read(at, end, element))
	{
		*why = malformed;
		return false;
	}
	if (found != NULL)
		*step = found + 1;
	return element->name_len == segment->len &&
		   memcmp(element->name, segment->name, segment->len) == 0;
}

static inline void
set_element(Element *found, uint8 type, const uint8 *value, uint32 len)
{
	found->type = type;
	found->value = value;
	found->len = len;
}

/* The only element of that name; NULL, or why there is none.  All elements are walked. */
static const char *
find_only(Segment *segment, const uint8 *doc, uint32 len, Element *found)
{
	MtfOrder *order = &segment->order;
	const char *why = NULL;
	Finding finding = {0};
	bool missed = false;
	const uint8 *at;
	const uint8 *end;
	const MtfStep *step;

	if (!open_document(doc, len, &at, &end))
		return malformed;
	if (mtf_order_is_stale(order))
		learn_order(segment, at, end);
	step = order->steps;
	while ((at = walk_expected(at, end, &step, &finding)) != end)
	{
		MtfElement element;

		if (at == NULL)
			return malformed;
		missed = true;
		if (read_unexpected(segment, &at, end, &step, &element, &why))
		{
			finding.count++;
			finding.value = NULL;
			set_element(found, element.type, element.value, element.size);
		}
		if (why != NULL)
			return why;
	}
	order->misses += missed;
	if (finding.value != NULL)
		set_element(found, finding.step->type, finding.value,
					mtf_step_value_size(finding.step, finding.value, end));
	if (finding.count > 1)
		return "it has the tenant field more than once";
	return finding.count == 1 ? NULL : "it has no tenant field";
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
	const uint8 *at;
	const uint8 *end;
	bool seen = false;

	if (!open_document(doc, len, &at, &end))
		return malformed;
	while (at < end)
	{
		MtfElement element;

		if (!mtf_bson_read(&at, end, &element))
			return malformed;
		seen = seen || is_tenant(recheck, &(Element){element.type, element.value, element.size});
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
			if (element.type != MTF_BSON_DOCUMENT)
				return "its path to the tenant is not made of documents";
			doc = element.value;
			len = element.len;
			element.value = NULL;
		}
		why = find_only(&recheck->segments[i], doc, len, &element);
		if (why != NULL)
			return why;
	}
	if (recheck->array)
		return element.type == MTF_BSON_ARRAY ? find_in_array(recheck, element.value, element.len)
											  : "its tenant field is not an array";
	return is_tenant(recheck, &element) ? NULL : "its tenant is another one";
}
