"""Containers come, move and go while the others talk."""

import re
import time

import pytest

from harness import eventually, ns, pause

NEW = """
        - id: "205"
          veth: veth205
          tags: [management]
          properties:
            name: web-ui
            ipv4_address: 10.0.0.205/24
            gateway: 10.0.0.1
"""


@pytest.fixture
def newcomer(net, tmp_path):
    """A state file with one more management container on oo1424oo."""
    text = net.base.read_text()
    head, tail = text.split("\n  node2:", 1)
    path = tmp_path / "newcomer.yaml"
    path.write_text(head.rstrip() + NEW + "\n  node2:" + tail)
    yield path
    if "web-ui" in [c.name for n in net.lab.nodes for c in n.containers]:
        net.lab.cont_del("oo1424oo", "web-ui")
        net.lab.forget("web-ui")


@pytest.fixture
def bystanders(net):
    """Pings between others, at idle first; then checked against that."""
    pairs = (("mcp-server", "op-dbus-api"), ("mcp-server", "vector-db"))
    for src, dst in pairs:
        assert net.reaches(src, dst)

    def start():
        return [net.pinger(*pair).begun() for pair in pairs]
    idle = start()
    time.sleep(1.5)
    base = [p.stop().lost for p in idle]
    running = start()
    yield
    time.sleep(0.3)
    for pair, before, p in zip(pairs, base, running):
        result = p.stop()
        assert result.sent > 10
        assert result.lost <= before, "%s: %s" % (pair, result)


def test_added_then_removed(net, newcomer, bystanders):
    net.quiet()
    flows = len(net.flows("oo1424oo"))
    net.apply(newcomer)
    c = net.lab.cont_add("oo1424oo", "web-ui", str(newcomer))
    assert net.reaches("web-ui", "op-dbus-api")
    assert net.reaches("web-ui", "vector-db")
    assert net.reaches("mcp-server", "web-ui")
    assert net.ping("web-ui", "oo1424oo", 1) == 0
    assert len(net.flows("oo1424oo")) > flows

    net.lab.cont_del("oo1424oo", "web-ui")
    net.lab.forget("web-ui")
    assert not ns.ns_exists(net.lab.cont_ns(c))
    net.apply()
    assert eventually(lambda: len(net.flows("oo1424oo")) == flows)


def test_declared_after_it_was_plugged(net, newcomer, bystanders):
    """Nothing passes before the state knows it; everything after."""
    net.lab.cont_add("oo1424oo", "web-ui", str(newcomer))
    assert net.ping("web-ui", "op-dbus-api", 2) == 0
    assert net.ping("web-ui", "10.0.0.1", 2) == 0
    net.apply(newcomer)
    assert net.reaches("web-ui", "op-dbus-api")


@pytest.mark.parametrize("who", ("op-dbus-api", "mcp-server"))
def test_moved_to_another_port(net, who, tmp_path):
    """With declared hwaddr and without; the connection stays open."""
    other = {"op-dbus-api": "mcp-server",
             "mcp-server": "op-dbus-api"}[who]
    assert net.reaches(who, other)
    with net.tcp_pair("mcp-server", "xray", 5020) as pair:
        assert pair.passes()
        old, new = net.lab.cont_move_port("oo1424oo", who)
        assert old != new
        assert net.reaches(who, other)
        assert net.reaches(who, "vector-db")
        assert pair.passes(timeout=5)
    def in_ports():
        text = net.run("oo1424oo", "ovs-ofctl", "-O", "OpenFlow15",
                       "dump-flows", "vmbr0").stdout
        return set(map(int, re.findall(r"in_port=(\d+)\b", text)))
    assert eventually(lambda: new in in_ports() and old not in in_ports())


def test_restarted_with_a_new_veth(net):
    """As LXC stops and starts: other veth, other port, same container."""
    net.lab.cont_del("oo1424oo", "mcp-server")
    pause(0.5)
    c = net.lab.cont_add("oo1424oo", "mcp-server")
    assert net.reaches("mcp-server", "op-dbus-api")
    assert net.reaches("mcp-server", "vector-db", 6)
    net.serve_container(c)


def test_interface_says_who_it_is(net):
    """The agent's notes for people, on the port's Interface row."""
    ids = net.run("oo1424oo", "ovs-vsctl", "get", "Interface", "veth102",
                  "external_ids").stdout
    assert "xray" in ids
    assert net.container("xray").mac in ids.lower()
