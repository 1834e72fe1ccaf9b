"""PostgreSQL 18: the token is the login.  No SET is needed, none is taken, and expiry ends it.

libpq of Debian 12 cannot speak OAUTHBEARER, so the exchange (RFC 7628) is spoken here.
"""

import json
import os
import socket
import struct
import subprocess
import time

import tokens
from tap import World, is_, ok, skip, done


class Refused(Exception):
    def __init__(self, fields):
        super().__init__(fields.get("M"))
        self.sqlstate, self.detail = fields.get("C"), fields.get("D")


class BearerSession:
    """A connection authenticated by a bearer token; only what these tests need of the protocol."""

    def __init__(self, world, token, role="mtf_app", **settings):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.path.join(world.env["PGHOST"], ".s.PGSQL.%s" % world.env["PGPORT"]))
        words = {"user": role, "database": world.name, **settings}
        body = struct.pack("!I", 196608) + b"".join(
            word.encode() + b"\0" for pair in words.items() for word in pair) + b"\0"
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        self._authenticate(token)
        self._until_ready()

    def close(self):
        self.socket.close()

    def _exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            if not more:
                raise EOFError("the server closed the connection")
            data += more
        return data

    def _receive(self):
        kind, length = struct.unpack("!cI", self._exactly(5))
        body = self._exactly(length - 4)
        if kind == b"E":
            raise Refused({part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part})
        return kind, body

    def _send(self, kind, body):
        self.socket.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def _authenticate(self, token):
        kind, body = self._receive()
        assert kind == b"R" and b"OAUTHBEARER\0" in body, "the server does not ask for OAUTHBEARER"
        message = b"n,,\x01auth=Bearer " + token.encode() + b"\x01\x01"
        self._send(b"p", b"OAUTHBEARER\0" + struct.pack("!I", len(message)) + message)
        kind, body = self._receive()
        if struct.unpack("!I", body[:4])[0] == 11:      # refused: the error follows our dummy answer
            self._send(b"p", b"\x01")
            self._receive()
            raise AssertionError("refused, but no error came")

    def _until_ready(self):
        rows, error = [], None
        while True:
            try:
                kind, body = self._receive()
            except Refused as refused:
                if refused.sqlstate.startswith("28") and not rows and error is None and not hasattr(self, "ready"):
                    raise
                error = refused
                continue
            if kind == b"D":
                rows.append(self._row(body))
            if kind == b"Z":
                self.ready = True
                if error is not None:
                    raise error
                return rows

    @staticmethod
    def _row(body):
        (count,), at, row = struct.unpack("!H", body[:2]), 2, []
        for _ in range(count):
            (length,) = struct.unpack("!i", body[at:at + 4])
            at += 4
            row.append(None if length < 0 else body[at:at + length].decode())
            at += max(length, 0)
        return tuple(row)

    def rows(self, query):
        self._send(b"Q", query.encode() + b"\0")
        return self._until_ready()


def refused(sqlstate, action, name):
    try:
        action()
    except Refused as error:
        return is_(error.sqlstate, sqlstate, name) and error
    return ok(False, name)


def login_file(keys, **members):
    return json.dumps({"issuer": tokens.ISSUER, "audience": tokens.AUDIENCE,
                       **tokens.keyset(keys), **members})


def logins(world):
    ua = BearerSession(world, world.token("UA"))
    dl = BearerSession(world, world.token("DL"))
    query = "SELECT DISTINCT tenant_id FROM accounts"
    is_(ua.rows(query), [("UA",)], "the login's tenant is bound without a SET")
    is_(dl.rows(query), [("DL",)], "and another login's is another")
    is_(ua.rows("SELECT system_user")[0][0], "oauth:%s|user-of-UA" % tokens.ISSUER, "SYSTEM_USER is issuer and subject")
    return ua


def fixed(world, ua):
    dl = world.token("DL")
    for name, statement in (("SET", "SET mongo_tenant.jwt = '%s'" % dl), ("SET to nothing", "SET mongo_tenant.jwt = ''"),
                            ("set_config", "SELECT set_config('mongo_tenant.jwt', '%s', true)" % dl)):
        error = refused("55P02", lambda: ua.rows(statement), "%s is refused" % name)
        ok(error and dl not in str(error), "%s: the message holds no token" % name)
    for statement in ("RESET mongo_tenant.jwt", "RESET ALL", "DISCARD ALL", "SET mongo_tenant.jwt TO DEFAULT"):
        ua.rows(statement)
        is_(ua.rows("SELECT tenant FROM mongo_tenant.whoami()"), [("UA",)], "%s leaves the login's tenant" % statement)
    is_(ua.rows("SHOW mongo_tenant.jwt"), [("********",)], "SHOW shows no token")


