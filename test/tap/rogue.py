"""A server that lies: documents of others are caught here, broken replies are errors, nothing crashes."""
import struct
import time

import bson
from bson.code import Code
from bson.int64 import Int64

from tap import World, ok, is_, throws, diag, done
from wire import LyingServer, Reply, batch
import fixtures

NOT_OURS = "XX001"
BROKEN = ("XX001", "08000", "08003", "08006", "08P01", "HV000", "HV00N", "HV00L", "HV00M", "57014")

GOOD = {"_id": 1, "tenant_id": "UA", "id": 1, "name": "ours"}


def document(**changes):
    return {**GOOD, "name": "FOREIGN", **changes}


def without_tenant():
    return {"_id": 2, "id": 2, "name": "FOREIGN"}


# What a server must never send for UA; each comes alone, and after a good document.
FOREIGN = [
    ("another tenant", document(tenant_id="DL")), ("lower case", document(tenant_id="ua")),
    ("longer", document(tenant_id="UA ")), ("longer by a NUL", document(tenant_id="UA\x00")),
    ("shorter", document(tenant_id="U")), ("empty", document(tenant_id="")), ("missing", without_tenant()),
    ("null", document(tenant_id=None)), ("array", document(tenant_id=["UA"])),
    ("document", document(tenant_id={"tenant_id": "UA"})), ("number", document(tenant_id=1)),
    ("code", document(tenant_id=Code("UA"))), ("binary", document(tenant_id=b"UA")),
    ("twice, ours first", fixtures.raw_document(("tenant_id", "UA"), ("id", 1), ("name", "FOREIGN"), ("tenant_id", "DL")).raw),
    ("twice, ours last", fixtures.raw_document(("tenant_id", "DL"), ("id", 1), ("name", "FOREIGN"), ("tenant_id", "UA")).raw),
    ("twice the same", fixtures.raw_document(("tenant_id", "UA"), ("id", 1), ("name", "FOREIGN"), ("tenant_id", "UA")).raw),
    ("name with another case", {"_id": 2, "Tenant_id": "UA", "id": 2, "name": "FOREIGN"}),
    ("name nested", {"_id": 2, "id": 2, "name": "FOREIGN", "x": {"tenant_id": "UA"}}),
]


