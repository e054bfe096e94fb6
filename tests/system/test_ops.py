"""What an operator meets: a host that starts without the database, what doctor
finds, what a bug report holds."""

import json
import os
import tarfile
import time

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
             "true")
    # In its own time, wireguard-go ends and takes its socket along: by then it
    # must not be the next one's.
    ns.wait_for("wireguard-go's end", lambda: host.run(
        "pgrep", "-f", "wireguard-go.*nm-privacy",
        check=False).returncode != 0, 30)
    host.run("rm", "-f", "/run/wireguard/nm-privacy.sock")


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


def lose_database(system):
    # A daemon writes its copy once a second.
    time.sleep(1.1)
    db = system.lab.info["db_node"]
    system.kill(db, "db")
    return db


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
    db = lose_database(site)
    try:
        reboot(site, NODE)
        for program in ("socknet-agent", "socknet-controller"):
            assert eventually(lambda: HEADLESS in database_line(
                site, NODE, program), 20)
        assert eventually(lambda: enforced(site, NODE), 40), \
            site.appctl(NODE, "socknet-controller", "status")
        for src, dst, version in PAIRS:
            assert site.reaches(src, dst, version, timeout=40), (src, dst)
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
            site, NODE, program), 20)
    assert eventually(lambda: site.socknet(
        db, "status", "--check", check=False).returncode == 0, 40)
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
    assert site.http("xray")
    db = lose_database(site)
    assert db == "oo1424oo"
    try:
        reboot(site, db)
        assert eventually(lambda: enforced(site, db), 40), \
            site.appctl(db, "socknet-controller", "status")
        assert eventually(lambda: not site.http_fails("xray"), 10)
        # A peer that did not reboot can take 15 s to see that it has to shake
        # hands again.
        assert site.reaches("mcp-server", "vector-db", timeout=40)
    finally:
        site.start(db, "db")
    assert eventually(lambda: site.socknet(
        db, "status", "--check", check=False).returncode == 0, 40)


def doctor(site, node, *args):
    """{check: [(verdict, found)]}, and the exit code."""
    first = site.lab.info["db_node"]
    if node != first:
        endpoint = site.lab.node(first).endpoint
        args += ("--db=ssl:%s:%d" % (endpoint, daemons.AGENT_PORT),
                 *daemons.tls_flags(node))
    p = site.socknet(node, "--json", "doctor", *args, check=False)
    results = {}
    for r in json.loads(p.stdout)["results"]:
        results.setdefault(r["check"], []).append((r["verdict"], r["found"]))
        assert r["verdict"] not in ("warn", "fail") or r["remedy"] \
            or r["check"] in ("agent", "bridge"), r
    return results, p.returncode


def bad(results, check, word):
    """Whether that check complains about 'word'."""
    return any(verdict in ("warn", "fail") and word in found
               for verdict, found in results[check])


# What the lab itself cannot have right: the machine's kernel and clock.
MACHINE = ("modules", "clock", "bridge", "mtu", "disk", "neighbours")


def test_doctor_of_a_healthy_host(site):
    assert eventually(lambda: enforced(site, "oo1424oo"))
    results, code = doctor(site, "oo1424oo")
    wrong = [(k, r) for k, rs in results.items() for r in rs
             if r[0] == "fail" or r[0] == "warn" and k not in MACHINE]
    assert not wrong and code == 0, wrong
    assert len(results) == 19


PROVOKE = """
ovs-vsctl set-controller vmbr0 tcp:127.0.0.1:6699
ovs-vsctl set bridge vmbr0 protocols=OpenFlow10,OpenFlow13
sysctl -qw net.ipv4.conf.all.rp_filter=1
sysctl -qw net.ipv4.conf.nm-privacy.rp_filter=1
sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
ip link set nm-privacy mtu 1500
ovs-vsctl set Interface veth104 mtu_request=9000
nft add table ip filter
nft add chain ip filter DOCKER-USER
nft "add chain ip filter FORWARD { type filter hook forward priority 10; \
policy drop; }"
nft add table inet fw
nft "add chain inet fw input { type filter hook input priority 10; \
policy drop; }"
nft "add rule inet fw input iifname lo accept"
ip rule add pref 99 lookup 77
"""
HEAL = """
nft delete table ip filter; nft delete table inet fw
ip rule del pref 99
ovs-vsctl del-controller vmbr0
ovs-vsctl set Interface veth104 mtu_request=1500
sysctl -qw net.ipv4.conf.all.rp_filter=0
"""
FINDINGS = (
    ("bridge", "controller configured"),
    ("rp_filter", "rp_filter of nm-privacy"),
    ("mtu", "MTU of veth104"),
    ("firewall", "FORWARD of table ip filter (Docker's)"),
    ("firewall", "chain input of table inet fw"),
    ("rules", "rule 99"),
    ("daemons", "socknet-agent does not run"),
    ("daemons", "socknet-controller does not run"),
    ("forwarding", "ip_forward is 0"),
    ("forwarding", "ipv6.conf.all.forwarding is 0"),
    ("bridge", "speaks only"),
    ("mtu", "MTU of nm-privacy is 1500"),
)


