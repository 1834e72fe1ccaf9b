-- A value that does not fit its column is NULL under on_mismatch 'null', wherever it is looked at.
\i `echo "$MTF_PRELUDE"`
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;
-- Under on_mismatch 'null' all of these are NULL, and are found as such.
SELECT num_nonnulls(b, i2, i4, i8, f8, n, t, d, ts, u, raw, oid, nums) AS not_null, count(*) FROM mismatch_null GROUP BY 1;
SELECT count(*) FROM mismatch_null WHERE i4 IS NULL;
SELECT count(*) FROM mismatch_null WHERE i4 IS NOT NULL;
SELECT count(*) FROM mismatch_null WHERE i4 = 1;
SELECT count(*) FROM mismatch_null WHERE b IS NOT TRUE;
SELECT count(i4), count(t) FROM mismatch_null;
SELECT count(*) FROM mismatch_null WHERE i4 <> 4;
SELECT count(*) FROM mismatch_null WHERE NOT (i4 = 4);
SELECT count(*) FROM mismatch_null WHERE i4 IS DISTINCT FROM 4;
SELECT count(*) FROM mismatch_null WHERE t = 'x' OR t IS NULL;
SELECT count(*) FROM mismatch_null WHERE nums IS NULL;
SELECT i4, count(*) FROM mismatch_null GROUP BY i4;
SELECT sum(i4), max(i8), min(f8) FROM mismatch_null;
-- Another element of the same document is read.
SELECT id FROM mismatch_null ORDER BY id LIMIT 3;
