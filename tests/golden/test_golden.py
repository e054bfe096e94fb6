"""The flows of every example, for every node, as text.

    tests/golden/regenerate BUILDDIR

writes them anew; read the difference before you commit it."""

import pathlib
import subprocess

import pytest
import yaml

from golden import EXAMPLES, compile_text, golden_path, node_names

SRCDIR = pathlib.Path(__file__).resolve().parent.parent.parent


def cases():
    for example in sorted((SRCDIR / 'examples').glob(EXAMPLES)):
        for node in node_names(example):
            yield pytest.param(example, node,
                               id='%s-%s' % (example.stem, node))


@pytest.mark.parametrize('example, node', cases())
def test_golden(builddir, example, node):
    path = golden_path(example, node)
    assert path.exists(), 'new example: run tests/golden/regenerate'
    got = compile_text(builddir, example, node).splitlines()
    want = path.read_text().splitlines()
    lacks = [line for line in want if line not in set(got)]
    extra = [line for line in got if line not in set(want)]
    assert (lacks, extra) == ([], [])
    assert got == want


def test_examples_have_nodes():
    """The list above is not empty."""
    assert len(list(cases())) >= 2


def test_deterministic(builddir):
    example = SRCDIR / 'examples/two-hosts.yaml'
    node = node_names(example)[0]
    assert (compile_text(builddir, example, node)
            == compile_text(builddir, example, node))


@pytest.mark.parametrize('more, cost', [
    ('', 8), (', ipv6_address: "fd00::%d/64"', 13)], ids=['ipv4', 'both'])
def test_flows_of_a_container(builddir, tmp_path, more, cost):
    """One more container like others, that a rule names at either end."""
    def count(n):
        containers = ['{id: "%d", veth: veth%d, tags: [web], properties: '
                      '{name: c%d, ipv4_address: 10.0.0.%d/24%s}}'
                      % (i, i, i, i, more % i if more else '')
                      for i in range(100, 100 + n)]
        state = tmp_path / 'state.yaml'
        state.write_text(
            'mesh: {name: m, prefix: 100.64.0.0/24}\n'
            'nodes: {a: {subnet: [10.0.0.0/24, "fd00::/64"], '
            'lxc: {containers: [%s]}}}\n'
            'acls: [{name: all, action: accept, src: ["tag:web"], '
            'dst: ["tag:web:80"], proto: tcp}]\n' % ', '.join(containers))
        return compile_text(builddir, state, 'a').count('table=')
    assert count(3) - count(2) == cost


def test_order_of_file_does_not_matter(builddir, tmp_path):
    """The same state, its sections and lists the other way round."""
    example = SRCDIR / 'examples/two-hosts.yaml'
    doc = yaml.safe_load(example.read_text())
    doc['acls'].reverse()
    for node in doc['nodes'].values():
        node['lxc']['containers'].reverse()
    doc['nodes'] = dict(reversed(doc['nodes'].items()))
    for number, node in enumerate(sorted(doc['nodes']), 1):
        doc['nodes'][node]['address'] = '100.64.0.%d' % number
    turned = tmp_path / 'turned.yaml'
    turned.write_text(yaml.safe_dump(doc, sort_keys=False))
    doc['acls'].reverse()
    plain = tmp_path / 'plain.yaml'
    plain.write_text(yaml.safe_dump(doc))
    for node in doc['nodes']:
        assert (compile_text(builddir, turned, node)
                == compile_text(builddir, plain, node))


def test_loads_in_ofctl(builddir):
    """ovs-ofctl parses every flow and, asked to print it, agrees."""
    example = SRCDIR / 'examples/two-hosts.yaml'
    text = compile_text(builddir, example, 'node2',
                        '--port=veth103=1', '--port=veth104=2')
    out = subprocess.run(['ovs-ofctl', '-O', 'OpenFlow15', 'parse-flows',
                          '-'], input=text, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    assert (out.returncode, out.stderr) == (0, '')
    assert out.stdout.count('cookie:0x53') == text.count('cookie=0x53')
