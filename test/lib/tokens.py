#!/usr/bin/env python3
"""Keys and tokens for the tests: made fresh, never stored in the repository.

As a module:
    from tokens import Key, keyset, claims
    key = Key("RS256", kid="k1")
    token = key.sign(claims("https://issuer.example", "UA"))
    jwks = keyset([key])                  # dict: a JWK Set of public keys

As a command (needs pyjwt and cryptography):
    tokens.py psql  [--dir DIR] [OPTIONS]   psql variables: \\set jwks '...', \\set ua '...', ...
    tokens.py json  [--dir DIR] [OPTIONS]   the same as one JSON object
    tokens.py keys   --dir DIR              only make the keys (DIR/rs.pem, es.pem, ed.pem, hs.secret)
    tokens.py jwks   --dir DIR              the JWK Set of the public keys of DIR
    tokens.py sign   --dir DIR --key rs [--tenant UA] [--claim name=JSON] [--header name=JSON]

With --dir the keys are kept in (or read from) that directory, so that several runs share them.
"""

import argparse
import base64
import json
import os
import secrets
import sys
import time
import uuid

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://issuer.example"
AUDIENCE = "mongo_tenant"

CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def b64url(raw):
    """Canonical base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


class Key:
    """A signing key bound to one algorithm."""

    def __init__(self, alg="RS256", kid=None, private=None, bits=2048):
        self.alg = alg
        self.kid = kid
        self.private = private if private is not None else self._generate(alg, bits)

    @staticmethod
    def _generate(alg, bits):
        if alg[:2] in ("RS", "PS"):
            return rsa.generate_private_key(public_exponent=65537, key_size=bits)
        if alg in CURVES:
            return ec.generate_private_key(CURVES[alg]())
        if alg == "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        if alg[:2] == "HS":
            return secrets.token_bytes(int(alg[2:]) // 8)
        raise ValueError("unknown algorithm %s" % alg)

    @property
    def symmetric(self):
        return isinstance(self.private, bytes)

    def jwk(self, **extra):
        """The public key as a JWK; extra members replace or, when None, remove ours."""
        if self.symmetric:
            body = {"kty": "oct", "k": b64url(self.private)}
        else:
            public = self.private.public_key()
            algorithms = jwt.algorithms
            if self.alg[:2] in ("RS", "PS"):
                body = algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
            elif self.alg == "EdDSA":
                body = algorithms.OKPAlgorithm.to_jwk(public, as_dict=True)
            else:
                body = algorithms.ECAlgorithm.to_jwk(public, as_dict=True)
        body.pop("key_ops", None)
        body["alg"] = self.alg
        body["use"] = "sig"
        if self.kid is not None:
            body["kid"] = self.kid
        body.update(extra)
        return {name: value for name, value in body.items() if value is not None}

    def pem(self):
        """The public key as PEM text (SubjectPublicKeyInfo)."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode("ascii")

    def private_pem(self):
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode("ascii")

    def sign(self, payload, headers=None, raw_payload=None):
        """Sign `payload`; `headers` are merged into the JOSE header (None removes a member).

        `raw_payload` (bytes) is signed as it is, for JSON that no encoder would write.
        """
        head = {"typ": "JWT"}
        if self.kid is not None:
            head["kid"] = self.kid
        head.update(headers or {})
        algorithm = jwt.api_jws.PyJWS().get_algorithm_by_name(self.alg)
        head = {"alg": self.alg, **head}
        head = {name: value for name, value in head.items() if value is not None}
        if raw_payload is None:
            raw_payload = json.dumps(payload, separators=(",", ":")).encode("utf-8")
        return self.sign_parts(json.dumps(head, separators=(",", ":")).encode("utf-8"), raw_payload,
                               algorithm)

    def sign_parts(self, raw_header, raw_payload, algorithm=None):
        """Sign two byte strings as they are: for malformed headers."""
        if algorithm is None:
            algorithm = jwt.api_jws.PyJWS().get_algorithm_by_name(self.alg)
        signed = b64url(raw_header) + "." + b64url(raw_payload)
        key = self.private if not self.symmetric else algorithm.prepare_key(self.private)
        return signed + "." + b64url(algorithm.sign(signed.encode("ascii"), key))


def keyset(keys):
    """A JWK Set of the public halves."""
    return {"keys": [key.jwk() for key in keys]}


def create_provider(connection, name):
    """A provider of that name in the connection's database; the new key that signs for it."""
    key = Key("ES256", kid=name)
    connection.execute(
        "SELECT mongo_tenant.create_provider(name => %s, issuer => %s, audience => ARRAY[%s], jwks => %s::jsonb)",
        (name, ISSUER, AUDIENCE, json.dumps(keyset([key]))))
    return key


def claims(issuer=ISSUER, tenant="UA", lifetime=3600, now=None, tenant_claim="tenantId", **extra):
    """Ordinary claims of one tenant; an extra claim of None removes one."""
    now = int(time.time()) if now is None else now
    body = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": "user-of-%s" % tenant,
        "jti": str(uuid.uuid4()),
        "iat": now - 5,
        "exp": now + lifetime,
        tenant_claim: tenant,
    }
    body.update(extra)
    return {name: value for name, value in body.items() if value is not None}


