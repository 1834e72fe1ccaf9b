/*
 * group_stages.c
 *	  The stages of GROUP BY, DISTINCT and aggregates, with the tenants of each group for the recheck.
 *
 * What must not happen here: a group whose tenants do not come back.
 */
#include "base/compat.h"

#include "utils/float.h"

#include "pipeline/accumulate.h"
#include "pipeline/believed.h"
#include "pipeline/call.h"
#include "pipeline/canonical.h"
#include "pipeline/condition.h"
#include "pipeline/field_value.h"
#include "pipeline/stage.h"
#include "pipeline/value.h"

/* The field that is true when the group is an error here. */
#define ALARM "b"

/*
 * A group's tenant, the least and the greatest of its documents, of each relation: the conductor
 * rechecks both.  They stand at the tenant's own path in documents of their own.
 */
char *
mtf_group_tenant_name(int rel, bool highest)
{
	return psprintf("t%d%c", rel, highest ? 'h' : 'l');
}

/* The tenant's field in the documents that are grouped; NULL: the relation is shared. */
static char *
tenant_reference(const MtfPipeline *pipeline, int rel)
{
	const char *field =
		mtf_scope_field(pipeline->scopes == NULL ? pipeline->scope : pipeline->scopes[rel]);

	if (field == NULL)
		return NULL;
	return pipeline->scopes == NULL ? pstrdup(field)
									: psprintf("%s.%s", mtf_relation_field(rel), field);
}

static const char *
tenant_field(const MtfPipeline *pipeline, int rel)
{
	return mtf_scope_field(pipeline->scopes == NULL ? pipeline->scope : pipeline->scopes[rel]);
}

/* {name: {$op: "$field"}} */
static void
write_field_accumulator(StringInfo out, const char *name, const char *op, const char *field)
{
	MtfMark accumulator = mtf_write_begin(out, name);

	mtf_write_word(out, op, psprintf("$%s", field));
	mtf_write_end(out, accumulator);
}

/* name: {a: {b: "$value"}} for the tenant field a.b */
static void
write_tenant_document(StringInfo out, const char *name, const char *field, const char *value)
{
	const char *dot = strchr(field, '.');
	MtfMark document = mtf_write_begin(out, name);

	if (dot == NULL)
		mtf_write_word(out, field, psprintf("$%s", value));
	else
		write_tenant_document(out, pnstrdup(field, dot - field), dot + 1, value);
	mtf_write_end(out, document);
}

static void
write_one_key(StringInfo out, const MtfExprContext *context, const MtfTerm *key, const char *name)
{
	if (key->field != NULL && key->field->kind == MTF_KIND_DATE)
		mtf_field_write_day(context, key->field, out, name);
	else
		mtf_value_write(context, key, out, name);
}

/*
 * The group's key: null, or {k0: …, k1: …} (a compound keeps null and missing apart from nothing); and
 * `d`, a value that is to come once in each group, of the list `i` if there are several: there each document
 * stands once for each list, with both in the field `lists`.
 */
static void
write_group_key(StringInfo out, const MtfExprContext *context, const MtfScanPlan *plan,
				const char *lists)
{
	MtfMark id;
	ListCell *cell;
	int i = 0;

	if (plan->keys == NIL && plan->distinct == NIL)
	{
		mtf_write_null(out, "_id");
		return;
	}
	id = mtf_write_begin(out, "_id");
	foreach (cell, plan->keys)
		write_one_key(out, context, lfirst(cell), psprintf("k%d", i++));
	if (lists != NULL)
	{
		mtf_write_word(out, "i", psprintf("$%s.i", lists));
		mtf_write_word(out, "d", psprintf("$%s.d", lists));
	}
	else if (plan->distinct != NIL)
		write_one_key(out, context, linitial(plan->distinct), "d");
	mtf_write_end(out, id);
}

