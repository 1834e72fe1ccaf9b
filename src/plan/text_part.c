/*
 * text_part.c
 *	  left(), right(), substring(), length(), lower() and upper(): patterns of the column itself, or computed.
 *
 * `left(x, 2) = 'ab'` is `x LIKE 'ab%'`: the same rows, and an index serves it.  A shorter constant is the
 * whole text, a longer one is never equal.  lower() and upper() are PostgreSQL's by a locale: only what equals
 * ASCII is asked for, by either case of its letters, and rechecked.
 *
 * What must not happen here: a position before the text, which servers refuse.
 */
#include "plan/text_part.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "plan/compute.h"
#include "plan/node.h"
#include "plan/regex.h"
#include "plan/shippable.h"

/* Longer lists are computed: each element is a pattern of its own. */
#define MAX_PATTERNS 64

/* --- which part -------------------------------------------------------------------------------------- */

typedef enum TextPart
{
	TEXT_PART_NONE,
	TEXT_PART_SUBSTRING, /* `length` characters behind the first `before` */
	TEXT_PART_END,       /* the last `length` */
	TEXT_PART_LENGTH,
	TEXT_PART_LOWER,
	TEXT_PART_UPPER
} TextPart;

typedef struct Part
{
	TextPart kind;
	Node *text;
	int before;
	int length;
} Part;

static bool
constant_int(Node *node, int *number)
{
	const Const *constant = mtf_node_constant(node);

	if (constant == NULL || constant->consttype != INT4OID)
		return false;
	*number = DatumGetInt32(constant->constvalue);
	return true;
}

/* substring(text from start for length): positions count from 1, those before it are passed over. */
static bool
read_substring(Part *part, List *args)
{
	int64 start;
	int64 end;
	int number;

	if (!constant_int(lsecond(args), &number) || !constant_int(lthird(args), &part->length) ||
		part->length < 0)
		return false;
	start = (int64) number - 1;
	end = Min(start + part->length, PG_INT32_MAX);
	start = Max(start, 0);
	part->kind = TEXT_PART_SUBSTRING;
	part->before = (int) start;
	part->length = (int) Max(end - start, 0);
	return true;
}

/* left() and right() with a negative number: all but so many. */
static bool
read_end(Part *part, List *args, TextPart kind)
{
	part->kind = kind;
	return constant_int(lsecond(args), &part->length) && part->length >= 0;
}

static bool
read_part(Node *node, Part *part)
{
	const MtfShippable *row;
	FuncExpr *expr = (FuncExpr *) node;

	*part = (Part){TEXT_PART_NONE};
	if (!IsA(node, FuncExpr) || (row = mtf_shippable_find(expr->funcid)) == NULL ||
		row->form != MTF_FORM_TEXT)
		return false;
	part->text = linitial(expr->args);
	switch (expr->funcid)
	{
		case F_LEFT: return read_end(part, expr->args, TEXT_PART_SUBSTRING);
		case F_RIGHT: return read_end(part, expr->args, TEXT_PART_END);
		case F_SUBSTR_TEXT_INT4_INT4:
		case F_SUBSTRING_TEXT_INT4_INT4: return read_substring(part, expr->args);
		case F_LOWER_TEXT: part->kind = TEXT_PART_LOWER; return true;
		case F_UPPER_TEXT: part->kind = TEXT_PART_UPPER; return true;
		default: part->kind = TEXT_PART_LENGTH; return true;
	}
}

/* --- patterns ---------------------------------------------------------------------------------------- */

typedef struct Comparison
{
	MtfLowering *lowering;
	MtfField *field;
	Part part;
	MtfOp op; /* EQ or NE */
} Comparison;

static MtfTerm *
create_pattern(const Comparison *comparison, MtfTermKind kind, Node *pattern)
{
	MtfField *field = copyObject(comparison->field);
	MtfTerm *term = mtf_term_create(kind, comparison->op, field,
									mtf_lowering_value_index(comparison->lowering, pattern), NIL);

	term->exact = kind == MTF_TERM_LIKE && field->exact && IsA(pattern, Const) &&
				  VARSIZE_ANY_EXHDR(DatumGetTextPP(castNode(Const, pattern)->constvalue)) <=
					  MTF_PATTERN_MAX_BYTES;
	term->prefix = kind == MTF_TERM_LIKE && field->exact && mtf_like_is_prefix(pattern);
	return term;
}

/* The part can never be equal: false, or whether there is a text at all. */
static MtfTerm *
create_never_equal(const Comparison *comparison)
{
	if (comparison->op == MTF_OP_EQ)
		return mtf_lowering_create_constant(false);
	return mtf_lowering_create_test(MTF_TERM_NOT_NULL, MTF_OP_EQ, copyObject(comparison->field));
}

