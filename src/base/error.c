/*
 * error.c
 *	  From a driver's or server's error to ereport, with the right SQLSTATE and no secret.
 *
 * A server's text may quote the document it failed on, and that document may be another tenant's:
 * engines evaluate expressions on documents that a $match has not filtered yet.  So a text reaches
 * the client only for codes that are raised before any document is read; of all others the client
 * sees the code's name, and the server log sees no more.
 *
 * What must not happen here: a value, a URI or a credential in any message.
 */
#include "base/error.h"

/* Domains of bson_error_t as libmongoc numbers them (mongoc-error.h; stable since 1.0). */
enum
{
	DOMAIN_CLIENT = 1,
	DOMAIN_STREAM = 2,
	DOMAIN_PROTOCOL = 3,
	DOMAIN_CURSOR = 4,
	DOMAIN_SASL = 7,
	DOMAIN_COMMAND = 11,
	DOMAIN_SCRAM = 14,
	DOMAIN_SERVER_SELECTION = 15,
	DOMAIN_WRITE_CONCERN = 16,
	DOMAIN_SERVER = 17
};

enum
{
	CODE_CLIENT_AUTHENTICATE = 11 /* MONGOC_ERROR_CLIENT_AUTHENTICATE */
};

/*
 * What is known of a server's code.  `plain`: its text is made before any document is read, or
 * holds no value of one.
 */
typedef struct ServerCode
{
	int code;
	int sqlstate;
	const char *name;
	bool plain;
} ServerCode;

static const ServerCode server_codes[] = {
	{6, ERRCODE_CONNECTION_FAILURE, "HostUnreachable", false},
	{7, ERRCODE_CONNECTION_FAILURE, "HostNotFound", false},
	{9, ERRCODE_FDW_ERROR, "FailedToParse", false},
	{11, ERRCODE_FDW_ERROR, "UserNotFound", false},
	{13, ERRCODE_INSUFFICIENT_PRIVILEGE, "Unauthorized", false},
	{14, ERRCODE_FDW_ERROR, "TypeMismatch", false},
	{18, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "AuthenticationFailed", true},
	{24, ERRCODE_LOCK_NOT_AVAILABLE, "LockTimeout", true},
	{26, ERRCODE_FDW_TABLE_NOT_FOUND, "NamespaceNotFound", false},
	{43, ERRCODE_FDW_ERROR, "CursorNotFound", true},
	{50, ERRCODE_QUERY_CANCELED, "MaxTimeMSExpired", true},
	{59, ERRCODE_FEATURE_NOT_SUPPORTED, "CommandNotFound", true},
	{64, ERRCODE_FDW_ERROR, "WriteConcernFailed", false},
	{72, ERRCODE_FDW_ERROR, "InvalidOptions", false},
	{89, ERRCODE_CONNECTION_FAILURE, "NetworkTimeout", false},
	{91, ERRCODE_CONNECTION_FAILURE, "ShutdownInProgress", true},
	{112, ERRCODE_T_R_SERIALIZATION_FAILURE, "WriteConflict", false},
	{115, ERRCODE_FEATURE_NOT_SUPPORTED, "CommandNotSupported", true},
	{121, ERRCODE_CHECK_VIOLATION, "DocumentValidationFailure", false},
	{133, ERRCODE_CONNECTION_FAILURE, "FailedToSatisfyReadPreference", true},
	{134, ERRCODE_CONNECTION_FAILURE, "ReadConcernMajorityNotAvailableYet", true},
	{136, ERRCODE_FDW_ERROR, "CappedPositionLost", true},
	{146, ERRCODE_OUT_OF_MEMORY, "ExceededMemoryLimit", false},
	{166, ERRCODE_FEATURE_NOT_SUPPORTED, "CommandNotSupportedOnView", true},
	{167, ERRCODE_FEATURE_NOT_SUPPORTED, "OptionNotSupportedOnView", true},
	{189, ERRCODE_CONNECTION_FAILURE, "PrimarySteppedDown", true},
	{239, ERRCODE_T_R_SERIALIZATION_FAILURE, "SnapshotTooOld", true},
	{246, ERRCODE_T_R_SERIALIZATION_FAILURE, "SnapshotUnavailable", true},
	{251, ERRCODE_T_R_SERIALIZATION_FAILURE, "NoSuchTransaction", true},
	{262, ERRCODE_QUERY_CANCELED, "ExceededTimeLimit", true},
	{263, ERRCODE_FEATURE_NOT_SUPPORTED, "OperationNotSupportedInTransaction", true},
	{292, ERRCODE_OUT_OF_MEMORY, "QueryExceededMemoryLimitNoDiskUseAllowed", true},
	{9001, ERRCODE_CONNECTION_FAILURE, "SocketException", false},
	{10107, ERRCODE_CONNECTION_FAILURE, "NotWritablePrimary", true},
	{10334, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "BSONObjectTooLarge", false},
	{11000, ERRCODE_UNIQUE_VIOLATION, "DuplicateKey", false},
	{11600, ERRCODE_CONNECTION_FAILURE, "InterruptedAtShutdown", true},
	{11601, ERRCODE_QUERY_CANCELED, "Interrupted", true},
	{11602, ERRCODE_CONNECTION_FAILURE, "InterruptedDueToReplStateChange", true},
	{13435, ERRCODE_CONNECTION_FAILURE, "NotPrimaryNoSecondaryOk", true},
	{13436, ERRCODE_CONNECTION_FAILURE, "NotPrimaryOrSecondary", true},
};

