/*
 * relation.c
 *	  What planning knows about a base foreign table.
 */
#include "plan/relation.h"

#include "foreign/fdwapi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

#include "plan/plan_scan.h"
#include "plan/setting.h"
#include "plan/shippable.h"

bool
mtf_is_ours(RelOptInfo *rel)
{
	return IS_SIMPLE_REL(rel) && rel->fdwroutine != NULL &&
		   rel->fdwroutine->GetForeignRelSize == mtfGetForeignRelSize;
}

bool
mtf_is_read_only(PlannerInfo *root)
{
	CmdType command = root->parse->commandType;

	return command == CMD_SELECT || command == CMD_INSERT;
}

bool
mtf_is_remote_relation(RelOptInfo *rel)
{
	if (rel->fdw_private == NULL || IS_DUMMY_REL(rel) || rel->lateral_relids != NULL)
		return false;
	return IS_JOIN_REL(rel) || (IS_SIMPLE_REL(rel) && rel->rtekind == RTE_RELATION);
}

const MtfPrices *
mtf_prices_of(RelOptInfo *rel)
{
	if (IS_JOIN_REL(rel))
		rel = linitial(((MtfJoinInfo *) rel->fdw_private)->baserels);
	return &((MtfRelInfo *) rel->fdw_private)->prices;
}

double
mtf_documents_below(RelOptInfo *rel)
{
	if (IS_JOIN_REL(rel))
		return ((MtfJoinInfo *) rel->fdw_private)->rows;
	return clamp_row_est(rel->tuples * ((MtfRelInfo *) rel->fdw_private)->index_selectivity);
}

/* Of a join whose rows PostgreSQL makes the reason is shown by the scan of its first table. */
void
mtf_explain_local(RelOptInfo *rel, Expr *clause, const char *why)
{
	MtfDecision *decision;
	MtfRelInfo *info;

	if (why == NULL)
		return;
	decision = mtf_decision_create(MTF_SHIP_LOCAL, copyObject((Node *) clause), why);
	if (IS_JOIN_REL(rel))
	{
		MtfJoinInfo *join = rel->fdw_private;

		join->local = list_append_unique(join->local, decision);
		rel = linitial(join->baserels);
	}
	info = rel->fdw_private;
	info->local = list_append_unique(info->local, decision);
}

/* Does the scan itself decide about the clause, for all that is joined to it? */
static bool
is_exact(const MtfScanPlan *plan, const Node *clause)
{
	const ListCell *cell;

	foreach (cell, plan->decisions)
	{
		const MtfDecision *decision = lfirst(cell);

		if (decision->ship == MTF_SHIP_EXACT && equal(decision->clause, clause))
			return true;
	}
	return false;
}

void
mtf_plan_explain_joins(MtfScanPlan *plan, RelOptInfo *rel)
{
	List *baserels =
		IS_JOIN_REL(rel) ? ((MtfJoinInfo *) rel->fdw_private)->baserels : list_make1(rel);
	List *decisions = NIL;
	ListCell *cell;

	foreach (cell, baserels)
	{
		const MtfRelInfo *info = ((RelOptInfo *) lfirst(cell))->fdw_private;
		ListCell *join;

		foreach (join, info->joins)
			if (!is_exact(plan, ((MtfDecision *) lfirst(join))->clause))
				decisions = lappend(decisions, copyObject(lfirst(join)));
	}
	plan->decisions = list_concat(plan->decisions, decisions);
}

/* A lowering over several base relations (their RelOptInfos). */
static MtfLowering *
lowering_of_list(PlannerInfo *root, List *baserels)
{
	MtfLowerRel *rels = palloc(sizeof(MtfLowerRel) * list_length(baserels));
	ListCell *cell;
	int n = 0;

	foreach (cell, baserels)
	{
		RelOptInfo *baserel = lfirst(cell);

		rels[n].rti = baserel->relid;
		rels[n++].map = ((MtfRelInfo *) baserel->fdw_private)->map;
	}
	return mtf_lowering_create(root, n, rels);
}

MtfLowering *
mtf_lowering_of(PlannerInfo *root, RelOptInfo *baserel)
{
	return lowering_of_list(root, list_make1(baserel));
}

MtfTerm *
mtf_classify_filter(MtfLowering *lowering, Node *clause, MtfShip *ship, const char **why)
{
	if (mtf_setting_enable_filter_pushdown)
		return mtf_classify(lowering, clause, ship, why);
	*ship = MTF_SHIP_LOCAL;
	*why = "mongo_tenant.enable_filter_pushdown is off";
	return NULL;
}

