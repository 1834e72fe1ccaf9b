-- Aggregates above joins: there, or here with the reason, which the remote join shows.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SET mongo_tenant.join_method = hash;
SET cpu_tuple_cost = 1; -- what is possible, not what is cheap
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

SELECT * FROM plan_of($$SELECT m.price, count(DISTINCT a.id), count(DISTINCT m.f), max(m.r) FROM accounts a JOIN measures m ON m.id = a.id GROUP BY m.price$$);
SELECT m.price, count(DISTINCT a.id), count(DISTINCT m.f), max(m.r) FROM accounts a JOIN measures m ON m.id = a.id GROUP BY m.price ORDER BY 1;
SELECT m.g, max(m.f), avg(a.id) FROM accounts a JOIN measures m ON m.id = a.id GROUP BY m.g ORDER BY max(m.f), m.g LIMIT 2 OFFSET 1;
SELECT DISTINCT ON (m.g) m.g, a.id FROM accounts a JOIN measures m ON m.id = a.id ORDER BY m.g, a.id DESC;

SELECT * FROM plan_of($$SELECT m.g, sum(m.f), count(*) FROM accounts a JOIN measures m ON m.id = a.id GROUP BY m.g$$);
SELECT * FROM plan_of($$SELECT m.g, string_agg(a.name, ',') FROM accounts a JOIN measures m ON m.id = a.id GROUP BY m.g$$);
SELECT * FROM plan_of($$SELECT m.r, count(*) FROM accounts a JOIN measures m ON m.id = a.id GROUP BY m.r$$);
SELECT * FROM plan_of($$SELECT a.id FROM accounts a JOIN measures m ON m.id = a.id ORDER BY a.name COLLATE "en-x-icu" LIMIT 1$$);
SELECT m.g, round(sum(m.f)::numeric, 2), count(*) FROM accounts a JOIN measures m ON m.id = a.id WHERE m.g = 1 GROUP BY m.g;
