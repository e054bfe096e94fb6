"""The example's flows in a scratch switch: what must pass passes, what must
not is dropped for the right reason."""

import contextlib
import re
import shutil
import subprocess

import pytest
from scapy.all import (ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPerror, IPv6,
                       ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA,
                       ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6NDOptDstLLAddr,
                       ICMPv6NDOptSrcLLAddr, Raw)

from dummy_switch import DummySwitch

LOCAL = '02:53:00:00:00:01'
EXIT = '02:53:00:00:00:02'
MACS = {'veth100': '02:53:00:00:01:00', 'veth102': 'bc:24:11:00:01:02',
        'veth200': '02:53:00:00:02:00', 'veth201': 'bc:24:11:00:02:01',
        'x-warp0': EXIT}
ADDRESSES = {'veth100': '10.0.0.100', 'veth102': '10.0.0.102',
             'veth200': '10.0.0.200', 'veth201': '10.0.0.201'}
ADDRESSES6 = {'veth102': 'fd00:53::102', 'veth200': 'fd00:53::200',
              'veth201': 'fd00:53::201'}
REDIS, VECTORS = '10.1.0.104', '10.1.0.103'


def compile_flows(builddir, path, node, macs):
    args = []
    for number, name in enumerate(sorted(macs), 1):
        args += ['--port', '%s=%d,%s' % (name, number, macs[name])]
    args += ['--port', 'vmbr0=LOCAL,' + LOCAL]
    return subprocess.run(
        [str(builddir / 'cli/socknet'), 'compile', str(path), '--node', node,
         *args], check=True, stdout=subprocess.PIPE, text=True).stdout


def reasons(srcdir):
    text = (srcdir / 'flows/reasons.h').read_text()
    return {int(number): name for number, name in
            re.findall(r'SN_REASON\((\d+), (\w+),', text)}


class Net:
    """A scratch switch with the flows of one node."""

    def __init__(self, switch, names, macs):
        self.switch = switch
        self.names = names
        self.macs = macs

    def packet(self, port, dst_mac=None):
        return Ether(src=self.macs.get(port, LOCAL), dst=dst_mac or LOCAL)

    def passes(self, port, packet, *outs):
        """The packet leaves by these ports and no other; returns it."""
        left, hits = self.switch.send(port, packet)
        got = sorted(p for p, _ in left)
        assert got == sorted(outs), self.explain(hits)
        return left[0][1] if left else None

    def drops(self, port, packet, reason):
        left, hits = self.switch.send(port, packet)
        assert not left, self.explain(hits)
        got = [self.names[cookie & 0xffff] for cookie, _ in hits]
        assert reason in got, self.explain(hits)

    @staticmethod
    def explain(hits):
        return '\n'.join('%#x %s' % hit for hit in hits)


@pytest.fixture(scope='module')
def switch_flows(builddir, srcdir):
    return compile_flows(builddir, srcdir / 'examples/two-hosts.yaml',
                         'oo1424oo', MACS)


@contextlib.contextmanager
def make_net(folder, srcdir, flows, macs):
    if not shutil.which('ovs-vswitchd'):
        pytest.skip('needs ovs-vswitchd')
    switch = DummySwitch(folder, sorted(macs), LOCAL)
    try:
        switch.load(flows)
        yield Net(switch, reasons(srcdir), macs)
    finally:
        switch.stop()


@pytest.fixture
def net(tmp_path, srcdir, switch_flows):
    with make_net(tmp_path, srcdir, switch_flows, MACS) as made:
        yield made


def ip(src, dst, **kwargs):
    return IP(src=ADDRESSES.get(src, src), dst=ADDRESSES.get(dst, dst),
              **kwargs)


def syn(sport=1000, dport=80):
    return TCP(sport=sport, dport=dport, flags='S', seq=100)


def handshake(net, a, b, ip_ab, ip_ba, dport):
    """TCP from port 'a' to port 'b' of the switch, both ways."""
    net.passes(a, net.packet(a) / ip_ab / syn(dport=dport), b)
    net.passes(b, net.packet(b) / ip_ba
               / TCP(sport=dport, dport=1000, flags='SA', seq=500, ack=101),
               a)
    net.passes(a, net.packet(a) / ip_ab
               / TCP(sport=1000, dport=dport, flags='A', seq=101, ack=501),
               b)


