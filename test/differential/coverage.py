"""What the random queries were about, and how much of it ran on the document server.

Two kinds of features are counted:

 - conditions: the shape of each leaf of a WHERE clause, such as `int < ?` or `text(en) LIKE ?`.  Each is
   explained alone under count(*), which needs the exact form: then it is exact, else superset (sent and
   rechecked) or local.
 - parts of queries, such as `GROUP BY`, `sum` or `LEFT JOIN`: remote where a pipeline of the query's plan has
   the stage that would do it.

EXPLAIN says what is remote, by the lines that a user reads.  Nothing here decides whether rows are right.
"""

import collections
import json
import re

import grammar

JOINING, GROUPING = ("$lookup", "$unionWith"), ("$group",)
STAGES = {  # part of a query: the stages that do it
    "JOIN": JOINING, "LEFT JOIN": JOINING, "RIGHT JOIN": JOINING, "FULL JOIN": JOINING, "three tables": JOINING,
    "JOIN (a JOIN b)": JOINING, "FULL JOIN of three": JOINING, "EXISTS": JOINING, "NOT EXISTS": JOINING, "IN (SELECT)": JOINING, "GROUP BY": GROUPING,
    "GROUP BY expression": GROUPING, "HAVING": GROUPING, "DISTINCT": GROUPING, "DISTINCT ON": GROUPING,
    "FILTER": GROUPING, "ORDER BY": ("$sort",), "LIMIT": ("$limit",), "OFFSET": ("$skip",), "WITH TIES": ("$limit",),
    "LATERAL": (), "NOT IN (SELECT)": (), "scalar subquery": (), "UNION": (), "EXCEPT": (), "INTERSECT": (),
    "derived table": ()}
# What must be seen to run remotely in a long run.
REMOTE_PARTS = (
    "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "JOIN (a JOIN b)", "FULL JOIN of three", "EXISTS", "NOT EXISTS", "IN (SELECT)", "GROUP BY", "HAVING", "DISTINCT",
    "FILTER", "ORDER BY", "LIMIT", "OFFSET", "count(*)", "count", "count DISTINCT", "sum", "avg", "min", "max",
    "bool_and", "bool_or", "every", "var_pop", "stddev")
REMOTE_CONDITIONS = (
    "(int = ?)", "(int < ?)", "(int <> ?)", "(int IN (?…))", "(int NOT IN (?…))", "(int BETWEEN ? AND ?)",
    "(int IS NULL)", "(int IS NOT NULL)", "(int IS DISTINCT FROM ?)", "(int = int)", "(int < int)", "(float < ?)",
    "(float = ?)", "(numeric < ?)", "(numeric = ?)", "(text = ?)", "(text < ?)", "(text(en) = ?)", "(text LIKE ?)",
    "(text NOT LIKE ?)", "(text ILIKE ?)", "(text IN (?…))", "bool", "(NOT bool)", "(bool IS NOT TRUE)",
    "(date = ?)", "(date < ?)", "(timestamp < ?)", "(timestamptz < ?)", "(uuid = ?)", "(bytea = ?)", "(oid = ?)",
    "(? = ANY (int4[]))", "(int4[] @> ?)", "(text[] && ?)", "((jsonb ->> ?) = ?)", "((int, int) IN ((?…), (?…)))")
AGGREGATE = re.compile(r"^(count|sum|avg|min|max|var_pop|var_samp|variance|stddev|stddev_pop|stddev_samp|bool_and|"
                       r"bool_or|every|array_agg|string_agg)\(")
ORDERINGS = re.compile(r" (<=|>=|>) ")


def shape(node):
    """A condition without its names and values."""
    if isinstance(node, grammar.Ref):
        column = node.column
        if column.element:
            return column.element + "[]"
        name = "_id" if column.name == "_id" else column.cls
        return {"en-x-icu": name + "(en)", "mtf_ci": name + "(ci)"}.get(column.collation, name)
    if isinstance(node, grammar.Literal):
        return "?" if node.text is not None else "NULL"
    text = node.form.format(*(shape(kid) for kid in node.kids), q="query")
    text = re.sub(r"(\?|NULL)(, (\?|NULL))+", "?…", text)
    return ORDERINGS.sub(" < ", text)


def aliases(node):
    return {thing.alias for thing in grammar.walk(node, []) if isinstance(thing, grammar.Ref)}


def is_condition(node):
    """A boolean expression that is neither a constant nor a bare column."""
    return node.cls == "bool" and not isinstance(node, (grammar.Literal, grammar.Ref))


def leaves(node):
    """The conditions under AND, OR, NOT and the like."""
    if isinstance(node, grammar.Raw):
        return
    kids = [kid for kid in node.kids if is_condition(kid)]
    if kids:
        for kid in kids:
            yield from leaves(kid)
    elif node.cls == "bool" and not isinstance(node, grammar.Literal):
        yield node


def subquery_part(node):
    for word in ("NOT EXISTS", "EXISTS", "NOT IN", "IN", "= ANY"):
        if " " + word + " (" in " " + node.form.replace("(", " (", 1).replace("(NOT", " NOT").replace("(EX", " EX"):
            return {"NOT EXISTS": word, "EXISTS": word, "NOT IN": "NOT IN (SELECT)"}.get(word, "IN (SELECT)")
    return "scalar subquery"


def nodes_under(node):
    yield node
    for kid in node.kids:
        yield from nodes_under(kid)


