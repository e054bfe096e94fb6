"""Real containers of LXC: a port is theirs into whose namespace it leads."""

import contextlib
import json
import os
import re
import subprocess

import pytest
import yaml

import agents
import lxc
from harness import eventually
from proxmox import Proxmox

pytestmark = [
    agents.not_in_vm,
    pytest.mark.skipif(not lxc.find(), reason="no LXC here, nor in a folder "
                       "that SOCKNET_LXC names: build-aux/lxc-unpack")]

STATE = """
mesh: {name: lxc-mesh, default_policy: deny}
nodes:
  lx1:
    endpoint: 198.51.100.11
    subnet: 10.0.0.0/24
    lxc:
      containers:
        - {id: "101", properties: {name: front, ipv4_address: 10.0.0.101/24}}
        - id: any1
          running: false
          properties: {name: any1, ipv4_address: 10.0.0.11/24}
        - id: any2
          hwaddr: "00:16:3e:00:00:12"
          running: false
          properties: {name: any2, ipv4_address: 10.0.0.12/24}
        - id: fixed
          veth: vethfixed
          running: false
          properties: {name: fixed, ipv4_address: 10.0.0.13/24}
        - id: "202"
          running: false
          properties: {name: pve, ipv4_address: 10.0.0.14/24}
acls:
  - {action: accept, src: [front], dst: [any1, fixed, pve], proto: icmp}
  - {action: accept, src: [any1], dst: [front], proto: icmp}
"""
OUTSIDE = ("quarantine: the other end of %s is not in the network namespace "
           "of container %s's first process")


class Host:
    """What the tests need of lx1."""

    def __init__(self, system):
        self.system = system
        self.ran = []

    def container(self, name, number, veth=None):
        c = lxc.Container(self.system, "lx1", name, veth,
                          "00:16:3e:00:00:%02d" % number,
                          "10.0.0.%d/24" % number, "10.0.0.1")
        self.ran.append(c)
        return c

    def ports(self):
        text = self.system.appctl("lx1", "socknet-agent", "ports")
        return dict(line.split(": ", 1) for line in text.splitlines())

    def port_of(self, name):
        """The name of the port that is a container's, and is up."""
        for port, text in self.ports().items():
            if text.startswith(name + ", ") and text.endswith(", up"):
                return port
        return None

    def shown(self, name):
        out = self.system.socknet("lx1", "--json", "containers", name).stdout
        return json.loads(out)["containers"][0]

    def becomes(self, port, text):
        assert eventually(lambda: text in self.ports().get(port, "")), \
            self.ports()

    def answers(self, address):
        return self.system.ping("front", address, 1) == 1


@pytest.fixture(scope="module")
def lab(make_net):
    system = make_net(STATE)
    system.apply()
    system.settle()
    yield system


@pytest.fixture
def host(lab, expect_logs):
    marks = lab.mark_logs()
    host = Host(lab)
    yield host
    for c in host.ran:
        c.stop()
    bad = lab.bad_log_lines(marks, expect_logs)
    assert not bad, "\n".join(bad)


@contextlib.contextmanager
def port_history(host):
    """Every row of Port_Status that there was, in the end."""
    path = host.system.lab.hosts["lx1"].path("port-history")
    history = []
    with open(path, "w") as f:
        p = host.system.lab.hosts["lx1"].spawn(
            "ovsdb-client", "--format=csv", "monitor",
            "unix:/run/socknet/db.sock", "Socknet", "Port_Status",
            stdout=f, stderr=subprocess.STDOUT)
    try:
        assert eventually(lambda: "row,action" in open(path).read())
        yield history
    finally:
        p.terminate()
        p.wait()
        with open(path) as f:
            history += f.read().splitlines()


def test_any_name(host):
    """LXC calls the port as it likes; who it is, its first process says."""
    assert host.shown("any1")["state"] == "missing"
    assert "no container any1" in host.ports()[":any1"]
    c = host.container("any1", 11)
    seen = set()
    with port_history(host) as history:
        for _ in range(2):
            c.start()
            assert eventually(lambda: host.port_of("any1")), host.ports()
            port = host.port_of("any1")
            assert re.match("veth[0-9A-Za-z]+$", port), port
            seen.add(port)
            assert eventually(lambda: host.answers("10.0.0.11"))
            assert eventually(lambda: " 0% packet loss" in c.run(
                "ping", "-c2", "-W1", "10.0.0.101", check=False).stdout, 10)
            assert eventually(lambda: host.shown("any1")["port"] == port
                              ), host.shown("any1")
            shown = host.shown("any1")
            assert shown["mac"] == "00:16:3e:00:00:11", shown
            before = host.system.counters()
            assert host.system.apply(wait=True) is not None
            assert host.system.counters() == before
            c.stop()
            assert eventually(lambda: ":any1" in host.ports())
    assert len(seen) == 2
    of_it = [row for row in history if ",any1," in row]
    assert [row for row in of_it if ",up" in row], history
    assert not [row for row in of_it if "quarantine" in row], history
    exported = yaml.safe_load(host.system.socknet("lx1", "export").stdout)
    for c in exported["nodes"]["lx1"]["lxc"]["containers"]:
        assert ("veth" in c) == (not c["id"].startswith("any")), c


