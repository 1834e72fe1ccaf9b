/*
 * client.c
 *	  One mongoc_client_t with its streams.
 *
 * Single-threaded clients only: the driver starts no thread, and does its monitoring inside of our
 * calls, on our streams.  Its idle checks (pings) and its heartbeat are put off so far that a query
 * costs its own command and nothing else; whether an idle connection still stands is seen on the
 * socket, and a server that changed its role says so.
 *
 * What must not happen here: a URI or a credential in any message; an ereport while the driver is on
 * the stack; the driver called while it is on the stack already.
 */
#include "remote/client.h"

#include <openssl/ssl.h>

#include "storage/ipc.h"
#include "utils/memutils.h"

#include "base/error.h"
#include "remote/tls.h"

static int driver_depth = 0;

void
mtf_client_enter_driver(MtfClient *client)
{
	driver_depth++;
}

void
mtf_client_leave_driver(MtfClient *client)
{
	Assert(driver_depth > 0);
	driver_depth--;
}

void
mtf_client_reset_driver(void)
{
	driver_depth = 0;
}

bool
mtf_client_in_driver(void)
{
	return driver_depth > 0;
}

/* ---- life ---- */

static void
init_network(MtfNetwork *network, const MtfClientConfig *config)
{
	network->restricted = config->restricted;
	network->allowed_hosts = pstrdup(config->allowed_hosts);
	network->tls_mode = config->tls_mode;
	network->tls = config->tls;
	network->tls_any_name = config->tls_any_name;
	network->connect_timeout_ms = config->connect_timeout_ms;
}

static void raise_no_client(MtfClient *client, const bson_error_t *error) pg_attribute_noreturn();

/* An SRV record that cannot be found, or an option the driver refuses: nothing is connected yet. */
static void
raise_no_client(MtfClient *client, const bson_error_t *error)
{
	char detail[sizeof(error->message)];

	strlcpy(detail, error->message, sizeof(detail));
	mtf_client_destroy(client);
	ereport(ERROR, (errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
					errmsg("could not set up the connection to the MongoDB server"),
					detail[0] != '\0' ? errdetail("%s", detail) : 0));
}

