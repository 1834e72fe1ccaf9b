"""A server that refuses the first form of a join, before any row: the second form gives the same rows.

Its refusal comes through a proxy that adds a stage no server has.  Without a collation, under which DocumentDB
refuses the first form by itself.
"""
from recorder import Recorder
from tap import World, done, is_, ok, throws
from wire import LyingServer, batch

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


def analyzed(world, session, query):
    return "\n".join(world.column(session, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) " + query))


def remembered(world, recorder, admin, session):
    """A server that refused the form is asked no more for a while: prepared plans are made again."""
    query = "SELECT a.id, b.n FROM a FULL JOIN b ON b.k = a.k ORDER BY 1, 2"
    session.execute("RESET mongo_tenant.join_method; SET plan_cache_mode = force_generic_plan")
    session.execute("PREPARE joined AS " + query)
    def plan():
        return "\n".join(world.column(session, "EXPLAIN (VERBOSE) EXECUTE joined"))
    admin.execute("ALTER SERVER s OPTIONS (SET collation 'none')")  # forgets what was refused above
    ok("$group" in plan(), "the first form is planned")
    expected = world.rows(session, "EXECUTE joined")
    recorder.refuse = lambda stages: any("$group" in stage for stage in stages)
    is_(world.rows(session, "EXECUTE joined"), expected, "it is refused, and the rows are the same")
    ok("$group" not in plan(), "then it is planned no more, in a prepared statement neither")
    recorder.commands.clear()
    is_(world.rows(session, "EXECUTE joined"), expected, "the same rows again")
    ok(not pipelines(recorder, "$group"), "  without asking for it")
    recorder.refuse = None
    admin.execute("ALTER SERVER s OPTIONS (SET collation 'none')")
    ok("$group" in plan(), "a server that was altered is asked again")


def too_late(world, admin):
    """Memory that ends when rows were given: an error with a hint, and no row twice."""
    def answer(command):
        if "getMore" in command:
            return {"ok": 0.0, "code": 146, "codeName": "ExceededMemoryLimit", "errmsg": "the value is secret"}
        if "aggregate" not in command:
            return {"ok": 1.0}
        one = {"tenant_id": "UA", "id": 1, "k": 1}
        return batch(command, [{"r0": one, "r1": one}], cursor=7)
    with LyingServer(answer) as server:
        admin.execute("CREATE SERVER late FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'd', providers 'test',"
                      " tenant_field 'tenant_id')" % server.uri)
        admin.execute("CREATE USER MAPPING FOR PUBLIC SERVER late; CREATE FOREIGN TABLE late_a (id integer) SERVER late;"
                      "CREATE FOREIGN TABLE late_b (id integer) SERVER late; GRANT SELECT ON late_a, late_b TO mtf_app")
        with world.connect("UA") as session:
            session.execute(FORCED)
            error = throws(REFUSED, lambda: world.rows(session, "SELECT a.id FROM late_a a JOIN late_b b USING (id)"),
                           "a refusal after the first rows is an error")
            is_(error.diag.message_primary, "the server gave up a join after some of its rows", "  that says so")
            ok("mongo_tenant.join_method" in (error.diag.message_hint or ""), "  with a hint")
            ok("secret" not in str(error), "  and not in the server's words")
            session.execute("SET mongo_tenant.enable_join_pushdown = off")
            is_(world.value(session, "SELECT 1"), 1, "  the session goes on")


def not_told(world, admin):
    """Memory that one tenant's documents took says nothing to the next: a form that no tenant gets does."""
    code = 0
    def answer(command):
        if "aggregate" not in command:
            return {"ok": 1.0}
        if any("$group" in stage for stage in command["pipeline"]):
            return {"ok": 0.0, "code": code, "codeName": "Refused", "errmsg": ""}
        return batch(command, [])
    with LyingServer(answer) as server:
        admin.execute("CREATE SERVER small FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'd', providers 'test',"
                      " tenant_field 'tenant_id')" % server.uri)
        admin.execute("CREATE USER MAPPING FOR PUBLIC SERVER small; CREATE FOREIGN TABLE small_a (id integer) SERVER small;"
                      "CREATE FOREIGN TABLE small_b (id integer) SERVER small; GRANT SELECT ON small_a, small_b TO mtf_app")
        query = "SELECT a.id, b.id FROM small_a a FULL JOIN small_b b USING (id)"
        for code, name, again in ((146, "memory", True), (10334, "a document too large", True), (115, "no such form", False)):
            with world.connect("UA") as session:
                plan = lambda: "\n".join(world.column(session, "EXPLAIN (VERBOSE) " + query))
                session.execute(FORCED + "; RESET mongo_tenant.join_method")
                ok("$group" in plan(), name + ": the first form is planned for UA")
                is_(world.rows(session, query), [], "  refused, and said otherwise")
                world.identify(session, world.token("DL"))
                is_("$group" in plan(), again, "  planned for DL in the same backend: %s" % again)


FORCED = ("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_nestloop = off; SET enable_hashagg = off;"
          "SET enable_sort = off; SET mongo_tenant.join_method = hash")


def same_rows(world, recorder, on, off):
    # The last two are gathered before any row is given, for the server's numbers may not be exact.
    for query in ("SELECT a.id, b.n FROM a JOIN b USING (id)",
                  "SELECT a.k, count(*), sum(b.id) FROM a JOIN b USING (id) GROUP BY 1",
                  "SELECT a.k, sum(b.n) FROM a JOIN b USING (id) GROUP BY 1",
                  "SELECT a.k, stddev(b.id) FROM a JOIN b USING (id) GROUP BY 1",
                  # An inner side that is a join, and full joins.
                  "SELECT a.id, c.id FROM a LEFT JOIN (b JOIN a c ON c.id = b.k) ON b.id = a.id",
                  "SELECT a.id, c.id FROM a LEFT JOIN (b LEFT JOIN a c ON c.id = b.k) ON c.id = a.id",
                  "SELECT a.id, a.k FROM a WHERE NOT EXISTS (SELECT FROM b JOIN a c ON c.id = b.k WHERE c.k = a.id)",
                  "SELECT a.id, b.id FROM (SELECT * FROM a WHERE id < 8) a FULL JOIN (SELECT * FROM b WHERE id > 4) b ON b.id = a.id",
                  "SELECT a.id, b.id, c.id FROM (SELECT * FROM a WHERE id < 8) a FULL JOIN (SELECT * FROM b WHERE id > 4) b ON b.id = a.id"
                  " FULL JOIN (SELECT * FROM a WHERE id BETWEEN 3 AND 6) c ON c.id = b.k",
                  "SELECT a.id, b.id, c.id FROM (SELECT * FROM a WHERE id < 3) a FULL JOIN ((SELECT * FROM b WHERE id > 4) b"
                  " FULL JOIN (SELECT * FROM a WHERE id BETWEEN 3 AND 6) c ON c.id = b.id) ON b.k = a.id"):
        query += " ORDER BY 1, 2" + (", 3" if "b.id, c.id" in query else "")
        expected = world.rows(off, query)
        ok(expected, "there are rows: " + query)
        recorder.commands.clear()
        is_(world.rows(on, query), expected, "taken: " + query)
        ok(pipelines(recorder, "$unionWith") == 1 and not pipelines(recorder, "$lookup"), "  by its first form")
        ok("Join Form" not in analyzed(world, on, query), "  EXPLAIN (ANALYZE) has nothing to say")
        recorder.commands.clear()
        recorder.refuse = lambda stages: any("$group" in stage for stage in stages) and not any("$lookup" in stage for stage in stages)
        is_(world.rows(on, query), expected, "refused: " + query)
        ok(len(recorder.commands) == 2 and pipelines(recorder, "$lookup") == 1, "  then by its second form")
        ok("Join Form: $lookup: the server refused the first form" in analyzed(world, on, query), "  as EXPLAIN (ANALYZE) says")
        recorder.refuse = lambda stages: len(stages) > 3
        throws(REFUSED, lambda: on.execute(query).fetchall(), "both refused: an error")
        recorder.refuse = None
        is_(world.rows(on, query), expected, "and the session goes on")


with World() as world, Recorder(world.uri) as recorder:
    with world.admin() as admin:
        prepare(world, admin, recorder.uri)
        on, off = world.connect("UA"), world.connect("UA", pushdown=False)
        on.prepare_threshold = None
        on.execute(FORCED)
        same_rows(world, recorder, on, off)
        remembered(world, recorder, admin, on)
        too_late(world, admin)
        not_told(world, admin)
done()
