/*
 * plan_scan.c
 *	  The planner callbacks of a scan of one foreign table.
 *
 * A scan sends what it can of its clauses as a superset and PostgreSQL rechecks every row, so that a
 * remote filter never decides alone what a user sees.  Clauses that compare a column with another
 * relation's become parameterised paths: the value is bound again for every outer row.
 *
 * What must not happen here: network, tokens, a tenant in a plan.
 */
#include "plan/plan_scan.h"

#include "access/sysattr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"

#include "options/cache.h"
#include "plan/classify.h"
#include "plan/cost.h"
#include "plan/plan_bind.h"
#include "plan/plan_private.h"
#include "plan/plan_upper.h"
#include "plan/relation.h"

/* Can anything of the clause be sent?  (The term itself is made again for the chosen path.) */
static bool
is_remote(PlannerInfo *root, RelOptInfo *baserel, RestrictInfo *clause)
{
	MtfShip ship;
	const char *why;

	return mtf_classify_filter(mtf_lowering_of(root, baserel), (Node *) clause->clause, &ship,
							   &why) != NULL;
}

/* Does an index find the documents of a clause?  A comparison of one column with values, no more. */
static bool
is_indexed(PlannerInfo *root, RelOptInfo *baserel, RestrictInfo *clause)
{
	MtfRelInfo *info = baserel->fdw_private;
	const char *why;
	MtfShip ship;
	MtfTerm *term =
		mtf_classify_filter(mtf_lowering_of(root, baserel), (Node *) clause->clause, &ship, &why);

	return term != NULL && mtf_cost_is_indexable(term) &&
		   mtf_facts_has_index(info->facts, term->field->path);
}

/* The part of a tenant's documents that the server must look at, by the indexes it has. */
static Selectivity
index_selectivity(PlannerInfo *root, RelOptInfo *baserel, List *clauses)
{
	List *indexed = NIL;
	ListCell *cell;

	foreach (cell, clauses)
		if (is_indexed(root, baserel, lfirst(cell)))
			indexed = lappend(indexed, lfirst(cell));
	return clauselist_selectivity(root, indexed, baserel->relid, JOIN_INNER, NULL);
}

/* What a value of a clause is, as far as planning can tell; NULL: it cannot. */
static Const *
estimate_value(PlannerInfo *root, Node *value)
{
	Node *estimate = estimate_expression_value(root, value);

	return IsA(estimate, Const) ? (Const *) estimate : NULL;
}

/*
 * There are no statistics to estimate clauses by: the server looks at a few documents.  What it says is kept
 * where clause_selectivity() looks first.
 */
static void
sample_clauses(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	MtfRelInfo *info = baserel->fdw_private;
	MtfLowering *lowering = mtf_lowering_of(root, baserel);
	List *clauses = NIL;
	List *terms = NIL;
	List *values = NIL;
	double *fractions;
	ListCell *cell;
	int i = 0;

	foreach (cell, info->remote)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);
		const char *why;
		MtfShip ship;
		MtfTerm *term = mtf_classify_filter(lowering, (Node *) clause->clause, &ship, &why);

		if (ship != MTF_SHIP_EXACT || clause->pseudoconstant)
			continue;
		clauses = lappend(clauses, clause);
		terms = lappend(terms, term);
	}
	foreach (cell, lowering->values)
	{
		Const *value = estimate_value(root, lfirst(cell));

		if (value == NULL)
			return;
		values = lappend(values, value);
	}
	if (terms == NIL)
		return;
	fractions = palloc(sizeof(double) * list_length(terms));
	mtf_sample_hook(relid, baserel->userid, terms, values, fractions);
	foreach (cell, clauses)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);

		if (fractions[i] >= 0)
			clause->norm_selec = fractions[i];
		i++;
	}
}

/* The columns that the collection's validator proves are trusted as the owner's promise would be. */
static void
trust_validator(MtfRelInfo *info, Oid relid, Oid userid)
{
	Bitmapset *proven = mtf_validator_hook(relid, userid);
	MtfColumnMap *map = palloc(sizeof(MtfColumnMap));

	*map = *info->map;
	map->columns = palloc(sizeof(MtfColumn *) * map->natts);
	for (int i = 0; i < map->natts; i++)
	{
		map->columns[i] = info->map->columns[i];
		if (!bms_is_member(i + 1, proven))
			continue;
		map->columns[i] = palloc(sizeof(MtfColumn));
		*map->columns[i] = *info->map->columns[i];
		map->columns[i]->trust_types = true;
		info->proof = lappend_int(info->proof, i + 1);
	}
	info->map = map;
}

