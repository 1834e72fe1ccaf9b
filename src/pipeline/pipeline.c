/*
 * pipeline.c
 *	  Stages behind the mandatory tenant $match.
 *
 * There is one place where a pipeline begins: mtf_pipeline_begin(), which writes the tenant's predicate
 * before anything else.  What follows narrows what the tenant may see, and never names a collection.
 *
 * What must not happen here: a pipeline without a scope; a value printed into text; a stage that
 * writes or that reads another collection without its own scope.
 */
#include "pipeline/pipeline.h"

#include "base/guard.h"
#include "pipeline/combination.h"
#include "pipeline/condition.h"
#include "pipeline/field_value.h"
#include "pipeline/literal.h"
#include "pipeline/native.h"
#include "pipeline/stage.h"

/* The server's limit for one command is 16 MB and a little; leave room for the command around it. */
#define MAX_PIPELINE_BYTES (16 * 1024 * 1024 - 64 * 1024)

const char *
mtf_stage_key(MtfPipeline *pipeline)
{
	return mtf_array_key(pipeline->nstages++);
}

MtfStage
mtf_stage_begin(MtfPipeline *pipeline, const char *op)
{
	return mtf_nest_begin(&pipeline->stages, mtf_stage_key(pipeline), op);
}

void
mtf_stage_end(MtfPipeline *pipeline, MtfStage stage)
{
	mtf_nest_end(&pipeline->stages, stage);
}

void
mtf_stage_write_int(MtfPipeline *pipeline, const char *op, int n)
{
	MtfMark stage = mtf_write_begin(&pipeline->stages, mtf_stage_key(pipeline));

	mtf_write_int(&pipeline->stages, op, n);
	mtf_write_end(&pipeline->stages, stage);
}

void
mtf_stage_write_word(MtfPipeline *pipeline, const char *op, const char *word)
{
	MtfMark stage = mtf_write_begin(&pipeline->stages, mtf_stage_key(pipeline));

	mtf_write_word(&pipeline->stages, op, word);
	mtf_write_end(&pipeline->stages, stage);
}

/* {$expr: condition} */
static void
write_expression_filter(StringInfo out, const MtfExprContext *context, const MtfTerm *term,
						const char *key)
{
	MtfMark filter = mtf_write_begin(out, key);

	mtf_condition_write(context, term, out, "$expr");
	mtf_write_end(out, filter);
}

/* What makes the superset form, which an index can serve, exact. */
static void
write_rest_of_exact(StringInfo out, const MtfExprContext *context, const MtfTerm *term,
					const char *key)
{
	MtfCombination either;

	if (!mtf_native_decides(context, term))
	{
		write_expression_filter(out, context, term, key);
		return;
	}
	either = mtf_combination_begin(out, key, true);
	mtf_native_write(term, out, mtf_combination_next(&either));
	write_expression_filter(out, context, term, mtf_combination_next(&either));
	(void) mtf_combination_end(&either);
}

/* --- what an index serves ------------------------------------------------------------------------ */

static const char *const bounding[] = {"$eq", "$in", "$gt", "$gte", "$lt", "$lte"};

/* A condition {path: {operator: value, …}} whose operators all bound an index. */
typedef struct Bounds
{
	int term; /* its number */
	char *path;
	bool equal;
	bool list;
	const uint8_t *operators; /* the document of them */
	uint32_t len;
} Bounds;

/* Read {path: {operator: value, …}}; false: it is no such thing, or has other operators. */
static bool
read_bounds(const uint8 *condition, uint32 len, int term, Bounds *bounds)
{
	bson_iter_t path;
	bson_iter_t operator;

	if (!bson_iter_init_from_data(&path, condition, len) || !bson_iter_next(&path) ||
		bson_iter_key(&path)[0] == '$' || !BSON_ITER_HOLDS_DOCUMENT(&path) ||
		!bson_iter_recurse(&path, &operator))
		return false;
	*bounds = (Bounds){term, pstrdup(bson_iter_key(&path))};
	bson_iter_document(&path, &bounds->len, &bounds->operators);
	while (bson_iter_next(&operator))
	{
		int i = 0;

		while (i < lengthof(bounding) && strcmp(bson_iter_key(&operator), bounding[i]) != 0)
			i++;
		if (i == lengthof(bounding))
			return false;
		bounds->equal |= i == 0;
		bounds->list |= i == 1;
	}
	return !bson_iter_next(&path); /* one path only */
}

