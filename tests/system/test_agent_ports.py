"""The agent: which port is which container, and the end of it all: what
--cleanup takes away and what it must not."""

import json
import os

import agents
import pytest
from agents import NODES, nft, out, settled
from harness import eventually

A, B = NODES


@pytest.fixture(scope="module")
def lab(make_net, two_hosts, builddir):
    system = make_net(two_hosts, bare=True)
    agents.start(system, builddir)
    agents.apply(system)
    yield system


@pytest.fixture(autouse=True)
def clean_logs(lab, expect_logs):
    with lab.clean_logs(expect_logs, agents.CUT_OFF):
        yield


def ports(lab, node):
    """Interface -> the line about it, as `ports` prints it."""
    text = lab.appctl(node, "socknet-agent", "ports")
    return dict(line.split(": ", 1) for line in text.splitlines())


def status_rows(lab, table, node):
    """Rows of a status table about 'node', as dictionaries."""
    text = out(lab, lab.info_node, "ovsdb-client", "--format=json", "dump",
               "unix:/run/socknet/db.sock", "Socknet", table)
    table = json.loads(text)
    rows = [dict(zip(table["headings"], r)) for r in table["data"]]
    return [r for r in rows if r["node"] == node]


@pytest.fixture(autouse=True)
def db_node(lab):
    lab.info_node = lab.lab.info["db_node"]


def external_ids(lab, node, port):
    text = out(lab, node, "ovs-vsctl", "--format=json", "--columns="
               "external_ids", "list", "interface", port)
    return dict(json.loads(text)["data"][0][0][1])


def container_mac(lab, name):
    return json.loads(out(lab, name, "ip", "-j", "link", "show",
                          "eth0"))[0]["address"]


def reported(lab):
    """Name -> row, of the ports that the database knows to be up."""
    return {r["name"]: r for r in status_rows(lab, "Port_Status", A)
            if r["state"] == "up"}


def test_ports_are_reported(lab):
    veths = ["veth100", "veth102", "veth200", "veth201"]
    assert eventually(lambda: sorted(reported(lab)) == veths)
    assert eventually(lambda: all("attached-mac" in external_ids(lab, A, v)
                                  for v in veths))
    found, rows = ports(lab, A), reported(lab)
    assert sorted(found) == sorted(rows) == veths
    for c in lab.lab.node(A).containers:
        assert found[c.veth].startswith(c.name + ", ofport ")
        assert found[c.veth].endswith(", up")
        assert container_mac(lab, c.name) in found[c.veth]
        assert rows[c.veth]["container"] == c.name
        assert rows[c.veth]["mac"] == container_mac(lab, c.name)
        assert external_ids(lab, A, c.veth) == {
            "iface-id": c.name, "socknet-container": c.name,
            "attached-mac": container_mac(lab, c.name)}


def test_stopped_and_started(lab):
    lab.lab.cont_del(A, "xray")
    assert eventually(lambda: ports(lab, A)["veth102"] == "xray, ofport 0, "
                      "mac 00:00:00:00:00:00, missing: there is no "
                      "interface veth102")
    lab.lab.cont_add(A, "xray")
    assert eventually(lambda: ports(lab, A)["veth102"].endswith(", up"))
    assert eventually(lambda: external_ids(lab, A, "veth102").get(
        "socknet-container") == "xray")


@agents.not_in_vm
def test_unplugged_is_missing(lab):
    out(lab, A, "ovs-vsctl", "del-port", "veth200")
    try:
        assert eventually(lambda: "missing: veth200 exists and is not plugged"
                          in ports(lab, A)["veth200"])
    finally:
        out(lab, A, "ovs-vsctl", "add-port", "vmbr0", "veth200")
    assert eventually(lambda: ports(lab, A)["veth200"].endswith(", up"))


@agents.not_in_vm
def test_undeclared_port_is_in_quarantine(lab):
    out(lab, A, "ip", "link", "add", "veth999i0", "type", "veth", "peer",
        "name", "veth999i0p")
    out(lab, A, "ip", "link", "set", "veth999i0", "up")
    out(lab, A, "ovs-vsctl", "add-port", "vmbr0", "veth999i0")
    try:
        assert eventually(lambda: "quarantine: no container of this node "
                          "declares it" in ports(lab, A).get("veth999i0",
                                                             ""))
        assert eventually(lambda: [
            r["state"] for r in status_rows(lab, "Port_Status", A)
            if r["name"] == "veth999i0"] == ["quarantine"])
        # Proxmox's transient other end is nobody's business.
        out(lab, A, "ovs-vsctl", "add-port", "vmbr0", "veth999i0p")
        settled(lab, A)
        assert "veth999i0p" not in ports(lab, A)
    finally:
        out(lab, A, "ovs-vsctl", "--if-exists", "del-port", "veth999i0p",
            "--", "--if-exists", "del-port", "veth999i0")
        out(lab, A, "ip", "link", "del", "veth999i0")
    assert eventually(lambda: "veth999i0" not in ports(lab, A))
    assert eventually(lambda: "veth999i0" not in [
        r["name"] for r in status_rows(lab, "Port_Status", A)])


