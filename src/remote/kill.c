/*
 * kill.c
 *	  Ending work on the server while an error, a cancel or an early end is on its way.
 *
 * A connection with a reply outstanding does not listen: the server reads the next message when it
 * has sent its answer.  So work that must end now is ended over another connection.  But such a kill
 * may overtake the command, which a busy server has not read yet.  So a second one is sent behind the
 * command, on its own connection: that is read after whatever the command has begun.  The connection
 * lingers until both are answered (connection.c); when the process ends first, both are in the
 * server's socket all the same.
 *
 * What must not happen here: a raise (memory context callbacks call us), a wait beyond the budget.
 */
#include "remote/kill.h"

#include "miscadmin.h"

#include "remote/wire.h"

/* How long a query waits for kills that an earlier one could not finish. */
#define REMEMBERED_US INT64CONST(500000)

/* How long the answer to a killed command is waited for. */
#define OVERTAKEN_US INT64CONST(15000)

/*
 * One budget for all that an error ends: a scan may have several cursors, a query several scans.  Who
 * comes last has time for a server that answers, and none for one that does not.
 */
static int64 spent = 0;
static int64 spent_until = 0;

#define EPISODE_US        INT64CONST(50000)
#define EPISODE_BUDGET_US (MTF_KILL_BUDGET_US * 3 / 2) /* what one cursor can take by itself */
#define LEAST_US          INT64CONST(2000)

static int64
deadline_within_budget(int64 start, int64 wanted)
{
	if (start - spent_until > EPISODE_US)
		spent = 0;
	return start + Max(Min(wanted, EPISODE_BUDGET_US - spent), LEAST_US);
}

static void
spend(int64 start)
{
	spent_until = mtf_clock();
	spent += spent_until - start;
}

/*
 * One try to end a client's work.  In a hurry, an interrupt that is pending must not end these waits
 * too; a patient one takes longer, and ends when an interrupt comes.
 */
typedef struct Attempt
{
	const char *database;
	const char *collection;
	int64 id;
	int64 deadline;
	bool patient;
} Attempt;

static void
begin_waits(MtfClient *client, int64 deadline, bool patient)
{
	MtfNetwork *network = &client->streams.network;

	network->persist = !patient;
	network->deadline = deadline;
}

static bool
is_waiting(MtfClient *client)
{
	MtfStream *stream = mtf_client_stream(client);

	return stream != NULL && mtf_stream_is_outstanding(stream);
}

static bool
build_kill_cursors(MtfClient *client, bson_t *command, const char *database, const char *collection,
				   int64 id)
{
	bson_t list = BSON_INITIALIZER;
	bool ok;

	ok = BSON_APPEND_UTF8(command, "killCursors", collection) &&
		 BSON_APPEND_INT64(&list, "0", id) && BSON_APPEND_ARRAY(command, "cursors", &list) &&
		 mtf_wire_append_common(client, command, database, false);
	bson_destroy(&list);
	return ok;
}

static bool
build_for_sessions(MtfClient *client, bson_t *command, const char *name, const MtfSession *sessions,
				   int n)
{
	bson_t list = BSON_INITIALIZER;
	bson_t child;
	bool ok = true;

	for (int i = 0; ok && i < n; i++)
	{
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		ok = BSON_APPEND_DOCUMENT_BEGIN(&list, key, &child) &&
			 BSON_APPEND_BINARY(&child, "id", BSON_SUBTYPE_UUID, sessions[i].uuid,
								sizeof(sessions[i].uuid)) &&
			 bson_append_document_end(&list, &child);
	}
	ok = ok && BSON_APPEND_ARRAY(command, name, &list) &&
		 mtf_wire_append_common(client, command, "admin", false);
	bson_destroy(&list);
	return ok;
}

static bool
build_kill(MtfClient *killer, bson_t *command, const MtfClient *victim, const Attempt *attempt)
{
	if (victim->has_session)
		return build_for_sessions(killer, command, "killSessions", &victim->session, 1);
	return build_kill_cursors(killer, command, attempt->database, attempt->collection, attempt->id);
}

/* Send the kill and wait for its answer: afterwards the work has ended.  False: not in time. */
static bool
kill_once(MtfClient *killer, const MtfClient *victim, const Attempt *attempt)
{
	bson_t command;
	bool done;

	bson_init(&command);
	done = build_kill(killer, &command, victim, attempt);
	done = done && mtf_wire_send(killer, &command, attempt->deadline) == MTF_IO_OK &&
		   mtf_wire_drain(killer, attempt->deadline);
	bson_destroy(&command);
	return done;
}

/* The kill that cannot overtake: behind the command whose answer is awaited. */
static bool
kill_behind(MtfClient *victim, const Attempt *attempt)
{
	bson_t command;
	bool sent;

	if (!is_waiting(victim))
		return false;
	begin_waits(victim, mtf_clock() + LEAST_US, false);
	bson_init(&command);
	sent = build_kill(victim, &command, victim, attempt) &&
		   mtf_wire_send_behind(victim, &command, 0) == MTF_IO_OK;
	bson_destroy(&command);
	return sent;
}

