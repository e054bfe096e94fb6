"""status, nodes and containers against a real ovsdb-server."""

import contextlib
import os
import re
import signal
import socket
import time

import pytest

from clisite import Database

MAC = 'bc:24:11:00:01:02'


@pytest.fixture
def network(database):
    """Two nodes, of which one reports."""
    insert = database.insert
    insert('Mesh', name='mesh', prefix='100.64.0.0/24', interface='nm-mesh',
           listen_port=51821, default_policy='deny', generation=7)
    for n, name in enumerate(['alpha', 'beta']):
        insert('Node', name=name, address=f'100.64.0.{n + 1}',
               endpoint=['set', [f'198.51.100.{n + 1}'] if n else []],
               subnets=['map', [[f'10.{n}.0.0/24', f'10.{n}.0.1']]],
               ip_forward=True)
    insert('Container', name='web', id='102', node='alpha', bridge='vmbr0',
           veth='veth102', hwaddr=MAC, addresses='10.0.0.102/24',
           tags=['set', ['front', 'web']],
           exits=['map', [[0, 'alpha/warp']]], source='net.yaml:10:9')
    insert('Container', name='db', id='103', node='beta', bridge='vmbr0',
           veth='veth103', addresses='10.1.0.103/24')
    insert('Segment', name='frontend', members='tag:front')
    insert('Exit', node='alpha', name='warp', interface='warp0', enabled=True)
    now = int(time.time())
    insert('Node_Status', node='alpha', seen=now, generation=6,
           datapath='system', wireguard='kernel', problems='the road is wet')
    insert('Bridge_Status', node='alpha', bridge='vmbr0', connected=True,
           seen=now, generation=7, n_flows=123, n_repairs=1)
    insert('Port_Status', node='alpha', name='veth102', container='web',
           ofport=5, mac=MAC, state='quarantine', reason='another MAC')
    insert('Peer_Status', node='alpha', peer='beta', endpoint='198.51.100.2:1',
           latest_handshake=now - 30, rx_bytes=10, tx_bytes=20)
    insert('Exit_Status', node='alpha', name='warp', port='x-warp0',
           state='down', reason='no handshake', since=1700000000)
    return database


def test_status(socknet, network):
    out = socknet('status', db=network.remote).ok().out
    assert 'mesh mesh: 100.64.0.0/24 on nm-mesh, 2 nodes, 2 containers, ' \
        'default policy deny\ndesired generation 7\n' in out
    rows = {line.split()[0]: line.split() for line in out.splitlines()
            if line.startswith(('alpha ', 'beta '))}
    assert rows['alpha'] == ['alpha', '6', '7', 'connected', '123', '0/1',
                             '1/1']
    assert rows['beta'] == ['beta', '-', '-', '-', '0', '0/1', '0/1']
    for line in [
            'alpha: the agent has not yet enforced generation 7 (it is at 6)',
            'alpha: agent: the road is wet',
            'alpha: exit warp is down: no handshake',
            'alpha: container web is in quarantine: another MAC',
            'beta: no agent has reported\n    start socknet-agent on that',
            'beta: no controller has reported\n    start socknet-control']:
        assert line in out
    assert max(map(len, out.splitlines())) <= 80


def test_agents_do_not_command_the_terminal(socknet, network):
    """What they told is shown, and does nothing."""
    network.transact({'op': 'update', 'table': 'Node_Status', 'where': [],
                      'row': {'problems': '\033]0;x\a\r\u009b2J\nGrün'}},
                     {'op': 'update', 'table': 'Port_Status', 'where': [],
                      'row': {'reason': '\033[2J\nweb up'}})
    for words in ('status',), ('containers',), ('containers', 'web'):
        out = socknet(*words, db=network.remote).ok().out
        assert not re.search('[\0-\t\v-\037\177-\237]', out)
    assert '^[[2J^Jweb up' in out
    assert '^[]0;x^G^M^[[2J\nGrün' in \
        socknet('status', db=network.remote).ok().out


def test_status_check(socknet, network):
    assert socknet('status', '--check', db=network.remote).code == 1


def test_status_json(socknet, network):
    status = socknet('status', '--json', db=network.remote).ok().json
    assert status['version'] == 1
    assert status['command'] == 'status'
    assert status['mesh'] == {
        'name': 'mesh', 'prefix': '100.64.0.0/24', 'interface': 'nm-mesh',
        'default_policy': 'deny', 'generation': 7, 'n_nodes': 2,
        'n_containers': 2}
    for daemon in 'agent', 'controller':
        seen = status['nodes'][0].pop(f'{daemon}_seen')
        assert 0 <= time.time() - seen < 30
    assert status['nodes'][0] == {
        'name': 'alpha', 'agent_generation': 6, 'controller_generation': 7,
        'connected': True, 'n_flows': 123, 'containers': {'up': 0, 'all': 1},
        'peers': {'up': 1, 'all': 1}}
    assert status['nodes'][1]['agent_generation'] is None
    assert {'node', 'text', 'remedy'} == set(status['problems'][0])


