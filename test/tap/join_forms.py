"""Every form of a join keeps tenants apart: what is sent, and what comes back.

Two tenants have documents with the same ids on both sides, and there are documents of nobody; each form is forced, seen
in the plan, and asked by both tenants: the rows are the tenant's own, all of them, and each pipeline that was
sent (a $lookup's and a $unionWith's, however deep) begins with the tenant's predicate.
"""
from recorder import Recorder
from tap import World, done, is_, ok

TENANTS = {"UA": "DL", "DL": "UA"}
FORCED = ("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_hashagg = off; SET enable_sort = off;"
          "SET enable_material = off; SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'enable_memoize'")
NESTED = "SELECT a.w, b.w, c.w FROM a LEFT JOIN (b JOIN a c ON c.id = b.id) ON b.id = a.id"
CHAIN = "SELECT a.w, b.w, c.w FROM a JOIN b ON b.id = a.id LEFT JOIN a c ON c.id = b.k"
PLAIN = "SELECT a.w, b.w FROM a JOIN b ON b.id = a.id"
FULL = "SELECT a.w, b.w FROM a FULL JOIN b ON b.id = a.k"
LEFT = "SELECT a.w, b.w FROM a LEFT JOIN b ON b.id = a.k"
SEMI = "SELECT a.w, a.w FROM a WHERE EXISTS (SELECT FROM b WHERE b.id = a.k)"
ANTI = "SELECT a.w, a.w FROM a WHERE NOT EXISTS (SELECT FROM b WHERE b.id = a.n)"
IN = "SELECT a.w, a.w FROM a WHERE a.k IN (SELECT b.id FROM b WHERE b.n > 5)"
FULL_OF_THREE = "SELECT a.w, b.w, c.w FROM a FULL JOIN b ON b.id = a.k FULL JOIN a c ON c.id = b.n"
MERGED = "SELECT a.w, b.w, c.w FROM a FULL JOIN (SELECT k AS id, w FROM b) b USING (id) FULL JOIN (SELECT n AS id, w FROM a) c USING (id)"
GROUPS = "SELECT min(a.w), max(b.w) FROM a JOIN b ON b.id = a.id GROUP BY a.k"
# What it is called, settings, the stage that the plan must have, and the query.
FORMS = [
    ("$lookup, inner", "lookup", "$lookup", PLAIN),
    ("$lookup, left", "lookup", "$lookup", LEFT),
    ("$lookup, semi", "lookup", "$lookup", SEMI),
    ("$lookup, anti", "lookup", "$lookup", ANTI),
    ("$lookup, IN", "lookup", "$lookup", IN),
    ("$lookup, full", "lookup", "$lookup", FULL),
    ("$lookup, chain", "lookup", "$lookup", CHAIN),
    ("$lookup, nested", "lookup", "$lookup", NESTED),
    ("$lookup below groups", "lookup", "$lookup", GROUPS),
    ("$unionWith, inner", "hash", "$unionWith", PLAIN),
    ("$unionWith, left", "hash", "$unionWith", LEFT),
    ("$unionWith, semi", "hash", "$unionWith", SEMI),
    ("$unionWith, anti", "hash", "$unionWith", ANTI),
    ("$unionWith, IN", "hash", "$unionWith", IN),
    ("$unionWith, full", "hash", "$unionWith", FULL),
    ("$unionWith, full of three", "hash", "$unionWith", FULL_OF_THREE),
    ("$unionWith, chain", "hash", "$unionWith", CHAIN),
    ("$unionWith, merged columns", "hash", "$ifNull", MERGED),
    ("$unionWith, nested", "hash", "$unionWith", NESTED),
    ("$unionWith, nested and full", "hash", "$unionWith", "SELECT a.w, b.w, c.w FROM a FULL JOIN (b JOIN a c ON c.id = b.id) ON b.id = a.k"),
    ("$unionWith below groups", "hash", "$unionWith", GROUPS),
    ("$unionWith below LIMIT", "hash", "$limit", "SELECT a.w, b.w FROM a JOIN b ON b.id = a.id ORDER BY a.id LIMIT 3"),
    ("bind, inner", "bind", "Bind Join", PLAIN),
    ("bind, left", "bind", "Bind Join", LEFT),
    ("bind, semi", "bind", "Bind Join", SEMI),
    ("bind, anti", "bind", "Bind Join", ANTI),
    ("bind, IN", "bind", "Bind Join", IN),
    ("bind, outside a local table", "bind", "Bind Join", "SELECT b.w, b.w FROM local_ids l JOIN b ON b.id = l.id"),
    ("bind, chain", "bind", "Bind Join", CHAIN),
    ("parameterised", "none", "Nested Loop", PLAIN),
    ("parameterised, left", "none", "Nested Loop", LEFT),
    ("parameterised, LATERAL", "none", "Nested Loop", "SELECT a.w, x.w FROM a, LATERAL (SELECT b.w FROM b WHERE b.id = a.k ORDER BY b.id LIMIT 1) x"),
    ("NOT IN, here", "none", "hashed SubPlan", "SELECT a.w, a.w FROM a WHERE a.n NOT IN (SELECT b.id FROM b)"),
    ("parameterised, a subquery", "none", "SubPlan", "SELECT a.w, (SELECT max(b.w) FROM b WHERE b.id = a.k) FROM a"),
    ("refused, then $lookup", "refused", "$unionWith", PLAIN),
    ("refused, full", "refused", "$unionWith", FULL),
    ("refused, full of three", "refused", "$unionWith", FULL_OF_THREE),
    ("refused, nested", "refused", "$unionWith", NESTED),
    ("refused, merged columns", "refused", "$ifNull", MERGED),
    ("local", "off", "Join|Nested Loop", PLAIN)]


