/* mongo_tenant_fdw--0.1.sql */

-- complain if the script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION mongo_tenant_fdw" to load this file. \quit

-- Plain CREATE SCHEMA: when somebody else made it first, what is in it cannot be trusted.
CREATE SCHEMA mongo_tenant;
GRANT USAGE ON SCHEMA mongo_tenant TO PUBLIC;

-- Foreign data wrapper

CREATE FUNCTION mongo_tenant.mongo_tenant_fdw_handler() RETURNS fdw_handler
	AS 'MODULE_PATHNAME', 'mongo_tenant_fdw_handler' LANGUAGE C STRICT;

CREATE FUNCTION mongo_tenant.mongo_tenant_fdw_validator(options text[], catalog oid) RETURNS void
	AS 'MODULE_PATHNAME', 'mongo_tenant_fdw_validator' LANGUAGE C STRICT;

CREATE FOREIGN DATA WRAPPER mongo_tenant_fdw
	HANDLER mongo_tenant.mongo_tenant_fdw_handler
	VALIDATOR mongo_tenant.mongo_tenant_fdw_validator;

-- Who signs tokens

CREATE TABLE mongo_tenant.provider (
	name text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
	issuer text COLLATE "C" NOT NULL UNIQUE CHECK (issuer <> ''),
	audience text[] NOT NULL DEFAULT '{}',
	any_audience boolean NOT NULL DEFAULT false,
	all_audiences boolean NOT NULL DEFAULT false,
	algorithms text[] NOT NULL,
	tenant_claim text NOT NULL DEFAULT 'tenantId' CHECK (tenant_claim <> ''),
	required_claims text[] NOT NULL DEFAULT '{}',
	typ text[] NOT NULL DEFAULT '{}',
	azp text[] NOT NULL DEFAULT '{}',
	local boolean NOT NULL DEFAULT false,
	jwks_file text,
	secret_file text
);

-- tenant() without arguments asks this one: at most one.
CREATE UNIQUE INDEX provider_local ON mongo_tenant.provider (local) WHERE local;

CREATE TABLE mongo_tenant.provider_key (
	provider text COLLATE "C" NOT NULL
		REFERENCES mongo_tenant.provider ON UPDATE CASCADE ON DELETE CASCADE,
	kid text COLLATE "C" CHECK (kid <> ''),
	jwk jsonb,
	pem text,
	added_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CHECK ((jwk IS NULL) <> (pem IS NULL))
);

-- A key without kid is the only one of its provider; the key set refuses it beside others.
CREATE UNIQUE INDEX provider_key_kid ON mongo_tenant.provider_key (provider, (COALESCE(kid, '')));

-- Revocations outlive their provider: when it comes back, so do they.
CREATE TABLE mongo_tenant.revocation (
	provider text COLLATE "C" NOT NULL,
	kind text COLLATE "C" NOT NULL CHECK (kind IN ('jti', 'sub', 'tenant', 'all')),
	value text COLLATE "C" NOT NULL,
	not_before timestamptz, -- tokens issued earlier are revoked; NULL: whenever they were issued
	revoked_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (provider, kind, value),
	CHECK (CASE kind WHEN 'all' THEN value = '' AND not_before IS NOT NULL ELSE value <> '' END)
);

-- Who sees what: one row for each collection that differs from its server's default.
-- serverid is set by a trigger from the name, so that a restore binds to the server made there.
CREATE TABLE mongo_tenant.policy (
	server text COLLATE "C" NOT NULL,
	serverid oid NOT NULL,
	database text COLLATE "C" NOT NULL,
	collection text COLLATE "C" NOT NULL,
	shared boolean NOT NULL DEFAULT false,
	field text,
	type text,
	match text,
	PRIMARY KEY (server, database, collection),
	CHECK (type IN ('string', 'int', 'objectid', 'uuid')),
	CHECK (match IN ('scalar', 'array')),
	CHECK (shared = (field IS NULL) AND (field IS NULL) = (type IS NULL)
		AND (field IS NULL) = (match IS NULL))
);

REVOKE ALL ON mongo_tenant.provider, mongo_tenant.provider_key, mongo_tenant.revocation,
	mongo_tenant.policy FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('mongo_tenant.provider', '');
SELECT pg_catalog.pg_extension_config_dump('mongo_tenant.provider_key', '');
SELECT pg_catalog.pg_extension_config_dump('mongo_tenant.revocation', '');
SELECT pg_catalog.pg_extension_config_dump('mongo_tenant.policy', '');

-- Every change is announced to all sessions, whoever makes it and however (ALWAYS: replicas too).

CREATE FUNCTION mongo_tenant.announce() RETURNS trigger
	AS 'MODULE_PATHNAME', 'mtf_trigger_announce' LANGUAGE C;

