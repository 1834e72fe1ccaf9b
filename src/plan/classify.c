/*
 * classify.c
 *	  Clause → exact, superset or local; the lowered term that is sent.
 *
 * NOT is pushed down to the leaves first: negating a remote condition would turn SQL's unknown into
 * true.  In AND a leaf that cannot be sent is dropped (the clause becomes a superset, rechecked
 * locally); in OR it keeps the whole OR local.
 *
 * Decisions here are made by types.  What a value does to the form (NULL, NaN, infinity, a
 * microsecond) is decided in the pipeline room when the value is known.
 */
#include "plan/classify.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "options/option.h"
#include "plan/collation.h"
#include "plan/shippable.h"

static MtfTerm *lower_clause(MtfLowering *lowering, Node *node, bool negate);

MtfLowering *
mtf_lowering_create(PlannerInfo *root, int nrels, MtfLowerRel *rels)
{
	MtfLowering *lowering = palloc0(sizeof(MtfLowering));

	lowering->root = root;
	lowering->nrels = nrels;
	lowering->rels = rels;
	for (int i = 0; i < nrels; i++)
		lowering->relids = bms_add_member(lowering->relids, rels[i].rti);
	return lowering;
}

/* Stay local, and remember why. */
static MtfTerm *
local(MtfLowering *lowering, const char *why)
{
	lowering->why = why;
	return NULL;
}

bool
mtf_column_is_addressable(const MtfColumn *column)
{
	if (column == NULL || column->nsegments == 0)
		return false;
	for (int i = 0; i < column->nsegments; i++)
		if (column->segments[i][0] == '\0' || column->segments[i][0] == '$')
			return false;
	return true;
}

/* --- columns and values -------------------------------------------------------------------- */

/* `tags.0`: an array's element or a field named "0", which an aggregation expression does not do. */
static bool
has_position(const char *path)
{
	for (const char *dot = strchr(path, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		if (strspn(dot + 1, "0123456789") == strcspn(dot + 1, "."))
			return true;
	return false;
}

/* A double holds any decimal of 15 digits and gives it back. */
#define FAITHFUL_DIGITS 15

static bool
numeric_is_exact(const MtfColumn *column)
{
	int precision = ((column->typmod - VARHDRSZ) >> 16) & 0xffff;
	int scale = mtf_compat_numeric_scale(column->typmod);

	if (column->trust_types)
		return true;
	return column->typmod >= (int32) VARHDRSZ && precision <= FAITHFUL_DIGITS && scale >= 0 &&
		   scale <= precision;
}

/*
 * Can the server tell exactly which values of the column decode, and to what?  Not for a float4
 * (there is no such BSON type to round to), a plain numeric (a double's shortest text), a binary (its
 * subtype is not told apart by every server), nor a domain, whose CHECK runs here.
 */
static bool
column_is_exact(const MtfColumn *column)
{
	if (!mtf_column_is_addressable(column) || has_position(column->path) ||
		column->declared_typid != column->typid)
		return false;
	switch (column->kind)
	{
		case MTF_KIND_BOOL:
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8:
		case MTF_KIND_FLOAT8:
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: return true;
		case MTF_KIND_NUMERIC: return numeric_is_exact(column);
		/* Text that the database cannot hold is a misfit; in UTF8 that is a NUL only. */
		case MTF_KIND_TEXT: return !column->folds && GetDatabaseEncoding() == PG_UTF8;
		case MTF_KIND_OBJECTID:
			return !column->folds && column->typmod < 0 && column->typid != BPCHAROID;
		case MTF_KIND_UUID: return column->trust_types;
		case MTF_KIND_FLOAT4:
		case MTF_KIND_BPCHAR:
		case MTF_KIND_BYTEA:
		case MTF_KIND_JSONB:
		case MTF_KIND_ARRAY: break;
	}
	return false;
}

static MtfField *
field_of_column(const MtfColumn *column, int rel)
{
	MtfField *field = mtf_field_create();

	field->rel = rel;
	field->attnum = column->attnum;
	field->path = pstrdup(column->path);
	field->kind = column->kind;
	field->element = column->element;
	field->typmod = column->typmod;
	field->any_id = column->any_id;
	field->null_mismatch = column->on_mismatch == MTF_MISMATCH_NULL;
	field->trust = column->trust_types;
	field->exact = column_is_exact(column);
	return field;
}

/* Casts that keep every value (RelabelType, and the WIDEN rows of the table) are looked through. */
static Node *
strip_casts(Node *node)
{
	for (;;)
	{
		const MtfShippable *row;

		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, FuncExpr) && list_length(((FuncExpr *) node)->args) == 1 &&
				 (row = mtf_shippable_find(((FuncExpr *) node)->funcid)) != NULL &&
				 row->form == MTF_FORM_WIDEN)
			node = linitial(((FuncExpr *) node)->args);
		else
			return node;
	}
}

