"""TPC-H, small: all 22 queries over foreign tables give what local tables give (test/tpch for more).

MTF_TPCH_SCALE is another scale than 0.001, at which two queries have no rows at all.
"""

import os
import sys

from tap import World, done
import servers

sys.path.insert(0, os.path.join(servers.ROOT, "test", "tpch"))
import tpch  # noqa: E402

with World(objects=False) as world:
    args = tpch.arguments(["--scale", os.environ.get("MTF_TPCH_SCALE", "0.001"), "--no-off", "--lax",
                           "--repeat", "1", "--timeout", "300"])
    tpch.run(args, {"host": world.env["PGHOST"], "port": world.env["PGPORT"]}, world.uri)
done()
