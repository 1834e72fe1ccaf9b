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
	MtfStage stage = mtf_stage_begin(pipeline, "$replaceWith");

	mtf_write_word(&pipeline->stages, mtf_relation_field(rel), "$$ROOT");
	mtf_stage_end(pipeline, stage);
}

/* {$match: {$expr: condition}}; a NULL condition is false */
static void
write_expression_match(MtfPipeline *pipeline, const MtfExprContext *context, const MtfTerm *term)
{
	MtfStage stage = mtf_stage_begin(pipeline, "$match");

	if (term == NULL)
		mtf_write_bool(&pipeline->stages, "$expr", false);
	else
		mtf_condition_write(context, term, &pipeline->stages, "$expr");
	mtf_stage_end(pipeline, stage);
}

static void
write_one_is_enough(MtfPipeline *pipeline)
{
	mtf_stage_write_int(pipeline, "$limit", 1);
}

/* {$match: {r1: []}}, {$unset: "r1"}: nothing was found. */
static void
write_none_found(MtfPipeline *pipeline, const char *name)
{
	MtfStage stage = mtf_stage_begin(pipeline, "$match");

	mtf_write_end(&pipeline->stages, mtf_write_begin_array(&pipeline->stages, name));
	mtf_stage_end(pipeline, stage);
	mtf_stage_write_word(pipeline, "$unset", name);
}

/* {$cond: [decodes, {$cond: [is NaN, "NaN", value]}, null]}: not every engine puts NaN into one group. */
static void
write_number(const MtfExprContext *context, const MtfField *field, StringInfo out, const char *name)
{
	char *reference = mtf_field_reference(context, field);
	MtfCall known = mtf_call_begin(out, name, "$cond");
	MtfCall nan;

	mtf_field_write_known(context, field, out, mtf_call_next(&known));
	nan = mtf_call_begin(out, mtf_call_next(&known), "$cond");
	mtf_call_write_is_nan(out, mtf_call_next(&nan), reference);
	mtf_write_word(out, mtf_call_next(&nan), "NaN");
	mtf_field_write_canonical(field, out, mtf_call_next(&nan), reference);
	mtf_call_end(out, &nan);
	mtf_write_null(out, mtf_call_next(&known));
	mtf_call_end(out, &known);
}

/* A field's value as a key, or null: what means equal here is equal there. */
static void
write_key_field(const MtfExprContext *context, const MtfField *field, StringInfo out,
				const char *name)
{
	if (field->kind == MTF_KIND_DATE)
		mtf_field_write_day(context, field, out, name);
	else if (mtf_field_has_nan(field))
		write_number(context, field, out, name);
	else
		mtf_field_write_value(context, field, out, name);
}

/* {$ifNull: [one, {$ifNull: [another, …]}]} of the fields from `first` on */
static void
write_key_fields(const MtfExprContext *context, const List *fields, int first, StringInfo out,
				 const char *name)
{
	MtfCall call;

	if (first == list_length(fields) - 1)
	{
		write_key_field(context, list_nth(fields, first), out, name);
		return;
	}
	call = mtf_call_begin(out, name, "$ifNull");
	write_key_field(context, list_nth(fields, first), out, mtf_call_next(&call));
	write_key_fields(context, fields, first + 1, out, mtf_call_next(&call));
	mtf_call_end(out, &call);
}

/* A key's value, or null: of several fields the first that is not. */
static void
write_key_value(const MtfExprContext *context, const MtfField *key, StringInfo out,
				const char *name)
{
	write_key_fields(context, lcons((void *) key, list_copy(key->others)), 0, out, name);
}

/* Has the key a value? */
static void
write_key_known(const MtfExprContext *context, const MtfField *key, StringInfo out,
				const char *name)
{
	MtfCall call;

	if (key->others == NIL)
	{
		mtf_field_write_known(context, key, out, name);
		return;
	}
	call = mtf_call_begin(out, name, "$gt");
	write_key_value(context, key, out, mtf_call_next(&call));
	mtf_write_null(out, mtf_call_next(&call));
	mtf_call_end(out, &call);
}

