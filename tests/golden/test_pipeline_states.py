"""States that the example does not have: raw flows, uplinks, containers away
from home, groups of rules."""

import pathlib

import pytest
from scapy.all import (ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPerror,
                       ICMPv6ND_NA, ICMPv6ND_NS, IPv6, Raw)

from test_pipeline import LOCAL, compile_flows, make_net, syn

STATES = pathlib.Path(__file__).resolve().parent / 'states'
RAW_MACS = {'veth%d' % i: '02:00:00:00:01:%02d' % (i - 100)
            for i in (100, 101, 102, 104, 105)}
RAW_MACS.update({'x-warp0': '02:53:00:00:00:02',
                 'eno1': '02:53:00:00:00:03', 'tap9': '02:53:00:00:00:04'})
CONJ_MACS = {'veth%d' % i: '02:00:00:00:01:%02d' % (i - 100)
             for i in range(101, 107)}
HOME = {'veth%d' % i: '10.0.0.%d' % i for i in range(100, 110)}
HOME['veth105'] = '10.1.0.105'          # Of 'raw': away from home.
FAR, ABROAD, LAN = '10.1.0.200', '10.0.0.201', '192.168.7.1'


@pytest.fixture
def raw(tmp_path, builddir, srcdir):
    flows = compile_flows(builddir, STATES / 'raw.yaml', 'a', RAW_MACS)
    with make_net(tmp_path, srcdir, flows, RAW_MACS) as made:
        yield made


@pytest.fixture
def conj(tmp_path, builddir, srcdir):
    flows = compile_flows(builddir, STATES / 'conj.yaml', 'a', CONJ_MACS)
    with make_net(tmp_path, srcdir, flows, CONJ_MACS) as made:
        yield made


def ip(src, dst, **kwargs):
    return IP(src=HOME.get(src, src), dst=HOME.get(dst, dst), **kwargs)


def answer(dport=1000, sport=80):
    return TCP(sport=sport, dport=dport, flags='SA', seq=500, ack=101)


def test_raw_exit(raw):
    """By the exit, without a rule; replies pass; strangers do not."""
    out = raw.packet('veth100') / ip('veth100', '192.0.2.80') / syn()
    raw.passes('veth100', out, 'x-warp0')
    raw.passes('br0', raw.packet('br0') / ip('192.0.2.80', 'veth100')
               / answer(), 'veth100')
    raw.drops('br0', raw.packet('br0') / ip('192.0.2.81', 'veth100')
              / syn(), 'DROP_NO_RULE')


def test_raw_exit_is_not_for_the_mesh(raw):
    raw.drops('veth100', raw.packet('veth100') / ip('veth100', FAR)
              / syn(), 'DROP_NO_RULE')


def test_raw_exit_leaves_replies_alone(raw):
    """Whoever was let in by a rule gets his answer."""
    raw.passes('br0', raw.packet('br0') / ip(ABROAD, 'veth100') / syn(),
               'veth100')
    raw.passes('veth100', raw.packet('veth100') / ip('veth100', ABROAD)
               / answer(), 'br0')
    raw.passes('br0', raw.packet('br0') / ip('192.168.7.5', 'veth100')
               / syn(), 'veth100')
    raw.passes('veth100', raw.packet('veth100') / ip('veth100', '192.168.7.5')
               / answer(), 'br0')


def test_raw_drop(raw):
    raw.drops('veth104', raw.packet('veth104') / ip('veth104', 'veth101')
              / syn(), 'DROP_RULE')
    raw.passes('veth104', raw.packet('veth104') / ip('veth104', 'veth102')
               / syn(), 'veth102')


def test_raw_deliver(raw):
    """From a container, and from outside; the answer too."""
    vpn = UDP(sport=1000, dport=51820)
    for port in ('veth104', 'veth105'):
        raw.passes(port, raw.packet(port) / ip(port, '10.0.0.1') / vpn,
                   'veth101')
    raw.passes('br0', raw.packet('br0') / ip('198.51.100.7', 'veth101')
               / vpn, 'veth101')
    raw.passes('veth101', raw.packet('veth101')
               / ip('veth101', '198.51.100.7')
               / UDP(sport=51820, dport=1000), 'br0')
    raw.drops('veth101', raw.packet('veth101')
              / ip('veth101', '198.51.100.8') / UDP(sport=51820, dport=1000),
              'DROP_NO_RULE')


