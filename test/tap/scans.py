"""Several scans at once: rescans, self joins, open cursors beside queries, two tenants side by side."""
from recorder import Recorder
from tap import World, ok, is_, throws, done


def rescans(world, session, note):
    """Forced nested loops ask the inner side again and again."""
    # PostgreSQL 13 has no enable_memoize.
    session.execute("SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN"
                    " ('enable_hashjoin', 'enable_mergejoin', 'enable_material', 'enable_memoize')")
    is_(world.value(session, "SELECT count(*) FROM accounts a JOIN accounts b ON a.id <= b.id"), 55,
        "nested loop with rescans" + note)
    is_(world.value(session, "SELECT sum((SELECT count(*) FROM accounts b WHERE b.id < a.id)) FROM accounts a"), 45,
        "correlated subquery, values bound anew for each outer row" + note)
    is_(world.column(session, "SELECT a.id FROM accounts a WHERE NOT EXISTS"
                              " (SELECT FROM accounts b WHERE b.id = a.id + 1)"), [10],
        "anti join by rescans" + note)
    is_(world.rows(session, "SELECT g, x.name FROM generate_series(9, 12) g"
                            " LEFT JOIN LATERAL (SELECT name FROM accounts a WHERE a.id = g) x ON true ORDER BY g"),
        [(9, "UA customer 9"), (10, "UA customer 10"), (11, None), (12, None)],
        "lateral rescans, some without a row" + note)
    is_(world.value(session, "SELECT count(*) FROM generate_series(1, 3) g, LATERAL"
                             " (SELECT * FROM accounts LIMIT 4) x"), 12, "rescans that stop early" + note)


def cursors(world, session):
    with session.transaction():
        session.execute("DECLARE one CURSOR FOR SELECT tailnum FROM planes")
        session.execute("DECLARE two CURSOR FOR SELECT id FROM accounts ORDER BY id")
        first = world.column(session, "FETCH 100 one")
        is_(world.column(session, "FETCH 3 two"), [1, 2, 3], "second cursor of the same server")
        is_(world.value(session, "SELECT count(*) FROM accounts"), 10, "query beside two open cursors")
        is_(world.column(session, "FETCH ALL two"), list(range(4, 11)), "second cursor goes on")
        rest = world.column(session, "FETCH ALL one")
        whole = sorted(row["tailnum"] for row in world.mongo["planes"].find())
        is_(sorted(first + rest), whole, "first cursor brings every document once (%d)" % len(whole))
        session.execute("CLOSE one")
        session.execute("DECLARE three CURSOR FOR SELECT tailnum FROM planes")
        session.execute("FETCH 1 three")
    is_(world.value(session, "SELECT count(*) FROM planes"), len(whole), "a cursor left open at commit does no harm")
    with session.transaction():
        session.execute("DECLARE back SCROLL CURSOR FOR SELECT id FROM accounts ORDER BY id")
        session.execute("FETCH ALL back")
        is_(world.column(session, "FETCH BACKWARD 2 back"), [10, 9], "scroll cursor goes back")
        session.execute("MOVE ABSOLUTE 0 back")
        is_(world.column(session, "FETCH 2 back"), [1, 2], "and starts again")


def two_tenants(world):
    with world.connect("UA") as ua, world.connect("DL") as dl:
        query = "SELECT id, name, secret FROM accounts ORDER BY id"
        mine = {}
        for turn in range(3):
            mine["UA"], mine["DL"] = world.rows(ua, query), world.rows(dl, query)
        for tenant in ("UA", "DL"):
            is_(mine[tenant], [(n, "%s customer %d" % (tenant, n), "secret of " + tenant) for n in range(1, 11)],
                "%s, same ids, own rows" % tenant)
        with ua.transaction(), dl.transaction():
            ua.execute("DECLARE c CURSOR FOR " + query)
            dl.execute("DECLARE c CURSOR FOR " + query)
            got = []
            for turn in range(5):
                got += world.rows(ua, "FETCH 2 c") + world.rows(dl, "FETCH 2 c")
            is_(sorted(row[2] for row in got), ["secret of DL"] * 10 + ["secret of UA"] * 10,
                "cursors of two sessions, turn by turn")
    with world.connect("UA") as one:
        one.execute("SET plan_cache_mode = force_generic_plan")
        one.execute("PREPARE p(int) AS SELECT secret FROM accounts WHERE id = $1")
        is_(world.column(one, "EXECUTE p(3)"), ["secret of UA"], "prepared statement as UA")
        world.identify(one, world.token("DL"))
        is_(world.column(one, "EXECUTE p(3)"), ["secret of DL"], "the same generic plan as DL")
        is_(world.column(one, "SELECT secret FROM accounts WHERE tenant_id = 'UA'"), [], "DL asks for UA's rows")
        is_(world.column(one, "SELECT secret FROM accounts WHERE tenant_id = 'UA' OR true LIMIT 1"), ["secret of DL"],
            "DL asks for everybody's rows")
        one.execute("RESET mongo_tenant.jwt")
        throws("28000", lambda: one.execute("EXECUTE p(3)"), "no token, no rows")
        throws("28000", lambda: one.execute("SELECT count(*) FROM accounts"), "no token: an error, not 0")
    with world.connect("UA") as one:
        is_(len(world.rows(one, "SELECT * FROM accounts a, accounts b")), 100, "self join without condition")


def options_sent(world, admin):
    """What options ask of the server is in the command; the lower of two limits, and of a statement's."""
    with Recorder(world.uri) as recorder, world.connect("UA") as session:
        admin.execute("CREATE SERVER asked FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s', providers 'test',"
                      " tenant_field 'tenant_id', read_concern 'local', max_time_ms '60000', fetch_size '7')" % (recorder.uri, world.name))
        admin.execute("CREATE FOREIGN TABLE asked (id integer) SERVER asked OPTIONS (collection 'accounts', max_time_ms '50000');"
                      "GRANT SELECT ON asked TO mtf_app")
        query = "SELECT count(*) FROM (SELECT id FROM asked OFFSET 0) x"
        is_(world.value(session, query), 10, "a server with options of its own")
        session.execute("SET statement_timeout = '40s'")
        is_(world.value(session, query), 10, "  under a statement_timeout")
        sent = [command for command in recorder.commands if "aggregate" in command]
        is_([command.get("maxTimeMS") for command in sent], [50000, 40000], "max_time_ms, statement_timeout")
        is_([command.get("readConcern") for command in sent], [{"level": "local"}] * 2, "read_concern")
        is_([command.get("collation") for command in sent], [{"locale": "simple"}] * 2, "collation")
        is_([command["cursor"].get("batchSize") for command in sent], [7, 7], "fetch_size")


with World() as world:
    world.load("accounts", "planes")
    for pushdown in (True, False):
        with world.connect("UA", pushdown=pushdown) as session:
            rescans(world, session, "" if pushdown else " (pushdown off)")
    with world.connect("UA") as session:
        cursors(world, session)
    two_tenants(world)
    with world.admin() as admin:
        options_sent(world, admin)
done()
