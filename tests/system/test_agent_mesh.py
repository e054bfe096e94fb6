"""The agent: keys, the mesh and the host's routing.  Whatever is taken away
comes back; what is somebody else's stays; and what is right is not touched."""

import base64
import os
import signal
import stat
import time

import agents
import pytest
from agents import NODES, has_route, nft, out, peers, settled, writes
from harness import eventually
from socklab import daemons

A, B = NODES
# Where it takes long, B has tried its other address.
B_ENDPOINTS = ("198.51.100.12:51821", "[2001:db8:100::2]:51821")


@pytest.fixture(scope="module")
def mesh(make_net, two_hosts, builddir):
    system = make_net(two_hosts, bare=True)
    agents.start(system, builddir)
    agents.apply(system)
    yield system


@pytest.fixture(autouse=True)
def clean_logs(mesh, expect_logs):
    with mesh.clean_logs(expect_logs, agents.CUT_OFF):
        yield


def test_hosts_reach_each_other(mesh):
    assert mesh.reaches(A, "100.64.0.2")
    assert mesh.reaches(A, "10.1.0.1")
    assert mesh.reaches(B, "10.0.0.1")
    assert mesh.reaches(A, "fd00:53:1::1", 6)


@agents.not_in_vm
def test_key_is_private_and_stays(mesh):
    path = agents.key_file(mesh, A)
    with open(path) as f:
        key = f.read()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    public = out(mesh, A, "wg", "show", "nm-privacy", "public-key")

    mesh.kill(A, "agent", signal.SIGTERM)
    mesh.start(A, "agent")
    assert eventually(lambda: agents.generations(mesh, A)[0] > 0)
    with open(path) as f:
        assert f.read() == key
    assert out(mesh, A, "wg", "show", "nm-privacy", "public-key") == public


@agents.not_in_vm
def test_key_is_nowhere_else(mesh):
    """Not in a log, a command line, an environment or the database."""
    with open(agents.key_file(mesh, A)) as f:
        key = f.read().strip()
    hexadecimal = base64.b64decode(key).hex()
    for _, _, path in daemons.logs(mesh.lab):
        with open(path, errors="replace") as f:
            text = f.read()
        assert key not in text and hexadecimal not in text, path
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("cmdline", "environ"):
            try:
                with open("/proc/%s/%s" % (pid, name), "rb") as f:
                    assert key.encode() not in f.read()
            except OSError:
                continue
    dump = out(mesh, mesh.lab.info["db_node"], "ovsdb-client", "dump",
               "unix:/run/socknet/db.sock", "Socknet")
    assert key not in dump and "Node_Status" in dump


@agents.not_in_vm
def test_readable_key_is_refused(mesh, expect_logs):
    expect_logs += ["lets others read the private key"]
    path = agents.key_file(mesh, A)
    mesh.kill(A, "agent", signal.SIGTERM)
    os.chmod(path, 0o644)
    try:
        mesh.start(A, "agent")
        assert eventually(lambda: "lets others read" in mesh.appctl(
            A, "socknet-agent", "status"))
        # The mesh goes on meanwhile.
        assert mesh.reaches(A, "10.1.0.1")
    finally:
        os.chmod(path, 0o600)
    mesh.appctl(A, "socknet-agent", "resync")
    assert eventually(lambda: "problems: 0" in mesh.appctl(
        A, "socknet-agent", "status"))


def test_second_pass_writes_nothing(mesh):
    before = {n: settled(mesh, n) for n in NODES}
    for n in NODES:
        mesh.appctl(n, "socknet-agent", "resync")
    agents.apply(mesh)
    assert {n: settled(mesh, n) for n in NODES} == before
    # In a slow machine a device may go between being seen and being written.
    assert agents.IN_VM or all(
        before[n]["write_errors"] == 0 for n in NODES), before


def test_restart_writes_nothing(mesh):
    mesh.kill(A, "agent")
    mesh.start(A, "agent")
    assert eventually(lambda: agents.generations(mesh, A)[0] > 0)
    assert set(settled(mesh, A).values()) == {0}


