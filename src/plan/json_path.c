/*
 * json_path.c
 *	  jsonpath conditions on jsonb columns: column @? path, column @@ path.
 *
 * `$.a.b` in lax mode looks into arrays on the way as a path of the server does, one level at each step;
 * what can be told of it is that something is there, and that it is equal to or in order with a constant.
 * `[*]` and a filter open an array once more than the server would: documents with an array inside an
 * array at such a place come along.  Strict paths find less.  Everything is rechecked.
 *
 * What must not happen here: a negation; what is unknown of a path does not become true.
 */
#include "plan/json_path.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/jsonpath.h"

#include "plan/member.h"
#include "plan/node.h"

/* Where a path has come to. */
typedef struct Place
{
	MtfField *field; /* of kind JSONB; its path may be the whole document */
	List *opened;    /* of MtfField: arrays that `[*]` or a filter opened */
} Place;

typedef struct Search
{
	MtfLowering *lowering;
	MtfField *root; /* the column, of kind JSONB */
} Search;

static MtfTerm *lower_predicate(const Search *search, JsonPathItem *item, const Place *current);

static bool
is_whole_document(const Place *place)
{
	return strcmp(place->field->path, MTF_WHOLE_DOCUMENT) == 0;
}

/* A document is no array. */
static void
open_array(Place *place)
{
	if (!is_whole_document(place) &&
		(place->opened == NIL || !equal(llast(place->opened), place->field)))
		place->opened = lappend(list_copy(place->opened), copyObject(place->field));
}

/* NULL says nothing: under AND what is known stays, under OR nothing does. */
static MtfTerm *
combine(MtfTermKind kind, MtfTerm *one, MtfTerm *two)
{
	if (one == NULL || two == NULL)
		return kind == MTF_TERM_OR ? NULL : one != NULL ? one : two;
	return mtf_term_create(kind, MTF_OP_EQ, NULL, -1, list_make2(one, two));
}

/* The condition at the place, or an array inside one of those that were opened. */
static MtfTerm *
or_nested(const Place *place, MtfTerm *term)
{
	List *terms = list_make1(term);
	ListCell *cell;

	foreach (cell, place->opened)
		terms = lappend(terms, mtf_term_create(MTF_TERM_NESTED, MTF_OP_EQ,
											   copyObject(lfirst_node(MtfField, cell)), -1, NIL));
	return list_length(terms) == 1 ? term
								   : mtf_term_create(MTF_TERM_OR, MTF_OP_EQ, NULL, -1, terms);
}

static MtfTerm *
create_exists(const Place *place)
{
	if (is_whole_document(place))
		return NULL;
	return or_nested(
		place, mtf_term_create(MTF_TERM_NOT_NULL, MTF_OP_EQ, copyObject(place->field), -1, NIL));
}

/* --- comparisons with a constant ----------------------------------------------------------------------- */

static MtfTerm *
create_text_term(MtfTerm *inner)
{
	return mtf_term_create(MTF_TERM_JSON_TEXT, inner->op, NULL, -1, list_make1(inner));
}

static MtfTerm *
create_comparison(const Search *search, const Place *place, MtfKind kind, MtfOp op, Oid type,
				  Datum datum)
{
	MtfField *field = copyObject(place->field);
	Node *constant = (Node *) makeConst(type, -1, InvalidOid, type == BOOLOID ? 1 : -1, datum,
										false, type == BOOLOID);
	MtfTerm *term;

	field->kind = kind;
	term = mtf_term_create(MTF_TERM_COMPARE, op, field,
						   mtf_lowering_value_index(search->lowering, constant), NIL);
	return or_nested(place, kind == MTF_KIND_TEXT ? create_text_term(term) : term);
}

