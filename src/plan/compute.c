/*
 * compute.c
 *	  Computed values → lowered terms, when the server gets them exactly right.
 *
 * Numbers carry their precision and scale, so that whoever adds them up can see to it that a
 * Decimal128 holds every digit.  Integer arithmetic stays local: it overflows here with an error, there in silence.
 *
 * What must not happen here: an operator that can fail (division, conversion of text).
 */
#include "plan/compute.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

/* Of a Decimal128's 34 digits, those that may stand behind the point. */
#define MAX_SCALE 20

static MtfTerm *
create_value(MtfTermKind kind, MtfFunction function, MtfField *field, int value, List *args)
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
	MtfTerm *term = create_value(MTF_TERM_FIELD, MTF_FUNCTION_NONE, field, -1, NIL);

	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_INT2: set_digits(term, 5, 0); break;
		case MTF_KIND_INT4: set_digits(term, 10, 0); break;
		case MTF_KIND_INT8: set_digits(term, 19, 0); break;
		case MTF_KIND_NUMERIC:
			if (field->typmod >= (int32) VARHDRSZ)
				set_digits(term, ((field->typmod - VARHDRSZ) >> 16) & 0xffff,
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

static MtfTerm *
compute_constant(MtfLowering *lowering, Const *constant)
{
	MtfTerm *term;
	char *text;

	if (constant->constisnull)
		return NULL;
	switch (constant->consttype)
	{
		case NUMERICOID:
			text = DatumGetCString(DirectFunctionCall1(numeric_out, constant->constvalue));
			/* NaN and the infinities have no digits. */
			if (strspn(text, "-.0123456789") != strlen(text))
				return NULL;
			break;
		case INT4OID: text = psprintf("%d", DatumGetInt32(constant->constvalue)); break;
		case INT8OID: text = psprintf(INT64_FORMAT, DatumGetInt64(constant->constvalue)); break;
		default: return NULL;
	}
	term = create_value(MTF_TERM_VALUE, MTF_FUNCTION_NONE, NULL,
						mtf_lowering_value(lowering, (Node *) constant), NIL);
	set_digits_of_text(term, text);
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
		default: return NULL;
	}
	left = mtf_compute(lowering, linitial(expr->args));
	right = left == NULL ? NULL : mtf_compute(lowering, lsecond(expr->args));
	if (right == NULL || left->precision < 0 || right->precision < 0)
		return NULL;
	/* The scale of a CASE is known only when it stands alone (plan_group.c). */
	if (left->function == MTF_FUNCTION_CASE || right->function == MTF_FUNCTION_CASE)
		return NULL;
	term = create_value(MTF_TERM_CALL, function, NULL, -1, list_make2(left, right));
	scale = Max(left->scale, right->scale);
	if (function == MTF_FUNCTION_MULTIPLY)
		set_digits(term, left->precision + right->precision, left->scale + right->scale);
	else
		set_digits(term,
				   Max(left->precision - left->scale, right->precision - right->scale) + scale + 1,
				   scale);
	return term->scale <= MAX_SCALE ? term : NULL;
}

/* An integer column or constant as numeric. */
static MtfTerm *
compute_cast(MtfLowering *lowering, FuncExpr *expr)
{
	switch (expr->funcid)
	{
		case F_NUMERIC_INT2:
		case F_NUMERIC_INT4:
		case F_NUMERIC_INT8:
		case F_INT8_INT2:
		case F_INT8_INT4:
		case F_INT4_INT2: return mtf_compute(lowering, linitial(expr->args));
		default: return NULL;
	}
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

/* CASE WHEN condition THEN value … ELSE value END of numbers; args are condition, value, …, value. */
static MtfTerm *
compute_case(MtfLowering *lowering, CaseExpr *expr)
{
	MtfTerm *term = create_value(MTF_TERM_CALL, MTF_FUNCTION_CASE, NULL, -1, NIL);
	MtfTerm *result;
	ListCell *cell;

	set_digits(term, 0, 0);
	if (expr->arg != NULL)
		return NULL;
	foreach (cell, expr->args)
	{
		CaseWhen *when = lfirst_node(CaseWhen, cell);
		const char *why;
		MtfShip ship;
		MtfTerm *condition = mtf_classify(lowering, (Node *) when->expr, &ship, &why);

		result = mtf_compute(lowering, (Node *) when->result);
		if (ship != MTF_SHIP_EXACT || result == NULL)
			return NULL;
		widen_digits(term, result);
		term->args = lappend(lappend(term->args, condition), result);
	}
	if (expr->defresult == NULL ||
		(IsA(expr->defresult, Const) && castNode(Const, expr->defresult)->constisnull))
		return term;
	if ((result = mtf_compute(lowering, (Node *) expr->defresult)) == NULL)
		return NULL;
	widen_digits(term, result);
	term->args = lappend(term->args, result);
	return term;
}

static MtfTerm *
compute_node(MtfLowering *lowering, Node *node)
{
	MtfField *field = mtf_lowering_field(lowering, node);

	check_stack_depth();
	if (field != NULL)
		return field->exact ? compute_field(field) : NULL;
	switch (nodeTag(node))
	{
		case T_Const: return compute_constant(lowering, (Const *) node);
		case T_OpExpr: return compute_arithmetic(lowering, (OpExpr *) node);
		case T_FuncExpr: return compute_cast(lowering, (FuncExpr *) node);
		case T_CaseExpr: return compute_case(lowering, (CaseExpr *) node);
		default: return NULL;
	}
}

MtfTerm *
mtf_compute(MtfLowering *lowering, Node *node)
{
	MtfTerm *term = compute_node(lowering, node);

	return term == NULL || mtf_term_is_too_high(term) ? NULL : term;
}

List *
mtf_term_fields(MtfTerm *term)
{
	List *fields = NIL;
	ListCell *cell;

	if (term->field != NULL)
		fields = list_make1(term->field);
	foreach (cell, term->args)
		fields = list_concat_unique(fields, mtf_term_fields(lfirst(cell)));
	return fields;
}

Node *
mtf_compute_constant_as_numeric(Node *constant)
{
	Oid cast;

	switch (exprType(constant))
	{
		case INT4OID: cast = F_NUMERIC_INT4; break;
		case INT8OID: cast = F_NUMERIC_INT8; break;
		default: return copyObject(constant);
	}
	return (Node *) makeFuncExpr(cast, NUMERICOID, list_make1(copyObject(constant)), InvalidOid,
								 InvalidOid, COERCE_EXPLICIT_CAST);
}
