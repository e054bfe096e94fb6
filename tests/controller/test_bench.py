"""The benches' own parts: a fleet of simulated switches beside a real one,
and what is said of how figures grow."""

import pathlib
import re
import sys
import zlib

import pytest
import scratch

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / 'tests' / 'bench'))
import fleet                                                # noqa: E402
import growth                                               # noqa: E402


@pytest.fixture
def hosts(world, builddir):
    """Three hosts of four containers; the last has a real switch."""
    shape = fleet.Shape(3, 4)
    switches = fleet.Switches(world.folder, builddir)
    world.things.append(switches)
    switches.start()
    world.sw = world.switch()
    for h in (0, 1):
        switches.add(shape, h)
    for j in range(4):
        world.sw.add_port('veth%d' % (shape.first_id(2) + j))
    fleet.declare(world.db, shape)
    confirmations = fleet.Confirmations(world.db.remote)
    world.c = world.controller('--all', '--bridge=h2=' + world.sw.target,
                               '--bridge=*=unix:%s/%%n.mgmt' % world.folder)
    confirmations.wait(['h0', 'h1', 'h2'], world.db.generation, 60)
    world.switches, world.shape = switches, shape
    world.confirmations = confirmations
    return world


def no_counts(text):
    return sorted(re.sub(r'(n_packets|n_bytes|duration|idle_age|hard_age)'
                         r'=[^ ,]*,? ?', '', x).strip()
                  for x in text.splitlines() if 'actions=' in x)


def test_a_simulated_switch_holds_what_it_is_sent(hosts):
    count = hosts.switches.count()
    stats = hosts.c.stats()
    real = len(hosts.sw.our_flows())
    assert count['flows'] + real == stats['flows_desired']
    assert count['connected'] == count['touched'] == 2
    assert count['mods'] + real == stats['flow_mods_sent']
    assert len(no_counts(hosts.switches.command('flows', 'h1'))) \
        == len(no_counts(hosts.c.appctl('flows/dump', 'h1'))) > real / 2
    assert 'differences' in hosts.c.appctl('audit')
    assert not re.search(r'[1-9]\d* differences', hosts.c.appctl('audit'))

    hosts.c.kill()
    hosts.c.start()
    scratch.wait_for(lambda: hosts.c.stats()['flows_installed']
                     == stats['flows_desired'])
    assert hosts.c.stats()['flow_mods_sent'] == 0


def test_a_simulated_port_comes_and_goes(hosts):
    before = hosts.switches.count()['flows']
    port = ('h0', 'veth%d' % hosts.shape.first_id(0))
    hosts.switches.mark()
    hosts.switches.command('unplug', *port)
    scratch.wait_for(lambda: hosts.switches.count()['flows'] < before)
    hosts.switches.command('plug', *port)
    scratch.wait_for(lambda: hosts.switches.count()['flows'] == before)
    count = hosts.switches.count()
    assert count['touched'] == 1 and count['bytes'] > 0
    assert count['first_us'] <= count['last_us']


def test_hosts_that_only_confirm(hosts):
    db = hosts.db
    others = fleet.Hosts(db.remote, ['x1', 'x2'])
    try:
        db.apply(scratch.acl('new', 'tag:monitor', '* 1'))
        hosts.confirmations.wait(['h0', 'h1', 'h2', 'x1', 'x2'],
                                 db.generation, 60)
        assert others.received() > 0
    finally:
        others.close()


@pytest.mark.parametrize('k', [0, 1, 2, 0.5])
def test_exponent(k):
    assert growth.exponent([(x, 3 * x ** k) for x in (1, 10, 50)]) \
        == pytest.approx(k)
    assert growth.exponent([(1, 5)]) is None


def test_plots(tmp_path):
    series = {'flat': [(1, 5), (10, 5), (100, 5)],
              'steep': [(1, 1), (10, 100), (100, 10000)]}
    text = growth.text('costs', 'hosts', series)
    assert 'flat' in text and 'hosts^0.00' in text and 'hosts^2.00' in text
    rows = [x[10:] for x in text.splitlines() if ' |' in x]
    assert [r.find('b') for r in rows if 'b' in r] == [60, 30, 0]
    assert [len(r.replace(' ', '')) for r in rows if 'a' in r] == [3]

    growth.png(tmp_path / 'x.png', series, 200, 100)
    png = (tmp_path / 'x.png').read_bytes()
    assert png.startswith(b'\x89PNG\r\n\x1a\n')
    at = png.index(b'IDAT')
    size = int.from_bytes(png[at - 4:at], 'big')
    raw = zlib.decompress(png[at + 4:at + 4 + size])
    assert len(raw) == 100 * (1 + 3 * 200)
    assert bytes(growth.COLOURS[0]) in raw and \
        bytes(growth.COLOURS[1]) in raw
