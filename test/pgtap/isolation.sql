-- Who sees what: every way to ask, under two tenants with identical ids.
\i `echo "$MTF_PRELUDE"`
BEGIN;
CREATE FUNCTION become(token text) RETURNS void LANGUAGE sql AS
	$$ SELECT set_config('mongo_tenant.jwt', token, true) $$;
CREATE VIEW my_accounts AS SELECT * FROM accounts;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM accounts WHERE active;
CREATE FUNCTION secrets_sql() RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT DISTINCT secret FROM accounts';
CREATE FUNCTION secrets_plpgsql() RETURNS SETOF text LANGUAGE plpgsql STABLE AS
	$$ BEGIN RETURN QUERY SELECT DISTINCT secret FROM accounts; END $$;
CREATE FUNCTION secrets_definer() RETURNS SETOF text LANGUAGE plpgsql STABLE SECURITY DEFINER AS
	$$ BEGIN RETURN QUERY SELECT DISTINCT secret FROM accounts; END $$;
GRANT SELECT ON my_accounts, barrier TO mtf_app;
SET plan_cache_mode = force_generic_plan;
PREPARE by_id(int) AS SELECT secret FROM accounts WHERE id = $1;
PREPARE all_secrets AS SELECT DISTINCT secret FROM accounts;

SET ROLE mtf_app;
SELECT plan(44);
-- Nobody without a token.
SELECT throws_ok('SELECT * FROM accounts', '28000', NULL, 'no token: table');
SELECT throws_ok('SELECT count(*) FROM accounts', '28000', NULL, 'no token: count');
SELECT throws_ok('SELECT * FROM my_accounts', '28000', NULL, 'no token: view');
SELECT throws_ok('SELECT * FROM airlines', '28000', NULL, 'no token: shared collection');
SELECT throws_ok('SELECT secrets_plpgsql()', '28000', NULL, 'no token: function');
SELECT throws_ok('EXECUTE by_id(1)', '28000', NULL, 'no token: prepared statement');
-- Nobody with a bad one.
SELECT become(:'forged');
SELECT throws_ok('SELECT * FROM accounts', '28000', NULL, 'forged token');
SELECT become(:'expired');
SELECT throws_ok('SELECT * FROM accounts', '28000', NULL, 'expired token');
SELECT become(:'future');
SELECT throws_ok('SELECT * FROM accounts', '28000', NULL, 'token not valid yet');
SELECT become(:'stranger');
SELECT throws_ok('SELECT * FROM accounts', '28000', NULL, 'unknown issuer');
SELECT become('UA');
SELECT throws_ok('SELECT * FROM accounts', '28000', NULL, 'not a token');

SELECT become(:'ua');
SELECT results_eq('SELECT DISTINCT secret FROM accounts', ARRAY['secret of UA'], 'UA: table');
SELECT results_eq('SELECT count(*) FROM accounts', ARRAY[10::bigint], 'UA: count');
SELECT results_eq('SELECT DISTINCT secret FROM my_accounts', ARRAY['secret of UA'], 'UA: view');
SELECT results_eq('SELECT DISTINCT secret FROM barrier', ARRAY['secret of UA'], 'UA: security barrier view');
SELECT results_eq('SELECT secrets_sql()', ARRAY['secret of UA'], 'UA: SQL function');
SELECT results_eq('SELECT secrets_plpgsql()', ARRAY['secret of UA'], 'UA: PL/pgSQL function');
SELECT results_eq('SELECT secrets_definer()', ARRAY['secret of UA'], 'UA: security definer function');
SELECT results_eq('EXECUTE by_id(1)', ARRAY['secret of UA'], 'UA: generic plan');
SELECT results_eq('EXECUTE all_secrets', ARRAY['secret of UA'], 'UA: prepared statement');
SELECT is(mongo_tenant.tenant(), 'UA', 'UA: tenant()');
SELECT is_empty($$SELECT * FROM accounts WHERE tenant_id = 'DL'$$, 'UA asks for DL');
SELECT results_eq($$SELECT DISTINCT tenant_id FROM accounts WHERE tenant_id = 'DL' OR true$$, ARRAY['UA'], 'UA asks for all');

-- The same objects, the same backend, another token.
SELECT become(:'dl');
SELECT results_eq('SELECT DISTINCT secret FROM accounts', ARRAY['secret of DL'], 'DL: table');
SELECT results_eq('SELECT count(*) FROM accounts', ARRAY[10::bigint], 'DL: count');
SELECT results_eq('SELECT DISTINCT secret FROM my_accounts', ARRAY['secret of DL'], 'DL: view');
SELECT results_eq('SELECT DISTINCT secret FROM barrier', ARRAY['secret of DL'], 'DL: security barrier view');
SELECT results_eq('SELECT secrets_sql()', ARRAY['secret of DL'], 'DL: SQL function');
SELECT results_eq('SELECT secrets_plpgsql()', ARRAY['secret of DL'], 'DL: PL/pgSQL function');
SELECT results_eq('SELECT secrets_definer()', ARRAY['secret of DL'], 'DL: security definer function');
SELECT results_eq('EXECUTE by_id(1)', ARRAY['secret of DL'], 'DL: the same generic plan');
SELECT results_eq('EXECUTE all_secrets', ARRAY['secret of DL'], 'DL: the same prepared statement');
SELECT is(mongo_tenant.tenant(), 'DL', 'DL: tenant()');
SELECT is_empty($$SELECT * FROM accounts WHERE tenant_id = 'UA'$$, 'DL asks for UA');
SELECT is_empty($$SELECT * FROM accounts WHERE secret LIKE '%UA%'$$, 'DL searches for UA');
SELECT results_eq($$SELECT count(*) FROM accounts a JOIN accounts b USING (id)$$, ARRAY[10::bigint], 'DL: self join');

-- A change inside a subtransaction ends with it.
SAVEPOINT before;
SELECT become(:'ua');
SELECT results_eq('EXECUTE by_id(1)', ARRAY['secret of UA'], 'UA inside the subtransaction');
ROLLBACK TO before;
SELECT results_eq('EXECUTE by_id(1)', ARRAY['secret of DL'], 'DL again after ROLLBACK TO');

-- The role, not the tenant, follows SET ROLE; a superuser needs a token too.
RESET ROLE;
SELECT results_eq('SELECT DISTINCT secret FROM accounts', ARRAY['secret of DL'], 'superuser with DL''s token');
RESET mongo_tenant.jwt;
SELECT throws_ok('SELECT * FROM accounts', '28000', NULL, 'superuser without a token');

-- Strings that look like code are data.
SELECT become(:'ua');
SELECT is_empty($$SELECT * FROM accounts WHERE name = '$name'$$, 'a constant is no field path');
SELECT is_empty($$SELECT * FROM accounts WHERE tenant_id = '$tenant_id'$$, 'nor is the tenant');
SELECT is_empty($$SELECT * FROM accounts WHERE name = '{"$ne": null}'$$, 'nor an operator');
SELECT is_empty($q$SELECT * FROM accounts WHERE name IN ('$name', '$$ROOT', '.*')$q$, 'nor in a list');

SELECT * FROM finish();
ROLLBACK;
