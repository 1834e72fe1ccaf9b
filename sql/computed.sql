-- WHERE over computed values: two columns, COALESCE, CASE, arithmetic, rows; remote in exact form or not at all.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

-- Two columns.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4 > i2 AND d < ts AND f8 <= f8 AND t = v AND i4::numeric < i8 AND i4 IS DISTINCT FROM i8$$);
SELECT id FROM typed WHERE i4 < i8 ORDER BY id;
SELECT id FROM typed WHERE d <= ts AND d = d ORDER BY id;
SELECT id FROM typed WHERE ts >= d AND NOT d < ts ORDER BY id;
SELECT id FROM typed WHERE f8 = f8 AND NOT f8 < f8 ORDER BY id;
SELECT id FROM typed WHERE i4 IS DISTINCT FROM i2 ORDER BY id;
SELECT id FROM typed WHERE i4 IS NOT DISTINCT FROM i2 ORDER BY id;
-- A double rounds an int8; text in another order; a time zone.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i8 = f8 AND t < v COLLATE "en-x-icu" AND ts < tstz AND f4 = f8 AND n = n$$);

-- COALESCE, NULLIF, CASE.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE coalesce(i4, i2, 0) >= 4 AND coalesce(t, '$t') = '$t' AND nullif(i4, 4) IS NULL$$);
SELECT id FROM typed WHERE coalesce(i4, i2, 0) >= 4 ORDER BY id;
SELECT id FROM typed WHERE coalesce(t, '$t') = '$t' ORDER BY id;
SELECT id FROM typed WHERE nullif(i4, 4) IS NULL ORDER BY id;
SELECT id FROM typed WHERE coalesce(b, true) ORDER BY id;
SELECT id FROM typed WHERE coalesce(i4, -1) IN (-1, 4) ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE CASE i4 WHEN 4 THEN 'four' WHEN 0 THEN 'none' END = 'four' AND CASE WHEN b THEN i4 > 0 ELSE i8 > 0 END$$);
SELECT id FROM typed WHERE CASE i4 WHEN 4 THEN 'four' WHEN 0 THEN 'none' END = 'four' ORDER BY id;
SELECT id FROM typed WHERE CASE WHEN b THEN i4 > 0 ELSE i8 > 0 END ORDER BY id;
SELECT id FROM typed WHERE NOT CASE WHEN b THEN i4 > 0 ELSE i8 > 0 END ORDER BY id;
-- A CASE in the condition of another has its own value tested.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE CASE i4 WHEN CASE i8 WHEN 8 THEN 4 ELSE 5 END THEN b END$$);
SELECT id FROM typed WHERE CASE i4 WHEN CASE i8 WHEN 8 THEN 4 ELSE 5 END THEN b END ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE coalesce(f4, 0) = 0 AND CASE WHEN upper(t) = 'x' THEN i4 ELSE 0 END = 0$$);

-- Arithmetic: where no sum can overflow.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4::bigint + i2 > 5 AND i2::int * 2 = 10 AND 10 - i4::bigint >= 6$$);
SELECT id FROM typed WHERE i4::bigint + 1 = 5 ORDER BY id;
SELECT id FROM typed WHERE i4::bigint * -3 < -9 ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4 + 1 = 5 AND i8 - 1 = 4 AND i4 / 2 = 2 AND f8 + 1 > 2$$);
-- By the greatest numbers that can come of it, not by their digits.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4::bigint * i4::bigint > 5 AND i4::bigint * 1000000000 > 5 AND i2::int * i2::int = 4 AND i8 % 10 + 5 = 10$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4::bigint * i4::bigint * 2 > 5 AND i8 % 10 * i8 > 5 AND i2::int * i4 > 5$$);
SELECT id FROM typed WHERE i4::bigint * i4::bigint > 15 ORDER BY id;
SELECT id FROM typed WHERE i4::bigint * -2147483648 < -2147483648 ORDER BY id;

-- Tests of conditions: what is false or unknown.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE (i4 > 4) IS NOT TRUE AND (i4 = 4 OR b) IS UNKNOWN$$);
SELECT id FROM typed WHERE (i4 > 3) IS NOT TRUE ORDER BY id;
SELECT id FROM typed WHERE (i4 > 3) IS UNKNOWN ORDER BY id;
SELECT id FROM typed WHERE (i4 > 3) IS NOT FALSE ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE (i4 > 4 AND upper(t) = 'x') IS NOT TRUE$$);

-- Rows.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE (i4, i8) IN ((4, 5), (5, 6)) AND (i4, t COLLATE "C") >= (4, 'a')$$);
SELECT id FROM typed WHERE (i4, i8) IN ((4, 8), (5, 5)) ORDER BY id;
SELECT id FROM typed WHERE (i4, i2) >= (4, 2) ORDER BY id;
SELECT id FROM typed WHERE NOT (i4, i2) >= (4, 2) ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE (i4, t COLLATE "en-x-icu") < (4, 'a')$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE (i4, i8) NOT IN ((4, 8), (5, NULL)) AND (i4, i8) <> (4, 8) AND (i4, i8) <= (4, 8)$$);
SELECT id FROM typed WHERE (i4, i8) <> (4, 8) ORDER BY id;
SELECT id FROM typed WHERE (i4, i8) NOT IN ((4, 8), (5, NULL)) ORDER BY id;