/* place op literal: numbers in any order, others only equal; of the rest it is known that something is there. */
static MtfTerm *
compare_with_literal(const Search *search, const Place *place, MtfOp op, JsonPathItem *literal)
{
	MtfField *field;
	char *string;
	int32 length;

	if (is_whole_document(place))
		return NULL;
	if (op == MTF_OP_NE || (op != MTF_OP_EQ && literal->type != jpiNumeric))
		return create_exists(place);
	switch (literal->type)
	{
		case jpiNumeric:
			return create_comparison(search, place, MTF_KIND_NUMERIC, op, NUMERICOID,
									 NumericGetDatum(jspGetNumeric(literal)));
		case jpiBool:
			return create_comparison(search, place, MTF_KIND_BOOL, op, BOOLOID,
									 BoolGetDatum(jspGetBool(literal)));
		case jpiString:
			string = jspGetString(literal, &length);
			return create_comparison(search, place, MTF_KIND_TEXT, op, TEXTOID,
									 PointerGetDatum(cstring_to_text_with_len(string, length)));
		case jpiNull:
			field = copyObject(place->field);
			return or_nested(
				place, create_text_term(mtf_term_create(MTF_TERM_NULL, MTF_OP_EQ, field, -1, NIL)));
		default: return create_exists(place);
	}
}

/* --- paths ----------------------------------------------------------------------------------------------- */

/* One step to a member; false: its key is none for a path of the server's, to which a number may be a position. */
static bool
step(Place *place, JsonPathItem *item)
{
	MtfField *field = copyObject(place->field);
	int32 length;
	char *key = jspGetString(item, &length);

	key = pnstrdup(key, length);
	if (strspn(key, "0123456789") == length || !mtf_member_step(field, key))
		return false;
	place->field = field;
	return true;
}

/*
 * Follow the path from its beginning: *place is as far as can be told, *filters what its filters say.
 * True: to its end.
 */
static bool
follow(const Search *search, JsonPathItem *item, Place *place, MtfTerm **filters)
{
	JsonPathItem current = *item;
	JsonPathItem next;
	JsonPathItem predicate;

	*filters = NULL;
	while (jspGetNext(&current, &next))
	{
		switch (next.type)
		{
			case jpiKey:
				if (!step(place, &next))
					return false;
				break;
			case jpiAnyArray:
			case jpiIndexArray: open_array(place); break;
			case jpiFilter:
				open_array(place);
				jspGetArg(&next, &predicate);
				*filters =
					combine(MTF_TERM_AND, *filters, lower_predicate(search, &predicate, place));
				break;
			default: return false;
		}
		current = next;
	}
	return true;
}

/* Where a path begins: at the column, or at what a filter tests; false: it is no path. */
static bool
find_start(const Search *search, JsonPathItem *item, const Place *current, Place *start)
{
	if (item->type == jpiRoot)
		*start = (Place){search->root, NIL};
	else if (item->type == jpiCurrent && current != NULL)
		*start = *current;
	else
		return false;
	return true;
}

/* The path finds something. */
static MtfTerm *
lower_path(const Search *search, JsonPathItem *item, const Place *current)
{
	MtfTerm *filters;
	Place place;

	if (!find_start(search, item, current, &place))
		return NULL;
	(void) follow(search, item, &place, &filters);
	return combine(MTF_TERM_AND, filters, create_exists(&place));
}

/* --- predicates --------------------------------------------------------------------------------------------- */

static MtfOp
operator_of(JsonPathItemType type)
{
	switch (type)
	{
		case jpiEqual: return MTF_OP_EQ;
		case jpiLess: return MTF_OP_LT;
		case jpiLessOrEqual: return MTF_OP_LE;
		case jpiGreater: return MTF_OP_GT;
		case jpiGreaterOrEqual: return MTF_OP_GE;
		default: return MTF_OP_NE;
	}
}

static bool
is_literal(JsonPathItem *item)
{
	return (item->type == jpiNull || item->type == jpiString || item->type == jpiNumeric ||
			item->type == jpiBool) &&
		   !jspHasNext(item);
}

