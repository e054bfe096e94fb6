"""What the controller does while there is nothing to do."""

import socket
import time

import pytest
import scratch


@pytest.fixture
def mute_database(tmp_path):
    """Accepts connections and answers nothing, as one that hangs, or one whose
    first answer is long."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / 'mute.sock'))
        listener.listen()
        yield 'unix:%s' % (tmp_path / 'mute.sock')


def test_a_database_that_does_not_answer_costs_nothing(
        tmp_path, builddir, mute_database):
    class Mute:
        remote = mute_database

    c = scratch.Controller(
        tmp_path, builddir / 'controller' / 'socknet-controller', Mute,
        ['--node=a', '--bridge=a=unix:%s/none.mgmt' % tmp_path])
    c.start()
    try:
        before = c.n_waits()
        time.sleep(1)
        assert c.n_waits() - before < 5000
    finally:
        c.stop()
