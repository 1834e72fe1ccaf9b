/*
 * column.c
 *	  Column of a foreign table ↔ document path and type.
 *
 * What must not happen here: a type outside the table below being read or compared by guess.
 */
#include "options/column.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "options/cache.h"

static const struct
{
	Oid typid;
	MtfKind kind;
} kinds[] = {
	{BOOLOID, MTF_KIND_BOOL},
	{INT2OID, MTF_KIND_INT2},
	{INT4OID, MTF_KIND_INT4},
	{INT8OID, MTF_KIND_INT8},
	{FLOAT4OID, MTF_KIND_FLOAT4},
	{FLOAT8OID, MTF_KIND_FLOAT8},
	{NUMERICOID, MTF_KIND_NUMERIC},
	{TEXTOID, MTF_KIND_TEXT},
	{VARCHAROID, MTF_KIND_TEXT},
	{BPCHAROID, MTF_KIND_BPCHAR},
	{DATEOID, MTF_KIND_DATE},
	{TIMESTAMPOID, MTF_KIND_TIMESTAMP},
	{TIMESTAMPTZOID, MTF_KIND_TIMESTAMPTZ},
	{UUIDOID, MTF_KIND_UUID},
	{BYTEAOID, MTF_KIND_BYTEA},
	{JSONBOID, MTF_KIND_JSONB},
};

static bool
scalar_kind(Oid typid, MtfKind *kind)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
	{
		if (kinds[i].typid == typid)
		{
			*kind = kinds[i].kind;
			return true;
		}
	}
	return false;
}

bool
mtf_kind_of_type(Oid typid, MtfKind *kind, MtfKind *element)
{
	Oid base = getBaseType(typid);
	Oid elemtype;

	if (scalar_kind(base, kind))
		return true;
	elemtype = get_element_type(base);
	/* An array of jsonb adds nothing to jsonb; an array of a domain would need its CHECK per element. */
	if (!OidIsValid(elemtype) || elemtype == JSONBOID || !scalar_kind(elemtype, element))
		return false;
	*kind = MTF_KIND_ARRAY;
	return true;
}

static void
raise_unknown_type(const char *column, Oid typid)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
		 errmsg("column \"%s\" has type %s, which no document value can be read as", column,
				format_type_be(typid)),
		 errhint("Use boolean, a number, text, varchar, char, date, timestamp, uuid, bytea, jsonb "
				 "or an array of one of them.")));
}

static void
raise_column_option(const char *column, const char *option, const char *why)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					errmsg("option \"%s\" does not fit column \"%s\"", option, column),
					errdetail_internal("%s", why)));
}

/* Split a valid path at its dots; "." has no segments. */
static void
set_path(MtfColumn *column, const char *path)
{
	char *copy;
	int n = 1;

	column->path = pstrdup(path);
	if (strcmp(path, ".") == 0)
		return;
	for (const char *c = path; *c; c++)
		n += *c == '.';
	column->segments = palloc(n * sizeof(char *));
	copy = pstrdup(path);
	while (copy != NULL)
	{
		char *dot = strchr(copy, '.');

		if (dot != NULL)
			*dot++ = '\0';
		column->segments[column->nsegments++] = copy;
		copy = dot;
	}
}

static void
set_type(MtfColumn *column, Oid typid, int32 typmod, Oid collation)
{
	column->declared_typid = typid;
	column->typmod = typmod;
	column->typid = getBaseTypeAndTypmod(typid, &column->typmod);
	column->collation = collation;
	if (!mtf_kind_of_type(typid, &column->kind, &column->element))
		raise_unknown_type(column->name, typid);
}

/* `bson_type 'objectid'` turns a text-like column, or an array of them, into one of ObjectIds. */
static void
apply_bson_type(MtfColumn *column, const char *bson_type)
{
	MtfKind *kind = column->kind == MTF_KIND_ARRAY ? &column->element : &column->kind;
	bool is_text = *kind == MTF_KIND_TEXT || *kind == MTF_KIND_BPCHAR;

	column->bson_type = bson_type;
	if (bson_type == NULL)
		column->any_id = column->kind == MTF_KIND_TEXT && strcmp(column->path, "_id") == 0;
	else if (strcmp(bson_type, "objectid") == 0)
	{
		if (!is_text)
			raise_column_option(column->name, "bson_type", "An ObjectId is read as text.");
		*kind = MTF_KIND_OBJECTID;
	}
}

/* Under collation 'none' a collection's own collation counts, of which we know nothing. */
static bool
server_folds(Oid serverid)
{
	const char *collation = mtf_server_options(serverid)->collation;

	return collation != NULL && strcmp(collation, "none") == 0;
}

static MtfColumn *
column_of_attribute(const MtfTableOptions *table, Form_pg_attribute attribute)
{
	MtfColumnOptions *options = mtf_column_options(table->relid, attribute->attnum);
	MtfColumn *column = palloc0(sizeof(MtfColumn));
	const char *path = options->path != NULL ? options->path : NameStr(attribute->attname);
	const char *why;

	column->attnum = attribute->attnum;
	column->name = pstrdup(NameStr(attribute->attname));
	if (!mtf_path_is_valid(path, &why))
		raise_column_option(column->name, "path", why);
	set_path(column, path);
	set_type(column, attribute->atttypid, attribute->atttypmod, attribute->attcollation);
	if (column->nsegments == 0 && column->kind != MTF_KIND_JSONB)
		raise_column_option(column->name, "path", "The whole document is read as jsonb only.");
	apply_bson_type(column, options->bson_type);
	column->not_null = attribute->attnotnull;
	column->on_mismatch = options->has_on_mismatch ? options->on_mismatch : table->on_mismatch;
	column->json_format = table->json_format;
	column->trust_types = table->trust_types == MTF_TYPES_BY_OWNER;
	return column;
}

MtfColumnMap *
mtf_column_map_read(Oid relid)
{
	const MtfTableOptions *table = mtf_table_options(relid);
	Relation relation = table_open(relid, AccessShareLock);
	TupleDesc tupdesc = RelationGetDescr(relation);
	MtfColumnMap *map = palloc(sizeof(MtfColumnMap));
	bool folds = server_folds(table->serverid);

	map->relid = relid;
	map->natts = tupdesc->natts;
	map->columns = palloc0(tupdesc->natts * sizeof(MtfColumn *));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		if (attribute->attisdropped)
			continue;
		map->columns[i] = column_of_attribute(table, attribute);
		map->columns[i]->folds = folds;
	}
	table_close(relation, NoLock);
	return map;
}

MtfColumn *
mtf_column_computed(const char *field, Oid typid, int32 typmod, Oid collation)
{
	MtfColumn *column = palloc0(sizeof(MtfColumn));

	column->attnum = InvalidAttrNumber;
	column->name = pstrdup(field);
	column->path = column->name;
	column->nsegments = 1;
	column->segments = palloc(sizeof(char *));
	column->segments[0] = column->name;
	set_type(column, typid, typmod, collation);
	column->on_mismatch = MTF_MISMATCH_ERROR;
	column->json_format = MTF_JSON_PLAIN;
	return column;
}
