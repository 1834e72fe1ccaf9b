"""Numeric columns that a remote $group takes for Decimal128s that fit: the group shows whether they were, and whatever else
a column holds, the rows are those without pushdown."""

import os
import random

import psycopg
from bson import Decimal128, Int64

from seeds import seed
from tap import World, diag, done, is_, ok

COLUMNS = "id integer, g text, e numeric(15,2), d numeric(15,2), t numeric(6,3)"
OBJECTS = """
CREATE FOREIGN TABLE lenient (%s) SERVER mongo OPTIONS (collection 'sales', on_mismatch 'null');
CREATE FOREIGN TABLE strict (%s) SERVER mongo OPTIONS (collection 'sales');
CREATE FOREIGN TABLE promised (%s) SERVER mongo OPTIONS (collection 'sales', trust_types 'true');
GRANT SELECT ON lenient, strict, promised TO mtf_app;
""" % (COLUMNS, COLUMNS, COLUMNS)

QUERY = ("SELECT g, sum(e), sum(e * (1 - d)), sum(e * (1 - d) * (1 + t)), avg(d), count(e), count(d), count(*), min(e), max(t),"
         " sum(e * d * t) FILTER (WHERE d > 0.05) FROM %s GROUP BY g ORDER BY g")
GRAND = "SELECT sum(e * (1 - d) * (1 + t)), count(e * d * t), avg(e) FROM %s"


def decimal(*texts):
    return [{"e": Decimal128(text)} for text in texts]


# What is as believed: the group says so, and nothing else is read.
PROVEN = {"zeros": decimal("0", "-0.00", "0.0"), "whole numbers": decimal("17", "-4"), "an exponent": decimal("1E+3"),
          "the greatest": decimal("9999999999999.99", "-9999999999999.99"), "null": [{"e": None}], "missing": [{}],
          "nothing but nulls": [{"e": None, "d": None, "t": None, "g": "alone"}]}

# What is not, in many ways, of which some cancel out in a sum.
OTHERS = {"an integer": [{"e": 5}], "a long": [{"d": Int64(1)}], "a double": [{"t": 0.5}], "a double that is no decimal": [{"e": 0.1}],
          "a text": [{"e": "5"}], "a boolean": [{"d": True}], "a list": [{"e": [Decimal128("1.00")]}], "a document": [{"t": {"a": 1}}],
          "three decimals": decimal("1.005"), "a zero too many": decimal("1.500"), "fractions that cancel out": decimal("1.005", "-1.005"),
          "tiny fractions": decimal("1E-30", "-1E-30"), "one more digit": decimal("10000000000000.00"),
          "great ones that cancel out": decimal("1E+33", "-1E+33"), "a great one and a small one": decimal("1E+33", "0.01", "-1E+33"),
          "NaN": decimal("NaN"), "Infinity": decimal("Infinity"), "both infinities": decimal("Infinity", "-Infinity"),
          "too great to add": decimal("9.99E+6144", "9.99E+6144"), "a NaN of doubles": [{"d": float("nan")}],
          "one more digit below zero": decimal("-10000000000000.00"),
          "products too long": [{"e": Decimal128("9999999999999.99"), "d": Decimal128("-9999999999999.99"), "t": Decimal128("999.999")}]}


def pure(tenant, factor):
    for number in range(24):
        yield {"tenant_id": tenant, "id": number, "g": "abc"[number % 3], "e": Decimal128("%d.%02d" % (number * factor, number)),
               "d": Decimal128("0.%02d" % (number % 11)), "t": Decimal128("-0.%03d" % (number * 7 % 90))}


def outcome(world, session, query):
    try:
        return repr(world.rows(session, query))  # as text: a NaN is not equal to itself
    except psycopg.Error as error:
        return error.sqlstate


def dear(session):
    """To compute here is to look dear."""
    session.execute("SET jit = off; SET enable_hashagg = off; SET enable_sort = off; SET cpu_tuple_cost = 1; SET cpu_operator_cost = 1")


def computed_here(session, query):
    lines = [row[0] for row in session.execute("EXPLAIN (ANALYZE, COSTS OFF) " + query).fetchall()]
    nodes = [line for line in lines if "actual time" in line or "never executed" in line]
    ok("Foreign Scan" in next((node for node in nodes if "Sort" not in node), ""), "asked of the server") or diag("\n".join(lines))
    return not any("never executed" in line for line in lines)


def compare(world, off, name, tables):
    """In sessions that have learned nothing yet, one for each table."""
    for table in tables:
        with world.connect("UA") as on:
            dear(on)
            for query in (QUERY % table, GRAND % table):
                is_(outcome(world, on, query), outcome(world, off, query), "%s, %s: %s" % (name, table, query[:14]))
            is_(outcome(world, on, query), outcome(world, off, query), "%s, %s: again" % (name, table))


def random_documents(rng, columns):
    """Values that fit, of any sign, size and scale, some not there."""
    for number in range(rng.choice((1, 7, 60))):
        document = {"tenant_id": "UA", "id": number, "g": rng.choice("ab")}
        for name, (precision, scale) in columns.items():
            digits = rng.randint(1, precision if rng.random() < 0.1 else min(precision, scale + 3))
            exponent = -rng.randint(0, scale) if digits <= precision - scale else -scale
            roll = rng.random()
            if roll < 0.9:
                document[name] = Decimal128("%s%dE%d" % (rng.choice(("", "-")), rng.randrange(10**digits), exponent))
            elif roll < 0.95:
                document[name] = None
        yield document


