"""A world: random typed tables over hostile collections, foreign and as local copies.

Every world has these schemas:
    fn, fe         foreign tables, on_mismatch 'null' and 'error'
    l_ua, l_dl     what model.py says a tenant must see, as local tables
Both tenants' documents stand in the same collections, with identical ids, and between them those of a
third, and poison: documents whose tenant field is missing, null, an array, of another type or nearly right.
"""

import collections
import datetime

import bson
import bson.datetime_ms
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument

import model
import values as v

TENANTS = ("UA", "DL")
STRANGER = "ZZ"
LOCAL = {"UA": "l_ua", "DL": "l_dl"}

POISON_TENANTS = (v.MISSING, None, v.UNDEFINED, ["UA"], ["DL"], ["UA", "DL"], [None], "ua", "UA ", " UA",
                  "", "U", "UA\0", 1, 1.0, {"a": "UA"}, {"$eq": "UA"}, "$tenant_id", bson.ObjectId(v.OID),
                  bson.Binary(b"UA", 0), True, [["UA"]])

DECODED = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)

# Which type class a kind belongs to; the grammar works on classes.
CLASSES = {
    "bool": "bool", "int2": "int", "int4": "int", "int8": "int", "float4": "float", "float8": "float",
    "numeric": "numeric", "text": "text", "varchar": "text", "bpchar": "bpchar", "objectid": "oid",
    "anyid": "text", "date": "date", "timestamp": "timestamp", "timestamptz": "timestamptz",
    "uuid": "uuid", "bytea": "bytea", "jsonb": "jsonb"}

# Values of the right type, and PostgreSQL literals that meet them.
PROPER = {
    "bool": v.BOOLS,
    "int2": v.INTS, "int4": v.INTS + [2**31 - 1, -2**31, 70000, v.long(5), 5.0, v.dec("5")],
    "int8": v.INTS + v.WIDE_INTS + [5.0, v.dec("5.00"), 2.0**53],
    "float4": v.TAME_FLOATS + [0.1, 0.10000000149011612, 5, v.long(3), float("nan"), float("inf"), -0.0, v.dec("5.5")],
    "float8": v.FLOATS + v.INTS[:8] + [v.long(2**53 + 1), v.dec("0.1"), v.dec("5.5")],
    "numeric": v.DECIMALS + v.INTS[:8] + v.TAME_FLOATS + [0.1, 0.30000000000000004, v.long(2**53 + 1)],
    "text": v.STRINGS, "varchar": [s for s in v.STRINGS if len(s) <= 5],
    "bpchar": ["", "a", "A", "b", "abc", "a b", "$name", "abcde", "5", "\u00e9"],
    "objectid": v.OIDS, "anyid": v.OIDS + v.STRINGS[:8],
    "date": v.DATES, "timestamp": v.DATES, "timestamptz": v.DATES,
    "uuid": v.UUIDS, "bytea": v.BYTES, "jsonb": v.JSONS}
ARRAY_PROPER = {"int4": v.INT_ARRAYS, "text": v.TEXT_ARRAYS, "float8": v.FLOAT_ARRAYS}
# Sums of these are exact, whatever the order in which they are added.
TAME = {"float4": v.TAME_FLOATS + [1, 5, v.long(3)],
        "float8": v.TAME_FLOATS + [1, 5, v.long(3), v.dec("5.5"), v.dec("0.25")]}

# False: the engine sorts missing apart from null, so that trusted columns have no missing fields.
MISSING_IS_TRUSTED = True

COLLATIONS = ((None, 4), ("C", 4), ("en-x-icu", 2), ("mtf_ci", 1))


def without_least_double():
    """For engines whose $lookup does not find the double -2^63 by the int64 of the same value."""
    v.HOSTILE[:] = [value for value in v.HOSTILE if not (isinstance(value, float) and value == -2.0**63)]


