#!/usr/bin/env python3
"""The one place that starts and stops servers: a document server and a private PostgreSQL cluster.

    test/lib/servers.py run [OPTIONS] -- COMMAND ...   start, run COMMAND with the environment, stop
    test/lib/servers.py up [OPTIONS]                   start in the background, print the environment
    test/lib/servers.py down DIR                       stop what `up` started

Options: --engine auto|mongod|secantusd-py|secantusd-rs|ferretdb|none   --no-cluster
         --auth (the document server asks for credentials)   --set NAME=VALUE (postgresql.conf)

The environment of COMMAND:
    PGHOST PGPORT PGUSER PGDATABASE   the cluster, a superuser, database "postgres"
    MTF_URI          connection string of the document server (no credentials in it)
    MTF_ENGINE       which one it is
    MTF_MONGO_USER, MTF_MONGO_PASSWORD   with --auth
    MTF_KEY_DIR      the cluster's mongo_tenant.key_dir
    MTF_DIR          the temporary directory that holds everything

What is read from the environment:
    MTF_POSTGRES_WRAPPER      a command that PostgreSQL is run under (valgrind)
    PG_CONFIG                 which PostgreSQL to use (default: pg_config on PATH)
    MONGO_TENANT_TEST_URI     a running server, preferred to any other; only databases named mtf_* are
                              touched on it
    SECANTUSD_RS, FERRETDB    paths of these engines when they are not on PATH
    FERRETDB_POSTGRESQL_URL   the DocumentDB that FerretDB works on

Order of preference for "auto": MONGO_TENANT_TEST_URI, mongod on PATH, secantusd-py of .venv.

Cleaning up never depends on us: a small reaper process waits at the other end of a pipe.  When we end
in whatever way (kill -9 too), the pipe closes, and the reaper stops the servers and removes the data.
"""

import argparse
import contextlib
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV_PYTHON = os.path.join(ROOT, ".venv", "bin", "python")

try:
    import pymongo
except ImportError:
    if os.path.isfile(sys.argv[0]) and os.path.exists(VENV_PYTHON) and sys.executable != VENV_PYTHON:
        os.execv(VENV_PYTHON, [VENV_PYTHON] + sys.argv)
    raise

START_TIMEOUT = 120  # seconds; a loaded machine is slow, a server that died is noticed at once
STOP_TIMEOUT = 15


class ServerError(Exception):
    pass


# ---- processes ------------------------------------------------------------------------------

def is_running(pid):
    """True unless the process is gone or a zombie (which nobody may be there to collect)."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def is_stopped(pid):
    """True when each of the process's threads stands still after SIGSTOP."""
    for thread in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/stat" % (pid, thread), "rb") as file:
                if file.read().rpartition(b")")[2].split()[0] not in b"TtZ":
                    return False
        except OSError:
            pass  # it has ended
    return True


