/*
 * cursor_command.c
 *	  What a cursor asks for: aggregate and getMore, how many documents, for how long.
 *
 * What must not happen here: a pipeline that does not come out of the pipeline room.
 */
#include "base/compat.h"

#define MTF_REMOTE_ROOM
#include "base/driver_compat.h"

#include "storage/proc.h"

#include "remote/cursor_private.h"

#define FIRST_BATCH 1000
#define BATCH_BYTES (1024 * 1024) /* what a core keeps in its second cache while it decodes */
#define MAX_BATCH   1000000
#define MAX_COMMAND (16 * 1024 * 1024)

/* Milliseconds the server may work; 0: no limit. */
static int64
max_time_ms(const MtfCursor *cursor)
{
	int64 limit = cursor->options.max_time_ms;

	/* A backstop: the cancel that statement_timeout sends comes first. */
	if (StatementTimeout > 0 && (limit == 0 || StatementTimeout < limit))
		limit = StatementTimeout;
	return limit;
}

int64
mtf_cursor_reply_deadline(const MtfCursor *cursor)
{
	int64 limit = max_time_ms(cursor);
	int64 wait = cursor->client->reply_timeout_ms;

	/* A server that is allowed to work for longer is waited for. */
	if (limit > 0)
		wait = Max(wait, limit + 5000);
	return mtf_clock() + wait * 1000;
}

int32
mtf_cursor_first_batch_size(const MtfCursor *cursor)
{
	int64 limit = cursor->shape.limit;
	int64 size = cursor->options.batch_size > 0 ? cursor->options.batch_size : FIRST_BATCH;

	/* A server closes its cursor only when it looks one further. */
	if (limit > 0 && limit < size)
		return (int32) limit + 1;
	if (cursor->options.first_batch > 0 && cursor->options.first_batch < size)
		return (int32) cursor->options.first_batch;
	return (int32) size;
}

int32
mtf_cursor_next_batch_size(const MtfCursor *cursor)
{
	const MtfCursorStatistics *s = &cursor->statistics;
	uint64 average = s->documents > 0 ? Max(s->bytes / s->documents, 1) : 1024;

	if (cursor->options.batch_size > 0)
		return cursor->options.batch_size;
	return (int32) Max(Min(BATCH_BYTES / average, MAX_BATCH), 1);
}

bool
mtf_cursor_append_options(const MtfCursor *cursor, bson_t *command)
{
	int64 limit = max_time_ms(cursor);
	bson_t child;
	bool ok = true;

	if (cursor->options.collation == NULL || strcmp(cursor->options.collation, "none") != 0)
		ok = BSON_APPEND_DOCUMENT_BEGIN(command, "collation", &child) &&
			 BSON_APPEND_UTF8(&child, "locale", "simple") &&
			 bson_append_document_end(command, &child);
	if (ok && limit > 0)
		ok = BSON_APPEND_INT64(command, "maxTimeMS", limit);
	/* The default from MongoDB 6.0 on: a sort or a group does not end at 100 MB. */
	if (ok && cursor->shape.gathers)
		ok = BSON_APPEND_BOOL(command, "allowDiskUse", true);
	if (ok && cursor->options.read_concern != NULL)
		ok = BSON_APPEND_DOCUMENT_BEGIN(command, "readConcern", &child) &&
			 BSON_APPEND_UTF8(&child, "level", cursor->options.read_concern) &&
			 bson_append_document_end(command, &child);
	return ok;
}

void
mtf_cursor_check_command(const bson_t *command, bool ok)
{
	if (!ok || command->len > MAX_COMMAND)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("query is too large to be sent to the MongoDB server"),
						errdetail("The limit of a command is 16 MB.")));
}

void
mtf_cursor_build_aggregate(MtfCursor *cursor)
{
	bson_t *command = cursor->command;
	bson_t child;
	bool ok;

	bson_reinit(command);
	ok = BSON_APPEND_UTF8(command, "aggregate", cursor->collection) &&
		 BSON_APPEND_ARRAY(command, "pipeline", mtf_pipeline_stages(cursor->pipeline)) &&
		 BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &child) &&
		 BSON_APPEND_INT32(&child, "batchSize", mtf_cursor_first_batch_size(cursor)) &&
		 bson_append_document_end(command, &child) && mtf_cursor_append_options(cursor, command) &&
		 mtf_wire_append_common(cursor->client, command, cursor->database, true);
	mtf_cursor_check_command(command, ok);
}

void
mtf_cursor_build_get_more(MtfCursor *cursor)
{
	bson_t *command = cursor->command;
	bool ok;

	bson_reinit(command);
	ok = BSON_APPEND_INT64(command, "getMore", cursor->id) &&
		 BSON_APPEND_UTF8(command, "collection", cursor->collection) &&
		 BSON_APPEND_INT32(command, "batchSize", mtf_cursor_next_batch_size(cursor)) &&
		 mtf_wire_append_common(cursor->client, command, cursor->database, true);
	mtf_cursor_check_command(command, ok);
}
