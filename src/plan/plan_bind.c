/*
 * plan_bind.c
 *	  Bind joins: CustomPaths for a foreign table of ours as the inner side of any join.
 *
 * A nested loop sends a command for each outer row; a hash join fetches all documents of the tenant.
 * Between them: outer rows are gathered in batches, one command asks for the documents whose keys are
 * in the batch ({key: {$in: […]}}, behind the tenant's predicate as in any scan), and both are joined
 * here.  The inner scan is an ordinary one with lists that are given later, so that scope, recheck
 * and EXPLAIN are an ordinary scan's.  The inner side may also be several tables (partitions, children, the
 * arms of UNION ALL): an Append of such scans, each of which is given the lists.  PostgreSQL asks wrappers
 * about joins of two foreign tables of one server only, hence a hook.
 *
 * What must not happen here: a clause of the join that is tested remotely only; a volatile key.
 */
#include "plan/plan_bind.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "foreign/fdwapi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/appendinfo.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "utils/lsyscache.h"

#include "plan/cost.h"
#include "plan/plan_join.h"
#include "plan/plan_private.h"
#include "plan/plan_scan.h"
#include "plan/relation.h"
#include "plan/setting.h"

/* One equality of the join by which inner documents are asked for. */
typedef struct BindKey
{
	RestrictInfo *clause;
	MtfField *field; /* of the inner documents */
	Expr *value;     /* of the outer row, what the field is compared with */
	Expr *outer;     /* the clause's two sides */
	Expr *inner;
	List *parts; /* of BindKey: the same of each inner table, where there are several */
} BindKey;

typedef struct BindPath
{
	CustomPath path;
	MtfJoinKind kind;
	List *keys;    /* of BindKey */
	List *clauses; /* of RestrictInfo: the join's own */
	List *filters; /* of RestrictInfo: tested after it */
} BindPath;

static set_join_pathlist_hook_type previous_hook = NULL;
static const CustomScanMethods *scan_methods = NULL;

/* --- keys --------------------------------------------------------------------------------------------- */

/* Kinds each value of which is a range of what documents have. */
static bool
is_range(const MtfField *field)
{
	return field->kind == MTF_KIND_DATE || field->kind == MTF_KIND_FLOAT4 ||
		   field->kind == MTF_KIND_FLOAT8 || field->kind == MTF_KIND_NUMERIC;
}

/* Kinds whose equality is a list of values, or one of ranges. */
static bool
is_listable(const MtfField *field)
{
	if (is_range(field))
		return true;
	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_BOOL:
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8:
		case MTF_KIND_TEXT:
		case MTF_KIND_OBJECTID:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ:
		case MTF_KIND_UUID: return true;
		default: return false;
	}
}

/* Is the clause `outer expression = field of this table`, so that lists of values can be sent and hashed? */
static BindKey *
find_key_of_table(PlannerInfo *root, RelOptInfo *outerrel, RelOptInfo *innerrel,
				  RestrictInfo *clause)
{
	MtfLowering *lowering = mtf_lowering_of(root, innerrel);
	OpExpr *expr = (OpExpr *) clause->clause;
	bool outer_left = bms_is_subset(clause->left_relids, outerrel->relids) &&
					  bms_is_subset(clause->right_relids, innerrel->relids);
	bool outer_right = bms_is_subset(clause->right_relids, outerrel->relids) &&
					   bms_is_subset(clause->left_relids, innerrel->relids);
	BindKey *key;
	const char *why;
	MtfTerm *term;
	MtfShip ship;

	if (!clause->can_join || !OidIsValid(clause->hashjoinoperator) || !IsA(expr, OpExpr) ||
		!(outer_left || outer_right) || contain_volatile_functions((Node *) expr))
		return NULL;
	term = mtf_classify_filter(lowering, (Node *) expr, &ship, &why);
	if (term == NULL || term->kind != MTF_TERM_COMPARE || term->op != MTF_OP_EQ ||
		term->value < 0 || term->args != NIL || !is_listable(term->field) ||
		mtf_lowering_field(lowering, outer_left ? lsecond(expr->args) : linitial(expr->args)) ==
			NULL)
		return NULL;
	key = palloc0(sizeof(BindKey));
	key->clause = clause;
	key->field = term->field;
	key->value = list_nth(lowering->values, term->value);
	key->outer = outer_left ? linitial(expr->args) : lsecond(expr->args);
	key->inner = outer_left ? lsecond(expr->args) : linitial(expr->args);
	if (!bms_is_subset(mtf_compat_pull_varnos(root, (Node *) key->value), outerrel->relids) ||
		!OidIsValid(get_array_type(exprType((Node *) key->value))))
		return NULL;
	return key;
}

