"""Runs all tests against one cluster and one document server; test/run calls it.

    suite.py [PART ...]     only files whose name (as "regress/scan", "pgtap/x", "tap/y") contains a PART

    regress   sql/*.sql against expected/*.out through pg_regress, "setup" first; then once more with
              all pushdown off: apart from EXPLAIN the output must be the same (part "agree")
    pgtap     test/pgtap/*.sql through pg_prove, each in a copy of one database; with pushdown on and off
    tap       test/tap/*.py through prove, each with databases of its own
    long      test/long/*.py, the same, only when a PART begins with "long/"

One test counts for each regress file, each agreement and each TAP assertion; a TAP file that
dies or breaks its plan counts as one failure more.  The last line is "N passed, N failed".
"""

import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import time

import fixtures
import servers
import tap
import tokens

ROOT = servers.ROOT
WORK = os.path.join(ROOT, "build", "test")
WORKERS = max(2, min(4, os.cpu_count() or 2))
FILE_TIMEOUT = 900

# The start of any JSON object in base64url, a dot, and the start of another: header and payload.
TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]+")
OK_LINE = re.compile(r"^(not )?ok \d+\b(?!.*# (?:SKIP|TODO))", re.I)
SKIP_LINE = re.compile(r"^ok \d+\b.*# SKIP", re.I)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def file(self, name, passed, failed, seconds, skipped=0, detail=""):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        extra = ", %d skipped" % skipped if skipped else ""
        print("%-8s %-36s %5d passed, %d failed%s  (%.1f s)" % (
            "FAILED" if failed else "ok", name, passed, failed, extra, seconds), flush=True)
        if failed and detail:
            print("\n".join("    " + line for line in detail.rstrip().splitlines()[-80:]), flush=True)


def names(pattern, kind, parts):
    found = []
    for path in sorted(glob.glob(os.path.join(ROOT, pattern))):
        name = kind + "/" + os.path.splitext(os.path.basename(path))[0]
        if not parts or any(part in name for part in parts):
            found.append((name, path))
    return found


def run(command, log, env, **more):
    """Run a command with its output in a file; returns (exit status, output, seconds)."""
    start = time.monotonic()
    with open(log, "wb") as output:
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                    env=env, timeout=FILE_TIMEOUT, **more).returncode
        except subprocess.TimeoutExpired:
            status = -1
            output.write(b"\n# stopped: no end after %d s\n" % FILE_TIMEOUT)
    with open(log, errors="replace") as output:
        return status, output.read(), time.monotonic() - start