static const ServerCode *
find_server_code(int code)
{
	for (int i = 0; i < lengthof(server_codes); i++)
		if (server_codes[i].code == code)
			return &server_codes[i];
	return NULL;
}

/* The name the server gives its code, if it looks like a name: letters and digits only. */
static const char *
reply_code_name(const bson_t *reply)
{
	bson_iter_t iter;
	const char *name;
	uint32_t len;

	if (reply == NULL || !bson_iter_init_find(&iter, reply, "codeName") ||
		!BSON_ITER_HOLDS_UTF8(&iter))
		return NULL;
	name = bson_iter_utf8(&iter, &len);
	if (len == 0 || len > 64 ||
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789") != len)
		return NULL;
	return pnstrdup(name, len);
}

/* A driver's or server's text on one line of printable ASCII: it comes from outside. */
static char *
clean_text(const char *text)
{
	char *copy = pstrdup(text);

	for (char *p = copy; *p != '\0'; p++)
		if (*p < 32 || *p > 126)
			*p = '?';
	return copy;
}

static void raise_server(const bson_error_t *error, const bson_t *reply, const char *command)
	pg_attribute_noreturn();
static void raise_driver(const bson_error_t *error, const char *command) pg_attribute_noreturn();

static void
raise_server(const bson_error_t *error, const bson_t *reply, const char *command)
{
	const ServerCode *known = find_server_code((int) error->code);
	const char *name = known != NULL ? known->name : reply_code_name(reply);

	if (known != NULL && known->code == 11000)
		ereport(ERROR,
				(errcode(known->sqlstate), errmsg("duplicate key in a unique index of the server"),
				 errcontext("MongoDB command \"%s\"", command)));
	if (known != NULL && known->code == 121)
		ereport(ERROR, (errcode(known->sqlstate),
						errmsg("document failed the validation of its collection"),
						errcontext("MongoDB command \"%s\"", command)));
	ereport(ERROR, (errcode(known != NULL ? known->sqlstate : ERRCODE_FDW_ERROR),
					name != NULL ? errmsg("MongoDB reported error %s (%d)", name, (int) error->code)
								 : errmsg("MongoDB reported error %d", (int) error->code),
					(known != NULL && known->plain && error->message[0] != '\0')
						? errdetail("%s", clean_text(error->message))
						: 0,
					errcontext("MongoDB command \"%s\"", command)));
}

static int
driver_sqlstate(const bson_error_t *error)
{
	switch (error->domain)
	{
		case DOMAIN_SERVER_SELECTION: return ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION;
		case DOMAIN_STREAM: return ERRCODE_CONNECTION_FAILURE;
		case DOMAIN_PROTOCOL: return ERRCODE_PROTOCOL_VIOLATION;
		case DOMAIN_SASL:
		case DOMAIN_SCRAM: return ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
		case DOMAIN_CLIENT:
			return error->code == CODE_CLIENT_AUTHENTICATE
					   ? ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION
					   : ERRCODE_FDW_ERROR;
		default: return ERRCODE_FDW_ERROR;
	}
}

static void
raise_driver(const bson_error_t *error, const char *command)
{
	int sqlstate = driver_sqlstate(error);
	const char *what;

	switch (sqlstate)
	{
		case ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION:
			what = "could not connect to the MongoDB server";
			break;
		case ERRCODE_CONNECTION_FAILURE: what = "connection to the MongoDB server failed"; break;
		case ERRCODE_PROTOCOL_VIOLATION: what = "MongoDB server broke the wire protocol"; break;
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
			what = "could not authenticate to the MongoDB server";
			break;
		default: what = "MongoDB driver could not run the command"; break;
	}
	/* What a server says of a credential may quote it. */
	if (sqlstate == ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION || error->message[0] == '\0')
		ereport(ERROR, (errcode(sqlstate), errmsg("%s", what),
						errcontext("MongoDB command \"%s\"", command)));
	ereport(ERROR,
			(errcode(sqlstate), errmsg("%s", what), errdetail("%s", clean_text(error->message)),
			 errcontext("MongoDB command \"%s\"", command)));
}

/*
 * Raise what the driver or the server reported for `command`.
 *
 * With error api 2 everything a server said has the domain SERVER; WRITE_CONCERN and the driver's
 * COMMAND domain carry server codes too when a reply is there.
 */
void
mtf_error_raise(const bson_error_t *error, const bson_t *reply, const char *command)
{
	/* The server refuses a credential as a command error, wrapped by the driver. */
	if (error->domain == DOMAIN_CLIENT || error->domain == DOMAIN_SASL ||
		error->domain == DOMAIN_SCRAM)
		raise_driver(error, command);
	if (error->domain == DOMAIN_SERVER || error->domain == DOMAIN_WRITE_CONCERN ||
		(reply != NULL && !bson_empty(reply) && error->domain == DOMAIN_COMMAND))
		raise_server(error, reply, command);
	raise_driver(error, command);
}

void
mtf_error_raise_token(void)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					errmsg("no valid tenant token in this session"),
					errhint("Set mongo_tenant.jwt to a token that is valid now.")));
}
