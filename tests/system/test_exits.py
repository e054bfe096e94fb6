"""Exits as containers meet them: failover, kill-switch, segment's exits."""

import json
import re
import time
from concurrent import futures

import agents
import pytest
import sockets
from harness import FACTOR, WEB4, WEB6, eventually, inet

A, B = "oo1424oo", "node2"
# What the web server sees of each tunnel, in the lab's order.
WARP, WORK = inet.egress(1)[0], inet.egress(2)[0]
FAR = inet.egress(3)[0]
PROFILE = "/etc/socknet/work.conf"
PROBE = "probe: {interval: 1, down_after: 2, up_after: 1}"


def state_of(two_hosts):
    """Two exits on A; xray prefers warp, gateway has what its segment
    has."""
    text = two_hosts.read_text()
    text = text.replace("mesh:\n", "mesh:\n  resolvers: [%s]\n" % inet.WEB4,
                        1)
    text = text.replace(
        "      warp_tunnel: {interface: warp0, enabled: true}\n",
        "      warp_tunnel: {interface: warp0, %s}\n"
        "      work_tunnel: {interface: work0, profile: %s, %s}\n"
        % (PROBE, PROFILE, PROBE))
    before = text
    text = text.replace("          exit: warp\n          hwaddr",
                        "          exit: [warp, work]\n          hwaddr")
    assert text != before
    text = text.replace("          tags: [privacy]\n          exit: warp\n"
                        "          properties:\n            name: gateway",
                        "          tags: [privacy]\n"
                        "          properties:\n            name: gateway")
    # redis of B prefers an exit of A.
    text = text.replace(
        "    subnet: [10.1.0.0/24, \"fd00:53:1::/64\"]\n",
        "    subnet: [10.1.0.0/24, \"fd00:53:1::/64\"]\n"
        "    wireguard: {warp_tunnel: {interface: warp0, %s}}\n" % PROBE)
    text = text.replace(
        "            ipv4_address: 10.1.0.104/24\n",
        "            ipv4_address: 10.1.0.104/24\n"
        "            ipv6_address: \"fd00:53:1::104/64\"\n")
    text = text.replace(
        "          veth: veth104\n",
        "          veth: veth104\n          exit: [oo1424oo/warp, warp]\n")
    # B's proxy leaves by A, for the internet's router; A's for mcp-server.
    text = text.replace(
        "  node2:\n", "  node2:\n    socks5: {listen: 198.51.100.12, "
        "exit: [oo1424oo/warp, warp], "
        "allow: [198.51.100.254]}\n")
    text = text.replace(
        "  oo1424oo:\n", "  oo1424oo:\n    socks5: {exit: work, allow: "
        "[mcp-server]}\n")
    text = text.replace(
        "acls:\n", "acls:\n  - {name: proxy, action: accept, src: "
        "[mcp-server, op-dbus-api], dst: [\"node:oo1424oo:1080\"], "
        "proto: tcp}\n")
    return text.replace("internet: exit}", "internet: exit, exit: [work]}")


@pytest.fixture(scope="module")
def lab(make_net, two_hosts):
    system = make_net(state_of(two_hosts))
    system.apply()
    system.settle()
    assert eventually(lambda: exit_state(system, "warp") == "up"
                      and exit_state(system, "work") == "up"
                      and exit_state(system, "oo1424oo/warp", B) == "up"
                      and exit_state(system, "warp", B) == "up")
    resolver = Resolver()
    resolver.udp(system.ns("web"), inet.WEB4, 53)
    yield system
    resolver.close()


class Resolver(sockets.Echo):
    """Knows no name, but answers."""

    def _datagram(self, sock):
        data, who = sock.recvfrom(65536)
        sock.sendto(data[:2] + b"\x81\x83" + data[4:], who)


@pytest.fixture(autouse=True)
def clean_logs(lab, expect_logs):
    with lab.clean_logs(expect_logs):
        yield


def exit_state(lab, name, node=A):
    m = re.search(r"^%s: .*, (up|down|disabled|not probed yet)" % name,
                  lab.appctl(node, "socknet-agent", "exits"), re.M)
    return m and m[1]


def far_end(lab, k, state):
    """The other end of a tunnel, of which the host sees nothing."""
    lab.run("internet", "ip", "link", "set", "warp-%d" % k, state)


