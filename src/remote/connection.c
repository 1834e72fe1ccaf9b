/*
 * connection.c
 *	  The cache of clients, one connection per (server, checked user) and backend.
 *
 * A connection holds what its clients have in common and a list of clients, one per cursor that is
 * open at the same time.  Connections are small and never freed, so that pointers to them stay good;
 * their clients come and go.
 *
 * Invalidation (ALTER, DROP, a change of roles, of allowed_hosts) only marks: the mark is looked at
 * when a client is asked for or given back.  Work under way ends on the client it began with.
 *
 * What must not happen here: a client lent twice, a client destroyed while lent, a URI with
 * credentials outside of the driver's own object.
 */
#include "remote/connection.h"

#include "access/xact.h"
#include "storage/ipc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "remote/client.h"

#include "base/diag.h"
#include "base/guard.h"
#include "base/key_dir.h"
#include "options/cache.h"
#include "options/uri.h"
#include "remote/kill.h"
#include "remote/tls.h"
#include "remote/wire.h"

#define CONNECT_TIMEOUT_MS   10000
#define SELECTION_TIMEOUT_MS 15000
#define REPLY_TIMEOUT_MS     300000
#define MAX_PASSWORD         1024

#define MAX_UNFINISHED 64

/* Doomed clients that wait for the answer to their last command. */
#define MAX_LINGERING 16

/*
 * A command that a broken connection had taken may still be unread by its server, and begin after a
 * kill: so long it is killed again, and how often at most.
 */
#define UNFINISHED_US INT64CONST(2000000)
#define KILL_AGAIN_US INT64CONST(200000)

/* Idle clients kept per connection: more are for queries with many scans, and closed after them. */
#define MAX_IDLE 4

/*
 * The driver multiplies by 1,000 in an int; half an hour is far enough away, since idle sockets are
 * looked at anyway.
 */
#define CHECK_INTERVAL_MS 1800000

char *mtf_setting_allowed_hosts = "";

typedef struct ConnectionKey
{
	Oid serverid;
	Oid userid; /* as checked, not the mapping's: users never share a client */
} ConnectionKey;

struct MtfConnection
{
	ConnectionKey key; /* first: the hash key */
	bool valid;        /* `config` reflects the catalogs */
	uint32 server_hash;
	MemoryContext context; /* of `config`; NULL: none */
	MtfClientConfig config;
	dlist_head clients;

	/* sessions on one server whose work could not be ended in time; the last ones */
	char unfinished_address[BSON_HOST_NAME_MAX + 8];
	MtfSession unfinished[MAX_UNFINISHED];
	int nunfinished;
	int64 remembered_at; /* the last one */
	int64 killed_at;     /* when all of them were killed last; 0: never since one was remembered */
	bool tried_again;    /* a query could not end them either */
};

static HTAB *connections = NULL;

/* ---- configuration ---- */

static void
destroy_uri(void *object)
{
	mongoc_uri_destroy((mongoc_uri_t *) object);
}

static void
init_driver(void)
{
	static bool done = false;

	if (done)
		return;
	/* The driver's counters would be a file of shared memory for each backend. */
	setenv("MONGOC_DISABLE_SHM", "1", 0);
	/* In this backend, after fork: never in the postmaster. */
	mongoc_init();
	/* The driver's log would go to stderr, and could quote what we must not. */
	mongoc_log_set_handler(NULL, NULL);
	(void) mongoc_handshake_data_append("mongo_tenant_fdw", NULL, NULL);
	done = true;
}

static void raise_unusable(const MtfServerOptions *server, const char *detail)
	pg_attribute_noreturn();

static void
raise_unusable(const MtfServerOptions *server, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("options of server \"%s\" or of its user mapping cannot be used", server->name),
			 errdetail_internal("%s", detail)));
}

