/*
 * plan_group.c
 *	  GROUP BY, DISTINCT and aggregates above one foreign table or a join of several.
 *
 * What must not happen here: an aggregate above a superset; a key by which the server puts other rows
 * together than PostgreSQL does.
 */
#include "plan/plan_group.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/tlist.h"

#include "plan/aggregate.h"
#include "plan/aggregate_sum.h"
#include "plan/classify.h"
#include "plan/compute.h"
#include "plan/compute_part.h"
#include "plan/cost.h"
#include "plan/group_key.h"
#include "plan/plan_first.h"
#include "plan/grouping.h"
#include "plan/late_pattern.h"
#include "plan/relation.h"
#include "plan/setting.h"

/* --- keys -------------------------------------------------------------------------------------------- */

/* What the key's attribute is decoded as: numbers of a scale show it. */
static int32
typmod_of_key(const MtfTerm *value, Node *expr)
{
	if (value->field != NULL && value->field->kind == MTF_KIND_OBJECTID)
		return -1;
	if (value->type == NUMERICOID && value->field == NULL && value->scale >= 0)
		return mtf_grouping_numeric_typmod(value->scale);
	return exprTypmod(expr);
}

static bool
add_key(MtfGrouping *grouping, Expr *expr, Oid equality)
{
	Oid type = exprType((Node *) expr);
	MtfTerm *value;
	MtfTerm *key;
	const char *name;

	grouping->current = expr;
	value = mtf_group_key_value(grouping, (Node *) expr);
	if (value == NULL || !mtf_group_key(grouping, value, (Node *) expr, equality, &key))
		return false;
	name = key == value ? psprintf("k%d", list_length(grouping->plan->keys))
						: mtf_grouping_first(grouping, value);
	mtf_grouping_know(grouping, expr, mtf_grouping_field(name, type), false);
	mtf_grouping_add(grouping, (Expr *) copyObject(expr), name, type,
					 typmod_of_key(value, (Node *) expr));
	grouping->plan->keys = lappend(grouping->plan->keys, mtf_compute_day(key));
	mtf_grouping_count_misfits(grouping, value);
	mtf_grouping_count_overflows(grouping, value, NULL);
	if (value->field != NULL && value->field->loose)
		mtf_aggregate_need_decimals(grouping, value, NULL);
	return true;
}

/* --- the step ------------------------------------------------------------------------------------------ */

/*
 * Add what an expression is made of: keys are there already, aggregates are added.  True when there is
 * anything else, a bare column for one: then it is no expression over groups.
 */
static bool
cannot_add_parts(Node *node, MtfGrouping *grouping)
{
	if (node == NULL)
		return false;
	if (!IsA(node, List) && tlist_member((Expr *) node, grouping->upper->scan_tlist) != NULL)
		return false;
	if (IsA(node, Aggref))
		return !mtf_grouping_add_aggregate(grouping, (Aggref *) node);
	if (IsA(node, Var) || IsA(node, WindowFunc) || IsA(node, GroupingFunc))
		return !mtf_grouping_local(grouping, "not an expression over keys and aggregates");
	if (IsA(node, PlaceHolderVar))
		return cannot_add_parts((Node *) ((PlaceHolderVar *) node)->phexpr, grouping);
	return expression_tree_walker(node, cannot_add_parts, grouping);
}

static bool
add_aggregates_of(MtfGrouping *grouping, Node *exprs)
{
	return !cannot_add_parts(exprs, grouping);
}

bool
mtf_group_add_target(MtfGrouping *grouping, List *exprs)
{
	return add_aggregates_of(grouping, (Node *) exprs);
}

static bool
add_target(MtfGrouping *grouping, PathTarget *target, List *clauses)
{
	ListCell *cell;
	int i = 0;

	/* Keys first: expressions over them are computed here. */
	foreach (cell, target->exprs)
	{
		Index ref = get_pathtarget_sortgroupref(target, i++);
		SortGroupClause *clause = ref == 0 ? NULL : get_sortgroupref_clause_noerr(ref, clauses);

		if (clause != NULL && !add_key(grouping, lfirst(cell), clause->eqop))
			return false;
	}
	if (list_length(grouping->plan->keys) < list_length(clauses))
		return false;
	return add_aggregates_of(grouping, (Node *) target->exprs);
}

/* --- HAVING ------------------------------------------------------------------------------------------- */

