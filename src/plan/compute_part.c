/*
 * compute_part.c
 *	  date_trunc(), extract() and casts among dates and timestamps → lowered terms.
 *
 * A BSON date is an instant, which a timestamp shows in UTC.  So everything is computed in UTC, of
 * timestamps and dates, and of a timestamptz that the query itself takes AT TIME ZONE 'UTC'.  What
 * depends on the session's time zone stays local: a plan outlives the setting.
 *
 * What must not happen here: a part that has digits behind the point, or that raises an error for some
 * timestamps.
 */
#include "plan/compute_part.h"

#include "catalog/pg_type.h"
#include "utils/fmgroids.h"

#include "plan/node.h"

static const struct
{
	const char *name;
	MtfPart part;
	bool truncates;
	bool of_date; /* a date has it too */
	bool of_timestamp;
} parts[] = {
	{"second", MTF_PART_SECOND, true, false, false}, {"minute", MTF_PART_MINUTE, true, false, true},
	{"hour", MTF_PART_HOUR, true, false, true},      {"day", MTF_PART_DAY, true, true, true},
	{"week", MTF_PART_WEEK, true, true, true},       {"month", MTF_PART_MONTH, true, true, true},
	{"quarter", MTF_PART_QUARTER, true, true, true}, {"year", MTF_PART_YEAR, true, true, true},
	{"dow", MTF_PART_DOW, false, true, true},        {"isodow", MTF_PART_ISODOW, false, true, true},
	{"doy", MTF_PART_DOY, false, true, true},
};

static MtfTerm *
create_part(MtfFunction function, MtfPart part, MtfTerm *instant)
{
	MtfTerm *term = mtf_compute_create(MTF_TERM_CALL, function, NULL, -1, list_make1(instant));

	term->part = part;
	return term;
}

/* function('part', instant) */
static MtfTerm *
compute_call(MtfLowering *lowering, FuncExpr *expr, MtfFunction function, bool of_date)
{
	char *word = mtf_node_constant_text(linitial(expr->args));
	MtfTerm *instant = mtf_compute(lowering, lsecond(expr->args));
	MtfTerm *term;

	if (instant == NULL)
		return NULL;
	for (int i = 0; word != NULL && i < lengthof(parts); i++)
	{
		if (pg_strcasecmp(parts[i].name, word) != 0 ||
			!(function == MTF_FUNCTION_TRUNCATE ? parts[i].truncates
			  : of_date                         ? parts[i].of_date
												: parts[i].of_timestamp))
			continue;
		term = create_part(function, parts[i].part, instant);
		/* PostgreSQL 13 gives a double. */
		if (function == MTF_FUNCTION_EXTRACT && expr->funcresulttype == NUMERICOID)
		{
			term->precision = 6;
			term->scale = 0;
		}
		return term;
	}
	return mtf_lowering_local(lowering, "a part of a time that has no remote form");
}

static MtfTerm *
compute_zone(MtfLowering *lowering, FuncExpr *expr)
{
	char *zone = mtf_node_constant_text(linitial(expr->args));

	if (zone == NULL || pg_strcasecmp(zone, "UTC") != 0)
		return mtf_lowering_local(lowering, "a time zone is known here only, but for UTC");
	return mtf_compute(lowering, lsecond(expr->args));
}

MtfTerm *
mtf_compute_day(MtfTerm *value)
{
	MtfTerm *term;

	if (value->type != DATEOID || value->field != NULL || value->function == MTF_FUNCTION_TRUNCATE)
		return value;
	term = create_part(MTF_FUNCTION_TRUNCATE, MTF_PART_DAY, value);
	term->type = DATEOID;
	return term;
}

static MtfTerm *
compute_day(MtfLowering *lowering, FuncExpr *expr)
{
	MtfTerm *term = mtf_compute(lowering, linitial(expr->args));

	return term == NULL ? NULL : create_part(MTF_FUNCTION_TRUNCATE, MTF_PART_DAY, term);
}

MtfTerm *
mtf_compute_part(MtfLowering *lowering, FuncExpr *expr)
{
	switch (expr->funcid)
	{
		case F_DATE_TRUNC_TEXT_TIMESTAMP:
			return compute_call(lowering, expr, MTF_FUNCTION_TRUNCATE, false);
		case F_EXTRACT_TEXT_TIMESTAMP:
		case F_DATE_PART_TEXT_TIMESTAMP:
			return compute_call(lowering, expr, MTF_FUNCTION_EXTRACT, false);
		case F_EXTRACT_TEXT_DATE: return compute_call(lowering, expr, MTF_FUNCTION_EXTRACT, true);
		case F_DATE_TIMESTAMP:
		case F_TIMESTAMP_DATE: return compute_day(lowering, expr);
		case F_TIMEZONE_TEXT_TIMESTAMPTZ: return compute_zone(lowering, expr);
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
		case F_DATE_PART_TEXT_TIMESTAMPTZ:
		case F_EXTRACT_TEXT_TIMESTAMPTZ:
		case F_DATE_TIMESTAMPTZ:
		case F_TIMESTAMP_TIMESTAMPTZ:
			return mtf_lowering_local(lowering, "it depends on the session's time zone");
		default: return mtf_lowering_local(lowering, mtf_lowering_function_reason(expr->funcid));
	}
}
