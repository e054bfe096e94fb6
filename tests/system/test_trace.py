"""socknet trace on the running network: what it says is what packets do, and
of whatever is broken it names the right culprit."""

import concurrent.futures
import json

import pytest

from harness import eventually

CLI = "oo1424oo"
TABLE = "traced"
# What breaking things makes the daemons say.
NOISE = [r"\|(reconnect|jsonrpc|stream_ssl|socket_util|unixctl|ovsdb_cs)\|",
         r"\|(mesh|exit\w*|route\w*|agent|discover|paths?\w*|plugs|identity"
         r"|nft|sysctl|audit|install|bridge|flow_bundle)\|"]


def trace(net, src, dst, *args, status=None):
    p = net.socknet(CLI, "--json", "trace", src, dst, *args, check=False)
    assert p.returncode in (0, 1), p.stderr
    if status is not None:
        assert p.returncode == status, p.stdout
    answer = json.loads(p.stdout)
    verdict = answer["verdicts"][0]
    assert verdict["arrives"] == (p.returncode == 0)
    verdict["steps"] = answer["steps"]
    return verdict


def blames(net, src, dst, *args, words):
    """Whether the trace is stopped and says each of 'words'."""
    v = trace(net, src, dst, *args)
    text = "%s %s" % (v["why"], v["fix"])
    return not v["arrives"] and all(w in text for w in words) and v


def assert_blames(net, src, dst, *args, words):
    """The agent may repair what we break before it is asked: again then."""
    seen = []

    def found():
        v = trace(net, src, dst, *args)
        seen.append("%s: %s; %s" % (v["verdict"], v["why"], v["fix"]))
        return not v["arrives"] and all(w in seen[-1] for w in words)
    assert eventually(found), seen[-3:]


@pytest.fixture
def broken(net, expect_logs):
    """broken(node, undo, do): runs 'do' on the node now and 'undo' at the
    end of the test, each a list of words."""
    expect_logs += NOISE
    undone = []

    def break_it(node, undo, *do):
        undone.append((node, undo))
        for command in do:
            net.run(node, *command)
    yield break_it
    for node, undo in reversed(undone):
        net.run(node, *undo, check=False)


def test_delivered(net):
    v = trace(net, "op-dbus-api", "vector-db", "tcp/6333", status=0)
    assert v["end"] == "delivered" and v["name"] == "vector-db"
    rules = [s["what"] for s in v["steps"] if s["where"] == "egress_policy"]
    assert rules[0].startswith("acl api-to-vectors (")
    assert [s["where"] for s in v["steps"] if s["node"] == "node2"][-1] \
        == "port"
    assert "the answer comes back" in v["verdict"]


def test_ipv6(net):
    v = trace(net, "op-dbus-api", "vector-db", "tcp/6333", "--ipv6",
              status=0)
    assert "fd00:53:1::103" in v["packet"]
    assert {"route", "tunnel"} <= {s["where"] for s in v["steps"]
                                   if s["node"] == "node2"}


def test_rule_that_denies_is_named(net):
    v = trace(net, "xray", "mcp-server", "tcp/9573", status=1)
    assert "segment privacy" in v["why"] and "egress_policy" in v["why"]
    v = trace(net, "mcp-server", "redis", "tcp/6379", status=1)
    assert "no rule allows it" in v["why"] and "socknet why" in v["fix"]


def test_what_cannot_be_traced(net):
    for args, message in (
            (("nobody", "xray"), "is no container"),
            (("xray", "nobody"), "or internet"),
            (("xray", "xray"), "nothing to itself"),
            (("xray", "redis", "tcp/0"), "no port from 1 to 65535"),
            (("gateway", "fd00:53::102"), "addresses of one family")):
        p = net.socknet(CLI, "trace", *args, check=False)
        assert p.returncode == 1 and message in p.stderr, p.stderr


def test_exit(net):
    v = trace(net, "xray", "internet", "tcp/443", status=0)
    assert v["end"] == "left" and v["name"] == "oo1424oo/warp"
    assert {"route", "guard", "tunnel"} <= {s["where"] for s in v["steps"]}
    v = trace(net, "mcp-server", "internet", status=1)
    assert "segment management" in v["why"]


