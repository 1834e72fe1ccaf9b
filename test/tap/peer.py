"""Mistakes that a wrapper for MongoDB has made before, one by one; each is right here.

What can be compared with a local copy of the same rows is: a constant result is written down only
where that says more.
"""
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from tap import World, ok, is_, throws, diag, done
from wire import LyingServer, batch

TENANT = {"tenant_id": "UA"}

PEOPLE = [
    dict(TENANT, id=1, name="Ann", age=31, flag=True, boss=2, n=Decimal128("1.5")),
    dict(TENANT, id=2, name="$name", age=5, flag=False, boss=None, n=Decimal128("2.5")),
    dict(TENANT, id=3, name="Bob", flag=None, n=None),  # age and boss are missing
    dict(TENANT, id=4, name="bob", age=None, boss=2),
    dict(TENANT, id=5, name="\u00c9mile", age=64, flag=True, boss=1, n=0.1),
    dict(TENANT, id=6, name="zoe", age=3, boss=6, tags=["a", None, "b"], n=Int64(2 ** 53 + 1)),
    dict(tenant_id="DL", id=1, name="Ann", age=31, flag=True, boss=2),
    dict(tenant_id="DL", id=7, name="Ann of DL", age=3),
]

# A column of whatever: the same field holds text, arrays and documents beside numbers.
MIXED = [dict(TENANT, id=number, v=value) for number, value in enumerate(
    (1, 40, "40", "x", [50], [1, 60], {"a": 99}, True, None, 35.5, Int64(41)), 1)]

COLUMNS = "id integer, name text, age integer, flag boolean, boss integer, tags text[], n numeric"

COMPARED = {
    2: ["SELECT count(*) FROM people WHERE id > 100", "SELECT sum(age) FROM people WHERE age IS NULL",
        "SELECT sum(age), count(age), avg(age) FROM people WHERE id > 100", "SELECT max(name) FROM people WHERE false"],
    3: ["SELECT id FROM people WHERE name = '$name'", "SELECT id FROM people WHERE name <> '$name'",
        "SELECT id FROM people WHERE name IN ('$name', '$$ROOT')", "SELECT id FROM people WHERE name = '$$ROOT.name'",
        "SELECT id FROM people WHERE '$name' = name OR id = 1"],
    4: ["SELECT id FROM people WHERE age < 5", "SELECT id FROM people WHERE age <> 5", "SELECT id FROM people WHERE NOT flag",
        "SELECT flag, count(*) FROM people GROUP BY flag", "SELECT age, count(*) FROM people GROUP BY age",
        "SELECT a.id, b.id FROM people a JOIN people b ON a.boss = b.boss",
        "SELECT a.id, b.id FROM people a LEFT JOIN people b ON a.boss = b.id",
        "SELECT id FROM people WHERE NOT (age > 5)", "SELECT id FROM people WHERE flag IS NOT TRUE",
        "SELECT id FROM people WHERE boss NOT IN (SELECT boss FROM people WHERE id IN (1, 5))"],
    6: ["SELECT id FROM people WHERE name COLLATE \"en-x-icu\" > 'a'", "SELECT id FROM people WHERE name COLLATE \"C\" > 'a'",
        "SELECT name FROM people ORDER BY name COLLATE \"en-x-icu\", id", "SELECT name FROM people ORDER BY name COLLATE \"C\"",
        "SELECT a.id, b.id FROM people a JOIN people b ON a.name COLLATE \"en-x-icu\" = b.name",
        "SELECT max(name COLLATE \"en-x-icu\"), min(name COLLATE \"C\") FROM people",
        "SELECT id FROM people WHERE name LIKE 'B%'", "SELECT id FROM people WHERE name ILIKE 'b%'"],
    7: ["SELECT id FROM people WHERE age / 2 = 1", "SELECT id FROM people WHERE age / 2 = 2", "SELECT id FROM people WHERE age % 2 = 1",
        "SELECT id FROM people WHERE n = 9007199254740993", "SELECT id FROM people WHERE n = 9007199254740992",
        "SELECT id FROM people ORDER BY id LIMIT 9223372036854775807", "SELECT id FROM people ORDER BY id OFFSET 4294967296",
        "SELECT age FROM people ORDER BY age NULLS FIRST FETCH FIRST 1 ROW WITH TIES", "SELECT id FROM people WHERE n = 0.1",
        "SELECT id FROM people WHERE age > 2147483648", "SELECT sum(n) FROM people"],
    8: ["SELECT boss FROM people GROUP BY boss HAVING count(*) > 0 AND sum(age) > 10 AND max(age) > 30",
        "SELECT flag FROM people GROUP BY flag HAVING min(age) < 10 OR max(age) > 60",
        "SELECT count(*), count(age), sum(age), min(age), max(age) FROM people"],
    11: ["SELECT id, (SELECT count(*) FROM people b WHERE b.boss = a.id) FROM people a"],
    12: ["SELECT id, tags FROM people", "SELECT id, tags[2] IS NULL FROM people WHERE tags IS NOT NULL"],
    13: ["SELECT id FROM people WHERE ((age > 1 AND age < 50) <= true)", "SELECT id FROM people WHERE (flag = (age > 5))",
         "SELECT id FROM people WHERE (age > 1) IS TRUE"],
}


