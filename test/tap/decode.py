"""BSON to PostgreSQL, value by value: what fits which type, what does not, and that nothing crashes.

What must come is told by a second implementation of the rules in value.h, in Python and slow.
"""
import datetime
import decimal
import json
import os
import random
import struct
import uuid

import bson
import psycopg
from bson import json_util
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.binary import Binary

import probe
from seeds import seed
from tap import World, ok, is_, diag, throws, done

FUZZ_ROUNDS = int(os.environ.get("MTF_FUZZ_ROUNDS", "20000"))
SEED = seed(24)
RANDOM = random.Random(SEED)
EPOCH = datetime.datetime(1970, 1, 1)


# ---- documents, byte by byte -----------------------------------------------------------------

def element(kind, name, data):
    return bytes([kind]) + name.encode() + b"\0" + data


def document(*elements):
    body = b"".join(elements)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<i", len(data) + 1) + data + b"\0"


def double(number):
    return struct.pack("<d", number)


def int64(number):
    return struct.pack("<q", number)


def decimal128(text):
    return Decimal128(text).bid


def binary(subtype, data):
    return struct.pack("<iB", len(data), subtype) + data


def array(*items):
    return document(*(element(kind, str(i), data) for i, (kind, data) in enumerate(items)))


A_UUID = uuid.UUID("12345678-1234-4234-8234-123456789abc")
AN_ID = bytes.fromhex("5f0000000000000000000a01")
DOUBLE, STRING, OBJECT, ARRAY, BINARY, UNDEFINED, OBJECTID, BOOL, DATE, NULL, REGEX, DBPOINTER, CODE, SYMBOL, \
    SCOPE, INT32, TIMESTAMP, INT64, DECIMAL = range(1, 20)
MINKEY, MAXKEY = 0xFF, 0x7F
DAY = 86400000

# Every BSON type, and of each the values at which something could go wrong.
HOSTILE = [
    *((DOUBLE, double(x)) for x in (
        0.0, -0.0, 1.0, -1.0, 0.1, 5.5, 12.34, 1234567.891, 32767.0, 32768.0, -32769.0, 2147483648.0, 2.0 ** 53,
        -2.0 ** 63, 2.0 ** 63, 1e15, 1e16, 123456789012345680.0, 1e22, 1e300, 5e-324, 1e-7, 3.4028235e38,
        3.5e38, 1e-46, float("inf"), float("-inf"), float("nan"))),
    *((STRING, string(x)) for x in (
        "", "a", "1", "ab  ", "  ", "abcde", "caf\u00e9", "\U0001f6eb", "$where", "x" * 20, "x" * 21, "1234567",
        "12345678", "é" * 20, "\uffff", "a" * 3000, b"nul\0inside", b"\0", b"bad\xff", b"\xc3", b"\xed\xa0\x80",
        b"12345678\xff", b"1234567\0", b"\xc0\x80")),
    (OBJECT, document()), (OBJECT, document(element(INT32, "a", struct.pack("<i", 1)))),
    (ARRAY, array()), (ARRAY, array((INT32, struct.pack("<i", 7)))), (ARRAY, array((STRING, string("x")))),
    (ARRAY, array((NULL, b""), (INT32, struct.pack("<i", 7)), (UNDEFINED, b""))),
    (ARRAY, array((INT32, struct.pack("<i", 7)), (STRING, string("x")))),
    (ARRAY, array((ARRAY, array((INT32, struct.pack("<i", 7)))))),
    (BINARY, binary(0, b"")), (BINARY, binary(0, b"\x00\x01\xff")), (BINARY, binary(0, A_UUID.bytes)),
    (BINARY, binary(2, struct.pack("<i", 3) + b"old")), (BINARY, binary(3, A_UUID.bytes)),
    (BINARY, binary(4, A_UUID.bytes)), (BINARY, binary(4, b"short")), (BINARY, binary(5, b"\0" * 16)),
    (BINARY, binary(0x80, b"user")),
    (UNDEFINED, b""), (OBJECTID, AN_ID), (OBJECTID, b"\0" * 12), (BOOL, b"\0"), (BOOL, b"\1"),
    *((DATE, int64(x)) for x in (
        0, -1, 1, 999, 1000, DAY, -DAY, -DAY - 1, 1357095845678, 253402300799999, 253402300800000,
        -62135596800000, -62167219200001, -210866803200000, -210866803200001, -210866803200000 - DAY,
        9224318015999999, 9224318016000000, 185331720383999999, 185331720384000000, 2 ** 63 - 1, -2 ** 63)),
    (NULL, b""), (REGEX, b"^a\0i\0"), (DBPOINTER, string("db.c") + AN_ID), (CODE, string("f()")),
    (SYMBOL, string("sym")), (SCOPE, None),
    *((INT32, struct.pack("<i", x)) for x in (0, 1, -1, 32767, 32768, -32768, -32769, 2 ** 31 - 1, -2 ** 31)),
    (TIMESTAMP, struct.pack("<II", 3, 1500000000)),
    *((INT64, int64(x)) for x in (0, 5, 2 ** 31 - 1, 2 ** 31, -2 ** 31 - 1, 2 ** 53 + 1, 10 ** 18, 2 ** 63 - 1, -2 ** 63)),
    *((DECIMAL, decimal128(x)) for x in (
        "0", "-0", "0E-6176", "0E+6111", "1", "-1", "0.1", "5.0", "5.00000000000000000000", "12.340", "99.995",
        "32767", "32768.0", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1E+3", "1E+20",
        "9.999999999999999999999999999999999E+6144", "1E-6176", "1E-400", "1E+400", "123456789.123456789",
        "9999999999999999999999999999999999", "-0.000000000000000000000000000000001", "1000000000000000000",
        "999999999999999999.9", "NaN", "-NaN", "Infinity", "-Infinity")),
    # A coefficient above 10^34-1 is not canonical and counts as zero.
    (DECIMAL, b"\xff" * 15 + b"\x60"), (DECIMAL, b"\xff" * 12 + bytes([0xff, 0xed, 0x41, 0x30])),
    (MINKEY, b""), (MAXKEY, b""),
]
HOSTILE = [(kind, struct.pack("<i", 4 + len(string("f()")) + 5) + string("f()") + document()) if data is None
           else (kind, data) for kind, data in HOSTILE]


