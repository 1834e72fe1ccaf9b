"""Random queries over a world's tables, as trees that can be printed and shrunk.

A query prints with a schema in the place of {s} (the tables under test) and with {l} where a table is
always the local copy.  Everything is meant to be deterministic: what SQL leaves open (sums of floats in
another order, rows under LIMIT without a total order) is not generated, or is marked.
"""

import copy
import re

import values as v

NUMBERS = ("int", "float", "numeric")
ORDERED = NUMBERS + ("text", "bpchar", "date", "timestamp", "timestamptz", "uuid", "bool")
COMPARISONS = ("=", "=", "=", "<>", "<", "<=", ">", ">=")


class Node:
    """An expression: `form` with {0}, {1}… for its kids."""

    __slots__ = ("form", "kids", "cls")

    def __init__(self, form, *kids, cls="bool"):
        self.form, self.kids, self.cls = form, list(kids), cls

    def sql(self, out):
        return self.form.format(*(kid.sql(out) for kid in self.kids))


class Literal(Node):
    """A constant: text of a type, printed inline or as a parameter."""

    __slots__ = ("text", "type")

    def __init__(self, text, type, cls):
        super().__init__("", cls=cls)
        self.text, self.type = text, type

    def sql(self, out):
        if out.parameters is not None:
            out.parameters.append((self.text, self.type))
            return "$%d" % len(out.parameters)
        if self.text is None:
            return "NULL::" + self.type
        return "'%s'::%s" % (self.text.replace("'", "''"), self.type)


class Ref(Node):
    """A column of a table in scope."""

    __slots__ = ("alias", "column", "table")

    def __init__(self, alias, table, column):
        super().__init__("", cls=column.cls)
        self.alias, self.table, self.column = alias, table, column

    def sql(self, out):
        return '%s."%s"' % (self.alias, self.column.name)

    def __deepcopy__(self, memo):
        return self


class Raw(Node):
    """A subquery inside an expression."""

    __slots__ = ("query",)

    def __init__(self, form, query, *kids, cls="bool"):
        super().__init__(form, *kids, cls=cls)
        self.query = query

    def sql(self, out):
        return self.form.format(*(kid.sql(out) for kid in self.kids), q=self.query.sql(out))


class Out:
    """Where a query prints to: schemas, and parameters if there are any."""

    def __init__(self, foreign, local, parameters=None):
        self.foreign, self.local, self.parameters = foreign, local, parameters


class Source:
    """One entry of FROM: a table or a subquery, and how it is joined to what stands before.

    `opens`: a parenthesis stands before it, which ends behind the source that has in `closes` how that whole is joined.
    `arms`: the table stands that many times in a UNION ALL.
    """

    def __init__(self, alias, table=None, query=None, join=None, on=None, always_local=False,
                 lateral=False):
        self.alias, self.table, self.query = alias, table, query
        self.join, self.on, self.always_local, self.lateral = join, on, always_local, lateral
        self.opens, self.closes, self.arms = False, None, 1

    def sql(self, out):
        if self.query is not None:
            body = "%s(%s)" % ("LATERAL " if self.lateral else "", self.query.sql(out))
        else:
            body = "%s.%s" % (out.local if self.always_local else out.foreign, self.table.name)
            if self.arms > 1:
                body = "(%s)" % " UNION ALL ".join(["SELECT * FROM " + body] * self.arms)
        text = "%s %s" % (body, self.alias)
        if self.join is None:
            return text
        text = " %s %s%s" % (self.join, "(" if self.opens else "", text)
        if self.on is not None:
            text += " ON " + self.on.sql(out)
        return text if self.closes is None else text + ") ON " + self.closes.sql(out)


class Query:
    def __init__(self):
        self.items = []  # (Node, name, is normalised in comparisons)
        self.sources = []
        self.where = []
        self.group = []
        self.having = None
        self.distinct = None  # None, True, or a list of nodes for DISTINCT ON
        self.order = []  # (Node or text, direction)
        self.limit = self.offset = None
        self.ties = False  # FETCH FIRST … WITH TIES
        self.union = None  # another Query, UNION ALL
        self.setop = "UNION ALL"
        self.ordered = False

    def sql(self, out):
        text = "SELECT "
        if self.distinct is True:
            text += "DISTINCT "
        elif self.distinct:
            text += "DISTINCT ON (%s) " % ", ".join(node.sql(out) for node in self.distinct)
        text += ", ".join("%s AS %s" % (node.sql(out), name) for node, name, _ in self.items)
        if self.sources:
            text += " FROM " + "".join(source.sql(out) for source in self.sources)
        if self.where:
            text += " WHERE " + " AND ".join(node.sql(out) for node in self.where)
        if self.group:
            text += " GROUP BY " + ", ".join(node.sql(out) for node in self.group)
        if self.having:
            text += " HAVING " + self.having.sql(out)
        if self.union is not None:
            text += " %s %s" % (self.setop, self.union.sql(out))
        if self.order:
            text += " ORDER BY " + ", ".join(
                (node if isinstance(node, str) else node.sql(out)) + way for node, way in self.order)
        if self.limit is not None and not self.ties:
            text += " LIMIT " + self.limit.sql(out)
        if self.offset is not None:
            text += " OFFSET " + self.offset.sql(out)
        if self.limit is not None and self.ties:
            text += " FETCH FIRST (%s) ROWS WITH TIES" % self.limit.sql(out)
        return text


def walk(thing, found):
    """All Refs and Sources under a query or node."""
    if isinstance(thing, Query):
        for source in thing.sources:
            found.append(source)
            if source.query is not None:
                walk(source.query, found)
            for condition in (source.on, source.closes):
                if condition is not None:
                    walk(condition, found)
        for node, _, _ in thing.items:
            walk(node, found)
        for node in thing.where + thing.group + ([thing.having] if thing.having else []):
            walk(node, found)
        if isinstance(thing.distinct, list):
            for node in thing.distinct:
                walk(node, found)
        for node, _ in thing.order:
            if not isinstance(node, str):
                walk(node, found)
        if thing.union is not None:
            walk(thing.union, found)
    elif isinstance(thing, Node):
        if isinstance(thing, Ref):
            found.append(thing)
        if isinstance(thing, Raw):
            walk(thing.query, found)
        for kid in thing.kids:
            walk(kid, found)
    return found


# ---- literals --------------------------------------------------------------------------------

EXTRA = {
    "int": ["0", "1", "5", "-1", "3", "7", "4", "6", "32767", "2147483647", "9223372036854775807",
            "-9223372036854775808", "9007199254740992", "9007199254740993", "100"],
    "float": ["0", "-0", "5", "5.5", "0.1", "NaN", "Infinity", "-Infinity", "9007199254740992", "1e300",
              "0.30000000000000004", "7", "0.3", "1e-320"],
    "numeric": ["0", "5", "5.00", "0.1", "5.5", "NaN", "Infinity", "-Infinity", "9007199254740993",
                "9007199254740992.5", "0.30000000000000004", "1e40", "-1.25", "7.75"],
    "text": v.STRINGS[:-1], "bpchar": ["a", "a ", "A", "abc", "", "$name", "b"],
    "oid": ["507f1f77bcf86cd799439011", "507F1F77BCF86CD799439011", "zz", "", "0" * 24, "507f1f77"],
    "date": ["2020-01-01", "1969-12-31", "1970-01-01", "infinity", "-infinity", "0001-01-01",
             "0001-01-01 BC", "2024-02-29", "9999-12-31", "5000000-01-01"],
    "timestamp": ["2020-01-01", "2020-01-01 00:00:00.000001", "2020-01-01 00:00:00.001",
                  "1969-12-31 23:59:59.999", "1969-12-31 23:59:59.9995", "1970-01-01", "infinity",
                  "-infinity", "2020-01-01 12:34:56.789", "2020-01-01 12:34:56.789001", "0044-03-15 BC",
                  "294276-12-31 23:59:59.999999"],
    "uuid": ["12345678-1234-4234-8234-1234567890ab", "00000000-0000-0000-0000-000000000000",
             "ffffffff-ffff-ffff-ffff-ffffffffffff", "00000000-0000-4000-8000-000000000002"],
    "bytea": ["\\x", "\\x00", "\\x616263", "\\x12345678123442348234123456789 0ab".replace(" ", "")],
    "bool": ["t", "f"],
    "jsonb": ["{}", "[]", '{"a": 5}', '{"a": {"b": 5}}', '{"a": null}', "5", '"x"', "null",
              '{"a": [1, 2]}', '{"b": "x"}', '{"a": [1]}', "[3, 7]", "[7]", '{"a": "5"}']}
EXTRA["timestamptz"] = [text if "inf" in text else (text[:-3] + "+00 BC" if text.endswith("BC") else
                        text + ("+00" if ":" in text else " 00:00+00")) for text in EXTRA["timestamp"]]

FAR_YEARS = re.compile(r"BC|^\d{5,}|infinity|^0001-01-01|^9999-12-31")


def without_far_dates():
    """For engines that cannot read dates outside the years 1 to 9999."""
    for cls in ("date", "timestamp", "timestamptz"):
        EXTRA[cls] = [text for text in EXTRA[cls] if not FAR_YEARS.search(text)] + ["9999-12-30"]
    # The day after one of these begins outside.
    v.DATES[:] = [date for date in v.DATES if int(date) not in (-62135596800000, 253402300799999)]


