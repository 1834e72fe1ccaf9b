"""Never wrong by accident: names like ours, dots and dollars, many columns, deep nesting, long lists, 16 MB.

Each query gives the same rows with pushdown, without it and from a local copy; what is too much for a server
stays here, or is a clear error after which the session goes on.
"""
from tap import World, done, is_, ok, throws

# Fields that our pipelines make, and PostgreSQL names of the same.
OURS = ("k0", "k1", "v0", "v1", "n0", "n1", "m0", "a0", "s0", "c0", "r0", "r1", "j0", "j1", "d0", "x0", "rank", "root",
        "_id0", "count", "total")
TENANTS = ("UA", "DL")


class Pair:
    """A foreign table and its local copy, in sessions with pushdown and without."""

    def __init__(self, world):
        self.world = world
        self.on, self.off, self.admin = world.connect("UA"), world.connect("UA", pushdown=False), world.admin()
        # Small tables: make the planner group and join remotely all the same.
        self.on.execute("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_nestloop = off; "
                        "SET enable_hashagg = off; SET enable_sort = off; SET statement_timeout = '60s'")

    def make(self, name, columns, documents):
        """`documents` are UA's; DL has the same ones with other values, so that a row too many is seen."""
        self.world.mongo[name].insert_many([{"tenant_id": "UA", **d} for d in documents] +
                                           [{"tenant_id": "DL", **d} for d in documents])
        self.admin.execute("CREATE FOREIGN TABLE %s (%s) SERVER mongo; GRANT SELECT ON %s TO mtf_app" % (
            name, columns, name))
        with self.world.connect("UA", role="postgres", pushdown=False) as session:
            session.execute("CREATE TABLE local_%s AS SELECT * FROM %s" % (name, name))
        self.admin.execute("GRANT SELECT ON local_%s TO mtf_app" % name)

    def agree(self, name, query, *parameters, local=None):
        """{t}: the table, {u}: it again."""
        text = query.format(t=name)
        expected = self.world.rows(self.off, query.format(t=local or "local_" + name), *parameters)
        ok(expected, "%s: there are rows" % text[:90])
        for session, how in ((self.on, "pushdown"), (self.off, "without")):
            try:
                got = self.world.rows(session, text, *parameters)
            except Exception as error:
                got = error
            is_(got, expected, "%s: %s" % (how, text[:90]))

    def plan(self, query, *parameters):
        return "\n".join(self.world.column(self.on, "EXPLAIN (VERBOSE, COSTS OFF) " + query, *parameters))


def names_like_ours(pair):
    documents = [{"id": number, **{name: (number + place) % 3 for place, name in enumerate(OURS)},
                  "r0.r1": 7, "sub": {name: (number * place) % 4 for place, name in enumerate(OURS)}}
                 for number in range(6)]
    columns = ", ".join(["id integer"] + ['"%s" integer' % name for name in OURS] +
                        ['"sub_%s" integer OPTIONS (path \'sub.%s\')' % (name, name) for name in OURS])
    pair.make("ours", columns, documents)
    pair.agree("ours", "SELECT * FROM {t} ORDER BY id")
    for one, two in zip(OURS, OURS[1:] + OURS[:1]):
        pair.agree("ours", 'SELECT "%s", "sub_%s", sum("%s"), max("sub_%s"), count(DISTINCT "%s") FROM {t} '
                   'WHERE "%s" < 2 GROUP BY 1, 2 ORDER BY 1, 2' % (one, two, two, one, one, one))
        pair.agree("ours", 'SELECT a.id, a."%s", b."%s", b."sub_%s" FROM {t} a LEFT JOIN {t} b ON a."%s" = b."sub_%s" '
                   "ORDER BY a.id, b.id" % (one, one, two, one, two))
    pair.agree("ours", "SELECT a.r0, count(*), sum(b.r1), min(a.j1) FROM {t} a JOIN {t} b ON a.r1 = b.j1 GROUP BY 1 ORDER BY 1")
    pair.agree("ours", "SELECT DISTINCT k0, v0, n0 FROM {t} ORDER BY 1, 2, 3 LIMIT 5")
    pair.agree("ours", "SELECT id FROM {t} ORDER BY rank DESC NULLS LAST, root NULLS LAST, id LIMIT 4 OFFSET 1")
    pair.agree("ours", "SELECT k0 FROM {t} GROUP BY k0 HAVING sum(a0) > 0 AND max(a0) > 0 AND count(c0) > 0 ORDER BY 1")
    plan = pair.plan("SELECT k0, sum(r0) FROM ours GROUP BY k0")
    ok("$group" in plan, "and they do run remotely")


