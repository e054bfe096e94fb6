"""What the controller does while there is nothing to do."""

import re
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


def n_waits(c):
    """How often something was waited for."""
    m = re.search(r'poll_create_node.* total: (\d+)',
                  c.appctl('coverage/show'))
    return int(m.group(1)) if m else 0


def test_a_database_that_does_not_answer_costs_nothing(
        tmp_path, builddir, mute_database):
    class Mute:
        remote = mute_database

    c = scratch.Controller(
        tmp_path, builddir / 'controller' / 'socknet-controller', Mute,
        ['--node=a', '--bridge=a=unix:%s/none.mgmt' % tmp_path])
    c.start()
    try:
        before = n_waits(c)
        time.sleep(1)
        assert n_waits(c) - before < 5000
    finally:
        c.stop()
