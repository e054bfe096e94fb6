"""The agent: exits.  A few flows stand for the controller's: what is shown
here is what the host does with a container's packets, and what it never
does."""

import time

import agents
import pytest
import sockets
from agents import NODES, nft, out, settled
from harness import WEB4, WEB6, eventually

A = NODES[0]
C = "xray"
ACK = 0x10
SEEN4, SEEN6 = "203.0.113.21", "2001:db8:113::21"


def link_mac(system, where, link):
    return out(system, where, "cat", "/sys/class/net/%s/address"
               % link).strip()


def add_flows(system, name):
    """All of a container's packets to other networks go out by the exit."""
    c = system.container(name)
    local, port = "vmbr0", "x-warp0"
    mac = eventually(lambda: out(
        system, A, "ovs-vsctl", "--if-exists", "get", "interface", c.veth,
        "external_ids:attached-mac").strip().strip('"'))
    assert eventually(lambda: port in out(system, A, "ls", "/sys/class/net"))
    flows = [
        "priority=40,in_port=%s,arp,actions=LOCAL" % c.veth,
        "priority=40,in_port=LOCAL,arp,actions=%s" % c.veth,
        "priority=40,icmp6,icmp_type=135,in_port=%s,actions=LOCAL" % c.veth,
        "priority=40,icmp6,icmp_type=136,in_port=%s,actions=LOCAL" % c.veth,
        "priority=30,in_port=LOCAL,ipv6,actions=%s" % c.veth,
        "priority=30,in_port=LOCAL,ip,actions=mod_dl_dst:%s,%s"
        % (mac, c.veth),
        "priority=20,in_port=%s,ip,nw_dst=10.0.0.0/8,actions=LOCAL" % c.veth,
    ]
    for family in ("ip", "ipv6"):
        flows.append("priority=10,in_port=%s,%s,actions=mod_dl_dst:%s,%s"
                     % (c.veth, family, link_mac(system, A, port), port))
    for f in flows:
        out(system, A, "ovs-ofctl", "-O", "OpenFlow15", "--names",
            "add-flow", local, f)


@pytest.fixture(scope="module")
def exits(make_net, two_hosts, builddir):
    system = make_net(two_hosts, bare=True)
    agents.start(system, builddir)
    agents.apply(system)
    assert eventually(lambda: ", up" in system.appctl(A, "socknet-agent",
                                                      "exits"))
    add_flows(system, C)
    yield system


@pytest.fixture(autouse=True)
def clean_logs(exits, expect_logs):
    with exits.clean_logs(expect_logs, agents.CUT_OFF):
        yield


def warp(exits, *args):
    out(exits, A, "ip", "link", "set", "warp0", *args)


def warp_up(exits):
    """As the tunnel's own service does: Linux forgets the IPv6 addresses of
    a link that goes down."""
    warp(exits, "up")
    out(exits, A, "ip", "addr", "add", "fd00:aa:1::2/128", "dev", "warp0",
        "nodad", check=False)


def exit_line(exits):
    return exits.appctl(A, "socknet-agent", "exits")


def test_the_web_sees_the_tunnel(exits):
    assert exits.http(C) == SEEN4
    assert exits.http(C, WEB6) == SEEN6


def test_segments_fit_the_tunnel(exits):
    """What the far end is told, and what it may tell."""
    with exits.capture(A, "warp0", "tcp[tcpflags] = tcp-syn") as syns:
        assert exits.http(C) == SEEN4
    with exits.capture(C, "eth0", "tcp[tcpflags] & tcp-syn != 0") as inside:
        assert exits.http(C) == SEEN4

    def mss(packet):
        options = packet[40:20 + (packet[32] >> 4) * 4]
        assert options[:2] == b"\x02\x04"
        return int.from_bytes(options[2:4], "big")
    mtu = int(out(exits, A, "cat", "/sys/class/net/warp0/mtu"))
    # The container offers what it likes and is offered what fits.
    offered = [p for p in inside.ip() if p[33] & ACK]
    assert syns.frames and offered
    assert all(mss(p) == mtu - 40 for p in syns.ip() + offered)
    body = sockets.http_get(exits.ns(C), WEB4 + "bytes/100000", 10)
    assert len(body) == 100000


def test_tunnel_down_nothing_leaks(exits):
    """While it goes down, while it is down, and while it comes up."""
    with exits.capture(A, "eth0", "host 203.0.113.10") as leak:
        pinger = exits.pinger(C, "web").begun()
        warp(exits, "down")
        assert eventually(lambda: "down: warp0 is down" in exit_line(exits))
        assert exits.http_fails(C)
        assert exits.http_fails(C, WEB6)
        time.sleep(1)           # Of pings that must go nowhere.
        warp_up(exits)
        assert eventually(lambda: ", up" in exit_line(exits))
        assert exits.reaches(C, "web")
        got = pinger.stop()
    assert got.sent > got.lost > 0, got
    assert not leak.frames
    assert exits.http(C) == SEEN4 and exits.http(C, WEB6) == SEEN6