static void
keep_path(List **paths, bool projects, const char *path)
{
	if (projects)
		*paths = lappend(*paths, makeString(pstrdup(path)));
}

/* Names a column in a projection; false: none can (the whole document, odd names). */
static bool
keep_column(List **paths, bool projects, const MtfColumn *column)
{
	if (!projects || !mtf_column_is_addressable(column))
	{
		*paths = NIL;
		return false;
	}
	keep_path(paths, true, column->path);
	return true;
}

void
mtf_plan_project_column(MtfScanPlan *plan, int rel, const MtfColumn *column)
{
	if (rel == 0)
		plan->projects = keep_column(&plan->paths, plan->projects, column);
	else
	{
		MtfJoin *join = mtf_join_find(plan->joins, rel);

		join->projects = keep_column(&join->paths, join->projects, column);
	}
}

/* --- why not ------------------------------------------------------------------------------------------- */

static const char *reason = NULL; /* of the planning that is going on */

const char *
mtf_remote_reason(void)
{
	return reason;
}

static bool
is_local(const char *why)
{
	reason = why;
	return false;
}

/* --- exact clauses -------------------------------------------------------------------------------- */

/* Lower clauses (RestrictInfos) in exact form, into `terms`; false when one has none. */
static bool
add_clauses(MtfScanPlan *plan, MtfLowering *lowering, List *clauses, List **terms)
{
	ListCell *cell;

	foreach (cell, clauses)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);
		const char *why;
		MtfShip ship;
		MtfTerm *term;

		if (clause->pseudoconstant)
			return is_local("a condition without columns");
		term = mtf_classify_filter(lowering, (Node *) clause->clause, &ship, &why);
		if (ship != MTF_SHIP_EXACT)
			return is_local(why == NULL ? "a condition without an exact form"
										: psprintf("a condition without an exact form: %s", why));
		*terms = lappend(*terms, term);
		plan->decisions =
			lappend(plan->decisions,
					mtf_decision_create(MTF_SHIP_EXACT, copyObject((Node *) clause->clause), NULL));
	}
	return true;
}

/* --- joins ------------------------------------------------------------------------------------------ */

static bool
is_integer(const MtfField *field)
{
	return field->kind >= MTF_KIND_INT2 && field->kind <= MTF_KIND_INT8;
}

static bool
is_text(const MtfField *field)
{
	return field->kind == MTF_KIND_TEXT || field->kind == MTF_KIND_OBJECTID;
}

/* Are the fields' canonical values equal if and only if the columns' values are? */
static bool
fields_join(const MtfField *outer, const MtfField *inner)
{
	if (!outer->exact || !inner->exact)
		return false;
	if (is_integer(outer) && is_integer(inner))
		return true;
	if (is_text(outer) && is_text(inner))
		return true;
	switch ((MtfKind) inner->kind)
	{
		case MTF_KIND_FLOAT8:
		case MTF_KIND_NUMERIC:
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ:
		case MTF_KIND_UUID:
		case MTF_KIND_BOOL: return inner->kind == outer->kind;
		default: return false;
	}
}

/* The first key of a $lookup is compared as it stands; `_id` has an index. */
static void
add_key(MtfJoin *join, MtfField *outer, MtfField *inner)
{
	bool first = mtf_join_meets(join, outer, inner) &&
				 (join->inners == NIL ||
				  !mtf_join_meets(join, linitial(join->outers), linitial(join->inners)) ||
				  strcmp(inner->path, "_id") == 0);

	join->outers = first ? lcons(outer, join->outers) : lappend(join->outers, outer);
	join->inners = first ? lcons(inner, join->inners) : lappend(join->inners, inner);
}

static bool
has_key(const MtfJoin *join)
{
	if (join->inners == NIL)
		return false;
	return join->form == MTF_JOIN_HASH || mtf_join_can_look_up(join);
}

/* The fields of a column, or of COALESCE of several: what the merged column of FULL JOIN … USING is. */
static bool
add_fields(MtfLowering *lowering, Node *node, List **fields)
{
	MtfField *field;
	ListCell *cell;

	if (!IsA(node, CoalesceExpr))
	{
		field = mtf_lowering_field(lowering, node);
		*fields = lappend(*fields, field);
		return field != NULL;
	}
	foreach (cell, ((CoalesceExpr *) node)->args)
		if (!add_fields(lowering, lfirst(cell), fields))
			return false;
	return true;
}

/* One side of a key as one field, those that stand for it with it; NULL: it is not made of fields. */
static MtfField *
key_field(MtfLowering *lowering, Node *node)
{
	List *fields = NIL;
	MtfField *first;

	if (!add_fields(lowering, node, &fields))
		return NULL;
	first = linitial(fields);
	first->others = list_copy_tail(fields, 1);
	return first;
}