def test_verdicts_are_what_packets_do(net):
    names = [c.name for n in net.lab.nodes for c in n.containers]
    pairs = [(a, b) for a in names for b in names if a != b]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        pings = list(pool.map(lambda pair: net.ping(*pair, 1) == 1, pairs))
    assert any(pings) and not all(pings)
    for (a, b), passes in zip(pairs, pings):
        v = trace(net, a, b)
        if v["arrives"] and not passes:     # One ping is soon lost.
            passes = net.reaches(a, b)
        assert v["arrives"] == passes, (a, b, v)
    for a, b, port in (("op-dbus-api", "redis", 6379),
                       ("mcp-server", "op-dbus-api", 9574),
                       ("mcp-server", "vector-db", 6333),
                       ("op-dbus-api", "xray", 443)):
        v = trace(net, a, b, "tcp/%d" % port)
        opens = net.tcp(a, b, port, timeout=5 if v["arrives"] else 0.5)
        assert v["arrives"] == opens, (a, b, v)
    v = trace(net, "mcp-server", "xray", "tcp/443", "--ipv6", status=0)
    assert "fd00:53" in v["packet"]
    assert net.tcp("mcp-server", "xray", 443, version=6)


def test_hosts(net):
    assert trace(net, "node:oo1424oo", "node:node2", status=0)
    v = trace(net, "node:oo1424oo", "op-dbus-api", status=0)
    assert "10.0.0.1" in v["packet"]
    v = trace(net, "xray", "node:node2", status=1)
    assert "no rule" in v["why"]


def test_missing_flow(net, broken):
    broken(CLI, ["true"])
    net.kill(CLI, "controller")
    try:
        flow = next(f for f in net.flows(CLI)
                    if "egress_policy" in f and "0x5307" in f
                    and "ct_tp_dst=6333" in f)
        cookie = flow.split("cookie=")[1].split(",")[0]
        net.run(CLI, "ovs-ofctl", "-O", "OpenFlow15", "del-flows", "vmbr0",
                "cookie=%s/-1" % cookie)
        v = trace(net, "op-dbus-api", "vector-db", "tcp/6333", status=1)
        assert "flow of acl api-to-vectors" in v["why"]
        assert "missing from table egress_policy of oo1424oo" in v["why"]
        assert "controller" in v["fix"]
    finally:
        net.start(CLI, "controller")
    assert eventually(lambda: trace(net, "op-dbus-api", "vector-db",
                                    "tcp/6333")["arrives"])


def test_policy_rule_in_the_way(net, broken):
    broken(CLI, ["ip", "rule", "del", "pref", "100"],
           ["ip", "rule", "add", "pref", "100", "to", "10.1.0.0/24",
            "unreachable"])
    assert_blames(net, "op-dbus-api", "vector-db", "tcp/6333",
                  words=["a policy rule at oo1424oo", "100:", "10.1.0.0/24"])


def test_route_to_elsewhere(net, broken):
    broken(CLI, ["ip", "rule", "del", "pref", "100"],
           ["ip", "route", "replace", "10.1.0.0/24", "via", "198.51.100.254",
            "table", "77"],
           ["ip", "rule", "add", "pref", "100", "to", "10.1.0.0/24",
            "lookup", "77"])
    assert_blames(net, "op-dbus-api", "vector-db", "tcp/6333",
                  words=["send 10.1.0.103 to eth0", "nm-privacy",
                         "lookup 77"])


def test_wrong_allowed_ips(net, broken):
    words = ["AllowedIPs on nm-privacy at oo1424oo", "10.1.0.103", "node2"]
    key = net.run(CLI, "wg", "show", "nm-privacy", "peers").stdout.split()[0]

    def seen():
        net.run(CLI, "wg", "set", "nm-privacy", "peer", key, "allowed-ips",
                "100.64.0.2/32")
        return blames(net, "op-dbus-api", "vector-db", "tcp/6333",
                      words=words)
    broken(CLI, ["ovs-appctl", "-t", "socknet-agent", "resync"])
    assert eventually(seen)


def test_exit_rule_in_the_way(net, broken):
    broken(CLI, ["ip", "rule", "del", "pref", "90"],
           ["ip", "rule", "add", "pref", "90", "iif", "x-warp0", "lookup",
            "main"])
    assert_blames(net, "xray", "internet", "tcp/443",
                  words=["sends it to eth0 and not to warp0", "guard",
                         "iif x-warp0 lookup"])


def test_port_down(net, broken):
    broken("node2", ["ip", "link", "set", "veth103", "up"],
           ["ip", "link", "set", "veth103", "down"])
    assert_blames(net, "op-dbus-api", "vector-db", "tcp/6333",
                  words=["veth103 of vector-db is down"])


