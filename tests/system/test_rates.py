"""Rates, by what really arrives.

No figure stands alone: what is limited is compared with its limit and with
the same traffic without one, in the same test.  SOCKNET_SHOW_RATES=1 prints
the figures."""

import os
import select
import threading
import time
from concurrent import futures

import pytest

import sockets
from harness import eventually, pause

SECONDS = 1.2
TRIES = 4
HEAD = 0.4              # Until a new connection has found its rate.
PORT = 5060
MBIT = 1e6


def receive_rate(sock, size):
    """Bits per second that arrive, after the first moments."""
    n = 0
    start = time.monotonic() + HEAD
    end = start + SECONDS
    while time.monotonic() < end:
        if select.select([sock], [], [], 0.05)[0]:
            got = len(sock.recv(size))
            if time.monotonic() >= start:
                n += got
    return 8 * n / SECONDS


def flow(pair, datagram=0):
    """What one end of a pair gets if the other sends as fast as it can."""
    stop = threading.Event()
    data = b"x" * (datagram or 65536)
    near, far = pair.near, pair.far
    near.setblocking(False)

    def push():
        while not stop.is_set():
            try:
                near.send(data)
            except BlockingIOError:
                select.select([], [near], [], 0.05)
            except OSError:
                if not datagram:
                    return
    thread = threading.Thread(target=push, daemon=True)
    thread.start()
    try:
        return receive_rate(far, 65536)
    finally:
        stop.set()
        thread.join(5)


def flows(pairs, datagram=0):
    """The same of pairs that send at once."""
    start = threading.Barrier(len(pairs))

    def measure(pair):
        start.wait()
        return flow(pair, datagram)
    with futures.ThreadPoolExecutor(len(pairs)) as pool:
        return list(pool.map(measure, pairs))


def with_rate(net, name, text):
    """The base state with one more line in a container or a rule."""
    base = net.base.read_text()
    if ", proto" in text or name.startswith("acl "):
        old = "name: %s, " % name[len("acl "):]
        assert base.count(old) == 1
        return base.replace(old, old + text + ", ")
    c = net.container(name)
    old = "          veth: %s\n" % c.veth
    assert base.count(old) == 1
    return base.replace(old, old + "          %s\n" % text)


def tcp(net, src="mcp-server", dst="xray", version=4):
    with net.tcp_pair(src, dst, PORT, version) as pair:
        return flow(pair)


def udp(net, src="mcp-server", dst="xray", size=1000):
    with net.udp_pair(src, dst, PORT) as pair:
        return flow(pair, size)


def show(*args):
    if os.environ.get("SOCKNET_SHOW_RATES"):
        print("\n   ", *args)


def measured(measure, is_right):
    """The first figure that is right, or the last one: who sends or reads
    may stand still for a part of the time on a machine that is busy, and
    who reads has then more to read.  What is not limited is never right."""
    for _ in range(TRIES):
        figure = measure()
        if is_right(figure):
            break
    return figure


def measure_free(measure, limit):
    free = measured(measure, lambda rate: rate > 2 * limit)
    assert free > 2 * limit, "too slow a machine to tell"
    return free


def check(what, free, measure, limit):
    limited = measured(measure,
                       lambda rate: 0.25 * limit < rate < 1.4 * limit)
    show("%s: %.1f Mbit/s without, %.2f with a limit of %.1f"
         % (what, free / MBIT, limited / MBIT, limit / MBIT))
    assert limited < 1.4 * limit
    assert limited > 0.25 * limit


LIMIT = 10 * MBIT


@pytest.mark.parametrize("what, how", [
    ("egress", tcp), ("egress", udp), ("ingress", tcp), ("ingress", udp)])
def test_container(net, what, how):
    """The least a rate lets through is most of it, also for TCP."""
    free = measure_free(lambda: how(net), LIMIT)
    who = "mcp-server" if what == "egress" else "xray"
    net.apply(with_rate(net, who, "rate: {%s: 10Mbit}" % what))
    check("%s %s" % (how.__name__, what), free, lambda: how(net), LIMIT)


def test_both_families_share_a_rate(net):
    """One meter per container, not one per address."""
    def both():
        with net.tcp_pair("mcp-server", "xray", PORT, 4) as four, \
                net.tcp_pair("mcp-server", "xray", PORT + 1, 6) as six:
            return sum(flows((four, six)))
    free = measure_free(both, LIMIT)
    net.apply(with_rate(net, "mcp-server", "rate: {egress: 10Mbit}"))
    check("IPv4 and IPv6 together", free, both, LIMIT)


