-- Aggregates: grouped and counted by the server, finished by PostgreSQL's own functions.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
-- The tables are small: what can run remotely, not what is cheap.
SET cpu_tuple_cost = 0.1;
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

SELECT * FROM plan_of($$SELECT active, count(*), sum(id), avg(id), max(name COLLATE "C") FROM accounts GROUP BY active HAVING count(*) > 1$$);
SELECT active, count(*), sum(id), avg(id), min(id), max(name COLLATE "C") FROM accounts GROUP BY active HAVING count(*) > 1 ORDER BY active;
SELECT count(*), count(i4), sum(i4), sum(i2), min(i8), max(i8), bool_and(b), bool_or(b) FROM typed;
SELECT avg(i4), avg(i8) FROM typed;

-- No document, or no value: 0 and NULL, one row without GROUP BY, none with.
SELECT count(*), count(i4), sum(i4), avg(i4), max(i4) FROM typed WHERE i4 = 77;
SELECT count(*), sum(i4), avg(i4), max(i4) FROM typed WHERE i4 IS NULL;
SELECT count(*), sum(i4) FROM typed WHERE i4 = NULL;
SELECT b, count(*) FROM typed WHERE i4 = 77 GROUP BY b;

-- Missing and null are one group; NaN is the greatest number.
SELECT b, count(*) FROM typed GROUP BY b ORDER BY b;
SELECT max(f8), min(f8) FROM typed;
SELECT f8, count(*) FROM typed GROUP BY f8 ORDER BY f8;
SELECT d, count(*) FROM typed GROUP BY d ORDER BY d;

-- FILTER and CASE.
SELECT * FROM plan_of($$SELECT count(*) FILTER (WHERE i4 > 0), sum(CASE WHEN b THEN 1 ELSE 0 END) FROM typed$$);
SELECT count(*) FILTER (WHERE i4 > 0), sum(i4) FILTER (WHERE i4 = 77), sum(CASE WHEN b THEN 1 ELSE 0 END) FROM typed;

-- DISTINCT.
SELECT * FROM plan_of($$SELECT DISTINCT active FROM accounts$$);
SELECT DISTINCT b FROM typed ORDER BY b;
SELECT DISTINCT active, tenant_id FROM accounts ORDER BY 1, 2;

-- Aggregates of distinct values, beside others; more in aggregate_numbers.
SELECT * FROM plan_of($$SELECT b, count(DISTINCT i4), sum(DISTINCT i4), count(*), max(id) FROM typed GROUP BY b$$);
SELECT b, count(DISTINCT i4), sum(DISTINCT i4), count(*), max(id) FROM typed GROUP BY b ORDER BY b;
SELECT count(DISTINCT active), count(*) FROM accounts;

-- The order of addition, a language's order, unknown functions: here.
SELECT * FROM plan_of($$SELECT sum(f8) FROM typed$$);
SELECT * FROM plan_of($$SELECT max(t COLLATE "en-x-icu") FROM typed$$);
SELECT * FROM plan_of($$SELECT string_agg(t, ',') FROM typed$$);
SELECT * FROM plan_of($$SELECT count(*) FROM typed WHERE upper(t) = 'TEXT'$$);
SELECT count(*) FROM typed WHERE upper(t) = 'TEXT';

-- Numerics of any scale: exact while the documents are, computed here when one is not (0.1 as a double).
SELECT * FROM plan_of($$SELECT sum(n), avg(n) FROM typed$$);
SELECT sum(n), avg(n), count(n) FROM typed;
SELECT id, sum(n), avg(n), count(n) FROM typed GROUP BY id ORDER BY id;
SELECT sum(balance), avg(balance) FROM accounts;

-- Variances: sums there, the quotient here.
SET cpu_tuple_cost = 1; -- what is possible, not what is cheap
SELECT * FROM plan_of($$SELECT var_pop(i4), stddev(i2), variance(id) FROM typed$$);
RESET cpu_tuple_cost;
SELECT var_pop(i4), var_samp(i4), variance(i2), stddev(i2), stddev_pop(id), stddev_samp(i4) FROM typed;
SELECT id % 2, var_pop(i4), var_samp(i4), variance(i2), stddev(i2), stddev_pop(id), stddev_samp(i4) FROM typed GROUP BY 1 ORDER BY 1;
SELECT var_samp(i4), stddev(i4), var_pop(i4) FROM typed WHERE id = 1;
-- Squares of 64 bits may need more than 34 digits: then all is computed here.
SELECT stddev(i8), var_pop(i8) FROM typed;
SELECT * FROM plan_of($$SELECT stddev(f8) FROM typed$$);
SELECT * FROM plan_of($$SELECT corr(f8, f8) FROM typed$$);

-- What does not decode raises, as it would here, or is NULL.
\set VERBOSITY sqlstate
SELECT count(i4) FROM mismatch;
\set VERBOSITY default
SELECT count(*), count(i4), sum(i4), max(i8), count(t), count(b) FROM mismatch_null;

-- The prices of the server, and a table's over them, decide what is computed where.
RESET ROLE;
BEGIN;
SELECT * FROM plan_of($$SELECT sum(i4), avg(i4) FROM typed$$);
ALTER SERVER mongo OPTIONS (ADD remote_operator_cost '100');
SELECT * FROM plan_of($$SELECT sum(i4), avg(i4) FROM typed$$);
SELECT sum(i4), avg(i4) FROM typed;
ALTER FOREIGN TABLE typed OPTIONS (ADD remote_operator_cost '0');
SELECT * FROM plan_of($$SELECT sum(i4), avg(i4) FROM typed$$);
SELECT sum(i4), avg(i4) FROM typed;
ALTER SERVER mongo OPTIONS (ADD fdw_tuple_cost '0');
ALTER FOREIGN TABLE typed OPTIONS (SET remote_operator_cost '0.02');
SELECT * FROM plan_of($$SELECT sum(i4), avg(i4) FROM typed$$);
ALTER FOREIGN TABLE typed OPTIONS (ADD fdw_tuple_cost '10');
SELECT * FROM plan_of($$SELECT sum(i4), avg(i4) FROM typed$$);
ALTER FOREIGN TABLE typed OPTIONS (ADD fdw_startup_cost '1234');
EXPLAIN SELECT id FROM typed;
ROLLBACK;
SET ROLE mtf_app;

-- Another tenant's documents count for nobody else.
SELECT set_config('mongo_tenant.jwt', :'dl', false) IS NOT NULL AS set;
SELECT tenant_id, count(*), sum(id) FROM accounts GROUP BY tenant_id;
-- Nor where all is computed here after all, once more for each row of the outer side.
SELECT sum(n), count(n), stddev(i8) FROM typed;
SELECT x, (SELECT sum(n) FROM typed WHERE id > x), (SELECT avg(balance) FROM accounts WHERE id > x) FROM generate_series(6, 9) x;
SELECT count(*) FROM accounts WHERE tenant_id = 'UA';

SET mongo_tenant.enable_aggregate_pushdown = off;
SELECT * FROM plan_of($$SELECT count(*) FROM accounts$$);
-- Window functions see rows here.
SELECT * FROM plan_of($$SELECT id, rank() OVER (ORDER BY i4) FROM typed$$);
