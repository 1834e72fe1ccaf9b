/*
 * option.h
 *	  The table of options (name, object, who may set it), its validator, and typed options.
 *
 * Absence is meaningful: a server without `providers` denies, and that is decided in the tenant
 * room, not here; here it is an empty list.
 */
#ifndef MTF_OPTION_H
#define MTF_OPTION_H

#include "base/compat.h"

#include "access/attnum.h"
#include "nodes/pg_list.h"

typedef enum MtfTenantType
{
	MTF_TENANT_STRING,
	MTF_TENANT_INT, /* int32 or int64 in documents */
	MTF_TENANT_OBJECTID,
	MTF_TENANT_UUID
} MtfTenantType;

/* Who says that values have the types of their columns. */
typedef enum MtfTypeTrust
{
	MTF_TYPES_UNPROVEN,
	MTF_TYPES_BY_OWNER,
	MTF_TYPES_BY_VALIDATOR /* a $jsonSchema of the collection, and the owner that it was always there */
} MtfTypeTrust;

typedef enum MtfMismatch
{
	MTF_MISMATCH_ERROR,
	MTF_MISMATCH_NULL
} MtfMismatch;

typedef enum MtfJsonFormat
{
	MTF_JSON_PLAIN,
	MTF_JSON_EXTENDED
} MtfJsonFormat;

#define MTF_MAX_CURSORS 8 /* option parallel */

/* What work is believed to cost, in the planner's units (a sequential page read is 1). */
typedef struct MtfPrices
{
	double startup;   /* fdw_startup_cost: a command and its answer */
	double tuple;     /* fdw_tuple_cost: a document of 100 bytes that is sent and decoded */
	double operation; /* remote_operator_cost: one operator of an expression that is evaluated */
} MtfPrices;

/* Options of a foreign server. */
typedef struct MtfServerOptions
{
	Oid serverid;
	Oid owner;
	const char *name;
	const char *uri; /* without credentials; NULL: not set */
	const char *database;
	List *providers;          /* of char *; NIL denies */
	const char *tenant_field; /* NULL: no default policy */
	MtfTenantType tenant_type;
	bool tenant_array; /* tenant_match 'array' */
	int fetch_size;    /* documents; 0: by size */
	bool use_remote_estimate;
	MtfPrices prices;
	MtfMismatch on_mismatch;
	MtfJsonFormat json_format;
	const char *collation; /* "simple" or "none" */
	const char *read_preference;
	const char *read_concern;
	int64 max_time_ms; /* 0: no limit of its own */
	bool snapshot;
	bool updatable;
	bool async_capable;
	int parallel;                 /* cursors of one scan at a time; 0: not set, 1 */
	const char *tls_ca_file;      /* base name in key_dir; NULL: the system's certificates */
	const char *superuser_option; /* first option set that only a superuser may set; NULL: none */
} MtfServerOptions;

/* Options of a foreign table, with the server's defaults already merged in. */
typedef struct MtfTableOptions
{
	Oid relid;
	Oid serverid;
	const char *database;   /* table's, else server's; raises HV00D when neither is set */
	const char *collection; /* default: the table's name */
	int fetch_size;
	bool use_remote_estimate;
	MtfPrices prices;
	MtfMismatch on_mismatch;
	MtfJsonFormat json_format;
	MtfTypeTrust trust_types;
	int64 max_time_ms; /* the lower of the server's and the table's; 0: none */
	const char *read_preference;
	bool updatable; /* both the server and the table say so */
} MtfTableOptions;

/* Options of a user mapping. */
typedef struct MtfUserOptions
{
	Oid umid;   /* InvalidOid: no mapping, hence no authentication */
	Oid userid; /* the mapping's user; InvalidOid: PUBLIC */
	const char *username;
	const char *password;
	const char *password_file;
	const char *auth_source;
	const char *auth_mechanism;
	const char *tls_certificate_key_file;
	const char *superuser_option; /* first option set that only a superuser may set; NULL: none */
} MtfUserOptions;

/* Options of one column, as given: defaults are column.c's business. */
typedef struct MtfColumnOptions
{
	const char *path;      /* NULL: the column's name */
	const char *bson_type; /* NULL: by the column's type */
	bool has_on_mismatch;
	MtfMismatch on_mismatch;
} MtfColumnOptions;

extern MtfUserOptions *mtf_user_options(Oid serverid, Oid userid);
extern MtfColumnOptions *mtf_column_options(Oid relid, AttrNumber attnum);

/* Read from the catalogs into the current memory context; cache.h has what was read before. */
extern MtfServerOptions *mtf_options_read_server(Oid serverid);
extern MtfTableOptions *mtf_options_read_table(Oid relid);

/*
 * Connect-time half of "who may": the owner of the server and of the mapping may have changed since
 * the validator ran.  Raises 42501 naming the option (never its value).
 */
extern void mtf_options_check_owners(const MtfServerOptions *server, const MtfUserOptions *user);

/*
 * Names that no policy can open, because MongoDB keeps its own data there: databases `admin`, `local`,
 * `config`, collections `system.*`, anything with a `$`.  False, and *why (static) says what is wrong.
 */
extern bool mtf_database_name_is_valid(const char *name, const char **why);
extern bool mtf_collection_name_is_valid(const char *name, const char **why);

/* A path that documents can have: segments without `$` in front, none empty; "." stands alone. */
extern bool mtf_path_is_valid(const char *path, const char **why);

#endif /* MTF_OPTION_H */
