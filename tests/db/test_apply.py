"""apply and export against a real database."""

import os
import random
import re
import signal
import time

import pytest

from dbsite import STATE

NOTHING = 'nothing to change'


def examples(srcdir):
    examples = sorted((srcdir / 'examples').glob('*.yaml'))
    assert examples
    return examples + [srcdir / 'tests/db/everything.yaml']


def test_again_sends_nothing(served, state):
    served.socknet('apply', state).ok()
    size = os.stat(served.file).st_size
    generation = served.generation
    assert generation == 1
    for _ in range(3):
        assert NOTHING in served.socknet('apply', state).ok().out
    assert os.stat(served.file).st_size == size
    assert served.generation == generation


def test_export_applies_to_nothing(served, srcdir, tmp_path):
    for example in examples(srcdir):
        served.socknet('apply', example).ok()
        exported = tmp_path / 'exported.yaml'
        exported.write_text(served.socknet('export').ok().out)
        r = served.socknet('apply', exported, '--json').ok()
        assert r.json['changes'] == [], example
        assert served.socknet('export').ok().out == exported.read_text()
        # Forth and back: the file itself is no change either.
        assert served.socknet('apply', example, '--json').json['changes'] \
            == []


def test_export_as_json(served, state):
    served.socknet('apply', state).ok()
    r = served.socknet('export', '--json').ok()
    assert r.json['yaml'] == served.socknet('export').out
    assert r.json['generation'] == 1


def test_export_of_nothing(served):
    r = served.socknet('export')
    r.fails('holds no state yet')
    assert r.out == ''


def test_says_what_changed(served, state):
    served.socknet('apply', state).ok()
    state.write_text(STATE.replace('5432', '5433')
                     .replace('name: web,', 'name: www,')
                     .replace('[web]', '[www]'))
    r = served.socknet('apply', state, '--dry-run')
    assert r.code == 2
    assert served.generation == 1
    out = served.socknet('apply', state).ok().out
    assert re.search(r'^added +container +www$', out, re.M)
    assert re.search(r'^removed +container +web$', out, re.M)
    assert re.search(r'^changed +acl +a$', out, re.M)
    assert 'generation 2' in out
    assert len(out.splitlines()) == 7, out
    r = served.socknet('apply', state, '--dry-run')
    assert r.code == 0


def test_moved_line_is_no_change(served, state):
    served.socknet('apply', state).ok()
    state.write_text('# a comment\n\n' + STATE)
    r = served.socknet('apply', state, '--json').ok()
    assert r.json['changes'] == []
    assert r.json['moved'] > 0
    assert served.generation == 1
    source, = [row['source'] for row in served.rows('Acl')]
    assert source == f'{state}:16:5'
    assert served.socknet('apply', state, '--json').json['moved'] == 0


def test_each_row_knows_its_place(served, state):
    served.socknet('apply', state).ok()
    lines = state.read_text().splitlines()
    for table in 'Node', 'Container', 'Acl':
        for row in served.rows(table):
            file, line, column = row['source'].rsplit(':', 2)
            assert file == str(state)
            assert row['name'] in lines[int(line) - 1][int(column) - 1:]


@pytest.mark.parametrize('old, new, message', [
    ('[web]', '[wbe]', 'did you mean "web"?'),
    ('10.0.0.102/24', '10.0.0.300/24', '10.0.0.300'),
    ('acls:', 'aclz:', 'acls'),
    ('  - {name: a', '  - {name: [', 'error'),
])
def test_mistake_changes_nothing(served, state, old, new, message):
    served.socknet('apply', state).ok()
    before = served.socknet('export').out
    state.write_text(STATE.replace(old, new))
    r = served.socknet('apply', state).fails(message)
    assert f'{state}:' in r.err
    assert 'nothing was changed' in r.err
    assert served.socknet('export').out == before
    assert served.generation == 1


def test_missing_file(served):
    served.socknet('apply', '/does/not/exist').fails('/does/not/exist')


def test_nodes_keep_their_addresses(served, state):
    def addresses():
        return {r['name']: r['address'] for r in served.rows('Node')}

    served.socknet('apply', state).ok()
    before = addresses()
    assert before == {'n1': '100.64.0.1', 'n2': '100.64.0.2'}
    # A node above the others in the file does not take theirs.
    state.write_text(STATE.replace(
        'nodes:\n', 'nodes:\n  n0: {subnet: 10.9.0.0/24}\n'))
    served.socknet('apply', state).ok()
    assert addresses() == dict(before, n0='100.64.0.3')


def test_database_away(site, state):
    start = time.monotonic()
    r = site.socknet('apply', state, '--timeout', 1)
    assert 0.9 < time.monotonic() - start
    r.fails(f'no database at {site.remote} within 1 s')
    assert 'socknet db serve' in r.err


def test_database_hangs(served, state):
    os.kill(served.pid, signal.SIGSTOP)
    try:
        served.socknet('apply', state, '--timeout', 1).fails('within 1 s')
    finally:
        os.kill(served.pid, signal.SIGCONT)


def big_state(n, port):
    containers = '\n'.join(
        f'        - {{id: "{i}", properties: {{name: c{i}, '
        f'ipv4_address: 10.{i >> 8}.{i & 255}.9/8, services: '
        f'[{{name: s, protocol: tcp, port: {port}}}]}}}}'
        for i in range(1, n + 1))
    return f"""\
mesh: {{name: m, prefix: 100.64.0.0/24}}
nodes:
  n1:
    endpoint: 192.0.2.1
    subnet: 10.0.0.0/8
    lxc:
      containers:
{containers}
"""


