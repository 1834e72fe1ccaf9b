-- Numbers that are equal and look different: as keys, as distinct values, least and greatest.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
-- The tables are small: what can run remotely, not what is cheap.
SET cpu_tuple_cost = 0.1;
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

-- Keys of numeric(p,s) and double precision: 1.5 is 1.50, -0 is 0, NaN is itself, whatever the BSON type.
SELECT * FROM plan_of($$SELECT price, count(*) FROM measures GROUP BY price$$);
SELECT price, count(*), sum(q) FROM measures GROUP BY price ORDER BY price;
SELECT * FROM plan_of($$SELECT f, count(*) FROM measures GROUP BY f$$);
SELECT abs(f), count(*) FROM measures GROUP BY f ORDER BY f;
SELECT f, count(*) FROM measures WHERE id = 2 GROUP BY f; -- alone it keeps its sign
SELECT * FROM plan_of($$SELECT DISTINCT price FROM measures ORDER BY price DESC LIMIT 2$$);
SELECT DISTINCT price FROM measures ORDER BY price DESC LIMIT 2;
SELECT DISTINCT price FROM measures ORDER BY price NULLS FIRST LIMIT 2;
SELECT * FROM plan_of($$SELECT price * 2 + 1, q::numeric, count(*) FROM measures GROUP BY 1, 2$$);
SELECT price * 2 + 1, q::numeric, count(*) FROM measures GROUP BY 1, 2 ORDER BY 1, 2;
SELECT price, count(*) FROM measures GROUP BY price HAVING price > 2 ORDER BY 1;
-- Numerics of any scale, and of up to 34 digits; documents that are no exact decimals make it be computed here.
SELECT * FROM plan_of($$SELECT n, count(*) FROM measures GROUP BY n$$);
SELECT trim_scale(n), count(*), sum(q) FROM measures GROUP BY n ORDER BY n;
SELECT DISTINCT trim_scale(n) FROM measures WHERE id IN (1, 2, 3, 4) ORDER BY 1;
SELECT count(DISTINCT n), count(DISTINCT n) FILTER (WHERE g = 1) FROM measures;
SELECT g, count(DISTINCT n), count(DISTINCT q) FROM measures WHERE id < 5 GROUP BY g ORDER BY g;
SELECT price * price * price, count(*) FROM measures GROUP BY 1 ORDER BY 1;
-- A float4, a cast that rounds, results of several scales, too many digits: here.
SELECT * FROM plan_of($$SELECT r, count(*) FROM measures GROUP BY r$$);
SELECT * FROM plan_of($$SELECT q::float8, count(*) FROM measures GROUP BY 1$$);
SELECT * FROM plan_of($$SELECT CASE WHEN g = 1 THEN price ELSE 1 END, count(*) FROM measures GROUP BY 1$$);
SELECT * FROM plan_of($$SELECT price * price * price, count(*) FROM measures GROUP BY 1$$);
SELECT * FROM plan_of($$SELECT price * price * price * price, count(*) FROM measures GROUP BY 1$$);

-- The least and the greatest: NaN is the greatest, a float4 is rounded here, a numeric shows its scale.
SELECT * FROM plan_of($$SELECT g, min(r), max(r), min(f), max(f), max(price), min(price * 2) FROM measures GROUP BY g$$);
SELECT g, min(r), max(r), abs(min(f)), max(f), max(price), min(price), min(price * 2) FROM measures GROUP BY g ORDER BY g; -- 0 or -0, as here
SELECT count(r), max(r) FROM measures WHERE id = 5;
SELECT * FROM plan_of($$SELECT g, min(n), max(n) FROM measures GROUP BY g$$);
SELECT g, trim_scale(min(n)), max(n) FROM measures GROUP BY g ORDER BY g; -- 2.5 or 2.50, as here
SELECT max(n), min(n), max(n) FILTER (WHERE g = 9) FROM measures;
-- What is computed there and no plain number: here.
SELECT * FROM plan_of($$SELECT max(CASE WHEN g = 1 THEN price ELSE 1 END) FROM measures$$);
SELECT * FROM plan_of($$SELECT max(f + 1) FROM measures$$);