def random_term(rng, names, depth=2):
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(names * 2 + ["1", "0.5", "3"]) if depth < 2 else rng.choice(names)
    form = rng.choice(("(%s * %s)",) * 8 + ("(%s + %s)", "(%s - %s)") * 3 + ("coalesce(%s, %s)", "(CASE WHEN id > 3 THEN %s ELSE %s END)"))
    return form % (random_term(rng, names, depth - 1), random_term(rng, names, depth - 1))


def random_query(rng, names):
    def aggregate():
        one = "%s(%s)" % (rng.choice(("sum",) * 6 + ("avg",) * 4 + ("count", "stddev")), random_term(rng, names))
        return one + (" FILTER (WHERE %s > 0)" % rng.choice(names) if rng.random() < 0.2 else "")
    grouped = rng.choice((["g"], ["g"], [rng.choice(names)], []))
    query = "SELECT %s FROM t" % ", ".join(grouped + [aggregate() for _ in range(rng.randint(1, 4))])
    return query + (" GROUP BY %s ORDER BY 1" % grouped[0] if grouped else "")


def compare_random(world, off, number, rounds, queries):
    """Columns of which all values are as believed: most aggregates are the server's, and all are PostgreSQL's."""
    rng = random.Random(number)
    kinds = {"plain": "", "trusted": ", trust_types 'true'"}
    remote = wrong = 0
    for round_ in range(rounds):
        columns = {"c%d" % number: rng.choice(((15, 2), (12, 2), (12, 2), (6, 3), (15, 0), (10, 4))) for number in range(4)}
        world.mongo.t.drop()
        world.mongo.t.insert_many(random_documents(rng, columns))
        declared = ", ".join("%s numeric(%d,%d)" % (name, *digits) for name, digits in columns.items())
        with world.admin() as admin:
            admin.execute("DROP FOREIGN TABLE IF EXISTS t; CREATE FOREIGN TABLE t (id integer, g text, %s) SERVER mongo"
                          " OPTIONS (collection 't'%s); GRANT SELECT ON t TO mtf_app" % (declared, rng.choice(list(kinds.values()))))
        with world.connect("UA") as on:
            dear(on)
            for _ in range(queries):
                query = random_query(rng, list(columns))
                got, expected = outcome(world, on, query), outcome(world, off, query)
                if got != expected:
                    wrong += 1
                    diag("round %d: %s\n%s\n%s" % (round_, query, got[:500], expected[:500]))
                lines = "\n".join(row[0] for row in on.execute("EXPLAIN (ANALYZE, COSTS OFF) " + query).fetchall())
                remote += "never executed" in lines
    is_(wrong, 0, "random aggregates of random decimals (MTF_BELIEVED_SEED=%d): the same rows" % number)
    ok(remote > rounds * queries / 5, "random aggregates: %d of %d doubtful ones are the server's" % (remote, rounds * queries))


with World() as world:
    world.mongo.sales.insert_many(pure("UA", 3))
    # The other tenant has everything that is not believed, under the same numbers.
    world.mongo.sales.insert_many([{"tenant_id": "DL", "id": number, "g": "abc"[number % 3], **values}
                                   for number, values in enumerate(one for group in OTHERS.values() for one in group)])
    with world.admin() as admin:
        admin.execute(OBJECTS)
    for table in ("lenient", "strict", "promised"):
        with world.connect("UA") as on:
            dear(on)
            ok(not computed_here(on, QUERY % table), table + ": one command, whatever the other tenant has")
            is_(world.value(on, "SELECT sum(c) FROM (SELECT count(*) c, sum(e * d * t) FROM %s GROUP BY g) x" % table), 24,
                table + ": its own documents")
    with world.connect("UA", pushdown=False) as off:
        compare(world, off, "pure", ("lenient", "strict", "promised"))
        for name, documents in {**PROVEN, **OTHERS}.items():
            ids = world.mongo.sales.insert_many([{"tenant_id": "UA", "id": 99, "g": "b", "d": Decimal128("0.5"),
                                                  "t": Decimal128("0.1"), **one} for one in documents]).inserted_ids
            compare(world, off, name, ("lenient", "strict"))
            with world.connect("UA") as on:
                dear(on)
                is_(computed_here(on, GRAND % "lenient"), name in OTHERS, name + ": computed here only where it has to be")
            world.mongo.sales.delete_many({"_id": {"$in": ids}})
        compare_random(world, off, seed(10, "MTF_BELIEVED_SEED"),
                       int(os.environ.get("MTF_BELIEVED_ROUNDS", 4)), 10)
    # What was inexact is not asked for again for a while, by who has learned it; and not for another aggregate.
    world.mongo.sales.insert_one({"tenant_id": "UA", "id": 99, "g": "b", "e": 7, "d": Decimal128("0.5"), "t": Decimal128("0.1")})
    with world.connect("UA") as on:
        dear(on)
        world.rows(on, GRAND % "strict")
        lines = "\n".join(row[0] for row in on.execute("EXPLAIN (ANALYZE, COSTS OFF) " + GRAND % "strict").fetchall())
        is_((lines.count("Commands: "), lines.count("Commands: 0")), (2, 1), "learned: one command, for the documents") or diag(lines)
        with world.connect("UA") as other:
            dear(other)
            lines = "\n".join(row[0] for row in other.execute("EXPLAIN (ANALYZE, COSTS OFF) " + GRAND % "strict").fetchall())
            is_((lines.count("Commands: "), lines.count("Commands: 0")), (2, 0), "another session asks first") or diag(lines)
done()