def test_daemons_that_went_silent(socknet, network):
    network.transact({'op': 'update', 'table': 'Node_Status', 'where': [],
                      'row': {'seen': int(time.time()) - 600}},
                     {'op': 'update', 'table': 'Bridge_Status', 'where': [],
                      'row': {'seen': 0}})
    out = socknet('status', db=network.remote).ok().out
    assert re.search(r'^alpha +6 \(silent\) +7 \(silent\) +unknown ', out,
                     re.M)
    assert re.search(r'^alpha: the agent was last heard of 60\d s ago$', out,
                     re.M)
    assert ('alpha: the controller has not been heard of since the database '
            'started\n    is socknet-controller running' in out)


def test_nodes(socknet, network):
    out = socknet('nodes', db=network.remote).ok().out
    assert re.search(r'\b3\d s ago', out)     # And not long since.
    assert '(behind NAT)' in out
    assert 'exit warp is down' in out
    only = socknet('nodes', 'beta', db=network.remote).ok().out
    assert 'alpha' not in only


def test_nodes_json(socknet, network):
    nodes = socknet('nodes', '--json', db=network.remote).ok().json
    assert set(nodes) == {'version', 'command', 'nodes', 'peers', 'exits',
                          'problems'}
    assert set(nodes['nodes'][0]) == {
        'name', 'endpoint', 'address', 'subnets', 'agent_generation',
        'controller_generation', 'connected', 'datapath', 'wireguard',
        'key_state', 'public_key', 'n_flows', 'n_repairs'}
    assert nodes['nodes'][0]['endpoint'] is None
    assert nodes['nodes'][1]['subnets'] == ['10.1.0.0/24']
    assert set(nodes['peers'][0]) == {
        'node', 'peer', 'endpoint', 'latest_handshake', 'rx_bytes',
        'tx_bytes'}
    assert nodes['exits'] == [{
        'node': 'alpha', 'name': 'warp', 'interface': 'warp0',
        'port': 'x-warp0', 'state': 'down', 'reason': 'no handshake',
        'since': 1700000000}]


def test_containers(socknet, network):
    out = socknet('containers', db=network.remote).ok().out
    assert 'quarantine' in out and 'alpha/warp' in out
    assert 'web' not in socknet('containers', '--node', 'beta',
                                db=network.remote).ok().out
    one = socknet('containers', 'web', db=network.remote).ok().out
    assert 'container           : web\n' in one
    assert 'another MAC' in one
    assert 'written at          : net.yaml:10:9\n' in one


def test_containers_json(socknet, network):
    containers = socknet('--json', 'containers', db=network.remote).ok().json
    assert containers['containers'][1] == {
        'name': 'web', 'id': '102', 'node': 'alpha',
        'addresses': ['10.0.0.102/24'], 'port': 'veth102', 'ofport': 5,
        'mac': MAC, 'state': 'quarantine', 'reason': 'another MAC',
        'adopted': False,
        'tags': ['front', 'web'], 'segments': ['frontend'],
        'exits': ['alpha/warp'],
        'rate': None, 'class': None, 'location': 'net.yaml:10:9'}
    assert containers['containers'][0]['ofport'] is None
    assert containers['containers'][0]['mac'] is None


@pytest.mark.parametrize('words, message', [
    (['nodes', 'betta'], 'no node "betta" in the state: did you mean "beta"?'),
    (['containers', 'nothere'], 'no container "nothere" in the state'),
    (['containers', '--node', 'gamma'],
     'no node "gamma" in the state, which has alpha, beta'),
    (['exit', 'test', 'warp'], 'no exit "warp": did you mean "alpha/warp"?'),
    (['exit', 'test', 'alpha/wrap'], 'did you mean "alpha/warp"?'),
    (['exit', 'test', 'sun'], 'no exit "sun"; socknet nodes lists them'),
])
def test_unknown_names(socknet, network, words, message):
    r = socknet(*words, db=network.remote)
    assert r.code == 1
    assert message in r.err
    assert r.out == ''


