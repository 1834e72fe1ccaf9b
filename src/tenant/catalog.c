/*
 * catalog.c
 *	  The extension's own tables: where they are, whether they changed, what is in them.
 *
 * What must not happen here: SPI (it would see the query's snapshot and the user's rights), a table
 * found by name alone (the schema's name could be anybody's: membership of the extension is checked).
 */
#include "tenant/catalog.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef struct TableState
{
	const char *name;
	int natts; /* columns this library knows */
	Oid relid; /* InvalidOid: look it up */
	uint64 generation;
} TableState;

static TableState tables[MTF_TABLE_COUNT] = {
	[MTF_TABLE_PROVIDER] = {.name = "provider", .natts = MTF_PROVIDER_SECRET_FILE},
	[MTF_TABLE_PROVIDER_KEY] = {.name = "provider_key", .natts = MTF_KEY_PEM},
	[MTF_TABLE_REVOCATION] = {.name = "revocation", .natts = MTF_REVOCATION_NOT_BEFORE},
	[MTF_TABLE_POLICY] = {.name = "policy", .natts = MTF_POLICY_MATCH},
};

/* InvalidOid: everything may have changed. */
static void
relation_changed(Datum arg, Oid relid)
{
	int i;

	for (i = 0; i < MTF_TABLE_COUNT; i++)
		if (!OidIsValid(relid) || relid == tables[i].relid)
		{
			tables[i].generation++;
			tables[i].relid = InvalidOid;
		}
}

void
mtf_catalog_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

uint64
mtf_catalog_generation(MtfTable table)
{
	return tables[table].generation;
}

Oid
mtf_catalog_find_table(MtfTable table)
{
	TableState *state = &tables[table];
	Oid extension;
	Oid schema;
	Oid relid;

	if (OidIsValid(state->relid))
		return state->relid;
	extension = get_extension_oid("mongo_tenant_fdw", true);
	schema = get_namespace_oid("mongo_tenant", true);
	if (!OidIsValid(extension) || !OidIsValid(schema))
		return InvalidOid;
	relid = get_relname_relid(state->name, schema);
	if (!OidIsValid(relid) || getExtensionOfObject(RelationRelationId, relid) != extension)
		return InvalidOid;
	return state->relid = relid;
}

static Oid
require_table(MtfTable table)
{
	Oid relid = mtf_catalog_find_table(table);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("extension \"mongo_tenant_fdw\" is not installed in this database")));
	return relid;
}

char *
mtf_row_text(const MtfRow *row, int attnum)
{
	return MTF_ROW_NULL(row, attnum) ? NULL : TextDatumGetCString(MTF_ROW_DATUM(row, attnum));
}

bool
mtf_row_bool(const MtfRow *row, int attnum)
{
	return !MTF_ROW_NULL(row, attnum) && DatumGetBool(MTF_ROW_DATUM(row, attnum));
}

const char **
mtf_row_texts(const MtfRow *row, int attnum, int *n)
{
	const char **texts;
	Datum *elements;
	bool *nulls;
	int i;

	*n = 0;
	if (MTF_ROW_NULL(row, attnum))
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(MTF_ROW_DATUM(row, attnum)), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, n);
	texts = palloc(sizeof(char *) * Max(*n, 1));
	for (i = 0; i < *n; i++)
		texts[i] = nulls[i] ? "" : TextDatumGetCString(elements[i]);
	return texts;
}

static void
scan_relation(Relation relation, const TableState *state, Oid indexid, Snapshot snapshot, int nkeys,
			  ScanKey keys, MtfRowReader reader, void *arg)
{
	TupleDesc tupdesc = RelationGetDescr(relation);
	Datum *values = palloc(sizeof(Datum) * tupdesc->natts);
	bool *nulls = palloc(sizeof(bool) * tupdesc->natts);
	MtfRow row = {values, nulls};
	SysScanDesc scan;
	HeapTuple tuple;

	if (tupdesc->natts < state->natts)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
						errmsg("extension \"mongo_tenant_fdw\" is older than its library"),
						errhint("Run ALTER EXTENSION mongo_tenant_fdw UPDATE.")));

	/* Without a snapshot: a fresh catalog snapshot, which sees what is committed now. */
	scan = systable_beginscan(relation, indexid, OidIsValid(indexid), snapshot, nkeys, keys);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		heap_deform_tuple(tuple, tupdesc, values, nulls);
		reader(&row, arg);
	}
	systable_endscan(scan);
	pfree(values);
	pfree(nulls);
}

Snapshot
mtf_catalog_snapshot(MtfTable table)
{
	return RegisterSnapshot(GetCatalogSnapshot(require_table(table)));
}

void
mtf_catalog_release(Snapshot snapshot)
{
	UnregisterSnapshot(snapshot);
}

void
mtf_catalog_scan(MtfTable table, Snapshot snapshot, MtfRowReader reader, void *arg)
{
	Relation relation = table_open(require_table(table), AccessShareLock);

	scan_relation(relation, &tables[table], InvalidOid, snapshot, 0, NULL, reader, arg);
	table_close(relation, AccessShareLock);
}

/* The index under the primary key; InvalidOid: scan the heap instead. */
static Oid
primary_index(Relation relation, const TableState *state)
{
	char name[NAMEDATALEN];
	Oid indexid;

	snprintf(name, sizeof(name), "%s_pkey", state->name);
	indexid = get_relname_relid(name, RelationGetNamespace(relation));
	if (OidIsValid(indexid) && get_rel_relkind(indexid) == RELKIND_INDEX &&
		IndexGetRelation(indexid, true) == RelationGetRelid(relation))
		return indexid;
	return InvalidOid;
}

void
mtf_catalog_probe(MtfTable table, int nkeys, const char *const *keys, MtfRowReader reader,
				  void *arg)
{
	Relation relation = table_open(require_table(table), AccessShareLock);
	ScanKeyData scankeys[INDEX_MAX_KEYS];
	int i;

	/* ScanKeyInit compares under collation C, as the columns and their index do. */
	for (i = 0; i < nkeys; i++)
		ScanKeyInit(&scankeys[i], (AttrNumber) (i + 1), BTEqualStrategyNumber, F_TEXTEQ,
					CStringGetTextDatum(keys[i]));
	scan_relation(relation, &tables[table], primary_index(relation, &tables[table]), NULL, nkeys,
				  scankeys, reader, arg);
	table_close(relation, AccessShareLock);
}
