"""--json: what socknet(1) lists is what the commands print."""

import re
import shutil
import time

import pytest


def documented(srcdir):
    """{command: set of words} of the section OUTPUT FOR PROGRAMS."""
    text = (srcdir / 'docs/socknet.1').read_text()
    section = text.split('.SH OUTPUT FOR PROGRAMS')[1].split('.SH')[0]
    found = {}
    for entry in section.split('.TP\n')[1:]:
        command, body = entry.split('\n', 1)
        body = re.sub(r'\([^)]*\)', '', body)
        found[command] = set(re.findall(r'[a-z][a-z_0-9]*', body))
    return found


def keys(value):
    """All keys in a document; an object is described by its members."""
    if isinstance(value, list):
        return {k for x in value for k in keys(x)}
    if not isinstance(value, dict):
        return set()
    found = set(value)
    for key, inner in value.items():
        if key != 'pending':            # Its keys are containers' names.
            found |= keys(inner)
    return found


@pytest.fixture
def world(socknet, srcdir, tmp_path, database, switch):
    """A database with every kind of row, a switch, and files."""
    state = (srcdir / 'examples/two-hosts.yaml').read_text()
    (tmp_path / 'state.yaml').write_text(state.replace(
        'tags: [data]\n', 'tags: [data]\n          rate: {pps: 9}\n'))
    (tmp_path / 'broken.yaml').write_text('nodes: {a: {endpoint: "x y"}}\n'
                                          'acls: [{proto: upd}]\n')
    with (tmp_path / 'state.yaml').open('a') as f:
        f.write('services: {vectors: {vip: 10.96.0.10, port: 6333, '
                'backends: [vector-db]}}\n')
    socknet('apply', 'state.yaml', db=database.remote).ok()
    now = int(time.time())
    database.insert('Peer_Status', node='node2', peer='oo1424oo',
                    latest_handshake=now, rx_bytes=1, tx_bytes=1)
    database.switch = switch
    return database


COMMANDS = [
    ('check', ['broken.yaml']),
    ('compile', ['state.yaml', '--node', 'node2']),
    ('explain', ['--from', 'state.yaml', '0x5302000000670001']),
    ('export', []),
    ('status', []),
    ('node', ['rotate', 'node2']),
    ('nodes', []),
    ('services', []),
    ('containers', []),
    ('flows', ['--node', 'node2']),
]


@pytest.mark.parametrize('command, args', COMMANDS)
def test_keys(socknet, srcdir, world, command, args):
    r = socknet(command, *args, '--json', db=world.remote)
    assert r.json['version'] == 1
    assert r.json['command'] == command
    told = documented(srcdir)['compile' if command == 'flows' else command]
    assert keys(r.json) - {'version', 'command'} == told


def test_keys_of_flows_of_a_switch(socknet, srcdir, world):
    r = socknet('flows', f'--switch={world.switch.target}', '--json',
                db=world.remote).ok()
    assert r.json['switch'] == world.switch.target
    assert r.json['flows'] == []
    world.switch.ofctl('add-flow', 'vmbr0', 'actions=drop')
    world.switch.ofctl('add-meter', 'vmbr0',
                       'meter=7,pktps,bands=type=drop,rate=1')
    r = socknet('flows', f'--switch={world.switch.target}', '--json',
                db=world.remote).ok()
    both = documented(srcdir)
    told = both['compile'] - {'node', 'stand_ins', 'pending'} | {
        'switch', 'n_packets', 'n_bytes', 'n_dropped'}
    assert keys(r.json) - {'version', 'command'} == told
    assert {'switch', 'n_packets', 'n_bytes'} <= both['flows']


def test_keys_of_apply(socknet, srcdir, world, tmp_path):
    state = tmp_path / 'state.yaml'
    state.write_text(state.read_text().replace('tag:data', 'tag:privacy'))
    r = socknet('apply', 'state.yaml', '--wait', '-t', '2', '--json',
                db=world.remote)
    told = documented(srcdir)['apply']
    assert keys(r.json) - {'version', 'command'} == told


def test_keys_of_pki(socknet, srcdir, tmp_path):
    socknet('pki', 'init', '--dir', tmp_path / 'pki').ok()
    r = socknet('--json', 'pki', 'show', '--dir', tmp_path / 'pki').ok()
    told = documented(srcdir)['pki show']
    assert keys(r.json) - {'version', 'command'} == told


def test_output_is_one_document_and_nothing_else(socknet, world):
    """Also when notes go to people."""
    for command, args in COMMANDS:
        r = socknet('--json', command, *args, db=world.remote)
        assert r.out.startswith('{\n') and r.out.endswith('}\n')


def test_an_error_prints_no_document(socknet, world):
    r = socknet('containers', 'nothere', '--json', db=world.remote)
    assert (r.code, r.out) == (1, '')
    r = socknet('flows', '--switch=unix:nothere', '--json', db=world.remote)
    assert (r.code, r.out) == (1, '')
