/*
 * agg_state.c
 *	  The state that PostgreSQL's own sum() and avg() of bigint and numeric would have.
 *
 * Partitions bring a sum and a count; what PostgreSQL combines are serialized states of its own, whose form
 * it keeps for itself.  So its functions make them: the sum is accumulated once, and zeros, doubled by
 * combining, make up the count.  Those functions want to be called by an aggregate's node, of which they
 * look at the memory context only (AggCheckCallContext()).
 */
#include "rows/agg_state.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

struct MtfAggState
{
	AggState *node; /* what the functions ask for their memory */
	FmgrInfo accumulate;
	FmgrInfo combine;
	FmgrInfo serialize;
	Oid type;
};

MtfAggState *
mtf_agg_state_create(Oid type)
{
	MtfAggState *state = palloc0(sizeof(MtfAggState));
	bool is_int8 = type == INT8OID;

	state->node = makeNode(AggState);
	state->type = type;
	fmgr_info(is_int8 ? F_INT8_AVG_ACCUM : F_NUMERIC_AVG_ACCUM, &state->accumulate);
	fmgr_info(is_int8 ? F_INT8_AVG_COMBINE : F_NUMERIC_AVG_COMBINE, &state->combine);
	fmgr_info(is_int8 ? F_INT8_AVG_SERIALIZE : F_NUMERIC_AVG_SERIALIZE, &state->serialize);
	return state;
}

/* Call a function of two arguments, the first of which may be NULL: no state yet. */
static Datum
call(MtfAggState *state, FmgrInfo *function, Datum first, Datum second)
{
	LOCAL_FCINFO(fcinfo, 2);
	Datum result;

	InitFunctionCallInfoData(*fcinfo, function, 2, InvalidOid, (Node *) state->node, NULL);
	fcinfo->args[0].value = first;
	fcinfo->args[0].isnull = first == (Datum) 0;
	fcinfo->args[1].value = second;
	fcinfo->args[1].isnull = false;
	result = FunctionCallInvoke(fcinfo);
	if (fcinfo->isnull)
		elog(ERROR, "function %u returned NULL", function->fn_oid);
	return result;
}

static Datum
serialize(MtfAggState *state, Datum transition)
{
	LOCAL_FCINFO(fcinfo, 1);

	InitFunctionCallInfoData(*fcinfo, &state->serialize, 1, InvalidOid, (Node *) state->node, NULL);
	fcinfo->args[0].value = transition;
	fcinfo->args[0].isnull = false;
	return FunctionCallInvoke(fcinfo);
}

Datum
mtf_agg_state_make(MtfAggState *state, int64 count, Datum sum, ExprContext *econtext)
{
	MemoryContext old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	Datum zero = state->type == INT8OID ? Int64GetDatum(0)
										: DirectFunctionCall1(int8_numeric, Int64GetDatum(0));
	Datum result;
	Datum zeros;

	state->node->curaggcontext = econtext;
	result = call(state, &state->accumulate, (Datum) 0, sum);
	zeros = call(state, &state->accumulate, (Datum) 0, zero);
	for (int64 more = count - 1; more > 0; more /= 2)
	{
		if (more % 2 == 1)
			result = call(state, &state->combine, result, zeros);
		/* A state is not combined with itself, but with a copy. */
		if (more > 1)
			zeros =
				call(state, &state->combine, zeros, call(state, &state->combine, (Datum) 0, zeros));
	}
	result = serialize(state, result);
	MemoryContextSwitchTo(old);
	return result;
}
