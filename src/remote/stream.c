/*
 * stream.c
 *	  The driver's connections, on our own sockets.
 *
 * Frames are followed in both directions.  libmongoc does not look at responseTo: after a cancelled
 * command the unread answer of tenant A once came back as the answer to B's count (measured).  Here a
 * reply must answer the one open request, and no byte may follow a reply; anything else ends the
 * connection.  No request is sent while another is open, but a last one (a kill) on a connection that is
 * only drained from then on.
 *
 * What must not happen here: ereport, palloc, a wait without a deadline: the driver calls us.
 */
#include "remote/stream.h"

#include <poll.h>

/* A type of our own: the driver only compares it between the streams of one poll. */
#define STREAM_TYPE 0x4d54

#define OP_REPLY            1
#define OP_KILL_CURSORS     2007
#define OP_COMPRESSED       2012
#define OP_MSG              2013
#define OP_MSG_MORE_TO_COME 0x2

#define DEFAULT_TIMEOUT_MS 300000
#define MAX_IOV            64

struct MtfStream
{
	mongoc_stream_t vtable; /* first: the driver holds a pointer to it */
	dlist_node node;
	MtfStreams *streams;
	MtfSocket *socket;
	char host_and_port[BSON_HOST_NAME_MAX + 8];
	MtfIo last; /* of the driver's last call */

	size_t out_left;    /* of the message being written */
	bool outstanding;   /* a request is (being) sent and its reply not read to the end */
	int32 request_id;   /* of that request */
	int32 behind;       /* a second request, sent after it; 0: none */
	uint32 in_left;     /* of the reply being read, header included */
	uint32 pos, filled; /* unread part of `buffer` */
	uint8 buffer[16384];
};

void
mtf_streams_init(MtfStreams *streams)
{
	memset(streams, 0, sizeof(*streams));
	dlist_init(&streams->list);
}

static int32
read_int32(const uint8 *p)
{
	return (int32) ((uint32) p[0] | (uint32) p[1] << 8 | (uint32) p[2] << 16 | (uint32) p[3] << 24);
}

static MtfIo
protocol_error(MtfStream *stream, const char *why)
{
	snprintf(stream->streams->network.why, sizeof(stream->streams->network.why), "\"%s\": %s",
			 stream->host_and_port, why);
	stream->streams->network.broken = true;
	return MTF_IO_PROTOCOL;
}

/* ---- frames ---- */

/* Called with the first bytes of a message before they are written. */
static MtfIo
begin_request(MtfStream *stream, const struct iovec *iov, int iovcnt)
{
	uint8 head[MTF_MESSAGE_HEADER + 4] = {0};
	size_t len = 0;
	int32 opcode;

	for (int i = 0; i < iovcnt && len < sizeof(head); i++)
	{
		size_t part = Min(iov[i].iov_len, sizeof(head) - len);

		memcpy(head + len, iov[i].iov_base, part);
		len += part;
	}
	if (len < MTF_MESSAGE_HEADER)
		return protocol_error(stream, "a message without a header was to be sent");
	if (stream->outstanding || stream->pos < stream->filled)
		return protocol_error(stream, "an earlier reply is still unread");
	stream->out_left = (uint32) read_int32(head);
	stream->request_id = read_int32(head + 4);
	opcode = read_int32(head + 12);
	stream->outstanding =
		!(opcode == OP_KILL_CURSORS ||
		  (opcode == OP_MSG && (read_int32(head + MTF_MESSAGE_HEADER) & OP_MSG_MORE_TO_COME)));
	return MTF_IO_OK;
}

/* With at least a header in `buffer`: is it the reply that is awaited? */
static MtfIo
begin_reply(MtfStream *stream)
{
	const uint8 *head = stream->buffer + stream->pos;
	int32 len = read_int32(head);
	int32 opcode = read_int32(head + 12);

	if (!stream->outstanding)
		return protocol_error(stream, "the server sent a message nobody asked for");
	if (read_int32(head + 8) != stream->request_id)
		return protocol_error(stream, "the server answered another request");
	if (len < MTF_MESSAGE_HEADER || len > MTF_MESSAGE_MAX)
		return protocol_error(stream, "the server sent a message of impossible length");
	if (opcode != OP_REPLY && opcode != OP_MSG && opcode != OP_COMPRESSED)
		return protocol_error(stream, "the server sent a message of unknown kind");
	stream->in_left = (uint32) len;
	return MTF_IO_OK;
}

