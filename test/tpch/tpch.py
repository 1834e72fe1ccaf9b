#!/usr/bin/env python3
"""TPC-H over foreign tables: all 22 queries must give what local tables give.

    tpch.py [--scale 0.05] [--engine URI] [--only Q1,Q6] [--no-off] [--plans DIR] [--database NAME]

Servers: PGHOST, PGPORT and MTF_URI of the environment, else its own.  Every document has a tenant; a
second tenant has a tenth of the data under the same keys, so that a leak changes every result.
Prints a TAP line per query and a table: filters, joins and aggregates that ran remotely, and the times
with all pushdown, with none (until --timeout), and locally.  --plans writes EXPLAIN (VERBOSE).
"""

import argparse
import csv
import datetime
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

import servers  # noqa: E402
import psycopg  # noqa: E402
import pymongo  # noqa: E402
from bson.decimal128 import Decimal128  # noqa: E402

import tap  # noqa: E402
import tokens  # noqa: E402

TABLES = {
    "region": "r_regionkey integer, r_name text, r_comment text",
    "nation": "n_nationkey integer, n_name text, n_regionkey integer, n_comment text",
    "supplier": "s_suppkey integer, s_name text, s_address text, s_nationkey integer, s_phone text, "
                "s_acctbal numeric(15,2), s_comment text",
    "customer": "c_custkey integer, c_name text, c_address text, c_nationkey integer, c_phone text, "
                "c_acctbal numeric(15,2), c_mktsegment text, c_comment text",
    "part": "p_partkey integer, p_name text, p_mfgr text, p_brand text, p_type text, p_size integer, "
            "p_container text, p_retailprice numeric(15,2), p_comment text",
    "partsupp": "ps_partkey integer, ps_suppkey integer, ps_availqty integer, ps_supplycost numeric(15,2), "
                "ps_comment text",
    "orders": "o_orderkey integer, o_custkey integer, o_orderstatus text, o_totalprice numeric(15,2), "
              "o_orderdate date, o_orderpriority text, o_clerk text, o_shippriority integer, o_comment text",
    "lineitem": "l_orderkey integer, l_partkey integer, l_suppkey integer, l_linenumber integer, "
                "l_quantity numeric(15,2), l_extendedprice numeric(15,2), l_discount numeric(15,2), "
                "l_tax numeric(15,2), "
                "l_returnflag text, l_linestatus text, l_shipdate date, l_commitdate date, "
                "l_receiptdate date, l_shipinstruct text, l_shipmode text, l_comment text"}
KEYS = {"region": ["r_regionkey"], "nation": ["n_nationkey", "n_regionkey"],
        "supplier": ["s_suppkey", "s_nationkey"], "customer": ["c_custkey", "c_nationkey"],
        "part": ["p_partkey"], "partsupp": ["ps_partkey", "ps_suppkey"],
        "orders": ["o_orderkey", "o_custkey"], "lineitem": ["l_orderkey", "l_partkey", "l_suppkey", "l_shipdate"]}
CONVERT = {"integer": int, "numeric(15,2)": Decimal128, "text": str,
           "date": lambda text: datetime.datetime.fromisoformat(text)}
ONE_COMMAND = {"Q1", "Q6", "Q12", "Q14"}
# With guards the columns of these are fetched, which is cheaper over loopback: they are one command where types are promised,
# or where sending a document is dear.
PROMISED = {"Q1"}
DEAR = "ALTER SERVER tpch OPTIONS (ADD fdw_tuple_cost '0.1')"


def columns_of(table):
    return [part.split() for part in TABLES[table].split(", ")]


def generate(scale, directory):
    program = servers.find_program("tpchgen-cli", also=os.path.join(os.path.dirname(sys.executable), "tpchgen-cli"))
    if program is None:
        raise SystemExit("tpchgen-cli is missing: pip install tpchgen-cli")
    os.makedirs(directory, exist_ok=True)
    subprocess.run([program, "csv", "-s", str(scale), "--output-dir", directory, "--quiet"], check=True)


