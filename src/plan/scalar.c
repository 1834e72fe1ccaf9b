/*
 * scalar.c
 *	  Comparisons whose operands are not a column and a value: two columns, COALESCE, CASE, arithmetic.
 *
 * All of them are exact, and sent as aggregation expressions: no index serves them, but their documents
 * do not travel.  A column that does not decode is NULL there; without an exact form (lowering.c) nothing
 * computed from it is sent.
 *
 * What must not happen here: an operand that can fail, a sum that may overflow (an error here, silence
 * there), a cast that rounds.
 */
#include "plan/scalar.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/integer_range.h"
#include "plan/choice.h"
#include "plan/classify.h"
#include "plan/compute.h"
#include "plan/node.h"
#include "plan/shippable.h"

static MtfTerm *scalar_of(MtfLowering *lowering, Node *node);

/*
 * What stands for the column where a computed value is compared: kind and exactness are those of the
 * value.  NULL: nothing of the type can be compared.
 */
static MtfField *
field_of(Node *node)
{
	MtfField *field;
	MtfKind kind;

	if (!mtf_kind_of_value(exprType(mtf_without_relabels(node)), &kind))
		return NULL;
	field = mtf_field_create();
	field->path = pstrdup(MTF_COMPUTED_PATH);
	field->kind = kind;
	field->typmod = -1;
	field->exact = true;
	return field;
}

/* --- leaves ------------------------------------------------------------------------------------------ */

/* Has a constant a BSON form that means the same?  One that is known only later must always have. */
static bool
has_literal(Node *node)
{
	Const *constant = (Const *) node;
	Timestamp timestamp;
	char *text;

	switch (exprType(node))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT8OID:
		case BOOLOID:
		case UUIDOID:
		case TEXTOID:
		case VARCHAROID: return true;
		default: break;
	}
	if (!IsA(node, Const))
		return false;
	if (constant->constisnull)
		return true;
	switch (constant->consttype)
	{
		case NUMERICOID:
			text = DatumGetCString(DirectFunctionCall1(numeric_out, constant->constvalue));
			return strlen(text) <= 30 && strspn(text, "-.0123456789") == strlen(text);
		case DATEOID: return !DATE_NOT_FINITE(DatumGetDateADT(constant->constvalue));
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			timestamp = DatumGetTimestamp(constant->constvalue);
			return !TIMESTAMP_NOT_FINITE(timestamp) && timestamp % 1000 == 0;
		default: return false;
	}
}

/* A parameter whose value may have one: told apart when it is known (pipeline/value.c). */
static bool
may_have_literal(MtfLowering *lowering, Node *node)
{
	Oid type = exprType(node);

	if (!lowering->allows_doubt || IsA(node, Const) ||
		(type != NUMERICOID && type != DATEOID && type != TIMESTAMPOID && type != TIMESTAMPTZOID))
		return false;
	lowering->doubts = true;
	return true;
}

static MtfTerm *
scalar_value(MtfLowering *lowering, Node *node)
{
	MtfTerm *term;

	if (!has_literal(node) && !may_have_literal(lowering, node))
		return mtf_lowering_local(lowering, "a value may have no exact form there");
	term =
		mtf_term_create(MTF_TERM_VALUE, MTF_OP_EQ, NULL, mtf_lowering_value(lowering, node), NIL);
	term->exact = true;
	term->precision = term->scale = -1;
	return term;
}

static MtfTerm *
scalar_field(MtfLowering *lowering, MtfField *field)
{
	MtfTerm *term;

	if (!field->exact)
		return mtf_lowering_local(lowering,
								  "the server cannot tell exactly what a column decodes to");
	term = mtf_term_create(MTF_TERM_FIELD, MTF_OP_EQ, field, -1, NIL);
	term->exact = true;
	term->precision = term->scale = -1;
	return term;
}

/* --- COALESCE, CASE, NULLIF -------------------------------------------------------------------------- */

static MtfTerm *
scalar_coalesce(MtfLowering *lowering, CoalesceExpr *expr)
{
	List *args = NIL;

	if (!mtf_choice_values(lowering, expr->args, scalar_of, &args))
		return NULL;
	return mtf_compute_create(MTF_TERM_CALL, MTF_FUNCTION_COALESCE, NULL, -1, args);
}

