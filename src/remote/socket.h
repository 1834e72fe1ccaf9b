/*
 * socket.h
 *	  Sockets that a backend can wait on: TCP, Unix and TLS, non-blocking, ended by an interrupt.
 *
 * Everything here may run inside a callback of the driver, so nothing here raises: each call returns
 * an MtfIo, and MtfNetwork keeps the words for it.  Every wait has a deadline.
 */
#ifndef MTF_SOCKET_H
#define MTF_SOCKET_H

#include "base/compat.h"
#include "base/driver_compat.h"

#include <sys/uio.h>

typedef enum MtfIo
{
	MTF_IO_OK,
	MTF_IO_AGAIN,    /* would block, and the caller did not want to wait */
	MTF_IO_CANCELED, /* an interrupt of the backend, or the network was shut */
	MTF_IO_TIMEOUT,
	MTF_IO_CLOSED, /* end of file */
	MTF_IO_FAILED,
	MTF_IO_PROTOCOL /* the peer sent what it must not */
} MtfIo;

typedef enum MtfTlsMode
{
	MTF_TLS_DEFAULT, /* on, except for loopback addresses and Unix sockets */
	MTF_TLS_ON,
	MTF_TLS_OFF
} MtfTlsMode;

/*
 * What all sockets of one client obey, and what they tell.  The client owns it and everything it
 * points to; it outlives the sockets.
 */
typedef struct MtfNetwork
{
	/* set by the client before it connects */
	bool restricted;           /* the server's owner is no superuser: allowed_hosts counts */
	const char *allowed_hosts; /* never NULL */
	MtfTlsMode tls_mode;
	struct ssl_ctx_st *tls; /* NULL when no host can need it */
	bool tls_any_name;      /* host names are not compared */
	int connect_timeout_ms;

	/* changed as it goes */
	bool shut;      /* all traffic fails at once */
	bool direct;    /* the driver is not on the stack: interrupts of other kinds may be served */
	bool persist;   /* interrupts are left pending: the server's work is being ended */
	int64 deadline; /* no wait is longer, whatever its own timeout; 0: none */
	bool canceled;  /* an interrupt ended a wait: sticky until the owner clears it */
	bool broken;    /* the peer broke the protocol: sticky */
	bool refused;   /* allowed_hosts said no: sticky */
	MtfIo failure;  /* how the driver's last call failed; MTF_IO_OK: it did not */
	char why[256];  /* the last failure in words, without any value of a document */
} MtfNetwork;

typedef struct MtfSocket MtfSocket;

/*
 * Begin to connect to a host: a path for AF_UNIX, else a name and a port.  Never waits, except for
 * the DNS.  When it may not (`allowed`) or cannot even begin, a socket that has failed already, with
 * network->why.  NULL: out of memory.
 */
extern MtfSocket *mtf_socket_create(MtfNetwork *network, const char *host, uint16 port, int family,
									bool allowed);
extern void mtf_socket_destroy(MtfSocket *socket);

/* Move at most len bytes without waiting: *done is 0 unless MTF_IO_OK. */
extern MtfIo mtf_socket_read(MtfSocket *socket, void *buffer, size_t len, size_t *done);
extern MtfIo mtf_socket_write(MtfSocket *socket, const struct iovec *iov, int iovcnt, size_t *done);

/* Wait until the last read or write that said MTF_IO_AGAIN may go on; opens the socket if need be. */
extern MtfIo mtf_socket_wait(MtfSocket *socket, int64 deadline);

/*
 * The descriptor of a connected socket, for a wait set of others; PGINVALID_SOCKET under TLS, where
 * what has arrived may be hidden in the library.
 */
extern pgsocket mtf_socket_descriptor(const MtfSocket *socket);

/* True when an idle connection is unusable: closed by the peer, or with bytes nobody asked for. */
extern bool mtf_socket_is_stale(MtfSocket *socket);

/*
 * Wait until one of several sockets is ready.  On return ready[i] tells; a socket that failed counts
 * as ready.  MTF_IO_TIMEOUT when none is in time.
 */
extern MtfIo mtf_socket_poll(MtfSocket **sockets, const bool *wants_read, bool *ready, int n,
							 int64 deadline);

/* True when network->deadline has passed. */
extern bool mtf_network_is_late(const MtfNetwork *network);

/* Deadlines are on this clock, in microseconds. */
extern int64 mtf_clock(void);

#endif /* MTF_SOCKET_H */