@agents.not_in_vm
def test_other_mac_than_declared(lab):
    mac = container_mac(lab, "op-dbus-api")
    lab.lab.cont_del(A, "op-dbus-api")
    host = lab.lab.hosts[A]
    ns_name = lab.lab.cont_ns(lab.container("op-dbus-api"))
    lab.lab.cont_add(A, "op-dbus-api")
    assert eventually(lambda: ports(lab, A)["veth201"].endswith(", up"))
    assert host.alive() and os.path.exists("/run/netns/" + ns_name)
    # A new plug with another address from the first moment on.
    out(lab, A, "ovs-vsctl", "del-port", "veth201")
    out(lab, A, "ip", "link", "del", "veth201")
    out(lab, A, "ip", "link", "add", "veth201", "type", "veth", "peer",
        "name", "eth0", "address", "02:00:00:00:00:66", "netns", ns_name)
    out(lab, A, "ip", "link", "set", "veth201", "up")
    out(lab, A, "ovs-vsctl", "add-port", "vmbr0", "veth201")
    try:
        assert eventually(lambda: "quarantine: its MAC address is "
                          "02:00:00:00:00:66 and hwaddr says " + mac
                          in ports(lab, A)["veth201"])
    finally:
        lab.lab.cont_del(A, "op-dbus-api")
        lab.lab.cont_add(A, "op-dbus-api")
    assert eventually(lambda: ports(lab, A)["veth201"].endswith(", up"))


@agents.not_in_vm
def test_first_mac_of_a_plug_stays(lab, expect_logs):
    expect_logs += ["the MAC address inside the container changed"]
    mac = container_mac(lab, "gateway")
    out(lab, "gateway", "ip", "link", "set", "eth0", "address",
        "02:00:00:00:00:77")
    try:
        lab.appctl(A, "socknet-agent", "resync")
        assert eventually(lambda: "it may use only the former" in lab.appctl(
            A, "socknet-agent", "status"))
        assert mac in ports(lab, A)["veth100"]
        assert external_ids(lab, A, "veth100")["attached-mac"] == mac
    finally:
        out(lab, "gateway", "ip", "link", "set", "eth0", "address", mac)
    lab.appctl(A, "socknet-agent", "resync")
    assert eventually(lambda: "problems: 0" in lab.appctl(
        A, "socknet-agent", "status"))


@agents.not_in_vm
def test_missing_bridge_says_how_to_make_it(lab, expect_logs):
    expect_logs += ["there is no bridge vmbr0", "fail_mode was"]
    agent = "socknet-agent"
    kind = out(lab, B, "ovs-vsctl", "get", "bridge", "vmbr0",
               "datapath_type").strip()
    out(lab, B, "ovs-vsctl", "del-br", "vmbr0")
    try:
        assert eventually(lambda: "make it with: ovs-vsctl add-br vmbr0"
                          in lab.appctl(B, agent, "status"))
        assert lab.reaches(A, "100.64.0.2")
    finally:
        out(lab, B, "ovs-vsctl", "add-br", "vmbr0", "--", "set", "bridge",
            "vmbr0", "datapath_type=" + kind)
        for c in lab.lab.node(B).containers:
            out(lab, B, "ovs-vsctl", "add-port", "vmbr0", c.veth)
    assert eventually(lambda: "problems: 0" in lab.appctl(B, agent,
                                                          "status"))
    assert eventually(lambda: out(
        lab, B, "ovs-vsctl", "get", "bridge", "vmbr0",
        "fail_mode").strip() == "secure")
    assert lab.reaches(A, "10.1.0.1")


