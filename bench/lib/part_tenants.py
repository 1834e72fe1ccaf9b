"""tenants: does one tenant's query get slower as tenants are added?

At a fixed total (the same number of documents shared by more and more tenants) and at a fixed size per
tenant.  The query is a one-row lookup of one tenant over the tenant-first index, seen by the client.
"""

import measure
import orders
import part_native

COUNTS = (10, 100, 1000, 10000, 100000)
TOTAL = 200000
PER_TENANT = 2
LOOKUPS, TURNS = 100, 10


def look_up(session, table, keys, micros):
    for i in range(LOOKUPS):
        run = session.run("EXECUTE p_%s(%d)" % (table, i % keys))
        if run["result"] is None:
            raise RuntimeError("%s: a row is missing" % table)
        micros.append(run["wall"] * 1e6)


def run(owner, cluster):
    engine = part_native.start_engine(owner)
    database, tenant = "mtf_bench", orders.tenant_name(3)
    shapes = [("total", count, TOTAL // count) for count in COUNTS]
    shapes += [("each", count, PER_TENANT) for count in COUNTS]
    with engine.client() as client:
        client.drop_database(database)
        for kind, count, per_tenant in shapes:
            orders.load(client[database], "%s_%d" % (kind, count), count, per_tenant)
    rows = {}
    with measure.Session(cluster) as session:
        part_native.create_tables(session, engine.uri, database, tenant)
        for kind, count, _ in shapes:
            session.sql("CREATE FOREIGN TABLE %s_%d (%s) SERVER engine" % (kind, count, orders.ORDERS_COLUMNS))
            session.sql("PREPARE p_%s_%d (integer) AS SELECT amount FROM %s_%d WHERE seq = $1" % (
                kind, count, kind, count))
        session.sql("SET plan_cache_mode = force_generic_plan")
        samples = {}
        for turn in range(TURNS + 1):  # all take turns; the first one warms up
            for kind, count, per_tenant in shapes:
                name, micros = "%s_%d" % (kind, count), []
                look_up(session, name, per_tenant, micros)
                if turn > 0:
                    samples.setdefault(name, []).extend(micros)
    for name, micros in samples.items():
        rows[name] = {"p50": measure.percentile(micros, 0.5), "p99": measure.percentile(micros, 0.99)}
    ratios = {}
    for kind in ("total", "each"):
        p50s = [rows["%s_%d" % (kind, count)]["p50"] for count in COUNTS]
        ratios["tenants_fixed_" + kind] = (max(p50s[1:]) / p50s[0], "<= 1.1")
    table = [(kind, str(count), str(per_tenant), "%.0f" % rows["%s_%d" % (kind, count)]["p50"],
              "%.0f" % rows["%s_%d" % (kind, count)]["p99"]) for kind, count, per_tenant in shapes]
    return {"title": "One-row lookup of one tenant among many, on %s" % engine.kind,
            "head": ("fixed", "tenants", "documents each", "p50 us", "p99 us"), "table": table, "rows": rows,
            "ratios": ratios}
