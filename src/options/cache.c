/*
 * cache.c
 *	  Options of servers and tables and columns of tables, as they were read last.
 *
 * A statement asks for them several times, and reading them is dearer than all the rest of an empty
 * scan.  Each is kept in a memory context of its own and pinned by the memory contexts of those who
 * asked for it; what changed in the catalogs is forgotten at once, and freed with its last pin.
 *
 * What must not happen here: something kept that changed while it was read, something freed in use.
 */
#include "options/cache.h"

#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* Of each kind; more are forgotten all at once. */
#define MAX_KEPT 1024

typedef struct Kept
{
	MemoryContext context; /* holds this struct too */
	int pins;
	bool forgotten;    /* no longer in the cache: freed with its last pin */
	void *options;     /* MtfServerOptions or MtfTableOptions */
	MtfColumnMap *map; /* of a table; NULL: not asked for yet */
} Kept;

typedef struct Entry
{
	Oid oid; /* key */
	Kept *kept;
} Entry;

typedef struct Pin
{
	MemoryContextCallback callback;
	Kept *kept;
} Pin;

static HTAB *servers = NULL;
static HTAB *tables = NULL;

/* Counts changes: what was read before the last one is not kept. */
static uint64 changes = 0;

/* ---- forgetting ---- */

static void
forget(HTAB *cache, Entry *entry)
{
	Kept *kept = entry->kept;

	(void) hash_search(cache, &entry->oid, HASH_REMOVE, NULL);
	kept->forgotten = true;
	if (kept->pins == 0)
		MemoryContextDelete(kept->context);
}

static void
forget_all(HTAB *cache)
{
	HASH_SEQ_STATUS status;
	Entry *entry;

	hash_seq_init(&status, cache);
	while ((entry = hash_seq_search(&status)) != NULL)
		forget(cache, entry);
}

static void
relation_changed(Datum arg, Oid relid)
{
	Entry *entry;

	changes++;
	if (!OidIsValid(relid))
		forget_all(tables);
	else if ((entry = hash_search(tables, &relid, HASH_FIND, NULL)) != NULL)
		forget(tables, entry);
}

/* A table has the defaults of its server. */
static void
server_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	changes++;
	forget_all(servers);
	forget_all(tables);
}

static HTAB *
create_cache(const char *name)
{
	HASHCTL control = {
		.keysize = sizeof(Oid), .entrysize = sizeof(Entry), .hcxt = TopMemoryContext};

	return hash_create(name, 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Before anything is read, so that no change is missed. */
static void
create_caches(void)
{
	static bool registered = false;

	if (registered)
		return;
	if (servers == NULL)
		servers = create_cache("mongo_tenant_fdw servers");
	if (tables == NULL)
		tables = create_cache("mongo_tenant_fdw tables");
	registered = true;
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, server_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNTABLEREL, server_changed, (Datum) 0);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

/* ---- asking ---- */

static void
unpin(void *arg)
{
	Kept *kept = ((Pin *) arg)->kept;

	if (--kept->pins == 0 && kept->forgotten)
		MemoryContextDelete(kept->context);
}

static void
pin(Pin *made, Kept *kept)
{
	made->kept = kept;
	kept->pins++;
	made->callback.func = unpin;
	made->callback.arg = made;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &made->callback);
}

static void *
read_from_catalogs(HTAB *cache, Oid oid)
{
	return cache == servers ? (void *) mtf_options_read_server(oid)
							: (void *) mtf_options_read_table(oid);
}

/* Read and, unless something changed meanwhile, keep.  Until it is complete an error frees it. */
static Kept *
read_pinned(HTAB *cache, Oid oid, Pin *made)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mongo_tenant_fdw options",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	uint64 before = changes;
	Kept *kept = palloc0(sizeof(Kept));

	kept->context = context;
	kept->options = read_from_catalogs(cache, oid);
	MemoryContextSwitchTo(old);
	kept->forgotten = changes != before;
	if (!kept->forgotten)
	{
		if (hash_get_num_entries(cache) >= MAX_KEPT)
			forget_all(cache);
		((Entry *) hash_search(cache, &oid, HASH_ENTER, NULL))->kept = kept;
	}
	MemoryContextSetParent(context, TopMemoryContext);
	pin(made, kept);
	return kept;
}

static Kept *
find_pinned(HTAB *cache, Oid oid)
{
	Pin *made = palloc(sizeof(Pin));
	Entry *entry = hash_search(cache, &oid, HASH_FIND, NULL);

	if (entry == NULL)
		return read_pinned(cache, oid, made);
	pin(made, entry->kept);
	return entry->kept;
}

const MtfServerOptions *
mtf_server_options(Oid serverid)
{
	create_caches();
	return find_pinned(servers, serverid)->options;
}

const MtfTableOptions *
mtf_table_options(Oid relid)
{
	create_caches();
	return find_pinned(tables, relid)->options;
}

const MtfColumnMap *
mtf_column_map(Oid relid)
{
	MemoryContext context;
	MemoryContext old;
	MtfColumnMap *map;
	Kept *kept;

	create_caches();
	kept = find_pinned(tables, relid);
	if (kept->map != NULL)
		return kept->map;
	context = AllocSetContextCreate(CurrentMemoryContext, "mongo_tenant_fdw columns",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	map = mtf_column_map_read(relid);
	MemoryContextSwitchTo(old);
	/* What changed meanwhile has made the cache forget it, and then it is this caller's only. */
	MemoryContextSetParent(context, kept->context);
	return kept->map = map;
}
