"""Nothing that is sent can fail on any document: another tenant's would be told by the error.

A server may evaluate an expression on documents that the tenant's predicate has not taken away yet (one engine
does), whatever the owner has promised of their types (trust_types).  So each expression that the fuzzer's
queries send, recorded by a proxy, is run again on hostile documents of everybody, with nothing in front of it.
MTF_FUZZ_SEED, MTF_FUZZ_QUERIES and MTF_FUZZ_SECONDS as in differential.py; they run again for as many seconds.
"""

import random
import time

import pymongo

import fixtures
from fuzzing import run
from recorder import Recorder
from tap import World, diag, done, is_, ok
import values
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

RAW = CodecOptions(document_class=RawBSONDocument)
COLUMNS = ["c%d" % number for number in range(1, 9)]
# What a server may say of what is too large or takes too long, whatever stands in the documents.
LIMITS = {50, 146, 262, 292, 10334, 17419}


def hostile_document(identity, value):
    """A value of value() at the path of every column that a world may have."""
    def columns():
        return [values.field(name, value()) for name in COLUMNS]
    sub = columns() + [b"\x03deep\0" + values.frame(columns())]
    lists = [b"\x04list_" + name.encode() + b"\0" + values.frame([values.field("0", 0), values.field("1", value())])
             for name in COLUMNS]
    return RawBSONDocument(values.frame(
        [values.field("_id", identity), values.field("tenant_id", "ZZ"), values.field("id", value())] + columns() +
        [b"\x03sub\0" + values.frame(sub)] + lists))


def hostile_documents(rng):
    """Each hostile value everywhere, and many together."""
    return [hostile_document(number, lambda: value) for number, value in enumerate(values.HOSTILE)] + [
        hostile_document(-1 - number, lambda: rng.choice(values.HOSTILE)) for number in range(100)]


def bare(pipeline):
    """The pipeline without the $match that it begins with; the expressions there are computed as values."""
    stages = []
    begins = True
    for number, stage in enumerate(pipeline):
        (name, body), = stage.items()
        begins &= name == "$match"
        if begins:
            stages += [{"$addFields": {"tested%d_%d" % (number, i): condition}}
                       for i, condition in enumerate(expressions(body))]
        elif name in ("$lookup", "$unionWith"):
            # Of others there are few, so that a join of all with all ends.
            other = "from" if name == "$lookup" else "coll"
            stages.append({name: {**body, other: "few", "pipeline": bare(body["pipeline"])}})
        else:
            stages.append(stage)
    return stages


def expressions(match):
    """All $expr of a $match."""
    if isinstance(match, list):
        return [one for part in match for one in expressions(part)]
    if not isinstance(match, dict):
        return []
    return [one for name, part in match.items()
            for one in ([part] if name == "$expr" else expressions(part))]


def failure(database, collection, pipeline, options):
    try:
        list(database.get_collection(collection, RAW).aggregate(pipeline, maxTimeMS=20000, **options))
    except pymongo.errors.OperationFailure as error:
        return None if error.code in LIMITS else error
    return None


def is_refused(database, stages, options):
    """By an engine that has no such stage, whatever stands in the documents."""
    return failure(database, "nobody", stages, options) is not None


with World(objects=False, own_cluster=True) as world, Recorder(world.uri) as recorder:
    fuzzer, args = run(world, recorder.uri, seed=20130103, queries=80, seconds=20, per_world=25)
    is_(fuzzer.counts["FAILURES"], 0, "the proxy changes nothing")
    documents = hostile_documents(random.Random(args.seed))
    for number in range(1, 5):
        fixtures.insert_taken(world.mongo["t%d" % number], documents)
    fixtures.insert_taken(world.mongo["few"], documents[::7])
    world.mongo["nobody"].insert_one({"_id": "without a field"})
    seen, problems, ran = set(), [], 0
    end = time.monotonic() + args.seconds
    for command in recorder.commands:
        if "aggregate" not in command or repr(command["pipeline"]) in seen or time.monotonic() > end:
            continue
        seen.add(repr(command["pipeline"]))
        stages = bare(command["pipeline"])
        options = {"collation": command["collation"]} if "collation" in command else {}
        error = failure(world.mongo, command["aggregate"], stages, options)
        ran += any(name != "$project" for stage in stages for name in stage)
        if error is not None and not is_refused(world.mongo, stages, options):
            problems.append((error, stages))
    diag("%d pipelines with expressions" % ran)
    ok(ran > 10, "positive control: there was much to run")
    ok(failure(world.mongo, "t1", [{"$addFields": {"x": {"$toLong": "$c1"}}}], {}) is not None,
       "positive control: what can fail does, on these documents")
    ok(not problems, "no expression that is sent fails on any document") or diag(
        "%d of them\n%s" % (len(problems), "\n".join("%s\n%s" % (error, stages) for error, stages in problems[:5])))
done()
