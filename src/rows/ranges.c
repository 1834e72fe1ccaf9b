/*
 * ranges.c
 *	  Option parallel: where to cut a scan, learned from a scan before it.
 *
 * Ranges are worth their commands only where an index gives each its own documents: one that begins
 * with the tenant and `_id`.  The server is asked for its indexes when a lesson is kept.
 *
 * What must not happen here: keys of one token used under another; a key shown to anybody.
 */
#include "rows/ranges.h"

#include "miscadmin.h"
#include "nodes/value.h"

#include "base/bson_raw.h"
#include "options/cache.h"
#include "remote/estimate.h"
#include "rows/kept.h"

#define SAMPLES     256
#define PER_CURSOR  4 /* ranges: they are uneven, and who is done takes the next */
#define LEAST_PARTS 4 /* batches that a scan must have, to be cut */

typedef struct Lesson
{
	uint64 batches; /* of the whole */
	List *indexes;  /* as MtfFacts.indexes */
	int nkeys;
	MtfRangeKey keys[SAMPLES]; /* of one group, ascending */
} Lesson;

struct MtfRanges
{
	const MtfScanPlan *plan;
	MtfReader reader;
	int used;
	bool learns;
	bool orders_text; /* as bytes: the server is asked to, by its collation */

	/* of the run */
	int parts;       /* it was cut into; 0: not cut */
	uint64 seen;     /* documents */
	uint64 distance; /* between the samples: a power of 2 */
	int nsamples;
	MtfRangeKey samples[SAMPLES];
};

static MtfKept kept = {"ranges", 600000, 64}; /* Lesson */

MtfRanges *
mtf_ranges_create(const MtfScanPlan *plan, Oid userid, MtfBinding *binding)
{
	const MtfIdentity *identity = mtf_binding_identity(binding);
	const char *collation;
	MtfRanges *ranges;

	/* A bypass has no token to keep anything for. */
	if (plan->cursors < 2 || identity == NULL)
		return NULL;
	ranges = palloc0(sizeof(MtfRanges));
	ranges->plan = plan;
	ranges->reader = mtf_reader_of(linitial_oid(plan->relids), userid, identity);
	ranges->learns = plan->terms == NIL;
	/* An order of the collection's own may take digits for numbers. */
	collation = mtf_server_options(mtf_table_options(ranges->reader.relid)->serverid)->collation;
	ranges->orders_text = collation == NULL || strcmp(collation, "none") != 0;
	return ranges;
}

int
mtf_ranges_used(const MtfRanges *ranges)
{
	return ranges->used;
}

/* ---- learning ---- */

/* Keep every second sample, and take them at twice the distance from now on. */
static void
thin_out(MtfRanges *ranges)
{
	for (int i = 0; i < SAMPLES / 2; i++)
		ranges->samples[i] = ranges->samples[2 * i];
	ranges->nsamples = SAMPLES / 2;
	ranges->distance *= 2;
}

void
mtf_ranges_see(MtfRanges *ranges, const uint8 *doc, uint32 len)
{
	if (!ranges->learns || (ranges->seen++ & (ranges->distance - 1)) != 0)
		return;
	if (ranges->nsamples == SAMPLES)
	{
		thin_out(ranges);
		if (((ranges->seen - 1) & (ranges->distance - 1)) != 0)
			return;
	}
	if (mtf_range_key_read(&ranges->samples[ranges->nsamples], doc, len) &&
		(ranges->orders_text || ranges->samples[ranges->nsamples].type != MTF_BSON_STRING))
		ranges->nsamples++;
}

/* Keys are ordered by group, then by themselves. */
static int
compare_keys(const void *a, const void *b)
{
	int difference = mtf_range_key_group(a) - mtf_range_key_group(b);

	return difference != 0 ? difference : mtf_range_key_compare(a, b);
}

/* The largest group of ordered samples, each key once. */
static void
take_group(Lesson *lesson, const MtfRangeKey *samples, int n)
{
	int best = 0;
	int best_len = 0;

	for (int start = 0, i = 1; i <= n; i++)
		if (i == n || mtf_range_key_group(&samples[i]) != mtf_range_key_group(&samples[start]))
		{
			if (i - start > best_len)
			{
				best = start;
				best_len = i - start;
			}
			start = i;
		}
	lesson->nkeys = 0;
	for (int i = best; i < best + best_len; i++)
		if (i == best || mtf_range_key_compare(&samples[i - 1], &samples[i]) != 0)
			lesson->keys[lesson->nkeys++] = samples[i];
}