/* Account for n bytes of the reply handed out. */
static MtfIo
consume_reply(MtfStream *stream, size_t n)
{
	stream->in_left -= n;
	if (stream->in_left > 0)
		return MTF_IO_OK;
	if (stream->behind != 0)
	{
		stream->request_id = stream->behind;
		stream->behind = 0;
		return MTF_IO_OK;
	}
	stream->outstanding = false;
	if (stream->pos < stream->filled)
		return protocol_error(stream, "the server sent more than its reply");
	return MTF_IO_OK;
}

/* ---- reading and writing, with a deadline; deadline 0: do not wait ---- */

static MtfIo
wait_unless_now(MtfStream *stream, int64 deadline)
{
	if (deadline == 0)
		return MTF_IO_AGAIN;
	return mtf_socket_wait(stream->socket, deadline);
}

static MtfIo
read_socket(MtfStream *stream, void *buffer, size_t len, int64 deadline, size_t *done)
{
	for (;;)
	{
		MtfIo io = mtf_socket_read(stream->socket, buffer, len, done);

		if (io == MTF_IO_AGAIN)
			io = wait_unless_now(stream, deadline);
		else
			return io;
		if (io != MTF_IO_OK)
			return io;
	}
}

/* Make sure that a reply has begun: its header is checked and in_left is set. */
static MtfIo
await_header(MtfStream *stream, int64 deadline)
{
	while (stream->in_left == 0)
	{
		size_t n;
		MtfIo io;

		if (stream->filled - stream->pos >= MTF_MESSAGE_HEADER)
			return begin_reply(stream);
		if (stream->pos > 0)
		{
			memmove(stream->buffer, stream->buffer + stream->pos, stream->filled - stream->pos);
			stream->filled -= stream->pos;
			stream->pos = 0;
		}
		io = read_socket(stream, stream->buffer + stream->filled,
						 sizeof(stream->buffer) - stream->filled, deadline, &n);
		if (io != MTF_IO_OK)
			return io;
		stream->filled += n;
	}
	return MTF_IO_OK;
}

/* Up to len bytes of the reply: from the buffer if it has any, else from the socket. */
static MtfIo
read_some(MtfStream *stream, void *to, size_t len, int64 deadline, size_t *done)
{
	MtfIo io = await_header(stream, deadline);

	*done = 0;
	if (io != MTF_IO_OK)
		return io;
	len = Min(len, stream->in_left);
	if (stream->pos < stream->filled)
	{
		*done = Min(len, stream->filled - stream->pos);
		memcpy(to, stream->buffer + stream->pos, *done);
		stream->pos += *done;
	}
	else
	{
		io = read_socket(stream, to, len, deadline, done);
		if (io != MTF_IO_OK)
			return io;
	}
	return consume_reply(stream, *done);
}

/* Write all of iov, or with deadline 0 as much as goes; *done counts in any case. */
static MtfIo
write_all(MtfStream *stream, const struct iovec *iov, int iovcnt, int64 deadline, size_t *done)
{
	struct iovec rest[MAX_IOV];
	int first = 0;
	MtfIo io;

	*done = 0;
	if (iovcnt > MAX_IOV)
		return protocol_error(stream, "a message has too many parts");
	memcpy(rest, iov, sizeof(struct iovec) * iovcnt);
	if (stream->out_left == 0)
	{
		io = begin_request(stream, iov, iovcnt);
		if (io != MTF_IO_OK)
			return io;
	}
	while (first < iovcnt)
	{
		size_t n;

		io = mtf_socket_write(stream->socket, rest + first, iovcnt - first, &n);
		if (io == MTF_IO_AGAIN)
			io = wait_unless_now(stream, deadline);
		if (io != MTF_IO_OK)
			return io;
		*done += n;
		stream->out_left -= Min(n, stream->out_left);
		while (first < iovcnt && n >= rest[first].iov_len)
			n -= rest[first++].iov_len;
		if (first < iovcnt)
		{
			rest[first].iov_base = (char *) rest[first].iov_base + n;
			rest[first].iov_len -= n;
		}
	}
	return MTF_IO_OK;
}

