"""Mistakes that another wrapper for MongoDB makes, numbered as they were measured there; each is right here.

Every query runs with all pushdown and with none.  Expected rows are written down by hand (Pair.is_), or
are those of a local copy of the same rows (Pair.agree).
"""
import datetime
import re
from decimal import Decimal

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from tap import World, diag, done, is_, ok, throws
from wire import LyingServer, batch

TENANT = {"tenant_id": "UA"}
SECOND = datetime.datetime(2020, 1, 1, 12, 0, 0)

# For what is compared with a local copy.
STAFF = [
    {"id": 1, "name": "Ann", "age": 31, "flag": True, "boss": 2, "n": Decimal128("1.5")},
    {"id": 2, "name": "$name", "age": 5, "flag": False, "boss": None, "n": Decimal128("2.5")},
    {"id": 3, "name": "Bob", "flag": None, "n": None},  # age and boss are missing
    {"id": 4, "name": "bob", "age": None, "boss": 2},
    {"id": 5, "name": "\u00c9mile", "age": 64, "flag": True, "boss": 1, "n": 0.1},
    {"id": 6, "name": "zoe", "age": 3, "boss": 6, "tags": ["a", None, "b"], "n": Int64(2 ** 53 + 1)},
]

# A column of whatever: the same field holds text, arrays and documents beside numbers.
MIXED = [{"id": number, "v": value} for number, value in enumerate(
    (1, 40, "40", "x", [50], [1, 60], {"a": 99}, True, None, 35.5, Int64(41)), 1)]

OBJECTS = """
CREATE COLLATION IF NOT EXISTS german (provider = icu, locale = 'de');
CREATE FOREIGN TABLE people (
    id integer, name text, age integer, flag boolean, missing integer,
    german text OPTIONS (path 'name') COLLATE german, plain text OPTIONS (path 'name') COLLATE "C",
    grp integer OPTIONS (path 'g'), tenant_id text
) SERVER mongo OPTIONS (on_mismatch 'null');
CREATE FOREIGN TABLE staff (id integer, name text, age integer, flag boolean, boss integer, tags text[], n numeric)
    SERVER mongo;
CREATE FOREIGN TABLE mixed (id integer, v integer) SERVER mongo;
CREATE FOREIGN TABLE mixed_null (id integer, v integer) SERVER mongo OPTIONS (collection 'mixed', on_mismatch 'null');
CREATE FOREIGN TABLE mixed_text (id integer, v text) SERVER mongo OPTIONS (collection 'mixed', on_mismatch 'null');
CREATE FOREIGN TABLE numbers (
    id integer, i2 smallint, i4 integer, i8 bigint, ts timestamp, d date, n numeric
) SERVER mongo;
CREATE FOREIGN TABLE clash (
    id integer, "k0" integer, "k.m" integer OPTIONS (path 'k.m'), k_m integer, "a0" integer, j jsonb,
    "$n" integer OPTIONS (path 'dollar'), cnt integer OPTIONS (path 'count'),
    u integer, d numeric(6,2), i integer, v0 integer, "u.i" integer OPTIONS (path 'w.i'), mtf_k0r integer
) SERVER mongo;
CREATE FOREIGN TABLE here (id integer, label text) SERVER mongo OPTIONS (collection 'twice');
CREATE FOREIGN TABLE there (id integer, label text) SERVER mongo
    OPTIONS (database '%(other)s', collection 'twice');
CREATE FOREIGN TABLE many (id integer, filler text) SERVER mongo OPTIONS (fetch_size '50');
CREATE FOREIGN TABLE whole_document (id integer, a integer, nums integer[], raw bytea, doc jsonb OPTIONS (path '.'))
    SERVER mongo;
CREATE TABLE stored (blob bytea);
ALTER TABLE stored ALTER blob SET STORAGE EXTERNAL;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO mtf_app;
"""