/* The clause for one of the tables that stand for the inner relation. */
static RestrictInfo *
clause_of_table(PlannerInfo *root, RestrictInfo *clause, RelOptInfo *innerrel, RelOptInfo *table)
{
	AppendRelInfo *info;

	if (table == innerrel)
		return clause;
	info = root->append_rel_array[table->relid];
	clause = clause_of_table(root, clause, innerrel, root->simple_rel_array[info->parent_relid]);
	return (RestrictInfo *) adjust_appendrel_attrs(root, (Node *) clause, 1, &info);
}

/* The same of all inner tables: each is given the same list. */
static BindKey *
find_key(PlannerInfo *root, RelOptInfo *outerrel, RelOptInfo *innerrel, List *tables,
		 RestrictInfo *clause)
{
	BindKey *key = palloc(sizeof(BindKey));
	OpExpr *expr = (OpExpr *) clause->clause;
	List *parts = NIL;
	ListCell *cell;

	foreach (cell, tables)
	{
		RelOptInfo *table = lfirst(cell);
		BindKey *part = find_key_of_table(root, outerrel, table,
										  clause_of_table(root, clause, innerrel, table));

		if (part == NULL || (parts != NIL && !equal(part->value, key->value)))
			return NULL;
		if (parts == NIL)
			*key = *part;
		parts = lappend(parts, part);
	}
	key->clause = clause;
	key->parts = parts;
	if (bms_is_subset(clause->left_relids, outerrel->relids))
	{
		key->outer = linitial(expr->args);
		key->inner = lsecond(expr->args);
	}
	else
	{
		key->outer = lsecond(expr->args);
		key->inner = linitial(expr->args);
	}
	return key;
}

/* The keys of one of the inner tables. */
static List *
keys_of_table(const List *keys, int table)
{
	List *parts = NIL;
	const ListCell *cell;

	foreach (cell, keys)
		parts = lappend(parts, list_nth(((BindKey *) lfirst(cell))->parts, table));
	return parts;
}

void
mtf_plan_bind_scan(MtfScanPlan *plan, MtfLowering *lowering, const MtfFacts *facts, List *keys)
{
	int others = list_length(plan->terms);
	List *index;
	ListCell *cell;

	/* What the keys leave is little, and another part of the whole for each batch. */
	plan->cursors = 0;
	foreach (cell, keys)
	{
		BindKey *key = lfirst(cell);
		Oid list = get_array_type(exprType((Node *) key->value));

		int place = list_length(lowering->values);

		/* Its value is given, not computed: each has a place of its own. */
		lowering->values = lappend(lowering->values, makeConst(list, -1, get_typcollation(list), -1,
															   (Datum) 0, true, false));
		plan->bound = lappend_int(plan->bound, place);
		plan->terms = lappend(plan->terms, mtf_term_create(MTF_TERM_ANY, MTF_OP_EQ,
														   copyObject(key->field), place, NIL));
		plan->decisions =
			lappend(plan->decisions,
					mtf_decision_create(MTF_SHIP_SUPERSET, copyObject((Node *) key->clause->clause),
										"keys in batches"));
	}
	/* What the keys leave is less than what any other condition does, or the join would not be this one. */
	index = mtf_facts_choose_index(facts, list_copy_tail(plan->terms, others));
	if (index != NIL)
		plan->index = index;
}