/* ---- our own messages ---- */

MtfIo
mtf_stream_send(MtfStream *stream, const struct iovec *iov, int iovcnt, int64 deadline)
{
	size_t done;

	return write_all(stream, iov, iovcnt, deadline, &done);
}

/*
 * One request is allowed behind an open one: the server reads it after it has answered, so that it cannot
 * overtake.  After a part of it was written, nothing more can be sent.
 */
MtfIo
mtf_stream_send_behind(MtfStream *stream, const struct iovec *iov, int iovcnt, int64 deadline)
{
	size_t len = 0;
	size_t done;
	MtfIo io;

	if (!stream->outstanding || stream->out_left > 0 || stream->behind != 0)
		return MTF_IO_FAILED;
	for (int i = 0; i < iovcnt; i++)
		len += iov[i].iov_len;
	/* Else write_all() would take it for a request of its own. */
	stream->out_left = len;
	io = write_all(stream, iov, iovcnt, deadline, &done);
	if (io == MTF_IO_OK)
		stream->behind = read_int32((const uint8 *) iov[0].iov_base + 4);
	return io;
}

MtfIo
mtf_stream_receive_header(MtfStream *stream, int64 deadline, uint32 *len, int32 *opcode)
{
	uint8 head[MTF_MESSAGE_HEADER];
	size_t done = 0;

	while (done < sizeof(head))
	{
		size_t n;
		MtfIo io = read_some(stream, head + done, sizeof(head) - done, deadline, &n);

		if (io != MTF_IO_OK)
			return io;
		done += n;
	}
	*len = (uint32) read_int32(head) - MTF_MESSAGE_HEADER;
	*opcode = read_int32(head + 12);
	return MTF_IO_OK;
}

MtfIo
mtf_stream_receive(MtfStream *stream, void *buffer, size_t len, int64 deadline)
{
	size_t done = 0;

	while (done < len)
	{
		size_t n;
		MtfIo io;

		if (stream->in_left == 0)
			return protocol_error(stream, "the server's message is shorter than it says");
		io = read_some(stream, (char *) buffer + done, len - done, deadline, &n);
		if (io != MTF_IO_OK)
			return io;
		done += n;
	}
	return MTF_IO_OK;
}

MtfIo
mtf_stream_drain(MtfStream *stream, int64 deadline)
{
	uint8 scrap[65536];

	while (stream->outstanding)
	{
		size_t n;
		MtfIo io = read_some(stream, scrap, sizeof(scrap), deadline, &n);

		if (io != MTF_IO_OK)
			return io;
	}
	return MTF_IO_OK;
}

bool
mtf_stream_is_outstanding(const MtfStream *stream)
{
	return stream->outstanding;
}

pgsocket
mtf_stream_descriptor(const MtfStream *stream)
{
	if (!stream->outstanding || stream->out_left > 0 || stream->pos < stream->filled)
		return PGINVALID_SOCKET;
	return mtf_socket_descriptor(stream->socket);
}

MtfIo
mtf_stream_wait_any(MtfStream **streams, int n, int64 deadline, int *ready)
{
	MtfSocket *sockets[MTF_STREAMS_MAX];
	bool wants_read[MTF_STREAMS_MAX];
	bool fired[MTF_STREAMS_MAX];
	MtfIo io;

	*ready = 0;
	for (int i = 0; i < n; i++)
	{
		sockets[i] = streams[i]->socket;
		wants_read[i] = streams[i]->out_left == 0;
		if (streams[i]->pos < streams[i]->filled)
		{
			*ready = i;
			return MTF_IO_OK;
		}
	}
	io = mtf_socket_poll(sockets, wants_read, fired, n, deadline);
	for (int i = n - 1; io == MTF_IO_OK && i >= 0; i--)
		if (fired[i])
			*ready = i;
	return io;
}

bool
mtf_stream_is_stale(MtfStream *stream)
{
	return stream->outstanding || stream->out_left > 0 || stream->pos < stream->filled ||
		   mtf_socket_is_stale(stream->socket);
}

MtfStream *
mtf_stream_find(MtfStreams *streams, const char *host_and_port)
{
	dlist_iter iter;

	dlist_foreach(iter, &streams->list)
	{
		MtfStream *stream = dlist_container(MtfStream, node, iter.cur);

		if (strcmp(stream->host_and_port, host_and_port) == 0)
			return stream;
	}
	return NULL;
}

