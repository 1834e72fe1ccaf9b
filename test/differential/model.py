"""What a column of a foreign table means: a second implementation, written from the documents.

The fuzzer compares foreign tables with local copies that are filled by this file, so that a mistake
in decoding is found too.  It must therefore never be written by looking at how the C code does it.

decode(column, document) gives (text, mismatch): the value as PostgreSQL input text (None: NULL), and
whether the document holds a value that the column's type cannot hold.  The rules:

 - missing, null and undefined are NULL; so is a path that leads through a scalar; a number picks an
   element of an array on the way, a name there is a mismatch;
 - integers take int32, int64 and integral doubles and decimals in range;
 - floats take every number, rounded to the nearest; finite numbers that would become an infinity or
   zero are mismatches;
 - numeric takes every number: doubles by their shortest text; numeric(p,s) those that fit unrounded;
 - text takes strings without NUL characters, no longer than the column allows;
 - date is the UTC day of a BSON date; timestamps are exact; both only within PostgreSQL's range;
 - an array with one element outside its type is a mismatch as a whole;
 - a mismatch is NULL under on_mismatch 'null'.
"""

import base64
import datetime
import decimal
import json
import math
import struct
import uuid

import bson
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.regex import Regex
from bson.timestamp import Timestamp

INT_RANGE = {"int2": 15, "int4": 31, "int8": 63}
DECIMALS = decimal.Context(prec=60, Emin=-99999, Emax=99999, traps=[])

MISSING = object()


class Mismatch(Exception):
    """The value is outside the column's type."""


# ---- paths ----------------------------------------------------------------------------------

def lookup(document, path):
    """The value at a dotted path, or MISSING."""
    if path == ".":
        return document
    value = document
    for segment in path.split("."):
        if isinstance(value, dict):
            if segment not in value:
                return MISSING
            value = value[segment]
        elif isinstance(value, list) and segment.isdigit():
            if int(segment) >= len(value):
                return MISSING
            value = value[int(segment)]
        elif isinstance(value, list):
            raise Mismatch
        else:
            return MISSING
    return value


# ---- numbers --------------------------------------------------------------------------------

def is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value):
    return is_int(value) or isinstance(value, (float, bson.Decimal128))


