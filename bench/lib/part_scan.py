"""scan: eight columns, one column, and a projected scan of a canned server, against libmongoc.

The reference drains the same cursor with the same batch size and walks all fields; it runs with malloc's
default thresholds and with raised ones, and the faster of both counts.  All programs take turns, and a ratio
is the median of those of each turn, so that what else the machine does meets both sides.  All use the same
Unix socket: over loopback TCP the kernel's part of a drain is half as long again when the machine is busy.

scan8, scan1   every row is made in the backend, none is sent (MOVE ALL); whole documents travel
count8         the same under an aggregate that looks at every column of every row
projected8/1   the server applies our projection; the reference asks for the same fields
raw            the bytes read and thrown away, by a reader that looks again when there is nothing to read, and by
               one that sleeps until it is woken
"""

import measure

TENANT = "tenant-0001"
BATCH = 8000  # about 2 MB
TURNS = 2  # times REPEAT
COLUMNS = [("seq", "integer"), ("account", "bigint"), ("amount", "double precision"),
           ("rate", "double precision"), ("created_at", "timestamptz"), ("name", "text"), ("city", "text"),
           ("active", "boolean")]
NAMES = [name for name, _ in COLUMNS]


def create_tables(session, prefix="", options="collection '%s', fetch_size '%d'", server="canned"):
    for collection in ("whole", "docs"):
        for width in (8, 1):
            columns = ", ".join("%s %s" % column for column in COLUMNS[:width])
            session.sql("CREATE FOREIGN TABLE %s%s%d (%s) SERVER %s OPTIONS (%s)" % (
                prefix, collection, width, columns, server, options % (collection, BATCH)))


def prepare(session, uri):
    identity = measure.Identity()
    session.sql("CREATE EXTENSION IF NOT EXISTS mongo_tenant_fdw")
    identity.create_provider(session)
    measure.create_server(session, "canned", uri, "bench")
    create_tables(session)
    session.sql("SET jit = off")
    session.token(identity.token(TENANT))
    return identity


def projection(names):
    return [{"$project": {"_id": 0, "tenant_id": 1, **{name: 1 for name in names}}}]


def check_values(session, uri):
    """The rows are the reference's rows: sums over all of them agree, so nobody was fast by being wrong."""
    count, total, names, actives = session.sql(
        "SELECT count(*), sum(seq), sum(length(name)), count(*) FILTER (WHERE active) FROM whole8").fetchone()
    want = sum(range(measure.DOCUMENTS))
    if count != measure.DOCUMENTS or total != want or names < 10 * count or not 0 < actives < count:
        raise RuntimeError("wrong rows: %s of %s, sum %s of %s" % (count, measure.DOCUMENTS, total, want))


def queries():
    every = ", ".join(NAMES)
    return {
        "scan8": ("rows", "SELECT %s FROM whole8" % every),
        "scan1": ("rows", "SELECT seq FROM whole1"),
        "count8": ("run", "SELECT count(*) FROM whole8 WHERE num_nonnulls(%s) = 8" % every),
        "projected8": ("rows", "SELECT %s FROM docs8" % every),
        "projected1": ("rows", "SELECT seq FROM docs1"),
    }


def measure_once(session, kind, query):
    return session.run_all_rows(query) if kind == "rows" else session.run(query)


def drain_raw(canned, how):
    """The median of some: one takes 40 ms, and much of that may be waiting for a processor."""
    drains = measure.lines_of_json([measure.program("drain_raw"), canned.address, "bench.whole", str(BATCH), "6",
                                    how])[1:]
    return {what: measure.median([drain[what] for drain in drains]) for what in ("wall", "cpu")}


def run(owner, cluster):
    canned = measure.Canned(owner, tenant=TENANT, unix=True)
    runs = {}
    with measure.Session(cluster) as session:
        prepare(session, canned.uri)
        session.sql("SET mongo_tenant.enable_aggregate_pushdown = off")  # the canned server groups nothing
        session.sql("SELECT seq FROM whole8 LIMIT 1").fetchall()
        before = session.memory()
        check_values(session, canned.uri)
        references = {
            "drain_walk default": ("bench.whole", "default", "yes", []),
            "drain_walk raised": ("bench.whole", "raised", "yes", []),
            "drain default": ("bench.whole", "default", "no", []),
            "drain raised": ("bench.whole", "raised", "no", []),
            "projected8 default": ("bench.docs", "default", "yes", projection(NAMES)),
            "projected8 raised": ("bench.docs", "raised", "yes", projection(NAMES)),
            "projected1 default": ("bench.docs", "default", "yes", projection(NAMES[:1])),
            "projected1 raised": ("bench.docs", "raised", "yes", projection(NAMES[:1])),
        }
        for turn in range(measure.REPEAT * TURNS + 1):  # the first turn only warms up
            for name, (kind, query) in queries().items():
                result = measure_once(session, kind, query)
                if result["result"] != measure.DOCUMENTS:
                    raise RuntimeError("%s: %s rows" % (name, result["result"]))
                runs.setdefault(name, []).append(result)
            for name, (namespace, malloc, walk, pipeline) in references.items():
                runs.setdefault(name, []).append(measure.reference(
                    canned.uri, namespace, malloc, batch=BATCH, walk=walk, pipeline=pipeline, repeat=2)[1])
            for how in ("looks", "sleeps"):
                runs.setdefault("raw, reader " + how, []).append(drain_raw(canned, how))
        after = session.memory()
    return report({name: list_of_runs[1:] for name, list_of_runs in runs.items()},
                  (after["VmHWM"] - before["VmHWM"]) / 1024)


def report(runs, growth):
    rows = {name: measure.summary(list_of_runs) for name, list_of_runs in runs.items()}

    def best(name):
        return min((name + " default", name + " raised"), key=lambda one: rows[one]["wall"])

    whole = best("drain_walk")
    goals = {"scan8": ("scan8", whole, "<= 0.8"), "scan1": ("scan1", whole, "<= 0.5"),
             "count8": ("count8", whole, None), "projected8": ("projected8", best("projected8"), None),
             "projected1": ("projected1", best("projected1"), None),
             "canned_server": ("raw, reader looks", whole, "<= 0.15"),
             "canned_server_sleeping_reader": ("raw, reader sleeps", whole, None)}
    spreads = {name: measure.paired(measure.walls(runs[ours]), measure.walls(runs[theirs]))
               for name, (ours, theirs, _) in goals.items()}
    ratios = {name: (spreads[name]["ratio"], goal) for name, (_, _, goal) in goals.items()}
    ratios["scan8_cpu"] = (rows["scan8"]["cpu"] / min(rows["drain_walk default"]["cpu"],
                                                      rows["drain_walk raised"]["cpu"]), None)
    ratios["scan8_memory_growth_mb"] = (growth, "<= 16")
    table = [(name, "%.3f" % row["wall"], "%.3f" % row["cpu"],
              "%.2f" % (measure.DOCUMENTS / row["wall"] / 1e6)) for name, row in rows.items()]
    return {"title": "%d documents of about 240 bytes, batches of %d" % (measure.DOCUMENTS, BATCH),
            "head": ("path", "wall s", "CPU s", "million docs/s"), "table": table, "rows": rows,
            "ratios": ratios, "spreads": spreads}
