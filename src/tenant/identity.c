/*
 * identity.c
 *	  The cache of verdicts.
 *
 * Only good verdicts are remembered: a bad token costs its sender a full verification each time.
 *
 * What must not happen here: a verdict that outlives the key, the provider, the revocation state or
 * the settings it was made under; an expired token that is still good because it was good before.
 */
#include "tenant/identity.h"

#include <time.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "auth/digest.h"
#include "tenant/provider.h"
#include "tenant/revocation.h"

#define MAX_IDENTITIES 512

int mtf_setting_leeway = 30;
int mtf_setting_max_token_lifetime = 24 * 60 * 60;
int mtf_setting_max_token_bytes = 16 * 1024;

struct MtfIdentity
{
	MtfTokenHash hash;
	MemoryContext context; /* holds this struct too */
	int pins;
	bool forgotten; /* no longer in the cache: freed with its last pin */

	MtfClaims claims;
	MtfTimeRules rules;          /* verified under these */
	uint64 serial;               /* of the providers it was verified with */
	const MtfProvider *provider; /* valid while the serial is */
	bool local;

	uint64 revocation_generation;
	bool revoked;

	text *tenant;
	Datum payload; /* 0: not made yet */
};

typedef struct CacheEntry
{
	MtfTokenHash hash; /* key */
	MtfIdentity *identity;
} CacheEntry;

static HTAB *cache = NULL;

/* One backend uses one token many times. */
static MtfIdentity *latest = NULL;

void
mtf_identity_hash(const char *token, MtfTokenHash *hash)
{
	mtf_digest(token, strlen(token), hash->bytes);
}

static void
free_identity(MtfIdentity *identity)
{
	MemoryContextDelete(identity->context);
}

static void
forget(MtfIdentity *identity)
{
	if (latest == identity)
		latest = NULL;
	hash_search(cache, &identity->hash, HASH_REMOVE, NULL);
	identity->forgotten = true;
	if (identity->pins == 0)
		free_identity(identity);
}

void
mtf_identity_pin(MtfIdentity *identity)
{
	identity->pins++;
}

void
mtf_identity_unpin(MtfIdentity *identity)
{
	if (--identity->pins == 0 && identity->forgotten)
		free_identity(identity);
}

static void
make_room(void)
{
	HASH_SEQ_STATUS status;
	CacheEntry *entry;

	if (hash_get_num_entries(cache) < MAX_IDENTITIES)
		return;
	hash_seq_init(&status, cache);
	while ((entry = hash_seq_search(&status)) != NULL)
		forget(entry->identity);
}

