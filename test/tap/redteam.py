"""What a hostile tenant found: one function for each attack that once succeeded.

The document server is this test's own, since some of them kept it busy for everybody.
"""
import bson

from tap import World, ok, is_, throws, done

EAGER = "-c enable_hashjoin=off -c enable_nestloop=off -c enable_mergejoin=off -c enable_sort=off -c enable_hashagg=off"


def same_rows(world, query, name, *parameters):
    """The same rows with pushdown and without, and at least one."""
    with world.connect("UA", options=EAGER) as on, world.connect("UA", pushdown=False) as off:
        on.execute("SET statement_timeout = '20s'")
        expected = world.rows(off, query, *parameters)
        ok(expected, "%s: there is something to be found" % name)
        return is_(world.rows(on, query, *parameters), expected, name)


def sent(world, query):
    with world.connect("UA", options=EAGER) as session:
        return "\n".join(world.column(session, "EXPLAIN (VERBOSE, COSTS OFF) " + query))


def patterns(world):
    """Wildcards upon wildcards, over a long text: a matcher that backtracks would never end."""
    world.mongo["texts"].insert_many(
        [{"tenant_id": tenant, "id": number, "t": text} for tenant in ("UA", "DL")
         for number, text in enumerate(("a" * 3000, "a" * 300 + "b\n", "aXaXaXa", "a_b", "a%b", "\u00e4" * 1200, "a" + "\u00e4" * 999,
                                     ".+" * 150, "ik" * 300, ""))])
    with world.admin() as admin:
        admin.execute("CREATE FOREIGN TABLE texts (id integer, t text) SERVER mongo; GRANT SELECT ON texts TO mtf_app")
    for pattern, name in (("%" * 200 + "a", "a run of wildcards"), ("%a" * 30, "thirty wildcards"),
                          ("%a" * 30 + "%", "thirty wildcards and an open end"), ("_" * 2999 + "a", "3,000 characters"),
                          ("a" * 2999 + "_", "a long prefix"), ("\u00e4" * 999 + "%", "cut between bytes"), ("a" + "\u00e4" * 999, "and at the other"), (".+" * 150 + "%", "escapes"),
                          ("%X%X%", "two wildcards"), ("%X%X%a", "three wildcards"), ("%\\%%b", "an escaped wildcard"),
                          ("a\\_b", "an escaped character"), ("%_%_%", "both kinds"), ("a%%%%%%%%%%%b", "in the middle")):
        literal = "'%s'" % pattern
        for operator in ("LIKE", "NOT LIKE"):
            same_rows(world, "SELECT id FROM texts WHERE t %s %s ORDER BY id" % (operator, literal),
                      "%s, %s" % (operator, name))
            same_rows(world, "SELECT count(*) FROM texts WHERE t %s %s" % (operator, literal),
                      "%s counted, %s" % (operator, name))
    same_rows(world, "SELECT id FROM texts WHERE t ILIKE '%s' ORDER BY id" % ("A_" * 40 + "%"), "ILIKE, forty wildcards")
    same_rows(world, "SELECT id FROM texts WHERE t ILIKE '%s' ORDER BY id" % ("IK" * 300), "ILIKE, long")
    same_rows(world, "SELECT id FROM texts WHERE t LIKE %s ORDER BY id", "pattern of a parameter", "%a" * 30)
    ok("Remote Exact" in sent(world, "SELECT count(*) FROM texts WHERE t LIKE '%special%requests%'"),
       "two wildcards run remotely still")
    ok("Remote Exact" not in sent(world, "SELECT count(*) FROM texts WHERE t LIKE '%a%b%c'"), "three do not alone")


def folding(world):
    """Under collation 'none' a collection's own collation compares text: a and A may be one."""
    try:
        world.mongo.create_collection("folding", collation={"locale": "en", "strength": 2})
    except Exception:
        pass
    world.mongo["folding"].insert_many(
        [{"tenant_id": tenant, "id": number, "t": text, "u": "a"} for tenant in ("UA", "ua", "DL")
         for number, text in enumerate(("a", "A", "b", "B", "c"))])
    with world.admin() as admin:
        admin.execute("""
            CREATE SERVER folding FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s',
                providers 'test', tenant_field 'tenant_id', collation 'none');
            CREATE FOREIGN TABLE folding (id integer, t text, u text, o text OPTIONS (path 't', bson_type 'objectid'))
                SERVER folding;
            GRANT SELECT ON folding TO mtf_app""" % (world.uri, world.name))
    for condition in ("t = 'a'", "t <> 'a'", "t IS DISTINCT FROM 'a'", "t NOT IN ('a', 'c')", "t IN ('a', 'B')",
                      "t > 'B' COLLATE \"C\"", "t <= 'B' COLLATE \"C\"", "t = u", "t <> u", "t LIKE 'a%'",
                      "t NOT LIKE 'a%'", "NOT (t = 'a' OR t = 'b')"):
        same_rows(world, "SELECT id FROM folding WHERE %s ORDER BY id" % condition, "folding: " + condition)
        same_rows(world, "SELECT count(*) FROM folding WHERE %s" % condition, "folding, counted: " + condition)
    for query in ("SELECT id FROM folding WHERE t = 'a' ORDER BY id LIMIT 3",
                  "SELECT t COLLATE \"C\" AS c, count(*) FROM folding GROUP BY 1 ORDER BY 1",
                  "SELECT max(t COLLATE \"C\"), min(t COLLATE \"C\"), count(DISTINCT t) FROM folding",
                  "SELECT count(*) FROM folding a JOIN folding b ON a.t = b.t",
                  "SELECT t FROM folding ORDER BY t COLLATE \"C\" LIMIT 3"):
        same_rows(world, query, "folding: " + query)
    # Where the server does not fold, what is sent tells.
    ok('"$ne" : "a"' not in sent(world, "SELECT id FROM folding WHERE t <> 'a'"), "folding: unequal stays here")
    ok('"$gt"' not in sent(world, "SELECT id FROM folding WHERE t > 'a' COLLATE \"C\""), "folding: order stays here")
    ok('"$group"' not in sent(world, "SELECT count(*) FROM folding WHERE t = 'a'"), "folding: equal is not exact")
    join = sent(world, "SELECT count(*) FROM folding a JOIN folding b ON a.t = b.t")
    ok('"$lookup"' not in join and '"$unionWith"' not in join,
       "folding: text joins here")
    ok('"t" : "a"' in sent(world, "SELECT id FROM folding WHERE t = 'a'").replace('{ "$eq" : "a" }', '"a"'),
       "folding: equality is sent as a superset")