/* Are all fields of the key's side of relations from `first` up to before `end`? */
static bool
is_of(const MtfField *field, int first, int end)
{
	const ListCell *cell;

	if (field->rel < first || field->rel >= end)
		return false;
	foreach (cell, field->others)
		if (!is_of(lfirst(cell), first, end))
			return false;
	return true;
}

/* fields_join() of each field of the two sides. */
static bool
sides_join(const MtfField *outer, const MtfField *inner)
{
	const ListCell *cell;

	if (!fields_join(outer, inner))
		return false;
	foreach (cell, outer->others)
		if (!fields_join(lfirst(cell), inner))
			return false;
	foreach (cell, inner->others)
		if (!fields_join(outer, lfirst(cell)))
			return false;
	return true;
}

/* Is the clause `earlier field = field of the n inner relations`?  Then it is a key of the join. */
static bool
find_key(MtfLowering *lowering, RestrictInfo *clause, MtfJoin *join, int n)
{
	OpExpr *expr = (OpExpr *) clause->clause;
	const MtfShippable *row;
	MtfField *left;
	MtfField *right;

	if (!IsA(expr, OpExpr) || list_length(expr->args) != 2 ||
		(row = mtf_shippable_find(expr->opfuncid)) == NULL || row->form != MTF_FORM_COMPARE ||
		row->op != MTF_OP_EQ ||
		(OidIsValid(expr->inputcollid) && !get_collation_isdeterministic(expr->inputcollid)))
		return false;
	left = key_field(lowering, linitial(expr->args));
	right = key_field(lowering, lsecond(expr->args));
	if (left == NULL || right == NULL)
		return false;
	if (left->rel >= join->rel)
	{
		MtfField *swap = left;

		left = right;
		right = swap;
	}
	if (!is_of(right, join->rel, join->rel + n) || !is_of(left, 0, join->rel) ||
		!sides_join(left, right))
		return false;
	add_key(join, left, right);
	return true;
}

/* All columns of a base relation that are used above its scan must travel. */
static bool
project_used(PlannerInfo *root, MtfScanPlan *plan, int rel, RelOptInfo *baserel)
{
	const MtfColumnMap *map = ((MtfRelInfo *) baserel->fdw_private)->map;
	ListCell *cell;

	foreach (cell, pull_var_clause((Node *) baserel->reltarget->exprs, PVC_RECURSE_PLACEHOLDERS))
	{
		Var *var = lfirst_node(Var, cell);

		if (var->varattno < 1 || var->varattno > map->natts ||
			map->columns[var->varattno - 1] == NULL)
			return is_local("whole rows or system columns");
		mtf_plan_project_column(plan, rel, map->columns[var->varattno - 1]);
	}
	return true;
}

/* A clause of the join that is no key: on the inner documents alone, or (inner joins) on both. */
static bool
add_join_clause(MtfScanPlan *plan, MtfLowering *lowering, RestrictInfo *clause, MtfJoin *join)
{
	bool inner_only = bms_membership(clause->clause_relids) == BMS_SINGLETON &&
					  bms_is_member(lowering->rels[join->rel].rti, clause->clause_relids);

	if (inner_only && join->joins == NIL && join->kind != MTF_JOIN_FULL)
		return add_clauses(plan, lowering, list_make1(clause), &join->terms);
	if (join->kind != MTF_JOIN_INNER)
		return is_local("no equality of fields that compare alike, in other than an inner join");
	return add_clauses(plan, lowering, list_make1(clause), &join->filters);
}

/* How many base relations a step adds. */
static int
count_relations(const MtfJoinStep *step)
{
	return step->nested == NULL ? 1 : list_length(step->nested->baserels);
}

static void
keep_id(MtfScanPlan *plan, int rel)
{
	MtfJoin *join = rel == 0 ? NULL : mtf_join_find(plan->joins, rel);

	if (join == NULL)
		keep_path(&plan->paths, plan->projects, "_id");
	else
		keep_path(&join->paths, join->projects, "_id");
}

/* Of a hash join documents that stay without a key are kept apart by the `_id`s of what they are made of. */
static void
keep_identity(MtfScanPlan *plan, int rel, const List *joins)
{
	const ListCell *cell;

	keep_id(plan, rel);
	foreach (cell, joins)
	{
		const MtfJoin *join = lfirst(cell);

		if (join->kind == MTF_JOIN_FULL)
			keep_identity(plan, join->rel, join->joins);
	}
}