def stop_process(pid, number):
    """Ask with signal `number`, insist with SIGKILL."""
    deadline = time.monotonic() + STOP_TIMEOUT
    for attempt in (number, signal.SIGKILL):
        try:
            os.kill(pid, attempt)
        except ProcessLookupError:
            return
        while is_running(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not is_running(pid):
            return
        deadline += STOP_TIMEOUT


def reap(descriptor):
    """The reaper: remembers what to clean up, and does it when the other end of the pipe closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pids, directories = [], []
    with os.fdopen(descriptor, "r") as pipe:
        for line in pipe:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "pid":
                pid, number = rest.split()
                pids.append((int(pid), int(number)))
            elif word == "gone":
                pids = [entry for entry in pids if entry[0] != int(rest)]
            elif word == "directory":
                directories.append(rest)
    for pid, number in reversed(pids):
        stop_process(pid, number)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


class Owner:
    """Owns a temporary directory and processes; a context manager that always cleans up."""

    def __init__(self, directory=None):
        """With `directory`, the data is kept there (made if missing) and only processes are stopped."""
        if directory is None:
            self.directory = tempfile.mkdtemp(prefix="mtf.", dir=os.environ.get("MTF_TMPDIR", "/tmp"))
            keep = False
        else:
            os.makedirs(directory, exist_ok=True)
            self.directory, keep = directory, True
        os.chmod(self.directory, 0o711)  # the unprivileged user must be able to pass through
        reading, self._pipe = os.pipe()
        self._reaper = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--reaper", str(reading)],
            pass_fds=(reading,), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/")
        os.close(reading)
        self._processes = {}
        if not keep:
            self._tell("directory " + self.directory)

    def _tell(self, line):
        os.write(self._pipe, (line + "\n").encode())

    def spawn(self, command, log, number=signal.SIGTERM, user=None, env=None):
        """Start a process that the owner stops with signal `number`; output goes to file `log`."""
        with open(log, "ab") as output:
            if user is not None:
                os.fchown(output.fileno(), user.pw_uid, user.pw_gid)
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, cwd="/", env=env, **as_user(user))
        self.watch(process, number)
        return process

    def watch(self, process, number):
        """Have a process stopped with signal `number` when we end."""
        self._processes[process.pid] = process
        self._tell("pid %d %d" % (process.pid, number))

    def stop(self, process, number=signal.SIGTERM):
        """Stop one process now."""
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.pop(process.pid, None)
        self._tell("gone %d" % process.pid)

    def close(self):
        if self._pipe is None:
            return
        os.close(self._pipe)
        self._pipe = None
        while self._reaper.poll() is None:
            for process in self._processes.values():
                process.poll()  # collect, so that the reaper sees them gone
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def as_user(user):
    """Arguments of subprocess that drop root's rights; nothing when there is nothing to drop."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def unprivileged_user():
    """PostgreSQL refuses to run as root: then it runs as "postgres", which is made if missing."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        subprocess.run(["useradd", "--system", "--shell", "/bin/sh", "postgres"], check=True)
        return pwd.getpwnam("postgres")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tail(path, lines=20):
    try:
        with open(path, errors="replace") as file:
            return "".join(file.readlines()[-lines:])
    except OSError:
        return ""


# ---- document servers ------------------------------------------------------------------------

def find_program(name, variable=None, also=None):
    """A program named by an environment variable, in `also`, or on PATH; None when there is none."""
    if variable and os.environ.get(variable):
        return os.environ[variable]
    if also and os.path.exists(also):
        return also
    return shutil.which(name)


def choose_engine(own=False):
    """`own`: one that we start ourselves, so that it can be stopped and configured."""
    if os.environ.get("MONGO_TENANT_TEST_URI") and not own:
        return "uri"
    if shutil.which("mongod"):
        return "mongod"
    return "secantusd-py"


class Engine:
    """A document server.  `uri` carries no credentials; `user` and `password` are set with auth."""

    def __init__(self, owner, kind="auto", auth=False, options=(), name="engine", storage=None, own=False):
        self.owner = owner
        self.kind = choose_engine(own or auth) if kind == "auto" else kind
        self.options = list(options)
        self.storage = storage or os.path.join(owner.directory, name)
        self.log = os.path.join(owner.directory, name + ".log")
        self.process = None
        self.user = self.password = None
        self.port = None
        if self.kind == "uri":
            self.uri = os.environ["MONGO_TENANT_TEST_URI"]
            self._wait()
            return
        os.makedirs(self.storage, exist_ok=True)
        self.start()
        if auth:
            self._require_password()

    def _command(self, auth):
        address = ["--port", str(self.port)]
        if self.kind == "secantusd-py":
            program = find_program("secantusd-py", also=os.path.join(ROOT, ".venv", "bin", "secantusd-py"))
            return ([program or "secantusd-py", "--config", self._config(), "--host", "127.0.0.1"] + address +
                    ["--storage-path", self.storage, "--log-level", "WARNING"] +
                    (["--auth"] if auth else []) + self.options)
        if self.kind == "secantusd-rs":
            program = find_program("secantusd-rs", "SECANTUSD_RS")
            return ([program or "secantusd-rs", "--config", self._config(), "--host", "127.0.0.1"] + address +
                    ["--storage-path", self.storage, "--log-level", "WARNING", "--cache-size", "512M"] +
                    (["--auth"] if auth else []) + self.options)
        if self.kind == "mongod":
            # A replica set of one has sessions and snapshot reads; with auth it would need a key file.
            return (["mongod", "--bind_ip", "127.0.0.1"] + address + ["--dbpath", self.storage] +
                    (["--auth"] if auth else ["--replSet", "mtf"]) + self.options)
        if self.kind == "ferretdb":
            program = find_program("ferretdb", "FERRETDB")
            return ([program or "ferretdb", "--listen-addr", "127.0.0.1:%d" % self.port,
                     "--postgresql-url", os.environ.get("FERRETDB_POSTGRESQL_URL", ""),
                     "--state-dir", self.storage, "--telemetry=disable", "--debug-addr=-", "--no-auth"] +
                    self.options)
        raise ServerError("unknown engine %s" % self.kind)

    def _config(self):
        """An empty configuration file: none of the user's or machine's own must be found."""
        path = self.storage + ".toml"
        with open(path, "w"):
            pass
        return path

    def start(self, auth=None):
        """Start (again), on the port it had before if any."""
        auth = (self.user is not None) if auth is None else auth
        for attempt in range(5):
            if self.port is None or attempt > 0:
                self.port = free_port()
            self.uri = "mongodb://127.0.0.1:%d/" % self.port
            try:
                self.process = self.owner.spawn(self._command(auth), self.log)
            except FileNotFoundError as error:
                raise ServerError("cannot start %s: %s" % (self.kind, error)) from None
            try:
                self._wait()
                return
            except ServerError:
                self.stop()
                if attempt == 4:
                    raise

    def _wait(self):
        """Until `hello` answers and the server takes writes."""
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                with pymongo.MongoClient(self.uri, directConnection=self.kind != "uri",
                                         serverSelectionTimeoutMS=1000) as client:
                    hello = client.admin.command("hello")
                    if hello.get("isWritablePrimary"):
                        return
                    if self.kind == "mongod" and not hello.get("setName"):
                        client.admin.command("replSetInitiate", {
                            "_id": "mtf", "members": [{"_id": 0, "host": "127.0.0.1:%d" % self.port}]})
            except pymongo.errors.PyMongoError as error:
                reason = str(error).split(",")[0]
            else:
                reason = "it is no primary"
            if self.process is not None and self.process.poll() is not None:
                raise ServerError("%s ended at its start:\n%s" % (self.kind, tail(self.log)))
            if time.monotonic() > deadline:
                raise ServerError("%s does not answer: %s\n%s" % (self.kind, reason, tail(self.log)))
            time.sleep(0.05)

    def _require_password(self):
        self.user, self.password = "mtf_reader", "p@ss/w:rd%'\"\\?"
        with self.client(direct=True) as client:
            client.admin.command("createUser", self.user, pwd=self.password,
                                 roles=[{"role": "root", "db": "admin"}])
        self.stop()
        self.start(auth=True)

    def client(self, **options):
        """A pymongo client of this server."""
        direct = options.pop("direct", False)
        if self.user is not None and not direct:
            options.update(username=self.user, password=self.password, authSource="admin")
        return pymongo.MongoClient(self.uri, directConnection=self.kind != "uri",
                                   serverSelectionTimeoutMS=10000, **options)

    def stop(self, number=signal.SIGTERM):
        if self.process is not None:
            self.owner.stop(self.process, number)
            self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def pause(self):
        """Silence: connections stay open and nothing answers, from when this returns."""
        self.process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + STOP_TIMEOUT
        while not is_stopped(self.process.pid) and time.monotonic() < deadline:
            time.sleep(0.001)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def environment(self):
        values = {"MTF_URI": self.uri, "MTF_ENGINE": self.kind}
        if self.user is not None:
            values.update(MTF_MONGO_USER=self.user, MTF_MONGO_PASSWORD=self.password)
        return values


# ---- PostgreSQL ------------------------------------------------------------------------------

DEFAULT_SETTINGS = {
    # Only a Unix socket that others cannot open: so "trust" trusts nobody else.
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "off",
    "full_page_writes": "off",
    "session_preload_libraries": "mongo_tenant_fdw",
    "timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] %q%a ",
    "max_connections": "60",
    "shared_buffers": "32MB",
}


class Cluster:
    """A private PostgreSQL cluster on a Unix socket; a superuser named "postgres"."""

    def __init__(self, owner, settings=None, pg_config=None, name="pg"):
        self.owner = owner
        self.pg_config = pg_config or os.environ.get("PG_CONFIG") or "pg_config"
        self.bindir = subprocess.check_output([self.pg_config, "--bindir"], text=True).strip()
        self.os_user = unprivileged_user()
        self.directory = os.path.join(owner.directory, name)
        self.data = os.path.join(self.directory, "data")
        self.log = os.path.join(owner.directory, name + ".log")
        self.key_dir = os.path.join(self.directory, "keys")
        self.host, self.port, self.process = self.directory, 5432, None
        if not os.path.exists(os.path.join(self.data, "PG_VERSION")):
            self._create(settings or {})
        self.start()

    def _create(self, settings):
        shutil.rmtree(self.directory, ignore_errors=True)
        for directory in (self.directory, self.key_dir):
            os.mkdir(directory, 0o700)
            if self.os_user is not None:
                os.chown(directory, self.os_user.pw_uid, self.os_user.pw_gid)
        with open(self.log, "ab") as log:
            made = subprocess.run(
                [self.program("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **as_user(self.os_user))
        if made.returncode != 0:
            raise ServerError("initdb failed:\n%s" % tail(self.log))
        self.configure({**DEFAULT_SETTINGS, "unix_socket_directories": self.directory,
                        "mongo_tenant.key_dir": self.key_dir, **settings})

    def program(self, name):
        return os.path.join(self.bindir, name)

    def configure(self, settings):
        """Append settings to postgresql.conf; they count from the next start or reload."""
        with open(os.path.join(self.data, "postgresql.conf"), "a") as file:
            for name, value in settings.items():
                file.write("%s = '%s'\n" % (name, str(value).replace("'", "''")))

    def start(self):
        command = shlex.split(os.environ.get("MTF_POSTGRES_WRAPPER", ""))
        command += [self.program("postgres"), "-D", self.data]
        # SIGINT: fast shutdown.
        self.process = self.owner.spawn(command, self.log, signal.SIGINT, self.os_user)
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if self.process.poll() is not None:
                raise ServerError("PostgreSQL ended at its start:\n%s" % tail(self.log))
            if time.monotonic() > deadline:
                raise ServerError("PostgreSQL does not answer:\n%s" % tail(self.log))
            time.sleep(0.05)

    def _answers(self):
        return subprocess.run([self.program("pg_isready"), "-q", "-h", self.host, "-p", str(self.port), "-U", "postgres"],
                              stdin=subprocess.DEVNULL).returncode == 0

    def stop(self, number=signal.SIGINT):
        if self.process is not None:
            self.owner.stop(self.process, number)
            self.process = None

    def restart(self):
        self.stop()
        self.start()

    def add_key_file(self, name, content):
        """A file in mongo_tenant.key_dir, readable by the server only."""
        path = os.path.join(self.key_dir, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        if self.os_user is not None:
            os.chown(path, self.os_user.pw_uid, self.os_user.pw_gid)
        return path

    def environment(self):
        return {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": "postgres",
                "PGDATABASE": "postgres", "PG_CONFIG": self.pg_config, "MTF_KEY_DIR": self.key_dir,
                "MTF_PG_LOG": self.log}


# ---- command line ----------------------------------------------------------------------------

def environment(owner, uri=None, settings=None):
    """Servers for a program that is run by hand: what the environment (or `uri`) names, else new ones."""
    found = dict(os.environ, **({"MTF_URI": uri} if uri else {}))
    if "MTF_URI" not in found:
        found.update(Engine(owner).environment())
    if "PGHOST" not in found:
        found.update(Cluster(owner, settings).environment())
    return found


def exit_on_signals():
    """A signal ends us through the `with` blocks."""
    def leave(number, frame):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


@contextlib.contextmanager
def by_hand(uri=None, settings=None):
    """Those servers as long as the block runs: psycopg's parameters and the URI of the document server."""
    exit_on_signals()
    with Owner() as owner:
        found = environment(owner, uri, settings)
        yield {"host": found["PGHOST"], "port": found["PGPORT"]}, found["MTF_URI"]


def start_all(owner, args):
    values = {"MTF_DIR": owner.directory}
    engine = None
    if args.engine != "none":
        engine = Engine(owner, args.engine, auth=args.auth)
        values.update(engine.environment())
    if args.cluster:
        settings = dict(item.split("=", 1) for item in args.set or ())
        values.update(Cluster(owner, settings).environment())
    return values


def command_run(args):
    exit_on_signals()
    with Owner() as owner:
        values = start_all(owner, args)
        process = subprocess.Popen(args.command, env={**os.environ, **values})
        owner.watch(process, signal.SIGTERM)
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 130


def command_up(args):
    reading, writing = os.pipe()
    if os.fork() > 0:
        os.close(writing)
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        sys.stdout.write(text)
        return 0 if "export" in text else 1
    os.close(reading)
    os.setsid()
    exit_on_signals()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    try:
        with Owner() as owner, os.fdopen(writing, "w") as pipe:
            try:
                values = start_all(owner, args)
            except ServerError as error:
                pipe.write("%s\n" % error)
                raise SystemExit(1)
            with open(os.path.join(owner.directory, "owner.pid"), "w") as file:
                file.write("%d\n" % os.getpid())
            for name, value in values.items():
                pipe.write("export %s=%s\n" % (name, shlex.quote(value)))
            pipe.close()
            while True:
                signal.pause()
    finally:
        os._exit(0)


def command_down(args):
    with open(os.path.join(args.directory, "owner.pid")) as file:
        pid = int(file.read())
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 4 * STOP_TIMEOUT
    while os.path.exists(args.directory) and time.monotonic() < deadline:
        time.sleep(0.05)
    return 0


def main():
    if sys.argv[1:2] == ["--reaper"]:
        reap(int(sys.argv[2]))
        return 0
    parser = argparse.ArgumentParser(description="Start and stop the servers of tests and demo")
    commands = parser.add_subparsers(dest="what", required=True)
    for name in ("run", "up"):
        sub = commands.add_parser(name)
        sub.add_argument("--engine", default="auto",
                         choices=("auto", "mongod", "secantusd-py", "secantusd-rs", "ferretdb", "none"))
        sub.add_argument("--auth", action="store_true")
        sub.add_argument("--no-cluster", dest="cluster", action="store_false")
        sub.add_argument("--set", action="append", metavar="NAME=VALUE")
        if name == "run":
            sub.add_argument("command", nargs="+")
    sub = commands.add_parser("down")
    sub.add_argument("directory")
    args = parser.parse_args()
    try:
        return {"run": command_run, "up": command_up, "down": command_down}[args.what](args)
    except ServerError as error:
        print("servers: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