# ---- the rules once more ---------------------------------------------------------------------

class Misfit(Exception):
    pass


CONTEXT = decimal.Context(prec=20000, Emax=999999, Emin=-999999)


def exact(kind, data):
    """A BSON number as Decimal (with its scale), or a float that is no number."""
    if kind == INT32:
        return decimal.Decimal(struct.unpack("<i", data)[0])
    if kind == INT64:
        return decimal.Decimal(struct.unpack("<q", data)[0])
    if kind == DOUBLE:
        number = struct.unpack("<d", data)[0]
        if number != number or number in (float("inf"), float("-inf")):
            return number
        shortest = decimal.Decimal(repr(number))
        return CONTEXT.create_decimal(int(number)) if shortest == shortest.to_integral_value() and abs(number) < 1e300 \
            and number == int(number) and decimal.Decimal(int(number)) == shortest else shortest
    if kind == DECIMAL:
        high = struct.unpack("<Q", data[8:])[0]
        finite = (high >> 59) & 15 != 15
        if finite and (high >> 61) & 3 == 3:  # not canonical: zero, of the same scale
            return decimal.Decimal((0, (0,), ((high >> 47) & 0x3FFF) - 6176))
        if finite and ((high & (1 << 49) - 1) << 64) + struct.unpack("<Q", data[:8])[0] >= 10 ** 34:
            return decimal.Decimal((0, (0,), ((high >> 49) & 0x3FFF) - 6176))
        number = Decimal128.from_bid(data).to_decimal()
        if number.is_nan():
            return float("nan")
        return float(number) if number.is_infinite() else number
    raise Misfit


def whole(bits):
    def convert(kind, data):
        number = struct.unpack("<d", data)[0] if kind == DOUBLE else exact(kind, data)
        if number != number or number in (float("inf"), float("-inf")) or int(number) != number:
            raise Misfit
        if not -2 ** (bits - 1) <= int(number) < 2 ** (bits - 1):
            raise Misfit
        return int(number)
    return convert


def float8(kind, data):
    if kind == DOUBLE:
        return struct.unpack("<d", data)[0]
    number = exact(kind, data)
    result = float(number)
    if number == number and (abs(result) == float("inf")) != (isinstance(number, float)):
        raise Misfit
    if result == 0 and number != 0:
        raise Misfit
    return result


def float4(kind, data):
    wide = float8(kind, data)
    try:
        narrow = struct.unpack("<f", struct.pack("<f", wide))[0]
    except OverflowError:
        raise Misfit
    if narrow == 0 and wide != 0 or abs(narrow) == float("inf") and abs(wide) != float("inf"):
        raise Misfit
    return narrow


