"""Attacks on tokens and key sets, each beside a twin that must be accepted.

Everything is made with fresh keys.  The rows are those of the threat table for tokens; every row is
played for every algorithm and for every way of giving a key (JWK Set, PEM, secret file).

    for group in groups(): group.providers, group.cases

A group is a set of providers and the tokens to try against it.  A case says what must happen:
    ("accept", tenant)     the claims are verified and the tenant is exactly this one
    ("deny", check)        refused, and `check` is the first check that fails
    ("refuse", pattern)    the provider itself is refused, and the reason matches `pattern`
A case of kind "deny" differs from its twin of kind "accept" in the attacked property only.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (dsa, ec, ed448, ed25519, padding, rsa, utils,
                                                       x25519)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tokens import Key, b64url, claims  # noqa: E402

ASYMMETRIC = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
              "EdDSA"]
HMAC = ["HS256", "HS384", "HS512"]
AUDIENCE = "mongo_tenant"
SIBLING = {"RS256": "RS384", "RS384": "RS512", "RS512": "RS256", "PS256": "PS384",
           "PS384": "PS512", "PS512": "PS256", "HS256": "HS384", "HS384": "HS512",
           "HS512": "HS256"}
HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}


def dumps(value):
    return json.dumps(value, separators=(",", ":")).encode("utf-8")


def sign(key, text, alg=None):
    """The raw signature of `text` (bytes) by a tokens.Key, with another algorithm if told."""
    alg = alg or key.alg
    if alg.startswith("HS"):
        return hmac.new(key.private, text, "sha" + alg[2:]).digest()
    if alg == "EdDSA":
        return key.private.sign(text)
    digest = HASHES[alg[2:]]()
    if alg.startswith("RS"):
        return key.private.sign(text, padding.PKCS1v15(), digest)
    if alg.startswith("PS"):
        return key.private.sign(text, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    der = key.private.sign(text, ec.ECDSA(digest))
    r, s = utils.decode_dss_signature(der)
    size = (key.private.curve.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def loosen(text):
    """The same bytes in base64url with unused last bits set; None when there are none."""
    free = {2: 4, 3: 2}.get(len(text) % 4)
    if free is None:
        return None
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) | 1]


@dataclass
class Case:
    row: str
    name: str
    token: object  # bytes, or what makes them when they are used: the others wait their turn, on a slow machine for long
    expect: tuple

    def text(self):
        return self.token() if callable(self.token) else self.token


@dataclass
class Group:
    name: str
    providers: list
    cases: list = field(default_factory=list)
    rules: dict = field(default_factory=dict)  # settings that only the driver can change


class Context:
    """One key under one provider, and the group of cases against it."""

    count = 0

    def __init__(self, key, form, keys=None, others=(), **config):
        Context.count += 1
        if form == "secret":  # a secret file has no room for a kid
            key = Key(key.alg, private=key.private)
        self.key = key
        self.form = form
        self.label = "%s/%s" % (key.alg, form)
        name = "p%d" % Context.count
        self.issuer = "https://%s.example" % name
        self.provider = {
            "name": name, "issuer": self.issuer, "audience": [AUDIENCE],
            "algorithms": [key.alg], "keys": keys if keys is not None else key_source(key, form),
        }
        self.provider.update(config)
        self.group = Group("%s %s" % (name, self.label), [self.provider] + list(others))

    def header(self, **changes):
        head = {"alg": self.key.alg, "typ": "JWT"}
        if self.key.kid is not None:
            head["kid"] = self.key.kid
        head.update(changes)
        return {name: value for name, value in head.items() if value is not Absent}

    def payload(self, **changes):
        body = claims(self.issuer, "UA")
        body.update(changes)
        return {name: value for name, value in body.items() if value is not Absent}

    def token(self, header=None, payload=None, key=None, alg=None, head_text=None, body_text=None):
        """A signed token; dicts change members, bytes are taken as they are."""
        if not isinstance(header, bytes):
            header = dumps(self.header(**(header or {})))
        if not isinstance(payload, bytes):
            payload = dumps(self.payload(**(payload or {})))
        text = ((head_text or b64url(header)) + "." + (body_text or b64url(payload))).encode("ascii")
        return text + b"." + b64url(sign(key or self.key, text, alg)).encode("ascii")

    def late(self, **seconds):
        """A token with these times, counted from when it is used: for cases that a minute would change."""
        def made():
            now = int(time.time())
            return self.token(payload={name: now + value for name, value in seconds.items()})
        return made

    def accept(self, row, name, token, tenant="UA"):
        self.group.cases.append(Case(row, "%s: %s" % (self.label, name), token, ("accept", tenant)))

    def pair(self, row, name, check, bad, good=None, tenant="UA"):
        """An attack and its accepted twin (by default the ordinary token)."""
        self.group.cases.append(Case(row, "%s: %s" % (self.label, name), bad, ("deny", check)))
        self.accept(row, name + " (twin)", self.token() if good is None else good, tenant)

    def refuse(self, row, name, text):
        self.group.cases.append(
            Case(row, "%s: %s" % (self.label, name), self.token(), ("refuse", text)))


class Absent:
    """Marks a member to be left out."""


def key_source(key, form):
    if form == "jwk":
        return [{"jwks": json.dumps({"keys": [key.jwk()]})}]
    if form == "bare-jwk":  # neither alg nor use: bound by its type and by the provider only
        return [{"jwks": json.dumps({"keys": [key.jwk(alg=None, use=None)]})}]
    if form == "oct":
        return [{"jwks": json.dumps({"keys": [key.jwk()]}), "secrets": True}]
    if form == "pem":
        return [{"pem": key.pem(), "kid": key.kid}]
    return [{"secret_hex": key.private.hex()}]


# --- The rows -------------------------------------------------------------------------------------


def row_algorithm(ctx):
    row = "algorithm"
    key = ctx.key
    good = ctx.token()
    head, body, signature = good.split(b".")
    for spelling in ("none", "None", "NONE", "nOnE"):
        unsigned = ctx.token(header={"alg": spelling}).rsplit(b".", 1)[0]
        ctx.pair(row, "alg %s, no signature" % spelling, "structure", unsigned + b".")
        ctx.pair(row, "alg %s, a signature" % spelling, "algorithm", unsigned + b"." + signature)
    ctx.pair(row, "alg none without kid and typ", "structure",
             ctx.token(header={"alg": "none", "kid": Absent, "typ": Absent}).rsplit(b".", 1)[0] + b".")
    ctx.pair(row, "empty signature", "structure", head + b"." + body + b".")
    wrong = key.alg.lower() if key.alg != "EdDSA" else "EDDSA"
    ctx.pair(row, "alg in another case", "algorithm", ctx.token(header={"alg": wrong}))
    ctx.pair(row, "alg with a blank", "algorithm", ctx.token(header={"alg": key.alg + " "}))
    for value in (None, 1, True, [key.alg], {}, "", Absent):
        ctx.pair(row, "alg is %s" % ("missing" if value is Absent else json.dumps(value)),
                 "structure", ctx.token(header={"alg": value}))
    for alg in ("ES256K", "RSA-OAEP", "A128KW", "dir", "RS1", "HS1", "ES256" + "0" * 20):
        ctx.pair(row, "alg %s" % alg[:10], "structure" if len(alg) > 16 else "algorithm",
                 ctx.token(header={"alg": alg}))
    if key.alg in SIBLING:
        other = SIBLING[key.alg]
        ctx.pair(row, "honestly signed with %s, which the provider does not list" % other,
                 "algorithm", ctx.token(header={"alg": other}, alg=other))


def row_confusion(ctx):
    """HS* with what everybody knows about the public key as the secret."""
    if ctx.key.symmetric:
        return
    row = "confusion"
    pem = ctx.key.pem().encode("ascii")
    der = ctx.key.private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    jwk = dumps(ctx.key.jwk())
    for alg in HMAC:
        for what, secret in (("PEM", pem), ("PEM without its last newline", pem.rstrip()),
                             ("DER", der), ("JWK", jwk), ("nothing", b"")):
            forger = Key(alg, kid=ctx.key.kid, private=secret)
            bad = ctx.token(header={"alg": alg}, key=forger)
            ctx.pair(row, "%s with the %s as secret" % (alg, what),
                     "key" if alg in ctx.provider["algorithms"] else "algorithm", bad)


def row_binding(ctx, foreign):
    """Algorithms that the provider lists, but not for this key; `foreign` maps algorithm to key."""
    row = "binding"
    for alg, other in foreign.items():
        if alg == ctx.key.alg:
            continue
        forger = Key(alg, kid=ctx.key.kid, private=other.private)
        same_type = not ctx.key.symmetric and alg[:2] in ("RS", "PS") and ctx.key.alg[:2] in ("RS", "PS")
        check = "signature" if same_type and ctx.form in ("pem", "bare-jwk") else "key"
        if alg not in ctx.provider["algorithms"]:
            check = "algorithm"
        elif ctx.form == "secret" and alg.startswith("HS") and alg < ctx.key.alg:
            check = "signature"  # a bare secret is bound by its length only
        ctx.pair(row, "%s of another key under this kid" % alg, check,
                 ctx.token(header={"alg": alg}, key=forger))
        if same_type and check == "key":
            ctx.pair(row, "%s by this key, whose alg says otherwise" % alg, "key",
                     ctx.token(header={"alg": alg}, alg=alg))


def row_curve(ctx):
    """ES* where key, hash and claim do not belong together."""
    if ctx.key.alg not in ("ES256", "ES384", "ES512"):
        return
    row = "curve"
    for alg in ("ES256", "ES384", "ES512"):
        if alg != ctx.key.alg:
            ctx.pair(row, "%s by this key" % alg, "key", ctx.token(header={"alg": alg}, alg=alg))
            ctx.pair(row, "the hash of %s, alg of the key" % alg, "signature", ctx.token(alg=alg))


def row_signature(ctx, stranger, typ="JWT"):
    """Played for both values of typ: libjwt 1.x judges RS* and ES* tokens of typ JWT only."""
    row = "signature"
    key = ctx.key
    signed = ctx.token

    def token(**changes):
        return signed(header={"typ": typ}, **changes)

    good = token()

    def pair(name, *case):
        ctx.pair(row, "%s, typ %s" % (name, typ), *case)

    text, encoded = good.rsplit(b".", 1)
    raw = base64.urlsafe_b64decode(encoded + b"==")

    def with_signature(signature):
        return text + b"." + b64url(bytes(signature)).encode("ascii")

    pair("another key under this kid", "signature", token(key=stranger), good)
    for position in (0, len(raw) // 2, len(raw) - 1):
        flipped = bytearray(raw)
        flipped[position] ^= 1
        pair("bit flipped in byte %d" % position, "signature", with_signature(flipped), good)
    pair("one byte short", "signature", with_signature(raw[:-1]), good)
    pair("one byte long", "signature", with_signature(raw + b"\0"), good)
    pair("a zero byte before", "signature", with_signature(b"\0" + raw), good)
    pair("zeros", "signature", with_signature(bytes(len(raw))), good)
    pair("ones", "signature", with_signature(b"\xff" * len(raw)), good)
    pair("one byte", "signature", with_signature(b"\0"), good)
    pair("signature of another token", "signature",
             text + b"." + token(payload={"tenantId": "DL"}).rsplit(b".", 1)[1], good)
    head, body, _ = good.split(b".")
    swapped = b64url(dumps(ctx.payload(tenantId="DL"))).encode("ascii")
    pair("payload exchanged", "signature", head + b"." + swapped + b"." + encoded, good)
    other = b64url(dumps(ctx.header(typ=typ, x="y"))).encode("ascii")
    pair("header exchanged", "signature", other + b"." + body + b"." + encoded, good)
    if key.alg.startswith("ES"):
        size = len(raw) // 2
        curve_order = {32: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551}
        der = utils.encode_dss_signature(int.from_bytes(raw[:size], "big"),
                                         int.from_bytes(raw[size:], "big"))
        pair("DER instead of r || s", "signature", with_signature(der), good)
        pair("r = 0", "signature", with_signature(bytes(size) + raw[size:]), good)
        pair("s = 0", "signature", with_signature(raw[:size] + bytes(size)), good)
        if size in curve_order:
            n = curve_order[size].to_bytes(size, "big")
            pair("r = s = n", "signature", with_signature(n + n), good)
            s = int.from_bytes(raw[size:], "big") + curve_order[size]
            if s < 1 << 256:
                pair("s + n", "signature",
                         with_signature(raw[:size] + s.to_bytes(size, "big")), good)
    if key.alg[:2] in ("RS", "PS"):
        number = int.from_bytes(raw, "big") + key.private.public_key().public_numbers().n
        if number < 1 << (8 * len(raw)):
            pair("s + n", "signature", with_signature(number.to_bytes(len(raw), "big")), good)
        other = ("PS" if key.alg.startswith("RS") else "RS") + key.alg[2:]
        pair("padding of %s" % other, "signature", token(alg=other), good)
        pair("hash of %s" % SIBLING[key.alg], "signature", token(alg=SIBLING[key.alg]),
                 good)
    if key.alg.startswith("PS"):
        digest = HASHES[key.alg[2:]]()
        other = hashes.SHA224()
        for what, pss in (
                ("no salt", padding.PSS(padding.MGF1(digest), 0)),
                ("the longest salt", padding.PSS(padding.MGF1(digest), padding.PSS.MAX_LENGTH)),
                ("MGF1 with another hash", padding.PSS(padding.MGF1(other), digest.digest_size))):
            pair(what, "signature",
                     with_signature(key.private.sign(text, pss, digest)), good)
    if key.alg == "EdDSA":
        size = len(raw) // 2
        identity = (1).to_bytes(size, "little")
        pair("R neutral, S = 0", "signature", with_signature(identity + bytes(size)), good)
        if size == 32:
            order = 2 ** 252 + 27742317777372353535851937790883648493
            s = int.from_bytes(raw[size:], "little") + order
            pair("S + l", "signature",
                     with_signature(raw[:size] + s.to_bytes(size, "little")), good)


def row_header(ctx, stranger):
    row = "header"
    public = stranger.jwk() if not stranger.symmetric else {"kty": "oct", "k": b64url(b"x" * 64)}
    values = {
        "jwk": public, "jku": "https://attacker.example/keys", "x5u": "https://attacker.example/c",
        "x5c": ["MIIB"], "crit": ["exp"], "b64": False, "zip": "DEF", "enc": "A256GCM",
    }
    for name, value in values.items():
        twin = ctx.token(header={"x-" + name: value})
        ctx.pair(row, "%s, signed by the right key" % name, "structure",
                 ctx.token(header={name: value}), twin)
        ctx.pair(row, "%s is null" % name, "structure", ctx.token(header={name: None}), twin)
    ctx.pair(row, "own key in jwk, signed by it", "structure",
             ctx.token(header={"jwk": public, "kid": Absent}, key=stranger))
    ctx.pair(row, "own key in jwk, its kid", "structure",
             ctx.token(header={"jwk": dict(public, kid="mine"), "kid": "mine"}, key=stranger))
    ctx.pair(row, "crit is empty", "structure", ctx.token(header={"crit": []}))
    ctx.pair(row, "b64 is true", "structure", ctx.token(header={"b64": True, "crit": ["b64"]}))
    ctx.pair(row, "jwk by an escape", "structure",
             ctx.token(header=dumps(ctx.header(jwk=public)).replace(b'"jwk"', b'"j\\u0077k"')),
             ctx.token(header=dumps(ctx.header(jwx=public)).replace(b'"jwx"', b'"j\\u0077x"')))


def row_kid(ctx):
    row = "kid"
    kid = ctx.key.kid or "Key-1"
    for what, value, check in (
            ("traversal", "../../../../dev/null", "key"),
            ("absolute path", "/dev/null", "key"),
            ("SQL", "' OR '1'='1", "key"),
            ("shell", "$(id)", "key"),
            ("address", "https://attacker.example/key.pem", "key"),
            ("unknown", "nobody", "key"),
            ("prefix", kid[:-1], "key"),
            ("suffix", kid + "x", "key"),
            ("another case", kid.swapcase(), "key"),
            ("a blank behind", kid + " ", "key"),
            ("a line end behind", kid + "\n", "key"),
            ("pattern", "%", "key"),
            ("257 bytes", "k" * 257, "structure"),
            ("NUL behind", kid + "\0", "structure"),
            ("NUL and more", kid + "\0.pem", "structure"),
            ("empty", "", "structure"),
            ("null", None, "structure"),
            ("a number", 1, "structure"),
            ("an array", [kid], "structure"),
            ("an object", {"kid": kid}, "structure")):
        ctx.pair(row, what, check, ctx.token(header={"kid": value}))


def row_parts(ctx):
    row = "parts"
    good = ctx.token()
    head, body, signature = good.split(b".")
    for what, bad in (
            ("empty", b""), ("a dot", b"."), ("two dots", b".."), ("three dots", b"..."),
            ("one part", head), ("two parts", head + b"." + body),
            ("four parts", good + b"." + signature), ("five parts", good + b"." + body + b"." + signature),
            ("a dot before", b"." + good), ("a dot behind", good + b"."),
            ("no header", b"." + body + b"." + signature),
            ("no payload", head + b".." + signature),
            ("a blank before", b" " + good), ("a blank behind", good + b" "),
            ("a line end behind", good + b"\n"), ("a carriage return behind", good + b"\r"),
            ("a tab in the middle", head + b"\t." + body + b"." + signature),
            ("a line end in the payload", head + b"." + body[:9] + b"\n" + body[9:] + b"." + signature),
            ("NUL behind", good + b"\0"), ("NUL in the middle", head + b"." + body + b"\0." + signature),
            ("Bearer", b"Bearer " + good), ("quotes", b'"' + good + b'"'),
            ("padding of the signature", good + b"=="),
            ("a byte over ASCII", good + b"\xc3\xa9"), ("a byte of no UTF-8", good + b"\xff"),
            ("JSON serialization", dumps({"protected": head.decode(), "payload": body.decode(),
                                          "signature": signature.decode()}))):
        ctx.pair(row, what, "structure", bad, good)

    # Each of these is signed over exactly the text that stands there: only its spelling is wrong.
    def of_length(base, remainder):
        text = dumps(base)
        while len(text) % 3 != remainder:
            text = text[:-1] + b" }"
        return text

    for remainder in (1, 2):
        header = b64url(of_length(ctx.header(), remainder))
        payload = b64url(of_length(ctx.payload(), remainder))
        twin_h = ctx.token(head_text=header)
        twin_p = ctx.token(body_text=payload)
        bits = {1: 4, 2: 2}[remainder]
        ctx.pair(row, "header with %d unused bits set" % bits, "structure",
                 ctx.token(head_text=loosen(header)), twin_h)
        ctx.pair(row, "payload with %d unused bits set" % bits, "structure",
                 ctx.token(body_text=loosen(payload)), twin_p)
        pad = "=" * (3 - remainder)
        ctx.pair(row, "header padded by %d" % len(pad), "structure",
                 ctx.token(head_text=header + pad), twin_h)
        ctx.pair(row, "payload padded by %d" % len(pad), "structure",
                 ctx.token(body_text=payload + pad), twin_p)
    aligned = b64url(of_length(ctx.payload(), 0))
    ctx.pair(row, "payload with one character more", "structure", ctx.token(body_text=aligned + "A"),
             ctx.token(body_text=aligned))
    loose = loosen(signature.decode("ascii"))
    if loose is not None:
        ctx.pair(row, "signature with unused bits set", "structure",
                 head + b"." + body + b"." + loose.encode("ascii"), good)
    odd = b64url(dumps(ctx.payload(x="\u00fb\u00ff\u00bf~~~???>>>")))
    while "-" not in odd and "_" not in odd:
        odd = b64url(dumps(ctx.payload(x=secrets.token_hex(9) + "~?>~?>" + "?" * secrets.randbelow(9))))
    ctx.pair(row, "standard alphabet", "structure",
             ctx.token(body_text=odd.replace("-", "+").replace("_", "/")), ctx.token(body_text=odd))


def row_json(ctx):
    row = "json"
    body = dumps(ctx.payload())
    head = dumps(ctx.header())

    def more(text, extra):
        return text[:-1] + b"," + extra + b"}"

    def nested(depth, opening=b"[", closing=b"]"):
        return more(body, b'"x":' + opening * depth + closing * depth)

    for what, bad, good in (
            ("tenant twice", more(body, b'"tenantId":"DL"'), more(body, b'"tenantIe":"DL"')),
            ("tenant twice, the same", more(body, b'"tenantId":"UA"'), more(body, b'"tenant":"UA"')),
            ("tenant twice by an escape", more(body, b'"\\u0074enantId":"DL"'),
             more(body, b'"\\u0075enantId":"DL"')),
            ("iss twice", more(body, b'"iss":"https://other.example"'),
             more(body, b'"jss":"https://other.example"')),
            ("exp twice", more(body, b'"exp":99'), more(body, b'"fxp":99')),
            ("a name twice, deep inside", more(body, b'"x":[{"a":{"b":1,"b":2}}]'),
             more(body, b'"x":[{"a":{"b":1,"c":2}}]')),
            ("the empty name twice", more(body, b'"":1,"":2'), more(body, b'"":1,"a":2')),
            ("NUL by an escape in a value", more(body, b'"x":"a\\u0000b"'), more(body, b'"x":"a\\u0001b"')),
            ("NUL by an escape in a name", more(body, b'"x\\u0000":1'), more(body, b'"x\\u0001":1')),
            ("NUL behind", body + b"\0", body + b" "),
            ("NUL inside", more(body, b'"x":"\0"'), more(body, b'"x":" "')),
            ("control character", more(body, b'"x":"\x01"'), more(body, b'"x":"\\u0001"')),
            ("bad UTF-8", more(body, b'"x":"\xff"'), more(body, b'"x":"\xc3\xbf"')),
            ("overlong UTF-8", more(body, b'"x":"\xc0\xaf"'), more(body, b'"x":"/"')),
            ("UTF-8 surrogate", more(body, b'"x":"\xed\xa0\x80"'), more(body, b'"x":"\xed\x9f\xbf"')),
            ("UTF-8 cut off", more(body, b'"x":"\xe2\x82"'), more(body, b'"x":"\xe2\x82\xac"')),
            ("UTF-8 beyond U+10FFFF", more(body, b'"x":"\xf4\x90\x80\x80"'),
             more(body, b'"x":"\xf4\x8f\xbf\xbf"')),
            ("half a surrogate pair", more(body, b'"x":"\\ud83d"'), more(body, b'"x":"\\ud83d\\ude00"')),
            ("byte order mark", b"\xef\xbb\xbf" + body, b" " + body),
            ("UTF-16", body.decode("ascii").encode("utf-16-le"), body),
            ("33 levels of arrays", nested(32), nested(31)),
            ("33 levels of objects", more(body, b'"x":' + b'{"a":' * 32 + b"1" + b"}" * 32),
             more(body, b'"x":' + b'{"a":' * 31 + b"1" + b"}" * 31)),
            ("5,000 levels", more(body, b'"x":' + b"[" * 5000), nested(5)),
            ("brackets in a string are not levels", more(body, b'"x":"' + b"[" * 40 + b'"}'),
             more(body, b'"x":"' + b"[" * 40 + b'\\""')),
            ("bytes behind", body + b"x", body + b"\n"),
            ("a second object behind", body + body, body),
            ("comment", b"/**/" + body, b"    " + body),
            ("comma behind", body[:-1] + b",}", body[:-1] + b" }"),
            ("single quotes", body.replace(b'"', b"'"), body),
            ("NaN", more(body, b'"x":NaN'), more(body, b'"x":null')),
            ("Infinity", more(body, b'"x":Infinity'), more(body, b'"x":1e308')),
            ("1e999", more(body, b'"x":1e999'), more(body, b'"x":1e99')),
            ("an integer over 64 bits", more(body, b'"x":18446744073709551616'),
             more(body, b'"x":9223372036854775807')),
            ("leading zero", more(body, b'"x":01'), more(body, b'"x":1')),
            ("unclosed", body[:-1], body)):
        ctx.pair(row, "payload: " + what, "structure", ctx.token(payload=bad), ctx.token(payload=good))
    for what, bad in (("array", b"[" + body + b"]"), ("text", b'"x"'), ("number", b"1"),
                      ("null", b"null"), ("true", b"true"), ("blank", b" "), ("one brace", b"{")):
        ctx.pair(row, "payload is " + what, "structure", ctx.token(payload=bad))
    ctx.pair(row, "payload is an empty object", "issuer", ctx.token(payload=b"{}"))

    alg = ctx.key.alg.encode("ascii")
    for what, bad, good in (
            ("alg twice", more(head, b'"alg":"none"'), more(head, b'"blg":"none"')),
            ("alg twice, the same", more(head, b'"alg":"%s"' % alg), more(head, b'"blg":"%s"' % alg)),
            ("typ twice by an escape", more(head, b'"t\\u0079p":"JWT"'), more(head, b'"t\\u007ap":"JWT"')),
            ("NUL", more(head, b'"x":"\\u0000"'), more(head, b'"x":"\\u0001"')),
            ("bad UTF-8", more(head, b'"x":"\xff"'), more(head, b'"x":"\xc3\xbf"')),
            ("byte order mark", b"\xef\xbb\xbf" + head, b" " + head),
            ("bytes behind", head + b"x", head + b" "),
            ("33 levels", more(head, b'"x":' + b"[" * 32 + b"]" * 32),
             more(head, b'"x":' + b"[" * 31 + b"]" * 31))):
        ctx.pair(row, "header: " + what, "structure", ctx.token(header=bad), ctx.token(header=good))
    for what, bad in (("array", b"[" + head + b"]"), ("text", b'"x"'), ("null", b"null")):
        ctx.pair(row, "header is " + what, "structure", ctx.token(header=bad))

    # Size: the longest token and one byte more, signed both.
    def sized(size):
        overhead = len(ctx.token(payload=dumps(ctx.payload(x=""))))
        room = (size - overhead) * 3 // 4
        for length in range(room - 6, room + 7):
            token = ctx.token(payload=dumps(ctx.payload(x="x" * length)))
            if len(token) == size:
                return token
        return None

    limit = next(size for size in range(16384, 16370, -1) if sized(size))
    over = next(size for size in range(16385, 16400) if sized(size))
    ctx.pair(row, "over 16 kB", "structure", sized(over), sized(limit))
    ctx.pair(row, "9 MB", "structure",
             ctx.token(payload=dumps(ctx.payload(x="x" * (9 << 20)))))


def row_times(ctx):
    row = "times"
    now = int(time.time())
    good = ctx.token()
    for what, value in (
            ("missing", Absent), ("null", None), ("text", str(now + 600)), ("true", True),
            ("an array", [now + 600]), ("an object", {}), ("0", 0), ("negative", -now),
            ("after the year 9999", 253402300800), ("milliseconds", (now + 600) * 1000),
            ("2^63 - 1", 2 ** 63 - 1), ("-2^63", -2 ** 63)):
        ctx.pair(row, "exp is " + what, "times", ctx.token(payload={"exp": value}), good)
    body = dumps(ctx.payload(exp=77777))
    for what, value, check in (
            ("2^63", b"9223372036854775808", "structure"), ("2^64", b"18446744073709551616", "structure"),
            ("a float", b"%d.0" % (now + 600), "times"), ("in exponents", b"%de0" % (now + 600), "times"),
            ("1e10", b"1e10", "times"), ("1e999", b"1e999", "structure")):
        ctx.pair(row, "exp is " + what, check, ctx.token(payload=body.replace(b"77777", value)),
                 ctx.token(payload=body.replace(b"77777", b"%d" % (now + 600))))
    ctx.pair(row, "expired", "times", ctx.late(exp=-40, iat=-100), ctx.late(exp=-5, iat=-100))
    ctx.pair(row, "expired long ago", "times", ctx.token(payload={"exp": now - 4000, "iat": now - 5000}))
    for name in ("nbf", "iat"):
        for what, value in (("null", None), ("text", str(now - 5)), ("true", True), ("a float", now - 5.5),
                            ("an array", [now - 5]), ("negative", -1), ("-2^63", -2 ** 63),
                            ("2^63 - 1", 2 ** 63 - 1), ("far in the future", now + 7200)):
            ctx.pair(row, "%s is %s" % (name, what), "times", ctx.token(payload={name: value}),
                     ctx.token(payload={name: now - 5}))
        ctx.pair(row, "%s beyond the leeway" % name, "times",
                 ctx.late(**{name: 600, "exp": 900}), ctx.late(**{name: 20, "exp": 900}))
    ctx.pair(row, "lifetime of a day and a second", "times",
             ctx.token(payload={"iat": now - 5, "exp": now - 5 + 86401}),
             ctx.token(payload={"iat": now - 5, "exp": now - 5 + 86400}))
    ctx.pair(row, "lifetime of over a day without iat", "times",
             ctx.token(payload={"iat": Absent, "exp": now + 86400 + 600}),
             ctx.token(payload={"iat": Absent, "exp": now + 86400 - 600}))
    ctx.pair(row, "expires before it was issued", "times",
             ctx.late(iat=10, exp=9), ctx.late(iat=9, exp=9))


def row_issuer(ctx, other):
    """`other` is a context of the same algorithm whose provider stands beside ours."""
    row = "issuer"
    iss = ctx.issuer
    for what, value in (("missing", Absent), ("null", None), ("empty", ""), ("a number", 1), ("true", True),
                        ("an array", [iss]), ("an object", {iss: 1}), ("unknown", "https://evil.example"),
                        ("in another case", iss.upper()), ("with a slash", iss + "/"),
                        ("with a blank", iss + " "), ("a prefix", iss[:-1]), ("a pattern", "%")):
        ctx.pair(row, "iss is " + what, "issuer", ctx.token(payload={"iss": value}))
    ctx.pair(row, "iss with NUL", "structure", ctx.token(payload={"iss": iss + "\0"}))
    # Both are trusted; each for its own issuer only.
    if other.key.kid is not None:
        ctx.pair(row, "signed by another issuer's key, its kid", "key",
                 ctx.token(header={"kid": other.key.kid}, key=other.key))
    ctx.pair(row, "signed by another issuer's key, our kid", "signature", ctx.token(key=other.key))
    ctx.pair(row, "signed by another issuer's key, no kid", "signature",
             ctx.token(header={"kid": Absent}, key=other.key), ctx.token(header={"kid": Absent}))
    ctx.accept(row, "the other issuer itself",
               other.token(payload={"tenantId": "UA"}))


def row_audience(ctx):
    row = "audience"
    for what, value in (
            ("missing", Absent), ("null", None), ("empty", ""), ("another", "other"), ("a number", 1),
            ("true", True), ("an object", {AUDIENCE: 1}), ("an empty array", []),
            ("an array of others", ["other", "another"]), ("an array with a number", [AUDIENCE, 1]),
            ("an array with null", [AUDIENCE, None]), ("an array with the empty text", [AUDIENCE, ""]),
            ("an array in an array", [[AUDIENCE]]), ("in another case", AUDIENCE.upper()),
            ("a prefix", AUDIENCE[:-1]), ("a longer one", AUDIENCE + ".evil"),
            ("with a blank", AUDIENCE + " "), ("a list in one text", AUDIENCE + " other"),
            ("a pattern", "*")):
        ctx.pair(row, "aud is " + what, "audience", ctx.token(payload={"aud": value}),
                 ctx.token(payload={"aud": [AUDIENCE, "other"]}))


def row_purpose(ctx):
    row = "purpose"
    for name, value in (("nonce", "n-0S6"), ("at_hash", "MTIz"), ("c_hash", "MTIz"), ("s_hash", "MTIz"),
                        ("events", {"http://schemas.openid.net/event/backchannel-logout": {}}),
                        ("typ", "ID"), ("typ", "Refresh"), ("token_use", "id")):
        twin = {"typ": "Bearer", "token_use": "access"}
        ctx.pair(row, "ID token: claim %s %s" % (name, value if isinstance(value, str) else ""), "type",
                 ctx.token(payload={name: value}),
                 ctx.token(payload={name: twin[name]} if name in twin else {"x" + name: value}))
    for typ in ("logout+jwt", "dpop+jwt", "id_token", "application/secevent+jwt", "JWE", "JOSE+JSON",
                "oauth-authz-req+jwt", "JW\u0131T", "at+jwt "):
        ctx.pair(row, "header typ %s" % typ, "type", ctx.token(header={"typ": typ}))
    for typ in ("JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt"):
        ctx.accept(row, "header typ %s" % typ, ctx.token(header={"typ": typ}))
    ctx.accept(row, "no header typ", ctx.token(header={"typ": Absent}))
    for value in (None, 1, "", ["JWT"]):
        ctx.pair(row, "header typ is %s" % json.dumps(value), "structure", ctx.token(header={"typ": value}))
    ctx.pair(row, "azp is a number", "type", ctx.token(payload={"azp": 1}),
             ctx.token(payload={"azp": "whoever"}))


def row_tenant(ctx):
    row = "tenant"
    for what, value in (("missing", Absent), ("null", None), ("empty", ""), ("an object", {"$ne": None}),
                        ("an array", ["UA"]), ("an array of two", ["UA", "DL"]), ("true", True),
                        ("false", False), ("a float", 1.5), ("an integral float", 1.0)):
        ctx.pair(row, "tenant is " + what, "tenant", ctx.token(payload={"tenantId": value}))
    ctx.pair(row, "tenant of 1,025 bytes", "tenant", ctx.token(payload={"tenantId": "t" * 1025}),
             ctx.token(payload={"tenantId": "t" * 1024}), "t" * 1024)
    ctx.pair(row, "tenant of 1,026 bytes in 513 characters", "tenant",
             ctx.token(payload={"tenantId": "\u00e9" * 513}),
             ctx.token(payload={"tenantId": "\u00e9" * 512}), "\u00e9" * 512)
    ctx.pair(row, "NUL in the tenant", "structure", ctx.token(payload={"tenantId": "UA\0DL"}))
    body = dumps(ctx.payload(tenantId=4242))
    for what, value in (("4242.0", b"4242.0"), ("4.242e3", b"4.242e3")):
        ctx.pair(row, "tenant is " + what, "tenant",
                 ctx.token(payload=body.replace(b":4242", b":" + value)), ctx.token(payload=body), "4242")
    ctx.pair(row, "tenant of 2^63", "structure",
             ctx.token(payload=body.replace(b":4242", b":9223372036854775808")),
             ctx.token(payload=body.replace(b":4242", b":9223372036854775807")), "9223372036854775807")
    # What looks like an operator, a field, or another tenant is a tenant of its own.
    for value in ("$ne", "$tenant_id", "ua", "UA ", " UA", "UA\n", "\u00e9", "e\u0301", "*", "%", "{}", "null",
                  "' OR 1=1 --", "\U0001f600", "\u202eAU", "a.b", "\\"):
        ctx.accept(row, "tenant %r" % value, ctx.token(payload={"tenantId": value}), value)
    ctx.accept(row, "tenant -7", ctx.token(payload={"tenantId": -7}), "-7")


def rows_config(key, form):
    """What a provider may ask for beyond the ordinary; a context each."""
    found = []

    def ctx(row_label, **config):
        context = Context(key, form, **config)
        context.label += " " + row_label
        found.append(context)
        return context

    c = ctx("typ list", typ=["at+jwt"])
    for typ in ("JWT", "logout+jwt", Absent):
        c.pair("purpose", "header typ %s" % ("missing" if typ is Absent else typ), "type",
               c.token(header={"typ": typ}), c.token(header={"typ": "application/AT+jwt"}))
    c = ctx("id_token listed", typ=["JWT", "id_token"])
    c.pair("purpose", "ID token on purpose, but typ missing", "type",
           c.token(header={"typ": Absent}, payload={"nonce": "x"}), c.token(payload={"nonce": "x"}))
    c = ctx("azp list", azp=["app", "cli"])
    for what, value in (("missing", Absent), ("another", "evil"), ("null", None), ("an array", ["app"]),
                        ("empty", "")):
        c.pair("purpose", "azp is " + what, "type", c.token(payload={"azp": value}),
               c.token(payload={"azp": "cli"}))
    c = ctx("two audiences, any", audience=["a", "b"])
    c.pair("audience", "none of two", "audience", c.token(payload={"aud": ["c"]}),
           c.token(payload={"aud": "b"}))
    c = ctx("two audiences, all", audience=["a", "b"], all_audiences=True)
    for value in ("a", ["b"], ["a", "a"], ["a", "c"]):
        c.pair("audience", "all of two, but aud is %s" % json.dumps(value), "audience",
               c.token(payload={"aud": value}), c.token(payload={"aud": ["b", "x", "a"]}))
    c = ctx("any audience", audience=[], any_audience=True)
    c.pair("audience", "aud is a number", "audience", c.token(payload={"aud": 1}),
           c.token(payload={"aud": Absent}))
    c.pair("audience", "aud is null", "audience", c.token(payload={"aud": None}),
           c.token(payload={"aud": "whatever"}))
    c = ctx("required claims", required=["scope", "https://a.example/role"])
    full = {"scope": "read", "https://a.example/role": 0}
    for name in full:
        for value in (Absent, None):
            c.pair("required", "%s is %s" % (name, "null" if value is None else "missing"), "required",
                   c.token(payload=dict(full, **{name: value})), c.token(payload=full))
    for name in ("sub", "jti"):
        for value in (None, 1, "", ["x"], True):
            c.pair("required", "%s is %s" % (name, json.dumps(value)), "required",
                   c.token(payload=dict(full, **{name: value})), c.token(payload=dict(full, **{name: "x"})))
    now = int(time.time())
    c = ctx("no lifetime limit")
    c.group.rules = {"max_lifetime": 0}
    for what, value in (("the year 10000", 253402300800), ("2^63 - 1", 2 ** 63 - 1)):
        c.pair("times", "no lifetime limit, exp is " + what, "times", c.token(payload={"exp": value}),
               c.token(payload={"exp": 253402300799}))
    c = ctx("no leeway")
    c.group.rules = {"leeway": 0}
    c.pair("times", "no leeway, expired just now", "times", c.token(payload={"exp": now}),
           c.token(payload={"exp": now + 600}))
    c = ctx("negative leeway")
    c.group.rules = {"leeway": -(2 ** 63)}
    c.pair("times", "negative leeway counts as none", "times", c.token(payload={"exp": now - 1, "iat": now - 9}),
           c.token(payload={"exp": now + 600}))
    c = ctx("endless leeway")
    c.group.rules = {"leeway": 2 ** 63 - 1, "max_lifetime": 2 ** 63 - 1}
    c.pair("times", "endless leeway, but exp is negative", "times", c.token(payload={"exp": -1, "iat": Absent}),
           c.token(payload={"exp": 0, "iat": 0}))
    c = ctx("nested tenant", tenant_claim="app.tenant.id")
    nested = {"tenantId": "DL", "app": {"tenant": {"id": "UA"}}}
    for what, value in (("missing", {}), ("null in between", {"tenant": None}),
                        ("text in between", {"tenant": "UA"}), ("an array in between", {"tenant": [{"id": "UA"}]}),
                        ("an object at the end", {"tenant": {"id": {"id": "UA"}}}),
                        ("the path as one name", {"tenant.id": "UA"})):
        c.pair("tenant", "nested tenant: " + what, "tenant",
               c.token(payload={"tenantId": "DL", "app": value}), c.token(payload=nested))
    c.pair("tenant", "nested tenant: the path as one name at the top", "tenant",
           c.token(payload={"app.tenant.id": "UA"}), c.token(payload=nested))
    c = ctx("escaped tenant", tenant_claim=r"https://a\.example/x.t\\n")
    c.pair("tenant", "escaped path: split at the escaped dot", "tenant",
           c.token(payload={"https://a": {"example/x": {"t\\n": "UA"}}}),
           c.token(payload={"https://a.example/x": {"t\\n": "UA"}}))
    return found


def rows_sets(key, spare):
    """Several keys in one set: which key judges a token; `spare` is a key of the same algorithm."""
    found = []
    alg = key.alg

    def both(*jwks):
        return [{"jwks": json.dumps({"keys": list(jwks)}), "secrets": key.symmetric}]

    c = Context(key, "set", keys=both(key.jwk(), spare.jwk()))
    c.pair("kid", "no kid and two keys that fit", "key", c.token(header={"kid": Absent}))
    c.pair("kid", "kid of the other key", "signature", c.token(header={"kid": spare.kid}),
           c.token(header={"kid": spare.kid}, key=spare))
    found.append(c)
    if not key.symmetric:
        other = Key("ES256" if alg != "ES256" else "EdDSA", kid="elsewhere")
        c = Context(key, "set", keys=both(key.jwk(), other.jwk()))
        c.pair("kid", "no kid, a key outside the set", "signature",
               c.token(header={"kid": Absent}, key=spare), c.token(header={"kid": Absent}))
        found.append(c)
        c = Context(key, "set", keys=both(key.jwk(), spare.jwk(use="enc", alg=None)))
        c.pair("binding", "signed by the encryption key of the set", "key",
               c.token(header={"kid": spare.kid}, key=spare))
        c.accept("binding", "no kid: the encryption key does not fit", c.token(header={"kid": Absent}))
        found.append(c)
        c = Context(key, "set", keys=both(key.jwk(), spare.jwk(use=None, key_ops=["sign"])))
        c.pair("binding", "signed by a key whose key_ops lack verify", "key",
               c.token(header={"kid": spare.kid}, key=spare))
        found.append(c)
        c = Context(key, "set", keys=both(key.jwk(), spare.jwk(use=None, key_ops=["verify"])))
        c.accept("binding", "signed by a key whose key_ops have verify",
                 c.token(header={"kid": spare.kid}, key=spare))
        found.append(c)
    # The key has no kid: then a token must not name one.
    anonymous = Key(alg, private=key.private)
    c = Context(anonymous, "set", keys=key_source(anonymous, "oct" if key.symmetric else "jwk"))
    c.pair("kid", "the key has no kid, the token names one", "key", c.token(header={"kid": "k"}))
    found.append(c)
    return found


def rows_refused_sets(key, spare):
    """Key sets that must be refused as a whole."""
    row = "keys"
    found = []
    good = key.jwk()
    secret = {"secrets": True} if key.symmetric else {}

    def refuse(name, text, jwks=None, **source):
        if jwks is not None:
            source = dict(secret, jwks=jwks if isinstance(jwks, str) else json.dumps(jwks))
        c = Context(key, "set", keys=[source])
        c.refuse(row, name, text)
        found.append(c)

    c = Context(key, "set", keys=[dict(secret, jwks=json.dumps({"keys": [good, spare.jwk()]}))])
    c.accept(row, "twin of the refused sets", c.token())
    found.append(c)
    c = Context(key, "set", keys=[dict(secret, jwks=json.dumps(good))])
    c.accept(row, "one JWK that is no set", c.token())
    found.append(c)

    refuse("duplicate kid", "same key id", {"keys": [good, spare.jwk(kid=key.kid)]})
    refuse("duplicate key", "twice", {"keys": [good, dict(good, kid="other")]})
    refuse("a second key without kid", "without key id", {"keys": [good, spare.jwk(kid=None)]})
    refuse("empty kid", "empty", {"keys": [dict(good, kid="")]})
    refuse("kid of 257 bytes", "longer", {"keys": [dict(good, kid="k" * 257)]})
    refuse("kid is a number", "not text", {"keys": [dict(good, kid=1)]})
    refuse("kty is missing", "kty", {"keys": [key.jwk(kty=None)]})
    refuse("kty is unknown", "", {"keys": [dict(good, kty="AKP")]})
    refuse("kty in another case", "", {"keys": [dict(good, kty=good["kty"].swapcase())]})
    refuse("alg is not text", "not text", {"keys": [dict(good, alg=1)]})
    refuse("alg is unknown", "not supported", {"keys": [dict(good, alg="none")]})
    refuse("alg of another type", "does not fit",
           {"keys": [dict(good, alg="ES256" if not key.alg.startswith("ES2") else "RS256")]})
    refuse("use is not text", "not text", {"keys": [dict(good, use=["sig"])]})
    refuse("key_ops is text", "not an array", {"keys": [key.jwk(use=None, key_ops="verify")]})
    refuse("no key for signatures", "for signatures", {"keys": [key.jwk(use="enc", alg=None)]})
    refuse("no keys", "array of keys", {"keys": []})
    refuse("keys is an object", "array of keys", {"keys": {}})
    refuse("a key is text", "not a JSON object", {"keys": ["x"]})
    refuse("101 keys", "", {"keys": [dict(good, kid=str(i)) for i in range(101)]})
    refuse("an array", "", [good])
    refuse("not JSON", "JSON", "keys")
    refuse("empty text", "JSON", "")
    refuse("byte order mark", "byte order mark", "\ufeff" + json.dumps({"keys": [good]}))
    refuse("bytes behind", "behind", json.dumps({"keys": [good]}) + "x")
    refuse("kid twice in one key", "duplicate",
           json.dumps({"keys": [good]}).replace('"kid":', '"kid": "x", "kid":'))
    refuse("33 levels", "deep", json.dumps({"keys": [good]})[:-1] + ', "x":' + "[" * 32 + "]" * 32 + "}")
    # The refusal is of the whole set, whichever key is bad.
    refuse("the second key is bad", "", {"keys": [good, {"kty": "RSA", "kid": "bad"}]})

    if key.symmetric:
        refuse("mixed with a public key", "mixed", {"keys": [good, Key("ES256", kid="e").jwk()]})
        c = Context(key, "set", keys=[{"jwks": json.dumps({"keys": [good]}), "catalog": True}])
        c.refuse(row, "an HMAC secret in a catalog", "key_dir")
        found.append(c)
        size = len(key.private)
        refuse("one byte shorter than the hash", "", {"keys": [dict(good, k=b64url(key.private[1:]))]})
        refuse("31 bytes", "fewer than 32",
               {"keys": [{"kty": "oct", "kid": "k", "k": b64url(os.urandom(31))}]})
        refuse("all bytes equal", "equal", {"keys": [dict(good, k=b64url(b"a" * size))]})
        refuse("empty", "fewer", {"keys": [dict(good, k="")]})
        refuse("padded", "canonical", {"keys": [dict(good, k=good["k"] + "=")]})
        refuse("k is a number", "text member", {"keys": [dict(good, k=1)]})
        refuse("secret file: 31 bytes", "fewer than 32", secret_hex=os.urandom(31).hex())
        refuse("secret file: a PEM text", "PEM", secret_hex=Key("ES256").pem().encode().hex())
        refuse("secret file: equal bytes", "equal", secret_hex=(b"\0" * 64).hex())
        return found

    refuse("mixed with a secret", "",
           {"keys": [good, {"kty": "oct", "kid": "h", "k": b64url(os.urandom(64))}]})
    refuse("a member of a secret (k)", "private", {"keys": [dict(good, k="AAAA")]})
    for member in ("d", "p", "q", "dp", "dq", "qi", "oth"):
        refuse("private member " + member, "private", {"keys": [dict(good, **{member: "AAAA"})]})
    for member in ("n", "e") if good["kty"] == "RSA" else ("x",):
        refuse("%s is missing" % member, "text member", {"keys": [key.jwk(**{member: None})]})
        refuse("%s is a number" % member, "text member", {"keys": [dict(good, **{member: 1})]})
        refuse("%s is padded" % member, "canonical", {"keys": [dict(good, **{member: good[member] + "="})]})
        refuse("%s is empty" % member, "", {"keys": [dict(good, **{member: ""})]})
    pem = key.pem()
    refuse("PEM: private key", "private", pem=key.private_pem(), kid="k")
    refuse("PEM: public and private key", "private", pem=pem + key.private_pem(), kid="k")
    refuse("PEM: two keys", "behind", pem=pem + spare.pem(), kid="k")
    refuse("PEM: something behind", "behind", pem=pem + "x", kid="k")
    refuse("PEM: something before", "start", pem="x\n" + pem, kid="k")
    refuse("PEM: empty", "start|must not be empty", pem="", kid="k")
    refuse("PEM: no end line", "end line", pem=pem.rsplit("-----END", 1)[0], kid="k")
    refuse("PEM: cut off", "PEM", pem=re.sub("\n.{20}", "\n", pem, count=1), kid="k")
    refuse("PEM: too long", "longer", pem=pem + "\n" * 20000, kid="k")
    refuse("PEM: a certificate's label", "start", pem=pem.replace("PUBLIC KEY", "CERTIFICATE"), kid="k")
    refuse("PEM: empty kid", "empty", pem=pem, kid="")
    if good["kty"] == "RSA":
        pkcs1 = key.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.PKCS1).decode("ascii")
        refuse("PEM: PKCS #1", "start", pem=pkcs1, kid="k")
    locked = key.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                       serialization.BestAvailableEncryption(b"x")).decode("ascii")
    refuse("PEM: encrypted private key", "private", pem=locked, kid="k")
    return found


def number(value, size=None):
    return b64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def public_pem(private):
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def weak_rsa(alg):
    """Numbers that are no RSA key to trust."""
    key = Key(alg, kid="k")
    n = key.private.public_key().public_numbers().n
    small = Key(alg, kid="k", bits=1024)
    found = []

    def refuse(name, text, n, e):
        jwk = {"kty": "RSA", "kid": "k", "n": number(n), "e": number(e)}
        c = Context(key, "weak", keys=[{"jwks": json.dumps({"keys": [jwk]})}])
        c.refuse("weak", name, text)
        found.append(c)
        if e.bit_length() > 1 and n.bit_length() <= 8192 and e & 1 and n & 1:
            try:
                pem = rsa.RSAPublicNumbers(e, n).public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            except ValueError:
                return
            c = Context(key, "weak", keys=[{"pem": pem.decode("ascii"), "kid": "k"}])
            c.refuse("weak", "PEM: " + name, text)
            found.append(c)

    c = Context(key, "weak", keys=[{"jwks": json.dumps(
        {"keys": [{"kty": "RSA", "kid": "k", "n": number(n), "e": number(65537)}]})}])
    c.accept("weak", "RSA twin", c.token())
    found.append(c)
    c = Context(key, "weak", keys=[{"jwks": json.dumps(
        {"keys": [{"kty": "RSA", "kid": "k", "n": number(n, 257), "e": "AAEAAQ"}]})}])
    c.accept("weak", "RSA twin with a leading zero byte", c.token())
    found.append(c)
    refuse("RSA of 1024 bits", "fewer than 2048", small.private.public_key().public_numbers().n, 65537)
    refuse("RSA of 2047 bits", "fewer than 2048", n >> 1 | 1, 65537)
    refuse("RSA of 9000 bits", "more than 8192", (1 << 8999) | 1, 65537)
    refuse("e = 1", "exponent", n, 1)
    refuse("e = 2", "exponent", n, 2)
    refuse("e = 65536", "exponent", n, 65536)
    refuse("e of 65 bits", "64 bits", n, (1 << 64) | 1)
    refuse("n even", "product", n - 1, 65537)
    refuse("n with a small factor", "product", 3 * ((1 << 2047) + 1), 65537)
    refuse("n prime", "product", 2 ** 2203 - 1, 65537)
    refuse("n a square of a prime", "product", (2 ** 1279 - 1) ** 2, 65537)
    return found


def weak_ec(alg):
    key = Key(alg, kid="k")
    jwk = key.jwk(alg=None)
    size = (key.private.curve.key_size + 7) // 8
    numbers = key.private.public_key().public_numbers()
    curves = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
    other = next(name for name in curves if name != jwk["crv"])
    found = []

    def refuse(name, text, **changes):
        changed = {k: v for k, v in dict(jwk, **changes).items() if v is not None}
        c = Context(key, "weak", keys=[{"jwks": json.dumps({"keys": [changed]})}])
        c.refuse("weak", name, text)
        found.append(c)

    c = Context(key, "weak", keys=[{"jwks": json.dumps({"keys": [jwk]})}])
    c.accept("weak", "EC twin", c.token())
    found.append(c)
    refuse("point off the curve", "not on its curve", y=number(numbers.y ^ 1, size))
    refuse("point (0, 0)", "not on its curve", x=number(0, size), y=number(0, size))
    refuse("x too large", "not on its curve", x=b64url(b"\xff" * size))
    refuse("x one byte short", "length", x=b64url(numbers.x.to_bytes(size, "big")[1:]))
    refuse("x with a zero byte before", "length", x=b64url(b"\0" + numbers.x.to_bytes(size, "big")))
    refuse("y missing", "text member", y=None)
    refuse("crv missing", "crv", crv=None)
    refuse("crv of another size", "length", crv=other)
    refuse("crv unknown", "other than", crv="secp256k1")
    refuse("crv in another case", "other than", crv=jwk["crv"].lower())
    refuse("crv of OKP", "other than", crv="Ed25519")
    for curve in (ec.SECP256K1, ec.SECP224R1, ec.BrainpoolP256R1):
        c = Context(key, "weak",
                    keys=[{"pem": public_pem(ec.generate_private_key(curve())), "kid": "k"}])
        c.refuse("weak", "PEM on %s" % curve.name, "PEM")
        found.append(c)
    return found


ED_P = 2 ** 255 - 19
ED_D = -121665 * pow(121666, -1, ED_P) % ED_P


def small_order_points():
    """Every encoding of the eight points of small order of Ed25519, canonical or not."""
    def root(value):
        candidate = pow(value, (ED_P + 3) // 8, ED_P)
        for r in (candidate, candidate * pow(2, (ED_P - 1) // 4, ED_P) % ED_P):
            if r * r % ED_P == value % ED_P:
                return r
        return None

    # y of order 8: d y^4 + 2 y^2 - 1 = 0
    half = root(ED_D + 1)
    y8 = [y for sign in (half, -half) for y in [root((sign - 1) * pow(ED_D, -1, ED_P) % ED_P)] if y]
    ys = {0, 1, ED_P - 1, ED_P, ED_P + 1}
    for y in y8:
        ys |= {y, ED_P - y}
    for y in ys:
        for sign in (0, 1):
            yield (y | sign << 255).to_bytes(32, "little")


def weak_okp():
    key = Key("EdDSA", kid="k")
    found = []

    def refuse(name, text, **changes):
        jwk = key.jwk(alg=None, **changes)
        c = Context(key, "weak", keys=[{"jwks": json.dumps({"keys": [jwk]})}])
        c.refuse("weak", name, text)
        found.append(c)

    points = sorted(set(small_order_points()))
    for point in points:
        refuse("point of small order %s" % point.hex()[:8], "small order", x=b64url(point))
        spki = bytes.fromhex("302a300506032b6570032100") + point
        pem = "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n" % (
            base64.b64encode(spki).decode("ascii"))
        c = Context(key, "weak", keys=[{"pem": pem, "kid": "k"}])
        c.refuse("weak", "PEM: point of small order %s" % point.hex()[:8], "small order")
        found.append(c)
    off = 2
    while pow((1 - off * off) * (-1 - ED_D * off * off), (ED_P - 1) // 2, ED_P) == 1:
        off += 1
    refuse("point off the curve", "off its curve", x=b64url(off.to_bytes(32, "little")))
    refuse("y not canonical", "off its curve", x=b64url((ED_P + 3).to_bytes(32, "little")))
    refuse("31 bytes", "length", x=b64url(bytes(31)))
    refuse("33 bytes", "length", x=b64url(bytes(33)))
    refuse("X25519", "other than", crv="X25519")
    refuse("crv missing", "crv", crv=None)
    p448 = 2 ** 448 - 2 ** 224 - 1
    for y in (0, 1, p448 - 1, p448, p448 + 1):
        for sign in (0, 128):
            refuse("Ed448 point of small order", "small order", crv="Ed448",
                   x=b64url(y.to_bytes(56, "little") + bytes([sign])))
    refuse("Ed448 with bits behind y", "off its curve", crv="Ed448",
           x=b64url((5).to_bytes(56, "little") + b"\x01"))
    for private, what in ((x25519.X25519PrivateKey.generate(), "X25519"),
                          (dsa.generate_private_key(2048), "DSA")):
        c = Context(key, "weak", keys=[{"pem": public_pem(private), "kid": "k"}])
        c.refuse("weak", "PEM of %s" % what, "PEM")
        found.append(c)
    return found


# --- The whole ------------------------------------------------------------------------------------


def play(key, form, stranger, pool):
    """All rows for one key given in one form."""
    ctx = Context(key, form)
    row_algorithm(ctx)
    row_confusion(ctx)
    row_signature(ctx, stranger)
    row_signature(ctx, stranger, "at+jwt")
    row_header(ctx, stranger)
    row_kid(ctx)
    row_parts(ctx)
    row_json(ctx)
    row_times(ctx)
    row_audience(ctx)
    row_purpose(ctx)
    row_tenant(ctx)
    yield ctx.group

    everything = ASYMMETRIC + ([] if not key.symmetric else HMAC)
    ctx = Context(key, form, algorithms=everything)
    row_binding(ctx, pool)
    row_curve(ctx)
    yield ctx.group
    if not key.symmetric:
        # HMAC listed beside the others, on purpose: the key still is no secret.
        ctx = Context(key, form, algorithms=ASYMMETRIC + HMAC)
        row_confusion(ctx)
        yield ctx.group

    other = Context(stranger, form)
    ctx = Context(key, form, others=[other.provider])
    row_issuer(ctx, other)
    yield ctx.group
    for ctx in rows_config(key, form):
        yield ctx.group


def groups(only=None):
    """All groups; `only` restricts them to algorithms of that list."""
    pool = {alg: Key(alg, kid="pool") for alg in ASYMMETRIC + HMAC}
    for alg in ASYMMETRIC + ["Ed448"] + HMAC:
        if only and alg not in only:
            continue
        if alg == "Ed448":
            key = Key("EdDSA", kid="Key-1", private=ed448.Ed448PrivateKey.generate())
            stranger = Key("EdDSA", kid="Key-2", private=ed448.Ed448PrivateKey.generate())
        else:
            key = Key(alg, kid="Key-1")
            stranger = Key(alg, kid="Key-2")
        forms = ("secret", "oct") if key.symmetric else ("jwk", "pem", "bare-jwk")
        for form in forms:
            if alg == "Ed448" and form != "pem":
                continue
            yield from play(key, form, stranger, pool)
        if alg == "Ed448":
            continue
        for ctx in rows_sets(key, stranger) + rows_refused_sets(key, stranger):
            yield ctx.group
    for alg, weak in (("RS256", lambda: weak_rsa("RS256")), ("PS256", lambda: weak_rsa("PS256")),
                      ("ES256", lambda: weak_ec("ES256")), ("ES384", lambda: weak_ec("ES384")),
                      ("ES512", lambda: weak_ec("ES512")), ("EdDSA", weak_okp)):
        if not only or alg in only:
            for ctx in weak():
                yield ctx.group