CREATE FUNCTION mongo_tenant.bind_policy() RETURNS trigger
	AS 'MODULE_PATHNAME', 'mtf_trigger_bind_policy' LANGUAGE C;

CREATE TRIGGER announce_row AFTER INSERT OR UPDATE OR DELETE ON mongo_tenant.provider
	FOR EACH ROW EXECUTE FUNCTION mongo_tenant.announce();
CREATE TRIGGER announce_truncate AFTER TRUNCATE ON mongo_tenant.provider
	FOR EACH STATEMENT EXECUTE FUNCTION mongo_tenant.announce();
CREATE TRIGGER announce_row AFTER INSERT OR UPDATE OR DELETE ON mongo_tenant.provider_key
	FOR EACH ROW EXECUTE FUNCTION mongo_tenant.announce();
CREATE TRIGGER announce_truncate AFTER TRUNCATE ON mongo_tenant.provider_key
	FOR EACH STATEMENT EXECUTE FUNCTION mongo_tenant.announce();
CREATE TRIGGER announce_row AFTER INSERT OR UPDATE OR DELETE ON mongo_tenant.revocation
	FOR EACH ROW EXECUTE FUNCTION mongo_tenant.announce();
CREATE TRIGGER announce_truncate AFTER TRUNCATE ON mongo_tenant.revocation
	FOR EACH STATEMENT EXECUTE FUNCTION mongo_tenant.announce();
CREATE TRIGGER announce_row AFTER INSERT OR UPDATE OR DELETE ON mongo_tenant.policy
	FOR EACH ROW EXECUTE FUNCTION mongo_tenant.announce();
CREATE TRIGGER announce_truncate AFTER TRUNCATE ON mongo_tenant.policy
	FOR EACH STATEMENT EXECUTE FUNCTION mongo_tenant.announce();
CREATE TRIGGER bind_row BEFORE INSERT OR UPDATE ON mongo_tenant.policy
	FOR EACH ROW EXECUTE FUNCTION mongo_tenant.bind_policy();

ALTER TABLE mongo_tenant.provider ENABLE ALWAYS TRIGGER announce_row;
ALTER TABLE mongo_tenant.provider ENABLE ALWAYS TRIGGER announce_truncate;
ALTER TABLE mongo_tenant.provider_key ENABLE ALWAYS TRIGGER announce_row;
ALTER TABLE mongo_tenant.provider_key ENABLE ALWAYS TRIGGER announce_truncate;
ALTER TABLE mongo_tenant.revocation ENABLE ALWAYS TRIGGER announce_row;
ALTER TABLE mongo_tenant.revocation ENABLE ALWAYS TRIGGER announce_truncate;
ALTER TABLE mongo_tenant.policy ENABLE ALWAYS TRIGGER announce_row;
ALTER TABLE mongo_tenant.policy ENABLE ALWAYS TRIGGER announce_truncate;
ALTER TABLE mongo_tenant.policy ENABLE ALWAYS TRIGGER bind_row;

-- A policy dies with its server and follows its name.  Where these do not run (single-user mode,
-- pg_upgrade), a policy whose name and OID disagree denies its collection.

CREATE FUNCTION mongo_tenant.follow_servers() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'mtf_event_follow_servers' LANGUAGE C;

CREATE EVENT TRIGGER mongo_tenant_server_drop ON sql_drop
	WHEN TAG IN ('DROP SERVER', 'DROP FOREIGN DATA WRAPPER', 'DROP OWNED', 'DROP EXTENSION')
	EXECUTE FUNCTION mongo_tenant.follow_servers();
CREATE EVENT TRIGGER mongo_tenant_server_rename ON ddl_command_end
	WHEN TAG IN ('ALTER SERVER')
	EXECUTE FUNCTION mongo_tenant.follow_servers();

ALTER EVENT TRIGGER mongo_tenant_server_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER mongo_tenant_server_rename ENABLE ALWAYS;

-- For everyone.  Restricted: a parallel worker has no binding.

CREATE FUNCTION mongo_tenant.tenant(VARIADIC providers text[] DEFAULT '{}') RETURNS text
	AS 'MODULE_PATHNAME', 'mtf_tenant' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION mongo_tenant.tenant(text[]) IS
	'tenant of the session''s verified token, if one of these providers signed it';

CREATE FUNCTION mongo_tenant.claims() RETURNS jsonb
	AS 'MODULE_PATHNAME', 'mtf_claims' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION mongo_tenant.claims() IS 'claims of the session''s verified token';

CREATE FUNCTION mongo_tenant.whoami(OUT provider text, OUT issuer text, OUT subject text,
		OUT tenant text, OUT expires_at timestamptz) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mtf_whoami' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION mongo_tenant.whoami() IS 'identity of the session''s token; no row without one';

