/*
 * classify.c
 *	  Clause → exact, superset or local; the lowered term that is sent.
 *
 * NOT is pushed down to the leaves first: negating a remote condition would turn SQL's unknown into
 * true.  In AND a leaf that cannot be sent is dropped (the clause becomes a superset, rechecked
 * locally); in OR it keeps the whole OR local.
 *
 * What clauses are made of is decided in lowering.c.
 */
#include "plan/classify.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "plan/choice.h"
#include "plan/element.h"
#include "plan/json_path.h"
#include "plan/member.h"
#include "plan/node.h"
#include "plan/regex.h"
#include "plan/scalar.h"
#include "plan/shift.h"
#include "plan/shippable.h"
#include "plan/text_part.h"
#include "plan/time_range.h"

static MtfTerm *lower_clause(MtfLowering *lowering, Node *node, bool negate);
static MtfTerm *lower_or(MtfLowering *lowering, List *args, bool negate);
static MtfTerm *create_group(MtfTermKind kind, List *terms, bool complete);

/* --- LIKE, arrays, jsonb members, two columns ------------------------------------------------------ */

/*
 * Can the exact form be sent: of a constant pattern that is sound, or, where whoever plans takes it, of one
 * whose soundness is looked at when it is known?
 */
static bool
is_sound_pattern(const MtfLowering *lowering, Node *node)
{
	char *pattern = mtf_node_constant_text(node);

	if (!IsA(node, Const))
		return lowering->takes_patterns;
	return pattern != NULL && mtf_pattern_is_sound(pattern);
}

static bool
is_pattern_form(MtfForm form)
{
	return form == MTF_FORM_LIKE || form == MTF_FORM_ILIKE || form == MTF_FORM_REGEX ||
		   form == MTF_FORM_IREGEX || form == MTF_FORM_PREFIX;
}

static bool
is_array_form(MtfForm form)
{
	return form == MTF_FORM_CONTAINS || form == MTF_FORM_CONTAINED || form == MTF_FORM_OVERLAPS ||
		   form == MTF_FORM_ARRAY_UNEQUAL;
}

static bool
is_json_form(MtfForm form)
{
	return form == MTF_FORM_JSON_CONTAINS || form == MTF_FORM_JSON_EQUAL ||
		   form == MTF_FORM_JSON_KEY || form == MTF_FORM_JSON_PATH;
}

/* The LIKE pattern of an operator's right operand; NULL: it has none.  A regular expression may be known later. */
static Node *
pattern_of(Node *operand, MtfForm form, MtfPattern *said)
{
	*said = MTF_PATTERN_LIKE;
	switch (form)
	{
		case MTF_FORM_REGEX:
		case MTF_FORM_IREGEX:
			if (IsA(operand, Const) || exprType(operand) != TEXTOID)
				return mtf_regex_as_like(operand);
			*said = MTF_PATTERN_REGEX;
			return operand;
		case MTF_FORM_PREFIX: return mtf_text_as_like(operand, false, true);
		default: return operand;
	}
}

