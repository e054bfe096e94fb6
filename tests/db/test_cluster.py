"""A cluster of three, and relays before it."""

import json
import os
import shutil
import subprocess

import pytest

from clustersite import CLUSTER_PORT, RAFT_PORT, Cluster, eventually, \
    leader_of, remotes
from dbsite import AGENT_PORT, CONTROLLER_PORT, STATE, Site, run

KEY = 43 * 'k' + '='


@pytest.fixture(scope='module')
def make_cluster(builddir, tmp_path_factory):
    made = []

    def make():
        cluster = Cluster(builddir / 'cli/socknet',
                          tmp_path_factory.mktemp('cluster'))
        made.append(cluster)
        return cluster
    yield make
    for cluster in made:
        cluster.stop()


@pytest.fixture(scope='module')
def three(make_cluster):
    """Three members that hold a state, and a relay at the first member and
    one elsewhere."""
    cluster = make_cluster()
    a, b, c = cluster.start('a', 'b', 'c')
    assert eventually(a.is_healthy)
    near, far = cluster.add('near'), cluster.add('far')
    near.relay(a.remote).ok()
    far.relay(a.target, b.target, c.target).ok()
    assert eventually(lambda: near.is_healthy() and far.is_healthy())
    state = cluster.folder / 'state.yaml'
    state.write_text(STATE)
    b.socknet('apply', state).ok()
    cluster.state, cluster.port = state, 6000
    cluster.a, cluster.b, cluster.c = a, b, c
    cluster.members, cluster.relays = [a, b, c], [near, far]
    # Who was not asked learns of it a moment later.
    for server in cluster.members + cluster.relays:
        assert eventually(lambda: 'web' in server.socknet('export').out)
    return cluster


def insert(table, **row):
    return {'op': 'insert', 'table': table, 'row': row}


def denied(results):
    return any(r and r.get('error') == 'permission error' for r in results)


def test_all_say_the_same(three):
    text = three.a.socknet('export').ok().out
    assert 'web' in text
    for server in three.members + three.relays:
        assert eventually(lambda: server.socknet('export').out == text)


def test_status(three):
    infos = []

    def has_one_leader():
        results = [m.status() for m in three.members]
        infos[:] = [r.json for r in results if r.code == 0]
        return sorted(i['database'][0]['role'] for i in infos) == \
            ['follower', 'follower', 'leader']
    # A busy machine may be between two.
    assert eventually(has_one_leader)
    assert len({i['database'][0]['cluster'] for i in infos}) == 1
    for info in infos:
        assert {m['address'] for m in info['members']} == \
            {f'ssl:{m.address}:{RAFT_PORT}' for m in three.members}
        assert all(m['reachable'] for m in info['members'])
    leader = next(i for i in infos if i['database'][0]['role'] == 'leader')
    assert all(m['lag'] is not None for m in leader['members'])
    assert [r.info()['model'] for r in three.relays] == 2 * ['relay']
    text = three.a.socknet('db', 'status', '--db', three.a.remote).ok().out
    assert 'entries behind' in text


@pytest.mark.parametrize('which', [0, 1])
def test_relay_knows_roles(three, which):
    """What a relay hands on is done with the relay's own rights: it is the
    relay that must refuse."""
    relay = three.relays[which]
    row = {'public_key': KEY}
    assert denied(relay.as_('n1', AGENT_PORT,
                            insert('Node_Status', node='n2', **row)))
    result, = relay.as_('n1', AGENT_PORT,
                        insert('Node_Status', node='n1', **row))
    assert 'uuid' in result
    assert eventually(lambda: three.c.rows('Node_Status', 'node')
                      == [{'node': 'n1'}])
    for port in AGENT_PORT, CONTROLLER_PORT:
        assert denied(relay.as_('n1', port, {
            'op': 'update', 'table': 'Mesh', 'where': [],
            'row': {'generation': 99}}))
    result, = relay.as_('n1', AGENT_PORT,
                        {'op': 'delete', 'table': 'Node_Status',
                         'where': [['node', '==', 'n1']]})
    assert result == {'count': 1}


def as_node(three, method, *args):
    return run('ovsdb-client', '-vconsole:off', '--timeout=60',
               *three.a.tls_args('n1'), method, *args)


@pytest.mark.parametrize('which', [0, 1])
def test_relay_keeps_its_remotes(three, which):
    """Else a host could open a port without a role."""
    target = f'ssl:{three.relays[which].address}:{AGENT_PORT}'
    for op in (insert('Connection', target='ptcp:1', role=''),
               {'op': 'update', 'table': 'Connection', 'where': [],
                'row': {'role': ''}},
               insert('RBAC_Role', name='socknet-agent')):
        r = as_node(three, 'transact', target,
                    json.dumps(['Socknet_Relay', op]))
        assert 'permission error' in r.out, r.err


