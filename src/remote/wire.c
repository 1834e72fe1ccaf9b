/*
 * wire.c
 *	  Commands of our own over the driver's authenticated stream: OP_MSG out, one document back.
 *
 * The driver allocates each reply, reads it, copies it whole and copies each document's header again.
 * Here a reply is read once, into a block that is used again for the next.  Only servers that the
 * driver has connected, greeted and authenticated are spoken to, and never under compression.
 *
 * What must not happen here: a length believed before it is checked.
 */
#include "remote/wire.h"

#include "utils/memutils.h"

#define OP_MSG            2013
#define FLAG_CHECKSUM     0x1
#define FLAG_MORE_TO_COME 0x2
#define FLAGS_MUST_KNOW   0xffff
#define MIN_BUFFER        1024

static void
put_int32(uint8 *p, uint32 value)
{
	p[0] = value & 0xff;
	p[1] = (value >> 8) & 0xff;
	p[2] = (value >> 16) & 0xff;
	p[3] = (value >> 24) & 0xff;
}

static uint32
get_int32(const uint8 *p)
{
	return (uint32) p[0] | (uint32) p[1] << 8 | (uint32) p[2] << 16 | (uint32) p[3] << 24;
}

static MtfIo
refuse(MtfClient *client, const char *why)
{
	strlcpy(client->streams.network.why, why, sizeof(client->streams.network.why));
	return MTF_IO_PROTOCOL;
}

static MtfIo
no_stream(MtfClient *client)
{
	strlcpy(client->streams.network.why, "the connection is gone",
			sizeof(client->streams.network.why));
	return MTF_IO_CLOSED;
}

typedef MtfIo (*Sender)(MtfStream *stream, const struct iovec *iov, int iovcnt, int64 deadline);

static MtfIo
send_message(MtfClient *client, const bson_t *command, int64 deadline, Sender send)
{
	MtfStream *stream = mtf_client_stream(client);
	uint8 head[MTF_MESSAGE_HEADER + 5] = {0};
	struct iovec iov[2];

	if (stream == NULL)
		return no_stream(client);
	client->request_id = client->request_id == PG_INT32_MAX ? 1 : client->request_id + 1;
	put_int32(head, sizeof(head) + command->len);
	put_int32(head + 4, client->request_id);
	put_int32(head + 12, OP_MSG);
	/* flagBits are 0, and the one section is of kind 0: a document */
	iov[0].iov_base = head;
	iov[0].iov_len = sizeof(head);
	iov[1].iov_base = (void *) bson_get_data(command);
	iov[1].iov_len = command->len;
	return send(stream, iov, 2, deadline);
}

MtfIo
mtf_wire_send(MtfClient *client, const bson_t *command, int64 deadline)
{
	return send_message(client, command, deadline, mtf_stream_send);
}

MtfIo
mtf_wire_send_behind(MtfClient *client, const bson_t *command, int64 deadline)
{
	return send_message(client, command, deadline, mtf_stream_send_behind);
}

static void
reserve(MtfReplyBuffer *buffer, size_t len)
{
	if (buffer->size >= len)
		return;
	if (buffer->data != NULL)
		pfree(buffer->data);
	buffer->data = NULL;
	buffer->size = 0;
	len = Max(len + len / 8, MIN_BUFFER);
	buffer->data = MemoryContextAllocHuge(buffer->context, len);
	buffer->size = len;
}

/* flagBits, then exactly one section of kind 0 whose document fills the message. */
static MtfIo
open_message(MtfClient *client, uint8 *data, size_t len, MtfReply *reply)
{
	uint32 flags;

	if (len < 10)
		return refuse(client, "the server sent a message that is too short");
	flags = get_int32(data);
	if ((flags & FLAGS_MUST_KNOW & ~FLAG_CHECKSUM) != 0)
		return refuse(client, "the server sent a message with unknown flags");
	if (flags & FLAG_CHECKSUM)
		len -= 4;
	if (len < 10 || data[4] != 0 || get_int32(data + 5) != len - 5 || data[len - 1] != 0)
		return refuse(client, "the server sent a message that is not one document");
	reply->data = data + 5;
	reply->len = len - 5;
	return MTF_IO_OK;
}

MtfIo
mtf_wire_receive(MtfClient *client, MtfReplyBuffer *buffer, int64 deadline, MtfReply *reply)
{
	MtfStream *stream = mtf_client_stream(client);
	uint32 len;
	int32 opcode;
	MtfIo io;

	if (stream == NULL)
		return no_stream(client);
	io = mtf_stream_receive_header(stream, deadline, &len, &opcode);
	if (io != MTF_IO_OK)
		return io;
	if (opcode != OP_MSG || len == 0)
		return refuse(client, "the server sent a message of unknown kind");
	reserve(buffer, len);
	io = mtf_stream_receive(stream, buffer->data, len, deadline);
	if (io != MTF_IO_OK)
		return io;
	return open_message(client, buffer->data, len, reply);
}

bool
mtf_wire_drain(MtfClient *client, int64 deadline)
{
	MtfStream *stream = mtf_client_stream(client);

	return stream != NULL && mtf_stream_drain(stream, deadline) == MTF_IO_OK;
}

static bool
is_true(const bson_iter_t *iter)
{
	return bson_iter_as_bool(iter);
}

bool
mtf_wire_reply_ok(const MtfReply *reply, bson_error_t *error)
{
	bson_iter_t iter;
	int code = 0;
	const char *text = "";

	memset(error, 0, sizeof(*error));
	if (!bson_iter_init_from_data(&iter, reply->data, reply->len))
	{
		bson_set_error(error, MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_INVALID_REPLY,
					   "the reply is not a document");
		return false;
	}
	while (bson_iter_next(&iter))
	{
		const char *key = bson_iter_key(&iter);

		if (strcmp(key, "ok") == 0 && is_true(&iter))
			return true;
		if (strcmp(key, "code") == 0)
			code = (int) bson_iter_as_int64(&iter);
		else if (strcmp(key, "errmsg") == 0 && BSON_ITER_HOLDS_UTF8(&iter))
			text = bson_iter_utf8(&iter, NULL);
	}
	bson_set_error(error, MONGOC_ERROR_SERVER, code, "%s", text);
	return false;
}

bool
mtf_wire_append_common(MtfClient *client, bson_t *command, const char *database, bool with_session)
{
	bool ok = BSON_APPEND_UTF8(command, "$db", database);
	const char *mode = client->mode;
	bson_t child;

	/* A direct connection to a secondary: it was meant. */
	if (client->secondary && strcmp(mode, "primary") == 0)
		mode = "primaryPreferred";

	if (ok && with_session && client->has_session)
	{
		ok = BSON_APPEND_DOCUMENT_BEGIN(command, "lsid", &child) &&
			 BSON_APPEND_BINARY(&child, "id", BSON_SUBTYPE_UUID, client->session.uuid,
								sizeof(client->session.uuid)) &&
			 bson_append_document_end(command, &child);
	}
	if (ok && !client->single && strcmp(mode, "primary") != 0)
	{
		ok = BSON_APPEND_DOCUMENT_BEGIN(command, "$readPreference", &child) &&
			 BSON_APPEND_UTF8(&child, "mode", mode) && bson_append_document_end(command, &child);
	}
	return ok;
}
