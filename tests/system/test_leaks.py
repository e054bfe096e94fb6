"""Nothing of a container or a guest leaves by an uplink, whatever happens to
tunnels, rules, tables and daemons meanwhile, and nothing by a tunnel with an
address that is not the tunnel's."""

import contextlib
import json
import re

import pytest
import sockets
from guests import Guest
from harness import eventually, inet, pause
from leaks import SECRET, Storm
from test_exits import A, B, exit_state, link, seen, state_of

VPN = """      vpn_server: {interface: wg9, listen_port: 51829, exit: warp,
                   ip_pool: [10.8.0.0/24, "fd00:8::/64"],
                   auto_provision: true}
"""
# On the first tunnel of A; its own addresses are 172.16.1.2 and fd00:aa:1::2.
# (Where the agent itself calls, the far end knows this host's anyway: its
# probes call others than the storm does.)
FOREIGN = ("src net 10.0.0.0/8 or src net 169.254.0.0/16 or src net "
           "100.64.0.0/24 or (src net 198.51.100.0/24 and dst host %s and "
           "not port 53) or (ip6 and not host fd00:aa:1::2 and not src host "
           ":: and not src net fe80::/10 and not (src net 2001:db8:100::/64 "
           "and not dst host %s))" % (inet.WEB4, inet.WEB6))


@pytest.fixture(scope="module")
def lab(make_net, two_hosts):
    text = state_of(two_hosts)
    before = text
    text = text.replace("      work_tunnel:", VPN + "      work_tunnel:", 1)
    assert text != before
    system = make_net(text)
    system.apply()
    system.settle()
    assert eventually(lambda: exit_state(system, "warp") == "up"
                      and exit_state(system, "work") == "up"
                      and exit_state(system, "oo1424oo/warp", B) == "up")
    yield system


@pytest.fixture(scope="module")
def guest(lab):
    profile = lab.socknet(A, "client", "add", "phone", "--tag", "guest",
                          "--wait", timeout=60).stdout
    guest = Guest(lab, 1, profile)
    assert guest.connects()
    yield guest
    guest.down()


@pytest.fixture(scope="module")
def storm(lab, guest):
    senders = [(lab.ns(name), resolvers) for name, resolvers in (
        ("xray", ["10.0.0.1"]), ("gateway", ["10.0.0.1"]),
        ("redis", ["10.1.0.1"]))]
    senders.append((guest.ns, ["10.0.0.1"]))
    with Storm(senders, lab.ns("web")) as storm:
        yield storm


@pytest.fixture
def sealed(lab, storm):
    """A block in which nothing may leak; after it, all works again."""
    @contextlib.contextmanager
    def block(foreign=FOREIGN):
        with lab.capture(A, "eth0", SECRET) as here, \
                lab.capture(B, "eth0", SECRET) as there, \
                lab.capture(A, "warp0", foreign) as tunnel:
            yield
            storm.goes_on()
        assert not here.frames, "%s: %s" % (A, here)
        assert not there.frames, "%s: %s" % (B, there)
        assert not tunnel.frames, "warp0: %s" % tunnel
    yield block
    assert eventually(lambda: seen(lab) == inet.egress(1)[0])


def test_leak_would_be_seen(lab, storm):
    with lab.capture(A, "eth0", SECRET) as uplink:
        lab.http(A)
    assert uplink.frames
    assert eventually(lambda: storm.served)


def test_tunnel_down(lab, sealed):
    with sealed():
        for _ in range(4):
            for state in "down", "up":
                lab.run(A, "ip", "link", "set", "warp0", state)
                pause(0.2)


def test_tunnel_without_addresses(lab, sealed):
    """Masquerading would take the host's instead."""
    addresses = "172.16.1.2/32", "fd00:aa:1::2/128"
    for address in addresses:
        with sealed():
            for _ in range(3):
                lab.run(A, "ip", "addr", "del", address, "dev", "warp0")
                pause(0.2)
                lab.run(A, "ip", "addr", "add", address, "dev", "warp0",
                        *(["nodad"] if ":" in address else []))
                pause(0.2)


def test_tunnel_deleted(lab, sealed):
    with sealed():
        lab.run(A, "ip", "link", "del", "work0")
        assert eventually(lambda: link(lab, A, "work0"))


def test_ruleset_flushed(lab, sealed):
    """As Debian's nftables.service does."""
    with sealed("net 192.0.2.0/24"):
        for _ in range(4):
            lab.run(A, "nft", "flush", "ruleset")
            pause(0.2)


def test_rules_and_routes_deleted(lab, sealed):
    def tables():
        rules = json.loads(lab.run(A, "ip", "-j", "rule").stdout)
        return sorted({str(r["table"]) for r in rules
                       if str(r["table"]).startswith("53")})
    with sealed():
        for _ in range(3):
            for family in "-4", "-6":
                for table in tables():
                    lab.run(A, "ip", family, "route", "flush", "table", table,
                            check=False)
                    lab.run(A, "ip", family, "rule", "del", "table", table,
                            check=False)
            pause(0.2)
        assert eventually(lambda: len(tables()) >= 4)


def test_switch_port_deleted(lab, sealed):
    with sealed():
        lab.run(A, "ovs-vsctl", "del-port", "vmbr0", "x-warp0")
        assert eventually(lambda: seen(lab))


