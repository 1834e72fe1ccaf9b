"""use_remote_estimate: planning asks for counts under the tenant and for indexes, and for nothing else."""
import re

from bson.int64 import Int64

from faultserver import FaultServer, failure
from tap import World, ok, is_, throws, done
from wire import batch

COUNTS = {"UA": 500, "DL": 70}


def tenant_of(command):
    """The tenant of the first stage; what the second one must say of it is checked, too."""
    tenant = command["pipeline"][0]["$match"]["tenant_id"]
    return tenant if {"tenant_id": {"$eq": tenant}} in command["pipeline"][1]["$match"]["$and"][0]["$and"] else None


def count(server, command):
    if not any("$group" in stage for stage in command["pipeline"]):
        return batch(command, server._documents(0))
    tenant = tenant_of(command)
    tenants = {"t0l": {"tenant_id": tenant}, "t0h": {"tenant_id": tenant}}
    if is_sample(command):  # a quarter of what is looked at satisfies the first condition, nothing the second
        return batch(command, [{"a0": 1000, "a1": 250, "a2": 0, **tenants}])
    return batch(command, [{"a0": COUNTS[tenant], **tenants}])


def is_sample(command):
    return any("$limit" in stage for stage in command["pipeline"])


def foreign_count(server, command):
    return batch(command, [{"a0": 570, "t0l": {"tenant_id": "DL"}, "t0h": {"tenant_id": "UA"}}])


def indexes(server, command):
    return {"ok": 1.0, "cursor": {"id": Int64(0), "ns": "x.%s" % command["listIndexes"], "firstBatch": [
        {"v": 2, "key": {"_id": 1}, "name": "_id_"},
        {"v": 2, "key": {"tenant_id": 1, "id": 1}, "name": "by_id", "unique": True},
        {"v": 2, "key": {"name": 1}, "name": "part", "partialFilterExpression": {"name": "other tenant's"}}]}}


def fresh(server):
    server.reset()
    server.at("aggregate", 0, count)
    server.at("listIndexes", 0, indexes)


def explain(session, query):
    return "\n".join(row[0] for row in session.execute("EXPLAIN " + query).fetchall())


def rows(session, query):
    return int(re.search(r"rows=(\d+)", explain(session, query)).group(1))


def cost(session, query):
    return float(re.search(r"\.\.([\d.]+) rows", explain(session, query)).group(1))


def make_tables(world, server):
    with world.admin() as admin:
        admin.execute("CREATE SERVER s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'x',"
                      " providers 'test', tenant_field 'tenant_id')" % server.uri)
        for name, option in (("plain", ""), ("asks", "OPTIONS (use_remote_estimate 'true')"),
                             ("again", "OPTIONS (use_remote_estimate 'true')"),
                             ("more", "OPTIONS (use_remote_estimate 'true')")):
            admin.execute("CREATE FOREIGN TABLE %s (id integer, name text) SERVER s %s;"
                          " GRANT SELECT ON %s TO mtf_app" % (name, option, name))


def without(world, server):
    fresh(server)
    with world.connect("UA") as ua:
        is_(rows(ua, "SELECT * FROM plain"), 10000, "off: a default")
        is_(server.log, [], "off: planning sends nothing")
    with world.connect() as nobody:
        is_(rows(nobody, "SELECT * FROM asks"), 10000, "without a token: a default, and no error")
        is_(server.log, [], "without a token: planning sends nothing")
    with world.connect(token="abc") as invalid:
        throws("28000", lambda: explain(invalid, "SELECT * FROM asks"), "a token that is none: denied")
        is_(server.log, [], "a token that is none: nothing is sent")