def numeric(kind, data):
    number = exact(kind, data)
    if isinstance(number, float):
        number = decimal.Decimal(number)
    if number.is_infinite() and not numeric.has_infinity:
        raise Misfit
    if not number.is_finite():
        return number
    return abs(number) if number == 0 else number


def numeric_10_2(kind, data):
    number = numeric(kind, data)
    if number.is_nan():
        return number
    if number.is_infinite():
        raise Misfit
    rounded = number.quantize(decimal.Decimal("0.01"), context=CONTEXT)
    if rounded != number or abs(rounded) >= 10 ** 8:
        raise Misfit
    return rounded


def text(kind, data, limit=None):
    if kind != STRING:
        raise Misfit
    try:
        result = data[4:-1].decode()
    except UnicodeDecodeError:
        raise Misfit
    if "\0" in result or limit is not None and len(result) > limit:
        raise Misfit
    return result


def only(wanted, convert):
    def check(kind, data):
        if kind != wanted:
            raise Misfit
        return convert(data)
    return check


def objectid(data):
    return data.hex()


def milliseconds(data):
    return struct.unpack("<q", data)[0]


def day(data):
    number = milliseconds(data) // DAY
    if not -2440588 <= number < 2145031948 + 1 or number >= 2147483494 - 2440588:
        raise Misfit
    return number


def timestamp(data):
    number = milliseconds(data)
    if not -210866803200000 <= number < 9224318016000000:
        raise Misfit
    return number


def uuid4(data):
    if data[4] != 4 or len(data) != 21:
        raise Misfit
    return uuid.UUID(bytes=data[5:])


def bytea(data):
    if data[4] != 0:
        raise Misfit
    return data[5:]


def bson_array(convert):
    def elements(kind, data):
        if kind != ARRAY:
            raise Misfit
        raw, at, result = data[4:-1], 0, []
        while at < len(raw):
            name_end = raw.index(b"\0", at)
            size = size_of(raw[at], raw[name_end + 1:])
            item = raw[name_end + 1:name_end + 1 + size]
            result.append(None if raw[at] in (NULL, UNDEFINED) else convert(raw[at], item))
            at = name_end + 1 + size
        return result
    return elements


def size_of(kind, data):
    fixed = {DOUBLE: 8, OBJECTID: 12, BOOL: 1, DATE: 8, INT32: 4, TIMESTAMP: 8, INT64: 8, DECIMAL: 16, NULL: 0,
             UNDEFINED: 0, MINKEY: 0, MAXKEY: 0}
    if kind in fixed:
        return fixed[kind]
    length = struct.unpack("<i", data[:4])[0]
    return length if kind in (OBJECT, ARRAY, SCOPE) else length + 4 + (kind == BINARY)


# Column type, its options, the expression that makes the result comparable, the rule.
DAYS = "(v - date '1970-01-01')"
# In two parts: on PostgreSQL 13 extract() is a double.
MILLISECONDS = ("(extract(epoch from date_trunc('hour', v))::numeric * 1000"
                " + (extract(epoch from v - date_trunc('hour', v)) * 1000)::numeric(30, 0))::numeric(30, 0)")
COLUMNS = [
    ("boolean", "", "v", only(BOOL, lambda data: data == b"\1")),
    ("smallint", "", "v", whole(16)),
    ("integer", "", "v", whole(32)),
    ("bigint", "", "v", whole(64)),
    ("real", "", "v::float8", float4),
    ("double precision", "", "v", float8),
    ("numeric", "", "v::text", numeric),
    ("numeric(10,2)", "", "v::text", numeric_10_2),
    ("text", "", "v", text),
    ("varchar", "", "v", text),
    ("varchar(20)", "", "v", lambda kind, data: text(kind, data, 20)),
    ("char(4)", "", "v || '|'", lambda kind, data: text(kind, data, 4)),
    ("date", "", DAYS, only(DATE, day)),
    ("timestamp", "", MILLISECONDS, only(DATE, timestamp)),
    ("timestamptz", "", MILLISECONDS, only(DATE, timestamp)),
    ("uuid", "", "v", only(BINARY, uuid4)),
    ("bytea", "", "v", only(BINARY, bytea)),
    ("text", "bson_type 'objectid'", "v", only(OBJECTID, objectid)),
    ("varchar(20)", "bson_type 'objectid'", "v", only(OBJECTID, lambda data: misfit())),
    ("integer[]", "", "v", bson_array(whole(32))),
    ("text[]", "", "v", bson_array(text)),
    ("varchar(20)[]", "", "v", bson_array(lambda kind, data: text(kind, data, 20))),
    ("numeric[]", "", "v::text[]", bson_array(numeric)),
    ("double precision[]", "", "v", bson_array(float8)),
]


