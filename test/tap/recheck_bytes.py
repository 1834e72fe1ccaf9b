"""mtf_recheck_document against a plain reading of the BSON specification: whose document is it?

Hand-made cases first, then random documents in long sequences (the recheck learns the order of fields
as it goes), among them broken ones: byte flips, truncations, wrong lengths.  The probe is built with
AddressSanitizer and UBSan.
"""
import os
import random
import struct
import subprocess
import sys
import uuid

import bson
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

import servers
from seeds import seed
from tap import ok, is_, diag, done

ROOT = servers.ROOT
OID = "5f0000000000000000000a01"
UUID = uuid.UUID("12345678-1234-4234-8234-123456789abc")


def build(name, *flags):
    out = os.path.join(ROOT, "build", "test")
    os.makedirs(out, exist_ok=True)
    program = os.path.join(out, name)
    include = subprocess.check_output([os.environ.get("PG_CONFIG") or "pg_config", "--includedir-server"], text=True).strip()
    cflags = subprocess.check_output("pkg-config --cflags bson2 2>/dev/null || pkg-config --cflags libbson-1.0", shell=True, text=True).split()
    libs = subprocess.check_output("pkg-config --libs bson2 2>/dev/null || pkg-config --libs libbson-1.0", shell=True, text=True).split()
    sources = ["src/tenant/recheck.c", "src/base/guard.c", "src/base/bson_raw.c", "src/base/bson_order.c", "test/fuzz/shim.c", "test/modules/recheck_probe/recheck_probe.c"]
    command = ["cc", "-std=gnu11", "-g", "-D_GNU_SOURCE", *flags, "-I" + os.path.join(ROOT, "src"), "-I" + include, *cflags,
               *[os.path.join(ROOT, source) for source in sources], "-o", program, "-ffunction-sections",
               "-Wl,--gc-sections", *libs]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode != 0:
        raise RuntimeError(made.stderr)
    return program


class Probe:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, line):
        self.process.stdin.write(line + "\n")

    def answer(self):
        self.process.stdin.flush()
        line = self.process.stdout.readline().rstrip("\n")
        if not line:
            raise RuntimeError("the probe ended")
        return line

    def new(self, field, kind="string", value="UA", array=False):
        text = {"string": lambda: value.encode().hex(), "int": lambda: str(value),
                "objectid": lambda: value, "uuid": lambda: value.bytes.hex()}[kind]()
        self.say("new %s %s %s %s" % (field, "array" if array else "scalar", kind, text))

    def ask(self, document):
        self.say("doc " + document.hex())
        return self.answer()


# ---- the reference: a document is a list of (type, name, value) or nothing ------------------------

class Broken(Exception):
    pass


FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0xFF: 0, 0x7F: 0}


def cstring(data, at):
    end = data.find(b"\0", at)
    if end < 0:
        raise Broken
    return data[at:end], end + 1


def length(data, at, least):
    if at + 4 > len(data):
        raise Broken
    value = struct.unpack_from("<I", data, at)[0]
    if value < least:
        raise Broken
    return value


def elements(document):
    if len(document) < 5 or struct.unpack_from("<I", document)[0] != len(document) or document[-1] != 0:
        raise Broken
    data, at, found = document[:-1], 4, []
    while at < len(data):
        kind = data[at]
        name, at = cstring(data, at + 1)
        if kind in FIXED:
            end = at + FIXED[kind]
        elif kind in (0x02, 0x0D, 0x0E):
            end = at + 4 + length(data, at, 1)
        elif kind in (0x03, 0x04, 0x0F):
            end = at + length(data, at, 5)
        elif kind == 0x05:
            end = at + 5 + length(data, at, 0)
        elif kind == 0x0C:
            end = at + 16 + length(data, at, 1)
        elif kind == 0x0B:
            end = cstring(data, cstring(data, at)[1])[1]
        else:
            raise Broken
        if end > len(data):
            raise Broken
        found.append((kind, name, data[at:end]))
        at = end
    return found


def images(kind, value):
    if kind == "string":
        raw = value.encode()
        return {(0x02, struct.pack("<I", len(raw) + 1) + raw + b"\0")}
    if kind == "int":
        both = {(0x12, struct.pack("<q", value))}
        if -2**31 <= value < 2**31:
            both.add((0x10, struct.pack("<i", value)))
        return both
    if kind == "objectid":
        return {(0x07, bytes.fromhex(value))}
    return {(0x05, struct.pack("<IB", 16, 4) + value.bytes)}


