"""Containers as Proxmox makes, changes and moves them."""

import json
import os
import re
import socket

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

import agents
import lxc
import sockets
from harness import eventually, ns, pause
from proxmox import Proxmox, ifreload
from socklab.state import Container

STATE = """
mesh: {name: pve-mesh, default_policy: allow}
nodes:
  pve1:
    endpoint: 198.51.100.11
    subnet: 10.0.0.0/24
    openflow: {bridges: {vmbr0: {uplinks: [eno1]}}}
    lxc:
      containers:
        - id: "101"
          hwaddr: "BC:24:11:00:01:01"
          properties: {name: front, ipv4_address: 10.0.0.101/24}
        - id: "102"
          properties: {name: api, ipv4_address: 10.0.0.102/24}
  pve2:
    endpoint: 198.51.100.12
    subnet: 10.1.0.0/24
    lxc:
      containers:
        - id: "201"
          hwaddr: "BC:24:11:00:02:01"
          properties: {name: store, ipv4_address: 10.1.0.201/24}
        - id: lxcweb
          veth: vethlxc
          hwaddr: "00:16:3e:11:22:33"
          running: false
          properties: {name: lxcweb, ipv4_address: 10.1.0.50/24}
"""


@pytest.fixture(scope="module")
def lab(make_net):
    system = make_net(STATE)
    system.pve = {n: Proxmox(system, n) for n in ("pve1", "pve2")}
    for node, pve in system.pve.items():
        for c in system.lab.node(node).containers:
            if c.running:
                pve.conf(c.name)
    system.apply()
    system.settle()
    yield system


@pytest.fixture(autouse=True)
def clean_logs(lab, expect_logs):
    with lab.clean_logs(expect_logs):
        yield


@pytest.fixture
def pve(lab):
    pve = lab.pve["pve1"]
    yield pve
    for c in lab.lab.node("pve1").containers:
        pve.conf(c.name)


def becomes(pve, port, text):
    """Whether the agent's line about a port comes to have 'text'."""
    assert eventually(lambda: text in pve.ports().get(port, "")), \
        pve.ports()


def is_quarantined(lab, pve, name, reason):
    port = lab.container(name).veth
    becomes(pve, port, "quarantine: " + reason)
    assert eventually(lambda: lab.ping("front" if name == "api" else "api",
                                       name, 1) == 0)


def is_released(lab, pve, name):
    becomes(pve, lab.container(name).veth, ", up")
    assert lab.reaches("front" if name == "api" else "api", name)


def test_all_agree(lab, pve):
    assert lab.reaches("front", "api")
    assert lab.reaches("api", "store")
    assert sorted(pve.ports()) == ["veth101i0", "veth102i0"]
    becomes(pve, "veth101i0", "front, ")
    becomes(pve, "veth101i0", ", up")


def test_firewall_on_and_off(lab, pve):
    """The port is another one, fwln101o0, and the container the same."""
    pve.conf("front", firewall=1)
    pve.plug("front", firewall=1)
    try:
        becomes(pve, "fwln101o0", "front, ")
        becomes(pve, "fwln101o0", "mac bc:24:11:00:01:01, up")
        assert "veth101i0" not in pve.ports()
        assert lab.reaches("api", "front")
        assert lab.reaches("front", "store")
        assert lab.reaches("pve1", "front")
        assert eventually(lambda: "up" in lab.socknet(
            "pve1", "containers", "front").stdout.split())
    finally:
        pve.conf("front")
        pve.plug("front")
    becomes(pve, "veth101i0", ", up")
    assert lab.reaches("api", "front")


