"""Random states, what their rules say, and how to make them smaller.

A state is a plain dictionary.  `expected` reads its rules as a person would:
it knows nothing of flows, tables or identities."""

import copy
import fnmatch
import ipaddress
import json
import random

# Addresses that are no container's: which node's, or None.
OTHERS = {'1.1.1.1': None, '10.0.0.1': 0, '10.1.0.1': 1}
PROTOS = ['tcp/22', 'tcp/80', 'udp/53', 'icmp']
TAGS = ['a', 'b', 'c']
N_CONTAINERS = 8


def make(seed):
    """Two nodes, eight containers, rules of all kinds."""
    rng = random.Random(seed)
    containers = [
        {'node': i // 4, 'number': 100 + i,
         'tags': rng.sample(TAGS, rng.randint(0, 2)),
         'exit': i < 4 and rng.random() < 0.4}
        for i in range(N_CONTAINERS)]
    names = [name(c) for c in containers]
    exits = [name(c) for c in containers if c['exit']]
    ends = names + ['tag:' + t for t in TAGS] + [
        '*', 's', '10.0.0.0/24', '10.1.0.0/25', '10.0.0.100/30', 'c10[0-5]']
    rules = []
    for i in range(rng.randint(2, 8)):
        proto, ports = rng.choice([
            ('tcp', ':22'), ('tcp', ':22,80'), ('tcp', ':1-79'),
            ('udp', ':53'), ('tcp', ''), ('icmp', ''), ('any', '')])
        src = rng.sample(ends, rng.randint(1, 2))
        dst = rng.sample(ends + ['node:n0', 'node:n1'], rng.randint(1, 3))
        if rng.random() < 0.15:
            src = ['node:n%d' % rng.randint(0, 1)]
        if exits and rng.random() < 0.3:
            src, dst = rng.sample(exits, 1), dst + ['internet']
        rules.append({
            'tier': 'emergency' if rng.random() < 0.15 else 'acls',
            'name': 'r%d' % i, 'proto': proto, 'src': src, 'dst': dst,
            'action': rng.choice(['accept', 'accept', 'deny']),
            'ports': ports})
    segments = {'s': {'members': ['tag:a', names[1]]}}
    if rng.random() < 0.5:
        segments['t'] = {'members': ['tag:b'], 'isolated_from': ['s']}
    state = {'default': rng.choice(['deny', 'allow']), 'rules': rules,
             'containers': containers, 'segments': segments}
    for key, segment in segments.items():
        if rng.random() < 0.4:
            able = all(c['exit'] for c in containers if covers(state, key, c))
            segment['internet'] = 'exit' if able else 'deny'
    return state


# A container.

def name(c):
    return 'c%d' % c['number']


def veth(c):
    return 'veth%di0' % c['number']


def mac(c):
    return '02:00:00:00:01:%02x' % c['number']


def address(c):
    return '10.%d.0.%d' % (c['node'], c['number'])


def find(state, **what):
    return next(c for c in state['containers']
                if all(c[k] == v for k, v in what.items()))


def called(state, text):
    return next((c for c in state['containers'] if name(c) == text), None)


# The file.

def yaml(state):
    text = 'mesh: {name: m, prefix: 100.64.0.0/24, default_policy: %s}\n' \
        % state['default'] + 'nodes:\n'
    for n in range(2):
        text += ('  n%d:\n    endpoint: 192.0.2.%d\n    subnet: 10.%d.0.0/24\n'
                 % (n, n + 1, n))
        if 'more' in state:
            text = text.replace('10.%d.0.0/24\n' % n,
                                '["10.%d.0.0/24", "fd00:%d::/64"]\n' % (n, n))
        if n == 0:
            text += '    wireguard: {warp_tunnel: {interface: warp0}}\n'
        mine = [c for c in state['containers'] if c['node'] == n]
        text += '    lxc:\n      containers:\n' if mine else ''
        for c in mine:
            text += '        - %s\n' % json.dumps({
                'id': str(c['number']), 'veth': veth(c), 'hwaddr': mac(c),
                'tags': c['tags'], **({'exit': 'warp'} if c['exit'] else {}),
                'properties': {'name': name(c),
                               'ipv4_address': address(c) + '/24',
                               **state.get('more', {}).get(name(c), {})}})
    if state['segments']:
        text += 'segments: %s\n' % json.dumps(state['segments'])
    for tier in 'emergency', 'acls':
        rules = [r for r in state['rules'] if r['tier'] == tier]
        text += tier + ':\n' if rules else ''
        for r in rules:
            text += '  - %s\n' % json.dumps({
                'name': r['name'], 'proto': r['proto'], 'src': r['src'],
                'dst': [d + r['ports'] for d in r['dst']],
                'action': r['action'],
                **({'rate': r['rate']} if 'rate' in r else {})})
    if 'services' in state:
        text += 'services: %s\n' % json.dumps(state['services'])
    return text


def enrich(state, seed):
    """The same with IPv6, services and rates, of which expected() knows
    nothing."""
    rng = random.Random(seed)
    state = copy.deepcopy(state)
    state['more'] = {name(c): {'ipv6_address': 'fd00:%d::%d/64' % (
        c['node'], c['number'])} for c in state['containers']
        if rng.random() < 0.7}
    backends = [name(c) for c in state['containers']] + ['tag:a', 's']
    state['services'] = {
        'v%d' % i: {'vip': ['10.96.0.%d' % (10 + i), 'fd00:10:96::1%d' % i],
                    'protocol': rng.choice(['tcp', 'udp']),
                    'port': rng.choice([22, 53, 80]),
                    'affinity': rng.choice(['none', 'client']),
                    'prefer': rng.choice(['none', 'local']),
                    'backends': rng.sample(backends, rng.randint(1, 4))}
        for i in range(1, 4)}
    for r in state['rules']:
        if r['action'] == 'accept' and rng.random() < 0.3:
            r['rate'] = '10Mbit'
    state['rules'].append({
        'tier': 'acls', 'name': 'to-services', 'proto': 'any', 'ports': '',
        'action': 'accept', 'src': rng.sample(['*', 'tag:b', 's'], 1),
        'dst': rng.sample(list(state['services']), 2)})
    return state


