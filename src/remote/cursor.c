/*
 * cursor.c
 *	  A running aggregate of a sealed pipeline, read batch by batch.
 *
 * Two ways to the server.  Direct: our own messages over the driver's authenticated stream, each
 * reply read once into one block; the next batch is asked for before the current one is handed out,
 * so that the server works while we decode.  Driver: mongoc_cursor_t, under compression, on sharded
 * clusters and on anything we do not know.
 *
 * A cursor borrows a client for as long as it may have to speak; the client's last words (killCursors)
 * need no answer before it is given back.
 *
 * What must not happen here: an error taken for an end of data, a document of another collection or
 * cursor, a raise out of a memory context's callback, a cursor left open on the server.
 */
#include "remote/cursor.h"

#define MTF_REMOTE_ROOM
#include "base/driver_compat.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "base/error.h"
#include "remote/cursor_private.h"
#include "remote/kill.h"

/* Between two tries to borrow a client. */
#define RETRY_PAUSE_MS 200

#define CODE_CURSOR_NOT_FOUND 43

#define CLOSE_WAIT_US INT64CONST(100000)

/* How long a wait on several cursors goes without serving other processes. */
#define SLICE_US INT64CONST(100000)

/* ---- opening and closing ---- */

static PipelineShape
pipeline_shape(const MtfPipeline *pipeline)
{
	PipelineShape shape = {0};
	bson_iter_t stages;
	bson_iter_t stage;

	if (!bson_iter_init(&stages, mtf_pipeline_stages(pipeline)))
		return shape;
	while (bson_iter_next(&stages))
	{
		const char *name;

		if (!BSON_ITER_HOLDS_DOCUMENT(&stages) || !bson_iter_recurse(&stages, &stage) ||
			!bson_iter_next(&stage))
			continue;
		name = bson_iter_key(&stage);
		if (strcmp(name, "$limit") == 0)
			shape.limit = bson_iter_as_int64(&stage);
		else if (strcmp(name, "$project") != 0)
			shape.limit = 0;
		if (strcmp(name, "$sort") == 0 || strcmp(name, "$group") == 0)
			shape.gathers = true;
	}
	return shape;
}

static bool
is_outstanding(MtfCursor *cursor)
{
	MtfStream *stream = mtf_client_stream(cursor->client);

	return stream != NULL && mtf_stream_is_outstanding(stream);
}

static void
release_client(MtfCursor *cursor)
{
	MtfClient *client = cursor->client;

	cursor->client = NULL;
	if (client != NULL)
		mtf_connection_return(client);
}

/*
 * End the server's work and give the client back.  Never raises: it runs in callbacks, too, while a
 * transaction aborts.
 */
static void
close_quietly(MtfCursor *cursor)
{
	MtfClient *client = cursor->client;

	if (cursor->state == CURSOR_CLOSED)
		return;
	cursor->state = CURSOR_CLOSED;
	if (client == NULL || mtf_client_in_driver())
		return;
	if (cursor->driver != NULL)
		mtf_cursor_close_driver(cursor);
	else if (client->direct)
		mtf_kill_cursor(client, cursor->database, cursor->collection, cursor->id, cursor->asked);
	cursor->id = 0;
	release_client(cursor);
}

static void
cursor_callback(void *arg)
{
	close_quietly((MtfCursor *) arg);
}

MtfCursor *
mtf_cursor_open(MtfConnection *connection, const MtfPipeline *pipeline,
				const MtfCursorOptions *options)
{
	const MtfScope *scope = mtf_pipeline_scope(pipeline);
	MtfCursor *cursor;

	if (!mtf_scope_is_bound(scope))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("a pipeline without a tenant cannot be run")));
	cursor = palloc0(sizeof(MtfCursor));
	cursor->context = CurrentMemoryContext;
	cursor->connection = connection;
	cursor->pipeline = pipeline;
	cursor->options = *options;
	cursor->database = mtf_scope_database(scope);
	cursor->collection = mtf_scope_collection(scope);
	cursor->shape = pipeline_shape(pipeline);
	cursor->ns = psprintf("%s.%s", cursor->database, cursor->collection);
	cursor->buffer.context = CurrentMemoryContext;
	cursor->command = mtf_bson_create(CurrentMemoryContext);
	cursor->driver_guard = mtf_guard_arm(CurrentMemoryContext, mtf_cursor_destroy_driver);
	/* Armed last, so that it runs first. */
	cursor->callback.func = cursor_callback;
	cursor->callback.arg = cursor;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &cursor->callback);
	return cursor;
}

