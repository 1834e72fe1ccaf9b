/*
 * plan_upper.c
 *	  Planner callbacks above scans: LIMIT with its ORDER BY.
 *
 * Above a scan nothing can be rechecked any more: a row that the server counts or cuts off is gone.
 * So a clause that is not exact keeps the whole step local, and sort keys are computed so that what
 * does not decode sorts as the NULL that it is here.
 *
 * What must not happen here: LIMIT above a superset.
 */
#include "plan/plan_upper.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "plan/collation.h"
#include "plan/cost.h"
#include "plan/late_pattern.h"
#include "plan/node.h"
#include "plan/plan_group.h"
#include "plan/plan_top.h"
#include "plan/relation.h"
#include "plan/setting.h"

ForeignScan *
mtf_upper_foreign_plan(ForeignPath *path, List *tlist, Plan *outer_plan)
{
	MtfUpperPlan *upper = linitial(path->fdw_private);

	if (IS_JOIN_REL(path->path.parent))
	{
		upper->plan->decisions = list_concat_unique(
			upper->plan->decisions, ((MtfJoinInfo *) path->path.parent->fdw_private)->local);
		mtf_plan_explain_joins(upper->plan, path->path.parent);
	}
	/* What computes the same here (plan_group.c) brings rows of the same attributes. */
	if (outer_plan != NULL)
		outer_plan->targetlist = copyObject(upper->scan_tlist);
	return make_foreignscan(tlist, upper->quals, 0, upper->values, list_make1(upper->plan),
							upper->scan_tlist, NIL, outer_plan);
}

/* --- the sort ------------------------------------------------------------------------------------- */

/* The member of an equivalence class that is a column of ours, else NULL. */
static Expr *
member_column(EquivalenceClass *ec, Relids relids)
{
	ListCell *cell;

	foreach (cell, ec->ec_members)
	{
		EquivalenceMember *member = lfirst(cell);
		Node *node = (Node *) member->em_expr;

		while (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		if (!member->em_is_const && IsA(node, Var) && bms_is_member(((Var *) node)->varno, relids))
			return member->em_expr;
	}
	return NULL;
}

/* A value of groups that the server has; as the last key also one that has more digits there. */
static Expr *
member_known(MtfLowering *lowering, EquivalenceClass *ec, bool last, MtfField **field)
{
	ListCell *cell;
	ListCell *other;

	foreach (cell, ec->ec_members)
	{
		EquivalenceMember *member = lfirst(cell);

		foreach (other, lowering->known)
		{
			const MtfKnown *known = lfirst(other);

			if (member->em_is_const || !equal(known->expr, member->em_expr) ||
				(known->rounded && !last))
				continue;
			*field = copyObject(known->field);
			return member->em_expr;
		}
	}
	return NULL;
}

/* The member of an equivalence class that the lowering has a field for. */
static Expr *
member_field(MtfLowering *lowering, EquivalenceClass *ec, bool last, MtfField **field)
{
	Expr *column;

	*field = NULL;
	if (lowering->over_groups)
		return member_known(lowering, ec, last, field);
	if ((column = member_column(ec, lowering->relids)) != NULL)
		*field = mtf_lowering_field(lowering, (Node *) column);
	return column;
}

/* Why the server does not order the field's canonical values as PostgreSQL orders the column's; or NULL. */
static const char *
sort_obstacle(const MtfField *field, Oid collation, bool last)
{
	if (!field->exact)
		return "the server cannot tell what of the column decodes";
	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_TEXT:
		case MTF_KIND_OBJECTID:
			return mtf_collation_is_byte_order(collation)
					   ? NULL
					   : psprintf("collation %s is not byte order", get_collation_name(collation));
		/* Instants of one day are equal days: a later key would not break their tie. */
		case MTF_KIND_DATE: return last ? NULL : "a date before other keys";
		default: return NULL;
	}
}

