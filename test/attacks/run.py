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
import re
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
            answer = self.ask(dict(group.rules, providers=group.providers,
                                   token_hex=case.text().hex()))
            kind, what = case.expect
            if kind == "accept":
                ok = answer["ok"] and answer["tenant"] == what
            elif kind == "deny":
                ok = not answer["ok"] and answer["check"] == what and bool(answer["why"])
            else:
                ok = not answer["ok"] and answer["check"] == "provider" and re.search(what, answer["why"])
            self.score.note(case, ok, answer)

    def close(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            self.score.failed += 1
            print("FAILED: the driver ended with status %d" % self.process.returncode)


class Sql:
    """Through SQL, as its users see it."""

    # What create_provider and add_key may say to a key set that they refuse: the argument is wrong
    # (and why), it is no JSON, or a constraint of the tables is in the way.
    REFUSALS = ("22023", "22P02", "22P05", "23505", "23514")

    def __init__(self, score):
        import psycopg
        self.psycopg = psycopg
        self.score = score
        self.connection = psycopg.connect("", autocommit=True, prepare_threshold=None)
        self.connection.execute("SET client_min_messages = error")
        self.connection.execute("LOAD 'mongo_tenant_fdw'")
        self.key_dir = self.value("SELECT current_setting('mongo_tenant.key_dir')")
        if self.key_dir and not os.access(self.key_dir, os.W_OK):
            self.key_dir = ""
        self.created = []
        self.files = []

    def value(self, sql, *args):
        row = self.connection.execute(sql, args).fetchone()
        return row and row[0]

    def write_file(self, content):
        """A file of key_dir that belongs to the server's user; its base name."""
        name = "attack-%d-%d" % (os.getpid(), len(self.files))
        path = os.path.join(self.key_dir, name)
        owner = os.stat(self.key_dir)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)
        self.files.append(path)
        return name

    def create(self, provider, by_file):
        """Raises what the functions raise; None when this way cannot say it."""
        keys = provider["keys"][0]
        arguments = {
            "name": provider["name"], "issuer": provider["issuer"], "audience": provider["audience"],
            "algorithms": provider["algorithms"], "any_audience": provider.get("any_audience", False),
            "all_audiences": provider.get("all_audiences", False),
            "tenant_claim": provider.get("tenant_claim", "tenantId"),
            "required_claims": provider.get("required", []), "typ": provider.get("typ", []),
            "azp": provider.get("azp", []),
        }
        if "secret_hex" in keys:
            arguments["secret_file"] = self.write_file(bytes.fromhex(keys["secret_hex"]))
        elif "jwks" in keys and by_file:
            arguments["jwks_file"] = self.write_file(keys["jwks"].encode("utf-8"))
        casts = {"audience": "text[]", "algorithms": "text[]", "required_claims": "text[]",
                 "typ": "text[]", "azp": "text[]", "any_audience": "boolean",
                 "all_audiences": "boolean", "jwks": "jsonb"}
        if "jwks" in keys and not by_file:
            arguments["jwks"] = keys["jwks"]
        self.connection.execute(
            "SELECT mongo_tenant.create_provider(%s)" % ", ".join(
                "%s => %%s::%s" % (name, casts.get(name, "text")) for name in arguments),
            list(arguments.values()))
        self.created.append(provider["name"])
        if "pem" in keys:
            self.connection.execute("SELECT mongo_tenant.add_key(%s, %s, %s::text)",
                                    (provider["name"], keys.get("kid"), keys["pem"]))

    def forget(self):
        self.connection.execute("RESET mongo_tenant.jwt")
        for name in self.created:
            self.connection.execute("SELECT mongo_tenant.drop_provider(%s)", (name,))
        for path in self.files:
            if os.path.exists(path):
                os.unlink(path)
        self.created = []

    def ways(self, group):
        """By the catalog, by a file of key_dir, or both: what can say these keys exactly."""
        if group.rules:
            return []
        ways = []
        keys = [provider["keys"][0] for provider in group.providers]
        needs_file = any(key.get("secrets") or "secret_hex" in key for key in keys)
        refused = any(case.expect[0] == "refuse" for case in group.cases)
        if not needs_file and not (refused and any(changed_by_jsonb(key) for key in keys)):
            ways.append(False)
        if self.key_dir and not keys[0].get("catalog") and (needs_file or (refused and "jwks" in keys[0]) or
                             group.name.endswith("bare-jwk")):
            ways.append(True)
        return ways

    def play(self, group):
        ways = self.ways(group)
        if not ways:
            self.score.skipped += len(group.cases)
        for by_file in ways:
            error = None
            try:
                for provider in group.providers:
                    self.create(provider, by_file)
            except self.psycopg.Error as e:
                error = e
            for case in group.cases:
                if case.expect[0] == "refuse":
                    said = str(error)
                    ok = (error is not None and error.sqlstate in self.REFUSALS and
                          (error.sqlstate != "22023" or re.search(case.expect[1], said)))
                    self.score.note(case, ok, "%s %s" % (error and error.sqlstate, said))
                elif error is not None:
                    self.score.note(case, False, "%s %s" % (error.sqlstate, error))
                else:
                    self.play_token(case)
            self.forget()

    def play_token(self, case):
        try:
            token = case.text().decode("utf-8")
            if "\0" in token:
                raise ValueError
        except ValueError:
            self.score.skipped += 1  # no text of SQL
            return
        rows = self.connection.execute(
            'SELECT "check", passed, why FROM mongo_tenant.check_token(%s)', (token,)).fetchall()
        failing = [name for name, passed, _ in rows if passed is False]
        sqlstate = "00000"
        who = None
        try:
            self.connection.execute("SELECT set_config('mongo_tenant.jwt', %s, false)", (token,))
        except self.psycopg.Error as e:
            self.score.note(case, False, "SET fails with %s" % e.sqlstate)
            return
        try:
            who = self.connection.execute("SELECT tenant, provider FROM mongo_tenant.whoami()").fetchall()
        except self.psycopg.Error as e:
            sqlstate = e.sqlstate
            said = str(e)
            if any(len(part) > 20 and part in said for part in token.split(".")):
                self.score.note(case, False, "the message quotes the token")
                return
        kind, what = case.expect
        if kind == "accept":
            ok = sqlstate == "00000" and len(who) == 1 and who[0][0] == what and not failing
        elif not token:
            ok = who == [] or sqlstate == "28000"  # the empty setting is no token
        else:
            ok = sqlstate == "28000" and failing == [what] and not who
        self.score.note(case, ok, (sqlstate, who, failing))

    def state(self, token):
        """The SQLSTATE of the token's first use."""
        self.connection.execute("SELECT set_config('mongo_tenant.jwt', %s, false)",
                                (token.decode("ascii"),))
        try:
            self.connection.execute("SELECT * FROM mongo_tenant.whoami()")
        except self.psycopg.Error as e:
            return e.sqlstate
        return "00000"

    def play_catalog(self, algorithms):
        """What only catalogs can show: a key under two issuers, rotation, revocation."""
        for alg in attacks.ASYMMETRIC:
            if not algorithms or alg in algorithms:
                for form in ("jwk", "pem"):
                    self.play_shared_key(alg, form)
                    self.play_rotation(alg, form)
                    self.play_revocation(alg, form)
                    self.forget()

    def expect(self, row, name, ok, what=""):
        self.score.note(attacks.Case(row, name, b"", ("as described", "")), ok, what)

    def play_shared_key(self, alg, form):
        key = attacks.Key(alg, kid="k")
        first = attacks.Context(key, form)
        second = attacks.Context(key, form)
        twin = attacks.Context(attacks.Key(alg, kid="k"), form)
        self.create(first.provider, False)
        try:
            self.create(second.provider, False)
            sqlstate = "00000"
        except self.psycopg.Error as e:
            sqlstate = e.sqlstate
        self.expect("issuer", "%s: a key under two issuers" % first.label, sqlstate == "22023", sqlstate)
        self.expect("issuer", "%s: the first issuer goes on" % first.label,
                    self.state(first.token()) == "00000")
        self.create(twin.provider, False)
        self.expect("issuer", "%s: two keys under two issuers (twin)" % first.label,
                    self.state(twin.token()) == "00000")

    def play_rotation(self, alg, form):
        old = attacks.Context(attacks.Key(alg, kid="old"), form)
        new = attacks.Key(alg, kid="new")
        fresh = old.token(header={"kid": "new"}, key=new)
        name = old.provider["name"]
        self.create(old.provider, False)
        states = [self.state(fresh)]
        if form == "pem":
            self.connection.execute("SELECT mongo_tenant.add_key(%s, 'new', %s::text)", (name, new.pem()))
        else:
            self.connection.execute("SELECT mongo_tenant.add_key(%s, %s::jsonb)",
                                    (name, json.dumps(new.jwk())))
        states += [self.state(fresh), self.state(old.token())]
        token = old.token()
        states.append(self.state(token))
        self.connection.execute("SELECT mongo_tenant.drop_key(%s, 'old')", (name,))
        states += [self.state(token), self.state(fresh)]
        self.expect("rotation", "%s: before, during and after" % old.label,
                    states == ["28000", "00000", "00000", "00000", "28000", "00000"], states)

    def play_revocation(self, alg, form):
        ctx = attacks.Context(attacks.Key(alg, kid="k"), form)
        self.create(ctx.provider, False)
        now = int(time.time())
        for what, value, revoked, twin in (
                ("jti", "j1", {"jti": "j1"}, {"jti": "j2"}),
                ("sub", "eve", {"sub": "eve"}, {"sub": "ada"}),
                ("tenant", "T9", {"tenantId": "T9"}, {"tenantId": "T8"}),
                ("not_before", now - 60, {"iat": now - 120}, {"iat": now - 30})):
            bad = ctx.token(payload=revoked)
            good = ctx.token(payload=twin)
            states = [self.state(bad), self.state(good)]
            self.connection.execute(
                "SELECT mongo_tenant.revoke(%%s, %s => %s)" % (
                    what, "to_timestamp(%s)" if what == "not_before" else "%s::text"),
                (ctx.provider["name"], value))
            states += [self.state(bad), self.state(good)]
            self.expect("revocation", "%s: by %s" % (ctx.label, what),
                        states == ["00000", "00000", "28000", "00000"], states)
        self.connection.execute("DELETE FROM mongo_tenant.revocation WHERE provider = %s",
                                (ctx.provider["name"],))

    def close(self):
        self.connection.close()


