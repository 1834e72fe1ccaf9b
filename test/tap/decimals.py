"""Decimals below a remote $group: columns that are used untested while the group is tested; where they are tested, guards
that look at a number's text, and sums bounded by the longest one."""

import psycopg
from bson import Decimal128, Int64

from tap import World, done, is_, ok, throws

COLUMNS = "id integer, g integer, n numeric(9,2), m numeric(3,2), one numeric(2,1), w numeric(12,2), x numeric(15,6)"
OBJECTS = """
CREATE FOREIGN TABLE decimals (%s) SERVER mongo OPTIONS (on_mismatch 'null');
CREATE FOREIGN TABLE strict (%s) SERVER mongo OPTIONS (collection 'decimals');
GRANT SELECT ON decimals, strict TO mtf_app;
""" % (COLUMNS, COLUMNS)

# Texts of few characters that fit, that do not, and others; each stands once in a group of its own.
TEXTS = ["0", "5", "17", "-5", "99", "-99", "100", "1.5", "-1.5", "1.50", "1.500", "1.505", "9.99", "9.995", "0.04",
         "-0.00", "10.0", "99.99", "100.25", "1E+1", "1E+2", "1.5E+1", "1.5E+3", "1E+6", "1E+7", "1E-1", "1E-7", "12E-1",
         "9999999.99", "-9999999.99", "99999999.9", "12345678.25", "1234567.25", "-1234567.25", "NaN", "Infinity",
         "-Infinity", "0E+5", "0E-9"]
OTHERS = [5, Int64(7), 1.5, 0.1, 1e300, float("nan"), "5", None, [Decimal128("1")], {"a": 1}, True]


def documents(tenant, factor):
    values = [Decimal128(text) for text in TEXTS] + OTHERS
    for number, value in enumerate(values):
        yield {"tenant_id": tenant, "id": number, "g": number * factor, "n": value, "m": value, "one": value,
               "w": Decimal128("1.25"), "x": Decimal128("2.500000")}
    # Products of more digits than a Decimal128 has, and ones that differ by less than rounding.
    for number, (w, x) in enumerate((("9999999999.99", "999999999.999999"), ("-9999999999.99", "999999999.999999"),
                                     ("9999999999.98", "999999999.999997"), ("0.01", "0.000001"))):
        yield {"tenant_id": tenant, "id": 1000 + number, "g": 1000 * factor, "w": Decimal128(w), "x": Decimal128(x)}


# Where a misfit is an error: sums of what fits, of groups without misfits, of nulls and of nothing.
STRICT = {
    "sums": "SELECT g, sum(n), count(n), avg(m), sum(one), min(n), max(m), count(*) FROM strict WHERE %s GROUP BY g ORDER BY g",
    "products": "SELECT g, sum(n * w), avg(n * w * w), sum(m * (1 - w) * x), count(one * x) FROM strict WHERE %s "
                "GROUP BY g ORDER BY g",
    # With an integer among them columns are tested one by one.
    "tested": "SELECT g, sum(n * w), avg(n * w * w * id), sum(m * (1 - w) * x * id), count(one * x) FROM strict WHERE %s "
              "GROUP BY g ORDER BY g",
    "keys": "SELECT n, sum(m * w * x), sum(n), count(w) FROM strict WHERE %s GROUP BY n ORDER BY n",
    "all": "SELECT sum(n), sum(n * w), avg(m * w * x), stddev(n * w), sum(one) FILTER (WHERE m > 1) FROM strict WHERE %s",
    "HAVING": "SELECT g, sum(n * w) FROM strict WHERE %s GROUP BY g HAVING sum(n) > 0 AND count(m) > 0 ORDER BY 2, 1 LIMIT 5"}


QUERIES = {
    "a constant": "SELECT sum(w * w * x * 123456.78), sum(w * w * x + 1E+9), sum(coalesce(n, x) * w * x * w) FROM decimals",
    "sums and counts of each": "SELECT g, %s FROM decimals GROUP BY g ORDER BY g" % ", ".join(
        "sum(%s), count(%s), avg(%s)" % (c, c, c) for c in ("n", "m", "one")),
    "extremes of each": "SELECT g, min(n), max(n), min(m), max(m), min(one), max(one) FROM decimals GROUP BY g ORDER BY g",
    "products": "SELECT g, sum(n * w), sum(n * w * w), avg(n * w), sum(m * (1 - w) * x) FROM decimals GROUP BY g ORDER BY g",
    "tested products": "SELECT g, sum(n * w), sum(n * w * w * id), sum(m * (1 - w) * x * id) FROM decimals GROUP BY g ORDER BY g",
    "tested too many digits": "SELECT sum(w * x * x * id), sum(w * x * x * x * id), avg(w * x * x * id) FROM decimals",
    "a choice": "SELECT g, sum(CASE WHEN n > 1 THEN n * w * x * x ELSE 0 END), sum(n * w) FROM decimals GROUP BY g ORDER BY g",
    "scales of what is added": "SELECT g, sum(CASE WHEN id < 1002 THEN w ELSE n * n END), avg(coalesce(CASE WHEN id < 1002 THEN w END, n * n)) "
                               "FROM decimals GROUP BY g ORDER BY g",
    "squares of many digits": "SELECT stddev(w * x * w * x), var_pop(w * x * w * x) FROM decimals",
    "too many digits": "SELECT sum(w * x * x), sum(w * x * x * x), avg(w * x * x) FROM decimals",
    "a difference of rounded products": "SELECT sum(w * x * x - w * x * x), sum(w * x * x * 0.01) FROM decimals",
    "with FILTER": "SELECT sum(w * x * x) FILTER (WHERE id < 100), sum(w * x * x) FROM decimals"}