MtfLowering *
mtf_group_lowering(const MtfGrouping *grouping)
{
	MtfLowering *over = palloc(sizeof(MtfLowering));

	*over = *grouping->lowering;
	over->over_groups = true;
	over->known = grouping->known;
	return over;
}

/*
 * Conditions over groups that the server tests: all of them are tested here again, on few rows.  False
 * when not all could be sent.
 */
static bool
add_having(MtfGrouping *grouping, List *having)
{
	MtfLowering *over = mtf_group_lowering(grouping);
	bool whole = true;
	ListCell *cell;

	/* Without GROUP BY there is one row whatever the documents; what is checked here must come here. */
	if (grouping->plan->grand || grouping->alarms_here || !mtf_setting_enable_filter_pushdown)
		return having == NIL;
	foreach (cell, having)
	{
		const char *why;
		MtfShip ship;
		MtfTerm *term = mtf_classify(over, lfirst(cell), &ship, &why);

		if (ship == MTF_SHIP_EXACT)
			grouping->plan->having = lappend(grouping->plan->having, term);
		else
			whole = false;
		grouping->plan->decisions = lappend(
			grouping->plan->decisions,
			mtf_decision_create(ship == MTF_SHIP_EXACT ? ship : MTF_SHIP_LOCAL,
								copyObject(lfirst(cell)), ship == MTF_SHIP_EXACT ? NULL : why));
	}
	grouping->lowering->values = over->values;
	return whole;
}

/* --- the whole ---------------------------------------------------------------------------------------- */

bool
mtf_group_plan(PlannerInfo *root, const MtfGroupInfo *info, MtfGrouping *grouping)
{
	MtfScanPlan *plan = mtf_scan_plan_create();

	memset(grouping, 0, sizeof(MtfGrouping));
	grouping->lowering = mtf_remote_begin(root, info->input, plan, !IS_JOIN_REL(info->input));
	grouping->upper = palloc0(sizeof(MtfUpperPlan));
	grouping->upper->plan = grouping->plan = plan;
	plan->grouped = true;
	if (grouping->lowering != NULL)
		grouping->lowering->counts_overflows = grouping->lowering->bounds_digits = true;
	plan->grand = info->clauses == NIL;
	if (grouping->lowering == NULL)
	{
		mtf_explain_local(info->input, NULL, "aggregates: a condition below them is not exact");
		return false;
	}
	if (!add_target(grouping, info->target, info->clauses) ||
		!add_aggregates_of(grouping, (Node *) info->having))
	{
		if (grouping->current != NULL)
			mtf_explain_local(info->input, grouping->current, grouping->lowering->why);
		return false;
	}
	grouping->whole_having = add_having(grouping, info->having);
	mtf_late_patterns_find(plan, grouping->lowering->values);
	grouping->upper->quals = copyObject(info->having);
	grouping->upper->values = grouping->lowering->values;
	/* SELECT of constants, GROUP BY nothing: a slot needs an attribute. */
	if (plan->outputs == NIL)
		mtf_grouping_add(grouping, (Expr *) makeNullConst(INT4OID, -1, InvalidOid), NULL, INT4OID,
						 -1);
	return true;
}

/*
 * Where the server's work is up to five thirds of PostgreSQL's the server does it: less travels, and networks
 * differ more than engines.
 */
#define REMOTE_GROUPS_FACTOR 0.6

MtfCost
mtf_group_cost(const MtfGroupInfo *info, const MtfScanPlan *plan, double rows)
{
	double looked_at = mtf_documents_below(info->input);
	QualCost none = {0};
	const MtfPrices *prices = mtf_prices_of(info->input);
	MtfCost cost = mtf_cost_scan(prices, looked_at, rows, info->target->width, &none);

	cost.total +=
		mtf_cost_groups(prices, plan, IS_JOIN_REL(info->input) ? looked_at : info->input->rows);
	if (!IS_JOIN_REL(info->input))
		cost.total += mtf_cost_filters(prices, plan->terms, info->input->rows);
	if (IS_JOIN_REL(info->input))
		cost.total += ((MtfJoinInfo *) info->input->fdw_private)->work;
	cost.total *= REMOTE_GROUPS_FACTOR;
	return cost;
}

/*
 * The cheapest way to compute the same here, for when the server's numbers, or a pattern, turn out not to be exact.  A
 * copy: the path itself is freed when ours is better.
 */
