/*
 * canned_server.c
 *	  A document server that costs nothing: it answers find and aggregate from memory.
 *
 * A benchmark of a client must not measure its server.  This one generates N documents of about
 * 240 bytes from their number, lays each batch out once as the bytes of the wire, keeps it, and from
 * then on hands the kernel its pages: the only copy is the reader's.  Only message and cursor numbers
 * and the namespace are made per reply.
 *
 * Assumptions: clients on this machine, no authentication, no TLS, no compression; the few commands
 * that a driver sends for a scan.  Two collections exist in every database:
 *
 *	docs	N documents, $project and projection (plain inclusion) are applied
 *	whole	the same, but projections are ignored: whole documents always travel
 *
 * Every document belongs to one tenant (--tenant), and every $match is taken to be true.  $limit and
 * limit are honoured, $skip 0 is accepted.  Any other stage is an error, so that nothing is measured
 * that was not done.
 *
 * What must not happen here: a reply of a wrong shape.  responseTo, ns, cursor ids and array keys are
 * those of a real server.
 */
#include "../src/base/driver_compat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define OP_REPLY         1
#define OP_QUERY         2004
#define OP_MSG           2013
#define MSG_CHECKSUM     1
#define MSG_MORE_TO_COME 2

#define MAX_BATCH_BYTES (16 * 1024 * 1024)
#define MAX_MESSAGE     48000000
#define FIRST_BATCH     101 /* what a server sends when a client names no size */
#define MAX_FIELDS      32
#define MEMO_BUCKETS    16384
#define MEMO_LIMIT      ((size_t) 3 << 30)
#define PIPE_BYTES      (1 << 20)
#define SPLICED_BYTES   65536
#define PATIENCE        200 /* microseconds of looking for a request before sleeping */

typedef struct Settings
{
	int port;
	const char *unix_path;
	int64_t documents;
	const char *tenant;
} Settings;

static Settings settings = {0, NULL, 1000000, "tenant-0001"};

/* A way to see the documents: all fields, or the named ones in the documents' own order. */
typedef struct View
{
	struct View *next;
	int nfields; /* 0: whole documents */
	char *fields[MAX_FIELDS];
	int number;
} View;

/* The elements of one batch array, ready to send. */
typedef struct Body
{
	struct Body *next;
	const View *view;
	int64_t start;
	int64_t asked; /* most documents in it */
	int64_t count;
	uint8_t *bytes;
	size_t len;
	bool kept; /* in the memo: never freed */
} Body;

typedef struct Cursor
{
	struct Cursor *next;
	int64_t id;
	char *ns;
	const View *view;
	int64_t position;
	int64_t end;
} Cursor;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static View *views;
static Body *memo[MEMO_BUCKETS];
static size_t memo_bytes;
static Cursor *cursors;
static int64_t next_cursor_id = 7100000000000001;
static int64_t open_cursors;
static int64_t commands;
static atomic_int next_request_id = 1;
static atomic_int next_connection_id = 1;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- documents ---- */

static const char *const names[] = {"Ada Lovelace",   "Grace Hopper", "Edsger Dijkstra",
									"Barbara Liskov", "Donald Knuth", "Frances Allen",
									"Tony Hoare",     "Radia Perlman"};
static const char *const cities[] = {"Amsterdam", "Buenos Aires", "Cairo", "Dar es Salaam",
									 "Espoo"};
static const char *const states[] = {"open", "paid", "shipped", "returned"};

