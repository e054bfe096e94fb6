"""The agent on a large mesh: many peers on one device."""

import base64
import hashlib
import json
import os
import time

import agents
import pytest
from agents import NODES, out, settled
from harness import eventually

A = NODES[0]
PEERS = 300


@pytest.fixture(scope="module")
def big(make_net, two_hosts, builddir):
    text = two_hosts.read_text()
    more = "".join(
        "  far%d:\n    subnet: [10.%d.%d.0/24, \"fd00:99:%x::/64\"]\n"
        % (i, 100 + i // 250, i % 250, i) for i in range(PEERS))
    text = text.replace("prefix: 100.64.0.0/24", "prefix: 100.64.0.0/16")
    text = text.replace("\nsegments:", "\n" + more + "\nsegments:")
    system = make_net(two_hosts, bare=True)
    agents.start(system, builddir)
    agents.apply(system)
    yield system, text


def fake_keys(system):
    """The other nodes' agents report: rows that only the database's own
    administrator can write."""
    rows = [{"op": "insert", "table": "Node_Status", "row": {
        "node": "far%d" % i, "public_key": base64.b64encode(
            hashlib.sha256(b"%d" % i).digest()).decode()}}
        for i in range(PEERS)]
    out(system, system.lab.info["db_node"], "ovsdb-client", "transact",
        "unix:/run/socknet/db.sock", json.dumps(["Socknet"] + rows))


def rss_kb(system, node):
    pid = out(system, node, "cat", "/run/openvswitch/socknet-agent.pid")
    status = out(system, node, "cat", "/proc/%s/status" % pid.strip())
    return int(status.split("VmRSS:")[1].split()[0])


def test_many_peers(big):
    system, text = big
    system.apply(text, wait=False)
    assert eventually(lambda: system.appctl(A, "socknet-agent", "peers")
                      .count("far") == PEERS)
    before = settled(system, A)
    start = time.monotonic()
    fake_keys(system)
    assert eventually(lambda: out(system, A, "wg", "show", "nm-privacy",
                                  "peers").count("\n") == PEERS + 1,
                      interval=0.02)
    took = time.monotonic() - start
    after = settled(system, A)
    # Several messages, never one for each peer.
    assert 1 <= after["wg_writes"] - before["wg_writes"] <= 20
    assert after["netlink_writes"] == before["netlink_writes"]
    print("%d peers from database to device: %.2f s, RSS %d kB"
          % (PEERS, took, rss_kb(system, A)))

    allowed = out(system, A, "wg", "show", "nm-privacy", "allowed-ips")
    assert len(allowed.split()) == (PEERS + 1) * 4
    system.appctl(A, "socknet-agent", "resync")
    assert settled(system, A) == after
    system.kill(A, "agent")
    system.start(A, "agent")
    assert eventually(lambda: agents.generations(system, A)[0] > 0)
    assert set(settled(system, A).values()) == {0}
    if os.environ.get("SOCKNET_KERNEL"):
        assert "kernel" in system.appctl(A, "socknet-agent", "status")
    agents_gone(system)


def agents_gone(system):
    """Back to two nodes: the peers and their routes go."""
    system.apply(wait=False)
    assert eventually(lambda: out(system, A, "wg", "show", "nm-privacy",
                                  "peers").count("\n") == 1)
    assert eventually(lambda: "10.100." not in out(system, A, "ip", "route"))
    assert system.reaches(A, "10.1.0.1")
