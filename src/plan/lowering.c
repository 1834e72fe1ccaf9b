/*
 * lowering.c
 *	  The operands of clauses: fields, values, and which of them compare remotely.
 *
 * Decisions here are made by types.  What a value does to the form (NULL, NaN, infinity, a
 * microsecond) is decided in the pipeline room when the value is known.
 */
#include "plan/lowering.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

#include "plan/collation.h"
#include "plan/shippable.h"

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

MtfTerm *
mtf_lowering_local(MtfLowering *lowering, const char *why)
{
	lowering->why = why;
	return NULL;
}

bool
mtf_kind_of_value(Oid type, MtfKind *kind)
{
	switch (type)
	{
		case INT2OID: *kind = MTF_KIND_INT2; return true;
		case INT4OID: *kind = MTF_KIND_INT4; return true;
		case INT8OID: *kind = MTF_KIND_INT8; return true;
		case FLOAT8OID: *kind = MTF_KIND_FLOAT8; return true;
		case NUMERICOID: *kind = MTF_KIND_NUMERIC; return true;
		case BOOLOID: *kind = MTF_KIND_BOOL; return true;
		case TEXTOID:
		case VARCHAROID: *kind = MTF_KIND_TEXT; return true;
		case UUIDOID: *kind = MTF_KIND_UUID; return true;
		case DATEOID: *kind = MTF_KIND_DATE; return true;
		case TIMESTAMPOID: *kind = MTF_KIND_TIMESTAMP; return true;
		case TIMESTAMPTZOID: *kind = MTF_KIND_TIMESTAMPTZ; return true;
		default: return false;
	}
}

