"""No page shows output that its commands do not print.

In a block ```console, a line that begins as the block does, with "$ " or "# ",
is a command.  If output follows it, the command is run in a folder with the
examples, with two-hosts.yaml applied to a fresh database, and must print just
that; a line "..." stands for any number of lines.  Without output, every
`socknet` in it must at least be spelled right.

SOCKNET_UPDATE_DOCS=1 writes the output instead.
"""

import os
import re
import shlex
import shutil
import subprocess

import pytest

PAGES = ['docs/guide.md', 'docs/architecture.md', 'README.md']
BLOCK = re.compile(r'^```console\n(.*?)^```$', re.M | re.S)
DAEMONS = {'socknet-controller': 'controller', 'socknet-agent': 'agent'}


def parse(block):
    """Returns [(command, output)]; a command may go on after a backslash."""
    steps = []
    prompt = block[:2]          # Output may begin with the other one.
    for line in block.splitlines():
        if steps and steps[-1][0].endswith('\\'):
            steps[-1][0] = steps[-1][0][:-1] + line.strip()
        elif line.startswith(prompt):
            steps.append([line[2:], []])
        else:
            steps[-1][1].append(line)
    return steps


def matches(expected, actual):
    """Whether 'actual' is 'expected', in which "..." is any lines."""
    pattern = ''.join(r'(?:.*\n)*?' if line == '...'
                      else re.escape(line) + r' *\n' for line in expected)
    return re.fullmatch(pattern, actual) is not None


def pages(srcdir):
    return [srcdir / p for p in PAGES if (srcdir / p).exists()]


@pytest.fixture
def run(srcdir, builddir, database, tmp_path):
    """Runs a line of shell as the page's reader would."""
    shutil.copytree(srcdir / 'examples', tmp_path / 'examples')
    env = dict(os.environ, SOCKNET_DB=database.remote, LC_ALL='C',
               PATH=f'{builddir}/cli:{os.environ["PATH"]}')
    subprocess.run(['socknet', 'apply', 'examples/two-hosts.yaml'],
                   check=True, cwd=tmp_path, env=env, capture_output=True)

    def run_(command):
        r = subprocess.run(['bash', '-c', command], cwd=tmp_path, text=True,
                           env=env, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=60)
        return r.stdout
    return run_


def test_shown_output(srcdir, run):
    n = 0
    for page in pages(srcdir):
        text = page.read_text()
        for block in BLOCK.findall(text):
            for command, expected in parse(block):
                if not expected:
                    continue
                actual = run(command)
                n += 1
                if os.environ.get('SOCKNET_UPDATE_DOCS') \
                   and not matches(expected, actual):
                    shown = '\n'.join(x.rstrip() for x in actual.splitlines())
                    text = text.replace(
                        '\n'.join([command, *expected]),
                        f'{command}\n{shown}', 1)
                    page.write_text(text)
                    continue
                assert matches(expected, actual), (
                    f'{page.name}: $ {command}\nprints:\n{actual}'
                    'If that is right: SOCKNET_UPDATE_DOCS=1 make check')
    assert n > 3


def test_update_would_notice(srcdir):
    assert matches(['a', '...', 'c'], 'a\nb\nb\nc\n')
    assert matches(['a', '...', 'c'], 'a\nc\n')
    assert not matches(['a', 'c'], 'a\nb\nc\n')


def help_of(builddir, cache, *words):
    if words not in cache:
        program = words[0]
        folder = DAEMONS.get(program, 'cli')
        r = subprocess.run([str(builddir / folder / program), *words[1:],
                            '--help'], text=True, capture_output=True,
                           timeout=60)
        assert r.returncode == 0, (words, r.stderr)
        cache[words] = r.stdout
    return cache[words]


def commands_of(line):
    """The runs of our programs in a line of shell."""
    for part in re.split(r'\||&&|;', line.split(' >')[0]):
        words = shlex.split(part)
        while words and (words[0] == 'sudo' or '=' in words[0]):
            words.pop(0)
        if words and (words[0] == 'socknet' or words[0] in DAEMONS):
            yield words


def test_commands_exist(srcdir, builddir):
    cache = {}
    n = 0
    for page in pages(srcdir):
        for block in BLOCK.findall(page.read_text()):
            for line, _ in parse(block):
                for words in commands_of(line):
                    known = help_of(builddir, cache, words[0])
                    if words[0] == 'socknet':
                        known += help_of(builddir, cache, *words[:2])
                    for word in words[1:]:
                        if word.startswith('-'):
                            option = word.split('=')[0]
                            assert option in known, (page.name, line)
                            n += 1
    assert n > 5
