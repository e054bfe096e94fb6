"""db create and serve, and pki."""

import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess

import pytest

from dbsite import AGENT_PORT, CONTROLLER_PORT, run


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_create(site):
    site.socknet('db', 'create', site.file).ok()
    assert mode(site.file) == 0o600
    assert os.listdir(site.file.parent) == [site.file.name]
    before = site.file.read_bytes()
    site.socknet('db', 'create', site.file).fails('not overwritten')
    assert site.file.read_bytes() == before


def test_create_where_it_cannot_be(site):
    site.socknet('db', 'create', '/proc/x/y.db').fails('/proc/x')


def test_serve_makes_and_serves(served):
    assert mode(served.socket) & 0o077 == 0
    assert mode(served.file) == 0o600
    assert mode(served.socket.parent) == 0o700
    assert served.generation == 0
    # Nothing for other hosts without --pki.
    assert served.rows('Connection') == []


def test_serve_makes_the_folder_of_its_log(site):
    site.env['OVS_LOGDIR'] = str(site.folder / 'log' / 'socknet')
    args = [a for a in site.serve_args()
            if not str(a).startswith('--log-file')]
    site.socknet(*args, '--log-file').ok()
    assert (site.folder / 'log/socknet/ovsdb-server.log').exists()


def test_serve_again_writes_nothing(site):
    site.make_pki()
    site.serve(tls=True).ok()
    site.stop()
    size = os.stat(site.file).st_size
    site.serve(tls=True).ok()
    targets = {r['target']: r['role'] for r in site.rows('Connection')}
    assert targets == {
        f'pssl:{AGENT_PORT}:{site.address}': 'socknet-agent',
        f'pssl:{CONTROLLER_PORT}:{site.address}': 'socknet-controller'}
    site.stop()
    assert os.stat(site.file).st_size == size
    # Back to this host only.
    site.serve().ok()
    assert site.rows('Connection') == []
    assert site.rows('SSL') == []


def test_serve_what_is_served(served):
    served.serve().fails('served there already')
    r = served.socknet('--db', f'unix:{served.folder}/other.sock',
                       *served.serve_args())
    r.fails('in use')


def test_serve_port_in_use(site):
    site.make_pki()
    with socket.create_server((site.address, CONTROLLER_PORT)):
        r = site.serve(tls=True)
        r.fails(f'cannot listen at {site.address} port {CONTROLLER_PORT}')
    assert not site.file.exists()


@pytest.mark.parametrize('args, message', [
    (['--pki', '/x'], '--pki and --listen go together'),
    (['--listen', '127.0.0.1'], '--pki and --listen go together'),
    (['--pki', '/does/not/exist', '--listen', '127.0.0.1'],
     'socknet pki init'),
    (['--pki', '/x', '--listen', 'localhost'], '--listen: '),
    (['--pki', '/x', '--listen', '[fd00::1'], '--listen: '),
    (['--db', 'tcp:127.0.0.1:1'], 'unix:/FILE'),
    (['--nonsense'], 'unknown option --nonsense'),
    (['x', 'y'], 'create [FILE], serve [FILE]'),
])
def test_serve_misuse(site, args, message):
    site.socknet('db', 'serve', site.file, *args).fails(message)
    assert not site.file.exists()


def test_no_ovsdb_server(site, tmp_path):
    """Nothing is installed in an empty root."""
    if os.geteuid():
        pytest.skip('chroot needs root')
    root = tmp_path / 'root'
    root.mkdir()
    libs = run('ldd', site.program).out
    for lib in re.findall(r'(/\S+)', libs) + [site.program]:
        there = root / lib[1:]
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(lib, there)
    r = run('chroot', root, site.program, 'db', 'create', '/x.db')
    if 'Sanitizer' in r.err:
        pytest.skip('the sanitizers need /proc')
    r.fails('ovsdb-tool is not installed')


def test_not_root(site):
    if os.geteuid():
        pytest.skip('only root can become another')
    r = run('setpriv', '--reuid=65534', '--clear-groups', '--',
            'test', '-x', site.program)
    if r.code:
        pytest.skip('the build tree is closed to others')
    r = run('setpriv', '--reuid=65534', '--clear-groups', '--',
            site.program, 'db', 'serve', '--db',
            'unix:/run/socknet-test-not-root/db.sock')
    r.fails('are you root?')
    r = run('setpriv', '--reuid=65534', '--clear-groups', '--',
            site.program, 'db', 'create', '/usr/socknet-test.db')
    r.fails('/usr: Permission denied; are you root?')
    assert 'lockfile' not in r.err


def old_schema(srcdir, version):
    schema = json.loads((srcdir / 'schemas/socknet.ovsschema').read_text())
    schema['version'] = version
    del schema['tables']['Exit_Status']
    del schema['tables']['Node']['columns']['uplinks']
    return schema


