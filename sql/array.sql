-- WHERE over arrays: elements, all of them, the one at a place; always rechecked.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;
SELECT id, tags, nums FROM typed WHERE tags IS NOT NULL OR nums IS NOT NULL ORDER BY id;

SELECT * FROM plan_of($$SELECT id FROM typed WHERE nums[1] = 1 AND nums[2] IN (2, 3) AND nums[1] < 5 AND tags[1] IS NOT NULL AND 2 <> ALL (nums) AND nums = '{1,2,3}' AND 0 < ANY (nums)$$);
SELECT id FROM typed WHERE nums[1] = 1 ORDER BY id;
SELECT id FROM typed WHERE nums[1] <> 1 OR nums[2] > 1 ORDER BY id;
SELECT id FROM typed WHERE tags[1] = 'red' ORDER BY id;
SELECT id FROM typed WHERE tags[2] IS NOT NULL ORDER BY id;
SELECT id FROM typed WHERE 2 <> ALL (nums) ORDER BY id;
SELECT id FROM typed WHERE nums = '{1,2,3}' OR nums = '{}' ORDER BY id;
SELECT id FROM typed WHERE 3 <= ANY (nums) ORDER BY id;
-- Nothing stands before the first; a place that is computed; what is true of NULL.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE nums[0] = 1 AND nums[i4] = 1 AND nums[1] IS NULL AND nums[1] IS DISTINCT FROM 1 AND nums[1:2] = '{1,2}' AND 5 > ALL (nums) AND i4 <> ALL (nums)$$);
PREPARE element (integer) AS SELECT id FROM typed WHERE nums[1] = $1 OR $1 <> ALL (nums) ORDER BY id;
SET plan_cache_mode = force_generic_plan;
EXECUTE element (1);
EXECUTE element (NULL);
RESET plan_cache_mode;

-- A place that is a parameter or a column: one element satisfies it.  All elements in a list: one is, or there is none.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE nums[i2] = 1 AND nums[i2] <> 9 AND nums[i2] IS NOT NULL AND nums <@ '{1,2,3}' AND '{1}' <@ nums AND nums <> '{1}'$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE nums[i2 + 1] = 1 AND nums[i2] IS NULL AND nums <@ ARRAY[i4] AND nums < '{1}'$$);
SELECT id FROM typed WHERE nums[i2] > 0 OR nums <@ '{1,2,3}' ORDER BY id;
SELECT id FROM typed WHERE '{1,2,3,NULL}' @> nums ORDER BY id;
SELECT id FROM typed WHERE nums <> '{1,2,3}' ORDER BY id;
PREPARE place (integer, integer[]) AS SELECT id FROM typed WHERE nums[$1] = 2 OR nums <@ $2 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
EXECUTE place (2, NULL);
EXECUTE place (1, '{}');
EXECUTE place (NULL, '{1,2,3}');
