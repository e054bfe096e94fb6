"""What an operator meets: a host that starts without the database, what a bug
report holds."""

import base64
import json
import os
import re
import tarfile
import time

from harness import eventually
from socklab import daemons, ns, ovs

NODE = "node2"                  # The database is on the other one.
PAIRS = (("mcp-server", "vector-db", 4), ("mcp-server", "vector-db", 6))
HEADLESS = "working headless"


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
                site, NODE, program))
        assert eventually(lambda: enforced(site, NODE), 40), \
            site.appctl(NODE, "socknet-controller", "status")
        for src, dst, version in PAIRS:
            assert site.reaches(src, dst, version, timeout=40), (src, dst)
        # Policy as before, too.
        assert eventually(lambda: site.tcp("op-dbus-api", "vector-db", 6333))
        assert not site.tcp("redis", "op-dbus-api", 9574, timeout=0.5)
        status(site)
        pinger = site.pinger("mcp-server", "vector-db", 0.02).begun()
        before = {p: site.stats(NODE, p) for p in ("socknet-agent",
                                                   "socknet-controller")}
    finally:
        site.start(db, "db")
    for program in before:
        assert eventually(lambda: "connected" in database_line(
            site, NODE, program))
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
    assert eventually(lambda: not site.http_fails("xray", timeout=5))
    db = lose_database(site)
    assert db == "oo1424oo"
    try:
        reboot(site, db)
        assert eventually(lambda: enforced(site, db), 40), \
            site.appctl(db, "socknet-controller", "status")
        assert eventually(lambda: not site.http_fails("xray"))
        # A peer that did not reboot can take 15 s to see that it has to shake
        # hands again.
        assert site.reaches("mcp-server", "vector-db", timeout=40)
    finally:
        site.start(db, "db")
    assert eventually(lambda: site.socknet(
        db, "status", "--check", check=False).returncode == 0, 40)


ROW = re.compile("\t.*=")
SECRETS = {
    "log": "password=Hunter2Hunter2",
    "token": "nmTokenS3cr3tS3cr3t",
    "list": "secondS3cr3tOfAList",
    "block": "S3cr3tOfABlock",
    "quoted": "S3cr3t Of Several",
    "pem": "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0",
    "psk": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
}


def test_bundle_has_no_secrets(site, tmp_path):
    """Secrets where an operator's mishaps put them; the real keys, too."""
    node = "oo1424oo"
    host = site.lab.host(node)
    state = site.base.read_text().replace(
        "\n  %s:\n" % node, "\n  %s:\n    netmaker:\n      token: %s\n"
        "      api_keys: [first, %s]\n      secret: |\n        %s\n"
        % (node, SECRETS["token"], SECRETS["list"], SECRETS["block"]), 1)
    site.apply(state.replace("mesh:\n", "mesh:\n  preshared_keys: true\n",
                             1))
    assert eventually(lambda: ROW.search(host.run(
        "wg", "show", "nm-privacy", "preshared-keys").stdout))
    with open(host.path("log-openvswitch", "mishap.log"), "w") as f:
        f.write("x %s\ntoken: %s\n-----BEGIN PRIVATE KEY-----\n%s\n"
                "-----END PRIVATE KEY-----\npsk %s\n"
                % tuple(SECRETS[k] for k in ("log", "token", "pem", "psk")))
    secrets = set(SECRETS.values())
    secrets.discard(SECRETS["log"])
    secrets.add("Hunter2Hunter2")
    keys = {k for k in host.run(
        "sh", "-c", "cat /var/lib/socknet/*.key; wg show all private-key; "
        "wg show all preshared-keys | cut -f3").stdout.split()
        if len(k) == 44}
    assert len(keys) >= 3
    raw = [base64.b64decode(k) for k in keys]
    secrets |= {k.rstrip("=") for k in keys}
    secrets |= {r.hex() for r in raw} | {r.hex().upper() for r in raw}
    with open(host.path("log-openvswitch", "mishap.log"), "a") as f:
        for r in raw:
            f.write("key %s, 0x%s\nPGPASSWORD='%s x'\n{\"k\": \"%s\"}\n"
                    % (r.hex(), r.hex().upper(), SECRETS["quoted"],
                       base64.urlsafe_b64encode(r).decode()))
            secrets.add(base64.urlsafe_b64encode(r).decode().rstrip("="))
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


def test_bundle_where_nothing_works(site):
    """Nobody answers, and no half of an archive stays on a full disk."""
    host = site.lab.host(NODE)
    for what in ("agent", "controller"):
        site.kill(NODE, what)
    host.run("mount", "-t", "tmpfs", "-o", "size=8k", "none", "/mnt")
    try:
        for args, env in ((("-o", "/mnt/b.tgz"), "x=y"),
                          (("-o", "/var/lib/socknet/b.tgz"), "TMPDIR=/mnt")):
            p = site.run(NODE, "env", env, site.lab.info["build"]
                         + "/cli/socknet", "bundle", *args, check=False)
            assert p.returncode == 1 and "No space left" in p.stderr
            assert not host.run("sh", "-c", "ls -A /mnt; ls /var/lib/socknet/"
                                "b.tgz || true").stdout
        site.socknet(NODE, "bundle", "-o", "/var/lib/socknet/b.tgz")
        with tarfile.open(host.path("lib-socknet", "b.tgz")) as tar:
            names = [os.path.basename(m.name) for m in tar.getmembers()]
        assert {"doctor.txt", "nft.txt", "flows.txt",
                "log-socknet-socknet-agent.log"} <= set(names)
    finally:
        host.run("umount", "/mnt")
        for what in ("agent", "controller"):
            site.start(NODE, what)