/* Ranges are a condition each, and other keys narrow as well: they are asked for where there is no other key. */
static List *
without_ranges(List *keys)
{
	List *kept = NIL;
	ListCell *cell;

	foreach (cell, keys)
		if (!is_range(((BindKey *) lfirst(cell))->field))
			kept = lappend(kept, lfirst(cell));
	return kept == NIL ? keys : kept;
}

/* A server tries the ranges one by one, each for an index by itself: fewer at a time. */
#define MAX_RANGES 100

static int
batch_size_of(List *keys)
{
	if (is_range(((BindKey *) linitial(keys))->field))
		return Min(mtf_setting_join_batch_size, MAX_RANGES);
	return mtf_setting_join_batch_size;
}

/* --- cost ---------------------------------------------------------------------------------------------- */

/* The server's work for finding one key of a list in an index; and one of several ranges. */
#define REMOTE_KEY_COST   0.005
#define REMOTE_RANGE_COST 0.05

/* Rows that the key clauses alone let pass, of all pairs. */
static double
pairs_of(PlannerInfo *root, RelOptInfo *outerrel, RelOptInfo *innerrel, List *keys)
{
	SpecialJoinInfo join = {0};
	List *clauses = NIL;
	ListCell *cell;

	foreach (cell, keys)
		clauses = lappend(clauses, ((BindKey *) lfirst(cell))->clause);
	join.type = T_SpecialJoinInfo;
	join.min_lefthand = join.syn_lefthand = outerrel->relids;
	join.min_righthand = join.syn_righthand = innerrel->relids;
	join.jointype = JOIN_INNER;
	return outerrel->rows * innerrel->rows *
		   clauselist_selectivity(root, clauses, 0, JOIN_INNER, &join);
}

/* Does an index find the documents of one of the keys?  Not known, a join's key most often has one. */
static bool
is_indexed(const MtfRelInfo *info, List *keys)
{
	ListCell *cell;

	if (info->facts == NULL || !info->facts->knows_indexes)
		return true;
	foreach (cell, keys)
		if (mtf_facts_has_index(info->facts, ((BindKey *) lfirst(cell))->field->path))
			return true;
	return false;
}

/* The scan of one inner table, all its batches together, which finds `pairs` rows. */
static MtfCost
cost_table(RelOptInfo *table, List *keys, double outer_rows, double batches, double pairs)
{
	const MtfRelInfo *info = table->fdw_private;
	double documents = clamp_row_est(table->tuples * info->remote_selectivity);
	double retrieved = clamp_row_est(Min(pairs, documents * batches));
	double looked_at = is_indexed(info, keys) ? retrieved : mtf_documents_below(table) * batches;
	MtfCost cost = mtf_cost_scan(&info->prices, looked_at, retrieved, table->reltarget->width,
								 &table->baserestrictcost);

	cost.total += (batches - 1) * info->prices.startup;
	cost.total +=
		outer_rows * list_length(keys) *
		(is_range(((BindKey *) linitial(keys))->field) ? REMOTE_RANGE_COST : REMOTE_KEY_COST);
	return cost;
}

static void
cost_bind(PlannerInfo *root, BindPath *bind, Path *outer_path, MtfCost inner, double batches,
		  double pairs)
{
	Path *path = &bind->path.path;
	QualCost quals;

	cost_qual_eval(&quals, list_concat_copy(bind->clauses, bind->filters), root);
	/* The first row comes when the first batch is complete. */
	path->startup_cost = outer_path->startup_cost +
						 (outer_path->total_cost - outer_path->startup_cost) / batches +
						 inner.startup + quals.startup;
	path->total_cost = outer_path->total_cost + inner.total + quals.startup +
					   outer_path->rows * (cpu_tuple_cost + cpu_operator_cost) +
					   pairs * (quals.per_tuple + cpu_tuple_cost) +
					   path->rows * path->pathtarget->cost.per_tuple;
	path->total_cost = Max(path->total_cost, path->startup_cost);
}

/* --- paths ---------------------------------------------------------------------------------------------- */

