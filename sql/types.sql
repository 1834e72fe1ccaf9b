-- Every column type: ordinary value, both ends, null, missing, empty, NaN, other number types.
\i `echo "$MTF_PRELUDE"`
SET ROLE mtf_app;
SET timezone = 'America/Los_Angeles'; -- PST8PDT, as pg_regress has it, is not the same everywhere
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;
SELECT id, b, i2, i4, i8 FROM typed ORDER BY id;
SELECT id, f4, f8, n FROM typed ORDER BY id;
SELECT id, quote_nullable(t) AS t, quote_nullable(v) AS v, quote_nullable(c) AS c, length(c) FROM typed ORDER BY id;
SELECT id, d, ts, tstz FROM typed ORDER BY id;
SELECT id, u, raw, oid FROM typed WHERE id <> 2 ORDER BY id;
SELECT id, u, length(raw), md5(raw), oid FROM typed WHERE id = 2;
SELECT id, doc FROM typed ORDER BY id;
SELECT id, tags, nums, nested_b FROM typed ORDER BY id;
-- The whole document, with its tenant field; ObjectId and UUID as text, dates as ISO 8601.
SELECT id, document - '_id' AS document FROM whole WHERE id IN (1, 4, 5, 6, 7, 8) ORDER BY id;
SELECT id, jsonb_typeof(document -> '_id') AS id_type, length(document ->> '_id') AS id_length FROM whole ORDER BY id LIMIT 1;
