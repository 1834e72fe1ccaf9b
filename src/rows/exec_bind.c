/*
 * exec_bind.c
 *	  Bind joins: batches of outer rows, and the inner documents that their keys ask for.
 *
 * A batch of outer rows is kept in memory and hashed by its keys; the inner scan (or each scan of an Append)
 * is given the keys as lists and runs once.  Each row of it looks for its partners in the batch, and every clause of the
 * join is tested here.  The inner side is never kept.
 *
 * What must not happen here: a row that the join's own clauses did not pass; a batch that outgrows
 * work_mem by more than one row.
 */
#include "rows/exec_bind.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

#include "plan/plan_private.h"
#include "rows/exec_scan.h"

/* What a command can carry is less than what work_mem may allow. */
#define MAX_BATCH_BYTES (4 * 1024 * 1024)

typedef struct Row
{
	MinimalTuple tuple;
	Datum *values; /* of the keys, for the lists; NULL: a key is null, and finds nothing */
	uint32 hash;
	struct Row *next; /* in its bucket */
	bool matched;
} Row;

typedef struct Key
{
	ExprState *value;
	ExprState *outer;
	ExprState *inner;
	FmgrInfo outer_hash;
	FmgrInfo inner_hash;
	Oid collation;
	Oid typid; /* of the value */
	int16 typlen;
	bool typbyval;
	char typalign;
} Key;

typedef enum Phase
{
	PHASE_GATHER,   /* the next batch is to be gathered */
	PHASE_JOIN,     /* the inner scan runs */
	PHASE_UNMATCHED /* rows of the batch that found no partner */
} Phase;

typedef struct BindState
{
	CustomScanState css;
	const MtfBindPlan *plan;
	PlanState *outer;
	PlanState *inner; /* a foreign scan, or an Append of some */
	List *scans;      /* of ForeignScanState */
	ExprState *clauses;
	TupleTableSlot *outer_slot; /* a row of the batch */
	int nkeys;
	Key *keys;

	MemoryContext batch; /* all of the following */
	int nrows;
	Row *rows;
	uint32 mask;
	Row **buckets;

	Phase phase;
	bool outer_done;
	bool inner_scanned; /* at least once: then it is scanned again */
	Row *candidate;     /* next partner to try for the current inner row */
	uint32 hash;        /* of the current inner row */
	int next_unmatched;
	uint64 batches;
} BindState;

/* --- the scan tuple -------------------------------------------------------------------------------- */

static TupleTableSlot *
scan_slot(BindState *state)
{
	return state->css.ss.ss_ScanTupleSlot;
}

/* Copy the columns of one side to their place; a NULL slot stands for nulls. */
static void
load_side(BindState *state, TupleTableSlot *from, int first, int n)
{
	TupleTableSlot *slot = scan_slot(state);

	if (from == NULL)
	{
		memset(slot->tts_isnull + first, true, n * sizeof(bool));
		return;
	}
	slot_getallattrs(from);
	memcpy(slot->tts_values + first, from->tts_values, n * sizeof(Datum));
	memcpy(slot->tts_isnull + first, from->tts_isnull, n * sizeof(bool));
}

static void
load_outer(BindState *state, TupleTableSlot *from)
{
	load_side(state, from, 0, state->plan->nouter);
}

static void
load_inner(BindState *state, TupleTableSlot *from)
{
	load_side(state, from, state->plan->nouter, state->plan->ninner);
}

/* The scan tuple of what was loaded, as the current tuple of expressions. */
static ExprContext *
finish_tuple(BindState *state)
{
	TupleTableSlot *slot = scan_slot(state);
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;

	ExecClearTuple(slot);
	ExecStoreVirtualTuple(slot);
	econtext->ecxt_scantuple = slot;
	return econtext;
}

/* The loaded tuple, if it passes what is tested after the join; projected. */
static TupleTableSlot *
emit(BindState *state)
{
	ExprContext *econtext = finish_tuple(state);
	ScanState *ss = &state->css.ss;

	if (!ExecQual(ss->ps.qual, econtext))
	{
		InstrCountFiltered1(state, 1);
		return NULL;
	}
	return ss->ps.ps_ProjInfo == NULL ? ss->ss_ScanTupleSlot : ExecProject(ss->ps.ps_ProjInfo);
}

/* --- keys ---------------------------------------------------------------------------------------------- */

