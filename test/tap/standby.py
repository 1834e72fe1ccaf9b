"""A hot standby: identity from the same tables, and a revocation made on the primary is seen there."""
import os
import subprocess
import time

import servers
from tap import World, ok, is_, throws, diag, done


def make_standby(world):
    primary = world.cluster
    directory = os.path.join(world.owner.directory, "standby")
    os.mkdir(directory, 0o700)
    if primary.os_user is not None:
        os.chown(directory, primary.os_user.pw_uid, primary.os_user.pw_gid)
    made = subprocess.run(
        [primary.program("pg_basebackup"), "-h", primary.host, "-p", str(primary.port), "-U", "postgres", "-R", "-X", "stream",
         "-c", "fast", "-D", os.path.join(directory, "data")],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/", **servers.as_user(primary.os_user))
    if made.returncode != 0:
        raise RuntimeError(made.stderr)
    with open(os.path.join(directory, "data", "postgresql.conf"), "a") as file:
        file.write("unix_socket_directories = '%s'\n" % directory)
    return servers.Cluster(world.owner, name="standby")


def caught_up(world, primary, standby):
    """Wait until the standby has replayed what the primary has written."""
    target = world.value(primary, "SELECT pg_current_wal_insert_lsn()")
    deadline = time.monotonic() + 30
    while not world.value(standby, "SELECT pg_last_wal_replay_lsn() >= %s", target):
        if time.monotonic() > deadline:
            raise RuntimeError("the standby does not follow")
        time.sleep(0.02)


with World(own_cluster=True) as world:
    world.load("accounts")
    token = world.token("UA")
    with world.admin() as admin:
        cluster = make_standby(world)
        primary_host, world.env["PGHOST"] = world.env["PGHOST"], cluster.host
        with world.connect(token=token) as user, world.connect(token=world.token("DL")) as other, world.admin() as watcher:
            world.env["PGHOST"] = primary_host
            is_(world.value(user, "SELECT pg_is_in_recovery()"), True, "a hot standby")
            is_(world.value(user, "SELECT mongo_tenant.tenant()"), "UA", "tenant() on the standby")
            is_(world.column(user, "SELECT DISTINCT secret FROM accounts"), ["secret of UA"], "rows of UA on the standby")
            is_(world.column(other, "SELECT DISTINCT secret FROM accounts"), ["secret of DL"], "rows of DL on the standby")
            user.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            user.execute("SELECT mongo_tenant.tenant()")
            admin.execute("SELECT mongo_tenant.revoke('test', tenant => 'UA')")
            caught_up(world, admin, watcher)
            throws("28000", lambda: user.execute("SELECT mongo_tenant.tenant()"), "revoked on the primary: the next statement on the standby")
            user.execute("ROLLBACK")
            throws("28000", lambda: user.execute("SELECT count(*) FROM accounts"), "and no rows")
            is_(world.value(other, "SELECT mongo_tenant.tenant()"), "DL", "another tenant stays")
            admin.execute("SELECT mongo_tenant.drop_key('test', 'rs')")
            caught_up(world, admin, watcher)
            throws("28000", lambda: other.execute("SELECT count(*) FROM accounts"), "the key dropped on the primary")
            throws("25006", lambda: watcher.execute("SELECT mongo_tenant.revoke('test', tenant => 'DL')"), "a standby changes nothing")
done()
