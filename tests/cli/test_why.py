"""why, and the tests of a state file: on compiled flows, without a switch."""

import pytest

TWO_HOSTS = 'examples/two-hosts.yaml'
GOOD = [
    'src: op-dbus-api, dst: "vector-db:6333", expect: accept',
    'src: op-dbus-api, dst: "vector-db:6334", expect: deny',
    'src: op-dbus-api, dst: "vector-db:6333", proto: udp, expect: deny',
    'src: mcp-server, dst: vector-db, proto: icmp, expect: accept',
    'src: xray, dst: "tag:management", expect: deny',
    'src: "tag:management", dst: xray, expect: accept',
    'src: xray, dst: internet, expect: exit warp',
    'src: xray, dst: internet, expect: exit oo1424oo/warp',
    'src: mcp-server, dst: internet, expect: deny',
    'src: mcp-server, dst: "node:oo1424oo:22", expect: deny',
    'src: mcp-server, dst: "10.0.0.1:53", proto: udp, expect: accept',
    'src: mcp-server, dst: "node:node2", expect: deny',
    'src: "node:oo1424oo", dst: "mcp-server:22", expect: accept',
    'src: "node:node2", dst: "mcp-server:22", expect: deny',
]
# What stands in the message.
BAD = {
    'src: op-dbus-api, dst: vector-db, proto: tcp, expect: deny':
        'delivered to vector-db, by acl api-to-vectors',
    'src: op-dbus-api, dst: "vector-db:6334", expect: accept':
        'tcp/6334: dropped',
    'src: op-dbus-api, dst: vector-db, proto: tcp, expect: accept':
        'dropped',
    'src: mcp-server, dst: internet, expect: exit warp': 'dropped',
    'src: xray, dst: internet, expect: deny':
        'leaves by exit oo1424oo/warp, by segment privacy',
    'src: xray, dst: internet, expect: exit other': 'leaves by exit',
    'src: "*", dst: redis, expect: deny': 'by acl management-pings',
}


@pytest.fixture
def state(srcdir, tmp_path):
    """Writes two-hosts.yaml with other tests."""
    text = (srcdir / TWO_HOSTS).read_text()

    def write(*tests, replace=()):
        new = text[:text.index('tests:')]
        for old, other in replace:
            assert old in new
            new = new.replace(old, other, 1)
        new += 'tests:\n' + ''.join('  - {%s}\n' % t for t in tests)
        path = tmp_path / 'state.yaml'
        path.write_text(new)
        return path
    return write


def test_good(socknet, state):
    socknet('check', state(*GOOD)).ok()


@pytest.mark.parametrize('test', BAD)
def test_bad(socknet, state, test):
    r = socknet('check', state(GOOD[0], test, GOOD[1]))
    assert r.code == 1
    assert r.out.count('error: test failed') == 1
    assert BAD[test] in r.out
    assert test in r.out and 'its way: at ' in r.out


def test_withdrawn_rule_fails_its_test(socknet, state):
    """The tests look at flows, and so at what the rules become."""
    path = state(GOOD[0], replace=[('dst: ["vector-db:6333"], proto: tcp',
                                    'dst: ["vector-db:6330"], proto: tcp')])
    assert 'tcp/6333: dropped' in socknet('check', path).out


def test_raw_flow_past_the_rules_is_seen(socknet, state):
    denied = 'src: xray, dst: mcp-server, expect: deny'
    flow = ('    openflow: {bridges: {vmbr0: {flows: ["priority=90,ip,'
            'in_port=veth102,nw_dst=10.0.0.200,actions=output:veth200"]}}}\n')
    socknet('check', state(denied)).ok()
    r = socknet('check', state(denied, replace=[
        ('    lxc:\n', flow + '    lxc:\n')]))
    assert 'delivered to mcp-server, by raw flow' in r.out


def test_apply_stops(socknet, state, database):
    path = state('src: xray, dst: internet, expect: deny')
    r = socknet('apply', path, db=database.remote)
    assert r.code == 1
    assert 'test failed' in r.err and 'nothing was changed' in r.err
    r = socknet('export', db=database.remote)
    assert 'holds no state yet' in r.err


def test_nothing_to_expect(socknet, state):
    r = socknet('check', state('src: xray, dst: redis, expect: perhaps'))
    assert '"perhaps" is nothing to expect' in r.out
    r = socknet('check', state('src: internet, dst: redis, expect: deny'))
    assert 'tries nothing' in r.out


def test_why(socknet, srcdir):
    path = srcdir / TWO_HOSTS
    r = socknet('why', 'op-dbus-api', 'vector-db', 'tcp/6333', '--from',
                path, '--json').ok().json
    assert [v['arrives'] for v in r['verdicts']] == [True, True]
    assert 'acl api-to-vectors' in r['verdicts'][0]['decided_by']
    assert {s['node'] for s in r['steps']} == {'oo1424oo', 'node2'}
    assert r['steps'][-1]['table'] == 'deliver'
    r = socknet('why', 'op-dbus-api', 'vector-db', 'tcp/6334', '--from',
                path, '--json').ok().json
    assert not any(v['arrives'] for v in r['verdicts'])
    assert 'no rule allows it' in r['verdicts'][0]['decided_by']
    assert {n['rule'] for n in r['nearest']} \
        == {'api-to-vectors', 'management-pings'}
    out = socknet('why', 'xray', 'internet', '--from', path).ok().out
    assert 'leaves by exit oo1424oo/warp' in out


@pytest.mark.parametrize('words, message', [
    ([], 'give a source, a destination'),
    (['xray', 'redis', 'tcp'], 'is not icmp, tcp/PORT'),
    (['xray', 'redis', 'icmp/3'], 'is not icmp, tcp/PORT'),
    (['xray', 'redis', 'foo/3'], 'is not icmp, tcp/PORT'),
    (['xrai', 'redis'], 'xrai'),
    (['xray', 'redis', 'tcp/99999'], '99999'),
])
def test_misuse(socknet, srcdir, words, message):
    r = socknet('why', *words, '--from', srcdir / TWO_HOSTS)
    assert r.code == 1 and message in r.err
