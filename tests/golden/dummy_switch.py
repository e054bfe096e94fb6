"""A scratch ovs-vswitchd: no root, no kernel, but a real userspace datapath
with conntrack.  Packets go in by ovs-appctl and come out into pcap files."""

import os
import re
import socket
import subprocess
import time

from scapy.all import Ether
from scapy.utils import RawPcapReader

SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'


def wait_for(condition, what, timeout=60.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, 'timed out: ' + what
        time.sleep(0.01)


class DummySwitch:
    """One bridge br0 with the given ports; LOCAL is one of them."""

    def __init__(self, folder, ports, local_mac):
        self.dir = str(folder)
        self.ports = ['br0'] + list(ports)
        self.seen = {}
        self.counts = {}
        env = dict(os.environ, OVS_RUNDIR=self.dir, OVS_LOGDIR=self.dir,
                   OVS_DBDIR=self.dir, OVS_SYSCONFDIR=self.dir)
        self.env = env
        self.daemons = []
        try:
            self.bring_up(local_mac)
        except BaseException:
            self.stop()
            raise

    def bring_up(self, local_mac):
        db = self.path('conf.db')
        self.run('ovsdb-tool', 'create', db, SCHEMA)
        self.start('ovsdb-server', db, '--remote=punix:' + self.path('db'),
                   '--unixctl=' + self.path('db.ctl'))
        wait_for(lambda: self.listens('db'), 'ovsdb-server')
        self.vsctl('--no-wait', 'init')
        self.start('ovs-vswitchd', 'unix:' + self.path('db'),
                   '--enable-dummy=system', '--disable-system',
                   '--unixctl=' + self.path('vs.ctl'))
        wait_for(lambda: self.listens('vs.ctl'), 'ovs-vswitchd')
        args = ['add-br', 'br0', '--', 'set', 'bridge', 'br0',
                'datapath_type=dummy', 'fail-mode=secure',
                'protocols=OpenFlow10,OpenFlow15',
                'other-config:hwaddr="%s"' % local_mac]
        for number, name in enumerate(self.ports):
            if number:
                args += ['--', 'add-port', 'br0', name]
            args += ['--', 'set', 'interface', name,
                     'options:tx_pcap=' + self.pcap(name)]
            if number:
                args += ['type=dummy', 'ofport_request=%d' % number]
        self.vsctl(*args)

    def path(self, name):
        return os.path.join(self.dir, name)

    def pcap(self, port):
        return self.path(port + '.pcap')

    def listens(self, name):
        """A socket is there a moment before it can be connected to."""
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(self.path(name)) == 0

    def start(self, program, *args):
        log = '--log-file=' + self.path(program + '.log')
        self.daemons.append(subprocess.Popen(
            [program, *args, '--no-chdir', '-vconsole:off', log],
            env=self.env, stdin=subprocess.DEVNULL))

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait(60)

    def run(self, *args, text=None):
        done = subprocess.run(args, env=self.env, input=text,
                              stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 0, '%s: %s' % (args, done.stderr)
        return done.stdout

    def vsctl(self, *args):
        return self.run('ovs-vsctl', '-t', '50',
                        '--db=unix:' + self.path('db'), *args)

    def ofctl(self, *args, text=None):
        args = [a if a != 'BR' else 'unix:' + self.path('br0.mgmt')
                for a in args]
        return self.run('ovs-ofctl', '-t', '50', '-O', 'OpenFlow15', *args,
                        text=text)

    def appctl(self, *args):
        return self.run('ovs-appctl', '-T', '50', '-t', self.path('vs.ctl'),
                        *args)

    def load(self, flows):
        """What `socknet compile` printed."""
        for line in flows.splitlines():
            m = re.match(r'# (add-group|add-meter) (.*)', line)
            if m:
                self.ofctl(m.group(1), 'BR', m.group(2))
        with open(self.path('flows'), 'w') as f:
            f.write(flows)
        self.ofctl('--bundle', 'replace-flows', 'BR', self.path('flows'))
        self.appctl('revalidator/purge')
        self.read_counts()

    def read_counts(self):
        """{(cookie, flow): packets}, and what was counted since last time."""
        self.appctl('revalidator/purge')
        new, counts = [], {}
        for line in self.ofctl('dump-flows', 'BR').splitlines():
            m = re.search(r'cookie=(0x[0-9a-f]+),.* (table=\d+), '
                          r'n_packets=(\d+),.*?(priority=.*)', line)
            if m:
                key = (int(m.group(1), 16), m.group(2) + ' ' + m.group(4))
                counts[key] = int(m.group(3))
                if counts[key] > self.counts.get(key, 0):
                    new.append(key)
        self.counts = counts
        return new

    def collect(self):
        """[(port, packet)] that left since last time."""
        out = []
        for port in self.ports:
            if not os.path.exists(self.pcap(port)):
                continue
            packets = [p for p, _ in RawPcapReader(self.pcap(port))] \
                if os.path.getsize(self.pcap(port)) > 24 else []
            out += [(port, Ether(p)) for p in packets[self.seen.get(port, 0):]]
            self.seen[port] = len(packets)
        return out

    def send(self, port, packet):
        """Returns what left, and the flows that counted it."""
        self.collect()
        self.appctl('netdev-dummy/receive', port, bytes(packet).hex())
        hits = []

        def arrived():
            hits.extend(self.read_counts())
            return hits
        wait_for(arrived, 'the packet to be counted')
        return self.collect(), hits
