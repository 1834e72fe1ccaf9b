/*
 * pipeline.c
 *	  Stages behind the mandatory tenant $match.
 *
 * There is one place where a pipeline begins: begin_pipeline(), which writes the tenant's predicate
 * before anything else.  What follows narrows what the tenant may see, and never names a collection.
 *
 * What must not happen here: a pipeline without a scope; a value printed into text; a stage that
 * writes or that reads another collection without its own scope.
 */
#include "pipeline/pipeline.h"

#include "base/guard.h"
#include "pipeline/expr.h"
#include "pipeline/writer.h"

/* The server's limit for one command is 16 MB and a little; leave room for the command around it. */
#define MAX_PIPELINE_BYTES (16 * 1024 * 1024 - 64 * 1024)

struct MtfPipeline
{
	const MtfScope *scope;
	StringInfoData stages; /* an array of documents, being written until sealed */
	MtfMark array;
	int nstages;
	bool empty;
	bson_t view; /* of the finished stages */
};

static const char *
next_stage(MtfPipeline *pipeline)
{
	return mtf_array_key(pipeline->nstages++);
}

/*
 * The first stage: the tenant's predicate, and behind it, in the same $and, the user's conditions.
 * Each stays a document of its own: keys are never merged.
 */
static void
write_first_match(MtfPipeline *pipeline, const MtfExprContext *context, const List *terms)
{
	StringInfo out = &pipeline->stages;
	bson_t *tenant = mtf_bson_create(CurrentMemoryContext);
	MtfMark stage = mtf_write_begin(out, next_stage(pipeline));
	MtfMark match = mtf_write_begin(out, "$match");
	MtfMark items = mtf_write_begin_array(out, "$and");
	const ListCell *cell;
	int n = 0;

	mtf_scope_append_match(pipeline->scope, tenant);
	if (!bson_empty(tenant))
		mtf_write_document(out, mtf_array_key(n++), bson_get_data(tenant), tenant->len);
	foreach (cell, terms)
	{
		MtfVerdict verdict = mtf_match_write(context, lfirst(cell), out, mtf_array_key(n));

		n += verdict == MTF_SOME;
		pipeline->empty |= verdict == MTF_NEVER;
	}
	if (n == 0)
	{
		mtf_write_take_back(out, stage);
		pipeline->nstages--;
		return;
	}
	mtf_write_end(out, items);
	mtf_write_end(out, match);
	mtf_write_end(out, stage);
}

static MtfPipeline *
begin_pipeline(const MtfScope *scope, const MtfExprContext *context, const List *terms)
{
	MtfPipeline *pipeline = palloc0(sizeof(MtfPipeline));

	Assert(scope != NULL);
	pipeline->scope = scope;
	initStringInfo(&pipeline->stages);
	pipeline->array = mtf_write_begin(&pipeline->stages, NULL);
	write_first_match(pipeline, context, terms);
	return pipeline;
}

static MtfPipeline *
seal(MtfPipeline *pipeline)
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

	return seal(begin_pipeline(scope, &context, NIL));
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

static void
write_projection(MtfPipeline *pipeline, const MtfScanPlan *plan)
{
	StringInfo out = &pipeline->stages;
	const char *tenant = mtf_scope_field(pipeline->scope);
	List *paths = NIL;
	bool with_id = false;
	ListCell *cell;
	MtfMark stage;
	MtfMark project;

	foreach (cell, plan->paths)
		paths = keep_path(paths, path_to_project(strVal(lfirst(cell))));
	if (tenant != NULL)
		paths = keep_path(paths, path_to_project(tenant));
	/* Nothing at all is wanted (count): a projection must still name a field. */
	if (paths == NIL)
		paths = list_make1("_id");
	foreach (cell, paths)
		with_id |= path_covers("_id", lfirst(cell));

	stage = mtf_write_begin(out, next_stage(pipeline));
	project = mtf_write_begin(out, "$project");
	if (!with_id)
		mtf_write_int(out, "_id", 0);
	foreach (cell, paths)
		mtf_write_int(out, lfirst(cell), 1);
	mtf_write_end(out, project);
	mtf_write_end(out, stage);
}

MtfPipeline *
mtf_pipeline_for_scan(const MtfScanPlan *plan, MtfScope **scopes, const MtfValue *values,
					  int nvalues)
{
	MtfExprContext context = {values, nvalues};
	MtfPipeline *pipeline = begin_pipeline(scopes[0], &context, plan->terms);

	if (plan->projects)
		write_projection(pipeline, plan);
	return seal(pipeline);
}

/* --- what others may ask ---------------------------------------------------------------------- */

bool
mtf_pipeline_is_empty(const MtfPipeline *pipeline)
{
	return pipeline->empty;
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
