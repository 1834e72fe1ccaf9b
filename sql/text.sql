-- WHERE over parts of text: patterns of the column, which an index serves, or computed; and prefixes that are parameters.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;
SELECT id, t, v FROM typed WHERE t IS NOT NULL ORDER BY id;

EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM typed WHERE substr(t, 1, 2) IN ('te', '$t', 'longer', NULL);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE left(t, 2) = 'te' AND right(t, 1) <> 't' AND substr(t, 2, 2) = 'ex' AND length(t) = 4 AND lower(t) = 'text' AND left(t, 2) < 'u' COLLATE "C"$$);
SELECT id FROM typed WHERE left(t, 2) IN ('te', '$t', 'longer', NULL) ORDER BY id;
SELECT id FROM typed WHERE left(t, 2) NOT IN ('te', '$t', 'longer') ORDER BY id;
SELECT count(*) FROM typed WHERE left(t, 2) NOT IN ('te', NULL);
SELECT id FROM typed WHERE left(t, 100) = 'text' OR right(t, 2) = 't' ORDER BY id;
SELECT id FROM typed WHERE left(t, 0) = '' ORDER BY id;
SELECT id FROM typed WHERE right(t, 2) = 'xt' ORDER BY id;
SELECT id FROM typed WHERE substring(t, 0, 3) = 'te' OR substr(t, 3, 2) = 'xt' ORDER BY id;
SELECT id FROM typed WHERE length(t) BETWEEN 1 AND 3 ORDER BY id;
SELECT id FROM typed WHERE length(t) > length(v) OR left(t, 1) = left(v, 1) ORDER BY id;
SELECT id FROM typed WHERE lower(t) = 'text' OR lower(t) = 'TEXT' ORDER BY id;
SELECT left(t, 1) COLLATE "C" AS first, count(*) FROM typed GROUP BY 1 ORDER BY 1;
-- Exact: LIMIT runs remotely.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE left(t, 2) IN ('te', '$t') AND length(t) < 9 ORDER BY id LIMIT 2$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE lower(t) = 'text' ORDER BY id LIMIT 2$$);
-- A pattern that only says how a text begins is a range of texts: to the next character, of one byte more too, not of a
-- surrogate, of the character before when there is no next one; else an expression.
CREATE FUNCTION pg_temp.sent (patterns text[]) RETURNS TABLE ("QUERY PLAN" text) LANGUAGE plpgsql AS $$
DECLARE
	pattern text;
	line text;
BEGIN
	FOREACH pattern IN ARRAY patterns LOOP
		FOR line IN EXECUTE format('EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM typed WHERE t LIKE %L', pattern) LOOP
			IF line LIKE '%Pipeline:%' THEN
				RETURN QUERY SELECT encode(convert_to(pattern || ' | ' || substring(line FROM '"t" : (\{ [^}]*\}|"[^"]*")'), 'UTF8'), 'escape');
			END IF;
		END LOOP;
	END LOOP;
END $$;
SELECT * FROM pg_temp.sent(ARRAY['te%', 'te%%', 'text', 'a\%b\_\\%', '$t%', 't%t', '%t.t%', '%t', '_%t', 'te_%', '%', '',
	U&'\007f%', U&'a\07ff%', U&'\d7ff%', U&'\e000%', U&'\ffff%', U&'ab\+10ffff\+10ffff%', U&'\+10ffff%', U&'e\0301%']);
SELECT id FROM typed WHERE t LIKE '🛫%' ORDER BY id;
SELECT id FROM typed WHERE t LIKE 'text' OR t LIKE '$%' ORDER BY id LIMIT 9;
SELECT id FROM typed WHERE t NOT LIKE 't%' ORDER BY id LIMIT 9;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE t LIKE '🛫%' ORDER BY id LIMIT 2$$);
-- All but so many characters, upper(), which some locales make ASCII of more, and what depends on the row.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE left(t, -2) = 'te' AND upper(t) = 'TEXT' AND lower(t) <> 'text' AND left(t, i4) = 't' AND substring(t, 'x') = 'x' AND octet_length(t) = 4$$);
-- Prefixes and lower() of a parameter: escaped when it is known.
PREPARE prefix (text) AS SELECT id FROM typed WHERE t ^@ $1 ORDER BY id;
PREPARE folded (text) AS SELECT id FROM typed WHERE lower(t) = $1 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
SELECT * FROM plan_of($$EXECUTE prefix ('te')$$);
SELECT * FROM plan_of($$EXECUTE folded ('text')$$);
EXECUTE prefix ('te');
EXECUTE prefix ('%');
EXECUTE prefix ('');
EXECUTE prefix (NULL);
EXECUTE folded ('text');
EXECUTE folded ('te_t');