static Plan *plan_bind(PlannerInfo *root, RelOptInfo *rel, CustomPath *best_path, List *tlist,
					   List *clauses, List *custom_plans);

static const CustomPathMethods path_methods = {.CustomName = "Mongo Bind Join",
											   .PlanCustomPath = plan_bind};

static bool
kind_of(JoinType jointype, MtfJoinKind *kind)
{
	switch (jointype)
	{
		case JOIN_INNER: *kind = MTF_JOIN_INNER; return true;
		case JOIN_LEFT: *kind = MTF_JOIN_LEFT; return true;
		case JOIN_SEMI: *kind = MTF_JOIN_SEMI; return true;
		case JOIN_ANTI: *kind = MTF_JOIN_ANTI; return true;
		default: return false;
	}
}

/* Is there a clause without columns, which PostgreSQL tests in a node of its own? */
static bool
has_gate(List *clauses)
{
	ListCell *cell;

	foreach (cell, clauses)
		if (lfirst_node(RestrictInfo, cell)->pseudoconstant)
			return true;
	return false;
}

/* Do the settings, the query and the outer side allow a bind join? */
static bool
is_possible(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel)
{
	if (!mtf_setting_enable_join_pushdown || !mtf_setting_enable_filter_pushdown ||
		(mtf_setting_join_method != MTF_JOIN_METHOD_AUTO &&
		 mtf_setting_join_method != MTF_JOIN_METHOD_BIND))
		return false;
	/* Rows that are locked are tested again one by one. */
	if (!mtf_is_read_only(root) || root->rowMarks != NIL)
		return false;
	return outerrel->lateral_relids == NULL && joinrel->lateral_relids == NULL &&
		   outerrel->cheapest_total_path != NULL &&
		   PATH_REQ_OUTER(outerrel->cheapest_total_path) == NULL;
}

/*
 * The tables that stand for an inner relation, but those that are proven empty; false when the scan of one
 * cannot be given lists.
 */
static bool
add_tables(PlannerInfo *root, RelOptInfo *rel, List **tables)
{
	ListCell *cell;

	if (rel == NULL || !IS_SIMPLE_REL(rel) || rel->lateral_relids != NULL ||
		has_gate(rel->baserestrictinfo))
		return false;
	if (IS_DUMMY_REL(rel))
		return true;
	if (!root->simple_rte_array[rel->relid]->inh)
	{
		*tables = lappend(*tables, rel);
		return mtf_is_ours(rel) && rel->fdw_private != NULL;
	}
	foreach (cell, root->append_rel_list)
	{
		AppendRelInfo *info = lfirst_node(AppendRelInfo, cell);

		if (info->parent_relid == rel->relid &&
			!add_tables(root, root->simple_rel_array[info->child_relid], tables))
			return false;
	}
	return true;
}

/* Sort the clauses of the join into its own, those tested after it, and keys. */
static void
sort_clauses(PlannerInfo *root, BindPath *bind, RelOptInfo *joinrel, RelOptInfo *outerrel,
			 RelOptInfo *innerrel, List *tables, JoinType jointype, List *clauses)
{
	ListCell *cell;

	foreach (cell, clauses)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);
		BindKey *key;

		if (IS_OUTER_JOIN(jointype) && RINFO_IS_PUSHED_DOWN(clause, joinrel->relids))
		{
			bind->filters = lappend(bind->filters, clause);
			continue;
		}
		bind->clauses = lappend(bind->clauses, clause);
		if ((key = find_key(root, outerrel, innerrel, tables, clause)) != NULL)
			bind->keys = lappend(bind->keys, key);
	}
}

