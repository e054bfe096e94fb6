"""Nothing is open before its guard stands, and what others change on the
bridge changes nothing for the containers."""

import contextlib
import os
import subprocess
import time

import pytest
import yaml
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

import sockets
from harness import eventually, ns, ovs

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
        k.knock(0.2)
        assert k.heard


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
        eventually(lambda: False, 0.3)
        assert "x-warp0" not in net.run(HOST, "ovs-vsctl", "list-ports",
                                        "vmbr0").stdout
    finally:
        owner.stdin.close()
        owner.wait(10)
    net.appctl(HOST, "socknet-agent", "resync")
    assert eventually(lambda: not net.http_fails("xray"), 10)
    assert "problems: 0" in net.appctl(HOST, "socknet-agent", "status")
