
-- What an administrator does once.  The issuer's public key is given by hand.
CREATE EXTENSION mongo_tenant_fdw;
SELECT mongo_tenant.create_provider('airline-login', :'issuer', ARRAY[:'audience'], :'jwks'::jsonb);

-- Every collection of this server is filtered by the field "carrier" ...
CREATE SERVER mongo FOREIGN DATA WRAPPER mongo_tenant_fdw
	OPTIONS (uri :'uri', database :'mongo_db', providers 'airline-login', tenant_field 'carrier');

-- ... but for two lookups that all may read, said on purpose.
SELECT mongo_tenant.set_policy('mongo', 'airlines', shared => true);
SELECT mongo_tenant.set_policy('mongo', 'planes', shared => true);

CREATE FOREIGN TABLE flights (
	carrier text, flight integer, tailnum text, origin text, dest text,
	year integer, month integer, day integer, time_hour timestamptz,
	dep_delay integer, arr_delay integer, air_time integer, distance integer
) SERVER mongo;
CREATE FOREIGN TABLE airlines (carrier text, name text) SERVER mongo;
CREATE FOREIGN TABLE planes (tailnum text, manufacturer text, model text, seats integer) SERVER mongo;
GRANT SELECT ON flights, airlines, planes TO app;
