"""The differential fuzzer (test/differential) inside a test.

MTF_FUZZ_SEED is another seed than the test's own ("random": a new one), MTF_FUZZ_QUERIES and
MTF_FUZZ_SECONDS bound the run.  Its modules can be imported after this one.
"""

import os
import sys

import seeds
import servers

sys.path.insert(0, os.path.join(servers.ROOT, "test", "differential"))
import fuzz  # noqa: E402


def run(world, uri, seed, queries, seconds, per_world, shrink_seconds=1):
    """The fuzzer with its counts, and the arguments it ran with."""
    args = fuzz.arguments([
        "--seed", str(seeds.seed(seed, "MTF_FUZZ_SEED")),
        "--queries", os.environ.get("MTF_FUZZ_QUERIES", str(queries)),
        "--seconds", os.environ.get("MTF_FUZZ_SECONDS", str(seconds)),
        "--per-world", str(per_world), "--max-failures", "5", "--shrink-seconds", str(shrink_seconds)])
    return fuzz.fuzz(args, {"host": world.env["PGHOST"], "port": world.env["PGPORT"]}, uri), args
