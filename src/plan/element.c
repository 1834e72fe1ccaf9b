/*
 * element.c
 *	  Conditions on array columns: their elements, one of them, all of them.
 *
 * A condition on a field that holds an array is one on its elements: it holds if one of them satisfies
 * it, and an index has an entry for each.  So a term names the array's own path, with the kind of its
 * elements.  An array with one element that does not decode is NULL as a whole: its documents may come,
 * and are rechecked.
 *
 * What must not happen here: a condition that is true of NULL.
 */
#include "plan/element.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#include "plan/node.h"

/* The field of an array column's elements. */
static MtfField *
element_field(MtfLowering *lowering, Node *node)
{
	MtfField *field = mtf_lowering_find_field(lowering, node);

	/* An array inside an array, named by its position, is not looked into. */
	if (field == NULL || field->kind != MTF_KIND_ARRAY || mtf_path_has_position(field->path))
		return NULL;
	field->kind = field->element;
	field->typmod = -1;
	field->exact = field->trust = false;
	/* Present is what has an element of the type: `{$ne: null}` is false of an array with a null in it. */
	field->null_mismatch = true;
	return field;
}

/* array <@ list: without elements, or with one of the list's (and no other: rechecked). */
static MtfTerm *
create_contained(MtfLowering *lowering, MtfField *field, Node *list)
{
	MtfTerm *one = mtf_term_create(MTF_TERM_ANY, MTF_OP_EQ, field,
								   mtf_lowering_value_index(lowering, list), NIL);
	MtfTerm *none = mtf_term_create(MTF_TERM_EMPTY, MTF_OP_EQ, copyObject(field), -1, NIL);

	return mtf_term_create(MTF_TERM_OR, MTF_OP_EQ, NULL, -1, list_make2(one, none));
}

/* array <> list: there is an array. */
static MtfTerm *
lower_unequal(MtfLowering *lowering, OpExpr *expr, const MtfShippable *row, bool negate)
{
	Node *array = linitial(expr->args);
	MtfField *field;

	if (mtf_lowering_is_value(lowering, array))
		array = lsecond(expr->args);
	field = mtf_lowering_find_field(lowering, array);
	if (negate || field == NULL || field->kind != MTF_KIND_ARRAY)
		return mtf_lowering_local(lowering, "not an array column and an array value");
	lowering->why = row->why;
	return mtf_term_create(MTF_TERM_NOT_NULL, MTF_OP_EQ, field, -1, NIL);
}

/* The form of the operator with its sides exchanged. */
static MtfForm
commuted_form(MtfForm form)
{
	return form == MTF_FORM_CONTAINS    ? MTF_FORM_CONTAINED
		   : form == MTF_FORM_CONTAINED ? MTF_FORM_CONTAINS
										: form;
}

MtfTerm *
mtf_element_operator(MtfLowering *lowering, OpExpr *expr, const MtfShippable *row, bool negate)
{
	MtfField *field = element_field(lowering, linitial(expr->args));
	Node *list = lsecond(expr->args);
	MtfForm form = row->form;

	if (form == MTF_FORM_ARRAY_UNEQUAL)
		return lower_unequal(lowering, expr, row, negate);
	if (field == NULL)
	{
		field = element_field(lowering, lsecond(expr->args));
		list = linitial(expr->args);
		if (row->op != MTF_OP_NOT_DISTINCT)
			form = commuted_form(form);
	}
	if (negate || field == NULL || !mtf_lowering_is_value(lowering, list))
		return mtf_lowering_local(lowering, "not an array column and an array value");
	if ((list = mtf_lowering_fit_value(field, list, true)) == NULL ||
		!mtf_lowering_collation_allows(lowering, field, MTF_OP_EQ, expr->inputcollid))
		return mtf_lowering_local(lowering,
								  "the elements compare by rules that have no remote form");
	lowering->why = row->why;
	if (form == MTF_FORM_CONTAINED)
		return create_contained(lowering, field, list);
	return mtf_term_create(form == MTF_FORM_OVERLAPS ? MTF_TERM_ANY : MTF_TERM_ALL, row->op, field,
						   mtf_lowering_value_index(lowering, list), NIL);
}

/*
 * value op ANY (array): one element satisfies `element op' value`.  value <> ALL (array): none is equal,
 * and none is NULL; it holds for an empty array too.
 */
