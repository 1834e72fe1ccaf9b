-- Groups of computed values: what the server computes exactly, and what stays here.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
-- The tables are small: what can run remotely, not what is cheap.
SET cpu_tuple_cost = 0.1;
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

-- Whole numbers that cannot overflow; division by a constant.
SELECT * FROM plan_of($$SELECT id % 3, id / 4, count(*), sum(i2::int * 3 + 1) FROM typed GROUP BY 1, 2$$);
SELECT id % 3, id / 4, count(*), sum(i2::int * 3 + 1) FROM typed GROUP BY 1, 2 ORDER BY 1, 2;
SELECT -id % 3, count(*) FROM typed GROUP BY 1 ORDER BY 1;
SELECT i4 % 7, i4 / 1000, i8 % 10, count(*) FROM typed GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
-- What may overflow is counted, and raises as it does here.
SELECT * FROM plan_of($$SELECT i4 + 1, count(*) FROM typed GROUP BY 1$$);
\set VERBOSITY sqlstate
SELECT i4 + 1, count(*) FROM typed GROUP BY 1;
SELECT sum(i4 * 2) FROM typed;
SELECT sum(i2 * 2::smallint) FROM typed;
\set VERBOSITY default
SELECT sum(i4 * 2), max(i4 + 1) FROM typed WHERE i4 BETWEEN 0 AND 5;
-- Not in a branch that may not be taken; not beyond a BSON long; a division that may fail: here.
SELECT * FROM plan_of($$SELECT CASE WHEN b THEN i4 + 1 END, count(*) FROM typed GROUP BY 1$$);
SELECT * FROM plan_of($$SELECT sum(i8 * 2) FROM typed$$);
SELECT * FROM plan_of($$SELECT id / i2, count(*) FROM typed GROUP BY 1$$);
SELECT * FROM plan_of($$SELECT i8 / 10, count(*) FROM typed GROUP BY 1$$);
SELECT i4 + 1, count(*) FROM typed WHERE i4 < 2147483647 GROUP BY 1 ORDER BY 1;

-- Parts of a time in UTC, whatever the session's time zone.
SET timezone = 'America/New_York';
SELECT * FROM plan_of($$SELECT date_trunc('quarter', ts), count(*) FROM typed GROUP BY 1$$);
SELECT date_trunc('quarter', ts), count(*) FROM typed GROUP BY 1 ORDER BY 1;
SELECT date_trunc('week', ts), date_trunc('year', ts), count(*) FROM typed GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM plan_of($$SELECT extract(year FROM d), extract(dow FROM d), count(*) FROM typed GROUP BY 1, 2$$);
SELECT extract(year FROM d), extract(dow FROM d), count(*) FROM typed GROUP BY 1, 2 ORDER BY 1, 2;
SELECT ts::date, extract(hour FROM ts)::int, count(*) FROM typed GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM plan_of($$SELECT date_trunc('hour', tstz AT TIME ZONE 'UTC'), count(*) FROM typed GROUP BY 1$$);
SELECT date_trunc('hour', tstz AT TIME ZONE 'UTC'), count(*) FROM typed GROUP BY 1 ORDER BY 1;
-- The session's time zone, seconds with fractions: here.
SELECT * FROM plan_of($$SELECT date_trunc('day', tstz), count(*) FROM typed GROUP BY 1$$);
SELECT * FROM plan_of($$SELECT extract(second FROM ts), count(*) FROM typed GROUP BY 1$$);

-- Choices and conditions: null is a key of its own.
SELECT * FROM plan_of($$SELECT coalesce(i4, -1), count(*) FROM typed GROUP BY 1$$);
SELECT coalesce(i4, -1), count(*) FROM typed GROUP BY 1 ORDER BY 1;
SELECT * FROM plan_of($$SELECT CASE i4 WHEN 5 THEN 'five' WHEN -1 THEN 'less' END, i4 > 0, count(*) FROM typed GROUP BY 1, 2$$);
SELECT CASE i4 WHEN 5 THEN 'five' WHEN -1 THEN 'less' END, i4 > 0, count(*) FROM typed GROUP BY 1, 2 ORDER BY 1, 2;
SELECT bool_and(i4 > 0), bool_or(t IS NULL), max(coalesce(i4, 7)), min(CASE WHEN b THEN id END) FROM typed;

-- Expressions over groups, and constants: computed here, of what comes.
SELECT * FROM plan_of($$SELECT 'x', id % 2 + 1, 100.0 * sum(i4) / count(*) FROM typed GROUP BY id % 2$$);
SELECT 'x', id % 2 + 1, 100.0 * sum(i4) / count(*) FROM typed GROUP BY id % 2 ORDER BY 2;

-- Letters of a case, numerics of any scale: here.
SELECT * FROM plan_of($$SELECT lower(t), count(*) FROM typed GROUP BY 1$$);
SELECT * FROM plan_of($$SELECT n, count(*) FROM typed GROUP BY 1$$);
