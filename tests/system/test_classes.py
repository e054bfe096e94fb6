"""Priority classes, by who gets through when all want more than there is."""

import pytest

from harness import eventually
from test_rates import flows, measured, show

REALTIME_TOS = 46 << 2


def with_classes(net, first, second, rate="10Mbit"):
    """mcp-server and op-dbus-api may send to the data hosts, each in its
    class, through a mesh of 10 Mbit/s."""
    text = net.base.read_text()
    for name, word in (("mcp-server", first), ("op-dbus-api", second)):
        old = "          veth: %s\n" % net.container(name).veth
        assert text.count(old) == 1
        text = text.replace(old, old + "          class: %s\n" % word)
    old = "    networking:\n"
    assert text.count(old) == 1     # Of oo1424oo.
    text = text.replace(old, old + "      mesh_rate: %s\n" % rate)
    return text.replace("acls:\n", "acls:\n  - {name: flood, action: accept, "
                        "src: [mcp-server, op-dbus-api], dst: ['tag:data'], "
                        "proto: udp}\n", 1)


def flood(net):
    """What arrives of two floods at once, in bits per second."""
    with net.udp_pair("mcp-server", "redis", 5100) as first, \
            net.udp_pair("op-dbus-api", "vector-db", 5101) as second:
        return flows((first, second), 1000)


def qdisc(net):
    return net.run("oo1424oo", "tc", "qdisc", "show", "dev",
                   "nm-privacy").stdout


def has_queues(net):
    return eventually(lambda: "htb 53:" in qdisc(net))


def test_higher_class_first(net):
    net.apply(with_classes(net, "realtime", "bulk"))
    assert has_queues(net)
    # A slow machine's first flood may still be finding its way.
    first, second = measured(lambda: flood(net), lambda got: (
        got[0] > 4 * got[1] and got[1] > 0.2e6 and sum(got) < 13e6))
    show("realtime %.2f, bulk %.2f Mbit/s" % (first / 1e6, second / 1e6))
    assert first > 4 * second
    assert second > 0.2e6           # Its tenth.
    assert first + second < 13e6


def test_same_class_shares(net):
    net.apply(with_classes(net, "bulk", "bulk"))
    assert has_queues(net)
    first, second = measured(lambda: flood(net), lambda got: (
        max(got) < 3 * min(got) and 5e6 < sum(got) < 13e6))
    show("bulk %.2f, bulk %.2f Mbit/s" % (first / 1e6, second / 1e6))
    assert first < 3 * second and second < 3 * first
    assert 5e6 < first + second < 13e6


def test_change_and_removal(net):
    net.apply(with_classes(net, "realtime", "bulk"))
    assert has_queues(net)
    before = net.counters()
    net.apply(net.applied)
    assert net.counters() == before
    net.apply(with_classes(net, "realtime", "bulk", "20Mbit"))
    assert eventually(lambda: "rate 20Mbit" in net.run(
        "oo1424oo", "tc", "class", "show", "dev", "nm-privacy").stdout)
    # Somebody's own is left alone.
    net.apply()
    assert eventually(lambda: "htb 53:" not in qdisc(net))
    net.run("oo1424oo", "tc", "qdisc", "add", "dev", "nm-privacy", "root",
            "handle", "77:", "pfifo")
    net.appctl("oo1424oo", "socknet-agent", "resync")
    assert "pfifo 77:" in qdisc(net)
    net.run("oo1424oo", "tc", "qdisc", "del", "dev", "nm-privacy", "root")


@pytest.mark.parametrize("version", (4, 6))
def test_mark_within_the_tunnel_and_not_without(net, version):
    """What state-file.md says of WireGuard."""
    net.apply(with_classes(net, "realtime", "bulk"))
    inner = ("ip[1] == %d" % REALTIME_TOS if version == 4
             else "ip6[0:2] & 0x0ff0 == %d" % (REALTIME_TOS << 4))
    with net.capture("vector-db", "eth0", inner) as marked, \
            net.capture("node2", "eth0", "udp") as tunnel, \
            net.capture("node2", "eth0", "udp and ip[1] == %d"
                        % REALTIME_TOS) as outer:
        assert net.reaches("mcp-server", "vector-db", version)
        assert marked.wait(1) and tunnel.wait(2)
    assert not len(outer)
