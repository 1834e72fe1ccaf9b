"""The demo: demo/run, demo/psql and demo/clean call it.

The servers' data stay in a directory below /tmp until the next run or ./demo/clean; the servers
themselves never outlive the command that started them (test/lib/servers.py sees to that).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

import psycopg

import fixtures
import servers
import tokens

HERE = os.path.dirname(os.path.abspath(__file__))
WHERE = os.path.join(servers.ROOT, "build", "demo-directory")
MONGO_DATABASE = "mtf_demo"
MONTHS = None if os.environ.get("FULL") else 2


def say(text):
    print("demo: " + text, flush=True)


def directory():
    """The directory of the last run; None when there is none (or it is not ours)."""
    try:
        with open(WHERE) as file:
            path = file.read().strip()
        return path if os.stat(path).st_uid == os.geteuid() else None
    except OSError:
        return None


def clean():
    path = directory()
    if path:
        shutil.rmtree(path)
    if os.path.exists(WHERE):
        os.unlink(WHERE)
    return 0


def new_directory():
    clean()
    os.makedirs(os.path.dirname(WHERE), exist_ok=True)
    path = tempfile.mkdtemp(prefix="mongo_tenant_demo.")
    with open(WHERE, "w") as file:
        file.write(path + "\n")
    return path


def show_progress(loaded):
    print("\rdemo:   %d flights loaded" % loaded, end="" if sys.stdout.isatty() else "\n", flush=True)


def load(engine):
    with engine.client() as client:
        database = client[MONGO_DATABASE]
        for name in ("airlines", "planes"):
            fixtures.load(database, [name])
        say("loading flights into %s%s" % (engine.kind, "" if MONTHS is None else
                                           " (two months; FULL=1 takes the whole year)"))
        start = time.monotonic()
        total = fixtures.load_flights(database, MONTHS, show_progress)
        if sys.stdout.isatty():
            print()
        say("%d flights in %.0f s" % (total, time.monotonic() - start))


def variables(engine, path):
    """psql variables: the public key set and tokens signed now."""
    keys = tokens.standard_keys(os.path.join(path, "keys"))
    values = tokens.variables(keys, tokens.ISSUER)
    wanted = {name: values[name] for name in ("issuer", "audience", "ua", "dl", "forged", "expired")}
    wanted.update(jwks=values["jwks_rs"], uri=engine.uri, mongo_db=MONGO_DATABASE)
    return wanted


def psql(cluster, values, database, user, *arguments, **more):
    options = []
    for name, value in values.items():
        options += ["-v", "%s=%s" % (name, value)]
    return subprocess.run([cluster.program("psql"), "-X", "-q", "-d", database, "-U", user, *options, *arguments],
                          env={**os.environ, **cluster.environment(), "PGDATABASE": database, "PAGER": "cat"}, **more)


def show(cluster, values, user, script, *arguments):
    """Run a script of this directory, echoed, with errors where they happen."""
    with open(os.path.join(HERE, script)) as file:
        psql(cluster, values, "demo", user, "-a", "-P", "format=wrapped", "-P", "columns=100", *arguments, check=True, stdin=file, stderr=subprocess.STDOUT)


def check(cluster, values):
    """What was shown, checked against the CSV file: a demo that lies must fail."""
    counts = fixtures.carrier_counts(lambda row: MONTHS is None or int(row["month"]) <= MONTHS)

    def session(token):
        connection = psycopg.connect(host=cluster.host, port=cluster.port, user="app", dbname="demo", autocommit=True)
        if token:
            connection.execute("SELECT set_config('mongo_tenant.jwt', %s, false)", (token,))
        return connection

    for tenant, token in (("UA", values["ua"]), ("DL", values["dl"])):
        with session(token) as connection:
            got = connection.execute("SELECT carrier, count(*) FROM flights GROUP BY carrier").fetchall()
            if got != [(tenant, counts[tenant])]:
                raise SystemExit("demo: WRONG: %s sees %s, the CSV has %d" % (tenant, got, counts[tenant]))
            other = "DL" if tenant == "UA" else "UA"
            if connection.execute("SELECT 1 FROM flights WHERE carrier = %s", (other,)).fetchall():
                raise SystemExit("demo: WRONG: %s sees flights of %s" % (tenant, other))
    for name, token in (("forged", values["forged"]), ("expired", values["expired"]), ("no", None)):
        with session(token) as connection:
            try:
                connection.execute("SELECT 1 FROM flights LIMIT 1").fetchall()
            except psycopg.errors.InvalidAuthorizationSpecification:
                continue
            raise SystemExit("demo: WRONG: %s token was accepted" % name)
    say("checked: UA sees its %d flights and DL its %d, as the CSV has them; forged, expired and no token: refused"
        % (counts["UA"], counts["DL"]))


def run():
    path = new_directory()
    say("starting a document server and a private PostgreSQL cluster")
    with servers.Owner(path) as owner:
        engine = servers.Engine(owner)
        cluster = servers.Cluster(owner)
        load(engine)
        values = variables(engine, path)
        psql(cluster, values, "postgres", "postgres", "-c", "CREATE ROLE app LOGIN", "-c", "CREATE DATABASE demo", check=True)
        show(cluster, values, "postgres", "objects.sql", "-v", "ON_ERROR_STOP=1")
        show(cluster, values, "app", "demo.sql")
        check(cluster, values)
    say("go on by yourself: ./demo/psql      remove the data: ./demo/clean")
    return 0


def open_psql(arguments):
    path = directory()
    if not path:
        print("demo: no data; call ./demo/run first", file=sys.stderr)
        return 1
    with servers.Owner(path) as owner:
        engine = servers.Engine(owner)
        cluster = servers.Cluster(owner)
        values = variables(engine, path)
        # The port is another one each time.
        psql(cluster, values, "demo", "postgres", "-c",
             "ALTER SERVER mongo OPTIONS (SET uri '%s')" % engine.uri.replace("'", "''"), check=True)
        if not arguments:
            print("Tokens are in :ua :dl :forged :expired, as in"
                  " SELECT set_config('mongo_tenant.jwt', :'ua', false);", flush=True)
        try:
            return psql(cluster, values, "demo", "app", *arguments).returncode
        except KeyboardInterrupt:
            return 130


def main():
    servers.exit_on_signals()
    what, arguments = sys.argv[1], sys.argv[2:]
    try:
        return {"run": run, "clean": clean, "psql": lambda: open_psql(arguments)}[what]()
    except (servers.ServerError, subprocess.CalledProcessError, psycopg.Error) as error:
        print("demo: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
