"""A container sends as itself only: MAC, IPv4, IPv6, ARP, ND."""

import socket
import struct
import zlib

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6ND_RA, ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptPrefixInfo,
                                ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import ARP, Ether

from harness import eventually, pause

MCP4, MCP6 = "10.0.0.200", "fd00:53::200"
API4, API6 = "10.0.0.201", "fd00:53::201"
XRAY4, XRAY6 = "10.0.0.102", "fd00:53::102"
GW4, GW6 = "10.0.0.1", "fd00:53::1"
GW6_GROUP, GW6_GROUP_MAC = "ff02::1:ff00:1", "33:33:ff:00:00:01"
STRANGER = "02:66:66:66:66:66"


def token(text):
    return b"probe-%08x" % zlib.crc32(text.encode())


def ping4(mac, dst_mac, src, payload, dst=API4):
    return (Ether(src=mac, dst=dst_mac) / IP(src=src, dst=dst)
            / ICMP(id=7) / payload)


def ping6(mac, dst_mac, src, payload, dst=API6):
    return (Ether(src=mac, dst=dst_mac) / IPv6(src=src, dst=dst)
            / ICMPv6EchoRequest(id=7, data=payload))


def delivered(net, sender, frames, receiver="op-dbus-api"):
    """Sends the frames; which of them 'receiver' got, by their token."""
    with net.capture(receiver) as seen:
        for frame in frames:
            net.send_raw(sender, frame)
        pause(0.3)
    return [i for i, frame in enumerate(frames)
            if any(bytes(frame)[-14:] in f for f in seen.frames)]


def all_delivered(net, sender, frames, *receiver):
    """Whether they arrive, which is given time, and more than one try."""
    return eventually(lambda: delivered(net, sender, frames, *receiver)
                      == list(range(len(frames))))


def guard_drops(net):
    """Packets that the guard's own drops have counted."""
    total = 0
    for flow in net.flows("oo1424oo"):
        table = flow.split("table=")[1].split(",")[0].strip('"')
        if table in ("classify", "spoof_guard") and "actions=drop" in flow:
            total += int(flow.split("n_packets=")[1].split(",")[0])
    return total


@pytest.fixture
def macs(net):
    assert net.reaches("mcp-server", "op-dbus-api")
    return {n: net.container(n).mac
            for n in ("mcp-server", "op-dbus-api", "xray")}


def test_own_addresses_pass(net, macs):
    frames = [ping4(macs["mcp-server"], macs["op-dbus-api"], MCP4,
                    token("own4")),
              ping6(macs["mcp-server"], macs["op-dbus-api"], MCP6,
                    token("own6"))]
    assert all_delivered(net, "mcp-server", frames)


def test_foreign_mac_is_dropped(net, macs):
    frames = [ping4(m, macs["op-dbus-api"], MCP4, token("mac4" + m))
              for m in (STRANGER, macs["xray"])]
    frames += [ping6(m, macs["op-dbus-api"], MCP6, token("mac6" + m))
               for m in (STRANGER, macs["xray"])]
    before = guard_drops(net)
    assert delivered(net, "mcp-server", frames) == []
    assert eventually(lambda: guard_drops(net) >= before + len(frames))


@pytest.mark.parametrize("mac", ("own", "mcp-server"))
def test_foreign_address_is_dropped(net, macs, mac):
    """xray as mcp-server, whom a rule lets ping op-dbus-api."""
    m = macs["xray" if mac == "own" else mac]
    frames = [ping4(m, macs["op-dbus-api"], MCP4, token("ip4" + m)),
              ping6(m, macs["op-dbus-api"], MCP6, token("ip6" + m)),
              ping4(m, macs["op-dbus-api"], "198.51.100.12",
                    token("out4" + m)),
              ping4(m, macs["op-dbus-api"], "0.0.0.0", token("zero" + m)),
              ping6(m, macs["op-dbus-api"], "fe80::200",
                    token("ll" + m))]
    before = guard_drops(net)
    assert delivered(net, "xray", frames) == []
    assert eventually(lambda: guard_drops(net) >= before + len(frames))


