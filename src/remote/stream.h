/*
 * stream.h
 *	  The driver's connections, on our own sockets: interruptible, and each reply checked to be the
 *	  answer to the request that is open.
 *
 * The driver uses a stream through its own interface (handshake, authentication, fallback cursors);
 * between its calls we send and receive messages over the same stream ourselves.
 */
#ifndef MTF_STREAM_H
#define MTF_STREAM_H

#include "base/compat.h"

#define MTF_REMOTE_ROOM
#include "base/driver_compat.h"

#include "lib/ilist.h"

#include "remote/socket.h"

typedef struct MtfStream MtfStream;

/* All streams of one client; handed to the driver as the initiator's user data. */
typedef struct MtfStreams
{
	MtfNetwork network;
	dlist_head list; /* of MtfStream; the driver creates and destroys them */
} MtfStreams;

#define MTF_MESSAGE_HEADER 16
#define MTF_MESSAGE_MAX    (48 * 1024 * 1024)

extern void mtf_streams_init(MtfStreams *streams);

/* For mongoc_client_set_stream_initiator; `user_data` is an MtfStreams. */
extern mongoc_stream_t *mtf_stream_initiate(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
											void *user_data, bson_error_t *error);

/* The connection to one host, as the driver names it ("host:port"); NULL when there is none now. */
extern MtfStream *mtf_stream_find(MtfStreams *streams, const char *host_and_port);

/* True when the connection cannot be used for another request: closed, or something is unread. */
extern bool mtf_stream_is_stale(MtfStream *stream);

/* Send one whole message; its header's request id is the one the next reply must answer. */
extern MtfIo mtf_stream_send(MtfStream *stream, const struct iovec *iov, int iovcnt,
							 int64 deadline);

/*
 * The same behind a request that is sent whole and not answered: the server reads it when it has
 * answered.  Both replies are only good to be drained then.
 */
extern MtfIo mtf_stream_send_behind(MtfStream *stream, const struct iovec *iov, int iovcnt,
									int64 deadline);

/*
 * Wait for the reply to that request and check its header; *len is what follows the header and
 * *opcode its kind.
 */
extern MtfIo mtf_stream_receive_header(MtfStream *stream, int64 deadline, uint32 *len,
									   int32 *opcode);

/* Read `len` further bytes of that reply. */
extern MtfIo mtf_stream_receive(MtfStream *stream, void *buffer, size_t len, int64 deadline);

/* Read the open reply to its end and forget it; deadline 0: as far as it has come. */
extern MtfIo mtf_stream_drain(MtfStream *stream, int64 deadline);

#define MTF_STREAMS_MAX 14

/*
 * Wait until the outstanding reply of one of `n` streams, of whichever clients, begins to arrive:
 * *ready is its index.  Of an error, *ready is one whose network has the words for it.
 */
extern MtfIo mtf_stream_wait_any(MtfStream **streams, int n, int64 deadline, int *ready);

/* A request is sent and its reply not read to the end. */
extern bool mtf_stream_is_outstanding(const MtfStream *stream);

/*
 * The descriptor that becomes readable when the outstanding reply arrives; PGINVALID_SOCKET when
 * there is none to wait on.
 */
extern pgsocket mtf_stream_descriptor(const MtfStream *stream);

#endif /* MTF_STREAM_H */
