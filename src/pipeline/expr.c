/*
 * expr.c
 *	  Lowered terms → match language: the superset form.
 *
 * Every condition written here holds for each document for which PostgreSQL's condition is true, and
 * for some others, which PostgreSQL drops again.  Conditions stay in the match language and on the
 * plain path, so that an index on (tenant, field) serves them.  ../shared words: semantics of NULL
 * and missing, NaN, arrays and dates are told at each form.
 *
 * What must not happen here: an ERROR (terms are total), a lost row, `$not` or `$nor` around a
 * comparison (unknown would become true).
 */
#include "pipeline/expr.h"

#include "pipeline/absence.h"
#include "pipeline/combination.h"
#include "pipeline/condition.h"
#include "pipeline/json_match.h"
#include "pipeline/match_field.h"
#include "pipeline/operand.h"
#include "pipeline/pattern.h"
#include "pipeline/value.h"

/* Above these a list is no filter worth its bytes: only the field's presence is asked for. */
#define MAX_LIST_LITERALS 20000
#define MAX_LIST_RANGES   500

const MtfValue *
mtf_expr_value(const MtfExprContext *context, const MtfTerm *term)
{
	return term->value >= 0 && term->value < context->nvalues ? &context->values[term->value]
															  : NULL;
}

const char *
mtf_op_word(MtfOp op)
{
	switch (op)
	{
		case MTF_OP_EQ: return "$eq";
		case MTF_OP_NE: return "$ne";
		case MTF_OP_LT: return "$lt";
		case MTF_OP_LE: return "$lte";
		case MTF_OP_GT: return "$gt";
		case MTF_OP_GE: return "$gte";
		default: return "$eq";
	}
}

/* --- lists --------------------------------------------------------------------------------------- */

/* All literals that equal one of the list's values; -1 when a range is needed, or they are too many. */
static int
list_literals(const MtfField *field, const MtfValueList *list, MtfLiteral *literals)
{
	int total = 0;

	if (list->n > MAX_LIST_LITERALS)
		return MTF_NOT_BY_LITERALS;
	for (int i = 0; i < list->n; i++)
	{
		int n = mtf_equal_literals(field, &list->values[i], &literals[total]);

		if (n == MTF_NOT_BY_LITERALS)
			return MTF_NOT_BY_LITERALS;
		total += n;
	}
	return total;
}

/* AND or OR of one comparison per value. */
static MtfVerdict
write_each(const MtfField *field, MtfOp op, const MtfValueList *list, bool any, StringInfo out,
		   const char *key)
{
	MtfCombination all;

	if (list->n > MAX_LIST_RANGES)
		return mtf_match_write_present(field, out, key);
	all = mtf_combination_begin(out, key, any);
	for (int i = 0; i < list->n && !all.decided; i++)
		mtf_combination_add(&all, mtf_match_write_comparison(field, op, &list->values[i], out,
															 mtf_combination_key(&all)));
	return mtf_combination_end(&all);
}

/* field op ANY (list): NULLs in the list never make it true. */
static MtfVerdict
write_any(const MtfField *field, MtfOp op, const MtfValueList *list, StringInfo out,
		  const char *key)
{
	MtfLiteral *literals = palloc(sizeof(MtfLiteral) * (2 * list->n + 2));
	int n;

	if (list->n == 0)
		return MTF_NEVER;
	if (op == MTF_OP_EQ && (n = list_literals(field, list, literals)) != MTF_NOT_BY_LITERALS)
		return mtf_match_write_equal(field, out, key, literals, n);
	return write_each(field, op, list, true, out, key);
}

/* field op ALL (list): one NULL in the list and it is never true (but IS NOT DISTINCT: NULLs are passed over). */
static MtfVerdict
write_all(const MtfField *field, MtfOp op, const MtfValueList *list, StringInfo out,
		  const char *key)
{
	MtfLiteral *literals = palloc(sizeof(MtfLiteral) * (2 * list->n + 2));
	int n;

	if (list->has_null && op != MTF_OP_NOT_DISTINCT)
		return MTF_NEVER;
	if (list->n == 0)
		return MTF_ALWAYS;
	if (op == MTF_OP_NOT_DISTINCT)
		op = MTF_OP_EQ;
	if (op == MTF_OP_NE && (n = list_literals(field, list, literals)) != MTF_NOT_BY_LITERALS)
		return mtf_match_write_unequal(field, out, key, literals, n);
	return write_each(field, op, list, false, out, key);
}

/* --- LIKE ------------------------------------------------------------------------------------------ */

/* {path: {$gte: low, $lt: high}}, or {path: {$eq: text}} */
static MtfVerdict
write_prefix(const MtfField *field, const MtfPatternRange *range, StringInfo out, const char *key)
{
	MtfNest condition = mtf_nest_begin(out, key, field->path);

	mtf_write_literal(out, range->one ? "$eq" : "$gte", &range->low);
	if (!range->one)
		mtf_write_literal(out, "$lt", &range->high);
	mtf_nest_end(out, condition);
	return MTF_SOME;
}

