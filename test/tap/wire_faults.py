"""Faults of the wire: an error with its SQLSTATE in bounded time, the next query works, nothing leaks."""
import os
import threading
import time

import psycopg

from faultserver import FaultServer, Silence, failure, make_tables
from tap import World, ok, is_, own_slowness, prompt, throws, skip, diag, done
from wire import Reply, batch

GONE = "08006"
BROKEN = "08P01"
NOT_PRIMARY = failure(10107, "NotWritablePrimary")
QUERY = "SELECT id FROM t"


def tables(world, server, silence):
    make_tables(world, {
        "t": server.uri + "?socketTimeoutMS=1500",
        "wide": server.uri + "?socketTimeoutMS=30000",
        "packed": server.uri + "?socketTimeoutMS=1500&compressors=zlib",
        "sharded": server.uri + "?socketTimeoutMS=1500",
        "slow": server.uri + "?connectTimeoutMS=600&serverSelectionTimeoutMS=1200",
        "pair": "mongodb://127.0.0.1:%d,127.0.0.1:%d/?replicaSet=rs&connectTimeoutMS=1000" % (silence.port, server.port),
    }, "id integer, name text, padding text")


def whole(world, session, server, name):
    server.reset(batches=3)
    is_(world.column(session, QUERY), list(range(30)), name + ": the next query is whole")


def faults(world, session, server):
    def changed(**changes):
        def answer(s, command):
            reply = batch(command, s._documents(0), name="nextBatch", cursor=command["getMore"])
            reply["cursor"].update(changes)
            return reply
        return answer

    def reply(**wrong):
        return lambda s, command: Reply(batch(command, s._documents(0), name="nextBatch"), **wrong)

    for name, state, fault in (
            ("connection closed", GONE, "close"), ("connection reset", GONE, "reset"), ("silence", GONE, None),
            ("half a reply, then closed", GONE, reply(cut=700)), ("half a reply, then silence", GONE, reply(length=99999)),
            ("slow drip", GONE, reply(drip=0.05)), ("answer to another request", BROKEN, reply(response_to=4711)),
            ("two answers", BROKEN, reply(before=Reply({"ok": 1.0}, response_to=1).message(1))),
            ("another cursor", BROKEN, changed(id=psycopg_int64(99))), ("another collection", BROKEN, changed(ns="x.u")),
            ("batch that is no array", BROKEN, changed(nextBatch=5)), ("batch of numbers", BROKEN, changed(nextBatch=[1])),
            ("cursor not found", "HV000", failure(43, "CursorNotFound")),
            ("not authorized", "42501", failure(13, "Unauthorized")),
            ("time limit", "57014", failure(50, "MaxTimeMSExpired")),
            ("primary steps down after rows", GONE, NOT_PRIMARY)):
        server.reset(batches=3)
        server.at("getMore", 1, fault)
        start = time.monotonic()
        throws(state, lambda: session.execute(QUERY).fetchall(), name + " mid-scan: an error, never a short result")
        ok(time.monotonic() - start < 4, name + ": in bounded time") or diag(time.monotonic() - start)
        is_(server.log.count("aggregate"), 1, name + ": a scan that has returned rows is not begun again")
        if name != "cursor not found":
            ok(server.heard("killSessions", "killCursors"), name + ": the server's cursor is closed") or diag(server.log)
        whole(world, session, server, name)


def psycopg_int64(value):
    from bson.int64 import Int64
    return Int64(value)


def begun_and_lost(server, command):
    """The command is run, and its reply is lost."""
    server.answer(command)
    return "close"


