/*
 * time_range.c
 *	  Comparisons of date_trunc(), extract(year) and casts to date as ranges of the column itself.
 *
 * `date_trunc('month', x) = c` is `x >= c AND x < c + 1 month` if c begins a month, and never true else:
 * an index on the column serves it, and of a timestamp it is exact.  A timestamptz is cut in the session's
 * time zone, which a plan outlives: its bounds are expressions, evaluated when the scan begins, and two
 * days wider, for where clocks are put back the beginning of a day may lie behind some of its instants.
 *
 * What must not happen here: a bound whose computation fails.
 */
#include "plan/time_range.h"

#include <math.h>

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "plan/shippable.h"

/* Units of date_trunc(), and what leads from the beginning of one to that of the next. */
static const struct
{
	const char *name;
	const char *length;
} units[] = {{"second", "1 second"},   {"minute", "1 minute"},      {"hour", "1 hour"},
			 {"day", "1 day"},         {"week", "7 days"},          {"month", "1 month"},
			 {"quarter", "3 months"},  {"year", "1 year"},          {"decade", "10 years"},
			 {"century", "100 years"}, {"millennium", "1000 years"}};

#define DAY_UNIT 3

/* Clocks are put back by less than this; Samoa once skipped a day. */
#define MARGIN "2 days"

static int
unit_of(Node *node)
{
	char *name;

	if (!IsA(node, Const) || castNode(Const, node)->constisnull)
		return -1;
	name = TextDatumGetCString(castNode(Const, node)->constvalue);
	for (int i = 0; i < lengthof(units); i++)
		if (pg_strcasecmp(units[i].name, name) == 0)
			return i;
	return -1;
}

static bool
is_year(Node *node)
{
	return IsA(node, Const) && !castNode(Const, node)->constisnull &&
		   pg_strcasecmp(TextDatumGetCString(castNode(Const, node)->constvalue), "year") == 0;
}

