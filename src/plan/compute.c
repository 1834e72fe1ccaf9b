/*
 * compute.c
 *	  Computed values → lowered terms, when the server gets them exactly right.
 *
 * Numbers carry their precision and scale, so that whoever adds them up can see to it that a
 * Decimal128 holds every digit.  Whole numbers overflow here with an error, there in silence: so their
 * digits show that they cannot, or the term is marked and its user counts what is outside (overflows).
 *
 * What must not happen here: an operator that can fail (division by what may be 0, conversion of text).
 */
#include "plan/compute.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "base/integer_range.h"
#include "plan/choice.h"
#include "plan/compute_part.h"
#include "plan/node.h"
#include "plan/shippable.h"
#include "plan/text_part.h"

/* Of a Decimal128's 34 digits, those that may stand behind the point. */
#define MAX_SCALE 20

MtfTerm *
mtf_compute_create(MtfTermKind kind, MtfFunction function, MtfField *field, int value, List *args)
{
	MtfTerm *term = mtf_term_create(kind, MTF_OP_EQ, field, value, args);

	term->function = function;
	term->exact = true;
	term->precision = term->scale = -1;
	return term;
}

static void
set_digits(MtfTerm *term, int precision, int scale)
{
	term->precision = precision;
	term->scale = scale;
}

/* --- leaves ------------------------------------------------------------------------------------------ */

static MtfTerm *
compute_field(MtfField *field)
{
	MtfTerm *term = mtf_compute_create(MTF_TERM_FIELD, MTF_FUNCTION_NONE, field, -1, NIL);

	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_INT2: set_digits(term, 5, 0); break;
		case MTF_KIND_INT4: set_digits(term, 10, 0); break;
		case MTF_KIND_INT8: set_digits(term, 19, 0); break;
		case MTF_KIND_NUMERIC:
			if (field->typmod >= (int32) VARHDRSZ)
				set_digits(term, mtf_compat_numeric_precision(field->typmod),
						   mtf_compat_numeric_scale(field->typmod));
			break;
		default: break;
	}
	return term;
}

/* Digits of a number's text: all of them, and those behind the point. */
static void
set_digits_of_text(MtfTerm *term, const char *text)
{
	const char *point = strchr(text, '.');
	int digits = 0;

	for (const char *c = text; *c != '\0'; c++)
		digits += *c >= '0' && *c <= '9';
	set_digits(term, digits, point == NULL ? 0 : (int) strlen(point + 1));
}

/* The digits of a constant number; false: it has none (NaN, infinities). */
static bool
set_digits_of_constant(MtfTerm *term, const Const *constant)
{
	char *text;

	switch (constant->consttype)
	{
		case NUMERICOID:
			text = DatumGetCString(DirectFunctionCall1(numeric_out, constant->constvalue));
			break;
		case INT2OID: text = psprintf("%d", DatumGetInt16(constant->constvalue)); break;
		case INT4OID: text = psprintf("%d", DatumGetInt32(constant->constvalue)); break;
		default: text = psprintf(INT64_FORMAT, DatumGetInt64(constant->constvalue)); break;
	}
	if (strspn(text, "-.0123456789") != strlen(text))
		return false;
	set_digits_of_text(term, text);
	return true;
}

/* A BSON date counts milliseconds, and has no infinity. */
static bool
is_whole_milliseconds(const Const *constant)
{
	if (constant->consttype == DATEOID)
		return !DATE_NOT_FINITE(DatumGetDateADT(constant->constvalue));
	return !TIMESTAMP_NOT_FINITE(DatumGetTimestamp(constant->constvalue)) &&
		   DatumGetTimestamp(constant->constvalue) % 1000 == 0;
}

static MtfTerm *
compute_constant(MtfLowering *lowering, Const *constant)
{
	MtfTerm *term;

	if (constant->constisnull)
		return mtf_lowering_local(lowering, "a value that is NULL");
	term = mtf_compute_create(MTF_TERM_VALUE, MTF_FUNCTION_NONE, NULL, -1, NIL);
	switch (constant->consttype)
	{
		case NUMERICOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
			if (!set_digits_of_constant(term, constant))
				return mtf_lowering_local(lowering, "a number without digits");
			break;
		case BOOLOID: break;
		case TEXTOID:
		case VARCHAROID:
			if (GetDatabaseEncoding() != PG_UTF8)
				return mtf_lowering_local(lowering, "the database's encoding is not UTF8");
			break;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			if (!is_whole_milliseconds(constant))
				return mtf_lowering_local(lowering, "a time that no BSON date holds");
			break;
		default: return mtf_lowering_local(lowering, "a constant without remote form");
	}
	term->value = mtf_lowering_value(lowering, (Node *) constant);
	return term;
}