def rows_of(directory, table):
    with open(os.path.join(directory, table + ".csv"), newline="") as file:
        reader = csv.reader(file)
        next(reader)
        yield from reader


def load_documents(database, directories):
    for table in TABLES:
        columns = [(name, CONVERT[kind]) for name, kind in columns_of(table)]
        collection = database[table]
        collection.drop()
        for key in KEYS[table]:  # before the documents: one engine is slow to index what is there
            collection.create_index([("tenant_id", 1), (key, 1)])
        for tenant, directory in directories.items():
            batch = []
            for row in rows_of(directory, table):
                document = {"tenant_id": tenant}
                for (name, convert), text in zip(columns, row):
                    document[name] = convert(text)
                batch.append(document)
                if len(batch) == 5000:
                    collection.insert_many(batch, ordered=False)
                    batch = []
            if batch:
                collection.insert_many(batch, ordered=False)
        print("# loaded %s" % table, flush=True)


def load_local(connection, directory):
    connection.execute("DROP SCHEMA IF EXISTS local CASCADE")
    connection.execute("CREATE SCHEMA local")
    for table, columns in TABLES.items():
        connection.execute("CREATE TABLE local.%s (%s)" % (table, columns))
        with connection.cursor().copy("COPY local.%s FROM STDIN" % table) as copy:
            for row in rows_of(directory, table):
                copy.write_row(row)
        for key in KEYS[table]:
            connection.execute("CREATE INDEX ON local.%s (%s)" % (table, key))
        connection.execute("ANALYZE local.%s" % table)


def queries():
    with open(os.path.join(HERE, "queries.sql")) as file:
        parts = re.split(r"^-- (Q\d+)\n", file.read(), flags=re.M)
    return {parts[i]: parts[i + 1].strip().rstrip(";") for i in range(1, len(parts), 2)}


class Session:
    def __init__(self, parameters, schema, settings):
        self.connection = psycopg.connect(autocommit=True, prepare_threshold=None, **parameters)
        self.connection.execute("SET search_path = %s" % schema)
        for name, value in settings.items():
            self.connection.execute("SELECT set_config(%s, %s, false)", (name, value))

    def timed(self, query, repeat=1):
        """(rows, seconds of the fastest run), or (None, the error)."""
        best = None
        for _ in range(repeat):
            start = time.monotonic()
            try:
                rows = self.connection.execute(query).fetchall()
            except psycopg.errors.QueryCanceled:
                return None, "timeout"
            except psycopg.Error as error:
                return None, "%s %s" % (error.sqlstate, error)
            seconds = time.monotonic() - start
            best = seconds if best is None else min(best, seconds)
        return rows, best

    def explain(self, query):
        return "\n".join(row[0] for row in self.connection.execute(
            "EXPLAIN (VERBOSE, COSTS OFF) " + query).fetchall())


def census(plan):
    """
    What runs where: conjuncts, joins and aggregates, remote and local, counted in a plan.  Below a foreign
    scan stands what computes the same here if the server's numbers are not exact: it is not counted.
    """
    text, below = [], None
    for line in plan.split("\n"):
        indent = len(line) - len(line.lstrip())
        node = "->" in line[:indent + 2]
        if below is not None and node and indent > below:
            skipping = True
            continue
        if node or below is None:
            skipping = False
            below = indent if "Foreign Scan" in line else None
        if not skipping:
            text.append(line)
    count = dict.fromkeys(("exact", "superset", "local", "joins", "local joins", "aggregates",
                           "local aggregates", "scans"), 0)
    for line in text:
        word = line.strip()
        if word.startswith(("->",)):
            word = word[2:].strip()
        if re.match(r"Foreign Scan|Async Foreign Scan", word):
            count["scans"] += 1
        elif re.match(r"(Nested Loop|Hash .*Join|Hash Join|Merge .*Join|Merge Join)", word):
            count["local joins"] += 1
        elif re.match(r"(Finalize |Partial )?(Hash|Group|Mixed)?Aggregate|GroupAggregate|Group$", word):
            count["local aggregates"] += 1
        elif word.startswith("Pipeline:"):
            # Each $unionWith has a $group of its own.
            count["joins"] += word.count('"$lookup"') + word.count('"$unionWith"')
            count["aggregates"] += 1 if word.count('"$group"') > word.count('"$unionWith"') else 0
        elif word.startswith("Remote Exact:"):
            count["exact"] += conjuncts(word)
        elif word.startswith("Remote Superset:"):
            count["superset"] += conjuncts(word)
        elif word.startswith("Local:"):
            count["local"] += conjuncts(word)
    return count


