/*
 * kill.h
 *	  Ending work on the server while an error, a cancel or an early end is on its way.
 *
 * Nothing here raises, and all of it together takes no longer than its budget.
 */
#ifndef MTF_KILL_H
#define MTF_KILL_H

#include "base/compat.h"

#include "remote/client.h"

/* A cancelled query must end within 100 ms, however many cursors it has. */
#define MTF_KILL_BUDGET_US INT64CONST(50000)

/* Where no interrupt waits: what a busy server needs to take a connection and a command. */
#define MTF_KILL_PATIENCE_US INT64CONST(500000)

/*
 * Close the cursor `id` that `client` has open.  Without an id (0) there may be a cursor all the same
 * when a command is `begun` and nobody has looked at its answer.  A reply still to come is read first;
 * when it takes too long, the cursor is killed over another connection and the client is doomed.
 */
extern void mtf_kill_cursor(MtfClient *client, const char *database, const char *collection,
							int64 id, bool begun);

/*
 * End whatever the server does for `client`, over another connection: its session with all its
 * operations and cursors, or, where it has none of ours, the cursor `id`.  Dooms the client.
 */
extern void mtf_kill_session(MtfClient *client, const char *database, const char *collection,
							 int64 id);

/*
 * The same where the network failed and nobody waits for an interrupt to be served: a busy server is
 * given more time, until an interrupt comes.  Not in callbacks, where one may have been served already.
 */
extern void mtf_kill_session_patiently(MtfClient *client, const char *database,
									   const char *collection, int64 id);

/* End the work of sessions that could not be ended in time; false: the client is unusable now. */
extern bool mtf_kill_remembered(MtfClient *client, const MtfSession *sessions, int n);

/*
 * Tell the server that the session of an idle client has ended, or end those on it that could not be
 * ended in time (n of them); without waiting for anything.
 */
extern void mtf_kill_farewell(MtfClient *client, const MtfSession *unfinished, int n);

#endif /* MTF_KILL_H */
