"""What `socknet why` says of random states, against a real switch: the same
flows in two instances of ovs-vswitchd, real conntrack, and every packet.

SOCKNET_SEEDS=N tries N states (default: a few)."""

import json
import os
import random
import struct
import subprocess
import time

import pytest

from scratch import Switch

N_SEEDS = int(os.environ.get('SOCKNET_SEEDS') or 3)
LOCAL_MAC = ['02:00:00:00:00:fa', '02:00:00:00:00:fb']
EXIT_MAC = '02:00:00:00:00:ee'
PROTOS = ['tcp/22', 'tcp/80', 'udp/53', 'icmp']
OTHERS = {'1.1.1.1': None, '10.0.0.1': 0, '10.1.0.1': 1}
FIRST_ID = 20000


class Container:
    def __init__(self, node, number, rng):
        self.node, self.number = node, number
        self.name = 'c%d' % number
        self.veth = 'veth%di0' % number
        self.mac = '02:00:00:00:01:%02x' % number
        self.ip = '10.%d.0.%d' % (node, number)
        self.tags = rng.sample(['a', 'b', 'c'], rng.randint(0, 2))
        self.exit = node == 0 and rng.random() < 0.4

    def yaml(self):
        return json.dumps({
            'id': str(self.number), 'veth': self.veth, 'hwaddr': self.mac,
            'tags': self.tags, **({'exit': 'warp'} if self.exit else {}),
            'properties': {'name': self.name,
                           'ipv4_address': self.ip + '/24'}})


