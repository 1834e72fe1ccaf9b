/*
 * plan_join.c
 *	  Planner callback of joins of foreign tables of one database.
 *
 * A join adds a base relation to what is there, or another join, with equalities as its keys; each relation has
 * a tenant's predicate of its own (the pipeline room builds each from its own scope).  There are two
 * forms: $lookup is quick for few documents, or with an index on `_id`; $unionWith and $group reads
 * each collection once.
 * PostgreSQL only asks for relations of one server and one user; the database is compared here.
 *
 * What must not happen here: a join above a superset; one whose key the servers compare otherwise.
 */
#include "plan/plan_join.h"

#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/inval.h"
#include "utils/plancache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

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

/*
 * Must the inner side be a join of its own?  Inner joins can be made in another order; of others an
 * order in which each step adds one relation may not be there.
 */
static bool
is_needed(RelOptInfo *innerrel, JoinType jointype)
{
	const MtfJoinInfo *info = innerrel->fdw_private;
	ListCell *cell;

	if (jointype != JOIN_INNER)
		return true;
	foreach (cell, info->steps)
		if (((MtfJoinStep *) lfirst(cell))->kind == MTF_JOIN_FULL)
			return true;
	return false;
}

/* One of the ways to look at the join for which there is a remote one: each join has such a way. */
static bool
is_joined_once(RelOptInfo *outerrel, RelOptInfo *innerrel, JoinType jointype)
{
	if (jointype != JOIN_INNER && jointype != JOIN_LEFT && jointype != JOIN_SEMI &&
		jointype != JOIN_ANTI && jointype != JOIN_FULL)
		return false;
	/* Of sides that are joins made here it was said why. */
	if ((IS_JOIN_REL(outerrel) && outerrel->fdw_private == NULL) ||
		(IS_JOIN_REL(innerrel) && innerrel->fdw_private == NULL))
		return false;
	return !IS_DUMMY_REL(outerrel) && !IS_DUMMY_REL(innerrel) &&
		   (IS_SIMPLE_REL(innerrel) || is_needed(innerrel, jointype));
}

/* Why the join of the two cannot run remotely, whatever its conditions are; NULL: it may. */
static const char *
why_not(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel, RelOptInfo *innerrel)
{
	if (!mtf_setting_enable_join_pushdown)
		return "mongo_tenant.enable_join_pushdown is off";
	if (!mtf_is_read_only(root) || root->parse->rowMarks != NIL || root->rowMarks != NIL)
		return "rows that are locked or changed are tested again here";
	if (joinrel->lateral_relids != NULL)
		return "LATERAL";
	if (!is_remote(root, outerrel) || !is_remote(root, innerrel))
		return "LATERAL, or a partition";
	if (strcmp(database_of(root, linitial(baserels_of(outerrel))),
			   database_of(root, linitial(baserels_of(innerrel)))) != 0)
		return "another database";
	return NULL;
}

/* --- why joins are made here ------------------------------------------------------------------------------ */

/* The last table of ours among the clause's; NULL: not all of them are ours. */
static RelOptInfo *
last_table(PlannerInfo *root, RestrictInfo *clause)
{
	RelOptInfo *last = NULL;
	int rti = -1;

	while ((rti = bms_next_member(clause->clause_relids, rti)) >= 0)
	{
		RelOptInfo *rel = root->simple_rel_array[rti];

		/* PostgreSQL 16: an outer join has a number of its own. */
		if (rel == NULL || rel->reloptkind == RELOPT_JOINREL)
			continue;
		if (!mtf_is_ours(rel) || rel->fdw_private == NULL)
			return NULL;
		last = rel;
	}
	return last;
}

/*
 * Keep, for EXPLAIN of the scans, why a join by these conditions is made here.  That there is a remote one
 * counts more than that there is none for another pair of the same join.
 */
static void
note(PlannerInfo *root, List *clauses, bool possible, const char *why)
{
	ListCell *cell;

	foreach (cell, clauses)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);
		RelOptInfo *rel =
			bms_membership(clause->clause_relids) == BMS_MULTIPLE ? last_table(root, clause) : NULL;
		MtfDecision *decision = NULL;
		ListCell *other;

		if (rel == NULL)
			continue;
		foreach (other, ((MtfRelInfo *) rel->fdw_private)->joins)
			if (equal(((MtfDecision *) lfirst(other))->clause, clause->clause))
				decision = lfirst(other);
		if (decision == NULL)
		{
			decision = mtf_decision_create(MTF_SHIP_JOIN, copyObject((Node *) clause->clause), why);
			((MtfRelInfo *) rel->fdw_private)->joins =
				lappend(((MtfRelInfo *) rel->fdw_private)->joins, decision);
		}
		if (possible)
			decision->why = pstrdup("by cost");
	}
}

