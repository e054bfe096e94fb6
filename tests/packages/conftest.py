"""Packages, built as Debian builds them, and machines to use them on.

Needs root, a network the first time (debootstrap), and a kernel that lets
systemd-nspawn boot a system; what cannot be had is skipped with the reason."""

import os
import pathlib
import re
import shutil
import subprocess

import debroot
import pytest

BUILD = ['build-essential', 'dpkg-dev', 'fakeroot', 'lintian', 'man-db']
RUN = ['systemd', 'systemd-sysv', 'dbus', 'openvswitch-switch', 'iproute2',
       'iputils-ping', 'wireguard-go', 'microsocks', 'logrotate', 'procps',
       'nftables', 'openssl']
UPGRADE = '0.1.0+upgrade1'


@pytest.fixture(scope='session', autouse=True)
def needs():
    if os.geteuid():
        pytest.skip('needs root')
    for program in ('debootstrap', 'systemd-nspawn'):
        if not shutil.which(program):
            pytest.skip('%s is not installed: build-aux/install-deps '
                        '--packages' % program)


def root_or_skip(name, packages):
    try:
        return debroot.cached_root(name, packages)
    except debroot.Unavailable as e:
        pytest.skip(str(e))


def tree_files(srcdir):
    if (srcdir / '.git').exists():
        out = subprocess.run(
            ['git', '-c', 'safe.directory=*', '-C', srcdir, 'ls-files'],
            capture_output=True, text=True, check=True).stdout
        return out.splitlines()
    return (srcdir / 'dist-files').read_text().splitlines()


def fields(control, name):
    """The names of the packages in a field such as Build-Depends."""
    m = re.search(r'^%s:(.*(?:\n[ \t].*)*)' % name, control, re.M)
    words = [re.sub(r'[(<\[].*', '', w).strip()
             for w in m.group(1).split(',')]
    return [w for w in words if w and not w.startswith('$')]


@pytest.fixture(scope='session')
def builder(srcdir, tmp_path_factory):
    """A Debian with what Build-Depends says, and lintian."""
    control = (srcdir / 'debian/control').read_text()
    depends = [d.replace('debhelper-compat', 'debhelper')
               for d in fields(control, 'Build-Depends')
               if not d.startswith('dh-sequence')]
    root = root_or_skip('build', BUILD + depends)
    copy = tmp_path_factory.mktemp('builder') / 'root'
    debroot.copy_root(root, copy)
    yield copy
    shutil.rmtree(copy)


class Built:
    def __init__(self):
        # Folders of packages: of the checkout, and, of a higher version, of
        # the tarball.  SOCKNET_PACKAGES=A:B has them made before.
        given = os.environ.get('SOCKNET_PACKAGES', ':').split(':')
        self.first, self.second = [pathlib.Path(g) if g else None
                                   for g in given]


@pytest.fixture(scope='session')
def built():
    return Built()


def depends_of(folder):
    """What the packages in a folder need of Debian."""
    names = set()
    for deb in folder.glob('*.deb'):
        out = debroot.run(['dpkg-deb', '-f', deb, 'Depends']).stdout
        for word in out.split(','):
            name = re.sub(r'[ |(:].*', '', word.strip())
            if name and not name.startswith('socknet'):
                names.add(name)
    return sorted(names)


@pytest.fixture(scope='session')
def runner(built):
    """The root of a host on which nothing of socknet was installed."""
    if not built.second:
        pytest.skip('nothing was built: run test_build.py as well')
    return root_or_skip('run', RUN + depends_of(built.first))