class Column:
    def __init__(self, name, kind, path=None, element=None, length=None, collation=None, options=None):
        self.name, self.kind, self.path = name, kind, path or name
        self.element, self.length, self.collation = element, length, collation
        self.precision = None  # (precision, scale) of numeric
        self.options = dict(options or {})
        if self.path != name:
            self.options["path"] = self.path
        if kind == "objectid":
            self.options["bson_type"] = "objectid"
        self.cls = "array" if element else CLASSES[kind]
        self.hostility = 0.0
        self.proven = False  # by a validator
        self.tame = False
        self.texts = []  # decoded values, for literals that hit
        self.mismatches = {}  # tenant: number of documents

    @property
    def type(self):
        if self.element:
            return self.element + "[]"
        if self.kind in ("objectid", "anyid"):
            return "text"
        if self.precision:
            return "numeric(%d,%d)" % self.precision
        return self.kind + ("(%d)" % self.length if self.length else "")

    def declaration(self):
        return '"%s" %s%s' % (self.name, self.type,
                              ' COLLATE "%s"' % self.collation if self.collation else "")

    def proper(self):
        if self.element:
            return ARRAY_PROPER[self.element]
        if self.tame:
            return TAME[self.kind]
        return PROPER[self.kind]

    def value(self, rng, trusted):
        roll = rng.random()
        if roll < self.hostility:
            return rng.choice(v.HOSTILE)
        if roll < self.hostility + 0.15:
            value = rng.choice(v.NOTHING)
            # Who promises the types promises that nothing is undefined, which is a type of its own.
            if trusted and (value is v.UNDEFINED or value is v.MISSING and not MISSING_IS_TRUSTED):
                return None
            return value
        return rng.choice(self.pool)


class Table:
    def __init__(self, name):
        self.name = name
        self.columns = []
        self.trusted = False
        self.indexes = []
        self.rows = {}  # tenant: number
        self.schema = None  # of a strict validator
        self.validated = False  # which the engine asks


def is_natural(kind, value):
    """What trust_types promises: a column's own BSON type, not one that merely decodes."""
    if kind in ("int2", "int4", "int8"):
        return model.is_int(value)
    if kind in ("float4", "float8"):
        return isinstance(value, float)
    if kind == "numeric":
        return isinstance(value, bson.Decimal128)
    return True


def weighted(rng, pairs):
    return rng.choices([item for item, _ in pairs], [weight for _, weight in pairs])[0]


KIND_WEIGHTS = (("bool", 4), ("int2", 3), ("int4", 8), ("int8", 6), ("float4", 2), ("float8", 7),
                ("numeric", 6), ("text", 10), ("varchar", 2), ("bpchar", 1), ("objectid", 2),
                ("date", 4), ("timestamp", 4), ("timestamptz", 3), ("uuid", 2), ("bytea", 2), ("jsonb", 4),
                ("array", 5))


def make_column(rng, number, hostile, trusted):
    kind = weighted(rng, KIND_WEIGHTS)
    name = "c%d" % number
    roll = rng.random()
    path = name
    if roll < 0.15:
        path = "sub." + name
    elif roll < 0.18:
        path = "sub.deep." + name
    elif roll < 0.21:
        path = "list_%s.1" % name
    if kind == "array":
        column = Column(name, "array", path, element=rng.choice(("int4", "int4", "text", "text", "float8")))
    else:
        column = Column(name, kind, path, length={"varchar": 5, "bpchar": 5}.get(kind))
        if column.cls in ("text", "bpchar"):
            column.collation = weighted(rng, COLLATIONS)
            if column.cls == "bpchar" and column.collation == "mtf_ci":
                column.collation = None
        if kind == "numeric" and rng.random() < 0.6:
            column.precision = rng.choice(((12, 2), (12, 2), (15, 2), (15, 4), (5, 0), (15, 15), (20, 3)))
        column.tame = kind in TAME and rng.random() < 0.4
    if hostile and not column.tame and rng.random() < 0.6:
        column.hostility = rng.choice((0.1, 0.3, 0.6))
    # A small pool of values: equality, joins and groups hit.
    proper = [value for value in column.proper() if not trusted or is_natural(kind, value)]
    column.pool = rng.sample(proper, min(len(proper), rng.choice((2, 5, 12, 400))))
    return column


# ---- validators --------------------------------------------------------------------------------

