#!/usr/bin/env python3
"""What a first verification costs per algorithm: measure.py DRIVER [REPEATS]

The whole way from text to claims, without the verdict cache.  For RS* and ES* under libjwt 1.x a
token of typ at+jwt shows what OpenSSL takes with the parsed key that is kept.
"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import attacks  # noqa: E402


def main():
    driver = sys.argv[1]
    repeats = sys.argv[2] if len(sys.argv) > 2 else "300"
    process = subprocess.Popen([driver, "--time", repeats], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    print("%-8s %12s %12s" % ("", "typ JWT", "typ at+jwt"))
    for alg in attacks.ASYMMETRIC + attacks.HMAC:
        key = attacks.Key(alg, kid="k")
        ctx = attacks.Context(key, "secret" if key.symmetric else "jwk")
        times = []
        for typ in ("JWT", "at+jwt"):
            best = None
            for _ in range(3):
                request = {"providers": ctx.group.providers,
                           "token_hex": ctx.token(header={"typ": typ}).hex()}
                process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
                process.stdin.flush()
                answer = json.loads(process.stdout.readline())
                assert answer["ok"], answer
                best = min(best or answer["us"], answer["us"])
            times.append(best)
        print("%-8s %9.1f us %9.1f us" % (alg, *times))
    process.stdin.close()
    process.wait()


if __name__ == "__main__":
    main()
