/*
 * condition.c
 *	  Lowered conditions → aggregation expressions: the exact form.
 *
 * Conditions are two-valued: true if and only if PostgreSQL's is true; NOT was pushed down to the
 * leaves before.  The field's value comes from field_value.c and is bound to $$v.
 *
 * What must not happen here: an expression that can fail on any document (the server may evaluate it
 * on another tenant's); a user's value outside $literal.
 */
#include "pipeline/condition.h"

#include <math.h>

#include "utils/float.h"

#include "pipeline/call.h"
#include "pipeline/compare.h"
#include "pipeline/field_value.h"
#include "pipeline/operand.h"
#include "pipeline/pattern.h"
#include "pipeline/value.h"

#define V "$$v"

static const char *const strings[] = {"string", NULL};

static void
write_is_nan(StringInfo out, const char *key)
{
	mtf_call_write_is_nan(out, key, V);
}

static void
write_not_nan(StringInfo out, const char *key)
{
	MtfCall not = mtf_call_begin(out, key, "$not");

	write_is_nan(out, mtf_call_next(&not ));
	mtf_call_end(out, &not );
}

/* NaN is PostgreSQL's highest number and equal to itself. */
static void
write_compare_nan(MtfOp op, StringInfo out, const char *key)
{
	switch (op)
	{
		case MTF_OP_EQ:
		case MTF_OP_GE: write_is_nan(out, key); break;
		case MTF_OP_NE:
		case MTF_OP_LT: write_not_nan(out, key); break;
		default: mtf_write_bool(out, key, op == MTF_OP_LE); break;
	}
}

/* A comparison by the server's order of numbers, which has NaN lowest. */
static void
write_compare_number(const MtfField *field, MtfOp op, const MtfLiteral *literal, StringInfo out,
					 const char *key)
{
	bool greater = op == MTF_OP_GT || op == MTF_OP_GE;
	bool less = op == MTF_OP_LT || op == MTF_OP_LE;
	MtfCall call;

	if (!mtf_field_has_nan(field) || !(greater || less))
	{
		mtf_call_write_comparison(out, key, mtf_op_word(op), V, literal);
		return;
	}
	call = mtf_call_begin(out, key, greater ? "$or" : "$and");
	if (greater)
		write_is_nan(out, mtf_call_next(&call));
	else
		write_not_nan(out, mtf_call_next(&call));
	mtf_call_write_comparison(out, mtf_call_next(&call), mtf_op_word(op), V, literal);
	mtf_call_end(out, &call);
}

static void
write_compare_numeric(const MtfField *field, MtfOp op, const MtfValue *value, StringInfo out,
					  const char *key)
{
	MtfDecimalBound bound = mtf_value_as_decimal(value);

	if (bound.is_nan)
		write_compare_nan(op, out, key);
	else if (bound.exact)
		write_compare_number(field, op, &bound.literal, out, key);
	/* The constant has more digits than any Decimal128: nothing is equal, its neighbour decides. */
	else if (op == MTF_OP_EQ || op == MTF_OP_NE)
		mtf_write_bool(out, key, op == MTF_OP_NE);
	else if (op == MTF_OP_GT || op == MTF_OP_GE)
		write_compare_number(field, bound.below ? MTF_OP_GT : MTF_OP_GE, &bound.literal, out, key);
	else
		write_compare_number(field, bound.below ? MTF_OP_LE : MTF_OP_LT, &bound.literal, out, key);
}

static void
write_date_bound(const MtfMoment *moment, MtfOp op, StringInfo out, const char *key)
{
	MtfDateBound bound = mtf_moment_bound(moment, op);

	mtf_call_write_comparison(out, key, bound.op, V, &bound.date);
}

/* Dates are compared as instants, of a date column too: its day is a range of them. */
static void
write_compare_date(const MtfField *field, MtfOp op, const MtfValue *value, StringInfo out,
				   const char *key)
{
	MtfInstant instant = mtf_value_as_instant(value, field->kind == MTF_KIND_TIMESTAMPTZ);
	MtfMoment moment;
	MtfCall call;

	if (instant.kind != MTF_INSTANT_FINITE)
	{
		bool below = instant.kind == MTF_INSTANT_AFTER_ALL;

		mtf_write_bool(out, key,
					   op == MTF_OP_NE || (below && (op == MTF_OP_LT || op == MTF_OP_LE)) ||
						   (!below && (op == MTF_OP_GT || op == MTF_OP_GE)));
		return;
	}
	moment = mtf_moment_of(field, &instant);
	if (op != MTF_OP_EQ && op != MTF_OP_NE)
	{
		write_date_bound(&moment, op, out, key);
		return;
	}
	if (!moment.exists)
	{
		mtf_write_bool(out, key, op == MTF_OP_NE);
		return;
	}
	call = mtf_call_begin(out, key, op == MTF_OP_NE ? "$or" : "$and");
	write_date_bound(&moment, op == MTF_OP_NE ? MTF_OP_LT : MTF_OP_GE, out, mtf_call_next(&call));
	write_date_bound(&moment, op == MTF_OP_NE ? MTF_OP_GT : MTF_OP_LE, out, mtf_call_next(&call));
	mtf_call_end(out, &call);
}