/* The field of a column reference of ours; NULL when `node` is something else. */
static MtfField *
find_field(MtfLowering *lowering, Node *node)
{
	Var *var = (Var *) strip_casts(node);

	if (!IsA(var, Var) || var->varlevelsup != 0)
		return NULL;
	for (int i = 0; i < lowering->nrels; i++)
	{
		const MtfColumnMap *map = lowering->rels[i].map;
		const MtfColumn *column;

		if (var->varno != lowering->rels[i].rti)
			continue;
		if (var->varattno < 1 || var->varattno > map->natts)
			return NULL;
		column = map->columns[var->varattno - 1];
		if (!mtf_column_is_addressable(column))
			return NULL;
		return field_of_column(column, i);
	}
	return NULL;
}

/* A jsonb column as the start of a path to its members; the whole document has none of its own. */
static MtfField *
find_json(MtfLowering *lowering, Var *var)
{
	for (int i = 0; i < lowering->nrels; i++)
	{
		const MtfColumnMap *map = lowering->rels[i].map;
		const MtfColumn *column;
		MtfField *field;

		if (var->varno != lowering->rels[i].rti || var->varlevelsup != 0 || var->varattno < 1 ||
			var->varattno > map->natts)
			continue;
		column = map->columns[var->varattno - 1];
		if (column == NULL || column->kind != MTF_KIND_JSONB ||
			(column->nsegments > 0 && !mtf_column_is_addressable(column)))
			return NULL;
		field = field_of_column(column, i);
		field->exact = field->trust = false;
		if (column->nsegments == 0)
			field->path = NULL;
		return field;
	}
	return NULL;
}

static bool
is_integer_field(const MtfField *field)
{
	return field->kind == MTF_KIND_INT2 || field->kind == MTF_KIND_INT4 ||
		   field->kind == MTF_KIND_INT8;
}

/* Can the executor evaluate `node` before any row of ours is known? */
static bool
is_value(MtfLowering *lowering, Node *node)
{
	return !bms_overlap(mtf_compat_pull_varnos(lowering->root, node), lowering->relids) &&
		   !contain_volatile_functions(node) && !contain_subplans(node);
}

/* The index of a value in the plan's list; equal expressions share one. */
static int
value_index(MtfLowering *lowering, Node *node)
{
	ListCell *cell;
	int i = 0;

	foreach (cell, lowering->values)
	{
		if (equal(lfirst(cell), node))
			return i;
		i++;
	}
	lowering->values = lappend(lowering->values, copyObject(node));
	return i;
}

/* --- which values compare with which columns ------------------------------------------------ */

static bool
is_number_type(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == FLOAT4OID ||
		   type == FLOAT8OID || type == NUMERICOID;
}

/* Does a value's type fit a column?  NULL when the pair has no remote meaning. */
static Node *
fit_value(const MtfField *field, Node *value, bool is_list)
{
	Oid type = exprType(value);

	if (is_list && (type = get_element_type(type)) == InvalidOid)
		return NULL;
	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8:
		case MTF_KIND_FLOAT4:
		case MTF_KIND_FLOAT8:
		case MTF_KIND_NUMERIC: return is_number_type(type) ? value : NULL;
		case MTF_KIND_TEXT:
		case MTF_KIND_OBJECTID: return type == TEXTOID || type == VARCHAROID ? value : NULL;
		case MTF_KIND_BOOL: return type == BOOLOID ? value : NULL;
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP: return type == DATEOID || type == TIMESTAMPOID ? value : NULL;
		case MTF_KIND_TIMESTAMPTZ:
			/* A date or timestamp is taken in the session's time zone (literal.c). */
			if (type == TIMESTAMPTZOID)
				return value;
			return !is_list && (type == TIMESTAMPOID || type == DATEOID) ? value : NULL;
		case MTF_KIND_UUID: return type == UUIDOID ? value : NULL;
		case MTF_KIND_BYTEA: return type == BYTEAOID ? value : NULL;
		case MTF_KIND_BPCHAR:
		case MTF_KIND_JSONB:
		case MTF_KIND_ARRAY: break;
	}
	return NULL;
}