/* Wait a moment for the answers of the command and of the kill behind it. */
static bool
is_answered(MtfClient *victim, const Attempt *attempt)
{
	int64 overtaken = mtf_clock() + (attempt->patient ? MTF_KILL_PATIENCE_US : OVERTAKEN_US);

	begin_waits(victim, Min(attempt->deadline, overtaken), attempt->patient);
	return mtf_wire_drain(victim, attempt->deadline);
}

static void
kill_session(MtfClient *client, Attempt attempt)
{
	MtfNetwork *network = &client->streams.network;
	MtfNetwork failed;
	MtfClient *killer;
	bool killed = false;
	bool waiting;
	bool behind;

	client->doomed = true;
	if (client->killed || (!client->has_session && attempt.id == 0))
		return;
	client->killed = true;
	/* What the error that is on its way will say of this connection. */
	failed = *network;
	waiting = is_waiting(client);
	behind = kill_behind(client, &attempt);
	killer =
		mtf_connection_lease_to_kill(client->connection, client, attempt.deadline, attempt.patient);
	if (killer != NULL)
	{
		begin_waits(killer, attempt.deadline, attempt.patient);
		killed = kill_once(killer, client, &attempt);
		mtf_connection_return(killer);
	}
	if (behind)
	{
		bool ended = is_answered(client, &attempt);

		client->lingers = !ended;
		killed |= ended;
	}
	network->broken = failed.broken;
	memcpy(network->why, failed.why, sizeof(network->why));
	/* Without one behind it, the kill may have overtaken the command. */
	if (!killed || (waiting && !behind))
		mtf_connection_remember(client);
}

void
mtf_kill_session(MtfClient *client, const char *database, const char *collection, int64 id)
{
	int64 start = mtf_clock();
	Attempt attempt = {.database = database,
					   .collection = collection,
					   .id = id,
					   .deadline = deadline_within_budget(start, MTF_KILL_BUDGET_US)};

	kill_session(client, attempt);
	spend(start);
}

void
mtf_kill_session_patiently(MtfClient *client, const char *database, const char *collection,
						   int64 id)
{
	Attempt attempt = {.database = database,
					   .collection = collection,
					   .id = id,
					   .deadline = mtf_clock() + MTF_KILL_PATIENCE_US,
					   .patient = true};

	if (InterruptPending)
		mtf_kill_session(client, database, collection, id);
	else
		kill_session(client, attempt);
}

bool
mtf_kill_remembered(MtfClient *client, const MtfSession *sessions, int n)
{
	int64 deadline = mtf_clock() + REMEMBERED_US;
	bson_t command;
	bool done;

	bson_init(&command);
	done = build_for_sessions(client, &command, "killSessions", sessions, n) &&
		   mtf_wire_send(client, &command, deadline) == MTF_IO_OK &&
		   mtf_wire_drain(client, deadline);
	bson_destroy(&command);
	return done;
}

void
mtf_kill_cursor(MtfClient *client, const char *database, const char *collection, int64 id,
				bool begun)
{
	int64 start = mtf_clock();
	int64 deadline = deadline_within_budget(start, MTF_KILL_BUDGET_US / 2);
	bool outstanding = is_waiting(client);
	bson_t command;
	bool built;

	begun |= outstanding;
	if (client->killed || (id == 0 && !begun))
		return;
	begin_waits(client, deadline, false);
	if (client->doomed || mtf_client_stream(client) == NULL ||
		(outstanding && !mtf_wire_drain(client, deadline)))
	{
		spend(start);
		mtf_kill_session(client, database, collection, id);
		return;
	}
	if (id == 0 && !client->has_session)
	{
		client->doomed = true;
		return;
	}
	/* Its answer says nothing we need: it is read when the client is borrowed again. */
	bson_init(&command);
	if (id != 0)
		built = build_kill_cursors(client, &command, database, collection, id);
	else
		built = build_for_sessions(client, &command, "killSessions", &client->session, 1);
	built = built && mtf_wire_send(client, &command, deadline) == MTF_IO_OK;
	bson_destroy(&command);
	spend(start);
	if (!built)
		mtf_kill_session(client, database, collection, id);
}

/* One more command for a client that is not lent again: behind the last one where that is unanswered. */
static void
say_last(MtfClient *client, const char *name, const MtfSession *sessions, int n)
{
	bson_t command;

	bson_init(&command);
	if (build_for_sessions(client, &command, name, sessions, n))
	{
		if (is_waiting(client))
			(void) mtf_wire_send_behind(client, &command, 0);
		else
			(void) mtf_wire_send(client, &command, 0);
	}
	bson_destroy(&command);
}

void
mtf_kill_farewell(MtfClient *client, const MtfSession *unfinished, int n)
{
	if (!client->has_session || client->doomed || mtf_client_stream(client) == NULL)
		return;
	client->streams.network.persist = true;
	(void) mtf_wire_drain(client, 0);
	if (n > 0)
		say_last(client, "killSessions", unfinished, n);
	say_last(client, "endSessions", &client->session, 1);
}