def test_across_hosts_and_rule(net):
    """A rule's rate, at the host that decides: the client's, then also the
    server's."""
    def measure():
        with net.tcp_pair("op-dbus-api", "vector-db", 6334) as pair:
            return flow(pair)
    open_port = net.base.read_text().replace(':6333"], proto',
                                             ':6333,6334"], proto')
    net.apply(open_port)
    free = measure_free(measure, LIMIT)
    rule = "name: api-to-vectors, "
    net.apply(open_port.replace(rule, rule + "rate: 10Mbit, "))
    check("rule, tcp across hosts", free, measure, LIMIT)


def test_packets_per_second(net):
    limit = 500 * 200 * 8
    free = measure_free(lambda: udp(net, size=200), limit)
    net.apply(with_rate(net, "mcp-server", "rate: {pps: 500}"))
    check("500 pps of 200 bytes", free, lambda: udp(net, size=200), limit)


def test_change_and_removal_take_effect_on_running_traffic(net):
    net.apply(with_rate(net, "mcp-server", "rate: {egress: 1Mbit}"))
    with net.udp_pair("mcp-server", "xray", PORT) as pair:
        def measure():
            return flow(pair, 1000)
        slow = measured(measure, lambda rate: rate < 1.4 * MBIT)
        net.apply(with_rate(net, "mcp-server", "rate: {egress: 10Mbit}"))
        faster = measured(measure, lambda rate: 2 * MBIT < rate < 1.4 * LIMIT)
        net.apply()
        free = measure_free(measure, LIMIT)
    show("1, 10 and any Mbit/s:", *("%.2f" % (x / MBIT)
                                    for x in (slow, faster, free)))
    assert slow < faster < free
    assert slow < 2 * MBIT
    assert faster < 1.4 * LIMIT


def test_no_difference_sends_nothing(net):
    net.apply(with_rate(net, "mcp-server",
                        "rate: {egress: 10Mbit, ingress: 5Mbit}"))
    before = net.counters()
    stats = net.stats("oo1424oo", "socknet-controller")
    net.apply(net.applied)
    assert net.counters() == before
    now = net.stats("oo1424oo", "socknet-controller")
    assert now["meter_mods_sent"] == stats["meter_mods_sent"]


def test_vswitchd_restarted(net, expect_logs):
    """Its meters come back with its flows."""
    expect_logs += [r"connection to .* lost", r"rconn", r"reconnect"]
    net.apply(with_rate(net, "mcp-server", "rate: {egress: 10Mbit}"))
    net.kill("oo1424oo", "vswitchd")
    net.start("oo1424oo", "vswitchd")
    assert net.reaches("mcp-server", "xray", timeout=20)
    assert eventually(lambda: "rate=10000" in net.run(
        "oo1424oo", "ovs-ofctl", "-O", "OpenFlow15", "dump-meters",
        "vmbr0").stdout)
    assert measured(lambda: udp(net),
                    lambda rate: rate < 1.4 * LIMIT) < 1.4 * LIMIT


def test_flood_of_connections(net):
    """A scan gets no more connections than its limit; the others go on."""
    state = net.base.read_text()
    old = "  name: "
    assert old in state
    net.apply(state.replace("mesh:\n", "mesh:\n  new_connections: 50\n", 1))
    assert net.tcp("mcp-server", "op-dbus-api", 9574)
    pause(0.5)          # The datapath follows its tables a moment later.
    with sockets.udp(net.ns("mcp-server"), "0.0.0.0") as s:
        target = net.resolve("xray")
        start = time.monotonic()
        n = 0
        while n < 1000 or time.monotonic() < start + 1:
            s.sendto(b"x", (target, 1024 + n % 60000))
            n += 1
        took = time.monotonic() - start
    table = net.run("oo1424oo", "ovs-appctl", "dpctl/dump-conntrack").stdout
    source = "orig=(src=%s,dst=%s," % (net.address("mcp-server"), target)
    n_open = sum("udp," in line and source in line
                 for line in table.splitlines())
    show("%d connections tried, %d recorded" % (n, n_open))
    assert 5 <= n_open < n / 2
    assert n_open < 200 + 50 * took
    assert eventually(lambda: net.tcp("op-dbus-api", "vector-db", 6333))
