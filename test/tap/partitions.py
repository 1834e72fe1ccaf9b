"""Aggregates over foreign partitions: each server groups its own documents, and the rows stay the same."""

import datetime

import bson

from tap import World, SWITCHES, ok, is_, throws, done

COLUMNS = ('id integer, k integer, b boolean, name text COLLATE "C", price numeric(12,2), big bigint,'
           ' placed timestamp, any_scale numeric, top bigint')
PARTITIONS = 3
PER_PARTITION = 40

FULL = ("SELECT id, count(*), sum(price), avg(big), stddev(k) FROM parts GROUP BY id",
        "SELECT id, max(name) FROM parts WHERE k > 2 GROUP BY id HAVING count(*) > 0")
PARTIAL = ("SELECT k, count(*), count(b), sum(k), avg(k), min(name), max(price), min(placed), bool_and(b),"
           " bool_or(b) FROM parts GROUP BY k",
           "SELECT count(*), sum(k), avg(k), max(big), every(b) FROM parts",
           "SELECT count(*), sum(k), avg(k), max(big), every(b) FROM parts WHERE k = 77",
           "SELECT k % 2, count(*) FILTER (WHERE b), avg(k) FILTER (WHERE id > 5) FROM parts GROUP BY 1"
           " HAVING sum(k) > 10",
           "SELECT k, sum(price), avg(price), sum(big), avg(big), sum(any_scale), avg(any_scale) FROM parts GROUP BY k",
           "SELECT sum(price), avg(big), sum(any_scale) FROM parts",
           "SELECT sum(price), avg(price), sum(big), avg(big) FROM parts WHERE k = 77",
           "SELECT b, sum(price) FILTER (WHERE k = 3), avg(big) FILTER (WHERE k = 99), avg(any_scale) FROM parts GROUP BY b",
           "SELECT sum(price * 2), sum(top), avg(top) FROM parts",
           "SELECT date_trunc('month', placed), count(*) FROM parts GROUP BY 1")
# States that PostgreSQL hands over in a form of its own.
HERE = (("SELECT k, variance(k) FROM parts GROUP BY k", "PARTIAL variance"),
        ("SELECT k, stddev(price) FROM parts GROUP BY k", "PARTIAL stddev"))


def documents(partition):
    for tenant in ("UA", "DL"):
        for i in range(PER_PARTITION):
            number = partition * 100 + i
            yield {"tenant_id": tenant, "id": number, "k": i % 7 if i % 5 else None, "b": (None, True, False)[i % 3],
                   "name": "n%d" % (i % 4), "price": i if tenant == "UA" else 1000 + i, "big": 2**40 + i,
                   "any_scale": bson.Decimal128("%d.%s" % (i, "125"[:i % 4])) if i % 4 else i, "top": bson.Int64(2**63 - 1 - i),
                   "placed": None if i % 11 == 0 else datetime.datetime(2020 + i % 3, 1 + i % 12, 3)}


def make(world):
    with world.admin() as admin:
        # Two servers, which are the same here: PostgreSQL cannot know.
        for name in ("p_one", "p_two"):
            admin.execute("CREATE SERVER %s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s',"
                          " providers 'test', tenant_field 'tenant_id')" % (name, world.uri, world.name))
        admin.execute("CREATE TABLE parts (%s) PARTITION BY RANGE (id)" % COLUMNS)
        for partition in range(PARTITIONS):
            world.mongo["part%d" % partition].insert_many(list(documents(partition)))
            admin.execute("CREATE FOREIGN TABLE part%d PARTITION OF parts FOR VALUES FROM (%d) TO (%d) SERVER %s"
                          % (partition, partition * 100, partition * 100 + 100, ("p_one", "p_two")[partition % 2]))
        admin.execute("GRANT SELECT ON parts TO mtf_app")


def plan(session, query):
    return "\n".join(row[0] for row in session.execute("EXPLAIN (VERBOSE, COSTS OFF) " + query).fetchall())


def rows(session, query):
    return sorted(map(repr, session.execute(query).fetchall()))


with World() as world:
    make(world)
    with world.connect("UA") as session, world.connect("DL") as other:
        for each in (session, other):
            each.execute("SET enable_partitionwise_aggregate = on; SET cpu_tuple_cost = 1")
        for query in FULL + PARTIAL + tuple(query for query, _ in HERE):
            expected = {}
            for each, tenant in ((session, "UA"), (other, "DL")):
                for switch in SWITCHES:
                    each.execute("SET mongo_tenant.enable_%s_pushdown = off" % switch)
                expected[tenant] = rows(each, query)
                for switch in SWITCHES:
                    each.execute("RESET mongo_tenant.enable_%s_pushdown" % switch)
                is_(rows(each, query), expected[tenant], "%s: %s" % (tenant, query[:70]))
            if "sum(price)" in query and "77" not in query:
                ok(expected["UA"] != expected["DL"], "control: another tenant's prices")
        for query in FULL:
            text = plan(session, query)
            is_(text.count('"$group"'), PARTITIONS, "each partition groups: " + query[:50])
            ok("Aggregate" not in text, "and there is nothing left to do")
        for query in PARTIAL:
            # Before PostgreSQL 14 a numeric has no infinity, and a Decimal128 that is one does not decode.
            if "any_scale" in query and session.info.server_version < 140000:
                continue
            text = plan(session, query)
            is_(text.count('"$group"'), PARTITIONS, "each partition groups its part: " + query[:50])
            ok("Finalize" in text, "which are put together here")
        for query, why in HERE:
            text = plan(session, query)
            is_(text.count('"$group"'), 0, "stays here: " + query)
            ok("%s(" % why in text and "its partial state is neither a value nor a sum and a count" in text, "and says why")
        world.mongo.part1.insert_one({"tenant_id": "UA", "id": 150, "k": "text"})
        throws("22018", lambda: rows(session, PARTIAL[0]), "a value that does not fit is an error in one partition, too")
        is_(len(rows(other, PARTIAL[0])), 8, "and none of another tenant's")

done()