-- Distinct values of several arguments, computed ones, of some documents only.
SET cpu_tuple_cost = 1; -- what is possible, not what is cheap
SELECT * FROM plan_of($$SELECT g, count(DISTINCT price), count(DISTINCT f), sum(DISTINCT q), count(*) FROM measures GROUP BY g$$);
SELECT g, count(DISTINCT price), count(DISTINCT f), sum(DISTINCT q), avg(DISTINCT q), count(*), sum(q) FROM measures GROUP BY g ORDER BY g;
SELECT count(DISTINCT g), count(DISTINCT q), count(DISTINCT q % 2), sum(DISTINCT price), count(q), sum(id), max(id) FROM measures;
SELECT * FROM plan_of($$SELECT count(DISTINCT q) FILTER (WHERE g < 3) FROM measures$$);
SELECT count(DISTINCT q) FILTER (WHERE g < 3), count(DISTINCT q), sum(DISTINCT price) FILTER (WHERE g < 3), min(DISTINCT q) FROM measures;
SELECT sum(DISTINCT price) FILTER (WHERE g = 2), count(DISTINCT price) FILTER (WHERE g = 77) FROM measures;
SELECT count(DISTINCT g), count(DISTINCT q), sum(DISTINCT q) FROM measures WHERE id = 77;
SELECT g, count(DISTINCT q), count(DISTINCT f) FROM measures GROUP BY g HAVING count(DISTINCT q) > 1 ORDER BY count(DISTINCT f) DESC, g LIMIT 2;
-- Of narrow documents they are counted here.
RESET cpu_tuple_cost;
SELECT * FROM plan_of($$SELECT count(DISTINCT g), count(DISTINCT q) FROM measures$$);
SET cpu_tuple_cost = 0.1;
-- Rows, and sums of distinct numerics of any scale: here.
SELECT * FROM plan_of($$SELECT sum(DISTINCT n) FROM measures$$);
SELECT * FROM plan_of($$SELECT count(DISTINCT (g, q)) FROM measures$$);
SELECT * FROM plan_of($$SELECT count(DISTINCT n) FROM measures$$);
SELECT * FROM plan_of($$SELECT sum(DISTINCT f) FROM measures$$);

-- Sorted by what the aggregates come to.
SELECT * FROM plan_of($$SELECT g, max(f) FROM measures GROUP BY g ORDER BY max(f) DESC NULLS LAST, g LIMIT 2$$);
SELECT g, max(f) FROM measures GROUP BY g ORDER BY max(f) DESC NULLS LAST, g LIMIT 2;
SELECT g, min(price) FROM measures GROUP BY g ORDER BY min(price), g LIMIT 3;
SELECT * FROM plan_of($$SELECT g, sum(price) FROM measures WHERE g < 3 GROUP BY g ORDER BY sum(price) DESC LIMIT 1$$);
SELECT g, sum(price) FROM measures WHERE g < 3 GROUP BY g ORDER BY sum(price) DESC LIMIT 1;
-- An average has more digits there: as the last key.
SELECT * FROM plan_of($$SELECT g, avg(q) FROM measures GROUP BY g ORDER BY avg(q) LIMIT 2$$);
SELECT g, avg(q) FROM measures GROUP BY g ORDER BY avg(q) LIMIT 2;
SELECT g, avg(q) FROM measures WHERE g > 0 GROUP BY g ORDER BY avg(q) DESC NULLS FIRST LIMIT 2;
SELECT * FROM plan_of($$SELECT g, avg(q) FROM measures GROUP BY g ORDER BY avg(q), g LIMIT 2$$);
SELECT * FROM plan_of($$SELECT g, max(r) FROM measures GROUP BY g ORDER BY max(r) LIMIT 2$$);
SELECT * FROM plan_of($$SELECT g, max(n) FROM measures GROUP BY g ORDER BY g LIMIT 2$$);

-- Several ways to group at once: here.
SELECT * FROM plan_of($$SELECT g, q, count(*) FROM measures GROUP BY GROUPING SETS ((g), (q))$$);
SELECT * FROM plan_of($$SELECT g, count(*) FROM measures GROUP BY ROLLUP (g)$$);

-- Another tenant's numbers are in nobody else's groups.
SELECT set_config('mongo_tenant.jwt', :'dl', false) IS NOT NULL AS set;
SELECT price, count(*), count(DISTINCT f), count(DISTINCT q), max(r), max(n) FROM measures GROUP BY price;