@pytest.fixture
def far_warp(lab):
    yield lambda state: far_end(lab, 1, state)
    far_end(lab, 1, "up")
    assert eventually(lambda: exit_state(lab, "warp") == "up")
    assert eventually(lambda: seen(lab) == WARP)


def seen(lab, where="xray", url=WEB4):
    try:
        return lab.http(where, url, 1)
    except OSError:
        return None


def first_seen(lab, *args):
    """As whom the web sees a container when it gets an answer at all."""
    return eventually(lambda: seen(lab, *args))


def test_first_choice(lab):
    # An exit that is believed to be up is told to the controller then.
    assert eventually(lambda: seen(lab) == WARP)
    assert first_seen(lab, "xray", WEB6) == inet.egress(1)[1]


def test_exit_of_the_segment(lab):
    assert first_seen(lab, "gateway") == WORK


def test_dead_far_end(lab, far_warp):
    """The tunnel is up and nobody answers: found out by probes; what ran
    through it is cut, what is new takes the other exit; and back."""
    s = sockets.connect(lab.ns("xray"), inet.WEB4, 80, 5)
    with s, lab.capture(A, "eth0", "host " + inet.WEB4) as uplink, \
            lab.capture(A, "work0", "tcp port %d"
                        % s.getsockname()[1]) as other:
        s.sendall(b"GET /drip/600 HTTP/1.1\r\nHost: web\r\n\r\n")
        assert s.recv(100)
        far_warp("down")
        start = time.monotonic()
        assert eventually(lambda: seen(lab) == WORK)
        took = time.monotonic() - start
        print("failover took %.1f s" % took)
        assert eventually(lambda: "no answer through warp0" in lab.socknet(
            A, "nodes", A).stdout)
        # The old connection gets its reset from this host; not a segment
        # of it shows on the new exit.
        with pytest.raises(ConnectionError):
            for _ in range(100):
                s.sendall(b"x")
                time.sleep(0.05)
        far_warp("up")
        assert eventually(lambda: seen(lab) == WARP)
    assert not uplink.frames, str(uplink)
    assert not other.frames, str(other)


def test_silence_when_nothing_changes(lab):
    """Probes succeed all the time, and nobody hears of it."""
    lab.quiet()


def test_agent_restart_is_no_news(lab, expect_logs):
    """While the agent starts, and before its first probe, the exit stays
    what it was."""
    expect_logs += agents.CUT_OFF
    pings = lab.pinger("xray", "web").begun()
    lab.kill(A, "agent")
    lab.start(A, "agent")
    assert eventually(lambda: exit_state(lab, "warp") == "up")
    got = pings.stop()
    assert got.lost == 0, got


def test_no_exit_left(lab, far_warp):
    """Both tunnels dead: nothing leaves, neither IPv4 nor IPv6 nor DNS."""
    far_end(lab, 2, "down")
    try:
        far_warp("down")
        assert eventually(lambda: exit_state(lab, "warp") == "down"
                          and exit_state(lab, "work") == "down")
        with lab.capture(A, "eth0", "host %s or host %s or port 53"
                         % (inet.WEB4, inet.WEB6)) as uplink:
            assert lab.http_fails("xray")
            assert lab.http_fails("xray", WEB6)
            # The controller is told by the agent, and counts come late.
            assert eventually(lambda: drops_for_exits(lab))
        assert not uplink.frames, str(uplink)
    finally:
        far_end(lab, 2, "up")
    assert eventually(lambda: exit_state(lab, "work") == "up")


def drops_for_exits(lab):
    """Whether packets were dropped, by name, for want of an exit."""
    assert lab.http_fails("xray")
    flows = [f for f in lab.flows(A) if "n_packets=0" not in f]
    return "the exit is down" in lab.socknet(
        A, "explain", input="\n".join(flows)).stdout


def test_tunnel_without_ipv6(lab):
    """IPv6 of a container whose tunnel has only IPv4 goes nowhere: not by
    the uplink, and not into the tunnel with the host's address."""
    lab.run(A, "ip", "-6", "addr", "flush", "dev", "warp0")
    try:
        with lab.capture(A, "eth0", "ip6 and host " + inet.WEB6) as uplink, \
                lab.capture(A, "warp0", "ip6 and host " + inet.WEB6) as warp:
            assert eventually(lambda: lab.http_fails("xray", WEB6), 5)
            assert lab.http_fails("xray", WEB6)
            assert first_seen(lab) == WARP
        assert not uplink.frames, str(uplink)
        assert not warp.frames, str(warp)
    finally:
        lab.run(A, "ip", "addr", "add", "fd00:aa:1::2/128", "dev", "warp0",
                "nodad")
    assert eventually(lambda: seen(lab, url=WEB6) == inet.egress(1)[1])