/* --- what is joined --------------------------------------------------------------------------------- */

/* What a child pipeline sees: the values, and no document but its own. */
static MtfExprContext
context_of_child(const MtfExprContext *context)
{
	MtfExprContext child = {context->values, context->nvalues};

	return child;
}

/* A pipeline on the collection of relation `rel`, from its own scope: its tenant first, then the terms. */
static MtfPipeline *
begin_child(const MtfPipeline *parent, const MtfExprContext *child, int rel, List *terms)
{
	MtfPipeline *pipeline = mtf_pipeline_begin(parent->scopes[rel], child, terms, NIL, true);

	pipeline->scopes = parent->scopes;
	pipeline->nscopes = parent->nscopes;
	if (pipeline->empty)
		write_expression_match(pipeline, child, NULL);
	return pipeline;
}

static void write_join(MtfPipeline *pipeline, const MtfExprContext *context, const MtfJoin *side,
					   int number);

/*
 * From documents of relation `side->rel` to those of everything that is joined to it: {r1: document, …}.  From then
 * on fields are found by the context's aliases.
 */
static void
write_joined(MtfPipeline *pipeline, MtfExprContext *context, const MtfJoin *side)
{
	const char **aliases = palloc(sizeof(char *) * pipeline->nscopes);

	for (int i = 0; i < pipeline->nscopes; i++)
		aliases[i] = mtf_relation_field(i);
	/* Without any of its own documents a full join still has the others'. */
	if (mtf_joins_are_full(side->joins))
		pipeline->empty = false;
	if (side->projects)
		mtf_stage_write_projection(pipeline, side->paths);
	write_wrap(pipeline, side->rel);
	context->aliases = aliases;
	for (int i = 0; i < list_length(side->joins); i++)
		write_join(pipeline, context, side, i);
}

/* --- $lookup -------------------------------------------------------------------------------------- */

/* The keys that a $lookup compares by computed values: all but a first one that it compares raw. */
static int
first_computed_key(const MtfJoin *join)
{
	return mtf_join_meets(join, linitial(join->outers), linitial(join->inners)) ? 1 : 0;
}

/* {$match: {$expr: {$eq: [inner value, "$$k1"]}}} of a computed key; null meets nothing. */
static void
write_key_match(MtfPipeline *child, const MtfExprContext *context, const MtfField *inner, int i)
{
	StringInfo out = &child->stages;
	MtfStage stage = mtf_stage_begin(child, "$match");
	MtfCall all = mtf_call_begin(out, "$expr", "$and");
	MtfCall equal;

	write_key_known(context, inner, out, mtf_call_next(&all));
	equal = mtf_call_begin(out, mtf_call_next(&all), "$eq");
	write_key_value(context, inner, out, mtf_call_next(&equal));
	mtf_write_word(out, mtf_call_next(&equal), psprintf("$$k%d", i));
	mtf_call_end(out, &equal);
	mtf_call_end(out, &all);
	mtf_stage_end(child, stage);
}

/*
 * The computed keys that are fields of the collection's own documents, or the others.  Before a full join
 * nothing can be left out: what it finds no partner for would come instead.
 */
static void
write_key_matches(MtfPipeline *child, const MtfExprContext *context, const MtfJoin *join, bool own)
{
	bool whole = mtf_joins_are_full(join->joins);

	for (int i = first_computed_key(join); i < list_length(join->inners); i++)
	{
		const MtfField *inner = list_nth(join->inners, i);

		if ((inner->rel == join->rel && inner->others == NIL && !whole) == own)
			write_key_match(child, context, inner, i);
	}
}

/*
 * The child pipeline of a $lookup, from its own scope: its tenant first, its conditions, and that the
 * key decodes (null would meet missing, an array each of its elements).
 */