/* The conditions among `terms` that bound an index, the tenant's field apart; an array with room for each. */
static Bounds *
find_bounds(const MtfExprContext *context, const List *terms, const char *tenant, int *n)
{
	Bounds *found = palloc(sizeof(Bounds) * Max(list_length(terms), 1));
	ListCell *cell;
	int i = 0;

	*n = 0;
	foreach (cell, terms)
	{
		StringInfoData term;
		int start;

		initStringInfo(&term);
		(void) mtf_write_begin(&term, NULL);
		/* An element of it: its type, the key "0" with its NUL, and the condition. */
		start = term.len + 3;
		if (mtf_match_write(context, lfirst(cell), &term, "0") == MTF_SOME &&
			read_bounds((const uint8 *) term.data + start, term.len - start, i, &found[*n]) &&
			(tenant == NULL || strcmp(tenant, found[*n].path) != 0))
			(*n)++;
		i++;
	}
	return found;
}

static int
rank(const Bounds *bounds)
{
	return bounds->equal ? 0 : bounds->list ? 1 : 2;
}

/* Of indexes nothing is known: an equality is most likely to have one. */
static List *
likely_index(const Bounds *bounds, int n)
{
	const Bounds *best = NULL;

	for (int i = 0; i < n; i++)
		if (best == NULL || rank(&bounds[i]) < rank(best))
			best = &bounds[i];
	return best == NULL ? NIL : list_make1(makeString(best->path));
}

/* Can the bounds stand in one document with what is there for the path?  Keys are never merged. */
static bool
add_range(bson_t *range, const Bounds *bounds)
{
	bson_t operators;

	if (!bson_init_static(&operators, bounds->operators, bounds->len))
		return false;
	for (int i = 0; i < lengthof(bounding); i++)
		if (bson_has_field(range, bounding[i]) && bson_has_field(&operators, bounding[i]))
			return false;
	return bson_concat(range, &operators);
}

/* path: value, or path: {operator: value, …}, of all bounds of the path that go together. */
static Bitmapset *
write_path_bounds(bson_t *match, const char *path, const Bounds *bounds, int n, Bitmapset *written)
{
	bson_t *range = mtf_bson_create(CurrentMemoryContext);

	for (int i = 0; i < n; i++)
	{
		bson_iter_t operator;

		if (bounds[i].equal && strcmp(bounds[i].path, path) == 0 &&
			bson_iter_init_from_data(&operator, bounds[i].operators, bounds[i].len) &&
			bson_iter_next(&operator) && bson_append_iter(match, path, -1, &operator))
			return bms_add_member(written, bounds[i].term);
	}
	for (int i = 0; i < n; i++)
		if (strcmp(bounds[i].path, path) == 0 && add_range(range, &bounds[i]))
			written = bms_add_member(written, bounds[i].term);
	if (!bson_empty(range))
		bson_append_document(match, path, -1, range);
	return written;
}

/*
 * The stage {$match: {tenant: value, path: bounds, …}}, and the positions of the terms that it says in
 * full.  Servers join it with the next stage; but one of them (secantusd-rs, measured) looks for an
 * index only in a first $match without $and and $type, takes only values that stand without $eq for
 * equalities, and reads all of the tenant's documents when there is any path that the index has not.  So the
 * stage has the paths of one index: those that the plan knows, or else a single one.
 */
