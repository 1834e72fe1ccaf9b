/*
 * session.h
 *	  The setting mongo_tenant.jwt, the binding of an execution, and what identity holds for how long.
 *
 * One binding per executor state (architecture.md, rule 2): the first use in an EState verifies the
 * token; every later Begin* of that EState gets the same binding.  At each ExecutorRun the identity,
 * its expiry and its revocation are compared again.
 */
#ifndef MTF_SESSION_H
#define MTF_SESSION_H

#include "base/compat.h"

#include "nodes/execnodes.h"

typedef struct MtfBinding MtfBinding;

/* Settings, hooks, callbacks; from _PG_init only. */
extern void mtf_session_init(void);

/*
 * The binding of `estate`: created at first use, then the same one.  Raises 28000 when there is no
 * token or it does not verify now.  Lives as long as the EState.
 */
extern MtfBinding *mtf_session_bind(EState *estate);

#endif /* MTF_SESSION_H */