def compared(world):
    with world.connect("UA") as on, world.connect("UA", pushdown=False) as off, world.connect("UA") as local:
        off.execute("CREATE TABLE local.people AS SELECT * FROM people")
        local.execute("SET search_path = local")
        is_(world.value(local, "SELECT count(*) FROM people"), 6, "positive control: six rows to compare")
        for number, queries in COMPARED.items():
            for query in queries:
                for hint in ("", "SET enable_hashjoin = off; SET enable_hashagg = off; SET enable_nestloop = off") \
                        if "JOIN" in query else ("",):
                    answers = []
                    for session in (on, off, local):
                        if hint:
                            session.execute(hint)
                        rows = [repr(row) for row in session.execute(query).fetchall()]
                        answers.append(rows if "ORDER BY" in query else sorted(rows))
                        if hint:
                            session.execute("RESET enable_hashjoin; RESET enable_hashagg; RESET enable_nestloop")
                    ok(answers[0] == answers[1] == answers[2], "%d: %s%s" % (number, query, " (merge)" if hint else "")) \
                        or diag(answers)


def mixed_types(world):
    for pushdown in (True, False):
        with world.connect("UA", pushdown=pushdown) as session:
            is_(sorted(world.column(session, "SELECT id FROM mixed_null WHERE v > 30")), [2, 11],
                "5: only numbers that fit are above 30, pushdown %s" % pushdown)
            is_(sorted(world.column(session, "SELECT id FROM mixed_text WHERE v > '3'")), [3, 4],
                "5: only texts are above '3', pushdown %s" % pushdown)
            throws(("22018", "22003"), lambda: world.rows(session, "SELECT v FROM mixed"),
                   "5: under error a mismatch is said, not skipped, pushdown %s" % pushdown)


def two_databases(world):
    """9: the same collection name in two databases; and a server that changes under an open cursor."""
    with world.admin() as admin, world.connect("UA") as session:
        is_(world.rows(session, "SELECT a.name, b.name FROM people a JOIN people_elsewhere b USING (id) ORDER BY 1"),
            [("Ann", "elsewhere")], "9: a join of two databases reads both")
        for change, undo in (("OPTIONS (ADD fetch_size '7')", "OPTIONS (DROP fetch_size)"),
                             ("OPTIONS (SET database 'mtf_nowhere')", "OPTIONS (SET database '%s')" % world.name),
                             ("OPTIONS (SET uri 'mongodb://127.0.0.1:1/')", "OPTIONS (SET uri '%s')" % world.uri)):
            with session.transaction():
                session.execute("DECLARE c CURSOR FOR SELECT id FROM numbers")
                got = len(world.rows(session, "FETCH 5 c"))
                admin.execute("ALTER SERVER mongo " + change)
                got += len(world.rows(session, "FETCH ALL c"))
                is_(got, 5000, "10: ALTER SERVER … %s under an open cursor: the cursor is whole" % change)
            admin.execute("ALTER SERVER mongo " + undo)
        is_(world.value(session, "SELECT count(*) FROM numbers"), 5000, "10: and the session goes on")


