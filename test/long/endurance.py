"""One backend, a long life: a million rows, 10,000 short queries, 1,000 errors, 1,000 cancels.

Memory, file descriptors, connections and cursors of the server stay as they are.  Figures are printed.
MTF_ENDURANCE (default 1) scales the numbers.
"""

import os
import threading
import time

import psycopg

from faultserver import FaultServer, failure
from tap import World, ok, is_, diag, done
from wire import Reply, batch

SCALE = float(os.environ.get("MTF_ENDURANCE", "1"))
GROWTH_ALLOWED = 2048  # kB


def times(n):
    return max(int(n * SCALE), 20)


class Backend:
    def __init__(self, world):
        self.session = world.connect("UA")
        self.session.execute("SET jit = off")
        self.admin = world.admin()
        self.pid = world.value(self.session, "SELECT pg_backend_pid()")

    def memory(self):
        with open("/proc/%d/status" % self.pid) as file:
            return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def cancel(self):
        self.admin.execute("SELECT pg_cancel_backend(%s)", (self.pid,))


def flat(backend, server, name, number, action):
    """`action(i)` `number` times, after a tenth of it to warm up."""
    for i in range(max(number // 10, 5)):
        action(i)
    memory, descriptors = backend.memory(), backend.descriptors()
    start = time.monotonic()
    for i in range(number):
        action(i)
    # On a slow machine the work of the last one may be ended by the next query (remote/kill.c).
    server.reset()
    backend.session.execute("SELECT name FROM t WHERE id = 3")
    grown = backend.memory() - memory
    diag("%d %s in %.1f s: %d kB before, growth %d kB, %d descriptors"
         % (number, name, time.monotonic() - start, memory, grown, backend.descriptors()))
    # valgrind keeps books of its own in the process.
    if "MTF_POSTGRES_WRAPPER" not in os.environ:
        ok(grown <= GROWTH_ALLOWED, "%s: memory is flat" % name)
    # A connection is two (the socket, and what waits for it), and some are kept idle.
    ok(backend.descriptors() <= descriptors + 4, "%s: no descriptor leaks" % name)
    ok(server.settle(2), "%s: no connection leaks" % name) or diag(server.connections_open)
    is_(len(server.cursors), 0, "%s: no cursor is left open on the server" % name)


def main():
    with World(engine=False) as world, FaultServer() as server:
        with world.admin() as admin:
            admin.execute("CREATE SERVER s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'x',"
                          " providers 'test', tenant_field 'tenant_id')" % server.uri)
            admin.execute("CREATE FOREIGN TABLE t (id integer, name text) SERVER s; GRANT SELECT ON t TO mtf_app")
        backend = Backend(world)
        session = backend.session

        def scan(_):
            server.reset(batches=max(int(100 * SCALE), 3), batch_size=1000)
            is_rows = world.value(session, "SELECT count(*) FROM (SELECT id, name FROM t OFFSET 0) u")
            assert is_rows == 1000 * max(int(100 * SCALE), 3), is_rows

        def short(i):
            assert world.rows(session, "SELECT name FROM t WHERE id = 3") == [("n3",)]

        def error(i):
            fault = (failure(13, "Unauthorized"), "close", failure(8000, "Any"),
                     lambda s, c: Reply(batch(c, s._documents(0), name="nextBatch"), cut=300),
                     lambda s, c: Reply(batch(c, s._documents(0), name="nextBatch"), response_to=5))[i % 5]
            server.reset(batches=3)
            server.at("getMore", 1, fault)
            try:
                session.execute("SELECT id FROM t").fetchall()
            except psycopg.Error as problem:
                assert problem.sqlstate is not None, problem
            else:
                raise AssertionError("no error")

        def cancel(i):
            server.reset(batches=3)
            server.at("aggregate" if i % 2 else "getMore", 1, None)
            word = "aggregate" if i % 2 else "getMore"
            helper = threading.Thread(target=lambda: server.heard(word, within=5) and backend.cancel())
            helper.start()
            try:
                session.execute("SELECT id FROM t").fetchall()
            except psycopg.errors.QueryCanceled:
                pass
            else:
                raise AssertionError("not canceled")
            helper.join()

        flat(backend, server, "scans of %d rows" % (1000 * max(int(100 * SCALE), 3)), 10, scan)
        server.reset()
        flat(backend, server, "short queries", times(10000), short)
        flat(backend, server, "errors", times(1000), error)
        flat(backend, server, "cancels", times(1000), cancel)
        server.reset(batches=3)
        is_(len(world.rows(session, "SELECT id FROM t")), 30, "and the next query is whole")


main()
done()