static int
default_int(mongoc_uri_t *uri, const char *option, int value)
{
	if (mongoc_uri_get_option_as_int32(uri, option, 0) <= 0)
		mongoc_uri_set_option_as_int32(uri, option, value);
	return mongoc_uri_get_option_as_int32(uri, option, value);
}

static void
set_timeouts(MtfClientConfig *config)
{
	mongoc_uri_t *uri = config->uri;

	config->connect_timeout_ms = default_int(uri, MONGOC_URI_CONNECTTIMEOUTMS, CONNECT_TIMEOUT_MS);
	config->selection_timeout_ms =
		default_int(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, SELECTION_TIMEOUT_MS);
	config->reply_timeout_ms = default_int(uri, MONGOC_URI_SOCKETTIMEOUTMS, REPLY_TIMEOUT_MS);
	mongoc_uri_set_option_as_int32(uri, MONGOC_URI_HEARTBEATFREQUENCYMS, CHECK_INTERVAL_MS);
	mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETCHECKINTERVALMS, CHECK_INTERVAL_MS);
	/* One scan of the hosts: the driver sleeps between scans, and nothing would wake it. */
	mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, true);
	/* Retries are ours: only before a row was returned, and never in a cancelled query. */
	mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false);
	if (mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_APPNAME, NULL) == NULL)
		mongoc_uri_set_appname(uri, "mongo_tenant_fdw");
}

static const char *
read_password(const MtfUserOptions *user)
{
	char *password;
	size_t len;

	if (user->password_file == NULL)
		return user->password;
	password = mtf_key_dir_read(user->password_file, MAX_PASSWORD, &len);
	while (len > 0 && (password[len - 1] == '\n' || password[len - 1] == '\r'))
		password[--len] = '\0';
	return password;
}

/* Credentials by setters: nothing of them is ever parsed as a URI. */
static void
set_credentials(mongoc_uri_t *uri, const MtfServerOptions *server, const MtfUserOptions *user)
{
	const char *mechanism = user->auth_mechanism;
	const char *username = user->username;
	const char *password = read_password(user);
	bool x509 = mechanism != NULL && strcmp(mechanism, "X.509") == 0;
	bool ok = true;

	if (x509)
		mechanism = "MONGODB-X509";
	if (x509 && username == NULL && user->tls_certificate_key_file != NULL)
		username = mtf_tls_subject(mtf_key_dir_path(user->tls_certificate_key_file));
	if (username != NULL)
		ok = mongoc_uri_set_username(uri, username);
	if (ok && password != NULL && !x509)
		ok = mongoc_uri_set_password(uri, password);
	if (ok && mechanism != NULL)
		ok = mongoc_uri_set_auth_mechanism(uri, mechanism);
	if (ok && (x509 || (mechanism != NULL && strcmp(mechanism, "MONGODB-AWS") == 0)))
		ok = mongoc_uri_set_auth_source(uri, "$external");
	else if (ok && user->auth_source != NULL)
		ok = mongoc_uri_set_auth_source(uri, user->auth_source);
	if (!ok)
		raise_unusable(server,
					   "A credential of the user mapping is not valid UTF-8 or not supported.");
}

static void
destroy_tls(void *object)
{
	mtf_tls_context_destroy(object);
}