def conjuncts(line):
    """Entries of an EXPLAIN list: commas outside brackets and quotes, plus one."""
    depth, quoted, number = 0, False, 1
    for character in line.split(":", 1)[1]:
        if character == "'":
            quoted = not quoted
        elif not quoted and character in "([{":
            depth += 1
        elif not quoted and character in ")]}":
            depth -= 1
        elif not quoted and character == "," and depth == 0:
            number += 1
    return number


def foreign_setup(connection, uri, database, trust):
    connection.execute("CREATE EXTENSION mongo_tenant_fdw")
    key = tokens.create_provider(connection, "tpch")
    connection.execute(
        "CREATE SERVER tpch FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s', "
        "providers 'tpch', tenant_field 'tenant_id', use_remote_estimate 'true')" % (uri, database))
    for schema, promised in (("remote", trust), ("promised", True)):
        connection.execute("CREATE SCHEMA %s" % schema)
        for table, columns in TABLES.items():
            connection.execute("CREATE FOREIGN TABLE %s.%s (%s) SERVER tpch OPTIONS (collection '%s', trust_types '%s')"
                               % (schema, table, columns, table, "true" if promised else "false"))
    return key


def check_one_command(title, query, expected, on, promised):
    if title in PROMISED:
        got, seconds = promised.timed(query)
        tap.ok(got == expected, "%s: the same where types are promised" % title)
        tap.diag("%s where types are promised: %s s" % (title, show(seconds)))
    found = census((promised if title in PROMISED else on).explain(query))
    tap.ok(found["aggregates"] == 1 and found["scans"] == 1 and found["local joins"] == 0,
           "%s: one command, aggregated by the document server" % title)
    if title in PROMISED:
        check_where_network_is_dear(title, query, expected, on)


def check_where_network_is_dear(title, query, expected, on):
    on.connection.execute(DEAR)
    found = census(on.explain(query))
    tap.ok(found["aggregates"] == 1 and found["scans"] == 1, "%s: one command with guards where documents are dear to send" % title)
    got, seconds = on.timed(query)
    on.connection.execute("ALTER SERVER tpch OPTIONS (DROP fdw_tuple_cost)")
    tap.ok(got == expected or seconds == "timeout", "%s: the same where documents are dear to send" % title)
    tap.diag("%s with guards in one command: %s s" % (title, show(seconds)))


def show(value):
    return value if isinstance(value, str) else "%.3f" % value