def test_firewall_bridge_is_no_way_around(lab, pve):
    """A Linux bridge of the firewall reaches the host's own stack."""
    pve.sh("sysctl -qw net.ipv4.conf.all.rp_filter=0 "
           "net.ipv4.conf.default.rp_filter=0")
    pve.plug("api", firewall=1)
    try:
        becomes(pve, "fwln102o0", ", up")
        assert lab.reaches("front", "api")
        bridge = lab.run("pve1", "cat", "/sys/class/net/fwbr102i0/address",
                         ).stdout.strip()
        # The gateway has one MAC address, that of vmbr0.
        with lab.capture("api", "eth0", "arp and arp[6:2] = 2") as c:
            for _ in range(3):
                lab.run("api", "ip", "neigh", "flush", "all")
                assert lab.reaches("api", "front")
                assert lab.reaches("api", "store")
        senders = {Ether(f).src for f in c.frames}
        assert len(c.frames) >= 6 and bridge not in senders, senders
        # Through the bridge's own address: to the host, and on.
        for node, target in (("pve1", "198.51.100.11"),
                             ("pve2", "198.51.100.12")):
            with sockets.udp(lab.ns(node), target, 9999) as there:
                there.settimeout(0.3)
                for src in ("10.0.0.102", "192.0.2.1"):
                    lab.send_raw("api", bytes(
                        Ether(src=lab.container("api").mac, dst=bridge)
                        / IP(src=src, dst=target) / UDP(dport=9999)))
                with pytest.raises(socket.timeout):
                    there.recv(16)
    finally:
        pve.plug("api")
        pve.sh("sysctl -qw net.ipv4.conf.all.rp_filter=2 "
               "net.ipv4.conf.default.rp_filter=2")
    is_released(lab, pve, "api")


@agents.not_in_vm
def test_hwaddr_changed_in_the_file(lab, pve):
    pve.conf("front", hwaddr="BC:24:11:00:01:FF")
    is_quarantined(lab, pve, "front", "its MAC address is bc:24:11:00:01:01 "
                   "and %s says bc:24:11:00:01:ff" % pve.path("lxc/101.conf"))
    pve.conf("front")
    is_released(lab, pve, "front")


@agents.not_in_vm
def test_address_changed_in_the_file(lab, pve):
    pve.conf("api", ip="10.0.0.199/24")
    is_quarantined(lab, pve, "api", "the state's ipv4_address is 10.0.0.102 "
                   "and %s says 10.0.0.199" % pve.path("lxc/102.conf"))
    pve.conf("api", ip="dhcp")
    is_released(lab, pve, "api")
    pve.conf("api")


@agents.not_in_vm
def test_file_gone(lab, pve):
    pve.remove("102")
    is_quarantined(lab, pve, "api",
                   "there is no " + pve.path("lxc/102.conf"))
    pve.conf("api")
    is_released(lab, pve, "api")


@agents.not_in_vm
def test_cluster_file_system_away(lab, pve, expect_logs):
    """pmxcfs ends: what it said before holds."""
    expect_logs += ["containers are known as they were before"]
    p = lab.pinger("api", "front").begun()
    lab.run("pve1", "mv", pve.dir, pve.dir + ".away")
    try:
        assert eventually(lambda: "is pve-cluster running?" in lab.appctl(
            "pve1", "socknet-agent", "status"))
        assert pve.ports()["veth101i0"].endswith(", up")
    finally:
        lab.run("pve1", "mv", pve.dir + ".away", pve.dir)
    assert eventually(lambda: "problems: 0" in lab.appctl(
        "pve1", "socknet-agent", "status"))
    assert p.stop().lost == 0


@agents.not_in_vm
def test_another_name_than_proxmox_gives(lab, pve):
    """veth102 in the state, where Proxmox plugs veth102i0."""
    with_name = STATE.replace('id: "102"',
                              'id: "102"\n          veth: veth102')
    lab.apply(with_name)
    becomes(pve, "veth102", "missing: there is no interface veth102; %s "
            "calls its port veth102i0" % pve.path("lxc/102.conf"))
    becomes(pve, "veth102i0", "quarantine: no container of this node declares "
            "it (veth: veth102i0); it is net0 of api, which the state has at "
            "veth102 on pve1")
    assert lab.ping("front", "api", 1) == 0
    lab.apply(STATE)
    is_released(lab, pve, "api")


@agents.not_in_vm
def test_link_down(lab, pve):
    pve.conf("api", link_down=1)
    pve.tap_unplug("veth102i0")
    becomes(pve, "veth102i0", "missing: %s has it down (link_down)"
            % pve.path("lxc/102.conf"))
    pve.conf("api")
    pve.tap_plug("veth102i0")
    is_released(lab, pve, "api")


