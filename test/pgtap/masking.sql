-- threats.md "token visible", "stored": the token is shown nowhere in SQL, and no catalog holds it.
\i `echo "$MTF_PRELUDE"`
SELECT set_config('mongo_tenant.jwt', :'ua', false) AS shown \gset
BEGIN;
SELECT plan(26);
SELECT is(:'shown'::text, '********', 'set_config''s result');
SELECT is(mongo_tenant.tenant(), 'UA', 'and yet it is set');
SELECT is(current_setting('mongo_tenant.jwt'), '********', 'current_setting');
\set shown `echo "SHOW mongo_tenant.jwt" | PGOPTIONS="-c mongo_tenant.jwt=eyJcanary" psql -XAtq -d "$PGDATABASE"`
SELECT is(:'shown'::text, '********', 'SHOW, of a token given at connection start');
SELECT is((SELECT count(*) FROM pg_settings s WHERE s::text LIKE '%eyJ%'), 0::bigint, 'pg_settings, reset_val too');
SELECT is((SELECT count(*) FROM pg_settings WHERE name = 'mongo_tenant.jwt'), 0::bigint, 'nor the setting itself');
RESET mongo_tenant.jwt;
SELECT is(current_setting('mongo_tenant.jwt'), '', 'empty is shown as empty');

-- No catalog
SELECT throws_ok(format('ALTER ROLE mtf_app SET mongo_tenant.jwt = %L', :'ua'), '55P02', NULL, 'ALTER ROLE SET');
SELECT throws_ok(format('ALTER DATABASE %I SET mongo_tenant.jwt = %L', current_database(), :'ua'), '55P02', NULL, 'ALTER DATABASE SET');
SELECT throws_ok(format('ALTER ROLE mtf_app IN DATABASE %I SET mongo_tenant.jwt = %L', current_database(), :'ua'), '55P02', NULL, 'ALTER ROLE IN DATABASE SET');
SELECT throws_ok(format('CREATE FUNCTION f() RETURNS text LANGUAGE sql SET mongo_tenant.jwt = %L AS ''SELECT 1::text''', :'ua'), '55P02', NULL, 'CREATE FUNCTION SET');
SET LOCAL mongo_tenant.jwt = 'eyJ.x.y';
SELECT throws_ok('CREATE FUNCTION f() RETURNS text LANGUAGE sql SET mongo_tenant.jwt FROM CURRENT AS ''SELECT 1::text''', '55P02', NULL, 'SET FROM CURRENT');
SELECT throws_ok('ALTER ROLE mtf_app SET mongo_tenant.jwt FROM CURRENT', '55P02', NULL, 'ALTER ROLE SET FROM CURRENT');
SELECT is((SELECT count(*) FROM pg_db_role_setting s WHERE s::text LIKE '%jwt%'), 0::bigint, 'nothing is stored');
CREATE FUNCTION message(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	m text; d text; h text;
BEGIN
	EXECUTE sql;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN m || d || h;
END $$;
SELECT unalike(message(format('ALTER ROLE mtf_app SET mongo_tenant.jwt = %L', :'ua')), '%eyJ%', 'the refusal quotes no token');
SELECT set_config('mongo_tenant.jwt', :'forged', true) AS shown \gset
SELECT unalike(message('SELECT mongo_tenant.tenant()'), '%eyJ%', 'nor does the denial');
SELECT is(message('SELECT mongo_tenant.tenant()'), message($$SELECT set_config('mongo_tenant.jwt', 'x', true), mongo_tenant.tenant()$$), 'one message: forged as malformed');
SELECT set_config('mongo_tenant.jwt', :'expired', true) AS shown \gset
SELECT is(message('SELECT mongo_tenant.tenant()'), message($$SELECT set_config('mongo_tenant.jwt', '', true), mongo_tenant.tenant()$$), 'one message: expired as missing');

-- SET itself never fails.
SELECT lives_ok($$SET LOCAL mongo_tenant.jwt = 'nonsense'$$, 'SET of nonsense');
SELECT lives_ok(format('SET LOCAL mongo_tenant.jwt = %L', repeat('x', 1000000)), 'SET of a megabyte');
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'which is no identity');
SELECT throws_ok('SET mongo_tenant.jwtt = 1', '42602', NULL, 'a misspelt setting') WHERE current_setting('server_version_num')::int >= 150000
UNION ALL SELECT pass('a misspelt setting') WHERE current_setting('server_version_num')::int < 150000;
SELECT set_config('mongo_tenant.jwt', current_setting('mongo_tenant.jwt'), true) AS shown \gset
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'what is shown cannot be set back');

-- Only superusers and the configuration file decide about identity.
SET ROLE mtf_app;
SELECT throws_ok('SET mongo_tenant.token_scope = session', '42501', NULL, 'token_scope is not for users');
SELECT throws_ok('SET mongo_tenant.bypass = on', '42501', NULL, 'nor is bypass');
SELECT throws_ok('SET mongo_tenant.leeway = 1000', '55P02', NULL, 'nor is leeway');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
