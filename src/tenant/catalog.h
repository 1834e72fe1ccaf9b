/*
 * catalog.h
 *	  The extension's own tables, read as the server reads its catalogs.
 *
 * A fresh catalog snapshot for every scan, never the query's: a revocation must be seen under
 * REPEATABLE READ, on a hot standby, and by any role.  Changes arrive as relcache invalidations and
 * advance a generation; what was built from an older generation is stale.
 */
#ifndef MTF_CATALOG_H
#define MTF_CATALOG_H

#include "base/compat.h"

#include "access/skey.h"
#include "utils/snapshot.h"

typedef enum MtfTable
{
	MTF_TABLE_PROVIDER,
	MTF_TABLE_PROVIDER_KEY,
	MTF_TABLE_REVOCATION,
	MTF_TABLE_POLICY,
	MTF_TABLE_COUNT
} MtfTable;

/* Attribute numbers, as in the install script. */
enum
{
	MTF_PROVIDER_NAME = 1,
	MTF_PROVIDER_ISSUER,
	MTF_PROVIDER_AUDIENCE,
	MTF_PROVIDER_ANY_AUDIENCE,
	MTF_PROVIDER_ALL_AUDIENCES,
	MTF_PROVIDER_ALGORITHMS,
	MTF_PROVIDER_TENANT_CLAIM,
	MTF_PROVIDER_REQUIRED_CLAIMS,
	MTF_PROVIDER_TYP,
	MTF_PROVIDER_AZP,
	MTF_PROVIDER_LOCAL,
	MTF_PROVIDER_JWKS_FILE,
	MTF_PROVIDER_SECRET_FILE
};
enum
{
	MTF_KEY_PROVIDER = 1,
	MTF_KEY_KID,
	MTF_KEY_JWK,
	MTF_KEY_PEM
};
enum
{
	MTF_REVOCATION_PROVIDER = 1,
	MTF_REVOCATION_KIND,
	MTF_REVOCATION_VALUE,
	MTF_REVOCATION_NOT_BEFORE
};
enum
{
	MTF_POLICY_SERVER = 1,
	MTF_POLICY_SERVERID,
	MTF_POLICY_DATABASE,
	MTF_POLICY_COLLECTION,
	MTF_POLICY_SHARED,
	MTF_POLICY_FIELD,
	MTF_POLICY_TYPE,
	MTF_POLICY_MATCH
};

/* The callback for invalidations; from _PG_init only. */
extern void mtf_catalog_init(void);

/* The table's OID, proven to be a member of the extension; InvalidOid when it is not there. */
extern Oid mtf_catalog_find_table(MtfTable table);

/* Advances with every change of the table that this backend has been told of. */
extern uint64 mtf_catalog_generation(MtfTable table);

/* A row; values are valid during the call only, numbered from 1 by the macros below. */
typedef struct MtfRow
{
	const Datum *values;
	const bool *nulls;
} MtfRow;

#define MTF_ROW_NULL(row, attnum)  ((row)->nulls[(attnum) -1])
#define MTF_ROW_DATUM(row, attnum) ((row)->values[(attnum) -1])

/* Copies in the current memory context; NULL, or no element, for SQL NULL; an element that is NULL is "". */
extern char *mtf_row_text(const MtfRow *row, int attnum);
extern bool mtf_row_bool(const MtfRow *row, int attnum);
extern const char **mtf_row_texts(const MtfRow *row, int attnum, int *n);

typedef void (*MtfRowReader)(const MtfRow *row, void *arg);

/*
 * What is committed now, for several scans that must agree: two snapshots could see one half of a
 * change each.  Registered; release it, or an error does.
 */
extern Snapshot mtf_catalog_snapshot(MtfTable table);
extern void mtf_catalog_release(Snapshot snapshot);

/* Every row of a table; a NULL snapshot is a fresh one. */
extern void mtf_catalog_scan(MtfTable table, Snapshot snapshot, MtfRowReader reader, void *arg);

/* Rows whose first columns, which begin the table's primary key, equal the given texts. */
extern void mtf_catalog_probe(MtfTable table, int nkeys, const char *const *keys,
							  MtfRowReader reader, void *arg);

#endif /* MTF_CATALOG_H */
