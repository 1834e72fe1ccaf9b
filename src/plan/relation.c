/*
 * relation.c
 *	  What planning knows about a base foreign table.
 */
#include "plan/relation.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

#include "plan/setting.h"
#include "plan/shippable.h"

bool
mtf_is_remote_relation(RelOptInfo *rel)
{
	if (rel->fdw_private == NULL || IS_DUMMY_REL(rel) || rel->lateral_relids != NULL)
		return false;
	return IS_JOIN_REL(rel) || (IS_SIMPLE_REL(rel) && rel->rtekind == RTE_RELATION);
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

MtfLowering *
mtf_lowering_of_list(PlannerInfo *root, List *baserels)
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
	return mtf_lowering_of_list(root, list_make1(baserel));
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
		MtfJoin *join = list_nth(plan->joins, rel - 1);

		join->projects = keep_column(&join->paths, join->projects, column);
	}
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
			return false;
		term = mtf_classify_filter(lowering, (Node *) clause->clause, &ship, &why);
		if (ship != MTF_SHIP_EXACT)
			return false;
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

/*
 * Are the fields' canonical values equal if and only if the columns' values are?  Not numerics, whose
 * equal values may differ there.
 */
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
	bool first =
		mtf_fields_meet(outer, inner) &&
		(join->inners == NIL || !mtf_fields_meet(linitial(join->outers), linitial(join->inners)) ||
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

/* Is the clause `earlier field = inner field`?  Then it is a key of the join. */
static bool
find_key(MtfLowering *lowering, RestrictInfo *clause, MtfJoin *join)
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
	left = mtf_lowering_field(lowering, linitial(expr->args));
	right = mtf_lowering_field(lowering, lsecond(expr->args));
	if (left == NULL || right == NULL)
		return false;
	if (left->rel == join->rel)
	{
		MtfField *swap = left;

		left = right;
		right = swap;
	}
	if (right->rel != join->rel || left->rel >= join->rel || !fields_join(left, right))
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
			return false;
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

	if (inner_only && join->kind != MTF_JOIN_FULL)
		return add_clauses(plan, lowering, list_make1(clause), &join->terms);
	return join->kind == MTF_JOIN_INNER &&
		   add_clauses(plan, lowering, list_make1(clause), &join->filters);
}

static bool
add_step(PlannerInfo *root, MtfScanPlan *plan, MtfLowering *lowering, const MtfJoinStep *step,
		 int rel)
{
	MtfJoin *join = mtf_join_create(rel, step->kind, step->form);
	ListCell *cell;

	plan->joins = lappend(plan->joins, join);
	if (step->kind == MTF_JOIN_FULL && rel != 1)
		return false;
	if (!add_clauses(plan, lowering, step->inner->baserestrictinfo, &join->terms) ||
		!project_used(root, plan, rel, step->inner))
		return false;
	foreach (cell, step->clauses)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);

		if (clause->pseudoconstant)
			return false;
		if (find_key(lowering, clause, join))
			plan->decisions = lappend(
				plan->decisions,
				mtf_decision_create(MTF_SHIP_EXACT, copyObject((Node *) clause->clause), NULL));
		else if (!add_join_clause(plan, lowering, clause, join))
			return false;
	}
	if (!has_key(join) || !add_clauses(plan, lowering, step->filters, &join->filters))
		return false;
	/* Documents that stay without a key are kept apart by their `_id`. */
	if (join->form == MTF_JOIN_HASH && step->kind != MTF_JOIN_INNER && step->kind != MTF_JOIN_SEMI)
		keep_path(&plan->paths, plan->projects, "_id");
	if (step->kind == MTF_JOIN_FULL)
		keep_path(&join->paths, join->projects, "_id");
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
mtf_remote_begin(PlannerInfo *root, RelOptInfo *rel, MtfScanPlan *plan)
{
	MtfJoinInfo *info = IS_JOIN_REL(rel) ? rel->fdw_private : NULL;
	List *baserels = info == NULL ? list_make1(rel) : info->baserels;
	RelOptInfo *driving = linitial(baserels);
	MtfLowering *lowering = mtf_lowering_of_list(root, baserels);
	ListCell *cell;
	int i = 1;

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
	foreach (cell, info->steps)
		if (!add_step(root, plan, lowering, lfirst(cell), i++))
			return NULL;
	return lowering;
}