/* {$addFields: {u: [{i: 1, d: value}, {i: 2, d: value}, …]}}, {$unwind: "$u"} */
static void
write_lists(MtfPipeline *pipeline, const MtfExprContext *context, const MtfScanPlan *plan,
			const char *lists)
{
	StringInfo out = &pipeline->stages;
	MtfStage fields = mtf_stage_begin(pipeline, "$addFields");
	MtfMark array = mtf_write_begin_array(out, lists);
	ListCell *cell;
	int n = 0;

	foreach (cell, plan->distinct)
	{
		MtfMark element = mtf_write_begin(out, mtf_array_key(n++));

		mtf_write_int(out, "i", n);
		write_one_key(out, context, lfirst(cell), "d");
		mtf_write_end(out, element);
	}
	mtf_write_end(out, array);
	mtf_stage_end(pipeline, fields);
	mtf_stage_write_word(pipeline, "$unwind", psprintf("$%s", lists));
}

/* {$addFields: {v0: the canonical value of a column, …}} */
static void
write_canonical_stage(MtfPipeline *pipeline, const MtfExprContext *context,
					  const MtfCanonical *canonical)
{
	StringInfo out = &pipeline->stages;
	MtfStage stage = mtf_stage_begin(pipeline, "$addFields");

	mtf_canonical_write(canonical, context, out);
	mtf_stage_end(pipeline, stage);
}

/* --- misfits --------------------------------------------------------------------------------------- */

#define MISFIT "m"

static bool
counts_misfits(const MtfAccumulator *accumulator)
{
	return accumulator->kind == MTF_ACCUMULATE_MISFITS;
}

/* Of a column whose values are tested one by one? */
static bool
tests_misfits(const MtfAccumulator *accumulator, const List *believed)
{
	return counts_misfits(accumulator) && !list_member(believed, accumulator->arg->field);
}

/*
 * The number (from 1 on) of a document's first column that does not decode, 0 without one.  Side by side
 * in a $switch: servers do not take expressions as deep as a table can have columns.
 */
static void
write_first_misfit(const MtfExprContext *context, const MtfScanPlan *plan, StringInfo out,
				   const char *key)
{
	const List *believed = mtf_believed_of(plan);
	MtfNest document = mtf_nest_begin(out, key, "$switch");
	MtfMark branches = mtf_write_begin_array(out, "branches");
	const ListCell *cell;
	int number = 0;
	int n = 0;

	foreach (cell, plan->accumulators)
	{
		const MtfAccumulator *accumulator = lfirst(cell);
		MtfMark branch;
		MtfCall not ;

		number++;
		if (!tests_misfits(accumulator, believed))
			continue;
		branch = mtf_write_begin(out, mtf_array_key(n++));
		not = mtf_call_begin(out, "case", "$not");
		mtf_field_write_fits(context, accumulator->arg->field, out, mtf_call_next(&not ));
		mtf_call_end(out, &not );
		mtf_write_int(out, "then", number);
		mtf_write_end(out, branch);
	}
	mtf_write_end(out, branches);
	mtf_write_int(out, "default", 0);
	mtf_nest_end(out, document);
}

/* The value is there and decodes, by the cheapest test: most values of a numeric column are Decimal128s. */
static void
write_decodes(const MtfExprContext *context, const MtfTerm *arg, StringInfo out, const char *key)
{
	MtfCall call;

	if (arg->field->kind != MTF_KIND_NUMERIC || arg->field->loose)
	{
		mtf_field_write_known(context, arg->field, out, key);
		return;
	}
	call = mtf_call_begin(out, key, "$gt");
	mtf_field_write_value(context, arg->field, out, mtf_call_next(&call));
	mtf_write_null(out, mtf_call_next(&call));
	mtf_call_end(out, &call);
}

/*
 * One accumulator for all columns whose misfits count: most documents have all values, and one test says
 * so.  The greatest number of a column that does not decode is as good as any.
 */