static MtfPipeline *
lookup_pipeline(const MtfPipeline *parent, const MtfExprContext *context, const MtfJoin *join)
{
	MtfExprContext alone = context_of_child(context);
	MtfPipeline *child = begin_child(parent, &alone, join->rel, join->terms);

	if (first_computed_key(join) > 0)
		write_expression_match(
			child, &alone,
			mtf_term_create(MTF_TERM_NOT_NULL, MTF_OP_EQ, linitial(join->inners), -1, NIL));
	write_key_matches(child, &alone, join, true);
	if (join->joins != NIL)
	{
		write_joined(child, &alone, join);
		write_key_matches(child, &alone, join, false);
	}
	/* One partner decides. */
	if (join->kind == MTF_JOIN_SEMI || join->kind == MTF_JOIN_ANTI)
		write_one_is_enough(child);
	if (join->joins == NIL && join->projects)
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
	MtfStage stage = mtf_stage_begin(pipeline, "$addFields");

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
		write_key_value(context, outer, out, name);
	mtf_stage_end(pipeline, stage);
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
	MtfStage stage = mtf_stage_begin(pipeline, "$unwind");

	mtf_write_word(&pipeline->stages, "path", path);
	if (preserve)
		mtf_write_bool(&pipeline->stages, "preserveNullAndEmptyArrays", true);
	mtf_stage_end(pipeline, stage);
}

/* {$replaceWith: {$mergeObjects: [one, other]}}; what is missing or null adds nothing. */
static void
write_merged(MtfPipeline *pipeline, const char *one, const char *other)
{
	StringInfo out = &pipeline->stages;
	MtfStage stage = mtf_stage_begin(pipeline, "$replaceWith");
	MtfMark objects = mtf_write_begin_array(out, "$mergeObjects");

	mtf_write_word(out, mtf_array_key(0), one);
	mtf_write_word(out, mtf_array_key(1), other);
	mtf_write_end(out, objects);
	mtf_stage_end(pipeline, stage);
}

/* What was found, in the documents: {…, name: [partner, …]} becomes one document for each partner. */
static void
write_found(MtfPipeline *pipeline, const MtfJoin *join, const char *name)
{
	char *path = psprintf("$%s", name);

	write_unwind(pipeline, path, join->kind == MTF_JOIN_LEFT || join->kind == MTF_JOIN_FULL);
	/* A join's documents have relations of their own. */
	if (join->joins != NIL)
	{
		write_merged(pipeline, "$$ROOT", path);
		mtf_stage_write_word(pipeline, "$unset", name);
	}
}

static bool
write_lookup(MtfPipeline *pipeline, const MtfExprContext *context, const MtfJoin *join)
{
	StringInfo out = &pipeline->stages;
	MtfPipeline *child = lookup_pipeline(pipeline, context, join);
	char *key = psprintf("j%d", join->rel);
	char *name = join->joins == NIL ? mtf_relation_field(join->rel) : psprintf("s%d", join->rel);
	MtfStage lookup;

	if (first_computed_key(join) > 0)
		write_outer_key(pipeline, context, join, key);
	lookup = mtf_stage_begin(pipeline, "$lookup");
	mtf_write_word(out, "from", mtf_scope_collection(child->scope));
	if (first_computed_key(join) > 0)
	{
		mtf_write_word(out, "localField", key);
		mtf_write_word(out, "foreignField", ((MtfField *) linitial(join->inners))->path);
	}
	write_computed_keys(out, context, join);
	mtf_write_array(out, "pipeline", (const uint8 *) child->stages.data, child->stages.len);
	mtf_write_word(out, "as", name);
	mtf_stage_end(pipeline, lookup);
	if (join->kind == MTF_JOIN_ANTI)
		write_none_found(pipeline, name);
	else
		write_found(pipeline, join, name);
	return !child->empty;
}

