-- One SELECT under two tenants with identical ids; projection; EXPLAIN.
\i `echo "$MTF_PRELUDE"`
SET ROLE mtf_app;
SELECT count(*) FROM accounts; -- no token: an error, not 0
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;
SELECT * FROM accounts ORDER BY id LIMIT 3;
SELECT set_config('mongo_tenant.jwt', :'dl', false) IS NOT NULL AS set;
SELECT * FROM accounts ORDER BY id LIMIT 3;
-- DL asks for UA's rows in several ways.
SELECT * FROM accounts WHERE tenant_id = 'UA';
SELECT DISTINCT tenant_id FROM accounts WHERE tenant_id = 'UA' OR true;
SELECT DISTINCT tenant_id FROM accounts WHERE tenant_id <> 'DL' OR tenant_id IS NOT DISTINCT FROM tenant_id;
SELECT count(*) FROM accounts WHERE secret = 'secret of UA';
SELECT count(*) FROM accounts WHERE name LIKE 'UA%';
SELECT count(*) AS positive_control FROM accounts WHERE secret = 'secret of DL';
-- Only needed fields travel, and the tenant's, which every document is checked by.
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, name FROM accounts;
EXPLAIN (VERBOSE, COSTS OFF) SELECT city FROM accounts;
-- A whole-row reference, no column at all, and columns in another order.
SELECT a FROM accounts a WHERE id = 1;
SELECT 1 AS one FROM accounts WHERE id < 3;
SELECT address ->> 'zip' AS zip, city, id FROM accounts WHERE id = 2;
-- A shared collection is whole for everybody with a token.
EXPLAIN (VERBOSE, COSTS OFF) SELECT carrier FROM airlines;
SELECT count(*) FROM airlines;
-- Who may read a table is still PostgreSQL's to say.
RESET ROLE;
REVOKE SELECT ON accounts FROM mtf_app;
SET ROLE mtf_app;
SELECT count(*) FROM accounts;
RESET ROLE;
GRANT SELECT ON accounts TO mtf_app;

-- Bounds of plain paths stand beside the tenant's equality, where an index of both serves them; a
-- second condition on a path, and one on the tenant's own field, do not displace what is there.
EXPLAIN (VERBOSE, COSTS OFF) SELECT name FROM accounts WHERE id = 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT name FROM accounts WHERE id > 3 AND id < 6 AND tenant_id = 'UA';
SELECT id, name FROM accounts WHERE id > 3 AND id < 6 ORDER BY id;
SELECT id, name FROM accounts WHERE id > 3 AND id < 6 AND tenant_id = 'UA';

-- A scan of which all rows are wanted, in no order, may be read by several cursors (option parallel).
RESET ROLE;
CREATE SERVER several FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS
	(uri :'uri', database :'mongo_db', providers 'test', tenant_field 'tenant_id', parallel '4', fetch_size '1');
CREATE FOREIGN TABLE several_accounts (id integer, name text COLLATE "C") SERVER several OPTIONS (collection 'accounts');
GRANT SELECT ON several_accounts TO mtf_app;
SET ROLE mtf_app;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM several_accounts;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM several_accounts WHERE name <> 'x';
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM several_accounts LIMIT 1;
SET mongo_tenant.join_method = lookup;
SET mongo_tenant.enable_join_pushdown = off;
SELECT * FROM plan_of($$SELECT a.id FROM generate_series(1, 2) x, LATERAL (SELECT id FROM several_accounts a WHERE a.id = x) a$$) line WHERE line::text ~ 'Nested|Parallel|Foreign';
RESET mongo_tenant.enable_join_pushdown;
RESET mongo_tenant.join_method;
SELECT id FROM several_accounts ORDER BY id;
RESET ROLE;
DROP FOREIGN TABLE several_accounts;
DROP SERVER several;