class Suite:
    def __init__(self, owner, parts):
        self.owner, self.parts, self.tally = owner, parts, Tally()
        engine = servers.Engine(owner)
        cluster = servers.Cluster(owner)
        self.cluster = cluster
        self.env = {**os.environ, **engine.environment(), **cluster.environment(), "LC_ALL": "C.UTF-8",
                    "MTF_TOKEN_DIR": os.path.join(owner.directory, "tokens"),
                    "MTF_ROOT": ROOT, "PYTHONPATH": os.path.join(ROOT, "test", "lib"),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "MTF_PRELUDE": os.path.join(owner.directory, "prelude.sql"),
                    "MTF_OBJECTS": os.path.join(ROOT, "test", "fixtures", "objects.sql")}
        self.quiet_prelude = os.path.join(owner.directory, "quiet.sql")
        self.env["PATH"] = cluster.bindir + os.pathsep + self.env["PATH"]
        self.engine = engine
        with engine.client() as client:
            fixtures.load(client["mtf_regress"])
        self.write_prelude()
        self.sql("""DO $$ BEGIN CREATE ROLE mtf_app LOGIN;
                    EXCEPTION WHEN duplicate_object THEN END $$""")
        self.switches = self.sql("\\pset tuples_only on\n\\pset format unaligned\n" + tap.SWITCHES_THAT_EXIST + ";").split()
        if not self.switches:
            raise servers.ServerError("the extension is not loaded: no pushdown can be turned off")

    def write_prelude(self):
        """Variables for psql; what is echoed of it is the same in every run."""
        keys = tokens.standard_keys(self.env["MTF_TOKEN_DIR"])
        variables = {**tokens.variables(keys, tokens.ISSUER), "uri": self.env["MTF_URI"],
                     "mongo_db": "mtf_regress", "root": ROOT, "objects": self.env["MTF_OBJECTS"]}
        # pg_regress echoes its scripts and goes on doing so afterwards; pg_prove does not.
        for path, end in ((self.env["MTF_PRELUDE"], "\\set ECHO all\n"), (self.quiet_prelude, "")):
            with open(path, "w") as file:
                file.write("\\set ECHO none\n")
                for name, value in variables.items():
                    file.write("\\set %s %s\n" % (name, tokens.quoted(value)))
                file.write(end)

    def sql(self, text, database="postgres"):
        result = subprocess.run([self.cluster.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database],
                                input=text, text=True, capture_output=True, env=self.env)
        if result.returncode != 0:
            raise servers.ServerError("psql: " + result.stderr)
        return result.stdout

    # -- pg_regress

    def pg_regress(self, database, selected, output, env):
        pgxs = subprocess.check_output([self.cluster.pg_config, "--pgxs"], text=True).strip()
        program = os.path.join(os.path.dirname(pgxs), "..", "test", "regress", "pg_regress")
        os.makedirs(output, exist_ok=True)
        self.sql("DROP DATABASE IF EXISTS %s" % database)
        self.sql("CREATE DATABASE %s TEMPLATE template0" % database)
        return run([program, "--use-existing", "--dbname=" + database, "--bindir=" + self.cluster.bindir,
                    "--inputdir=" + ROOT, "--outputdir=" + output, "--host=" + self.cluster.host,
                    "--port=%d" % self.cluster.port, "--user=postgres"] + selected,
                   os.path.join(output, "log"), env, cwd=ROOT)

    def regress(self, pool):
        files = [os.path.basename(path)[:-4] for name, path in names("sql/*.sql", "regress", self.parts)]
        if not files:
            return
        selected = ["setup"] + [name for name in files if name != "setup"]
        on_dir, off_dir = os.path.join(WORK, "on"), os.path.join(WORK, "off")
        off_env = dict(self.env)
        off_env["PGOPTIONS"] = (off_env.get("PGOPTIONS", "") + " " + tap.pushdown_off(self.switches)).strip()
        # pg_regress stops at a file without expected output; an empty one lets it go on, and fails.
        new = [path for path in (os.path.join(ROOT, "expected", name + ".out") for name in selected)
               if not os.path.exists(path)]
        for path in new:
            open(path, "w").close()
        on = pool.submit(self.pg_regress, "mtf_regress", selected, on_dir, self.env)
        off = pool.submit(self.pg_regress, "mtf_regress_off", selected, off_dir, off_env)
        status, output, seconds = on.result()
        off.result()
        for path in new:
            os.unlink(path)
        failures = 0
        for name in selected:
            wrong = difference(os.path.join(ROOT, "expected", name + ".out"),
                               os.path.join(on_dir, "results", name + ".out"))
            failures += bool(wrong)
            self.tally.file("regress/" + name, not wrong, bool(wrong), seconds / len(selected), detail=wrong)
            if not agreement_wanted(os.path.join(ROOT, "sql", name + ".sql")):
                continue
            wrong = difference(os.path.join(on_dir, "results", name + ".out"),
                               os.path.join(off_dir, "results", name + ".out"), without_plans)
            self.tally.file("agree/" + name, not wrong, bool(wrong), 0, detail=wrong)
        if status != 0 and not failures:
            self.tally.file("pg_regress", 0, 1, seconds, detail=output)

    # -- TAP

    def tap_file(self, name, command, env):
        log = os.path.join(WORK, name.replace("/", "-").replace(" ", "-") + ".log")
        status, output, seconds = run(command, log, env, cwd=ROOT)
        lines = output.splitlines()
        passed = failed = skipped = 0
        for line in lines:
            match = OK_LINE.match(line)
            if match:
                passed, failed = passed + (not match.group(1)), failed + bool(match.group(1))
            elif SKIP_LINE.match(line):
                skipped += 1
        if (status != 0 and not failed) or not passed + failed + skipped:
            failed += 1
        return name, passed, failed, seconds, skipped, output

    def pgtap_template(self):
        self.sql("DROP DATABASE IF EXISTS mtf_template")
        self.sql("CREATE DATABASE mtf_template TEMPLATE template0")
        self.sql("CREATE EXTENSION pgtap", "mtf_template")
        self.sql("\\i %s\n\\o /dev/null\n\\i %s\n" % (self.quiet_prelude, self.env["MTF_OBJECTS"]), "mtf_template")

    def pgtap(self, pool):
        files = names("test/pgtap/*.sql", "pgtap", self.parts)
        if not files:
            return []
        self.pgtap_template()
        jobs = []
        for name, path in files:
            for mode in ("on", "off"):
                database = "mtf_%s_%s" % (name.split("/")[1].replace("-", "_"), mode)
                self.sql("DROP DATABASE IF EXISTS %s" % database)
                self.sql("CREATE DATABASE %s TEMPLATE mtf_template" % database)
                env = {**self.env, "MTF_PRELUDE": self.quiet_prelude}
                if mode == "off":
                    env["PGOPTIONS"] = (env.get("PGOPTIONS", "") + " " + tap.pushdown_off(self.switches)).strip()
                command = ["pg_prove", "--verbose", "--psql-bin", self.cluster.program("psql"), "-d", database, path]
                jobs.append(pool.submit(self.tap_file, "%s (pushdown %s)" % (name, mode), command, env))
        return jobs

    def tap(self, pool):
        return [pool.submit(self.tap_file, name, ["prove", "--verbose", "--exec", sys.executable, path], self.env)
                for name, path in names("test/tap/*.py", "tap", self.parts) + self.long_files()]

    def long_files(self):
        """What takes minutes runs only when it is asked for: "long/"."""
        parts = [part for part in self.parts if part.startswith("long/")]
        return names("test/long/*.py", "long", parts) if parts else []

    def all(self):
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            self.regress(pool)
            jobs = self.pgtap(pool) + self.tap(pool)
            for job in concurrent.futures.as_completed(jobs):
                name, passed, failed, seconds, skipped, output = job.result()
                self.tally.file(name, passed, failed, seconds, skipped, output)
        self.canary()

    def canary(self):
        """After all that was done with tokens, none is in the server's log."""
        with open(self.cluster.log, errors="replace") as log:
            lines = log.readlines()
        leaks = [line for line in lines if TOKEN.search(line)]
        self.tally.file("canary/log of %d lines" % len(lines), not leaks, bool(leaks), 0,
                        detail="".join(TOKEN.sub("<a token>", line) for line in leaks[:20]))