# What a schema says of a column's values, null apart; nothing for kinds whose values it cannot tell.
SCHEMAS = {
    "bool": {"bsonType": ["bool"]}, "int2": {"bsonType": ["int"], "minimum": -32768, "maximum": 32767},
    "int4": {"bsonType": ["int"]}, "int8": {"bsonType": ["int", "long"]}, "float8": {"bsonType": ["double"]},
    "numeric": {"bsonType": ["decimal"]}, "text": {"bsonType": ["string"]},
    "varchar": {"bsonType": ["string"], "maxLength": 5}, "objectid": {"bsonType": ["objectId"]},
    "date": {"bsonType": ["date"]}, "timestamp": {"bsonType": ["date"]}, "timestamptz": {"bsonType": ["date"]}}

IS_OF_TYPE = {
    "null": lambda value: value is None, "bool": lambda value: isinstance(value, bool),
    "int": lambda value: model.is_int(value) and not isinstance(value, bson.Int64),
    "long": lambda value: isinstance(value, bson.Int64), "double": lambda value: isinstance(value, float),
    "decimal": lambda value: isinstance(value, bson.Decimal128), "string": lambda value: type(value) is str,
    "objectId": lambda value: isinstance(value, bson.ObjectId),
    "date": lambda value: isinstance(value, (bson.datetime_ms.DatetimeMS, datetime.datetime)),
    "object": lambda value: isinstance(value, dict)}


def obeys(schema, value):
    """Is the value as the schema says?  An engine may keep a validator and not ask it."""
    if not any(IS_OF_TYPE[name](value) for name in schema["bsonType"]):
        return False
    if value is not None and "minimum" in schema and not schema["minimum"] <= value <= schema["maximum"]:
        return False
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        return False
    return all(obeys(inner, value[name]) for name, inner in schema.get("properties", {}).items()
               if isinstance(value, dict) and name in value)


def make_schema(rng, table):
    """A strict validator of some columns, whose values are their own then; the others stay as they are."""
    root = {"bsonType": ["object"], "properties": {}}
    for column in table.columns[2:]:
        if (column.kind not in SCHEMAS or column.element or column.precision or column.path in (".", "_id") or
                column.path.startswith("list_") or rng.random() < 0.3):
            continue
        leaf = dict(SCHEMAS[column.kind], bsonType=SCHEMAS[column.kind]["bsonType"] + ["null"])
        good = [value for value in column.proper() if obeys(leaf, value) and is_decodable(column, value)]
        if not good:
            continue
        column.proven = True
        column.hostility, column.pool = 0.0, rng.sample(good, min(len(good), rng.choice((2, 5, 12, 400))))
        place = root
        for segment in column.path.split(".")[:-1]:
            place = place["properties"].setdefault(segment, {"bsonType": ["object"], "properties": {}})
        place["properties"][column.path.split(".")[-1]] = leaf
    return root if root["properties"] else None


def is_decodable(column, value):
    """A text with a NUL, or a date that PostgreSQL has not, is of the right type and still none of its values."""
    try:
        model.decode_scalar(column.kind, value, column.length, column.precision)
        return True
    except model.Mismatch:
        return False


def make_table(rng, name):
    table = Table(name)
    hostile = rng.random() < 0.7
    table.columns = [Column("id", "int4"), Column("owner", "text", "tenant_id")]
    table.trusted = not hostile and rng.random() < 0.5
    table.columns += [make_column(rng, number, hostile, table.trusted) for number in range(rng.randint(3, 8))]
    if rng.random() < 0.3:
        table.columns.append(Column("_id", "anyid"))
    if not hostile and rng.random() < 0.4:
        table.columns.append(Column("doc", "jsonb", "."))
    table.schema = make_schema(rng, table) if not table.trusted and rng.random() < 0.35 else None
    table.count = rng.choice((0, 1, 8, 20, 30, 30, 45, 45))
    table.hostile_parents = hostile
    table.fetch_size = rng.choice((None, None, 7))  # 7: a result is more than one batch
    for column in table.columns[2:]:
        if rng.random() < 0.3 and column.path != ".":
            table.indexes.append([("tenant_id", 1), (column.path, rng.choice((1, -1)))])
    return table


# ---- documents -------------------------------------------------------------------------------

HOSTILE_PARENTS = (None, 5, "x", [], {}, [{}], v.MISSING, [[1, 2]], [{"c2": 5}, {"c2": 7}, {"c3": 3}])