@pytest.mark.parametrize('port', [CLUSTER_PORT, RAFT_PORT])
def test_hosts_do_not_reach_members(three, port):
    """There are no roles there: a host's certificate must be worth nothing,
    nor that of the database for hosts."""
    for name in 'n1', 'socknet-db':
        r = subprocess.run(
            ['openssl', 's_client', '-connect', f'{three.a.address}:{port}',
             '-ign_eof', '-key', str(three.pki / f'{name}-key.pem'),
             '-cert', str(three.pki / f'{name}-cert.pem'),
             '-CAfile', str(three.pki / 'ca-cert.pem')],
            input='{"method":"list_dbs","params":[],"id":0}', text=True,
            capture_output=True, timeout=60)
        assert 'Socknet' not in r.stdout
        assert 'alert unknown ca' in r.stdout + r.stderr


def test_operator_elsewhere(three):
    """A certificate of the cluster's may apply."""
    args = ['-p', three.pki / 'cluster-far-key.pem',
            '-c', three.pki / 'cluster-far-cert.pem',
            '-C', three.pki / 'cluster-ca-cert.pem']
    targets = ','.join(m.target for m in three.members)
    r = three.a.socknet('--db', targets, *args, 'apply', three.state)
    assert 'nothing to change' in r.ok().out


def state_with(three, n):
    three.state.write_text(STATE.replace('5432', str(n)))
    return three.state


@pytest.mark.parametrize('by', ['members', 'relay'])
def test_leader_killed_while_applying(three, by):
    """What was acknowledged is there; what failed said so."""
    victim = leader_of(three.members)
    others = [m for m in three.members if m is not victim]
    db = remotes(three.members) if by == 'members' \
        else three.relays[1].remote
    before = len(victim.socknet('history', '--json').ok()
                 .json['revisions'])
    acknowledged = []
    three.port += 100
    for i in range(12):
        if i == 4:
            victim.kill()
        r = three.a.socknet('--db', db, '--timeout', 60, 'apply',
                            state_with(three, three.port + i))
        assert r.code == 0, r.err
        acknowledged.append(three.port + i)
    last = 'db:%d' % (three.port + 11)
    for member in others:
        assert eventually(lambda: last in member.socknet('export').out)
    revisions = three.a.socknet('--db', remotes(others), 'history',
                                '--json').ok().json['revisions']
    numbers = sorted(r['revision'] for r in revisions)
    # None twice, none lost.
    assert numbers == list(range(1, numbers[-1] + 1))
    assert numbers[-1] == before + len(acknowledged)
    assert eventually(lambda: victim.address in
                      (others[0].info().get('problem') or ''))
    assert others[0].status().code == 1
    # It catches up.
    victim.serve().ok()
    assert eventually(lambda: victim.is_healthy()
                      and last in victim.socknet('export').out)
    for member in three.members:
        assert eventually(member.is_healthy)


def test_without_a_majority(three):
    """Refused, also if it goes while the transaction is under way; nobody
    says of a change that was made that it was not, or twice."""
    for i in range(8):
        leader = leader_of(three.members)
        others = [m for m in three.members if m is not leader]
        for member in others:
            member.kill()
        r = leader.socknet('--timeout', 2, 'apply',
                           state_with(three, 7000 + i))
        assert r.code == 1, r.out
        if 'whether the change was made is not known' in r.err:
            break
        # It had a second, and then the leader knew by itself.
        assert 'the cluster has no quorum' in r.err or \
            'no database at' in r.err, r.err
        for member in others:
            member.serve().ok()
        assert all(eventually(m.is_healthy) for m in three.members)
    else:
        pytest.fail('no apply was under way')
    assert eventually(lambda: 'no quorum' in
                      (leader.info().get('problem') or ''))
    assert leader.status().code == 1
    r = leader.socknet('--timeout', 3, 'apply', three.state)
    r.fails('the cluster has no quorum')
    for member in others:
        member.serve().ok()
    for member in three.members:
        assert eventually(member.is_healthy)
    leader.socknet('apply', three.state).ok()
    numbers = [r['revision'] for r in leader.socknet(
        'history', '--json').ok().json['revisions']]
    assert sorted(numbers) == list(range(1, max(numbers) + 1))


# Copies.