def standard_keys(directory=None):
    """rs (RS256), es (ES256), ed (EdDSA), hs (HS256), other (RS256, in nobody's key set)."""
    keys = {}
    for name, alg in (("rs", "RS256"), ("es", "ES256"), ("ed", "EdDSA"), ("hs", "HS256"),
                      ("other", "RS256")):
        path = directory and os.path.join(
            directory, name + (".secret" if alg.startswith("HS") else ".pem"))
        private = None
        if path and os.path.exists(path):
            with open(path, "rb") as file:
                private = file.read()
            if not alg.startswith("HS"):
                private = serialization.load_pem_private_key(private, None)
        key = Key(alg, kid=None if name == "hs" else name, private=private)
        if path and private is None:
            os.makedirs(directory, exist_ok=True)
            old = os.umask(0o077)
            try:
                with open(path, "wb") as file:
                    file.write(key.private if key.symmetric else key.private_pem().encode("ascii"))
            finally:
                os.umask(old)
        keys[name] = key
    return keys


def variables(keys, issuer):
    """What most test files need: keys, and one token per case."""
    rs = keys["rs"]
    now = int(time.time())
    return {
        "issuer": issuer,
        "audience": AUDIENCE,
        "now": str(now),
        "jwks": json.dumps(keyset([keys[name] for name in ("rs", "es", "ed")])),
        "jwks_rs": json.dumps(keyset([rs])),
        "pem_rs": rs.pem(),
        "pem_es": keys["es"].pem(),
        "pem_ed": keys["ed"].pem(),
        "jwks_other": json.dumps(keyset([keys["other"]])),
        "pem_other": keys["other"].pem(),
        "ua": rs.sign(claims(issuer, "UA", jti="jti-ua", sub="alice")),
        "ua2": rs.sign(claims(issuer, "UA", jti="jti-ua2", sub="anna")),
        "dl": rs.sign(claims(issuer, "DL", jti="jti-dl", sub="bob")),
        "ua_es": keys["es"].sign(claims(issuer, "UA")),
        "ua_ed": keys["ed"].sign(claims(issuer, "UA")),
        "ua_hs": keys["hs"].sign(claims(issuer, "UA")),
        "int_7": rs.sign(claims(issuer, 7)),
        "int_8": rs.sign(claims(issuer, 8)),
        "oid_a": rs.sign(claims(issuer, "5f0000000000000000000a01")),
        "oid_upper": rs.sign(claims(issuer, "5F0000000000000000000A01")),
        "uuid_a": rs.sign(claims(issuer, "12345678-1234-4234-8234-123456789abc")),
        "uuid_upper": rs.sign(claims(issuer, "12345678-1234-4234-8234-123456789ABC")),
        "expired": rs.sign(claims(issuer, "UA", exp=now - 3600, iat=now - 7200)),
        "future": rs.sign(claims(issuer, "UA", nbf=now + 3600)),
        "forged": keys["other"].sign(claims(issuer, "UA"), headers={"kid": "rs"}),
        "stranger": keys["other"].sign(claims("https://stranger.example", "UA")),
        "other_issuer": keys["other"].sign(claims("https://other.example", "UA", sub="mallory")),
    }


def quoted(value):
    return "'" + value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n") + "'"


def pairs(items):
    out = {}
    for item in items or ():
        name, _, value = item.partition("=")
        try:
            out[name] = json.loads(value)
        except ValueError:
            out[name] = value
    return out


def main():
    parser = argparse.ArgumentParser(description="Keys and tokens for the tests")
    parser.add_argument("command", choices=("psql", "json", "keys", "jwks", "sign"))
    parser.add_argument("--dir", help="directory of the private keys")
    parser.add_argument("--issuer", default=ISSUER)
    parser.add_argument("--key", default="rs", help="which key signs: rs, es, ed, hs, other")
    parser.add_argument("--tenant", default="UA")
    parser.add_argument("--lifetime", type=int, default=3600)
    parser.add_argument("--claim", action="append", metavar="NAME=JSON")
    parser.add_argument("--header", action="append", metavar="NAME=JSON")
    args = parser.parse_args()
    keys = standard_keys(args.dir)

    if args.command == "jwks":
        print(json.dumps(keyset([keys[name] for name in ("rs", "es", "ed")])))
    elif args.command == "sign":
        body = claims(args.issuer, args.tenant, args.lifetime)
        body.update(pairs(args.claim))
        body = {name: value for name, value in body.items() if value is not None}
        print(keys[args.key].sign(body, headers=pairs(args.header)))
    elif args.command == "json":
        print(json.dumps(variables(keys, args.issuer)))
    elif args.command == "psql":
        for name, value in variables(keys, args.issuer).items():
            print("\\set %s %s" % (name, quoted(value)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