def remote_device(lab, node=B):
    """Both ends of the tunnel to oo1424oo/warp have this name."""
    m = re.search(r"xr-[0-9a-f]{8}", lab.run(node, "ip", "link").stdout)
    return m[0]


def test_remote_exit(lab):
    """redis leaves by A; between the hosts there is only the mesh."""
    assert eventually(lambda: seen(lab, "redis") == WARP)
    with lab.capture(B, "eth0", "host %s or host %s"
                     % (inet.WEB4, inet.WEB6)) as uplink, \
            lab.capture(A, "eth0", "host %s or host %s or net 10.0.0.0/8"
                        % (inet.WEB4, inet.WEB6)) as other:
        assert first_seen(lab, "redis") == WARP
        assert first_seen(lab, "redis", WEB6) == inet.egress(1)[1]
    assert not uplink.frames, str(uplink)
    assert not other.frames, str(other)


def spoof(lab, source):
    """As if B's root sent with any address into the tunnel to A's exit."""
    script = (
        "import socket, struct\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)\n"
        "s.setsockopt(socket.SOL_SOCKET, 25, %r)\n"
        "a, b = socket.inet_aton(%r), socket.inet_aton(%r)\n"
        "u = struct.pack('!HHHH', 4242, 4242, 13, 0) + b'spoof'\n"
        "h = struct.pack('!BBHHHBBH', 69, 0, 33, 1, 0, 64, 17, 0)\n"
        "s.sendto(h + a + b + u, (%r, 0))\n"
        % (remote_device(lab).encode() + b"\0", source, inet.WEB4,
           inet.WEB4))
    lab.run(B, "/usr/bin/python3", "-c", script)


def test_only_granted_sources(lab):
    """Of B's addresses A's exit carries those that were granted it, though
    B itself is willing."""
    assert lab.http_fails("vector-db")
    with lab.capture(A, "warp0", "udp port 4242") as carried:
        for source in "10.1.0.103", "10.1.0.1", "10.0.0.102", "198.51.100.12":
            spoof(lab, source)
        spoof(lab, "10.1.0.104")
        assert eventually(lambda: carried.frames)
    assert len(carried.frames) == 1, str(carried)


def test_inlet_only_from_the_mesh(lab):
    """Nobody speaks to the inner tunnel but by the mesh."""
    listing = lab.run(A, "nft", "list", "chain", "inet", "socknet",
                      "input").stdout
    port = int(re.search(r"udp dport (\d+) counter", listing)[1])
    with sockets.udp(lab.ns("internet"), "0.0.0.0") as s:
        s.sendto(b"x" * 148, ("198.51.100.11", port))
    assert eventually(lambda: re.search(
        r"udp dport %d counter packets [1-9]" % port,
        lab.run(A, "nft", "list", "chain", "inet", "socknet",
                "input").stdout))


def big_ping(lab, where, address, size):
    """A ping that must not be fragmented: its output."""
    return lab.run(where, "ping", "-n", "-M", "do", "-c", "2", "-i", "0.2",
                   "-W", "1", "-s", str(size), address, check=False).stdout


@pytest.mark.parametrize("where", ["xray", "redis"])
@pytest.mark.parametrize("web", [inet.WEB4, inet.WEB6])
def test_too_big(lab, where, web):
    """Who sends what the exit cannot carry is told; what fits passes; and
    TCP finds out by itself."""
    head = 48 if ":" in web else 28
    # In the mesh there is room for 1340; beyond, for 1280.
    over = (big_ping(lab, where, web, 1400 - head)
            + big_ping(lab, where, web, 1330 - head))
    assert over.count(" 0 received") == 2, over
    assert re.search("mtu[ =:]*1280", over), over
    assert eventually(lambda: " 2 received" in big_ping(lab, where, web,
                                                        1280 - head))
    url = "http://%s/bytes/300000" % ("[%s]" % web if ":" in web else web)
    assert len(sockets.http_get(lab.ns(where), url, 10)) == 300000


