"""What README.md says is true: its statements run, its tables are those of the code.

README_UPDATE=1 writes the pushdown matrix anew from the table in src/plan/shippable.c.
"""
import json
import os
import re
import time

from tap import World, ok, is_, diag, done

import servers
import tokens

PATH = os.path.join(servers.ROOT, "README.md")
BEGIN, END = "<!-- pushdown matrix: begin -->\n", "<!-- pushdown matrix: end -->\n"
ORDER = ["=", "<>", "<", "<=", ">", ">="]
INTERNAL = {"mongo_tenant_fdw_handler", "mongo_tenant_fdw_validator", "announce", "bind_policy", "follow_servers",
            "stat_counters"}


def read():
    with open(PATH, encoding="utf-8") as file:
        return file.read()


def section(text, title):
    return re.search(r"^## %s\n(.*?)(?=^## |\Z)" % re.escape(title), text, re.M | re.S).group(1)


def blocks(text):
    return re.findall(r"```sql\n(.*?)```", text, re.S)


def split(block):
    """The statements of a block, without comments."""
    return [part.strip() for part in re.split(r";\s*\n", re.sub(r"--.*", "", block) + "\n") if part.strip()]


# ---- the pushdown matrix

def sort_key(name):
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def matrix(world, admin):
    """Rows of the table in shippable.c, the operators, functions or aggregates and types of one reason together; no casts."""
    admin.execute("""CREATE FUNCTION pg_temp.matrix(OUT f regprocedure, OUT mongo text, OUT ship text, OUT why text)
                     RETURNS SETOF record AS '$libdir/mongo_tenant_fdw', 'mtf_pushdown_matrix' LANGUAGE C""")
    rows = world.rows(admin, """
        SELECT m.ship, m.why, coalesce(o.oprname, p.proname || '()'),
               CASE WHEN o.oid IS NULL THEN p.proargtypes::regtype[]::text[] ELSE
               array_remove(ARRAY[nullif(o.oprleft, 0)::regtype::text, nullif(o.oprright, 0)::regtype::text], NULL) END
          FROM pg_temp.matrix() m JOIN pg_proc p ON p.oid = m.f LEFT JOIN pg_operator o ON o.oprcode = p.oid
         WHERE o.oid IS NOT NULL OR p.prokind = 'a' OR m.mongo <> ''""")
    groups = {}
    for ship, why, name, types in rows:
        names, all_types = groups.setdefault((ship, why), (set(), set()))
        names.add(name)
        all_types.update(types)
    lines = ["| operators, functions, aggregates | types | sent | how |", "| --- | --- | --- | --- |"]
    for (ship, why), (names, types) in sorted(groups.items(), key=lambda item: (item[0][0], sorted(item[1][1]), item[0][1])):
        lines.append("| %s | %s | %s | %s |" % (
            " ".join("`%s`" % name.replace("|", "\\|") for name in sorted(names, key=sort_key)),
            ", ".join(sorted(types)), ship, why))
    return "\n".join(lines) + "\n"


def check_matrix(world, admin, text):
    want = matrix(world, admin)
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    if os.environ.get("README_UPDATE"):
        with open(PATH, "w", encoding="utf-8") as file:
            file.write(text[:start] + want + text[end:])
        text = read()
        end = text.index(END)
    is_(text[start:end], want, "the pushdown matrix is that of src/plan/shippable.c")


# ---- tables

def first_cells(text):
    """Names in the first column of the tables of a section; a{b,c}d stands for abd and acd."""
    names = set()
    for line in text.splitlines():
        if line.startswith("| `"):
            for name in re.findall(r"`([^`]+)`", line.split("|")[1]):
                match = re.match(r"(.*)\{(.*)\}(.*)", name)
                names.update(match.group(1) + part + match.group(3) for part in match.group(2).split(",")) \
                    if match else names.add(name)
    return names


def check_settings(world, admin, text):
    have = set(world.column(admin, "SELECT name FROM pg_settings WHERE name LIKE 'mongo\\_tenant.%%'"))
    have.add("mongo_tenant.jwt")  # hidden from pg_settings on purpose
    told = first_cells(section(text, "Settings"))
    is_(sorted(have - told), [], "every setting is in README.md (%d)" % len(have))
    is_(sorted(told - have), [], "and no other")


