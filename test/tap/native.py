"""Filters that must be exact remotely decide most documents by the type of their values, and the others by an expression: of
whatever a column holds, the counts are those without pushdown."""

import os
import sys

import psycopg

import fixtures
import servers
from tap import World, diag, done, is_, ok

sys.path.insert(0, os.path.join(servers.ROOT, "test", "differential"))

import defects  # noqa: E402
import values  # noqa: E402

# Column → constants that lie between, on and beyond what documents hold.
CONSTANTS = {
    "i4 integer": ["0", "5", "-1", "2147483647", "-2147483648", "2147483648::bigint", "5.5", "5.0::float8", "'NaN'::float8"],
    "i8 bigint": ["0", "5", "9007199254740993", "9223372036854775807", "-9223372036854775808", "9223372036854775807.5"],
    "d date": ["'2020-01-01'::date", "'0001-01-01'::date", "'9999-12-31'::date", "'9999-12-30'::date", "'infinity'::date", "'-infinity'::date",
               "'2020-01-01 00:00:00.001'::timestamp"],
    "ts timestamp": ["'9999-12-31 23:59:59.999'::timestamp", "'9999-12-31 23:59:59.9995'::timestamp", "'2020-01-01'::timestamp", "'2020-01-01 00:00:00.0005'::timestamp", "'infinity'::timestamp", "'2020-01-01'::date"],
    "tz timestamptz": ["'2020-01-01Z'::timestamptz", "'1969-12-31 23:59:59.999Z'::timestamptz", "'-infinity'::timestamptz"],
    "t0 timestamp(0)": ["'2020-01-01'::timestamp"],
    "s text COLLATE \"C\"": ["''", "'a'", "'5'", "'%s'" % values.OID, "'$name'"],
    "v varchar(3) COLLATE \"C\"": ["'abc'", "'%s'" % ("x" * 300)],
    "o char(24) COLLATE \"C\"": ["'%s'" % values.OID],
}
FAR = ["'4713-01-01 BC'::date", "'10000-01-01'::date"]  # not all engines have these years
OPERATORS = ["=", "<>", "<", "<=", ">", ">="]
# Kinds of which a value's type decides; of text the equality only.
DECIDED = {"i4": OPERATORS, "i8": OPERATORS, "d": ["=", "<", "<=", ">", ">="], "ts": OPERATORS, "tz": OPERATORS, "s": ["="]}
LISTS = {"i4": ["i4 IN (0, 5, NULL)", "i4 <> ALL ('{5,7}')", "i4 >= ANY ('{42,100}')"], "i8": ["i8 NOT IN (5, 3)"],
         "s": ["s IN ('a', 'abc', '$name')"], "tz": ["tz = ANY ('{1970-01-01Z,2020-01-01Z}')"]}
TREES = ["i4 = 5 OR s = 'abc'", "i4 = 5 OR i4 IS NULL", "(i4 > 0 AND i4 < 40) OR d < '2000-01-01'", "i4 > 0 AND i8 > 0 AND d > '0001-01-01'"]
NATIVE = '"$not" : { "$type" : "array" } } }, { "$expr"'


def names():
    return [column.split()[0] for column in CONSTANTS]


def documents(tenant, extra):
    """Every hostile value in every column, and beside it what others compare with."""
    for number, value in enumerate(values.HOSTILE + extra):
        document = {"tenant_id": tenant, "id": number}
        for name in names() + ["n.m"]:
            if value is not values.MISSING and value is not values.UNDEFINED:
                document.setdefault("n", {})["m"] = value
                if name != "n.m":
                    document[name] = value
        yield document
    yield {"tenant_id": tenant, "id": -1, "n": [{"m": 5}, {"m": "x"}]}


def outcome(session, condition, parameters=None):
    try:
        return session.execute("SELECT count(*), sum(id) FROM t WHERE " + condition, parameters).fetchall()
    except psycopg.Error as error:
        return error.sqlstate


def plan(session, condition):
    return "\n".join(row[0] for row in session.execute("EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*), sum(id) FROM t WHERE " + condition))


def compare(on, off, conditions):
    different = [condition for condition in conditions if outcome(on, condition) != outcome(off, condition)]
    for condition in different[:5]:
        diag("%s: %r, expected %r\n%s" % (condition, outcome(on, condition), outcome(off, condition), plan(on, condition)))
    return different


with World() as world:
    # The other tenant's values under the same numbers all satisfy what is asked.
    for tenant, extra in (("UA", []), ("DL", [5, 5, "abc", values.DATES[3]])):
        fixtures.insert_taken(world.mongo.t, documents(tenant, extra))
    with world.admin() as admin:
        admin.execute("CREATE FOREIGN TABLE t (id integer, m integer OPTIONS (path 'n.m'), %s) SERVER mongo OPTIONS (collection 't',"
                      " on_mismatch 'null'); GRANT SELECT ON t TO mtf_app" % ", ".join(CONSTANTS))
    with world.connect("UA") as on, world.connect("UA", pushdown=False) as off:
        for session in (on, off):
            session.execute("SET timezone = 'UTC'; SET enable_hashagg = off; SET cpu_tuple_cost = 1")
        ok(outcome(off, "i4 = 5")[0][0] > 1 and outcome(off, "d > '2020-01-01'")[0][0] > 1, "some documents satisfy a condition")
        for column, constants in CONSTANTS.items():
            name = column.split()[0]
            if name == "d" and not defects.has_no_far_dates(world.mongo):
                constants += FAR
            conditions = ["%s %s %s" % (name, operator, constant) for operator in OPERATORS for constant in constants]
            is_(compare(on, off, conditions + LISTS.get(name, [])), [], "%s: %d conditions" % (column, len(conditions)))
            seen = [operator for operator in OPERATORS if NATIVE in plan(on, "%s %s %s" % (name, operator, constants[0]))]
            is_(seen, DECIDED.get(name, []), "%s: decided by the type" % column)
        is_(compare(on, off, TREES + ["m = 5", "m > 0", "m <> 5"]), [], "trees, and a path into documents")
        is_([NATIVE in plan(on, condition) for condition in TREES[:3]], [True, False, True], "a tree is decided where all of it is")
        ok(NATIVE not in plan(on, "m = 5"), "a path into documents is not: arrays of documents may lie on it")
        for kind, value in (("integer", "7"), ("integer", None), ("integer", "5")):
            query = "i4 <= %%s::%s" % kind
            is_(outcome(on, query, (value,)), outcome(off, query, (value,)), "i4 <= %s, a parameter" % value)
done()