def test_same_flows_in_switch(net, switch_flows):
    """What the switch says it has is what was compiled."""
    want = sum('table=' in line for line in switch_flows.splitlines())
    assert len(net.switch.counts) == want
    out = net.switch.ofctl('diff-flows', 'BR', net.switch.path('flows'))
    assert out == ''


def test_accepted_both_ways(net):
    handshake(net, 'veth200', 'veth201', ip('veth200', 'veth201'),
              ip('veth201', 'veth200'), 9574)


def test_no_rule(net):
    net.drops('veth200', net.packet('veth200') / ip('veth200', 'veth201')
              / syn(dport=9575), 'DROP_NO_RULE')


def test_isolated_but_answers(net):
    """privacy may not begin with management; it answers."""
    net.drops('veth102', net.packet('veth102') / ip('veth102', 'veth200')
              / syn(), 'DROP_RULE')
    handshake(net, 'veth200', 'veth102', ip('veth200', 'veth102'),
              ip('veth102', 'veth200'), 443)


def test_reply_makes_no_permission(net):
    net.drops('veth102', net.packet('veth102') / ip('veth102', 'veth200')
              / TCP(sport=443, dport=1000, flags='A', seq=1, ack=1),
              'DROP_RULE')


def test_routed_counts_a_hop(net):
    out = net.passes('veth200', net.packet('veth200')
                     / ip('veth200', 'veth102', ttl=64) / syn(), 'veth102')
    assert out[IP].ttl == 63
    assert (out.src, out.dst) == (LOCAL, MACS['veth102'])


def test_same_net_keeps_ttl(net):
    out = net.passes('veth200', net.packet('veth200', MACS['veth102'])
                     / ip('veth200', 'veth102', ttl=64) / syn(), 'veth102')
    assert out[IP].ttl == 64
    assert (out.src, out.dst) == (MACS['veth200'], MACS['veth102'])


def test_across_hosts(net):
    handshake(net, 'veth201', 'br0', ip('veth201', VECTORS),
              ip(VECTORS, 'veth201'), 6333)
    net.drops('veth201', net.packet('veth201') / ip('veth201', VECTORS)
              / syn(dport=22), 'DROP_NO_RULE')


def test_mesh_is_checked_again(net):
    """node2 sends what its own egress should have stopped."""
    net.drops('br0', net.packet('br0') / ip(VECTORS, 'veth201') / syn(),
              'DROP_NO_RULE')


def test_exit(net):
    out = net.passes('veth102', net.packet('veth102')
                     / ip('veth102', '192.0.2.80') / syn(), 'x-warp0')
    assert out.dst == EXIT
    net.passes('br0', net.packet('br0') / ip('192.0.2.80', 'veth102')
               / TCP(sport=80, dport=1000, flags='SA', seq=1, ack=101),
               'veth102')
    net.drops('br0', net.packet('br0') / ip('192.0.2.81', 'veth102')
              / syn(), 'DROP_NO_RULE')


def test_no_exit(net):
    net.drops('veth200', net.packet('veth200')
              / ip('veth200', '192.0.2.80') / syn(), 'DROP_RULE')


def test_exit_down(net, builddir, srcdir, tmp_path):
    """Without its port, and disabled: packets die with the reason."""
    example = srcdir / 'examples/two-hosts.yaml'
    out = net.packet('veth102') / ip('veth102', '192.0.2.80') / syn()
    net.passes('veth102', out, 'x-warp0')
    off = tmp_path / 'off.yaml'
    off.write_text(example.read_text().replace(
        'interface: warp0, enabled: true', 'interface: warp0, enabled: false'))
    net.switch.load(compile_flows(builddir, off, 'oo1424oo', MACS))
    net.drops('veth102', out, 'DROP_EXIT_DOWN')
    net.drops('x-warp0', net.packet('x-warp0') / ip('192.0.2.1', 'veth102')
              / syn(), 'DROP_FROM_EXIT')


def test_host_reaches_its_containers(net):
    net.passes('br0', net.packet('br0') / ip('10.0.0.1', 'veth200') / syn(),
               'veth200')
    net.passes('veth200', net.packet('veth200') / ip('veth200', '10.0.0.1')
               / TCP(sport=80, dport=1000, flags='SA', seq=1, ack=101), 'br0')
    net.drops('veth200', net.packet('veth200') / ip('veth200', '10.0.0.1')
              / syn(), 'DROP_NO_RULE')


