/*
 * plan_private.c
 *	  Codec of the plan's nodes: copy, compare, write and read by a table of named fields.
 *
 * PostgreSQL copies plans into its cache and may write and read them (parallel workers, debugging).
 * One table per node lists its fields; the four methods walk it.  A field that is missing in the
 * table is lost in a cached plan: add it there first.
 */
#include "plan/plan_private.h"

#include "catalog/pg_type.h"
#include "nodes/readfuncs.h"

#include "options/cache.h"

typedef enum AttributeType
{
	ATTRIBUTE_INT, /* int and enums */
	ATTRIBUTE_BOOL,
	ATTRIBUTE_STRING, /* char *, may be NULL, never empty */
	ATTRIBUTE_NODE    /* Node * or List *, may be NULL */
} AttributeType;

typedef struct Attribute
{
	const char *name;
	size_t offset;
	AttributeType type;
} Attribute;

#define INT_OF(type, field)                                                                        \
	{                                                                                              \
#field, offsetof(type, field), ATTRIBUTE_INT                                               \
	}
#define BOOL_OF(type, field)                                                                       \
	{                                                                                              \
#field, offsetof(type, field), ATTRIBUTE_BOOL                                              \
	}
#define STRING_OF(type, field)                                                                     \
	{                                                                                              \
#field, offsetof(type, field), ATTRIBUTE_STRING                                            \
	}
#define NODE_OF(type, field)                                                                       \
	{                                                                                              \
#field, offsetof(type, field), ATTRIBUTE_NODE                                              \
	}
#define END_OF_ATTRIBUTES                                                                          \
	{                                                                                              \
		NULL                                                                                       \
	}

StaticAssertDecl(sizeof(MtfShip) == sizeof(int), "enums are written as int");

/* One field, one line. */
/* clang-format off */
static const Attribute decision_attributes[] = {
	INT_OF(MtfDecision, ship),
	NODE_OF(MtfDecision, clause),
	STRING_OF(MtfDecision, why),
	END_OF_ATTRIBUTES,
};

static const Attribute field_attributes[] = {
	INT_OF(MtfField, rel),
	INT_OF(MtfField, attnum),
	STRING_OF(MtfField, path),
	INT_OF(MtfField, kind),
	INT_OF(MtfField, element),
	INT_OF(MtfField, typmod),
	BOOL_OF(MtfField, any_id),
	BOOL_OF(MtfField, null_mismatch),
	BOOL_OF(MtfField, trust),
	BOOL_OF(MtfField, exact),
	BOOL_OF(MtfField, loose),
	NODE_OF(MtfField, others),
	END_OF_ATTRIBUTES,
};

static const Attribute term_attributes[] = {
	INT_OF(MtfTerm, kind),
	INT_OF(MtfTerm, op),
	NODE_OF(MtfTerm, field),
	INT_OF(MtfTerm, value),
	BOOL_OF(MtfTerm, exact),
	BOOL_OF(MtfTerm, prefix),
	NODE_OF(MtfTerm, args),
	INT_OF(MtfTerm, as),
	INT_OF(MtfTerm, function),
	INT_OF(MtfTerm, part),
	INT_OF(MtfTerm, pattern),
	INT_OF(MtfTerm, type),
	INT_OF(MtfTerm, overflows),
	INT_OF(MtfTerm, precision),
	INT_OF(MtfTerm, scale),
	END_OF_ATTRIBUTES,
};

static const Attribute sort_key_attributes[] = {
	NODE_OF(MtfSortKey, field),
	BOOL_OF(MtfSortKey, descending),
	BOOL_OF(MtfSortKey, nulls_first),
	BOOL_OF(MtfSortKey, plain),
	END_OF_ATTRIBUTES,
};

static const Attribute output_attributes[] = {
	INT_OF(MtfOutput, rel),
	INT_OF(MtfOutput, attnum),
	STRING_OF(MtfOutput, name),
	INT_OF(MtfOutput, typid),
	INT_OF(MtfOutput, typmod),
	INT_OF(MtfOutput, collation),
	END_OF_ATTRIBUTES,
};

static const Attribute join_attributes[] = {
	INT_OF(MtfJoin, rel),
	INT_OF(MtfJoin, kind),
	INT_OF(MtfJoin, form),
	NODE_OF(MtfJoin, outers),
	NODE_OF(MtfJoin, inners),
	NODE_OF(MtfJoin, terms),
	NODE_OF(MtfJoin, joins),
	NODE_OF(MtfJoin, filters),
	NODE_OF(MtfJoin, paths),
	BOOL_OF(MtfJoin, projects),
	END_OF_ATTRIBUTES,
};

