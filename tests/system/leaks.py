"""What leaves by an uplink and ought not to: senders that never tire, and
captures of what they may not bring about."""

import contextlib
import errno
import itertools
import socket
import struct
import threading
import time

import sockets
from harness import eventually, inet

# Containers', guests' and the mesh's addresses, what they call, and names.
SECRET = ("host %s or host %s or port 53 or net 10.0.0.0/8 or net "
          "100.64.0.0/24 or net 169.254.0.0/16 or net fd00::/8"
          % (inet.WEB4, inet.WEB6))
QUESTION = (b"\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1")
PORT = 8009


class Storm:
    """UDP, TCP and questions for names, of both families, from a list of
    namespaces: (name, addresses of name servers).  The connections are to a
    server of their own, in the namespace 'web': others are not to wait."""

    def __init__(self, senders, web):
        self.senders = senders
        self.steps = []
        self.open = []
        self.stopped = False
        self.sent = 0
        self.served = 0
        for ns, resolvers in senders:
            for address in inet.WEB4, inet.WEB6:
                self.steps.append(self._udp(ns, address, 9, b"storm"))
                self.steps.append(self._tcp(ns, address))
            for address in (inet.WEB4, *resolvers):
                self.steps.append(self._dns(ns, address))
        self.server = sockets.listen(web, "::", PORT)
        self.server.settimeout(0.1)
        self.threads = [threading.Thread(target=target, daemon=True)
                        for target in (self._run, self._serve)]

    def _udp(self, ns, address, port, data):
        s = sockets.make(ns, socket.SOCK_DGRAM, address)
        s.setblocking(False)
        self.open.append(s)
        return lambda: s.sendto(data, (address, port))

    def _dns(self, ns, address):
        s = sockets.make(ns, socket.SOCK_DGRAM, address)
        s.setblocking(False)
        self.open.append(s)
        ids = itertools.count(1)
        return lambda: s.sendto(struct.pack("!H", next(ids) & 0xffff)
                                + QUESTION, (address, 53))

    def _tcp(self, ns, address):
        """A new connection each time; the last ones are left to try."""
        held = []

        def step():
            s = sockets.make(ns, socket.SOCK_STREAM, address)
            s.setblocking(False)
            held.append(s)
            if len(held) > 20:
                held.pop(0).close()
            e = s.connect_ex((address, PORT))
            if e not in (0, errno.EINPROGRESS):
                raise OSError(e, "connect")
        self.open.append(_All(held))
        return step

    def _run(self):
        while not self.stopped:
            for step in self.steps:
                with contextlib.suppress(OSError):
                    step()
                    self.sent += 1
            time.sleep(0.004)

    def _serve(self):
        while not self.stopped:
            with contextlib.suppress(OSError):
                self.server.accept()[0].close()
                self.served += 1

    def goes_on(self):
        """Once each of the senders has sent a few times more."""
        want = self.sent + 4 * len(self.steps)
        assert eventually(lambda: self.sent > want)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.stopped = True
        for thread in self.threads:
            thread.join()
        for s in (self.server, *self.open):
            s.close()


class _All:
    def __init__(self, held):
        self.held = held

    def close(self):
        for s in self.held:
            s.close()
