/*
 * aggregate_extreme.c
 *	  The least and the greatest: min, max, bool_and, bool_or, every.
 *
 * NaN is PostgreSQL's greatest number and the server's least: it is counted apart.
 */
#include "plan/aggregate_extreme.h"

#include "catalog/pg_type.h"
#include "utils/lsyscache.h"

#include "plan/aggregate_sum.h"
#include "plan/collation.h"
#include "plan/node.h"

/* Do computed values of the type compare alike here and there, and show what they are? */
static bool
is_ordered_type(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == BOOLOID ||
		   type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

/* Text by bytes; true when it is no text. */
static bool
collation_allows(MtfGrouping *grouping, const MtfField *field, Oid collation)
{
	if ((field->kind != MTF_KIND_TEXT && field->kind != MTF_KIND_OBJECTID) ||
		mtf_collation_is_byte_order(collation))
		return true;
	return mtf_grouping_local(
		grouping, psprintf("collation %s is not byte order", get_collation_name(collation)));
}

/* The accumulator's value as an attribute, which is known to the server as well. */
static Node *
plain_extreme(MtfGrouping *grouping, const char *name, Oid type)
{
	grouping->remote = mtf_grouping_field(name, type);
	return mtf_grouping_hidden(grouping, name, type, -1);
}

/* The extreme but for NaNs, and their number. */
static Node *
extreme_and_nans(MtfGrouping *grouping, MtfAccumulate kind, const char *name, const char *nans,
				 Oid type, int32 typmod)
{
	bool greatest = kind == MTF_ACCUMULATE_MAX;
	Node *extreme = mtf_grouping_hidden(grouping, name, type, typmod);
	Node *some_nan = mtf_node_some(mtf_grouping_hidden(grouping, nans, INT8OID, -1));

	/* What rounds to a float4 here is not rounded there. */
	if (type != FLOAT4OID)
		grouping->remote = mtf_grouping_value(
			grouping, greatest ? MTF_GROUP_VALUE_GREATEST : MTF_GROUP_VALUE_LEAST, name, nans,
			type);
	if (greatest)
		return mtf_node_choose(some_nan, mtf_node_read(type, "NaN"), extreme);
	return mtf_node_first_of(extreme, mtf_node_choose(some_nan, mtf_node_read(type, "NaN"), NULL));
}

Node *
mtf_aggregate_extreme(MtfGrouping *grouping, MtfTerm *arg, MtfTerm *filter, MtfAccumulate kind,
					  const Aggref *aggref)
{
	const MtfField *field = arg->field;
	Oid type = aggref->aggtype;
	const char *name;
	Node *extreme;

	if (field == NULL && !is_ordered_type(arg->type) &&
		(arg->type != NUMERICOID || arg->function == MTF_FUNCTION_CASE || arg->scale < 0))
		return mtf_grouping_none(grouping, "computed values of a type that may look different");
	if (field != NULL && !collation_allows(grouping, field, aggref->inputcollid))
		return NULL;
	name = mtf_grouping_accumulate(grouping, kind, arg, filter, false);
	if (field == NULL && arg->type != NUMERICOID)
		return plain_extreme(grouping, name, type);
	if (field == NULL)
		mtf_aggregate_guard_values(grouping, arg, filter);
	/* Any one of equal numerics, as here. */
	if (field != NULL && field->loose)
	{
		mtf_aggregate_need_decimals(grouping, arg, filter);
		return mtf_grouping_hidden(grouping, name, type, -1);
	}
	if (field == NULL || field->kind == MTF_KIND_NUMERIC || field->kind == MTF_KIND_FLOAT8 ||
		field->kind == MTF_KIND_FLOAT4)
		return extreme_and_nans(
			grouping, kind, name,
			mtf_grouping_accumulate(grouping, MTF_ACCUMULATE_NANS, arg, filter, false), type,
			field == NULL                     ? mtf_grouping_numeric_typmod(arg->scale)
			: field->kind == MTF_KIND_NUMERIC ? field->typmod
											  : -1);
	extreme = plain_extreme(grouping, name, type);
	((Var *) extreme)->varcollid = aggref->aggcollid;
	return extreme;
}
