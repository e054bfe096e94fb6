"""Who may do what with the central database, over real TLS."""

import re
import shutil
import subprocess

import pytest

from dbsite import AGENT_PORT, CONTROLLER_PORT, Site, run

DESIRED = {
    'Mesh': {}, 'Node': {'name': 'x'},
    'Exit': {'node': 'n1', 'name': 'x', 'interface': 'x'},
    'Container': {'name': 'x', 'id': '1', 'node': 'n1', 'bridge': 'vmbr0',
                  'veth': 'x'},
    'Segment': {'name': 'x'},
    'Acl': {'name': 'x', 'tier': 'acls', 'action': 'accept'},
    'Raw_Flow': {'node': 'n1', 'name': 'x', 'bridge': 'vmbr0', 'flow': 'x'},
    'Service': {'name': 'x', 'ip_proto': 6, 'port': 1, 'affinity': 'none',
                'prefer': 'none'},
    'Revision': {'number': 99, 'outcome': 'applied'},
    'Request': {'asker': 'x', 'node': 'n1', 'kind': 'trace'},
    'Client': {'name': 'x', 'node': 'n1', 'public_key': 44 * 'k'},
    'Connection': {'target': 'ptcp:1'},
    'SSL': {}, 'RBAC_Role': {'name': 'x'}, 'RBAC_Permission': {},
}
AGENT_ROWS = {
    'Node_Status': {'public_key': 44 * 'k'},
    'Port_Status': {'name': 'veth1', 'state': 'up'},
    'Peer_Status': {'peer': 'n9'},
    'Exit_Status': {'name': 'warp', 'state': 'up'},
    'Relay_Status': {'a': 'n8', 'b': 'n9'},
    'Service_Status': {'service': 's', 'backend': 'b', 'state': 'up'},
    'Client_Status': {'client': 'phone', 'state': 'admitted'},
    'Answer': {'asker': 'x'},
    'Found_Container': {'veth': 'veth9i0', 'id': '9', 'name': 'c9',
                        'mac': '02:00:00:00:00:09'},
}
CONTROLLER_ROWS = {'Bridge_Status': {'bridge': 'vmbr0'}}
UPDATES = {'Node_Status': {'generation': 7, 'seen': 1},
           'Port_Status': {'ofport': 5},
           'Peer_Status': {'rx_bytes': 5}, 'Relay_Status': {'port': 5},
           'Exit_Status': {'state': 'down'},
           'Service_Status': {'state': 'down'},
           'Client_Status': {'state': 'expired'},
           'Answer': {'failed': True},
           'Found_Container': {'name': 'other'},
           'Bridge_Status': {'n_flows': 5}}
PORTS = {AGENT_PORT: AGENT_ROWS, CONTROLLER_PORT: CONTROLLER_ROWS}


@pytest.fixture
def tls(site, state):
    site.make_pki('n1', 'n2', 'stranger')
    site.serve(tls=True).ok()
    site.socknet('apply', state).ok()
    return site


def insert(table, **row):
    return {'op': 'insert', 'table': table, 'row': row}


def update(table, where, **row):
    return {'op': 'update', 'table': table, 'where': where, 'row': row}


def delete(table, where):
    return {'op': 'delete', 'table': table, 'where': where}


def denied(results):
    return any(r and r.get('error') == 'permission error' for r in results)


def succeeded(results):
    return not any(r and 'error' in r for r in results)


@pytest.mark.parametrize('port', PORTS)
def test_own_rows(tls, port):
    for table, row in PORTS[port].items():
        mine = [['node', '==', 'n1']]
        assert succeeded(tls.as_('n1', port,
                                 insert(table, node='n1', **row))), table
        assert succeeded(tls.as_('n1', port, update(table, mine,
                                                    **UPDATES[table])))
        # A row does not change hands.
        assert denied(tls.as_('n1', port, update(table, mine, node='n2')))
        assert denied(tls.as_('n2', port, update(table, mine,
                                                 **UPDATES[table])))
        assert denied(tls.as_('n2', port, delete(table, mine)))
        assert len(tls.rows(table)) == 1
        assert succeeded(tls.as_('n1', port, delete(table, mine)))
        assert tls.rows(table) == []


@pytest.mark.parametrize('port', PORTS)
def test_other_nodes_rows(tls, port):
    for table, row in dict(AGENT_ROWS, **CONTROLLER_ROWS).items():
        assert denied(tls.as_('n1', port, insert(table, node='n2', **row)))
        tls.transact(insert(table, node='n2', **row))
        theirs = [['node', '==', 'n2']]
        for where in theirs, []:
            assert denied(tls.as_('n1', port, delete(table, where)))
            assert denied(tls.as_('n1', port,
                                  update(table, where, **UPDATES[table])))
        assert denied(tls.as_('n1', port, {
            'op': 'mutate', 'table': table, 'where': theirs,
            'mutations': [['problems', 'insert', 'x']]
            if 'Status' in table and table.split('_')[0] in ('Node', 'Bridge')
            else [['reason', 'insert', 'x']]
            if table in ('Port_Status', 'Exit_Status', 'Relay_Status',
                         'Service_Status')
            else [['addresses', 'insert', '10.0.0.9/24']]
            if table == 'Found_Container'
            else [['request', 'insert', ['set', []]]] if table == 'Answer'
            else [['rx_bytes', '+=', 1]]}))
        assert len(tls.rows(table)) == 1