def documents(world):
    """Two tenants with the same ids; what DL has would change every count."""
    db, other = world.mongo, world.client[world.name + "_other"]
    other.drop_collection("twice")
    for tenant in ("UA", "DL"):
        def own(rows):
            return [dict(row, tenant_id=tenant) for row in rows]
        people = [
            {"id": 1, "name": "$name", "age": 20, "flag": True, "g": 1},
            {"id": 2, "name": "Zebra", "age": 40, "flag": False, "g": 1},
            {"id": 3, "name": "\u00c4pfel", "age": None, "flag": None, "g": None},
            {"id": 4, "name": "apfel", "age": "50", "flag": None},
            {"id": 5, "name": "Birne", "age": [60], "flag": False, "g": None},
            {"id": 6, "name": "birne", "age": 3, "flag": True},
            {"id": 7, "name": "$tenant_id", "age": 35},
        ]
        db.people.insert_many(own(people))
        numbers = [
            {"id": 1, "i2": 3, "i4": 3, "i8": Int64(2**53 + 1), "ts": SECOND, "d": datetime.datetime(2020, 2, 29),
             "n": Decimal128("0.10")},
            {"id": 2, "i2": 2, "i4": 2, "i8": Int64(2**53), "ts": SECOND + datetime.timedelta(milliseconds=1),
             "d": datetime.datetime(2020, 3, 1), "n": Decimal128("0.1")},
            {"id": 3, "i2": -1, "i4": 2**31 - 1, "i8": Int64(2**63 - 1), "ts": None, "d": None, "n": 0.1},
        ]
        db.numbers.insert_many(own(numbers))
        db.clash.insert_many(own([
            {"u": 1, "d": Decimal128("1.5"), "i": 3, "v0": 9, "w": {"i": 5}, "mtf_k0r": 3, "id": 1, "k0": 1, "k": {"m": 10}, "k_m": 100, "a0": 5, "dollar": 7, "count": 9, "j": [1]},
            {"u": 2, "d": Decimal128("1.50"), "i": 3, "v0": 8, "w": {"i": 6}, "mtf_k0r": 2, "id": 2, "k0": 1, "k": {"m": 20}, "k_m": 200, "a0": 6, "dollar": 7, "count": 9},
            {"u": 2, "d": Decimal128("2"), "i": 4, "v0": 8, "w": {"i": 6}, "mtf_k0r": 1, "id": 3, "k0": 2, "k": {"m": 10}, "k_m": 300, "a0": 7, "dollar": 8, "count": 9}]))
        db.twice.insert_many(own([{"id": 1, "label": "here"}, {"id": 2, "label": "here"}]))
        other.twice.insert_many(own([{"id": 1, "label": "there"}]))
        db.many.insert_many(own([{"id": i, "filler": "x" * 100} for i in range(500)]))
        db.whole_document.insert_many(own([
            {"id": 1, "a": 5, "nums": [1, None, 3], "raw": bytes(range(256)) * 40},
            {"id": 2, "a": 6, "nums": [], "raw": b""}]))
        db.staff.insert_many(own(STAFF))
        db.mixed.insert_many(own(MIXED))
    db.staff.insert_one({"tenant_id": "DL", "id": 7, "name": "Ann of DL", "age": 3})


class Pair:
    """Two sessions, with pushdown and without: they must agree with what is expected."""

    def __init__(self, world, tenant):
        self.world = world
        self.on = world.connect(tenant)
        self.off = world.connect(tenant, pushdown=False)
        self.local = world.connect(tenant)
        self.local.execute("CREATE TEMP TABLE staff AS SELECT * FROM public.staff")
        is_(world.value(self.local, "SELECT count(*) FROM staff"), {"UA": 6, "DL": 7}[tenant],
            "positive control: %s's rows to compare" % tenant)

    def close(self):
        for session in (self.on, self.off, self.local):
            session.close()

    def is_(self, query, expected, name, *parameters):
        for session, how in ((self.on, ""), (self.off, ", without pushdown")):
            try:
                got = [row[0] if len(row) == 1 else tuple(row) for row in self.world.rows(session, query, *parameters)]
            except Exception as error:
                got = error
            is_(got, expected, name + how)

    def agree(self, number, *queries):
        """Each query has the rows of the local copy; a join as a merge join, too."""
        for query in queries:
            for merge in (False, True) if "JOIN" in query else (False,):
                if merge:
                    self.execute("SET enable_hashjoin = off; SET enable_nestloop = off")
                answers = []
                for session in (self.on, self.off, self.local):
                    rows = [repr(row) for row in session.execute(query).fetchall()]
                    answers.append(rows if "ORDER BY" in query else sorted(rows))
                if merge:
                    self.execute("RESET enable_hashjoin; RESET enable_nestloop")
                ok(answers[0] == answers[1] == answers[2], "%d: %s%s" % (number, query, " (merge)" if merge else "")) \
                    or diag(answers)

    def execute(self, text):
        self.on.execute(text)
        self.off.execute(text)

    def plan(self, query, options="VERBOSE, COSTS OFF"):
        return "\n".join(self.world.column(self.on, "EXPLAIN (%s) %s" % (options, query)))


def table_of(world, server, name):
    """A foreign table on a server that answers what the test says."""
    with world.admin() as admin:
        admin.execute("CREATE SERVER %s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'x',"
                      " providers 'test', tenant_field 'tenant_id');"
                      "CREATE FOREIGN TABLE %s (id integer) SERVER %s; GRANT SELECT ON %s TO mtf_app, mtf_other"
                      % (name, server.uri, name, name, name))