static const Attribute accumulator_attributes[] = {
	INT_OF(MtfAccumulator, kind),
	NODE_OF(MtfAccumulator, arg),
	NODE_OF(MtfAccumulator, filter),
	BOOL_OF(MtfAccumulator, decimal),
	INT_OF(MtfAccumulator, distinct),
	STRING_OF(MtfAccumulator, name),
	END_OF_ATTRIBUTES,
};

static const Attribute finish_attributes[] = {
	INT_OF(MtfFinish, kind),
	INT_OF(MtfFinish, attno),
	NODE_OF(MtfFinish, expr),
	NODE_OF(MtfFinish, count),
	STRING_OF(MtfFinish, what),
	END_OF_ATTRIBUTES,
};

static const Attribute group_value_attributes[] = {
	INT_OF(MtfGroupValue, kind),
	STRING_OF(MtfGroupValue, name),
	STRING_OF(MtfGroupValue, value),
	STRING_OF(MtfGroupValue, count),
	END_OF_ATTRIBUTES,
};

static const Attribute scan_plan_attributes[] = {
	NODE_OF(MtfScanPlan, relids),
	NODE_OF(MtfScanPlan, rtis),
	NODE_OF(MtfScanPlan, proofs),
	NODE_OF(MtfScanPlan, wanted),
	NODE_OF(MtfScanPlan, paths),
	BOOL_OF(MtfScanPlan, projects),
	NODE_OF(MtfScanPlan, terms),
	NODE_OF(MtfScanPlan, index),
	NODE_OF(MtfScanPlan, decisions),
	BOOL_OF(MtfScanPlan, exact),
	NODE_OF(MtfScanPlan, sort),
	NODE_OF(MtfScanPlan, first_of),
	INT_OF(MtfScanPlan, sample),
	INT_OF(MtfScanPlan, limit),
	INT_OF(MtfScanPlan, offset),
	NODE_OF(MtfScanPlan, outputs),
	BOOL_OF(MtfScanPlan, grouped),
	BOOL_OF(MtfScanPlan, grand),
	NODE_OF(MtfScanPlan, keys),
	NODE_OF(MtfScanPlan, accumulators),
	NODE_OF(MtfScanPlan, distinct),
	NODE_OF(MtfScanPlan, group_values),
	NODE_OF(MtfScanPlan, alarms),
	NODE_OF(MtfScanPlan, having),
	NODE_OF(MtfScanPlan, finish),
	NODE_OF(MtfScanPlan, believed),
	NODE_OF(MtfScanPlan, joins),
	INT_OF(MtfScanPlan, cursors),
	INT_OF(MtfScanPlan, share),
	NODE_OF(MtfScanPlan, bound),
	NODE_OF(MtfScanPlan, patterns),
	END_OF_ATTRIBUTES,
};

static const Attribute bind_plan_attributes[] = {
	INT_OF(MtfBindPlan, kind),
	INT_OF(MtfBindPlan, batch_size),
	INT_OF(MtfBindPlan, nouter),
	INT_OF(MtfBindPlan, ninner),
	NODE_OF(MtfBindPlan, outer_hashes),
	NODE_OF(MtfBindPlan, inner_hashes),
	NODE_OF(MtfBindPlan, collations),
	END_OF_ATTRIBUTES,
};

static const struct
{
	const char *name;
	size_t size;
	const Attribute *attributes;
} node_types[] = {
	{"MtfAccumulator", sizeof(MtfAccumulator), accumulator_attributes},
	{"MtfBindPlan", sizeof(MtfBindPlan), bind_plan_attributes},
	{"MtfDecision", sizeof(MtfDecision), decision_attributes},
	{"MtfField", sizeof(MtfField), field_attributes},
	{"MtfFinish", sizeof(MtfFinish), finish_attributes},
	{"MtfGroupValue", sizeof(MtfGroupValue), group_value_attributes},
	{"MtfJoin", sizeof(MtfJoin), join_attributes},
	{"MtfOutput", sizeof(MtfOutput), output_attributes},
	{"MtfScanPlan", sizeof(MtfScanPlan), scan_plan_attributes},
	{"MtfSortKey", sizeof(MtfSortKey), sort_key_attributes},
	{"MtfTerm", sizeof(MtfTerm), term_attributes},
};
/* clang-format on */

