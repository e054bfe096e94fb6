"""plan: what a state would change, and for whom."""

import re

import pytest

TWO_HOSTS = 'examples/two-hosts.yaml'


@pytest.fixture
def plan(socknet, srcdir, tmp_path):
    """plan(replace..., args) compares two-hosts.yaml with a changed copy."""
    old = tmp_path / 'old.yaml'
    text = (srcdir / TWO_HOSTS).read_text()
    text = text[:text.index('tests:')]
    old.write_text(text)

    def run(*replace, args=('--json',)):
        new = text
        for a, b in replace:
            assert new.count(a) >= 1, a
            new = new.replace(a, b, 1)
        path = tmp_path / 'new.yaml'
        path.write_text(new)
        return socknet('plan', path, '--from', old, *args)
    return run


def rule(name, text):
    """Takes a rule away, or puts one in its place."""
    return name, text


def pairs(records):
    return {(r['src'], r['dst'], r['what']) for r in records}


def test_nothing(plan):
    r = plan()
    assert r.code == 0
    assert r.json['changes'] is False and r.json['objects'] == []
    assert 'nothing to change' in plan(args=()).out


def test_moved_is_no_change(plan):
    r = plan(('segments:', '\n\nsegments:'))
    assert r.code == 0 and r.json['objects'] == []
    assert r.json['moved'] > 3


def test_newly_allowed(plan):
    r = plan(('vector-db:6333"]', 'vector-db:6333-6400"]'))
    assert r.code == 2
    assert [(o['change'], o['kind'], o['name']) for o in r.json['objects']] \
        == [('changed', 'acl', 'api-to-vectors')]
    assert pairs(r.json['allowed']) == {
        ('op-dbus-api', 'vector-db', 'tcp/6334-6400'),
        ('op-dbus-api', 'vector-db', 'tcp/6334-6400 (IPv6)')}
    assert 'acl api-to-vectors' in r.json['allowed'][0]['decided_by']
    assert r.json['denied'] == [] and r.json['exits'] == []


def test_newly_denied(plan):
    r = plan(('  - {name: mcp-metrics, action: accept',
              '  - {name: mcp-metrics, action: deny'))
    assert pairs(r.json['denied']) == {('mcp-server', 'redis', 'udp/8125')}
    assert r.json['allowed'] == []
    out = plan(('  - {name: mcp-metrics, action: accept',
                '  - {name: mcp-metrics, action: deny'), args=()).out
    assert 'Nothing is newly allowed.' in out


def test_a_rule_that_another_overrules_changes_nobody(plan):
    """Reachability is that of the flows, not of the text."""
    r = plan(('acls:', 'acls:\n  - {name: vain, action: accept, src: [xray], '
              'dst: ["mcp-server:80"], proto: tcp}'))
    assert r.code == 2
    assert r.json['objects'] != []
    assert r.json['allowed'] == [] and r.json['denied'] == []


def test_raw_flow_counts(plan):
    flow = ('    openflow: {bridges: {vmbr0: {flows: ["priority=90,ip,'
            'in_port=veth102,nw_dst=10.0.0.200,actions=output:veth200"]}}}\n')
    r = plan(('    lxc:\n', flow + '    lxc:\n'))
    assert ('xray', 'mcp-server', 'tcp/1-65535') in pairs(r.json['allowed'])
    assert 'raw flow' in r.json['allowed'][0]['decided_by']


def test_exit_is_taken_away(plan):
    r = plan(('          exit: warp\n          properties:\n'
              '            name: gateway',
              '          properties:\n            name: gateway'),
             ('privacy: {members: ["tag:privacy"]',
              'privacy: {members: [xray]'))
    denied = pairs(r.json['denied'])
    assert ('gateway', 'internet', 'tcp/1-65535') in denied
    assert not any(src == 'xray' for src, _, _ in denied)


def test_exit_is_another(plan):
    """Neither newly allowed nor denied, and still a change of who is seen
    outside."""
    change = (('{interface: warp0, enabled: true}',
               '{interface: warp0, enabled: true}\n'
               '      far_tunnel: {interface: wg9, enabled: true}'),
              ('          exit: warp\n          hwaddr',
               '          exit: [far, warp]\n          hwaddr'))
    r = plan(*change)
    assert r.code == 2
    assert r.json['allowed'] == r.json['denied'] == []
    assert {(x['src'], x['dst'], x['was'], x['is'])
            for x in r.json['exits']} == {
        ('xray', 'internet', 'leaves by exit oo1424oo/warp',
         'leaves by exit oo1424oo/far')}
    assert 'tcp/1-65535' in {x['what'] for x in r.json['exits']}
    out = plan(*change, args=()).out
    assert 'Nothing is newly allowed.' in out and 'By another exit' in out


