"""plan on random changes of random states: the pairs that it names as newly
allowed or denied are those of which the rules, read by themselves, say so."""

import json
import os
import random
import re
import subprocess

import pytest

import random_state as states

N_CHANGES = int(os.environ.get('SOCKNET_CHANGES') or 60)


def change(state, rng):
    """Another state: one or two of the steps that make it smaller."""
    for _ in range(rng.randint(1, 2)):
        state = rng.choice(list(states.smaller(state)))
    return state


def arrives(verdict):
    return verdict is not None and verdict != 'dropped'


def changed(old, new):
    """The pairs of containers, and of one with the internet, that change."""
    allowed, denied = set(), set()
    was, now = states.expected(old), states.expected(new)
    for key in set(was) | set(now):
        if key[1] in states.OTHERS and key[1] != '1.1.1.1':
            continue
        before, after = arrives(was.get(key)), arrives(now.get(key))
        if before != after:
            (allowed if after else denied).add(key)
    return allowed, denied


def named(records):
    """The same of what plan says, for the ports of random_state."""
    keys = set()
    for r in records:
        what = re.fullmatch(r'(ping|tcp|udp)(?:/(\d+)(?:-(\d+))?)?', r['what'])
        kind, first, last = what.groups()
        for proto in states.PROTOS:
            name, _, port = proto.partition('/')
            if kind == 'ping':
                if name != 'icmp':
                    continue
            elif name != kind or not \
                    int(first) <= int(port) <= int(last or first):
                continue
            for src in r['srcs']:
                for dst in r['dsts']:
                    if not (src + dst).count(':') and src != dst:
                        to = '1.1.1.1' if dst == 'internet' else dst
                        keys.add((src, to, proto))
    return keys


@pytest.mark.parametrize('back', [False, True])
def test_random_changes(builddir, tmp_path, back):
    old, new = tmp_path / 'old.yaml', tmp_path / 'new.yaml'
    n = 0
    for seed in range(N_CHANGES):
        a = states.make(seed)
        b = change(a, random.Random(seed))
        if back:
            a, b = b, a
        old.write_text(states.yaml(a))
        new.write_text(states.yaml(b))
        r = subprocess.run([builddir / 'cli/socknet', 'plan', new, '--from',
                            old, '--json'], capture_output=True, text=True,
                           timeout=60)
        if 'error:' in r.stderr:            # A segment lost its exits.
            continue
        assert r.returncode in (0, 2), r.stderr
        out = json.loads(r.stdout)
        allowed, denied = changed(a, b)
        context = '%s\nbecomes\n%s' % (states.yaml(a), states.yaml(b))
        assert named(out.get('allowed', [])) == allowed, context
        assert named(out.get('denied', [])) == denied, context
        n += len(allowed) + len(denied)
    assert n > 5 * N_CHANGES