void
mtf_cursor_close(MtfCursor *cursor)
{
	/* A batch asked for ahead: the connection is worth a short wait, which an interrupt may end. */
	if (cursor->client != NULL && cursor->driver == NULL && is_outstanding(cursor))
		(void) mtf_wire_drain(cursor->client, mtf_clock() + CLOSE_WAIT_US);
	close_quietly(cursor);
	cursor->at = cursor->end = NULL;
	if (cursor->buffer.data != NULL)
		pfree(cursor->buffer.data);
	cursor->buffer.data = NULL;
	cursor->buffer.size = 0;
}

/* ---- replies of the direct way ---- */

static void raise_reply(MtfCursor *cursor, const char *why) pg_attribute_noreturn();

/* A reply that is not what it must be.  Its last batch outlives the borrowed client. */
static void
raise_reply(MtfCursor *cursor, const char *why)
{
	if (cursor->client != NULL)
		cursor->client->doomed = true;
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("MongoDB server broke the wire protocol"),
			 errdetail_internal("%s", why)));
}

/* Take the batch of a reply that says ok: whose it is, what is in it, whether more will come. */
static void
take_batch(MtfCursor *cursor, const MtfReply *reply, const char *batch_name)
{
	bson_iter_t iter;
	bson_iter_t field;
	const uint8_t *batch = NULL;
	uint32_t batch_len = 0;
	int64 id = 0;
	bool has_id = false;
	bool ns_ok = false;

	if (!bson_iter_init_from_data(&iter, reply->data, reply->len) ||
		!bson_iter_find(&iter, "cursor") || !BSON_ITER_HOLDS_DOCUMENT(&iter) ||
		!bson_iter_recurse(&iter, &field))
		raise_reply(cursor, "The reply has no cursor.");
	while (bson_iter_next(&field))
	{
		const char *key = bson_iter_key(&field);

		if (strcmp(key, batch_name) == 0 && BSON_ITER_HOLDS_ARRAY(&field))
			bson_iter_array(&field, &batch_len, &batch);
		else if (strcmp(key, "id") == 0 && BSON_ITER_HOLDS_INT64(&field))
		{
			id = bson_iter_int64(&field);
			has_id = true;
		}
		else if (strcmp(key, "ns") == 0 && BSON_ITER_HOLDS_UTF8(&field))
			ns_ok = strcmp(bson_iter_utf8(&field, NULL), cursor->ns) == 0;
	}
	if (batch == NULL || batch_len < 5 || !has_id)
		raise_reply(cursor, "The cursor of the reply is incomplete.");
	if (!ns_ok)
		raise_reply(cursor, "The reply belongs to another collection.");
	if (cursor->id != 0 && id != 0 && id != cursor->id)
		raise_reply(cursor, "The reply belongs to another cursor.");
	cursor->id = id;
	cursor->first = cursor->at = (uint8 *) batch + 4;
	cursor->end = (uint8 *) batch + batch_len - 1;
	cursor->state = id == 0 ? CURSOR_DONE : CURSOR_OPEN;
	cursor->statistics.bytes += batch_len - 5;
	cursor->statistics.batches++;
}

static MtfIo
receive_reply(MtfCursor *cursor, MtfReply *reply)
{
	MtfNetwork *network = &cursor->client->streams.network;
	MtfIo io;

	network->direct = true;
	io =
		mtf_wire_receive(cursor->client, &cursor->buffer, mtf_cursor_reply_deadline(cursor), reply);
	network->direct = false;
	return io;
}

static MtfIo
send_command(MtfCursor *cursor)
{
	return mtf_wire_send(cursor->client, cursor->command, mtf_cursor_reply_deadline(cursor));
}

static void raise_io(MtfCursor *cursor, MtfIo io, const char *command) pg_attribute_noreturn();

/* The server's work is ended before the error is raised: afterwards nobody waits for anything. */
static void
raise_io(MtfCursor *cursor, MtfIo io, const char *command)
{
	MtfClient *client = cursor->client;

	client->doomed = true;
	/* Also when the connection broke: the server may be well, and its cursor open. */
	if (cursor->id != 0 || is_outstanding(cursor))
		mtf_kill_session_patiently(client, cursor->database, cursor->collection, cursor->id);
	cursor->id = 0;
	mtf_client_raise_io(client, io, command);
}

