/*
 * option.c
 *	  The table of options, its validator, and typed options.
 *
 * One table says everything about an option: where it may stand, who may set it, what it may hold,
 * and where its value goes in the typed structure.  Validator and readers walk the same table.
 *
 * The validator sees what is being defined, by the user who defines it.  Owners change later without
 * it; so readers remember which superuser-only option they met, and mtf_options_check_owners() asks
 * again before anything connects.
 *
 * What must not happen here: an option's value in a message (it may be a password in the wrong place).
 */
#include "options/option.h"

#include <math.h>

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "base/key_dir.h"
#include "options/cache.h"
#include "options/uri.h"

PG_FUNCTION_INFO_V1(mongo_tenant_fdw_validator);

typedef enum ValueKind
{
	VALUE_TEXT,       /* any text but the empty one: const char * */
	VALUE_BOOL,       /* bool */
	VALUE_TRUST,      /* a Boolean, or 'validator': MtfTypeTrust */
	VALUE_FALSE,      /* only 'false': bool */
	VALUE_COUNT,      /* 1 to 2^31-1: int */
	VALUE_CURSORS,    /* 1 to 8: int */
	VALUE_PRICE,      /* a finite number of 0 or more: double */
	VALUE_MS,         /* 1 to 2^31-1: int64 */
	VALUE_CHOICE,     /* one of `choices`: const char * */
	VALUE_ENUM,       /* one of `choices`: int, its index */
	VALUE_FLAG,       /* one of two `choices`: bool, its index */
	VALUE_NAMES,      /* names separated by commas: List * of char * */
	VALUE_URI,        /* const char * */
	VALUE_DATABASE,   /* const char * */
	VALUE_COLLECTION, /* const char * */
	VALUE_FIELD,      /* a document path that is not ".": const char * */
	VALUE_PATH,       /* a document path: const char * */
	VALUE_FILE        /* base name of a file in key_dir: const char * */
} ValueKind;

typedef struct OptionDef
{
	const char *name;
	Oid catalog;
	ValueKind kind;
	size_t offset; /* in the typed structure of that catalog */
	const char *const *choices;
	bool superuser_only;
	bool required;
} OptionDef;

static const char *const choices_tenant_type[] = {"string", "int", "objectid", "uuid", NULL};
static const char *const choices_tenant_match[] = {"scalar", "array", NULL};
static const char *const choices_mismatch[] = {"error", "null", NULL};
static const char *const choices_json[] = {"plain", "extended", NULL};
static const char *const choices_collation[] = {"simple", "none", NULL};
static const char *const choices_read_preference[] = {
	"primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest", NULL};
static const char *const choices_read_concern[] = {"local",        "available", "majority",
												   "linearizable", "snapshot",  NULL};
static const char *const choices_mechanism[] = {"SCRAM-SHA-256", "X.509", "MONGODB-AWS", NULL};
static const char *const choices_bson_type[] = {"double", "string",   "object", "array", "bindata",
												"uuid",   "objectid", "bool",   "date",  "int",
												"long",   "decimal",  NULL};

/* Measured: secantusd-rs over loopback, 1 us is 0.0035 (plan/cost.c). */
static const MtfPrices default_prices = {.startup = 25, .tuple = 0.01, .operation = 0.0022};

#define SERVER(name, kind, field, ...)                                                             \
	{                                                                                              \
		name, ForeignServerRelationId, kind, offsetof(MtfServerOptions, field), __VA_ARGS__        \
	}
#define TABLE(name, kind, field, ...)                                                              \
	{                                                                                              \
		name, ForeignTableRelationId, kind, offsetof(MtfTableOptions, field), __VA_ARGS__          \
	}
#define USER(name, kind, field, ...)                                                               \
	{                                                                                              \
		name, UserMappingRelationId, kind, offsetof(MtfUserOptions, field), __VA_ARGS__            \
	}
#define COLUMN(name, kind, field, ...)                                                             \
	{                                                                                              \
		name, AttributeRelationId, kind, offsetof(MtfColumnOptions, field), __VA_ARGS__            \
	}
