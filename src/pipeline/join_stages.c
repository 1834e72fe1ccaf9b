/*
 * join_stages.c
 *	  The stages of remote joins, each with a child pipeline from its own scope.
 *
 * There are two forms.  $lookup asks for each document's partners.  $unionWith puts the documents of
 * both sides into one stream, and $group brings together what has the same key: a hash join, which
 * reads each collection once, needs no index, and keeps what has no partner on either side.
 *
 * What must not happen here: a collection named by anything but a scope; a child pipeline that does
 * not begin with its tenant.
 */
#include "base/compat.h"

#include "pipeline/call.h"
#include "pipeline/condition.h"
#include "pipeline/field_value.h"
#include "pipeline/stage.h"

/* {$replaceWith: {r0: "$$ROOT"}}: no field of a document meets one of ours. */
static void
write_wrap(MtfPipeline *pipeline, int rel)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark with = mtf_write_begin(out, "$replaceWith");

	mtf_write_word(out, mtf_relation_field(rel), "$$ROOT");
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

/* A key's value, or null: what means equal here is equal there. */
static void
write_key_value(const MtfExprContext *context, const MtfField *field, StringInfo out,
				const char *name)
{
	if (field->kind == MTF_KIND_DATE)
		mtf_field_write_day(context, field, out, name);
	else
		mtf_field_write_value(context, field, out, name);
}

/* --- $lookup -------------------------------------------------------------------------------------- */

/* The keys that a $lookup compares by computed values: all but a first one that it compares raw. */
static int
first_computed_key(const MtfJoin *join)
{
	return mtf_fields_meet(linitial(join->outers), linitial(join->inners)) ? 1 : 0;
}

/* {$match: {$expr: {$eq: [inner value, "$$k1"]}}} of a computed key; null meets nothing. */
static void
write_key_match(MtfPipeline *child, const MtfExprContext *context, const MtfField *inner, int i)
{
	StringInfo out = &child->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(child));
	MtfMark match = mtf_write_begin(out, "$match");
	MtfCall all = mtf_call_begin(out, "$expr", "$and");
	MtfCall equal;

	mtf_field_write_known(context, inner, out, mtf_call_next(&all));
	equal = mtf_call_begin(out, mtf_call_next(&all), "$eq");
	write_key_value(context, inner, out, mtf_call_next(&equal));
	mtf_write_word(out, mtf_call_next(&equal), psprintf("$$k%d", i));
	mtf_call_end(out, &equal);
	mtf_call_end(out, &all);
	mtf_write_end(out, match);
	mtf_write_end(out, stage);
}

/*
 * The child pipeline of a $lookup, from its own scope: its tenant first, its conditions, and that the
 * key decodes (null would meet missing, an array each of its elements).
 */
static MtfPipeline *
lookup_pipeline(const MtfScope *scope, const MtfExprContext *context, const MtfJoin *join)
{
	MtfExprContext alone = {context->values, context->nvalues};
	MtfPipeline *child = mtf_pipeline_begin(scope, &alone, join->terms, NIL, true);
	int computed = first_computed_key(join);

	if (child->empty)
		write_expression_match(child, &alone, NULL);
	if (computed > 0)
		write_expression_match(
			child, &alone,
			mtf_term_create(MTF_TERM_NOT_NULL, MTF_OP_EQ, linitial(join->inners), -1, NIL));
	for (int i = computed; i < list_length(join->inners); i++)
		write_key_match(child, &alone, list_nth(join->inners, i), i);
	/* One partner decides. */
	if (join->kind == MTF_JOIN_SEMI || join->kind == MTF_JOIN_ANTI)
		write_one_is_enough(child);
	if (join->projects)
		mtf_stage_write_projection(child, join->paths);
	return mtf_pipeline_seal(child);
}

/* {$addFields: {j1: the first key's outer value, or null}}: null meets nothing. */
static void
write_outer_key(MtfPipeline *pipeline, const MtfExprContext *context, const MtfJoin *join,
				const char *name)
{
	const MtfField *outer = linitial(join->outers);
	const MtfField *inner = linitial(join->inners);
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark fields = mtf_write_begin(out, "$addFields");

	/* ObjectIds meet as they stand, not as the text that they are here. */
	if (inner->kind == MTF_KIND_OBJECTID)
	{
		MtfCall cond = mtf_call_begin(out, name, "$cond");

		mtf_field_write_known(context, outer, out, mtf_call_next(&cond));
		mtf_write_word(out, mtf_call_next(&cond), mtf_field_reference(context, outer));
		mtf_write_null(out, mtf_call_next(&cond));
		mtf_call_end(out, &cond);
	}
	else
		mtf_field_write_value(context, outer, out, name);
	mtf_write_end(out, fields);
	mtf_write_end(out, stage);
}

