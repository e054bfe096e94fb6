"""What doctor finds on a host, and that its remedies, as printed, cure it."""

import json
import re
import subprocess

import pytest

from harness import eventually
from socklab import daemons

HOST = "oo1424oo"               # With the exit and the database.
FAR = "node2"


@pytest.fixture(scope="module")
def site(site):
    assert eventually(lambda: not site.http_fails("xray", timeout=5))
    return site


def enforced(system, node):
    status = system.appctl(node, "socknet-controller", "status")
    agent = system.appctl(node, "socknet-agent", "status")
    return ("generation: 1 wanted, 1 enforced" in status
            and "generation: 1 of 1" in agent)


def doctor(site, node, *args):
    """{check: [(verdict, found, remedy)]}, and the exit code."""
    first = site.lab.info["db_node"]
    if node != first:
        endpoint = site.lab.node(first).endpoint
        args += ("--db=ssl:%s:%d" % (endpoint, daemons.AGENT_PORT),
                 *daemons.tls_flags(node))
    p = site.socknet(node, "--json", "doctor", *args, check=False)
    results = {}
    for r in json.loads(p.stdout)["results"]:
        results.setdefault(r["check"], []).append(
            (r["verdict"], r["found"], r["remedy"]))
        assert r["verdict"] not in ("warn", "fail") or r["remedy"] \
            or r["check"] == "agent", r
    return results, p.returncode


def bad(results, check, word):
    """The complaint of that check about 'word', or None."""
    return next((r for r in results[check]
                 if r[0] in ("warn", "fail") and word in r[1]), None)


def missing(results, findings):
    return [f for f in findings if not bad(results, *f)]


def cure(site, node, results, findings):
    """Does what doctor prints, less what it says in brackets."""
    remedies = []
    for check, word in findings:
        remedy = re.sub(r" \(.*\)$", "", bad(results, check, word)[2])
        if remedy not in remedies:
            remedies.append(remedy)
    build = site.lab.info["build"]
    for remedy in remedies:
        site.run(node, "sh", "-ec", "PATH=%s/cli:$PATH; %s"
                 % (build, remedy))


def finds(site, node, check, word):
    """The complaint, within the time that daemons take to report."""
    found = eventually(lambda: bad(doctor(site, node)[0], check, word),
                       interval=0.5)
    assert found, (check, word)
    return found


def is_well(site, node, check, word=""):
    return eventually(lambda: not bad(doctor(site, node)[0], check, word),
                      interval=0.5)


def found_and_cured(site, node, provoke, findings, heal="true"):
    """All at once: doctor must tell them apart."""
    host = site.lab.host(node)
    host.run("sh", "-ec", provoke)
    try:
        results, code = doctor(site, node)
        assert not missing(results, findings), (missing(results, findings),
                                                results)
        cure(site, node, results, findings)
        results, code = doctor(site, node)
        left = [f for f in findings if bad(results, *f)]
        assert not left, (left, results)
    finally:
        host.run("sh", "-c", heal, check=False)


# What the lab itself cannot have right: the machine's kernel and clock.
MACHINE = ("modules", "clock", "bridge", "mtu", "disk", "neighbours")


def test_healthy_host(site):
    def is_healthy(node):
        nonlocal results, wrong
        results, code = doctor(site, node)
        wrong = [(k, r) for k, rs in results.items() for r in rs
                 if r[0] == "fail" or r[0] == "warn" and k not in MACHINE]
        return not wrong and code == 0

    results, wrong = {}, []
    for node in (HOST, FAR):
        assert eventually(lambda: enforced(site, node))
        # The first handshakes are reported a moment later.
        assert eventually(lambda: is_healthy(node), interval=0.5), wrong
        assert len(results) == 20


FIREWALLS = """
iptables -N DOCKER-USER
iptables -A FORWARD -j DOCKER-USER
iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
iptables -P FORWARD DROP
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
iptables -A INPUT -p udp --sport 51821 -m mark --mark 7 -j ACCEPT
iptables -A INPUT -p udp -j REJECT
nft add table inet other
nft 'add chain inet other raw { type filter hook prerouting priority -300; }'
nft 'add rule inet other raw udp dport { 51820-51830 } counter drop'
nft 'add chain inet other forward { type filter hook forward priority 9; }'
nft 'add rule inet other forward iifname vmbr0 oifname != eth0 reject'
nft add table netdev other
nft 'add chain netdev other eth0 { type filter hook ingress device eth0 \
priority 0; }'
nft 'add rule netdev other eth0 udp dport 51821 drop'
"""
NO_FIREWALLS = """
iptables -P FORWARD ACCEPT; iptables -F; iptables -X
nft delete table inet other; nft delete table netdev other
"""


