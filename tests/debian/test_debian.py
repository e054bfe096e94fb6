"""What can be seen of Debian's packages without building them; `make
check-packages` does that."""

import fnmatch
import os
import re
import shutil
import subprocess

import pytest

OVS_OPTIONS = {'--detach', '--pidfile', '--log-file', '--unixctl'}


def read(srcdir, name):
    return (srcdir / 'debian' / name).read_text()


def units(srcdir):
    """The name that each is installed by -> its file."""
    found = {}
    for path in (srcdir / 'debian').iterdir():
        if path.suffix in ('.service', '.socket'):
            # PACKAGE.UNIT.service or PACKAGE.service.
            found['.'.join(path.name.split('.')[-2:])] = path
    assert len(found) >= 5
    return found


def test_versions(srcdir):
    version = re.search(r'AC_INIT\(\[socknet\], \[(.*?)\]',
                        (srcdir / 'configure.ac').read_text())[1]
    assert read(srcdir, 'changelog').startswith('socknet (%s) ' % version)


def test_every_installed_file_is_in_one_package(srcdir, builddir, tmp_path):
    r = subprocess.run(
        ['make', '-s', '-C', builddir, 'install', 'prefix=/usr',
         'DESTDIR=%s' % tmp_path], text=True, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert r.returncode == 0, r.stdout
    installed = [os.path.relpath(os.path.join(folder, name), tmp_path)
                 for folder, _, names in os.walk(tmp_path) for name in names]
    patterns = [line.split()[0]
                for path in (srcdir / 'debian').glob('*.install')
                for line in path.read_text().splitlines()
                if len(line.split()) == 1]
    for name in installed:
        n = sum(fnmatch.fnmatch(name, p) for p in patterns)
        assert n == 1, '%s is in %d packages' % (name, n)
    for pattern in patterns:
        assert fnmatch.filter(installed, pattern), pattern + ': no such file'


def test_build_depends(srcdir):
    """What a package's build needs, a checkout's needs too."""
    control = read(srcdir, 'control')
    text = re.search(r'^Build-Depends:(.*\n(?:[ \t].*\n)*)', control, re.M)[1]
    names = {re.sub(r'[\s(<].*', '', w.strip()) for w in text.split(',')}
    names -= {'', 'debhelper-compat', 'dh-sequence-installsysusers'}
    listed = subprocess.run([srcdir / 'build-aux/install-deps', '--list'],
                            text=True, capture_output=True,
                            check=True).stdout.split()
    assert names <= set(listed)
    needed = {n for n in listed if n.endswith('-dev')} - names
    assert needed <= {'libclang-rt-14-dev'}, 'not in Build-Depends'


def test_units(srcdir, tmp_path):
    """systemd understands them, but for programs that are not here."""
    if not shutil.which('systemd-analyze'):
        pytest.skip('systemd-analyze is not installed')
    names = []
    for name, path in units(srcdir).items():
        text = re.sub(r'(?m)^(ExecStart=)/usr/s?bin/socknet\S*',
                      r'\1/bin/true', path.read_text())
        (tmp_path / name).write_text(text)
        names.append(str(tmp_path / name))
    r = subprocess.run(['systemd-analyze', 'verify', '--man=no',
                        '--recursive-errors=no', *names], text=True,
                       capture_output=True, timeout=60)
    assert r.stderr == ''
    assert r.returncode == 0
    # And says so if it does not.
    (tmp_path / 'socknet-db.service').write_text(
        '[Service]\nExecStart=/bin/true\nNoSuchSetting=1\n')
    r = subprocess.run(['systemd-analyze', 'verify', '--man=no', names[0],
                        str(tmp_path / 'socknet-db.service')], text=True,
                       capture_output=True, timeout=60)
    assert 'NoSuchSetting' in r.stderr


@pytest.mark.parametrize('unit, program, words', [
    ('socknet-agent', 'agent/socknet-agent', []),
    ('socknet-controller', 'controller/socknet-controller', []),
    ('socknet-db', 'cli/socknet', ['db']),
    ('socknet-db-relay', 'cli/socknet', ['db']),
])
def test_options_of_units(srcdir, builddir, unit, program, words):
    text = units(srcdir)[unit + '.service'].read_text()
    start = re.search(r'^ExecStart=((?:.*\\\n)*.*)', text, re.M)[1]
    help_ = subprocess.run([builddir / program, *words, '--help'], text=True,
                           capture_output=True, timeout=60).stdout
    options = set(re.findall(r'--[a-z-]+', start))
    assert options
    for option in options - OVS_OPTIONS:
        assert option in help_
    # Its settings are in a file that is a configuration file of dpkg's.
    default = re.search(r'^EnvironmentFile=-/etc/default/(\S+)', text,
                        re.M)[1]
    names = [p.name for p in (srcdir / 'debian').glob('*.default')]
    assert any(n in (default + '.default', 'socknet.%s.default' % default)
               for n in names)
    for variable in re.findall(r'\$(\w+)', start):
        assert any(re.search('^%s=' % variable, read(srcdir, n), re.M)
                   for n in names)


def test_scripts(srcdir):
    for path in (srcdir / 'debian').iterdir():
        if path.suffix in ('.default', '.postinst', '.prerm', '.postrm'):
            r = subprocess.run(['sh', '-n', path], capture_output=True,
                               text=True)
            assert (r.returncode, r.stderr) == (0, ''), path