static bool
is_order(MtfOp op)
{
	return op == MTF_OP_LT || op == MTF_OP_LE || op == MTF_OP_GT || op == MTF_OP_GE;
}

/* May the server compare the field's text by another collation than its bytes'? */
static bool
field_folds(const MtfLowering *lowering, const MtfField *field)
{
	const MtfColumnMap *map = lowering->rels[field->rel].map;

	return field->attnum > 0 && map->columns[field->attnum - 1]->folds;
}

/* Text: does the collation let bytes decide?  False, with the reason remembered, when not. */
static bool
collation_allows(MtfLowering *lowering, const MtfField *field, MtfOp op, Oid collation)
{
	if (field->kind != MTF_KIND_TEXT && field->kind != MTF_KIND_OBJECTID)
		return true;
	/* Equal bytes are equal under every collation; nothing else is the same there. */
	if (op != MTF_OP_EQ && op != MTF_OP_NOT_DISTINCT && field_folds(lowering, field))
	{
		local(lowering, "the server compares text under a collation of its own");
		return false;
	}
	if (!is_order(op))
	{
		if (!OidIsValid(collation) || get_collation_isdeterministic(collation))
			return true;
		local(lowering,
			  psprintf("collation %s is not deterministic", get_collation_name(collation)));
		return false;
	}
	if (!mtf_collation_is_byte_order(collation))
	{
		char *name = OidIsValid(collation) ? get_collation_name(collation) : "unknown";

		local(lowering, psprintf("collation %s is not byte order", name));
		return false;
	}
	/* UTF-8 keeps the order of code points; another encoding's bytes may not. */
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		local(lowering, "the database's encoding is not UTF8");
		return false;
	}
	return true;
}

/* Given an exact field: is its comparison with a value of this type exact? */
static bool
comparison_is_exact(const MtfField *field, Oid type)
{
	if (!field->exact)
		return false;
	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8: return type == INT2OID || type == INT4OID || type == INT8OID;
		case MTF_KIND_FLOAT8: return type == FLOAT4OID || type == FLOAT8OID;
		case MTF_KIND_NUMERIC: return type == NUMERICOID;
		default: return true;
	}
}

/* A comparison of a field with a value, or with each of a list of values. */
static MtfTerm *
create_comparison(MtfLowering *lowering, MtfTermKind kind, MtfOp op, MtfField *field, Node *value)
{
	Oid type = exprType(value);
	MtfTerm *term = mtf_term_create(kind, op, field, value_index(lowering, value), NIL);

	if (kind != MTF_TERM_COMPARE)
		type = get_element_type(type);
	term->exact = comparison_is_exact(field, type);
	return term;
}

/* A test of a field alone. */
static MtfTerm *
create_test(MtfTermKind kind, MtfOp op, MtfField *field)
{
	MtfTerm *term = mtf_term_create(kind, op, field, -1, NIL);

	term->exact = field->exact;
	return term;
}

static MtfTerm *
create_constant(bool holds)
{
	MtfTerm *term =
		mtf_term_create(holds ? MTF_TERM_TRUE : MTF_TERM_FALSE, MTF_OP_EQ, NULL, -1, NIL);

	term->exact = true;
	return term;
}

static MtfOp
negated(MtfOp op)
{
	switch (op)
	{
		case MTF_OP_EQ: return MTF_OP_NE;
		case MTF_OP_NE: return MTF_OP_EQ;
		case MTF_OP_LT: return MTF_OP_GE;
		case MTF_OP_LE: return MTF_OP_GT;
		case MTF_OP_GT: return MTF_OP_LE;
		case MTF_OP_GE: return MTF_OP_LT;
		case MTF_OP_DISTINCT: return MTF_OP_NOT_DISTINCT;
		case MTF_OP_NOT_DISTINCT: return MTF_OP_DISTINCT;
		case MTF_OP_IS_TRUE: return MTF_OP_IS_NOT_TRUE;
		case MTF_OP_IS_FALSE: return MTF_OP_IS_NOT_FALSE;
		case MTF_OP_IS_NOT_TRUE: return MTF_OP_IS_TRUE;
		case MTF_OP_IS_NOT_FALSE: return MTF_OP_IS_FALSE;
	}
	return op;
}