/* The scans of the inner tables, all batches together, and what they cost. */
static Path *
create_inner_path(PlannerInfo *root, BindPath *bind, double outer_rows, RelOptInfo *innerrel,
				  List *tables, double batches, double pairs, MtfCost *inner)
{
	List *paths = NIL;
	double rows = 0;
	ListCell *cell;

	foreach (cell, tables)
		rows += ((RelOptInfo *) lfirst(cell))->rows;
	foreach (cell, tables)
	{
		RelOptInfo *table = lfirst(cell);
		List *keys = keys_of_table(bind->keys, foreach_current_index(cell));
		MtfCost cost = cost_table(table, keys, outer_rows, batches, pairs * table->rows / rows);

		inner->startup += cost.startup;
		inner->total += cost.total;
		paths = lappend(paths, mtf_compat_create_foreignscan_path(
								   root, table, NULL, table->rows, cost.startup, cost.total, NIL,
								   NULL, list_make3(NULL, NIL, keys)));
	}
	if (linitial(tables) == innerrel)
		return linitial(paths);
	return (Path *) mtf_compat_create_append_path(root, innerrel, paths);
}

static void
add_bind_path(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel, RelOptInfo *innerrel,
			  List *tables, JoinType jointype, List *clauses)
{
	BindPath *bind = (BindPath *) newNode(sizeof(BindPath), T_CustomPath);
	Path *path = &bind->path.path;
	Path *outer_path = outerrel->cheapest_total_path;
	MtfCost inner = {0};
	Path *inner_path;
	double batches;
	double pairs;

	if (!kind_of(jointype, &bind->kind))
		return;
	sort_clauses(root, bind, joinrel, outerrel, innerrel, tables, jointype, clauses);
	if (bind->keys == NIL)
		return;
	bind->keys = without_ranges(bind->keys);
	batches = ceil(Max(outer_path->rows, 1) / batch_size_of(bind->keys));
	pairs = pairs_of(root, outerrel, innerrel, bind->keys);
	inner_path =
		create_inner_path(root, bind, outer_path->rows, innerrel, tables, batches, pairs, &inner);
	path->pathtype = T_CustomScan;
	path->parent = joinrel;
	path->pathtarget = joinrel->reltarget;
	path->rows = joinrel->rows;
	mtf_compat_copy_disabled_nodes(path, outer_path);
	bind->path.flags = MTF_CUSTOMPATH_PROJECTS;
	bind->path.custom_paths = list_make2(outer_path, inner_path);
	bind->path.methods = &path_methods;
	cost_bind(root, bind, outer_path, inner, batches, pairs);
	add_path(joinrel, path);
}

static void
consider_bind_join(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
				   RelOptInfo *innerrel, JoinType jointype, JoinPathExtraData *extra)
{
	List *tables = NIL;

	if (previous_hook != NULL)
		previous_hook(root, joinrel, outerrel, innerrel, jointype, extra);
	mtf_plan_join_note_other(root, joinrel, outerrel, innerrel, extra->restrictlist);
	if (is_possible(root, joinrel, outerrel) && !has_gate(extra->restrictlist) &&
		add_tables(root, innerrel, &tables) && tables != NIL)
		add_bind_path(root, joinrel, outerrel, innerrel, tables, jointype, extra->restrictlist);
}

void
mtf_plan_bind_init(const CustomScanMethods *methods)
{
	scan_methods = methods;
	RegisterCustomScanMethods(methods);
	previous_hook = set_join_pathlist_hook;
	set_join_pathlist_hook = consider_bind_join;
}

/* --- the plan -------------------------------------------------------------------------------------------- */

static List *
add_columns(List *columns, List *tlist)
{
	ListCell *cell;

	foreach (cell, tlist)
		columns = lappend(columns, makeTargetEntry(copyObject(lfirst_node(TargetEntry, cell)->expr),
												   list_length(columns) + 1, NULL, false));
	return columns;
}

/* Do two column references, below and above an outer join, stand for the same column? */
static bool
is_same_column(Node *above, Node *below)
{
	if (IsA(above, Var) && IsA(below, Var))
		return ((Var *) above)->varno == ((Var *) below)->varno &&
			   ((Var *) above)->varattno == ((Var *) below)->varattno;
	return IsA(above, PlaceHolderVar) && IsA(below, PlaceHolderVar) &&
		   ((PlaceHolderVar *) above)->phid == ((PlaceHolderVar *) below)->phid;
}

