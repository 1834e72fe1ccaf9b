-- ORDER BY and LIMIT: remote above exact clauses only.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
-- The tables are small: what can run remotely, not what is cheap.
SET cpu_tuple_cost = 0.1;
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;

SELECT * FROM plan_of($$SELECT id FROM accounts WHERE id > 3 ORDER BY id LIMIT 2$$);
SELECT id FROM accounts WHERE id > 3 ORDER BY id LIMIT 2;
SELECT id FROM accounts WHERE id > 3 ORDER BY id DESC LIMIT 2 OFFSET 1;

-- Both placements of NULL, NaN highest, arrays and other types as what they decode to.
SELECT * FROM plan_of($$SELECT id, f8 FROM typed ORDER BY f8 DESC NULLS LAST, id LIMIT 3$$);
SELECT id, f8 FROM typed ORDER BY f8 DESC NULLS LAST, id LIMIT 3;
SELECT id, f8 FROM typed ORDER BY f8 NULLS FIRST, id LIMIT 6;
SELECT id, i4 FROM typed ORDER BY i4 LIMIT 3;
SELECT id, i4 FROM mismatch_null ORDER BY i4, id DESC LIMIT 3;

-- Text by bytes under C; by a language's rules here.
SELECT * FROM plan_of($$SELECT id FROM accounts ORDER BY name COLLATE "C" LIMIT 3$$);
SELECT * FROM plan_of($$SELECT id FROM accounts ORDER BY name COLLATE "en-x-icu" LIMIT 3$$);
SELECT id FROM accounts ORDER BY name COLLATE "en-x-icu" LIMIT 3;

-- A clause that is rechecked, WITH TIES and FOR UPDATE keep LIMIT here.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE lower(t) = 'text' LIMIT 1$$);
SELECT * FROM plan_of($$SELECT id FROM typed ORDER BY i4 FETCH FIRST 2 ROWS WITH TIES$$);

-- Counts as parameters: 0, NULL and negative ones as PostgreSQL's.
PREPARE page (bigint, bigint) AS SELECT id FROM accounts ORDER BY id LIMIT $1 OFFSET $2;
SET plan_cache_mode = force_generic_plan;
EXECUTE page (2, 3);
EXECUTE page (0, 0);
EXECUTE page (NULL, 8);
EXECUTE page (9223372036854775807, 9);
EXECUTE page (-1, 0);
EXECUTE page (1, -1);
RESET plan_cache_mode;

SET mongo_tenant.enable_limit_pushdown = off;
SELECT * FROM plan_of($$SELECT id FROM accounts WHERE id > 3 ORDER BY id LIMIT 2$$);
RESET mongo_tenant.enable_limit_pushdown;

-- Without LIMIT the server sorts when the fields themselves sort right: a condition proves them.
SELECT * FROM plan_of($$SELECT id FROM accounts WHERE id > 3 ORDER BY id DESC$$);
SELECT * FROM plan_of($$SELECT id FROM accounts ORDER BY id DESC$$);
SELECT id FROM accounts WHERE id > 3 ORDER BY id DESC;
SET mongo_tenant.enable_sort_pushdown = off;
SELECT * FROM plan_of($$SELECT id FROM accounts WHERE id > 3 ORDER BY id DESC$$);
SELECT * FROM plan_of($$SELECT id FROM accounts WHERE id > 3 ORDER BY id DESC LIMIT 1$$);
