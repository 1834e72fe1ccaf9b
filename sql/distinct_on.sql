-- DISTINCT ON: the first row of each group, in an order that the server has.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
-- The tables are small: what can run remotely, not what is cheap.
SET cpu_tuple_cost = 0.1;
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

SELECT * FROM plan_of($$SELECT DISTINCT ON (g) g, id, price FROM measures ORDER BY g, id DESC$$);
SELECT DISTINCT ON (g) g, id, price FROM measures ORDER BY g, id DESC;
SELECT DISTINCT ON (g) g, f, id FROM measures ORDER BY g NULLS FIRST, f DESC NULLS LAST, id;
SELECT DISTINCT ON (price) price, id FROM measures ORDER BY price DESC, id;
SELECT DISTINCT ON (f) abs(f), id FROM measures ORDER BY f, id;
SELECT DISTINCT ON (b, active) b, active, a.id FROM accounts a JOIN typed t ON a.id = t.id ORDER BY b, active, a.id DESC;
SELECT DISTINCT ON (g) g, id FROM measures WHERE id > 3 ORDER BY g, id LIMIT 2;
SELECT count(*) FROM (SELECT DISTINCT ON (g) g, id FROM measures ORDER BY g, id) x;
SELECT DISTINCT ON (g) g, id FROM measures WHERE g = 77 ORDER BY g, id;

-- A sort or a clause that has no exact form, a key that has none, whole rows: here.
SELECT * FROM plan_of($$SELECT DISTINCT ON (active) active, name FROM accounts ORDER BY active, name COLLATE "en-x-icu"$$);
SELECT * FROM plan_of($$SELECT DISTINCT ON (b) b, id FROM typed WHERE lower(t) = 'text' ORDER BY b, id$$);
SELECT * FROM plan_of($$SELECT DISTINCT ON (n) n, id FROM measures ORDER BY n, id$$);
SELECT * FROM plan_of($$SELECT DISTINCT ON (id) measures FROM measures ORDER BY id$$);
SET mongo_tenant.enable_sort_pushdown = off;
SELECT * FROM plan_of($$SELECT DISTINCT ON (g) g, id FROM measures ORDER BY g, id$$);
RESET mongo_tenant.enable_sort_pushdown;

SELECT set_config('mongo_tenant.jwt', :'dl', false) IS NOT NULL AS set;
SELECT DISTINCT ON (g) g, id, price FROM measures ORDER BY g, id DESC;
-- LIMIT above: the server cuts as well, and LIMIT ends here.
SELECT * FROM plan_of($$SELECT DISTINCT ON (i4) i4, id FROM typed ORDER BY i4 DESC NULLS LAST, id LIMIT 2 OFFSET 1$$);
SELECT DISTINCT ON (i4) i4, id FROM typed ORDER BY i4 DESC NULLS LAST, id LIMIT 2 OFFSET 1;
SELECT DISTINCT ON (i4) i4, id FROM typed ORDER BY i4, id LIMIT 0;
SELECT DISTINCT ON (i4) i4, id FROM typed ORDER BY i4, id DESC LIMIT 9223372036854775807 OFFSET 1;
SELECT DISTINCT ON (i4) i4, id FROM typed WHERE id < 4 ORDER BY i4, id OFFSET 1;
SELECT * FROM plan_of($$SELECT DISTINCT ON (i4) i4, id FROM typed ORDER BY i4, id OFFSET 1$$);
SELECT * FROM plan_of($$SELECT DISTINCT ON (i4) i4, id FROM typed ORDER BY i4 FETCH FIRST 2 ROWS WITH TIES$$);