/* A number that looks random and depends on `i` only (the finalizer of splitmix64). */
static uint64_t
scramble(uint64_t i)
{
	i += UINT64_C(0x9e3779b97f4a7c15);
	i = (i ^ (i >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	i = (i ^ (i >> 27)) * UINT64_C(0x94d049bb133111eb);
	return i ^ (i >> 31);
}

/* Document number `i`, whole, into an initialized bson_t. */
static void
make_document(int64_t i, bson_t *doc)
{
	uint64_t r = scramble((uint64_t) i);
	uint8_t raw[12] = {0x65, 0x5f, 0x10, 0x00, 0xca, 0x7e, 0xd0, 0, 0, 0, 0, 0};
	bson_oid_t oid;
	char note[64];

	for (int b = 0; b < 5; b++)
		raw[11 - b] = (uint8_t) ((uint64_t) i >> (8 * b));
	bson_oid_init_from_data(&oid, raw);
	snprintf(note, sizeof note, "order %016llx, left at door", (unsigned long long) r);
	BSON_APPEND_OID(doc, "_id", &oid);
	BSON_APPEND_UTF8(doc, "tenant_id", settings.tenant);
	BSON_APPEND_INT32(doc, "seq", (int32_t) i);
	BSON_APPEND_INT64(doc, "account", (int64_t) (r >> 8));
	BSON_APPEND_DOUBLE(doc, "amount", (double) (r % 1000000) / 100.0);
	BSON_APPEND_DOUBLE(doc, "rate", (double) (r % 9973) / 9973.0);
	BSON_APPEND_DATE_TIME(doc, "created_at", INT64_C(1700000000000) + i * 1000);
	BSON_APPEND_UTF8(doc, "name", names[r % 8]);
	BSON_APPEND_UTF8(doc, "city", cities[(r >> 16) % 5]);
	BSON_APPEND_BOOL(doc, "active", (r >> 24) & 1);
	BSON_APPEND_UTF8(doc, "status", states[(r >> 32) % 4]);
	BSON_APPEND_UTF8(doc, "note", note);
}

static bool
view_shows(const View *view, const char *field)
{
	for (int i = 0; i < view->nfields; i++)
	{
		if (strcmp(view->fields[i], field) == 0)
			return true;
	}
	return false;
}

static void
make_viewed_document(const View *view, int64_t i, bson_t *doc)
{
	bson_t whole = BSON_INITIALIZER;
	bson_iter_t iter;

	if (view->nfields == 0)
	{
		make_document(i, doc);
		return;
	}
	make_document(i, &whole);
	bson_iter_init(&iter, &whole);
	while (bson_iter_next(&iter))
	{
		if (view_shows(view, bson_iter_key(&iter)))
			bson_append_iter(doc, NULL, 0, &iter);
	}
	bson_destroy(&whole);
}

/* Find or make the view of these fields; takes over nothing. Call with the lock held. */
static const View *
view_intern(const View *wanted)
{
	static int numbers;
	View *view;

	for (view = views; view != NULL; view = view->next)
	{
		int i;

		if (view->nfields != wanted->nfields)
			continue;
		for (i = 0; i < view->nfields; i++)
		{
			if (strcmp(view->fields[i], wanted->fields[i]) != 0)
				break;
		}
		if (i == view->nfields)
			return view;
	}
	view = calloc(1, sizeof *view);
	view->nfields = wanted->nfields;
	for (int i = 0; i < wanted->nfields; i++)
		view->fields[i] = strdup(wanted->fields[i]);
	view->number = ++numbers;
	view->next = views;
	views = view;
	return view;
}

/* ---- batches ---- */

/* Lay out documents start.. as array elements: at most `asked`, at most 16 MB, never past `end`. */
static Body *
body_build(const View *view, int64_t start, int64_t asked, int64_t end)
{
	Body *body = calloc(1, sizeof *body);
	size_t room = 1 << 16;

	body->view = view;
	body->start = start;
	body->asked = asked;
	body->bytes = malloc(room);
	for (int64_t i = 0; i < asked && start + i < end; i++)
	{
		bson_t doc = BSON_INITIALIZER;
		char key[24];
		size_t keylen;
		size_t need;

		make_viewed_document(view, start + i, &doc);
		keylen = (size_t) snprintf(key, sizeof key, "%lld", (long long) i) + 1;
		need = 1 + keylen + doc.len;
		if (body->len + need > MAX_BATCH_BYTES)
		{
			bson_destroy(&doc);
			break;
		}
		while (body->len + need > room)
			body->bytes = realloc(body->bytes, room *= 2);
		body->bytes[body->len] = BSON_TYPE_DOCUMENT;
		memcpy(body->bytes + body->len + 1, key, keylen);
		memcpy(body->bytes + body->len + 1 + keylen, bson_get_data(&doc), doc.len);
		body->len += need;
		body->count++;
		bson_destroy(&doc);
	}
	return body;
}

static size_t
body_bucket(const View *view, int64_t start, int64_t asked)
{
	return scramble((uint64_t) start * 31 + (uint64_t) asked * 17 + (uint64_t) view->number) %
		   MEMO_BUCKETS;
}

/* Move a body that is kept to memory of large pages, which the kernel copies faster. */
static void
body_settle(Body *body)
{
	const size_t large = 2 << 20;
	size_t room = (body->len + large - 1) / large * large;
	void *bytes = NULL;

	if (body->len < large / 2 || posix_memalign(&bytes, large, room) != 0)
		return;
	(void) madvise(bytes, room, MADV_HUGEPAGE);
	memcpy(bytes, body->bytes, body->len);
	free(body->bytes);
	body->bytes = bytes;
}

/* The batch from `start`, from the memo when it was sent before.  Ends are part of `asked`. */
static Body *
body_get(const View *view, int64_t start, int64_t asked, int64_t end)
{
	Body *body;
	size_t bucket;

	if (asked > end - start)
		asked = end - start;
	bucket = body_bucket(view, start, asked);
	pthread_mutex_lock(&lock);
	for (body = memo[bucket]; body != NULL; body = body->next)
	{
		if (body->view == view && body->start == start && body->asked == asked)
			break;
	}
	pthread_mutex_unlock(&lock);
	if (body != NULL)
		return body;

	/* Two clients may build the same batch at once: both copies are right. */
	body = body_build(view, start, asked, end);
	pthread_mutex_lock(&lock);
	if (memo_bytes + body->len <= MEMO_LIMIT)
	{
		body_settle(body);
		body->kept = true;
		body->next = memo[bucket];
		memo[bucket] = body;
		memo_bytes += body->len;
	}
	pthread_mutex_unlock(&lock);
	return body;
}

static void
body_put(Body *body)
{
	if (body->kept)
		return;
	free(body->bytes);
	free(body);
}

/* ---- replies ---- */

typedef struct Client
{
	int fd;
	int id;
	int32_t request_id; /* of the request being answered */
	int32_t opcode;
	bool silent; /* the request asked for no reply */
	int pipe[2]; /* for pages on their way to the socket; -1: there is none */
} Client;

static void
put_int32(uint8_t *at, int32_t value)
{
	uint32_t little = BSON_UINT32_TO_LE((uint32_t) value);

	memcpy(at, &little, 4);
}

static int32_t
get_int32(const uint8_t *at)
{
	uint32_t little;

	memcpy(&little, at, 4);
	return (int32_t) BSON_UINT32_FROM_LE(little);
}

static bool
write_all(int fd, struct iovec *iov, int n)
{
	while (n > 0)
	{
		ssize_t done = writev(fd, iov, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		while (n > 0 && (size_t) done >= iov->iov_len)
		{
			done -= (ssize_t) iov->iov_len;
			iov++;
			n--;
		}
		if (n > 0)
		{
			iov->iov_base = (char *) iov->iov_base + done;
			iov->iov_len -= (size_t) done;
		}
	}
	return true;
}

/*
 * Bytes that never change, by their pages: into the pipe, and from there to the socket.  The copy that
 * write() makes took more of a core than all else that a batch costs.
 */
static bool
write_pages(const Client *client, const uint8_t *bytes, size_t len)
{
	while (len > 0)
	{
		struct iovec iov = {(void *) bytes, len};
		ssize_t piped = vmsplice(client->pipe[1], &iov, 1, 0);

		if (piped < 0 && errno == EINTR)
			continue;
		if (piped <= 0)
			return false;
		bytes += piped;
		len -= (size_t) piped;
		while (piped > 0)
		{
			ssize_t sent =
				splice(client->pipe[0], NULL, client->fd, NULL, (size_t) piped, SPLICE_F_MOVE);

			if (sent < 0 && errno == EINTR)
				continue;
			if (sent <= 0)
				return false;
			piped -= sent;
		}
	}
	return true;
}

static bool
write_body(const Client *client, const Body *body)
{
	struct iovec iov = {body->bytes, body->len};

	if (body->len == 0)
		return true;
	if (body->kept && body->len >= SPLICED_BYTES && client->pipe[0] >= 0)
		return write_pages(client, body->bytes, body->len);
	return write_all(client->fd, &iov, 1);
}

/* Header of a reply whose document(s) take `len` bytes; returns the header's own length. */
static size_t
reply_header(const Client *client, uint8_t *at, size_t len)
{
	size_t header = client->opcode == OP_QUERY ? 36 : 21;

	memset(at, 0, header);
	put_int32(at, (int32_t) (header + len));
	put_int32(at + 4, atomic_fetch_add(&next_request_id, 1));
	put_int32(at + 8, client->request_id);
	put_int32(at + 12, client->opcode == OP_QUERY ? OP_REPLY : OP_MSG);
	if (client->opcode == OP_QUERY)
	{
		put_int32(at + 16, 8); /* AwaitCapable */
		put_int32(at + 32, 1); /* one document */
	}
	return header;
}

static bool
send_document(const Client *client, const bson_t *doc)
{
	uint8_t header[36];
	struct iovec iov[2];

	if (client->silent)
		return true;
	iov[0].iov_base = header;
	iov[0].iov_len = reply_header(client, header, doc->len);
	iov[1].iov_base = (void *) bson_get_data(doc);
	iov[1].iov_len = doc->len;
	return write_all(client->fd, iov, 2);
}

static bool
send_error(const Client *client, int code, const char *name, const char *message)
{
	bson_t doc = BSON_INITIALIZER;
	bool sent;

	BSON_APPEND_DOUBLE(&doc, "ok", 0.0);
	BSON_APPEND_UTF8(&doc, "errmsg", message);
	BSON_APPEND_INT32(&doc, "code", code);
	BSON_APPEND_UTF8(&doc, "codeName", name);
	sent = send_document(client, &doc);
	bson_destroy(&doc);
	return sent;
}

/*
 * {cursor: {<which>: [ … ], id, ns}, ok: 1.0} around a batch: the frame is made with an empty array by
 * libbson and cut in two behind the array's length, then the lengths are corrected.  The order is that
 * of mongod: a client learns the cursor's id behind the documents.
 */
static bool
send_batch(const Client *client, const char *which, const char *ns, int64_t id, const Body *body)
{
	bson_t doc = BSON_INITIALIZER;
	bson_t cursor;
	bson_t array;
	uint8_t header[36];
	uint8_t *frame;
	size_t cut = 4 + 1 + sizeof "cursor" + 4 + 1 + strlen(which) + 1 + 4;
	struct iovec iov[2];
	struct iovec rest;
	bool sent;

	BSON_APPEND_DOCUMENT_BEGIN(&doc, "cursor", &cursor);
	BSON_APPEND_ARRAY_UNSAFE_BEGIN(&cursor, which, &array);
	bson_append_array_end(&cursor, &array);
	BSON_APPEND_INT64(&cursor, "id", id);
	BSON_APPEND_UTF8(&cursor, "ns", ns);
	bson_append_document_end(&doc, &cursor);
	BSON_APPEND_DOUBLE(&doc, "ok", 1.0);

	frame = malloc(doc.len);
	memcpy(frame, bson_get_data(&doc), doc.len);
	put_int32(frame, (int32_t) (doc.len + body->len));
	put_int32(frame + 12, get_int32(frame + 12) + (int32_t) body->len); /* behind "cursor" */
	put_int32(frame + cut - 4, (int32_t) (5 + body->len));

	iov[0].iov_base = header;
	iov[0].iov_len = reply_header(client, header, doc.len + body->len);
	iov[1].iov_base = frame;
	iov[1].iov_len = cut;
	rest.iov_base = frame + cut;
	rest.iov_len = doc.len - cut;
	sent = client->silent || (write_all(client->fd, iov, 2) && write_body(client, body) &&
							  write_all(client->fd, &rest, 1));
	free(frame);
	bson_destroy(&doc);
	return sent;
}

/* ---- cursors ---- */

/* Remember where a cursor stands.  Call with the lock held. */
static Cursor *
cursor_add(const char *ns, const View *view, int64_t position, int64_t end)
{
	Cursor *cursor = calloc(1, sizeof *cursor);

	cursor->id = next_cursor_id++;
	cursor->ns = strdup(ns);
	cursor->view = view;
	cursor->position = position;
	cursor->end = end;
	cursor->next = cursors;
	cursors = cursor;
	open_cursors++;
	return cursor;
}

/* Take a cursor out of the list; NULL when there is none.  Call with the lock held. */
static Cursor *
cursor_take(int64_t id)
{
	for (Cursor **link = &cursors; *link != NULL; link = &(*link)->next)
	{
		Cursor *cursor = *link;

		if (cursor->id == id)
		{
			*link = cursor->next;
			open_cursors--;
			return cursor;
		}
	}
	return NULL;
}

static void
cursor_free(Cursor *cursor)
{
	free(cursor->ns);
	free(cursor);
}

/* ---- commands ---- */

static int64_t
field_int(const bson_t *doc, const char *name, int64_t otherwise)
{
	bson_iter_t iter;

	return bson_iter_init_find(&iter, doc, name) && BSON_ITER_HOLDS_NUMBER(&iter)
			   ? bson_iter_as_int64(&iter)
			   : otherwise;
}

static bool
field_document(const bson_t *doc, const char *name, bson_t *sub)
{
	bson_iter_t iter;
	const uint8_t *data;
	uint32_t len;

	if (!bson_iter_init_find(&iter, doc, name))
		return false;
	if (BSON_ITER_HOLDS_DOCUMENT(&iter))
		bson_iter_document(&iter, &len, &data);
	else if (BSON_ITER_HOLDS_ARRAY(&iter))
		bson_iter_array(&iter, &len, &data);
	else
		return false;
	return bson_init_static(sub, data, len);
}

/* A plain inclusion: {a: 1, b: true, _id: 0}.  False for anything else. */
static bool
view_from_projection(const bson_t *projection, View *view)
{
	bson_iter_t iter;
	bool id = true;

	view->nfields = 0;
	bson_iter_init(&iter, projection);
	while (bson_iter_next(&iter))
	{
		const char *key = bson_iter_key(&iter);
		bool in;

		if (!BSON_ITER_HOLDS_BOOL(&iter) && !BSON_ITER_HOLDS_NUMBER(&iter))
			return false;
		in = bson_iter_as_bool(&iter);
		if (strcmp(key, "_id") == 0)
		{
			id = in;
			continue;
		}
		if (!in || strchr(key, '.') != NULL || view->nfields + 2 >= MAX_FIELDS)
			return false;
		view->fields[view->nfields++] = (char *) key;
	}
	if (id)
		view->fields[view->nfields++] = (char *) "_id";
	return view->nfields > 0;
}

/* What one find or aggregate asks for. */
typedef struct Request
{
	View view;
	int64_t end;
	int64_t batch; /* -1: not given */
} Request;

static const char *
read_pipeline(const bson_t *command, Request *request)
{
	bson_t pipeline;
	bson_iter_t stages;

	if (!field_document(command, "pipeline", &pipeline))
		return "pipeline is missing";
	bson_iter_init(&stages, &pipeline);
	while (bson_iter_next(&stages))
	{
		bson_iter_t stage;
		const char *key;

		if (!bson_iter_recurse(&stages, &stage) || !bson_iter_next(&stage))
			return "a stage is not a document";
		key = bson_iter_key(&stage);
		if (strcmp(key, "$match") == 0)
			continue;
		if (strcmp(key, "$skip") == 0 && bson_iter_as_int64(&stage) == 0)
			continue;
		if (strcmp(key, "$limit") == 0)
		{
			int64_t limit = bson_iter_as_int64(&stage);

			request->end = limit < request->end ? limit : request->end;
			continue;
		}
		if (strcmp(key, "$project") == 0 && BSON_ITER_HOLDS_DOCUMENT(&stage))
		{
			const uint8_t *data;
			uint32_t len;
			bson_t projection;

			bson_iter_document(&stage, &len, &data);
			if (bson_init_static(&projection, data, len) &&
				view_from_projection(&projection, &request->view))
				continue;
		}
		return "this stage is not known to the canned server";
	}
	return NULL;
}

static const char *
read_find(const bson_t *command, Request *request)
{
	bson_t projection;
	int64_t limit = field_int(command, "limit", 0);

	if (limit < 0)
		limit = -limit;
	if (limit > 0 && limit < request->end)
		request->end = limit;
	if (field_int(command, "skip", 0) != 0)
		return "skip is not known to the canned server";
	if (field_document(command, "projection", &projection) && bson_count_keys(&projection) > 0 &&
		!view_from_projection(&projection, &request->view))
		return "this projection is not known to the canned server";
	return NULL;
}

static bool
send_first_batch(const Client *client, const char *ns, const View *view, const Request *request)
{
	int64_t asked = request->batch >= 0 ? request->batch : FIRST_BATCH;
	Body *body = body_get(view, 0, asked, request->end);
	int64_t id = 0;
	bool sent;

	if (body->count < request->end)
	{
		pthread_mutex_lock(&lock);
		id = cursor_add(ns, view, body->count, request->end)->id;
		pthread_mutex_unlock(&lock);
	}
	sent = send_batch(client, "firstBatch", ns, id, body);
	body_put(body);
	return sent;
}

static bool
answer_query(const Client *client, const bson_t *command, const char *name, const char *db,
			 const char *collection)
{
	Request request = {.end = settings.documents, .batch = -1};
	const View *view;
	const char *wrong;
	char ns[300];
	bson_t cursor;

	snprintf(ns, sizeof ns, "%s.%s", db, collection);
	if (strcmp(name, "find") == 0)
	{
		request.batch = field_int(command, "batchSize", -1);
		wrong = read_find(command, &request);
	}
	else
	{
		if (field_document(command, "cursor", &cursor))
			request.batch = field_int(&cursor, "batchSize", -1);
		wrong = read_pipeline(command, &request);
	}
	if (strcmp(collection, "whole") == 0)
		request.view.nfields = 0;
	else if (strcmp(collection, "docs") != 0)
		request.end = 0;
	if (wrong != NULL)
		return send_error(client, 40324, "Location40324", wrong);
	pthread_mutex_lock(&lock);
	view = view_intern(&request.view);
	pthread_mutex_unlock(&lock);
	return send_first_batch(client, ns, view, &request);
}

static bool
answer_get_more(const Client *client, const bson_t *command, const char *db, int64_t id)
{
	int64_t asked = field_int(command, "batchSize", 0);
	bson_iter_t iter;
	char ns[300];
	Cursor *cursor;
	Body *body;
	int64_t left;
	bool sent;

	if (!bson_iter_init_find(&iter, command, "collection") || !BSON_ITER_HOLDS_UTF8(&iter))
		return send_error(client, 9, "FailedToParse", "collection is missing");
	snprintf(ns, sizeof ns, "%s.%s", db, bson_iter_utf8(&iter, NULL));

	pthread_mutex_lock(&lock);
	cursor = cursor_take(id);
	pthread_mutex_unlock(&lock);
	if (cursor == NULL)
		return send_error(client, 43, "CursorNotFound", "cursor id not found");
	if (strcmp(cursor->ns, ns) != 0)
	{
		cursor_free(cursor);
		return send_error(client, 13, "Unauthorized", "the cursor belongs to another namespace");
	}
	body = body_get(cursor->view, cursor->position, asked > 0 ? asked : INT64_MAX, cursor->end);
	cursor->position += body->count;
	left = cursor->end - cursor->position;
	if (left > 0)
	{
		pthread_mutex_lock(&lock);
		cursor->next = cursors;
		cursors = cursor;
		open_cursors++;
		pthread_mutex_unlock(&lock);
	}
	sent = send_batch(client, "nextBatch", ns, left > 0 ? id : 0, body);
	body_put(body);
	if (left <= 0)
		cursor_free(cursor);
	return sent;
}

static bool
answer_kill_cursors(const Client *client, const bson_t *command)
{
	bson_t ids;
	bson_t reply = BSON_INITIALIZER;
	bson_t killed;
	bson_t unknown;
	bson_iter_t iter;
	uint32_t n = 0;
	bool sent;

	BSON_APPEND_ARRAY_UNSAFE_BEGIN(&reply, "cursorsKilled", &killed);
	if (field_document(command, "cursors", &ids) && bson_iter_init(&iter, &ids))
	{
		while (bson_iter_next(&iter))
		{
			Cursor *cursor;
			char buffer[16];
			const char *key;

			pthread_mutex_lock(&lock);
			cursor = cursor_take(bson_iter_as_int64(&iter));
			pthread_mutex_unlock(&lock);
			if (cursor == NULL)
				continue;
			bson_uint32_to_string(n++, &key, buffer, sizeof buffer);
			BSON_APPEND_INT64(&killed, key, cursor->id);
			cursor_free(cursor);
		}
	}
	bson_append_array_end(&reply, &killed);
	BSON_APPEND_ARRAY_UNSAFE_BEGIN(&reply, "cursorsNotFound", &unknown);
	bson_append_array_end(&reply, &unknown);
	BSON_APPEND_DOUBLE(&reply, "ok", 1.0);
	sent = send_document(client, &reply);
	bson_destroy(&reply);
	return sent;
}

static void
append_hello(const Client *client, bson_t *reply)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	BSON_APPEND_BOOL(reply, "helloOk", true);
	BSON_APPEND_BOOL(reply, "ismaster", true);
	BSON_APPEND_BOOL(reply, "isWritablePrimary", true);
	BSON_APPEND_INT32(reply, "maxBsonObjectSize", 16 * 1024 * 1024);
	BSON_APPEND_INT32(reply, "maxMessageSizeBytes", MAX_MESSAGE);
	BSON_APPEND_INT32(reply, "maxWriteBatchSize", 100000);
	BSON_APPEND_DATE_TIME(reply, "localTime", (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000);
	BSON_APPEND_INT32(reply, "logicalSessionTimeoutMinutes", 30);
	BSON_APPEND_INT32(reply, "connectionId", client->id);
	BSON_APPEND_INT32(reply, "minWireVersion", 0);
	BSON_APPEND_INT32(reply, "maxWireVersion", 21);
	BSON_APPEND_BOOL(reply, "readOnly", false);
}

/* Counters, so that a benchmark can say how many commands a query took. */
static void
append_status(bson_t *reply)
{
	bson_t metrics;
	bson_t cursor;

	pthread_mutex_lock(&lock);
	BSON_APPEND_INT64(reply, "commands", commands);
	BSON_APPEND_DOCUMENT_BEGIN(reply, "metrics", &metrics);
	BSON_APPEND_DOCUMENT_BEGIN(&metrics, "cursor", &cursor);
	BSON_APPEND_INT64(&cursor, "open", open_cursors);
	bson_append_document_end(&metrics, &cursor);
	bson_append_document_end(reply, &metrics);
	pthread_mutex_unlock(&lock);
}

static bool
answer_small(const Client *client, const char *name)
{
	bson_t reply = BSON_INITIALIZER;
	bool known = true;
	bool sent;

	if (strcmp(name, "hello") == 0 || strcasecmp(name, "isMaster") == 0)
		append_hello(client, &reply);
	else if (strcasecmp(name, "buildInfo") == 0)
		BSON_APPEND_UTF8(&reply, "version", "7.0.0");
	else if (strcmp(name, "serverStatus") == 0)
		append_status(&reply);
	else if (strcmp(name, "ping") != 0 && strcmp(name, "endSessions") != 0 &&
			 strcmp(name, "killSessions") != 0)
		known = false;
	if (!known)
	{
		bson_destroy(&reply);
		return send_error(client, 59, "CommandNotFound", "no such command");
	}
	BSON_APPEND_DOUBLE(&reply, "ok", 1.0);
	sent = send_document(client, &reply);
	bson_destroy(&reply);
	return sent;
}

static bool
answer(const Client *client, const bson_t *command, const char *db)
{
	bson_iter_t first;
	bson_iter_t iter;
	const char *name;

	if (!bson_iter_init(&first, command) || !bson_iter_next(&first))
		return false;
	name = bson_iter_key(&first);
	if (bson_iter_init_find(&iter, command, "$db") && BSON_ITER_HOLDS_UTF8(&iter))
		db = bson_iter_utf8(&iter, NULL);
	pthread_mutex_lock(&lock);
	commands++;
	pthread_mutex_unlock(&lock);

	if (strcmp(name, "find") == 0 || strcmp(name, "aggregate") == 0)
	{
		if (!BSON_ITER_HOLDS_UTF8(&first))
			return send_error(client, 9, "FailedToParse", "a collection must be named");
		return answer_query(client, command, name, db, bson_iter_utf8(&first, NULL));
	}
	if (strcmp(name, "getMore") == 0)
		return answer_get_more(client, command, db, bson_iter_as_int64(&first));
	if (strcmp(name, "killCursors") == 0)
		return answer_kill_cursors(client, command);
	return answer_small(client, name);
}

/* ---- messages ---- */

/* One message of `len` bytes behind its header; false ends the connection. */
static bool
handle_message(Client *client, const uint8_t *message, size_t len)
{
	bson_t command;
	size_t at;
	char db[128] = "admin";

	if (client->opcode == OP_QUERY)
	{
		const uint8_t *end = len > 4 ? memchr(message + 4, 0, len - 4) : NULL;
		const uint8_t *dot;

		if (end == NULL)
			return false;
		dot = memchr(message + 4, '.', (size_t) (end - message) - 4);
		if (dot != NULL && (size_t) (dot - message) - 4 < sizeof db)
		{
			memcpy(db, message + 4, (size_t) (dot - message) - 4);
			db[dot - message - 4] = 0;
		}
		client->silent = false;
		at = (size_t) (end - message) + 1 + 8;
	}
	else if (client->opcode == OP_MSG && len > 5 && message[4] == 0)
	{
		client->silent = get_int32(message) & MSG_MORE_TO_COME;
		at = 5;
	}
	else
		return false;
	if (at + 5 > len || get_int32(message + at) < 5 ||
		(size_t) get_int32(message + at) > len - at ||
		!bson_init_static(&command, message + at, (size_t) get_int32(message + at)))
		return false;
	return answer(client, &command, db);
}

static bool
read_all(int fd, uint8_t *at, size_t len)
{
	while (len > 0)
	{
		ssize_t done = read(fd, at, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		at += done;
		len -= (size_t) done;
	}
	return true;
}

/*
 * Wait a moment for a request without sleeping: on a virtual machine it takes longer to wake a processor
 * than to send a batch.
 */
static void
await_request(int fd)
{
	double until = wall_now() + PATIENCE / 1e6;
	char byte;

	while (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN && wall_now() < until)
		pause_shortly();
}

/* For pages; without one they are copied. */
static void
open_pipe(Client *client)
{
	if (pipe2(client->pipe, O_CLOEXEC) < 0)
		client->pipe[0] = client->pipe[1] = -1;
	else
		(void) fcntl(client->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
}

static void
close_client(const Client *client)
{
	close(client->fd);
	if (client->pipe[0] >= 0)
	{
		close(client->pipe[0]);
		close(client->pipe[1]);
	}
}

static void *
serve(void *arg)
{
	Client client = {.fd = (int) (intptr_t) arg};
	uint8_t *message = NULL;
	size_t room = 0;

	client.id = atomic_fetch_add(&next_connection_id, 1);
	open_pipe(&client);
	for (;;)
	{
		uint8_t header[16];
		int32_t len;

		await_request(client.fd);
		if (!read_all(client.fd, header, sizeof header))
			break;
		len = get_int32(header) - 16;
		if (len <= 0 || len > MAX_MESSAGE)
			break;
		client.request_id = get_int32(header + 4);
		client.opcode = get_int32(header + 12);
		if ((size_t) len > room)
		{
			free(message);
			room = (size_t) len;
			message = malloc(room);
		}
		if (!read_all(client.fd, message, (size_t) len) ||
			!handle_message(&client, message, (size_t) len))
			break;
	}
	free(message);
	close_client(&client);
	return NULL;
}

/* ---- start ---- */

static int
listen_tcp(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_port = htons((uint16_t) settings.port),
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
		bind(fd, (struct sockaddr *) &address, sizeof address) < 0 || listen(fd, 64) < 0 ||
		getsockname(fd, (struct sockaddr *) &address, &len) < 0)
		die("listen");
	settings.port = ntohs(address.sin_port);
	return fd;
}

static int
listen_unix(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", settings.unix_path);
	unlink(settings.unix_path);
	if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof address) < 0 || listen(fd, 64) < 0)
		die(settings.unix_path);
	return fd;
}

static void
accept_forever(int fd)
{
	for (;;)
	{
		pthread_t thread;
		int one = 1;
		int whole_batch = 4 * 1024 * 1024;
		int client = accept(fd, NULL, NULL);

		if (client < 0)
		{
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			die("accept");
		}
		(void) setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		/* A whole batch is written without waiting for the reader, as TCP's own buffers grow to let it. */
		(void) setsockopt(client, SOL_SOCKET, SO_SNDBUF, &whole_batch, sizeof whole_batch);
		if (pthread_create(&thread, NULL, serve, (void *) (intptr_t) client) != 0)
			close(client);
		else
			pthread_detach(thread);
	}
}

static void
usage(void)
{
	fputs("canned_server [--port N] [--unix PATH] [--documents N] [--tenant TEXT]\n"
		  "  serves collections `docs` and `whole` of any database on 127.0.0.1;\n"
		  "  prints the port when it is ready\n",
		  stderr);
	exit(64);
}

int
main(int argc, char **argv)
{
	int fd;

	for (int i = 1; i < argc; i += 2)
	{
		if (i + 1 >= argc)
			usage();
		if (strcmp(argv[i], "--port") == 0)
			settings.port = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--unix") == 0)
			settings.unix_path = argv[i + 1];
		else if (strcmp(argv[i], "--documents") == 0)
			settings.documents = atoll(argv[i + 1]);
		else if (strcmp(argv[i], "--tenant") == 0)
			settings.tenant = argv[i + 1];
		else
			usage();
	}
	signal(SIGPIPE, SIG_IGN);
	if (settings.unix_path != NULL)
	{
		fd = listen_unix();
		puts(settings.unix_path);
	}
	else
	{
		fd = listen_tcp();
		printf("%d\n", settings.port);
	}
	fflush(stdout);
	accept_forever(fd);
	return 0;
}