/* ---- the driver's interface ---- */

static int64
driver_deadline(int32_t timeout_msec)
{
	if (timeout_msec == 0)
		return 0;
	return mtf_clock() + (timeout_msec < 0 ? DEFAULT_TIMEOUT_MS : timeout_msec) * INT64CONST(1000);
}

/* Keep the result for should_retry and timed_out, and say it the way the driver reads it. */
static ssize_t
driver_result(MtfStream *stream, MtfIo io, size_t done)
{
	stream->last = io;
	stream->streams->network.failure = io == MTF_IO_AGAIN ? MTF_IO_OK : io;
	switch (io)
	{
		case MTF_IO_OK: return (ssize_t) done;
		case MTF_IO_AGAIN: errno = EAGAIN; break;
		case MTF_IO_CANCELED: errno = ECANCELED; break;
		case MTF_IO_TIMEOUT: errno = ETIMEDOUT; break;
		case MTF_IO_PROTOCOL: errno = EPROTO; break;
		default: errno = ECONNRESET; break;
	}
	return -1;
}

static ssize_t
stream_writev(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t iovcnt, int32_t timeout_msec)
{
	MtfStream *stream = (MtfStream *) base;
	size_t done;
	MtfIo io;

	io = write_all(stream, (struct iovec *) iov, (int) Min(iovcnt, INT_MAX),
				   driver_deadline(timeout_msec), &done);
	if (io == MTF_IO_AGAIN && done > 0)
		io = MTF_IO_OK;
	return driver_result(stream, io, done);
}

static ssize_t
stream_readv(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t iovcnt, size_t min_bytes,
			 int32_t timeout_msec)
{
	MtfStream *stream = (MtfStream *) base;
	int64 deadline = driver_deadline(timeout_msec);
	size_t total = 0;

	for (size_t i = 0; i < iovcnt; i++)
		for (size_t at = 0; at < iov[i].iov_len;)
		{
			size_t n;
			MtfIo io =
				read_some(stream, (char *) iov[i].iov_base + at, iov[i].iov_len - at, deadline, &n);

			if (io != MTF_IO_OK)
				return driver_result(stream, io, 0);
			at += n;
			total += n;
			if (total >= min_bytes)
				return driver_result(stream, MTF_IO_OK, total);
		}
	return driver_result(stream, MTF_IO_OK, total);
}

/*
 * The driver polls while it says hello to several hosts.  An interrupt, or the end of the time we
 * have in all, must end that loop at once, which only errors on all streams do.
 */
static ssize_t
stream_poll(mongoc_stream_poll_t *polled, size_t n, int32_t timeout_msec)
{
	MtfSocket *sockets[MAX_IOV];
	bool wants_read[MAX_IOV];
	bool ready[MAX_IOV] = {false};
	MtfStreams *streams = ((MtfStream *) polled[0].stream)->streams;
	ssize_t count = 0;
	MtfIo io;

	n = Min(n, (size_t) 14);
	for (size_t i = 0; i < n; i++)
	{
		MtfStream *stream = (MtfStream *) polled[i].stream;

		sockets[i] = stream->socket;
		wants_read[i] = (polled[i].events & POLLIN) != 0;
		polled[i].revents = 0;
		if (wants_read[i] && stream->pos < stream->filled)
			ready[i] = true, count++;
	}
	if (count == 0)
	{
		io = mtf_socket_poll(sockets, wants_read, ready, (int) n,
							 mtf_clock() + Max(timeout_msec, 1) * INT64CONST(1000));
		if (io == MTF_IO_TIMEOUT && !mtf_network_is_late(&streams->network))
			return 0;
		if (io != MTF_IO_OK)
		{
			for (size_t i = 0; i < n; i++)
				polled[i].revents = POLLERR;
			return (ssize_t) n;
		}
	}
	count = 0;
	for (size_t i = 0; i < n; i++)
		if (ready[i])
		{
			polled[i].revents = polled[i].events;
			count++;
		}
	return count;
}

static int
stream_close(mongoc_stream_t *base)
{
	return 0;
}

static int
stream_flush(mongoc_stream_t *base)
{
	return 0;
}

