"""Random expressions of times and texts, wherever an expression can stand: the same rows with and without pushdown.

MTF_SEED is another seed than this test's own ("random": a new one), MTF_ROUNDS is the number of tables (12 queries each).
"""

import os
import random

import psycopg
from bson import Decimal128, ObjectId
from bson.datetime_ms import DatetimeMS
from psycopg.types.string import TextLoader

from seeds import seed
from tap import World, diag, done, is_, ok

ROUNDS = int(os.environ.get("MTF_ROUNDS", 12))
QUERIES = 12
SEED = seed(22)
RANDOM = random.Random(SEED)
pick, roll = RANDOM.choice, RANDOM.random

# --- documents ---

DAY = 86400000
COLUMNS = {"d0": "date", "d1": "date", "s0": "timestamp", "s1": "timestamp", "z0": "timestamptz", "z1": "timestamptz",
           "t0": "text", "t1": "text", "v0": "varchar(5)", "i0": "integer"}
# Ends of days, months, leap years and of what Python's servers hold; then beyond them, before Christ too.
MOMENTS = (0, -1, 1, DAY - 1, DAY, -DAY, 1706659200000, 1706745599999, 951782400000, 951868799999, 1709164800000, 1582934400001, 978307200000,
           -62135510400000, 253402300799999, -2208988800000, 1719792000000, 1735689599999)
FAR = (-62135596800001, 253402300800000, -62167219200000, -62198755200000, -210863000000000 + 10**10, 10**15)
TEXTS = ("", "a", "A", "b", "B", "ab", "abc", "aBc", "\u00e9", "e\u0301", "\u00c9", "stra\u00dfe", "\u0130", "\u0131", "\u017f", "\u212a", "K", "k", "a.b",
         "$x", "$$x", "a\nb", "%", "_", "a%", "a_b", "\\", "a\\b", "5", "-5", " a", "a ", "  ", "x" * 300, "\U0001f600", "a\U0001f600b", "\uffff", "true",
         "abcabc", "cab", "2024-01-31", "'", "a*b", "^a", "a$", "[a]", "\t")
WHOLE = (0, 1, 2, 3, 5, -1, 7, 2**31 - 1, -2**31)
HOSTILE = ("5", 5, 0.5, True, [DatetimeMS(0)], ["a"], {"a": 1}, float("nan"), ObjectId("0" * 24), Decimal128("1"), "a\0b")
OPTIONS = ("", "", ", on_mismatch 'null'", ", on_mismatch 'null'", ", trust_types 'true'")


