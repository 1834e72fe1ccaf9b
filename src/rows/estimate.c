/*
 * estimate.c
 *	  use_remote_estimate: binding → scope → count, for the planner.
 *
 * Facts, and what the look at a few documents told, are remembered for a short while by table, user and token
 * (reader.h), never longer and never for another token: how much a tenant has is the tenant's own.  A plan made
 * with them is not kept for the next token either (mtf_setting_plans_know_tenant).
 *
 * What must not happen here: a command without the tenant's predicate, but for the list of indexes; a
 * figure of one tenant told to another.
 */
#include "rows/estimate.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "options/cache.h"
#include "pipeline/pipeline.h"
#include "plan/plan_private.h"
#include "remote/connection.h"
#include "remote/estimate.h"
#include "rows/kept.h"
#include "tenant/scope.h"
#include "tenant/session.h"

#define KEPT_MS   30000
#define SAMPLE    1000 /* documents that are looked at */
#define FEW       50   /* documents from which nothing is learnt */
#define MAX_ASKED 64   /* questions about one table that are remembered */

/* What was asked of a few documents (a hash of conditions and values), and what they told. */
typedef struct Answer
{
	uint64 question;
	TimestampTz since;
	int n;
	double *fractions;
} Answer;

static MtfKept kept = {"estimates", KEPT_MS, 256};       /* MtfFacts */
static MtfKept kept_answers = {"samples", KEPT_MS, 256}; /* List of Answer */

/* {$group: {_id: null, a0: {$sum: 1}}} behind the tenant's $match */
static MtfPipeline *
create_count(MtfScope **scope, Oid relid)
{
	MtfScanPlan *plan = mtf_scan_plan_create();
	MtfAccumulator *count = mtf_accumulator_create(MTF_ACCUMULATE_COUNT, NULL, NULL);
	MtfPipeline *pipeline;

	count->name = "a0";
	plan->relids = list_make1_oid(relid);
	plan->grouped = true;
	plan->grand = true;
	plan->accumulators = list_make1(count);
	pipeline = mtf_pipeline_for_scan(plan, scope, NULL, 0);
	mtf_scope_set_operation(*scope, "estimate");
	return pipeline;
}

/* {$limit: …}, {$group: {_id: null, a0: {$sum: 1}, a1: {$sum: {$cond: [term, 1, 0]}}, …}} */
static MtfPipeline *
create_sample(MtfScope **scope, Oid relid, List *terms, List *values)
{
	MtfScanPlan *plan = mtf_scan_plan_create();
	MtfValue *known = palloc(sizeof(MtfValue) * Max(list_length(values), 1));
	MtfPipeline *pipeline;
	ListCell *cell;
	int i = 0;

	foreach (cell, values)
	{
		Const *value = lfirst_node(Const, cell);

		known[i++] = (MtfValue){value->consttype, value->constisnull, true, value->constvalue};
	}
	plan->relids = list_make1_oid(relid);
	plan->sample = SAMPLE;
	plan->grouped = true;
	plan->grand = true;
	for (i = 0; i <= list_length(terms); i++)
	{
		MtfTerm *term = i == 0 ? NULL : list_nth(terms, i - 1);
		MtfAccumulator *count = mtf_accumulator_create(MTF_ACCUMULATE_COUNT, NULL, term);

		count->name = psprintf("a%d", i);
		plan->accumulators = lappend(plan->accumulators, count);
	}
	pipeline = mtf_pipeline_for_scan(plan, scope, known, list_length(values));
	mtf_scope_set_operation(*scope, "estimate");
	return pipeline;
}

/* The index's paths as a query under the tenant sees them: without the tenant in front. */
static List *
without_tenant(List *paths, const MtfScope *scope)
{
	const char *field = mtf_scope_field(scope);

	if (field != NULL && strcmp(strVal(linitial(paths)), field) == 0)
		return list_delete_first(paths);
	return paths;
}

static MtfCursorOptions
options_of(Oid relid)
{
	const MtfTableOptions *table = mtf_table_options(relid);
	const MtfServerOptions *server = mtf_server_options(table->serverid);
	MtfCursorOptions options = {0};

	options.max_time_ms = table->max_time_ms;
	options.read_preference = table->read_preference;
	options.read_concern = server->read_concern;
	options.collation = server->collation;
	return options;
}

static void
ask(MtfFacts *facts, MtfBinding *binding, Oid relid, Oid userid)
{
	MtfScope *scope = mtf_scope_create(binding, relid);
	MtfConnection *connection = mtf_connection_get(mtf_scope_server(scope), userid);
	MtfCursorOptions options = options_of(relid);
	List *indexes;
	List *unique;
	int64 count;

	mtf_estimate_counts(connection, create_count(&scope, relid), &options, 1, &count);
	facts->documents = count;
	facts->knows_indexes =
		mtf_estimate_indexes(connection, scope, options.read_preference, &indexes, &unique);
	if (!facts->knows_indexes)
		return;
	for (int i = 0; i < list_length(indexes); i++)
	{
		List *paths = without_tenant(list_nth(indexes, i), scope);

		if (paths != NIL)
			facts->indexes = lappend(facts->indexes, paths);
		if (list_length(paths) == 1 && list_nth_int(unique, i))
			facts->unique = lappend(facts->unique, linitial(paths));
	}
}

static void
keep(const MtfFacts *facts, const MtfReader *reader)
{
	MemoryContext memory = mtf_kept_begin(&kept);
	MemoryContext old = MemoryContextSwitchTo(memory);
	MtfFacts *copy = palloc(sizeof(MtfFacts));

	*copy = *facts;
	copy->indexes = copyObject(facts->indexes);
	copy->unique = copyObject(facts->unique);
	MemoryContextSwitchTo(old);
	mtf_kept_put(&kept, reader, memory, copy);
}

