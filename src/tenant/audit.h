/*
 * audit.h
 *	  Who read what as which tenant: one line of JSON in the server's log.
 *
 * Never to the client, whatever client_min_messages says.  Token ids are hashed; a line holds no
 * token.
 */
#ifndef MTF_AUDIT_H
#define MTF_AUDIT_H

#include "base/compat.h"

#include "utils/guc.h"

#include "tenant/identity.h"

typedef enum MtfAuditLevel
{
	MTF_AUDIT_OFF,
	MTF_AUDIT_DENY, /* what was refused */
	MTF_AUDIT_ALL   /* and every access */
} MtfAuditLevel;

extern int mtf_setting_audit;
extern const struct config_enum_entry mtf_audit_options[];

/* One access to one relation; its line is written when its memory context goes, error or not. */
typedef struct MtfAudit
{
	uint64 rows; /* count them here */
	const char *operation;
	const char *line; /* what is known from the start */
	MemoryContextCallback callback;
} MtfAudit;

/*
 * Begin an access in the current context; always returns a counter, which is logged only under
 * `all`.  `identity` is NULL under bypass.
 */
extern MtfAudit *mtf_audit_begin(const MtfIdentity *identity, Oid relid, const char *operation);

/* A refused token or access: the reason is logged even when auditing is off. */
extern void mtf_audit_denial(const char *why);

/* A refusal that names its relation (policy, tenant type, recheck). */
extern void mtf_audit_refusal(const MtfIdentity *identity, Oid relid, const char *why);

/* An execution without a tenant. */
extern void mtf_audit_bypass(void);

#endif /* MTF_AUDIT_H */
