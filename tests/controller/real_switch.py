"""Packets of random states through real switches: two instances of
ovs-vswitchd with real conntrack, which are given one state after the other."""

import json
import os
import socket
import struct
import subprocess
import time

import random_state as states
from scratch import Switch

LOCAL_MAC = ['02:00:00:00:00:fa', '02:00:00:00:00:fb']
EXIT_MAC = '02:00:00:00:00:ee'
FIRST_ID = 20000
ARP, IP = b'\x08\x06', b'\x08\0'


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
    return mac(dst_mac) + mac(src_mac) + IP + head + l4


def arp_request(src_mac, src, dst):
    return (b'\xff' * 6 + mac(src_mac) + ARP + struct.pack(
        '!HHBBH', 1, 0x800, 6, 4, 1) + mac(src_mac) + ip(src) + b'\0' * 6
        + ip(dst))


class Control:
    """ovs-vswitchd's control socket, without a process for each command."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.settimeout(60)

    def __call__(self, method, *args):
        self.socket.sendall(json.dumps({
            'id': 0, 'method': method,
            'params': [str(a) for a in args]}).encode())
        text = ''
        while True:
            text += self.socket.recv(65536).decode()
            try:
                reply = json.loads(text)
            except ValueError:
                continue
            assert not reply['error'], reply
            return reply['result']


class Port:
    """What a port sends, read as it is written."""

    def __init__(self, path):
        self.path = path
        self.file = None

    def frames(self):
        if not self.file:
            if not self.path.exists():
                return
            self.file = open(self.path, 'rb')
            self.file.seek(24)
        while True:
            at = self.file.tell()
            head = self.file.read(16)
            n = struct.unpack('<I', head[8:12])[0] if len(head) == 16 else 0
            data = self.file.read(n)
            if not n or len(data) < n:
                self.file.seek(at)
                return
            yield data


class Host:
    """A switch with the ports that a node of any random state has."""

    def __init__(self, folder, node):
        self.node, self.folder = node, folder
        self.sw = Switch(folder)
        self.sw.vsctl('set', 'bridge', 'vmbr0',
                      'other-config:hwaddr=' + LOCAL_MAC[node])
        self.containers = [{'node': node, 'number': 100 + i}
                           for i in range(states.N_CONTAINERS)
                           if i // 4 == node]
        self.names = ['vmbr0'] + [states.veth(c) for c in self.containers]
        if node == 0:
            self.names.append('x-warp0')
        for i, name in enumerate(self.names[1:], 1):
            self.sw.vsctl('add-port', 'vmbr0', name, '--', 'set',
                          'interface', name, 'ofport_request=%d' % i)
        for name in self.names:
            self.sw.vsctl('set', 'interface', name,
                          'options:tx_pcap=%s/%s.pcap' % (folder, name))
        self.sw.wait_ready()
        self.ports = {n: Port(folder / (n + '.pcap')) for n in self.names}
        self.control = Control(self.sw.vswitchd.ctl)

    def load(self, socknet, state, sabotage):
        """'sabotage' spoils the flows that the switch gets, for a test of
        this test."""
        args = ['--port', 'vmbr0=LOCAL,' + LOCAL_MAC[self.node]]
        for i, name in enumerate(self.names[1:], 1):
            args += ['--port', '%s=%d%s' % (
                name, i, ',' + EXIT_MAC if name == 'x-warp0' else '')]
        flows = socknet('compile', state, '--node', 'n%d' % self.node, *args)
        self.sw.ofctl('replace-flows', '-',
                      stdin=sabotage(flows) if sabotage else flows)
        # Nothing of the state before, not for the moment that revalidation
        # takes either.
        self.control('revalidator/purge')
        self.control('dpctl/flush-conntrack')
        for port in self.ports.values():
            list(port.frames())

    def exchange(self, sent):
        """Sends frames from ports, and returns the numbers of the packets with
        the ports that each left by.

        What comes from one port is treated in order: with the answer to an ARP
        request behind all others, all is done."""
        for name, frames in sent.items():
            frames = frames + [self.question(name)]
            for i in range(0, len(frames), 50):
                self.control('netdev-dummy/receive', name,
                             *[f.hex() for f in frames[i:i + 50]])
        found, waiting = {}, set(sent)
        end = time.monotonic() + 30 * float(
            os.environ.get('SOCKNET_TIME_FACTOR', 1))
        while waiting:
            assert time.monotonic() < end, 'no answer to ARP: %s' % waiting
            before = len(waiting)
            for name, port in self.ports.items():
                for frame in port.frames():
                    if frame[12:14] == ARP:
                        waiting.discard(name)
                    elif frame[12:14] == IP:
                        number = struct.unpack('!H', frame[18:20])[0]
                        found.setdefault(number, []).append(name)
            if len(waiting) == before:
                time.sleep(0.002)
        # What came out before the last of the answers.
        for name, port in self.ports.items():
            for frame in port.frames():
                if frame[12:14] == IP:
                    number = struct.unpack('!H', frame[18:20])[0]
                    found.setdefault(number, []).append(name)
        return found

    def question(self, port):
        if port == 'vmbr0':
            return arp_request(LOCAL_MAC[self.node], '10.%d.0.1' % self.node,
                               self.alive)
        c = next(c for c in self.containers if states.veth(c) == port)
        return arp_request(states.mac(c), states.address(c),
                           '10.%d.0.1' % self.node)

    def stop(self):
        self.control.socket.close()
        self.sw.stop()


class Fabric:
    """Both hosts, and what they route to each other."""

    def __init__(self, folder, program):
        self.file = folder / 'state.yaml'
        self.program = program
        self.hosts = [Host(folder / ('n%d' % n), n) for n in range(2)]
        self.n_packets = 0

    def socknet(self, *args):
        r = subprocess.run([self.program, *map(str, args)], text=True,
                           capture_output=True, timeout=180)
        assert r.returncode == 0, r.stdout + r.stderr
        return r.stdout

    def told(self):
        """What `why` says, in the form of random_state.expected()."""
        verdicts = {}
        for proto in states.PROTOS:
            for dst in ['*', *states.OTHERS]:
                out = json.loads(self.socknet('why', '*', dst, proto, '--json',
                                              '--from', self.file))
                for v in out['verdicts']:
                    src, _, rest = v['packet'].partition(' -> ')
                    to = rest.split(' ')[0]
                    verdicts[src, to.partition(':')[0], proto] = v['verdict']
        return verdicts

    def sent(self, state, keys, sabotage):
        """What real packets meet."""
        number = {key: FIRST_ID + i for i, key in enumerate(keys)}
        frames = [{}, {}]
        for host in self.hosts:
            host.load(self.socknet, self.file, sabotage)
        for key in keys:
            src, to, proto = key
            c, dst = states.called(state, src), states.called(state, to)
            near = dst and dst['node'] == c['node']
            frames[c['node']].setdefault(states.veth(c), []).append(packet(
                number[key], states.mac(c),
                states.mac(dst) if near else LOCAL_MAC[c['node']],
                states.address(c), states.address(dst) if dst else to, proto))
        left = [h.exchange(f) for h, f in zip(self.hosts, frames)]
        arrived = self.across(state, keys, number, left)
        self.n_packets += len(keys)
        return {key: self.outcome(state, key, number[key], left, arrived)
                for key in keys}

    def across(self, state, keys, number, left):
        """What the hosts route to each other."""
        frames = [[], []]
        for key in keys:
            src, to, proto = key
            c, dst = states.called(state, src), states.called(state, to)
            if dst and dst['node'] != c['node'] and \
                    left[c['node']].get(number[key]) == ['vmbr0']:
                frames[dst['node']].append(packet(
                    number[key], LOCAL_MAC[dst['node']], states.mac(dst),
                    states.address(c), states.address(dst), proto))
                self.hosts[dst['node']].alive = states.address(dst)
        return [h.exchange({'vmbr0': f} if f else {})
                for h, f in zip(self.hosts, frames)]

    def outcome(self, state, key, number, left, arrived):
        src, to, _ = key
        c, dst = states.called(state, src), states.called(state, to)
        ports = left[c['node']].get(number)
        if ports == ['vmbr0'] and dst and dst['node'] != c['node']:
            ports = arrived[dst['node']].get(number)
        elif ports == ['vmbr0'] and states.OTHERS.get(to) is not None:
            return 'delivered to node:n%d itself' % states.OTHERS[to]
        if ports == ['x-warp0']:
            return 'leaves by exit n0/warp'
        if not ports:
            return 'dropped'
        names = {states.veth(c): states.name(c) for c in state['containers']}
        return 'delivered to ' + ', '.join(names.get(p, p) for p in ports)

    def refuted(self):
        """The invariants of `socknet prove` that do not hold."""
        r = subprocess.run([self.program, 'prove', self.file, '--json'],
                           text=True, capture_output=True, timeout=180)
        assert r.returncode in (0, 1) and r.stdout, r.stderr
        return [i['invariant'] for i in json.loads(r.stdout)['invariants']
                if not i['proven']]

    def compare(self, state, sabotage=None):
        """The pairs of which rules, flows and switch do not say the same, and
        what the proof has against it."""
        self.file.write_text(states.yaml(state))
        rules, flows = states.expected(state), self.told()
        switch = self.sent(state, sorted(rules), sabotage)
        wrong = {key: (rules.get(key), flows.get(key), switch.get(key))
                 for key in set(rules) | set(flows)
                 if not rules.get(key) == flows.get(key) == switch.get(key)}
        wrong.update({('*', '*', i): ('proven', 'refuted', '-')
                      for i in self.refuted()})
        return wrong

    def verify(self, state):
        """`plan --verify`: what OVS's own trace finds of it, as JSON."""
        self.file.write_text(states.yaml(state))
        r = subprocess.run(
            [self.program, 'plan', self.file, '--from', self.file, '--verify',
             '--json'], text=True, capture_output=True, timeout=300)
        assert r.returncode in (0, 1) and r.stdout, r.stderr
        return dict(json.loads(r.stdout), failed=r.returncode)

    def stop(self):
        for host in self.hosts:
            host.stop()
