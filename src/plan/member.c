/*
 * member.c
 *	  Conditions on jsonb columns: the text of a member, its casts, containment, keys.
 *
 * `column -> 'a' ->> 'b'` is the field a.b below the column's, when there is nothing but documents on the
 * way; a condition on a field looks into arrays as well, so that a position is one of its steps too.
 * What is no string (no number) there may have the same text, and what cannot be cast is an error here:
 * the documents with such values come along (pipeline/json_match.c).
 *
 * What must not happen here: a path through a key that the server would read otherwise.
 */
#include "plan/member.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "plan/node.h"

/* --- paths ------------------------------------------------------------------------------------------- */

static bool
is_plain_key(const char *key)
{
	return key[0] != '\0' && key[0] != '$' && strchr(key, '.') == NULL;
}

/*
 * In #> and #>> a step may be a position, also counted from the end, with sign or zeros before it; as a
 * path the server only knows it as PostgreSQL would print it.
 */
static bool
is_plain_step(const char *step)
{
	if (!is_plain_key(step) || step[0] == '+' || step[0] == '-' || isspace((unsigned char) step[0]))
		return false;
	return step[0] != '0' || step[1] == '\0';
}

static bool
append_step(MtfField *field, const char *step)
{
	const char *why;

	field->path = strcmp(field->path, MTF_WHOLE_DOCUMENT) == 0
					  ? pstrdup(step)
					  : psprintf("%s.%s", field->path, step);
	return mtf_path_is_valid(field->path, &why);
}

/* The steps of a constant text[]; false: it is none, or one of them is no plain step. */
static bool
append_steps(MtfField *field, Node *node)
{
	const Const *constant = mtf_node_constant(node);
	Datum *steps;
	bool *nulls;
	int n;

	if (constant == NULL)
		return false;
	deconstruct_array(DatumGetArrayTypeP(constant->constvalue), TEXTOID, -1, false, TYPALIGN_INT,
					  &steps, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char *step = nulls[i] ? NULL : TextDatumGetCString(steps[i]);

		if (step == NULL || !is_plain_step(step) || !append_step(field, step))
			return false;
	}
	return n > 0;
}

/* One step down by the operator's right operand. */
static bool
append_operand(MtfField *field, Oid function, Node *operand)
{
	const Const *constant = mtf_node_constant(operand);
	char *key;

	switch (function)
	{
		case F_JSONB_OBJECT_FIELD:
		case F_JSONB_OBJECT_FIELD_TEXT:
			key = mtf_node_constant_text(operand);
			return key != NULL && is_plain_key(key) && append_step(field, key);
		case F_JSONB_ARRAY_ELEMENT:
		case F_JSONB_ARRAY_ELEMENT_TEXT:
			/* The first element of a scalar is the scalar itself (but not for #>); a document has none. */
			if (constant == NULL || DatumGetInt32(constant->constvalue) < 1 ||
				strcmp(field->path, MTF_WHOLE_DOCUMENT) == 0)
				return false;
			return append_step(field, psprintf("%d", DatumGetInt32(constant->constvalue)));
		default: return append_steps(field, operand);
	}
}

bool
mtf_member_step(MtfField *field, const char *key)
{
	return is_plain_key(key) && append_step(field, key);
}

MtfField *
mtf_member_field(MtfLowering *lowering, Node *node)
{
	const MtfShippable *row;
	MtfField *field;
	List *args;
	Oid function;

	check_stack_depth();
	if (IsA(node, Var))
	{
		field = mtf_lowering_find_json(lowering, (Var *) node);
		if (field != NULL && field->path == NULL)
			field->path = pstrdup(MTF_WHOLE_DOCUMENT);
		return field;
	}
	if (IsA(node, OpExpr))
	{
		function = ((OpExpr *) node)->opfuncid;
		args = ((OpExpr *) node)->args;
	}
	else
		return NULL;
	row = mtf_shippable_find(function);
	if (row == NULL || row->form != MTF_FORM_MEMBER ||
		(field = mtf_member_field(lowering, linitial(args))) == NULL)
		return NULL;
	return append_operand(field, function, lsecond(args)) ? field : NULL;
}

/* --- a member's text, and its casts ------------------------------------------------------------------ */

