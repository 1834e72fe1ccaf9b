-- Joins by $unionWith and $group: each collection is read once, and what has no partner may stay.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SET enable_hashagg = off;
SET enable_sort = off;
SET mongo_tenant.join_method = hash;
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

-- The tenant's predicate stands first in both collections' stages.
EXPLAIN (VERBOSE, COSTS OFF) SELECT a.id, t.t FROM accounts a JOIN typed t ON t.id = a.id WHERE t.i4 > 0;
SELECT a.id, a.tenant_id, t.t FROM accounts a JOIN typed t ON t.id = a.id WHERE t.i4 > 0 ORDER BY a.id;
SELECT * FROM plan_of($$SELECT a.id, t.id FROM accounts a LEFT JOIN typed t ON t.i4 = a.id AND t.b$$);
SELECT a.id, t.id FROM accounts a LEFT JOIN typed t ON t.i4 = a.id AND t.b ORDER BY a.id, t.id LIMIT 5;
SELECT count(*) FROM typed a JOIN typed b ON a.i4 = b.i4;
SELECT count(*) FROM mismatch_null a JOIN mismatch_null b ON a.i4 = b.i4;

-- Several keys, of all kinds that compare alike: days as days.
SELECT * FROM plan_of($$SELECT a.id, b.id FROM typed a JOIN typed b ON a.d = b.d AND a.b = b.b AND a.i8 = b.i4$$);
SELECT a.id, b.id FROM typed a JOIN typed b ON a.d = b.d AND a.b = b.b ORDER BY a.id, b.id;
SELECT * FROM plan_of($$SELECT a.id, b.id FROM typed a LEFT JOIN typed b ON a.d = b.d AND a.t = b.t$$);
SELECT a.id, b.id FROM typed a LEFT JOIN typed b ON a.d = b.d AND a.t = b.t ORDER BY a.id, b.id;

-- What has no key finds nothing, and stays where it may: each row by itself.
SELECT count(*), count(b.id) FROM mismatch_null a LEFT JOIN mismatch_null b ON a.i4 = b.i4;
SELECT count(*), count(a.id), count(b.id) FROM mismatch_null a FULL JOIN mismatch_null b ON a.i4 = b.i4;

-- Semi and anti joins, with one key and with two.
SELECT * FROM plan_of($$SELECT a.id FROM accounts a WHERE EXISTS (SELECT 1 FROM typed t WHERE t.i4 = a.id)$$);
SELECT a.id FROM accounts a WHERE EXISTS (SELECT 1 FROM typed t WHERE t.i4 = a.id) ORDER BY a.id;
SELECT * FROM plan_of($$SELECT a.id FROM typed a WHERE NOT EXISTS (SELECT 1 FROM typed t WHERE t.i4 = a.id AND t.b = a.b)$$);
SELECT a.id FROM typed a WHERE NOT EXISTS (SELECT 1 FROM typed t WHERE t.i4 = a.id AND t.b = a.b) ORDER BY a.id;

-- Full joins: equal keys only.
SELECT * FROM plan_of($$SELECT a.id, t.id FROM accounts a FULL JOIN typed t ON t.i4 = a.id$$);
SELECT a.id, t.id FROM accounts a FULL JOIN typed t ON t.i4 = a.id ORDER BY a.id, t.id;
SELECT * FROM plan_of($$SELECT count(*), count(a.id), sum(t.i4) FROM accounts a FULL JOIN typed t ON t.i4 = a.id$$);
SELECT count(*), count(a.id), sum(t.i4) FROM accounts a FULL JOIN typed t ON t.i4 = a.id;
SELECT count(*), count(a.id) FROM (SELECT * FROM accounts WHERE id = NULL::int) a FULL JOIN typed t ON t.i4 = a.id;
PREPARE nothing(int) AS SELECT count(*), count(a.id) FROM (SELECT * FROM accounts WHERE id = $1) a FULL JOIN typed t ON t.i4 = a.id;
SET plan_cache_mode = force_generic_plan;
EXECUTE nothing(NULL);
EXECUTE nothing(1);
RESET plan_cache_mode;
-- What one side is filtered by says nothing of the rows that the other adds.
SELECT * FROM plan_of($$SELECT a.id, t.id FROM (SELECT * FROM accounts WHERE id > 8) a FULL JOIN typed t ON t.id = a.id ORDER BY a.id NULLS LAST, t.id LIMIT 5$$);
SELECT a.id, t.id FROM (SELECT * FROM accounts WHERE id > 8) a FULL JOIN typed t ON t.id = a.id ORDER BY a.id NULLS LAST, t.id LIMIT 5;
-- A condition of the join on one side keeps both sides' other rows: here.
SELECT count(*) AS scans FROM plan_of($$SELECT a.id FROM accounts a FULL JOIN typed t ON t.i4 = a.id AND t.b$$) line WHERE line::text LIKE '%Foreign Scan on%';
SELECT * FROM plan_of($$SELECT a.id FROM accounts a FULL JOIN typed t ON t.i4 = a.id FULL JOIN accounts m ON m.id = a.id$$);

-- Three relations, aggregates and LIMIT above.
SELECT * FROM plan_of($$SELECT t.b, count(*), sum(m.id) FROM accounts a JOIN typed t ON t.id = a.id LEFT JOIN accounts m ON m.id = t.i4 GROUP BY t.b$$);
SELECT t.b, count(*), sum(m.id) FROM accounts a JOIN typed t ON t.id = a.id LEFT JOIN accounts m ON m.id = t.i4 GROUP BY t.b ORDER BY t.b;
SELECT * FROM plan_of($$SELECT a.id, t.i4 FROM accounts a JOIN typed t ON t.id = a.id ORDER BY a.id DESC LIMIT 2$$);
SELECT a.id, t.i4 FROM accounts a JOIN typed t ON t.id = a.id ORDER BY a.id DESC LIMIT 2;

-- A shared collection beside a tenant's.
SELECT * FROM plan_of($$SELECT f.flight, l.name FROM flights f JOIN airlines l ON l.carrier = f.carrier$$);
SELECT DISTINCT l.name FROM flights f JOIN airlines l ON l.carrier = f.carrier;

-- Rows that are locked are joined here, where they can be tested again.
RESET ROLE;
SELECT count(*) AS scans FROM plan_of($$SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id FOR UPDATE$$) line WHERE line::text LIKE '%Foreign Scan on%';
SET ROLE mtf_app;

-- The other tenant's partners are not found: ids are the same for both.
SELECT set_config('mongo_tenant.jwt', :'dl', false) IS NOT NULL AS set;
SELECT DISTINCT a.tenant_id, b.tenant_id, b.secret FROM accounts a JOIN accounts b ON a.id = b.id;
SELECT count(*), count(DISTINCT a.tenant_id), count(DISTINCT b.tenant_id) FROM accounts a FULL JOIN accounts b ON a.id = b.id + 0;
SELECT count(*), count(DISTINCT a.tenant_id), count(DISTINCT b.tenant_id), count(a.id), count(b.id) FROM accounts a FULL JOIN accounts b ON a.id = b.id;
