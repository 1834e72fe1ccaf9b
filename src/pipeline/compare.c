/*
 * compare.c
 *	  Two values of one document compared: an aggregation expression.
 *
 * Both are bound to variables first: null when they are NULL here, of one family of BSON types else (the
 * planner saw to that), so that the server's order is PostgreSQL's but for NaN.
 *
 * What must not happen here: a conversion of what was not tested; the owner's promise is no test.
 */
#include "pipeline/compare.h"

#include "pipeline/call.h"
#include "pipeline/field_value.h"
#include "pipeline/literal.h"
#include "pipeline/value.h"

#define V "$$v"
#define W "$$w"

/* --- a date as the milliseconds of its midnight, an instant as its own ---------------------------- */

#define MILLISECONDS_PER_DAY INT64CONST(86400000)

/* More days than PostgreSQL has before 1970: $mod of what is added to them counts forwards. */
#define DAYS_BEFORE_1970 2500000

/* {$subtract: [ms, {$mod: [{$add: [ms, …]}, a day]}]} of ms = {$toLong: reference} */
static void
write_floor_to_day(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral day = mtf_literal_int64(MILLISECONDS_PER_DAY);
	MtfLiteral shift = mtf_literal_int64(DAYS_BEFORE_1970 * MILLISECONDS_PER_DAY);
	MtfCall subtract = mtf_call_begin(out, key, "$subtract");
	MtfCall mod;
	MtfCall add;

	mtf_call_write_unary(out, mtf_call_next(&subtract), "$toLong", reference);
	mod = mtf_call_begin(out, mtf_call_next(&subtract), "$mod");
	add = mtf_call_begin(out, mtf_call_next(&mod), "$add");
	mtf_call_write_unary(out, mtf_call_next(&add), "$toLong", reference);
	mtf_write_literal(out, mtf_call_next(&add), &shift);
	mtf_call_end(out, &add);
	mtf_write_literal(out, mtf_call_next(&mod), &day);
	mtf_call_end(out, &mod);
	mtf_call_end(out, &subtract);
}