def startup(world):
    session = BearerSession(world, world.token("UA"), options="-c mongo_tenant.jwt=%s" % world.token("DL"))
    is_(session.rows("SELECT tenant FROM mongo_tenant.whoami()"), [("UA",)], "the login beats a startup option")


def refusals(world):
    stranger = tokens.Key("RS256", kid=world.keys["rs"].kid)
    good = tokens.claims(tenant="UA")
    for name, token in (
            ("signed by a stranger", stranger.sign(good)),
            ("expired", world.token("UA", lifetime=-3600)),
            ("for another audience", world.keys["rs"].sign({**good, "aud": "another"})),
            ("of another issuer", world.keys["rs"].sign({**good, "iss": "https://other.example"})),
            ("without a subject", world.keys["rs"].sign({k: v for k, v in good.items() if k != "sub"})),
            ("without a tenant", world.keys["rs"].sign({k: v for k, v in good.items() if k != "tenantId"})),
            ("not a token", "abc")):
        error = refused("28000", lambda: BearerSession(world, token), "a token %s does not log in" % name)
        ok(error and token not in str(error), "and is not quoted (%s)" % name)


def both_must_agree(world):
    """The login file trusts the key; the database's provider has to as well."""
    session = BearerSession(world, world.token("UA"))
    is_(session.rows("SELECT tenant FROM mongo_tenant.whoami()"), [("UA",)], "control: both trust the token")
    with world.admin() as admin:
        admin.execute("SELECT mongo_tenant.revoke('test', sub => 'user-of-UA')")
    refused("28000", lambda: session.rows("SELECT count(*) FROM accounts"), "revoked in the database: denied at once")
    with world.admin() as admin:
        admin.execute("DELETE FROM mongo_tenant.revocation")
    is_(session.rows("SELECT count(*) > 0 FROM accounts"), [("t",)], "and good again without the revocation")


def expiry(world):
    session = BearerSession(world, world.token("UA", lifetime=3))
    is_(session.rows("SELECT count(*) > 0 FROM accounts"), [("t",)], "control: before exp")
    time.sleep(4.6)  # exp, and the leeway of a second
    refused("28000", lambda: session.rows("SELECT count(*) FROM accounts"), "after exp: denied until reconnect")


def bad_files(world):
    key = world.keys["rs"]
    for name, content in (("no issuer", json.dumps({"audience": tokens.AUDIENCE, **tokens.keyset([key])})),
                          ("no audience", json.dumps({"issuer": tokens.ISSUER, **tokens.keyset([key])})),
                          ("half a file", login_file([key])[:-20]),
                          ("a key twice", login_file([key, key]))):
        world.cluster.add_key_file("login.json", content)
        refused("28000", lambda: BearerSession(world, world.token("UA")), "%s: the file lets nobody in" % name)
    world.cluster.add_key_file("login.json", login_file([key]))
    BearerSession(world, world.token("UA")).close()
    ok(True, "the repaired file does")


def main():
    version = int(subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), "--version"], text=True)
                  .split()[1].split(".")[0].rstrip("betarcdevl"))
    if version < 18:
        skip("login with the token", "OAuth login needs PostgreSQL 18, this is %d" % version)
        return
    settings = {"oauth_validator_libraries": "mongo_tenant_fdw", "mongo_tenant.login_providers": "login.json",
                "mongo_tenant.leeway": "1s"}
    with World(settings=settings) as world:
        world.cluster.add_key_file("login.json", login_file([world.keys["rs"]]))
        hba = os.path.join(world.cluster.data, "pg_hba.conf")
        with open(hba) as file:
            rules = file.read()
        with open(hba, "w") as file:
            file.write('local all mtf_app oauth issuer="%s" scope="mongo" validator=mongo_tenant_fdw map=login\n%s'
                       % (tokens.ISSUER, rules))
        with open(os.path.join(world.cluster.data, "pg_ident.conf"), "a") as file:
            file.write('login "/^%s[|].+$" mtf_app\n' % tokens.ISSUER.replace(".", "[.]"))
        world.cluster.restart()
        world.load("accounts")
        session = logins(world)
        fixed(world, session)
        startup(world)
        refusals(world)
        both_must_agree(world)
        expiry(world)
        bad_files(world)
        with open(world.cluster.log) as log:
            ok("eyJ" not in log.read(), "the server's log holds no token")


main()
done()