static void
write_union_stage(MtfPipeline *pipeline, const MtfPipeline *child)
{
	StringInfo out = &pipeline->stages;
	MtfStage with = mtf_stage_begin(pipeline, "$unionWith");

	mtf_write_word(out, "coll", mtf_scope_collection(child->scope));
	mtf_write_array(out, "pipeline", (const uint8 *) child->stages.data, child->stages.len);
	mtf_stage_end(pipeline, with);
}

/*
 * The other half of a full join of `side` so far: the inner documents that find no partner, by a $lookup the
 * other way round.
 */
static void
write_unfound(MtfPipeline *pipeline, const MtfExprContext *context, const MtfJoin *side, int number)
{
	const MtfJoin *join = list_nth(side->joins, number);
	MtfExprContext alone = context_of_child(context);
	MtfPipeline *child = begin_child(pipeline, &alone, join->rel, join->terms);
	MtfJoin *back = mtf_join_create(side->rel, MTF_JOIN_ANTI, MTF_JOIN_LOOKUP);

	back->outers = join->inners;
	back->inners = join->outers;
	back->terms = side->terms;
	back->paths = side->paths;
	back->projects = side->projects;
	back->joins = list_truncate(list_copy(side->joins), number);
	write_joined(child, &alone, join);
	(void) write_lookup(child, &alone, back);
	write_union_stage(pipeline, mtf_pipeline_seal(child));
}

/* --- $unionWith and $group --------------------------------------------------------------------------- */

/* {$replaceWith: {k: {k0: …, k1: …}, side: "$$ROOT"}} */
static void
write_keyed(MtfPipeline *pipeline, const MtfExprContext *context, const List *fields,
			const char *side)
{
	StringInfo out = &pipeline->stages;
	MtfStage with = mtf_stage_begin(pipeline, "$replaceWith");
	MtfMark key = mtf_write_begin(out, "k");
	ListCell *cell;
	int i = 0;

	foreach (cell, fields)
		write_key_value(context, lfirst(cell), out, psprintf("k%d", i++));
	mtf_write_end(out, key);
	mtf_write_word(out, side, "$$ROOT");
	mtf_stage_end(pipeline, with);
}

/* {$match: {"k.k0": {$ne: null}, …}}: what has no key has no partner. */
static void
write_drop_unknown(MtfPipeline *pipeline, int nkeys)
{
	StringInfo out = &pipeline->stages;
	MtfStage match = mtf_stage_begin(pipeline, "$match");

	for (int i = 0; i < nkeys; i++)
	{
		MtfMark path = mtf_write_begin(out, psprintf("k.k%d", i));

		mtf_write_null(out, "$ne");
		mtf_write_end(out, path);
	}
	mtf_stage_end(pipeline, match);
}

/* The relations of which a document of everything joined has one at least: any of them may be missing in a full join. */
static List *
identities(int rel, const List *joins)
{
	List *rels = list_make1_int(rel);
	const ListCell *cell;

	foreach (cell, joins)
	{
		const MtfJoin *join = lfirst(cell);

		if (join->kind == MTF_JOIN_FULL)
			rels = list_concat(rels, identities(join->rel, join->joins));
	}
	return rels;
}

/* side: what tells its documents from each other, "$l.r0._id" or {r0: "$l.r0._id", r1: …}. */
static void
write_identity(StringInfo out, const char *side, const List *rels, bool wrapped)
{
	MtfMark each;
	const ListCell *cell;

	if (!wrapped)
	{
		mtf_write_word(out, side, psprintf("$%s._id", side));
		return;
	}
	if (list_length(rels) == 1)
	{
		mtf_write_word(out, side,
					   psprintf("$%s.%s._id", side, mtf_relation_field(linitial_int(rels))));
		return;
	}
	each = mtf_write_begin(out, side);
	foreach (cell, rels)
	{
		char *name = mtf_relation_field(lfirst_int(cell));

		mtf_write_word(out, name, psprintf("$%s.%s._id", side, name));
	}
	mtf_write_end(out, each);
}

