"""peer: EDB mongo_fdw and ours, side by side: same PostgreSQL, same servers, same statements.

Runs where the peer is installed, which is the root of Debian testing (test/matrix/root forky); called
elsewhere, it copies the tree there, runs itself inside and takes the result.

scan8, scan1   the canned server; each wrapper asks for what it asks for (the peer: whole documents)
others         statements on a fast real server; the peer knows no tenant, so its WHERE names one.  There is
               no join: the peer's $lookup took minutes on this server, and it cannot be cancelled
"""

import json
import os
import subprocess
import sys

import measure
import orders
import part_native
import part_scan
import servers

TENANTS, PER_TENANT = 100, 200

STATEMENTS = {
    "lookup": "SELECT amount FROM %(orders)s WHERE seq = 50%(tenant)s",
    "filter": "SELECT seq, amount FROM %(orders)s WHERE amount > 5000 AND status = 'open'%(tenant)s",
    "in_list": "SELECT seq FROM %(orders)s WHERE seq IN (1, 10, 100)%(tenant)s",
    "count": "SELECT count(*) FROM %(orders)s WHERE status = 'open'%(tenant)s",
    "group": "SELECT customer, count(*), sum(seq) FROM %(orders)s WHERE true%(tenant)s GROUP BY customer",
    "topn": "SELECT seq, amount FROM %(orders)s WHERE true%(tenant)s ORDER BY amount DESC NULLS LAST LIMIT 10",
}


def statement(name, ours, tenant):
    prefix = "" if ours else "peer_"
    values = {"orders": prefix + "orders", "customers": prefix + "customers"}
    values["tenant"] = "" if ours else " AND tenant_id = '%s'" % tenant
    return STATEMENTS[name] % values


def create_peer(session, canned, engine_uri, database):
    host, _, port = engine_uri.split("//", 1)[1].rstrip("/").partition(":")
    session.sql("CREATE EXTENSION mongo_fdw")
    for name, address, number in (("peer_canned", "127.0.0.1", str(canned.port)), ("peer_engine", host, port)):
        session.sql("CREATE SERVER %s FOREIGN DATA WRAPPER mongo_fdw OPTIONS (address '%s', port '%s')" % (
            name, address, number))
        session.sql("CREATE USER MAPPING FOR postgres SERVER %s" % name)
    for width in (8, 1):
        # The peer insists on _id as the first column, of its own type.
        columns = ", ".join(["_id name"] + ["%s %s" % column for column in part_scan.COLUMNS[:width]])
        session.sql("CREATE FOREIGN TABLE peer_docs%d (%s) SERVER peer_canned "
                    "OPTIONS (database 'bench', collection 'docs')" % (width, columns))
    for table, columns in (("orders", orders.ORDERS_COLUMNS), ("customers", orders.CUSTOMERS_COLUMNS)):
        session.sql("CREATE FOREIGN TABLE peer_%s (_id name, %s) SERVER peer_engine "
                    "OPTIONS (database '%s', collection '%s')" % (table, columns, database, table))


def in_turns(session, ours, peer, repeat):
    """Medians of two measured callables that take turns; the first turn warms up."""
    runs = [(ours(), peer()) for _ in range(repeat + 1)][1:]
    return {"ours": measure.summary([pair[0] for pair in runs]),
            "peer": measure.summary([pair[1] for pair in runs])}


def rows_of(session, query):
    return session.sql("SELECT count(*) FROM (%s OFFSET 0) AS answer" % query).fetchone()[0]


def run_here(owner, cluster):
    canned = measure.Canned(owner, tenant=part_scan.TENANT)
    engine = part_native.start_engine(owner)
    database, tenant = "mtf_peer", orders.tenant_name(7)
    with engine.client() as client:
        client.drop_database(database)
        orders.load(client[database], "orders", TENANTS, PER_TENANT)
        orders.load_customers(client[database], TENANTS)
    results = {}
    with measure.Session(cluster) as session:
        identity = part_scan.prepare(session, canned.uri)
        measure.create_server(session, "engine", engine.uri, database)
        session.sql("CREATE FOREIGN TABLE orders (%s) SERVER engine" % orders.ORDERS_COLUMNS)
        session.sql("CREATE FOREIGN TABLE customers (%s) SERVER engine" % orders.CUSTOMERS_COLUMNS)
        create_peer(session, canned, engine.uri, database)
        for name, columns in (("scan8", ", ".join(part_scan.NAMES)), ("scan1", "seq")):
            width = name[-1]
            results[name] = in_turns(
                session, lambda: session.run_all_rows("SELECT %s FROM docs%s" % (columns, width)),
                lambda: session.run_all_rows("SELECT %s FROM peer_docs%s" % (columns, width)), measure.REPEAT)
            results[name]["answers"] = (measure.DOCUMENTS, measure.DOCUMENTS)
        session.token(identity.token(tenant))
        for name in STATEMENTS:
            print("bench: peer: %s" % name, file=sys.stderr, flush=True)
            ours, peer = statement(name, True, tenant), statement(name, False, tenant)
            results[name] = in_turns(session, lambda: session.run(ours), lambda: session.run(peer),
                                     measure.REPEAT)
            results[name]["answers"] = (rows_of(session, ours), rows_of(session, peer))
    return report(results, engine.kind)


def report(results, engine):
    ratios, table = {}, []
    for name, result in results.items():
        ratio = result["peer"]["wall"] / result["ours"]["wall"]
        same = result["answers"][0] == result["answers"][1]
        ratios["peer_" + name] = (ratio, ">= 3" if name.startswith("scan") else None)
        table.append((name, "%.2f" % (result["ours"]["wall"] * 1e3), "%.2f" % (result["peer"]["wall"] * 1e3),
                      "%.1f" % ratio, "%d%s" % (result["answers"][0], "" if same else
                                                " (peer: %d)" % result["answers"][1])))
    return {"title": "EDB mongo_fdw and ours; statements on %d documents of %d tenants, %s" % (
                TENANTS * PER_TENANT, TENANTS, engine),
            "head": ("statement", "ours ms", "peer ms", "peer / ours", "rows"), "table": table,
            "rows": results, "ratios": ratios}


def run_in_root(owner):
    """The same part inside the root that has the peer; the fast server runs out here."""
    script = os.path.join(servers.ROOT, "test", "matrix", "root")
    engine = part_native.start_engine(owner)
    inside = "/opt/mongo_tenant_fdw_bench"
    root = subprocess.run([script, "forky"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([script, "forky", "--copy", inside], check=True, stdout=sys.stderr)
    subprocess.run([script, "forky", "env", "SETUP_LIBJWT=libjwt14-dev", "BENCH_REPEAT=%d" % measure.REPEAT,
                    "BENCH_DOCUMENTS=%d" % measure.DOCUMENTS, inside + "/bench/run", "peer"],
                   check=True, stdout=sys.stderr, env={**os.environ, "MONGO_TENANT_TEST_URI": engine.uri})
    with open(root + inside + "/bench/results/peer.json") as file:
        result = json.load(file)
    result["title"] = result["title"].replace(" tenants, uri", " tenants, %s" % engine.kind)
    return result


def run(owner, cluster):
    with measure.Session(cluster) as session:
        here = session.one("SELECT count(*) FROM pg_available_extensions WHERE name = 'mongo_fdw'")
    return run_here(owner, cluster) if here else run_in_root(owner)