/* --- arithmetic on whole numbers -------------------------------------------------------------------------- */

/* The most digits of which every number fits the type; a BSON long has room for those of int8. */
static int
sure_digits(Oid type)
{
	return type == INT2OID ? 4 : type == INT4OID ? 9 : 18;
}

#define DOUBLE_DIGITS 15 /* that a quotient, which is computed as a double, keeps apart */

static MtfFunction
integer_function(Oid function)
{
	const MtfShippable *row = mtf_shippable_find(function);

	if (row == NULL || row->form != MTF_FORM_ARITHMETIC)
		return MTF_FUNCTION_NONE;
	switch (row->mongo[1])
	{
		case 'a': return MTF_FUNCTION_INT_ADD;
		case 's': return MTF_FUNCTION_INT_SUBTRACT;
		case 'd': return MTF_FUNCTION_INT_DIVIDE;
		default:
			return strcmp(row->mongo, "$mod") == 0 ? MTF_FUNCTION_INT_MODULO
												   : MTF_FUNCTION_INT_MULTIPLY;
	}
}

/* A constant by which to divide: not 0, which fails, nor -1, by which the least number does. */
static bool
is_sound_divisor(Node *node)
{
	const Const *constant = mtf_node_constant(node);
	int64 divisor;

	if (constant == NULL)
		return false;
	switch (constant->consttype)
	{
		case INT2OID: divisor = DatumGetInt16(constant->constvalue); break;
		case INT4OID: divisor = DatumGetInt32(constant->constvalue); break;
		default: divisor = DatumGetInt64(constant->constvalue); break;
	}
	return divisor != 0 && divisor != -1;
}

static int
integer_digits(MtfFunction function, const MtfTerm *left, const MtfTerm *right)
{
	switch (function)
	{
		case MTF_FUNCTION_INT_MULTIPLY: return left->precision + right->precision;
		case MTF_FUNCTION_INT_DIVIDE: return left->precision;
		case MTF_FUNCTION_INT_MODULO: return Min(left->precision, right->precision);
		default: return Max(left->precision, right->precision) + 1;
	}
}

/* --- how great a whole number can be ----------------------------------------------------------------------- */

static double magnitude_of(const MtfLowering *lowering, const MtfTerm *term);

static double
magnitude_of_field(const MtfField *field)
{
	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8: return -(double) mtf_integer_least(mtf_field_integer_type(field));
		default: return INFINITY;
	}
}

static double
magnitude_of_value(const MtfLowering *lowering, const MtfTerm *term)
{
	const Const *constant = mtf_node_constant(list_nth(lowering->values, term->value));

	if (constant == NULL)
		return INFINITY;
	switch (constant->consttype)
	{
		case INT2OID: return fabs((double) DatumGetInt16(constant->constvalue));
		case INT4OID: return fabs((double) DatumGetInt32(constant->constvalue));
		case INT8OID: return fabs((double) DatumGetInt64(constant->constvalue));
		default: return INFINITY;
	}
}

/* Of a result; a double is rounded, so that a little more is said. */
static double
magnitude_of_result(const MtfLowering *lowering, MtfFunction function, const MtfTerm *left,
					const MtfTerm *right)
{
	double a = magnitude_of(lowering, left);
	double b = magnitude_of(lowering, right);

	switch (function)
	{
		case MTF_FUNCTION_INT_ADD:
		case MTF_FUNCTION_INT_SUBTRACT: return (a + b) * (1 + 2 * DBL_EPSILON);
		case MTF_FUNCTION_INT_MULTIPLY: return a * b * (1 + 2 * DBL_EPSILON);
		case MTF_FUNCTION_INT_DIVIDE: return a;
		case MTF_FUNCTION_INT_MODULO: return Min(a, b);
		default: return INFINITY;
	}
}

/* No whole number of the term is farther from 0. */
static double
magnitude_of(const MtfLowering *lowering, const MtfTerm *term)
{
	double by_digits =
		term->precision >= 0 && term->scale == 0 ? pow(10, term->precision) : INFINITY;
	double magnitude = INFINITY;

	if (term->kind == MTF_TERM_FIELD)
		magnitude = magnitude_of_field(term->field);
	else if (term->kind == MTF_TERM_VALUE)
		magnitude = magnitude_of_value(lowering, term);
	else if (term->kind == MTF_TERM_CALL && list_length(term->args) == 2)
		magnitude = magnitude_of_result(lowering, term->function, linitial(term->args),
										lsecond(term->args));
	return Min(magnitude, by_digits);
}

