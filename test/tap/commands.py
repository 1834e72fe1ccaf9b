"""Whatever the query, each pipeline that is sent begins with the tenant, the inner ones too.

Its cluster is its own: the fuzzer opens many sessions.  A proxy stands between PostgreSQL and the document server
while the differential fuzzer asks its random queries: joins in all forms, bind joins, aggregates, partitions,
estimates.  MTF_FUZZ_SEED, MTF_FUZZ_QUERIES and MTF_FUZZ_SECONDS as in differential.py.
"""

import collections

from fuzzing import run
from recorder import Recorder
from tap import World, diag, done, is_, ok
import worlds

READS = {"aggregate"}
# Nothing of these says a value of a document.
HARMLESS = {"hello", "isMaster", "ismaster", "ping", "getMore", "killCursors", "killSessions", "endSessions", "buildInfo",
            "listIndexes", "listCollections"}
OTHERS = ("$lookup", "$unionWith")
NEVER = ("$graphLookup", "$out", "$merge", "$where", "$function", "$accumulator", "$indexStats", "$collStats", "$documents",
         "$listSessions", "$currentOp", "$search", "$facet")


def inside(value, name):
    """All that stands under a name, however deep."""
    if isinstance(value, dict):
        return [part for key, part in value.items() if key == name] + [one for part in value.values() for one in inside(part, name)]
    return [one for part in value for one in inside(part, name)] if isinstance(value, list) else []


def tenant_of(pipeline):
    """The tenant by whom a pipeline begins: an equality, or the first $match if that was left out; then the whole predicate."""
    for stages in (pipeline[:1], pipeline[1:2]):
        for stage in stages:
            for terms in inside(stage.get("$match", {}), "$and"):
                if len(terms) >= 3 and isinstance(terms[0].get("tenant_id"), dict) and "$eq" in terms[0]["tenant_id"]:
                    tenant = terms[0]["tenant_id"]["$eq"]
                    first = pipeline[0].get("$match", {})
                    if terms[1] == {"tenant_id": {"$type": "string"}} and terms[2] == {"tenant_id": {"$not": {"$type": "array"}}} \
                            and (stages[0] is pipeline[0] or next(iter(first.items())) == ("tenant_id", tenant)):
                        return tenant
    return None


def wrong(command):
    """What is wrong with a command; None: nothing."""
    name = next(iter(command))
    if name in HARMLESS or name.startswith("sasl"):
        return None
    if name not in READS:
        return "command %s" % name
    tenant = tenant_of(command["pipeline"])
    if tenant not in worlds.TENANTS:
        return "tenant %r" % (tenant,)
    for other in OTHERS:
        for stage in inside(command["pipeline"], other):
            if tenant_of(stage.get("pipeline", [])) != tenant:
                return "%s without its tenant" % other
    for stage in NEVER:
        if inside(command["pipeline"], stage):
            return stage
    return None


with World(objects=False, own_cluster=True) as world, Recorder(world.uri) as recorder:
    fuzzer, _ = run(world, recorder.uri, seed=20130102, queries=100, seconds=30, per_world=50)
    is_(fuzzer.counts["FAILURES"], 0, "the proxy changes nothing")
    names = collections.Counter(next(iter(command)) for command in recorder.commands)
    forms = collections.Counter(form for command in recorder.commands for form in OTHERS for _ in inside(command, form))
    diag("%s; %s" % (dict(names), dict(forms)))
    ok(names["aggregate"] > fuzzer.counts["queries"] and all(forms[form] > 0 for form in OTHERS), "positive control: there was much to look at")
    problems = [(problem, command) for command in recorder.commands for problem in [wrong(command)] if problem]
    ok(not problems, "each pipeline begins with the tenant, and each inner one with the same") or diag("\n".join(map(str, problems[:3])))
    is_(sorted(set(tenant_of(command["pipeline"]) for command in recorder.commands if "aggregate" in command)), ["DL", "UA"],
        "positive control: both tenants asked")
done()
