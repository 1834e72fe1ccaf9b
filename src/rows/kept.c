/*
 * kept.c
 *	  What was learned from a server, kept for the same reader, for a while.
 *
 * Each entry has memory of its own, filled before it is kept: an error on the way leaves nothing behind.
 *
 * What must not happen here: anything told to another reader.
 */
#include "rows/kept.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

typedef struct Entry
{
	MtfReader reader;
	TimestampTz since;
	MemoryContext memory;
	const void *value;
} Entry;

static Entry *
find_entry(const MtfKept *kept, const MtfReader *reader)
{
	ListCell *cell;

	foreach (cell, kept->entries)
	{
		Entry *entry = lfirst(cell);

		if (memcmp(&entry->reader, reader, sizeof(*reader)) == 0)
			return entry;
	}
	return NULL;
}

const void *
mtf_kept_find(MtfKept *kept, const MtfReader *reader)
{
	const Entry *entry = find_entry(kept, reader);

	if (entry == NULL ||
		TimestampDifferenceExceeds(entry->since, GetCurrentTimestamp(), kept->milliseconds))
		return NULL;
	return entry->value;
}

MemoryContext
mtf_kept_begin(const MtfKept *kept)
{
	MemoryContext memory =
		AllocSetContextCreate(CurrentMemoryContext, "mongo_tenant_fdw kept", ALLOCSET_SMALL_SIZES);

	MemoryContextSetIdentifier(memory, kept->name);
	return memory;
}

/* A place for one more entry. */
static Entry *
add_entry(MtfKept *kept)
{
	MemoryContext old;
	Entry *entry;

	if (kept->context == NULL)
	{
		kept->context =
			AllocSetContextCreate(TopMemoryContext, "mongo_tenant_fdw", ALLOCSET_SMALL_SIZES);
		MemoryContextSetIdentifier(kept->context, kept->name);
	}
	if (list_length(kept->entries) >= kept->most)
		mtf_kept_forget(kept);
	old = MemoryContextSwitchTo(kept->context);
	entry = palloc0(sizeof(Entry));
	kept->entries = lappend(kept->entries, entry);
	MemoryContextSwitchTo(old);
	return entry;
}

void
mtf_kept_put(MtfKept *kept, const MtfReader *reader, MemoryContext memory, const void *value)
{
	Entry *entry = find_entry(kept, reader);

	if (entry == NULL)
		entry = add_entry(kept);
	else
		MemoryContextDelete(entry->memory);
	*entry = (Entry){*reader, GetCurrentTimestamp(), memory, value};
	MemoryContextSetParent(memory, kept->context);
}

void
mtf_kept_forget(MtfKept *kept)
{
	kept->entries = NIL;
	if (kept->context != NULL)
		MemoryContextReset(kept->context);
}
