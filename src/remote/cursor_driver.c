/*
 * cursor_driver.c
 *	  A cursor by mongoc_cursor_t: under compression, on sharded clusters and on anything we do not know.
 *
 * What must not happen here: an error taken for an end of data; a raise inside the driver.
 */
#include "base/compat.h"

#define MTF_REMOTE_ROOM
#include "base/driver_compat.h"

#include "remote/cursor_private.h"
#include "remote/kill.h"

#define LEARN_DOCUMENTS 100

void
mtf_cursor_destroy_driver(void *object)
{
	mongoc_cursor_destroy((mongoc_cursor_t *) object);
}

/*
 * The driver kills its cursor itself, over the connection it has; when that broke or is busy, it is
 * killed over another.
 */
void
mtf_cursor_close_driver(MtfCursor *cursor)
{
	MtfClient *client = cursor->client;
	MtfNetwork *network = &client->streams.network;
	int64 id = mongoc_cursor_get_id(cursor->driver);

	network->persist = true;
	network->deadline = mtf_clock() + MTF_KILL_BUDGET_US;
	if (client->doomed)
	{
		mtf_kill_session(client, cursor->database, cursor->collection, id);
		network->shut = true;
	}
	cursor->driver = NULL;
	mtf_client_enter_driver(client);
	mtf_guard_release(cursor->driver_guard);
	mtf_client_leave_driver(client);
}

static bool
append_driver_options(MtfCursor *cursor, bson_t *opts)
{
	/* The driver turns batchSize into cursor.batchSize, and keeps it for its getMores. */
	return BSON_APPEND_INT32(opts, "batchSize", mtf_cursor_first_batch_size(cursor)) &&
		   mtf_cursor_append_options(cursor, opts) &&
		   mtf_client_append_session(cursor->client, opts);
}

void
mtf_cursor_start_driver(MtfCursor *cursor)
{
	MtfClient *client = cursor->client;
	mongoc_collection_t *collection;
	mongoc_read_prefs_t *prefs;
	mongoc_cursor_t *driver;
	bson_t *opts = cursor->command;

	bson_reinit(opts);
	mtf_cursor_check_command(opts, append_driver_options(cursor, opts));
	/* No traffic yet, and nothing below raises before the guard holds the cursor. */
	mtf_client_enter_driver(client);
	collection = mongoc_client_get_collection(client->driver, cursor->database, cursor->collection);
	prefs = mtf_client_read_prefs(client, cursor->options.read_preference);
	driver = mongoc_collection_aggregate(collection, MONGOC_QUERY_NONE,
										 mtf_pipeline_stages(cursor->pipeline), opts, prefs);
	mongoc_read_prefs_destroy(prefs);
	mongoc_collection_destroy(collection);
	mtf_client_leave_driver(client);
	cursor->driver = mtf_guard_hold(cursor->driver_guard, driver);
	cursor->state = CURSOR_OPEN;
}

static void raise_driver(MtfCursor *cursor) pg_attribute_noreturn();

static void
raise_driver(MtfCursor *cursor)
{
	bson_error_t error = {0};
	const bson_t *reply = NULL;

	(void) mongoc_cursor_error_document(cursor->driver, &error, &reply);
	mtf_cursor_leave_server(cursor, &error);
	/* As raise_io() does: where the process is ending, nothing would end the work afterwards. */
	if (cursor->client->streams.network.canceled || error.domain != MONGOC_ERROR_SERVER)
		mtf_kill_session_patiently(cursor->client, cursor->database, cursor->collection,
								   mongoc_cursor_get_id(cursor->driver));
	mtf_client_raise(cursor->client, &error, reply, "aggregate");
}

/*
 * As start_direct() does: what failed before any row was returned is tried once more, on a new
 * connection.  False: it is not to be tried again.
 */
static bool
retry_driver(MtfCursor *cursor, const bson_error_t *error)
{
	const MtfNetwork *network = &cursor->client->streams.network;
	bool lost = network->failure == MTF_IO_CLOSED || network->failure == MTF_IO_FAILED;

	if (cursor->retried || cursor->statistics.documents > 0 || network->canceled ||
		!(lost ||
		  (error->domain == MONGOC_ERROR_SERVER && mtf_cursor_is_retryable((int) error->code))))
		return false;
	cursor->retried = true;
	mtf_cursor_close_driver(cursor);
	mtf_cursor_lease_again(cursor, lost, mtf_clock() + RETRY_MS * INT64CONST(1000));
	if (cursor->client->direct)
		mtf_cursor_raise_changed_kind();
	mtf_cursor_start_driver(cursor);
	return true;
}

bool
mtf_cursor_next_from_driver(MtfCursor *cursor, MtfDocument *document)
{
	MtfClient *client = cursor->client;
	const bson_t *doc;
	bool found;

	mtf_client_enter_driver(client);
	found = mongoc_cursor_next(cursor->driver, &doc);
	mtf_client_leave_driver(client);
	if (!found)
	{
		bson_error_t error = {0};

		if (client->streams.network.canceled || mongoc_cursor_error(cursor->driver, &error))
		{
			if (retry_driver(cursor, &error))
				return mtf_cursor_next_from_driver(cursor, document);
			if (cursor->statistics.documents == 0)
				cursor->refused = mtf_cursor_is_refusal(cursor, &error);
			if (!cursor->refused)
				raise_driver(cursor);
		}
		cursor->state = CURSOR_DONE;
		return false;
	}
	document->data = (uint8 *) bson_get_data(doc);
	document->len = doc->len;
	cursor->statistics.documents++;
	cursor->statistics.bytes += doc->len;
	if (cursor->statistics.documents == LEARN_DOCUMENTS)
		mongoc_cursor_set_batch_size(cursor->driver, mtf_cursor_next_batch_size(cursor));
	return true;
}