def test_nobody_becomes_another(host, expect_logs):
    """Its MAC address, name and address are any1's; it stays any2."""
    expect_logs += ["the MAC address inside the container changed"]
    host.container("any1", 11)
    c = host.container("any2", 12)
    c.start()
    assert eventually(lambda: host.port_of("any2")), host.ports()
    c.run("ip", "link", "set", "eth0", "down")
    c.run("ip", "link", "set", "eth0", "address", "00:16:3e:00:00:11")
    c.run("ip", "addr", "add", "10.0.0.11/24", "dev", "eth0")
    c.run("ip", "link", "set", "eth0", "up")
    c.run("ip", "route", "replace", "default", "via", "10.0.0.1")
    host.system.appctl("lx1", "socknet-agent", "resync")
    assert eventually(lambda: "MAC address inside" in host.system.appctl(
        "lx1", "socknet-agent", "status"))
    assert host.port_of("any2"), host.ports()
    assert ":any1" in host.ports()
    assert not host.answers("10.0.0.11")
    assert "100% packet loss" in c.run("ping", "-c1", "-W1", "-I",
                                       "10.0.0.11", "10.0.0.101",
                                       check=False).stdout


def moves(host, c, port):
    """Its veth leads elsewhere, and back."""
    assert eventually(lambda: host.answers(c.address[:-3])), host.ports()
    there = c.elsewhere()
    c.move(c.init(), there)
    host.becomes(port, "quarantine: ")
    assert eventually(lambda: not host.answers(c.address[:-3]))
    text = host.ports()[port]
    c.move(there, c.init())
    host.becomes(port, ", up")
    assert eventually(lambda: host.answers(c.address[:-3]))
    return text


def test_moved(host, expect_logs):
    expect_logs += agents.CUT_OFF
    fixed = host.container("fixed", 13, "vethfixed")
    with port_history(host) as history:
        for _ in range(2):
            fixed.start()
            host.becomes("vethfixed", ", up")
            fixed.stop()
    assert [row for row in history if ",fixed," in row and ",up" in row]
    assert not [row for row in history if "quarantine" in row], history
    fixed.start()
    host.becomes("vethfixed", ", up")
    assert (OUTSIDE % ("vethfixed", "fixed")) in moves(host, fixed,
                                                       "vethfixed")
    c = host.container("any1", 11)
    c.start()
    assert eventually(lambda: host.port_of("any1")), host.ports()
    assert "no container of this node declares it" in moves(
        host, c, host.port_of("any1"))
    # Nobody looks while the agent is away, and what it was stays so.
    pinger = host.system.pinger("front", "10.0.0.11").begun()
    host.system.kill("lx1", "agent")
    host.system.start("lx1", "agent")
    assert eventually(lambda: host.port_of("any1")), host.ports()
    assert pinger.stop().lost == 0


def test_adoption(host):
    """Nobody declared it, nor does anybody know what LXC will call it."""
    host.system.apply(STATE.replace("default_policy: deny", "undeclared: "
                                    "adopt, adopt: [{match: 'new*', tags: "
                                    "[new]}]") + """
  - {action: accept, src: [front], dst: ["tag:new"], proto: icmp}
""")
    c = host.container("new1", 20)
    c.start()
    assert eventually(lambda: host.port_of("new1")), host.ports()
    assert eventually(lambda: host.answers("10.0.0.20"))
    assert host.shown("new1")["adopted"]
    assert "undeclared, " in moves(host, c, host.port_of("new1"))
    host.system.apply(STATE)


def test_proxmox_container(host):
    """As Proxmox runs it: the name of the port is its number, and its file is
    another; who contradicts is not believed because of it."""
    pve = Proxmox(host.system, "lx1")
    pve.conf("front")
    pve.conf("pve", hwaddr="00:16:3E:00:00:14")
    try:
        c = host.container("202", 14, "veth202i0")
        c.start_as_proxmox()
        host.becomes("veth202i0", ", up")
        assert (OUTSIDE % ("veth202i0", "202")) in moves(host, c, "veth202i0")
    finally:
        os.rename(pve.dir, pve.dir + ".away")
