"""Hosts behind NATs of every kind: who reaches whom how, what a hub sees of
what it relays, and what becomes of it when something changes."""

import json
import os
import re
import socket
import sqlite3
import struct
import time

import agents
import pytest
import sockets
from agents import all_pairs, paths, wrong_paths
from harness import eventually, pause
from socklab import daemons

STATE = """\
# lab: {cone: {nat: cone, hairpin: true}, addr: {nat: address-restricted}}
# lab: {port: {}, sym: {nat: symmetric}, sym2: {nat: symmetric}}
# lab: {twice: {nat: [port-restricted, port-restricted]}}
# lab: {blocked: {nat: blocked}, lan: {behind: port}, hair: {behind: cone}}
mesh: {name: privacy-mesh, prefix: 100.64.0.0/24, interface: nm-privacy}
nodes:
  hub: {endpoint: 198.51.100.11, subnet: 10.0.1.0/24}
  hub2: {endpoint: 198.51.100.12, subnet: 10.0.2.0/24}
  cone: {subnet: 10.0.3.0/24}
  addr: {subnet: 10.0.4.0/24}
  port: {subnet: 10.0.5.0/24}
  sym: {subnet: 10.0.6.0/24}
  sym2: {subnet: 10.0.7.0/24}
  twice: {subnet: 10.0.8.0/24}
  blocked: {subnet: 10.0.9.0/24}
  lan: {subnet: 10.0.10.0/24, listen_port: 51822}
  hair: {subnet: 10.0.11.0/24, listen_port: 51822}
"""
NODES = re.findall(r"^  (\w+):", STATE, re.M)
GATEWAY = {n: "10.0.%d.1" % k for k, n in enumerate(NODES, 1)}
PAIRS = all_pairs(NODES)
# Those that let in only whom they called, from the port that they called.
STRICT = {"port", "twice", "lan", "hair"}
# Ports of the underlay's bridge.
UPLINK = {"hub2": "u2"}
RELAYS = "portrange 51900-52899"
PING_S = 0.02


def right_path(a, b):
    pair = {a, b}
    if "blocked" in pair:
        return "tcp-relay"
    if pair in ({"port", "lan"}, {"cone", "hair"}):
        return "lan"
    if pair == {"sym", "sym2"} or ("sym" in a + b and pair & STRICT):
        return "relay"
    return "direct"


def path(net, a, b):
    return paths(net)[min(a, b), max(a, b)]["path"]


def wrong(net):
    return wrong_paths(net, PAIRS, right_path)


def assert_right(net):
    """Each pair's path, which may take more than one attempt."""
    assert eventually(lambda: not wrong(net), 90, 0.3), wrong(net)


def relay_of(net, a, b):
    """The hub by which a pair's packets go."""
    assert eventually(lambda: path(net, a, b) == "relay", 60), paths(net)[a, b]
    return paths(net)[a, b]["relay"]


@pytest.fixture(scope="module")
def net(make_net, builddir):
    system = make_net(STATE, bare=True)
    agents.start(system, builddir)
    system.apply(wait=False)
    yield system


@pytest.fixture(autouse=True)
def clean_logs(net, expect_logs):
    with net.clean_logs(expect_logs, agents.CUT_OFF):
        yield


def test_each_pair_takes_its_path(net):
    assert_right(net)


def test_each_pair_is_connected(net):
    """WireGuard takes 15 s to begin a session anew that two calls at once
    have spoiled."""
    for a, b in PAIRS:
        assert net.reaches(a, GATEWAY[b], timeout=60), (a, b,
                                                        paths(net)[a, b])


def test_relays_carry_the_largest_packets(net):
    """WireGuard fills up what it sends to 16 octets, but not those."""
    def passes(a, b):
        return "1 received" in net.run(
            a, "ping", "-nc1", "-W2", "-M", "do", "-s", "1392", GATEWAY[b],
            check=False).stdout
    for a, b in (("sym", "sym2"), ("blocked", "cone"), ("addr", "cone")):
        assert eventually(lambda p=(a, b): passes(*p), 10), (a, b)


