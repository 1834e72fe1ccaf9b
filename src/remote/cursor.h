/*
 * cursor.h
 *	  A running aggregate of a sealed pipeline, read batch by batch.
 *
 * Errors of the server or the wire raise with their SQLSTATE; an error is never an end of data.
 */
#ifndef MTF_CURSOR_H
#define MTF_CURSOR_H

#include "base/compat.h"
#include "pipeline/pipeline.h"
#include "remote/connection.h"

typedef struct MtfCursor MtfCursor;

typedef struct MtfCursorOptions
{
	int batch_size;        /* documents; 0: by measured size */
	int64 first_batch;     /* rows that are enough (LIMIT above us); 0: unknown */
	int64 max_time_ms;     /* 0: from statement_timeout, else none */
	const char *collation; /* "simple" or "none" */
	const char *read_preference;
	const char *read_concern;
	bool may_be_refused; /* see mtf_cursor_is_refused() */
	bool eager;          /* all will be read: the second batch is asked for at once, too */
} MtfCursorOptions;

/*
 * One document of the current batch, valid until the next call on the cursor.  mtf_cursor_rewind() gives the
 * bytes of a batch again: nobody writes them over.
 */
typedef struct MtfDocument
{
	uint8 *data; /* a BSON document: its length is checked against the batch, its inside is not */
	uint32 len;
} MtfDocument;

/*
 * Open a cursor; it lives in the current memory context and is closed with it.  Nothing is sent
 * before the first mtf_cursor_next().  Refuses a pipeline whose scope is not bound.
 */
extern MtfCursor *mtf_cursor_open(MtfConnection *connection, const MtfPipeline *pipeline,
								  const MtfCursorOptions *options);

/* The next document; false at the end of data only. */
extern bool mtf_cursor_next(MtfCursor *cursor, MtfDocument *document);

/* Why a server did not take an aggregate: only the first says something about the next tenant's. */
typedef enum MtfRefusal
{
	MTF_NOT_REFUSED = 0,
	MTF_REFUSED_FORM,     /* a stage, or a combination, that it has not */
	MTF_REFUSED_DOCUMENTS /* what it had no memory for was this tenant's */
} MtfRefusal;

/*
 * With options.may_be_refused: did the server refuse the aggregate itself, before any row?
 * mtf_cursor_next() says false then, and raises nothing.
 */
extern MtfRefusal mtf_cursor_is_refused(const MtfCursor *cursor);

/*
 * See to it that what mtf_cursor_next() will need has been asked for, and do not wait for it: the
 * socket to wait on, or PGINVALID_SOCKET when the next document (or the end) is here, or when it must
 * be waited for in mtf_cursor_next() itself.  May connect, and raises what connecting raises.
 */
extern pgsocket mtf_cursor_ask(MtfCursor *cursor);

/* True when mtf_cursor_next() has a document in its hands. */
extern bool mtf_cursor_has_document(const MtfCursor *cursor);

/*
 * Ask for what each of `n` cursors needs next, and wait until one can go on: its index.  The order is
 * that of preference.  Raises for an interrupt, and when nothing comes in time.
 */
extern int mtf_cursor_wait(MtfCursor **cursors, int n);

/* Kill the server's cursor if it is still open, and free everything.  Safe to call twice. */
extern void mtf_cursor_close(MtfCursor *cursor);

/* True while everything the server has for us is in the first batch and still held: a rescan with
 * the same values can start again without a command. */
extern bool mtf_cursor_rewind(MtfCursor *cursor);

typedef struct MtfCursorStatistics
{
	uint64 documents;
	uint64 bytes;
	uint64 batches; /* = commands answered */
} MtfCursorStatistics;

extern void mtf_cursor_statistics(const MtfCursor *cursor, MtfCursorStatistics *statistics);

#endif /* MTF_CURSOR_H */