/* value op field → field op value */
static MtfOp
commuted(MtfOp op)
{
	switch (op)
	{
		case MTF_OP_LT: return MTF_OP_GT;
		case MTF_OP_LE: return MTF_OP_GE;
		case MTF_OP_GT: return MTF_OP_LT;
		case MTF_OP_GE: return MTF_OP_LE;
		default: return op;
	}
}

/* --- the leaves ------------------------------------------------------------------------------ */

static const char *
function_label(Oid function)
{
	char *name = get_func_name(function);

	return psprintf("%s has no remote form", name != NULL ? name : "the function");
}

/* Why two operands of a known operator could not be lowered. */
static const char *
operand_reason(MtfLowering *lowering, Node *left, Node *right)
{
	Node *sides[2] = {left, right};

	for (int i = 0; i < 2; i++)
	{
		Node *node = sides[i];

		if (contain_subplans(node))
			return "a subquery is computed locally";
		if (contain_volatile_functions(node))
			return "a volatile function is computed for each row";
	}
	for (int i = 0; i < 2; i++)
	{
		Node *node = strip_casts(sides[i]);

		if (IsA(node, FuncExpr) && !is_value(lowering, node))
			return function_label(((FuncExpr *) node)->funcid);
		if (IsA(node, Var) && find_field(lowering, node) == NULL && !is_value(lowering, node))
			return "the column is no field of its own";
	}
	return "not a column and a value";
}

/* Split `left op right` into field and fitted value; false, with the reason, when it is not one. */
static bool
split_operands(MtfLowering *lowering, Node *left, Node *right, MtfOp *op, MtfField **field,
			   Node **value)
{
	if ((*field = find_field(lowering, left)) != NULL && is_value(lowering, right))
		*value = right;
	else if ((*field = find_field(lowering, right)) != NULL && is_value(lowering, left))
	{
		*value = left;
		*op = commuted(*op);
	}
	else
	{
		local(lowering, operand_reason(lowering, left, right));
		return false;
	}
	*value = fit_value(*field, *value, false);
	if (*value == NULL)
	{
		local(lowering, "the types compare by rules that have no remote form");
		return false;
	}
	return true;
}

/* --- LIKE, arrays, jsonb members, two columns ------------------------------------------------------ */

/*
 * A pattern that PostgreSQL takes (an escape character at its end is an error there), and whose
 * expression stands for all of it (pipeline/pattern.c).
 */
static bool
is_sound_pattern(Node *node)
{
	bool open_end = false;
	int wildcards = 0;
	char *pattern;

	if (!IsA(node, Const) || castNode(Const, node)->constisnull)
		return false;
	pattern = TextDatumGetCString(castNode(Const, node)->constvalue);
	if (strlen(pattern) > MTF_PATTERN_MAX_BYTES)
		return false;
	for (char *c = pattern; *c != '\0'; c++)
	{
		if (*c == '%')
		{
			open_end = true;
			continue;
		}
		if (*c == '\\' && *++c == '\0')
			return false;
		/* A run of wildcards that is not the pattern's end. */
		wildcards += open_end;
		open_end = false;
	}
	return wildcards <= MTF_PATTERN_MAX_WILDCARDS;
}

static MtfTerm *
lower_like(MtfLowering *lowering, OpExpr *expr, const MtfShippable *row, bool negate)
{
	MtfField *field = find_field(lowering, linitial(expr->args));
	Node *pattern = lsecond(expr->args);
	MtfOp op = negate ? negated(row->op) : row->op;
	MtfTerm *term;

	if (field == NULL || field->kind != MTF_KIND_TEXT || field->any_id ||
		!is_value(lowering, pattern))
		return local(lowering, operand_reason(lowering, linitial(expr->args), pattern));
	if (!collation_allows(lowering, field, MTF_OP_EQ, expr->inputcollid))
		return NULL;
	if (row->form == MTF_FORM_ILIKE && op != MTF_OP_EQ)
		return local(lowering, "NOT ILIKE would lose letters whose case is not ASCII's");
	term = mtf_term_create(row->form == MTF_FORM_LIKE ? MTF_TERM_LIKE : MTF_TERM_ILIKE, op, field,
						   value_index(lowering, pattern), NIL);
	term->exact = row->form == MTF_FORM_LIKE && field->exact && is_sound_pattern(pattern);
	lowering->why = row->why;
	return term;
}

