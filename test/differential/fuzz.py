#!/usr/bin/env python3
"""Differential fuzzer: the same rows with any pushdown on or off, and as a local copy has them.

    fuzz.py [--seed N] [--queries N] [--seconds N] [--engine URI] [--report DIR] [--coverage FILE]
    fuzz.py --seed N --world W [--query Q]     repeat one world or one query

Servers: PGHOST, PGPORT and MTF_URI of the environment (test/lib/servers.py run -- …), else its own.

Each query runs on local copies that model.py made, and through foreign tables with all pushdown, with none,
with one kind off, and with the planner pushed to one kind of join, under on_mismatch 'null' (identical rows;
also through partitioned tables) and 'error' (those rows, or the mismatch error, which must name a column that
the query uses and that has one).  Every row must belong to the tenant.  Worlds have odd settings (odd.py), and
now and then a query runs twice, the first time ended by a timeout at some moment, which the second must not
notice.  Some WHERE clauses are partitioned as well: what count, sum, min, max, bool_and and bool_or give over
p, NOT p and p IS NULL must add up to the whole.

What is left open, and no more:
 - a query may raise by itself (a division, an overflow), and SQL does not say which rows an expression
   sees.  A query that raises on the local copy is not compared; what raises only on foreign tables must
   raise the same without any pushdown, or one of its expressions alone must raise so on a row of the local
   copy, to which the local plan had not come.  A part of a partition may raise whatever the very same
   statement raises on the local copy.
 - a plan that the planner was forced to may take more than minutes, if it is no hang (Fuzzer.again); such
   statements are printed, counted, and few.
 - LIMIT without a total order may give any rows, but the right number of right ones.
 - which of several equal values stands for a group (0 and -0, 5 and 5.00).
 - documents and indexes that an engine refuses are not there (what it stored is read back); what it is
   known to do wrong (test/lib/defects.py, asked at the start) is left out as narrowly as can be.

A failure prints seed, query, both results and the plan, and the query is shrunk while it still fails.
"""

import argparse
import collections
import copy
import decimal
import hashlib
import json
import os
import random
import re
import socket
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib")]

import servers  # noqa: E402  (starts the virtual environment's Python when need be)
import psycopg  # noqa: E402
import pymongo  # noqa: E402
from psycopg import pq  # noqa: E402

import tap  # noqa: E402
import tokens  # noqa: E402
import coverage  # noqa: E402
import defects  # noqa: E402
import grammar  # noqa: E402
import odd  # noqa: E402
import worlds  # noqa: E402

OFF = "mongo_tenant.enable_%s_pushdown"
CONFIGURATIONS = {"all": (), "none": tap.SWITCHES, "forced": (), "merge": (), "loop": (),
                  **{"no " + kind: (kind,) for kind in tap.SWITCHES},
                  **{method + " join": () for method in ("lookup", "hash", "bind")}}
# What the planner believes work of the server to cost: most often what it is.  A command that costs nothing would be sent again for
# each row of a nested loop.
PRICES = {"fdw_startup_cost": ("25", "25", "1000"), "fdw_tuple_cost": ("0.01", "0.01", "0", "1"),
          "remote_operator_cost": ("0.0022", "0.0022", "0", "0.2")}
OWN_PRICES = {name: values[0] for name, values in PRICES.items()}
# What the planner may not use.  Small tables are cheap to join and to group locally: "forced" makes that
# look dear; the others leave one kind of join.
DISABLED = {
    "forced": ("enable_hashjoin", "enable_mergejoin", "enable_nestloop", "enable_hashagg", "enable_sort",
               "enable_material", "enable_memoize"),
    "merge": ("enable_hashjoin", "enable_nestloop", "enable_hashagg"),
    "loop": ("enable_hashjoin", "enable_mergejoin", "enable_material", "enable_memoize", "enable_hashagg")}
# What a query may raise by itself.
RUNTIME = {"22003", "22008", "22012", "2201B", "22023", "22P02", "22007", "2201W", "2201X"}
# What is printed so can be read back: an abbreviation of a zone (IST) may be another zone's, the least float rounded is none.
READ_BACK = {"datestyle": "ISO, MDY", "extra_float_digits": "1"}
# Seconds: after which a statement is ended; the second time; how soon it must then have ended.
ONCE, AGAIN, PROMPT = 60, 300, 20
# Queries may be slow that often, and what a backend, or its document server, must have computed meanwhile, of its time.
SLOW_QUERIES, AT_WORK, ENGINE_AT_WORK = 1 / 2000, 0.001, 0.2
# The named mismatch error: of a row (rows/value.c), of a remote aggregate (rows/finish.c).
MISMATCH = re.compile(r'^(?:the|a) value at path "(.*?)" does not fit ')

SETUP = """
CREATE EXTENSION IF NOT EXISTS mongo_tenant_fdw;
CREATE COLLATION IF NOT EXISTS mtf_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
"""


class Failure(Exception):
    """Two results that should agree and do not."""

    def __init__(self, kind, configuration, schema, detail, expected=None, got=None):
        super().__init__(kind)
        self.kind, self.configuration, self.schema, self.detail = kind, configuration, schema, detail
        self.expected, self.got = expected, got


class Crash(Exception):
    """The backend died, and PostgreSQL restarts all of them."""


