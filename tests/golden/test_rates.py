"""Rates: what passes of many packets that come at once."""

import pathlib

import pytest
from scapy.all import IP, UDP, IPv6, Raw

from test_pipeline import compile_flows, ip, make_net

STATE = pathlib.Path(__file__).resolve().parent / 'states/rates.yaml'
MACS = {'veth%d' % i: '02:00:00:00:01:%02d' % (i - 100)
        for i in range(101, 107)}
SENDER, FREE, SLOW, SCANNER = ['10.0.0.%d' % i for i in range(101, 105)]


@pytest.fixture(scope='module')
def net(tmp_path_factory, builddir, srcdir):
    flows = compile_flows(builddir, STATE, 'a', MACS)
    with make_net(tmp_path_factory.mktemp('sw'), srcdir, flows,
                  MACS) as made:
        yield made


def n_pass(net, src, dst, addresses, packets):
    """How many of these at once."""
    net.switch.collect()
    net.switch.appctl('netdev-dummy/receive', src, *[
        bytes(net.packet(src, MACS[dst]) / ip(*addresses) / p).hex()
        for p in packets])
    left, quiet = [], 0
    while quiet < 10:
        more = [port for port, _ in net.switch.collect()]
        quiet = 0 if more else quiet + 1
        left += more
        # It answers once a turn, and takes a batch of packets in each.
        net.switch.appctl('version')
    assert set(left) <= {dst}
    return len(left)


def open_way(net, src, dst, addresses, packet):
    """What comes in one batch with the first packet is new as well."""
    assert n_pass(net, src, dst, addresses, [packet]) == 1


def test_packets_that_a_container_sends(net):
    one = UDP(sport=5000, dport=6000)
    open_way(net, 'veth101', 'veth102', (SENDER, FREE), one)
    assert 15 <= n_pass(net, 'veth101', 'veth102', (SENDER, FREE),
                        [one] * 60) <= 22


def test_what_a_container_receives(net):
    """640 kbit are 75 packets of 1,066 bytes."""
    one = UDP(sport=5000, dport=6000) / Raw(b'x' * 1024)
    open_way(net, 'veth102', 'veth103', (FREE, SLOW), one)
    n = n_pass(net, 'veth102', 'veth103', (FREE, SLOW), [one] * 95)
    assert 70 <= n <= 80


def test_what_a_rule_carries(net):
    one = UDP(sport=5000, dport=7000)
    other = UDP(sport=5000, dport=7001)
    open_way(net, 'veth102', 'veth104', (FREE, SCANNER), one)
    assert 13 <= n_pass(net, 'veth102', 'veth104', (FREE, SCANNER),
                        [one] * 60) <= 24
    # Other rules are none of its business.
    open_way(net, 'veth102', 'veth104', (FREE, SCANNER), other)
    assert n_pass(net, 'veth102', 'veth104', (FREE, SCANNER),
                  [other] * 60) == 60


def test_connections_that_a_container_opens(net):
    many = [UDP(sport=10000 + i, dport=6000) for i in range(60)]
    assert 13 <= n_pass(net, 'veth104', 'veth102', (SCANNER, FREE),
                        many) <= 24
    # One that is open already goes on.
    assert n_pass(net, 'veth104', 'veth102', (SCANNER, FREE),
                  [many[0]] * 60) == 60


def dscp(net, src, dst, packet):
    out = net.passes(src, net.packet(src, MACS[dst]) / packet, dst)
    return (out[IP].tos if IP in out else out[IPv6].tc) >> 2


def test_classes_mark_packets(net):
    """The rule's before the container's, both ways; else as it was."""
    def v4(src, dst, sport, dport):
        return (IP(src='10.0.0.%d' % src, dst='10.0.0.%d' % dst, tos=0x28)
                / UDP(sport=sport, dport=dport))

    def v6(src, dst, sport, dport):
        return (IPv6(src='fd00::%d' % src, dst='fd00::%d' % dst, tc=0x28)
                / UDP(sport=sport, dport=dport))
    for make in v4, v6:
        there = 'veth105', 'veth106'
        back = 'veth106', 'veth105'
        assert dscp(net, *there, make(105, 106, 5000, 6001)) == 18
        assert dscp(net, *back, make(106, 105, 6001, 5000)) == 10
        assert dscp(net, *there, make(105, 106, 5000, 7002)) == 46
        assert dscp(net, *back, make(106, 105, 7002, 5000)) == 46
