"""mongo_tenant.allowed_hosts: where a server whose owner is no superuser may make this machine connect to.

Such a server can have no providers, so no query gets as far as its connection (shown first).  That the
connection asks by itself is seen through test/modules/connect_probe.
"""
import contextlib
import os
import signal
import threading

import probe
from faultserver import FaultServer
from tap import World, ok, is_, throws, diag, done

REFUSED = "42501"  # and the message says by what


def make_server(admin, name, uri, password):
    admin.execute("SET ROLE mtf_owner")
    admin.execute("CREATE SERVER %s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'mtf_hosts')" % (name, uri))
    admin.execute("CREATE USER MAPPING FOR PUBLIC SERVER %s OPTIONS (username 'mtf_reader', password '%s', auth_source 'admin')"
                  % (name, password.replace("'", "''")))
    admin.execute("RESET ROLE")


def connect(session, name, hosts):
    return session.execute("SELECT connect_probe(oid, %s) FROM pg_foreign_server WHERE srvname = %s", (hosts, name)).fetchone()[0]


@contextlib.contextmanager
def in_time(session, seconds=30):
    """libmongoc waited for itself here, which no interrupt ends."""
    watch = threading.Timer(seconds, os.kill, (session.info.backend_pid, signal.SIGKILL))
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def unreachable_members(world, admin):
    """A replica set whose other members cannot even be tried from here: it has no primary for us, and says so."""
    for name, host in (("broadcast", "255.255.255.255:1"), ("unresolvable", "..:27017"), ("socket", "/%s.sock" % ("x" * 120))):
        with FaultServer() as seed, world.connect("UA") as user:
            first = "127.0.0.1:%d" % seed.port
            seed.member = {"setName": "rs", "hosts": [first, host], "setVersion": 1, "ismaster": False, "isWritablePrimary": False,
                           "secondary": True, "me": first, "primary": host}
            admin.execute("CREATE SERVER %s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri"
                          " 'mongodb://%s/?replicaSet=rs&serverSelectionTimeoutMS=2000', database 'x', providers 'test', tenant_field 'tenant_id');"
                          "CREATE FOREIGN TABLE %s (id integer) SERVER %s; GRANT SELECT ON %s TO mtf_app" % (name, first, name, name, name))
            with in_time(user):
                throws(("08001", "HV00N"), lambda: user.execute("SELECT * FROM %s" % name), "a primary at a %s address: an error" % name)
            admin.execute("ALTER SERVER %s OPTIONS (ADD read_preference 'secondaryPreferred')" % name)
            with in_time(user):
                is_(len(world.rows(user, "SELECT * FROM %s" % name)), 10, "positive control: the other member answers")


def no_query(world, admin):
    """Whatever an admin adds to it: its owner may not speak for tenants."""
    admin.execute("CREATE FOREIGN TABLE theirs (id integer) SERVER theirs OPTIONS (collection 'accounts'); GRANT SELECT ON theirs TO mtf_app;"
                  "SELECT mongo_tenant.set_policy('theirs', 'accounts', field => 'tenant_id')")
    with world.connect("UA") as user, world.admin() as operator:
        throws("42501", lambda: user.execute("SELECT * FROM theirs"), "no providers: denied")
        operator.execute("SET mongo_tenant.bypass = on")
        throws("42501", lambda: operator.execute("SELECT * FROM theirs"), "no providers: denied under the bypass")
        admin.execute("ALTER SERVER theirs OPTIONS (ADD providers 'test')")
        for session, who in ((user, "a tenant"), (operator, "the bypass")):
            throws("42501", lambda: session.execute("SELECT * FROM theirs"), "providers of a server that is not a superuser's: %s" % who)
        admin.execute("ALTER SERVER theirs OWNER TO postgres")
        is_(len(world.rows(user, "SELECT * FROM theirs")), 10, "positive control: they count once it is")
        admin.execute("ALTER SERVER theirs OPTIONS (DROP providers); ALTER SERVER theirs OWNER TO mtf_owner")


def entries(world, admin):
    address = "127.0.0.1:" + world.engine.uri.rsplit(":", 1)[1].strip("/")
    port = address.split(":")[1]
    for hosts in ("", "127.0.0.2", "127.0.0.1:1", "*.0.0.1x", "localhost", "27.0.0.1", "127.0.0.1.example", "*", "*."):
        error = throws(REFUSED, lambda: connect(admin, "theirs", hosts), "allowed_hosts %r: refused" % hosts)
        ok("allowed_hosts" in str(error) + str(error.diag.message_detail), "and the message says by what") or diag(error)
    for hosts in ("127.0.0.1", "127.0.0.1:" + port, "other.example, 127.0.0.1", "*.0.0.1"):
        is_(connect(admin, "theirs", hosts), address, "positive control, allowed_hosts %r: connected" % hosts)
    throws(REFUSED, lambda: connect(admin, "theirs", ""), "taken back: the open connection is not used")
    admin.execute("ALTER SERVER theirs OWNER TO postgres")
    is_(connect(admin, "theirs", ""), address, "positive control: a superuser's server needs no list")
    admin.execute("ALTER SERVER theirs OWNER TO mtf_owner")
    throws(REFUSED, lambda: connect(admin, "theirs", ""), "given to an ordinary role: refused again")


def members(world, admin):
    """A replica set names other members: they are asked for one by one, too."""
    with FaultServer() as seed, FaultServer() as inner:
        names = ["127.0.0.1:%d" % server.port for server in (seed, inner)]
        hello = {"setName": "rs", "hosts": names, "setVersion": 1, "ismaster": False, "isWritablePrimary": False, "secondary": True}
        seed.member = {**hello, "me": names[0], "primary": names[1]}
        inner.member = {**hello, "me": names[1], "ismaster": True, "isWritablePrimary": True, "secondary": False}
        make_server(admin, "advertised", "mongodb://%s/?replicaSet=rs&serverSelectionTimeoutMS=2000" % names[0], "p")
        for hosts, reached, error in ((",".join(names), True, ("28000", "HV000", "08006")), (names[0], False, REFUSED)):
            seed.connections_seen = inner.connections_seen = 0
            with in_time(admin):
                throws(error, lambda: connect(admin, "advertised", hosts), "not a server that knows our password")
            ok(seed.connections_seen > 0, "positive control: the host of the URI is connected to")
            is_(inner.connections_seen > 0, reached, "a member that hello names %s" % (
                "and the list allows: connected to" if reached else "and nobody allowed: not connected to"))


with World(auth=True, settings={"mongo_tenant.bypass_role": "postgres"}) as world:
    world.load("accounts")
    library = probe.build(world, "connect_probe")
    with world.admin() as admin:
        admin.execute("CREATE FUNCTION connect_probe(oid, text) RETURNS text AS '%s' LANGUAGE C STRICT" % library)
        admin.execute("DO $$ BEGIN CREATE ROLE mtf_owner; EXCEPTION WHEN duplicate_object THEN END $$")
        admin.execute("GRANT USAGE ON FOREIGN DATA WRAPPER mongo_tenant_fdw TO mtf_owner")
        make_server(admin, "theirs", world.engine.uri, world.engine.password)
        entries(world, admin)
        members(world, admin)
        unreachable_members(world, admin)
        no_query(world, admin)
done()