/* A range needs a server that compares bytes: there the field is exact (plan/lowering.c). */
static MtfVerdict
write_like(const MtfTerm *term, const MtfValue *value, StringInfo out, const char *key)
{
	MtfPatternRange range;
	MtfLiteral literal;
	MtfMark condition;
	bool whole;
	char *regex;

	if (value->isnull)
		return MTF_NEVER;
	/* A pattern that PostgreSQL will refuse, or NOT LIKE, is asked of every document with a value. */
	if (term->op != MTF_OP_EQ || !mtf_literal_of(value, &literal) ||
		!mtf_pattern_read(term, &literal))
		return mtf_match_write_present(term->field, out, key);
	if (term->kind == MTF_TERM_LIKE && term->field->exact &&
		mtf_pattern_to_range(literal.data, literal.len, &range))
		return write_prefix(term->field, &range, out, key);
	if ((regex = mtf_pattern_to_regex(literal.data, literal.len, mtf_pattern_fold(term), &whole)) ==
		NULL)
		return mtf_match_write_present(term->field, out, key);
	condition = mtf_write_begin(out, key);
	mtf_write_regex(out, term->field->path, regex, "s");
	mtf_write_end(out, condition);
	return MTF_SOME;
}

/* --- what has no form in the match language ------------------------------------------------------------------------------------- */

/* Is a computed value tested, in the place of a field? */
static bool
is_computed(const MtfTerm *term)
{
	return term->field != NULL && term->args != NIL;
}

static MtfVerdict
write_expression(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
				 const char *key)
{
	MtfMark condition;

	/* Every document may be meant by a parameter that has no form there. */
	if (!mtf_value_is_representable(context, term))
		return MTF_ALWAYS;
	condition = mtf_write_begin(out, key);
	mtf_condition_write(context, term, out, "$expr");
	mtf_write_end(out, condition);
	return MTF_SOME;
}

/* --- arrays ---------------------------------------------------------------------------------------- */

/* {path: {$eq: []}} */
static MtfVerdict
write_empty(const MtfField *field, StringInfo out, const char *key)
{
	MtfNest condition = mtf_nest_begin(out, key, field->path);

	mtf_write_end(out, mtf_write_begin_array(out, "$eq"));
	mtf_nest_end(out, condition);
	return MTF_SOME;
}

/* {path: {$elemMatch: {$type: "array"}}} */
static MtfVerdict
write_nested(const MtfField *field, StringInfo out, const char *key)
{
	MtfNest condition = mtf_nest_begin(out, key, field->path);
	MtfMark match = mtf_write_begin(out, "$elemMatch");

	mtf_write_word(out, "$type", "array");
	mtf_write_end(out, match);
	mtf_nest_end(out, condition);
	return MTF_SOME;
}

/* --- the tree ------------------------------------------------------------------------------------ */

/* EXPLAIN shows what is not known yet as "$n". */
static MtfVerdict
write_unknown(const MtfTerm *term, StringInfo out, const char *key)
{
	const char *word = term->kind == MTF_TERM_ANY   ? "$in"
					   : term->kind == MTF_TERM_ALL ? "$all"
													: mtf_op_word(term->op);
	MtfNest condition;

	if (term->kind == MTF_TERM_ALL && term->op == MTF_OP_NE)
		word = "$nin";
	condition = mtf_nest_begin(out, key, term->field != NULL ? term->field->path : "$expr");
	mtf_write_word(out, word, psprintf("$%d", term->value + 1));
	mtf_nest_end(out, condition);
	return MTF_SOME;
}

static MtfVerdict
write_group(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	MtfCombination all = mtf_combination_begin(out, key, term->kind == MTF_TERM_OR);

	for (int i = 0; i < list_length(term->args) && !all.decided; i++)
		mtf_combination_add(&all, mtf_match_write(context, list_nth(term->args, i), out,
												  mtf_combination_key(&all)));
	return mtf_combination_end(&all);
}

/* A condition on a value alone. */
static MtfVerdict
value_verdict(const MtfTerm *term, const MtfValue *value)
{
	bool wanted = term->op == MTF_OP_IS_TRUE;

	return !value->isnull && DatumGetBool(value->datum) == wanted ? MTF_ALWAYS : MTF_NEVER;
}

static MtfVerdict
write_list_term(const MtfTerm *term, const MtfValue *value, StringInfo out, const char *key)
{
	MtfValueList list;

	if (value->isnull)
		return MTF_NEVER;
	list = mtf_expand_list(value);
	if (term->kind == MTF_TERM_ANY)
		return write_any(term->field, term->op, &list, out, key);
	return write_all(term->field, term->op, &list, out, key);
}

