"""A scratch switch, a scratch central database and a controller.

All of it runs without root, in one folder, with sockets and logs in it.  The
switch is a real ovs-vswitchd on its dummy datapath.
"""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

VSWITCH_SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'


def wait_for(what, timeout=40, interval=0.02):
    """Calls what() until it returns something true, and returns that.  How
    soon that is says more of the machine than of what is tested."""
    timeout *= float(os.environ.get('SOCKNET_TIME_FACTOR', 1))
    end = time.monotonic() + timeout
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError('not within %s s' % timeout)
        time.sleep(interval)


def reserve_port():
    """A TCP port of 127.0.0.1 that stays this process's while the socket that
    is returned is open, and at which another may listen all the same."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('127.0.0.1', 0))
    return s, s.getsockname()[1]


def is_json(text):
    try:
        json.loads(text)
        return True
    except ValueError:
        return False


class Daemon:
    """A process in the foreground, with its log in a file."""

    def __init__(self, folder, name, args, env=None):
        self.args = args
        self.env = dict(os.environ, OVS_RUNDIR=str(folder),
                        OVS_LOGDIR=str(folder), OVS_DBDIR=str(folder))
        self.env.update(env or {})
        self.log = folder / (name + '.log')
        self.ctl = folder / (name + '.ctl')
        self.process = None

    def start(self, wait=True):
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                [str(a) for a in self.args] + ['--unixctl=%s' % self.ctl],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=self.env)
        if wait:
            wait_for(lambda: self.appctl('version', check=False))

    def appctl(self, *args, check=True, timeout=60):
        if not self.ctl.exists() and not check:
            return ''
        r = subprocess.run(
            ['ovs-appctl', '-T', str(timeout), '-t', str(self.ctl)]
            + [str(a) for a in args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if check:
            assert r.returncode == 0, r.stderr
        return r.stdout if r.returncode == 0 else ''

    def stop(self, sig=signal.SIGTERM):
        if self.process:
            self.process.send_signal(sig)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait(60)
            self.process = None
            if self.ctl.exists():
                self.ctl.unlink()

    def kill(self):
        self.stop(signal.SIGKILL)

    def rss_kb(self):
        with open('/proc/%d/status' % self.process.pid) as f:
            return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1))


class Switch:
    """ovsdb-server and ovs-vswitchd with a bridge."""

    def __init__(self, folder, bridge='vmbr0'):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.bridge = bridge
        self.target = 'unix:%s/%s.mgmt' % (folder, bridge)
        self.remote = 'unix:%s/ovs.sock' % folder
        conf = folder / 'conf.db'
        subprocess.check_call(['ovsdb-tool', 'create', str(conf),
                               VSWITCH_SCHEMA])
        self.db = Daemon(folder, 'ovsdb-server',
                         ['ovsdb-server', conf,
                          '--remote=punix:%s/ovs.sock' % folder])
        self.db.start()
        self.vsctl('--no-wait', 'init')
        self.vswitchd = Daemon(folder, 'ovs-vswitchd',
                               ['ovs-vswitchd', self.remote,
                                '--enable-dummy=system', '--disable-system'])
        self.vswitchd.start()
        self.vsctl('add-br', bridge, '--', 'set', 'bridge', bridge,
                   'fail-mode=secure',
                   'other-config:hwaddr=02:00:00:00:00:fe')

    def vsctl(self, *args, timeout=60):
        return subprocess.check_output(
            ['ovs-vsctl', '-t', str(timeout), '--db=' + self.remote]
            + [str(a) for a in args], text=True)

    def ofctl(self, command, *args, stdin=None):
        return subprocess.run(
            ['ovs-ofctl', '-O', 'OpenFlow15', '-t', '60', command,
             self.target] + [str(a) for a in args], input=stdin, text=True,
            check=True, stdout=subprocess.PIPE).stdout

    def add_port(self, name):
        self.vsctl('add-port', self.bridge, name)

    def del_port(self, name):
        self.vsctl('del-port', self.bridge, name)

    def ofport(self, name):
        return int(self.vsctl('get', 'interface', name, 'ofport'))

    def flows(self, stats=False):
        """Flows as a list of lines, sorted."""
        args = [] if stats else ['--no-stats']
        out = subprocess.check_output(
            ['ovs-ofctl', '-O', 'OpenFlow15', '-t', '60', 'dump-flows']
            + args + [self.target], text=True)
        return sorted(x.strip() for x in out.splitlines()
                      if 'actions=' in x)

    def our_flows(self, stats=False):
        return [f for f in self.flows(stats) if 'cookie=0x53' in f]

    def wait_ready(self):
        """Until the bridge answers."""
        def answers():
            return not subprocess.run(
                ['ovs-ofctl', '-O', 'OpenFlow15', '-t', '5', 'show',
                 self.target], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL).returncode
        wait_for(answers)

    def stop(self):
        self.vswitchd.stop()
        self.db.stop()


class Database:
    """The central database; rows are written as apply would."""

    def __init__(self, folder, schema):
        self.remote = 'unix:%s/socknet.sock' % folder
        self.file = folder / 'socknet.db'
        subprocess.check_call(['ovsdb-tool', 'create', str(self.file),
                               str(schema)])
        self.server = Daemon(folder, 'socknet-db',
                             ['ovsdb-server', self.file,
                              '--remote=punix:%s/socknet.sock' % folder])
        self.generation = 0
        self.server.start()

    def transact(self, *ops):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.remote[len('unix:'):])
            s.sendall(json.dumps({'method': 'transact', 'id': 0,
                                  'params': ['Socknet'] + list(ops)}
                                 ).encode())
            reply = b''
            while not reply.endswith(b'}') or not is_json(reply):
                more = s.recv(1 << 20)
                assert more, reply
                reply += more
        replies = json.loads(reply)['result']
        for r in replies:
            assert not (r and r.get('error')), replies
        return replies

    def apply(self, *ops):
        """The operations in a transaction that raises the generation."""
        self.generation += 1
        self.transact(*ops, update('Mesh', [], generation=self.generation))
        return self.generation

    def create_mesh(self, *nodes, default_policy='allow'):
        self.generation = 1
        self.transact(
            insert('Mesh', name='test', prefix='100.64.0.0/24',
                   default_policy=default_policy, generation=1),
            *[insert('Node', name=n, address='100.64.0.%d' % (i + 1),
                     subnets=['map', [['10.%d.0.0/16' % i,
                                       '10.%d.255.254' % i]]])
              for i, n in enumerate(nodes)])

    def status(self, node):
        rows = self.transact({'op': 'select', 'table': 'Bridge_Status',
                              'where': [['node', '==', node]]})[0]['rows']
        if not rows:
            return None
        row = rows[0]
        p = row['problems']
        row['problems'] = sorted(p[1]) if isinstance(p, list) else [p]
        return row

    def wait_enforced(self, node, generation=None, timeout=40):
        if generation is None:
            generation = self.generation
        try:
            wait_for(lambda: (self.status(node) or {}).get('generation')
                     == generation, timeout, 0.05)
        except AssertionError:
            raise AssertionError('generation %d not enforced: %s' % (
                generation, self.status(node)))

    def stop(self):
        self.server.stop()


def insert(table, **row):
    return {'op': 'insert', 'table': table, 'row': row}


def update(table, where, **row):
    return {'op': 'update', 'table': table, 'where': where, 'row': row}


def delete(table, where):
    return {'op': 'delete', 'table': table, 'where': where}


def container(number, node='a', nth=0, **more):
    """The row of container number 1, 2, ... of the nth node."""
    row = dict(
        name='c%d' % number, id=str(100 + number), node=node, bridge='vmbr0',
        veth='veth%d' % (100 + number),
        hwaddr='02:00:00:00:%02x:%02x' % (number >> 8, number & 255),
        addresses='10.%d.%d.%d/16' % (nth, number // 250, number % 250 + 1))
    row.update(more)
    return insert('Container', **row)


def acl(name, src, dst, action='accept', proto=6, **more):
    return insert('Acl', name=name, tier='acls', action=action, src=src,
                  dst=dst, ip_proto=proto, **more)


def raw_flow(name, flow, node='a', position=0):
    return insert('Raw_Flow', node=node, name=name, bridge='vmbr0',
                  position=position, flow=flow)


def is_of_a_busy_machine(line):
    """What OVS's library logs of a process that did not get a processor for a
    second.  One that itself computed for so long did wrong."""
    m = re.search(r'\|timeval\|WARN\|(?:Unreasonably long \d+ms poll interval '
                  r'\((\d+)ms user, (\d+)ms system\)|faults: |disk: |'
                  r'context switches: )', line)
    return m and (not m[1] or int(m[1]) + int(m[2]) < 1000)


class Controller(Daemon):
    def __init__(self, folder, program, db, args, name='controller'):
        super().__init__(folder, name,
                         [program, '--db=' + db.remote,
                          '--state-dir=%s/%s-state' % (folder, name)]
                         + list(args))

    def stop(self, sig=signal.SIGTERM):
        """Asks it to end: then a sanitizer looks for leaks."""
        if self.process and sig == signal.SIGTERM:
            process, self.process = self.process, None
            try:
                self.appctl('exit')
                assert process.wait(60) == 0
            finally:
                process.kill()
        else:
            super().stop(sig)

    def stats(self):
        return {k: int(v) for k, v in
                (line.split(': ') for line in
                 self.appctl('stats').splitlines())}

    def n_waits(self):
        """How often something was waited for, of the times that it slept."""
        m = re.search(r'poll_create_node.* total: (\d+)',
                      self.appctl('coverage/show'))
        return int(m.group(1)) if m else 0

    def warnings(self):
        text = self.log.read_text(errors='replace')
        return [x for x in text.splitlines()
                if 'fatal_signal' not in x and re.search(
                    r'\|(WARN|ERR|EMER)\||Sanitizer|runtime error', x)
                and not is_of_a_busy_machine(x)]


class Proxy:
    """Between the controller and the switch: an unkind switch.

    'answer' is called with each message of the controller; what it returns, if
    anything, is sent back in place of passing the message on.
    """

    def __init__(self, path, switch, answer):
        self.target = 'unix:%s' % path
        self.switch = switch.target[len('unix:'):]
        self.answer = answer
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self.switch)
            except OSError:             # The switch does not run.
                near.close()
                continue
            for a, b, answer in ((near, far, self.answer), (far, near, None)):
                threading.Thread(target=self.copy, args=(a, b, answer),
                                 daemon=True).start()

    @staticmethod
    def copy(a, b, answer):
        buf = b''
        while True:
            try:
                data = a.recv(65536)
            except OSError:
                data = b''
            if not data:
                try:
                    # Closing alone would wait for who reads from it.
                    b.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                b.close()
                return
            buf += data
            while len(buf) >= 8:
                n = int.from_bytes(buf[2:4], 'big')
                if len(buf) < n:
                    break
                reply = answer(buf[:n]) if answer else None
                try:
                    if reply:
                        a.sendall(reply)
                    else:
                        b.sendall(buf[:n])
                except OSError:         # It has hung up meanwhile.
                    return
                buf = buf[n:]

    @staticmethod
    def error(msg, kind, code):
        """OFPT_ERROR about a message."""
        body = kind.to_bytes(2, 'big') + code.to_bytes(2, 'big') + msg[:64]
        return (msg[:1] + b'\x01' + (8 + len(body)).to_bytes(2, 'big')
                + msg[4:8] + body)

    def stop(self):
        self.listener.close()
