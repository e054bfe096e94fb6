"""Names: containers ask their gateway, by UDP and TCP, IPv4 and IPv6; what
is of others goes to the resolvers, from exit containers only by their exit."""

import contextlib
import os
import re
import threading
import time

import pytest

import dns
import sockets
from harness import FACTOR, eventually, inet

DOMAIN = "privacy-mesh.internal"
GW, GW6, GW_2 = "10.0.0.1", "fd00:53::1", "10.1.0.1"
ANY_DNS = "port 53"
PATIENCE = 2            # Seconds until one asks again.
SEEN4, SEEN6 = inet.egress(1)


@pytest.fixture(scope="module")
def names(make_net, two_hosts):
    state = two_hosts.read_text().replace(
        "  domain: %s\n" % DOMAIN,
        "  domain: %s\n  resolvers: [%s, '%s']\n"
        % (DOMAIN, inet.WEB4, inet.WEB6))
    system = make_net(state)
    system.apply()
    system.settle()
    yield system


@pytest.fixture(autouse=True)
def clean_logs(names, expect_logs):
    names.reset()
    with names.clean_logs(expect_logs):
        yield


@pytest.fixture
def resolver(names):
    r = dns.Resolver(names.ns("web"), [inet.WEB4, inet.WEB6])
    yield r
    r.close()


def ask(names, who, server, name, qtype="A", **kw):
    kw.setdefault("tries", 3)
    got = dns.ask_udp(names.ns(who), server, name, qtype, **kw)
    assert got, "no reply"
    return got


def assert_mute(names, who):
    """The datapath follows its tables a moment after the switch has them."""
    assert eventually(lambda: dns.ask_udp(
        names.ns(who), GW, full("xray"), timeout=1) is None, 3)


def full(name):
    return "%s.%s" % (name, DOMAIN)


@pytest.mark.parametrize("server", [GW, GW6])
@pytest.mark.parametrize("how", [dns.ask_udp, dns.ask_tcp])
def test_names_of_the_mesh(names, how, server):
    def data(name, qtype="A"):
        got = how(names.ns("xray"), server, full(name), qtype)
        assert got and got.aa and got.rcode == "NOERROR", got
        assert got.question == full(name)
        return got.data
    assert data("xray") == ["10.0.0.102"]
    assert data("vEcToR-dB") == ["10.1.0.103"]
    assert data("vector-db", "AAAA") == ["fd00:53:1::103"]
    assert data("node2") == ["100.64.0.2"]
    assert data("qdrant") == ["10.1.0.103"]
    assert data("_qdrant._tcp", "SRV") == ["6333 " + full("vector-db")]


def test_not_there(names):
    for name, qtype, rcode in (("nobody", "A", "NXDOMAIN"),
                               ("redis", "AAAA", "NOERROR")):
        got = ask(names, "redis", GW_2, full(name), qtype)
        assert got.rcode == rcode and got.aa and not got.answers
        assert [(n, t) for n, t, _ in got.authority] == [(DOMAIN, "SOA")]


def test_reverse(names):
    def ptr(name):
        return ask(names, "mcp-server", GW, name, "PTR")
    assert ptr("103.0.1.10.in-addr.arpa").data == [full("vector-db")]
    assert ptr("1.0.0.10.in-addr.arpa").data == [full("oo1424oo")]
    six = ".".join("2010" + "0" * 20 + "350000df")
    assert len(six) == 63
    assert ptr(six + ".ip6.arpa").data == [full("xray")]
    assert ptr("9.0.1.10.in-addr.arpa").rcode == "NXDOMAIN"


def test_edns(names):
    got = ask(names, "xray", GW, full("xray"), edns=4096)
    assert got.data == ["10.0.0.102"]
    assert [t for _, t, _ in got.more] == ["OPT"]


def test_follows_the_state(names):
    """A container of another name, at once after the apply."""
    text = names.base.read_text().replace("name: redis\n", "name: rodos\n") \
        .replace("redis:", "rodos:")
    names.apply(text)
    assert ask(names, "xray", GW, full("rodos")).data == ["10.1.0.104"]
    # Its service is still called so.
    assert ask(names, "xray", GW, "_redis._tcp." + DOMAIN, "SRV").data \
        == ["6379 " + full("rodos")]


