"""A proxy in front of a document server that keeps what the wrapper sends.

    with Recorder(uri) as recorder:      # recorder.uri reaches the same server
        ...
        recorder.commands                # of connections that say that they are mongo_tenant_fdw's
        recorder.refuse = condition      # pipelines of which it holds meet a server that has no such stage
"""

import socket
import struct
import threading

import bson

from proxy import Proxy
from wire import receive

OP_QUERY, OP_MSG = 2004, 2013
# Python's dates end sooner than BSON's.
OPTIONS = bson.codec_options.CodecOptions(datetime_conversion=bson.codec_options.DatetimeConversion.DATETIME_AUTO)


class Recorder(Proxy):
    def __init__(self, uri):
        super().__init__(uri)
        self.commands = []
        self.refuse = None

    def _serve(self, client, server):
        threading.Thread(target=self._pass, args=(server, client), daemon=True).start()
        self._listen(client, server)

    def _pass(self, source, target):
        try:
            while data := source.recv(1 << 20):
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _listen(self, client, server):
        ours = False
        try:
            while True:
                head = receive(client, 16)
                length, _, _, opcode = struct.unpack("<iiii", head)
                body = receive(client, length - 16)
                if opcode == OP_QUERY:
                    ours = b"mongo_tenant_fdw" in body
                elif ours:
                    assert opcode == OP_MSG, "opcode %d" % opcode
                    command = self._record(body)
                    if self.refuse is not None and "pipeline" in command and self.refuse(command["pipeline"]):
                        command["pipeline"].append({"$noSuchStage": {}})
                        body = body[:5] + bson.encode(command, codec_options=OPTIONS)
                        head = struct.pack("<i", 16 + len(body)) + head[4:]
                server.sendall(head + body)
        except OSError:
            pass
        self._pass(client, server)

    def _record(self, body):
        """The command of an OP_MSG with one section; a client of ours sends no other."""
        assert body[4] == 0
        command = bson.decode(body[5:5 + struct.unpack("<i", body[5:9])[0]], OPTIONS)
        with self._lock:
            self.commands.append(command)
        return command
