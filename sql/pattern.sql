-- LIKE, ^@ and regular expressions of parameters: exact below LIMIT and aggregates, unless the value is not.
\i `echo "$MTF_PRELUDE"`
\pset format unaligned
SET ROLE mtf_app;
SELECT set_config('mongo_tenant.jwt', :'ua', false) IS NOT NULL AS set;
SET plan_cache_mode = force_generic_plan;

PREPARE first (text) AS SELECT id, t FROM typed WHERE t LIKE $1 ORDER BY id LIMIT 2;
PREPARE second (text) AS SELECT id FROM typed WHERE t ~ $1 ORDER BY id LIMIT 1 OFFSET 1;
PREPARE counted (text) AS SELECT count(*), min(id) FROM typed WHERE t NOT LIKE $1;
PREPARE grouped (text) AS SELECT t, count(*) FROM typed WHERE t ^@ $1 GROUP BY t ORDER BY t COLLATE "C";
PREPARE filtered (text) AS SELECT count(*) FILTER (WHERE t LIKE $1), count(*) FILTER (WHERE NOT t ~ $1) FROM typed;
PREPARE folded (text) AS SELECT id FROM typed WHERE upper(t) = $1 OR t ~* $1 ORDER BY id;

SELECT * FROM plan_of($$EXECUTE first ('te%')$$);
SELECT * FROM plan_of($$EXECUTE second ('^te')$$);
SELECT * FROM plan_of($$EXECUTE counted ('te%')$$);
SELECT * FROM plan_of($$EXECUTE grouped ('te')$$);
SELECT * FROM plan_of($$EXECUTE filtered ('te')$$);
SELECT * FROM plan_of($$EXECUTE folded ('TEXT')$$);

EXECUTE first ('te%');
EXECUTE first ('%');
EXECUTE first (NULL);
EXECUTE first ('_e%t');
-- Of many wildcards the beginning is sent, and LIMIT ends here.
EXECUTE first ('%e%x%t%');
-- An escape character at the end is an error where PostgreSQL gets that far.
EXECUTE first ('zzz\');
EXECUTE first ('tex\');
EXECUTE second ('^te');
EXECUTE second ('t$');
EXECUTE second ('(a|t)');
EXECUTE second (NULL);
EXECUTE second ('(');
EXECUTE counted ('te%');
EXECUTE counted ('%e%x%t%');
EXECUTE counted (NULL);
EXECUTE counted ('tex\');
EXECUTE grouped ('te');
EXECUTE grouped ('');
EXECUTE grouped ('%');
EXECUTE grouped (repeat('t', 500));
EXECUTE filtered ('te');
EXECUTE filtered ('te.*');
EXECUTE filtered ('[t]e');
EXECUTE filtered (NULL);
EXECUTE folded ('TEXT');
EXECUTE folded ('text');
-- Within an expression there is no wider form of one pattern: then the whole of it is tested here.
PREPARE within (text) AS SELECT id FROM typed WHERE CASE WHEN id < 4 THEN t LIKE $1 ELSE t NOT LIKE $1 END ORDER BY id LIMIT 3;
PREPARE beside (text) AS SELECT id FROM typed WHERE (t ~ $1) = (id > 2) OR id = 1 ORDER BY id LIMIT 3;
SELECT * FROM plan_of($$EXECUTE within ('te%')$$);
SELECT * FROM plan_of($$EXECUTE beside ('te')$$);
EXECUTE within ('te%');
EXECUTE within ('%e%x%t%');
EXECUTE within (NULL);
EXECUTE within ('tex\');
EXECUTE beside ('te');
EXECUTE beside ('[t]e');
EXECUTE beside (NULL);
EXECUTE beside ('(');
-- In a nested loop the pattern is another one each time.
SELECT v.p, x.id FROM (VALUES ('te%'), ('%e%x%t%'), (NULL), ('$%')) v (p)
  CROSS JOIN LATERAL (SELECT id FROM typed WHERE t LIKE v.p ORDER BY id LIMIT 1) x ORDER BY 1, 2;
SELECT v.p, x.n FROM (VALUES ('te%'), ('%e%x%t%'), (NULL), ('$%')) v (p)
  CROSS JOIN LATERAL (SELECT count(*) AS n FROM typed WHERE t LIKE v.p) x ORDER BY 1, 2;
-- Groups are not cut off there by a pattern that may have no exact form, nor joined.
PREPARE top (text) AS SELECT t, count(*) FROM typed WHERE t LIKE $1 GROUP BY t ORDER BY count(*), t COLLATE "C" LIMIT 1;
SELECT * FROM plan_of($$EXECUTE top ('te%')$$);
EXECUTE top ('te%');
EXECUTE top ('%e%x%t%');
PREPARE joined (text) AS SELECT a.id FROM typed t JOIN accounts a ON a.id = t.id WHERE t.t LIKE $1 ORDER BY 1;
SELECT * FROM plan_of($$EXECUTE joined ('te%')$$);
EXECUTE joined ('%e%x%t%');
