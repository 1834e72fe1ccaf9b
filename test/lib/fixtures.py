#!/usr/bin/env python3
"""Documents for tests and demo, the same every time.

    fixtures.py DATABASE [COLLECTION ...]    load into the server at MTF_URI (all when none is named)

    accounts   two tenants with identical ids: whatever leaks shows at once
    typed      one document per interesting value of every column type, for two tenants
    measures   numbers that are equal and look different, in groups, for two tenants
    mismatch   one document per wrong type
    poison     tenant fields that must fool nobody; `belongs` says who may see each: "type:tenant"
    nested     the same for a tenant field with a dotted path, org.tenant
    folded     a collection whose own default collation ignores case (where the server has that)
    airlines, planes, airports   shared lookups of nycflights13
    flights    five days of nycflights13 (load_flights loads more); the carrier is the tenant
"""

import csv
import datetime
import os
import struct
import sys
import uuid

import bson
import pymongo
from bson.binary import Binary, UuidRepresentation
from bson.code import Code
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.regex import Regex

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(ROOT, ".venv", "data")

UTC = datetime.timezone.utc
TENANTS = ("UA", "DL")

A_UUID = uuid.UUID("12345678-1234-4234-8234-123456789abc")
AN_OBJECTID = ObjectId("5f0000000000000000000a01")
NFC = "caf\u00e9"  # one code point
NFD = "cafe\u0301"  # the same to a reader, other bytes


# ---- two tenants, identical ids ---------------------------------------------------------------

def accounts():
    for tenant in TENANTS:
        for number in range(1, 11):
            yield {
                "tenant_id": tenant,
                "id": number,
                "name": "%s customer %d" % (tenant, number),
                "balance": Decimal128("%d.50" % (number * (100 if tenant == "UA" else 7))),
                "active": number % 2 == 0,
                "secret": "secret of %s" % tenant,
                "address": {"city": "Newark" if tenant == "UA" else "Atlanta", "zip": "%05d" % number},
            }


# ---- all column types -------------------------------------------------------------------------

NAMES = ("b", "i2", "i4", "i8", "f4", "f8", "n", "t", "v", "c", "d", "ts", "tstz", "u", "raw", "oid",
         "doc", "tags", "nums")


def moment(*fields):
    return datetime.datetime(*fields, tzinfo=UTC)


def typed():
    rows = [
        # 1: ordinary
        dict(b=True, i2=2, i4=4, i8=Int64(8), f4=0.5, f8=0.25, n=Decimal128("12.340"), t="text", v="var",
             c="ch", d=moment(2013, 1, 2), ts=moment(2013, 1, 2, 3, 4, 5, 678000),
             tstz=moment(2013, 1, 2, 3, 4, 5, 678000), u=A_UUID, raw=b"\x00\x01\xff", oid=AN_OBJECTID,
             doc={"a": 1, "b": {"c": ["x", None, 2.5]}}, tags=["red", "green"], nums=[1, 2, 3],
             nested={"a": {"b": 7}}),
        # 2: upper ends
        dict(b=True, i2=32767, i4=2147483647, i8=Int64(9223372036854775807), f4=3.4028234663852886e38,
             f8=1.7976931348623157e308, n=Decimal128("9999999999999999999999999999999999"),
             t="\U0001f6eb caf\u00e9", v="x" * 20, c="abcd", d=moment(9999, 12, 31),
             ts=moment(9999, 12, 31, 23, 59, 59, 999000), tstz=moment(9999, 12, 31, 23, 59, 59, 999000),
             u=uuid.UUID(int=2 ** 128 - 1), raw=bytes(range(256)), oid=ObjectId("f" * 24),
             doc={"deep": {"er": {"est": [{"k": "v"}]}}}, tags=["a", "b", "c"], nums=[2147483647],
             nested={"a": {"b": 2147483647}}),
        # 3: lower ends
        dict(b=False, i2=-32768, i4=-2147483648, i8=Int64(-9223372036854775808), f4=-3.4028234663852886e38,
             f8=-1.7976931348623157e308, n=Decimal128("-0.000000000000000000000000000000001"), t=" ",
             v="\u00e9", c="a", d=moment(1, 1, 1), ts=moment(1, 1, 1), tstz=moment(1, 1, 1),
             u=uuid.UUID(int=0), raw=b"\x00", oid=ObjectId("0" * 24), doc={"": ""}, tags=[""],
             nums=[-2147483648], nested={"a": {"b": -2147483648}}),
        # 4: null, said aloud
        dict({name: None for name in NAMES}, nested={"a": {"b": None}}),
        # 5: everything missing
        dict(),
        # 6: zero and empty
        dict(b=False, i2=0, i4=0, i8=Int64(0), f4=0.0, f8=-0.0, n=Decimal128("0"), t="", v="", c="",
             d=moment(1970, 1, 1), ts=moment(1970, 1, 1), tstz=moment(1970, 1, 1),
             u=uuid.UUID(int=1), raw=b"", oid=ObjectId("000000000000000000000001"), doc={}, tags=[],
             nums=[], nested={}),
        # 7: not a number, infinities
        dict(f4=float("nan"), f8=float("inf"), n=Decimal128("NaN"), t="NaN", nested={"a": None}),
        # 8: whole numbers kept as other number types
        dict(i2=5.0, i4=Int64(5), i8=Decimal128("5"), f4=5, f8=Int64(5), n=5.5, nested={"a": {"b": 5.0}}),
        # 9: 0.1 as a double, 2^53+1, a time between milliseconds does not exist in BSON
        dict(i8=Int64(2 ** 53 + 1), f8=0.1, n=0.1, t="$t", v="$where", doc={"$ne": None},
             ts=moment(2013, 7, 1, 12), nested={"a": {"b": 1}}),
    ]
    for tenant in TENANTS:
        for number, row in enumerate(rows, 1):
            yield {"tenant_id": tenant, "id": number, **row}


