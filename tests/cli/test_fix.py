"""check --fix corrects what is certain, and nothing else."""

import os
import shutil

import pytest

HOST = '''# A host.
wireguard:
  warp_tunnel:   # the exit
    interface: warp0
    enabled: %(enabled)s
networking:
  routes:
    10.1.0.0/24: {via: nm-privacy}
openflow:
  bridges:
    vmbr0:
      flows:
        # Kept.
        - "priority=50,ip,in_port=veth102,actions=drop"   # and this
%(flows)s
lxc:
  containers:
    - id: "102"
      veth: veth102
      properties: {name: web, ipv4_address: %(address)s}
'''
GOOD = {'enabled': 'true', 'flows': '', 'address': '10.0.0.102/24'}


def flow(text, quote='"'):
    return {'flows': f'        - {quote}{text}{quote}'}


# What differs from GOOD, and what it becomes.
FIXED = [
    (flow('priority=90,in_port=veth102,nw_dst=10.0.0.9,actions=drop'),
     flow('priority=90,in_port=veth102,ip,nw_dst=10.0.0.9,actions=drop')),
    (flow('priority=90,in_port=veth102,ipv6_dst=fd00::9,actions=drop', "'"),
     flow('priority=90,in_port=veth102,ipv6,ipv6_dst=fd00::9,actions=drop',
          "'")),
    (flow('cookie=5,priority=90,udp,actions=drop', ''),
     flow('priority=90,udp,actions=drop', '')),
    (flow('table=0,priority=90,udp,idle_timeout=7,actions=drop'),
     flow('priority=90,udp,actions=drop')),
    (flow('priority=90,udp,in_port=web,actions=drop'),
     flow('priority=90,udp,in_port=veth102,actions=drop')),
    (flow('priority=90,udp,actions=output:x-warp0'),
     flow('priority=90,udp,actions=output:warp0')),
    (flow('priority=90,udp,actions=output:nm-privacy'),
     flow('priority=90,udp,actions=normal')),
    (flow('priority=90,udp,actions=learn(table=1,priority=1),normal'),
     flow('priority=90,udp,actions=normal')),
    (flow('priority=9,in_port=warp0,actions=normal'), None),
    (flow('priority=9,arp,actions=normal'), None),
    (flow('priority=9,actions=normal'), None),
    (flow('priority=50,ip,in_port=veth102,actions=drop'), None),
    ({'enabled': 'yes'}, {'enabled': 'true'}),
    ({'enabled': '"yes"'}, {'enabled': '"yes"'}),   # Who knows?
    ({'enabled': 'true\n    post_up: ovs-vsctl add-port vmbr0 warp0\n'
      '    pre_down: x'}, {'enabled': 'true'}),
]


def expected(change):
    """A flow that goes takes its line along."""
    text = HOST % {**GOOD, **(change or {})}
    return text if change else text.replace('# and this\n\n', '# and this\n')


@pytest.mark.parametrize('wrong, right', FIXED,
                         ids=lambda x: str(list((x or {'-': '-'}).values())))
def test_fix(socknet, tmp_path, wrong, right):
    path = tmp_path / 'host.yaml'
    before = HOST % {**GOOD, **wrong}
    path.write_text(before)
    r = socknet('check', '--node', 'host', '--fix', path)
    assert path.read_text() == expected(right), r.out
    if wrong != right:
        assert (tmp_path / 'host.yaml~').read_text() == before
        assert '+++ ' in r.out


UNSURE = [
    # Which of both is meant?
    flow('priority=90,ip,nw_dst=10.0.0.9/24,actions=drop'),
    flow('priority=90,tp_dst=80,actions=drop'),
    flow('priority=90,ip,in_port=veth103,actions=drop'),
    flow('priority=50,ip,in_port=veth102,actions=normal'),
    flow('table=3,priority=90,udp,actions=drop'),
    # A list on one line, a scalar over two: no line of its own.
    {'flows': '        -   "priority=9,actions=normal\n          "'},
]