def retried(world, session, server):
    for name, fault in (("closed", "close"), ("reset", "reset"), ("step-down", NOT_PRIMARY),
                        ("shutdown", failure(91, "ShutdownInProgress"))):
        server.reset()
        server.at("aggregate", 1, fault)
        is_(len(world.rows(session, QUERY)), 10, "%s before any row: read once more, on a new connection" % name)
        is_(server.log.count("aggregate"), 2, "%s: two commands" % name)
        server.reset()
        server.at("aggregate", 0, fault)
        start = time.monotonic()
        throws(GONE, lambda: session.execute(QUERY).fetchall(), "%s again: an error" % name)
        is_(server.log.count("aggregate"), 2, "%s again: not a third time" % name)
        ok(time.monotonic() - start < 3, "%s again: in bounded time" % name)
        whole(world, session, server, name)
    server.reset(batches=3)
    opened = server.opened
    server.at("aggregate", 1, begun_and_lost)
    is_(len(world.rows(session, QUERY)), 30, "closed when the command was run: read once more")
    is_(server.opened, opened + 2, "closed when the command was run: two cursors were opened")
    ok(settled(server), "closed when the command was run: and both have ended") or diag(server.log)
    server.reset()
    server.at("aggregate", 1, failure(2, "BadValue"))
    throws("HV000", lambda: session.execute(QUERY).fetchall(), "an error of another kind")
    is_(server.log.count("aggregate"), 1, "is not tried again")


def secrets(session, server):
    """A server's text may quote a document of another tenant: the client does not see it."""
    for code, name in ((2, "BadValue"), (11000, "DuplicateKey"), (121, "DocumentValidationFailure"), (16410, "x"),
                       (13, "Unauthorized"), (14, "TypeMismatch"), (8000, "AtlasError"), (241, "ConversionFailure")):
        server.reset()
        server.at("aggregate", 0, failure(code, name, "cannot convert 'CANARY of DL'"))
        try:
            session.execute(QUERY).fetchall()
            ok(False, "error %d is raised" % code)
        except psycopg.Error as error:
            ok("CANARY" not in str(error) and "CANARY" not in str(error.diag.message_detail),
               "error %d is raised without the server's text" % code) or diag(error)


def large(world, session, server):
    server.reset(batch_size=3, padding=15 << 20)
    is_(world.rows(session, "SELECT count(*), sum(length(padding)) FROM (SELECT padding FROM wide OFFSET 0) x"), [(3, 3 * (15 << 20))], "a reply of 45 MB")
    server.reset()
    server.at("aggregate", 1, lambda s, command: Reply(batch(command, s._documents(0)), length=49 << 20))
    throws(BROKEN, lambda: session.execute(QUERY).fetchall(), "a reply that says it has 49 MB is refused")
    whole(world, session, server, "large")


def early_end(world, session, server):
    # This server knows no $limit: the LIMIT stays here, and the cursor has to be given up half-way.
    session.execute("SET mongo_tenant.enable_limit_pushdown = off")
    server.reset(batches=5)
    is_(world.column(session, QUERY + " LIMIT 3"), [0, 1, 2], "a query that wants three rows")
    ok(server.heard("killCursors"), "closes its cursor")
    is_(server.log.count("getMore"), 0, "and has not asked for more")
    server.reset(batches=5)
    is_(len(world.rows(session, "SELECT id FROM t OFFSET 0 LIMIT 15")), 15, "one that wants fifteen")
    ok(server.heard("killCursors"), "closes its cursor, too") or diag(server.log)
    is_(server.cursors, {}, "and none is left")
    session.execute("RESET mongo_tenant.enable_limit_pushdown")
    server.reset(batches=3)
    # Nor does it know $lookup.
    session.execute("SET mongo_tenant.enable_join_pushdown = off")
    is_(len(world.rows(session, "SELECT a.id FROM t a, t b WHERE a.id = b.id")), 30, "two scans of one server at once")
    session.execute("RESET mongo_tenant.enable_join_pushdown")
    server.reset(batches=3)
    with session.transaction():
        session.execute("DECLARE c CURSOR FOR " + QUERY)
        rows = world.column(session, "FETCH 12 c")
        is_(len(world.rows(session, QUERY)), 30, "a query beside a half-read cursor")
        rows += world.column(session, "FETCH ALL c")
        is_(rows, list(range(30)), "and the cursor goes on where it was")
    is_(server.cursors, {}, "no cursor is left open")


