"""Options: what the validator takes and refuses, who may set what, and what is asked again at connect."""
import probe
from tap import World, ok, is_, throws, done

GOOD_URIS = [
    ("mongodb://localhost", "local tls=default weak=none"),
    ("mongodb://127.0.0.1:27017/?tls=false", "local tls=false weak=none"),
    ("mongodb://[::1]:27017", "local tls=default weak=none"),
    ("mongodb://%2Ftmp%2Fmongodb-27017.sock", "local tls=default weak=none"),
    ("mongodb://a.example,b.example:27018,[fe80::1]:1/?replicaSet=rs0", "tls=default weak=none"),
    ("mongodb+srv://cluster0.example.net/?retryWrites=true&w=majority&appName=x", "srv tls=default weak=none"),
    ("mongodb://a.example/?TLS=true&readPreferenceTags=dc:ny&readPreferenceTags=", "tls=true weak=none"),
    # Weaker TLS: taken here, and for superusers only in the validator.
    ("mongodb://a.example/?tls=false", "tls=false weak=tls"),
    ("mongodb://a.example/?ssl=false", "tls=false weak=ssl"),
    ("mongodb://127.evil.example/?tls=false", "tls=false weak=tls"),
    ("mongodb://localhost,a.example/?tls=false", "tls=false weak=tls"),
    ("mongodb+srv://localhost/?tls=false", "srv tls=false weak=tls"),
    ("mongodb://a.example/?tlsInsecure=true", "tls=default weak=tlsInsecure"),
    ("mongodb://localhost/?tlsAllowInvalidCertificates=true", "local tls=default weak=tlsAllowInvalidCertificates"),
    ("mongodb://a.example/?tlsAllowInvalidHostnames=true", "tls=default weak=tlsAllowInvalidHostnames"),
    ("mongodb://a.example/?tlsAllowInvalidHostnames=false", "tls=default weak=none"),
]

SECRET = "s3cr3t"
BAD_URIS = [
    "mongodb://user:s3cr3t@host", "mongodb://user@host", "mongodb://user:s3cr3t/x@host", "mongodb://user:s3cr3t?x@host",
    "mongodb://user%3As3cr3t%40host", "mongodb://host/?username=s3cr3t", "mongodb://host/?password=s3cr3t",
    "mongodb://host/?PASSWORD=s3cr3t", "mongodb://host/?authSource=s3cr3t", "mongodb://host/?authMechanism=s3cr3t",
    "mongodb://host/?authMechanismProperties=AWS_SESSION_TOKEN:s3cr3t", "mongodb://host/?tlsCAFile=s3cr3t",
    "mongodb://host/?tlsCertificateKeyFile=s3cr3t", "mongodb://host/?tlsCertificateKeyFilePassword=s3cr3t",
    "mongodb://host/?sslClientCertificateKeyFile=s3cr3t", "mongodb://host/?tlsCRLFile=s3cr3t",
    "mongodb://host/s3cr3t", "http://s3cr3t", "s3cr3t", "MONGODB://s3cr3t", "mongodb://", "mongodb:///", "mongodb://,s3cr3t",
    "mongodb://s3cr3t,", "mongodb://s3cr3t:0", "mongodb://s3cr3t:65536", "mongodb://s3cr3t:", "mongodb://s3cr3t:1x",
    "mongodb://s3cr3t:1:2", "mongodb://s3cr3t_!", "mongodb://s3cr3t host", "mongodb://s3cr3t\n", "mongodb://s3cr\u00e9t",
    "mongodb://[s3cr3t]", "mongodb://[::1", "mongodb://[]", "mongodb://[::1]x", "mongodb://[::1]s3cr3t:1",
    "mongodb://%2Ftmp%2Fs3cr3t", "mongodb://%s3cr3t", "mongodb://%2Ftmp%2Fx%00.sock", "mongodb+srv://a,b", "mongodb+srv://a:1",
    "mongodb+srv://%2Ftmp%2Fx.sock", "mongodb://a/?s3cr3t=1", "mongodb://a/?s3cr3t", "mongodb://a/?=s3cr3t",
    "mongodb://a/?tls=s3cr3t", "mongodb://a/?tls=true&tls=true", "mongodb://a/?tls=true&ssl=false", "mongodb://a/?w=0",
    "mongodb://a/?w=00", "mongodb://a/?connectTimeoutMS=s3cr3t", "mongodb://a/?connectTimeoutMS=-1",
    "mongodb://a/?connectTimeoutMS=99999999999", "mongodb://a/?replicaSet=", "mongodb://a/?appName=%zz",
    "mongodb://a/?appName=x%00s3cr3t", "mongodb://a/?appName=%0a", "mongodb://a/?t%6cs=true", "mongodb://a#s3cr3t",
    "mongodb://a//?tls=true", "mongodb://a/?tls=true&&ssl=true",
]


