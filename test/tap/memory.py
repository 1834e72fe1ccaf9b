"""100 scans of one collection in one session: the backend's memory stays flat.  Figures are printed."""
from tap import World, ok, is_, diag, done

SCANS = 100
GROWTH_ALLOWED = 1024  # kB; one forgotten batch per scan would be more than 50,000


def resident(pid):
    """Anonymous memory of a process in kB: shared buffers it touched do not count."""
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


def measure(world, name, action, scans=SCANS):
    with world.connect("UA") as session:
        pid = world.value(session, "SELECT pg_backend_pid()")
        # LLVM keeps what it has compiled for a while: tens of megabytes that are not ours.
        session.execute("SET jit = off")
        for turn in range(scans // 5):
            action(session)
        before = resident(pid)
        for turn in range(scans):
            action(session)
        after = resident(pid)
        diag("%s: %d kB before, %d kB after %d more, growth %d kB" % (name, before, after, scans, after - before))
        ok(after - before <= GROWTH_ALLOWED, "%s: memory is flat over %d runs" % (name, scans))


def whole_scan(session):
    session.execute("SELECT sum(length(tailnum)), count(model) FROM planes").fetchall()


def several_cursors(session):
    session.execute("SELECT sum(length(tailnum)), count(model) FROM several_planes").fetchall()


def several_failing(session):
    try:
        session.execute("SELECT 1 / (length(tailnum) - 6) FROM several_planes").fetchall()
    except Exception as error:
        assert error.sqlstate == "22012", error
    else:
        raise AssertionError("no division by zero")


def early_end(session):
    session.execute("SELECT * FROM planes LIMIT 1").fetchall()


def failing(session):
    try:
        session.execute("SELECT 1 / (id - 5) FROM accounts ORDER BY id")
    except Exception as error:
        assert error.sqlstate == "22012", error
    else:
        raise AssertionError("no division by zero")


def mismatching(session):
    try:
        session.execute("SELECT * FROM mismatch")
    except Exception as error:
        assert error.sqlstate is not None
    else:
        raise AssertionError("no mismatch")


def rescanning(session):
    session.execute("SELECT (SELECT name FROM accounts b WHERE b.id = a.id) FROM accounts a").fetchall()


def documents(session):
    session.execute("SELECT document FROM whole").fetchall()


with World() as world:
    world.load("planes", "accounts", "mismatch", "typed")
    with world.admin() as admin:
        admin.execute("CREATE SERVER several FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s',"
                      " providers 'test', tenant_field 'tenant_id', parallel '4', fetch_size '100');"
                      " SELECT mongo_tenant.set_policy('several', 'planes', shared => true);"
                      " CREATE FOREIGN TABLE several_planes (tailnum text, model text) SERVER several"
                      " OPTIONS (collection 'planes'); GRANT SELECT ON several_planes TO mtf_app"
                      % (world.uri, world.name))
    with world.connect("UA") as session:
        session.execute("SELECT 1 FROM several_planes").fetchall()
        plan = str(world.column(session, "EXPLAIN (ANALYZE, VERBOSE) SELECT tailnum FROM several_planes"))
        ok("Ranges: 16" in plan, "the scan by several cursors is one") or diag(plan)
    for name, action in (("whole scan of 3,322 documents", whole_scan), ("scan ended early", early_end),
                         ("error half-way", failing), ("type mismatch", mismatching), ("rescans", rescanning),
                         ("whole documents", documents)):
        measure(world, name, action)
    # 16 commands each: an engine in Python is slow.
    measure(world, "whole scan by 4 cursors", several_cursors, 20)
    measure(world, "error of 4 cursors", several_failing, 20)
    with world.connect("UA") as session:
        is_(world.value(session, "SELECT count(*) FROM planes"), 3322, "the scans were real")
done()