static MtfTerm *
compute_integers(MtfLowering *lowering, OpExpr *expr)
{
	MtfFunction function = integer_function(expr->opfuncid);
	bool divides = function == MTF_FUNCTION_INT_DIVIDE || function == MTF_FUNCTION_INT_MODULO;
	MtfTerm *left;
	MtfTerm *right;
	MtfTerm *term;
	double magnitude;
	int digits;

	if (function == MTF_FUNCTION_NONE)
		return mtf_lowering_local(lowering, mtf_lowering_function_reason(expr->opfuncid));
	if (divides && !is_sound_divisor(lsecond(expr->args)))
		return mtf_lowering_local(lowering, "a division may fail");
	left = mtf_compute(lowering, linitial(expr->args));
	right = left == NULL ? NULL : mtf_compute(lowering, lsecond(expr->args));
	if (right == NULL)
		return NULL;
	if (left->precision < 0 || right->precision < 0)
		return mtf_lowering_local(lowering, "integers of unknown range");
	digits = integer_digits(function, left, right);
	magnitude = magnitude_of_result(lowering, function, left, right);
	/* What is divided and fits its type does so afterwards; 2^63 itself fits no int64. */
	if ((!divides && magnitude >= (double) mtf_integer_greatest(INT8OID)) ||
		(function == MTF_FUNCTION_INT_DIVIDE && digits > DOUBLE_DIGITS))
		return mtf_lowering_local(lowering, "integer arithmetic may overflow");
	term = mtf_compute_create(MTF_TERM_CALL, function, NULL, -1, list_make2(left, right));
	if (!divides && expr->opresulttype != INT8OID &&
		magnitude > (double) mtf_integer_greatest(expr->opresulttype))
	{
		if (!lowering->counts_overflows)
			return mtf_lowering_local(lowering, "integer arithmetic may overflow");
		term->overflows =
			expr->opresulttype; /* a cast above it changes the term's type, not its range */
	}
	set_digits(term, Min(digits, sure_digits(expr->opresulttype) + 1), 0);
	return term;
}

/* --- arithmetic on numerics ---------------------------------------------------------------------------- */

static MtfTerm *
compute_arithmetic(MtfLowering *lowering, OpExpr *expr)
{
	MtfFunction function;
	MtfTerm *left;
	MtfTerm *right;
	MtfTerm *term;
	int scale;

	switch (expr->opfuncid)
	{
		case F_NUMERIC_ADD: function = MTF_FUNCTION_ADD; break;
		case F_NUMERIC_SUB: function = MTF_FUNCTION_SUBTRACT; break;
		case F_NUMERIC_MUL: function = MTF_FUNCTION_MULTIPLY; break;
		default: return compute_integers(lowering, expr);
	}
	left = mtf_compute(lowering, linitial(expr->args));
	right = left == NULL ? NULL : mtf_compute(lowering, lsecond(expr->args));
	if (right == NULL)
		return NULL;
	if (left->precision < 0 || right->precision < 0)
		return mtf_lowering_local(lowering, "a numeric without precision and scale");
	/* The scale of a CASE is known only when it stands alone (plan_group.c). */
	if (left->function == MTF_FUNCTION_CASE || right->function == MTF_FUNCTION_CASE)
		return mtf_lowering_local(lowering, "arithmetic with a CASE shows its scale");
	term = mtf_compute_create(MTF_TERM_CALL, function, NULL, -1, list_make2(left, right));
	scale = Max(left->scale, right->scale);
	if (function == MTF_FUNCTION_MULTIPLY)
		set_digits(term, left->precision + right->precision, left->scale + right->scale);
	else
		set_digits(term,
				   Max(left->precision - left->scale, right->precision - right->scale) + scale + 1,
				   scale);
	if (term->scale > MAX_SCALE)
		return mtf_lowering_local(lowering, "a product with too many digits behind the point");
	if (term->precision > MTF_DECIMAL_DIGITS && !lowering->bounds_digits)
		return mtf_lowering_local(lowering, "a numeric of more than 34 digits");
	return term;
}

/* A number that is whole whatever its type, as an integer: a part of a date. */
static MtfTerm *
compute_whole(MtfLowering *lowering, Node *node)
{
	MtfTerm *term = mtf_compute(lowering, node);

	if (term != NULL && term->function != MTF_FUNCTION_EXTRACT)
		return mtf_lowering_local(lowering, "a cast to an integer rounds");
	if (term != NULL)
		set_digits(term, 6, 0);
	return term;
}

