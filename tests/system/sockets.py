"""Sockets inside network namespaces, held by the test itself.

A socket belongs to the namespace in which it was made, wherever its owner
goes later: no process has to be started to talk from a container.
"""

import contextlib
import ctypes
import errno
import fcntl
import functools
import http.client
import json
import os
import selectors
import socket
import struct
import subprocess
import threading
import time
import urllib.parse

CLONE_NEWNET = 0x40000000
SO_ATTACH_FILTER = 26
ETH_P_ALL = 3
_libc = ctypes.CDLL(None, use_errno=True)
# A slow machine is given more time for what must come, and somewhat more for
# what must not: waits of less than a second are of that kind.
FACTOR = float(os.environ.get("SOCKNET_TIME_FACTOR") or 1)
PAUSE_FACTOR = FACTOR ** 0.5


def scaled(timeout):
    return timeout * (FACTOR if timeout >= 1 else PAUSE_FACTOR)


def pause(seconds):
    """Lets things happen that nobody can wait for."""
    time.sleep(seconds * PAUSE_FACTOR)


@contextlib.contextmanager
def netns(name):
    """This thread is in the namespace for the length of the block."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open("/run/netns/" + name, os.O_RDONLY)
    try:
        _setns(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(there)
        os.close(home)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))


def make(ns, kind, address):
    """A socket of the family of 'address' in the namespace 'ns'."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with netns(ns):
        return socket.socket(family, kind)


def connect(ns, address, port, timeout=2.0, source_port=None):
    s = make(ns, socket.SOCK_STREAM, address)
    s.settimeout(scaled(timeout))
    try:
        if source_port:
            s.bind(("", source_port))
        s.connect((address, port))
    except OSError:
        s.close()
        raise
    return s


def listen(ns, address, port):
    s = make(ns, socket.SOCK_STREAM, address)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(16)
    return s


def udp(ns, address, port=0):
    s = make(ns, socket.SOCK_DGRAM, address)
    s.bind((address, port))
    return s


def http_get(ns, url, timeout=5.0):
    """GET from inside a namespace; returns the body."""
    u = urllib.parse.urlsplit(url)
    c = http.client.HTTPConnection(u.hostname, u.port or 80)
    c.sock = connect(ns, u.hostname, u.port or 80, timeout)
    try:
        c.request("GET", u.path or "/")
        return c.getresponse().read()
    finally:
        c.close()


def http_client_seen(ns, url, timeout=5.0):
    """The source address that the lab's web server answers with."""
    return json.loads(http_get(ns, url, timeout))["client"]


class Pair:
    """Two ends of one conversation; can say whether it is alive."""

    def __init__(self, near, far, far_address=None):
        self.near, self.far = near, far
        self.far_address = far_address
        self.serial = 0

    def passes(self, forward=True, timeout=5.0):
        """Whether a message that was never sent before arrives; if it is a
        datagram, one of one a second.  Who expects a "no" says how long he
        waits for it."""
        a, b = (self.near, self.far) if forward else (self.far, self.near)
        self.serial += 1
        token = b"<%d>" % self.serial
        b.settimeout(0.1)
        end = time.monotonic() + scaled(timeout)
        again = 0
        got = b""
        while time.monotonic() < end:
            try:
                if time.monotonic() >= again:
                    a.send(token)
                    again = (time.monotonic() + FACTOR
                             if a.type == socket.SOCK_DGRAM else end)
            except OSError as e:
                if e.errno == errno.EAGAIN:
                    raise
                return False
            try:
                data = b.recv(65536)
            except socket.timeout:
                continue
            except OSError:
                return False
            if not data:
                return False
            got += data
            if token in got:
                return True
        return False

    def close(self):
        self.near.close()
        self.far.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def tcp_pair(near_ns, far_ns, far_address, port):
    server = listen(far_ns, far_address, port)
    try:
        near = connect(near_ns, far_address, port, 5)
        server.settimeout(5 * FACTOR)
        far, _ = server.accept()
    finally:
        server.close()
    return Pair(near, far)


def udp_pair(near_ns, near_address, far_ns, far_address, port):
    far = udp(far_ns, far_address, port)
    near = udp(near_ns, near_address)
    near.connect((far_address, port))
    far.connect((near_address, near.getsockname()[1]))
    return Pair(near, far)


