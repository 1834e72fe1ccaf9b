/*
 * describe.c
 *	  A command about the collection of a scope, over a borrowed client.
 *
 * What must not happen here: a question about another collection, or about sizes ($collStats, count
 * without a query), which tell how much all tenants have.
 */
#include "remote/describe.h"

#define MTF_REMOTE_ROOM
#include "base/driver_compat.h"

#include "base/guard.h"
#include "remote/client.h"

static bool
ask(MtfClient *client, const MtfScope *scope, const char *name, MtfDescribeAppend append,
	MtfReply *reply)
{
	bson_t *command = mtf_bson_create(CurrentMemoryContext);
	int64 deadline = mtf_clock() + client->reply_timeout_ms * INT64CONST(1000);
	MtfReplyBuffer buffer = {CurrentMemoryContext};
	bson_error_t error;
	MtfIo io;

	if (!append(command, mtf_scope_collection(scope)) ||
		!mtf_wire_append_common(client, command, mtf_scope_database(scope), true))
		return false;
	io = mtf_wire_send(client, command, deadline);
	if (io == MTF_IO_OK)
		io = mtf_wire_receive(client, &buffer, deadline, reply);
	if (io != MTF_IO_OK)
	{
		client->doomed = true;
		mtf_client_raise_io(client, io, name);
	}
	return mtf_wire_reply_ok(reply, &error);
}

bool
mtf_describe_ask(MtfConnection *connection, const MtfScope *scope, const char *read_preference,
				 const char *command, MtfDescribeAppend append, MtfReply *reply)
{
	volatile bool answered = false;
	MtfClient *client;

	if (!mtf_scope_is_bound(scope))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("a collection cannot be asked about without a tenant")));
	client = mtf_connection_lease(connection, read_preference);
	PG_TRY();
	{
		if (client->direct)
			answered = ask(client, scope, command, append, reply);
	}
	PG_CATCH();
	{
		client->doomed = true;
		mtf_connection_return(client);
		PG_RE_THROW();
	}
	PG_END_TRY();
	mtf_connection_return(client);
	return answered;
}
