/*
 * column.h
 *	  Column of a foreign table ↔ document path and type.
 */
#ifndef MTF_COLUMN_H
#define MTF_COLUMN_H

#include "base/compat.h"
#include "options/option.h"

#include "access/attnum.h"
#include "access/tupdesc.h"

/* How a column's values are decoded and compared: one per PostgreSQL type family we know. */
typedef enum MtfKind
{
	MTF_KIND_BOOL,
	MTF_KIND_INT2,
	MTF_KIND_INT4,
	MTF_KIND_INT8,
	MTF_KIND_FLOAT4,
	MTF_KIND_FLOAT8,
	MTF_KIND_NUMERIC,
	MTF_KIND_TEXT, /* text and varchar: typmod tells */
	MTF_KIND_BPCHAR,
	MTF_KIND_DATE,
	MTF_KIND_TIMESTAMP,
	MTF_KIND_TIMESTAMPTZ,
	MTF_KIND_UUID,
	MTF_KIND_BYTEA,
	MTF_KIND_OBJECTID, /* text-like column with bson_type 'objectid' */
	MTF_KIND_JSONB,
	MTF_KIND_ARRAY /* of `element` */
} MtfKind;

typedef struct MtfColumn
{
	AttrNumber attnum;
	const char *name;      /* the column's, for messages */
	const char *path;      /* as given: "a.b"; "." is the whole document */
	int nsegments;         /* 0 for "." */
	const char **segments; /* path split at dots */
	MtfKind kind;
	MtfKind element; /* when kind is MTF_KIND_ARRAY */
	bool
		any_id; /* `_id` without bson_type: ObjectId reads as hex text, other types by the column's */
	Oid typid;          /* base type: domains are looked through */
	Oid declared_typid; /* as declared; a domain's CHECK runs when a value is decoded */
	int32 typmod;
	Oid collation;
	const char *bson_type; /* as given; NULL: writes choose by the column's type */
	bool not_null;         /* declared NOT NULL: never trusted for correctness */
	MtfMismatch on_mismatch;
	MtfJsonFormat json_format;
	bool trust_types; /* owner's promise: no array and no other type in this path */
	bool folds;       /* the server may compare text by a collation of its own (collation 'none') */
} MtfColumn;

typedef struct MtfColumnMap
{
	Oid relid;
	int natts;
	MtfColumn **columns; /* natts; NULL for dropped columns */
} MtfColumnMap;

/*
 * Columns of a foreign table that the caller has locked, read from the catalogs into the current
 * memory context; cache.h has what was read before.  Raises HV004 for a type we do not know, HV00D for
 * a bad option.
 */
extern MtfColumnMap *mtf_column_map_read(Oid relid);

/* A column for a computed field of a remote aggregate or join: flat path, given type. */
extern MtfColumn *mtf_column_computed(const char *field, Oid typid, int32 typmod, Oid collation);

/* The kind of a type (of a domain's base type); false when it is none of ours.  Never raises. */
extern bool mtf_kind_of_type(Oid typid, MtfKind *kind, MtfKind *element);

#endif /* MTF_COLUMN_H */
