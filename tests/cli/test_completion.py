"""The bash completion offers what the help says."""

import os
import re
import subprocess

from test_help import commands


def complete(srcdir, builddir, *words):
    script = ('source "$1"; shift; COMP_WORDS=("$@"); '
              'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _socknet "$1"; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    r = subprocess.run(
        ['bash', '-c', script, 'bash',
         str(srcdir / 'cli/socknet.bash-completion'),
         str(builddir / 'cli/socknet'), *words],
        capture_output=True, text=True, timeout=60, env=dict(os.environ))
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


def words_of(socknet, command):
    """What may follow a command, by its help or by its complaint."""
    usage = socknet(command, '--help').ok().out.splitlines()[0]
    words = re.match(r'usage: socknet \S+ (.*)', usage)
    if words and words[1].startswith('SUBCOMMAND'):
        told = socknet(command, 'no-such-subcommand').err
        return [w.split()[0] for w in
                re.search(r'give one of (.*)', told)[1].split(', ')]
    alternatives = re.match(r'[a-z]+(?: NAME)?(?:\|[a-z]+(?: NAME)?)+',
                            words[1] if words else '')
    if alternatives:
        return [w.split()[0] for w in alternatives[0].split('|')]
    literal = re.match(r'[a-z]+(?= )', words[1] if words else '')
    return [literal[0]] if literal else []


def test_every_word_of_every_command(socknet, srcdir, builddir):
    n = 0
    offered = complete(srcdir, builddir, '')
    for command in commands(socknet):
        assert command in offered
        for word in words_of(socknet, command):
            assert word in complete(srcdir, builddir, command, ''), command
            n += 1
    assert n > 20
