"""A document server that lies: it speaks the wire protocol and answers what a test tells it to.

    with LyingServer(answer) as server:        # server.uri
`answer(command)` gets each command (a dict) but the handshake and returns
    a dict          the reply
    Reply(...)      a reply with something wrong about it
    None            silence
    "close"         the connection is closed without a reply
"""

import socket
import struct
import threading

import bson
from bson.raw_bson import RawBSONDocument

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013

HELLO = {
    "ismaster": True, "isWritablePrimary": True, "helloOk": True, "maxBsonObjectSize": 16777216,
    "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000, "logicalSessionTimeoutMinutes": 30,
    "minWireVersion": 0, "maxWireVersion": 21, "readOnly": False, "ok": 1.0,
}


def receive(connection, count):
    """So many bytes; OSError when there are no more."""
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data


class Reply:
    def __init__(self, document=None, body=None, length=None, response_to=None, cut=None, opcode=OP_MSG, drip=None,
                 before=b""):
        """`document`, or `body` (bytes in place of the BSON); then what to get wrong:
        `length` the header's length, `response_to` another request, `cut` bytes sent before closing,
        `drip` seconds between two bytes, `before` bytes of another message that come first."""
        self.body = bson.encode(document) if body is None else body
        self.length, self.response_to, self.cut, self.opcode = length, response_to, cut, opcode
        self.drip, self.before = drip, before

    def message(self, request):
        payload = struct.pack("<I", 0) + b"\x00" + self.body
        length = 16 + len(payload) if self.length is None else self.length
        response_to = request if self.response_to is None else self.response_to
        return self.before + struct.pack("<iiii", length, 1, response_to, self.opcode) + payload


def batch(command, documents, cursor=0, name="firstBatch", namespace=None):
    """The reply to a find, an aggregate or a getMore; documents are dicts or raw bytes."""
    collection = command.get("find") or command.get("aggregate") or command.get("collection")
    return {"cursor": {name: [RawBSONDocument(item) if isinstance(item, bytes) else item for item in documents],
                       "id": bson.int64.Int64(cursor), "ns": namespace or "%s.%s" % (command["$db"], collection)},
            "ok": 1.0}


class LyingServer:
    def __init__(self, answer):
        self.answer = answer
        self.commands = []
        self.courtesies = []  # names of the commands that are answered without asking the test
        self.raw_commands = []  # as bytes: a dict cannot show a name that comes twice
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.uri = "mongodb://127.0.0.1:%d/" % self.port
        self._connections = []
        self._closing = False

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *unused):
        self._closing = True
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _accept(self):
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            while self._one(connection):
                pass
        except (OSError, struct.error):
            pass
        finally:
            connection.close()

    def _one(self, connection):
        length, request, _, opcode = struct.unpack("<iiii", receive(connection, 16))
        body = receive(connection, length - 16)
        if opcode == OP_QUERY:
            reply = bson.encode(HELLO)
            connection.sendall(struct.pack("<iiiiiqii", 36 + len(reply), 1, request, OP_REPLY, 8, 0, 0, 1) + reply)
            return True
        command = bson.decode(body[5:5 + struct.unpack("<i", body[5:9])[0]])
        name = next(iter(command))
        if name.lower() in ("hello", "ismaster", "ping", "endSessions", "killCursors"):
            self.courtesies.append(name)
        if name.lower() in ("hello", "ismaster"):
            connection.sendall(Reply(HELLO).message(request))
            return True
        if name in ("ping", "endSessions", "killCursors"):
            connection.sendall(Reply({"ok": 1.0}).message(request))
            return True
        self.raw_commands.append(body[5:5 + struct.unpack("<i", body[5:9])[0]])
        self.commands.append(command)
        answer = self.answer(command)
        if answer is None:
            return True
        if answer == "close":
            return False
        reply = answer if isinstance(answer, Reply) else Reply(answer)
        data = reply.message(request)
        if reply.drip:
            for byte in data:
                connection.sendall(bytes([byte]))
                if threading.Event().wait(reply.drip):
                    break
        else:
            connection.sendall(data[:reply.cut])
        return reply.cut is None