@pytest.mark.parametrize('change', UNSURE, ids=str)
def test_a_guess_is_no_fix(socknet, tmp_path, change):
    path = tmp_path / 'host.yaml'
    path.write_text(HOST % {**GOOD, **change})
    before = path.read_text()
    r = socknet('check', '--node', 'host', '--fix', path)
    assert path.read_text() == before
    assert 'nothing of which the correction is certain' in r.out
    assert os.listdir(tmp_path) == ['host.yaml']


def test_dry_run(socknet, tmp_path):
    path = tmp_path / 'host.yaml'
    path.write_text(HOST % {**GOOD, 'enabled': 'yes'})
    r = socknet('check', '--node=host', '--fix', '--dry-run', path)
    assert r.code == 1
    assert '-    enabled: yes\n+    enabled: true\n' in r.out
    assert 'enabled: yes' in path.read_text()
    assert os.listdir(tmp_path) == ['host.yaml']
    r = socknet('check', '--dry-run', path)
    assert r.code == 1 and '--fix' in r.err


def test_the_file_stays_who_it_is(socknet, tmp_path):
    """Mode and a link to it; UTF-8 before the place."""
    real = tmp_path / 'real.yaml'
    real.write_text((HOST % {**GOOD, **flow(
        'priority=90,in_port=veth102,nw_dst=10.0.0.9,actions=drop')})
        .replace('# A host.', '# Größe: ü.'))
    real.chmod(0o640)
    link = tmp_path / 'link.yaml'
    link.symlink_to('real.yaml')
    r = socknet('check', '--node=host', '--fix', link)
    assert r.code == 0, r.out
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert 'veth102,ip,nw_dst' in real.read_text()
    r = socknet('check', '--node=host', '--fix', link)
    assert r.code == 0 and 'nothing of which' in r.out


def test_folder(socknet, tmp_path, srcdir):
    shutil.copytree(srcdir / 'examples/two-hosts.d', tmp_path / 'd')
    files = sorted((tmp_path / 'd').glob('*.yaml'))
    for path in files:
        path.write_text(path.read_text().replace('enabled: true',
                                                 'enabled: on'))
    changed = [p for p in files if 'enabled: on' in p.read_text()]
    assert changed
    assert socknet('check', tmp_path / 'd').code == 1
    r = socknet('check', '--fix', tmp_path / 'd')
    assert r.code == 0, r.out
    assert len(list((tmp_path / 'd').glob('*~'))) == len(changed)


def test_prefix_length_of_an_address(socknet, tmp_path, srcdir):
    good = (srcdir / 'examples/two-hosts.yaml').read_text()
    path = tmp_path / 'state.yaml'
    path.write_text(good.replace('10.0.0.102/24', '10.0.0.102/16'))
    assert socknet('check', '--fix', path).code == 0
    assert path.read_text() == good


def test_reference_host(socknet, tmp_path, srcdir):
    """The mistakes of socket-network.txt, counted before and after."""
    path = tmp_path / 'oo.yaml'
    shutil.copy(srcdir / 'tests/state/oo1424oo.yaml', path)
    before = socknet('--json', 'check', '--node=oo1424oo', path).json
    assert (before['errors'], before['warnings']) == (15, 6)
    assert sum(d['fixable'] for d in before['diagnostics']) == 5
    r = socknet('--json', 'check', '--node=oo1424oo', '--fix', path)
    assert r.code == 1
    assert r.json['fixes'] == 7 and '+++' in r.json['diff']
    assert (r.json['errors'], r.json['warnings']) == (11, 5)
    text = path.read_text()
    assert '\n    post_up:' not in text and 'learn(' not in text
    assert '# Default: normal switching\n' in text


def test_no_place_to_write(socknet, tmp_path):
    if not os.getuid():
        pytest.skip('root may write anywhere')
    path = tmp_path / 'host.yaml'
    path.write_text(HOST % {**GOOD, 'enabled': 'yes'})
    tmp_path.chmod(0o555)
    try:
        r = socknet('check', '--node=host', '--fix', path)
    finally:
        tmp_path.chmod(0o755)
    assert r.code == 1 and 'host.yaml: Permission denied' in r.err