def belongs(document, field, kind, value, array):
    """Exactly one value at the path, through documents only, of exactly these bytes."""
    try:
        wanted = images(kind, value)
        segments = field.encode().split(b".")
        for i, segment in enumerate(segments):
            same = [(t, v) for t, name, v in elements(document) if name == segment]
            if len(same) != 1:
                return False
            t, v = same[0]
            if i + 1 < len(segments):
                if t != 0x03:
                    return False
                document = v
        if array:
            return t == 0x04 and any((et, ev) in wanted for et, _, ev in elements(v))
        return (t, v) in wanted
    except Broken:
        return False


# ---- documents ----------------------------------------------------------------------------------

def raw(*items):
    """A document of (name, value) pairs, in this order, names repeated if they are."""
    body = b"".join(bson.encode({name: value} if name != "" else {"": value})[4:-1] for name, value in items)
    return struct.pack("<I", len(body) + 5) + body + b"\0"


def value_of(rng, depth, names):
    simple = [lambda: rng.choice(("UA", "DL", "ua", "UA\0", "", "U", "UAA")), lambda: rng.choice((7, 8, -1, 2**31 - 1)),
              lambda: Int64(rng.choice((7, 8, 2**40))), lambda: rng.choice((7.0, float("nan"))), lambda: None, lambda: True,
              lambda: ObjectId(rng.choice((OID, OID[:-1] + "2"))), lambda: Decimal128("7"), lambda: Binary(b"x" * rng.randrange(20), rng.choice((0, 2, 3, 4))),
              lambda: Binary(UUID.bytes, rng.choice((3, 4))), lambda: Regex("a", "i"), lambda: Timestamp(7, 1), lambda: MinKey(),
              lambda: MaxKey(), lambda: Code("x"), lambda: Code("x", {"t": "UA"}), lambda: bytes(5)]
    roll = rng.random()
    if depth > 0 and roll < 0.2:
        return bson.raw_bson.RawBSONDocument(document_of(rng, depth - 1, names))
    if depth > 0 and roll < 0.4:
        return [value_of(rng, 0, names) for _ in range(rng.randrange(4))]
    return rng.choice(simple)()


def document_of(rng, depth, names):
    chosen = [rng.choice(names) for _ in range(rng.randrange(9))]
    if rng.random() < 0.7:
        chosen = [name for i, name in enumerate(chosen) if name not in chosen[:i]]
    return raw(*[(name, value_of(rng, depth, names)) for name in chosen])


def break_it(rng, document):
    data = bytearray(document)
    roll = rng.random()
    if roll < 0.5:
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.choice((0, 1, 2, 3, 4, 5, 0x10, 0x7F, 0xFF, rng.randrange(256)))
    elif roll < 0.7:
        del data[rng.randrange(len(data)):]
    elif roll < 0.85:
        data[rng.randrange(len(data)):] = b""
        data = data[:-1] + b"\0" if data else data
        data[0:4] = struct.pack("<I", len(data)) if len(data) >= 4 else data[0:4]
    else:
        struct.pack_into("<I", data, rng.randrange(max(1, len(data) - 4)), rng.choice((0, 1, 2**31, 2**32 - 1, 2**32 - 5)))
    return bytes(data)


# ---- cases ----------------------------------------------------------------------------------------

