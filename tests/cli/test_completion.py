"""The bash completion offers what the help says."""

import os
import subprocess


def complete(srcdir, builddir, *words):
    script = ('source "$1"; shift; COMP_WORDS=("$@"); '
              'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _socknet "$1"; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    r = subprocess.run(
        ['bash', '-c', script, 'bash',
         str(srcdir / 'cli/socknet.bash-completion'),
         str(builddir / 'cli/socknet'), *words],
        capture_output=True, text=True, timeout=30, env=dict(os.environ))
    assert r.stderr == ''
    return r.stdout.split()


def test_commands(srcdir, builddir):
    assert complete(srcdir, builddir, 'stat') == ['status']
    assert 'nodes' in complete(srcdir, builddir, '')


def test_options(srcdir, builddir):
    assert complete(srcdir, builddir, '--js') == ['--json']
    assert '--node' in complete(srcdir, builddir, 'containers', '--')
    assert '--timeout' in complete(srcdir, builddir, 'containers', '--')
    assert '--node' not in complete(srcdir, builddir, 'status', '--')


def test_options_after_a_global_one(srcdir, builddir):
    assert complete(srcdir, builddir, '--json', 'status', '--ch') == [
        '--check']
