"""compile and explain against files, without a database."""

import re
import shutil
import subprocess

import pytest

TWO_HOSTS = 'examples/two-hosts.yaml'


@pytest.fixture
def state(srcdir, tmp_path):
    """two-hosts.yaml in the folder in which commands run."""
    shutil.copy(srcdir / TWO_HOSTS, tmp_path / 'state.yaml')
    return tmp_path / 'state.yaml'


def line_of(path, text):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if text in line:
            return number, line.index(text) + 1
    raise AssertionError(text)


def flows(text):
    return [x for x in text.splitlines() if x and not x.startswith('#')]


# compile

def test_compile_needs_a_path(socknet):
    r = socknet('compile')
    assert r.code == 1
    assert 'compile takes one PATH' in r.err


def test_compile_is_sorted_and_stable(socknet, state):
    first = socknet('compile', 'state.yaml', '--node', 'node2').ok().out
    again = socknet('compile', 'state.yaml', '--node', 'node2').ok().out
    assert first == again
    keys = [(int(re.search(r'table=(\d+)', f).group(1)),
             -int(re.search(r'priority=(\d+)', f).group(1)))
            for f in flows(first)]
    assert len(keys) > 20
    assert keys == sorted(keys)
    assert len(set(k[0] for k in keys)) >= 10


def test_compile_names_its_stand_ins(socknet, state):
    """redis has no hwaddr, vector-db has one."""
    out = socknet('compile', 'state.yaml', '--node', 'node2').ok().out
    comments = [x for x in out.splitlines() if x.startswith('#')]
    redis = [x for x in comments if 'container redis: MAC 02:53:' in x]
    assert len(redis) == 1 and 'no hwaddr' in redis[0]
    assert redis[0].split('MAC ')[1].split()[0] in '\n'.join(flows(out))
    assert not [x for x in comments if 'vector-db' in x]
    assert 'bc:24:11:00:01:03' in out
    assert [x for x in comments if 'bridge vmbr0: MAC 02:53:' in x]


def test_compile_with_ports(socknet, state):
    out = socknet('compile', 'state.yaml', '--node', 'node2',
                  '--port', 'veth104=17,0a:00:00:00:00:17',
                  '--port=vmbr0=LOCAL,0a:00:00:00:00:01').ok().out
    assert 'in_port=17' in out
    assert '0a:00:00:00:00:17' in out
    assert '0a:00:00:00:00:01' in out
    assert '02:53:' not in out
    assert 'veth104' not in '\n'.join(flows(out))
    assert 'veth103' in '\n'.join(flows(out))


@pytest.mark.parametrize('spec', [
    'veth104', 'veth104=', '=4', 'veth104=4,zz', 'veth104=99999'])
def test_compile_bad_port(socknet, state, spec):
    r = socknet('compile', 'state.yaml', '--node', 'node2', '--port', spec)
    assert r.code == 1
    assert f'--port: "{spec}"' in r.err
    assert r.out == ''


def test_compile_unknown_node(socknet, state):
    r = socknet('compile', 'state.yaml', '--node', 'node3')
    assert r.code == 1
    assert 'no node "node3" in the state: did you mean "node2"?' in r.err
    assert r.out == ''


def test_compile_broken_file(socknet, state):
    state.write_text(state.read_text().replace('endpoint:', 'endpiont:'))
    r = socknet('compile', 'state.yaml', '--node', 'node2')
    assert r.code == 1
    assert 'state.yaml:' in r.err and 'endpiont' in r.err
    assert r.out == ''


def test_compile_explain(socknet, state):
    out = socknet('compile', 'state.yaml', '--node', 'node2',
                  '--explain').ok().out
    line, _ = line_of(state, 'name: api-to-vectors')
    assert re.search(rf'^# acl api-to-vectors \(state.yaml:{line}:\d+\)',
                     out, re.M)
    assert '# table 0, classify: in_port to source kind' in out
    plain = socknet('compile', 'state.yaml', '--node', 'node2').out
    assert flows(plain) == flows(out)


def test_compile_json(socknet, state):
    r = socknet('compile', 'state.yaml', '--node', 'node2', '--json').ok()
    plain = socknet('compile', 'state.yaml', '--node', 'node2').out
    assert set(r.json) == {'version', 'command', 'node', 'stand_ins',
                           'pending', 'groups', 'meters', 'flows'}
    assert [f['flow'] for f in r.json['flows']] == flows(plain)
    assert set(r.json['flows'][0]) == {
        'flow', 'table', 'table_name', 'priority', 'cookie', 'cause', 'kind',
        'object', 'location'}
    acl = [f for f in r.json['flows'] if f['kind'] == 'acl'
           and f['object'] == 'api-to-vectors']
    line, _ = line_of(state, 'name: api-to-vectors')
    assert acl[0]['location'].startswith(f'state.yaml:{line}:')