class Result:
    def __init__(self, result):
        self.rows, self.error, self.types = [], None, ()
        self.slow = False  # see Fuzzer.again
        status = result.status
        if status == pq.ExecStatus.TUPLES_OK:
            columns = range(result.nfields)
            self.types = [result.ftype(c) for c in columns]
            self.names = [result.fname(c) for c in columns]
            self.rows = [tuple(result.get_value(r, c) for c in columns) for r in range(result.ntuples)]
        elif status != pq.ExecStatus.COMMAND_OK:
            state = result.error_field(pq.DiagnosticField.SQLSTATE)
            message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
            detail = result.error_field(pq.DiagnosticField.MESSAGE_DETAIL) or b""
            self.error = (state.decode() if state else "-----", message.decode(errors="replace"),
                          detail.decode(errors="replace"))


class Watch(threading.Thread):
    """Hangs up on a statement that neither ends nor lets itself be cancelled, which a client would await for ever."""

    def __init__(self):
        super().__init__(daemon=True)
        self.lock = threading.Lock()
        self.deadline = self.connection = None
        self.start()

    def begin(self, connection, seconds):
        with self.lock:
            self.connection, self.deadline = connection, time.monotonic() + seconds

    def end(self):
        with self.lock:
            self.deadline = None

    def run(self):
        while True:
            time.sleep(1)
            with self.lock:
                if self.deadline is not None and time.monotonic() > self.deadline:
                    self.deadline = None
                    with socket.socket(fileno=os.dup(self.connection.socket)) as end:
                        end.shutdown(socket.SHUT_RDWR)


class Session:
    """One connection with one configuration; reconnects when a backend died."""

    watch = None

    def __init__(self, parameters, settings):
        self.parameters, self.settings = parameters, settings
        self.connection = None
        self.limit = ONCE  # of its statement_timeout
        self.seconds = 0  # that the last statement took
        Session.watch = Session.watch or Watch()

    def raw(self):
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(autocommit=True, prepare_threshold=None, **self.parameters)
            for name, value in self.settings.items():
                self.connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        return self.connection.pgconn

    def set(self, settings):
        """Settings of this and of later connections."""
        self.settings.update(settings)
        self.raw()
        for name, value in settings.items():
            self.connection.execute("SELECT set_config(%s, %s, false)", (name, value))

    def run(self, text):
        return self.finish(lambda: self.raw().exec_(text.encode()))

    def bound(self, text, parameters):
        types = [TYPE_OIDS[type] for _, type in parameters]
        values = [None if value is None else value.encode() for value, _ in parameters]
        return self.finish(lambda: self.raw().exec_params(text.encode(), values, types))

    def finish(self, execute):
        started = time.monotonic()
        try:
            self.watch.begin(self.raw(), self.limit + 2 * PROMPT)
            try:
                result = execute()
            finally:
                self.watch.end()
                self.seconds = time.monotonic() - started
            if self.connection.pgconn.status == pq.ConnStatus.OK:
                return Result(result)
            message = self.connection.pgconn.error_message.decode(errors="replace")
        except psycopg.OperationalError as error:
            message = str(error)
        if self.seconds >= self.limit + 2 * PROMPT:
            message = "a statement did not end when its timeout had come: " + message
        raise Crash(message.splitlines()[0] if message else "the connection is gone")

    def computed(self):
        """Seconds that the backend has computed so far."""
        return computed_by(self.connection.info.backend_pid)

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def computed_by(pid):
    """Seconds that a process has computed so far."""
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def engine_computed(uri):
    """The same of the document server: of the processes whose command names its port (not of one that computes elsewhere)."""
    port, seconds = uri.rstrip("/").rpartition(":")[2], 0.0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid) as file:
                words = file.read().split("\0")
            if any(word.rpartition(":")[2] == port for word in words):
                seconds += computed_by(int(pid))
        except OSError:  # it has ended
            continue
    return seconds


TYPE_OIDS = {}


# ---- comparing -------------------------------------------------------------------------------

def normal(value, oid):
    """A value of a group: which of several equal ones stands for it is left open."""
    if value is None:
        return None
    if oid in (700, 701):
        return b"0" if value == b"-0" else value
    if oid == 1700 and value[-1:].isdigit():
        number = decimal.Decimal(value.decode())
        return b"0" if number == 0 else str(number.normalize(decimal.Context(prec=20000))).encode()
    return value


def normalised(result, query):
    flags = [norm for _, _, norm in query.items]
    if query.union is not None or query.distinct is True:
        flags = [True] * len(flags)
    if not any(flags):
        return result.rows
    pairs = list(zip(flags, result.types))
    return [tuple(normal(value, oid) if flag else value for value, (flag, oid) in zip(row, pairs))
            for row in result.rows]


def same(query, one, two):
    left, right = normalised(one, query), normalised(two, query)
    if query.ordered:
        return left == right
    return collections.Counter(left) == collections.Counter(right)


def keeps_cursors_of_killed_sessions(database):
    """Does killSessions leave a cursor open?  It is all that ends one whose first reply is not there yet."""
    collection = database.mtf_cursors
    collection.insert_many([{} for _ in range(5)])
    try:
        with database.client.start_session() as session, collection.find({}, batch_size=2, session=session) as cursor:
            next(cursor)
            database.command("killSessions", [session.session_id])
            try:
                return len(list(cursor)) > 0  # it is still there to be read
            except pymongo.errors.PyMongoError:
                return False
    finally:
        collection.drop()


# ---- one fuzzing process ---------------------------------------------------------------------

