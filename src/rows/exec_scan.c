/*
 * exec_scan.c
 *	  The conductor of a foreign scan: binding → scope → pipeline → cursor → recheck → slot.
 *
 * Begin binds the tenant and sends nothing.  The first Iterate evaluates the plan's values, builds
 * the pipeline and opens the cursor; a rescan does so again when the values may have changed.
 *
 * What must not happen here: a document decoded before its tenant was rechecked, a cursor that
 * outlives its pipeline, an identity taken from anywhere but the executor state's binding.
 */
#include "rows/exec_scan.h"

#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"

#include "base/stat.h"
#include "options/cache.h"
#include "pipeline/pipeline.h"
#include "plan/late_pattern.h"
#include "plan/plan_join.h"
#include "plan/plan_private.h"
#include "remote/connection.h"
#include "remote/gather.h"
#include "rows/decode.h"
#include "rows/doubt.h"
#include "rows/finish.h"
#include "rows/validator.h"
#include "rows/ranges.h"
#include "tenant/scope.h"
#include "tenant/session.h"

typedef struct MtfScanState
{
	const MtfScanPlan *plan;
	const MtfScanPlan *fallback; /* said otherwise, for a server that refuses it; NULL: none */
	MtfScope **scopes;           /* one per base relation, plan's order; scopes[0] drives */
	MtfConnection *connection;
	MtfDecoder *decoder;
	MtfFinisher *finisher; /* NULL: rows are complete when decoded */
	bool is_doubtful;      /* rows may turn out to be inexact: none is given before all are seen */
	MtfDoubt *doubt;       /* whether they were */
	const MtfScanPlan *loose; /* for patterns without exact form, rechecked; NULL: there is none */
	TupleTableSlot *gathered_row;
	List *value_states; /* of ExprState: ForeignScan.fdw_exprs */
	Datum *bound;       /* by index into fdw_exprs: lists that were given (MtfScanPlan.bound) */
	MtfCursorOptions options;
	MtfRanges *ranges; /* NULL: always one cursor */

	/* One run: from the first Iterate after a (re)scan to the next rescan. */
	MemoryContext run_context; /* pipeline and cursor */
	MtfPipeline *pipeline;
	MtfCursor *cursor;  /* NULL: not opened yet, or proven empty, or cut */
	MtfGather *several; /* cursors of a run that was cut */
	uint64 rows;
	bool started;
	Tuplestorestate *gathered; /* of a doubtful scan: all rows; NULL: not read yet */
	bool computes_here;        /* they were inexact */
	pgsocket waits_for;        /* of a scan under an asynchronous Append, else PGINVALID_SOCKET */
	bool may_wait;             /* what was waited for has arrived */
	MtfCursorStatistics finished; /* of the runs before this one */
	bool fell_back;               /* the fallback is what runs */
} MtfScanState;

static MtfScope **
create_scopes(MtfBinding *binding, const List *relids)
{
	MtfScope **scopes = palloc(sizeof(MtfScope *) * list_length(relids));
	ListCell *cell;
	int i = 0;

	foreach (cell, relids)
		scopes[i++] = mtf_scope_create(binding, lfirst_oid(cell));
	return scopes;
}

static void
read_cursor_options(MtfCursorOptions *options, Oid relid)
{
	const MtfTableOptions *table = mtf_table_options(relid);
	const MtfServerOptions *server = mtf_server_options(table->serverid);

	options->batch_size = table->fetch_size;
	options->max_time_ms = table->max_time_ms;
	options->read_preference = table->read_preference;
	options->read_concern = server->read_concern;
	options->collation = server->collation;
}

