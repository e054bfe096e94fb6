"""Who may do what in the central database, and who gets nothing at all."""

import json

import pytest

from harness import ns
from socklab.daemons import AGENT_PORT, CONTROLLER_PORT, PKI

HOST = "198.51.100.11"
AGENT, CONTROLLER = AGENT_PORT, CONTROLLER_PORT


def client(net, node, port, *args, cert=None, ca=None, check=False):
    """ovsdb-client on a node, with that node's certificate."""
    cert = cert or "%s/%s" % (PKI, node)
    return net.run(node, "ovsdb-client", "--timeout=%d" % (5 * ns.FACTOR),
                   "-p", cert + "-key.pem", "-c", cert + "-cert.pem", "-C",
                   ca or PKI + "/ca-cert.pem", *args[:1],
                   "ssl:%s:%d" % (HOST, port), *args[1:], check=check)


def transact(net, node, port, *operations):
    p = client(net, node, port, "transact",
               json.dumps(["Socknet", *operations]))
    assert p.returncode == 0, p.stderr
    return json.loads(p.stdout)


def errors(result):
    return [r["error"] for r in result if r and "error" in r]


def update(table, where, row):
    return {"op": "update", "table": table, "where": where, "row": row}


def rows(net, table, columns):
    result = json.loads(net.run(
        "oo1424oo", "ovsdb-client", "transact", "unix:/run/socknet/db.sock",
        json.dumps(["Socknet", {"op": "select", "table": table, "where": [],
                                "columns": columns}])).stdout)
    return result[0]["rows"]


def name_of(net, table, node):
    """The condition that finds the row of a node in a status table."""
    assert {"node": node} in rows(net, table, ["node"])
    return [["node", "==", node]]


def test_agent_writes_its_own_status(net):
    where = name_of(net, "Node_Status", "node2")
    result = transact(net, "node2", AGENT,
                      update("Node_Status", where, {"problems": ["set", []]}))
    assert errors(result) == []
    assert result[0]["count"] == 1


def test_agent_cannot_write_another_nodes_status(net):
    where = name_of(net, "Node_Status", "oo1424oo")
    before = rows(net, "Node_Status", ["node", "public_key"])
    result = transact(net, "node2", AGENT, update(
        "Node_Status", where, {"public_key": "A" * 43 + "="}))
    assert "permission error" in errors(result)
    result = transact(net, "node2", AGENT, {
        "op": "delete", "table": "Node_Status", "where": where})
    assert "permission error" in errors(result)
    assert rows(net, "Node_Status", ["node", "public_key"]) == before


@pytest.mark.parametrize("port", (AGENT, CONTROLLER))
def test_nobody_but_the_operator_writes_desired_state(net, port):
    before = [rows(net, t, ["name"]) for t in ("Mesh", "Node", "Container")]
    for table, row in (("Mesh", {"name": "stolen"}),
                       ("Node", {"endpoint": "203.0.113.66"}),
                       ("Container", {"tags": "management"}),
                       ("Acl", {"action": "accept"}),
                       ("Segment", {"internet": "exit"})):
        result = transact(net, "node2", port, update(table, [], row))
        assert "permission error" in errors(result), table
    assert "permission error" in errors(transact(
        net, "node2", port, {"op": "insert", "table": "Acl",
                             "row": {"name": "mine", "tier": "acls",
                                     "action": "accept"}}))
    assert "permission error" in errors(transact(
        net, "node2", port, {"op": "delete", "table": "Acl", "where": []}))
    assert [rows(net, t, ["name"])
            for t in ("Mesh", "Node", "Container")] == before


def test_agent_cannot_speak_as_a_controller(net):
    where = name_of(net, "Bridge_Status", "node2")
    assert "permission error" in errors(transact(
        net, "node2", AGENT, update("Bridge_Status", where,
                                    {"generation": 9999})))


def test_controller_cannot_speak_as_an_agent(net):
    where = name_of(net, "Node_Status", "node2")
    assert "permission error" in errors(transact(
        net, "node2", CONTROLLER, update("Node_Status", where,
                                         {"generation": 9999})))


@pytest.fixture(scope="module")
def stranger(shared_net):
    """Certificates of the right names, of another authority."""
    net = shared_net
    net.socknet("node2", "pki", "init", "--dir", "/run/socknet/other")
    net.socknet("node2", "pki", "node", "oo1424oo", "--dir",
                "/run/socknet/other")
    return "/run/socknet/other/oo1424oo"


@pytest.mark.parametrize("port", (AGENT, CONTROLLER))
def test_stranger_gets_nothing(net, stranger, port, expect_logs):
    expect_logs.append(r"stream_ssl|jsonrpc|reconnect")
    p = client(net, "node2", port, "list-dbs", cert=stranger)
    assert p.returncode != 0
    assert "Socknet" not in p.stdout
    p = client(net, "node2", port, "dump", "Socknet", cert=stranger)
    assert p.returncode != 0 and not p.stdout


@pytest.mark.parametrize("port", (AGENT, CONTROLLER))
def test_without_tls_gets_nothing(net, port, expect_logs):
    expect_logs.append(r"stream_ssl|jsonrpc|reconnect|stream_tcp")
    p = net.run("node2", "ovsdb-client", "--timeout=%d" % (3 * ns.FACTOR),
                "list-dbs", "tcp:%s:%d" % (HOST, port), check=False)
    assert p.returncode != 0 and "Socknet" not in p.stdout


def test_the_same_client_with_the_right_certificate_is_served(net):
    """The refusals above are not for another reason."""
    assert "Socknet" in client(net, "node2", AGENT, "list-dbs",
                               check=True).stdout
    assert "xray" in client(net, "node2", AGENT, "dump",
                            "Socknet", check=True).stdout


def test_keys_are_private(net):
    for node in net.lab.hosts:
        out = net.run(node, "sh", "-c", "stat -c '%a %n' " + PKI
                      + "/*-key.pem /var/lib/socknet/* | grep -i key").stdout
        assert out
        for line in out.splitlines():
            assert line.startswith("600 "), line
    assert "ca-key" not in net.run("node2", "ls", PKI).stdout
    assert "oo1424oo-key" not in net.run("node2", "ls", PKI).stdout