def prepare(world, admin, uri):
    for name, letter in (("a", "a"), ("b", "b")):
        world.mongo[name].insert_many(
            [{"tenant_id": tenant, "id": n, "k": (n * 2) % 9, "n": n + 4, "w": "%s%s%d" % (tenant, letter, n)}
             for tenant in TENANTS for n in range(8)] +
            # Nobody's, and keys that are everybody's poison.
            [{"tenant_id": owner, "id": n, "k": n, "n": n, "w": "nobody's"} for owner in (None, ["UA", "DL"], 1, "ua", "") for n in range(8)] +
            [{"id": n, "k": n, "n": n, "w": "nobody's"} for n in range(8)])
    admin.execute("CREATE SERVER s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s', providers 'test',"
                  " tenant_field 'tenant_id', collation 'none')" % (uri, world.name))
    admin.execute("CREATE USER MAPPING FOR PUBLIC SERVER s")
    for name in ("a", "b"):
        admin.execute("CREATE FOREIGN TABLE %s (id integer, k integer, n integer, w text) SERVER s; GRANT SELECT ON %s TO mtf_app" % (name, name))
    admin.execute("CREATE TABLE local_ids AS SELECT generate_series(0, 20) AS id; ANALYZE local_ids; GRANT SELECT ON local_ids TO mtf_app")


def pipelines(stages):
    """A pipeline and all those within it."""
    yield stages
    for stage in stages:
        for body in stage.values():
            if isinstance(body, dict) and isinstance(body.get("pipeline"), list):
                yield from pipelines(body["pipeline"])


def begins_with(stages, tenant):
    first = [stage.get("$match", {}) for stage in stages[:2]]
    whole = [{"tenant_id": {"$eq": tenant}}, {"tenant_id": {"$type": "string"}}, {"tenant_id": {"$not": {"$type": "array"}}}]
    # Under collation 'none' bytes are compared as well.
    return len(first) == 2 and first[0].get("tenant_id") == tenant and first[1]["$and"][0]["$and"][:3] == whole


def configure(session, method):
    session.execute(FORCED)
    session.execute("SELECT set_config('mongo_tenant.enable_join_pushdown', '%s', false)" % ("off" if method in ("none", "off") else "on"))
    session.execute("SET enable_nestloop = %s" % ("on" if method in ("none", "off") else "off"))
    session.execute("SET mongo_tenant.join_method = %s" % {"refused": "hash", "none": "auto", "off": "auto"}.get(method, method))


def ask(world, recorder, session, tenant, name, method, stage, query):
    plan = "\n".join(world.column(session, "EXPLAIN (VERBOSE) " + query))
    ok(any(word in plan for word in stage.split("|")), "%s, %s: it is that form" % (name, tenant)) or print("# " + plan.replace("\n", "\n# "))
    recorder.commands.clear()
    if method == "refused":
        recorder.refuse = lambda stages: any("$group" in one for one in stages) and not any("$lookup" in one for one in stages)
    rows = world.rows(session, query)
    recorder.refuse = None
    sent = [stages for command in recorder.commands for stages in pipelines(command.get("pipeline", []))]
    ok(sent and all(begins_with(stages, tenant) for stages in sent), "  the tenant first in each of %d pipelines" % len(sent))
    inner = sum(len(list(pipelines(command.get("pipeline", [])))) - 1 for command in recorder.commands)
    ok((inner > 0) == (method in ("lookup", "hash", "refused")), "  %d of them within others" % inner)
    return rows


with World() as world, Recorder(world.uri) as recorder:
    with world.admin() as admin:
        prepare(world, admin, recorder.uri)
        off = {tenant: world.connect(tenant, pushdown=False) for tenant in TENANTS}
        on = {tenant: world.connect(tenant) for tenant in TENANTS}
        for index in ("", " with an index"):
            if index:
                world.mongo["a"].create_index([("tenant_id", 1), ("id", 1)])
                world.mongo["b"].create_index([("tenant_id", 1), ("id", 1)])
            for name, method, stage, query in FORMS:
                answers = {}
                for tenant, other in TENANTS.items():
                    configure(on[tenant], method)
                    rows = answers[tenant] = ask(world, recorder, on[tenant], tenant, name + index, method, stage, query)
                    words = [word for row in rows for word in row if word is not None]
                    ok(words and all(word.startswith(tenant) for word in words), "  %d values of %s's own" % (len(words), tenant))
                    is_(sorted(map(repr, rows)), sorted(map(repr, world.rows(off[tenant], query))), "  the rows that there are without pushdown")
                is_([[word and word[2:] for word in row] for row in sorted(answers["UA"], key=repr)],
                    [[word and word[2:] for word in row] for row in sorted(answers["DL"], key=repr)],
                    "  the same ids for both tenants: nothing is lost")
done()
