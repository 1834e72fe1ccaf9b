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

#endif /* MTF_ROWS_ESTIMATE_H */