/* Does a condition that is sent leave only documents in which the field decodes and is not NULL? */
static bool
is_proven_known(const MtfScanPlan *plan, const MtfField *field)
{
	ListCell *cell;

	/* What a full join adds was not tested. */
	if (mtf_joins_are_full(plan->joins))
		return false;
	foreach (cell, plan->terms)
	{
		const MtfTerm *term = lfirst(cell);

		if (term->field == NULL || term->field->rel != field->rel ||
			strcmp(term->field->path, field->path) != 0)
			continue;
		if (term->kind == MTF_TERM_NOT_NULL || term->kind == MTF_TERM_ANY)
			return true;
		if (term->kind == MTF_TERM_COMPARE && term->op != MTF_OP_DISTINCT &&
			term->op != MTF_OP_NOT_DISTINCT)
			return true;
	}
	return false;
}

/*
 * May the field itself be the sort key, so that an index can serve?  The server sorts null and missing
 * lowest, and NaN below all numbers; ObjectIds and strings do not mix.
 */
static bool
sorts_plainly(const MtfScanPlan *plan, const MtfLowering *lowering, const MtfSortKey *key)
{
	const MtfField *field = key->field;
	ListCell *cell;

	if (field->kind == MTF_KIND_FLOAT8 || field->kind == MTF_KIND_NUMERIC || field->any_id)
		return false;
	/* The terms are about documents, not about groups. */
	if (lowering->over_groups)
	{
		foreach (cell, lowering->known)
			if (equal(((MtfKnown *) lfirst(cell))->field, field) &&
				((MtfKnown *) lfirst(cell))->never_null)
				return true;
		return key->descending != key->nulls_first;
	}
	if (is_proven_known(plan, field))
		return true;
	return field->trust && key->descending != key->nulls_first;
}

/* The usual order of the column's type, not one of USING or of another operator class. */
static bool
is_default_order(const PathKey *pathkey, Expr *column)
{
	Oid type = exprType((Node *) column);

	return pathkey->pk_opfamily == lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
}

/* The field to sort by; NULL, with the reason, when the key has no remote form. */
static MtfField *
sort_field(MtfLowering *lowering, const PathKey *pathkey, bool last)
{
	EquivalenceClass *ec = pathkey->pk_eclass;
	const char *why = NULL;
	MtfField *field;
	Expr *column = member_field(lowering, ec, last, &field);

	if (column == NULL || field == NULL || ec->ec_has_volatile)
		why = lowering->over_groups ? "a value that is rounded or made here"
									: "no column that has a remote form";
	else if (!is_default_order(pathkey, column))
		why = "an order that is not the type's own";
	else
		why = sort_obstacle(field, ec->ec_collation, last);
	if (why == NULL)
		return field;
	mtf_lowering_local(lowering, psprintf("ORDER BY: %s", why));
	return NULL;
}

bool
mtf_upper_add_sort(MtfScanPlan *plan, MtfLowering *lowering, List *pathkeys)
{
	ListCell *cell;

	foreach (cell, pathkeys)
	{
		PathKey *pathkey = lfirst_node(PathKey, cell);
		MtfField *field = sort_field(lowering, pathkey, lnext(pathkeys, cell) == NULL);
		MtfSortKey *key;

		if (field == NULL)
			return false;
		key = mtf_sort_key_create(field, mtf_compat_pathkey_is_descending(pathkey),
								  pathkey->pk_nulls_first);
		key->plain = sorts_plainly(plan, lowering, key);
		plan->sort = lappend(plan->sort, key);
	}
	return true;
}

static bool
all_plain(const List *sort)
{
	ListCell *cell;

	foreach (cell, sort)
		if (!((MtfSortKey *) lfirst(cell))->plain)
			return false;
	return true;
}

const char *
mtf_upper_sort_reason(PlannerInfo *root, MtfLowering *lowering, List *terms)
{
	const Query *parse = root->parse;

	if (root->sort_pathkeys == NIL || parse->limitCount != NULL || parse->limitOffset != NULL ||
		parse->groupClause != NIL || parse->hasAggs || parse->hasWindowFuncs ||
		parse->distinctClause != NIL || parse->setOperations != NULL ||
		bms_membership(root->all_baserels) != BMS_SINGLETON)
		return NULL;
	if (!mtf_setting_enable_sort_pushdown)
		return "ORDER BY: mongo_tenant.enable_sort_pushdown is off";
	lowering->why = NULL;
	if (mtf_upper_plain_sort(lowering, terms, root->sort_pathkeys) != NIL)
		return "ORDER BY: sorted here, which is believed to cost less";
	return lowering->why != NULL ? lowering->why
								 : "ORDER BY: the fields do not sort as they stand, and all rows "
								   "come in any case";
}

