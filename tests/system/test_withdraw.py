"""A rule that is withdrawn cuts the connections that it had allowed."""

import pytest

from harness import eventually

CASES = [
    ("api-to-vectors", "tcp", "op-dbus-api", "vector-db", 6334, 4),
    ("api-to-vectors", "tcp", "op-dbus-api", "vector-db", 6334, 6),
    ("mcp-metrics", "udp", "mcp-server", "redis", 8126, 4),
    ("mcp-to-api", "tcp", "mcp-server", "op-dbus-api", 9575, 4),
]


def with_port(net, port):
    """The base state with one more port, which no echo server has."""
    old = {6334: "6333", 8126: "8125", 9575: "9574"}[port]
    text = net.base.read_text()
    assert text.count(':%s"], proto' % old) == 1
    return text.replace(':%s"], proto' % old,
                        ':%s,%d"], proto' % (old, port))


def open_pair(net, proto, src, dst, port, version):
    make = net.tcp_pair if proto == "tcp" else net.udp_pair
    return make(src, dst, port, version)


def assert_cut(pair):
    """The switch has confirmed its tables; its datapath follows, a moment
    later, and on a busy machine that is one that can be seen."""
    assert eventually(lambda: not pair.passes(forward=True, timeout=0.7), 3)
    assert not pair.passes(forward=True, timeout=0.7)
    assert not pair.passes(forward=False, timeout=0.7)


@pytest.mark.parametrize("rule,proto,src,dst,port,version", CASES)
def test_withdrawn_rule_cuts(net, rule, proto, src, dst, port, version):
    net.apply(with_port(net, port))
    with open_pair(net, proto, src, dst, port, version) as pair:
        assert pair.passes(forward=True)
        assert pair.passes(forward=False)
        net.apply(net.without_acl(rule))
        assert_cut(pair)


@pytest.mark.parametrize("proto", ("tcp", "udp"))
def test_new_deny_cuts(net, proto):
    """An emergency rule cuts what an accepted connection was doing."""
    with open_pair(net, proto, "mcp-server", "xray", 5010, 4) as pair:
        assert pair.passes(forward=True)
        assert pair.passes(forward=False)
        net.apply(net.base.read_text().replace(
            "acls:\n", "emergency:\n  - {name: stop, action: deny, "
            "src: [mcp-server], dst: [xray]}\nacls:\n"))
        assert_cut(pair)


def test_other_connections_go_on(net):
    """Only what the withdrawn rule had allowed is cut."""
    with net.tcp_pair("mcp-server", "xray", 5011) as pair:
        assert pair.passes()
        net.apply(net.without_acl("api-to-vectors"))
        assert pair.passes(forward=True)
        assert pair.passes(forward=False)


def test_a_rule_given_back_works_again(net):
    def opens(timeout):
        return net.tcp("mcp-server", "op-dbus-api", 9574, timeout=timeout)
    net.apply(net.without_acl("mcp-to-api"))
    # The datapath follows a moment later, as above.
    assert eventually(lambda: not opens(0.5), 3)
    assert not opens(0.5)
    net.apply()
    assert eventually(lambda: opens(1))
