"""socknet node: what is asked for is in the database, and stays there."""

import pytest

KEY = 'VZDZxA+wzu5sNoLO8US4olWjWsI7bRblOCkvJlNkgnY='
NEXT = 'hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo='
STATE = """\
mesh: {name: m}
nodes:
  a: {endpoint: 198.51.100.1, subnet: 10.0.0.0/24}
  b: {endpoint: 198.51.100.2, subnet: 10.1.0.0/24}
"""


@pytest.fixture
def node(socknet, database, tmp_path):
    """node(WORD...) runs the command; node.export() is the state after."""
    def run(*words):
        return socknet('node', *words, db=database.remote)

    def apply(text=STATE):
        (tmp_path / 'state.yaml').write_text(text)
        return socknet('apply', 'state.yaml', db=database.remote).ok()
    run.apply = apply
    run.export = lambda: socknet('export', db=database.remote).ok().out
    apply()
    database.insert('Node_Status', node='b', public_key=KEY,
                    next_public_key=NEXT, seen=1)
    return run


def test_rotate_counts(node):
    for n in 1, 2:
        assert 'makes a new key' in node('rotate', 'b').ok().out
        assert f'key_epoch: {n}' in node.export()
    node.apply(STATE.replace('b: {', 'b: {key_epoch: 1, '))
    assert 'key_epoch: 2' in node.export()
    node.apply(STATE.replace('b: {', 'b: {key_epoch: 5, '))
    assert 'key_epoch: 5' in node.export()


def test_revoke_outlasts_apply_and_restore(node):
    assert 'is revoked' in node('revoke', 'b').ok().out
    assert 'nothing to change' in node('revoke', 'b').ok().out
    exported = node.export()
    assert 'revoked: true' in exported
    assert KEY in exported and NEXT in exported
    assert 'nothing to change' in node.apply().out
    assert node.export() == exported

    assert 'may come back' in node('restore', 'b').ok().out
    assert 'nothing to change' in node('restore', 'b').ok().out
    assert 'revoked' not in node.export() and KEY in node.export()
    node.apply()
    assert KEY in node.export()


def test_the_file_can_say_it(node):
    node.apply(STATE.replace('b: {', 'b: {revoked: true, '))
    assert 'revoked: true' in node.export()
    node.apply(STATE.replace('b: {', 'b: {revoked: false, '))
    assert 'revoked' not in node.export()


def test_what_is_exported_changes_nothing(node):
    node('revoke', 'b').ok()
    node('rotate', 'a').ok()
    assert 'nothing to change' in node.apply(node.export()).out


def test_status_of_a_revoked_node(socknet, node, database):
    node('revoke', 'b').ok()
    out = socknet('status', db=database.remote).ok().out
    assert 'b: the node is revoked' in out
    assert '`socknet node restore b`' in out
    out = socknet('nodes', db=database.remote).ok().out
    assert 'revoked' in out


@pytest.mark.parametrize('words, message', [
    (['rotate'], 'give one of rotate, revoke, restore'),
    (['turn', 'b'], 'give one of rotate, revoke, restore'),
    (['rotate', 'bb'], 'did you mean "b"?'),
    (['rotate', 'b', 'a'], 'give one of'),
])
def test_misuse(node, words, message):
    r = node(*words)
    assert r.code == 1 and message in r.err
    assert 'key_epoch' not in node.export()
