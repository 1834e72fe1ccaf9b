"""TLS: verified by default, whole, interruptible; never less than what the options say."""
import datetime
import ipaddress
import os
import socket
import ssl
import time
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import servers
from faultserver import FaultServer
from tap import World, ok, is_, prompt, throws, diag, skip, done

warnings.simplefilter("ignore", DeprecationWarning)  # old versions are offered on purpose

REFUSED = "HV00N"
QUERY = "SELECT id FROM t"
DAY = datetime.timedelta(days=1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    def __init__(self, directory, label):
        self.directory, self.label = directory, label
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(label, self.key.public_key(), None, 30, True)
        self.file = self._write(label + "-ca.pem", self._pem(self.certificate))

    def _sign(self, subject, key, names, days, authority=False):
        now = datetime.datetime.now(datetime.timezone.utc)
        begin, end = (now - DAY, now + days * DAY) if days > 0 else (now - 10 * DAY, now + days * DAY)
        builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(self.label)).public_key(key)
                   .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
                   .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    @staticmethod
    def _pem(certificate):
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _write(self, file, content):
        path = os.path.join(self.directory, file)
        with open(path, "wb") as out:
            out.write(content)
        os.chmod(path, 0o644)  # the cluster may run as another user
        return path

    def issue(self, label, *hosts, days=10):
        """A key and a certificate in one file; its base name."""
        names = []
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
        path = self._write(label + ".pem", pem + self._pem(self._sign(label, key.public_key(), names, days)))
        return os.path.basename(path)


