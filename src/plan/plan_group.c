/*
 * plan_group.c
 *	  GROUP BY and aggregates above one foreign table.
 *
 * The server groups, counts, sums and compares; what makes a result PostgreSQL's own is finished here,
 * by PostgreSQL's functions, over attributes of the scan's slot (MtfFinish): sum(x) without any x is
 * NULL, avg() divides numerics, NaN is the greatest number.  HAVING is tested here, on few rows.
 *
 * Sums of floating point numbers stay local: their result depends on the order of addition.
 *
 * What must not happen here: an aggregate above a superset; a value that does not decode dropped in
 * silence (a counter per field raises what the decoder would have).
 */
#include "plan/plan_group.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/tlist.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "plan/collation.h"
#include "plan/compute.h"
#include "plan/compute_part.h"
#include "plan/cost.h"
#include "plan/plan_upper.h"
#include "plan/relation.h"
#include "plan/setting.h"
#include "plan/shippable.h"

typedef struct Grouping
{
	MtfLowering *lowering;
	MtfUpperPlan *upper;
	MtfScanPlan *plan;
	List *hidden;     /* of Hidden: attributes that only MtfFinish uses, appended at the end */
	bool in_distinct; /* what is accumulated now is of distinct values */
	Expr *current;    /* the key or aggregate that is being added: of it lowering->why speaks */
} Grouping;

/* An attribute that the query does not ask for. */
typedef struct Hidden
{
	int attno;
	char *name;
	Oid typid;
	int32 typmod;
} Hidden;

/* Stay local, and remember why. */
static bool
stay_local(Grouping *grouping, const char *why)
{
	return mtf_lowering_local(grouping->lowering, why) != NULL;
}

/* --- attributes of the slot ------------------------------------------------------------------------ */

static int
add_attribute(Grouping *grouping, Expr *expr, const char *name, Oid typid, int32 typmod)
{
	MtfOutput *output = mtf_output_create(-1, 0, name);
	int attno = list_length(grouping->plan->outputs) + 1;

	output->typid = typid;
	output->typmod = typmod;
	output->collation = exprCollation((Node *) expr);
	grouping->plan->outputs = lappend(grouping->plan->outputs, output);
	grouping->upper->scan_tlist =
		lappend(grouping->upper->scan_tlist, makeTargetEntry(expr, attno, NULL, false));
	return attno;
}

/* A Var of the slot for an accumulator's result, read as the given type. */
static Node *
hidden_attribute(Grouping *grouping, const char *name, Oid typid, int32 typmod)
{
	ListCell *cell;
	Hidden *hidden;

	foreach (cell, grouping->hidden)
	{
		hidden = lfirst(cell);
		if (strcmp(hidden->name, name) == 0 && hidden->typid == typid)
			return (Node *) makeVar(INDEX_VAR, hidden->attno, typid, typmod, InvalidOid, 0);
	}
	hidden = palloc(sizeof(Hidden));
	hidden->name = pstrdup(name);
	hidden->typid = typid;
	hidden->typmod = typmod;
	hidden->attno =
		add_attribute(grouping, (Expr *) makeNullConst(typid, typmod, get_typcollation(typid)),
					  name, typid, typmod);
	grouping->hidden = lappend(grouping->hidden, hidden);
	return (Node *) makeVar(INDEX_VAR, hidden->attno, typid, typmod, get_typcollation(typid), 0);
}

/* The accumulator's name; equal ones are computed once. */
static const char *
accumulate(Grouping *grouping, MtfAccumulate kind, MtfTerm *arg, MtfTerm *filter, bool decimal)
{
	MtfAccumulator *accumulator = mtf_accumulator_create(kind, arg, filter);
	ListCell *cell;

	accumulator->decimal = decimal;
	accumulator->distinct = grouping->in_distinct;
	foreach (cell, grouping->plan->accumulators)
	{
		MtfAccumulator *other = lfirst(cell);

		accumulator->name = other->name;
		if (equal(accumulator, other))
			return other->name;
	}
	accumulator->name = psprintf("a%d", list_length(grouping->plan->accumulators));
	grouping->plan->accumulators = lappend(grouping->plan->accumulators, accumulator);
	return accumulator->name;
}

/* --- what is finished here --------------------------------------------------------------------------- */

