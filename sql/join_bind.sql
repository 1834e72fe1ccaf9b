-- Bind joins: the join runs here, and the inner documents come by batches of the outer rows' keys.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SET mongo_tenant.join_method = bind;
-- From PostgreSQL 14 on.
SELECT count(set_config(name, 'off', false)) < 2 AS set FROM pg_settings WHERE name = 'enable_memoize';
CREATE TABLE bind_keys (k int, t text, o bigint);
INSERT INTO bind_keys VALUES (1, 'text', 1), (2, 'x', 2), (2, NULL, 3), (NULL, 'a', 4), (99, 'a', 5), (5, 'text', 6), (4, '$name', 7);
ANALYZE bind_keys;
GRANT SELECT ON bind_keys TO mtf_app;
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

-- A local table outside, ours inside: the tenant first, then the keys; every clause is tested here.
EXPLAIN (VERBOSE, COSTS OFF) SELECT b.o, a.id FROM bind_keys b LEFT JOIN accounts a ON a.id = b.k;
SELECT b.o, a.id, a.tenant_id FROM bind_keys b JOIN accounts a ON a.id = b.k ORDER BY b.o;
SELECT * FROM plan_of($$SELECT b.o, t.id FROM bind_keys b LEFT JOIN typed t ON t.i4 = b.k AND t.b AND t.id < b.o + 5$$);
SELECT b.o, t.id FROM bind_keys b LEFT JOIN typed t ON t.i4 = b.k AND t.b AND t.id < b.o + 5 ORDER BY b.o, t.id;
SELECT b.o, coalesce(t.t, 'none'), t.id IS NULL AS missing FROM bind_keys b LEFT JOIN typed t ON t.i4 = b.k WHERE t.i4 IS NULL OR t.i4 > 1 ORDER BY b.o, t.id;
SELECT * FROM plan_of($$SELECT b.o FROM bind_keys b WHERE EXISTS (SELECT 1 FROM typed t WHERE t.i4 = b.k)$$) WHERE "QUERY PLAN" !~ 'Cond|Superset'; -- releases order clauses differently
SELECT b.o FROM bind_keys b WHERE EXISTS (SELECT 1 FROM typed t WHERE t.i4 = b.k) ORDER BY b.o;
SELECT * FROM plan_of($$SELECT b.o FROM bind_keys b WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = b.k)$$);
SELECT b.o FROM bind_keys b WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = b.k) ORDER BY b.o;

-- Two keys; text that looks like a field is data.
SELECT * FROM plan_of($$SELECT b.o, t.id FROM bind_keys b JOIN typed t ON t.id = b.k AND t.t = b.t$$) WHERE "QUERY PLAN" !~ 'Cond|Superset'; -- releases order clauses differently
SELECT b.o, t.id FROM bind_keys b JOIN typed t ON t.id = b.k AND t.t = b.t ORDER BY b.o;
SELECT b.o, t.id FROM bind_keys b LEFT JOIN typed t ON t.t = b.t ORDER BY b.o, t.id;

-- Batches of two rows: one command each, and as many rows.
SET mongo_tenant.join_batch_size = 2;
SELECT b.o, a.id FROM bind_keys b LEFT JOIN accounts a ON a.id = b.k ORDER BY b.o;
RESET mongo_tenant.join_batch_size;

-- Two collections, three of them, other servers; under a subquery that is run again, and with parameters.
SELECT count(*), count(t.id), sum(m.id) FROM accounts a LEFT JOIN typed t ON t.id = a.id LEFT JOIN accounts m ON m.id = t.i4;
SELECT * FROM plan_of($$SELECT a.id FROM accounts a JOIN poison_int p ON p.id = a.id$$);
SELECT b.o, (SELECT count(*) FROM bind_keys c JOIN accounts a ON a.id = c.k WHERE c.o <= b.o) AS n FROM bind_keys b ORDER BY b.o;
PREPARE bound(int) AS SELECT b.o, a.id FROM bind_keys b JOIN accounts a ON a.id = b.k AND a.id > $1 ORDER BY b.o;
SET plan_cache_mode = force_generic_plan;
EXECUTE bound(0);
EXECUTE bound(1);
-- The same plan under another token.
SELECT set_config('mongo_tenant.jwt', :'dl', false) IS NOT NULL AS set;
EXECUTE bound(0);
SELECT DISTINCT a.tenant_id FROM bind_keys b JOIN accounts a ON a.id = b.k;
SELECT count(*) FROM bind_keys b JOIN accounts a ON a.id = b.k AND a.tenant_id = 'UA';
RESET plan_cache_mode;

-- No keys at all: nothing is asked for.
SELECT b.o, a.id FROM (SELECT * FROM bind_keys WHERE k IS NULL) b LEFT JOIN accounts a ON a.id = b.k;
-- A cursor ends early.
BEGIN;
DECLARE c CURSOR FOR SELECT b.o, a.id FROM bind_keys b JOIN accounts a ON a.id = b.k;
FETCH 1 FROM c;
COMMIT;

-- Days, doubles and numerics are ranges of what documents have, fewer in a command; another key makes them needless.
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;
EXPLAIN (VERBOSE, COSTS OFF) SELECT a.id, t.id FROM mismatch_null a LEFT JOIN typed t ON t.d = a.d;
-- Not the last day of the year 9999: one engine has no dates behind it.
SELECT a.id, t.id FROM (SELECT * FROM typed WHERE id <> 2) a LEFT JOIN typed t ON t.d = a.d ORDER BY a.id, t.id;
SELECT a.id, t.id FROM typed a JOIN mismatch_null t ON t.f8 = a.f8 ORDER BY a.id, t.id;
SELECT a.id, t.id FROM typed a JOIN typed t ON t.f4 = a.f4 ORDER BY a.id, t.id;
SELECT a.id, t.id FROM typed a JOIN typed t ON t.n = a.n ORDER BY a.id, t.id;
SELECT a.id, t.id FROM typed a JOIN typed t ON t.ts = a.ts AND t.u = a.u ORDER BY a.id, t.id;
SELECT * FROM plan_of($$SELECT a.id FROM typed a JOIN typed t ON t.n = a.n AND t.i8 = a.i8$$) WHERE "QUERY PLAN" ~ 'Batch|keys';
SELECT a.id FROM typed a WHERE NOT EXISTS (SELECT FROM typed t WHERE t.f8 = a.f8 AND t.id <> a.id) ORDER BY a.id;
RESET ROLE;

-- Bytes of a binary have several subtypes there; a full join has no outer side; locked rows are tested again one by one.
CREATE FUNCTION pg_temp.binds(query text) RETURNS boolean LANGUAGE sql AS $$SELECT count(*) > 0 FROM plan_of(query) WHERE "QUERY PLAN" ~ 'Bind Join'$$;
SELECT pg_temp.binds($$SELECT b.o FROM bind_keys b JOIN typed t ON t.raw = b.t::bytea$$);
SELECT pg_temp.binds($$SELECT b.o FROM bind_keys b FULL JOIN accounts a ON a.id = b.k$$);
RESET ROLE;
SELECT pg_temp.binds($$SELECT b.o FROM bind_keys b JOIN accounts a ON a.id = b.k FOR UPDATE OF b$$);
SET mongo_tenant.enable_join_pushdown = off;
SELECT pg_temp.binds($$SELECT b.o, a.id FROM bind_keys b JOIN accounts a ON a.id = b.k$$);
DROP TABLE bind_keys;