/*
 * {$replaceWith: {k: {$cond: [all keys are known, "$k", {side: its `_id`}]}, side: "$side"}}: what has
 * no key stays, in a group of its own.
 */
static void
write_keep_unknown(MtfPipeline *pipeline, int nkeys, const char *side, const List *rels,
				   bool wrapped)
{
	StringInfo out = &pipeline->stages;
	MtfStage with = mtf_stage_begin(pipeline, "$replaceWith");
	MtfCall cond = mtf_call_begin(out, "k", "$cond");
	MtfCall all = mtf_call_begin(out, mtf_call_next(&cond), "$and");
	MtfMark alone;

	for (int i = 0; i < nkeys; i++)
		mtf_call_write_not_null(out, mtf_call_next(&all), psprintf("$k.k%d", i));
	mtf_call_end(out, &all);
	mtf_write_word(out, mtf_call_next(&cond), "$k");
	alone = mtf_write_begin(out, mtf_call_next(&cond));
	write_identity(out, side, rels, wrapped);
	mtf_write_end(out, alone);
	mtf_call_end(out, &cond);
	mtf_write_word(out, side, psprintf("$%s", side));
	mtf_stage_end(pipeline, with);
}

/* The inner collection's documents with their keys: {k: …, r: document}. */
static MtfPipeline *
union_pipeline(const MtfPipeline *parent, const MtfExprContext *context, const MtfJoin *join)
{
	MtfExprContext alone = context_of_child(context);
	MtfPipeline *child = begin_child(parent, &alone, join->rel, join->terms);
	int nkeys = list_length(join->inners);

	if (join->joins != NIL)
		write_joined(child, &alone, join);
	else if (join->projects)
		mtf_stage_write_projection(child, join->paths);
	write_keyed(child, &alone, join->inners, "r");
	if (join->kind == MTF_JOIN_FULL)
		write_keep_unknown(child, nkeys, "r", identities(join->rel, join->joins),
						   join->joins != NIL);
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
	MtfStage group = mtf_stage_begin(pipeline, "$group");

	mtf_write_word(out, "_id", "$k");
	write_collect(out, "l", "$push");
	write_collect(out, "r", existence ? "$max" : "$push");
	mtf_stage_end(pipeline, group);
}

/* {$match: {r: {$type: "object"}}}, or its opposite */
static void
write_partner_match(MtfPipeline *pipeline, bool found)
{
	StringInfo out = &pipeline->stages;
	MtfStage match = mtf_stage_begin(pipeline, "$match");
	MtfMark path = mtf_write_begin(out, "r");
	MtfMark not = found ? 0 : mtf_write_begin(out, "$not");

	mtf_write_word(out, "$type", "object");
	if (!found)
		mtf_write_end(out, not );
	mtf_write_end(out, path);
	mtf_stage_end(pipeline, match);
}

/* {$replaceWith: {$mergeObjects: ["$l", {r1: "$r"}]}}; without a partner nothing is r1. */
static void
write_merge(MtfPipeline *pipeline, const MtfJoin *join)
{
	StringInfo out = &pipeline->stages;
	MtfMark stage;
	MtfCall merge;
	MtfMark inner;

	if (join->kind == MTF_JOIN_ANTI)
	{
		mtf_stage_write_word(pipeline, "$replaceWith", "$l");
		return;
	}
	if (join->joins != NIL)
	{
		write_merged(pipeline, "$l", "$r");
		return;
	}
	stage = mtf_write_begin(out, mtf_stage_key(pipeline));
	merge = mtf_call_begin(out, "$replaceWith", "$mergeObjects");
	mtf_write_word(out, mtf_call_next(&merge), "$l");
	inner = mtf_write_begin(out, mtf_call_next(&merge));
	mtf_write_word(out, mtf_relation_field(join->rel), "$r");
	mtf_write_end(out, inner);
	mtf_call_end(out, &merge);
	mtf_write_end(out, stage);
}