static Bitmapset *
write_index_match(MtfPipeline *pipeline, const MtfExprContext *context, const List *terms,
				  const List *index)
{
	StringInfo out = &pipeline->stages;
	bson_t *match = mtf_bson_create(CurrentMemoryContext);
	const char *tenant = mtf_scope_field(pipeline->scope);
	Bitmapset *written = NULL;
	const ListCell *cell;
	MtfMark stage;
	int n;
	Bounds *bounds = find_bounds(context, terms, tenant, &n);

	mtf_scope_append_equality(pipeline->scope, match);
	/* A range is one of the index that has the tenant and `_id`. */
	if (context->range != NULL)
		mtf_range_append(context->range, match);
	else
		foreach (cell, index == NIL ? likely_index(bounds, n) : index)
			written = write_path_bounds(match, strVal(lfirst(cell)), bounds, n, written);
	if (bson_empty(match))
		return NULL;
	stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	mtf_write_document(out, "$match", bson_get_data(match), match->len);
	mtf_write_end(out, stage);
	return written;
}

/*
 * The first stages: the tenant's predicate before all, then the user's conditions.  In the $and each
 * stays a document of its own: keys are never merged.
 */
static void
write_first_match(MtfPipeline *pipeline, const MtfExprContext *context, const List *terms,
				  const List *index, bool exact)
{
	StringInfo out = &pipeline->stages;
	bson_t *tenant = mtf_bson_create(CurrentMemoryContext);
	Bitmapset *written = write_index_match(pipeline, context, terms, index);
	MtfStage match = mtf_stage_begin(pipeline, "$match");
	MtfMark items = mtf_write_begin_array(out, "$and");
	const ListCell *cell;
	int n = 0;
	int i = 0;

	mtf_scope_append_match(pipeline->scope, tenant);
	if (!bson_empty(tenant))
		mtf_write_document(out, mtf_array_key(n++), bson_get_data(tenant), tenant->len);
	if (context->range != NULL && !mtf_range_is_bounded(context->range))
	{
		MtfMark item = mtf_write_begin(out, mtf_array_key(n++));

		mtf_range_write(context->range, out);
		mtf_write_end(out, item);
	}
	foreach (cell, terms)
	{
		if (!bms_is_member(i++, written))
		{
			MtfVerdict verdict = mtf_match_write(context, lfirst(cell), out, mtf_array_key(n));

			n += verdict == MTF_SOME;
			pipeline->empty |= verdict == MTF_NEVER;
		}
		if (exact && !mtf_match_is_exact(context, lfirst(cell)))
			write_rest_of_exact(out, context, lfirst(cell), mtf_array_key(n++));
	}
	if (n == 0)
	{
		mtf_write_take_back(out, match.outer);
		pipeline->nstages--;
		return;
	}
	mtf_write_end(out, items);
	mtf_stage_end(pipeline, match);
}

MtfPipeline *
mtf_pipeline_begin(const MtfScope *scope, const MtfExprContext *context, const List *terms,
				   const List *index, bool exact)
{
	MtfPipeline *pipeline = palloc0(sizeof(MtfPipeline));

	Assert(scope != NULL);
	pipeline->scope = scope;
	initStringInfo(&pipeline->stages);
	pipeline->array = mtf_write_begin(&pipeline->stages, NULL);
	write_first_match(pipeline, context, terms, index, exact);
	return pipeline;
}

MtfPipeline *
mtf_pipeline_seal(MtfPipeline *pipeline)
{
	StringInfo out = &pipeline->stages;

	mtf_write_end(out, pipeline->array);
	if (out->len > MAX_PIPELINE_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the remote query is too large"),
				 errdetail("It has %d bytes; the server takes at most %d.", out->len,
						   MAX_PIPELINE_BYTES),
				 errhint("Use shorter lists or values, or set "
						 "mongo_tenant.enable_filter_pushdown to off.")));
	if (!bson_init_static(&pipeline->view, (const uint8 *) out->data, out->len))
		elog(ERROR, "the pipeline is not BSON");
	return pipeline;
}

