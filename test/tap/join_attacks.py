"""Joins attacked: functions that tell what they see, plans, cursors and roles that outlive a token.

Two tenants have the same ids everywhere.  Each attack is tried on every way to join (remote, in batches, here);
beside it stands a control that shows what it would have told.
"""
import itertools

from tap import World, done, is_, ok, throws

TENANTS = {"UA": "DL", "DL": "UA"}
METHODS = ("off", "auto", "lookup", "hash", "bind", "parameterised")
ROWS = 12

OBJECTS = """
CREATE SERVER s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%(uri)s', database '%(name)s', providers 'test', tenant_field 'tenant_id');
CREATE USER MAPPING FOR PUBLIC SERVER s;
CREATE FOREIGN TABLE a (id integer, k integer, open boolean, w text) SERVER s;
CREATE FOREIGN TABLE b (id integer, k integer, open boolean, w text) SERVER s;
-- Rows of both tenants in one local table, kept apart by row-level security.
CREATE TABLE notes (tenant text, id integer, k integer, w text);
INSERT INTO notes SELECT t, n, (n * 2) %% 9, t || 'n' || n FROM unnest('{UA,DL}'::text[]) t, generate_series(0, 11) n;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (tenant = mongo_tenant.tenant());
ANALYZE notes;
CREATE TABLE plain AS SELECT n AS id, 'plain' || n AS w FROM generate_series(0, 300) n;
ANALYZE plain;
-- The cheapest function there is, which tells everything that it is shown.
CREATE FUNCTION peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'seen: %%', $1; RETURN true; END $$;
CREATE VIEW open_a WITH (security_barrier) AS SELECT * FROM a WHERE open;
CREATE VIEW open_pairs WITH (security_barrier) AS SELECT a.id, a.k, a.w, b.w AS other FROM a JOIN b ON b.id = a.id WHERE a.open AND b.open;
CREATE VIEW open_left WITH (security_barrier) AS SELECT a.id, a.k, a.w, b.w AS other FROM a LEFT JOIN b ON b.id = a.id AND b.open WHERE a.open;
CREATE VIEW open_notes WITH (security_barrier) AS SELECT n.id, n.k, n.w, b.w AS other FROM notes n JOIN b ON b.id = n.id WHERE b.open;
-- A view's policies are those of its owner.
GRANT CREATE ON SCHEMA public TO mtf_app;
ALTER VIEW open_notes OWNER TO mtf_app;
-- The same without a barrier, and dear, which is what shows that functions tell.
CREATE VIEW loose_a AS SELECT * FROM a WHERE CASE WHEN k >= 0 AND k < 100 AND w <> '' THEN open END;
CREATE FUNCTION definer() RETURNS SETOF text SECURITY DEFINER LANGUAGE sql AS 'SELECT a.w || b.w FROM a JOIN b ON b.id = a.id';
CREATE FUNCTION dynamic() RETURNS SETOF text SECURITY DEFINER LANGUAGE plpgsql AS
	$$ BEGIN RETURN QUERY EXECUTE 'SELECT a.w || b.w FROM a JOIN b ON b.id = a.id'; END $$;
CREATE VIEW owned AS SELECT a.id, a.w FROM a;
GRANT ALL ON a, b, notes, plain, open_a, open_pairs, open_left, loose_a, owned TO mtf_app;
"""

