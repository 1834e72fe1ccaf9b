-- Objects that all the other files of sql/ use; pg_regress runs this one first.
\i `echo "$MTF_PRELUDE"`
\set ECHO none
\o /dev/null
\i :objects
\o
\set ECHO all
-- The tables and the servers that now exist.
SELECT c.relname, s.srvname
  FROM pg_foreign_table t JOIN pg_class c ON c.oid = t.ftrelid JOIN pg_foreign_server s ON s.oid = t.ftserver
 ORDER BY c.relname COLLATE "C";