def check_options(text):
    with open(os.path.join(servers.ROOT, "src", "options", "option.c")) as file:
        have = re.findall(r'^\t(SERVER|TABLE|USER|COLUMN)\("(\w+)"', file.read(), re.M)
    told = section(text, "Options")
    words = set(re.findall(r"`(\w+)[ `]", told))
    ok(len(have) > 30, "%d options in src/options/option.c" % len(have))
    is_(sorted({name for kind, name in have if name not in words}), [], "every option is in README.md")
    names = {name for kind, name in have}
    is_(sorted(first_cells(told) - names), [], "and no other")


def check_functions(world, admin, text):
    have = set(world.column(admin, """SELECT DISTINCT proname::text FROM pg_proc
                                       WHERE pronamespace = 'mongo_tenant'::regnamespace""")) - INTERNAL
    told = set(re.findall(r"(\w+)\(|`(\w+)`", section(text, "Functions")))
    told = {name for pair in told for name in pair if name}
    is_(sorted(have - told), [], "every function is in README.md (%d)" % len(have))


# ---- statements

def check_first_steps(world, admin, text):
    """The statements of "From nothing to a result", with a real key, a real server and a real token."""
    parts = blocks(section(text, "From nothing to a result"))
    is_(len(parts), 2, "the administrator's statements, and the application's")
    jwks = json.dumps(tokens.keyset([world.keys["rs"]]))
    # Comments go first: a key may hold two hyphens.
    statements, queries = [[re.sub(r"'\{\"keys\".*?\}'", lambda match: "'%s'" % jwks, statement, flags=re.S)
                            .replace("mongodb://127.0.0.1:27017/", world.uri).replace("'shop'", "'%s'" % world.name)
                            for statement in split(part)] for part in parts]
    is_(len(statements) + len(queries) - 1, 5, "five statements, and the token")
    for statement in statements:
        admin.execute(statement)
    world.mongo["orders"].insert_many(
        [{"tenantId": tenant, "id": number, "customer": customer, "total": 10.5 * number}
         for tenant, factor in (("UA", 1), ("DL", 2)) for number, customer in ((factor, "a"), (2 * factor, "b"))])
    for tenant, want in (("UA", [("a", 10.5), ("b", 21.0)]), ("DL", [("a", 21.0), ("b", 42.0)])):
        token = world.keys["rs"].sign(tokens.claims("https://login.example", tenant, aud="reports"))
        with admin.transaction():
            admin.execute(queries[0].replace("$1", "%s"), (token,))
            got = sorted((name, float(total)) for name, total in world.rows(admin, queries[1]))
        is_(got, want, "%s gets its own result" % tenant)


def check_how_to(world, admin, text):
    """The statements of "How to" that stand on their own."""
    admin.execute("CREATE FOREIGN TABLE invoices (id integer) SERVER mongo")
    how = section(text, "How to")
    pem = world.keys["es"].pem()
    ran = 0
    for block in blocks(how):
        for statement in split(block):
            if "…" in statement:
                continue
            value = None
            if "$1" in statement:
                value = pem if "add_key" in statement else \
                    json.dumps(tokens.keyset([world.keys["ed"]])) if "jsonb" in statement else world.token("UA")
            statement = statement.replace("FOREIGN TABLE orders", "FOREIGN TABLE orders2").replace("shop", world.name)
            statement = statement.replace("FOR app", "FOR mtf_app").replace("'2026'", "'rs'")
            if "notes" in statement:
                admin.execute("CREATE TABLE IF NOT EXISTS notes (tenant text, order_id integer, body text)")
            if "FROM orders" in statement:
                # The key that was added above, and a token issued after the revocation.
                world.identify(admin, world.keys["es"].sign(
                    tokens.claims("https://login.example", "UA", aud="reports", iat=int(time.time()) + 2),
                    headers={"kid": "2027"}))
            try:
                admin.execute(statement.replace("%", "%%").replace("$1", "%s"), None if value is None else (value,))
                ran += 1
            except Exception as error:
                ok(False, "How to: " + statement.splitlines()[0])
                diag(error)
    ok(ran >= 10, "%d statements of How to run" % ran)


with World(objects=False) as world:
    text = read()
    with world.admin() as admin:
        check_first_steps(world, admin, text)
        check_matrix(world, admin, text)
        check_settings(world, admin, text)
        check_options(text)
        check_functions(world, admin, text)
        check_how_to(world, admin, text)
done()