def check_uris(session):
    for uri, expected in GOOD_URIS:
        is_(session.execute("SELECT decode_probe_uri(%s)", (uri,)).fetchone()[0], expected, "uri %s" % uri)
    for uri in BAD_URIS:
        error = throws("HV00D", lambda: create_server(session, "uri %s" % quoted(uri)), "uri refused: %r" % uri)
        if error is not None and SECRET in str(error):
            ok(False, "the message quotes the value: %s" % error)
    error = throws("HV00D", lambda: create_server(session, "uri 'mongodb://user:%s@host'" % SECRET), "credentials in uri")
    ok("user mapping" in str(error) and SECRET not in str(error), "and the message says where they belong")


def quoted(text):
    return "'%s'" % text.replace("'", "''")


def create_server(session, options, name="tried"):
    with session.transaction(force_rollback=True):
        session.execute("CREATE SERVER %s FOREIGN DATA WRAPPER decode_probe OPTIONS (%s)" % (name, options))


def server(options):
    return "CREATE SERVER tried FOREIGN DATA WRAPPER decode_probe OPTIONS (uri 'mongodb://h', %s)" % options


def user(options, role="CURRENT_USER"):
    return "CREATE USER MAPPING FOR %s SERVER probe OPTIONS (%s)" % (role, options)


def table(options, columns="n integer"):
    return "CREATE FOREIGN TABLE tried (%s) SERVER probe OPTIONS (%s)" % (columns, options)


def column(options, kind="text"):
    return "CREATE FOREIGN TABLE tried (n %s OPTIONS (%s)) SERVER probe" % (kind, options)


GOOD = [
    server("database 'app', providers 'a, b', tenant_field 'org.tenant', tenant_type 'uuid', tenant_match 'array',"
           " fetch_size '1000', use_remote_estimate 'on', on_mismatch 'null', read_preference 'secondaryPreferred',"
           " read_concern 'majority', snapshot 'true', max_time_ms '5000', collation 'none', updatable 'false',"
           " async_capable 'yes', parallel '8', fdw_startup_cost '0', fdw_tuple_cost '1e-3', remote_operator_cost '0.5', json_format 'extended', tls_ca_file 'ca.pem'"),
    user("username 'u', password 'p', auth_source 'admin', auth_mechanism 'SCRAM-SHA-256'"),
    user("username 'u', password_file 'secret'"), user("auth_mechanism 'X.509', tls_certificate_key_file 'client.pem'"),
    user("auth_mechanism 'MONGODB-AWS'"),
    table("database 'app', collection 'a.b', fetch_size '1', use_remote_estimate 'f', on_mismatch 'error',"
          " json_format 'plain', read_preference 'nearest', fdw_startup_cost '100', fdw_tuple_cost '0.2', remote_operator_cost '0', max_time_ms '1', updatable 'false', trust_types 'true'"),
    column("path 'a.b.0', bson_type 'objectid', on_mismatch 'null'"), column("path '.'", "jsonb"),
]