def test_remote_failover(lab, far_warp):
    """A's tunnel dies: its own containers and B's take what is left."""
    far_warp("down")
    assert eventually(lambda: seen(lab, "redis") == FAR)
    assert eventually(lambda: "no answer through xr-" in lab.socknet(
        A, "nodes", B).stdout)
    far_warp("up")
    assert eventually(lambda: seen(lab, "redis") == WARP)


def link(lab, node, name):
    return lab.run(node, "ip", "-d", "link", "show", name,
                   check=False).stdout


def test_profile(lab, expect_logs):
    """Refused if others can read it; what is there goes on, and goes when
    the exit does."""
    expect_logs += [r"exit work: profile .*(chmod 600|No such file)"]
    assert "alias socknet exit" in link(lab, A, "work0")
    assert "default" not in lab.run(A, "ip", "route", "show", "dev",
                                    "work0").stdout
    lab.run(A, "chmod", "644", PROFILE)
    try:
        lab.appctl(A, "socknet-agent", "resync")
        assert eventually(lambda: "chmod 600 it" in lab.socknet(
            A, "status").stdout)
        assert first_seen(lab, "gateway") == WORK
    finally:
        lab.run(A, "chmod", "600", PROFILE)
    lab.appctl(A, "socknet-agent", "resync")
    assert eventually(lambda: "chmod 600 it" not in lab.socknet(
        A, "status").stdout)
    text = re.sub(r"      work_tunnel: .*\n", "", lab.base.read_text())
    for old, new in (("[warp, work]", "[warp]"),
                     (", exit: [work]}", ", exit: [warp]}"),
                     ("{exit: work,", "{exit: warp,")):
        text = text.replace(old, new)
    try:
        lab.apply(text)
        assert not link(lab, A, "work0")
        assert first_seen(lab, "gateway") == WARP
    finally:
        lab.reset()
    assert eventually(lambda: seen(lab, "gateway") == WORK)


PROXY = "198.51.100.12:1080"


def curl(lab, where, url, at=PROXY, timeout=5):
    """(curl's exit status, what came) by a proxy, which resolves."""
    p = lab.run(where, "curl", "-sS", "-g", "-m", str(timeout * FACTOR),
                "--socks5-hostname", at, url, check=False)
    return p.returncode, p.stdout + p.stderr


def test_proxy(lab):
    """A client outside, by B's proxy, by A's exit; nothing else at B's
    uplink than the client's own connection and the mesh."""
    assert eventually(lambda: curl(lab, "internet", WEB4)[0] == 0)
    with lab.capture(B, "eth0", "host " + inet.WEB4) as uplink:
        code, text = curl(lab, "internet", WEB4)
        assert code == 0 and '"client": "%s"' % WARP in text, text
    assert not uplink.frames, str(uplink)
    argv = lab.run(B, "sh", "-c", "cat /proc/$(cat /run/socknet/socks5/pid)"
                   "/status").stdout
    assert re.search(r"^Uid:\s+65534", argv, re.M), argv


def test_proxy_is_not_open(lab):
    """Others do not even get an answer; who may has no way into the host or
    the mesh."""
    assert curl(lab, "web", WEB4, timeout=1)[0] == 28       # Timeout.
    assert curl(lab, A, WEB4, timeout=1)[0] == 28
    # Its own host, its containers, another's, and the mesh.
    lab.serve()
    try:
        targets = ("127.0.0.1:1080", "198.51.100.12:1080", "169.254.84.1:53",
                   "10.1.0.104:6379", "10.0.0.200:9573", "100.64.0.1:53")
        with futures.ThreadPoolExecutor() as pool:
            answers = pool.map(lambda t: curl(
                lab, "internet", "http://%s/" % t, timeout=2), targets)
        for target, (code, text) in zip(targets, answers):
            # Refused, or never connected.
            assert code in (7, 97) or "Connection timed out" in text, (
                target, code, text)
    finally:
        lab.stop_serving()


def test_proxy_for_containers(lab):
    """mcp-server has no internet of its own; op-dbus-api has a rule, but is
    not among those allowed."""
    at = "100.64.0.1:1080"
    assert lab.http_fails("mcp-server")
    code, text = curl(lab, "mcp-server", WEB4, at=at)
    assert code == 0 and WORK in text, text
    assert curl(lab, "op-dbus-api", WEB4, at=at, timeout=1)[0] == 28


