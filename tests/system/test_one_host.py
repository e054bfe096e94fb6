"""One host's file, corrected after what check says of its first version:
examples/oo1424oo.yaml does what its first version was meant to do."""

import pytest


@pytest.fixture(scope="module")
def host(make_net, srcdir):
    net = make_net(srcdir / "examples" / "oo1424oo.yaml")
    net.apply()
    net.settle()
    net.serve()
    gateway = net.container("gateway")
    net.echo.udp(net.lab.cont_ns(gateway), "10.0.0.100", 51820)
    return net


def test_privacy_leaves_by_the_exit(host):
    """Seen outside as WARP, not as the host."""
    seen = host.http("xray")
    assert seen.startswith("203.0.113.")
    assert host.http("gateway") == seen


def test_privacy_and_management_are_isolated(host):
    assert not host.tcp("xray", "mcp-server", 9573, timeout=0.5)
    assert not host.tcp("gateway", "op-dbus-api", 9574, timeout=0.5)
    assert not host.ping("xray", "op-dbus-api", 2)


def test_management_is_local_only(host):
    assert host.tcp("mcp-server", "op-dbus-api", 9574)
    assert host.reaches("op-dbus-api", "mcp-server")
    assert host.http_fails("mcp-server")
    assert host.http_fails("op-dbus-api")


def test_vpn_port_is_the_gateways(host):
    """By a raw flow, whatever the rules; and that port alone."""
    assert host.udp("mcp-server", "gateway", 51820)
    assert not host.udp("mcp-server", "gateway", 7777, timeout=0.5)
    assert not host.udp("mcp-server", "xray", 7777, timeout=0.5)


def test_a_second_apply_changes_nothing(host):
    assert "nothing" in host.apply().stdout