def test_foreign_address_across_hosts_is_dropped(net, macs):
    """Towards vector-db, whom management may ping."""
    bridge = net.run("oo1424oo", "cat",
                     "/sys/class/net/vmbr0/address").stdout.strip()
    own = ping4(macs["mcp-server"], bridge, MCP4, token("far-own"),
                "10.1.0.103")
    fake = ping4(macs["xray"], bridge, MCP4, token("far"), "10.1.0.103")
    assert all_delivered(net, "mcp-server", [own], "vector-db")
    assert delivered(net, "xray", [fake], "vector-db") == []


@pytest.fixture
def silent_xray(net):
    """Its kernel has no reason to ask for the gateway by itself."""
    mac = net.run("oo1424oo", "cat",
                  "/sys/class/net/vmbr0/address").stdout.strip()
    for gateway in GW4, GW6:
        net.run("xray", "ip", "neigh", "replace", gateway, "lladdr", mac,
                "dev", "eth0", "nud", "permanent")
    yield
    for gateway in GW4, GW6:
        net.run("xray", "ip", "neigh", "del", gateway, "dev", "eth0")


def arp_answered(net, frame, timeout=0.4):
    """Whether the request, sent by xray, is answered to it."""
    with net.capture("xray", "eth0", "arp") as seen:
        net.send_raw("xray", frame)
        eventually(lambda: any(f[21] == 2 for f in seen.frames), timeout)
    return any(f[21] == 2 for f in seen.frames)


def arp_request(mac, sha, spa, target=GW4):
    return (Ether(src=mac, dst="ff:ff:ff:ff:ff:ff")
            / ARP(op=1, hwsrc=sha, psrc=spa, pdst=target))


def test_arp_requests(net, macs, silent_xray):
    x = macs["xray"]
    assert arp_answered(net, arp_request(x, x, XRAY4), 10)
    for lie in (arp_request(x, x, MCP4),
                arp_request(x, STRANGER, XRAY4),
                arp_request(STRANGER, x, XRAY4),
                arp_request(STRANGER, STRANGER, XRAY4)):
        assert not arp_answered(net, lie), lie.summary()


def test_arp_claims_reach_nobody(net, macs):
    """Poisoning: xray as the gateway, or as op-dbus-api."""
    x = macs["xray"]
    frames = []
    for claimed in (GW4, API4):
        for dst in ("ff:ff:ff:ff:ff:ff", macs["mcp-server"]):
            frames.append(Ether(src=x, dst=dst) / ARP(
                op=2, hwsrc=x, psrc=claimed, pdst=MCP4,
                hwdst=macs["mcp-server"]))
    with net.capture("mcp-server", "eth0", "arp") as seen:
        for frame in frames:
            net.send_raw("xray", frame)
        pause(0.3)
    raw = bytes.fromhex(x.replace(":", ""))
    own = socket.inet_aton(XRAY4)       # Somebody may have asked for it.
    assert not [f for f in seen.frames if raw in (f[6:12], f[22:28])
                and f[28:32] != own]


def nd_answered(net, frame, timeout=0.5):
    """Whether xray gets a neighbour advertisement for what it sent.  Its own
    kernel may be asked, and answer, meanwhile."""
    with net.capture("xray", "eth0", "icmp6 and ip6[40] == 136 and "
                     "not ether src " + net.container("xray").mac) as seen:
        net.send_raw("xray", frame)
        eventually(lambda: seen.frames, timeout)
    return bool(seen.frames)


def nd_request(mac, src, option):
    return (Ether(src=mac, dst=GW6_GROUP_MAC)
            / IPv6(src=src, dst=GW6_GROUP, hlim=255)
            / ICMPv6ND_NS(tgt=GW6) / ICMPv6NDOptSrcLLAddr(lladdr=option))


def test_nd_requests(net, macs, silent_xray):
    x = macs["xray"]
    assert nd_answered(net, nd_request(x, XRAY6, x), 10)
    assert not nd_answered(net, nd_request(x, MCP6, x))
    assert not nd_answered(net, nd_request(STRANGER, XRAY6, x))


