/*
 * stat.c
 *	  Counters of mongo_tenant.stat.
 */
#include "base/stat.h"

#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

typedef struct MtfSharedStat
{
	pg_atomic_uint64 value[MTF_STAT_COUNT];
} MtfSharedStat;

static MtfSharedStat *shared = NULL;
static uint64 local[MTF_STAT_COUNT];

static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static const char *const names[MTF_STAT_COUNT] = {
	[MTF_STAT_VERIFICATIONS] = "verifications",
	[MTF_STAT_CACHE_HITS] = "cache_hits",
	[MTF_STAT_BINDINGS] = "bindings",
	[MTF_STAT_BYPASSES] = "bypasses",
	[MTF_STAT_DENIED_MISSING] = "denied_missing_token",
	[MTF_STAT_DENIED_TOKEN] = "denied_invalid_token",
	[MTF_STAT_DENIED_EXPIRED] = "denied_expired",
	[MTF_STAT_DENIED_REVOKED] = "denied_revoked",
	[MTF_STAT_DENIED_SCOPE] = "denied_token_scope",
	[MTF_STAT_DENIED_PROVIDER] = "denied_provider",
	[MTF_STAT_DENIED_TENANT] = "denied_tenant_type",
	[MTF_STAT_DENIED_POLICY] = "denied_policy",
	[MTF_STAT_DENIED_CHANGED] = "denied_identity_changed",
	[MTF_STAT_RECHECKS_FAILED] = "rechecks_failed",
	[MTF_STAT_SCANS] = "scans",
	[MTF_STAT_DOCUMENTS] = "documents",
	[MTF_STAT_BYTES] = "bytes",
	[MTF_STAT_BATCHES] = "batches",
};

static void
stat_shmem_startup(void)
{
	MtfSharedStat *found_at;
	bool found;
	int i;

	if (prev_shmem_startup_hook != NULL)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	found_at = ShmemInitStruct("mongo_tenant_fdw counters", sizeof(MtfSharedStat), &found);
	if (!found)
		for (i = 0; i < MTF_STAT_COUNT; i++)
			pg_atomic_init_u64(&found_at->value[i], 0);
	shared = found_at;
	LWLockRelease(AddinShmemInitLock);
}

void
mtf_stat_init(void)
{
	/* Later it is too late for shared memory: every backend then counts for itself. */
	if (!process_shared_preload_libraries_in_progress)
		return;
	mtf_compat_request_shmem(sizeof(MtfSharedStat));
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = stat_shmem_startup;
}

void
mtf_stat_add(MtfStat stat, uint64 n)
{
	if (shared != NULL)
		pg_atomic_fetch_add_u64(&shared->value[stat], n);
	else
		local[stat] += n;
}

uint64
mtf_stat_get(MtfStat stat)
{
	return shared != NULL ? pg_atomic_read_u64(&shared->value[stat]) : local[stat];
}

const char *
mtf_stat_name(MtfStat stat)
{
	return names[stat];
}

bool
mtf_stat_is_shared(void)
{
	return shared != NULL;
}
