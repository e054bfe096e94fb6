"""check: what it prints of a good file and of broken ones."""

import re
import shutil

import pytest

TWO_HOSTS = 'examples/two-hosts.yaml'


@pytest.fixture
def state(srcdir, tmp_path):
    """two-hosts.yaml in the folder in which commands run."""
    shutil.copy(srcdir / TWO_HOSTS, tmp_path / 'state.yaml')
    return tmp_path / 'state.yaml'


def line_of(path, text):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if text in line:
            return number, line.index(text) + 1
    raise AssertionError(text)


def test_check(socknet, state):
    out = socknet('check', 'state.yaml').ok().out
    assert out == ('state.yaml: 2 nodes, 6 containers, 2 segments, 6 acls, '
                   '0 raw flows, nothing to complain about\n')


def test_check_json(socknet, state):
    assert socknet('check', 'state.yaml', '--json').ok().json == {
        'version': 1, 'command': 'check', 'path': 'state.yaml',
        'valid': True, 'errors': 0, 'warnings': 0, 'diagnostics': []}


def test_check_typo(socknet, state):
    """A slip of the pen is shown where it is, with the fix."""
    state.write_text(state.read_text().replace(
        'endpoint: 198.51.100.12', 'endpiont: 198.51.100.12'))
    line, column = line_of(state, 'endpiont')
    r = socknet('check', 'state.yaml')
    assert r.code == 1
    assert f'state.yaml:{line}:{column}: error: ' in r.out
    assert '    endpiont: 198.51.100.12' in r.out
    assert re.search(r'^ *\|? *\^~*', r.out, re.M)
    assert 'did you mean "endpoint"' in r.out.replace("'", '"')
    assert r.out.splitlines()[-1] == 'state.yaml: 1 error'

    found = socknet('check', 'state.yaml', '--json').json['diagnostics']
    assert [(d['line'], d['column'], d['level']) for d in found] == [
        (line, column, 'error')]


def test_check_reports_every_mistake(socknet, state):
    state.write_text(state.read_text().replace(
        'endpoint: 198.51.100.12', 'endpiont: 198.51.100.12').replace(
        'proto: udp', 'proto: upd').replace(
        'src: [op-dbus-api]', 'src: [op-dbus-apy]'))
    r = socknet('check', 'state.yaml')
    assert r.code == 1
    for text in 'endpiont', 'upd', 'op-dbus-apy':
        line, _ = line_of(state, text)
        assert f'state.yaml:{line}:' in r.out, text


def test_check_missing_file(socknet):
    r = socknet('check', 'nothere.yaml')
    assert r.code == 1
    assert 'nothere.yaml' in r.out
    assert 'No such file' in r.out


def test_check_needs_a_path(socknet):
    r = socknet('check')
    assert r.code == 1
    assert 'check takes one PATH' in r.err