def test_compile_rates(socknet, state):
    """Meters are comments that name the arguments of ovs-ofctl add-meter."""
    assert '# add-' not in socknet('compile', 'state.yaml', '--node',
                                   'node2').ok().out
    state.write_text(state.read_text().replace(
        'tags: [data]\n', 'tags: [data]\n          rate: {pps: 9}\n', 1))
    out = socknet('compile', 'state.yaml', '--node', 'node2').ok().out
    m = re.search(r'^# container:vector-db:packets\n# add-meter meter=(\d+) '
                  r'pktps burst stats bands=type=drop rate=9 burst_size=16$',
                  out, re.M)
    assert m
    limited = [f for f in flows(out) if 'meter:%s,' % m.group(1) in f]
    assert limited
    r = socknet('compile', 'state.yaml', '--node', 'node2', '--json').ok()
    assert [o['name'] for o in r.json['meters']] == [
        'container:vector-db:packets']
    assert str(r.json['meters'][0]['id']) == m.group(1)
    told = socknet('explain', '--from', 'state.yaml', stdin=limited[0]).ok()
    assert '; meter container:vector-db:packets' in told.out


# explain

def test_explain_stream(socknet, state):
    dump = socknet('compile', 'state.yaml', '--node', 'oo1424oo').ok().out
    out = socknet('explain', '--from', 'state.yaml', stdin=dump).ok().out
    line, _ = line_of(state, 'name: mcp-to-api')
    assert re.search(rf'actions=.*\n    acl mcp-to-api \(state.yaml:{line}:'
                     r'\d+\).*; table egress_policy: rules at', out)
    for flow in flows(dump):
        assert flow in out
    assert 'foreign' not in out and 'not in the desired state' not in out
    assert out.count('\n    ') == len(flows(dump))


def test_explain_every_flow_has_a_cause(socknet, state):
    for node in 'oo1424oo', 'node2':
        dump = socknet('compile', 'state.yaml', '--node', node).ok().out
        found = socknet('explain', '--from', 'state.yaml', '--json',
                        stdin=dump).ok().json['flows']
        assert len(found) == len(flows(dump))
        for flow in found:
            assert flow['purpose'], flow
            assert 'not in the desired state' not in flow['cause'], flow
            if flow['kind'] in ('acl', 'container', 'segment'):
                assert flow['location'], flow


def test_explain_foreign_and_odd_lines(socknet, state):
    lines = ('NXST_FLOW reply (xid=0x4):\n'
             ' cookie=0x2a, duration=1s, table=0, n_packets=0, n_bytes=0, '
             'priority=1 actions=ct(table=12)\n'
             ' priority=2,ip actions=drop\n'
             '\n')
    out = socknet('explain', '--from', 'state.yaml', stdin=lines).ok().out
    assert out.startswith('NXST_FLOW reply (xid=0x4):\n')
    assert "not socknet's (cookie 0x2a): left alone; table classify" in out
    assert "not socknet's (cookie 0x0): left alone" in out
    assert out.count('\n    ') == 2


def test_explain_cookies(socknet, state):
    dump = socknet('compile', 'state.yaml', '--node', 'node2', '--json').json
    flow = next(f for f in dump['flows'] if f['object'] == 'vector-db')
    for word in flow['cookie'], f'cookie={flow["cookie"]}/-1':
        out = socknet('explain', '--from', 'state.yaml', word).ok().out
        assert out.startswith('container vector-db (state.yaml:')
    r = socknet('explain', '--from', 'state.yaml', 'zzz')
    assert r.code == 1
    assert '"zzz" is not a cookie' in r.err


def test_explain_of_what_is_gone(socknet, state):
    dump = socknet('compile', 'state.yaml', '--node', 'node2').ok().out
    state.write_text(state.read_text().replace('api-to-vectors', 'other'))
    out = socknet('explain', '--from', 'state.yaml', stdin=dump).ok().out
    assert re.search(r'acl 0x[0-9a-f]+, not in the desired state', out)


def test_explain_reader_that_leaves(builddir, socknet, state):
    dump = socknet('compile', 'state.yaml', '--node', 'node2').ok().out
    (state.parent / 'dump').write_text(dump * 200)
    r = subprocess.run(
        ['bash', '-c', f'{builddir}/cli/socknet explain --from state.yaml '
         '<dump | head -1 >/dev/null'],
        capture_output=True, text=True, cwd=state.parent, timeout=60)
    assert r.stderr == ''