def test_firewalls_of_others(site):
    """Docker's, iptables' and nftables'; packets agree with doctor."""
    findings = (
        ("firewall", "FORWARD of table ip filter (Docker's) drops what no"),
        ("firewall", "INPUT of table ip filter drops by a rule"),
        ("firewall", "raw of table inet other"),
        ("firewall", "forward of table inet other"),
        ("firewall", "eth0 of table netdev other"),
    )
    host = site.lab.host(HOST)
    host.run("sh", "-ec", FIREWALLS)
    try:
        results, code = doctor(site, HOST)
        assert not missing(results, findings), results["firewall"]
        assert "exits" in bad(results, *findings[0])[1]
        assert "names" in bad(results, *findings[1])[1]
        assert site.http_fails("xray")
        assert not site.tcp("op-dbus-api", "vector-db", 6333, timeout=0.5)
        cure(site, HOST, results, findings)
        results, code = doctor(site, HOST)
        assert not [f for f in findings if bad(results, *f)], results
        assert eventually(lambda: not site.http_fails("xray"))
        assert eventually(lambda: site.tcp("op-dbus-api", "vector-db",
                                           6333))
    finally:
        host.run("sh", "-c", NO_FIREWALLS, check=False)


def test_proxmox_firewall(site):
    """What it makes of a host whose policy for incoming packets is DROP."""
    host = site.lab.host(HOST)
    host.run("sh", "-ec", """
iptables -N PVEFW-INPUT; iptables -A INPUT -j PVEFW-INPUT
iptables -N PVEFW-HOST-IN; iptables -A PVEFW-INPUT -j PVEFW-HOST-IN
iptables -A PVEFW-HOST-IN -i lo -j ACCEPT
iptables -A PVEFW-HOST-IN -m conntrack --ctstate INVALID -j DROP
iptables -A PVEFW-HOST-IN -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A PVEFW-HOST-IN -p tcp -m tcp --dport 8006 -j RETURN
iptables -A PVEFW-HOST-IN -j DROP
""")
    try:
        found = bad(doctor(site, HOST)[0], "firewall", "Proxmox firewall's")
        assert "the mesh's own packets" in found[1]
        assert found[2].startswith("IN ACCEPT -p udp -dport 51821, below")
        # What pve-firewall makes of such lines.
        for port in re.findall(r"-dport (\d+)", found[2]):
            host.run("iptables", "-I", "PVEFW-HOST-IN", "-p", "udp",
                     "--dport", port, "-j", "RETURN")
        assert not bad(doctor(site, HOST)[0], "firewall", "")
    finally:
        host.run("sh", "-c", NO_FIREWALLS, check=False)


def exit_table(host):
    """The table of the exit's routes."""
    rules = json.loads(host.run("ip", "-j", "rule").stdout)
    return next(r["table"] for r in rules if r.get("iif") == "x-warp0")


def test_rules_and_routes_of_others(site):
    host = site.lab.host(HOST)
    heal = ("for p in 90 91 98 99 100; do ip rule del pref $p; ip rule del "
            "pref $p; done; ip route flush table 77; ip route del "
            "10.1.0.0/25; true")
    # Everything to a table of its own.
    assert site.reaches("mcp-server", "vector-db")
    found_and_cured(site, HOST, "ip route add default via 198.51.100.254 "
                    "table 77; ip rule add pref 99 lookup 77",
                    (("rules", "to node2 leave by eth0 instead of nm-priv"),
                     ("rules", "exit warp leave by eth0 instead of warp0")),
                    "true")
    assert eventually(lambda: not site.http_fails("xray"))
    assert site.reaches("mcp-server", "vector-db")
    host.run("sh", "-c", heal, check=False)
    # The exit's packets only; the guard of nftables holds.
    found_and_cured(site, HOST, "ip rule add pref 100 iif x-warp0 lookup "
                    "main", (("rules", "IPv4 rule 100 sends them to table "
                              "main"),), heal)
    # A route into the exit's table, and one before the mesh's.
    found_and_cured(site, HOST, "ip route add 192.0.2.0/24 dev eth0 table %s "
                    "proto static; ip route add 10.1.0.0/25 dev eth0"
                    % exit_table(host),
                    (("rules", "192.0.2.0/24 dev eth0"),
                     ("rules", "10.1.0.0/25 dev eth0")), heal)
    # Without a way to go there it is a warning.
    found_and_cured(site, HOST, "ip rule add pref 99 lookup 77",
                    (("rules", "rule 99 sends everything"),), heal)
    assert not bad(doctor(site, HOST)[0], "rules", "")


