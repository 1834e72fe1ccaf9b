/*
 * strict.h
 *	  The two decoders through which every byte of a token or key set comes: base64url and JSON,
 *	  each accepting one spelling only.
 *
 * What must not happen here: a second spelling of the same value.  Two readers that disagree about
 * what a token says are how tokens are forged.
 */
#ifndef MTF_STRICT_H
#define MTF_STRICT_H

#include "base/compat.h"

#include <jansson.h>

/* Brackets nested deeper than this are refused before the parser sees them. */
#define MTF_JSON_MAX_DEPTH 32

/* Room for the decoded form of `len` characters. */
#define MTF_BASE64URL_DECODED_SIZE(len) ((len) / 4 * 3 + 2)

/*
 * Decode canonical base64url: the URL alphabet, no padding, no blanks, unused last bits zero.
 * `dst` has MTF_BASE64URL_DECODED_SIZE(len) bytes.  False for any other spelling; never raises.
 */
extern bool mtf_base64url_decode(const char *src, size_t len, unsigned char *dst, size_t *dst_len);

/* The canonical encoding of `src`, palloc'd and NUL-terminated. */
extern char *mtf_base64url_encode(const unsigned char *src, size_t len);

/*
 * Parse one JSON object or array that lives as long as `context`; NULL and *why (static) when it is
 * anything but RFC 8259 JSON in UTF-8 without duplicate names, NUL, byte order mark, deep nesting,
 * or bytes behind the end.  Raises out-of-memory only.
 */
extern json_t *mtf_json_load(MemoryContext context, const char *text, size_t len, const char **why);

#endif /* MTF_STRICT_H */
