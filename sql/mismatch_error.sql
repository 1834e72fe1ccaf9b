-- A value that does not fit its column: an error that names the column and the type.
-- agree: no, only documents that reach PostgreSQL are looked at: without pushdown that is all of them.
\i `echo "$MTF_PRELUDE"`
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;
\set VERBOSITY sqlstate
SELECT i2 FROM mismatch WHERE id = 1;
SELECT i4 FROM mismatch WHERE id = 4;
\set VERBOSITY default
SELECT i2 FROM mismatch WHERE id = 1; -- 70000
SELECT i4 FROM mismatch WHERE id = 2; -- text
SELECT i4 FROM mismatch WHERE id = 3; -- 5.5
SELECT i4 FROM mismatch WHERE id = 4; -- too wide
SELECT i8 FROM mismatch WHERE id = 5; -- 1e300
SELECT f8 FROM mismatch WHERE id = 6;
SELECT n FROM mismatch WHERE id = 7;
SELECT t FROM mismatch WHERE id = 8;
SELECT t FROM mismatch WHERE id = 9;
SELECT b FROM mismatch WHERE id = 10;
SELECT d FROM mismatch WHERE id = 12;
SELECT ts FROM mismatch WHERE id = 13;
SELECT u FROM mismatch WHERE id = 14;
SELECT u FROM mismatch WHERE id = 15;
SELECT raw FROM mismatch WHERE id = 16;
SELECT oid FROM mismatch WHERE id = 17;
SELECT i4 FROM mismatch WHERE id = 18; -- an array of one
SELECT nums FROM mismatch WHERE id = 19;
SELECT nums FROM mismatch WHERE id = 20; -- one element of another type
-- Columns that are not asked for raise nothing.
SELECT count(*) FROM mismatch;
SELECT id FROM mismatch WHERE id < 3 ORDER BY id;
-- A condition that is true of NULL does not leave a mismatch behind on the server: NULL is what it is only
-- under on_mismatch 'null'.
\set VERBOSITY sqlstate
SELECT id FROM mismatch WHERE i2 IS NULL; -- 70000
SELECT id FROM mismatch WHERE i4 IS NULL;
SELECT id FROM mismatch WHERE i4 IS NOT DISTINCT FROM NULL;
SELECT id FROM mismatch WHERE i4 IS DISTINCT FROM 1;
SELECT id FROM mismatch WHERE i8 IS NULL;
SELECT id FROM mismatch WHERE f8 IS NULL;
SELECT id FROM mismatch WHERE n IS NULL;
SELECT id FROM mismatch WHERE t IS NULL;
SELECT id FROM mismatch WHERE b IS UNKNOWN;
SELECT id FROM mismatch WHERE b IS NOT TRUE;
SELECT id FROM mismatch WHERE d IS NULL;
SELECT id FROM mismatch WHERE u IS NULL;
SELECT id FROM mismatch WHERE oid IS NULL;
SELECT id FROM mismatch WHERE nums IS NULL;
\set VERBOSITY default
SELECT * FROM plan_of($$SELECT id FROM mismatch WHERE i4 IS NULL$$);