/* The field of an array column's elements: conditions on it hold if one element satisfies them. */
static MtfField *
element_field(MtfLowering *lowering, Node *node)
{
	MtfField *field = find_field(lowering, node);

	/* An array inside an array, named by its position, is not looked into. */
	if (field == NULL || field->kind != MTF_KIND_ARRAY || has_position(field->path))
		return NULL;
	field->kind = field->element;
	field->typmod = -1;
	field->exact = field->trust = false;
	return field;
}

/* array @> values and array && values */
static MtfTerm *
lower_array_operator(MtfLowering *lowering, OpExpr *expr, const MtfShippable *row, bool negate)
{
	MtfField *field = element_field(lowering, linitial(expr->args));
	Node *list = lsecond(expr->args);
	bool any = row->form == MTF_FORM_OVERLAPS;

	if (any && field == NULL)
	{
		field = element_field(lowering, lsecond(expr->args));
		list = linitial(expr->args);
	}
	if (negate || field == NULL || !is_value(lowering, list))
		return local(lowering, "not an array column and an array value");
	if ((list = fit_value(field, list, true)) == NULL ||
		!collation_allows(lowering, field, MTF_OP_EQ, expr->inputcollid))
		return local(lowering, "the elements compare by rules that have no remote form");
	lowering->why = row->why;
	return mtf_term_create(any ? MTF_TERM_ANY : MTF_TERM_ALL, MTF_OP_EQ, field,
						   value_index(lowering, list), NIL);
}

/* value op ANY (array column): one element satisfies `element op' value`. */
static MtfTerm *
lower_any_element(MtfLowering *lowering, ScalarArrayOpExpr *expr, const MtfShippable *row,
				  bool negate)
{
	MtfField *field = element_field(lowering, lsecond(expr->args));
	Node *value = linitial(expr->args);
	MtfOp op = commuted(row->op);

	if (field == NULL || negate || !expr->useOr || op == MTF_OP_NE || !is_value(lowering, value))
		return NULL;
	if ((value = fit_value(field, value, false)) == NULL ||
		!collation_allows(lowering, field, op, expr->inputcollid))
		return NULL;
	lowering->why = "an array field satisfies a condition if one element does";
	return mtf_term_create(MTF_TERM_COMPARE, op, field, value_index(lowering, value), NIL);
}

/* Is the key of a member one that a path can name? */
static bool
is_plain_key(Node *node, char **key)
{
	if (!IsA(node, Const) || castNode(Const, node)->constisnull)
		return false;
	*key = TextDatumGetCString(castNode(Const, node)->constvalue);
	return (*key)[0] != '\0' && (*key)[0] != '$' && strchr(*key, '.') == NULL;
}

/* The field of `column -> 'a' -> 'b'` (or ->>): the column's path and the keys. */
static MtfField *
member_field(MtfLowering *lowering, Node *node)
{
	const MtfShippable *row;
	const char *why;
	MtfField *field;
	OpExpr *expr;
	char *key;

	check_stack_depth();
	if (IsA(node, Var))
		return find_json(lowering, (Var *) node);
	expr = (OpExpr *) node;
	if (!IsA(node, OpExpr) || (row = mtf_shippable_find(expr->opfuncid)) == NULL ||
		row->form != MTF_FORM_MEMBER || !is_plain_key(lsecond(expr->args), &key) ||
		(field = member_field(lowering, linitial(expr->args))) == NULL)
		return NULL;
	field->path = field->path == NULL ? key : psprintf("%s.%s", field->path, key);
	return mtf_path_is_valid(field->path, &why) ? field : NULL;
}

/* The field whose text `column ->> …` is; NULL when it is none. */
static MtfField *
member_text_field(MtfLowering *lowering, Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (!IsA(node, OpExpr) || ((OpExpr *) node)->opfuncid != F_JSONB_OBJECT_FIELD_TEXT)
		return NULL;
	return member_field(lowering, node);
}

/* member = value, or member = ANY (values) */
static MtfTerm *
lower_member(MtfLowering *lowering, Node *member, Node *value, MtfOp op, bool is_list,
			 Oid collation)
{
	MtfField *field = member_text_field(lowering, member);
	Oid type = is_list ? get_element_type(exprType(value)) : exprType(value);

	if (field == NULL || op != MTF_OP_EQ || !is_value(lowering, value) ||
		(type != TEXTOID && type != VARCHAROID) ||
		(OidIsValid(collation) && !get_collation_isdeterministic(collation)))
		return NULL;
	lowering->why = "strings by value, other types rechecked";
	return mtf_term_create(MTF_TERM_JSON_TEXT, is_list ? MTF_OP_NOT_DISTINCT : MTF_OP_EQ, field,
						   value_index(lowering, value), NIL);
}