static void
set_tls(MtfClientConfig *config, const MtfServerOptions *server, const MtfUserOptions *user)
{
	MtfTlsFiles files = {0};
	const MtfUri *given;
	MtfUri parsed;
	const char *why;
	MtfGuard *guard;
	bool insecure = mongoc_uri_get_option_as_bool(config->uri, MONGOC_URI_TLSINSECURE, false);

	if (!mtf_uri_parse(server->uri, &parsed, &why))
		raise_unusable(server, why);
	given = &parsed;
	config->tls_mode = !given->tls_given ? MTF_TLS_DEFAULT : given->tls ? MTF_TLS_ON : MTF_TLS_OFF;
	if (given->is_srv && !given->tls_given)
		config->tls_mode = MTF_TLS_ON;
	if (user->tls_certificate_key_file != NULL && config->tls_mode == MTF_TLS_DEFAULT)
		config->tls_mode = MTF_TLS_ON;
	config->tls_any_name = insecure || mongoc_uri_get_option_as_bool(
										   config->uri, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES, false);
	if (config->tls_mode == MTF_TLS_OFF || (config->tls_mode == MTF_TLS_DEFAULT && given->is_local))
		return;
	if (server->tls_ca_file != NULL)
		files.ca_file = mtf_key_dir_path(server->tls_ca_file);
	if (user->tls_certificate_key_file != NULL)
		files.certificate_key_file = mtf_key_dir_path(user->tls_certificate_key_file);
	guard = mtf_guard_arm(CurrentMemoryContext, destroy_tls);
	config->tls = mtf_guard_hold(
		guard,
		mtf_tls_context_create(
			&files, insecure || mongoc_uri_get_option_as_bool(
									config->uri, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES, false)));
}

/* Read options into `config`; everything lives in the current memory context. */
static void
load_config(MtfClientConfig *config, ConnectionKey key)
{
	const MtfServerOptions *server = mtf_server_options(key.serverid);
	MtfUserOptions *user = mtf_user_options(key.serverid, key.userid);
	MtfGuard *guard = mtf_guard_arm(CurrentMemoryContext, destroy_uri);
	bson_error_t error;
	mongoc_uri_t *uri;

	mtf_options_check_owners(server, user);
	init_driver();
	if (server->uri == NULL)
		raise_unusable(server, "The server has no option \"uri\".");
	uri = mongoc_uri_new_with_error(server->uri, &error);
	if (uri == NULL)
		raise_unusable(server, "The driver does not understand the option \"uri\".");
	config->uri = mtf_guard_hold(guard, uri);
	config->restricted = !superuser_arg(server->owner);
	config->max_idle = Max(MAX_IDLE, server->parallel);
	config->allowed_hosts = pstrdup(mtf_setting_allowed_hosts);
	config->compressed =
		mongoc_uri_get_compressors(uri) != NULL && !bson_empty(mongoc_uri_get_compressors(uri));
	set_timeouts(config);
	set_tls(config, server, user);
	set_credentials(uri, server, user);
}

/* ---- the list of clients ---- */

static void
forget_client(MtfClient *client)
{
	dlist_delete(&client->node);
	mtf_client_destroy(client);
}

void
mtf_connection_drop_idle(MtfConnection *connection)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &connection->clients)
	{
		MtfClient *client = dlist_container(MtfClient, node, iter.cur);

		if (!client->leased && !client->lingers)
			forget_client(client);
	}
}

/* Has a client that lingers had its answers, or can it have none any more? */
static bool
has_lingered(MtfClient *client)
{
	MtfStream *stream = mtf_client_stream(client);
	MtfIo io;

	client->streams.network.persist = true;
	io = stream == NULL ? MTF_IO_CLOSED : mtf_stream_drain(stream, 0);
	if (io == MTF_IO_OK)
		return true;
	if (io == MTF_IO_AGAIN && mtf_clock() < client->linger_until)
		return false;
	/* The connection broke: whether the kill was read is not known. */
	mtf_connection_remember(client);
	return true;
}

/* Destroy the clients that have lingered; without waiting for any. */
static void
sweep(MtfConnection *connection)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &connection->clients)
	{
		MtfClient *client = dlist_container(MtfClient, node, iter.cur);

		if (!client->leased && client->lingers && has_lingered(client))
			forget_client(client);
	}
}

