/*
 * compat.c
 *	  Version shims that need headers nobody else wants.
 */
#include "base/compat.h"

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