static Datum
interval_of(const char *text)
{
	return DirectFunctionCall3(interval_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

/* --- terms --------------------------------------------------------------------------------------------- */

static MtfTerm *
compare(MtfLowering *lowering, MtfField *field, MtfOp op, Node *bound)
{
	return mtf_lowering_create_comparison(lowering, MTF_TERM_COMPARE, op, copyObject(field), bound);
}

static MtfTerm *
group(MtfTermKind kind, MtfTerm *one, MtfTerm *two)
{
	MtfTerm *term = mtf_term_create(kind, MTF_OP_EQ, NULL, -1, list_make2(one, two));

	term->exact = one->exact && two->exact;
	return term;
}

/*
 * The unit that the constant lies in is [first, behind), and it is its beginning or not (begins).
 */
typedef struct Unit
{
	Node *first;
	Node *behind;
	bool begins;
} Unit;

/* beginning of x's unit op constant */
static MtfTerm *
compare_unit(MtfLowering *lowering, MtfField *field, MtfOp op, const Unit *unit)
{
	switch (op)
	{
		case MTF_OP_LT:
			return compare(lowering, field, MTF_OP_LT, unit->begins ? unit->first : unit->behind);
		case MTF_OP_LE: return compare(lowering, field, MTF_OP_LT, unit->behind);
		case MTF_OP_GT: return compare(lowering, field, MTF_OP_GE, unit->behind);
		case MTF_OP_GE:
			return compare(lowering, field, MTF_OP_GE, unit->begins ? unit->first : unit->behind);
		case MTF_OP_EQ:
			if (!unit->begins)
				return mtf_lowering_create_constant(false);
			return group(MTF_TERM_AND, compare(lowering, field, MTF_OP_GE, unit->first),
						 compare(lowering, field, MTF_OP_LT, unit->behind));
		case MTF_OP_NE:
			if (!unit->begins)
				return mtf_lowering_create_test(MTF_TERM_NOT_NULL, MTF_OP_EQ, copyObject(field));
			return group(MTF_TERM_OR, compare(lowering, field, MTF_OP_LT, unit->first),
						 compare(lowering, field, MTF_OP_GE, unit->behind));
		default: return NULL;
	}
}

/* --- timestamp and date ---------------------------------------------------------------------------------- */

static Node *
timestamp_node(Timestamp timestamp)
{
	return (Node *) makeConst(TIMESTAMPOID, -1, InvalidOid, sizeof(Timestamp),
							  TimestampGetDatum(timestamp), false, FLOAT8PASSBYVAL);
}

/* Midnight of January 1 */
static Timestamp
beginning_of_year(int year)
{
	return (Timestamp) (date2j(year, 1, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
}

#define FIRST_YEAR 1
#define LAST_YEAR  9000 /* what is added to it stays among years that every server can read */

/* A constant timestamp or date of a common year; false: another type or time. */
static bool
timestamp_of(Const *constant, Timestamp *timestamp)
{
	switch (constant->consttype)
	{
		case TIMESTAMPOID: *timestamp = DatumGetTimestamp(constant->constvalue); break;
		case DATEOID:
			if (DATE_NOT_FINITE(DatumGetDateADT(constant->constvalue)))
				return false;
			*timestamp = (Timestamp) DatumGetDateADT(constant->constvalue) * USECS_PER_DAY;
			break;
		default: return false;
	}
	return *timestamp >= beginning_of_year(FIRST_YEAR) && *timestamp < beginning_of_year(LAST_YEAR);
}

static MtfTerm *
compare_truncated(MtfLowering *lowering, Node *column, int number, Const *constant, MtfOp op)
{
	MtfField *field = mtf_lowering_find_field(lowering, column);
	Timestamp timestamp;
	Timestamp first;
	Unit unit;

	if (field == NULL || field->kind != MTF_KIND_TIMESTAMP || number < 0 ||
		!timestamp_of(constant, &timestamp))
		return NULL;
	first = DatumGetTimestamp(DirectFunctionCall2(
		timestamp_trunc, CStringGetTextDatum(units[number].name), TimestampGetDatum(timestamp)));
	unit.begins = first == timestamp;
	unit.first = timestamp_node(first);
	unit.behind = timestamp_node(DatumGetTimestamp(DirectFunctionCall2(
		timestamp_pl_interval, TimestampGetDatum(first), interval_of(units[number].length))));
	lowering->why = "the unit of time as a range of instants";
	return compare_unit(lowering, field, op, &unit);
}

/* extract(year from column) op number */
static MtfTerm *
compare_year(MtfLowering *lowering, Node *column, Const *constant, MtfOp op)
{
	MtfField *field = mtf_lowering_find_field(lowering, column);
	double year;
	Unit unit;

	if (field == NULL || (field->kind != MTF_KIND_TIMESTAMP && field->kind != MTF_KIND_DATE))
		return NULL;
	if (constant->consttype == FLOAT8OID)
		year = DatumGetFloat8(constant->constvalue);
	else if (constant->consttype == NUMERICOID)
		year =
			strtod(DatumGetCString(DirectFunctionCall1(numeric_out, constant->constvalue)), NULL);
	else
		return NULL;
	if (!(year >= FIRST_YEAR && year < LAST_YEAR))
		return NULL;
	/* A numeric so near to a whole number that a double does not tell it from one. */
	unit.begins = floor(year) == year;
	if (unit.begins && constant->consttype == NUMERICOID &&
		strchr(DatumGetCString(DirectFunctionCall1(numeric_out, constant->constvalue)), '.') !=
			NULL)
		return NULL;
	unit.first = timestamp_node(beginning_of_year((int) year));
	unit.behind = timestamp_node(beginning_of_year((int) year + 1));
	lowering->why = "the year as a range of instants";
	return compare_unit(lowering, field, op, &unit);
}

/* --- timestamptz ----------------------------------------------------------------------------------------- */

static Node *
call(Oid function, Oid type, List *args)
{
	return (Node *) makeFuncExpr(function, type, args, InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

static Node *
interval_node(const char *text)
{
	return (Node *) makeConst(INTERVALOID, -1, InvalidOid, sizeof(Interval), interval_of(text),
							  false, false);
}

/* The constant as a timestamptz, in the session's time zone then; NULL: of another type or time. */
static Node *
zoned_constant(Const *constant)
{
	Const plain = *constant;
	Timestamp timestamp;

	/* Compared as a timestamp: far from the limits a day makes no difference. */
	if (plain.consttype == TIMESTAMPTZOID)
		plain.consttype = TIMESTAMPOID;
	if (!timestamp_of(&plain, &timestamp))
		return NULL;
	switch (constant->consttype)
	{
		case TIMESTAMPTZOID: return (Node *) copyObject(constant);
		case DATEOID:
			return call(F_TIMESTAMPTZ_DATE, TIMESTAMPTZOID, list_make1(copyObject(constant)));
		default:
			return call(F_TIMESTAMPTZ_TIMESTAMP, TIMESTAMPTZOID, list_make1(copyObject(constant)));
	}
}

static MtfTerm *
compare_zoned(MtfLowering *lowering, Node *column, int number, Const *constant, MtfOp op)
{
	MtfField *field = mtf_lowering_find_field(lowering, column);
	Node *value = zoned_constant(constant);
	Node *first;
	Node *low;
	Node *high;
	MtfTerm *term;

	if (field == NULL || field->kind != MTF_KIND_TIMESTAMPTZ || number < 0 || value == NULL)
		return NULL;
	first = call(F_DATE_TRUNC_TEXT_TIMESTAMPTZ, TIMESTAMPTZOID,
				 list_make2(makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1,
									  CStringGetTextDatum(units[number].name), false, false),
							value));
	low = call(F_TIMESTAMPTZ_MI_INTERVAL, TIMESTAMPTZOID, list_make2(first, interval_node(MARGIN)));
	high = call(F_TIMESTAMPTZ_PL_INTERVAL, TIMESTAMPTZOID,
				list_make2(call(F_TIMESTAMPTZ_PL_INTERVAL, TIMESTAMPTZOID,
								list_make2(copyObject(first), interval_node(units[number].length))),
						   interval_node(MARGIN)));
	switch (op)
	{
		case MTF_OP_LT:
		case MTF_OP_LE: term = compare(lowering, field, MTF_OP_LT, high); break;
		case MTF_OP_GT:
		case MTF_OP_GE: term = compare(lowering, field, MTF_OP_GE, low); break;
		case MTF_OP_EQ:
			term = group(MTF_TERM_AND, compare(lowering, field, MTF_OP_GE, low),
						 compare(lowering, field, MTF_OP_LT, high));
			break;
		default: return NULL;
	}
	term->exact = false;
	lowering->why = "the session's time zone decides; the range is two days wider";
	return term;
}

MtfTerm *
mtf_time_range(MtfLowering *lowering, Node *part, Node *constant, MtfOp op)
{
	Const *value = (Const *) constant;
	FuncExpr *expr = (FuncExpr *) part;

	const MtfShippable *row;

	if (!IsA(part, FuncExpr) || !IsA(constant, Const) || value->constisnull ||
		(row = mtf_shippable_find(expr->funcid)) == NULL || row->form != MTF_FORM_PART)
		return NULL;
	switch (expr->funcid)
	{
		case F_DATE_TRUNC_TEXT_TIMESTAMP:
			return compare_truncated(lowering, lsecond(expr->args), unit_of(linitial(expr->args)),
									 value, op);
		case F_DATE_TIMESTAMP:
			return compare_truncated(lowering, linitial(expr->args), DAY_UNIT, value, op);
		case F_EXTRACT_TEXT_TIMESTAMP:
		case F_EXTRACT_TEXT_DATE:
		case F_DATE_PART_TEXT_TIMESTAMP:
			return is_year(linitial(expr->args))
					   ? compare_year(lowering, lsecond(expr->args), value, op)
					   : NULL;
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
			return compare_zoned(lowering, lsecond(expr->args), unit_of(linitial(expr->args)),
								 value, op);
		case F_DATE_TIMESTAMPTZ:
			return compare_zoned(lowering, linitial(expr->args), DAY_UNIT, value, op);
		default: return NULL;
	}
}
