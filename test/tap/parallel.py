"""Option parallel: one scan is read by several cursors over ranges of _id: every row once, for its tenant only."""

import datetime
import json
import threading
import time
import uuid

import bson
import pymongo
from bson.int64 import Int64

from faultserver import FaultServer, failure
from tap import World, ok, is_, prompt, diag, throws, done
from wire import batch

DOCUMENTS, BATCH = 400, 20
BY_ID = {"v": 2, "key": {"tenant_id": 1, "_id": 1}, "name": "by_id"}
BY_NAME = {"v": 2, "key": {"tenant_id": 1, "name": 1}, "name": "by_name"}
PRIMARY = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


class RangeServer(FaultServer):
    """Answers ranges of _id over documents 0, 1, …; counts the cursors that are open at a time."""

    def __init__(self):
        super().__init__()
        self.indexes, self.most = [PRIMARY, BY_ID], 0
        self.key = lambda n: n  # the _id of document n

    def reset(self, **settings):
        super().reset(**settings)
        self.most = 0

    @staticmethod
    def range_of(command):
        """(from, to, is the first): what the pipeline says of _id; None when it says nothing."""
        first, second = (stage["$match"] for stage in command["pipeline"][:2])
        for item in [first] + second["$and"]:
            if "_id" in item:
                bounds = item["_id"]
                return (None, bounds["$not"]["$gte"]) if "$not" in bounds else (bounds["$gte"], bounds.get("$lt"))
        return None

    def _answer(self, command, documents, number, name):
        if not documents[BATCH:]:
            self._end(number)
            return batch(command, documents, name=name)
        self.cursors[number][1] = documents[BATCH:]
        return batch(command, documents[:BATCH], cursor=number, name=name)

    def _scan(self, command):
        name = next(iter(command))
        hit, answer = self._fault(name, command)
        if hit:
            return answer
        if name == "listIndexes":
            return {"ok": 1.0, "cursor": {"id": Int64(0), "ns": "x.%s" % command[name], "firstBatch": self.indexes}}
        if name == "getMore":
            return self._answer(command, self.cursors[command["getMore"]][1], command["getMore"], "nextBatch")
        if name != "aggregate":
            return {"ok": 1.0}
        start, end = self.range_of(command) or (None, None)
        tenant = command["pipeline"][0]["$match"]["tenant_id"]
        documents = [{"_id": self.key(n), "tenant_id": tenant, "id": n, "name": "n%d" % n} for n in range(DOCUMENTS)
                     if (start is None or self.key(n) >= start) and (end is None or self.key(n) < end)]
        self._next += 1
        self.opened += 1
        self.cursors[self._next] = [bytes(command["lsid"]["id"]), []]
        answer = self._answer(command, documents, self._next, "firstBatch")
        self.most = max(self.most, len(self.cursors))
        return answer

    def pipelines(self):
        return [command for command in self.commands if "aggregate" in command]


def make_server(world, name, uri, parallel, database="x"):
    with world.admin() as admin:
        admin.execute("CREATE SERVER %s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s',"
                      " providers 'test', tenant_field 'tenant_id', parallel '%d', fetch_size '%d')"
                      % (name, uri, database, parallel, BATCH))


def make_tables(world, server):
    make_server(world, "s", server.uri + "?socketTimeoutMS=3000", 4)
    with world.admin() as admin:
        for name in ("t", "other", "plain", "failing", "silent"):
            admin.execute("CREATE FOREIGN TABLE %s (id integer, name text COLLATE \"C\") SERVER s;"
                          " GRANT SELECT ON %s TO mtf_app" % (name, name))


ALL = list(range(DOCUMENTS))


def ids(world, session, query="SELECT id FROM t"):
    return sorted(world.column(session, query))


def aggregates(world, session, server, query):
    """How many commands began a scan for a query, and its rows."""
    server.reset()
    rows = world.rows(session, query)
    return len(server.pipelines()), rows