void
mtf_plan_join_note_other(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
						 RelOptInfo *innerrel, List *clauses)
{
	if (joinrel->fdwroutine != NULL || !OidIsValid(outerrel->serverid) ||
		!OidIsValid(innerrel->serverid))
		return;
	note(root, clauses, false,
		 outerrel->serverid != innerrel->serverid ? "another server" : "rights of another user");
}

static MtfJoinKind
kind_of(JoinType jointype)
{
	switch (jointype)
	{
		case JOIN_LEFT: return MTF_JOIN_LEFT;
		case JOIN_SEMI: return MTF_JOIN_SEMI;
		case JOIN_ANTI: return MTF_JOIN_ANTI;
		case JOIN_FULL: return MTF_JOIN_FULL;
		default: return MTF_JOIN_INNER;
	}
}

static MtfJoinInfo *
describe(RelOptInfo *joinrel, RelOptInfo *outerrel, RelOptInfo *innerrel, JoinType jointype,
		 MtfJoinForm form, List *restrictlist)
{
	MtfJoinInfo *info = palloc0(sizeof(MtfJoinInfo));
	MtfJoinStep *step = palloc0(sizeof(MtfJoinStep));
	ListCell *cell;

	info->baserels = list_concat_copy(baserels_of(outerrel), baserels_of(innerrel));
	if (IS_JOIN_REL(outerrel))
		info->steps = list_copy(((MtfJoinInfo *) outerrel->fdw_private)->steps);
	info->steps = lappend(info->steps, step);
	step->inner = innerrel;
	step->nested = IS_JOIN_REL(innerrel) ? innerrel->fdw_private : NULL;
	step->form = form;
	step->kind = kind_of(jointype);
	foreach (cell, restrictlist)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);

		if (IS_OUTER_JOIN(jointype) && RINFO_IS_PUSHED_DOWN(clause, joinrel->relids))
			step->filters = lappend(step->filters, clause);
		else
			step->clauses = lappend(step->clauses, clause);
	}
	return info;
}

/*
 * Does an index find the partners?  Of `_id` nothing else is known.  An index that is known to be there
 * counts for scans only: one engine (secantusd-rs, measured) reads all documents of the tenant for each
 * $lookup all the same.
 */
static bool
is_indexed(const MtfJoin *join)
{
	return mtf_join_can_look_up(join) &&
		   strcmp(((MtfField *) linitial(join->inners))->path, "_id") == 0;
}

/*
 * How many more rows than is believed a join may have below it: without statistics on keys each join may
 * be far from its estimate, and errors multiply.  Here they cost memory and time in proportion; there, where
 * every row has many stages to pass, much more (measured: TPC-H Q5, five joins, minutes).
 */
#define DOUBT 4.0

static double
doubt_of(const MtfScanPlan *plan)
{
	double doubt = 1;

	for (int i = 2; i < list_length(plan->relids); i++)
		doubt *= DOUBT;
	return doubt;
}

/*
 * The rows that the server is believed to make.  Where nothing is known of the keys PostgreSQL takes
 * them for 200 values, and joins of tables for far too large; an inner join of two by a key most often
 * finds each row of one side once.
 */
static double
rows_of(const MtfJoinInfo *info, RelOptInfo *joinrel, RelOptInfo *outerrel, RelOptInfo *innerrel)
{
	const MtfJoinStep *step = linitial(info->steps);

	if (list_length(info->steps) > 1 || step->kind != MTF_JOIN_INNER)
		return joinrel->rows;
	return Min(joinrel->rows, Max(outerrel->rows, innerrel->rows));
}

/* The server's work for the inner rows, but for looking at a collection's documents. */
static Cost
work_of_inner(const MtfJoin *join, RelOptInfo *innerrel)
{
	if (IS_JOIN_REL(innerrel))
		return ((MtfJoinInfo *) innerrel->fdw_private)->work;
	return mtf_cost_filters(mtf_prices_of(innerrel), join->terms, innerrel->rows);
}

