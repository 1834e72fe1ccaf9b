/*
 * connect_probe.c
 *	  For tests: what the remote room does before any command, as a SQL function.
 *
 * A server whose owner is no superuser can have no providers, so that no query gets as far as its
 * connection; that the connection asks by itself is seen here.
 */
#include "base/compat.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "remote/client.h"
#include "remote/connection.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(connect_probe);

void _PG_init(void);

void
_PG_init(void)
{
	mtf_connection_init();
}

/* connect_probe(server oid, allowed_hosts text) RETURNS text: connect, as the current user; to whom */
Datum
connect_probe(PG_FUNCTION_ARGS)
{
	MtfConnection *connection;
	MtfClient *client;
	char *address;

	mtf_setting_allowed_hosts =
		MemoryContextStrdup(TopMemoryContext, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	connection = mtf_connection_get(PG_GETARG_OID(0), GetUserId());
	client = mtf_connection_lease(connection, "primary");
	address = pstrdup(client->address);
	mtf_connection_return(client);
	PG_RETURN_TEXT_P(cstring_to_text(address));
}