def test_only_port_53_and_only_the_gateway(names):
    """The rule that lets them ask lets nothing else through."""
    xray = names.ns("xray")
    assert names.ping("xray", GW, 1) == 0
    assert dns.ask_udp(xray, "100.64.0.1", full("xray"), timeout=1) is None
    assert dns.ask_udp(xray, GW_2, full("xray"), timeout=1) is None
    with names.capture("oo1424oo", "vmbr0", "port 54") as seen:
        s = sockets.udp(xray, "0.0.0.0")
        with s:
            s.sendto(b"x", (GW, 54))
        seen.wait(1, 0.5)
    assert not seen.frames


def test_a_rule_can_deny_it(names):
    text = names.base.read_text().replace(
        "acls:\n", "acls:\n  - {name: mute, action: deny, src: [xray], "
        "dst: ['node:oo1424oo']}\n")
    names.apply(text)
    assert_mute(names, "xray")
    assert ask(names, "gateway", GW, full("xray")).answers


def test_switched_off(names):
    text = names.base.read_text().replace("  domain:", "  names: false\n"
                                          "  domain:")
    names.apply(text)
    flows = "\n".join(names.flows("oo1424oo"))
    assert "ct_tp_dst=53" not in flows
    assert_mute(names, "xray")
    assert "serving" not in names.appctl("oo1424oo", "socknet-agent", "names")
    names.reset()
    assert ask(names, "xray", GW, full("xray")).answers


def test_strangers_get_nothing(names):
    """From the uplink, by an address that Linux would take there."""
    internet = names.ns("internet")
    names.run("internet", "ip", "route", "replace", GW, "via",
              "198.51.100.11")
    try:
        for make in (dns.ask_udp, dns.ask_tcp):
            assert make(internet, GW, full("xray"), timeout=1) is None
        # Nor in the name of a container.
        names.run("internet", "ip", "addr", "add", "10.0.0.200/32", "dev",
                  "lo")
        with names.capture("oo1424oo", "eth0", ANY_DNS) as uplink:
            s = sockets.udp(internet, "10.0.0.200")
            with s:
                s.sendto(dns.query(full("xray")), (GW, 53))
                assert uplink.wait(1)
                uplink.wait(2, 0.5)
        assert len(uplink.frames) == 1
        assert eventually(lambda: counter(names, "dropped") > 0)
    finally:
        names.run("internet", "ip", "addr", "del", "10.0.0.200/32", "dev",
                  "lo")
        names.run("internet", "ip", "route", "del", GW)


@pytest.mark.parametrize("how", [dns.ask_udp, dns.ask_tcp])
def test_exit_container_asks_by_its_exit(names, resolver, how):
    with names.capture("oo1424oo", "eth0", ANY_DNS) as uplink, \
            names.capture("oo1424oo", "warp0", ANY_DNS) as tunnel:
        got = how(names.ns("xray"), GW, "www.example")
        assert got and got.data == [SEEN4], got
    assert not uplink.frames, str(uplink)
    assert tunnel.frames
    assert resolver.seen[-1][1] == SEEN4


def test_exit_container_asks_by_ipv6(names, resolver):
    state = names.base.read_text().replace("[%s, " % inet.WEB4, "[")
    names.apply(state)
    with names.capture("oo1424oo", "eth0", ANY_DNS) as uplink:
        got = ask(names, "xray", GW6, "www.example", "AAAA")
        assert got.data == [SEEN6]
    assert not uplink.frames, str(uplink)


def test_exit_down_nothing_leaks(names, resolver):
    """Over going down, being down, being gone and coming back."""
    def ip(*args):
        names.run("oo1424oo", "ip", *args)
    xray = names.ns("xray")
    with names.capture("oo1424oo", "eth0", ANY_DNS) as uplink:
        assert ask(names, "xray", GW, "a.example").data == [SEEN4]
        ip("link", "set", "warp0", "down")
        # From the moment on, not only once the agent has seen it.
        for how in (dns.ask_udp, dns.ask_tcp):
            for i in range(5):
                got = how(xray, GW, "b%d.example" % i, timeout=8)
                assert got and got.rcode == "SERVFAIL", got
        assert ask(names, "xray", GW, full("xray")).answers
        ip("link", "set", "warp0", "name", "elsewhere")
        assert ask(names, "xray", GW, "c.example",
                   timeout=8).rcode == "SERVFAIL"
        ip("link", "set", "elsewhere", "name", "warp0")
        ip("link", "set", "warp0", "up")

        def works():
            got = dns.ask_udp(xray, GW, "d.example", timeout=8)
            return got and got.data == [SEEN4]
        assert eventually(works)
    assert not uplink.frames, str(uplink)
    assert {who for _, who, _ in resolver.seen} <= {SEEN4, SEEN6}