-- Exact: LIMIT and aggregates run remotely above all of these, with parameters too.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4 > i2 AND coalesce(i8, 0) >= 0 AND (i4, i8) > (0, 0) AND (b IS TRUE) IS NOT FALSE ORDER BY id LIMIT 2$$);
SELECT id FROM typed WHERE i4 > i2 AND coalesce(i8, 0) >= 0 AND (i4, i8) > (0, 0) ORDER BY id LIMIT 2;
PREPARE computed (integer, text) AS
	SELECT id FROM typed WHERE coalesce(i4, $1) = $1 AND coalesce(t, $2) = $2 ORDER BY id LIMIT 3;
SET plan_cache_mode = force_generic_plan;
EXECUTE computed (4, 'text');
EXECUTE computed (NULL, 'text');
RESET plan_cache_mode;

-- A parameter that may have no exact form there is sent, and rechecked; when it has none, every document is meant.
PREPARE doubtful (numeric, timestamp, date) AS
	SELECT id FROM typed WHERE coalesce(i4::numeric, $1) = $1 OR coalesce(ts, $2) = $2 OR coalesce(d, $3) > $3 ORDER BY id;
PREPARE inside (numeric) AS SELECT id FROM typed WHERE CASE WHEN coalesce(i4::numeric, $1) = 4 THEN b END ORDER BY id;
SET plan_cache_mode = force_generic_plan;
SELECT * FROM plan_of($$EXECUTE doubtful (4, NULL, NULL)$$);
SELECT * FROM plan_of($$EXECUTE inside (4)$$);
EXECUTE doubtful (4, '2013-01-02 03:04:05.678', '2013-01-01');
EXECUTE doubtful (1e50, '2013-01-02 03:04:05.6789', 'infinity');
EXECUTE doubtful ('NaN', '-infinity', '-infinity');
EXECUTE doubtful (NULL, NULL, NULL);
EXECUTE inside (4);
-- A column plus a constant is a range of the column; what overflows is an error here as ever.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i8 + 1 = 6 AND 10 - i4 > 3 AND i2 - 1::smallint <= 4 AND n - 0.5 >= 1 AND i4::int8 + 5 < 20 AND 3.5 < i8::numeric + 1$$);
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM typed WHERE i8 - 3 = 2 OR 7 - n = 2;
SELECT id FROM typed WHERE id <= 5 AND i8 + 1 = 6 ORDER BY id;
SELECT id, i4 FROM typed WHERE id <= 5 AND 10 - i4 > 3 ORDER BY id;
SELECT id, n FROM typed WHERE n - 0.5 >= 1 OR 7 - n = 2 ORDER BY id;
SELECT id FROM typed WHERE i4::int8 + 5 < 20 ORDER BY id LIMIT 2;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4::int8 + 5 < 20 ORDER BY id LIMIT 2$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4 + 5 < 20 ORDER BY id LIMIT 2$$);
SELECT id FROM typed WHERE i8 + 1 > 9223372036854775807;
SELECT id FROM typed WHERE i8 - 9223372036854775807 < -9223372036854775807;
SELECT id FROM typed WHERE i4 + 2147483647 = 0;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4 + 1 > i8 AND i4 * i2 = id AND coalesce(i4 - 1, 0) = 4 AND i8 * i8 = 4$$);
SELECT id FROM typed WHERE id <= 5 AND i4 + 1 > i8 ORDER BY id;
SELECT id FROM typed WHERE i4 * 1000000000 = i8;
PREPARE shifted (bigint) AS SELECT id FROM typed WHERE id <= 5 AND i8 + 1 = $1 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
SELECT * FROM plan_of($$EXECUTE shifted (6)$$);
EXECUTE shifted (6);
EXECUTE shifted (-9223372036854775808);
EXECUTE shifted (NULL);
RESET plan_cache_mode;
-- A number minus a column: NaN is above every difference, and would be above every column.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE 0 - i4::int8 < 'NaN'::numeric AND 0 - i4::int8 < 5.5$$);
SELECT id FROM typed WHERE 0 - i4::int8 < 'NaN'::numeric ORDER BY id;
SELECT id FROM typed WHERE 0 - i4::int8 >= 'NaN'::numeric ORDER BY id;
SELECT id FROM typed WHERE 0 - i4::int8 < -4.5 ORDER BY id;
PREPARE below (numeric) AS SELECT id FROM typed WHERE 0 - i4::int8 < $1 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
EXECUTE below ('NaN');
EXECUTE below (-4.5);
RESET plan_cache_mode;
