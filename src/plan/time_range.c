/*
 * time_range.c
 *	  Comparisons of date_trunc(), extract(year), casts to date and AT TIME ZONE as ranges of the column itself.
 *
 * `date_trunc('month', x) = c` is `x >= c AND x < c + 1 month` if c begins a month, and never true else:
 * an index on the column serves it, and of a timestamp it is exact.  The bounds are expressions; of
 * constants they are computed here, of parameters when the scan begins.
 *
 * A timestamptz is cut in the session's time zone, which a plan outlives, or in one that the query names: its
 * bounds are two days wider (but for UTC), for where clocks are put back the beginning of a day may lie
 * behind some of its instants.
 *
 * What must not happen here: a bound whose computation fails.  So a value outside of common years has no
 * bounds: a parameter that turns out to be one is compared in exact form, or not at all.
 */
#include "plan/time_range.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "pgtime.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "plan/node.h"
#include "plan/scalar.h"
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
	char *name = mtf_node_constant_text(node);

	for (int i = 0; name != NULL && i < lengthof(units); i++)
		if (pg_strcasecmp(units[i].name, name) == 0)
			return i;
	return -1;
}

static bool
is_year(Node *node)
{
	char *name = mtf_node_constant_text(node);

	return name != NULL && pg_strcasecmp(name, "year") == 0;
}

/* --- expressions ----------------------------------------------------------------------------------------- */

/* What is known already is computed now. */
static Node *
fold(MtfLowering *lowering, Node *node)
{
	return eval_const_expressions(lowering->root, node);
}

/* --- columns --------------------------------------------------------------------------------------------- */

typedef struct Column
{
	MtfField *field;
	Node *
		zone; /* the time zone in which a timestamptz is shown as a timestamp; NULL: there is none */
	bool session; /* a timestamptz, in the session's time zone */
	bool wider;   /* the bounds are, by MARGIN */
} Column;

static bool
find_zoned_column(MtfLowering *lowering, FuncExpr *expr, Column *column)
{
	char *zone = mtf_node_constant_text(linitial(expr->args));

	column->zone = linitial(expr->args);
	column->field = mtf_lowering_find_field(lowering, lsecond(expr->args));
	/* Neither is an unknown zone an error here, nor does it become one. */
	if (column->field == NULL || column->field->kind != MTF_KIND_TIMESTAMPTZ || zone == NULL ||
		pg_tzset(zone) == NULL)
		return false;
	column->wider = pg_strcasecmp(zone, "UTC") != 0;
	return true;
}

static bool
find_column(MtfLowering *lowering, Node *node, Column *column)
{
	*column = (Column){NULL};
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == F_TIMEZONE_TEXT_TIMESTAMPTZ)
		return find_zoned_column(lowering, (FuncExpr *) node, column);
	column->field = mtf_lowering_find_field(lowering, node);
	if (column->field == NULL)
		return false;
	column->session = column->wider = column->field->kind == MTF_KIND_TIMESTAMPTZ;
	return column->session || column->field->kind == MTF_KIND_TIMESTAMP ||
		   column->field->kind == MTF_KIND_DATE;
}

/* column op bound, which is a timestamp (a timestamptz in the session's time zone) */
static MtfTerm *
compare(MtfLowering *lowering, const Column *column, MtfOp op, Node *bound)
{
	bool upper = op == MTF_OP_LT || op == MTF_OP_LE;
	MtfTerm *term;

	bound = copyObject(bound);
	if (column->zone != NULL)
		bound = mtf_node_call(F_TIMEZONE_TEXT_TIMESTAMP, TIMESTAMPTZOID,
							  list_make2(copyObject(column->zone), bound));
	if (column->wider)
		bound =
			mtf_node_call(upper ? F_TIMESTAMPTZ_PL_INTERVAL : F_TIMESTAMPTZ_MI_INTERVAL,
						  TIMESTAMPTZOID, list_make2(bound, mtf_node_read(INTERVALOID, MARGIN)));
	term = mtf_lowering_create_comparison(lowering, MTF_TERM_COMPARE, op, copyObject(column->field),
										  fold(lowering, bound));
	if (column->wider)
		term->exact = false;
	return term;
}

