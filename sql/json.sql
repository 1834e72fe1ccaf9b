-- WHERE over members of jsonb: paths, casts, containment, keys; always rechecked.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;
SELECT id, doc FROM typed WHERE doc IS NOT NULL ORDER BY id;

-- Paths: names and positions; position 0 of -> is also the scalar itself, a name with a dot is none.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE doc #>> '{b,c}' = 'x' AND doc #>> '{l,0}' = '1' AND doc -> 'l' ->> 1 = '2' AND doc #> '{b}' ->> 'c' IN ('x', 'y')$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE doc -> 'l' ->> 0 = '1' AND doc ->> 'a.b' = 'x' AND doc #>> '{l,-1}' = '2' AND doc #>> '{l,01}' = '2' AND doc ->> '$x' = 'y' AND doc ->> t = 'x'$$);
SELECT id FROM typed WHERE doc #>> '{b,c,0}' = 'x' OR doc #>> '{deep,er,est,0,k}' = 'v' ORDER BY id;
SELECT id FROM typed WHERE doc -> 'b' -> 'c' ->> 2 = '2.5' OR doc -> 'b' -> 'c' ->> 0 = 'y' ORDER BY id;
SELECT id FROM typed WHERE doc -> 'b' ->> 'c' LIKE '["x%' AND doc -> 'b' ->> 'c' <> 'y' AND doc ->> 'a' IS NOT NULL ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE doc ->> 'a' LIKE '1%' AND doc ->> 'a' COLLATE "C" > '0' AND doc ->> 'a' <> '2' AND doc ->> 'a' IS NOT NULL$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE doc ->> 'a' IS NULL$$);
SELECT count(*) FROM typed WHERE doc ->> '$x' IS NOT NULL AND b;

-- Casts: a value that cannot be cast is an error, with pushdown and without.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE (doc ->> 'a')::int = 1 AND (doc ->> 'a')::numeric > 0.5 AND (doc -> 'a')::int IN (1, 2) AND (doc ->> 'd')::timestamp < '2013-01-02' AND NOT (doc ->> 'f')::bool$$);
SELECT id FROM typed WHERE (doc ->> 'a')::int = 1 ORDER BY id;
SELECT id FROM typed WHERE (doc -> 'a')::numeric BETWEEN 0.5 AND 1.5 ORDER BY id;
SELECT id FROM typed WHERE (doc -> 'b' ->> 'c')::int = 1;
SELECT id FROM typed WHERE (doc -> 'b')::int = 1;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE (doc ->> 'd')::date = '2013-01-02' AND (doc ->> 'a')::real = 1 AND (doc ->> 'a')::uuid IS NULL$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE (doc ->> 'a')::real > 0.5 OR (doc -> 'a')::real = 1 OR (doc ->> 'a')::uuid = '12345678-1234-4234-8234-1234567890ab'$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE (doc ->> 'a')::real > 0.5 AND (doc -> 'a')::real = 1$$);
SELECT id FROM typed WHERE id = 1 AND (doc ->> 'a')::real > 0.5;
SELECT id FROM whole WHERE (document ->> 'ts')::date = '2013-01-02' ORDER BY id;

-- Containment and keys.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE doc @> '{"b": {"c": "x"}, "l": [2]}' AND doc ? 'a' AND doc ?| '{z,b}' AND doc ?& '{a,b}' AND doc -> 'b' = '{"c": "x"}'$$);
SELECT id FROM typed WHERE doc @> '{"b": {"c": ["x", 2.5, null]}}' OR doc @> '{"deep": {"er": {"est": [{"k": "v"}]}}}' ORDER BY id;
SELECT id FROM typed WHERE doc @> '{"a": 1}' ORDER BY id;
SELECT id FROM typed WHERE doc @> '{}' ORDER BY id;
SELECT id FROM typed WHERE doc @> '{"a.b": 1, "$x": null}' ORDER BY id;
SELECT id FROM typed WHERE doc ? 'a' AND doc ?& '{a,b}' ORDER BY id;
SELECT id FROM typed WHERE doc -> 'b' = '{"c": ["x", null, 2.5]}' ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM typed WHERE NOT doc ? 'a' AND doc <@ '{"a": 1}' AND doc <> '{}' AND doc @> to_jsonb(t)$$);
SELECT id FROM whole WHERE document @> '{"id": 4}' AND document ? 'i8' ORDER BY id;
SELECT * FROM plan_of($$SELECT id FROM whole WHERE document @> '{"id": 4}' AND document ? 'i8' AND document #>> '{nested,a,b}' = '7'$$);
PREPARE contains (jsonb, text) AS SELECT id FROM typed WHERE doc @> $1 AND doc ->> 'a' = $2 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
EXECUTE contains ('{"a": 1}', '1');
EXECUTE contains ('{"a": "1"}', '1');
EXECUTE contains (NULL, '1');
RESET plan_cache_mode;

-- Absence of a member: null, missing, or behind an array, in which the server would look.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE doc ->> 'a' IS NULL AND doc -> 'a' IS NULL AND doc #>> '{b,c}' IS NULL AND (doc ->> 'a')::int IS NULL AND doc -> 'b' IS NOT NULL$$);
SELECT id FROM typed WHERE doc ->> 'a' IS NULL AND b IS NOT NULL ORDER BY id;
SELECT id FROM typed WHERE doc -> 'l' -> 1 IS NULL ORDER BY id LIMIT 3;
SELECT id FROM typed WHERE (doc ->> 'a')::int IS NULL ORDER BY id;
-- Under on_mismatch 'null' a document that does not decode is NULL as a whole.
RESET ROLE;
CREATE FOREIGN TABLE json_null (id integer, doc jsonb) SERVER mongo OPTIONS (collection 'typed', on_mismatch 'null');
SELECT * FROM plan_of($$SELECT id FROM json_null WHERE doc ->> 'a' IS NULL AND doc ->> 'a' IS NOT NULL$$);
DROP FOREIGN TABLE json_null;
SET ROLE mtf_app;

-- jsonpath: keys, and comparisons with constants; what is unknown of a path does not become true.
SELECT * FROM plan_of($$SELECT id FROM typed WHERE doc @? '$.b.c' AND doc @@ '$.a == 1' AND doc @@ '$.a >= 0 && $.b.c == "x"' AND doc @? '$.l[*] ? (@ > 1)' AND doc @? '$.b ? (@.c == null || @.c like_regex "^x")'$$);
SELECT * FROM plan_of($$SELECT id FROM typed WHERE doc @@ '!($.a == 1)' AND doc @? '$.a == 1' AND doc @? '$' AND doc @? '$."0"' AND doc @? '$.*' AND doc @@ '($.a == 1) is unknown'$$);
SELECT id FROM typed WHERE doc @? '$.b.c' ORDER BY id;
SELECT id FROM typed WHERE doc @@ '$.a == 1' OR doc @? '$.deep.er.est[*] ? (@.k == "v")' ORDER BY id;
SELECT id FROM typed WHERE doc @? '$.b ? (@.c == "x")' OR doc @@ '$.b.c[*] > 2' ORDER BY id;
SELECT id FROM typed WHERE doc @@ '!($.a == 1)' ORDER BY id;
SELECT id FROM whole WHERE document @? '$.id ? (@ > 7)' ORDER BY id;
PREPARE path (jsonpath) AS SELECT id FROM typed WHERE doc @? $1 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
SELECT * FROM plan_of($$EXECUTE path ('$.a')$$);
EXECUTE path ('$.a');