List *
mtf_upper_plain_sort(MtfLowering *lowering, List *terms, List *pathkeys)
{
	MtfScanPlan *plan = mtf_scan_plan_create();

	plan->terms = terms;
	if (pathkeys == NIL || !mtf_setting_enable_sort_pushdown ||
		!mtf_upper_add_sort(plan, lowering, pathkeys) || !all_plain(plan->sort))
		return NIL;
	return plan->sort;
}

/* --- what comes back ------------------------------------------------------------------------------- */

bool
mtf_upper_add_columns(MtfUpperPlan *upper, MtfLowering *lowering, List *exprs)
{
	List *vars = pull_var_clause((Node *) exprs, PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
													 PVC_RECURSE_PLACEHOLDERS);
	MtfScanPlan *plan = upper->plan;
	ListCell *cell;

	foreach (cell, vars)
	{
		Var *var = lfirst_node(Var, cell);
		const MtfLowerRel *rel = NULL;
		int i;

		if (tlist_member((Expr *) var, upper->scan_tlist) != NULL)
			continue;
		for (i = 0; i < lowering->nrels && rel == NULL; i++)
			if (lowering->rels[i].rti == var->varno)
				rel = &lowering->rels[i];
		/* No whole rows, no system columns. */
		if (rel == NULL || var->varattno < 1 || var->varattno > rel->map->natts ||
			rel->map->columns[var->varattno - 1] == NULL)
			return false;
		mtf_plan_project_column(plan, rel - lowering->rels, rel->map->columns[var->varattno - 1]);
		plan->outputs =
			lappend(plan->outputs, mtf_output_create(rel - lowering->rels, var->varattno, NULL));
		upper->scan_tlist =
			lappend(upper->scan_tlist, makeTargetEntry((Expr *) copyObject(var),
													   list_length(plan->outputs), NULL, false));
	}
	/* A scan without attributes would be no scan: give it one. */
	if (plan->outputs == NIL)
	{
		plan->outputs = list_make1(mtf_output_create(-1, 0, NULL));
		upper->scan_tlist = list_make1(
			makeTargetEntry((Expr *) makeNullConst(INT4OID, -1, InvalidOid), 1, NULL, false));
	}
	return true;
}

/* --- LIMIT ------------------------------------------------------------------------------------------ */

const char *
mtf_upper_limit_off(PlannerInfo *root)
{
	if (!mtf_setting_enable_limit_pushdown)
		return "LIMIT: mongo_tenant.enable_limit_pushdown is off";
	if (root->sort_pathkeys != NIL && !mtf_setting_enable_sort_pushdown)
		return "LIMIT: mongo_tenant.enable_sort_pushdown is off";
	return NULL;
}

/* What else happens between the rows of the scan and LIMIT; NULL: nothing. */
static const char *
step_between(PlannerInfo *root)
{
	if (root->parse->rowMarks != NIL)
		return "LIMIT: rows that are locked may be tested again here";
	if (root->parse->hasTargetSRFs)
		return "LIMIT: functions that return sets are computed here";
	if (root->parse->hasWindowFuncs)
		return "LIMIT: window functions are computed here";
	return mtf_upper_limit_off(root);
}

/* The table or join below the final step, when there is nothing else in between; else NULL. */
static RelOptInfo *
remote_input(PlannerInfo *root, RelOptInfo *input_rel)
{
	Query *parse = root->parse;

	if (parse->commandType != CMD_SELECT || parse->groupClause != NIL ||
		parse->groupingSets != NIL || parse->hasAggs || parse->distinctClause != NIL ||
		parse->setOperations != NULL || parse->havingQual != NULL || root->hasHavingQual)
		return NULL;
	/* With ORDER BY the step below is the sort's. */
	if (IS_UPPER_REL(input_rel))
		input_rel = mtf_compat_scanjoin_rel(root);
	if (input_rel == NULL || !mtf_is_remote_relation(input_rel))
		return NULL;
	if (IS_SIMPLE_REL(input_rel) &&
		(input_rel->reloptkind != RELOPT_BASEREL || root->simple_rte_array[input_rel->relid]->inh))
		return NULL;
	return input_rel;
}

