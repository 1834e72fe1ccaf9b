/*
 * bson_raw.h
 *	  Reading BSON bytes in place, every length checked against the end of its document.
 *
 * A document is `length, elements, 0`.  Everywhere `end` points at that last zero, so that an element
 * can never swallow it.  Nothing here copies, allocates or recurses; values are skipped by length.
 *
 * What must not happen here: a read at or behind `end` (but of the zero), a cast to a wider type.
 */
#ifndef MTF_BSON_RAW_H
#define MTF_BSON_RAW_H

#include "base/compat.h"

#include "port/pg_bswap.h"

typedef enum MtfBsonType
{
	MTF_BSON_DOUBLE = 0x01,
	MTF_BSON_STRING = 0x02,
	MTF_BSON_DOCUMENT = 0x03,
	MTF_BSON_ARRAY = 0x04,
	MTF_BSON_BINARY = 0x05,
	MTF_BSON_UNDEFINED = 0x06,
	MTF_BSON_OBJECTID = 0x07,
	MTF_BSON_BOOL = 0x08,
	MTF_BSON_DATE = 0x09,
	MTF_BSON_NULL = 0x0A,
	MTF_BSON_REGEX = 0x0B,
	MTF_BSON_DBPOINTER = 0x0C,
	MTF_BSON_CODE = 0x0D,
	MTF_BSON_SYMBOL = 0x0E,
	MTF_BSON_CODE_SCOPE = 0x0F,
	MTF_BSON_INT32 = 0x10,
	MTF_BSON_TIMESTAMP = 0x11,
	MTF_BSON_INT64 = 0x12,
	MTF_BSON_DECIMAL = 0x13,
	MTF_BSON_MAXKEY = 0x7F,
	MTF_BSON_MINKEY = 0xFF
} MtfBsonType;

/* Up to 16 the size itself; above, how to find it. */
enum
{
	MTF_SIZE_WHOLE = 0x20, /* int32 that counts itself: documents, arrays, code with scope */
	MTF_SIZE_TEXT,         /* int32, then as many bytes */
	MTF_SIZE_BINARY,       /* int32, subtype, then as many bytes */
	MTF_SIZE_REGEX,        /* two C strings */
	MTF_SIZE_DBPOINTER,    /* text, then 12 bytes */
	MTF_SIZE_UNKNOWN
};

extern const uint8 mtf_bson_sizes[256];

#define MTF_BSON_BAD PG_UINT32_MAX

static inline uint32
mtf_load_u32(const uint8 *at)
{
	uint32 value;

	memcpy(&value, at, sizeof(value));
#ifdef WORDS_BIGENDIAN
	value = pg_bswap32(value);
#endif
	return value;
}

static inline uint64
mtf_load_u64(const uint8 *at)
{
	uint64 value;

	memcpy(&value, at, sizeof(value));
#ifdef WORDS_BIGENDIAN
	value = pg_bswap64(value);
#endif
	return value;
}

static inline double
mtf_load_double(const uint8 *at)
{
	uint64 bits = mtf_load_u64(at);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* The rarer half of mtf_bson_size(). */
extern uint32 mtf_bson_size_slow(uint8 size_class, const uint8 *value, uint32 available);

/* Bytes of a value of `type` at `value`; MTF_BSON_BAD when it does not fit before `end`. */
static inline uint32
mtf_bson_size(uint8 type, const uint8 *value, const uint8 *end)
{
	uint8 size_class = mtf_bson_sizes[type];
	uint32 available = (uint32) (end - value);
	uint32 size = size_class;

	if (size_class > 16)
	{
		if (size_class != MTF_SIZE_TEXT || available < 5)
			return mtf_bson_size_slow(size_class, value, available);
		size = mtf_load_u32(value);
		/* No length is near 2^31, so that adding to it cannot wrap. */
		if (size == 0 || size > available)
			return MTF_BSON_BAD;
		size += 4;
	}
	return size <= available ? size : MTF_BSON_BAD;
}

/* One element of a document, as mtf_bson_next() finds it. */
typedef struct MtfElement
{
	uint8 type;
	const char *name; /* NUL-terminated inside the document */
	uint32 name_len;
	const uint8 *value;
	uint32 size;
} MtfElement;

/*
 * Frame a document of at most `available` bytes: false when its length or its last byte is wrong.
 * `at` and `end` then delimit its elements.
 */
static inline bool
mtf_bson_open(const uint8 *document, uint32 available, const uint8 **at, const uint8 **end)
{
	uint32 length;

	if (unlikely(available < 5))
		return false;
	length = mtf_load_u32(document);
	if (unlikely(length < 5 || length > available || document[length - 1] != 0))
		return false;
	*at = document + 4;
	*end = document + length - 1;
	return true;
}

/* Read the element at *at, which is before `end`; false when it is invalid. */
extern bool mtf_bson_read(const uint8 **at, const uint8 *end, MtfElement *element);

/* Step to the next element; false at the end.  Raises XX001 for an invalid one. */
extern bool mtf_bson_next(const uint8 **at, const uint8 *end, MtfElement *element);

/* The bytes of a string, code or symbol, checked to end in NUL; raises XX001. */
extern const char *mtf_bson_text(const uint8 *value, uint32 size, uint32 *len);

/* "string", "objectId", …: the name that MongoDB's $type knows. */
extern const char *mtf_bson_type_name(uint8 type);

/* XX001: what came is not BSON. */
extern void mtf_bson_raise_invalid(void) pg_attribute_noreturn();

#endif /* MTF_BSON_RAW_H */
