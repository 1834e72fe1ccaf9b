/*
 * fuzz_keyset.c
 *	  libFuzzer: any bytes as a key set.
 *
 * The first byte chooses: 'J' a JWK Set, 'S' a JWK Set that may hold secrets, 'P' PEM, 'H' an HMAC
 * secret.  Asserted: a set is accepted whole, or it is empty and says why.
 */
#include "base/compat.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "auth/keyset.h"

#include "utils/memutils.h"

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static bool
load(MtfKeySet *set, char kind, const char *text, size_t len, const char **why)
{
	switch (kind)
	{
		case 'S': mtf_keyset_allow_secrets(set); return mtf_keyset_add_jwks(set, text, len, why);
		case 'P': return mtf_keyset_add_pem(set, "k", text, len, why);
		case 'H': return mtf_keyset_add_secret(set, "k", text, len, why);
		default: return mtf_keyset_add_jwks(set, text, len, why);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	MemoryContext context;
	MtfKeySet *set;
	const char *why;

	if (size == 0)
		return 0;
	context = AllocSetContextCreate(TopMemoryContext, "fuzz", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(context);
	set = mtf_keyset_create(context);
	if (load(set, (char) data[0], (const char *) data + 1, size - 1, &why))
	{
		require(mtf_keyset_count(set) > 0);
		require(mtf_keyset_prove(set, &why) == (why == NULL));
		for (int i = 0; i < mtf_keyset_count(set); i++)
			require(strlen(mtf_keyset_thumbprint(set, i)) == 64);
	}
	else
	{
		require(why != NULL && why[0] != '\0');
		require(mtf_keyset_count(set) == 0 && mtf_keyset_algorithms(set) == 0);
		require(
			!mtf_keyset_add_secret(set, "x", "another secret, long enough for HS256", 37, &why));
	}
	require(ERR_peek_error() == 0);
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextDelete(context);
	return 0;
}