SETTINGS = """
ovs-vsctl set-controller vmbr0 tcp:127.0.0.1:6699
ovs-vsctl set bridge vmbr0 protocols=OpenFlow10,OpenFlow13
ovs-vsctl set-fail-mode vmbr0 standalone
sysctl -qw net.ipv4.conf.all.rp_filter=1
sysctl -qw net.ipv4.conf.nm-privacy.rp_filter=1
sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
ip link set nm-privacy mtu 1500
ovs-vsctl set Interface veth104 mtu_request=9000
"""
SETTINGS_FOUND = (
    ("bridge", "controller configured"),
    ("bridge", "speaks only"),
    ("bridge", "is standalone"),
    ("rp_filter", "rp_filter of nm-privacy"),
    ("mtu", "MTU of veth104"),
    ("forwarding", "ip_forward is 0"),
    ("forwarding", "ipv6.conf.all.forwarding is 0"),
    ("mtu", "MTU of nm-privacy is 1500"),
)


def test_settings(site):
    host = site.lab.host(FAR)
    site.kill(FAR, "agent")             # It would repair some of it.
    site.kill(FAR, "controller")
    try:
        results, code = doctor(site, FAR)
        for what in ("agent", "controller"):
            found = bad(results, "daemons", "socknet-%s does not run" % what)
            assert found[2].startswith("systemctl start socknet-" + what)
        assert code == 1
        assert {r[0] for r in results["agent"]} == {"unknown"}
        found_and_cured(site, FAR, SETTINGS, SETTINGS_FOUND)
    finally:
        host.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0")
        for what in ("agent", "controller"):
            site.start(FAR, what)
    assert eventually(lambda: enforced(site, FAR), 40)
    assert is_well(site, FAR, "daemons")


def test_narrow_underlay(site):
    """The mesh keeps the 1280 bytes that IPv6 needs."""
    host = site.lab.host(HOST)
    try:
        host.run("ip", "link", "set", "eth0", "mtu", "1280")
        finds(site, HOST, "mtu", "which IPv6 needs")
        results, code = doctor(site, HOST)
        assert site.reaches("mcp-server", "vector-db")
        cure(site, HOST, results, (("mtu", "which IPv6 needs"),))
        assert is_well(site, HOST, "mtu", "MTU of nm-")
    finally:
        host.run("ip", "link", "set", "eth0", "mtu", "1500")


def test_peer_that_answers_no_more(site):
    """Handshakes age; an idle tunnel's do, too, but it answers."""
    host = site.lab.host(HOST)
    assert site.reaches("mcp-server", "vector-db")
    host.run("sh", "-ec", "nft add table ip cut; nft 'add chain ip cut in { "
             "type filter hook prerouting priority -300; }'; "
             "nft add rule ip cut in udp dport 51821 drop")
    site.kill(HOST, "agent")
    row = {"latest_handshake": 1600000000}
    try:
        set_row(site, "Peer_Status", [["node", "==", HOST]], row)
        results, code = doctor(site, HOST)
        assert "was last heard of" in bad(results, "handshakes", FAR)[1]
        assert "udp port 51821" in bad(results, "handshakes", FAR)[2]
        assert bad(results, "firewall", "in of table ip cut")
        cure(site, HOST, results, (("firewall", "in of table ip cut"),))
        assert site.reaches("mcp-server", "vector-db", timeout=40)
        assert eventually(lambda: ("ok", FAR + " answers", None)
                          in doctor(site, HOST)[0]["handshakes"])
    finally:
        host.run("nft", "delete", "table", "ip", "cut")
        site.start(HOST, "agent")
    assert eventually(lambda: enforced(site, HOST))


def set_row(site, table, where, row):
    """Straight into the central database, as its operator."""
    op = {"op": "update", "table": table, "where": where, "row": row}
    out = site.run(site.lab.info["db_node"], "ovsdb-client", "transact",
                   "unix:/run/socknet/db.sock",
                   json.dumps(["Socknet", op])).stdout
    assert "error" not in out and json.loads(out)[0]["count"], out


