"""A proxy in front of a document server that holds commands back, as the socket of a busy server does.

    with Holder(uri) as holder:            # holder.uri reaches the same server
        holder.hold("aggregate")           # the next ones wait here, and all that follows on their connections
        ...                                # other connections overtake them
        holder.release()                   # the server reads what was held, in order

A client that leaves meanwhile is as it is with a server's own socket: what it had written is read first, then
comes the end of file, and whatever the server then writes is refused.
"""

import fcntl
import socket
import struct
import termios
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
        self.clients = set()  # sockets of those that have not left
        self._unanswered = 0  # requests of these
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

    def unanswered(self):
        """True while a client that has not left waits for an answer, or while something of its is unread."""
        with self._lock:
            return self._unanswered > 0 or any(
                struct.unpack("i", fcntl.ioctl(client, termios.FIONREAD, bytes(4)))[0] for client in self.clients)

    def settle(self, count, within=2.0):
        """True as soon as so many connections are held."""
        end = time.monotonic() + within
        while time.monotonic() < end and self.held < count:
            time.sleep(0.005)
        return self.held >= count

    def _serve(self, client, server):
        due = [0]
        # A reply larger than a socket's buffers is not kept here either.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        answers = threading.Thread(target=self._answers, args=(server, client, due), daemon=True)
        answers.start()
        with self._lock:
            self.clients.add(client)
        try:
            while True:
                if client.recv(1, socket.MSG_PEEK):
                    self._count(due, 1)
                head = receive(client, 16)
                length, _, _, opcode = struct.unpack("<iiii", head)
                body = receive(client, length - 16)
                if opcode == OP_MSG:
                    self._wait(next(iter(bson.decode(body[5:5 + struct.unpack("<i", body[5:9])[0]], OPTIONS))))
                server.sendall(head + body)
        except OSError:
            pass
        with self._lock:
            self.clients.discard(client)
            self._unanswered -= due[0]
            due[0] = None
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

    def _count(self, due, step):
        with self._lock:
            if due[0] is not None:
                due[0] += step
                self._unanswered += step

    def _answers(self, server, client, due):
        try:
            while True:
                data = receive(server, 16)
                left = struct.unpack("<i", data[:4])[0] - 16
                while left > 0:
                    more = server.recv(min(left, 1 << 16))
                    if not more:
                        raise OSError("closed")
                    client.sendall(data + more)
                    data, left = b"", left - len(more)
                self._count(due, -1)
        except OSError:
            pass
        try:
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