static MtfTerm *
scalar_case(MtfLowering *lowering, CaseExpr *expr)
{
	List *otherwise = expr->defresult == NULL ? NIL : list_make1(expr->defresult);
	List *args = NIL;

	if (!mtf_choice_branches(lowering, expr, scalar_of, &args) ||
		!mtf_choice_values(lowering, otherwise, scalar_of, &args))
		return NULL;
	return mtf_compute_create(MTF_TERM_CALL, MTF_FUNCTION_CASE, NULL, -1, args);
}

/* NULLIF(x, y): CASE WHEN x = y THEN NULL ELSE x END */
static MtfTerm *
scalar_nullif(MtfLowering *lowering, NullIfExpr *expr)
{
	OpExpr *equal = makeNode(OpExpr);
	MtfTerm *condition;
	MtfTerm *value;

	equal->opno = expr->opno;
	equal->opfuncid = expr->opfuncid;
	equal->opresulttype = BOOLOID;
	equal->opcollid = expr->opcollid;
	equal->inputcollid = expr->inputcollid;
	equal->args = expr->args;
	if ((condition = mtf_choice_condition(lowering, (Node *) equal)) == NULL ||
		(value = scalar_of(lowering, linitial(expr->args))) == NULL)
		return NULL;
	return mtf_compute_create(
		MTF_TERM_CALL, MTF_FUNCTION_CASE, NULL, -1,
		list_make3(condition,
				   scalar_value(lowering, (Node *) makeNullConst(exprType(linitial(expr->args)), -1,
																 InvalidOid)),
				   value));
}

/* --- any value --------------------------------------------------------------------------------------- */

/* A cast that changes no value and no comparison, or what compute.c knows. */
static MtfTerm *
scalar_cast(MtfLowering *lowering, FuncExpr *expr)
{
	switch (expr->funcid)
	{
		case F_INT4_INT2:
		case F_INT8_INT2:
		case F_INT8_INT4:
		case F_NUMERIC_INT2:
		case F_NUMERIC_INT4:
		case F_NUMERIC_INT8:
		/* Not of int8, which a double rounds. */
		case F_FLOAT8_INT2:
		case F_FLOAT8_INT4: return scalar_of(lowering, linitial(expr->args));
		default: return mtf_compute(lowering, (Node *) expr);
	}
}

static MtfTerm *
scalar_node(MtfLowering *lowering, Node *node)
{
	MtfField *field;

	check_stack_depth();
	node = mtf_without_relabels(node);
	if (IsA(node, Var) && (field = mtf_lowering_field(lowering, node)) != NULL)
		return scalar_field(lowering, field);
	if (mtf_lowering_is_value(lowering, node))
		return scalar_value(lowering, node);
	switch (nodeTag(node))
	{
		case T_FuncExpr: return scalar_cast(lowering, (FuncExpr *) node);
		case T_CoalesceExpr: return scalar_coalesce(lowering, (CoalesceExpr *) node);
		case T_CaseExpr: return scalar_case(lowering, (CaseExpr *) node);
		case T_NullIfExpr: return scalar_nullif(lowering, (NullIfExpr *) node);
		default: return mtf_compute(lowering, node);
	}
}

/* The exact term of a value expression of any kind; NULL: it has none. */
static MtfTerm *
scalar_of(MtfLowering *lowering, Node *node)
{
	bool counts_overflows = lowering->counts_overflows;
	bool bounds_digits = lowering->bounds_digits;
	MtfTerm *term;

	/* Nobody counts what overflows in a condition: all such documents come, or none is computed. */
	lowering->counts_overflows = lowering->allows_overflow;
	lowering->bounds_digits = false;
	term = scalar_node(lowering, node);
	lowering->counts_overflows = counts_overflows;
	lowering->bounds_digits = bounds_digits;

	if (term == NULL || mtf_term_is_too_high(term))
		return NULL;
	term->type = exprType(node);
	return term;
}

/* --- comparisons ------------------------------------------------------------------------------------- */