def test_status_of_a_disk_without_room(site):
    if os.geteuid():
        pytest.skip('a disk of its own needs root')
    site.file.parent.mkdir(parents=True)
    own = subprocess.Popen(
        ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o size=3m none "$0" '
         '&& echo && cat', site.file.parent],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert own.stdout.readline() == b'\n'

        def inside(*args):
            return run('nsenter', '-m', '-t', own.pid, *args, env=site.env)
        inside(*site.command(*site.serve_args())).ok()
        status = site.command('db', 'status')
        assert re.search(f'file +: {site.file}', inside(*status).ok().out)
        inside('dd', 'if=/dev/zero', f'of={site.file}.large', 'bs=1k',
               'count=2200').ok()
        r = inside(*status)
        assert r.code == 1
        assert re.search(r'only \d+ KiB are left on the disk of ', r.out)
        assert 'KiB are left' in inside(*site.command('status')).out
    finally:
        site.stop()
        own.stdin.close()
        own.wait(10)


def test_older_schema_is_converted(site, srcdir, tmp_path):
    old = tmp_path / 'old.ovsschema'
    old.write_text(json.dumps(old_schema(srcdir, '0.9.0')))
    site.file.parent.mkdir()
    assert run('ovsdb-tool', 'create', site.file, old).code == 0
    insert = ['Socknet', {'op': 'insert', 'table': 'Node',
                          'row': {'name': 'n1', 'other': 'kept'}}]
    assert run('ovsdb-tool', 'transact', site.file,
               json.dumps(insert)).code == 0
    r = site.serve().ok()
    assert 'converted' in r.err
    row, = site.rows('Node')
    assert (row['name'], row['other']) == ('n1', 'kept')
    assert row['uplinks'] == ['set', []]
    assert site.rows('Exit_Status') == []
    assert site.generation == 0


def test_newer_schema_is_refused(site, srcdir, tmp_path):
    new = tmp_path / 'new.ovsschema'
    new.write_text(json.dumps(old_schema(srcdir, '99.0.0')))
    site.file.parent.mkdir()
    assert run('ovsdb-tool', 'create', site.file, new).code == 0
    before = site.file.read_bytes()
    site.serve().fails('made by a newer socknet')
    assert site.file.read_bytes() == before


def test_file_that_is_no_database(site):
    site.file.parent.mkdir()
    site.file.write_text('hello\n')
    site.serve().fails(str(site.file))
    assert site.file.read_text() == 'hello\n'


# Certificates.

def test_pki_files(site):
    site.make_pki('n1')
    for name in 'ca', 'socknet-db', 'n1':
        assert mode(site.pki / f'{name}-key.pem') == 0o600
    assert mode(site.pki) == 0o700
    text = run('openssl', 'x509', '-in', site.pki / 'n1-cert.pem', '-noout',
               '-text').out
    assert 'CN = n1' in text
    assert 'DNS:n1' in text
    assert 'TLS Web Client Authentication\n' in text
    assert 'Server' not in text
    r = run('openssl', 'verify', '-CAfile', site.pki / 'ca-cert.pem',
            '-purpose', 'sslclient', site.pki / 'n1-cert.pem')
    assert r.code == 0, r.err
    r = run('openssl', 'verify', '-CAfile', site.pki / 'ca-cert.pem',
            '-purpose', 'sslserver', site.pki / 'socknet-db-cert.pem')
    assert r.code == 0, r.err


def test_pki_server_certificate(site):
    site.make_pki()
    site.socknet('pki', 'node', 'n3', '--server', '--dir', site.pki).ok()
    for purpose in 'sslclient', 'sslserver':
        r = run('openssl', 'verify', '-CAfile', site.pki / 'ca-cert.pem',
                '-purpose', purpose, site.pki / 'n3-cert.pem')
        assert r.code == 0, r.err


def test_pki_member(site):
    site.make_pki('n1')
    site.socknet('pki', 'member', 'db1', '--dir', site.pki).ok()
    ca = (site.pki / 'cluster-ca-cert.pem').read_text()
    site.socknet('pki', 'member', 'db2', '--dir', site.pki).ok()
    assert (site.pki / 'cluster-ca-cert.pem').read_text() == ca
    for name in 'cluster-ca', 'cluster-db1', 'cluster-db2':
        assert mode(site.pki / f'{name}-key.pem') == 0o600
    cert = site.pki / 'cluster-db1-cert.pem'
    # Members know it by the cluster's authority, hosts by the mesh's.
    assert run('openssl', 'verify', '-CAfile',
               site.pki / 'cluster-ca-cert.pem', cert).code == 0
    assert run('openssl', 'verify', '-CAfile', site.pki / 'ca-cert.pem',
               '-untrusted', site.pki / 'cluster-ca-cross.pem',
               '-purpose', 'sslserver', cert).code == 0
    assert run('openssl', 'verify', '-CAfile', site.pki / 'ca-cert.pem',
               cert).code
    # A host's is none of the cluster's.
    assert run('openssl', 'verify', '-CAfile',
               site.pki / 'cluster-ca-cert.pem',
               site.pki / 'n1-cert.pem').code
    site.socknet('pki', 'member', 'db1', '--dir', site.pki) \
        .fails('not overwritten')
    site.socknet('pki', 'node', 'cluster-db3', '--dir', site.pki) \
        .fails("socknet's own")