void
mtfBeginForeignScan(ForeignScanState *node, int eflags)
{
	ForeignScan *scan = (ForeignScan *) node->ss.ps.plan;
	EState *estate = node->ss.ps.state;
	TupleDesc tupdesc = node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	MtfScanState *state;
	MtfBinding *binding;
	Oid driving;

	/* EXPLAIN needs neither a token nor a connection. */
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;

	state = palloc0(sizeof(MtfScanState));
	state->plan = mtf_scan_plan(scan);
	state->fallback = mtf_scan_plan_said_otherwise(state->plan);
	driving = linitial_oid(state->plan->relids);

	binding = mtf_session_bind(estate);
	mtf_validator_check(state->plan, mtf_compat_check_user(scan, estate));
	state->scopes = create_scopes(binding, state->plan->relids);
	state->connection =
		mtf_connection_get(mtf_scope_server(state->scopes[0]), mtf_compat_check_user(scan, estate));
	state->decoder =
		mtf_decoder_create(tupdesc->natts, mtf_scan_plan_columns(state->plan, tupdesc->natts));
	state->finisher = mtf_finisher_create(state->plan, (PlanState *) node);
	state->is_doubtful = mtf_finisher_may_be_inexact(state->finisher);
	if (state->is_doubtful)
		state->doubt = mtf_doubt_create(state->plan, mtf_compat_check_user(scan, estate), binding);
	if (state->plan->patterns != NIL && !state->plan->grouped)
		state->loose = mtf_late_patterns_loosen(state->plan);
	if (state->is_doubtful || state->plan->grouped)
		state->gathered_row = ExecInitExtraTupleSlot(estate, tupdesc, &TTSOpsMinimalTuple);
	state->value_states = ExecInitExprList(scan->fdw_exprs, (PlanState *) node);
	state->bound = palloc0(sizeof(Datum) * Max(list_length(scan->fdw_exprs), 1));
	read_cursor_options(&state->options, driving);
	state->ranges = mtf_ranges_create(state->plan, mtf_compat_check_user(scan, estate), binding);
	state->run_context = AllocSetContextCreate(estate->es_query_cxt, "mongo_tenant_fdw scan run",
											   ALLOCSET_DEFAULT_SIZES);
	state->waits_for = PGINVALID_SOCKET;
	node->fdw_state = state;
}

/* Evaluate the plan's values; they live in the expression context's per-tuple memory. */
static MtfValue *
evaluate_values(MtfScanState *state, ExprContext *econtext, int *nvalues)
{
	int n = list_length(state->value_states);
	MtfValue *values = palloc0(sizeof(MtfValue) * Max(n, 1));
	ListCell *cell;
	int i = 0;

	foreach (cell, state->value_states)
	{
		ExprState *expr = lfirst(cell);
		MtfValue *value = &values[i++];

		value->typid = exprType((Node *) expr->expr);
		value->is_known = true;
		value->datum = ExecEvalExprSwitchContext(expr, econtext, &value->isnull);
	}
	foreach (cell, state->plan->bound)
	{
		MtfValue *value = &values[lfirst_int(cell)];

		value->datum = state->bound[lfirst_int(cell)];
		value->isnull = value->datum == (Datum) 0;
	}
	*nvalues = n;
	return values;
}

/* Cut the run into ranges that several cursors read; false when one is to read it. */
static bool
start_ranges(ForeignScanState *node, MtfScanState *state, const MtfValue *values, int nvalues)
{
	MtfPipeline **pipelines;
	MtfRange *ranges;
	int n;

	if (state->ranges == NULL || mtf_pipeline_is_empty(state->pipeline))
		return false;
	n = mtf_ranges_cut(state->ranges, &ranges);
	/* An asynchronous Append waits on one socket per scan. */
	if (n < 2 || mtf_compat_is_async(&node->ss.ps))
		return false;
	pipelines = palloc(sizeof(MtfPipeline *) * n);
	for (int i = 0; i < n; i++)
		pipelines[i] =
			mtf_pipeline_for_range(state->plan, state->scopes, values, nvalues, &ranges[i]);
	state->several =
		mtf_gather_open(state->connection, pipelines, n, state->plan->cursors, &state->options);
	return true;
}

/* Has every pattern that is known by now an exact form? */
static bool
patterns_are_exact(const MtfScanState *state, const MtfValue *values)
{
	ListCell *cell;

	foreach (cell, state->plan->patterns)
	{
		const MtfTerm *term = lfirst(cell);
		const MtfValue *value = &values[term->value];

		if (!mtf_late_pattern_is_exact(term,
									   value->isnull ? NULL : TextDatumGetCString(value->datum)))
			return false;
	}
	return true;
}

static void
start_run(ForeignScanState *node, MtfScanState *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->run_context);
	const MtfScanPlan *plan = state->plan;
	MtfValue *values;
	int nvalues;

	state->started = true;
	state->rows = 0;
	values = evaluate_values(state, node->ss.ps.ps_ExprContext, &nvalues);
	if (!patterns_are_exact(state, values))
	{
		plan = state->loose;
		state->computes_here = plan == NULL;
	}
	state->computes_here |= mtf_doubt_is_known(state->doubt);
	if (state->computes_here)
	{
		MemoryContextSwitchTo(old);
		return;
	}
	state->pipeline = mtf_pipeline_for_scan(plan, state->scopes, values, nvalues);
	state->options.first_batch = mtf_pipeline_limit(state->pipeline);
	state->options.may_be_refused = state->fallback != NULL || plan->believed != NIL;
	if (!start_ranges(node, state, values, nvalues) && !mtf_pipeline_is_empty(state->pipeline))
		state->cursor = mtf_cursor_open(state->connection, state->pipeline, &state->options);
	MemoryContextSwitchTo(old);
}