/* The server's work for finding the partners of `rows` rows one by one. */
static Cost
work_of_lookups(const MtfJoin *join, double rows, RelOptInfo *innerrel)
{
	double relations = list_length(baserels_of(innerrel));

	if (is_indexed(join))
		return mtf_cost_lookup(rows, 0, true) * relations;
	if (IS_JOIN_REL(innerrel))
		return rows * work_of_inner(join, innerrel);
	return mtf_cost_lookup(rows, innerrel->tuples, false);
}

/* The server's work for a join that makes `joined` rows, without sending them. */
static Cost
work_of(const MtfScanPlan *plan, double joined, RelOptInfo *outerrel, RelOptInfo *innerrel)
{
	const MtfJoin *join = llast(plan->joins);
	QualCost none = {0};
	/* One engine (secantusd-rs, measured) uses no index inside $unionWith: TPC-H Q14, 5 s against 0.7 s. */
	double looked_at = IS_JOIN_REL(innerrel) ? 0 : innerrel->tuples;
	double rows = outerrel->rows * doubt_of(plan);
	const MtfPrices *prices = mtf_prices_of(outerrel);
	Cost below;

	if (IS_JOIN_REL(outerrel))
		below = ((MtfJoinInfo *) outerrel->fdw_private)->work;
	else
		below = mtf_cost_scan(prices, mtf_documents_below(outerrel), 0, 0, &none).total +
				mtf_cost_filters(prices, plan->terms, outerrel->rows);
	below += mtf_cost_keys(prices, join->outers, rows);
	if (join->form == MTF_JOIN_LOOKUP)
		return below + work_of_lookups(join, rows, innerrel);
	below += work_of_inner(join, innerrel) + mtf_cost_keys(prices, join->inners, innerrel->rows);
	return below + mtf_cost_union(prices, rows, looked_at, innerrel->rows, joined * doubt_of(plan));
}

/* All documents of a key come together in one group, which servers hold to 16 MB. */
#define MAX_GROUP_BYTES (1024 * 1024)

/* The bytes of a relation's documents that a key is believed to bring together. */
static double
bytes_of_key(PlannerInfo *root, RelOptInfo *rel, const List *columns)
{
	double groups = mtf_compat_estimate_num_groups(root, (List *) columns, rel->rows);

	return rel->rows / Max(groups, 1.0) * rel->reltarget->width;
}

/* The join clauses' columns of one side. */
static List *
columns_of(const MtfJoinStep *step, Relids relids)
{
	List *columns = NIL;
	ListCell *cell;
	ListCell *inner;

	foreach (cell, step->clauses)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);

		if (clause->can_join)
			foreach (inner, pull_var_clause((Node *) clause->clause, PVC_RECURSE_PLACEHOLDERS))
				if (bms_is_member(lfirst_node(Var, inner)->varno, relids))
					columns = lappend(columns, lfirst(inner));
	}
	return columns;
}

static bool
groups_are_large(PlannerInfo *root, const MtfJoinStep *step, RelOptInfo *outerrel,
				 RelOptInfo *innerrel)
{
	return step->form == MTF_JOIN_HASH &&
		   bytes_of_key(root, outerrel, columns_of(step, outerrel->relids)) +
				   bytes_of_key(root, innerrel, columns_of(step, innerrel->relids)) >
			   MAX_GROUP_BYTES;
}

/* The plan of the join alone; NULL, and why, when it cannot run remotely. */
static MtfUpperPlan *
plan_join(PlannerInfo *root, RelOptInfo *joinrel, const char **why)
{
	MtfUpperPlan *upper = palloc0(sizeof(MtfUpperPlan));
	MtfLowering *lowering;

	upper->plan = mtf_scan_plan_create();
	lowering = mtf_remote_begin(root, joinrel, upper->plan, false);
	*why = lowering == NULL ? mtf_remote_reason() : "whole rows or system columns";
	if (lowering == NULL || !mtf_upper_add_columns(upper, lowering, joinrel->reltarget->exprs))
		return NULL;
	upper->values = lowering->values;
	return upper;
}

/* --- servers that refuse a form ------------------------------------------------------------------------- */

#define REFUSAL_MINUTES 10

typedef struct Refusal
{
	Oid serverid;
	TimestampTz until;
} Refusal;