def misfit():
    raise Misfit


def comparable(value):
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, (decimal.Decimal, float)):
        number = decimal.Decimal(value)
        return "NaN" if number.is_nan() else number
    return value


def normal(kind, value):
    """What came as what was expected: numbers as Decimal, with their scale when it is numeric."""
    if value is None or "numeric" not in kind:
        return comparable(value)
    if isinstance(value, list):
        return [normal(kind, item) for item in value]
    number = decimal.Decimal(value)
    return str(number) if not number.is_finite() else (number, max(0, -number.as_tuple().exponent))


def check_column(session, kind, options, expression, rule):
    column = "v %s %s" % (kind, "OPTIONS (%s)" % options if options else "")
    strict = probe.table(session, column)
    lenient = probe.table(session, column, "on_mismatch 'null'")
    wrong = []
    for bson_type, data in HOSTILE:
        doc = document(element(bson_type, "v", data))
        try:
            expected = None if bson_type in (NULL, UNDEFINED) else rule(bson_type, data)
            if kind.startswith("char(") and expected is not None:
                expected = expected.rstrip(" ") + "|"
            fits = True
        except Misfit:
            expected, fits = None, False
        got = probe.value(session, lenient, doc, expression)
        if normal(kind, got) != normal(kind, expected):
            wrong.append((bson_type, data[:40], got, expected))
        try:
            probe.value(session, strict, doc, "count(v)")
            if not fits:
                wrong.append((bson_type, data[:40], "no error", "a misfit"))
        except psycopg.Error as error:
            if fits or not error.sqlstate.startswith("22") or 'column "v"' not in str(error):
                wrong.append((bson_type, data[:40], error.sqlstate, str(error)))
    ok(not wrong, "%s %s: %d hostile values, under on_mismatch error and null" % (kind, options, len(HOSTILE)))
    for line in wrong[:5]:
        diag(repr(line))


# ---- jsonb -----------------------------------------------------------------------------------

PLAIN = [
    (ObjectId(AN_ID), AN_ID.hex()), (Binary(A_UUID.bytes, 4), str(A_UUID)), (Binary(b"\0\1\xff", 5), "AAH/"),
    (b"", ""), (b"a", "YQ=="), (b"ab", "YWI="), (5.0, 5), (0.1, 0.1), (float("nan"), "NaN"),
    (float("-inf"), "-Infinity"), (Decimal128("1.50"), 1.5), (Decimal128("Infinity"), "Infinity"),
    (Int64(2 ** 63 - 1), 2 ** 63 - 1), (True, True), (None, None), ("caf\u00e9", "caf\u00e9"),
    (datetime.datetime(2013, 1, 2, 3, 4, 5, 678000), "2013-01-02T03:04:05.678Z"),
    (datetime.datetime(1, 1, 1), "0001-01-01T00:00:00Z"), (datetime.datetime(2000, 2, 29), "2000-02-29T00:00:00Z"),
    ([1, [2, {"a": []}]], [1, [2, {"a": []}]]), ({}, {}), ({"": {"": None}}, {"": {"": None}}),
    (bson.Regex("^a", "i"), {"$regularExpression": {"pattern": "^a", "options": "i"}}),
    (bson.Timestamp(5, 6), {"$timestamp": {"t": 5, "i": 6}}), (bson.MinKey(), {"$minKey": 1}),
    (bson.MaxKey(), {"$maxKey": 1}), (bson.Code("f()"), {"$code": "f()"}),
    (bson.Code("f()", {"x": 1}), {"$code": "f()", "$scope": {"x": 1}}),
    (bson.DatetimeMS(253402300800000), "+010000-01-01T00:00:00Z"), (bson.DatetimeMS(-62167219200001), "-000001-12-31T23:59:59.999Z"),
    (bson.DatetimeMS(2 ** 63 - 1), "+292278994-08-17T07:12:55.807Z"),
    (bson.DatetimeMS(-2 ** 63), "-292275055-05-16T16:47:04.192Z"),
]