MtfVerdict
mtf_match_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	const MtfValue *value = mtf_expr_value(context, term);

	if (is_computed(term))
		return write_expression(context, term, out, key);
	if (value != NULL && !value->is_known)
		return write_unknown(term, out, key);
	switch ((MtfTermKind) term->kind)
	{
		case MTF_TERM_TRUE: return MTF_ALWAYS;
		case MTF_TERM_FALSE: return MTF_NEVER;
		case MTF_TERM_AND:
		case MTF_TERM_OR: return write_group(context, term, out, key);
		case MTF_TERM_COMPARE:
			return mtf_match_write_comparison(term->field, term->op, value, out, key);
		case MTF_TERM_ANY:
		case MTF_TERM_ALL: return write_list_term(term, value, out, key);
		case MTF_TERM_LIKE:
		case MTF_TERM_ILIKE: return write_like(term, value, out, key);
		case MTF_TERM_JSON_TEXT:
		case MTF_TERM_JSON_VALUE: return mtf_json_write_member(context, term, out, key);
		case MTF_TERM_JSON_CONTAINS: return mtf_json_write_contains(term->field, value, out, key);
		case MTF_TERM_JSON_ANY_KEY: return mtf_json_write_keys(term->field, value, false, out, key);
		case MTF_TERM_JSON_ALL_KEYS: return mtf_json_write_keys(term->field, value, true, out, key);
		case MTF_TERM_EMPTY: return write_empty(term->field, out, key);
		case MTF_TERM_NESTED: return write_nested(term->field, out, key);
		case MTF_TERM_COMPARE_VALUES:
		case MTF_TERM_NOT:
		case MTF_TERM_CASE: return write_expression(context, term, out, key);
		case MTF_TERM_NULL: return mtf_match_write_absent(term->field, out, key);
		case MTF_TERM_NOT_NULL: return mtf_match_write_present(term->field, out, key);
		case MTF_TERM_TRUTH:
			if (term->field == NULL)
				return value_verdict(term, value);
			return mtf_match_write_truth(term->field, term->op, out, key);
		default: return MTF_ALWAYS;
	}
}

/* --- is it exact? -------------------------------------------------------------------------------- */

/* Kinds whose comparisons are sent one to one. */
static bool
is_plain_kind(const MtfField *field)
{
	return mtf_is_integer_kind(field) || field->kind == MTF_KIND_BOOL ||
		   (field->kind == MTF_KIND_TEXT && !field->any_id) || field->kind == MTF_KIND_UUID ||
		   mtf_is_date_kind(field);
}

bool
mtf_match_compares_exactly(const MtfField *field, MtfOp op)
{
	if (!field->exact || op == MTF_OP_DISTINCT || op == MTF_OP_NOT_DISTINCT)
		return false;
	if (field->kind == MTF_KIND_OBJECTID)
		return op == MTF_OP_EQ || op == MTF_OP_NE;
	/* `<>` a day is sent as IS NOT NULL. */
	return is_plain_kind(field) && !(field->kind == MTF_KIND_DATE && op == MTF_OP_NE);
}

/* Is an integer column compared with the one integer that servers order differently (literal.c)?  It is sent as a range. */
static bool
is_widened(const MtfField *field, const MtfValue *value)
{
	return mtf_is_integer_kind(field) && !mtf_value_is_plain_integer(value);
}

static bool
value_is_taken(const MtfValue *value, const MtfField *field)
{
	return !value->is_known || value->isnull || !is_widened(field, value);
}

/* A long list is sent as IS NOT NULL. */
static bool
list_is_taken(const MtfValue *value, const MtfField *field)
{
	MtfValueList list;

	if (!value->is_known || value->isnull)
		return true;
	list = mtf_expand_list(value);
	for (int i = 0; i < list.n; i++)
		if (is_widened(field, &list.values[i]))
			return false;
	return list.n <= MAX_LIST_RANGES;
}

bool
mtf_match_takes_value(const MtfExprContext *context, const MtfTerm *term)
{
	const MtfValue *value = &context->values[term->value];

	return term->kind == MTF_TERM_COMPARE ? value_is_taken(value, term->field)
										  : list_is_taken(value, term->field);
}

bool
mtf_match_is_exact(const MtfExprContext *context, const MtfTerm *term)
{
	ListCell *cell;

	if (is_computed(term))
		return mtf_value_is_representable(context, term);
	switch ((MtfTermKind) term->kind)
	{
		case MTF_TERM_TRUE:
		case MTF_TERM_FALSE: return true;
		case MTF_TERM_COMPARE_VALUES:
		case MTF_TERM_NOT:
		case MTF_TERM_CASE: return mtf_value_is_representable(context, term);
		case MTF_TERM_LIKE: return term->field->trust && term->op == MTF_OP_EQ;
		case MTF_TERM_COMPARE:
		case MTF_TERM_ANY:
		case MTF_TERM_ALL:
			return term->field->trust && mtf_match_compares_exactly(term->field, term->op) &&
				   mtf_match_takes_value(context, term);
		case MTF_TERM_NULL: return term->field->trust;
		case MTF_TERM_NOT_NULL: return term->field->trust && !term->field->null_mismatch;
		case MTF_TERM_TRUTH: return term->field == NULL || term->field->trust;
		case MTF_TERM_AND:
		case MTF_TERM_OR: break;
		default: return false;
	}
	foreach (cell, term->args)
		if (!mtf_match_is_exact(context, lfirst(cell)))
			return false;
	return true;
}
