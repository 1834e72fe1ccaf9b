"""threats.md "Token": every attack of test/attacks, made with fresh keys, through SQL.

A denied token raises 28000 at its first use and check_token() names the failing check; its accepted
twin, which differs in the attacked property only, gives its row of whoami().  One assertion stands for
all cases of one row of the table under one algorithm and one way of giving its key.
MTF_ALGORITHMS ("RS256 HS256", default all) restricts it to some algorithms: a mutant needs not all of them.
"""
import os
import sys

import servers
from tap import World, diag, done, ok

sys.path.insert(0, os.path.join(servers.ROOT, "test", "attacks"))
import attacks  # noqa: E402
import run  # noqa: E402


class ByRow(run.Score):
    """Counts per row, algorithm and form; tells which cases failed."""

    def __init__(self):
        super().__init__()
        self.groups = {}

    def note(self, case, passed, what):
        label = "%s, %s" % (case.row, case.name.split(":")[0].split(" ")[0])
        counts = self.groups.setdefault(label, [0, []])
        counts[0] += 1
        if not passed:
            counts[1].append("%s: expected %s, got %s" % (case.name, case.expect, what))


def main():
    with World(engine=False, objects=False) as world:
        os.environ.update({name: world.env[name] for name in ("PGHOST", "PGPORT")},
                          PGUSER="postgres", PGDATABASE=world.name)
        with world.admin() as admin:
            admin.execute("CREATE EXTENSION mongo_tenant_fdw")
        score = ByRow()
        player = run.Sql(score)
        ok(player.key_dir, "files of key_dir can be written")
        only = os.environ.get("MTF_ALGORITHMS", "").split()
        for group in attacks.groups(only):
            player.play(group)
        player.play_catalog(only)
        player.close()
        total = 0
        for label, (count, failures) in sorted(score.groups.items()):
            ok(not failures, "%s: %d cases" % (label, count))
            for failure in failures[:5]:
                diag(failure)
            total += count
        ok(total > (1000 if only else 30000), "the whole suite was played" if not only else "its part was played")
        diag("%d cases; %d no SQL text can hold" % (total, score.skipped))
    done()


main()