/* How values of two types compare on the server as they do here; false: they do not. */
static bool
choose_comparison(Oid left, Oid right, MtfCompareAs *as)
{
	bool days = left == DATEOID || right == DATEOID;

	*as = MTF_COMPARE_PLAIN;
	if (days && (left == DATEOID || left == TIMESTAMPOID) &&
		(right == DATEOID || right == TIMESTAMPOID))
	{
		*as = MTF_COMPARE_MILLISECONDS;
		return true;
	}
	if ((left == INT2OID || left == INT4OID || left == INT8OID) &&
		(right == INT2OID || right == INT4OID || right == INT8OID))
		return true;
	if (left != right)
		return false;
	switch (left)
	{
		case FLOAT8OID:
		case NUMERICOID: *as = MTF_COMPARE_NUMBERS; return true;
		case BOOLOID:
		case TEXTOID:
		case UUIDOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID: return true;
		default: return false;
	}
}

/* A day is the midnight it begins with; a cast to timestamp keeps that. */
static Node *
without_day_cast(Node *node, MtfCompareAs as)
{
	if (as == MTF_COMPARE_MILLISECONDS && IsA(node, FuncExpr) &&
		((FuncExpr *) node)->funcid == F_TIMESTAMP_DATE)
		return linitial(((FuncExpr *) node)->args);
	return node;
}

/* A column, or what begins a unit of time: of other values it is not known whether they are midnights. */
static bool
has_midnight(const MtfTerm *term)
{
	return term->field != NULL || term->function == MTF_FUNCTION_TRUNCATE;
}

/* Two values that both depend on a document. */
static MtfTerm *
compare_values(MtfLowering *lowering, OpExpr *expr, MtfOp op)
{
	Node *left = linitial(expr->args);
	Node *right = lsecond(expr->args);
	MtfField *field = field_of(left);
	MtfCompareAs as;
	MtfTerm *x;
	MtfTerm *y;
	MtfTerm *term;

	/* d::timestamp compared with a timestamp: the day is its midnight. */
	if (exprType(left) == TIMESTAMPOID && exprType(right) == TIMESTAMPOID &&
		(IsA(left, FuncExpr) || IsA(right, FuncExpr)))
	{
		as = MTF_COMPARE_MILLISECONDS;
		left = without_day_cast(left, as);
		right = without_day_cast(right, as);
	}
	else if (!choose_comparison(exprType(left), exprType(right), &as))
		return mtf_lowering_local(lowering, "the types compare by rules that have no remote form");
	if (field == NULL || !mtf_lowering_collation_allows(lowering, field, op, expr->inputcollid) ||
		(x = scalar_of(lowering, left)) == NULL || (y = scalar_of(lowering, right)) == NULL ||
		(as == MTF_COMPARE_MILLISECONDS && !(has_midnight(x) && has_midnight(y))))
		return NULL;
	term = mtf_term_create(MTF_TERM_COMPARE_VALUES, op, NULL, -1, list_make2(x, y));
	term->as = as;
	term->exact = true;
	return term;
}

/* A computed value in the place of a column. */
static MtfTerm *
compare_with(MtfLowering *lowering, MtfTermKind kind, MtfOp op, Node *node, Node *value,
			 Oid collation)
{
	MtfField *field = field_of(node);
	MtfTerm *computed;
	MtfTerm *term;

	if (field == NULL ||
		(value = mtf_lowering_fit_value(field, value, kind != MTF_TERM_COMPARE)) == NULL ||
		!mtf_lowering_collation_allows(lowering, field, op, collation) ||
		(computed = scalar_of(lowering, node)) == NULL)
		return NULL;
	term = mtf_lowering_create_comparison(lowering, kind, op, field, value);
	if (!term->exact)
		return NULL;
	term->args = list_make1(computed);
	return term;
}

/* A whole number that is computed, compared with a constant. */
static MtfTerm *
compare_term(MtfLowering *lowering, MtfOp op, MtfTerm *computed, int64 number)
{
	Node *constant = mtf_node_int8(number);
	MtfField *field = field_of(constant);
	MtfTerm *term = mtf_lowering_create_comparison(lowering, MTF_TERM_COMPARE, op, field, constant);

	term->args = list_make1(copyObject(computed));
	return term;
}

/* An attempt, in which a parameter may be doubtful; attempts nest (CASE). */
typedef struct Attempt
{
	int nvalues;
	bool allows_doubt;
	bool allows_overflow;
	bool doubts;
} Attempt;

