/*
 * instant.c
 *	  Parts of instants: date_trunc() and extract() in UTC → aggregation expressions.
 *
 * Up to days everything is arithmetic on milliseconds; above, the server says which day of the year, of
 * the month or of the week it is, and that many days are taken away.  So no date is put together of
 * parts ($dateFromParts raises outside the years 1 to 9999; $dateTrunc is wrong on one engine, and
 * another has neither).
 *
 * What must not happen here: an operator that is given anything but a date (the server may evaluate it
 * on another tenant's document).
 */
#include "pipeline/instant.h"

#include "pipeline/call.h"
#include "pipeline/literal.h"
#include "pipeline/field_known.h"
#include "pipeline/field_value.h"
#include "pipeline/value.h"

#define V              "$$v" /* the instant */
#define W              "$$w" /* the same day and time of a year that every engine knows */
#define SECOND         INT64CONST(1000)
#define DAY            INT64CONST(86400000)
#define YEAR_ONE       MTF_FIRST_COMMON_MS
#define CYCLE          (INT64CONST(146097) * DAY) /* 400 years */
#define CYCLES         12                         /* more than there are before the year 1 */
#define YEARS_OF_CYCLE 400
#define FAR            (356 * CYCLE) /* about 2^52 */
#define YEAR_10000     (MTF_LAST_COMMON_MS + 1)
#define VERY_FAR                                                                                   \
	(INT64CONST(1) << 53) /* some thousand years before the last one that every engine knows */

static void
write_long(StringInfo out, const char *key, int64 number)
{
	MtfLiteral literal = mtf_literal_int64(number);

	mtf_write_literal(out, key, &literal);
}

static void
write_milliseconds(StringInfo out, const char *key)
{
	mtf_call_write_unary(out, key, "$toLong", V);
}

/*
 * What of the instant lies behind the last multiple of `unit`: ((t mod u) + u) mod u, for $mod keeps the
 * sign.  One engine takes the remainder of doubles: whole cycles earlier, every timestamp is below 2^53.
 */
static void
write_rest(StringInfo out, const char *key, int64 unit)
{
	MtfCall outer = mtf_call_begin(out, key, "$mod");
	MtfCall add = mtf_call_begin(out, mtf_call_next(&outer), "$add");
	MtfCall inner = mtf_call_begin(out, mtf_call_next(&add), "$mod");
	MtfCall nearer = mtf_call_begin(out, mtf_call_next(&inner), "$subtract");

	write_milliseconds(out, mtf_call_next(&nearer));
	write_long(out, mtf_call_next(&nearer), FAR);
	mtf_call_end(out, &nearer);
	write_long(out, mtf_call_next(&inner), unit);
	mtf_call_end(out, &inner);
	write_long(out, mtf_call_next(&add), unit);
	mtf_call_end(out, &add);
	write_long(out, mtf_call_next(&outer), unit);
	mtf_call_end(out, &outer);
}

/* {$subtract: [{op: $$v}, less]} */
static void
write_part_less(StringInfo out, const char *key, const char *op, int less)
{
	MtfCall call = mtf_call_begin(out, key, "$subtract");

	mtf_call_write_unary(out, mtf_call_next(&call), op, W);
	mtf_write_int(out, mtf_call_next(&call), less);
	mtf_call_end(out, &call);
}

/* One of twelve numbers, by the month. */
static void
write_by_month(StringInfo out, const char *key, const int *numbers)
{
	MtfCall at = mtf_call_begin(out, key, "$arrayElemAt");
	MtfMark list = mtf_write_begin_array(out, mtf_call_next(&at));

	for (int i = 0; i < 12; i++)
		mtf_write_int(out, mtf_array_key(i), numbers[i]);
	mtf_write_end(out, list);
	write_part_less(out, mtf_call_next(&at), "$month", 1);
	mtf_call_end(out, &at);
}

/* Days since the quarter's first.  In the first quarter those of the year: February may be long. */
static void
write_days_of_quarter(StringInfo out, const char *key)
{
	static const int days_before[12] = {0, 0, 0, 0, 30, 61, 0, 31, 62, 0, 31, 61};
	MtfLiteral march = mtf_literal_int64(3);
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall first = mtf_call_begin(out, mtf_call_next(&cond), "$lte");
	MtfCall add;

	mtf_call_write_unary(out, mtf_call_next(&first), "$month", W);
	mtf_write_literal(out, mtf_call_next(&first), &march);
	mtf_call_end(out, &first);
	write_part_less(out, mtf_call_next(&cond), "$dayOfYear", 1);
	add = mtf_call_begin(out, mtf_call_next(&cond), "$add");
	write_by_month(out, mtf_call_next(&add), days_before);
	write_part_less(out, mtf_call_next(&add), "$dayOfMonth", 1);
	mtf_call_end(out, &add);
	mtf_call_end(out, &cond);
}

