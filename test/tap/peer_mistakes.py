"""Mistakes that another wrapper for MongoDB makes, each measured there, each shown right here.

Every query runs with all pushdown and with none.  The expected rows are written down by hand.
"""

import datetime
from decimal import Decimal

import pymongo.errors
from bson.decimal128 import Decimal128
from bson.int64 import Int64

import servers
from tap import World, diag, done, is_, ok, skip, throws

SECOND = datetime.datetime(2020, 1, 1, 12, 0, 0)

OBJECTS = """
CREATE COLLATION IF NOT EXISTS german (provider = icu, locale = 'de');
CREATE FOREIGN TABLE people (
    id integer, name text, age integer, flag boolean, missing integer,
    german text OPTIONS (path 'name') COLLATE german, plain text OPTIONS (path 'name') COLLATE "C",
    grp integer OPTIONS (path 'g'), tenant_id text
) SERVER mongo OPTIONS (on_mismatch 'null');
CREATE FOREIGN TABLE numbers (
    id integer, i2 smallint, i4 integer, i8 bigint, ts timestamp, d date, n numeric
) SERVER mongo;
CREATE FOREIGN TABLE clash (
    id integer, "k0" integer, "k.m" integer OPTIONS (path 'k.m'), k_m integer, "a0" integer, j jsonb,
    "$n" integer OPTIONS (path 'dollar'), cnt integer OPTIONS (path 'count')
) SERVER mongo;
CREATE FOREIGN TABLE here (id integer, label text) SERVER mongo OPTIONS (collection 'twice');
CREATE FOREIGN TABLE there (id integer, label text) SERVER mongo
    OPTIONS (database '%(other)s', collection 'twice');
CREATE FOREIGN TABLE many (id integer, filler text) SERVER mongo OPTIONS (fetch_size '50');
CREATE FOREIGN TABLE whole_document (id integer, a integer, nums integer[], raw bytea, doc jsonb OPTIONS (path '.'))
    SERVER mongo;
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
            {"id": 1, "k0": 1, "k": {"m": 10}, "k_m": 100, "a0": 5, "dollar": 7, "count": 9, "j": [1]},
            {"id": 2, "k0": 1, "k": {"m": 20}, "k_m": 200, "a0": 6, "dollar": 7, "count": 9},
            {"id": 3, "k0": 2, "k": {"m": 10}, "k_m": 300, "a0": 7, "dollar": 8, "count": 9}]))
        db.twice.insert_many(own([{"id": 1, "label": "here"}, {"id": 2, "label": "here"}]))
        other.twice.insert_many(own([{"id": 1, "label": "there"}]))
        db.many.insert_many(own([{"id": i, "filler": "x" * 100} for i in range(500)]))
        db.whole_document.insert_many(own([
            {"id": 1, "a": 5, "nums": [1, None, 3], "raw": bytes(range(256)) * 40},
            {"id": 2, "a": 6, "nums": [], "raw": b""}]))


class Pair:
    """Two sessions, with pushdown and without: they must agree with what is expected."""

    def __init__(self, world, tenant):
        self.world = world
        self.on = world.connect(tenant)
        self.off = world.connect(tenant, pushdown=False)

    def is_(self, query, expected, name, *parameters):
        for session, how in ((self.on, ""), (self.off, ", without pushdown")):
            try:
                got = [row[0] if len(row) == 1 else tuple(row) for row in self.world.rows(session, query, *parameters)]
            except Exception as error:
                got = error
            is_(got, expected, name + how)

    def execute(self, text):
        self.on.execute(text)
        self.off.execute(text)

    def plan(self, query, options="VERBOSE, COSTS OFF"):
        return "\n".join(self.world.column(self.on, "EXPLAIN (%s) %s" % (options, query)))


def server_errors(world, pair):
    """1. A server's error in the middle of a scan is an error, not the end of the rows."""
    pair.is_("SELECT count(*) FROM many", [500], "1: all batches")
    try:
        world.client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1},
                                    "data": {"failCommands": ["getMore"], "errorCode": 8}})
    except pymongo.errors.OperationFailure as error:
        skip("1: an error half-way", "the document server has no failpoints: %s" % error)
        return
    try:
        throws(("HV000", "08006", "58000", "XX000"), lambda: pair.off.execute("SELECT id FROM many"),
               "1: a failing getMore is an error, not a short result")
    finally:
        world.client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    pair.is_("SELECT count(*) FROM many", [500], "1: and all batches again")


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