BAD = [
    # unknown here, though known elsewhere; the nearest name is offered
    ("HV00D", server("databse 'x'"), "Perhaps you meant the option \"database\""),
    ("HV00D", server("\"tenant-field\" 'x'"), "Perhaps you meant the option \"tenant_field\""),
    ("HV00D", user("user_name 'x'"), "Perhaps you meant the option \"username\""),
    ("HV00D", table("colection 'x'"), "Perhaps you meant the option \"collection\""),
    ("HV00D", column("pth 'x'"), "Perhaps you meant the option \"path\""),
    ("HV00D", "ALTER FOREIGN DATA WRAPPER decode_probe OPTIONS (uri 'x')", "There are no valid options in this context"),
    *(("HV00D", table("%s 'x'" % name), "invalid option") for name in (
        "uri", "providers", "tenant_field", "tenant_type", "tenant_match", "collation", "password", "tls_ca_file",
        "snapshot", "read_concern", "async_capable", "parallel")),
    ("HV00D", server("password 'x'"), "invalid option"), ("HV00D", server("collection 'x'"), "invalid option"),
    ("HV00D", server("\"DATABASE\" 'x'"), "invalid option"),
    # values
    ("HV00J", "CREATE SERVER tried FOREIGN DATA WRAPPER decode_probe", "missing required option \"uri\""),
    ("HV00J", "ALTER SERVER probe OPTIONS (DROP uri)", "missing required option \"uri\""),
    *(("HV00D", server("database %s" % quoted(name)), "invalid value") for name in (
        "", "admin", "ADMIN", "local", "config", "a$b", "a.b", "a b", "a/b", "x" * 64)),
    *(("HV00D", table("collection %s" % quoted(name)), "invalid value") for name in (
        "", "system.users", "System.users", "a$b", "$cmd", ".a", "a.", "a.system.b", "x" * 236)),
    *(("HV00D", column("path %s" % quoted(path)), "invalid value") for path in (
        "", "..", "a.", ".a", "a..b", "$a", "a.$b", ".".join("x" * 101))),
    *(("HV00D", server("tenant_field %s" % quoted(path)), "invalid value") for path in ("", ".", "a.", "$tenant")),
    *(("HV00D", server("tenant_type %s" % quoted(kind)), "\"string\", \"int\", \"objectid\", \"uuid\"") for kind in ("", "String", "double")),
    ("HV00D", server("tenant_match 'any'"), "\"scalar\", \"array\""), ("HV00D", server("on_mismatch 'ignore'"), "\"error\", \"null\""),
    ("HV00D", server("collation 'en'"), "\"simple\", \"none\""), ("HV00D", server("json_format 'xml'"), "\"plain\", \"extended\""),
    ("HV00D", server("read_preference 'fastest'"), "primaryPreferred"), ("HV00D", server("read_concern 'x'"), "majority"),
    *(("HV00D", server("fetch_size %s" % quoted(n)), "whole number") for n in ("", "0", "-1", "1.5", "1x", "2147483648", "9" * 40)),
    *(("HV00D", server("parallel %s" % quoted(n)), "from 1 to 8") for n in ("", "0", "9", "true")),
    *(("HV00D", define("%s %s" % (name, quoted(n))), "not below 0") for define in (server, table)
      for name in ("fdw_startup_cost", "fdw_tuple_cost", "remote_operator_cost") for n in ("", "-0.1", "nan", "inf", "1x", "1ms", "1e999")),
    ("HV00D", column("fdw_tuple_cost '1'"), "invalid option"),
    ("HV00D", server("max_time_ms '0'"), "whole number"), ("HV00D", server("snapshot 'maybe'"), "true or false"),
    *(("HV00D", server("providers %s" % quoted(names)), "list of names") for names in ("", ",", "a,", " , a")),
    *(("HV00D", server("tls_ca_file %s" % quoted(name)), "base name") for name in ("/etc/ca.pem", "../ca", "a/b", ".", "..", ".hidden")),
    ("HV00D", user("username 'u', password_file '../x'"), "base name"), ("HV00D", user("username ''"), "must not be empty"),
    ("HV00D", user("username 'u', password 'p', password_file 'f'"), "exclude each other"),
    ("HV00D", user("password 'p'"), "needs option \"username\""), ("HV00D", user("auth_mechanism 'PLAIN'"), "SCRAM-SHA-256"),
    ("HV00D", table("updatable 'true'"), "can only be false"), ("HV00D", column("bson_type 'ObjectId'"), "\"objectid\""),
]