/* Do two fields compare the same way here and there? */
static bool
fields_compare(MtfLowering *lowering, const MtfField *left, const MtfField *right, MtfOp op,
			   Oid collation)
{
	bool integers = is_integer_field(left) && is_integer_field(right);

	if (!left->exact || !right->exact)
		return false;
	if (!integers && left->kind != right->kind)
		return false;
	switch ((MtfKind) left->kind)
	{
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8:
		case MTF_KIND_BOOL:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: return true;
		case MTF_KIND_TEXT: return collation_allows(lowering, left, op, collation);
		default: return false;
	}
}

static MtfTerm *
lower_two_fields(MtfLowering *lowering, OpExpr *expr, MtfOp op)
{
	MtfField *left = find_field(lowering, linitial(expr->args));
	MtfField *right = find_field(lowering, lsecond(expr->args));
	MtfTerm *term;

	if (left == NULL || right == NULL || op == MTF_OP_DISTINCT || op == MTF_OP_NOT_DISTINCT ||
		!fields_compare(lowering, left, right, op, expr->inputcollid))
		return NULL;
	term = mtf_term_create(MTF_TERM_COMPARE_FIELDS, op, NULL, -1,
						   list_make2(mtf_term_create(MTF_TERM_FIELD, MTF_OP_EQ, left, -1, NIL),
									  mtf_term_create(MTF_TERM_FIELD, MTF_OP_EQ, right, -1, NIL)));
	term->exact = true;
	lowering->why = NULL;
	return term;
}

/* The forms of a binary operator that are not a column and a value; NULL: none of them. */
static MtfTerm *
lower_other_comparison(MtfLowering *lowering, OpExpr *expr, MtfOp op)
{
	Node *left = linitial(expr->args);
	Node *right = lsecond(expr->args);
	MtfTerm *term = lower_member(lowering, left, right, op, false, expr->inputcollid);

	if (term == NULL)
		term = lower_member(lowering, right, left, op, false, expr->inputcollid);
	if (term == NULL)
		term = lower_two_fields(lowering, expr, op);
	return term;
}

static MtfTerm *
lower_comparison(MtfLowering *lowering, OpExpr *expr, bool distinct, bool negate)
{
	const MtfShippable *row = mtf_shippable_find(expr->opfuncid);
	MtfField *field;
	MtfTerm *term;
	Node *value;
	MtfOp op;

	if (row != NULL && !distinct && (row->form == MTF_FORM_LIKE || row->form == MTF_FORM_ILIKE))
		return lower_like(lowering, expr, row, negate);
	if (row != NULL && !distinct &&
		(row->form == MTF_FORM_CONTAINS || row->form == MTF_FORM_OVERLAPS))
		return lower_array_operator(lowering, expr, row, negate);
	if (row == NULL || row->form != MTF_FORM_COMPARE || list_length(expr->args) != 2)
		return local(lowering, function_label(expr->opfuncid));
	op = distinct ? MTF_OP_DISTINCT : row->op;
	if ((term = lower_other_comparison(lowering, expr, negate ? negated(op) : op)) != NULL)
		return term;
	if (!split_operands(lowering, linitial(expr->args), lsecond(expr->args), &op, &field, &value))
		return NULL;
	if (negate)
		op = negated(op);
	if (!collation_allows(lowering, field, op, expr->inputcollid))
		return NULL;
	if (row->why != NULL)
		lowering->why = row->why;
	return create_comparison(lowering, MTF_TERM_COMPARE, op, field, value);
}

static MtfTerm *
lower_list(MtfLowering *lowering, ScalarArrayOpExpr *expr, bool negate)
{
	const MtfShippable *row = mtf_shippable_find(expr->opfuncid);
	MtfField *field = find_field(lowering, linitial(expr->args));
	Node *list = lsecond(expr->args);
	bool any = expr->useOr != negate;
	MtfTerm *term;
	MtfOp op;

	if (row == NULL || row->form != MTF_FORM_COMPARE)
		return local(lowering, function_label(expr->opfuncid));
	if ((term = lower_any_element(lowering, expr, row, negate)) != NULL)
		return term;
	if (any && !negate &&
		(term = lower_member(lowering, linitial(expr->args), list, row->op, true,
							 expr->inputcollid)) != NULL)
		return term;
	if (field == NULL || !is_value(lowering, list))
		return local(lowering, operand_reason(lowering, linitial(expr->args), list));
	if ((list = fit_value(field, list, true)) == NULL)
		return local(lowering, "the types compare by rules that have no remote form");
	op = negate ? negated(row->op) : row->op;
	if (!collation_allows(lowering, field, op, expr->inputcollid))
		return NULL;
	lowering->why = row->why;
	return create_comparison(lowering, any ? MTF_TERM_ANY : MTF_TERM_ALL, op, field, list);
}