class Fuzzer:
    def __init__(self, args, parameters, uri):
        self.args, self.uri = args, uri
        self.database = "mtf_fuzz_%d" % os.getpid()
        self.client = pymongo.MongoClient(uri, serverSelectionTimeoutMS=10000)
        self.counts = collections.Counter()
        self.failures = []
        self.shrinking = self.shadowed = False
        self.at = self.last_slow = (None, None)  # world and query
        self.interruptions = random.Random("interruptions/%s" % args.seed)
        self.signatures = collections.Counter()
        self.kind_counts = collections.Counter()
        self.type_names = {}
        self.coverage = coverage.Coverage() if args.coverage else None
        admin = dict(parameters, dbname="postgres", user="postgres")
        self.admin_parameters = admin
        with psycopg.connect(autocommit=True, **admin) as connection:
            connection.execute("DROP DATABASE IF EXISTS %s" % self.database)
            connection.execute("CREATE DATABASE %s TEMPLATE template0" % self.database)
        self.parameters = dict(parameters, dbname=self.database, user="postgres")
        self.admin = psycopg.connect(autocommit=True, **self.parameters)
        self.foreign = not args.local_only
        self.prepare()

    def prepare(self):
        self.admin.execute(SETUP if self.foreign else SETUP.split(";", 1)[1])
        for statement in odd.statements():
            self.admin.execute(statement)
        for name, oid in self.admin.execute(
                "SELECT t::text, t::oid FROM unnest(ARRAY['int2','int4','int8','float4','float8','numeric',"
                "'text','bpchar','date','timestamp','timestamptz','uuid','bytea','bool','jsonb',"
                "'jsonpath']::regtype[]) t"):
            TYPE_OIDS[name] = oid
        names = ("int2", "int4", "int8", "float4", "float8", "numeric", "text", "bpchar", "date", "timestamp",
                 "timestamptz", "uuid", "bytea", "bool", "jsonb", "jsonpath")
        for name in names:
            for each in (name, name + "[]"):
                TYPE_OIDS[each] = self.admin.execute(
                    "SELECT to_regtype(%s)::oid::int", (each,)).fetchone()[0]
        if self.foreign:
            key = tokens.create_provider(self.admin, "fuzz")
            self.admin.execute(
                "CREATE SERVER mtf_fuzz FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', "
                "database '%s', providers 'fuzz', tenant_field 'tenant_id', parallel '1', fetch_size '1000', "
                "fdw_startup_cost '25', fdw_tuple_cost '0.01', remote_operator_cost '0.0022', collation '%s')" % (
                    self.uri, self.database, self.collation()))
        if self.has(defects.has_no_far_dates):
            grammar.without_far_dates()
        if self.args.alone and self.has(keeps_cursors_of_killed_sessions):
            self.args.alone = False
        if self.has(defects.looks_up_by_type):
            worlds.without_least_double()
        self.sessions = {}
        for tenant in worlds.TENANTS:
            for name, switches in CONFIGURATIONS.items():
                settings = {"plan_cache_mode": "force_generic_plan", "statement_timeout": "%ds" % ONCE, "jit": "off"}
                if self.foreign:
                    settings["mongo_tenant.jwt"] = key.sign(tokens.claims(
                        tenant=tenant, lifetime=20 * 3600))
                    settings.update({OFF % kind: "off" for kind in switches})
                disabled = DISABLED.get(name, ())
                if name.endswith(" join") and not name.startswith("no "):
                    settings["mongo_tenant.join_method"] = name.split()[0]
                    settings["mongo_tenant.join_batch_size"] = "7"
                    disabled = DISABLED["forced"]
                if name == "forced":
                    settings["cpu_tuple_cost"] = "1"  # what is possible remotely, not what is cheap
                if disabled:
                    settings.update((each, "off") for each, in self.admin.execute(
                        "SELECT name FROM pg_settings WHERE name = ANY (%s)", (list(disabled),)))
                self.sessions[tenant, name] = Session(self.parameters, settings)
        self.local_session = Session(self.parameters, {"plan_cache_mode": "force_generic_plan",
                                                       "statement_timeout": "%ds" % ONCE})

    def collation(self):
        """'none' for an engine that takes {locale: 'simple'} for a linguistic order, or cannot group with it."""
        if self.has(defects.ignores_case_under_simple) or self.has(defects.cannot_group_under_simple):
            return "none"
        # Then a column whose types are trusted cannot be sorted by while some documents lack it.
        worlds.MISSING_IS_TRUSTED = not self.has(defects.parts_nulls_under_simple)
        return "simple"

    def has(self, defect):
        """Does the engine have it?  Then it is said, with the totals."""
        if not defect(self.client[self.database]):
            return False
        self.counts["(the engine %s)" % defect.__name__.replace("_", " ")] = 1
        return True

    def open_cursors(self):
        """How many cursors the server has open; 0 where it does not say."""
        try:
            return self.client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"]
        except (pymongo.errors.PyMongoError, KeyError):
            return 0

    def check_cursors(self):
        """With every session gone no cursor is left; the last words of a backend take a moment."""
        for session in self.sessions.values():
            session.close()
        deadline = time.monotonic() + 10
        while self.open_cursors() > 0 and time.monotonic() < deadline:
            time.sleep(0.1)
        left = self.open_cursors()
        if left > 0:
            self.counts["FAILURES"] += 1
            print("FAILURE %d cursors left open on the server" % left, flush=True)

    def close(self):
        if self.foreign and self.args.alone:
            self.check_cursors()
        for session in [self.local_session, *self.sessions.values()]:
            session.close()
        self.admin.close()
        if self.args.keep:
            print("# kept: database %s, token of UA: %s" % (
                self.database, self.sessions["UA", "all"].settings.get("mongo_tenant.jwt")))
            return
        self.client.drop_database(self.database)
        self.client.close()
        with psycopg.connect(autocommit=True, **self.admin_parameters) as connection:
            connection.execute("DROP DATABASE IF EXISTS %s WITH (FORCE)" % self.database)

    # -- worlds

    def make_world(self, number):
        rng = random.Random("%s/%s" % (self.args.seed, number))
        world = worlds.World(rng, self.database)
        world.load_documents(self.client)
        world.load_local(self.admin)
        if self.foreign:
            world.load_foreign(self.admin)
        settings = odd.choose(random.Random("settings/%s/%s" % (self.args.seed, number)))
        settings["timezone"] = world.timezone
        self.shadowed = settings["search_path"] != odd.SETTINGS["search_path"][0]
        for session in list(self.sessions.values()) + [self.local_session]:
            session.set(settings)
        self.counts["tables with a validator"] += sum(table.validated for table in world.tables)
        for text, times in world.refused.items():
            self.counts["refused by the engine: " + text] += times
        if self.foreign:
            self.set_server(world, random.Random("parallel/%s/%s" % (self.args.seed, number)))
        return world

    def set_server(self, world, rng):
        """Prices; scans by 1 to 4 cursors, in batches so small that such collections are cut; some sessions learn where."""
        cursors = rng.randint(1, 4)
        settings = {"parallel": cursors, "fetch_size": rng.choice((2, 3, 5)) if cursors > 1 else 1000}
        self.prices = {name: rng.choice(values) for name, values in PRICES.items()}
        self.set_options({**settings, **self.prices})
        self.counts["worlds read by %d cursors" % cursors] += 1
        if cursors == 1:
            return
        for table in world.tables:
            collection = self.client[self.database][table.name]
            try:
                collection.create_index([("tenant_id", 1), ("_id", 1)])
            except pymongo.errors.PyMongoError:  # an engine has no undefined in an index: it is nobody's
                collection.delete_many({"tenant_id": {"$type": "undefined"}})
                collection.create_index([("tenant_id", 1), ("_id", 1)])
            for tenant in worlds.TENANTS:
                for name in ("all", "none", "forced"):
                    for schema in ("fn", "fe"):
                        self.sessions[tenant, name].run("SELECT 1 FROM %s.%s" % (schema, table.name))
            plan = self.sessions["UA", "all"].run("EXPLAIN (ANALYZE, VERBOSE) SELECT 1 FROM fn.%s" % table.name)
            self.counts["tables cut into ranges"] += any(
                b"Ranges: " in line and b"Ranges: 0" not in line for line, in plan.rows)

    # -- one query

    def recover(self):
        """After a crash: new sessions, as soon as the server takes them."""
        for session in [self.local_session, *self.sessions.values()]:
            session.close()
        deadline = time.monotonic() + 60
        while True:
            time.sleep(0.3)
            try:
                self.local_session.raw()
                break
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
        self.admin.close()
        self.admin = psycopg.connect(autocommit=True, **self.parameters)

    def run(self, query, tenant, configuration, schema, mode):
        """Result of a query through `configuration`; None: the local copy."""
        if configuration is not None and not self.shrinking and self.interruptions.random() < 0.05:
            self.interrupt(query, tenant, configuration, schema, mode)
        result = self.complete(query, tenant, configuration, schema, mode)
        if configuration is None or self.shrinking or not self.is_late(result, self.sessions[tenant, configuration]):
            return result
        return self.again(query, tenant, configuration, schema, mode)

    @staticmethod
    def is_late(result, session):
        """Did its timeout end it, then and not before, and at once?  All else by that name is a fault."""
        return (result.error is not None and result.error[0] == "57014" and
                session.limit - 1 <= session.seconds <= session.limit + PROMPT)

    def again(self, query, tenant, configuration, schema, mode):
        """What took too long, with more time; slow is what does not end then, and no hang.

        That is: the timeout ended it, promptly, both times; the backend or the document server was at work all along,
        in every fifth of the time, and nobody waited for what never comes; and with the planner's own settings and
        prices the same ends.
        A result with the timeout's error otherwise, which is a failure.
        """
        session = self.sessions[tenant, configuration]
        session.set({"statement_timeout": "%ds" % AGAIN})
        session.limit = AGAIN
        work, done = [(session.computed(), engine_computed(self.uri))], threading.Event()
        def look():
            while not done.wait(AGAIN / 5 - 0.2):
                work.append((session.computed(), engine_computed(self.uri)))
        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            result = self.complete(query, tenant, configuration, schema, mode)
            late = self.is_late(result, session)
        finally:
            done.set()
            looking.join()
            session.limit = ONCE
            session.settings["statement_timeout"] = "%ds" % ONCE
        session.set({"statement_timeout": "%ds" % ONCE})
        if not late:
            self.counts["ended when run again"] += 1
            return result
        steps = [tuple(round(new - old, 2) for old, new in zip(*pair)) for pair in zip(work, work[1:])]
        worked = len(steps) >= 4 and (min(here for here, _ in steps) >= AT_WORK * AGAIN / 5 or
                                      min(there for _, there in steps) >= ENGINE_AT_WORK * AGAIN / 5)
        others = (configuration != "all" or self.prices != OWN_PRICES) and self.with_own_prices(query, tenant, schema, mode)
        if not worked or not others or others.error is not None and others.error[0] == "57014":
            result.error = (*result.error[:2], "the backend and the server computed %s s; with the planner's own settings it %s" % (
                steps, "ends" if others and not (others.error and others.error[0] == "57014") else "does not end"))
            return result
        result.slow = True
        self.counts["slow"] += self.at != self.last_slow
        self.last_slow = self.at
        print("# slow: more than %d s, by %s on %s, %s, tenant %s: --seed %s --world %s --query %s: %s" % (
            AGAIN, configuration, schema, mode, tenant, self.args.seed, *self.at,
            query.sql(grammar.Out(schema, worlds.LOCAL[tenant]))), flush=True)
        return result

    def with_own_prices(self, query, tenant, schema, mode):
        """The result of the plan that the planner chooses, whatever prices this world has."""
        try:
            self.set_options(OWN_PRICES)
            return self.complete(query, tenant, "all", schema, mode)
        finally:
            self.set_options(self.prices)

    def set_options(self, options):
        for name, value in options.items():
            self.admin.execute("ALTER SERVER mtf_fuzz OPTIONS (SET %s '%s')" % (name, value))

    def interrupt(self, query, tenant, configuration, schema, mode):
        """The same, ended by a timeout at some moment: what comes next in this session must not notice."""
        session = self.sessions[tenant, configuration]
        session.run("SET statement_timeout = %d" % self.interruptions.choice((1, 2, 3, 5, 8, 13, 20, 35, 50)))
        result = self.complete(query, tenant, configuration, schema, mode)
        self.counts["interrupted"] += result.error is not None and result.error[0] == "57014"
        while session.run("SET statement_timeout = '%ds'" % ONCE).error:  # the short one holds for this statement too
            pass
        # It may even end when that statement has: PostgreSQL then cancels the next one.
        session.run("SELECT")

    def complete(self, query, tenant, configuration, schema, mode):
        local = worlds.LOCAL[tenant]
        session = self.local_session if configuration is None else self.sessions[tenant, configuration]
        foreign = local if configuration is None else schema
        parameters = None if mode == "inline" else []
        text = query.sql(grammar.Out(foreign, local, parameters))
        if mode == "inline":
            return session.run(text)
        if mode == "bound":
            return session.bound(text, parameters)
        return session.run("DEALLOCATE ALL; PREPARE q%s AS %s; EXECUTE q%s" % (
            "(%s)" % ", ".join(type for _, type in parameters) if parameters else "", text,
            "(%s)" % ", ".join("NULL" if value is None else worlds.literal(value)
                               for value, _ in parameters) if parameters else ""))

    def is_named_mismatch(self, error, query, tenant):
        """Does the error name a column that the query uses in a foreign table, and that has a misfit?"""
        match = MISMATCH.match(error[1])
        if not match or not error[0].startswith("22"):
            return False
        things = grammar.walk(query, [])
        local = {thing.alias for thing in things
                 if isinstance(thing, grammar.Source) and thing.always_local}
        return any(isinstance(thing, grammar.Ref) and thing.alias not in local and
                   thing.column.path == match.group(1) and thing.column.mismatches[tenant] for thing in things)

    def raises_without_pushdown(self, query, tenant, schema, mode, state):
        """May the query raise by itself?  Then it does so where nothing is pushed down."""
        error = self.run(query, tenant, "none", schema, mode).error
        return error is not None and error[0] == state

    def a_part_raises(self, query, tenant, mode, state):
        """Does an expression of the query raise so on some row of a table's local copy?

        SQL does not say which rows an expression sees: the local plan may not have come to that row (a join
        found nothing before).  The witness is PostgreSQL itself, on its own table, row by row: an earlier
        row may raise otherwise.  It is asked with parameters where the query had them: the planner takes a strict
        function of a constant NULL for NULL, and its other arguments are never computed.
        """
        schema = worlds.LOCAL[tenant]
        for node, source in grammar.parts_of_one_table(query):
            table = "%s.%s %s" % (schema, source.table.name, source.alias)
            for row, in self.local_session.run("SELECT ctid::text FROM " + table).rows:
                parameters = None if mode == "inline" else []
                result = self.local_session.bound("SELECT count((%s) IS NULL) FROM %s WHERE %s.ctid = '%s'" % (
                    node.sql(grammar.Out(schema, schema, parameters)), table, source.alias, row.decode()),
                    parameters or [])
                if result.error and result.error[0] == state:
                    return True
        return False

    def check(self, query, tenant, mode, flags, configurations, expected=None):
        """Raise Failure when anything disagrees; returns False when the query says nothing."""
        if expected is None:
            expected = self.run(query, tenant, None, None, mode)
        if expected.error:
            if expected.error[0] in RUNTIME or self.is_of_shadows(expected.error):
                self.counts["raised locally"] += 1
            else:
                self.counts["invalid"] += 1
                if not self.shrinking:
                    self.kind_counts["%s %s" % expected.error[:2]] += 1
            return False
        self.counts["rows"] += len(expected.rows)
        unlimited = None
        if "subset" in flags:
            whole = copy.copy(query)
            whole.limit = whole.offset = None
            unlimited = self.run(whole, tenant, None, None, mode)
            # A row that the local copy's LIMIT did not come to may raise: then there is nothing to look rows up in.
            if unlimited.error:
                self.counts["raised locally"] += 1
                return False
        for configuration, schema in configurations:
            try:
                got = self.run(query, tenant, configuration, schema, mode)
            except Crash as crash:
                self.recover()
                raise Failure("crash", configuration, schema, str(crash), expected) from None
            self.counts["executions"] += 1
            if got.slow:
                continue
            if got.error:
                if self.is_of_shadows(got.error):
                    self.counts["raised by itself"] += 1
                    continue
                if schema == "fe" and self.is_named_mismatch(got.error, query, tenant):
                    self.counts["named mismatch"] += 1
                    continue
                if ("risky" in flags and got.error[0] in RUNTIME and
                        self.raises_without_pushdown(query, tenant, schema, mode, got.error[0])):
                    self.counts["raised by itself"] += 1
                    continue
                if got.error[0] in RUNTIME and self.a_part_raises(query, tenant, mode, got.error[0]):
                    self.counts["raised by a part"] += 1
                    continue
                raise Failure("error %s %s" % (got.error[0], got.error[1]), configuration, schema,
                              "%s: %s %s" % got.error, expected, got)
            self.check_owner(got, tenant, configuration, schema)
            if "subset" in flags:
                good = (len(got.rows) == len(expected.rows) and not
                        collections.Counter(got.rows) - collections.Counter(unlimited.rows))
            else:
                good = same(query, expected, got)
            if not good:
                raise Failure("rows differ", configuration, schema,
                              "%d rows expected, %d got" % (len(expected.rows), len(got.rows)), expected, got)
        return True

    def is_of_shadows(self, error):
        """What PostgreSQL says of a FULL JOIN or a row comparison by an operator that it knows nothing of."""
        return self.shadowed and error[0] == "0A000" and ("FULL JOIN" in error[1] or "row comparison" in error[1])

    def check_owner(self, got, tenant, configuration, schema):
        allowed = (None, tenant.encode())
        for column, name in enumerate(got.names):
            if name.startswith(b"owner_"):
                for row in got.rows:
                    if row[column] not in allowed:
                        raise Failure("ROW OF ANOTHER TENANT", configuration, schema, repr(row), got=got)

    def type_name(self, oid):
        if oid not in self.type_names:
            self.type_names[oid] = self.admin.execute("SELECT typname FROM pg_type WHERE oid = %s", (oid,)).fetchone()[0]
        return self.type_names[oid]

    def partition_items(self, query, rng):
        """Aggregates of a query's columns whose parts add up: (node, name, how they add up)."""
        items = [(grammar.Node("count(*)", cls="int"), "sum({})")]
        columns = [grammar.Ref(source.alias, source.table, column) for source in query.sources if source.table
                   for column in source.table.columns]
        for node in [node for node, _, _ in query.items if isinstance(node, grammar.Ref)][:2] + [rng.choice(columns)]:
            items.append((grammar.Node("count({0})", node, cls="int"), "sum({})"))
            column = node.column
            if node.cls in ("int", "numeric") or node.cls == "float" and column.tame:
                items.append((grammar.Node("sum({0})", node), "sum({})"))
            if node.cls == "bool":
                items += [(grammar.Node(name + "({0})", node), name + "({})") for name in ("bool_and", "bool_or")]
            elif node.cls in grammar.ORDERED and node.cls != "uuid" and column.collation != "mtf_ci":
                collate = ' COLLATE "%s"' % column.collation if column.collation else ""
                items += [(grammar.Node(name + "({0})", node), name + "({}" + collate + ")")
                          for name in ("min", "max")]
        return [(node, "n%d" % number, form) for number, (node, form) in enumerate(items)]

    def add_up(self, items, parts):
        """The aggregates of the whole, from those of the parts; PostgreSQL adds them up."""
        types = [self.type_name(oid) for oid in parts[0].types]
        rows = ["(%s)" % ", ".join(
            "%s::%s" % ("NULL" if value is None else worlds.literal(value.decode()), type)
            for value, type in zip(part.rows[0], types)) for part in parts]
        columns = ["v.c%d" % number for number in range(len(types))]
        return self.local_session.run("SELECT %s FROM (VALUES %s) v(%s)" % (
            ", ".join(form.format(column) for (_, _, form), column in zip(items, columns)), ", ".join(rows),
            ", ".join(column[2:] for column in columns)))

    def copy_raises(self, part, tenant, mode, state):
        """Does PostgreSQL raise the same for this statement, which sees rows that the whole query did not?

        That is any error of the very statement on the local copy; of errors that depend on the rows that are seen,
        also one without pushdown, or of an expression alone.
        """
        error = self.run(part, tenant, None, None, mode).error
        return error is not None and error[0] == state or state in RUNTIME and (
            self.raises_without_pushdown(part, tenant, "fn", mode, state) or self.a_part_raises(part, tenant, mode, state))

    def check_partition(self, query, tenant, mode, rng):
        """Aggregates over p, NOT p and p IS NULL must add up to those of the whole (ternary logic partitioning)."""
        configuration = rng.choice(("all", "forced"))
        sessions = [self.sessions[tenant, configuration], self.local_session]
        style = {name: sessions[0].settings[name] for name in READ_BACK}
        for session in sessions:
            session.set(READ_BACK)
        try:
            self.compare_partition(query, tenant, mode, configuration, rng)
        finally:
            for session in sessions:
                session.set(style)

    def compare_partition(self, query, tenant, mode, configuration, rng):
        where, rest = query.where[0], query.where[1:]
        items = self.partition_items(query, rng)
        results = []
        for form in (None, "({0})", "(NOT {0})", "(({0}) IS NULL)"):
            part = copy.copy(query)
            part.items = [(node, name, False) for node, name, _ in items]
            part.order, part.limit, part.offset, part.having = [], None, None, None
            part.ordered = part.ties = False
            part.where = rest + ([] if form is None else [grammar.Node(form, where)])
            result = self.run(part, tenant, configuration, "fn", mode)
            if result.slow:
                return
            if result.error:
                if self.is_of_shadows(result.error) or self.copy_raises(part, tenant, mode, result.error[0]):
                    self.counts["partitions that raised"] += 1
                    return
                raise Failure("error %s %s" % (result.error[0], result.error[1]), configuration, "fn",
                              "partition %s: %s: %s %s" % (form, *result.error))
            results.append(result)
        self.counts["partitions"] += 1
        whole = results[0].rows[0]
        sums = self.add_up(items, results[1:])
        if sums.error:
            raise Failure("partition", configuration, "fn", "adding up: %s: %s %s" % sums.error)
        for (node, _, _), oid, one, two in zip(items, results[0].types, whole, sums.rows[0]):
            oid = 1700 if oid == 20 else oid  # a sum of bigints is a numeric
            if normal(one, oid) != normal(two, oid):
                raise Failure("partition", configuration, "fn", "%s: whole %s, parts %s" % (
                    node.sql(grammar.Out("fn", "fn")), one, [result.rows[0] for result in results[1:]]))

    def configurations(self, rng, query):
        chosen = [("all", "fn"), ("forced", "fn"), ("all" if rng.random() < 0.5 else "forced", "fe")]
        if rng.random() < 0.5:
            chosen.append(("none", "fn"))
        if rng.random() < 0.4:
            chosen.append(("no " + rng.choice(tap.SWITCHES), "fn"))
        if rng.random() < 0.3:
            chosen.append((rng.choice(("merge", "loop")), "fn"))
        if rng.random() < 0.1:
            chosen.append(("none", "fe"))
        if rng.random() < 0.25:
            chosen.append((rng.choice(("all", "forced", "none")), "fp"))
        if len(query.sources) > 1 or grammar.subqueries(query):
            chosen += [(method + " join", "fe" if rng.random() < 0.2 else "fn")
                       for method in rng.sample(("lookup", "hash", "bind"), 2)]
        return chosen if self.foreign else []

    def one(self, world, world_number, number):
        rng = random.Random("%s/%s/%s" % (self.args.seed, world_number, number))
        maker = grammar.Maker(rng, world)
        query = maker.query()
        tenant = rng.choice(worlds.TENANTS)
        mode = rng.choices(("inline", "bound", "generic"), (1, 2, 3) if "late" in maker.flags else (5, 2, 3))[0]
        configurations = self.configurations(rng, query)
        self.counts["queries"] += 1
        self.at = (world_number, number)
        try:
            useful = self.check(query, tenant, mode, maker.flags, configurations)
            self.counts["compared"] += useful
            if useful and self.foreign and self.coverage is not None and number % 3 == 0:
                self.coverage.add(query, "fn", worlds.LOCAL[tenant], mode, lambda text: self.explain(tenant, text))
            if useful and self.foreign and query.where and not query.group and not query.distinct \
                    and query.union is None and rng.random() < 0.2:
                self.check_partition(query, tenant, mode, rng)
        except Failure as failure:
            self.report(failure, query, tenant, mode, maker.flags, world, world_number, number)

    def explain(self, tenant, text):
        result = self.sessions[tenant, "forced"].run("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) " + text)
        return None if result.error else json.loads(result.rows[0][0])[0]["Plan"]

    # -- failures

    def shrink(self, failure, query, tenant, mode, flags):
        """Smaller queries that fail in the same way; returns the smallest, its failure and its mode."""
        deadline = time.monotonic() + self.args.shrink_seconds
        pair = [(failure.configuration, failure.schema)]
        if failure.kind == "partition":
            return query, failure, mode
        def fails(candidate, candidate_mode):
            try:
                self.check(candidate, tenant, candidate_mode, flags, pair)
            except Failure as other:
                if other.kind.split()[:2] == failure.kind.split()[:2]:
                    return other
            return None
        if mode != "inline":
            other = fails(query, "inline")
            if other is not None:
                mode, failure = "inline", other
        progress = True
        while progress and time.monotonic() < deadline:
            progress = False
            for candidate in grammar.simpler(query):
                if time.monotonic() > deadline:
                    break
                other = fails(candidate, mode)
                if other is not None:
                    query, failure, progress = candidate, other, True
                    break
        return query, failure, mode

    def report(self, failure, query, tenant, mode, flags, world, world_number, number):
        self.counts["FAILURES"] += 1
        original = query.sql(grammar.Out(failure.schema, worlds.LOCAL[tenant]))
        saved = dict(self.counts)
        self.shrinking = True
        try:
            query, failure, mode = self.shrink(failure, query, tenant, mode, flags)
        except Exception:
            traceback.print_exc()
        self.shrinking = False
        self.counts = collections.Counter(saved)
        signature = signature_of(failure, query)
        self.signatures[signature] += 1
        if self.signatures[signature] > self.args.per_signature:
            return
        lines = ["=" * 100,
                 "FAILURE %s  (pushdown %s, schema %s, %s, tenant %s)" % (
                     failure.kind, failure.configuration, failure.schema, mode, tenant),
                 "repeat: --seed %s --world %s --query %s" % (self.args.seed, world_number, number),
                 failure.detail, "original: " + original]
        parameters = None if mode == "inline" else []
        text = query.sql(grammar.Out(failure.schema, worlds.LOCAL[tenant], parameters))
        lines.append("shrunk:   " + text)
        if parameters:
            lines.append("parameters: %r" % (parameters,))
        if failure.expected is not None and failure.got is not None and not failure.got.error:
            left = collections.Counter(normalised(failure.expected, query))
            right = collections.Counter(normalised(failure.got, query))
            lines.append("only in the local copy: %s" % shown(left - right))
            lines.append("only in the foreign table: %s" % shown(right - left))
            if left == right:
                lines.append("order expected: %s" % shown(failure.expected.rows))
                lines.append("order got:      %s" % shown(failure.got.rows))
        session = self.sessions.get((tenant, failure.configuration), self.local_session)
        explained = query.sql(grammar.Out(failure.schema, worlds.LOCAL[tenant]))
        try:
            plan = session.run("EXPLAIN (VERBOSE, COSTS OFF) " + explained)
            lines += ["plan:"] + ["    " + row[0].decode() for row in plan.rows]
            if plan.error:
                lines.append("    %s" % (plan.error,))
        except Crash:
            lines.append("plan: EXPLAIN crashes too")
            self.recover()
        for table in {thing.table for thing in grammar.walk(query, [])
                      if isinstance(thing, grammar.Ref)}:
            lines.append("%s (%s): %s" % (table.name, "trusted" if table.trusted else "not trusted",
                                          "; ".join("%s %s" % (c.declaration(), c.options or "")
                                                    for c in table.columns)))
        report = "\n".join(lines)
        self.failures.append(report)
        print(report, flush=True)
        if self.args.report:
            os.makedirs(self.args.report, exist_ok=True)
            name = hashlib.sha1(signature.encode()).hexdigest()[:8]
            with open(os.path.join(self.args.report, "%s-%d.txt" % (name, self.signatures[signature])),
                      "w") as file:
                file.write(report + "\n")

    def finished(self, start):
        args = self.args
        if args.query is not None or args.world is not None:
            return False
        if args.seconds and time.monotonic() - start > args.seconds:
            return True
        if args.queries and self.counts["queries"] >= args.queries:
            return True
        return len(self.signatures) >= args.max_failures

    def loop(self):
        args, start = self.args, time.monotonic()
        world_number = args.world if args.world is not None else args.first_world
        while not self.finished(start):
            world = self.make_world(world_number)
            numbers = [args.query] if args.query is not None else range(args.per_world)
            for number in numbers:
                self.one(world, world_number, number)
                if self.finished(start):
                    break
            self.counts["worlds"] += 1
            if args.world is not None:
                break
            world_number += 1
            if args.progress and self.counts["worlds"] % 10 == 0:
                print("# %d queries, %d failures, %.0f s" % (
                    self.counts["queries"], self.counts["FAILURES"], time.monotonic() - start), flush=True)
        self.seconds = time.monotonic() - start


