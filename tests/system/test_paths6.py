"""Hosts that IPv4 connects badly and IPv6 well."""

import re

import agents
import pytest
from agents import all_pairs, paths, wrong_paths
from harness import eventually

STATE = """\
# lab: {six: {nat: symmetric, ipv6: true}, six2: {nat: symmetric, ipv6: true}}
# lab: {mute: {nat: blocked, ipv6: true}, four: {nat: symmetric}}
mesh: {name: privacy-mesh, prefix: 100.64.0.0/24, interface: nm-privacy}
nodes:
  hub: {endpoint: 198.51.100.11, subnet: 10.0.1.0/24}
  six: {subnet: 10.0.2.0/24}
  six2: {subnet: 10.0.3.0/24}
  mute: {subnet: 10.0.4.0/24}
  four: {subnet: 10.0.5.0/24}
"""
NODES = re.findall(r"^  (\w+):", STATE, re.M)
GATEWAY = {n: "10.0.%d.1" % k for k, n in enumerate(NODES, 1)}
PAIRS = all_pairs(NODES)


def right_path(a, b):
    if "four" not in (a, b):
        return "ipv6"
    return "direct" if "hub" in (a, b) else "relay"


def wrong(net):
    return wrong_paths(net, PAIRS, right_path)


@pytest.fixture(scope="module")
def net(make_net, builddir):
    system = make_net(STATE, bare=True)
    agents.start(system, builddir)
    system.apply(wait=False)
    yield system


@pytest.fixture(autouse=True)
def clean_logs(net):
    with net.clean_logs(agents.CUT_OFF):
        yield


def is_ipv6(net, node, peer):
    """Whether the tunnel's packets are IPv6's."""
    key = net.run(peer, "wg", "show", "nm-privacy", "public-key").stdout
    lines = net.run(node, "wg", "show", "nm-privacy", "endpoints").stdout
    endpoints = dict(x.split() for x in lines.splitlines())
    return endpoints[key.strip()].startswith("[2001:db8:100:")


def test_ipv6_where_both_have_it(net):
    assert eventually(lambda: not wrong(net), 60, 0.3), wrong(net)
    for a, b in PAIRS:
        assert net.reaches(a, GATEWAY[b]), paths(net)[a, b]
        if right_path(a, b) == "ipv6":
            assert eventually(lambda p=(a, b): is_ipv6(net, *p)
                              and is_ipv6(net, *p[::-1])), (a, b)
    # To the hub and what it relays, where IPv4's UDP does not get through.
    assert eventually(lambda: is_ipv6(net, "mute", "four")
                      and not is_ipv6(net, "four", "mute"))


def test_ipv6_ends_and_comes_back(net):
    """Over IPv4 meanwhile, by the hub; by TCP where that has to be."""
    pairs = {("six", "six2"): "relay", ("hub", "six2"): "direct",
             ("mute", "six2"): "tcp-relay"}
    for node in ("six2", "mute"):
        net.run(node, "ip", "link", "set", "eth6", "down")
    # Else it takes mute half a minute to believe in no UDP at all.
    net.kill("mute", "agent")
    net.start("mute", "agent")
    try:
        for (a, b), kind in pairs.items():
            assert eventually(lambda: paths(net)[a, b]["path"] == kind, 90,
                              0.3), paths(net)
            assert net.reaches(a, GATEWAY[b], timeout=40), paths(net)
    finally:
        for node in ("six2", "mute"):
            net.run(node, "ip", "link", "set", "eth6", "up")
            net.run(node, "ip", "-6", "addr", "replace", "nodad",
                    "2001:db8:100::%x/64" % net.lab.node(node).index, "dev",
                    "eth6")
            net.run(node, "ip", "-6", "route", "replace", "default", "via",
                    "2001:db8:100::ffff")
    assert eventually(lambda: not wrong(net), 90, 0.5), wrong(net)
    for a, b in pairs:
        assert net.reaches(a, GATEWAY[b]), paths(net)
