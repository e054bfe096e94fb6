"""Controllers that stand by for each other: one is active, and two never
fight."""

import re
import signal
import threading
import time

import pytest

from scratch import container, update, wait_for


@pytest.fixture
def two(world):
    """A bridge with two controllers of one group."""
    world.db.create_mesh('a')
    world.sw = world.switch()
    for n in (1, 2):
        world.sw.add_port('veth%d' % (100 + n))
    world.db.apply(*[container(n) for n in (1, 2)])

    def start(name, start=True):
        return world.controller(
            '--node=a', '--bridge=a=' + world.sw.target, '--standby=g',
            '--state-dir=%s' % (world.folder / name), name=name, start=start)
    world.make = start
    world.x, world.y = start('x'), start('y')
    world.db.wait_enforced('a')
    wait_for(lambda: sorted(turn(c) for c in (world.x, world.y))
             == ['active', 'standing by'])
    if turn(world.y) == 'active':
        world.x, world.y = world.y, world.x
    return world


def turn(controller):
    m = re.search(r'turn: (.*)', controller.appctl('status', check=False))
    return m and m[1]


def stats(controller):
    return {k: int(v) for k, v in re.findall(
        r'^\s*([\w-]+):\s*(\d+)\s*$', controller.appctl('stats'), re.M)}


def is_enforced(world):
    rows = world.db.transact({'op': 'select', 'table': 'Bridge_Status',
                              'where': []})[0]['rows']
    return rows and rows[0]['generation'] == world.db.generation


def test_killed(two):
    """The other one takes over, and sends nothing where nothing changed."""
    flows = two.sw.our_flows()
    assert flows and stats(two.y)['flow_mods_sent'] == 0
    two.x.kill()
    wait_for(lambda: turn(two.y) == 'active')
    assert two.sw.our_flows() == flows
    assert stats(two.y)['flow_mods_sent'] == 0
    # It does what is to be done from now on.
    two.sw.add_port('veth103')
    two.db.apply(container(3))
    wait_for(lambda: is_enforced(two))
    assert stats(two.y)['flow_mods_sent'] > 0
    # The former one comes back and stands by.
    two.x.start()
    wait_for(lambda: turn(two.x) == 'standing by')
    assert turn(two.y) == 'active'
    wait_for(lambda: 'wanted' in two.x.appctl('status'))
    assert stats(two.x)['flow_mods_sent'] == 0


def test_flows_deleted(two):
    """One repairs, not both."""
    flows = two.sw.our_flows()
    two.sw.ofctl('del-flows', 'table=0')
    wait_for(lambda: two.sw.our_flows() == flows)
    # It counts them when the switch has said that it did it.
    wait_for(lambda: stats(two.x)['repairs'] > 0)
    assert stats(two.y)['repairs'] == 0
    two.expected.append('were changed by somebody else')


def test_hung(two):
    """A hung one wakes up with something to send that is not wanted any more:
    the switch refuses it."""
    two.expected += ['Unreasonably long', 'context switches', 'faults:',
                     'inactivity', 'Dropped', 'wakeup', 'CPU usage',
                     'disk:']
    two.x.process.send_signal(signal.SIGSTOP)
    # The database misses it after its probes: here it is helped.
    two.db.server.stop()
    two.db.server.start()
    wait_for(lambda: turn(two.y) == 'active', timeout=30)
    two.sw.add_port('veth103')
    two.db.apply(container(3))
    wait_for(lambda: is_enforced(two))
    flows = two.sw.our_flows()
    sent = stats(two.y)['flow_mods_sent']
    two.x.process.send_signal(signal.SIGCONT)
    wait_for(lambda: turn(two.x) == 'standing by')
    time.sleep(0.5)
    assert two.sw.our_flows() == flows
    assert stats(two.y)['flow_mods_sent'] == sent
    assert stats(two.y)['repairs'] == 0


def test_cut_off_from_the_database(two):
    """Who was active goes on without the database, and repairs; both do not
    claim the bridge by turns when it is back."""
    flows = two.sw.our_flows()
    two.db.server.stop()
    two.sw.ofctl('del-flows', 'table=0')
    two.expected.append('were changed by somebody else')
    wait_for(lambda: two.sw.our_flows() == flows)
    assert turn(two.x) == 'active' and turn(two.y) == 'standing by'
    two.expected += [r'vmbr0.mgmt lost', 'connection failed']
    # Also on a new connection.
    two.sw.vswitchd.stop()
    two.sw.vswitchd.start()
    two.sw.wait_ready()
    wait_for(lambda: two.sw.our_flows() == flows)
    two.db.server.start()
    two.db.apply(update('Mesh', [], default_policy='deny'))
    wait_for(lambda: is_enforced(two), timeout=30)
    wait_for(lambda: sorted(turn(c) for c in (two.x, two.y))
             == ['active', 'standing by'])


def test_last_one_wins(two):
    """A third one that asks for another lock takes the bridge; the one that
    had it takes it back after a while, and says so."""
    two.expected.append('does not ask for the same lock')
    two.y.stop()
    other = two.controller('--node=a', '--bridge=a=' + two.sw.target,
                           '--standby=other', name='other')
    wait_for(lambda: [turn(c) for c in (two.x, other)]
             == ['standing by', 'active'])
    wait_for(lambda: [turn(c) for c in (two.x, other)]
             == ['active', 'standing by'])
    assert 'does not ask for the same lock' in two.x.log.read_text()
    other.stop()


def test_many_takeovers(two):
    """Somebody changes the state all the time; whoever is active enforces it,
    and at the end everything is as compiled."""
    stop = threading.Event()

    def churn():
        policies = ['deny', 'allow']
        while not stop.wait(0.05):
            two.db.apply(update('Mesh', [], default_policy=policies[0]))
            policies.reverse()
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(4):
            two.x.kill()
            wait_for(lambda: turn(two.y) == 'active')
            two.x.start()
            two.x, two.y = two.y, two.x
    finally:
        stop.set()
        thread.join()
    wait_for(lambda: is_enforced(two))
    single = two.controller('--node=a', '--bridge=a=' + two.sw.target,
                            '--state-dir=%s' % (two.folder / 'single'),
                            name='single', start=False)
    flows = two.sw.our_flows()
    two.x.stop()
    two.y.stop()
    single.start()
    wait_for(lambda: re.search(r'generation: (\d+) wanted, \1 enforced',
                               single.appctl('status')))
    assert two.sw.our_flows() == flows
    assert stats(single)['flow_mods_sent'] == 0