def views_and_roles(world, server_uri):
    """9: a view reads with the credentials of its owner, a table with those of its reader."""
    with world.admin() as admin:
        admin.execute("DO $$ BEGIN CREATE ROLE mtf_other LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
        admin.execute("CREATE SERVER guarded FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'x',"
                      " providers 'test', tenant_field 'tenant_id')" % server_uri)
        admin.execute("CREATE FOREIGN TABLE guarded (id integer) SERVER guarded")
        admin.execute("CREATE VIEW through AS SELECT * FROM guarded; ALTER VIEW through OWNER TO mtf_other")
        admin.execute("GRANT SELECT ON guarded TO mtf_app, mtf_other; GRANT SELECT ON through TO mtf_app")
        for role, name in (("mtf_app", "reader"), ("mtf_other", "owner")):
            admin.execute("CREATE USER MAPPING FOR %s SERVER guarded OPTIONS (username '%s', password 'p',"
                          " auth_source 'admin')" % (role, name))


def saslnames(commands):
    """User names in the SCRAM exchanges that a server saw."""
    found = []
    for command in commands:
        payload = bytes(command.get("payload", b""))
        if "saslStart" in command and b"n=" in payload:
            found.append(payload.split(b"n=", 1)[1].split(b",")[0].decode())
    return found


def credentials(world):
    refused = {"ok": 0.0, "code": 18, "errmsg": "refused", "codeName": "AuthenticationFailed"}
    with LyingServer(lambda command: refused) as server:
        views_and_roles(world, server.uri)
        with world.connect("UA") as session:
            throws("28000", lambda: session.execute("SELECT * FROM guarded"), "9: the reader's password is refused")
            is_(set(saslnames(server.commands)), {"reader"}, "9: a table is read with its reader's credentials")
            server.commands.clear()
            throws("28000", lambda: session.execute("SELECT * FROM through"), "9: the owner's password is refused")
            is_(set(saslnames(server.commands)), {"owner"}, "9: a view is read with its owner's credentials")


def round_trips(world):
    """11: one command for a query, no ping before it; a batch is not fixed at 1000 documents."""
    with LyingServer(lambda command: batch(command, [dict(TENANT, id=1)])) as server:
        with world.admin() as admin:
            admin.execute("CREATE SERVER counted FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'x',"
                          " providers 'test', tenant_field 'tenant_id')" % server.uri)
            admin.execute("CREATE FOREIGN TABLE counted (id integer) SERVER counted; GRANT SELECT ON counted TO mtf_app")
        with world.connect("UA") as session:
            is_(world.rows(session, "SELECT id FROM counted"), [(1,)], "11: positive control")
            server.commands.clear()
            session.execute("SELECT id FROM counted WHERE id = 1").fetchall()
            is_([next(iter(command)) for command in server.commands], ["aggregate"], "11: one command for one query")
            server.commands.clear()
            session.execute("EXPLAIN (VERBOSE) SELECT id FROM counted WHERE id = 1").fetchall()
            is_(server.commands, [], "11: planning and EXPLAIN send nothing")
            session.execute("SELECT id FROM counted WHERE id = NULL").fetchall()
            session.execute("SELECT id FROM counted WHERE id = ANY ('{}')").fetchall()
            is_(server.commands, [], "11: nor does a query that cannot have rows")
            project = None
            session.execute("SELECT 1 FROM counted").fetchall()
            for stage in server.commands[-1]["pipeline"]:
                project = stage.get("$project", project)
            is_(sorted(name for name, value in project.items() if value), ["tenant_id"],
                "11: only what is needed is asked for, and the tenant")


with World() as world:
    world.load("typed")
    world.mongo["people"].insert_many(PEOPLE)
    world.mongo["mixed"].insert_many(MIXED)
    world.mongo["numbers"].insert_many([dict(TENANT, id=number) for number in range(5000)])
    elsewhere = world.client[world.name + "_elsewhere"]
    elsewhere.drop_collection("people")
    elsewhere["people"].insert_many([dict(TENANT, id=1, name="elsewhere"), dict(tenant_id="DL", id=1, name="DL elsewhere")])
    with world.admin() as admin:
        admin.execute("CREATE SCHEMA local; GRANT USAGE, CREATE ON SCHEMA local TO mtf_app")
        admin.execute("CREATE FOREIGN TABLE people (%s) SERVER mongo" % COLUMNS)
        admin.execute("CREATE FOREIGN TABLE people_elsewhere (id integer, name text) SERVER mongo"
                      " OPTIONS (database '%s_elsewhere', collection 'people')" % world.name)
        admin.execute("CREATE FOREIGN TABLE numbers (id integer) SERVER mongo")
        for table, kind, mismatch in (("mixed", "integer", "error"), ("mixed_null", "integer", "null"), ("mixed_text", "text", "null")):
            admin.execute("CREATE FOREIGN TABLE %s (id integer, v %s) SERVER mongo OPTIONS (collection 'mixed', on_mismatch '%s')"
                          % (table, kind, mismatch))
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO mtf_app")
    compared(world)
    mixed_types(world)
    two_databases(world)
    credentials(world)
    round_trips(world)
    world.client.drop_database(elsewhere.name)
done()
