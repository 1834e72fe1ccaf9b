-- contract.md "policies": absence denies, names are refused, a policy lives and dies with its server.
\i `echo "$MTF_PRELUDE"`
BEGIN;
SELECT plan(52);
CREATE FUNCTION become(token text) RETURNS void LANGUAGE sql AS
	$$ SELECT set_config('mongo_tenant.jwt', token, true) $$;
CREATE FUNCTION allowed(t regclass) RETURNS text LANGUAGE sql AS
	$$ SELECT concat_ws(' ', CASE WHEN NOT allowed THEN 'denied' END, source, CASE WHEN shared THEN 'shared' END, field, type, match)
	   FROM mongo_tenant.explain_policy(t) $$;
SELECT become(:'ua');

SELECT is(allowed('accounts'), 'server tenant_id string scalar', 'the server''s default');
SELECT is(allowed('airlines'), 'policy shared', 'a shared collection');
SELECT is((SELECT predicate::text FROM mongo_tenant.explain_policy('accounts')),
	'{ "$and" : [ { "tenant_id" : { "$eq" : "<tenant>" } }, { "tenant_id" : { "$type" : "string" } }, { "tenant_id" : { "$not" : { "$type" : "array" } } } ] }',
	'the predicate, without anybody''s name');
SELECT is((SELECT predicate::text FROM mongo_tenant.explain_policy('airlines')), NULL, 'a shared collection has none');

-- Absence denies.
CREATE SERVER bare FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri :'uri', database :'mongo_db', providers 'test');
CREATE FOREIGN TABLE bare_accounts (id int, secret text) SERVER bare OPTIONS (collection 'accounts');
SELECT throws_ok('SELECT * FROM bare_accounts', '42501', NULL, 'no tenant_field, no policy');
SELECT is(allowed('bare_accounts'), 'denied', 'and explain_policy says so');
SELECT mongo_tenant.set_policy('bare', 'accounts', 'tenant_id');
SELECT results_eq('SELECT DISTINCT secret FROM bare_accounts', ARRAY['secret of UA'], 'a policy opens it');
SELECT is(allowed('bare_accounts'), 'policy tenant_id string scalar', 'with what it says');
SELECT become(:'dl');
SELECT results_eq('SELECT DISTINCT secret FROM bare_accounts', ARRAY['secret of DL'], 'to each tenant its own');
SELECT become(:'ua');
SELECT mongo_tenant.set_policy('bare', 'accounts', 'another_field');
SELECT is_empty('SELECT DISTINCT secret FROM bare_accounts', 'changed: another field, no rows');
SELECT mongo_tenant.drop_policy('bare', 'accounts');
SELECT throws_ok('SELECT * FROM bare_accounts', '42501', NULL, 'dropped: denied again');
SELECT throws_ok($$SELECT mongo_tenant.drop_policy('bare', 'accounts')$$, '42704', NULL, 'there is no such policy any more');
CREATE SERVER mute FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri :'uri', database :'mongo_db', tenant_field 'tenant_id');
CREATE FOREIGN TABLE mute_accounts (id int, secret text) SERVER mute OPTIONS (collection 'accounts');
SELECT throws_ok('SELECT * FROM mute_accounts', '42501', NULL, 'no providers');
SELECT mongo_tenant.set_policy('mute', 'accounts', shared => true);
SELECT throws_ok('SELECT * FROM mute_accounts', '42501', NULL, 'no providers: not even what is shared');
ALTER SERVER mute OPTIONS (ADD providers 'other');
SELECT throws_ok('SELECT * FROM mute_accounts', '28000', NULL, 'another provider''s token');
ALTER SERVER mute OPTIONS (SET providers 'other,test');
SELECT lives_ok('SELECT * FROM mute_accounts', 'one of its providers');
ALTER SERVER mute OPTIONS (DROP providers);
SELECT throws_ok('SELECT * FROM mute_accounts', '42501', NULL, 'providers dropped');

-- What set_policy refuses
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'accounts')$$, '22023', NULL, 'neither a field nor shared');
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'accounts', 'f', shared => true)$$, '22023', NULL, 'both');
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'accounts', 'f', 'float')$$, '22023', NULL, 'no such type');
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'accounts', 'f', match => 'some')$$, '22023', NULL, 'no such match');
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'accounts', '$f')$$, '22023', NULL, 'a field with a dollar sign');
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'accounts', 'a..b')$$, '22023', NULL, 'a field that is no path');
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'accounts', '.')$$, '22023', NULL, 'the whole document');
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'system.users', 'f')$$, '22023', NULL, 'system.*');
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'a$b', 'f')$$, '22023', NULL, 'a collection with a dollar sign');
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'c', 'f', database => 'admin')$$, '22023', NULL, 'admin');
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'c', 'f', database => 'Local')$$, '22023', NULL, 'local, however spelt');
SELECT throws_ok($$SELECT mongo_tenant.set_policy('nothing', 'c', 'f')$$, '42704', NULL, 'no such server');

