"""What document servers do wrong, each reduced to one command.

The differential fuzzer asks these before it begins, so that what it leaves out is what the server at hand
does wrong and nothing else; tap/engines.py shows them, and that our answers are right all the same.
A function is true when the server has the defect; `database` is a scratch one.
"""

import bson
import pymongo

SIMPLE = {"locale": "simple"}


def _ids(collection, stages, **more):
    return [document["_id"] for document in collection.aggregate(stages, **more)]


def _filled(database, documents):
    database.defect.drop()
    database.defect.insert_many(documents)
    return database.defect


def ignores_case_under_simple(database):
    """{locale: "simple"} is the order of bytes: B stands before a.  (SecantusDB's Python server: a before B)"""
    collection = _filled(database, [{"_id": 1, "s": "a"}, {"_id": 2, "s": "B"}])
    return _ids(collection, [{"$sort": {"s": 1}}], collation=SIMPLE) != [2, 1]


def cannot_group_under_simple(database):
    """A Decimal128 as the key of a group under {locale: "simple"}."""
    collection = _filled(database, [{"_id": 1, "d": bson.Decimal128("5")}])
    try:
        return len(list(collection.aggregate([{"$group": {"_id": {"k": "$d"}}}], collation=SIMPLE))) != 1
    except pymongo.errors.PyMongoError:
        return True


def parts_nulls_under_simple(database):
    """Null and missing sort alike.  (FerretDB, under {locale: "simple"} only: missing before null)"""
    collection = _filled(database, [{"_id": 1, "x": None}, {"_id": 2}, {"_id": 3, "x": None}, {"_id": 4}])
    return _ids(collection, [{"$sort": {"x": 1, "_id": 1}}], collation=SIMPLE) != [1, 2, 3, 4]


def has_no_far_dates(database):
    """A date outside the years 1 to 9999.  (SecantusDB's Python server refuses the document)"""
    try:
        _filled(database, [{"_id": 1, "d": bson.datetime_ms.DatetimeMS(253402300800000)}])
        return False
    except pymongo.errors.PyMongoError:
        return True


def truncates_to_15_digits(database):
    """$trunc of the double 2^53 is 2^53.  (FerretDB: 9007199254740990; $round too)"""
    collection = _filled(database, [{"_id": 1, "x": 2.0**53}])
    return _ids(collection, [{"$match": {"$expr": {"$eq": ["$x", {"$trunc": "$x"}]}}}]) != [1]


def has_two_least_numbers(database):
    """The double -2^63 is the int64 -2^63.  (secantusd-rs: it is less)"""
    collection = _filled(database, [{"_id": 1, "x": -2.0**63}])
    return collection.count_documents({"x": {"$gte": bson.Int64(-2**63)}}) != 1


def converts_not_the_least(database):
    """$toLong of the Decimal128 -2^63.  (secantusd-rs: an error, for whomever the document belongs to)"""
    collection = _filled(database, [{"_id": 1, "x": bson.Decimal128("-9223372036854775808")}])
    try:
        return _ids(collection, [{"$match": {"$expr": {"$eq": [{"$toLong": "$x"}, bson.Int64(-2**63)]}}}]) != [1]
    except pymongo.errors.PyMongoError:
        return True


def looks_up_by_type(database):
    """$lookup by a number finds the numbers of all types.  (FerretDB, secantusd-rs: not the double -2^63)"""
    collection = _filled(database, [{"_id": 1, "x": bson.Int64(-2**63)}, {"_id": 2, "x": -2.0**63}])
    joined = list(collection.aggregate([{"$match": {"_id": 1}}, {"$lookup": {
        "from": collection.name, "localField": "x", "foreignField": "x", "as": "j"}}]))
    return sorted(document["_id"] for document in joined[0]["j"]) != [1, 2]


def ends_a_range_early(database):
    """x <= 2 of an index on (t, x, y) has the 2, too.  (both SecantusDB servers: it ends before)"""
    collection = _filled(database, [{"_id": number, "t": 1, "x": number, "y": 1} for number in (1, 2, 3)])
    collection.create_index([("t", 1), ("x", 1), ("y", 1)])
    return [document["_id"] for document in collection.find({"t": 1, "x": {"$lte": 2}}).sort("_id", 1)] != [1, 2]


ALL = (ignores_case_under_simple, cannot_group_under_simple, parts_nulls_under_simple, has_no_far_dates,
       truncates_to_15_digits, has_two_least_numbers, converts_not_the_least, looks_up_by_type,
       ends_a_range_early)
# What the server option collation 'none' cures, and has no other cost than text that is compared here.
UNDER_SIMPLE = (ignores_case_under_simple, cannot_group_under_simple, parts_nulls_under_simple)
