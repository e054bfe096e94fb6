"""The overview, each command's help, and misuse."""

import re
import subprocess

import pytest

GLOBALS = ['--db', '--json', '--timeout', '-p KEY', '--help', '--version',
           '--verbose']


def commands(socknet):
    overview = socknet('--help').ok().out
    names = re.findall(r'^  ([a-z]+) +\S', overview, re.M)
    return names + re.findall(r'^  .{38} ([a-z]+) +\S', overview, re.M)


def test_overview_fits_a_screen(socknet):
    lines = socknet('--help').ok().out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_overview_names_the_global_options(socknet):
    overview = socknet('--help').out
    for option in GLOBALS:
        assert option in overview


def test_each_command_has_help(socknet):
    names = commands(socknet)
    assert 'status' in names
    for name in names:
        for words in [(name, '--help'), ('--help', name), ('help', name),
                      (name, 'word', '-h')]:
            help_ = socknet(*words).ok().out
            assert help_.startswith(f'usage: socknet {name}'), words
        assert 'Exit codes' in help_
        assert max(map(len, help_.splitlines())) <= 80, name
        assert len(help_.splitlines()) <= 24, name


def test_no_command_prints_the_overview_and_fails(socknet):
    r = socknet()
    assert r.code == 1
    assert r.err.startswith('usage: socknet ')
    assert r.out == ''


@pytest.mark.parametrize('words, message', [
    (['statsu'], 'unknown command "statsu": did you mean "status"?'),
    (['xyzzy'], 'unknown command "xyzzy": `socknet --help` lists them'),
    (['--nonsense'], 'unknown option --nonsense'),
    (['status', '--nonsense'], 'unknown option --nonsense'),
    (['containers', '--node'], '--node needs a value'),
    (['status', '--db'], '--db needs a value'),
    (['status', '--timeout', 'soon'], '"soon" is not a number of seconds'),
    (['status', '--timeout=0'], '"0" is not a number of seconds'),
    (['status', 'now'], 'unexpected "now"'),
    (['nodes', 'a', 'b'], 'nodes takes one NAME'),
    (['status', '--db', 'foo'], '"foo" is not the address of a database'),
    (['status', '--db', 'ssl:127.0.0.1:1'], 'certificate'),
])
def test_misuse(socknet, words, message):
    r = socknet(*words)
    assert r.code == 1
    assert message in r.err
    assert r.err.startswith('socknet: error: ')
    assert r.out == ''


def test_full_disk_is_an_error(socknet, builddir):
    with open('/dev/full', 'w') as full:
        r = subprocess.run([str(builddir / 'cli/socknet'), '--help'],
                           stdout=full, stderr=subprocess.PIPE, text=True)
    assert r.returncode == 1
    assert 'standard output: No space left on device' in r.stderr


def test_reader_that_leaves_is_silent(builddir):
    r = subprocess.run(['bash', '-c', f'{builddir}/cli/socknet --help | true'],
                       capture_output=True, text=True)
    assert r.stderr == ''
