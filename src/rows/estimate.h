/*
 * estimate.h
 *	  use_remote_estimate: what planning is told about a collection.
 */
#ifndef MTF_ROWS_ESTIMATE_H
#define MTF_ROWS_ESTIMATE_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/cost.h"

/*
 * The hook of plan/cost.h: counts and indexes under the session's token.  NULL, and nothing is sent,
 * without a token; an invalid one raises, and so does a server that cannot be reached.
 */
extern const MtfFacts *mtf_estimate_facts(Oid relid, Oid userid);

/*
 * The other hook of plan/cost.h: the first few of the tenant's documents are counted, on the server, by the
 * conditions that they satisfy.  Called after mtf_estimate_facts() for the same table and user.
 */
extern void mtf_estimate_sample(Oid relid, Oid userid, List *terms, List *values,
								double *fractions);

#endif /* MTF_ROWS_ESTIMATE_H */