/* let: {k1: the second key's outer value, …} */
static void
write_computed_keys(StringInfo out, const MtfExprContext *context, const MtfJoin *join)
{
	int computed = first_computed_key(join);
	MtfMark let;

	if (list_length(join->outers) <= computed)
		return;
	let = mtf_write_begin(out, "let");
	for (int i = computed; i < list_length(join->outers); i++)
		write_key_value(context, list_nth(join->outers, i), out, psprintf("k%d", i));
	mtf_write_end(out, let);
}

static void
write_unwind(MtfPipeline *pipeline, const char *path, bool preserve)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark unwind = mtf_write_begin(out, "$unwind");

	mtf_write_word(out, "path", path);
	if (preserve)
		mtf_write_bool(out, "preserveNullAndEmptyArrays", true);
	mtf_write_end(out, unwind);
	mtf_write_end(out, stage);
}

static bool
write_lookup(MtfPipeline *pipeline, const MtfExprContext *context, const MtfJoin *join,
			 const MtfScope *scope)
{
	StringInfo out = &pipeline->stages;
	MtfPipeline *child = lookup_pipeline(scope, context, join);
	char *key = psprintf("j%d", join->rel);
	char *name = mtf_relation_field(join->rel);
	MtfMark stage;
	MtfMark lookup;

	if (first_computed_key(join) > 0)
		write_outer_key(pipeline, context, join, key);
	stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	lookup = mtf_write_begin(out, "$lookup");
	mtf_write_word(out, "from", mtf_scope_collection(scope));
	if (first_computed_key(join) > 0)
	{
		mtf_write_word(out, "localField", key);
		mtf_write_word(out, "foreignField", ((MtfField *) linitial(join->inners))->path);
	}
	write_computed_keys(out, context, join);
	mtf_write_array(out, "pipeline", (const uint8 *) child->stages.data, child->stages.len);
	mtf_write_word(out, "as", name);
	mtf_write_end(out, lookup);
	mtf_write_end(out, stage);
	if (join->kind == MTF_JOIN_ANTI)
		write_none_found(pipeline, join);
	else
		write_unwind(pipeline, psprintf("$%s", name),
					 join->kind == MTF_JOIN_LEFT || join->kind == MTF_JOIN_FULL);
	return !child->empty;
}

static void
write_union_stage(MtfPipeline *pipeline, const MtfScope *scope, const MtfPipeline *child)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark with = mtf_write_begin(out, "$unionWith");

	mtf_write_word(out, "coll", mtf_scope_collection(scope));
	mtf_write_array(out, "pipeline", (const uint8 *) child->stages.data, child->stages.len);
	mtf_write_end(out, with);
	mtf_write_end(out, stage);
}

/*
 * The other half of a full join: the inner documents that find no partner, by a $lookup the other way
 * round, as {r1: document}.
 */
static void
write_unfound(MtfPipeline *pipeline, const MtfExprContext *context, const MtfScanPlan *plan,
			  const MtfJoin *join)
{
	const MtfScope *scope = pipeline->scopes[join->rel];
	MtfExprContext alone = {context->values, context->nvalues};
	MtfPipeline *child = mtf_pipeline_begin(scope, &alone, join->terms, NIL, true);
	MtfJoin *back = mtf_join_create(0, MTF_JOIN_ANTI, MTF_JOIN_LOOKUP);

	if (child->empty)
		write_expression_match(child, &alone, NULL);
	if (join->projects)
		mtf_stage_write_projection(child, join->paths);
	write_wrap(child, join->rel);
	back->outers = join->inners;
	back->inners = join->outers;
	back->terms = plan->terms;
	(void) write_lookup(child, context, back, pipeline->scope);
	write_union_stage(pipeline, scope, mtf_pipeline_seal(child));
}

/* --- $unionWith and $group --------------------------------------------------------------------------- */

