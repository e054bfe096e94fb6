"""What compile prints goes into a real switch, and comes back explained."""

import shutil

import pytest


@pytest.fixture
def state(srcdir, tmp_path):
    shutil.copy(srcdir / 'examples/two-hosts.yaml', tmp_path / 'state.yaml')
    return tmp_path / 'state.yaml'


def install(socknet, switch, node):
    flows = socknet('compile', 'state.yaml', '--node', node,
                    '--explain').ok().out
    r = switch.ofctl('replace-flows', 'vmbr0', '-', stdin=flows)
    assert r.returncode == 0, r.stderr
    return [x for x in flows.splitlines() if x and x[0] != '#']


@pytest.mark.parametrize('node', ['oo1424oo', 'node2'])
def test_switch_takes_the_flows(socknet, state, switch, node):
    flows = install(socknet, switch, node)
    # diff-flows, unlike replace-flows, reads no names of ports in a file.
    ports = [f'--port={name}={number}'
             for number, name in enumerate(switch.ports, 1)]
    by_number = socknet('compile', 'state.yaml', '--node', node, *ports).ok()
    (switch.folder / 'flows').write_text(by_number.out)
    r = switch.ofctl('diff-flows', 'vmbr0', str(switch.folder / 'flows'))
    assert (r.returncode, r.stdout, r.stderr) == (0, '', '')
    r = switch.ofctl('dump-aggregate', 'vmbr0')
    assert f'flow_count={len(flows)}' in r.stdout


def test_dump_is_explained(socknet, state, switch):
    flows = install(socknet, switch, 'node2')
    switch.ofctl('add-flow', 'vmbr0', 'table=200,priority=7,cookie=0x7,'
                 'actions=drop')
    for names in '--names', '--no-names':
        dump = switch.ofctl(names, 'dump-flows', 'vmbr0').stdout
        out = socknet('explain', '--from', 'state.yaml', stdin=dump).ok().out
        assert out.count('\n    ') == len(flows) + 1
        assert out.count("not socknet's (cookie 0x7)") == 1
        assert 'not in the desired state' not in out
        assert '; table egress_policy: rules at' in out


@pytest.mark.parametrize('names', [['--names'], []])
def test_trace_is_explained(socknet, state, switch, names):
    """Why is this packet dropped?"""
    install(socknet, switch, 'node2')
    packet = ('in_port=veth103,icmp,dl_src=bc:24:11:00:01:03,'
              'nw_src=10.1.0.9,nw_dst=10.1.0.104,nw_ttl=64')
    r = switch.run('ovs-appctl', 'ofproto/trace', *names, 'vmbr0', packet)
    assert r.returncode == 0, r.stderr
    out = socknet('explain', '--from', 'state.yaml', stdin=r.stdout).ok().out
    assert '    container vector-db (state.yaml:' in out
    assert '    pipeline spoof_guard: drop: spoofed source; table' in out
    assert out.count('; table ') == r.stdout.count(', cookie 0x') == 2
    assert [x for x in out.splitlines() if '; table ' not in x] \
        == r.stdout.splitlines()


def test_flows_of_the_switch(socknet, state, switch, database):
    db = database.remote
    socknet('apply', 'state.yaml', db=db).ok()
    flows = install(socknet, switch, 'node2')
    target = f'--switch={switch.target}'

    out = socknet('flows', target, db=db).ok().out
    assert len(out.splitlines()) == len(flows)
    assert all('n_packets=0' in x for x in out.splitlines())
    assert 'in_port=veth103' in out

    rule = socknet('flows', target, '--rule', 'api-to-vectors', '--json',
                   db=db).ok().json
    assert rule['flows']
    assert {f['object'] for f in rule['flows']} == {'api-to-vectors'}
    assert rule['flows'][0]['n_packets'] == 0

    table = socknet('flows', target, '--table', 'arp_nd', db=db).ok().out
    assert 0 < len(table.splitlines()) < len(flows)
    assert all('table="arp_nd"' in x for x in table.splitlines())
    by_number = socknet('flows', target, '--table', '8', db=db).ok().out
    assert len(table.splitlines()) == len(by_number.splitlines())

    mine = socknet('flows', target, '--container', 'vector-db', '--json',
                   db=db).ok().json['flows']
    objects = {f['object'] for f in mine}
    assert {'vector-db', 'api-to-vectors', 'management-pings'} <= objects
    assert 'redis' not in objects and 'mcp-metrics' not in objects


def test_flows_of_the_state(socknet, state, database):
    db = database.remote
    socknet('apply', 'state.yaml', db=db).ok()
    out = socknet('flows', '--node', 'node2', db=db).ok().out
    lines = out.splitlines()
    assert [x for x in lines if 'container redis has no flows' in x]
    assert [x for x in lines if 'in_port=veth103' in x]
    assert 'n_packets' not in out


def test_raw_flows_of_a_container(socknet, srcdir, database):
    socknet('apply', srcdir / 'examples/oo1424oo.yaml',
            db=database.remote).ok()
    for name, n in ('gateway', 1), ('xray', 0):
        found = socknet('flows', '--container', name, '--json',
                        db=database.remote).ok().json['flows']
        raw = {f['object'] for f in found if f['kind'] == 'raw flow'}
        assert len(raw) == n, raw


def test_flows_of_the_switch_without_a_database(socknet, state, switch):
    flows = install(socknet, switch, 'node2')
    found = socknet('flows', f'--switch={switch.target}', '--from',
                    'state.yaml', '--json').ok().json['flows']
    assert len(found) == len(flows)
    assert {'acl', 'container'} <= {f['kind'] for f in found}


@pytest.mark.parametrize('words, message', [
    (['--table', 'nothere'], '--table: no table "nothere"'),
    (['--container', 'nothere'], 'no container "nothere" in the state'),
    (['--rule', 'nothere'], 'no acl or segment "nothere" in the state'),
    (['--node', 'nod2'], 'no node "nod2" in the state: did you mean "node2"?'),
    (['--switch=unix:nothere'], 'cannot read the flows of unix:nothere'),
])
def test_flows_of_what_is_not_there(socknet, state, database, words, message):
    socknet('apply', 'state.yaml', db=database.remote).ok()
    if '--switch' not in words[0] and '--node' not in words:
        words = ['--node', 'node2', *words]
    r = socknet('flows', *words, db=database.remote)
    assert r.code == 1
    assert message in r.err
    assert r.out == ''
