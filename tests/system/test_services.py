"""Services: connections to virtual addresses, on two hosts."""

import collections
import contextlib
import json
import pathlib
import socket
import threading
import time

import pytest
import yaml
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

import dns
import sockets
from harness import eventually, pause

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
    assert eventually(lambda: "down" not in states(net), 15)
    yield net


@pytest.fixture
def net(lab, expect_logs):
    lab.reset()
    with lab.clean_logs(expect_logs):
        yield lab


def name_server(net, container):
    """On 7777, TCP and UDP: says who it is, then echoes."""
    net.echo = net.echo or NameServer()
    net.echo.name = None
    net.echo.serve(net.lab.cont_ns(container), container.name,
                   [str(a.ip) for a in container.addresses])


class NameServer(sockets.Echo):
    def __init__(self):
        super().__init__()
        self.names, self.listeners, self.places = {}, {}, {}

    def serve(self, ns, name, addresses):
        self.places[name] = ns
        self.resume(name)
        for address in addresses:
            s = sockets.udp(ns, address, 7777)
            self.names[s] = name
            self._add(s, self._answer)

    def resume(self, name):
        listener = sockets.listen(self.places[name], "::", 7777)
        self.names[listener] = name
        self.listeners[name] = listener
        self._add(listener, self._greet)

    def pause(self, name):
        """New connections are refused; those that there are go on."""
        listener = self.listeners[name]
        with self.lock:
            self.selector.unregister(listener)
        listener.close()

    def _greet(self, sock):
        s, _ = sock.accept()
        s.send(self.names[sock].encode() + b"\n")
        self._add(s, self._stream)

    def take_out(self, sock):
        with self.lock:
            self.selector.unregister(sock)
        sock.close()
        del self.names[sock]

    def put_back(self, name, address):
        s = sockets.udp(self.places[name], address, 7777)
        self.names[s] = name
        self._add(s, self._answer)

    def _answer(self, sock):
        data, who = sock.recvfrom(65536)
        if data == b"slow":
            time.sleep(0.2)
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


def only(net, client, vip, port, timeout=2.0):
    """The one who answers, of two; None if both do, or nobody.  By chance,
    one of two answers as often as that once in eight million times."""
    first = ask(net, client, vip, port, timeout)
    return first if first and all(ask(net, client, vip, port, timeout)
                                  == first for _ in range(23)) else None


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


def weighted(net, client):
    """Whether the shares are three to one: of 160, 120 on the average with a
    standard deviation of 5.5, where equal shares were 80."""
    got = count(net, client, SKEWED, 7777, 160)
    return set(got) == {"web2", "web3"} and got["web2"] > 92


def test_weights(net):
    assert weighted(net, "ann")


def test_drain(net):
    """No new connections, and those that there are go on."""
    held = [sockets.connect(net.ns("ann"), SKEWED, 7777, 2)
            for _ in range(12)]
    names = [line(s) for s in held]
    assert "web2" in names
    net.apply(with_service("skewed", weights={"web2": 0}))
    assert eventually(lambda: only(net, "ann", SKEWED, 7777) == "web3", 3)
    assert eventually(lambda: backends(net, "skewed")["web2"]["connections"]
                      == names.count("web2"))
    assert backends(net, "skewed")["web2"]["state"] == "draining"
    for s in held:
        s.send(b"on")
        assert s.recv(16) == b"on"
        s.close()
    assert eventually(lambda: backends(net, "skewed")["web2"]["state"]
                      == "drained", 10)


def ask_udp(net, client, vip, sock=None, size=5):
    s = sock or sockets.udp(net.ns(client), "0.0.0.0")
    try:
        s.settimeout(sockets.scaled(1))
        s.connect((vip, 7777))
        data = bytes(i & 0x7f for i in range(size))
        s.send(data)
        name, _, rest = s.recv(65536).partition(b"\n")
        assert rest == data
        return name.decode()
    except OSError as e:
        return e.__class__.__name__
    finally:
        if not sock:
            s.close()


def test_udp(net):
    got = collections.Counter(ask_udp(net, "bob", ECHO) for _ in range(24))
    assert set(got) == {"web2", "web3"}
    with sockets.udp(net.ns("bob"), "0.0.0.0") as s:
        assert len({ask_udp(net, "bob", ECHO, s) for _ in range(4)}) == 1


def test_udp_leaves_a_dead_backend(net):
    """A client that goes on from the same port, as resolvers do."""
    with sockets.udp(net.ns("bob"), "0.0.0.0") as s:
        name = ask_udp(net, "bob", ECHO, s)
        other = {"web2": "web3", "web3": "web2"}[name]
        net.apply(with_service("echo", backends=["web1", other]))
        assert eventually(lambda: ask_udp(net, "bob", ECHO, s) == other)


