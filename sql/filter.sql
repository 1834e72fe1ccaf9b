-- WHERE: what runs remotely, what stays and why; rows are those of pushdown off (part "agree").
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

-- Numbers.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4 > 4 AND i8 = 8 AND i2 IN (2, 5) AND NOT i4 <> 4$$);
SELECT id FROM typed WHERE i4 > 4 ORDER BY id;
SELECT id FROM typed WHERE i8 = 5 OR i8 = 9007199254740993 ORDER BY id;
SELECT id FROM typed WHERE i8 > 9007199254740992 AND i8 < 9223372036854775807 ORDER BY id;
SELECT id FROM typed WHERE i4 BETWEEN 0 AND 5 ORDER BY id;
SELECT id FROM typed WHERE i4 NOT IN (4, 5) ORDER BY id;
SELECT count(*) FROM typed WHERE i4 NOT IN (4, NULL);
SELECT id FROM typed WHERE i4 = 4.0::numeric OR i4 = 5.5::numeric ORDER BY id;

-- NaN is the greatest number; 0.1 as a double equals 0.1 as a numeric.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE f8 > 1e300 AND n = 0.1 AND f4 < 'NaN'$$);
SELECT id FROM typed WHERE f8 > 1e300 ORDER BY id;
SELECT id FROM typed WHERE f4 > 1 ORDER BY id;
SELECT id FROM typed WHERE f4 = 'NaN' OR n = 'NaN' ORDER BY id;
SELECT id FROM typed WHERE f4 < 'NaN' ORDER BY id;
SELECT id FROM typed WHERE n = 0.1 OR n = 9999999999999999999999999999999999 ORDER BY id;
SELECT id FROM typed WHERE f8 = 0 ORDER BY id;

-- Text: equality under any deterministic collation, order under C only.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE t = '$t' AND v COLLATE "C" > 'v' AND t COLLATE "en-x-icu" > 'a'$$);
SELECT id FROM typed WHERE t = '$t' OR v = '$where' ORDER BY id;
SELECT id FROM typed WHERE t COLLATE "C" > 'NaN' ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE c = 'a'$$);
SELECT id FROM typed WHERE c = 'a' ORDER BY id;

-- Patterns.
SELECT * FROM plan_of($$SELECT id FROM accounts WHERE name LIKE 'UA%1' AND name ILIKE '%CUSTOMER%' AND name ~ '^U'$$);
SELECT id FROM accounts WHERE name LIKE 'UA customer _' AND name NOT LIKE '%1' ORDER BY id LIMIT 3;
SELECT id FROM accounts WHERE name ILIKE 'ua CUSTOMER 1%' ORDER BY id;
SELECT count(*) FROM accounts WHERE name LIKE '.*' OR name LIKE 'DL%';
-- Regular expressions that say what LIKE says; others stay.
SELECT * FROM plan_of($$SELECT id FROM accounts WHERE name ~ '^UA.+1$' AND name ~ '100\.' AND name !~ 'x' AND name ~* 'customer' AND name ^@ 'UA_'$$);
SELECT * FROM plan_of($$SELECT id FROM accounts WHERE name ~ '^(UA|DL)' AND name ~ 'a*' AND name ~ '\d' AND name ~ 'a.*?b' AND name !~* 'a' AND name ~ city$$);
SELECT id FROM accounts WHERE name ~ '^UA.*r.1$' ORDER BY id;
SELECT id FROM accounts WHERE name ~* '^ua CUSTOMER .$' AND name !~ '[1-3]' AND name !~ '4' ORDER BY id;
SELECT id FROM accounts WHERE name ^@ 'UA customer 1' ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM accounts WHERE name ~ '^UA' ORDER BY id LIMIT 1$$);

