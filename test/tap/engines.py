"""Defects of the document server at hand (test/lib/defects.py), and our answers, which are right all the same."""
from tap import World, diag, done, is_, ok

import bson
import defects

EAGER = "-c enable_hashjoin=off -c enable_nestloop=off -c enable_mergejoin=off -c enable_sort=off -c enable_hashagg=off"
EXTREMES = [bson.Int64(2**63 - 1), bson.Int64(-2**63), -2.0**63, bson.Decimal128("-9223372036854775808"), 2.0**53,
            bson.Int64(2**53), bson.Decimal128("9007199254740992"), bson.Int64(2**53 + 1), 5.0, 5]
# Outside int8, or no whole numbers.
MISFITS = [2.0**63, bson.Decimal128("9223372036854775808"), bson.Decimal128("-9223372036854775809"),
           bson.Decimal128("-9223372036854775808.5"), 5.5, 1e300, float("nan"), float("inf"), bson.Decimal128("1E+6000"),
           bson.Decimal128("1E-6000"), bson.Decimal128("NaN")]

with World() as world:
    found = [defect.__name__ for defect in defects.ALL if defect(world.mongo)]
    diag("%s: %s" % (world.env.get("MTF_ENGINE", "the server"), ", ".join(found) or "no known defect"))
    cured = any(defect.__name__ in found for defect in defects.UNDER_SIMPLE)
    for tenant in ("UA", "DL"):
        world.mongo.numbers.insert_many([{"tenant_id": tenant, "id": number, "x": value, "y": value}
                                         for number, value in enumerate(EXTREMES + MISFITS)])
        world.mongo.sorted.insert_many([{"tenant_id": tenant, "id": number, **({} if value == "" else {"x": value})}
                                        for number, value in enumerate([None, "", "a", "B", None, "", "b", "A"])])
    with world.admin() as admin:
        admin.execute("""
            CREATE SERVER cured FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s',
                providers 'test', tenant_field 'tenant_id', collation '%s');
            CREATE FOREIGN TABLE numbers (id integer, x bigint, y bigint) SERVER cured OPTIONS (on_mismatch 'null');
            CREATE FOREIGN TABLE sorted (id integer, x text COLLATE "C") SERVER cured OPTIONS (trust_types 'true');
            CREATE FOREIGN TABLE careful (id integer, x text COLLATE "C") SERVER %s OPTIONS (collection 'sorted');
            GRANT SELECT ON numbers, sorted, careful TO mtf_app""" % (
                world.uri, world.name, "none" if cured else "simple",
                "cured" if "ignores_case_under_simple" in found else "mongo"))
    least, wide = -2**63, 2**53
    with world.connect("UA", options=EAGER) as on, world.connect("UA", pushdown=False) as off:
        for condition, expected in (
                ("x IS NOT NULL", list(range(10))), ("x IS NULL", list(range(10, 21))), ("x = %d" % least, [1, 2, 3]),
                ("x >= %d" % least, list(range(10))), ("x > %d" % least, [0] + list(range(4, 10))), ("x < %d" % least, []),
                ("x <= %d" % least, [1, 2, 3]), ("x <> %d" % least, [0] + list(range(4, 10))),
                ("x IN (%d, 5)" % least, [1, 2, 3, 8, 9]), ("x NOT IN (%d, 5)" % least, [0, 4, 5, 6, 7]),
                ("x IS DISTINCT FROM %d" % least, [0] + list(range(4, 21))), ("x < %d" % (least + 1), [1, 2, 3]),
                ("x = %d" % wide, [4, 5, 6]), ("x > %d" % wide, [0, 7]), ("x = y", list(range(10))), ("x < y", [])):
            condition = condition.replace("%d" % least, "'%d'::int8" % least)
            for session, how in ((on, "pushdown"), (off, "none")):
                is_(world.column(session, "SELECT id FROM numbers WHERE %s ORDER BY id" % condition), expected,
                    "%s, %s" % (condition, how))
                is_(world.value(session, "SELECT count(*) FROM numbers WHERE %s" % condition), len(expected),
                    "%s, counted, %s" % (condition, how))
        for query, expected in (
                ("SELECT x, count(*) FROM numbers GROUP BY x ORDER BY x",
                 [(least, 3), (5, 2), (wide, 3), (wide + 1, 1), (2**63 - 1, 1), (None, 11)]),
                ("SELECT min(x), max(x), count(x) FROM numbers", [(least, 2**63 - 1, 10)]),
                # The one thing that has no form which is right on all servers.
                ("SELECT a.id, b.id FROM numbers a JOIN numbers b ON a.x = b.x WHERE a.id < b.id AND a.id <> 2 AND b.id <> 2 ORDER BY 1, 2"
                 if "looks_up_by_type" in found else
                 "SELECT a.id, b.id FROM numbers a JOIN numbers b ON a.x = b.x WHERE a.id < b.id ORDER BY 1, 2",
                 [pair for pair in ((1, 2), (1, 3), (2, 3), (4, 5), (4, 6), (5, 6), (8, 9))
                  if 2 not in pair or "looks_up_by_type" not in found]),
                ("SELECT id FROM numbers ORDER BY x NULLS LAST, id LIMIT 4", [(1,), (2,), (3,), (8,)])):
            for session, how in ((on, "pushdown"), (off, "none")):
                is_(world.rows(session, query), expected, "%s, %s" % (query, how))
        for table in ("sorted", "careful"):
            for query, expected in (
                    ("SELECT id FROM {t} ORDER BY x NULLS FIRST, id LIMIT 9", [0, 1, 4, 5, 7, 3, 2, 6]),
                    ("SELECT id FROM {t} ORDER BY x NULLS FIRST, id", [0, 1, 4, 5, 7, 3, 2, 6]),
                    ("SELECT id FROM {t} ORDER BY x DESC NULLS LAST, id LIMIT 9", [6, 2, 3, 7, 0, 1, 4, 5]),
                    ("SELECT id FROM {t} ORDER BY x NULLS LAST, id LIMIT 9", [7, 3, 2, 6, 0, 1, 4, 5]),
                    ("SELECT id FROM {t} WHERE x > 'A' ORDER BY x, id LIMIT 9", [3, 2, 6])):
                for session, how in ((on, "pushdown"), (off, "none")):
                    is_(world.column(session, query.format(t=table)), expected, "%s, %s" % (query.format(t=table), how))
    ok("cannot_group_under_simple" not in found or cured, "a server that fails under 'simple' is asked without")
done()