static void
write_field_milliseconds(const MtfExprContext *context, const MtfField *field, StringInfo out,
						 const char *key)
{
	static const char *const dates[] = {"date", NULL};
	char *reference = mtf_field_reference(context, field);
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall both = mtf_call_begin(out, mtf_call_next(&cond), "$and");

	mtf_field_write_known(context, field, out, mtf_call_next(&both));
	if (field->trust)
		mtf_call_write_type_in(out, mtf_call_next(&both), reference, dates);
	mtf_call_end(out, &both);
	if (field->kind == MTF_KIND_DATE)
		write_floor_to_day(out, mtf_call_next(&cond), reference);
	else
		mtf_call_write_unary(out, mtf_call_next(&cond), "$toLong", reference);
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

/* --- comparisons of $$v with $$w -------------------------------------------------------------------- */

static void
write_is_not_nan(StringInfo out, const char *key, const char *reference)
{
	MtfCall not = mtf_call_begin(out, key, "$not");

	mtf_call_write_is_nan(out, mtf_call_next(&not ), reference);
	mtf_call_end(out, &not );
}

/* NaN is equal to itself. */
static void
write_number_equality(StringInfo out, const char *key, bool equal)
{
	MtfCall not = {0};
	MtfCall either;
	MtfCall both;

	if (!equal)
	{
		not = mtf_call_begin(out, key, "$not");
		key = mtf_call_next(&not );
	}
	either = mtf_call_begin(out, key, "$or");
	mtf_call_write_references(out, mtf_call_next(&either), "$eq", V, W);
	both = mtf_call_begin(out, mtf_call_next(&either), "$and");
	mtf_call_write_is_nan(out, mtf_call_next(&both), V);
	mtf_call_write_is_nan(out, mtf_call_next(&both), W);
	mtf_call_end(out, &both);
	mtf_call_end(out, &either);
	if (!equal)
		mtf_call_end(out, &not );
}

/* x < y, x not NaN: y may be.  x <= y: y is NaN, or x is not and the server says so. */
static void
write_number_order(StringInfo out, const char *key, const char *x, const char *y, bool or_equal)
{
	MtfCall either;
	MtfCall both;

	if (or_equal)
	{
		either = mtf_call_begin(out, key, "$or");
		mtf_call_write_is_nan(out, mtf_call_next(&either), y);
		both = mtf_call_begin(out, mtf_call_next(&either), "$and");
		write_is_not_nan(out, mtf_call_next(&both), x);
		mtf_call_write_references(out, mtf_call_next(&both), "$lte", x, y);
		mtf_call_end(out, &both);
		mtf_call_end(out, &either);
		return;
	}
	both = mtf_call_begin(out, key, "$and");
	write_is_not_nan(out, mtf_call_next(&both), x);
	either = mtf_call_begin(out, mtf_call_next(&both), "$or");
	mtf_call_write_is_nan(out, mtf_call_next(&either), y);
	mtf_call_write_references(out, mtf_call_next(&either), "$lt", x, y);
	mtf_call_end(out, &either);
	mtf_call_end(out, &both);
}

static void
write_numbers(MtfOp op, StringInfo out, const char *key)
{
	switch (op)
	{
		case MTF_OP_EQ: write_number_equality(out, key, true); break;
		case MTF_OP_NE: write_number_equality(out, key, false); break;
		case MTF_OP_LT: write_number_order(out, key, V, W, false); break;
		case MTF_OP_LE: write_number_order(out, key, V, W, true); break;
		case MTF_OP_GT: write_number_order(out, key, W, V, false); break;
		case MTF_OP_GE: write_number_order(out, key, W, V, true); break;
		default: mtf_write_bool(out, key, false); break;
	}
}

/* Both are there, and compare so. */
static void
write_known_comparison(const MtfTerm *term, MtfOp op, StringInfo out, const char *key)
{
	MtfCall all = mtf_call_begin(out, key, "$and");

	mtf_call_write_not_null(out, mtf_call_next(&all), V);
	mtf_call_write_not_null(out, mtf_call_next(&all), W);
	if (term->as == MTF_COMPARE_NUMBERS)
		write_numbers(op, out, mtf_call_next(&all));
	else
		mtf_call_write_references(out, mtf_call_next(&all), mtf_op_word(op), V, W);
	mtf_call_end(out, &all);
}

static void
write_is_null(StringInfo out, const char *key, const char *reference)
{
	MtfCall not = mtf_call_begin(out, key, "$not");

	mtf_call_write_not_null(out, mtf_call_next(&not ), reference);
	mtf_call_end(out, &not );
}

/* IS NOT DISTINCT FROM: equal, or both NULL. */
static void
write_not_distinct(const MtfTerm *term, StringInfo out, const char *key)
{
	MtfCall either = mtf_call_begin(out, key, "$or");
	MtfCall both;

	write_known_comparison(term, MTF_OP_EQ, out, mtf_call_next(&either));
	both = mtf_call_begin(out, mtf_call_next(&either), "$and");
	write_is_null(out, mtf_call_next(&both), V);
	write_is_null(out, mtf_call_next(&both), W);
	mtf_call_end(out, &both);
	mtf_call_end(out, &either);
}

static void
write_operand(const MtfExprContext *context, const MtfTerm *term, const MtfTerm *operand,
			  StringInfo out, const char *key)
{
	MtfMark milliseconds;

	if (term->as != MTF_COMPARE_MILLISECONDS)
		mtf_value_write(context, operand, out, key);
	else if (operand->field != NULL)
		write_field_milliseconds(context, operand->field, out, key);
	else
	{
		/* A date for certain, or null (instant.c). */
		milliseconds = mtf_write_begin(out, key);
		mtf_value_write(context, operand, out, "$toLong");
		mtf_write_end(out, milliseconds);
	}
}

void
mtf_compare_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
				  const char *key)
{
	MtfLet let = mtf_let_begin(out, key);
	MtfCall not ;

	write_operand(context, term, linitial(term->args), out, "v");
	write_operand(context, term, lsecond(term->args), out, "w");
	key = mtf_let_in(out, &let);
	if (term->op == MTF_OP_DISTINCT)
	{
		not = mtf_call_begin(out, key, "$not");
		write_not_distinct(term, out, mtf_call_next(&not ));
		mtf_call_end(out, &not );
	}
	else if (term->op == MTF_OP_NOT_DISTINCT)
		write_not_distinct(term, out, key);
	else
		write_known_comparison(term, term->op, out, key);
	mtf_let_end(out, &let);
}
