/*
 * ranges.h
 *	  Option parallel: where to cut a scan, learned from a scan before it.
 *
 * A scan that reads everything a tenant has passes all `_id`s by; a few of them, evenly spread, are
 * kept for the same table, user and token, and the next scan is cut there.  No server need be asked,
 * where least, greatest or sampled keys would cost as much as the scan on those without an index for
 * it.  What is kept decides about speed only (pipeline/range.h).
 */
#ifndef MTF_RANGES_H
#define MTF_RANGES_H

#include "base/compat.h"

#include "pipeline/range.h"
#include "plan/plan_private.h"
#include "remote/connection.h"
#include "remote/cursor.h"
#include "tenant/scope.h"
#include "tenant/session.h"

typedef struct MtfRanges MtfRanges;

/* For one scan, in the current memory context; NULL when its plan wants no ranges. */
extern MtfRanges *mtf_ranges_create(const MtfScanPlan *plan, Oid userid, MtfBinding *binding);

/* Cut the run that begins: the number of ranges, at least 2; 0: it is not worth it, or not known how. */
extern int mtf_ranges_cut(MtfRanges *ranges, MtfRange **result);

/* A document of the run, in whatever order. */
extern void mtf_ranges_see(MtfRanges *ranges, const uint8 *doc, uint32 len);

/* The run has read all documents: keep what was learned. */
extern void mtf_ranges_keep(MtfRanges *ranges, const MtfCursorStatistics *run,
							MtfConnection *connection, const MtfScope *scope,
							const char *read_preference);

/* The ranges of the last run that was cut; 0: none was. */
extern int mtf_ranges_used(const MtfRanges *ranges);

#endif /* MTF_RANGES_H */
