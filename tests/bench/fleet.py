"""A fleet for benches: its state as rows, hosts that are simulated.

Hosts come in blocks of ten.  A block has ten applications, an application a
front and a back end spread over all hosts of its block, and two rules.  So the
rules grow with the hosts, and no host has to know of more than its block: how
large the rest is should not matter to it.  One rule reaches everybody.
"""

import contextlib
import json
import pathlib
import selectors
import socket
import subprocess
import sys
import threading
import time
import uuid

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / 'tests' / 'controller'))
import scratch                                              # noqa: E402

BLOCK = 10
APPS = 10
FIRST_ID = 100
ROWS_PER_TRANSACTION = 2000


class Shape:
    def __init__(self, hosts, per_host, rules_per_app=2):
        self.hosts = hosts
        self.per_host = per_host
        self.rules_per_app = rules_per_app

    def __str__(self):
        return '%d hosts x %d containers, %d rules' % (
            self.hosts, self.per_host, len(list(self.rules())))

    def host(self, h):
        return 'h%d' % h

    def first_id(self, h):
        return FIRST_ID + h * self.per_host

    def number(self, h, j):
        return h * self.per_host + j

    def nodes(self):
        for h in range(self.hosts):
            yield self.node(h)

    def node(self, h):
        if self.per_host > 250:
            net, gateway = '10.%d.0.0/16' % h, '10.%d.255.254' % h
        else:
            net, gateway = ('10.%d.%d.%s' % (h >> 8, h & 255, end)
                            for end in ('0/24', '254'))
        return scratch.insert(
            'Node', name=self.host(h),
            address='100.64.%d.%d' % (h + 1 >> 8, h + 1 & 255),
            subnets=['map', [[net, gateway]]])

    def app(self, h, j):
        return '%d-%d' % (h // BLOCK, j % APPS)

    def tags(self, h, j):
        tags = ['%s-%s' % (self.app(h, j), ('web', 'db')[j // APPS % 2])]
        if h == 0 and j < 2:
            tags.append('monitor')
        return tags

    def container(self, h, j, **more):
        i = self.number(h, j)
        address = ('10.%d.%d.%d/16' % (h, j >> 8, j & 255)
                   if self.per_host > 250 else
                   '10.%d.%d.%d/24' % (h >> 8, h & 255, j + 1))
        row = dict(name='c%d' % i, id=str(FIRST_ID + i), node=self.host(h),
                   bridge='vmbr0', veth='veth%d' % (FIRST_ID + i),
                   hwaddr='02:01:%02x:%02x:%02x:%02x' % (
                       i >> 24 & 255, i >> 16 & 255, i >> 8 & 255, i & 255),
                   addresses=address, tags=['set', self.tags(h, j)])
        row.update(more)
        op = scratch.insert('Container', **row)
        op['uuid'] = self.container_uuid(h, j)
        return op

    def container_uuid(self, h, j):
        """Known beforehand: by anything else the database looks at all
        rows, which no client of ours has it do."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID,
                              'c%d' % self.number(h, j)))

    def containers(self):
        for h in range(self.hosts):
            for j in range(self.per_host):
                yield self.container(h, j)

    def rules(self):
        yield scratch.acl('monitoring', 'tag:monitor', '* 9100')
        for b in range((self.hosts + BLOCK - 1) // BLOCK):
            for k in range(APPS):
                for r in range(self.rules_per_app):
                    web, db = ('tag:%d-%d-%s' % (b, k, role)
                               for role in ('web', 'db'))
                    yield scratch.acl('a%d-%d-%d' % (b, k, r), web,
                                      '%s %d' % ((db, 5000 + r) if r % 2
                                                 else (web, 8000 + r)))

    def reports(self, h):
        """What the agent of a host would have written."""
        yield scratch.insert('Node_Status', node=self.host(h),
                             public_key='%043d=' % h, listen_port=51821)
        for j in range(self.per_host):
            i = self.number(h, j)
            yield scratch.insert(
                'Port_Status', node=self.host(h),
                name='veth%d' % (FIRST_ID + i), container='c%d' % i,
                ofport=j + 1, state='up',
                mac='02:01:%02x:%02x:%02x:%02x' % (
                    i >> 24 & 255, i >> 16 & 255, i >> 8 & 255, i & 255))


class Rpc:
    """One connection to the database."""

    def __init__(self, remote):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(remote[len('unix:'):])
        self.buffer = ''
        self.ids = 0
        self.received = 0

    def send(self, method, params):
        self.ids += 1
        self.sock.sendall(json.dumps({'method': method, 'params': params,
                                      'id': self.ids}).encode())
        return self.ids

    def read(self):
        """Messages that have come; waits for some bytes."""
        data = self.sock.recv(1 << 20)
        assert data, 'the database hung up'
        self.received += len(data)
        self.buffer += data.decode()
        while self.buffer:
            try:
                msg, end = json.JSONDecoder().raw_decode(self.buffer)
            except ValueError:
                return
            self.buffer = self.buffer[end:].lstrip()
            if msg.get('method') == 'echo':
                self.sock.sendall(json.dumps(
                    {'id': msg['id'], 'result': msg['params'],
                     'error': None}).encode())
            else:
                yield msg

    def call(self, method, params):
        number = self.send(method, params)
        while True:
            for msg in self.read():
                if msg.get('id') == number and 'result' in msg:
                    assert not msg['error'], msg
                    return msg['result']

    def close(self):
        self.sock.close()


class Confirmations:
    """Which hosts have enforced what, as the database tells a bystander."""

    def __init__(self, remote):
        self.rpc = Rpc(remote)
        self.generations = {}
        self.changed = threading.Condition()
        self.take(self.rpc.call('monitor', [
            'Socknet', 'status',
            {'Bridge_Status': {'columns': ['node', 'generation']}}]))
        threading.Thread(target=self.run, daemon=True).start()

    def take(self, tables):
        for row in tables.get('Bridge_Status', {}).values():
            new = row.get('new')
            if new:
                self.generations[new['node']] = new['generation']

    def run(self):
        with contextlib.suppress(OSError, AssertionError):
            while True:
                for msg in self.rpc.read():
                    with self.changed:
                        self.take(msg['params'][1])
                        self.changed.notify_all()

    def wait(self, hosts, generation, timeout=600):
        """Until all have confirmed; returns when the last had."""
        def done():
            return all(self.generations.get(h) == generation for h in hosts)
        with self.changed:
            assert self.changed.wait_for(done, timeout), (
                generation, {h: self.generations.get(h) for h in hosts
                             if self.generations.get(h) != generation})
        return time.monotonic()


class Switches(scratch.Daemon):
    """Bridges without a datapath, many in one process."""

    def __init__(self, folder, build):
        self.folder = folder
        super().__init__(folder, 'switches',
                         [build / 'tests' / 'bench' / 'switches', folder])

    def add(self, shape, h):
        self.command('add', shape.host(h), shape.first_id(h), shape.per_host)

    def command(self, *args):
        """As ovs-appctl does, but without a process for each."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.ctl))
            s.sendall(json.dumps({'method': args[0], 'id': 0, 'params':
                                  [str(a) for a in args[1:]]}).encode())
            reply = b''
            while not scratch.is_json(reply):
                data = s.recv(1 << 20)
                assert data
                reply += data
            reply = json.loads(reply)
        assert not reply['error'], reply
        return reply['result']

    def mark(self):
        self.command('mark')

    def count(self):
        return json.loads(self.command('count'))


class Meter:
    """Between a daemon and the database: counts what the daemon receives."""

    def __init__(self, path, remote):
        self.remote = 'unix:%s' % path
        self.far = remote[len('unix:'):]
        self.received = 0
        self.sent = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self.far)
                for args in (near, far, False), (far, near, True):
                    threading.Thread(target=self.copy, args=args,
                                     daemon=True).start()

    def copy(self, a, b, is_received):
        with contextlib.suppress(OSError):
            while True:
                data = a.recv(1 << 18)
                if not data:
                    break
                if is_received:
                    self.received += len(data)
                else:
                    self.sent += len(data)
                b.sendall(data)
        with contextlib.suppress(OSError):
            b.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()


class Hosts:
    """Hosts of which only the connection to the database is there: each has
    asked for what a controller asks for, and confirms what it is told."""

    COLUMNS = {
        'Mesh': ['name', 'generation', 'default_policy'],
        'Node': ['name', 'address', 'subnets'],
        'Container': ['name', 'node', 'veth', 'hwaddr', 'addresses', 'tags'],
        'Acl': ['name', 'tier', 'action', 'src', 'dst', 'ip_proto'],
        'Bridge_Status': ['node', 'generation'],
    }

    def __init__(self, remote, names):
        self.selector = selectors.DefaultSelector()
        self.rpcs = {}
        self.stopped = False
        for name in names:
            self.rpcs[name] = rpc = Rpc(remote)
            rpc.row = rpc.call('transact', ['Socknet', scratch.insert(
                'Bridge_Status', node=name, bridge='vmbr0',
                generation=0)])[0]['uuid']
            rpc.call('monitor_cond', ['Socknet', 'all', self.wanted(name)])
            self.selector.register(rpc.sock, selectors.EVENT_READ, name)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def wanted(self, name):
        tables = {t: [{'columns': c, 'select': {'initial': False}}]
                  for t, c in self.COLUMNS.items()}
        tables['Bridge_Status'][0]['where'] = [['node', '==', name]]
        return tables

    @staticmethod
    def handle(rpc):
        for msg in rpc.read():
            if msg.get('method') != 'update2':
                continue
            for row in msg['params'][1].get('Mesh', {}).values():
                rpc.send('transact', ['Socknet', scratch.update(
                    'Bridge_Status', [['_uuid', '==', rpc.row]],
                    generation=row['modify']['generation'])])

    def run(self):
        with contextlib.suppress(OSError, AssertionError):
            while not self.stopped:
                for key, _ in self.selector.select(0.5):
                    self.handle(self.rpcs[key.data])

    def received(self):
        return sum(r.received for r in self.rpcs.values())

    def close(self):
        self.stopped = True
        self.thread.join()
        for rpc in self.rpcs.values():
            rpc.close()


def load(db, rows):
    """In as many transactions as that takes."""
    some = []
    for row in rows:
        some.append(row)
        if len(some) == ROWS_PER_TRANSACTION:
            db.transact(*some)
            some = []
    if some:
        db.transact(*some)


def declare(db, shape, reports=True):
    """The whole state; generation 1."""
    db.transact(scratch.insert('Mesh', name='bench', prefix='100.64.0.0/10',
                               default_policy='deny', generation=0))
    load(db, shape.nodes())
    load(db, shape.rules())
    load(db, shape.containers())
    if reports:
        for h in range(shape.hosts):
            load(db, shape.reports(h))
    db.generation = 0
    return db.apply()


def cpu_s(pid):
    """What a process has used of a processor, to the nanosecond."""
    with open('/proc/%d/schedstat' % pid) as f:
        return int(f.read().split()[0]) / 1e9


def machine():
    with open('/proc/loadavg') as f:
        load_now = f.read().split()[0]
    cores = subprocess.check_output(['nproc'], text=True).strip()
    return '%s cores, load %s' % (cores, load_now)