/* The hash of one side's keys; false when one is null. */
static bool
hash_keys(BindState *state, ExprContext *econtext, bool outer, uint32 *hash)
{
	*hash = 0;
	for (int i = 0; i < state->nkeys; i++)
	{
		Key *key = &state->keys[i];
		bool isnull;
		Datum value = ExecEvalExprSwitchContext(outer ? key->outer : key->inner, econtext, &isnull);

		if (isnull)
			return false;
		*hash = (*hash << 1) | (*hash >> 31);
		*hash ^= DatumGetUInt32(
			FunctionCall1Coll(outer ? &key->outer_hash : &key->inner_hash, key->collation, value));
	}
	return true;
}

/* The keys' values for the lists, kept in the batch; NULL when one is null. */
static Datum *
keep_values(BindState *state, ExprContext *econtext)
{
	MemoryContext old = MemoryContextSwitchTo(state->batch);
	Datum *values = palloc(sizeof(Datum) * state->nkeys);

	MemoryContextSwitchTo(old);
	for (int i = 0; i < state->nkeys; i++)
	{
		Key *key = &state->keys[i];
		bool isnull;
		Datum value = ExecEvalExprSwitchContext(key->value, econtext, &isnull);

		if (isnull)
			return NULL;
		old = MemoryContextSwitchTo(state->batch);
		values[i] = datumCopy(value, key->typbyval, key->typlen);
		MemoryContextSwitchTo(old);
	}
	return values;
}

/* --- a batch -------------------------------------------------------------------------------------------- */

static void
keep_row(BindState *state, TupleTableSlot *slot)
{
	Row *row = &state->rows[state->nrows++];
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;
	MemoryContext old;

	ResetExprContext(econtext);
	load_outer(state, slot);
	load_inner(state, NULL);
	(void) finish_tuple(state);
	memset(row, 0, sizeof(Row));
	if (hash_keys(state, econtext, true, &row->hash))
		row->values = keep_values(state, econtext);
	old = MemoryContextSwitchTo(state->batch);
	row->tuple = ExecCopySlotMinimalTuple(slot);
	MemoryContextSwitchTo(old);
}

static bool
same_values(const BindState *state, const Row *a, const Row *b)
{
	for (int i = 0; i < state->nkeys; i++)
		if (!datum_image_eq(a->values[i], b->values[i], state->keys[i].typbyval,
							state->keys[i].typlen))
			return false;
	return true;
}

/* Put the batch's rows into buckets; the rows whose keys are new come first in `distinct`. */
static int
hash_rows(BindState *state, Row **distinct)
{
	uint32 nbuckets = 16;
	int n = 0;

	while (nbuckets < state->nrows)
		nbuckets *= 2;
	state->mask = nbuckets - 1;
	state->buckets = MemoryContextAllocZero(state->batch, sizeof(Row *) * nbuckets);
	for (int i = 0; i < state->nrows; i++)
	{
		Row *row = &state->rows[i];
		Row **bucket = &state->buckets[row->hash & state->mask];
		bool found = false;

		if (row->values == NULL)
			continue;
		for (Row *other = *bucket; other != NULL && !found; other = other->next)
			found = other->hash == row->hash && same_values(state, other, row);
		if (!found)
			distinct[n++] = row;
		row->next = *bucket;
		*bucket = row;
	}
	return n;
}

/* Give the inner scan the keys of the batch, each key's values as an array; false: there are none. */
static bool
bind_inner(BindState *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->batch);
	Row **distinct = palloc(sizeof(Row *) * Max(state->nrows, 1));
	int n = hash_rows(state, distinct);
	Datum *elements = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < state->nkeys && n > 0; i++)
	{
		const Key *key = &state->keys[i];
		ArrayType *list;
		ListCell *cell;

		for (int j = 0; j < n; j++)
			elements[j] = distinct[j]->values[i];
		list = construct_array(elements, n, key->typid, key->typlen, key->typbyval, key->typalign);
		foreach (cell, state->scans)
			mtf_exec_scan_bind(lfirst(cell), i, PointerGetDatum(list));
	}
	MemoryContextSwitchTo(old);
	if (n == 0)
		return false;
	if (state->inner_scanned)
		ExecReScan(state->inner);
	state->inner_scanned = true;
	state->batches++;
	return true;
}

