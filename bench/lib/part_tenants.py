"""tenants: does one tenant's query get slower as tenants are added?

At a fixed total (the same number of documents shared by more and more tenants) and at a fixed size per
tenant.  The query is a one-row lookup of one tenant over the tenant-first index, seen by the client.  Every
round asks each of the collections once, in a changing order, and each is compared with that of 10 tenants
in the same round.
"""

import random

import measure
import orders
import part_native

COUNTS = (10, 100, 1000, 10000, 100000)
TOTAL = 200000
PER_TENANT = 2
ROUNDS, WARM = 1500, 50


def name_of(shape):
    return "%s_%d" % shape[:2]


def measured(session, shapes):
    """Microseconds of each shape's lookups, one for each round."""
    chance = random.Random(20240101)
    samples = {name_of(shape): [] for shape in shapes}
    for turn in range(ROUNDS + WARM):
        for shape in chance.sample(shapes, len(shapes)):
            run = session.run("EXECUTE p_%s(%d)" % (name_of(shape), turn % shape[2]))
            if run["result"] is None:
                raise RuntimeError("%s: a row is missing" % name_of(shape))
            if turn >= WARM:
                samples[name_of(shape)].append(run["wall"] * 1e6)
    return samples


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
        samples = measured(session, shapes)
    for name, micros in samples.items():
        rows[name] = {"p50": measure.percentile(micros, 0.5), "p99": measure.percentile(micros, 0.99)}
    ratios, spreads = {}, {}
    for kind in ("total", "each"):
        first = samples["%s_%d" % (kind, COUNTS[0])]
        spread = max((measure.paired(samples["%s_%d" % (kind, count)], first) for count in COUNTS[1:]),
                     key=lambda one: one["ratio"])
        ratios["tenants_fixed_" + kind], spreads["tenants_fixed_" + kind] = (spread["ratio"], "<= 1.1"), spread
    table = [(kind, str(count), str(per_tenant), "%.0f" % rows["%s_%d" % (kind, count)]["p50"],
              "%.0f" % rows["%s_%d" % (kind, count)]["p99"]) for kind, count, per_tenant in shapes]
    return {"title": "One-row lookup of one tenant among many, on %s" % engine.kind,
            "head": ("fixed", "tenants", "documents each", "p50 us", "p99 us"), "table": table, "rows": rows,
            "ratios": ratios, "spreads": spreads}
