/*
 * triggers.c
 *	  Triggers of the extension's tables: announce changes, bind policies to servers.
 *
 * All of them are ENABLE ALWAYS: session_replication_role = replica must not hide a revocation.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "foreign/foreign.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "tenant/catalog.h"

PG_FUNCTION_INFO_V1(mtf_trigger_announce);
PG_FUNCTION_INFO_V1(mtf_trigger_bind_policy);
PG_FUNCTION_INFO_V1(mtf_event_follow_servers);

static TriggerData *
require_trigger(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function was not called as a trigger")));
	return (TriggerData *) fcinfo->context;
}

/* AFTER each row and TRUNCATE: every session reads the table again at its next statement. */
PGDLLEXPORT Datum
mtf_trigger_announce(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = require_trigger(fcinfo);

	CacheInvalidateRelcache(trigger->tg_relation);
	PG_RETURN_POINTER(NULL);
}

/* BEFORE each row of policy: serverid is what the server's name means here and now. */
PGDLLEXPORT Datum
mtf_trigger_bind_policy(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = require_trigger(fcinfo);
	HeapTuple tuple =
		TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	TupleDesc tupdesc = RelationGetDescr(trigger->tg_relation);
	int attnum = MTF_POLICY_SERVERID;
	bool isnull;
	Datum name;
	Datum serverid = ObjectIdGetDatum(InvalidOid);

	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function must be fired before each row")));
	/* The attribute numbers are those of one table. */
	if (RelationGetRelid(trigger->tg_relation) != mtf_catalog_find_table(MTF_TABLE_POLICY))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function is for the table mongo_tenant.policy only")));
	name = heap_getattr(tuple, MTF_POLICY_SERVER, tupdesc, &isnull);
	if (!isnull)
		serverid = ObjectIdGetDatum(get_foreign_server_oid(TextDatumGetCString(name), true));
	/* No such server: the row is kept (a dump may hold it) and bound to none. */
	isnull = false;
	tuple = heap_modify_tuple_by_cols(tuple, tupdesc, 1, &attnum, &serverid, &isnull);
	PG_RETURN_POINTER(tuple);
}

/* What a policy's server is called now; NULL when it is gone. */
static char *
current_server_name(Oid serverid)
{
	ForeignServer *server =
		OidIsValid(serverid) ? GetForeignServerExtended(serverid, FSV_MISSING_OK) : NULL;

	return server != NULL ? server->servername : NULL;
}

static void
follow_server(Relation relation, HeapTuple tuple)
{
	TupleDesc tupdesc = RelationGetDescr(relation);
	int attnum = MTF_POLICY_SERVER;
	bool isnull;
	Oid serverid = DatumGetObjectId(heap_getattr(tuple, MTF_POLICY_SERVERID, tupdesc, &isnull));
	Datum name = heap_getattr(tuple, MTF_POLICY_SERVER, tupdesc, &isnull);
	char *current;

	/* Bound to none: restored before its server, or the server was dropped unseen. */
	if (!OidIsValid(serverid))
		return;
	current = current_server_name(serverid);
	if (current == NULL)
		CatalogTupleDelete(relation, &tuple->t_self);
	else if (strcmp(current, TextDatumGetCString(name)) != 0)
	{
		Datum renamed = CStringGetTextDatum(current);
		HeapTuple changed =
			heap_modify_tuple_by_cols(tuple, tupdesc, 1, &attnum, &renamed, &isnull);

		CatalogTupleUpdate(relation, &tuple->t_self, changed);
	}
	else
		return;
	CacheInvalidateRelcache(relation);
}

/*
 * After DROP and ALTER of servers: policies die with their server and take its new name.  Rights of
 * whoever runs the DDL do not matter here, so the table is changed below SQL.
 */
PGDLLEXPORT Datum
mtf_event_follow_servers(PG_FUNCTION_ARGS)
{
	Relation relation;
	SysScanDesc scan;
	HeapTuple tuple;
	Oid relid;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function was not called as an event trigger")));
	/* Not there while the extension itself is being dropped. */
	relid = mtf_catalog_find_table(MTF_TABLE_POLICY);
	if (!OidIsValid(relid))
		PG_RETURN_NULL();
	relation = table_open(relid, RowExclusiveLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while ((tuple = systable_getnext(scan)) != NULL)
		follow_server(relation, tuple);
	systable_endscan(scan);
	table_close(relation, RowExclusiveLock);
	PG_RETURN_NULL();
}
