"""A Proxmox host as far as socknet sees it: the files of /etc/pve, and the
commands that its tools run, in their order (PVE::Network, PVE::LXC)."""

import contextlib
import json
import os

from harness import ns, ovs


class Proxmox:
    def __init__(self, system, node):
        self.system, self.lab = system, system.lab
        self.node, self.host = node, system.lab.hosts[node]
        self.dir = self.host.path("pve")
        self.version = 0
        os.makedirs(self.path("lxc"), exist_ok=True)
        os.makedirs(self.path("qemu-server"), exist_ok=True)
        self.bump()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    # /etc/pve.

    def bump(self):
        self.version += 1
        with open(self.path(".version"), "w") as f:
            json.dump({"vmlist": self.version}, f)

    def write(self, vmid, text):
        """Replaces a container's file, as pmxcfs does: at once."""
        path = self.path("lxc", "%s.conf" % vmid)
        with open(path + ".tmp", "w") as f:
            f.write(text)
        os.rename(path + ".tmp", path)
        self.bump()

    def remove(self, vmid):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("lxc", "%s.conf" % vmid))
        self.bump()

    def conf(self, name, firewall=0, **options):
        """The file of a container of the lab, its net0 changed by
        'options'."""
        c = self.system.container(name)
        net = {"name": "eth0", "bridge": "vmbr0", "firewall": firewall,
               "hwaddr": c.mac.upper(), "type": "veth"}
        for a in c.addresses:
            net["ip" if a.version == 4 else "ip6"] = str(a)
        net.update(options)
        self.write(c.id, "arch: amd64\nhostname: %s\nmemory: 512\n"
                   "net0: %s\nostype: debian\n\n[before-upgrade]\n"
                   "net0: name=eth0,bridge=vmbr9,hwaddr=BC:24:11:99:99:99\n"
                   % (name, ",".join("%s=%s" % i for i in net.items())))

    # What `pct` runs.

    def sh(self, command, **kw):
        return self.host.run(*command.split(), **kw)

    def tap_unplug(self, veth):
        vmid, n = veth[4:].split("i")
        if os.path.exists(self._sys("fwbr%si%s" % (vmid, n))):
            self.sh("ip link set %s nomaster" % veth, check=False)
            self.sh("ovs-vsctl del-port fwln%so%s" % (vmid, n), check=False)
            self.sh("ip link set fwbr%si%s down" % (vmid, n))
            self.sh("ip link del fwbr%si%s" % (vmid, n))
        self.sh("ovs-vsctl del-port " + veth, check=False)

    def _sys(self, link):
        return "/proc/%d/root/sys/class/net/%s" % (self.host.pid, link)

    def tap_plug(self, veth, firewall=0, tag=None):
        vmid, n = veth[4:].split("i")
        tag = " tag=%d" % tag if tag else ""
        if not firewall:
            self.sh("ovs-vsctl -- add-port vmbr0 %s%s -- set Interface %s "
                    "mtu_request=1500" % (veth, tag, veth))
            return
        bridge, port = "fwbr%si%s" % (vmid, n), "fwln%so%s" % (vmid, n)
        self.sh("ip link add name %s type bridge forward_delay 0" % bridge)
        self.sh("ip link set %s up" % bridge)
        self.sh("ip link set %s master %s" % (veth, bridge))
        self.sh("ovs-vsctl -- add-port vmbr0 %s%s -- set Interface %s "
                "type=internal -- set Interface %s mtu_request=1500"
                % (port, tag, port, port))
        self.sh("ip link set %s up" % port)
        self.sh("ip link set %s mtu 1500" % port)
        self.sh("ip link set %s master %s" % (port, bridge))

    def plug(self, name, firewall=0, tag=None):
        """As a change of firewall=, tag= or bridge= does."""
        veth = self.system.container(name).veth
        self.tap_unplug(veth)
        self.tap_plug(veth, firewall, tag)

    def start(self, name, firewall=0):
        """`pct start`: LXC makes the pair, its hook plugs it."""
        c = self.lab.container(name, self.node)
        node = self.lab.node(self.node)
        ovs.cont_create(self.host, self.lab.cont_ns(c), c, c.gateways(node),
                        self.lab.netdev)
        self.tap_plug(c.veth, firewall)

    def stop(self, name, unplug=True):
        """`pct stop`; without 'unplug' the row of the port lingers."""
        c = self.lab.container(name, self.node)
        if unplug:
            self.tap_unplug(c.veth)
        cns = self.lab.cont_ns(c)
        if ns.ns_exists(cns):
            ns.ns_delete(cns)
        self.sh("ip link delete " + c.veth, check=False)

    # What the agent says.

    def ports(self):
        text = self.system.appctl(self.node, "socknet-agent", "ports")
        return dict(line.split(": ", 1) for line in text.splitlines())


# What ifupdown2's openvswitch module runs for the stanza of vmbr0 when the
# bridge is there, in ONE transaction.
IFRELOAD = ("ovs-vsctl -- --may-exist add-br vmbr0 %s-- --if-exists clear "
            "bridge vmbr0 auto_attach controller external-ids fail_mode "
            "flood_vlans ipfix mirrors netflow other_config protocols sflow "
            "-- --if-exists clear interface vmbr0 mtu_request external-ids "
            "other_config options%s")


def ifreload(host, extra="", deleted=()):
    """`ifreload -a`: the stanza's ovs_extra, and the ports that it does not
    know."""
    ports = "".join("-- --if-exists del-port vmbr0 %s " % p for p in deleted)
    host.run(*(IFRELOAD % (ports, extra and " -- " + extra)).split())