# Views with a barrier: a function above them sees what they show, no other rows.  Queries over one view v.
ABOVE = ("SELECT v.id, v.w FROM {v} v WHERE peek(v.w)",
         "SELECT v.id, v.w, b.w FROM {v} v JOIN b ON b.id = v.k WHERE peek(v.w)",
         "SELECT v.id, v.w, b.w FROM b LEFT JOIN {v} v ON v.id = b.k AND peek(v.w)",
         "SELECT b.id, b.w FROM b WHERE EXISTS (SELECT FROM {v} v WHERE v.id = b.k AND peek(v.w))",
         "SELECT b.id, b.w FROM b WHERE NOT EXISTS (SELECT FROM {v} v WHERE v.k = b.id AND peek(v.w))",
         "SELECT b.id, b.w FROM b WHERE b.id IN (SELECT v.k FROM {v} v WHERE peek(v.w))",
         "SELECT v.k, count(*) FROM {v} v JOIN b ON b.id = v.id WHERE peek(v.w) GROUP BY v.k",
         "SELECT v.id, v.w FROM {v} v JOIN plain p ON p.id = v.id WHERE peek(v.w) ORDER BY v.id LIMIT 100",
         "SELECT p.id, x.w FROM plain p, LATERAL (SELECT v.w FROM {v} v WHERE v.id = p.id AND peek(v.w)) x WHERE p.id < 20",
         "SELECT v.id, (SELECT max(b.w) FROM b WHERE b.id = v.k AND peek(v.w)) FROM {v} v",
         "SELECT v.id, v.w FROM {v} v JOIN b ON b.id = v.id AND peek(v.w || b.w)")
VIEWS = {"open_a": "open", "open_pairs": "open", "open_left": "open", "open_notes": "open", "notes": "own"}

# Every way in which SQL joins; the words of a row are whose it is.
SHAPES = ("SELECT a.w, b.w FROM a JOIN b ON b.id = a.k",
          "SELECT a.w, b.w FROM a LEFT JOIN b ON b.id = a.k AND b.open",
          "SELECT a.w, b.w FROM a FULL JOIN b ON b.k = a.id",
          "SELECT a.w, b.w FROM a JOIN b USING (id, k)",
          "SELECT a.w, n.w FROM notes n JOIN a ON a.id = n.k",
          "SELECT a.w, n.w FROM a LEFT JOIN notes n ON n.id = a.k",
          "SELECT a.w, x.w FROM a, LATERAL (SELECT b.w FROM b WHERE b.id = a.k ORDER BY b.id LIMIT 1) x",
          "SELECT a.w, x.w FROM a LEFT JOIN LATERAL (SELECT b.w FROM b JOIN a c ON c.id = b.id WHERE b.k = a.id OFFSET 0) x ON true",
          "SELECT a.w FROM a WHERE EXISTS (SELECT FROM b WHERE b.id = a.k AND b.open) OR EXISTS (SELECT FROM b WHERE b.k = a.id AND NOT b.open)",
          "SELECT a.w FROM a WHERE a.k = ANY (SELECT b.id FROM b WHERE b.open)",
          "SELECT a.w FROM a WHERE a.k <> ALL (SELECT b.id FROM b WHERE b.open)",
          "SELECT a.w FROM a WHERE (a.id, a.k) IN (SELECT b.id, b.k FROM b WHERE b.open)",
          "SELECT a.w FROM a WHERE a.k NOT IN (SELECT b.id FROM b WHERE b.open AND b.k <> a.id)",
          "SELECT a.w, (SELECT b.w FROM b WHERE b.id = a.k) FROM a",
          "SELECT a.w, ARRAY(SELECT b.w FROM b WHERE b.k = a.k ORDER BY b.id)::text FROM a",
          "SELECT a.w FROM a WHERE (SELECT count(*) FROM b JOIN a c ON c.id = b.id WHERE b.k = a.k) > 1",
          "WITH c AS MATERIALIZED (SELECT a.w, a.k FROM a JOIN b ON b.id = a.id) SELECT c.w, b.w FROM c JOIN b ON b.id = c.k",
          "SELECT o.w, o2.w FROM owned o JOIN owned o2 ON o2.id = o.id JOIN b ON b.id = o.id",
          "SELECT id, a.w FROM a FULL JOIN b USING (id) FULL JOIN (SELECT id FROM plain WHERE id BETWEEN 8 AND 15) p USING (id)",
          "SELECT id, min(a.w) FROM a FULL JOIN b USING (id) WHERE id > 2 GROUP BY id ORDER BY id",
          "SELECT id, a.w, b.w, c.w FROM a FULL JOIN b USING (id) FULL JOIN (SELECT k AS id, w FROM a) c USING (id)",
          "SELECT id, max(c.w) FROM a FULL JOIN (SELECT k AS id, w FROM b) b USING (id) LEFT JOIN a c USING (id) GROUP BY id")