def test_container_that_is_new(plan):
    r = plan(('      containers:\n', '      containers:\n'
              '        - {id: "150", tags: [management], properties: '
              '{name: newcomer, ipv4_address: 10.0.0.150/24}}\n'))
    allowed = pairs(r.json['allowed'])
    assert ('newcomer', 'redis', 'ping') in allowed
    was = {x['was'] for x in r.json['allowed'] if x['src'] == 'newcomer'}
    assert was == {'not there'}


SMALL = """nodes:
  n:
    subnet: 10.0.0.0/24
    lxc:
      containers:
        - {id: "101", properties: {name: c, ipv4_address: 10.0.0.101/24}}
        - {id: "102", properties: {name: d, ipv4_address: 10.0.0.102/24}}
  m: {subnet: 10.1.0.0/24, endpoint: 198.51.100.3}
services:
  web: {vip: 10.96.0.10, protocol: tcp, port: 80, backends: [d]}
acls:
  - {name: d, action: accept, src: [d], dst: ["c:9"], proto: tcp}
"""
RULES = """\
  - {name: s, action: accept, src: [c], dst: [web]}
  - {name: here, action: accept, src: [c], dst: ["node:n:22"], proto: tcp}
  - {name: far, action: accept, src: [c], dst: ["node:m:22"], proto: tcp}
  - {name: back, action: accept, src: ["node:m"], dst: ["d:53"], proto: udp}
"""


def test_hosts_and_services(socknet, tmp_path):
    old, new = tmp_path / 'old.yaml', tmp_path / 'new.yaml'
    old.write_text(SMALL)
    new.write_text(SMALL + RULES)
    expected = {('c', 'd', 'tcp/80'), ('c', 'web', 'tcp/80'),
                ('c', 'node:n', 'tcp/22'), ('c', 'node:m', 'tcp/22'),
                ('node:m', 'd', 'udp/53')}
    for a, b, key in ((old, new, 'allowed'), (new, old, 'denied')):
        r = socknet('plan', b, '--from', a, '--json')
        assert pairs(r.json[key]) == expected
        assert all('new.yaml:1' in x['decided_by'] for x in r.json[key]) \
            == (key == 'allowed')


def test_flows(plan):
    out = plan(('vector-db:6333"]', 'vector-db:6334"]'),
               args=('--flows',)).out
    assert re.search(r'^\+ .*ct_tp_dst=6334', out, re.M)
    assert re.search(r'^- .*ct_tp_dst=6333', out, re.M)
    assert 'Flows of vmbr0 at node2' in out


def test_bad_state(plan):
    r = plan(('default_policy: deny', 'default_policy: maybe'))
    assert r.code == 1 and 'would not be applied' in r.err


def test_against_the_database(socknet, srcdir, database):
    path = srcdir / TWO_HOSTS
    r = socknet('plan', path, '--json', db=database.remote)
    assert r.code == 2 and r.json['allowed'] and not r.json['denied']
    socknet('apply', path, db=database.remote).ok()
    assert socknet('plan', path, db=database.remote).code == 0


def test_flows_of_others_stay(plan):
    """A new container's port does not renumber those of the others."""
    r = plan(('        - id: "102"\n', '''\
        - {id: "55", properties: {name: aaa, ipv4_address: 10.0.0.55/24}}
        - id: "102"
'''), args=('--json', '--flows'))
    assert r.code == 2
    flows = [f['flow'] for f in r.json['flows oo1424oo']]
    assert len(flows) > 5 and all(f.startswith('+') for f in flows)
    assert all('0x5302000000370' in f for f in flows)


def test_alike(plan):
    """Programs get all the names of those that are alike."""
    r = plan(('acls:', 'acls:\n  - {name: all, action: deny, src: ["*"], '
              'dst: ["*"]}'))
    for record in r.json['denied']:
        assert record['src'].startswith(record['srcs'][0])
        assert ('like it' in record['src']) == (len(record['srcs']) > 1)