MtfClient *
mtf_client_create(MtfConnection *connection, const MtfClientConfig *config)
{
	MemoryContext context;
	MemoryContext old;
	MtfClient *client;
	bson_error_t error = {0};
	MtfSession session;

	if (!pg_strong_random(session.uuid, sizeof(session.uuid)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a session id")));
	context =
		AllocSetContextCreate(TopMemoryContext, "mongo_tenant_fdw client", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	client = palloc0(sizeof(MtfClient));

	client->connection = connection;
	client->context = context;
	client->reply_timeout_ms = config->reply_timeout_ms;
	client->selection_timeout_ms = config->selection_timeout_ms;
	client->compressed = config->compressed;
	mtf_streams_init(&client->streams);
	init_network(&client->streams.network, config);
	/* RFC 4122, version 4 */
	session.uuid[6] = (session.uuid[6] & 0x0f) | 0x40;
	session.uuid[8] = (session.uuid[8] & 0x3f) | 0x80;
	client->session = session;
	MemoryContextSwitchTo(old);

	if (config->tls != NULL && SSL_CTX_up_ref(config->tls) == 1)
		client->tls = config->tls;
	client->driver = mongoc_client_new_from_uri_with_error(config->uri, &error);
	if (client->driver == NULL)
		raise_no_client(client, &error);
	mongoc_client_set_error_api(client->driver, 2);
	mongoc_client_set_stream_initiator(client->driver, mtf_stream_initiate, &client->streams);
	return client;
}

/*
 * Destroy without any traffic: the driver would end its sessions on the server, which could wait.
 * In a callback of the driver, or when the process ends inside of one, it is left to the kernel.
 */
void
mtf_client_destroy(MtfClient *client)
{
	mongoc_client_t *driver = client->driver;

	if (mtf_client_in_driver())
		return;
	client->driver = NULL;
	client->streams.network.shut = true;
	if (driver != NULL)
	{
		mtf_client_enter_driver(client);
		if (client->driver_session != NULL)
			mongoc_client_session_destroy(client->driver_session);
		mongoc_client_destroy(driver);
		mtf_client_leave_driver(client);
	}
	if (client->tls != NULL)
		mtf_tls_context_destroy(client->tls);
	MemoryContextDelete(client->context);
}

MtfStream *
mtf_client_stream(MtfClient *client)
{
	return client->read_preference == NULL ? NULL
										   : mtf_stream_find(&client->streams, client->address);
}

/* The driver has sessions of its own: one is made here for all that it does for this client. */
static void
begin_driver_session(MtfClient *client)
{
	mongoc_session_opt_t *opts = mongoc_session_opts_new();
	bson_error_t error;
	bson_iter_t iter;
	bson_subtype_t subtype;
	uint32_t len = 0;
	const uint8_t *uuid = NULL;

	/* A read need not see what another one of the session has seen. */
	mongoc_session_opts_set_causal_consistency(opts, false);
	mtf_client_enter_driver(client);
	client->driver_session = mongoc_client_start_session(client->driver, opts, &error);
	mtf_client_leave_driver(client);
	mongoc_session_opts_destroy(opts);
	if (client->driver_session != NULL &&
		bson_iter_init_find(&iter, mongoc_client_session_get_lsid(client->driver_session), "id") &&
		BSON_ITER_HOLDS_BINARY(&iter))
		bson_iter_binary(&iter, &subtype, &len, &uuid);
	if (len == sizeof(client->session.uuid))
		memcpy(client->session.uuid, uuid, len);
	else
		client->has_session = false;
}

bool
mtf_client_append_session(MtfClient *client, bson_t *opts)
{
	bson_error_t error;

	if (client->has_session && client->driver_session == NULL)
		begin_driver_session(client);
	return !client->has_session ||
		   mongoc_client_session_append(client->driver_session, opts, &error);
}

/* ---- errors ---- */

static void
check_interrupt(MtfClient *client)
{
	if (!client->streams.network.canceled)
		return;
	CHECK_FOR_INTERRUPTS();
	/* Held off, or cleared meanwhile: the command was ended all the same. */
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("canceling statement due to an interrupt while waiting for the server")));
}

static void
check_refused(const MtfNetwork *network)
{
	if (network->refused)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("connection to a host that is not allowed"),
						errdetail("%s", network->why)));
}

void
mtf_client_raise_io(MtfClient *client, MtfIo io, const char *command)
{
	const MtfNetwork *network = &client->streams.network;
	int sqlstate = io == MTF_IO_PROTOCOL ? ERRCODE_PROTOCOL_VIOLATION : ERRCODE_CONNECTION_FAILURE;

	client->doomed = true;
	check_interrupt(client);
	check_refused(network);
	ereport(ERROR, (errcode(sqlstate),
					io == MTF_IO_PROTOCOL  ? errmsg("MongoDB server broke the wire protocol")
					: io == MTF_IO_TIMEOUT ? errmsg("MongoDB server did not answer in time")
										   : errmsg("connection to the MongoDB server failed"),
					network->why[0] != '\0' ? errdetail("%s", network->why) : 0,
					errcontext("MongoDB command \"%s\"", command)));
}

void
mtf_client_raise(MtfClient *client, const bson_error_t *error, const bson_t *reply,
				 const char *command)
{
	const MtfNetwork *network = &client->streams.network;

	/* Only a server's own answer leaves the connection in order. */
	if (error->domain != MONGOC_ERROR_SERVER)
		client->doomed = true;
	check_interrupt(client);
	check_refused(network);
	if (network->broken)
		mtf_client_raise_io(client, MTF_IO_PROTOCOL, command);
	if (network->why[0] != '\0' && error->domain != MONGOC_ERROR_SERVER)
	{
		bool selecting = error->domain == MONGOC_ERROR_SERVER_SELECTION;

		ereport(ERROR,
				(errcode(selecting ? ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION
								   : ERRCODE_CONNECTION_FAILURE),
				 selecting ? errmsg("could not connect to the MongoDB server")
						   : errmsg("connection to the MongoDB server failed"),
				 errdetail("%s", network->why), errcontext("MongoDB command \"%s\"", command)));
	}
	mtf_error_raise(error, reply, command);
}

/* ---- choosing a server ---- */