/* $$v, not null, with a value that is known and not NULL. */
static void
write_compare(const MtfField *field, MtfOp op, const MtfValue *value, StringInfo out,
			  const char *key)
{
	MtfLiteral literal;

	if (mtf_is_date_kind(field))
		write_compare_date(field, op, value, out, key);
	else if (field->kind == MTF_KIND_NUMERIC)
		write_compare_numeric(field, op, value, out, key);
	else if (field->kind == MTF_KIND_FLOAT8 && isnan(mtf_value_as_double(value)))
		write_compare_nan(op, out, key);
	/* No text of the database is equal to bytes that are no text. */
	else if (!mtf_literal_of(value, &literal))
		mtf_write_bool(out, key, op == MTF_OP_NE);
	else
		write_compare_number(field, op, &literal, out, key);
}

/* --- conditions ------------------------------------------------------------------------------------ */

/* {$let: {vars: {v: the field's value}, in: {$and: [{$gt: [$$v, null]}, …]}}}, to be ended. */
typedef struct Bound
{
	MtfLet let;
	MtfCall all;
} Bound;

/* The value that a term tests: of its field, or computed. */
static void
write_tested(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	if (term->args != NIL)
		mtf_value_write(context, linitial(term->args), out, key);
	else
		mtf_field_write_value(context, term->field, out, key);
}

/* Is it known, and not NULL? */
static void
write_known(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	if (term->args != NIL)
		mtf_value_write_present(context, linitial(term->args), out, key);
	else
		mtf_field_write_known(context, term->field, out, key);
}

static Bound
begin_bound(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	Bound bound;

	bound.let = mtf_let_begin(out, key);
	write_tested(context, term, out, "v");
	bound.all = mtf_call_begin(out, mtf_let_in(out, &bound.let), "$and");
	mtf_call_write_not_null(out, mtf_call_next(&bound.all), V);
	return bound;
}

static void
end_bound(StringInfo out, Bound *bound)
{
	mtf_call_end(out, &bound->all);
	mtf_let_end(out, &bound->let);
}

/* {$not: [known]} */
static void
write_unknown_field(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
					const char *key)
{
	MtfCall not = mtf_call_begin(out, key, "$not");

	write_known(context, term, out, mtf_call_next(&not ));
	mtf_call_end(out, &not );
}

static void
write_field_comparison(const MtfExprContext *context, const MtfTerm *term, const MtfValue *value,
					   StringInfo out, const char *key)
{
	MtfOp op = term->op;
	bool distinct = op == MTF_OP_DISTINCT;
	MtfCall not = {0};
	Bound bound;

	if (value->isnull)
	{
		if (op == MTF_OP_DISTINCT)
			write_known(context, term, out, key);
		else if (op == MTF_OP_NOT_DISTINCT)
			write_unknown_field(context, term, out, key);
		else
			mtf_write_bool(out, key, false);
		return;
	}
	/* IS DISTINCT FROM a value is the whole opposite of being equal to it. */
	if (distinct)
	{
		not = mtf_call_begin(out, key, "$not");
		key = mtf_call_next(&not );
	}
	if (op == MTF_OP_DISTINCT || op == MTF_OP_NOT_DISTINCT)
		op = MTF_OP_EQ;
	bound = begin_bound(context, term, out, key);
	write_compare(term->field, op, value, out, mtf_call_next(&bound.all));
	end_bound(out, &bound);
	if (distinct)
		mtf_call_end(out, &not );
}