def test_proxy_names(lab):
    """What the proxy resolves is asked through the exit."""
    with lab.capture(B, "eth0", "udp port 53 or tcp port 53") as uplink, \
            lab.capture(A, "warp0", "udp port 53") as tunnel:
        curl(lab, "internet", "http://name.example/", timeout=3)
        assert tunnel.wait(1)
    assert not uplink.frames, str(uplink)


def proxy_pid(lab):
    return lab.run(B, "cat", "/run/socknet/socks5/pid", check=False).stdout


def test_proxy_survives_the_agent(lab, expect_logs):
    expect_logs += agents.CUT_OFF + [r"microsocks ended"]
    pid = proxy_pid(lab)
    lab.kill(B, "agent")
    assert curl(lab, "internet", WEB4)[0] == 0
    lab.start(B, "agent")
    assert eventually(lambda: exit_state(lab, "warp", B) == "up")
    assert proxy_pid(lab) == pid
    lab.run(B, "kill", pid.strip())
    assert eventually(lambda: proxy_pid(lab) not in ("", pid))
    assert eventually(lambda: curl(lab, "internet", WEB4)[0] == 0)


def test_proxy_fails_closed(lab, far_warp):
    """Its first exit dies: the next; and with none, nothing by the
    uplink."""
    far_warp("down")
    assert eventually(lambda: FAR in curl(lab, "internet", WEB4)[1])
    far_end(lab, 3, "down")
    try:
        assert eventually(lambda: exit_state(lab, "warp", B) == "down")
        with lab.capture(B, "eth0", "host %s or port 53"
                         % inet.WEB4) as uplink:
            assert curl(lab, "internet", WEB4, timeout=1)[0]
            assert curl(lab, "internet", "http://name.example/",
                        timeout=1)[0]
        assert not uplink.frames, str(uplink)
    finally:
        far_end(lab, 3, "up")
    far_warp("up")
    assert eventually(lambda: WARP in curl(lab, "internet", WEB4)[1])
    assert eventually(lambda: exit_state(lab, "warp", B) == "up")


def test_trace(lab):
    """By an exit of another host; and why not, if its tunnel is down."""
    assert eventually(lambda: seen(lab, "redis") == WARP)
    p = lab.socknet(A, "--json", "trace", "redis", "internet", "tcp/443",
                    check=False)
    answer = json.loads(p.stdout)
    verdict = answer["verdicts"][0]
    assert p.returncode == 0, verdict
    assert (verdict["node"], verdict["name"]) == (A, "oo1424oo/warp")
    assert [s["where"] for s in answer["steps"] if s["node"] == A] \
        == ["tunnel", "route", "guard", "tunnel"]


def test_exit_test(lab, far_warp):
    """What the operator sees, from the host and from elsewhere."""
    def exits(node, *args, status=0):
        p = lab.socknet(node, "exit", "test", "--json", *args, check=False)
        assert p.returncode == status, p.stdout + p.stderr
        return {e["node"] + " " + e["exit"]: e
                for e in json.loads(p.stdout)["exits"]}
    found = exits(A)
    assert set(found) == {A + " oo1424oo/warp", A + " oo1424oo/work"}
    warp = found[A + " oo1424oo/warp"]
    assert warp["tested"] == "now" and warp["state"] == "up"
    assert warp["seen_as"] == WARP and warp["kill_switch"] == "closed"
    assert warp["mtu"] == 1280 and warp["handshake"]
    assert "answered" in warp["names"]
    p = lab.socknet(A, "exit", "test", "oo1424oo/wrap", check=False)
    assert p.returncode == 1 and "there is no exit" in p.stderr
    # Somebody's rule before ours: the guard holds, but the check tells.
    rule = ("pref", "100", "iif", "x-warp0", "lookup", "main")
    lab.run(A, "ip", "rule", "add", *rule)
    try:
        found = exits(A, "oo1424oo/warp", status=1)
        warp = found[A + " oo1424oo/warp"]
        assert warp["kill_switch"] == "OPEN: routes lead to eth0"
        # The other host's agent is asked by way of the database.
        warp = found[B + " oo1424oo/warp"]
        assert warp["tested"] == "now" and warp["seen_as"] == WARP
    finally:
        lab.run(A, "ip", "rule", "del", *rule)
    far_warp("down")
    assert eventually(lambda: exit_state(lab, "warp") == "down")
    warp = exits(A, "oo1424oo/warp", status=1)[A + " oo1424oo/warp"]
    assert "no answer through warp0" in warp["answer"]
    assert warp["kill_switch"] == "closed"
