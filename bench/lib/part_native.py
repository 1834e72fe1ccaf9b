"""native: queries through us against the same pipelines sent by a C program, on a fast real server.

1,000 tenants; a query sees one of them.  The pipeline of the C program is the one that EXPLAIN shows when
one foreign scan is the whole query, with the tenant's name filled in; else it is the one written here, which
is what a programmer would send (then the table says "by hand", and the ratio has no goal: it compares plans).

Ours is the time of planning and execution inside the backend, as the C program's is that of its own calls;
what a client sees of the same query is beside it.  Both take turns run by run, who is first changes, and
the ratio is the median of those of each turn.

One-row lookups: inside the backend (executor start to end, as EXPLAIN ANALYZE counts it, the statement
prepared), as the client of PostgreSQL sees them, and the driver's own; one by one and many in a row.
"""

import os
import subprocess

from bson import json_util

import measure
import orders
import servers

TENANTS = 1000
LOOKUPS, TURNS = 200, 10
KEY = 4242424242  # what ref_mongoc replaces by a random key

QUERIES = {
    "filter": ("SELECT seq, amount FROM orders WHERE amount > 5000 AND status = 'open'",
               [{"$match": {"amount": {"$gt": 5000.0}, "status": "open"}},
                {"$project": {"_id": 0, "tenant_id": 1, "seq": 1, "amount": 1, "status": 1}}]),
    "group": ("SELECT city, count(*), sum(customer) FROM orders GROUP BY city",
              [{"$group": {"_id": "$city", "n": {"$sum": 1}, "s": {"$sum": "$customer"}}}]),
    "join": ("SELECT o.seq, c.region FROM orders o JOIN customers c ON c.id = o.customer WHERE o.seq < 20",
             [{"$match": {"seq": {"$lt": 20}}},
              {"$lookup": {"from": "customers", "localField": "customer", "foreignField": "id", "as": "c",
                           "pipeline": [{"$match": {"tenant_id": "<tenant>"}}]}},
              {"$unwind": "$c"}, {"$project": {"_id": 0, "seq": 1, "c.region": 1}}]),
    "topn": ("SELECT seq, amount FROM orders ORDER BY amount DESC NULLS LAST LIMIT 10",
             [{"$sort": {"amount": -1}}, {"$limit": 10}, {"$project": {"_id": 0, "seq": 1, "amount": 1}}]),
}
# The same join, but remote whatever it costs: then both sides send the same pipeline.
QUERIES["join_remote"] = QUERIES["join"]
SETTINGS = {"join_remote": {"mongo_tenant.join_method": "lookup", "enable_hashjoin": "off",
                            "enable_mergejoin": "off", "enable_nestloop": "off"}}
LOOKUP = "SELECT amount FROM orders WHERE seq = %s"
LOOP = """
CREATE FUNCTION pg_temp.lookups(n integer, keys integer) RETURNS double precision[] LANGUAGE plpgsql AS $body$
DECLARE
	micros double precision[];
	start timestamptz;
	found_amount double precision;
BEGIN
	FOR i IN 1..n LOOP
		start := clock_timestamp();
		SELECT amount INTO STRICT found_amount FROM orders WHERE seq = i * 7919 % keys;
		micros[i] := extract(epoch FROM clock_timestamp() - start) * 1e6;
	END LOOP;
	RETURN micros;
END
$body$
"""
LOOKUP_PIPELINE = [{"$match": {"seq": KEY}}, {"$project": {"_id": 0, "tenant_id": 1, "seq": 1, "amount": 1}}]


def engine_program():
    """The fast server: named by SECANTUSD_RS, or installed by test/matrix/engine."""
    if not os.environ.get("SECANTUSD_RS"):
        os.environ["SECANTUSD_RS"] = subprocess.run(
            [os.path.join(servers.ROOT, "test", "matrix", "engine"), "secantusd-rs"],
            check=True, capture_output=True, text=True).stdout.strip()


def start_engine(owner):
    if os.environ.get("MONGO_TENANT_TEST_URI"):
        return servers.Engine(owner, "uri")
    engine_program()
    return servers.Engine(owner, "secantusd-rs", options=["--cache-size", "2G"])


def create_tables(session, uri, database, tenant):
    identity = measure.Identity()
    session.sql("CREATE EXTENSION IF NOT EXISTS mongo_tenant_fdw")
    identity.create_provider(session)
    measure.create_server(session, "engine", uri, database)
    session.sql("CREATE FOREIGN TABLE orders (%s) SERVER engine" % orders.ORDERS_COLUMNS)
    session.sql("CREATE FOREIGN TABLE customers (%s) SERVER engine" % orders.CUSTOMERS_COLUMNS)
    token = identity.token(tenant)
    session.token(token)
    return token


def explained_pipeline(session, query, tenant):
    """The remote pipeline when one scan is the whole query (a filter may recheck its rows); else None."""
    plan = session.one("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) " + query)[0]["Plan"]
    if plan["Node Type"] != "Foreign Scan" or "$" not in plan.get("Pipeline", ""):
        return None
    return json_util.loads(plan["Pipeline"].replace("<tenant>", tenant))


def by_hand(stages, tenant):
    """The tenant's match in the order that lets every server use the tenant-first index."""
    match = {"tenant_id": {"$eq": tenant}}
    if "$match" in stages[0]:
        match.update(stages[0]["$match"])
        stages = stages[1:]
    return json_util.loads(json_util.dumps([{"$match": match}] + stages).replace("<tenant>", tenant))


