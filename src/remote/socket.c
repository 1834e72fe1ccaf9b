/*
 * socket.c
 *	  Sockets that a backend can wait on: TCP, Unix and TLS, non-blocking, ended by an interrupt.
 *
 * The driver's own sockets retry poll() after a signal, so that a cancelled query would wait for its
 * full timeout.  These wait on the backend's latch instead.  TLS is composed here, directly on
 * OpenSSL: the driver's TLS stream would contact OCSP responders whose address comes out of the
 * certificate, which allowed_hosts could not stop.
 *
 * What must not happen here: ereport (the caller may be the driver), a wait without a deadline,
 * palloc.  Memory comes from malloc, since the driver destroys streams whenever it likes.
 */
#include "remote/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "remote/tls.h"

/* Position of the sockets in a wait set: after the latch. */
#define FIRST_SOCKET 1

typedef enum SocketState
{
	SOCKET_CONNECTING,
	SOCKET_HANDSHAKE,
	SOCKET_OPEN,
	SOCKET_FAILED
} SocketState;

struct MtfSocket
{
	MtfNetwork *network;
	SocketState state;
	MtfIo failure; /* in SOCKET_FAILED */
	uint32 wants;  /* WL_SOCKET_READABLE or _WRITEABLE: what the last call waits for */
	pgsocket fd;
	bool external_fd; /* counted with AcquireExternalFD */
	SSL *ssl;         /* NULL: plain */
	bool use_tls;
	WaitEventSet *set; /* this socket and the latch; NULL until the first wait */
	uint32 set_wants;
	struct addrinfo *addresses; /* of getaddrinfo; NULL for Unix sockets and when open */
	struct addrinfo *next;      /* to try after the current one */
	int64 address_deadline;     /* of the current one; 0: only the caller's */
	char host[256];
};

int64
mtf_clock(void)
{
	return bson_get_monotonic_time();
}

static MtfIo
socket_fail(MtfSocket *sock, MtfIo failure, const char *what, const char *reason)
{
	sock->state = SOCKET_FAILED;
	sock->failure = failure;
	snprintf(sock->network->why, sizeof(sock->network->why), "%s \"%s\": %s", what, sock->host,
			 reason);
	return failure;
}

static MtfIo
socket_fail_errno(MtfSocket *sock, const char *what, int error)
{
	char buffer[128];

	/* strerror_r's two forms differ; strerror is safe in a backend, which has one thread. */
	strlcpy(buffer, strerror(error), sizeof(buffer));
	return socket_fail(sock, MTF_IO_FAILED, what, buffer);
}

/* ---- interrupts and waiting ---- */

/*
 * True when the backend wants this wait to end.  The interrupt itself is left pending: whoever
 * called the driver raises it after the driver has returned.  Only with network->direct, when there
 * is no driver on the stack, may an interrupt of another kind raise here.
 */
static bool
is_interrupted(MtfNetwork *network)
{
	if (network->shut)
		return true;
	if (!InterruptPending || network->persist || InterruptHoldoffCount > 0 || CritSectionCount > 0)
		return false;
	mtf_compat_check_client();
	if (ProcDiePending || mtf_compat_client_lost() ||
		(QueryCancelPending && QueryCancelHoldoffCount == 0))
		network->canceled = true;
	/* Barriers, recovery conflicts and the like: others may be waiting for us. */
	else if (network->direct)
		CHECK_FOR_INTERRUPTS();
	return network->canceled;
}

static int64
effective_deadline(const MtfNetwork *network, int64 deadline)
{
	return network->deadline != 0 && network->deadline < deadline ? network->deadline : deadline;
}

bool
mtf_network_is_late(const MtfNetwork *network)
{
	return network->deadline != 0 && mtf_clock() >= network->deadline;
}

/* Milliseconds until `deadline`, rounded up; 0 when it has passed. */
static long
remaining_ms(int64 deadline)
{
	int64 left = deadline - mtf_clock();

	return left <= 0 ? 0 : (long) Min((left + 999) / 1000, INT_MAX);
}

/*
 * A wait set of the latch and n sockets, or NULL.  Making one can raise (too many files), which must
 * not cross the driver's frames.
 */
static WaitEventSet *
create_wait_set(MtfSocket **sockets, const uint32 *events, int n)
{
	MemoryContext context = CurrentMemoryContext;
	WaitEventSet *volatile set = NULL;

	PG_TRY();
	{
		set = mtf_compat_create_wait_set(n + 2);
		AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
		for (int i = 0; i < n; i++)
			AddWaitEventToSet(set, events[i], sockets[i]->fd, NULL, NULL);
		if (IsUnderPostmaster)
			AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		if (set != NULL)
			FreeWaitEventSet(set);
		set = NULL;
	}
	PG_END_TRY();
	return set;
}