def float_text(value):
    """PostgreSQL's shortest text of a float8."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


def decode_int(value, typename):
    if is_int(value):
        number = value
    elif isinstance(value, float):
        if not math.isfinite(value) or value != math.floor(value):
            raise Mismatch
        number = int(value)
    elif isinstance(value, bson.Decimal128):
        exact = value.to_decimal()
        if not exact.is_finite() or exact.adjusted() > 40:
            raise Mismatch
        if exact != exact.to_integral_value(context=DECIMALS):
            raise Mismatch
        number = int(exact)
    else:
        raise Mismatch
    limit = 1 << INT_RANGE[typename]
    if not -limit <= number < limit:
        raise Mismatch
    return str(number)


def to_float(value):
    if isinstance(value, float):
        return value
    if is_int(value):
        return float(int(value))
    if not isinstance(value, bson.Decimal128):
        raise Mismatch
    exact = value.to_decimal()
    if exact.is_nan():
        return math.nan
    number = float(exact)
    if exact.is_finite() and (math.isinf(number) or (number == 0 and exact != 0)):
        raise Mismatch
    return number


def decode_float(value, typename):
    number = to_float(value)
    if typename == "float8" or not math.isfinite(number):
        return float_text(number)
    try:
        single = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        raise Mismatch from None
    if single == 0 and number != 0:
        raise Mismatch
    return float_text(single)


def decode_numeric(value, precision=None):
    text = unlimited_numeric(value)
    if precision is not None and text != "NaN":
        number = DECIMALS.create_decimal(text)
        if not number.is_finite() or abs(number) >= 10 ** (precision[0] - precision[1]):
            raise Mismatch
        if number and number.adjusted() < -precision[1]:
            raise Mismatch
        if number != number.quantize(decimal.Decimal(1).scaleb(-precision[1]), context=DECIMALS):
            raise Mismatch
    return text


def unlimited_numeric(value):
    if is_int(value):
        return str(int(value))
    if isinstance(value, float):
        return "0" if value == 0 else float_text(value)
    if not isinstance(value, bson.Decimal128):
        raise Mismatch
    exact = value.to_decimal()
    if exact.is_nan():
        return "NaN"
    if exact.is_infinite():
        return "-Infinity" if exact < 0 else "Infinity"
    return str(exact)


# ---- text, times, binary --------------------------------------------------------------------

def check_text(value, limit=None):
    if type(value) is not str or "\0" in value or (limit is not None and len(value) > limit):
        raise Mismatch
    return value


def to_millis(value):
    if isinstance(value, DatetimeMS):
        return int(value)
    if isinstance(value, datetime.datetime):
        return int(DatetimeMS(value))
    raise Mismatch


def civil(days):
    """Year, month, day of a day count since 1970-01-01 (proleptic Gregorian)."""
    days += 719468
    era, day_of_era = divmod(days, 146097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return year + era * 400 + (month <= 2), month, day


FIRST_DAY = -2440588  # 4714-11-24 BC, PostgreSQL's first day
END_DATE_DAY = 2145042906  # 5874898-01-01, the first day outside (DATE_END_JULIAN)
END_TIMESTAMP_DAY = 106762940  # 294277-01-01, the first day outside (TIMESTAMP_END_JULIAN)


def day_text(days):
    year, month, day = civil(days)
    if year > 0:
        return "%04d-%02d-%02d" % (year, month, day), ""
    return "%04d-%02d-%02d" % (1 - year, month, day), " BC"


def decode_date(value):
    days = to_millis(value) // 86400000
    if not FIRST_DAY <= days < END_DATE_DAY:
        raise Mismatch
    return "".join(day_text(days))


def decode_timestamp(value, zone):
    days, rest = divmod(to_millis(value), 86400000)
    if not FIRST_DAY <= days < END_TIMESTAMP_DAY:
        raise Mismatch
    day, era = day_text(days)
    return "%s %02d:%02d:%02d.%03d%s%s" % (
        day, rest // 3600000, rest // 60000 % 60, rest // 1000 % 60, rest % 1000, zone, era)


def decode_uuid(value):
    if not isinstance(value, Binary) or value.subtype != 4 or len(value) != 16:
        raise Mismatch
    return str(uuid.UUID(bytes=bytes(value)))


def decode_bytea(value):
    # bytes without a subtype of its own is what pymongo makes of subtype 0
    if isinstance(value, Binary):
        raise Mismatch
    if not isinstance(value, bytes):
        raise Mismatch
    return "\\x" + bytes(value).hex()


# ---- json -----------------------------------------------------------------------------------

def iso_text(millis):
    days, rest = divmod(millis, 86400000)
    year, month, day = civil(days)
    fraction = ".%03d" % (rest % 1000) if rest % 1000 else ""
    written = "%04d" % year if 0 <= year <= 9999 else "%+07d" % year  # ISO 8601, expanded
    return "%s-%02d-%02dT%02d:%02d:%02d%sZ" % (
        written, month, day, rest // 3600000, rest // 60000 % 60, rest // 1000 % 60, fraction)


def json_value(value):
    """JSON text of a BSON value under json_format 'plain'."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if type(value) is str:
        if "\0" in value:
            raise Mismatch
        return json.dumps(value)
    if is_number(value):
        text = decode_numeric(value)
        return text if text[-1].isdigit() else json.dumps(text)
    if isinstance(value, bson.ObjectId):
        return json.dumps(str(value))
    if isinstance(value, (DatetimeMS, datetime.datetime)):
        return json.dumps(iso_text(to_millis(value)))
    if isinstance(value, Binary) and value.subtype == 4 and len(value) == 16:
        return json.dumps(str(uuid.UUID(bytes=bytes(value))))
    if isinstance(value, bytes):
        return json.dumps(base64.b64encode(bytes(value)).decode())
    if isinstance(value, list):
        return "[" + ",".join(json_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(json_value(str(name)) + ":" + json_value(item)
                              for name, item in value.items()) + "}"
    return json.dumps(extended(value))


def extended(value):
    """What has no plain form: relaxed Extended JSON v2."""
    if isinstance(value, MinKey):
        return {"$minKey": 1}
    if isinstance(value, MaxKey):
        return {"$maxKey": 1}
    if isinstance(value, Timestamp):
        return {"$timestamp": {"t": value.time, "i": value.inc}}
    if isinstance(value, Code):
        return {"$code": str(value)}
    if isinstance(value, Regex):
        return {"$regularExpression": {"pattern": value.pattern, "options": ""}}
    raise Mismatch


# ---- the column -----------------------------------------------------------------------------

def decode_scalar(kind, value, length=None, precision=None):
    if kind == "bool":
        if not isinstance(value, bool):
            raise Mismatch
        return "t" if value else "f"
    if kind in INT_RANGE:
        return decode_int(value, kind)
    if kind in ("float4", "float8"):
        return decode_float(value, kind)
    if kind == "numeric":
        return decode_numeric(value, precision)
    if kind in ("text", "varchar", "bpchar"):
        return check_text(value, length)
    if kind == "objectid":
        if not isinstance(value, bson.ObjectId):
            raise Mismatch
        return str(value)
    if kind == "anyid":  # `_id` as text without bson_type
        return str(value) if isinstance(value, bson.ObjectId) else check_text(value, length)
    if kind == "date":
        return decode_date(value)
    if kind == "timestamp":
        return decode_timestamp(value, "")
    if kind == "timestamptz":
        return decode_timestamp(value, "+00")
    if kind == "uuid":
        return decode_uuid(value)
    if kind == "bytea":
        return decode_bytea(value)
    if kind == "jsonb":
        return json_value(value)
    raise ValueError("no such kind: %s" % kind)


def array_element(text):
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def decode_array(kind, value):
    if not isinstance(value, list):
        raise Mismatch
    return "{" + ",".join(
        array_element(None if item is None else decode_scalar(kind, item)) for item in value) + "}"


def decode(column, document):
    """(text or None, is a mismatch) of a column (kind, element, path, length) of a document."""
    try:
        value = lookup(document, column.path)
        if value is MISSING or value is None:
            return None, False
        if column.element:
            return decode_array(column.element, value), False
        return decode_scalar(column.kind, value, column.length, column.precision), False
    except Mismatch:
        return None, True
