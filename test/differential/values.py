"""Hostile values: what documents hold when nobody looked.

MISSING stands for a field that is not there, UNDEFINED for BSON type 6, which pymongo cannot write.
"""

import bson
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.regex import Regex
from bson.timestamp import Timestamp

MISSING = object()
UNDEFINED = object()

UUID_BYTES = bytes.fromhex("123456781234423482341234567890ab")
OTHER_UUID = bytes.fromhex("00000000000040008000000000000001")
OID = "507f1f77bcf86cd799439011"


def dec(text):
    return bson.Decimal128(text)


def long(number):
    return bson.Int64(number)


DAY = 86400000

BOOLS = [True, False]
INTS = [0, 1, -1, 2, 3, 4, 5, 7, 10, 42, 32767, -32768]
WIDE_INTS = [32768, 70000, 2**31 - 1, -2**31, long(2**31), long(-2**31 - 1), long(5), long(3),
             long(2**53), long(2**53 + 1), long(-2**53 - 1), long(2**63 - 1), long(2**63 - 2),
             long(-2**63), long(16777217)]
TAME_FLOATS = [0.0, 1.0, 5.0, 5.5, -1.25, 3.0, 7.75, 1000.25, -0.5, 2.0]
FLOATS = TAME_FLOATS + [-0.0, float("nan"), float("inf"), float("-inf"), 0.1, 0.2, 0.3,
                        0.30000000000000004, 1e15, 1e16, 123456789.123, 9007199254740992.0,
                        9007199254740994.0, 16777217.0, 16777216.0, 3.4e38, 1.1754943508222875e-38]
WILD_FLOATS = [1e300, 1e-320, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 3.5e38,
               9.223372036854775807e18, -9.223372036854775808e18, 1e39, 1e-46, 2147483648.0, 32768.0]
DECIMALS = [dec(text) for text in (
    "5", "5.00", "0.1", "0.10", "5.5", "0", "-0", "1E+3", "3", "7.75", "NaN", "Infinity", "-Infinity",
    "9007199254740993", "9007199254740992.5", "9223372036854775807", "0.3", "42.0", "-1.25",
    "9999999999.99", "-9999999999.98", "99999999999.9999", "-1234567890.12")]
WILD_DECIMALS = [dec(text) for text in (
    "1E+6000", "1E-6000", "9223372036854775808", "123456789012345678901234567890.1234", "-1E+400",
    "9999999999999999999999999999999999", "1E-6176", "2147483648", "32768", "5E+3")]
STRINGS = ["", "a", "A", "b", "B", "abc", "ABC", "a\n", "a%", "a_b", "axb", "a.c", "a*", "^a", "a$",
           "$name", "$tenant_id", "$$ROOT", '{"$ne": null}', "100%", "\\", "a\\b", "'", '"',
           "caf\u00e9", "cafe\u0301", "CAF\u00c9", "stra\u00dfe", "STRASSE", "\u0130", "\u0131",
           "\u212a", "k", "5", "true", "null", "NaN", OID, "UA", "DL", " a", "a ", "a\tb",
           "\U0001f600", "\uffff", "\uffffa", "a\ud7ff", "\ud7ffb", "\ue000", "a\U0010ffff", "\U0010ffff\U0010ffff", "\x7f", "\u07ff", "z", "zz", "_", "-a", "a-b", "ab", "[a]", "(a|b)", "a+",
           "2020-01-01", "\ufb03x", "FFIX", "\ufb06", "ST", "\u017f", "S", "x" * 300]
ODD_STRINGS = ["a\0b", "\0"]
DATES = [DatetimeMS(ms) for ms in (
    0, 1, -1, 1577836800000, 1577836800001, 1577882096789, -86400000, -86400001, 86399999, 86400000,
    1582934400000, 1583020799999, -2208988800000, 1356998400000, 1388534399999, 1357344000000,
    951782400000, -62135596800000, 253402300799999, 1583625600000, 1604188800000)]
FAR_DATES = [DatetimeMS(ms) for ms in (
    253402300800000, -62135596800001, -62167219200001, 9224318015999999, 9224318016000000,
    -210866803200000, -210866803200001, 2**63 - 1, -2**63, 8640000000000000)]
OIDS = [bson.ObjectId(OID), bson.ObjectId("0" * 24), bson.ObjectId("f" * 24),
        bson.ObjectId("507f1f77bcf86cd799439012")]
UUIDS = [Binary(UUID_BYTES, 4), Binary(OTHER_UUID, 4), Binary(b"\xff" * 16, 4), Binary(b"\0" * 16, 4)]
BYTES = [b"", b"\0", b"\0\xff", b"abc", b"ab", b"\xff" * 20, UUID_BYTES]
ODD_BINARY = [Binary(UUID_BYTES, 3), Binary(b"abc", 5), Binary(b"abc", 128), Binary(b"ab", 4)]
ARRAYS = [[], [None], [3, 7], [5], ["a", "b"], [5, "a"], [[5]], [{"a": 1}], [True], [5.0], [None, 5],
          [0.1], [UUIDS[0]], [DATES[3]], ["$name"], [[]]]
OBJECTS = [{}, {"a": 5}, {"a": {"b": 5}}, {"a": None}, {"b": "x"}, {"a.b": 1}, {"a": [1, 2]},
           {"a": "5"}, {"a": True}, {"a": "x", "b": {"c": [1, {"d": 2}]}}, {"a": 5.5}, {"a": "$name"},
           {"a": {"b": None}}, {"": 1}, {"a": long(5)}, {"a": dec("5.0")}, {"k0": 1, "_id": 2},
           {"$x": 1}, {"a": OIDS[0]}, {"a": DATES[3]}]
OTHERS = [MinKey(), MaxKey(), Timestamp(5, 1), Regex("^a"), Code("f()")]
NOTHING = [MISSING, None, UNDEFINED]

HOSTILE = (BOOLS + INTS + WIDE_INTS + FLOATS + WILD_FLOATS + DECIMALS + WILD_DECIMALS + STRINGS +
           ODD_STRINGS + DATES + FAR_DATES + OIDS + UUIDS + BYTES + ODD_BINARY + ARRAYS + OBJECTS +
           OTHERS + NOTHING)

INT_ARRAYS = [[], [None], [3, 7], [5], [5, 3, 7], [None, 5], [1, None, 3], [5, 5], [5.0, 3], [long(5)]]
TEXT_ARRAYS = [[], [None], ["a", "b"], ["a"], ["abc", None], ["$name"], ["NULL", ""], ['"', "\\", "{}"]]
FLOAT_ARRAYS = [[], [0.1, 5], [float("nan")], [5.5, None], [dec("0.1")]]

JSONS = [value for value in OBJECTS if "" not in value] + [
    {"a": {"b": value}} for value in (1, "x", True, None, [1], 5.5)] + [
    {"a": "v", "b": value} for value in ("y", 7, None, [], {"c": "z"})]


def field(name, value):
    """The BSON of one field, without the frame of a document."""
    if value is MISSING:
        return b""
    if value is UNDEFINED:
        return b"\x06" + name.encode() + b"\0"
    return bson.encode({name: value})[4:-1]


def frame(fields):
    """A BSON document of fields made by field()."""
    body = b"".join(fields) + b"\0"
    return (len(body) + 4).to_bytes(4, "little") + body