def test_switch_killed(lab, sealed):
    with sealed():
        lab.kill(A, "vswitchd")
        pause(0.3)
        lab.start(A, "vswitchd")
        assert eventually(lambda: seen(lab) == inet.egress(1)[0])


def test_agent_killed(lab, sealed):
    """The tunnel goes while nobody looks."""
    with sealed():
        lab.kill(A, "agent")
        lab.run(A, "ip", "link", "set", "warp0", "down")
        pause(0.3)
        lab.start(A, "agent")
        pause(0.5)
        lab.run(A, "ip", "link", "set", "warp0", "up")
        assert eventually(lambda: seen(lab) == inet.egress(1)[0])


def test_late_answer(lab, sealed):
    """To a container on another host, when the way there is gone: of the
    error that the kernel's WireGuard sends, which gets the tunnel's address
    last of all, nothing leaves by the uplink."""
    with sockets.udp(lab.ns("web"), inet.WEB4) as far, \
            sockets.udp(lab.ns("redis"), "0.0.0.0") as near:
        near.sendto(b"early", far.getsockname())
        far.settimeout(sockets.scaled(2))
        _, client = far.recvfrom(64)
        lab.kill(A, "agent")
        with sealed():
            device = inlet(lab)
            for peer in lab.run(A, "wg", "show", device,
                                "peers").stdout.split():
                lab.run(A, "wg", "set", device, "peer", peer, "remove")
            for _ in range(5):
                far.sendto(b"late", client)
            pause(0.3)
        lab.start(A, "agent")
    assert eventually(lambda: exit_state(lab, "oo1424oo/warp", B) == "up")


def disabled(text):
    after = text.replace("{interface: warp0, probe",
                         "{interface: warp0, enabled: false, probe", 1)
    assert after != text
    return after


def without(text, exit, other):
    """The state without an exit of A; what used it uses another one."""
    for old, new in (
            (r"      %s_tunnel: .*\n(?=(.|\n)*\n  node2:)" % exit, ""),
            (r"\[warp, work\]", "[%s]" % other),
            (r", exit: \[%s\]}" % exit, ", exit: [%s]}" % other),
            (r"oo1424oo/%s, " % exit, ""),
            (r"exit: %s," % exit, "exit: %s," % other)):
        text = re.sub(old, new, text)
    return text


@pytest.mark.parametrize("change", ("disabled", "removed"))
def test_late_answer_to_what_went_meanwhile(lab, sealed, change):
    """The agent was away when an exit was disabled or removed: of the errors
    about what its tunnel still brings nothing leaves by the uplink."""
    before = lab.base.read_text()
    state = (without(before, "warp", "work") if change == "removed"
             else disabled(before))
    with sockets.udp(lab.ns("web"), inet.WEB4) as far, \
            sockets.udp(lab.ns("xray"), "0.0.0.0") as near:
        near.sendto(b"early", far.getsockname())
        far.settimeout(sockets.scaled(2))
        _, client = far.recvfrom(64)
        assert client[0] == inet.egress(1)[0]
        lab.kill(A, "agent")
        lab.apply(state, wait=False)
        try:
            with sealed():
                lab.start(A, "agent")
                assert eventually(lambda: not link(lab, A, "x-warp0"))
                for _ in range(5):
                    far.sendto(b"late", client)
                    pause(0.1)
        finally:
            lab.apply()
    assert eventually(lambda: exit_state(lab, "warp") == "up")


def inlet(lab):
    """The inner tunnel by which the other host's containers come."""
    listing = lab.run(A, "nft", "list", "chain", "inet", "socknet",
                      "zones_in").stdout
    port, tunnel, name = re.findall('iifname "(.*)" ct zone', listing)[:3]
    assert (port, tunnel) == ("x-warp0", "warp0")
    return name


def test_exits_come_and_go(lab, sealed, storm):
    """An exit that the state no longer has, or has disabled."""
    text = lab.base.read_text()
    states = disabled(text), without(text, "work", "warp")
    with sealed():
        for state in (*states, states[1]):
            lab.apply(state)
            storm.goes_on()
            lab.apply()
            storm.goes_on()
    assert eventually(lambda: exit_state(lab, "work") == "up")


def test_guests_and_proxy_come_and_go(lab, sealed, storm, guest):
    """Also of what is on its way to guests nothing."""
    text = lab.base.read_text()
    no_guests = text.replace(VPN, "")
    no_proxy = re.sub(r"    socks5: .*\n", "", text)
    assert text not in (no_guests, no_proxy)
    with sealed():
        for state in no_guests, no_proxy, no_guests:
            lab.apply(state)
            storm.goes_on()
            lab.apply()
            assert eventually(guest.connects)
        lab.kill(A, "agent")
        lab.apply(no_guests, wait=False)
        lab.start(A, "agent")
        lab.apply(no_guests)
        storm.goes_on()
    lab.apply()
    assert eventually(guest.connects)


def test_mesh_down(lab, sealed):
    """What is for another node's exit goes by the mesh or not at all."""
    with sealed():
        for _ in range(3):
            lab.run(B, "ip", "link", "set", "nm-privacy", "down")
            pause(0.3)
            lab.run(B, "ip", "link", "set", "nm-privacy", "up")
            pause(0.1)
        lab.run(B, "ip", "link", "del", "nm-privacy")
        pause(0.3)
        assert eventually(lambda: seen(lab, "redis"))
