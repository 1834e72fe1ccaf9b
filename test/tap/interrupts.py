"""Whatever a scan waits for, an interrupt ends it within 100 ms, and the server's work with it."""
import threading
import time

import psycopg

from faultserver import FaultServer, Silence, make_tables
from tap import World, ok, is_, own_slowness, prompt, skip, diag, done
from wire import Reply, batch

LIMIT = 0.1
TRIES = 3  # the machine may be busy: one of them must be in time
CANCELLED = "57014"


class Phase:
    """Where a scan is kept waiting."""

    def __init__(self, server, name, table, prepare=lambda: None, query="SELECT id FROM %s", killed=None):
        self.server, self.name, self.table, self.prepare, self.killed = server, name, table, prepare, killed
        self.query = query % table


def phases(server, mongos):
    """`mongos` is None where the driver has no cursors."""
    def silent(command, number=1, at=server, **settings):
        def prepare():
            at.reset(**settings)
            at.at(command, number, None)
        return prepare

    def half():
        server.reset()
        server.at("aggregate", 1, lambda s, command: Reply(batch(command, s._documents(0)), length=4000))

    def dripping():
        server.reset()
        server.at("aggregate", 1, lambda s, command: Reply(batch(command, s._documents(0)), drip=0.02))

    def not_read():
        server.reset(read_limit=1000000)

    def greeting():
        server.reset(hello="silent")

    return [
        Phase(server, "connect", "hole"),
        Phase(server, "TLS handshake", "tls"),
        Phase(server, "hello without an answer", "mute"),
        Phase(server, "server selection", "pair"),
        Phase(server, "first command", "t", silent("aggregate"), killed=("killSessions",)),
        Phase(server, "half a reply", "t", half, killed=("killSessions",)),
        Phase(server, "slow drip", "t", dripping, killed=("killSessions",)),
        Phase(server, "later batch", "t", silent("getMore", batches=4), killed=("killSessions", "killCursors")),
        Phase(server, "batch asked for ahead", "t", silent("getMore", 2, batches=4), killed=("killSessions", "killCursors")),
        Phase(server, "write", "t", not_read, query="SELECT id FROM %s WHERE name = repeat('x', 12000000)"),
    ] + ([] if mongos is None else [
        Phase(mongos, "first command of the driver", "sharded", silent("aggregate", at=mongos), killed=("killSessions",)),
        Phase(mongos, "later batch of the driver", "sharded", silent("getMore", at=mongos, batches=4),
              killed=("killSessions", "killCursors")),
    ])


def driver_has_cursors(session):
    """The libmongoc of Debian 13 takes "db.collection" for the name of a database: its cursors refuse to begin."""
    try:
        session.execute("SELECT id FROM sharded").fetchall()
    except psycopg.Error as error:
        return 'invalid: contains "."' not in (error.diag.message_detail or "")
    return True


def timed(session, query):
    """(seconds, sqlstate) of a query that must fail."""
    try:
        session.execute(query).fetchall()
        state = None
    except psycopg.Error as error:
        state = error.sqlstate
    return time.monotonic(), state


def one_cancel(world, admin, session, phase, how):
    """Seconds from the interrupt to the error, and the error."""
    pid = session.info.backend_pid
    asked = []

    def strike():
        asked.append(time.monotonic())
        admin.execute("SELECT pg_cancel_backend(%s)", (pid,))

    phase.prepare()
    if how == "statement_timeout":
        session.execute("SET statement_timeout = 300")
        asked.append(time.monotonic() + 0.3)
    else:
        timer = threading.Timer(0.3, strike)
        timer.start()
    end, state = timed(session, phase.query)
    if how == "statement_timeout":
        session.execute("RESET statement_timeout")
    else:
        timer.join()
    return end - asked[0], state


def cancels(world, server, mongos):
    with world.connect("UA") as session, world.admin() as admin:
        for phase in phases(server, mongos):
            for how in ("pg_cancel_backend", "statement_timeout"):
                name = "%s, %s" % (phase.name, how)
                best, ended = None, False
                for _ in range(TRIES):  # on a busy machine, one of them is in time
                    seconds, state = one_cancel(world, admin, session, phase, how)
                    best = seconds if best is None else min(best, seconds)
                    ended = not phase.killed or phase.server.heard(*phase.killed)
                    if best < LIMIT and ended:
                        break
                is_(state, CANCELLED, name + ": cancelled")
                ok(prompt(world, best, LIMIT), name + ": within 100 ms") or diag("%.0f ms" % (best * 1000))
                if phase.killed:
                    ok(ended or ended_later(world, session, phase), name + ": the server's work is ended") or diag(phase.server.log)
                    ok(settled(phase.server), name + ": no cursor is left open") or diag(phase.server.cursors)
                server.reset(batches=2)
                is_(world.value(session, "SELECT count(*) FROM (SELECT id FROM t OFFSET 0) x"), 20, name + ": the next query is whole")


def ended_later(world, session, phase):
    """The time for a kill is limited, and on a starved machine too short: then, and only then, the next query ends the work."""
    if own_slowness(world) == 0:
        return False
    session.execute("SELECT id FROM %s LIMIT 1" % phase.table).fetchall()
    return phase.server.heard(*phase.killed)


def terminated(world, server, mongos):
    """pg_terminate_backend and a client that goes away: the process ends, and its work on the server."""
    def one(admin, phase):
        session = world.connect("UA")
        pid = session.info.backend_pid
        phase.prepare()
        worker = threading.Thread(target=timed, args=(session, phase.query))
        worker.start()
        time.sleep(0.3)
        start = time.monotonic()
        admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
        seconds = gone_after(world, admin, pid, start)
        worker.join()
        session.close()
        return seconds

    with world.admin() as admin:
        for phase in phases(server, mongos):
            gone(world, phase, "pg_terminate_backend", lambda: one(admin, phase))


