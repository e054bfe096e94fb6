"""What writes files leaves whole ones or none, and says so."""

import os

import pytest

HOST = '''wireguard:
  warp_tunnel:
    interface: warp0
    enabled: yes
lxc:
  containers:
    - id: "102"
      veth: veth102
      properties: {name: web, ipv4_address: 10.0.0.102/24}
'''


def assert_too_large(r):
    assert r.code == 1
    assert 'File too large' in r.err


# In the authority's certificate, in the database's.
@pytest.mark.parametrize('n', [0, 400, 650])
def test_authority(socknet, cramped, tmp_path, n):
    assert_too_large(cramped(n, 'pki', 'init', '--dir', tmp_path))
    assert os.listdir(tmp_path) == []
    socknet('pki', 'init', '--dir', tmp_path).ok()
    before = sorted(os.listdir(tmp_path))
    assert_too_large(cramped(n, 'pki', 'node', 'h1', '--dir', tmp_path))
    assert sorted(os.listdir(tmp_path)) == before
    socknet('pki', 'node', 'h1', '--dir', tmp_path).ok()


def test_authority_of_a_cluster(socknet, cramped, tmp_path):
    """What of it did not get made is made the next time."""
    cross = tmp_path / 'cluster-ca-cross.pem'
    socknet('pki', 'init', '--dir', tmp_path).ok()
    assert_too_large(cramped(400, 'pki', 'member', 'm1', '--dir', tmp_path))
    cross.symlink_to('nowhere')
    assert socknet('pki', 'member', 'm1', '--dir', tmp_path).code == 1
    cross.unlink()
    assert not (tmp_path / 'cluster-m1-key.pem').exists()
    socknet('pki', 'member', 'm1', '--dir', tmp_path).ok()
    assert 'BEGIN CERTIFICATE' in cross.read_text()


def test_corrected_file(cramped, tmp_path):
    path = tmp_path / 'host.yaml'
    path.write_text(HOST)
    assert_too_large(cramped(100, 'check', '--node=h', '--fix', path))
    assert path.read_text() == HOST
    assert os.listdir(tmp_path) == ['host.yaml']


def test_plan_and_backup(socknet, cramped, database, tmp_path):
    path = tmp_path / 'host.yaml'
    path.write_text(HOST.replace('yes', 'true'))
    socknet('apply', '--node=h', path, db=database.remote).ok()
    path.write_text(HOST.replace('yes', 'false'))
    before = sorted(os.listdir(tmp_path))
    for words in (('plan', '--node=h', 'host.yaml', '--out', 'plan'),
                  ('db', 'backup', 'backup')):
        assert_too_large(cramped(100, *words, db=database.remote))
        assert sorted(os.listdir(tmp_path)) == before
        assert socknet(*words, db=database.remote).code in (0, 2)
        os.unlink(tmp_path / words[-1])