#define SUPERUSER .superuser_only = true

static const OptionDef option_table[] = {
	SERVER("uri", VALUE_URI, uri, .required = true),
	SERVER("database", VALUE_DATABASE, database),
	SERVER("providers", VALUE_NAMES, providers, SUPERUSER),
	SERVER("tenant_field", VALUE_FIELD, tenant_field, SUPERUSER),
	SERVER("tenant_type", VALUE_ENUM, tenant_type, choices_tenant_type, SUPERUSER),
	SERVER("tenant_match", VALUE_FLAG, tenant_array, choices_tenant_match, SUPERUSER),
	SERVER("fetch_size", VALUE_COUNT, fetch_size),
	SERVER("use_remote_estimate", VALUE_BOOL, use_remote_estimate),
	SERVER("fdw_startup_cost", VALUE_PRICE, prices.startup),
	SERVER("fdw_tuple_cost", VALUE_PRICE, prices.tuple),
	SERVER("remote_operator_cost", VALUE_PRICE, prices.operation),
	SERVER("on_mismatch", VALUE_ENUM, on_mismatch, choices_mismatch),
	SERVER("read_preference", VALUE_CHOICE, read_preference, choices_read_preference),
	SERVER("read_concern", VALUE_CHOICE, read_concern, choices_read_concern),
	SERVER("snapshot", VALUE_BOOL, snapshot),
	SERVER("max_time_ms", VALUE_MS, max_time_ms),
	SERVER("collation", VALUE_CHOICE, collation, choices_collation, SUPERUSER),
	SERVER("updatable", VALUE_BOOL, updatable),
	SERVER("async_capable", VALUE_BOOL, async_capable),
	SERVER("parallel", VALUE_CURSORS, parallel),
	SERVER("json_format", VALUE_ENUM, json_format, choices_json),
	SERVER("tls_ca_file", VALUE_FILE, tls_ca_file, SUPERUSER),

	USER("username", VALUE_TEXT, username),
	USER("password", VALUE_TEXT, password),
	USER("password_file", VALUE_FILE, password_file, SUPERUSER),
	USER("auth_source", VALUE_TEXT, auth_source),
	USER("auth_mechanism", VALUE_CHOICE, auth_mechanism, choices_mechanism),
	USER("tls_certificate_key_file", VALUE_FILE, tls_certificate_key_file, SUPERUSER),

	TABLE("database", VALUE_DATABASE, database),
	TABLE("collection", VALUE_COLLECTION, collection),
	TABLE("fetch_size", VALUE_COUNT, fetch_size),
	TABLE("use_remote_estimate", VALUE_BOOL, use_remote_estimate),
	TABLE("fdw_startup_cost", VALUE_PRICE, prices.startup),
	TABLE("fdw_tuple_cost", VALUE_PRICE, prices.tuple),
	TABLE("remote_operator_cost", VALUE_PRICE, prices.operation),
	TABLE("on_mismatch", VALUE_ENUM, on_mismatch, choices_mismatch),
	TABLE("json_format", VALUE_ENUM, json_format, choices_json),
	TABLE("read_preference", VALUE_CHOICE, read_preference, choices_read_preference),
	TABLE("max_time_ms", VALUE_MS, max_time_ms),
	TABLE("updatable", VALUE_FALSE, updatable),
	TABLE("trust_types", VALUE_TRUST, trust_types),

	COLUMN("path", VALUE_PATH, path),
	COLUMN("bson_type", VALUE_CHOICE, bson_type, choices_bson_type),
	COLUMN("on_mismatch", VALUE_ENUM, on_mismatch, choices_mismatch),
};

