-- Joins: every relation from its own scope, null and arrays meet nothing.  First by $lookup.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
-- The local alternatives are switched off so that small collections show the remote plan.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SET enable_hashagg = off;
SET enable_sort = off;
SET mongo_tenant.join_method = lookup;
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

SELECT * FROM plan_of($$SELECT a.id, t.t FROM accounts a JOIN typed t ON t.id = a.id WHERE t.i4 > 0$$);
SELECT a.id, a.tenant_id, t.t FROM accounts a JOIN typed t ON t.id = a.id WHERE t.i4 > 0 ORDER BY a.id;
SELECT a.id, t.id FROM accounts a LEFT JOIN typed t ON t.i4 = a.id AND t.b ORDER BY a.id LIMIT 5;
SELECT count(*) FROM typed a JOIN typed b ON a.i4 = b.i4;
SELECT count(*) FROM mismatch_null a JOIN mismatch_null b ON a.i4 = b.i4;

-- Semi and anti joins.
SELECT * FROM plan_of($$SELECT a.id FROM accounts a WHERE EXISTS (SELECT 1 FROM typed t WHERE t.i4 = a.id)$$);
SELECT a.id FROM accounts a WHERE EXISTS (SELECT 1 FROM typed t WHERE t.i4 = a.id) ORDER BY a.id;
SELECT * FROM plan_of($$SELECT a.id FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM typed t WHERE t.id = a.id)$$);
SELECT a.id FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM typed t WHERE t.id = a.id) ORDER BY a.id;

-- Several keys, days as days; full joins look up both ways.
SELECT * FROM plan_of($$SELECT a.id, b.id FROM typed a LEFT JOIN typed b ON a.i4 = b.i4 AND a.d = b.d AND a.t = b.t$$);
SELECT a.id, b.id FROM typed a LEFT JOIN typed b ON a.i4 = b.i4 AND a.d = b.d AND a.t = b.t ORDER BY a.id, b.id;
SELECT * FROM plan_of($$SELECT a.id FROM typed a WHERE NOT EXISTS (SELECT 1 FROM typed t WHERE t.i4 = a.id AND t.b = a.b)$$);
SELECT a.id FROM typed a WHERE NOT EXISTS (SELECT 1 FROM typed t WHERE t.i4 = a.id AND t.b = a.b) ORDER BY a.id;
SELECT * FROM plan_of($$SELECT a.id, t.id FROM accounts a FULL JOIN typed t ON t.i4 = a.id$$);
SELECT a.id, t.id FROM accounts a FULL JOIN typed t ON t.i4 = a.id ORDER BY a.id, t.id;
-- Of days alone there is no raw value to look up.
SELECT * FROM plan_of($$SELECT a.id, b.id FROM typed a JOIN typed b ON a.d = b.d$$);

-- Three relations, aggregates and LIMIT above.
SELECT * FROM plan_of($$SELECT t.b, count(*), sum(m.id) FROM accounts a JOIN typed t ON t.id = a.id LEFT JOIN accounts m ON m.id = t.i4 GROUP BY t.b$$);
SELECT t.b, count(*), sum(m.id) FROM accounts a JOIN typed t ON t.id = a.id LEFT JOIN accounts m ON m.id = t.i4 GROUP BY t.b ORDER BY t.b;
SELECT * FROM plan_of($$SELECT a.id, t.i4 FROM accounts a JOIN typed t ON t.id = a.id ORDER BY a.id DESC LIMIT 2$$);
SELECT a.id, t.i4 FROM accounts a JOIN typed t ON t.id = a.id ORDER BY a.id DESC LIMIT 2;

-- A shared collection beside a tenant's.
SELECT * FROM plan_of($$SELECT f.flight, l.name FROM flights f JOIN airlines l ON l.carrier = f.carrier$$);
SELECT DISTINCT l.name FROM flights f JOIN airlines l ON l.carrier = f.carrier;

-- Another server, no equality, a key that rounds: here.
SELECT * FROM plan_of($$SELECT a.id FROM accounts a JOIN poison_int p ON p.id = a.id$$);
SELECT * FROM plan_of($$SELECT a.id FROM typed a JOIN typed t ON t.f8 = a.f8$$);

-- The other tenant's partners are not found: ids are the same for both.
SELECT set_config('mongo_tenant.jwt', :'dl', false) IS NOT NULL AS set;
SELECT DISTINCT a.tenant_id, b.tenant_id, b.secret FROM accounts a JOIN accounts b ON a.id = b.id;
SELECT count(*) FROM accounts a LEFT JOIN accounts b ON a.id = b.id AND b.tenant_id = 'UA' WHERE b.id IS NOT NULL;

SET mongo_tenant.enable_join_pushdown = off;
SELECT * FROM plan_of($$SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id$$);

-- A setting counts for plans that were made before, prepared and generic ones too.
SET mongo_tenant.enable_join_pushdown = on;
SET plan_cache_mode = force_generic_plan;
PREPARE joined AS SELECT a.id FROM accounts a JOIN typed t ON t.id = a.id ORDER BY a.id;
EXECUTE joined;
SELECT * FROM plan_of('EXECUTE joined') WHERE "QUERY PLAN" ~ 'Foreign Scan';
SET mongo_tenant.enable_join_pushdown = off;
SELECT * FROM plan_of('EXECUTE joined') WHERE "QUERY PLAN" ~ 'Foreign Scan';
EXECUTE joined;
SET mongo_tenant.enable_join_pushdown = on;
SELECT * FROM plan_of('EXECUTE joined') WHERE "QUERY PLAN" ~ '[$]lookup';
SET mongo_tenant.join_method = hash;
SELECT * FROM plan_of('EXECUTE joined') WHERE "QUERY PLAN" ~ '[$]unionWith';
