"""A node without an endpoint sits behind a NAT and is part all the same."""

import pytest

from harness import eventually


@pytest.fixture(scope="module")
def natted(make_net, two_hosts):
    text = two_hosts.read_text().replace("    endpoint: 198.51.100.12\n", "")
    net = make_net(text)
    net.apply()
    net.settle()
    net.serve()
    return net


def test_across_the_nat(natted):
    assert natted.reaches("mcp-server", "vector-db", timeout=45)
    assert natted.reaches("mcp-server", "vector-db", 6)
    assert natted.tcp("op-dbus-api", "vector-db", 6333)
    assert natted.udp("mcp-server", "redis", 8125)
    assert not natted.tcp("redis", "op-dbus-api", 9574, timeout=0.5)


def test_seen_where_the_nat_is(natted):
    """The other host's view of it, roamed and reported."""
    assert natted.reaches("mcp-server", "vector-db")
    out = natted.run("oo1424oo", "wg", "show", "nm-privacy",
                     "endpoints").stdout
    assert "198.51.100.202:" in out
    assert eventually(lambda: "198.51.100.202:" in natted.appctl(
        "oo1424oo", "socknet-agent", "peers"))


def test_keepalive_only_behind_the_nat(natted):
    def keepalive(node):
        return natted.run(node, "wg", "show", "nm-privacy",
                          "persistent-keepalive").stdout.split()[1]
    assert keepalive("node2") == "25"
    assert keepalive("oo1424oo") == "off"


def test_second_apply_keeps_the_roamed_endpoint(natted):
    before = natted.run("oo1424oo", "wg", "show", "nm-privacy",
                        "endpoints").stdout
    natted.apply()
    assert natted.run("oo1424oo", "wg", "show", "nm-privacy",
                      "endpoints").stdout == before
    assert natted.reaches("mcp-server", "vector-db")


def test_logs(natted):
    """The agent's first touch of the bridge makes the switch close its
    connections, once."""
    assert natted.bad_log_lines({}, [r"\|(rconn|ofconn)\|.*connection"]) == []