REMOVALS = [
    ("ip", "route", "del", "10.1.0.0/24"),
    ("ip", "-6", "route", "del", "fd00:53:1::/64"),
    ("ip", "addr", "del", "100.64.0.1/24", "dev", "nm-privacy"),
    ("ip", "addr", "del", "10.0.0.1/24", "dev", "vmbr0"),
    ("ip", "addr", "del", "fd00:53::1/64", "dev", "vmbr0"),
    ("ip", "link", "set", "nm-privacy", "mtu", "1300"),
    ("ip", "link", "set", "nm-privacy", "down"),
    ("ip", "link", "set", "vmbr0", "down"),
    ("ip", "rule", "del", "iif", "x-warp0"),
    ("ip", "rule", "del", "oif", "warp0"),
    ("ip", "-6", "rule", "del", "iif", "x-warp0"),
    ("nft", "delete", "table", "inet", "socknet"),
    ("nft", "flush", "chain", "inet", "socknet", "from_mesh"),
    ("nft", "insert", "rule", "inet", "socknet", "forward", "accept"),
    ("ovs-vsctl", "del-port", "x-warp0"),
    ("ovs-vsctl", "clear", "bridge", "vmbr0", "fail_mode"),
    ("ovs-vsctl", "clear", "bridge", "vmbr0", "flow_tables"),
    ("ovs-vsctl", "clear", "bridge", "vmbr0", "other_config"),
    ("ovs-vsctl", "set", "bridge", "vmbr0", "protocols=OpenFlow13"),
    ("ovs-vsctl", "clear", "interface", "veth102", "external_ids"),
    ("sysctl", "-qw", "net.ipv4.conf.nm-privacy.rp_filter=1"),
]


# All that the agent keeps on a host, as text.
SNAPSHOT = """
for f in -4 -6; do
    ip $f route show table all proto 83 | sort
    ip $f rule
done
ip -o -4 addr show vmbr0
ip -o -6 addr show vmbr0 scope global
ip -o -4 addr show nm-privacy
ip -o link show nm-privacy | sed 's/ qdisc.*//'
sysctl net.ipv4.conf.nm-privacy.rp_filter
nft -s list ruleset | sort
show() { ovs-vsctl -f csv --no-headings --columns=$2 list $1; }
show bridge name,fail_mode,other_config
show bridge protocols | grep -o OpenFlow15
show flow_table name | sort
show interface name,external_ids | sort
"""


def snapshot(mesh, node):
    return out(mesh, node, "bash", "-c", SNAPSHOT, check=False)


if os.environ.get("SOCKNET_KERNEL"):
    REMOVALS = REMOVALS[::6]


@pytest.mark.parametrize("command", REMOVALS,
                         ids=lambda c: "-".join(c).replace("/", "_"))
def test_what_is_removed_comes_back(mesh, expect_logs, command):
    expect_logs += ["somebody cleared fail_mode", "fail_mode was"]
    settled(mesh, A)
    before = snapshot(mesh, A)
    assert "10.1.0.0/24" in before and "OpenFlow15" in before
    out(mesh, A, *command)
    if command[0] == "sysctl":  # No event tells of these.
        mesh.appctl(A, "socknet-agent", "resync")
    if not eventually(lambda: snapshot(mesh, A) == before, 10, 0.05):
        assert snapshot(mesh, A) == before
    settled(mesh, A)
    # A device that was down has no session: both ends may call at once.
    assert mesh.reaches(A, "10.1.0.1")


def test_flushed_while_it_looks(mesh, expect_logs):
    """Also between making the tables and reading what became of them."""
    def lines():
        return sorted(agents.nft(mesh, A).splitlines())
    expect_logs += [r"agent\|WARN\|nftables: "]
    settled(mesh, A)
    before = lines()
    assert "table inet socknet {" in before
    out(mesh, A, "sh", "-c",
        "for i in $(seq 200); do nft flush ruleset; done")
    assert eventually(lambda: lines() == before), lines()


def test_removed_peer_comes_back(mesh):
    before = peers(mesh, A)
    key = next(iter(before))
    out(mesh, A, "wg", "set", "nm-privacy", "peer", key, "remove")
    assert eventually(lambda: key in peers(mesh, A))
    endpoint, prefixes = peers(mesh, A)[key][:2]
    assert prefixes == before[key][1]
    assert endpoint in B_ENDPOINTS
    assert mesh.reaches(A, "10.1.0.1")


def test_stranger_peer_and_changed_prefix(mesh):
    """Somebody gives the neighbour's prefix to a key of his own."""
    def allowed():
        return {k: v[1] for k, v in peers(mesh, A).items()}
    before = allowed()
    out(mesh, A, "wg", "set", "nm-privacy", "peer",
        "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=", "allowed-ips",
        "10.1.0.0/24,10.77.0.0/24")
    assert eventually(lambda: allowed() == before), allowed()


