"""Nothing is open before its guard stands, and what others change on the
bridge changes nothing for the containers."""

import contextlib
import os
import subprocess
import time

import pytest
import yaml
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

import sockets
from harness import eventually, ns, ovs, pause

HOST, UPLINK6 = "oo1424oo", "2001:db8:100::1"
userspace = pytest.mark.skipif(
    "SOCKNET_KERNEL" in os.environ,
    reason="the kernel's datapath takes the frames of a port itself")


def mac_of(net, interface):
    return net.run(HOST, "cat", "/sys/class/net/%s/address"
                   % interface).stdout.strip()


@contextlib.contextmanager
def veth(net, name, mac="02:00:00:00:07:77"):
    """A new veth of the host, its other end in mcp-server as eth7."""
    host, other = net.ns(HOST), net.ns("mcp-server")
    ns.run(["ip", "link", "add", name, "netns", host, "address", mac, "type",
            "veth", "peer", "name", "eth7", "netns", other])
    try:
        ns.ip(other, "link set eth7 up")
        ns.ip(host, "link set %s up" % name)
        yield
    finally:
        net.run(HOST, "ovs-vsctl", "--if-exists", "del-port", name)
        ns.run(["ip", "-n", host, "link", "delete", name], check=False)


class Knocking:
    """Sends to the host, by the far end of one of its veths, for as long as
    the block runs; .heard is what came through."""

    def __init__(self, net, where, interface, mac):
        self.socket = sockets.packet_socket(net.ns(where), interface)
        # No rp_filter looks at IPv6.
        self.frame = bytes(Ether(dst=mac) / IPv6(src="2001:db8:113::99",
                                                 dst=UPLINK6)
                           / UDP(sport=5, dport=5555) / b"knock")
        self.server = sockets.udp(net.ns(HOST), "::", 5555)
        self.server.settimeout(0)
        self.heard = self.sent = 0

    def __enter__(self):
        return self

    def knock(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError):      # not up yet
                self.socket.send(self.frame)
                self.sent += 1
            time.sleep(0.002)
            with contextlib.suppress(OSError):
                while self.server.recv(100):
                    self.heard += 1

    def __exit__(self, *exc):
        self.socket.close()
        self.server.close()


def knock_while_plugged(net, name):
    """What the host hears of a veth from before its plug until after."""
    with veth(net, name), Knocking(net, "mcp-server", "eth7",
                                   mac_of(net, name)) as k:
        k.knock(0.1)
        net.run(HOST, "ovs-vsctl", "--no-wait", "add-port", "vmbr0", name)
        k.knock(0.4)
        net.run(HOST, "ovs-vsctl", "--no-wait", "del-port", name)
        k.knock(0.2)
        assert k.sent > 20
        return k.heard


def test_a_knock_is_heard(net):
    """The tests below would see it."""
    with veth(net, "other0"), Knocking(net, "mcp-server", "eth7",
                                       mac_of(net, "other0")) as k:
        assert eventually(lambda: k.knock(0.2) or k.heard)


@userspace
def test_new_veth_is_closed(net):
    assert knock_while_plugged(net, "veth777") == 0


@userspace
def test_new_veth_is_closed_without_the_node(net, expect_logs):
    """A state that lost this node is no reason to open a veth."""
    expect_logs.append("the state file has no node")
    state = yaml.safe_load(net.base.read_text())
    del state["nodes"][HOST]
    for key in "segments", "acls", "tests":
        state.pop(key, None)
    net.apply(yaml.safe_dump(state), wait=False)
    assert eventually(lambda: "has no node" in net.appctl(
        HOST, "socknet-agent", "status"))
    assert knock_while_plugged(net, "veth777") == 0
    with veth(net, "other0"):       # No name that is known beforehand.
        net.run(HOST, "ovs-vsctl", "--no-wait", "add-port", "vmbr0",
                "other0")
        assert eventually(lambda: "in_other0" in net.run(
            HOST, "nft", "list", "ruleset").stdout)
    assert eventually(lambda: "in_other0" not in net.run(
        HOST, "nft", "list", "ruleset").stdout)
    net.reset()
    assert net.reaches("op-dbus-api", "vector-db", timeout=30)


