-- ORDER BY without LIMIT: the server's order where the fields themselves sort so, and who uses it here.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

-- Several keys, either direction: a condition proves that none is NULL.  An index {tenant_id, id} serves the field itself.
SELECT * FROM plan_of($$SELECT id, i4 FROM typed WHERE id > 0 AND i4 IS NOT NULL ORDER BY i4 DESC, id$$);
SELECT id, i4 FROM typed WHERE id > 0 AND i4 IS NOT NULL ORDER BY i4 DESC, id;
SELECT id, i4 FROM typed WHERE id > 0 AND i4 IS NOT NULL ORDER BY i4 NULLS FIRST, id DESC NULLS LAST;
-- Of a column that may be NULL a LIMIT brings keys that the server computes; a whole sort is PostgreSQL's.
SELECT * FROM plan_of($$SELECT id, i4 FROM typed WHERE id > 0 ORDER BY i4 NULLS FIRST, id$$);
SELECT * FROM plan_of($$SELECT id, i4 FROM typed WHERE id > 0 ORDER BY i4 NULLS FIRST, id LIMIT 4$$);
SELECT id, i4 FROM typed WHERE id > 0 ORDER BY i4 NULLS FIRST, id LIMIT 4;
SELECT id, i4, b FROM typed ORDER BY b DESC NULLS LAST, i4 ASC NULLS FIRST, id DESC LIMIT 5;
SELECT id, t FROM typed WHERE id > 1 ORDER BY t COLLATE "C" DESC, id LIMIT 4;

-- An incremental sort: the first keys are the server's.
SET enable_sort = off;
SELECT * FROM plan_of($$SELECT id, t FROM typed WHERE id > 0 ORDER BY id DESC, lower(t)$$);
SELECT id, lower(t) FROM typed WHERE id > 5 ORDER BY id DESC, lower(t);
SELECT * FROM plan_of($$SELECT id, t FROM typed ORDER BY id DESC, lower(t)$$);

-- Merge joins over two scans that come sorted; where a key may be NULL, and of a language's order, sorted here.
SET mongo_tenant.enable_join_pushdown = off;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT * FROM plan_of($$SELECT a.id, t.i4 FROM accounts a JOIN typed t ON a.id = t.id WHERE a.id > 2 AND t.id < 9$$);
SELECT a.id, t.i4 FROM accounts a JOIN typed t ON a.id = t.id WHERE a.id > 2 AND t.id < 9 ORDER BY a.id;
SELECT * FROM plan_of($$SELECT a.id, t.id FROM accounts a JOIN typed t ON a.name COLLATE "C" = t.t COLLATE "C" WHERE a.name IS NOT NULL AND t.t > ' ' COLLATE "C"$$);
RESET enable_sort;
SELECT * FROM plan_of($$SELECT a.id, t.id FROM accounts a JOIN typed t ON a.name COLLATE "en-x-icu" = t.t COLLATE "en-x-icu" WHERE a.name IS NOT NULL AND t.t IS NOT NULL$$);
SELECT * FROM plan_of($$SELECT a.id, t.i4 FROM accounts a JOIN typed t ON a.id = t.i4$$);
SELECT a.id, t.i4 FROM accounts a JOIN typed t ON a.id = t.i4 ORDER BY a.id, t.i4;
SELECT a.id, t.i4 FROM accounts a LEFT JOIN typed t ON a.id = t.id AND t.id > 4 WHERE a.id > 2 ORDER BY a.id;
SELECT set_config('mongo_tenant.jwt', :'dl', false) IS NOT NULL AS set;
SELECT a.id, a.tenant_id, t.i4 FROM accounts a JOIN typed t ON a.id = t.id WHERE a.id > 6 ORDER BY a.id;