FOREIGN = """
ip link add dmy0 type bridge
ip link set dmy0 up
ip addr add 192.0.2.1/24 dev dmy0
ip addr add 10.0.0.250/24 dev vmbr0
ip route add 198.18.0.0/24 dev dmy0 proto static metric 7
ip route add 198.18.1.0/24 dev dmy0 table 53182
ip -6 route add 2001:db8:77::/64 dev dmy0 proto 84
ip rule add iif dmy0 lookup 77 priority 5300
ip rule add from 192.0.2.9 lookup 53182 priority 5299
nft add table inet filter
nft add chain inet filter forward '{ type filter hook forward priority 5; }'
nft add rule inet filter forward iifname x-warp0 counter
nft add table netdev other
nft add table ip socknet
ovs-vsctl add-port vmbr0 x-mine -- set interface x-mine type=internal
ovs-vsctl set interface veth200 external_ids:who=me
"""


def foreign_snapshot(lab):
    """Everything on the host that is not the agent's, as text."""
    def lines(*command, without=()):
        text = out(lab, A, *command).splitlines()
        return [t for t in text if not any(w in t for w in without)]
    mine = ["proto 83", "nm-privacy", "x-warp0"]
    addresses = json.loads(out(lab, A, "ip", "-j", "addr"))
    return {
        "links": [(x["ifname"], x["mtu"], x["flags"], x.get("address"))
                  for x in addresses
                  if x["ifname"] not in ("nm-privacy", "x-warp0")],
        "addresses": [(x["ifname"], a["local"], a["prefixlen"])
                      for x in addresses for a in x["addr_info"]
                      if x["ifname"] not in ("nm-privacy", "x-warp0")
                      and (x["ifname"], a["local"]) not in (
                          ("vmbr0", "10.0.0.1"), ("vmbr0", "fd00:53::1"))
                      # Linux makes these by itself.
                      and not a["local"].startswith("fe80")],
        "routes": lines("ip", "-4", "route", "show", "table", "all",
                        without=mine + ["dev vmbr0"]),
        "routes6": [r for r in lines("ip", "-6", "route", "show", "table",
                                     "all", without=mine + ["dev vmbr0"])
                    if "fe80" not in r and "ff00" not in r],
        "rules": lines("ip", "rule", without=["proto 83"]),
        "rules6": lines("ip", "-6", "rule", without=["proto 83"]),
        "nft": [out(lab, A, "nft", "list", "table", *t.split())
                for t in ("inet filter", "netdev other", "ip socknet")],
        "ports": lines("ovs-vsctl", "list-ports", "vmbr0",
                       without=["x-warp0"]),
        "id": external_ids(lab, A, "veth200").get("who"),
    }


def test_cleanup_takes_its_own_and_nothing_else(lab, builddir):
    """The last test here: afterwards there is no mesh."""
    for line in FOREIGN.strip().splitlines():
        out(lab, A, "sh", "-c", line)
    settled(lab, A)
    # Linux may tell up to a second later that a bridge without ports has no
    # carrier, nor its routes.
    seen = []

    def still():
        seen.append(foreign_snapshot(lab))
        return seen[-2:] == 2 * seen[-1:]
    assert eventually(still, interval=1)
    before = seen[-1]
    lab.appctl(A, "socknet-agent", "resync")
    settled(lab, A)
    assert foreign_snapshot(lab) == before

    agent = str(builddir / "agent" / "socknet-agent")
    p = lab.run(A, agent, "--cleanup", check=False)
    assert p.returncode == 1 and "is running" in p.stderr, p.stderr
    lab.appctl(A, "socknet-agent", "exit")
    assert eventually(lambda: lab.run(A, agent, "--cleanup", check=False)
                      .returncode == 0)
    after = foreign_snapshot(lab)
    assert after == before

    assert out(lab, A, "ip", "route", "show", "table", "all",
               "proto", "83") == ""
    assert out(lab, A, "ip", "-6", "route", "show", "table", "all",
               "proto", "83") == ""
    assert "proto 83" not in out(lab, A, "ip", "rule")
    assert "proto 83" not in out(lab, A, "ip", "-6", "rule")
    assert "socknet {" not in nft(lab, A).replace("table ip socknet {", "")
    def links():
        return out(lab, A, "ip", "-o", "link")
    assert "nm-privacy" not in links()
    assert eventually(lambda: "x-warp0" not in links()), links()
    assert "10.0.0.1/" not in out(lab, A, "ip", "addr", "show", "vmbr0")
    assert external_ids(lab, A, "veth200") == {"who": "me"}
    assert os.path.exists(agents.key_file(lab, A))
    # Again, with nothing left to do.
    p = lab.run(A, agent, "--cleanup")
    assert p.stderr == ""