static MtfTerm *
lower_null_test(MtfLowering *lowering, NullTest *test, bool negate)
{
	bool is_null = (test->nulltesttype == IS_NULL) != negate;
	MtfField *field = find_field(lowering, (Node *) test->arg);

	if (test->argisrow)
		return local(lowering, "a test of a whole row");
	if (field == NULL)
		return local(lowering, operand_reason(lowering, (Node *) test->arg, (Node *) test->arg));
	lowering->why = "documents whose field does not decode are told apart here";
	return create_test(is_null ? MTF_TERM_NULL : MTF_TERM_NOT_NULL, MTF_OP_EQ, field);
}

/* A boolean column alone, under NOT (then `IS FALSE`: unknown is not true), or under IS [NOT] TRUE. */
static MtfTerm *
lower_truth(MtfLowering *lowering, Node *node, MtfOp op)
{
	MtfField *field = find_field(lowering, node);

	if (field == NULL || field->kind != MTF_KIND_BOOL)
		return local(lowering, "not a boolean column");
	lowering->why = NULL;
	return create_test(MTF_TERM_TRUTH, op, field);
}

static MtfTerm *
lower_boolean_test(MtfLowering *lowering, BooleanTest *test, bool negate)
{
	Node *arg = (Node *) test->arg;
	MtfField *field = find_field(lowering, arg);
	MtfOp op = MTF_OP_IS_TRUE;
	bool unknown = false;

	if (field == NULL)
		return local(lowering, "a truth test of an expression");
	switch (test->booltesttype)
	{
		case IS_TRUE: op = MTF_OP_IS_TRUE; break;
		case IS_NOT_TRUE: op = MTF_OP_IS_NOT_TRUE; break;
		case IS_FALSE: op = MTF_OP_IS_FALSE; break;
		case IS_NOT_FALSE: op = MTF_OP_IS_NOT_FALSE; break;
		default: unknown = true; break;
	}
	if (!unknown)
		return lower_truth(lowering, arg, negate ? negated(op) : op);
	lowering->why = NULL;
	if ((test->booltesttype == IS_UNKNOWN) != negate)
		return create_test(MTF_TERM_NULL, MTF_OP_EQ, field);
	return create_test(MTF_TERM_NOT_NULL, MTF_OP_EQ, field);
}

/* A condition without columns, such as `$1 IS NULL`: decided when the values are known. */
static MtfTerm *
lower_value_condition(MtfLowering *lowering, Node *node, bool negate)
{
	int value = value_index(lowering, node);
	MtfTerm *term = mtf_term_create(MTF_TERM_TRUTH, negate ? MTF_OP_IS_FALSE : MTF_OP_IS_TRUE, NULL,
									value, NIL);

	term->exact = true;
	lowering->why = NULL;
	return term;
}

/* --- the tree -------------------------------------------------------------------------------- */

static MtfTerm *
create_group(MtfTermKind kind, List *terms, bool complete)
{
	MtfTerm *group = mtf_term_create(kind, MTF_OP_EQ, NULL, -1, terms);
	ListCell *cell;

	group->exact = complete;
	foreach (cell, terms)
		group->exact &= ((MtfTerm *) lfirst(cell))->exact;
	return group;
}

/* Under AND what cannot be sent is left to the recheck; nothing sent at all: local. */
static MtfTerm *
lower_and(MtfLowering *lowering, List *args, bool negate)
{
	List *terms = NIL;
	const char *dropped = NULL;
	ListCell *cell;

	foreach (cell, args)
	{
		MtfTerm *term = lower_clause(lowering, lfirst(cell), negate);

		if (term != NULL)
			terms = lappend(terms, term);
		else
			dropped = lowering->why;
	}
	if (terms == NIL)
		return local(lowering, dropped);
	if (dropped != NULL)
		lowering->why = psprintf("in part: %s", dropped);
	return create_group(MTF_TERM_AND, terms, dropped == NULL);
}

