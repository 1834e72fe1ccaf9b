/*
 * cursor_private.h
 *	  A cursor as its own files see it: cursor.c (the direct way, opening, closing), cursor_command.c (what is
 *	  asked) and cursor_driver.c (the driver's way).
 *
 * Included after base/driver_compat.h by these only.
 */
#ifndef MTF_CURSOR_PRIVATE_H
#define MTF_CURSOR_PRIVATE_H

#include "base/compat.h"
#include "base/driver_compat.h"
#include "base/guard.h"
#include "remote/client.h"
#include "remote/cursor.h"
#include "remote/wire.h"

/* A step-down takes seconds: how long, and how often, a read that has not begun is tried again. */
#define RETRY_MS 5000

typedef enum CursorState
{
	CURSOR_NEW,
	CURSOR_OPEN,
	CURSOR_DONE, /* the server has nothing more; a batch may still be here */
	CURSOR_CLOSED
} CursorState;

typedef struct PipelineShape
{
	int64 limit;  /* of a $limit that ends the pipeline; 0: none */
	bool gathers; /* a stage keeps documents before it passes any on */
} PipelineShape;

struct MtfCursor
{
	MemoryContext context;
	MemoryContextCallback callback;
	MtfConnection *connection;
	const MtfPipeline *pipeline;
	MtfCursorOptions options;
	const char *database;
	const char *collection;
	char *ns;
	PipelineShape shape;
	CursorState state;
	bool asked; /* NEW, and the aggregate is sent already */
	MtfRefusal refused;
	MtfClient *client; /* borrowed; NULL before the first command and after the last */

	/* direct */
	int64 id;
	bson_t *command; /* reused for each getMore */
	MtfReplyBuffer buffer;
	uint8 *at;    /* next element of the batch's array */
	uint8 *end;   /* its final NUL */
	uint8 *first; /* start of the batch, for a rewind */

	/* through the driver */
	bool retried;
	MtfGuard *driver_guard;
	mongoc_cursor_t *driver;

	MtfCursorStatistics statistics;
};

/* --- cursor_command.c: aggregate and getMore, and how much each asks for --- */

/* When a reply is no longer waited for, by mtf_clock(). */
extern int64 mtf_cursor_reply_deadline(const MtfCursor *cursor);

extern int32 mtf_cursor_first_batch_size(const MtfCursor *cursor);
extern int32 mtf_cursor_next_batch_size(const MtfCursor *cursor);

/* Collation, limits and read concern; false: the command grew too large. */
extern bool mtf_cursor_append_options(const MtfCursor *cursor, bson_t *command);

/* Raises 54000 for a command that is too large to be sent, or that could not be made (`ok`). */
extern void mtf_cursor_check_command(const bson_t *command, bool ok);

/* Into cursor->command. */
extern void mtf_cursor_build_aggregate(MtfCursor *cursor);
extern void mtf_cursor_build_get_more(MtfCursor *cursor);

/* --- cursor_driver.c: by mongoc_cursor_t --- */

extern void mtf_cursor_start_driver(MtfCursor *cursor);
extern bool mtf_cursor_next_from_driver(MtfCursor *cursor, MtfDocument *document);
extern void mtf_cursor_close_driver(MtfCursor *cursor);

/* For the guard that holds the driver's cursor. */
extern void mtf_cursor_destroy_driver(void *object);

/* --- cursor.c --- */

/* Is it a code of the retryable reads specification? */
extern bool mtf_cursor_is_retryable(int code);

/* After such an error: the next query chooses its server again. */
extern void mtf_cursor_leave_server(MtfCursor *cursor, const bson_error_t *error);

/* Is it the pipeline that the server does not take, where that was reckoned with? */
extern MtfRefusal mtf_cursor_is_refusal(const MtfCursor *cursor, const bson_error_t *error);

/* Borrow a client again after a failure, until the deadline (mtf_clock()); lost: the reply was. */
extern void mtf_cursor_lease_again(MtfCursor *cursor, bool lost, int64 deadline);

extern void mtf_cursor_raise_changed_kind(void) pg_attribute_noreturn();

#endif /* MTF_CURSOR_PRIVATE_H */
