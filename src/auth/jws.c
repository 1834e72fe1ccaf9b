/*
 * jws.c
 *	  The strict front end of token verification (RFC 7515 compact serialization).
 */
#include "auth/jws.h"

#include "auth/strict.h"

#include <string.h>

#define KID_MAX_BYTES 256
#define TYP_MAX_BYTES 256

/*
 * Header members refused on presence: they bring or fetch a key, change what is signed, or demand
 * processing that is not done here.  `zip` and `enc` belong to encrypted tokens.
 */
static const struct
{
	const char *name;
	const char *why;
} refused_members[] = {
	{"jwk", "the header brings its own key (jwk)"},
	{"jku", "the header names a key address (jku)"},
	{"x5u", "the header names a certificate address (x5u)"},
	{"x5c", "the header brings its own certificate (x5c)"},
	{"crit", "the header demands extensions (crit)"},
	{"b64", "the header changes the encoding (b64)"},
	{"zip", "the token is compressed (zip)"},
	{"enc", "the token is encrypted (enc)"},
};

/* Decode one part into a NUL-terminated palloc'd buffer; NULL when it is not canonical. */
static unsigned char *
decode_part(const char *part, size_t len, size_t *decoded_len)
{
	unsigned char *decoded = palloc(MTF_BASE64URL_DECODED_SIZE(len) + 1);

	if (!mtf_base64url_decode(part, len, decoded, decoded_len))
		return NULL;
	decoded[*decoded_len] = '\0';
	return decoded;
}

/*
 * Find the two dots; false unless there are exactly three parts of allowed characters, none empty.
 */
static bool
split(const char *token, size_t len, size_t *dot1, size_t *dot2, const char **why)
{
	int ndots = 0;

	for (size_t i = 0; i < len; i++)
	{
		if (token[i] != '.')
			continue;
		ndots++;
		if (ndots == 1)
			*dot1 = i;
		else if (ndots == 2)
			*dot2 = i;
	}
	if (ndots != 2)
		*why = "a token has exactly three parts";
	else if (*dot1 == 0 || *dot2 == *dot1 + 1)
		*why = "the header or the payload is empty";
	else if (*dot2 + 1 == len)
		*why = "the signature is empty";
	else
		return true;
	return false;
}

/* A string member of at most `max` bytes: false when it is there and anything else. */
static bool
optional_string(const json_t *object, const char *name, size_t max, const char **value)
{
	const json_t *member = json_object_get(object, name);

	*value = NULL;
	if (member == NULL)
		return true;
	if (!json_is_string(member) || json_string_length(member) == 0 ||
		json_string_length(member) > max)
		return false;
	*value = json_string_value(member);
	return true;
}

static bool
parse_header(const char *text, size_t len, MtfJws *jws, const char **why)
{
	const json_t *header = mtf_json_load(CurrentMemoryContext, text, len, why);

	if (header == NULL)
		return false;
	if (!json_is_object(header))
	{
		*why = "the header is not a JSON object";
		return false;
	}
	for (size_t i = 0; i < lengthof(refused_members); i++)
	{
		if (json_object_get(header, refused_members[i].name) != NULL)
		{
			*why = refused_members[i].why;
			return false;
		}
	}
	if (!optional_string(header, "alg", 16, &jws->alg) || jws->alg == NULL)
		*why = "the header has no usable alg";
	else if (!optional_string(header, "kid", KID_MAX_BYTES, &jws->kid))
		*why = "kid is not a string of 1 to 256 bytes";
	else if (!optional_string(header, "typ", TYP_MAX_BYTES, &jws->typ))
		*why = "typ is not a string of 1 to 256 bytes";
	else
		return true;
	return false;
}

static bool
parse_payload(const char *text, size_t len, MtfJws *jws, const char **why)
{
	jws->payload_text = text;
	jws->payload = mtf_json_load(CurrentMemoryContext, text, len, why);
	if (jws->payload == NULL)
		return false;
	if (!json_is_object(jws->payload))
	{
		*why = "the payload is not a JSON object";
		return false;
	}
	return true;
}

bool
mtf_jws_parse(const char *token, size_t len, int max_bytes, MtfJws *jws, const char **why)
{
	char *text;
	size_t dot1 = 0;
	size_t dot2 = 0;
	unsigned char *part;
	size_t part_len;

	memset(jws, 0, sizeof(*jws));
	*why = NULL;
	if (max_bytes < 0 || len > (size_t) max_bytes || len > MTF_TOKEN_HARD_LIMIT)
	{
		*why = "the token is too long";
		return false;
	}
	if (!split(token, len, &dot1, &dot2, why))
		return false;
	text = palloc(len + 1); /* pnstrdup would stop at a NUL, which decoding has yet to refuse */
	memcpy(text, token, len);
	text[len] = '\0';
	jws->token = text;
	jws->signed_len = dot2;

	/* All three parts are decoded before any is parsed: encoding first, meaning second. */
	jws->signature = decode_part(text + dot2 + 1, len - dot2 - 1, &jws->signature_len);
	if (jws->signature == NULL)
	{
		*why = "the signature is not canonical base64url";
		return false;
	}
	part = decode_part(text, dot1, &part_len);
	if (part == NULL)
	{
		*why = "the header is not canonical base64url";
		return false;
	}
	if (!parse_header((const char *) part, part_len, jws, why))
		return false;
	part = decode_part(text + dot1 + 1, dot2 - dot1 - 1, &part_len);
	if (part == NULL)
	{
		*why = "the payload is not canonical base64url";
		return false;
	}
	return parse_payload((const char *) part, part_len, jws, why);
}