def test_nd_options_tell_the_truth(net, macs):
    """A request reaches its target with the sender's real address in it."""
    def ask(option):
        return (Ether(src=macs["mcp-server"], dst="33:33:ff:00:02:01")
                / IPv6(src=MCP6, dst="ff02::1:ff00:201", hlim=255)
                / ICMPv6ND_NS(tgt=API6)
                / ICMPv6NDOptSrcLLAddr(lladdr=option))
    with net.capture("op-dbus-api", "eth0", "icmp6") as seen:
        net.send_raw("mcp-server", ask(macs["mcp-server"]))
        assert eventually(lambda: seen.frames, 10)
        net.send_raw("mcp-server", ask(STRANGER))
        pause(0.3)
    raw = bytes.fromhex(STRANGER.replace(":", ""))
    assert not [f for f in seen.frames if raw in f], str(seen)


def lies(frames, mac, address):
    """Frames from 'mac' with a claim, or an option, that is not its own;
    its kernel may ask for somebody meanwhile, or answer."""
    mac = bytes.fromhex(mac.replace(":", ""))
    own = socket.inet_pton(socket.AF_INET6, address)
    return [f for f in frames if f[6:12] == mac
            and not (f[22:38] == own and f[80:86] == mac
                     and (f[54] == 135 or f[54] == 136
                          and f[62:78] == own))]


def test_nd_claims_and_router_advertisements_reach_nobody(net, macs):
    """What does arrive says that xray is xray."""
    x = macs["xray"]
    all_nodes = "33:33:00:00:00:01"
    claims = [Ether(src=x, dst=dst_mac) / IPv6(src=src, dst=dst, hlim=255)
              / ICMPv6ND_NA(tgt=target, R=r, S=0, O=1)
              / ICMPv6NDOptDstLLAddr(lladdr=x)
              for target in (GW6, API6)
              for src in (XRAY6, target)
              for r in (0, 1)
              for dst_mac, dst in ((all_nodes, "ff02::1"),
                                   (macs["mcp-server"], MCP6))]
    adverts = [Ether(src=x, dst=dst_mac)
               / IPv6(src=src, dst=dst, hlim=255) / ICMPv6ND_RA()
               / ICMPv6NDOptPrefixInfo(prefix="fd00:bad::", prefixlen=64)
               for src in (XRAY6, "fe80::be24:11ff:fe00:102")
               for dst_mac, dst in ((all_nodes, "ff02::1"),
                                    (macs["mcp-server"], MCP6))]
    with net.capture("mcp-server", "eth0", "icmp6") as seen:
        for frame in claims + adverts:
            net.send_raw("xray", frame)
        pause(0.3)
    assert not lies(seen.frames, x, XRAY6), str(seen)
    out = net.run("mcp-server", "ip", "-6", "neigh", "show", GW6).stdout
    assert x not in out.lower()


def test_dhcp_server_reaches_nobody(net, macs):
    frame = (Ether(src=macs["xray"], dst="ff:ff:ff:ff:ff:ff")
             / IP(src=XRAY4, dst="255.255.255.255")
             / UDP(sport=67, dport=68) / (bytes(236) + token("dhcp")))
    assert delivered(net, "xray", [frame], "mcp-server") == []


def test_other_protocols_reach_nobody(net, macs):
    """Neither IP nor ARP: a VLAN tag, LLDP, an unknown type, STP."""
    x, api = macs["mcp-server"], macs["op-dbus-api"]
    inner = bytes(IP(src=MCP4, dst=API4) / ICMP(id=9) / token("vlan"))
    head = bytes(Ether(src=x, dst=api, type=0x8100))
    frames = [head + struct.pack("!HH", 5, 0x0800) + inner,
              bytes(Ether(src=x, dst=api, type=0x88b5)) + token("type") * 4,
              bytes(Ether(src=x, dst="01:80:c2:00:00:0e", type=0x88cc))
              + token("lldp") * 4]
    assert delivered(net, "mcp-server", frames) == []
