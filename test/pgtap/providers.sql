-- threats.md "Token", at definition: who may sign, with which keys, for whom.
\i `echo "$MTF_PRELUDE"`
BEGIN;
SELECT plan(61);
CREATE FUNCTION accepted(token text) RETURNS boolean LANGUAGE sql AS
	$$ SELECT bool_and(coalesce(passed, false)) FROM mongo_tenant.check_token(token) $$;
CREATE FUNCTION failing(token text) RETURNS text LANGUAGE sql AS
	$$ SELECT "check" FROM mongo_tenant.check_token(token) WHERE NOT passed $$;

-- The fixtures' provider: RSA, EC and Ed25519 keys of one set.
SELECT ok(accepted(:'ua'), 'RS256 token');
SELECT ok(accepted(:'ua_es'), 'ES256 token');
SELECT ok(accepted(:'ua_ed'), 'EdDSA token');
SELECT is(failing(:'forged'), 'signature', 'forged token');
SELECT is(failing(:'expired'), 'times', 'expired token');
SELECT is(failing(:'future'), 'times', 'token of the future');
SELECT is(failing(:'stranger'), 'issuer', 'unknown issuer');
SELECT is(failing('x'), 'structure', 'no token');
SELECT is((SELECT count(*) FROM mongo_tenant.check_token(:'ua') WHERE why IS NOT NULL), 0::bigint, 'nothing to explain');
SELECT is((SELECT count(*) FROM mongo_tenant.check_token(:'forged') WHERE why LIKE '%ey%'), 0::bigint, 'a reason quotes no token');
SELECT is((SELECT count(*) FROM mongo_tenant.check_token(:'forged') WHERE passed IS NULL), 6::bigint, 'checks after the first failure are not reached');

-- A provider says who it is for.
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', NULL)$$, '22023', NULL, 'no audience');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{}')$$, '22023', NULL, 'an empty audience');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', any_audience => true)$$, '22023', NULL, 'an audience and any audience');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', ARRAY[NULL]::text[])$$, '22023', NULL, 'an audience that is NULL');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x,""}')$$, '22023', NULL, 'an audience that is empty');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', azp => ARRAY[NULL]::text[])$$, '22023', NULL, 'an authorized party that is NULL');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', algorithms => '{}')$$, '22023', NULL, 'no algorithm');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('', 'https://a', '{x}')$$, '22023', NULL, 'no name');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', NULL, '{x}')$$, '22023', NULL, 'no issuer');
SELECT throws_ok(format($$SELECT mongo_tenant.create_provider('a', %L, '{x}')$$, :'issuer'), '42710', 'another provider has this issuer already', 'the same issuer twice');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('test', 'https://a', '{x}')$$, '42710', 'provider "test" already exists', 'the same name twice');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', algorithms => '{none}')$$, '22023', NULL, 'alg none');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', algorithms => '{rs256}')$$, '22023', NULL, 'alg in lower case');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', tenant_claim => 'a..b')$$, '22023', NULL, 'a claim that is no path');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', local => true)$$, '42710', 'another provider is the local one already', 'a second local provider');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', secret_file => 'hs.secret')$$, '22023', NULL, 'a secret without an HS algorithm');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', jwks_file => '../postgresql.conf')$$, '22023', NULL, 'a file elsewhere');
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', jwks_file => 'nothing.json')$$, '22023', NULL, 'a file that is not there');

-- Keys: bad ones refuse the set, and nothing of it is kept.
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}', '{HS256}')$$, '22023', NULL, 'a secret outside of a file');
SELECT throws_ok(format($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', %L)$$,
	jsonb_build_object('keys', jsonb_build_array(:'jwks_rs'::jsonb -> 'keys' -> 0, :'jwks_rs'::jsonb -> 'keys' -> 0))),
	'22023', NULL, 'one kid twice');