def server_errors(world):
    """1. A server's error, at the start or half-way, is an error and not the end of the rows."""
    failing = set()

    def answer(command):
        if next(iter(command)) in failing:
            return {"ok": 0.0, "code": 8, "errmsg": "no such luck", "codeName": "UnknownError"}
        if "getMore" in command:
            return batch(command, [dict(TENANT, id=2)], name="nextBatch")
        if any("$group" in stage for stage in command["pipeline"]):
            return batch(command, [{"a0": 2, "t0l": TENANT, "t0h": TENANT}])
        return batch(command, [dict(TENANT, id=1)], cursor=77)

    with LyingServer(answer) as server:
        table_of(world, server, "failing")
        for pushdown in (True, False):
            with world.connect("UA", pushdown=pushdown) as session:
                how = "" if pushdown else ", without pushdown"
                for name in ("aggregate", "getMore"):
                    is_(world.rows(session, "SELECT id FROM failing"), [(1,), (2,)], "1: control: both batches" + how)
                    is_(world.value(session, "SELECT count(*) FROM failing"), 2, "1: control: a count" + how)
                    failing.add(name)
                    throws("HV000", lambda: world.rows(session, "SELECT id FROM failing"),
                           "1: a failing %s is an error, not a short result%s" % (name, how))
                    if name == "aggregate" or not pushdown:
                        throws("HV000", lambda: world.value(session, "SELECT count(*) FROM failing"),
                               "1: nor is it 0 for a count%s" % how)
                    failing.clear()


def empty_aggregates(pair):
    """2. Aggregates over nothing."""
    pair.is_("SELECT count(*) FROM people WHERE id = 99", [0], "2: count(*) of nothing is 0")
    pair.is_("SELECT sum(age), max(name), count(age), avg(age) FROM people WHERE id = 99", [(None, None, 0, None)],
             "2: the others are NULL")
    pair.is_("SELECT sum(missing), count(missing), count(*) FROM people", [(None, 0, 7)],
             "2: the sum of only NULLs is NULL")
    pair.is_("SELECT sum(missing) FROM people GROUP BY flag ORDER BY flag NULLS FIRST", [None, None, None],
             "2: in groups too")
    pair.is_("SELECT count(*) FROM people WHERE id = 99 GROUP BY flag", [], "2: no groups of nothing")
    pair.is_("SELECT count(*) FROM people WHERE id = 99 HAVING count(*) = 0", [0], "2: HAVING over nothing")
    pair.agree(2, "SELECT count(*) FROM staff WHERE id > 100", "SELECT sum(age) FROM staff WHERE age IS NULL",
               "SELECT sum(age), count(age), avg(age) FROM staff WHERE id > 100",
               "SELECT max(name) FROM staff WHERE false")


def dollars(world, pair):
    """3. A constant that looks like a field path is a constant."""
    pair.is_("SELECT id FROM people WHERE name = '$name'", [1], "3: name = '$name'")
    pair.is_("SELECT id FROM people WHERE name = %s", [1], "3: as a parameter", "$name")
    pair.is_("SELECT id FROM people WHERE name IN ('$tenant_id', '$$ROOT')", [7], "3: in a list")
    pair.is_("SELECT count(*) FILTER (WHERE name = '$name') FROM people", [1], "3: inside an aggregate")
    pair.is_("SELECT CASE WHEN name = '$name' THEN '$age' ELSE '' END AS x, count(*) FROM people GROUP BY 1 ORDER BY 1",
             [("", 6), ("$age", 1)], "3: in an expression that is grouped by")
    pair.is_("SELECT p.id, q.id FROM people p JOIN people q ON p.id = q.id AND q.name = '$name'", [(1, 1)],
             "3: in a join's condition")
    with world.connect("$tenant_id") as nobody:
        is_(world.value(nobody, "SELECT count(*) FROM people"), 0, "3: the tenant '$tenant_id' sees nothing")
        is_(world.value(nobody, "SELECT count(*) FROM people p JOIN people q ON true"), 0, "3: nor through a join")
    pair.agree(3, "SELECT id FROM staff WHERE name = '$name'", "SELECT id FROM staff WHERE name <> '$name'",
               "SELECT id FROM staff WHERE name IN ('$name', '$$ROOT')",
               "SELECT id FROM staff WHERE name = '$$ROOT.name'",
               "SELECT id FROM staff WHERE '$name' = name OR id = 1")


