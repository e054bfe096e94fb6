"""Meters and groups, against a real switch: containers with a rate."""

import re

from scratch import Proxy, container, update, wait_for

OURS = 0x50000000


def rate(**numbers):
    return ['map', sorted([k, v] for k, v in numbers.items())]


def set_rate(world, name='c1', **numbers):
    world.db.apply(update('Container', [['name', '==', name]],
                          rate=rate(**numbers)))
    world.db.wait_enforced('a')


def meters(world):
    """The switch's meters: number -> text."""
    text = world.sw.ofctl('dump-meters')
    return {int(m.group(1)): re.sub(r'\s+', ' ', m.group(2)).strip()
            for m in re.finditer(r'^ ?meter=(\d+) ((?:.|\n(?=type))*)', text,
                                 re.M)}


def ours(world):
    return {k: v for k, v in meters(world).items() if k >> 28 == 5}


def users(world, meter):
    return [f for f in world.sw.our_flows() if 'meter:%d,' % meter in f]


def test_rate_comes_changes_and_goes(one):
    before = one.sw.our_flows()
    set_rate(one, egress_kbps=100000, ingress_kbps=50000, egress_pps=2000)
    have = ours(one)
    assert sorted(have.values()) == [
        'kbps burst stats bands= type=drop rate=100000 burst_size=20000',
        'kbps burst stats bands= type=drop rate=50000 burst_size=10000',
        'pktps burst stats bands= type=drop rate=2000 burst_size=400']
    assert all(users(one, m) for m in have)
    assert len(one.sw.our_flows()) == len(before)

    # Another rate is a change of the meter and of nothing else.
    was = one.c.stats()
    set_rate(one, egress_kbps=200000, ingress_kbps=50000, egress_pps=2000)
    now = one.c.stats()
    assert now['meter_mods_sent'] == was['meter_mods_sent'] + 1
    assert now['flow_mods_sent'] == was['flow_mods_sent']
    assert sorted(ours(one)) == sorted(have)
    assert 'rate=200000 burst_size=40000' in ' '.join(ours(one).values())

    set_rate(one)
    wait_for(lambda: not ours(one))
    assert one.sw.our_flows() == before
    assert one.c.stats()['repairs'] == 0


def test_no_difference_sends_nothing(one):
    set_rate(one, egress_kbps=100000)
    was = one.c.stats()
    set_rate(one, egress_kbps=100000)
    one.c.appctl('audit')
    one.c.stop()
    one.c.start()
    wait_for(lambda: one.c.stats()['flows_installed']
             == was['flows_installed'])
    one.c.appctl('audit')
    now = one.c.stats()
    for name in ('flow_mods_sent', 'group_mods_sent', 'meter_mods_sent'):
        assert now[name] == 0
    assert ' 0 differences' in one.c.appctl('recompute')


def test_change_while_down(one):
    """What nobody wants any more goes, others' stay."""
    set_rate(one, egress_kbps=100000)
    set_rate(one, 'c2', egress_kbps=70000)
    one.c.kill()
    one.sw.ofctl('add-meter', 'meter=7 kbps bands=type=drop rate=1')
    one.sw.ofctl('add-meter', 'meter=%d kbps bands=type=drop rate=2'
                 % (OURS + 5))
    one.sw.ofctl('add-group', 'group_id=7,type=all,bucket=actions=drop')
    one.sw.ofctl('add-group', 'group_id=%d,type=all,bucket=actions=drop'
                 % (OURS + 5))
    one.db.apply(update('Container', [['name', '==', 'c1']], rate=rate()),
                 update('Container', [['name', '==', 'c2']],
                        rate=rate(egress_kbps=80000)))
    one.c.start()
    one.db.wait_enforced('a')
    wait_for(lambda: len(ours(one)) == 1)
    assert ' rate=80000 ' in list(ours(one).values())[0]
    assert 7 in meters(one)
    wait_for(lambda: 'group_id=%d' % (OURS + 5)
             not in one.sw.ofctl('dump-groups'))
    assert 'group_id=7,' in one.sw.ofctl('dump-groups')
    assert one.c.stats()['repairs'] == 0