def test_each_role_has_its_own_tables(tls):
    for table, row in CONTROLLER_ROWS.items():
        assert denied(tls.as_('n1', AGENT_PORT,
                              insert(table, node='n1', **row)))
    for table, row in AGENT_ROWS.items():
        assert denied(tls.as_('n1', CONTROLLER_PORT,
                              insert(table, node='n1', **row)))


@pytest.mark.parametrize('port', PORTS)
def test_desired_state(tls, port):
    before = tls.socknet('export').out
    for table, row in DESIRED.items():
        assert denied(tls.as_('n1', port, insert(table, **row))), table
        if tls.rows(table):
            assert denied(tls.as_('n1', port, delete(table, []))), table
    for table in 'Node', 'Container', 'Acl':
        assert denied(tls.as_('n1', port, update(table, [], name='z')))
    assert denied(tls.as_('n1', port, update('Mesh', [], generation=99)))
    assert denied(tls.as_('n1', port, update('Connection', [], role='')))
    assert tls.socknet('export').out == before


def test_every_table_is_tried(srcdir):
    """A new table must be put into one of the lists above."""
    import json
    schema = json.loads((srcdir / 'schemas/socknet.ovsschema').read_text())
    assert set(schema['tables']) == \
        {*DESIRED, *AGENT_ROWS, *CONTROLLER_ROWS}


@pytest.mark.parametrize('port', PORTS)
def test_apply_as_a_host(tls, port, state):
    state.write_text(state.read_text().replace('5432', '5433'))
    before = tls.socknet('export').out
    r = tls.socknet('--db', f'ssl:{tls.address}:{port}',
                    *tls.tls_args('n1'), 'apply', state)
    r.fails('nothing was changed')
    assert 'permission' in r.err
    assert tls.socknet('export').out == before


@pytest.mark.parametrize('port', PORTS)
def test_schema_cannot_be_replaced(tls, port, srcdir):
    r = run('ovsdb-client', '-vconsole:off', '--timeout=60',
            *tls.tls_args('n1'), 'convert', f'ssl:{tls.address}:{port}',
            srcdir / 'schemas/socknet.ovsschema')
    assert r.code != 0
    assert 'permission' in r.err


def test_reads_through_tls(tls):
    r = tls.socknet('--db', f'ssl:{tls.address}:{AGENT_PORT}',
                    *tls.tls_args('n1'), 'export').ok()
    assert r.out == tls.socknet('export').out


@pytest.mark.parametrize('port', PORTS)
def test_member_that_is_no_node(tls, port):
    """The mesh's own CA signed it, but no row can be its own."""
    for table, row in PORTS[port].items():
        assert denied(tls.as_('stranger', port,
                              insert(table, node='n1', **row)))


@pytest.mark.parametrize('port', PORTS)
def test_stranger_of_another_ca(tls, builddir, tmp_path, port):
    other = Site(builddir / 'cli/socknet', tmp_path / 'other')
    other.make_pki('n1')
    mixed = tmp_path / 'mixed'
    shutil.copytree(other.pki, mixed)
    shutil.copy(tls.pki / 'ca-cert.pem', mixed / 'ca-cert.pem')
    for pki in other.pki, mixed:
        r = tls.socknet('--db', f'ssl:{tls.address}:{port}', '--timeout', 1,
                        *tls.tls_args('n1', pki), 'export')
        r.fails('no database')
        assert r.out == ''


@pytest.mark.parametrize('port', PORTS)
def test_without_a_certificate(tls, port):
    r = subprocess.run(
        ['openssl', 's_client', '-connect', f'{tls.address}:{port}',
         '-CAfile', str(tls.pki / 'ca-cert.pem'), '-ign_eof'],
        input='{"method":"list_dbs","params":[],"id":0}', text=True,
        capture_output=True, timeout=60)
    assert 'Socknet' not in r.stdout
    assert re.search('certificate required|handshake failure|alert',
                     r.stderr + r.stdout), r
    # Nor without TLS.
    r = run('ovsdb-client', '-vconsole:off', '--timeout=2', 'list-dbs',
            f'tcp:{tls.address}:{port}')
    assert r.code != 0
    assert 'Socknet' not in r.out


def handshake(site, port, version):
    return subprocess.run(
        ['openssl', 's_client', '-connect', f'{site.address}:{port}', version,
         '-cipher', 'ALL:@SECLEVEL=0',
         '-CAfile', str(site.pki / 'ca-cert.pem'),
         '-key', str(site.pki / 'n1-key.pem'),
         '-cert', str(site.pki / 'n1-cert.pem')],
        input='', text=True, capture_output=True, timeout=60)


def test_old_tls_is_refused(tls):
    assert 'Verify return code: 0' in handshake(tls, AGENT_PORT,
                                                '-tls1_2').stdout
    for version in '-tls1', '-tls1_1':
        r = handshake(tls, AGENT_PORT, version)
        assert 'Cipher is (NONE)' in r.stdout, version


def test_host_cannot_pose_as_the_database(tls, state):
    """A host's certificate is a client's."""
    tls.stop()
    r = tls.socknet(*tls.serve_args(tls=True), '--name', 'n2')
    r.ok()
    r = tls.socknet('--db', f'ssl:{tls.address}:{AGENT_PORT}', '--timeout', 1,
                    *tls.tls_args('n1'), 'export')
    r.fails('no database')
    assert r.out == ''
