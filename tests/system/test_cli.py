"""What an operator sees of a network that runs: status, nodes, containers,
flows and explain."""

import json
import time

import pytest

NODES = ("oo1424oo", "node2")


def ask(net, *args, node="oo1424oo"):
    """Of the database's own node, or through TLS from another."""
    return json.loads(net.socknet(node, *args, "--json").stdout)


def wait_for(what, timeout=10):
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_status_of_a_network_that_is_well(net):
    wait_for(lambda: not ask(net, "status")["problems"])
    status = ask(net, "status")
    generation = status["mesh"]["generation"]
    for node in status["nodes"]:
        assert node["agent_generation"] == generation
        assert node["controller_generation"] == generation
        assert node["connected"]
        assert node["containers"]["up"] == node["containers"]["all"] > 0
        for daemon in "agent", "controller":
            assert 0 <= time.time() - node[daemon + "_seen"] < 60
    assert net.socknet("oo1424oo", "status", "--check").returncode == 0


def test_nodes_show_handshakes(net):
    assert net.reaches("op-dbus-api", "vector-db")
    wait_for(lambda: all(p["latest_handshake"] is not None
                         for p in ask(net, "nodes")["peers"]))
    peers = ask(net, "nodes")["peers"]
    assert {(p["node"], p["peer"]) for p in peers} == {
        ("oo1424oo", "node2"), ("node2", "oo1424oo")}
    assert all(-5 < time.time() - p["latest_handshake"] < 300 for p in peers)
    exits = ask(net, "nodes")["exits"]
    assert [(e["name"], e["port"], e["state"]) for e in exits] == [
        ("warp", "x-warp0", "up")]


def test_containers_have_ports_and_macs(net):
    ports = {}
    for c in ask(net, "containers")["containers"]:
        assert c["state"] == "up" and c["mac"] and c["ofport"] > 0
        ports[c["node"], c["port"]] = c["ofport"]
    assert len(ports) == 6
    for node in NODES:
        for (where, name), ofport in ports.items():
            if where == node:
                r = net.run(node, "ovs-vsctl", "get", "interface", name,
                            "ofport")
                assert int(r.stdout) == ofport


@pytest.mark.parametrize("node", NODES)
def test_every_flow_of_the_switch_is_explained(net, node):
    dump = "\n".join(net.flows(node)) + "\n"
    r = net.socknet("oo1424oo", "explain", "--json", input=dump)
    found = json.loads(r.stdout)["flows"]
    assert len(found) == dump.count("\n") > 50
    for flow in found:
        assert flow["kind"] not in ("foreign", "unknown"), flow
        assert "not in the desired state" not in flow["cause"], flow
        assert flow["purpose"], flow
        if flow["kind"] in ("acl", "segment", "container", "exit", "node"):
            assert ":" in flow["location"], flow


def rule_packets(net, rule):
    return sum(f["n_packets"] for f in ask(
        net, "flows", "--switch", "--rule", rule)["flows"])


def test_flows_of_the_switch_count(net):
    before = rule_packets(net, "mcp-to-api")
    assert net.tcp("mcp-server", "op-dbus-api", 9574)
    wait_for(lambda: rule_packets(net, "mcp-to-api") > before)


@pytest.mark.parametrize("node", NODES)
def test_installed_is_what_flows_says(net, node):
    """The flows that the state asks for are those that the switch has, but
    for MAC addresses that only the host knows."""
    wanted = ask(net, "flows", "--node", node)["flows"]
    have = net.flows(node)
    assert len(wanted) == len(have)
    assert sorted(f["cookie"] for f in wanted) == sorted(
        x.split("cookie=")[1].split(",")[0] for x in have)