def test_status_counts_the_relayed(net):
    n = sum("relay" in right_path(*p) for p in PAIRS)
    right = "%d of %d pairs of nodes are relayed" % (n, len(PAIRS))

    def status():
        return daemons.socknet(net.lab, "hub", "status").stdout
    assert eventually(lambda: right in (out := status())
                      and "no path" not in out), status()


def test_peers_says_why(net):
    assert relay_of(net, "sym", "sym2") in ("hub", "hub2")
    for pair, why in (
            (("sym", "sym2"),
             "NAT of sym has another port for each destination"),
            (("blocked", "cone"), "no UDP from anybody reaches blocked")):
        assert eventually(lambda p=pair, w=why: w in paths(net)[p]["reason"]
                          ), paths(net)[pair]


def known_reports(net, node):
    """(reporter, peer) of the reports that a node's agent keeps."""
    path = os.path.join(os.path.dirname(agents.key_file(net, node)),
                        "agent-cache.db")
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as db:
        rows = db.execute("SELECT columns FROM rows"
                          " WHERE name = 'Peer_Status'").fetchall()
    return {(r["node"], r["peer"]) for r in (json.loads(x) for x, in rows)}


def test_agents_are_told_what_concerns_them(net):
    """Not of each pair: reports grow with the square of the mesh."""
    public = {"hub", "hub2"}
    wanted = {(a, b) for a in NODES for b in NODES if a != b and (
        b not in public or "addr" in (a, b))}
    assert eventually(lambda: known_reports(net, "addr") == wanted, 40, 0.5)
    assert len(wanted) < len(NODES) * (len(NODES) - 1)


def wg_message(payload):
    """Whether this can be one of WireGuard's."""
    sizes = {1: 148, 2: 92, 3: 64}
    kind = payload[0] if payload[1:4] == b"\0\0\0" else 0
    return len(payload) == sizes.get(kind) or (kind == 4 and
                                               len(payload) >= 32)


def test_hub_sees_only_wireguard(net):
    hub = relay_of(net, "sym", "sym2")
    with net.capture(hub, "eth0", "udp and " + RELAYS) as cap:
        assert eventually(lambda: net.ping("sym", GATEWAY["sym2"], 5,
                                           interval=0.05) == 5)
    payloads = [f[42:] for f in cap.frames]
    assert len(payloads) >= 20      # each echo and reply comes and goes
    assert all(wg_message(p) for p in payloads)


def relay_port(net, hub, a, b):
    """Where a hub relays for a pair by UDP."""
    return int(eventually(lambda: re.search(
        r"^pair %s %s (\d+) 0" % (a, b),
        net.run(hub, "cat", "/run/socknet/relay/status").stdout, re.M))[1])


def test_nothing_else_passes_a_relay(net):
    """What is no handshake for one of the pair brings no answer and reaches
    nobody."""
    hub = relay_of(net, "sym", "sym2")
    port = relay_port(net, hub, "sym", "sym2")
    address = net.lab.node(hub).endpoint
    with net.capture("nat-sym", "eth0", "udp and " + RELAYS) as cap:
        s = sockets.udp(net.ns("internet"), "0.0.0.0")
        for payload in (b"hello", b"\1\0\0\0" + 144 * b"x",
                        b"\2\0\0\0" + 88 * b"x", b"\4\0\0\0" + 60 * b"x"):
            s.sendto(payload, (address, port))
        s.settimeout(0.3)
        with pytest.raises(OSError):
            s.recv(100)
        s.close()
    assert not any(b"xxxxxxxx" in f for f in cap.frames)


def quiet_pinger(net, a, b):
    assert net.reaches(a, GATEWAY[b])
    return net.pinger(a, GATEWAY[b], PING_S).begun()


def restart_agent(net, node):
    net.kill(node, "agent")
    net.start(node, "agent")
    assert eventually(lambda: agents.generations(net, node)[0] > 0)


