/*
 * compat.h
 *	  The only place with PostgreSQL version conditions (13 to 18).
 *
 * Include it first in every file: it brings in postgres.h.
 * A shim is named after what the newest version calls the thing.
 */
#ifndef MTF_COMPAT_H
#define MTF_COMPAT_H

#include "postgres.h"
#include "catalog/namespace.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "utils/builtins.h"
#include "utils/pg_locale.h"
#include "utils/syscache.h"

#if PG_VERSION_NUM < 130000
#error "mongo_tenant_fdw needs PostgreSQL 13 or newer"
#endif

/* PostgreSQL 18 split commands/explain.h. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* PostgreSQL 15: MarkGUCPrefixReserved replaced EmitWarningsOnPlaceholders. */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* The first range table index of a scan, in the numbering of the finished plan. */
static inline int
mtf_compat_first_relid(const ForeignScan *scan)
{
	if (scan->scan.scanrelid > 0)
		return scan->scan.scanrelid;
		/* PostgreSQL 16: outer joins have range table indexes of their own, in fs_relids only. */
#if PG_VERSION_NUM >= 160000
	return bms_next_member(scan->fs_base_relids, -1);
#else
	return bms_next_member(scan->fs_relids, -1);
#endif
}

/* The user whose rights PostgreSQL checks for a scan: a view's owner, else the current user. */
static inline Oid
mtf_compat_check_user(const ForeignScan *scan, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	Oid user = scan->checkAsUser;
#else
	Oid user = exec_rt_fetch(mtf_compat_first_relid(scan), estate)->checkAsUser;
#endif

	return OidIsValid(user) ? user : GetUserId();
}

/* PostgreSQL 14: numeric has infinities. */
#if PG_VERSION_NUM >= 140000
#define MTF_NUMERIC_HAS_INFINITY
#endif

/*
 * Valid UTF-8 in the database's encoding: `text` itself, or palloc'd and NUL-terminated.  NULL when a
 * character does not exist there; PostgreSQL 13 has no conversion that returns, and raises 22P05.
 */
static inline const char *
mtf_compat_utf8_to_server(const char *text, uint32 len)
{
#if PG_VERSION_NUM >= 140000
	int encoding = GetDatabaseEncoding();
	Size room = (Size) len * MAX_CONVERSION_GROWTH + 1;
	Oid conversion;
	char *result;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return text;
	conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(conversion))
		return NULL;
	result = MemoryContextAllocHuge(CurrentMemoryContext, room);
	if (pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding,
									  (unsigned char *) unconstify(char *, text), len,
									  (unsigned char *) result, room, true) != (int) len)
		return NULL;
	return result;
#else
	return pg_any_to_server(text, len, PG_UTF8);
#endif
}

/* PostgreSQL 13 named F_ macros after C functions, not unique for SQL functions. */
#if PG_VERSION_NUM < 140000
#include "base/fmgr13.h"
#endif

/* PostgreSQL 14: pull_varnos needs the planner's root. */
static inline Relids
mtf_compat_pull_varnos(PlannerInfo *root, Node *node)
{
#if PG_VERSION_NUM >= 140000
	return pull_varnos(root, node);
#else
	return pull_varnos(node);
#endif
}

/* PostgreSQL 18 dropped lc_collate_is_c. */
static inline bool
mtf_compat_collate_is_c(Oid collation)
{
#if PG_VERSION_NUM >= 180000
	return pg_newlocale_from_collation(collation)->collate_is_c;
#else
	return lc_collate_is_c(collation);
#endif
}

/* PostgreSQL 15: a database's default collation may come from another provider than libc. */
static inline bool
mtf_compat_database_is_libc(Form_pg_database database)
{
#if PG_VERSION_NUM >= 150000
	return database->datlocprovider == COLLPROVIDER_LIBC;
#else
	return true;
#endif
}

/* PostgreSQL 15: datcollate became text. */
static inline char *
mtf_compat_database_collate(HeapTuple tuple)
{
#if PG_VERSION_NUM >= 150000
	bool isnull;
	Datum datum = SysCacheGetAttr(DATABASEOID, tuple, Anum_pg_database_datcollate, &isnull);

	return isnull ? pstrdup("") : TextDatumGetCString(datum);
#else
	return pstrdup(NameStr(((Form_pg_database) GETSTRUCT(tuple))->datcollate));
#endif
}

/* PostgreSQL 17 added the clauses that a join path keeps, 18 the count of disabled nodes. */
#if PG_VERSION_NUM >= 180000
#define mtf_compat_create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer,   \
										   private)                                                \
	create_foreignscan_path(root, rel, target, rows, 0, startup, total, keys, outer, NULL, NIL,    \
							private)
#elif PG_VERSION_NUM >= 170000
#define mtf_compat_create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer,   \
										   private)                                                \
	create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer, NULL, NIL,       \
							private)
#else
#define mtf_compat_create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer,   \
										   private)                                                \
	create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer, NULL, private)
#endif

#endif /* MTF_COMPAT_H */
