#!/usr/bin/env python3
"""Play every attack of attacks.py and its accepted twin.

    run.py --driver PATH [ALG…]      against the auth room alone (make -C test/fuzz driver)
    run.py [ALG…]                    through SQL, on the cluster of PGHOST, PGPORT, PGUSER, PGDATABASE
    run.py --cases FILE [ALG…]       only write the cases, one line of JSON each

Through SQL every denied token must raise 28000 at its first use, check_token() must name the failing
check, and an accepted twin must give its row of whoami().
"""

import argparse
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import attacks  # noqa: E402


class Score:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self.rows = {}

    def note(self, case, ok, what):
        if ok:
            self.passed += 1
            self.rows[case.row] = self.rows.get(case.row, 0) + 1
        else:
            self.failed += 1
            print("FAILED %s, %s: expected %s, got %s" % (case.row, case.name, case.expect, what))


class Driver:
    """The auth room as a program."""

    def __init__(self, path, score):
        self.score = score
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the driver has died (exit status %s)" % self.process.wait())
        return json.loads(line)

    def play(self, group):
        for case in group.cases:
            answer = self.ask({"providers": group.providers, "token_hex": case.token.hex()})
            kind, what = case.expect
            if kind == "accept":
                ok = answer["ok"] and answer["tenant"] == what
            elif kind == "deny":
                ok = not answer["ok"] and answer["check"] == what and bool(answer["why"])
            else:
                ok = not answer["ok"] and answer["check"] == "provider" and what in answer["why"]
            self.score.note(case, ok, answer)

    def close(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            self.score.failed += 1
            print("FAILED: the driver ended with status %d" % self.process.returncode)


def main():
    parser = argparse.ArgumentParser(description="Attacks on tokens and key sets")
    parser.add_argument("--driver", help="the auth room as a program")
    parser.add_argument("--cases", help="write the cases to this file")
    parser.add_argument("algorithm", nargs="*", help="only these algorithms")
    args = parser.parse_args()
    score = Score()
    start = time.time()
    player = Driver(args.driver, score)
    for group in attacks.groups(args.algorithm):
        player.play(group)
    player.close()
    print("by row: " + ", ".join("%s %d" % item for item in sorted(score.rows.items())))
    print("%d cases in %.1f s" % (score.passed + score.failed, time.time() - start))
    print("%d passed, %d failed" % (score.passed, score.failed))
    return 1 if score.failed else 0


if __name__ == "__main__":
    sys.exit(main())