def nulls(pair):
    """4. Missing, null and three-valued logic."""
    pair.is_("SELECT id FROM people WHERE age < 25 ORDER BY id", [1, 6], "4: < does not find missing")
    pair.is_("SELECT id FROM people WHERE age <> 20 ORDER BY id", [2, 6, 7], "4: <> neither")
    pair.is_("SELECT id FROM people WHERE NOT (age = 20) ORDER BY id", [2, 6, 7], "4: NOT = neither")
    pair.is_("SELECT id FROM people WHERE NOT flag ORDER BY id", [2, 5], "4: NOT of a null boolean is not true")
    pair.is_("SELECT id FROM people WHERE flag IS NOT TRUE ORDER BY id", [2, 3, 4, 5, 7], "4: IS NOT TRUE is")
    pair.is_("SELECT count(*) FROM people a JOIN people b ON a.missing = b.missing", [0],
             "4: missing keys do not join")
    pair.is_("SELECT a.id, b.id FROM people a LEFT JOIN people b ON a.grp = b.grp AND a.id <> b.id ORDER BY 1, 2",
             [(1, 2), (2, 1), (3, None), (4, None), (5, None), (6, None), (7, None)], "4: nor in a left join")
    pair.is_("SELECT grp, count(*) FROM people GROUP BY grp ORDER BY grp", [(1, 2), (None, 5)],
             "4: missing and null are one group")
    pair.is_("SELECT DISTINCT grp FROM people ORDER BY grp", [1, None], "4: and one distinct value")
    pair.is_("SELECT id FROM people WHERE age NOT IN (20, 40) ORDER BY id", [6, 7], "4: NOT IN")
    pair.is_("SELECT id FROM people WHERE age NOT IN (20, NULL)", [], "4: NOT IN with a NULL is never true")
    pair.is_("SELECT id FROM people WHERE age IS DISTINCT FROM 20 ORDER BY id", [2, 3, 4, 5, 6, 7],
             "4: IS DISTINCT FROM keeps them")
    pair.agree(4, "SELECT id FROM staff WHERE age < 5", "SELECT id FROM staff WHERE age <> 5",
               "SELECT id FROM staff WHERE NOT flag", "SELECT flag, count(*) FROM staff GROUP BY flag",
               "SELECT age, count(*) FROM staff GROUP BY age",
               "SELECT a.id, b.id FROM staff a JOIN staff b ON a.boss = b.boss",
               "SELECT a.id, b.id FROM staff a LEFT JOIN staff b ON a.boss = b.id",
               "SELECT id FROM staff WHERE NOT (age > 5)", "SELECT id FROM staff WHERE flag IS NOT TRUE",
               "SELECT id FROM staff WHERE boss NOT IN (SELECT boss FROM staff WHERE id IN (1, 5))")


def brackets(pair):
    """5. A number is not compared with strings or arrays."""
    pair.is_("SELECT id FROM people WHERE age > 30 ORDER BY id", [2, 7], "5: age > 30")
    pair.is_("SELECT count(*) FILTER (WHERE age > 30) FROM people", [2], "5: inside an aggregate")
    pair.is_("SELECT max(age), min(age), count(age), sum(age) FROM people", [(40, 3, 4, 98)], "5: max, min, count, sum")
    pair.is_("SELECT id FROM people WHERE age + 0 > 30 ORDER BY id", [2, 7], "5: under arithmetic")
    pair.is_("SELECT id FROM mixed_null WHERE v > 30 ORDER BY id", [2, 11], "5: only numbers that fit are above 30")
    pair.is_("SELECT id FROM mixed_text WHERE v > '3' ORDER BY id", [3, 4], "5: only texts are above '3'")
    for session, how in ((pair.on, ""), (pair.off, ", without pushdown")):
        throws(("22018", "22003"), lambda: pair.world.rows(session, "SELECT v FROM mixed"),
               "5: under error a mismatch is said, not skipped" + how)


def collations(pair):
    """6. Text in the column's collation, whatever the server's."""
    german = ["$name", "$tenant_id", "apfel", "\u00c4pfel", "birne", "Birne", "Zebra"]
    binary = ["$name", "$tenant_id", "Birne", "Zebra", "apfel", "birne", "\u00c4pfel"]
    pair.is_("SELECT german FROM people ORDER BY german", german, "6: ORDER BY in German")
    pair.is_("SELECT plain FROM people ORDER BY plain", binary, "6: ORDER BY in C")
    pair.is_("SELECT german FROM people ORDER BY german DESC LIMIT 2", ["Zebra", "Birne"], "6: top-N in German")
    pair.is_("SELECT id FROM people WHERE german < 'b' ORDER BY id", [1, 3, 4, 7], "6: < in German")
    pair.is_("SELECT id FROM people WHERE plain < 'b' ORDER BY id", [1, 2, 4, 5, 7], "6: < in C")
    pair.is_("SELECT max(german), max(plain) FROM people", [("Zebra", "\u00c4pfel")], "6: max")
    pair.execute("SET enable_hashjoin = off; SET enable_nestloop = off")
    for column in ("german", "plain"):
        pair.is_("SELECT count(*) FROM people a JOIN people b ON a.%s = b.%s" % (column, column), [7],
                 "6: a merge join on %s loses nothing" % column)
    pair.execute("RESET enable_hashjoin; RESET enable_nestloop")
    pair.agree(6, "SELECT id FROM staff WHERE name COLLATE \"en-x-icu\" > 'a'",
               "SELECT id FROM staff WHERE name COLLATE \"C\" > 'a'",
               "SELECT name FROM staff ORDER BY name COLLATE \"en-x-icu\", id",
               "SELECT name FROM staff ORDER BY name COLLATE \"C\"",
               "SELECT a.id, b.id FROM staff a JOIN staff b ON a.name COLLATE \"en-x-icu\" = b.name",
               "SELECT max(name COLLATE \"en-x-icu\"), min(name COLLATE \"C\") FROM staff",
               "SELECT id FROM staff WHERE name LIKE 'B%'", "SELECT id FROM staff WHERE name ILIKE 'b%'")