def test_dropped_prefix_loses_no_packet(mesh):
    """A prefix that nobody should have goes; the peer's others stay."""
    assert mesh.reaches(A, "10.1.0.1")
    key = next(iter(peers(mesh, A)))
    allowed = peers(mesh, A)[key][1]
    pinger = mesh.pinger(A, "10.1.0.1").begun()
    time.sleep(1)
    out(mesh, A, "wg", "set", "nm-privacy", "peer", key, "allowed-ips",
        ",".join(allowed + ["10.66.0.0/24"]))
    assert eventually(lambda: peers(mesh, A)[key][1] == allowed)
    got = pinger.stop()
    assert got.sent > 10 and not got.missing, got


def handshakes(mesh):
    return [v[2] for v in peers(mesh, A).values()]


def same_session(before, after):
    """WireGuard itself shakes hands anew when a session is 120 s old."""
    return len(before) == len(after) and all(
        new == old or new - old >= 115 for old, new in zip(before, after))


def test_new_subnet_of_a_peer(mesh, two_hosts):
    """One message to each; the tunnel goes on."""
    state = two_hosts.read_text().replace(
        'subnet: [10.1.0.0/24, "fd00:53:1::/64"]',
        'subnet: [10.1.0.0/24, "fd00:53:9::/64"]').replace(
            "fd00:53:1::103", "fd00:53:9::103")
    assert mesh.reaches(A, "10.1.0.1")
    handshake = handshakes(mesh)
    before = settled(mesh, A)
    pinger = mesh.pinger(A, "10.1.0.1").begun()
    try:
        agents.apply(mesh, state)
        after = settled(mesh, A)
        assert has_route(mesh, A, "fd00:53:9::/64", "nm-privacy")
        assert not has_route(mesh, A, "fd00:53:1::/64", "nm-privacy")
        assert mesh.reaches(A, "fd00:53:9::1", 6)
        assert after["wg_writes"] == before["wg_writes"] + 1
        assert after["netlink_writes"] == before["netlink_writes"] + 4
        assert same_session(handshake, handshakes(mesh))
    finally:
        agents.apply(mesh)
    got = pinger.stop()
    assert not got.missing, got


def test_killed_agent_loses_nothing(mesh):
    """No handshake, no packet, over kill -9 and start, a few times."""
    assert mesh.reaches(A, "10.1.0.1")
    idle = mesh.pinger(A, "10.1.0.1").begun()
    eventually(lambda: False, 1)
    idle = idle.stop()
    handshake = handshakes(mesh)
    pinger = mesh.pinger(A, "10.1.0.1").begun()
    for _ in range(3):
        mesh.kill(A, "agent")
        mesh.start(A, "agent")
        assert eventually(lambda: agents.generations(mesh, A)[0] > 0)
    got = pinger.stop()
    assert len(got.missing) <= len(idle.missing), (got, idle)
    assert same_session(handshake, handshakes(mesh))


@agents.not_in_vm
def test_headless(mesh):
    """Without the central database: repairs go on, nothing is torn down."""
    db_node = mesh.lab.info["db_node"]
    mesh.kill(db_node, "db")
    try:
        for n in NODES:
            out(mesh, n, "ip", "route", "flush", "proto", "83")
            out(mesh, n, "nft", "delete", "table", "inet", "socknet")
        for n, dst in ((A, "10.1.0.0/24"), (B, "10.0.0.0/24")):
            assert eventually(lambda: has_route(mesh, n, dst, "nm-privacy"))
            assert eventually(lambda: "inet socknet" in nft(mesh, n))
        assert mesh.reaches(A, "10.1.0.1")
    finally:
        mesh.start(db_node, "db")
    assert eventually(lambda: "central database: connected" in mesh.appctl(
        B, "socknet-agent", "status"))


@agents.not_in_vm
def test_start_without_database(mesh, expect_logs):
    """An agent that cannot see the database leaves all as it is."""
    expect_logs += ["no database at .* working headless"]
    db_node = mesh.lab.info["db_node"]
    mesh.kill(db_node, "db")
    before = snapshot(mesh, B)
    mesh.kill(B, "agent")
    try:
        mesh.start(B, "agent")
        eventually(lambda: False, 1)
        assert snapshot(mesh, B) == before
        assert set(writes(mesh, B).values()) == {0}
    finally:
        mesh.start(db_node, "db")
    assert eventually(lambda: agents.generations(mesh, B)[0] > 0)


