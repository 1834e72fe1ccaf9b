"""Errors are errors: never an empty or a short result, and the session goes on afterwards."""
import signal
import threading
import time

from tap import World, ok, is_, throws, diag, skip, done

CANNOT_CONNECT = ("08001", "08003", "08004", "08006", "HV00N")
UNREACHABLE = CANNOT_CONNECT + ("08000", "57014")


def half_way(world):
    with world.connect("UA") as session:
        throws("22012", lambda: session.execute("SELECT 1 / (id - 7) FROM accounts"), "an error half-way is reported")
        is_(world.value(session, "SELECT count(*) FROM accounts"), 10, "and the next query is whole")
        error = throws(("HV00C", "HV004", "22P02", "22003", "22018", "HV00J", "42804"),
                       lambda: session.execute("SELECT i4 FROM mismatch WHERE id = 2"), "a mismatch is an error")
        if error is not None:
            ok("i4" in str(error), "which names the column") or diag(error)
        is_(world.value(session, "SELECT count(*) FROM mismatch_null WHERE i4 IS NULL"), 20,
            "under on_mismatch null it is NULL")
        with session.transaction():
            session.execute("DECLARE c CURSOR FOR SELECT tailnum FROM planes")
            got = len(world.rows(session, "FETCH 1500 c"))
            try:
                with session.transaction():
                    session.execute("SELECT 1 / (id - 7) FROM accounts")
            except Exception as problem:
                is_(problem.sqlstate, "22012", "an error in a subtransaction beside an open cursor")
            got += len(world.rows(session, "FETCH ALL c"))
            is_(got, 3322, "the cursor opened before the subtransaction is whole")


def cancelled(world):
    """The server falls silent; a cancel and a timeout end the wait, and the session lives on."""
    with world.connect("UA") as session, world.admin() as admin:
        pid = world.value(session, "SELECT pg_backend_pid()")
        is_(world.value(session, "SELECT count(*) FROM planes"), 3322, "before")
        for name, how in (("pg_cancel_backend", None), ("statement_timeout", "SET statement_timeout = '700ms'")):
            world.engine.pause()
            try:
                start = time.monotonic()
                if how is None:
                    threading.Timer(0.7, lambda: admin.execute("SELECT pg_cancel_backend(%s)", (pid,))).start()
                else:
                    session.execute(how)
                throws("57014", lambda: session.execute("SELECT count(*) FROM planes"), name + " ends the wait")
                waited = time.monotonic() - start
                diag("%s: error after %.2f s, asked for at 0.7 s" % (name, waited))
                ok(waited < 3, name + ": soon")
            finally:
                world.engine.resume()
            session.execute("RESET statement_timeout")
            is_(world.value(session, "SELECT count(*) FROM planes"), 3322, name + ": the next query is whole")
        with session.transaction():
            session.execute("DECLARE c CURSOR FOR SELECT tailnum FROM planes")
            session.execute("FETCH 10 c")
            try:
                with session.transaction():
                    session.execute("SET LOCAL statement_timeout = '300ms'")
                    session.execute("SELECT count(*), pg_sleep(1) FROM accounts")
            except Exception as problem:
                is_(problem.sqlstate, "57014", "a cancel beside an open cursor")
            is_(len(world.rows(session, "FETCH ALL c")), 3312, "the cursor is whole")


def killed(world):
    with world.admin() as admin:
        for server in ("mongo", "mongo_flights"):
            admin.execute("ALTER SERVER %s OPTIONS (ADD fetch_size '50')" % server)
    with world.connect("UA") as session:
        session.execute("BEGIN")
        session.execute("DECLARE c CURSOR FOR SELECT tailnum FROM planes")
        is_(len(world.rows(session, "FETCH 10 c")), 10, "a scan has begun")
        world.engine.kill()
        throws(UNREACHABLE, lambda: session.execute("FETCH ALL c"), "server killed mid-scan: an error, not a short result")
        session.execute("ROLLBACK")
        start = time.monotonic()
        throws(CANNOT_CONNECT, lambda: session.execute("SELECT * FROM planes"), "server gone: cannot connect")
        ok(time.monotonic() - start < 60, "in bounded time")
        throws(CANNOT_CONNECT, lambda: session.execute("SELECT count(*) FROM accounts"), "count(*) is no 0 either")
        world.engine.start()
        is_(world.value(session, "SELECT count(*) FROM planes"), 3322, "server back: the same session reads again")


def server_errors(world):
    """The server itself reports an error, for the first command and for a later batch."""
    if world.engine.kind not in ("secantusd-py", "mongod"):
        skip("errors of the server", "no fail points")
        return
    with world.connect("UA") as session:
        is_(world.value(session, "SELECT count(*) FROM planes"), 3322, "before the fail points")
        for command in ("aggregate", "getMore"):
            for code, sqlstate in ((8000, "HV000"), (13, "42501"), (50, "57014")):
                world.client.admin.command({
                    "configureFailPoint": "failCommand", "mode": {"times": 1},
                    "data": {"failCommands": [command, "find"] if command == "aggregate" else [command],
                             "errorCode": code}})
                throws(sqlstate, lambda: session.execute("SELECT tailnum FROM planes"),
                       "error %d of %s is raised" % (code, command))
                world.client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
                is_(world.value(session, "SELECT count(*) FROM planes"), 3322, "then the next query is whole")


options = {"secantusd-py": ["--enable-test-commands"], "mongod": ["--setParameter", "enableTestCommands=1"]}

import servers  # noqa: E402

kind = servers.choose_engine(own=True)
with World(own_engine=True, engine_kind=kind, engine_options=options.get(kind, [])) as world:
    world.load("accounts", "planes", "mismatch")
    half_way(world)
    cancelled(world)
    killed(world)
    server_errors(world)
done()