def numbers(pair):
    """7. Constants and arithmetic mean what PostgreSQL means."""
    pair.is_("SELECT id FROM numbers WHERE ts = '2020-01-01 12:00:00.0005'", [], "7: no time has half a millisecond")
    pair.is_("SELECT id FROM numbers WHERE ts < '2020-01-01 12:00:00.0005'", [1], "7: <, between milliseconds")
    pair.is_("SELECT id FROM numbers WHERE ts > '2020-01-01 12:00:00.0005'", [2], "7: >, between milliseconds")
    pair.is_("SELECT id FROM numbers WHERE i4 / 2 = 1 ORDER BY id", [1, 2], "7: integers divide as integers")
    pair.is_("SELECT id FROM numbers WHERE d + 1 = '2020-03-01'", [1], "7: a date plus a day")
    pair.is_("SELECT id FROM numbers WHERE i2 = 65535", [], "7: int2 does not wrap")
    pair.is_("SELECT id FROM numbers WHERE i2 = -1", [3], "7: int2, the control")
    pair.is_("SELECT id FROM numbers WHERE i8 = 9007199254740993", [1], "7: int64 keeps its last digit")
    pair.is_("SELECT i8 FROM numbers ORDER BY i8", [2**53, 2**53 + 1, 2**63 - 1], "7: in results and order too")
    pair.is_("SELECT sum(i8) FROM numbers", [Decimal(2**53 + 2**53 + 1 + 2**63 - 1)], "7: and in a sum")
    pair.is_("SELECT id FROM numbers WHERE n = 0.1 ORDER BY id", [1, 2, 3], "7: 0.1 is 0.1, decimal or double")
    pair.is_("SELECT id FROM numbers ORDER BY id LIMIT 4294967297", [1, 2, 3], "7: LIMIT is an int8")
    pair.is_("SELECT id FROM numbers ORDER BY id OFFSET 4294967296", [], "7: OFFSET too")
    pair.is_("SELECT count(*) FROM (SELECT id FROM people ORDER BY flag NULLS FIRST FETCH FIRST 1 ROW WITH TIES) s",
             [3], "7: WITH TIES")
    pair.agree(7, "SELECT id FROM staff WHERE age / 2 = 1", "SELECT id FROM staff WHERE age / 2 = 2",
               "SELECT id FROM staff WHERE age % 2 = 1", "SELECT id FROM staff WHERE n = 9007199254740993",
               "SELECT id FROM staff WHERE n = 9007199254740992",
               "SELECT id FROM staff ORDER BY id LIMIT 9223372036854775807",
               "SELECT id FROM staff ORDER BY id OFFSET 4294967296",
               "SELECT age FROM staff ORDER BY age NULLS FIRST FETCH FIRST 1 ROW WITH TIES",
               "SELECT id FROM staff WHERE n = 0.1", "SELECT id FROM staff WHERE age > 2147483648",
               "SELECT sum(n) FROM staff")


