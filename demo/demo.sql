
-- From here on we are the ordinary user "app".  First with a token of United Airlines.
SELECT set_config('mongo_tenant.jwt', :'ua', false);
SELECT provider, subject, tenant FROM mongo_tenant.whoami();
SELECT carrier, count(*) AS flights, round(avg(dep_delay), 2) AS delay, sum(distance) AS miles
  FROM flights GROUP BY carrier;

-- The same query with a token of Delta.
SELECT set_config('mongo_tenant.jwt', :'dl', false);
SELECT carrier, count(*) AS flights, round(avg(dep_delay), 2) AS delay, sum(distance) AS miles
  FROM flights GROUP BY carrier;

-- A join with the shared collections.
SELECT a.name, p.manufacturer, count(*) AS flights, max(p.seats) AS seats
  FROM flights f JOIN airlines a USING (carrier) JOIN planes p USING (tailnum)
 GROUP BY a.name, p.manufacturer ORDER BY flights DESC, p.manufacturer LIMIT 3;

-- United asks for Delta's flights: no rows, however it asks.
SELECT set_config('mongo_tenant.jwt', :'ua', false);
SELECT count(*) FROM flights WHERE carrier = 'DL';
SELECT DISTINCT carrier FROM flights WHERE carrier = 'DL' OR true;

-- What is sent to the document server: the tenant's $match comes first.
EXPLAIN (VERBOSE, COSTS OFF) SELECT flight, dest, dep_delay FROM flights WHERE dep_delay > 300 AND origin = 'EWR';
SELECT flight, dest, dep_delay FROM flights WHERE dep_delay > 300 AND origin = 'EWR' ORDER BY dep_delay DESC LIMIT 3;

-- A forged token, an expired one, and none at all: errors, never an empty result.
SELECT set_config('mongo_tenant.jwt', :'forged', false);
SELECT count(*) FROM flights;
SELECT set_config('mongo_tenant.jwt', :'expired', false);
SELECT count(*) FROM flights;
RESET mongo_tenant.jwt;
SELECT count(*) FROM flights;