Node *
mtf_without_relabels(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
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

bool
mtf_path_has_position(const char *path)
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
	int precision = mtf_compat_numeric_precision(column->typmod);
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
	if (!mtf_column_is_addressable(column) || mtf_path_has_position(column->path) ||
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

MtfField *
mtf_lowering_loose_field(MtfLowering *lowering, Node *node)
{
	MtfField *field = mtf_lowering_field(lowering, node);
	const MtfColumn *column;

	if (lowering->over_groups || field == NULL ||
		(field->kind != MTF_KIND_NUMERIC && field->kind != MTF_KIND_FLOAT4))
		return NULL;
	column = lowering->rels[field->rel].map->columns[field->attnum - 1];
	if (mtf_path_has_position(column->path) || column->declared_typid != column->typid ||
		exprType(node) != column->typid)
		return NULL;
	if (field->kind == MTF_KIND_NUMERIC && (!MTF_COMPAT_NUMERIC_HAS_INFINITY || field->typmod >= 0))
		return NULL;
	field->exact = true;
	field->loose = field->kind == MTF_KIND_NUMERIC;
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

static MtfField *
find_known(MtfLowering *lowering, Node *node)
{
	ListCell *cell;

	foreach (cell, lowering->known)
	{
		const MtfKnown *known = lfirst(cell);

		if (equal(known->expr, node) && !known->rounded)
			return copyObject(known->field);
	}
	return NULL;
}

MtfField *
mtf_lowering_find_field(MtfLowering *lowering, Node *node)
{
	Var *var = (Var *) strip_casts(node);

	if (lowering->over_groups)
		return find_known(lowering, node);
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

MtfField *
mtf_lowering_find_json(MtfLowering *lowering, Var *var)
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

bool
mtf_lowering_is_value(MtfLowering *lowering, Node *node)
{
	return !bms_overlap(mtf_compat_pull_varnos(lowering->root, node), lowering->relids) &&
		   !contain_agg_clause(node) && !contain_volatile_functions(node) &&
		   !contain_subplans(node);
}

int
mtf_lowering_value_index(MtfLowering *lowering, Node *node)
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

Node *
mtf_lowering_fit_value(const MtfField *field, Node *value, bool is_list)
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

bool
mtf_lowering_collation_allows(MtfLowering *lowering, const MtfField *field, MtfOp op, Oid collation)
{
	if (field->kind != MTF_KIND_TEXT && field->kind != MTF_KIND_OBJECTID)
		return true;
	/* Equal bytes are equal under every collation; nothing else is the same there. */
	if (op != MTF_OP_EQ && op != MTF_OP_NOT_DISTINCT && field_folds(lowering, field))
	{
		mtf_lowering_local(lowering, "the server compares text under a collation of its own");
		return false;
	}
	if (!is_order(op))
	{
		if (!OidIsValid(collation) || get_collation_isdeterministic(collation))
			return true;
		mtf_lowering_local(
			lowering, psprintf("collation %s is not deterministic", get_collation_name(collation)));
		return false;
	}
	if (!mtf_collation_is_byte_order(collation))
	{
		char *name = OidIsValid(collation) ? get_collation_name(collation) : "unknown";

		mtf_lowering_local(lowering, psprintf("collation %s is not byte order", name));
		return false;
	}
	/* UTF-8 keeps the order of code points; another encoding's bytes may not. */
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		mtf_lowering_local(lowering, "the database's encoding is not UTF8");
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

MtfTerm *
mtf_lowering_create_comparison(MtfLowering *lowering, MtfTermKind kind, MtfOp op, MtfField *field,
							   Node *value)
{
	Oid type = exprType(value);
	MtfTerm *term =
		mtf_term_create(kind, op, field, mtf_lowering_value_index(lowering, value), NIL);

	if (kind != MTF_TERM_COMPARE)
		type = get_element_type(type);
	term->exact = comparison_is_exact(field, type);
	return term;
}

MtfTerm *
mtf_lowering_create_test(MtfTermKind kind, MtfOp op, MtfField *field)
{
	MtfTerm *term = mtf_term_create(kind, op, field, -1, NIL);

	term->exact = field->exact;
	return term;
}

MtfTerm *
mtf_lowering_create_constant(bool holds)
{
	MtfTerm *term =
		mtf_term_create(holds ? MTF_TERM_TRUE : MTF_TERM_FALSE, MTF_OP_EQ, NULL, -1, NIL);

	term->exact = true;
	return term;
}

MtfOp
mtf_op_negated(MtfOp op)
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

MtfOp
mtf_op_commuted(MtfOp op)
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

const char *
mtf_lowering_function_reason(Oid function)
{
	char *name = get_func_name(function);

	return psprintf("%s has no remote form", name != NULL ? name : "the function");
}

const char *
mtf_lowering_operand_reason(MtfLowering *lowering, Node *left, Node *right)
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

		if (IsA(node, FuncExpr) && !mtf_lowering_is_value(lowering, node))
			return mtf_lowering_function_reason(((FuncExpr *) node)->funcid);
		if (IsA(node, Var) && mtf_lowering_find_field(lowering, node) == NULL &&
			!mtf_lowering_is_value(lowering, node))
			return "the column is no field of its own";
	}
	return "not a column and a value";
}

bool
mtf_lowering_split_operands(MtfLowering *lowering, Node *left, Node *right, MtfOp *op,
							MtfField **field, Node **value)
{
	bool commuted = false;

	if ((*field = mtf_lowering_find_field(lowering, left)) != NULL &&
		mtf_lowering_is_value(lowering, right))
		*value = right;
	else if ((*field = mtf_lowering_find_field(lowering, right)) != NULL &&
			 mtf_lowering_is_value(lowering, left))
	{
		*value = left;
		commuted = true;
	}
	else
	{
		mtf_lowering_local(lowering, mtf_lowering_operand_reason(lowering, left, right));
		return false;
	}
	*value = mtf_lowering_fit_value(*field, *value, false);
	if (*value == NULL)
	{
		mtf_lowering_local(lowering, "the types compare by rules that have no remote form");
		return false;
	}
	if (commuted)
		*op = mtf_op_commuted(*op);
	return true;
}

MtfField *
mtf_lowering_field(MtfLowering *lowering, Node *node)
{
	if (lowering->over_groups)
		return find_known(lowering, node);
	/* Only a relabelling keeps a value as it is; a cast changes its type. */
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return IsA(node, Var) ? mtf_lowering_find_field(lowering, node) : NULL;
}

int
mtf_lowering_value(MtfLowering *lowering, Node *node)
{
	return mtf_lowering_is_value(lowering, node) ? mtf_lowering_value_index(lowering, node) : -1;
}