static MtfTerm *
group(MtfTermKind kind, MtfTerm *one, MtfTerm *two)
{
	MtfTerm *term = mtf_term_create(kind, MTF_OP_EQ, NULL, -1, list_make2(one, two));

	term->exact = one->exact && two->exact;
	return term;
}

/* A condition on values alone. */
static MtfTerm *
holds(MtfLowering *lowering, Node *condition)
{
	MtfTerm *term = mtf_term_create(MTF_TERM_TRUTH, MTF_OP_IS_TRUE, NULL,
									mtf_lowering_value_index(lowering, condition), NIL);

	term->exact = true;
	return term;
}

/* --- values ---------------------------------------------------------------------------------------------- */

#define FIRST_YEAR 1
#define LAST_YEAR  9000 /* what is added to it stays among years that every server can read */

static DateADT
beginning_of_year(int year)
{
	return date2j(year, 1, 1) - POSTGRES_EPOCH_JDATE;
}

static Node *
limit_node(Oid type, int year)
{
	DateADT day = beginning_of_year(year);

	if (type == DATEOID)
		return (Node *) makeConst(DATEOID, -1, InvalidOid, sizeof(DateADT), DateADTGetDatum(day),
								  false, true);
	/* Of a timestamptz as well: far from the limits a day makes no difference. */
	return (Node *) makeConst(type, -1, InvalidOid, sizeof(Timestamp),
							  TimestampGetDatum((Timestamp) day * USECS_PER_DAY), false,
							  FLOAT8PASSBYVAL);
}

/* The value, if it lies between the limits of its type; NULL else. */
static Node *
if_between(Node *value, Oid not_less, Node *low, Oid less, Node *high, Node *result)
{
	Expr *between = makeBoolExpr(
		AND_EXPR,
		list_make2(mtf_node_call(not_less, BOOLOID, list_make2(copyObject(value), low)),
				   mtf_node_call(less, BOOLOID, list_make2(copyObject(value), high))),
		-1);

	return mtf_node_choose((Node *) between, result, NULL);
}

/*
 * The value as the column's parts are: a timestamp, or a timestamptz in the session's time zone.  NULL: it is
 * of another type.
 */
static Node *
safe_instant(const Column *column, Node *value)
{
	Oid type = exprType(value);
	Node *low = limit_node(type, FIRST_YEAR);
	Node *high = limit_node(type, LAST_YEAR);
	Node *result = copyObject(value);

	switch (type)
	{
		case DATEOID:
			result = column->session
						 ? mtf_node_call(F_TIMESTAMPTZ_DATE, TIMESTAMPTZOID, list_make1(result))
						 : mtf_node_call(F_TIMESTAMP_DATE, TIMESTAMPOID, list_make1(result));
			return if_between(value, F_DATE_GE, low, F_DATE_LT, high, result);
		case TIMESTAMPOID:
			if (column->session)
				result = mtf_node_call(F_TIMESTAMPTZ_TIMESTAMP, TIMESTAMPTZOID, list_make1(result));
			return if_between(value, F_TIMESTAMP_GE, low, F_TIMESTAMP_LT, high, result);
		case TIMESTAMPTZOID:
			if (!column->session)
				return NULL;
			return if_between(value, F_TIMESTAMPTZ_GE, low, F_TIMESTAMPTZ_LT, high, result);
		default: return NULL;
	}
}