def test_declared_veth_is_closed_before_its_plug(net):
    c = net.container("op-dbus-api")
    host = net.lab.hosts[HOST]
    ovs.unplug(host, c.veth)
    try:
        with Knocking(net, "op-dbus-api", "eth0", mac_of(net, c.veth)) as k:
            k.knock(0.3)
            assert k.sent > 20 and not k.heard
    finally:
        ovs.plug(host, [c.veth])
    assert net.reaches("mcp-server", "op-dbus-api", timeout=10)


def test_mac_of_the_bridge_stays(net, expect_logs):
    """OVS would take the lowest one among the ports."""
    expect_logs.append("connection to .*vmbr0.mgmt lost")
    before = mac_of(net, "vmbr0")
    with veth(net, "other0", "00:00:00:00:07:77"):
        net.run(HOST, "ovs-vsctl", "add-port", "vmbr0", "other0")
        assert mac_of(net, "vmbr0") == before
        # Proxmox's "Apply Configuration" clears it.
        net.run(HOST, "ovs-vsctl", "remove", "bridge", "vmbr0",
                "other_config", "hwaddr")
        assert eventually(lambda: before in net.run(
            HOST, "ovs-vsctl", "get", "bridge", "vmbr0",
            "other_config").stdout)
        assert eventually(lambda: mac_of(net, "vmbr0") == before)
    assert mac_of(net, "vmbr0") == before
    assert net.reaches("mcp-server", "vector-db")


def test_no_exit_without_its_guard(net, expect_logs):
    """The kernel refuses the agent its table: then it opens nothing."""
    expect_logs += [r"nftables: ", r"x-warp0", "SSL_read",
                    "receive error", "connection dropped"]
    where = ["nsenter", "-t", str(net.lab.hosts[HOST].pid), "-n", "-m",
             "--"]
    net.kill(HOST, "agent")
    net.run(HOST, "ovs-vsctl", "del-port", "x-warp0")
    net.run(HOST, "nft", "delete", "table", "inet", "socknet")
    # A table with an owner is the owner's for as long as he lives.
    owner = subprocess.Popen(where + ["nft", "-i"], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, text=True)
    try:
        owner.stdin.write("add table inet socknet { flags owner; }\n")
        owner.stdin.flush()
        assert eventually(lambda: "socknet" in net.run(
            HOST, "nft", "list", "tables").stdout)
        net.start(HOST, "agent")
        assert eventually(lambda: "nftables: " in net.appctl(
            HOST, "socknet-agent", "status"))
        pause(0.3)
        assert "x-warp0" not in net.run(HOST, "ovs-vsctl", "list-ports",
                                        "vmbr0").stdout
    finally:
        owner.stdin.close()
        owner.wait(30)
    net.appctl(HOST, "socknet-agent", "resync")
    assert eventually(lambda: not net.http_fails("xray"))
    assert eventually(lambda: "problems: 0" in net.appctl(
        HOST, "socknet-agent", "status"))


def test_first_mac_outlives_the_agent(net, expect_logs):
    """A container without hwaddr takes another MAC address while no agent
    looks."""
    expect_logs += ["the MAC address inside", "SSL_read", "receive error",
                    "connection dropped"]
    where, mac = net.ns("mcp-server"), net.container("mcp-server").mac
    assert net.reaches("mcp-server", "op-dbus-api")
    net.kill(HOST, "agent")
    ns.ip(where, "link set eth0 address 02:00:00:00:66:66")
    try:
        net.start(HOST, "agent")
        assert eventually(lambda: "MAC address inside" in net.appctl(
            HOST, "socknet-agent", "status"))
        assert mac in net.appctl(HOST, "socknet-agent", "ports")
        assert net.ping("mcp-server", "op-dbus-api", 2) == 0
    finally:
        ns.ip(where, "link set eth0 address %s" % mac)
        net.appctl(HOST, "socknet-agent", "resync")
    assert net.reaches("mcp-server", "op-dbus-api")
    assert eventually(lambda: "problems: 0" in net.appctl(
        HOST, "socknet-agent", "status"))