static const OptionDef *
find_option(const char *name, Oid catalog)
{
	for (size_t i = 0; i < lengthof(option_table); i++)
		if (option_table[i].catalog == catalog && strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	return NULL;
}

/* The option of `catalog` whose name is nearest to `name`; NULL when none is near. */
static const char *
nearest_option(const char *name, Oid catalog)
{
	const int max_distance = 4;
	const char *nearest = NULL;
	int best = max_distance + 1;

	if (strlen(name) > 63)
		return NULL;
	for (size_t i = 0; i < lengthof(option_table); i++)
	{
		const char *candidate = option_table[i].name;
		int distance;

		if (option_table[i].catalog != catalog)
			continue;
		distance = varstr_levenshtein_less_equal(name, strlen(name), candidate, strlen(candidate),
												 1, 1, 1, max_distance, true);
		/* Half of the name must be right, else the advice is noise. */
		if (distance < best && distance <= strlen(name) / 2)
		{
			best = distance;
			nearest = candidate;
		}
	}
	return nearest;
}

static bool
catalog_has_options(Oid catalog)
{
	for (size_t i = 0; i < lengthof(option_table); i++)
		if (option_table[i].catalog == catalog)
			return true;
	return false;
}

static void
raise_unknown_option(const char *name, Oid catalog)
{
	const char *nearest = nearest_option(name, catalog);

	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", name),
					nearest != NULL ? errhint("Perhaps you meant the option \"%s\".", nearest)
					: catalog_has_options(catalog)
						? 0
						: errhint("There are no valid options in this context.")));
}

static void
raise_wrong_value(const OptionDef *option, const char *why)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					errmsg("invalid value for option \"%s\"", option->name),
					errdetail_internal("%s", why)));
}

static void
raise_superuser_only(const char *option)
{
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("only a superuser may set option \"%s\"", option)));
}

/* Index of `value` in the choices; raises when it is none of them. */
static int
choice_index(const OptionDef *option, const char *value)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; option->choices[i] != NULL; i++)
	{
		if (strcmp(option->choices[i], value) == 0)
			return i;
		appendStringInfo(&list, "%s\"%s\"", i == 0 ? "" : ", ", option->choices[i]);
	}
	raise_wrong_value(option, psprintf("It must be one of %s.", list.data));
	return -1;
}

static int
parse_count(const OptionDef *option, const char *value, int max)
{
	int64 result = 0;

	for (const char *c = value; *c; c++)
	{
		if (*c < '0' || *c > '9' || result > max)
			result = -1;
		if (result < 0)
			break;
		result = result * 10 + (*c - '0');
	}
	if (result < 1 || result > max)
		raise_wrong_value(option, psprintf("It must be a whole number from 1 to %d.", max));
	return (int) result;
}

/* parse_real() takes what settings take: blanks around it, hexadecimal digits, never NaN. */
static double
parse_price(const OptionDef *option, const char *value)
{
	double result;

	if (!parse_real(value, &result, 0, NULL) || result < 0 || isinf(result))
		raise_wrong_value(option, "It must be a finite number that is not below 0.");
	return result;
}

