"""The decoder and the options without a server: test/modules/decode_probe as SQL functions.

    with World(engine=False, objects=False) as world:
        session = probe.install(world)
        table = probe.table(session, "n integer, s text")
        probe.rows(session, table, bson.encode({"n": 1}))
"""

import itertools
import os
import shutil
import subprocess
import tempfile

import servers

MODULES = os.path.join(servers.ROOT, "test", "modules")
MODULE = os.path.join(MODULES, "decode_probe")
_numbers = itertools.count(1)


def build(world, module="decode_probe"):
    """Compile a module; a copy of the library that the PostgreSQL server's user can read."""
    pg_config = world.env.get("PG_CONFIG") or "pg_config"
    made = subprocess.run(["make", "-s", "-C", os.path.join(MODULES, module), "PG_CONFIG=" + pg_config], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"})
    if made.returncode != 0:
        raise RuntimeError("%s: %s" % (module, made.stdout))
    directory = tempfile.mkdtemp(prefix="mtf_probe_", dir=world.owner.directory)
    library = shutil.copy(os.path.join(MODULES, module, module + ".so"), directory)
    os.chmod(world.owner.directory, 0o755)
    os.chmod(directory, 0o755)
    os.chmod(library, 0o755)
    return library


def install(world, database=None, library=None):
    """A superuser's session on a database that has the probe's functions and the server "probe"."""
    library = library or build(world)
    with open(os.path.join(MODULE, "decode_probe.sql")) as file:
        script = file.read().replace(":'module'", "'%s'" % library)
    session = world.connect(role="postgres", database=database)
    session.execute(script)
    session.probe_library = library
    return session


def table(session, columns, options=""):
    """A foreign table that exists only to be decoded into; its name."""
    name = "probe_%d" % next(_numbers)
    session.execute("CREATE FOREIGN TABLE %s (%s) SERVER probe %s" %
                    (name, columns, "OPTIONS (%s)" % options if options else ""))
    return name


def rows(session, name, *documents):
    """What the documents are as rows of the table."""
    return session.execute("SELECT p.* FROM decode_probe(NULL::%s, VARIADIC %%s) p" % name,
                           (list(documents),)).fetchall()


def value(session, name, document, expression="*"):
    """The single column of the single row (or an expression over it)."""
    return session.execute("SELECT %s FROM decode_probe(NULL::%s, %%s) p" % (expression, name),
                           (document,)).fetchone()[0]