static void
write_days_to_take_away(StringInfo out, const char *key, MtfPart part)
{
	switch (part)
	{
		case MTF_PART_WEEK: write_part_less(out, key, "$isoDayOfWeek", 1); break;
		case MTF_PART_MONTH: write_part_less(out, key, "$dayOfMonth", 1); break;
		case MTF_PART_YEAR: write_part_less(out, key, "$dayOfYear", 1); break;
		default: write_days_of_quarter(out, key); break;
	}
}

static int64
unit_of(MtfPart part)
{
	switch (part)
	{
		case MTF_PART_SECOND: return SECOND;
		case MTF_PART_MINUTE: return 60 * SECOND;
		case MTF_PART_HOUR: return 3600 * SECOND;
		default: return DAY;
	}
}

/* {$toDate: {$subtract: [t, rest of the unit plus whole days]}} */
static void
write_truncated(StringInfo out, const char *key, MtfPart part)
{
	MtfMark date = mtf_write_begin(out, key);
	MtfCall subtract = mtf_call_begin(out, "$toDate", "$subtract");
	MtfCall add;
	MtfCall days;

	write_milliseconds(out, mtf_call_next(&subtract));
	if (part <= MTF_PART_DAY)
		write_rest(out, mtf_call_next(&subtract), unit_of(part));
	else
	{
		add = mtf_call_begin(out, mtf_call_next(&subtract), "$add");
		write_rest(out, mtf_call_next(&add), DAY);
		days = mtf_call_begin(out, mtf_call_next(&add), "$multiply");
		write_days_to_take_away(out, mtf_call_next(&days), part);
		write_long(out, mtf_call_next(&days), DAY);
		mtf_call_end(out, &days);
		mtf_call_end(out, &add);
	}
	mtf_call_end(out, &subtract);
	mtf_write_end(out, date);
}

/* {$toLong: {$mod: [{$toDecimal: {$toLong: "$$v"}}, a cycle]}}: one engine takes the remainder of doubles */
static void
write_rest_of_cycle(StringInfo out, const char *key)
{
	MtfLiteral cycle = mtf_literal_decimal(psprintf(INT64_FORMAT, CYCLE));
	MtfMark rest = mtf_write_begin(out, key);
	MtfCall mod = mtf_call_begin(out, "$toLong", "$mod");
	MtfMark decimal = mtf_write_begin(out, mtf_call_next(&mod));

	write_milliseconds(out, "$toDecimal");
	mtf_write_end(out, decimal);
	mtf_write_literal(out, mtf_call_next(&mod), &cycle);
	mtf_call_end(out, &mod);
	mtf_write_end(out, rest);
}

/* r: {$add: [{$year: {$toDate: "$$r"}}, {$multiply: [400, {$toLong: {$divide: [{$subtract: [v, "$$r"]}, a cycle]}}]}]} */
static void
write_very_far_year(StringInfo out, const char *key)
{
	MtfLet let = mtf_let_begin(out, key);
	MtfCall add;
	MtfCall multiply;
	MtfCall divide;
	MtfCall subtract;
	MtfMark part;

	write_rest_of_cycle(out, "r");
	add = mtf_call_begin(out, mtf_let_in(out, &let), "$add");
	part = mtf_write_begin(out, mtf_call_next(&add));
	mtf_call_write_unary(out, "$year", "$toDate", "$$r");
	mtf_write_end(out, part);
	multiply = mtf_call_begin(out, mtf_call_next(&add), "$multiply");
	mtf_write_int(out, mtf_call_next(&multiply), YEARS_OF_CYCLE);
	part = mtf_write_begin(out, mtf_call_next(&multiply));
	divide = mtf_call_begin(out, "$toLong", "$divide");
	subtract = mtf_call_begin(out, mtf_call_next(&divide), "$subtract");
	write_milliseconds(out, mtf_call_next(&subtract));
	mtf_write_word(out, mtf_call_next(&subtract), "$$r");
	mtf_call_end(out, &subtract);
	write_long(out, mtf_call_next(&divide), CYCLE);
	mtf_call_end(out, &divide);
	mtf_write_end(out, part);
	mtf_call_end(out, &multiply);
	mtf_call_end(out, &add);
	mtf_let_end(out, &let);
}