def parts(query, found=None):
    """The parts that a query has, its subqueries included: {name: stages}."""
    found = {} if found is None else found
    def note(name):
        found[name] = STAGES.get(name, GROUPING if AGGREGATE.match(name.split()[0] + "(") else ())
    for source in query.sources:
        if source.lateral:
            note("LATERAL")
        elif source.join:
            note(source.join)
        if source.query is not None:
            note("derived table")
            parts(source.query, found)
    if len(query.sources) > 2:
        note("three tables")
    if any(source.opens for source in query.sources):
        note("JOIN (a JOIN b)")
    if sum(source.join == "FULL JOIN" for source in query.sources) > 1:
        note("FULL JOIN of three")
    for field, name in (("having", "HAVING"), ("order", "ORDER BY"), ("limit", "LIMIT"), ("offset", "OFFSET"),
                        ("group", "GROUP BY")):
        if getattr(query, field):
            note(name)
    if query.group and any(not isinstance(node, grammar.Ref) and name.startswith("g") for node, name, _ in query.items):
        note("GROUP BY expression")
    if getattr(query, "ties", False):
        note("WITH TIES")
    if query.distinct:
        note("DISTINCT" if query.distinct is True else "DISTINCT ON")
    if query.union is not None:
        note(query.setop.split()[0])
        parts(query.union, found)
    roots = [node for node, *_ in query.items] + query.where + [s.on for s in query.sources if s.on is not None]
    for root in roots + ([query.having] if query.having else []):
        for node in nodes_under(root):
            match = AGGREGATE.match(node.form)
            if match:
                note(match.group(1) + (" DISTINCT" if "DISTINCT" in node.form else "") +
                     ("(*)" if "(*)" in node.form else ""))
            if "FILTER (" in node.form:
                note("FILTER")
            if isinstance(node, grammar.Raw):
                note(subquery_part(node))
                parts(node.query, found)
    return found


def scans(plan):
    """The foreign scans of a plan (EXPLAIN's JSON)."""
    if plan.get("Node Type") == "Foreign Scan":
        yield plan
    for child in plan.get("Plans", ()):
        yield from scans(child)


def decision(plan):
    """How the clauses of a count(*) over one table run."""
    found = list(scans(plan))
    if not found:
        return "constant"
    scan = found[0]
    # That count(*) is then computed here is another line, and no clause.
    if any(not text.startswith("aggregates: ") for text in scan.get("Local", ())):
        return "in part" if scan.get("Remote Superset") or scan.get("Remote Exact") else "local"
    if plan is scan or "$group" in scan.get("Pipeline", ""):
        return "exact"
    if any("in part" in text for text in scan.get("Remote Superset", ())):
        return "in part"
    return "superset" if scan.get("Remote Superset") or scan.get("Remote Exact") else "constant"


class Coverage:
    """Counts of features; `explain(text)` gives EXPLAIN's plan, or None where it raises."""

    def __init__(self):
        self.conditions = collections.defaultdict(collections.Counter)
        self.parts = collections.defaultdict(collections.Counter)
        self.modes = collections.Counter()

    def add(self, query, schema, local, mode, explain):
        plan = explain(query.sql(grammar.Out(schema, local)))
        if plan is None:
            return
        pipelines = [scan.get("Pipeline", "") for scan in scans(plan)]
        self.modes[mode] += 1
        if any('"$%d"' % number in text for text in pipelines for number in range(1, 5)):
            self.modes["parameter of an outer row"] += 1
        for name, stages in parts(query).items():
            counts = self.parts[name]
            counts["queries"] += 1
            counts["remote"] += any('"%s"' % stage in text for stage in stages for text in pipelines)
        for root in query.where + [source.on for source in query.sources if source.on is not None]:
            for leaf in leaves(root):
                self.add_condition(leaf, query, schema, local, explain)

    def add_condition(self, leaf, query, schema, local, explain):
        alias = aliases(leaf)
        source = next((s for s in query.sources if s.alias in alias), None)
        if len(alias) != 1 or source is None or source.table is None or any(
                isinstance(node, grammar.Raw) for node in nodes_under(leaf)):
            return
        single = grammar.Query()
        single.items = [(grammar.Node("count(*)"), "n", False)]
        single.sources = [grammar.Source(source.alias, source.table)]
        single.where = [leaf]
        plan = explain(single.sql(grammar.Out(schema, local)))
        if plan is not None:
            self.conditions[shape(leaf)][decision(plan)] += 1

    # -- adding up over processes

    def to_json(self):
        return json.dumps({"conditions": self.conditions, "parts": self.parts, "modes": self.modes})

    def merge(self, text):
        data = json.loads(text)
        self.modes.update(data["modes"])
        for name in ("conditions", "parts"):
            for feature, counts in data[name].items():
                getattr(self, name)[feature].update(counts)

    def missing(self):
        """What can run remotely (the README says so) and never did, or was never asked for."""
        absent = [name for name in REMOTE_PARTS if not self.parts[name]["remote"]]
        return absent + [name for name in REMOTE_CONDITIONS if not self.conditions[name]["exact"] +
                         self.conditions[name]["superset"]]

    def lines(self):
        yield "# %-58s %8s %8s" % ("parts of queries", "queries", "remote")
        for name, counts in sorted(self.parts.items()):
            yield "#   %-56s %8d %8d" % (name, counts["queries"], counts["remote"])
        for name, number in sorted(self.modes.items()):
            yield "#   %-56s %8d" % (name, number)
        words = ("exact", "superset", "in part", "local", "constant")
        yield "# %-58s" % "conditions" + "".join("%9s" % word for word in words)
        for name, counts in sorted(self.conditions.items()):
            yield "#   %-56s" % name + "".join("%9d" % counts[word] for word in words)
        total = sum(self.conditions.values(), collections.Counter())
        yield "#   %-56s" % "all conditions" + "".join("%9d" % total[word] for word in words)