/* What the run has read so far. */
static void
run_statistics(const MtfScanState *state, MtfCursorStatistics *run)
{
	memset(run, 0, sizeof(*run));
	if (state->several != NULL)
		mtf_gather_statistics(state->several, run);
	else if (state->cursor != NULL)
		mtf_cursor_statistics(state->cursor, run);
}

static void
end_run(MtfScanState *state)
{
	MtfCursorStatistics run;

	run_statistics(state, &run);
	state->finished.documents += run.documents;
	state->finished.bytes += run.bytes;
	state->finished.batches += run.batches;
	mtf_stat_add(MTF_STAT_DOCUMENTS, run.documents);
	mtf_stat_add(MTF_STAT_BYTES, run.bytes);
	mtf_stat_add(MTF_STAT_BATCHES, run.batches);
	if (state->cursor != NULL)
		mtf_cursor_close(state->cursor);
	if (state->several != NULL)
		mtf_gather_close(state->several);
	state->cursor = NULL;
	state->several = NULL;
	if (state->gathered != NULL)
		tuplestore_end(state->gathered);
	state->gathered = NULL;
	state->computes_here = false;
	state->started = false;
	state->waits_for = PGINVALID_SOCKET;
	state->may_wait = false;
	MemoryContextReset(state->run_context);
}

/*
 * The next document; a pipeline that the server refuses is said otherwise, once.  One that takes columns on trust
 * can fail by what they hold instead (not every server has infinities): then all is computed here.
 */
static bool
fetch(ForeignScanState *node, MtfScanState *state, MtfDocument *document)
{
	if (state->several != NULL)
		return mtf_gather_next(state->several, document);
	if (state->cursor == NULL)
		return false;
	if (mtf_cursor_next(state->cursor, document))
		return true;
	if (!mtf_cursor_is_refused(state->cursor))
		return false;
	if (state->fallback == NULL)
	{
		state->computes_here = true;
		return false;
	}
	/* What one tenant has must not show in the plans of the next. */
	if (mtf_cursor_is_refused(state->cursor) == MTF_REFUSED_FORM)
		mtf_plan_join_refused(mtf_scope_server(state->scopes[0]));
	end_run(state);
	state->plan = state->fallback;
	state->fallback = NULL;
	state->fell_back = true;
	start_run(node, state);
	return mtf_cursor_next(state->cursor, document);
}

static void
keep_ranges(MtfScanState *state)
{
	MtfCursorStatistics run;

	run_statistics(state, &run);
	mtf_ranges_keep(state->ranges, &run, state->connection, state->scopes[0],
					state->options.read_preference);
}

/*
 * The next document, rechecked; false at the end.  An aggregate without GROUP BY is a row also of no
 * documents: then an empty document stands for the one that the server does not send.
 */
static bool
next_document(ForeignScanState *node, MtfScanState *state, MtfDocument *document)
{
	static uint8 empty[] = {5, 0, 0, 0, 0};

	if (fetch(node, state, document))
	{
		mtf_pipeline_recheck(state->pipeline, document->data, document->len);
		state->rows++;
		if (state->ranges != NULL)
			mtf_ranges_see(state->ranges, document->data, document->len);
		return true;
	}
	if (state->ranges != NULL)
		keep_ranges(state);
	if (!state->plan->grand || state->rows > 0 || state->computes_here)
		return false;
	document->data = empty;
	document->len = sizeof(empty);
	state->rows = 1;
	return true;
}

/* Under an asynchronous Append: is the next document still on its way? */
static bool
must_wait(MtfScanState *state)
{
	state->waits_for = PGINVALID_SOCKET;
	if (state->cursor != NULL && !state->may_wait)
		state->waits_for = mtf_cursor_ask(state->cursor);
	state->may_wait = false;
	return state->waits_for != PGINVALID_SOCKET;
}

pgsocket
mtf_exec_scan_waits_for(ForeignScanState *node)
{
	return ((MtfScanState *) node->fdw_state)->waits_for;
}

void
mtf_exec_scan_continue(ForeignScanState *node)
{
	((MtfScanState *) node->fdw_state)->may_wait = true;
}

/* The next row in the scan's slot, complete; false at the end.  *exact: can it be given as it is? */
static bool
next_row(ForeignScanState *node, MtfScanState *state, bool *exact)
{
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	MtfDocument document;

	ExecClearTuple(slot);
	*exact = true;
	if (!next_document(node, state, &document))
		return false;
	mtf_decoder_row(state->decoder, document.data, document.len, slot->tts_values,
					slot->tts_isnull);
	ExecStoreVirtualTuple(slot);
	if (state->finisher != NULL)
		*exact = mtf_finisher_row(state->finisher, slot, node->ss.ps.ps_ExprContext);
	return true;
}

