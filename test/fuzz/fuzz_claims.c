/*
 * fuzz_claims.c
 *	  libFuzzer: any bytes as header and payload, honestly signed, through the whole verification.
 *
 * The input is header, a NUL byte, payload.  The harness signs them with the provider's secret, so
 * that the fuzzer reaches the checks behind the signature.  It asserts that accepted claims are what
 * the tenant room relies on, and that a change of one signed byte is refused.
 */
#include "base/compat.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "auth/claims.h"
#include "auth/strict.h"

#include "utils/memutils.h"

#define SECRET "a secret of at least thirty-two bytes"
#define NOW    INT64CONST(1700000000)

static MtfTrust trust;
static const MtfTimeRules rules = {30, 86400, 16384};

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static const MtfTrust *
lookup(const char *issuer, void *arg)
{
	return strcmp(issuer, trust.issuer) == 0 ? &trust : NULL;
}

static void
make_trust(void)
{
	static const char *audiences[] = {"a"};
	static const char *required[] = {"sub"};
	MtfKeySet *keys = mtf_keyset_create(TopMemoryContext);
	const char *why;

	require(mtf_keyset_add_secret(keys, NULL, SECRET, strlen(SECRET), &why));
	trust.name = "p";
	trust.issuer = "i";
	trust.naudiences = 1;
	trust.audiences = audiences;
	trust.nrequired = 1;
	trust.required = required;
	trust.algorithms = MTF_ALG_BIT(MTF_ALG_HS256);
	trust.tenant_claim = "app.t\\.id";
	trust.keys = keys;
}

static char *
sign(const uint8_t *header, size_t header_len, const uint8_t *payload, size_t payload_len)
{
	char *text = psprintf("%s.%s", mtf_base64url_encode(header, header_len),
						  mtf_base64url_encode(payload, payload_len));
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int mac_len;

	HMAC(EVP_sha256(), SECRET, strlen(SECRET), (unsigned char *) text, strlen(text), mac, &mac_len);
	return psprintf("%s.%s", text, mtf_base64url_encode(mac, mac_len));
}

static void
check_claims(const MtfClaims *claims)
{
	require(claims->tenant_len > 0 && claims->tenant_len <= 1024);
	require((int) strlen(claims->tenant) == claims->tenant_len);
	require(strcmp(claims->issuer, "i") == 0 && claims->subject != NULL);
	require(claims->exp > NOW - 31 && claims->exp < INT64CONST(253402300800));
	require(mtf_claims_current(claims->nbf, claims->has_nbf, claims->exp, 30, NOW));
	require(strlen(claims->payload) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "fuzz", ALLOCSET_SMALL_SIZES);
	const uint8_t *middle = size > 0 ? memchr(data, '\0', size) : NULL;
	size_t header_len = middle != NULL ? (size_t) (middle - data) : size;
	MtfClaims claims;
	MtfChecklist checks;
	char *token;
	size_t len;

	if (trust.keys == NULL)
		make_trust();
	MemoryContextSwitchTo(context);
	token = sign(data, header_len, middle != NULL ? middle + 1 : data,
				 middle != NULL ? size - header_len - 1 : 0);
	len = strlen(token);
	if (mtf_claims_verify(token, len, &rules, NOW, lookup, NULL, &claims, &checks))
	{
		check_claims(&claims);
		token[len - 2] = token[len - 2] == 'A' ? 'B' : 'A';
		require(!mtf_claims_verify(token, len, &rules, NOW, lookup, NULL, &claims, &checks));
		require(checks.state[MTF_CHECK_SIGNATURE] == MTF_CHECK_FAIL);
	}
	else
		require(checks.state[MTF_CHECK_SIGNATURE] != MTF_CHECK_FAIL);
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextDelete(context);
	return 0;
}