def test_clock(site):
    """Of another host, which may write what it has just then."""
    def is_found():
        set_row(site, "Node_Status", [["node", "==", FAR]],
                {"seen": 4000000000})
        return bad(doctor(site, HOST)[0], "clock", "in the future")
    assert eventually(is_found)
    site.appctl(FAR, "socknet-agent", "resync")


def test_certificates_and_keys(site):
    host = site.lab.host(HOST)
    pki = "/etc/socknet/pki"
    host.run("cp", "-a", pki, "/var/lib/socknet/pki.saved")
    site.socknet(HOST, "pki", "node", "old", "--days", "1")
    site.socknet(HOST, "pki", "node", "mixed")
    site.socknet(HOST, "pki", "init", "--dir", "/var/lib/socknet/other-ca")
    site.socknet(HOST, "pki", "node", "strange", "--dir",
                 "/var/lib/socknet/other-ca")
    try:
        found_and_cured(site, HOST, """
cd %s
cp old-cert.pem alias-cert.pem; cp old-key.pem alias-key.pem
cp old-key.pem mixed-key.pem
cp /var/lib/socknet/other-ca/strange-*.pem .
echo rubbish > torn-cert.pem
chmod 644 mixed-key.pem /var/lib/socknet/privacy-mesh.key
""" % pki, (
            ("certificates", "old-cert.pem expires on"),
            ("certificates", "the certificate of \"old\""),
            ("certificates", "mixed-key.pem is not the key of"),
            ("certificates", "strange-cert.pem is not from the authority"),
            ("certificates", "torn-cert.pem: "),
            ("keys", "/var/lib/socknet/privacy-mesh.key has mode 644"),
            ("keys", "mixed-key.pem has mode 644"),
        ))
        # The database's own: the daemons take it without a restart.
        site.run(HOST, "sh", "-c", "cd %s; cp old-cert.pem "
                 "socknet-db-cert.pem" % pki)
        results, code = doctor(site, HOST)
        cure(site, HOST, results, (("certificates", "socknet-db-cert.pem"),))
        assert not bad(doctor(site, HOST)[0], "certificates", "socknet-db")
    finally:
        host.run("sh", "-c", "rm -rf %s/* /var/lib/socknet/other-ca; "
                 "cp -a /var/lib/socknet/pki.saved/* %s; "
                 "rm -r /var/lib/socknet/pki.saved" % (pki, pki))


def test_port_of_names_is_taken(site):
    """The agent says so, and doctor hands it on; restarted, it is content."""
    host = site.lab.host(FAR)
    site.kill(FAR, "agent")
    thief = host.spawn("/usr/bin/python3", "-c", "import socket, sys, time; "
                       "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
                       "\nwhile 1:\n try: s.bind(('0.0.0.0', 53)); break"
                       "\n except OSError: time.sleep(.1)\n"
                       "sys.stdin.read()", stdin=subprocess.PIPE)
    assert eventually(lambda: ":53 " in host.run("ss", "-lnu").stdout)
    try:
        site.start(FAR, "agent")
        assert "end what listens" in finds(site, FAR, "agent",
                                           "port 53 of")[1]
    finally:
        thief.communicate()
    site.appctl(FAR, "socknet-agent", "resync")
    assert is_well(site, FAR, "agent")


def test_full_disk(site):
    host = site.lab.host(FAR)
    host.run("mount", "-t", "tmpfs", "-o", "size=300k,nr_inodes=20", "none",
             "/var/lib/socknet")
    try:
        results, code = doctor(site, FAR)
        found = bad(results, "disk", "/var/lib/socknet: 0 MB free")
        assert "no inode" in found[1] and "du -xh" in found[2]
    finally:
        # The agent may be writing its copy there.
        assert eventually(lambda: host.run(
            "umount", "/var/lib/socknet", check=False).returncode == 0)
    assert not bad(doctor(site, FAR)[0], "disk", "/var/lib/socknet: 0")


def test_without_root(site):
    """It says what it cannot see, and fails nothing for that."""
    p = site.run(FAR, "setpriv", "--reuid=65534", "--regid=65534",
                 "--clear-groups", site.lab.info["build"] + "/cli/socknet",
                 "--json", "doctor", check=False)
    results = json.loads(p.stdout)["results"]
    blind = {r["check"] for r in results if r["verdict"] == "unknown"}
    assert {"firewall", "bridge", "database", "wireguard"} <= blind
    assert not [r for r in results if r["verdict"] == "fail"
                and "does not run" not in r["found"]], results