/* part = or <> a constant that is not NULL */
static MtfTerm *
compare_with_constant(const Comparison *comparison, Node *constant)
{
	const Part *part = &comparison->part;
	text *value = DatumGetTextPP(castNode(Const, constant)->constvalue);
	int length = pg_mbstrlen_with_len(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	bool at_end = part->kind == TEXT_PART_END;

	if (length > part->length)
		return create_never_equal(comparison);
	if (length < part->length)
		return mtf_lowering_create_comparison(comparison->lowering, MTF_TERM_COMPARE,
											  comparison->op, copyObject(comparison->field),
											  constant);
	return create_pattern(comparison, MTF_TERM_LIKE, mtf_text_as_like(constant, at_end, !at_end));
}

static bool
is_folded(const Part *part)
{
	return part->kind == TEXT_PART_LOWER || part->kind == TEXT_PART_UPPER;
}

static MtfTerm *
compare_value(const Comparison *comparison, Node *value)
{
	MtfTerm *term;
	Node *pattern;

	if (is_folded(&comparison->part))
	{
		if ((pattern = mtf_text_as_like(value, false, false)) == NULL)
			return NULL;
		term = create_pattern(comparison, MTF_TERM_ILIKE, pattern);
		if (comparison->part.kind == TEXT_PART_UPPER)
			term->pattern = MTF_PATTERN_UPPER;
		return term;
	}
	return IsA(value, Const) ? compare_with_constant(comparison, value) : NULL;
}

/* AND or OR of one comparison for each constant of a list. */
static MtfTerm *
compare_list(const Comparison *comparison, bool any, Const *list)
{
	ArrayType *array = DatumGetArrayTypeP(list->constvalue);
	List *terms = NIL;
	bool exact = true;
	Datum *values;
	bool *nulls;
	int n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	if (n > MAX_PATTERNS)
		return NULL;
	for (int i = 0; i < n; i++)
	{
		MtfTerm *term;

		if (nulls[i] && !any)
			return mtf_lowering_create_constant(false);
		if (nulls[i])
			continue;
		term = compare_value(comparison, (Node *) makeConst(TEXTOID, -1, list->constcollid, -1,
															values[i], false, false));
		exact &= term->exact;
		terms = lappend(terms, term);
	}
	/* x <> ALL of nothing is true, of NULL too. */
	if (terms == NIL)
		return mtf_lowering_create_constant(!any);
	if (list_length(terms) > 1)
	{
		terms = list_make1(
			mtf_term_create(any ? MTF_TERM_OR : MTF_TERM_AND, MTF_OP_EQ, NULL, -1, terms));
		((MtfTerm *) linitial(terms))->exact = exact;
	}
	return linitial(terms);
}

static bool
is_constant_list(Node *value)
{
	const Const *constant = mtf_node_constant(value);

	return constant != NULL && constant->consttype == TEXTARRAYOID;
}

/* Do patterns say this comparison of this part? */
static bool
is_expressible(const Comparison *comparison, MtfTermKind kind)
{
	MtfOp list_op = kind == MTF_TERM_ALL ? MTF_OP_NE : MTF_OP_EQ;

	if (kind != MTF_TERM_COMPARE && comparison->op != list_op)
		return false;
	switch (comparison->part.kind)
	{
		case TEXT_PART_SUBSTRING:
			return comparison->part.before == 0 &&
				   (comparison->op == MTF_OP_EQ || comparison->op == MTF_OP_NE);
		case TEXT_PART_END: return comparison->op == MTF_OP_EQ || comparison->op == MTF_OP_NE;
		case TEXT_PART_LOWER:
		case TEXT_PART_UPPER: return comparison->op == MTF_OP_EQ;
		default: return false;
	}
}

MtfTerm *
mtf_text_comparison(MtfLowering *lowering, MtfTermKind kind, MtfOp op, Node *node, Node *value,
					Oid collation)
{
	int nvalues = list_length(lowering->values);
	Comparison comparison = {lowering, NULL, {TEXT_PART_NONE}, op};
	MtfTerm *term = NULL;

	if (!read_part(node, &comparison.part) || !is_expressible(&comparison, kind) ||
		!mtf_lowering_is_value(lowering, value) ||
		(comparison.field = mtf_lowering_find_field(lowering, comparison.part.text)) == NULL ||
		comparison.field->kind != MTF_KIND_TEXT || comparison.field->any_id ||
		!mtf_lowering_collation_allows(lowering, comparison.field, op, collation))
		return NULL;
	if (kind != MTF_TERM_COMPARE)
		term = is_constant_list(value)
				   ? compare_list(&comparison, kind == MTF_TERM_ANY, castNode(Const, value))
				   : NULL;
	else if (!mtf_node_is_null(value))
		term = compare_value(&comparison, value);
	if (term == NULL)
		lowering->values = list_truncate(lowering->values, nvalues);
	else
		lowering->why = comparison.part.kind == TEXT_PART_LOWER
							? "letters in either case; lower() is a locale's"
						: comparison.part.kind == TEXT_PART_UPPER
							? "letters in either case; upper() is a locale's"
							: "a pattern of the column itself";
	return term;
}

/* --- computed ---------------------------------------------------------------------------------------- */

static MtfTerm *
compute_number(MtfLowering *lowering, int number)
{
	return mtf_compute(lowering, mtf_node_int4(number));
}

MtfTerm *
mtf_compute_text(MtfLowering *lowering, FuncExpr *expr)
{
	MtfTerm *text;
	MtfTerm *term;
	Part part;

	if (!read_part((Node *) expr, &part) || is_folded(&part) || part.kind == TEXT_PART_END)
		return mtf_lowering_local(lowering, mtf_lowering_function_reason(expr->funcid));
	if (GetDatabaseEncoding() != PG_UTF8)
		return mtf_lowering_local(lowering, "the database's encoding is not UTF8");
	if ((text = mtf_compute(lowering, part.text)) == NULL)
		return NULL;
	if (part.kind == TEXT_PART_LENGTH)
	{
		term = mtf_compute_create(MTF_TERM_CALL, MTF_FUNCTION_LENGTH, NULL, -1, list_make1(text));
		term->precision = 10;
		term->scale = 0;
		return term;
	}
	return mtf_compute_create(MTF_TERM_CALL, MTF_FUNCTION_SUBSTRING, NULL, -1,
							  list_make3(text, compute_number(lowering, part.before),
										 compute_number(lowering, part.length)));
}
