"""Each feature of the pushdown: one query that shows it remote, one that shows where it must stay here, and why.

A feature is a name, a query with what its plan must have, and a query with the reason that its plan must give.  Patterns are
searched in EXPLAIN (VERBOSE, COSTS OFF); "!" before one: it must not be there.  Both queries give the same rows, and at least
one, with pushdown and without.  test/README.md has the features that are shown elsewhere: what its table names is there.
"""

import os
import re
import sys

from tap import World, diag, done, is_, ok

import servers

# Small tables: what can run remotely, not what is cheap.
REMOTE = ("SET cpu_tuple_cost = 1", "SET enable_hashjoin = off", "SET enable_mergejoin = off", "SET enable_nestloop = off",
          "SET enable_hashagg = off", "SET enable_sort = off")
GROUP = '"\\$group"'
LOOKUP = '"\\$(lookup|unionWith)"'
# What a word in a query's comment changes.
WAYS = {
    "nestloop": "SET enable_nestloop = on; SET mongo_tenant.enable_join_pushdown = off; SET mongo_tenant.join_method = lookup",
    "merge": "RESET cpu_tuple_cost; RESET enable_sort; SET enable_mergejoin = on; SET mongo_tenant.enable_join_pushdown = off; SET mongo_tenant.join_method = lookup",
    "bind": "SET mongo_tenant.join_method = bind",
    "no limit": "SET mongo_tenant.enable_limit_pushdown = off",
    "no join": "SET mongo_tenant.enable_join_pushdown = off",
}
OBJECTS = """
CREATE SERVER elsewhere FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '{uri}', database '{name}', providers 'test', tenant_field 'tenant_id');
CREATE FOREIGN TABLE far (id integer) SERVER elsewhere OPTIONS (collection 'accounts');
CREATE FOREIGN TABLE other (id integer) SERVER mongo OPTIONS (collection 'accounts', database '{name}_other');
CREATE TABLE here AS SELECT id FROM generate_series(1, 5) id;
CREATE TABLE few AS SELECT id FROM (VALUES (1), (4), (4), (5), (77)) v (id);
ANALYZE few;
CREATE FOREIGN TABLE keyed (_id text, id integer, i4 integer) SERVER mongo OPTIONS (collection 'typed');
GRANT SELECT ON far, other, here, few, keyed TO mtf_app;
GRANT UPDATE ON accounts TO mtf_app;
"""

