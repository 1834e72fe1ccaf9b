"""TAP for tests with several sessions, and access to the servers they need.

    from tap import World, ok, is_, throws, done

    with World() as world:
        world.load("accounts")
        with world.connect("UA") as ua:
            is_(world.value(ua, "SELECT count(*) FROM accounts"), 10, "UA sees its ten accounts")
            throws("28000", lambda: ..., "no token, no rows")
    done()

A test has a PostgreSQL database and a document database of its own, both named after its file; the
servers are those of the environment (test/lib/servers.py), or its own when run by hand:
    .venv/bin/python test/tap/NAME.py
"""

import atexit
import os
import subprocess
import sys
import threading
import time
import traceback

import psycopg

import fixtures
import servers
import tokens

_count = 0
_failed = 0
_done = False


def ok(condition, name):
    global _count, _failed
    _count += 1
    if not condition:
        _failed += 1
    print("%sok %d - %s" % ("" if condition else "not ", _count, name.replace("#", "\\#")), flush=True)
    return bool(condition)


def diag(text):
    for line in str(text).splitlines():
        print("# " + line, flush=True)


def is_(got, expected, name):
    if not ok(got == expected, name):
        diag("     got: %r" % (got,))
        diag("expected: %r" % (expected,))
        return False
    return True


def skip(name, reason):
    global _count
    _count += 1
    print("ok %d - %s # SKIP %s" % (_count, name, reason), flush=True)


def throws(sqlstate, action, name, within=None):
    """`action` must fail with `sqlstate` (or one of several); returns the error, for more checks."""
    expected = (sqlstate,) if isinstance(sqlstate, str) else tuple(sqlstate)
    try:
        result = action()
    except psycopg.Error as error:
        if not ok(error.sqlstate in expected, name):
            diag("     got: %s %s" % (error.sqlstate, error))
            diag("expected: %s" % ", ".join(expected))
        return error
    ok(False, name)
    diag("expected: %s, but it succeeded with %r" % (", ".join(expected), result))
    return None


# What any interrupt takes on a machine that has time for it, in seconds.
PROMPT = 0.01


def own_slowness(world):
    """Seconds, beyond PROMPT, that an interrupt takes here and now where none of our code is asked: a cancel of
    pg_sleep(), the slowest of five.  0 on a machine that has time."""
    slowest = 0
    with world.connect("UA") as session, world.admin() as admin:
        for _ in range(5):
            struck = []

            def strike():
                struck.append(time.monotonic())
                admin.execute("SELECT pg_cancel_backend(%s)", (session.info.backend_pid,))
            timer = threading.Timer(0.05, strike)
            timer.start()
            try:
                session.execute("SELECT pg_sleep(60)")
            except psycopg.errors.QueryCanceled:
                slowest = max(slowest, time.monotonic() - struck[0])
            timer.join()
    return max(0, slowest - PROMPT)


def prompt(world, seconds, limit):
    """Was an interrupt heeded within `limit` seconds?  Where it was not, the machine is measured: ours has several
    steps (a connection, a kill, its answer), each as late as the whole of PostgreSQL's own."""
    if seconds < limit:
        return True
    slowness = own_slowness(world)
    diag("%.0f ms, the limit is %.0f ms; an interrupt of pg_sleep() comes %.0f ms late on this machine"
         % (seconds * 1000, limit * 1000, slowness * 1000))
    return seconds < limit + 10 * slowness


def done():
    global _done
    _done = True
    print("1..%d" % _count, flush=True)
    sys.exit(1 if _failed else 0)


@atexit.register
def _unfinished():
    # Without a plan line the harness counts the file as failed: a test that stops early has not passed.
    if _count and not _done:
        diag("stopped before done()")


