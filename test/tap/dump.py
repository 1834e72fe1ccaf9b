"""pg_dump and restore: providers, keys, policies and tables come back and mean the same."""
import os
import subprocess

from tap import World, ok, is_, throws, diag, done


def dump(world, *options):
    run = subprocess.run([world.program("pg_dump"), "-U", "postgres", *options, world.name], env=world.env,
                         capture_output=True, text=True)
    if not ok(run.returncode == 0, "pg_dump %s" % " ".join(options)):
        diag(run.stderr)
    return run.stdout


def restore(world, text, database):
    run = subprocess.run([world.program("psql"), "-X", "-q", "-U", "postgres", "-d", database,
                          "-v", "ON_ERROR_STOP=1", "-o", os.devnull],
                         env=world.env, input=text, capture_output=True, text=True)
    if not ok(run.returncode == 0, "restore into an empty database"):
        diag(run.stderr)


def configuration(session):
    """Everything in the extension's tables, but for identifiers that are the database's own."""
    result = {}
    tables = session.execute(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE relnamespace = 'mongo_tenant'::regnamespace"
        " AND relkind = 'r' ORDER BY 1").fetchall()
    for (table,) in tables:
        rows = session.execute("SELECT to_jsonb(t) FROM %s t" % table).fetchall()
        result[table] = sorted(str(sorted((key, str(value)) for key, value in row[0].items()
                                          if not key.endswith(("oid", "id")))) for row in rows)
    return result


TABLES = """
SELECT s.srvname || ' ' || c.relname FROM pg_foreign_table t JOIN pg_class c ON c.oid = ftrelid
  JOIN pg_foreign_server s ON s.oid = ftserver ORDER BY 1
"""

with World() as world:
    world.load("accounts", "airlines", "nested")
    with world.admin() as admin:
        # Another field for one collection, and two policies that must follow their server.
        admin.execute("SELECT mongo_tenant.set_policy('mongo', 'nested', field => 'org.tenant')")
        before, foreign = configuration(admin), world.column(admin, TABLES)
        tables = sum(len(rows) for rows in before.values())
        ok(tables >= 3, "there is configuration to lose: %d rows in %d tables" % (tables, len(before)))
    text = dump(world)
    copy = world.name + "_copy"
    with world.connect(role="postgres", database="postgres") as admin:
        admin.execute("DROP DATABASE IF EXISTS %s" % copy)
        admin.execute("CREATE DATABASE %s TEMPLATE template0" % copy)
    restore(world, text, copy)
    with world.connect(role="postgres", database=copy) as admin:
        is_(configuration(admin), before, "providers, keys and policies are the same")
        is_(world.column(admin, TABLES), foreign, "and all foreign tables")
        ok(world.value(admin, "SELECT count(*) = 0 FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace"
                              " WHERE nspname = 'mongo_tenant' AND NOT EXISTS (SELECT FROM pg_depend d"
                              " WHERE d.objid = p.oid AND d.deptype = 'e')"),
           "functions are members of the extension, not copies")
    query = "SELECT secret FROM accounts WHERE id = 1"
    for tenant in ("UA", "DL"):
        with world.connect(tenant) as old, world.connect(tenant, database=copy) as new:
            is_(world.column(new, query), world.column(old, query), "%s reads the same rows after the restore" % tenant)
            is_(world.value(new, "SELECT count(*) FROM airlines"), 16, "%s: the shared policy was restored" % tenant)
    with world.connect(token=world.token("UA", key="other"), database=copy) as forged:
        throws("28000", lambda: forged.execute(query), "a forged token is refused there too")
    with world.connect(database=copy) as nobody:
        throws("28000", lambda: nobody.execute(query), "and so is no token")
    with world.connect(role="postgres", database=copy) as admin:
        admin.execute("DROP SERVER mongo_flights CASCADE")
        is_(world.column(admin, TABLES), [name for name in foreign if not name.startswith("mongo_flights ")],
            "a server's tables go with it, and no others")
    again = dump(world, "--data-only")
    ok("canary" not in again, "a data-only dump works too")
    with world.connect(role="postgres", database="postgres") as admin:
        admin.execute("DROP DATABASE %s WITH (FORCE)" % copy)
done()
