-- HAVING, ORDER BY and LIMIT above groups: the first of them come from the server.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
-- The tables are small: what can run remotely, not what is cheap.
SET cpu_tuple_cost = 0.1;
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

-- By an aggregate, by a key, nulls at either end.
SELECT * FROM plan_of($$SELECT id % 3, count(*) FROM accounts GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 2$$);
SELECT id % 3, count(*) FROM accounts GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 2;
SELECT b, count(*) FROM typed GROUP BY b ORDER BY b LIMIT 2;
SELECT b, count(*) FROM typed GROUP BY b ORDER BY b NULLS FIRST LIMIT 2;
SELECT b, count(*) FROM typed GROUP BY b ORDER BY b DESC LIMIT 2;
SELECT b, count(*) FROM typed GROUP BY b ORDER BY b DESC NULLS LAST LIMIT 2;
SELECT * FROM plan_of($$SELECT b, sum(i4), max(d) FROM typed GROUP BY b ORDER BY sum(i4) NULLS FIRST, b LIMIT 2$$);
SELECT b, sum(i4), max(d) FROM typed GROUP BY b ORDER BY sum(i4) NULLS FIRST, b LIMIT 2;
SELECT id % 4 + 1, 100.0 * sum(i4) / count(*) FROM typed GROUP BY id % 4 ORDER BY sum(i4) DESC NULLS LAST, id % 4 LIMIT 3;
SELECT * FROM plan_of($$SELECT DISTINCT active FROM accounts ORDER BY active DESC LIMIT 1$$);
SELECT DISTINCT active FROM accounts ORDER BY active DESC LIMIT 1;
SELECT b, count(DISTINCT i4) FROM typed GROUP BY b ORDER BY 2 DESC, 1 LIMIT 2;
PREPARE first(bigint) AS SELECT id % 3, count(*) FROM accounts GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE first(2);
EXECUTE first(0);
EXECUTE first(NULL);
RESET plan_cache_mode;

-- Averages before other keys, a language's order, ties: here.
SELECT * FROM plan_of($$SELECT b, avg(i4) FROM typed GROUP BY b ORDER BY avg(i4), b LIMIT 2$$);
SELECT * FROM plan_of($$SELECT name COLLATE "en-x-icu", count(*) FROM accounts GROUP BY 1 ORDER BY 1 LIMIT 2$$);
SELECT * FROM plan_of($$SELECT b, count(*) FROM typed GROUP BY b ORDER BY 2 FETCH FIRST 1 ROWS WITH TIES$$);
-- OFFSET: there, where no group can be an error; else the server brings as many more, and they are skipped here.
SELECT * FROM plan_of($$SELECT id % 3, count(*) FROM mismatch_null GROUP BY 1 ORDER BY 1 LIMIT 1 OFFSET 1$$);
SELECT id % 3, count(*) FROM mismatch_null GROUP BY 1 ORDER BY 1 LIMIT 1 OFFSET 1;
SELECT * FROM plan_of($$SELECT b, count(*) FROM typed GROUP BY b ORDER BY b LIMIT 1 OFFSET 1$$);
SELECT b, count(*) FROM typed GROUP BY b ORDER BY b LIMIT 1 OFFSET 1;
SELECT * FROM plan_of($$SELECT b, count(*) FROM typed GROUP BY b ORDER BY b OFFSET 1$$);
PREPARE skip(bigint, bigint) AS SELECT b, count(*) FROM typed GROUP BY b ORDER BY b LIMIT $1 OFFSET $2;
SET plan_cache_mode = force_generic_plan;
SELECT * FROM plan_of('EXECUTE skip(1, 1)');
EXECUTE skip(1, 1);
EXECUTE skip(9223372036854775807, 2);
EXECUTE skip(NULL, 1);
EXECUTE skip(1, NULL);
\set VERBOSITY sqlstate
EXECUTE skip(-1, 2);
EXECUTE skip(2, -1);
\set VERBOSITY default
RESET plan_cache_mode;

-- HAVING, tested there, and again here.
SELECT * FROM plan_of($$SELECT b, count(*), max(i4) FROM typed GROUP BY b HAVING count(*) > 1 AND max(i4) > 5$$);
SELECT b, count(*), max(i4) FROM typed GROUP BY b HAVING count(*) > 1 AND max(i4) > 5 ORDER BY b;
SELECT b, count(*) FROM typed GROUP BY b HAVING sum(i4) IS NULL OR sum(i4) > 10 ORDER BY count(*) DESC, b LIMIT 2;
-- Not told by the server: not cut off there either.
SELECT * FROM plan_of($$SELECT b, count(*) FROM typed GROUP BY b HAVING avg(i4) > 5 ORDER BY count(*) DESC LIMIT 1$$);
SELECT b, count(*) FROM typed GROUP BY b HAVING avg(i4) > 5 ORDER BY count(*) DESC LIMIT 1;
-- Without GROUP BY there is a row to be tested of no documents, too.
SELECT * FROM plan_of($$SELECT count(*) FROM typed HAVING count(*) > 100$$);
SELECT count(*) FROM typed HAVING count(*) > 100;
SELECT count(*) FROM typed WHERE i4 = 77 HAVING count(*) = 0;

-- A group with a value that does not decode is neither filtered nor cut off: it is an error.
\set VERBOSITY sqlstate
SELECT id % 2, count(i4) FROM mismatch GROUP BY 1 HAVING count(i4) > 1000;
SELECT id, count(i4) FROM mismatch GROUP BY 1 ORDER BY id DESC LIMIT 1;
\set VERBOSITY default
SELECT id % 2, count(*), count(i4) FROM mismatch_null GROUP BY 1 HAVING count(*) > 3 ORDER BY 2 DESC, 1 LIMIT 2 OFFSET 1;
