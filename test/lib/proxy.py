"""A proxy in front of a document server: what recorder.py and holder.py have in common.

`uri` reaches the same server; of each connection _serve(client, server) decides, in a thread of its own.
"""

import socket
import threading
import urllib.parse


class Proxy:
    def __init__(self, uri):
        address = urllib.parse.urlsplit(uri)
        self._server = (address.hostname, address.port or 27017)
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Else the driver would go on to the addresses that the server names.
        self.uri = "mongodb://127.0.0.1:%d/?directConnection=true" % self._listener.getsockname()[1]
        self._lock = threading.Lock()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *unused):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()