def test_stop_with_a_row_that_lingers(lab, pve):
    pve.stop("api", unplug=False)
    becomes(pve, "veth102i0", "down: ")
    assert lab.ping("front", "api", 1) == 0
    # The next start finds the row there.
    pve.tap_unplug("veth102i0")
    pve.start("api")
    is_released(lab, pve, "api")


@agents.not_in_vm
def test_tag_on_the_port(lab, pve):
    """tag= is for plain switching: the rules hold all the same."""
    pve.plug("api", tag=7)
    is_released(lab, pve, "api")
    pve.plug("api")
    is_released(lab, pve, "api")


@agents.not_in_vm
def test_other_end_on_the_host(lab, pve):
    """Between LXC's making of the pair and its move it is nobody's."""
    pve.stop("api")
    pve.sh("ip link add veth102i0 type veth peer name veth102i0p")
    pve.sh("ip link set veth102i0 up")
    pve.tap_plug("veth102i0")
    try:
        becomes(pve, "veth102i0", "quarantine: ")
    finally:
        pve.tap_unplug("veth102i0")
        pve.sh("ip link del veth102i0")
    pve.start("api")
    is_released(lab, pve, "api")


@agents.not_in_vm
def test_second_device(lab, pve):
    pve.sh("ip link add veth101i1 type veth peer name veth101i1p")
    pve.sh("ip link set veth101i1 up")
    with open(pve.path("lxc", "101.conf")) as f:
        text = f.read()
    pve.write("101", text.replace("ostype", "net1: name=eth1,bridge=vmbr0,"
                                  "ip=10.0.0.111/24\nostype"))
    pve.tap_plug("veth101i1")
    try:
        becomes(pve, "veth101i1", "no container of this node declares it "
                "(veth: veth101i1); it is net1 of front, which the state has "
                "at veth101i0 on pve1")
        assert lab.reaches("api", "front")
    finally:
        pve.tap_unplug("veth101i1")
        pve.sh("ip link del veth101i1")
        pve.conf("front")


STANZA = """
auto vmbr0
iface vmbr0 inet manual
    # Made in the web interface.
    ovs_type OVSBridge
    ovs_ports eno1
"""


@pytest.fixture(scope="module")
def lan(lab):
    """Who is behind the uplink, a virtual machine, and the host, in a network
    of their own."""
    host = lab.lab.hosts["pve1"]
    for i, (port, name) in enumerate((("eno1", "lan"), ("tap100i0", "vm")),
                                     1):
        there = lab.lab.ns(name)
        ns.ns_add(there)
        ns.run(["ip", "link", "add", port, "netns", host.ns, "type", "veth",
                "peer", "name", "eth0", "netns", there])
        if lab.lab.netdev:
            ns.run(["ip", "netns", "exec", there, "ethtool", "-K", "eth0",
                    "tx", "off"])
        ns.ip(there, "addr add 192.168.7.%d/24 dev eth0" % i,
              "link set eth0 up", "route add 10.0.0.0/24 dev eth0")
        ns.ip(host.ns, "link set %s up" % port)
        host.run("ovs-vsctl", "add-port", "vmbr0", port)
    ns.ip(host.ns, "addr add 192.168.7.3/24 dev vmbr0")
    yield {name: lab.lab.ns(name) for name in ("lan", "vm")}
    for port in "eno1", "tap100i0":
        host.run("ovs-vsctl", "del-port", port)


def pings(where, address):
    p = ns.run(["ip", "netns", "exec", where, "ping", "-n", "-c1", "-W1",
                address], check=False)
    return ", 1 received" in p.stdout


def reaches(where, address):
    return eventually(lambda: pings(where, address))


def test_uplinks_and_machines(lab, pve, lan):
    assert reaches(lan["lan"], "192.168.7.2")
    assert reaches(lan["vm"], "192.168.7.1")
    assert reaches(lan["lan"], "192.168.7.3")
    assert reaches(lan["vm"], "192.168.7.3")
    for stranger in lan.values():
        assert not pings(stranger, "10.0.0.102")
    assert "eno1" not in pve.ports() and "tap100i0" not in pve.ports()


