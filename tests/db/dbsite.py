"""A central database in a folder of its own, served as operators do it, with
certificates and TLS at an address of its own in 127.0.0.0/8."""

import errno
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

AGENT_PORT, CONTROLLER_PORT = 6643, 6644


def reserve_network():
    """Three numbers of an address in 127.0.0.0/8 that nobody else gets from
    here, and the socket that says so while it is open."""
    while True:
        network = '127.%d.%d.' % (random.randint(2, 250),
                                  random.randint(2, 250))
        mark = socket.socket()
        try:
            mark.bind((network + '254', 6640))
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                mark.close()
                continue
        return network, mark


class Result:
    """What a run of a program gave."""

    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    def ok(self):
        assert self.code == 0, (self.code, self.out, self.err)
        return self

    def fails(self, message):
        assert self.code == 1, (self.code, self.out, self.err)
        assert message in self.err, self.err
        return self

    @property
    def json(self):
        return json.loads(self.out)


def run(*args, timeout=120, **kw):
    return Result(subprocess.run([str(a) for a in args], text=True,
                                 capture_output=True, timeout=timeout,
                                 stdin=subprocess.DEVNULL, **kw))


class Site:
    """A folder with an authority, a database and its server."""

    def __init__(self, program, folder):
        self.program = str(program)
        self.folder = pathlib.Path(folder)
        self.pki = self.folder / 'pki'
        self.file = self.folder / 'lib' / 'socknet.db'
        self.socket = self.folder / 'run' / 'db.sock'
        self.remote = f'unix:{self.socket}'
        network, self.mark = reserve_network()
        self.address = network + '1'
        self.env = dict(os.environ, SOCKNET_DB=self.remote)

    def command(self, *args):
        return [self.program, *map(str, args)]

    def socknet(self, *args, **kw):
        return run(*self.command(*args), env=self.env, **kw)

    def popen(self, *args):
        return subprocess.Popen(self.command(*args), env=self.env, text=True,
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def make_pki(self, *nodes):
        self.socknet('pki', 'init', '--dir', self.pki).ok()
        for node in nodes:
            self.socknet('pki', 'node', node, '--dir', self.pki).ok()

    def serve_args(self, tls=False):
        args = ['db', 'serve', self.file, '--detach', '--no-chdir',
                '--pidfile', '-vconsole:off', '-vsyslog:off',
                f'--log-file={self.folder}/ovsdb-server.log']
        if tls:
            args += ['--pki', self.pki, '--listen', self.address]
        return args

    def serve(self, tls=False):
        return self.socknet(*self.serve_args(tls))

    @property
    def pid(self):
        return int((self.folder / 'run' / 'ovsdb-server.pid').read_text())

    def stop(self, sig=signal.SIGTERM):
        try:
            pid = self.pid
            os.kill(pid, sig)
        except (FileNotFoundError, ProcessLookupError):
            return
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                os.kill(pid, 0)
                state = pathlib.Path(f'/proc/{pid}/stat').read_text()
                if state.rsplit(')', 1)[1].split()[0] == 'Z':
                    break
            except (ProcessLookupError, FileNotFoundError):
                break
            time.sleep(0.01)
        if sig == signal.SIGKILL:
            (self.folder / 'run' / 'ovsdb-server.pid').unlink()

    def tls_args(self, name, pki=None):
        pki = pki or self.pki
        return ['-p', pki / f'{name}-key.pem', '-c',
                pki / f'{name}-cert.pem', '-C', pki / 'ca-cert.pem']

    def transact(self, *operations, remote=None, tls=()):
        """Runs OVSDB operations; returns the list of results."""
        r = run('ovsdb-client', '-vconsole:off', '--timeout=60', *tls,
                'transact', remote or self.remote,
                json.dumps(['Socknet', *operations]))
        assert r.code == 0, (r.out, r.err)
        return json.loads(r.out)

    def as_(self, name, port, *operations):
        """Operations of the holder of a certificate: results or errors."""
        return self.transact(*operations, tls=self.tls_args(name),
                             remote=f'ssl:{self.address}:{port}')

    def rows(self, table, *columns):
        op = {'op': 'select', 'table': table, 'where': []}
        if columns:
            op['columns'] = list(columns)
        return self.transact(op)[0]['rows']

    @property
    def generation(self):
        return self.rows('Mesh', 'generation')[0]['generation']


STATE = """\
mesh: {name: m, prefix: 100.64.0.0/24}
nodes:
  n1:
    endpoint: 192.0.2.1
    subnet: 10.0.0.0/24
    lxc:
      containers:
        - {id: "101", properties: {name: web, ipv4_address: 10.0.0.101/24}}
        - {id: "102", properties: {name: db, ipv4_address: 10.0.0.102/24}}
  n2:
    endpoint: 192.0.2.2
    subnet: 10.1.0.0/24
acls:
  - {name: a, action: accept, src: [web], dst: ["db:5432"], proto: tcp}
"""