void
mtfGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid)
{
	MtfRelInfo *info = palloc0(sizeof(MtfRelInfo));
	ListCell *cell;

	info->map = mtf_column_map(foreigntableid);
	info->proof = list_make1_int(0);
	info->prices = mtf_table_options(foreigntableid)->prices;
	if (mtf_validator_hook != NULL &&
		mtf_table_options(foreigntableid)->trust_types == MTF_TYPES_BY_VALIDATOR)
		trust_validator(info, foreigntableid, baserel->userid);
	baserel->fdw_private = info;
	if (mtf_facts_hook != NULL && mtf_table_options(foreigntableid)->use_remote_estimate)
		info->facts = mtf_facts_hook(foreigntableid, baserel->userid);
	if (info->facts != NULL)
		baserel->tuples = Max(info->facts->documents, 1);
	foreach (cell, baserel->baserestrictinfo)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);

		if (is_remote(root, baserel, clause))
			info->remote = lappend(info->remote, clause);
	}
	if (info->facts != NULL && info->remote != NIL)
		sample_clauses(root, baserel, foreigntableid);
	info->remote_selectivity =
		clauselist_selectivity(root, info->remote, baserel->relid, JOIN_INNER, NULL);

	info->index_selectivity = index_selectivity(root, baserel, info->remote);

	/* Never analyzed: -1 from PostgreSQL 14, 0 before. */
	if (baserel->tuples <= 0)
		baserel->tuples = MTF_DEFAULT_DOCUMENTS;
	set_baserel_size_estimates(root, baserel);
}

/* --- paths ----------------------------------------------------------------------------------- */

/* A tie between rows that come sorted and rows that do not. */
#define REMOTE_SORT_FACTOR 1.02

/* Rows in an order: by an index they come as they would without; else the server sorts first. */
static void
add_sort_cost(MtfCost *cost, const MtfRelInfo *info, const List *terms, const List *sort,
			  double looked_at, double retrieved)
{
	QualCost none = {0};

	if (!mtf_facts_have_order(info->facts, terms, sort))
	{
		Cost work = mtf_cost_sort(&info->prices, sort, retrieved);

		/* The first document comes when all have been looked at. */
		cost->startup = mtf_cost_scan(&info->prices, looked_at, 0, 0, &none).total + work;
		cost->total += work;
	}
	cost->total *= REMOTE_SORT_FACTOR;
}

static void
add_scan_path(PlannerInfo *root, RelOptInfo *baserel, Relids required_outer, List *pathkeys,
			  List *terms, List *sort)
{
	MtfRelInfo *info = baserel->fdw_private;
	double retrieved = clamp_row_est(baserel->tuples * info->remote_selectivity);
	double looked_at = clamp_row_est(baserel->tuples * info->index_selectivity);
	double rows = baserel->rows;
	QualCost quals = baserel->baserestrictcost;
	MtfCost cost;

	if (required_outer != NULL)
	{
		ParamPathInfo *param = get_baserel_parampathinfo(root, baserel, required_outer);
		QualCost more;
		Selectivity selectivity =
			clauselist_selectivity(root, param->ppi_clauses, baserel->relid, JOIN_INNER, NULL);

		cost_qual_eval(&more, param->ppi_clauses, root);
		quals.startup += more.startup;
		quals.per_tuple += more.per_tuple;
		retrieved = clamp_row_est(retrieved * selectivity);
		/* Of indexes nothing is known: a join by a key is most often one that has its index. */
		looked_at = info->facts == NULL || !info->facts->knows_indexes
						? retrieved
						: looked_at * index_selectivity(root, baserel, param->ppi_clauses);
		rows = param->ppi_rows;
	}
	looked_at = Max(looked_at, retrieved);
	cost = mtf_cost_scan(&info->prices, looked_at, retrieved, baserel->reltarget->width, &quals);
	if (sort != NIL)
		add_sort_cost(&cost, info, terms, sort, looked_at, retrieved);
	add_path(baserel, (Path *) mtf_compat_create_foreignscan_path(
						  root, baserel, NULL, rows, cost.startup, cost.total, pathkeys,
						  required_outer, sort == NIL ? NIL : list_make2(NULL, sort)));
}

