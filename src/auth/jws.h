/*
 * jws.h
 *	  The strict front end: a token's text → three decoded parts, or a reason why not.
 *
 * It runs before any library sees the token, and its result is all that later steps read: the
 * signature library parses the same text again, but nothing of what it finds there is used.
 * No cryptography here.
 */
#ifndef MTF_JWS_H
#define MTF_JWS_H

#include "base/compat.h"

#include <jansson.h>

/* The longest token whatever the settings say: libjwt 1.x copies it onto the stack. */
#define MTF_TOKEN_HARD_LIMIT (64 * 1024)

/* Everything lives in the memory context that was current during mtf_jws_parse(). */
typedef struct MtfJws
{
	const char *token; /* NUL-terminated copy */
	size_t signed_len; /* length of "header.payload", the signature's input */
	const unsigned char *signature;
	size_t signature_len;     /* never 0 */
	const json_t *payload;    /* an object */
	const char *payload_text; /* the JSON text of the payload, NUL-terminated */
	const char *alg;          /* never NULL, not judged here */
	const char *kid;          /* NULL: absent; else 1 to 256 bytes */
	const char *typ;          /* NULL: absent */
} MtfJws;

/*
 * Take a token apart.  False and *why (static, quotes nothing) when it is anything but three
 * canonical base64url parts, a JSON object header with a string `alg` and none of the refused
 * members, a JSON object payload, and a signature.  Raises out-of-memory only.
 */
extern bool mtf_jws_parse(const char *token, size_t len, int max_bytes, MtfJws *jws,
						  const char **why);

#endif /* MTF_JWS_H */
