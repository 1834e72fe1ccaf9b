/*
 * explain.c
 *	  EXPLAIN of a foreign scan.
 *
 * The pipeline shown is built by the same code as the one that is sent, over explain scopes: the
 * tenant is a placeholder, parameters are "$n", and no cursor accepts it.
 */
#include "rows/explain.h"

#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/ruleutils.h"

#include "pipeline/pipeline.h"
#include "plan/plan_private.h"
#include "rows/exec_scan.h"
#include "tenant/scope.h"

/* Constants are known while explaining; everything else is shown as a parameter. */
static MtfValue *
known_values(const List *exprs, const List *bound, int *nvalues)
{
	MtfValue *values = palloc0(sizeof(MtfValue) * Max(list_length(exprs), 1));
	ListCell *cell;
	int i = 0;

	foreach (cell, exprs)
	{
		Node *expr = lfirst(cell);
		MtfValue *value = &values[i++];

		value->typid = exprType(expr);
		if (IsA(expr, Const) && !list_member_int(bound, value - values))
		{
			value->is_known = true;
			value->isnull = castNode(Const, expr)->constisnull;
			value->datum = castNode(Const, expr)->constvalue;
		}
	}
	*nvalues = i;
	return values;
}

static void
explain_pipeline(const ForeignScan *scan, const MtfScanPlan *plan, ExplainState *es)
{
	MtfScope **scopes = palloc(sizeof(MtfScope *) * list_length(plan->relids));
	MtfPipeline *pipeline;
	MtfValue *values;
	ListCell *cell;
	int nvalues;
	int i = 0;

	foreach (cell, plan->relids)
		scopes[i++] = mtf_scope_create_for_explain(lfirst_oid(cell));
	values = known_values(scan->fdw_exprs, plan->bound, &nvalues);
	pipeline = mtf_pipeline_for_scan(plan, scopes, values, nvalues);

	ExplainPropertyText(
		"Collection",
		psprintf("%s.%s", mtf_scope_database(scopes[0]), mtf_scope_collection(scopes[0])), es);
	if (mtf_pipeline_is_empty(pipeline))
		ExplainPropertyText("Pipeline", "none: the condition is never true", es);
	else
		ExplainPropertyText("Pipeline", mtf_pipeline_describe(pipeline), es);
}

/*
 * The planner's clause as text.  fdw_private is not renumbered when a subquery's range table is
 * appended to the whole plan's, so the offset is found by comparing the relation's two numbers.
 */
static char *
clause_text(Node *clause, int offset, List *context, bool prefix)
{
	clause = copyObject(clause);
	OffsetVarNodes(clause, offset, 0);
	return deparse_expression(clause, context, prefix, false);
}

static int
least_int(const List *list)
{
	int least = linitial_int(list);
	const ListCell *cell;

	foreach (cell, list)
		least = Min(least, lfirst_int(cell));
	return least;
}

static void
explain_decisions(ForeignScanState *node, const MtfScanPlan *plan, ExplainState *es)
{
	static const struct
	{
		MtfShip ship;
		const char *label;
	} groups[] = {{MTF_SHIP_EXACT, "Remote Exact"},
				  {MTF_SHIP_SUPERSET, "Remote Superset"},
				  {MTF_SHIP_LOCAL, "Local"},
				  {MTF_SHIP_JOIN, "Local Join"}};
	ForeignScan *scan = (ForeignScan *) node->ss.ps.plan;
	int offset = mtf_compat_first_relid(scan) - least_int(plan->rtis);
	List *context = set_deparse_context_plan(es->deparse_cxt, (Plan *) scan, NIL);
	bool prefix = mtf_compat_count_relations(es->rtable) > 1;

	for (int i = 0; i < lengthof(groups); i++)
	{
		List *lines = NIL;
		ListCell *cell;

		foreach (cell, plan->decisions)
		{
			MtfDecision *decision = lfirst(cell);
			char *text;

			if (decision->ship != groups[i].ship)
				continue;
			if (decision->clause == NULL)
			{
				lines = lappend(lines, decision->why);
				continue;
			}
			text = clause_text(decision->clause, offset, context, prefix);
			lines = lappend(
				lines, decision->why == NULL ? text : psprintf("%s [%s]", text, decision->why));
		}
		if (lines != NIL)
			ExplainPropertyList(groups[i].label, lines, es);
	}
}

void
mtfExplainForeignScan(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *scan = (ForeignScan *) node->ss.ps.plan;
	const MtfScanPlan *plan = mtf_scan_plan(scan);

	if (es->verbose)
	{
		explain_pipeline(scan, plan, es);
		explain_decisions(node, plan, es);
		if (plan->cursors > 1)
			ExplainPropertyInteger("Parallel Cursors", NULL, plan->cursors, es);
	}
	if (es->analyze)
	{
		MtfCursorStatistics statistics;

		mtf_exec_scan_statistics(node, &statistics);
		if (mtf_exec_scan_fell_back(node))
			ExplainPropertyText("Join Form", "$lookup: the server refused the first form", es);
		ExplainPropertyInteger("Documents", NULL, statistics.documents, es);
		ExplainPropertyInteger("Commands", NULL, statistics.batches, es);
		if (plan->cursors > 1)
			ExplainPropertyInteger("Ranges", NULL, mtf_exec_scan_ranges(node), es);
		ExplainPropertyInteger("Bytes", NULL, statistics.bytes, es);
	}
}