MtfTerm *
mtf_element_any(MtfLowering *lowering, ScalarArrayOpExpr *expr, const MtfShippable *row,
				bool negate)
{
	MtfField *field = element_field(lowering, lsecond(expr->args));
	Node *value = linitial(expr->args);
	MtfOp op = mtf_op_commuted(negate ? mtf_op_negated(row->op) : row->op);
	bool any = expr->useOr != negate;

	if (field == NULL || any == (op == MTF_OP_NE) || (!any && op != MTF_OP_NE) ||
		!mtf_lowering_is_value(lowering, value))
		return NULL;
	/* NULL, too, is unequal to all elements of an array that has none. */
	if (!any && mtf_node_constant(value) == NULL)
		return NULL;
	if ((value = mtf_lowering_fit_value(field, value, false)) == NULL ||
		!mtf_lowering_collation_allows(lowering, field, op, expr->inputcollid))
		return NULL;
	/* A test of types would leave out an array without elements; one with a null is not asked for. */
	if (!any)
		field->null_mismatch = false;
	lowering->why = any ? "an array field satisfies a condition if one element does"
						: "an array field is unequal if no element is equal";
	return mtf_term_create(MTF_TERM_COMPARE, op, field, mtf_lowering_value_index(lowering, value),
						   NIL);
}

/* --- array[n] ---------------------------------------------------------------------------------------- */

/*
 * The field "array.n-1", of what decodes to an array: it begins with 1.  Of a place that is computed it is
 * the array itself: what holds for that element holds for one (*somewhere).
 */
static MtfField *
subscript_field(MtfLowering *lowering, Node *node, bool *somewhere)
{
	SubscriptingRef *ref;
	MtfField *field;
	Const *position;

	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (!IsA(node, SubscriptingRef))
		return NULL;
	ref = (SubscriptingRef *) node;
	if (ref->refassgnexpr != NULL || ref->reflowerindexpr != NIL ||
		list_length(ref->refupperindexpr) != 1)
		return NULL;
	position = linitial(ref->refupperindexpr);
	*somewhere = !IsA(position, Const);
	/* A computation that fails does so for every document. */
	if (*somewhere && !mtf_lowering_is_value(lowering, (Node *) position) &&
		mtf_lowering_find_field(lowering, (Node *) position) == NULL)
		return NULL;
	if (!*somewhere && (position->constisnull || position->consttype != INT4OID ||
						DatumGetInt32(position->constvalue) < 1))
		return NULL;
	if ((field = element_field(lowering, (Node *) ref->refexpr)) == NULL || *somewhere)
		return field;
	field->path = psprintf("%s.%d", field->path, DatumGetInt32(position->constvalue) - 1);
	field->null_mismatch = false;
	return field;
}

MtfTerm *
mtf_element_comparison(MtfLowering *lowering, MtfTermKind kind, MtfOp op, Node *element,
					   Node *value, Oid collation)
{
	bool somewhere;
	MtfField *field = subscript_field(lowering, element, &somewhere);

	if (field == NULL || op == MTF_OP_DISTINCT || op == MTF_OP_NOT_DISTINCT ||
		!mtf_lowering_is_value(lowering, value) ||
		(value = mtf_lowering_fit_value(field, value, kind != MTF_TERM_COMPARE)) == NULL ||
		!mtf_lowering_collation_allows(lowering, field, op, collation))
		return NULL;
	lowering->why =
		somewhere ? "an element at some place, rechecked" : "the element at that place, rechecked";
	/* `<>` a value holds for an array none of whose elements is equal. */
	if (somewhere && op == MTF_OP_NE)
		return mtf_term_create(MTF_TERM_NOT_NULL, MTF_OP_EQ, field, -1, NIL);
	return mtf_lowering_create_comparison(lowering, kind, op, field, value);
}

MtfTerm *
mtf_element_not_null(MtfLowering *lowering, Node *element)
{
	bool somewhere;
	MtfField *field = subscript_field(lowering, element, &somewhere);

	if (field == NULL)
		return NULL;
	/* IS NOT NULL of jsonb: there is something. */
	if (!somewhere)
		field->kind = MTF_KIND_JSONB;
	lowering->why =
		somewhere ? "an element at some place, rechecked" : "the element at that place, rechecked";
	return mtf_term_create(MTF_TERM_NOT_NULL, MTF_OP_EQ, field, -1, NIL);
}
