"""What the differential fuzzer found, each as one query: each failed before it was mended."""

import datetime
from decimal import Decimal

from bson import Decimal128, Int64

from tap import World, done, is_

OBJECTS = """
CREATE FOREIGN TABLE found (
    id integer, name text, ts timestamptz, d timestamp, member integer OPTIONS (path 'sub.member'),
    inner_array integer[] OPTIONS (path 'list.1')
) SERVER mongo;
CREATE FOREIGN TABLE elements (id integer, f double precision[], i8 bigint, t text) SERVER mongo;
CREATE FOREIGN TABLE money (id integer, n numeric(15,2) OPTIONS (on_mismatch 'null')) SERVER mongo;
CREATE FOREIGN TABLE trusted (id integer, n numeric, i8 bigint OPTIONS (path 'n')) SERVER mongo
    OPTIONS (collection 'sums', trust_types 'true');
CREATE FOREIGN TABLE least (id integer, i8 bigint) SERVER mongo OPTIONS (trust_types 'true');
CREATE FOREIGN TABLE reals (id integer, r real) SERVER mongo;
GRANT SELECT ON reals, found, elements, money, trusted, least TO mtf_app;
"""


def both(world, sessions, query, expected, name):
    for session, how in zip(sessions, ("", ", without pushdown")):
        try:
            got = [row[0] if len(row) == 1 else tuple(row) for row in world.rows(session, query)]
        except Exception as error:
            got = error
        is_(got, expected, name + how)


with World() as world:
    day = datetime.datetime(2020, 1, 1)
    for tenant in ("UA", "DL"):
        world.mongo.found.insert_many([
            {"tenant_id": tenant, "id": 1, "name": "a", "ts": day, "d": day, "sub": {"member": 5}, "list": [0, [5, 3]]},
            {"tenant_id": tenant, "id": 2, "name": "b", "ts": day, "d": day, "sub": 7, "list": [0, [7]]},
            {"tenant_id": tenant, "id": 3, "name": "c", "ts": None, "sub": "x"}])
        world.mongo.least.insert_many([{"tenant_id": tenant, "id": n, "i8": Int64(value)}
                                       for n, value in enumerate((-2**63, -2**63 + 1, 5))])
        world.mongo.elements.insert_many([
            {"tenant_id": tenant, "id": 1, "f": [5.5, None], "i8": Int64(2**63 - 1)},
            {"tenant_id": tenant, "id": 2, "f": [], "i8": Int64(2**53 + 1)}, {"tenant_id": tenant, "id": 3},
            {"tenant_id": tenant, "id": 4, "f": [None], "i8": Int64(-2**53 - 1)}])
        world.mongo.money.insert_many([
            {"tenant_id": tenant, "id": 1, "n": Int64(-2**63)}, {"tenant_id": tenant, "id": 2, "n": 5.25},
            {"tenant_id": tenant, "id": 3, "n": Decimal128("NaN")}, {"tenant_id": tenant, "id": 4, "n": float("nan")}])
        world.mongo.reals.insert_many([{"tenant_id": tenant, "id": n, "r": value}
                                       for n, value in enumerate((0.1, 0.10000000149011612, 0.10000000000000002, 0.5))])
        world.mongo.sums.insert_one({"tenant_id": tenant, "id": 1, "n": Int64(-2**63)})
    # No promise of types holds for other tenants.
    world.mongo.sums.insert_many([{"tenant_id": "ZZ", "id": 2, "n": "text"}, {"tenant_id": "ZZ", "id": 3, "n": [1]}])
    with world.admin() as admin:
        admin.execute(OBJECTS)
    with world.connect("UA") as on, world.connect("UA", pushdown=False) as off:
        sessions = (on, off)
        both(world, sessions, "SELECT id FROM found WHERE name IN (NULL::text) LIMIT 2", [],
             "LIMIT above a table that planning excluded (crashed the backend)")
        both(world, sessions, "SELECT p.id FROM found p JOIN LATERAL (SELECT f.id FROM found f WHERE f.name IN (NULL::text) "
             "LIMIT 2) s ON true", [], "and below a LATERAL")
        both(world, sessions, "SELECT count(*) FROM found WHERE name IN (NULL::text)", [0], "and below an aggregate")
        both(world, sessions, "SELECT id FROM found WHERE ts > '5000000-01-01'::date", [],
             "a timestamptz and a date that no timestamptz holds (raised 22008)")
        both(world, sessions, "SELECT id FROM found WHERE ts < '5000000-01-01'::date ORDER BY id", [1, 2],
             "the other way round")
        both(world, sessions, "SELECT id FROM found WHERE 5 = ANY (inner_array)", [1],
             "an array inside an array (lost its row)")
        both(world, sessions, "SELECT id FROM found WHERE inner_array @> '{7}'", [2], "and @> on it")
        both(world, sessions, "SELECT member, count(*) FROM found GROUP BY 1 ORDER BY 1", [(5, 1), (None, 2)],
             "a scalar where a document should be is NULL below an aggregate too (raised 22018)")
        both(world, sessions, "SELECT id FROM found WHERE d IN ('2020-01-01') ORDER BY id LIMIT 2", [1, 2],
             "a timestamp below a LIMIT (one server could not read the dates of its range)")
        both(world, sessions, "SELECT id FROM elements WHERE 'NaN' >= ANY (f)", [1],
             "an element below NaN, beside a null (lost its row)")
        both(world, sessions, "SELECT i8 % 10 AS rest, count(*) FROM elements GROUP BY 1 ORDER BY 1",
             [(-3, 1), (3, 1), (7, 1), (None, 1)], "the rest of an int64 (one server took it as a double)")
        both(world, sessions, "SELECT count(n), max(n)::text, min(n) FROM money", [(3, "NaN", Decimal("5.25"))],
             "the least int64 is no numeric(15,2) (an error of the server, for whomever it belonged to)")
        both(world, sessions, "SELECT id FROM money WHERE n > 5 ORDER BY id LIMIT 9", [2, 3, 4], "nor in a condition")
        on.execute("SET cpu_tuple_cost = 1")  # what can run remotely, not what is cheap
        both(world, sessions, "SELECT count(DISTINCT r), count(DISTINCT r) FILTER (WHERE id < 3) FROM reals", [(2, 1)],
             "several doubles that round to one real are one value (were counted as several)")
        on.execute("RESET cpu_tuple_cost")
        both(world, sessions, "SELECT sum(n), avg(n), sum(i8) FROM trusted", [(Decimal(-2**63),) * 3],
             "and in sums, where the types are trusted")
        # One server orders the least int64 otherwise than its double: it is asked for as a range.
        for condition, count in (("i8 NOT IN (1, -9223372036854775808)", 2), ("i8 <> -9223372036854775808", 2),
                                 ("i8 = -9223372036854775808", 1), ("i8 > -9223372036854775808", 2)):
            both(world, sessions, "SELECT count(*) FROM least WHERE " + condition, [count], "counted where " + condition)
done()