def plan(session, query):
    return "\n".join(row[0] for row in session.execute("EXPLAIN (VERBOSE, COSTS OFF) " + query).fetchall())


def outcome(world, session, query):
    """The rows as text, or the error's state."""
    try:
        return repr(world.rows(session, query))
    except psycopg.Error as error:
        return error.sqlstate


def dear(session):
    """Groups of one document are dear to compute there: they are to be, all the same."""
    session.execute("SET jit = off; SET enable_hashagg = off; SET enable_sort = off; SET cpu_tuple_cost = 1")


def fresh(world, tenant, query):
    """The outcome in a session that has not learned yet that the server's numbers are not exact."""
    with world.connect(tenant) as session:
        dear(session)
        return outcome(world, session, query)


MISFITS = ("22018", "22003")  # of another type, or too large for it


def check_strict(world, on, off, tenant):
    numbers = list(range(len(TEXTS) + len(OTHERS))) + list(range(1000, 1004))
    fitting = [i for i in numbers
               if outcome(world, on, "SELECT n, m, one FROM strict WHERE id = %d" % i) not in MISFITS]
    ok(15 < len(fitting) < len(numbers) - 15, "%s: %d of %d documents fit" % (tenant, len(fitting), len(numbers)))
    ok('"$group"' in plan(on, STRICT["products"] % "true"), tenant + ": remotely")
    for name, query in STRICT.items():
        kept = query % ("id IN (%s)" % ", ".join(map(str, fitting)))
        rows = outcome(world, on, kept)
        # Without pushdown every document is read: where misfits are null, that is no error.
        is_(rows, outcome(world, off, kept.replace("strict", "decimals")), "%s: %s of what fits" % (tenant, name))
        ok("Decimal" in rows, "%s: %s has rows" % (tenant, name))
        is_(outcome(world, on, query % "id < 0"), outcome(world, off, (query % "id < 0").replace("strict", "decimals")),
            "%s: %s of nothing" % (tenant, name))
        ok(outcome(world, on, query % "true") in MISFITS, "%s: %s of everything" % (tenant, name))
    silent = [(i, name) for i in numbers if i not in fitting for name in ("sums", "products", "tested", "all")
              if fresh(world, tenant, STRICT[name] % ("id IN (%d, 1003)" % i)) not in MISFITS]
    is_(silent, [], tenant + ": each misfit is an error, whatever it is summed with")


with World() as world:
    world.mongo.decimals.insert_many(list(documents("UA", 1)) + list(documents("DL", 7)))
    with world.admin() as admin:
        admin.execute(OBJECTS)
    for tenant in ("UA", "DL"):
        with world.connect(tenant) as on, world.connect(tenant, pushdown=False) as off:
            dear(on)
            for name, query in QUERIES.items():
                # As text: a NaN is not equal to itself.
                is_(repr(world.rows(on, query)), repr(world.rows(off, query)), "%s: %s" % (tenant, name))
            check_strict(world, on, off, tenant)
    with world.connect("UA") as ua:
        dear(ua)
        for table in ("decimals", "strict"):
            sent = plan(ua, "SELECT g, sum(n * w * w), avg(n * w * w) FROM %s GROUP BY g" % table)
            ok('"$group"' in sent and '"$strLenBytes"' not in sent.split('"$n"', 1)[1], table + ": used untested")
        sent = plan(ua, "SELECT g, sum(n * w * w * id), avg(n * w * w * id) FROM decimals GROUP BY g")
        ok('"$strLenBytes"' in sent and '"$group"' in sent, "a guard looks at the text, remotely")
        is_([sent.split('"$group"')[0].count(word) for word in ('"$addFields"', '"$multiply"')], [1, 0],
            "one stage tests columns for all their uses; products are made where they are summed")
        ok(sent.count('"$concat"') == 1 and '"$min" : "$v' not in sent, "one accumulator bounds the sum")
        strict = plan(ua, "SELECT g, sum(n * w * w * id) FROM strict GROUP BY g")
        ok('"$addFields"' not in strict and '"$group"' in strict, "where misfits are errors, no stage tests few columns")
        strict = plan(ua, STRICT["tested"] % "true")
        is_(strict.count('"$addFields"'), 1, "many uses have a stage")
        sent = plan(ua, "SELECT g, sum(x * w * w * id) FROM decimals GROUP BY g")
        is_([column for column in ("w", "x") if '{ "$toString" : "$%s" }' % column in sent], ["w"],
            "six decimals: by arithmetic")
        sent = plan(ua, "SELECT g, sum(w * x * x * id - w * x) FROM decimals GROUP BY g")
        ok('"$group"' in sent and sent.count('"$concat"') == 1,
           "a difference of products, remotely: bounded by the texts of their columns")
        sent = plan(ua, "SELECT g, sum(coalesce(n, w) * w * id) FROM decimals GROUP BY g")
        ok('"$group"' in sent and sent.count('"$concat"') == 1, "coalesce and constants as well")
        for tenant in ("UA", "DL"):
            with world.connect(tenant) as one:
                is_(world.value(one, "SELECT count(*) FROM decimals WHERE w > 0 AND id >= 1000"), 3, tenant + ": its own")
        # 1.505, one of its own document
        throws("22018", lambda: world.value(ua, "SELECT sum(m) FROM strict WHERE id = 11"), "what does not fit raises")
        is_(str(world.value(ua, "SELECT sum(m) FROM strict WHERE id = 10")), "1.50", "what fits does not")
done()
