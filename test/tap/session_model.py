"""Random sessions against a model: whose rows does a statement see after any history of settings?

The model knows how SET, SET LOCAL, RESET and savepoints nest, which identity a cursor has, and nothing
else.  Every answer of the server, rows or SQLSTATE, must be the model's.  Three backends at a time take
turns, as clients of a pool would.
"""
import os
import random

from seeds import seed
from tap import World, ok, diag, done

STEPS = int(os.environ.get("MTF_STEPS") or 2500)
SEED = seed(23)

UNSET = object()
GOOD = ("UA", "DL", "UA again")
VALUES = GOOD + ("forged", "expired", "nonsense", "")

# What is asked, and how the session must answer under a tenant.
QUERIES = {
    "foreign scan": "SELECT string_agg(DISTINCT tenant_id, ',') FROM (SELECT tenant_id FROM accounts OFFSET 0) x",
    "foreign aggregate": "SELECT concat_ws(',', min(tenant_id), nullif(max(tenant_id), min(tenant_id))) FROM accounts",
    "foreign self join": "SELECT string_agg(DISTINCT a.tenant_id, ',') FROM accounts a JOIN accounts b USING (id)",
    "another's rows": "SELECT string_agg(tenant_id, ',') FROM accounts WHERE tenant_id NOT IN (SELECT mongo_tenant.tenant())",
    "generic plan": "EXECUTE foreign_plan",
    "generic plan, local": "EXECUTE local_plan",
    "local table": "SELECT string_agg(DISTINCT tenant, ',') FROM notes",
    "join": "SELECT string_agg(DISTINCT a.tenant_id || n.tenant, ',') FROM accounts a JOIN notes n ON true",
    "function": "SELECT string_agg(DISTINCT t, ',') FROM by_function() t",
    "tenant()": "SELECT mongo_tenant.tenant()",
    "claims()": "SELECT mongo_tenant.claims() ->> 'tenantId'",
    "whoami()": "SELECT string_agg(tenant, ',') FROM mongo_tenant.whoami()",
}

OBJECTS = """
CREATE TABLE notes (tenant text, n int);
INSERT INTO notes SELECT t, n FROM unnest('{UA,DL}'::text[]) t, generate_series(1, 20) n;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (tenant = mongo_tenant.tenant());
GRANT SELECT ON notes TO mtf_app;
CREATE FUNCTION by_function() RETURNS SETOF text LANGUAGE plpgsql STABLE AS
	$$ BEGIN RETURN QUERY SELECT tenant_id FROM accounts; END $$;
-- The text that a statement returns, or its SQLSTATE.
CREATE FUNCTION ask(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE statement INTO answer;
	RETURN coalesce(answer, '');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE FUNCTION take(c text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	k refcursor := c;
BEGIN
	FETCH k INTO r;
	RETURN r::text;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
"""


class Level:
    """One (sub)transaction: what SET and SET LOCAL did in it."""

    def __init__(self, name, value, local):
        self.name, self.value, self.local = name, value, local