def moment(far):
    if far and roll() < 0.1:
        return DatetimeMS(pick(FAR))
    return DatetimeMS(pick(MOMENTS) if roll() < 0.6 else RANDOM.randrange(1577836800000, 1609459200000) // pick((1, 1000, 60000, DAY)))


def value(name, far):
    if name[0] in "dsz":
        return moment(far)
    return pick(WHOLE) if name[0] == "i" else pick([text for text in TEXTS if name[0] == "t" or len(text) <= 5])


def documents(hostile, missing, far):
    for number in range(pick((1, 7, 50))):
        document = {"tenant_id": "UA", "id": number, "g": pick("ab")}
        for name in COLUMNS:
            if roll() < 0.88:
                document[name] = pick(HOSTILE) if roll() < hostile else value(name, far)
            elif roll() < 0.5 or not missing:
                document[name] = None
        yield document


# --- expressions ---

UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
FIELDS = ("year", "month", "day", "quarter", "week", "dow", "isodow", "doy", "isoyear", "century", "decade", "hour", "minute", "second", "epoch", "milliseconds")
DATE_FIELDS = 11
INTERVALS = ("1 day", "1 month", "36 hours", "-1 day", "1 microsecond", "0.5 seconds", "1 year 2 mons 3 days")
TEXT_FORMS = ("lower({0})", "upper({0})", "left({0}, {1})", "right({0}, {1})", "substr({0}, {1})", "substring({0} from {1} for 2)", "trim({0})", "ltrim({0})",
              "rtrim({0})", "btrim({0}, 'a')", "replace({0}, 'a', 'bb')", "reverse({0})", "{0} || 'x'", "'a' || {0}", "coalesce({0}, 'zz')", "concat({0}, 'q')",
              "({0})::varchar(3)", "CASE WHEN i0 > 1 THEN {0} END", "initcap({0})", "nullif({0}, 'a')", "md5({0})", "lpad({0}, 4, '*')", "split_part({0}, 'b', 1)")


def timestamp(depth=2):
    if depth == 0 or roll() < 0.35:
        return pick(("s0", "s1", "s0", "s1", "d0::timestamp", "z0 AT TIME ZONE 'UTC'"))
    one, other = timestamp(depth - 1), timestamp(depth - 1)
    return pick(("date_trunc('%s', %s)" % (pick(UNITS), one), "%s + interval '%s'" % (one, pick(INTERVALS)), "(%s)::date::timestamp" % one,
                 "coalesce(%s, %s)" % (one, other), "CASE WHEN i0 > 2 THEN %s ELSE %s END" % (one, other), "greatest(%s, %s)" % (one, other)))


def date(depth=2):
    if depth == 0 or roll() < 0.4:
        return pick(("d0", "d1"))
    one = date(depth - 1)
    return pick(("%s + %d" % (one, RANDOM.randint(-400, 400)), "(%s)::date" % timestamp(depth - 1), "coalesce(%s, %s)" % (one, date(depth - 1)),
                 "date_trunc('%s', %s)::date" % (pick(UNITS[3:]), timestamp(depth - 1)), "CASE WHEN id > 3 THEN %s END" % one))


def timestamptz(depth=2):
    return pick(("z0", "z1", "z0", "date_trunc('%s', z0)" % pick(UNITS), "z0 + interval '1 hour'", "date_trunc('%s', z1, 'UTC')" % pick(UNITS),
                 "s0 AT TIME ZONE 'UTC'", "s0::timestamptz", "d0::timestamptz"))


def text(depth=2):
    if depth == 0 or roll() < 0.35:
        return pick(("t0", "t1", "v0", "t0", "g"))
    return pick(TEXT_FORMS).format(text(depth - 1), RANDOM.randint(-3, 5))


def number():
    return pick(("extract(%s from %s)" % (pick(FIELDS), timestamp(1)), "date_part('%s', %s)" % (pick(FIELDS), timestamp(1)),
                 "extract(%s from %s)" % (pick(FIELDS[:DATE_FIELDS]), date(1)), "extract(year from %s)::int" % timestamp(1), "(%s - %s)" % (date(1), date(1)),
                 "length(%s)" % text(1), "octet_length(%s)" % text(1), "position('a' in %s)" % text(1), "ascii(%s)" % text(1), "i0"))


def scalar():
    return pick((timestamp, date, timestamptz, text, text, number, number))()


# --- conditions ---

OPERATORS = ("<", "<=", "=", "<>", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")
CONSTANTS = ("2020-02-29", "2024-01-31", "1970-01-01", "0002-02-02", "9999-12-31", "2020-06-15 12:34:56.789", "2020-06-15 12:34:56.789123",
             "1999-12-31 23:59:59.999999", "infinity", "-infinity", "2000-01-01", "2020-01-01", "2021-01-01")
PATTERNS = {"LIKE": ("a%", "%a", "%b%", "_", "a_%", "%", "a\\%", "\\\\%", "%.%", "", "A%", "__", "%\u00e9"), "NOT LIKE": ("a%", "%a", "%b%"),
            "ILIKE": ("a%", "%A", "K", "%\u00c9%", "ss", "%i%", "%S%", "\u0130", "stra%"), "~": ("^a", "b$", "a.c", "^$", "[ab]", "^abc$", "a|b", "\\.", "^\\$"),
            "~*": ("^A", "K", "i", "s"), "^@": ("a", "", "$", "A"), "SIMILAR TO": ("(a|b)%",)}


def quoted(string):
    return "'" + string.replace("'", "''") + "'"


def text_condition():
    one, operator = text(), pick(list(PATTERNS))
    return pick(("%s %s %s" % (one, pick(OPERATORS), quoted(pick(TEXTS))), "%s %s %s" % (one, pick(OPERATORS), text(1)),
                 "%s %s %s" % (one, operator, quoted(pick(PATTERNS[operator]))), "%s %s %s" % (one, operator, quoted(pick(PATTERNS[operator]))),
                 "%s IN (%s)" % (one, ", ".join(quoted(pick(TEXTS)) for _ in range(3))), "%s BETWEEN 'a' AND 'c'" % one, "%s IS NULL" % one,
                 "%s = ANY (ARRAY['a', 'b', NULL])" % one))


def time_condition():
    name, make = pick((("date", date), ("timestamp", timestamp), ("timestamptz", timestamptz)))
    one, constants = make(), ["%s '%s'" % (name, pick(CONSTANTS)) for _ in range(3)]
    other = pick((constants[0], make(1)))
    return pick(("%s %s %s" % (one, pick(OPERATORS), other), "%s BETWEEN %s AND %s" % (one, *constants[1:]), "%s IS NULL" % one,
                 "%s IN (%s, %s)" % (one, *constants[1:]), "%s > %s - interval '%s'" % (one, other, pick(("1 month", "1 day", "90 minutes")))))


def number_condition():
    return "%s %s %s" % (number(), pick(OPERATORS), pick(("0", "1", "5", "12", "2020", "2020.5", "-1", number())))


def condition(depth=1):
    if depth and roll() < 0.25:
        return pick(("(%s AND %s)", "(%s OR %s)", "NOT (%s OR %s)")) % (condition(0), condition(0))
    return pick((text_condition, time_condition, number_condition))()


# --- queries ---

JOINS = ("x.s0 = y.s1", "x.d0 = y.d1", "x.t0 = y.t1", "x.d0 = y.s0", "x.d0 = y.s0::date", "date_trunc('month', x.s0) = y.s0", "x.z0 = y.z1",
         "lower(x.t0) = lower(y.t1)", "x.v0 = y.t0", "x.s0 < y.s1 AND x.g = y.g", "x.id = extract(month from y.s0)", "x.d0 = y.z0 AT TIME ZONE 'UTC'")


def aggregate():
    one = pick(("min(%s)", "max(%s)", "count(%s)", "count(DISTINCT %s)")) % scalar()
    return one + (" FILTER (WHERE %s)" % condition(0) if roll() < 0.25 else "")


def query():
    where = " WHERE " + condition() if roll() < 0.7 else ""
    return pick((
        "SELECT id FROM t%s ORDER BY id" % where, "SELECT id FROM t%s ORDER BY id" % where, "SELECT DISTINCT %s FROM t%s ORDER BY 1" % (scalar(), where),
        "SELECT id, %s FROM t%s ORDER BY 2%s, 1%s" % (pick((timestamp, date, number))(), where, pick(("", " DESC", " NULLS FIRST")), pick(("", " LIMIT 4"))),
        "SELECT %s, %s, %s FROM t%s GROUP BY 1 ORDER BY 1" % (scalar(), aggregate(), aggregate(), where),
        "SELECT %s, %s, count(*) FROM t%s" % (aggregate(), aggregate(), where),
        "SELECT g, %s FROM t%s GROUP BY g HAVING count(*) > %d ORDER BY 1" % (aggregate(), where, pick((1, 3))),
        "SELECT x.id, y.id FROM t x JOIN t y ON %s WHERE x.id < 8 ORDER BY 1, 2" % pick(JOINS)))


def outcome(world, session, statement):
    try:
        return repr(world.rows(session, statement))
    except psycopg.Error as error:
        return error.sqlstate


def begin(session, zone):
    """Times as texts: Python has not all of them.  And to compute here is to look dear."""
    for name in ("date", "timestamp", "timestamptz"):
        session.adapters.register_loader(name, TextLoader)
    session.execute("SET TimeZone = '%s'; SET jit = off; SET enable_hashagg = off; SET enable_sort = off; SET cpu_tuple_cost = 1; SET cpu_operator_cost = 1" % zone)


def is_remote(session, statement):
    lines = session.execute("EXPLAIN (VERBOSE, COSTS OFF) " + statement).fetchall()
    return any(word in line[0] for line in lines for word in ('"$group"', '"$expr"', '"$sort"', '"$lookup"', "Remote Exact", "Remote Superset"))


def holds_far_times(world):
    try:
        world.mongo.t.insert_one({"d": DatetimeMS(FAR[1])})
        return True
    except Exception:  # what the driver raises differs
        return False


def create(world, far):
    option, collation = pick(OPTIONS), pick(("", ' COLLATE "C"', ' COLLATE "C"'))
    world.mongo.t.drop()
    world.mongo.t.insert_many(documents(pick((0, 0.03)) if "null" in option else 0, "trust" not in option, far))
    # The other tenant has everything under the same numbers.
    world.mongo.t.insert_many([{"tenant_id": "DL", "id": number, "g": "a", **dict.fromkeys(COLUMNS, one)} for number, one in enumerate(HOSTILE)])
    declared = ", ".join("%s %s%s" % (name, type_, collation if name[0] in "tv" else "") for name, type_ in COLUMNS.items())
    with world.admin() as admin:
        admin.execute("DROP FOREIGN TABLE IF EXISTS t; CREATE FOREIGN TABLE t (id integer, g text, %s) SERVER mongo OPTIONS (collection 't'%s);"
                      " GRANT SELECT ON t TO mtf_app" % (declared, option))
    return collation + option


with World() as world:
    wrong = remote = 0
    far = holds_far_times(world)
    for round_ in range(ROUNDS):
        table = create(world, far)
        zone = pick(("UTC", "UTC", "Europe/Berlin", "Asia/Kolkata"))
        with world.connect("UA") as on, world.connect("UA", pushdown=False) as off:
            begin(on, zone)
            begin(off, zone)
            for _ in range(QUERIES):
                statement = query()
                got, expected = outcome(world, on, statement), outcome(world, off, statement)
                remote += is_remote(on, statement)
                if got != expected:
                    wrong += 1
                    diag("round %d, %s%s: %s\n%s\n%s" % (round_, zone, table, statement, got[:500], expected[:500]))
    is_(wrong, 0, "random times and texts (MTF_SEED=%d): the same rows" % SEED)
    ok(remote > ROUNDS * QUERIES / 5, "random times and texts: much of it is the server's") or diag("%d queries" % remote)
done()