class World:
    def __init__(self, engine=True, objects=True, auth=False, engine_kind="auto", engine_options=(), settings=None,
                 own_engine=False, own_cluster=False):
        """`own_*`: servers for this test alone, which it may stop, restart and configure."""
        self.name = "mtf_" + os.path.splitext(os.path.basename(sys.argv[0]))[0].replace("-", "_")
        self._want_engine = engine
        self._objects = objects
        self._own_engine = own_engine or auth or bool(engine_options) or "MTF_URI" not in os.environ
        self._own_cluster = own_cluster or bool(settings) or "PGHOST" not in os.environ
        self._auth, self._engine_kind, self._engine_options = auth, engine_kind, engine_options
        self._settings = settings
        self.engine = self.cluster = self.mongo = None

    def __enter__(self):
        servers.exit_on_signals()
        self.owner = servers.Owner()
        try:
            self._start()
        except BaseException:
            self.owner.close()
            raise
        return self

    def _start(self):
        self.env = dict(os.environ)
        if self._want_engine and self._own_engine:
            self.engine = servers.Engine(self.owner, self._engine_kind, self._auth, self._engine_options,
                                         own="MTF_URI" in os.environ)
            self.env.update(self.engine.environment())
        if self._own_cluster:
            self.cluster = servers.Cluster(self.owner, self._settings)
            self.env.update(self.cluster.environment())
        self.env.setdefault("MTF_TOKEN_DIR", os.path.join(self.owner.directory, "tokens"))
        self.keys = tokens.standard_keys(self.env["MTF_TOKEN_DIR"])
        self.uri = self.env.get("MTF_URI", "mongodb://127.0.0.1:9/")
        if self._want_engine:
            self.client = self._mongo_client()
            self.mongo = self.client[self.name]
            self.client.drop_database(self.name)
        with self.connect(role="postgres", database="postgres") as admin:
            make_roles(admin)
            self.switches = self.column(admin, SWITCHES_THAT_EXIST)
            admin.execute("DROP DATABASE IF EXISTS %s" % self.name)
            admin.execute("CREATE DATABASE %s" % self.name)
        if self._objects:
            self.psql_file(os.path.join(servers.ROOT, "test", "fixtures", "objects.sql"))

    def _mongo_client(self):
        if self.engine is not None:
            return self.engine.client()
        return servers.pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=10000)

    def __exit__(self, kind, error, trace):
        if kind is not None and not issubclass(kind, SystemExit):
            ok(False, "no exception")
            diag("".join(traceback.format_exception(kind, error, trace)))
        try:
            if not self._own_cluster:
                with self.connect(role="postgres", database="postgres") as admin:
                    admin.execute("DROP DATABASE IF EXISTS %s WITH (FORCE)" % self.name)
            if self._want_engine and not self._own_engine:
                self.client.drop_database(self.name)
        except Exception as problem:
            diag("clean-up: %s" % problem)
        self.owner.close()
        if kind is not None and not issubclass(kind, SystemExit):
            done()
        return False

    # -- documents

    def load(self, *names):
        """Load fixtures (test/lib/fixtures.py) into this test's document database."""
        fixtures.load(self.mongo, names or None)

    # -- tokens

    def token(self, tenant="UA", key="rs", **claims):
        return self.keys[key].sign(tokens.claims(tenant=tenant, **claims))

    # -- sessions

    def connect(self, tenant=None, token=None, role="mtf_app", database=None, options=None, pushdown=True):
        """A session in autocommit mode; with `tenant` (or `token`) that identity is set."""
        words = [options] if options else []
        if not pushdown:
            words.append(pushdown_off(self.switches))
        connection = psycopg.connect(
            host=self.env["PGHOST"], port=self.env["PGPORT"], user=role, dbname=database or self.name,
            options=" ".join(words), autocommit=True, application_name=self.name)
        if tenant is not None:
            token = self.token(tenant)
        if token is not None:
            self.identify(connection, token)
        return connection

    def admin(self):
        return self.connect(role="postgres")

    def identify(self, connection, token):
        connection.execute("SELECT set_config('mongo_tenant.jwt', %s, false)", (token,))

    def rows(self, connection, query, *parameters):
        return connection.execute(query, parameters or None).fetchall()

    def value(self, connection, query, *parameters):
        return connection.execute(query, parameters or None).fetchone()[0]

    def column(self, connection, query, *parameters):
        return [row[0] for row in self.rows(connection, query, *parameters)]

    # -- psql and other programs

    def program(self, name):
        bindir = subprocess.check_output([self.env.get("PG_CONFIG") or "pg_config", "--bindir"], text=True).strip()
        return os.path.join(bindir, name)

    def psql_file(self, path, database=None):
        """Run a file as superuser, with the tokens' variables; raises when a statement fails."""
        variables = {**tokens.variables(self.keys, tokens.ISSUER), "uri": self.uri, "mongo_db": self.name}
        command = [self.program("psql"), "-X", "-q", "-o", os.devnull, "-v", "ON_ERROR_STOP=1",
                   "-d", database or self.name, "-U", "postgres"]
        script = "".join("\\set %s %s\n" % (name, tokens.quoted(value)) for name, value in variables.items())
        script += "\\i %s\n" % path
        run = subprocess.run(command, env=self.env, input=script, text=True, capture_output=True)
        if run.returncode != 0:
            raise RuntimeError("psql %s: %s" % (path, run.stderr))


def pushdown_off(settings):
    """Options of a session that turn all pushdown off; `settings` are the switches there are."""
    return " ".join("-c %s=off" % name for name in settings)


SWITCHES = ("aggregate", "filter", "join", "limit", "sort")
SWITCHES_THAT_EXIST = """SELECT name FROM pg_settings WHERE name LIKE 'mongo\\_tenant.enable\\_%\\_pushdown' ORDER BY name"""


def make_roles(admin):
    admin.execute("""
        DO $$
        BEGIN
            CREATE ROLE mtf_app LOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
        END $$""")
