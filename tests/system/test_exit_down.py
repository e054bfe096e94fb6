"""With the exit's tunnel down, packets die; none leaves by the uplink."""

import contextlib
import socket
import time

import pytest

import sockets
from harness import WEB4, eventually, inet, pause

TO_WEB = "host %s or host %s" % (inet.WEB4, inet.WEB6)


@pytest.fixture
def tunnel(net):
    """Switches warp0; it is up again after the test."""
    def switch(state):
        net.run("oo1424oo", "ip", "link", "set", "warp0", state)
    assert net.reaches("xray", "web")
    assert net.reaches("xray", "web", 6)
    yield switch
    switch("up")
    assert net.reaches("xray", "web")


class Chatter:
    """xray sends UDP of both families to the web, all the time."""

    def __init__(self, net):
        self.socks = []
        for address in inet.WEB4, inet.WEB6:
            s = sockets.make(net.ns("xray"), socket.SOCK_DGRAM, address)
            s.connect((address, 9))
            s.setblocking(False)
            self.socks.append(s)

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for s in self.socks:
                with contextlib.suppress(OSError):
                    s.send(b"chatter")
            time.sleep(0.002)


def test_nothing_by_the_uplink(net, tunnel):
    """Over the moments of going down and coming up, again and again."""
    talk = Chatter(net)
    pings = net.pinger("xray", "web").begun()
    with net.capture("oo1424oo", "eth0", TO_WEB) as uplink:
        for _ in range(5):
            talk.run(0.2)
            tunnel("down")
            talk.run(0.2)
            tunnel("up")
            talk.run(0.1)
        tunnel("down")
        talk.run(0.5)
        assert net.http_fails("xray")
        assert net.http_fails("gateway")
    pings.stop()
    assert not uplink.frames, str(uplink)


def test_a_leak_would_be_seen(net):
    """The capture above can fail: the host's own traffic shows there."""
    with net.capture("oo1424oo", "eth0", TO_WEB) as uplink:
        assert net.http("oo1424oo") == "198.51.100.11"
    assert uplink.frames


def test_comes_back_by_itself(net, tunnel):
    tunnel("down")
    assert net.http_fails("xray")
    pause(0.5)
    tunnel("up")
    assert net.reaches("xray", "web")
    assert net.http("xray") == inet.egress(1)[0]


def test_dead_far_end(net, tunnel):
    """The tunnel is up and nobody answers: no other way is taken."""
    net.run("internet", "ip", "link", "set", "warp-1", "down")
    try:
        with net.capture("oo1424oo", "eth0", TO_WEB) as uplink:
            assert net.http_fails("xray")
    finally:
        net.run("internet", "ip", "link", "set", "warp-1", "up")
    assert not uplink.frames, str(uplink)


def test_status_says_so(net, tunnel):
    tunnel("down")
    assert eventually(lambda: "down" in net.appctl(
        "oo1424oo", "socknet-agent", "exits"))
    tunnel("up")
    assert eventually(lambda: "down" not in net.appctl(
        "oo1424oo", "socknet-agent", "exits"))
    assert net.http("xray", WEB4)