/* The whole year in a number; NULL (no node): of another type. */
static Node *
safe_year(Node *value)
{
	if (exprType(value) == FLOAT8OID)
		return if_between(value, F_FLOAT8GE, mtf_node_float8(FIRST_YEAR), F_FLOAT8LT,
						  mtf_node_float8(LAST_YEAR),
						  mtf_node_call(F_INT4_FLOAT8, INT4OID,
										list_make1(mtf_node_call(F_FLOOR_FLOAT8, FLOAT8OID,
																 list_make1(copyObject(value))))));
	if (exprType(value) == NUMERICOID)
		return if_between(
			value, F_NUMERIC_GE,
			mtf_node_call(F_NUMERIC_INT4, NUMERICOID, list_make1(mtf_node_int4(FIRST_YEAR))),
			F_NUMERIC_LT,
			mtf_node_call(F_NUMERIC_INT4, NUMERICOID, list_make1(mtf_node_int4(LAST_YEAR))),
			mtf_node_call(F_INT4_NUMERIC, INT4OID,
						  list_make1(mtf_node_call(F_FLOOR_NUMERIC, NUMERICOID,
												   list_make1(copyObject(value))))));
	return NULL;
}

/* --- units ----------------------------------------------------------------------------------------------- */

/*
 * The unit that the value lies in is [first, behind), and it is its beginning or not (begins).  All are
 * NULL for a value that has no bounds.
 */
typedef struct Unit
{
	Node *first;
	Node *behind;
	Node *begins;
} Unit;

static void
find_unit(MtfLowering *lowering, const Column *column, int number, Node *safe, Unit *unit)
{
	Oid type = column->session ? TIMESTAMPTZOID : TIMESTAMPOID;

	unit->first = fold(
		lowering,
		mtf_node_call(column->session ? F_DATE_TRUNC_TEXT_TIMESTAMPTZ : F_DATE_TRUNC_TEXT_TIMESTAMP,
					  type, list_make2(mtf_node_text(units[number].name), copyObject(safe))));
	unit->behind = fold(
		lowering,
		mtf_node_call(
			column->session ? F_TIMESTAMPTZ_PL_INTERVAL : F_TIMESTAMP_PL_INTERVAL, type,
			list_make2(copyObject(unit->first), mtf_node_read(INTERVALOID, units[number].length))));
	unit->begins =
		fold(lowering, mtf_node_call(column->session ? F_TIMESTAMPTZ_EQ : F_TIMESTAMP_EQ, BOOLOID,
									 list_make2(copyObject(unit->first), copyObject(safe))));
}

static Node *
new_year(MtfLowering *lowering, const Column *column, Node *year)
{
	List *args = list_make4(year, mtf_node_int4(1), mtf_node_int4(1), mtf_node_int4(0));

	args = lappend(lappend(args, mtf_node_int4(0)), mtf_node_float8(0));
	return fold(lowering, column->session
							  ? mtf_node_call(F_MAKE_TIMESTAMPTZ_INT4_INT4_INT4_INT4_INT4_FLOAT8,
											  TIMESTAMPTZOID, args)
							  : mtf_node_call(F_MAKE_TIMESTAMP, TIMESTAMPOID, args));
}

static void
find_year(MtfLowering *lowering, const Column *column, Node *value, Node *year, Unit *unit)
{
	bool is_float = exprType(value) == FLOAT8OID;
	Node *whole = mtf_node_call(is_float ? F_FLOOR_FLOAT8 : F_FLOOR_NUMERIC, exprType(value),
								list_make1(copyObject(value)));

	unit->first = new_year(lowering, column, copyObject(year));
	unit->behind =
		new_year(lowering, column,
				 mtf_node_call(F_INT4PL, INT4OID, list_make2(copyObject(year), mtf_node_int4(1))));
	unit->begins = fold(lowering, mtf_node_call(is_float ? F_FLOAT8EQ : F_NUMERIC_EQ, BOOLOID,
												list_make2(whole, copyObject(value))));
}

/* Where the values less than the unit, or not less, end. */
static Node *
boundary(MtfLowering *lowering, const Unit *unit)
{
	return fold(lowering, mtf_node_choose(copyObject(unit->begins), copyObject(unit->first),
										  copyObject(unit->behind)));
}

/* All that have a time, to be rechecked. */
static MtfTerm *
any_time(MtfLowering *lowering, const Column *column)
{
	MtfTerm *any =
		mtf_lowering_create_test(MTF_TERM_NOT_NULL, MTF_OP_EQ, copyObject(column->field));

	any->exact = false;
	return any;
}

