/*
 * exec_scan.h
 *	  The executor callbacks of a foreign scan.
 */
#ifndef MTF_EXEC_SCAN_H
#define MTF_EXEC_SCAN_H

#include "base/compat.h"

#include "foreign/fdwapi.h"

#include "remote/cursor.h"

extern void mtfBeginForeignScan(ForeignScanState *node, int eflags);
extern TupleTableSlot *mtfIterateForeignScan(ForeignScanState *node);
extern void mtfReScanForeignScan(ForeignScanState *node);
extern void mtfEndForeignScan(ForeignScanState *node);

/*
 * Give the scan the list of one of the keys of its bind join (MtfScanPlan.bound): an array that lives until the
 * next one is given.  What was scanned before is forgotten.
 */
extern void mtf_exec_scan_bind(ForeignScanState *node, int key, Datum list);

/*
 * For a scan that shares its waits with others (exec_async.c): the socket of what is missing, or
 * PGINVALID_SOCKET when the last Iterate said the truth.  An Iterate that would have waited gave an
 * empty slot instead; after mtf_exec_scan_continue() the next one waits if it must.
 */
extern pgsocket mtf_exec_scan_waits_for(ForeignScanState *node);
extern void mtf_exec_scan_continue(ForeignScanState *node);

/* What a scan has read so far, all its commands together; zeros before the first one. */
extern void mtf_exec_scan_statistics(ForeignScanState *node, MtfCursorStatistics *statistics);

/* Did the server refuse the first form of the scan's joins, so that the second was sent? */
extern bool mtf_exec_scan_fell_back(ForeignScanState *node);

/*
 * Under a recheck of locked rows (EvalPlanQual) PostgreSQL releases before the minor ones of August 2025 ask scans
 * of no single table that stand in a subquery, and so do not belong to what is rechecked, for a row by this callback.
 */
extern bool mtfRecheckForeignScan(ForeignScanState *node, TupleTableSlot *slot);

/* Into how many ranges the last run was cut that was; 0: none. */
extern int mtf_exec_scan_ranges(ForeignScanState *node);

#endif /* MTF_EXEC_SCAN_H */