# What the agent may say of a device that vanishes under its hands.
GONE = ["wireguard-go ended", "cannot (read|configure) the WireGuard",
        "cannot configure the interface"]


def wireguard_go(mesh, node):
    path = mesh.lab.hosts[node].path("run-socknet")
    assert os.path.isdir(path)
    text = out(mesh, node, "sh", "-c",
               "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; "
               "echo \" $p\"; done")
    return [line.split("/proc/")[1] for line in text.splitlines()
            if line.startswith("wireguard-go") and "nm-privacy" in line]


def is_userspace(mesh, node):
    return "wireguard: wireguard-go" in mesh.appctl(node, "socknet-agent",
                                                    "status")


@agents.not_in_vm
def test_wireguard_go_is_started_again(mesh, expect_logs):
    if not is_userspace(mesh, A):
        pytest.skip("this kernel has WireGuard")
    expect_logs += GONE
    first = wireguard_go(mesh, A)
    assert len(first) == 1
    with mesh.capture(A, "eth0", "icmp and dst 10.1.0.1") as leak:
        pinger = mesh.pinger(A, "10.1.0.1").begun()
        out(mesh, A, "kill", "-9", first[0])
        eventually(lambda: False, 1)
        pinger.stop()
    assert not leak.frames
    assert eventually(lambda: wireguard_go(mesh, A) not in ([], first))
    assert mesh.reaches(A, "10.1.0.1", timeout=20)
    assert len(wireguard_go(mesh, A)) == 1


