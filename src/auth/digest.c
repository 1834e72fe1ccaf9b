/*
 * digest.c
 *	  SHA-256 of what is remembered by its hash.
 *
 * What must not happen here: a raise, an allocation in a memory context.
 */
#include "auth/digest.h"

#include <openssl/sha.h>

void
mtf_digest(const char *data, size_t len, uint8 *digest)
{
	(void) SHA256((const unsigned char *) data, len, digest);
}