static bool
parse_truth(const OptionDef *option, const char *value)
{
	bool result;

	if (!parse_bool(value, &result))
		raise_wrong_value(option, "It must be true or false.");
	return result;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Names separated by commas, blanks around them dropped; case is kept. */
static List *
parse_names(const OptionDef *option, const char *value)
{
	List *names = NIL;

	for (const char *at = value;;)
	{
		size_t len = strcspn(at, ",");
		const char *next = at + len;

		while (len > 0 && is_blank(*at))
			at++, len--;
		while (len > 0 && is_blank(at[len - 1]))
			len--;
		if (len == 0)
			raise_wrong_value(option, "It must be a list of names separated by commas.");
		names = lappend(names, pnstrdup(at, len));
		if (*next == '\0')
			return names;
		at = next + 1;
	}
}

bool
mtf_database_name_is_valid(const char *name, const char **why)
{
	if (name[0] == '\0' || strlen(name) > 63)
		*why = "A database name has 1 to 63 bytes.";
	else if (strpbrk(name, "/\\. \"$*<>:|?") != NULL)
		*why = "A database name has no blank and none of /\\.\"$*<>:|?.";
	else if (pg_strcasecmp(name, "admin") == 0 || pg_strcasecmp(name, "local") == 0 ||
			 pg_strcasecmp(name, "config") == 0)
		*why = "The databases admin, local and config are the server's own.";
	else
		return true;
	return false;
}

bool
mtf_collection_name_is_valid(const char *name, const char **why)
{
	if (name[0] == '\0' || strlen(name) > 235)
		*why = "A collection name has 1 to 235 bytes.";
	else if (strchr(name, '$') != NULL)
		*why = "A collection name has no dollar sign.";
	else if (name[0] == '.' || name[strlen(name) - 1] == '.')
		*why = "A collection name neither begins nor ends with a dot.";
	else if (pg_strncasecmp(name, "system.", 7) == 0 || strstr(name, ".system.") != NULL)
		*why = "Collections named system.* are the server's own.";
	else
		return true;
	return false;
}

bool
mtf_path_is_valid(const char *path, const char **why)
{
	const int max_depth = 100;
	int depth = 0;

	if (strcmp(path, ".") == 0)
		return true;
	for (const char *at = path;; at++)
	{
		size_t len = strcspn(at, ".");

		if (len == 0)
			*why = "A path has no empty segment between its dots.";
		else if (*at == '$')
			*why = "No segment of a path begins with a dollar sign.";
		else if (++depth > max_depth)
			*why = "A path has at most 100 segments.";
		else
		{
			at += len;
			if (*at == '\0')
				return true;
			continue;
		}
		return false;
	}
}

static void
check_text(const OptionDef *option, const char *value)
{
	const char *why = NULL;
	MtfUri uri;
	bool ok = value[0] != '\0';

	if (!ok)
		why = "It must not be empty.";
	else if (option->kind == VALUE_DATABASE)
		ok = mtf_database_name_is_valid(value, &why);
	else if (option->kind == VALUE_COLLECTION)
		ok = mtf_collection_name_is_valid(value, &why);
	else if (option->kind == VALUE_PATH || option->kind == VALUE_FIELD)
		ok = mtf_path_is_valid(value, &why);
	else if (option->kind == VALUE_URI)
		ok = mtf_uri_parse(value, &uri, &why);
	if (!ok)
		raise_wrong_value(option, why);
	if (option->kind == VALUE_FIELD && strcmp(value, ".") == 0)
		raise_wrong_value(option, "It must be the path of a field.");
	if (option->kind == VALUE_FILE && !mtf_key_dir_is_base_name(value))
		raise_wrong_value(option, "It must be the base name of a file in mongo_tenant.key_dir.");
}

/*
 * Check a value and, when `target` is not NULL, store it there.  Strings are not copied.
 */
static void
read_value(const OptionDef *option, const char *value, char *target)
{
	char scratch[sizeof(void *)];
	char *to = target == NULL ? scratch : target + option->offset;

	StaticAssertStmt(sizeof(scratch) >= sizeof(int64), "the largest value fits");
	StaticAssertStmt(sizeof(scratch) >= sizeof(double), "the largest value fits");
	switch (option->kind)
	{
		case VALUE_TRUST:
			*(MtfTypeTrust *) to = strcmp(value, "validator") == 0 ? MTF_TYPES_BY_VALIDATOR
								   : parse_truth(option, value)    ? MTF_TYPES_BY_OWNER
																   : MTF_TYPES_UNPROVEN;
			break;
		case VALUE_BOOL: *(bool *) to = parse_truth(option, value); break;
		case VALUE_FALSE:
			if (parse_truth(option, value))
				raise_wrong_value(option,
								  "It can only be false: the server's option allows writes.");
			*(bool *) to = false;
			break;
		case VALUE_COUNT: *(int *) to = parse_count(option, value, PG_INT32_MAX); break;
		case VALUE_CURSORS: *(int *) to = parse_count(option, value, MTF_MAX_CURSORS); break;
		case VALUE_PRICE: *(double *) to = parse_price(option, value); break;
		case VALUE_MS: *(int64 *) to = parse_count(option, value, PG_INT32_MAX); break;
		case VALUE_ENUM: *(int *) to = choice_index(option, value); break;
		case VALUE_FLAG: *(bool *) to = choice_index(option, value) == 1; break;
		case VALUE_CHOICE:
			*(const char **) to = option->choices[choice_index(option, value)];
			break;
		case VALUE_NAMES: *(List **) to = parse_names(option, value); break;
		case VALUE_TEXT:
		case VALUE_URI:
		case VALUE_DATABASE:
		case VALUE_COLLECTION:
		case VALUE_FIELD:
		case VALUE_PATH:
		case VALUE_FILE:
			check_text(option, value);
			*(const char **) to = value;
			break;
	}
}

/* The superuser-only aspect of one option with its value; NULL when everybody may set it. */
static const char *
superuser_aspect(const OptionDef *option, const char *value)
{
	MtfUri uri;
	const char *why;

	if (option->superuser_only)
		return option->name;
	if (option->kind == VALUE_URI && mtf_uri_parse(value, &uri, &why) && uri.weak_option != NULL)
		return uri.weak_option;
	if (strcmp(option->name, "auth_mechanism") == 0 && strncmp(value, "SCRAM", 5) != 0)
		return option->name;
	return NULL;
}

/*
 * Walk a list of options into `target` (may be NULL) and return the first superuser-only aspect.
 * Unknown options raise: a catalog edited by hand must not be read loosely.
 */
static const char *
read_options(List *options, Oid catalog, void *target)
{
	const char *superuser_option = NULL;
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *def = lfirst_node(DefElem, cell);
		const OptionDef *option = find_option(def->defname, catalog);
		char *value = defGetString(def);

		if (option == NULL)
			raise_unknown_option(def->defname, catalog);
		read_value(option, value, target);
		if (superuser_option == NULL)
			superuser_option = superuser_aspect(option, value);
	}
	return superuser_option;
}

