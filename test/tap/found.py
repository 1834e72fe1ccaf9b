"""What the differential fuzzer found, each as one query: each failed before it was mended."""

import datetime

from tap import World, done, is_

OBJECTS = """
CREATE FOREIGN TABLE found (
    id integer, name text, ts timestamptz, d timestamp, member integer OPTIONS (path 'sub.member'),
    inner_array integer[] OPTIONS (path 'list.1')
) SERVER mongo;
GRANT SELECT ON found TO mtf_app;
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
done()