/* Both conditions, the first of which is on values alone. */
static MtfTerm *
when(MtfLowering *lowering, Node *condition, MtfTerm *term)
{
	if (!IsA(condition, Const))
		return group(MTF_TERM_AND, holds(lowering, condition), term);
	if (!castNode(Const, condition)->constisnull &&
		DatumGetBool(castNode(Const, condition)->constvalue))
		return term;
	return mtf_lowering_create_constant(false);
}

static MtfTerm *
inside_unit(MtfLowering *lowering, const Column *column, const Unit *unit)
{
	MtfTerm *range = group(MTF_TERM_AND, compare(lowering, column, MTF_OP_GE, unit->first),
						   compare(lowering, column, MTF_OP_LT, unit->behind));

	/* A session's time zone may have two beginnings of one day. */
	return column->session ? range : when(lowering, unit->begins, range);
}

static MtfTerm *
outside_unit(MtfLowering *lowering, const Column *column, const Unit *unit)
{
	MtfTerm *any =
		mtf_lowering_create_test(MTF_TERM_NOT_NULL, MTF_OP_EQ, copyObject(column->field));
	Node *begins = unit->begins;

	/* The time zone decides of a few days. */
	if (column->wider)
		return any_time(lowering, column);
	if (IsA(begins, Const) && !DatumGetBool(castNode(Const, begins)->constvalue))
		return any;
	return group(
		MTF_TERM_OR,
		group(MTF_TERM_OR, compare(lowering, column, MTF_OP_LT, unit->first),
			  compare(lowering, column, MTF_OP_GE, unit->behind)),
		when(lowering, (Node *) makeBoolExpr(NOT_EXPR, list_make1(copyObject(begins)), -1), any));
}

/* beginning of x's unit op value */
static MtfTerm *
compare_unit(MtfLowering *lowering, const Column *column, MtfOp op, const Unit *unit)
{
	switch (op)
	{
		case MTF_OP_LT: return compare(lowering, column, MTF_OP_LT, boundary(lowering, unit));
		case MTF_OP_LE: return compare(lowering, column, MTF_OP_LT, unit->behind);
		case MTF_OP_GT: return compare(lowering, column, MTF_OP_GE, unit->behind);
		case MTF_OP_GE: return compare(lowering, column, MTF_OP_GE, boundary(lowering, unit));
		case MTF_OP_EQ: return inside_unit(lowering, column, unit);
		case MTF_OP_NE: return outside_unit(lowering, column, unit);
		default: return NULL;
	}
}

/* column AT TIME ZONE 'zone' op value: the value's instant, or the time around it. */
static MtfTerm *
compare_in_zone(MtfLowering *lowering, const Column *column, MtfOp op, Node *safe)
{
	if (op > MTF_OP_GE)
		return NULL;
	if (!column->wider || (op != MTF_OP_EQ && op != MTF_OP_NE))
		return compare(lowering, column, op, safe);
	if (op == MTF_OP_NE)
		return any_time(lowering, column);
	return group(MTF_TERM_AND, compare(lowering, column, MTF_OP_GE, safe),
				 compare(lowering, column, MTF_OP_LE, safe));
}

/* --- parts ----------------------------------------------------------------------------------------------- */

/* Which part of a column a call is; the argument that is the column. */
typedef enum PartKind
{
	PART_UNIT, /* units[unit] */
	PART_YEAR,
	PART_ZONE /* the time in a zone */
} PartKind;

