"""dpkg-buildpackage from a checkout and from the tarball, without a network;
lintian has nothing to say."""

import shutil
import subprocess

import debroot
import pytest
from conftest import UPGRADE, tree_files

JOBS = 'parallel=2'


def build(builder, results, name, options, *argv):
    """Builds /build/NAME/socknet; returns a folder with the packages."""
    stamp = builder / 'stamp'
    stamp.write_text('')
    r = debroot.run_in(
        builder, 'sh', '-ec',
        'cd /build/%s/socknet && dpkg-buildpackage -us -uc %s'
        % (name, ' '.join(argv)), timeout=1800,
        options=['--setenv=DEB_BUILD_OPTIONS=%s %s' % (JOBS, options)])
    (builder / 'build' / name / 'log').write_text(r.stdout)
    out = debroot.run(
        ['find', builder, '-xdev', '-newer', stamp, '-type', 'f',
         '-not', '-path', builder / 'build/*',
         '-not', '-path', builder / 'run/*',
         '-not', '-path', builder / 'etc/resolv.conf']).stdout
    assert out == '', 'written outside of the tree'
    keep = results / name
    shutil.rmtree(keep, ignore_errors=True)
    keep.mkdir(parents=True)
    for deb in (builder / 'build' / name).glob('*.deb'):
        if '-dbgsym' not in deb.name:
            shutil.copy(deb, keep)
    return keep


def debs(folder):
    return sorted(p.name.split('_')[0] for p in folder.glob('*.deb'))


ALL = ['socknet', 'socknet-agent', 'socknet-common', 'socknet-controller']


@pytest.fixture(scope='module')
def results(builddir):
    return builddir / 'tests/results/check-packages-debs'


def test_from_a_checkout(builder, srcdir, results, built):
    tree = builder / 'build/checkout/socknet'
    for name in tree_files(srcdir):
        to = tree / name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(srcdir / name, to)
    folder = build(builder, results, 'checkout', '')
    assert debs(folder) == ALL
    for kind in ('*.dsc', '*.tar.xz', '*.changes'):
        assert list((builder / 'build/checkout').glob(kind))
    built.first = folder


def test_lintian(builder, built):
    assert built.first, 'nothing was built'
    r = debroot.run_in(builder, 'sh', '-c',
                       'lintian --fail-on error,warning --allow-root '
                       '--tag-display-limit 0 '
                       '/build/checkout/*.changes', check=False, timeout=600)
    assert r.returncode == 0, r.stdout
    assert 'W:' not in r.stdout and 'E:' not in r.stdout, r.stdout


def test_from_the_tarball(builder, builddir, results, built, tmp_path):
    """`make dist` holds all.  The library is not built a second time."""
    subprocess.run(['make', '-s', '-C', builddir, 'distdir',
                    'distdir=%s' % (tmp_path / 'socknet')],
                   check=True, stdout=subprocess.DEVNULL)
    folder = builder / 'build/tarball'
    folder.mkdir()
    shutil.copytree(tmp_path / 'socknet', folder / 'socknet', symlinks=True)
    shutil.copytree(builder / 'build/checkout/socknet/debian/cache',
                    folder / 'socknet/debian/cache')
    log = folder / 'socknet/debian/changelog'
    old = log.read_text()
    log.write_text(old.replace('(0.1.0)', '(%s)' % UPGRADE, 1))
    assert log.read_text() != old
    folder = build(builder, results, 'tarball', 'nocheck', '-b', '-nc')
    assert debs(folder) == ALL
    built.second = folder