# What only a superuser may set, each with a twin that everybody may.
USER_DENIED = [
    *(server("%s %s" % option) for option in (
        ("providers", "'a'"), ("tenant_field", "'t'"), ("tenant_type", "'int'"), ("tenant_match", "'scalar'"),
        ("collation", "'simple'"), ("tls_ca_file", "'ca.pem'"))),
    *("CREATE SERVER tried FOREIGN DATA WRAPPER decode_probe OPTIONS (uri 'mongodb://h/?%s')" % weak for weak in (
        "tls=false", "tlsInsecure=true", "tlsAllowInvalidCertificates=true", "tlsAllowInvalidHostnames=true")),
    user("username 'u'"), "CREATE USER MAPPING FOR CURRENT_USER SERVER probe", user("username 'u', password_file 'f'"),
    user("username 'u', password 'p', tls_certificate_key_file 'f'"), user("username 'u', password 'p', auth_mechanism 'X.509'"),
    user("username 'u', password 'p', auth_mechanism 'MONGODB-AWS'"),
]
USER_ALLOWED = [server("database 'x', fetch_size '5'"), user("username 'u', password 'p', auth_mechanism 'SCRAM-SHA-256'"),
                "CREATE SERVER tried FOREIGN DATA WRAPPER decode_probe OPTIONS (uri 'mongodb://127.0.0.1/?tls=false')"]


def attempt(session, statement):
    with session.transaction(force_rollback=True):
        session.execute(statement)


def check_validator(session):
    for statement in GOOD:
        attempt(session, statement)
        ok(True, "taken: %s" % statement[:90])
    for sqlstate, statement, message in BAD:
        error = throws(sqlstate, lambda: attempt(session, statement), "refused: %s" % statement[:90])
        said = str(error) + str(getattr(getattr(error, "diag", None), "message_hint", ""))
        if message not in said:
            is_(said, message, "the message of: %s" % statement)
    error = throws("HV00D", lambda: attempt(session, server("entirely_different 'x'")), "no advice where no name is near")
    ok("Perhaps" not in str(error), "an unknown option far from all others gets no hint")


