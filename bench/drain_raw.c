/*
 * drain_raw.c
 *	  The floor of the benchmark: aggregate and getMore over a bare socket, replies thrown away.
 *
 * drain_raw PORT|PATH DB.COLLECTION BATCH REPEAT [looks|sleeps]
 *
 * Prints one line of JSON per repetition: wall and CPU seconds, bytes, batches.  What the canned
 * server costs is what this takes; it must stay small against the reference (ref_mongoc).  It reads
 * faster than anybody who looks at the bytes, so that it often finds nothing to read: then it looks
 * again at once, or sleeps until the kernel wakes it, which is a cost of the reader's waiting and not
 * of the server.
 */
#include <bson/bson.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

/* Read into again and again: what is drained goes nowhere. */
static uint8_t buffer[256 * 1024];
static uint64_t bytes;
static int how; /* MSG_DONTWAIT or 0 */

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
read_all(int fd, uint8_t *at, size_t len)
{
	while (len > 0)
	{
		ssize_t done = recv(fd, at, len, how);

		if (done < 0 && errno == EAGAIN && how != 0)
		{
			pause_shortly();
			continue;
		}
		if (done <= 0)
			die("recv");
		at += done;
		len -= (size_t) done;
	}
}

static void
send_command(int fd, const bson_t *command)
{
	static uint32_t number;
	uint8_t header[21] = {0};
	uint32_t fields[5] = {21 + command->len, ++number, 0, 2013, 0};
	struct iovec iov[2] = {{header, sizeof header}, {(void *) bson_get_data(command), command->len}};

	memcpy(header, fields, sizeof fields);
	if (writev(fd, iov, 2) != (ssize_t) (sizeof header + command->len))
		die("write");
}

/* The element "id" of a reply's last bytes: {cursor: {nextBatch: […], id, ns}, ok}. */
static int64_t
cursor_id(const uint8_t *end, size_t len)
{
	static const uint8_t element[] = {BSON_TYPE_INT64, 'i', 'd', 0};
	const uint8_t *found = memmem(end, len, element, sizeof element);
	int64_t id;

	if (found == NULL || found + sizeof element + sizeof id > end + len)
	{
		fprintf(stderr, "no cursor in the reply\n");
		exit(1);
	}
	memcpy(&id, found + sizeof element, sizeof id);
	return id;
}

/* Read one reply; returns the cursor's id. */
static int64_t
read_reply(int fd)
{
	uint8_t header[21];
	uint8_t tail[256];
	uint32_t len;
	size_t at = 0;

	read_all(fd, header, sizeof header);
	memcpy(&len, header, 4);
	bytes += len;
	len -= sizeof header;
	while (len - at > sizeof tail)
	{
		size_t part = len - at - sizeof tail;

		part = part < sizeof buffer ? part : sizeof buffer;
		read_all(fd, buffer, part);
		at += part;
	}
	read_all(fd, tail, len - at);
	return cursor_id(tail, len - at);
}

static int
drain(int fd, const char *db, const char *collection, int batch)
{
	bson_t *command = BCON_NEW("aggregate", BCON_UTF8(collection), "pipeline", "[", "]", "cursor",
							   "{", "batchSize", BCON_INT32(batch), "}", "$db", BCON_UTF8(db));
	int batches = 1;
	int64_t id;

	send_command(fd, command);
	bson_destroy(command);
	while ((id = read_reply(fd)) != 0)
	{
		command = BCON_NEW("getMore", BCON_INT64(id), "collection", BCON_UTF8(collection),
						   "batchSize", BCON_INT32(batch), "$db", BCON_UTF8(db));
		send_command(fd, command);
		bson_destroy(command);
		batches++;
	}
	return batches;
}

static int
connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	if (connect(fd, (struct sockaddr *) &address, sizeof address) < 0)
		die("connect");
	return fd;
}

static int
connect_tcp(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_port = htons((uint16_t) port),
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int one = 1;

	if (connect(fd, (struct sockaddr *) &address, sizeof address) < 0)
		die("connect");
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

int
main(int argc, char **argv)
{
	char *dot = argc == 5 || argc == 6 ? strchr(argv[2], '.') : NULL;
	int fd;

	if (dot == NULL)
	{
		fprintf(stderr, "drain_raw PORT|PATH DB.COLLECTION BATCH REPEAT [looks|sleeps]\n");
		return 64;
	}
	*dot = 0;
	how = argc == 6 && strcmp(argv[5], "looks") == 0 ? MSG_DONTWAIT : 0;
	fd = argv[1][0] == '/' ? connect_unix(argv[1]) : connect_tcp(atoi(argv[1]));
	for (int i = 0; i < atoi(argv[4]); i++)
	{
		double wall = wall_now();
		double cpu = cpu_now();
		int batches;

		bytes = 0;
		batches = drain(fd, argv[2], dot + 1, atoi(argv[3]));
		printf("{\"wall\": %.6f, \"cpu\": %.6f, \"bytes\": %llu, \"batches\": %d}\n",
			   wall_now() - wall, cpu_now() - cpu, (unsigned long long) bytes, batches);
	}
	return 0;
}
