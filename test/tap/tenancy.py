"""tenant_match 'array', dotted tenant fields, collation 'none': predicate and recheck agree.

Every document of a hostile collection is tried by every tenant under every policy; each is either
returned to exactly those that it belongs to or silently filtered: nothing raises, nothing leaks.
"""
import bson
from bson import Int64, ObjectId

from tap import World, ok, is_, throws, diag, done

TENANTS = ("UA", "ua", "DL", "A", "")

# What stands in the tenant field, and who owns it under 'scalar' and under 'array'.
VALUES = [
    ("a string", "UA", {"UA"}, set()),
    ("another case", "ua", {"ua"}, set()),
    ("another tenant", "DL", {"DL"}, set()),
    ("a prefix", "A", {"A"}, set()),
    ("an array of one", ["UA"], set(), {"UA"}),
    ("an array of two", ["UA", "DL"], set(), {"UA", "DL"}),
    ("an array of two cases", ["ua", "DL"], set(), {"ua", "DL"}),
    ("an array with others", [1, None, {"x": "DL"}, "UA"], set(), {"UA"}),
    ("a nested array", [["UA"], "DL"], set(), {"DL"}),
    ("an empty array", [], set(), set()),
    ("an array of documents", [{"t": "UA"}], set(), set()),
    ("a document", {"t": "UA", "0": "UA"}, set(), set()),
    ("null", None, set(), set()),
    ("a number", 7, set(), set()),
    ("an id", ObjectId(), set(), set()),
    ("a regular expression", bson.Regex("UA"), set(), set()),
    ("code", bson.Code("UA"), set(), set()),
    ("a longer one", "UAA", set(), set()),
]


def documents():
    for number, (label, value, scalar, array) in enumerate(VALUES):
        yield {"_id": number, "id": number, "label": label, "t": value, "n": {"t": value}, "d": {"e": {"t": value}}}
    # Paths through arrays, a name with a dot, nothing at all: nobody's under a dotted path.
    yield {"_id": 900, "id": 900, "label": "array on the path", "t": "nobody", "n": [{"t": "UA"}, {"t": "DL"}], "d": {"e": [{"t": "UA"}]}}
    yield {"_id": 901, "id": 901, "label": "array above", "t": "nobody", "n": [[{"t": "UA"}]], "d": [{"e": {"t": "UA"}}]}
    yield {"_id": 902, "id": 902, "label": "scalar on the path", "t": "nobody", "n": "UA", "d": {"e": "UA"}}
    yield {"_id": 903, "id": 903, "label": "nothing", "x": "UA"}


def owned(tenant, array):
    return {number for number, (_, _, scalar, members) in enumerate(VALUES) if tenant in (members if array else scalar)}


def matrix(world, admin):
    """The collection compares without case where the server honours default collations."""
    for collation in ("simple", "none"):
        for array in (False, True):
            for field in ("t", "n.t", "d.e.t"):
                name = "%s %s %s" % (field, "array" if array else "scalar", collation)
                server = name.replace(" ", "_").replace(".", "_")
                admin.execute("CREATE SERVER %s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s',"
                              " providers 'test', collation '%s')" % (server, world.uri, world.name, collation))
                admin.execute("CREATE FOREIGN TABLE tab_%s (id int, label text, whole jsonb OPTIONS (path '.')) SERVER %s OPTIONS (collection 'hostile');"
                              "GRANT SELECT ON tab_%s TO mtf_app" % (server, server, server))
                admin.execute("SELECT mongo_tenant.set_policy(%s, 'hostile', %s, match => %s)",
                              (server, field, "array" if array else "scalar"))
                wrong = []
                for tenant in TENANTS[:-1]:
                    with world.connect(tenant) as user:
                        for query in ("SELECT id FROM tab_%s", "SELECT id FROM tab_%s WHERE whole IS NOT NULL",
                                      "SELECT id FROM tab_%s WHERE label <> ''"):
                            try:
                                got = set(world.column(user, query % server))
                            except Exception as error:
                                got = str(error)
                            if got != owned(tenant, array):
                                wrong.append((tenant, query, got, owned(tenant, array)))
                ok(not wrong, "each tenant its own documents: " + name) or diag("\n".join(map(str, wrong[:4])))


with World() as world:
    world.mongo.create_collection("hostile", collation={"locale": "en", "strength": 2})
    world.mongo["hostile"].insert_many(documents())
    diag("this server %s default collations" % (
        "honours" if world.mongo["hostile"].count_documents({"label": "A STRING"}) else "ignores"))
    with world.admin() as admin:
        matrix(world, admin)
        is_(world.value(admin, "SELECT predicate::text FROM mongo_tenant.explain_policy('tab_n_t_array_simple')"),
            '{ "$and" : [ { "n.t" : { "$elemMatch" : { "$eq" : "<tenant>", "$type" : "string" } } },'
            ' { "n" : { "$not" : { "$type" : "array" } } } ] }', "the predicate of an array under a path")
        # Few servers honour default collations: what asks for bytes is looked at as well.
        for name, tests in (("t_scalar_none", 1), ("n_t_scalar_none", 1), ("t_array_none", 1), ("t_scalar_simple", 0)):
            predicate = world.value(admin, "SELECT predicate::text FROM mongo_tenant.explain_policy(%s)", "tab_" + name)
            is_([predicate.count('"$expr"'), predicate.count('{ "$indexOfBytes" : ['), predicate.count('"$strLenBytes"'),
                 predicate.count('{ "$literal" : "<tenant>" }')], [tests] * 4, "bytes are asked for where a server may fold case: " + name)
        # Typed arrays
        world.mongo["typed_arrays"].insert_many([{"id": 1, "t": [7, 8]}, {"id": 2, "t": [Int64(7)]}, {"id": 3, "t": [7.0]}, {"id": 4, "t": 7}, {"id": 5, "t": ["7"]}])
        admin.execute("SELECT mongo_tenant.set_policy('t_array_simple', 'typed_arrays', 't', 'int', match => 'array');"
                      "CREATE FOREIGN TABLE typed_arrays (id int) SERVER t_array_simple; GRANT SELECT ON typed_arrays TO mtf_app")
        with world.connect(7) as seven, world.connect(8) as eight, world.connect("7") as text:
            is_(sorted(world.column(seven, "SELECT id FROM typed_arrays")), [1, 2], "an array of integers: tenant 7")
            is_(world.column(eight, "SELECT id FROM typed_arrays"), [1], "an array of integers: tenant 8")
            throws("28000", lambda: text.execute("SELECT id FROM typed_arrays"), "an array of integers: a string claim")
        with world.connect("") as nobody:
            throws("28000", lambda: nobody.execute("SELECT id FROM tab_t_scalar_simple"), "an empty tenant")
done()