TYPES = {"int": ("int4", "int8", "int2", "int4"), "float": ("float8", "float8", "float4"),
         "numeric": ("numeric",), "text": ("text",), "bpchar": ("bpchar",), "oid": ("text",),
         "date": ("date",), "timestamp": ("timestamp",), "timestamptz": ("timestamptz",),
         "uuid": ("uuid",), "bytea": ("bytea",), "bool": ("bool",), "jsonb": ("jsonb",)}

INT_LIMITS = {"int2": 2**15, "int4": 2**31, "int8": 2**63}

SPECIAL = re.compile(r"([\\.^$|?*+()\[\]{}])")


class Maker:
    """Makes one query; `rng` decides everything."""

    def __init__(self, rng, world):
        self.rng, self.world = rng, world
        self.aliases = 0
        self.flags = set()  # 'risky': may raise; 'fuzzy': float results depend on order; 'late': with parameters most often

    # -- small helpers

    def chance(self, probability):
        return self.rng.random() < probability

    def pick(self, sequence):
        return self.rng.choice(sequence)

    def alias(self):
        self.aliases += 1
        return "a%d" % self.aliases

    def refs(self, scope, classes=None, test=None):
        """All columns in scope of these classes."""
        found = []
        for source in scope:
            if source.table is None:
                continue
            for column in source.table.columns:
                if (classes is None or column.cls in classes) and (test is None or test(column)):
                    found.append(Ref(source.alias, source.table, column))
        return found

    def literal(self, cls, ref=None, nulls=0.03):
        rng = self.rng
        kind = self.pick(TYPES[cls])
        if self.chance(nulls):
            return Literal(None, kind, cls)
        texts = ref.column.texts if ref is not None and ref.column.cls == cls else None
        text = self.pick(texts) if texts and self.chance(0.7) else self.pick(EXTRA[cls])
        if cls == "int":
            number = int(text) + (rng.choice((-1, 0, 0, 1)) if len(text) < 9 else 0)
            text = str(number)
            if not -INT_LIMITS[kind] <= number < INT_LIMITS[kind]:
                kind = "int8"
        elif cls == "float" and kind == "float4":
            try:
                value = float(text)
            except ValueError:
                value = 0.0
            if abs(value) != float("inf") and (abs(value) > 3e38 or 0 < abs(value) < 1e-37):
                kind = "float8"
        return Literal(text, kind, cls)

    # -- scalar expressions

    def comparable(self, scope, ref):
        """Something to compare a column with: (node, needs nothing else)."""
        cls = ref.cls
        rng = self.rng
        roll = rng.random()
        if roll < 0.62:
            return self.literal(cls, ref)
        if roll < 0.85 or cls not in ("int", "float", "numeric", "date", "timestamp", "timestamptz"):
            others = self.refs(scope, (cls,), lambda c: c.collation == ref.column.collation and (
                c is not ref.column or self.chance(0.2)))
            return self.pick(others) if others else self.literal(cls, ref)
        # another type of the same family
        if cls in NUMBERS:
            other = self.pick(NUMBERS)
        else:
            other = self.pick(("date", "timestamp", "timestamptz"))
        others = self.refs(scope, (other,))
        if others and self.chance(0.4):
            return self.pick(others)
        return self.literal(other, None)

    def scalar(self, scope, cls, depth=1):
        """An expression of a class (exact class, not family)."""
        refs = self.refs(scope, (cls,))
        if not refs:
            return self.literal(cls)
        ref = self.pick(refs)
        if depth <= 0 or self.chance(0.6):
            return ref
        options = [
            lambda: Node("COALESCE({0}, {1})", ref, self.literal(cls, ref, 0), cls=cls),
            lambda: Node("CASE WHEN {0} THEN {1} ELSE {2} END", self.predicate(scope, 0), ref,
                         self.pick((self.literal(cls, ref, 0), self.pick(refs))), cls=cls),
            lambda: Node("NULLIF({0}, {1})", ref, self.literal(cls, ref, 0), cls=cls),
        ]
        if cls in ("bool",):
            options += [lambda: Node("({0} IS NULL)", ref, cls=cls), lambda: Node("(NOT {0})", ref, cls=cls)]
        if cls in ORDERED and cls not in ("bool", "uuid"):
            options.append(lambda: Node("%s({0}, {1})" % self.pick(("GREATEST", "LEAST")), ref,
                                        self.literal(cls, ref, 0), cls=cls))
        if cls == "int":
            options += [
                lambda: Node("({0}::int8 %s {1})" % self.pick("+-"),
                             self.small_int(scope), self.literal_int(100), cls=cls),
                lambda: Node("({0} %s {1})" % self.pick(("/", "%")), ref, self.literal_int(7, True), cls=cls),
                lambda: Node("({0}::int8 * {1})", self.small_int(scope), self.literal_int(9), cls=cls),
                lambda: self.risky(Node("({0} %s {1})" % self.pick("+-*"), ref, self.literal_int(9), cls=cls)),
                lambda: self.extract(scope),
                lambda: self.length(scope),
            ]
        if cls == "numeric":
            options += [lambda: Node("({0} %s {1})" % self.pick("+-"), ref, self.literal(cls, ref, 0),
                                     cls=cls),
                        lambda: Node("round({0}, 1)", ref, cls=cls), lambda: Node("abs({0})", ref, cls=cls)]
        if cls == "float":
            options += [lambda: self.risky(Node("({0} %s {1})" % self.pick("+-*"), ref,
                                                self.literal(cls, ref, 0), cls=cls)),
                        lambda: Node("(- {0})", ref, cls=cls), lambda: Node("abs({0})", ref, cls=cls)]
        if cls == "text" and ref.column.collation != "mtf_ci":
            options += [lambda: Node("%s({0})" % self.pick(("lower", "upper", "btrim", "reverse")), ref, cls=cls),
                        lambda: Node("({0} || {1})", ref, self.literal(cls, ref), cls=cls),
                        lambda: Node("substr({0}, 1, {1})", ref, self.literal_int(4, True), cls=cls)]
        if cls in ("timestamp", "timestamptz"):
            options += [lambda: self.risky(Node("date_trunc('%s', {0})" % self.pick(
                ("year", "quarter", "month", "week", "day", "hour", "minute", "second")), ref, cls=cls)),
                        lambda: self.risky(Node("({0} + interval '%s')" % self.pick(
                            ("1 day", "1 month", "90 minutes", "-1 year")), ref, cls=cls))]
        if cls == "date":
            options += [lambda: self.risky(Node("({0} %s {1})" % self.pick("+-"), ref,
                                                Literal(str(self.rng.randint(0, 40)), "int4", "int"), cls=cls))]
        return self.pick(options)()

    def risky(self, node):
        self.flags.add("risky")
        return node

    def literal_int(self, limit, positive=False):
        low = 1 if positive else -limit
        return Literal(str(self.rng.randint(low, limit)), "int4", "int")

    def small_int(self, scope):
        """An int column that cannot overflow an int8 sum."""
        refs = self.refs(scope, ("int",), lambda c: c.kind in ("int2", "int4"))
        return self.pick(refs)

    def product(self, scope, depth=2):
        """Arithmetic of numbers that may need more digits than any column has; None where there are no numbers."""
        refs = self.refs(scope, ("numeric",)) * 3 + self.refs(scope, ("int",))
        if not refs:
            return None
        if depth == 0 or self.chance(0.2):
            ref = self.pick(refs)
            return ref if ref.cls == "numeric" else Node("{0}::numeric", ref, cls="numeric")
        return self.risky(Node("({0} %s {1})" % self.pick("***+-"), self.product(scope, depth - 1),
                               self.product(scope, depth - 1) if self.chance(0.8) else self.literal("numeric"), cls="numeric"))

    def extract(self, scope):
        refs = self.refs(scope, ("date", "timestamp", "timestamptz"))
        if not refs:
            return self.small_int(scope)
        field = self.pick(("year", "month", "day", "dow", "isodow", "doy", "quarter", "week", "isoyear",
                           "century", "decade", "epoch"))
        ref = self.pick(refs)
        if ref.cls != "date" and self.chance(0.4):
            field = self.pick(("hour", "minute", "second", "milliseconds"))
        form = self.pick(("extract(%s from {0})", "date_part('%s', {0})")) % field
        self.flags.add("risky")  # the infinite ones
        return Node("(%s)::int8" % form, ref, cls="int")

    def length(self, scope):
        refs = self.refs(scope, ("text",))
        if not refs:
            return self.small_int(scope)
        return Node("%s({0})" % self.pick(("length", "octet_length", "char_length")), self.pick(refs), cls="int")

    # -- predicates

    def predicate(self, scope, depth=2, outer=()):
        rng = self.rng
        if depth > 0:
            roll = rng.random()
            if roll < 0.16:
                return Node("({0} AND {1})", self.predicate(scope, depth - 1, outer),
                            self.predicate(scope, depth - 1, outer))
            if roll < 0.36:
                return Node("({0} OR {1})", self.predicate(scope, depth - 1, outer),
                            self.predicate(scope, depth - 1, outer))
            if roll < 0.50:
                return Node("(NOT {0})", self.predicate(scope, depth - 1, outer))
            if roll < 0.54:
                return Node("(({0}) IS %s)" % self.pick(
                    ("TRUE", "FALSE", "UNKNOWN", "NOT TRUE", "NOT FALSE", "NOT UNKNOWN")),
                    self.predicate(scope, depth - 1, outer))
            if roll < 0.57:
                return Node("(({0}) %s ({1}))" % self.pick(("=", "<>", "<", "<=", "IS DISTINCT FROM")),
                            self.predicate(scope, depth - 1, outer),
                            self.pick((self.predicate(scope, 0, outer), self.literal("bool"))))
            if roll < 0.60:
                return Node("(CASE WHEN {0} THEN {1} ELSE {2} END)", self.predicate(scope, 0, outer),
                            self.predicate(scope, depth - 1, outer), self.predicate(scope, 0, outer))
            if roll < 0.67 and self.aliases < 6:
                return self.subquery_predicate(scope, outer)
        return self.leaf(scope)

    def leaf(self, scope):
        refs = [ref for ref in self.refs(scope) if ref.column.name not in ("owner",)]
        ref = self.pick(refs)
        if self.chance(0.12):
            return Node("({0} IS %sNULL)" % self.pick(("", "NOT ")), ref)
        if ref.cls == "bool" and self.chance(0.7):
            return self.pick((lambda: ref, lambda: Node("(NOT {0})", ref), lambda: Node(
                "({0} IS %s)" % self.pick(("TRUE", "FALSE", "UNKNOWN", "NOT TRUE", "NOT FALSE",
                                           "NOT UNKNOWN")), ref)))()
        if ref.cls == "jsonb":
            return self.json_leaf(ref, scope)
        if ref.cls == "array":
            return self.array_leaf(ref, scope)
        if ref.cls == "text" and self.chance(0.25):
            return self.text_leaf(ref, scope)
        if ref.cls in ("text", "oid") and self.chance(0.35):
            return self.pattern_leaf(ref)
        return self.comparison_leaf(scope, ref)

    def comparison_leaf(self, scope, ref):
        rng, cls = self.rng, ref.cls
        roll = rng.random()
        if roll < 0.45:
            other = self.comparable(scope, ref)
            left, right = (ref, other) if self.chance(0.85) else (other, ref)
            return Node("({0} %s {1})" % self.pick(COMPARISONS), left, right)
        if roll < 0.52:
            return Node("({0} IS %sDISTINCT FROM {1})" % self.pick(("", "NOT ")), ref,
                        self.comparable(scope, ref))
        if roll < 0.66:
            items = [self.literal(cls, ref, 0.05) for _ in range(rng.choice((1, 2, 3, 8)))]
            if self.chance(0.15):
                items.append(Literal(None, items[0].type, cls))
            if cls == "int":
                # one type, so that IN becomes one array comparison
                kind = self.pick(("int4", "int8"))
                for item in items:
                    if item.text is None or abs(int(item.text)) < INT_LIMITS[kind]:
                        item.type = kind
            form = "({0} %s (%s))" % (self.pick(("IN", "IN", "NOT IN")),
                                      ", ".join("{%d}" % (i + 1) for i in range(len(items))))
            return Node(form, ref, *items)
        if roll < 0.72:
            return self.any_array(ref)
        if roll < 0.84:
            return Node("({0} %sBETWEEN %s{1} AND {2})" % (self.pick(("", "", "NOT ")),
                                                           self.pick(("", "", "SYMMETRIC "))),
                        ref, self.literal(cls, ref), self.literal(cls, ref))
        if roll < 0.87:
            return self.row_leaf(scope, ref)
        if roll < 0.92:
            return self.computed_leaf(scope, cls)
        if cls in ("date", "timestamp", "timestamptz") and self.chance(0.4):
            return self.time_leaf(ref, scope)
        if cls in ("timestamp", "timestamptz") and self.chance(0.3):
            return Node("({0}::date %s {1})" % self.pick(COMPARISONS), ref, self.literal("date"))
        if cls in ("int", "numeric") and self.chance(0.5):
            return self.shift_leaf(ref)
        left = self.scalar(scope, cls, 1)
        return Node("({0} %s {1})" % self.pick(COMPARISONS), left, self.literal(cls, ref))

    def computed_leaf(self, scope, cls):
        """Something computed against a value, a list, another column, or tested for NULL."""
        cls = self.pick(("int", "int", "numeric", "float", "text", "date", "timestamp", "bool", cls))
        refs = self.refs(scope, (cls,), lambda c: c.collation != "mtf_ci")
        if not refs:
            refs = self.refs(scope, ("int",))
        ref = self.pick(refs)
        cls = ref.cls
        other = self.pick([each for each in refs if each.cls == cls and
                           each.column.collation == ref.column.collation] or [ref])
        def computed():
            options = [
                lambda: Node("COALESCE({0}, {1})", ref, self.literal(cls, ref), cls=cls),
                lambda: Node("COALESCE({0}, {1}, {2})", ref, other, self.literal(cls, ref, 0), cls=cls),
                lambda: Node("NULLIF({0}, {1})", ref, self.literal(cls, ref, 0), cls=cls),
                lambda: Node("NULLIF({0}, {1})", ref, other, cls=cls),
                lambda: Node("CASE WHEN {0} THEN {1} WHEN {2} THEN {3} END", self.predicate(scope, 0), ref,
                             self.predicate(scope, 0), self.literal(cls, ref), cls=cls),
                lambda: Node("CASE {0} WHEN {1} THEN {2} ELSE {3} END", ref, self.literal(cls, ref), other,
                             self.literal(cls, ref), cls=cls)]
            if cls == "int":
                narrow = self.refs(scope, ("int",), lambda c: c.kind in ("int2", "int4"))
                options += 2 * [
                    lambda: Node("({0}::int8 %s {1}::int8)" % self.pick("+-*"), self.pick(narrow), self.pick(narrow),
                                 cls=cls),
                    lambda: Node("({0}::int8 %s {1})" % self.pick("+-*"), self.pick(narrow), self.literal_int(9),
                                 cls=cls),
                    lambda: Node("({0} %s {1}::int8)" % self.pick("+-*"), self.literal_int(9), self.pick(narrow),
                                 cls=cls)]
            if cls == "numeric":
                options += 2 * [lambda: self.product(scope)]
            return self.pick(options)()
        return self.pick((
            lambda: Node("({0} %s {1})" % self.pick(COMPARISONS), computed(), self.literal(cls, ref)),
            lambda: Node("({0} %s {1})" % self.pick(COMPARISONS), computed(), other),
            lambda: Node("({0} %s {1})" % self.pick(COMPARISONS), computed(), computed()),
            lambda: Node("({0} IS %sDISTINCT FROM {1})" % self.pick(("", "NOT ")), computed(),
                         self.pick((other, self.literal(cls, ref)))),
            lambda: Node("({0} IS %sDISTINCT FROM {1})" % self.pick(("", "NOT ")), ref, other),
            lambda: Node("({0} %s ({1}, {2}))" % self.pick(("IN", "NOT IN")), computed(), self.literal(cls, ref),
                         self.literal(cls, ref)),
            lambda: Node("({0} IS %sNULL)" % self.pick(("", "NOT ")), computed())))()

    def shift_leaf(self, ref):
        """A column plus or minus a number, as a range of the column; what overflows is an error."""
        self.flags.add("risky")
        number = self.literal_int(9) if self.chance(0.8) else self.literal(ref.cls, ref, 0)
        form = self.pick(("({0} + {1})", "({0} - {1})", "({1} - {0})", "({1} + {0})"))
        if ref.cls == "int" and self.chance(0.3):
            form = form.replace("{0}", self.pick(("{0}::int8", "{0}::numeric")))
        other = self.literal(self.pick((ref.cls, ref.cls, "numeric")), ref)
        return Node("(%s %s {2})" % (form, self.pick(COMPARISONS)), ref, number, other)

    def time_leaf(self, ref, scope):
        """A part of a time against a constant: a range of the column."""
        part = self.instant_part(ref)
        if part is not None and self.chance(0.3):
            return part
        cls, unit = ref.cls, self.pick(("second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade",
                                        "century"))
        other = self.pick(("date", "timestamp") if cls == "timestamp" else ("date", "timestamp", "timestamptz"))
        def constant():
            if self.chance(0.5):
                return Node("date_trunc('%s', {0})" % unit, self.literal(cls, ref, 0), cls=cls)
            return self.literal(other, ref if other == cls else None)
        if cls != "date" and self.chance(0.5):
            self.flags.add("risky")
            return Node("(date_trunc('%s', {0}) %s {1})" % (unit, self.pick(COMPARISONS)), ref, self.pick((
                constant(), constant(), self.pick(self.refs(scope, (cls,))))))
        if cls != "date" and self.chance(0.5):
            return Node("({0}::date %s {1})" % self.pick(COMPARISONS), ref, self.literal("date", None))
        if cls == "timestamptz" and self.chance(0.7):
            return self.zoned_leaf(ref, unit)
        self.flags.add("risky")
        year = Literal(self.pick(("1969", "1970", "2019", "2020", "2020.5", "2013", "1", "0", "-44", "9999", "NaN")),
                       self.pick(("numeric", "float8")), "numeric")
        form = "extract(year from {0})" if year.type == "numeric" else "date_part('year', {0})"
        return Node("(%s %s {1})" % (form, self.pick(COMPARISONS)), ref, year)

    def zoned_leaf(self, ref, unit):
        """A timestamptz in a zone that the query names."""
        self.flags.add("risky")
        shown = "({0} AT TIME ZONE '%s')" % self.pick(("UTC", "UTC", "utc", "Asia/Tokyo", "America/New_York", "EST", "Pacific/Apia",
                                                      "America/Sao_Paulo"))
        return self.pick((
            lambda: Node("(%s %s {1})" % (shown, self.pick(COMPARISONS)), ref, self.literal(self.pick(("timestamp", "date")))),
            lambda: Node("({1} %s %s)" % (self.pick(COMPARISONS), shown), ref, self.literal("timestamp")),
            lambda: Node("(date_trunc('%s', %s) %s {1})" % (unit, shown, self.pick(COMPARISONS)), ref, self.pick((
                self.literal("timestamp"), Node("date_trunc('%s', {0})" % unit, self.literal("timestamp", None, 0),
                                                cls="timestamp")))),
            lambda: Node("(%s::date %s {1})" % (shown, self.pick(COMPARISONS)), ref, self.literal("date")),
            lambda: Node("(extract(year from %s) %s {1})" % (shown, self.pick(COMPARISONS)), ref, Literal(
                self.pick(("1970", "2020", "2019.5", "1")), "numeric", "numeric"))))()

    def instant_part(self, ref):
        """A part of a time that no range of the column says: computed."""
        form = {"timestamp": "{0}", "timestamptz": "({0} AT TIME ZONE 'UTC')", "date": "({0}::timestamp)"}[ref.cls]
        self.flags.add("risky")
        part = self.pick(("month", "day", "dow", "isodow", "doy", "week", "quarter", "hour", "minute"))
        call, kind = self.pick((("extract(%s from %s)", "numeric"), ("date_part('%s', %s)", "float8"),
                                ("extract(%s from %s)::int", "int4")))
        number = self.pick(("1", "2", "3", "5", "12", "0", "31", "365"))
        return Node("(%s %s {1})" % (call % (part, form), self.pick(COMPARISONS)), ref, Literal(number, kind, "numeric"))

    def any_array(self, ref):
        items = [self.literal(ref.cls, ref, 0.05) for _ in range(self.rng.choice((0, 1, 2, 4)))]
        kind = self.pick(TYPES[ref.cls])
        if ref.cls == "int":
            kind = "int8"
        elif ref.cls == "float":
            kind = "float8"
        text = "{" + ",".join("NULL" if item.text is None else '"%s"' % item.text.replace(
            "\\", "\\\\").replace('"', '\\"') for item in items) + "}"
        array = Literal(text if self.chance(0.95) else None, kind + "[]", "any")
        form, op = self.pick((("({0} %s ANY ({1}))", "="), ("({0} %s ANY ({1}))", "="),
                              ("({0} %s ALL ({1}))", "<>"), ("({0} %s ANY ({1}))", self.pick(COMPARISONS)),
                              ("({0} %s ALL ({1}))", self.pick(COMPARISONS))))
        return Node(form % op, ref, array)

    def row_leaf(self, scope, ref):
        other = self.pick(self.refs(scope, (ref.cls,)) or [ref])
        if self.chance(0.5):
            return Node("(({0}, {1}) %s ({2}, {3}))" % self.pick(("=", "<>", "<", ">=")), ref, other,
                        self.literal(ref.cls, ref), self.literal(ref.cls, other))
        return Node("(({0}, {1}) IN (({2}, {3}), ({4}, {5})))", ref, other, self.literal(ref.cls, ref),
                    self.literal(ref.cls, other), self.literal(ref.cls, ref), self.literal(ref.cls, other))

    def text_leaf(self, ref, scope):
        """A part of a text, or its length: a pattern of the column, or computed."""
        if ref.column.collation == "mtf_ci":
            return Node("({0} <> {1})", ref, self.literal("text", ref))
        text = self.pick(ref.column.texts) if ref.column.texts and self.chance(0.8) else self.pick(v.STRINGS[:-1])
        number = self.rng.choice((0, 1, 1, 2, 2, 3, 5))
        form, part = self.pick((
            ("left({0}, %d)" % number, text[:number]), ("right({0}, %d)" % number, text[len(text) - number:]),
            ("substring({0}, 1, %d)" % number, text[:number]), ("substr({0}, 2, %d)" % number, text[1:1 + number]),
            ("substring({0} from 0 for %d)" % number, text[:max(number - 1, 0)]),
            ("lower({0})", text.lower()), ("upper({0})", text.upper()), ("left({0}, -%d)" % number, text[:-number] if number else ""),
            ("length({0})", None)))
        if part is None:
            return self.pick((
                lambda: Node("(length({0}) %s {1})" % self.pick(COMPARISONS), ref, self.literal_int(9, True)),
                lambda: Node("(length({0}) = length({1}))", ref, self.pick(self.refs(scope, ("text",))))))()
        def constant():
            return Literal(self.pick((part, part, part, part[:-1], part + "x", self.pick(v.STRINGS)[:number], None)), "text",
                           "text")
        return self.pick((
            lambda: Node("(%s %s {1})" % (form, self.pick(("=", "=", "=", "<>"))), ref, constant()),
            lambda: Node("(%s %s ({1}, {2}, {3}))" % (form, self.pick(("IN", "NOT IN"))), ref, constant(), constant(),
                         constant()),
            lambda: Node("(%s %s {1})" % (form, self.pick(COMPARISONS)), ref, constant()),
            lambda: Node("({1} %s %s)" % (self.pick(("=", "<>")), form), ref, constant()),
            lambda: Node("(%s = %s)" % (form, form.replace("{0}", "{1}")), ref, self.pick(self.refs(
                scope, ("text",), lambda c: c.collation == ref.column.collation))),
            lambda: Node("(%s IS %sNULL)" % (form, self.pick(("", "NOT "))), ref)))()

    def pattern_leaf(self, ref):
        rng = self.rng
        if ref.column.collation == "mtf_ci":  # no patterns for nondeterministic collations
            return Node("({0} = {1})", ref, self.literal(ref.cls, ref))
        text = self.pick(ref.column.texts) if ref.column.texts and self.chance(0.7) else self.pick(v.STRINGS)
        text = text[:12]
        roll = rng.random()
        if roll < 0.6:
            pattern = "".join("\\" + c if c in "\\%_" and self.chance(0.8) else
                              ("_" if self.chance(0.1) else c) for c in text)
            if pattern.endswith("\\") and (len(pattern) - len(pattern.rstrip("\\"))) % 2:
                pattern += "\\"
            cut = rng.randint(0, len(pattern))
            if "\\" in pattern:
                cut = 0
            pattern = self.pick((pattern, pattern + "%", "%" + pattern, "%" + pattern + "%",
                                 pattern[:cut] + "%" + pattern[cut:], pattern[:cut] + "%", "%", "_%", ""))
            op = self.pick(("LIKE", "LIKE", "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE"))
            return Node("({0} %s {1})" % op, ref, Literal(pattern, "text", "text"))
        if roll < 0.9:
            literal = SPECIAL.sub(r"\\\1", text)
            pattern = self.pick((literal, "^" + literal, literal + "$", "^" + literal + "$", "^.*$", "a|b",
                                 "^(a|b)", "[a-c]+", "^a.c", "^" + literal + ".*", ".*" + literal + "$", "^a.*b", "^.+$", "a.+", "^a.$", literal + "*", "a.*?", "\\d", "x{2,}", "^$", "(?i)abc", "a\\Z",
                                 "^" + literal[:1].replace("\\", "") + ".*"))
            op = self.pick(("~", "~", "!~", "~*", "!~*"))
            return self.risky(Node("({0} %s {1})" % op, ref, Literal(pattern, "text", "text")))
        return Node(self.pick(("starts_with({0}, {1})", "({0} ^@ {1})", "(strpos({0}, {1}) > 0)")), ref,
                    Literal(text[:3], "text", "text"))

    def json_leaf(self, ref, scope):
        key = self.pick(("a", "b", "a", "b", "c", "a.b", "$x", "k0", "", "zz", "_id", "tenant_id", "c1", "sub"))
        key = Literal(key, "text", "text")
        path = Literal(self.pick(("{a,b}", "{a}", "{a,0}", "{b,c}", "{a,b,0}", "{}", "{a.b}", "{sub,c1}")),
                       "text[]", "any")
        value = Literal(self.pick(("5", "x", "v", "true", "1", "5.0", "5.5", "", "$name", "null", "y", "7",
                                   "507f1f77bcf86cd799439011", "2020-01-01T00:00:00Z",
                                   "2020-01-01T00:00:00.000Z", "[1, 2]", '{"b": 5}')), "text", "text")
        document = self.literal("jsonb", ref)
        def extracted():
            return self.pick((lambda: Node("({0} ->> {1})", ref, key, cls="text"),
                              lambda: Node("({0} #>> {1})", ref, path, cls="text"),
                              lambda: Node("({0} -> {1} ->> {2})", ref, key, Literal(
                                  self.pick(("a", "b", "c")), "text", "text"), cls="text"),
                              lambda: Node("({0} -> {1} ->> {2})", ref, key, Literal(
                                  self.pick("01"), "int4", "int"), cls="text")))()
        return self.pick((
            lambda: Node("({0} %s {1})" % self.pick(("=", "=", "=", "<>", "LIKE")), extracted(), value),
            lambda: Node("({0} IN ({1}, {2}))", extracted(), value, Literal("x", "text", "text")),
            lambda: Node("({0} IS %sNULL)" % self.pick(("", "NOT ")), extracted()),
            lambda: Node("({0} %s {1})" % self.pick(("<", ">=", "ILIKE", "NOT LIKE")), extracted(), value),
            lambda: Node("({0} %s (ARRAY[{1}, {2}]))" % self.pick(("= ANY", "<> ALL", "> ANY")), extracted(), value,
                         Literal("x", "text", "text")),
            lambda: self.member_cast(extracted(), Node("({0} -> {1})", ref, key, cls="jsonb")),
            lambda: self.member_cast(extracted(), Node("({0} -> {1})", ref, key, cls="jsonb")),
            lambda: Node("({0} #> {1} = {2})", ref, path, document),
            lambda: Node("({0} -> {1} @> {2})", ref, key, document),
            lambda: Node("({0} @> {1})", ref, document), lambda: Node("({0} <@ {1})", ref, document),
            lambda: Node("({0} ? {1})", ref, key),
            lambda: Node("({0} %s {1})" % self.pick(("?|", "?&")), ref, Literal(
                self.pick(("{a,b}", "{a}", "{}", "{zz,b}")), "text[]", "any")),
            lambda: Node("({0} %s {1})" % self.pick(("@?", "@@")), ref, Literal(
                self.json_path(), "jsonpath", "any")),
            lambda: Node("({0} %s {1})" % self.pick(("@?", "@@")), ref, Literal(
                self.json_path(), "jsonpath", "any")),
            lambda: Node("(({0} -> {1}) IS %sNULL)" % self.pick(("", "NOT ")), ref, key),
            lambda: Node("(({0} #> {1}) IS %sNULL)" % self.pick(("", "NOT ")), ref, path),
            lambda: Node("({0} -> {1} = {2})", ref, key, document),
            lambda: Node("({0} %s {1})" % self.pick(("=", "<>")), ref, document),
            lambda: Node("(jsonb_typeof({0}) = {1})", ref, Literal(
                self.pick(("object", "array", "null", "number")), "text", "text")),
        ))()

    def json_path(self):
        """Keys, arrays, filters, comparisons: of what the server is told, and of what it is not."""
        def steps(start):
            text = start
            for _ in range(self.rng.choice((0, 1, 1, 1, 2, 3))):
                text += self.pick((".a", ".b", ".a", ".b", ".c", '."a.b"', '."$x"', '."0"', ".c1", ".sub", "[*]", "[0]", "[last]",
                                   ".*", ".size()", ".type()", "[*][*]", "[0 to 1]"))
            return text
        def literal():
            return self.pick(("5", "5.0", "1", "0.1", '"x"', '"5"', '"y"', "true", "false", "null", '"NaN"', "7", "-1",
                              '"507f1f77bcf86cd799439011"', '"2020-01-01T00:00:00Z"'))
        def predicate(start, depth=1):
            forms = [
                lambda: "%s %s %s" % (steps(start), self.pick(("==", "==", "!=", "<", "<=", ">", ">=", "<>")), literal()),
                lambda: "%s %s %s" % (literal(), self.pick(("==", "<", ">=")), steps(start)),
                lambda: "%s == %s" % (steps(start), steps(start)),
                lambda: 'exists(%s)' % path(start, 0), lambda: '%s starts with "x"' % steps(start),
                lambda: '%s like_regex "^[a-y]"' % steps(start)]
            if depth:
                forms += [lambda: "(%s) %s (%s)" % (predicate(start, 0), self.pick(("&&", "||")), predicate(start, 0)),
                          lambda: "!(%s)" % predicate(start, 0), lambda: "(%s) is unknown" % predicate(start, 0)]
            return self.pick(forms)()
        def path(start, depth=1):
            text = steps(start)
            if self.chance(0.6):
                text += " ? (%s)" % predicate("@", depth)
                if self.chance(0.3):
                    text += self.pick((".a", ".b", "[*]"))
            return text
        return self.pick(("", "", "", "strict ")) + self.pick((path, path, predicate))("$")

    def member_cast(self, text, member):
        """A member as a number, a truth or a time: what cannot be cast is an error."""
        self.flags.add("risky")
        kind, cls = self.pick((("int", "int"), ("bigint", "int"), ("smallint", "int"), ("numeric", "numeric"),
                               ("float8", "float"), ("real", "float"), ("bool", "bool"), ("timestamp", "timestamp"),
                               ("timestamptz", "timestamptz"), ("date", "date")))
        source = member if cls in ("int", "numeric", "float", "bool") and self.chance(0.4) else text
        if cls == "bool":
            return Node(self.pick(("({0}::bool)", "(NOT {0}::bool)", "({0}::bool = true)")), source)
        one = {"int": ("5", "1", "7", "0", "-1"), "numeric": ("5", "5.5", "1", "0.1"), "float": ("5", "5.5", "0.1"),
               "timestamp": ("2020-01-01", "1970-01-01"), "timestamptz": ("2020-01-01 00:00+00", "infinity"),
               "date": ("2020-01-01", "1970-01-01", "2019-12-31", "-infinity")}[cls]
        type = {"int": "int4", "float": "float8"}.get(cls, cls)
        value = Literal(self.pick(one), type, cls)
        if self.chance(0.15):
            return Node("({0}::%s IS %sNULL)" % (kind, self.pick(("", "NOT "))), source)
        if self.chance(0.3):
            return Node("({0}::%s IN ({1}, {2}))" % kind, source, value, Literal(self.pick(one), type, cls))
        return Node("({0}::%s %s {1})" % (kind, self.pick(COMPARISONS)), source, value)

    def array_leaf(self, ref, scope):
        element = ref.column.element
        cls = {"int4": "int", "text": "text", "float8": "float"}[element]
        def item():
            literal = self.literal(cls, None)
            if literal.type != element:
                literal = Literal(self.pick({"int": ("5", "3", "7", "0"), "float": ("5", "0.1", "NaN", "5.5"),
                                             "text": ("a", "b", "$name", "NULL")}[cls]), element, cls)
            return literal
        def whole():
            return Literal(self.pick({"int4": ("{}", "{5}", "{3,7}", "{NULL}", "{5,3}", "{1,NULL,3}"),
                                      "text": ("{}", "{a}", "{a,b}", "{NULL}", "{$name}", '{"NULL",""}'),
                                      "float8": ("{}", "{5}", "{0.1}", "{NaN}", "{5.5,NULL}")}[element]),
                           element + "[]", "any")
        return self.pick((
            lambda: Node("({1} = ANY ({0}))", ref, item()), lambda: Node("({1} <> ALL ({0}))", ref, item()),
            lambda: Node("({1} %s ANY ({0}))" % self.pick(COMPARISONS), ref, item()),
            lambda: Node("({0} %s {1})" % self.pick(("@>", "<@", "&&", "=", "<>")), ref, whole()),
            lambda: Node("({0} %s {1})" % self.pick(("@>", "&&")), ref, whole()),
            lambda: Node("({0} %s {1})" % self.pick(("@>", "&&")), ref, whole()),
            lambda: Node("({0}[%d] %s {1})" % (self.pick((1, 1, 2, 0)), self.pick(COMPARISONS)), ref, item()),
            lambda: Node("({0}[%d] IS %sNULL)" % (self.pick((1, 2, 0)), self.pick(("", "NOT "))), ref),
            lambda: Node("({1} %s {0})" % self.pick(("@>", "<@", "&&", "<>")), ref, whole()),
            lambda: Node("({0}[{1}] %s {2})" % self.pick(COMPARISONS), ref, self.pick((
                self.small_int(scope), Literal("1", "int4", "int"), Literal("2", "int4", "int"))), item()),
            lambda: Node("({0}[{1}] IS %sNULL)" % self.pick(("", "NOT ")), ref, self.small_int(scope)),
            lambda: Node("(%s = {1})" % self.pick(("cardinality({0})", "array_length({0}, 1)")), ref,
                         Literal(self.pick("0123"), "int4", "int")),
        ))()

    # -- subqueries

    def source(self, **more):
        table = self.pick(self.world.tables)
        source = Source(self.alias(), table, always_local=self.chance(0.08), **more)
        # An Append of several scans: each is asked for the keys of a join, or for its own rows.  (Workers that read
        # local ones are started again for each row of a nested loop, which tells nothing and takes minutes.)
        if not source.always_local and self.chance(0.1):
            source.arms = 2
        return source

    def join_condition(self, left_scope, right):
        """col = col between what stands before and a new source; None when no types meet."""
        pairs = []
        for ref in self.refs([right]):
            for other in self.refs(left_scope, (ref.cls,)):
                if ref.cls in ("jsonb", "array") or other.column.collation != ref.column.collation:
                    continue
                names = (ref.column.name, other.column.name)
                pairs += [(ref, other)] * (4 if "id" in names else 1 if "owner" in names else 8)
        if not pairs:
            return None
        ref, other = self.pick(pairs)
        # The merged column of FULL JOIN … USING, as a key of the next join.
        more = [each for each in self.refs(left_scope, (other.cls,)) if each.alias != other.alias and
                each.column.collation == other.column.collation and each.column.type == other.column.type]
        for _ in range(self.rng.choice((0, 0, 0, 0, 1, 1, 2)) if more else 0):
            other = Node("COALESCE({0}, {1})", other, self.pick(more), cls=ref.cls)
        return Node("({0} = {1})", ref, other) if self.chance(0.5) else Node("({0} = {1})", other, ref)

    def subquery_predicate(self, scope, outer):
        source = self.source()
        query = Query()
        query.sources = [source]
        if self.chance(0.25):
            more = self.source()
            more.join, more.on = self.pick(("JOIN", "JOIN", "LEFT JOIN", "FULL JOIN")), self.join_condition([source], more)
            if more.on is not None:
                query.sources.append(more)
        both = list(scope) + query.sources
        correlation = self.join_condition(scope, self.pick(query.sources)) if self.chance(0.75) else None
        if correlation is not None:
            query.where.append(correlation)
        if self.chance(0.6):
            query.where.append(self.predicate(both if self.chance(0.3) else [source], 1))
        roll = self.rng.random()
        if roll < 0.5:
            query.items = [(Literal("1", "int4", "int"), "one", False)]
            if self.chance(0.1):
                query.limit = Literal("1", "int8", "int")
            return Raw("(%sEXISTS ({q}))" % self.pick(("", "NOT ")), query)
        cls = self.pick([c for c in ("int", "text", "numeric", "date") if self.refs([source], (c,))
                         and self.refs(scope, (c,))] or ["int"])
        inner = self.pick(self.refs([source], (cls,)))
        matching = self.refs(scope, (cls,), lambda c: c.collation == inner.column.collation)
        if not matching:
            inner = self.pick(self.refs([source], ("int",)))
            matching = self.refs(scope, ("int",))
        ref = self.pick(matching)
        if roll < 0.85:
            query.items = [(inner, "v", False)]
            return Raw("({0} %s ({q}))" % self.pick(("IN", "IN", "NOT IN", "= ANY")), query, ref)
        query.items = [(Node("%s({0})" % self.pick(("min", "max")), inner, cls=cls), "v", False)]
        if inner.column.collation == "mtf_ci":
            query.items = [(Node("count({0})", inner, cls="int"), "v", False)]
            ref = self.pick(self.refs(scope, ("int",)))
        return Raw("({0} %s ({q}))" % self.pick(COMPARISONS), query, ref)

    # -- whole queries

    def sources(self):
        """FROM: one to three tables, mostly joined by equality."""
        rng = self.rng
        sources = [self.source()]
        for _ in range(rng.choice((0, 0, 0, 1, 1, 1, 2, 3))):
            roll = rng.random()
            if roll < 0.08:
                lateral = self.lateral(sources)
                sources.append(lateral)
                continue
            if roll < 0.2:
                sources += self.joined_pair(sources)
                continue
            new = self.source()
            visible = list(sources)
            join = self.pick(("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
            condition = self.join_condition(visible, new)
            if condition is None:
                continue
            if join != "FULL JOIN" and self.chance(0.35):
                extra = self.predicate([new] if self.chance(0.6) else visible + [new], 1)
                condition = Node("({0} AND {1})", condition, extra)
            elif self.chance(0.25):
                second = self.join_condition(visible, new)
                condition = Node("({0} AND {1})", condition, second)
            new.join, new.on = join, condition
            sources.append(new)
        return sources

    def joined_pair(self, visible):
        """… JOIN (b JOIN c ON …) ON …: an inner side that is a join itself."""
        one, other = self.source(), self.source()
        inner, outer = self.join_condition([one], other), self.join_condition(visible, self.pick((one, other)))
        if inner is None or outer is None:
            return []
        one.join, one.opens = self.pick(("JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")), True
        other.join, other.on = self.pick(("JOIN", "JOIN", "LEFT JOIN", "FULL JOIN")), inner
        if one.join != "FULL JOIN" and self.chance(0.3):
            outer = Node("({0} AND {1})", outer, self.predicate([one, other] if self.chance(0.6) else visible + [other], 1))
        other.closes = outer
        return [one, other]

    def lateral(self, sources):
        """LATERAL (SELECT … ORDER BY id LIMIT n), seen outside as a table of `id` and `n`."""
        inner = self.source()
        query = Query()
        query.sources = [inner]
        condition = self.join_condition(sources, inner)
        query.where = [condition] if condition is not None else []
        if self.chance(0.5):
            query.where.append(self.predicate([inner], 1))
        identity = Ref(inner.alias, inner.table, inner.table.columns[0])
        if self.chance(0.6):
            other = self.pick(self.refs([inner]))
            query.items = [(identity, "id", False), (other, "n", False)]
            query.order = [(identity, self.pick(("", " DESC")))]
            query.limit = Literal(str(self.rng.randint(1, 3)), "int8", "int")
        else:
            other = self.pick(self.refs([inner], ("int",)))
            query.items = [(Node("count({0})", other, cls="int"), "id", False),
                           (Node("max({0})", other, cls="int"), "n", False)]
        return Source(self.alias(), None, query, self.pick(("LEFT JOIN", "JOIN")),
                      Node("true"), lateral=True)

    def identities(self, scope):
        """The ids of everything in FROM: they make any order total."""
        result = []
        for source in scope:
            if source.table is not None:
                result.append(Ref(source.alias, source.table, source.table.columns[0]))
            else:
                result.append(Node("%s.id" % source.alias, cls="int"))
        return result

    def direction(self):
        return self.pick(("", " ASC", " DESC", " DESC", " NULLS FIRST", " DESC NULLS LAST", " ASC NULLS LAST",
                          " DESC NULLS FIRST"))

    def query(self):
        if self.chance(0.1):
            return self.nested_query()
        roll = self.rng.random()
        if roll < 0.52:
            return self.row_query()
        if roll < 0.80:
            return self.group_query()
        if roll < 0.88:
            return self.distinct_query()
        if roll < 0.93:
            return self.distinct_on_query()
        if roll < 0.97:
            return self.derived_query()
        return self.union_query()

    def body(self):
        query = Query()
        query.sources = self.sources()
        if self.chance(0.85):
            query.where = [self.predicate(query.sources, self.rng.choice((0, 0, 1, 2)))
                           for _ in range(self.rng.choice((1, 1, 1, 2)))]
        return query

    def simple_body(self):
        """One table and at most one plain comparison: what stands above it is most often remote."""
        query = Query()
        query.sources = [self.source()]
        refs = self.refs(query.sources, ("int", "text", "bool", "date", "timestamp"),
                         lambda c: c.collation in (None, "C") and c.name not in ("owner", "_id"))
        if self.chance(0.6):
            ref = self.pick(refs)
            form = self.pick(("({0} = {1})", "({0} <> {1})", "({0} >= {1})", "({0} IN ({1}, {2}))", "({0} IS NOT NULL)"))
            literals = [self.literal(ref.cls, ref, 0) for _ in range(form.count("{") - 1)]
            query.where = [Node(form, ref, *literals)]
        return query

    def nested_query(self):
        """Conditions within conditions of one table, below LIMIT or aggregates, which nothing is rechecked after."""
        self.flags.add("late")
        query = self.simple_body()
        scope = query.sources
        query.where = [self.nested(scope, self.rng.choice((1, 2, 2)))]
        if self.chance(0.5):
            query.items = [(ref, "x%d" % number, False) for number, ref in enumerate(self.rng.sample(self.refs(scope), 2))]
            self.order_totally(query, 0.8)
            return query
        if self.chance(0.4):
            query.items = [(self.pick(self.groupable(scope)), "g0", True)]
            query.group = self.positions(query.items)
        query.items += [(self.aggregate(scope), "x%d" % number, True) for number in range(self.rng.choice((1, 1, 2)))]
        return query

    def nested(self, scope, depth):
        if depth == 0:
            refs = self.refs(scope, ("text",), lambda column: column.name != "owner")
            return self.pattern_leaf(self.pick(refs)) if refs and self.chance(0.25) else self.leaf(scope)
        form = self.pick(("(CASE WHEN {0} THEN {1} ELSE {2} END)", "(CASE WHEN {0} THEN {1} ELSE {2} END)", "({0} OR {1})",
                          "(({0}) = ({1}))", "(({0}) IS DISTINCT FROM ({1}))", "(NOT ({0} AND {1}))", "(({0}) IS NOT TRUE)"))
        kids = form.count("{")
        deep = self.rng.randrange(kids)  # one of them has conditions again
        return Node(form, *[self.nested(scope, depth - 1 if number == deep else 0) for number in range(kids)])

    def row_query(self):
        query = self.body()
        scope = query.sources
        for source in scope:
            if source.table is not None:
                owner = Ref(source.alias, source.table, source.table.columns[1])
                query.items.append((owner, "owner_%s" % source.alias, False))
            if source.table is None:
                query.items.append((Node("%s.n" % source.alias, cls="any"), "n_%s" % source.alias, False))
        for number in range(self.rng.randint(1, 4)):
            if self.chance(0.75):
                node = self.pick(self.refs(scope))
            else:
                cls = self.pick([ref.cls for ref in self.refs(scope) if ref.cls in TYPES and
                                 ref.cls not in ("jsonb", "bytea", "oid", "bpchar")])
                node = self.scalar(scope, cls, 1)
            query.items.append((node, "x%d" % number, False))
        if self.chance(0.5):
            candidates = self.refs(scope, ORDERED + ("oid",))
            for _ in range(self.rng.choice((0, 1, 1, 2))):
                ref = self.pick(candidates)
                query.order.append((ref, self.direction()))
            self.order_totally(query, 0.6)
        elif self.chance(0.1):
            # Any order of equals, but all of the last ones.
            candidates = self.refs(scope, ORDERED)
            query.order = [(self.pick(candidates), self.direction()) for _ in range(self.rng.choice((1, 1, 2)))]
            query.limit = Literal(self.pick(("1", "2", "5", "0", "4294967297")), "int8", "int")
            query.ties = True
        elif self.chance(0.15):
            # No total order: any rows will do, but the right number of right ones.
            self.add_limit(query, 1)
            self.flags.add("subset")
        return query

    def order_totally(self, query, limit):
        """Whatever the order so far leaves open is settled; and LIMIT, with that probability."""
        query.order += [(node, self.direction()) for node in self.identities(query.sources)]
        query.ordered = True
        self.add_limit(query, limit)

    def add_limit(self, query, probability):
        if self.chance(probability):
            query.limit = Literal(self.pick(("1", "2", "5", "5", "10", "0", "4294967297", "9223372036854775807",
                                             None)), "int8", "int")
        if self.chance(probability / 3):
            query.offset = Literal(self.pick(("1", "3", "0", "4294967296", "2")), "int8", "int")

    def groupable(self, scope):
        return [ref for ref in self.refs(scope, ORDERED + ("oid", "bytea"))
                if ref.column.collation != "mtf_ci"]

    def single_aggregate_query(self):
        """One aggregate over one table, alone or by one column: what a mixture keeps local is seen remotely here."""
        query = self.simple_body()
        scope = query.sources
        if self.chance(0.5):
            query.items = [(self.pick(self.groupable(scope)), "g0", True)]
            query.group = self.positions(query.items)
        name = self.pick(("count", "count(DISTINCT", "sum", "avg", "avg", "avg(DISTINCT", "min(DISTINCT", "max(DISTINCT",
                          "min", "max", "bool_and", "bool_or", "every", "var_pop", "var_samp", "variance", "stddev", "stddev_pop", "stddev_samp"))
        classes = (ORDERED + ("oid",) if name.startswith("count") else ("bool",) if name in ("bool_and", "bool_or", "every")
                   else ("int", "float", "numeric", "date", "timestamp") if name.startswith(("min", "max"))
                   else ("int", "int", "numeric"))
        refs = self.refs(scope, classes)
        node = self.pick(refs) if refs else self.predicate(scope, 0)  # no boolean column
        form = name + " {0})" if name.endswith("DISTINCT") else name + "({0})"
        query.items.append((self.risky(Node(form, node, cls="any")), "x", True))
        if self.chance(0.15):
            query.items[-1] = (Node("{0} FILTER (WHERE {1})", query.items[-1][0], self.leaf(scope)), "x", True)
        return query

    def group_query(self):
        if self.chance(0.25):
            return self.single_aggregate_query()
        query = self.body() if self.chance(0.5) else self.simple_body()
        scope = query.sources
        keys = []
        for _ in range(self.rng.choice((0, 0, 1, 1, 1, 2, 3))):
            if self.chance(0.75):
                keys.append(self.pick(self.groupable(scope)))
            elif self.chance(0.6):
                node = self.key_expression(scope)
                if not self.uses_ci(node):
                    keys.append(node)
            else:
                cls = self.pick(("int", "text", "timestamp", "date", "bool"))
                node = self.scalar(scope, cls, 1)
                if self.refs(scope, (cls,)) and not self.uses_ci(node):
                    keys.append(node)
        for number, key in enumerate(keys):
            query.items.append((key, "g%d" % number, True))
        query.group = self.positions(keys)
        several = self.chance(0.12)
        for number in range(self.rng.choice((0, 1, 1, 2, 3)) if keys else self.rng.randint(1, 3)):
            make = self.distinct_aggregate if several and self.chance(0.7) else self.aggregate
            query.items.append((make(scope), "x%d" % number, True))
        if not query.items:
            query.items.append((Node("count(*)", cls="int"), "x", False))
        if self.chance(0.25):
            query.having = self.having(scope)
        if keys and self.chance(0.5):
            query.order = [(str(i + 1), self.direction()) for i in range(len(keys))]
            query.ordered = True
            if self.chance(0.4):
                query.order.insert(0, (self.sortable_aggregate(scope), self.direction()))
            self.add_limit(query, 0.6)
        return query

    def sortable_aggregate(self, scope):
        """What groups are sorted by."""
        refs = self.refs(scope, ("int", "date", "timestamp"))
        return self.pick((
            lambda: Node("count(*)", cls="int"),
            lambda: Node("count({0})", self.pick(self.refs(scope)), cls="int"),
            lambda: Node("%s({0})" % self.pick(("min", "max")), self.pick(refs), cls="any"),
            lambda: self.risky(Node("%s({0})" % self.pick(("sum", "avg")), self.small_int(scope), cls="numeric")),
            lambda: self.aggregate(scope)))()

    def instant(self, scope):
        """A timestamp without time zone, or nothing."""
        refs = self.refs(scope, ("timestamp", "timestamptz", "date"))
        if not refs:
            return None
        ref = self.pick(refs)
        form = {"timestamp": "{0}", "timestamptz": "({0} AT TIME ZONE 'UTC')", "date": "({0}::timestamp)"}[ref.cls]
        return self.risky(Node(form, ref, cls="timestamp"))

    def key_expression(self, scope):
        """Keys and arguments that the server computes; the last lines are those that it cannot."""
        instant = self.instant(scope) if self.chance(0.4) else None
        if instant is not None:
            return self.pick((
                lambda: self.risky(Node("date_trunc('%s', {0})" % self.pick(
                    ("year", "quarter", "month", "week", "day", "hour", "minute", "second")), instant,
                    cls="timestamp")),
                lambda: self.risky(Node("extract(%s from {0})" % self.pick(
                    ("year", "quarter", "month", "week", "day", "dow", "isodow", "doy", "hour", "minute")),
                    instant, cls="numeric")),
                lambda: self.risky(Node("extract(%s from {0})::int" % self.pick(("year", "month")), instant, cls="int")),
                lambda: self.risky(Node("({0}::date)", instant, cls="date"))))()
        small = self.small_int(scope)
        number = self.pick(self.refs(scope, ("int",)))
        any_ref = self.pick(self.refs(scope, ("int", "text", "bool", "date", "timestamp")))
        return self.pick((
            lambda: Node("({0} % {1})", number, self.literal_int(9, True), cls="int"),
            lambda: Node("({0} / {1})", small, self.literal_int(9, True), cls="int"),
            lambda: Node("({0}::int8 %s {1})" % self.pick("+-*"), small, self.literal_int(99), cls="int"),
            lambda: self.risky(Node("({0} %s {1})" % self.pick("+-*"), number, self.literal_int(99), cls="int")),
            lambda: self.text_key(scope) or number,
            lambda: self.product(scope) or number, lambda: self.product(scope) or number,
            lambda: Node("COALESCE({0}, {1})", any_ref, self.literal(any_ref.cls, any_ref, 0), cls=any_ref.cls),
            lambda: Node("CASE WHEN {0} THEN 'x' WHEN {1} THEN 'y' END", self.predicate(scope, 0),
                         self.predicate(scope, 0), cls="text"),
            lambda: Node("CASE {0} WHEN {1} THEN 1 WHEN {2} THEN 2 ELSE {3} END", number,
                         self.literal("int", number, 0), self.literal("int", number, 0), small, cls="int"),
            lambda: self.predicate(scope, 0)))()

    def distinct_aggregate(self, scope):
        """For several of them side by side, FILTER and computed arguments too."""
        refs = self.refs(scope, ("int", "numeric", "text", "date", "bool", "timestamp")) + self.refs(
            scope, ("float",), lambda c: c.kind == "float8")
        refs = [ref for ref in refs if ref.column.collation != "mtf_ci"]
        node = self.pick(refs)
        if self.chance(0.3):
            node = self.key_expression(scope)
            if self.uses_ci(node):
                node = self.pick(refs)
        name = "count"
        if node.cls in ("int", "numeric") and self.chance(0.4):
            name = self.pick(("sum", "avg", "min", "max"))
        node = self.risky(Node("%s(DISTINCT {0})" % name, node, cls="numeric"))
        if self.chance(0.3):
            return Node("{0} FILTER (WHERE {1})", node, self.predicate(scope, 0), cls=node.cls)
        return node

    def text_key(self, scope):
        refs = self.refs(scope, ("text",), lambda c: c.collation != "mtf_ci")
        if not refs:
            return None
        form, cls = self.pick((("left({0}, 2)", "text"), ("substring({0}, 2, 2)", "text"), ("length({0})", "int")))
        return Node(form, self.pick(refs), cls=cls)

    def uses_ci(self, node):
        return any(isinstance(x, Ref) and x.column.collation == "mtf_ci" for x in walk(node, []))

    def positions(self, keys):
        return [Node(str(i + 1), cls="any") for i in range(len(keys))]

    def having(self, scope):
        return self.pick((
            lambda: Node("(count(*) %s {0})" % self.pick(COMPARISONS), self.literal_int(3, True)),
            lambda: Node("({0} IS %sNULL)" % self.pick(("", "NOT ")), self.aggregate(scope)),
            lambda: Node("(max({0}) %s {1})" % self.pick(COMPARISONS), self.pick(self.refs(scope, ("int",))),
                         self.literal("int")),
            lambda: Node("((count({0}) > 1) AND (count({0}) < {1}))", self.pick(self.refs(scope)),
                         self.literal_int(9, True)),
        ))()

    def aggregate(self, scope):
        node = self.plain_aggregate(scope)
        if self.chance(0.25):
            return Node("{0} FILTER (WHERE {1})", node, self.predicate(scope, 1), cls=node.cls)
        return node

    def plain_aggregate(self, scope):
        rng = self.rng
        roll = rng.random()
        if roll < 0.15:
            return Node("count(*)", cls="int")
        if roll < 0.28:
            return Node("count({0})", self.pick(self.refs(scope)), cls="int")
        if roll < 0.38:
            node = self.pick(self.refs(scope, ORDERED + ("oid",)))
            if self.chance(0.2):
                node = self.key_expression(scope)
                if self.uses_ci(node):
                    return Node("count(*)", cls="int")
            return Node("count(DISTINCT {0})", node, cls="int")
        if roll < 0.55:
            refs = [ref for ref in self.refs(scope, ORDERED + ("oid",))
                    if ref.cls not in ("bool", "uuid") and ref.column.collation != "mtf_ci"]
            return Node("%s({0})" % self.pick(("min", "max")), self.pick(refs), cls="any")
        if roll < 0.75:
            refs = self.refs(scope, ("int", "numeric")) + self.refs(scope, ("float",), lambda c: c.tame)
            form = "%s(%s{0})" % (self.pick(("sum", "sum", "avg")), "DISTINCT " if self.chance(0.12) else "")
            return self.risky(Node(form, self.pick(refs), cls="numeric"))
        if roll < 0.82:
            name = self.pick(("var_pop", "var_samp", "variance", "stddev", "stddev_pop", "stddev_samp"))
            return self.risky(Node("%s({0})" % name, self.pick(self.refs(scope, ("int", "numeric"))),
                                   cls="numeric"))
        if roll < 0.90:
            refs = self.refs(scope, ("bool",))
            argument = self.pick(refs) if refs and self.chance(0.7) else self.predicate(scope, 0)
            return Node("%s({0})" % self.pick(("bool_and", "bool_or", "every")), argument, cls="bool")
        if roll < 0.92:
            ref = self.pick(self.refs(scope, ("int", "text", "date")))
            order = ", ".join("{%d}" % (i + 1) for i in range(len(scope)))
            return Node("array_agg({0} ORDER BY %s)" % order, ref, *self.identities(scope), cls="any")
        node = self.key_expression(scope)
        if self.uses_ci(node) or node.cls in ("text", "bool"):
            node = self.scalar(scope, "int", 1)
        if node.cls == "int" or node.cls == "numeric":
            return self.risky(Node("%s({0})" % self.pick(("sum", "avg", "min", "max")), node, cls="numeric"))
        return Node("%s({0})" % self.pick(("min", "max", "count")), node, cls="any")

    def distinct_query(self):
        query = self.body() if self.chance(0.6) else self.simple_body()
        query.distinct = True
        candidates = self.groupable(query.sources)
        for number in range(self.rng.choice((1, 1, 2, 3))):
            query.items.append((self.pick(candidates), "x%d" % number, True))
        if self.chance(0.5):
            query.order = [(str(i + 1), self.direction()) for i in range(len(query.items))]
            self.rng.shuffle(query.order)
            query.ordered = True
            self.add_limit(query, 0.4)
        return query

    def distinct_on_query(self):
        query = self.body() if self.chance(0.6) else self.simple_body()
        key = self.pick(self.groupable(query.sources))
        query.distinct = [key]
        query.items = [(key, "k", False)] + [(self.pick(self.refs(query.sources)), "x", False)]
        query.order = [(key, self.direction())]
        self.order_totally(query, 0.5)
        return query

    def derived_query(self):
        """An aggregate, or a join, over a subquery in FROM."""
        inner = self.pick((self.row_query, self.distinct_query, self.group_query))()
        if "subset" in self.flags:
            inner.limit = inner.offset = None
            self.flags.discard("subset")
        query = Query()
        alias = self.alias()
        query.sources = [Source(alias, None, inner)]
        names = [name for _, name, _ in inner.items]
        query.items = [(Node("count(*)", cls="int"), "n", False)]
        query.items += [(Node("count(%s.%s)" % (alias, name), cls="int"), "n%d" % i, False)
                        for i, name in enumerate(names[:3])]
        return query

    def union_query(self):
        first = self.body()
        second = self.body()
        for query in (first, second):
            ref = self.pick(self.refs(query.sources, ("int",)))
            identity = self.identities(query.sources)[0]
            query.items = [(identity, "id", False), (ref, "v", True)]
        first.union = second
        first.setop = self.pick(("UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT ALL"))
        return first


# ---- shrinking -------------------------------------------------------------------------------

def nodes_of(query):
    """(container, key) of every expression, for replacement."""
    places = []
    for i, (node, name, norm) in enumerate(query.items):
        places.append((query.items, i, lambda new, name=name, norm=norm: (new, name, norm), node))
    for i, node in enumerate(query.where):
        places.append((query.where, i, lambda new: new, node))
    if query.having:
        places.append((query.__dict__, "having", lambda new: new, query.having))
    for source in query.sources:
        for name in ("on", "closes"):
            if getattr(source, name) is not None:
                places.append((source.__dict__, name, lambda new: new, getattr(source, name)))
    result = list(places)
    def descend(node):
        for i, kid in enumerate(node.kids):
            result.append((node.kids, i, lambda new: new, kid))
            descend(kid)
    for *_, node in places:
        descend(node)
    return result


def parts_of_one_table(query):
    """(node, source) of every expression that depends on one table alone."""
    found = []
    sources = {thing.alias: thing for thing in walk(query, []) if isinstance(thing, Source) and thing.table}
    nodes = [node for each in [query] + all_subqueries(query) for *_, node in nodes_of(each)]
    nodes += [conversion for node in nodes for conversion in conversions(node)]
    for node in nodes:
        things = walk(node, [])
        aliases = {thing.alias for thing in things if isinstance(thing, Ref)}
        if len(aliases) == 1 and not any(isinstance(thing, Source) for thing in things) and node.kids:
            source = sources.get(aliases.pop())
            if source is not None:
                found.append((node, source))
    return found


def conversions(node):
    """What PostgreSQL converts for a comparison, written out: of numerics beside floats, not all have a float."""
    if not any(kid.cls == "float" for kid in node.kids):
        return []
    return [Node("({0}::float8)", kid, cls="float") for kid in node.kids if kid.cls == "numeric"]


def all_subqueries(query):
    found = subqueries(query)
    return found + [inner for each in found for inner in all_subqueries(each)]


def boolean_descendants(node):
    found = []
    for kid in node.kids:
        if kid.cls == "bool" and not isinstance(kid, Literal):
            found.append(kid)
        found += boolean_descendants(kid)
    return found


def subqueries(query):
    found = [source.query for source in query.sources if source.query is not None]
    for thing in [place[3] for place in nodes_of(query)]:
        if isinstance(thing, Raw):
            found.append(thing.query)
    if query.union is not None:
        found.append(query.union)
    return found


def simpler(query):
    """Copies of a query with one thing less, the boldest first."""
    def edit(change):
        new = copy.deepcopy(query)
        change(new)
        return new

    def each(get, change):
        for index in range(len(get(query))):
            yield edit(lambda new: change(new, index))

    def variants(path):
        """Edits of the query at `path` (indexes into subqueries())."""
        def at(root):
            for index in path:
                root = subqueries(root)[index]
            return root
        here = at(query)
        if here.union is not None:
            yield edit(lambda new: setattr(at(new), "union", None))
        for name in ("limit", "offset", "having"):
            if getattr(here, name) is not None:
                yield edit(lambda new: setattr(at(new), name, None))
        for index in range(len(here.sources) - 1, 0, -1):
            yield edit(lambda new: at(new).sources.pop(index))
        for index in range(len(here.where)):
            yield edit(lambda new: at(new).where.pop(index))
        if here.order and here.limit is None and here.offset is None:
            def no_order(new):
                at(new).order = []
                at(new).ordered = False
            yield edit(no_order)
        for index, (node, _) in enumerate(here.order):
            # The order must stay total.
            if isinstance(node, Ref) and node.column.name != "id" or isinstance(node, Node) and node.kids:
                yield edit(lambda new: at(new).order.pop(index))
        if here.distinct:
            yield edit(lambda new: setattr(at(new), "distinct", None))
        for index in range(len(here.items) if len(here.items) > 1 else 0):
            def drop_item(new):
                target = at(new)
                target.items.pop(index)
                if index < len(target.group):
                    target.group = [Node(str(i + 1), cls="any") for i in range(len(target.group) - 1)]
            if not path:
                yield edit(drop_item)
        for index, (container, key, wrap, node) in enumerate(nodes_of(here)):
            if node.cls != "bool" or isinstance(node, (Literal, Ref)):
                continue
            for number in range(len(boolean_descendants(node))):
                def replace(new):
                    container, key, wrap, node = nodes_of(at(new))[index]
                    container[key] = wrap(boolean_descendants(node)[number])
                yield edit(replace)
        for index, (container, key, wrap, node) in enumerate(nodes_of(here)):
            if isinstance(node, Ref) or isinstance(node, Literal):
                continue
            for number, kid in enumerate(node.kids):
                if kid.cls == node.cls and kid.cls != "bool":
                    def lift(new):
                        container, key, wrap, node = nodes_of(at(new))[index]
                        container[key] = wrap(node.kids[number])
                    yield edit(lift)
        for source in range(len(here.sources)):
            if here.sources[source].join not in (None, "JOIN"):
                yield edit(lambda new: setattr(at(new).sources[source], "join", "JOIN"))
        if len(path) < 3:
            for index in range(len(subqueries(here))):
                yield from variants(path + [index])

    yield from variants([])
