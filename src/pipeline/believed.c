/*
 * believed.c
 *	  Numeric columns that a group takes for Decimal128s that fit, and how the group shows whether they were.
 *
 * A test of a numeric's digits costs some engines more than to send the value, and most collections hold
 * nothing but Decimal128s of the declared scale.  So values are used as they are where that cannot fail, and the group is
 * tested instead: no document had another type there, the extremes have few digits before the point, and
 * the sum has no more behind it than the column (Decimal128 keeps the longest fraction of all summands; should
 * 34 digits not do, more of it is left than the column has: plan/aggregate_sum.c).  Of a group that fails the
 * test nothing counts: all is computed on the other side.
 *
 * What must not happen here: an expression that can fail on a document by its types (one engine fails to add
 * infinities; then all is computed here, too); a number of a failed group that is given on, since it may be of any type.
 */
#include "pipeline/believed.h"

#include "pipeline/call.h"
#include "pipeline/field_value.h"
#include "pipeline/stage.h"

#define PROVEN "p"

static const char *const decimals[] = {"decimal", NULL};

const List *
mtf_believed_of(const MtfScanPlan *plan)
{
	/* Conditions and orders of groups would have to know that a group counts. */
	if (plan->distinct != NIL || plan->having != NIL || plan->sort != NIL || plan->limit >= 0)
		return NIL;
	return plan->believed;
}

/* --- documents ------------------------------------------------------------------------------------- */

void
mtf_believed_write_known(StringInfo out, const char *key, const char *reference)
{
	MtfCall equal = mtf_call_begin(out, key, "$eq");

	mtf_call_write_unary(out, mtf_call_next(&equal), "$type", reference);
	mtf_write_word(out, mtf_call_next(&equal), decimals[0]);
	mtf_call_end(out, &equal);
}

