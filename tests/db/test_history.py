"""history, show, rollback, and apply --confirm against a real database."""

import hashlib
import os
import subprocess
import time

import pytest

from dbsite import STATE

OTHER = STATE.replace('db:5432', 'db:5433')


def eventually(condition, timeout=60):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, 'not in time'
        time.sleep(0.05)


@pytest.fixture
def other(tmp_path):
    path = tmp_path / 'other.yaml'
    path.write_text(OTHER)
    return path


@pytest.fixture
def daemon(served, builddir, tmp_path):
    """A controller at the local socket of the database."""
    log = tmp_path / 'controller.log'
    p = subprocess.Popen(
        [builddir / 'controller/socknet-controller', '--node=n1',
         f'--bridge=n1=unix:{tmp_path}/none.mgmt', f'--db={served.remote}',
         f'--state-dir={tmp_path}', f'--unixctl={tmp_path}/ctl',
         f'--log-file={log}', '-vconsole:off', '-vsyslog:off'],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = ['ovs-appctl', '-t', str(tmp_path / 'ctl'), 'status']
    eventually(lambda: 'database: connected' in subprocess.run(
        status, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True).stdout)
    yield log
    p.terminate()
    p.wait(60)


def confirm_within(site, seconds):
    """The time of a state that waits to be confirmed ends so long from now."""
    site.transact({'op': 'update', 'table': 'Mesh', 'where': [],
                   'row': {'confirm_within': max(seconds, 1),
                           'confirm_by': int(time.time()) + seconds}})


def history(site):
    return site.socknet('history', '--json').ok().json['revisions']


def port(site):
    return '5433' if '5433' in site.socknet('export').ok().out else '5432'


def test_history_and_show(served, state, other):
    assert history(served) == []
    served.socknet('apply', state).ok()
    served.socknet('apply', state).ok()         # Nothing: no revision.
    served.socknet('apply', other).ok()
    new, old = history(served)
    assert (old['revision'], new['revision']) == (1, 2)
    assert old['hash'] == hashlib.sha256(STATE.encode()).hexdigest()
    assert old['summary'] == '5 added, 1 changed, 0 removed'
    assert new['summary'] == '0 added, 1 changed, 0 removed'
    assert new['outcome'] == 'applied' and '@' in new['author']
    assert abs(new['time'] - time.time()) < 60
    assert served.socknet('show', 1).ok().out == STATE
    assert served.socknet('show', 2, '--json').json['files'] \
        == {str(other): OTHER}
    assert 'other.yaml' in served.socknet('history').ok().out
    served.socknet('show', 9).fails('no revision 9')
    served.socknet('show', 'x').fails('"x" is not the number')


def test_folder_comes_back(served, tmp_path, other):
    folder = tmp_path / 'state'
    folder.mkdir()
    mesh, rest = STATE.split('nodes:')
    (folder / 'a.yaml').write_text(mesh)
    (folder / 'b.yaml').write_text('nodes:' + rest)
    served.socknet('apply', folder).ok()
    served.socknet('apply', other).ok()
    served.socknet('rollback').ok()
    assert port(served) == '5432'
    assert 'b.yaml' in served.rows('Acl', 'source')[0]['source']
    assert history(served)[0]['hash'] == history(served)[2]['hash']
    assert '# ==> ' in served.socknet('show', 1).out


def test_rollback(served, state, other):
    served.socknet('rollback').fails('no other state')
    served.socknet('apply', state).ok()
    served.socknet('apply', other).ok()
    r = served.socknet('rollback', '--dry-run', '--json')
    assert r.code == 2 and r.json['changes'][0]['name'] == 'a'
    assert port(served) == '5433'
    served.socknet('rollback').ok()
    assert port(served) == '5432'
    assert history(served)[0]['action'] == 'rollback to 1'
    served.socknet('rollback', 2).ok()
    assert port(served) == '5433'
    assert 'nothing to change' in served.socknet('rollback', 2).ok().out
    served.socknet('rollback', 77).fails('no revision 77')


def test_old_revisions_go(served, state):
    for i in range(104):
        state.write_text(STATE.replace('5432', str(1000 + i)))
        served.socknet('apply', state).ok()
    numbers = [r['revision'] for r in history(served)]
    assert numbers == list(range(104, 4, -1))


def test_confirmed_in_time(served, state, other, daemon):
    served.socknet('apply', state, '--confirm', 30).fails('no state yet')
    served.socknet('apply', state).ok()
    r = served.socknet('apply', other, '--confirm', 60).ok()
    assert 'socknet confirm' in r.out
    assert 'waits to be confirmed' in served.socknet('status').out
    served.socknet('apply', state).fails('waits to be confirmed')
    served.socknet('node', 'rotate', 'n1').fails('waits to be confirmed')
    confirm_within(served, 8)
    ends = time.monotonic() + 8
    served.socknet('confirm').ok()
    assert history(served)[0]['outcome'] == 'confirmed'
    time.sleep(max(0, ends + 0.5 - time.monotonic()))
    assert port(served) == '5433'
    served.socknet('confirm').fails('nothing waits')


def test_not_confirmed(served, state, other, daemon):
    served.socknet('apply', state).ok()
    start = time.monotonic()
    served.socknet('apply', other, '--confirm', 5).ok()
    eventually(lambda: port(served) == '5432')
    assert time.monotonic() - start > 4.5
    new, undone, old = history(served)
    assert undone['outcome'] == 'undone'
    assert 'not confirmed' in new['action']
    assert new['author'].startswith('socknet-controller@')
    assert served.generation == 3
    assert 'back to the state before' in daemon.read_text()
    served.socknet('confirm').fails('nothing waits')
    served.socknet('apply', other).ok()
    assert port(served) == '5433'


def test_nobody_gets_less_time(served, state, other):
    """Whole seconds are in the database."""
    served.socknet('apply', state).ok()
    for text in other, state, other, state:
        start = time.time()
        served.socknet('apply', text, '--confirm', 5).ok()
        by = served.rows('Mesh', 'confirm_by')[0]['confirm_by']
        assert start + 5 <= by <= time.time() + 6
        served.socknet('confirm').ok()


def test_undone_by_a_controller_that_comes_later(served, state, other,
                                                 request):
    served.socknet('apply', state).ok()
    served.socknet('apply', other, '--confirm', 60).ok()
    confirm_within(served, -1)
    assert port(served) == '5433'
    served.socknet('confirm').fails('back at the state before')
    assert 'was not confirmed' in served.socknet('status').out
    request.getfixturevalue('daemon')
    eventually(lambda: port(served) == '5432')


def test_apply_after_the_time(served, state, other):
    """Without a controller that may write."""
    served.socknet('apply', state).ok()
    served.socknet('apply', other, '--confirm', 60).ok()
    confirm_within(served, -1)
    served.socknet('apply', state).ok()
    assert port(served) == '5432'
    assert [r['outcome'] for r in history(served)] \
        == ['applied', 'undone', 'applied']
    assert served.rows('Mesh', 'confirm_by')[0]['confirm_by'] == ['set', []]


def test_rollback_instead_of_confirm(served, state, other):
    served.socknet('apply', state).ok()
    served.socknet('apply', other, '--confirm', 60).ok()
    served.socknet('rollback').ok()
    assert port(served) == '5432'
    assert served.rows('Mesh', 'fallback')[0]['fallback'] == ['set', []]
    assert [r['outcome'] for r in history(served)] \
        == ['applied', 'undone', 'applied']


def test_nothing_to_confirm(served, state):
    served.socknet('apply', state).ok()
    r = served.socknet('apply', state, '--confirm', 60).ok()
    assert 'nothing to change' in r.out
    served.socknet('confirm').fails('nothing waits')


@pytest.mark.parametrize('seconds', ('0', '4', '86401', 'x', '-5'))
def test_bad_time(served, state, seconds):
    served.socknet('apply', state, f'--confirm={seconds}').fails(
        '--confirm takes seconds')
    assert history(served) == []


def test_author_is_who_called_sudo(served, state):
    env = dict(served.env, SUDO_USER='alice')
    subprocess.run([served.program, 'apply', state], env=env, check=True,
                   stdout=subprocess.DEVNULL)
    assert history(served)[0]['author'] == 'alice@' + os.uname().nodename


def sources(site):
    return sorted((r['name'], r['source'])
                  for table in ('Acl', 'Container', 'Node')
                  for r in site.rows(table, 'name', 'source'))


def test_undo_gives_places_back(served, state, other, daemon):
    """Flows go on to be explained by the operator's own file and line; and a
    database that restarts meanwhile does not stop the clock."""
    served.socknet('apply', state).ok()
    before = sources(served)
    assert all(str(state) in source for _, source in before)
    served.socknet('apply', other, '--confirm', 60).ok()
    assert sources(served) != before
    served.stop(9)
    served.serve().ok()
    assert port(served) == '5433'
    assert 'waits to be confirmed' in served.socknet('status').out
    confirm_within(served, 3)
    served.stop(9)
    served.serve().ok()
    eventually(lambda: port(served) == '5432')
    assert [r['outcome'] for r in history(served)] \
        == ['applied', 'undone', 'applied']
    assert sources(served) == before
    assert f'({state}:' in served.socknet('explain', cookie(served)).ok().out
    # What it wrote can be gone back to, and is what it was.
    served.socknet('apply', other).ok()
    served.socknet('rollback').ok()
    assert port(served) == '5432'


def cookie(site):
    """Of a flow of the rule."""
    for line in site.socknet('flows', '--node', 'n1').ok().out.splitlines():
        if 'cookie=0x5307' in line:
            return line.split('cookie=')[1].split(',')[0]
    raise AssertionError('no flow of an acl')


def test_rollback_of_what_waits_gives_places_back(served, state, other):
    served.socknet('apply', state).ok()
    before = sources(served)
    served.socknet('apply', other, '--confirm', 60).ok()
    served.socknet('rollback').ok()
    assert sources(served) == before


def test_rollback_tells_for_whom(served, state, other):
    served.socknet('apply', state).ok()
    served.socknet('apply', other).ok()
    for args in ('--dry-run',), ():
        r = served.socknet('rollback', '--json', *args)
        assert {d['what'] for d in r.json['allowed']} == {'tcp/5432'}
        assert {d['what'] for d in r.json['denied']} == {'tcp/5433'}
    served.socknet('rollback', '1', '--dry-run').ok()
    assert 'Nothing is newly allowed' in served.socknet('rollback',
                                                        '1').ok().out


def test_rollback_of_a_rollback(served, state, other):
    served.socknet('apply', state).ok()
    served.socknet('apply', other).ok()
    for expected in '5432', '5433', '5432':
        served.socknet('rollback').ok()
        assert port(served) == expected


def test_command_killed_while_it_applies(served, state, other, daemon):
    """The timer and the change are one transaction: both or neither."""
    served.socknet('apply', state).ok()
    for delay in 0, 0.01, 0.02, 0.03, 0.05:
        p = served.popen('apply', str(other), '--confirm', '60', '--wait')
        time.sleep(delay)
        p.kill()
        p.wait(60)
        time.sleep(0.2)
        # At one time: what it sent may just be carried out.
        acls, meshes = [r['rows'] for r in served.transact(
            {'op': 'select', 'table': 'Acl', 'where': []},
            {'op': 'select', 'table': 'Mesh', 'where': []})]
        changed = '5433' in str(acls[0]['dst'])
        mesh = meshes[0]
        assert changed == (mesh['confirm_by'] != ['set', []])
        assert changed == (mesh['fallback'] != ['set', []])
        if changed:
            served.socknet('rollback').ok()
            assert port(served) == '5432'


def test_two_operators_at_once(served, state, other, tmp_path):
    """One of them is told; the timer is that of the state in force."""
    third = tmp_path / 'third.yaml'
    third.write_text(STATE.replace('db:5432', 'db:5434'))
    served.socknet('apply', state).ok()
    ps = [served.popen('apply', str(path), '--confirm', '60')
          for path in (other, third)]
    codes = [p.wait(60) for p in ps]
    assert sorted(codes) == [0, 1]
    winner = ('5433', '5434')[codes.index(0)]
    assert winner in served.socknet('export').ok().out
    assert history(served)[0]['outcome'] == 'pending'
    assert len(history(served)) == 2
    served.socknet('confirm').ok()
    assert winner in served.socknet('export').ok().out


def test_confirm_and_rollback_at_once(served, state, other):
    served.socknet('apply', state).ok()
    served.socknet('apply', other, '--confirm', 60).ok()
    ps = [served.popen(word) for word in ('confirm', 'rollback')]
    codes = [p.wait(60) for p in ps]
    assert 0 in codes
    outcome = [r['outcome'] for r in history(served) if r['revision'] == 2]
    if codes[0] == 0 and codes[1] != 0:
        assert outcome == ['confirmed'] and port(served) == '5433'
    elif codes[0] != 0:
        assert outcome == ['undone'] and port(served) == '5432'
    assert served.rows('Mesh', 'confirm_by')[0]['confirm_by'] == ['set', []]


def test_clock_of_the_operator_is_wrong(served, state, other, daemon):
    """Who sees the state arrive counts from then on, whatever the clocks
    say."""
    served.socknet('apply', state).ok()
    served.socknet('apply', other, '--confirm', 60).ok()
    by = served.rows('Mesh', 'confirm_by')[0]['confirm_by']
    started = time.monotonic()
    served.transact({'op': 'update', 'table': 'Mesh', 'where': [],
                     'row': {'confirm_by': by - 3600, 'confirm_within': 5}})
    eventually(lambda: port(served) == '5432')
    assert time.monotonic() - started > 4.5


def ask(site, created):
    site.transact({'op': 'insert', 'table': 'Request',
                   'row': {'asker': 'killed', 'node': 'n1', 'kind': 'trace',
                           'created': int(created)}})
    assert len(site.rows('Request')) == 1


@pytest.mark.skipif('SOCKNET_SLOW' not in os.environ,
                    reason='waits 60 s; set SOCKNET_SLOW to run it')
def test_controller_removes_what_nobody_waits_for(served, state, daemon):
    served.socknet('apply', state).ok()
    ask(served, time.time())
    eventually(lambda: not served.rows('Request'), 75)


def test_command_removes_what_nobody_waits_for(served, state):
    served.socknet('apply', state).ok()
    ask(served, time.time() - 3600)
    r = served.socknet('trace', 'node:n1', 'internet', '--wait', '1')
    assert r.code == 1 and 'the agent of n1 does not answer' in r.out
    assert not served.rows('Request')