def services(site):
    return {tuple(row['services']) if isinstance(row['services'], list)
            else (row['services'],) for row in site.rows('Container')}


def test_server_killed_during_apply(served, tmp_path):
    """All or nothing, whenever it dies."""
    n = 400
    state = tmp_path / 'big.yaml'
    state.write_text(big_state(n, 1))
    served.socknet('apply', state).ok()
    start = time.monotonic()
    state.write_text(big_state(n, 2))
    served.socknet('apply', state).ok()
    duration = time.monotonic() - start
    outcomes = set()
    for i in range(12):
        port = 100 + i
        before, generation = services(served), served.generation
        state.write_text(big_state(n, port))
        # In every other round it is away for longer than the client waits.
        patient = i % 2
        client = served.popen('apply', state, '--timeout',
                              10 if patient else 0.2)
        time.sleep(random.uniform(0.3, 1.0) * duration)
        served.stop(signal.SIGKILL)
        if not patient:
            client.wait(60)
        served.serve().ok()
        out, err = client.communicate(timeout=60)
        after = services(served)
        rows = served.rows('Container')
        assert len(rows) == n
        assert len(after) == 1, (after, out, err)
        if after == before:
            assert served.generation == generation
            assert client.returncode == 1, (out, err)
        else:
            assert f'6:{port}:s' in str(after)
            assert served.generation == generation + 1
        if client.returncode == 0:
            assert after != before
        else:
            assert not patient or 'database' in err
        outcomes.add((client.returncode, after == before))
        served.socknet('apply', state).ok()
    print(duration, outcomes)


def test_two_at_once(served, tmp_path):
    """One of two files is there afterwards, never a mix."""
    a, b = tmp_path / 'a.yaml', tmp_path / 'b.yaml'
    both = set()
    for i in range(10):
        a.write_text(big_state(60, 1000 + i))
        b.write_text(big_state(80, 2000 + i))
        clients = [served.popen('apply', f) for f in (a, b)]
        results = [c.communicate(timeout=60) + (c.returncode,)
                   for c in clients]
        assert 0 in [r[2] for r in results], results
        for out, err, code in results:
            assert code == 0 or 'another apply' in err, (out, err)
        there = [served.socknet('apply', f, '--dry-run').code == 0
                 for f in (a, b)]
        assert sorted(there) == [False, True], results
        assert results[there.index(True)][2] == 0
        both.add(tuple(r[2] for r in results))
    print(both)


def report(site, node, generation, problems=()):
    for table, more in (
            ('Node_Status', {}),
            ('Bridge_Status', {'bridge': 'vmbr0', 'connected': True})):
        row = dict(more, node=node, generation=generation,
                   seen=int(time.time()),
                   problems=['set', list(problems)])
        site.transact(
            {'op': 'delete', 'table': table,
             'where': [['node', '==', node]]},
            {'op': 'insert', 'table': table, 'row': row})


def test_wait_for_confirmation(served, state):
    client = served.popen('apply', state, '--wait', '--timeout', 60)
    while not served.rows('Node'):
        time.sleep(0.01)
    report(served, 'n1', 1)
    time.sleep(0.3)
    assert client.poll() is None
    report(served, 'n2', 1)
    out, err = client.communicate(timeout=60)
    assert client.returncode == 0, (out, err)
    for who in 'n1: agent', 'n1: switch', 'n2: agent', 'n2: switch':
        assert f'{who} has confirmed' in err


def test_wait_names_who_lags(served, state):
    served.socknet('apply', state).ok()
    report(served, 'n1', 1)
    report(served, 'n2', 0, ['the switch refused flow x'])
    r = served.socknet('apply', state, '--wait', '--timeout', 2)
    r.fails('generation 1 is not confirmed everywhere after 2 s')
    assert 'n2' in r.out
    assert 'the switch refused flow x' in r.out
    assert 'n1' not in r.out


def test_removed_node_takes_its_status_along(served, state):
    served.socknet('apply', state).ok()
    report(served, 'n1', 1)
    report(served, 'n2', 1)
    state.write_text(re.sub(r'  n2:\n.*\n.*\n', '', STATE))
    served.socknet('apply', state).ok()
    assert [r['node'] for r in served.rows('Node_Status')] == ['n1']
    assert [r['node'] for r in served.rows('Bridge_Status')] == ['n1']


def wait_with_problem(site, state, meanwhile):
    """What `apply --wait` prints, of a problem about which something is done
    while it waits, and whether that was in time; how long it waited."""
    report(site, 'n2', 1, ['MAC address not known yet'])
    start = time.monotonic()
    client = site.popen('apply', state, '--wait')
    time.sleep(0.3)
    meanwhile()
    in_time = client.poll() is None
    out, err = client.communicate(timeout=60)
    assert client.returncode == 0, (out, err)
    return out, in_time, time.monotonic() - start


def test_lasting_problem_is_told(served, state):
    served.socknet('apply', state).ok()
    report(served, 'n1', 1)
    out, _, waited = wait_with_problem(served, state, lambda: None)
    assert 'MAC address not known yet' in out
    assert waited > 0.9


def test_problem_of_a_moment_is_none(served, state):
    served.socknet('apply', state).ok()
    report(served, 'n1', 1)
    for _ in range(10):
        out, in_time, _ = wait_with_problem(
            served, state, lambda: report(served, 'n2', 1))
        # On a busy machine its second may be over too soon.
        if in_time:
            break
    assert in_time and 'MAC address not known yet' not in out
