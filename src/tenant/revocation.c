/*
 * revocation.c
 *	  Revocations of a provider, found by index probes: there may be many of them.
 */
#include "tenant/revocation.h"

#include "utils/timestamp.h"

#include "tenant/catalog.h"
#include "tenant/provider.h"

typedef struct Probe
{
	const MtfClaims *claims;
	bool revoked;
} Probe;

/* A timestamptz counts from 2000, a token's times from 1970. */
static TimestampTz
timestamp_of(int64 seconds)
{
	const int64 epoch = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;

	/* Beyond what a timestamp can say: infinitely late or early, which compares as it should. */
	if (seconds > PG_INT64_MAX / USECS_PER_SEC)
		return DT_NOEND;
	if (seconds < PG_INT64_MIN / USECS_PER_SEC + epoch)
		return DT_NOBEGIN;
	return (seconds - epoch) * USECS_PER_SEC;
}

static void
read_revocation(const MtfRow *row, void *arg)
{
	Probe *probe = arg;
	const MtfClaims *claims = probe->claims;

	if (MTF_ROW_NULL(row, MTF_REVOCATION_NOT_BEFORE) || !claims->has_iat)
		probe->revoked = true;
	else if (timestamp_of(claims->iat) <
			 DatumGetTimestampTz(MTF_ROW_DATUM(row, MTF_REVOCATION_NOT_BEFORE)))
		probe->revoked = true;
}

static bool
probe_revocation(const MtfClaims *claims, const char *kind, const char *value)
{
	const char *keys[3] = {claims->provider, kind, value};
	Probe probe = {claims, false};

	if (value == NULL)
		return false;
	mtf_catalog_probe(MTF_TABLE_REVOCATION, 3, keys, read_revocation, &probe);
	return probe.revoked;
}

/* What the database's encoding cannot hold is in no row of it: NULL. */
static const char *
catalog_text(const char *utf8)
{
	return utf8 == NULL ? NULL : mtf_text_try_from_utf8(utf8);
}

bool
mtf_revocation_applies(const MtfClaims *claims)
{
	return probe_revocation(claims, "all", "") ||
		   probe_revocation(claims, "jti", catalog_text(claims->jti)) ||
		   probe_revocation(claims, "sub", catalog_text(claims->subject)) ||
		   probe_revocation(claims, "tenant", catalog_text(claims->tenant));
}

uint64
mtf_revocation_generation(void)
{
	return mtf_catalog_generation(MTF_TABLE_REVOCATION);
}
