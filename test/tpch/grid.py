#!/usr/bin/env python3
"""A grid of statement shapes: is what the planner chooses ever much slower than another way it had?

    grid.py [--rows 20000] [--engine URI] [--only REGEX] [--schemas estimated,blind] [--tables narrow,wide] [--options SQL] [--plans]

Servers: PGHOST, PGPORT and MTF_URI of the environment, else its own.  Each shape (a filter by its selectivity, an
aggregate, a type of key, a number of groups, a sort, a top-N, a join) runs over narrow and wide documents in these ways:

    chosen    as the planner likes
    off       no pushdown at all
    filters   filters only: what is above them runs in PostgreSQL
    forced    whatever can run remotely does

and prints `shape: chosen/best ratio`, with the seconds of each and the planner's price in parentheses (that of `forced` is none).  Seconds are planning and execution as EXPLAIN ANALYZE tells
them.  A shape that comes out above 1.5 runs again, up to seven times, and the fastest run of each way counts: other work of
the machine slows down what is measured, never speeds it up.  Shapes above 2.0 and 20 ms are listed at the end and fail; --plans
prints their plans.

Schemas: `estimated` has use_remote_estimate, `blind` has not, `promised` has it and trust_types.
"""

import argparse
import datetime
import os
import random
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

import servers  # noqa: E402
import psycopg  # noqa: E402
import pymongo  # noqa: E402
from bson.decimal128 import Decimal128  # noqa: E402
from bson.int64 import Int64  # noqa: E402

import tap  # noqa: E402
import tokens  # noqa: E402

LIMIT = 2.0   # times the best way
NOISE = 0.020  # seconds: less than this is not told apart
AGAIN = 7

FACTS = ("id integer, n integer, k integer, g integer, i8 bigint, s text COLLATE \"C\", t text, d date, ts timestamptz, f double precision, "
         "p numeric(12,2), q numeric, b boolean, x integer")
PADS = ["w%d" % i for i in range(8)]
TABLES = {"narrow": FACTS, "wide": FACTS + "".join(", %s text" % pad for pad in PADS),
          "dim": "k2 integer, name text, grp integer", "child": "fid integer, v integer, c text"}
UNIQUE = {"id", "k2"}
INDEXES = {"narrow": ["id", "k", "s"], "wide": ["id", "k", "s"], "dim": ["k2"], "child": ["fid"]}
SCHEMAS = {"estimated": (True, False), "blind": (False, False), "promised": (True, True)}

FORCED = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_nestloop": "off", "enable_hashagg": "off",
          "enable_sort": "off", "cpu_tuple_cost": "1"}
WAYS = {"chosen": {}, "forced": FORCED,
        "filters": {"mongo_tenant.enable_%s_pushdown" % kind: "off" for kind in ("sort", "limit", "aggregate", "join")},
        "off": {"mongo_tenant.enable_%s_pushdown" % kind: "off" for kind in tap.SWITCHES}}


# ---- documents --------------------------------------------------------------------------------