def test_raw_errors(raw):
    """Of what a raw flow delivers, whoever got it reports errors, and who
    began the connection does of the replies; nobody else."""
    for port, dst in (('veth104', '10.0.0.1'), ('veth105', '10.0.0.101')):
        request = ip(port, dst) / UDP(sport=1000, dport=51820)
        raw.passes(port, raw.packet(port) / request, 'veth101')
        error = ICMP(type=3, code=3) / IPerror(bytes(request))
        raw.drops('veth102', raw.packet('veth102') / ip('veth102', port)
                  / error, 'DROP_INVALID')
        raw.passes('veth101', raw.packet('veth101') / ip('veth101', port)
                   / error, port)
    reply = ip('veth101', 'veth105') / UDP(sport=51820, dport=1000)
    raw.passes('veth101', raw.packet('veth101') / reply, 'veth105')
    error = ICMP(type=3, code=3) / IPerror(bytes(reply))
    raw.drops('veth104', raw.packet('veth104') / ip('veth104', 'veth101')
              / error, 'DROP_INVALID')
    raw.passes('veth105', raw.packet('veth105') / ip('veth105', 'veth101')
               / error, 'veth101')


def test_raw_deliver_far(raw):
    """To another host only what is for that container."""
    seven = syn(dport=7000)
    raw.passes('veth101', raw.packet('veth101') / ip('veth101', FAR) / seven,
               'br0')
    raw.drops('veth101', raw.packet('veth101') / ip('veth101', '10.1.0.201')
              / seven, 'DROP_NO_RULE')


def test_raw_local(raw):
    """The host's own addresses and nothing behind it."""
    for address in ('10.0.0.1', '100.64.0.1'):
        raw.passes('veth102', raw.packet('veth102') / ip('veth102', address)
                   / syn(), 'br0')
    raw.passes('br0', raw.packet('br0') / ip('10.0.0.1', 'veth102')
               / answer(), 'veth102')
    for address in (FAR, '100.64.0.2', '192.0.2.80', 'veth104'):
        raw.drops('veth102', raw.packet('veth102') / ip('veth102', address)
                  / syn(), 'DROP_NOT_HOST')


def test_raw_does_not_pass_the_guard(raw):
    raw.drops('veth100', raw.packet('veth100') / ip('veth104', '192.0.2.80')
              / syn(), 'DROP_SPOOFED')


def test_raw_withdrawn(raw):
    """Without the raw flow its connections end, both ways."""
    raw.passes('veth100', raw.packet('veth100') / ip('veth100', '192.0.2.80')
               / syn(), 'x-warp0')
    raw.passes('br0', raw.packet('br0') / ip('192.0.2.80', 'veth100')
               / answer(), 'veth100')
    with open(raw.switch.path('flows')) as f:
        raw.switch.load(''.join(line for line in f
                                if not line.startswith('cookie=0x5309')))
    for port, src, dst in (('br0', '192.0.2.80', 'veth100'),
                           ('veth100', 'veth100', '192.0.2.80')):
        raw.drops(port, raw.packet(port) / ip(src, dst)
                  / TCP(sport=80 if port == 'br0' else 1000,
                        dport=1000 if port == 'br0' else 80, flags='A',
                        seq=501 if port == 'br0' else 101, ack=101),
                  'DROP_NO_RULE')


def test_uplinks_switch_among_themselves(raw):
    frame = Ether(src='02:00:00:00:99:01', dst='ff:ff:ff:ff:ff:ff')
    raw.passes('eno1', frame / ARP(op=1, pdst='192.168.7.9'), 'br0', 'tap9')
    raw.passes('tap9', frame / ARP(op=1, pdst='192.168.7.9'), 'br0', 'eno1')
    raw.passes('br0', Ether(src=LOCAL, dst='ff:ff:ff:ff:ff:ff')
               / ARP(op=1, hwsrc=LOCAL, psrc='192.168.7.2', pdst=LAN),
               'eno1', 'tap9')
    raw.passes('br0', raw.packet('br0', '02:00:00:00:99:01')
               / ip('192.168.7.2', '192.0.2.80') / syn(), 'eno1', 'tap9')
    raw.passes('br0', Ether(src=LOCAL, dst='01:80:c2:00:00:0e', type=0x88cc)
               / Raw(b'\0' * 50), 'eno1', 'tap9')
    raw.passes('br0', Ether(src=LOCAL, dst='02:00:00:00:99:01')
               / Dot1Q(vlan=5) / ip('192.168.8.2', '192.168.8.1') / syn(),
               'eno1', 'tap9')
    raw.passes('br0', raw.packet('br0', 'ff:ff:ff:ff:ff:ff')
               / ip('0.0.0.0', '255.255.255.255') / UDP(sport=68, dport=67),
               'eno1', 'tap9')


@pytest.mark.parametrize('mac', [RAW_MACS['veth100'], LOCAL,
                                 'ff:ff:ff:ff:ff:ff'])
def test_uplinks_reach_no_container(raw, mac):
    """Whatever they send; the host may route it, and then rules decide."""
    raw.passes('eno1', Ether(src='02:00:00:00:99:01', dst=mac)
               / ip('192.168.7.5', 'veth100') / syn(), 'br0', 'tap9')