def test_agents_restart_and_relaying_goes_on(net):
    hub = relay_of(net, "sym", "sym2")
    pings = [quiet_pinger(net, "sym", "sym2"),
             quiet_pinger(net, "blocked", "cone")]
    for node in (hub, "sym", "blocked"):
        restart_agent(net, node)
    pause(1)
    for p in pings:
        got = p.stop()
        assert not got.missing, got
    assert relay_of(net, "sym", "sym2") == hub


def own_key(net, node):
    return net.run(node, "wg", "show", "nm-privacy",
                   "public-key").stdout.strip()


def keys(net, node):
    return net.run(node, "wg", "show", "nm-privacy", "peers").stdout


@pytest.mark.parametrize("node", ("sym", "blocked", "hub"))
def test_rotation_of_the_relayed(net, node):
    """A key is as easily changed behind a relay, or where the relay is."""
    pings = [quiet_pinger(net, "sym", "sym2"),
             quiet_pinger(net, "blocked", "cone"),
             quiet_pinger(net, node, "twice" if node == "hub" else "hub2")]
    before = own_key(net, node)
    net.socknet("hub", "node", "rotate", node)
    assert eventually(lambda: own_key(net, node) != before)
    assert eventually(lambda: all(own_key(net, node) in keys(net, n)
                                  for n in NODES if n != node))
    pause(1)
    for p in pings:
        got = p.stop()
        # Less than WireGuard waits before it tries again.
        assert got.gap < 4 and got.lost * PING_S < 4, got
    assert_right(net)


def test_killed_relay_comes_back(net):
    hub = relay_of(net, "sym", "sym2")
    pid = net.run(hub, "pidof", "socknet-relay").stdout.split()
    assert len(pid) == 1
    pinger = quiet_pinger(net, "sym", "sym2")
    net.run(hub, "kill", "-9", *pid)
    assert eventually(lambda: net.run(
        hub, "pidof", "socknet-relay", check=False).stdout.split()
        not in (pid, []))
    assert net.reaches("sym", GATEWAY["sym2"])
    got = pinger.stop()
    assert got.gap < 8, got         # WireGuard notices after 15.
    # The others were idle: nobody waits for WireGuard to notice.
    now = paths(net)
    for p in PAIRS:
        if now[p]["path"] == "tcp-relay" or now[p]["relay"] == hub:
            assert net.reaches(p[0], GATEWAY[p[1]], timeout=40), now[p]


def cut(net, a, b):
    """No direct packet between the NATs of two nodes."""
    address = "198.51.100.%d" % (200 + net.lab.node(b).index)
    net.run("nat-" + a, "nft", "add rule ip lab input ip saddr %s drop; "
            "insert rule ip lab forward ip saddr %s drop; "
            "insert rule ip lab forward ip daddr %s drop" % (3 * (address,)))


def mend(net, a):
    for chain in ("forward", "input"):
        out = net.run("nat-" + a, "nft", "-a", "list", "chain", "ip", "lab",
                      chain).stdout
        for handle in re.findall(r"ip [sd]addr 198\S+ drop # handle (\d+)",
                                 out):
            net.run("nat-" + a, "nft", "delete", "rule", "ip", "lab", chain,
                    "handle", handle)


def test_falls_back_and_returns(net):
    pinger = quiet_pinger(net, "addr", "cone")
    cut(net, "addr", "cone")
    try:
        start = time.monotonic()
        relay_of(net, "addr", "cone")
        print("to the relay: %.1f s" % (time.monotonic() - start))
        got = pinger.stop()
        assert 0 < got.gap < 30, got
        pinger = quiet_pinger(net, "addr", "cone")
    finally:
        mend(net, "addr")
    start = time.monotonic()
    assert eventually(lambda: path(net, "addr", "cone") == "direct", 90)
    print("back: %.1f s" % (time.monotonic() - start))
    got = pinger.stop()
    assert len(got.missing) <= 1, got
    # Others of the same NATs were cut as well; one end may have seen it.
    assert_right(net)