def measures():
    nan, inf = float("nan"), float("inf")
    rows = [
        dict(g=1, price=Decimal128("1.50"), f=0.0, r=0.5, n=Decimal128("2.5"), q=3),
        dict(g=1, price=Decimal128("1.5"), f=-0.0, r=0.1, n=Decimal128("2.50"), q=3.0),
        dict(g=1, price=1.5, f=5, r=-2, n=7, q=Int64(3)),
        dict(g=2, price=Decimal128("20.00"), f=nan, r=nan, n=Decimal128("-1"), q=1),
        dict(g=2, price=Decimal128("2E+1"), f=Decimal128("NaN"), r=1e30, n=Decimal128("1.000"), q=None),
        dict(g=2, price=20, f=5.0, r=7.25, n=4.0),
        dict(g=3, price=Decimal128("NaN"), f=inf, r=-inf, n=Decimal128("0.001"), q=2),
        dict(g=3, price=nan, f=-1.25, r=Int64(16777217), n=Int64(3), q=5),
        dict(g=None, price=None, f=None, r=None, n=None),
        dict(),
    ]
    for tenant in TENANTS:
        for number, row in enumerate(rows, 1):
            if tenant == "DL":
                row = {"g": row.get("g", 0), "price": 9, "f": 9.5, "r": 99, "n": 0.1, "q": 9}
            yield {"tenant_id": tenant, "id": number, **row}


def mismatch():
    wrong = [
        ("i2", 70000), ("i4", "4"), ("i4", 5.5), ("i4", Int64(2 ** 40)), ("i8", 1e300), ("f8", "x"), ("n", True),
        ("t", 5), ("t", {"a": 1}), ("b", 1), ("b", "true"), ("d", "2013-01-01"), ("ts", 0), ("u", b"short"),
        ("u", str(A_UUID)), ("raw", "text"), ("oid", "not an id"), ("i4", [1]), ("nums", 1), ("nums", [1, "x"]),
    ]
    for tenant in TENANTS:
        for number, (name, value) in enumerate(wrong, 1):
            yield {"tenant_id": tenant, "id": number, name: value}


# ---- poison -----------------------------------------------------------------------------------

def raw_document(*elements):
    """A document written byte by byte: (name, value) pairs, names may repeat."""
    body = b"".join(bson.encode({name: value})[4:-1] for name, value in elements)
    return RawBSONDocument(struct.pack("<i", len(body) + 5) + body + b"\x00")


def symbol(name, text):
    """An element of the deprecated BSON type symbol."""
    data = text.encode() + b"\x00"
    return b"\x0e" + name.encode() + b"\x00" + struct.pack("<i", len(data)) + data