class TlsServer(FaultServer):
    """FaultServer behind TLS; `first_bytes` are those of refused clients, too."""

    def __init__(self, certificate, client_ca=None, highest=None):
        super().__init__()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        if client_ca:
            self.context.load_verify_locations(client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED
        if highest:
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.maximum_version = highest
            self.context.set_ciphers("ALL:@SECLEVEL=0")

    def _serve(self, connection):
        try:
            wrapped = self.context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        self._connections.append(wrapped)
        super()._serve(wrapped)


class Peeking(FaultServer):
    """A plain server that notes the first byte of each connection."""

    first = None

    def _one(self, connection):
        if self.first is None:
            self.first = connection.recv(1, socket.MSG_PEEK)
        return super()._one(connection)


def table(admin, uri, **options):
    admin.execute("DROP SERVER IF EXISTS s_t CASCADE")
    text = "".join(", %s '%s'" % pair for pair in options.items())
    admin.execute("CREATE SERVER s_t FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'x',"
                  " providers 'test', tenant_field 'tenant_id'%s)" % (uri, text))
    admin.execute("CREATE FOREIGN TABLE t (id integer, padding text) SERVER s_t; GRANT SELECT ON t TO mtf_app")


def verified(admin, session, authority, key_dir):
    good = authority.issue("good", "localhost", "127.0.0.1")
    only_name = authority.issue("name", "localhost")
    elsewhere = authority.issue("elsewhere", "db.example.org", "*.localhost")
    expired = authority.issue("expired", "localhost", days=-1)
    stranger = Authority(key_dir, "stranger").issue("strange", "localhost")
    ca = {"tls_ca_file": "mtf-ca.pem"}
    accepted, refused = True, False
    for label, certificate, host, query, options, expected in (
            ("a certificate of the CA", good, "localhost", "tls=true", ca, accepted),
            ("the same by address", good, "127.0.0.1", "tls=true", ca, accepted),
            ("ssl=true is tls=true", good, "localhost", "ssl=true", ca, accepted),
            ("unknown to the system's CAs", good, "localhost", "tls=true", {}, refused),
            ("of another CA", stranger, "localhost", "tls=true", ca, refused),
            ("for another host", elsewhere, "localhost", "tls=true", ca, refused),
            ("for a name, reached by address", only_name, "127.0.0.1", "tls=true", ca, refused),
            ("expired", expired, "localhost", "tls=true", ca, refused),
            ("for another host, names not compared", elsewhere, "localhost",
             "tls=true&tlsAllowInvalidHostnames=true", ca, accepted),
            ("of another CA, names not compared", stranger, "localhost",
             "tls=true&tlsAllowInvalidHostnames=true", ca, refused),
            ("of another CA, nothing verified", stranger, "localhost",
             "tls=true&tlsAllowInvalidCertificates=true", ca, accepted),
            # Without a verified certificate its name proves nothing.
            ("for another host, nothing verified", elsewhere, "localhost",
             "tls=true&tlsAllowInvalidCertificates=true", ca, accepted),
            ("of another CA, insecure", stranger, "127.0.0.1", "tls=true&tlsInsecure=true", {}, accepted)):
        with TlsServer(os.path.join(key_dir, certificate)) as server:
            table(admin, "mongodb://%s:%d/?%s" % (host, server.port, query), **options)
            if expected is accepted:
                is_(len(session.execute(QUERY).fetchall()), 10, label + ": accepted")
            else:
                throws(REFUSED, lambda: session.execute(QUERY).fetchall(), label + ": refused")
                is_(server.log, [], label + ": nothing was sent")


def downgraded(admin, session, key_dir):
    good = os.path.join(key_dir, "good.pem")
    with FaultServer() as plain:
        table(admin, "mongodb://localhost:%d/?tls=true&connectTimeoutMS=1000" % plain.port, tls_ca_file="mtf-ca.pem")
        throws(REFUSED, lambda: session.execute(QUERY).fetchall(), "tls=true against a plain server: refused")
        is_(plain.log, [], "and nothing was sent in the clear")
    with TlsServer(good) as server:
        table(admin, "mongodb://localhost:%d/?connectTimeoutMS=1000" % server.port)
        throws(REFUSED, lambda: session.execute(QUERY).fetchall(), "a plain client against a TLS server: an error")
    with TlsServer(good, highest=ssl.TLSVersion.TLSv1_1) as server:
        table(admin, "mongodb://localhost:%d/?tls=true" % server.port, tls_ca_file="mtf-ca.pem")
        throws(REFUSED, lambda: session.execute(QUERY).fetchall(), "TLS 1.1: refused")
    host = socket.gethostname()
    try:
        loopback = socket.gethostbyname(host).startswith("127.")
    except OSError:
        loopback = False
    if not loopback:
        skip("TLS by default", "no name of this machine is a loopback address")
        return
    with Peeking() as plain:
        table(admin, "mongodb://%s:%d/?connectTimeoutMS=1000" % (host, plain.port))
        throws(REFUSED, lambda: session.execute(QUERY).fetchall(), "a host by another name than localhost: TLS by default")
        is_(plain.first, b"\x16", "the first byte is that of a TLS handshake")
        table(admin, "mongodb://%s:%d/?tls=false" % (host, plain.port))
        is_(len(session.execute(QUERY).fetchall()), 10, "unless a superuser says tls=false")


def client_certificate(admin, session, authority, key_dir):
    authority.issue("client", "nobody")
    Authority(key_dir, "other").issue("other", "nobody")
    with TlsServer(os.path.join(key_dir, "good.pem"), client_ca=authority.file) as server:
        uri = "mongodb://localhost:%d/?tls=true&connectTimeoutMS=1000" % server.port
        table(admin, uri, tls_ca_file="mtf-ca.pem")
        throws((REFUSED, "08006"), lambda: session.execute(QUERY).fetchall(), "no client certificate: refused")
        admin.execute("CREATE USER MAPPING FOR mtf_app SERVER s_t OPTIONS (tls_certificate_key_file 'other.pem')")
        throws((REFUSED, "08006"), lambda: session.execute(QUERY).fetchall(), "one of another CA: refused")
        admin.execute("ALTER USER MAPPING FOR mtf_app SERVER s_t OPTIONS (SET tls_certificate_key_file 'client.pem')")
        is_(len(session.execute(QUERY).fetchall()), 10, "the right one: accepted")
        admin.execute("ALTER USER MAPPING FOR mtf_app SERVER s_t OPTIONS (SET tls_certificate_key_file 'missing.pem')")
        throws("F0000", lambda: session.execute(QUERY).fetchall(), "a file that is not there: configuration error")
        os.chmod(os.path.join(key_dir, "client.pem"), 0o666)
        admin.execute("ALTER USER MAPPING FOR mtf_app SERVER s_t OPTIONS (SET tls_certificate_key_file 'client.pem')")
        throws("F0000", lambda: session.execute(QUERY).fetchall(), "a file that all may write: configuration error")


class SecureEngine(servers.Engine):
    """A document server that demands client certificates, and knows users by their subjects."""

    def __init__(self, owner, certificate, ca, subjects):
        super().__init__(owner, "secantusd-py", name="x509")
        with self.client(direct=True) as client:
            for subject in subjects:
                client["$external"].command("createUser", subject, mechanisms=["MONGODB-X509"],
                                            roles=[{"role": "readAnyDatabase", "db": "admin"}])
            client["x"]["t"].insert_many([{"tenant_id": tenant, "id": n} for tenant in ("UA", "DL") for n in range(10)])
            client["x"]["t"].create_index([("tenant_id", 1), ("_id", 1)])
        self.stop()
        self.options += ["--auth", "--tls-cert-file", certificate, "--tls-key-file", certificate,
                         "--tls-ca-file", ca, "--tls-require-client-cert"]
        self.start()

    def _wait(self):
        if self.options:
            wait_for_port(self.port)
        else:
            super()._wait()


def wait_for_port(port):
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def x509_users(world, admin, session, authority, key_dir):
    """A server's user named by a client certificate: no password anywhere."""
    for label in ("known", "stranger"):
        authority.issue(label, "nobody")
    engine = SecureEngine(world.owner, os.path.join(key_dir, "good.pem"), authority.file, ["CN=known"])
    table(admin, "mongodb://localhost:%d/?tls=true&connectTimeoutMS=2000" % engine.port, tls_ca_file="mtf-ca.pem")
    admin.execute("CREATE USER MAPPING FOR mtf_app SERVER s_t OPTIONS (tls_certificate_key_file 'known.pem')")
    throws("42501", lambda: session.execute(QUERY).fetchall(), "a certificate without X.509 authentication: nobody")
    admin.execute("ALTER USER MAPPING FOR mtf_app SERVER s_t OPTIONS (ADD auth_mechanism 'X.509')")
    is_(sorted(session.execute(QUERY).fetchall()), [(n,) for n in range(10)],
        "X.509: the user of the certificate's subject reads, as its token's tenant")
    admin.execute("ALTER USER MAPPING FOR mtf_app SERVER s_t OPTIONS (ADD username 'CN=known')")
    is_(len(session.execute(QUERY).fetchall()), 10, "X.509: the subject may be said, too")
    admin.execute("ALTER USER MAPPING FOR mtf_app SERVER s_t OPTIONS (SET username 'CN=other')")
    error = throws(("28000", "42501"), lambda: session.execute(QUERY).fetchall(), "X.509: another subject than the certificate's")
    ok("CN=" not in str(error), "X.509: and the message has no name in it") or diag(error)
    admin.execute("ALTER USER MAPPING FOR mtf_app SERVER s_t OPTIONS (DROP username, SET tls_certificate_key_file 'stranger.pem')")
    throws(("28000", "42501"), lambda: session.execute(QUERY).fetchall(), "X.509: a certificate of nobody")
    admin.execute("ALTER USER MAPPING FOR mtf_app SERVER s_t OPTIONS (SET tls_certificate_key_file 'known.pem')")
    is_(len(session.execute(QUERY).fetchall()), 10, "X.509: a changed mapping counts at once")
    admin.execute("ALTER SERVER s_t OPTIONS (ADD parallel '3', ADD fetch_size '1')")
    session.execute("SELECT id FROM t").fetchall()
    plan = str(session.execute("EXPLAIN (ANALYZE, VERBOSE) SELECT id FROM t").fetchall())
    ok("Ranges: " in plan and "Ranges: 0" not in plan, "a scan by several cursors through TLS") or diag(plan)
    is_(sorted(session.execute("SELECT id FROM t").fetchall()), [(n,) for n in range(10)], "each row once")


def traffic(world, admin, session, key_dir):
    with TlsServer(os.path.join(key_dir, "good.pem")) as server:
        table(admin, "mongodb://localhost:%d/?tls=true&socketTimeoutMS=20000" % server.port, tls_ca_file="mtf-ca.pem")
        server.reset(batches=4, batch_size=50, padding=100000)
        rows = session.execute("SELECT id, length(padding) FROM t").fetchall()
        is_(rows, [(n, 100000) for n in range(200)], "20 MB in four batches through TLS")
        query = "SELECT count(*) FROM (SELECT id FROM t WHERE padding <> repeat('y', 3000000) OFFSET 0) x"
        is_(session.execute(query).fetchone()[0], 200, "a command of 3 MB")
        for command in ("aggregate", "getMore"):
            server.reset(batches=4)
            server.at(command, 1, None)
            session.execute("SET statement_timeout = 300")
            start = time.monotonic()
            throws("57014", lambda: session.execute(QUERY).fetchall(), "silence at %s: cancelled" % command)
            waited = time.monotonic() - start - 0.3
            ok(prompt(world, waited, 0.15), "at once") or diag("%.0f ms" % (waited * 1000))
            session.execute("RESET statement_timeout")
            # A kill that found no time is made good by the next query.
            ok(server.heard("killSessions") or (session.execute(QUERY).fetchall() and server.heard("killSessions")),
               "and the server's work is ended, through TLS")
        server.reset(batches=4)
        is_(len(session.execute(QUERY).fetchall()), 40, "the next query is whole")
        server.at("getMore", 2, "close")
        throws("08006", lambda: session.execute(QUERY).fetchall(), "closed mid-scan: an error, never a short result")


with World(engine=False, own_cluster=True) as world, world.admin() as admin, world.connect("UA") as session:
    key_dir = world.env["MTF_KEY_DIR"]
    authority = Authority(key_dir, "mtf")
    verified(admin, session, authority, key_dir)
    downgraded(admin, session, key_dir)
    client_certificate(admin, session, authority, key_dir)
    x509_users(world, admin, session, authority, key_dir)
    traffic(world, admin, session, key_dir)
done()