FEATURES = {
    "WHERE": (
        ("integers, NOT at the leaves", "SELECT id FROM typed WHERE i4 > 3 AND NOT (i8 = 5 OR i2 < 0)", "Remote Superset: .*i8 <> ",
         "SELECT id FROM typed WHERE i4 # 1 > 4", "Local: "),
        ("NaN and infinities", "SELECT id FROM typed WHERE f8 > 1e300 OR f4 = 'NaN'", "Remote Superset: .*NaN",
         "SELECT id FROM typed WHERE f8 + 1 > 1e300", "Local: .*"),
        ("infinite dates", "SELECT id FROM typed WHERE ts < 'infinity' AND d > '-infinity'", "Remote Superset: .*infinity",
         "SELECT id FROM typed WHERE isfinite(ts)", "Local: .*isfinite"),
        ("numeric against doubles", "SELECT id FROM typed WHERE n = 0.1", "Remote Superset: .*widened",
         "SELECT id FROM typed WHERE n = 0.1 ORDER BY id LIMIT 1", "Local: LIMIT"),
        ("constants of microseconds", "SELECT id FROM typed WHERE ts > '2013-01-02 03:04:05.6779'", "Remote Superset: .*rounded outwards",
         "SELECT id FROM typed WHERE ts + '1 us'::interval > '2013-01-02 03:04:05.6779'", "Local: "),
        ("dates as days", "SELECT id FROM typed WHERE d = '2013-01-02'", "Remote Superset: .*UTC day",
         "SELECT id FROM typed WHERE d - '2013-01-01'::date = 1", "Local: "),
        ("a part of AND, all of OR", "SELECT id FROM typed WHERE i4 > 3 AND initcap(t) = 'Text'", "Remote Superset: .*i4 > 3",
         "SELECT id FROM typed WHERE i4 > 3 OR initcap(t) = 'Text'", "Local: .*initcap"),
        ("BETWEEN", "SELECT id FROM typed WHERE i4 BETWEEN 4 AND 5", "Remote Superset: ",
         "SELECT id FROM typed WHERE (i4 # 0) BETWEEN 4 AND 5", "Local: .*# 0"),
        ("IN, NOT IN", "SELECT id FROM typed WHERE i4 IN (4, 5) AND i8 NOT IN (8, 9)", "Remote Superset: .*ALL",
         "SELECT id FROM typed WHERE (i4 # 0) IN (4, 5)", "Local: .*# 0"),
        ("text =", "SELECT id FROM typed WHERE t = '$t'", "Remote Superset: .*equal bytes",
         "SELECT id FROM typed WHERE c = 'a'", "Local: "),
        ("text <, by bytes only", "SELECT id FROM typed WHERE v COLLATE \"C\" > 'a'", "Remote Superset: .*byte order",
         "SELECT id FROM typed WHERE v COLLATE \"en-x-icu\" > 'a'", "Local: .*en-x-icu"),
        ("LIKE", "SELECT id FROM accounts WHERE name LIKE 'UA%1'", "Remote Superset: .*pattern",
         "SELECT id FROM accounts WHERE name LIKE '%' || id::text", "Local: "),
        ("ILIKE of ASCII", "SELECT id FROM accounts WHERE name ILIKE 'ua CUSTOMER 1%'", "Remote Superset: .*ASCII",
         "SELECT id FROM accounts WHERE name ILIKE name", "Local: "),
        ("regular expressions that LIKE says as well", "SELECT id FROM accounts WHERE name ~ '^UA.*r.1$'", "Remote Superset: ",
         "SELECT id FROM accounts WHERE name ~ '^(UA|DL)'", "Local: "),
        ("IS NULL, IS NOT NULL", "SELECT id FROM typed WHERE i4 IS NULL AND id IS NOT NULL", "Remote Superset: .*IS NOT NULL",
         "SELECT id FROM typed WHERE num_nulls(i4, t) = 1", "Local: "),
        ("IS DISTINCT FROM", "SELECT id FROM typed WHERE i4 IS DISTINCT FROM 4", "Remote Superset: ",
         "SELECT id FROM typed WHERE (i4 # 0) IS DISTINCT FROM 4", "Local: "),
        ("IS TRUE and its family", "SELECT id FROM typed WHERE b IS NOT TRUE AND (i4 > 4) IS UNKNOWN", "Remote ",
         "SELECT id FROM typed WHERE ((i4 # 0) > 4) IS NOT TRUE", "Local: "),
        ("row by row", "SELECT id FROM typed WHERE (i4, i8) IN ((4, 8), (5, 5)) AND (i4, i2) >= (0, 0)", "Remote ",
         "SELECT id FROM typed WHERE (t COLLATE \"en-x-icu\", i4) > ('a', 5)", "Local: "),
        ("jsonb ->>", "SELECT id FROM typed WHERE doc ->> 'a' = '1'", "Remote Superset: ",
         "SELECT count(*) FROM typed WHERE doc ->> 'a.b' = '1'", "Local: "),
        ("jsonb #>>", "SELECT id FROM typed WHERE doc #>> '{b,c,0}' = 'x' OR doc #>> '{b,c}' = 'x' OR doc #>> '{a}' = '1'", "Remote Superset: ",
         "SELECT id FROM typed WHERE doc #>> '{l,-1}' IS DISTINCT FROM 'y' AND doc #>> '{a,-1}' IS NULL", "Local: "),
        ("jsonb @>", "SELECT id FROM typed WHERE doc @> '{\"a\": 1}'", "Remote Superset: .*scalar",
         "SELECT id FROM typed WHERE doc <@ '{\"a\": 1, \"b\": {\"c\": \"x\"}, \"l\": [1, 2]}'", "Local: "),
        ("jsonb ?", "SELECT id FROM typed WHERE doc ? 'a'", "Remote Superset: ",
         "SELECT id FROM typed WHERE NOT doc ? 'zz'", "Local: "),
        ("jsonpath", "SELECT id FROM typed WHERE doc @@ '$.a == 1'", "Remote Superset: ",
         "SELECT id FROM typed WHERE doc @@ '!($.a == 5)'", "Local: "),
        ("casts of members", "SELECT id FROM typed WHERE id = 1 AND (doc ->> 'a')::int = 1", "Remote Superset: .*integer",
         "SELECT id FROM typed WHERE id = 1 AND (doc ->> 'a')::money = '1'::money", "Local: .*money"),
        ("= ANY(col)", "SELECT id FROM typed WHERE 'red' = ANY (tags)", "Remote Superset: ",
         "SELECT id FROM typed WHERE 99 > ALL (nums)", "Local: "),
        ("array @>", "SELECT id FROM typed WHERE nums @> '{1,2}'", "Remote Superset: ",
         "SELECT id FROM typed WHERE nums > '{1}'", "Local: "),
        ("array &&", "SELECT id FROM typed WHERE nums && '{3,9}'", "Remote Superset: ",
         "SELECT id FROM typed WHERE nums && ARRAY[id]", "Local: "),
        ("col[1]", "SELECT id FROM typed WHERE nums[1] = 1", "Remote Superset: .*at that place",
         "SELECT id FROM typed WHERE nums[1:2] = '{1,2}'", "Local: "),
        ("uuid, bytea, ObjectId", "SELECT id FROM typed WHERE u >= '00000000-0000-0000-0000-000000000001' AND oid <> 'x' AND raw <> '\\x07'",
         "Remote Superset: .*raw", "SELECT id FROM typed WHERE raw < '\\xffff'", "Local: .*raw"),
        ("column with column", "SELECT id FROM typed WHERE i4 >= i2", "Remote Superset: ",
         "SELECT id FROM typed WHERE i8 <= f8", "Local: "),
        ("arithmetic that cannot fail", "SELECT id FROM typed WHERE i4::bigint * -3 < i2", "Remote Superset: ",
         "SELECT id FROM typed WHERE id < 3 AND i4 / i2 >= 0", "Local: "),
        ("date_trunc", "SELECT id FROM typed WHERE date_trunc('month', ts) = '2013-01-01'", "Remote ",
         "SELECT id FROM typed WHERE date_trunc('month', ts - '1 day'::interval) = '2013-01-01'", "Local: "),
        ("extract", "SELECT id FROM typed WHERE extract(year FROM ts) = 2013 AND extract(dow FROM ts) = 3", "Remote ",
         "SELECT id FROM typed WHERE extract(dow FROM tstz) < 9", "Local: "),
        ("CASE", "SELECT id FROM typed WHERE CASE i4 WHEN 4 THEN b ELSE i8 > 4 END", "Remote Superset: ",
         "SELECT id FROM typed WHERE CASE WHEN initcap(t) = 'Text' THEN b ELSE i8 > 4 END", "Local: .*initcap"),
        ("coalesce, nullif", "SELECT id FROM typed WHERE coalesce(i4, i2, 0) >= 4 OR nullif(i4, 4) = 0", "Remote Superset: ",
         "SELECT id FROM typed WHERE coalesce(f4, 0) = 0", "Local: "),
        ("parts of texts", "SELECT id FROM accounts WHERE left(name, 2) = 'UA' AND lower(name) = 'ua customer 1'", "Remote Superset: .*lower",
         "SELECT id FROM accounts WHERE reverse(name) LIKE '1%'", "Local: .*reverse"),
        ("a parameter of a nested loop", "/* nestloop */ SELECT l.x, t.id FROM (VALUES (4), (5)) l (x), LATERAL (SELECT id FROM typed WHERE i4 = l.x OFFSET 0) t",
         "Remote .*i4 = ", "/* nestloop */ SELECT l.x, t.id FROM (VALUES (4), (5)) l (x), LATERAL (SELECT id FROM typed WHERE (i4 # 0) = l.x OFFSET 0) t", "Local: .*# 0"),
        ("correlated subqueries", "/* nestloop */ SELECT a.id, (SELECT count(*) FROM typed t WHERE t.i4 = a.id) FROM accounts a", "SubPlan(.|\\n)*Remote .*i4 = ",
         "/* nestloop */ SELECT a.id, (SELECT count(*) FROM typed t WHERE (t.i4 # 0) = a.id) FROM accounts a", "SubPlan(.|\n)*Local: .*# 0"),
    ),
    "ORDER BY and LIMIT": (
        ("ORDER BY, both placements of NULL", "SELECT id, i4, b FROM typed ORDER BY b DESC NULLS LAST, i4 NULLS FIRST, id DESC LIMIT 5", '"\\$sort".*"\\$limit"',
         "SELECT id, i4 FROM typed ORDER BY i4 NULLS FIRST, id", "Sort Key(.|\n)*Local: ORDER BY: .*all rows come"),
        ("several keys, each way", "SELECT id, i4 FROM typed WHERE id > 0 AND i4 IS NOT NULL ORDER BY i4 DESC, id", "!Sort Key",
         "SELECT id, i4 FROM typed WHERE id > 0 ORDER BY i4 # 1, id", "Sort Key"),
        ("C collations", "SELECT id, name FROM accounts ORDER BY name COLLATE \"C\" DESC NULLS LAST, id LIMIT 3", '"\\$sort".*"\\$limit"',
         "SELECT id, name FROM accounts ORDER BY name COLLATE \"en-x-icu\" DESC, id LIMIT 3", "Local: ORDER BY: collation en-x-icu is not byte order"),
        ("incremental sorts", "SELECT id, lower(t) FROM typed WHERE id > 5 ORDER BY id DESC, lower(t)", "Presorted Key: typed.id",
         "SELECT id, lower(t) FROM typed ORDER BY id DESC, lower(t)", "!Presorted"),
        ("merge joins", "/* merge */ SELECT a.id, t.i4 FROM accounts a JOIN typed t ON a.id = t.id WHERE a.id > 2 AND t.id < 9", "Merge Cond(.|\n)*\"\\$sort\"(.|\n)*\"\\$sort\"",
         "/* merge */ SELECT a.id, t.i4 FROM accounts a JOIN typed t ON a.id = t.i4", "Merge Cond(.|\n)*Sort Key"),
        ("LIMIT, OFFSET", "SELECT id FROM accounts WHERE id > 1 ORDER BY id DESC LIMIT 2 OFFSET 1", '"\\$skip".*"\\$limit"',
         "SELECT id FROM typed WHERE lower(t) = 'text' ORDER BY id LIMIT 1", "Local: LIMIT: a condition below it is not exact"),
        ("as parameters, int8 whole", "EXECUTE page (9223372036854775807, 3)", '"\\$skip".*"\\$limit"',
         "/* no limit */ EXECUTE page (9223372036854775807, 3)", "Local: LIMIT: mongo_tenant.enable_limit_pushdown is off"),
        ("WITH TIES", "SELECT id FROM typed ORDER BY b NULLS FIRST, id FETCH FIRST 2 ROWS ONLY", '"\\$limit"',
         "SELECT id FROM typed ORDER BY b NULLS FIRST FETCH FIRST 2 ROWS WITH TIES", "Local: LIMIT: rows that tie are found here"),
        ("FOR UPDATE", "SELECT id FROM accounts ORDER BY id LIMIT 2", '"\\$limit"', "SELECT id FROM accounts ORDER BY id LIMIT 2 FOR UPDATE", "LockRows"),
    ),
    "Aggregates": (
        ("count(*), count(x)", "SELECT count(*), count(i4) FROM typed", GROUP, "SELECT count(*), count(i4 # 1) FROM typed", "Local: "),
        ("count(DISTINCT)", "SELECT count(DISTINCT i4), count(DISTINCT f8) FROM typed", GROUP, "SELECT count(DISTINCT f4) FROM typed", "Local: .*round to one real"),
        ("sum, avg of integers", "SELECT sum(i4), avg(i2) FROM typed", GROUP, "SELECT sum(i8 * 2) FROM typed WHERE id IN (1, 5)", "Local: .*overflow"),
        ("sum of numerics", "SELECT sum(price), avg(price * 2) FROM measures", GROUP, "SELECT sum(f), avg(r) FROM measures", "Local: .*order"),
        ("min, max", "SELECT min(i4), max(f8), max(t COLLATE \"C\"), min(ts) FROM typed", GROUP, "SELECT max(t COLLATE \"en-x-icu\") FROM typed",
         "Local: .*en-x-icu"),
        ("bool_and, bool_or, every", "SELECT bool_and(b), bool_or(b), every(i4 > 0) FROM typed", GROUP, "SELECT bit_and(i4) FROM typed", "Local: .*bit_and"),
        ("variance, stddev", "SELECT variance(i4), stddev_pop(i2), var_samp(price) FROM typed, measures WHERE typed.id = measures.id", GROUP,
         "SELECT variance(f8) FROM typed WHERE f8 BETWEEN -10 AND 10", "Local: .*order"),
        ("FILTER", "SELECT count(*) FILTER (WHERE i4 > 0), sum(i4) FILTER (WHERE b) FROM typed", GROUP,
         "SELECT count(*) FILTER (WHERE initcap(t) = 'Text') FROM typed", "Local: .*initcap"),
        ("GROUP BY of expressions", "SELECT id % 3, date_trunc('month', ts), CASE WHEN b THEN 1 ELSE 2 END, count(*) FROM typed GROUP BY 1, 2, 3", GROUP,
         "SELECT lower(t), count(*) FROM typed GROUP BY 1", "Local: .*lower"),
        ("GROUP BY of real", "SELECT f, count(*) FROM measures GROUP BY f", GROUP, "SELECT r, count(*) FROM measures GROUP BY r", "Local: "),
        ("HAVING", "SELECT b, count(*) FROM typed GROUP BY b HAVING count(*) > 1 AND max(i4) > 3", GROUP + '.*"\\$match"',
         "SELECT b, count(*) FROM typed GROUP BY b HAVING bit_and(i4) >= 0", "Local: .*bit_and"),
        ("top-N of groups", "SELECT id % 3, count(*) FROM accounts GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 2", GROUP + '.*"\\$limit"',
         "SELECT b, avg(i4) FROM typed GROUP BY b ORDER BY avg(i4), b LIMIT 2", "Limit(.|\n)*Local: "),
        ("DISTINCT", "SELECT DISTINCT active FROM accounts", GROUP, "SELECT DISTINCT lower(t) FROM typed", "Local: .*lower"),
        ("DISTINCT ON", "SELECT DISTINCT ON (g) g, id, price FROM measures ORDER BY g, id DESC", GROUP + '.*"\\$first"',
         "SELECT DISTINCT ON (g) g, id FROM measures WHERE n = 1.5 OR id > 0 ORDER BY g, id", "Local: DISTINCT ON: a condition below it is not exact"),
        ("of no documents", "SELECT count(*), sum(i4), max(i4) FROM typed WHERE id = 77", GROUP, "SELECT count(*), bit_and(i4) FROM typed WHERE id = 77", "Local: .*bit_and"),
        ("computed here when a value is not exact there", "SELECT sum(n) FROM measures", GROUP + "(.|\n)*Foreign Scan", "SELECT sum(n::real) FROM measures", "Local: "),
        ("array_agg, string_agg", "SELECT count(t) FROM typed", GROUP, "SELECT string_agg(t, ',' ORDER BY id) FROM typed", "Local: .*string_agg"),
        ("grouping sets", "SELECT g, count(*) FROM measures GROUP BY g", GROUP, "SELECT g, count(*) FROM measures GROUP BY ROLLUP (g)",
         "Local: GROUP BY: several ways to group at once"),
        ("window functions", "SELECT g, sum(q % 100) FROM measures GROUP BY g", GROUP, "SELECT id, rank() OVER (ORDER BY id) FROM typed", "WindowAgg"),
        ("UNION and the like", "SELECT id FROM accounts WHERE id < 4", "Remote Superset", "SELECT id FROM accounts INTERSECT SELECT i4 FROM typed", "SetOp"),
    ),
    "Joins": (
        ("inner", "SELECT a.id, t.t FROM accounts a JOIN typed t ON t.id = a.id", LOOKUP, "SELECT a.id, t.t FROM accounts a JOIN typed t ON t.id < a.id", "Local Join: "),
        ("left", "SELECT a.id, t.id FROM accounts a LEFT JOIN typed t ON t.i4 = a.id AND t.b", LOOKUP,
         "SELECT a.id, t.id FROM accounts a LEFT JOIN typed t ON t.id = a.id AND t.i4 > a.id", "Local Join: "),
        ("right", "SELECT a.id, t.id FROM typed t RIGHT JOIN accounts a ON t.i4 = a.id", LOOKUP,
         "SELECT a.id, t.id FROM typed t RIGHT JOIN accounts a ON t.i4 = a.id # 1", "Local Join: "),
        ("full", "SELECT a.id, t.id FROM accounts a FULL JOIN typed t ON t.i4 = a.id", LOOKUP,
         "SELECT a.id, t.id FROM (SELECT id FROM accounts) a FULL JOIN (SELECT id, i4 FROM typed) t ON t.i4 = a.id # 1", "Local Join: "),
        ("semi", "SELECT a.id FROM accounts a WHERE EXISTS (SELECT FROM typed t WHERE t.i4 = a.id)", LOOKUP,
         "SELECT a.id FROM accounts a WHERE EXISTS (SELECT FROM typed t WHERE t.i4 < a.id)", "Local Join: "),
        ("anti", "SELECT a.id FROM accounts a WHERE NOT EXISTS (SELECT FROM typed t WHERE t.i4 = a.id)", LOOKUP,
         "SELECT a.id FROM accounts a WHERE a.id NOT IN (SELECT t.i4 FROM typed t WHERE t.i4 > 0)", "SubPlan"),
        ("keys of numbers", "SELECT a.id, b.id FROM measures a JOIN measures b ON a.price = b.price", LOOKUP,
         "SELECT a.id, b.id FROM measures a JOIN measures b ON a.r = b.r", "Local Join: "),
        ("three tables", "SELECT a.id, m.id FROM accounts a JOIN typed t ON t.id = a.id LEFT JOIN accounts m ON m.id = t.i4", LOOKUP + "(.|\n)*",
         "SELECT a.id, f.id FROM accounts a JOIN typed t ON t.id = a.id JOIN far f ON f.id = t.i4", "Local Join: .*another server"),
        ("aggregates, sort and LIMIT above", "SELECT t.b, count(*) FROM accounts a JOIN typed t ON t.id = a.id GROUP BY t.b ORDER BY 2 DESC, 1 LIMIT 2",
         LOOKUP + "(.|\n)*" + GROUP + '.*"\\$limit"', "SELECT t.b, bit_and(a.id) FROM accounts a JOIN typed t ON t.id = a.id GROUP BY t.b", "Local: .*bit_and"),
        ("one database", "SELECT a.id, t.id FROM accounts a JOIN accounts t ON t.id = a.id", LOOKUP,
         "SELECT a.id, o.id FROM accounts a LEFT JOIN other o ON o.id = a.id", "Local Join: .*another database"),
        ("one server", "SELECT a.id, t.id FROM accounts a JOIN typed t ON t.id = a.id", LOOKUP,
         "SELECT a.id, f.id FROM accounts a JOIN far f ON f.id = a.id", "Local Join: .*another server"),
        ("the tenant inside", "SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id", LOOKUP + '.*"tenant_id" : \\{ "\\$eq" : "<tenant>"',
         "/* no join */ SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id", "Local Join: .*enable_join_pushdown is off"),
        ("bind joins", "/* bind */ SELECT h.id, t.id FROM here h JOIN typed t ON t.id = h.id", "Bind Join", "/* bind */ SELECT h.id, t.id FROM here h JOIN typed t ON t.id # 1 = h.id",
         "!Bind Join"),
        ("parameterised paths", "/* nestloop */ SELECT h.id, t.id FROM here h JOIN typed t ON t.id = h.id", "Nested Loop(.|\n)*Remote .*= ",
         "/* nestloop */ SELECT h.id, t.id FROM here h JOIN typed t ON t.id # 1 = h.id", "!Remote"),
        ("EXISTS that stays a subquery", "/* nestloop */ SELECT a.id FROM accounts a WHERE EXISTS (SELECT FROM typed t WHERE t.i4 > a.id) OR a.id = 1", "SubPlan(.|\n)*Remote .*i4",
         "/* nestloop */ SELECT a.id FROM accounts a WHERE EXISTS (SELECT FROM typed t WHERE t.i4 # 1 > a.id) OR a.id = 1", "Local: .*# 1"),
        ("a table with itself", "SELECT a.id, b.name FROM accounts a JOIN accounts b ON a.id = b.id WHERE b.active", LOOKUP,
         "SELECT a.id, b FROM accounts a JOIN accounts b ON a.id = b.id WHERE b.active", "Local Join: "),
    ),
}