def gone(world, phase, how, one):
    """The process ends at once, and its work on the server with it; on a busy machine, in one of some tries."""
    for _ in range(TRIES):
        seconds = one()
        ended = not phase.killed or phase.server.heard(*phase.killed)
        if seconds < 0.5 and ended:
            break
    ok(prompt(world, seconds, 0.5), "%s, %s: the process ends at once" % (phase.name, how)) or diag(seconds)
    if phase.killed:  # no next query of this process will end it
        ok(ended or own_slowness(world) > 0, "%s, %s: the server's work is ended" % (phase.name, how)) or diag(phase.server.log)


def gone_after(world, admin, pid, start):
    while world.value(admin, "SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid) > 0:
        if time.monotonic() - start > 10:
            break
        time.sleep(0.005)
    return time.monotonic() - start


def disconnected(world, server, mongos):
    """client_connection_check_interval (PostgreSQL 14): the client's end is seen while we wait."""
    with world.admin() as admin:
        if world.value(admin, "SELECT current_setting('server_version_num')::int") < 140000:
            return

        def one(phase):
            session = world.connect("UA", options="-c client_connection_check_interval=20ms")
            pid = session.info.backend_pid
            phase.prepare()
            session.pgconn.send_query(phase.query.encode())
            time.sleep(0.3)
            start = time.monotonic()
            session.pgconn.finish()
            return gone_after(world, admin, pid, start)

        for phase in phases(server, mongos):
            gone(world, phase, "client gone", lambda: one(phase))


def asynchronous(world, first, second):
    """Two scans under one Append: one is cancelled or ended while the other's answer is on its way."""
    with world.admin() as admin:
        if world.value(admin, "SELECT current_setting('server_version_num')::int") < 140000:
            return
        admin.execute("CREATE TABLE parts (id integer, name text) PARTITION BY RANGE (id); GRANT SELECT ON parts TO mtf_app")
        for number, server in enumerate((first, second)):
            admin.execute("CREATE SERVER s_part%d FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'x',"
                          " providers 'test', tenant_field 'tenant_id', async_capable 'true')" % (number, server.uri))
            admin.execute("CREATE FOREIGN TABLE part%d PARTITION OF parts FOR VALUES FROM (%d) TO (%d) SERVER s_part%d"
                          % (number, number * 1000, number * 1000 + 1000, number))
    with world.connect("UA") as session:
        query = "SELECT id FROM parts OFFSET 0"
        plan = "\n".join(world.column(session, "EXPLAIN " + query))
        ok("Async Foreign Scan" in plan, "the scans are asynchronous") or diag(plan)
        first.reset(batches=3)
        second.reset(batches=3)
        is_(len(world.rows(session, query)), 60, "positive control: both are read whole")
        for name, query, state, limit in (("ended", "SELECT id FROM parts LIMIT 1", None, 1), ("cancelled", query, CANCELLED, 0.3 + LIMIT)):
            for _ in range(TRIES):
                first.reset(batches=3)
                second.reset(batches=3)
                if state:
                    second.at("aggregate", 1, None)
                    session.execute("SET statement_timeout = 300")
                start = time.monotonic()
                end, got = timed(session, query)
                session.execute("RESET statement_timeout")
                if end - start < limit:
                    break
            is_(got, state, "%s while the other is on its way" % name)
            ok(prompt(world, end - start, limit), "%s: at once" % name) or diag(end - start)
            ok(second.heard("killSessions", "killCursors"), "%s: the other's work is ended" % name) or diag(second.log)
            ok(settled(first, second), "%s: no cursor is left open" % name) or diag((first.cursors, second.cursors))


def settled(*servers):
    """The answers to the last kills are not waited for."""
    end = time.monotonic() + 1
    while time.monotonic() < end and any(server.cursors for server in servers):
        time.sleep(0.01)
    return not any(server.cursors for server in servers)


with World(engine=False) as world, FaultServer() as server, FaultServer() as other, FaultServer() as mongos, \
        Silence(full=True) as full, Silence() as mute:
    server.reset()
    mongos.member = {"msg": "isdbgrid"}
    make_tables(world, {
        "t": server.uri + "?socketTimeoutMS=30000",
        "sharded": mongos.uri + "?socketTimeoutMS=30000",
        "hole": "mongodb://127.0.0.1:%d/?connectTimeoutMS=20000" % full.port,
        "mute": "mongodb://127.0.0.1:%d/?connectTimeoutMS=20000" % mute.port,
        "tls": "mongodb://127.0.0.1:%d/?tls=true&connectTimeoutMS=20000" % mute.port,
        "pair": "mongodb://127.0.0.1:%d,127.0.0.1:%d/?replicaSet=rs&connectTimeoutMS=20000" % (full.port, mute.port)})
    with world.connect("UA") as session:
        is_(world.value(session, "SELECT count(*) FROM (SELECT id FROM t OFFSET 0) x"), 10, "positive control: the server answers")
        if not driver_has_cursors(session):
            skip("interrupts of the driver", "this libmongoc refuses the names of its own cursors")
            mongos = None
    cancels(world, server, mongos)
    terminated(world, server, mongos)
    disconnected(world, server, mongos)
    asynchronous(world, server, other)
    server.reset()
    ok(server.settle(0), "no connection is left") or diag(server.connections_open)
done()