/*
 * Wait on a set until a socket is ready; fired (n entries, may be NULL) tells which.
 * Postmaster death ends the process here.
 */
static MtfIo
wait_on_set(MtfNetwork *network, WaitEventSet *set, bool *fired, int n, int64 deadline)
{
	WaitEvent events[16];

	deadline = effective_deadline(network, deadline);
	for (;;)
	{
		bool any = false;
		long timeout;
		int count;

		if (is_interrupted(network))
			return MTF_IO_CANCELED;
		timeout = remaining_ms(deadline);
		if (timeout == 0)
			return MTF_IO_TIMEOUT;
		count = WaitEventSetWait(set, timeout, events, lengthof(events), PG_WAIT_EXTENSION);
		for (int i = 0; i < count; i++)
		{
			if (events[i].events & WL_LATCH_SET)
				ResetLatch(MyLatch);
			else if (events[i].events & WL_SOCKET_MASK)
			{
				any = true;
				if (fired != NULL && events[i].pos >= FIRST_SOCKET &&
					events[i].pos < FIRST_SOCKET + n)
					fired[events[i].pos - FIRST_SOCKET] = true;
			}
		}
		if (any)
			return MTF_IO_OK;
	}
}

static void
drop_wait_set(MtfSocket *sock)
{
	WaitEventSet *set = sock->set;

	sock->set = NULL;
	if (set != NULL)
		FreeWaitEventSet(set);
}

/* Wait for what the last step of the socket wants. */
static MtfIo
wait_for_socket(MtfSocket *sock, int64 deadline)
{
	MtfIo io;

	if (sock->set == NULL)
	{
		sock->set = create_wait_set(&sock, &sock->wants, 1);
		if (sock->set == NULL)
			return socket_fail(sock, MTF_IO_FAILED, "could not wait for", "too many files");
	}
	else if (sock->set_wants != sock->wants)
		ModifyWaitEvent(sock->set, FIRST_SOCKET, sock->wants, NULL);
	sock->set_wants = sock->wants;
	io = wait_on_set(sock->network, sock->set, NULL, 1, deadline);
	if (io == MTF_IO_TIMEOUT)
		snprintf(sock->network->why, sizeof(sock->network->why), "\"%s\" did not answer in time",
				 sock->host);
	return io;
}

/* ---- connecting ---- */

static bool
is_loopback(const char *host, int family)
{
	if (family == AF_UNIX)
		return true;
	return pg_strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
		   (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

static void
close_fd(MtfSocket *sock)
{
	drop_wait_set(sock);
	if (sock->fd != PGINVALID_SOCKET)
		closesocket(sock->fd);
	sock->fd = PGINVALID_SOCKET;
	if (sock->external_fd)
		ReleaseExternalFD();
	sock->external_fd = false;
}

/*
 * A peer that vanished without a word, as behind a firewall that forgets idle connections, is noticed
 * in a minute, not after socketTimeoutMS.  A server that is slow but there is waited for.
 */
static void
watch_peer(pgsocket fd)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
#ifdef TCP_KEEPIDLE
	{
		int idle_s = 60;
		int interval_s = 10;
		int count = 3;

		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	}
#endif
#ifdef TCP_USER_TIMEOUT
	{
		unsigned int unanswered_ms = 30000;

		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof(unanswered_ms));
	}
#endif
}

