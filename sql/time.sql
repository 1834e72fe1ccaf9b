-- WHERE over parts of times: ranges of the column, which an index serves.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;
SET timezone = 'America/New_York';
SELECT id, ts, d, tstz FROM typed WHERE ts IS NOT NULL ORDER BY id;

EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM typed WHERE date_trunc('month', ts) = '2013-01-01';
SELECT * FROM plan_of($$SELECT id FROM typed WHERE date_trunc('month', ts) <= '2013-01-15' AND ts::date > '2013-01-01' AND date_part('year', ts) = 2013 AND date_part('year', ts) <> 2014 AND date_part('year', ts) < 2013.5 AND date_trunc('day', tstz) = '2013-01-02' AND tstz::date >= '2013-01-02'$$);
SELECT id FROM typed WHERE date_trunc('month', ts) = '2013-01-01' ORDER BY id;
SELECT id FROM typed WHERE date_trunc('month', ts) = '2013-01-02' ORDER BY id;
SELECT id FROM typed WHERE date_trunc('month', ts) <> '2013-01-01' ORDER BY id;
SELECT id FROM typed WHERE date_trunc('week', ts) < '2013-01-01' ORDER BY id;
SELECT id FROM typed WHERE NOT date_trunc('year', ts) > '2012-06-01' ORDER BY id;
SELECT id FROM typed WHERE ts::date = '2013-01-02' ORDER BY id;
SELECT id FROM typed WHERE extract(year from ts) BETWEEN 2013 AND 2014 ORDER BY id;
SELECT id FROM typed WHERE extract(year from d) > 1969.5 ORDER BY id;
SELECT id FROM typed WHERE tstz::date = '2013-01-01' ORDER BY id;
SELECT id FROM typed WHERE date_trunc('day', tstz) = '2013-01-01' ORDER BY id;
-- Exact for timestamp: LIMIT runs remotely; of a timestamptz the session's zone decides, here.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE date_trunc('month', ts) = '2013-01-01' AND date_part('year', ts) = 2013 ORDER BY id LIMIT 1$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE tstz::date = '2013-01-01' ORDER BY id LIMIT 1$$);
-- What is no range of the column.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE date_trunc('month', tstz) <> '2013-01-01' AND date_part('month', tstz) = 1 AND to_char(ts, 'YYYY') = '2013' AND date_trunc('month', d) = '2013-01-01'$$);
SET timezone = 'UTC';
SELECT id FROM typed WHERE tstz::date = '2013-01-02' ORDER BY id;
