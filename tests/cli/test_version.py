"""--help and --version of each program, and what they do with nonsense."""

import os
import subprocess

import pytest

PROGRAMS = ['cli/socknet', 'controller/socknet-controller',
            'agent/socknet-agent']


def run(builddir, program, *args):
    return subprocess.run([str(builddir / program), *args], text=True,
                          capture_output=True, timeout=60)


@pytest.mark.parametrize('program', PROGRAMS)
def test_version(builddir, program):
    r = run(builddir, program, '--version')
    assert r.returncode == 0
    assert r.stdout.startswith(program.split('/')[1] + ' (socknet) ')
    assert 'Open vSwitch library 3.' in r.stdout


@pytest.mark.parametrize('program', PROGRAMS)
def test_help_fits_a_screen(builddir, program):
    r = run(builddir, program, '--help')
    assert r.returncode == 0
    assert 'usage: ' + program.split('/')[1] in r.stdout
    lines = r.stdout.splitlines()
    assert len(lines) <= 50
    assert max(len(line) for line in lines) <= 79


@pytest.mark.parametrize('program', PROGRAMS)
def test_unknown_option(builddir, program):
    r = run(builddir, program, '--no-such-option')
    # A service manager does not try that again.
    daemon = program.endswith(('-agent', '-controller'))
    assert r.returncode == (78 if daemon else 1)
    assert 'no-such-option' in r.stderr
    assert r.stdout == ''


def test_agent_says_that_it_needs_root(builddir):
    nobody = []
    if os.geteuid() == 0:
        nobody = ['setpriv', '--reuid=65534', '--clear-groups', '--']
    program = str(builddir / 'agent/socknet-agent')
    if subprocess.run([*nobody, 'test', '-x', program]).returncode:
        pytest.skip('the build tree is closed to others')
    r = subprocess.run([*nobody, program, '--unixctl=none'], text=True,
                       capture_output=True, timeout=60)
    assert r.returncode == 1
    assert 'needs root, or CAP_NET_ADMIN' in r.stderr