static MtfTerm *
lower_like(MtfLowering *lowering, OpExpr *expr, const MtfShippable *row, bool negate)
{
	MtfField *field = mtf_lowering_find_field(lowering, linitial(expr->args));
	MtfPattern said;
	Node *pattern = pattern_of(lsecond(expr->args), row->form, &said);
	MtfOp op = negate ? mtf_op_negated(row->op) : row->op;
	bool folds = row->form == MTF_FORM_ILIKE || row->form == MTF_FORM_IREGEX;
	MtfTermKind kind = folds ? MTF_TERM_ILIKE : MTF_TERM_LIKE;
	MtfTerm *term;

	if (pattern == NULL)
		return mtf_lowering_local(lowering, row->why);
	if (field == NULL && (term = mtf_member_like(lowering, kind, op, linitial(expr->args), pattern,
												 said, expr->inputcollid)) != NULL)
		return term;
	if (field == NULL || field->kind != MTF_KIND_TEXT || field->any_id ||
		!mtf_lowering_is_value(lowering, pattern))
		return mtf_lowering_local(
			lowering, mtf_lowering_operand_reason(lowering, linitial(expr->args), pattern));
	if (!mtf_lowering_collation_allows(lowering, field, MTF_OP_EQ, expr->inputcollid))
		return NULL;
	if (folds && op != MTF_OP_EQ)
		return mtf_lowering_local(lowering,
								  "NOT ILIKE would lose letters whose case is not ASCII's");
	term = mtf_term_create(kind, op, field, mtf_lowering_value_index(lowering, pattern), NIL);
	term->pattern = said;
	term->exact = !folds && field->exact && is_sound_pattern(lowering, pattern);
	term->prefix = kind == MTF_TERM_LIKE && field->exact && mtf_like_is_prefix(pattern);
	lowering->why = row->why;
	return term;
}

/* What is not a column and a value: a member of a jsonb, two columns, something computed. */
static MtfTerm *
lower_other_comparison(MtfLowering *lowering, OpExpr *expr, MtfOp op)
{
	Node *left = linitial(expr->args);
	Node *right = lsecond(expr->args);
	const char *why = lowering->why;
	MtfTerm *term =
		mtf_member_comparison(lowering, MTF_TERM_COMPARE, op, left, right, expr->inputcollid);

	if (term == NULL)
		term = mtf_time_range(lowering, expr, op);
	if (term == NULL)
		term = mtf_shift_comparison(lowering, op, left, right);
	if (term == NULL)
		term = mtf_shift_comparison(lowering, mtf_op_commuted(op), right, left);
	if (term == NULL)
		term =
			mtf_element_comparison(lowering, MTF_TERM_COMPARE, op, left, right, expr->inputcollid);
	if (term == NULL)
		term = mtf_element_comparison(lowering, MTF_TERM_COMPARE, mtf_op_commuted(op), right, left,
									  expr->inputcollid);
	if (term == NULL)
		term = mtf_member_comparison(lowering, MTF_TERM_COMPARE, mtf_op_commuted(op), right, left,
									 expr->inputcollid);
	if (term == NULL)
		term = mtf_text_comparison(lowering, MTF_TERM_COMPARE, op, left, right, expr->inputcollid);
	if (term == NULL)
		term = mtf_text_comparison(lowering, MTF_TERM_COMPARE, mtf_op_commuted(op), right, left,
								   expr->inputcollid);
	if (term != NULL || contain_volatile_functions((Node *) expr))
		return term != NULL ? term : mtf_lowering_local(lowering, why);
	lowering->why = NULL;
	term = mtf_scalar_comparison(lowering, expr, op);
	if (term == NULL && lowering->why == NULL)
		lowering->why = why;
	return term;
}

static MtfTerm *
lower_comparison(MtfLowering *lowering, OpExpr *expr, bool distinct, bool negate)
{
	const MtfShippable *row = mtf_shippable_find(expr->opfuncid);
	MtfField *field;
	Node *value;
	MtfOp op;

	if (row != NULL && !distinct && is_pattern_form(row->form))
		return lower_like(lowering, expr, row, negate);
	if (row != NULL && !distinct && is_array_form(row->form))
		return mtf_element_operator(lowering, expr, row, negate);
	if (row != NULL && !distinct && !negate && is_json_form(row->form))
		return row->form == MTF_FORM_JSON_PATH ? mtf_json_path_operator(lowering, expr, row)
											   : mtf_member_operator(lowering, expr, row);
	if (row == NULL || row->form != MTF_FORM_COMPARE || list_length(expr->args) != 2)
		return mtf_lowering_local(lowering, mtf_lowering_function_reason(expr->opfuncid));
	/* It takes what is named "=", which may be another function's operator. */
	if (distinct && row->op != MTF_OP_EQ)
		return mtf_lowering_local(lowering, "IS DISTINCT FROM by another operator than equality");
	op = distinct ? MTF_OP_DISTINCT : row->op;
	if (!mtf_lowering_split_operands(lowering, linitial(expr->args), lsecond(expr->args), &op,
									 &field, &value))
		return lower_other_comparison(lowering, expr, negate ? mtf_op_negated(op) : op);
	if (negate)
		op = mtf_op_negated(op);
	if (!mtf_lowering_collation_allows(lowering, field, op, expr->inputcollid))
		return NULL;
	if (row->why != NULL)
		lowering->why = row->why;
	return mtf_lowering_create_comparison(lowering, MTF_TERM_COMPARE, op, field, value);
}

