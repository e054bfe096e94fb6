"""A lab in which only the database and the agents run: what the agents do
must not depend on a controller.  Used by test_agent_*.py."""

import ipaddress
import itertools
import json
import os
import re

import pytest
from harness import eventually
from socklab import daemons

NODES = ("oo1424oo", "node2")
IN_VM = "SOCKNET_KERNEL" in os.environ
# For tests of what does not depend on the kernel's modules: emulation is slow.
not_in_vm = pytest.mark.skipif(IN_VM, reason="shown outside of the VM")

# What libraries say when a test ends a program at the other end.
CUT_OFF = [r"\|(stream_ssl|jsonrpc|reconnect|fatal_signal)\|WARN\|"]
WRITES = ("netlink_writes", "wg_writes", "nft_writes", "ovsdb_writes",
          "write_errors")


def start(system, builddir):
    """The database and an agent per node; nothing applied yet."""
    lab = system.lab
    lab.info["build"] = daemons.find_build(lab.source, str(builddir))
    lab.info["db_node"] = daemons.db_node(lab).name
    lab.save()
    daemons.make_pki(lab)
    daemons.start_db(lab, lab.info["db_node"])
    for node in lab.nodes:
        daemons.start(lab, node.name, "agent")


def generations(system, node):
    """(enforced, wanted) as the agent sees it."""
    m = re.search(r"generation: (\d+) of (\d+)",
                  system.appctl(node, "socknet-agent", "status"))
    return int(m[1]), int(m[2])


def apply(system, state=None):
    """Applies and waits until every agent enforces it and has every key."""
    applied = int(re.search(r"generation (\d+)", system.apply(
        state, wait=False).stdout)[1])

    def done():
        for n in system.lab.nodes:
            have, want = generations(system, n.name)
            if not have == want or want < applied:
                return False
            peers = system.appctl(n.name, "socknet-agent", "peers")
            if "not " in peers:
                return False
        return True
    assert eventually(done), [
        system.appctl(n.name, "socknet-agent", "status")
        for n in system.lab.nodes]


def writes(system, node):
    """What the agent has written since it started."""
    stats = system.stats(node, "socknet-agent")
    return {k: stats[k] for k in WRITES}


def settled(system, node):
    """Waits until the agent finds nothing more to do; what it has written."""
    seen = []

    def quiet():
        seen.append(writes(system, node))
        return seen[-3:] == 3 * seen[-1:]
    assert eventually(quiet, interval=0.2), seen
    return seen[-1]


def out(system, where, *command, check=True):
    return system.run(where, *command, check=check).stdout


def routes(system, node, *args):
    """Every route of every table, both families, as JSON objects."""
    found = []
    for family in ("-4", "-6"):
        found += json.loads(out(system, node, "ip", "-j", family, "route",
                                "show", "table", "all", *args))
    return found


def has_route(system, node, dst, dev):
    family = "-6" if ":" in dst else "-4"
    got = json.loads(out(system, node, "ip", "-j", family, "route", "show",
                         "table", "all", "root", dst, "dev", dev))
    return any(ipaddress.ip_network(r["dst"]) == ipaddress.ip_network(dst)
               for r in got if r["dst"] != "default")


def nft(system, node):
    """The whole ruleset without counters."""
    return out(system, node, "nft", "-s", "list", "ruleset")


def peers(system, node):
    """Public key -> (endpoint, allowed, handshake, keepalive)."""
    dump = out(system, node, "wg", "show", "nm-privacy", "dump")
    result = {}
    for line in dump.splitlines()[1:]:
        f = line.split("\t")
        result[f[0]] = (f[2], sorted(f[3].split(",")), int(f[4]), f[7])
    return result


def paths(system):
    """(a, b) -> what `socknet peers` says of the pair."""
    out = system.socknet(system.lab.info["db_node"], "--json", "peers").stdout
    return {(p["a"], p["b"]): p for p in json.loads(out)["pairs"]}


def all_pairs(nodes):
    return list(itertools.combinations(sorted(nodes), 2))


def wrong_paths(system, pairs, right_path):
    """(a, b) -> what is said of it, if right_path(a, b) says otherwise."""
    now = paths(system)
    return {p: now.get(p) for p in pairs
            if p not in now or now[p]["path"] != right_path(*p)}


def key_file(system, node):
    return system.lab.hosts[node].path("lib-socknet", "privacy-mesh.key")
