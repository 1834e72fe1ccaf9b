"""Years of dates that are further away than any timestamp: the same remotely as here, on servers that hold them."""
import random

from bson.datetime_ms import DatetimeMS

import fixtures
from tap import World, diag, done, is_, ok

LAST_TIMESTAMP, LAST_DATE, FIRST = 9224318016000000, 185331707078400000, -210866803200000
EDGES = [LAST_DATE - 1, LAST_DATE - 86400000, LAST_TIMESTAMP - 1, LAST_TIMESTAMP, LAST_TIMESTAMP + 86400000, 2**53 - 1, 2**53, 2**53 + 1,
         253402300799999, 253402300800000, -62135596800000, -62135596800001, FIRST, 0, 12622780800000]
QUERIES = ["SELECT id, extract(year FROM d) FROM far ORDER BY 1",
           "SELECT extract(year FROM d), count(*) FROM far GROUP BY 1 ORDER BY 1",
           "SELECT count(*), sum(id) FROM far WHERE extract(year FROM d) <= 287396::numeric",
           "SELECT count(*) FROM far WHERE extract(year FROM d) = 5874897"]


with World() as world:
    rng = random.Random(5)
    instants = EDGES + [rng.randrange(2**53, LAST_DATE) for _ in range(40)] + [rng.randrange(FIRST, LAST_TIMESTAMP) for _ in range(40)]
    kept = fixtures.insert_taken(world.mongo.far, [{"tenant_id": "UA", "id": number, "d": DatetimeMS(instant)}
                                                   for number, instant in enumerate(instants)])
    diag("%d of %d dates are held" % (kept, len(instants)))
    ok(kept > 2, "some are held")
    with world.admin() as admin:
        admin.execute("CREATE FOREIGN TABLE far (id int, d date) SERVER mongo; GRANT SELECT ON far TO mtf_app")
    with world.connect("UA") as on, world.connect("UA", pushdown=False) as off, world.connect("DL") as other:
        on.execute("SET jit = off; SET enable_hashagg = off; SET enable_sort = off; SET cpu_operator_cost = 1")
        for query in QUERIES:
            is_(world.rows(on, query), world.rows(off, query), query)
        grouped = "\n".join(row[0] for row in on.execute("EXPLAIN (VERBOSE, COSTS OFF) " + QUERIES[2]).fetchall())
        ok('"$group"' in grouped and '"$year"' in grouped, "years are the server's") or diag(grouped)
        is_(world.value(other, "SELECT count(*) FROM far WHERE extract(year FROM d) > 0"), 0, "another tenant has none")
done()
