/*
 * wire.h
 *	  Commands of our own over the driver's authenticated stream: OP_MSG out, one document back.
 *
 * Nothing here raises except out-of-memory for a reply; the caller decides what an MtfIo means.
 */
#ifndef MTF_WIRE_H
#define MTF_WIRE_H

#include "base/compat.h"

#include "remote/client.h"

/* Where a reply goes: one block that grows to the largest reply and is overwritten by the next. */
typedef struct MtfReplyBuffer
{
	MemoryContext context;
	uint8 *data;
	size_t size;
} MtfReplyBuffer;

/* The document of a reply, inside of its buffer: its outermost length is checked. */
typedef struct MtfReply
{
	uint8 *data;
	uint32 len;
} MtfReply;

/* Send a command; its reply is outstanding then. */
extern MtfIo mtf_wire_send(MtfClient *client, const bson_t *command, int64 deadline);

/* The same behind a command that is not answered yet: draining waits for both replies then. */
extern MtfIo mtf_wire_send_behind(MtfClient *client, const bson_t *command, int64 deadline);

/* Receive the reply to it. */
extern MtfIo mtf_wire_receive(MtfClient *client, MtfReplyBuffer *buffer, int64 deadline,
							  MtfReply *reply);

/* Receive a reply and forget it; false when it has not come whole before `deadline` (0: now). */
extern bool mtf_wire_drain(MtfClient *client, int64 deadline);

/* True when the reply says ok; else *error has the server's code and text. */
extern bool mtf_wire_reply_ok(const MtfReply *reply, bson_error_t *error);

/* What every command carries: the database, the session, and the read preference if it matters. */
extern bool mtf_wire_append_common(MtfClient *client, bson_t *command, const char *database,
								   bool with_session);

#endif /* MTF_WIRE_H */
