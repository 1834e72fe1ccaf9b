/*
 * exec_async.c
 *	  Scans under one Append that run at once: each asks its server and lets the others go on.
 *
 * Every cursor has a client, and so a socket, of its own: nothing is shared between the scans but the
 * wait.  A scan that has nothing yet gives an empty slot, and exec_scan.c knows what it waits for.
 */
#include "rows/exec_async.h"

#ifdef MTF_HAVE_ASYNC

#include "storage/latch.h"

#include "options/cache.h"
#include "rows/exec_scan.h"

static bool
mtfIsForeignPathAsyncCapable(ForeignPath *path)
{
	return mtf_server_options(path->path.parent->serverid)->async_capable;
}

/* The next row that passes the scan's conditions, or word that it is on its way. */
static void
produce(AsyncRequest *areq)
{
	ForeignScanState *node = castNode(ForeignScanState, areq->requestee);
	TupleTableSlot *slot = areq->requestee->ExecProcNodeReal(areq->requestee);

	if (TupIsNull(slot) && mtf_exec_scan_waits_for(node) != PGINVALID_SOCKET)
		ExecAsyncRequestPending(areq);
	else
		ExecAsyncRequestDone(areq, slot);
}

static void
mtfForeignAsyncRequest(AsyncRequest *areq)
{
	produce(areq);
}

static void
mtfForeignAsyncConfigureWait(AsyncRequest *areq)
{
	ForeignScanState *node = castNode(ForeignScanState, areq->requestee);
	AppendState *append = castNode(AppendState, areq->requestor);

	AddWaitEventToSet(append->as_eventset, WL_SOCKET_READABLE, mtf_exec_scan_waits_for(node), NULL,
					  areq);
}

static void
mtfForeignAsyncNotify(AsyncRequest *areq)
{
	mtf_exec_scan_continue(castNode(ForeignScanState, areq->requestee));
	produce(areq);
}

void
mtf_exec_async_set(FdwRoutine *routine)
{
	routine->IsForeignPathAsyncCapable = mtfIsForeignPathAsyncCapable;
	routine->ForeignAsyncRequest = mtfForeignAsyncRequest;
	routine->ForeignAsyncConfigureWait = mtfForeignAsyncConfigureWait;
	routine->ForeignAsyncNotify = mtfForeignAsyncNotify;
}

#else

void
mtf_exec_async_set(FdwRoutine *routine)
{
}

#endif
