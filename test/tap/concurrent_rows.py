"""Rows of a local table that another session changes while a query over foreign joins waits for them.

PostgreSQL then tests the new version of the row again, together with the foreign rows that it had joined it with
(EvalPlanQual): such joins run in PostgreSQL, whole ones below a subquery run remotely and are asked again.
"""
import threading
import time

from tap import World, done, is_, ok

TENANTS = ("UA", "DL")
FORCED = ("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_nestloop = off; SET enable_hashagg = off;"
          "SET enable_sort = off; SET mongo_tenant.join_method = %s")


def prepare(world, admin):
    # The same ids for both tenants, and figures that tell whose they are.
    for name, factor in (("a", 1), ("b", 10)):
        world.mongo[name].insert_many([{"tenant_id": tenant, "id": n, "k": n % 3, "n": factor * n + (1000 if tenant == "DL" else 0)}
                                       for tenant in TENANTS for n in range(6)])
    admin.execute("CREATE SERVER s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s', providers 'test',"
                  " tenant_field 'tenant_id', collation 'none')" % (world.uri, world.name))
    admin.execute("CREATE USER MAPPING FOR PUBLIC SERVER s")
    for name in ("a", "b"):
        admin.execute("CREATE FOREIGN TABLE %s (id integer, k integer, n integer) SERVER s; GRANT SELECT ON %s TO mtf_app" % (name, name))
    admin.execute("CREATE TABLE l (id integer PRIMARY KEY, k integer, v integer)")
    admin.execute("GRANT ALL ON l TO mtf_app")


def reset(admin):
    admin.execute("TRUNCATE l; INSERT INTO l SELECT i, i, 0 FROM generate_series(0, 9) i")


def race(world, admin, session, change, query):
    """What `query` gives in `session` when it waits for a row that another session changes meanwhile."""
    reset(admin)
    other = world.connect("DL")
    other.autocommit = False
    other.execute(change)
    answer = []
    def ask():
        try:
            cursor = session.execute(query)
            answer.append(cursor.fetchall() if cursor.description else cursor.rowcount)
        except Exception as error:
            answer.append(error)
    thread = threading.Thread(target=ask)
    thread.start()
    deadline = time.monotonic() + 20
    waited = False
    while not waited and thread.is_alive() and time.monotonic() < deadline:
        waited = world.value(admin, "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s", session.info.backend_pid) > 0
        time.sleep(0.01)
    other.commit()
    other.close()
    thread.join()
    ok(waited, "  it waited for the other session")
    return answer[0]


def plan(world, session, query):
    return "\n".join(world.column(session, "EXPLAIN (VERBOSE, COSTS OFF) " + query))


def locked(world, admin, session, note):
    query = "SELECT l.id, l.v, a.n, b.n FROM l JOIN a ON a.id = l.k JOIN b ON b.id = a.id WHERE l.id IN (1, 2) ORDER BY l.id FOR UPDATE OF l"
    is_(race(world, admin, session, "UPDATE l SET v = 7 WHERE id = 1", query), [(1, 7, 1, 10), (2, 0, 2, 20)],
        "FOR UPDATE: the new version of the row, with its partners" + note)
    is_(race(world, admin, session, "UPDATE l SET k = 5 WHERE id = 1", query), [(2, 0, 2, 20)],
        "FOR UPDATE: a row that is moved to another key is tested with the partners it had" + note)
    is_(race(world, admin, session, "DELETE FROM l WHERE id = 1", query), [(2, 0, 2, 20)], "FOR UPDATE: a row that is gone" + note)
    left = "SELECT l.id, l.v, a.n FROM l LEFT JOIN (a JOIN b ON b.id = a.id) ON a.id = l.k WHERE l.id IN (1, 8) ORDER BY l.id FOR UPDATE OF l"
    is_(race(world, admin, session, "UPDATE l SET v = 7 WHERE id IN (1, 8)", left), [(1, 7, 1), (8, 7, None)],
        "FOR UPDATE above an outer join" + note)