MtfPipeline *
mtf_pipeline_from(const MtfScope *scope)
{
	MtfExprContext context = {NULL, 0};

	return mtf_pipeline_seal(mtf_pipeline_begin(scope, &context, NIL, NIL, false));
}

/* --- projection ------------------------------------------------------------------------------ */

/* Does the path `outer` contain `inner` (the same, or a prefix up to a dot)? */
static bool
path_covers(const char *outer, const char *inner)
{
	size_t len = strlen(outer);

	return strncmp(outer, inner, len) == 0 && (inner[len] == '\0' || inner[len] == '.');
}

/* `a` and `a.b` in one projection collide: keep `a` alone. */
static List *
keep_path(List *paths, const char *path)
{
	List *kept = NIL;
	ListCell *cell;

	foreach (cell, paths)
	{
		char *other = lfirst(cell);

		if (path_covers(other, path))
			return paths;
		if (!path_covers(path, other))
			kept = lappend(kept, other);
	}
	return lappend(kept, (char *) path);
}

/* The field's path without array positions: `tags.0` travels as `tags`. */
static char *
path_to_project(const char *path)
{
	char *copy = pstrdup(path);

	for (char *dot = strchr(copy, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
	{
		size_t len = strcspn(dot + 1, ".");

		if (len > 0 && strspn(dot + 1, "0123456789") == len)
		{
			*dot = '\0';
			break;
		}
	}
	return copy;
}

void
mtf_stage_write_projection(MtfPipeline *pipeline, const List *wanted)
{
	StringInfo out = &pipeline->stages;
	const char *tenant = mtf_scope_field(pipeline->scope);
	List *paths = NIL;
	bool with_id = false;
	ListCell *cell;
	MtfStage project;

	foreach (cell, wanted)
		paths = keep_path(paths, path_to_project(strVal(lfirst(cell))));
	if (tenant != NULL)
		paths = keep_path(paths, path_to_project(tenant));
	/* Nothing at all is wanted (count): a projection must still name a field. */
	if (paths == NIL)
		paths = list_make1("_id");
	foreach (cell, paths)
		with_id |= path_covers("_id", lfirst(cell));

	project = mtf_stage_begin(pipeline, "$project");
	if (!with_id)
		mtf_write_int(out, "_id", 0);
	foreach (cell, paths)
		mtf_write_int(out, lfirst(cell), 1);
	mtf_stage_end(pipeline, project);
}

/* --- sort and limit ---------------------------------------------------------------------------- */

/* A prefix for computed keys that no projected path starts with. */
static char *
unused_prefix(const MtfPipeline *pipeline, const MtfScanPlan *plan)
{
	const char *tenant = mtf_scope_field(pipeline->scope);
	char *prefix = pstrdup("mtf_k");
	bool used = true;

	while (used)
	{
		ListCell *cell;

		used = tenant != NULL && strncmp(tenant, prefix, strlen(prefix)) == 0;
		foreach (cell, plan->paths)
			used |= strncmp(strVal(lfirst(cell)), prefix, strlen(prefix)) == 0;
		foreach (cell, plan->sort)
			used |=
				strncmp(((MtfSortKey *) lfirst(cell))->field->path, prefix, strlen(prefix)) == 0;
		if (used)
			prefix = psprintf("%s_", prefix);
	}
	return prefix;
}

/*
 * The rank of null, NaN and all other values, so that ascending ranks are PostgreSQL's order:
 * {$cond: [known, {$cond: [is NaN, r, s]}, t]}.
 */
static void
write_rank(StringInfo out, const MtfExprContext *context, const MtfSortKey *key, const char *name)
{
	mtf_field_write_rank(context, key->field, key->nulls_first ? 0 : 4, key->descending ? 1 : 3, 2,
						 out, name);
}

static void
write_computed_keys(MtfPipeline *pipeline, const MtfExprContext *context, const MtfScanPlan *plan,
					const char *prefix)
{
	StringInfo out = &pipeline->stages;
	MtfStage fields = mtf_stage_begin(pipeline, "$addFields");
	ListCell *cell;
	int i = 0;

	foreach (cell, plan->sort)
	{
		const MtfSortKey *key = lfirst(cell);

		if (!key->plain)
		{
			write_rank(out, context, key, psprintf("%s%dr", prefix, i));
			mtf_field_write_value(context, key->field, out, psprintf("%s%dv", prefix, i));
		}
		i++;
	}
	mtf_stage_end(pipeline, fields);
}

static char *
path_in_document(const MtfExprContext *context, const MtfField *field)
{
	if (context->aliases == NULL)
		return field->path;
	return psprintf("%s.%s", context->aliases[field->rel], field->path);
}

/* {$sort: …}; documents in which the field `first` is true come first. */
static void
write_sort_stage(MtfPipeline *pipeline, const MtfExprContext *context, const MtfScanPlan *plan,
				 const char *prefix, const char *first)
{
	StringInfo out = &pipeline->stages;
	MtfStage keys = mtf_stage_begin(pipeline, "$sort");
	ListCell *cell;
	int i = 0;

	if (first != NULL)
		mtf_write_int(out, first, -1);
	foreach (cell, plan->sort)
	{
		const MtfSortKey *key = lfirst(cell);
		int direction = key->descending ? -1 : 1;

		if (key->plain)
			mtf_write_int(out, path_in_document(context, key->field), direction);
		else
		{
			mtf_write_int(out, psprintf("%s%dr", prefix, i), 1);
			mtf_write_int(out, psprintf("%s%dv", prefix, i), direction);
		}
		i++;
	}
	mtf_stage_end(pipeline, keys);
}

void
mtf_stage_write_sort(MtfPipeline *pipeline, const MtfExprContext *context, const MtfScanPlan *plan,
					 const char *first)
{
	char *prefix = unused_prefix(pipeline, plan);
	bool computed = false;
	ListCell *cell;

	if (plan->sort == NIL && (first == NULL || plan->limit < 0))
		return;
	foreach (cell, plan->sort)
		computed |= !((MtfSortKey *) lfirst(cell))->plain;
	if (computed)
		write_computed_keys(pipeline, context, plan, prefix);
	write_sort_stage(pipeline, context, plan, prefix, first);
}

void
mtf_stage_write_sort_again(MtfPipeline *pipeline, const MtfExprContext *context,
						   const MtfScanPlan *plan)
{
	if (plan->sort != NIL)
		write_sort_stage(pipeline, context, plan, unused_prefix(pipeline, plan), NULL);
}

/* The count of a LIMIT or OFFSET; -1: none.  Negative ones raise, as they do in PostgreSQL. */
static int64
row_count(const MtfExprContext *context, int index, bool is_limit)
{
	int64 count;

	if (index < 0 || !context->values[index].is_known || context->values[index].isnull)
		return -1;
	count = DatumGetInt64(context->values[index].datum);
	if (count < 0 && is_limit)
		ereport(ERROR, (errcode(ERRCODE_INVALID_ROW_COUNT_IN_LIMIT_CLAUSE),
						errmsg("LIMIT must not be negative")));
	if (count < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE),
						errmsg("OFFSET must not be negative")));
	return count;
}

