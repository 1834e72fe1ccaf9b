/*
 * agg_state.h
 *	  The state that PostgreSQL's own sum() and avg() of bigint and numeric would have.
 */
#ifndef MTF_AGG_STATE_H
#define MTF_AGG_STATE_H

#include "base/compat.h"

#include "executor/executor.h"

typedef struct MtfAggState MtfAggState;

/* For sums of this type (int8 or numeric); lives in the current memory context. */
extern MtfAggState *mtf_agg_state_create(Oid type);

/*
 * The serialized state after `count` numbers (at least one) that come to `sum`, in the expression context's
 * per-tuple memory.
 */
extern Datum mtf_agg_state_make(MtfAggState *state, int64 count, Datum sum, ExprContext *econtext);

#endif /* MTF_AGG_STATE_H */
