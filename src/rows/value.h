/*
 * value.h
 *	  One BSON value → one Datum of a column's type: the rules of what fits.
 *
 * Which BSON types a kind takes ("always" means: no value of that type is a mismatch; of "some", the
 * values outside the range or the length are mismatches):
 *
 *	kind			always						some
 *	bool			bool
 *	int2 int4 int8	int (int4, int8), long (int8)	int, long, double, decimal: integral, in range
 *	float4			double, int, long			decimal; double: not to infinity, not to zero
 *	float8			double, int, long			decimal: not to infinity, not to zero
 *	numeric			int, long, double, decimal (*)
 *	numeric(p,s)								int, long, double, decimal: without rounding; no infinity
 *	text			string (**)
 *	varchar(n)									string: at most n characters (never cut)
 *	char(n)										string: at most n characters; padded with blanks
 *	date timestamp	date (***)
 *	uuid										binData: subtype 4, 16 bytes
 *	bytea										binData: subtype 0
 *	objectid		objectId					as lower-case hex; with a length limit some
 *	`_id` as text	string (**), objectId
 *	jsonb			everything (**)
 *	array									array: every element null or fitting, none nested
 *
 *	(*) on PostgreSQL 13 a numeric has no infinity
 *	(**) but no string with a NUL or with invalid UTF-8 fits, nor one that the database's encoding
 *	cannot hold
 *	(***) but no date fits that is outside the range of the PostgreSQL type
 *
 * Doubles round to float4, and long and decimal to float8 and float4, as PostgreSQL's casts do.
 * A double becomes the numeric of its shortest text that reads back the same.
 * null and undefined are NULL for every kind.
 */
#ifndef MTF_VALUE_H
#define MTF_VALUE_H

#include "base/compat.h"
#include "options/column.h"
#include "base/bson_order.h"
#include "base/bson_raw.h"

#include "datatype/timestamp.h"
#include "utils/timestamp.h"

/* Memory of one row's values, reused for the next row; what does not fit is palloc'd. */
typedef struct MtfArena
{
	char *at; /* always MAXALIGNed */
	char *end;
} MtfArena;

typedef enum MtfFit
{
	MTF_FIT_VALUE,
	MTF_FIT_NULL,
	MTF_MISFIT_TYPE,
	MTF_MISFIT_RANGE,    /* a number or a date outside the type */
	MTF_MISFIT_LENGTH,   /* more characters than declared */
	MTF_MISFIT_ENCODING, /* NUL, invalid UTF-8, or no such character in the database's encoding */
	MTF_MISFIT_ELEMENT   /* one element of an array does not fit */
} MtfFit;

/* A wanted column, ready for decoding. */
typedef struct MtfTarget
{
	int index; /* in values and isnull */
	MtfKind kind;
	int32 typmod;    /* of the value's type; -1: none */
	int32 max_chars; /* -1: no limit */
	bool takes_objectid;
	bool pads; /* char(n) */
	const MtfColumn *column;
	Oid domain; /* InvalidOid: none */
	void *domain_cache;
	MemoryContext context;

	/* Arrays only. */
	struct MtfTarget *element;
	Oid element_type;
	int16 element_len;
	bool element_by_value;
	char element_align;

	struct MtfTarget *next; /* another column of the same path */
} MtfTarget;

/* Allocated in the current memory context, which also keeps what a domain's CHECK caches. */
extern MtfTarget *mtf_target_create(const MtfColumn *column, int index);

/*
 * Decode a value of `size` bytes, which mtf_bson_size() has measured, into its place under the column's policy: a misfit raises 22xxx or is NULL, and a
 * domain's CHECK runs (its errors are raised under either policy: they are the user's own code's).
 */
extern void mtf_value_store(MtfTarget *target, uint8 type, const uint8 *value, uint32 size,
							MtfArena *arena, Datum *values, bool *isnull);

/* A value of `type` stands where the target's path cannot go on: a misfit of its own. */
extern void mtf_value_store_misfit(MtfTarget *target, uint8 type, bool *isnull);

/* A NULL also has to pass a domain's NOT NULL. */
extern void mtf_value_check_null(MtfTarget *target);

/*
 * Text of a BSON string in the database's encoding; NULL when it has none.
 * The result is `text` itself when nothing had to change, else palloc'd.
 */