def test_machine_behind_a_firewall(lab, pve, lan):
    """firewall=1 of a virtual machine: by its name the port might be a
    container's, by the files of Proxmox it is none."""
    host, there = pve.host, lab.lab.ns("vmf")
    ns.ns_add(there)
    ns.run(["ip", "link", "add", "tap160i0", "netns", host.ns, "type", "veth",
            "peer", "name", "eth0", "netns", there])
    if lab.lab.netdev:
        ns.run(["ip", "netns", "exec", there, "ethtool", "-K", "eth0", "tx",
                "off"])
    ns.ip(there, "addr add 192.168.7.4/24 dev eth0", "link set eth0 up",
          "route add 10.0.0.0/24 dev eth0")
    ns.ip(host.ns, "link add fwbr160i0 type bridge forward_delay 0",
          "link set fwbr160i0 up", "link set tap160i0 up",
          "link set tap160i0 master fwbr160i0")
    conf = pve.path("qemu-server", "160.conf")
    try:
        pve.sh("ovs-vsctl -- add-port vmbr0 fwln160o0 -- set Interface "
               "fwln160o0 type=internal")
        ns.ip(host.ns, "link set fwln160o0 up",
              "link set fwln160o0 master fwbr160i0")
        becomes(pve, "fwln160o0", "quarantine: no container of this node")
        assert not pings(there, "192.168.7.1")
        with open(conf, "w") as f:
            f.write("name: firewalled\nnet0: virtio=BC:24:11:00:16:00,"
                    "bridge=vmbr0,firewall=1\n")
        pve.bump()
        becomes(pve, "fwln160o0", "machine")
        assert reaches(there, "192.168.7.1")
        assert reaches(there, "192.168.7.3")
        assert reaches(lan["vm"], "192.168.7.4")
        assert not pings(there, "10.0.0.102")
        pve.sh("ovs-vsctl del-port fwln160o0")
        assert eventually(lambda: "fwln160o0" not in pve.ports())
    finally:
        pve.sh("ovs-vsctl --if-exists del-port fwln160o0")
        ns.ip(host.ns, "link del fwbr160i0", "link del tap160i0")
        os.unlink(conf)
        pve.bump()


def from_containers(lab, capture):
    macs = [lab.container(n).mac.lower() for n in ("front", "api")]
    return [f for f in capture.frames if Ether(f).src in macs]


def test_open_bridge_leaks_nothing(lab, pve, lan, expect_logs):
    """Plain switching, and nobody there to end it."""
    expect_logs += ["fail_mode was", "vmbr0: connection"] + agents.CUT_OFF
    for what in "agent", "controller":
        lab.kill("pve1", what)
    try:
        ifreload(pve.host)
        with sockets.Capture(lan["lan"], "eth0") as behind_uplink, \
                sockets.Capture(lan["vm"], "eth0") as machine, \
                lab.capture("front") as other, \
                sockets.udp(lab.ns("pve1"), "0.0.0.0", 9999) as host:
            lab.run("api", "ip", "neigh", "flush", "all")
            assert lab.ping("api", "front", 2) == 0
            assert lab.ping("api", "10.0.0.1", 2) == 0
            assert lab.ping("pve1", "api", 2) == 0
            api = lab.container("api").mac
            vmbr0 = lab.run("pve1", "cat", "/sys/class/net/vmbr0/address")
            for mac, ip in ((lab.container("front").mac, "10.0.0.101"),
                            (vmbr0.stdout.strip(), "10.0.0.1"),
                            ("ff:ff:ff:ff:ff:ff", "255.255.255.255")):
                lab.send_raw("api", bytes(
                    Ether(src=api, dst=mac)
                    / IP(src="10.0.0.102", dst=ip) / UDP(dport=9999)))
            host.settimeout(0.3)
            with pytest.raises(socket.timeout):
                host.recv(16)
            # The others go on.
            assert reaches(lan["lan"], "192.168.7.2")
            assert reaches(lan["lan"], "192.168.7.3")
        assert "NORMAL" in lab.run("pve1", "ovs-ofctl", "dump-flows",
                                   "vmbr0").stdout
        for c in (behind_uplink, machine):
            assert not from_containers(lab, c)
        assert not [f for f in other.frames if Ether(f).src == api.lower()]
    finally:
        for what in "agent", "controller":
            lab.start("pve1", what)
    assert lab.reaches("api", "front")


