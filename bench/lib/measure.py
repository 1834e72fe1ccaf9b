"""What all parts of the benchmark share: sessions, meters, reference programs, medians.

Times of a backend are read from outside it: wall clock around the statement, CPU from the kernel's
scheduler statistics of its process, memory from its status.
"""

import json
import os
import statistics
import subprocess
import time
import urllib.parse

import bson
import psycopg

import servers
import tokens

BUILD = os.path.join(servers.ROOT, "build")
RESULTS = os.path.join(servers.ROOT, "bench", "results")
DOCUMENTS = int(os.environ.get("BENCH_DOCUMENTS", "1000000"))
REPEAT = int(os.environ.get("BENCH_REPEAT", "5"))
ISSUER = "https://bench.example"


def program(name):
    return os.path.join(BUILD, name)


def median(values):
    return statistics.median(values)


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def paired(ours, theirs):
    """How long ours takes of theirs, from runs that were made in pairs, one right after the other.

    What the machine does meanwhile meets both of a pair, and a pair that it does not meet alike is one among
    many: so the median of the pairs' ratios, with its quartiles, says more than the ratio of two medians.
    """
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {"ratio": median(ratios), "low": percentile(ratios, 0.25), "high": percentile(ratios, 0.75),
            "pairs": len(ratios)}


def walls(runs):
    return [run["wall"] for run in runs]


def lines_of_json(command):
    """Run a program that prints lines of JSON."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (os.path.basename(command[0]), done.stderr.strip()))
    return [json.loads(line) for line in done.stdout.splitlines()]


def reference(uri, namespace, malloc="default", **options):
    """The C program of bench/ref_mongoc.c; `pipeline` is a list of stages."""
    command = [program("ref_mongoc"), "--uri", uri, "--ns", namespace, "--malloc", malloc]
    if "pipeline" in options:
        options["pipeline"] = bson.encode({"p": options["pipeline"]}).hex()
    for name, value in options.items():
        command += ["--" + name, str(value)]
    return lines_of_json(command)


class Served:
    """The same program run again and again: ask() gives the microseconds of one run and its documents."""

    def __init__(self, uri, namespace, pipeline):
        self.process = subprocess.Popen(
            [program("ref_mongoc"), "--uri", uri, "--ns", namespace, "--serve", "yes",
             "--pipeline", bson.encode({"p": pipeline}).hex()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait()

    def ask(self, key=0):
        self.process.stdin.write("%d\n" % key)
        self.process.stdin.flush()
        micros, documents = self.process.stdout.readline().split()
        return float(micros), int(documents)


class Canned:
    """The canned wire server of bench/canned_server.c, on a port of this machine or a Unix socket."""

    def __init__(self, owner, documents=None, tenant="tenant-0001", unix=False):
        if unix:
            self.address = os.path.join(owner.directory, "canned.sock")
            self.uri = "mongodb://%s/" % urllib.parse.quote(self.address, safe="")
        else:
            self.port = servers.free_port()
            self.address = str(self.port)
            self.uri = "mongodb://127.0.0.1:%d/" % self.port
        owner.spawn([program("canned_server"), "--unix" if unix else "--port", self.address,
                     "--documents", str(documents or DOCUMENTS), "--tenant", tenant],
                    os.path.join(owner.directory, "canned.log"))
        deadline = time.monotonic() + 10
        while True:
            try:
                lines_of_json([program("ref_mongoc"), "--uri", self.uri + "?serverSelectionTimeoutMS=500",
                               "--ns", "x.none"])
                if unix:
                    os.chmod(self.address, 0o666)  # the backend is another user's
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


class Session:
    """One connection; `run` measures a statement in its backend."""

    def __init__(self, cluster, database="postgres", user="postgres"):
        self.connection = psycopg.connect(host=cluster.host, port=cluster.port, user=user,
                                          dbname=database, autocommit=True, prepare_threshold=None)
        self.pid = self.connection.info.backend_pid

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.connection.close()

    def sql(self, text, parameters=None):
        return self.connection.execute(text, parameters)

    def one(self, text, parameters=None):
        return self.sql(text, parameters).fetchone()[0]

    def token(self, text):
        self.sql("SELECT set_config('mongo_tenant.jwt', %s, false)", (text,))

    def cpu(self):
        with open("/proc/%d/schedstat" % self.pid) as file:
            return int(file.read().split()[0]) / 1e9

    def memory(self):
        """Private memory of the backend, now and at most, in KB."""
        values = {}
        with open("/proc/%d/status" % self.pid) as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name in ("RssAnon", "VmHWM"):
                    values[name] = int(rest.split()[0])
        return values

    def run(self, text):
        """One statement: {"wall", "cpu", "result"}."""
        cpu, wall = self.cpu(), time.perf_counter()
        cursor = self.sql(text)
        rows = cursor.fetchall() if cursor.description else None
        wall = time.perf_counter() - wall
        return {"wall": wall, "cpu": self.cpu() - cpu, "result": rows[0][0] if rows else None}

    def run_all_rows(self, query):
        """Make every row of a query in the backend, send none: DECLARE CURSOR, MOVE ALL."""
        with self.connection.transaction():
            cpu, wall = self.cpu(), time.perf_counter()
            self.sql("DECLARE bench_cursor NO SCROLL CURSOR FOR " + query)
            moved = self.sql("MOVE FORWARD ALL IN bench_cursor").rowcount
            self.sql("CLOSE bench_cursor")
            wall = time.perf_counter() - wall
            return {"wall": wall, "cpu": self.cpu() - cpu, "result": moved}


def summary(runs):
    """Medians of runs."""
    return {"wall": median(walls(runs)), "cpu": median([run["cpu"] for run in runs]),
            "walls": [round(wall, 6) for wall in walls(runs)]}


class Identity:
    """A fresh key, a provider of it, and tokens."""

    def __init__(self, alg="RS256"):
        self.key = tokens.Key(alg, kid="bench")

    def create_provider(self, session, name="bench"):
        session.sql("SELECT mongo_tenant.create_provider(%s, %s, ARRAY[%s], %s::jsonb, local => true)",
                    (name, ISSUER, tokens.AUDIENCE, json.dumps(tokens.keyset([self.key]))))

    def token(self, tenant, **extra):
        return self.key.sign(tokens.claims(ISSUER, tenant, **extra))


def create_server(session, name, uri, database, more=""):
    session.sql("CREATE SERVER %s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s', "
                "providers 'bench', tenant_field 'tenant_id'%s)" % (name, uri, database, more))
