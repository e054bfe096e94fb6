"""Shared by the golden test and tests/golden/regenerate."""

import pathlib
import subprocess

import yaml

EXAMPLES = '*.yaml'
FOLDER = pathlib.Path(__file__).resolve().parent


def node_names(example):
    """Nodes of a state file; that of a single host's file is its stem."""
    doc = yaml.safe_load(example.read_text())
    return sorted(doc.get('nodes', {example.stem: None}))


def golden_path(example, node):
    return FOLDER / ('%s.%s.flows' % (example.stem, node))


def compile_text(builddir, example, node, *args):
    """Groups, meters and flows, without the comments that name the file's
    path."""
    done = subprocess.run(
        [str(pathlib.Path(builddir) / 'cli/socknet'), 'compile', str(example),
         '--node', node, *args], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return ''.join(line + '\n' for line in done.stdout.splitlines()
                   if not line.startswith('#') or line.startswith('# add-'))