/* Keep a client until it is answered; of too many, the oldest goes: its kill is sent. */
static void
linger(MtfClient *client)
{
	MtfConnection *connection = client->connection;
	MtfClient *oldest = NULL;
	int n = 0;
	dlist_iter iter;

	client->linger_until = mtf_clock() + client->reply_timeout_ms * INT64CONST(1000);
	dlist_foreach(iter, &connection->clients)
	{
		MtfClient *other = dlist_container(MtfClient, node, iter.cur);

		if (other->leased || !other->lingers)
			continue;
		n++;
		if (oldest == NULL || other->linger_until < oldest->linger_until)
			oldest = other;
	}
	if (n > MAX_LINGERING)
	{
		mtf_connection_remember(oldest);
		forget_client(oldest);
	}
}

/* Destroy the clients that nobody has borrowed, and doom the others. */
static void
drop_clients(MtfConnection *connection)
{
	dlist_iter iter;

	mtf_connection_drop_idle(connection);
	dlist_foreach(iter, &connection->clients) dlist_container(MtfClient, node, iter.cur)->doomed =
		true;
}

static void
ensure_valid(MtfConnection *connection)
{
	MtfClientConfig config = {0};
	MemoryContext context;
	MemoryContext old;

	if (connection->valid &&
		(!connection->config.restricted ||
		 strcmp(connection->config.allowed_hosts, mtf_setting_allowed_hosts) == 0))
		return;
	connection->valid = false;
	drop_clients(connection);
	/* A child of the caller's context until it is complete, so that an error frees it. */
	context = AllocSetContextCreate(CurrentMemoryContext, "mongo_tenant_fdw connection",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	/* Before the catalogs are read: what changes meanwhile must be seen. */
	connection->valid = true;
	PG_TRY();
	{
		load_config(&config, connection->key);
	}
	PG_CATCH();
	{
		connection->valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	if (connection->context != NULL)
		MemoryContextDelete(connection->context);
	MemoryContextSetParent(context, TopMemoryContext);
	connection->context = context;
	connection->config = config;
}

/* Is there work on this client's server that could not be ended in time? */
static bool
has_unfinished(const MtfClient *client)
{
	const MtfConnection *connection = client->connection;

	return connection->nunfinished > 0 &&
		   strcmp(connection->unfinished_address, client->address) == 0;
}

/* The process ends: sessions of idle clients need not wait on their servers for half an hour. */
static void
say_farewell(int code, Datum arg)
{
	HASH_SEQ_STATUS status;
	MtfConnection *connection;

	if (mtf_client_in_driver())
		return;
	hash_seq_init(&status, connections);
	while ((connection = hash_seq_search(&status)) != NULL)
	{
		dlist_iter iter;

		sweep(connection);
		dlist_foreach(iter, &connection->clients)
		{
			MtfClient *client = dlist_container(MtfClient, node, iter.cur);

			if (client->leased)
				continue;
			mtf_kill_farewell(client, connection->unfinished,
							  has_unfinished(client) ? connection->nunfinished : 0);
		}
	}
}

static void
create_cache(void)
{
	HASHCTL control = {.keysize = sizeof(ConnectionKey),
					   .entrysize = sizeof(MtfConnection),
					   .hcxt = TopMemoryContext};

	connections = hash_create("mongo_tenant_fdw connections", 8, &control,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	on_proc_exit(say_farewell, (Datum) 0);
}

MtfConnection *
mtf_connection_get(Oid serverid, Oid userid)
{
	ConnectionKey key = {.serverid = serverid, .userid = userid};
	MtfConnection *connection;
	bool found;

	if (connections == NULL)
		create_cache();
	connection = hash_search(connections, &key, HASH_ENTER, &found);
	if (!found)
	{
		connection->valid = false;
		connection->context = NULL;
		connection->nunfinished = 0;
		connection->unfinished_address[0] = '\0';
		memset(&connection->config, 0, sizeof(connection->config));
		dlist_init(&connection->clients);
		connection->server_hash =
			GetSysCacheHashValue1(FOREIGNSERVEROID, ObjectIdGetDatum(serverid));
	}
	ensure_valid(connection);
	return connection;
}

/* ---- lending ---- */

static MtfClient *
create_client(MtfConnection *connection)
{
	MtfClient *client = mtf_client_create(connection, &connection->config);

	dlist_push_head(&connection->clients, &client->node);
	return client;
}

/* True when an idle client can be lent as it is: connected, fitting, its last reply read. */
static bool
is_ready(MtfClient *client, const char *read_preference)
{
	MtfStream *stream;

	if (!mtf_client_fits(client, read_preference))
		return false;
	if (!client->direct)
		return true;
	stream = mtf_client_stream(client);
	if (stream != NULL && mtf_stream_is_outstanding(stream) && !mtf_wire_drain(client, 0))
		return false;
	if (stream == NULL || mtf_stream_is_stale(stream))
	{
		client->doomed = true;
		return false;
	}
	return true;
}

static MtfClient *
find_ready(MtfConnection *connection, const char *read_preference)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &connection->clients)
	{
		MtfClient *client = dlist_container(MtfClient, node, iter.cur);

		if (client->leased || client->lingers)
			continue;
		if (!client->doomed && is_ready(client, read_preference))
			return client;
		if (client->doomed)
			forget_client(client);
	}
	return NULL;
}

void
mtf_connection_remember(const MtfClient *client)
{
	MtfConnection *connection = client->connection;

	if (!client->has_session)
		return;
	if (strcmp(connection->unfinished_address, client->address) != 0)
		connection->nunfinished = 0;
	strlcpy(connection->unfinished_address, client->address,
			sizeof(connection->unfinished_address));
	if (connection->nunfinished == MAX_UNFINISHED)
		memmove(connection->unfinished, connection->unfinished + 1,
				sizeof(MtfSession) * --connection->nunfinished);
	connection->unfinished[connection->nunfinished++] = client->session;
	connection->tried_again = false;
	connection->remembered_at = mtf_clock();
	connection->killed_at = 0;
}

/*
 * End what earlier queries could not, in two tries; a client that fails at it is replaced.  They are
 * forgotten when they were killed so late that nothing of them can have begun afterwards.
 */
static void
finish_unfinished(MtfClient *client)
{
	MtfConnection *connection = client->connection;

	if (!has_unfinished(client) ||
		(connection->killed_at != 0 && mtf_clock() - connection->killed_at < KILL_AGAIN_US))
		return;
	connection->killed_at = mtf_clock();
	if (mtf_kill_remembered(client, connection->unfinished, connection->nunfinished))
	{
		connection->tried_again = false;
		if (connection->killed_at - connection->remembered_at > UNFINISHED_US)
			connection->nunfinished = 0;
		return;
	}
	client->doomed = true;
	if (connection->tried_again)
		connection->nunfinished = 0;
	connection->tried_again = true;
	connection->killed_at = 0;
}

static MtfClient *
connect_client(MtfConnection *connection, const char *read_preference)
{
	MtfClient *client = create_client(connection);

	client->leased = true;
	PG_TRY();
	{
		mtf_client_select(client, read_preference);
	}
	PG_CATCH();
	{
		/* A password or a certificate that was wrong may be mended in its file, which tells nobody. */
		connection->valid = false;
		mtf_connection_return(client);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return client;
}

MtfClient *
mtf_connection_lease(MtfConnection *connection, const char *read_preference)
{
	/* Again only after finish_unfinished() has failed, which it does twice at most. */
	for (;;)
	{
		MtfClient *client;

		ensure_valid(connection);
		sweep(connection);
		client = find_ready(connection, read_preference);
		if (client != NULL)
			client->leased = true;
		else
			client = connect_client(connection, read_preference);
		finish_unfinished(client);
		if (!client->doomed)
			return client;
		mtf_connection_return(client);
	}
}

void
mtf_connection_return(MtfClient *client)
{
	MtfConnection *connection = client->connection;
	int idle = 0;
	dlist_iter iter;

	client->leased = false;
	client->streams.network.canceled = false;
	client->streams.network.persist = false;
	client->streams.network.direct = false;
	client->streams.network.deadline = 0;
	client->streams.network.why[0] = '\0';
	if (mtf_client_in_driver())
		return;
	dlist_foreach(iter, &connection->clients)
	{
		MtfClient *other = dlist_container(MtfClient, node, iter.cur);

		if (!other->leased && !other->lingers)
			idle++;
	}
	if (client->lingers)
		linger(client);
	else if (client->doomed || !connection->valid || idle > connection->config.max_idle)
		forget_client(client);
	sweep(connection);
}

/* An idle client that is connected to the same server and has nothing to read. */
static MtfClient *
find_killer(MtfConnection *connection, const MtfClient *victim)
{
	dlist_iter iter;

	dlist_foreach(iter, &connection->clients)
	{
		MtfClient *client = dlist_container(MtfClient, node, iter.cur);
		MtfStream *stream = mtf_client_stream(client);

		if (!client->leased && !client->doomed && stream != NULL &&
			strcmp(client->address, victim->address) == 0 && !mtf_stream_is_stale(stream))
			return client;
	}
	return NULL;
}

/* A new client for the same server; what it may raise is swallowed, since an error is on its way. */
static MtfClient *
create_killer(MtfConnection *connection, const MtfClient *victim, int64 deadline, bool patient)
{
	MemoryContext context = CurrentMemoryContext;
	MtfClient *volatile client = NULL;
	bson_error_t error;

	PG_TRY();
	{
		client = create_client(connection);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		client = NULL;
	}
	PG_END_TRY();
	if (client == NULL)
		return NULL;
	client->streams.network.persist = !patient;
	client->streams.network.deadline = deadline;
	if (mtf_client_try_select(client, victim->read_preference, &error) &&
		strcmp(client->address, victim->address) == 0)
		return client;
	forget_client(client);
	return NULL;
}

MtfClient *
mtf_connection_lease_to_kill(MtfConnection *connection, const MtfClient *victim, int64 deadline,
							 bool patient)
{
	MtfClient *client;

	if (mtf_client_in_driver())
		return NULL;
	client = find_killer(connection, victim);
	/* The options may have changed, or the process may be ending: then no new connection. */
	if (client == NULL && connection->valid && !proc_exit_inprogress)
		client = create_killer(connection, victim, deadline, patient);
	if (client != NULL)
		client->leased = true;
	return client;
}

/* ---- invalidation ---- */

static void
invalidate(Datum arg, int cache_id, uint32 hash_value)
{
	HASH_SEQ_STATUS status;
	MtfConnection *connection;

	if (connections == NULL)
		return;
	hash_seq_init(&status, connections);
	while ((connection = hash_seq_search(&status)) != NULL)
		/*
		 * A new mapping can take the place of PUBLIC's, and a role can lose its rights: neither
		 * has a hash value that we know, and both are rare.
		 */
		if (cache_id != FOREIGNSERVEROID || hash_value == 0 ||
			connection->server_hash == hash_value)
			connection->valid = false;
}

/*
 * Between transactions the driver is on no stack: should an error ever have jumped over one of its
 * calls, cleaning up works again.  Not while the process ends, which may be inside of a call.  Clients that
 * linger are looked at also where later statements are of other servers, or of none.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	HASH_SEQ_STATUS status;
	MtfConnection *connection;

	if ((event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT) || proc_exit_inprogress)
		return;
	mtf_client_reset_driver();
	if (connections == NULL)
		return;
	hash_seq_init(&status, connections);
	while ((connection = hash_seq_search(&status)) != NULL)
		sweep(connection);
}

void
mtf_connection_init(void)
{
	mtf_diag_register("libmongoc (running)", mongoc_get_version);
	RegisterXactCallback(at_transaction_end, NULL);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, invalidate, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, invalidate, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, invalidate, (Datum) 0);
}