static MtfTerm *
lower_list(MtfLowering *lowering, ScalarArrayOpExpr *expr, bool negate)
{
	const MtfShippable *row = mtf_shippable_find(expr->opfuncid);
	MtfField *field = mtf_lowering_find_field(lowering, linitial(expr->args));
	Node *list = lsecond(expr->args);
	bool any = expr->useOr != negate;
	MtfTerm *term;
	MtfOp op;

	if (row == NULL || row->form != MTF_FORM_COMPARE)
		return mtf_lowering_local(lowering, mtf_lowering_function_reason(expr->opfuncid));
	op = negate ? mtf_op_negated(row->op) : row->op;
	if ((term = mtf_element_any(lowering, expr, row, negate)) != NULL)
		return term;
	if ((term = mtf_element_comparison(lowering, any ? MTF_TERM_ANY : MTF_TERM_ALL, op,
									   linitial(expr->args), list, expr->inputcollid)) != NULL)
		return term;
	if ((term = mtf_member_comparison(lowering, any ? MTF_TERM_ANY : MTF_TERM_ALL, op,
									  linitial(expr->args), list, expr->inputcollid)) != NULL)
		return term;
	if ((term = mtf_text_comparison(lowering, any ? MTF_TERM_ANY : MTF_TERM_ALL, op,
									linitial(expr->args), list, expr->inputcollid)) != NULL)
		return term;
	if (field == NULL &&
		(term = mtf_scalar_list(lowering, expr, any ? MTF_TERM_ANY : MTF_TERM_ALL, op)) != NULL)
		return term;
	if (field == NULL || !mtf_lowering_is_value(lowering, list))
		return mtf_lowering_local(
			lowering, mtf_lowering_operand_reason(lowering, linitial(expr->args), list));
	if ((list = mtf_lowering_fit_value(field, list, true)) == NULL)
		return mtf_lowering_local(lowering, "the types compare by rules that have no remote form");
	if (!mtf_lowering_collation_allows(lowering, field, op, expr->inputcollid))
		return NULL;
	lowering->why = row->why;
	return mtf_lowering_create_comparison(lowering, any ? MTF_TERM_ANY : MTF_TERM_ALL, op, field,
										  list);
}

static MtfTerm *
lower_null_test(MtfLowering *lowering, NullTest *test, bool negate)
{
	bool is_null = (test->nulltesttype == IS_NULL) != negate;
	MtfField *field = mtf_lowering_find_field(lowering, (Node *) test->arg);
	MtfTerm *term;

	if (test->argisrow)
		return mtf_lowering_local(lowering, "a test of a whole row");
	if (field == NULL && !is_null &&
		(term = mtf_element_not_null(lowering, (Node *) test->arg)) != NULL)
		return term;
	if (field == NULL && IsA(mtf_without_relabels((Node *) test->arg), SubscriptingRef))
		return mtf_lowering_local(lowering,
								  "of an array that does not decode every element is NULL");
	if (field == NULL && mtf_is_member((Node *) test->arg))
		return mtf_member_null_test(lowering, (Node *) test->arg, is_null);
	if (field == NULL &&
		(term = mtf_scalar_null_test(lowering, (Node *) test->arg, is_null)) != NULL)
		return term;
	if (field == NULL)
		return mtf_lowering_local(lowering, mtf_lowering_operand_reason(
												lowering, (Node *) test->arg, (Node *) test->arg));
	lowering->why = "documents whose field does not decode are told apart here";
	return mtf_lowering_create_test(is_null ? MTF_TERM_NULL : MTF_TERM_NOT_NULL, MTF_OP_EQ, field);
}

