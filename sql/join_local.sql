-- Why a join is made here: said of its conditions, by the scans below it.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
CREATE FUNCTION pg_temp.reasons(query text) RETURNS TABLE ("QUERY PLAN" text) LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
		IF line ~ 'Local Join' THEN
			RETURN QUERY SELECT reason[1] FROM regexp_matches(line, '\[([^]]*)\]', 'g') AS reason;
		END IF;
	END LOOP;
END $$;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri :'uri', database :'mongo_db', providers 'test', tenant_field 'tenant_id');
CREATE USER MAPPING FOR PUBLIC SERVER elsewhere;
CREATE FOREIGN TABLE far (id integer) SERVER elsewhere OPTIONS (collection 'accounts');
CREATE FOREIGN TABLE other (id integer) SERVER mongo OPTIONS (collection 'accounts', database 'another');
CREATE TABLE here AS SELECT 1 AS id;
GRANT SELECT ON far, other, here TO mtf_app;
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN far f ON f.id = a.id$$);
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN other o ON o.id = a.id$$);
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN typed t ON t.f4 = a.id$$);
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM typed a JOIN typed t ON t.n = a.n$$);
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN typed t ON t.id < a.id$$);
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a LEFT JOIN typed t ON t.id = a.id AND t.i4 > a.id$$);
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id WHERE upper(t.t) = 'x'$$);
SELECT * FROM pg_temp.reasons($$SELECT a.id, whole FROM accounts a JOIN typed whole ON whole.id = a.id$$);
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a WHERE a.id NOT IN (SELECT t.id FROM typed t)$$);
-- A local table's part is plain to see.
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN here h ON h.id = a.id$$);
-- Where it could be remote and is not.
SET mongo_tenant.join_method = lookup;
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM typed a JOIN typed t ON t.d = a.d$$);
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a FULL JOIN typed t ON t.id = a.id FULL JOIN typed m ON m.id = t.i4$$) LIMIT 1;
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id$$);
SET mongo_tenant.join_method = bind;
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id$$);
RESET mongo_tenant.join_method;
SET mongo_tenant.enable_join_pushdown = off;
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id$$);
SET mongo_tenant.enable_join_pushdown = on;
RESET ROLE;
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id FOR UPDATE$$);
SELECT * FROM pg_temp.reasons($$UPDATE here h SET id = a.id FROM accounts a JOIN typed t ON t.i4 = a.id WHERE t.id = h.id$$);
-- A remote join says nothing of itself, and why it goes no further.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SET mongo_tenant.join_method = hash;
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id$$);
SELECT * FROM pg_temp.reasons($$SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id JOIN far f ON f.id = t.i4$$);
DROP FOREIGN TABLE far, other;
DROP USER MAPPING FOR PUBLIC SERVER elsewhere;
DROP SERVER elsewhere;
DROP TABLE here;
