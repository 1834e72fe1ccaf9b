"""A bounded run of the differential fuzzer (test/differential); its seed is printed.

The seed is always the same one here, so that a failure is a change's; make check-long takes new ones.
MTF_FUZZ_SEED is another seed ("random": a new one), MTF_FUZZ_QUERIES and MTF_FUZZ_SECONDS bound it.
"""

import os
import random
import sys

from tap import World, diag, done, is_, ok
import servers

sys.path.insert(0, os.path.join(servers.ROOT, "test", "differential"))
import fuzz  # noqa: E402

seed = os.environ.get("MTF_FUZZ_SEED", "20130101")
if seed == "random":
    seed = str(random.SystemRandom().randrange(10**9))
with World(objects=False) as world:
    args = fuzz.arguments([
        "--seed", seed,
        "--queries", os.environ.get("MTF_FUZZ_QUERIES", "300"),
        "--seconds", os.environ.get("MTF_FUZZ_SECONDS", "60"),
        "--per-world", "75", "--max-failures", "5", "--shrink-seconds", "10"])
    fuzzer = fuzz.fuzz(args, {"host": world.env["PGHOST"], "port": world.env["PGPORT"]}, world.uri)
    counts = fuzzer.counts
    is_(counts["FAILURES"], 0, "no query gives other rows with pushdown, without, or locally")
    ok(counts["invalid"] <= counts["queries"] // 100, "nearly every query is one that PostgreSQL takes")
    ok(counts["compared"] > counts["queries"] * 0.9, "nearly every query could be compared")
    ok(counts["partitions"] > 0, "aggregates over p, NOT p and p IS NULL were added up")
    ok(counts["rows"] > counts["queries"], "the queries had rows to compare")
    diag("%d queries, %d executions, %d rows, %d partitions" % (
        counts["queries"], counts["executions"], counts["rows"], counts["partitions"]))
done()
