"""pgbouncer between two tenants and few backends: no crossing, and nothing left for the next client.

In session mode a backend is cleaned (DISCARD ALL) before another client gets it; in transaction mode it
is not, and mongo_tenant.token_scope = transaction denies what a forgotten SET would leak.
"""
import os
import random
import shutil
import signal
import threading
import time

import psycopg

from tap import World, ok, is_, skip, throws, diag, done

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
CLIENTS, ROUNDS = 8, 60
PLAN = "PREPARE pooled AS SELECT string_agg(DISTINCT secret, ',') FROM accounts"


class Pool:
    """A pgbouncer of its own, with `size` backends."""

    def __init__(self, world, mode, size):
        self.world, self.port = world, 6543
        self.directory = os.path.join(world.owner.directory, "pool_%s_%d" % (mode, size))
        user = world.cluster.os_user
        os.mkdir(self.directory, 0o700)
        config = os.path.join(self.directory, "pgbouncer.ini")
        with open(config, "w") as file:
            file.write("[databases]\n* = host=%s port=%d\n[pgbouncer]\nlisten_addr =\nlisten_port = %d\nunix_socket_dir = %s\n"
                       "auth_type = trust\nauth_file = %s/users\npool_mode = %s\ndefault_pool_size = %d\nmax_client_conn = 100\n"
                       "server_reset_query = DISCARD ALL\nlogfile =\npidfile = %s/pid\n"
                       % (world.cluster.host, world.cluster.port, self.port, self.directory, self.directory, mode, size, self.directory))
        with open(os.path.join(self.directory, "users"), "w") as file:
            file.write('"mtf_app" ""\n')
        if user is not None:
            for path in (self.directory, config, os.path.join(self.directory, "users")):
                os.chown(path, user.pw_uid, user.pw_gid)
        self.process = world.owner.spawn([PGBOUNCER, config], os.path.join(self.directory, "log"), signal.SIGINT, user)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def connect(self):
        # pgbouncer before 1.21 knows no prepared statements of the protocol in transaction mode.
        return psycopg.connect(host=self.directory, port=self.port, user="mtf_app", dbname=self.world.name, autocommit=True,
                               prepare_threshold=None)

    def stop(self):
        self.world.owner.stop(self.process, signal.SIGINT)


def one(connection, query, *parameters):
    return connection.execute(query, parameters or None).fetchone()[0]


def identify(connection, token, local):
    connection.execute("SELECT set_config('mongo_tenant.jwt', %s, %s)", (token, local))


def execute_plan(connection):
    """The plan may be another tenant's: whoever had this backend first has prepared it."""
    connection.execute("SAVEPOINT p")
    try:
        return one(connection, "EXECUTE pooled")
    except psycopg.errors.InvalidSqlStatementName:
        connection.execute("ROLLBACK TO p")
        connection.execute(PLAN)
        return one(connection, "EXECUTE pooled")


def client(pool, tenant, tokens, forgetful, seed, found, problems):
    """One client's life: transactions of its own tenant; between them, now and then, a forgotten token."""
    rng = random.Random(seed)
    try:
        for _ in range(ROUNDS):
            with pool.connect() as connection:
                for _ in range(rng.randrange(1, 4)):
                    if forgetful and rng.random() < 0.3:
                        try:
                            found.append(("nobody", one(connection, "SELECT string_agg(DISTINCT secret, ',') FROM accounts")))
                        except psycopg.Error as error:
                            found.append(("nobody", error.sqlstate))
                    connection.execute("BEGIN")
                    found.append(("pid", connection.info.backend_pid))
                    identify(connection, rng.choice(tokens), local=not forgetful or rng.random() < 0.5)
                    found.append((tenant, one(connection, "SELECT string_agg(DISTINCT secret, ',') FROM accounts")))
                    found.append((tenant, execute_plan(connection)))
                    found.append((tenant, "secret of " + one(connection, "SELECT string_agg(DISTINCT tenant, ',') FROM notes")))
                    ending = rng.random()
                    if ending < 0.2:
                        try:
                            connection.execute("SELECT 1/0")
                        except psycopg.errors.DivisionByZero:
                            pass
                    connection.execute("COMMIT" if 0.2 <= ending < 0.8 else "ROLLBACK")
    except Exception as error:
        problems.append(repr(error))