def one_command(world, session, server):
    server.reset()
    # For 2 seconds what was remembered to be ended is ended again.
    end, clean = time.monotonic() + 5, 0
    while clean < 20 and (clean > 0 or time.monotonic() < end):
        server.reset()
        world.rows(session, QUERY)
        clean = clean + 1 if server.log == ["aggregate"] else 0
    is_(server.log, ["aggregate"], "a query costs one command: no ping, no hello")
    seen = server.connections_seen
    time.sleep(1.5)
    world.rows(session, QUERY)
    is_(server.connections_seen, seen, "and no connection of its own, after idling too")


def rewound(world, session, server):
    """A scan that is begun again reads what it has in memory, when that is all of it."""
    for name in ("material", "hashjoin", "mergejoin"):
        session.execute("SET enable_%s = off" % name)
    query = "SELECT x, id FROM generate_series(1, 3) x LEFT JOIN t ON t.id + x > 0"
    for batches, commands in ((1, 1), (2, 3)):
        server.reset(batches=batches)
        is_(len(world.rows(session, query)), 30 * batches, "an inner side read three times, of %d batches" % batches)
        is_(server.log.count("aggregate"), commands, "is asked for %d times" % commands) or diag(server.log)
    for name in ("material", "hashjoin", "mergejoin"):
        session.execute("RESET enable_%s" % name)


def read_preferences(world, session, server):
    """What the option or the connection string prefers is said to members of a replica set."""
    member = {"setName": "rs", "hosts": ["127.0.0.1:%d" % server.port], "me": "127.0.0.1:%d" % server.port,
              "secondary": True, "isWritablePrimary": False, "ismaster": False, "tags": {"nodeType": "ANALYTICS"}}
    server.member = member
    uri = "mongodb://127.0.0.1:%d/?replicaSet=rs&connectTimeoutMS=1000" % server.port
    with world.admin() as admin:
        for label, query, option, expected in (
                ("by option", "", "secondary", "secondary"), ("in the URI", "&readPreference=secondary", None, "secondary"),
                ("by tags", "&readPreference=secondary&readPreferenceTags=nodeType:ANALYTICS", None, "secondary"),
                ("by tags nobody has", "&readPreference=secondary&readPreferenceTags=nodeType:OTHER", None, None),
                ("option over URI", "&readPreference=secondary", "nearest", "nearest"), ("primary", "", None, None)):
            admin.execute("DROP SERVER IF EXISTS s_rp CASCADE; CREATE SERVER s_rp FOREIGN DATA WRAPPER mongo_tenant_fdw"
                          " OPTIONS (uri '%s%s', database 'x', providers 'test', tenant_field 'tenant_id'%s);"
                          "CREATE FOREIGN TABLE rp (id integer) SERVER s_rp; GRANT SELECT ON rp TO mtf_app"
                          % (uri, query, ", read_preference '%s'" % option if option else ""))
            server.reset()
            if expected is None:
                throws("HV00N", lambda: session.execute("SELECT id FROM rp").fetchall(), label + ": no server fits")
                continue
            is_(len(session.execute("SELECT id FROM rp").fetchall()), 10, label + ": the secondary is read")
            is_(server.commands[0].get("$readPreference"), {"mode": expected}, label + ": and told so")
    server.member = {}


def dead_member(world, session, server):
    """A member that does not answer must not keep the others waiting for longer than its timeout."""
    start = time.monotonic()
    throws("HV00N", lambda: session.execute("SELECT id FROM pair").fetchall(), "no server fits the replica set's name")
    ok(time.monotonic() - start < 4, "in bounded time") or diag(time.monotonic() - start)