def test_pki_member_below_an_old_authority(site):
    """It may sign no other authority."""
    site.pki.mkdir()
    assert run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
               'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=old',
               '-addext', 'basicConstraints=critical,CA:TRUE,pathlen:0',
               '-keyout', site.pki / 'ca-key.pem',
               '-out', site.pki / 'ca-cert.pem').code == 0
    site.socknet('pki', 'member', 'db1', '--dir', site.pki) \
        .fails('knew no clusters')
    assert not list(site.pki.glob('cluster-*'))


def contents(folder):
    return {p.name: p.read_bytes() for p in pathlib.Path(folder).iterdir()}


def test_pki_overwrites_nothing(site):
    site.make_pki('n1')
    before = contents(site.pki)
    site.socknet('pki', 'init', '--dir', site.pki).fails('not overwritten')
    site.socknet('pki', 'node', 'n1', '--dir', site.pki) \
        .fails('not overwritten')
    # Half a pair is not completed with a key that does not fit.
    (site.pki / 'n1-key.pem').unlink()
    site.socknet('pki', 'node', 'n1', '--dir', site.pki) \
        .fails('not overwritten')
    del before['n1-key.pem']
    assert contents(site.pki) == before


def test_pki_renews_the_certificate_of_the_database(site):
    """Where it was taken away; of the same authority."""
    site.make_pki('n1')
    before = contents(site.pki)
    for file in ('socknet-db-cert.pem', 'socknet-db-key.pem'):
        (site.pki / file).unlink()
    site.socknet('pki', 'init', '--dir', site.pki).ok()
    after = contents(site.pki)
    assert after.keys() == before.keys()
    assert {f for f in after if after[f] != before[f]} \
        == {'socknet-db-cert.pem', 'socknet-db-key.pem'}


@pytest.mark.parametrize('args, message', [
    (['node', 'n1'], 'socknet pki init'),
    (['node', 'a/b'], '"a/b" cannot be a node\'s name'),
    (['node', 'ca'], "socknet's own"),
    (['node'], 'node NAME'),
    (['show'], 'No such file'),
    (['init', '--days', '0'], '"0" is not a number from 1'),
    ([], 'init, node NAME, member NAME, show'),
])
def test_pki_misuse(site, args, message):
    site.socknet('pki', *args, '--dir', site.pki).fails(message)
    assert not site.pki.exists()


def test_pki_wrong_ca_key(site, tmp_path):
    site.make_pki()
    site.socknet('pki', 'init', '--dir', tmp_path / 'b').ok()
    shutil.copy(tmp_path / 'b/ca-key.pem', site.pki / 'ca-key.pem')
    site.socknet('pki', 'node', 'n1', '--dir', site.pki) \
        .fails('is not the key of')
    assert not (site.pki / 'n1-key.pem').exists()


def test_pki_show(site, tmp_path):
    site.make_pki('n1')
    site.socknet('pki', 'init', '--dir', tmp_path / 'b').ok()
    shutil.copy(tmp_path / 'b/socknet-db-cert.pem',
                site.pki / 'alien-cert.pem')
    r = site.socknet('pki', 'show', '--json', '--dir', site.pki).ok()
    certs = {c['file']: c for c in r.json['certificates']}
    assert certs['n1-cert.pem']['use'] == 'client'
    assert certs['n1-cert.pem']['validity'] == 'valid'
    assert certs['socknet-db-cert.pem']['use'] == 'server'
    assert certs['ca-cert.pem']['use'] == 'authority'
    assert certs['alien-cert.pem']['validity'] == \
        'not signed by this authority'


def test_pki_never_prints_keys(site):
    outputs = [site.socknet('pki', *args, '--dir', site.pki)
               for args in (['init'], ['node', 'n1'], ['show'],
                            ['show', '--json'], ['init'], ['node', 'n1'])]
    keys = [''.join(p.read_text().splitlines()[1:-1])
            for p in site.pki.glob('*-key.pem')]
    assert len(keys) == 3
    for r in outputs:
        assert 'PRIVATE' not in r.out + r.err
        for key in keys:
            assert key[:20] not in (r.out + r.err).replace('\n', '')


def test_keys_are_not_in_the_database(site):
    site.make_pki()
    site.serve(tls=True).ok()
    dump = subprocess.run(['ovsdb-client', 'dump', site.remote], text=True,
                          capture_output=True, timeout=60).stdout
    assert 'socknet-db-key.pem' in dump
    assert 'PRIVATE' not in dump