def test_apply_configuration(lab, pve, lan, expect_logs):
    """Without ovs_extra in the stanza: flushed, closed, and back."""
    expect_logs += ["fail_mode was", "somebody cleared fail_mode",
                    "vmbr0: connection"]
    p = lab.pinger("api", "front"), lab.pinger("api", "store")
    with sockets.Capture(lan["lan"], "eth0") as behind_uplink, \
            sockets.Capture(lan["vm"], "eth0") as machine:
        ifreload(pve.host)
        assert eventually(lambda: "somebody cleared fail_mode" in lab.appctl(
            "pve1", "socknet-agent", "status"))
        assert lab.reaches("api", "front")
        assert lab.reaches("api", "store")
    print("opened:", *(str(pinger.stop()) for pinger in p), sep="\n")
    for c in (behind_uplink, machine):
        assert not from_containers(lab, c)
    got = lab.run("pve1", "ovs-vsctl", "get", "bridge", "vmbr0", "fail_mode",
                  "protocols", "other_config").stdout
    assert "secure" in got and "OpenFlow15" in got, got
    assert 'disable-in-band="true"' in got


def test_apply_configuration_with_stanza(lab, pve, lan, tmp_path, builddir):
    """With what --install writes there, nothing happens at all."""
    path = tmp_path / "interfaces"
    path.write_text(STANZA)
    install = (str(builddir / "agent" / "socknet-agent"), "--install",
               "--interfaces=%s" % path)
    assert lab.run("pve1", *install, check=False).returncode == 2
    assert path.read_text() == STANZA
    lab.run("pve1", *install, "--write")
    assert "has all" in lab.run("pve1", *install).stdout
    assert (tmp_path / "interfaces.before-socknet").read_text() == STANZA
    lines = dict(x.split(None, 1) for x in path.read_text().splitlines()
                 if x.split())
    for port in "veth101i0", "x-warp0":
        assert re.match(lines["ovs_ports_condone_regex"], port)
    assert not re.match(lines["ovs_ports_condone_regex"], "eno1")

    before = lab.quiet()
    p = (lab.pinger("api", "front").begun(),
         lab.pinger("api", "store").begun())
    ifreload(pve.host, lines["ovs_extra"])
    pause(1)
    for pinger in p:
        assert pinger.stop().lost == 0
    assert lab.counters() == before


@agents.not_in_vm
@pytest.mark.skipif(not lxc.find(), reason="no LXC here, nor in a "
                    "folder that SOCKNET_LXC names: build-aux/lxc-unpack")
def test_real_lxc(lab):
    there = lab.pve["pve2"]
    c = lxc.Container(lab, "pve2", "lxcweb", "vethlxc", "00:16:3e:11:22:33",
                      "10.1.0.50/24", "10.1.0.1")
    try:
        for _ in range(2):      # Once more: another interface, another port.
            c.start()
            becomes(there, "vethlxc", ", up")
            assert lab.reaches("front", "10.1.0.50")
            assert eventually(lambda: " 0% packet loss" in c.run(
                "ping", "-c1", "-W1", "10.0.0.101", check=False).stdout)
            c.stop()
            assert eventually(lambda: ", up" not in there.ports()["vethlxc"])
        # Its file says another address than the state, once it runs again.
        path = os.path.join(c.folder, "lxcweb", "network")
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace("10.1.0.50", "10.1.0.51"))
        c.start()
        becomes(there, "vethlxc", "quarantine: the state's ipv4_address is "
                "10.1.0.50 and ")
        assert lab.ping("front", "10.1.0.51", 1) == 0
    finally:
        c.stop()