def check_jsonb(session):
    plain = probe.table(session, "v jsonb")
    extended = probe.table(session, "v jsonb, w jsonb OPTIONS (path '.')", "json_format 'extended'")
    wrong = []
    for value, expected in PLAIN:
        got = probe.value(session, plain, bson.encode({"v": value}), "v")
        if got != expected or type(got) is not type(expected) and not isinstance(expected, float):
            wrong.append((value, got, expected))
    ok(not wrong, "json_format plain: %d values" % len(PLAIN))
    for line in wrong[:5]:
        diag(repr(line))
    wrong = []
    for value, _ in PLAIN:
        doc = bson.encode({"v": value})
        # pymongo's own writer of relaxed Extended JSON; it writes dates before 1970 and large ones as this does.
        expected = json.loads(json_util.dumps(bson.decode(doc, bson.CodecOptions(
            datetime_conversion=bson.DatetimeConversion.DATETIME_MS if isinstance(value, bson.DatetimeMS)
            else bson.DatetimeConversion.DATETIME)), json_options=json_util.RELAXED_JSON_OPTIONS))
        got = session.execute("SELECT p.* FROM decode_probe(NULL::%s, %%s) p" % extended, (doc,)).fetchone()
        if (got[0], got[1]) != (None if value is None else expected["v"], expected):
            wrong.append((value, got, expected))
    ok(not wrong, "json_format extended agrees with pymongo's writer: %d values" % len(PLAIN))
    for line in wrong[:5]:
        diag(repr(line))
    is_(probe.value(session, extended, bson.encode({"v": 5.0}), "v::text"), "5.0", "extended keeps 5.0 a double")
    twice = document(element(INT32, "k", struct.pack("<i", 1)), element(INT32, "k", struct.pack("<i", 2)))
    is_(probe.value(session, plain, document(element(OBJECT, "v", twice)), "v"), {"k": 1},
        "the first of two equal keys counts in jsonb")
    keys = {"k%d" % i if i % 3 else "x" * (i % 40) + str(i): i for i in RANDOM.sample(range(3000), 3000)}
    is_(probe.value(session, plain, bson.encode({"v": keys}), "v"), keys, "3,000 keys of many lengths")
    is_(probe.value(session, plain, bson.encode({"v": keys}), "v = v::text::jsonb"), True,
        "jsonb is stored as jsonb's own input stores it")
    for bad in (b"nul\0inside", b"bad\xff"):
        throws("22021", lambda: probe.rows(session, plain, document(element(STRING, "v", string(bad)))),
               "a string that PostgreSQL cannot hold is a misfit in jsonb: %r" % bad)
    throws("22021", lambda: probe.rows(session, plain, document(element(
        OBJECT, "v", document(bytes([NULL]) + b"\xff\0")))), "so is such a key")
    deep = document()
    for _ in range(100000):
        deep = document(element(OBJECT, "d", deep)) if len(deep) < 700000 else deep
    throws("54001", lambda: probe.rows(session, plain, document(element(OBJECT, "v", deep))),
           "nesting too deep is an error, not a crash")


# ---- paths -----------------------------------------------------------------------------------

def check_paths(session):
    name = probe.table(session, """a jsonb, ab integer OPTIONS (path 'a.b'), ab2 bigint OPTIONS (path 'a.b'),
        abc integer OPTIONS (path 'a.b.c'), t0 text OPTIONS (path 't.0'), t1x integer OPTIONS (path 't.1.x'),
        t01 text OPTIONS (path 't.01'), w jsonb OPTIONS (path '.')""", "on_mismatch 'null'")
    strict = probe.table(session, "ab integer OPTIONS (path 'a.b')")

    def row(doc):
        return probe.rows(session, name, bson.encode(doc))[0][:7]

    is_(row({"a": {"b": 1}}), ({"b": 1}, 1, 1, None, None, None, None), "a nested path, twice, beside its parent")
    is_(row({"a": {"x": {"b": 9}, "b": {"c": 2}}, "b": 7}), ({"x": {"b": 9}, "b": {"c": 2}}, None, None, 2, None, None, None),
        "deeper; the same name elsewhere does not count")
    is_(row({"a": 5, "t": 5}), (5, None, None, None, None, None, None), "a scalar on the way: missing")
    is_(row({"t": ["x", {"x": 3}]}), (None, None, None, None, "x", 3, None), "array positions")
    is_(row({"t": {"0": "zero", "1": {"x": 4}, "01": "odd"}}), (None, None, None, None, "zero", 4, "odd"),
        "the same segments as names of a document")
    is_(row({"t": []}), (None,) * 7, "an empty array has no positions")
    is_(row({"a": [{"b": 1}]})[1:], (None,) * 6, "an array on the way under on_mismatch null")
    error = throws("22018", lambda: probe.rows(session, strict, bson.encode({"a": [{"b": 1}]})),
                   "an array on the way does not fit")
    ok("array" in str(error), "and the message says so")
    is_(probe.rows(session, strict, bson.encode({"a": None}))[0][0], None, "null on the way: missing")
    twice = document(element(INT32, "n", struct.pack("<i", 1)), element(INT32, "n", struct.pack("<i", 2)))
    number = probe.table(session, "n integer, m integer")
    is_(probe.rows(session, number, twice, twice, twice), [(1, None)] * 3, "of a field that occurs twice the first one counts")
    is_(probe.rows(session, number, bson.encode({"n": 1, "m": 2}), twice, bson.encode({"m": 2, "n": 1})),
        [(1, 2), (1, None), (1, 2)], "also when another order was learned")


