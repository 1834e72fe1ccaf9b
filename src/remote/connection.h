/*
 * connection.h
 *	  The cache of clients, one per (server, user mapping) and backend; nothing else makes one.
 *
 * A client in use is never destroyed: invalidation marks it, idle code destroys it.
 */
#ifndef MTF_CONNECTION_H
#define MTF_CONNECTION_H

#include "base/compat.h"

typedef struct MtfConnection MtfConnection;

/* mongo_tenant.allowed_hosts: hosts that a server not owned by a superuser may reach. */
extern char *mtf_setting_allowed_hosts;

/*
 * A connection to `serverid` with the credentials of `userid` (the user PostgreSQL checks,
 * checkAsUser).  No network yet: the first command connects.  Raises 42501 when owners no longer may
 * what the options ask for, F0000 when the configuration is unusable.  The result is never freed: it
 * can be kept over invalidations, which reach it when it is used next.
 */
extern MtfConnection *mtf_connection_get(Oid serverid, Oid userid);

/* Callbacks for invalidation and for (sub)transaction end; from _PG_init only. */
extern void mtf_connection_init(void);

#endif /* MTF_CONNECTION_H */
