-- The probe's objects; psql variable module: the path of decode_probe.so.
CREATE FUNCTION mongo_tenant_fdw_validator(text[], oid) RETURNS void
	AS :'module' LANGUAGE C STRICT;
CREATE FUNCTION decode_probe(anyelement, VARIADIC bytea[]) RETURNS SETOF anyelement
	AS :'module' LANGUAGE C;
CREATE FUNCTION decode_probe_uri(text) RETURNS text
	AS :'module' LANGUAGE C STRICT;
CREATE FUNCTION decode_probe_owners(oid, oid) RETURNS void
	AS :'module' LANGUAGE C STRICT;
CREATE FUNCTION decode_probe_table(regclass) RETURNS text
	AS :'module' LANGUAGE C STRICT;
CREATE FUNCTION decode_probe_recheck(text, boolean, text, bigint, bytea[]) RETURNS text[]
	AS :'module' LANGUAGE C;
CREATE FUNCTION decode_probe_bench(anyelement, bytea[], integer) RETURNS double precision
	AS :'module' LANGUAGE C;
CREATE FUNCTION decode_probe_bench_libbson(bytea[], integer) RETURNS double precision
	AS :'module' LANGUAGE C STRICT;
CREATE FUNCTION decode_probe_fuzz(anyelement, bytea[], integer, bigint) RETURNS text
	AS :'module' LANGUAGE C;

CREATE FOREIGN DATA WRAPPER decode_probe VALIDATOR mongo_tenant_fdw_validator;
CREATE SERVER probe FOREIGN DATA WRAPPER decode_probe
	OPTIONS (uri 'mongodb://127.0.0.1:9/', database 'probe');
