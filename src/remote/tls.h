/*
 * tls.h
 *	  What our sockets need of OpenSSL: contexts with verification on, and reasons in words.
 */
#ifndef MTF_TLS_H
#define MTF_TLS_H

#include "base/compat.h"

struct ssl_ctx_st;
struct ssl_st;

typedef struct MtfTlsFiles
{
	const char *ca_file;              /* full path; NULL: the system's certificates */
	const char *certificate_key_file; /* full path; NULL: no client certificate */
} MtfTlsFiles;

/*
 * A context that verifies the peer's certificate (unless `any_certificate`).  Raises F0000 when a
 * file is unusable.  To be freed with mtf_tls_context_destroy().
 */
extern struct ssl_ctx_st *mtf_tls_context_create(const MtfTlsFiles *files, bool any_certificate);
extern void mtf_tls_context_destroy(void *context);

/*
 * The subject of a certificate as MongoDB names X.509 users (RFC 2253), palloc'd.  Raises F0000.
 */
extern char *mtf_tls_subject(const char *certificate_key_file);

/* The two below never raise: callbacks use them. */

/* A connection to `host`, whose certificate must name it if `check_name`; NULL: out of memory. */
extern struct ssl_st *mtf_tls_create(struct ssl_ctx_st *context, const char *host, bool check_name);

/* Why the last operation failed (`ssl` may be NULL): static text, valid until the next call. */
extern const char *mtf_tls_reason(struct ssl_st *ssl);

#endif /* MTF_TLS_H */