static bool
write_union(MtfPipeline *pipeline, const MtfExprContext *context, const MtfJoin *side, int number)
{
	const MtfJoin *join = list_nth(side->joins, number);
	MtfPipeline *child = union_pipeline(pipeline, context, join);
	bool existence = join->kind == MTF_JOIN_SEMI || join->kind == MTF_JOIN_ANTI;

	write_keyed(pipeline, context, join->outers, "l");
	if (join->kind == MTF_JOIN_INNER || join->kind == MTF_JOIN_SEMI)
		write_drop_unknown(pipeline, list_length(join->outers));
	else
		write_keep_unknown(pipeline, list_length(join->outers), "l",
						   identities(side->rel, list_truncate(list_copy(side->joins), number)),
						   true);
	write_union_stage(pipeline, child);
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

/* One join of `side` to what was joined before: it names a collection only as its child's scope does. */
static void
write_join(MtfPipeline *pipeline, const MtfExprContext *context, const MtfJoin *side, int number)
{
	const MtfJoin *join = list_nth(side->joins, number);
	const MtfScope *scope = pipeline->scopes[join->rel];
	ListCell *cell;
	bool finds;

	if (mtf_scope_server(scope) != mtf_scope_server(pipeline->scope) ||
		strcmp(mtf_scope_database(scope), mtf_scope_database(pipeline->scope)) != 0)
		elog(ERROR, "a remote join reaches another database");
	finds = join->form == MTF_JOIN_HASH ? write_union(pipeline, context, side, number)
										: write_lookup(pipeline, context, join);
	if (join->form == MTF_JOIN_LOOKUP && join->kind == MTF_JOIN_FULL)
		write_unfound(pipeline, context, side, number);
	/* A full join that follows brings rows all the same. */
	if (!finds && (join->kind == MTF_JOIN_INNER || join->kind == MTF_JOIN_SEMI) &&
		!mtf_joins_are_full(side->joins))
		pipeline->empty = true;
	foreach (cell, join->filters)
		write_expression_match(pipeline, context, lfirst(cell));
}

/* The relations of a side, those marked in `pipeline` of which a document may be missing. */
static Bitmapset *
mark_optional(MtfPipeline *pipeline, int rel, const List *joins)
{
	Bitmapset *rels = bms_make_singleton(rel);
	const ListCell *cell;

	foreach (cell, joins)
	{
		const MtfJoin *join = lfirst(cell);
		Bitmapset *inner = mark_optional(pipeline, join->rel, join->joins);

		if (join->kind == MTF_JOIN_FULL)
			pipeline->optional = bms_add_members(pipeline->optional, rels);
		if (join->kind == MTF_JOIN_LEFT || join->kind == MTF_JOIN_ANTI ||
			join->kind == MTF_JOIN_FULL)
			pipeline->optional = bms_add_members(pipeline->optional, inner);
		rels = bms_join(rels, inner);
	}
	return rels;
}

void
mtf_stage_write_joins(MtfPipeline *pipeline, MtfExprContext *context, const MtfScanPlan *plan,
					  MtfScope **scopes)
{
	MtfJoin *whole = mtf_join_create(0, MTF_JOIN_INNER, MTF_JOIN_LOOKUP);

	whole->terms = plan->terms;
	whole->paths = plan->paths;
	whole->projects = plan->projects;
	whole->joins = plan->joins;
	pipeline->scopes = scopes;
	pipeline->nscopes = list_length(plan->relids);
	if (pipeline->empty)
		write_expression_match(pipeline, context, NULL);
	write_joined(pipeline, context, whole);
	(void) mark_optional(pipeline, 0, plan->joins);
}
