"""A kill that overtakes its command: the command begins afterwards, and its cursor is closed all the same."""
import os
import socket
import struct
import time
import urllib.parse

import bson
import pymongo.errors

from faultserver import FaultServer
from holder import Holder
from tap import World, ok, is_, throws, diag, done

CANCELLED = "57014"
ROWS = 3000
BATCH = 500
TRIES = 5  # the machine may be busy: a kill has 50 ms, and in one of them it must be in time
QUERY = "SELECT id FROM many"


def status(world):
    for attempt in (1, 2):
        try:
            return world.client.admin.command("serverStatus")
        except pymongo.errors.AutoReconnect:
            # After SIGCONT a read with a timeout fails (signal(7)), and secantusd-rs closes its connection.
            if attempt == 2:
                raise


def open_cursors(world):
    if world.engine is None:
        return len(world.played.cursors)
    return status(world)["metrics"]["cursor"]["open"]["total"]


def none_open(world, within=5.0):
    """How many are open; one that was seen to begin has so long until its kill is read, too."""
    end = time.monotonic() + within
    while (count := open_cursors(world)) > 0 and time.monotonic() < end:
        time.sleep(0.02)
    return count


def connections(world):
    if world.engine is None:
        return world.played.connections_open
    return status(world)["connections"]["current"]


def settled(world, holder, meanwhile=lambda: None):
    """What was held is answered, or read to its end where its client has left: else a kill is not tested, but awaited."""
    end = time.monotonic() + 3
    while (holder.unanswered() or connections(world) > len(holder.clients) + world.others) and time.monotonic() < end:
        meanwhile()
        time.sleep(0.02)


def gone(world, pid):
    with world.admin() as admin:
        end = time.monotonic() + 5
        while world.value(admin, "SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid) and time.monotonic() < end:
            time.sleep(0.005)


def cancel(session, name, query=QUERY):
    session.execute("SET statement_timeout = 100")
    throws(CANCELLED, lambda: session.execute(query), name + ": the statement is cancelled")
    session.execute("RESET statement_timeout")


def control(world, holder):
    """Without a kill, what is held and then let go does leave a cursor."""
    is_(none_open(world), 0, "positive control: no cursor is open before")
    body = bson.encode({"aggregate": "many", "pipeline": [], "cursor": {"batchSize": 100}, "$db": world.name,
                        "lsid": {"id": bson.Binary(b"0123456789abcdef", 4)}})
    holder.hold("aggregate")
    client = socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(holder.uri).port))
    client.sendall(struct.pack("<iiiiIB", 21 + len(body), 1, 0, 2013, 0, 0) + body)
    ok(holder.settle(1), "positive control: a command is held")
    client.close()
    holder.release()
    end = time.monotonic() + 2
    while open_cursors(world) == 0 and time.monotonic() < end:
        time.sleep(0.02)
    is_(open_cursors(world), 1, "positive control: it begins after its client has left, and its cursor is counted")
    if world.engine is None:
        world.played.cursors.clear()
    else:
        world.engine.stop()
        world.engine.start()
    is_(none_open(world), 0, "positive control: and is gone again")


def after(world, holder, session, name):
    """A statement in the same session, while the command is held and when it is let go."""
    is_(world.value(session, "SELECT count(*) FROM (SELECT id FROM many OFFSET 0) x"), ROWS, name + ": the session reads on")
    holder.release()
    settled(world, holder)
    is_(none_open(world), 0, name + ": no cursor is left open") or diag(holder.log[-12:])
    is_(world.value(session, "SELECT count(*) FROM (SELECT id FROM many OFFSET 0) x"), ROWS, name + ": and the next query is whole")


def first_command(world, holder):
    with world.connect("UA") as session:
        world.rows(session, QUERY)
        for _ in range(TRIES):
            holder.hold("aggregate")
            cancel(session, "first command")
            is_(holder.held, 1, "first command: it is held")
            if "killSessions" in holder.log:
                break
            holder.release()
            settled(world, holder)
        ok("killSessions" in holder.log, "first command: a kill has overtaken it") or diag(holder.log[-12:])
        holder.hold()
        after(world, holder, session, "first command")
    is_(none_open(world), 0, "first command: nor after the session")


