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
 * Text, numeric and bytea values live in an arena that is used again for the next row: there is no
 * palloc per value, and the memory stays in the processor's cache.  Text is copied there in the pass
 * that checks it.  Building short varlenas in place, over the length prefix of a BSON string, was
 * measured and not faster (0.09 against 0.07 to 0.09 µs for documents of ten fields, three of them
 * wanted text), and it would write into a batch that a rescan may read again.
 */
#include "rows/decode.h"
#include "base/bson_order.h"
#include "rows/value.h"

#include "port/pg_bitutils.h"

#define ARENA_SIZE 16384
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

struct MtfNode
{
	MtfChild *children;
	int nchildren;
	MtfChild **slots; /* hash table; a power of two of slots */
	uint32 slot_mask;

	MtfOrder order; /* its steps' owners are children */
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

	mtf_order_init(&node->order, CurrentMemoryContext);
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
	(*link)->hash = mtf_name_hash(name, (*link)->name_size);
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

static MtfOp
choose_op(uint8 type, const MtfChild *child)
{
	const MtfTarget *target = child->targets;

	if (child->node != NULL || target == NULL || target->next != NULL || OidIsValid(target->domain))
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

static MtfChild *
find_child(const MtfNode *node, const char *name, uint32 name_size)
{
	uint32 hash = mtf_name_hash(name, name_size);
	MtfChild *child = node->slots[hash & node->slot_mask];

	for (; child != NULL; child = child->same_slot)
		if (child->hash == hash && child->name_size == name_size &&
			memcmp(child->name, name, name_size) == 0)
			return child;
	return NULL;
}

/*
 * Learn the order of this document's fields.  The second of two equal names is a step to skip.
 */
static void
learn_order(MtfNode *node, const uint8 *at, const uint8 *end)
{
	MtfOrder *order = &node->order;

	mtf_order_learn(order, at, end);
	for (MtfChild *child = node->children; child != NULL; child = child->next)
		child->step = -1;
	for (int i = 0; i < order->nsteps; i++)
	{
		MtfStep *step = &order->steps[i];
		MtfChild *child = find_child(node, (const char *) step->bytes + 1, step->size - 1);

		if (child == NULL || child->step >= 0)
			continue;
		child->step = i;
		step->owner = child;
		step->op = choose_op(step->type, child);
		step->tag = child->targets != NULL ? child->targets->index : -1;
	}
}

/*
 * The element at `at` is not what *step expects: find whom it belongs to (NULL: nobody) and set *step
 * to the step from which to go on.
 */
static MtfChild *
search_child(MtfNode *node, const uint8 *at, const uint8 *end, const MtfStep **step,
			 uint32 *name_size)
{
	const MtfStep *found = mtf_order_find(&node->order, *step, at, end);
	const uint8 *nul;
	MtfChild *child;

	if (found != NULL)
	{
		*name_size = found->size - 1;
		*step = found + 1;
		return found->owner;
	}
	nul = memchr(at + 1, '\0', end - at - 1);
	if (nul == NULL)
		mtf_bson_raise_invalid();
	*name_size = (uint32) (nul - at);
	child = find_child(node, (const char *) at + 1, *name_size);
	if (child != NULL && child->step >= 0)
		*step = node->order.steps + child->step + 1;
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

/*
 * Do what a matching step of somebody says with the value at `value`; the size of the value.  An
 * operation that finds its value unusual leaves it to the general way.  That values of fixed size are
 * there, matching has told.
 */
static pg_attribute_always_inline uint32
run_step(MtfDecoder *decoder, const MtfStep *step, const uint8 *value, const uint8 *end)
{
	MtfChild *child = step->owner;
	Datum datum = (Datum) 0;
	uint32 size = 0;

	switch ((MtfOp) step->op)
	{
		case OP_NULL: return 0;
		case OP_INT4:
			size = 4;
			datum = Int32GetDatum((int32) mtf_load_u32(value));
			break;
		case OP_INT8_OF_INT32:
			size = 4;
			datum = Int64GetDatum((int32) mtf_load_u32(value));
			break;
		case OP_INT8:
			size = 8;
			datum = Int64GetDatum((int64) mtf_load_u64(value));
			break;
		case OP_FLOAT8:
			size = 8;
			datum = Float8GetDatum(mtf_load_double(value));
			break;
		case OP_BOOL:
			size = 1;
			if (unlikely(*value > 1))
				mtf_bson_raise_invalid();
			datum = BoolGetDatum(*value == 1);
			break;
		case OP_TIMESTAMP:
			size = 8;
			if (unlikely(!mtf_timestamp_from_bson(value, &datum)))
				goto general;
			break;
		case OP_OBJECTID:
			size = 12;
			datum = mtf_objectid_text(value, &decoder->arena);
			break;
		case OP_TEXT:
			size = mtf_step_value_size(step, value, end);
			if (unlikely(size == MTF_BSON_BAD))
				mtf_bson_raise_invalid();
			if (unlikely(!mtf_plain_text(child->targets, value, size, &decoder->arena, &datum)))
				goto general;
			break;
		default: goto general;
	}
	decoder->values[step->tag] = datum;
	decoder->isnull[step->tag] = false;
	return size;

general:
	size = value_size(step->type, value, end);
	take_value(decoder, child, step->type, value, size);
	return size;
}

/* An element that is not the expected one, by name or by type; what stands behind it. */
static const uint8 *
walk_unexpected(MtfDecoder *decoder, MtfNode *node, const uint8 *at, const uint8 *end,
				const MtfStep **step, int *remaining)
{
	uint8 type = at[0];
	uint32 name_size;
	MtfChild *child = search_child(node, at, end, step, &name_size);
	const uint8 *value = at + 1 + name_size;
	uint32 size = value_size(type, value, end);

	if (child != NULL && child->seen != decoder->row)
	{
		child->seen = decoder->row;
		(*remaining)--;
		take_value(decoder, child, type, value, size);
	}
	return value + size;
}

/*
 * The rest of a document from its first unexpected element on, which is at `at`; *step was expected.
 * From here on a name may come twice, so what was found is marked, the steps before *step too.
 */
static void
walk_rest(MtfDecoder *decoder, MtfNode *node, const uint8 *at, const uint8 *end,
		  const MtfStep *step, int remaining)
{
	for (const MtfStep *before = node->order.steps; before < step; before++)
		if (before->owner != NULL)
			((MtfChild *) before->owner)->seen = decoder->row;
	node->order.misses++;
	while (at < end && remaining > 0)
	{
		MtfChild *child = step->owner;

		if (!mtf_step_matches(step, at, end) || (child != NULL && child->seen == decoder->row))
		{
			at = walk_unexpected(decoder, node, at, end, &step, &remaining);
			continue;
		}
		at += step->size;
		if (child == NULL)
			at += value_size(step->type, at, end);
		else
		{
			child->seen = decoder->row;
			remaining--;
			at += run_step(decoder, step, at, end);
		}
		step++;
	}
}

static void
walk_document(MtfDecoder *decoder, MtfNode *node, const uint8 *at, const uint8 *end)
{
	const MtfStep *step;
	int remaining = node->nchildren;

	if (remaining == 0)
		return;
	if (mtf_order_is_stale(&node->order))
		learn_order(node, at, end);
	for (step = node->order.steps; at < end; step++)
	{
		if (unlikely(!mtf_step_matches(step, at, end)))
		{
			walk_rest(decoder, node, at, end, step, remaining);
			return;
		}
		at += step->size;
		if (step->owner == NULL)
		{
			uint32 size = mtf_step_value_size(step, at, end);

			if (unlikely(size == MTF_BSON_BAD))
				mtf_bson_raise_invalid();
			at += size;
			continue;
		}
		at += run_step(decoder, step, at, end);
		if (--remaining == 0)
			return;
	}
}

void
mtf_decoder_row(MtfDecoder *decoder, const uint8 *doc, uint32 len, Datum *values, bool *isnull)
{
	const uint8 *at;
	const uint8 *end;

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