@userspace
def test_veth_made_anew_below_its_port(net):
    """The container was restarted and nobody unplugged it."""
    c, host = net.container("op-dbus-api"), net.ns(HOST)
    where = net.ns("op-dbus-api")
    assert net.reaches("mcp-server", "op-dbus-api")
    ns.run(["ip", "-n", host, "link", "delete", c.veth])
    pause(0.2)
    ns.run(["ip", "link", "add", c.veth, "netns", host, "type", "veth",
            "peer", "name", "eth0", "netns", where, "address", c.mac])
    ns.run(["ip", "netns", "exec", where, "ethtool", "-K", "eth0", "tx",
            "off"])
    ns.ip(where, *["addr add %s dev eth0%s" % (
        a, " nodad" if a.version == 6 else "") for a in c.addresses],
        "link set eth0 up",
        "route replace default via 10.0.0.1 dev eth0 onlink",
        "route replace default via fd00:53::1 dev eth0 onlink")
    ns.ip(host, "link set %s up" % c.veth)
    assert net.reaches("mcp-server", "op-dbus-api")
    assert net.tcp("op-dbus-api", "vector-db", 6333)
    assert net.run(HOST, "ovs-vsctl", "get", "interface", c.veth,
                   "type").stdout.strip() == '""'


LAN4, OWN4 = "192.168.77.1", "192.168.77.2"


@pytest.fixture(scope="module")
def lan_state(two_hosts):
    """An uplink and a virtual machine's port on the bridge of a host."""
    state = yaml.safe_load(two_hosts.read_text())
    state["nodes"][HOST].setdefault("openflow", {})["bridges"] = {
        "vmbr0": {"uplinks": ["up0", "up1"]}}
    return yaml.safe_dump(state)


@pytest.fixture
def lan(net, lan_state):
    """up0 leads to eth8 in one namespace, up1 to eth9 in another; the host
    has an address on vmbr0 for that network."""
    ends = (("up0", "redis", "eth8"), ("up1", "vector-db", "eth9"))
    host = net.ns(HOST)
    net.apply(lan_state)
    for name, where, end in ends:
        ns.run(["ip", "link", "add", name, "netns", host, "type", "veth",
                "peer", "name", end, "netns", net.ns(where)])
        ns.ip(host, "link set %s up" % name)
        ns.ip(net.ns(where), "link set %s up" % end)
        net.run(HOST, "ovs-vsctl", "add-port", "vmbr0", name)
    ns.ip(net.ns("redis"), "addr add %s/24 dev eth8" % LAN4)
    ns.ip(host, "addr add %s/24 dev vmbr0" % OWN4)
    assert net.reaches(HOST, LAN4)
    yield net
    ns.ip(host, "addr del %s/24 dev vmbr0" % OWN4)
    for name, _, _ in ends:
        net.run(HOST, "ovs-vsctl", "--if-exists", "del-port", name)
        ns.run(["ip", "-n", host, "link", "delete", name], check=False)