static pgsocket
new_fd(int family)
{
	pgsocket fd = socket(family, SOCK_STREAM, 0);
	int on = 1;

	if (fd == PGINVALID_SOCKET)
		return fd;
	if (!pg_set_noblock(fd))
	{
		closesocket(fd);
		return PGINVALID_SOCKET;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (family == AF_UNIX)
		return fd;
	/* One command is one packet. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	watch_peer(fd);
	return fd;
}

/* Begin a non-blocking connect to one address; false: not possible, errno tells. */
static bool
begin_connect(MtfSocket *sock, int family, const struct sockaddr *address, socklen_t len)
{
	int error;

	close_fd(sock);
	if (!AcquireExternalFD())
	{
		errno = EMFILE;
		return false;
	}
	sock->external_fd = true;
	sock->fd = new_fd(family);
	if (sock->fd == PGINVALID_SOCKET ||
		(connect(sock->fd, address, len) != 0 && errno != EINPROGRESS && errno != EINTR))
	{
		error = errno;
		close_fd(sock);
		errno = error;
		return false;
	}
	sock->state = SOCKET_CONNECTING;
	sock->wants = WL_SOCKET_WRITEABLE;
	return true;
}

/* Go on to the next address that a connect can begin to; fails when there is none left. */
static MtfIo
try_next_address(MtfSocket *sock, int error)
{
	while (sock->next != NULL)
	{
		struct addrinfo *address = sock->next;
		int left = 1;

		sock->next = address->ai_next;
		for (struct addrinfo *a = address->ai_next; a != NULL; a = a->ai_next)
			left++;
		/* A silent address must leave time for the others. */
		sock->address_deadline =
			left == 1 ? 0
					  : mtf_clock() + sock->network->connect_timeout_ms * INT64CONST(1000) / left;
		if (begin_connect(sock, address->ai_family, address->ai_addr, address->ai_addrlen))
			return MTF_IO_AGAIN;
		error = errno;
	}
	return socket_fail_errno(sock, "could not connect to", error);
}

/* The connect has ended: did it work? */
static MtfIo
finish_connect(MtfSocket *sock)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(sock->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0)
		return try_next_address(sock, error);
	if (sock->addresses != NULL)
		freeaddrinfo(sock->addresses);
	sock->addresses = sock->next = NULL;
	sock->address_deadline = 0;
	if (!sock->use_tls)
	{
		sock->state = SOCKET_OPEN;
		return MTF_IO_OK;
	}
	sock->ssl = mtf_tls_create(sock->network->tls, sock->host, !sock->network->tls_any_name);
	if (sock->ssl == NULL || SSL_set_fd(sock->ssl, sock->fd) != 1)
		return socket_fail(sock, MTF_IO_FAILED, "could not begin TLS with", mtf_tls_reason(NULL));
	sock->state = SOCKET_HANDSHAKE;
	return MTF_IO_AGAIN;
}

/*
 * What OpenSSL's result means: sets `wants` for MTF_IO_AGAIN, and fails the socket for good
 * otherwise.
 */
static MtfIo
tls_result(MtfSocket *sock, int result, const char *what)
{
	int error = errno;

	switch (SSL_get_error(sock->ssl, result))
	{
		case SSL_ERROR_WANT_READ: sock->wants = WL_SOCKET_READABLE; return MTF_IO_AGAIN;
		case SSL_ERROR_WANT_WRITE: sock->wants = WL_SOCKET_WRITEABLE; return MTF_IO_AGAIN;
		case SSL_ERROR_ZERO_RETURN:
			return socket_fail(sock, MTF_IO_CLOSED, what, "connection closed by the server");
		case SSL_ERROR_SYSCALL:
			if (error == 0)
				return socket_fail(sock, MTF_IO_CLOSED, what, "connection closed by the server");
			return socket_fail_errno(sock, what, error);
		default: return socket_fail(sock, MTF_IO_FAILED, what, mtf_tls_reason(sock->ssl));
	}
}

/* One step towards SOCKET_OPEN, without waiting; call it when what `wants` says has come. */
static MtfIo
advance(MtfSocket *sock)
{
	MtfIo io = MTF_IO_AGAIN;
	int result;

	if (sock->state == SOCKET_CONNECTING)
		io = finish_connect(sock);
	if (sock->state == SOCKET_HANDSHAKE)
	{
		ERR_clear_error();
		errno = 0;
		result = SSL_connect(sock->ssl);
		if (result != 1)
			return tls_result(sock, result, "TLS handshake failed with");
		sock->state = SOCKET_OPEN;
		io = MTF_IO_OK;
	}
	return io;
}

/* Host names as the driver gives them; an IPv6 address comes without brackets. */
static void
resolve(MtfSocket *sock, uint16 port, int family)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
	char service[8];
	int result;

	snprintf(service, sizeof(service), "%hu", port);
	result = getaddrinfo(sock->host, service, &hints, &sock->addresses);
	if (result != 0)
	{
		sock->addresses = NULL;
		socket_fail(sock, MTF_IO_FAILED, "could not resolve host", gai_strerror(result));
		return;
	}
	sock->next = sock->addresses;
	try_next_address(sock, EADDRNOTAVAIL);
}

static void
begin_unix(MtfSocket *sock)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlcpy(address.sun_path, sock->host, sizeof(address.sun_path)) >= sizeof(address.sun_path))
		socket_fail(sock, MTF_IO_FAILED, "could not connect to", "path is too long");
	else if (!begin_connect(sock, AF_UNIX, (struct sockaddr *) &address, sizeof(address)))
		socket_fail_errno(sock, "could not connect to", errno);
}