def test_fragments(net):
    """Both ways: the answer is as large.  Through one bridge, as the userspace
    datapath drops the small ones that a tunnel makes of them."""
    assert ask_udp(net, "ann", ECHO, size=4000) == "web1"
    assert ask_udp(net, "bob", ECHO, size=4000) in ("web2", "web3")


def test_affinity(net):
    got = {c: count(net, c, STICKY, 7777, 6) for c in ("ann", "bob")}
    assert all(len(names) == 1 for names in got.values()), got


def refusal(net, client, vip, port):
    """The name of the error, and how long it took."""
    start = time.monotonic()
    with pytest.raises(OSError) as e:
        sockets.connect(net.ns(client), vip, port, 3).close()
    return e.type.__name__, time.monotonic() - start


@pytest.mark.parametrize("vip, port", [
    (DEAD, 7777),               # no backend
    (WEB4, 81),                 # not its port
    (WEB6, 81),
    ("10.96.0.99", 80),         # nobody's
])
def test_refused(net, vip, port):
    assert refusal(net, "ann", vip, port)[0] == "ConnectionRefusedError"


def test_refused_udp(net):
    assert ask_udp(net, "ann", DEAD) == "ConnectionRefusedError"


def test_ping_is_refused(net):
    assert eventually(lambda: "Port Unreachable" in net.run(
        "ann", "ping", "-n", "-c1", "-W1", WEB4, check=False).stdout)


def test_itself(net):
    """A backend that gets itself; it sees another address."""
    got = count(net, "web1", NEAR, 7777, 2)
    assert got == {"web1": 2}
    with sockets.connect(net.ns("web1"), NEAR, 7777, 2) as s:
        line(s)
        s.send(b"x" * 100000)
        assert len(s.recv(100)) > 0


def test_who_may(net):
    """Only clients; by the address of the service and directly."""
    assert ask(net, "eve", NEAR, 7777, 0.7) is None
    assert ask(net, "eve", "10.0.0.111", 7777, 0.7) is None
    assert ask(net, "ann", "10.0.0.111", 7777) == "web1"


@pytest.mark.parametrize("client,service,end", [
    ("ann", "near", "web1"), ("ann", "web --ipv6", None),
    ("bob", "sticky", None), ("web1", "near", "web1"), ("ann", "echo", "web1"),
    ("eve", "near", "no rule allows it"), ("ann", "dead", "no backend"),
    ("ann", "10.96.0.99 tcp/80", "no backend")])
def test_trace(net, client, service, end):
    p = net.socknet("left", "--json", "trace", client, *service.split(),
                    check=False)
    verdict = json.loads(p.stdout)["verdicts"][0]
    if end is None or end.startswith("web"):
        assert p.returncode == 0 and verdict["end"] == "delivered", verdict
        assert verdict["name"].startswith(end or "web")
    else:
        assert p.returncode == 1 and end in verdict["why"], verdict


def test_flip_cuts(net):
    """A rule that goes takes its connections along, both ways."""
    with sockets.connect(net.ns("ann"), NEAR, 7777, 2) as s:
        assert line(s) == "web1"
        s.send(b"still")
        assert s.recv(16) == b"still"
        state = yaml.safe_load(STATE.read_text())
        state["acls"] = state["acls"][1:]
        net.apply(yaml.safe_dump(state))
        s.settimeout(0.7)

        def is_cut():
            """The datapath takes a moment to learn of a change."""
            s.send(b"gone")
            try:
                s.recv(16)
            except OSError:
                return True
        assert eventually(is_cut, 3)
    assert ask(net, "ann", NEAR, 7777, 0.7) is None


def test_host(net):
    """The host itself, by backends of its own and, if a rule says so, of
    others."""
    assert ask(net, "left", NEAR, 7777) == "web1"
    assert ask(net, "right", NEAR, 7777) == "web2"
    for vip in WEB4, WEB6:
        assert eventually(lambda: set(count(net, "left", vip, 80, 8))
                          == {"web1", "web2"})
    assert weighted(net, "left")
    assert ask_udp(net, "left", ECHO) == "web1"
    # No rule lets that host through to the other's.
    assert ask(net, "right", SKEWED, 7777) in ("web2", "web3")
    assert {ask(net, "right", WEB4, 80, 0.5) for _ in range(6)} \
        <= {"web2", None}
    for vip in DEAD, "10.96.0.99":
        assert refusal(net, "left", vip, 7777)[0] == "ConnectionRefusedError"


def test_discovered(net):
    services = json.loads(net.socknet("left", "services", "--json").stdout)
    found = [s for s in services["services"] if s["name"] == "found"][0]
    assert ask(net, "bob", found["vips"][0], 7777) == "web1"


def states(net):
    out = json.loads(net.socknet("left", "services", "--json").stdout)
    return {b["state"] for b in out["backends"]}