def test_backup_and_restore(three, make_cluster, builddir, tmp_path):
    a = three.a
    backup = tmp_path / 'backup'
    # One of them may still learn of what was applied last.
    assert eventually(lambda: len({m.socknet('export').ok().out
                                   for m in three.members}) == 1)
    r = a.socknet('db', 'backup', backup, '--db', a.remote).ok()
    assert 'generation %d' % a.generation in r.out
    assert os.stat(backup).st_mode & 0o777 == 0o600
    a.socknet('db', 'backup', backup, '--db', a.remote) \
        .fails('not overwritten')
    text = a.socknet('export').out

    alone = Site(builddir / 'cli/socknet', tmp_path / 'alone')
    try:
        alone.socknet('db', 'restore', backup, alone.file).ok()
        alone.serve().ok()
        assert alone.socknet('export').out == text
        assert alone.generation == a.generation
        alone.socknet('db', 'restore', backup, alone.file) \
            .fails('not overwritten')
        # And on into a cluster, from the file of the one before.
        alone.stop()
        one, = make_cluster().start('one', args=['--from', alone.file])
        assert one.socknet('export').out == text
    finally:
        alone.stop()


def test_backup_that_is_cut(three, tmp_path):
    backup = tmp_path / 'backup'
    three.a.socknet('db', 'backup', backup, '--db', three.a.remote).ok()
    data = backup.read_bytes()
    backup.write_bytes(data[:len(data) - 100])
    r = three.a.socknet('db', 'restore', backup, tmp_path / 'new.db')
    assert r.code == 1
    assert not (tmp_path / 'new.db').exists()
    backup.write_text('hello\n')
    three.a.socknet('db', 'restore', backup, tmp_path / 'new.db') \
        .fails(str(backup))


def test_file_that_lacks_entries(make_cluster):
    """As after a full disk: found while it runs and mended from memory, or
    told what to do when it starts."""
    a, b, c = make_cluster().start('a', 'b', 'c')
    victim = next(m for m in (a, b, c) if not m.is_leader())
    state = victim.folder / 'state.yaml'
    state.write_text(STATE)
    assert eventually(lambda: victim.status().code == 0)
    victim.socknet('apply', state).ok()
    # Its end goes where it cannot be written: the server does not notice.
    size = os.stat(victim.file).st_size
    state.write_text(STATE.replace('5432', '5433'))
    victim.socknet('apply', state).ok()
    text = victim.file.read_bytes()
    with open(victim.file, 'r+b') as f:
        f.seek(size)
        f.write(b'x' * (len(text) - size))
    r = victim.status()
    assert r.code == 1
    assert '`socknet db compact`' in r.json['database'][0]['problem']
    assert 'lacks what this member agreed to' in \
        victim.socknet('status').ok().out
    damaged = victim.file.read_bytes()
    victim.socknet('db', 'compact', '--db', victim.remote).ok()
    assert eventually(lambda: victim.status().code == 0)
    victim.stop()
    good = victim.file.read_bytes()
    victim.file.write_bytes(damaged)
    victim.serve().fails(f'socknet db kick {victim.address}')
    victim.file.write_bytes(good)
    victim.serve().ok()
    assert eventually(victim.is_healthy)


def test_upgrade(make_cluster, srcdir, tmp_path):
    """A schema of before, in a cluster that runs."""
    cluster = make_cluster()
    schema = json.loads((srcdir / 'schemas/socknet.ovsschema').read_text())
    schema['version'] = '0.9.0'
    del schema['tables']['Exit_Status']
    del schema['tables']['Node']['columns']['uplinks']
    (tmp_path / 'old.ovsschema').write_text(json.dumps(schema))
    a = cluster.add('a')
    a.file.parent.mkdir(parents=True)
    assert run('ovsdb-tool', 'create-cluster', a.file,
               tmp_path / 'old.ovsschema',
               f'ssl:{a.address}:{RAFT_PORT}').code == 0
    a.serve().ok()
    b = cluster.add('b')
    assert eventually(lambda: a.info().get('connected'))
    b.join(a.address).ok()
    b.serve().ok()
    a.transact(insert('Node', name='n1', other='kept'))
    assert eventually(lambda: b.info().get('schema') == '0.9.0')
    relay = cluster.add('relay')
    relay.relay(a.target, b.target).ok()
    assert eventually(lambda: relay.info().get('schema') == '0.9.0')
    r = b.socknet('db', 'status', '--db', b.remote)
    assert r.code == 1 and '`socknet db upgrade`' in r.out
    # At any member, here a follower.
    b.socknet('db', 'upgrade', '--db', b.remote).ok()
    for server in a, b, relay:
        assert eventually(server.is_healthy)
        row, = server.rows('Node')
        assert (row['name'], row['other']) == ('n1', 'kept')
        assert server.rows('Exit_Status') == []
        assert len(server.rows('RBAC_Role')) == 2
    r = b.socknet('db', 'upgrade', '--db', b.remote).ok()
    assert 'has the schema of this version' in r.out