# What the rules say.

def covers(state, selector, end):
    """Whether a selector names an end: a container, or an address."""
    container = end if isinstance(end, dict) else None
    ip = address(end) if container else end
    if selector == '*':
        return True
    if selector == 'internet':
        return not container and OTHERS[ip] is None
    if selector.startswith('node:'):
        return not container and OTHERS[ip] == int(selector[6:])
    if '/' in selector:
        return ipaddress.ip_address(ip) in ipaddress.ip_network(selector)
    if not container:
        return False
    if selector.startswith('tag:'):
        return selector[4:] in container['tags']
    if selector in state['segments']:
        return any(covers(state, m, end)
                   for m in state['segments'][selector]['members'])
    return fnmatch.fnmatch(name(container), selector)


def has_port(ports, port):
    if not ports:
        return True
    for part in ports[1:].split(','):
        first, _, last = part.partition('-')
        if port is not None and int(first) <= port <= int(last or first):
            return True
    return False


def rules_say(state, tier, src, dst, proto):
    """The actions of the rules of a tier that speak of a connection."""
    kind, _, port = proto.partition('/')
    port = int(port) if port else None
    for r in state['rules']:
        if (r['tier'] == tier and r['proto'] in (kind, 'any')
                and has_port(r['ports'], port)
                and any(covers(state, s, src) for s in r['src'])
                and any(covers(state, d, dst) for d in r['dst'])):
            yield r['action']


def segments_say(state, src, dst):
    for key, segment in state['segments'].items():
        if covers(state, key, src):
            for other in segment.get('isolated_from', []):
                if covers(state, other, dst):
                    yield 'deny'
            if covers(state, 'internet', dst) and 'internet' in segment:
                yield 'deny' if segment['internet'] == 'deny' else 'accept'


def default_says(state, src, dst, proto):
    if OTHERS.get(str(dst)) == src['node'] and proto == 'udp/53':
        return True                     # Its gateway answers DNS.
    if covers(state, 'internet', dst):
        return src['exit']              # It has one: that is what it is for.
    return state['default'] == 'allow'


def is_allowed(state, src, dst, proto):
    for actions in (rules_say(state, 'emergency', src, dst, proto),
                    segments_say(state, src, dst),
                    rules_say(state, 'acls', src, dst, proto)):
        actions = set(actions)
        if actions:
            return 'deny' not in actions
    return default_says(state, src, dst, proto)


def expected(state):
    """(source, destination, protocol) -> what becomes of a connection."""
    verdicts = {}
    for src in state['containers']:
        ends = [c for c in state['containers'] if c is not src]
        for dst in ends + list(OTHERS):
            to = name(dst) if isinstance(dst, dict) else dst
            for proto in PROTOS:
                end = 'dropped'
                if is_allowed(state, src, dst, proto):
                    end = ('delivered to ' + to if isinstance(dst, dict)
                           else 'delivered to node:n%d itself' % OTHERS[to]
                           if OTHERS[to] is not None
                           else 'leaves by exit n0/warp' if src['exit']
                           else end)
                verdicts[name(src), to, proto] = end
    return verdicts


# Smaller ones.

def drop_end(state, text):
    """Takes a selector out of all rules, and the rules that it empties."""
    for r in state['rules']:
        for side in 'src', 'dst':
            r[side] = [x for x in r[side] if x != text]
    state['rules'] = [r for r in state['rules'] if r['src'] and r['dst']]
    for segment in state['segments'].values():
        segment['members'] = [m for m in segment['members'] if m != text]
    return state


def smaller(state):
    """States that are a little smaller, the boldest first."""
    def variant(change):
        s = copy.deepcopy(state)
        change(s)
        return s

    for i, r in enumerate(state['rules']):
        yield variant(lambda s: s['rules'].pop(i))
    for i, c in enumerate(state['containers']):
        yield variant(lambda s: drop_end(s, name(s['containers'].pop(i))))
    for key in state['segments']:
        if not any(key in o.get('isolated_from', [])
                   for o in state['segments'].values()):
            yield variant(lambda s: drop_end(s, key)['segments'].pop(key))
        for word in 'isolated_from', 'internet':
            if word in state['segments'][key]:
                yield variant(lambda s: s['segments'][key].pop(word))
    if state['default'] == 'allow':
        yield variant(lambda s: s.update(default='deny'))
    for i, r in enumerate(state['rules']):
        for side in 'src', 'dst':
            for j in range(len(r[side])):
                if len(r[side]) > 1:
                    yield variant(lambda s: s['rules'][i][side].pop(j))
        if r['tier'] == 'emergency':
            yield variant(lambda s: s['rules'][i].update(tier='acls'))
    for i, c in enumerate(state['containers']):
        for tag in c['tags']:
            yield variant(lambda s: s['containers'][i]['tags'].remove(tag))
        if c['exit']:
            yield variant(lambda s: s['containers'][i].update(exit=False))


def shrink(state, fails):
    """The smallest state that fails() and of which no part can go."""
    while True:
        for s in smaller(state):
            if fails(s):
                state = s
                break
        else:
            return state
