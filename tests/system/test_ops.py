"""What an operator meets: a host that starts without the database."""

import json

import pytest

from harness import eventually
from socklab import daemons, ns, ovs

NODE = "node2"                  # The database is on the other one.
PAIRS = (("mcp-server", "vector-db", 4), ("mcp-server", "vector-db", 6))
HEADLESS = "working headless"


@pytest.fixture(scope="module")
def site(make_net, two_hosts):
    system = make_net(two_hosts)
    system.apply()
    system.settle()
    system.serve()
    return system


def wipe(host):
    """What a reboot loses: everything of the kernel's that is not the lab's
    own, with the programs that made it."""
    host.run("sh", "-c", "ip link del nm-privacy; nft flush ruleset; "
             "ip -4 rule | sed -n 's/^\\(53..\\):.*/\\1/p' | "
             "while read p; do ip rule del pref $p; done; "
             "ip -6 rule | sed -n 's/^\\(53..\\):.*/\\1/p' | "
             "while read p; do ip -6 rule del pref $p; done; "
             "ip route flush proto 83; ip -6 route flush proto 83; "
             "ip -4 route flush table all proto 83; "
             "sysctl -qw net.ipv4.ip_forward=0; "
             "rm -f /run/wireguard/nm-privacy.sock; true")


def reboot(system, node):
    host = system.lab.host(node)
    for what in ("agent", "controller"):
        system.kill(node, what)
    host.run("ovs-appctl", "-T", "10", "exit", "--cleanup")
    ns.wait_for("vswitchd's end",
                lambda: not daemons.running(system.lab, node, "vswitchd"), 20)
    system.kill(node, "ovsdb")
    wipe(host)
    for c in system.lab.node(node).containers:
        ns.run(["ip", "-n", host.ns, "link", "set", c.veth, "down"])
    ovs.start_ovsdb(host)
    ovs.start_vswitchd(host)
    ns.ip(host.ns, "link set vmbr0 up")
    for c in system.lab.node(node).containers:
        ns.ip(host.ns, "link set %s up" % c.veth)
    for what in ("agent", "controller"):
        system.start(node, what)


def database_line(system, node, program):
    text = system.appctl(node, program, "status")
    return next(x for x in text.splitlines() if "central database" in x)


def enforced(system, node):
    status = system.appctl(node, "socknet-controller", "status")
    agent = system.appctl(node, "socknet-agent", "status")
    return ("generation: 1 wanted, 1 enforced" in status
            and "generation: 1 of 1" in agent)


def test_reboot_without_database(site):
    for src, dst, version in PAIRS:
        assert site.reaches(src, dst, version)
    assert eventually(lambda: enforced(site, NODE))
    db = site.lab.info["db_node"]
    site.kill(db, "db")
    try:
        reboot(site, NODE)
        for program in ("socknet-agent", "socknet-controller"):
            assert eventually(lambda: HEADLESS in database_line(
                site, NODE, program), 10)
        assert eventually(lambda: enforced(site, NODE), 20), \
            site.appctl(NODE, "socknet-controller", "status")
        for src, dst, version in PAIRS:
            assert site.reaches(src, dst, version, timeout=20), (src, dst)
        # Policy as before, too.
        assert site.tcp("op-dbus-api", "vector-db", 6333)
        assert not site.tcp("redis", "op-dbus-api", 9574, timeout=0.5)
        status(site)
        pinger = site.pinger("mcp-server", "vector-db", 0.02)
        before = {p: site.stats(NODE, p) for p in ("socknet-agent",
                                                   "socknet-controller")}
    finally:
        site.start(db, "db")
    for program in before:
        assert eventually(lambda: "connected" in database_line(
            site, NODE, program), 10)
    assert eventually(lambda: site.socknet(
        db, "status", "--check", check=False).returncode == 0, 20)
    pings = pinger.stop()
    assert pings.lost == 0, str(pings)
    after = {p: site.stats(NODE, p) for p in before}
    for program, names in (
            ("socknet-agent", ("netlink_writes", "wg_writes", "nft_writes",
                               "ovsdb_writes")),
            ("socknet-controller", ("flow_mods_sent",))):
        for name in names:
            assert after[program][name] == before[program][name], name


def status(site):
    """The command has no database either, but asks the daemons."""
    p = site.socknet(NODE, "--json", "status", check=False)
    assert p.returncode == 1
    local = {d["daemon"]: d for d in json.loads(p.stdout)["local"]}
    assert HEADLESS in local["socknet-agent"]["database"]
    assert local["socknet-controller"]["answers"]
    assert "1 enforced" in local["socknet-controller"]["generation"]


def test_exit_after_reboot_without_database(site):
    """The same of the host with the exit; its own database goes with it."""
    db = site.lab.info["db_node"]
    assert db == "oo1424oo" and site.http("xray")
    site.kill(db, "db")
    try:
        reboot(site, db)
        assert eventually(lambda: enforced(site, db), 30), \
            site.appctl(db, "socknet-controller", "status")
        assert eventually(lambda: not site.http_fails("xray"), 10)
        assert site.reaches("mcp-server", "vector-db", timeout=10)
    finally:
        site.start(db, "db")
    assert eventually(lambda: site.socknet(
        db, "status", "--check", check=False).returncode == 0, 20)