/* Gather the next batch; false when the outer side has no more rows. */
static bool
gather(BindState *state)
{
	Size limit = Min((Size) work_mem * 1024, MAX_BATCH_BYTES);
	Size bytes = 0;

	MemoryContextReset(state->batch);
	state->nrows = 0;
	state->candidate = NULL;
	state->next_unmatched = 0;
	state->rows = MemoryContextAlloc(state->batch, sizeof(Row) * state->plan->batch_size);
	while (!state->outer_done && state->nrows < state->plan->batch_size && bytes < limit)
	{
		TupleTableSlot *slot = ExecProcNode(state->outer);

		if (TupIsNull(slot))
			state->outer_done = true;
		else
		{
			keep_row(state, slot);
			bytes += state->rows[state->nrows - 1].tuple->t_len;
		}
	}
	if (state->nrows == 0)
		return false;
	state->phase = bind_inner(state) ? PHASE_JOIN : PHASE_UNMATCHED;
	return true;
}

/* --- the join -------------------------------------------------------------------------------------------- */

/* The next inner row with its bucket as candidates; false at the end of the inner scan. */
static bool
next_inner(BindState *state)
{
	TupleTableSlot *slot = ExecProcNode(state->inner);
	ExprContext *econtext;

	CHECK_FOR_INTERRUPTS();
	if (TupIsNull(slot))
		return false;
	ResetExprContext(state->css.ss.ps.ps_ExprContext);
	load_outer(state, NULL);
	load_inner(state, slot);
	econtext = finish_tuple(state);
	if (hash_keys(state, econtext, false, &state->hash))
		state->candidate = state->buckets[state->hash & state->mask];
	return true;
}

static void
load_row(BindState *state, const Row *row)
{
	ExecStoreMinimalTuple(row->tuple, state->outer_slot, false);
	load_outer(state, state->outer_slot);
}

/* Is the candidate a partner of the current inner row, for which there is a row of the join? */
static bool
try_candidate(BindState *state, Row *row)
{
	bool existence = state->plan->kind == MTF_JOIN_SEMI || state->plan->kind == MTF_JOIN_ANTI;
	ExprContext *econtext;

	if (row->hash != state->hash || (existence && row->matched))
		return false;
	load_row(state, row);
	econtext = finish_tuple(state);
	if (!ExecQual(state->clauses, econtext))
		return false;
	row->matched = true;
	return state->plan->kind != MTF_JOIN_ANTI;
}

/* The next row of the current batch's partners; NULL when the inner scan is at its end. */
static TupleTableSlot *
next_joined(BindState *state)
{
	for (;;)
	{
		while (state->candidate != NULL)
		{
			Row *row = state->candidate;
			TupleTableSlot *slot;

			state->candidate = row->next;
			if (try_candidate(state, row) && (slot = emit(state)) != NULL)
				return slot;
		}
		if (!next_inner(state))
			return NULL;
	}
}

/* The next row of the batch that found no partner, where such rows stay; else NULL. */
static TupleTableSlot *
next_unmatched(BindState *state)
{
	if (state->plan->kind != MTF_JOIN_LEFT && state->plan->kind != MTF_JOIN_ANTI)
		return NULL;
	while (state->next_unmatched < state->nrows)
	{
		Row *row = &state->rows[state->next_unmatched++];
		TupleTableSlot *slot;

		if (row->matched)
			continue;
		ResetExprContext(state->css.ss.ps.ps_ExprContext);
		load_row(state, row);
		load_inner(state, NULL);
		if ((slot = emit(state)) != NULL)
			return slot;
	}
	return NULL;
}

static TupleTableSlot *
exec_bind(CustomScanState *node)
{
	BindState *state = (BindState *) node;
	TupleTableSlot *slot;

	ResetExprContext(node->ss.ps.ps_ExprContext);
	for (;;)
	{
		switch (state->phase)
		{
			case PHASE_GATHER:
				if (!gather(state))
					return NULL;
				break;
			case PHASE_JOIN:
				if ((slot = next_joined(state)) != NULL)
					return slot;
				state->phase = PHASE_UNMATCHED;
				break;
			case PHASE_UNMATCHED:
				if ((slot = next_unmatched(state)) != NULL)
					return slot;
				state->phase = PHASE_GATHER;
				break;
		}
	}
}

/* --- begin, rescan, end ------------------------------------------------------------------------------------ */

static void
init_key(BindState *state, const CustomScan *scan, int i)
{
	Key *key = &state->keys[i];
	Expr *value = list_nth(list_nth(scan->custom_exprs, 1), i);
	PlanState *parent = &state->css.ss.ps;

	key->value = ExecInitExpr(value, parent);
	key->outer = ExecInitExpr(list_nth(list_nth(scan->custom_exprs, 2), i), parent);
	key->inner = ExecInitExpr(list_nth(list_nth(scan->custom_exprs, 3), i), parent);
	fmgr_info(list_nth_oid(state->plan->outer_hashes, i), &key->outer_hash);
	fmgr_info(list_nth_oid(state->plan->inner_hashes, i), &key->inner_hash);
	key->collation = list_nth_oid(state->plan->collations, i);
	key->typid = exprType((Node *) value);
	get_typlenbyvalalign(key->typid, &key->typlen, &key->typbyval, &key->typalign);
}

