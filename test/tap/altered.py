"""What is cached of the catalogs is forgotten at once: objects altered by another session, statements prepared here."""
from tap import World, is_, throws, done

DOCUMENTS = [{"tenant_id": tenant, "other": "UA", "id": n, "a": "a of " + tenant, "b": "b of " + tenant}
             for tenant in ("UA", "DL") for n in (1, 2)]


def prepare(world, admin, session):
    admin.execute("CREATE SERVER s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s', providers "
                  "'test', tenant_field 'tenant_id')" % (world.uri, world.name))
    admin.execute("CREATE USER MAPPING FOR PUBLIC SERVER s")
    admin.execute("CREATE FOREIGN TABLE t (id integer, x text OPTIONS (path 'a')) SERVER s OPTIONS (collection 'one')")
    admin.execute("GRANT SELECT ON t TO mtf_app")
    session.execute("SET plan_cache_mode = force_generic_plan")
    session.execute("PREPARE p AS SELECT x FROM t ORDER BY id")
    session.execute("PREPARE q(text) AS SELECT id FROM t WHERE x = $1 ORDER BY id")


def seen(world, session):
    return world.column(session, "EXECUTE p")


def follow_changes(world, admin, session):
    """Each change is looked at by a statement that has just run under what was before."""
    mine = ["a of UA", "a of UA"]
    is_(seen(world, session), mine, "before any change")
    for change, undo, rows, what in (
            ("ALTER FOREIGN TABLE t OPTIONS (SET collection 'two')", "ALTER FOREIGN TABLE t OPTIONS (SET collection 'one')",
             ["second a of UA"], "another collection"),
            ("ALTER FOREIGN TABLE t ALTER x OPTIONS (SET path 'b')", "ALTER FOREIGN TABLE t ALTER x OPTIONS (SET path 'a')",
             ["b of UA", "b of UA"], "another path of a column"),
            ("ALTER SERVER s OPTIONS (SET database '%s_none')" % world.name, "ALTER SERVER s OPTIONS (SET database '%s')"
             % world.name, [], "another database of the server"),
            ("ALTER FOREIGN TABLE t OPTIONS (ADD database '%s_none')" % world.name, "ALTER FOREIGN TABLE t OPTIONS "
             "(DROP database)", [], "another database of the table"),
            ("ALTER SERVER s OPTIONS (SET tenant_field 'other')", "ALTER SERVER s OPTIONS (SET tenant_field 'tenant_id')",
             ["a of DL", "a of DL", "a of UA", "a of UA"], "another tenant field")):
        admin.execute(change)
        is_(sorted(seen(world, session)), rows, what + " is seen at once")
        admin.execute(undo)
        is_(seen(world, session), mine, what + ": and its end")
    admin.execute("ALTER FOREIGN TABLE t OPTIONS (DROP collection)")
    is_(seen(world, session), [], "without the option the table's name counts")
    admin.execute("ALTER FOREIGN TABLE t RENAME TO two")
    is_(world.column(session, "SELECT x FROM two"), ["second a of UA"], "and the new name after RENAME")
    admin.execute("ALTER FOREIGN TABLE two RENAME TO t")
    admin.execute("ALTER FOREIGN TABLE t OPTIONS (ADD collection 'one')")
    admin.execute("ALTER FOREIGN TABLE t RENAME COLUMN x TO y")
    admin.execute("ALTER FOREIGN TABLE t ALTER y OPTIONS (DROP path)")
    is_(world.column(session, "SELECT y FROM t"), [None, None], "a renamed column without a path has its new name's")
    admin.execute("ALTER FOREIGN TABLE t RENAME COLUMN y TO b")
    is_(world.column(session, "SELECT b FROM t"), ["b of UA", "b of UA"], "and that of the next name")
    admin.execute("ALTER FOREIGN TABLE t RENAME COLUMN b TO x")
    admin.execute("ALTER FOREIGN TABLE t ALTER x OPTIONS (ADD path 'a')")


def deny(world, admin, session):
    for change, undo, what in (
            ("ALTER SERVER s OPTIONS (DROP providers)", "ALTER SERVER s OPTIONS (ADD providers 'test')", "no providers"),
            ("ALTER SERVER s OPTIONS (DROP tenant_field)", "ALTER SERVER s OPTIONS (ADD tenant_field 'tenant_id')",
             "no tenant field")):
        admin.execute(change)
        throws("42501", lambda: seen(world, session), what + ": denied at once")
        admin.execute(undo)
        is_(len(seen(world, session)), 2, what + ": and allowed again")


def under_a_cursor(world, admin, session):
    """What a running scan took from the cache stays whole although the cache has forgotten it."""
    with session.transaction():
        session.execute("DECLARE c CURSOR FOR SELECT x FROM t WHERE x > '' ORDER BY id")
        got = world.column(session, "FETCH 1 c")
        for turn in range(20):
            admin.execute("ALTER SERVER s OPTIONS (SET tenant_field 'other')")
            admin.execute("ALTER SERVER s OPTIONS (SET tenant_field 'tenant_id')")
            admin.execute("CREATE FOREIGN TABLE t%d (id integer) SERVER s" % turn)
        world.rows(session, "EXECUTE q('a of UA')")
        got += world.column(session, "FETCH ALL c")
        is_(got, ["a of UA", "a of UA"], "an open cursor reads on while its server is altered")


with World() as world:
    world.mongo["one"].insert_many([dict(document) for document in DOCUMENTS])
    world.mongo["two"].insert_one({"tenant_id": "UA", "id": 1, "a": "second a of UA"})
    world.mongo["two"].insert_one({"tenant_id": "DL", "id": 1, "a": "second a of DL"})
    with world.admin() as admin, world.connect("UA") as session:
        prepare(world, admin, session)
        follow_changes(world, admin, session)
        deny(world, admin, session)
        under_a_cursor(world, admin, session)
        is_(world.column(session, "EXECUTE q('a of UA')"), [1, 2], "a generic plan with a parameter at the end")
done()