def signature_of(failure, query):
    """Failures of one cause look alike: by kind, and by the shape of the shrunk query."""
    text = query.sql(grammar.Out("s", "s"))
    shape = "".join("?" if part % 2 else piece for part, piece in enumerate(text.split("'")))
    for digit in "0123456789":
        shape = shape.replace(digit, "")
    return failure.kind[:60] + " " + shape


def shown(rows):
    items = list(rows.items()) if isinstance(rows, collections.Counter) else [(row, 1) for row in rows]
    text = "; ".join("%s%s" % (tuple(None if value is None else value.decode(errors="replace")
                                     for value in row), " x%d" % times if times > 1 else "")
                     for row, times in items[:12])
    return text + (" … (%d)" % len(items) if len(items) > 12 else "") if items else "nothing"


def arguments(words=None):
    parser = argparse.ArgumentParser(description="Differential fuzzer of mongo_tenant_fdw")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--queries", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--engine", help="connection string of a document server")
    parser.add_argument("--world", type=int, help="only this world of the seed")
    parser.add_argument("--query", type=int, help="only this query of that world")
    parser.add_argument("--first-world", type=int, default=0)
    parser.add_argument("--per-world", type=int, default=200)
    parser.add_argument("--max-failures", type=int, default=30, help="stop after so many different ones")
    parser.add_argument("--per-signature", type=int, default=1, help="print so many of one shape")
    parser.add_argument("--shrink-seconds", type=float, default=20)
    parser.add_argument("--report", help="directory for a file per failure")
    parser.add_argument("--coverage", help="file for what the queries were about (coverage.py); -: print it")
    parser.add_argument("--alone", action="store_true", help="nobody else uses the server: it may have no cursor left")
    parser.add_argument("--local-only", action="store_true", help="no foreign tables: tests the generator")
    parser.add_argument("--keep", action="store_true", help="leave the databases of the last world")
    parser.add_argument("--progress", action="store_true")
    args = parser.parse_args(words)
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(10**9)
    if not args.queries and not args.seconds:
        args.queries = 1000
    return args


