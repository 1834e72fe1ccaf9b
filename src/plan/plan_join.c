/*
 * plan_join.c
 *	  Planner callback of joins of foreign tables of one database.
 *
 * A join adds one base relation to what is there, by $lookup with an equality as its key; each
 * relation has a tenant's predicate of its own (the pipeline room builds each from its own scope).
 * PostgreSQL only asks for relations of one server and one user; the database is compared here.
 *
 * What must not happen here: a join above a superset; one whose key the servers compare otherwise.
 */
#include "plan/plan_join.h"

#include "nodes/makefuncs.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"

#include "options/cache.h"
#include "plan/cost.h"
#include "plan/plan_upper.h"
#include "plan/relation.h"
#include "plan/setting.h"

/* A relation that a join of ours can stand on. */
static bool
is_remote(PlannerInfo *root, RelOptInfo *rel)
{
	return rel->fdw_private != NULL && rel->lateral_relids == NULL && !IS_DUMMY_REL(rel) &&
		   (IS_JOIN_REL(rel) || rel->reloptkind == RELOPT_BASEREL);
}

static const char *
database_of(PlannerInfo *root, RelOptInfo *baserel)
{
	return mtf_table_options(root->simple_rte_array[baserel->relid]->relid)->database;
}

static List *
baserels_of(RelOptInfo *rel)
{
	return IS_JOIN_REL(rel) ? ((MtfJoinInfo *) rel->fdw_private)->baserels : list_make1(rel);
}

static bool
is_possible(PlannerInfo *root, RelOptInfo *outerrel, RelOptInfo *innerrel, JoinType jointype)
{
	if (!mtf_setting_enable_join_pushdown || root->parse->commandType != CMD_SELECT ||
		root->parse->rowMarks != NIL || root->rowMarks != NIL)
		return false;
	if (jointype != JOIN_INNER && jointype != JOIN_LEFT && jointype != JOIN_SEMI &&
		jointype != JOIN_ANTI)
		return false;
	return is_remote(root, outerrel) && is_remote(root, innerrel) && IS_SIMPLE_REL(innerrel) &&
		   strcmp(database_of(root, linitial(baserels_of(outerrel))),
				  database_of(root, innerrel)) == 0;
}

static MtfJoinInfo *
describe(RelOptInfo *joinrel, RelOptInfo *outerrel, RelOptInfo *innerrel, JoinType jointype,
		 List *restrictlist)
{
	MtfJoinInfo *info = palloc0(sizeof(MtfJoinInfo));
	MtfJoinStep *step = palloc0(sizeof(MtfJoinStep));
	ListCell *cell;

	info->baserels = lappend(list_copy(baserels_of(outerrel)), innerrel);
	if (IS_JOIN_REL(outerrel))
		info->steps = list_copy(((MtfJoinInfo *) outerrel->fdw_private)->steps);
	info->steps = lappend(info->steps, step);
	step->inner = innerrel;
	step->kind = jointype == JOIN_LEFT   ? MTF_JOIN_LEFT
				 : jointype == JOIN_SEMI ? MTF_JOIN_SEMI
				 : jointype == JOIN_ANTI ? MTF_JOIN_ANTI
										 : MTF_JOIN_INNER;
	foreach (cell, restrictlist)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);

		if ((step->kind == MTF_JOIN_LEFT || step->kind == MTF_JOIN_ANTI) &&
			RINFO_IS_PUSHED_DOWN(clause, joinrel->relids))
			step->filters = lappend(step->filters, clause);
		else
			step->clauses = lappend(step->clauses, clause);
	}
	return info;
}

/*
 * Does an index find the partners?  Of `_id` nothing else is known.  An index that is known to be there
 * counts for scans only: one engine (secantusd-rs, measured) reads all documents of the tenant for each
 * $lookup all the same, 230 ms a row where a command of its own takes one.
 */
static bool
is_indexed(const MtfScanPlan *plan)
{
	const MtfJoin *join = llast(plan->joins);

	return strcmp(join->inner->path, "_id") == 0;
}

static MtfCost
cost_of(const MtfScanPlan *plan, RelOptInfo *joinrel, RelOptInfo *outerrel, RelOptInfo *innerrel)
{
	QualCost none = {0};
	Cost below = IS_JOIN_REL(outerrel) ? ((MtfJoinInfo *) outerrel->fdw_private)->total
									   : mtf_cost_scan(outerrel->tuples, 0, 0, &none).total;

	return mtf_cost_join(below, outerrel->rows, innerrel->tuples, is_indexed(plan), joinrel->rows,
						 joinrel->reltarget->width);
}

/* The plan of the join alone; NULL when it cannot run remotely. */
static MtfUpperPlan *
plan_join(PlannerInfo *root, RelOptInfo *joinrel)
{
	MtfUpperPlan *upper = palloc0(sizeof(MtfUpperPlan));
	MtfLowering *lowering;

	upper->plan = mtf_scan_plan_create();
	lowering = mtf_remote_begin(root, joinrel, upper->plan);
	if (lowering == NULL || !mtf_upper_add_columns(upper, lowering, joinrel->reltarget->exprs))
		return NULL;
	upper->values = lowering->values;
	return upper;
}

void
mtfGetForeignJoinPaths(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
					   RelOptInfo *innerrel, JoinType jointype, JoinPathExtraData *extra)
{
	MtfJoinInfo *before = joinrel->fdw_private;
	MtfJoinInfo *info;
	MtfUpperPlan *upper;
	MtfCost cost;

	if (!is_possible(root, outerrel, innerrel, jointype) || joinrel->lateral_relids != NULL)
		return;
	info = describe(joinrel, outerrel, innerrel, jointype, extra->restrictlist);
	joinrel->fdw_private = info;
	upper = plan_join(root, joinrel);
	joinrel->fdw_private = before;
	if (upper == NULL)
		return;
	cost = cost_of(upper->plan, joinrel, outerrel, innerrel);
	info->total = cost.total;
	/* What stands above uses the cheapest order of the relations. */
	if (before == NULL || info->total < before->total)
		joinrel->fdw_private = info;
	add_path(joinrel, (Path *) mtf_compat_create_foreign_join_path(
						  root, joinrel, joinrel->rows, cost.startup, cost.total,
						  extra->restrictlist, list_make1(upper)));
}
