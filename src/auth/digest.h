/*
 * digest.h
 *	  SHA-256 of what is remembered by its hash.
 *
 * OpenSSL's: PostgreSQL's own wants a resource owner on PostgreSQL 14, and there is none where a setting
 * is taken over before the first transaction.
 */
#ifndef MTF_DIGEST_H
#define MTF_DIGEST_H

#include "base/compat.h"

#define MTF_DIGEST_LENGTH 32

extern void mtf_digest(const char *data, size_t len, uint8 *digest);

#endif /* MTF_DIGEST_H */