def backends(net, service):
    out = json.loads(net.socknet("left", "services", service,
                                 "--json").stdout)
    return {b["container"]: b for b in out["backends"]}


def test_failover(net):
    """One backend stops to listen under load: clients of the other notice
    nothing, and it comes back when it does."""
    assert eventually(lambda: {b["state"] for b in
                               backends(net, "web").values()} == {"up"})
    held = [sockets.connect(net.ns("ann"), WEB4, 80, 2) for _ in range(24)]
    of = {s: line(s) for s in held}
    assert set(of.values()) == {"web1", "web2"}
    net.echo.pause("web2")
    assert eventually(lambda: backends(net, "web")["web2"]["state"] == "down")
    assert eventually(lambda: only(net, "bob", WEB4, 80) == "web1", 3)
    assert eventually(lambda: only(net, "ann", WEB4, 80) == "web1", 3)
    for s, name in of.items():
        if name == "web1":
            s.send(b"on")
            assert s.recv(16) == b"on"
        s.close()
    net.echo.resume("web2")
    assert eventually(lambda: backends(net, "web")["web2"]["state"] == "up")
    assert eventually(lambda: set(count(net, "ann", WEB4, 80, 8))
                      == {"web1", "web2"}, 3)


class Health(threading.Thread):
    """On 8081 of a container: answers each connection with 'answer'; None:
    never."""

    def __init__(self, ns):
        super().__init__(daemon=True)
        self.listener = sockets.listen(ns, "::", 8081)
        self.answer, self.seen, self.held = None, b"", []

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                self.held.append(s)
                if self.answer is not None:
                    self.seen = s.recv(4096)
                    s.send(self.answer)
                    if not self.answer.endswith(b"..."):
                        s.close()

    def close(self):
        # A close() alone does not wake who accepts.
        self.listener.shutdown(socket.SHUT_RDWR)
        for s in (self.listener, *self.held):
            s.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_http_health(net):
    """By what a path answers, not by the port that is served."""
    health = Health(net.lab.cont_ns(net.container("web1")))
    health.answer = OK
    health.start()
    try:
        net.apply(with_service("near", health={
            "type": "http", "port": 8081, "path": "/healthz", "interval": 1,
            "timeout": 1, "rise": 1, "fall": 1}))
        assert eventually(lambda: state_of(net, "web1") == ("up", None))
        assert health.seen.startswith(b"GET /healthz HTTP/1.1\r\n")
        # Nothing of web2's is there to ask.
        assert eventually(lambda: state_of(net, "web2")[0] == "down")
        for answer, reason in (
                (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
                 "HTTP status 503"),
                (None, "no answer")):
            health.answer = answer
            assert eventually(lambda: state_of(net, "web1")
                              == ("down", reason)), state_of(net, "web1")
        assert refusal(net, "ann", NEAR, 7777)[0] == "ConnectionRefusedError"
        # A head is enough; a page without an end is nobody's concern.
        health.answer = b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\nmore..."
        assert eventually(lambda: state_of(net, "web1") == ("up", None))
        assert eventually(lambda: ask(net, "bob", NEAR, 7777) == "web1", 3)
    finally:
        health.close()


def state_of(net, backend):
    b = backends(net, "near")[backend]
    return b["state"], b["reason"]


def test_all_down(net):
    net.echo.pause("web1")
    net.echo.pause("web2")
    try:
        assert eventually(lambda: {b["state"] for b in
                                   backends(net, "web").values()} == {"down"})
        assert eventually(lambda: refusal(net, "ann", WEB4, 80)[0]
                          == "ConnectionRefusedError", 3)
    finally:
        net.echo.resume("web1")
        net.echo.resume("web2")
    assert eventually(lambda: ask(net, "ann", WEB4, 80))


def test_dead_host(net, expect_logs):
    """A whole host is gone: nobody waits for the minute and a half after which
    its agent counts as dead.  And it is used again when it is back."""
    expect_logs += [r"\|(reconnect|jsonrpc|stream_ssl|stream_fd)\|",
                    r"\|(ovsdb_cs|db_conn|poll_loop|timeval)\|",
                    r"database|connection|disconnected"]
    cable = "u%d" % net.lab.node("right").index

    def serving(n):
        return {ask(net, "ann", WEB4, 80, 0.4) for _ in range(n)}
    assert eventually(lambda: serving(8) == {"web1", "web2"})
    assert eventually(lambda: ask(net, "ann", SKEWED, 7777))
    net.run("ul", "ip", "link", "set", cable, "down")
    start = time.monotonic()
    try:
        assert eventually(lambda: only(net, "ann", WEB4, 80, 0.4) == "web1",
                          20)
        print("a dead host was left after %.1f s"
              % (time.monotonic() - start))
        assert only(net, "ann", WEB4, 80) == "web1"
    finally:
        net.run("ul", "ip", "link", "set", cable, "up")
    start = time.monotonic()
    assert eventually(lambda: serving(8) == {"web1", "web2"}, 30)
    print("and used again after %.1f s" % (time.monotonic() - start))


