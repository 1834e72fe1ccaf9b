"""A document server with faults: LyingServer (wire.py) that keeps a ledger of connections, commands, cursors.

    with FaultServer() as server:
        server.batches = 3                # of `batch_size` documents for each aggregate
        server.at("getMore", 2, "close")  # the second getMore of a scan meets a closed connection

A fault is what an `answer` of wire.py may be: a dict, a Reply, None (silence), "close", or a function
of (server, command) that returns one of these.  A silent server still reads: it hears kill commands.
"""

import socket
import struct
import threading
import time
import zlib

import bson

from wire import HELLO, OP_QUERY, OP_REPLY, LyingServer, Reply, batch, receive

OP_COMPRESSED, OP_MSG, ZLIB = 2012, 2013, 2
KILLS = ("killCursors", "killSessions")


def make_tables(world, uris, columns="id integer, name text", options=""):
    """A foreign table per server, {name: uri}."""
    with world.admin() as admin:
        for name, uri in uris.items():
            admin.execute("CREATE SERVER s_%s FOREIGN DATA WRAPPER mongo_tenant_fdw OPTIONS (uri '%s', database 'x',"
                          " providers 'test', tenant_field 'tenant_id'%s)" % (name, uri, options))
            admin.execute("CREATE FOREIGN TABLE %s (%s) SERVER s_%s; GRANT SELECT ON %s TO mtf_app" % (name, columns, name, name))


