"""The reference host with its mistakes put right: examples/oo1424oo.yaml."""

import pytest

from harness import WEB4, inet
from test_withdraw import assert_cut

HOST = "oo1424oo"


@pytest.fixture(scope="module")
def host(make_net, srcdir):
    net = make_net(srcdir / "examples" / "oo1424oo.yaml", node=HOST)
    net.apply()
    net.settle()
    net.serve()
    return net


@pytest.mark.parametrize("who", ("gateway", "xray"))
def test_privacy_leaves_by_warp_only(host, who):
    with host.capture(HOST, "eth0", "host %s" % inet.WEB4) as uplink:
        assert host.reaches(who, "web")
        assert host.http(who, WEB4) == inet.egress(1)[0]
    assert not uplink.frames, str(uplink)


def test_management_talks_locally_only(host):
    assert host.reaches("mcp-server", "op-dbus-api")
    assert host.tcp("op-dbus-api", "mcp-server", 9573)
    assert host.tcp("mcp-server", "op-dbus-api", 9574)
    assert host.http_fails("mcp-server")
    assert host.http_fails("op-dbus-api")


@pytest.mark.parametrize("who", ("gateway", "xray"))
def test_privacy_does_not_reach_management(host, who):
    assert host.ping(who, "mcp-server", 2) == 0
    assert not host.tcp(who, "op-dbus-api", 9574, timeout=0.5)


def test_vpn_clients_reach_the_gateway_container(host):
    """The raw flow: that port at that address, and its replies."""
    for who in "xray", "mcp-server":
        with host.udp_pair(who, "gateway", 51820) as pair:
            assert pair.passes(forward=True)
            assert pair.passes(forward=False)
    assert not host.udp("mcp-server", "gateway", 7777, timeout=0.5)
    assert not host.tcp("mcp-server", "gateway", 7777, timeout=0.5)
    with host.udp_pair("gateway", "mcp-server", 51821) as pair:
        assert not pair.passes(forward=True, timeout=0.5)


def cookies(flows):
    return sorted(f.split(",")[0] for f in flows)


def test_the_file_with_mistakes_changes_nothing(host, srcdir):
    before = host.flows(HOST)
    wrong = srcdir / "tests" / "state" / "oo1424oo.yaml"
    assert wrong.exists()
    p = host.apply(wrong, check=False)
    assert p.returncode == 1
    assert "oo1424oo.yaml:" in p.stderr and "warp0" in p.stderr
    assert cookies(host.flows(HOST)) == cookies(before)
    assert host.reaches("mcp-server", "op-dbus-api")


def test_raw_flow_withdrawn(host):
    """Its connections end with it, in both directions."""
    text = host.base.read_text()
    line = [x for x in text.splitlines(True) if "output:veth100" in x]
    assert len(line) == 1
    with host.udp_pair("mcp-server", "gateway", 51820) as pair:
        assert pair.passes(forward=True)
        assert pair.passes(forward=False)
        host.apply(text.replace("      flows:\n", "      flows: []\n")
                   .replace(line[0], ""))
        assert_cut(pair)
    host.apply()


def test_second_apply_changes_nothing(host):
    assert "nothing" in host.apply().stdout


def test_logs(host):
    assert host.bad_log_lines({}, [r"\|(rconn|ofconn)\|.*connection"]) == []