def test_neighbour_of_the_uplink_is_nobody_of_the_mesh(lan):
    """A machine on the network of an uplink speaks as a container, as the
    gateway, as another host: to the host, and by it into the mesh."""
    host = mac_of(lan, "vmbr0")
    e = Ether(src="02:00:00:00:99:01", dst=host)
    api4, vector4, api6 = "10.0.0.201", "10.1.0.103", "fd00:53::201"
    frames, tokens = [], []
    for src, dst in ((api4, vector4), (api4, OWN4), ("10.0.0.1", vector4),
                     (vector4, api4), ("100.64.0.2", OWN4),
                     ("100.64.0.2", "10.0.0.1")):
        tokens.append(b"spoof%08d" % len(tokens))
        frames.append(e / IP(src=src, dst=dst)
                      / TCP(sport=4444, dport=6333) / tokens[-1])
    tokens.append(b"spoof%08d" % len(tokens))
    frames.append(e / IPv6(src=api6, dst="fd00:53:1::103")
                  / TCP(sport=4444, dport=6333) / tokens[-1])
    frames += [e / ARP(op=2, hwsrc=e.src, psrc=api4, hwdst=host, pdst=OWN4),
               e / ARP(op=1, hwsrc=e.src, psrc=api4, pdst=OWN4),
               e / IPv6(src="fe80::99", dst=api6, hlim=255)
               / ICMPv6ND_NA(tgt=api6, O=1, S=1)
               / ICMPv6NDOptDstLLAddr(lladdr=e.src)]
    with lan.capture(HOST, "vmbr0") as bridge, \
            lan.capture("vector-db", "eth0") as far, \
            lan.capture("vector-db", "eth9") as switched:
        for f in frames:
            sockets.send_frame(lan.ns("redis"), f, "eth8")
        assert switched.wait(len(frames))
        pause(0.2)
    for t in tokens:
        assert any(t in f for f in switched.frames)
        assert not any(t in f for f in bridge.frames + far.frames)
    assert e.src not in lan.run(HOST, "ip", "neigh").stdout
    assert lan.reaches(HOST, LAN4)
    assert lan.reaches("mcp-server", "op-dbus-api")


def heard_at_node2(net, source, port=5555, version=4, timeout=0.5):
    """Whether node2 itself hears a datagram with that source, which another
    host of the mesh lets out without asking its own rules."""
    heard = source if version == 6 else "::ffff:" + source
    there = "100.64.0.2" if version == 4 else "fd00:53:1::1"
    ip = IP if version == 4 else IPv6
    with sockets.netns(net.ns(HOST)):
        raw = sockets.socket.socket(
            sockets.socket.AF_INET if version == 4
            else sockets.socket.AF_INET6, sockets.socket.SOCK_RAW,
            sockets.socket.IPPROTO_RAW)
    with raw, sockets.udp(net.ns("node2"), "::", port) as server:
        server.settimeout(sockets.scaled(timeout))
        raw.sendto(bytes(ip(src=source, dst=there)
                         / UDP(sport=5, dport=port) / b"knock"), (there, 0))
        with contextlib.suppress(OSError):
            while True:     # One that was sent before may come only now.
                data, who = server.recvfrom(100)
                if (data, who[0]) == (b"knock", heard):
                    return True
    return False


def assert_heard(net, *args, **kw):
    assert eventually(lambda: heard_at_node2(net, *args, timeout=2, **kw))


def test_host_does_not_take_the_others_word(net):
    """What comes by the mesh to a host itself meets its rules there."""
    host6, api6, api4 = "fd00:53::1", "fd00:53::201", "10.0.0.201"
    assert net.reaches("mcp-server", "vector-db")
    assert_heard(net, "100.64.0.1")
    assert_heard(net, host6, version=6)
    assert not heard_at_node2(net, api4)
    assert not heard_at_node2(net, api6, version=6)
    rule = ("acls:\n  - {name: api-to-host, action: accept, src: "
            "[op-dbus-api], dst: [\"node:node2:5555\"], proto: udp}")
    net.apply(net.base.read_text().replace("acls:", rule, 1))
    assert_heard(net, api4)
    assert_heard(net, api6, version=6)
    assert not heard_at_node2(net, api4, 5556)
    assert not heard_at_node2(net, "10.0.0.200")
    # An answer of the host, and one to it, need no rule of their own.
    with sockets.udp(net.ns("node2"), "0.0.0.0", 5555) as server, \
            sockets.udp(net.ns("op-dbus-api"), "0.0.0.0") as client:
        for s in server, client:
            s.settimeout(sockets.scaled(5))
        client.sendto(b"ask", ("100.64.0.2", 5555))
        data, who = server.recvfrom(100)
        assert (data, who[0]) == (b"ask", api4)
        server.sendto(b"tell", who)
        assert client.recv(100) == b"tell"
        # Withdrawn, it cuts at once.
        net.reset()
        server.settimeout(sockets.scaled(1))
        client.sendto(b"again", ("100.64.0.2", 5555))
        with pytest.raises(OSError):
            server.recvfrom(100)