def learn(world, session, server, table="t"):
    count, rows = aggregates(world, session, server, "SELECT id FROM %s" % table)
    return count, sorted(row[0] for row in rows)


def cutting(world, session, server):
    count, rows = learn(world, session, server)
    ok(count == 1 and rows == ALL, "nothing is known: one cursor, and all rows")
    is_(server.log.count("listIndexes"), 1, "the indexes are asked for once, when there is something to keep")
    server.reset()
    is_(ids(world, session), ALL, "then several: every row once")
    pipelines = server.pipelines()
    ranges = [RangeServer.range_of(command) for command in pipelines]
    ok(len(pipelines) > 4, "in more ranges than cursors: %d" % len(pipelines))
    ok(1 < server.most <= 4, "as many cursors at a time as the option says: %d" % server.most)
    ordered = sorted(ranges, key=lambda one: -1 if one[0] is None else one[0])
    ok(all(a[1] == b[0] for a, b in zip(ordered, ordered[1:])) and ordered[0][0] is None and ordered[-1][1] is None,
       "each range ends where the next begins, the first and the last are open") or diag(str(ordered))
    ok(all(command["pipeline"][0]["$match"]["tenant_id"] == "UA" and
           command["pipeline"][1]["$match"]["$and"][0]["$and"][0] == {"tenant_id": {"$eq": "UA"}}
           for command in pipelines), "each begins with the tenant's predicate")
    is_(server.log.count("listIndexes"), 1, "a scan in ranges learns, too")
    sessions = {bytes(command["lsid"]["id"]) for command in pipelines}
    ok(2 <= len(sessions) <= 4, "each cursor has a connection of its own")


def texts(world, server):
    """Texts cut a scan where the server is asked to order them as bytes: else it may take digits for numbers."""
    server.key = lambda n: "%d" % (10 ** 6 + n)
    for collation, cut in (("simple", True), ("none", False)):
        make_server(world, "text_" + collation, server.uri, 4)
        with world.admin() as admin:
            admin.execute("ALTER SERVER text_%s OPTIONS (ADD collation '%s'); CREATE FOREIGN TABLE text_%s (id integer) SERVER text_%s;"
                          "GRANT SELECT ON text_%s TO mtf_app" % ((collation,) * 5))
        with world.connect("UA") as session:
            learn(world, session, server, "text_" + collation)
            count, rows = learn(world, session, server, "text_" + collation)
        is_((count > 1, rows), (cut, ALL), "keys that are texts, collation %s: %s" % (collation, "several cursors" if cut else "one cursor"))
    server.key = lambda n: n


def explained(world, session):
    def plan(query, options="ANALYZE, VERBOSE"):
        text = world.value(session, "EXPLAIN (%s, FORMAT JSON) %s" % (options, query))
        text = json.loads(text) if isinstance(text, str) else text
        found = []

        def walk(node):
            if node["Node Type"] == "Foreign Scan":
                found.append(node)
            for child in node.get("Plans", []):
                walk(child)
        walk(text[0]["Plan"])
        return found[0]
    node = plan("SELECT id FROM t")
    ok(node["Parallel Cursors"] == 4 and node["Ranges"] > 4 and node["Documents"] == DOCUMENTS, "EXPLAIN ANALYZE says so")
    ok("$gte" not in plan("SELECT id FROM t")["Pipeline"], "keys are shown to nobody")
    for name, query in (("ORDER BY", "SELECT id FROM t ORDER BY name DESC LIMIT 2"), ("LIMIT", "SELECT id FROM t LIMIT 3"),
                        ("an aggregate", "SELECT count(*) FROM t")):
        ok("Parallel Cursors" not in plan(query, "VERBOSE"), "%s runs remotely, or ends early: one cursor" % name)


