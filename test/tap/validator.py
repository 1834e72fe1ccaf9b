"""trust_types 'validator': what a strict $jsonSchema proves needs no guards; the tenant's predicate stays."""
import re

from bson.decimal128 import Decimal128

from tap import World, ok, is_, throws, done

SCHEMA = {"bsonType": "object", "properties": {
    "i": {"bsonType": "int"}, "maybe": {"bsonType": ["int", "null"]}, "t": {"bsonType": "string"},
    "n": {"bsonType": "decimal", "multipleOf": 1, "minimum": -999999999, "maximum": 999999999},
    "loose": {"bsonType": ["int", "string"]}, "step": {"bsonType": "decimal"},
    "a": {"bsonType": "object", "properties": {"b": {"bsonType": "int"}}},
    "list": {"properties": {"b": {"bsonType": "int"}}}}}
COLUMNS = ("id integer, i integer, maybe integer, t text, n numeric(9,0), loose integer, step numeric(9,2), "
           "\"a.b\" integer OPTIONS (path 'a.b'), \"list.b\" integer OPTIONS (path 'list.b'), small smallint "
           "OPTIONS (path 'i')")


def create(world, name, **options):
    collection = world.mongo[name]
    collection.drop()
    world.mongo.create_collection(name, validator={"$jsonSchema": SCHEMA}, **options)
    for tenant, factor in (("UA", 1), ("DL", 100)):
        world.mongo[name].insert_many([
            {"tenant_id": tenant, "id": k, "i": k * factor, "maybe": None if k % 2 else k, "t": "t%d" % (k % 3),
             "n": Decimal128("%d" % k), "loose": k, "step": Decimal128("1.5"), "a": {"b": k}, "list": {"b": k}}
            for k in range(10)])


def table(admin, name, collection, trust):
    admin.execute("CREATE FOREIGN TABLE %s (%s) SERVER mongo OPTIONS (collection '%s', trust_types '%s');"
                  " GRANT SELECT ON %s TO mtf_app" % (name, COLUMNS, collection, trust, name))


def pipeline(session, query):
    plan = "\n".join(row[0] for row in session.execute("EXPLAIN (VERBOSE, COSTS OFF) " + query).fetchall())
    return re.search(r"Pipeline: (.*)", plan).group(1)


def is_guarded(session, name, column):
    sent = pipeline(session, 'SELECT count("%s") FROM %s' % (column, name))
    ok('"tenant_id" : { "$type" : "string" }' in sent, "%s.%s: the tenant's type is tested all the same" % (name, column))
    return '{ "$type" : "$%s" }' % {"small": "i"}.get(column, column) in sent


with World() as world:
    create(world, "strict", validationLevel="strict", validationAction="error")
    create(world, "plain")
    create(world, "warns", validationLevel="strict", validationAction="warn")
    create(world, "moderate", validationLevel="moderate", validationAction="error")
    # FerretDB does not list validators: then nothing is proven.
    tells = any("validator" in one.get("options", {}) for one in world.mongo.list_collections(filter={"name": "strict"}))
    with world.admin() as admin:
        for name in ("strict", "plain", "warns", "moderate"):
            table(admin, name, name, "validator")
        table(admin, "guarded", "strict", "false")
        throws("HV00D", lambda: table(admin, "wrong", "strict", "validators"), "no other word")
    with world.connect("UA") as ua:
        for column in ("i", "maybe", "t", "n", "a.b"):
            is_(is_guarded(ua, "strict", column), not tells, "%s: proven, no test of its type" % column)
            ok(is_guarded(ua, "guarded", column), "%s: without the option it is tested" % column)
        for column, why in (("loose", "one type too many"), ("step", "any scale"), ("list.b", "an array may lie on the way"),
                            ("small", "no bounds"), ("id", "not in the schema")):
            ok(is_guarded(ua, "strict", column), "%s: tested (%s)" % (column, why))
        is_(is_guarded(ua, "plain", "i"), not tells, "level and action are strict and error when nothing is said")
        ok(is_guarded(ua, "warns", "i"), "a validator that warns proves nothing")
        ok(is_guarded(ua, "moderate", "i"), "nor does one that spares documents")
        for query in ("SELECT count(*), sum(i), count(maybe), min(n), max(n), sum(n) FROM %s",
                      "SELECT t, count(*), sum(i), sum(\"a.b\") FROM %s WHERE i > 2 AND n < 8 GROUP BY t ORDER BY t"):
            is_(ua.execute(query % "strict").fetchall(), ua.execute(query % "guarded").fetchall(), "the same rows: " + query)
        is_(ua.execute("SELECT sum(i) FROM strict").fetchone()[0], 45, "UA's only")
        ua.execute("SET plan_cache_mode = force_generic_plan")
        ua.execute("PREPARE p AS SELECT sum(i) FROM strict")
        is_(ua.execute("EXECUTE p").fetchone()[0], 45, "a prepared statement")
        # What was read is believed for half a minute; a change of any table ends that at once.
        world.mongo.command("collMod", "strict", validator={})
        with world.admin() as admin:
            admin.execute("ALTER FOREIGN TABLE plain OPTIONS (ADD fetch_size '7')")
        if tells:
            throws("55000", lambda: ua.execute("EXECUTE p"), "a plan by a proof that is gone does not run")
        is_(ua.execute("EXECUTE p").fetchone()[0], 45, "and is made again")
        ok(is_guarded(ua, "strict", "i"), "the validator is gone: tested again")
    with world.connect() as nobody:
        ok(is_guarded(nobody, "plain", "i"), "without a token nothing is asked and nothing proven")
    with world.connect("DL") as dl:
        is_(dl.execute("SELECT sum(i) FROM plain").fetchone()[0], 4500, "DL's only")
        is_(is_guarded(dl, "plain", "i"), not tells, "positive control: proven")
        with world.admin() as admin:
            admin.execute("ALTER SERVER mongo OPTIONS (SET database '%s_elsewhere')" % world.name)
            ok(is_guarded(dl, "plain", "i"), "the server has another database: nothing is proven there")
            admin.execute("ALTER SERVER mongo OPTIONS (SET database '%s')" % world.name)
done()