const MtfFacts *
mtf_estimate_facts(Oid relid, Oid userid)
{
	MemoryContext planning = CurrentMemoryContext;
	MtfFacts *result = palloc0(sizeof(MtfFacts));
	MemoryContext work;
	const MtfIdentity *identity;
	MtfReader reader;
	MtfBinding *binding;
	const MtfFacts *known;

	if (!mtf_session_has_token())
		return NULL;
	work = AllocSetContextCreate(planning, "mongo_tenant_fdw estimate", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(work);
	/* Every time, remembered facts or not: the token may have expired or been revoked. */
	binding = mtf_session_bind_now();
	identity = mtf_binding_identity(binding);
	if (!OidIsValid(userid))
		userid = GetUserId();
	if (identity == NULL)
		result = NULL; /* a bypass counts nobody */
	else
	{
		reader = mtf_reader_of(relid, userid, identity);
		mtf_setting_plans_know_tenant = true;
		known = mtf_kept_find(&kept, &reader);
		if (known != NULL)
			*result = *known;
		else
		{
			ask(result, binding, relid, userid);
			keep(result, &reader);
		}
		MemoryContextSwitchTo(planning);
		result->indexes = copyObject(result->indexes);
		result->unique = copyObject(result->unique);
	}
	MemoryContextSwitchTo(planning);
	MemoryContextDelete(work);
	return result;
}

/* Nothing is learnt from few documents, nor from none that satisfies a condition: others may. */
static double
fraction_of(int64 found, int64 seen, bool all)
{
	if (seen < FEW || (found == 0 && !all))
		return -1;
	return (found + 0.5) / (seen + 1);
}

/* --- what was asked before --------------------------------------------------------------------------- */

static uint64
question_of(const List *terms, const List *values)
{
	char *text = nodeToString(list_make2((List *) terms, (List *) values));

	return hash_bytes_extended((unsigned char *) text, strlen(text), 0);
}

static bool
is_old(const Answer *answer)
{
	return TimestampDifferenceExceeds(answer->since, GetCurrentTimestamp(), KEPT_MS);
}

static bool
recall(const MtfReader *reader, uint64 question, int n, double *fractions)
{
	const List *answers = mtf_kept_find(&kept_answers, reader);
	const ListCell *cell;

	foreach (cell, answers)
	{
		const Answer *answer = lfirst(cell);

		if (answer->question != question || answer->n != n || is_old(answer))
			continue;
		memcpy(fractions, answer->fractions, sizeof(double) * n);
		return true;
	}
	return false;
}

static List *
add_answer(List *answers, const Answer *answer)
{
	Answer *copy = palloc(sizeof(Answer));

	*copy = *answer;
	copy->fractions = palloc(sizeof(double) * answer->n);
	memcpy(copy->fractions, answer->fractions, sizeof(double) * answer->n);
	return lappend(answers, copy);
}

/* Keep one answer more; each is as old as it is, whatever is kept with it. */
static void
remember(const MtfReader *reader, uint64 question, int n, double *fractions)
{
	const List *before = mtf_kept_find(&kept_answers, reader);
	Answer answer = {question, GetCurrentTimestamp(), n, fractions};
	MemoryContext memory = mtf_kept_begin(&kept_answers);
	MemoryContext old = MemoryContextSwitchTo(memory);
	List *answers = add_answer(NIL, &answer);
	const ListCell *cell;

	foreach (cell, before)
		if (list_length(answers) < MAX_ASKED && !is_old(lfirst(cell)))
			answers = add_answer(answers, lfirst(cell));
	MemoryContextSwitchTo(old);
	mtf_kept_put(&kept_answers, reader, memory, answers);
}

/* Ask the server; `fractions` of n terms. */
static void
look(MtfBinding *binding, Oid relid, Oid userid, List *terms, List *values, double *fractions)
{
	int n = list_length(terms) + 1;
	int64 *counts = palloc0(sizeof(int64) * n);
	MtfCursorOptions options = options_of(relid);
	MtfScope *scope = mtf_scope_create(binding, relid);

	mtf_estimate_counts(mtf_connection_get(mtf_scope_server(scope), userid),
						create_sample(&scope, relid, terms, values), &options, n, counts);
	for (int i = 1; i < n; i++)
		fractions[i - 1] = fraction_of(counts[i], counts[0], counts[0] < SAMPLE);
}

void
mtf_estimate_sample(Oid relid, Oid userid, List *terms, List *values, double *fractions)
{
	MemoryContext planning = CurrentMemoryContext;
	const MtfIdentity *identity;
	int n = list_length(terms);
	MtfBinding *binding;
	MemoryContext work;

	for (int i = 0; i < n; i++)
		fractions[i] = -1;
	work = AllocSetContextCreate(planning, "mongo_tenant_fdw estimate", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(work);
	binding = mtf_session_bind_now();
	identity = mtf_binding_identity(binding);
	if (!OidIsValid(userid))
		userid = GetUserId();
	/* A bypass counts nobody. */
	if (identity != NULL)
	{
		MtfReader reader = mtf_reader_of(relid, userid, identity);
		uint64 question = question_of(terms, values);

		mtf_setting_plans_know_tenant = true;
		if (!recall(&reader, question, n, fractions))
		{
			look(binding, relid, userid, terms, values, fractions);
			remember(&reader, question, n, fractions);
		}
	}
	MemoryContextSwitchTo(planning);
	MemoryContextDelete(work);
}