/*
 * Read all rows; one that is not exact, and none of them counts.  They belong to the state only at the end:
 * a pipeline that the server refuses ends the run, and what the state had gathered, at the first of them.
 */
static void
gather(ForeignScanState *node, MtfScanState *state)
{
	ExprContext *econtext = node->ss.ps.ps_ExprContext;
	MemoryContext old = MemoryContextSwitchTo(node->ss.ps.state->es_query_cxt);
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	bool exact;

	MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	while (!state->computes_here && next_row(node, state, &exact))
	{
		if (exact)
			tuplestore_puttupleslot(rows, node->ss.ss_ScanTupleSlot);
		else
			state->computes_here = true;
		ResetExprContext(econtext);
	}
	if (state->computes_here && state->pipeline != NULL)
		mtf_doubt_keep(state->doubt);
	MemoryContextSwitchTo(old);
	state->gathered = rows;
	ExecClearTuple(node->ss.ss_ScanTupleSlot);
}

/* A row of a scan whose rows are given when all of them proved to be exact; else what this side makes. */
static TupleTableSlot *
iterate_doubtful(ForeignScanState *node, MtfScanState *state)
{
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	TupleTableSlot *row = state->gathered_row;
	MemoryContext old;

	if (state->gathered == NULL)
		gather(node, state);
	if (state->computes_here)
	{
		old = MemoryContextSwitchTo(node->ss.ps.state->es_query_cxt);
		row = ExecProcNode(outerPlanState(node));
		MemoryContextSwitchTo(old);
		if (TupIsNull(row))
			return slot;
	}
	else if (!tuplestore_gettupleslot(state->gathered, true, false, row))
		return slot;
	slot_getallattrs(row);
	memcpy(slot->tts_values, row->tts_values, sizeof(Datum) * slot->tts_tupleDescriptor->natts);
	memcpy(slot->tts_isnull, row->tts_isnull, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	return ExecStoreVirtualTuple(slot);
}

TupleTableSlot *
mtfIterateForeignScan(ForeignScanState *node)
{
	MtfScanState *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	bool exact;

	ExecClearTuple(slot);
	if (!state->started)
		start_run(node, state);
	if (state->is_doubtful || state->computes_here)
		return iterate_doubtful(node, state);
	if (mtf_compat_is_async(&node->ss.ps) && must_wait(state))
		return slot;
	(void) next_row(node, state, &exact);
	return slot;
}

void
mtf_exec_scan_bind(ForeignScanState *node, int key, Datum list)
{
	MtfScanState *state = node->fdw_state;

	if (state->started)
		end_run(state);
	state->bound[list_nth_int(state->plan->bound, key)] = list;
}

void
mtfReScanForeignScan(ForeignScanState *node)
{
	MtfScanState *state = node->fdw_state;

	if (state == NULL || !state->started)
		return;
	/* With the same parameters the same documents would come: start them again when still held. */
	if (node->ss.ps.chgParam == NULL && !state->is_doubtful && state->cursor != NULL &&
		mtf_cursor_rewind(state->cursor))
	{
		state->rows = 0;
		return;
	}
	end_run(state);
}

void
mtfEndForeignScan(ForeignScanState *node)
{
	MtfScanState *state = node->fdw_state;

	if (state != NULL)
		end_run(state);
}

void
mtf_exec_scan_statistics(ForeignScanState *node, MtfCursorStatistics *statistics)
{
	MtfScanState *state = node->fdw_state;
	MtfCursorStatistics run = {0};

	memset(statistics, 0, sizeof(*statistics));
	if (state == NULL)
		return;
	run_statistics(state, &run);
	statistics->documents = state->finished.documents + run.documents;
	statistics->bytes = state->finished.bytes + run.bytes;
	statistics->batches = state->finished.batches + run.batches;
}

bool
mtf_exec_scan_fell_back(ForeignScanState *node)
{
	MtfScanState *state = node->fdw_state;

	return state != NULL && state->fell_back;
}

bool
mtfRecheckForeignScan(ForeignScanState *node, TupleTableSlot *slot)
{
	const EPQState *recheck = node->ss.ps.state->es_epq_active;

	if (((Scan *) node->ss.ps.plan)->scanrelid > 0)
		return true;
	/* Joins and groups of rows that are locked are made here (plan_join.c). */
	if (bms_is_member(recheck->epqParam, node->ss.ps.plan->extParam))
		elog(ERROR, "a remote join cannot be rechecked");
	(void) mtfIterateForeignScan(node);
	return true;
}

int
mtf_exec_scan_ranges(ForeignScanState *node)
{
	MtfScanState *state = node->fdw_state;

	return state == NULL || state->ranges == NULL ? 0 : mtf_ranges_used(state->ranges);
}