# Members that come and go.

def own_id(member):
    return next((m['id'] for m in member.status().json['members']
                 if m['self']), None)


def test_leave_and_kick(three):
    d = three.add('d')
    d.join(three.b.address, three.a.address).ok()
    d.serve().ok()
    assert eventually(d.is_healthy)
    text = three.a.socknet('export').out
    assert eventually(lambda: d.socknet('export').out == text)
    three.a.socknet('db', 'kick', '192.0.2.9', '--db', three.a.remote) \
        .fails('there is no member "192.0.2.9"')
    three.a.socknet('db', 'kick', three.a.address, '--db', three.a.remote) \
        .fails('socknet db leave')
    d.socknet('db', 'leave', '--db', d.remote).ok()
    assert eventually(lambda: len(three.a.status().json['members']) == 3)
    d.stop()

    e = three.add('e')
    e.join(three.a.address).ok()
    e.serve().ok()
    assert eventually(e.is_healthy)
    former = own_id(e)
    e.kill()
    # It comes back empty, as another at the same address.
    e.file.unlink()
    e.join(three.a.address).ok()
    e.serve().ok()
    assert eventually(lambda: len(three.a.status().json['members']) == 5)
    r = three.a.socknet('db', 'kick', e.address, '--db', three.a.remote)
    r.fails('2 members have the address')
    assert eventually(lambda: own_id(e))
    assert former in r.err and own_id(e) in r.err
    three.a.socknet('db', 'kick', former, '--db', three.a.remote).ok()
    assert eventually(e.is_healthy)
    e.socknet('db', 'leave', '--db', e.remote).ok()
    assert eventually(lambda: len(three.a.status().json['members']) == 3)
    e.stop()
    assert eventually(three.a.is_healthy)


def test_join_errors(three, builddir, tmp_path):
    new = three.add('new')
    new.join('127.0.0.9').fails('127.0.0.9:6645: Connection refused')
    new.join(three.a.address, listen=three.a.address) \
        .fails("this member's own address")
    new.socknet('db', 'join', new.file, '--listen', new.address,
                '--remote', three.a.address).fails('--pki DIR')
    new.join('a.example').fails('--remote: ')
    three.a.join(three.b.address).fails('not overwritten')
    # Another mesh's.
    other = Cluster(builddir / 'cli/socknet', tmp_path / 'other')
    stranger = other.add('stranger')
    stranger.join(three.a.address).fails(three.a.address)
    # A database of its own.
    assert not new.file.exists()
    r = new.socknet('db', 'init', new.file, '--listen', new.address,
                    '--from', three.a.file)
    r.fails('is a member of a cluster')
    r = new.socknet('db', 'init', new.file)
    r.fails('--listen ADDRESS')


def test_join_on_a_full_disk(three, tmp_path):
    """Nothing stays that would be in the way of the next join."""
    new = three.add('late')
    real = shutil.which('ovsdb-tool')
    tool = tmp_path / 'ovsdb-tool'
    tool.write_text(f'''#!/bin/sh
trap "" XFSZ
case "$*" in
*join-cluster*) exec prlimit --fsize=9 -- {real} "$@";;
esac
exec {real} "$@"
''')
    tool.chmod(0o755)
    new.env['PATH'] = f'{tmp_path}:{os.environ["PATH"]}'
    new.join(three.a.address).fails('File too large')
    assert os.listdir(new.file.parent) == []


def test_serve_errors(three):
    a = three.a
    a.socknet('db', 'serve', a.file, '--db', f'unix:{three.folder}/x.sock') \
        .fails('--pki DIR')
    a.socknet('db', 'serve', a.file, '--db', f'unix:{three.folder}/x.sock',
              '--pki', a.pki, '--name', 'nobody') \
        .fails('socknet pki member')
    a.serve('--db', f'unix:{three.folder}/x.sock', '--listen', '127.0.0.1') \
        .fails('known to the others as')
    a.socknet('db', 'relay', '--from', 'tcp:127.0.0.1:1', '--pki', a.pki,
              '--listen', a.address).fails('--from: ')
    a.socknet('db', 'relay', '--from', a.remote, '--db',
              f'unix:{three.folder}/x.sock').fails('--pki and')
    for command in ('leave',), ('kick', 'x'), ('upgrade',):
        a.socknet('db', *command, '--db', three.relays[0].remote) \
            .fails('is no member of a cluster (relay)')
    for command in ('leave',), ('kick', 'x'), ('status',):
        a.socknet('db', *command, '--db', 'unix:/nonexistent/db.sock') \
            .fails('/nonexistent/db')