/* A boolean column alone, under NOT (then `IS FALSE`: unknown is not true), or under IS [NOT] TRUE. */
static MtfTerm *
lower_truth(MtfLowering *lowering, Node *node, MtfOp op)
{
	MtfField *field = mtf_lowering_find_field(lowering, node);

	if (field == NULL || field->kind != MTF_KIND_BOOL)
		return mtf_lowering_local(lowering, "not a boolean column");
	lowering->why = NULL;
	return mtf_lowering_create_test(MTF_TERM_TRUTH, op, field);
}

/* An exact condition; what is not exact cannot be negated. */
static MtfTerm *
lower_exact(MtfLowering *lowering, Node *node, bool negate)
{
	MtfTerm *term = lower_clause(lowering, node, negate);

	if (term != NULL && !term->exact)
		return mtf_lowering_local(lowering, "what is not exact cannot be negated");
	return term;
}

/* The condition is false or unknown. */
static MtfTerm *
lower_not_true(MtfLowering *lowering, Node *node, bool negate)
{
	MtfTerm *condition = lower_exact(lowering, node, negate);
	MtfTerm *term;

	if (condition == NULL)
		return NULL;
	term = mtf_term_create(MTF_TERM_NOT, MTF_OP_EQ, NULL, -1, list_make1(condition));
	term->exact = true;
	return term;
}

/* Neither true nor false; with `negate`, one of them. */
static MtfTerm *
lower_unknown(MtfLowering *lowering, Node *node, bool negate)
{
	MtfTerm *not_true;
	MtfTerm *not_false;

	not_true = negate ? lower_clause(lowering, node, false) : lower_not_true(lowering, node, false);
	if (not_true == NULL)
		return NULL;
	not_false = negate ? lower_clause(lowering, node, true) : lower_not_true(lowering, node, true);
	if (not_false == NULL)
		return NULL;
	return create_group(negate ? MTF_TERM_OR : MTF_TERM_AND, list_make2(not_true, not_false), true);
}

/* IS [NOT] TRUE, FALSE, UNKNOWN of a condition */
static MtfTerm *
lower_condition_test(MtfLowering *lowering, BooleanTest *test, bool negate)
{
	Node *arg = (Node *) test->arg;
	int nvalues = list_length(lowering->values);
	MtfTerm *term = NULL;

	switch (test->booltesttype)
	{
		case IS_TRUE:
		case IS_NOT_TRUE:
			if ((test->booltesttype == IS_TRUE) != negate)
				term = lower_clause(lowering, arg, false);
			else
				term = lower_not_true(lowering, arg, false);
			break;
		case IS_FALSE:
		case IS_NOT_FALSE:
			if ((test->booltesttype == IS_FALSE) != negate)
				term = lower_clause(lowering, arg, true);
			else
				term = lower_not_true(lowering, arg, true);
			break;
		default:
			term = lower_unknown(lowering, arg, (test->booltesttype == IS_UNKNOWN) == negate);
			break;
	}
	if (term == NULL)
		lowering->values = list_truncate(lowering->values, nvalues);
	return term;
}