def build(tree, rng, spoil):
    """BSON of a tree of fields; `spoil`: now and then a parent is no document."""
    fields = []
    for name, value in tree.items():
        if isinstance(value, Branch):
            if spoil and rng.random() < 0.04:
                fields.append(v.field(name, rng.choice(HOSTILE_PARENTS)))
            else:
                fields.append(b"\x03" + name.encode() + b"\0" + build(value, rng, spoil))
        else:
            fields.append(v.field(name, value))
    return v.frame(fields)


class Branch(dict):
    pass


def make_document(rng, table, tenant, number, unique, stranger=False):
    tree = Branch()
    tree["_id"] = unique
    fields = [("tenant_id", tenant)]
    for column in table.columns:
        if column.name in ("owner", "_id", "doc"):
            continue
        elif stranger:
            fields.append((column.path, rng.choice(v.HOSTILE)))
        elif column.name == "id":
            fields.append(("id", number))
        else:
            fields.append((column.path, column.value(rng, table.trusted)))
    if rng.random() < 0.3:
        rng.shuffle(fields)
    for path, value in fields:
        segments = path.split(".")
        if segments[0].startswith("list_"):
            if value is v.UNDEFINED:
                value = None
            tree[segments[0]] = [0] if value is v.MISSING else [0, value, 9]
            continue
        branch = tree
        for segment in segments[:-1]:
            branch = branch.setdefault(segment, Branch())
        branch[segments[-1]] = value
    return build(tree, rng, table.hostile_parents or stranger)


def make_documents(rng, table):
    documents = []
    def add(tenant, number):
        unique = bson.ObjectId(len(documents).to_bytes(12, "big"))
        # What a tenant was promised of its types holds for nobody else's documents.
        stranger = table.trusted and tenant not in TENANTS
        documents.append(make_document(rng, table, tenant, number, unique, stranger))
    for number in range(table.count):
        for tenant in TENANTS:
            add(tenant, number)
    if table.count:
        for tenant in POISON_TENANTS + (STRANGER,) * table.count:
            add(tenant, rng.randrange(table.count))
    rng.shuffle(documents)
    return documents


# ---- loading ---------------------------------------------------------------------------------

def literal(text):
    return "'" + text.replace("'", "''") + "'"


def option_list(options):
    if not options:
        return ""
    return " OPTIONS (" + ", ".join("%s %s" % (name, literal(text)) for name, text in options.items()) + ")"