bool
mtf_upper_add_limit(MtfScanPlan *plan, MtfLowering *lowering, Query *parse)
{
	if ((parse->limitCount == NULL ||
		 (plan->limit = mtf_lowering_value(lowering, parse->limitCount)) >= 0) &&
		(parse->limitOffset == NULL ||
		 (plan->offset = mtf_lowering_value(lowering, parse->limitOffset)) >= 0))
		return true;
	mtf_lowering_local(lowering, "LIMIT: a count that is no value");
	return false;
}

/* LIMIT and OFFSET together: NULL, which is no limit, where there is none or the sum is none. */
static Node *
count_with_offset(const Query *parse)
{
	/* A negative one is an error, but not the server's. */
	Node *offset = mtf_node_greatest(copyObject(parse->limitOffset), mtf_node_int8(0));
	Node *room;
	Node *fits;

	room = mtf_node_call(F_INT8MI, INT8OID,
						 list_make2(mtf_node_int8(PG_INT64_MAX), copyObject(offset)));
	fits = mtf_node_call(F_INT8LE, BOOLOID, list_make2(copyObject(parse->limitCount), room));
	return mtf_node_choose(
		fits, mtf_node_call(F_INT8PL, INT8OID, list_make2(copyObject(parse->limitCount), offset)),
		NULL);
}

bool
mtf_upper_add_limit_and_offset(MtfScanPlan *plan, MtfLowering *lowering, PlannerInfo *root,
							   const char *why_not)
{
	if (root->parse->limitCount == NULL)
		return mtf_lowering_local(lowering, why_not) != NULL;
	if (root->parse->limitOffset == NULL)
		return mtf_upper_add_limit(plan, lowering, root->parse);
	plan->limit =
		mtf_lowering_value(lowering, eval_const_expressions(root, count_with_offset(root->parse)));
	return plan->limit >= 0 ||
		   mtf_lowering_local(lowering, "LIMIT: a count that is no value") != NULL;
}

Path *
mtf_upper_limit_here(PlannerInfo *root, RelOptInfo *final_rel, Path *path,
					 FinalPathExtraData *extra)
{
	return (Path *) create_limit_path(root, final_rel, path, root->parse->limitOffset,
									  root->parse->limitCount, LIMIT_OPTION_COUNT,
									  extra->offset_est, extra->count_est);
}

/* A pattern that turns out to have no exact form: the conditions are tested here, and LIMIT ends here. */
static bool
add_recheck(PlannerInfo *root, RelOptInfo *rel, MtfUpperPlan *upper, MtfLowering *lowering)
{
	upper->quals = copyObject(extract_actual_clauses(rel->baserestrictinfo, false));
	return mtf_upper_add_columns(upper, lowering, upper->quals);
}

static bool
add_limit(PlannerInfo *root, MtfScanPlan *plan, MtfLowering *lowering)
{
	if (plan->patterns == NIL)
		return mtf_upper_add_limit(plan, lowering, root->parse);
	return mtf_upper_add_limit_and_offset(
		plan, lowering, root, "OFFSET: a pattern that is known later may have no exact form there");
}