static bool
has_option(List *options, const char *name)
{
	ListCell *cell;

	foreach (cell, options)
		if (strcmp(lfirst_node(DefElem, cell)->defname, name) == 0)
			return true;
	return false;
}

static void
check_required(List *options, Oid catalog)
{
	for (size_t i = 0; i < lengthof(option_table); i++)
		if (option_table[i].catalog == catalog && option_table[i].required &&
			!has_option(options, option_table[i].name))
			ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
							errmsg("missing required option \"%s\"", option_table[i].name)));
}

/* What single options cannot tell: combinations of a user mapping. */
static void
check_user_mapping(List *options)
{
	const char *clash = NULL;

	if (has_option(options, "password") && has_option(options, "password_file"))
		clash = "options \"password\" and \"password_file\" exclude each other";
	else if ((has_option(options, "password") || has_option(options, "password_file")) &&
			 !has_option(options, "username"))
		clash = "option \"password\" needs option \"username\"";
	if (clash != NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg_internal("%s", clash)));
}

/*
 * mongo_tenant_fdw_validator(text[], oid): CREATE and ALTER of server, user mapping, table, column.
 */
PGDLLEXPORT Datum
mongo_tenant_fdw_validator(PG_FUNCTION_ARGS)
{
	List *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid catalog = PG_GETARG_OID(1);
	const char *superuser_option = read_options(options, catalog, NULL);

	check_required(options, catalog);
	if (catalog == UserMappingRelationId)
	{
		check_user_mapping(options);
		/* Without a password the server's own, ambient rights would be used. */
		if (!superuser() && superuser_option == NULL && !has_option(options, "password"))
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("password is required"),
							errdetail("Only a superuser may create a user mapping without one.")));
	}
	if (superuser_option != NULL && !superuser())
		raise_superuser_only(superuser_option);
	PG_RETURN_VOID();
}

