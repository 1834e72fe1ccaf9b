"""Mutated replies: an error or rows, in bounded time and within one backend.  MTF_SEED, MTF_FUZZ_TURNS."""
import collections
import os
import random
import struct
import time

import bson
import psycopg
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument

from faultserver import FaultServer
from seeds import seed
from tap import World, ok, is_, diag, done
from wire import Reply, batch

SEED = seed(27)
TURNS = int(os.environ.get("MTF_FUZZ_TURNS", "600"))
# Of the wire, of documents, of values; a server's error code may be anything once it is mutated.
STATES = ("08", "XX001", "HV", "22", "57014", "42501", "28000", "40001", "0A000", "53", "54", "55", "23")
BYTES = [0, 1, 2, 3, 4, 5, 8, 0x10, 0x12, 0x7F, 0x80, 0xFF]


def deep(levels):
    """{"n": [[[…]]]} as bytes."""
    body = b"\x05\0\0\0\0"
    for _ in range(levels):
        body = struct.pack("<i", len(body) + 8) + b"\x040\0" + body + b"\0"
    return body


DEEP = RawBSONDocument(deep(5000))


def document(random, n):
    one = {"_id": n, "tenant_id": "UA", "id": n, "name": "x" * random.randint(0, 40), "n": {"a": [1, n, {"b": None}]},
           "d": 1.5, "big": bson.decimal128.Decimal128("12.50")}
    if random.random() < 0.02:
        one["n"] = DEEP
    return one


def documents(random):
    """Of a scan; of a join, and of a group too: each query finds its own."""
    tenant = {"tenant_id": "UA"}
    return [{**document(random, n), "r0": document(random, n), "r1": document(random, n), "t0l": tenant, "t0h": tenant, "t1l": tenant,
             "t1h": tenant, "k0": n, **{"a%d" % i: Int64(n + i) for i in range(4)}} for n in range(random.choice([1, 3, 20]))]


def about(command):
    """What is asked while planning: the collection's indexes and its validator."""
    if "listIndexes" in command:
        found = [{"v": 2, "key": {"_id": 1}, "name": "_id_"}, {"v": 2, "key": {"tenant_id": 1, "id": 1}, "name": "by_id"}]
    else:
        number = {"bsonType": "int", "minimum": 0, "maximum": 9}
        found = [{"name": "u", "type": "collection", "options": {
            "validationLevel": "strict", "validationAction": "error", "validator": {"$jsonSchema": {"bsonType": "object", "properties": {
                "id": number, "name": {"bsonType": ["string", "null"]}, "d": {"bsonType": "double"}}}}}}]
    return {"ok": 1.0, "cursor": {"id": Int64(0), "ns": "x.u", "firstBatch": found}}


# Of the first table again and again; each of the second one's is planned with what the server says.
QUERIES = ["SELECT id, name, length(n::text), d, big, length(whole::text) FROM t"] * 3 + ["SELECT id, count(*), sum(id), max(name) FROM u WHERE d > 1 GROUP BY id", "SELECT sum(id) FROM u",
                                     "SELECT a.id, b.name FROM u a JOIN u b USING (id)", "SELECT name FROM u ORDER BY id LIMIT 3",
                                     "SELECT id FROM u WHERE id > 3 AND name <> 'y'"]


def mutate(random, body):
    body = bytearray(body)
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        at = random.randrange(len(body)) if random.random() < 0.6 else random.randrange(min(70, len(body)))
        kind = random.random()
        if kind < 0.7:
            body[at] = random.choice(BYTES + [random.randrange(256)])
        elif kind < 0.8:
            del body[at:at + random.randint(1, 8)]
        elif kind < 0.9:
            body[at:at] = bytes(random.randint(1, 8))
        else:
            body[at:at + 4] = struct.pack("<i", random.choice([0, 4, 5, len(body), len(body) - 1, 2 ** 31 - 1, -1]))
    return bytes(body)


def answering(random):
    def answer(server, command):
        name = "nextBatch" if "getMore" in command else "firstBatch"
        cursor = random.choice([0, 5]) if name == "firstBatch" else 0
        if "listIndexes" in command or "listCollections" in command:
            reply = about(command)
        else:
            reply = batch(command, documents(random), name=name, cursor=cursor)
        body = bson.encode(reply)
        if random.random() < 0.2:
            return Reply(body=body)
        body = mutate(random, body)
        length = 16 + 5 + len(body) + random.choice([-5, -1, 1, 4]) if random.random() < 0.1 else None
        return Reply(body=body, length=length)
    return answer


diag("MTF_SEED=%d" % SEED)
random = random.Random(SEED)
with World(engine=False) as world, FaultServer() as server:
    with world.admin() as admin:
        admin.execute("CREATE SERVER s_t FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s?socketTimeoutMS=200',"
                      " database 'x', providers 'test', tenant_field 'tenant_id')" % server.uri)
        admin.execute("CREATE FOREIGN TABLE u (id integer, name text, d float8) SERVER s_t OPTIONS (use_remote_estimate 'true',"
                      " trust_types 'validator'); GRANT SELECT ON u TO mtf_app")
        admin.execute("CREATE FOREIGN TABLE t (id integer, name text, n jsonb, d float8, big numeric,"
                      " whole jsonb OPTIONS (path '.')) SERVER s_t; GRANT SELECT ON t TO mtf_app")
    seen = collections.Counter()
    slowest = 0.0
    strange = []
    with world.connect("UA") as session, world.admin() as admin:
        pid = session.info.backend_pid
        server.reset()
        is_(len(world.rows(session, "SELECT id FROM t")), 10, "positive control: a reply in order")
        for command in ("aggregate", "getMore", "listIndexes", "listCollections"):
            server.at(command, 0, answering(random))
        asked = 0
        for turn in range(TURNS):
            query = random.choice(QUERIES)
            if " u" in query:  # what was learned is forgotten
                world.identify(session, world.token("UA"))
                admin.execute("ALTER FOREIGN TABLE u OPTIONS (%s fetch_size '%d')" % ("SET" if asked else "ADD", turn + 100))
                asked += 1
            start = time.monotonic()
            try:
                session.execute(query).fetchall()
                seen["rows"] += 1
            except psycopg.OperationalError as error:
                if session.closed:
                    diag("turn %d: %s" % (turn, error))
                    break
                seen[error.sqlstate] += 1
            except psycopg.Error as error:
                seen[error.sqlstate] += 1
                if not error.sqlstate.startswith(STATES):
                    strange.append((turn, query, error.sqlstate, str(error)))
            slowest = max(slowest, time.monotonic() - start)
        diag("%d turns, slowest %.2f s: %s" % (TURNS, slowest, dict(seen)))
        ok(not session.closed, "no crash in %d mutated replies" % TURNS)
        is_(strange, [], "each error has a SQLSTATE that says what it is")
        ok(slowest < 5, "each in bounded time")
        ok(asked > TURNS / 4 and {"listIndexes", "listCollections"} <= set(server.log), "planning asked too")
        ok(seen["rows"] > TURNS / 20 and seen["08P01"] > TURNS / 20, "both rows and errors were seen")
        server.reset()
        is_(len(world.rows(session, "SELECT id FROM t")), 10, "the next query is whole")
        is_(world.value(session, "SELECT pg_backend_pid()"), pid, "in the same backend")
done()