/* {op: count}, or {op: "$n"} while explaining */
static void
write_count_stage(MtfPipeline *pipeline, const MtfExprContext *context, const char *op, int index,
				  int64 count)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfLiteral literal = mtf_literal_int64(count);

	if (context->values[index].is_known)
		mtf_write_literal(out, op, &literal);
	else
		mtf_write_word(out, op, psprintf("$%d", index + 1));
	mtf_write_end(out, stage);
}

void
mtf_stage_write_limit(MtfPipeline *pipeline, const MtfExprContext *context, const MtfScanPlan *plan)
{
	int64 offset = row_count(context, plan->offset, false);
	int64 limit = row_count(context, plan->limit, true);
	bool offset_shown = plan->offset >= 0 && !context->values[plan->offset].is_known;
	bool limit_shown = plan->limit >= 0 && !context->values[plan->limit].is_known;

	if (offset > 0 || offset_shown)
		write_count_stage(pipeline, context, "$skip", plan->offset, offset);
	/* The server takes no $limit of 0. */
	if (limit == 0)
		pipeline->empty = true;
	else if (limit > 0 || limit_shown)
		write_count_stage(pipeline, context, "$limit", plan->limit, limit);
	/* One engine takes such a count for 1 when it decides whether a cursor is worth keeping (m). */
	if (limit > PG_INT32_MAX && (int32) limit == 1)
		write_count_stage(pipeline, context, "$limit", plan->limit, limit + 1);
	pipeline->limit = Max(limit, 0);
}