static const struct
{
	const char *name;
	mongoc_read_mode_t mode;
} read_modes[] = {{"primary", MONGOC_READ_PRIMARY},
				  {"primaryPreferred", MONGOC_READ_PRIMARY_PREFERRED},
				  {"secondary", MONGOC_READ_SECONDARY},
				  {"secondaryPreferred", MONGOC_READ_SECONDARY_PREFERRED},
				  {"nearest", MONGOC_READ_NEAREST}};

/* Index of a mode in the table; what is not said is primary. */
static int
find_read_mode(const char *name)
{
	for (int i = 0; name != NULL && i < lengthof(read_modes); i++)
		if (strcmp(read_modes[i].name, name) == 0)
			return i;
	return 0;
}

/*
 * The option's mode; the connection string's own read preference, with its tags, counts where the
 * option says the same mode or has its default.
 */
mongoc_read_prefs_t *
mtf_client_read_prefs(MtfClient *client, const char *name)
{
	const mongoc_read_prefs_t *of_uri = mongoc_client_get_read_prefs(client->driver);
	mongoc_read_mode_t mode = read_modes[find_read_mode(name)].mode;

	if (mode == MONGOC_READ_PRIMARY || mode == mongoc_read_prefs_get_mode(of_uri))
		return mongoc_read_prefs_copy(of_uri);
	return mongoc_read_prefs_new(mode);
}

static const char *
read_mode_name(const mongoc_read_prefs_t *prefs)
{
	for (int i = 0; i < lengthof(read_modes); i++)
		if (read_modes[i].mode == mongoc_read_prefs_get_mode(prefs))
			return read_modes[i].name;
	return read_modes[0].name;
}

bool
mtf_client_fits(const MtfClient *client, const char *read_preference)
{
	return client->read_preference == read_modes[find_read_mode(read_preference)].name;
}

/* What the server is, and so what may be sent to it directly. */
static void
learn_server(MtfClient *client, mongoc_server_description_t *server)
{
	const char *type = mongoc_server_description_type(server);
	const bson_t *hello = mongoc_server_description_hello_response(server);
	bson_iter_t iter;

	strlcpy(client->address, mongoc_server_description_host(server)->host_and_port,
			sizeof(client->address));
	client->single = strcmp(type, "Standalone") == 0;
	client->secondary = strcmp(type, "RSSecondary") == 0;
	client->direct = !client->compressed &&
					 (client->single || client->secondary || strcmp(type, "RSPrimary") == 0) &&
					 bson_iter_init_find(&iter, hello, "maxWireVersion") &&
					 bson_iter_as_int64(&iter) >= 6;
	client->has_session = bson_iter_init_find(&iter, hello, "logicalSessionTimeoutMinutes") &&
						  bson_iter_as_int64(&iter) > 0;
}

bool
mtf_client_try_select(MtfClient *client, const char *read_preference, bson_error_t *error)
{
	mongoc_read_prefs_t *prefs = mtf_client_read_prefs(client, read_preference);
	mongoc_server_description_t *chosen;
	mongoc_server_description_t *server = NULL;

	memset(error, 0, sizeof(*error));
	client->read_preference = NULL;
	client->streams.network.why[0] = '\0';
	mtf_client_enter_driver(client);
	chosen = mongoc_client_select_server(client->driver, false, prefs, error);
	/* Hello alone does not authenticate; this does. */
	if (chosen != NULL)
		server = mongoc_client_get_handshake_description(
			client->driver, mongoc_server_description_id(chosen), NULL, error);
	mtf_client_leave_driver(client);
	if (server != NULL)
	{
		learn_server(client, server);
		client->read_preference = read_modes[find_read_mode(read_preference)].name;
		client->mode = read_mode_name(prefs);
		mongoc_server_description_destroy(server);
	}
	if (chosen != NULL)
		mongoc_server_description_destroy(chosen);
	mongoc_read_prefs_destroy(prefs);
	return server != NULL;
}

void
mtf_client_select(MtfClient *client, const char *read_preference)
{
	MtfNetwork *network = &client->streams.network;
	bson_error_t error;

	network->deadline = mtf_clock() + client->selection_timeout_ms * INT64CONST(1000);
	if (!mtf_client_try_select(client, read_preference, &error))
	{
		client->doomed = true;
		mtf_client_raise(client, &error, NULL, "hello");
	}
	network->deadline = 0;
	/* A member of a set that did not answer has left its words behind. */
	network->why[0] = '\0';
}
