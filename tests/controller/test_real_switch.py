"""Random states: what their rules say, what `socknet why` finds in their
flows, and what becomes of real packets in a real switch with real conntrack
have to be the same, for every pair, and `socknet prove` has to prove them.  A
disagreement is made as small as it gets, and printed.

SOCKNET_STATES=N tries N states, from number SOCKNET_SEED on, and
SOCKNET_TRACES=N has N of them, with more in them, verified by `plan --verify`;
`make check-random` tries some hundreds."""

import os
import re
import time

import pytest

import random_state as states
from real_switch import Fabric

FIRST = int(os.environ.get('SOCKNET_SEED') or 0)
N_STATES = int(os.environ.get('SOCKNET_STATES') or 40)
N_TRACES = int(os.environ.get('SOCKNET_TRACES') or 5)


@pytest.fixture(scope='module')
def fabric(builddir, tmp_path_factory):
    f = Fabric(tmp_path_factory.mktemp('fabric'), builddir / 'cli/socknet')
    try:
        yield f
    finally:
        f.stop()


def fails(fabric, sabotage=None):
    """Whether there is a disagreement about a state, for shrink()."""
    def try_it(state):
        try:
            return bool(fabric.compare(state, sabotage))
        except AssertionError:          # Not a state that loads.
            return False
    return try_it


def report(fabric, state, sabotage=None):
    small = states.shrink(state, fails(fabric, sabotage))
    lines = ['%s -> %s %s: the rules say "%s", the flows "%s", the switch '
             '"%s"' % (*key, *said)
             for key, said in sorted(fabric.compare(small, sabotage).items())]
    return small, '\n'.join(['', *lines, '', states.yaml(small)])


def test_rules_flows_and_switch_agree(fabric):
    start, pairs, verdicts = time.monotonic(), 0, set()
    for seed in range(FIRST, FIRST + N_STATES):
        state = states.make(seed)
        if fabric.compare(state):
            pytest.fail('state %d: %s' % (seed, report(fabric, state)[1]),
                        pytrace=False)
        pairs += len(states.expected(state))
        verdicts |= set(states.expected(state).values())
    assert len(verdicts) >= 10          # Else it tests little.
    print('%d states, %d pairs, %d packets, %.1f s' % (
        N_STATES, pairs, fabric.n_packets, time.monotonic() - start))


def test_trace_agrees(fabric):
    """The flows that each packet meets, with services, IPv6 and rates."""
    start, packets, objects = time.monotonic(), 0, 0
    for seed in range(FIRST, FIRST + N_TRACES):
        state = states.enrich(states.make(seed), seed)
        result = fabric.verify(state)
        if result['failed']:
            small = states.shrink(state, lambda s: differs(fabric, s))
            pytest.fail('state %d: %s\n%s' % (
                seed, {k: v for k, v in fabric.verify(small).items()
                       if k in ('differences', 'refutations')},
                states.yaml(small)), pytrace=False)
        packets += result['verified']['packets']
        objects += result['verified']['groups_and_meters']
    assert objects > 3 * N_TRACES
    print('%d states, %d packets traced, %.1f s' % (
        N_TRACES, packets, time.monotonic() - start))


def differs(fabric, state):
    try:
        return bool(fabric.verify(state)['failed'])
    except (AssertionError, KeyError):  # Not a state that loads.
        return False


def test_disagreement_is_made_small(fabric):
    """A switch in whose flows one port is another."""
    def sabotage(flows):
        return re.sub(r'(table=28,.*)ct_tp_dst=22\b', r'\1ct_tp_dst=23', flows)

    state = next(s for s in map(states.make, range(1000))
                 if fabric.compare(s, sabotage))
    small, text = report(fabric, state, sabotage)
    assert len(small['containers']) <= 2 and len(small['rules']) == 1
    assert len(small['rules'][0]['src'] + small['rules'][0]['dst']) == 2
    assert not small['segments'] and small['default'] == 'deny'
    assert 'tcp/22: the rules say "' in text
    assert text.count('hwaddr') == len(small['containers'])
