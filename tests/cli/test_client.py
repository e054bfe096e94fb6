"""socknet client: who is let in, and that his key is printed once."""

import os
import re
import subprocess

import pytest

SERVER = 'VZDZxA+wzu5sNoLO8US4olWjWsI7bRblOCkvJlNkgnY='
STATE = """\
mesh: {name: m}
nodes:
  a:
    endpoint: 198.51.100.1:51900
    subnet: 10.0.0.0/24
    wireguard:
      warp_tunnel: {interface: warp0}
      vpn_server: {ip_pool: 10.8.0.0/29, auto_provision: true, exit: warp}
  b:
    endpoint: 198.51.100.2
    subnet: 10.1.0.0/24
    wireguard: {vpn_server: {ip_pool: 10.9.0.0/24}}
clients:
  written:
    node: b
    public_key: hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=
acls:
  - {name: no, action: deny, src: ["tag:kept-in"], dst: [internet]}
"""


@pytest.fixture
def client(socknet, database, tmp_path):
    def run(*words):
        return socknet('client', *words, db=database.remote)
    (tmp_path / 'state.yaml').write_text(STATE)
    run.apply = lambda: socknet('apply', 'state.yaml',
                                db=database.remote).ok()
    run.export = lambda: socknet('export', db=database.remote).ok().out
    run.socknet = lambda *words: socknet(*words, db=database.remote)
    run.apply()
    for node in 'a', 'b':
        database.insert('Node_Status', node=node, public_key=SERVER,
                        vpn_public_key=SERVER, seen=1)
    return run


def test_profile(client):
    r = client('add', 'anna', '--tag', 'guest', '--expires', '30d').ok()
    assert re.search(r'^PrivateKey = [\w+/]{43}=$', r.out, re.M)
    for line in ('Address = 10.8.0.2/32', 'PublicKey = ' + SERVER,
                 'Endpoint = 198.51.100.1:51820',
                 'AllowedIPs = 0.0.0.0/0, ::/0'):
        assert line in r.out.splitlines()
    assert 'printed once' in r.err
    private = re.search('PrivateKey = (.*)', r.out)[1]
    assert private not in client.export()
    assert 'expires: ' in client.export()


def test_split_tunnel_for_who_may_not_out(client):
    r = client('add', 'kid', '--tag', 'kept-in').ok()
    assert 'AllowedIPs = 100.64.0.0/24, 10.8.0.0/29, 10.0.0.0/24, ' \
        '10.1.0.0/24' in r.out


def test_apply_keeps_what_the_command_wrote(client):
    client('add', 'anna').ok()
    client('revoke', 'anna').ok()
    client('revoke', 'written').ok()
    before = client.export()
    assert 'nothing to change' in client.apply().out
    assert client.export() == before
    assert before.count('revoked: true') == 2


def test_a_revoked_name_gets_a_new_key(client):
    key = re.search('PrivateKey = (.*)', client('add', 'anna').ok().out)[1]
    assert 'exists' in client('add', 'anna').err
    client('revoke', 'anna').ok()
    again = re.search('PrivateKey = (.*)', client('add', 'anna').ok().out)[1]
    assert again != key
    client('remove', 'anna').ok()
    assert 'anna' not in client.export()


def test_pool_is_finite(client):
    for i in range(5):
        client('add', f'g{i}').ok()
    r = client('add', 'no-room')
    assert r.code == 1 and 'no address is left' in r.err
    assert 'no-room' not in client.export()


@pytest.mark.parametrize('words, message', [
    ([], 'give one of add NAME'),
    (['add'], 'give one of add NAME'),
    (['list', 'x'], 'give one of add NAME'),
    (['show', 'writen'], 'did you mean "written"?'),
    (['revoke', 'nobody'], 'no client "nobody"'),
    (['add', 'x', '--node', 'b'], 'has no auto_provision'),
    (['add', 'x', '--node', 'c'], 'has no vpn_server'),
    (['add', 'x', '--expires', 'soon'], 'neither a duration'),
    (['add', 'x', '--expires', '2001-01-01'], 'is over'),
    (['add', 'x', '--tag', 'a b'], 'letters, digits'),
    (['add', 'a b'], 'letters, digits'),
    (['add', 'written'], 'is written in the state file'),
    (['remove', 'written'], 'take it out there'),
    (['list', '--qr'], 'client list has no such option'),
])
def test_misuse(client, words, message):
    before = client.export()
    r = client(*words)
    assert r.code == 1 and message in r.err, r.err
    assert client.export() == before


def test_a_revoked_node_takes_nobody(client):
    client.socknet('node', 'revoke', 'a').ok()
    for words in (['add', 'x'], ['add', 'x', '--node', 'a']):
        r = client(*words)
        assert r.code == 1 and 'PrivateKey' not in r.out


@pytest.mark.parametrize('words', [[], ['--json'], ['--qr']])
def test_profile_on_a_full_disk(client, builddir, database, words):
    """Nobody has the key: nobody is let in."""
    before = client.export()
    with open('/dev/full', 'w') as full:
        r = subprocess.run(
            [str(builddir / 'cli/socknet'), 'client', 'add', 'anna', *words],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
            env=dict(os.environ, SOCKNET_DB=database.remote))
    assert r.returncode == 1
    assert r.stderr == 'socknet: error: client anna is not added: its ' \
        'profile cannot be printed: No space left on device\n'
    assert client.export() == before


def test_qr_code_on_a_full_disk(client, cramped, database, tmp_path):
    """The key is not lost: it is printed as well."""
    r = cramped(100, 'client', 'add', 'anna', '--png', 'anna.png',
                db=database.remote)
    assert r.code == 1 and 'anna.png: File too large' in r.err
    assert re.search(r'^PrivateKey = [\w+/]{43}=$', r.out, re.M)
    assert not (tmp_path / 'anna.png').exists()
