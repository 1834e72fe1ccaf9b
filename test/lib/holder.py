"""A proxy in front of a document server that holds commands back, as the socket of a busy server does.

    with Holder(uri) as holder:            # holder.uri reaches the same server
        holder.hold("aggregate")           # the next ones wait here, and all that follows on their connections
        ...                                # other connections overtake them
        holder.release()                   # the server reads what was held, in order

A client that leaves meanwhile is as it is with a server's own socket: what it had written is read first, then
comes the end of file, and whatever the server then writes is refused.
"""

import socket
import struct
import threading
import time

import bson

from proxy import Proxy
from recorder import OPTIONS
from wire import receive

OP_MSG = 2013


class Holder(Proxy):
    def __init__(self, uri):
        super().__init__(uri)
        self.log = []  # names of the commands that were passed on
        self.held = 0  # connections that wait now
        self._hold = ()
        self._after = 0
        self._open = threading.Event()
        self._open.set()

    def __exit__(self, *unused):
        self._open.set()
        super().__exit__()

    def hold(self, *names):
        self._open.clear()
        self._hold = names

    def release(self):
        self._hold = ()
        self._open.set()

    def settle(self, count, within=2.0):
        """True as soon as so many connections are held."""
        end = time.monotonic() + within
        while time.monotonic() < end and self.held < count:
            time.sleep(0.005)
        return self.held >= count

    def _serve(self, client, server):
        answers = threading.Thread(target=self._answers, args=(server, client), daemon=True)
        answers.start()
        try:
            while True:
                head = receive(client, 16)
                length, _, _, opcode = struct.unpack("<iiii", head)
                body = receive(client, length - 16)
                if opcode == OP_MSG:
                    self._wait(next(iter(bson.decode(body[5:5 + struct.unpack("<i", body[5:9])[0]], OPTIONS))))
                server.sendall(head + body)
        except OSError:
            pass
        # The end of file, and nobody who takes an answer.
        try:
            server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        answers.join()
        server.close()
        client.close()

    def _wait(self, name):
        if name in self._hold:
            with self._lock:
                self.held += 1
            self._open.wait()
            with self._lock:
                self.held -= 1
        with self._lock:
            self.log.append(name)

    @staticmethod
    def _answers(server, client):
        try:
            while data := server.recv(1 << 20):
                client.sendall(data)
        except OSError:
            pass
        try:
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