def names(pair):
    """8. Generated names meet the users' own."""
    pair.is_("SELECT k0, sum(a0), max(a0) FROM clash GROUP BY k0 HAVING sum(a0) > 5 AND max(a0) < 7", [(1, 11, 6)],
             "8: two aggregates in HAVING")
    pair.is_('SELECT "k.m", sum(k_m), count(*) FROM clash GROUP BY "k.m" ORDER BY 1', [(10, 400, 2), (20, 200, 1)],
             "8: k.m and k_m")
    pair.is_('SELECT k_m, "k.m" FROM clash GROUP BY k_m, "k.m" ORDER BY 1', [(100, 10), (200, 20), (300, 10)],
             "8: both in GROUP BY")
    pair.is_('SELECT k0, "$n", count(cnt) FROM clash GROUP BY k0, "$n" ORDER BY 1, 2', [(1, 7, 2), (2, 8, 1)],
             "8: columns named like keys, paths and accumulators")
    pair.is_("SELECT x.j, y.k0 FROM clash x LEFT JOIN clash y ON x.k0 = y.id ORDER BY x.id",
             [([1], 1), (None, 1), (None, 1)], "8: a joined field named like a user's")
    pair.on.execute("SET cpu_tuple_cost = 1")  # remote, though it is not cheap
    pair.is_('SELECT count(DISTINCT u), count(DISTINCT d), sum(DISTINCT d), count(DISTINCT i), sum(DISTINCT v0), sum("u.i"), count(*)'
             ' FROM clash', [(2, 2, Decimal("3.50"), 2, 17, 17, 3)], "8: fields named like those of distinct values")
    pair.is_("SELECT d, count(DISTINCT u), count(DISTINCT i), sum(u + v0) FROM clash GROUP BY d ORDER BY d",
             [(Decimal("1.50"), 2, 1, 20), (Decimal("2.00"), 1, 1, 10)], "8: and beside a key")
    pair.is_("SELECT DISTINCT ON (i) i, d, u, mtf_k0r FROM clash ORDER BY i, mtf_k0r",
             [(3, Decimal("1.50"), 2, 2), (4, Decimal("2.00"), 2, 1)], "8: and like the keys of a sort")
    pair.on.execute("RESET cpu_tuple_cost")
    pair.agree(8, "SELECT boss FROM staff GROUP BY boss HAVING count(*) > 0 AND sum(age) > 10 AND max(age) > 30",
               "SELECT flag FROM staff GROUP BY flag HAVING min(age) < 10 OR max(age) > 60",
               "SELECT count(*), count(age), sum(age), min(age), max(age) FROM staff")


def databases(pair):
    """9. Joins across databases; whose credentials count is shown by credentials()."""
    pair.is_("SELECT h.id, h.label, t.label FROM here h JOIN there t ON h.id = t.id", [(1, "here", "there")],
             "9: a join of two databases reads both")
    pair.is_("SELECT h.id, t.label FROM here h LEFT JOIN there t ON h.id = t.id ORDER BY 1",
             [(1, "there"), (2, None)], "9: a left join too")


def saslnames(commands):
    """User names in the SCRAM exchanges that a server saw."""
    found = []
    for command in commands:
        payload = bytes(command.get("payload", b""))
        if "saslStart" in command and b"n=" in payload:
            found.append(payload.split(b"n=", 1)[1].split(b",")[0].decode())
    return found


def scram_names(world):
    """9. A view is read with its owner's credentials, a table with its reader's: seen by the server."""
    refused = {"ok": 0.0, "code": 18, "errmsg": "refused", "codeName": "AuthenticationFailed"}
    with LyingServer(lambda command: refused) as server:
        table_of(world, server, "guarded")
        with world.admin() as admin:
            admin.execute("CREATE VIEW through AS SELECT * FROM guarded; ALTER VIEW through OWNER TO mtf_other;"
                          "GRANT SELECT ON through TO mtf_app")
            for role, name in (("mtf_app", "reader"), ("mtf_other", "owner")):
                admin.execute("CREATE USER MAPPING FOR %s SERVER guarded OPTIONS (username '%s', password 'p',"
                              " auth_source 'admin')" % (role, name))
        with world.connect("UA") as session:
            throws("28000", lambda: session.execute("SELECT * FROM guarded"), "9: the reader's password is refused")
            is_(set(saslnames(server.commands)), {"reader"}, "9: a table is read with its reader's credentials")
            server.commands.clear()
            throws("28000", lambda: session.execute("SELECT * FROM through"), "9: the owner's password is refused")
            is_(set(saslnames(server.commands)), {"owner"}, "9: a view is read with its owner's credentials")


