"""Services: connections to virtual addresses, on two hosts."""

import collections
import pathlib

import pytest
import yaml

import sockets
from harness import eventually

STATE = pathlib.Path(__file__).parent / "services.yaml"
WEB4, WEB6 = "10.96.0.10", "fd00:10:96::10"
NEAR, SKEWED, ECHO = "10.96.0.11", "10.96.0.12", "10.96.0.13"
STICKY, DEAD = "10.96.0.14", "10.96.0.15"


@pytest.fixture(scope="module")
def lab(make_net):
    net = make_net(STATE)
    net.apply()
    net.settle()
    for n in net.lab.nodes:
        for c in n.containers:
            name_server(net, c)
    yield net


@pytest.fixture
def net(lab):
    lab.reset()
    marks = lab.mark_logs()
    yield lab
    bad = lab.bad_log_lines(marks)
    assert not bad, "in the daemons' logs:\n" + "\n".join(bad)


def name_server(net, container):
    """On 7777, TCP and UDP: says who it is, then echoes."""
    net.echo = net.echo or NameServer()
    net.echo.name = None
    net.echo.serve(net.lab.cont_ns(container), container.name,
                   [str(a.ip) for a in container.addresses])


class NameServer(sockets.Echo):
    def serve(self, ns, name, addresses):
        self.names = getattr(self, "names", {})
        listener = sockets.listen(ns, "::", 7777)
        self.names[listener] = name
        self._add(listener, self._greet)
        for address in addresses:
            s = sockets.udp(ns, address, 7777)
            self.names[s] = name
            self._add(s, self._answer)

    def _greet(self, sock):
        s, _ = sock.accept()
        s.send(self.names[sock].encode() + b"\n")
        self._add(s, self._stream)

    def _answer(self, sock):
        data, who = sock.recvfrom(65536)
        sock.sendto(self.names[sock].encode() + b"\n" + data, who)


def line(s):
    got = b""
    while not got.endswith(b"\n"):
        data = s.recv(1)
        if not data:
            raise OSError("closed")
        got += data
    return got.decode().strip()


def ask(net, client, vip, port, timeout=2.0):
    """Who answers: the name, or None."""
    try:
        with sockets.connect(net.ns(client), vip, port, timeout) as s:
            return line(s)
    except OSError:
        return None


def count(net, client, vip, port, n):
    return collections.Counter(ask(net, client, vip, port) for _ in range(n))


def with_service(name, **keys):
    state = yaml.safe_load(STATE.read_text())
    state["services"][name].update(keys)
    return yaml.safe_dump(state)


@pytest.mark.parametrize("client, vip", [
    ("ann", WEB4), ("bob", WEB4), ("ann", WEB6), ("bob", WEB6)])
def test_both_backends_answer(net, client, vip):
    assert eventually(lambda: set(count(net, client, vip, 80, 8))
                      == {"web1", "web2"})


def test_near_backends_first(net):
    assert count(net, "ann", NEAR, 7777, 6) == {"web1": 6}
    assert count(net, "bob", NEAR, 7777, 6) == {"web2": 6}