MtfSocket *
mtf_socket_create(MtfNetwork *network, const char *host, uint16 port, int family, bool allowed)
{
	MtfSocket *sock = calloc(1, sizeof(MtfSocket));

	if (sock == NULL)
	{
		strlcpy(network->why, "out of memory", sizeof(network->why));
		return NULL;
	}
	sock->network = network;
	sock->fd = PGINVALID_SOCKET;
	strlcpy(sock->host, host, sizeof(sock->host));
	sock->use_tls = network->tls_mode == MTF_TLS_ON ||
					(network->tls_mode == MTF_TLS_DEFAULT && !is_loopback(host, family));
	if (!allowed)
		socket_fail(sock, MTF_IO_FAILED, "cannot connect to", "not in mongo_tenant.allowed_hosts");
	else if (network->shut)
		socket_fail(sock, MTF_IO_CANCELED, "could not connect to", "shutting down");
	else if (sock->use_tls && network->tls == NULL)
		socket_fail(sock, MTF_IO_FAILED, "could not begin TLS with", "TLS is not set up");
	else if (family == AF_UNIX)
		begin_unix(sock);
	else
		resolve(sock, port, family);
	return sock;
}

void
mtf_socket_destroy(MtfSocket *sock)
{
	if (sock->ssl != NULL)
	{
		/* Say goodbye if that needs no waiting; the peer sees the end of the connection anyway. */
		if (sock->state == SOCKET_OPEN && !sock->network->shut)
		{
			ERR_clear_error();
			(void) SSL_shutdown(sock->ssl);
		}
		SSL_free(sock->ssl);
		ERR_clear_error();
	}
	close_fd(sock);
	if (sock->addresses != NULL)
		freeaddrinfo(sock->addresses);
	free(sock);
}

/* Work until the socket is connected and TLS is up, or until `deadline`. */
static MtfIo
open_socket(MtfSocket *sock, int64 deadline)
{
	while (sock->state != SOCKET_OPEN)
	{
		int64 until = deadline;
		MtfIo io;

		if (sock->state == SOCKET_FAILED)
			return sock->failure;
		if (sock->address_deadline != 0)
			until = Min(until, sock->address_deadline);
		io = wait_for_socket(sock, until);
		if (io == MTF_IO_TIMEOUT && until < deadline)
			io = try_next_address(sock, ETIMEDOUT);
		else if (io == MTF_IO_OK)
			io = advance(sock);
		if (io != MTF_IO_OK && io != MTF_IO_AGAIN)
			return io;
	}
	return MTF_IO_OK;
}

MtfIo
mtf_socket_wait(MtfSocket *sock, int64 deadline)
{
	if (sock->state != SOCKET_OPEN)
		return open_socket(sock, deadline);
	return wait_for_socket(sock, deadline);
}

/* ---- traffic ---- */

/* Before any traffic: an interrupt counts even when the data is already there. */
static MtfIo
check_usable(MtfSocket *sock)
{
	if (sock->state == SOCKET_FAILED)
		return sock->failure;
	if (is_interrupted(sock->network))
		return MTF_IO_CANCELED;
	return sock->state == SOCKET_OPEN ? MTF_IO_OK : MTF_IO_AGAIN;
}

MtfIo
mtf_socket_read(MtfSocket *sock, void *buffer, size_t len, size_t *done)
{
	MtfIo io = check_usable(sock);
	ssize_t n;

	*done = 0;
	if (io != MTF_IO_OK)
		return io;
	if (sock->ssl != NULL)
	{
		ERR_clear_error();
		errno = 0;
		n = SSL_read(sock->ssl, buffer, (int) Min(len, INT_MAX));
		if (n <= 0)
			return tls_result(sock, (int) n, "could not read from");
	}
	else
	{
		do
			n = recv(sock->fd, buffer, len, 0);
		while (n < 0 && errno == EINTR);
		if (n == 0)
			return socket_fail(sock, MTF_IO_CLOSED, "could not read from",
							   "connection closed by the server");
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		{
			sock->wants = WL_SOCKET_READABLE;
			return MTF_IO_AGAIN;
		}
		if (n < 0)
			return socket_fail_errno(sock, "could not read from", errno);
	}
	*done = n;
	return MTF_IO_OK;
}

static MtfIo
write_tls(MtfSocket *sock, const struct iovec *iov, int iovcnt, size_t *done)
{
	char packet[4096];
	const void *data = iov[0].iov_base;
	size_t len = iov[0].iov_len;
	int n;

	/* A header and a short command go into one record. */
	if (iovcnt > 1 && len < sizeof(packet))
	{
		len = 0;
		for (int i = 0; i < iovcnt && len < sizeof(packet); i++)
		{
			size_t part = Min(iov[i].iov_len, sizeof(packet) - len);

			memcpy(packet + len, iov[i].iov_base, part);
			len += part;
		}
		data = packet;
	}
	ERR_clear_error();
	errno = 0;
	n = SSL_write(sock->ssl, data, (int) Min(len, INT_MAX));
	if (n <= 0)
		return tls_result(sock, n, "could not write to");
	*done = n;
	return MTF_IO_OK;
}

