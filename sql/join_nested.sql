-- Joins whose inner side is a join itself, full joins of more than two tables, and keys of numbers with fractions.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
-- The tables are small: what can run remotely, not what is cheap.
SET cpu_tuple_cost = 0.1;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SET enable_hashagg = off;
SET enable_sort = off;
CREATE FOREIGN TABLE amounts (id integer, i4 integer, n numeric(6,3), f8 double precision) SERVER mongo OPTIONS (collection 'typed', on_mismatch 'null');
GRANT SELECT ON amounts TO mtf_app;
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

-- The inner join's collections have a tenant's predicate each, whatever they are nested in.
SET mongo_tenant.join_method = hash;
EXPLAIN (VERBOSE, COSTS OFF) SELECT a.id, t.id, m.id FROM accounts a LEFT JOIN (typed t JOIN accounts m ON m.id = t.i4) ON t.id = a.id;
SELECT a.id, t.id, m.id FROM accounts a LEFT JOIN (typed t JOIN accounts m ON m.id = t.i4) ON t.id = a.id ORDER BY a.id;
-- By a key of the relation that was joined to the inner one.
SELECT * FROM plan_of($$SELECT a.id, t.id, m.id FROM accounts a LEFT JOIN (typed t LEFT JOIN accounts m ON m.id = t.i4) ON m.id = a.id$$);
SELECT a.id, t.id, m.id FROM accounts a LEFT JOIN (typed t LEFT JOIN accounts m ON m.id = t.i4) ON m.id = a.id ORDER BY a.id;
SELECT * FROM plan_of($$SELECT a.id FROM accounts a WHERE EXISTS (SELECT FROM typed t JOIN accounts m ON m.id = t.i4 WHERE t.id = a.id)$$);
SELECT a.id FROM accounts a WHERE EXISTS (SELECT FROM typed t JOIN accounts m ON m.id = t.i4 WHERE t.id = a.id) ORDER BY a.id;
SELECT * FROM plan_of($$SELECT a.id FROM accounts a WHERE NOT EXISTS (SELECT FROM typed t JOIN accounts m ON m.id = t.i4 WHERE t.id = a.id)$$);
SELECT a.id FROM accounts a WHERE NOT EXISTS (SELECT FROM typed t JOIN accounts m ON m.id = t.i4 WHERE t.id = a.id) ORDER BY a.id;
SELECT * FROM plan_of($$SELECT a.id, t.id, m.id FROM accounts a FULL JOIN (typed t JOIN accounts m ON m.id = t.i4) ON t.id = a.id$$);
SELECT a.id, t.id, m.id FROM accounts a FULL JOIN (typed t JOIN accounts m ON m.id = t.i4) ON t.id = a.id ORDER BY a.id, t.id;
SELECT * FROM plan_of($$SELECT a.id, t.id, m.id FROM accounts a FULL JOIN (typed t FULL JOIN accounts m ON m.id = t.i4) ON t.id = a.id$$);
SELECT a.id, t.id, m.id FROM accounts a FULL JOIN (typed t FULL JOIN accounts m ON m.id = t.i4) ON t.id = a.id ORDER BY a.id, t.id, m.id;

-- Full joins of three: what has neither key nor partner stays, each row by itself.
SELECT * FROM plan_of($$SELECT a.id, t.id, m.id FROM accounts a FULL JOIN typed t ON t.i4 = a.id FULL JOIN accounts m ON m.id = t.i8$$);
SELECT a.id, t.id, m.id FROM accounts a FULL JOIN typed t ON t.i4 = a.id FULL JOIN accounts m ON m.id = t.i8 ORDER BY a.id, t.id, m.id;
SELECT * FROM plan_of($$SELECT count(*), count(a.id), count(t.id), sum(m.id) FROM accounts a FULL JOIN typed t ON t.i4 = a.id FULL JOIN accounts m ON m.id = t.i8$$);
SELECT count(*), count(a.id), count(t.id), sum(m.id) FROM accounts a FULL JOIN typed t ON t.i4 = a.id FULL JOIN accounts m ON m.id = t.i8;
-- A first side without documents: the last one's come all the same.
PREPARE nothing(int) AS SELECT count(*), count(t.id), count(m.id) FROM (SELECT a.id FROM accounts a JOIN typed b ON b.id = a.id WHERE b.i4 = $1) x FULL JOIN typed t ON t.i4 = x.id FULL JOIN accounts m ON m.id = t.i8;
SET plan_cache_mode = force_generic_plan;
EXECUTE nothing(NULL);
EXECUTE nothing(4);
RESET plan_cache_mode;

