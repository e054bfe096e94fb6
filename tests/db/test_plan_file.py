"""plan --out PLAN and apply PLAN."""

import json
import os
import stat

import pytest

from dbsite import STATE, Site

OTHER = STATE.replace('db:5432', 'db:5433')


@pytest.fixture
def applied(served, state):
    served.socknet('apply', state).ok()
    return served


@pytest.fixture
def other(tmp_path):
    path = tmp_path / 'other.yaml'
    path.write_text(OTHER)
    return path


def pending(result):
    assert result.code == 2, (result.out, result.err)
    return result


@pytest.fixture
def plan(applied, other, tmp_path):
    path = tmp_path / 'plan.json'
    pending(applied.socknet('plan', other, '--out', path))
    return path


def exported(site):
    return site.socknet('export').ok().out


def unchanged(site, *args, message):
    before = exported(site), site.generation
    site.socknet(*args).fails(message)
    assert (exported(site), site.generation) == before


def test_plan_is_carried_out(applied, plan, other):
    assert stat.S_IMODE(os.stat(plan).st_mode) == 0o600
    other.unlink()                      # It is all in the plan.
    r = applied.socknet('apply', plan, '--json').ok().json
    assert [(c['change'], c['name']) for c in r['changes']] == \
        [('changed', 'a')]
    assert 'db:5433' in exported(applied)
    newest = applied.socknet('history', '--json').ok().json['revisions'][0]
    assert newest['path'] == str(other)
    assert applied.socknet('show', 2).ok().out == OTHER
    # Once carried out, it is of the past.
    unchanged(applied, 'apply', plan, message='the state has changed since')


def test_first_state(served, state, tmp_path):
    plan = tmp_path / 'plan'
    pending(served.socknet('plan', state, '--out', plan))
    served.socknet('apply', plan).ok()
    assert 'db:5432' in exported(served)
    unchanged(served, 'apply', plan, message='then: no state yet; now: rev')


def test_nothing_to_change(applied, state, tmp_path):
    plan = tmp_path / 'plan'
    applied.socknet('plan', state, '--out', plan).ok()
    assert 'nothing to change' in applied.socknet('apply', plan).ok().out


def test_base_has_changed(applied, plan, tmp_path):
    third = tmp_path / 'third.yaml'
    third.write_text(STATE.replace('db:5432', 'db:1'))
    applied.socknet('apply', third).ok()
    unchanged(applied, 'apply', plan, message='then: revision 1')
    # Also if all is as it was: somebody may have seen it otherwise.
    applied.socknet('rollback').ok()
    unchanged(applied, 'apply', plan, message='socknet history')


def test_another_database(plan, builddir, state, tmp_path):
    site = Site(builddir / 'cli/socknet', tmp_path / 'other')
    site.folder.mkdir()
    site.serve().ok()
    try:
        unchanged_empty = site.socknet('apply', plan)
        unchanged_empty.fails('now: no state yet')
        site.socknet('apply', state).ok()
        unchanged(site, 'apply', plan, message='another database, of mesh')
    finally:
        site.stop()


def test_confirm(applied, plan):
    applied.socknet('apply', plan, '--confirm', 60).ok()
    assert 'db:5433' in exported(applied)
    applied.socknet('rollback').ok()
    assert 'db:5432' in exported(applied)


def test_dry_run(applied, plan):
    pending(applied.socknet('apply', plan, '--dry-run'))
    assert 'db:5432' in exported(applied)
    applied.socknet('apply', plan).ok()


@pytest.mark.parametrize('edit, message', [
    (lambda d: d['proposal']['files'][0].update(text=STATE), 'was edited'),
    (lambda d: d['base'].update(revision=7), 'was edited'),
    (lambda d: d.update(socknet_plan=2), 'version 2 of the format'),
    (lambda d: d.update(socknet_plan='1'), 'nothing of its version'),
    (lambda d: d.pop('hash'), 'it has no hash'),
    (lambda d: d.update(hash=7), 'it has no hash'),
])
def test_edited(applied, plan, edit, message):
    data = json.loads(plan.read_text())
    edit(data)
    plan.write_text(json.dumps(data))
    unchanged(applied, 'apply', plan, message=message)


def test_layout_does_not_count(applied, plan):
    plan.write_text('\n ' + json.dumps(json.loads(plan.read_text())))
    applied.socknet('apply', plan).ok()


@pytest.mark.parametrize('size', [0.2, 0.5, 0.99])
def test_truncated(applied, plan, size):
    text = plan.read_text().rstrip()
    # Whichever of its members come first.
    data = json.loads(text)
    text = json.dumps({'socknet_plan': 1, **data})
    plan.write_text(text[:int(len(text) * size)])
    unchanged(applied, 'apply', plan, message='it is damaged')


def test_folder(applied, other, tmp_path):
    folder = tmp_path / 'state'
    folder.mkdir()
    mesh, rest = OTHER.split('nodes:')
    (folder / 'a.yaml').write_text(mesh)
    (folder / 'b.yaml').write_text('nodes:' + rest)
    plan = tmp_path / 'plan'
    pending(applied.socknet('plan', folder, '--out', plan))
    applied.socknet('apply', plan).ok()
    assert 'db:5433' in exported(applied)


def test_misuse(applied, plan, other, tmp_path):
    applied.socknet('plan', other, '--from', other, '--out', plan) \
        .fails('--out keeps what the database holds')
    applied.socknet('apply', plan, '--node', 'n1') \
        .fails('a plan names its node')
    applied.socknet('plan', plan).fails('is a plan already')
    applied.socknet('plan', other, '--out', tmp_path / 'no/such/plan') \
        .fails('cannot write')
    other.write_text('x: 1')
    applied.socknet('plan', other, '--out', tmp_path / 'p').fails('error')
    assert not (tmp_path / 'p').exists()