def forced(world, session, query):
    """The plan of a query: what can run remotely, with what its comment says."""
    way = re.match(r"/\* (.*?) \*/", query)
    session.execute("BEGIN; " + "; ".join(REMOTE))
    session.execute(WAYS[way.group(1)] if way else "SET mongo_tenant.join_method = hash")
    plan = "\n".join(world.column(session, "EXPLAIN (VERBOSE, COSTS OFF) " + query))
    rows = answer(world, session, query)
    session.execute("ROLLBACK")
    return plan, rows


def answer(world, session, query):
    try:
        return sorted(map(repr, world.rows(session, query)))
    except Exception as error:
        return str(error)


def shows(world, on, off, name, query, pattern, what):
    plan, rows = forced(world, on, query)
    found = not re.search(pattern[1:], plan) if pattern.startswith("!") else re.search(pattern, plan)
    ok(found, "%s: %s" % (name, what)) or diag("%s\n%s\n%s" % (query, pattern, plan))
    expected = answer(world, off, query)
    ok(rows == expected and isinstance(rows, list) and rows, "%s: %s, the same rows" % (name, what)) or \
        diag("%s\n     got: %r\nexpected: %r" % (query, rows, expected))


def queries(world):
    with world.connect("UA") as on, world.connect("UA", pushdown=False) as off:
        for session in (on, off):
            session.execute("SET plan_cache_mode = force_generic_plan")
            session.execute("PREPARE page (bigint, bigint) AS SELECT id FROM accounts ORDER BY id LIMIT $1 OFFSET $2")
        for part, features in FEATURES.items():
            for name, remote, pattern, local, reason in features:
                shows(world, on, off, "%s: %s" % (part, name), remote, pattern, "remote")
                shows(world, on, off, "%s: %s" % (part, name), local, reason, "here")