/* {$in: [$$v, {$literal: […]}]}, or not in; false (nothing written) when values are no plain literals. */
static bool
write_membership(const MtfField *field, const MtfValueList *list, bool in, StringInfo out,
				 const char *key)
{
	MtfMark start = out->len;
	MtfCall not = {0};
	MtfMark quoted;
	MtfMark items;
	MtfCall call;

	if (!mtf_is_integer_kind(field) && field->kind != MTF_KIND_TEXT)
		return false;
	if (!in)
	{
		not = mtf_call_begin(out, key, "$not");
		key = mtf_call_next(&not );
	}
	call = mtf_call_begin(out, key, "$in");
	mtf_write_word(out, mtf_call_next(&call), V);
	quoted = mtf_write_begin(out, mtf_call_next(&call));
	items = mtf_write_begin_array(out, "$literal");
	for (int i = 0; i < list->n; i++)
	{
		MtfLiteral literal;

		if (!mtf_literal_of(&list->values[i], &literal))
		{
			mtf_write_take_back(out, start);
			return false;
		}
		mtf_write_literal(out, mtf_array_key(i), &literal);
	}
	mtf_write_end(out, items);
	mtf_write_end(out, quoted);
	mtf_call_end(out, &call);
	if (!in)
		mtf_call_end(out, &not );
	return true;
}

static void
write_list_comparison(const MtfExprContext *context, const MtfTerm *term, const MtfValue *value,
					  StringInfo out, const char *key)
{
	bool any = term->kind == MTF_TERM_ANY;
	MtfValueList list;
	Bound bound;
	MtfCall each;

	if (value->isnull)
	{
		mtf_write_bool(out, key, false);
		return;
	}
	list = mtf_expand_list(value);
	if (list.n == 0 || (!any && list.has_null))
	{
		mtf_write_bool(out, key, !any && !list.has_null);
		return;
	}
	bound = begin_bound(context, term, out, key);
	if (term->op == (any ? MTF_OP_EQ : MTF_OP_NE) &&
		write_membership(term->field, &list, any, out, mtf_call_next(&bound.all)))
	{
		end_bound(out, &bound);
		return;
	}
	bound.all.n = 1;
	each = mtf_call_begin(out, mtf_call_next(&bound.all), any ? "$or" : "$and");
	for (int i = 0; i < list.n; i++)
		write_compare(term->field, term->op, &list.values[i], out, mtf_call_next(&each));
	mtf_call_end(out, &each);
	end_bound(out, &bound);
}

static void
write_truth(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	bool negative = term->op == MTF_OP_IS_NOT_TRUE || term->op == MTF_OP_IS_NOT_FALSE;
	MtfLiteral literal =
		mtf_literal_bool(term->op == MTF_OP_IS_TRUE || term->op == MTF_OP_IS_NOT_TRUE);
	MtfCall call = mtf_call_begin(out, key, negative ? "$ne" : "$eq");

	write_tested(context, term, out, mtf_call_next(&call));
	mtf_write_literal(out, mtf_call_next(&call), &literal);
	mtf_call_end(out, &call);
}

static void
write_group(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	MtfCall call = mtf_call_begin(out, key, term->kind == MTF_TERM_OR ? "$or" : "$and");
	ListCell *cell;

	foreach (cell, term->args)
		mtf_condition_write(context, lfirst(cell), out, mtf_call_next(&call));
	mtf_call_end(out, &call);
}

/* {$and: [{$gte: [$$v, low]}, {$lt: [$$v, high]}]}, or {$eq: [$$v, text]} */
static void
write_prefix(const MtfPatternRange *range, StringInfo out, const char *key)
{
	MtfCall both;

	if (range->one)
	{
		mtf_call_write_comparison(out, key, "$eq", V, &range->low);
		return;
	}
	both = mtf_call_begin(out, key, "$and");
	mtf_call_write_comparison(out, mtf_call_next(&both), "$gte", V, &range->low);
	mtf_call_write_comparison(out, mtf_call_next(&both), "$lt", V, &range->high);
	mtf_call_end(out, &both);
}

/* $regexMatch fails on what is no string, whatever was promised. */
static void
write_regex_match(const MtfField *field, const char *regex, StringInfo out, const char *key)
{
	MtfCall guard = {0};
	MtfMark call;
	MtfMark match;

	if (field->trust)
	{
		guard = mtf_call_begin(out, key, "$cond");
		mtf_call_write_type_in(out, mtf_call_next(&guard), V, strings);
		key = mtf_call_next(&guard);
	}
	call = mtf_write_begin(out, key);
	match = mtf_write_begin(out, "$regexMatch");
	mtf_write_word(out, "input", V);
	mtf_write_regex(out, "regex", regex, "s");
	mtf_write_end(out, match);
	mtf_write_end(out, call);
	if (field->trust)
	{
		mtf_write_bool(out, mtf_call_next(&guard), false);
		mtf_call_end(out, &guard);
	}
}

