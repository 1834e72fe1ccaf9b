"""parallel: one scan of one tenant read by 1, 2 and 4 cursors of one backend (option parallel), on a real server.

Beside it the same halves and quarters in as many backends of their own: what worker processes would give if they
cost nothing to start and had the token.  Once with a cheap local aggregate, once with expressions that keep a
processor busy.  All take turns; the first scan of each table teaches where to cut.
"""

import threading
import time

import measure
import orders
import part_native

CURSORS = (2, 4)
DOCUMENTS = max(measure.DOCUMENTS // 5, 1000)
QUERIES = {"cheap": "SELECT count(note), sum(amount), max(seq) FROM %s%s",
           "busy": "SELECT count(md5(md5(md5(md5(note)))) || md5(city || seq)), sum(amount), max(seq) FROM %s%s"}


def create(session, uri, database):
    token = part_native.create_tables(session, uri, database, orders.tenant_name(0))
    columns = orders.ORDERS_COLUMNS + ", oid text OPTIONS (path '_id', bson_type 'objectid')"
    for cursors in (1,) + CURSORS:
        measure.create_server(session, "by%d" % cursors, uri, database, ", parallel '%d'" % cursors)
        session.sql("CREATE FOREIGN TABLE orders%d (%s) SERVER by%d OPTIONS (collection 'orders')"
                    % (cursors, columns, cursors))
    return token


def keys(client, database, parts):
    """Where equal parts of the tenant's documents end, by counting them here."""
    ids = sorted(one["_id"] for one in client[database].orders.find({"tenant_id": orders.tenant_name(0)}, {"_id": 1}))
    return [str(ids[len(ids) * i // parts]) for i in range(1, parts)]


def conditions(bounds):
    edges = [None] + bounds + [None]
    for low, high in zip(edges, edges[1:]):
        tests = (["oid >= '%s'" % low] if low else []) + (["oid < '%s'" % high] if high else [])
        yield " WHERE " + " AND ".join(tests)


def at_once(sessions, query, bounds):
    """The parts of a scan in backends of their own: wall time of all, CPU of all."""
    runs = []
    threads = [threading.Thread(target=lambda s=session, c=condition: runs.append(s.run(query % ("orders1", c))))
               for session, condition in zip(sessions, conditions(bounds))]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"wall": time.perf_counter() - start, "cpu": sum(run["cpu"] for run in runs),
            "result": sum(run["result"] for run in runs)}


def turn(sessions, bounds, name):
    query = QUERIES[name]
    runs = {"%d in one" % cursors: sessions[0].run(query % ("orders%d" % cursors, "")) for cursors in (1,) + CURSORS}
    for parts in CURSORS:
        runs["%d backends" % parts] = at_once(sessions, query, bounds[parts])
    if len({run["result"] for run in runs.values()}) != 1:
        raise RuntimeError("rows differ: %s" % runs)
    return runs


def measured(sessions, bounds):
    samples = {}
    for number in range(measure.REPEAT + 1):  # the first one warms up, and teaches where to cut
        for name in QUERIES:
            for way, one in turn(sessions, bounds, name).items():
                if number > 0:
                    samples.setdefault((name, way), []).append(one)
    return samples


def run(owner, cluster):
    engine, database = part_native.start_engine(owner), "mtf_bench_parallel"
    with engine.client() as client:
        client.drop_database(database)
        client[database].orders.create_index([("tenant_id", 1), ("_id", 1)])
        orders.load(client[database], "orders", 2, DOCUMENTS)
        bounds = {parts: keys(client, database, parts) for parts in CURSORS}
    with measure.Session(cluster) as first:
        token = create(first, engine.uri, database)
        sessions = [measure.Session(cluster) for _ in range(max(CURSORS))]
        for session in sessions:
            session.token(token)
            session.sql("SET mongo_tenant.enable_aggregate_pushdown = off")
        samples = measured(sessions, bounds)
        cut = sessions[0].sql("EXPLAIN (ANALYZE, VERBOSE) " + QUERIES["cheap"] % ("orders4", ""))
        cut = [line.strip() for line, in cut.fetchall() if "Ranges" in line or "Commands" in line]
        memory = sessions[0].memory()["VmHWM"]
        for session in sessions:
            session.connection.close()
    rows = {"%s, %s" % key: measure.summary(runs) for key, runs in samples.items()}
    one = {name: rows["%s, 1 in one" % name]["wall"] for name in QUERIES}
    ratios = {"parallel_%s_%d" % (name, cursors): (rows["%s, %d in one" % (name, cursors)]["wall"] / one[name], None)
              for name in QUERIES for cursors in CURSORS}
    ratios.update({"parallel_%s_%d_backends" % (name, parts): (rows["%s, %d backends" % (name, parts)]["wall"] / one[name], None)
                   for name in QUERIES for parts in CURSORS})
    table = [(name, "%.3f" % row["wall"], "%.3f" % row["cpu"], "%.2f" % (row["wall"] / one[name.split(",")[0]]))
             for name, row in rows.items()]
    return {"title": "%d documents of one tenant by several cursors, on %s (%s; peak of the backend %d KB)"
                     % (DOCUMENTS, engine.kind, ", ".join(cut), memory),
            "head": ("query", "wall s", "CPU s", "of one"), "table": table, "rows": rows, "ratios": ratios}
