"""What an operator sees of a network that runs: status, nodes, containers,
flows and explain."""

import json
import time

import pytest

from harness import eventually

NODES = ("oo1424oo", "node2")


def ask(net, *args, node="oo1424oo"):
    """Of the database's own node, or through TLS from another."""
    return json.loads(net.socknet(node, *args, "--json").stdout)


def once(condition, *args):
    """What is asked for, once it is as it should be: daemons report a moment
    after the fact."""
    def is_right():
        nonlocal got
        got = ask(*args)
        return condition(got)
    got = None
    assert eventually(is_right), got
    return got


def is_well(status):
    generation = status["mesh"]["generation"]
    return not status["problems"] and all(
        node["agent_generation"] == generation
        and node["controller_generation"] == generation
        and node["connected"]
        and node["containers"]["up"] == node["containers"]["all"] > 0
        for node in status["nodes"])


def test_status_of_a_network_that_is_well(net):
    status = once(is_well, net, "status")
    assert len(status["nodes"]) == len(NODES)
    for node in status["nodes"]:
        for daemon in "agent", "controller":
            assert 0 <= time.time() - node[daemon + "_seen"] < 90
    assert eventually(lambda: net.socknet(
        "oo1424oo", "status", "--check", check=False).returncode == 0)


def test_nodes_show_handshakes(net):
    assert net.reaches("op-dbus-api", "vector-db")
    shown = once(lambda got: all(
        -5 < time.time() - (p["latest_handshake"] or 0) < 300
        for p in got["peers"]) and [
            (e["name"], e["port"], e["state"]) for e in got["exits"]] == [
                ("warp", "x-warp0", "up")], net, "nodes")
    assert {(p["node"], p["peer"]) for p in shown["peers"]} == {
        ("oo1424oo", "node2"), ("node2", "oo1424oo")}


def test_containers_have_ports_and_macs(net):
    ports = {}
    shown = once(lambda got: all(
        c["state"] == "up" and c["mac"] and c["ofport"] > 0
        for c in got["containers"]), net, "containers")
    for c in shown["containers"]:
        ports[c["node"], c["port"]] = c["ofport"]
    assert len(ports) == 6
    for node in NODES:
        for (where, name), ofport in ports.items():
            if where == node:
                r = net.run(node, "ovs-vsctl", "get", "interface", name,
                            "ofport")
                assert int(r.stdout) == ofport


def is_stray(flow):
    return (flow["kind"] in ("foreign", "unknown")
            or "not in the desired state" in flow["cause"])


@pytest.mark.parametrize("node", NODES)
def test_every_flow_of_the_switch_is_explained(net, node):
    def explained():
        dump = "\n".join(net.flows(node)) + "\n"
        r = net.socknet("oo1424oo", "explain", "--json", input=dump)
        found = json.loads(r.stdout)["flows"]
        assert len(found) == dump.count("\n") > 50
        return found

    # The controller may be at what the test before has left.
    assert eventually(lambda: not any(map(is_stray, explained())))
    for flow in explained():
        assert not is_stray(flow), flow
        assert flow["purpose"], flow
        if flow["kind"] in ("acl", "segment", "container", "exit", "node"):
            assert ":" in flow["location"], flow


def rule_packets(net, rule):
    return sum(f["n_packets"] for f in ask(
        net, "flows", "--switch", "--rule", rule)["flows"])


def test_flows_of_the_switch_count(net):
    before = rule_packets(net, "mcp-to-api")
    assert net.tcp("mcp-server", "op-dbus-api", 9574)
    assert eventually(lambda: rule_packets(net, "mcp-to-api") > before)


@pytest.mark.parametrize("node", NODES)
def test_installed_is_what_flows_says(net, node):
    """The flows that the state asks for are those that the switch has, but
    for MAC addresses that only the host knows."""
    def cookies():
        return sorted(x.split("cookie=")[1].split(",")[0]
                      for x in net.flows(node))
    wanted = ask(net, "flows", "--node", node)["flows"]
    assert eventually(lambda: sorted(f["cookie"] for f in wanted)
                      == cookies()), (wanted, cookies())