/*
 * The indexes as a query under the tenant sees them: without the tenant in front.  False when none
 * leads to a range of `_id`.
 */
static bool
useful_indexes(List *all, const MtfScope *scope, List **indexes)
{
	const char *field = mtf_scope_field(scope);
	bool useful = false;
	ListCell *cell;

	foreach (cell, all)
	{
		List *paths = lfirst(cell);

		if (field != NULL && strcmp(strVal(linitial(paths)), field) == 0)
			paths = list_delete_first(paths);
		else if (field != NULL)
			continue;
		if (paths == NIL)
			continue;
		useful |= strcmp(strVal(linitial(paths)), "_id") == 0;
		*indexes = lappend(*indexes, paths);
	}
	return useful && (field == NULL || strncmp(field, "_id", 3) != 0);
}

void
mtf_ranges_keep(MtfRanges *ranges, const MtfCursorStatistics *run, MtfConnection *connection,
				const MtfScope *scope, const char *read_preference)
{
	/* Each range has a first batch, full or not. */
	uint64 batches = run->batches - Max(ranges->parts - 1, 0);
	List *all = NIL;
	List *unique = NIL;
	List *indexes = NIL;
	MemoryContext memory;
	MemoryContext old;
	Lesson *lesson;

	if (!ranges->learns || ranges->nsamples < LEAST_PARTS || batches < LEAST_PARTS ||
		!mtf_estimate_indexes(connection, scope, read_preference, &all, &unique) ||
		!useful_indexes(all, scope, &indexes))
		return;
	qsort(ranges->samples, ranges->nsamples, sizeof(MtfRangeKey), compare_keys);
	memory = mtf_kept_begin(&kept);
	old = MemoryContextSwitchTo(memory);
	lesson = palloc0(sizeof(Lesson));
	lesson->indexes = copyObject(indexes);
	MemoryContextSwitchTo(old);
	lesson->batches = batches;
	take_group(lesson, ranges->samples, ranges->nsamples);
	mtf_kept_put(&kept, &ranges->reader, memory, lesson);
	ranges->nsamples = 0; /* once */
}

/* ---- cutting ---- */

/* Is a field of the term the first one of an index (behind the tenant)? */
static bool
may_use_index(const MtfTerm *term, const List *indexes)
{
	const ListCell *cell;

	if (term->field != NULL)
		foreach (cell, indexes)
			if (strcmp(strVal(linitial((List *) lfirst(cell))), term->field->path) == 0)
				return true;
	foreach (cell, term->args)
		if (may_use_index(lfirst(cell), indexes))
			return true;
	return false;
}

/* How many ranges a run is worth. */
static int
wanted_parts(const MtfRanges *ranges, const Lesson *lesson)
{
	const MtfScanPlan *plan = ranges->plan;
	uint64 batches = lesson->batches * plan->share / 1000;
	ListCell *cell;

	/* A filter that an index serves: each range would be looked for in all that it finds. */
	foreach (cell, plan->terms)
		if (may_use_index(lfirst(cell), lesson->indexes))
			return 0;
	if (batches < LEAST_PARTS)
		return 0;
	return (int) Min(Min((uint64) plan->cursors * PER_CURSOR, batches), lesson->nkeys);
}

int
mtf_ranges_cut(MtfRanges *ranges, MtfRange **result)
{
	const Lesson *lesson = mtf_kept_find(&kept, &ranges->reader);
	MtfRangeKey *keys;
	int n;

	ranges->parts = ranges->nsamples = 0;
	ranges->seen = 0;
	ranges->distance = 1;
	if (lesson == NULL || (n = wanted_parts(ranges, lesson)) < 2)
		return 0;
	/* A copy: what is kept may be forgotten while the run goes on. */
	keys = palloc(sizeof(MtfRangeKey) * n);
	*result = palloc0(sizeof(MtfRange) * n);
	for (int i = 1; i < n; i++)
	{
		keys[i] = lesson->keys[(int64) i * lesson->nkeys / n];
		(*result)[i - 1].to = (*result)[i].from = &keys[i];
	}
	ranges->parts = ranges->used = n;
	return n;
}