def test_tunnel_gone_nothing_leaks(exits):
    """The interface itself vanishes, and with it every route to it."""
    with exits.capture(A, "eth0", "host 203.0.113.10") as leak:
        pinger = exits.pinger(C, "web").begun()
        warp(exits, "down")
        warp(exits, "name", "elsewhere")
        try:
            assert eventually(lambda: "there is no interface warp0"
                              in exit_line(exits))
            assert exits.http_fails(C)
        finally:
            warp_back = ("ip", "link", "set", "elsewhere", "name", "warp0")
            out(exits, A, *warp_back)
            warp_up(exits)
        assert eventually(lambda: ", up" in exit_line(exits))
        pinger.stop()
    assert not leak.frames
    assert exits.reaches(C, "web")


@agents.not_in_vm
@pytest.mark.parametrize("broken", [
    ("ip", "route", "del", "unreachable", "default"),
    ("ip", "rule", "del", "iif", "x-warp0"),
])
def test_guard_holds_alone(exits, broken):
    """The tunnel is down, the agent dead, and one of the two lines of
    defence removed: the forward guard remains."""
    exits.kill(A, "agent")
    warp(exits, "down")
    try:
        table = exits_table(exits)
        if broken[1] == "route":
            broken += ("table", table, "metric", "4278198272")
        out(exits, A, *broken)
        with exits.capture(A, "eth0", "host 203.0.113.10") as leak:
            assert exits.ping(C, "web", 5, interval=0.05) == 0
        assert not leak.frames
    finally:
        warp_up(exits)
        exits.start(A, "agent")
    assert exits.reaches(C, "web")


def exits_table(exits):
    rules = out(exits, A, "ip", "rule", "show", "iif", "x-warp0")
    return rules.split("lookup ")[1].split()[0]


def test_exit_does_not_lead_to_the_host(exits):
    """An exit is not a way around "to the host only by rule": the host's own
    addresses are not the internet."""
    for address in ("198.51.100.11", "172.16.1.2", "169.254.83.183"):
        assert exits.ping(C, address, 1) == 0
    listing = out(exits, A, "nft", "list", "chain", "inet", "socknet",
                  "input")
    assert "counter packets 0 " not in listing


def test_container_cannot_use_the_hosts_default_route(exits):
    """Sent to the host's own MAC address by a flow that should not be."""
    out(exits, A, "ovs-ofctl", "-O", "OpenFlow15", "--names", "add-flow",
        "vmbr0", "priority=50,in_port=veth102,ip,nw_dst=203.0.113.0/24,"
        "actions=LOCAL")
    try:
        with exits.capture(A, "eth0", "host 203.0.113.10") as leak:
            assert exits.ping(C, "web", 2) == 0
        assert not leak.frames
    finally:
        out(exits, A, "ovs-ofctl", "-O", "OpenFlow15", "--names",
            "--strict", "del-flows", "vmbr0", "priority=50,in_port=veth102,"
            "ip,nw_dst=203.0.113.0/24")


@agents.not_in_vm
def test_userspace_datapath_has_no_bypass(exits):
    """The host's kernel gets the container's frames as well: it must not
    answer, whatever the flows say."""
    if "datapath: netdev" not in exits.appctl(A, "socknet-agent", "status"):
        pytest.skip("kernel datapath")
    veth = link_mac(exits, A, "veth102")
    out(exits, C, "ip", "route", "add", "198.51.100.11", "via", "10.0.0.1")
    out(exits, C, "ip", "neigh", "replace", "10.0.0.1", "lladdr", veth,
        "dev", "eth0")
    try:
        assert exits.ping(C, "198.51.100.11", 2) == 0
        settled(exits, A)
        out(exits, A, "nft", "delete", "table", "netdev", "socknet")
        assert eventually(lambda: "in_veth102" in nft(exits, A), 10, 0.02)
        assert exits.ping(C, "198.51.100.11", 2) == 0
        out(exits, A, "nft", "insert", "rule", "netdev", "socknet",
            "in_veth102", "accept")
        assert eventually(lambda: "accept" not in out(
            exits, A, "nft", "list", "table", "netdev", "socknet"), 10,
            0.02)
    finally:
        out(exits, C, "ip", "route", "del", "198.51.100.11")
        out(exits, C, "ip", "neigh", "del", "10.0.0.1", "dev", "eth0")


@agents.not_in_vm
def test_disabled_exit_is_removed(exits, two_hosts):
    off = two_hosts.read_text().replace(
        "{interface: warp0, enabled: true}",
        "{interface: warp0, enabled: false}")
    table = exits_table(exits)
    try:
        agents.apply(exits, off)
        assert eventually(lambda: "x-warp0" not in out(
            exits, A, "ovs-vsctl", "list-ports", "vmbr0"))
        assert eventually(lambda: "x-warp0" not in out(exits, A, "ip",
                                                       "rule"))
        assert out(exits, A, "ip", "route", "show", "table", table,
                   check=False) == ""
        # What is there now is for what comes late.
        assert eventually(lambda: "x-warp0" not in nft(exits, A))
        assert exits.run(A, "ip", "link", "show", "warp0").returncode == 0
    finally:
        agents.apply(exits)
    assert eventually(lambda: ", up" in exit_line(exits))
    assert exits_table(exits) == table
    # The port is a new one, with another number: the stand-in's flows too.
    add_flows(exits, C)
    assert exits.reaches(C, "web")