static List *refusals = NIL; /* in TopMemoryContext */

void
mtf_plan_join_refused(Oid serverid)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Refusal *refusal = palloc(sizeof(Refusal));

	refusal->serverid = serverid;
	refusal->until =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), REFUSAL_MINUTES * 60 * INT64CONST(1000));
	refusals = lappend(refusals, refusal);
	MemoryContextSwitchTo(old);
	ResetPlanCache();
}

static bool
is_refused(Oid serverid)
{
	TimestampTz now = refusals == NIL ? 0 : GetCurrentTimestamp();
	bool refused = false;
	ListCell *cell;

	foreach (cell, refusals)
	{
		Refusal *refusal = lfirst(cell);

		if (refusal->until < now)
		{
			refusals = foreach_delete_current(refusals, cell);
			pfree(refusal);
		}
		else
			refused |= refusal->serverid == serverid;
	}
	return refused;
}

/* A server that was altered may be another one. */
static void
forget_refusals(Datum arg, int cacheid, uint32 hash)
{
	list_free_deep(refusals);
	refusals = NIL;
}

void
mtf_plan_join_init(void)
{
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, forget_refusals, (Datum) 0);
}

/* Is the form to be considered?  Who asks for one alone gets it. */
static bool
is_considered(MtfJoinForm form, Oid serverid)
{
	switch ((MtfJoinMethod) mtf_setting_join_method)
	{
		case MTF_JOIN_METHOD_AUTO: return form == MTF_JOIN_LOOKUP || !is_refused(serverid);
		case MTF_JOIN_METHOD_LOOKUP: return form == MTF_JOIN_LOOKUP;
		case MTF_JOIN_METHOD_HASH: return form == MTF_JOIN_HASH;
		case MTF_JOIN_METHOD_BIND: break;
	}
	return false;
}

/* --- paths ------------------------------------------------------------------------------------------------ */

/* A path of this form, or why there is none; what stands above uses the cheapest. */
static void
add_join_path(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel, RelOptInfo *innerrel,
			  MtfJoinInfo *info, List *clauses, const char **why)
{
	MtfJoinInfo *before = joinrel->fdw_private;
	MtfUpperPlan *upper;
	MtfCost cost;
	QualCost none = {0};

	joinrel->fdw_private = info;
	upper = plan_join(root, joinrel, why);
	joinrel->fdw_private = before;
	if (upper == NULL)
		return;
	*why = "the documents of a key may be too many for a group";
	if (groups_are_large(root, llast(info->steps), outerrel, innerrel))
		return;
	info->rows = rows_of(info, joinrel, outerrel, innerrel);
	info->work = work_of(upper->plan, info->rows, outerrel, innerrel);
	if (before == NULL || info->work < before->work)
		joinrel->fdw_private = info;
	cost =
		mtf_cost_scan(mtf_prices_of(joinrel), 0, joinrel->rows, joinrel->reltarget->width, &none);
	cost.total += info->work;
	/* The first row comes when all groups are complete. */
	if (((MtfJoin *) llast(upper->plan->joins))->form == MTF_JOIN_HASH)
		cost.startup += info->work;
	add_path(joinrel, (Path *) mtf_compat_create_foreign_join_path(root, joinrel, joinrel->rows,
																   cost.startup, cost.total,
																   clauses, list_make1(upper)));
}

void
mtfGetForeignJoinPaths(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
					   RelOptInfo *innerrel, JoinType jointype, JoinPathExtraData *extra)
{
	static const MtfJoinForm forms[] = {MTF_JOIN_LOOKUP, MTF_JOIN_HASH};

	const char *why = "mongo_tenant.join_method is bind";

	if (!is_joined_once(outerrel, innerrel, jointype))
		return;
	if (why_not(root, joinrel, outerrel, innerrel) != NULL)
	{
		note(root, extra->restrictlist, false, why_not(root, joinrel, outerrel, innerrel));
		return;
	}
	for (int i = 0; i < lengthof(forms); i++)
		if (is_considered(forms[i], joinrel->serverid))
			add_join_path(
				root, joinrel, outerrel, innerrel,
				describe(joinrel, outerrel, innerrel, jointype, forms[i], extra->restrictlist),
				extra->restrictlist, &why);
	note(root, extra->restrictlist, joinrel->fdw_private != NULL, why);
}
