"""The whole cluster stops, or its postmaster dies, while scans wait for a server that says nothing."""
import os
import signal
import threading
import time

import psycopg

from faultserver import FaultServer, Silence, make_tables
from tap import World, ok, is_, diag, done

# Where the scans wait: (table, what meets which command).
WAITS = (("t", "aggregate"), ("t", "getMore"), ("mute", None), ("tls", None))


def run(session, query):
    try:
        session.execute(query).fetchall()
    except psycopg.Error:
        pass


def wait_everywhere(world, server):
    """Sessions that wait, each in its own way; (sessions, threads, process ids)."""
    sessions, threads = [], []
    for table, command in WAITS:
        session = world.connect("UA")
        if command:
            server.reset(batches=4)
            server.at(command, 1, None)
        thread = threading.Thread(target=run, args=(session, "SELECT id FROM " + table))
        thread.start()
        if command:
            server.heard(command)
        sessions.append(session)
        threads.append(thread)
    time.sleep(0.3)
    return sessions, threads, [session.info.backend_pid for session in sessions]


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def end_of(pids, start, within=10):
    while any(alive(pid) for pid in pids) and time.monotonic() - start < within:
        time.sleep(0.01)
    return time.monotonic() - start


def stopped(world, server, name, number, killed):
    sessions, threads, pids = wait_everywhere(world, server)
    is_([alive(pid) for pid in pids], [True] * len(pids), name + ": positive control: all of them wait")
    server.log.clear()
    start = time.monotonic()
    os.kill(world.cluster.process.pid, number)
    seconds = end_of(pids, start)
    ok(seconds < 2, name + ": no backend waits any longer") or diag(seconds)
    if killed:
        ok(server.heard("killSessions", within=2), name + ": the work on the document server is ended") or diag(server.log)
        is_(server.cursors, {}, name + ": and no cursor is left open")
    for thread in threads:
        thread.join()
    for session in sessions:
        session.close()
    ok(server.settle(0), name + ": no connection is left") or diag(server.connections_open)
    server.cursors.clear()  # a server closes those of connections that are gone
    world.cluster.stop()
    world.cluster.start()
    with world.connect("UA") as session:
        server.reset(batches=2)
        is_(len(world.rows(session, "SELECT id FROM t")), 20, name + ": and after a start the next query is whole")


with World(engine=False, own_cluster=True) as world, FaultServer() as server, Silence() as mute:
    make_tables(world, {"t": server.uri + "?socketTimeoutMS=30000",
                        "mute": "mongodb://127.0.0.1:%d/?connectTimeoutMS=20000" % mute.port,
                        "tls": "mongodb://127.0.0.1:%d/?tls=true&connectTimeoutMS=20000" % mute.port})
    stopped(world, server, "fast shutdown", signal.SIGINT, True)
    stopped(world, server, "immediate shutdown", signal.SIGQUIT, False)
    stopped(world, server, "death of the postmaster", signal.SIGKILL, False)
done()
