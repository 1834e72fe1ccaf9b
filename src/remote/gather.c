/*
 * gather.c
 *	  Several cursors of one scan, read as their documents arrive.
 *
 * One cursor is as fast as one thread of the server; several are served by several.  A cursor whose
 * batch is used up has asked for the next one already, so we turn to another that has something, and
 * wait, on all of them at once, only when none has.
 *
 * What must not happen here: a part left out or begun twice; an error of one taken for its end; a
 * batch of each kept longer than it is read.
 */
#include "remote/gather.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "remote/client.h"

typedef struct Slot
{
	MemoryContext context; /* of the cursor */
	MtfCursor *cursor;     /* NULL: idle */
} Slot;

struct MtfGather
{
	MtfConnection *connection;
	MtfPipeline **pipelines;
	int npipelines;
	int next; /* the pipeline to begin next */
	MtfCursorOptions options;
	Slot slots[MTF_GATHER_MAX];
	int nslots;
	int current;
	MtfCursorStatistics finished; /* of cursors at their end */
};

MtfGather *
mtf_gather_open(MtfConnection *connection, MtfPipeline **pipelines, int n, int cursors,
				const MtfCursorOptions *options)
{
	MtfGather *gather = palloc0(sizeof(MtfGather));

	gather->connection = connection;
	gather->pipelines = pipelines;
	gather->npipelines = n;
	gather->options = *options;
	gather->options.eager = true;
	gather->nslots = Min(Min(cursors, n), MTF_GATHER_MAX);
	for (int i = 0; i < gather->nslots; i++)
		gather->slots[i].context = AllocSetContextCreate(
			CurrentMemoryContext, "mongo_tenant_fdw range", ALLOCSET_DEFAULT_SIZES);
	return gather;
}

static void
add_statistics(MtfCursorStatistics *to, const MtfCursor *cursor)
{
	MtfCursorStatistics one;

	mtf_cursor_statistics(cursor, &one);
	to->documents += one.documents;
	to->bytes += one.bytes;
	to->batches += one.batches;
}

static void
end_slot(MtfGather *gather, Slot *slot)
{
	add_statistics(&gather->finished, slot->cursor);
	mtf_cursor_close(slot->cursor);
	slot->cursor = NULL;
	MemoryContextReset(slot->context);
}

/* Begin the next part in an idle slot, and send its command. */
static void
begin_slot(MtfGather *gather, Slot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(slot->context);

	slot->cursor =
		mtf_cursor_open(gather->connection, gather->pipelines[gather->next++], &gather->options);
	MemoryContextSwitchTo(old);
	(void) mtf_cursor_ask(slot->cursor);
}

static void
begin_slots(MtfGather *gather)
{
	for (int i = 0; i < gather->nslots && gather->next < gather->npipelines; i++)
		if (gather->slots[i].cursor == NULL)
			begin_slot(gather, &gather->slots[i]);
}

/* Wait until one of the cursors has something to say; its slot, or -1 when there is none left. */
static int
choose_slot(MtfGather *gather)
{
	MtfCursor *cursors[MTF_GATHER_MAX];
	int slots[MTF_GATHER_MAX];
	int n = 0;

	/* Behind the current one first, so that each has its turn. */
	for (int i = 1; i <= gather->nslots; i++)
	{
		int slot = (gather->current + i) % gather->nslots;

		if (gather->slots[slot].cursor == NULL)
			continue;
		cursors[n] = gather->slots[slot].cursor;
		slots[n++] = slot;
	}
	return n == 0 ? -1 : slots[mtf_cursor_wait(cursors, n)];
}

bool
mtf_gather_next(MtfGather *gather, MtfDocument *document)
{
	Slot *slot = &gather->slots[gather->current];
	int chosen;

	if (likely(slot->cursor != NULL && mtf_cursor_has_document(slot->cursor)))
		return mtf_cursor_next(slot->cursor, document);
	begin_slots(gather);
	while ((chosen = choose_slot(gather)) >= 0)
	{
		gather->current = chosen;
		slot = &gather->slots[chosen];
		if (mtf_cursor_next(slot->cursor, document))
			return true;
		end_slot(gather, slot);
		begin_slots(gather);
	}
	return false;
}

void
mtf_gather_close(MtfGather *gather)
{
	gather->next = gather->npipelines;
	for (int i = 0; i < gather->nslots; i++)
		if (gather->slots[i].cursor != NULL)
			end_slot(gather, &gather->slots[i]);
}

void
mtf_gather_statistics(const MtfGather *gather, MtfCursorStatistics *statistics)
{
	*statistics = gather->finished;
	for (int i = 0; i < gather->nslots; i++)
		if (gather->slots[i].cursor != NULL)
			add_statistics(statistics, gather->slots[i].cursor);
}