-- The merged column of FULL JOIN … USING is a key of the next join, is tested, grouped by and sorted by.
SELECT * FROM plan_of($$SELECT id, a.name, t.i4, m.name FROM accounts a FULL JOIN typed t USING (id) FULL JOIN accounts m USING (id)$$);
SELECT id, left(a.name, 2) AS a, t.i4, left(m.name, 2) AS m FROM accounts a FULL JOIN typed t USING (id) FULL JOIN accounts m USING (id) ORDER BY id;
SELECT i4, count(*), count(a.id) FROM amounts a FULL JOIN (SELECT id AS i4, balance FROM accounts) b USING (i4) LEFT JOIN typed t USING (i4) WHERE i4 > 1 GROUP BY i4 ORDER BY i4;
SELECT count(*) FROM (SELECT COALESCE(a.id, b.id) AS k, count(*) FROM accounts a FULL JOIN typed b ON b.i4 = a.id GROUP BY 1 HAVING COALESCE(a.id, b.id) > 2) x;
SELECT * FROM plan_of($$SELECT COALESCE(a.id, b.id), count(*) FROM accounts a FULL JOIN typed b ON b.i4 = a.id WHERE COALESCE(a.id, b.id) > 2 GROUP BY 1 ORDER BY 1 LIMIT 3$$) WHERE "QUERY PLAN" ~ 'Foreign Scan|Remote|Local';
SELECT COALESCE(a.id, b.id), count(*) FROM accounts a FULL JOIN typed b ON b.i4 = a.id WHERE COALESCE(a.id, b.id) > 2 GROUP BY 1 ORDER BY 1 LIMIT 3;
-- Not of other expressions.
SELECT * FROM plan_of($$SELECT a.id FROM accounts a LEFT JOIN typed t USING (id) LEFT JOIN accounts m ON m.id = COALESCE(t.i4, a.id + 1)$$);

-- By $lookup: the inner join in each of them; full joins of more than two are not said so.
SET mongo_tenant.join_method = lookup;
SELECT * FROM plan_of($$SELECT a.id, t.id, m.id FROM accounts a LEFT JOIN (typed t JOIN accounts m ON m.id = t.i4) ON t.id = a.id WHERE a.id > 0$$);
SELECT a.id, t.id, m.id FROM accounts a LEFT JOIN (typed t JOIN accounts m ON m.id = t.i4) ON t.id = a.id ORDER BY a.id;
SELECT a.id FROM accounts a WHERE EXISTS (SELECT FROM typed t JOIN accounts m ON m.id = t.i4 WHERE t.id = a.id) ORDER BY a.id;
SELECT a.id FROM accounts a WHERE NOT EXISTS (SELECT FROM typed t JOIN accounts m ON m.id = t.i4 WHERE t.id = a.id) ORDER BY a.id;
SELECT * FROM plan_of($$SELECT a.id, t.id, m.id FROM accounts a FULL JOIN typed t ON t.i4 = a.id FULL JOIN accounts m ON m.id = t.i8$$) WHERE "QUERY PLAN" ~ 'Foreign Scan';
SELECT count(*), count(a.id), count(t.id), sum(m.id) FROM accounts a FULL JOIN typed t ON t.i4 = a.id FULL JOIN accounts m ON m.id = t.i8;

-- Doubles, and numerics whose digits are known: several numbers decode to one, NaN equals NaN.
SET mongo_tenant.join_method = hash;
SELECT * FROM plan_of($$SELECT a.id, b.id FROM amounts a JOIN amounts b ON a.f8 = b.f8 AND a.n = b.n$$);
SELECT a.id, b.id FROM amounts a JOIN amounts b ON a.f8 = b.f8 ORDER BY a.id, b.id;
SELECT a.id, b.id FROM amounts a JOIN amounts b ON a.n = b.n ORDER BY a.id, b.id;
SELECT count(*), count(b.id) FROM amounts a FULL JOIN amounts b ON a.f8 = b.f8 AND a.n = b.n;
-- A plain numeric's doubles have a text that the server does not know; real has no BSON type.
SELECT * FROM plan_of($$SELECT a.id FROM typed a JOIN typed b ON a.n = b.n$$) WHERE "QUERY PLAN" ~ 'Foreign Scan';
SELECT * FROM plan_of($$SELECT a.id FROM typed a JOIN typed b ON a.f4 = b.f4$$) WHERE "QUERY PLAN" ~ 'Foreign Scan';
SET mongo_tenant.join_method = lookup;
SELECT * FROM plan_of($$SELECT a.id FROM amounts a JOIN amounts b ON a.f8 = b.f8$$) WHERE "QUERY PLAN" ~ 'Foreign Scan';
SELECT * FROM plan_of($$SELECT a.id FROM amounts a JOIN amounts b ON a.i4 = b.i4 AND a.f8 = b.f8$$) WHERE "QUERY PLAN" ~ 'Foreign Scan';
SELECT a.id, b.id FROM amounts a JOIN amounts b ON a.i4 = b.i4 AND a.f8 = b.f8 ORDER BY a.id, b.id;

-- The other tenant's documents, with the same ids, are nowhere.
SELECT set_config('mongo_tenant.jwt', :'dl', false) IS NOT NULL AS set;
SELECT count(*), count(DISTINCT a.tenant_id), min(b.tenant_id), min(m.tenant_id) FROM accounts a LEFT JOIN (accounts b JOIN accounts m ON m.id = b.id) ON b.id = a.id;
SET mongo_tenant.join_method = hash;
SELECT count(*), count(DISTINCT a.tenant_id), min(b.tenant_id), min(m.tenant_id) FROM accounts a LEFT JOIN (accounts b JOIN accounts m ON m.id = b.id) ON b.id = a.id;
SELECT count(*), min(a.secret), max(a.secret), min(b.secret), max(b.secret), min(m.secret), max(m.secret) FROM accounts a FULL JOIN accounts b ON b.id = a.id FULL JOIN accounts m ON m.id = b.id;
RESET ROLE;
DROP FOREIGN TABLE amounts;
