"""CREATE EXTENSION, ALTER EXTENSION … UPDATE from every older version, DROP EXTENSION, squatters."""
import os
import shutil
import subprocess
import tempfile

import servers
from tap import World, ok, is_, throws, diag, done

MEMBERS = """
SELECT regexp_replace(pg_describe_object(classid, objid, objsubid), '\\d{5,}', 'N', 'g') ||
       coalesce(' ' || (SELECT md5(pg_get_functiondef(p.oid)) FROM pg_proc p
                         WHERE p.oid = objid AND classid = 'pg_proc'::regclass AND prokind = 'f'), '') ||
       coalesce(' ' || (SELECT array_to_string(relacl, ',') FROM pg_class c
                         WHERE c.oid = objid AND classid = 'pg_class'::regclass), '')
  FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mongo_tenant_fdw')
 ORDER BY 1
"""
COLUMNS = """
SELECT a.attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull
  FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
 WHERE relnamespace = 'mongo_tenant'::regnamespace AND attnum > 0 AND NOT attisdropped
 ORDER BY 1, 2
"""


def contents(world, session):
    return world.rows(session, MEMBERS), world.rows(session, COLUMNS)


with World(engine=False, objects=False) as world:
    with world.connect() as user:
        throws("42501", lambda: user.execute("CREATE EXTENSION mongo_tenant_fdw"),
               "an ordinary user does not create the extension")
    with world.admin() as admin:
        default = world.value(admin, "SELECT default_version FROM pg_available_extensions"
                                     " WHERE name = 'mongo_tenant_fdw'")
        versions = world.column(admin, "SELECT version FROM pg_available_extension_versions"
                                       " WHERE name = 'mongo_tenant_fdw' ORDER BY string_to_array(version, '.')::int[]")
        ok(default in versions, "version %s has an install script" % default)
        admin.execute("CREATE EXTENSION mongo_tenant_fdw")
        fresh = contents(world, admin)
        ok(len(fresh[0]) > 5, "a fresh extension has %d members" % len(fresh[0]))
        is_(world.value(admin, "SELECT extversion FROM pg_extension WHERE extname = 'mongo_tenant_fdw'"), default,
            "at version %s" % default)
        admin.execute("ALTER EXTENSION mongo_tenant_fdw UPDATE")
        is_(contents(world, admin), fresh, "an update to the same version changes nothing")
        admin.execute("DROP EXTENSION mongo_tenant_fdw")
        is_(world.value(admin, "SELECT count(*) FROM pg_namespace WHERE nspname = 'mongo_tenant'"), 0,
            "DROP EXTENSION takes its schema along")

        paths = world.column(admin, "SELECT source FROM pg_extension_update_paths('mongo_tenant_fdw')"
                                    " WHERE target = %s AND path IS NOT NULL", default)
        older = [version for version in versions if version != default]
        diag("older versions: %s" % (", ".join(older) or "none yet"))
        for version in older:
            ok(version in paths, "%s can be updated to %s" % (version, default))
            admin.execute("CREATE EXTENSION mongo_tenant_fdw VERSION '%s'" % version)
            admin.execute("ALTER EXTENSION mongo_tenant_fdw UPDATE")
            is_(contents(world, admin), fresh, "%s updated is the same as %s installed" % (version, default))
            admin.execute("DROP EXTENSION mongo_tenant_fdw CASCADE")

        # A role that owns a schema of that name could plant overloads in it.
        admin.execute("DO $$ BEGIN CREATE ROLE mtf_squatter; EXCEPTION WHEN duplicate_object THEN END $$")
        admin.execute("CREATE SCHEMA mongo_tenant AUTHORIZATION mtf_squatter")
        throws("42P06", lambda: admin.execute("CREATE EXTENSION mongo_tenant_fdw"),
               "refused while somebody else's schema mongo_tenant exists")
        admin.execute("DROP SCHEMA mongo_tenant")
        admin.execute("CREATE EXTENSION mongo_tenant_fdw")
        is_(contents(world, admin), fresh, "and created when it is gone")
        throws("0A000", lambda: admin.execute("ALTER EXTENSION mongo_tenant_fdw SET SCHEMA public"), "it cannot be moved")
        is_(world.value(admin, "SELECT count(*) FROM information_schema.role_table_grants"
                               " WHERE table_schema = 'mongo_tenant' AND grantee = 'PUBLIC'"
                               " AND table_name <> 'stat'"), 0,
            "its tables are closed to PUBLIC")
    with world.connect() as user:
        throws("42501", lambda: user.execute("SELECT mongo_tenant.create_provider('mine', 'https://me.example',"
                                             " ARRAY['x'], '{\"keys\": []}')"), "an ordinary user makes no provider")
        throws("42501", lambda: user.execute("DROP EXTENSION mongo_tenant_fdw"), "nor does it drop the extension")


def linked_environment():
    """./setup makes .venv anew, which empties it: not when it is a link to another tree's."""
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(os.path.join(servers.ROOT, "setup"), directory)
        other = os.path.join(directory, "other")
        os.mkdir(other)
        with open(os.path.join(other, "precious"), "w"):
            pass
        os.symlink(other, os.path.join(directory, ".venv"))
        run = subprocess.run([os.path.join(directory, "setup")], env={**os.environ, "SETUP_APT": "no"},
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)
        ok(run.returncode != 0 and "symbolic link" in run.stderr, "./setup refuses a .venv that is a link") or diag(run.stderr)
        is_(os.listdir(other), ["precious"], "and leaves alone what it points to")


linked_environment()
done()