class Session:
    def __init__(self, world, number, tokens, rng):
        self.connection, self.number, self.tokens, self.rng = world.connect(), number, tokens, rng
        self.committed, self.levels, self.cursors, self.names = "", [], {}, 0
        self.history, self.answers = [], 0
        self.connection.prepare_threshold = None  # psycopg would say DEALLOCATE ALL after a ROLLBACK
        for name, query in (("foreign_plan", "foreign scan"), ("local_plan", "local table")):
            self.connection.execute("SET plan_cache_mode = force_generic_plan")
            # Planning evaluates tenant(): it needs an identity, but keeps none.
            self.connection.execute("BEGIN")
            self.connection.execute("SELECT set_config('mongo_tenant.jwt', %s, true)", (tokens["DL"],))
            self.connection.execute("PREPARE %s AS %s" % (name, QUERIES[query]))
            self.connection.execute("EXECUTE " + name)
            self.connection.execute("COMMIT")

    # -- the model

    @property
    def value(self):
        if not self.levels:
            return self.committed
        top = self.levels[-1]
        return top.value if top.local is UNSET else top.local

    @property
    def tenant(self):
        return self.value[:2] if self.value in GOOD else None

    def apply(self, value, local):
        if not self.levels:
            if not local:
                self.committed = value
        elif local:
            self.levels[-1].local = value
        else:
            self.levels[-1].value, self.levels[-1].local = value, UNSET

    # -- statements

    def run(self, sql, *parameters):
        self.history.append(sql if not parameters else sql + "  -- " + self.value)
        return self.connection.execute(sql, parameters or None)

    def expect(self, got, expected, what):
        self.answers += 1
        if got != expected:
            raise AssertionError("session %d, %s: got %r, expected %r under %r\n  %s" % (
                self.number, what, got, expected, self.value, "\n  ".join(self.history[-25:])))

    def set(self):
        value, local = self.rng.choice(VALUES), self.rng.random() < 0.5
        self.history.append("-- %s %s" % ("SET LOCAL" if local else "SET", value))
        self.connection.execute("SELECT set_config('mongo_tenant.jwt', %s, %s)", (self.tokens[value], local))
        self.apply(value, local)

    def reset(self):
        self.run("RESET mongo_tenant.jwt")
        self.apply("", False)

    def query(self):
        name = self.rng.choice(sorted(QUERIES))
        got = self.run("SELECT ask(%s)", QUERIES[name]).fetchone()[0]
        if name == "whoami()" and self.value == "":
            expected = ""
        elif self.tenant is None:
            expected = "28000"
        elif name == "another's rows":
            expected = ""
        else:
            expected = self.tenant + (self.tenant if name == "join" else "")
        self.expect(got, expected, name)

    def begin(self):
        if not self.levels:
            self.run("BEGIN")
            self.levels.append(Level(None, self.committed, UNSET))

    def end(self):
        if not self.levels:
            return
        commit = self.rng.random() < 0.6
        self.run("COMMIT" if commit else "ROLLBACK")
        if commit:
            # Committing releases what is still open.
            while len(self.levels) > 1:
                self.merge()
            self.committed = self.levels[0].value
        self.levels, self.cursors = [], {}

    def savepoint(self):
        if self.levels and len(self.levels) < 6:
            self.names += 1
            name = "s%d" % self.names
            self.run("SAVEPOINT " + name)
            top = self.levels[-1]
            self.levels.append(Level(name, top.value, top.local))

    def merge(self):
        top = self.levels.pop()
        self.levels[-1].value, self.levels[-1].local = top.value, top.local

    def pick(self):
        return self.rng.randrange(1, len(self.levels)) if len(self.levels) > 1 else None

    def release(self):
        at = self.pick()
        if at is not None:
            self.run("RELEASE " + self.levels[at].name)
            while len(self.levels) > at:
                self.merge()
            for cursor in self.cursors.values():
                cursor["depth"] = min(cursor["depth"], at)

    def rollback_to(self):
        at = self.pick()
        if at is not None:
            self.run("ROLLBACK TO " + self.levels[at].name)
            del self.levels[at + 1:]
            below = self.levels[at - 1]
            self.levels[at].value, self.levels[at].local = below.value, below.local
            # Cursors opened since are gone; what was fetched of older ones stays fetched.
            self.cursors = {name: cursor for name, cursor in self.cursors.items() if cursor["depth"] <= at}

    def declare(self):
        if not self.levels or len(self.cursors) > 4:
            return
        self.names += 1
        name, foreign = "c%d" % self.names, self.rng.random() < 0.6
        query = "SELECT tenant_id FROM accounts" if foreign else "SELECT tenant FROM notes"
        if foreign and self.rng.random() < 0.5:
            query += " ORDER BY upper(tenant_id)"
        # Without an identity the declaration would end the transaction.
        if self.tenant is None:
            return
        self.run("DECLARE %s CURSOR FOR %s" % (name, query))
        self.cursors[name] = {"depth": len(self.levels), "bound": self.value if foreign else None, "left": 10 if foreign else 20, "dead": False}

    def fetch(self):
        if not self.cursors:
            return
        name = self.rng.choice(sorted(self.cursors))
        cursor = self.cursors[name]
        if cursor["dead"]:
            return
        got = self.run("SELECT take(%s)", name).fetchone()[0]
        if cursor["bound"] is None and self.tenant is not None:
            cursor["bound"] = self.value
        if cursor["bound"] is None:
            expected = "28000"
        elif self.value != cursor["bound"]:
            expected = "55000"
        elif cursor["left"] == 0:
            expected = None
        else:
            cursor["left"] -= 1
            expected = "(%s)" % self.tenant
        cursor["dead"] = expected in ("28000", "55000")
        self.expect(got, expected, "FETCH " + name)

    def step(self):
        moves = [(self.query, 8), (self.set, 4), (self.reset, 0.5), (self.begin, 2), (self.end, 0.7), (self.savepoint, 1.5),
                 (self.release, 0.7), (self.rollback_to, 1), (self.declare, 1.5), (self.fetch, 4)]
        self.rng.choices([move for move, _ in moves], [weight for _, weight in moves])[0]()


with World() as world:
    world.load("accounts")
    now = {"exp": 1000000000, "iat": 999999000}
    tokens = {"UA": world.token("UA"), "DL": world.token("DL", key="es"), "UA again": world.token("UA", key="ed"),
              "forged": world.keys["other"].sign({"iss": "https://issuer.example", "tenantId": "UA"}, headers={"kid": "rs"}),
              "expired": world.token("UA", **now), "nonsense": "x.y.z", "": ""}
    with world.admin() as admin:
        admin.execute(OBJECTS)
    rng = random.Random(SEED)
    sessions = [Session(world, number, tokens, rng) for number in range(3)]
    problem = None
    try:
        for _ in range(STEPS):
            rng.choice(sessions).step()
    except Exception as error:
        problem = error
    answers = sum(session.answers for session in sessions)
    ok(problem is None, "%d answers of %d steps are the model's (seed %d)" % (answers, STEPS, SEED)) or diag(problem)
    ok(problem is not None or answers > STEPS / 5, "enough was asked")
done()