static MtfTerm *
lower_or(MtfLowering *lowering, List *args, bool negate)
{
	int nvalues = list_length(lowering->values);
	List *terms = NIL;
	ListCell *cell;

	foreach (cell, args)
	{
		MtfTerm *term = lower_clause(lowering, lfirst(cell), negate);

		/* Values of a dropped part must not be evaluated. */
		if (term == NULL)
			lowering->values = list_truncate(lowering->values, nvalues);
		if (term == NULL)
			return local(lowering, psprintf("one side of OR stays: %s", lowering->why));
		terms = lappend(terms, term);
	}
	return create_group(MTF_TERM_OR, terms, true);
}

static MtfTerm *
lower_boolean(MtfLowering *lowering, BoolExpr *expr, bool negate)
{
	switch (expr->boolop)
	{
		case NOT_EXPR: return lower_clause(lowering, linitial(expr->args), !negate);
		case AND_EXPR:
			return negate ? lower_or(lowering, expr->args, true)
						  : lower_and(lowering, expr->args, false);
		case OR_EXPR:
			return negate ? lower_and(lowering, expr->args, true)
						  : lower_or(lowering, expr->args, false);
	}
	return local(lowering, "an unknown boolean operator");
}

static MtfTerm *
lower_constant(MtfLowering *lowering, Const *constant, bool negate)
{
	bool holds = !constant->constisnull && DatumGetBool(constant->constvalue) != negate;

	lowering->why = NULL;
	return create_constant(holds);
}

static MtfTerm *
lower_clause(MtfLowering *lowering, Node *node, bool negate)
{
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_RestrictInfo:
			return lower_clause(lowering, (Node *) ((RestrictInfo *) node)->clause, negate);
		case T_BoolExpr: return lower_boolean(lowering, (BoolExpr *) node, negate);
		case T_Const: return lower_constant(lowering, (Const *) node, negate);
		default: break;
	}
	if (is_value(lowering, node))
		return lower_value_condition(lowering, node, negate);
	switch (nodeTag(node))
	{
		case T_OpExpr: return lower_comparison(lowering, (OpExpr *) node, false, negate);
		case T_DistinctExpr: return lower_comparison(lowering, (OpExpr *) node, true, negate);
		case T_ScalarArrayOpExpr: return lower_list(lowering, (ScalarArrayOpExpr *) node, negate);
		case T_NullTest: return lower_null_test(lowering, (NullTest *) node, negate);
		case T_BooleanTest: return lower_boolean_test(lowering, (BooleanTest *) node, negate);
		case T_Var: return lower_truth(lowering, node, negate ? MTF_OP_IS_FALSE : MTF_OP_IS_TRUE);
		case T_SubPlan:
		case T_AlternativeSubPlan: return local(lowering, "a subquery is computed locally");
		case T_FuncExpr: return local(lowering, function_label(((FuncExpr *) node)->funcid));
		default: return local(lowering, "an expression without remote form");
	}
}

static int
term_height(const MtfTerm *term)
{
	int highest = 0;
	ListCell *cell;

	check_stack_depth();
	foreach (cell, term->args)
	{
		int height = term_height(lfirst(cell));

		highest = Max(highest, height);
	}
	/* Each WHEN stands in the ELSE of the one before. */
	return highest + (term->function == MTF_FUNCTION_CASE ? (list_length(term->args) + 1) / 2 : 1);
}

bool
mtf_term_is_too_high(const MtfTerm *term)
{
	return term_height(term) > MTF_MAX_HEIGHT;
}

MtfTerm *
mtf_classify(MtfLowering *lowering, Node *clause, MtfShip *ship, const char **why)
{
	MtfTerm *term;

	lowering->why = NULL;
	term = lower_clause(lowering, clause, false);
	if (term != NULL && mtf_term_is_too_high(term))
		term = local(lowering, "it nests more deeply than servers take");
	*why = lowering->why;
	*ship = term == NULL ? MTF_SHIP_LOCAL : term->exact ? MTF_SHIP_EXACT : MTF_SHIP_SUPERSET;
	return term;
}

MtfField *
mtf_lowering_field(MtfLowering *lowering, Node *node)
{
	/* Only a relabelling keeps a value as it is; a cast changes its type. */
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return IsA(node, Var) ? find_field(lowering, node) : NULL;
}

int
mtf_lowering_value(MtfLowering *lowering, Node *node)
{
	return is_value(lowering, node) ? value_index(lowering, node) : -1;
}