def cases(probe):
    doc = bson.encode
    for name, new, good, bad in (
        ("string", {"field": "t"}, [doc({"t": "UA"}), doc({"a": 1, "t": "UA", "b": [1]}), doc({"x": {"t": "DL"}, "t": "UA"})],
         [doc({}), doc({"t": "DL"}), doc({"t": "ua"}), doc({"t": "UA "}), doc({"t": "UA\0"}), doc({"t": "U"}), doc({"t": None}),
          doc({"t": ["UA"]}), doc({"t": ["UA", "DL"]}), doc({"t": {"t": "UA"}}), doc({"T": "UA"}), doc({"tt": "UA"}),
          raw(("t", "UA"), ("t", "UA")), raw(("t", "UA"), ("t", "DL")), raw(("t", "DL"), ("t", "UA")), doc({"t": Code("UA")}),
          doc({"t": Binary(b"UA", 0)}), doc({"t": Regex("UA")})]),
        ("path", {"field": "a.b"}, [doc({"a": {"b": "UA"}}), doc({"a.b": "DL", "a": {"c": 1, "b": "UA"}})],
         [doc({"a.b": "UA"}), doc({"a": [{"b": "UA"}]}), doc({"a": {"b": ["UA"]}}), doc({"a": "UA"}), doc({"b": "UA"}),
          raw(("a", {"b": "UA"}), ("a", {"b": "UA"})), doc({"a": bson.raw_bson.RawBSONDocument(raw(("b", "UA"), ("b", "DL")))}),
          doc({"a": {"b": {"b": "UA"}}}), doc({"a": {}}), doc({"a": None})]),
        ("int", {"field": "t", "kind": "int", "value": 7}, [doc({"t": 7}), doc({"t": Int64(7)})],
         [doc({"t": 7.0}), doc({"t": Decimal128("7")}), doc({"t": "7"}), doc({"t": 8}), doc({"t": True}), doc({"t": Timestamp(0, 7)}),
          doc({"t": Int64(7 + 2**32)})]),
        ("big int", {"field": "t", "kind": "int", "value": 2**33 + 7}, [doc({"t": 2**33 + 7})], [doc({"t": 7}), doc({"t": Int64(7)})]),
        ("negative int", {"field": "t", "kind": "int", "value": -7}, [doc({"t": -7}), doc({"t": Int64(-7)})], [doc({"t": 7}), doc({"t": 2**32 - 7})]),
        ("objectid", {"field": "t", "kind": "objectid", "value": OID}, [doc({"t": ObjectId(OID)})],
         [doc({"t": OID}), doc({"t": ObjectId(OID[:-1] + "2")}), doc({"t": Binary(bytes.fromhex(OID), 0)})]),
        ("uuid", {"field": "t", "kind": "uuid", "value": UUID}, [doc({"t": Binary(UUID.bytes, 4)})],
         [doc({"t": Binary(UUID.bytes, 3)}), doc({"t": str(UUID)}), doc({"t": Binary(UUID.bytes, 0)}), doc({"t": Binary(UUID.bytes + b"x", 4)})]),
        ("array", {"field": "t", "array": True}, [doc({"t": ["UA"]}), doc({"t": ["DL", "UA"]}), doc({"t": [1, None, {"t": 1}, "UA"]})],
         [doc({"t": "UA"}), doc({"t": []}), doc({"t": ["DL"]}), doc({"t": [["UA"]]}), doc({"t": [{"t": "UA"}]}), doc({"t": {"0": "UA"}}),
          raw(("t", ["UA"]), ("t", ["UA"]))]),
    ):
        probe.new(**new)
        # Twenty rounds: after some the order of fields is a learned one.
        for attempt in (1, 20):
            for _ in range(attempt):
                verdicts = [probe.ask(document) for document in good]
                denials = [probe.ask(document) for document in bad]
            is_(verdicts, ["ok"] * len(good), "%s: its own documents, round %d" % (name, attempt))
            ok("ok" not in denials, "%s: %d that are not, round %d" % (name, len(bad), attempt)) or \
                diag([bad[i].hex() for i, answer in enumerate(denials) if answer == "ok"])


def differential(program, seed, rounds):
    rng = random.Random(seed)
    probe = Probe(program)
    settings = [("t", "string", "UA", False), ("t", "string", "UA", True), ("a.t", "string", "UA", False), ("t.t.t", "int", 7, False),
                ("a.t", "string", "UA", True), ("t", "int", 7, False), ("tenant_identifier", "objectid", OID, False),
                ("t", "uuid", UUID, False), ("account.tenant_identifier", "string", "UA", False)]
    wrong, asked, accepted = [], 0, 0
    for _ in range(rounds):
        field, kind, value, array = rng.choice(settings)
        segments = field.split(".")
        names = segments * 3 + ["a", "t", "ab", "t2", "long_field_name", "long_field_nam", "_id", "", "tenant_identifie"]
        probe.new(field, kind, value, array)
        template = document_of(rng, 2, names)
        good = {"string": "UA", "int": rng.choice((7, Int64(7))), "objectid": ObjectId(OID), "uuid": Binary(UUID.bytes, 4)}[kind]
        for _ in range(rng.randrange(5, 60)):
            roll = rng.random()
            document = template if roll < 0.3 else document_of(rng, 2, names)
            if roll > 0.4:
                # Plant the tenant, mostly once.
                planted = [good, "DL"] if array else good
                for segment in reversed(segments):
                    items = [(name, item) for name, item in bson.raw_bson.RawBSONDocument(document).items()] if rng.random() < 0.5 else []
                    items = [item for item in items if item[0] != segment or rng.random() < 0.1]
                    items.insert(rng.randrange(len(items) + 1), (segment, planted))
                    planted = bson.raw_bson.RawBSONDocument(raw(*items))
                document = planted.raw
            if rng.random() < 0.3:
                document = break_it(rng, document)
            asked += 1
            expected = belongs(document, field, kind, value, array)
            accepted += expected
            if (probe.ask(document) == "ok") != expected:
                wrong.append((field, kind, array, document.hex(), expected))
    ok(not wrong, "%d random documents, %d of them the tenant's (seed %d)" % (asked, accepted, seed)) or diag(wrong[:3])
    ok(accepted > asked / 20, "enough of them are")


sanitized = build("recheck_probe_asan", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
os.environ["ASAN_OPTIONS"] = "detect_leaks=0"
cases(Probe(sanitized))
differential(sanitized, seed(26), int(os.environ.get("MTF_ROUNDS") or 1500))
done()