/* The scans that are given the keys; those that an Append left out for a parameter are not there. */
static void
add_scans(BindState *state, PlanState *node)
{
	if (IsA(node, ForeignScanState))
		state->scans = lappend(state->scans, node);
	else if (IsA(node, AppendState))
		for (int i = 0; i < ((AppendState *) node)->as_nplans; i++)
			add_scans(state, ((AppendState *) node)->appendplans[i]);
	else
		elog(ERROR, "the inner side of a bind join is neither a foreign scan nor some");
}

static void
begin_bind(CustomScanState *node, EState *estate, int eflags)
{
	BindState *state = (BindState *) node;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;

	state->plan = linitial(scan->custom_private);
	eflags &= ~(EXEC_FLAG_BACKWARD | EXEC_FLAG_MARK);
	state->outer = ExecInitNode(linitial(scan->custom_plans), estate, eflags);
	state->inner = ExecInitNode(lsecond(scan->custom_plans), estate, eflags);
	add_scans(state, state->inner);
	node->custom_ps = list_make2(state->outer, state->inner);
	state->clauses = ExecInitQual(linitial(scan->custom_exprs), &node->ss.ps);
	state->outer_slot =
		ExecInitExtraTupleSlot(estate, ExecGetResultType(state->outer), &TTSOpsMinimalTuple);
	state->nkeys = list_length(state->plan->collations);
	state->keys = palloc0(sizeof(Key) * state->nkeys);
	for (int i = 0; i < state->nkeys; i++)
		init_key(state, scan, i);
	state->batch = AllocSetContextCreate(estate->es_query_cxt, "mongo_tenant_fdw bind join batch",
										 ALLOCSET_DEFAULT_SIZES);
}

static void
rescan_bind(CustomScanState *node)
{
	BindState *state = (BindState *) node;
	ListCell *cell;

	foreach (cell, node->custom_ps)
	{
		PlanState *child = lfirst(cell);

		if (node->ss.ps.chgParam != NULL)
			UpdateChangedParamSet(child, node->ss.ps.chgParam);
		/* A child whose parameters changed is scanned again when it is asked for a row. */
		if (child == state->outer && child->chgParam == NULL)
			ExecReScan(child);
	}
	MemoryContextReset(state->batch);
	state->nrows = 0;
	state->candidate = NULL;
	state->phase = PHASE_GATHER;
	state->outer_done = false;
}

static void
end_bind(CustomScanState *node)
{
	BindState *state = (BindState *) node;

	ExecEndNode(state->outer);
	ExecEndNode(state->inner);
}

static void
explain_bind(CustomScanState *node, List *ancestors, ExplainState *es)
{
	static const char *const kinds[] = {[MTF_JOIN_INNER] = "Inner",
										[MTF_JOIN_LEFT] = "Left",
										[MTF_JOIN_SEMI] = "Semi",
										[MTF_JOIN_ANTI] = "Anti"};
	BindState *state = (BindState *) node;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;
	List *context = set_deparse_context_plan(es->deparse_cxt, &scan->scan.plan, ancestors);
	Node *clauses = (Node *) make_ands_explicit(linitial(scan->custom_exprs));

	ExplainPropertyText("Join Type", kinds[state->plan->kind], es);
	ExplainPropertyText("Join Cond", deparse_expression(clauses, context, true, false), es);
	ExplainPropertyInteger("Batch Size", NULL, state->plan->batch_size, es);
	if (es->analyze)
		ExplainPropertyInteger("Batches", NULL, state->batches, es);
}

static const CustomExecMethods exec_methods = {.CustomName = "Mongo Bind Join",
											   .BeginCustomScan = begin_bind,
											   .ExecCustomScan = exec_bind,
											   .EndCustomScan = end_bind,
											   .ReScanCustomScan = rescan_bind,
											   .ExplainCustomScan = explain_bind};

static Node *
create_bind(CustomScan *scan)
{
	BindState *state = (BindState *) newNode(sizeof(BindState), T_CustomScanState);

	state->css.methods = &exec_methods;
	return (Node *) state;
}

const CustomScanMethods mtf_bind_scan_methods = {.CustomName = "Mongo Bind Join",
												 .CreateCustomScanState = create_bind};
