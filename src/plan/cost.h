/*
 * cost.h
 *	  What a remote scan is believed to cost; no network.
 */
#ifndef MTF_COST_H
#define MTF_COST_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "options/option.h"
#include "plan/plan_private.h"

#include "nodes/pathnodes.h"

/* Documents in a collection about which nothing is known. */
#define MTF_DEFAULT_DOCUMENTS 10000

/* What is known about a collection, for the tenant that plans. */
typedef struct MtfFacts
{
	double documents;
	bool knows_indexes;
	List *indexes; /* of Lists of String: an index's paths, the tenant in front left out */
	List *unique;  /* of String: paths of which no two documents of a tenant have the same value */
} MtfFacts;

/*
 * Asks for facts (use_remote_estimate); NULL when there are none to be had.  The plan room does not
 * know who answers: the entry file sets it.
 */
extern const MtfFacts *(*mtf_facts_hook)(Oid relid, Oid userid);

/*
 * Asks which columns (attribute numbers) the validator of the table's collection proves.  Set as
 * mtf_facts_hook is.
 */
extern Bitmapset *(*mtf_validator_hook)(Oid relid, Oid userid);

/*
 * Asks how large a part of the tenant's documents satisfies each of `terms` (exact; of MtfTerm), by looking
 * at a few of them: one fraction per term, or -1 where nothing was learnt.  `values` (of Const) are what the
 * terms compare with.  Set as mtf_facts_hook is.
 */
extern void (*mtf_sample_hook)(Oid relid, Oid userid, List *terms, List *values, double *fractions);

/* Is the term a test of one field that an index on it serves? */
extern bool mtf_cost_is_indexable(const MtfTerm *term);

/* Is the path's value unique among a tenant's documents?  Of `_id` it always is; facts may be NULL. */
extern bool mtf_facts_has_unique_index(const MtfFacts *facts, const char *path);

/* Does an index begin with the path?  Of `_id` it is known that one does; facts may be NULL. */
extern bool mtf_facts_has_index(const MtfFacts *facts, const char *path);

/*
 * The paths (of String, shared with the facts) of the index that serves the terms best: equalities, then at
 * most one range.  NIL: none does, or nothing is known.
 */
extern List *mtf_facts_choose_index(const MtfFacts *facts, const List *terms);

/*
 * Does an index bring the documents that satisfy the terms in the order of the sort keys (of MtfSortKey)?  Then the
 * server need not look at all of them before the first.
 */
extern bool mtf_facts_have_order(const MtfFacts *facts, const List *terms, const List *sort);

typedef struct MtfCost
{
	Cost startup;
	Cost total;
} MtfCost;

/* Prices are those of the options of the server, or of the table (mtf_prices_of()). */

/*
 * The cost of reading `retrieved` of `documents` documents, `width` bytes each, on which the local
 * quals are tested.
 */
extern MtfCost mtf_cost_scan(const MtfPrices *prices, double documents, double retrieved, int width,
							 const QualCost *quals);

/*
 * The server's work for joining `rows` documents with a collection of `documents` by $lookup;
 * `indexed`: it finds partners by an index.
 */
extern Cost mtf_cost_lookup(double rows, double documents, bool indexed);

/*
 * The same by $unionWith and $group: `looked_at` documents of the collection, of which `partners` come
 * into question, are put together with `rows`, and make `joined`.  Servers may pass over an index there.
 */
extern Cost mtf_cost_union(const MtfPrices *prices, double rows, double looked_at, double partners,
						   double joined);

/*
 * The server's work (cost_expression.c) for the exact form of terms, beyond that of the superset that a scan
 * sends, on the documents that pass that; for the keys of a join (of MtfField); for the keys and
 * accumulators of groups.
 */
extern Cost mtf_cost_filters(const MtfPrices *prices, const List *terms, double passed);
extern Cost mtf_cost_keys(const MtfPrices *prices, const List *fields, double documents);
extern Cost mtf_cost_groups(const MtfPrices *prices, const MtfScanPlan *plan, double documents);
/* Sorting by keys (of MtfSortKey), without the help of an index. */
extern Cost mtf_cost_sort(const MtfPrices *prices, const List *sort, double documents);

#endif /* MTF_COST_H */