static MtfUpperPlan *
plan_limit(PlannerInfo *root, RelOptInfo *rel)
{
	MtfUpperPlan *upper = palloc0(sizeof(MtfUpperPlan));
	MtfScanPlan *plan = mtf_scan_plan_create();
	MtfLowering *lowering = mtf_remote_begin(root, rel, plan, !IS_JOIN_REL(rel));
	const char *why = NULL;

	upper->plan = plan;
	if (lowering != NULL)
		mtf_late_patterns_find(plan, lowering->values);
	if (lowering == NULL)
		why = "LIMIT: a condition below it is not exact";
	else if (mtf_compat_limit_with_ties(root->parse))
		why = "LIMIT: rows that tie are found here";
	else if (!mtf_upper_add_sort(plan, lowering, root->sort_pathkeys) ||
			 !add_limit(root, plan, lowering))
		why = lowering->why;
	/* Computed keys are written into documents; whole ones must stay as they are. */
	else if ((plan->patterns != NIL && !add_recheck(root, rel, upper, lowering)) ||
			 !mtf_upper_add_columns(upper, lowering, root->upper_targets[UPPERREL_FINAL]->exprs) ||
			 (!plan->projects && !all_plain(plan->sort)))
		why = "LIMIT: whole rows or documents are wanted";
	if (why != NULL)
	{
		mtf_explain_local(rel, NULL, why);
		return NULL;
	}
	upper->values = lowering->values;
	return upper;
}

#define REMOTE_LIMIT_FACTOR 0.9

static bool
is_ordered(const MtfScanPlan *plan, RelOptInfo *rel)
{
	return IS_SIMPLE_REL(rel) &&
		   mtf_facts_have_order(((MtfRelInfo *) rel->fdw_private)->facts, plan->terms, plan->sort);
}

static void
add_limit_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *final_rel,
			   FinalPathExtraData *extra)
{
	RelOptInfo *rel = remote_input(root, input_rel);
	QualCost none = {0};
	MtfUpperPlan *upper;
	double documents;
	double rows;
	MtfCost cost;
	Path *path;

	if (!extra->limit_needed || rel == NULL)
		return;
	if (step_between(root) != NULL)
		mtf_explain_local(rel, NULL, step_between(root));
	if (step_between(root) != NULL || (upper = plan_limit(root, rel)) == NULL)
		return;
	rows = extra->limit_tuples > 0 ? Min(rel->rows, extra->limit_tuples) : rel->rows;
	documents = mtf_documents_below(rel);
	/* Without a sort, or with an index in its order, the server stops as soon as it has enough. */
	if (upper->plan->sort == NIL || is_ordered(upper->plan, rel))
		documents *= rows / Max(rel->rows, 1.0);
	cost = mtf_cost_scan(mtf_prices_of(rel), documents, rows, rel->reltarget->width, &none);
	if (!IS_JOIN_REL(rel))
		cost.total += mtf_cost_filters(mtf_prices_of(rel), upper->plan->terms, rel->rows);
	if (IS_JOIN_REL(rel))
		cost.total += ((MtfJoinInfo *) rel->fdw_private)->work;
	if (upper->plan->sort != NIL && !is_ordered(upper->plan, rel))
		cost.total += mtf_cost_sort(mtf_prices_of(rel), upper->plan->sort, rel->rows);
	/* Stopping here costs the server's batch; a tie is decided for stopping there. */
	cost.startup *= REMOTE_LIMIT_FACTOR;
	cost.total *= REMOTE_LIMIT_FACTOR;
	path = (Path *) mtf_compat_create_foreign_upper_path(
		root, final_rel, root->upper_targets[UPPERREL_FINAL], rows, cost.startup, cost.total,
		root->sort_pathkeys, NULL, list_make1(upper));
	if (upper->plan->patterns != NIL)
		path = mtf_upper_limit_here(root, final_rel, path, extra);
	add_path(final_rel, path);
}

void
mtfGetForeignUpperPaths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel,
						RelOptInfo *output_rel, void *extra)
{
	if (stage == UPPERREL_WINDOW && mtf_is_remote_relation(input_rel))
		mtf_explain_local(input_rel, NULL, "window functions are computed here");
	if (stage == UPPERREL_GROUP_AGG)
		mtf_plan_group_paths(root, input_rel, output_rel, extra);
	if (stage == UPPERREL_PARTIAL_GROUP_AGG)
		mtf_plan_partial_group_paths(root, input_rel, output_rel, extra);
	if (stage == UPPERREL_DISTINCT)
		mtf_plan_distinct_paths(root, input_rel, output_rel);
	if (stage == UPPERREL_FINAL)
	{
		add_limit_path(root, input_rel, output_rel, extra);
		mtf_plan_top_paths(root, output_rel, extra);
	}
}
