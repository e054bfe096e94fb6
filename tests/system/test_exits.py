"""Exits as containers meet them: failover, kill-switch, segment's exits."""

import re
import time

import agents
import pytest
import sockets
from harness import WEB4, WEB6, eventually, inet, pause

A, B = "oo1424oo", "node2"
# What the web server sees of each tunnel, in the lab's order.
WARP, WORK = inet.egress(1)[0], inet.egress(2)[0]
PROBE = "probe: {interval: 1, down_after: 2, up_after: 3}"


def state_of(two_hosts):
    """Two exits on A; xray prefers warp, gateway has what its segment
    has."""
    text = two_hosts.read_text()
    text = text.replace(
        "      warp_tunnel: {interface: warp0, enabled: true}\n",
        "      warp_tunnel: {interface: warp0, %s}\n"
        "      work_tunnel: {interface: work0, %s}\n" % (PROBE, PROBE))
    before = text
    text = text.replace("          exit: warp\n          hwaddr",
                        "          exit: [warp, work]\n          hwaddr")
    assert text != before
    text = text.replace("          tags: [privacy]\n          exit: warp\n"
                        "          properties:\n            name: gateway",
                        "          tags: [privacy]\n"
                        "          properties:\n            name: gateway")
    return text.replace("internet: exit}", "internet: exit, exit: [work]}")


@pytest.fixture(scope="module")
def lab(make_net, two_hosts):
    system = make_net(state_of(two_hosts))
    system.apply()
    system.settle()
    assert eventually(lambda: exit_state(system, "warp") == "up"
                      and exit_state(system, "work") == "up", 15)
    yield system


@pytest.fixture(autouse=True)
def clean_logs(lab, expect_logs):
    marks = lab.mark_logs()
    yield
    bad = lab.bad_log_lines(marks, expect_logs)
    assert not bad, "\n".join(bad)


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
    assert eventually(lambda: exit_state(lab, "warp") == "up", 20)
    assert eventually(lambda: seen(lab) == WARP, 10)


def seen(lab, where="xray", url=WEB4):
    try:
        return lab.http(where, url, 1)
    except OSError:
        return None


def test_first_choice(lab):
    assert seen(lab) == WARP
    assert seen(lab, url=WEB6) == inet.egress(1)[1]


def test_exit_of_the_segment(lab):
    assert seen(lab, "gateway") == WORK


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
        assert eventually(lambda: seen(lab) == WORK, 15)
        took = time.monotonic() - start
        print("failover took %.1f s" % took)
        status = lab.socknet(A, "nodes", A).stdout
        assert "no answer through warp0" in status
        # The old connection gets its reset from this host; not a segment
        # of it shows on the new exit.
        with pytest.raises(ConnectionError):
            for _ in range(100):
                s.sendall(b"x")
                time.sleep(0.05)
        far_warp("up")
        assert eventually(lambda: seen(lab) == WARP, 15)
    assert not uplink.frames, str(uplink)
    assert not other.frames, str(other)


def test_silence_when_nothing_changes(lab):
    """Probes succeed all the time, and nobody hears of it."""
    before = lab.counters()
    pause(1)                    # Of a probe or two.
    assert lab.counters() == before


def test_agent_restart_is_no_news(lab, expect_logs):
    """While the agent starts, and before its first probe, the exit stays
    what it was."""
    expect_logs += agents.CUT_OFF
    pings = lab.pinger("xray", "web")
    assert eventually(lambda: lab.ping("xray", "web", 1))
    lab.kill(A, "agent")
    lab.start(A, "agent")
    assert eventually(lambda: exit_state(lab, "warp") == "up", 10)
    got = pings.stop()
    assert got.lost == 0, got


def test_no_exit_left(lab, far_warp):
    """Both tunnels dead: nothing leaves, neither IPv4 nor IPv6 nor DNS."""
    far_end(lab, 2, "down")
    try:
        far_warp("down")
        assert eventually(lambda: exit_state(lab, "warp") == "down"
                          and exit_state(lab, "work") == "down", 15)
        with lab.capture(A, "eth0", "host %s or host %s or port 53"
                         % (inet.WEB4, inet.WEB6)) as uplink:
            assert lab.http_fails("xray")
            assert lab.http_fails("xray", WEB6)
        assert not uplink.frames, str(uplink)
        flows = [f for f in lab.flows(A) if "n_packets=0" not in f]
        out = lab.socknet(A, "explain", input="\n".join(flows)).stdout
        assert "the exit is down" in out
    finally:
        far_end(lab, 2, "up")
    assert eventually(lambda: exit_state(lab, "work") == "up", 15)


def test_tunnel_without_ipv6(lab):
    """IPv6 of a container whose tunnel has only IPv4 goes nowhere: not by
    the uplink, and not into the tunnel with the host's address."""
    lab.run(A, "ip", "-6", "addr", "flush", "dev", "warp0")
    try:
        with lab.capture(A, "eth0", "ip6 and host " + inet.WEB6) as uplink, \
                lab.capture(A, "warp0", "ip6 and host " + inet.WEB6) as warp:
            assert eventually(lambda: lab.http_fails("xray", WEB6), 5)
            assert lab.http_fails("xray", WEB6)
            assert seen(lab) == WARP
        assert not uplink.frames, str(uplink)
        assert not warp.frames, str(warp)
    finally:
        lab.run(A, "ip", "addr", "add", "fd00:aa:1::2/128", "dev", "warp0",
                "nodad")
    assert eventually(lambda: seen(lab, url=WEB6) == inet.egress(1)[1], 10)