def poison():
    """(label, tenant, belongs): every way to write a tenant field that may match by accident."""
    cases = [
        # positive controls
        ("good UA 1", "UA", "string:UA"), ("good UA 2", "UA", "string:UA"),
        ("good DL 1", "DL", "string:DL"), ("good DL 2", "DL", "string:DL"),
        ("good ua", "ua", "string:ua"), ("good 1", "1", "string:1"),
        ("good NFC", NFC, "string:" + NFC), ("good NFD", NFD, "string:" + NFD),
        ("good dollar", "$tenant_id", "string:$tenant_id"),
        ("good regex text", ".*", "string:.*"),
        ("good int32", 1, "int:1"), ("good int64", Int64(1), "int:1"), ("good int 2", 2, "int:2"),
        ("good objectid", AN_OBJECTID, "objectid:%s" % AN_OBJECTID),
        ("objectid as text", str(AN_OBJECTID), "string:%s" % AN_OBJECTID),
        ("good uuid", Binary.from_uuid(A_UUID), "uuid:%s" % A_UUID),
        ("uuid as text", str(A_UUID), "string:%s" % A_UUID),
        # nobody's
        ("array of both", ["UA", "DL"], None), ("array of one", ["UA"], None), ("array in array", [["UA"]], None),
        ("empty array", [], None), ("null", None, None), ("empty", "", None),
        ("operator", {"$eq": "UA"}, None), ("document", {"tenant_id": "UA"}, None),
        ("trailing blank", "UA ", "string:UA "), ("leading blank", " UA", "string: UA"),
        ("inner NUL", "UA\x00", None), ("regex", Regex("UA"), None), ("code", Code("UA"), None),
        ("boolean", True, None), ("double 1.0", 1.0, None), ("decimal 1", Decimal128("1"), None),
        ("date", moment(1970, 1, 1), None), ("min key", bson.min_key.MinKey(), None),
        ("max key", bson.max_key.MaxKey(), None),
        ("uuid subtype 3", Binary.from_uuid(A_UUID, UuidRepresentation.PYTHON_LEGACY), None),
        ("uuid subtype 0", Binary(A_UUID.bytes, 0), None),
        ("array of int", [1, 2], None), ("array of objectid", [AN_OBJECTID], None),
        ("array of uuid", [Binary.from_uuid(A_UUID)], None),
    ]
    for number, (label, tenant, belongs) in enumerate(cases, 1):
        yield {"tenant_id": tenant, "id": number, "label": label, "belongs": belongs, "airline": "UA"}
    number = len(cases) + 1
    yield {"id": number, "label": "missing", "belongs": None, "airline": "UA"}


def poison_raw():
    """Documents no driver would write.  `belongs` "one": at most one tenant may ever see it."""
    for number, pair in enumerate((("UA", "DL"), ("DL", "UA"), ("UA", ["DL"])), 101):
        yield raw_document(("tenant_id", pair[0]), ("id", number), ("label", "twice %d" % number),
                           ("belongs", "one"), ("airline", "UA"), ("tenant_id", pair[1]))
    body = (bson.encode({"id": 110, "label": "symbol", "belongs": "one", "airline": "UA"})[4:-1] + symbol("tenant_id", "UA"))
    yield RawBSONDocument(struct.pack("<i", len(body) + 5) + body + b"\x00")


def nested():
    cases = [
        ("good UA", {"org": {"tenant": "UA"}}, "UA"), ("good DL", {"org": {"tenant": "DL"}}, "DL"),
        ("array on the way", {"org": [{"tenant": "UA"}, {"tenant": "DL"}]}, None),
        ("array of one on the way", {"org": [{"tenant": "UA"}]}, None),
        ("array at the end", {"org": {"tenant": ["UA", "DL"]}}, None),
        ("missing leaf", {"org": {}}, None), ("missing all", {}, None), ("null leaf", {"org": {"tenant": None}}, None),
        ("scalar on the way", {"org": "UA"}, None), ("null on the way", {"org": None}, None),
        ("deeper", {"org": {"tenant": {"tenant": "UA"}}}, None),
        ("index as a name", {"org": {"0": {"tenant": "UA"}}}, None),
        ("tenant at the top", {"tenant": "UA", "tenant_id": "UA"}, None),
    ]
    for number, (label, body, belongs) in enumerate(cases, 1):
        yield {"id": number, "label": label, "belongs": belongs, **body}


def folded():
    for number, tenant in enumerate(("UA", "ua", "Ua", "DL", "dl", "\u00dcA"), 1):
        yield {"tenant_id": tenant, "id": number, "label": tenant, "belongs": tenant}


# ---- nycflights13 -----------------------------------------------------------------------------

def number(text):
    return None if text in ("NA", "") else int(float(text)) if float(text).is_integer() else float(text)


def text_or_null(text):
    return None if text in ("NA", "") else text