-- Another database of the same server is another collection.
SELECT mongo_tenant.set_policy('bare', 'accounts', 'tenant_id', database => 'elsewhere');
SELECT throws_ok('SELECT * FROM bare_accounts', '42501', NULL, 'a policy of another database opens nothing here');
SELECT mongo_tenant.drop_policy('bare', 'accounts', 'elsewhere');

-- tenant_type: the claim must fit.
SELECT mongo_tenant.set_policy('bare', 'accounts', 'tenant_id', 'int');
SELECT throws_ok('SELECT * FROM bare_accounts', '28000', NULL, 'int: a string claim');
SELECT become(:'int_7');
SELECT lives_ok('SELECT * FROM bare_accounts', 'int: an integer claim');
SELECT mongo_tenant.set_policy('bare', 'accounts', 'tenant_id', 'string');
SELECT throws_ok('SELECT * FROM bare_accounts', '28000', NULL, 'string: an integer claim');
SELECT mongo_tenant.set_policy('bare', 'accounts', 'tenant_id', 'objectid');
SELECT throws_ok('SELECT * FROM bare_accounts', '28000', NULL, 'objectid: an integer claim');
SELECT become(:'ua');
SELECT throws_ok('SELECT * FROM bare_accounts', '28000', NULL, 'objectid: no 24 digits');
SELECT become(:'oid_a');
SELECT lives_ok('SELECT * FROM bare_accounts', 'objectid: 24 digits');
SELECT become(:'oid_upper');
SELECT throws_ok('SELECT * FROM bare_accounts', '28000', NULL, 'objectid: capitals, a second name of the same tenant');
SELECT become(:'oid_a');
SELECT mongo_tenant.set_policy('bare', 'accounts', 'tenant_id', 'uuid');
SELECT throws_ok('SELECT * FROM bare_accounts', '28000', NULL, 'uuid: 24 digits');
SELECT become(:'uuid_a');
SELECT lives_ok('SELECT * FROM bare_accounts', 'uuid: a UUID');
SELECT become(:'uuid_upper');
SELECT throws_ok('SELECT * FROM bare_accounts', '28000', NULL, 'uuid: capitals, a second name of the same tenant');
SELECT become(:'ua');

-- Life and death
SELECT mongo_tenant.set_policy('bare', 'accounts', 'tenant_id');
ALTER SERVER bare RENAME TO renamed;
SELECT results_eq('SELECT DISTINCT secret FROM bare_accounts', ARRAY['secret of UA'], 'renamed: the policy follows');
SELECT is((SELECT server FROM mongo_tenant.policy WHERE field = 'tenant_id'), 'renamed', 'under the new name');
SET LOCAL session_replication_role = replica;
ALTER SERVER renamed RENAME TO bare;
SELECT results_eq('SELECT DISTINCT secret FROM bare_accounts', ARRAY['secret of UA'], 'renamed as a replica: too');
SET LOCAL session_replication_role = origin;
DROP SERVER bare CASCADE;
SELECT is_empty($$SELECT * FROM mongo_tenant.policy WHERE server = 'bare'$$, 'the policy dies with its server');
CREATE SERVER bare FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri :'uri', database :'mongo_db', providers 'test');
CREATE FOREIGN TABLE bare_accounts (id int, secret text) SERVER bare OPTIONS (collection 'accounts');
SELECT throws_ok('SELECT * FROM bare_accounts', '42501', NULL, 'a new server of that name begins with none');

-- Where the event triggers did not run, name and OID disagree: denied.
SELECT mongo_tenant.set_policy('bare', 'accounts', shared => true);
SELECT lives_ok('SELECT * FROM bare_accounts', 'shared');
ALTER TABLE mongo_tenant.policy DISABLE TRIGGER bind_row;
UPDATE mongo_tenant.policy SET serverid = serverid::bigint::int + 1 WHERE server = 'bare';
SELECT throws_ok('SELECT * FROM bare_accounts', 'F0000', NULL, 'another server''s OID');
ALTER TABLE mongo_tenant.policy ENABLE ALWAYS TRIGGER bind_row;
SELECT is(mongo_tenant.rebind_policies(), (SELECT count(*) FROM mongo_tenant.policy), 'bound again by name');
SELECT lives_ok('SELECT * FROM bare_accounts', 'and open again');

SET ROLE mtf_app;
SELECT throws_ok($$SELECT mongo_tenant.set_policy('bare', 'accounts', shared => true)$$, '42501', NULL, 'not for everybody');
SELECT throws_ok($$SELECT * FROM mongo_tenant.explain_policy('accounts')$$, '42501', NULL, 'nor to look at');
RESET ROLE;
GRANT EXECUTE ON FUNCTION mongo_tenant.set_policy TO mtf_app;
SET ROLE mtf_app;
SELECT lives_ok($$SELECT mongo_tenant.set_policy('bare', 'accounts', 'tenant_id')$$, 'but for whoever is granted it');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