def too_slow(counts):
    """More than one slow query in so many; a short run may have one."""
    return counts["slow"] > max(1, counts["queries"] * SLOW_QUERIES)


def fuzz(args, parameters, uri):
    """Run; returns the Fuzzer with its counts and failures."""
    print("# seed %d" % args.seed, flush=True)
    fuzzer = Fuzzer(args, parameters, uri)
    try:
        fuzzer.loop()
    finally:
        fuzzer.close()
    if too_slow(fuzzer.counts):
        fuzzer.counts["FAILURES"] += 1
        print("FAILURE %d slow ones in %d queries" % (fuzzer.counts["slow"], fuzzer.counts["queries"]), flush=True)
    print("# seed %d: %s" % (args.seed, ", ".join(
        "%d %s" % (number, name) for name, number in fuzzer.counts.items())), flush=True)
    print("# %.0f s, %.0f queries a minute" % (
        fuzzer.seconds, 60 * fuzzer.counts["queries"] / max(fuzzer.seconds, 0.001)))
    if args.coverage == "-":
        print("\n".join(fuzzer.coverage.lines()))
    elif args.coverage:
        with open(args.coverage, "w") as file:
            file.write(fuzzer.coverage.to_json())
    for text, times in fuzzer.kind_counts.most_common(20):
        print("#   invalid: %d x %s" % (times, text))
    for text, times in fuzzer.signatures.most_common():
        print("#   failed: %d x %s" % (times, text))
    return fuzzer


def main():
    args = arguments()
    with servers.by_hand(args.engine) as (parameters, uri):
        fuzzer = fuzz(args, parameters, uri)
    return 1 if fuzzer.counts["FAILURES"] else 0


if __name__ == "__main__":
    sys.exit(main())
