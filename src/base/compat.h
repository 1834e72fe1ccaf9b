/*
 * compat.h
 *	  The only place with PostgreSQL version conditions (13 to 18).
 *
 * Include it first in every file: it brings in postgres.h.
 * A shim is named after what the newest version calls the thing.
 */
#ifndef MTF_COMPAT_H
#define MTF_COMPAT_H

/* PostgreSQL 16 marks exported functions itself; before, hidden visibility would hide them too. */
#ifndef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

#include "postgres.h"
#include "catalog/namespace.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#if PG_VERSION_NUM < 130000
#error "mongo_tenant_fdw needs PostgreSQL 13 or newer"
#endif

/* PostgreSQL 18 split commands/explain.h. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* PostgreSQL 14: scans under Append that wait together. */
#if PG_VERSION_NUM >= 140000
#include "executor/execAsync.h"
#define MTF_HAVE_ASYNC
#define mtf_compat_is_async(planstate) ((planstate)->async_capable)
#else
#define mtf_compat_is_async(planstate) false
#endif

/* PostgreSQL 15: MarkGUCPrefixReserved replaced EmitWarningsOnPlaceholders. */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* PostgreSQL 16: the extra of a setting belongs to guc.c's own allocator. */
#if PG_VERSION_NUM < 160000
#define guc_malloc(elevel, size) malloc(size)
#endif

/* PostgreSQL 18: ExecutorRun lost its last argument. */
#if PG_VERSION_NUM >= 180000
#define MTF_EXECUTOR_RUN_PARAMETERS QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define MTF_EXECUTOR_RUN_ARGUMENTS  queryDesc, direction, count
#else
#define MTF_EXECUTOR_RUN_PARAMETERS                                                                \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define MTF_EXECUTOR_RUN_ARGUMENTS queryDesc, direction, count, execute_once
#endif

/* PostgreSQL 15: shared memory is asked for in a hook of its own, no longer in _PG_init. */
extern void mtf_compat_request_shmem(Size size);

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

/* PostgreSQL 18: grouping has a range table entry of its own, which no name can be mistaken for. */
static inline int
mtf_compat_count_relations(const List *rtable)
{
	int count = list_length(rtable);
#if PG_VERSION_NUM >= 180000
	ListCell *cell;

	foreach (cell, rtable)
		count -= lfirst_node(RangeTblEntry, cell)->rtekind == RTE_GROUP;
#endif
	return count;
}

static inline int
mtf_compat_numeric_precision(int32 typmod)
{
	return ((typmod - VARHDRSZ) >> 16) & 0xffff;
}

/* PostgreSQL 15: a numeric's scale may be negative and is 11 bits of its typmod. */
static inline int
mtf_compat_numeric_scale(int32 typmod)
{
	int32 scale = (typmod - VARHDRSZ) & 0xffff;

#if PG_VERSION_NUM >= 150000
	scale = ((scale & 0x7ff) ^ 1024) - 1024;
#endif
	return scale;
}

/* PostgreSQL 14: numeric has infinities. */
#if PG_VERSION_NUM >= 140000
#define MTF_NUMERIC_HAS_INFINITY
#endif

#if PG_VERSION_NUM < 140000
/*
 * Before PostgreSQL 14 no conversion returns when a character does not exist: it raises.  It holds nothing
 * that an error would have to release, so that no subtransaction is needed to go on.
 */
static inline bool
mtf_compat_convert(Oid conversion, int encoding, const char *text, uint32 len, char *result)
{
	MemoryContext current = CurrentMemoryContext;
	volatile bool converted = true;

	PG_TRY();
	{
		OidFunctionCall5(conversion, Int32GetDatum(PG_UTF8), Int32GetDatum(encoding),
						 CStringGetDatum(text), CStringGetDatum(result), Int32GetDatum((int) len));
	}
	PG_CATCH();
	{
		int code = geterrcode();

		if (code != ERRCODE_UNTRANSLATABLE_CHARACTER && code != ERRCODE_CHARACTER_NOT_IN_REPERTOIRE)
			PG_RE_THROW();
		MemoryContextSwitchTo(current);
		FlushErrorState();
		converted = false;
	}
	PG_END_TRY();
	return converted;
}
#endif

/*
 * Valid UTF-8 in the database's encoding: `text` itself, or palloc'd and NUL-terminated.  NULL when a
 * character does not exist there.
 */
static inline const char *
mtf_compat_utf8_to_server(const char *text, uint32 len)
{
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
#if PG_VERSION_NUM >= 140000
	if (pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding,
									  (unsigned char *) unconstify(char *, text), len,
									  (unsigned char *) result, room, true) != (int) len)
		return NULL;
	return result;
#else
	return mtf_compat_convert(conversion, encoding, text, len, result) ? result : NULL;
#endif
}

/* A wait set of the backend's lifetime.  PostgreSQL 17: owned by a resource owner, or by nobody. */
static inline WaitEventSet *
mtf_compat_create_wait_set(int nevents)
{
#if PG_VERSION_NUM >= 170000
	return CreateWaitEventSet(NULL, nevents);
#else
	return CreateWaitEventSet(TopMemoryContext, nevents);
#endif
}

#if PG_VERSION_NUM >= 140000
/* Defined in a file of its own use: libpq.h and timeout.h are wanted nowhere else. */
extern void mtf_compat_check_client(void);
#define mtf_compat_client_lost() (ClientConnectionLost)
#else
/* PostgreSQL 14 brought client_connection_check_interval. */
#define mtf_compat_check_client() ((void) 0)
#define mtf_compat_client_lost()  (false)
#endif

/* PostgreSQL 18 has pg_noreturn, which stands in front; the older way is used everywhere here. */
#if PG_VERSION_NUM >= 180000
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

#endif /* MTF_COMPAT_H */