def broken(good):
    """Replies that are wrong in form; `good` is a well-formed one."""
    body = bson.encode(good)
    yield "half a reply", Reply(good, cut=30)
    yield "nothing but a header", Reply(good, cut=16)
    yield "three bytes", Reply(good, cut=3)
    yield "length shorter than the reply", Reply(good, length=20)
    yield "length of a header", Reply(good, length=16)
    yield "length 0", Reply(good, length=0)
    yield "negative length", Reply(good, length=-1)
    yield "length of 1 GB", Reply(good, length=1 << 30)
    yield "another opcode", Reply(good, opcode=1234)
    yield "an answer to another request", Reply(good, response_to=4711)
    yield "BSON longer than the message", Reply(body=struct.pack("<i", len(body) + 100) + body[4:])
    yield "BSON cut off", Reply(body=body[:len(body) // 2])
    yield "BSON of garbage", Reply(body=b"\x20\x00\x00\x00" + b"\xff" * 28)
    yield "no cursor", Reply({"ok": 1.0})
    yield "no ok", Reply({"cursor": good["cursor"]})
    yield "cursor is a number", Reply({"cursor": 5, "ok": 1.0})
    yield "batch is a text", Reply({"cursor": {"firstBatch": "no", "id": Int64(0), "ns": good["cursor"]["ns"]}, "ok": 1.0})
    yield "another namespace", Reply({**good, "cursor": {**good["cursor"], "ns": "other.collection"}})
    yield "batch of numbers", Reply({"cursor": {"firstBatch": [1, 2], "id": Int64(0), "ns": good["cursor"]["ns"]}, "ok": 1.0})
    yield "an error", Reply({"ok": 0.0, "code": 8000, "errmsg": "made up", "codeName": "AtlasError"})
    yield "an error without text", Reply({"ok": 0.0})
    yield "the connection closes", "close"


class Script:
    """The answer of the next command; getMores of an open cursor get `later`."""

    def __init__(self):
        self.first = self.later = None

    def __call__(self, command):
        if "getMore" in command:
            return self.later(command)
        return self.first(command) if "aggregate" in command or "find" in command else {"ok": 1.0}


def tables(world, server):
    with world.admin() as admin:
        for table, field, kind in (("liar", "tenant_id", "string"), ("liar_int", "tenant_id", "int")):
            admin.execute("CREATE SERVER s_%s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s?socketTimeoutMS=3000',"
                          " database 'x', providers 'test', tenant_field '%s', tenant_type '%s')"
                          % (table, server.uri, field, kind))
            admin.execute("CREATE FOREIGN TABLE %s (id integer, name text, owner text OPTIONS (path 'tenant_id'))"
                          " SERVER s_%s; GRANT SELECT ON %s TO mtf_app"
                          % (table, table, table))


def foreign_documents(world, session, script):
    for label, bad in FOREIGN:
        for where in ("alone", "after a good one", "in a later batch"):
            if where == "in a later batch":
                script.first = lambda command: batch(command, [GOOD], cursor=99)
                script.later = lambda command: batch(command, [bad], name="nextBatch")
            else:
                script.first = lambda command: batch(command, [bad] if where == "alone" else [GOOD, bad])
            throws(NOT_OURS, lambda: session.execute("SELECT id, name FROM liar").fetchall(),
                   "%s, %s: an error, not a row" % (label, where))
        script.first = lambda command: batch(command, [bad])
        throws(NOT_OURS, lambda: session.execute("SELECT count(*) FROM (SELECT id FROM liar OFFSET 0) x").fetchall(),
               "%s: not counted either" % label)


def tenants(low, high=None, rel=0):
    """What a group says of its tenants: the least and the greatest, as documents of their own."""
    return {"t%d%s" % (rel, end): {} if tenant is None else {"tenant_id": tenant}
            for end, tenant in (("l", low), ("h", low if high is None else high))}


def foreign_groups(world, session, script):
    """A group in which there is a document of another tenant: its least or its greatest tenant is not ours."""
    ours = {"a0": 3, **tenants("UA")}
    script.first = lambda command: batch(command, [ours])
    is_(world.rows(session, "SELECT count(*) FROM liar"), [(3,)], "positive control: a remote count")
    groups = "SELECT id, count(*) FROM liar GROUP BY id ORDER BY id"
    good = {"k0": 1, "a0": 0, "a1": 2, **tenants("UA")}
    script.first = lambda command: batch(command, [good, {**good, "k0": 2}])
    is_(world.rows(session, groups), [(1, 2), (2, 2)], "positive control: remote groups")
    for label, foreign in (
            ("another tenant's", tenants("DL")), ("also a lesser one's", tenants("DL", "UA")), ("also a greater one's", tenants("UA", "ZZ")),
            ("also ua's", tenants("UA", "ua")), ("also a number's", tenants(1, "UA")), ("nobody's", tenants(None)), ("null's", {"t0l": {"tenant_id": None}, "t0h": {"tenant_id": None}}),
            ("of unknown tenants", {}), ("without the greatest", {"t0l": {"tenant_id": "UA"}}), ("without the least", {"t0h": {"tenant_id": "UA"}}),
            ("of texts", {"t0l": "UA", "t0h": "UA"})):
        script.first = lambda command: batch(command, [{"a0": 3, **foreign}])
        throws(NOT_OURS, lambda: session.execute("SELECT count(*) FROM liar").fetchall(), "a count that is %s: an error" % label)
        script.first = lambda command: batch(command, [good, {"k0": 2, "a0": 0, "a1": 2, **foreign}])
        throws(NOT_OURS, lambda: session.execute(groups).fetchall(), "a group that is %s: an error" % label)


def foreign_partners(world, session, script):
    """Both documents of a remote join are looked at, or both tenants of a group of joined ones."""
    for method in ("hashjoin", "mergejoin", "nestloop"):
        session.execute("SET enable_%s = off" % method)
    session.execute("SET mongo_tenant.join_method = lookup")
    session.prepare_threshold = None  # each time planned anew
    join = "SELECT a.name, b.name FROM liar a %s JOIN liar b USING (id)"
    other = document(tenant_id="DL")
    for kind in ("", "LEFT"):
        script.first = lambda command: batch(command, [{"r0": GOOD, "r1": GOOD}])
        is_(world.rows(session, join % kind), [("ours", "ours")], "positive control: a remote %s join" % kind)
        for label, r0, r1 in (("the outer", other, GOOD), ("the inner", GOOD, other), ("each", other, other), ("nobody's outer", without_tenant(), GOOD),
                              ("nobody's inner", GOOD, without_tenant()), ("no outer", None, GOOD), ("a text for the outer", "UA", GOOD),
                              ("a text for the inner", GOOD, "UA"), ("null for the inner", GOOD, bson.SON())):
            answer = {name: value for name, value in (("r0", r0), ("r1", r1)) if value is not None}
            script.first = lambda command: batch(command, [{"r0": GOOD, "r1": GOOD}, answer])
            throws(NOT_OURS, lambda: session.execute(join % kind).fetchall(), "a %s join with %s of another: an error" % (kind, label))
    script.first = lambda command: batch(command, [{"r0": GOOD}])
    is_(world.rows(session, join % "LEFT"), [("ours", None)], "positive control: a LEFT JOIN without a partner")
    throws(NOT_OURS, lambda: session.execute(join % "").fetchall(), "an inner join without a partner: an error")
    full = "SELECT a.name, b.name FROM liar a FULL JOIN liar b USING (id) ORDER BY 1"
    script.first = lambda command: batch(command, [{"r0": GOOD}, {"r1": GOOD}])
    is_(world.rows(session, full), [("ours", None), (None, "ours")], "positive control: a FULL JOIN of two without partners")
    for label, answer in (("neither side", {}), ("another's left", {"r0": other}), ("another's right", {"r1": other}), ("a text", {"r1": "UA"})):
        script.first = lambda command: batch(command, [{"r0": GOOD}, answer])
        throws(NOT_OURS, lambda: session.execute(full).fetchall(), "a FULL JOIN with %s: an error" % label)
    count = "SELECT count(*), max(b.id) FROM liar a JOIN liar b USING (id)"
    found = {"a0": 4, "a1": 0, "a2": 9}
    script.first = lambda command: batch(command, [{**found, **tenants("UA"), **tenants("UA", rel=1)}])
    is_(world.rows(session, count), [(4, 9)], "positive control: a count above a remote join")
    for label, first, second in (("the outer", tenants("DL", "UA"), tenants("UA", rel=1)), ("the inner", tenants("UA"), tenants("UA", "ZZ", rel=1)),
                                 ("an unknown inner", tenants("UA"), {})):
        script.first = lambda command: batch(command, [{**found, **first, **second}])
        throws(NOT_OURS, lambda: session.execute(count).fetchall(), "a count above a join with %s of another: an error" % label)
    # Here the inner documents come by a command of their own.
    session.execute("SET mongo_tenant.join_method = bind")
    for label, outer, inner, error in (("positive control", GOOD, GOOD, False), ("the outer of another", other, GOOD, True),
                                       ("the inner of another", GOOD, other, True), ("nobody's inner", GOOD, without_tenant(), True)):
        answers = iter((outer, inner))
        sent = []
        script.first = lambda command: sent.append(command) or batch(command, [next(answers)])
        if error:
            throws(NOT_OURS, lambda: session.execute(join % "").fetchall(), "a bind join, %s: an error" % label)
        else:
            is_(world.rows(session, join % ""), [("ours", "ours")], "%s: a bind join" % label)
            is_([begins_with_tenant(command["pipeline"]) for command in sent], [True, True], "both of its commands begin with the tenant")
    session.execute("RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_nestloop; RESET mongo_tenant.join_method")


def good_documents(world, session, script):
    script.first = lambda command: batch(command, [GOOD, {**GOOD, "id": 2}])
    is_(world.rows(session, "SELECT id, name FROM liar ORDER BY id"), [(1, "ours"), (2, "ours")],
        "positive control: our documents are rows")
    script.first = lambda command: batch(command, [GOOD], cursor=99)
    script.later = lambda command: batch(command, [{**GOOD, "id": 2}], name="nextBatch")
    is_(len(world.rows(session, "SELECT id, name FROM liar")), 2, "positive control: in two batches")
    script.first = lambda command: batch(command, [])
    is_(world.rows(session, "SELECT id, name FROM liar"), [], "positive control: an empty collection")


def numbers(world, script):
    """For an integer tenant 1.0 is not 1, and true is not 1."""
    with world.connect(1) as session:
        script.first = lambda command: batch(command, [document(tenant_id=1), document(tenant_id=Int64(1))])
        is_(len(world.rows(session, "SELECT id FROM liar_int")), 2, "int and long 1 are tenant 1")
        for label, value in (("1.0", 1.0), ("true", True), ("text 1", "1"), ("2", 2), ("long 2^32+1", Int64(2 ** 32 + 1)),
                             ("decimal 1", bson.decimal128.Decimal128("1"))):
            script.first = lambda command: batch(command, [document(tenant_id=value)])
            throws(NOT_OURS, lambda: session.execute("SELECT id FROM liar_int").fetchall(), "%s is not tenant 1" % label)


def broken_replies(world, session, script):
    pid = world.value(session, "SELECT pg_backend_pid()")
    good = batch({"aggregate": "liar", "$db": "x"}, [GOOD])
    for label, reply in broken(good):
        script.first = lambda command: reply
        start = time.monotonic()
        throws(BROKEN, lambda: session.execute("SELECT id, name FROM liar").fetchall(), "%s: an error" % label)
        waited = time.monotonic() - start
        ok(waited < 20, "%s: in bounded time" % label) or diag("%.1f s" % waited)
        script.first = lambda command: batch(command, [GOOD])
        is_(world.rows(session, "SELECT id, name FROM liar"), [(1, "ours")], "%s: the next query works" % label)
    is_(world.value(session, "SELECT pg_backend_pid()"), pid, "all that in one backend: nothing crashed")
    for label, reply in broken(batch({"getMore": 99, "collection": "liar", "$db": "x"}, [GOOD], name="nextBatch")):
        script.first = lambda command: batch(command, [GOOD], cursor=99)
        script.later = lambda command: reply
        throws(BROKEN, lambda: session.execute("SELECT id, name FROM liar").fetchall(),
               "%s in a later batch: an error, not a short result" % label)


def bad_documents(world, session, script):
    """Documents that are broken inside: bounds are checked, values of others are not read."""
    raw = bson.encode(GOOD)
    at = raw.index(b"ours\x00")
    cases = [
        ("text without an end", raw[:at - 4] + struct.pack("<i", 1 << 20) + raw[at:]),
        ("text of length 0", raw[:at - 4] + struct.pack("<i", 0) + raw[at:]),
        ("text of negative length", raw[:at - 4] + struct.pack("<i", -5) + raw[at:]),
        ("unknown type", raw.replace(b"\x02name", b"\x77name")),
        ("text that is no UTF-8", raw.replace(b"ours\x00", b"o\xff\xfes\x00")),
    ]
    for label, bad in cases:
        script.first = lambda command: batch(command, [bad])
        throws(("XX001", "22021") + BROKEN, lambda: session.execute("SELECT id, name FROM liar").fetchall(),
               "%s: an error" % label)


def every_command_names_its_tenant(world, session, script, server):
    script.first = lambda command: batch(command, [])
    server.commands.clear()
    server.raw_commands.clear()
    for query in ("SELECT * FROM liar", "SELECT count(*) FROM liar", "SELECT name FROM liar WHERE id = 3 ORDER BY id LIMIT 1",
                  "SELECT id FROM liar WHERE owner = 'DL'", "SELECT id FROM liar WHERE owner IN ('DL', 'UA') OR id > 0",
                  "SELECT DISTINCT name FROM liar", "SELECT a.id FROM liar a JOIN liar b USING (id)"):
        session.execute(query).fetchall()
    for method in ("hashjoin", "mergejoin", "nestloop"):
        session.execute("SET enable_%s = off" % method)
    for form in ("hash", "lookup"):
        session.execute("SET mongo_tenant.join_method = %s" % form)
        for query in JOINS:
            session.execute(query).fetchall()
    session.execute("RESET mongo_tenant.join_method")
    session.execute("RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_nestloop")
    others = [(name, stage) for command in server.commands for name in ("$lookup", "$unionWith") for stage in inside(command, name)]
    ok(len(others) >= 2 * len(JOINS), "positive control: %d other collections" % len(others))
    is_({name for name, _ in others}, {"$lookup", "$unionWith"}, "positive control: in both forms")
    for name, stage in others:
        ok(begins_with_tenant(stage.get("pipeline")), "the pipeline of a %s begins as every pipeline does" % name) or diag(stage)
    is_([name for command in server.commands for name in FORBIDDEN if inside(command, name)], [], "nothing else reads or writes a collection")
    ok(len(server.commands) >= 7, "%d commands were sent" % len(server.commands))
    for command, raw in zip(server.commands, server.raw_commands):
        ok(begins_with_tenant(command.get("pipeline")),
           "the tenant's equality, which an index serves, then the whole tenant predicate") or diag(command)
        is_(repeated_names(raw), [], "no name comes twice in one document")


def begins_with_tenant(pipeline):
    want = [{"tenant_id": {"$eq": "UA"}}, {"tenant_id": {"$type": "string"}}, {"tenant_id": {"$not": {"$type": "array"}}}]
    first, second = [stage.get("$match", {}) for stage in (list(pipeline or []) + [{}, {}])[:2]]
    return list(first.items())[:1] == [("tenant_id", "UA")] and all(any(same(term, one) for term in conjuncts(second)) for one in want)


def inside(value, name):
    """All that stands under a name, however deep."""
    if isinstance(value, dict):
        return [part for key, part in value.items() if key == name] + [one for part in value.values() for one in inside(part, name)]
    return [one for part in value for one in inside(part, name)] if isinstance(value, list) else []


JOINS = ["SELECT a.id FROM liar a JOIN liar b USING (id)", "SELECT a.id FROM liar a LEFT JOIN liar b USING (id)",
         "SELECT id FROM liar a WHERE EXISTS (SELECT FROM liar b WHERE b.id = a.id)", "SELECT count(*) FROM liar a JOIN liar b USING (id)",
         "SELECT id FROM liar a WHERE NOT EXISTS (SELECT FROM liar b WHERE b.id = a.id AND b.owner = 'DL')",
         "SELECT a.id FROM liar a JOIN liar b USING (id) JOIN liar c USING (id)", "SELECT a.id FROM liar a JOIN liar b USING (id) WHERE b.owner = 'DL'",
         "SELECT a.id FROM liar a FULL JOIN liar b USING (id)", "SELECT a.id FROM liar a JOIN liar b USING (id, name)"]
FORBIDDEN = ("$graphLookup", "$out", "$merge", "$where", "$function", "$accumulator")


def conjuncts(match):
    """The terms of a $match: its names, and what is in its $and."""
    return [term for name, value in match.items()
            for term in ([one for part in value for one in conjuncts(part)] if name == "$and" else [{name: value}])]


def repeated_names(raw):
    """Names that come twice in a document or in one inside it: a server would keep one of them."""
    names = [name for _, name, _ in elements(raw)]
    inside = [name for kind, _, value in elements(raw) if kind in (3, 4) for name in repeated_names(value)]
    return [name for name in set(names) if names.count(name) > 1] + inside


def elements(raw):
    """(type, name, value) of a document's own elements, read byte by byte."""
    fixed = {1: 8, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16, 255: 0, 127: 0}
    at = 4
    while raw[at]:
        kind, end = raw[at], raw.index(b"\x00", at + 1)
        name, start = raw[at + 1:end], end + 1
        if kind in fixed:
            size = fixed[kind]
        elif kind in (3, 4):
            size = struct.unpack_from("<i", raw, start)[0]
        elif kind in (2, 13, 14):
            size = 4 + struct.unpack_from("<i", raw, start)[0]
        elif kind == 5:
            size = 5 + struct.unpack_from("<i", raw, start)[0]
        else:
            raise ValueError("BSON type %d" % kind)
        yield kind, name, raw[start:start + size]
        at = start + size


def same(term, wanted):
    """$type may be named by number or by name."""
    text = str(term).replace("'string'", "2").replace("'array'", "4")
    return text == str(wanted).replace("'string'", "2").replace("'array'", "4")


script = Script()
with World(engine=False) as world, LyingServer(script) as server:
    tables(world, server)
    with world.connect("UA") as session:
        good_documents(world, session, script)
        foreign_documents(world, session, script)
        foreign_groups(world, session, script)
        foreign_partners(world, session, script)
        every_command_names_its_tenant(world, session, script, server)
        bad_documents(world, session, script)
        broken_replies(world, session, script)
        good_documents(world, session, script)
    numbers(world, script)
done()
