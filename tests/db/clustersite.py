"""A cluster of databases on this machine: each member a Site with an address
of its own in 127.0.0.0/8, and relays before it."""

import signal
import time

from dbsite import Site, reserve_network

CLUSTER_PORT, RAFT_PORT = 6645, 6646


def eventually(condition, timeout=60):
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.05)


class Server(Site):
    """A member or a relay; 'name' is also that of its certificate."""

    def __init__(self, cluster, name, address):
        super().__init__(cluster.program, cluster.folder / name)
        self.mark.close()
        self.cluster, self.name = cluster, name
        self.pki = cluster.pki
        self.address = address

    def options(self):
        return ['--db', self.remote, '--pki', self.pki, '--name', self.name]

    def daemon(self):
        return ['--detach', '--no-chdir', '--pidfile', '-vconsole:off',
                '-vsyslog:off', f'--log-file={self.folder}.log']

    def init(self, *args):
        return self.socknet('db', 'init', self.file, '--listen',
                            self.address, *self.options(), *args)

    def join(self, *remotes, **kw):
        return self.socknet('db', 'join', self.file, '--listen',
                            kw.get('listen', self.address), '--remote',
                            ','.join(remotes), *self.options())

    def serve(self, *args):
        return self.socknet('db', 'serve', self.file, *self.options(),
                            *self.daemon(), *args)

    def relay(self, *remotes):
        return self.socknet('db', 'relay', '--from', ','.join(remotes),
                            '--listen', self.address, *self.options(),
                            *self.daemon())

    def status(self):
        return self.socknet('db', 'status', '--json', '--db', self.remote)

    def info(self):
        r = self.status()
        return r.json['database'][0] if r.out else {}

    def is_healthy(self):
        return self.info().get('healthy')

    def is_leader(self):
        return self.info().get('role') == 'leader'

    @property
    def target(self):
        """For relays and for those who may do everything."""
        return f'ssl:{self.address}:{CLUSTER_PORT}'

    def kill(self):
        self.stop(signal.SIGKILL)


class Cluster:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.pki = folder / 'pki'
        self.base, self.mark = reserve_network()
        self.servers = []

    def add(self, name):
        """A server that is not made yet."""
        server = Server(self, name, self.base + str(len(self.servers) + 1))
        if not self.pki.exists():
            server.make_pki('n1', 'n2')
        server.socknet('pki', 'member', name, '--dir', self.pki).ok()
        self.servers.append(server)
        return server

    def start(self, *names, **kw):
        """Members that are healthy."""
        members = [self.add(name) for name in names]
        first = members[0]
        first.init(*kw.get('args', ())).ok()
        first.serve().ok()
        assert eventually(first.is_healthy)
        for member in members[1:]:
            member.join(first.address).ok()
            member.serve().ok()
            assert eventually(member.is_healthy)
        return members

    def stop(self):
        for server in self.servers:
            server.stop()


def leader_of(members):
    return eventually(lambda: next((m for m in members if m.is_leader()),
                                   None))


def remotes(members):
    return ','.join(m.remote for m in members)


__all__ = ['CLUSTER_PORT', 'RAFT_PORT', 'Cluster', 'eventually', 'leader_of',
           'remotes']
