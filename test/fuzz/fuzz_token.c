/*
 * fuzz_token.c
 *	  libFuzzer: any bytes as a token through the strict front end.
 *
 * Beyond memory errors it asserts what later steps rely on: an accepted token has exactly one
 * spelling, so encoding its decoded parts again gives its text back.
 */
#include "base/compat.h"

#include <stdlib.h>
#include <string.h>

#include "auth/jws.h"
#include "auth/strict.h"

#include "utils/memutils.h"

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_parsed(const MtfJws *jws, size_t len)
{
	const char *dot = strchr(jws->token, '.');
	const char *payload =
		mtf_base64url_encode((const unsigned char *) jws->payload_text, strlen(jws->payload_text));
	const char *signature = mtf_base64url_encode(jws->signature, jws->signature_len);

	require(strlen(jws->token) == len);
	require(dot != NULL && jws->token[jws->signed_len] == '.');
	require(strlen(payload) == jws->signed_len - (dot - jws->token) - 1);
	require(strncmp(dot + 1, payload, strlen(payload)) == 0);
	require(strcmp(jws->token + jws->signed_len + 1, signature) == 0);
	require(jws->alg != NULL && jws->signature_len > 0 && json_is_object(jws->payload));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "fuzz", ALLOCSET_SMALL_SIZES);
	MtfJws jws;
	const char *why;

	MemoryContextSwitchTo(context);
	if (mtf_jws_parse((const char *) data, size, 16384, &jws, &why))
		check_parsed(&jws, size);
	else
		require(why != NULL && why[0] != '\0');
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextDelete(context);
	return 0;
}
