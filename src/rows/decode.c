/*
 * decode.c
 *	  BSON document → values of a slot, by a plan compiled per scan.
 *
 * The wanted paths form a trie.  Each of its nodes also remembers in which order a document brought
 * its fields, and with which types (the steps).  Documents of a collection mostly agree: so type and
 * name of the next element are compared with the expected ones, eight bytes at a time, and what a
 * step then has to do is one operation chosen when it was learned.  An element of the expected name
 * but another type takes the general way; only for an unexpected name is there a search.  Steps hold
 * unwanted fields too, which are skipped by length.  A node stops when it has found all that it
 * wants; what stands behind is neither read nor checked.  When documents differ too often from the
 * steps, they are learned again.
 *
 * Of a field that occurs twice in a document the first one counts, as when the server matches.
 *
 * A path goes through documents by name and through arrays by position (`tags.0`).  Where it cannot
 * go on because there is an array, the column has a misfit (for the server such a path means many
 * values); where any other value or none stands, it is missing: NULL.
 *
 * Text, numeric and bytea values live in an arena that is used again for the next row.
 */
#include "rows/decode.h"
#include "rows/bson_raw.h"
#include "rows/value.h"

#include "common/hashfn.h"

#define ARENA_SIZE     16384
#define MAX_STEPS      4096
#define MAX_STEP_NAME  255 /* a longer one ends the learning */
#define LOOKAHEAD      8   /* missing optional fields that cost only a few comparisons */
#define FIRST_PATIENCE 16

typedef struct MtfNode MtfNode;

/* A name that is wanted at one level of the documents. */
typedef struct MtfChild
{
	const char *name;
	uint32 name_size; /* with its NUL */
	uint32 hash;
	int position;               /* of an array element; -1: the name is no position */
	int step;                   /* where the order expects it; -1: nowhere */
	uint64 seen;                /* the row in which it was found last */
	MtfTarget *targets;         /* columns whose path ends here */
	MtfNode *node;              /* columns whose path goes on */
	struct MtfChild *next;      /* in creation order */
	struct MtfChild *same_slot; /* in the hash table */
} MtfChild;

/* What to do with an element of the expected name and type. */
typedef enum MtfOp
{
	OP_GENERAL, /* everything that has no operation of its own below */
	OP_SKIP_FIXED,
	OP_SKIP_TEXT,
	OP_SKIP_OTHER,
	OP_NULL,
	OP_INT4,
	OP_INT8_OF_INT32,
	OP_INT8,
	OP_FLOAT8,
	OP_BOOL,
	OP_TIMESTAMP,
	OP_TEXT,
	OP_OBJECTID
} MtfOp;

/* An expected element: its type and its name with the NUL, by words, and whom it belongs to. */
typedef struct MtfStep
{
	uint64 head; /* first eight bytes, masked */
	uint64 mask;
	uint64 tail; /* last eight bytes, when there are more than eight */
	uint32 size;
	uint8 fixed; /* of OP_SKIP_FIXED: bytes of the value */
	MtfOp op;
	MtfChild *child;    /* NULL: skipped */
	const uint8 *bytes; /* type, name, NUL */
} MtfStep;

struct MtfNode
{
	MtfChild *children;
	int nchildren;
	MtfChild **slots; /* hash table; a power of two of slots */
	uint32 slot_mask;

	MtfStep *steps;
	int nsteps;
	uint8 *step_bytes;
	uint64 walks;    /* since the steps were learned */
	uint64 misses;   /* walks that needed a search */
	uint64 patience; /* misses before learning again */
};

struct MtfDecoder
{
	int natts;
	MtfNode *root;
	MtfTarget *whole;    /* columns of the whole document */
	MtfTarget **domains; /* columns of a domain, whose NULLs are checked */
	int ndomains;
	uint64 row;
	MtfArena arena;
	char *arena_start;
	MemoryContext context;

	/* The row being decoded. */
	Datum *values;
	bool *isnull;
};

static MtfNode *
create_node(void)
{
	MtfNode *node = palloc0(sizeof(MtfNode));

	node->patience = FIRST_PATIENCE;
	return node;
}

/* The position that a segment means in an array: digits without leading zeros; else -1. */
static int
array_position(const char *segment)
{
	size_t len = strlen(segment);

	if (len == 0 || len > 9 || strspn(segment, "0123456789") != len ||
		(segment[0] == '0' && len > 1))
		return -1;
	return atoi(segment);
}