def mid_connect(world, server):
    """The server goes wrong while it is being connected to: a session of its own each time."""
    for fault in ("close", "reset", "half", "garbage", "huge", "silent", "drip"):
        with world.connect("UA") as session:
            pid = session.info.backend_pid
            server.reset(hello=fault)
            start, name = time.monotonic(), "%s at hello" % fault
            for turn in range(3):
                throws(BROKEN if fault == "huge" else "HV00N",
                       lambda: session.execute("SELECT id FROM slow").fetchall(), name + ": cannot connect")
            ok(time.monotonic() - start < 6, name + ": in bounded time") or diag(time.monotonic() - start)
            sockets_open = sum(link.startswith("socket:") for link in links(pid))
            server.reset(batches=3)
            is_(world.column(session, "SELECT id FROM slow"), list(range(30)), name + ": the next query is whole")
            now = sum(link.startswith("socket:") for link in links(pid))
            ok(now <= sockets_open + 1, name + ": no socket is lost") or diag((sockets_open, now))
            is_(server.cursors, {}, name + ": no cursor is left open")
    ok(server.settle(2, meanwhile=lambda: world.rows(session, QUERY)), "no connection is left of those that failed") or diag(server.connections_open)


def mid_write(world, session, server):
    """The server goes away while a long command is being sent."""
    query = QUERY + " WHERE name <> repeat('y', 12000000)"
    pid = session.info.backend_pid
    for fault in ("close", "reset"):
        server.reset(read_limit=1000000, held=fault)
        before = descriptors(pid)
        start, name = time.monotonic(), "%s in the middle of our write" % fault
        throws(GONE, lambda: session.execute(query).fetchall(), name + ": an error")
        ok(time.monotonic() - start < 4, name + ": in bounded time") or diag(time.monotonic() - start)
        is_(server.log.count("aggregate"), 0, name + ": the server has seen no command")
        whole(world, session, server, name)
        ok(few_descriptors(world, session, before + 1), name + ": no descriptor is lost")
    server.reset()
    is_(len(world.rows(session, query)), 10, "positive control: a command of 12 MB")


def links(pid):
    """What the descriptors of a process are."""
    found = []
    for number in os.listdir("/proc/%d/fd" % pid):
        try:
            found.append(os.readlink("/proc/%d/fd/%s" % (pid, number)))
        except OSError:
            pass
    return found


def altered(world, session, server):
    with world.admin() as admin:
        server.reset(batches=3)
        with session.transaction():
            session.execute("DECLARE c CURSOR FOR " + QUERY)
            rows = world.column(session, "FETCH 12 c")
            admin.execute("ALTER SERVER s_t OPTIONS (ADD fetch_size '7')")
            rows += world.column(session, "FETCH ALL c")
            is_(rows, list(range(30)), "ALTER SERVER under an open cursor: it is read to its end")
        seen = server.connections_seen
        is_(len(world.rows(session, QUERY)), 30, "and the next query")
        ok(server.connections_seen > seen, "has a new connection")
        admin.execute("ALTER SERVER s_t OPTIONS (DROP fetch_size)")


def driver_has_cursors(session, query):
    """The libmongoc of Debian 13 takes "db.collection" for the name of a database."""
    try:
        session.execute(query).fetchall()
    except psycopg.Error as error:
        return 'invalid: contains "."' not in (error.diag.message_detail or "")
    return True


