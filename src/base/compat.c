/*
 * compat.c
 *	  Version shims that need headers nobody else wants.
 */
#include "base/compat.h"

#include "storage/ipc.h"
#include "storage/shmem.h"

#if PG_VERSION_NUM >= 140000
#include "tcop/tcopprot.h"
#include "utils/timeout.h"

/* As libpq/libpq.h declares it; that header wants GSSAPI's, which need not be installed. */
extern bool pq_check_connection(void);

/*
 * Look after a client that may have gone, as ProcessInterrupts would, but without raising: sets
 * ClientConnectionLost.
 */
void
mtf_compat_check_client(void)
{
	if (!CheckClientConnectionPending)
		return;
	CheckClientConnectionPending = false;
	if (client_connection_check_interval <= 0 || MyProcPort == NULL)
		return;
	if (pq_check_connection())
		enable_timeout_after(CLIENT_CONNECTION_CHECK_TIMEOUT, client_connection_check_interval);
	else
	{
		ClientConnectionLost = true;
		InterruptPending = true;
	}
}
#endif

#if PG_VERSION_NUM >= 150000
static Size requested_shmem = 0;
static shmem_request_hook_type prev_shmem_request_hook = NULL;

static void
request_shmem(void)
{
	if (prev_shmem_request_hook != NULL)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(requested_shmem);
}
#endif

void
mtf_compat_request_shmem(Size size)
{
#if PG_VERSION_NUM >= 150000
	if (requested_shmem == 0)
	{
		prev_shmem_request_hook = shmem_request_hook;
		shmem_request_hook = request_shmem;
	}
	requested_shmem = add_size(requested_shmem, MAXALIGN(size));
#else
	RequestAddinShmemSpace(size);
#endif
}