static MtfTerm *
lower_boolean_test(MtfLowering *lowering, BooleanTest *test, bool negate)
{
	Node *arg = (Node *) test->arg;
	MtfField *field = mtf_lowering_find_field(lowering, arg);
	MtfOp op = MTF_OP_IS_TRUE;
	bool unknown = false;

	if (field == NULL)
		return lower_condition_test(lowering, test, negate);
	switch (test->booltesttype)
	{
		case IS_TRUE: op = MTF_OP_IS_TRUE; break;
		case IS_NOT_TRUE: op = MTF_OP_IS_NOT_TRUE; break;
		case IS_FALSE: op = MTF_OP_IS_FALSE; break;
		case IS_NOT_FALSE: op = MTF_OP_IS_NOT_FALSE; break;
		default: unknown = true; break;
	}
	if (!unknown)
		return lower_truth(lowering, arg, negate ? mtf_op_negated(op) : op);
	lowering->why = NULL;
	if ((test->booltesttype == IS_UNKNOWN) != negate)
		return mtf_lowering_create_test(MTF_TERM_NULL, MTF_OP_EQ, field);
	return mtf_lowering_create_test(MTF_TERM_NOT_NULL, MTF_OP_EQ, field);
}

/* A boolean value that is computed: COALESCE, NULLIF, a member of a jsonb cast to it. */
static MtfTerm *
lower_computed(MtfLowering *lowering, Node *node, bool negate)
{
	MtfOp op = negate ? MTF_OP_IS_FALSE : MTF_OP_IS_TRUE;
	MtfTerm *term = mtf_member_truth(lowering, node, op);

	if (term == NULL)
		term = mtf_scalar_truth(lowering, node, op);
	return term != NULL ? term : mtf_lowering_local(lowering, "an expression without remote form");
}

/* CASE of conditions: exact ones only, for what comes before decides which one counts. */
static MtfTerm *
lower_case(MtfLowering *lowering, CaseExpr *expr, bool negate)
{
	int nvalues = list_length(lowering->values);
	List *terms = NIL;
	MtfTerm *term;
	ListCell *cell;

	foreach (cell, expr->args)
	{
		CaseWhen *when = lfirst_node(CaseWhen, cell);
		MtfTerm *condition = mtf_choice_when(lowering, expr, when);
		MtfTerm *result = condition == NULL
							  ? mtf_lowering_local(lowering, "a condition of CASE is not exact")
							  : lower_exact(lowering, (Node *) when->result, negate);

		if (result == NULL)
			break;
		terms = lappend(lappend(terms, condition), result);
	}
	if (cell == NULL && expr->defresult != NULL)
	{
		MtfTerm *otherwise = lower_exact(lowering, (Node *) expr->defresult, negate);

		terms = otherwise == NULL ? NIL : lappend(terms, otherwise);
	}
	if (cell != NULL || terms == NIL)
	{
		lowering->values = list_truncate(lowering->values, nvalues);
		return NULL;
	}
	term = mtf_term_create(MTF_TERM_CASE, MTF_OP_EQ, NULL, -1, terms);
	term->exact = true;
	lowering->why = NULL;
	return term;
}

/* left op right by the operator of the strategy in the family of `opno`; NULL: there is none. */
static Node *
row_comparison(RowCompareExpr *expr, int i, int strategy)
{
	Node *left = list_nth(expr->largs, i);
	Node *right = list_nth(expr->rargs, i);
	Oid family = list_nth_oid(expr->opfamilies, i);
	Oid left_type;
	Oid right_type;
	Oid operator;
	int old;
	OpExpr *comparison;

	get_op_opfamily_properties(list_nth_oid(expr->opnos, i), family, false, &old, &left_type,
							   &right_type);
	operator= get_opfamily_member(family, left_type, right_type, strategy);
	if (!OidIsValid(operator))
		return NULL;
	comparison = (OpExpr *) make_opclause(operator, BOOLOID, false, (Expr *) left, (Expr *) right,
										  InvalidOid, list_nth_oid(expr->inputcollids, i));
	set_opfuncid(comparison);
	return (Node *) comparison;
}

/*
 * (a, b) < (x, y): a < x, or a = x and b < y.  As an AND of its parts' bounds it would serve an index no
 * better: each branch has its own.
 */
