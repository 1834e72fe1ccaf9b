/*
 * finish.c
 *	  The steps that complete a row of a remote aggregate here (MtfFinish).
 */
#include "rows/finish.h"

typedef struct Step
{
	int attno;
	ExprState *expr;    /* NULL: a check */
	const char *misfit; /* path of the field whose misfits the attribute counts */
} Step;

struct MtfFinisher
{
	int n;
	Step steps[FLEXIBLE_ARRAY_MEMBER];
};

MtfFinisher *
mtf_finisher_create(const MtfScanPlan *plan, PlanState *parent)
{
	MtfFinisher *finisher;
	ListCell *cell;

	if (plan->finish == NIL)
		return NULL;
	finisher = palloc0(offsetof(MtfFinisher, steps) + sizeof(Step) * list_length(plan->finish));
	foreach (cell, plan->finish)
	{
		const MtfFinish *finish = lfirst(cell);
		Step *step = &finisher->steps[finisher->n++];

		step->attno = finish->attno;
		step->misfit = finish->misfit;
		if (finish->expr != NULL)
			step->expr = ExecInitExpr((Expr *) finish->expr, parent);
	}
	return finisher;
}

static void
check_misfits(const Step *step, const TupleTableSlot *slot)
{
	int i = step->attno - 1;

	if (slot->tts_isnull[i] || DatumGetInt64(slot->tts_values[i]) == 0)
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_CHARACTER_VALUE_FOR_CAST),
					errmsg("a value at path \"%s\" does not fit the column's type", step->misfit),
					errhint("To read such values as NULL, set the option on_mismatch to 'null'.")));
}

static void
check_digits(const Step *step, ExprContext *econtext)
{
	bool isnull;
	Datum too_many = ExecEvalExprSwitchContext(step->expr, econtext, &isnull);

	if (isnull || !DatumGetBool(too_many))
		return;
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("the remote sum may need more digits than the server computes with"),
					errhint("Set mongo_tenant.enable_aggregate_pushdown to off for this query.")));
}

void
mtf_finisher_row(MtfFinisher *finisher, TupleTableSlot *slot, ExprContext *econtext)
{
	econtext->ecxt_scantuple = slot;
	for (int i = 0; i < finisher->n; i++)
	{
		const Step *step = &finisher->steps[i];

		if (step->expr == NULL)
			check_misfits(step, slot);
		else if (step->attno == 0)
			check_digits(step, econtext);
		else
			slot->tts_values[step->attno - 1] =
				ExecEvalExprSwitchContext(step->expr, econtext, &slot->tts_isnull[step->attno - 1]);
	}
}