def brackets(pair):
    """5. A number is not compared with strings or arrays."""
    pair.is_("SELECT id FROM people WHERE age > 30 ORDER BY id", [2, 7], "5: age > 30")
    pair.is_("SELECT count(*) FILTER (WHERE age > 30) FROM people", [2], "5: inside an aggregate")
    pair.is_("SELECT max(age), min(age), count(age), sum(age) FROM people", [(40, 3, 4, 98)], "5: max, min, count, sum")
    pair.is_("SELECT id FROM people WHERE age + 0 > 30 ORDER BY id", [2, 7], "5: under arithmetic")


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


def databases(pair):
    """9. Joins across databases; whose credentials count is shown by credentials()."""
    pair.is_("SELECT h.id, h.label, t.label FROM here h JOIN there t ON h.id = t.id", [(1, "here", "there")],
             "9: a join of two databases reads both")
    pair.is_("SELECT h.id, t.label FROM here h LEFT JOIN there t ON h.id = t.id ORDER BY 1",
             [(1, "there"), (2, None)], "9: a left join too")


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


def whole_documents(pair):
    """12. Columns beside the document, NULLs in arrays, long binary values."""
    pair.is_("SELECT a, doc ->> 'a' FROM whole_document ORDER BY id", [(5, "5"), (6, "6")],
             "12: a column beside the whole document")
    pair.is_("SELECT nums FROM whole_document ORDER BY id", [[1, None, 3], []], "12: arrays keep their NULLs")
    pair.is_("SELECT id FROM whole_document w WHERE raw = (SELECT blob FROM stored)", [1],
             "12: a TOASTed bytea as a parameter")
    pair.is_("SELECT length(raw) FROM whole_document ORDER BY id", [10240, 0], "12: and as a value")


def boolean_comparison(pair):
    """13. A comparison of booleans crashed the backend there."""
    pair.is_("SELECT id FROM people WHERE ((age > 1 AND age < 25) <= true) ORDER BY id", [1, 2, 6, 7],
             "13: ((a > 1 AND a < 25) <= true)")
    pair.is_("SELECT id FROM people WHERE ((age > 1) = (flag)) ORDER BY id", [1, 6], "13: boolean = boolean")
    pair.is_("SELECT 1", [1], "13: the backend is alive")


def alter_under_cursor(world, pair):
    """10. ALTER SERVER under an open cursor."""
    with world.admin() as admin, pair.on.transaction():
        pair.on.execute("DECLARE c CURSOR FOR SELECT id FROM many ORDER BY id")
        first = len(pair.on.execute("FETCH 60 c").fetchall())
        pair.on.execute("DECLARE d CURSOR FOR SELECT id FROM many")
        first_d = len(pair.on.execute("FETCH 60 d").fetchall())
        admin.execute("ALTER SERVER mongo OPTIONS (ADD max_time_ms '50000')")
        rest = len(pair.on.execute("FETCH ALL c").fetchall())
        rest_d = len(pair.on.execute("FETCH ALL d").fetchall())
        is_((first + rest, first_d + rest_d), (500, 500), "10: ALTER SERVER under open cursors: all rows")
        admin.execute("ALTER SERVER mongo OPTIONS (DROP max_time_ms)")
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


# Failpoints are an option of the embedded server; a server that was given is taken as it is.
OWN = servers.choose_engine() == "secantusd-py"

with World(engine_options=("--enable-test-commands",) if OWN else ()) as world:
    documents(world)
    with world.admin() as admin:
        admin.execute(OBJECTS % {"other": world.name + "_other"})
        admin.execute("CREATE TABLE stored (blob bytea); ALTER TABLE stored ALTER blob SET STORAGE EXTERNAL;"
                      "GRANT SELECT ON stored TO mtf_app")
        admin.execute("INSERT INTO stored VALUES (%s)", (bytes(range(256)) * 40,))
    for tenant in ("UA", "DL"):
        pair = Pair(world, tenant)
        for part in (empty_aggregates, nulls, brackets, collations, numbers, names, databases, one_command,
                     whole_documents, boolean_comparison):
            part(pair)
        dollars(world, pair)
        server_errors(world, pair)
        alter_under_cursor(world, pair)
    bad_options(world, pair)
    world.client.drop_database(world.name + "_other")
credentials()
done()