# ---- orders ----------------------------------------------------------------------------------

def check_orders(session):
    names = ["f%d" % i for i in range(30)] + ["a_rather_long_name_%d" % i for i in range(20)] + ["x", "xy", "exactly7", "exact_8_", "sixteen_letters_"]
    wanted = RANDOM.sample(names, 20)
    name = probe.table(session, ", ".join('"%s" bigint' % n for n in wanted))
    documents, expected = [], []
    order = list(names)
    for i in range(3000):
        if i % 500 == 499 or RANDOM.random() < 0.02:
            RANDOM.shuffle(order)
        present = [n for n in order if RANDOM.random() < 0.9]
        values = {n: RANDOM.choice((RANDOM.randrange(2 ** 31), Int64(RANDOM.randrange(2 ** 60)), 7.0, None)) for n in present}
        extra = {"extra%d" % RANDOM.randrange(1000): RANDOM.choice(("text", [1, 2], {"f1": 5}, 1.5, None, AN_ID))}
        documents.append(bson.encode({**extra, **values} if RANDOM.random() < 0.5 else {**values, **extra}))
        expected.append(tuple(None if values.get(n) is None else int(values[n]) for n in wanted))
    is_(probe.rows(session, name, *documents), expected, "3,000 documents whose order, fields and types keep changing")

    columns = ["c%d" % i for i in range(1600)]
    name = probe.table(session, ", ".join("%s integer" % n for n in columns))
    shuffled = RANDOM.sample(columns, 1600)
    docs = [bson.encode({n: i for i, n in enumerate(columns)}), bson.encode({n: int(n[1:]) for n in shuffled}), bson.encode({})]
    rows = session.execute("SELECT p.c0, p.c799, p.c1599, (SELECT count(*) FROM jsonb_each(to_jsonb(p)) WHERE value <> 'null')"
                           " FROM decode_probe(NULL::%s, VARIADIC %%s) p" % name, (docs,)).fetchall()
    is_(rows, [(0, 799, 1599, 1600), (0, 799, 1599, 1600), (None, None, None, 0)], "1,600 columns, in two orders and none")


# ---- numbers ---------------------------------------------------------------------------------

def check_numbers(session):
    """Every numeric built here is stored as numeric's own input would store it."""
    name = probe.table(session, "v numeric")
    texts = [str(Decimal128(decimal.Decimal((RANDOM.randrange(2), [RANDOM.randrange(10) for _ in range(RANDOM.randint(1, 34))],
                                            RANDOM.choice((RANDOM.randint(-60, 20), RANDOM.randint(-6176, 6111))))),))
             for _ in range(5000)]
    wrong = session.execute("""
        SELECT count(*) FROM unnest(%%s::text[]) WITH ORDINALITY t(x, i)
          JOIN ROWS FROM (decode_probe(NULL::%s, VARIADIC %%s)) WITH ORDINALITY p(v, i) USING (i)
         WHERE v::text IS DISTINCT FROM x::numeric::text OR numeric_send(v) <> numeric_send(x::numeric)
            OR pg_column_size(ARRAY[v]) <> pg_column_size(ARRAY[x::numeric])""" % name,
        (texts, [bson.encode({"v": Decimal128(x)}) for x in texts])).fetchone()[0]
    is_(wrong, 0, "5,000 random Decimal128 are the numerics of their texts, to the byte")
    doubles = [RANDOM.choice((
        struct.unpack("<d", RANDOM.randbytes(8))[0], RANDOM.random() * 10 ** RANDOM.randint(-20, 20),
        round(RANDOM.random() * 10 ** RANDOM.randint(0, 9), RANDOM.randint(0, 7)), float(RANDOM.randrange(10 ** 16)),
        float(RANDOM.randrange(-10 ** 6, 10 ** 6)))) for _ in range(5000)]
    wrong = session.execute("""
        SELECT count(*) FROM unnest(%%s::float8[]) WITH ORDINALITY t(x, i)
          JOIN ROWS FROM (decode_probe(NULL::%s, VARIADIC %%s)) WITH ORDINALITY p(v, i) USING (i)
         WHERE numeric_send(v) IS DISTINCT FROM numeric_send(x::text::numeric)
            OR pg_column_size(ARRAY[v]) <> pg_column_size(ARRAY[x::text::numeric])""" % name,
        (doubles, [bson.encode({"v": x}) for x in doubles])).fetchone()[0]
    is_(wrong, 0, "5,000 random doubles are the numerics of their shortest texts, to the byte")
    whole_numbers = [RANDOM.randrange(-2 ** 63, 2 ** 63) >> RANDOM.randrange(64) for _ in range(3000)] + [-2 ** 63, 2 ** 63 - 1]
    wrong = session.execute("""
        SELECT count(*) FROM unnest(%%s::int8[]) WITH ORDINALITY t(x, i)
          JOIN ROWS FROM (decode_probe(NULL::%s, VARIADIC %%s)) WITH ORDINALITY p(v, i) USING (i)
         WHERE numeric_send(v) IS DISTINCT FROM numeric_send(x::numeric)""" % name,
        (whole_numbers, [bson.encode({"v": Int64(x)}) for x in whole_numbers])).fetchone()[0]
    is_(wrong, 0, "3,002 integers are the same numerics")


