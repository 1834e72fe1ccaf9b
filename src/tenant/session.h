/*
 * session.h
 *	  The setting mongo_tenant.jwt, the binding of an execution, and what identity holds for how long.
 *
 * One binding per executor state (architecture.md, rule 2): the first use in an EState verifies the
 * token; every later Begin* of that EState gets the same binding, and so does mongo_tenant.tenant().
 * At each ExecutorRun the identity, its expiry and its revocation are compared again.
 */
#ifndef MTF_SESSION_H
#define MTF_SESSION_H

#include "base/compat.h"

#include "nodes/execnodes.h"

#include "tenant/audit.h"
#include "tenant/identity.h"
#include "tenant/setting.h"

typedef struct MtfBinding MtfBinding;

/* mongo_tenant.bypass (superuser) and mongo_tenant.bypass_role (config file). */
extern bool mtf_setting_bypass;
extern char *mtf_setting_bypass_role;

/* Hooks and callbacks; from _PG_init only, after the settings were defined. */
extern void mtf_session_init(void);

/*
 * The binding of `estate`: created at first use, then the same one.  Raises 28000 when there is no
 * token or it does not verify now, 0A000 under a WITH HOLD cursor.  Lives as long as the EState.
 */
extern MtfBinding *mtf_session_bind(EState *estate);

/*
 * A binding outside of any execution (estimates while planning, import), in the current context;
 * checked now and not again: for immediate use.
 */
extern MtfBinding *mtf_session_bind_now(void);

/* NULL for a binding that reads without a tenant (mongo_tenant.bypass). */
extern const MtfIdentity *mtf_binding_identity(const MtfBinding *binding);

/*
 * The identity for a function called from SQL: that of the execution it belongs to, else the one the
 * session has now.  Raises 28000 when there is none.
 */
extern MtfIdentity *mtf_session_identity(FunctionCallInfo fcinfo);

/* Is a token set at all?  (whoami() shows no row without one.) */
extern bool mtf_session_has_token(void);

/* Refuse: the one message of 28000 to the client, the reason to the log and the counters. */
extern void mtf_session_deny(MtfStat stat, const char *why) pg_attribute_noreturn();

#endif /* MTF_SESSION_H */
