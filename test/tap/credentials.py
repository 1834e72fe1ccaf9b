"""User mappings: right and wrong passwords, in files too, none at all, and a server that is not there."""
import os
import time

from tap import World, ok, is_, throws, diag, done


def texts(error):
    parts = [str(error)] + [getattr(error.diag, name) or "" for name in
                            ("message_primary", "message_detail", "message_hint", "context")]
    return "\n".join(parts)


def write_file(world, name, text):
    """A file of key_dir, as the server wants it: its own, and nobody else's to read."""
    path = os.path.join(world.env["MTF_KEY_DIR"], name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)
    if os.geteuid() == 0:
        owner = os.stat(world.env["MTF_KEY_DIR"])
        os.chown(path, owner.st_uid, owner.st_gid)


def password_file(world, admin):
    """The password of the file, and of the file as it is mended: nobody is told of that."""
    write_file(world, "mongo.password", "canary-wrong\n")
    admin.execute("CREATE USER MAPPING FOR mtf_app SERVER mongo OPTIONS"
                  " (username 'mtf_reader', password_file 'mongo.password', auth_source 'admin')")
    with world.connect("UA") as session:
        error = throws("28000", lambda: session.execute("SELECT count(*) FROM accounts"), "a file with a wrong password")
        ok("canary" not in texts(error), "the message does not tell it")
        write_file(world, "mongo.password", world.engine.password + "\n")
        is_(world.value(session, "SELECT count(*) FROM accounts"), 10, "mended, it counts in the same session")
        os.unlink(os.path.join(world.env["MTF_KEY_DIR"], "mongo.password"))
        is_(world.value(session, "SELECT count(*) FROM accounts"), 10, "a connection that stands needs it no more")
    with world.connect("UA") as session:
        throws("F0000", lambda: session.execute("SELECT count(*) FROM accounts"), "a file that is not there")
    admin.execute("DROP USER MAPPING FOR mtf_app SERVER mongo")


with World(auth=True) as world:
    world.load("accounts")
    password = world.engine.password.replace("'", "''")
    with world.admin() as admin, world.connect("UA") as before:
        throws(("42501", "28000"), lambda: before.execute("SELECT count(*) FROM accounts"),
               "no user mapping, and the server wants a password: an error")
        admin.execute("CREATE USER MAPPING FOR mtf_app SERVER mongo OPTIONS"
                      " (username 'mtf_reader', password 'canary-wrong', auth_source 'admin')")
        error = throws("28000", lambda: before.execute("SELECT count(*) FROM accounts"), "wrong password")
        if error is not None:
            ok("canary" not in texts(error) and "mtf_reader" not in texts(error),
               "the message holds no credential") or diag(texts(error))
        admin.execute("ALTER USER MAPPING FOR mtf_app SERVER mongo OPTIONS (SET password '%s')" % password)
        is_(world.value(before, "SELECT count(*) FROM accounts"), 10,
            "right password, in the session that was refused before: :/@%%'\\ need no escape")
        with world.connect(token=world.token("UA", key="other")) as forged:
            throws("28000", lambda: forged.execute("SELECT count(*) FROM accounts"),
                   "a forged token does not profit from the right password")
        admin.execute("ALTER USER MAPPING FOR mtf_app SERVER mongo OPTIONS (SET password 'wrong again')")
        throws("28000", lambda: before.execute("SELECT count(*) FROM accounts"),
               "password changed to a wrong one: the cached connection is not used")
        admin.execute("DROP USER MAPPING FOR mtf_app SERVER mongo")
        throws(("42501", "28000"), lambda: before.execute("SELECT count(*) FROM accounts"),
               "mapping dropped: the cached connection is not used")
        # A second role has credentials of its own; the first does not profit.
        admin.execute("CREATE USER MAPPING FOR postgres SERVER mongo OPTIONS"
                      " (username 'mtf_reader', password '%s', auth_source 'admin')" % password)
        world.identify(admin, world.token("UA"))
        is_(world.value(admin, "SELECT count(*) FROM accounts"), 10, "another role's mapping works for that role")
        throws(("42501", "28000"), lambda: before.execute("SELECT count(*) FROM accounts"), "and for that role only")

        password_file(world, admin)

        # Nobody listens there.
        admin.execute("CREATE SERVER nowhere FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS"
                      " (uri 'mongodb://127.0.0.1:1/', database 'x', providers 'test', tenant_field 'tenant_id');"
                      "CREATE FOREIGN TABLE unreachable (id int) SERVER nowhere;"
                      "GRANT SELECT ON unreachable TO mtf_app")
        start = time.monotonic()
        throws(("08001", "08006", "HV00N"), lambda: before.execute("SELECT count(*) FROM unreachable"),
               "a server that is not there: an error")
        diag("unreachable: error after %.1f s" % (time.monotonic() - start))
        ok(time.monotonic() - start < 60, "in bounded time")
done()
