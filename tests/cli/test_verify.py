"""plan --verify: the flows in an Open vSwitch of the command's own."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

LIAR = pathlib.Path(__file__).resolve().parent / 'lying_switch.py'
TWO_HOSTS = 'examples/two-hosts.yaml'


@pytest.fixture
def tmp():
    """Where scratch folders go, empty again at the end."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix='verify-'))
    folder.chmod(0o777)
    yield folder
    assert wait(lambda: not list(folder.iterdir())
                and not processes(folder))
    folder.rmdir()


def processes(folder):
    found = []
    for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in line:
            found.append(line)
    return found


def wait(condition, timeout=60):
    end = time.monotonic() + timeout
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def verify(socknet, srcdir, tmp):
    def run(path, *args, env=None):
        path = srcdir / path
        return socknet('plan', path, '--from', path, '--verify', *args,
                       env=dict(env or {}, TMPDIR=str(tmp)))
    return run


@pytest.fixture
def lie(tmp_path):
    """The environment in which ovs-vswitchd lies."""
    def environment(kind):
        folder = tmp_path / 'bin'
        folder.mkdir()
        shutil.copy(LIAR, folder / 'ovs-vswitchd')
        return {'PATH': '%s:%s' % (folder, os.environ['PATH']), 'LIE': kind,
                'HUNG': str(tmp_path / 'hung')}
    return environment


@pytest.mark.parametrize('path', [TWO_HOSTS, 'examples/oo1424oo.yaml',
                                  'tests/system/services.yaml'])
def test_as_computed(verify, path):
    r = verify(path, '--json').ok().json
    v = r['verified']
    assert r['differences'] == []
    assert v['open_vswitch'].count('.') == 2
    assert v['flows'] > 100 and v['packets'] > 50
    assert v['allowed_pairs'] == v['allowed_pairs_tried'] > 3
    if 'services' in path:
        assert v['groups_and_meters'] > 5


def test_text(verify):
    assert 'allowed pairs: all as computed.' in verify(TWO_HOSTS).ok().out


def test_another_output(verify, lie):
    r = verify(TWO_HOSTS, env=lie('output'))
    assert r.code == 1
    assert 'do not apply this' in r.err
    assert 'leaves by no port leaves by LOCAL' in r.out


def test_another_flow(verify, lie):
    r = verify(TWO_HOSTS, '--json', env=lie('flow'))
    assert r.code == 1
    d = r.json['differences'][0]
    assert d['computed'].startswith('egress_policy: ')
    assert '->' in d['packet'] and d['node'] in ('oo1424oo', 'node2')


def test_switch_ends(verify, lie):
    r = verify(TWO_HOSTS, env=lie('die'))
    assert r.code == 1 and 'the scratch switch' in r.err


@pytest.mark.parametrize('sig', [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_behind(builddir, srcdir, tmp, tmp_path, lie, sig):
    env = dict(os.environ, TMPDIR=str(tmp), **lie('stop'))
    # Who runs in the background of a script ignores SIGINT.
    p = subprocess.Popen([builddir / 'cli/socknet', 'plan', srcdir / TWO_HOSTS,
                          '--from', srcdir / TWO_HOSTS, '--verify'], env=env,
                         stdout=subprocess.DEVNULL,
                         preexec_fn=lambda: signal.signal(signal.SIGINT,
                                                          signal.SIG_DFL))
    try:
        assert wait((tmp_path / 'hung').exists)
        assert processes(tmp)
    finally:
        p.send_signal(sig)
        p.wait(60)
    # The fixture looks for what is left.


def test_without_root(builddir, srcdir, tmp):
    if os.geteuid():
        pytest.skip('the other tests show it')
    program, state = builddir / 'cli/socknet', srcdir / TWO_HOSTS
    nobody = {'user': 65534, 'group': 65534, 'extra_groups': [],
              'env': dict(os.environ, TMPDIR=str(tmp)), 'cwd': '/',
              'text': True, 'capture_output': True, 'timeout': 60}
    try:
        subprocess.run([program, 'check', state], check=True, **nobody)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('the build is out of reach for others')
    r = subprocess.run([program, 'plan', state, '--from', state, '--verify'],
                       **nobody)
    assert r.returncode == 0, r.stderr
    assert 'all as computed' in r.stdout