MtfServerOptions *
mtf_options_read_server(Oid serverid)
{
	ForeignServer *server = GetForeignServer(serverid);
	MtfServerOptions *result = palloc0(sizeof(MtfServerOptions));

	result->serverid = serverid;
	result->owner = server->owner;
	result->name = server->servername;
	result->collation = choices_collation[0];
	result->read_preference = choices_read_preference[0];
	result->updatable = true;
	result->prices = default_prices;
	result->superuser_option = read_options(server->options, ForeignServerRelationId, result);
	return result;
}

/* A namespace is checked at use too: the defaults never went through the validator. */
static void
check_namespace(const MtfTableOptions *table)
{
	const char *why;

	if (table->database == NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("no database is named for foreign table \"%s\"",
							   get_rel_name(table->relid)),
						errhint("Set the option \"database\" of the server or of the table.")));
	if (!mtf_database_name_is_valid(table->database, &why) ||
		!mtf_collection_name_is_valid(table->collection, &why))
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("foreign table \"%s\" names a collection that cannot be opened",
							   get_rel_name(table->relid)),
						errdetail_internal("%s", why)));
}

MtfTableOptions *
mtf_options_read_table(Oid relid)
{
	ForeignTable *table = GetForeignTable(relid);
	const MtfServerOptions *server = mtf_server_options(table->serverid);
	MtfTableOptions *result = palloc0(sizeof(MtfTableOptions));

	result->relid = relid;
	result->serverid = table->serverid;
	result->database = server->database == NULL ? NULL : pstrdup(server->database);
	result->collection = get_rel_name(relid);
	result->fetch_size = server->fetch_size;
	result->use_remote_estimate = server->use_remote_estimate;
	result->prices = server->prices;
	result->on_mismatch = server->on_mismatch;
	result->json_format = server->json_format;
	result->read_preference = server->read_preference;
	result->updatable = server->updatable;
	read_options(table->options, ForeignTableRelationId, result);
	if (server->max_time_ms != 0 &&
		(result->max_time_ms == 0 || result->max_time_ms > server->max_time_ms))
		result->max_time_ms = server->max_time_ms;
	check_namespace(result);
	return result;
}

/* The mapping of `userid` or of PUBLIC; NULL when there is none (GetUserMapping would raise). */
static UserMapping *
find_user_mapping(Oid serverid, Oid userid)
{
	Oid users[] = {userid, InvalidOid};

	for (int i = 0; i < lengthof(users); i++)
		if (SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(users[i]),
								  ObjectIdGetDatum(serverid)))
			return GetUserMapping(users[i], serverid);
	return NULL;
}

MtfUserOptions *
mtf_user_options(Oid serverid, Oid userid)
{
	UserMapping *mapping = find_user_mapping(serverid, userid);
	MtfUserOptions *result = palloc0(sizeof(MtfUserOptions));

	if (mapping == NULL)
		return result;
	result->umid = mapping->umid;
	result->userid = mapping->userid;
	result->superuser_option = read_options(mapping->options, UserMappingRelationId, result);
	return result;
}

MtfColumnOptions *
mtf_column_options(Oid relid, AttrNumber attnum)
{
	List *options = GetForeignColumnOptions(relid, attnum);
	MtfColumnOptions *result = palloc0(sizeof(MtfColumnOptions));

	read_options(options, AttributeRelationId, result);
	result->has_on_mismatch = has_option(options, "on_mismatch");
	return result;
}

/*
 * A user mapping has no owner: who may change it is its own user and the owner of the server, and
 * both go through the validator.  What changes behind its back is the owner of the server, and with
 * him who chooses the host that gets the files and the ambient credentials of a mapping.
 */
void
mtf_options_check_owners(const MtfServerOptions *server, const MtfUserOptions *user)
{
	const char *option = server->superuser_option;

	if (superuser_arg(server->owner))
		return;
	if (option == NULL)
		option = user->superuser_option;
	if (option != NULL)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("option \"%s\" needs a server that is owned by a superuser", option),
						errdetail("Server \"%s\" is owned by a role that is not a superuser.",
								  server->name)));
	if (user->password == NULL)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("password is required"),
						errdetail("Server \"%s\" is owned by a role that is not a superuser.",
								  server->name)));
}
