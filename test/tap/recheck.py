"""The recheck of what comes back: against a slow second opinion, while the order of fields keeps changing.

Documents come to one recheck in a row, so that what it learned from one is tried on the next.
"""
import os
import random
import struct

import bson
from bson.int64 import Int64

import probe
from seeds import seed
from tap import World, ok, is_, diag, done

SEED = seed(25)
RANDOM = random.Random(SEED)
DOCUMENTS = int(os.environ.get("MTF_FUZZ_ROUNDS", "20000"))


# ---- the second opinion ----------------------------------------------------------------------

class Invalid(Exception):
    pass


FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0xFF: 0, 0x7F: 0}


def value_size(kind, data, at, end):
    if kind in FIXED:
        size = FIXED[kind]
    elif kind == 0x0B:
        first = data.find(b"\0", at, end)
        second = data.find(b"\0", first + 1, end) if first >= 0 else -1
        if second < 0:
            raise Invalid
        size = second + 1 - at
    else:
        if end - at < 4:
            raise Invalid
        length = struct.unpack_from("<i", data, at)[0]
        if kind in (0x03, 0x04, 0x0F):
            size, least = length, 5
        elif kind in (0x02, 0x0D, 0x0E):
            size, least = length + 4, 5
        elif kind == 0x05:
            size, least = length + 5, 5
        elif kind == 0x0C:
            size, least = length + 16, 17
        else:
            raise Invalid
        if length < 0 or size < least:
            raise Invalid
    if size > end - at:
        raise Invalid
    return size


def elements(data):
    if len(data) < 5 or struct.unpack_from("<i", data)[0] != len(data) or data[-1] != 0:
        raise Invalid
    at, end, found = 4, len(data) - 1, []
    while at < end:
        kind = data[at]
        nul = data.find(b"\0", at + 1, end)
        if nul < 0:
            raise Invalid
        size = value_size(kind, data, nul + 1, end)
        found.append((data[at + 1:nul], kind, data[nul + 1:nul + 1 + size]))
        at = nul + 1 + size
    return found


def belongs(data, path, images, array):
    try:
        for i, segment in enumerate(path):
            named = [item for item in elements(data) if item[0] == segment]
            if len(named) != 1:
                return False
            kind, data = named[0][1:]
            if i + 1 < len(path) and kind != 0x03:
                return False
        if array:
            return kind == 0x04 and any(item[1:] in images for item in elements(data))
        return (kind, data) in images
    except Invalid:
        return False


# ---- documents -------------------------------------------------------------------------------

NAMES = ["a", "id", "tenant", "tenant_i", "tenant_id2", "xtenant_id", "name", "a_longer_name_than_sixteen", "n" * 40, "k7_____", "k8______"]


def element(name, value):
    return bson.encode({name: value})[4:-1]


def random_value():
    return RANDOM.choice((1, Int64(5), "UA", "text", 2.5, True, None, [1, "UA"], {"tenant_id": "UA"}, b"bytes",
                          bson.Regex("a", "i"), bson.ObjectId(), bson.Decimal128("1"), bson.MinKey()))


def random_document(field, tenants, order):
    parts = []
    for name in order:
        if RANDOM.random() < 0.9:
            parts.append(element(name, VALUES[name] if RANDOM.random() < 0.9 else random_value()))
    for _ in range(RANDOM.choices((0, 1, 2), (1, 20, 2))[0]):
        parts.insert(min(len(parts), POSITION[0] if RANDOM.random() < 0.8 else RANDOM.randrange(12)),
                     element(field, RANDOM.choice(tenants)))
    body = b"".join(parts)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


VALUES = {name: random_value() for name in NAMES}
POSITION = [2]