def inside(session, query):
    """Seconds of planning and execution inside the backend."""
    report = session.one("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + query)[0]
    return (report["Planning Time"] + report["Execution Time"]) / 1e3


def compare(session, uri, database, tenant, name):
    query, stages = QUERIES[name]
    for setting, value in SETTINGS.get(name, {}).items():
        session.sql("SET %s = %s" % (setting, value))
    pipeline = explained_pipeline(session, query, tenant)
    source = "explain" if pipeline else "by hand"
    pipeline = pipeline or by_hand(stages, tenant)
    ours, theirs, seen, documents = [], [], [], 0
    turns = measure.REPEAT * (4 if name.startswith("join") else TURNS)
    with measure.Served(uri, database + ".orders", pipeline) as served:
        for turn in range(turns + 2):  # the first two warm up
            if turn % 2:  # who is second finds warm caches
                ours.append(inside(session, query))
            micros, documents = served.ask()
            theirs.append(micros / 1e6)
            if turn % 2 == 0:
                ours.append(inside(session, query))
            seen.append(session.run(query)["wall"])
    for setting in SETTINGS.get(name, {}):
        session.sql("RESET %s" % setting)
    return {"ours": {"wall": measure.median(ours[2:]), "walls": ours[2:]},
            "theirs": {"wall": measure.median(theirs[2:]), "walls": theirs[2:]},
            "client": {"wall": measure.median(seen[2:])}, "pipeline": source, "rows": documents,
            "spread": measure.paired(ours[2:], theirs[2:])}


def lookups(session, uri, database, tenant, keys):
    """p50 and p99 in microseconds of one-row lookups, seen from three places that take turns.

    One by one: each place looks up one row, then the next place does, so that all find the server equally
    idle (waking it is a good part of a lookup).  In a row: the backend runs many in one loop, then the
    driver as many.
    """
    session.sql("PREPARE lookup (integer) AS " + LOOKUP % "$1")
    session.sql(LOOP)
    session.sql("SET plan_cache_mode = force_generic_plan")
    pipeline = explained_pipeline(session, LOOKUP % KEY, tenant) or by_hand(LOOKUP_PIPELINE, tenant)
    seen = {name: [] for name in ("backend", "client", "driver", "backend_row")}
    driver_row = []
    with measure.Served(uri, database + ".orders", pipeline) as served:
        for turn in range(TURNS + 1):  # the first one warms up
            for i in range(LOOKUPS):
                key = ((turn * LOOKUPS + i) * 7919) % keys
                explain = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE lookup(%d)" % key
                if i % 2:  # who is second finds warm caches
                    report = session.one(explain)[0]
                by_driver, documents = served.ask(key)
                if i % 2 == 0:
                    report = session.one(explain)[0]
                run = session.run("EXECUTE lookup(%d)" % key)
                if run["result"] is None or documents != 1:
                    raise RuntimeError("lookup of %d found nothing" % key)
                if turn > 0:
                    seen["backend"].append(report["Execution Time"] * 1000)
                    seen["driver"].append(by_driver)
                    seen["client"].append(run["wall"] * 1e6)
            in_a_row = session.one("SELECT pg_temp.lookups(%s, %s)", (LOOKUPS, keys))
            result = measure.reference(uri, database + ".orders", pipeline=pipeline, each=LOOKUPS, keys=keys)[0]
            if turn > 0:
                seen["backend_row"] += in_a_row
                driver_row.append(result)
    figures = {name: {"p50": measure.percentile(micros, 0.5), "p99": measure.percentile(micros, 0.99)}
               for name, micros in seen.items()}
    figures["driver_row"] = {part: measure.median([result[part] for result in driver_row])
                             for part in ("p50", "p99")}
    return figures, measure.paired(seen["backend"], seen["driver"])


def run(owner, cluster):
    engine = start_engine(owner)
    database, tenant = "mtf_bench", orders.tenant_name(7)
    per_tenant = max(1, measure.DOCUMENTS // TENANTS)
    with engine.client() as client:
        client.drop_database(database)
        orders.load(client[database], "orders", TENANTS, per_tenant)
        orders.load_customers(client[database], TENANTS)
    with measure.Session(cluster) as session:
        create_tables(session, engine.uri, database, tenant)
        results = {name: compare(session, engine.uri, database, tenant, name) for name in QUERIES}
        seen, spread = lookups(session, engine.uri, database, tenant, per_tenant)
    ratios = {}
    table = []
    spreads = {}
    for name, result in results.items():
        spreads["native_" + name] = result["spread"]
        ratios["native_" + name] = (result["spread"]["ratio"],
                                    "<= 1.05" if result["pipeline"] == "explain" else None)
        table.append((name, "%.2f" % (result["ours"]["wall"] * 1e3), "%.2f" % (result["theirs"]["wall"] * 1e3),
                      "%.2f" % (result["client"]["wall"] * 1e3), str(result["rows"]), result["pipeline"]))
    for place, ours, theirs in (("backend, one by one", "backend", "driver"),
                                ("backend, in a row", "backend_row", "driver_row"), ("client", "client", None)):
        for part in ("p50", "p99"):
            table.append(("lookup %s, %s" % (part, place), "%.3f" % (seen[ours][part] / 1e3),
                          "%.3f" % (seen[theirs][part] / 1e3) if theirs else "", "", "1", "explain"))
    spreads["native_lookup_p50"] = spread
    ratios["native_lookup_p50"] = (spread["ratio"], "<= 1.3")
    ratios["native_lookup_p99"] = (seen["backend"]["p99"] / seen["driver"]["p99"], None)
    ratios["native_lookup_in_a_row_p50"] = (seen["backend_row"]["p50"] / seen["driver_row"]["p50"], "<= 1.3")
    return {"title": "%d documents of %d tenants on %s" % (measure.DOCUMENTS, TENANTS, engine.kind),
            "head": ("query", "ours ms", "C program ms", "client sees ms", "rows", "pipeline"), "table": table,
            "rows": {**results, "lookups": seen}, "ratios": ratios, "spreads": spreads}
