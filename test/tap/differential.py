"""A bounded run of the differential fuzzer (test/differential); its seed is printed.

The seed is always the same one here, so that a failure is a change's; make check-long takes new ones.
MTF_FUZZ_SEED is another seed ("random": a new one), MTF_FUZZ_QUERIES and MTF_FUZZ_SECONDS bound it.
"""

from fuzzing import run
from tap import World, diag, done, is_, ok

with World(objects=False) as world:
    fuzzer, _ = run(world, world.uri, seed=20130101, queries=300, seconds=60, per_world=75, shrink_seconds=10)
    counts = fuzzer.counts
    is_(counts["FAILURES"], 0, "no query gives other rows with pushdown, without, or locally")
    ok(counts["invalid"] <= counts["queries"] // 100, "nearly every query is one that PostgreSQL takes")
    ok(counts["compared"] > counts["queries"] * 0.9, "nearly every query could be compared")
    ok(counts["partitions"] > 0, "aggregates over p, NOT p and p IS NULL were added up")
    ok(counts["rows"] > counts["queries"], "the queries had rows to compare")
    diag("%d queries, %d executions, %d rows, %d partitions" % (
        counts["queries"], counts["executions"], counts["rows"], counts["partitions"]))
done()