def mutated(data):
    data = bytearray(data)
    for _ in range(RANDOM.choice((0, 0, 0, 1, 2))):
        at = RANDOM.randrange(len(data))
        what = RANDOM.randrange(4)
        if what == 0:
            data[at] = RANDOM.randrange(256)
        elif what == 1:
            data[at] = 0
        elif what == 2 and at + 4 <= len(data):
            data[at:at + 4] = struct.pack("<I", RANDOM.choice((0, 1, 4, 5, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFB)))
        else:
            data = data[:max(at, 5)]
            data[-1] = 0
    if RANDOM.random() < 0.9:
        data[:4] = struct.pack("<i", len(data))
    return bytes(data)


def documents(field, tenants):
    order = list(NAMES)
    for i in range(DOCUMENTS):
        if RANDOM.random() < 0.01:
            RANDOM.shuffle(order)
            POSITION[0] = RANDOM.randrange(12)
        yield mutated(random_document(field, tenants, order))


def check(session, label, field, array, tenant, integer, values, path=None):
    images = {(element("x", tenant)[0], element("x", tenant)[3:])} if integer is None else {
        (0x10, struct.pack("<i", integer)), (0x12, struct.pack("<q", integer))}
    batch = list(documents(field.split(".")[0], values))
    verdicts = session.execute("SELECT decode_probe_recheck(%s, %s, %s, %s::bigint, %s)",
                               (field, array, tenant, integer, batch)).fetchone()[0]
    expected = [belongs(data, [part.encode() for part in field.split(".")], images, array) for data in batch]
    wrong = [(data, verdict) for data, verdict, right in zip(batch, verdicts, expected) if (verdict == "ok") != right]
    diag("%s: %d of %d belong" % (label, sum(expected), len(batch)))
    ok(not wrong and 0 < sum(expected) < len(batch), "%s: %d documents" % (label, len(batch)))
    for data, verdict in wrong[:3]:
        diag("%s %s" % (verdict, data.hex()))


def check_twice(session):
    """Two tenant fields, in every place, before and after the order with one was learned."""
    one = bson.encode({"a": 1, "tenant_id": "UA", "b": "x"})
    verdicts, batch = [], []
    for first in ("UA", "DL"):
        for second in ("UA", "DL", ["UA"], None):
            for parts in (("a", "t", "t2", "b"), ("t", "a", "b", "t2"), ("t2", "t", "a", "b"), ("a", "b", "t", "t2")):
                body = b"".join({"a": element("a", 1), "b": element("b", "x"), "t": element("tenant_id", first),
                                 "t2": element("tenant_id", second)}[part] for part in parts)
                batch += [one] * RANDOM.randrange(3) + [struct.pack("<i", len(body) + 5) + body + b"\0"]
    verdicts = session.execute("SELECT decode_probe_recheck('tenant_id', false, 'UA', NULL, %s)", (batch,)).fetchone()[0]
    is_({verdict for data, verdict in zip(batch, verdicts) if data != one}, {"it has the tenant field more than once"},
        "a document with the tenant field twice is nobody's")
    is_({verdict for data, verdict in zip(batch, verdicts) if data == one}, {"ok"}, "positive control: with one it is the tenant's")


with World(engine=False, objects=False) as world:
    diag("seed %d" % SEED)
    with probe.install(world) as session:
        wrong = ["DL", "ua", "UA ", "U", "", 1, None, ["UA"], {"tenant_id": "UA"}, bson.Code("UA")]
        check(session, "string", "tenant_id", False, "UA", None, ["UA"] * 10 + wrong)
        check(session, "integer", "tenant_id", False, "x", 7, [7, Int64(7)] * 5 + [7.0, "7", 8, True, [7], None])
        check(session, "array", "tenant_id", True, "UA", None, [["UA"], ["DL", "UA"], [1, "UA", None]] * 4 + wrong + [[], ["DL"], [["UA"]]])
        check(session, "dotted path", "org.tenant.id", False, "UA", None, [{"tenant": {"id": "UA"}}, {"x": 1, "tenant": {"y": 2, "id": "UA"}}] * 5 + [
            {"tenant": {"id": "DL"}}, {"tenant": [{"id": "UA"}]}, [{"tenant": {"id": "UA"}}], "UA", {"tenant": "UA"}, {}, {"tenant": {}}])
        check_twice(session)
done()