/* {$replaceWith: {k: {k0: …, k1: …}, side: "$$ROOT"}} */
static void
write_keyed(MtfPipeline *pipeline, const MtfExprContext *context, const List *fields,
			const char *side)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark with = mtf_write_begin(out, "$replaceWith");
	MtfMark key = mtf_write_begin(out, "k");
	ListCell *cell;
	int i = 0;

	foreach (cell, fields)
		write_key_value(context, lfirst(cell), out, psprintf("k%d", i++));
	mtf_write_end(out, key);
	mtf_write_word(out, side, "$$ROOT");
	mtf_write_end(out, with);
	mtf_write_end(out, stage);
}

/* {$match: {"k.k0": {$ne: null}, …}}: what has no key has no partner. */
static void
write_drop_unknown(MtfPipeline *pipeline, int nkeys)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark match = mtf_write_begin(out, "$match");

	for (int i = 0; i < nkeys; i++)
	{
		MtfMark path = mtf_write_begin(out, psprintf("k.k%d", i));

		mtf_write_null(out, "$ne");
		mtf_write_end(out, path);
	}
	mtf_write_end(out, match);
	mtf_write_end(out, stage);
}

/*
 * {$replaceWith: {k: {$cond: [all keys are known, "$k", {side: its `_id`}]}, side: "$side"}}: what has
 * no key stays, in a group of its own.
 */
static void
write_keep_unknown(MtfPipeline *pipeline, int nkeys, const char *side, const char *identity)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark with = mtf_write_begin(out, "$replaceWith");
	MtfCall cond = mtf_call_begin(out, "k", "$cond");
	MtfCall all = mtf_call_begin(out, mtf_call_next(&cond), "$and");
	MtfMark alone;

	for (int i = 0; i < nkeys; i++)
		mtf_call_write_not_null(out, mtf_call_next(&all), psprintf("$k.k%d", i));
	mtf_call_end(out, &all);
	mtf_write_word(out, mtf_call_next(&cond), "$k");
	alone = mtf_write_begin(out, mtf_call_next(&cond));
	mtf_write_word(out, side, identity);
	mtf_write_end(out, alone);
	mtf_call_end(out, &cond);
	mtf_write_word(out, side, psprintf("$%s", side));
	mtf_write_end(out, with);
	mtf_write_end(out, stage);
}

/* The inner collection's documents with their keys: {k: …, r: document}. */
static MtfPipeline *
union_pipeline(const MtfScope *scope, const MtfExprContext *context, const MtfJoin *join)
{
	MtfExprContext alone = {context->values, context->nvalues};
	MtfPipeline *child = mtf_pipeline_begin(scope, &alone, join->terms, NIL, true);
	int nkeys = list_length(join->inners);

	if (child->empty)
		write_expression_match(child, &alone, NULL);
	if (join->projects)
		mtf_stage_write_projection(child, join->paths);
	write_keyed(child, &alone, join->inners, "r");
	if (join->kind == MTF_JOIN_FULL)
		write_keep_unknown(child, nkeys, "r", "$r._id");
	else
		write_drop_unknown(child, nkeys);
	return mtf_pipeline_seal(child);
}

/* {name: {$op: "$name"}}, which passes over what is missing */
static void
write_collect(StringInfo out, const char *name, const char *op)
{
	MtfMark accumulator = mtf_write_begin(out, name);

	mtf_write_word(out, op, psprintf("$%s", name));
	mtf_write_end(out, accumulator);
}

/* {$group: {_id: "$k", l: {$push: "$l"}, r: …}}: of existence one partner is proof. */
static void
write_meeting(MtfPipeline *pipeline, bool existence)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark group = mtf_write_begin(out, "$group");

	mtf_write_word(out, "_id", "$k");
	write_collect(out, "l", "$push");
	write_collect(out, "r", existence ? "$max" : "$push");
	mtf_write_end(out, group);
	mtf_write_end(out, stage);
}

/* {$match: {r: {$type: "object"}}}, or its opposite */
static void
write_partner_match(MtfPipeline *pipeline, bool found)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	MtfMark match = mtf_write_begin(out, "$match");
	MtfMark path = mtf_write_begin(out, "r");
	MtfMark not = found ? 0 : mtf_write_begin(out, "$not");

	mtf_write_word(out, "$type", "object");
	if (!found)
		mtf_write_end(out, not );
	mtf_write_end(out, path);
	mtf_write_end(out, match);
	mtf_write_end(out, stage);
}