def hammer(world, pool, name, forgetful=False):
    found, problems, threads = [], [], []
    for number in range(CLIENTS):
        tenant = ("UA", "DL")[number % 2]
        tokens = [world.token(tenant), world.token(tenant, key="es")]
        threads.append(threading.Thread(target=client, args=(pool, tenant, tokens, forgetful, number, found, problems)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    answers = [pair for pair in found if pair[0] in ("UA", "DL")]
    crossing = [pair for pair in answers if pair[1] != "secret of " + pair[0]]
    ok(not problems, name + ": nobody was disturbed") or diag("\n".join(problems[:5]))
    ok(not crossing and len(answers) > CLIENTS * ROUNDS, "%s: %d answers, each its own tenant's" % (name, len(answers))) or diag(crossing[:5])
    if forgetful:
        nobody = [value for who, value in found if who == "nobody"]
        ok(len(nobody) > ROUNDS and set(nobody) == {"28000"}, "%s: %d statements without a token, all denied" % (name, len(nobody))) or diag(set(nobody))


def session_mode(world):
    pool = Pool(world, "session", 1)
    with pool.connect() as first:
        identify(first, world.token("UA"), local=False)
        is_(one(first, "SELECT mongo_tenant.tenant()"), "UA", "session mode: the first client")
        pid = one(first, "SELECT pg_backend_pid()")
    with pool.connect() as second:
        is_(one(second, "SELECT pg_backend_pid()"), pid, "session mode: the next one gets the same backend (control)")
        throws("28000", lambda: second.execute("SELECT * FROM accounts"), "but not the token")
    pool.stop()
    pool = Pool(world, "session", 3)
    hammer(world, pool, "session mode")
    pool.stop()


def transaction_mode(world, admin):
    pool = Pool(world, "transaction", 1)
    with pool.connect() as first, pool.connect() as second:
        identify(first, world.token("UA"), local=False)
        is_(one(first, "SELECT pg_backend_pid()"), one(second, "SELECT pg_backend_pid()"), "transaction mode: two clients, one backend (control)")
        is_(one(second, "SELECT mongo_tenant.tenant()"), "UA", "a forgotten token leaks under token_scope session (control)")
    pool.stop()
    admin.execute("ALTER DATABASE %s SET mongo_tenant.token_scope = transaction" % world.name)
    pool = Pool(world, "transaction", 2)
    with pool.connect() as first, pool.connect() as second:
        identify(first, world.token("UA"), local=False)
        throws("28000", lambda: second.execute("SELECT * FROM accounts"), "and is denied under token_scope transaction")
        first.execute("BEGIN")
        identify(first, world.token("UA"), local=True)
        second.execute("BEGIN")
        identify(second, world.token("DL"), local=True)
        is_([one(first, "SELECT min(secret) FROM accounts"), one(second, "SELECT min(secret) FROM accounts")],
            ["secret of UA", "secret of DL"], "two transactions side by side")
        first.execute("COMMIT")
        second.execute("COMMIT")
    hammer(world, pool, "transaction mode", forgetful=True)
    backends = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'mtf_app'").fetchone()[0]
    ok(0 < backends <= 2, "all of it in two backends (control)") or diag(backends)
    pool.stop()


if PGBOUNCER is None:
    skip("pools", "there is no pgbouncer")
else:
    with World(own_cluster=True) as world:
        world.load("accounts")
        with world.admin() as admin:
            admin.execute("CREATE TABLE notes (tenant text); INSERT INTO notes VALUES ('UA'), ('DL');"
                          "ALTER TABLE notes ENABLE ROW LEVEL SECURITY; GRANT SELECT ON notes TO mtf_app;"
                          "CREATE POLICY own ON notes USING (tenant = mongo_tenant.tenant())")
            session_mode(world)
            transaction_mode(world, admin)
done()