def idle(world, holder):
    """The connection of a killed command goes with whatever the session does next."""
    with world.connect("UA") as session:
        world.rows(session, QUERY)
        holder.hold("aggregate")
        cancel(session, "idle")
        holder.release()
        settled(world, holder)
        before = len(holder.clients)
        session.execute("SELECT 1")
        end = time.monotonic() + 5
        while len(holder.clients) == before and time.monotonic() < end:
            time.sleep(0.01)
        is_(len(holder.clients), before - 1, "idle: a statement of no server is enough to close its connection")


def several(world, holder):
    with world.connect("UA") as session:
        world.rows(session, QUERY)
        holder.hold("aggregate")
        for number in range(20):
            cancel(session, "number %d in a row" % (number + 1))
        ok(holder.held > 16, "20 in a row: more are held than connections may linger") or diag(holder.held)
        holder.hold()
        after(world, holder, session, "20 in a row")


def exits(world, holder, count):
    session = world.connect("UA")
    pid = session.info.backend_pid
    world.rows(session, QUERY)
    holder.hold("aggregate")
    for number in range(count):
        cancel(session, "exit after %d, number %d" % (count, number + 1))
    session.close()
    gone(world, pid)
    ok(holder.held >= min(count, 17), "exit after %d: the process is gone, what it sent is held" % count)
    holder.release()
    settled(world, holder)
    is_(none_open(world), 0, "exit after %d: no cursor is left open" % count) or diag(holder.log[-12:])


def later_batch(world, holder):
    for leave in (False, True):
        name = "getMore, and exit" if leave else "getMore"
        session = world.connect("UA")
        pid = session.info.backend_pid
        session.execute("BEGIN")
        session.execute("DECLARE c CURSOR FOR " + QUERY)
        world.rows(session, "FETCH 10 c")
        holder.hold("getMore")
        cancel_fetch(session, name)
        is_(holder.held, 1, name + ": it is held")
        if leave:
            session.close()
            gone(world, pid)
            holder.release()
            settled(world, holder)
        else:
            holder.hold()
            after(world, holder, session, name)
            session.close()
        is_(none_open(world), 0, name + ": no cursor is left open at the end") or diag(holder.log[-12:])


def cancel_fetch(session, name):
    session.execute("SET LOCAL statement_timeout = 100")
    throws(CANCELLED, lambda: session.execute("FETCH ALL c"), name + ": the statement is cancelled")
    session.execute("ROLLBACK")


def stopped_server(world):
    """The server itself stands still, and what it finds when it goes on is in its own sockets."""
    for count in (1, 20):
        name = "a server that stood still, %d" % count
        session = world.connect("UA")
        pid = session.info.backend_pid
        world.rows(session, "SELECT id FROM straight")
        world.engine.pause()
        try:
            for number in range(count):
                cancel(session, "%s, number %d" % (name, number + 1), "SELECT id FROM straight")
            session.close()
            gone(world, pid)
        finally:
            world.engine.resume()
        time.sleep(0.3)
        is_(none_open(world), 0, name + ": no cursor is left open")


def tables(world, uris):
    with world.admin() as admin:
        for table, uri in uris.items():
            admin.execute("CREATE SERVER s_%s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s',"
                          " providers 'test', tenant_field 'tenant_id', fetch_size '%d')" % (table, uri, world.name, BATCH))
            admin.execute("CREATE FOREIGN TABLE %s (id integer) SERVER s_%s OPTIONS (collection 'many');"
                          " GRANT SELECT ON %s TO mtf_app" % (table, table, table))


def held_back(world, uri):
    with Holder(uri) as holder:
        tables(world, {"many": holder.uri})
        control(world, holder)
        world.others = connections(world)
        first_command(world, holder)
        idle(world, holder)
        later_batch(world, holder)
        exits(world, holder, 1)
        exits(world, holder, 20)
        several(world, holder)


# secantusd-py ends no cursor with its session: a real server where there is one that does, else one that is played.
if os.environ.get("SECANTUSD_RS") and os.environ.get("MTF_OVERTAKEN") == "real":
    with World(own_engine=True, engine_kind="secantusd-rs") as world:
        world.mongo.many.insert_many([{"_id": n, "tenant_id": "UA", "id": n} for n in range(ROWS)])
        tables(world, {"straight": world.uri})
        held_back(world, world.uri)
        stopped_server(world)
else:
    with World(engine=False) as world, FaultServer() as server:
        server.reset(batches=ROWS // BATCH, batch_size=BATCH)
        world.played = server
        held_back(world, server.uri)
done()