/* {$replaceWith: {$mergeObjects: ["$l", {r1: "$r"}]}}; without a partner nothing is r1. */
static void
write_merge(MtfPipeline *pipeline, const MtfJoin *join)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage = mtf_write_begin(out, mtf_stage_key(pipeline));

	if (join->kind == MTF_JOIN_ANTI)
		mtf_write_word(out, "$replaceWith", "$l");
	else
	{
		MtfCall merge = mtf_call_begin(out, "$replaceWith", "$mergeObjects");
		MtfMark inner;

		mtf_write_word(out, mtf_call_next(&merge), "$l");
		inner = mtf_write_begin(out, mtf_call_next(&merge));
		mtf_write_word(out, mtf_relation_field(join->rel), "$r");
		mtf_write_end(out, inner);
		mtf_call_end(out, &merge);
	}
	mtf_write_end(out, stage);
}

static bool
write_union(MtfPipeline *pipeline, const MtfExprContext *context, const MtfJoin *join,
			const MtfScope *scope)
{
	MtfPipeline *child = union_pipeline(scope, context, join);
	bool existence = join->kind == MTF_JOIN_SEMI || join->kind == MTF_JOIN_ANTI;

	write_keyed(pipeline, context, join->outers, "l");
	if (join->kind == MTF_JOIN_INNER || join->kind == MTF_JOIN_SEMI)
		write_drop_unknown(pipeline, list_length(join->outers));
	else
		write_keep_unknown(pipeline, list_length(join->outers), "l",
						   psprintf("$l.%s._id", mtf_relation_field(0)));
	write_union_stage(pipeline, scope, child);
	write_meeting(pipeline, existence);
	if (existence)
		write_partner_match(pipeline, join->kind == MTF_JOIN_SEMI);
	write_unwind(pipeline, "$l", join->kind == MTF_JOIN_FULL);
	if (!existence)
		write_unwind(pipeline, "$r", join->kind != MTF_JOIN_INNER);
	write_merge(pipeline, join);
	return !child->empty;
}

/* --- both --------------------------------------------------------------------------------------------- */

/* One join: it names a collection only as its child's scope does. */
static void
write_join(MtfPipeline *pipeline, const MtfExprContext *context, const MtfScanPlan *plan,
		   const MtfJoin *join)
{
	const MtfScope *scope = pipeline->scopes[join->rel];
	ListCell *cell;
	bool finds;

	if (mtf_scope_server(scope) != mtf_scope_server(pipeline->scope) ||
		strcmp(mtf_scope_database(scope), mtf_scope_database(pipeline->scope)) != 0)
		elog(ERROR, "a remote join reaches another database");
	finds = join->form == MTF_JOIN_HASH ? write_union(pipeline, context, join, scope)
										: write_lookup(pipeline, context, join, scope);
	if (join->form == MTF_JOIN_LOOKUP && join->kind == MTF_JOIN_FULL)
		write_unfound(pipeline, context, plan, join);
	if (!finds && (join->kind == MTF_JOIN_INNER || join->kind == MTF_JOIN_SEMI))
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
	/* Without any of its own documents a full join still has the others'. */
	if (pipeline->empty && ((MtfJoin *) linitial(plan->joins))->kind == MTF_JOIN_FULL)
	{
		write_expression_match(pipeline, context, NULL);
		pipeline->empty = false;
	}
	context->aliases = aliases;
	pipeline->scopes = scopes;
	pipeline->nscopes = list_length(plan->relids);
	if (plan->projects)
		mtf_stage_write_projection(pipeline, plan->paths);
	write_wrap(pipeline, 0);
	foreach (cell, plan->joins)
	{
		const MtfJoin *join = lfirst(cell);

		write_join(pipeline, context, plan, join);
		if (join->kind == MTF_JOIN_LEFT || join->kind == MTF_JOIN_ANTI ||
			join->kind == MTF_JOIN_FULL)
			pipeline->optional = bms_add_member(pipeline->optional, join->rel);
		if (join->kind == MTF_JOIN_FULL)
			pipeline->optional = bms_add_member(pipeline->optional, 0);
	}
}