def asks(world, server):
    fresh(server)
    with world.connect("UA") as ua:
        is_(rows(ua, "SELECT * FROM asks"), 500, "the tenant's documents")
        is_(server.log, ["aggregate", "listIndexes"], "one count and the list of indexes")
        is_(tenant_of(server.commands[0]), "UA", "the count carries the tenant's predicate")
        is_(rows(ua, "SELECT * FROM asks"), 500, "the same again")
        is_(len(server.log), 2, "remembered for a while")
        by_index, by_scan = cost(ua, "SELECT * FROM asks WHERE id = 1"), cost(ua, "SELECT * FROM asks WHERE name = 'x'")
        ok(by_index < by_scan, "an index makes a scan cheaper (%s, without %s)" % (by_index, by_scan))
        ua.execute("SET plan_cache_mode = force_generic_plan")
        ua.execute("PREPARE p AS SELECT * FROM asks")
        is_(rows(ua, "EXECUTE p"), 500, "a generic plan of UA")
        world.identify(ua, world.token("DL"))
        is_(rows(ua, "EXECUTE p"), 70, "under DL's token it is made again")
        is_(tenant_of(server.commands[server.log.index("listIndexes", 3) - 1]), "DL", "with a count of DL's own")
        ua.execute("BEGIN")
        world.identify(ua, world.token("UA"))
        is_(rows(ua, "EXECUTE p"), 500, "UA again")
        ua.execute("ROLLBACK")
        is_(rows(ua, "EXECUTE p"), 70, "a transaction that aborts takes its token with it")
        is_(set(server.log), {"aggregate", "listIndexes"}, "no other command was ever sent")


def samples(world, server):
    """Where there are no statistics the server looks at a few documents, of the tenant."""
    fresh(server)
    with world.connect("UA") as ua:
        default = rows(ua, "SELECT * FROM plain WHERE id > 7")
        is_(rows(ua, "SELECT * FROM asks WHERE id > 7"), 125, "a quarter of the few, a quarter of all")
        sample = [command for command in server.commands if command.get("aggregate") and is_sample(command)][0]
        is_(tenant_of(sample), "UA", "they are the tenant's")
        limit = [list(stage)[0] for stage in sample["pipeline"]]
        is_(limit[:3], ["$match", "$match", "$limit"], "and few, before anything is computed")
        is_(rows(ua, "SELECT * FROM asks WHERE id > 7 AND name = 'x'"), 1, "one in 200 where none was found")
        ok(default == 3333, "no estimate asked for: PostgreSQL's default")
        asked = len(server.log)
        is_((rows(ua, "SELECT * FROM asks WHERE id > 7"), rows(ua, "SELECT * FROM asks WHERE id > 7 AND name = 'x'")), (125, 1),
            "the same conditions again")
        is_(len(server.log), asked, "are remembered as the counts are: nothing is asked")
        rows(ua, "SELECT * FROM asks WHERE id > 9")
        is_(len(server.log), asked + 1, "another value is another question")
        ua.execute("BEGIN")
        world.identify(ua, world.token("DL"))
        server.commands.clear()
        is_(rows(ua, "SELECT * FROM asks WHERE id > 7"), 18, "under DL's token the same condition is a quarter of DL's")
        is_([tenant_of(command) for command in server.commands if command.get("aggregate") and is_sample(command)], ["DL"],
            "asked of DL's documents, whatever UA's told")
        ua.execute("ROLLBACK")
        asked = len(server.log)
        is_(rows(ua, "SELECT * FROM asks WHERE id > 7"), 125, "UA's token again")
        is_(len(server.log), asked, "and UA's is still known")
        server.reset()
        server.at("aggregate", 0, foreign_count)
        server.at("listIndexes", 0, indexes)
        throws("XX001", lambda: explain(ua, "SELECT * FROM asks WHERE id > 8"), "a look at other tenants' is refused")


def ordered(world, server):
    """An index in the order of ORDER BY: the server has the first rows before it has looked at all of them."""
    fresh(server)
    with world.connect("UA") as ua:
        def costs(query):
            plan = "\n".join(row[0] for row in ua.execute("EXPLAIN (VERBOSE) " + query).fetchall())
            return (*map(float, re.search(r"cost=([\d.]+)\.\.([\d.]+)", plan).groups()), '"$sort"' in plan and "Sort Key" not in plan)
        every = costs("SELECT * FROM asks WHERE id > 0")
        by_id = costs("SELECT * FROM asks WHERE id > 0 ORDER BY id")
        down = costs("SELECT * FROM asks WHERE id > 0 ORDER BY id DESC NULLS LAST")
        by_name = costs("SELECT * FROM asks WHERE name > 'a' COLLATE \"C\" ORDER BY name COLLATE \"C\"")
        is_((by_id[2], down[2]), (True, True), "in the order of an index the server sorts, either way round")
        ok(by_id[0] == down[0] == every[0], "and the first row comes as soon as without an order (%s, %s)" % (by_id[0], every[0]))
        ok(by_name[0] > every[0] + 1, "without an index all are looked at first (%s)" % by_name[0])
        top, few = costs("SELECT * FROM asks WHERE id > 0 ORDER BY id LIMIT 2"), costs("SELECT * FROM asks WHERE id > 0 LIMIT 2")
        here = costs("SELECT * FROM asks WHERE id > 0 ORDER BY id, name COLLATE \"C\" LIMIT 2")
        ok(top[1] < here[1], "the first two by the index cost less (%s) than by a key that it has not (%s)" % (top[1], here[1]))
        ok(top[1] < every[1] and few[1] < every[1], "and less than all of them (%s)" % every[1])