def test_one_hears_nothing_for_a_moment(net):
    """It looks for another way, finds the one that it has, and is content:
    nobody has anything to send that would show that it is good."""
    assert_right(net)
    log = net.lab.hosts["addr"].path("log-socknet", "socknet-agent.log")
    with open(log) as f:
        pinger = quiet_pinger(net, "addr", "hair")
        f.seek(0, os.SEEK_END)
        net.run("nat-addr", "nft", "insert rule ip lab forward "
                "ip saddr 198.51.100.203 drop")
        assert eventually(lambda: "hair: path none" in f.read(), 30, 0.02)
        pinger.p.kill()
        mend(net, "addr")
        assert eventually(lambda: "hair: path direct" in f.read(), 90, 0.02)
    pinger.p.wait()
    assert_right(net)


def forget_connections(ns):
    """What `conntrack -F` does."""
    delete, request, ack = 1 << 8 | 2, 1, 4
    with sockets.netns(ns), socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:
        s.send(struct.pack("IHHIIBBH", 20, delete, request | ack, 1, 0,
                           socket.AF_UNSPEC, 0, 0))
        assert struct.unpack_from("i", s.recv(4096), 16)[0] == 0


def test_mapping_moves(net, expect_logs):
    """The provider gives the router another address."""
    expect_logs += ["no response to inactivity probe"]
    old, new = "198.51.100.205", "198.51.100.225"
    assert net.reaches("port", GATEWAY["twice"])
    net.run("nat-port", "ip", "addr", "del", old + "/24", "dev", "eth0")
    forget_connections(net.ns("nat-port"))
    net.run("nat-port", "ip", "addr", "add", new + "/24", "dev", "eth0")
    net.run("nat-port", "ip", "route", "add", "default", "via",
            "198.51.100.254")
    start = time.monotonic()
    for node in ("hub", "twice", "cone"):
        assert net.reaches(node, GATEWAY["port"], timeout=60), node
    print("reached again: %.1f s" % (time.monotonic() - start))
    assert_right(net)


def cpu_seconds(net, node):
    """(used by the agent, the time now)."""
    pid = net.run(node, "pidof", "socknet-agent").stdout.split()[0]
    fields = net.run(node, "cat", "/proc/%s/stat" % pid).stdout.rsplit(")")[1]
    used = sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")
    return used, time.monotonic()


def share(before, after):
    """Of a processor."""
    return (after[0] - before[0]) / (after[1] - before[1])


def move_to(net, hub, a, b):
    """Who had trouble at a hub stays at the other one: by now that may be
    all pairs."""
    other = relay_of(net, a, b)
    if other != hub:
        net.run(other, "nft", "add table inet cut; add chain inet cut input "
                "{ type filter hook input priority 0; }; add rule inet cut "
                "input udp dport %d drop" % relay_port(net, other, a, b))
        pinger = net.pinger(a, GATEWAY[b], PING_S)
        assert eventually(lambda: paths(net)[a, b]["relay"] == hub, 90)
        pinger.stop()
        net.run(other, "nft", "delete", "table", "inet", "cut")


def test_hub_dies(net, expect_logs):
    """Whom it relayed goes by the other one.  The last test: the hub stays
    dead."""
    expect_logs += ["no response to inactivity probe"]
    hub = "hub2"
    move_to(net, hub, "sym", "sym2")
    now = paths(net)
    pairs = {right_path(*p): p for p in PAIRS
             if hub not in p and now[p]["relay"] == hub}
    assert "relay" in pairs, now
    pings = {p: quiet_pinger(net, *p) for p in pairs.values()}
    net.run("ul", "ip", "link", "set", UPLINK[hub], "down")
    start = time.monotonic()
    for kind, p in pairs.items():
        assert eventually(lambda: paths(net)[p]["relay"] == "hub"
                          and path(net, *p) == kind, 90, 0.2), paths(net)[p]
        assert net.reaches(p[0], GATEWAY[p[1]], timeout=40), paths(net)[p]
        print("%s by another hub: %.1f s" % (kind, time.monotonic() - start))
    for p in pings.values():
        print(p.stop())
    before = {n: cpu_seconds(net, n) for n in NODES if n not in ("hub", hub)}
    pause(2)
    busy = {n: share(before[n], cpu_seconds(net, n)) for n in before}
    assert not [n for n in busy if busy[n] > 0.4], busy