CREATE FUNCTION mongo_tenant.diag(OUT name text, OUT value text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mtf_diag' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20;
COMMENT ON FUNCTION mongo_tenant.diag() IS 'versions and settings, for bug reports';

-- For administrators: superusers, and roles that are granted EXECUTE.

CREATE FUNCTION mongo_tenant.create_provider(
		name text,
		issuer text,
		audience text[] DEFAULT NULL,
		jwks jsonb DEFAULT NULL,
		algorithms text[] DEFAULT NULL,
		tenant_claim text DEFAULT 'tenantId',
		required_claims text[] DEFAULT NULL,
		any_audience boolean DEFAULT false,
		all_audiences boolean DEFAULT false,
		typ text[] DEFAULT NULL,
		azp text[] DEFAULT NULL,
		local boolean DEFAULT false,
		jwks_file text DEFAULT NULL,
		secret_file text DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'mtf_create_provider' LANGUAGE C VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

CREATE FUNCTION mongo_tenant.drop_provider(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'mtf_drop_provider' LANGUAGE C VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

CREATE FUNCTION mongo_tenant.add_key(provider text, kid text, pem text) RETURNS void
	AS 'MODULE_PATHNAME', 'mtf_add_key_pem' LANGUAGE C VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

CREATE FUNCTION mongo_tenant.add_key(provider text, jwks jsonb) RETURNS void
	AS 'MODULE_PATHNAME', 'mtf_add_key_jwks' LANGUAGE C VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

CREATE FUNCTION mongo_tenant.drop_key(provider text, kid text) RETURNS void
	AS 'MODULE_PATHNAME', 'mtf_drop_key' LANGUAGE C VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

CREATE FUNCTION mongo_tenant.revoke(provider text, jti text DEFAULT NULL, sub text DEFAULT NULL,
		tenant text DEFAULT NULL, not_before timestamptz DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'mtf_revoke' LANGUAGE C VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

CREATE FUNCTION mongo_tenant.set_policy(server name, collection text, field text DEFAULT NULL,
		type text DEFAULT NULL, shared boolean DEFAULT false, match text DEFAULT NULL,
		database text DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'mtf_set_policy' LANGUAGE C VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

CREATE FUNCTION mongo_tenant.drop_policy(server name, collection text, database text DEFAULT NULL)
	RETURNS void
	AS 'MODULE_PATHNAME', 'mtf_drop_policy' LANGUAGE C VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

-- After pg_upgrade, which gives servers other OIDs: bind every policy to its server's name again.
CREATE FUNCTION mongo_tenant.rebind_policies() RETURNS bigint
	AS 'MODULE_PATHNAME', 'mtf_rebind_policies' LANGUAGE C VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

CREATE FUNCTION mongo_tenant.check_token(token text, OUT "check" text, OUT passed boolean,
		OUT why text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mtf_check_token' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 11;

CREATE FUNCTION mongo_tenant.explain_policy(relation regclass, OUT server text, OUT database text,
		OUT collection text, OUT source text, OUT allowed boolean, OUT shared boolean,
		OUT field text, OUT type text, OUT match text, OUT providers text[], OUT predicate json,
		OUT why text) RETURNS record
	AS 'MODULE_PATHNAME', 'mtf_explain_policy' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;

CREATE FUNCTION mongo_tenant.stat_counters(OUT name text, OUT value bigint, OUT scope text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mtf_stat_counters' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 40;

-- scope: 'server' when the library is in shared_preload_libraries, else 'backend'.
CREATE VIEW mongo_tenant.stat AS
	SELECT name, value, scope FROM mongo_tenant.stat_counters();

REVOKE ALL ON mongo_tenant.stat FROM PUBLIC;

REVOKE ALL ON FUNCTION
	mongo_tenant.announce(),
	mongo_tenant.bind_policy(),
	mongo_tenant.follow_servers(),
	mongo_tenant.create_provider(text, text, text[], jsonb, text[], text, text[], boolean, boolean,
		text[], text[], boolean, text, text),
	mongo_tenant.drop_provider(text),
	mongo_tenant.add_key(text, text, text),
	mongo_tenant.add_key(text, jsonb),
	mongo_tenant.drop_key(text, text),
	mongo_tenant.revoke(text, text, text, text, timestamptz),
	mongo_tenant.set_policy(name, text, text, text, boolean, text, text),
	mongo_tenant.drop_policy(name, text, text),
	mongo_tenant.rebind_policies(),
	mongo_tenant.check_token(text),
	mongo_tenant.explain_policy(regclass),
	mongo_tenant.stat_counters()
	FROM PUBLIC;