/* Codes of the retryable reads specification: the server has not begun, or is no longer the one. */
bool
mtf_cursor_is_retryable(int code)
{
	static const int codes[] = {6,    7,     89,    91,    134,   189,  262,
								9001, 10107, 11600, 11602, 13435, 13436};

	for (int i = 0; i < lengthof(codes); i++)
		if (codes[i] == code)
			return true;
	return false;
}

/*
 * If it is no longer the server that was chosen, the next query chooses again: on a new client, since
 * the driver would sleep, and nothing would wake it, before it looks at its servers a second time.
 */
void
mtf_cursor_leave_server(MtfCursor *cursor, const bson_error_t *error)
{
	if (error->domain != MONGOC_ERROR_SERVER || !mtf_cursor_is_retryable((int) error->code))
		return;
	cursor->client->doomed = true;
	mtf_connection_drop_idle(cursor->connection);
}

static void raise_server(MtfCursor *cursor, const bson_error_t *error, const MtfReply *reply,
						 const char *command) pg_attribute_noreturn();

/*
 * Raise a server's error.  Its cursor is closed all the same: not every error of a getMore closes it.
 */
static void
raise_server(MtfCursor *cursor, const bson_error_t *error, const MtfReply *reply,
			 const char *command)
{
	bson_t doc;

	if (error->domain != MONGOC_ERROR_SERVER || !bson_init_static(&doc, reply->data, reply->len))
		raise_reply(cursor, "The reply is not a valid document.");
	if (error->code == CODE_CURSOR_NOT_FOUND)
		cursor->id = 0;
	mtf_cursor_leave_server(cursor, error);
	/* Rows were given already: it cannot be said otherwise any more. */
	if (cursor->statistics.batches > 0 && mtf_cursor_is_refusal(cursor, error))
		ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
						errmsg("the server gave up a join after some of its rows"),
						errdetail("MongoDB reported error %d.", (int) error->code),
						errhint("Set mongo_tenant.join_method to \"lookup\" or \"bind\", or "
								"mongo_tenant.enable_join_pushdown to off."),
						errcontext("MongoDB command %s", command)));
	mtf_error_raise(error, &doc, command);
}

/* Is it the pipeline that the server does not take, as it is written or with these documents? */
MtfRefusal
mtf_cursor_is_refusal(const MtfCursor *cursor, const bson_error_t *error)
{
	static const struct
	{
		int code;
		MtfRefusal refusal;
	} codes[] = {
		{1,
		 MTF_REFUSED_FORM}, /* InternalError: how one engine says that it has no such combination yet */
		{2, MTF_REFUSED_FORM},          /* BadValue */
		{9, MTF_REFUSED_FORM},          /* FailedToParse */
		{115, MTF_REFUSED_FORM},        /* CommandNotSupported */
		{146, MTF_REFUSED_DOCUMENTS},   /* ExceededMemoryLimit */
		{168, MTF_REFUSED_FORM},        /* InvalidPipelineOperator */
		{238, MTF_REFUSED_FORM},        /* NotImplemented */
		{292, MTF_REFUSED_DOCUMENTS},   /* QueryExceededMemoryLimitNoDiskUseAllowed */
		{10334, MTF_REFUSED_DOCUMENTS}, /* BSONObjectTooLarge */
		{17419, MTF_REFUSED_DOCUMENTS}, /* the same, of a $push */
		{40324, MTF_REFUSED_FORM}       /* unrecognized stage */
	};

	if (!cursor->options.may_be_refused || error->domain != MONGOC_ERROR_SERVER)
		return MTF_NOT_REFUSED;
	for (int i = 0; i < lengthof(codes); i++)
		if (error->code == codes[i].code)
			return codes[i].refusal;
	return MTF_NOT_REFUSED;
}

static void
ask_for_more(MtfCursor *cursor)
{
	MtfIo io;

	mtf_cursor_build_get_more(cursor);
	io = send_command(cursor);
	if (io != MTF_IO_OK)
		raise_io(cursor, io, "getMore");
}

/* ---- the first command, which may be tried again ---- */