def rows_of(name):
    with open(os.path.join(DATA, name + ".csv"), newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            row.pop("", None)
            yield row


def airlines():
    for row in rows_of("airlines"):
        yield {"_id": row["carrier"], "carrier": row["carrier"], "name": row["name"]}


def planes():
    for row in rows_of("planes"):
        yield {"tailnum": row["tailnum"], "year": number(row["year"]), "type": text_or_null(row["type"]),
               "manufacturer": text_or_null(row["manufacturer"]), "model": text_or_null(row["model"]),
               "engines": number(row["engines"]), "seats": number(row["seats"]),
               "engine": text_or_null(row["engine"])}


def airports():
    for row in rows_of("airports"):
        yield {"faa": row["faa"], "name": row["name"], "alt": number(row["alt"]), "tzone": text_or_null(row["tzone"]),
               "location": {"type": "Point", "coordinates": [float(row["lon"]), float(row["lat"])]}}


FLIGHT_NUMBERS = ("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time",
                  "sched_arr_time", "arr_delay", "flight", "air_time", "distance", "hour", "minute")


def flights(wanted=lambda row: True):
    for row in rows_of("flights"):
        if not wanted(row):
            continue
        document = {"carrier": row["carrier"], "tailnum": text_or_null(row["tailnum"]),
                    "origin": row["origin"], "dest": row["dest"]}
        for name in FLIGHT_NUMBERS:
            document[name] = number(row[name])
        document["time_hour"] = datetime.datetime.strptime(
            row["time_hour"][:19].replace("T", " "), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        yield document


def few_days(row):
    return row["month"] == "1" and int(row["day"]) <= 5


# ---- loading ----------------------------------------------------------------------------------

INDEXES = {
    "accounts": [[("tenant_id", 1), ("id", 1)]],
    "typed": [[("tenant_id", 1), ("id", 1)]],
    "flights": [[("carrier", 1), ("month", 1), ("day", 1)]],
    "planes": [[("tailnum", 1)]],
}

CONTENT = {
    "accounts": accounts, "typed": typed, "measures": measures, "mismatch": mismatch, "poison": poison, "nested": nested,
    "folded": folded, "airlines": airlines, "planes": planes, "airports": airports,
    "flights": lambda: flights(few_days),
}


def insert(collection, documents, batch_size=5000, progress=None):
    """Insert in batches; `progress` is called with the number of documents so far."""
    batch, total = [], 0
    for document in documents:
        batch.append(document)
        if len(batch) == batch_size:
            collection.insert_many(batch, ordered=False)
            total += len(batch)
            batch = []
            if progress:
                progress(total)
    if batch:
        collection.insert_many(batch, ordered=False)
        total += len(batch)
        if progress:
            progress(total)
    return total


def insert_taken(collection, documents):
    """Those that the engine takes; how many they are."""
    taken = 0
    for document in documents:
        try:
            collection.insert_one(document)
            taken += 1
        except pymongo.errors.PyMongoError:
            pass
    return taken


def representation(database, name):
    """Python UUIDs are written as BinData 4."""
    options = bson.codec_options.CodecOptions(uuid_representation=UuidRepresentation.STANDARD)
    return database.get_collection(name, codec_options=options)


def load(database, names=None):
    """Load collections (all, when `names` is None); what was there under these names is dropped."""
    for name in names or CONTENT:
        database.drop_collection(name)
        if name == "folded":
            try:
                database.create_collection(name, collation={"locale": "en", "strength": 1})
            except pymongo.errors.OperationFailure:
                pass  # a server without default collations: then bytes are compared anyway
        collection = representation(database, name)
        insert(collection, CONTENT[name]())
        if name == "poison":
            load_raw(collection)
        for keys in INDEXES.get(name, ()):
            collection.create_index(keys)


def load_raw(collection):
    """One by one: a server may refuse such a document, and then cannot show it to anybody."""
    for document in poison_raw():
        try:
            collection.insert_one(document)
        except pymongo.errors.PyMongoError:
            pass


def load_flights(database, months=None, progress=None):
    """All flights of nycflights13, or of the first `months` months."""
    database.drop_collection("flights")
    wanted = (lambda row: True) if months is None else (lambda row: int(row["month"]) <= months)
    total = insert(database["flights"], flights(wanted), progress=progress)
    for keys in INDEXES["flights"]:
        database["flights"].create_index(keys)
    return total


def carrier_counts(wanted=few_days):
    """Flights per carrier as the CSV has them, counted without any database."""
    counts = {}
    for row in rows_of("flights"):
        if wanted(row):
            counts[row["carrier"]] = counts.get(row["carrier"], 0) + 1
    return counts


def main():
    with pymongo.MongoClient(os.environ["MTF_URI"], username=os.environ.get("MTF_MONGO_USER"),
                             password=os.environ.get("MTF_MONGO_PASSWORD")) as client:
        load(client[sys.argv[1]], sys.argv[2:] or None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
