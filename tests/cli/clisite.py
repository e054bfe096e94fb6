"""The result of a socknet command, a central database and a switch."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time


class Result:
    """What a run of socknet gave."""

    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def ok(self):
        assert self.code == 0, (self.code, self.out, self.err)
        return self


def wait_for(path):
    """Waits until somebody listens on a socket: it exists before that."""
    deadline = time.monotonic() + 60
    while True:
        with socket.socket(socket.AF_UNIX) as s:
            if s.connect_ex(str(path)) == 0:
                return
        assert time.monotonic() < deadline, f'{path}: nobody listens'
        time.sleep(0.01)


class Database:
    """An ovsdb-server, and its files in 'folder'."""

    def __init__(self, schema, folder):
        self.folder = pathlib.Path(folder)
        self.file = self.folder / 'socknet.db'
        self.socket = self.folder / 'db.sock'
        self.remote = f'unix:{self.socket}'
        self.process = None
        subprocess.run(['ovsdb-tool', 'create', str(self.file), str(schema)],
                       check=True)

    def start(self):
        self.process = subprocess.Popen(
            ['ovsdb-server', str(self.file), f'--remote=p{self.remote}',
             '-vconsole:off', f'--log-file={self.folder}/ovsdb-server.log',
             f'--unixctl={self.folder}/ovsdb-server.ctl', '--no-chdir'])
        wait_for(self.socket)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    def transact(self, *operations):
        """Runs OVSDB operations; returns their results."""
        r = subprocess.run(
            ['ovsdb-client', 'transact', self.remote,
             json.dumps(['Socknet', *operations])],
            text=True, capture_output=True, timeout=60)
        assert r.returncode == 0, r.stderr
        results = json.loads(r.stdout)
        assert not [x for x in results if x and 'error' in x], results
        return results

    def insert(self, table, **row):
        return self.transact({'op': 'insert', 'table': table, 'row': row})


class Switch:
    """A switch of its own without packets: OVS's dummy datapath."""

    def __init__(self, folder, ports):
        self.folder = pathlib.Path(folder)
        self.env = dict(os.environ, OVS_RUNDIR=str(folder),
                        OVS_LOGDIR=str(folder), OVS_DBDIR=str(folder),
                        OVS_SYSCONFDIR=str(folder))
        self.target = f'unix:{folder}/vmbr0.mgmt'
        self.ports = ports
        self.processes = []

    def run(self, *args, stdin=None):
        return subprocess.run(args, env=self.env, text=True, input=stdin,
                              capture_output=True, timeout=60)

    def ofctl(self, *args, stdin=None):
        return self.run('ovs-ofctl', '-O', 'OpenFlow15', *args, stdin=stdin)

    def start(self):
        db = f'{self.folder}/conf.db'
        subprocess.run(['ovsdb-tool', 'create', db,
                        '/usr/share/openvswitch/vswitch.ovsschema'],
                       check=True)
        self.processes.append(subprocess.Popen(
            ['ovsdb-server', db, f'--remote=punix:{self.folder}/db.sock',
             '-vconsole:off', '--log-file'], env=self.env))
        wait_for(self.folder / 'db.sock')
        self.run('ovs-vsctl', '--no-wait', 'init')
        self.processes.append(subprocess.Popen(
            ['ovs-vswitchd', '--enable-dummy=system', '--disable-system',
             '-vconsole:off', '--log-file', '--pidfile'], env=self.env))
        command = ['ovs-vsctl', '--timeout=50', 'add-br', 'vmbr0', '--',
                   'set', 'bridge', 'vmbr0', 'fail_mode=secure',
                   'datapath_type=dummy']
        for number, port in enumerate(self.ports, 1):
            command += ['--', 'add-port', 'vmbr0', port, '--', 'set',
                        'interface', port, f'ofport_request={number}',
                        'type=dummy']
        r = self.run(*command)
        assert r.returncode == 0, r.stderr

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(60)