/*
 * A function: a cast that keeps the value (an integer as a wider one or as numeric), a part of a time or a
 * text.
 */
static MtfTerm *
compute_function(MtfLowering *lowering, FuncExpr *expr)
{
	const MtfShippable *row;

	switch (expr->funcid)
	{
		case F_NUMERIC_INT2:
		case F_NUMERIC_INT4:
		case F_NUMERIC_INT8:
		case F_INT8_INT2:
		case F_INT8_INT4:
		case F_INT4_INT2: return mtf_compute(lowering, linitial(expr->args));
		case F_INT4_NUMERIC:
		case F_INT8_NUMERIC:
		case F_INT4_FLOAT8:
		case F_INT8_FLOAT8: return compute_whole(lowering, linitial(expr->args));
		default: break;
	}
	row = mtf_shippable_find(expr->funcid);
	return row != NULL && row->form == MTF_FORM_TEXT ? mtf_compute_text(lowering, expr)
													 : mtf_compute_part(lowering, expr);
}

/* --- CASE ------------------------------------------------------------------------------------------------ */

/* The widest of two results, or unknown. */
static void
widen_digits(MtfTerm *term, const MtfTerm *result)
{
	int scale = Max(term->scale, result->scale);

	if (result->precision < 0)
		set_digits(term, -1, -1);
	else
		set_digits(term,
				   Max(term->precision - term->scale, result->precision - result->scale) + scale,
				   scale);
}

/* A value that is computed only where it is chosen: what is not chosen must not count as overflowing. */
static MtfTerm *
compute_result(MtfLowering *lowering, Node *node)
{
	bool counts_overflows = lowering->counts_overflows;
	MtfTerm *term;

	lowering->counts_overflows = false;
	term = mtf_compute(lowering, node);
	lowering->counts_overflows = counts_overflows;
	return term;
}

/* CASE WHEN condition THEN value … ELSE value END; args are condition, value, …, value. */
static MtfTerm *
compute_case(MtfLowering *lowering, CaseExpr *expr)
{
	MtfTerm *term = mtf_compute_create(MTF_TERM_CALL, MTF_FUNCTION_CASE, NULL, -1, NIL);
	Node *otherwise = (Node *) expr->defresult;
	bool is_null = otherwise == NULL || mtf_node_is_null(otherwise);
	ListCell *cell;

	if (!mtf_choice_branches(lowering, expr, compute_result, &term->args) ||
		!mtf_choice_values(lowering, is_null ? NIL : list_make1(otherwise), compute_result,
						   &term->args))
		return NULL;
	set_digits(term, 0, 0);
	foreach (cell, term->args)
		if (((MtfTerm *) lfirst(cell))->kind >= MTF_TERM_FIELD)
			widen_digits(term, lfirst(cell));
	return term;
}

/* --- coalesce --------------------------------------------------------------------------------------------- */

static Node *
create_not_null(Node *arg)
{
	NullTest *test = makeNode(NullTest);

	test->arg = (Expr *) copyObject(arg);
	test->nulltesttype = IS_NOT_NULL;
	test->location = -1;
	return (Node *) test;
}

/* With results of several scales: as CASE, whose scale is followed. */
static MtfTerm *
coalesce_as_case(MtfLowering *lowering, CoalesceExpr *expr, MtfTerm *term)
{
	MtfTerm *choice = mtf_compute_create(MTF_TERM_CALL, MTF_FUNCTION_CASE, NULL, -1, NIL);
	int i = 0;

	set_digits(choice, term->precision, term->scale);
	for (; i < list_length(term->args) - 1; i++)
	{
		MtfTerm *known = mtf_choice_condition(lowering, create_not_null(list_nth(expr->args, i)));

		if (known == NULL)
			return NULL;
		choice->args = lappend(lappend(choice->args, known), list_nth(term->args, i));
	}
	choice->args = lappend(choice->args, list_nth(term->args, i));
	return choice;
}

static MtfTerm *
compute_coalesce(MtfLowering *lowering, CoalesceExpr *expr)
{
	MtfTerm *term = mtf_compute_create(MTF_TERM_CALL, MTF_FUNCTION_COALESCE, NULL, -1, NIL);
	bool one_scale = true;
	ListCell *cell;

	if (!mtf_choice_values(lowering, expr->args, compute_result, &term->args))
		return NULL;
	set_digits(term, 0, 0);
	foreach (cell, term->args)
	{
		const MtfTerm *result = lfirst(cell);

		one_scale &= result->function != MTF_FUNCTION_CASE &&
					 (cell == list_head(term->args) || result->scale == term->scale);
		widen_digits(term, result);
	}
	return one_scale || exprType((Node *) expr) != NUMERICOID
			   ? term
			   : coalesce_as_case(lowering, expr, term);
}

