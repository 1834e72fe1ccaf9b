/*
 * group_key.c
 *	  By what the server puts values together, so that they are exactly those that are equal here.
 *
 * Numbers that are equal may look different (0 and -0, 1.0 and 1.00) and servers keep some of them
 * apart, and NaNs too; one cannot group by Decimal128 at all.  So numbers are put together by another
 * value, the same for equal ones: doubles without -0 and NaN, and decimals as whole numbers of their last
 * digit, or as texts of all the digits that a Decimal128 has.  What is shown is any one of the group's values,
 * as here.
 *
 * What must not happen here: a conversion that can fail on another tenant's document.
 */
#include "plan/group_key.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#include "plan/compute.h"
#include "plan/shippable.h"

/* Does the server put exactly those values of a type together that PostgreSQL's = does? */
static bool
type_groups(MtfGrouping *grouping, Node *expr, Oid equality)
{
	const MtfShippable *row = mtf_shippable_find(get_opcode(equality));
	Oid collation = exprCollation(expr);

	if (row == NULL || row->form != MTF_FORM_COMPARE || row->op != MTF_OP_EQ)
		return mtf_grouping_local(grouping, "the type groups by rules that have no remote form");
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		return mtf_grouping_local(
			grouping, psprintf("collation %s is not deterministic", get_collation_name(collation)));
	return true;
}

/*
 * The same term without the promise of types: for a conversion, which fails on what is not as promised,
 * each field is tested.
 */
static MtfTerm *
without_trust(const MtfTerm *term)
{
	MtfTerm *copy = copyObject((MtfTerm *) term);
	ListCell *cell;

	if (copy->field != NULL)
		copy->field->trust = false;
	foreach (cell, copy->args)
		lfirst(cell) = without_trust(lfirst(cell));
	return copy;
}

static MtfTerm *
number_key(const MtfTerm *value)
{
	MtfTerm *key = mtf_compute_create(MTF_TERM_CALL, MTF_FUNCTION_NUMBER_KEY, NULL, -1,
									  list_make1(without_trust(value)));

	key->type = value->type;
	key->precision = mtf_term_may_overflow(value) ? -1 : value->precision;
	key->scale = value->scale;
	return key;
}

MtfTerm *
mtf_group_key_value(MtfGrouping *grouping, Node *expr)
{
	MtfField *field = mtf_lowering_loose_field(grouping->lowering, expr);
	MtfTerm *value;

	if (field == NULL || !field->loose)
		return mtf_compute(grouping->lowering, expr);
	value = mtf_compute_create(MTF_TERM_FIELD, MTF_FUNCTION_NONE, field, -1, NIL);
	value->type = NUMERICOID;
	return value;
}

static bool
numeric_key(MtfGrouping *grouping, const MtfTerm *value, MtfTerm **key)
{
	if (value->field != NULL && value->field->loose)
	{
		*key = number_key(value);
		return true;
	}
	if (value->precision < 0 || value->scale < 0)
		return mtf_grouping_local(grouping, "equal numerics may have several scales");
	if (value->function == MTF_FUNCTION_CASE && value->scale > 0)
		return mtf_grouping_local(grouping, "the results of CASE may have several scales");
	if (value->precision > MTF_DECIMAL_DIGITS)
		return mtf_grouping_local(grouping, "a numeric of more than 34 digits");
	*key = number_key(value);
	return true;
}

bool
mtf_group_key(MtfGrouping *grouping, MtfTerm *value, Node *expr, Oid equality, MtfTerm **key)
{
	const MtfField *field = value->field;

	*key = value;
	/* Whole numbers of whatever type: no NaN, no scale. */
	if (value->function == MTF_FUNCTION_EXTRACT)
		return true;
	if (!type_groups(grouping, expr, equality))
		return false;
	/* An integer that is cast. */
	if (field != NULL && (field->kind == MTF_KIND_INT2 || field->kind == MTF_KIND_INT4 ||
						  (field->kind == MTF_KIND_INT8 && value->type != FLOAT8OID)))
		return true;
	if (value->type == NUMERICOID)
		return numeric_key(grouping, value, key);
	if (value->type == FLOAT4OID)
		return mtf_grouping_local(grouping, "several doubles round to one real here");
	if (value->type != FLOAT8OID)
		return true;
	if (field == NULL || field->kind != MTF_KIND_FLOAT8)
		return mtf_grouping_local(grouping, "a double that is rounded here");
	*key = number_key(value);
	return true;
}
