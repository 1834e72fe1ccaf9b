/*
 * finish.c
 *	  The steps that complete a row of a remote aggregate here (MtfFinish).
 */
#include "rows/finish.h"

#include "nodes/nodeFuncs.h"

#include "rows/agg_state.h"

typedef struct Step
{
	MtfFinishKind kind;
	int attno;
	ExprState *expr;
	ExprState *count;
	MtfAggState *state;
	const char *what;
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

		step->kind = finish->kind;
		step->attno = finish->attno;
		step->what = finish->what;
		if (finish->expr != NULL)
			step->expr = ExecInitExpr((Expr *) finish->expr, parent);
		if (finish->kind == MTF_FINISH_STATE)
		{
			step->count = ExecInitExpr((Expr *) finish->count, parent);
			step->state = mtf_agg_state_create(exprType(finish->expr));
		}
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
					errmsg("a value at path \"%s\" does not fit the column's type", step->what),
					errhint("To read such values as NULL, set the option on_mismatch to 'null'.")));
}

/* Is the step's condition true? */
static bool
holds(const Step *step, ExprContext *econtext)
{
	bool isnull;
	Datum condition = ExecEvalExprSwitchContext(step->expr, econtext, &isnull);

	return !isnull && DatumGetBool(condition);
}

static void
check_overflow(const Step *step, ExprContext *econtext)
{
	if (holds(step, econtext))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("%s out of range", step->what)));
}

/* Without any number there is no state. */
static void
set_state(const Step *step, TupleTableSlot *slot, ExprContext *econtext)
{
	bool no_count;
	bool no_sum;
	Datum count = ExecEvalExprSwitchContext(step->count, econtext, &no_count);
	Datum sum = ExecEvalExprSwitchContext(step->expr, econtext, &no_sum);

	slot->tts_isnull[step->attno - 1] = no_count || no_sum || DatumGetInt64(count) <= 0;
	if (!slot->tts_isnull[step->attno - 1])
		slot->tts_values[step->attno - 1] =
			mtf_agg_state_make(step->state, DatumGetInt64(count), sum, econtext);
}

bool
mtf_finisher_may_be_inexact(const MtfFinisher *finisher)
{
	for (int i = 0; finisher != NULL && i < finisher->n; i++)
		if (finisher->steps[i].kind == MTF_FINISH_DIGITS)
			return true;
	return false;
}

bool
mtf_finisher_row(MtfFinisher *finisher, TupleTableSlot *slot, ExprContext *econtext)
{
	econtext->ecxt_scantuple = slot;
	for (int i = 0; i < finisher->n; i++)
	{
		const Step *step = &finisher->steps[i];

		switch (step->kind)
		{
			case MTF_FINISH_MISFITS: check_misfits(step, slot); break;
			case MTF_FINISH_OVERFLOW: check_overflow(step, econtext); break;
			case MTF_FINISH_DIGITS:
				if (holds(step, econtext))
					return false;
				break;
			case MTF_FINISH_STATE: set_state(step, slot, econtext); break;
			case MTF_FINISH_VALUE:
				slot->tts_values[step->attno - 1] = ExecEvalExprSwitchContext(
					step->expr, econtext, &slot->tts_isnull[step->attno - 1]);
				break;
		}
	}
	return true;
}
