/*
 * bson_order.h
 *	  The order in which documents bring their fields, learned from one and expected of the next.
 *
 * Documents of a collection mostly agree.  So type and name of an element are compared with those of
 * the expected step, eight bytes at a time, and no name is scanned or searched while they agree.
 * What a step means is its owner's business: `op` and `owner` are set by who walks.
 *
 * An order is a guess that makes walking cheap; a walk must be right whatever the order says.
 */
#ifndef MTF_BSON_ORDER_H
#define MTF_BSON_ORDER_H

#include "base/compat.h"
#include "base/bson_raw.h"

/* How to step over a value. */
typedef enum MtfSkip
{
	MTF_SKIP_FIXED,
	MTF_SKIP_TEXT,
	MTF_SKIP_OTHER
} MtfSkip;

/* An expected element: its type and its name with the NUL, by words. */
typedef struct MtfStep
{
	uint64 head; /* first eight bytes, masked */
	uint64 mask;
	uint64 tail;     /* last eight bytes, when there are more than eight */
	uint32 size;     /* of type and name */
	uint32 least;    /* bytes that the smallest such element has */
	uint32 readable; /* of which at least eight can be read at once */
	uint8 type;
	uint8 skip;
	uint8 op;           /* the owner's */
	int32 tag;          /* the owner's */
	void *owner;        /* NULL: nobody's, skipped */
	const uint8 *bytes; /* type, name, NUL */
} MtfStep;

typedef struct MtfOrder
{
	MtfStep *steps; /* and one more behind the last, which nothing matches */
	int nsteps;
	uint8 *bytes;
	uint64 walks;    /* since the order was learned */
	uint64 misses;   /* walks that met something else */
	uint64 patience; /* misses before learning again */
	MemoryContext context;
} MtfOrder;

/* How many steps ahead an unexpected name is looked for: missing optional fields cost only this. */
#define MTF_ORDER_LOOKAHEAD 8

/* What is learned lives in `context`. */
extern void mtf_order_init(MtfOrder *order, MemoryContext context);

/*
 * Learn from the elements from `at` to `end`, as far as they are valid.  All steps are nobody's then.
 * Raises out-of-memory only.
 */
extern void mtf_order_learn(MtfOrder *order, const uint8 *at, const uint8 *end);

/* To be asked before each walk; counts it. */
static inline bool
mtf_order_is_stale(MtfOrder *order)
{
	order->walks++;
	return unlikely(order->nsteps == 0 ||
					(order->misses >= order->patience && order->misses * 4 > order->walks));
}

static inline uint64
mtf_load_native(const void *at)
{
	uint64 word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* mtf_step_matches() where fewer than `readable` bytes are left. */
extern bool mtf_step_matches_last(const MtfStep *step, const uint8 *at, uint32 available);

/*
 * Does the element at `at` have the step's type and name, and room for the smallest value of its type?
 * Its name ends before `end`: the zero there is the document's own and ends no name.
 */
static inline bool
mtf_step_matches(const MtfStep *step, const uint8 *at, const uint8 *end)
{
	uint32 available = (uint32) (end - at);
	uint32 size = step->size;

	if (unlikely(available < step->readable))
		return mtf_step_matches_last(step, at, available);
	if ((mtf_load_native(at) ^ step->head) & step->mask)
		return false;
	if (size <= 8)
		return true;
	if (mtf_load_native(at + size - 8) != step->tail)
		return false;
	return size <= 16 || memcmp(at + 8, step->bytes + 8, size - 16) == 0;
}

/* The same for the name alone, whatever the type. */
static inline bool
mtf_step_names(const MtfStep *step, const uint8 *at, const uint8 *end)
{
	static const uint8 without_type[8] = {0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
	uint32 available = (uint32) (end - at);
	uint32 size = step->size;

	if (size > available)
		return false;
	if (unlikely(available < 8))
		return memcmp(at + 1, step->bytes + 1, size - 1) == 0;
	if ((mtf_load_native(at) ^ step->head) & step->mask & mtf_load_native(without_type))
		return false;
	return size <= 8 || memcmp(at + 8, step->bytes + 8, size - 8) == 0;
}

/* A hash of a name of `size` bytes, its NUL included. */
static inline uint32
mtf_name_hash(const void *name, uint32 size)
{
	uint64 head = 0;
	uint64 tail = 0;

	if (size >= 8)
	{
		head = mtf_load_native(name);
		tail = mtf_load_native((const char *) name + size - 8);
	}
	else
		for (uint32 i = 0; i < size; i++)
			head = head << 8 | ((const uint8 *) name)[i];
	head = (head ^ (tail << 27 | tail >> 37) ^ size) * UINT64CONST(0x9E3779B97F4A7C15);
	return (uint32) (head >> 32);
}

/* The value of a matching element. */
static inline const uint8 *
mtf_step_value(const MtfStep *step, const uint8 *at)
{
	return at + step->size;
}

/* Size of the value of a matching element; MTF_BSON_BAD when it does not fit. */
static inline uint32
mtf_step_value_size(const MtfStep *step, const uint8 *value, const uint8 *end)
{
	uint32 length;

	if (step->skip == MTF_SKIP_FIXED)
		return step->least - step->size;
	if (step->skip != MTF_SKIP_TEXT)
		return mtf_bson_size(step->type, value, end);
	/* That four bytes are there, matching has told. */
	length = mtf_load_u32(value);
	return length - 1 < (uint32) (end - value) - 4 ? length + 4 : MTF_BSON_BAD;
}

/*
 * The step, at most MTF_ORDER_LOOKAHEAD behind `from`, that has the name of the element at `at`,
 * whatever its type; NULL: none.
 */
extern const MtfStep *mtf_order_find(const MtfOrder *order, const MtfStep *from, const uint8 *at,
									 const uint8 *end);

#endif /* MTF_BSON_ORDER_H */