/* From the year 1 on. */
static void
write_later_year(StringInfo out, const char *key)
{
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall less = mtf_call_begin(out, mtf_call_next(&cond), "$lt");

	write_milliseconds(out, mtf_call_next(&less));
	write_long(out, mtf_call_next(&less), VERY_FAR);
	mtf_call_end(out, &less);
	mtf_call_write_unary(out, mtf_call_next(&cond), "$year", V);
	write_very_far_year(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

/*
 * The year.  PostgreSQL has no year 0, and engines do not agree on what is before the year 1: there the
 * year of the same day some cycles of 400 years later is taken; nor do all know dates after the last timestamp.
 */
static void
write_year(StringInfo out, const char *key)
{
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall before = mtf_call_begin(out, mtf_call_next(&cond), "$lt");
	MtfCall subtract;
	MtfMark year;
	MtfCall add;

	write_milliseconds(out, mtf_call_next(&before));
	write_long(out, mtf_call_next(&before), YEAR_ONE);
	mtf_call_end(out, &before);
	subtract = mtf_call_begin(out, mtf_call_next(&cond), "$subtract");
	year = mtf_write_begin(out, mtf_call_next(&subtract));
	{
		MtfMark date = mtf_write_begin(out, "$year");

		add = mtf_call_begin(out, "$toDate", "$add");
		write_milliseconds(out, mtf_call_next(&add));
		write_long(out, mtf_call_next(&add), CYCLES * CYCLE);
		mtf_call_end(out, &add);
		mtf_write_end(out, date);
	}
	mtf_write_end(out, year);
	mtf_write_int(out, mtf_call_next(&subtract), CYCLES * YEARS_OF_CYCLE + 1);
	mtf_call_end(out, &subtract);
	write_later_year(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

static void
write_extracted(StringInfo out, const char *key, MtfPart part)
{
	static const int quarters[12] = {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4};

	switch (part)
	{
		case MTF_PART_MINUTE: mtf_call_write_unary(out, key, "$minute", W); break;
		case MTF_PART_HOUR: mtf_call_write_unary(out, key, "$hour", W); break;
		case MTF_PART_DAY: mtf_call_write_unary(out, key, "$dayOfMonth", W); break;
		case MTF_PART_WEEK: mtf_call_write_unary(out, key, "$isoWeek", W); break;
		case MTF_PART_MONTH: mtf_call_write_unary(out, key, "$month", W); break;
		case MTF_PART_QUARTER: write_by_month(out, key, quarters); break;
		case MTF_PART_YEAR: write_year(out, key); break;
		case MTF_PART_DOW: write_part_less(out, key, "$dayOfWeek", 1); break;
		case MTF_PART_ISODOW: mtf_call_write_unary(out, key, "$isoDayOfWeek", W); break;
		case MTF_PART_DOY: mtf_call_write_unary(out, key, "$dayOfYear", W); break;
		default: mtf_write_null(out, key); break;
	}
}

/*
 * w: the instant itself, in the years 1 to 9999; outside of them, where one engine's $isoWeek fails, the
 * same day some cycles of 400 years away, which are whole weeks.
 */
static void
write_near(StringInfo out, const char *key)
{
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall both = mtf_call_begin(out, mtf_call_next(&cond), "$and");
	MtfCall compare = mtf_call_begin(out, mtf_call_next(&both), "$gte");
	MtfMark date;

	write_milliseconds(out, mtf_call_next(&compare));
	write_long(out, mtf_call_next(&compare), YEAR_ONE);
	mtf_call_end(out, &compare);
	compare = mtf_call_begin(out, mtf_call_next(&both), "$lt");
	write_milliseconds(out, mtf_call_next(&compare));
	write_long(out, mtf_call_next(&compare), YEAR_10000);
	mtf_call_end(out, &compare);
	mtf_call_end(out, &both);
	mtf_write_word(out, mtf_call_next(&cond), V);
	date = mtf_write_begin(out, mtf_call_next(&cond));
	write_rest(out, "$toDate", CYCLE);
	mtf_write_end(out, date);
	mtf_call_end(out, &cond);
}

static void
write_part(StringInfo out, const char *key, const MtfTerm *term)
{
	bool needs_calendar = term->function == MTF_FUNCTION_EXTRACT || term->part > MTF_PART_DAY;
	MtfLet let = {0};

	if (needs_calendar)
	{
		let = mtf_let_begin(out, key);
		write_near(out, "w");
		key = mtf_let_in(out, &let);
	}
	if (term->function == MTF_FUNCTION_TRUNCATE)
		write_truncated(out, key, term->part);
	else
		write_extracted(out, key, term->part);
	if (needs_calendar)
		mtf_let_end(out, &let);
}

void
mtf_instant_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
				  const char *key)
{
	static const char *const dates[] = {"date", NULL};
	const MtfTerm *arg = linitial(term->args);
	MtfLet let = mtf_let_begin(out, key);
	MtfCall cond;

	mtf_value_write(context, arg, out, "v");
	cond = mtf_call_begin(out, mtf_let_in(out, &let), "$cond");
	/* What was only promised may be a date from which nothing can be taken away. */
	if (arg->kind == MTF_TERM_FIELD && arg->field->trust)
		mtf_known_write_date(arg->field, out, mtf_call_next(&cond), V);
	else
		mtf_call_write_type_in(out, mtf_call_next(&cond), V, dates);
	write_part(out, mtf_call_next(&cond), term);
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
	mtf_let_end(out, &let);
}
