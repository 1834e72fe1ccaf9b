"""A scan whose columns and conditions are all in one index: what is sent needs nothing but the index's keys.

No server at hand says in its plans whether it fetched documents, so the commands are judged by MongoDB's documented rules:
every field that is asked for or returned is in the index, `_id` is excluded, nothing is compared with null, nothing is
an expression over the document, no test needs to see an array.  One thing breaks them, on purpose: the tenant's predicate
tests the type of its field, and mongod fetches documents for that ($type is no exact bound, $not of it none at all).
This test says that nothing else does.
"""
import datetime

import bson
import defects

from recorder import Recorder
from tap import World, diag, done, is_, ok

INDEX = ("tenant_id", "a", "b")
COLUMNS = "id integer, a integer, b text COLLATE \"C\", c integer, d timestamptz OPTIONS (path 'a')"
PREDICATE = {"tenant_id: $type", "tenant_id: $not"}


def conditions(match):
    """(field, operator, operand) of a match document, `and`s flattened."""
    for field, condition in match.items():
        if field == "$and":
            for part in condition:
                yield from conditions(part)
        elif field.startswith("$"):
            yield field, field, condition
        elif isinstance(condition, dict) and condition and all(key.startswith("$") for key in condition):
            for operator, operand in condition.items():
                yield field, operator, operand
        else:
            yield field, "$eq", condition


def breaks_match(match, index):
    for field, operator, operand in conditions(match):
        if field.startswith("$") and field not in ("$or",):
            yield field
        elif field == "$or":
            for branch in operand:
                yield from breaks_match(branch, index)
        elif field not in index:
            yield "%s: not in the index" % field
        elif operator in ("$type", "$not", "$elemMatch", "$exists"):
            yield "%s: %s" % (field, operator)
        elif operand is None or (operator == "$in" and None in operand):
            yield "%s: null" % field
        elif isinstance(operand, (list, bson.SON)) and operator not in ("$in", "$nin"):
            yield "%s: an array" % field


def breaks_projection(project, index):
    if project.get("_id", 1):
        yield "_id"
    for field, value in project.items():
        if field != "_id" and (value is not True and value != 1):
            yield "%s: computed" % field
        elif field != "_id" and field not in index:
            yield "%s: not in the index" % field


def breaks(pipeline, index=INDEX):
    """Why the index alone cannot answer."""
    found, projected = set(), False
    for stage in pipeline:
        (name, value), = stage.items()
        if name == "$match":
            found.update(breaks_match(value, index))
        elif name == "$project":
            found.update(breaks_projection(value, index))
            projected = True
        elif name == "$sort":
            found.update("%s: not in the index" % field for field in value if field not in index)
        elif name == "$group":
            # What it names is all that is used of the documents; what follows sees groups.
            found.update("%s: not in the index" % field for field in fields(value) if field not in index)
            return found
        elif name not in ("$limit", "$skip"):
            found.add(name)
    if not projected:
        found.add("whole documents")
    return found


def fields(expression):
    """The top-level fields that an expression reads."""
    if isinstance(expression, str) and expression.startswith("$") and not expression.startswith("$$"):
        return {expression[1:].split(".")[0]}
    if isinstance(expression, dict):
        return set().union(*(fields(part) for key, part in expression.items() if key != "$literal"))
    return set().union(*map(fields, expression)) if isinstance(expression, list) else set()


def sent(recorder, session, query, parameters=None):
    recorder.commands.clear()
    rows = session.execute(query, parameters).fetchall()
    commands = [command for command in recorder.commands if next(iter(command)) in ("aggregate", "find")]
    is_(len(commands), 1, "one command: " + query)
    return rows, commands[0]["pipeline"]


