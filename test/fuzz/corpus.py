#!/usr/bin/env python3
"""Write the seed corpora of the fuzz harnesses: corpus.py, once, when the rows of attacks change.

The keys are thrown away: the seeds are there for their shapes.
"""

import hashlib
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "attacks"))
import attacks  # noqa: E402

NOW = 1700000000


def write(corpus, data):
    directory = os.path.join(HERE, "corpus_" + corpus)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, hashlib.sha1(data).hexdigest()[:12]), "wb") as file:
        file.write(data)


def tokens():
    key = attacks.Key("HS256", kid="k")
    ctx = attacks.Context(key, "secret")
    attacks.row_header(ctx, key)
    attacks.row_kid(ctx)
    attacks.row_parts(ctx)
    attacks.row_json(ctx)
    small = sorted({case.token for case in ctx.group.cases if len(case.token) < 600})
    for token in small[::6]:
        write("token", token)


def claims():
    def seed(header=None, **changes):
        body = {"iss": "i", "aud": "a", "sub": "s", "jti": "j", "iat": NOW - 5, "exp": NOW + 600,
                "app": {"t.id": "UA"}}
        body.update(changes)
        head = {"alg": "HS256", "typ": "JWT"}
        head.update(header or {})
        write("claims", attacks.dumps(head) + b"\0" + attacks.dumps(body))

    seed()
    seed(aud=["b", "a"])
    seed(app={"t.id": 7})
    seed(app={"t.id": 1.5})
    seed(app=[{"t.id": "UA"}])
    seed(nbf=NOW)
    seed(exp=2 ** 63 - 1)
    seed(exp=-1)
    seed(exp=1e10)
    seed(azp="x", nonce="n")
    seed(header={"typ": "at+jwt"}, nonce="n")
    seed(header={"crit": ["exp"]})
    seed(header={"kid": "k", "x": [[[[{}]]]]})
    seed(sub=None, jti=5, **{"\u00e9": "\U0001f600"})


def key_sets():
    for alg in ("RS256", "ES256", "ES512", "EdDSA", "HS256"):
        key = attacks.Key(alg, kid="k")
        kind = b"S" if key.symmetric else b"J"
        write("keyset", kind + json.dumps({"keys": [key.jwk()]}).encode("ascii"))
        write("keyset", kind + json.dumps(key.jwk(alg=None, use=None, key_ops=["verify"])).encode("ascii"))
        if not key.symmetric:
            write("keyset", b"P" + key.pem().encode("ascii"))
            write("keyset", b"J" + json.dumps({"keys": [key.jwk(), attacks.Key(
                "ES256", kid="l").jwk(use="enc")]}).encode("ascii"))
    write("keyset", b"H" + os.urandom(48))


if __name__ == "__main__":
    tokens()
    claims()
    key_sets()