def prepare(world, admin):
    for name in "ab":
        world.mongo[name].insert_many(
            [{"tenant_id": tenant, "id": n, "k": (n * 2) % 9, "open": n % 3 != 0, "w": "%s%s%d%s" % (tenant, name, n, "" if n % 3 else "closed")}
             for tenant in TENANTS for n in range(ROWS)] +
            [{"tenant_id": owner, "id": n, "k": n, "open": True, "w": "nobody's"} for owner in (None, ["UA", "DL"], "ua") for n in range(ROWS)])
    admin.execute(OBJECTS % {"uri": world.uri, "name": world.name})


def configure(session, method):
    here = method in ("off", "auto")
    for name in ("enable_hashjoin", "enable_mergejoin"):
        session.execute("SET %s = %s" % (name, "on" if here else "off"))
    session.execute("SET enable_nestloop = %s" % ("on" if here or method == "parameterised" else "off"))
    session.execute("SET mongo_tenant.join_method = %s" % (method if method in ("lookup", "hash", "bind") else "auto"))
    session.execute("SET mongo_tenant.enable_join_pushdown = %s" % ("off" if method in ("off", "parameterised") else "on"))


class Told:
    """What functions told since it was last asked for."""

    def __init__(self, session):
        self.texts = []
        session.add_notice_handler(lambda notice: self.texts.append(notice.message_primary))

    def take(self):
        texts, self.texts = [text[len("seen: "):] for text in self.texts if text.startswith("seen: ")], []
        return texts


def rows(session, query):
    return sorted(map(repr, session.execute(query).fetchall()))


def leaks(world, sessions):
    for (tenant, session), method in itertools.product(sessions.items(), METHODS):
        configure(session, method)
        told, wrong, seen = Told(session), [], 0
        for (view, what), query in itertools.product(VIEWS.items(), ABOVE):
            session.execute(query.format(v=view)).fetchall()
            texts = told.take()
            seen += len(texts)
            for text in texts:
                # The open view's own rows; b's words stand behind them in the last query.
                first = text[:text.find(tenant + "b")] if tenant + "b" in text else text
                if TENANTS[tenant] in text or "nobody" in text or (what == "open" and "closed" in first):
                    wrong.append((view, query, text))
        is_(wrong[:3], [], "%s, %s: functions above barriers and policies see the rows that these show (%d)" % (tenant, method, seen))
        ok(seen > 300, "  and are called")
    session = sessions["UA"]
    configure(session, "off")
    told = Told(session)
    session.execute("SET mongo_tenant.enable_filter_pushdown = off")
    session.execute("SELECT w FROM loose_a WHERE peek(w)").fetchall()
    session.execute("RESET mongo_tenant.enable_filter_pushdown")
    ok(any("closed" in text for text in told.take()), "control: without a barrier a function tells more")


def shapes(world, sessions):
    expected = {}
    for tenant, session in sessions.items():
        configure(session, "off")
        expected[tenant] = [rows(session, query) for query in SHAPES]
    ok(all(x and x != y for x, y in zip(expected["UA"], expected["DL"])), "control: the tenants' rows differ in each of %d queries" % len(SHAPES))
    for (tenant, session), method in itertools.product(sessions.items(), METHODS[1:]):
        configure(session, method)
        got = [rows(session, query) for query in SHAPES]
        is_([query for query, one, other in zip(SHAPES, got, expected[tenant]) if one != other], [], "%s, %s: the rows that there are without pushdown" % (tenant, method))
        ok(not any(TENANTS[tenant] in row or "nobody" in row for answer in got for row in answer), "  none of another's")
        for number, query in enumerate(SHAPES):
            session.execute("SET plan_cache_mode = force_generic_plan; PREPARE p%d AS %s" % (number, query))
            rows(session, "EXECUTE p%d" % number)
        world.identify(session, world.token(TENANTS[tenant]))
        wrong = [query for number, query in enumerate(SHAPES) if rows(session, "EXECUTE p%d" % number) != expected[TENANTS[tenant]][number]]
        is_(wrong, [], "  the same generic plans under the other token: the other's rows")
        world.identify(session, world.token(tenant))
        session.execute("DEALLOCATE ALL")