static Attempt
begin_attempt(MtfLowering *lowering)
{
	Attempt attempt = {list_length(lowering->values), lowering->allows_doubt,
					   lowering->allows_overflow, lowering->doubts};

	lowering->allows_doubt = lowering->allows_overflow = true;
	lowering->doubts = false;
	return attempt;
}

/* The documents in which a whole number of the term is outside its type: PostgreSQL raises an error of them. */
static List *
overflows_of(MtfLowering *lowering, MtfTerm *term)
{
	List *terms = NIL;
	ListCell *cell;

	if (term->overflows != InvalidOid)
	{
		MtfTerm *above =
			compare_term(lowering, MTF_OP_GT, term, mtf_integer_greatest(term->overflows));
		MtfTerm *below =
			compare_term(lowering, MTF_OP_LT, term, mtf_integer_least(term->overflows));

		terms = list_make2(above, below);
	}
	foreach (cell, term->args)
		terms = list_concat(terms, overflows_of(lowering, lfirst(cell)));
	return terms;
}

static MtfTerm *
with_overflows(MtfLowering *lowering, MtfTerm *term)
{
	List *overflows = overflows_of(lowering, term);

	if (overflows == NIL)
		return term;
	lowering->why = "what overflows here comes along";
	return mtf_term_create(MTF_TERM_OR, MTF_OP_EQ, NULL, -1, lcons(term, overflows));
}

/* What a failed attempt needed is not evaluated; what is doubtful is rechecked. */
static MtfTerm *
settle(MtfLowering *lowering, Attempt attempt, MtfTerm *term)
{
	if (term == NULL)
		lowering->values = list_truncate(lowering->values, attempt.nvalues);
	else
		lowering->why = lowering->doubts ? "a parameter may have no exact form there" : NULL;
	if (term != NULL && lowering->doubts)
		term->exact = false;
	if (term != NULL)
		term = with_overflows(lowering, term);
	lowering->allows_doubt = attempt.allows_doubt;
	lowering->allows_overflow = attempt.allows_overflow;
	lowering->doubts = attempt.doubts;
	return term;
}

static MtfTerm *
lower_comparison(MtfLowering *lowering, OpExpr *expr, MtfOp op)
{
	Node *left = linitial(expr->args);
	Node *right = lsecond(expr->args);

	if (mtf_lowering_is_value(lowering, right))
		return compare_with(lowering, MTF_TERM_COMPARE, op, left, right, expr->inputcollid);
	if (mtf_lowering_is_value(lowering, left))
		return compare_with(lowering, MTF_TERM_COMPARE, mtf_op_commuted(op), right, left,
							expr->inputcollid);
	return compare_values(lowering, expr, op);
}

MtfTerm *
mtf_scalar_comparison(MtfLowering *lowering, OpExpr *expr, MtfOp op)
{
	Attempt attempt = begin_attempt(lowering);

	return settle(lowering, attempt, lower_comparison(lowering, expr, op));
}

MtfTerm *
mtf_scalar_list(MtfLowering *lowering, ScalarArrayOpExpr *expr, MtfTermKind kind, MtfOp op)
{
	Node *list = lsecond(expr->args);
	Attempt attempt;

	if (!mtf_lowering_is_value(lowering, list))
		return NULL;
	attempt = begin_attempt(lowering);
	return settle(lowering, attempt,
				  compare_with(lowering, kind, op, linitial(expr->args), list, expr->inputcollid));
}

/* A computed value that is tested alone. */
static MtfTerm *
test_value(MtfLowering *lowering, Node *node, MtfTermKind kind, MtfOp op)
{
	Attempt attempt = begin_attempt(lowering);
	MtfField *field = field_of(node);
	MtfTerm *computed = field == NULL ? NULL : scalar_of(lowering, node);
	MtfTerm *term = NULL;

	if (computed != NULL)
	{
		term = mtf_lowering_create_test(kind, op, field);
		term->args = list_make1(computed);
	}
	return settle(lowering, attempt, term);
}

MtfTerm *
mtf_scalar_null_test(MtfLowering *lowering, Node *node, bool is_null)
{
	return test_value(lowering, node, is_null ? MTF_TERM_NULL : MTF_TERM_NOT_NULL, MTF_OP_EQ);
}

MtfTerm *
mtf_scalar_truth(MtfLowering *lowering, Node *node, MtfOp op)
{
	return test_value(lowering, node, MTF_TERM_TRUTH, op);
}