def unique(world, server):
    """A unique index tells how many rows a join makes; statistics, which everybody could read, are not there."""
    fresh(server)
    with world.connect("UA") as ua:
        is_(rows(ua, "SELECT * FROM asks a JOIN again b ON a.id = b.id"), 500, "unique on both sides: a row each")
        is_(rows(ua, "SELECT * FROM asks a JOIN again b ON a.name = b.id::text"), 1250, "what is not unique: PostgreSQL's 200 values")
        is_(rows(ua, "SELECT id FROM asks GROUP BY id"), 500, "groups of a unique column")
        ok(rows(ua, "SELECT name FROM asks GROUP BY name") < 500, "and of another")
        is_(rows(ua, "SELECT * FROM plain a JOIN plain b ON a.id = b.id"), 10000 * 10000 // 200, "nothing is known where nothing is asked")
        is_(ua.execute("SELECT count(*) FROM pg_stats WHERE tablename = 'asks'").fetchone()[0], 0, "no statistics for anybody to read")


def faults(world, server):
    fresh(server)
    with world.connect("UA") as ua:
        server.at("listIndexes", 0, failure(13, "Unauthorized"))
        is_(rows(ua, "SELECT * FROM again"), 500, "who may not list indexes plans without them")
        server.at("aggregate", 0, foreign_count)
        throws("XX001", lambda: explain(ua, "SELECT * FROM more"), "a count over other tenants' documents is refused")
        fresh(server)
        server.at("listIndexes", 1, "close")
        throws("08006", lambda: explain(ua, "SELECT * FROM more"), "a connection that breaks is an error")
        is_(rows(ua, "SELECT * FROM more"), 500, "and the next statement plans")


def remapped(world, server):
    """The same token may come to mean another tenant: what was learned before is that of the first."""
    fresh(server)
    with world.admin() as admin, world.connect(token=world.token("UA", org="DL")) as user:
        is_(rows(user, "SELECT * FROM asks"), 500, "a token of UA")
        asked = len(server.log)
        is_((rows(user, "SELECT * FROM asks"), len(server.log)), (500, asked), "remembered (control)")
        admin.execute("UPDATE mongo_tenant.provider SET tenant_claim = 'org'")
        is_(rows(user, "SELECT * FROM asks"), 70, "another claim is the tenant: a count of DL's own")
        admin.execute("UPDATE mongo_tenant.provider SET tenant_claim = 'tenantId'")
        is_(rows(user, "SELECT * FROM asks"), 500, "and back")
        for change, name in (("SELECT mongo_tenant.set_policy('s', 'asks', field => 'owner')", "a policy"),
                             ("ALTER FOREIGN TABLE asks OPTIONS (ADD collection 'others')", "another collection"),
                             ("ALTER SERVER s OPTIONS (SET tenant_field 'owner')", "another field")):
            server.reset()
            server.at("aggregate", 0, lambda server, command: batch(command, [{
                "a0": 7, "t0l": {"tenant_id": "UA", "owner": "UA"}, "t0h": {"tenant_id": "UA", "owner": "UA"}}]))
            server.at("listIndexes", 0, indexes)
            admin.execute(change)
            is_(rows(user, "SELECT * FROM asks"), 7, name + ": counted anew")


def analyze(world, server):
    fresh(server)
    with world.admin() as admin:
        world.identify(admin, world.token("UA"))
        admin.execute("ANALYZE asks")
        # The sessions of before may still be taking their leave.
        is_([name for name in server.log if name != "endSessions"], [], "ANALYZE sends nothing")
        is_(admin.execute("SELECT count(*) FROM pg_statistic WHERE starelid = 'asks'::regclass").fetchone()[0], 0,
            "and writes no statistics")


with FaultServer() as server, World(engine=False) as world:
    make_tables(world, server)
    without(world, server)
    asks(world, server)
    samples(world, server)
    ordered(world, server)
    unique(world, server)
    faults(world, server)
    analyze(world, server)
    remapped(world, server)
done()