/* --- truth ------------------------------------------------------------------------------------------------ */

/* A condition as a value: true, false, or null when it is neither. */
static MtfTerm *
compute_truth(MtfLowering *lowering, Node *node)
{
	MtfTerm *holds = mtf_choice_condition(lowering, node);
	MtfTerm *fails =
		holds == NULL
			? NULL
			: mtf_choice_condition(lowering, (Node *) makeBoolExpr(NOT_EXPR, list_make1(node), -1));
	MtfTerm *term;

	if (fails == NULL)
		return NULL;
	term = mtf_compute_create(MTF_TERM_CALL, MTF_FUNCTION_CASE, NULL, -1, NIL);
	term->args = list_make2(holds, mtf_compute(lowering, makeBoolConst(true, false)));
	term->args =
		lappend(lappend(term->args, fails), mtf_compute(lowering, makeBoolConst(false, false)));
	return term;
}

static MtfTerm *
compute_node(MtfLowering *lowering, Node *node)
{
	MtfField *field = mtf_lowering_field(lowering, node);

	check_stack_depth();
	if (field != NULL && !field->exact)
		return mtf_lowering_local(lowering, "the server cannot tell what of the column decodes");
	if (field != NULL)
		return compute_field(field);
	switch (nodeTag(node))
	{
		case T_Const: return compute_constant(lowering, (Const *) node);
		case T_RelabelType: return mtf_compute(lowering, (Node *) ((RelabelType *) node)->arg);
		case T_FuncExpr: return compute_function(lowering, (FuncExpr *) node);
		case T_CaseExpr: return compute_case(lowering, (CaseExpr *) node);
		case T_CoalesceExpr: return compute_coalesce(lowering, (CoalesceExpr *) node);
		case T_OpExpr:
			if (exprType(node) != BOOLOID)
				return compute_arithmetic(lowering, (OpExpr *) node);
			return compute_truth(lowering, node);
		case T_BoolExpr:
		case T_BooleanTest:
		case T_NullTest:
		case T_DistinctExpr:
		case T_ScalarArrayOpExpr: return compute_truth(lowering, node);
		default: return mtf_lowering_local(lowering, "an expression without remote form");
	}
}

MtfTerm *
mtf_compute(MtfLowering *lowering, Node *node)
{
	MtfTerm *term;

	lowering->why = NULL;
	term = compute_node(lowering, node);
	if (term == NULL)
		return NULL;
	if (mtf_term_is_too_high(term))
		return mtf_lowering_local(lowering, "it nests more deeply than servers take");
	term->type = exprType(node);
	return term;
}

List *
mtf_term_fields(MtfTerm *term)
{
	List *fields = NIL;
	ListCell *cell;

	if (term->field != NULL && strcmp(term->field->path, MTF_COMPUTED_PATH) != 0)
		fields = list_make1(term->field);
	foreach (cell, term->args)
		fields = list_concat_unique(fields, mtf_term_fields(lfirst(cell)));
	return fields;
}

List *
mtf_term_operands(MtfTerm *term)
{
	List *operands = NIL;
	ListCell *cell;

	if (term->kind == MTF_TERM_FIELD)
		return list_make1(term);
	foreach (cell, term->args)
		if (((MtfTerm *) lfirst(cell))->kind >= MTF_TERM_FIELD)
			operands = list_concat(operands, mtf_term_operands(lfirst(cell)));
	return operands;
}

bool
mtf_term_may_overflow(const MtfTerm *term)
{
	const ListCell *cell;

	if (term->overflows != InvalidOid)
		return true;
	foreach (cell, term->args)
		if (mtf_term_may_overflow(lfirst(cell)))
			return true;
	return false;
}

Node *
mtf_compute_constant_as_numeric(Node *constant)
{
	Oid cast;

	switch (exprType(constant))
	{
		case INT2OID: cast = F_NUMERIC_INT2; break;
		case INT4OID: cast = F_NUMERIC_INT4; break;
		case INT8OID: cast = F_NUMERIC_INT8; break;
		default: return copyObject(constant);
	}
	return (Node *) makeFuncExpr(cast, NUMERICOID, list_make1(copyObject(constant)), InvalidOid,
								 InvalidOid, COERCE_EXPLICIT_CAST);
}
