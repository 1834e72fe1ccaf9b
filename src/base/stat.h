/*
 * stat.h
 *	  Counters of mongo_tenant.stat: in shared memory when the library is preloaded by the server,
 *	  else of this backend only.
 *
 * Add at the end of a scan or of a batch, not per document.
 */
#ifndef MTF_STAT_H
#define MTF_STAT_H

#include "base/compat.h"

typedef enum MtfStat
{
	MTF_STAT_VERIFICATIONS,  /* full verifications of a token, signature included */
	MTF_STAT_CACHE_HITS,     /* uses of a verdict made before */
	MTF_STAT_BINDINGS,       /* executions bound to a tenant */
	MTF_STAT_BYPASSES,       /* executions that read without a tenant */
	MTF_STAT_DENIED_MISSING, /* no token */
	MTF_STAT_DENIED_TOKEN,   /* malformed, forged, wrong audience, … */
	MTF_STAT_DENIED_EXPIRED,
	MTF_STAT_DENIED_REVOKED,
	MTF_STAT_DENIED_SCOPE,    /* token_scope, parallel workers */
	MTF_STAT_DENIED_PROVIDER, /* not a provider of this server or function */
	MTF_STAT_DENIED_TENANT,   /* claim does not fit tenant_type */
	MTF_STAT_DENIED_POLICY,   /* 42501 */
	MTF_STAT_DENIED_CHANGED,  /* 55000: identity changed under an open cursor */
	MTF_STAT_RECHECKS_FAILED,
	MTF_STAT_SCANS,
	MTF_STAT_DOCUMENTS,
	MTF_STAT_BYTES,
	MTF_STAT_BATCHES,
	MTF_STAT_COUNT
} MtfStat;

/* Ask for shared memory; from _PG_init only. */
extern void mtf_stat_init(void);

extern void mtf_stat_add(MtfStat stat, uint64 n);
extern uint64 mtf_stat_get(MtfStat stat);
extern const char *mtf_stat_name(MtfStat stat);

/* True when the counters are the server's, false when they are this backend's. */
extern bool mtf_stat_is_shared(void);

#endif /* MTF_STAT_H */