static bool
is_member_text(Node *node)
{
	node = mtf_without_relabels(node);
	if (!IsA(node, OpExpr))
		return false;
	switch (((OpExpr *) node)->opfuncid)
	{
		case F_JSONB_OBJECT_FIELD_TEXT:
		case F_JSONB_ARRAY_ELEMENT_TEXT:
		case F_JSONB_EXTRACT_PATH_TEXT: return true;
		default: return false;
	}
}

/*
 * The kind that a text member's cast gives; false: no cast that is known.  A whole number that is in the
 * type's range stands as it is; the others come along.
 */
static bool
kind_of_cast(Oid type, MtfKind *kind)
{
	if (type == FLOAT4OID)
	{
		*kind = MTF_KIND_FLOAT4;
		return true;
	}
	return type != UUIDOID && mtf_kind_of_value(type, kind) && *kind != MTF_KIND_TEXT;
}

/* What a member is compared as. */
typedef struct Member
{
	Node *source; /* of type jsonb, or text */
	MtfKind kind;
	bool is_text; /* its text is cast, or stands alone */
} Member;

static bool
find_member(Node *node, Member *member)
{
	node = mtf_without_relabels(node);
	member->is_text = true;
	if (is_member_text(node))
	{
		member->source = node;
		member->kind = MTF_KIND_TEXT;
		return true;
	}
	if (IsA(node, CoerceViaIO) && is_member_text((Node *) ((CoerceViaIO *) node)->arg))
	{
		member->source = mtf_without_relabels((Node *) ((CoerceViaIO *) node)->arg);
		return kind_of_cast(((CoerceViaIO *) node)->resulttype, &member->kind);
	}
	if (!IsA(node, FuncExpr) || ((FuncExpr *) node)->args == NIL)
		return false;
	member->is_text = false;
	member->source = linitial(((FuncExpr *) node)->args);
	switch (((FuncExpr *) node)->funcid)
	{
		/* They round, and the double's range is narrower than the numeric's. */
		case F_INT2_JSONB:
		case F_INT4_JSONB:
		case F_INT8_JSONB:
		case F_FLOAT4_JSONB:
		case F_FLOAT8_JSONB:
		case F_NUMERIC_JSONB:
			return kind_of_cast(((FuncExpr *) node)->funcresulttype, &member->kind);
		case F_BOOL_JSONB: member->kind = MTF_KIND_BOOL; return true;
		default: return false;
	}
}

/* A member as jsonb: to be tested for NULL only. */
static bool
is_member_json(Node *node)
{
	const MtfShippable *row;

	if (!IsA(node, OpExpr))
		return false;
	row = mtf_shippable_find(((OpExpr *) node)->opfuncid);
	return row != NULL && row->form == MTF_FORM_MEMBER;
}

bool
mtf_is_member(Node *node)
{
	Member member;

	return find_member(node, &member) || is_member_json(node);
}

/*
 * Extended JSON shows dates and decimals as documents: what is compared as such would be an error here,
 * for every document.
 */
static bool
format_shows(MtfLowering *lowering, const MtfField *field, const Member *member)
{
	const MtfColumnMap *map = lowering->rels[field->rel].map;

	if (map->columns[field->attnum - 1]->json_format != MTF_JSON_EXTENDED)
		return true;
	switch (member->kind)
	{
		case MTF_KIND_TEXT:
		case MTF_KIND_JSONB:
		case MTF_KIND_BOOL: return true;
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8:
		case MTF_KIND_FLOAT4:
		case MTF_KIND_FLOAT8: return member->is_text;
		default: return false;
	}
}

/* The member's field as one of `kind`. */
static MtfField *
field_of_member(MtfLowering *lowering, const Member *member)
{
	MtfField *field = mtf_member_field(lowering, member->source);

	/* The whole document is no number and has no text that a field shows. */
	if (field == NULL || strcmp(field->path, MTF_WHOLE_DOCUMENT) == 0 ||
		!format_shows(lowering, field, member))
		return NULL;
	field->kind = member->kind;
	field->typmod = -1;
	field->null_mismatch = false;
	return field;
}

static MtfTerm *
create_member_term(MtfLowering *lowering, const Member *member, MtfTerm *inner)
{
	MtfTerm *term = mtf_term_create(member->is_text ? MTF_TERM_JSON_TEXT : MTF_TERM_JSON_VALUE,
									inner->op, NULL, -1, list_make1(inner));

	lowering->why = "what is of another type there is rechecked";
	return term;
}

