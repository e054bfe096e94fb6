"""State files: what loads, what does not and with which words.

The broken files are tests/state/broken/NAME.yaml (or NAME.d, a folder) with
the whole output expected in NAME.err.  To write the expectation of a new one:
SOCKNET_UPDATE=1 in the environment of this test, then read what it wrote.
"""

import json
import os
import pathlib
import re
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BROKEN = HERE / 'broken'
GOOD = ['examples/two-hosts.yaml', 'examples/two-hosts.d',
        'examples/oo1424oo.yaml', 'tests/state/every-key.yaml']


def run(builddir, cwd, program, *args):
    env = dict(os.environ, LC_ALL='C.UTF-8')
    r = subprocess.run([builddir / program, *args], cwd=cwd, env=env,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=180)
    return r.returncode, r.stdout.decode()


def broken_files():
    return sorted(p.name for p in BROKEN.iterdir() if p.suffix != '.err')


def test_there_are_broken_files():
    assert len(broken_files()) >= 20


@pytest.mark.parametrize('name', broken_files())
def test_broken(builddir, name):
    code, output = run(builddir, BROKEN, 'cli/socknet', 'check',
                       '--node=host', name)
    expected = BROKEN / (pathlib.Path(name).stem + '.err')
    if os.environ.get('SOCKNET_UPDATE'):
        expected.write_text(output)
    assert output == expected.read_text()
    assert code == 1
    assert 'error: ' in output


@pytest.mark.parametrize('path', sorted((HERE / 'warned').glob('*.yaml')),
                         ids=lambda p: p.name)
def test_warned(builddir, path):
    """What is suspicious is told, with words, and loads."""
    code, output = run(builddir, path.parent, 'cli/socknet', 'check',
                       path.name)
    expected = path.with_suffix('.err')
    if os.environ.get('SOCKNET_UPDATE'):
        expected.write_text(output)
    assert output == expected.read_text()
    assert code == 0
    assert 'warning: ' in output


def test_manual_examples(builddir, srcdir, tmp_path):
    """The state files in the manual load without a word."""
    manual = (srcdir / 'docs/state-file.md').read_text()
    examples = re.findall(r'```yaml\n(.*?)```', manual, re.DOTALL)
    assert examples
    for example in examples:
        (tmp_path / 'example.yaml').write_text(example)
        code, output = run(builddir, tmp_path, 'cli/socknet', 'check',
                           'example.yaml')
        assert 'nothing to complain about' in output
        assert code == 0


@pytest.mark.parametrize('path', GOOD)
def test_good(builddir, srcdir, path):
    """Loads without a word, and what export writes loads to the same."""
    for option in ('--yaml', '--again'):
        code, output = run(builddir, srcdir, 'tests/state/load-state',
                           '--node=oo1424oo', option, path)
        assert 'error' not in output and 'not equal' not in output
        assert code == 0
    code, output = run(builddir, srcdir, 'cli/socknet', 'check',
                       '--node=oo1424oo', path)
    assert code == 0


def test_folder_is_the_file(builddir, srcdir):
    outputs = [run(builddir, srcdir, 'tests/state/load-state', '--yaml', path)
               for path in ('examples/two-hosts.yaml',
                            'examples/two-hosts.d')]
    assert outputs[0] == outputs[1]


# Line, level and a piece of the message for each mistake of the host that
# people start from, and whether a fix is given.
REFERENCE_MISTAKES = [
    (13, 'error', 'cannot be a port of an Open vSwitch bridge', True),
    (23, 'warning', 'no node owns 10.1.0.0/24', True),
    (35, 'error', 'wg0 of this host listens on it', True),
    (37, 'warning', 'leave by the exit warp', True),
    (39, 'warning', 'leave by the exit warp', True),
    (41, 'error', '"learn" has no place in a raw flow', True),
    (43, 'error', 'no packet reaches this flow', True),
    (44, 'error', 'no packet reaches this flow', True),
    (46, 'error', 'OVS ignores nw_dst in a flow without ip', True),
    (46, 'error', 'nw_dst=10.0.0.200/24 has host bits below its mask', True),
    (46, 'error', 'have the same priority', True),
    (47, 'error', 'OVS ignores nw_dst in a flow without ip', True),
    (47, 'error', 'nw_dst=10.0.0.200/24 has host bits below its mask', True),
    (47, 'error', 'have the same priority', True),
    (52, 'warning', 'fails open', True),
    (86, 'warning', 'are both on tcp port 9573', True),
]


def test_reference_host(builddir, srcdir):
    code, output = run(builddir, srcdir, 'cli/socknet', 'check',
                       '--node=oo1424oo', '--json',
                       'tests/state/oo1424oo.yaml')
    assert code == 1
    diagnostics = json.loads(output)['diagnostics']
    for line, level, text, has_fix in REFERENCE_MISTAKES:
        found = [d for d in diagnostics
                 if d['line'] == line and d['level'] == level
                 and text in d['text']]
        assert found, (line, text)
        assert not has_fix or found[0].get('fix')
        assert found[0]['column'] > 1


def test_schema_is_in_step(builddir, srcdir):
    """schemas/state.schema.json is made from the tables of state/schema.c."""
    code, output = run(builddir, srcdir, 'tests/state/load-state', '--schema')
    path = srcdir / 'schemas/state.schema.json'
    if os.environ.get('SOCKNET_UPDATE'):
        path.write_text(output)
    assert output == path.read_text()
    assert code == 0


def schema_keys(schema):
    """All names of properties in a JSON Schema."""
    keys = set()
    if isinstance(schema, dict):
        if schema.get('type') == 'object':
            keys |= set(schema.get('properties', {}))
        for value in schema.values():
            keys |= schema_keys(value)
    elif isinstance(schema, list):
        for value in schema:
            keys |= schema_keys(value)
    return keys


def test_every_key_is_documented_and_tried(srcdir):
    schema = json.loads((srcdir / 'schemas/state.schema.json').read_text())
    manual = (srcdir / 'docs/state-file.md').read_text()
    example = (srcdir / 'tests/state/every-key.yaml').read_text()
    for key in schema_keys(schema):
        assert f'`{key}`' in manual, key
        assert f'{key}:' in example, key