# How PostgreSQL joins what it is given: its releases turn joins round in ways of their own (right semi, right anti), and
# none of them may be taken for another.  `few` is a local table of some rows, `typed` a foreign one.
TURNED = {
    "semi": "SELECT f.id FROM few f WHERE EXISTS (SELECT FROM typed t WHERE t.{key} = f.id)",
    "semi by more than a key": "SELECT f.id FROM few f WHERE EXISTS (SELECT FROM typed t WHERE t.{key} = f.id AND t.id <> f.id + 50)",
    "semi, of many": "SELECT t.id FROM typed t WHERE t.{key} IN (SELECT f.id FROM few f)",
    "anti": "SELECT f.id FROM few f WHERE NOT EXISTS (SELECT FROM typed t WHERE t.{key} = f.id)",
    "anti, of many": "SELECT t.id FROM typed t WHERE NOT EXISTS (SELECT FROM few f WHERE f.id = t.{key})",
    "left": "SELECT f.id, t.id FROM few f LEFT JOIN typed t ON t.{key} = f.id",
    "right": "SELECT f.id, t.id FROM few f RIGHT JOIN typed t ON t.{key} = f.id",
    "full": "SELECT f.id, t.id FROM few f FULL JOIN typed t ON t.{key} = f.id",
    "semi of two of ours": "SELECT a.id FROM accounts a WHERE EXISTS (SELECT FROM typed t WHERE t.{key} = a.id)",
    "anti of two of ours": "SELECT a.id FROM accounts a WHERE NOT EXISTS (SELECT FROM typed t WHERE t.{key} = a.id)",
    "itself by its _id": "SELECT a.id, b.{key} FROM keyed a JOIN keyed b ON a._id = b._id",
}
METHODS = ("hashjoin", "mergejoin", "nestloop")
NEW_KINDS = (("Right Anti", 160000), ("Right Semi", 180000))