static void
pause_before_retry(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, RETRY_PAUSE_MS,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Borrow a client again after a failure: while a set elects, no primary may be there for a while.  A command whose
 * reply was lost may have begun a cursor, which is ended over the new connection.
 */
void
mtf_cursor_lease_again(MtfCursor *cursor, bool lost, int64 deadline)
{
	MemoryContext context = CurrentMemoryContext;

	if (lost)
		mtf_connection_remember(cursor->client);
	cursor->client->doomed = true;
	release_client(cursor);
	mtf_connection_drop_idle(cursor->connection);
	while (cursor->client == NULL)
	{
		PG_TRY();
		{
			cursor->client =
				mtf_connection_lease(cursor->connection, cursor->options.read_preference);
		}
		PG_CATCH();
		{
			MemoryContextSwitchTo(context);
			if (geterrcode() != ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION ||
				mtf_clock() > deadline)
				PG_RE_THROW();
			FlushErrorState();
		}
		PG_END_TRY();
		if (cursor->client == NULL)
			pause_before_retry();
	}
}

void
mtf_cursor_raise_changed_kind(void)
{
	ereport(ERROR, (errcode(ERRCODE_CONNECTION_FAILURE),
					errmsg("MongoDB server changed its kind while a query began")));
}

/*
 * Send the aggregate and take its first batch.  A failure before any row was returned is tried once
 * more on a new connection.
 */
static void
start_direct(MtfCursor *cursor)
{
	bool retried = false;

	for (;;)
	{
		MtfReply reply;
		bson_error_t error;
		MtfIo io;

		io = MTF_IO_OK;
		if (!cursor->asked)
		{
			mtf_cursor_build_aggregate(cursor);
			io = send_command(cursor);
		}
		cursor->asked = false;
		if (io == MTF_IO_OK)
			io = receive_reply(cursor, &reply);
		if (io == MTF_IO_OK && mtf_wire_reply_ok(&reply, &error))
		{
			take_batch(cursor, &reply, "firstBatch");
			if (cursor->options.eager && cursor->state == CURSOR_OPEN && cursor->at < cursor->end)
				ask_for_more(cursor);
			return;
		}
		if (io == MTF_IO_OK && mtf_cursor_is_refusal(cursor, &error))
		{
			cursor->refused = mtf_cursor_is_refusal(cursor, &error);
			cursor->state = CURSOR_DONE;
			return;
		}
		if (retried || (io != MTF_IO_OK && io != MTF_IO_CLOSED && io != MTF_IO_FAILED) ||
			(io == MTF_IO_OK && !mtf_cursor_is_retryable((int) error.code)))
		{
			if (io == MTF_IO_OK)
				raise_server(cursor, &error, &reply, "aggregate");
			raise_io(cursor, io, "aggregate");
		}
		retried = true;
		mtf_cursor_lease_again(cursor, io != MTF_IO_OK, mtf_clock() + RETRY_MS * INT64CONST(1000));
		if (!cursor->client->direct)
			mtf_cursor_raise_changed_kind();
	}
}

/* ---- further batches ---- */

/*
 * Take the next batch, and ask for the one after it.  The first batch is not followed by a request
 * of its own accord: whoever reads no further wants no more.
 */
static void
continue_direct(MtfCursor *cursor)
{
	MtfReply reply;
	bson_error_t error;
	MtfIo io;

	if (!is_outstanding(cursor))
		ask_for_more(cursor);
	cursor->at = cursor->end = cursor->first = NULL;
	io = receive_reply(cursor, &reply);
	if (io != MTF_IO_OK)
		raise_io(cursor, io, "getMore");
	if (!mtf_wire_reply_ok(&reply, &error))
		raise_server(cursor, &error, &reply, "getMore");
	take_batch(cursor, &reply, "nextBatch");
	if (cursor->state == CURSOR_OPEN && cursor->at < cursor->end)
		ask_for_more(cursor);
}

/* The next document of the batch; false at its end.  Elements are {type, index, NUL, document}. */
static inline bool
next_in_batch(MtfCursor *cursor, MtfDocument *document)
{
	uint8 *p = cursor->at;
	uint8 *end = cursor->end;
	uint32 len;

	if (p >= end)
		return false;
	if (*p++ != BSON_TYPE_DOCUMENT)
		raise_reply(cursor, "The batch holds something that is not a document.");
	while (p < end && *p != '\0')
		p++;
	p++;
	if (end - p < 5)
		raise_reply(cursor, "A document of the batch is cut off.");
	memcpy(&len, p, sizeof(len));
	len = BSON_UINT32_FROM_LE(len);
	if (len < 5 || len > end - p || p[len - 1] != '\0')
		raise_reply(cursor, "A document of the batch has an impossible length.");
	document->data = p;
	document->len = len;
	cursor->at = p + len;
	cursor->statistics.documents++;
	return true;
}

/* ---- what the conductors call ---- */

static void
start(MtfCursor *cursor)
{
	if (cursor->client == NULL)
		cursor->client = mtf_connection_lease(cursor->connection, cursor->options.read_preference);
	if (cursor->client->direct)
		start_direct(cursor);
	else
		mtf_cursor_start_driver(cursor);
}

bool
mtf_cursor_next(MtfCursor *cursor, MtfDocument *document)
{
	bool found;

	if (likely(next_in_batch(cursor, document)))
		return true;
	if (cursor->state == CURSOR_CLOSED)
		ereport(ERROR, (errcode(ERRCODE_INVALID_CURSOR_STATE), errmsg("cursor is closed")));
	if (cursor->state == CURSOR_NEW)
		start(cursor);
	if (cursor->driver != NULL)
		return cursor->state == CURSOR_OPEN && mtf_cursor_next_from_driver(cursor, document);
	while (!(found = next_in_batch(cursor, document)) && cursor->state == CURSOR_OPEN)
		continue_direct(cursor);
	/* The server has closed its cursor: another scan may have the client. */
	if (cursor->state == CURSOR_DONE && cursor->client != NULL)
		release_client(cursor);
	return found;
}

MtfRefusal
mtf_cursor_is_refused(const MtfCursor *cursor)
{
	return cursor->refused;
}

/* Send the aggregate and leave its reply for later; what fails is tried again by start_direct(). */
static void
start_ahead(MtfCursor *cursor)
{
	if (cursor->client == NULL)
		cursor->client = mtf_connection_lease(cursor->connection, cursor->options.read_preference);
	if (!cursor->client->direct || cursor->asked)
		return;
	mtf_cursor_build_aggregate(cursor);
	cursor->asked = send_command(cursor) == MTF_IO_OK;
	if (!cursor->asked)
	{
		cursor->client->doomed = true;
		release_client(cursor);
		CHECK_FOR_INTERRUPTS();
	}
}

pgsocket
mtf_cursor_ask(MtfCursor *cursor)
{
	MtfStream *stream;

	if (cursor->at < cursor->end || cursor->driver != NULL)
		return PGINVALID_SOCKET;
	if (cursor->state == CURSOR_NEW)
		start_ahead(cursor);
	else if (cursor->state == CURSOR_OPEN && !is_outstanding(cursor))
		ask_for_more(cursor);
	if (cursor->client == NULL || !cursor->client->direct)
		return PGINVALID_SOCKET;
	stream = mtf_client_stream(cursor->client);
	return stream == NULL ? PGINVALID_SOCKET : mtf_stream_descriptor(stream);
}

bool
mtf_cursor_has_document(const MtfCursor *cursor)
{
	return cursor->at < cursor->end;
}

/* See to it that the cursor's next batch is on its way: its stream, or NULL when it need not wait. */
static MtfStream *
stream_to_wait_for(MtfCursor *cursor)
{
	(void) mtf_cursor_ask(cursor);
	if (cursor->at < cursor->end || cursor->client == NULL || !cursor->client->direct ||
		cursor->driver != NULL || !is_outstanding(cursor))
		return NULL;
	return mtf_client_stream(cursor->client);
}

int
mtf_cursor_wait(MtfCursor **cursors, int n)
{
	MtfStream *streams[MTF_STREAMS_MAX];
	int64 deadline = PG_INT64_MAX;
	int ready = 0;
	MtfIo io;

	Assert(n > 0 && n <= MTF_STREAMS_MAX);
	for (int i = 0; i < n; i++)
	{
		streams[i] = stream_to_wait_for(cursors[i]);
		if (streams[i] == NULL)
			return i;
		deadline = Min(deadline, mtf_cursor_reply_deadline(cursors[i]));
	}
	/* Barriers and the like are not looked at inside: others may be waiting for us. */
	while ((io = mtf_stream_wait_any(streams, n, Min(deadline, mtf_clock() + SLICE_US), &ready)) ==
			   MTF_IO_TIMEOUT &&
		   mtf_clock() < deadline)
		CHECK_FOR_INTERRUPTS();
	if (io != MTF_IO_OK)
		raise_io(cursors[ready], io, cursors[ready]->state == CURSOR_NEW ? "aggregate" : "getMore");
	return ready;
}

bool
mtf_cursor_rewind(MtfCursor *cursor)
{
	if (cursor->state != CURSOR_DONE || cursor->statistics.batches != 1 || cursor->driver != NULL)
		return false;
	cursor->at = cursor->first;
	return true;
}

void
mtf_cursor_statistics(const MtfCursor *cursor, MtfCursorStatistics *statistics)
{
	*statistics = cursor->statistics;
}