static Node *
read_part(FuncExpr *expr, PartKind *kind, int *unit)
{
	*kind = PART_UNIT;
	switch (expr->funcid)
	{
		case F_DATE_TRUNC_TEXT_TIMESTAMP:
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
			*unit = unit_of(linitial(expr->args));
			return *unit < 0 ? NULL : lsecond(expr->args);
		case F_DATE_TIMESTAMP:
		case F_DATE_TIMESTAMPTZ: *unit = DAY_UNIT; return linitial(expr->args);
		case F_EXTRACT_TEXT_TIMESTAMP:
		case F_EXTRACT_TEXT_TIMESTAMPTZ:
		case F_EXTRACT_TEXT_DATE:
		case F_DATE_PART_TEXT_TIMESTAMP:
		case F_DATE_PART_TEXT_TIMESTAMPTZ:
			*kind = PART_YEAR;
			return is_year(linitial(expr->args)) ? lsecond(expr->args) : NULL;
		case F_TIMEZONE_TEXT_TIMESTAMPTZ: *kind = PART_ZONE; return (Node *) expr;
		default: return NULL;
	}
}

/* part op value, for values with bounds: *safe is NULL for the others. */
static MtfTerm *
compare_part(MtfLowering *lowering, FuncExpr *part, Node *value, MtfOp op, Node **safe)
{
	PartKind kind;
	Column column;
	Unit bounds;
	int unit = -1;
	Node *arg = read_part(part, &kind, &unit);

	if (arg == NULL || !find_column(lowering, arg, &column))
		return NULL;
	*safe = kind == PART_YEAR ? safe_year(value) : safe_instant(&column, value);
	if (*safe == NULL)
		return NULL;
	*safe = fold(lowering, *safe);
	if (mtf_node_is_null(*safe))
		return NULL;
	if (column.wider)
		lowering->why = column.session
							? "the session's time zone decides; the range is two days wider"
							: "the time zone decides; the range is two days wider";
	if (kind == PART_ZONE)
		return compare_in_zone(lowering, &column, op, *safe);
	if (kind == PART_YEAR)
		find_year(lowering, &column, value, *safe, &bounds);
	else
		find_unit(lowering, &column, unit, *safe, &bounds);
	return compare_unit(lowering, &column, op, &bounds);
}

static Node *
null_test(Node *node, NullTestType type)
{
	NullTest *test = makeNode(NullTest);

	test->arg = (Expr *) copyObject(node);
	test->nulltesttype = type;
	test->location = -1;
	return (Node *) test;
}

/* A parameter without bounds after all: compared in exact form, or every document may be meant. */
static MtfTerm *
or_without_bounds(MtfLowering *lowering, OpExpr *expr, MtfOp op, Node *value, Node *safe,
				  MtfTerm *bounded)
{
	const char *why = lowering->why;
	Expr *without = makeBoolExpr(
		AND_EXPR, list_make2(null_test(safe, IS_NULL), null_test(value, IS_NOT_NULL)), -1);
	MtfTerm *exact = bounded->exact ? mtf_scalar_comparison(lowering, expr, op) : NULL;

	if (exact == NULL)
	{
		exact = mtf_lowering_create_constant(true);
		exact->exact = false;
	}
	lowering->why = why;
	return group(MTF_TERM_OR, bounded, when(lowering, (Node *) without, exact));
}

MtfTerm *
mtf_time_range(MtfLowering *lowering, OpExpr *expr, MtfOp op)
{
	int nvalues = list_length(lowering->values);
	FuncExpr *part = linitial(expr->args);
	Node *value = lsecond(expr->args);
	MtfOp part_op = op;
	const MtfShippable *row;
	MtfTerm *term;
	Node *safe;

	if (mtf_lowering_is_value(lowering, (Node *) part))
	{
		part = lsecond(expr->args);
		value = linitial(expr->args);
		part_op = mtf_op_commuted(op);
	}
	if (!IsA(part, FuncExpr) || !mtf_lowering_is_value(lowering, value) ||
		(row = mtf_shippable_find(part->funcid)) == NULL || row->form != MTF_FORM_PART)
		return NULL;
	lowering->why = row->why;
	term = compare_part(lowering, part, value, part_op, &safe);
	if (term == NULL)
		lowering->values = list_truncate(lowering->values, nvalues);
	else if (!IsA(value, Const))
		term = or_without_bounds(lowering, expr, op, value, safe, term);
	return term;
}