static bool add_steps(PlannerInfo *root, MtfScanPlan *plan, MtfLowering *lowering,
					  const MtfJoinInfo *info, int first, List **joins);

/* The join conditions of a step: keys, and what else is tested. */
static bool
add_step_clauses(MtfScanPlan *plan, MtfLowering *lowering, const MtfJoinStep *step, MtfJoin *join)
{
	ListCell *cell;

	foreach (cell, step->clauses)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);

		if (clause->pseudoconstant)
			return is_local("a condition without columns");
		if (find_key(lowering, clause, join, count_relations(step)))
			plan->decisions = lappend(
				plan->decisions,
				mtf_decision_create(MTF_SHIP_EXACT, copyObject((Node *) clause->clause), NULL));
		else if (!add_join_clause(plan, lowering, clause, join))
			return false;
	}
	if (!has_key(join))
		return is_local(join->inners == NIL ? "no equality of fields that compare alike"
											: "no key that $lookup compares as it stands");
	return add_clauses(plan, lowering, step->filters, &join->filters);
}

/* Add one step to `joins`, which are those of relation `first` and what was joined to it so far. */
static bool
add_step(PlannerInfo *root, MtfScanPlan *plan, MtfLowering *lowering, const MtfJoinStep *step,
		 int first, int rel, List **joins)
{
	MtfJoin *join = mtf_join_create(rel, step->kind, step->form);
	RelOptInfo *driving = step->nested == NULL ? step->inner : linitial(step->nested->baserels);

	*joins = lappend(*joins, join);
	/* Both ways for each: of more than two relations that is many times the work of a join made here. */
	if (step->form == MTF_JOIN_LOOKUP && step->kind == MTF_JOIN_FULL &&
		list_length(plan->relids) > 2)
		return is_local("a full join by $lookup");
	if (!add_clauses(plan, lowering, driving->baserestrictinfo, &join->terms) ||
		!project_used(root, plan, rel, driving))
		return false;
	if (step->nested != NULL && !add_steps(root, plan, lowering, step->nested, rel, &join->joins))
		return false;
	if (!add_step_clauses(plan, lowering, step, join))
		return false;
	if (join->form == MTF_JOIN_HASH && step->kind != MTF_JOIN_INNER && step->kind != MTF_JOIN_SEMI)
		keep_identity(plan, first, list_truncate(list_copy(*joins), list_length(*joins) - 1));
	if (step->kind == MTF_JOIN_FULL)
		keep_identity(plan, rel, join->joins);
	return true;
}

static bool
add_steps(PlannerInfo *root, MtfScanPlan *plan, MtfLowering *lowering, const MtfJoinInfo *info,
		  int first, List **joins)
{
	int rel = first + 1;
	ListCell *cell;

	foreach (cell, info->steps)
	{
		const MtfJoinStep *step = lfirst(cell);

		if (!add_step(root, plan, lowering, step, first, rel, joins))
			return false;
		rel += count_relations(step);
	}
	return true;
}

/* --- the whole --------------------------------------------------------------------------------------- */

static void
add_relation(PlannerInfo *root, MtfScanPlan *plan, RelOptInfo *baserel)
{
	plan->relids = lappend_oid(plan->relids, root->simple_rte_array[baserel->relid]->relid);
	plan->rtis = lappend_int(plan->rtis, baserel->relid);
	plan->proofs = lappend(plan->proofs, ((MtfRelInfo *) baserel->fdw_private)->proof);
}

MtfLowering *
mtf_remote_begin(PlannerInfo *root, RelOptInfo *rel, MtfScanPlan *plan, bool takes_patterns)
{
	MtfJoinInfo *info = IS_JOIN_REL(rel) ? rel->fdw_private : NULL;
	List *baserels = info == NULL ? list_make1(rel) : info->baserels;
	RelOptInfo *driving = linitial(baserels);
	MtfLowering *lowering = lowering_of_list(root, baserels);
	ListCell *cell;

	lowering->takes_patterns = takes_patterns;
	plan->exact = true;
	plan->projects = true;
	foreach (cell, baserels)
		add_relation(root, plan, lfirst(cell));
	if (!add_clauses(plan, lowering, driving->baserestrictinfo, &plan->terms))
		return NULL;
	plan->index = mtf_facts_choose_index(((MtfRelInfo *) driving->fdw_private)->facts, plan->terms);
	if (info == NULL)
		return lowering;
	if (!project_used(root, plan, 0, driving))
		return NULL;
	return add_steps(root, plan, lowering, info, 0, &plan->joins) ? lowering : NULL;
}