static MtfTerm *
lower_row_comparison(MtfLowering *lowering, RowCompareExpr *expr, bool negate)
{
	int comparison = mtf_compat_row_comparison(expr);
	bool less = comparison == ROWCOMPARE_LT || comparison == ROWCOMPARE_LE;
	bool or_equal = comparison == ROWCOMPARE_LE || comparison == ROWCOMPARE_GE;
	int n = list_length(expr->opnos);
	List *equal = NIL;
	List *branches = NIL;

	if (negate)
	{
		less = !less;
		or_equal = !or_equal;
	}
	for (int i = 0; i < n; i++)
	{
		int strict = less ? BTLessStrategyNumber : BTGreaterStrategyNumber;
		int last = less ? BTLessEqualStrategyNumber : BTGreaterEqualStrategyNumber;
		Node *order = row_comparison(expr, i, i == n - 1 && or_equal ? last : strict);
		Node *same = row_comparison(expr, i, BTEqualStrategyNumber);

		if (order == NULL || same == NULL)
			return mtf_lowering_local(lowering, "a comparison of rows by no known order");
		branches = lappend(branches, make_ands_explicit(lappend(list_copy(equal), order)));
		equal = lappend(equal, same);
	}
	return lower_or(lowering, branches, false);
}

/* A condition without columns, such as `$1 IS NULL`: decided when the values are known. */
static MtfTerm *
lower_value_condition(MtfLowering *lowering, Node *node, bool negate)
{
	int value = mtf_lowering_value_index(lowering, node);
	MtfTerm *term = mtf_term_create(MTF_TERM_TRUTH, negate ? MTF_OP_IS_FALSE : MTF_OP_IS_TRUE, NULL,
									value, NIL);

	term->exact = true;
	lowering->why = NULL;
	return term;
}

/* --- the tree -------------------------------------------------------------------------------- */

static MtfTerm *
create_group(MtfTermKind kind, List *terms, bool complete)
{
	MtfTerm *group = mtf_term_create(kind, MTF_OP_EQ, NULL, -1, terms);
	ListCell *cell;

	group->exact = complete;
	foreach (cell, terms)
		group->exact &= ((MtfTerm *) lfirst(cell))->exact;
	return group;
}

static const char *
reason(MtfLowering *lowering)
{
	return lowering->why != NULL ? lowering->why : "an expression without remote form";
}

/* Under AND what cannot be sent is left to the recheck; nothing sent at all: local. */
static MtfTerm *
lower_and(MtfLowering *lowering, List *args, bool negate)
{
	List *terms = NIL;
	const char *dropped = NULL;
	ListCell *cell;

	foreach (cell, args)
	{
		MtfTerm *term;

		lowering->why = NULL;
		term = lower_clause(lowering, lfirst(cell), negate);
		if (term != NULL)
			terms = lappend(terms, term);
		else
			dropped = reason(lowering);
	}
	if (terms == NIL)
		return mtf_lowering_local(lowering, dropped);
	if (dropped != NULL)
		lowering->why = psprintf("in part: %s", dropped);
	return create_group(MTF_TERM_AND, terms, dropped == NULL);
}

static MtfTerm *
lower_or(MtfLowering *lowering, List *args, bool negate)
{
	int nvalues = list_length(lowering->values);
	List *terms = NIL;
	ListCell *cell;

	foreach (cell, args)
	{
		MtfTerm *term = lower_clause(lowering, lfirst(cell), negate);

		/* Values of a dropped part must not be evaluated. */
		if (term == NULL)
			lowering->values = list_truncate(lowering->values, nvalues);
		if (term == NULL)
			return mtf_lowering_local(lowering,
									  psprintf("one side of OR stays: %s", reason(lowering)));
		terms = lappend(terms, term);
	}
	return create_group(MTF_TERM_OR, terms, true);
}