def dots_and_dollars(pair):
    world = pair.world
    documents = [{"id": 1, "a": {"b": 1}}, {"id": 2, "a.b": 2}, {"id": 3, "a.b": 3, "a": {"b": 30}},
                 {"id": 4, "a": [{"b": 4}]}, {"id": 5, "a": {"b": [5]}}, {"id": 6, "$x": 6}, {"id": 7, "a": {"$x": 7, "c.d": 8}},
                 {"id": 8, "a": {"b": 1, "$b": 2}}, {"id": 9, "": 9}, {"id": 10, "a": {"": 10}}]
    taken = []
    for document in documents:
        try:
            world.mongo["probe"].insert_one(dict(document))
            taken.append(document)
        except Exception:  # servers differ in the names that they store
            pass
    ok(len(taken) >= 6, "%d of %d documents with such names are stored" % (len(taken), len(documents)))
    columns = ("id integer, b integer OPTIONS (path 'a.b', on_mismatch 'null'), a jsonb OPTIONS (on_mismatch 'null'), "
               "doc jsonb OPTIONS (path '.', on_mismatch 'null'), \"a.b\" integer OPTIONS (path 'a.b', on_mismatch 'null'), "
               "\"$id\" integer OPTIONS (path 'id')")
    pair.make("dots", columns, taken)
    for query in ("SELECT * FROM {t} ORDER BY id", "SELECT id FROM {t} WHERE b = 1 ORDER BY id",
                  'SELECT "$id" FROM {t} WHERE "a.b" > 0 AND "$id" > 0 ORDER BY 1',
                  "SELECT id FROM {t} WHERE b IS NULL ORDER BY id", 'SELECT b, "a.b", count(*), sum("$id") FROM {t} GROUP BY 1, 2 ORDER BY 1, 2',
                  "SELECT id FROM {t} WHERE doc->>'a.b' = '2' OR doc->'a'->>'b' = '1' ORDER BY id",
                  "SELECT id FROM {t} WHERE doc->'a'->>'b' = '1' ORDER BY id",
                  "SELECT count(*), count(doc->>'$x'), count(a->>'$x'), count(a->>'c.d'), count(doc->>'') FROM {t}",
                  "SELECT x.id, y.id FROM {t} x JOIN {t} y ON x.b = y.\"a.b\" ORDER BY 1, 2"):
        pair.agree("dots", query)
    for query in ("SELECT id FROM {t} WHERE doc->>'a.b' = '3'", "SELECT id FROM {t} WHERE doc->>'$x' = '6'",
                  "SELECT id FROM {t} WHERE a->>'c.d' = '8'"):
        ok("Remote" not in pair.plan(query.format(t="dots")), "a key with a dot or dollar is no path: " + query)
        if world.rows(pair.off, query.format(t="local_dots")):
            pair.agree("dots", query)


def many_columns(pair):
    wide = 1600
    columns = ", ".join("c%d integer" % number for number in range(wide))
    documents = [{"c%d" % number: (number * row) % 1000 for number in range(wide)} for row in range(1, 6)]
    documents.append({"c0": 9, "c%d" % (wide - 1): 7})
    pair.make("wide", columns, documents)
    pair.agree("wide", "SELECT * FROM {t} ORDER BY c0, c1")
    pair.agree("wide", "SELECT c0, c1599, c800 FROM {t} WHERE c1599 > 1 ORDER BY c0, c1")
    pair.agree("wide", "SELECT %s FROM {t}" % ", ".join("sum(c%d)" % number for number in range(0, wide, 16)))
    pair.agree("wide", "SELECT c1598, c1597, count(*) FROM {t} GROUP BY 1, 2 ORDER BY 1, 2")
    pair.agree("wide", "SELECT a.c1, b.c1599 FROM {t} a JOIN {t} b ON a.c1599 = b.c1599 ORDER BY 1, 2")
    pair.agree("wide", "SELECT count(*) FROM {t} WHERE %s" % " AND ".join(
        "c%d >= 0" % number for number in range(0, wide - 1)))
    pair.agree("wide", "SELECT DISTINCT %s FROM {t} ORDER BY 1, 2" % ", ".join("c%d" % number for number in range(200)))