def test_related_errors(net):
    """Port unreachable comes back, and so does what a router on the way says;
    an error about somebody else's connection does not."""
    request = ip('veth200', 'veth102') / UDP(sport=1000, dport=9)
    net.passes('veth200', net.packet('veth200') / request, 'veth102')
    inner = IPerror(bytes(request))
    net.passes('veth102', net.packet('veth102') / ip('veth102', 'veth200')
               / ICMP(type=3, code=3) / inner, 'veth200')
    net.passes('br0', net.packet('br0') / ip('10.0.0.1', 'veth200')
               / ICMP(type=3, code=4) / inner, 'veth200')
    other = IPerror(bytes(ip('veth200', 'veth102')
                          / UDP(sport=1001, dport=9)))
    net.drops('veth102', net.packet('veth102') / ip('veth102', 'veth200')
              / ICMP(type=3, code=3) / other, 'DROP_INVALID')


def test_errors_of_the_ends_alone(net):
    """About a request only who got it may say that it failed; about a reply,
    who had asked."""
    request = ip('veth200', 'veth102') / UDP(sport=1000, dport=9)
    reply = ip('veth102', 'veth200') / UDP(sport=9, dport=1000)
    net.passes('veth200', net.packet('veth200') / request, 'veth102')
    net.passes('veth102', net.packet('veth102') / reply, 'veth200')
    for about, right, wrong in ((request, 'veth102', 'veth201'),
                                (reply, 'veth200', 'veth201')):
        to = 'veth200' if about is request else 'veth102'
        error = ICMP(type=3, code=3) / IPerror(bytes(about))
        net.drops(wrong, net.packet(wrong) / ip(wrong, to) / error,
                  'DROP_INVALID')
        net.passes(right, net.packet(right) / ip(right, to) / error, to)


@pytest.mark.parametrize('packet, reason', [
    (Ether(src='02:00:00:00:00:99', dst=LOCAL)
     / IP(src='10.0.0.200', dst='10.0.0.102') / TCP(flags='S'),
     'DROP_UNKNOWN_PORT'),
    (Ether(src=MACS['veth200'], dst=LOCAL)
     / IP(src='10.0.0.201', dst='10.0.0.102') / TCP(flags='S'),
     'DROP_SPOOFED'),
    (Ether(src=MACS['veth200'], dst=LOCAL)
     / IPv6(src='fd00:53::201', dst='fd00:53::102') / TCP(flags='S'),
     'DROP_SPOOFED'),
    (Ether(src=MACS['veth200'], dst='ff:ff:ff:ff:ff:ff')
     / ARP(op=1, hwsrc=MACS['veth200'], psrc='10.0.0.201', pdst='10.0.0.102'),
     'DROP_SPOOFED'),
    (Ether(src=MACS['veth200'], dst='ff:ff:ff:ff:ff:ff')
     / ARP(op=1, hwsrc=MACS['veth201'], psrc='10.0.0.200', pdst='10.0.0.102'),
     'DROP_SPOOFED'),
    (Ether(src=MACS['veth200'], dst=MACS['veth201'])
     / ARP(op=2, hwsrc=MACS['veth200'], psrc='10.0.0.200',
           hwdst=MACS['veth201'], pdst='10.0.0.201'),
     'DROP_NO_NEIGHBOUR'),
    (Ether(src=MACS['veth200'], dst='33:33:ff:00:01:02')
     / IPv6(src='fd00:53::201', dst='ff02::1:ff00:102')
     / ICMPv6ND_NS(tgt='fd00:53::102')
     / ICMPv6NDOptSrcLLAddr(lladdr=MACS['veth200']), 'DROP_SPOOFED'),
    (Ether(src=MACS['veth200'], dst='33:33:00:00:00:01')
     / IPv6(src='fe80::1', dst='ff02::1') / ICMPv6ND_RA(), 'DROP_RA'),
    (Ether(src=MACS['veth200'], dst='33:33:ff:00:02:00')
     / IPv6(src='::', dst='ff02::1:ff00:200')
     / ICMPv6ND_NS(tgt='fd00:53::200'), 'DROP_DAD'),
    (Ether(src=MACS['veth200'], dst='ff:ff:ff:ff:ff:ff')
     / ARP(op=1, hwsrc=MACS['veth200'], psrc='0.0.0.0', pdst='10.0.0.200'),
     'DROP_DAD'),
    (Ether(src=MACS['veth200'], dst='ff:ff:ff:ff:ff:ff')
     / IP(src='10.0.0.200', dst='255.255.255.255')
     / UDP(sport=67, dport=68), 'DROP_DHCP'),
    (Ether(src=MACS['veth200'], dst='ff:ff:ff:ff:ff:ff')
     / IP(src='0.0.0.0', dst='10.0.0.1') / UDP(sport=68, dport=67),
     'DROP_DHCP'),
    (Ether(src=MACS['veth200'], dst='01:00:5e:00:00:fb')
     / IP(src='10.0.0.200', dst='224.0.0.251') / UDP(sport=5353, dport=5353),
     'DROP_MULTICAST'),
    (Ether(src=MACS['veth200'], dst=LOCAL) / Dot1Q(vlan=5)
     / IP(src='10.0.0.200', dst='10.0.0.102') / TCP(flags='S'), 'DROP_VLAN'),
    (Ether(src=MACS['veth200'], dst=LOCAL)
     / IP(src='10.0.0.200', dst='10.0.0.102') / ICMP(type=5, code=1),
     'DROP_RA'),
    (Ether(src=MACS['veth200'], dst=MACS['veth201'], type=0x88cc)
     / Raw(b'\0' * 50), 'DROP_SPOOFED'),
])
def test_guard(net, packet, reason):
    net.drops('veth200', packet, reason)


