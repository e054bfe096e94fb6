"""A host's own Open vSwitch, its vmbr0 as Proxmox makes it, its containers."""

import os
import signal
import time

from . import ns
from .state import LabError

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
CONF_DB = "/etc/openvswitch/conf.db"
BRIDGE = "vmbr0"


def kernel_datapath():
    """Whether this kernel switches for OVS (it then does so in namespaces)."""
    if os.environ.get("SOCKNET_LAB_DATAPATH") == "netdev":
        return False
    if not os.path.isdir("/sys/module/openvswitch"):
        ns.run(["modprobe", "-q", "openvswitch"], check=False)
    return os.path.isdir("/sys/module/openvswitch")


def wait_uptime(seconds=11):
    """OVS 3.1 started in a machine's first seconds can lose every upcall."""
    while True:
        with open("/proc/uptime") as f:
            left = seconds - float(f.read().split()[0])
        if left <= 0:
            return
        time.sleep(left)


def log_flags(name):
    return ["--pidfile", "--detach", "-vsyslog:off", "-vconsole:off",
            "--log-file=/var/log/openvswitch/%s.log" % name]


def start_ovsdb(host):
    if not os.path.exists(host.path("etc-openvswitch", "conf.db")):
        host.run("ovsdb-tool", "create", CONF_DB, SCHEMA)
    host.run("ovsdb-server", CONF_DB,
             "--remote=punix:/run/openvswitch/db.sock",
             "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
             *log_flags("ovsdb-server"))


def start_vswitchd(host):
    host.run("ovs-vswitchd", *log_flags("ovs-vswitchd"))


def start(host, netdev):
    wait_uptime()
    start_ovsdb(host)
    host.run("ovs-vsctl", "--no-wait", "init", "--", "set", "Open_vSwitch",
             ".", "external_ids:system-id=" + host.name,
             "external_ids:hostname=" + host.name)
    start_vswitchd(host)
    kind = ["datapath_type=netdev"] if netdev else []
    vsctl(host, "--may-exist", "add-br", BRIDGE, "--", "set", "Bridge",
          BRIDGE, "fail_mode=secure", *kind)
    ns.ip(host.ns, "link set %s up" % BRIDGE)


def vsctl(host, *args):
    return host.run("ovs-vsctl", "--timeout=%d" % (30 * ns.FACTOR),
                    *args).stdout.strip()


def ofport(host, port):
    text = vsctl(host, "--if-exists", "get", "Interface", port, "ofport")
    return int(text) if text.lstrip("-").isdigit() else -1


def wait_ofport(host, port):
    return ns.wait_for("port %s of %s" % (port, host.name),
                       lambda: (p := ofport(host, port)) > 0 and p, 20)


def plug_args(veth):
    """What Proxmox's vmbr plug does, less its del-port."""
    return ["--", "--may-exist", "add-port", BRIDGE, veth,
            "--", "set", "Interface", veth, "mtu_request=1500"]


def plug(host, veths):
    args = []
    for veth in veths:
        args += plug_args(veth)
    if args:
        vsctl(host, *args)


def unplug(host, veth):
    vsctl(host, "--if-exists", "del-port", BRIDGE, veth)


# Stands for the container's init: its own /sys (and so /sys/class/net), name.
CONT_INIT = "mount -t sysfs sysfs /sys; hostname $1; exec sleep infinity"


def cont_init_pid(cns):
    """The process that CONT_INIT became."""
    for pid in ns.ns_pids(cns):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                if f.read() == b"sleep\0infinity\0":
                    return pid
        except OSError:
            pass
    return None


def cont_ns(lab, container):
    return "sn-%s-%s.%s" % (lab, container.node, container.name)


def cont_create(host, cns, container, gateways, netdev):
    """The container's namespace, its veth and addresses; not yet plugged.
    Its first process lets /proc/PID/ns/net lead to it, as LXC's does."""
    ns.ns_add(cns)
    ns.run(["ip", "link", "add", container.veth, "netns", host.ns, "type",
            "veth", "peer", "name", "eth0", "netns", cns,
            "address", container.mac])
    if netdev:      # veth's half-made checksums look invalid to its ct
        ns.run(["ip", "netns", "exec", cns, "ethtool", "-K", "eth0",
                "tx", "off"])
    commands = []
    for a in container.addresses:
        nodad = " nodad" if a.version == 6 else ""
        commands.append("addr add %s dev eth0%s" % (a, nodad))
    commands.append("link set eth0 up")
    # The gateway may be outside of the container's own prefix.
    commands += ["route replace default via %s dev eth0 onlink" % gw
                 for gw in gateways.values()]
    ns.ip(cns, *commands)
    ns.ip(host.ns, "link set %s up" % container.veth)
    host.daemon("unshare", "-m", "-u", "--propagation", "slave", "sh", "-c",
                CONT_INIT, "sh", container.name, ns=cns)


def cont_delete(host, cns, container):
    unplug(host, container.veth)
    if ns.ns_exists(cns):
        ns.ns_delete(cns)
    ns.run(["ip", "-n", host.ns, "link", "delete", container.veth],
           check=False)


def move_port(host, container):
    """Unplugs and plugs again; the port's number is another one after."""
    old = ofport(host, container.veth)
    unplug(host, container.veth)
    plug(host, [container.veth])
    new = wait_ofport(host, container.veth)
    if new == old:
        unplug(host, container.veth)
        vsctl(host, *plug_args(container.veth),
              "ofport_request=%d" % (old + 1000))
        new = wait_ofport(host, container.veth)
    return old, new


PIDFILES = {
    "ovsdb": ("run-openvswitch", "ovsdb-server.pid"),
    "vswitchd": ("run-openvswitch", "ovs-vswitchd.pid"),
}


def kill_by_pidfile(host, path, sig, wait=True):
    """Kills the daemon of a pidfile inside the host's pid namespace."""
    pid = host.pidfile(path)
    if pid is None:
        raise LabError("%s: not running on %s"
                       % (os.path.basename(path), host.name))
    if not pid_alive(host, pid):
        raise LabError("%s on %s: process %d is gone already"
                       % (os.path.basename(path), host.name, pid))
    host.run("kill", "-%d" % sig, str(pid))
    if wait and sig in (signal.SIGKILL, signal.SIGTERM):
        ns.wait_for("end of %s on %s" % (os.path.basename(path), host.name),
                    lambda: not pid_alive(host, pid), 30)
    return pid


def pid_alive(host, pid):
    """/proc as the host sees it, reached through its first process."""
    try:
        with open("/proc/%d/root/proc/%d/stat" % (host.pid, pid)) as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
