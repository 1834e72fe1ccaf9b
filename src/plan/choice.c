/*
 * choice.c
 *	  CASE and COALESCE: what every reader of them shares.
 *
 * Conditions are exact ones only: what comes before decides which result counts.
 *
 * What must not happen here: a test value that gets into the place of another one.
 */
#include "plan/choice.h"

#include "nodes/nodeFuncs.h"

MtfTerm *
mtf_choice_condition(MtfLowering *lowering, Node *node)
{
	const char *why;
	MtfShip ship;
	MtfTerm *term = mtf_classify(lowering, node, &ship, &why);

	if (ship == MTF_SHIP_EXACT)
		return term;
	return mtf_lowering_local(lowering, why != NULL ? why : "a condition without exact form");
}

/* Its place for the element that is cast is the same node as that for the value tested. */
static bool
casts_elements(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, ArrayCoerceExpr) || expression_tree_walker(node, casts_elements, context);
}

/* In `CASE x WHEN y` the condition compares with a place for x. */
static Node *
put_value_tested(Node *node, void *value)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, CaseTestExpr))
		return copyObject(value);
	/* Another CASE has a value of its own. */
	if (IsA(node, CaseExpr))
		return node;
	return expression_tree_mutator(node, put_value_tested, value);
}

MtfTerm *
mtf_choice_when(MtfLowering *lowering, CaseExpr *expr, CaseWhen *when)
{
	Node *condition = (Node *) when->expr;

	if (expr->arg == NULL)
		return mtf_choice_condition(lowering, condition);
	if (casts_elements(condition, NULL))
		return mtf_lowering_local(lowering, "a cast of an array in a condition of CASE");
	return mtf_choice_condition(lowering, put_value_tested(condition, expr->arg));
}

bool
mtf_choice_branches(MtfLowering *lowering, CaseExpr *expr, MtfLowerValue lower, List **terms)
{
	ListCell *cell;

	foreach (cell, expr->args)
	{
		CaseWhen *when = lfirst_node(CaseWhen, cell);
		MtfTerm *condition = mtf_choice_when(lowering, expr, when);
		MtfTerm *result = condition == NULL ? NULL : lower(lowering, (Node *) when->result);

		if (result == NULL)
			return false;
		*terms = lappend(lappend(*terms, condition), result);
	}
	return true;
}

bool
mtf_choice_values(MtfLowering *lowering, List *values, MtfLowerValue lower, List **terms)
{
	ListCell *cell;

	foreach (cell, values)
	{
		MtfTerm *term = lower(lowering, lfirst(cell));

		if (term == NULL)
			return false;
		*terms = lappend(*terms, term);
	}
	return true;
}