SELECT throws_ok(format($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', %L)$$, :'jwks_rs'), '22023', NULL, 'a key of another provider');
SELECT throws_ok(format($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}', %L)$$,
	:'jwks_other'::jsonb #- '{keys,0,n}'), '22023', NULL, 'half a key');
SELECT is((SELECT count(*) FROM mongo_tenant.provider), 1::bigint, 'nothing of them is left');
SELECT ok(accepted(:'ua'), 'and the first provider works as before');

-- A second issuer: its own keys, its own tokens.
SELECT lives_ok(format($$SELECT mongo_tenant.create_provider('other', 'https://other.example', %L, %L)$$,
	ARRAY[:'audience'], :'jwks_other'), 'a second issuer');
SELECT ok(accepted(:'other_issuer'), 'its token');
SELECT is(failing(:'forged'), 'signature', 'its key signs for nobody else');
SELECT throws_ok(format($$SELECT mongo_tenant.add_key('test', 'o', %L)$$, :'pem_other'), '22023', NULL, 'nor is it taken as another''s');

-- A key id is there once; what is said of it quotes no row.
CREATE FUNCTION detail_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws('|', SQLSTATE, message, nullif(detail, ''));
END $$;
SELECT is(detail_of(format($$SELECT mongo_tenant.add_key('other', %L::jsonb)$$, :'jwks_other')),
	'42710|provider "other" has a key of this key id (kid) already', 'a JWK Set with a key id that is there');
SELECT is(detail_of(format($$SELECT mongo_tenant.add_key('other', 'other', %L)$$, :'pem_other')),
	'42710|provider "other" has a key of this key id (kid) already', 'a PEM key with one');
SELECT is(detail_of(format($$SELECT mongo_tenant.add_key('other', '', %L)$$, :'pem_other')),
	'22023|the keys cannot be used|a key id (kid) is empty or longer than 256 bytes', 'an empty key id');
SELECT is(detail_of(format($$SELECT mongo_tenant.add_key('other', jsonb_set(%L::jsonb, '{keys,0,kid}', '""'))$$, :'jwks_other')),
	'22023|the keys cannot be used|a key id (kid) is empty or longer than 256 bytes', 'an empty key id in a JWK Set');
SELECT is(detail_of(format($$SELECT mongo_tenant.add_key('other', NULL, %L)$$, :'pem_other')),
	'22023|provider "other" could not be used|a key without key id (kid) must be the only one of its set', 'none beside others');
SELECT is((SELECT count(*) FROM mongo_tenant.provider_key WHERE provider = 'other'), 1::bigint, 'nothing of them is left');
SELECT ok(accepted(:'other_issuer'), 'and the key that was there verifies');

-- Rotation without a gap; PEM.
SELECT mongo_tenant.drop_key('other', 'other');
SELECT is(failing(:'other_issuer'), 'key', 'without its key');
SELECT lives_ok(format($$SELECT mongo_tenant.add_key('other', 'other', %L)$$, :'pem_other'), 'the same key as PEM');
SELECT ok(accepted(:'other_issuer'), 'accepted again');
SELECT mongo_tenant.drop_key('test', 'rs');
SELECT is(failing(:'ua'), 'key', 'a key taken away');
SELECT ok(accepted(:'ua_es'), 'the others stay');
SELECT lives_ok(format($$SELECT mongo_tenant.add_key('test', %L::jsonb)$$, :'jwks_rs'), 'a JWK Set added');
SELECT ok(accepted(:'ua'), 'and good again');
SELECT throws_ok($$SELECT mongo_tenant.drop_key('test', 'nothing')$$, '42704', NULL, 'no such key');

-- Gone.
SELECT mongo_tenant.drop_provider('other');
SELECT is(failing(:'other_issuer'), 'issuer', 'a provider dropped');
SELECT throws_ok($$SELECT mongo_tenant.drop_provider('other')$$, '42704', NULL, 'no such provider');
TRUNCATE mongo_tenant.provider CASCADE;
SELECT is(failing(:'ua'), 'issuer', 'all providers truncated');

-- The triggers are for their own tables.
CREATE TABLE other_table (a integer);
CREATE TRIGGER bind BEFORE INSERT ON other_table FOR EACH ROW EXECUTE FUNCTION mongo_tenant.bind_policy();
SELECT throws_ok('INSERT INTO other_table VALUES (1)', '39P01', NULL, 'a trigger on another table');
SELECT throws_ok('SELECT mongo_tenant.follow_servers()', '39P01', NULL, 'an event trigger called by hand');

-- Nobody else changes them.
SET ROLE mtf_app;
SELECT throws_ok($$SELECT mongo_tenant.create_provider('a', 'https://a', '{x}')$$, '42501', NULL, 'not for everybody');
SELECT throws_ok($$SELECT * FROM mongo_tenant.provider$$, '42501', NULL, 'nor to look at');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
