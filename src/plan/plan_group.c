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
	List *hidden; /* of Hidden: attributes that only MtfFinish uses, appended at the end */
} Grouping;

/* An attribute that the query does not ask for. */
typedef struct Hidden
{
	int attno;
	char *name;
	Oid typid;
	int32 typmod;
} Hidden;

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

static MtfTerm *
field_term(MtfField *field)
{
	MtfTerm *term = mtf_term_create(MTF_TERM_FIELD, MTF_OP_EQ, field, -1, NIL);

	term->exact = true;
	return term;
}

/* The single argument as an exact value; NULL: it has no remote form. */
static MtfTerm *
lower_argument(Grouping *grouping, Node *node)
{
	MtfField *field = mtf_lowering_field(grouping->lowering, node);

	return field != NULL && field->exact ? field_term(field) : NULL;
}

/* A numeric's scale when every value has it and sums stay within a Decimal128's 34 digits; or -1. */
#define DECIMAL_DIGITS 34
#define COUNT_DIGITS   16

static int
summable_scale(const MtfField *field)
{
	int precision = ((field->typmod - VARHDRSZ) >> 16) & 0xffff;
	int scale;

	if (field->kind != MTF_KIND_NUMERIC)
		return field->kind == MTF_KIND_INT2 || field->kind == MTF_KIND_INT4 ||
					   field->kind == MTF_KIND_INT8
				   ? 0
				   : -1;
	if (field->typmod < (int32) VARHDRSZ || precision + COUNT_DIGITS > DECIMAL_DIGITS)
		return -1;
	scale = mtf_compat_numeric_scale(field->typmod);
	return scale >= 0 && scale <= precision ? scale : -1;
}

static int32
numeric_typmod(int precision, int scale)
{
	return ((precision << 16) | scale) + VARHDRSZ;
}

/* sum() as a numeric of the values' scale, 0 when there are none. */
static Node *
sum_attribute(Grouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	const char *name = accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, true);

	return hidden_attribute(grouping, name, NUMERICOID,
							numeric_typmod(DECIMAL_DIGITS + 4, summable_scale(arg->field)));
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
	Node *sum;

	if (summable_scale(arg->field) < 0)
		return NULL;
	if (result == INT8OID)
		sum = hidden_attribute(
			grouping, accumulate(grouping, MTF_ACCUMULATE_SUM, arg, filter, false), INT8OID, -1);
	else
		sum = sum_attribute(grouping, arg, filter);
	return choose(some(count_attribute(grouping, arg, filter)), sum, NULL);
}

/* numeric_div is what PostgreSQL's own avg() of integers and numerics ends with. */
static Node *
finish_avg(Grouping *grouping, MtfTerm *arg, MtfTerm *filter)
{
	Node *count;
	Node *quotient;

	if (summable_scale(arg->field) < 0)
		return NULL;
	count = count_attribute(grouping, arg, filter);
	quotient = call(F_NUMERIC_DIV, NUMERICOID,
					list_make2(sum_attribute(grouping, arg, filter),
							   call(F_NUMERIC_INT8, NUMERICOID, list_make1(copyObject(count)))));
	return choose(some(count), quotient, NULL);
}

static Node *
finish_extreme(Grouping *grouping, MtfTerm *arg, MtfTerm *filter, MtfAccumulate kind,
			   const Aggref *aggref)
{
	const MtfField *field = arg->field;
	int32 typmod = field->kind == MTF_KIND_NUMERIC ? field->typmod : -1;
	Oid type = aggref->aggtype;
	Node *extreme;
	Node *nans;

	if ((field->kind == MTF_KIND_TEXT || field->kind == MTF_KIND_OBJECTID) &&
		!mtf_collation_is_byte_order(aggref->inputcollid))
		return NULL;
	/* A numeric of any scale: equal values with different scales would show the server's choice. */
	if (field->kind == MTF_KIND_NUMERIC && typmod < 0)
		return NULL;
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
		default: return NULL;
	}
}

/* A value of the field that does not decode must raise, as it would have here. */
static void
count_misfits(Grouping *grouping, MtfTerm *arg)
{
	const MtfField *field = arg->field;
	const char *name;
	Var *misfits;
	ListCell *cell;

	if (field->null_mismatch || field->trust)
		return;
	name =
		accumulate(grouping, MTF_ACCUMULATE_MISFITS, field_term((MtfField *) field), NULL, false);
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
	return ship == MTF_SHIP_EXACT;
}

static bool
add_aggregate(Grouping *grouping, Aggref *aggref)
{
	MtfTerm *filter;
	MtfTerm *arg = NULL;
	Node *result;
	int attno;

	if (aggref->aggsplit != AGGSPLIT_SIMPLE || aggref->aggkind != AGGKIND_NORMAL ||
		aggref->aggorder != NIL || aggref->aggdistinct != NIL || aggref->aggvariadic ||
		!lower_filter(grouping, aggref, &filter))
		return false;
	if (aggref->args != NIL)
	{
		TargetEntry *entry = linitial(aggref->args);

		if (list_length(aggref->args) != 1 ||
			(arg = lower_argument(grouping, (Node *) entry->expr)) == NULL)
			return false;
	}
	else if (!counts_rows(aggref))
		return false;
	/* The aggregate's own attribute comes before those that it is made of. */
	attno = add_attribute(grouping, (Expr *) copyObject(aggref), NULL, aggref->aggtype, -1);
	if ((result = finish_aggregate(grouping, aggref, arg, filter)) == NULL)
		return false;
	if (arg != NULL)
		count_misfits(grouping, arg);
	grouping->plan->finish =
		lappend(grouping->plan->finish, mtf_finish_create(attno, result, NULL));
	return true;
}