# ---- types of a user, encodings --------------------------------------------------------------

def check_domains(session):
    session.execute("CREATE DOMAIN positive AS integer CHECK (VALUE > 0)")
    session.execute("CREATE DOMAIN present AS text NOT NULL")
    session.execute("CREATE DOMAIN short AS varchar(3)")
    name = probe.table(session, "p positive, s short")
    is_(probe.rows(session, name, bson.encode({"p": 5.0, "s": "abc"}), bson.encode({})), [(5, "abc"), (None, None)],
        "domains read as their base types")
    throws("23514", lambda: probe.rows(session, name, bson.encode({"p": -5})), "a domain's CHECK is kept")
    throws("22001", lambda: probe.rows(session, name, bson.encode({"s": "abcd"})), "a domain's length too")
    name = probe.table(session, "t present")
    throws("23502", lambda: probe.rows(session, name, bson.encode({})), "a domain's NOT NULL is kept")


def check_encodings(world, session):
    for encoding, results in (("LATIN1", ("caf\u00e9", "22021", None)), ("SQL_ASCII", ("caf\u00e9", "\u20ac", "\u20ac"))):
        database = world.name + "_" + encoding.lower()
        session.execute("DROP DATABASE IF EXISTS %s" % database)
        session.execute("CREATE DATABASE %s ENCODING '%s' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'" % (database, encoding))
        with probe.install(world, database, session.probe_library) as other:
            if encoding == "LATIN1":
                other.execute("SET client_encoding TO 'UTF8'")
            strict = probe.table(other, "t text, j jsonb")
            lenient = probe.table(other, "t text, j jsonb", "on_mismatch 'null'")
            decode = (lambda x: x.decode() if isinstance(x, bytes) else x)
            cafe = bson.encode({"t": "caf\u00e9", "j": {"caf\u00e9": "caf\u00e9"}})
            is_([decode(x) for x in other.execute("SELECT p.t, p.j->>convert_from('\\x636166c3a9', 'UTF8'), octet_length(p.t) FROM"
                " decode_probe(NULL::%s, %%s) p" % strict, (cafe,), binary=False).fetchone()],
                [results[0], results[0], 4 if encoding == "LATIN1" else 5], "%s: text and jsonb are converted" % encoding)
            euro = bson.encode({"t": "\u20ac"})
            if results[1] == "22021":
                throws("22021", lambda: probe.rows(other, strict, euro), "%s: a character that it has not is a misfit" % encoding)
            is_(decode(probe.value(other, lenient, euro, "t")), results[2], "%s: and NULL under on_mismatch null" % encoding)
            is_(probe.value(other, lenient, document(element(STRING, "t", string(b"bad\xff"))), "t"), None,
                "%s: invalid UTF-8 does not fit" % encoding)
        session.execute("DROP DATABASE %s" % database)


# ---- broken documents ------------------------------------------------------------------------

def everything():
    return document(element(OBJECT, "a", document(element(INT32, "b", struct.pack("<i", 1)))), *(
        element(kind, "f%d" % i, data) for i, (kind, data) in enumerate(HOSTILE) if len(data) < 100))