def deep(pair):
    def nested(depth, leaf):
        for _ in range(depth):
            leaf = {"a": leaf}
        return leaf
    depth = 60
    pair.make("deep", "id integer, leaf integer OPTIONS (path '%s'), a jsonb, other integer OPTIONS (path '%s.b')" % (
        ".".join("a" * depth), ".".join("a" * 20)),
        [{"id": 1, **nested(depth, 5)}, {"id": 2, **nested(depth, 6)}, {"id": 3, **nested(20, {"b": 5})}, {"id": 4}])
    for query in ("SELECT * FROM {t} ORDER BY id", "SELECT id FROM {t} WHERE leaf = 5", "SELECT leaf, count(*) FROM {t} GROUP BY 1 ORDER BY 1",
                  "SELECT x.id, y.id FROM {t} x JOIN {t} y ON x.leaf = y.leaf ORDER BY 1, 2",
                  "SELECT id FROM {t} WHERE %s = '{{}}'::jsonb OR leaf > 5" % ("a" + "->'a'" * (depth - 1)),
                  "SELECT id FROM {t} WHERE %s->>'b' = '5'" % ("a" + "->'a'" * 19)):
        pair.agree("deep", query)
    condition = "leaf = 5"
    for number in range(150):
        condition = "(%s %s id <> %d)" % (condition, "OR" if number % 2 else "AND", number + 10)
    pair.agree("deep", "SELECT id FROM {t} WHERE %s ORDER BY id" % condition)
    pair.agree("deep", "SELECT count(*) FROM {t} WHERE %s" % condition)
    case = "id"
    for number in range(150):
        case = "CASE WHEN leaf = %d THEN %d ELSE %s END" % (number + 100, number, case)
    pair.agree("deep", "SELECT sum(%s) FROM {t}" % case)
    pair.agree("deep", "SELECT id FROM {t} WHERE " + "NOT (NOT (" * 200 + "leaf = 6" + "))" * 200)


def long_lists(pair):
    world = pair.world
    pair.make("lists", "id integer, i8 bigint, t text, n numeric, f double precision, d timestamp, j jsonb",
              [{"id": number, "i8": number, "t": "x%d" % number, "n": number + 0.5, "f": number / 4,
                "j": {"a": "x%d" % number}} for number in range(40)] + [{"id": 99}])
    # Around the limits: 500 ranges, 20,000 literals.
    columns = {"i8": ("int8", lambda n: n), "t": ("text", lambda n: "x%d" % n), "n": ("numeric", lambda n: n + 0.5),
               "f": ("float8", lambda n: n / 4), "j->>'a'": ("text", lambda n: "x%d" % n)}
    for length, names in ((0, columns), (1, columns), (500, columns), (501, columns), (20000, ("i8", "t")),
                          (20001, ("i8", "t", "j->>'a'")), (100000, ("i8",))):
        for name in names:
            type, value = columns[name]
            values = [value(number) for number in range(20, 20 + length)]
            for form, query in (("%s = ANY (%%s::%s[])", "SELECT array_agg(id ORDER BY id) FROM {t} WHERE "),
                                ("%s = ANY (%%s::%s[])", "SELECT count(*) FROM {t} WHERE "),
                                ("%s <> ALL (%%s::%s[])", "SELECT count(*) FROM {t} WHERE ")):
                pair.agree("lists", query + form % (name, type), values)
    # As a user types it; PostgreSQL makes an array of it, which is split or kept here.
    typed = ", ".join(str(number) for number in range(30, 6000))
    pair.agree("lists", "SELECT count(*), min(id) FROM {t} WHERE i8 IN (%s)" % typed)
    pair.agree("lists", "SELECT count(*), min(id) FROM {t} WHERE i8 NOT IN (%s)" % typed)
    pair.agree("lists", "SELECT count(*) FROM {t} WHERE %s" % " OR ".join("t = 'x%d'" % number for number in range(3000)))
    sent = pair.plan("SELECT id FROM lists WHERE i8 = ANY ('{%s}')" % ",".join(str(number) for number in range(21000)))
    ok(len(sent) < 2 * 21000 * 8 and sent.count('"$in"') == 0, "a list above the limit is not sent")


def sixteen_megabytes(pair):
    """Clear error, session goes on; and what the error's hint says works."""
    world = pair.world
    big = "y" * (17 << 20)
    for query, parameter, name in (
            ("SELECT id FROM lists WHERE t = %s", big, "a text of 17 MB"),
            ("SELECT count(*) FROM lists WHERE t = %s", big, "counted"),
            ("SELECT id FROM lists WHERE t = ANY (%s)", ["%d%s" % (n, "z" * 1000) for n in range(18000)], "a list of 18 MB"),
            ("SELECT a.id FROM lists a JOIN lists b ON a.id = b.id AND b.t <> %s", big, "in a join")):
        throws("54000", lambda: world.rows(pair.on, query, parameter), "too much for one command: " + name, within=30)
        is_(world.rows(pair.on, "SELECT count(*) FROM lists"), [(41,)], "the session goes on")
        is_(world.rows(pair.off, query, parameter), world.rows(pair.off, query.replace("lists", "local_lists"), parameter),
            "as the hint says: without pushdown the query runs (%s)" % name)
    try:
        world.rows(pair.on, "SELECT id FROM lists WHERE t = %s", big)
        message = None
    except Exception as error:
        message = error.diag.message_primary
        ok("yyyy" not in str(error), "the error does not repeat the value")
    is_(message, "the remote query is too large", "it says what is wrong")


with World() as world:
    pair = Pair(world)
    for part in (names_like_ours, dots_and_dollars, many_columns, deep, long_lists, sixteen_megabytes):
        part(pair)
done()