/* The value matches the pattern, which is sound (classify.c). */
static void
write_like(const MtfExprContext *context, const MtfTerm *term, const MtfValue *value,
		   StringInfo out, const char *key)
{
	MtfPatternRange range;
	MtfLiteral literal;
	Bound bound;
	MtfCall not = {0};
	char *regex;
	bool whole;

	if (value->isnull || !mtf_literal_of(value, &literal) || !mtf_pattern_read(term, &literal) ||
		(regex = mtf_pattern_to_regex(literal.data, literal.len, MTF_FOLD_NONE, &whole)) == NULL)
	{
		mtf_write_bool(out, key, false);
		return;
	}
	if (!whole)
		elog(ERROR, "the beginning of a pattern is not exact");
	bound = begin_bound(context, term, out, key);
	key = mtf_call_next(&bound.all);
	if (term->op == MTF_OP_NE)
	{
		not = mtf_call_begin(out, key, "$not");
		key = mtf_call_next(&not );
	}
	if (mtf_pattern_to_range(literal.data, literal.len, &range))
		write_prefix(&range, out, key);
	else
		write_regex_match(term->field, regex, out, key);
	if (term->op == MTF_OP_NE)
		mtf_call_end(out, &not );
	end_bound(out, &bound);
}

/* {$not: [condition]} */
static void
write_not(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	MtfCall not = mtf_call_begin(out, key, "$not");

	mtf_condition_write(context, linitial(term->args), out, mtf_call_next(&not ));
	mtf_call_end(out, &not );
}

/* CASE of conditions, from its argument `i` on. */
static void
write_case(const MtfExprContext *context, const MtfTerm *term, int i, StringInfo out,
		   const char *key)
{
	MtfCall cond;

	if (i >= list_length(term->args))
	{
		mtf_write_bool(out, key, false);
		return;
	}
	if (i == list_length(term->args) - 1)
	{
		mtf_condition_write(context, list_nth(term->args, i), out, key);
		return;
	}
	cond = mtf_call_begin(out, key, "$cond");
	mtf_condition_write(context, list_nth(term->args, i), out, mtf_call_next(&cond));
	mtf_condition_write(context, list_nth(term->args, i + 1), out, mtf_call_next(&cond));
	write_case(context, term, i + 2, out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

/* EXPLAIN shows a value that is not known yet as "$n". */
static void
write_unknown_value(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
					const char *key)
{
	MtfCall call = mtf_call_begin(out, key, mtf_op_word(term->op));

	if (term->field != NULL && term->args != NIL)
		write_tested(context, term, out, mtf_call_next(&call));
	else if (term->field != NULL)
		mtf_write_word(out, mtf_call_next(&call), mtf_field_reference(context, term->field));
	mtf_write_word(out, mtf_call_next(&call), psprintf("$%d", term->value + 1));
	mtf_call_end(out, &call);
}

void
mtf_condition_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
					const char *key)
{
	const MtfValue *value = mtf_expr_value(context, term);

	if (value != NULL && !value->is_known)
	{
		write_unknown_value(context, term, out, key);
		return;
	}
	switch ((MtfTermKind) term->kind)
	{
		case MTF_TERM_TRUE: mtf_write_bool(out, key, true); break;
		case MTF_TERM_FALSE: mtf_write_bool(out, key, false); break;
		case MTF_TERM_AND:
		case MTF_TERM_OR: write_group(context, term, out, key); break;
		case MTF_TERM_COMPARE: write_field_comparison(context, term, value, out, key); break;
		case MTF_TERM_ANY:
		case MTF_TERM_ALL: write_list_comparison(context, term, value, out, key); break;
		case MTF_TERM_LIKE: write_like(context, term, value, out, key); break;
		case MTF_TERM_COMPARE_VALUES: mtf_compare_write(context, term, out, key); break;
		case MTF_TERM_NOT: write_not(context, term, out, key); break;
		case MTF_TERM_CASE: write_case(context, term, 0, out, key); break;
		case MTF_TERM_NULL: write_unknown_field(context, term, out, key); break;
		case MTF_TERM_NOT_NULL: write_known(context, term, out, key); break;
		case MTF_TERM_TRUTH:
			if (term->field != NULL)
				write_truth(context, term, out, key);
			else
				mtf_write_bool(out, key,
							   !value->isnull &&
								   DatumGetBool(value->datum) == (term->op == MTF_OP_IS_TRUE));
			break;
		/* classify.c calls nothing else exact. */
		default: mtf_write_bool(out, key, false); break;
	}
}