def copy_text(value):
    if value is None:
        return "\\N"
    return (value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r"))


# Every table is there in two parts as well: partitions of a partitioned table, of which no document says where it belongs.
PARTS = (1, 2)
PART = "part integer OPTIONS (path 'mtf_part')"


def part_name(table, part):
    return "%s_%d" % (table.name, part)


class World:
    """Tables of one seed, loaded into a database of the document server and into PostgreSQL."""

    def __init__(self, rng, database):
        self.rng, self.database = rng, database
        self.tables = [make_table(rng, "t%d" % number) for number in range(1, rng.randint(3, 4) + 1)]
        self.timezone = rng.choice(("UTC", "UTC", "America/New_York", "Asia/Kolkata"))
        self.refused = collections.Counter()

    def load_documents(self, client):
        client.drop_database(self.database)
        database = client[self.database]
        self.stored = {}
        for table in self.tables:
            collection = database[table.name]
            self.create(database, table)
            documents = make_documents(self.rng, table)
            # Always at least one document, so that the collection is there, of nobody.
            documents.append(v.frame([v.field("_id", "nobody")]))
            self.insert(collection, [RawBSONDocument(document) for document in documents])
            for keys in table.indexes:
                try:
                    collection.create_index(keys)
                except Exception as error:  # an engine may refuse parallel arrays and more
                    self.refused["index: " + str(error)[:60]] += 1
            # What the server stored is the truth, not what was sent.
            raw = collection.with_options(CodecOptions(document_class=RawBSONDocument))
            kept = list(raw.find({}, batch_size=100000))
            self.stored[table.name] = [bson.decode(document.raw, DECODED) for document in kept]
            table.validated = table.schema is not None and all(
                obeys(table.schema, document) for document in self.stored[table.name])
            for part in PARTS:
                self.insert(database[part_name(table, part)], kept[part - 1::len(PARTS)])

    def create(self, database, table):
        """With its validator; documents that it refuses are not there."""
        if table.schema is None:
            return
        try:
            database.create_collection(table.name, validator={"$jsonSchema": table.schema}, validationLevel="strict",
                                       validationAction="error")
        except Exception as error:
            table.schema = None
            self.refused["validator: " + str(error)[:60]] += 1

    def insert(self, collection, documents):
        try:
            collection.insert_many(documents, ordered=False)
        except Exception:
            for document in documents:
                try:
                    collection.replace_one({"_id": document["_id"]}, document, upsert=True)
                except Exception as error:
                    self.refused["document: " + str(error)[:60]] += 1

    def tenant_documents(self, table, tenant):
        return [document for document in self.stored[table.name]
                if type(document.get("tenant_id")) is str and document["tenant_id"] == tenant]

    def local_rows(self, table, tenant):
        rows = []
        for column in table.columns:
            column.mismatches[tenant] = 0
        for document in self.tenant_documents(table, tenant):
            row = []
            for column in table.columns:
                text, mismatch = model.decode(column, document)
                column.mismatches[tenant] += mismatch
                if text is not None and len(column.texts) < 60:
                    column.texts.append(text)
                row.append(text)
            rows.append(row)
        table.rows[tenant] = len(rows)
        return rows

    def load_local(self, connection):
        """The local copies; `connection` is psycopg's, in autocommit."""
        with connection.transaction():
            cursor = connection.cursor()
            for tenant in TENANTS:
                schema = LOCAL[tenant]
                cursor.execute("DROP SCHEMA IF EXISTS %s CASCADE" % schema)
                cursor.execute("CREATE SCHEMA %s" % schema)
                for table in self.tables:
                    cursor.execute("CREATE TABLE %s.%s (%s)" % (
                        schema, table.name, ", ".join(c.declaration() for c in table.columns)))
                    rows = self.local_rows(table, tenant)
                    with cursor.copy("COPY %s.%s FROM STDIN" % (schema, table.name)) as copy:
                        for row in rows:
                            copy.write("\t".join(copy_text(value) for value in row) + "\n")

    @staticmethod
    def keeps_promise(table):
        """trust_types says: no array and no other type at any column's path."""
        return not any(sum(c.mismatches.values()) or c.path.startswith("list_") for c in table.columns)

    def foreign_ddl(self):
        """The tables by what a mismatch does (fn: NULL, fe: an error), and partitioned as well (fp: NULL)."""
        statements = [statement % schema for schema in ("fn", "fe", "fp")
                      for statement in ("DROP SCHEMA IF EXISTS %s CASCADE", "CREATE SCHEMA %s")]
        for table in self.tables:
            statements += [self.foreign_table("fn." + table.name, table, on_mismatch="null"),
                           self.foreign_table("fe." + table.name, table, on_mismatch="error"),
                           "CREATE TABLE fp.%s (%s, part integer) PARTITION BY LIST (part)" % (
                               table.name, ", ".join(c.declaration() for c in table.columns))]
            for part in PARTS:
                name = part_name(table, part)
                statements += [self.foreign_table("fp." + name, table, PART, on_mismatch="null", collection=name),
                               "ALTER TABLE fp.%s ATTACH PARTITION fp.%s FOR VALUES IN (%d)" % (table.name, name, part)]
        return statements

    def foreign_table(self, name, table, *more_columns, **more_options):
        options = {"database": self.database, **more_options}
        if table.fetch_size:
            options["fetch_size"] = str(table.fetch_size)
        if table.trusted and self.keeps_promise(table):
            options["trust_types"] = "true"
        elif table.validated and not any(sum(c.mismatches.values()) for c in table.columns if c.proven):
            options["trust_types"] = "validator"
        columns = ['"%s" %s%s%s' % (c.name, c.type, option_list(c.options),
                                    ' COLLATE "%s"' % c.collation if c.collation else "")
                   for c in table.columns]
        return "CREATE FOREIGN TABLE %s (%s) SERVER mtf_fuzz%s" % (
            name, ", ".join([*columns, *more_columns]), option_list(options))

    def load_foreign(self, connection):
        with connection.transaction():
            cursor = connection.cursor()
            for statement in self.foreign_ddl():
                cursor.execute(statement)