def fact(rng, i, rows, tenant, wide):
    day = datetime.datetime(2020, 1, 1) + datetime.timedelta(days=rng.randrange(1000))
    document = {
        "tenant_id": tenant, "id": i, "n": rng.randrange(rows), "k": rng.randrange(100), "g": rng.randrange(max(rows // 4, 1)),
        "i8": Int64(rng.randrange(10 ** 12)), "s": "%05d" % rng.randrange(100000), "t": "text %d" % rng.randrange(50), "d": day,
        "ts": day + datetime.timedelta(seconds=rng.randrange(86400)), "f": rng.random() * 1000,
        "p": Decimal128("%d.%02d" % (rng.randrange(10000), rng.randrange(100))),
        "q": Decimal128("%d.%03d" % (rng.randrange(10000), rng.randrange(1000))), "b": rng.random() < 0.5,
        "x": rng.randrange(10) if rng.random() < 0.5 else None}
    if wide:
        document.update({pad: "%s %d " % (pad, i) + "lorem ipsum " * 10 for pad in PADS})
    return document


def documents(table, rows, tenant, rng):
    if table == "dim":
        return ({"tenant_id": tenant, "k2": i, "name": "name %d" % i, "grp": i % 10} for i in range(1000))
    if table == "child":
        return ({"tenant_id": tenant, "fid": i // 2, "v": rng.randrange(1000), "c": "child %d" % i} for i in range(rows * 2))
    return (fact(rng, i, rows, tenant, table == "wide") for i in range(rows))


def load(database, rows, tables):
    for table in tables:
        collection = database[table]
        for path in INDEXES[table]:
            collection.create_index([("tenant_id", 1), (path, 1)], unique=path in UNIQUE)
        for tenant, share in (("UA", rows), ("DL", rows // 10)):
            batch = []
            for document in documents(table, share, tenant, random.Random(table + tenant)):
                batch.append(document)
                if len(batch) == 2000:
                    collection.insert_many(batch, ordered=False)
                    batch = []
            if batch:
                collection.insert_many(batch, ordered=False)


# ---- shapes -----------------------------------------------------------------------------------

def shapes(table, rows):
    """(name, query) for one table of facts."""
    def add(name, query):
        found.append((name, query.replace("FACTS", table)))

    found = []
    for share in (0.001, 0.01, 0.1, 0.5):
        for column in ("n", "id"):
            add("filter %s %g%%" % (column, share * 100), "SELECT id, p, d FROM FACTS WHERE %s < %d" % (column, rows * share))
    columns = "id, p, d, s, f"
    add("filter none, one column", "SELECT id FROM FACTS")
    add("filter none, five columns", "SELECT %s FROM FACTS" % columns)
    add("filter none, all columns", "SELECT * FROM FACTS")
    for name, condition in (
            ("id = 1", "id = 77"), ("text =", "t = 'text 7'"), ("prefix", "s LIKE '12%'"), ("prefixes", "left(s, 2) IN ('12', '33', '57', '58', '90')"),
            ("prefix, no index", "t LIKE 'text 1%'"), ("infix", "t LIKE '%xt 1%'"), ("ILIKE", "t ILIKE 'TEXT 1%'"), ("IN 10", "n IN (1,2,3,4,5,6,7,8,9,10)"),
            ("IN 500", "id IN (%s)" % ",".join(str(i * 7) for i in range(500))), ("numeric", "p < 100"), ("plain numeric", "q < 100"),
            ("date", "d < '2020-02-01'"), ("timestamptz", "ts < '2020-02-01'"), ("float", "f < 10"), ("IS NULL", "x IS NULL"),
            ("IS NOT NULL", "x IS NOT NULL"), ("bool", "b"), ("<>", "k <> 7"), ("NOT IN", "k NOT IN (1, 2, 3)"), ("OR", "k = 3 OR n < 100"),
            ("AND of four", "k < 50 AND n < %d AND p < 5000 AND d < '2021-01-01'" % (rows // 2)), ("year", "extract(year FROM d) = 2021"),
            ("month", "extract(month FROM d) = 3"), ("length", "length(s) = 5"), ("columns", "n < g"), ("arithmetic", "k + x = 20"),
            ("case", "CASE WHEN k < 5 THEN n < 1000 ELSE n < 10 END")):
        add("filter " + name, "SELECT %s FROM FACTS WHERE %s" % (columns, condition))

    aggregates = ("count(*)", "count(x)", "count(DISTINCT k)", "sum(n)", "sum(i8)", "sum(p)", "sum(q)", "sum(f)", "avg(n)", "avg(p)", "avg(q)",
                  "min(n)", "max(p)", "min(q)", "max(q)", "min(f)", "min(d)", "max(ts)", "max(s)", "min(t)", "bool_and(b)", "stddev(n)", "variance(p)",
                  "sum(n) FILTER (WHERE k < 10)", "sum(p * (1 - p))", "sum(n * k)", "count(*) FILTER (WHERE t LIKE 'text 1%')")
    wide_aggregates = "count(*), sum(n), sum(p), avg(p), min(d), max(q)"
    for aggregate in aggregates:
        add("%s" % aggregate, "SELECT %s FROM FACTS" % aggregate)
        add("%s of 1%%" % aggregate, "SELECT %s FROM FACTS WHERE n < %d" % (aggregate, rows // 100))
    for aggregate in ("count(*)", "sum(n)", "sum(p)"):
        add("%s of 10%% by index" % aggregate, "SELECT %s FROM FACTS WHERE id < %d" % (aggregate, rows // 10))
        add("%s of 4 conditions" % aggregate, "SELECT %s FROM FACTS WHERE k < 50 AND n < %d AND p < 5000 AND d < '2021-01-01'" % (aggregate, rows // 2))
    add("six aggregates", "SELECT %s FROM FACTS" % wide_aggregates)
    for key in ("k", "g", "id"):
        for aggregate in ("count(*)", "sum(n)", "sum(p)", "min(q)", "avg(p)", wide_aggregates):
            add("%s by %s" % (aggregate, key), "SELECT %s, %s FROM FACTS GROUP BY %s" % (key, aggregate, key))
    for key in ("b", "t", "s", "d", "ts", "f", "p", "i8", "date_trunc('month', d)", "extract(year FROM d)", "n % 10", "k, t", "k, b, d", "x"):
        for aggregate in ("count(*)", "sum(n)"):
            add("%s by %s" % (aggregate, key), "SELECT %s, %s FROM FACTS GROUP BY %s" % (key, aggregate, key))
    for key in ("k", "t", "d", "p", "g", "k, t", "id"):
        add("distinct " + key, "SELECT DISTINCT %s FROM FACTS" % key)
    add("distinct k of 1%", "SELECT DISTINCT k FROM FACTS WHERE n < %d" % (rows // 100))
    add("distinct on", "SELECT DISTINCT ON (k) k, n, d FROM FACTS ORDER BY k, n")
    add("having", "SELECT g, count(*) FROM FACTS GROUP BY g HAVING count(*) > 8")
    add("top groups by sum", "SELECT g, sum(n) FROM FACTS GROUP BY g ORDER BY 2 DESC LIMIT 10")
    add("top groups by count", "SELECT k, count(*) FROM FACTS GROUP BY k ORDER BY 2 DESC LIMIT 10")
    add("two distinct counts", "SELECT count(DISTINCT k), count(DISTINCT t) FROM FACTS")
    add("two distinct counts by b", "SELECT b, count(DISTINCT k), count(DISTINCT t) FROM FACTS GROUP BY b")

    for key in ("id", "n", "p", "q", "d", "f", "s", "t COLLATE \"C\", n", "id DESC", "b, n"):
        add("sort %s" % key, "SELECT id, n, p FROM FACTS ORDER BY %s" % key)
        add("sort %s limit 10" % key, "SELECT id, n, p FROM FACTS ORDER BY %s LIMIT 10" % key)
    for key in ("id", "n"):
        add("sort %s limit half" % key, "SELECT id, n, p FROM FACTS ORDER BY %s LIMIT %d" % (key, rows // 2))
        add("sort %s of 1%% limit 10" % key, "SELECT id, n, p FROM FACTS WHERE n < %d ORDER BY %s LIMIT 10" % (rows // 100, key))
        add("sort %s offset" % key, "SELECT id, n, p FROM FACTS ORDER BY %s LIMIT 10 OFFSET %d" % (key, rows // 2))
        add("sum of sort %s limit offset" % key, "SELECT sum(p) FROM (SELECT p FROM FACTS ORDER BY %s LIMIT %d OFFSET %d) x" % (key, rows // 4, rows // 20))
    add("sort all columns by n", "SELECT * FROM FACTS ORDER BY n")
    add("sort all columns by n limit 10", "SELECT * FROM FACTS ORDER BY n LIMIT 10")
    add("limit 10", "SELECT * FROM FACTS LIMIT 10")
    add("limit 10 of 1%", "SELECT * FROM FACTS WHERE n < %d LIMIT 10" % (rows // 100))
    add("limit half", "SELECT id, n, p FROM FACTS LIMIT %d" % (rows // 2))
    add("sum of limit offset", "SELECT sum(p) FROM (SELECT p FROM FACTS LIMIT %d OFFSET %d) x" % (rows // 2, rows // 20))
    add("sum(n) of limit", "SELECT sum(n) FROM (SELECT n FROM FACTS LIMIT %d) x" % (rows // 2))

    for name, condition in (("all", "true"), ("one dim", "d.k2 = 5"), ("10% dim", "d.grp = 3"), ("0.1% facts", "f.n < %d" % max(rows // 1000, 1)),
                            ("10% facts", "f.n < %d" % (rows // 10))):
        for form in ("JOIN", "LEFT JOIN"):
            if form == "JOIN" or name in ("all", "10% facts"):
                add("dim %s, %s" % (form, name), "SELECT f.id, f.p, d.name FROM FACTS f %s dim d ON f.k = d.k2 WHERE %s" % (form, condition))
        add("dim count, %s" % name, "SELECT count(*) FROM FACTS f JOIN dim d ON f.k = d.k2 WHERE %s" % condition)
        add("dim sum by grp, %s" % name, "SELECT d.grp, sum(f.n) FROM FACTS f JOIN dim d ON f.k = d.k2 WHERE %s GROUP BY d.grp" % condition)
    for name, condition in (("all", "true"), ("0.1%", "f.n < %d" % max(rows // 1000, 1)), ("10%", "f.n < %d" % (rows // 10)), ("10% child", "c.v < 100")):
        add("child join, %s" % name, "SELECT f.id, f.p, c.v FROM FACTS f JOIN child c ON f.id = c.fid WHERE %s" % condition)
        add("child sum by k, %s" % name, "SELECT f.k, sum(c.v) FROM FACTS f JOIN child c ON f.id = c.fid WHERE %s GROUP BY f.k" % condition)
        add("child top, %s" % name, "SELECT f.id, c.v FROM FACTS f JOIN child c ON f.id = c.fid WHERE %s ORDER BY c.v, f.id LIMIT 10" % condition)
    for name, condition in (("all", "true"), ("0.1%", "f.n < %d" % max(rows // 1000, 1))):
        add("semi, %s" % name, "SELECT f.id FROM FACTS f WHERE %s AND EXISTS (SELECT FROM child c WHERE c.fid = f.id AND c.v < 500)" % condition)
        add("anti, %s" % name, "SELECT f.id FROM FACTS f WHERE %s AND NOT EXISTS (SELECT FROM child c WHERE c.fid = f.id AND c.v < 500)" % condition)
        add("three, %s" % name, "SELECT f.id, c.v, d.name FROM FACTS f JOIN child c ON f.id = c.fid JOIN dim d ON f.k = d.k2 WHERE %s" % condition)
        add("three sum, %s" % name, "SELECT d.grp, sum(c.v) FROM FACTS f JOIN child c ON f.id = c.fid JOIN dim d ON f.k = d.k2 WHERE %s GROUP BY 1" % condition)
    add("full join", "SELECT f.id, d.name FROM FACTS f FULL JOIN dim d ON f.k = d.k2")
    add("subquery in", "SELECT id FROM FACTS WHERE k IN (SELECT k2 FROM dim WHERE grp = 3)")
    add("correlated", "SELECT id, (SELECT max(v) FROM child WHERE fid = FACTS.id) FROM FACTS WHERE id < 20")
    add("self join", "SELECT a.id, b.n FROM FACTS a JOIN FACTS b ON a.n = b.id WHERE a.k = 5")
    return found


# ---- measuring --------------------------------------------------------------------------------

class Way:
    def __init__(self, parameters, schema, token, settings, timeout):
        self.connection = psycopg.connect(autocommit=True, prepare_threshold=None, **parameters)
        self.price = 0
        for name, value in {"search_path": schema, "mongo_tenant.jwt": token, "statement_timeout": "%ds" % timeout, **settings}.items():
            self.connection.execute("SELECT set_config(%s, %s, false)", (name, value))

    def seconds(self, query):
        """Planning and execution, a timeout is infinite; and the plan's price is kept in self.price."""
        try:
            row = self.connection.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + query).fetchone()[0]
        except psycopg.errors.QueryCanceled:
            return float("inf")
        self.price = row[0]["Plan"]["Total Cost"]
        return (row[0]["Planning Time"] + row[0]["Execution Time"]) / 1000

    def plan(self, query):
        return "\n".join(row[0][:400] for row in self.connection.execute("EXPLAIN (VERBOSE) " + query).fetchall())


def measure(ways, query):
    times = {name: way.seconds(query) for name, way in ways.items()}
    for _ in range(AGAIN):
        best = min(times.values())
        if times["chosen"] <= max(1.5 * best, NOISE):
            break
        fastest = min(times, key=times.get)
        for name in ("chosen", fastest):
            times[name] = min(times[name], ways[name].seconds(query))
    return times


def is_slow(times):
    return times["chosen"] > LIMIT * min(times.values()) and times["chosen"] > NOISE


def setup(connection, uri, database, schemas, options):
    connection.execute("CREATE EXTENSION mongo_tenant_fdw")
    key = tokens.create_provider(connection, "grid")
    for schema in schemas:
        estimates, trusts = SCHEMAS[schema]
        connection.execute("CREATE SCHEMA " + schema)
        connection.execute(
            "CREATE SERVER %s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s', providers 'grid', "
            "tenant_field 'tenant_id', use_remote_estimate '%s'%s)" % (schema, uri, database, str(estimates).lower(), options and ", " + options))
        for table, columns in TABLES.items():
            connection.execute("CREATE FOREIGN TABLE %s.%s (%s) SERVER %s OPTIONS (trust_types '%s')"
                               % (schema, table, columns, schema, str(trusts).lower()))
    return key


def run(args, parameters, uri):
    name = "mtf_grid_%d" % os.getpid()
    client = pymongo.MongoClient(uri)
    admin = psycopg.connect(autocommit=True, **dict(parameters, dbname="postgres", user="postgres"))
    admin.execute("CREATE DATABASE %s TEMPLATE template0" % name)
    parameters = dict(parameters, dbname=name, user="postgres")
    slow, ratios = [], []
    try:
        load(client[name], args.rows, [*args.tables, "dim", "child"])
        with psycopg.connect(autocommit=True, **parameters) as connection:
            key = setup(connection, uri, name, args.schemas, args.options)
        token = key.sign(tokens.claims(tenant="UA", lifetime=20 * 3600))
        for schema in args.schemas:
            ways = {way: Way(parameters, schema, token, settings, args.timeout) for way, settings in WAYS.items()}
            for table in args.tables:
                for shape, query in shapes(table, args.rows):
                    title = "%s %s %s" % (schema, table, shape)
                    if not re.search(args.only, title):
                        continue
                    times = measure(ways, query)
                    ratio = times["chosen"] / min(times.values())
                    ratios.append(ratio)
                    print("%s: chosen/best %.2f    %s" % (
                        title, ratio, "  ".join("%s %.4f (%.0f)" % (way, seconds, ways[way].price) for way, seconds in times.items())), flush=True)
                    if is_slow(times):
                        best = min(times, key=times.get)
                        slow.append((title, ratio, best, times))
                        if args.plans:
                            tap.diag(query)
                            tap.diag(ways["chosen"].plan(query))
                            tap.diag("best: " + best)
                            tap.diag(ways[best].plan(query))
            for way in ways.values():
                way.connection.close()
    finally:
        admin.execute("DROP DATABASE %s WITH (FORCE)" % name)
        client.drop_database(name)
    print("# %d shapes; over %.1f: %d, over 1.5: %d, within 1.1: %d" % (
        len(ratios), LIMIT, len(slow), sum(ratio > 1.5 for ratio in ratios), sum(ratio <= 1.1 for ratio in ratios)))
    for title, ratio, best, times in sorted(slow, key=lambda entry: -entry[1]):
        print("# %.2f  %s: %s %.4f, chosen %.4f" % (ratio, title, best, times[best], times["chosen"]))
    tap.ok(ratios and not slow, "no shape takes more than %.1f times as long as the best way" % LIMIT)


def arguments():
    def names(text):
        return text.split(",")
    parser = argparse.ArgumentParser(description="chosen plans against the best of several ways")
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--engine")
    parser.add_argument("--only", default="")
    parser.add_argument("--options", default="", help="more options of the server: \"remote_operator_cost '0.02'\"")
    parser.add_argument("--schemas", type=names, default=["estimated", "blind"])
    parser.add_argument("--tables", type=names, default=["narrow", "wide"])
    parser.add_argument("--timeout", type=int, default=30)
    parser.add_argument("--plans", action="store_true")
    return parser.parse_args()


def main():
    args = arguments()
    with servers.by_hand(args.engine, {"shared_buffers": "256MB", "work_mem": "64MB"}) as (parameters, uri):
        run(args, parameters, uri)
    tap.done()


if __name__ == "__main__":
    main()
