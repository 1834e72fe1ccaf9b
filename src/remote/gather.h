/*
 * gather.h
 *	  Several cursors of one scan, read as their documents arrive.
 *
 * Each pipeline is a part of the scan (range.h).  A few of them run at a time, each over a client of
 * its own; when one is at its end the next begins.  The parts run in this backend, under the one
 * binding of its execution: no identity is handed to anybody.
 */
#ifndef MTF_GATHER_H
#define MTF_GATHER_H

#include "base/compat.h"
#include "options/option.h"
#include "remote/cursor.h"

#define MTF_GATHER_MAX MTF_MAX_CURSORS

typedef struct MtfGather MtfGather;

/*
 * `cursors` of the `n` pipelines at a time.  Lives in the current memory context and is closed with
 * it.  Nothing is sent before the first mtf_gather_next().
 */
extern MtfGather *mtf_gather_open(MtfConnection *connection, MtfPipeline **pipelines, int n,
								  int cursors, const MtfCursorOptions *options);

/* The next document of any; false when all are at their end.  Valid until the next call. */
extern bool mtf_gather_next(MtfGather *gather, MtfDocument *document);

/* End all of them, on the server too. */
extern void mtf_gather_close(MtfGather *gather);

/* The sums. */
extern void mtf_gather_statistics(const MtfGather *gather, MtfCursorStatistics *statistics);

#endif /* MTF_GATHER_H */
