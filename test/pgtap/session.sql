-- threats.md "Session": identity follows the setting at once, and an execution keeps its own.
\i `echo "$MTF_PRELUDE"`
CREATE TABLE notes (tenant text, body text);
INSERT INTO notes SELECT t, 'note ' || n || ' of ' || t FROM unnest('{UA,DL}'::text[]) t, generate_series(1, 5) n;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (tenant = mongo_tenant.tenant());
GRANT SELECT ON notes TO mtf_app;

CREATE TABLE parted (tenant text, body text) PARTITION BY LIST (tenant);
CREATE TABLE parted_ua PARTITION OF parted FOR VALUES IN ('UA');
CREATE TABLE parted_dl PARTITION OF parted FOR VALUES IN ('DL');
INSERT INTO parted SELECT * FROM notes;
ALTER TABLE parted ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON parted USING (tenant = mongo_tenant.tenant());
GRANT SELECT ON parted TO mtf_app;

CREATE FUNCTION become(token text) RETURNS void LANGUAGE sql AS
	$$ SELECT set_config('mongo_tenant.jwt', token, true) $$;
-- Reads as one tenant, turns into another, and reads again: two statements, two executions.
CREATE FUNCTION switch_inside(token text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	before text;
	after text;
BEGIN
	SELECT DISTINCT secret INTO before FROM accounts;
	PERFORM become(token);
	SELECT DISTINCT secret INTO after FROM accounts;
	RETURN ARRAY[before, after];
END $$;
CREATE FUNCTION take(c refcursor, n integer) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	r record;
	rows text[];
BEGIN
	FOR i IN 1 .. n LOOP
		FETCH c INTO r;
		rows := rows || r.secret;
	END LOOP;
	RETURN rows;
END $$;
-- Functions that read through cursors of their own.
CREATE FUNCTION read_by_loop() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT secret FROM accounts LOOP
		RETURN NEXT r.secret;
	END LOOP;
END $$;
CREATE FUNCTION read_by_cursor() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	own CURSOR FOR SELECT secret FROM accounts;
	result text;
BEGIN
	OPEN own;
	FETCH own INTO result;
	CLOSE own;
	RETURN result;
END $$;
SET ROLE mtf_app;
BEGIN;
SELECT plan(47);

-- SET LOCAL, SAVEPOINT
SELECT become(:'ua');
SELECT is(mongo_tenant.tenant(), 'UA', 'SET LOCAL');
SAVEPOINT a;
SELECT become(:'dl');
SELECT is(mongo_tenant.tenant(), 'DL', 'in a subtransaction');
ROLLBACK TO a;
SELECT is(mongo_tenant.tenant(), 'UA', 'ROLLBACK TO brings the first identity back');
SAVEPOINT b;
SELECT become(:'dl');
RELEASE b;
SELECT is(mongo_tenant.tenant(), 'DL', 'RELEASE keeps the new one');

-- A statement that changes the identity half-way keeps its own.
SELECT become(:'ua');
SELECT is(
	ARRAY(SELECT DISTINCT secret FROM accounts, LATERAL (SELECT set_config('mongo_tenant.jwt', :'dl', true), accounts.id) x),
	ARRAY['secret of UA'], 'set_config inside the running query: rows of the tenant it began with');
SELECT become(:'ua');
SELECT is(
	ARRAY(SELECT DISTINCT tenant FROM notes, LATERAL (SELECT set_config('mongo_tenant.jwt', :'dl', true), notes.body) x),
	ARRAY['UA'], 'the same under row-level security');
SELECT become(:'ua');
SELECT is(switch_inside(:'dl'), '{secret of UA,secret of DL}', 'two statements of one function: each its own');
SELECT become(:'ua');
SELECT results_eq(
	$$SELECT DISTINCT a.secret, n.tenant FROM accounts a JOIN notes n ON n.tenant = a.tenant_id$$,
	$$VALUES ('secret of UA', 'UA')$$, 'foreign and local table of one tenant joined');

-- Cursors: 55000 when the identity changed, never a row of the other tenant; the cursor is dead then.
DECLARE plain CURSOR FOR SELECT secret FROM accounts;
SELECT is(take('plain', 2), '{secret of UA,secret of UA}', 'cursor: rows of UA');
SELECT become(:'dl');
SELECT become(:'ua');
SELECT is(take('plain', 2), '{secret of UA,secret of UA}', 'cursor: A, then B, then A again is fine');
SELECT become(:'dl');
SELECT throws_ok('FETCH 2 FROM plain', '55000', NULL, 'cursor: FETCH after the identity changed');
CLOSE plain;
SELECT become(:'ua');
DECLARE plain CURSOR FOR SELECT secret FROM accounts;
SELECT is(take('plain', 1), '{secret of UA}', 'cursor: rows of UA again');
RESET mongo_tenant.jwt;
SELECT throws_ok('FETCH 2 FROM plain', '55000', NULL, 'cursor: FETCH after RESET');
CLOSE plain;
SELECT become(:'ua');
DECLARE plain CURSOR FOR SELECT secret FROM accounts;
SELECT become(:'ua2');
SELECT throws_ok('FETCH 2 FROM plain', '55000', NULL, 'cursor: another token of the same tenant is another identity');
CLOSE plain;

SELECT become(:'ua');
DECLARE sorted CURSOR FOR SELECT secret FROM accounts ORDER BY upper(secret), random();
SELECT is(take('sorted', 1), '{secret of UA}', 'cursor through a sort: rows of UA');
SELECT become(:'dl');
SELECT throws_ok('FETCH 1 FROM sorted', '55000', NULL, 'cursor through a sort: FETCH after the identity changed');
CLOSE sorted;

SELECT become(:'ua');
DECLARE unread CURSOR FOR SELECT secret FROM accounts;
SELECT become(:'dl');
SELECT throws_ok('SELECT take(''unread'', 1)', '55000', NULL, 'cursor opened as UA, first read by a function of DL');
CLOSE unread;

SELECT become(:'ua');
DECLARE rls CURSOR FOR SELECT tenant AS secret FROM notes;
SELECT is(take('rls', 2), '{UA,UA}', 'cursor over a local table: rows of UA');
SELECT become(:'dl');
SELECT become(:'ua');
SELECT is(take('rls', 2), '{UA,UA}', 'cursor over a local table: more of UA''s rows');
SELECT become(:'dl');
SELECT throws_ok('FETCH 2 FROM rls', '55000', NULL, 'cursor over a local table: FETCH after the identity changed');
CLOSE rls;

-- Partitions pruned by tenant() when the cursor is declared
SELECT become(:'ua');
SELECT is((SELECT string_agg(DISTINCT tenant, ',') FROM parted), 'UA', 'partitions of UA');
DECLARE pruned CURSOR FOR SELECT tenant AS secret FROM parted;
SELECT become(:'dl');
SELECT throws_ok('FETCH 2 FROM pruned', '55000', NULL, 'cursor whose partitions were pruned as UA, first read as DL');
CLOSE pruned;
SELECT is((SELECT string_agg(DISTINCT tenant, ',') FROM parted), 'DL', 'partitions of DL');

SELECT become(:'ua');
SELECT throws_ok('DECLARE held CURSOR WITH HOLD FOR SELECT secret FROM accounts', '0A000', NULL, 'WITH HOLD over a tenant table');
SELECT throws_ok('DECLARE held CURSOR WITH HOLD FOR SELECT secrets FROM (SELECT (SELECT secret FROM accounts LIMIT 1) secrets) x', '0A000', NULL, 'WITH HOLD over a subquery of one');
DECLARE held CURSOR WITH HOLD FOR SELECT tenant FROM notes;
SELECT throws_ok('FETCH 1 FROM held', '0A000', NULL, 'WITH HOLD over a local table of the tenant');
CLOSE held;
DECLARE held CURSOR WITH HOLD FOR SELECT * FROM read_by_loop();
SELECT throws_ok('FETCH 1 FROM held', '0A000', NULL, 'WITH HOLD over a function that reads in a loop');
CLOSE held;
DECLARE held CURSOR WITH HOLD FOR SELECT read_by_cursor();
SELECT throws_ok('FETCH 1 FROM held', '0A000', NULL, 'WITH HOLD over a function that reads by a cursor');
CLOSE held;
DECLARE held CURSOR WITH HOLD FOR SELECT (SELECT max(s) FROM read_by_loop() s) FROM generate_series(1, 3);
SELECT throws_ok('FETCH 1 FROM held', '0A000', NULL, 'WITH HOLD over a subquery of such a function');
CLOSE held;
DECLARE unheld CURSOR FOR SELECT * FROM read_by_loop() AS secret;
SELECT is(take('unheld', 2), '{secret of UA,secret of UA}', 'the same functions without WITH HOLD: in a loop');
CLOSE unheld;
DECLARE unheld CURSOR FOR SELECT read_by_cursor() AS secret FROM generate_series(1, 3);
SELECT is(take('unheld', 2), '{secret of UA,secret of UA}', 'the same functions without WITH HOLD: by a cursor');
CLOSE unheld;
DECLARE held CURSOR WITH HOLD FOR SELECT 1 AS one;
SELECT lives_ok('FETCH 1 FROM held', 'WITH HOLD over anything else');
CLOSE held;

-- Plans hold no tenant.
SET plan_cache_mode = force_generic_plan;
PREPARE p AS SELECT DISTINCT secret FROM accounts;
PREPARE l AS SELECT DISTINCT tenant FROM notes;
SELECT become(:'ua');
SELECT results_eq('EXECUTE p', ARRAY['secret of UA'], 'generic plan as UA');
SELECT results_eq('EXECUTE l', ARRAY['UA'], 'generic plan over a local table as UA');
SELECT become(:'dl');
SELECT results_eq('EXECUTE p', ARRAY['secret of DL'], 'the same generic plan as DL');
SELECT results_eq('EXECUTE l', ARRAY['DL'], 'the same over a local table');
SELECT become('');
SELECT throws_ok('EXECUTE p', '28000', NULL, 'and without a token');
SELECT throws_ok('EXECUTE l', '28000', NULL, 'the same over a local table');

-- tenant() outside of a query: an assignment, a DO block
SELECT become(:'ua');
SELECT lives_ok(format($$DO $x$
	DECLARE a text; b text;
	BEGIN
		a := mongo_tenant.tenant();
		PERFORM set_config('mongo_tenant.jwt', %L, true);
		b := mongo_tenant.tenant();
		IF a IS DISTINCT FROM 'UA' OR b IS DISTINCT FROM 'DL' THEN
			RAISE EXCEPTION 'tenants are %% and %%', a, b;
		END IF;
	END $x$ $$, :'dl'), 'assignments in PL/pgSQL follow the setting');

-- SET ROLE and SECURITY DEFINER change the role, not the tenant.
RESET ROLE;
SELECT become(:'ua');
SELECT is(mongo_tenant.tenant(), 'UA', 'another role, the same tenant');
SET ROLE mtf_app;
SELECT is(mongo_tenant.tenant(), 'UA', 'and back');
COMMIT;

-- The end of the transaction ends SET LOCAL.
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'SET LOCAL ends with its transaction');
SELECT set_config('mongo_tenant.jwt', :'ua', false) AS "set" \gset
SELECT is(mongo_tenant.tenant(), 'UA', 'SET lasts');
RESET mongo_tenant.jwt;
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'RESET');
SELECT set_config('mongo_tenant.jwt', :'ua', false) AS "set" \gset
SELECT is((SELECT count(*) FROM mongo_tenant.whoami()), 1::bigint, 'whoami: one row with a token');
RESET mongo_tenant.jwt;
SELECT is((SELECT count(*) FROM mongo_tenant.whoami()), 0::bigint, 'whoami: none without');
SELECT set_config('mongo_tenant.jwt', :'forged', false) AS "set" \gset
SELECT throws_ok('SELECT * FROM mongo_tenant.whoami()', '28000', NULL, 'whoami: a bad token is an error');
SELECT * FROM finish();
