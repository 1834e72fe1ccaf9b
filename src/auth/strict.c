/*
 * strict.c
 *	  Canonical base64url and strict JSON.
 *
 * jansson checks UTF-8, surrogates, number ranges, duplicate names (after decoding escapes, at every
 * level) and trailing bytes.  What it does not bound is done by a scan before it: depth (it recurses,
 * up to 2,048 levels) and raw NUL bytes.
 */
#include "auth/strict.h"

#include "base/guard.h"

#include <string.h>

/* The value of one character of the URL alphabet (RFC 4648, table 2), or -1. */
static int
base64url_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	if (c == '_')
		return 63;
	return -1;
}

bool
mtf_base64url_decode(const char *src, size_t len, unsigned char *dst, size_t *dst_len)
{
	uint32 bits = 0;
	int nbits = 0;
	size_t n = 0;

	if (len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		int value = base64url_value((unsigned char) src[i]);

		if (value < 0)
			return false;
		bits = (bits << 6) | (uint32) value;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			dst[n++] = (unsigned char) (bits >> nbits);
			bits &= (1u << nbits) - 1;
		}
	}
	*dst_len = n;
	return bits == 0; /* non-zero unused bits: a second spelling of the same bytes */
}

char *
mtf_base64url_encode(const unsigned char *src, size_t len)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char *dst = palloc(len / 3 * 4 + 5);
	char *p = dst;
	uint32 bits = 0;
	int nbits = 0;

	for (size_t i = 0; i < len; i++)
	{
		bits = (bits << 8) | src[i];
		nbits += 8;
		while (nbits >= 6)
		{
			nbits -= 6;
			*p++ = alphabet[(bits >> nbits) & 63];
		}
		bits &= (1u << nbits) - 1;
	}
	if (nbits > 0)
		*p++ = alphabet[(bits << (6 - nbits)) & 63];
	*p = '\0';
	return dst;
}

/* What the parser must not see; NULL when there is nothing of the kind. */
static const char *
scan_json(const char *text, size_t len)
{
	bool in_string = false;
	int depth = 0;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return "JSON starts with a byte order mark";
	for (size_t i = 0; i < len; i++)
	{
		char c = text[i];

		if (c == '\0')
			return "JSON contains a NUL byte";
		if (in_string)
		{
			if (c == '\\')
				i++; /* whatever is escaped does not end the string */
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if ((c == '{' || c == '[') && ++depth > MTF_JSON_MAX_DEPTH)
			return "JSON is nested too deeply";
		else if (c == '}' || c == ']')
			depth--;
	}
	return NULL;
}

/* jansson's error in words that quote nothing of the text. */
static const char *
json_reason(const json_error_t *error)
{
	switch (json_error_code(error))
	{
		case json_error_duplicate_key: return "JSON has a duplicate name";
		case json_error_invalid_utf8: return "JSON is not valid UTF-8";
		case json_error_null_byte_in_key:
		case json_error_null_character: return "JSON contains a NUL character";
		case json_error_numeric_overflow: return "JSON has a number out of range";
		case json_error_end_of_input_expected: return "JSON has bytes behind its end";
		default: return "not valid JSON";
	}
}

static void
destroy_json(void *object)
{
	json_decref((json_t *) object);
}

json_t *
mtf_json_load(MemoryContext context, const char *text, size_t len, const char **why)
{
	MtfGuard *guard;
	json_error_t error;
	json_t *json;

	*why = scan_json(text, len);
	if (*why != NULL)
		return NULL;

	guard = mtf_guard_arm(context, destroy_json);
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
	{
		*why = json_reason(&error);
		return NULL;
	}
	return mtf_guard_hold(guard, json);
}