def promises(world):
    """A table's owner promises types that others' documents do not have: nothing that is sent may fail on those."""
    good = {"t": "abc", "o": bson.ObjectId("5f0000000000000000000a01")}
    world.mongo["promised"].insert_many(
        [dict(good, tenant_id="UA", id=1)] +
        [{"tenant_id": "DL", "id": number, "t": bad, "o": bad} for number, bad in enumerate(([1], {"a": 1}, 7, b"x"))])
    with world.admin() as admin:
        admin.execute("CREATE FOREIGN TABLE promised (_id text, id integer, t text, o text OPTIONS (bson_type 'objectid'))"
                      " SERVER mongo OPTIONS (trust_types 'true'); GRANT SELECT ON promised TO mtf_app")
    for condition, operator in (("o > '00' COLLATE \"C\"", "$toString"), ("_id > '00' COLLATE \"C\"", "$toString"),
                                ("t NOT LIKE 'x%y_'", "$regexMatch")):
        query = "SELECT count(*) FROM promised WHERE " + condition
        same_rows(world, query, "promised types: " + condition)
        pipeline = sent(world, query)
        at = pipeline.find(operator)
        ok(at >= 0, "%s is sent" % operator)
        ok('"$cond"' in pipeline[:at] and '"$type"' in pipeline[pipeline.find('"$cond"'):at],
           "%s behind a test of the type" % operator)


def depth(text):
    """How deeply documents and arrays nest in what EXPLAIN shows."""
    level = deepest = 0
    quoted = False
    for character in text.replace('\\\\', "").replace('\\"', ""):
        quoted ^= character == '"'
        if not quoted and character in "{[":
            level += 1
            deepest = max(deepest, level)
        elif not quoted and character in "}]":
            level -= 1
    return deepest


def nesting(world):
    """A server takes 200 levels: what nests more deeply must stay here."""
    with world.admin() as admin:
        admin.execute("CREATE FOREIGN TABLE deep (id integer, name text, n numeric(6,1) OPTIONS (path 'id'), address jsonb)"
                      " SERVER mongo OPTIONS (collection 'accounts'); GRANT SELECT ON deep TO mtf_app")
    for levels in (3, 45, 300):
        condition, case, total = "id > 0", "n", "n"
        for i in range(levels):
            condition = "((%s) AND id < %d) OR name = 'nobody %d'" % (condition, 1000 + i, i)
            case = "CASE WHEN id = %d THEN %d.5 ELSE %s END" % (i, i, case)
            total = "(%s + 1.5)" % total
        flat = "CASE %s ELSE n END" % " ".join("WHEN id = %d THEN %d.5" % (i, i) for i in range(levels))
        path = "address->'a'" + "->'b'" * levels + "->>'c'"
        for query, name in (("SELECT id FROM deep WHERE %s ORDER BY id" % condition, "a condition"),
                            ("SELECT count(*) FROM deep WHERE " + condition, "a counted condition"),
                            ("SELECT sum(%s) FROM deep" % case, "CASE in CASE"),
                            ("SELECT sum(%s) FROM deep" % flat, "CASE of many branches"),
                            ("SELECT sum(%s) FROM deep" % total, "arithmetic"),
                            ("SELECT count(*) FROM deep WHERE %s = 'x'" % path, "a path")):
            same_rows(world, query, "%s of %d levels" % (name, levels))
            pipeline = sent(world, query)
            ok(depth(pipeline) < 180, "%s of %d levels: few are sent" % (name, levels))
            ok(pipeline.count(".b") <= 200, "%s of %d levels: no long path is sent" % (name, levels))


with World(own_engine=True) as world:
    world.load("accounts")
    promises(world)
    nesting(world)
    patterns(world)
    folding(world)
done()
