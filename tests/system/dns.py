"""DNS as the tests speak it: queries and replies in octets, a resolver in a
namespace, and a client that counts."""

import contextlib
import selectors
import socket
import struct
import threading
import time

import sockets
from sockets import FACTOR

TYPES = {"A": 1, "NS": 2, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16,
         "AAAA": 28, "SRV": 33, "OPT": 41}
NAMES = {v: k for k, v in TYPES.items()}
RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]


def put_name(name):
    return b"".join(bytes([len(x)]) + x.encode()
                    for x in name.split(".") if x) + b"\0"


def query(name, qtype="A", qid=0x1234, edns=None):
    opt = b"\0" + struct.pack("!HHIH", 41, edns, 0, 0) if edns else b""
    return (struct.pack("!6H", qid, 0x0100, 1, 0, 0, int(bool(edns)))
            + put_name(name) + struct.pack("!HH", TYPES[qtype], 1) + opt)


def get_name(msg, at):
    labels, after = [], None
    while msg[at]:
        if msg[at] >= 0xc0:
            after = after or at + 2
            at = (msg[at] & 0x3f) << 8 | msg[at + 1]
        else:
            labels.append(msg[at + 1:at + 1 + msg[at]].decode())
            at += 1 + msg[at]
    return ".".join(labels), after or at + 1


class Reply:
    def __init__(self, msg):
        self.msg = msg
        self.id, self.flags, qd, *counts = struct.unpack("!6H", msg[:12])
        self.rcode = RCODES[self.flags & 15]
        self.aa, self.tc = bool(self.flags & 0x400), bool(self.flags & 0x200)
        at = 12
        for _ in range(qd):
            self.question, at = get_name(msg, at)
            at += 4
        self.sections = []
        for count in counts:
            section = []
            for _ in range(count):
                rr, at = self._rr(at)
                section.append(rr)
            self.sections.append(section)
        self.answers, self.authority, self.more = self.sections
        self.data = sorted(d for _, _, d in self.answers)

    def _rr(self, at):
        msg = self.msg
        name, at = get_name(msg, at)
        rtype, _, _, n = struct.unpack("!HHIH", msg[at:at + 10])
        at += 10
        data = msg[at:at + n]
        kind = NAMES.get(rtype, str(rtype))
        if kind in ("A", "AAAA"):
            data = socket.inet_ntop(socket.AF_INET if kind == "A"
                                    else socket.AF_INET6, data)
        elif kind in ("PTR", "NS", "SOA"):
            data = get_name(msg, at)[0]
        elif kind == "SRV":
            data = "%d %s" % (struct.unpack("!H", data[4:6])[0],
                              get_name(msg, at + 6)[0])
        else:
            data = str(data)
        return (name, kind, data), at + n

    def __str__(self):
        return "%s %s" % (self.rcode, self.sections)


def ask_udp(ns, server, name, qtype="A", timeout=4.0, edns=None, tries=1):
    """The reply, or None."""
    with sockets.make(ns, socket.SOCK_DGRAM, server) as s:
        s.settimeout(timeout * FACTOR)
        s.connect((server, 53))
        for _ in range(tries):
            with contextlib.suppress(OSError):
                s.send(query(name, qtype, edns=edns))
                return Reply(s.recv(65535))
    return None


def recv_framed(s):
    data = b""
    while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
        got = s.recv(65536)
        if not got:
            return None
        data += got
    return data[2:]


def ask_tcp(ns, server, name, qtype="A", timeout=8.0):
    try:
        with sockets.connect(ns, server, 53, timeout) as s:
            msg = query(name, qtype)
            s.sendall(struct.pack("!H", len(msg)) + msg)
            got = recv_framed(s)
            return Reply(got) if got else None
    except OSError:
        return None


class Resolver(threading.Thread):
    """Answers at some addresses: A with the address of who asked it; "big."
    names with many TXT records, which are cut over UDP; "dead." not at all."""

    def __init__(self, ns, addresses):
        super().__init__(daemon=True)
        self.seen = []
        self.ending = False
        self.selector = selectors.DefaultSelector()
        for a in addresses:
            udp = sockets.make(ns, socket.SOCK_DGRAM, a)
            udp.bind((a, 53))
            self.selector.register(udp, selectors.EVENT_READ, self.datagram)
            tcp = sockets.make(ns, socket.SOCK_STREAM, a)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((a, 53))
            tcp.listen(16)
            self.selector.register(tcp, selectors.EVENT_READ, self.accept)
        self.start()

    def reply(self, msg, client, proto):
        name, at = get_name(msg, 12)
        qtype = struct.unpack("!H", msg[at:at + 2])[0]
        self.seen.append((name, client, proto))
        if name.startswith("dead."):
            return None
        head = msg[:2] + struct.pack("!5H", 0x8180, 1, 0, 0, 0)
        question = msg[12:at + 4]
        rrs, flags = [], 0x8180
        if name.startswith("big."):
            if proto == "udp":
                flags |= 0x200
            else:
                rrs = [(16, b"\xff" + b"x" * 255)] * 20
        elif qtype in (1, 28):
            family = socket.AF_INET6 if ":" in client else socket.AF_INET
            rrs = [(28 if ":" in client else 1,
                    socket.inet_pton(family, client))]
        head = msg[:2] + struct.pack("!5H", flags, 1, len(rrs), 0, 0)
        return head + question + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", t, 1, 1, len(d)) + d
            for t, d in rrs)

    def datagram(self, sock):
        msg, who = sock.recvfrom(65535)
        got = self.reply(msg, who[0], "udp")
        if got:
            sock.sendto(got, who)

    def accept(self, sock):
        conn, who = sock.accept()
        with conn:
            conn.settimeout(2 * FACTOR)
            with contextlib.suppress(OSError):
                msg = recv_framed(conn)
                got = self.reply(msg, who[0], "tcp") if msg else None
                if got:
                    conn.sendall(struct.pack("!H", len(got)) + got)

    def run(self):
        while not self.ending:
            for key, _ in self.selector.select(0.1):
                key.data(key.fileobj)

    def close(self):
        self.ending = True
        self.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


def load(ns, server, name, seconds, window=64, qtype="A"):
    """Queries answered per second, 'window' of them on their way."""
    with sockets.make(ns, socket.SOCK_DGRAM, server) as s:
        s.settimeout(0.5)
        s.connect((server, 53))
        n = 0
        end = time.monotonic() + seconds
        for i in range(window):
            s.send(query(name, qtype, i))
        start = time.monotonic()
        while time.monotonic() < end:
            try:
                s.recv(4096)
            except TimeoutError:
                for i in range(window):
                    s.send(query(name, qtype, i))
                continue
            n += 1
            s.send(query(name, qtype, n & 0xffff))
        return n / (time.monotonic() - start)
