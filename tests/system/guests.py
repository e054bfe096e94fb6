"""Guests of the lab: a phone somewhere on the internet with a real WireGuard
device, made from the profile that `socknet client add` prints.  And a reader
of QR codes."""

import ctypes
import ipaddress
import os
import re
import struct
import zlib

from socklab import inet, ns

from harness import eventually

FIRST_ADDRESS = 150


def parse_profile(text):
    """{section: {key: value}} of a wg-quick profile."""
    sections = {}
    for line in text.splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            section[key.strip()] = value.strip()
    return sections


class Guest:
    """A namespace at 198.51.100.150 and up, by the number of the guest."""

    def __init__(self, net, number, profile):
        self.net, self.lab = net, net.lab
        self.name = "guest%d" % number
        self.device = "wgp%d" % number
        self.address = "198.51.100.%d" % (FIRST_ADDRESS + number)
        self.profile = parse_profile(profile)
        ns.ns_add(self.ns)
        inet.attach(self.lab, self.ns, FIRST_ADDRESS + number)
        ns.ip(self.ns, "addr add %s/24 dev eth0" % self.address,
              "link set eth0 up", "route add default via 198.51.100.254")
        self.up()

    @property
    def ns(self):
        return self.lab.ns(self.name)

    def addresses(self):
        return [a.split("/")[0] for a in re.split(
            ", *", self.profile["Interface"]["Address"])]

    def run(self, *command, **kw):
        return self.lab.internet.run(*command, ns=self.ns, **kw)

    def up(self):
        """What wg-quick would do."""
        interface, peer = self.profile["Interface"], self.profile["Peer"]
        if ns.run(["ip", "-n", self.ns, "link", "add", self.device, "type",
                   "wireguard"], check=False).returncode:
            p = self.lab.internet.spawn("env", "LOG_LEVEL=error",
                                        "wireguard-go", self.device,
                                        ns=self.ns)
            assert p.wait() == 0
        config = "[Interface]\nPrivateKey = %s\n[Peer]\n%s\n" % (
            interface["PrivateKey"],
            "\n".join("%s = %s" % kv for kv in peer.items()))
        self.run("wg", "setconf", self.device, "/dev/stdin", input=config)
        ns.ip(self.ns, *["addr add %s dev %s" % (a, self.device) for a in
                         re.split(", *", interface["Address"])],
              "link set %s mtu 1420 up" % self.device)
        for dst in re.split(", *", peer["AllowedIPs"]):
            self.route(ipaddress.ip_network(dst))

    def route(self, dst):
        endpoint = self.profile["Peer"]["Endpoint"].rsplit(":", 1)[0]
        if dst.prefixlen:
            ns.ip(self.ns, "route add %s dev %s" % (dst, self.device))
        elif dst.version == 4:
            if endpoint.split(".")[:3] != self.address.split(".")[:3]:
                ns.ip(self.ns, "route add %s via 198.51.100.254" % endpoint)
            ns.ip(self.ns, "route replace default dev %s" % self.device)

    def in_ns(self):
        return ["nsenter", "--net=/run/netns/" + self.ns]

    def ping(self, address, count=1):
        p = ns.run(self.in_ns() + ["ping", "-n", "-c", str(count), "-i",
                                   "0.2", "-W", "1", address], check=False)
        m = re.search(r"(\d+) received", p.stdout)
        return int(m[1]) if m else 0

    def connects(self, timeout=30):
        """Whether the node has answered its handshake."""
        self.run("wg", "set", self.device, "peer",
                 self.profile["Peer"]["PublicKey"], "persistent-keepalive",
                 "1")
        return eventually(lambda: not self.run(
            "wg", "show", self.device,
            "latest-handshakes").stdout.strip().endswith("\t0"), timeout)

    def tcp(self, address, port, timeout=5.0):
        import sockets
        try:
            s = sockets.connect(self.ns, address, port, timeout)
        except OSError:
            return False
        with s:
            try:
                s.send(b"hello")
                return s.recv(16) == b"hello"
            except OSError:
                return False

    def down(self):
        ns.ns_delete(self.ns)


# QR codes.

def png_pixels(data):
    """(width, height, one byte per pixel) of an 8-bit grey picture."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, header = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        at += length + 12
    width, height, depth, colour = header[:4]
    assert (depth, colour) == (8, 0)
    raw, rows, last = zlib.decompress(packed), [], bytes(width)
    for y in range(height):
        method = raw[y * (width + 1)]
        line = bytearray(raw[y * (width + 1) + 1:(y + 1) * (width + 1)])
        for x in range(width):
            a = line[x - 1] if x else 0
            b, c = last[x], last[x - 1] if x else 0
            nearest = min((a, b, c), key=lambda v: abs(a + b - c - v))
            line[x] = (line[x] + (0, a, b, (a + b) // 2, nearest)[method]
                       ) % 256
        rows.append(bytes(line))
        last = rows[-1]
    return width, height, b"".join(rows)


def terminal_pixels(text, scale=4):
    """The same of blocks on a terminal, two modules to a character."""
    rows = []
    for line in text.splitlines():
        if not line.startswith("\x1b[30;47m"):
            continue
        blocks = line[len("\x1b[30;47m"):-len("\x1b[0m")]
        for half in 1, 2:
            row = b"".join(bytes([0 if " \u2580\u2584\u2588".index(c) & half
                                  else 255]) * scale for c in blocks)
            rows += [row] * scale
    return len(rows[0]), len(rows), b"".join(rows)


def read_qr(width, height, pixels):
    """The text of the QR code in a picture, by Debian's libzbar0."""
    zbar = ctypes.CDLL("libzbar.so.0")
    for name in ("zbar_image_create", "zbar_image_scanner_create",
                 "zbar_image_first_symbol"):
        getattr(zbar, name).restype = ctypes.c_void_p
    zbar.zbar_symbol_get_data.restype = ctypes.c_char_p
    p = ctypes.c_void_p
    scanner, image = p(zbar.zbar_image_scanner_create()), p(
        zbar.zbar_image_create())
    zbar.zbar_image_set_format(image, ctypes.c_ulong(
        int.from_bytes(b"Y800", "little")))
    zbar.zbar_image_set_size(image, width, height)
    buffer = ctypes.create_string_buffer(pixels, len(pixels))
    zbar.zbar_image_set_data(image, buffer, ctypes.c_ulong(len(pixels)),
                             None)
    if zbar.zbar_scan_image(scanner, image) < 1:
        return None
    symbol = p(zbar.zbar_image_first_symbol(image))
    return zbar.zbar_symbol_get_data(symbol).decode()


def read_qr_file(path):
    with open(path, "rb") as f:
        data = f.read()
    assert os.stat(path).st_mode & 0o777 == 0o600
    return read_qr(*png_pixels(data))
