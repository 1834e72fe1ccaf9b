"""Scans of several servers under one Append run at once (async_capable), and give the same rows."""

import os
import subprocess
import threading

from faultserver import FaultServer, failure, make_tables
from tap import World, ok, is_, skip, throws, done
from wire import batch

QUERY = "SELECT id FROM a UNION ALL SELECT id FROM b"
SWITCH = "ALTER SERVER s_%s OPTIONS (SET async_capable '%s')"


def switch(world, on):
    with world.admin() as admin:
        for name in "ab":
            admin.execute(SWITCH % (name, "true" if on else "false"))


def after(other, name):
    """Answer only when the other server has got its command: nobody waits for one alone."""
    def answer(server, command):
        if not other.heard(name, within=2.0):
            return failure(8000, "Alone", "made up")
        return batch(command, server._documents(0))
    return answer


def at_once(world, session, a, b):
    a.reset()
    b.reset()
    a.at("aggregate", 1, after(b, "aggregate"))
    is_(sorted(world.column(session, QUERY)), sorted(list(range(10)) * 2), "both servers work at the same time")
    switch(world, False)
    a.reset()
    b.reset()
    a.at("aggregate", 1, after(b, "aggregate"))
    throws("HV000", lambda: session.execute(QUERY).fetchall(), "control: without async_capable the second waits")
    switch(world, True)


def same_rows(world, session, a, b):
    for batches in (1, 2, 5):
        for query in (QUERY, "SELECT id FROM a WHERE id % 3 = 1 UNION ALL SELECT id FROM b WHERE name = 'n2'",
                      "SELECT count(*) FROM (%s) u" % QUERY,
                      "SELECT x, (SELECT sum(id) FROM (SELECT id FROM a WHERE id > x UNION ALL SELECT id FROM b WHERE id < x) u)"
                      " FROM generate_series(1, 4) x"):
            results = []
            for on in (True, False):
                switch(world, on)
                a.reset(batches=batches)
                b.reset(batches=batches)
                results.append(sorted(world.rows(session, query)))
            ok(results[0] == results[1] and results[0], "%d batches: the same rows: %s" % (batches, query[:60]))
    switch(world, True)


def early_end(world, session, a, b):
    a.reset(batches=50)
    b.reset(batches=50)
    for _ in range(5):
        is_(len(world.rows(session, QUERY + " LIMIT 15")), 15, "an early end")
    is_(len(world.rows(session, QUERY)), 1000, "and the next query is whole")
    again = lambda: world.rows(session, QUERY)  # noqa: E731
    ok(a.settle(2, meanwhile=again) and b.settle(2, meanwhile=again), "connections are used again: %d and %d" % (a.connections_open, b.connections_open))
    is_(len(a.cursors) + len(b.cursors), 0, "no cursor is left open on a server")


def errors(world, session, a, b):
    a.reset(batches=3)
    b.reset(batches=3)
    b.at("getMore", 1, failure(13, "Unauthorized"))
    throws("42501", lambda: session.execute(QUERY).fetchall(), "an error of one is an error of the query")
    b.at("getMore", 1, "close")
    throws("08006", lambda: session.execute(QUERY).fetchall(), "so is a broken connection")
    b.at("getMore", 1, None)
    admin = world.admin()
    pid = world.value(session, "SELECT pg_backend_pid()")
    threading.Timer(0.5, lambda: admin.execute("SELECT pg_cancel_backend(%s)", (pid,))).start()
    throws("57014", lambda: session.execute(QUERY).fetchall(), "a cancel ends the common wait")
    a.reset(batches=3)
    b.reset(batches=3)
    is_(len(world.rows(session, QUERY)), 60, "the next query is whole")


def main():
    version = subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), "--version"], text=True).split()[1]
    if version.startswith("13"):
        skip("asynchronous Append", "it needs PostgreSQL 14")
        return
    with World(engine=False) as world, FaultServer() as a, FaultServer() as b:
        make_tables(world, {"a": a.uri + "?socketTimeoutMS=3000", "b": b.uri + "?socketTimeoutMS=3000"},
                    options=", async_capable 'true'")
        with world.connect("UA") as session:
            plan = "\n".join(world.column(session, "EXPLAIN " + QUERY))
            ok("Async Foreign Scan on a" in plan and "Async Foreign Scan on b" in plan, "both scans are asynchronous")
            at_once(world, session, a, b)
            same_rows(world, session, a, b)
            early_end(world, session, a, b)
            errors(world, session, a, b)


main()
done()