class World:
    """A random state: two nodes, eight containers, rules of all kinds."""

    def __init__(self, seed):
        rng = random.Random(seed)
        self.containers = [Container(i // 4, 100 + i, rng) for i in range(8)]
        ends = ([c.name for c in self.containers]
                + ['tag:a', 'tag:b', 'tag:c', '*', 's', '10.0.0.0/24',
                   '10.1.0.0/25', 'c10[0-5]'])
        rules = []
        for i in range(rng.randint(2, 8)):
            tier = 'emergency' if rng.random() < 0.15 else 'acls'
            proto, port = rng.choice([('tcp', ':22'), ('tcp', ':22,80'),
                                      ('tcp', ':1-79'), ('udp', ':53'),
                                      ('icmp', ''), ('any', '')])
            src = rng.sample(ends, rng.randint(1, 2))
            dst = rng.sample(ends + ['node:n0', 'node:n1'],
                             rng.randint(1, 3))
            exits = [c.name for c in self.containers if c.exit]
            if exits and rng.random() < 0.3:
                src, dst = rng.sample(exits, 1), dst + ['internet']
            rules.append((tier, {
                'name': 'r%d' % i, 'proto': proto, 'src': src,
                'action': rng.choice(['accept', 'accept', 'deny']),
                'dst': [e + port for e in dst]}))
        segments = {'s': {'members': ['tag:a', 'c101']}}
        if rng.random() < 0.5:
            segments['t'] = {'members': ['tag:b'],
                             'isolated_from': [rng.choice('s')]}
        state = {
            'mesh': {'name': 'm', 'prefix': '100.64.0.0/24',
                     'default_policy': rng.choice(['deny', 'allow'])},
            'segments': segments,
            'acls': [r for t, r in rules if t == 'acls'],
            'emergency': [r for t, r in rules if t == 'emergency']}
        text = 'nodes:\n'
        for n in range(2):
            text += ('  n%d:\n    endpoint: 192.0.2.%d\n'
                     '    subnet: 10.%d.0.0/24\n' % (n, n + 1, n))
            if n == 0:
                text += '    wireguard: {warp_tunnel: {interface: warp0}}\n'
            text += '    lxc:\n      containers:\n'
            text += ''.join('        - %s\n' % c.yaml()
                            for c in self.containers if c.node == n)
        self.text = text + ''.join(
            '%s: %s\n' % (k, json.dumps(v)) for k, v in state.items() if v)

    def find(self, **what):
        return next(c for c in self.containers
                    if all(getattr(c, k) == v for k, v in what.items()))


def checksum(data):
    if len(data) % 2:
        data += b'\0'
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def mac(text):
    return bytes.fromhex(text.replace(':', ''))


def ip(text):
    return bytes(map(int, text.split('.')))


def packet(number, src_mac, dst_mac, src, dst, proto):
    """The first packet of a connection, known again by 'number'."""
    name, _, port = proto.partition('/')
    if name == 'tcp':
        kind, l4 = 6, struct.pack('!HHIIBBHHH', number, int(port), 1, 0,
                                  5 << 4, 2, 8192, 0, 0)
    elif name == 'udp':
        kind, l4 = 17, struct.pack('!HHHH', number, int(port), 12, 0) + b'abcd'
    else:
        kind, l4 = 1, struct.pack('!BBHHH', 8, 0, 0, number, 1) + b'abcd'
    pseudo = (ip(src) + ip(dst) + struct.pack('!BBH', 0, kind, len(l4))
              if kind != 1 else b'')
    at = {6: 16, 17: 6, 1: 2}[kind]
    l4 = l4[:at] + struct.pack('!H', checksum(pseudo + l4)) + l4[at + 2:]
    head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(l4), number, 0, 64,
                       kind, 0) + ip(src) + ip(dst)
    head = head[:10] + struct.pack('!H', checksum(head)) + head[12:]
    return mac(dst_mac) + mac(src_mac) + b'\x08\0' + head + l4


def read_pcap(path):
    """The frames that a port sent."""
    data = path.read_bytes() if path.exists() else b''
    at = 24
    while at + 16 <= len(data):
        n = struct.unpack('<I', data[at + 8:at + 12])[0]
        yield data[at + 16:at + 16 + n]
        at += 16 + n


class Host:
    """One node's flows in a switch of its own."""

    def __init__(self, folder, node, world, socknet, state):
        self.node, self.folder = node, folder
        self.sw = Switch(folder)
        self.sw.vsctl('set', 'bridge', 'vmbr0',
                      'other-config:hwaddr=' + LOCAL_MAC[node])
        self.names = ['vmbr0'] + [c.veth for c in world.containers
                                  if c.node == node]
        ports = ['vmbr0=LOCAL,' + LOCAL_MAC[node]]
        if node == 0:
            self.names.append('x-warp0')
        for i, name in enumerate(self.names):
            if i:
                self.sw.vsctl('add-port', 'vmbr0', name, '--', 'set',
                              'interface', name, 'ofport_request=%d' % i)
                ports.append('%s=%d%s' % (
                    name, i, ',' + EXIT_MAC if name == 'x-warp0' else ''))
            self.sw.vsctl('set', 'interface', name,
                          'options:tx_pcap=%s/%s.pcap' % (folder, name))
        self.sw.wait_ready()
        args = [x for p in ports for x in ('--port', p)]
        flows = socknet('compile', state, '--node', 'n%d' % node, *args)
        self.sw.ofctl('replace-flows', '-', stdin=flows)

    def send(self, port, frames):
        for i in range(0, len(frames), 50):
            self.sw.vswitchd.appctl('netdev-dummy/receive', port,
                                    *[f.hex() for f in frames[i:i + 50]])

    def received(self):
        """Number of a packet to the ports that it left by, as a list."""
        found = {}
        for name in self.names:
            for frame in read_pcap(self.folder / (name + '.pcap')):
                if frame[12:14] == b'\x08\0':
                    number = struct.unpack('!H', frame[18:20])[0]
                    found.setdefault(number, []).append(name)
        return found

    def settle(self):
        """Until nothing more comes out."""
        before = None
        while before != (before := self.received()):
            time.sleep(0.3)
        return before

    def stop(self):
        self.sw.stop()


def told(socknet, state):
    """(source, destination, protocol) -> what why says."""
    verdicts = {}
    for proto in PROTOS:
        for dst in ['*', *OTHERS]:
            out = json.loads(socknet('why', '*', dst, proto, '--json',
                                     '--from', state))
            for v in out['verdicts']:
                src, _, rest = v['packet'].partition(' -> ')
                to = rest.split(' ')[0]
                verdicts[src, to.partition(':')[0], proto] = v['verdict']
    return verdicts


def outcome(world, hosts, src, to, ports):
    """What the ports that a packet left by mean, in why's words."""
    if not ports:
        return 'dropped'
    assert len(ports) == 1, (src, to, ports)
    if ports[0] == 'x-warp0':
        return 'leaves by exit n0/warp'
    if ports[0] == 'vmbr0':
        return ('delivered to node:n%d itself' % OTHERS[to]
                if OTHERS.get(to) is not None else 'LOCAL')
    return 'delivered to ' + world.find(veth=ports[0]).name


@pytest.fixture
def run(builddir):
    def run(*args):
        r = subprocess.run([builddir / 'cli/socknet', *map(str, args)],
                           text=True, capture_output=True, timeout=60)
        assert r.returncode == 0, r.stdout + r.stderr
        return r.stdout
    return run


@pytest.mark.parametrize('seed', range(N_SEEDS))
def test_why_and_the_switch_agree(run, tmp_path, seed):
    state = tmp_path / 'state.yaml'
    for variant in range(50):
        world = World(seed * 50 + variant)
        state.write_text(world.text)
        verdicts = told(run, state)
        if len(set(verdicts.values())) > 6:     # Else it tests little.
            break
    assert len(verdicts) > 300
    hosts = [Host(tmp_path / ('n%d' % n), n, world, run, state)
             for n in range(2)]
    try:
        compare(world, hosts, verdicts)
    finally:
        for host in hosts:
            host.stop()


def compare(world, hosts, verdicts):
    keys = sorted(verdicts)
    number = {key: FIRST_ID + i for i, key in enumerate(keys)}
    frames = {}
    for src, to, proto in keys:
        c = world.find(name=src)
        dst = next((d for d in world.containers if d.name == to), None)
        near = dst and dst.node == c.node
        frames.setdefault((c.node, c.veth), []).append(packet(
            number[src, to, proto], c.mac,
            dst.mac if near else LOCAL_MAC[c.node], c.ip,
            dst.ip if dst else to, proto))
    for (node, veth), some in frames.items():
        hosts[node].send(veth, some)
    left = [host.settle() for host in hosts]

    # What the hosts route to each other.
    across = {0: [], 1: []}
    for key in keys:
        src, to, proto = key
        c = world.find(name=src)
        dst = next((d for d in world.containers if d.name == to), None)
        if dst and dst.node != c.node and \
                left[c.node].get(number[key]) == ['vmbr0']:
            across[dst.node].append(packet(
                number[key], LOCAL_MAC[dst.node], dst.mac, c.ip, dst.ip,
                proto))
    for node, some in across.items():
        hosts[node].send('vmbr0', some)
    arrived = [host.settle() for host in hosts]

    wrong = []
    for key in keys:
        src, to, proto = key
        c = world.find(name=src)
        end = outcome(world, hosts, src, to, left[c.node].get(number[key]))
        if end == 'LOCAL':
            dst = world.find(name=to)
            end = outcome(world, hosts, src, to,
                          arrived[dst.node].get(number[key]))
        if end != verdicts[key]:
            wrong.append('%s -> %s %s: why says "%s", the switch "%s"'
                         % (*key, verdicts[key], end))
    assert not wrong, '\n'.join(wrong[:20] + [world.text])