static MtfTerm *
lower_boolean(MtfLowering *lowering, BoolExpr *expr, bool negate)
{
	switch (expr->boolop)
	{
		case NOT_EXPR: return lower_clause(lowering, linitial(expr->args), !negate);
		case AND_EXPR:
			return negate ? lower_or(lowering, expr->args, true)
						  : lower_and(lowering, expr->args, false);
		case OR_EXPR:
			return negate ? lower_and(lowering, expr->args, true)
						  : lower_or(lowering, expr->args, false);
	}
	return mtf_lowering_local(lowering, "an unknown boolean operator");
}

static MtfTerm *
lower_constant(MtfLowering *lowering, Const *constant, bool negate)
{
	bool holds = !constant->constisnull && DatumGetBool(constant->constvalue) != negate;

	lowering->why = NULL;
	return mtf_lowering_create_constant(holds);
}

static MtfTerm *
lower_clause(MtfLowering *lowering, Node *node, bool negate)
{
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_RestrictInfo:
			return lower_clause(lowering, (Node *) ((RestrictInfo *) node)->clause, negate);
		case T_BoolExpr: return lower_boolean(lowering, (BoolExpr *) node, negate);
		case T_Const: return lower_constant(lowering, (Const *) node, negate);
		default: break;
	}
	if (mtf_lowering_is_value(lowering, node))
		return lower_value_condition(lowering, node, negate);
	switch (nodeTag(node))
	{
		case T_OpExpr: return lower_comparison(lowering, (OpExpr *) node, false, negate);
		case T_DistinctExpr: return lower_comparison(lowering, (OpExpr *) node, true, negate);
		case T_ScalarArrayOpExpr: return lower_list(lowering, (ScalarArrayOpExpr *) node, negate);
		case T_NullTest: return lower_null_test(lowering, (NullTest *) node, negate);
		case T_BooleanTest: return lower_boolean_test(lowering, (BooleanTest *) node, negate);
		case T_Var: return lower_truth(lowering, node, negate ? MTF_OP_IS_FALSE : MTF_OP_IS_TRUE);
		case T_CaseExpr: return lower_case(lowering, (CaseExpr *) node, negate);
		case T_CoalesceExpr:
		case T_CoerceViaIO:
		case T_NullIfExpr: return lower_computed(lowering, node, negate);
		case T_RowCompareExpr:
			return lower_row_comparison(lowering, (RowCompareExpr *) node, negate);
		case T_SubPlan:
		case T_AlternativeSubPlan:
			return mtf_lowering_local(lowering, "a subquery is computed locally");
		case T_FuncExpr:
			if (mtf_is_member(node))
				return lower_computed(lowering, node, negate);
			return mtf_lowering_local(lowering,
									  mtf_lowering_function_reason(((FuncExpr *) node)->funcid));
		default: return mtf_lowering_local(lowering, "an expression without remote form");
	}
}

static int
term_height(const MtfTerm *term)
{
	int highest = 0;
	ListCell *cell;

	check_stack_depth();
	foreach (cell, term->args)
	{
		int height = term_height(lfirst(cell));

		highest = Max(highest, height);
	}
	/* Each WHEN stands in the ELSE of the one before. */
	return highest + (term->function == MTF_FUNCTION_CASE ? (list_length(term->args) + 1) / 2 : 1);
}

bool
mtf_term_is_too_high(const MtfTerm *term)
{
	return term_height(term) > MTF_MAX_HEIGHT;
}

MtfTerm *
mtf_classify(MtfLowering *lowering, Node *clause, MtfShip *ship, const char **why)
{
	MtfTerm *term;

	lowering->why = NULL;
	term = lower_clause(lowering, clause, false);
	if (term != NULL && mtf_term_is_too_high(term))
		term = mtf_lowering_local(lowering, "it nests more deeply than servers take");
	*why = term == NULL ? reason(lowering) : lowering->why;
	*ship = term == NULL ? MTF_SHIP_LOCAL : term->exact ? MTF_SHIP_EXACT : MTF_SHIP_SUPERSET;
	return term;
}