@agents.not_in_vm
def test_adoption(lab, pve, expect_logs):
    """Nobody declares it: its file says who it is, and names give tags."""
    expect_logs += agents.CUT_OFF
    adopting = STATE.replace("default_policy: allow", "default_policy: deny, "
                             "undeclared: adopt, adopt: "
                             "[{match: 'new-*', tags: [new]}]") + """
acls:
  - {action: accept, src: ["tag:new"], dst: [front], proto: icmp}
  - {action: accept, src: [store], dst: ["new-*"], proto: icmp}
"""
    c = Container("pve1", {"id": "150", "properties": {
        "name": "new-1", "ipv4_address": "10.0.0.150/24"}})
    lab.lab.node("pve1").containers.append(c)
    pve.conf("new-1")
    pve.start("new-1", firewall=1)
    try:
        becomes(pve, "fwln150o0", "quarantine: no container of this node "
                "declares it (veth: veth150i0); %s calls it new-1"
                % pve.path("lxc/150.conf"))
        shown = lab.socknet("pve1", "containers").stdout
        assert "fwln150o0" in shown and "calls it new-1" in shown, shown
        lab.apply(adopting)
        becomes(pve, "fwln150o0", "new-1, ")
        becomes(pve, "fwln150o0", ", up")
        assert lab.reaches("new-1", "front")
        assert lab.reaches("store", "new-1")
        assert lab.ping("front", "new-1", 1) == 0
        shown = lab.socknet("pve1", "--json", "containers", "new-1").stdout
        shown = json.loads(shown)["containers"][0]
        assert shown["adopted"] and shown["tags"] == ["new"], shown
        assert "new-1" not in lab.socknet("pve1", "export").stdout
        # An agent that starts while Proxmox's files cannot be read.
        p = lab.pinger("store", "new-1").begun()
        lab.kill("pve1", "agent")
        os.rename(pve.dir, pve.dir + ".away")
        lab.start("pve1", "agent")
        becomes(pve, "fwln150o0", "new-1, ")
        becomes(pve, "fwln150o0", ", up")
        os.rename(pve.dir + ".away", pve.dir)
        becomes(pve, "fwln150o0", ", up")
        assert p.stop().lost == 0
        # An address that is not its node's, one that is somebody's, a name.
        for change, reason in (
                ({"ip": "10.1.0.150/24"}, "its address 10.1.0.150 is in no "
                 "subnet of node pve1"),
                ({"ip": "10.0.0.101/24"}, "its address 10.0.0.101 is that of "
                 "front"),
                ({"ip": "10.0.0.1/24"}, "its address 10.0.0.1 is the "
                 "gateway's"),
                ({"ip": "dhcp"}, "it has no static address"),
                ({"hwaddr": "BC:24:11:00:00:99"}, "its MAC address is ")):
            pve.conf("new-1", **change)
            becomes(pve, "fwln150o0", "not adopted: " + reason)
        assert eventually(lambda: lab.ping("new-1", "front", 1) == 0)
        pve.conf("new-1")
        becomes(pve, "fwln150o0", ", up")
        assert lab.reaches("new-1", "front")
    finally:
        pve.stop("new-1")
        pve.remove("150")
        lab.lab.forget("new-1")
        lab.apply(STATE)
    assert eventually(lambda: "new-1" not in lab.socknet(
        "pve1", "containers").stdout)


def test_migration(lab, pve):
    """`pct migrate` in restart mode: the address goes along."""
    moved = STATE.replace('''        - id: "102"
''', '''        - id: "102"
          node: pve2
          hwaddr: "%s"
''' % lab.container("api").mac)
    there = lab.pve["pve2"]
    p = lab.pinger("front", "api"), lab.pinger("store", "api")
    c = lab.container("api")
    pve.stop("api")
    pve.remove("102")
    lab.lab.forget("api")
    c.node = "pve2"
    lab.lab.node("pve2").containers.append(c)
    there.conf("api")
    there.start("api")
    lab.apply(moved)
    assert lab.reaches("front", "api")
    assert lab.reaches("store", "api")
    print("migration:", *(str(pinger.stop()) for pinger in p), sep="\n")
    becomes(there, "veth102i0", ", up")
    assert "veth102i0" not in pve.ports()
