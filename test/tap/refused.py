"""A server that refuses the first form of a join, before any row: the second form gives the same rows.

Its refusal comes through a proxy that adds a stage no server has.  Without a collation, under which DocumentDB
refuses the first form by itself.
"""
from recorder import Recorder
from tap import World, done, is_, ok, throws

REFUSED = "HV000"
TENANTS = ("UA", "DL")


def prepare(world, admin, uri):
    for name in ("a", "b"):
        world.mongo[name].insert_many([{"tenant_id": tenant, "id": n, "k": n % 3, "n": 7 * n + (tenant == "DL")}
                                       for tenant in TENANTS for n in range(12)])
    admin.execute("CREATE SERVER s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s', providers 'test',"
                  " tenant_field 'tenant_id', collation 'none')" % (uri, world.name))
    admin.execute("CREATE USER MAPPING FOR PUBLIC SERVER s")
    for name in ("a", "b"):
        admin.execute("CREATE FOREIGN TABLE %s (id integer, k integer, n numeric) SERVER s; GRANT SELECT ON %s TO mtf_app" % (name, name))


def pipelines(recorder, stage):
    return sum(any(stage in one for one in command.get("pipeline", [])) for command in recorder.commands)


def same_rows(world, recorder, on, off):
    # The last two are gathered before any row is given, for the server's numbers may not be exact.
    for query in ("SELECT a.id, b.n FROM a JOIN b USING (id)",
                  "SELECT a.k, count(*), sum(b.id) FROM a JOIN b USING (id) GROUP BY 1",
                  "SELECT a.k, sum(b.n) FROM a JOIN b USING (id) GROUP BY 1",
                  "SELECT a.k, stddev(b.id) FROM a JOIN b USING (id) GROUP BY 1"):
        query += " ORDER BY 1, 2"
        expected = world.rows(off, query)
        ok(expected, "there are rows: " + query)
        recorder.commands.clear()
        is_(world.rows(on, query), expected, "taken: " + query)
        ok(pipelines(recorder, "$unionWith") == 1 and not pipelines(recorder, "$lookup"), "  by its first form")
        recorder.commands.clear()
        recorder.refuse = lambda stages: any("$unionWith" in stage for stage in stages)
        is_(world.rows(on, query), expected, "refused: " + query)
        ok(pipelines(recorder, "$unionWith") == 1 and pipelines(recorder, "$lookup") == 1, "  then by its second form")
        recorder.refuse = lambda stages: len(stages) > 3
        throws(REFUSED, lambda: on.execute(query).fetchall(), "both refused: an error")
        recorder.refuse = None
        is_(world.rows(on, query), expected, "and the session goes on")


with World() as world, Recorder(world.uri) as recorder:
    with world.admin() as admin:
        prepare(world, admin, recorder.uri)
        on, off = world.connect("UA"), world.connect("UA", pushdown=False)
        on.prepare_threshold = None
        on.execute("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_nestloop = off; SET enable_hashagg = off;"
                   "SET enable_sort = off; SET mongo_tenant.join_method = hash")
        same_rows(world, recorder, on, off)
done()