def through_the_driver(world, admin, server, name, table):
    """Under compression and on a mongos the driver's own cursor is used: the same promises hold."""
    query = "SELECT id FROM " + table
    with world.connect("UA") as session:
        pid = session.info.backend_pid
        session.execute("SET mongo_tenant.enable_limit_pushdown = off")
        server.reset(batches=3)
        if not driver_has_cursors(session, query):
            skip(name, "this libmongoc refuses the names of its own cursors (Debian 13, 1.30.4-1+deb13u3)")
            return
        server.reset(batches=3)
        is_(world.column(session, query), list(range(30)), name + ": three batches")
        ok(len({bytes(command["lsid"]["id"]) for command in server.commands}) == 1, name + ": in one session")
        server.reset(batches=3, batch_size=100, padding=20000)
        is_(world.value(session, "SELECT sum(length(padding)) FROM (SELECT padding FROM %s OFFSET 0) x" % table), 6000000,
            name + ": 6 MB")
        for what, state, fault in (
                ("closed", GONE, "close"), ("silence", GONE, None), ("an error", "HV000", failure(2, "BadValue")),
                ("another request's answer", BROKEN, lambda s, c: Reply(batch(c, [], name="nextBatch"), response_to=5)),
                ("half a reply", GONE, lambda s, c: Reply(batch(c, s._documents(0), name="nextBatch"), cut=80))):
            for command in ("aggregate", "getMore"):
                server.reset(batches=3)
                server.at(command, 0 if command == "aggregate" else 1, fault)
                label = "%s, %s at %s" % (name, what, command)
                throws(state, lambda: session.execute(query).fetchall(), label + ": an error")
                ok(settled(server), label + ": no cursor is left open") or diag(server.log)
                server.reset(batches=3)
                is_(len(world.rows(session, query)), 30, label + ": the next query is whole")
        for what, fault in (("closed", "close"), ("reset", "reset"), ("step-down", NOT_PRIMARY)):
            label = "%s, %s before any row" % (name, what)
            server.reset(batches=3)
            server.at("aggregate", 1, fault)
            is_(len(world.rows(session, query)), 30, label + ": read once more")
            is_(server.log.count("aggregate"), 2, label + ": two commands")
            if fault == "close":
                server.reset(batches=3)
                server.at("aggregate", 1, begun_and_lost)
                is_(len(world.rows(session, query)), 30, label + ", but run: read once more")
                ok(settled(server), label + ", but run: no cursor is left open") or diag(server.log)
            server.reset(batches=3)
            server.at("aggregate", 0, fault)
            throws(GONE, lambda: session.execute(query).fetchall(), label + ", and again: an error")
            is_(server.log.count("aggregate"), 2, label + ", and again: not a third time")
            server.reset(batches=3)
            server.at("getMore", 1, fault)
            throws(GONE, lambda: session.execute(query).fetchall(), label.replace("before any row", "after rows") + ": an error")
            is_(server.log.count("aggregate"), 1, label.replace("before any row", "after rows") + ": not begun again")
        for command, kills in (("aggregate", ("killSessions",)), ("getMore", ("killSessions", "killCursors"))):
            server.reset(batches=3)
            server.at(command, 1, None)
            struck = []

            def strike():
                struck.append(time.monotonic())
                admin.execute("SELECT pg_cancel_backend(%s)", (pid,))
            timer = threading.Timer(0.2, strike)
            timer.start()
            label = "%s, cancelled at %s" % (name, command)
            throws("57014", lambda: session.execute(query).fetchall(), label)
            took = time.monotonic() - struck[0]
            ok(prompt(world, took, 0.3), label + ": at once") or diag(took)
            timer.join()
            work = [c for c in server.commands if next(iter(c)) == "aggregate"]
            # The time for a kill is limited, and on a starved machine too short: then the next query ends the work.
            ok(server.heard(*kills) or (own_slowness(world) > 0 and world.rows(session, query) and server.heard(*kills)), label + ": the server's work is ended") or diag(server.log)
            killed = [bytes(s["id"]) for c in server.commands for s in c.get("killSessions", ())]
            ok(command != "aggregate" or bytes(work[-1]["lsid"]["id"]) in killed, label + ": its own session")
            ok(settled(server), label + ": no cursor is left open") or diag(server.log)
            server.reset(batches=3)
            is_(len(world.rows(session, query)), 30, label + ": the next query is whole")
        server.reset(batches=3)
        session.execute("SET statement_timeout = '20s'")
        is_(len(world.rows(session, query)), 30, name + ": under a statement_timeout")
        is_(server.commands[0].get("maxTimeMS"), 20000, name + ": the server is told how long it may work")
        session.execute("RESET statement_timeout")
        server.reset(batches=3)
        is_(world.column(session, query + " LIMIT 2"), [0, 1], name + ": a query that ends early")
        ok(server.heard("killCursors"), name + ": closes its cursor")
        ok(settled(server), name + ": no cursor is left open") or diag(server.log)
        sockets(world, session, server, name, table)