MtfIo
mtf_socket_write(MtfSocket *sock, const struct iovec *iov, int iovcnt, size_t *done)
{
	MtfIo io = check_usable(sock);
	struct msghdr message = {.msg_iov = (struct iovec *) iov, .msg_iovlen = iovcnt};
	ssize_t n;

	*done = 0;
	if (io != MTF_IO_OK)
		return io;
	if (sock->ssl != NULL)
		return write_tls(sock, iov, iovcnt, done);
	do
		n = sendmsg(sock->fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
	{
		sock->wants = WL_SOCKET_WRITEABLE;
		return MTF_IO_AGAIN;
	}
	if (n < 0)
		return socket_fail_errno(sock, "could not write to", errno);
	*done = n;
	return MTF_IO_OK;
}

pgsocket
mtf_socket_descriptor(const MtfSocket *socket)
{
	return socket->use_tls ? PGINVALID_SOCKET : socket->fd;
}

bool
mtf_socket_is_stale(MtfSocket *sock)
{
	char byte;
	ssize_t n;

	if (sock->state != SOCKET_OPEN)
		return true;
	if (sock->ssl != NULL)
	{
		/* Session tickets may be waiting: they are no data, and peeking takes them away. */
		ERR_clear_error();
		n = SSL_peek(sock->ssl, &byte, 1);
		return n > 0 || SSL_get_error(sock->ssl, (int) n) != SSL_ERROR_WANT_READ;
	}
	do
		n = recv(sock->fd, &byte, 1, MSG_PEEK);
	while (n < 0 && errno == EINTR);
	return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

/* True when the socket need not be waited for. */
static bool
is_ready_now(MtfSocket *sock, bool wants_read)
{
	if (sock->state == SOCKET_FAILED)
		return true;
	return sock->state == SOCKET_OPEN && wants_read && sock->ssl != NULL &&
		   SSL_pending(sock->ssl) > 0;
}

/* What the events mean for each socket; true when one of them is ready for its caller. */
static bool
handle_fired(MtfSocket **sockets, const bool *fired, bool *ready, int n)
{
	bool any = false;

	for (int i = 0; i < n; i++)
	{
		MtfSocket *sock = sockets[i];

		if (sock->state == SOCKET_CONNECTING && !fired[i] && sock->address_deadline != 0 &&
			mtf_clock() > sock->address_deadline)
			(void) try_next_address(sock, ETIMEDOUT);
		else if (fired[i] && sock->state != SOCKET_OPEN)
			(void) advance(sock);
		else if (fired[i])
			ready[i] = true;
		/* A socket that has just opened is writable, and nobody reads before it wrote. */
		if (sock->state == SOCKET_FAILED || (fired[i] && sock->state == SOCKET_OPEN))
			ready[i] = true;
		any |= ready[i];
	}
	return any;
}

MtfIo
mtf_socket_poll(MtfSocket **sockets, const bool *wants_read, bool *ready, int n, int64 deadline)
{
	uint32 events[14];
	bool fired[14];

	n = Min(n, (int) lengthof(events));
	for (;;)
	{
		int64 until = deadline;
		bool any = false;
		WaitEventSet *set;
		MtfIo io;

		for (int i = 0; i < n; i++)
		{
			ready[i] = is_ready_now(sockets[i], wants_read[i]);
			any |= ready[i];
			fired[i] = false;
			events[i] = sockets[i]->state != SOCKET_OPEN ? sockets[i]->wants
						: wants_read[i]                  ? WL_SOCKET_READABLE
														 : WL_SOCKET_WRITEABLE;
			if (sockets[i]->address_deadline != 0)
				until = Min(until, sockets[i]->address_deadline);
		}
		if (any)
			return MTF_IO_OK;
		set = create_wait_set(sockets, events, n);
		if (set == NULL)
			return MTF_IO_FAILED;
		io = wait_on_set(sockets[0]->network, set, fired, n, until);
		FreeWaitEventSet(set);
		if (io == MTF_IO_CANCELED)
			return io;
		if (handle_fired(sockets, fired, ready, n))
			return MTF_IO_OK;
		if (io == MTF_IO_TIMEOUT && until >= deadline)
			return io;
	}
}
