"""threats.md "Session" and "Token": what several sessions see of one identity, and what they do not.

A change of providers, keys, files and revocations counts in every session at its next statement; a
token is nowhere to be seen; each denial stands beside the same statement that is allowed.
"""
import json
import os
import re
import threading
import time

import jwt

import tokens
from tap import World, ok, is_, throws, diag, done

CANARY = "canary-of-a-subject"


def until_locked(world, observer, session):
    """Return when the session waits for a lock, or after 20 s."""
    deadline = time.monotonic() + 20
    while not world.value(observer, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = %s",
                          session.info.backend_pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def tenant(world, session):
    return world.value(session, "SELECT mongo_tenant.tenant()")


def denied(world, session, name):
    throws("28000", lambda: tenant(world, session), name)


def revocations(world, admin):
    """Seen at the next statement, whatever the session or the administrator does."""
    with world.connect("UA") as user, world.connect("UA") as other:
        user.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        is_(tenant(world, user), "UA", "REPEATABLE READ: before the revocation")
        admin.execute("SELECT mongo_tenant.revoke('test', tenant => 'UA')")
        denied(world, user, "REPEATABLE READ: the next statement after a revocation")
        user.execute("ROLLBACK")
        denied(world, other, "another session's next statement")
        admin.execute("TRUNCATE mongo_tenant.revocation")
        is_(tenant(world, user), "UA", "revocations truncated: accepted again")
        admin.execute("SET session_replication_role = replica")
        admin.execute("INSERT INTO mongo_tenant.revocation (provider, kind, value) VALUES ('test', 'tenant', 'UA')")
        denied(world, user, "a row that came by replication")
        admin.execute("TRUNCATE mongo_tenant.revocation")
        is_(tenant(world, user), "UA", "TRUNCATE as a replica")
        admin.execute("RESET session_replication_role")
        user.execute("BEGIN")
        is_(tenant(world, user), "UA", "inside a transaction: before")
        admin.execute("SELECT mongo_tenant.revoke('test', sub => 'user-of-UA')")
        throws("28000", lambda: user.execute("SELECT count(*) FROM accounts"), "inside a transaction: a foreign scan after")
        user.execute("ROLLBACK")
        admin.execute("DELETE FROM mongo_tenant.revocation")
        is_(world.value(user, "SELECT count(*) FROM accounts"), 10, "and its rows again")


def providers(world, admin):
    new = tokens.Key("RS256", kid="new")
    with world.connect("UA") as user, world.connect(token=new.sign(tokens.claims(tenant="DL"))) as soon:
        denied(world, soon, "a key that nobody knows")
        admin.execute("SELECT mongo_tenant.add_key('test', 'new', %s)", (new.pem(),))
        is_(tenant(world, soon), "DL", "a key added")
        is_(tenant(world, user), "UA", "the older key is still good: no gap")
        admin.execute("SELECT mongo_tenant.drop_key('test', 'new')")
        denied(world, soon, "a key dropped")
        is_(world.value(user, "SELECT count(*) FROM accounts"), 10, "a server that names the provider")
        admin.execute("ALTER SERVER mongo OPTIONS (SET providers 'nobody')")
        throws("28000", lambda: user.execute("SELECT count(*) FROM accounts"), "a server that names it no longer")
        admin.execute("ALTER SERVER mongo OPTIONS (SET providers 'test')")
        is_(world.value(user, "SELECT count(*) FROM accounts"), 10, "and names it again")
        user.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        is_(tenant(world, user), "UA", "SERIALIZABLE: before")
        admin.execute("UPDATE mongo_tenant.provider SET audience = '{another}' WHERE name = 'test'")
        denied(world, user, "SERIALIZABLE: the provider's audience changed")
        user.execute("ROLLBACK")
        admin.execute("UPDATE mongo_tenant.provider SET audience = '{mongo_tenant}' WHERE name = 'test'")
        is_(tenant(world, user), "UA", "and changed back")
        user.execute("BEGIN")
        user.execute("DECLARE c CURSOR FOR SELECT id FROM accounts")
        is_(len(user.execute("FETCH 1 FROM c").fetchall()), 1, "a cursor before its provider's claim changed")
        admin.execute("UPDATE mongo_tenant.provider SET tenant_claim = 'sub' WHERE name = 'test'")
        throws("55000", lambda: user.execute("FETCH 1 FROM c"), "the same token means another tenant now")
        user.execute("ROLLBACK")
        admin.execute("UPDATE mongo_tenant.provider SET tenant_claim = 'tenantId' WHERE name = 'test'")


def half_a_change(world, admin):
    """A change of a provider and its keys is seen whole or not at all, whatever waits in between."""
    new = tokens.Key("RS256", kid="swapped")
    with world.admin() as changer, world.connect(token=new.sign(tokens.claims(tenant="UA"))) as user:
        before = changer.execute("SELECT jwk::text FROM mongo_tenant.provider_key WHERE provider = 'test' AND kid = 'rs'").fetchone()[0]
        changer.execute("BEGIN")
        changer.execute("LOCK TABLE mongo_tenant.provider_key IN ACCESS EXCLUSIVE MODE")
        answer = []

        def ask():
            try:
                answer.append(tenant(world, user))
            except Exception as error:
                answer.append(getattr(error, "sqlstate", None))

        asking = threading.Thread(target=ask)
        asking.start()
        until_locked(world, admin, user)
        # The new key comes with a new audience: a token of that key for the old one was never good.
        changer.execute("UPDATE mongo_tenant.provider SET audience = '{another}' WHERE name = 'test'")
        changer.execute("UPDATE mongo_tenant.provider_key SET kid = 'swapped', jwk = %s::jsonb WHERE provider = 'test' AND kid = 'rs'",
                        (json.dumps(new.jwk()),))
        changer.execute("COMMIT")
        asking.join(30)
        is_(answer, ["28000"], "half of a change is not seen")
        changer.execute("UPDATE mongo_tenant.provider SET audience = '{mongo_tenant}' WHERE name = 'test'")
        is_(tenant(world, user), "UA", "the new key with the old audience would have been good (control)")
        changer.execute("UPDATE mongo_tenant.provider_key SET kid = 'rs', jwk = %s::jsonb WHERE kid = 'swapped'", (before,))


def files(world, admin):
    """Key sets and secrets in key_dir: read again when they change, never half, never a bad one."""
    key, later = tokens.Key("ES256", kid="f1"), tokens.Key("ES256", kid="f2")
    cluster, issuer = world.cluster, "https://files.example"

    def write(content):
        cluster.add_key_file("set.json", content)

    write(json.dumps(tokens.keyset([key])))
    admin.execute("SELECT mongo_tenant.create_provider('files', %s, ARRAY['mongo_tenant'], jwks_file => 'set.json')", (issuer,))
    ask = "SELECT mongo_tenant.tenant('files')"
    with world.connect(token=key.sign(tokens.claims(issuer))) as user, \
            world.connect(token=later.sign(tokens.claims(issuer, "DL"))) as soon:
        is_(world.value(user, ask), "UA", "a key set in a file")
        throws("28000", lambda: soon.execute(ask), "a key that is not in it")
        write(json.dumps(tokens.keyset([key, later])))
        is_(world.value(soon, ask), "DL", "the file replaced: its new key")
        is_(world.value(user, ask), "UA", "and its old one")
        write(json.dumps(tokens.keyset([key, later]))[:-40])
        throws("28000", lambda: user.execute(ask), "half a file: nobody is believed")
        throws("28000", lambda: soon.execute(ask), "not even with a key of its first half")
        write(json.dumps(tokens.keyset([key, later])))
        is_(world.value(user, ask), "UA", "the file repaired")
        path = os.path.join(cluster.key_dir, "set.json")
        os.chmod(path, 0o620)
        throws("28000", lambda: user.execute(ask), "a file that its group may write")
        os.chmod(path, 0o600)
        is_(world.value(user, ask), "UA", "its mode repaired")
        os.unlink(path)
        throws("28000", lambda: user.execute(ask), "the file removed")
        write(json.dumps(tokens.keyset([key])))
        is_(world.value(user, ask), "UA", "and back")
        os.chmod(cluster.key_dir, 0o770)
        with world.connect(token=key.sign(tokens.claims(issuer))) as fresh:
            throws("28000", lambda: fresh.execute(ask), "key_dir that its group may write")
        os.chmod(cluster.key_dir, 0o700)
        with world.connect(token=key.sign(tokens.claims(issuer))) as fresh:
            is_(world.value(fresh, ask), "UA", "its mode repaired")
        throws("28000", lambda: tenant(world, user), "tenant() without arguments is for the local provider only")

    secret = tokens.Key("HS256")
    cluster.add_key_file("hs", secret.private)
    admin.execute("SELECT mongo_tenant.create_provider('hs', 'https://hs.example', ARRAY['mongo_tenant'],"
                  " algorithms => '{HS256}', secret_file => 'hs')")
    good = secret.sign(tokens.claims("https://hs.example"))
    with world.connect(token=good) as user:
        is_(world.value(user, "SELECT mongo_tenant.tenant('hs', 'test')"), "UA", "HS256 with a secret file")
        os.chmod(os.path.join(cluster.key_dir, "hs"), 0o644)
        throws("28000", lambda: user.execute("SELECT mongo_tenant.tenant('hs')"), "a secret that the world may read")
        os.chmod(os.path.join(cluster.key_dir, "hs"), 0o600)
        is_(world.value(user, "SELECT mongo_tenant.tenant('hs')"), "UA", "its mode repaired")
    # The public key of an asymmetric provider as an HMAC secret
    confused = tokens.Key("HS256", kid="rs", private=world.keys["rs"].pem().encode())
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    algorithm.prepare_key = lambda key: key  # its own check refuses a PEM text
    forged = confused.sign_parts(b'{"alg":"HS256","typ":"JWT","kid":"rs"}', json.dumps(tokens.claims()).encode(), algorithm)
    with world.connect(token=forged) as user:
        denied(world, user, "HS256 with the public key of an RS256 provider")


def private_keys(world, admin):
    """A key given by mistake: refused before it is written down anywhere."""
    key = tokens.Key("ES256", kid="oops")
    whole = {**key.jwk(), "d": tokens.b64url(b"canary-private-number-0123456789")}
    for name, statement, argument in (
            ("JWK", "SELECT mongo_tenant.add_key('test', '%s'::jsonb)", json.dumps(whole)),
            ("JWK Set", "SELECT mongo_tenant.create_provider('p', 'https://p', '{x}', '%s')", json.dumps({"keys": [whole]})),
            ("PEM", "SELECT mongo_tenant.add_key('test', 'oops', '%s')", key.private_pem())):
        error = throws("22023", lambda: admin.execute(statement % argument), "a private key as " + name)
        if error is not None:
            ok("canary" not in str(error) and "BEGIN" not in str(error), "and no word of it in the message")
    with open(world.cluster.log) as log:
        text = log.read()
    ok(whole["d"] not in text and "BEGIN PRIVATE KEY" not in text, "nor in the log")


def expiry(world):
    """The configured leeway is 30 seconds: a token that expired 28 seconds ago has two left."""
    now = int(time.time())
    with world.connect(token=world.token("UA", exp=now - 27, iat=now - 100)) as user:
        user.execute("PREPARE q AS SELECT count(*) FROM accounts")
        user.execute("BEGIN")
        user.execute("DECLARE c CURSOR FOR SELECT id FROM accounts ORDER BY id")
        is_(user.execute("FETCH 2 FROM c").fetchall(), [(1,), (2,)], "a cursor before the token expires")
        is_(tenant(world, user), "UA", "tenant() before the token expires")
        time.sleep(max(0.0, now + 4.2 - time.time()))
        user.execute("SAVEPOINT s")
        throws("28000", lambda: user.execute("FETCH 2 FROM c"), "its next FETCH after")
        user.execute("ROLLBACK TO s")
        denied(world, user, "tenant() after: a remembered verdict expires too")
        user.execute("ROLLBACK TO s")
        throws("28000", lambda: user.execute("EXECUTE q"), "and a prepared statement")
        user.execute("ROLLBACK")


def configured(world, admin, user, name, value):
    """Give a setting another value in the configuration file, and wait until the session has it."""
    show = "SHOW mongo_tenant.%s" % name
    before = world.value(user, show)
    admin.execute("ALTER SYSTEM %s mongo_tenant.%s" % ("RESET" if value is None else "SET", name) +
                  ("" if value is None else " = '%s'" % value))
    admin.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 20
    while world.value(user, show) == before and time.monotonic() < deadline:
        time.sleep(0.05)


def rules(world, admin):
    """A token that was found good is judged again when the rules change."""
    padded = world.token("UA", padding="x" * 2000)
    late = world.token("UA", exp=int(time.time()) - 1)
    for name, value, token, what in (("max_token_lifetime", "10min", world.token("UA"), "an hour's life"),
                                     ("max_token_bytes", "1kB", padded, "two thousand bytes and more"),
                                     ("leeway", "0s", late, "an expiry of just now")):
        with world.connect(token=token) as user:
            is_(tenant(world, user), "UA", what + ": good by default")
            configured(world, admin, user, name, value)
            throws("28000", lambda: tenant(world, user), "  not when %s is %s, in the same session" % (name, value))
            configured(world, admin, user, name, None)
            is_(tenant(world, user), "UA", "  and good again")


def token_scope(world, admin):
    token = world.token("UA")
    admin.execute("ALTER DATABASE %s SET mongo_tenant.token_scope = transaction" % world.name)
    with world.connect(token=token) as user:
        denied(world, user, "token_scope transaction: a token of an earlier transaction")
        user.execute("BEGIN")
        user.execute("SELECT set_config('mongo_tenant.jwt', %s, true)", (token,))
        is_(tenant(world, user), "UA", "the transaction that set it")
        user.execute("SAVEPOINT s")
        user.execute("SELECT set_config('mongo_tenant.jwt', %s, true)", (world.token("DL"),))
        is_(tenant(world, user), "DL", "and its subtransaction")
        user.execute("ROLLBACK TO s")
        is_(tenant(world, user), "UA", "rolled back")
        user.execute("COMMIT")
        denied(world, user, "the transaction after")
        user.execute("BEGIN")
        user.execute("SELECT set_config('mongo_tenant.jwt', %s, false)", (token,))
        user.execute("COMMIT AND CHAIN")
        denied(world, user, "COMMIT AND CHAIN begins another")
        user.execute("ROLLBACK")
        user.execute("BEGIN")
        user.execute("SAVEPOINT s")
        throws("28000", lambda: user.execute("SELECT * FROM accounts"), "a forgotten token of another client of the pool")
        user.execute("ROLLBACK")
    with world.connect(options="-c mongo_tenant.jwt=" + token) as user:
        denied(world, user, "a token given at connection start")
        user.execute("DISCARD ALL")
        denied(world, user, "which DISCARD ALL brings back")
    admin.execute("ALTER DATABASE %s RESET mongo_tenant.token_scope" % world.name)
    with world.connect(options="-c mongo_tenant.jwt=" + token) as user:
        is_(tenant(world, user), "UA", "token_scope session: a token given at connection start")
        world.identify(user, world.token("DL"))
        is_(tenant(world, user), "DL", "replaced by SET")
        user.execute("DISCARD ALL")
        is_(tenant(world, user), "UA", "and brought back by DISCARD ALL")
    with world.connect("UA") as user:
        user.execute("DISCARD ALL")
        denied(world, user, "DISCARD ALL clears what SET set")


def placeholder(world):
    """Set before the library is loaded, which session_preload_libraries prevents."""
    token = world.token("UA")
    for scope in ("session", "transaction"):
        options = "-c session_preload_libraries= -c mongo_tenant.token_scope=" + scope
        with world.connect(role="postgres", options=options) as session:
            session.execute("BEGIN")
            world.identify(session, token)
            ok(world.value(session, "SHOW mongo_tenant.jwt") == token, "a placeholder shows its value (control)")
            session.execute("LOAD 'mongo_tenant_fdw'")
            is_(world.value(session, "SHOW mongo_tenant.jwt"), "********", "masked once the library is loaded")
            is_(world.value(session, "SELECT count(*) FROM pg_settings s WHERE s::text LIKE '%%eyJ%%'"), 0,
                "in pg_settings too")
            if scope == "session":
                is_(tenant(world, session), "UA", "and taken over")
            else:
                denied(world, session, "but not fresh: refused under token_scope transaction")
            session.execute("ROLLBACK")


def visible(world):
    """Another session of the same role looks on; the log is searched at the end."""
    token = world.token("UA", sub=CANARY)
    with world.connect() as user, world.connect() as watcher:
        pid = user.info.backend_pid
        look = "SELECT query FROM pg_stat_activity WHERE pid = %s"
        user.execute("SELECT 'seen'")
        is_(world.value(watcher, look, pid), "SELECT 'seen'", "pg_stat_activity shows other statements (control)")
        for statement in ("SET mongo_tenant.jwt = '%s'", "SELECT set_config('mongo_tenant.jwt', '%s', false)",
                          "set MONGO_TENANT.JWT to '%s'", "DO $$ BEGIN PERFORM set_config('mongo_tenant.jwt', '%s', false); END $$",
                          "SELECT 1; SET mongo_tenant.jwt = '%s'; SELECT 2"):
            user.execute(statement % token)
            seen = world.value(watcher, look, pid)
            ok("ey" not in seen and "mongo_tenant" in seen, "pg_stat_activity hides " + statement) or diag(seen)
        is_(tenant(world, user), "UA", "it was set all the same")
        # Statements that fail are logged with their text.
        for statement in ("SET mongo_tenant.jwt = '%s' oops", "SELECT set_config('mongo_tenant.jwt', '%s', false), 1/0",
                          "SELECT '%s'::text, 1/0", "DO $$ BEGIN PERFORM set_config('mongo_tenant.jwt', '%s', false), 1/0; END $$",
                          "DO $x$ BEGIN EXECUTE $$SELECT set_config('mongo_tenant.jwt', '%s', false) oops oops$$; END $x$"):
            throws(("42601", "22012"), lambda: user.execute(statement % token), "fails: " + statement)
            seen = world.value(watcher, look, pid)
            ok("ey" not in seen, "pg_stat_activity hides it as well") or diag(seen)
        throws("22012", lambda: user.execute("SELECT 'logged' || 1/0"), "another statement that fails (control)")


def parallel(world, admin):
    admin.execute("CREATE FUNCTION careless() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS"
                  " 'BEGIN RETURN mongo_tenant.tenant(); END'; GRANT EXECUTE ON FUNCTION careless() TO mtf_app;"
                  " CREATE TABLE big AS SELECT i FROM generate_series(1, 100000) i; GRANT SELECT ON big TO mtf_app;"
                  " ANALYZE big")
    with world.connect("UA") as user:
        user.execute("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0")
        query = "SELECT count(*) FROM big WHERE %s = 'UA'"
        plan = "\n".join(world.column(user, "EXPLAIN " + query % "careless()"))
        ok("Parallel" in plan, "a function declared PARALLEL SAFE goes to a worker (control)") or diag(plan)
        throws("28000", lambda: user.execute(query % "careless()"), "a parallel worker has no identity")
        is_(world.value(user, query % "mongo_tenant.tenant()"), 100000, "tenant() itself stays with the leader")


def commits(world, admin):
    admin.execute("CREATE PROCEDURE commit_inside(statement text) LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN"
                  " FOR r IN EXECUTE statement LOOP COMMIT; END LOOP; END $$;"
                  " GRANT EXECUTE ON PROCEDURE commit_inside(text) TO mtf_app;"
                  " CREATE FUNCTION by_a_loop() RETURNS SETOF text LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN"
                  " FOR r IN SELECT secret FROM accounts LOOP RETURN NEXT r.secret; END LOOP; END $$")
    with world.connect("UA") as user:
        throws("0A000", lambda: user.execute("CALL commit_inside('SELECT id FROM accounts')"),
               "COMMIT inside a loop over a tenant's rows")
        throws("0A000", lambda: user.execute("CALL commit_inside('SELECT * FROM by_a_loop()')"),
               "and over the rows of a function that read them by a cursor of its own")
        user.execute("SELECT * FROM by_a_loop()")
        user.execute("CALL commit_inside('SELECT 1')")
        ok(True, "and over others (control)")
        user.execute("BEGIN")
        user.execute("DECLARE c CURSOR WITH HOLD FOR SELECT tablename FROM pg_tables")
        user.execute("COMMIT")
        is_(len(user.execute("FETCH 1 FROM c").fetchall()), 1, "WITH HOLD over a catalog (control)")


def locked_rows(world, admin):
    """EvalPlanQual runs a plan again in an executor state of its own: the identity is the outer one's."""
    admin.execute("CREATE TABLE jobs (id int PRIMARY KEY, tenant text, state text);"
                  " INSERT INTO jobs SELECT i, t, 'new' FROM generate_series(1, 3) i, (VALUES ('UA')) v(t);"
                  " ALTER TABLE jobs ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON jobs USING (tenant = mongo_tenant.tenant());"
                  " GRANT SELECT, UPDATE ON jobs TO mtf_app")
    query = "SELECT j.id, j.state, a.secret FROM jobs j JOIN accounts a ON a.id = j.id WHERE j.id = 1 FOR UPDATE OF j"
    with world.connect("UA") as first, world.connect("UA") as second:
        for name, change, expected in (("updated", "UPDATE jobs SET state = 'busy' WHERE id = 1", [(1, "busy", "secret of UA")]),
                                       ("given to another tenant", "UPDATE jobs SET tenant = 'DL' WHERE id = 1", [])):
            is_(meanwhile(world, admin, change, first, second, query), expected, "a locked row that was " + name + " meanwhile")
        # The first row changes the token; the second is locked, and its scan of the other table begins anew.
        admin.execute("CREATE TABLE plain AS SELECT i AS id, 'new' AS state FROM generate_series(1, 2) i; GRANT SELECT, UPDATE ON plain TO mtf_app")
        got = meanwhile(world, admin, "UPDATE plain SET state = 'busy' WHERE id = 2", first, second,
                        "SELECT id, state, (SELECT secret FROM accounts a WHERE a.id = p.id),"
                        " length(set_config('mongo_tenant.jwt', %s, false)) > 0 FROM plain p FOR UPDATE", world.token("DL"))
        is_(got, [(1, "new", "secret of UA", True), (2, "busy", "secret of UA", True)], "a scan begun for a locked row keeps the execution's identity")
        is_(world.value(second, "SELECT count(*) FROM accounts WHERE secret = 'secret of DL'"), 10, "positive control: the token has changed")


def meanwhile(world, admin, change, first, second, query, *parameters):
    """The rows of a query that waits for a row lock until `change` is committed."""
    got = []
    admin.execute("BEGIN")
    admin.execute(change)
    waiting = threading.Thread(target=lambda: got.extend(second.execute(query, parameters or None).fetchall()))
    waiting.start()
    until_locked(world, first, second)
    admin.execute("COMMIT")
    waiting.join(30)
    return got


def bypass(world, admin):
    everybody = world.mongo["accounts"].count_documents({})
    admin.execute("CREATE ROLE mtf_reader LOGIN; CREATE ROLE mtf_auditor; GRANT mtf_auditor TO mtf_reader; GRANT mtf_app TO mtf_reader")
    with world.admin() as boss:
        boss.execute("SET mongo_tenant.bypass = on")
        throws("28000", lambda: boss.execute("SELECT count(*) FROM accounts"), "bypass without a bypass_role: nobody")
    world.cluster.configure({"mongo_tenant.bypass_role": "mtf_auditor"})
    admin.execute("SELECT pg_reload_conf()")
    time.sleep(0.5)
    admin.execute("ALTER ROLE mtf_app SET mongo_tenant.bypass = on; ALTER ROLE mtf_reader SET mongo_tenant.bypass = on")
    with world.connect() as user, world.connect(role="mtf_reader") as reader:
        is_(world.value(user, "SHOW mongo_tenant.bypass"), "on", "bypass set for a user by a superuser")
        throws("28000", lambda: user.execute("SELECT count(*) FROM accounts"), "who is no member of bypass_role")
        is_(world.value(reader, "SELECT count(*) FROM accounts"), everybody, "a member: everybody's rows")
        reader.execute("SET ROLE mtf_app")
        is_(world.value(reader, "SELECT count(*) FROM accounts"), everybody, "the right belongs to who logged in")
        reader.execute("RESET ROLE")
        throws("28000", lambda: tenant(world, reader), "bypass gives no tenant")
        with reader.transaction(force_rollback=True):
            reader.execute("DECLARE c CURSOR FOR SELECT * FROM accounts")
            is_(len(world.rows(reader, "FETCH 2 c")), 2, "a cursor under bypass")
            admin.execute("REVOKE mtf_auditor FROM mtf_reader")
            throws("55000", lambda: reader.execute("FETCH 2 c"), "ends with the membership")
    with world.admin() as boss:
        boss.execute("SET mongo_tenant.bypass = on; BEGIN; DECLARE c CURSOR FOR SELECT * FROM accounts")
        is_(len(world.rows(boss, "FETCH 2 c")), 2, "a superuser's cursor under bypass")
        boss.execute("SET mongo_tenant.bypass = off")
        throws("55000", lambda: boss.execute("FETCH 2 c"), "ends with the setting")
        boss.execute("ROLLBACK; RESET mongo_tenant.bypass")
        throws("28000", lambda: boss.execute("SELECT count(*) FROM accounts"), "a superuser who does not ask for it")
    admin.execute("ALTER ROLE mtf_app RESET mongo_tenant.bypass; DROP ROLE mtf_reader, mtf_auditor")


def audit(world, admin):
    admin.execute("ALTER DATABASE %s SET mongo_tenant.audit = 'all'" % world.name)
    with world.connect(token=world.token("UA", jti="one", sub="line\nbreak \"quoted\"")) as user:
        user.execute("SELECT id FROM accounts").fetchall()
        user.execute("BEGIN")
        user.execute("DECLARE c CURSOR FOR SELECT id FROM accounts ORDER BY id")
        user.execute("FETCH 3 FROM c").fetchall()
        user.execute("ROLLBACK")
        user.execute("SELECT active, count(*) FROM accounts GROUP BY active").fetchall()
        user.execute("RESET mongo_tenant.jwt")
        throws("28000", lambda: user.execute("SELECT id FROM accounts"), "an access denied, for the audit")
    with open(world.cluster.log) as log:
        lines = [json.loads(line) for line in re.findall(r"mongo_tenant audit: (\{.*\})$", log.read(), re.M)]
    access = [line for line in lines if line["event"] == "access"]
    is_([(line["tenant"], line["relation"], line["rows"], line["operation"]) for line in access],
        [("UA", "public.accounts", 10, "select"), ("UA", "public.accounts", 10, "select"), ("UA", "public.accounts", 2, "aggregate")],
        "a line per access: tenant, relation, documents, also when rolled back")
    is_({line["subject"] for line in access}, {"line\nbreak \"quoted\""}, "a subject cannot forge lines")
    ok(all(line["token"] != "one" and len(line["token"]) == 16 for line in access), "the token's id is hashed")
    ok(any(line["event"] == "denial" and line["reason"] == "no token is set" for line in lines), "a line per denial")
    ok(any(line["event"] == "bypass" and line["user"] == "mtf_reader" for line in lines), "a line per bypass, audit or not")
    size = os.path.getsize(world.cluster.log)
    admin.execute("ALTER DATABASE %s SET mongo_tenant.audit = 'deny'" % world.name)
    with world.connect("UA") as user:
        user.execute("SELECT id FROM accounts").fetchall()
        user.execute("RESET mongo_tenant.jwt")
        throws("28000", lambda: user.execute("SELECT id FROM accounts"), "an access denied, for 'deny'")
        throws("42501", lambda: user.execute("SET mongo_tenant.audit = off"), "no user turns it off")
    with open(world.cluster.log) as log:
        log.seek(size)
        events = re.findall(r'mongo_tenant audit: \{"event": "(\w+)"', log.read())
    is_(events, ["denial"], "'deny': denials only")
    admin.execute("ALTER DATABASE %s RESET mongo_tenant.audit" % world.name)


def search_log(world):
    with open(world.cluster.log) as log:
        text = log.read()
    ok("STATEMENT:  SELECT 'logged' || 1/0" in text, "the log has the statements of errors (control)")
    ok('mongo_tenant provider "files" cannot be used: ' in text, "the log says why a provider cannot be used")
    found = [line for line in text.splitlines() if "eyJ" in line or CANARY in line]
    ok(not found, "no token in the log") or diag("\n".join(found[:5]))


def statistics(world):
    with world.admin() as admin:
        world.identify(admin, world.token("UA"))
        def counter(name):
            return world.value(admin, "SELECT value FROM mongo_tenant.stat WHERE name = %s", name)
        before = {name: counter(name) for name in ("verifications", "cache_hits", "denied_invalid_token", "scans")}
        for _ in range(3):
            tenant(world, admin)
        admin.execute("SELECT count(*) FROM accounts")
        world.identify(admin, "nonsense")
        throws("28000", lambda: tenant(world, admin), "a denial, for the counters")
        is_(counter("verifications") - before["verifications"], 2, "verified once, and the nonsense")
        is_(counter("cache_hits") - before["cache_hits"], 4,
            "used by tenant() twice more, and by the scan when it was bound and when it ran")
        is_(counter("denied_invalid_token") - before["denied_invalid_token"], 1, "denied once")
        is_(counter("scans") - before["scans"], 1, "one scan")
        is_(world.value(admin, "SELECT DISTINCT scope FROM mongo_tenant.stat"), "backend", "counted per backend unless preloaded")


with World(own_cluster=True) as world:
    world.load("accounts")
    with world.admin() as admin:
        revocations(world, admin)
        providers(world, admin)
        half_a_change(world, admin)
        files(world, admin)
        private_keys(world, admin)
        expiry(world)
        rules(world, admin)
        token_scope(world, admin)
        placeholder(world)
        visible(world)
        parallel(world, admin)
        commits(world, admin)
        locked_rows(world, admin)
        bypass(world, admin)
        audit(world, admin)
        statistics(world)
        search_log(world)
done()