static const Attribute *
attributes_of(const ExtensibleNode *node)
{
	for (int i = 0; i < lengthof(node_types); i++)
		if (strcmp(node_types[i].name, node->extnodename) == 0)
			return node_types[i].attributes;
	elog(ERROR, "unknown plan node \"%s\"", node->extnodename);
}

#define AT(node, attribute, type) (*(type *) ((char *) (node) + (attribute)->offset))

static void
copy_node(ExtensibleNode *to, const ExtensibleNode *from)
{
	for (const Attribute *a = attributes_of(from); a->name != NULL; a++)
	{
		char *string;

		switch (a->type)
		{
			case ATTRIBUTE_INT: AT(to, a, int) = AT(from, a, int); break;
			case ATTRIBUTE_BOOL: AT(to, a, bool) = AT(from, a, bool); break;
			case ATTRIBUTE_STRING:
				string = AT(from, a, char *);
				AT(to, a, char *) = string == NULL ? NULL : pstrdup(string);
				break;
			case ATTRIBUTE_NODE: AT(to, a, Node *) = copyObjectImpl(AT(from, a, Node *)); break;
		}
	}
}

static bool
equal_strings(const char *x, const char *y)
{
	return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

static bool
equal_node(const ExtensibleNode *x, const ExtensibleNode *y)
{
	for (const Attribute *a = attributes_of(x); a->name != NULL; a++)
	{
		bool same = false;

		switch (a->type)
		{
			case ATTRIBUTE_INT: same = AT(x, a, int) == AT(y, a, int); break;
			case ATTRIBUTE_BOOL: same = AT(x, a, bool) == AT(y, a, bool); break;
			case ATTRIBUTE_STRING: same = equal_strings(AT(x, a, char *), AT(y, a, char *)); break;
			case ATTRIBUTE_NODE: same = equal(AT(x, a, Node *), AT(y, a, Node *)); break;
		}
		if (!same)
			return false;
	}
	return true;
}

static void
write_node(StringInfo str, const ExtensibleNode *node)
{
	for (const Attribute *a = attributes_of(node); a->name != NULL; a++)
	{
		appendStringInfo(str, " :%s ", a->name);
		switch (a->type)
		{
			case ATTRIBUTE_INT: appendStringInfo(str, "%d", AT(node, a, int)); break;
			case ATTRIBUTE_BOOL:
				appendStringInfoString(str, AT(node, a, bool) ? "true" : "false");
				break;
			case ATTRIBUTE_STRING: outToken(str, AT(node, a, char *)); break;
			case ATTRIBUTE_NODE: outNode(str, AT(node, a, Node *)); break;
		}
	}
}

static void
read_node(ExtensibleNode *node)
{
	for (const Attribute *a = attributes_of(node); a->name != NULL; a++)
	{
		const char *token;
		int length;

		(void) pg_strtok(&length); /* the name */
		if (a->type == ATTRIBUTE_NODE)
		{
			AT(node, a, void *) = nodeRead(NULL, 0);
			continue;
		}
		token = pg_strtok(&length);
		switch (a->type)
		{
			case ATTRIBUTE_INT: AT(node, a, int) = atoi(token); break;
			case ATTRIBUTE_BOOL: AT(node, a, bool) = token[0] == 't'; break;
			case ATTRIBUTE_STRING:
				AT(node, a, char *) = length == 0 ? NULL : debackslash(token, length);
				break;
			case ATTRIBUTE_NODE: break;
		}
	}
}

void
mtf_plan_private_init(void)
{
	for (int i = 0; i < lengthof(node_types); i++)
	{
		ExtensibleNodeMethods *methods =
			MemoryContextAllocZero(TopMemoryContext, sizeof(ExtensibleNodeMethods));

		methods->extnodename = node_types[i].name;
		methods->node_size = node_types[i].size;
		methods->nodeCopy = copy_node;
		methods->nodeEqual = equal_node;
		methods->nodeOut = write_node;
		methods->nodeRead = read_node;
		RegisterExtensibleNodeMethods(methods);
	}
}

static void *
create_node(size_t size, const char *name)
{
	ExtensibleNode *node = (ExtensibleNode *) newNode(size, T_ExtensibleNode);

	node->extnodename = name;
	return node;
}

MtfScanPlan *
mtf_scan_plan_create(void)
{
	MtfScanPlan *plan = create_node(sizeof(MtfScanPlan), "MtfScanPlan");

	plan->limit = plan->offset = -1;
	return plan;
}

MtfSortKey *
mtf_sort_key_create(MtfField *field, bool descending, bool nulls_first)
{
	MtfSortKey *key = create_node(sizeof(MtfSortKey), "MtfSortKey");

	key->field = field;
	key->descending = descending;
	key->nulls_first = nulls_first;
	return key;
}

MtfAccumulator *
mtf_accumulator_create(MtfAccumulate kind, MtfTerm *arg, MtfTerm *filter)
{
	MtfAccumulator *accumulator = create_node(sizeof(MtfAccumulator), "MtfAccumulator");

	accumulator->kind = kind;
	accumulator->arg = arg;
	accumulator->filter = filter;
	return accumulator;
}

MtfGroupValue *
mtf_group_value_create(MtfGroupValueKind kind, const char *name, const char *value,
					   const char *count)
{
	MtfGroupValue *group_value = create_node(sizeof(MtfGroupValue), "MtfGroupValue");

	group_value->kind = kind;
	group_value->name = pstrdup(name);
	group_value->value = pstrdup(value);
	group_value->count = pstrdup(count);
	return group_value;
}

MtfJoin *
mtf_join_create(int rel, MtfJoinKind kind, MtfJoinForm form)
{
	MtfJoin *join = create_node(sizeof(MtfJoin), "MtfJoin");

	join->rel = rel;
	join->kind = kind;
	join->form = form;
	join->projects = true;
	return join;
}

MtfBindPlan *
mtf_bind_plan_create(MtfJoinKind kind, int batch_size)
{
	MtfBindPlan *bind = create_node(sizeof(MtfBindPlan), "MtfBindPlan");

	bind->kind = kind;
	bind->batch_size = batch_size;
	return bind;
}

MtfFinish *
mtf_finish_create(MtfFinishKind kind, int attno, Node *expr, const char *what)
{
	MtfFinish *finish = create_node(sizeof(MtfFinish), "MtfFinish");

	finish->kind = kind;
	finish->attno = attno;
	finish->expr = expr;
	finish->what = what == NULL ? NULL : pstrdup(what);
	return finish;
}

MtfOutput *
mtf_output_create(int rel, int attnum, const char *name)
{
	MtfOutput *output = create_node(sizeof(MtfOutput), "MtfOutput");

	output->rel = rel;
	output->attnum = attnum;
	output->name = name == NULL ? NULL : pstrdup(name);
	output->typmod = -1;
	return output;
}

MtfField *
mtf_field_create(void)
{
	return create_node(sizeof(MtfField), "MtfField");
}

Oid
mtf_field_integer_type(const MtfField *field)
{
	return field->kind == MTF_KIND_INT2   ? INT2OID
		   : field->kind == MTF_KIND_INT4 ? INT4OID
										  : INT8OID;
}

MtfDecision *
mtf_decision_create(MtfShip ship, Node *clause, const char *why)
{
	MtfDecision *decision = create_node(sizeof(MtfDecision), "MtfDecision");

	decision->ship = ship;
	decision->clause = clause;
	decision->why = why == NULL ? NULL : pstrdup(why);
	return decision;
}

MtfTerm *
mtf_term_create(MtfTermKind kind, MtfOp op, MtfField *field, int value, List *args)
{
	MtfTerm *term = create_node(sizeof(MtfTerm), "MtfTerm");

	term->kind = kind;
	term->op = op;
	term->field = field;
	term->value = value;
	term->args = args;
	return term;
}

char *
mtf_relation_field(int rel)
{
	return psprintf("r%d", rel);
}

MtfJoin *
mtf_join_find(const List *joins, int rel)
{
	const ListCell *cell;

	foreach (cell, joins)
	{
		MtfJoin *join = lfirst(cell);
		MtfJoin *found = join->rel == rel ? join : mtf_join_find(join->joins, rel);

		if (found != NULL)
			return found;
	}
	return NULL;
}

bool
mtf_joins_are_full(const List *joins)
{
	const ListCell *cell;

	foreach (cell, joins)
		if (((MtfJoin *) lfirst(cell))->kind == MTF_JOIN_FULL)
			return true;
	return false;
}

/* Can a $lookup into the collection of `rel` compare the inner field as it stands? */
static bool
fields_meet(int rel, const MtfField *outer, const MtfField *inner)
{
	if (inner->rel != rel || inner->any_id || inner->others != NIL)
		return false;
	switch ((MtfKind) inner->kind)
	{
		case MTF_KIND_OBJECTID: return outer->kind == MTF_KIND_OBJECTID && outer->others == NIL;
		case MTF_KIND_DATE:
		case MTF_KIND_FLOAT8:
		case MTF_KIND_NUMERIC: return false;
		default: return true;
	}
}

bool
mtf_join_meets(const MtfJoin *join, const MtfField *outer, const MtfField *inner)
{
	return fields_meet(join->rel, outer, inner) && !mtf_joins_are_full(join->joins);
}

bool
mtf_join_can_look_up(const MtfJoin *join)
{
	const MtfField *outer = linitial(join->outers);
	const MtfField *inner = linitial(join->inners);

	return mtf_join_meets(join, outer, inner) &&
		   (join->kind != MTF_JOIN_FULL || fields_meet(outer->rel, inner, outer));
}

/* Make all of them $lookups; true when one was not. */
static bool
make_lookups(List *joins)
{
	bool changed = false;
	ListCell *cell;

	foreach (cell, joins)
	{
		MtfJoin *join = lfirst(cell);

		changed |= join->form != MTF_JOIN_LOOKUP;
		join->form = MTF_JOIN_LOOKUP;
		changed |= make_lookups(join->joins);
	}
	return changed;
}

MtfScanPlan *
mtf_scan_plan_said_otherwise(const MtfScanPlan *plan)
{
	MtfScanPlan *copy = copyObject((MtfScanPlan *) plan);
	bool changed = make_lookups(copy->joins) || plan->first_of != NIL;

	/* A Unique stands above (plan_first.c). */
	if (copy->first_of != NIL)
		copy->limit = copy->offset = -1;
	copy->first_of = NIL;
	return changed ? copy : NULL;
}

const MtfScanPlan *
mtf_scan_plan(const ForeignScan *scan)
{
	return linitial(scan->fdw_private);
}

/* The table's own columns, of those that are wanted. */
static void
columns_of_base(const MtfScanPlan *plan, MtfColumn **columns, int natts)
{
	const MtfColumnMap *map = mtf_column_map(linitial_oid(plan->relids));
	ListCell *cell;

	foreach (cell, plan->wanted)
	{
		int attnum = lfirst_int(cell);

		if (attnum >= 1 && attnum <= natts)
			columns[attnum - 1] = map->columns[attnum - 1];
	}
}

/* In a join's documents each relation's own stands in a field: r0, r1, …  Messages keep the column's path. */
static MtfColumn *
column_in_document(const MtfScanPlan *plan, int rel, const MtfColumn *column)
{
	MtfColumn *copy = palloc(sizeof(MtfColumn));

	*copy = *column;
	if (plan->joins == NIL)
		return copy;
	copy->segments = palloc(sizeof(char *) * (column->nsegments + 1));
	copy->segments[0] = mtf_relation_field(rel);
	for (int i = 0; i < column->nsegments; i++)
		copy->segments[i + 1] = column->segments[i];
	copy->nsegments = column->nsegments + 1;
	return copy;
}

static void
columns_of_outputs(const MtfScanPlan *plan, MtfColumn **columns, int natts)
{
	const MtfColumnMap **maps = palloc(sizeof(MtfColumnMap *) * list_length(plan->relids));
	ListCell *cell;
	int i = 0;

	foreach (cell, plan->relids)
		maps[i++] = mtf_column_map(lfirst_oid(cell));
	i = 0;
	foreach (cell, plan->outputs)
	{
		const MtfOutput *output = lfirst(cell);

		if (i >= natts)
			break;
		if (output->rel >= 0)
			columns[i] = column_in_document(plan, output->rel,
											maps[output->rel]->columns[output->attnum - 1]);
		else if (output->name != NULL)
			columns[i] =
				mtf_column_computed(output->name, output->typid, output->typmod, output->collation);
		i++;
	}
}

MtfColumn **
mtf_scan_plan_columns(const MtfScanPlan *plan, int natts)
{
	MtfColumn **columns = palloc0(sizeof(MtfColumn *) * Max(natts, 1));

	if (plan->outputs != NIL)
		columns_of_outputs(plan, columns, natts);
	else
		columns_of_base(plan, columns, natts);
	return columns;
}