def test_names(net):
    def data(name, qtype):
        got = dns.ask_udp(net.ns("ann"), "10.0.0.1", name, qtype)
        return got and got.data
    assert data("web.services.internal", "A") == [WEB4]
    assert data("web.services.internal", "AAAA") == [WEB6]
    assert data("_web._tcp.services.internal", "SRV") \
        == ["80 web.services.internal"]
    assert data("10.0.96.10.in-addr.arpa", "PTR") \
        == ["web.services.internal"]


def frames_at(net, where, frame, token):
    """Whether 'frame', sent by eve, arrives."""
    with net.capture(where) as c:
        net.send_raw("eve", frame)
        eventually(lambda: False, 0.4)
    return any(token in f for f in c.frames)


def test_reply_of_another(net):
    """Who is not the backend answers in its place, in the name of the
    service, or of the address that looks like a client to a backend."""
    with sockets.connect(net.ns("ann"), NEAR, 7777, 2) as s:
        assert line(s) == "web1"
        port = s.getsockname()[1]
        eve, ann = net.container("eve").mac, net.container("ann").mac
        bridge = net.run("left", "cat",
                         "/sys/class/net/vmbr0/address").stdout.strip()
        for src in ("10.0.0.102", "10.0.0.111", NEAR, "10.96.0.1"):
            for sport in (7777, port):
                frame = (Ether(src=eve, dst=ann)
                         / IP(src=src, dst="10.0.0.101")
                         / TCP(sport=sport, dport=port, flags="PA", seq=1)
                         / b"spoofed!")
                assert not frames_at(net, "ann", frame, b"spoofed!"), src
        for dst in ("10.96.0.1", NEAR):
            frame = (Ether(src=eve, dst=bridge)
                     / IP(src="10.0.0.102", dst=dst)
                     / TCP(sport=7777, dport=port, flags="PA", seq=1)
                     / b"spoofed!")
            for where in ("ann", "web1"):
                assert not frames_at(net, where, frame, b"spoofed!"), dst
        s.send(b"still")
        assert s.recv(16) == b"still"


def test_error_of_the_backend(net):
    """A port that closes: the error comes back from the virtual address."""
    with sockets.udp(net.ns("ann"), "0.0.0.0") as s:
        assert ask_udp(net, "ann", ECHO, s) == "web1"
        server = [x for x, n in net.echo.names.items() if n == "web1"
                  and x.type == socket.SOCK_DGRAM][0]
        net.echo.take_out(server)
        try:
            assert eventually(lambda: ask_udp(net, "ann", ECHO, s)
                              == "ConnectionRefusedError", 2)
        finally:
            net.echo.put_back("web1", "10.0.0.111")


def test_error_of_the_client(net):
    """Nobody waits for the answer any more: the backend learns it."""
    with net.capture("web1", expression="icmp[0] = 3") as c:
        with sockets.udp(net.ns("ann"), "0.0.0.0") as s:
            s.sendto(b"hello", (ECHO, 7778))
            s.connect((ECHO, 7777))
            s.send(b"slow")
        assert c.wait(1, 3)
    inner = c.ip()[0][28:]
    assert socket.inet_ntoa(inner[12:16]) == "10.0.0.111"


def enforcing(net):
    """What switches and kernels were told; status rows come and go."""
    return {k: v for k, v in net.counters().items()
            if k[2] != "ovsdb_writes"}


def test_second_apply_sends_nothing(net):
    net.apply()
    pause(1)
    before = enforcing(net)
    net.apply()
    pause(1)
    assert enforcing(net) == before


def test_daemons_restart(net, expect_logs):
    """Connections go on, new ones open, and the switch is told nothing."""
    expect_logs += [r"\|(reconnect|jsonrpc|stream_ssl|stream_fd)\|",
                    r"\|(ovsdb_cs|db_conn|poll_loop|timeval)\|",
                    r"database|connection|disconnected"]
    with sockets.connect(net.ns("bob"), NEAR, 7777, 2) as s:
        assert line(s) == "web2"
        for what in ("controller", "agent"):
            net.kill("right", what)
        s.send(b"on")
        assert s.recv(16) == b"on"
        assert ask(net, "bob", NEAR, 7777) == "web2"
        for what in ("controller", "agent"):
            net.start("right", what)
        assert eventually(lambda: "flow_mods_sent" in net.stats(
            "right", "socknet-controller"))
        net.apply(with_service("sticky", weights={"web1": 2}))
        s.send(b"on")
        assert s.recv(16) == b"on"
    sent = net.stats("right", "socknet-controller")
    assert sent["flow_mods_sent"] + sent.get("group_mods_sent", 0) <= 4, sent