def credentials():
    """9, 10. User names with signs of URIs in them, and whose mapping a view uses."""
    with World(auth=True, objects=True) as world:
        world.load("accounts")
        password = world.engine.password.replace("'", "''")
        with world.admin() as admin:
            admin.execute("DROP ROLE IF EXISTS mtf_view_owner; CREATE ROLE mtf_view_owner")
            admin.execute("GRANT SELECT ON accounts TO mtf_view_owner; GRANT CREATE ON SCHEMA public TO mtf_view_owner")
            admin.execute("GRANT USAGE ON FOREIGN SERVER mongo TO mtf_view_owner")
            admin.execute("CREATE USER MAPPING FOR mtf_view_owner SERVER mongo OPTIONS "
                          "(username 'mtf_reader', password '%s', auth_source 'admin')" % password)
            admin.execute("CREATE USER MAPPING FOR mtf_app SERVER mongo OPTIONS "
                          "(username 'mtf_reader@127.0.0.1:1/?x=', password 'p', auth_source 'admin')")
            admin.execute("SET ROLE mtf_view_owner; CREATE VIEW through AS SELECT id FROM accounts;"
                          "GRANT SELECT ON through TO mtf_app; RESET ROLE")
        with world.connect("UA") as session:
            throws("28000", lambda: session.execute("SELECT count(*) FROM accounts"),
                   "10: a user name with @ and / in it is a user name: refused by the right server")
            is_(world.value(session, "SELECT count(*) FROM through"), 10, "9: a view uses its owner's credentials")
            is_(world.value(session, "SELECT count(*) FROM through a JOIN through b USING (id)"), 10,
                "9: a join of views too")
            throws("28000", lambda: session.execute("SELECT count(*) FROM accounts a JOIN through b USING (id)"),
                   "9: a join of a view and a table does not lend the view's credentials to the table")
            session.execute("BEGIN")
            session.execute("DECLARE c CURSOR FOR SELECT * FROM through")
            is_(len(world.rows(session, "FETCH ALL c")), 10, "9: and a cursor over it")
            session.execute("ROLLBACK")
        with world.admin() as admin:
            admin.execute("DROP OWNED BY mtf_view_owner; DROP ROLE mtf_view_owner")


def alter_under_cursor(world, pair):
    """10. ALTER SERVER under open cursors: they stay whole."""
    with world.admin() as admin:
        for change, undo in (("OPTIONS (ADD max_time_ms '50000')", "OPTIONS (DROP max_time_ms)"),
                             ("OPTIONS (ADD fetch_size '7')", "OPTIONS (DROP fetch_size)"),
                             ("OPTIONS (SET database 'mtf_nowhere')", "OPTIONS (SET database '%s')" % world.name),
                             ("OPTIONS (SET uri 'mongodb://127.0.0.1:1/')", "OPTIONS (SET uri '%s')" % world.uri)):
            with pair.on.transaction():
                got = {}
                for name, order in (("c", " ORDER BY id"), ("d", "")):
                    pair.on.execute("DECLARE %s CURSOR FOR SELECT id FROM many%s" % (name, order))
                    got[name] = len(pair.on.execute("FETCH 60 " + name).fetchall())
                admin.execute("ALTER SERVER mongo " + change)
                for name in got:
                    got[name] += len(pair.on.execute("FETCH ALL " + name).fetchall())
                is_(got, {"c": 500, "d": 500}, "10: ALTER SERVER … %s under open cursors: all rows" % change)
            admin.execute("ALTER SERVER mongo " + undo)
    pair.is_("SELECT count(*) FROM many", [500], "10: the altered server works")


def bad_options(world, pair):
    """10. What stands in options is never a piece of a connection string."""
    with world.admin() as admin:
        throws("HV00D", lambda: admin.execute(
            "CREATE SERVER bad FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri 'mongodb://', providers 'test')"),
            "10: a bad URI is refused when it is written")
        throws("HV00D", lambda: admin.execute(
            "CREATE SERVER bad FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS "
            "(uri 'mongodb://127.0.0.1/?tls=true&tlsCAFile=/x', providers 'test')"), "10: file names in it too")
        throws("HV00D", lambda: admin.execute(
            "CREATE SERVER bad FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS "
            "(uri 'mongodb://user:pass@127.0.0.1/', providers 'test')"), "10: credentials in it too")
        admin.execute("CREATE SERVER tls FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS "
                      "(uri 'mongodb://127.0.0.1:1/?tls=true', database 'x', providers 'test', tenant_field 'tenant_id');"
                      "CREATE FOREIGN TABLE tls_table (id int) SERVER tls; GRANT SELECT ON tls_table TO mtf_app")
    throws(("08001", "08006", "HV00N"), lambda: pair.on.execute("SELECT * FROM tls_table"),
           "10: TLS where nobody listens is an error")
    pair.is_("SELECT 1", [1], "10: and the backend is alive")


def one_command(pair):
    """11. Round trips, projections and parameters."""
    plan = pair.plan("SELECT name FROM people WHERE age > 30", "ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF")
    ok("Commands: 1\n" in plan + "\n", "11: one command for one scan") or diag(plan)
    ok('"$project"' in plan and '"flag"' not in plan, "11: only what is needed travels") or diag(plan)
    query = ("SELECT p.id, (SELECT h.label FROM here h WHERE h.id = p.id) FROM people p WHERE p.id < 4 ORDER BY p.id")
    pair.is_(query, [(1, "here"), (2, "here"), (3, None)], "11: a correlated subquery")
    plan = pair.plan(query, "ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF")
    sub = plan.split("SubPlan", 1)[-1]
    ok("Documents: 2" in sub or "Documents: 1" in sub or "$lookup" in plan,
       "11: fetches the matching documents, not the collection, for each outer row") or diag(plan)
    pair.agree(11, "SELECT id, (SELECT count(*) FROM staff b WHERE b.boss = a.id) FROM staff a")
    rows = [int(re.search(r"rows=(\d+)", pair.plan("SELECT id FROM many WHERE id %s 1" % operator, "COSTS"))[1])
            for operator in (">", "=")]
    ok(rows[0] > rows[1], "11: rows are estimated by the clause, not fixed") or diag(rows)