MtfPipeline *
mtf_pipeline_for_scan(const MtfScanPlan *plan, MtfScope **scopes, const MtfValue *values,
					  int nvalues)
{
	return mtf_pipeline_for_range(plan, scopes, values, nvalues, NULL);
}

MtfPipeline *
mtf_pipeline_for_range(const MtfScanPlan *plan, MtfScope **scopes, const MtfValue *values,
					   int nvalues, const MtfRange *range)
{
	MtfExprContext context = {values, nvalues, .range = range};
	MtfPipeline *pipeline =
		mtf_pipeline_begin(scopes[0], &context, plan->terms, plan->index, plan->exact);

	pipeline->grouped = plan->grouped;
	pipeline->nscopes = 1;
	if (plan->joins != NIL)
		mtf_stage_write_joins(pipeline, &context, plan, scopes);
	if (plan->sample > 0)
		mtf_stage_write_int(pipeline, "$limit", plan->sample);
	if (plan->grouped)
	{
		mtf_scope_set_operation(scopes[0], "aggregate");
		mtf_stage_write_groups(pipeline, &context, plan);
		return mtf_pipeline_seal(pipeline);
	}
	mtf_stage_write_sort(pipeline, &context, plan, NULL);
	if (plan->first_of != NIL)
		mtf_stage_write_firsts(pipeline, &context, plan);
	mtf_stage_write_limit(pipeline, &context, plan);
	if (plan->projects && plan->joins == NIL)
		mtf_stage_write_projection(pipeline, plan->paths);
	return mtf_pipeline_seal(pipeline);
}

/* --- what others may ask ---------------------------------------------------------------------- */

bool
mtf_pipeline_is_empty(const MtfPipeline *pipeline)
{
	return pipeline->empty;
}

int64
mtf_pipeline_limit(const MtfPipeline *pipeline)
{
	return pipeline->limit;
}

const MtfScope *
mtf_pipeline_scope(const MtfPipeline *pipeline)
{
	return pipeline->scope;
}

const bson_t *
mtf_pipeline_stages(const MtfPipeline *pipeline)
{
	return &pipeline->view;
}

static void
destroy_text(void *text)
{
	bson_free(text);
}

char *
mtf_pipeline_describe(const MtfPipeline *pipeline)
{
	MtfGuard *guard = mtf_guard_arm(CurrentMemoryContext, destroy_text);
	StringInfoData text;
	bson_iter_t iter;

	initStringInfo(&text);
	appendStringInfoChar(&text, '[');
	if (bson_iter_init(&iter, &pipeline->view))
		while (bson_iter_next(&iter))
		{
			const uint8_t *data;
			uint32_t len;
			bson_t stage;

			bson_iter_document(&iter, &len, &data);
			if (!bson_init_static(&stage, data, len))
				continue;
			if (text.len > 1)
				appendStringInfoString(&text, ", ");
			appendStringInfoString(
				&text, mtf_guard_hold(guard, bson_as_relaxed_extended_json(&stage, NULL)));
			mtf_guard_release(guard);
		}
	appendStringInfoChar(&text, ']');
	return text.data;
}