def turned(world):
    with world.connect("UA") as on, world.connect("UA", pushdown=False) as off:
        seen = set()
        for name, query in TURNED.items():
            for key in ("i4", "id"):
                expected = answer(world, off, query.format(key=key))
                for method in (*METHODS, "bind", "remote"):
                    on.execute("BEGIN")
                    for each in METHODS:
                        on.execute("SET enable_%s = %s" % (each, "on" if each == method else "off"))
                    on.execute("SET mongo_tenant.enable_join_pushdown = %s" % ("on" if method == "remote" else "off"))
                    on.execute("SET mongo_tenant.join_method = %s" % {"bind": "bind", "remote": "auto"}.get(method, "lookup"))
                    rows = answer(world, on, query.format(key=key))
                    plan = "\n".join(world.column(on, "EXPLAIN " + query.format(key=key)))
                    on.execute("ROLLBACK")
                    seen.update(kind for kind, _ in NEW_KINDS if kind in plan)
                    ok(rows == expected and isinstance(rows, list), "PostgreSQL's joins: %s by %s, %s" % (name, key, method)) or \
                        diag("%s\n%r\n%r\n%s" % (query, rows, expected, plan))
        for kind, version in NEW_KINDS:
            is_(kind in seen, on.info.server_version >= version, "%s joins: from PostgreSQL %d on" % (kind, version // 10000))


def table():
    """Every cell of test/README.md's table names a file that there is, and words that it has."""
    with open(os.path.join(servers.ROOT, "test", "README.md"), encoding="utf-8") as file:
        text = file.read()
    rows = re.search(r"^\| feature \|.*\n\| ---.*\n((?:\| .*\n)+)", text, re.M).group(1).splitlines()
    ok(len(rows) >= 20, "%d features in test/README.md" % len(rows))
    for row in rows:
        feature, *cells = row.strip("| ").split(" | ")
        missing = []
        for cell in cells:
            path, words = re.fullmatch(r"`([^:]+): (.+)`", cell).groups()
            path = path if path.startswith(("sql/", "expected/")) else "test/" + path
            path = os.path.join(servers.ROOT, path if os.path.splitext(path)[1] else path + ".py")
            try:
                with open(path, encoding="utf-8") as file:
                    missing += [] if words in file.read() else [cell]
            except OSError as error:
                missing.append(str(error))
        is_((len(cells), missing), (2, []), "test/README.md: %s" % feature)


table()
with World() as world:
    world.load()
    with world.admin() as admin:
        admin.execute(OBJECTS.format(uri=world.uri, name=world.name))
    queries(world)
    turned(world)
done()
