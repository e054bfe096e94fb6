"""Our daemons and the database may die: packets do not notice."""

import time

import pytest

from harness import eventually, pause

PAIRS = (("mcp-server", "op-dbus-api", 4),      # same host
         ("mcp-server", "vector-db", 4),        # across hosts
         ("mcp-server", "vector-db", 6),
         ("xray", "web", 4))                    # by the exit
NODES = ("oo1424oo", "node2")
# What the others say while one of them is away.
AWAY = [r"\|(reconnect|jsonrpc|stream_ssl|stream_fd|socket_util|ovsdb_idl)\|",
        r"\|(ovsdb_cs|db_conn|poll_loop|timeval)\|",
        r"database|connection|disconnected"]


def pings(net, seconds, between=lambda: None):
    """Runs all pairs for a while, 'between' in the middle of it."""
    running = [net.pinger(src, dst, 0.01, version).begun()
               for src, dst, version in PAIRS]
    time.sleep(seconds / 2)
    between()
    time.sleep(seconds / 2)
    return [p.stop() for p in running]


@pytest.fixture
def idle(net):
    for src, dst, version in PAIRS:
        assert net.reaches(src, dst, version)
    return [p.lost for p in pings(net, 3)]


def in_force(net, marker):
    """An apply that changes something is confirmed by every node."""
    p = net.apply(net.base.read_text().replace(
        "domain: privacy-mesh.internal", "domain: %s.internal" % marker))
    return p.returncode == 0


@pytest.mark.parametrize("what", ("controller", "agent", "db"))
def test_killed_and_restarted(net, idle, what, expect_logs):
    expect_logs += AWAY
    nodes = ("oo1424oo",) if what == "db" else NODES
    devices = [wg_identity(net, n) for n in NODES]
    flows = [sorted_flows(net, n) for n in NODES]

    def kill_and_restart():
        for n in nodes:
            net.kill(n, what)
        time.sleep(1)
        for n in nodes:
            net.start(n, what)
    results = pings(net, 4, kill_and_restart)
    for pair, before, result in zip(PAIRS, idle, results):
        assert result.sent > 10
        assert result.lost <= before, "%s after %s: %s" % (pair, what,
                                                           result)
    assert in_force(net, "after-" + what)
    net.reset()
    assert [wg_identity(net, n) for n in NODES] == devices
    assert [sorted_flows(net, n) for n in NODES] == flows


def wg_identity(net, node):
    """What a device that was made anew, or peers that were, would lose."""
    index = net.run(node, "cat",
                    "/sys/class/net/nm-privacy/ifindex").stdout.strip()
    key = net.run(node, "wg", "show", "nm-privacy", "public-key").stdout
    peers = net.run(node, "wg", "show", "nm-privacy", "peers").stdout
    return index, key, peers


def sorted_flows(net, node):
    """Flows without what counts or ages."""
    return sorted(" ".join(
        f for f in flow.replace(", ", " ").split()
        if not f.startswith(("duration=", "n_packets=", "n_bytes=",
                             "idle_age=", "hard_age="))) for flow in
        net.flows(node))


def test_counters_go_on(net, expect_logs):
    """A flow that stays keeps its count over a controller's restart."""
    expect_logs += AWAY

    def packets():
        return sum(int(f.split("n_packets=")[1].split(",")[0])
                   for f in net.flows("oo1424oo"))
    assert net.reaches("mcp-server", "op-dbus-api")
    before = eventually(packets)
    net.kill("oo1424oo", "controller")
    net.start("oo1424oo", "controller")
    pause(1)
    assert packets() >= before


def test_database_away_for_a_while(net, expect_logs):
    """Hosts and switches go on enforcing; afterwards changes arrive."""
    expect_logs += AWAY
    net.kill("oo1424oo", "db")
    try:
        assert net.reaches("mcp-server", "vector-db")
        assert net.http("xray")
        assert net.ping("xray", "mcp-server", 2) == 0
    finally:
        net.start("oo1424oo", "db")
    assert in_force(net, "after-away")


def test_switch_restarted(net, expect_logs):
    """ovs-vswitchd comes back empty; the controller fills it again."""
    expect_logs += AWAY + [r"vmbr0|bridge|OpenFlow|switch"]
    net.kill("node2", "vswitchd")
    net.start("node2", "vswitchd")
    assert net.reaches("mcp-server", "vector-db")
    assert net.reaches("mcp-server", "vector-db", 6)
    assert not net.tcp("redis", "op-dbus-api", 9574, timeout=0.5)


def test_flow_deleted_by_hand_is_repaired(net, expect_logs):
    expect_logs += [r"repair|foreign|deleted|missing"]
    before = sorted_flows(net, "oo1424oo")
    repairs = net.stats("oo1424oo", "socknet-controller")["repairs"]
    net.run("oo1424oo", "ovs-ofctl", "-O", "OpenFlow15", "del-flows",
            "vmbr0")
    assert eventually(lambda: sorted_flows(net, "oo1424oo") == before)
    assert eventually(lambda: net.stats(
        "oo1424oo", "socknet-controller")["repairs"] > repairs)