def test_local_address_from_outside(net):
    net.drops('br0', net.packet('br0') / ip('veth200', 'veth102') / syn(),
              'DROP_SPOOFED')


@pytest.mark.parametrize('target, mac', [
    ('10.0.0.102', MACS['veth102']), ('10.0.0.1', LOCAL),
    ('10.1.0.7', LOCAL)])
def test_arp_answered(net, target, mac):
    request = Ether(src=MACS['veth200'], dst='ff:ff:ff:ff:ff:ff') / ARP(
        op=1, hwsrc=MACS['veth200'], psrc='10.0.0.200', pdst=target)
    out = net.passes('veth200', request, 'veth200')
    assert (out.src, out.dst) == (mac, MACS['veth200'])
    assert (out[ARP].op, out[ARP].hwsrc, out[ARP].psrc) == (2, mac, target)
    assert (out[ARP].hwdst, out[ARP].pdst) == (MACS['veth200'], '10.0.0.200')


def test_arp_unknown(net):
    for port, src, mac in (('veth200', '10.0.0.200', MACS['veth200']),
                           ('br0', '10.0.0.1', LOCAL)):
        net.drops(port, Ether(src=mac, dst='ff:ff:ff:ff:ff:ff')
                  / ARP(op=1, hwsrc=mac, psrc=src, pdst='10.0.0.77'),
                  'DROP_NO_NEIGHBOUR')


def solicit(port, src, target):
    return (Ether(src=MACS.get(port, LOCAL), dst='33:33:ff:00:01:02')
            / IPv6(src=src, dst='ff02::1:ff00:102', hlim=255)
            / ICMPv6ND_NS(tgt=target)
            / ICMPv6NDOptSrcLLAddr(lladdr=MACS.get(port, LOCAL)))


@pytest.mark.parametrize('src', ['fd00:53::200', 'fe80::1'])
def test_nd(net, src):
    """Solicitations reach the owner only; his answer reaches the asker."""
    out = net.passes('veth200', solicit('veth200', src, 'fd00:53::102'),
                     'veth102')
    assert out[ICMPv6NDOptSrcLLAddr].lladdr == MACS['veth200']
    assert out.dst == MACS['veth102']
    assert out[IPv6].src == 'fd00:53::200'
    said = out[ICMPv6ND_NS].cksum
    del out[ICMPv6ND_NS].cksum
    assert Ether(bytes(out))[ICMPv6ND_NS].cksum == said
    advert = (Ether(src=MACS['veth102'], dst=MACS['veth200'])
              / IPv6(src='fd00:53::102', dst=out[IPv6].src, hlim=255)
              / ICMPv6ND_NA(tgt='fd00:53::102', R=0, S=1, O=1)
              / ICMPv6NDOptDstLLAddr(lladdr=MACS['veth102']))
    out = net.passes('veth102', advert, 'veth200')
    assert out[ICMPv6ND_NA].tgt == 'fd00:53::102'
    assert out[ICMPv6NDOptDstLLAddr].lladdr == MACS['veth102']