def changed_by_jsonb(key):
    """Would jsonb say something else, or nothing, of this text?"""
    if "jwks" not in key:
        return False

    def no_duplicates(pairs):
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        value = json.loads(key["jwks"], object_pairs_hook=no_duplicates)
    except ValueError:
        return True
    # The catalog keeps one row for each key: what is said about the list as a whole is lost.
    if not isinstance(value, dict) or not isinstance(value.get("keys", []), list) or "x" in value:
        return True
    keys = value.get("keys", [value])
    return not any(isinstance(k, dict) and k.get("use") != "enc" for k in keys)


def write_cases(path, algorithms):
    with open(path, "w", encoding="utf-8") as file:
        for group in attacks.groups(algorithms):
            for case in group.cases:
                file.write(json.dumps({"row": case.row, "rules": group.rules, "name": case.name, "expect": case.expect,
                                       "providers": group.providers,
                                       "token_hex": case.text().hex()}) + "\n")


def main():
    parser = argparse.ArgumentParser(description="Attacks on tokens and key sets")
    parser.add_argument("--driver", help="the auth room as a program")
    parser.add_argument("--cases", help="write the cases to this file")
    parser.add_argument("algorithm", nargs="*", help="only these algorithms")
    args = parser.parse_args()
    if args.cases:
        write_cases(args.cases, args.algorithm)
        return 0
    score = Score()
    start = time.time()
    player = Driver(args.driver, score) if args.driver else Sql(score)
    for group in attacks.groups(args.algorithm):
        player.play(group)
    if not args.driver:
        player.play_catalog(args.algorithm)
    player.close()
    print("by row: " + ", ".join("%s %d" % item for item in sorted(score.rows.items())))
    print("%d cases in %.1f s, %d skipped" % (score.passed + score.failed, time.time() - start,
                                              score.skipped))
    print("%d passed, %d failed" % (score.passed, score.failed))
    return 1 if score.failed else 0


if __name__ == "__main__":
    sys.exit(main())