def sockets(world, session, server, name, table):
    """Many errors and cancels on the driver's way leave no descriptor and no connection behind."""
    pid, query = session.info.backend_pid, "SELECT id FROM " + table

    def round_of_faults(turns):
        for turn in range(turns):
            server.at("getMore" if turn % 2 else "aggregate", 1, ("close", failure(2, "BadValue"), "reset")[turn % 3])
            try:
                session.execute(query).fetchall()
            except psycopg.Error:
                pass
        server.reset(batches=3)
        is_(len(world.rows(session, query)), 30, "%s: whole after %d faults" % (name, turns))

    server.reset(batches=3)
    round_of_faults(10)
    before = descriptors(pid)
    round_of_faults(60)
    ok(few_descriptors(world, session, before + 1), name + ": no descriptor is lost") or diag((before, descriptors(pid)))
    ok(settled(server), name + ": no cursor is left open after them")
    ok(server.connections_open <= 6, name + ": few connections") or diag(server.connections_open)


def cancelled_when_heard(world, admin, session, server, command):
    """Run a scan, cancel it as soon as the server has the command, to which it says nothing."""
    pid = session.info.backend_pid
    server.at(command, 1, None)
    helper = threading.Thread(target=lambda: server.heard(command, within=5) and
                              admin.execute("SELECT pg_cancel_backend(%s)", (pid,)))
    helper.start()
    start = time.monotonic()
    throws("57014", lambda: session.execute(QUERY).fetchall(), "cancelled at " + command)
    helper.join()
    return time.monotonic() - start


def unhurried(world, admin, server):
    """What ends the server's work when the server itself has little time."""
    with world.connect("UA") as session:
        server.reset(batches=3, hello_delay=0.25)
        server.at("getMore", 1, "close")
        throws(GONE, lambda: session.execute(QUERY).fetchall(), "closed mid-scan by a busy server")
        is_((server.log.count("killSessions"), server.cursors), (1, {}), "its cursor is closed before the error is raised")
    with world.connect("UA") as session:
        server.reset(batches=3, hello_delay=2)
        server.at("getMore", 1, "close")
        throws(GONE, lambda: session.execute(QUERY).fetchall(), "closed mid-scan by a server that greets nobody in time")
        is_((server.log.count("killSessions"), len(server.cursors)), (0, 1), "its cursor is there when the error is raised")
        server.hello_delay = 0
        is_(len(world.rows(session, QUERY)), 30, "the next query is whole")
        ok(settled(server), "and has closed the cursor of the last") or diag(server.log)
    with world.connect("UA") as session:
        server.reset(batches=3, hello_delay=0.25)
        took = cancelled_when_heard(world, admin, session, server, "getMore")
        ok(prompt(world, took, 0.25 + 0.2), "but not at a cancel, which does not wait for a busy server") or diag(took)
        server.reset(batches=3, deaf=1)
        is_(world.column(session, QUERY), list(range(30)), "the next query is whole")
        is_((server.log.count("killSessions"), server.cursors), (2, {}), "and has ended that work, at the second try") \
            or diag(server.log)
    ok(any(ended_at_the_end(world, admin, server) for _ in range(3)),
       "a command whose answer was not seen is ended again when the backend ends") or diag(server.log)


def ended_at_the_end(world, admin, server):
    """Best effort: on a busy machine the connection of the first kill is not there in time, and with it the last."""
    with world.connect("UA") as session:
        server.reset(batches=3)
        is_(world.column(session, QUERY), list(range(30)), "a query before a cancel")
        server.reset(batches=3)
        cancelled_when_heard(world, admin, session, server, "aggregate")
        server.reset()
        session.close()
        return server.heard("killSessions")


def settled(server, within=2.0):
    """True as soon as the server has no cursor: the answers to the last kills are not waited for."""
    end = time.monotonic() + within
    while time.monotonic() < end and server.cursors:
        time.sleep(0.01)
    return not server.cursors