static Node *
call(Oid function, Oid type, List *args)
{
	return (Node *) makeFuncExpr(function, type, args, InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

static Node *
int8_constant(int64 value)
{
	return (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(value), false,
							  FLOAT8PASSBYVAL);
}

/* count > 0 */
static Node *
some(Node *count)
{
	return call(F_INT8GT, BOOLOID, list_make2(count, int8_constant(0)));
}

/* CASE WHEN condition THEN result ELSE otherwise END; a NULL otherwise is left out */
static Node *
choose(Node *condition, Node *result, Node *otherwise)
{
	CaseExpr *choice = makeNode(CaseExpr);
	CaseWhen *when = makeNode(CaseWhen);
	Oid type = exprType(result);

	when->expr = (Expr *) condition;
	when->result = (Expr *) result;
	choice->casetype = type;
	choice->casecollid = exprCollation(result);
	choice->args = list_make1(when);
	choice->defresult = otherwise != NULL ? (Expr *) otherwise
										  : (Expr *) makeNullConst(type, -1, choice->casecollid);
	return (Node *) choice;
}

static Node *
first_of(Node *first, Node *second)
{
	CoalesceExpr *coalesce = makeNode(CoalesceExpr);

	coalesce->coalescetype = exprType(first);
	coalesce->args = list_make2(first, second);
	return (Node *) coalesce;
}

static Node *
nan_constant(Oid type)
{
	int16 length;
	bool by_value;
	Oid input;
	Oid parameter;

	getTypeInputInfo(type, &input, &parameter);
	get_typlenbyval(type, &length, &by_value);
	return (Node *) makeConst(type, -1, InvalidOid, length,
							  OidInputFunctionCall(input, "NaN", parameter, -1), false, by_value);
}

/* --- aggregates ------------------------------------------------------------------------------------- */

/* --- sums ----------------------------------------------------------------------------------------------- */

#define DECIMAL_DIGITS 34 /* of a Decimal128 */
#define COUNT_DIGITS   15 /* of a number of documents */

/* Can the argument be summed at all: has every value the same scale? */
static bool
is_summable(Grouping *grouping, const MtfTerm *arg)
{
	if (arg->precision >= 0 && arg->scale >= 0 && arg->scale < DECIMAL_DIGITS)
		return true;
	return stay_local(grouping, "a numeric without precision and scale");
}

static int32
numeric_typmod(int precision, int scale)
{
	return ((precision << 16) | scale) + VARHDRSZ;
}

static Node *
numeric_constant(const char *text)
{
	return (Node *) makeConst(NUMERICOID, -1, InvalidOid, -1,
							  DirectFunctionCall3(numeric_in, CStringGetDatum(text),
												  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)),
							  false, false);
}

/* The greatest absolute value that the term can have, given the greatest ones of its fields. */
static Node *
bound_of(Grouping *grouping, MtfTerm *term)
{
	Node *bound = NULL;
	ListCell *cell;

	if (term->kind == MTF_TERM_VALUE)
		return call(F_NUMERIC_ABS, NUMERICOID,
					list_make1(mtf_compute_constant_as_numeric(
						list_nth(grouping->lowering->values, term->value))));
	if (term->kind == MTF_TERM_FIELD)
		return first_of(
			hidden_attribute(grouping, accumulate(grouping, MTF_ACCUMULATE_BOUND, term, NULL, true),
							 NUMERICOID, -1),
			numeric_constant("0"));
	foreach (cell, term->args)
	{
		MtfTerm *arg = lfirst(cell);
		Node *other;

		if (arg->kind < MTF_TERM_FIELD)
			continue; /* a condition of CASE */
		other = bound_of(grouping, arg);
		bound = bound == NULL
					? other
					: call(term->function == MTF_FUNCTION_MULTIPLY ? F_NUMERIC_MUL : F_NUMERIC_ADD,
						   NUMERICOID, list_make2(bound, other));
	}
	return bound;
}

/*
 * A sum is exact if the digits of the greatest summand and of the count fit a Decimal128: by the types,
 * or by the greatest values that there are, which the server then finds too.
 */
static void
guard_digits(Grouping *grouping, MtfTerm *arg, Node *count)
{
	Node *limit;
	Node *total;

	if (arg->precision + COUNT_DIGITS <= DECIMAL_DIGITS)
		return;
	total = call(F_NUMERIC_MUL, NUMERICOID,
				 list_make2(bound_of(grouping, arg),
							call(F_NUMERIC_INT8, NUMERICOID, list_make1(copyObject(count)))));
	limit = numeric_constant(psprintf("1e%d", DECIMAL_DIGITS - arg->scale));
	grouping->plan->finish =
		lappend(grouping->plan->finish,
				mtf_finish_create(0, call(F_NUMERIC_GE, BOOLOID, list_make2(total, limit)), NULL));
}

/* The same CASE over the scales of its results; other terms have one scale. */
static MtfTerm *
scale_term(Grouping *grouping, MtfTerm *term)
{
	Const *scale;
	MtfTerm *copy;
	ListCell *cell;

	if (term->function != MTF_FUNCTION_CASE)
	{
		scale = makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(term->scale), false,
						  true);
		return mtf_compute(grouping->lowering, (Node *) scale);
	}
	copy = mtf_term_create(MTF_TERM_CALL, MTF_OP_EQ, NULL, -1, NIL);
	copy->function = MTF_FUNCTION_CASE;
	foreach (cell, term->args)
	{
		MtfTerm *arg = lfirst(cell);

		copy->args =
			lappend(copy->args, arg->kind < MTF_TERM_FIELD ? arg : scale_term(grouping, arg));
	}
	return copy;
}

