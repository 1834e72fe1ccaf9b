/*
 * uri.h
 *	  What the `uri` option may say: a connection string without credentials and without file names.
 *
 * The driver parses the string again when it connects.  This parser is stricter than the driver's:
 * whatever it does not understand is refused when the server is defined.
 */
#ifndef MTF_URI_H
#define MTF_URI_H

#include "base/compat.h"

/* What other rooms need to know of a connection string. */
typedef struct MtfUri
{
	bool is_srv;    /* mongodb+srv:// */
	bool is_local;  /* every host is a loopback address or a Unix socket */
	bool tls_given; /* `tls` (or `ssl`) is in the string; else the caller's default counts */
	bool tls;       /* its value */
	const char *weak_option; /* first option that weakens TLS, only for superusers; NULL: none */
} MtfUri;

/*
 * Parse `uri`; false, and *why says what is wrong without quoting any value of the string.
 * *why is static or palloc'd.  Raises out-of-memory only.
 */
extern bool mtf_uri_parse(const char *uri, MtfUri *parsed, const char **why);

#endif /* MTF_URI_H */
