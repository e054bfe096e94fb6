"""What writes files leaves whole ones or none, and says so."""

import os
import subprocess

import pytest

from clisite import Result

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


@pytest.fixture
def cramped(builddir, tmp_path):
    """cramped(n, *args): the command where no file can have more than n
    bytes."""
    def run(n, *args):
        return Result(subprocess.run(
            ['sh', '-c', 'trap "" XFSZ; exec prlimit --fsize=$0 -- "$@"',
             str(n), builddir / 'cli/socknet', *map(str, args)],
            text=True, capture_output=True, timeout=60, cwd=tmp_path))
    return run


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