def chosen(world, session, server):
    """When a scan is cut, and when it is not."""
    for query, several, name in (
            ("SELECT id FROM t", True, "everything"),
            ("SELECT id FROM t WHERE name <> 'n3'", True, "nearly everything"),
            ("SELECT id FROM t WHERE name > 'n'", True, "a filter without an index, of which a third is expected"),
            ("SELECT id FROM t WHERE name = 'n3'", False, "few rows expected"),
            ("SELECT id FROM t WHERE id = ANY ('{1,2}')", False, "few rows expected of a list"),
            ("SELECT id FROM t LIMIT 5", False, "LIMIT"),
            ("SELECT 1 WHERE EXISTS (SELECT 1 FROM t)", False, "EXISTS"),
            ("SELECT x, (SELECT name FROM t WHERE id = x) FROM generate_series(3, 4) x", False, "an inner scan with a value"),
            ("SELECT id FROM t UNION ALL SELECT id FROM t WHERE name = 'n1'", True, "a part of UNION ALL")):
        count, _ = aggregates(world, session, server, query)
        ok((count > 3) == several, "%s: %s (%d commands)" % (name, "several cursors" if several else "one", count))
    with session.transaction():
        server.reset()
        session.execute("DECLARE c CURSOR FOR SELECT id FROM t")
        is_(len(session.execute("FETCH 5 FROM c").fetchall()), 5, "a cursor of SQL")
        is_(len(server.pipelines()), 1, "of which a part is expected to be read: one")
    server.indexes = [PRIMARY, BY_ID, BY_NAME]
    learn(world, session, server)
    count, _ = aggregates(world, session, server, "SELECT id FROM t WHERE name > 'n'")
    is_(count, 1, "a filter that an index serves: one")
    for indexes in ([PRIMARY], [PRIMARY, BY_NAME], [PRIMARY, {**BY_ID, "partialFilterExpression": {"x": 1}}]):
        server.indexes = indexes
        learn(world, session, server, "plain")
        is_(learn(world, session, server, "plain"), (1, ALL), "no index of tenant and _id: one")
    server.indexes = [PRIMARY, BY_ID]


def another(world, session, server):
    """What one token's scan has learned is nothing to another's."""
    with world.connect("UA") as both:
        learn(world, both, server)
        ok(learn(world, both, server)[0] > 4, "control: known under this token")
        world.identify(both, world.token("DL"))
        is_(learn(world, both, server), (1, ALL), "another tenant's first scan: one cursor")
        ok(all(RangeServer.range_of(command) is None for command in server.pipelines()), "no key was sent")
        world.identify(both, world.token("UA", jti="another"))
        is_(learn(world, both, server)[0], 1, "another token of the tenant's: as if nothing was known")
        world.identify(both, world.token("DL"))
        count, rows = learn(world, both, server)
        ok(rows == ALL, "and rows are whole for each")
        ok(all(command["pipeline"][0]["$match"]["tenant_id"] == "DL" for command in server.pipelines()),
           "each as its own tenant")


def rescans(world, session, server):
    session.execute("SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off")
    is_(world.value(session, "SELECT count(*) FROM generate_series(1, 3) x LEFT JOIN (SELECT id FROM t OFFSET 0) t"
                             " ON t.id + x > 0"), 3 * DOCUMENTS, "rescans are whole")
    session.execute("RESET ALL")
    world.identify(session, world.token("UA"))
    learn(world, session, server)


def left_open(server, within=2.0):
    end = time.monotonic() + within
    while server.cursors and time.monotonic() < end:
        time.sleep(0.01)
    return len(server.cursors)