/* The longest beginning of an order in which the server can bring the rows: PostgreSQL sorts the rest. */
static void
add_sorted_path(PlannerInfo *root, RelOptInfo *baserel, MtfLowering *lowering, List *terms,
				const List *order)
{
	for (int n = list_length(order); n > 0; n--)
	{
		List *pathkeys = list_truncate(list_copy(order), n);
		List *sort = mtf_upper_plain_sort(lowering, terms, pathkeys);

		if (sort == NIL)
			continue;
		add_scan_path(root, baserel, baserel->lateral_relids, pathkeys, terms, sort);
		return;
	}
}

/* The orders that the query wants and that merge joins want, where the fields themselves sort so. */
static void
add_sorted_paths(PlannerInfo *root, RelOptInfo *baserel)
{
	MtfRelInfo *info = baserel->fdw_private;
	MtfLowering *lowering = mtf_lowering_of(root, baserel);
	List *terms = NIL;
	ListCell *cell;

	foreach (cell, info->remote)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);
		const char *why;
		MtfShip ship;

		terms = lappend(terms, mtf_classify_filter(lowering, (Node *) clause->clause, &ship, &why));
	}
	add_sorted_path(root, baserel, lowering, terms, root->query_pathkeys);
	if (!baserel->has_eclass_joins)
		return;
	foreach (cell, root->eq_classes)
	{
		EquivalenceClass *ec = lfirst_node(EquivalenceClass, cell);

		if (ec->ec_merged == NULL && eclass_useful_for_merging(root, ec, baserel))
			add_sorted_path(root, baserel, lowering, terms,
							list_make1(mtf_compat_ascending_pathkey(root, ec)));
	}
}

/* Add the outer relations that a clause needs, once, to the list of parameterisations. */
static List *
add_parameterisation(List *outers, RelOptInfo *baserel, RestrictInfo *clause)
{
	Relids outer = bms_union(clause->clause_relids, baserel->lateral_relids);
	ListCell *cell;

	outer = bms_del_member(outer, baserel->relid);
	if (bms_is_empty(outer))
		return outers;
	foreach (cell, outers)
		if (bms_equal(lfirst(cell), outer))
			return outers;
	return lappend(outers, outer);
}

typedef struct MemberSearch
{
	Expr *current; /* the member being considered; NULL: take the next new one */
	List *done;
} MemberSearch;

/* Callback: is this equivalence member a column of ours that was not tried before? */
static bool
member_is_ours(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec, EquivalenceMember *em,
			   void *arg)
{
	MemberSearch *search = arg;

	if (search->current != NULL)
		return equal(em->em_expr, search->current);
	if (list_member(search->done, em->em_expr))
		return false;
	search->current = em->em_expr;
	return true;
}

/* Clauses implied by equivalence classes: a.x = b.y for each column of ours in such a class. */
static List *
add_equivalences(PlannerInfo *root, RelOptInfo *baserel, List *outers)
{
	MemberSearch search = {NULL, NIL};

	if (!baserel->has_eclass_joins)
		return outers;
	for (;;)
	{
		List *clauses;
		ListCell *cell;

		search.current = NULL;
		clauses = generate_implied_equalities_for_column(root, baserel, member_is_ours, &search,
														 baserel->lateral_referencers);
		if (search.current == NULL)
			return outers;
		foreach (cell, clauses)
		{
			RestrictInfo *clause = lfirst_node(RestrictInfo, cell);

			if (join_clause_is_movable_to(clause, baserel) && is_remote(root, baserel, clause))
				outers = add_parameterisation(outers, baserel, clause);
		}
		search.done = lappend(search.done, search.current);
	}
}

void
mtfGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid)
{
	List *outers = NIL;
	ListCell *cell;

	add_scan_path(root, baserel, baserel->lateral_relids, NIL, NIL, NIL);
	add_sorted_paths(root, baserel);
	foreach (cell, baserel->joininfo)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);

		if (join_clause_is_movable_to(clause, baserel) && is_remote(root, baserel, clause))
			outers = add_parameterisation(outers, baserel, clause);
	}
	outers = add_equivalences(root, baserel, outers);
	foreach (cell, outers)
		add_scan_path(root, baserel, lfirst(cell), NIL, NIL, NIL);
}

/* --- the plan -------------------------------------------------------------------------------- */

/* Attribute numbers that must be decoded: what is used above, and what quals recheck. */
static List *
wanted_columns(RelOptInfo *baserel, const MtfColumnMap *map, List *quals)
{
	Bitmapset *used = NULL;
	List *wanted = NIL;
	bool all;

	pull_varattnos((Node *) baserel->reltarget->exprs, baserel->relid, &used);
	pull_varattnos((Node *) quals, baserel->relid, &used);
	all = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used);
	for (int attnum = 1; attnum <= map->natts; attnum++)
		if (map->columns[attnum - 1] != NULL &&
			(all || bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, used)))
			wanted = lappend_int(wanted, attnum);
	return wanted;
}