def test_nd_gateway(net):
    net.passes('veth200', solicit('veth200', 'fd00:53::200', 'fd00:53::1'),
               'br0')
    net.passes('br0', Ether(src=LOCAL, dst=MACS['veth200'])
               / IPv6(src='fd00:53::1', dst='fd00:53::200', hlim=255)
               / ICMPv6ND_NA(tgt='fd00:53::1', R=1, S=1, O=1)
               / ICMPv6NDOptDstLLAddr(lladdr=LOCAL), 'veth200')
    net.passes('br0', solicit('br0', 'fe80::1', 'fd00:53::200'), 'veth200')
    net.drops('veth200', solicit('veth200', 'fd00:53::200', 'fd00:53::77'),
              'DROP_NO_NEIGHBOUR')


def test_nd_lies_are_made_true(net):
    """An advertisement for somebody else's address arrives as one for the
    sender's own, with the sender's own MAC; so does a solicitation."""
    advert = (Ether(src=MACS['veth200'], dst=MACS['veth201'])
              / IPv6(src='fd00:53::200', dst='fd00:53::201', hlim=255)
              / ICMPv6ND_NA(tgt='fd00:53::102', S=0, O=1)
              / ICMPv6NDOptDstLLAddr(lladdr='02:00:00:00:00:99'))
    out = net.passes('veth200', advert, 'veth201')
    assert out[ICMPv6ND_NA].tgt == 'fd00:53::200'
    assert out[ICMPv6NDOptDstLLAddr].lladdr == MACS['veth200']
    lie = solicit('veth200', 'fd00:53::200', 'fd00:53::201')
    lie[ICMPv6NDOptSrcLLAddr].lladdr = '02:00:00:00:00:99'
    out = net.passes('veth200', lie, 'veth201')
    assert out[ICMPv6NDOptSrcLLAddr].lladdr == MACS['veth200']


def test_ipv6(net):
    net.passes('veth200', net.packet('veth200')
               / IPv6(src='fd00:53::200', dst='fd00:53::201')
               / ICMPv6EchoRequest(id=1), 'veth201')
    net.passes('veth201', net.packet('veth201')
               / IPv6(src='fd00:53::201', dst='fd00:53::200')
               / ICMPv6EchoReply(id=1), 'veth200')
    net.drops('veth102', net.packet('veth102')
              / IPv6(src='fd00:53::102', dst='fd00:53::201')
              / ICMPv6EchoRequest(id=1), 'DROP_RULE')
    net.passes('veth201', net.packet('veth201')
               / IPv6(src='fd00:53::201', dst='fd00:53:1::103')
               / syn(dport=6333), 'br0')
    net.passes('veth102', net.packet('veth102')
               / IPv6(src='fd00:53::102', dst='2001:db8::1') / syn(),
               'x-warp0')


def test_fragments(net):
    """A datagram in pieces; only the first has ports."""
    whole = bytes(UDP(sport=1000, dport=8125, len=2008) / Raw(b'x' * 2000))
    first, rest = whole[:1480], whole[1480:]
    net.switch.send('veth200', net.packet('veth200')
                    / ip('veth200', REDIS, id=7, flags='MF', proto=17)
                    / Raw(first))
    left, hits = net.switch.send(
        'veth200', net.packet('veth200')
        / ip('veth200', REDIS, id=7, frag=185, proto=17) / Raw(rest))
    assert [p for p, _ in left] == ['br0', 'br0'], net.explain(hits)


def withdraw(flows, cookie_kind, text=None):
    return '\n'.join(line for line in flows.splitlines()
                     if not re.match(r'cookie=0x53%02x' % cookie_kind, line))


def test_withdrawn_rule_cuts_both_ways(net, switch_flows):
    handshake(net, 'veth200', 'veth201', ip('veth200', 'veth201'),
              ip('veth201', 'veth200'), 9574)
    net.switch.load(withdraw(switch_flows, 7))
    data = TCP(sport=1000, dport=9574, flags='PA', seq=101, ack=501)
    net.drops('veth200', net.packet('veth200') / ip('veth200', 'veth201')
              / data, 'DROP_NO_RULE')
    back = TCP(sport=9574, dport=1000, flags='PA', seq=501, ack=101)
    net.drops('veth201', net.packet('veth201') / ip('veth201', 'veth200')
              / back, 'DROP_NO_RULE')