def errors(world, session, server):
    def control():
        server.reset()
        ok(ids(world, session) == ALL and len(server.pipelines()) > 4, "the next query is whole, and in ranges")
    for name, command, number, fault, code in (
            ("an error of one", "getMore", 5, failure(13, "Unauthorized"), "42501"),
            ("an error of a range that begins", "aggregate", 6, failure(13, "Unauthorized"), "42501"),
            ("a broken connection", "getMore", 5, "close", "08006"),
            ("silence of one", "getMore", 3, None, "08006")):
        server.reset()
        server.at(command, number, fault)
        throws(code, lambda: session.execute("SELECT id FROM t").fetchall(), name + " is an error of the query")
        is_(left_open(server), 0, "%s: no cursor is left open" % name)
        control()
    server.reset()
    server.at("aggregate", 2, "close")
    is_(ids(world, session), ALL, "a range that has not begun is tried again")
    server.reset()
    throws("22012", lambda: session.execute("SELECT 1 / (id - 3) FROM t").fetchall(), "an error of the query's own")
    is_(left_open(server), 0, "ends all cursors")
    control()
    ok(server.settle(5, meanwhile=lambda: ids(world, session)), "connections are used again: %d open" % server.connections_open)


def cancels(world, session, server):
    admin = world.admin()
    pid = world.value(session, "SELECT pg_backend_pid()")

    def one_cancel(name, number):
        server.reset()
        server.at(name, number, None)
        struck = []

        def strike():
            struck.append(time.monotonic())
            admin.execute("SELECT pg_cancel_backend(%s)", (pid,))
        timer = threading.Timer(0.4, strike)
        timer.start()
        throws("57014", lambda: session.execute("SELECT id FROM t").fetchall(), "a cancel of a wait on several")
        took = time.monotonic() - struck[0]
        timer.join()
        return took

    for name in ("aggregate", "getMore"):
        for number in (1, 0):
            best = 9.0
            for _ in range(8):  # a loaded machine is slow
                best = min(best, one_cancel(name, number))
                if best < 0.1:
                    break
            ok(prompt(world, best, 0.1), "%s, %s silent: within 100 ms" % (name, "all" if number == 0 else "one")) or diag("%.3f s" % best)
            server.reset()
            ok(ids(world, session) == ALL, "the next query is whole")
            is_(left_open(server), 0, "and no cursor is left open")


def against_server(world):
    with RangeServer() as server:
        make_tables(world, server)
        with world.connect("UA") as session:
            cutting(world, session, server)
            texts(world, server)
            explained(world, session)
            chosen(world, session, server)
            another(world, session, server)
            learn(world, session, server)
            rescans(world, session, server)
            errors(world, session, server)
            cancels(world, session, server)


# ---- a real server: hostile keys