def driver_ways(world, admin, server):
    server.compression = True
    packed = server.packed
    through_the_driver(world, admin, server, "compressed", "packed")
    server.compression = False
    ok(server.packed >= packed + 3 or packed == server.packed == 0, "compressed messages travelled") or diag(server.packed)
    # A mongos: the sharded cluster behind it may open a cursor on each shard.
    server.member = {"msg": "isdbgrid"}
    through_the_driver(world, admin, server, "mongos", "sharded")
    server.member = {}


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def few_descriptors(world, session, limit, within=2.0):
    """True as soon as the backend has no more open: the connection of a killed command goes with a later query."""
    pid, end = session.info.backend_pid, time.monotonic() + within
    while descriptors(pid) > limit and time.monotonic() < end:
        world.rows(session, QUERY)
    return descriptors(pid) <= limit


def resident(pid):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


def cancelled(world, admin, session, pid, server, turn):
    server.at("getMore" if turn % 2 else "aggregate", 1, None)
    timer = threading.Timer(0.01, lambda: admin.execute("SELECT pg_cancel_backend(%s)", (pid,)))
    timer.start()
    try:
        session.execute(QUERY).fetchall()
    except psycopg.Error:
        pass
    timer.join()


def failing(session, server, turn):
    server.at("getMore" if turn % 2 else "aggregate", 1, ("close", failure(2, "BadValue"), "reset")[turn % 3])
    try:
        session.execute(QUERY).fetchall()
    except psycopg.Error:
        pass


def leaks(world, server, errors=int(os.environ.get("MTF_FAULT_TURNS", "150"))):
    """Sockets, server cursors and memory after many errors and cancels in one backend."""
    with world.connect("UA") as session, world.admin() as admin:
        session.execute("SET jit = off")
        pid = session.info.backend_pid
        for name, action in (("short queries", lambda turn: session.execute(QUERY + " WHERE id = 3").fetchall()),
                             ("errors", lambda turn: failing(session, server, turn)),
                             ("cancels", lambda turn: cancelled(world, admin, session, pid, server, turn))):
            server.reset(batches=3)
            for turn in range(20):
                action(turn)
            whole(world, session, server, name)
            before, memory = descriptors(pid), resident(pid)
            server.reset(batches=3)
            turns = errors * 10 if name == "short queries" else errors
            for turn in range(turns):
                action(turn)
            whole(world, session, server, name)
            diag("%d %s: %d descriptors before, %d after; %d kB before, %d after; %d cursors opened, %d closed"
                 % (turns, name, before, descriptors(pid), memory, resident(pid), server.opened, server.ended))
            ok(few_descriptors(world, session, before + 2), "%d %s: no descriptor is lost" % (turns, name))
            ok(resident(pid) <= memory + 1024, "%d %s: memory is flat" % (turns, name))
            is_(server.cursors, {}, "%d %s: no cursor is left open on the server" % (turns, name))
            ok(server.connections_open <= 6, "%d %s: few connections" % (turns, name)) or diag(server.connections_open)
    ok(server.heard("endSessions"), "a session says farewell to its server")
    ok(server.settle(1), "no connection outlives its backend") or diag(server.connections_open)


with World(engine=False) as world, FaultServer() as server, Silence() as silence:
    server.reset()
    tables(world, server, silence)
    with world.connect("UA") as session:
        whole(world, session, server, "positive control")
        faults(world, session, server)
        retried(world, session, server)
        secrets(session, server)
        large(world, session, server)
        mid_write(world, session, server)
        early_end(world, session, server)
        one_command(world, session, server)
        rewound(world, session, server)
        read_preferences(world, session, server)
        dead_member(world, session, server)
        altered(world, session, server)
    mid_connect(world, server)
    with world.admin() as admin:
        unhurried(world, admin, server)
        driver_ways(world, admin, server)
    leaks(world, server)
done()