def check_rights(session):
    session.execute("DO $$ BEGIN CREATE ROLE mtf_maker LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    session.execute("GRANT USAGE ON FOREIGN DATA WRAPPER decode_probe TO mtf_maker")
    session.execute("GRANT USAGE ON FOREIGN SERVER probe TO mtf_maker")
    session.execute("SET ROLE mtf_maker")
    for statement in USER_ALLOWED:
        attempt(session, statement)
        ok(True, "an ordinary role may: %s" % statement[:90])
    for statement in USER_DENIED:
        throws("42501", lambda: attempt(session, statement), "an ordinary role may not: %s" % statement[:90])
    session.execute("RESET ROLE")

    # Owners change without the validator; the connection asks again.
    def connects(name):
        session.execute("SELECT decode_probe_owners(s.oid, 'mtf_maker'::regrole) FROM pg_foreign_server s WHERE srvname = %s", (name,))

    cases = [("tenant_field 't'", "42501"), ("providers 'p'", "42501"), ("collation 'simple'", "42501"), ("tls_ca_file 'f'", "42501"),
             ("fetch_size '5'", None)]
    for options, sqlstate in cases:
        session.execute("CREATE SERVER moved FOREIGN DATA WRAPPER decode_probe OPTIONS (uri 'mongodb://h', %s)" % options)
        session.execute("CREATE USER MAPPING FOR PUBLIC SERVER moved OPTIONS (username 'u', password 'p')")
        connects("moved")
        session.execute("GRANT USAGE ON FOREIGN DATA WRAPPER decode_probe TO mtf_maker")
        session.execute("ALTER SERVER moved OWNER TO mtf_maker")
        if sqlstate:
            error = throws(sqlstate, lambda: connects("moved"), "a server with %s, given to an ordinary role" % options)
            ok("\"%s\"" % options.split()[0] in str(error), "the message names the option")
        else:
            connects("moved")
            ok(True, "positive control: a server with %s may be given away" % options)
        session.execute("DROP SERVER moved CASCADE")
    for mapping in ("", "OPTIONS (username 'u', password_file 'f')", "OPTIONS (auth_mechanism 'X.509', tls_certificate_key_file 'f')", None):
        session.execute("CREATE SERVER moved FOREIGN DATA WRAPPER decode_probe OPTIONS (uri 'mongodb://h')")
        if mapping is not None:
            session.execute("CREATE USER MAPPING FOR mtf_maker SERVER moved " + mapping)
        connects("moved")
        session.execute("ALTER SERVER moved OWNER TO mtf_maker")
        throws("42501", lambda: connects("moved"), "mapping %s on a server given to an ordinary role" % mapping)
        session.execute("DROP SERVER moved CASCADE")
    session.execute("DROP OWNED BY mtf_maker")


def check_merging(session):
    """A table says more exactly what its server says; it can lower a limit and never lift one."""
    def merged(server_options, table_options, name="orders"):
        session.execute("CREATE SERVER merging FOREIGN DATA WRAPPER decode_probe OPTIONS (uri 'mongodb://h'%s)" %
                        (server_options and ", " + server_options))
        session.execute('CREATE FOREIGN TABLE "%s" (n integer) SERVER merging%s' %
                        (name, table_options and " OPTIONS (%s)" % table_options))
        result = session.execute("SELECT decode_probe_table('\"%s\"')" % name).fetchone()[0]
        session.execute("DROP SERVER merging CASCADE")
        return result

    is_(merged("database 'app'", ""), "app.orders fetch=0 max=0 read=primary updatable=1 trust=0 json=0", "defaults")
    is_(merged("database 'app', fetch_size '7', max_time_ms '100', read_preference 'nearest', updatable 'false', json_format 'extended'", ""),
        "app.orders fetch=7 max=100 read=nearest updatable=0 trust=0 json=1", "of the server")
    is_(merged("database 'app', fetch_size '7', read_preference 'nearest', json_format 'extended'",
               "database 'other', collection 'c.d', fetch_size '9', read_preference 'secondary', updatable 'false', trust_types 'on', json_format 'plain'"),
        "other.c.d fetch=9 max=0 read=secondary updatable=0 trust=1 json=0", "of the table over the server's")
    for server, own, result in (("100", "50", 50), ("50", "100", 50), ("", "70", 70)):
        ok("max=%d " % result in merged("database 'app'" + (server and ", max_time_ms '%s'" % server), "max_time_ms '%s'" % own),
           "max_time_ms %s of the server and %s of the table: %d" % (server or "unset", own, result))


def check_columns(session):
    import bson
    kinds = ["json", "xml", "time", "interval", "inet", "oid", "name", "point", "jsonb[]", "regclass", "int4range", "money", "record"]
    for kind in kinds[:-1]:
        name = probe.table(session, "fine integer, odd %s" % kind)
        error = throws("HV004", lambda: probe.rows(session, name, bson.encode({})), "a column of type %s" % kind)
        ok("odd" in str(error), "the message names the column")
    for columns, what in (("n integer OPTIONS (path '.')", "the whole document as integer"),
                          ("n integer OPTIONS (bson_type 'objectid')", "an ObjectId as integer"),
                          ("\"$n\" integer", "a name that is no path"), ("\"a..b\" integer", "an empty segment in a name")):
        name = probe.table(session, columns)
        throws("HV00D", lambda: probe.rows(session, name, bson.encode({})), what)
    name = probe.table(session, "a.n integer".replace("a.n", '"a.n"'), "collection 'c', on_mismatch 'null'")
    is_(probe.rows(session, name, bson.encode({"a": {"n": 1}})), [(1,)], "a column named a.n has the path a.n")
    session.execute('CREATE FOREIGN TABLE "system.users" (n integer) SERVER probe')
    throws("HV00D", lambda: session.execute("SELECT * FROM decode_probe(NULL::\"system.users\", %s)", (bson.encode({}),)),
           "a table named system.users without the option collection")
    session.execute("CREATE SERVER nowhere FOREIGN DATA WRAPPER decode_probe OPTIONS (uri 'mongodb://h')")
    session.execute("CREATE FOREIGN TABLE homeless (n integer) SERVER nowhere")
    throws("HV00D", lambda: session.execute("SELECT * FROM decode_probe(NULL::homeless, %s)", (bson.encode({}),)), "no database")
    # Column before table before server.
    session.execute("ALTER SERVER probe OPTIONS (ADD on_mismatch 'null')")
    wrong = bson.encode({"a": "x", "b": "x"})
    name = probe.table(session, "a integer, b integer")
    is_(probe.rows(session, name, wrong), [(None, None)], "on_mismatch of the server")
    name = probe.table(session, "a integer", "on_mismatch 'error'")
    throws("22018", lambda: probe.rows(session, name, wrong), "on_mismatch of the table over the server's")
    name = probe.table(session, "a integer OPTIONS (on_mismatch 'null')", "on_mismatch 'error'")
    is_(probe.rows(session, name, wrong), [(None,)], "on_mismatch of the column over the table's")


with World(engine=False, objects=False) as world:
    with probe.install(world) as session:
        check_uris(session)
        check_validator(session)
        check_rights(session)
        check_merging(session)
        check_columns(session)
done()