extern const char *mtf_text_to_server(const char *text, uint32 len, uint32 *result_len);

/*
 * The commonest values, inline for the decoder's hot loop.  False: not as common as it seemed, use
 * mtf_value_store().
 */
#define MTF_HIGH_BITS UINT64CONST(0x8080808080808080)
#define MTF_LOW_BITS  UINT64CONST(0x7F7F7F7F7F7F7F7F)

static inline char *
mtf_arena_alloc(MtfArena *arena, Size size)
{
	Size aligned = MAXALIGN(size);
	char *result = arena->at;

	if (unlikely(aligned > (Size) (arena->end - arena->at)))
		return palloc(size);
	arena->at += aligned;
	return result;
}

/* All eight bytes are ASCII and none is NUL: then adding 0x7F to each sets its high bit, no carry. */
static inline bool
mtf_word_is_plain(uint64 word)
{
	return (word & MTF_HIGH_BITS) == 0 && ((word + MTF_LOW_BITS) & MTF_HIGH_BITS) == MTF_HIGH_BITS;
}

/* ASCII without NUL. */
static inline bool
mtf_text_is_plain(const char *text, uint32 len)
{
	uint32 i = 0;

	for (; i + 8 <= len; i += 8)
		if (!mtf_word_is_plain(mtf_load_native(text + i)))
			return false;
	for (; i < len; i++)
		if ((unsigned char) (text[i] - 1) >= 0x7F)
			return false;
	return true;
}

/* Copy, and tell whether everything was ASCII without NUL: one pass instead of two. */
static inline bool
mtf_copy_plain(char *to, const char *from, uint32 len)
{
	uint32 i = 0;

	if (len < 8)
	{
		for (; i < len; i++)
		{
			if ((unsigned char) (from[i] - 1) >= 0x7F)
				return false;
			to[i] = from[i];
		}
		return true;
	}
	for (; i + 8 <= len; i += 8)
	{
		uint64 word = mtf_load_native(from + i);

		if (!mtf_word_is_plain(word))
			return false;
		memcpy(to + i, &word, 8);
	}
	/* The rest once more with what is before it. */
	if (i < len)
	{
		uint64 word = mtf_load_native(from + len - 8);

		if (!mtf_word_is_plain(word))
			return false;
		memcpy(to + len - 8, &word, 8);
	}
	return true;
}

/* A string into the arena; false for anything but ASCII, a length above the limit, no room. */
static inline bool
mtf_plain_text(const MtfTarget *target, const uint8 *value, uint32 size, MtfArena *arena,
			   Datum *datum)
{
	uint32 len = size - 5;
	Size need = MAXALIGN(VARHDRSZ + len);
	char *result = arena->at;

	if (need > (Size) (arena->end - arena->at) || value[size - 1] != 0 ||
		len > (uint32) target->max_chars ||
		!mtf_copy_plain(VARDATA(result), (const char *) value + 4, len))
		return false;
	SET_VARSIZE(result, VARHDRSZ + len);
	arena->at += need;
	*datum = PointerGetDatum(result);
	return true;
}

/* Two hexadecimal digits of each byte, in memory order. */
extern const char mtf_hex_pairs[256][3];

static inline Datum
mtf_objectid_text(const uint8 *value, MtfArena *arena)
{
	char *result = mtf_arena_alloc(arena, VARHDRSZ + 24);

	for (int i = 0; i < 12; i++)
		memcpy(VARDATA(result) + 2 * i, mtf_hex_pairs[value[i]], 2);
	SET_VARSIZE(result, VARHDRSZ + 24);
	return PointerGetDatum(result);
}

/* Milliseconds since 1970; false outside the range of timestamp. */
static inline bool
mtf_timestamp_from_bson(const uint8 *value, Datum *datum)
{
	const int64 epoch_ms =
		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (USECS_PER_DAY / INT64CONST(1000));
	int64 ms = (int64) mtf_load_u64(value);

	/* Compared in ms of the Unix epoch, where nothing can overflow. */
	if (ms < MIN_TIMESTAMP / 1000 + epoch_ms || ms >= END_TIMESTAMP / 1000 + epoch_ms)
		return false;
	*datum = TimestampGetDatum((ms - epoch_ms) * 1000);
	return true;
}

#endif /* MTF_VALUE_H */