def check_broken(session):
    name = probe.table(session, "b boolean, d double precision, t text, n integer, j jsonb, l jsonb", "on_mismatch 'null'")
    good = bson.encode({"b": True, "d": 1.5, "t": "text", "n": 1, "j": {"k": [1, "x"]}})
    is_(len(probe.rows(session, name, good)), 1, "positive control: the whole document is read")
    surprises = []
    for size in range(len(good)):
        for doc in (good[:size], struct.pack("<i", size) + good[4:size - 1] + b"\0" if size > 5 else b""):
            try:
                probe.rows(session, name, doc)
                surprises.append((size, "a row"))
            except psycopg.Error as error:
                if error.sqlstate != "XX001":
                    surprises.append((size, error.sqlstate))
    # A document may be cut exactly between two elements: then it is valid, only shorter.
    complete = {len(bson.encode(dict(list(bson.decode(good).items())[:n]))) for n in range(6)}
    ok(all(size in complete and what == "a row" for size, what in surprises),
       "a document cut anywhere is XX001 (%d cuts)" % len(good))
    for size, what in surprises:
        if size not in complete or what != "a row":
            diag("cut at %d: %s" % (size, what))
    for label, doc in (
            ("a length that is too large", struct.pack("<i", len(good) + 1) + good[4:]),
            ("a length below five", struct.pack("<i", 4) + good[4:]), ("a negative length", struct.pack("<i", -5) + good[4:]),
            ("an unknown type", document(element(0x20, "b", b""))), ("type 0 inside", document(b"\0\0", element(NULL, "b", b""))),
            ("a boolean of 2", document(element(BOOL, "b", b"\2"))),
            ("a string without its NUL", document(element(STRING, "t", string("text")[:-1] + b"x"))),
            ("a string of length 0", document(element(STRING, "t", struct.pack("<i", 0)))),
            ("a string of negative length", document(element(STRING, "t", struct.pack("<i", -1) + b"x\0"))),
            ("a binary of negative length", document(element(BINARY, "j", struct.pack("<iB", -1, 0)))),
            ("a binary that wraps", document(element(BINARY, "j", struct.pack("<IB", 0xFFFFFFFB, 0)))),
            ("a regex without its end", document(element(REGEX, "j", b"abc\0abc"))),
            ("a broken inner document", document(element(OBJECT, "j", b"\x05\0\0\0\x01"))),
            ("code with a broken scope", document(element(SCOPE, "j", struct.pack("<i", 19) + string("f()") + b"\7\0\0\0\0\0\0")))):
        throws("XX001", lambda: probe.rows(session, name, doc), "%s is XX001" % label)
    every = everything()
    columns = ", ".join("f%d %s" % (i, COLUMNS[i % len(COLUMNS)][0]) for i in range(0, len(HOSTILE), 2)) + \
        ", w jsonb OPTIONS (path '.'), ab integer OPTIONS (path 'a.b')"
    for policy in ("error", "null"):
        name = probe.table(session, columns, "on_mismatch '%s'" % policy)
        counts = session.execute("SELECT decode_probe_fuzz(NULL::%s, %%s, %%s, %%s)" % name,
                                 ([every, good, bson.encode({"f0": True})], FUZZ_ROUNDS, SEED)).fetchone()[0]
        diag("on_mismatch %s: %s" % (policy, counts))
        ok("rows 0," not in counts and "invalid 0," not in counts and counts.endswith("misfits 0") == (policy == "null"),
           "%d mutated documents under on_mismatch %s: rows, XX001 and misfits, nothing else" % (FUZZ_ROUNDS, policy))


with World(engine=False, objects=False) as world:
    with world.connect(role="postgres", database="postgres") as admin:
        numeric.has_infinity = admin.info.server_version >= 140000
    diag("seed %d" % SEED)
    with probe.install(world) as session:
        for column in COLUMNS:
            check_column(session, *column)
        name = probe.table(session, "_id text, other text OPTIONS (path 'x')")
        is_(probe.rows(session, name, bson.encode({"_id": ObjectId(AN_ID), "x": "y"}), bson.encode({"_id": "text"})),
            [(AN_ID.hex(), "y"), ("text", None)], "_id as text reads an ObjectId and a string")
        throws("22018", lambda: probe.rows(session, name, bson.encode({"x": ObjectId(AN_ID)})), "other columns do not")
        check_jsonb(session)
        check_paths(session)
        check_orders(session)
        check_numbers(session)
        check_domains(session)
        check_encodings(world, session)
        check_broken(session)
done()
