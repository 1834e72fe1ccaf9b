/*
 * client.h
 *	  One mongoc_client_t with its streams, and how it is lent out by its connection.
 *
 * A client serves one borrower at a time.  It is returned clean, or with a reply of no consequence
 * still to come (killCursors), or doomed.  The remote room's own header.
 */
#ifndef MTF_CLIENT_H
#define MTF_CLIENT_H

#include "base/compat.h"

#define MTF_REMOTE_ROOM
#include "base/driver_compat.h"

#include "remote/connection.h"
#include "remote/stream.h"

/* What all clients of one connection have in common; owned by the connection. */
typedef struct MtfClientConfig
{
	mongoc_uri_t *uri; /* with credentials: never printed */
	struct ssl_ctx_st *tls;
	bool tls_any_name;
	MtfTlsMode tls_mode;
	bool restricted;
	bool compressed; /* the URI asks for compression */
	char *allowed_hosts;
	int connect_timeout_ms;
	int selection_timeout_ms;
	int reply_timeout_ms;
	int max_idle; /* clients that are kept */
} MtfClientConfig;

/* A logical session: what a server ties operations and cursors to. */
typedef struct MtfSession
{
	uint8 uuid[16];
} MtfSession;

typedef struct MtfClient
{
	dlist_node node; /* in its connection's list of clients */
	MtfConnection *connection;
	MemoryContext context; /* the client lives in it */
	MtfStreams streams;
	mongoc_client_t *driver;
	struct ssl_ctx_st *tls; /* our reference */
	int reply_timeout_ms;
	int selection_timeout_ms;
	bool leased;
	bool doomed;  /* never lent again; destroyed when it is returned */
	bool killed;  /* its work on the server was ended over another connection */
	bool lingers; /* doomed, and kept until a command and the kill behind it are answered */
	int64 linger_until;
	bool compressed;

	/* the server in use, from mtf_client_select() */
	const char *read_preference; /* as asked for, a constant; NULL: no server selected yet */
	const char *mode;            /* as it is, with the connection string's; a constant */
	char address[BSON_HOST_NAME_MAX + 8];
	bool direct; /* our own messages may be sent to it */
	bool has_session;
	bool single;    /* a standalone server: no read preference is sent */
	bool secondary; /* wants to be told that reading there is meant */
	MtfSession session;
	int32 request_id;
	mongoc_client_session_t *driver_session; /* not direct: `session` is its; NULL: none yet */
} MtfClient;

/* Borrow a client whose server fits the read preference, connecting if need be.  Raises. */
extern MtfClient *mtf_connection_lease(MtfConnection *connection, const char *read_preference);

/*
 * Borrow another client to end what the server does for `victim`: an idle one, or a new one.  Never
 * raises: NULL when it cannot be had before `deadline`, or, if `patient`, before an interrupt comes.
 */
extern MtfClient *mtf_connection_lease_to_kill(MtfConnection *connection, const MtfClient *victim,
											   int64 deadline, bool patient);

/* Destroy the clients that nobody has borrowed: their servers may have changed their roles. */
extern void mtf_connection_drop_idle(MtfConnection *connection);

/*
 * Remember that the client's session, if it has one, may still have work on its server: whoever speaks to
 * that server next over the same connection ends it.  Never raises.
 */
extern void mtf_connection_remember(const MtfClient *client);

/* Give it back; a doomed one is destroyed.  Never raises. */
extern void mtf_connection_return(MtfClient *client);

/* A client that is not connected yet.  Raises. */
extern MtfClient *mtf_client_create(MtfConnection *connection, const MtfClientConfig *config);
extern void mtf_client_destroy(MtfClient *client);

/* Choose and reach a server: hello, authentication.  Raises, and dooms the client then. */
extern void mtf_client_select(MtfClient *client, const char *read_preference);

/* The same without raising, for killing: false when it failed or took longer than allowed. */
extern bool mtf_client_try_select(MtfClient *client, const char *read_preference,
								  bson_error_t *error);

/* True when the server in use was chosen under this read preference. */
extern bool mtf_client_fits(const MtfClient *client, const char *read_preference);

/* The driver's form of a read preference; NULL is primary.  To be destroyed by the caller. */
extern mongoc_read_prefs_t *mtf_client_read_prefs(MtfClient *client, const char *name);

/*
 * Append the session to the options of a driver's call, so that its work can be found and ended.  False:
 * the options have no room.
 */
extern bool mtf_client_append_session(MtfClient *client, bson_t *opts);

/* Bracket every call of the driver that may reach the network. */
extern void mtf_client_enter_driver(MtfClient *client);
extern void mtf_client_leave_driver(MtfClient *client);

extern void mtf_client_reset_driver(void);

/* True while the driver is on the stack: it must not be called, not even to clean up. */
extern bool mtf_client_in_driver(void);

/* The open connection to the selected server; NULL when it is gone. */
extern MtfStream *mtf_client_stream(MtfClient *client);

/* Raise what an MtfIo says (never MTF_IO_OK); the client is doomed. */
extern void mtf_client_raise_io(MtfClient *client, MtfIo io, const char *command)
	pg_attribute_noreturn();

/*
 * Raise after a failed call of the driver: a pending interrupt first, then what our sockets know
 * better than the driver, then the driver's error.  Dooms the client unless the server answered.
 */
extern void mtf_client_raise(MtfClient *client, const bson_error_t *error, const bson_t *reply,
							 const char *command) pg_attribute_noreturn();

#endif /* MTF_CLIENT_H */
