"""Real flights: what each carrier sees is what the CSV has for it, and sums and joins agree."""
from tap import World, is_, ok, throws, done

import fixtures


def per_carrier(field=None, joined=None):
    result = {}
    for flight in fixtures.flights(fixtures.few_days):
        if joined is not None and flight["tailnum"] not in joined:
            continue
        value = 1 if field is None else flight[field] or 0
        result[flight["carrier"]] = result.get(flight["carrier"], 0) + value
    return result


with World() as world:
    world.load("flights", "airlines", "planes")
    counts = fixtures.carrier_counts()
    miles = per_carrier("distance")
    with_plane = per_carrier(joined={plane["tailnum"] for plane in fixtures.planes()})
    total = 0
    for carrier in sorted(row["carrier"] for row in fixtures.airlines()):
        with world.connect(carrier) as session:
            count, own = session.execute("SELECT count(*), bool_and(carrier = %s) FROM flights", (carrier,)).fetchone()
            is_(count, counts.get(carrier, 0), "%s: %d flights, as in the CSV" % (carrier, counts.get(carrier, 0)))
            ok(own in (True, None), "%s: own flights only" % carrier)
            is_(world.value(session, "SELECT sum(distance) FROM flights"), miles.get(carrier), "%s: miles" % carrier)
            is_(world.value(session, "SELECT count(*) FROM flights f JOIN planes p USING (tailnum)"),
                with_plane.get(carrier, 0), "%s: flights joined with planes" % carrier)
            is_(world.value(session, "SELECT count(*) FROM airlines"), 16, "%s: the shared collection is whole" % carrier)
            total += count
    is_(total, sum(counts.values()), "all flights, each seen by one carrier")
    with world.connect("UA") as ua:
        is_(world.value(ua, "SELECT count(*) FROM flights WHERE carrier = 'DL'"), 0, "UA finds no flight of DL")
        is_(world.value(ua, "SELECT a.name FROM airlines a WHERE a.carrier = 'DL'"), "Delta Air Lines Inc.",
            "UA reads DL's name in the shared collection")
        is_(world.value(ua, "SELECT count(*) FROM flights WHERE dep_time IS NULL"),
            sum(1 for flight in fixtures.flights(fixtures.few_days)
                if flight["carrier"] == "UA" and flight["dep_time"] is None), "NA is NULL")
    with world.connect() as nobody:
        throws("28000", lambda: nobody.execute("SELECT * FROM airlines"), "a shared collection asks for a token too")
done()