/* The entry of the scan tuple that holds the column; NULL: it is none of them. */
static TargetEntry *
find_column(List *columns, Node *node)
{
	ListCell *cell;

	foreach (cell, columns)
		if (is_same_column(node, (Node *) lfirst_node(TargetEntry, cell)->expr))
			return lfirst(cell);
	return NULL;
}

/*
 * From PostgreSQL 16 on a column that an outer join may make null is another Var above the join than
 * below.  The scan tuple has each column once, as what stands above names it …
 */
static void
name_as_above(List *columns, Node *exprs)
{
	ListCell *cell;

	foreach (cell, pull_var_clause(exprs, PVC_INCLUDE_PLACEHOLDERS))
	{
		Node *node = lfirst(cell);
		TargetEntry *column = find_column(columns, node);

		if (column != NULL)
			column->expr = copyObject((Expr *) node);
		/* Evaluated at this join. */
		else if (IsA(node, PlaceHolderVar))
			name_as_above(columns, (Node *) ((PlaceHolderVar *) node)->phexpr);
	}
}

/* … and the join's own clauses are made to name it so, too. */
static Node *
name_as_columns(Node *node, void *columns)
{
	TargetEntry *column;

	if (node == NULL)
		return NULL;
	if ((IsA(node, Var) || IsA(node, PlaceHolderVar)) &&
		(column = find_column(columns, node)) != NULL)
		return (Node *) copyObject(column->expr);
	return expression_tree_mutator(node, name_as_columns, columns);
}

/* What is evaluated here of each key: its value for the list, and its two sides. */
static List *
add_keys(MtfBindPlan *bind, const BindPath *path)
{
	List *values = NIL;
	List *outers = NIL;
	List *inners = NIL;
	ListCell *cell;

	foreach (cell, path->keys)
	{
		BindKey *key = lfirst(cell);
		OpExpr *expr = castNode(OpExpr, key->clause->clause);
		bool outer_left = key->outer == linitial(expr->args);
		RegProcedure left;
		RegProcedure right;

		if (!get_op_hash_functions(expr->opno, &left, &right))
			elog(ERROR, "could not find hash function for hash operator %u", expr->opno);
		values = lappend(values, copyObject(key->value));
		outers = lappend(outers, copyObject(key->outer));
		inners = lappend(inners, copyObject(key->inner));
		bind->outer_hashes = lappend_oid(bind->outer_hashes, outer_left ? left : right);
		bind->inner_hashes = lappend_oid(bind->inner_hashes, outer_left ? right : left);
		bind->collations = lappend_oid(bind->collations, expr->inputcollid);
	}
	return list_make3(values, outers, inners);
}

static Plan *
plan_bind(PlannerInfo *root, RelOptInfo *rel, CustomPath *best_path, List *tlist, List *clauses,
		  List *custom_plans)
{
	BindPath *path = (BindPath *) best_path;
	CustomScan *scan = makeNode(CustomScan);
	MtfBindPlan *bind = mtf_bind_plan_create(path->kind, batch_size_of(path->keys));
	Plan *outer = linitial(custom_plans);
	Plan *inner = lsecond(custom_plans);
	List *filters = extract_actual_clauses(path->filters, false);
	List *columns = add_columns(add_columns(NIL, outer->targetlist), inner->targetlist);
	List *exprs = lcons(extract_actual_clauses(path->clauses, false), add_keys(bind, path));

	bind->nouter = list_length(outer->targetlist);
	bind->ninner = list_length(inner->targetlist);
	/* The target list may be set later, but from no other columns than the relation's. */
	name_as_above(columns, (Node *) list_make2(rel->reltarget->exprs, filters));
	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = filters;
	scan->flags = best_path->flags;
	scan->custom_plans = custom_plans;
	scan->custom_scan_tlist = columns;
	scan->custom_exprs = (List *) name_as_columns((Node *) exprs, columns);
	scan->custom_private = list_make1(bind);
	scan->methods = scan_methods;
	return &scan->scan.plan;
}
