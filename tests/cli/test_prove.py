"""prove: what holds for every packet of a state."""

import pytest

TWO_HOSTS = 'examples/two-hosts.yaml'
INVARIANTS = ['uplinks', 'host', 'mesh', 'exits', 'transit', 'spoofing',
              'tables', 'matrix', 'replies']


@pytest.mark.parametrize('state', [
    TWO_HOSTS, 'examples/oo1424oo.yaml', 'tests/state/every-key.yaml',
    'tests/golden/states/raw.yaml', 'tests/golden/states/conj.yaml',
    'tests/golden/states/rates.yaml', 'tests/system/services.yaml'])
def test_states_of_the_tree(socknet, srcdir, state):
    r = socknet('prove', srcdir / state, '--json')
    assert r.code == 0
    assert [i['invariant'] for i in r.json['invariants']] == INVARIANTS
    assert all(i['proven'] for i in r.json['invariants'])
    assert r.json['refutations'] == []
    assert r.json['proof']['proven'] and r.json['proof']['flows'] > 100


def test_subnet_that_is_all_alike(socknet, tmp_path):
    """Where all containers of a node have the same identity, flows of others
    say so of its whole subnet: that is of nobody besides."""
    path = tmp_path / 'state.yaml'
    path.write_text('''\
mesh: {name: m, prefix: 100.64.0.0/24}
nodes:
  a:
    endpoint: 198.51.100.1
    subnet: 10.0.0.0/24
    lxc:
      containers:
        - id: "101"
          properties: {name: db, ipv4_address: 10.0.0.101/24}
  b:
    endpoint: 198.51.100.2
    subnet: 10.1.0.0/24
    lxc:
      containers:
        - id: "201"
          tags: [web]
          properties: {name: w1, ipv4_address: 10.1.0.201/24}
        - id: "202"
          tags: [web]
          properties: {name: w2, ipv4_address: 10.1.0.202/24}
        - id: "203"
          tags: [web]
          properties: {name: w3, ipv4_address: 10.1.0.203/24}
acls:
  - {action: accept, src: ["tag:web"], dst: ["db:5432"], proto: tcp}
  - {action: accept, src: [db], dst: ["tag:web:80"], proto: tcp}
''')
    assert socknet('prove', path, '--json').ok().json['proof']['proven']


def test_text(socknet, srcdir):
    out = socknet('prove', srcdir / TWO_HOSTS).ok().out
    assert out.count(' proven ') == len(INVARIANTS)
    assert 'Proven: 9 invariants' in out and 'on 2 hosts' in out


def test_name_by_address(socknet, srcdir, tmp_path):
    """A rule that names a container's address takes no other rule from it."""
    text = (srcdir / TWO_HOSTS).read_text()
    rule = '{name: by-address, action: accept, proto: tcp, src: [xray],' \
        ' dst: ["10.1.0.103:6334"]}'
    path = tmp_path / 'state.yaml'
    path.write_text(text.replace('acls:\n', 'acls:\n  - %s\n' % rule))
    assert socknet('prove', path).code == 0
    r = socknet('why', 'op-dbus-api', 'vector-db', 'tcp/6333', '--from', path,
                '--json')
    assert r.json['verdicts'][0]['arrives']


def test_raw_flow_outside(socknet, srcdir, tmp_path):
    """What matches more than a first packet has is named, and left out."""
    text = (srcdir / 'tests/golden/states/raw.yaml').read_text()
    path = tmp_path / 'state.yaml'

    def prove(raw):
        assert text.count('priority=10,actions=normal') == 1
        path.write_text(text.replace('priority=10,actions=normal', raw))
        return socknet('prove', path, '--json').json
    assert prove('priority=9,ip,ct_state=+trk,ct_nw_dst=10.0.0.101,'
                 'actions=drop')['left_out'] == []
    r = prove('priority=9,ip,pkt_mark=5,actions=normal')
    assert r['proof']['left_out'] == 1
    assert 'pkt_mark=5' in r['left_out'][0]['flow']
    assert r['left_out'][0]['location'].startswith('%s:' % path)
    assert 'but for 1 raw flow' in socknet('prove', path).out


def test_plan_proves(socknet, srcdir, tmp_path):
    text = (srcdir / TWO_HOSTS).read_text()
    path = tmp_path / 'new.yaml'
    path.write_text(text.replace('6333"]', '6333-6400"]'))
    args = 'plan', path, '--from', srcdir / TWO_HOSTS
    assert 'Proven: 9 invariants' in socknet(*args).out
    assert socknet(*args, '--json').json['proof']['proven']
    assert 'Proven' not in socknet(*args, '--no-proof').out
    assert 'proof' not in socknet(*args, '--no-proof', '--json').json
