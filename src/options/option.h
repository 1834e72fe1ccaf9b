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

#include "nodes/pg_list.h"

typedef enum MtfTenantType
{
	MTF_TENANT_STRING,
	MTF_TENANT_INT, /* int32 or int64 in documents */
	MTF_TENANT_OBJECTID,
	MTF_TENANT_UUID
} MtfTenantType;

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

/* Options of a foreign server; strings live in the caller's memory context. */
typedef struct MtfServerOptions
{
	Oid serverid;
	Oid owner;
	const char *name;
	const char *uri; /* without credentials; NULL: not set */
	const char *database;
	List *providers; /* of char *; NIL denies */
	const char *tenant_field; /* NULL: no default policy */
	MtfTenantType tenant_type;
	bool tenant_array; /* tenant_match 'array' */
	int fetch_size; /* documents; 0: by size */
	bool use_remote_estimate;
	MtfMismatch on_mismatch;
	MtfJsonFormat json_format;
	const char *collation; /* "simple" or "none" */
	const char *read_preference;
	const char *read_concern;
	int64 max_time_ms; /* 0: no limit of its own */
} MtfServerOptions;

/* Options of a foreign table, with the server's defaults already merged in. */
typedef struct MtfTableOptions
{
	Oid relid;
	Oid serverid;
	const char *database; /* table's, else server's; raises HV00D when neither is set */
	const char *collection; /* default: the table's name */
	int fetch_size;
	bool use_remote_estimate;
	MtfMismatch on_mismatch;
	MtfJsonFormat json_format;
	bool trust_types;
	int64 max_time_ms;
	const char *read_preference;
} MtfTableOptions;

/* Options of a user mapping. */
typedef struct MtfUserOptions
{
	Oid umid;	/* InvalidOid: no mapping, hence no authentication */
	Oid userid; /* the mapping's user; InvalidOid: PUBLIC */
	const char *username;
	const char *password;
	const char *password_file;
	const char *auth_source;
	const char *auth_mechanism;
	const char *tls_certificate_key_file;
} MtfUserOptions;

extern MtfServerOptions *mtf_server_options(Oid serverid);
extern MtfTableOptions *mtf_table_options(Oid relid);
extern MtfUserOptions *mtf_user_options(Oid serverid, Oid userid);

/*
 * Connect-time half of "who may": the owner of the server and of the mapping may have changed since
 * the validator ran.  Raises 42501 naming the option (never its value).
 */
extern void mtf_options_check_owners(const MtfServerOptions *server, const MtfUserOptions *user);

#endif /* MTF_OPTION_H */