/* PostgreSQL shows a sum with the greatest scale among what was added; with CASE that varies. */
static Node *
with_scale_seen(Grouping *grouping, Node *sum, MtfTerm *arg, MtfTerm *filter)
{
	Node *scale;

	if (arg->function != MTF_FUNCTION_CASE || arg->scale == 0)
		return sum;
	scale = hidden_attribute(
		grouping,
		accumulate(grouping, MTF_ACCUMULATE_MAX, scale_term(grouping, arg), filter, false), INT4OID,
		-1);
	return call(F_ROUND_NUMERIC_INT4, NUMERICOID, list_make2(sum, scale));
}

/* sum() as a numeric of the values' scale, 0 when there are none. */
static Node *
sum_attribute(Grouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	const char *name = accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, true);

	return with_scale_seen(grouping,
						   hidden_attribute(grouping, name, NUMERICOID,
											numeric_typmod(2 * DECIMAL_DIGITS, arg->scale)),
						   arg, filter);
}

static Node *
count_attribute(Grouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	return hidden_attribute(
		grouping, accumulate(grouping, MTF_ACCUMULATE_COUNT, arg, filter, false), INT8OID, -1);
}

static Node *
finish_count(Grouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	return first_of(count_attribute(grouping, arg, filter), int8_constant(0));
}

static Node *
finish_sum(Grouping *grouping, MtfTerm *arg, MtfTerm *filter, Oid result)
{
	Node *count;
	Node *sum;

	if (!is_summable(grouping, arg))
		return NULL;
	count = count_attribute(grouping, arg, filter);
	if (result == INT8OID)
		sum = hidden_attribute(
			grouping, accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, false), INT8OID, -1);
	else
	{
		guard_digits(grouping, arg, count);
		sum = sum_attribute(grouping, arg, filter);
	}
	return choose(some(count), sum, NULL);
}

/* numeric_div is what PostgreSQL's own avg() of integers and numerics ends with. */
static Node *
finish_avg(Grouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	Node *count;
	Node *quotient;

	if (!is_summable(grouping, arg))
		return NULL;
	count = count_attribute(grouping, arg, filter);
	guard_digits(grouping, arg, count);
	quotient = call(F_NUMERIC_DIV, NUMERICOID,
					list_make2(sum_attribute(grouping, arg, filter),
							   call(F_NUMERIC_INT8, NUMERICOID, list_make1(copyObject(count)))));
	return choose(some(count), quotient, NULL);
}

static Node *
no_remote_form(Grouping *grouping, const char *why)
{
	stay_local(grouping, why);
	return NULL;
}