def hostile_keys(tenant, n):
    """Unique keys of all types, those of the two tenants between each other's."""
    odd = 0 if tenant == "UA" else 1
    stamp = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    kinds = {
        "objectid": lambda i: bson.ObjectId("%08x%016x" % (0x60000000 + i // 3, 2 * i + odd)),
        "int": lambda i: (i - n // 2) * 2 + odd if i % 3 else Int64(2**40 + 2 * i + odd),
        "text": lambda i: ("k%05d" if i % 4 else "K%05d é") % (2 * i + odd),
        "date": lambda i: stamp + datetime.timedelta(milliseconds=2 * i + odd),
        "uuid": lambda i: bson.Binary.from_uuid(uuid.UUID(int=(2 * i + odd) << 96)),
        "mixed": None}
    strange = [2.5 + odd, -0.5 - odd, bson.decimal128.Decimal128("%d.25" % (7 + odd)), float("inf") * (1 - 2 * odd), True if odd else False,
               {"a": odd}, {"a": {"b": [odd]}}, bson.Binary(bytes([odd]), 0), bson.Timestamp(5, odd), "", "$id" + str(odd),
               "Z%d" % odd, "\u00e9%d" % odd, 2**62 + odd, Int64(-2**63 + odd), Int64(2**63 - 1 - odd)]
    if odd:
        strange.remove("")
        strange += [None, float("nan"), bson.MinKey()]
    else:
        strange += [bson.MaxKey()]
    sets = {}
    for name, make in kinds.items():
        if make is None:
            keys = [list(kinds.values())[i % 5](i) for i in range(n)]
        else:
            keys = [make(i) for i in range(n)]
        sets[name] = keys + strange
        sets[name + "_plain"] = keys
    return sets


def load(world, n=240):
    taken = {}
    for tenant in ("UA", "DL"):
        for name, keys in hostile_keys(tenant, n).items():
            collection = world.mongo["ids_" + name]
            if name not in taken:
                taken[name] = {}
                collection.create_index([("tenant_id", 1), ("_id", 1)])
            documents = [{"_id": key, "tenant_id": tenant, "id": i, "name": "n%d" % (i % 7)} for i, key in enumerate(keys)]
            refused = set()
            try:
                collection.insert_many(documents, ordered=False)
            except pymongo.errors.BulkWriteError as error:  # what an engine does not take as a key is not there
                refused = {one["index"] for one in error.details["writeErrors"]}
                diag("%s: %d keys are refused" % (name, len(refused)))
            taken[name][tenant] = set(range(len(keys))) - refused
    return taken


def against_engine(world):
    expected = load(world)
    make_server(world, "several", world.uri, 3, world.name)
    make_server(world, "one", world.uri, 1, world.name)
    with world.admin() as admin:
        for name in expected:
            for server in ("several", "one"):
                admin.execute("CREATE FOREIGN TABLE %s_%s (id integer, name text COLLATE \"C\") SERVER %s"
                              " OPTIONS (collection 'ids_%s'); GRANT SELECT ON %s_%s TO mtf_app"
                              % (server, name, server, name, server, name))
    for tenant in ("UA", "DL"):
        with world.connect(tenant) as session:
            for name in expected:
                table = "several_" + name
                wanted = sorted(expected[name][tenant])
                is_(ids(world, session, "SELECT id FROM one_" + name), wanted, "%s, %s: one cursor" % (name, tenant))
                is_(ids(world, session, "SELECT id FROM " + table), wanted, "%s, %s: the first scan" % (name, tenant))
                cuttable = name != "uuid_plain"  # see pipeline/range.c
                cut = "\n".join(world.column(session, "EXPLAIN (ANALYZE, VERBOSE) SELECT id FROM " + table))
                if name != "uuid":  # a few others among them: either way
                    ok(("Ranges: 0" not in cut) == cuttable and "Ranges: " in cut,
                       "%s, %s: the next is cut where keys allow" % (name, tenant)) or diag(cut)
                is_(ids(world, session, "SELECT id FROM " + table), wanted, "%s, %s: every row once" % (name, tenant))
                query = "SELECT id FROM %s WHERE name <> 'n3'"
                is_(ids(world, session, query % table), ids(world, session, query % ("one_" + name)), "with a filter")


def writes(world, session, turns=12):
    """Documents come, change and go while they are read: those that stay come once, the others once at most."""
    collection = world.mongo["ids_objectid"]
    stay = set(world.column(session, "SELECT id FROM one_objectid"))
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            key = bson.ObjectId("%08x%016x" % (0x60000000 + number * 7 % 80, 10**6 + number))
            collection.insert_one({"_id": key, "tenant_id": "UA", "id": 10**6 + number, "name": "new"})
            collection.update_one({"_id": key}, {"$set": {"name": "x" * (number % 500)}})
            if number % 2:
                collection.delete_one({"_id": key})
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(turns):
            got = world.column(session, "SELECT id FROM several_objectid")
            if len(got) != len(set(got)) or not stay <= set(got):
                return diag("%d rows, %d of them different, %d missing" % (len(got), len(set(got)), len(stay - set(got)))) or False
        return True
    finally:
        stop.set()
        writer.join()


with World() as world:
    against_server(world)
    against_engine(world)
    with world.connect("UA") as session:
        world.rows(session, "SELECT id FROM several_objectid")
        ok(writes(world, session), "while others write: what stays comes once, nothing comes twice")
done()
