"""Every poison document is tried by every tenant: a row belongs to its tenant, or nobody gets it."""
import re

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from tap import World, ok, is_, diag, done, throws

import fixtures

STRINGS = ["UA", "DL", "ua", "1", fixtures.NFC, fixtures.NFD, "$tenant_id", ".*", str(fixtures.AN_OBJECTID),
           str(fixtures.A_UUID), "UA ", " UA", "nobody", '{"$ne": null}', "$$ROOT", "UA|DL", "true"]
TABLES = {
    "string": ("poison", STRINGS),
    "int": ("poison_int", [1, 2, 3]),
    "objectid": ("poison_objectid", [str(fixtures.AN_OBJECTID), "0" * 24]),
    "uuid": ("poison_uuid", [str(fixtures.A_UUID), "00000000-0000-4000-8000-000000000000"]),
}
CLEAN = [row for row in fixtures.poison()]
WEIRD = {"twice 101", "twice 102", "twice 103", "symbol"}


def expected(kind, tenant):
    return sorted(row["label"] for row in CLEAN if row["belongs"] == "%s:%s" % (kind, tenant))


METHODS = {"lookup": "$lookup", "hash": "$unionWith"}
joined = dict.fromkeys(METHODS, 0)  # plans that really joined remotely, and so


def shared_lines(world):
    """airlines again, on the server of each kind of tenant: two tables of one server can join remotely."""
    with world.admin() as admin:
        for kind, server in (("string", "mongo"), ("int", "mongo_int"), ("objectid", "mongo_objectid"), ("uuid", "mongo_uuid")):
            admin.execute("SELECT mongo_tenant.set_policy(%s, 'airlines', shared => true)", (server,))
            admin.execute("CREATE FOREIGN TABLE lines_%s (carrier text, name text) SERVER %s OPTIONS (collection 'airlines');"
                          "GRANT SELECT ON lines_%s TO mtf_app" % (kind, server, kind))


def queries(table):
    """The same set of rows asked for in ways that take other roads through planner and server."""
    joins = {
        "from": "SELECT p.label FROM %s p JOIN lines l ON l.carrier = p.airline" % table,
        "into": "SELECT p.label FROM lines l JOIN %s p ON l.carrier = p.airline" % table,
        "left": "SELECT p.label FROM lines l LEFT JOIN %s p ON l.carrier = p.airline WHERE p.label IS NOT NULL" % table,
        "full": "SELECT p.label FROM lines l FULL JOIN %s p ON l.carrier = p.airline" % table,
        "self": "SELECT b.label FROM %s a JOIN %s b ON a.id = b.id" % (table, table),
        "semi": "SELECT p.label FROM %s p WHERE EXISTS (SELECT FROM lines l WHERE l.carrier = p.airline)" % table,
    }
    return {
        **{"%s %s" % (method, name): query for method in METHODS for name, query in joins.items()},
        "scan": "SELECT label FROM %s" % table,
        "filter": "SELECT label FROM %s WHERE id > 0 OR id IS NULL" % table,
        "negated filter": "SELECT label FROM %s WHERE NOT (id < 0)" % table,
        "order": "SELECT label FROM %s ORDER BY id" % table,
        "distinct": "SELECT DISTINCT label FROM %s" % table,
        "group": "SELECT label FROM %s GROUP BY label" % table,
        "join with a shared table": "SELECT p.label FROM %s p JOIN airlines a ON a.carrier = p.airline" % table,
        "self join": "SELECT a.label FROM %s a JOIN %s b USING (id)" % (table, table),
        "semi join": "SELECT label FROM %s p WHERE EXISTS (SELECT FROM airlines a WHERE a.carrier = p.airline)" % table,
        "lateral": "SELECT x.label FROM airlines a, LATERAL (SELECT * FROM %s p WHERE p.airline = a.carrier) x" % table,
    }


