"""Who talks to whom in examples/two-hosts.yaml, with real packets."""

import pytest

import sockets
from harness import FACTOR, WEB4, WEB6, inet

EGRESS4, EGRESS6 = inet.egress(1)


@pytest.mark.parametrize("version", (4, 6))
def test_same_host(net, version):
    assert net.reaches("mcp-server", "op-dbus-api", version)
    assert net.tcp("mcp-server", "op-dbus-api", 9574, version)


@pytest.mark.parametrize("version", (4, 6))
def test_across_hosts(net, version):
    assert net.reaches("mcp-server", "vector-db", version)
    assert net.tcp("op-dbus-api", "vector-db", 6333, version)


def test_across_hosts_tcp_and_udp_by_rule(net):
    assert net.tcp("op-dbus-api", "redis", 6379)
    assert net.udp("mcp-server", "redis", 8125)


def test_only_what_a_rule_says(net):
    assert not net.tcp("op-dbus-api", "vector-db", 6379, timeout=0.5)
    assert not net.udp("op-dbus-api", "redis", 8125, timeout=0.5)
    assert not net.tcp("redis", "op-dbus-api", 9574, timeout=0.5)
    assert not net.tcp("op-dbus-api", "mcp-server", 9573, timeout=0.5)
    assert net.ping("vector-db", "mcp-server", 2) == 0
    assert net.ping("redis", "vector-db", 2) == 0


@pytest.mark.parametrize("version", (4, 6))
def test_isolated_pair_but_replies_pass(net, version):
    """privacy is isolated from management; the other way has a rule."""
    assert net.ping("xray", "mcp-server", 2, version) == 0
    assert not net.tcp("xray", "mcp-server", 9573, version, 0.5)
    assert net.reaches("mcp-server", "xray", version)
    assert net.tcp("mcp-server", "xray", 443, version)
    with net.tcp_pair("mcp-server", "xray", 5000, version) as pair:
        assert pair.passes(forward=True)
        assert pair.passes(forward=False)
        # A connection that is open is no permission to open another.
        assert not net.tcp("xray", "mcp-server", 9573, version, 0.5)


def test_udp_replies_pass_and_create_nothing(net):
    with net.udp_pair("mcp-server", "xray", 5001) as pair:
        assert pair.passes(forward=True)
        assert pair.passes(forward=False)
    with net.udp_pair("xray", "mcp-server", 5002) as pair:
        assert not pair.passes(forward=True, timeout=0.5)


@pytest.mark.parametrize("who", ("xray", "gateway"))
def test_exit_shows_its_own_address(net, who):
    assert net.reaches(who, "web")
    assert net.http(who, WEB4) == EGRESS4


def test_exit_by_ipv6(net):
    assert net.reaches("xray", "web", 6)
    assert net.http("xray", WEB6) == EGRESS6


def test_exit_carries_full_sized_packets_both_ways(net):
    """1 MB down: the far end's segments are cut to the tunnel's MTU."""
    body = sockets.http_get(net.ns("xray"), WEB4 + "bytes/1000000", 20)
    assert len(body) == 1000000
    with sockets.connect(net.ns("xray"), inet.WEB4, 80) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: web\r\nX-Long: "
                  + b"x" * 60000 + b"\r\n\r\n")
        assert s.recv(64).startswith(b"HTTP/1.1 ")


def test_across_hosts_full_sized_packets(net):
    with net.tcp_pair("mcp-server", "xray", 5003) as local, \
            net.tcp_pair("mcp-server", "xray", 5004) as pair:
        assert local.passes() and pair.passes()
        for a, b in (pair.near, pair.far), (pair.far, pair.near):
            assert transfer(a, b, 1 << 20) == 1 << 20


def transfer(a, b, size):
    """Sends 'size' bytes from a to b; returns how many came."""
    sent = got = 0
    a.setblocking(False)
    b.settimeout(5 * FACTOR)
    while got < size:
        while sent < size:
            try:
                sent += a.send(bytes(min(65536, size - sent)))
            except BlockingIOError:
                break
        data = b.recv(1 << 20)
        if not data:
            break
        got += len(data)
    return got


def test_no_internet_without_exit_or_by_rule(net):
    uplink = {n: net.capture(n, "eth0", "host %s" % inet.WEB4)
              for n in ("oo1424oo", "node2")}
    with uplink["oo1424oo"] as a, uplink["node2"] as b:
        assert net.http_fails("mcp-server")     # segment: internet: deny
        assert net.http_fails("redis")          # no exit
    assert not a.frames, str(a)
    assert not b.frames, str(b)


def test_exit_container_does_not_use_the_uplink(net):
    with net.capture("oo1424oo", "eth0", "host %s" % inet.WEB4) as uplink, \
            net.capture("oo1424oo", "warp0", "host %s" % inet.WEB4) as warp:
        assert net.http("xray") == EGRESS4
    assert not uplink.frames, str(uplink)
    assert warp.frames


def test_nothing_comes_in_from_the_internet(net):
    """The internet has a route to the containers' subnet."""
    xray = net.address("xray")
    with net.capture("xray", "eth0", "host %s" % inet.WEB4) as inside, \
            net.capture("oo1424oo", "eth0", "host %s" % inet.WEB4) as uplink:
        with pytest.raises(OSError):
            sockets.connect(net.ns("web"), xray, 443, 0.7)
    assert uplink.frames        # it did come as far as the host
    assert not inside.frames, str(inside)


def test_container_and_host(net):
    """The host reaches its containers; they reach it only by a rule."""
    assert net.reaches("oo1424oo", "xray")
    assert net.reaches("oo1424oo", "xray", 6)
    assert net.ping("xray", "oo1424oo", 2) == 0
    assert net.ping("mcp-server", "oo1424oo", 2) == 0
    assert net.ping("xray", "198.51.100.11", 2) == 0


def test_no_flooding(net):
    """An ARP request reaches no other container, answered or not."""
    with net.capture("op-dbus-api", "eth0", "arp") as other:
        net.run("mcp-server", "arping", "-c", "1", "-w", "1", "-I", "eth0",
                "10.0.0.77", check=False)
        net.run("mcp-server", "arping", "-c", "1", "-w", "1", "-I", "eth0",
                "10.0.0.1", check=False)
    mac = bytes.fromhex(net.container("mcp-server").mac.replace(":", ""))
    assert not [f for f in other.frames if f[6:12] == mac], str(other)


def test_gateway_answers_arp(net):
    out = net.run("mcp-server", "arping", "-c", "1", "-w",
                  str(int(10 * FACTOR)), "-I", "eth0", "10.0.0.1",
                  check=False).stdout
    bridge = net.run("oo1424oo", "cat",
                     "/sys/class/net/vmbr0/address").stdout.strip()
    assert bridge.lower() in out.lower()