@pytest.mark.parametrize('command', ['status', 'nodes', 'containers'])
def test_empty_database(socknet, database, command):
    r = socknet(command, db=database.remote).ok()
    assert r.out == ('The database holds no state yet: `socknet apply PATH` '
                     'writes it.\n')
    empty = socknet(command, '--json', db=database.remote).ok().json
    assert empty['version'] == 1
    assert empty[command if command != 'status' else 'nodes'] == []


def test_doctor_of_an_empty_database(socknet, database):
    r = socknet('--json', 'doctor', db=database.remote)
    found = [(x['verdict'], x['found'], x['remedy'])
             for x in r.json['results'] if x['check'] == 'database']
    assert ('fail', 'it holds no state yet', 'socknet apply PATH') in found


@pytest.mark.parametrize('command', ['status', 'nodes', 'containers'])
def test_no_database(socknet, tmp_path, command):
    r = socknet(command, '--timeout', '0.6', db=f'unix:{tmp_path}/none')
    assert r.code == 1
    assert r.out == ''
    assert f'no database at unix:{tmp_path}/none within 0.6 s' in r.err
    assert 'socknet db' in r.err
    assert '--db' in r.err


def test_no_socket_is_said_soon(socknet, tmp_path):
    r = socknet('status', db=f'unix:{tmp_path}/none')
    assert 'within 0.5 s: nothing listens there' in r.err


def test_another_database(socknet, tmp_path):
    """A server that has no Socknet database, such as the switch's."""
    other = Database('/usr/share/openvswitch/vswitch.ovsschema', tmp_path)
    other.start()
    r = socknet('status', '--timeout=2', db=other.remote)
    other.stop()
    assert r.code == 1
    assert 'Socknet' in r.err


def test_database_that_hangs(socknet, database):
    os.kill(database.process.pid, signal.SIGSTOP)
    try:
        r = socknet('status', '--timeout=1', db=database.remote)
    finally:
        os.kill(database.process.pid, signal.SIGCONT)
    assert r.code == 1
    assert 'within 1 s' in r.err


def test_database_behind_a_firewall(socknet):
    """Nobody takes the connection, nobody refuses it."""
    with socket.socket() as s, contextlib.ExitStack() as stack:
        s.bind(('127.0.0.1', 0))
        s.listen(0)
        for _ in range(3):              # Then the queue is full.
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(s.getsockname())
        r = socknet('status', '--timeout=0.5',
                    db='tcp:127.0.0.1:%d' % s.getsockname()[1])
    assert r.code == 1
    assert 'within 0.5 s: nobody answers there: is that host up' in r.err


def test_daemons_of_no_node(socknet, network):
    """The host is called otherwise than the state calls its node."""
    now = int(time.time())
    network.insert('Node_Status', node='beta.lan', seen=now, generation=0)
    network.insert('Bridge_Status', node='beta.lan', bridge='vmbr0',
                   seen=now, connected=True, generation=0)
    network.insert('Bridge_Status', node='gone', bridge='vmbr0', seen=5,
                   connected=True, generation=0)
    out = socknet('status', db=network.remote).ok().out
    for daemon in 'agent', 'controller':
        assert (f'beta.lan: a {daemon} calls itself so, but the state has no '
                'such node\n    its --node must be') in out
    assert 'gone' not in out


def test_status_of_a_big_mesh_fits_a_screen(socknet, database):
    database.insert('Mesh', name='big', generation=3)
    database.transact(*[
        {'op': 'insert', 'table': 'Node',
         'row': {'name': f'h{n:03}', 'address': f'100.64.0.{n}',
                 'ip_forward': True}} for n in range(1, 61)])
    now = int(time.time())
    database.transact(*[
        {'op': 'insert', 'table': table,
         'row': dict(more, node=f'h{n:03}', seen=now, generation=3)}
        for n in range(1, 59) for table, more in [
            ('Node_Status', {}),
            ('Bridge_Status', {'bridge': 'vmbr0', 'connected': n != 7})]])
    out = socknet('status', db=database.remote).ok().out
    assert re.findall(r'^(h\d\d\d) ', out, re.M) == ['h007', 'h059', 'h060']
    assert '57 nodes are not shown; `socknet nodes`' in out
    assert 'h059, h060: no agent has reported\n' in out
    assert len(out.splitlines()) < 24

    database.transact({'op': 'delete', 'table': 'Node_Status', 'where': []})
    out = socknet('status', db=database.remote).ok().out
    assert 'h001, h002, h003, h004 and 56 more: no agent has reported' in out
    assert len(out.splitlines()) < 40

    everything = socknet('status', '--json', db=database.remote).ok().json
    assert len(everything['nodes']) == 60
    assert len([p for p in everything['problems']
                if p['text'] == 'no agent has reported']) == 60