/* --- keys -------------------------------------------------------------------------------------------- */

/* Does the server put exactly those values together that PostgreSQL's = does? */
static bool
field_groups(const MtfField *field, Node *expr, Oid equality)
{
	const MtfShippable *row = mtf_shippable_find(get_opcode(equality));
	Oid collation = exprCollation(expr);

	if (!field->exact || row == NULL || row->form != MTF_FORM_COMPARE || row->op != MTF_OP_EQ)
		return false;
	/* A day is many instants; a numeric of any scale would show the server's choice of one. */
	if (field->kind == MTF_KIND_DATE ||
		(field->kind == MTF_KIND_NUMERIC && field->typmod < (int32) VARHDRSZ))
		return false;
	return !OidIsValid(collation) || get_collation_isdeterministic(collation);
}

static bool
add_key(Grouping *grouping, Expr *expr, Oid equality)
{
	MtfField *field = mtf_lowering_field(grouping->lowering, (Node *) expr);
	MtfTerm *term;

	if (field == NULL || !field_groups(field, (Node *) expr, equality))
		return false;
	term = field_term(field);
	add_attribute(grouping, (Expr *) copyObject(expr),
				  psprintf("k%d", list_length(grouping->plan->keys)), exprType((Node *) expr),
				  field->kind == MTF_KIND_OBJECTID ? -1 : exprTypmod((Node *) expr));
	grouping->plan->keys = lappend(grouping->plan->keys, term);
	count_misfits(grouping, term);
	return true;
}

/* --- the step ------------------------------------------------------------------------------------------ */

/* Everything in `exprs` that is an aggregate; false when a bare column is among them (a key is not). */
static bool
add_aggregates_of(Grouping *grouping, Node *exprs)
{
	List *parts = pull_var_clause(exprs, PVC_INCLUDE_AGGREGATES | PVC_RECURSE_PLACEHOLDERS);
	ListCell *cell;

	foreach (cell, parts)
	{
		Expr *part = lfirst(cell);

		if (tlist_member(part, grouping->upper->scan_tlist) != NULL)
			continue;
		if (!IsA(part, Aggref) || !add_aggregate(grouping, (Aggref *) part))
			return false;
	}
	return true;
}

static bool
add_target(Grouping *grouping, PlannerInfo *root, PathTarget *target)
{
	List *clauses = mtf_compat_group_clause(root);
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

static MtfUpperPlan *
plan_grouping(PlannerInfo *root, RelOptInfo *baserel, RelOptInfo *grouped_rel,
			  GroupPathExtraData *extra)
{
	Grouping grouping = {0};
	MtfScanPlan *plan = mtf_scan_plan_create();

	grouping.lowering = mtf_lowering_of(root, baserel);
	grouping.upper = palloc0(sizeof(MtfUpperPlan));
	grouping.upper->plan = grouping.plan = plan;
	plan->relids = list_make1_oid(root->simple_rte_array[baserel->relid]->relid);
	plan->rtis = list_make1_int(baserel->relid);
	plan->grouped = true;
	plan->grand = mtf_compat_group_clause(root) == NIL;
	if (!mtf_upper_add_clauses(plan, grouping.lowering, baserel->baserestrictinfo) ||
		!add_target(&grouping, root, grouped_rel->reltarget) ||
		!add_aggregates_of(&grouping, extra->havingQual))
		return NULL;
	grouping.upper->quals = (List *) copyObject(extra->havingQual);
	grouping.upper->values = grouping.lowering->values;
	/* SELECT of constants, GROUP BY nothing: a slot needs an attribute. */
	if (plan->outputs == NIL)
		add_attribute(&grouping, (Expr *) makeNullConst(INT4OID, -1, InvalidOid), NULL, INT4OID,
					  -1);
	return grouping.upper;
}

void
mtf_plan_group_paths(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *grouped_rel,
					 GroupPathExtraData *extra)
{
	QualCost none = {0};
	MtfUpperPlan *upper;
	double groups;
	MtfCost cost;

	if (!mtf_setting_enable_aggregate_pushdown || root->parse->groupingSets != NIL ||
		extra->patype == PARTITIONWISE_AGGREGATE_PARTIAL || !IS_SIMPLE_REL(input_rel) ||
		input_rel->rtekind != RTE_RELATION || input_rel->fdw_private == NULL ||
		IS_DUMMY_REL(input_rel) || input_rel->lateral_relids != NULL ||
		root->parse->rowMarks != NIL)
		return;
	if ((upper = plan_grouping(root, input_rel, grouped_rel, extra)) == NULL)
		return;
	groups =
		upper->plan->grand
			? 1
			: mtf_compat_estimate_num_groups(
				  root,
				  get_sortgrouplist_exprs(mtf_compat_group_clause(root), root->processed_tlist),
				  input_rel->rows);
	cost = mtf_cost_scan(input_rel->tuples, groups, grouped_rel->reltarget->width, &none);
	add_path(grouped_rel, (Path *) mtf_compat_create_foreign_upper_path(
							  root, grouped_rel, grouped_rel->reltarget, groups, cost.total,
							  cost.total, NIL, list_make1(upper)));
}