def test_source_not_believed(net, broken):
    """rp_filter, where the way back is another."""
    broken("node2", ["ip", "rule", "del", "pref", "100"],
           ["ip", "route", "replace", "10.0.0.0/24", "via", "198.51.100.254",
            "table", "77"],
           ["ip", "rule", "add", "pref", "100", "to", "10.0.0.0/24",
            "lookup", "77"])
    keys = ["net.ipv4.conf.%s.rp_filter" % x for x in ("all", "nm-privacy")]
    before = net.run("node2", "sysctl", *keys).stdout.replace(" ", "")

    def seen():
        net.run("node2", "sysctl", "-qw", *[k + "=1" for k in keys])
        return blames(net, "op-dbus-api", "vector-db", "tcp/6333",
                      words=["kernel of node2 does not believe", "rp_filter"])
    try:
        assert eventually(seen)
    finally:
        net.run("node2", "sysctl", "-qw", *before.split())
    # It is delivered then, but the answer goes astray.
    assert_blames(net, "op-dbus-api", "vector-db", "tcp/6333",
                  words=["its answer: stopped at node2", "eth0"])


def test_exit_down(net, broken):
    broken(CLI, ["ip", "link", "set", "warp0", "up"],
           ["ip", "link", "set", "warp0", "down"])
    assert_blames(net, "xray", "internet", "tcp/443", words=["exit", "down"])


def test_quarantine(net, expect_logs):
    """A plug with another MAC address than the state declares."""
    expect_logs += NOISE
    name, space = "op-dbus-api", net.ns("op-dbus-api")
    net.run(CLI, "ovs-vsctl", "del-port", "veth201")
    net.run(CLI, "ip", "link", "del", "veth201")
    assert_blames(net, name, "vector-db", "tcp/6333",
                  words=["not plugged in at oo1424oo"])
    net.run(CLI, "ip", "link", "add", "veth201", "type", "veth", "peer",
            "name", "eth0", "address", "02:00:00:00:00:66", "netns", space)
    net.run(CLI, "ip", "link", "set", "veth201", "up")
    net.run(name, "ip", "link", "set", "eth0", "up")
    net.run(CLI, "ovs-vsctl", "add-port", "vmbr0", "veth201")
    try:
        assert_blames(net, name, "vector-db", "tcp/6333",
                      words=["quarantine", "socknet containers"])
        assert_blames(net, "mcp-server", name, "tcp/9574",
                      words=["quarantine"])
    finally:
        net.lab.cont_del(CLI, name)
        net.lab.cont_add(CLI, name)
        net.serve()
    assert eventually(lambda: trace(net, name, "vector-db",
                                    "tcp/6333")["arrives"])


def test_tunnel_that_nobody_hears(net, broken):
    broken("node2", ["nft", "delete", "table", "inet", TABLE])
    net.run("node2", "nft", "-f", "-", input="""
table inet %s {
    chain input {
        type filter hook input priority -300; policy accept;
        udp dport 51821 drop
        udp sport 51821 drop
    }
}
""" % TABLE)
    assert_blames(net, "op-dbus-api", "vector-db", "tcp/6333",
                  words=["nothing answers through nm-privacy", "peer node2",
                         "socknet peers node2"])


def test_agent_that_is_dead(net, broken):
    broken("node2", ["true"])
    net.kill("node2", "agent")
    try:
        p = net.socknet(CLI, "--json", "trace", "op-dbus-api", "vector-db",
                        "tcp/6333", "--wait", "1", check=False)
        v = json.loads(p.stdout)
        assert p.returncode == 1
        assert v["verdicts"][0]["end"] == "unknown"
        assert "agent of node2 does not answer" in v["verdicts"][0]["why"]
        assert {s["node"] for s in v["steps"]} == {"oo1424oo"}
    finally:
        net.start("node2", "agent")
    assert eventually(lambda: trace(net, "op-dbus-api", "vector-db",
                                    "tcp/6333")["arrives"])


def rows(net, table):
    text = net.run(CLI, "ovsdb-client", "-f", "json", "dump",
                   "unix:/run/socknet/db.sock", "Socknet", table).stdout
    return json.loads(text)["data"]


def test_nothing_is_left_behind(net):
    trace(net, "op-dbus-api", "vector-db", status=0)
    assert not rows(net, "Request")
    assert eventually(lambda: not rows(net, "Answer"))
