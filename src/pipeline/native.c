/*
 * native.c
 *	  Values of a column's own BSON types: the superset form says of them what the exact form says.
 *
 * An exact form looks at each value's type, for an int4 column may hold a whole double or an array.  As
 * an aggregation expression that takes ten operators and more for each document.  Nearly all documents
 * hold what their column says: a few words of the match language tell so (a sixth of the time, measured
 * on secantusd-rs), and the expression is left to the others: {$or: [native, {$expr: exact}]}.
 *
 * What must not happen here: a value called native on which the two forms differ.  So no dotted path, at
 * which the match language looks into arrays of documents; no number that may be NaN, have a fraction or
 * be rounded; and of text only equality, as PostgreSQL has no text with a NUL and servers have.
 */
#include "pipeline/native.h"

#include "pipeline/field_known.h"
#include "pipeline/match_field.h"
#include "pipeline/operand.h"
#include "plan/compute.h"

/* --- fields ---------------------------------------------------------------------------------------- */

/* All values of these types decode, dates within the bounds below; NULL: of no type for certain. */
static const char *const *
native_types(const MtfField *field)
{
	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_INT4:
		case MTF_KIND_INT8: return mtf_known_whole_types(field);
		case MTF_KIND_TEXT:
		case MTF_KIND_OBJECTID:
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: return field->any_id ? NULL : mtf_decodable_types(field);
		default: return NULL;
	}
}

/* {path: {$type: types, $not: {$type: "array"}}}: $type looks into arrays. */
static void
write_field(const MtfField *field, StringInfo out)
{
	MtfMark condition = mtf_write_begin(out, field->path);
	MtfMark not ;

	mtf_write_words(out, "$type", native_types(field));
	if (mtf_is_date_kind(field))
	{
		MtfLiteral first = mtf_literal_date(MTF_FIRST_COMMON_MS);
		MtfLiteral last = mtf_literal_date(MTF_LAST_COMMON_MS);

		mtf_write_literal(out, "$gte", &first);
		mtf_write_literal(out, "$lte", &last);
	}
	not = mtf_write_begin(out, "$not");
	mtf_write_word(out, "$type", "array");
	mtf_write_end(out, not );
	mtf_write_end(out, condition);
}

static bool
comparison_is_decided(const MtfField *field, MtfOp op)
{
	if (native_types(field) == NULL || field->typmod >= 0 || strchr(field->path, '.') != NULL)
		return false;
	if (field->kind == MTF_KIND_TEXT && op != MTF_OP_EQ)
		return false;
	return mtf_match_compares_exactly(field, op);
}

/* --- conditions ------------------------------------------------------------------------------------ */

bool
mtf_native_decides(const MtfExprContext *context, const MtfTerm *term)
{
	ListCell *cell;

	switch ((MtfTermKind) term->kind)
	{
		case MTF_TERM_COMPARE:
		case MTF_TERM_ANY:
		case MTF_TERM_ALL:
			return term->args == NIL && comparison_is_decided(term->field, term->op) &&
				   mtf_match_takes_value(context, term);
		case MTF_TERM_AND:
		case MTF_TERM_OR: break;
		default: return false;
	}
	foreach (cell, term->args)
		if (!mtf_native_decides(context, lfirst(cell)))
			return false;
	return true;
}

void
mtf_native_write(const MtfTerm *term, StringInfo out, const char *key)
{
	MtfMark condition = mtf_write_begin(out, key);
	ListCell *cell;

	foreach (cell, mtf_term_fields((MtfTerm *) term))
		write_field(lfirst(cell), out);
	mtf_write_end(out, condition);
}