@pytest.mark.parametrize('src', [
    'veth100', '10.0.0.1', 'veth105', ABROAD, FAR, '10.1.0.1', '100.64.0.1',
    '100.64.0.2', '169.254.83.7', '10.8.0.9', '10.9.0.9'])
def test_uplinks_speak_for_nobody_of_the_mesh(raw, src):
    """To the host; among themselves they do as they like."""
    frame = Ether(src='02:00:00:00:99:01', dst=LOCAL)
    raw.passes('eno1', frame / ip(src, '192.168.7.2') / syn(), 'tap9')
    raw.passes('tap9', frame / Dot1Q(vlan=5) / ip(src, '192.168.7.2')
               / syn(), 'eno1')
    for op in 1, 2:
        raw.passes('eno1', frame / ARP(op=op, psrc=HOME.get(src, src),
                                       pdst='192.168.7.2'), 'tap9')


def test_uplinks_advertise_nobody_of_the_mesh(raw):
    frame = Ether(src='02:00:00:00:99:01', dst=LOCAL)
    for target, others in (('fd00:53::5', ('tap9',)),
                           ('fd00:54::5', ('br0', 'tap9'))):
        raw.passes('eno1', frame / IPv6(src='fe80::1', dst='fe80::2',
                                        hlim=255)
                   / ICMPv6ND_NA(tgt=target), *others)
        raw.passes('eno1', frame / IPv6(src='::', dst='ff02::1:ff00:5',
                                        hlim=255)
                   / ICMPv6ND_NS(tgt=target), *others)
        raw.passes('eno1', frame / IPv6(src=target, dst='fd00:54::2')
                   / syn(), *others)


def test_nothing_of_the_mesh_leaves_by_uplinks(raw):
    for src in ('10.1.0.200', '100.64.0.2'):
        raw.drops('br0', raw.packet('br0') / ip(src, '192.0.2.80') / syn(),
                  'DROP_TRANSIT')
    for src in ('veth104', 'veth105'):
        raw.drops('br0', raw.packet('br0') / ip(src, '192.0.2.80') / syn(),
                  'DROP_SPOOFED')
    raw.drops('veth105', raw.packet('veth105')
              / ip('veth105', '192.0.2.80') / syn(), 'DROP_NO_RULE')


def test_away_from_home(raw):
    """A local container with an address of another node's subnet, and a far
    one with an address of ours."""
    out = raw.passes('veth105', raw.packet('veth105')
                     / ip('veth105', 'veth100') / syn(), 'veth100')
    assert out[IP].ttl == 63
    raw.passes('veth100', raw.packet('veth100') / ip('veth100', 'veth105')
               / answer(), 'veth105')
    raw.passes('veth104', raw.packet('veth104') / ip('veth104', ABROAD)
               / syn(), 'br0')
    out = raw.passes('veth104', Ether(src=RAW_MACS['veth104'],
                                      dst='ff:ff:ff:ff:ff:ff')
                     / ARP(op=1, hwsrc=RAW_MACS['veth104'],
                           psrc='10.0.0.104', pdst=ABROAD), 'veth104')
    assert out[ARP].hwsrc == LOCAL


def test_node_selector(raw):
    raw.passes('veth104', raw.packet('veth104') / ip('veth104', '10.0.0.1')
               / ICMP(), 'br0')
    raw.drops('veth104', raw.packet('veth104') / ip('veth104', '100.64.0.2')
              / ICMP(), 'DROP_NO_RULE')


@pytest.mark.parametrize('src, dst, layer, reason', [
    (101, 104, syn(dport=5432), None),
    (103, 106, syn(dport=6007), None),
    (102, 105, syn(dport=6003), 'DROP_RULE'),   # Denial beats acceptance.
    (102, 105, syn(dport=6008), None),          # default_policy: allow
    (104, 106, UDP(dport=9), 'DROP_RULE'),
    (101, 103, UDP(dport=9), 'DROP_RULE'),      # x may not UDP to y.
    (103, 101, UDP(dport=9), None),
    (105, 101, syn(), 'DROP_RULE'),             # db: nothing out.
])
def test_groups(conj, src, dst, layer, reason):
    port, to = 'veth%d' % src, 'veth%d' % dst
    packet = conj.packet(port) / ip(port, '10.0.0.%d' % dst) / layer
    packet[IP].src = '10.0.0.%d' % src
    if reason:
        conj.drops(port, packet, reason)
    else:
        conj.passes(port, packet, to)


def test_allow_is_not_for_the_internet(conj):
    conj.drops('veth101', conj.packet('veth101')
               / ip('veth101', '192.0.2.80') / syn(), 'DROP_NO_RULE')


def test_far_group(conj):
    conj.passes('br0', conj.packet('br0') / ip('10.1.0.201', 'veth104')
                / syn(dport=5432), 'veth104')
    conj.drops('br0', conj.packet('br0') / ip('10.1.0.201', 'veth104')
               / syn(dport=6003), 'DROP_RULE')
