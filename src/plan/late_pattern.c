/*
 * late_pattern.c
 *	  LIKE patterns that are known when a plan runs, in plans that are exact.
 *
 * Most patterns have an exact form, but not all (regex.h), and some are errors.  Below LIMIT and aggregates
 * PostgreSQL rechecks nothing, so such a plan looks at its patterns before it is sent: a scan with LIMIT
 * then asks for more, without LIMIT, and is rechecked; groups are computed here.
 *
 * What must not happen here: a pattern overlooked, wherever in a plan conditions stand.
 */
#include "plan/late_pattern.h"

#include "miscadmin.h"

#include "plan/regex.h"

static void
find_in_term(MtfTerm *term, MtfScanPlan *plan, const List *values)
{
	ListCell *cell;

	check_stack_depth();
	if (term == NULL)
		return;
	if (term->kind == MTF_TERM_LIKE && !IsA(list_nth(values, term->value), Const))
		plan->patterns = list_append_unique(plan->patterns, term);
	foreach (cell, term->args)
		find_in_term(lfirst(cell), plan, values);
}

static void
find_in_terms(const List *terms, MtfScanPlan *plan, const List *values)
{
	const ListCell *cell;

	foreach (cell, terms)
		find_in_term(lfirst(cell), plan, values);
}

void
mtf_late_patterns_find(MtfScanPlan *plan, const List *values)
{
	ListCell *cell;

	find_in_terms(plan->terms, plan, values);
	find_in_terms(plan->keys, plan, values);
	find_in_terms(plan->distinct, plan, values);
	find_in_terms(plan->having, plan, values);
	foreach (cell, plan->accumulators)
	{
		const MtfAccumulator *accumulator = lfirst(cell);

		find_in_term(accumulator->arg, plan, values);
		find_in_term(accumulator->filter, plan, values);
	}
}

bool
mtf_late_pattern_is_exact(const MtfTerm *term, const char *text)
{
	if (text != NULL && term->pattern == MTF_PATTERN_REGEX)
	{
		text = mtf_regex_to_like(text);
		return text != NULL && mtf_pattern_is_sound(text);
	}
	return text == NULL || mtf_pattern_is_sound(text);
}

MtfScanPlan *
mtf_late_patterns_loosen(const MtfScanPlan *plan)
{
	MtfScanPlan *loose = copyObject((MtfScanPlan *) plan);

	loose->exact = false;
	loose->limit = loose->offset = -1;
	loose->patterns = NIL;
	return loose;
}
