/*
 * decode.c
 *	  BSON document → values of a slot, by a plan compiled per scan.
 *
 * The wanted paths form a trie.  Each of its nodes also remembers in which order a document brought
 * its fields (the steps): documents of a collection mostly agree, so the next name is compared with
 * the expected one, eight bytes at a time, and a search is needed only where a document differs.
 * Steps hold unwanted fields too, which are skipped by length.  A node stops when it has found all
 * that it wants; what stands behind is neither read nor checked.  When documents differ too often
 * from the steps, they are learned again.
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

/* An expected element: its name, NUL included, by words, and whom it belongs to (NULL: skipped). */
typedef struct MtfStep
{
	uint64 head; /* first eight bytes, masked */
	uint64 mask;
	uint64 tail; /* last eight bytes, of a name_size above eight */
	uint32 name_size;
	MtfChild *child;
	const char *name;
} MtfStep;

struct MtfNode
{
	MtfChild *children;
	int nchildren;
	MtfChild **slots; /* hash table; a power of two of slots */
	uint32 slot_mask;

	MtfStep *steps;
	int nsteps;
	char *step_names;
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

/* Does the name at `name` equal the step's?  Reads nothing at or behind `end`. */
static inline bool
step_matches(const MtfStep *step, const uint8 *name, const uint8 *end)
{
	uint32 available = (uint32) (end - name);
	uint32 size = step->name_size;

	if (unlikely(available < 8))
		return size <= available && memcmp(name, step->name, size) == 0;
	if ((load_word(name) ^ step->head) & step->mask)
		return false;
	if (size <= 8)
		return true;
	if (size > available || load_word(name + size - 8) != step->tail)
		return false;
	return size <= 16 || memcmp(name + 8, step->name + 8, size - 16) == 0;
}

static void
fill_step(MtfStep *step, const char *name, uint32 name_size, MtfChild *child)
{
	unsigned char head[8] = {0};
	unsigned char mask[8] = {0};

	memcpy(head, name, Min(name_size, 8));
	memset(mask, 0xFF, Min(name_size, 8));
	step->head = load_word(head);
	step->mask = load_word(mask);
	step->tail = name_size > 8 ? load_word(name + name_size - 8) : 0;
	step->name = name;
	step->name_size = name_size;
	step->child = child;
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

/* How many steps and bytes of names a document's order takes, up to its last wanted field. */
static int
measure_order(const MtfNode *node, const uint8 *at, const uint8 *end, Size *name_bytes)
{
	MtfElement element;
	int nsteps = 0;
	int last_wanted = 0;
	Size bytes = 0;

	*name_bytes = 0;
	while (nsteps < MAX_STEPS && mtf_bson_next(&at, end, &element) &&
		   element.name_len <= MAX_STEP_NAME)
	{
		nsteps++;
		bytes += element.name_len + 1;
		if (find_child(node, element.name, element.name_len + 1) != NULL)
		{
			last_wanted = nsteps;
			*name_bytes = bytes;
		}
	}
	/* Behind the last wanted field there may be one more that this document lacks. */
	if (nsteps > last_wanted)
	{
		last_wanted = nsteps;
		*name_bytes = bytes;
	}
	return last_wanted;
}

/*
 * Learn the order of this document's fields.  The second of two equal names is a step to skip.
 */
static void
learn_order(MtfDecoder *decoder, MtfNode *node, const uint8 *at, const uint8 *end)
{
	Size name_bytes;
	int nsteps = measure_order(node, at, end, &name_bytes);
	MemoryContext old = MemoryContextSwitchTo(decoder->context);
	MtfElement element;
	char *name;

	if (node->steps != NULL)
	{
		pfree(node->steps);
		pfree(node->step_names);
		node->patience *= 2;
	}
	node->nsteps = 0;
	node->steps = palloc(Max(nsteps, 1) * sizeof(MtfStep));
	name = node->step_names = palloc(Max(name_bytes, 1));
	MemoryContextSwitchTo(old);

	for (MtfChild *child = node->children; child != NULL; child = child->next)
		child->step = -1;
	for (int i = 0; i < nsteps && mtf_bson_next(&at, end, &element); i++)
	{
		MtfChild *child = find_child(node, element.name, element.name_len + 1);

		if (child != NULL && child->step >= 0)
			child = NULL;
		else if (child != NULL)
			child->step = i;
		memcpy(name, element.name, element.name_len + 1);
		fill_step(&node->steps[i], name, element.name_len + 1, child);
		name += element.name_len + 1;
		node->nsteps = i + 1;
	}
	node->walks = node->misses = 0;
}

/*
 * The name at `name` is not the expected one: find whom it belongs to (NULL: nobody) and set *step to
 * the step from which to go on.
 */
static MtfChild *
search_child(const MtfNode *node, const uint8 *name, const uint8 *end, const MtfStep **step,
			 uint32 *name_size)
{
	const MtfStep *last = node->steps + node->nsteps;
	const uint8 *nul;
	MtfChild *child;

	for (const MtfStep *ahead = *step + 1; ahead < last && ahead <= *step + LOOKAHEAD; ahead++)
	{
		if (step_matches(ahead, name, end))
		{
			*name_size = ahead->name_size;
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
		uint8 type = *at++;
		uint32 name_size;
		uint32 size;
		MtfChild *child;

		if (likely(step < last && step_matches(step, at, end)))
		{
			name_size = step->name_size;
			child = step->child;
			step++;
		}
		else
		{
			child = search_child(node, at, end, &step, &name_size);
			missed = true;
		}
		at += name_size;
		size = mtf_bson_size(type, at, end);
		if (unlikely(size == MTF_BSON_BAD))
			mtf_bson_raise_invalid();
		if (child != NULL && child->seen != decoder->row)
		{
			child->seen = decoder->row;
			remaining--;
			take_value(decoder, child, type, at, size);
		}
		at += size;
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