static Path *
local_path(RelOptInfo *output_rel, AggSplit split)
{
	AggPath *best = NULL;
	AggPath *copy;
	ListCell *cell;

	foreach (cell, output_rel->pathlist)
	{
		AggPath *path = lfirst(cell);

		if (IsA(path, AggPath) && path->aggsplit == split &&
			(best == NULL || path->path.total_cost < best->path.total_cost))
			best = path;
	}
	if (best == NULL)
		return NULL;
	copy = makeNode(AggPath);
	*copy = *best;
	return (Path *) copy;
}

static void
add_grouping_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel,
				  PathTarget *target, List *clauses, List *having, AggSplit split)
{
	MtfGroupInfo *info = palloc0(sizeof(MtfGroupInfo));
	Path *local = NULL;
	MtfGrouping grouping;
	MtfCost cost;

	info->input = input_rel;
	info->target = target;
	info->clauses = clauses;
	info->having = having;
	if (!mtf_group_plan(root, info, &grouping) ||
		((grouping.alarms_here || grouping.plan->patterns != NIL) &&
		 (local = local_path(output_rel, split)) == NULL))
		return;
	info->groups = 1;
	if (clauses != NIL)
		info->groups = mtf_compat_estimate_num_groups(
			root, get_sortgrouplist_exprs(clauses, root->processed_tlist), input_rel->rows);
	info->upper = grouping.upper;
	output_rel->fdw_private = info;
	if (IS_SIMPLE_REL(input_rel))
		((MtfRelInfo *) input_rel->fdw_private)->grouped =
			local == NULL ? "aggregates: computed here, which is believed to cost less"
						  : "aggregates: computed here if that is believed to cost less, or if the "
							"server's result may not be exact";
	cost = mtf_group_cost(info, grouping.plan, info->groups);
	add_path(output_rel, (Path *) mtf_compat_create_foreign_upper_path(
							 root, output_rel, target, info->groups, cost.total, cost.total, NIL,
							 local, list_make1(grouping.upper)));
}

static bool
is_possible(PlannerInfo *root, RelOptInfo *input_rel)
{
	if (root->parse->rowMarks != NIL || !mtf_is_remote_relation(input_rel))
		return false;
	if (!mtf_setting_enable_aggregate_pushdown)
	{
		mtf_explain_local(input_rel, NULL,
						  "aggregates: mongo_tenant.enable_aggregate_pushdown is off");
		return false;
	}
	if (root->parse->groupingSets == NIL)
		return true;
	mtf_explain_local(input_rel, NULL, "GROUP BY: several ways to group at once");
	return false;
}

void
mtf_plan_group_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *grouped_rel,
					 GroupPathExtraData *extra)
{
	if (is_possible(root, input_rel) && extra->patype != PARTITIONWISE_AGGREGATE_PARTIAL)
		add_grouping_path(root, input_rel, grouped_rel, grouped_rel->reltarget,
						  mtf_compat_group_clause(root), (List *) extra->havingQual,
						  AGGSPLIT_SIMPLE);
}

/*
 * One partition's part of a group, which PostgreSQL combines with the others': where a partial state is
 * a plain value (aggregate.c).
 */
void
mtf_plan_partial_group_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *partial_rel,
							 GroupPathExtraData *extra)
{
	if (is_possible(root, input_rel) && extra->patype == PARTITIONWISE_AGGREGATE_PARTIAL)
		add_grouping_path(root, input_rel, partial_rel, partial_rel->reltarget,
						  mtf_compat_group_clause(root), NIL, AGGSPLIT_INITIAL_SERIAL);
}

void
mtf_plan_distinct_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *distinct_rel)
{
	Query *parse = root->parse;
	PathTarget *target = root->upper_targets[UPPERREL_DISTINCT];

	if (!is_possible(root, input_rel))
		return;
	if (parse->hasDistinctOn)
	{
		mtf_plan_first_paths(root, input_rel, distinct_rel);
		return;
	}
	/* Nothing but columns: what is computed is computed from rows, not from groups of them. */
	if (!parse->hasAggs && parse->groupClause == NIL && !parse->hasWindowFuncs &&
		!parse->hasTargetSRFs && list_length(target->exprs) == list_length(parse->distinctClause))
		add_grouping_path(root, input_rel, distinct_rel, target, parse->distinctClause, NIL,
						  AGGSPLIT_SIMPLE);
}
