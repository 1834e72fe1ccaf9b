/*
 * range.h
 *	  A collection cut into ranges of `_id`, each document in exactly one of them.
 *
 * Comparisons of the match language hold within one type only, so the first range is not "below the
 * first key" but "not from the first key on": it has every other type, and a missing `_id` too.
 * Whether keys are a good choice decides about speed only, never about rows; that they stand in the
 * order in which the server compares them is what a caller must see to.
 */
#ifndef MTF_RANGE_H
#define MTF_RANGE_H

#include "base/compat.h"
#include "base/driver_compat.h"

#include "lib/stringinfo.h"

#define MTF_RANGE_KEY_MAX 72

/* A value of `_id` as it stands in BSON. */
typedef struct MtfRangeKey
{
	uint8 type;
	uint8 len;
	uint8 bytes[MTF_RANGE_KEY_MAX];
} MtfRangeKey;

/* From a key (NULL: from the beginning, whatever its type) to the one before which it ends (NULL: none). */
typedef struct MtfRange
{
	const MtfRangeKey *from;
	const MtfRangeKey *to;
} MtfRange;

/* The `_id` of a document; false when ranges cannot be made of such a value. */
extern bool mtf_range_key_read(MtfRangeKey *key, const uint8 *doc, uint32 len);

/* Keys of one group are compared with each other by the server; others are of other types. */
extern int mtf_range_key_group(const MtfRangeKey *key);

/* The order of two keys of one group, which every server agrees with. */
extern int mtf_range_key_compare(const MtfRangeKey *a, const MtfRangeKey *b);

/* A range as an element of a $match: `_id`: {…}.  True when an index can bound it. */
extern bool mtf_range_is_bounded(const MtfRange *range);
extern void mtf_range_write(const MtfRange *range, StringInfo out);

/* The same at the end of a $match's body, if an index can bound it. */
extern void mtf_range_append(const MtfRange *range, bson_t *match);

#endif /* MTF_RANGE_H */