def test_others_changes_are_repaired(one):
    one.expected = ['changed by somebody else']
    set_rate(one, egress_kbps=100000)
    flows, have = one.sw.our_flows(), meters(one)
    number = list(have)[0]

    def repaired():
        wait_for(lambda: meters(one) == have and one.sw.our_flows() == flows)
        wait_for(lambda: ' 0 differences' in one.c.appctl('audit'))

    # Its flows go as well.
    one.sw.ofctl('del-meter', 'meter=%d' % number)
    repaired()
    one.sw.ofctl('mod-meter', 'meter=%d kbps bands=type=drop rate=1' % number)
    repaired()
    one.sw.ofctl('del-meters')
    one.sw.ofctl('del-flows')
    repaired()
    one.sw.ofctl('add-meter', 'meter=%d kbps bands=type=drop rate=2'
                 % (OURS + 5))
    repaired()
    assert one.db.status('a')['problems'] == []


def test_refused_meter(world):
    """Only the container that has it goes without flows."""
    world.expected = ['refuses', 'did not commit']
    world.db.create_mesh('a')
    world.sw = world.switch()
    world.sw.add_port('veth101')
    world.sw.add_port('veth102')
    refuse = [True]

    def answer(msg):
        # OFPT_METER_MOD; OFPET_METER_MOD_FAILED, OFPMMFC_OUT_OF_METERS.
        if msg[1] == 29 and refuse[0]:
            return Proxy.error(msg, 12, 10)
        return None

    proxy = Proxy(world.folder / 'proxy', world.sw, answer)
    world.things.append(proxy)
    world.db.apply(container(1, rate=rate(egress_kbps=100000)), container(2))
    world.c = world.controller('--node=a', '--bridge=a=' + proxy.target)
    wait_for(lambda: 'the switch refuses meter container:c1:egress '
             '(OFPMMFC_OUT_OF_METERS)' in
             ' '.join((world.db.status('a') or {'problems': []})['problems']))
    wait_for(lambda: [f for f in world.sw.our_flows()
                      if 'nw_src=10.0.0.3 ' in f])
    assert not [f for f in world.sw.our_flows() if 'meter:' in f]
    assert (world.db.status('a') or {}).get('generation') != \
        world.db.generation

    refuse[0] = False
    world.c.appctl('audit')
    world.db.wait_enforced('a')
    assert [f for f in world.sw.our_flows() if 'meter:' in f]
    assert world.db.status('a')['problems'] == []


def test_switch_without_meters(world):
    """Everything but the rate is enforced, and that is said."""
    world.db.create_mesh('a')
    world.sw = world.switch()
    world.sw.add_port('veth101')

    def answer(msg):
        # OFPT_MULTIPART_REQUEST, OFPMP_METER_FEATURES: none of anything.
        if msg[1] == 18 and msg[8:10] == b'\x00\x0b':
            body = msg[8:10] + bytes(6) + bytes(16)
            return (msg[:1] + b'\x13' + (8 + len(body)).to_bytes(2, 'big')
                    + msg[4:8] + body)
        return None

    proxy = Proxy(world.folder / 'proxy', world.sw, answer)
    world.things.append(proxy)
    world.db.apply(container(1, rate=rate(egress_kbps=100000)))
    world.c = world.controller('--node=a', '--bridge=a=' + proxy.target)
    world.db.wait_enforced('a')
    assert [f for f in world.sw.our_flows() if 'nw_src=10.0.0.2 ' in f]
    assert not ours(world)
    wait_for(lambda: world.db.status('a')['problems'] == [
        'container c1: its rate is not enforced: the datapath has no meters'])
    assert ' 0 differences' in world.c.appctl('recompute')

    # The same switch as it is.
    proxy.stop()
    world.c.stop()
    world.c = world.controller('--node=a', '--bridge=a=' + world.sw.target,
                               name='again')
    world.db.wait_enforced('a')
    wait_for(lambda: len(ours(world)) == 1)
    wait_for(lambda: world.db.status('a')['problems'] == [])


def test_switch_restarted(one):
    """It comes back without meters and groups."""
    one.expected = ['connection to .* lost', 'rconn']
    set_rate(one, egress_kbps=100000)
    have, flows = meters(one), one.sw.our_flows()
    one.sw.vswitchd.kill()
    one.sw.vswitchd.start()
    one.sw.wait_ready()
    wait_for(lambda: meters(one) == have and one.sw.our_flows() == flows)
    assert one.c.stats()['repairs'] == 0