class FaultServer(LyingServer):
    def __init__(self, tenant="UA", field="tenant_id"):
        super().__init__(self._scan)
        self.tenant, self.field = tenant, field
        self.batches, self.batch_size, self.padding = 1, 10, 0
        self.faults = {}
        self.log = []  # names of commands, in order
        self.commands = []  # what is in the log, whole
        # "silent": connections are accepted, nothing is said; "close", "reset", "half" (and then closed),
        # "drip", "garbage" (no BSON), "huge" (a length of 2 GB)
        self.hello = "answer"
        self.hello_delay = 0.0  # seconds that a new connection waits for the answer: a busy server
        self.deaf = 0  # so many kill commands are heard, and neither obeyed nor answered
        self.member = {}  # what hello says of a replica set
        self.compression = False  # zlib, when the client asks for it
        self.read_limit = None  # a longer message is not read further than its header
        self.held = None  # what then happens: None (nothing), "close", "reset" after the first bytes
        self.connections_open = self.connections_seen = 0
        self.cursors = {}  # id -> [session, batches left]
        self.opened = self.ended = 0
        self.packed = 0  # compressed messages seen
        self._next = 0
        self._lock = threading.Lock()

    # -- for tests

    def reset(self, **settings):
        """Forget faults and the log, then set attributes."""
        self.faults, self.log, self.commands = {}, [], []
        self.batches, self.batch_size, self.padding, self.hello, self.read_limit = 1, 10, 0, "answer", None
        self.held, self.hello_delay, self.deaf = None, 0.0, 0
        for name, value in settings.items():
            setattr(self, name, value)

    def at(self, command, number, fault):
        """The `number`-th such command from now on meets `fault`; 0: each of them."""
        self.faults[command] = [number, fault]

    def heard(self, *names, within=1.0):
        """True as soon as one of the commands is in the log."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            if any(name in self.log for name in names):
                return True
            time.sleep(0.005)
        return False

    def settle(self, connections, within=10.0, meanwhile=lambda: None):
        """
        True as soon as no more connections than that are open.  Meanwhile: a query; the connection of a killed
        command goes with a later one.
        """
        end = time.monotonic() + within
        while time.monotonic() < end and self.connections_open > connections:
            meanwhile()
            time.sleep(0.01)
        return self.connections_open <= connections

    # -- what a scan is answered

    def _documents(self, start):
        return [{"_id": n, self.field: self.tenant, "id": n, "name": "n%d" % n, "padding": "x" * self.padding}
                for n in range(start, start + self.batch_size)]

    def _fault(self, name, command):
        fault = self.faults.get(name)
        if fault is None:
            return False, None
        if fault[0] > 1:
            fault[0] -= 1
            return False, None
        if fault[0] == 1:
            del self.faults[name]
        answer = fault[1]
        return True, answer(self, command) if callable(answer) else answer

    def _scan(self, command):
        name = next(iter(command))
        hit, answer = self._fault(name, command)
        if hit:
            if isinstance(answer, dict) and answer.get("code") == 43:
                self._end(command["getMore"])
            return answer
        if name == "aggregate":
            if self.batches == 1:
                return batch(command, self._documents(0))
            self._next += 1
            self.opened += 1
            self.cursors[self._next] = [bytes(command["lsid"]["id"]), self.batches - 1]
            return batch(command, self._documents(0), cursor=self._next)
        if name == "getMore":
            cursor = self.cursors.get(command["getMore"])
            if cursor is None:
                return failure(43, "CursorNotFound")
            start = (self.batches - cursor[1]) * self.batch_size
            cursor[1] -= 1
            if cursor[1] == 0:
                self._end(command["getMore"])
            return batch(command, self._documents(start), name="nextBatch",
                         cursor=command["getMore"] if cursor[1] else 0)
        return {"ok": 1.0}

    def _end(self, number):
        if self.cursors.pop(number, None) is not None:
            self.ended += 1

    def _kill(self, command):
        for number in command.get("cursors", []):
            self._end(number)
        for session in command.get("killSessions", []):
            for number in [n for n, (owner, _) in self.cursors.items() if owner == bytes(session["id"])]:
                self._end(number)

    # -- connections

    def _serve(self, connection):
        with self._lock:
            self.connections_open += 1
            self.connections_seen += 1
        try:
            super()._serve(connection)
        finally:
            with self._lock:
                self.connections_open -= 1

    def _one(self, connection):
        length, request, _, opcode = struct.unpack("<iiii", receive(connection, 16))
        if self.read_limit is not None and length > self.read_limit:
            return self._hold(connection)
        body = receive(connection, length - 16)
        if opcode == OP_QUERY:
            return self._hello(connection, request)
        compressed = opcode == OP_COMPRESSED
        if compressed:
            assert struct.unpack("<i", body[:4])[0] == OP_MSG and body[8] == ZLIB
            body = zlib.decompress(body[9:])
            self.packed += 1
        command = bson.decode(body[5:5 + struct.unpack("<i", body[5:9])[0]])
        name = next(iter(command))
        if name.lower() in ("hello", "ismaster"):
            return self._hello(connection, request)
        with self._lock:
            self.log.append(name)
            self.commands.append(command)
        if name in KILLS:
            with self._lock:
                deaf, self.deaf = self.deaf > 0, max(self.deaf - 1, 0)
                if not deaf:
                    self._kill(command)
            if deaf:
                return True
            connection.sendall(Reply({"ok": 1.0}).message(request))
            return True
        with self._lock:
            answer = self.answer(command)
        return self._send(connection, request, answer, compressed)

    def _hold(self, connection):
        """Read no further until the test goes on; a peer that left cannot be noticed meanwhile."""
        if self.held:
            receive(connection, 1 << 16)
            return self._send(connection, 0, self.held)
        while self.read_limit is not None and not self._closing:
            time.sleep(0.02)
        return False

    def _hello(self, connection, request):
        time.sleep(self.hello_delay)
        if self.hello == "silent":
            return True
        if self.hello in ("close", "reset"):
            return self._send(connection, request, self.hello)
        reply = bson.encode({**HELLO, **self.member, **({"compression": ["zlib"]} if self.compression else {})})
        if self.hello == "garbage":
            reply = reply[:4] + b"\xff" * (len(reply) - 4)
        length = 0x7fffffff if self.hello == "huge" else 36 + len(reply)
        data = struct.pack("<iiiiiqii", length, 1, request, OP_REPLY, 8, 0, 0, 1) + reply
        if self.hello == "drip":
            for byte in data:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
            return True
        connection.sendall(data[:len(data) // 2] if self.hello == "half" else data)
        return self.hello != "half"

    @staticmethod
    def _compress(data):
        opcode, payload = data[12:16], data[16:]
        body = opcode + struct.pack("<iB", len(payload), ZLIB) + zlib.compress(payload)
        return struct.pack("<i", 16 + len(body)) + data[4:12] + struct.pack("<i", OP_COMPRESSED) + body

    def _send(self, connection, request, answer, compressed=False):
        if answer is None:
            return True
        if answer == "close":
            return False
        if answer == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        reply = answer if isinstance(answer, Reply) else Reply(answer)
        data = reply.message(request)
        if compressed:
            data = self._compress(data)
        if not reply.drip:
            connection.sendall(data[:reply.cut])
            return reply.cut is None
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(reply.drip)
        return True


class Silence:
    """A port where connections are accepted by the kernel (or not even that: `full`), and nobody speaks."""

    def __init__(self, full=False):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0 if full else 128)
        self.port = self._listener.getsockname()[1]
        self._fill = []
        for _ in range(4 if full else 0):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self._listener.getsockname())
            self._fill.append(filler)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for one in self._fill + [self._listener]:
            one.close()


def failure(code, name, text="made up"):
    """A server's error."""
    return {"ok": 0.0, "code": code, "codeName": name, "errmsg": text}