static void
write_misfit_accumulator(const MtfExprContext *context, const MtfScanPlan *plan, StringInfo out)
{
	const List *believed = mtf_believed_of(plan);
	MtfMark field = mtf_write_begin(out, MISFIT);
	MtfCall cond = mtf_call_begin(out, "$max", "$cond");
	MtfCall all = mtf_call_begin(out, mtf_call_next(&cond), "$and");
	const ListCell *cell;

	foreach (cell, plan->accumulators)
	{
		const MtfAccumulator *accumulator = lfirst(cell);

		if (tests_misfits(accumulator, believed))
			write_decodes(context, accumulator->arg, out, mtf_call_next(&all));
	}
	mtf_call_end(out, &all);
	mtf_write_int(out, mtf_call_next(&cond), 0);
	write_first_misfit(context, plan, out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
	mtf_write_end(out, field);
}

static bool
counts_any_misfits(const MtfScanPlan *plan)
{
	const List *believed = mtf_believed_of(plan);
	ListCell *cell;

	foreach (cell, plan->accumulators)
		if (tests_misfits(lfirst(cell), believed))
			return true;
	return false;
}

/* name: {$cond: [{$eq: ["$m", n]}, 1, 0]} */
static void
write_misfits_of(StringInfo out, const char *name, int n)
{
	MtfCall cond = mtf_call_begin(out, name, "$cond");
	MtfCall equal = mtf_call_begin(out, mtf_call_next(&cond), "$eq");

	mtf_write_word(out, mtf_call_next(&equal), "$" MISFIT);
	mtf_write_int(out, mtf_call_next(&equal), n);
	mtf_call_end(out, &equal);
	mtf_write_int(out, mtf_call_next(&cond), 1);
	mtf_write_int(out, mtf_call_next(&cond), 0);
	mtf_call_end(out, &cond);
}

/* So many tests of a value cost one engine what it costs to add a field to a document (m). */
#define TESTS_OF_A_STAGE 10

/* How often a term reads fields, but those that are used untested. */
static int
count_reads(const MtfTerm *term, const List *believed)
{
	const ListCell *cell;
	int reads;

	if (term == NULL)
		return 0;
	reads = term->field != NULL && strcmp(term->field->path, MTF_COMPUTED_PATH) != 0 &&
			!list_member(believed, term->field);
	foreach (cell, term->args)
		reads += count_reads(lfirst(cell), believed);
	return reads;
}

/* How often fields are tested where they are used. */
static int
count_tests(const MtfScanPlan *plan)
{
	const List *believed = mtf_believed_of(plan);
	const ListCell *cell;
	int tests = 0;

	foreach (cell, plan->keys)
		tests += count_reads(lfirst(cell), NIL);
	foreach (cell, plan->accumulators)
	{
		const MtfAccumulator *accumulator = lfirst(cell);

		/* Values are counted untested: in a group with a misfit no count is right, nor asked for. */
		if (accumulator->kind != MTF_ACCUMULATE_COUNT)
			tests += count_reads(accumulator->arg, believed);
		tests += count_reads(accumulator->filter, believed);
	}
	return tests;
}

/*
 * Are misfits of all the fields counted, and is a stage that tests each once for all of its uses more work than to
 * test them where they are used?
 */
static bool
needs_no_stage(const MtfScanPlan *plan, const List *fields)
{
	const ListCell *cell;
	const ListCell *other;

	if (plan->distinct != NIL || count_tests(plan) - list_length(fields) > TESTS_OF_A_STAGE)
		return false;
	foreach (cell, fields)
	{
		bool counted = false;

		foreach (other, plan->accumulators)
		{
			const MtfAccumulator *accumulator = lfirst(other);

			if (counts_misfits(accumulator) && equal(accumulator->arg->field, lfirst(cell)))
				counted = true;
		}
		if (!counted || ((const MtfField *) lfirst(cell))->loose)
			return false;
	}
	return true;
}

/* --- the stages ------------------------------------------------------------------------------------ */

static void
write_group_tenants(MtfPipeline *pipeline, bool again)
{
	StringInfo out = &pipeline->stages;

	for (int rel = 0; rel < pipeline->nscopes; rel++)
	{
		char *tenant = tenant_reference(pipeline, rel);
		char *lowest = mtf_group_tenant_name(rel, false);
		char *highest = mtf_group_tenant_name(rel, true);

		if (tenant == NULL)
			continue;
		write_field_accumulator(out, lowest, "$min", again ? lowest : tenant);
		write_field_accumulator(out, highest, "$max", again ? highest : tenant);
	}
}

/* Where the number of the list stands of which a document counts; NULL: it counts as it is. */
static char *
path_of_list(const MtfAccumulator *accumulator, const char *lists)
{
	/* Any document of the group shows its value. */
	return lists == NULL || accumulator->kind == MTF_ACCUMULATE_FIRST ? NULL
																	  : psprintf("%s.i", lists);
}

static void
write_group_stage(MtfPipeline *pipeline, const MtfExprContext *context, const MtfScanPlan *plan,
				  const char *lists)
{
	StringInfo out = &pipeline->stages;
	MtfExprContext strict = *context;
	MtfStage stage = mtf_stage_begin(pipeline, "$group");
	ListCell *cell;

	strict.counted = NIL;
	strict.believed = NIL;
	write_group_key(out, &strict, plan, lists);
	foreach (cell, plan->accumulators)
		if (((MtfAccumulator *) lfirst(cell))->distinct == 0 && !counts_misfits(lfirst(cell)))
			mtf_value_write_accumulator(context, lfirst(cell), path_of_list(lfirst(cell), lists), 1,
										out);
	if (counts_any_misfits(plan))
		write_misfit_accumulator(&strict, plan, out);
	write_group_tenants(pipeline, false);
	mtf_stage_end(pipeline, stage);
}

/*
 * Groups of groups: each has every distinct value once, for the accumulators that want it so; what the
 * others have computed is added up.
 */
static void
write_regroup_stage(MtfPipeline *pipeline, const MtfExprContext *context, const MtfScanPlan *plan)
{
	StringInfo out = &pipeline->stages;
	MtfExprContext groups = {context->values, context->nvalues};
	MtfStage stage = mtf_stage_begin(pipeline, "$group");
	ListCell *cell;
	MtfMark id;

	if (plan->keys == NIL)
		mtf_write_null(out, "_id");
	else
	{
		id = mtf_write_begin(out, "_id");
		for (int i = 0; i < list_length(plan->keys); i++)
			mtf_write_word(out, psprintf("k%d", i), psprintf("$_id.k%d", i));
		mtf_write_end(out, id);
	}
	foreach (cell, plan->accumulators)
	{
		const MtfAccumulator *accumulator = lfirst(cell);

		if (accumulator->distinct > 0)
			mtf_value_write_accumulator(&groups, accumulator,
										list_length(plan->distinct) > 1 ? "_id.i" : NULL,
										accumulator->distinct, out);
		else if (!counts_misfits(accumulator))
			mtf_value_write_reaccumulator(accumulator, out);
	}
	if (counts_any_misfits(plan))
		write_field_accumulator(out, MISFIT, "$max", MISFIT);
	write_group_tenants(pipeline, true);
	mtf_stage_end(pipeline, stage);
}

static bool
is_misfit_alarm(const MtfScanPlan *plan, const char *name)
{
	ListCell *cell;

	foreach (cell, plan->accumulators)
		if (counts_misfits(lfirst(cell)) &&
			strcmp(((MtfAccumulator *) lfirst(cell))->name, name) == 0)
			return true;
	return false;
}

/* {$gt: [the sum of all alarms, 0]} */
static void
write_alarm(StringInfo out, const MtfScanPlan *plan, const char *key)
{
	MtfLiteral zero = mtf_literal_int64(0);
	MtfCall greater = mtf_call_begin(out, key, "$gt");
	MtfCall add = mtf_call_begin(out, mtf_call_next(&greater), "$add");
	const ListCell *cell;

	foreach (cell, plan->alarms)
		if (!is_misfit_alarm(plan, strVal(lfirst(cell))))
			mtf_write_word(out, mtf_call_next(&add), psprintf("$%s", strVal(lfirst(cell))));
	/* One for all columns. */
	if (counts_any_misfits(plan))
		mtf_write_word(out, mtf_call_next(&add), "$" MISFIT);
	mtf_call_end(out, &add);
	mtf_write_literal(out, mtf_call_next(&greater), &zero);
	mtf_call_end(out, &greater);
}

/* "$value", or NaN where NaNs are counted: of the least only where there is nothing else */
static void
write_value_or_nan(StringInfo out, const MtfGroupValue *value)
{
	MtfLiteral nan = mtf_literal_double(get_float8_nan());
	MtfLiteral zero = mtf_literal_int64(0);
	char *reference = psprintf("$%s", value->value);
	MtfCall first = {0};
	MtfCall cond;
	const char *key = value->name;

	if (value->kind == MTF_GROUP_VALUE_LEAST)
	{
		first = mtf_call_begin(out, key, "$ifNull");
		mtf_write_word(out, mtf_call_next(&first), reference);
		key = mtf_call_next(&first);
	}
	cond = mtf_call_begin(out, key, "$cond");
	mtf_call_write_pair(out, mtf_call_next(&cond), "$gt", psprintf("$%s", value->count), &zero);
	mtf_write_literal(out, mtf_call_next(&cond), &nan);
	mtf_write_word(out, mtf_call_next(&cond), reference);
	mtf_call_end(out, &cond);
	if (value->kind == MTF_GROUP_VALUE_LEAST)
		mtf_call_end(out, &first);
}

/* {$cond: [{$gt: ["$count", 0]}, "$value" or {$divide: ["$value", "$count"]}, null]} */
static void
write_group_value(StringInfo out, const MtfGroupValue *value)
{
	MtfLiteral zero = mtf_literal_int64(0);
	char *reference = psprintf("$%s", value->value);
	char *count = psprintf("$%s", value->count);
	MtfCall cond;

	if (value->kind == MTF_GROUP_VALUE_LEAST || value->kind == MTF_GROUP_VALUE_GREATEST)
	{
		write_value_or_nan(out, value);
		return;
	}
	cond = mtf_call_begin(out, value->name, "$cond");
	mtf_call_write_pair(out, mtf_call_next(&cond), "$gt", count, &zero);
	if (value->kind == MTF_GROUP_VALUE_QUOTIENT)
		mtf_call_write_references(out, mtf_call_next(&cond), "$divide", reference, count);
	else
		mtf_write_word(out, mtf_call_next(&cond), reference);
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

/* Are the groups themselves filtered or sorted? */
static bool
looks_at_groups(const MtfScanPlan *plan)
{
	return plan->having != NIL || plan->sort != NIL || plan->limit >= 0;
}

/* {$match: {$expr: {$or: ["$alarm", {$and: [conditions]}]}}} */
static void
write_having(MtfPipeline *pipeline, const MtfExprContext *groups, const MtfScanPlan *plan)
{
	StringInfo out = &pipeline->stages;
	const ListCell *cell;
	MtfStage match;
	MtfCall either;
	MtfCall all;

	if (plan->having == NIL)
		return;
	match = mtf_stage_begin(pipeline, "$match");
	either = mtf_call_begin(out, "$expr", "$or");
	if (plan->alarms != NIL)
		mtf_write_word(out, mtf_call_next(&either), "$" ALARM);
	all = mtf_call_begin(out, mtf_call_next(&either), "$and");
	foreach (cell, plan->having)
		mtf_condition_write(groups, lfirst(cell), out, mtf_call_next(&all));
	mtf_call_end(out, &all);
	mtf_call_end(out, &either);
	mtf_stage_end(pipeline, match);
}

/* Flat names for keys, accumulators as they are, tenants at their path. */
static void
write_group_projection(MtfPipeline *pipeline, const MtfScanPlan *plan)
{
	StringInfo out = &pipeline->stages;
	MtfStage stage = mtf_stage_begin(pipeline, "$project");
	ListCell *cell;
	int n = 0;

	mtf_write_int(out, "_id", 0);
	for (int i = 0; i < list_length(plan->keys); i++)
		mtf_write_word(out, psprintf("k%d", i), psprintf("$_id.k%d", i));
	foreach (cell, plan->accumulators)
	{
		const MtfAccumulator *accumulator = lfirst(cell);

		n++;
		if (counts_misfits(accumulator))
			write_misfits_of(out, accumulator->name, n);
		else if (mtf_believed_of(plan) != NIL)
			mtf_believed_write_result(out, accumulator);
		else
			mtf_write_int(out, accumulator->name, 1);
	}
	if (looks_at_groups(plan))
		foreach (cell, plan->group_values)
			write_group_value(out, lfirst(cell));
	if (looks_at_groups(plan) && plan->alarms != NIL)
		write_alarm(out, plan, ALARM);
	for (int rel = 0; rel < pipeline->nscopes; rel++)
	{
		const char *field = tenant_field(pipeline, rel);

		if (field == NULL)
			continue;
		write_tenant_document(out, mtf_group_tenant_name(rel, false), field,
							  mtf_group_tenant_name(rel, false));
		write_tenant_document(out, mtf_group_tenant_name(rel, true), field,
							  mtf_group_tenant_name(rel, true));
	}
	/* A projection that names nothing would keep everything. */
	mtf_write_int(out, "k", 1);
	mtf_stage_end(pipeline, stage);
}

void
mtf_stage_write_groups(MtfPipeline *pipeline, MtfExprContext *context, const MtfScanPlan *plan)
{
	MtfExprContext groups = {context->values, context->nvalues};
	List *tenants = NIL;
	MtfCanonical *canonical;
	char *lists = NULL;

	for (int rel = 0; rel < pipeline->nscopes; rel++)
	{
		char *tenant = tenant_reference(pipeline, rel);

		if (tenant != NULL)
			tenants = lappend(tenants, tenant);
	}
	context->believed = mtf_believed_of(plan);
	canonical = mtf_canonical_of(plan, tenants);
	if (canonical != NULL && needs_no_stage(plan, canonical->fields))
		context->counted = canonical->fields;
	else if (canonical != NULL)
	{
		write_canonical_stage(pipeline, context, canonical);
		context->canonical = canonical;
	}
	if (list_length(plan->distinct) > 1)
	{
		lists = mtf_canonical_free_name(plan, tenants, "u");
		write_lists(pipeline, context, plan, lists);
	}
	write_group_stage(pipeline, context, plan, lists);
	if (plan->distinct != NIL)
		write_regroup_stage(pipeline, context, plan);
	if (context->believed != NIL)
		mtf_believed_write_stage(pipeline, plan);
	write_group_projection(pipeline, plan);
	write_having(pipeline, &groups, plan);
	mtf_stage_write_sort(pipeline, &groups, plan, plan->alarms != NIL ? ALARM : NULL);
	mtf_stage_write_limit(pipeline, &groups, plan);
}

/* {$group: {_id: {k0: …}, d: {$first: "$$ROOT"}}}, {$replaceRoot: {newRoot: "$d"}} */
void
mtf_stage_write_firsts(MtfPipeline *pipeline, const MtfExprContext *context,
					   const MtfScanPlan *plan)
{
	StringInfo out = &pipeline->stages;
	MtfStage stage = mtf_stage_begin(pipeline, "$group");
	MtfMark inner = mtf_write_begin(out, "_id");
	ListCell *cell;
	int i = 0;

	foreach (cell, plan->first_of)
		write_one_key(out, context, lfirst(cell), psprintf("k%d", i++));
	mtf_write_end(out, inner);
	inner = mtf_write_begin(out, "d");
	mtf_write_word(out, "$first", "$$ROOT");
	mtf_write_end(out, inner);
	mtf_stage_end(pipeline, stage);
	stage = mtf_stage_begin(pipeline, "$replaceRoot");
	mtf_write_word(out, "newRoot", "$d");
	mtf_stage_end(pipeline, stage);
	mtf_stage_write_sort_again(pipeline, context, plan);
}