/* path op literal */
static MtfTerm *
compare_path(const Search *search, JsonPathItem *item, MtfOp op, JsonPathItem *literal,
			 const Place *current)
{
	MtfTerm *filters;
	Place place;

	if (!find_start(search, item, current, &place))
		return NULL;
	if (!follow(search, item, &place, &filters))
		op = MTF_OP_NE;
	return combine(MTF_TERM_AND, filters, compare_with_literal(search, &place, op, literal));
}

static MtfTerm *
lower_comparison(const Search *search, JsonPathItem *item, const Place *current)
{
	MtfOp op = operator_of(item->type);
	JsonPathItem left;
	JsonPathItem right;

	jspGetLeftArg(item, &left);
	jspGetRightArg(item, &right);
	if (is_literal(&right))
		return compare_path(search, &left, op, &right, current);
	if (is_literal(&left))
		return compare_path(search, &right, mtf_op_commuted(op), &left, current);
	return combine(MTF_TERM_AND, lower_path(search, &left, current),
				   lower_path(search, &right, current));
}

static MtfTerm *
lower_both(const Search *search, MtfTermKind kind, JsonPathItem *item, const Place *current)
{
	JsonPathItem left;
	JsonPathItem right;

	jspGetLeftArg(item, &left);
	jspGetRightArg(item, &right);
	return combine(kind, lower_predicate(search, &left, current),
				   lower_predicate(search, &right, current));
}

static MtfTerm *
lower_predicate(const Search *search, JsonPathItem *item, const Place *current)
{
	JsonPathItem arg;

	check_stack_depth();
	switch (item->type)
	{
		case jpiAnd: return lower_both(search, MTF_TERM_AND, item, current);
		case jpiOr: return lower_both(search, MTF_TERM_OR, item, current);
		case jpiEqual:
		case jpiNotEqual:
		case jpiLess:
		case jpiLessOrEqual:
		case jpiGreater:
		case jpiGreaterOrEqual: return lower_comparison(search, item, current);
		case jpiExists: jspGetArg(item, &arg); return lower_path(search, &arg, current);
		case jpiStartsWith: jspGetLeftArg(item, &arg); return lower_path(search, &arg, current);
		case jpiLikeRegex:
			jspInitByBuffer(&arg, item->base, item->content.like_regex.expr);
			return lower_path(search, &arg, current);
		default: return NULL;
	}
}

/* column @@ path: a predicate, or a path to `true`. */
static MtfTerm *
lower_match(const Search *search, JsonPathItem *item)
{
	MtfTerm *filters;
	Place place;

	if (item->type != jpiRoot)
		return jspHasNext(item) ? NULL : lower_predicate(search, item, NULL);
	place = (Place){search->root, NIL};
	if (!follow(search, item, &place, &filters))
		return combine(MTF_TERM_AND, filters, create_exists(&place));
	if (is_whole_document(&place))
		return filters;
	return combine(
		MTF_TERM_AND, filters,
		create_comparison(search, &place, MTF_KIND_BOOL, MTF_OP_EQ, BOOLOID, BoolGetDatum(true)));
}

MtfTerm *
mtf_json_path_operator(MtfLowering *lowering, OpExpr *expr, const MtfShippable *row)
{
	MtfField *field = mtf_member_field(lowering, linitial(expr->args));
	const Const *constant = mtf_node_constant(lsecond(expr->args));
	Search search = {lowering, field};
	JsonPathItem item;
	MtfTerm *term;

	if (field == NULL || constant == NULL)
		return mtf_lowering_local(lowering, "not a jsonb column and a constant path");
	field->kind = MTF_KIND_JSONB;
	field->typmod = -1;
	field->null_mismatch = false;
	jspInit(&item, DatumGetJsonPathP(constant->constvalue));
	term = row->op == MTF_OP_EQ ? lower_path(&search, &item, NULL) : lower_match(&search, &item);
	if (term == NULL)
		return mtf_lowering_local(lowering, "the path says nothing that the server can test");
	lowering->why = row->why;
	return term;
}