def run(args, parameters, uri):
    name = "mtf_tpch_%d" % os.getpid()
    admin = psycopg.connect(autocommit=True, **dict(parameters, dbname="postgres", user="postgres"))
    admin.execute("CREATE DATABASE %s TEMPLATE template0" % name)
    client = pymongo.MongoClient(uri)
    documents = args.database or name
    parameters = dict(parameters, dbname=name, user="postgres")
    with tempfile.TemporaryDirectory() as scratch:
        directories = {"UA": os.path.join(scratch, "ua"), "DL": os.path.join(scratch, "dl")}
        generate(args.scale, directories["UA"])
        generate(args.scale / 10, directories["DL"])
        start = time.monotonic()
        if not args.database or "lineitem" not in client[documents].list_collection_names():
            load_documents(client[documents], directories)
        with psycopg.connect(autocommit=True, **parameters) as connection:
            load_local(connection, directories["UA"])
            key = foreign_setup(connection, uri, documents, args.trust)
        print("# scale %s loaded in %.0f s" % (args.scale, time.monotonic() - start), flush=True)
    token = key.sign(tokens.claims(tenant="UA", lifetime=20 * 3600))
    common = {"mongo_tenant.jwt": token, "statement_timeout": "%ds" % args.timeout}
    on = Session(parameters, "remote", common)
    promised = Session(parameters, "promised", common)
    off = Session(parameters, "remote", {
        **common, **{"mongo_tenant.enable_%s_pushdown" % kind: "off" for kind in tap.SWITCHES}})
    local = Session(parameters, "local", {})
    for table in TABLES:  # a server that has just stored them reads them for the first time
        off.connection.execute("SELECT count(*) FROM " + table)
    lines = [("query", "rows", "filters exact", "superset", "local", "joins remote", "local",
              "aggregates remote", "local", "scans", "all pushdown s", "none s", "local s")]
    for number, (title, query) in enumerate(queries().items()):
        if args.only and title not in args.only.split(","):
            continue
        expected, local_seconds = local.timed(query, 2)
        got, seconds = on.timed(query, args.repeat)
        tap.ok(got is not None and got == expected, "%s: %d rows as locally" % (title, len(expected)))
        if got is None:
            tap.diag(seconds)
        elif got != expected:
            tap.diag("expected %r\ngot      %r" % (expected[:3], got[:3]))
        try:
            plan = on.explain(query)
        except psycopg.Error as error:
            plan = str(error)
        found = census(plan)
        if args.plans:
            os.makedirs(args.plans, exist_ok=True)
            with open(os.path.join(args.plans, title.lower() + ".txt"), "w") as file:
                file.write(plan.replace(documents + ".", "") + "\n")
        if title in ONE_COMMAND and not args.lax:
            check_one_command(title, query, expected, on, promised)
        off_seconds = "-"
        if args.off:
            rows, off_seconds = off.timed(query)
            if off_seconds != "timeout":
                tap.ok(rows == expected, "%s: the same without pushdown" % title)
                if rows is None:
                    tap.diag(off_seconds)
                    off_seconds = "error"
            else:
                off_seconds = ">%d" % args.timeout
        lines.append((title, str(len(expected)), str(found["exact"]), str(found["superset"]),
                      str(found["local"]), str(found["joins"]), str(found["local joins"]),
                      str(found["aggregates"]), str(found["local aggregates"]), str(found["scans"]),
                      show(seconds) if got is not None else "error", show(off_seconds), show(local_seconds)))
        print("# " + " | ".join(lines[-1]), flush=True)
    print("#")
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("# | " + " | ".join(cell.rjust(width) for cell, width in zip(line, widths)) + " |")
    for session in (on, off, promised, local):
        session.connection.close()
    admin.execute("DROP DATABASE %s WITH (FORCE)" % name)
    if not args.database:
        client.drop_database(name)


def arguments(words=None):
    parser = argparse.ArgumentParser(description="TPC-H over foreign tables")
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--engine")
    parser.add_argument("--only")
    parser.add_argument("--no-off", dest="off", action="store_false")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--timeout", type=int, default=60)
    parser.add_argument("--plans")
    parser.add_argument("--trust", action="store_true", help="tables with trust_types: no guards")
    parser.add_argument("--lax", action="store_true", help="do not ask Q1, Q6, Q12 and Q14 to be one command")
    parser.add_argument("--database", help="document database to use again, or to load and keep")
    return parser.parse_args(words)


def main():
    args = arguments()
    with servers.by_hand(args.engine, {"shared_buffers": "256MB", "work_mem": "64MB"}) as (parameters, uri):
        run(args, parameters, uri)
    tap.done()


if __name__ == "__main__":
    main()