/* Do computed values of the type compare alike here and there, and show what they are? */
static bool
is_ordered_type(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == BOOLOID ||
		   type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

static Node *
finish_extreme(Grouping *grouping, MtfTerm *arg, MtfTerm *filter, MtfAccumulate kind,
			   const Aggref *aggref)
{
	const MtfField *field = arg->field;
	int32 typmod = field != NULL && field->kind == MTF_KIND_NUMERIC ? field->typmod : -1;
	Oid type = aggref->aggtype;
	Node *extreme;
	Node *nans;

	if (field == NULL && is_ordered_type(arg->type))
		return hidden_attribute(grouping, accumulate(grouping, kind, arg, filter, false), type, -1);
	if (field == NULL)
		return no_remote_form(grouping, "computed values of a type that may look different");
	if ((field->kind == MTF_KIND_TEXT || field->kind == MTF_KIND_OBJECTID) &&
		!mtf_collation_is_byte_order(aggref->inputcollid))
		return no_remote_form(grouping, psprintf("collation %s is not byte order",
												 get_collation_name(aggref->inputcollid)));
	if (field->kind == MTF_KIND_NUMERIC && typmod < 0)
		return no_remote_form(grouping, "equal numerics may have several scales");
	extreme =
		hidden_attribute(grouping, accumulate(grouping, kind, arg, filter, false), type, typmod);
	((Var *) extreme)->varcollid = aggref->aggcollid;
	if (field->kind != MTF_KIND_NUMERIC && field->kind != MTF_KIND_FLOAT8)
		return extreme;
	nans = hidden_attribute(grouping, accumulate(grouping, MTF_ACCUMULATE_NANS, arg, filter, false),
							INT8OID, -1);
	if (kind == MTF_ACCUMULATE_MAX)
		return choose(some(nans), nan_constant(type), extreme);
	return first_of(extreme, choose(some(nans), nan_constant(type), NULL));
}

/* count(x) takes any column that can be told to be there. */
static bool
counts_rows(const Aggref *aggref)
{
	return aggref->aggfnoid == F_COUNT_ANY || aggref->aggfnoid == F_COUNT_;
}

static Node *
finish_aggregate(Grouping *grouping, const Aggref *aggref, MtfTerm *arg, MtfTerm *filter)
{
	switch (aggref->aggfnoid)
	{
		case F_COUNT_:
		case F_COUNT_ANY: return finish_count(grouping, arg, filter);
		case F_SUM_INT2:
		case F_SUM_INT4:
		case F_SUM_INT8:
		case F_SUM_NUMERIC: return finish_sum(grouping, arg, filter, aggref->aggtype);
		case F_AVG_INT2:
		case F_AVG_INT4:
		case F_AVG_INT8:
		case F_AVG_NUMERIC: return finish_avg(grouping, arg, filter);
		case F_MIN_INT2:
		case F_MIN_INT4:
		case F_MIN_INT8:
		case F_MIN_FLOAT8:
		case F_MIN_NUMERIC:
		case F_MIN_TEXT:
		case F_MIN_DATE:
		case F_MIN_TIMESTAMP:
		case F_MIN_TIMESTAMPTZ:
		case F_BOOL_AND:
		case F_EVERY: return finish_extreme(grouping, arg, filter, MTF_ACCUMULATE_MIN, aggref);
		case F_MAX_INT2:
		case F_MAX_INT4:
		case F_MAX_INT8:
		case F_MAX_FLOAT8:
		case F_MAX_NUMERIC:
		case F_MAX_TEXT:
		case F_MAX_DATE:
		case F_MAX_TIMESTAMP:
		case F_MAX_TIMESTAMPTZ:
		case F_BOOL_OR: return finish_extreme(grouping, arg, filter, MTF_ACCUMULATE_MAX, aggref);
		default: return no_remote_form(grouping, mtf_lowering_function_reason(aggref->aggfnoid));
	}
}

/* A value of the field that does not decode must raise, as it would have here. */
static void
count_field_misfits(Grouping *grouping, MtfField *field)
{
	MtfTerm *term = mtf_term_create(MTF_TERM_FIELD, MTF_OP_EQ, field, -1, NIL);
	const char *name;
	Var *misfits;
	ListCell *cell;

	if (field->null_mismatch || field->trust)
		return;
	name = accumulate(grouping, MTF_ACCUMULATE_MISFITS, term, NULL, false);
	misfits = (Var *) hidden_attribute(grouping, name, INT8OID, -1);
	foreach (cell, grouping->plan->finish)
	{
		const MtfFinish *finish = lfirst(cell);

		if (finish->misfit != NULL && finish->attno == misfits->varattno)
			return;
	}
	grouping->plan->finish =
		lappend(grouping->plan->finish, mtf_finish_create(misfits->varattno, NULL, field->path));
}

static void
count_misfits(Grouping *grouping, MtfTerm *arg)
{
	ListCell *cell;

	foreach (cell, mtf_term_fields(arg))
		count_field_misfits(grouping, lfirst(cell));
}

/* FILTER (WHERE …) in exact form; false when it has none. */
static bool
lower_filter(Grouping *grouping, const Aggref *aggref, MtfTerm **filter)
{
	const char *why;
	MtfShip ship;

	*filter = NULL;
	if (aggref->aggfilter == NULL)
		return true;
	*filter = mtf_classify_filter(grouping->lowering, (Node *) aggref->aggfilter, &ship, &why);
	return ship == MTF_SHIP_EXACT ||
		   stay_local(grouping, why != NULL ? why : "FILTER without exact form");
}

/* --- keys -------------------------------------------------------------------------------------------- */

/* Does the server put exactly those values of a type together that PostgreSQL's = does? */
static bool
type_groups(Grouping *grouping, Node *expr, Oid equality)
{
	const MtfShippable *row = mtf_shippable_find(get_opcode(equality));
	Oid collation = exprCollation(expr);

	if (row == NULL || row->form != MTF_FORM_COMPARE || row->op != MTF_OP_EQ)
		return stay_local(grouping, "the type groups by rules that have no remote form");
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		return stay_local(
			grouping, psprintf("collation %s is not deterministic", get_collation_name(collation)));
	return true;
}

static bool
term_groups(Grouping *grouping, const MtfTerm *term, Node *expr, Oid equality)
{
	/* Whole numbers of whatever type: no NaN, no scale. */
	if (term->function == MTF_FUNCTION_EXTRACT)
		return true;
	/* SecantusDB cannot group by Decimal128 and keeps NaNs apart (measured). */
	if (term->type == NUMERICOID || term->type == FLOAT8OID)
		return stay_local(grouping,
						  "equal numbers may look different, and servers keep them apart");
	return type_groups(grouping, expr, equality);
}

/* --- adding an aggregate ------------------------------------------------------------------------------- */

static bool
add_key(Grouping *grouping, Expr *expr, Oid equality)
{
	MtfTerm *term;
	bool is_id;

	grouping->current = expr;
	term = mtf_compute(grouping->lowering, (Node *) expr);
	if (term == NULL || !term_groups(grouping, term, (Node *) expr, equality))
		return false;
	is_id = term->field != NULL && term->field->kind == MTF_KIND_OBJECTID;
	add_attribute(grouping, (Expr *) copyObject(expr),
				  psprintf("k%d", list_length(grouping->plan->keys)), exprType((Node *) expr),
				  is_id ? -1 : exprTypmod((Node *) expr));
	/* A date is any instant of its day. */
	if (term->type == DATEOID && term->field == NULL)
		term = mtf_compute_day(term);
	grouping->plan->keys = lappend(grouping->plan->keys, term);
	count_misfits(grouping, term);
	return true;
}

/* The term that reads a distinct value again where the groups of it have it: canonical, or null. */
static MtfTerm *
distinct_term(const MtfTerm *arg)
{
	MtfField *field = copyObject(arg->field);
	MtfTerm *term = copyObject((MtfTerm *) arg);

	field->path = pstrdup(MTF_DISTINCT_PATH);
	field->trust = field->null_mismatch = true;
	field->any_id = false;
	if (field->kind == MTF_KIND_OBJECTID)
		field->kind = MTF_KIND_TEXT;
	term->field = field;
	return term;
}

/*
 * DISTINCT: documents are grouped by the argument too, first.  One argument only, for all aggregates
 * with DISTINCT; the others are computed in two steps as well.
 */
static MtfTerm *
lower_distinct(Grouping *grouping, const Aggref *aggref, MtfTerm *arg)
{
	SortGroupClause *clause = linitial_node(SortGroupClause, aggref->aggdistinct);
	TargetEntry *entry = linitial(aggref->args);

	if (arg == NULL || arg->kind != MTF_TERM_FIELD || aggref->aggfilter != NULL)
		return mtf_lowering_local(grouping->lowering, "DISTINCT of a column only, without FILTER");
	if (!term_groups(grouping, arg, (Node *) entry->expr, clause->eqop))
		return NULL;
	if (grouping->plan->distinct != NULL && !equal(grouping->plan->distinct, arg))
		return mtf_lowering_local(grouping->lowering, "DISTINCT of one column only");
	grouping->plan->distinct = arg;
	return distinct_term(arg);
}

/* Nothing is proven of sums of floating point numbers, and so of what is made of them. */
static bool
is_float_sum(Oid aggregate)
{
	switch (aggregate)
	{
		case F_SUM_FLOAT4:
		case F_SUM_FLOAT8:
		case F_AVG_FLOAT4:
		case F_AVG_FLOAT8:
		case F_VARIANCE_FLOAT4:
		case F_VARIANCE_FLOAT8:
		case F_VAR_SAMP_FLOAT4:
		case F_VAR_SAMP_FLOAT8:
		case F_VAR_POP_FLOAT4:
		case F_VAR_POP_FLOAT8:
		case F_STDDEV_FLOAT4:
		case F_STDDEV_FLOAT8:
		case F_STDDEV_SAMP_FLOAT4:
		case F_STDDEV_SAMP_FLOAT8:
		case F_STDDEV_POP_FLOAT4:
		case F_STDDEV_POP_FLOAT8: return true;
		default: return false;
	}
}

/* The single argument; false when it has no remote form. */
static bool
lower_argument(Grouping *grouping, const Aggref *aggref, MtfTerm **arg)
{
	TargetEntry *entry;

	*arg = NULL;
	if (aggref->args == NIL && counts_rows(aggref))
		return true;
	if (list_length(aggref->args) != 1)
		return stay_local(grouping, mtf_lowering_function_reason(aggref->aggfnoid));
	if (is_float_sum(aggref->aggfnoid))
		return stay_local(grouping, "a sum of floating point numbers depends on their order");
	entry = linitial(aggref->args);
	return (*arg = mtf_compute(grouping->lowering, (Node *) entry->expr)) != NULL;
}

static bool
add_aggregate(Grouping *grouping, Aggref *aggref)
{
	MtfTerm *filter;
	MtfTerm *arg;
	Node *result;
	int attno;

	grouping->current = (Expr *) aggref;
	if (aggref->aggsplit != AGGSPLIT_SIMPLE || aggref->aggkind != AGGKIND_NORMAL ||
		aggref->aggvariadic || (aggref->aggorder != NIL && aggref->aggdistinct == NIL))
		return stay_local(grouping, "an aggregate of ordered, split or variadic arguments");
	if (!lower_filter(grouping, aggref, &filter) || !lower_argument(grouping, aggref, &arg))
		return false;
	if (arg != NULL)
		count_misfits(grouping, arg);
	if (aggref->aggdistinct != NIL && (arg = lower_distinct(grouping, aggref, arg)) == NULL)
		return false;
	/* The aggregate's own attribute comes before those that it is made of. */
	attno = add_attribute(grouping, (Expr *) copyObject(aggref), NULL, aggref->aggtype, -1);
	grouping->in_distinct = aggref->aggdistinct != NIL;
	result = finish_aggregate(grouping, aggref, arg, filter);
	grouping->in_distinct = false;
	if (result == NULL)
		return false;
	grouping->plan->finish =
		lappend(grouping->plan->finish, mtf_finish_create(attno, result, NULL));
	return true;
}

/* --- the step ------------------------------------------------------------------------------------------ */

/*
 * Add what an expression is made of: keys are there already, aggregates are added.  True when there is
 * anything else, a bare column for one: then it is no expression over groups.
 */
static bool
cannot_add_parts(Node *node, Grouping *grouping)
{
	if (node == NULL)
		return false;
	if (!IsA(node, List) && tlist_member((Expr *) node, grouping->upper->scan_tlist) != NULL)
		return false;
	if (IsA(node, Aggref))
		return !add_aggregate(grouping, (Aggref *) node);
	if (IsA(node, Var) || IsA(node, WindowFunc) || IsA(node, GroupingFunc))
		return !stay_local(grouping, "not an expression over keys and aggregates");
	if (IsA(node, PlaceHolderVar))
		return cannot_add_parts((Node *) ((PlaceHolderVar *) node)->phexpr, grouping);
	return expression_tree_walker(node, cannot_add_parts, grouping);
}

static bool
add_aggregates_of(Grouping *grouping, Node *exprs)
{
	return !cannot_add_parts(exprs, grouping);
}

static bool
add_target(Grouping *grouping, PathTarget *target, List *clauses)
{
	ListCell *cell;
	int i = 0;

	/* Keys first: expressions over them are computed here. */
	foreach (cell, target->exprs)
	{
		Index ref = get_pathtarget_sortgroupref(target, i++);
		SortGroupClause *clause = ref == 0 ? NULL : get_sortgroupref_clause_noerr(ref, clauses);

		if (clause != NULL && !add_key(grouping, lfirst(cell), clause->eqop))
			return false;
	}
	if (list_length(grouping->plan->keys) < list_length(clauses))
		return false;
	return add_aggregates_of(grouping, (Node *) target->exprs);
}

/* The reason why a step stays local is shown where its rows come from. */
static void
explain_local(RelOptInfo *rel, Expr *expr, const char *why)
{
	MtfRelInfo *info = rel->fdw_private;

	if (IS_JOIN_REL(rel) || expr == NULL || why == NULL)
		return;
	info->local = list_append_unique(
		info->local, mtf_decision_create(MTF_SHIP_LOCAL, copyObject((Node *) expr), why));
}

/* `clauses` are GROUP BY's or DISTINCT's; without any, all documents are one group. */
static MtfUpperPlan *
plan_grouping(PlannerInfo *root, RelOptInfo *rel, PathTarget *target, List *clauses, Node *having)
{
	Grouping grouping = {0};
	MtfScanPlan *plan = mtf_scan_plan_create();

	grouping.lowering = mtf_remote_begin(root, rel, plan);
	grouping.upper = palloc0(sizeof(MtfUpperPlan));
	grouping.upper->plan = grouping.plan = plan;
	plan->grouped = true;
	plan->grand = clauses == NIL;
	if (grouping.lowering == NULL)
		return NULL;
	if (!add_target(&grouping, target, clauses) || !add_aggregates_of(&grouping, having))
	{
		explain_local(rel, grouping.current, grouping.lowering->why);
		return NULL;
	}
	grouping.upper->quals = (List *) copyObject(having);
	grouping.upper->values = grouping.lowering->values;
	/* SELECT of constants, GROUP BY nothing: a slot needs an attribute. */
	if (plan->outputs == NIL)
		add_attribute(&grouping, (Expr *) makeNullConst(INT4OID, -1, InvalidOid), NULL, INT4OID,
					  -1);
	return grouping.upper;
}

static void
add_grouping_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel,
				  PathTarget *target, List *clauses, Node *having)
{
	MtfUpperPlan *upper = plan_grouping(root, input_rel, target, clauses, having);
	QualCost none = {0};
	double groups = 1;
	MtfCost cost;

	if (upper == NULL)
		return;
	if (clauses != NIL)
		groups = mtf_compat_estimate_num_groups(
			root, get_sortgrouplist_exprs(clauses, root->processed_tlist), input_rel->rows);
	cost = mtf_cost_scan(mtf_documents_below(input_rel), groups, target->width, &none);
	if (IS_JOIN_REL(input_rel))
		cost.total += ((MtfJoinInfo *) input_rel->fdw_private)->total;
	add_path(output_rel,
			 (Path *) mtf_compat_create_foreign_upper_path(
				 root, output_rel, target, groups, cost.total, cost.total, NIL, list_make1(upper)));
}

