-- threats.md "replay after revocation": denied at the next statement, by id, subject, tenant, time.
\i `echo "$MTF_PRELUDE"`
BEGIN;
SELECT plan(26);
CREATE FUNCTION become(token text) RETURNS void LANGUAGE sql AS
	$$ SELECT set_config('mongo_tenant.jwt', token, true) $$;
SELECT become(:'ua');
SELECT is(mongo_tenant.tenant(), 'UA', 'before');
SELECT results_eq('SELECT DISTINCT secret FROM accounts', ARRAY['secret of UA'], 'rows before');
SAVEPOINT clean;

SELECT mongo_tenant.revoke('test', jti => 'jti-ua');
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'by id');
SELECT throws_ok('SELECT * FROM accounts', '28000', NULL, 'by id: no rows');
SELECT become(:'ua2');
SELECT is(mongo_tenant.tenant(), 'UA', 'by id: another token of the same tenant');
ROLLBACK TO clean;
SELECT is(mongo_tenant.tenant(), 'UA', 'a revocation rolled back');

SELECT mongo_tenant.revoke('test', sub => 'alice');
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'by subject');
SELECT become(:'ua2');
SELECT is(mongo_tenant.tenant(), 'UA', 'by subject: another subject');
ROLLBACK TO clean;

SELECT mongo_tenant.revoke('test', tenant => 'UA');
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'by tenant');
SELECT become(:'ua2');
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'by tenant: each of its tokens');
SELECT become(:'dl');
SELECT is(mongo_tenant.tenant(), 'DL', 'by tenant: not another');
ROLLBACK TO clean;

SELECT mongo_tenant.revoke('test', not_before => now() + interval '1 hour');
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'everything issued before');
SELECT become(:'dl');
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'of all tenants');
ROLLBACK TO clean;
SELECT mongo_tenant.revoke('test', not_before => now() - interval '1 hour');
SELECT is(mongo_tenant.tenant(), 'UA', 'issued later');
SELECT mongo_tenant.revoke('test', sub => 'alice', not_before => now() - interval '1 hour');
SELECT is(mongo_tenant.tenant(), 'UA', 'a subject''s older tokens');
SELECT mongo_tenant.revoke('test', sub => 'alice', not_before => now() + interval '1 hour');
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'a subject''s tokens up to now');
SELECT mongo_tenant.revoke('test', sub => 'alice', not_before => now() - interval '2 hours');
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'a weaker revocation takes nothing back');
ROLLBACK TO clean;

-- An open cursor
DECLARE c CURSOR FOR SELECT secret FROM accounts;
SELECT lives_ok('FETCH 1 FROM c', 'a cursor before');
SELECT mongo_tenant.revoke('test', jti => 'jti-ua');
SELECT throws_ok('FETCH 1 FROM c', '28000', NULL, 'a cursor after');
CLOSE c;
SELECT is((SELECT "check" FROM mongo_tenant.check_token(:'ua') WHERE NOT passed), 'revocation', 'check_token says so');
ROLLBACK TO clean;

-- Revocations are per provider and outlive it.
SELECT mongo_tenant.revoke('test', jti => 'jti-ua');
SELECT mongo_tenant.drop_provider('test');
SELECT mongo_tenant.create_provider('test', :'issuer', ARRAY[:'audience'], :'jwks'::jsonb, local => true);
SELECT throws_ok('SELECT mongo_tenant.tenant()', '28000', NULL, 'the provider dropped and made again');
DELETE FROM mongo_tenant.revocation;
SELECT is(mongo_tenant.tenant(), 'UA', 'taken back by an administrator');
SELECT mongo_tenant.create_provider('other', 'https://other.example', ARRAY[:'audience'], :'jwks_other');
SELECT mongo_tenant.revoke('other', tenant => 'UA');
SELECT is(mongo_tenant.tenant(), 'UA', 'the same tenant''s name at another provider');
SELECT throws_ok($$SELECT mongo_tenant.revoke('test')$$, '22023', NULL, 'nothing to revoke');
SELECT throws_ok($$SELECT mongo_tenant.revoke('test', jti => 'a', sub => 'b')$$, '22023', NULL, 'two things at once');
SELECT throws_ok($$SELECT mongo_tenant.revoke('nobody', jti => 'a')$$, '42704', NULL, 'no such provider');
SELECT * FROM finish();
ROLLBACK;
