"""The library in shared_preload_libraries: counters of the whole server, and what pg_stat_statements keeps.

Also what was stored before the library knew of it: a token in a role's settings is refused at login.
"""
import os

import servers
from tap import World, ok, is_, throws, diag, done

CONTRIB = os.path.exists(os.path.join(
    os.popen((os.environ.get("PG_CONFIG") or "pg_config") + " --pkglibdir").read().strip(), "pg_stat_statements.so"))
PRELOAD = "mongo_tenant_fdw,pg_stat_statements" if CONTRIB else "mongo_tenant_fdw"

with World(own_cluster=True, settings={"shared_preload_libraries": PRELOAD, "session_preload_libraries": ""}) as world:
    world.load("accounts")
    token = world.token("UA", sub="canary")
    with world.admin() as admin:
        def counter(name):
            return world.value(admin, "SELECT value FROM mongo_tenant.stat WHERE name = %s", name)

        is_(world.value(admin, "SELECT DISTINCT scope FROM mongo_tenant.stat"), "server", "counters of the server")
        before = {name: counter(name) for name in ("verifications", "bindings", "documents", "denied_missing_token")}
        for _ in range(3):
            with world.connect(token=token) as user:
                user.execute("SELECT id FROM accounts").fetchall()
        with world.connect() as user:
            throws("28000", lambda: user.execute("SELECT * FROM accounts"), "no token, for the counters")
        is_(counter("verifications") - before["verifications"], 3, "each backend verifies for itself")
        is_(counter("bindings") - before["bindings"], 3, "three executions bound")
        is_(counter("documents") - before["documents"], 30, "thirty documents, in backends that are gone")
        is_(counter("denied_missing_token") - before["denied_missing_token"], 1, "one denial")
        with world.connect() as user:
            throws("42501", lambda: user.execute("SELECT * FROM mongo_tenant.stat"), "counters are not for everybody")

        if CONTRIB:
            admin.execute("CREATE EXTENSION pg_stat_statements")
            with world.connect() as user:
                user.execute("SELECT set_config('mongo_tenant.jwt', %s, false)", (token,))
                user.execute("SELECT id FROM accounts").fetchall()
            kept = world.column(admin, "SELECT query FROM pg_stat_statements")
            ok(any("set_config('mongo_tenant.jwt', $1" in query or "set_config($" in query for query in kept),
               "pg_stat_statements keeps the bound form (control)") or diag("\n".join(kept))
            ok(not [query for query in kept if token in query or "eyJ" in query], "and no token")

    # A superuser without the library can store a token in a role's settings; logging in refuses it.
    with World(own_cluster=True, objects=False, engine=False, settings={"session_preload_libraries": ""}) as bare:
        with bare.admin() as admin:
            admin.execute("ALTER ROLE mtf_app SET mongo_tenant.jwt = '%s'" % token)
            is_(bare.value(admin, "SELECT count(*) FROM pg_db_role_setting s WHERE s::text LIKE '%%eyJ%%'"), 1,
                "without the library a token can be stored (control)")
            admin.execute("ALTER DATABASE %s SET session_preload_libraries = 'mongo_tenant_fdw'" % bare.name)
        with bare.connect() as user:
            is_(bare.value(user, "SHOW mongo_tenant.jwt"), "", "but no login takes it over")
        with open(bare.cluster.log) as log:
            text = log.read()
        ok("cannot be stored" in text, "the log says so")
        lines = [line for line in text.splitlines() if "eyJ" in line]
        ok(not lines, "and quotes no token") or diag("\n".join(lines))
done()
