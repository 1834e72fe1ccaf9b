/*
 * estimate.h
 *	  What planning may ask a server: how many documents a tenant has, and which indexes there are.
 *
 * The only door for figures, and it takes a scope: a count carries the tenant's predicate as any other
 * pipeline does.  Sizes that the server keeps ($collStats, count without a query) would tell how much
 * all tenants have, and are never asked for.
 */
#ifndef MTF_ESTIMATE_H
#define MTF_ESTIMATE_H

#include "base/compat.h"
#include "remote/cursor.h"

/*
 * The numbers that the pipeline's one document holds in the fields "a0", "a1", … (0 when none comes).
 * Rechecked as any document; raises what a cursor raises.
 */
extern void mtf_estimate_counts(MtfConnection *connection, const MtfPipeline *pipeline,
								const MtfCursorOptions *options, int n, int64 *counts);

/*
 * The indexes of the scope's collection that any query can use (not partial, sparse or hidden, and of
 * plain directions): a List of Lists of String, the paths in their order; *unique, as long, of int, tells
 * which of them is unique.  False: the server does not say.  Raises when the connection fails.
 */
extern bool mtf_estimate_indexes(MtfConnection *connection, const MtfScope *scope,
								 const char *read_preference, List **indexes, List **unique);

#endif /* MTF_ESTIMATE_H */