def round_trips(world):
    """11. One command for a query, no ping before it; only what is needed comes."""
    with LyingServer(lambda command: batch(command, [dict(TENANT, id=1)])) as server:
        table_of(world, server, "counted")
        with world.connect("UA") as session:
            is_(world.rows(session, "SELECT id FROM counted"), [(1,)], "11: positive control")
            server.commands.clear()
            server.courtesies.clear()
            session.execute("SELECT id FROM counted WHERE id = 1").fetchall()
            is_(server.courtesies, [], "11: no ping")
            is_([next(iter(command)) for command in server.commands], ["aggregate"], "11: one command for one query")
            server.commands.clear()
            session.execute("EXPLAIN (VERBOSE) SELECT id FROM counted WHERE id = 1").fetchall()
            is_(server.commands, [], "11: planning and EXPLAIN send nothing")
            with world.connect() as nobody:
                ok("<tenant>" in str(nobody.execute("EXPLAIN (VERBOSE) SELECT id FROM counted").fetchall()), "11: EXPLAIN needs no token")
                throws("28000", lambda: nobody.execute("EXPLAIN (ANALYZE) SELECT id FROM counted"), "11: EXPLAIN ANALYZE does")
                is_(server.commands, [], "11: nor do they send anything")
            session.execute("SELECT id FROM counted WHERE id = NULL").fetchall()
            session.execute("SELECT id FROM counted WHERE id = ANY ('{}')").fetchall()
            is_(server.commands, [], "11: nor does a query that cannot have rows")
            project = None
            session.execute("SELECT 1 FROM counted").fetchall()
            for stage in server.commands[-1]["pipeline"]:
                project = stage.get("$project", project)
            is_(sorted(name for name, value in project.items() if value), ["tenant_id"],
                "11: only what is needed is asked for, and the tenant")


def whole_documents(pair):
    """12. Columns beside the document, NULLs in arrays, long binary values."""
    pair.is_("SELECT a, doc ->> 'a' FROM whole_document ORDER BY id", [(5, "5"), (6, "6")],
             "12: a column beside the whole document")
    pair.is_("SELECT nums FROM whole_document ORDER BY id", [[1, None, 3], []], "12: arrays keep their NULLs")
    pair.is_("SELECT id FROM whole_document w WHERE raw = (SELECT blob FROM stored)", [1],
             "12: a TOASTed bytea as a parameter")
    pair.is_("SELECT length(raw) FROM whole_document ORDER BY id", [10240, 0], "12: and as a value")
    pair.agree(12, "SELECT id, tags FROM staff", "SELECT id, tags[2] IS NULL FROM staff WHERE tags IS NOT NULL")


def boolean_comparison(pair):
    """13. A comparison of booleans crashed the backend there."""
    pair.is_("SELECT id FROM people WHERE ((age > 1 AND age < 25) <= true) ORDER BY id", [1, 2, 6, 7],
             "13: ((a > 1 AND a < 25) <= true)")
    pair.is_("SELECT id FROM people WHERE ((age > 1) = (flag)) ORDER BY id", [1, 6], "13: boolean = boolean")
    pair.is_("SELECT 1", [1], "13: the backend is alive")
    pair.agree(13, "SELECT id FROM staff WHERE ((age > 1 AND age < 50) <= true)",
               "SELECT id FROM staff WHERE (flag = (age > 5))", "SELECT id FROM staff WHERE (age > 1) IS TRUE")


with World() as world:
    documents(world)
    with world.admin() as admin:
        admin.execute("DO $$ BEGIN CREATE ROLE mtf_other; EXCEPTION WHEN duplicate_object THEN END $$")
        admin.execute(OBJECTS % {"other": world.name + "_other"})
        admin.execute("INSERT INTO stored VALUES (%s)", (bytes(range(256)) * 40,))
    for tenant in ("UA", "DL"):
        pair = Pair(world, tenant)
        for part in (empty_aggregates, nulls, brackets, collations, numbers, names, databases, one_command,
                     whole_documents, boolean_comparison):
            part(pair)
        dollars(world, pair)
        alter_under_cursor(world, pair)
        if tenant == "DL":
            bad_options(world, pair)
        pair.close()
    server_errors(world)
    scram_names(world)
    round_trips(world)
    world.client.drop_database(world.name + "_other")
credentials()
done()