static uint32
hash_name(const char *name, uint32 name_size)
{
	return hash_bytes((const unsigned char *) name, name_size);
}

static MtfChild *
get_child(MtfNode *node, const char *name)
{
	MtfChild **link = &node->children;

	for (; *link != NULL; link = &(*link)->next)
		if (strcmp((*link)->name, name) == 0)
			return *link;
	*link = palloc0(sizeof(MtfChild));
	(*link)->name = name;
	(*link)->name_size = strlen(name) + 1;
	(*link)->hash = hash_name(name, (*link)->name_size);
	(*link)->position = array_position(name);
	(*link)->step = -1;
	node->nchildren++;
	return *link;
}

static void
add_path(MtfNode *root, const MtfColumn *column, MtfTarget *target)
{
	MtfNode *node = root;
	MtfChild *child = NULL;

	for (int i = 0; i < column->nsegments; i++)
	{
		if (child != NULL)
		{
			if (child->node == NULL)
				child->node = create_node();
			node = child->node;
		}
		child = get_child(node, column->segments[i]);
	}
	target->next = child->targets;
	child->targets = target;
}

/* The trie is complete: give every node its hash table. */
static void
finish_node(MtfNode *node)
{
	uint32 nslots = pg_nextpower2_32(Max(node->nchildren * 2, 4));

	node->slots = palloc0(nslots * sizeof(MtfChild *));
	node->slot_mask = nslots - 1;
	for (MtfChild *child = node->children; child != NULL; child = child->next)
	{
		MtfChild **slot = &node->slots[child->hash & node->slot_mask];

		child->same_slot = *slot;
		*slot = child;
		if (child->node != NULL)
			finish_node(child->node);
	}
}

MtfDecoder *
mtf_decoder_create(int natts, MtfColumn **columns)
{
	MtfDecoder *decoder = palloc0(sizeof(MtfDecoder));

	decoder->natts = natts;
	decoder->context = CurrentMemoryContext;
	decoder->root = create_node();
	decoder->domains = palloc(Max(natts, 1) * sizeof(MtfTarget *));
	decoder->arena_start = palloc(ARENA_SIZE);
	decoder->arena.end = decoder->arena_start + ARENA_SIZE;
	for (int i = 0; i < natts; i++)
	{
		MtfTarget *target;

		if (columns[i] == NULL)
			continue;
		target = mtf_target_create(columns[i], i);
		if (OidIsValid(target->domain))
			decoder->domains[decoder->ndomains++] = target;
		if (columns[i]->nsegments == 0)
		{
			target->next = decoder->whole;
			decoder->whole = target;
		}
		else
			add_path(decoder->root, columns[i], target);
	}
	finish_node(decoder->root);
	return decoder;
}

