"""Documents for the parts that need a real server: orders and customers of many tenants."""

import datetime
import random

CITIES = ("Amsterdam", "Buenos Aires", "Cairo", "Dar es Salaam", "Espoo")
STATES = ("open", "paid", "shipped", "returned")
CUSTOMERS = 100  # of each tenant
START = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
CHUNK = 10000


def tenant_name(number):
    return "tenant-%06d" % number


def order(tenant, seq, chance):
    return {"tenant_id": tenant, "seq": seq, "customer": chance.randrange(CUSTOMERS),
            "amount": chance.randrange(1000000) / 100, "created_at": START + datetime.timedelta(minutes=seq),
            "city": chance.choice(CITIES), "status": chance.choice(STATES), "active": seq % 2 == 0,
            "note": "order %d of %s, left at the door" % (seq, tenant)}


def load(database, collection, tenants, per_tenant):
    """Orders of `tenants` tenants, interleaved as they would arrive, with the tenant-first index."""
    chance = random.Random(20240101)
    orders = database[collection]
    orders.create_index([("tenant_id", 1), ("seq", 1)])
    chunk = []
    for seq in range(per_tenant):
        for number in range(tenants):
            chunk.append(order(tenant_name(number), seq, chance))
            if len(chunk) == CHUNK:
                orders.insert_many(chunk, ordered=False)
                chunk = []
    if chunk:
        orders.insert_many(chunk, ordered=False)


def load_customers(database, tenants):
    customers = database["customers"]
    customers.create_index([("tenant_id", 1), ("id", 1)])
    chunk = [{"tenant_id": tenant_name(number), "id": i, "name": "customer %d" % i, "region": "region %d" % (i % 7)}
             for number in range(tenants) for i in range(CUSTOMERS)]
    for start in range(0, len(chunk), CHUNK):
        customers.insert_many(chunk[start:start + CHUNK], ordered=False)


ORDERS_COLUMNS = ("tenant_id text, seq integer, customer integer, amount double precision, "
                  "created_at timestamptz, city text COLLATE \"C\", status text COLLATE \"C\", active boolean, "
                  "note text COLLATE \"C\"")
CUSTOMERS_COLUMNS = "tenant_id text, id integer, name text COLLATE \"C\", region text COLLATE \"C\""