-- Absence.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4 IS NULL AND t IS NOT NULL AND i8 IS DISTINCT FROM 8$$);
SELECT id FROM typed WHERE i4 IS NULL ORDER BY id;
SELECT id FROM typed WHERE i4 IS DISTINCT FROM 4 ORDER BY id;
SELECT id FROM typed WHERE i4 IS NOT DISTINCT FROM NULL AND t IS NOT NULL ORDER BY id;

-- Booleans.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE b IS NOT TRUE AND NOT (b IS FALSE)$$);
SELECT id FROM typed WHERE b ORDER BY id;
SELECT id FROM typed WHERE NOT b ORDER BY id;
SELECT id FROM typed WHERE b IS NOT TRUE ORDER BY id;
SELECT id FROM typed WHERE NOT (b OR i4 > 0) ORDER BY id;

-- Dates: a constant between milliseconds, infinity, a date as a day.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE ts > '2013-01-02 03:04:05.6779' AND d = '2013-01-02'$$);
SELECT id FROM typed WHERE ts > '2013-01-02 03:04:05.6779' AND ts < '2013-01-02 03:04:05.6781';
SELECT count(*) FROM typed WHERE ts = '2013-01-02 03:04:05.6781';
SELECT id FROM typed WHERE d <= '1970-01-01' ORDER BY id;
SELECT id FROM typed WHERE ts < 'infinity' AND d > '-infinity' ORDER BY id;

-- UUID, bytea, ObjectId.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE u >= '00000000-0000-0000-0000-000000000001' AND oid = '000000000000000000000001' AND raw = '\x'$$);
SELECT id FROM typed WHERE u <= '00000000-0000-0000-0000-000000000001' ORDER BY id;
SELECT id FROM typed WHERE oid = '000000000000000000000001' OR oid = 'none' ORDER BY id;
SELECT id FROM typed WHERE raw = '\x' OR raw = '\x0001ff' ORDER BY id;

-- Arrays and jsonb.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE 'red' = ANY (tags) AND nums @> ARRAY[1, 2] AND nums && ARRAY[3, 9] AND doc ->> 'a' = '1'$$);
SELECT id FROM typed WHERE 'red' = ANY (tags) OR nums && ARRAY[2147483647] ORDER BY id;
SELECT id FROM typed WHERE nums @> '{}' ORDER BY id;
SELECT id FROM typed WHERE doc ->> 'a' = '1' OR doc -> 'b' ->> 'c' = 'x' ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE nums <@ ARRAY[1] OR i4 = 1$$);

-- Two columns.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4 > i2$$);
SELECT id FROM typed WHERE i4 > i2 ORDER BY id;

-- One side that stays keeps OR local; in AND it is rechecked.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4 > 4 OR upper(t) = 'x'$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE (i4 > 3 AND upper(t) = 'TEXT') OR i4 = 0$$);
SELECT id FROM typed WHERE (i4 > 3 AND upper(t) = 'TEXT') OR i4 = 0 ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE random() < i4 AND num_nulls(i4, t) = 0$$);

-- Parameters: a generic plan binds them anew; NULL asks nothing of the server.
PREPARE by_id (integer, text) AS
	SELECT id FROM typed WHERE i4 = $1 AND ($2 IS NULL OR t = $2) ORDER BY id;
SET plan_cache_mode = force_generic_plan;
EXECUTE by_id (4, NULL);
EXECUTE by_id (4, 'text');
EXECUTE by_id (4, 'other');
EXECUTE by_id (NULL, NULL);
RESET plan_cache_mode;
SELECT a.id, (SELECT count(*) FROM typed t WHERE t.i4 = a.id) AS n FROM accounts a WHERE a.id IN (4, 5, 6) ORDER BY a.id;
SELECT * FROM plan_of($$SELECT t.id FROM (VALUES (4), (5)) v (x), LATERAL (SELECT id FROM typed WHERE i4 = v.x OFFSET 0) t$$);

-- Off: everything stays.
SET mongo_tenant.enable_filter_pushdown = off;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE i4 > 4$$);