class Echo:
    """TCP and UDP servers in namespaces that send back what they get."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.lock = threading.Lock()
        self.stopped = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def tcp(self, ns, address, port):
        self._add(listen(ns, address, port), self._accept)

    def udp(self, ns, address, port):
        self._add(udp(ns, address, port), self._datagram)

    def close(self):
        self.stopped = True
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def _add(self, sock, handler):
        sock.setblocking(False)
        with self.lock:
            self.selector.register(sock, selectors.EVENT_READ, handler)

    def _run(self):
        while not self.stopped:
            if not self.selector.get_map():
                time.sleep(0.05)
                continue
            for key, _ in self.selector.select(0.1):
                key.data(key.fileobj)

    def _accept(self, sock):
        with contextlib.suppress(OSError):
            self._add(sock.accept()[0], self._stream)

    def _stream(self, sock):
        try:
            data = sock.recv(65536)
            if data:
                sock.send(data)
        except OSError:
            data = b""
        if not data:
            with self.lock:
                self.selector.unregister(sock)
            sock.close()

    def _datagram(self, sock):
        with contextlib.suppress(OSError):
            data, who = sock.recvfrom(65536)
            sock.sendto(data, who)


def packet_socket(ns, interface):
    with netns(ns):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        s.bind((interface, ETH_P_ALL))
        return s


def send_frame(ns, frame, interface="eth0"):
    s = packet_socket(ns, interface)
    try:
        s.send(bytes(frame))
    finally:
        s.close()


def is_ethernet(ns, interface):
    """SIOCGIFHWADDR's type: 1 is Ethernet, a tunnel has none."""
    with netns(ns):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        r = fcntl.ioctl(s, 0x8927, struct.pack("16s240x", interface.encode()))
    finally:
        s.close()
    return struct.unpack("16xH", r[:18])[0] == 1


@functools.lru_cache(maxsize=None)
def compile_filter(link_type, expression):
    """An array of struct sock_filter."""
    out = subprocess.run(["tcpdump", "-y", link_type, "-ddd", expression],
                         stdout=subprocess.PIPE, check=True,
                         text=True).stdout.split("\n")
    return b"".join(struct.pack("HBBI", *map(int, line.split()))
                    for line in out[1:] if line)


class Capture:
    """Packets that an interface sends and receives while the block runs.

    'expression' is tcpdump's.  Frames are in .frames; .ip() cuts the
    Ethernet header off."""

    def __init__(self, ns, interface, expression=""):
        self.frames = []
        self.ethernet = is_ethernet(ns, interface)
        self.sock = packet_socket(ns, interface)
        if expression:
            self._attach(expression)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.sock.settimeout(0.05)
        self.stopped = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _attach(self, expression):
        code = compile_filter("EN10MB" if self.ethernet else "RAW",
                              expression)
        self.program = ctypes.create_string_buffer(code)
        self.sock.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER,
            struct.pack("HL", len(code) // 8,
                        ctypes.addressof(self.program)))
        while True:             # what came before the filter
            try:
                self.sock.recv(65536, socket.MSG_DONTWAIT)
            except OSError:
                break

    def _run(self):
        while not self.stopped:
            try:
                self.frames.append(self.sock.recv(65536))
            except socket.timeout:
                pass
            except OSError as e:
                if e.errno != errno.ENETDOWN:   # It may come up again.
                    break
        with contextlib.suppress(OSError):      # What came before the end.
            for _ in range(50000):
                self.frames.append(self.sock.recv(65536, socket.MSG_DONTWAIT))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        pause(0.1)
        self.stopped = True
        self.thread.join()
        self.sock.close()

    def ip(self):
        return [f[14:] if self.ethernet else f for f in self.frames]

    def wait(self, count=1, timeout=5.0):
        end = time.monotonic() + scaled(timeout)
        while len(self.frames) < count and time.monotonic() < end:
            time.sleep(0.01)
        return len(self.frames) >= count

    def __len__(self):
        return len(self.frames)

    def __str__(self):
        return "%d packets: %s" % (len(self.frames), " ".join(
            f[:60].hex() for f in self.frames[:5]))
