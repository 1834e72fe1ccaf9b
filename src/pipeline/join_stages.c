/*
 * join_stages.c
 *	  The stages of remote joins: $lookup with a child pipeline from its own scope.
 *
 * What must not happen here: a collection named by anything but a scope; a child pipeline that does
 * not begin with its tenant.
 */
#include "base/compat.h"

#include "pipeline/condition.h"
#include "pipeline/field_value.h"
#include "pipeline/stage.h"

/* {$replaceWith: {r0: "$$ROOT"}}: no field of a document meets one of ours. */
static void
write_wrap(MtfPipeline *pipeline)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark with = mtf_write_begin(out, "$replaceWith");

	mtf_write_word(out, mtf_relation_field(0), "$$ROOT");
	mtf_write_end(out, with);
	mtf_write_end(out, stage);
}

/* {$match: {$expr: condition}}; a NULL condition is false */
static void
write_expression_match(MtfPipeline *pipeline, const MtfExprContext *context, const MtfTerm *term)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark match = mtf_write_begin(out, "$match");

	if (term == NULL)
		mtf_write_bool(out, "$expr", false);
	else
		mtf_condition_write(context, term, out, "$expr");
	mtf_write_end(out, match);
	mtf_write_end(out, stage);
}

static void
write_one_is_enough(MtfPipeline *pipeline)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));

	mtf_write_int(out, "$limit", 1);
	mtf_write_end(out, stage);
}

/* {$match: {r1: []}}, {$unset: "r1"}: nothing was found. */
static void
write_none_found(MtfPipeline *pipeline, const MtfJoin *join)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark match = mtf_write_begin(out, "$match");
	MtfMark empty = mtf_write_begin_array(out, mtf_relation_field(join->rel));

	mtf_write_end(out, empty);
	mtf_write_end(out, match);
	mtf_write_end(out, stage);
	stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	mtf_write_word(out, "$unset", mtf_relation_field(join->rel));
	mtf_write_end(out, stage);
}

/*
 * The child pipeline of a $lookup, from its own scope: its tenant first, its conditions, and that the
 * key decodes (null would meet missing, an array each of its elements).
 */
static MtfPipeline *
child_pipeline(const MtfScope *scope, const MtfExprContext *context, const MtfJoin *join)
{
	MtfExprContext alone = {context->values, context->nvalues};
	MtfPipeline *child = mtf_pipeline_begin(scope, &alone, join->terms, true);
	MtfTerm *known = mtf_term_create(MTF_TERM_NOT_NULL, MTF_OP_EQ, join->inner, -1, NIL);

	if (child->empty)
		write_expression_match(child, &alone, NULL);
	write_expression_match(child, &alone, known);
	/* One partner decides. */
	if (join->kind == MTF_JOIN_SEMI || join->kind == MTF_JOIN_ANTI)
		write_one_is_enough(child);
	if (join->projects)
		mtf_stage_write_projection(child, join->paths);
	return mtf_pipeline_seal(child);
}

/* {$addFields: {j1: the outer key's value, or null}}: null meets nothing. */
static void
write_outer_key(MtfPipeline *pipeline, const MtfExprContext *context, const MtfJoin *join,
				const char *name)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark fields = mtf_write_begin(out, "$addFields");

	mtf_field_write_value(context, join->outer, out, name);
	mtf_write_end(out, fields);
	mtf_write_end(out, stage);
}

static void
write_unwind(MtfPipeline *pipeline, const MtfJoin *join)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark unwind = mtf_write_begin(out, "$unwind");

	mtf_write_word(out, "path", psprintf("$%s", mtf_relation_field(join->rel)));
	if (join->kind == MTF_JOIN_LEFT)
		mtf_write_bool(out, "preserveNullAndEmptyArrays", true);
	mtf_write_end(out, unwind);
	mtf_write_end(out, stage);
}

/* One $lookup: it names a collection only as its child's scope does. */
static void
write_join(MtfPipeline *pipeline, const MtfExprContext *context, const MtfJoin *join,
		   const MtfScope *scope)
{
	StringInfo out = &pipeline->stages;
	MtfPipeline *child = child_pipeline(scope, context, join);
	char *key = psprintf("j%d", join->rel);
	ListCell *cell;
	MtfMark stage;
	MtfMark lookup;

	if (mtf_scope_server(scope) != mtf_scope_server(pipeline->scope) ||
		strcmp(mtf_scope_database(scope), mtf_scope_database(pipeline->scope)) != 0)
		elog(ERROR, "a remote join reaches another database");
	write_outer_key(pipeline, context, join, key);
	stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	lookup = mtf_write_begin(out, "$lookup");
	mtf_write_word(out, "from", mtf_scope_collection(scope));
	mtf_write_word(out, "localField", key);
	mtf_write_word(out, "foreignField", join->inner->path);
	mtf_write_array(out, "pipeline", (const uint8 *) child->stages.data, child->stages.len);
	mtf_write_word(out, "as", mtf_relation_field(join->rel));
	mtf_write_end(out, lookup);
	mtf_write_end(out, stage);
	if (join->kind == MTF_JOIN_ANTI)
		write_none_found(pipeline, join);
	else
		write_unwind(pipeline, join);
	if (child->empty && (join->kind == MTF_JOIN_INNER || join->kind == MTF_JOIN_SEMI))
		pipeline->empty = true;
	foreach (cell, join->filters)
		write_expression_match(pipeline, context, lfirst(cell));
}

void
mtf_stage_write_joins(MtfPipeline *pipeline, MtfExprContext *context, const MtfScanPlan *plan,
					  MtfScope **scopes)
{
	const char **aliases = palloc(sizeof(char *) * list_length(plan->relids));
	ListCell *cell;

	for (int i = 0; i < list_length(plan->relids); i++)
		aliases[i] = mtf_relation_field(i);
	context->aliases = aliases;
	pipeline->scopes = scopes;
	pipeline->nscopes = list_length(plan->relids);
	if (plan->projects)
		mtf_stage_write_projection(pipeline, plan->paths);
	write_wrap(pipeline);
	foreach (cell, plan->joins)
	{
		const MtfJoin *join = lfirst(cell);

		write_join(pipeline, context, join, scopes[join->rel]);
		if (join->kind == MTF_JOIN_LEFT || join->kind == MTF_JOIN_ANTI)
			pipeline->optional = bms_add_member(pipeline->optional, join->rel);
	}
}
