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

-- Parts that are no range: computed, in UTC.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE date_part('month', ts) = 1 AND date_part('dow', ts)::int > 2 AND date_part('hour', timezone('UTC', tstz)) = 3$$);
SELECT id FROM typed WHERE extract(month from ts) = 1 AND extract(day from ts)::int >= 2 ORDER BY id;
SELECT id FROM typed WHERE extract(hour from tstz AT TIME ZONE 'UTC') = 3 ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE date_part('month', tstz) = 1 AND date_part('second', ts) = 5 AND date_part('epoch', ts) = 0$$);

-- A timestamptz in a zone that the query names: of UTC the instant itself, of others two days wider.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE timezone('UTC', tstz) >= '2013-01-02 03:04:05.6779' AND date_trunc('day', timezone('UTC', tstz)) = '2013-01-02' AND timezone('Asia/Tokyo', tstz)::date = '2013-01-02' AND date_part('year', tstz) = 2013$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE timezone('UTC', tstz) >= '2013-01-01' ORDER BY id LIMIT 1$$);
SELECT id FROM typed WHERE (tstz AT TIME ZONE 'UTC') > '2013-01-02 03:04:05.6779' ORDER BY id;
SELECT id FROM typed WHERE (tstz AT TIME ZONE 'Asia/Tokyo')::date = '2013-01-02' ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE timezone('nowhere', tstz) >= '2013-01-01' AND timezone(t, tstz) >= '2013-01-01' AND timezone('Asia/Tokyo', tstz) <> '2013-01-01'$$);

-- Parameters: the bounds are computed when the scan begins; a value without bounds is compared in exact form.
PREPARE parts (timestamp, date, double precision) AS
	SELECT id FROM typed WHERE date_trunc('month', ts) = $1 OR ts::date <= $2 OR date_part('year', ts) = $3 ORDER BY id;
PREPARE top (timestamp) AS SELECT id FROM typed WHERE date_trunc('month', ts) <> $1 ORDER BY id LIMIT 5;
PREPARE zoned (timestamptz, double precision) AS
	SELECT id FROM typed WHERE date_trunc('month', tstz) > $1 OR date_part('year', tstz) = $2 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
SELECT * FROM plan_of($$EXECUTE top ('2013-01-01')$$);
SELECT * FROM plan_of($$EXECUTE zoned ('2013-01-01', 1970)$$);
EXECUTE parts ('2013-01-01', '1970-01-01', 2013);
EXECUTE parts ('2013-01-02', '-infinity', 2013.5);
EXECUTE parts ('infinity', 'infinity', 'NaN');
EXECUTE parts (NULL, NULL, NULL);
EXECUTE top ('2013-01-01');
EXECUTE top ('2013-01-02');
EXECUTE top ('-infinity');
EXECUTE top (NULL);
EXECUTE zoned ('2013-01-01', 1970);
EXECUTE zoned ('-infinity', 1e50);