void
mtf_believed_write_value(StringInfo out, const char *key, const char *reference)
{
	MtfCall cond = mtf_call_begin(out, key, "$cond");

	mtf_believed_write_known(out, mtf_call_next(&cond), reference);
	mtf_write_word(out, mtf_call_next(&cond), reference);
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

/* Most documents have all values, and one test says so. */
void
mtf_believed_write_stranger(const MtfExprContext *context, StringInfo out, const char *key)
{
	static const char *const expected[] = {"decimal", "null", "missing", "undefined", NULL};
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall either = mtf_call_begin(out, mtf_call_next(&cond), "$or");
	MtfCall all = mtf_call_begin(out, mtf_call_next(&either), "$and");
	const ListCell *cell;

	foreach (cell, context->believed)
		mtf_believed_write_known(out, mtf_call_next(&all),
								 mtf_field_reference(context, lfirst(cell)));
	mtf_call_end(out, &all);
	all = mtf_call_begin(out, mtf_call_next(&either), "$and");
	foreach (cell, context->believed)
		mtf_call_write_type_in(out, mtf_call_next(&all), mtf_field_reference(context, lfirst(cell)),
							   expected);
	mtf_call_end(out, &all);
	mtf_call_end(out, &either);
	mtf_write_int(out, mtf_call_next(&cond), 0);
	mtf_write_int(out, mtf_call_next(&cond), 1);
	mtf_call_end(out, &cond);
}

/* --- groups ---------------------------------------------------------------------------------------- */

/* "$name" of the accumulator of all the field's values */
static char *
reference_of(const MtfScanPlan *plan, MtfAccumulate kind, const MtfField *field)
{
	const ListCell *cell;

	foreach (cell, plan->accumulators)
	{
		const MtfAccumulator *accumulator = lfirst(cell);

		if (accumulator->kind == kind && accumulator->filter == NULL &&
			(kind == MTF_ACCUMULATE_STRANGERS ||
			 (accumulator->arg->kind == MTF_TERM_FIELD && equal(accumulator->arg->field, field))))
			return psprintf("$%s", accumulator->name);
	}
	elog(ERROR, "a group lacks what proves a column");
}

/* {$lt or $gt: [{$ifNull: [reference, 0]}, bound]}: null of no value at all; NaN is no number above a bound */
static void
write_bounded(StringInfo out, const char *key, const char *op, const char *reference, char *bound)
{
	MtfLiteral limit = mtf_literal_decimal(bound);
	MtfCall call = mtf_call_begin(out, key, op);
	MtfCall value = mtf_call_begin(out, mtf_call_next(&call), "$ifNull");

	mtf_write_word(out, mtf_call_next(&value), reference);
	mtf_write_int(out, mtf_call_next(&value), 0);
	mtf_call_end(out, &value);
	mtf_write_literal(out, mtf_call_next(&call), &limit);
	mtf_call_end(out, &call);
}

/*
 * {$in: [{$toString: {$multiply: [sum, 0]}}, ["0", "-0", "0.0", "-0.0", …]]}: no more zeros behind the point than
 * the scale.
 */
static void
write_short_fraction(StringInfo out, const char *key, const char *sum, int scale)
{
	MtfLiteral zero = mtf_literal_decimal("0");
	MtfCall in = mtf_call_begin(out, key, "$in");
	MtfMark text = mtf_write_begin(out, mtf_call_next(&in));
	MtfMark list;

	mtf_call_write_pair(out, "$toString", "$multiply", sum, &zero);
	mtf_write_end(out, text);
	list = mtf_write_begin_array(out, mtf_call_next(&in));
	for (int i = 0; i <= scale; i++)
		for (int negative = 0; negative < 2; negative++)
			mtf_write_word(
				out, mtf_array_key(2 * i + negative),
				psprintf("%s0%s%.*s", negative ? "-" : "", i > 0 ? "." : "", i, "000000"));
	mtf_write_end(out, list);
	mtf_call_end(out, &in);
}

/* {$cond: [the extremes are bounded, the sum's fraction is short, false]}: not every server multiplies infinities */
static void
write_proof(const MtfScanPlan *plan, const MtfField *field, StringInfo out, const char *key)
{
	int scale = mtf_compat_numeric_scale(field->typmod);
	int digits = mtf_compat_numeric_precision(field->typmod) - scale;
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall both = mtf_call_begin(out, mtf_call_next(&cond), "$and");

	write_bounded(out, mtf_call_next(&both), "$gt",
				  reference_of(plan, MTF_ACCUMULATE_LOWEST, field), psprintf("-1E+%d", digits));
	write_bounded(out, mtf_call_next(&both), "$lt",
				  reference_of(plan, MTF_ACCUMULATE_HIGHEST, field), psprintf("1E+%d", digits));
	mtf_call_end(out, &both);
	write_short_fraction(out, mtf_call_next(&cond), reference_of(plan, MTF_ACCUMULATE_SUM, field),
						 scale);
	mtf_write_bool(out, mtf_call_next(&cond), false);
	mtf_call_end(out, &cond);
}

void
mtf_believed_write_stage(MtfPipeline *pipeline, const MtfScanPlan *plan)
{
	MtfLiteral zero = mtf_literal_int64(0);
	StringInfo out = &pipeline->stages;
	MtfStage stage = mtf_stage_begin(pipeline, "$addFields");
	MtfCall all = mtf_call_begin(out, PROVEN, "$and");
	const ListCell *cell;

	mtf_call_write_pair(out, mtf_call_next(&all), "$eq",
						reference_of(plan, MTF_ACCUMULATE_STRANGERS, NULL), &zero);
	foreach (cell, mtf_believed_of(plan))
		write_proof(plan, lfirst(cell), out, mtf_call_next(&all));
	mtf_call_end(out, &all);
	mtf_stage_end(pipeline, stage);
}

void
mtf_believed_write_result(StringInfo out, const MtfAccumulator *accumulator)
{
	bool strangers = accumulator->kind == MTF_ACCUMULATE_STRANGERS;
	MtfCall cond = mtf_call_begin(out, accumulator->name, "$cond");

	mtf_write_word(out, mtf_call_next(&cond), "$" PROVEN);
	if (strangers)
		mtf_write_int(out, mtf_call_next(&cond), 0);
	else
		mtf_write_word(out, mtf_call_next(&cond), psprintf("$%s", accumulator->name));
	if (strangers)
		mtf_write_int(out, mtf_call_next(&cond), 1);
	else
		mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}