def updated(world, admin, session, note):
    query = "UPDATE l SET v = l.v + a.n + b.n FROM a JOIN b ON b.id = a.id WHERE a.id = l.k AND l.id IN (1, 2) AND l.v < 5"
    ok("$lookup" not in plan(world, session, query) and "$unionWith" not in plan(world, session, query),
       "UPDATE FROM a foreign join: joined here" + note)
    is_(race(world, admin, session, "UPDATE l SET v = 3 WHERE id = 1", query), 2, "UPDATE FROM a foreign join: two rows" + note)
    is_(world.rows(admin, "SELECT id, v FROM l WHERE v <> 0 ORDER BY id"), [(1, 14), (2, 22)], "  from the new version" + note)
    is_(race(world, admin, session, "UPDATE l SET v = 9 WHERE id = 1", query), 1, "UPDATE: a row that qualifies no more" + note)
    is_(world.rows(admin, "SELECT id, v FROM l WHERE v <> 0 ORDER BY id"), [(1, 9), (2, 22)], "  stays as it is" + note)
    query = "DELETE FROM l USING a JOIN b ON b.id = a.id WHERE a.id = l.k AND l.v < 5 AND l.id < 3"
    is_(race(world, admin, session, "UPDATE l SET v = 9 WHERE id = 1", query), 2, "DELETE USING a foreign join" + note)
    is_(world.column(admin, "SELECT id FROM l WHERE id < 3"), [1], "  but for the row that was changed" + note)


def subqueries(world, admin, session, note, remote):
    """A whole join below a subquery: it is asked again for the new version of the row."""
    query = "UPDATE l SET v = l.v + (SELECT sum(a.n + b.n) FROM a JOIN b ON b.id = a.id WHERE a.k = l.k) WHERE l.id = 1"
    if remote:
        ok("$lookup" in plan(world, session, query) or "$unionWith" in plan(world, session, query),
           "a join in a subquery of UPDATE is remote" + note)
    is_(race(world, admin, session, "UPDATE l SET v = 3, k = 2 WHERE id = 1", query), 1, "a correlated subquery over a join" + note)
    is_(world.rows(admin, "SELECT v FROM l WHERE id = 1"), [(80,)], "  of the new version's key" + note)
    query = ("UPDATE l SET v = -1 WHERE l.id IN (1, 8) AND l.k NOT IN (SELECT a.id FROM a JOIN b ON b.id = a.id WHERE b.n < 45)"
             " AND (SELECT count(*) FROM a JOIN b ON b.id = a.id WHERE a.k = l.k) IS NOT NULL")
    is_(race(world, admin, session, "UPDATE l SET v = 3, k = 2 WHERE id IN (1, 8)", query), 0,
        "NOT IN over a join: the new versions are in it" + note)
    is_(race(world, admin, session, "UPDATE l SET v = 3 WHERE id IN (1, 8)", query), 1,
        "  and one of them is not" + note)
    is_(world.rows(admin, "SELECT id, v FROM l WHERE v <> 0 ORDER BY id"), [(1, 3), (8, -1)], "  which is changed" + note)
    query = "SELECT l.id, l.v FROM l WHERE EXISTS (SELECT FROM a JOIN b ON b.id = a.id WHERE a.id = l.k OFFSET 0) AND l.id IN (1, 8) FOR UPDATE"
    is_(race(world, admin, session, "UPDATE l SET v = 7 WHERE id = 1", query), [(1, 7)], "EXISTS over a join" + note)
    query = ("SELECT l.id, l.v, x.n FROM l JOIN (SELECT a.id, count(*) AS n FROM a JOIN b ON b.k = a.k GROUP BY a.id) x ON x.id = l.k"
             " WHERE l.id = 1 FOR UPDATE OF l")
    is_(race(world, admin, session, "UPDATE l SET v = 7 WHERE id = 1", query), [(1, 7, 2)], "groups of a join beside the row" + note)


with World() as world:
    with world.admin() as admin:
        prepare(world, admin)
        for method in ("none", "auto", "lookup", "hash", "bind"):
            with world.connect("UA", pushdown=method != "none") as session:
                if method in ("lookup", "hash", "bind"):
                    session.execute(FORCED % method)
                note = " (%s)" % method
                locked(world, admin, session, note)
                updated(world, admin, session, note)
                subqueries(world, admin, session, note, method in ("lookup", "hash"))
done()