# Of `careful`, where every value is looked at, and of `trusting`, where types are promised.
BOTH = (
    "SELECT a FROM %s WHERE a = 3", "SELECT b FROM %s WHERE a = 3", "SELECT a, b FROM %s WHERE a = 3 AND b = 'b1'",
    "SELECT a, b FROM %s", "SELECT b FROM %s", "SELECT 1 FROM %s WHERE a > 2", "SELECT a FROM %s WHERE a BETWEEN 2 AND 4",
    "SELECT b FROM %s WHERE a IN (1, 3, 5) AND b > 'b0'", "SELECT a FROM %s WHERE b LIKE 'b%%'", "SELECT a FROM %s WHERE a < 3 AND b >= 'b1'",
    "SELECT a + 1, upper(b) FROM %s WHERE a = 2", "SELECT a FROM %s WHERE a = 2 OR a > 5", "SELECT a FROM %s WHERE a = 2 OR b = 'b2'",
    "SELECT a FROM %s WHERE a <> 2 AND a > 1",
    "SELECT DISTINCT b FROM (SELECT b FROM %s WHERE a = 3 OFFSET 0) x", "SELECT a FROM %s WHERE a = (SELECT 3)",
    "SELECT tableoid::regclass::text = 'x', a FROM %s WHERE a = 4")
# With promised types these are exact without tests of types.
TRUSTING = (
    "SELECT a, b FROM %s WHERE a > 1 ORDER BY a, b", "SELECT a FROM %s WHERE a > 1 ORDER BY a LIMIT 3",
    "SELECT b FROM %s WHERE a = 3 LIMIT 2", "SELECT a FROM %s WHERE a > 1 ORDER BY a DESC LIMIT 3",
    "SELECT count(*) FROM %s WHERE a = 3", "SELECT a, count(*) FROM %s WHERE a > 1 GROUP BY a",
    "SELECT max(a), min(a) FROM %s WHERE a > 0", "SELECT DISTINCT b FROM %s WHERE a > 2")
# Controls: what the judge must find.
BROKEN = (
    ("SELECT c FROM careful WHERE a = 3", "c: not in the index"), ("SELECT a FROM careful WHERE c = 3", "c: not in the index"),
    ("SELECT id FROM careful WHERE a = 3", "id: not in the index"), ("SELECT a FROM trusting WHERE b IS NULL", "b: null"),
    ("SELECT b FROM trusting WHERE a >= 1 AND length(b) = 2", "$expr"),
    ("SELECT a FROM careful WHERE a > 1 ORDER BY a LIMIT 3", "$expr"))


def judge(recorder, session, query, tenant):
    rows, pipeline = sent(recorder, session, query)
    found = breaks(pipeline)
    ok(PREDICATE <= found, "the tenant's predicate is there: " + query)
    is_(sorted(found - PREDICATE), [], "%s: nothing else needs a document: %s" % (tenant, query)) or diag(pipeline)
    return rows


with World() as world, Recorder(world.uri) as recorder:
    for tenant, factor in (("UA", 1), ("DL", 10)):
        world.mongo.covered.insert_many([{"_id": "%s%d" % (tenant, k), "tenant_id": tenant, "id": k, "a": k % 7 * factor, "b": "b%d" % (k % 3),
                                          "c": k, "d": datetime.datetime(2020, 1, 1)} for k in range(40)])
    world.mongo.covered.create_index([(field, 1) for field in INDEX])
    # There a pipeline with this index, whoever sends it, lacks rows.
    ends_early = defects.ends_a_range_early(world.mongo)
    with world.admin() as admin:
        admin.execute("CREATE SERVER recorded FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database '%s',"
                      " providers 'test', tenant_field 'tenant_id')" % (recorder.uri, world.name))
        for name, options in (("careful", ""), ("trusting", ", trust_types 'true'")):
            admin.execute("CREATE FOREIGN TABLE %s (%s) SERVER recorded OPTIONS (collection 'covered'%s); GRANT SELECT ON %s TO mtf_app"
                          % (name, COLUMNS.rsplit(",", 1)[0], options, name))
    for tenant in ("UA", "DL"):
        with world.connect(tenant) as on, world.connect(tenant, pushdown=False) as off:
            for query in [one % name for name in ("careful", "trusting") for one in BOTH] + [one % "trusting" for one in TRUSTING]:
                if "BETWEEN" in query and ends_early:
                    judge(recorder, on, query, tenant)
                    continue
                is_(sorted(judge(recorder, on, query, tenant), key=repr) if "LIMIT" not in query else len(judge(recorder, on, query, tenant)),
                    sorted(off.execute(query).fetchall(), key=repr) if "LIMIT" not in query else len(off.execute(query).fetchall()),
                    "%s: the same rows: %s" % (tenant, query))
            for query, why in BROKEN:
                pipeline = sent(recorder, on, query)[1]
                ok(why in breaks(pipeline), "control: %s (%s)" % (why, query)) or diag(pipeline)
done()