@agents.not_in_vm
def test_router_advertisements_go_on(mesh):
    """Forwarding makes Linux ignore them: a host that lives on one would be
    cut off."""
    mesh.kill(B, "agent")
    out(mesh, B, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=0",
        "net.ipv6.conf.eth0.accept_ra=1")
    out(mesh, B, "ip", "-6", "route", "add", "default", "via", "fe80::1",
        "dev", "eth0", "proto", "ra", "metric", "2000")
    try:
        mesh.start(B, "agent")
        assert eventually(lambda: agents.generations(mesh, B)[0] > 0)
        assert out(mesh, B, "sysctl", "-n", "net.ipv6.conf.all.forwarding",
                   "net.ipv6.conf.eth0.accept_ra",
                   "net.ipv6.conf.vmbr0.accept_ra").split() == ["1", "2",
                                                                "1"]
    finally:
        out(mesh, B, "ip", "-6", "route", "del", "default", "via", "fe80::1",
            "dev", "eth0")
        out(mesh, B, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=1")


@agents.not_in_vm
def test_foreign_route_in_the_way(mesh, expect_logs):
    """It stays, and is named; one that says the same is as good as ours."""
    expect_logs += ["another route with this destination", "File exists"]
    other = ["10.0.0.0/24", "dev", "eth0", "proto", "static"]
    same = ["10.0.0.0/24", "dev", "nm-privacy", "proto", "static"]
    mesh.kill(B, "agent")
    out(mesh, B, "ip", "route", "del", "10.0.0.0/24", "dev", "nm-privacy")
    out(mesh, B, "ip", "route", "add", *other)
    try:
        mesh.start(B, "agent")
        assert eventually(lambda: "another route with this destination"
                          in mesh.appctl(B, "socknet-agent", "status"))
        assert has_route(mesh, B, "10.0.0.0/24", "eth0")
        out(mesh, B, "ip", "route", "replace", *same)
        mesh.appctl(B, "socknet-agent", "resync")
        assert eventually(lambda: "problems: 0" in mesh.appctl(
            B, "socknet-agent", "status"))
        assert mesh.reaches(B, "10.0.0.1")
    finally:
        out(mesh, B, "ip", "route", "del", "10.0.0.0/24", "proto", "static")
    mesh.appctl(B, "socknet-agent", "resync")
    assert eventually(lambda: has_route(mesh, B, "10.0.0.0/24",
                                        "nm-privacy"))


@agents.not_in_vm
def test_ends_cleanly(mesh):
    """Its files go; what it set up stays."""
    before = snapshot(mesh, B)
    mesh.appctl(B, "socknet-agent", "exit")
    assert eventually(lambda: "socknet-agent.pid" not in out(
        mesh, B, "ls", "/run/openvswitch"))
    assert snapshot(mesh, B) == before
    mesh.start(B, "agent")
    assert eventually(lambda: agents.generations(mesh, B)[0] > 0)


def test_three_capabilities_are_enough(mesh, expect_logs):
    """Root with CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE and
    nothing else, as the manual says."""
    settled(mesh, B)
    before = snapshot(mesh, B)
    ports = mesh.appctl(B, "socknet-agent", "ports")
    mesh.appctl(B, "socknet-agent", "exit")
    assert eventually(lambda: "socknet-agent.pid" not in out(
        mesh, B, "ls", "/run/openvswitch"))
    out(mesh, B, "/usr/bin/setpriv",
        "--bounding-set=-all,+net_admin,+net_raw,+net_bind_service",
        "--inh-caps=-all,+net_admin,+net_raw,+net_bind_service", "sh", "-c",
        " ".join(["exec", agent_program(mesh), *agent_flags(mesh, B)]))
    try:
        pid = out(mesh, B, "cat", "/run/openvswitch/socknet-agent.pid")
        status = out(mesh, B, "cat", "/proc/%s/status" % pid.strip())
        assert "CapEff:\t0000000000003400\n" in status
        assert eventually(lambda: agents.generations(mesh, B)[0] > 0)
        for command in (["ip", "route", "flush", "proto", "83"],
                        ["ip", "link", "set", "nm-privacy", "down"],
                        ["nft", "delete", "table", "inet", "socknet"],
                        ["ovs-vsctl", "clear", "interface", "veth103",
                         "external_ids"],
                        ["sysctl", "-qw",
                         "net.ipv4.conf.nm-privacy.rp_filter=1"]):
            out(mesh, B, *command)
        mesh.appctl(B, "socknet-agent", "resync")
        assert eventually(lambda: snapshot(mesh, B) == before)
        assert eventually(lambda: mesh.appctl(B, "socknet-agent", "ports")
                          == ports)
        assert eventually(lambda: "problems: 0" in mesh.appctl(
            B, "socknet-agent", "status"))
        if is_userspace(mesh, B):
            expect_logs += GONE
            out(mesh, B, "kill", "-9", *wireguard_go(mesh, B))
            assert mesh.reaches(B, "10.0.0.1", timeout=20)
    finally:
        mesh.kill(B, "agent")
        mesh.start(B, "agent")
    assert eventually(lambda: agents.generations(mesh, B)[0] > 0)


def agent_program(mesh):
    return os.path.join(mesh.lab.info["build"], "agent", "socknet-agent")


def agent_flags(mesh, node):
    endpoint = mesh.lab.node(mesh.lab.info["db_node"]).endpoint
    return ["--db=ssl:%s:%d" % (endpoint, daemons.AGENT_PORT),
            *daemons.tls_flags(node), *daemons.daemon_flags("socknet-agent")]


@agents.not_in_vm
@pytest.mark.parametrize("program,problem", [
    ("/dev/null", "is not installed: apt install wireguard-go"),
    ("/bin/false", "wireguard-go ended (exit status 1)"),
])
def test_no_wireguard_at_all(mesh, expect_logs, program, problem):
    """The agent says what is missing, and goes on when it is there."""
    if not is_userspace(mesh, A):
        pytest.skip("this kernel has WireGuard")
    expect_logs += ["wireguard-go", *GONE]
    path = out(mesh, A, "which", "wireguard-go").strip()
    out(mesh, A, "mount", "--bind", program, path)
    try:
        out(mesh, A, "kill", "-9", *wireguard_go(mesh, A))
        assert eventually(lambda: problem in mesh.appctl(
            A, "socknet-agent", "status")), mesh.appctl(
                A, "socknet-agent", "status")
        # All else is kept up.
        out(mesh, A, "nft", "delete", "table", "inet", "socknet")
        assert eventually(lambda: "inet socknet" in nft(mesh, A))
    finally:
        out(mesh, A, "umount", path)
    assert mesh.reaches(A, "10.1.0.1", timeout=20)
    assert eventually(lambda: "problems: 0" in mesh.appctl(
        A, "socknet-agent", "status"))


@agents.not_in_vm
def test_endpoint_by_name(mesh, two_hosts):
    """A name instead of an address; the C library is asked in a child."""
    hosts = "/run/socknet-test-hosts"
    state = two_hosts.read_text().replace("endpoint: 198.51.100.12",
                                          "endpoint: node2.example")
    out(mesh, A, "sh", "-c", "echo 198.51.100.12 node2.example >" + hosts)
    out(mesh, A, "mount", "--bind", hosts, "/etc/hosts")
    try:
        key = next(iter(peers(mesh, A)))
        agents.apply(mesh, state)
        assert eventually(lambda: peers(mesh, A)[key][0]
                          == "198.51.100.12:51821"), (
            peers(mesh, A), mesh.appctl(A, "socknet-agent", "status"),
            mesh.appctl(A, "socknet-agent", "peers"))
        assert mesh.reaches(A, "10.1.0.1")
    finally:
        out(mesh, A, "umount", "/etc/hosts")
        agents.apply(mesh)


def test_fresh_roamed_endpoint_stays(mesh):
    """The neighbour calls from another address than the state file's: its
    last word counts.  When it has been silent, the file's does."""
    a_key = out(mesh, A, "wg", "show", "nm-privacy", "public-key").strip()
    b_key = out(mesh, B, "wg", "show", "nm-privacy", "public-key").strip()
    out(mesh, B, "ip", "addr", "add", "198.51.100.112/24", "dev", "eth0")
    out(mesh, B, "ip", "rule", "add", "ipproto", "udp", "sport", "51821",
        "lookup", "900")
    out(mesh, B, "ip", "route", "add", "198.51.100.0/24", "dev", "eth0",
        "src", "198.51.100.112", "table", "900")
    try:
        out(mesh, B, "wg", "set", "nm-privacy", "peer", a_key, "remove")
        assert eventually(lambda: a_key in peers(mesh, B))
        assert mesh.reaches(B, "10.0.0.1", timeout=20)
        if peers(mesh, A)[b_key][0] != "198.51.100.112:51821":
            pytest.skip("the device picks its source address by itself")
        for n in NODES:
            mesh.appctl(n, "socknet-agent", "resync")
            settled(mesh, n)
        assert peers(mesh, A)[b_key][0] == "198.51.100.112:51821"
    finally:
        out(mesh, B, "ip", "rule", "del", "sport", "51821", "ipproto", "udp")
        out(mesh, B, "ip", "route", "flush", "table", "900")
        out(mesh, B, "ip", "addr", "del", "198.51.100.112/24", "dev", "eth0")
        # Without the peer's memory the state file's endpoint is used.
        out(mesh, A, "wg", "set", "nm-privacy", "peer", b_key, "remove")
        out(mesh, B, "wg", "set", "nm-privacy", "peer", a_key, "remove")
    assert eventually(lambda: peers(mesh, A).get(b_key, ("",))[0]
                      in B_ENDPOINTS), peers(mesh, A)
    assert eventually(lambda: a_key in peers(mesh, B))
    assert mesh.reaches(A, "10.1.0.1", timeout=20)


def test_foreign_link_in_the_way(mesh, expect_logs, two_hosts):
    """Another interface of the mesh's name is neither taken nor removed."""
    expect_logs += ["exists and (is not|was not made)"]
    state = two_hosts.read_text().replace("interface: nm-privacy",
                                          "interface: other0")
    state = state.replace("via: nm-privacy", "via: other0")
    out(mesh, B, "ip", "link", "add", "other0", "type", "bridge")
    before = out(mesh, B, "ip", "-d", "link", "show", "other0")
    try:
        mesh.apply(state, wait=False)
        assert eventually(lambda: "other0 exists and is not a WireGuard"
                          in mesh.appctl(B, "socknet-agent", "status"))
        assert out(mesh, B, "ip", "-d", "link", "show", "other0") == before
        # The mesh of before stays until the new one can be made.
        assert "nm-privacy" in out(mesh, B, "ip", "link")
        out(mesh, B, "ip", "link", "del", "other0")
        assert eventually(lambda: "nm-privacy" not in out(
            mesh, B, "ip", "link"))
        assert mesh.reaches(B, "10.0.0.1", timeout=20)
        assert has_route(mesh, B, "10.0.0.0/24", "other0")
    finally:
        agents.apply(mesh)
    assert mesh.reaches(A, "10.1.0.1", timeout=20)