static inline uint64
load_word(const void *at)
{
	uint64 word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/*
 * Does the element at `at` have the step's type and name?  Its name ends before `end`: the zero there
 * is the document's own and ends no name.
 */
static inline bool
step_matches(const MtfStep *step, const uint8 *at, const uint8 *end)
{
	uint32 available = (uint32) (end - at);
	uint32 size = step->size;

	if (unlikely(available < 8))
		return size <= available && memcmp(at, step->bytes, size) == 0;
	if ((load_word(at) ^ step->head) & step->mask)
		return false;
	if (size <= 8)
		return true;
	if (unlikely(size > available) || load_word(at + size - 8) != step->tail)
		return false;
	return size <= 16 || memcmp(at + 8, step->bytes + 8, size - 16) == 0;
}

/* The same for the name alone. */
static inline bool
step_names_match(const MtfStep *step, const uint8 *name, const uint8 *end)
{
	uint32 size = step->size - 1;

	return size <= (uint32) (end - name) && memcmp(name, step->bytes + 1, size) == 0;
}

static MtfOp
skip_op(uint8 type)
{
	if (mtf_bson_sizes[type] <= 16)
		return OP_SKIP_FIXED;
	return mtf_bson_sizes[type] == MTF_SIZE_TEXT ? OP_SKIP_TEXT : OP_SKIP_OTHER;
}

static MtfOp
choose_op(uint8 type, const MtfChild *child)
{
	const MtfTarget *target;

	if (child == NULL)
		return skip_op(type);
	target = child->targets;
	if (child->node != NULL || target->next != NULL || OidIsValid(target->domain))
		return OP_GENERAL;
	switch ((MtfBsonType) type)
	{
		case MTF_BSON_NULL: return OP_NULL;
		case MTF_BSON_INT32:
			return target->kind == MTF_KIND_INT4   ? OP_INT4
				   : target->kind == MTF_KIND_INT8 ? OP_INT8_OF_INT32
												   : OP_GENERAL;
		case MTF_BSON_INT64: return target->kind == MTF_KIND_INT8 ? OP_INT8 : OP_GENERAL;
		case MTF_BSON_DOUBLE: return target->kind == MTF_KIND_FLOAT8 ? OP_FLOAT8 : OP_GENERAL;
		case MTF_BSON_BOOL: return target->kind == MTF_KIND_BOOL ? OP_BOOL : OP_GENERAL;
		case MTF_BSON_DATE:
			return target->kind == MTF_KIND_TIMESTAMP || target->kind == MTF_KIND_TIMESTAMPTZ
					   ? OP_TIMESTAMP
					   : OP_GENERAL;
		case MTF_BSON_STRING:
			return target->kind == MTF_KIND_TEXT && !target->pads ? OP_TEXT : OP_GENERAL;
		case MTF_BSON_OBJECTID:
			return target->takes_objectid && target->max_chars < 0 ? OP_OBJECTID : OP_GENERAL;
		default: return OP_GENERAL;
	}
}

/* `bytes` are the type and the name, which stay. */
static void
fill_step(MtfStep *step, const uint8 *bytes, uint32 size, MtfChild *child)
{
	unsigned char head[8] = {0};
	unsigned char mask[8] = {0};

	memcpy(head, bytes, Min(size, 8));
	memset(mask, 0xFF, Min(size, 8));
	step->head = load_word(head);
	step->mask = load_word(mask);
	step->tail = size > 8 ? load_word(bytes + size - 8) : 0;
	step->size = size;
	step->bytes = bytes;
	step->child = child;
	step->op = choose_op(bytes[0], child);
	step->fixed = mtf_bson_sizes[bytes[0]];
}

static MtfChild *
find_child(const MtfNode *node, const char *name, uint32 name_size)
{
	uint32 hash = hash_name(name, name_size);
	MtfChild *child = node->slots[hash & node->slot_mask];

	for (; child != NULL; child = child->same_slot)
		if (child->hash == hash && child->name_size == name_size &&
			memcmp(child->name, name, name_size) == 0)
			return child;
	return NULL;
}

/* How many steps, and bytes of types and names, a document's order takes. */
static int
measure_order(const uint8 *at, const uint8 *end, Size *bytes)
{
	MtfElement element;
	int nsteps = 0;

	*bytes = 0;
	while (nsteps < MAX_STEPS && mtf_bson_next(&at, end, &element) &&
		   element.name_len <= MAX_STEP_NAME)
	{
		nsteps++;
		*bytes += element.name_len + 2;
	}
	return nsteps;
}

static void
forget_order(MtfNode *node)
{
	node->nsteps = 0;
	for (MtfChild *child = node->children; child != NULL; child = child->next)
		child->step = -1;
	if (node->steps == NULL)
		return;
	pfree(node->steps);
	pfree(node->step_bytes);
	node->steps = NULL;
	/* Where orders keep changing, learning must not cost more than searching. */
	node->patience *= 2;
}

/*
 * Learn the order of this document's fields.  The second of two equal names is a step to skip.
 */
static void
learn_order(MtfDecoder *decoder, MtfNode *node, const uint8 *at, const uint8 *end)
{
	Size nbytes;
	int nsteps = measure_order(at, end, &nbytes);
	MtfElement element;
	uint8 *bytes;

	forget_order(node);
	node->steps = MemoryContextAlloc(decoder->context, Max(nsteps, 1) * sizeof(MtfStep));
	bytes = node->step_bytes = MemoryContextAlloc(decoder->context, Max(nbytes, 1));
	for (int i = 0; i < nsteps && mtf_bson_next(&at, end, &element); i++)
	{
		MtfChild *child = find_child(node, element.name, element.name_len + 1);

		if (child != NULL && child->step >= 0)
			child = NULL;
		else if (child != NULL)
			child->step = i;
		bytes[0] = element.type;
		memcpy(bytes + 1, element.name, element.name_len + 1);
		fill_step(&node->steps[i], bytes, element.name_len + 2, child);
		bytes += element.name_len + 2;
	}
	node->nsteps = nsteps;
	node->walks = node->misses = 0;
}

/*
 * The element whose name is at `name` is not what *step expects: find whom it belongs to (NULL:
 * nobody) and set *step to the step from which to go on.
 */
static MtfChild *
search_child(MtfNode *node, const uint8 *name, const uint8 *end, const MtfStep **step,
			 uint32 *name_size)
{
	const MtfStep *last = node->steps + node->nsteps;
	const uint8 *nul;
	MtfChild *child;

	for (const MtfStep *ahead = *step; ahead < last && ahead <= *step + LOOKAHEAD; ahead++)
	{
		if (step_names_match(ahead, name, end))
		{
			*name_size = ahead->size - 1;
			*step = ahead + 1;
			return ahead->child;
		}
	}
	nul = memchr(name, '\0', end - name);
	if (nul == NULL)
		mtf_bson_raise_invalid();
	*name_size = (uint32) (nul - name) + 1;
	child = find_child(node, (const char *) name, *name_size);
	if (child != NULL && child->step >= 0)
		*step = node->steps + child->step + 1;
	return child;
}

static void walk_document(MtfDecoder *decoder, MtfNode *node, const uint8 *at, const uint8 *end);
static void walk_array(MtfDecoder *decoder, MtfNode *node, const uint8 *at, const uint8 *end);

static void
store_targets(MtfDecoder *decoder, MtfTarget *target, uint8 type, const uint8 *value, uint32 size)
{
	for (; target != NULL; target = target->next)
		mtf_value_store(target, type, value, size, &decoder->arena, decoder->values,
						decoder->isnull);
}

/* A found value: columns that end here, and columns that go on below. */
static void
take_value(MtfDecoder *decoder, MtfChild *child, uint8 type, const uint8 *value, uint32 size)
{
	const uint8 *at;
	const uint8 *end;

	store_targets(decoder, child->targets, type, value, size);
	if (child->node == NULL || (type != MTF_BSON_DOCUMENT && type != MTF_BSON_ARRAY))
		return;
	if (!mtf_bson_open(value, size, &at, &end))
		mtf_bson_raise_invalid();
	if (type == MTF_BSON_DOCUMENT)
		walk_document(decoder, child->node, at, end);
	else
		walk_array(decoder, child->node, at, end);
}

/* Nothing below `child` can be reached through an array by name. */
static void
misfit_below(MtfDecoder *decoder, MtfChild *child)
{
	for (MtfTarget *target = child->targets; target != NULL; target = target->next)
		mtf_value_store_misfit(target, MTF_BSON_ARRAY, decoder->isnull);
	if (child->node != NULL)
		for (MtfChild *below = child->node->children; below != NULL; below = below->next)
			misfit_below(decoder, below);
}

static void
walk_array(MtfDecoder *decoder, MtfNode *node, const uint8 *at, const uint8 *end)
{
	MtfElement element;
	int remaining = node->nchildren;

	for (MtfChild *child = node->children; child != NULL; child = child->next)
	{
		if (child->position >= 0)
			continue;
		misfit_below(decoder, child);
		remaining--;
	}
	for (int i = 0; remaining > 0 && mtf_bson_next(&at, end, &element); i++)
	{
		for (MtfChild *child = node->children; child != NULL; child = child->next)
		{
			if (child->position != i)
				continue;
			take_value(decoder, child, element.type, element.value, element.size);
			remaining--;
		}
	}
}

/* Bytes of a value of `type`; raises when it does not fit. */
static inline uint32
value_size(uint8 type, const uint8 *value, const uint8 *end)
{
	uint32 size = mtf_bson_size(type, value, end);

	if (unlikely(size == MTF_BSON_BAD))
		mtf_bson_raise_invalid();
	return size;
}

static inline void
need(const uint8 *value, const uint8 *end, uint32 size)
{
	if (unlikely((uint32) (end - value) < size))
		mtf_bson_raise_invalid();
}

static inline uint32
store_datum(MtfDecoder *decoder, const MtfStep *step, Datum datum, uint32 size)
{
	int index = step->child->targets->index;

	decoder->values[index] = datum;
	decoder->isnull[index] = false;
	return size;
}

/*
 * Do what a matching step says with the value at `value`; the size of the value.  An operation that
 * finds its value unusual leaves it to the general way.
 */
static inline uint32
run_step(MtfDecoder *decoder, const MtfStep *step, uint8 type, const uint8 *value, const uint8 *end)
{
	uint32 size;
	Datum datum;

	switch (step->op)
	{
		case OP_SKIP_FIXED: need(value, end, step->fixed); return step->fixed;
		case OP_SKIP_TEXT:
		case OP_SKIP_OTHER: return value_size(type, value, end);
		case OP_NULL: return 0;
		case OP_INT4:
			need(value, end, 4);
			return store_datum(decoder, step, Int32GetDatum((int32) mtf_load_u32(value)), 4);
		case OP_INT8_OF_INT32:
			need(value, end, 4);
			return store_datum(decoder, step, Int64GetDatum((int32) mtf_load_u32(value)), 4);
		case OP_INT8:
			need(value, end, 8);
			return store_datum(decoder, step, Int64GetDatum((int64) mtf_load_u64(value)), 8);
		case OP_FLOAT8:
			need(value, end, 8);
			return store_datum(decoder, step, Float8GetDatum(mtf_load_double(value)), 8);
		case OP_BOOL:
			need(value, end, 1);
			if (likely(*value <= 1))
				return store_datum(decoder, step, BoolGetDatum(*value == 1), 1);
			break;
		case OP_TIMESTAMP:
			need(value, end, 8);
			if (likely(mtf_timestamp_from_bson(value, &datum)))
				return store_datum(decoder, step, datum, 8);
			break;
		case OP_OBJECTID:
			need(value, end, 12);
			return store_datum(decoder, step, mtf_objectid_text(value, &decoder->arena), 12);
		case OP_TEXT:
			size = value_size(type, value, end);
			if (likely(mtf_plain_text(step->child->targets, value, size, &decoder->arena, &datum)))
				return store_datum(decoder, step, datum, size);
			break;
		case OP_GENERAL: break;
	}
	size = value_size(type, value, end);
	take_value(decoder, step->child, type, value, size);
	return size;
}

/* An element that is not the expected one, by name or by type; its whole size. */
static uint32
walk_unexpected(MtfDecoder *decoder, MtfNode *node, const uint8 *at, const uint8 *end,
				const MtfStep **step, int *remaining)
{
	uint8 type = at[0];
	uint32 name_size;
	MtfChild *child = search_child(node, at + 1, end, step, &name_size);
	const uint8 *value = at + 1 + name_size;
	uint32 size = value_size(type, value, end);

	if (child != NULL && child->seen != decoder->row)
	{
		child->seen = decoder->row;
		(*remaining)--;
		take_value(decoder, child, type, value, size);
	}
	return 1 + name_size + size;
}

static void
walk_document(MtfDecoder *decoder, MtfNode *node, const uint8 *at, const uint8 *end)
{
	const MtfStep *step;
	const MtfStep *last;
	int remaining = node->nchildren;
	bool missed = false;

	if (unlikely(node->nsteps == 0 ||
				 (node->misses >= node->patience && node->misses * 4 > node->walks)))
		learn_order(decoder, node, at, end);
	node->walks++;
	step = node->steps;
	last = step + node->nsteps;

	while (at < end && remaining > 0)
	{
		uint8 type = *at;
		MtfChild *child;

		if (likely(step < last && step_matches(step, at, end)))
		{
			child = step->child;
			if (child == NULL || child->seen != decoder->row)
			{
				if (child != NULL)
				{
					child->seen = decoder->row;
					remaining--;
				}
				at += step->size;
				at += run_step(decoder, step, type, at, end);
				step++;
				continue;
			}
		}
		at += walk_unexpected(decoder, node, at, end, &step, &remaining);
		missed = true;
	}
	node->misses += missed;
}

void
mtf_decoder_row(MtfDecoder *decoder, const uint8 *doc, uint32 len, Datum *values, bool *isnull)
{
	const uint8 *at;
	const uint8 *end;

	memset(values, 0, decoder->natts * sizeof(Datum));
	memset(isnull, true, decoder->natts * sizeof(bool));
	if (!mtf_bson_open(doc, len, &at, &end) || end != doc + len - 1)
		mtf_bson_raise_invalid();
	decoder->arena.at = decoder->arena_start;
	decoder->values = values;
	decoder->isnull = isnull;
	decoder->row++;
	walk_document(decoder, decoder->root, at, end);
	store_targets(decoder, decoder->whole, MTF_BSON_DOCUMENT, doc, len);
	for (int i = 0; i < decoder->ndomains; i++)
		if (isnull[decoder->domains[i]->index])
			mtf_value_check_null(decoder->domains[i]);
}