def agreement_wanted(path):
    """A file whose head says "-- agree: no, WHY" depends on where clauses run."""
    with open(path) as file:
        return not any(line.startswith("-- agree: no, ") for line in file.readlines()[:5])


def without_plans(lines):
    """Output without the plans that EXPLAIN printed: they may differ, rows may not."""
    kept, inside = [], False
    for line in lines:
        if line.strip() == "QUERY PLAN":
            inside = True
        elif inside and re.match(r"^\(\d+ rows?\)$", line):
            inside = False
        elif not inside:
            kept.append(line)
    return kept


def difference(expected, got, prepare=lambda lines: lines):
    """Empty when two files agree, else a unified diff or the reason why there is none."""
    import difflib
    try:
        with open(expected) as one, open(got) as two:
            left, right = prepare(one.read().splitlines()), prepare(two.read().splitlines())
    except OSError as error:
        return "cannot compare: %s" % error
    return "\n".join(difflib.unified_diff(left, right, expected, got, lineterm="", n=3))


def main():
    servers.exit_on_signals()
    os.makedirs(WORK, exist_ok=True)
    start = time.monotonic()
    tally = Tally()
    try:
        with servers.Owner() as owner:
            suite = Suite(owner, sys.argv[1:])
            tally = suite.tally
            print("PostgreSQL %s, document server %s" % (
                subprocess.check_output([suite.cluster.pg_config, "--version"], text=True).split()[1],
                suite.engine.kind), flush=True)
            suite.all()
    except servers.ServerError as error:
        print("FAILED   %s" % error, flush=True)
        tally.failed += 1
    if not tally.passed and not tally.failed:
        print("FAILED   no test was run", flush=True)
        tally.failed += 1
    print("%d s, %d skipped; logs in build/test" % (time.monotonic() - start, tally.skipped), flush=True)
    print("%d passed, %d failed" % (tally.passed, tally.failed), flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