def try_tenant(world, kind, table, tenant, pushdown, seen):
    who = "%s %r, pushdown %s" % (kind, tenant, "on" if pushdown else "off")
    want = expected(kind, tenant)
    with world.connect(tenant, pushdown=pushdown) as session:
        wrong = []
        for name, query in queries(table).items():
            # A shared collection of the same server, and one way to join.
            method = name.split()[0]
            remote = method in METHODS and pushdown
            if method in METHODS:
                session.execute("SET mongo_tenant.join_method = %s" % method)
                query = query.replace("lines", "lines_" + kind)
            session.execute("SET enable_hashjoin = %s; SET enable_mergejoin = %s; SET enable_nestloop = %s"
                            % ((("off" if remote else "on"),) * 3))
            labels = world.column(session, query)
            if remote:
                joined[method] += METHODS[method] in str(world.rows(session, "EXPLAIN (VERBOSE) " + query))
            labels = [label for label in labels if label is not None]
            seen.setdefault((kind, tenant), set()).update(labels)
            got = sorted(label for label in labels if label not in WEIRD)
            if got != want:
                wrong.append("%s: got %r, expected %r" % (name, got, want))
        if not ok(not wrong, "%s: own documents only, %d of them, asked for in many ways" % (who, len(want))):
            diag("\n".join(wrong))
        rows = len(world.column(session, "SELECT label FROM %s" % table))
        is_(world.value(session, "SELECT count(*) FROM %s" % table), rows, who + ": count(*) counts those rows")


def try_nested(world, pushdown):
    for table, documents in (("nested", list(fixtures.nested())), ("folded", list(fixtures.folded()))):
        for tenant in ("UA", "DL", "ua", "Ua", "dl", "\u00dcA", "nobody"):
            want = sorted(row["label"] for row in documents if row["belongs"] == tenant)
            with world.connect(tenant, pushdown=pushdown) as session:
                is_(sorted(world.column(session, "SELECT label FROM %s" % table)), want,
                    "%s as %s, pushdown %s: own documents only" % (table, tenant, pushdown))
                is_(world.value(session, "SELECT count(*) FROM %s" % table), len(want),
                    "%s as %s, pushdown %s: count(*)" % (table, tenant, pushdown))


def refuse_twice(world):
    """A server may show both of two tenant fields when it projects (FerretDB does): then nobody may see the
    document, and as long as it is there, whoever it would be shown to gets an error and no row."""
    raw = world.mongo["poison"].with_options(codec_options=CodecOptions(document_class=RawBSONDocument))
    shown = raw.aggregate([{"$project": {"_id": 0, "label": 1, "tenant_id": 1}}])
    fields = re.compile(rb"[\x02\x04]tenant_id\x00")  # a string's or an array's type, and the name
    labels = [document["label"] for document in shown if len(fields.findall(document.raw)) > 1]
    if not labels:
        return
    diag("projected with both tenant fields: %s" % ", ".join(labels))
    for tenant in ("UA", "DL"):
        with world.connect(tenant) as session:
            throws("XX001", lambda: session.execute("SELECT label FROM poison"),
                   "%s: a document with two tenant fields is an error" % tenant)
    world.mongo["poison"].delete_many({"label": {"$in": labels}})


with World() as world:
    world.load("poison", "nested", "folded", "airlines")
    refuse_twice(world)
    shared_lines(world)
    stored = world.mongo["poison"].count_documents({})
    ok(stored >= len(CLEAN), "the server holds the poison: %d documents" % stored)
    seen = {}
    for kind, (table, tenants) in TABLES.items():
        for tenant in tenants:
            for pushdown in (True, False):
                try_tenant(world, kind, table, tenant, pushdown, seen)
    for label in sorted(WEIRD):
        viewers = [who for who, labels in seen.items() if label in labels]
        ok(len(viewers) <= 1, "%s: at most one tenant sees it" % label) or diag(viewers)
    for method in METHODS:
        ok(joined[method] > 20, "%d plans joined remotely by %s" % (joined[method], METHODS[method]))
    everybody = set().union(*seen.values())
    nobodys = sorted(row["label"] for row in CLEAN if row["belongs"] is None)
    is_([label for label in nobodys if label in everybody], [], "%d documents are nobody's" % len(nobodys))
    try_nested(world, True)
    try_nested(world, False)
done()