static void
stream_destroy(mongoc_stream_t *base)
{
	MtfStream *stream = (MtfStream *) base;

	dlist_delete(&stream->node);
	mtf_socket_destroy(stream->socket);
	free(stream);
}

static bool
stream_check_closed(mongoc_stream_t *base)
{
	return mtf_stream_is_stale((MtfStream *) base);
}

static bool
stream_timed_out(mongoc_stream_t *base)
{
	return ((MtfStream *) base)->last == MTF_IO_TIMEOUT;
}

static bool
stream_should_retry(mongoc_stream_t *base)
{
	return ((MtfStream *) base)->last == MTF_IO_AGAIN;
}

static MtfStream *
create_stream(MtfStreams *streams, const mongoc_host_list_t *host, bool allowed)
{
	MtfStream *stream = calloc(1, sizeof(MtfStream));

	if (stream == NULL)
	{
		strlcpy(streams->network.why, "out of memory", sizeof(streams->network.why));
		return NULL;
	}
	stream->socket =
		mtf_socket_create(&streams->network, host->host, host->port, host->family, allowed);
	if (stream->socket == NULL)
	{
		free(stream);
		return NULL;
	}
	stream->streams = streams;
	strlcpy(stream->host_and_port, host->host_and_port, sizeof(stream->host_and_port));
	stream->vtable.type = STREAM_TYPE;
	stream->vtable.destroy = stream_destroy;
	stream->vtable.failed = stream_destroy;
	stream->vtable.close = stream_close;
	stream->vtable.flush = stream_flush;
	stream->vtable.writev = stream_writev;
	stream->vtable.readv = stream_readv;
	stream->vtable.poll = stream_poll;
	stream->vtable.check_closed = stream_check_closed;
	stream->vtable.timed_out = stream_timed_out;
	stream->vtable.should_retry = stream_should_retry;
	dlist_push_tail(&streams->list, &stream->node);
	return stream;
}

/* ---- who may be connected to ---- */

/* One entry of allowed_hosts: "host", "host:port", "*.domain", "[::1]:27017" or a socket's path. */
static bool
entry_matches(const char *entry, size_t len, const mongoc_host_list_t *host)
{
	char name[sizeof(host->host) + 16];
	size_t host_len = strlen(host->host);

	if (len > 2 && entry[0] == '*' && entry[1] == '.')
		return host_len > len - 1 &&
			   pg_strncasecmp(host->host + host_len - (len - 1), entry + 1, len - 1) == 0;
	if (len == host_len && pg_strncasecmp(entry, host->host, len) == 0)
		return true;
	if (host->family == AF_UNIX)
		return false;
	snprintf(name, sizeof(name), strchr(host->host, ':') != NULL ? "[%s]" : "%s:%hu", host->host,
			 host->port);
	if (strlen(name) == len && pg_strncasecmp(entry, name, len) == 0)
		return true;
	snprintf(name, sizeof(name), "[%s]:%hu", host->host, host->port);
	return strlen(name) == len && pg_strncasecmp(entry, name, len) == 0;
}

static bool
host_is_allowed(const MtfNetwork *network, const mongoc_host_list_t *host)
{
	const char *at = network->allowed_hosts;

	if (!network->restricted)
		return true;
	while (*at != '\0')
	{
		size_t skip = strspn(at, ", \t");
		size_t len = strcspn(at + skip, ", \t");

		if (len > 0 && entry_matches(at + skip, len, host))
			return true;
		at += skip + len;
	}
	return false;
}

/*
 * Every connection of the driver begins here, to hosts of the URI as well as to those that SRV
 * records or a server's hello name.
 *
 * A host that may not or cannot be connected to gets a stream that has failed: libmongoc 1.23 meets
 * NULL for a host that a hello has named with the lock of its topology held, and waits for itself.
 */
mongoc_stream_t *
mtf_stream_initiate(const mongoc_uri_t *uri, const mongoc_host_list_t *host, void *user_data,
					bson_error_t *error)
{
	MtfStreams *streams = user_data;
	bool allowed = host_is_allowed(&streams->network, host);
	MtfStream *stream = create_stream(streams, host, allowed);

	if (!allowed)
		streams->network.refused = true;
	if (stream == NULL)
	{
		bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "%s",
					   streams->network.why);
		return NULL;
	}
	return &stream->vtable;
}
