/*
 * shift.c
 *	  A column plus or minus a constant, compared with a value: a range of the column itself.
 *
 * `x + 5 > 7` is `x > 2`, which an index serves.  Integers outside their type are an error here, so
 * the documents of which x + 5 is one come along, and PostgreSQL raises it.  Numerics have no such limit.
 *
 * What must not happen here: a bound that overflows.
 */
#include "plan/shift.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "base/integer_range.h"
#include "plan/compute.h"
#include "plan/node.h"
#include "plan/shippable.h"

typedef struct Shift
{
	MtfField *field;
	Const *constant;
	bool subtracted; /* constant - column */
	bool minus;      /* column - constant */
	Oid type;        /* of the result */
} Shift;

/* Casts that keep every value of what was computed. */
static Node *
without_widening(Node *node)
{
	const MtfShippable *row;

	for (;;)
	{
		node = mtf_without_relabels(node);
		if (!IsA(node, FuncExpr) ||
			(row = mtf_shippable_find(((FuncExpr *) node)->funcid)) == NULL ||
			row->form != MTF_FORM_WIDEN || exprType(node) == FLOAT8OID)
			return node;
		node = linitial(((FuncExpr *) node)->args);
	}
}

/* A number that is finite: sums with others keep the order. */
static bool
is_finite_constant(Node *node)
{
	const Const *constant = mtf_node_constant(node);
	char *text;

	if (constant == NULL)
		return false;
	switch (constant->consttype)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID: return true;
		case NUMERICOID:
			text = DatumGetCString(DirectFunctionCall1(numeric_out, constant->constvalue));
			return strspn(text, "-.0123456789") == strlen(text);
		default: return false;
	}
}

static bool
is_sum(const MtfShippable *row, bool *minus)
{
	if (row == NULL || row->form != MTF_FORM_ARITHMETIC)
		return false;
	*minus = strcmp(row->mongo, "$subtract") == 0;
	return *minus || strcmp(row->mongo, "$add") == 0;
}

static bool
read_shift(MtfLowering *lowering, Node *node, Shift *shift)
{
	OpExpr *expr = (OpExpr *) without_widening(node);
	Node *left;
	Node *right;
	bool minus;

	*shift = (Shift){NULL};
	if (lowering->over_groups || !IsA(expr, OpExpr) || list_length(expr->args) != 2 ||
		!is_sum(mtf_shippable_find(expr->opfuncid), &minus))
		return false;
	left = linitial(expr->args);
	right = lsecond(expr->args);
	shift->subtracted = minus && IsA(left, Const);
	shift->minus = minus && !shift->subtracted;
	shift->constant = (Const *) (IsA(left, Const) ? left : right);
	shift->field = mtf_lowering_find_field(lowering, IsA(left, Const) ? right : left);
	shift->type = expr->opresulttype;
	return shift->field != NULL && is_finite_constant((Node *) shift->constant) &&
		   (shift->field->kind == MTF_KIND_INT2 || shift->field->kind == MTF_KIND_INT4 ||
			shift->field->kind == MTF_KIND_INT8 || shift->field->kind == MTF_KIND_NUMERIC);
}

static int64
integer_of(const Const *constant)
{
	switch (constant->consttype)
	{
		case INT2OID: return DatumGetInt16(constant->constvalue);
		case INT4OID: return DatumGetInt32(constant->constvalue);
		default: return DatumGetInt64(constant->constvalue);
	}
}

/*
 * The documents of which the result lies outside its type; NULL: there can be none.  Of a constant that is
 * added there are such on one side only, and the bound is a number of the type.
 */
static MtfTerm *
create_overflow(MtfLowering *lowering, const Shift *shift)
{
	int64 least = mtf_integer_least(shift->type);
	int64 greatest = mtf_integer_greatest(shift->type);
	Oid column = mtf_field_integer_type(shift->field);
	int64 constant = integer_of(shift->constant);
	bool above;
	int64 bound;

	/* A constant of a wider type than the result is none of these operators'. */
	if (shift->subtracted)
	{
		/* c - x > greatest, or c - x < least */
		above = constant < 0;
		bound = above ? constant - least : constant - greatest;
	}
	else if (shift->minus)
	{
		above = constant < 0;
		bound = above ? greatest + constant : least + constant;
	}
	else
	{
		above = constant > 0;
		bound = above ? greatest - constant : least - constant;
	}
	if (above ? bound >= mtf_integer_greatest(column) : bound <= mtf_integer_least(column))
		return NULL;
	return mtf_lowering_create_comparison(lowering, MTF_TERM_COMPARE, above ? MTF_OP_GT : MTF_OP_LT,
										  copyObject(shift->field), mtf_node_int8(bound));
}

/* A whole number as such: it compares exactly. */
static Node *
as_integer(Node *node)
{
	const Const *constant = mtf_node_constant(node);
	char *text;
	char *end;
	int64 value;

	if (constant == NULL || constant->consttype != NUMERICOID)
		return node;
	text = DatumGetCString(DirectFunctionCall1(numeric_out, constant->constvalue));
	errno = 0;
	value = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' ? mtf_node_int8(value) : node;
}

/* value ∓ constant, as a numeric, which has no limits here. */
static Node *
bound_of(MtfLowering *lowering, const Shift *shift, Node *value)
{
	Node *constant = mtf_compute_constant_as_numeric((Node *) shift->constant);
	Node *number = mtf_compute_constant_as_numeric(value);
	Node *bound;

	if (shift->subtracted)
		bound = mtf_node_call(F_NUMERIC_SUB, NUMERICOID, list_make2(constant, number));
	else
		bound = mtf_node_call(shift->minus ? F_NUMERIC_ADD : F_NUMERIC_SUB, NUMERICOID,
							  list_make2(number, constant));
	bound = eval_const_expressions(lowering->root, bound);
	return shift->field->kind == MTF_KIND_NUMERIC ? bound : as_integer(bound);
}

MtfTerm *
mtf_shift_comparison(MtfLowering *lowering, MtfOp op, Node *node, Node *value)
{
	bool is_integer;
	MtfTerm *overflow;
	MtfTerm *term;
	Shift shift;
	Oid type = exprType(value);

	if (op > MTF_OP_GE || !mtf_lowering_is_value(lowering, value) ||
		(type != INT2OID && type != INT4OID && type != INT8OID && type != NUMERICOID) ||
		!read_shift(lowering, node, &shift))
		return NULL;
	is_integer = shift.type != NUMERICOID;
	/* NaN is the greatest number on both sides of a minus: 5 - x < NaN for every x, also a whole one. */
	if (shift.subtracted && op != MTF_OP_EQ && op != MTF_OP_NE &&
		!(is_integer && (type != NUMERICOID || is_finite_constant(value))))
		return NULL;
	term = mtf_lowering_create_comparison(
		lowering, MTF_TERM_COMPARE, shift.subtracted ? mtf_op_commuted(op) : op,
		copyObject(shift.field), bound_of(lowering, &shift, value));
	lowering->why = "a range of the column itself";
	overflow = is_integer ? create_overflow(lowering, &shift) : NULL;
	if (overflow == NULL)
		return term;
	lowering->why = "a range of the column itself, and what overflows here";
	return mtf_term_create(MTF_TERM_OR, MTF_OP_EQ, NULL, -1, list_make2(term, overflow));
}