static bool
is_possible(PlannerInfo *root, RelOptInfo *input_rel)
{
	return mtf_setting_enable_aggregate_pushdown && root->parse->groupingSets == NIL &&
		   root->parse->rowMarks == NIL && mtf_is_remote_relation(input_rel);
}

void
mtf_plan_group_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *grouped_rel,
					 GroupPathExtraData *extra)
{
	if (is_possible(root, input_rel) && extra->patype != PARTITIONWISE_AGGREGATE_PARTIAL)
		add_grouping_path(root, input_rel, grouped_rel, grouped_rel->reltarget,
						  mtf_compat_group_clause(root), extra->havingQual);
}

void
mtf_plan_distinct_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *distinct_rel)
{
	Query *parse = root->parse;
	PathTarget *target = root->upper_targets[UPPERREL_DISTINCT];

	if (!is_possible(root, input_rel))
		return;
	/* Which row is the first of equal ones, a sort here decides; servers break ties in their own way. */
	if (parse->hasDistinctOn && parse->distinctClause != NIL)
		explain_local(
			input_rel,
			linitial(get_sortgrouplist_exprs(parse->distinctClause, root->processed_tlist)),
			"DISTINCT ON takes the first of rows in an order of this side");
	/* Nothing but columns: what is computed is computed from rows, not from groups of them. */
	if (!parse->hasDistinctOn && !parse->hasAggs && parse->groupClause == NIL &&
		!parse->hasWindowFuncs && !parse->hasTargetSRFs &&
		list_length(target->exprs) == list_length(parse->distinctClause))
		add_grouping_path(root, input_rel, distinct_rel, target, parse->distinctClause, NULL);
}