static void
plan_projection(MtfScanPlan *plan, const MtfColumnMap *map)
{
	ListCell *cell;

	plan->projects = true;
	foreach (cell, plan->wanted)
		mtf_plan_project_column(plan, 0, map->columns[lfirst_int(cell) - 1]);
}

static void
plan_filter(MtfScanPlan *plan, MtfLowering *lowering, List *clauses)
{
	ListCell *cell;

	foreach (cell, clauses)
	{
		Node *clause = lfirst(cell);
		const char *why;
		MtfShip ship;
		MtfTerm *term = mtf_classify_filter(lowering, clause, &ship, &why);

		if (term != NULL)
			plan->terms = lappend(plan->terms, term);
		/* Every row is rechecked, so the superset is what is sent, exact form or not. */
		if (ship == MTF_SHIP_EXACT)
			ship = MTF_SHIP_SUPERSET;
		plan->decisions =
			lappend(plan->decisions, mtf_decision_create(ship, copyObject(clause), why));
	}
}

/*
 * Option parallel: a scan of which all rows are wanted, in no order, may be read by several cursors.
 * How large it is, and where to cut it, is known when it runs (rows/ranges.c).
 */
static void
plan_ranges(PlannerInfo *root, RelOptInfo *baserel, ForeignPath *path, MtfScanPlan *plan)
{
	const MtfRelInfo *info = baserel->fdw_private;
	int cursors = mtf_server_options(baserel->serverid)->parallel;

	if (cursors < 2 || plan->sort != NIL || path->path.param_info != NULL ||
		root->tuple_fraction > 0)
		return;
	plan->cursors = cursors;
	plan->share = (int) (info->remote_selectivity * 1000);
	/* Who reads everything learns where to cut: the keys must travel. */
	if (plan->projects && plan->terms == NIL)
		plan->paths = lappend(plan->paths, makeString("_id"));
}

/* Steps above the scan that the server could do as well, and why it does not. */
static void
explain_choices(PlannerInfo *root, const MtfRelInfo *info, MtfScanPlan *plan)
{
	/* The lowering of the plan itself has its values in their places. */
	MtfLowering *lowering = mtf_lowering_of(root, find_base_rel(root, linitial_int(plan->rtis)));
	const char *why = plan->sort != NIL ? NULL : mtf_upper_sort_reason(root, lowering, plan->terms);

	if (why != NULL)
		plan->decisions = lappend(plan->decisions, mtf_decision_create(MTF_SHIP_LOCAL, NULL, why));
	if (info->grouped != NULL)
		plan->decisions =
			lappend(plan->decisions, mtf_decision_create(MTF_SHIP_LOCAL, NULL, info->grouped));
}

ForeignScan *
mtfGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel, Oid foreigntableid,
				  ForeignPath *best_path, List *tlist, List *scan_clauses, Plan *outer_plan)
{
	MtfRelInfo *info = baserel->fdw_private;
	MtfScanPlan *plan = mtf_scan_plan_create();
	List *quals = extract_actual_clauses(scan_clauses, false);
	MtfLowering *lowering;

	if (best_path->fdw_private != NIL && linitial(best_path->fdw_private) != NULL)
		return mtf_upper_foreign_plan(best_path, tlist, outer_plan);
	lowering = mtf_lowering_of(root, baserel);
	plan->relids = list_make1_oid(foreigntableid);
	plan->rtis = list_make1_int(baserel->relid);
	plan->proofs = list_make1(info->proof);
	plan->wanted = wanted_columns(baserel, info->map, quals);
	plan_projection(plan, info->map);
	plan_filter(plan, lowering, quals);
	plan->index = mtf_facts_choose_index(info->facts, plan->terms);
	plan->decisions = list_concat(plan->decisions, copyObject(info->local));
	mtf_plan_explain_joins(plan, baserel);
	if (best_path->fdw_private != NIL)
		plan->sort = lsecond(best_path->fdw_private);
	explain_choices(root, info, plan);
	plan_ranges(root, baserel, best_path, plan);
	if (list_length(best_path->fdw_private) == 3)
		mtf_plan_bind_scan(plan, lowering, info->facts, lthird(best_path->fdw_private));
	return make_foreignscan(tlist, quals, baserel->relid, lowering->values, list_make1(plan), NIL,
							NIL, outer_plan);
}