def test_doctor_finds_what_is_wrong(site):
    host = site.lab.host(NODE)
    site.kill(NODE, "agent")            # It would repair some of it.
    site.kill(NODE, "controller")
    host.run("sh", "-ec", PROVOKE)
    try:
        results, code = doctor(site, NODE)
        missing = [f for f in FINDINGS if not bad(results, *f)]
        assert not missing, (missing, results)
        assert code == 1
        assert ("unknown", ) == tuple({v for v, _ in results["agent"]})
    finally:
        host.run("sh", "-c", HEAL, check=False)
        for what in ("agent", "controller"):
            site.start(NODE, what)
    assert eventually(lambda: enforced(site, NODE), 40)
    assert eventually(lambda: not any(
        bad(doctor(site, NODE)[0], *f) for f in FINDINGS), 20)


def test_doctor_finds_a_certificate_that_expires(site):
    node = site.lab.info["db_node"]
    site.socknet(node, "pki", "node", "old", "--days", "1")
    try:
        results, code = doctor(site, node)
        assert bad(results, "certificates", "old-cert.pem expires on")
    finally:
        site.lab.host(node).run("sh", "-c", "rm /etc/socknet/pki/old-*")


def test_doctor_finds_no_bridge_and_no_secure_mode(site):
    host = site.lab.host(NODE)
    for what in ("agent", "controller"):
        site.kill(NODE, what)
    ovs.vsctl(host, "set-fail-mode", ovs.BRIDGE, "standalone")
    try:
        assert bad(doctor(site, NODE)[0], "bridge", "is standalone")
    finally:
        ovs.vsctl(host, "set-fail-mode", ovs.BRIDGE, "secure")
        for what in ("agent", "controller"):
            site.start(NODE, what)
    assert eventually(lambda: enforced(site, NODE), 40)


def test_doctor_without_root(site):
    """It says what it cannot see, and fails nothing for that."""
    p = site.run(NODE, "setpriv", "--reuid=65534", "--regid=65534",
                 "--clear-groups", site.lab.info["build"] + "/cli/socknet",
                 "--json", "doctor", check=False)
    results = json.loads(p.stdout)["results"]
    blind = {r["check"] for r in results if r["verdict"] == "unknown"}
    assert {"firewall", "bridge", "database", "wireguard"} <= blind
    assert not [r for r in results if r["verdict"] == "fail"
                and "does not run" not in r["found"]], results


SECRETS = {
    "log": "password=Hunter2Hunter2",
    "token": "nmTokenS3cr3tS3cr3t",
    "pem": "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0",
    "psk": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
}


def test_bundle_has_no_secrets(site, tmp_path):
    """Secrets where an operator's mishaps put them; the real keys, too."""
    node = "oo1424oo"
    host = site.lab.host(node)
    state = site.base.read_text().replace(
        "mesh:\n", "mesh:\n  netmaker: {token: %s}\n" % SECRETS["token"], 1)
    if site.socknet(node, "check", str(site.state_file(state)),
                    check=False).returncode == 0:
        site.apply(state)
    with open(host.path("log-openvswitch", "mishap.log"), "w") as f:
        f.write("x %s\ntoken: %s\n-----BEGIN PRIVATE KEY-----\n%s\n"
                "-----END PRIVATE KEY-----\npsk %s\n"
                % tuple(SECRETS[k] for k in ("log", "token", "pem", "psk")))
    secrets = set(SECRETS.values())
    secrets.discard(SECRETS["log"])
    secrets.add("Hunter2Hunter2")
    secrets |= set(host.run("sh", "-c", "cat /var/lib/socknet/*.key; "
                            "wg show all private-key | cut -f2")
                   .stdout.split())
    pem = host.run("sh", "-c", "cat /etc/socknet/pki/*-key.pem").stdout
    secrets |= {x for x in pem.splitlines() if x and "---" not in x}
    assert len(secrets) > 7
    host.run("ovs-vsctl", "set", "Open_vSwitch", ".",
             "external_ids:token=" + SECRETS["token"])
    out = host.path("lib-socknet", "report.tar.gz")
    site.socknet(node, "bundle", "-o", "/var/lib/socknet/report.tar.gz")
    assert os.stat(out).st_mode & 0o777 == 0o600
    text = {}
    with tarfile.open(out) as tar:
        for m in tar.getmembers():
            if m.isfile():
                text[os.path.basename(m.name)] = tar.extractfile(
                    m).read().decode(errors="replace")
    os.remove(host.path("log-openvswitch", "mishap.log"))
    for name, content in text.items():
        found = [s for s in secrets if s in content]
        assert not found, (name, found)
    # And yet it is of use.
    assert "[redacted]" in text["log-mishap.log"]
    assert "xray" in text["state.yaml"] and "nm-privacy" in text["ip.txt"]
    assert "table inet socknet" in text["nft.txt"]
    assert "cookie=0x53" in text["flows.txt"]
    assert json.loads(text["doctor.json"])["results"]
    assert json.loads(text["status.json"])["nodes"]
    own = host.run("wg", "show", "nm-privacy", "public-key").stdout.strip()
    assert own in text["wg.txt"]
    # Twice to the same place: the first one is kept.
    p = site.socknet(node, "bundle", "-o", "/var/lib/socknet/report.tar.gz",
                     check=False)
    assert p.returncode == 1 and "exists" in p.stderr
    site.apply()