def test_without_an_exit_by_the_host(names, resolver):
    with names.capture("node2", "eth0", ANY_DNS) as uplink:
        assert ask(names, "redis", GW_2, "www.example").data \
            == ["198.51.100.12"]
    assert uplink.frames


def test_without_an_exit_never_by_the_hosts_own_resolvers(names, resolver):
    state = names.base.read_text().replace(
        "  resolvers: [%s, '%s']\n" % (inet.WEB4, inet.WEB6), "")
    assert names.apply(state).returncode == 0
    with names.capture("node2", "eth0", ANY_DNS) as uplink:
        got = ask(names, "redis", GW_2, "secret.example")
        assert got.rcode == "REFUSED" and not got.answers
    assert not uplink.frames


def test_denied_the_internet_refused(names, resolver):
    with names.capture("oo1424oo", "eth0", ANY_DNS) as uplink:
        got = ask(names, "mcp-server", GW, "secret.example")
        assert got.rcode == "REFUSED" and not got.answers
    assert not uplink.frames
    assert not resolver.seen


def test_long_replies_by_tcp(names, resolver):
    xray = names.ns("xray")
    assert ask(names, "xray", GW, "big.example", "TXT").tc
    got = dns.ask_tcp(xray, GW, "big.example", "TXT")
    assert got and len(got.answers) == 20 and not got.tc
    assert {p for _, _, p in resolver.seen} == {"udp", "tcp"}


def test_next_resolver(names, resolver):
    """The first is silent, the second is asked."""
    state = names.base.read_text().replace(
        "[%s, '%s']" % (inet.WEB4, inet.WEB6),
        "[203.0.113.99, %s]" % inet.WEB4)
    names.apply(state)
    assert ask(names, "xray", GW, "a.example",
               timeout=6).data == [SEEN4]


def test_nobody_answers(names, resolver):
    got = ask(names, "xray", GW, "dead.example", timeout=10)
    assert got.rcode == "SERVFAIL"


def test_rubbish(names):
    """Octets that are no query, from a container and by TCP."""
    xray = names.ns("xray")
    with sockets.make(xray, 2, GW) as s:
        s.connect((GW, 53))
        for n in (0, 1, 11, 12, 13, 100, 1400):
            s.send(os.urandom(n))
        s.send(dns.query(full("xray"))[:-3])
    with sockets.connect(xray, GW, 53) as s:
        s.sendall(b"\xff\xff" + os.urandom(1000))
    with contextlib.ExitStack() as stack:
        # More connections than one may have: the others are served still.
        for _ in range(20):
            with contextlib.suppress(OSError):
                stack.enter_context(sockets.connect(xray, GW, 53))
        assert dns.ask_tcp(names.ns("gateway"), GW, full("xray")).answers
    assert ask(names, "xray", GW, full("xray"), tries=2).answers


def test_resolv_conf_is_not_touched(names):
    """An idle agent with names writes nothing, wherever."""
    before = names.counters()
    stat = os.stat("/etc/resolv.conf")
    assert ask(names, "xray", GW, full("xray")).answers
    assert names.counters() == before
    now = os.stat("/etc/resolv.conf")
    assert (stat.st_mtime, stat.st_ino) == (now.st_mtime, now.st_ino)


def counter(names, what):
    text = names.appctl("oo1424oo", "socknet-agent", "names")
    return int(re.search(r"^%s: (\d+)$" % what, text, re.M)[1])


def test_one_cannot_starve_the_others(names):
    """A flood is cut to what one may have; another has its answers, and at
    once: who is starved waits until he gives up."""
    dropped = counter(names, "dropped")
    flood = threading.Thread(target=dns.load, args=(
        names.ns("xray"), GW, full("redis"), 3 * FACTOR, 200))
    flood.start()
    waits = []
    while flood.is_alive():
        start = time.monotonic()
        assert ask(names, "gateway", GW, full("redis"),
                   timeout=PATIENCE).answers
        waits.append(time.monotonic() - start)
        time.sleep(0.02)
    flood.join()
    assert sorted(waits)[len(waits) // 2] < PATIENCE * FACTOR, waits
    assert counter(names, "dropped") > dropped


def test_queries_per_second(names):
    rates = {
        "container": dns.load(names.ns("xray"), GW, full("redis"), 2, 16),
        "host": dns.load(names.ns("oo1424oo"), GW, full("redis"), 2),
    }
    for where, rate in rates.items():
        print("%s: %.0f queries/s" % (where, rate))
    assert all(rates.values())      # How many is the machine's affair.