MtfTerm *
mtf_member_comparison(MtfLowering *lowering, MtfTermKind kind, MtfOp op, Node *node, Node *value,
					  Oid collation)
{
	Member member;
	MtfField *field;

	if (!find_member(node, &member) || op == MTF_OP_DISTINCT || op == MTF_OP_NOT_DISTINCT ||
		!mtf_lowering_is_value(lowering, value) ||
		(field = field_of_member(lowering, &member)) == NULL ||
		(value = mtf_lowering_fit_value(field, value, kind != MTF_TERM_COMPARE)) == NULL ||
		!mtf_lowering_collation_allows(lowering, field, op, collation))
		return NULL;
	return create_member_term(lowering, &member,
							  mtf_lowering_create_comparison(lowering, kind, op, field, value));
}

MtfTerm *
mtf_member_like(MtfLowering *lowering, MtfTermKind kind, MtfOp op, Node *node, Node *pattern,
				MtfPattern said, Oid collation)
{
	Member member;
	MtfField *field;
	MtfTerm *like;

	if (!find_member(node, &member) || member.kind != MTF_KIND_TEXT ||
		!mtf_lowering_is_value(lowering, pattern) ||
		(field = field_of_member(lowering, &member)) == NULL ||
		!mtf_lowering_collation_allows(lowering, field, MTF_OP_EQ, collation))
		return NULL;
	like = mtf_term_create(kind, op, field, mtf_lowering_value_index(lowering, pattern), NIL);
	like->pattern = said;
	return create_member_term(lowering, &member, like);
}

/* What does not decode is NULL as a whole under on_mismatch 'null', and so is each of its members. */
static bool
may_be_null_as_a_whole(MtfLowering *lowering, const Member *member)
{
	return mtf_member_field(lowering, member->source)->null_mismatch;
}

MtfTerm *
mtf_member_null_test(MtfLowering *lowering, Node *node, bool is_null)
{
	Member member;
	MtfField *field;

	if (!find_member(node, &member))
		member = (Member){node, MTF_KIND_JSONB, true};
	if ((field = field_of_member(lowering, &member)) == NULL)
		return mtf_lowering_local(lowering, "the member is no field of its own");
	if (is_null && may_be_null_as_a_whole(lowering, &member))
		return mtf_lowering_local(lowering,
								  "of a document that does not decode every member is NULL");
	if (is_null)
		return create_member_term(lowering, &member,
								  mtf_term_create(MTF_TERM_NULL, MTF_OP_EQ, field, -1, NIL));
	/* A jsonb field's IS NOT NULL: it is there. */
	field->kind = MTF_KIND_JSONB;
	lowering->why = "what is null there is rechecked";
	return mtf_term_create(MTF_TERM_NOT_NULL, MTF_OP_EQ, field, -1, NIL);
}

MtfTerm *
mtf_member_truth(MtfLowering *lowering, Node *node, MtfOp op)
{
	Member member;
	MtfField *field;

	if ((op != MTF_OP_IS_TRUE && op != MTF_OP_IS_FALSE) || !find_member(node, &member) ||
		member.kind != MTF_KIND_BOOL || (field = field_of_member(lowering, &member)) == NULL)
		return NULL;
	return create_member_term(lowering, &member,
							  mtf_term_create(MTF_TERM_TRUTH, op, field, -1, NIL));
}

/* --- operators of jsonb ------------------------------------------------------------------------------ */

MtfTerm *
mtf_member_operator(MtfLowering *lowering, OpExpr *expr, const MtfShippable *row)
{
	Node *left = linitial(expr->args);
	Node *value = lsecond(expr->args);
	MtfField *field = mtf_member_field(lowering, left);
	MtfTermKind kind = MTF_TERM_JSON_CONTAINS;

	if (field == NULL && row->form == MTF_FORM_JSON_EQUAL)
	{
		value = left;
		field = mtf_member_field(lowering, lsecond(expr->args));
	}
	if (field == NULL || !mtf_lowering_is_value(lowering, value))
		return mtf_lowering_local(lowering,
								  mtf_lowering_operand_reason(lowering, left, lsecond(expr->args)));
	if (row->form == MTF_FORM_JSON_KEY)
		kind = row->op == MTF_OP_EQ ? MTF_TERM_JSON_ANY_KEY : MTF_TERM_JSON_ALL_KEYS;
	lowering->why = row->why;
	return mtf_term_create(kind, row->op, field, mtf_lowering_value_index(lowering, value), NIL);
}
