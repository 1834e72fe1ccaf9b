"""token: what identity costs, in microseconds, timed in loops inside the backend.

first   a token that this backend has not seen: front end, signature, claims (per algorithm)
warm    tenant() on a token seen before, minus a call of an equally trivial function
statement   one statement over a foreign table whose parameter is NULL (so nothing is sent): with the
        tenant's binding, minus the same over a table of shared documents
"""

import json

import measure
import part_scan
import tokens

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
FIRST, WARM, STATEMENTS = 200, 200000, 20000

LOOP = """
CREATE FUNCTION pg_temp.loop_%(name)s(n integer) RETURNS double precision LANGUAGE plpgsql AS $body$
DECLARE
	start timestamptz := clock_timestamp();
	nothing integer;
BEGIN
	FOR i IN 1..n LOOP
		PERFORM %(what)s;
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - start) * 1e6 / n;
END
$body$
"""
FIRST_LOOP = """
CREATE FUNCTION pg_temp.loop_first(tokens text[]) RETURNS double precision LANGUAGE plpgsql AS $body$
DECLARE
	spent interval := '0';
	start timestamptz;
	token text;
BEGIN
	FOREACH token IN ARRAY tokens LOOP
		PERFORM set_config('mongo_tenant.jwt', token, false);
		start := clock_timestamp();
		PERFORM mongo_tenant.tenant();
		spent := spent + (clock_timestamp() - start);
	END LOOP;
	RETURN extract(epoch FROM spent) * 1e6 / cardinality(tokens);
END
$body$
"""


def median_of(session, name, n):
    return measure.median([session.one("SELECT pg_temp.loop_%s(%d)" % (name, n))
                           for _ in range(measure.REPEAT)])


def run(owner, cluster):
    canned = measure.Canned(owner, documents=1000)
    keys = {alg: tokens.Key(alg, kid=alg) for alg in ALGORITHMS}
    rows = {}
    with measure.Session(cluster) as session:
        session.sql("CREATE EXTENSION mongo_tenant_fdw")
        session.sql("SELECT mongo_tenant.create_provider('bench', %s, ARRAY[%s], %s::jsonb, local => true)",
                    (measure.ISSUER, tokens.AUDIENCE, json.dumps(tokens.keyset(list(keys.values())))))
        measure.create_server(session, "canned", canned.uri, "bench")
        part_scan.create_tables(session)
        session.sql("SELECT mongo_tenant.set_policy('canned', 'shared', shared => true)")
        session.sql("CREATE FOREIGN TABLE shared1 (seq integer) SERVER canned OPTIONS (collection 'shared')")
        for name, what in (("warm", "mongo_tenant.tenant()"), ("nothing", "pg_backend_pid()"),
                           ("bound", "1 FROM docs1 WHERE seq = nothing"),
                           ("unbound", "1 FROM shared1 WHERE seq = nothing")):
            session.sql(LOOP % {"name": name, "what": what})
        session.sql(FIRST_LOOP)
        session.sql("SET plan_cache_mode = force_generic_plan")  # else NULL is folded and nothing is planned
        for alg, key in keys.items():
            fresh = [key.sign(tokens.claims(measure.ISSUER, "tenant-0001")) for _ in range(FIRST)]
            rows["first " + alg] = session.one("SELECT pg_temp.loop_first(%s)", (fresh,))
        for alg, key in keys.items():
            session.token(key.sign(tokens.claims(measure.ISSUER, "tenant-0001")))
            rows["warm " + alg] = max(0.0, median_of(session, "warm", WARM) - median_of(session, "nothing", WARM))
        bound, unbound = (median_of(session, name, STATEMENTS) for name in ("bound", "unbound"))
        rows["statement"], rows["statement, shared"] = bound, unbound
    ratios = {
        "token_warm_us": (max(value for name, value in rows.items() if name.startswith("warm")), "<= 5"),
        "token_statement_us": (max(0.0, bound - unbound), "<= 5"),
    }
    return {"title": "What identity costs", "head": ("what", "us"),
            "table": [(name, "%.2f" % value) for name, value in rows.items()], "rows": rows, "ratios": ratios}