def cursors(world, session, method):
    for query in SHAPES[:8] + SHAPES[16:17]:
        with session.transaction():
            session.execute("SAVEPOINT s; DECLARE c SCROLL CURSOR FOR " + query)
            first = session.execute("FETCH 1 FROM c").fetchall()
            session.execute("FETCH 2 FROM c; MOVE BACKWARD ALL IN c")
            is_(session.execute("FETCH 1 FROM c").fetchall(), first, "%s: a cursor scrolls back: %s" % (method, query[:60]))
            session.execute("SELECT set_config('mongo_tenant.jwt', %s, true)", (world.token("DL"),))
            throws("55000", lambda: session.execute("FETCH ALL FROM c"), "  and is over when the token changes")
            session.execute("ROLLBACK TO s")
    throws("0A000", lambda: session.execute("DECLARE h CURSOR WITH HOLD FOR " + SHAPES[0]), "  WITH HOLD")


def doors(world, admin, sessions):
    for (tenant, session), method in itertools.product(sessions.items(), METHODS):
        configure(session, method)
        answers = {}
        for name in ("definer()", "dynamic()"):
            answers[name] = world.column(session, "SELECT * FROM " + name)
        copied = []
        with session.cursor().copy("COPY (%s) TO STDOUT" % SHAPES[0]) as copy:
            copied = [bytes(block).decode() for block in copy]
        answers["COPY"] = "".join(copied).split()
        session.execute("CREATE TEMP TABLE kept AS " + SHAPES[1].replace("b.w", "b.w AS v"))
        answers["CREATE TABLE AS"] = [word for row in world.rows(session, "SELECT * FROM kept") for word in row if word]
        session.execute("DELETE FROM kept; INSERT INTO kept " + SHAPES[0])
        answers["INSERT … SELECT"] = [word for row in world.rows(session, "SELECT * FROM kept") for word in row if word]
        session.execute("DROP TABLE kept")
        explained = "\n".join(world.column(session, "EXPLAIN (ANALYZE, VERBOSE, TIMING OFF) " + SHAPES[0]))
        ok("UA" not in explained and "DL" not in explained, "%s, %s: EXPLAIN ANALYZE names no tenant" % (tenant, method))
        session.execute("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;"
                        " SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')")
        answers["parallel workers"] = world.column(session, "SELECT a.w FROM plain p JOIN a ON a.id = p.id JOIN b ON b.id = a.id")
        session.execute("RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;"
                        " SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')")
        for name, words in answers.items():
            ok(len(words) >= ROWS and not any(TENANTS[tenant] in word or "nobody" in word for word in words), "  %s: its own" % name)
    with world.connect("UA", role="postgres") as owner:
        owner.execute("SET ROLE mtf_app")
        ok(all("DL" not in row for query in SHAPES for row in rows(owner, query)), "SET ROLE: the session's tenant")
    # INSERT … SELECT locks nothing that it reads: its joins may be remote.
    session = sessions["UA"]
    configure(session, "hash")
    session.execute("CREATE TEMP TABLE kept (w text, v text)")
    for query, remote in (("INSERT INTO kept " + SHAPES[0], True), ("SELECT a.w FROM a JOIN b ON b.id = a.k JOIN plain p ON p.id = a.id FOR UPDATE OF p", False)):
        with admin.transaction():
            admin.execute("CREATE TABLE IF NOT EXISTS kept (w text, v text); SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
                          " SET LOCAL enable_nestloop = off; SET LOCAL mongo_tenant.join_method = hash")
            is_("$unionWith" in "\n".join(world.column(admin, "EXPLAIN (VERBOSE) " + query)), remote, "a remote join: %s: %s" % (remote, query[:40]))


with World() as world:
    with world.admin() as admin:
        prepare(world, admin)
        sessions = {tenant: world.connect(tenant) for tenant in TENANTS}
        for session in sessions.values():
            session.prepare_threshold = None  # what psycopg prepares DEALLOCATE ALL would drop
        leaks(world, sessions)
        shapes(world, sessions)
        for method in METHODS:
            configure(sessions["UA"], method)
            cursors(world, sessions["UA"], method)
        doors(world, admin, sessions)
done()