static void
create_cache(void)
{
	HASHCTL control = {0};

	control.keysize = sizeof(MtfTokenHash);
	control.entrysize = sizeof(CacheEntry);
	control.hcxt = TopMemoryContext;
	cache = hash_create("mongo_tenant_fdw identities", 64, &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
read_rules(MtfTimeRules *rules)
{
	memset(rules, 0, sizeof(*rules));
	rules->leeway = mtf_setting_leeway;
	rules->max_lifetime = mtf_setting_max_token_lifetime;
	rules->max_bytes = mtf_setting_max_token_bytes;
}

static bool
rules_are_current(const MtfTimeRules *rules)
{
	return rules->leeway == mtf_setting_leeway &&
		   rules->max_lifetime == mtf_setting_max_token_lifetime &&
		   rules->max_bytes == mtf_setting_max_token_bytes;
}

/* For the log: which check failed first, and why. */
static void
describe_failure(const MtfChecklist *checks, MtfDenial *denial)
{
	int i;

	denial->stat = MTF_STAT_DENIED_TOKEN;
	denial->why = "verification failed";
	for (i = 0; i < MTF_CHECK_COUNT; i++)
	{
		if (checks->state[i] != MTF_CHECK_FAIL)
			continue;
		if (i == MTF_CHECK_TIMES)
			denial->stat = MTF_STAT_DENIED_EXPIRED;
		denial->why = psprintf("%s: %s", mtf_check_name((MtfCheck) i),
							   checks->why[i] != NULL ? checks->why[i] : "failed");
		return;
	}
}

/* All checks of a token but revocation, and the tenant as tenant() returns it. */
static bool
verify_token(const char *token, const MtfTimeRules *rules, MtfClaims *claims, MtfChecklist *checks,
			 const char **tenant)
{
	mtf_stat_add(MTF_STAT_VERIFICATIONS, 1);
	if (!mtf_claims_verify(token, strlen(token), rules, (int64) time(NULL), mtf_provider_lookup,
						   NULL, claims, checks))
		return false;
	*tenant = mtf_text_try_from_utf8(claims->tenant);
	if (*tenant != NULL)
		return true;
	checks->state[MTF_CHECK_TENANT] = MTF_CHECK_FAIL;
	checks->why[MTF_CHECK_TENANT] = "the database's encoding cannot hold the tenant claim";
	return false;
}

/* Everything that belongs to a new identity is made in its own context. */
static MtfIdentity *
verify_in_full(const char *token, const MtfTokenHash *hash, MtfDenial *denial)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mongo_tenant_fdw identity",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MtfIdentity *identity = palloc0(sizeof(MtfIdentity));
	MtfChecklist checks = {0};
	const char *tenant;
	bool ok;

	identity->context = context;
	identity->hash = *hash;
	read_rules(&identity->rules);
	identity->serial = mtf_provider_refresh();
	ok = verify_token(token, &identity->rules, &identity->claims, &checks, &tenant);
	if (ok)
	{
		identity->provider = mtf_provider_by_id(identity->claims.trust_id);
		identity->local = identity->provider->local;
		identity->tenant = cstring_to_text(tenant);
	}
	MemoryContextSwitchTo(old);
	if (ok)
		return identity;

	describe_failure(&checks, denial);
	MemoryContextDelete(context);
	return NULL;
}

static void
remember(MtfIdentity *identity)
{
	CacheEntry *entry;
	bool found;

	make_room();
	entry = hash_search(cache, &identity->hash, HASH_ENTER, &found);
	Assert(!found);
	entry->identity = identity;
	MemoryContextSetParent(identity->context, TopMemoryContext);
	latest = identity;
}

static MtfIdentity *
find_remembered(const MtfTokenHash *hash)
{
	CacheEntry *entry;

	if (latest != NULL && memcmp(&latest->hash, hash, sizeof(*hash)) == 0)
		return latest;
	entry = hash_search(cache, hash, HASH_FIND, NULL);
	return entry != NULL ? entry->identity : NULL;
}

static bool
is_revoked(MtfIdentity *identity)
{
	uint64 generation = mtf_revocation_generation();

	if (identity->revocation_generation != generation)
	{
		/* Marked with the generation from before the reading: a change meanwhile is read again. */
		identity->revoked = mtf_revocation_applies(&identity->claims);
		identity->revocation_generation = generation;
	}
	return identity->revoked;
}

MtfIdentity *
mtf_identity_verify(const char *token, const MtfTokenHash *hash, MtfDenial *denial)
{
	MtfIdentity *identity;

	if (cache == NULL)
		create_cache();
	/* What others committed is seen now, even where no table is opened. */
	AcceptInvalidationMessages();

	identity = find_remembered(hash);
	if (identity != NULL && (!mtf_provider_is_current(identity->serial, identity->provider) ||
							 !rules_are_current(&identity->rules)))
	{
		forget(identity);
		identity = NULL;
	}
	if (identity != NULL)
	{
		latest = identity;
		mtf_stat_add(MTF_STAT_CACHE_HITS, 1);
	}
	else
	{
		identity = verify_in_full(token, hash, denial);
		if (identity == NULL)
			return NULL;
		identity->revocation_generation = mtf_revocation_generation() - 1;
		remember(identity);
	}

	if (is_revoked(identity))
	{
		denial->stat = MTF_STAT_DENIED_REVOKED;
		denial->why = "the token is revoked";
		return NULL;
	}
	if (!mtf_claims_current(identity->claims.nbf, identity->claims.has_nbf, identity->claims.exp,
							mtf_setting_leeway, (int64) time(NULL)))
	{
		denial->stat = MTF_STAT_DENIED_EXPIRED;
		denial->why = "the token is expired or not valid yet";
		return NULL;
	}
	return identity;
}

const MtfClaims *
mtf_identity_claims(const MtfIdentity *identity)
{
	return &identity->claims;
}

const MtfTokenHash *
mtf_identity_token_hash(const MtfIdentity *identity)
{
	return &identity->hash;
}

bool
mtf_identity_is_local(const MtfIdentity *identity)
{
	return identity->local;
}

text *
mtf_identity_tenant(const MtfIdentity *identity)
{
	return identity->tenant;
}

Datum
mtf_identity_payload(MtfIdentity *identity)
{
	if (identity->payload == 0)
	{
		MemoryContext old = MemoryContextSwitchTo(identity->context);
		const char *json = mtf_text_from_utf8(identity->claims.payload);

		identity->payload = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
		MemoryContextSwitchTo(old);
	}
	return identity->payload;
}

void
mtf_identity_check(const char *token, MtfChecklist *checks)
{
	MtfTimeRules rules;
	MtfClaims claims;
	const char *tenant;

	memset(checks, 0, sizeof(*checks));
	AcceptInvalidationMessages();
	read_rules(&rules);
	mtf_provider_refresh();
	if (!verify_token(token, &rules, &claims, checks, &tenant))
		return;
	if (mtf_revocation_applies(&claims))
	{
		checks->state[MTF_CHECK_REVOCATION] = MTF_CHECK_FAIL;
		checks->why[MTF_CHECK_REVOCATION] = "the token is revoked";
	}
	else
		checks->state[MTF_CHECK_REVOCATION] = MTF_CHECK_PASS;
}
