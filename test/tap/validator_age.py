"""trust_types 'validator': what a server said is believed for half a minute, and no longer.

Nobody tells a session that a $jsonSchema was changed, and none of its tables is altered here.  This file sleeps once,
for as long as a proof is good.
"""
import time

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from tap import World, done, is_, ok, throws
from wire import LyingServer, batch

GOOD_FOR = 30
COLUMN = {"looser": "i", "tighter": "i"}


def options(**properties):
    return {"validator": {"$jsonSchema": {"properties": properties}}}


class Collections:
    """A server whose collections have the options that a test says, and one document of UA."""

    def __init__(self):
        self.options = {}
        self.documents = {}
        self.asked = []

    def answer(self, command):
        name = next(iter(command))
        if name == "listCollections":
            collection = command["filter"]["name"]
            self.asked.append(collection)
            return {"cursor": {"id": Int64(0), "ns": "x.$cmd.listCollections", "firstBatch": [
                {"name": collection, "type": "collection", "options": self.options[collection]}]}, "ok": 1.0}
        if name == "aggregate":
            return batch(command, self.documents.get(command["aggregate"], []))
        return {"ok": 1.0}


def make_table(admin, name, columns):
    admin.execute("CREATE FOREIGN TABLE %s (%s) SERVER scripted OPTIONS (collection '%s', trust_types 'validator');"
                  " GRANT SELECT ON %s TO mtf_app" % (name, columns, name, name))


def guards(session, table, column="i"):
    """Is the type of the column tested in what a count of it would send?"""
    plan = "\n".join(row[0] for row in session.execute(
        "EXPLAIN (VERBOSE, COSTS OFF) SELECT count(%s) FROM %s" % (column, table)).fetchall())
    ok('"$group"' in plan, "%s.%s: counted by the server" % (table, column))
    return '{ "$type" : "$%s" }' % column in plan


def steps(session, admin, server):
    """multipleOf by all types of numbers: numeric(p,s) is proven by a step of 10^-s alone."""
    for number, (what, kind, step, low, high, proven) in enumerate((
            ("a decimal step", "numeric(9,2)", Decimal128("0.01"), Decimal128("-9999999.99"), Decimal128("9999999.99"), True),
            ("the step with an exponent", "numeric(9,2)", Decimal128("1E-2"), -9999999, 9999999, True),
            ("the step with more digits", "numeric(9,2)", Decimal128("0.0100"), -9999999, 9999999, True),
            ("an integer step", "numeric(9,0)", 1, -999999999, 999999999, True),
            ("a long step", "numeric(9,0)", Int64(1), -999999999, 999999999, True),
            ("a decimal step of one", "numeric(9,0)", Decimal128("1"), -999999999, 999999999, True),
            ("a finer step", "numeric(9,2)", Decimal128("0.001"), -9999999, 9999999, False),
            ("a coarser step of another kind", "numeric(9,2)", Decimal128("0.03"), -9999999, 9999999, False),
            ("a double, which is not 0.01", "numeric(9,2)", 0.01, -9999999, 9999999, False),
            ("no number", "numeric(9,2)", Decimal128("NaN"), -9999999, 9999999, False),
            ("an infinite step", "numeric(9,2)", Decimal128("Infinity"), -9999999, 9999999, False),
            ("a text", "numeric(9,2)", "0.01", -9999999, 9999999, False),
            ("no step", "numeric(9,2)", None, -9999999, 9999999, False),
            ("bounds beyond the digits", "numeric(9,2)", Decimal128("0.01"), -9999999, Decimal128("10000000.00"), False),
            ("an infinite bound", "numeric(9,2)", Decimal128("0.01"), Decimal128("-Infinity"), 9999999, False),
            ("no bounds", "numeric(9,2)", Decimal128("0.01"), None, None, False))):
        name = "step%d" % number
        schema = {"bsonType": "decimal", "multipleOf": step, "minimum": low, "maximum": high}
        server.options[name] = options(n={key: value for key, value in schema.items() if value is not None})
        make_table(admin, name, "id integer, n %s" % kind)
        is_(not guards(session, name, "n"), proven, "%s, multipleOf %s: %s" % (kind, step, what))


def age(session, admin, server):
    typed, untyped = options(i={"bsonType": "int"}), options(i={"bsonType": ["int", "string"]})
    server.options.update(looser=typed, tighter=untyped)
    for name in ("looser", "tighter"):
        make_table(admin, name, "id integer, i integer")
    session.execute("SET plan_cache_mode = force_generic_plan")
    start = time.monotonic()
    ok(not guards(session, "looser") and guards(session, "tighter"), "one is proven, the other is not")
    session.execute("PREPARE p AS SELECT count(i) FROM looser")
    server.documents["looser"] = []
    is_(session.execute("EXECUTE p").fetchone()[0], 0, "a plan by a proof")
    server.options.update(looser=untyped, tighter=typed)
    before = len(server.asked)
    for _ in range(10):
        guards(session, "looser")
        session.execute("EXECUTE p")
    if time.monotonic() - start < GOOD_FOR:
        is_(len(server.asked), before, "what was said is not asked again")
    time.sleep(max(0, start + GOOD_FOR + 1 - time.monotonic()))
    throws("55000", lambda: session.execute("EXECUTE p"), "half a minute later a plan by a proof that is gone does not run")
    ok(len(server.asked) > before, "the server was asked")
    ok(guards(session, "looser"), "the looser validator proves nothing any more")
    is_(session.execute("EXECUTE p").fetchone()[0], 0, "the prepared statement is planned again, with tests of types")
    ok(not guards(session, "tighter"), "the tighter one proves")


server = Collections()
with LyingServer(server.answer) as liar, World(engine=False) as world, world.admin() as admin:
    admin.execute("CREATE SERVER scripted FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'x',"
                  " providers 'test', tenant_field 'tenant_id')" % liar.uri)
    with world.connect("UA") as session:
        steps(session, admin, server)
        age(session, admin, server)
done()
