"""A whole lab: made from a state file, found again by its name, taken down.

What "down" must undo beyond its own namespaces is written to disk before it
is done, so that it works after a kill at any moment.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import sys

from . import inet, ns, ovs
from .state import LabError, Node, load

BASE = os.environ.get("SOCKNET_LAB_DIR", "/run/socknet-lab")
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Machine-wide settings while any lab is up; the last one puts them back.
SYSCTLS = {"net.core.rmem_max": 16777216, "net.core.rmem_default": 8388608}
BIG_SYSCTLS = {"net.ipv4.neigh.default.gc_thresh3": 65536,
               "net.ipv4.neigh.default.gc_thresh2": 32768,
               "net.ipv4.neigh.default.gc_thresh1": 8192}


def step(text):
    print("lab: " + text, flush=True)


@contextlib.contextmanager
def machine_lock():
    """One at a time; the last lab down removes the lock file itself."""
    path = os.path.join(BASE, ".lock")
    while True:
        os.makedirs(BASE, exist_ok=True)
        with contextlib.suppress(FileNotFoundError), open(path, "w") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(f.fileno()), os.stat(path)):
                yield
                return


def other_labs(name):
    return [d for d in os.listdir(BASE)
            if d != name and os.path.isdir(os.path.join(BASE, d))]


class Lab:
    def __init__(self, name=None):
        self.name = name or os.environ.get("SOCKNET_LAB") or "socknet"
        if not re.fullmatch(r"[a-z0-9]{1,20}", self.name):
            raise LabError("SOCKNET_LAB=%s: a-z and 0-9 only, at most 20"
                           % self.name)
        self.dir = os.path.join(BASE, self.name)
        self.source = SOURCE
        self.nodes = []
        self.netdev = True
        self.info = {}          # what later commands need: build dir, ...
        self.hosts = {}
        self.holder = ns.Host("lab", self.ns("ul"), self.path("holder"))
        self.internet = ns.Host("internet", self.ns("internet"),
                                self.path("hosts", "internet"))

    # Names and paths.

    def ns(self, what):
        return "sn-%s-%s" % (self.name, what)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def node(self, name):
        for n in self.nodes:
            if n.name == name:
                return n
        raise LabError("no node %s in lab %s (it has: %s)"
                       % (name, self.name,
                          ", ".join(n.name for n in self.nodes) or "none"))

    def host(self, name):
        self.node(name)
        return self.hosts[name]

    def container(self, name, node=None):
        """By name, or by id where that is unique."""
        for n in self.nodes:
            for c in n.containers:
                if name in (c.name, c.id) and node in (None, n.name):
                    return c
        raise LabError("no container %s in lab %s" % (name, self.name))

    def cont_ns(self, container):
        return ovs.cont_ns(self.name, container)

    def tunnels(self):
        """(index, node, interface) of every WARP tunnel."""
        pairs = [(n, t) for n in self.nodes for t in n.tunnels]
        return [(k, n, t) for k, (n, t) in enumerate(pairs, 1)]

    # The file by which later commands find the lab.

    def save(self):
        doc = {"nodes": [n.to_dict() for n in self.nodes],
               "netdev": self.netdev, "info": self.info,
               "pids": {"holder": self.holder.pid,
                        "internet": self.internet.pid,
                        "hosts": {k: h.pid for k, h in self.hosts.items()}}}
        tmp = self.path("lab.json.new")
        with open(tmp, "w") as f:
            json.dump(doc, f, indent=1)
        os.rename(tmp, self.path("lab.json"))

    def load(self):
        try:
            with open(self.path("lab.json")) as f:
                doc = json.load(f)
        except FileNotFoundError:
            raise LabError("no lab named %s is up (lab up FILE)"
                           % self.name) from None
        self.set_nodes([Node.from_dict(d) for d in doc["nodes"]])
        self.netdev, self.info = doc["netdev"], doc["info"]
        self.holder.pid = doc["pids"]["holder"]
        self.internet.pid = doc["pids"]["internet"]
        for name, pid in doc["pids"]["hosts"].items():
            self.hosts[name].pid = pid
        return self

    def set_nodes(self, nodes):
        self.nodes = nodes
        self.hosts = {n.name: ns.Host(n.name, self.ns(n.name),
                                      self.path("hosts", n.name))
                      for n in nodes}

    # Up.

    def up(self, path, node_name=None):
        if os.geteuid() != 0:
            raise LabError("needs root: it makes network namespaces")
        self.set_nodes(load(path, node_name))
        if os.path.exists(self.dir):
            self.down()
        self.netdev = not ovs.kernel_datapath()
        step("%s: %d nodes, %d containers, %s datapath"
             % (self.name, len(self.nodes),
                sum(len(n.containers) for n in self.nodes),
                "userspace" if self.netdev else "kernel"))
        os.umask(0o022)
        with machine_lock():
            os.makedirs(self.dir, mode=0o700)
            self.machine_settings()
        inet.underlay_up(self)
        self.holder.start(private={}, hostname=False)
        self.save()
        ns.ns_add(self.ns("internet"))
        inet.internet_up(self)
        self.save()
        step("internet: web server at http://%s/ and http://[%s]/"
             % (inet.WEB4, inet.WEB6))
        for node in self.nodes:
            self.node_up(node)
        for k, node, interface in self.tunnels():
            inet.warp_up(self, node, interface, k)
            step("%s: %s, a WireGuard tunnel that the web server sees as %s"
                 % (node.name, interface, inet.egress(k)[0]))
        inet.wait_web(self)
        self.save()

    def node_up(self, node):
        host = self.hosts[node.name]
        ns.ns_add(host.ns)
        # A tunnel's own tool takes any free port: not one that is spoken for.
        ns.sysctl(host.ns, "net.ipv4.ip_forward=0",
                  "net.ipv4.ip_local_reserved_ports=51820-52899",
                  "net.ipv4.conf.all.rp_filter=2",
                  "net.ipv4.conf.default.rp_filter=2")
        host.start(self.holder)
        self.save()
        inet.node_uplink(self, node)
        ovs.start(host, self.netdev)
        running = [c for c in node.containers if c.running]
        for c in running:
            ovs.cont_create(host, self.cont_ns(c), c, c.gateways(node),
                            self.netdev)
        ovs.plug(host, [c.veth for c in running])
        step("%s: at %s%s, vmbr0 with %s"
             % (node.name, inet.outer_address(node),
                "" if node.endpoint else " (behind NAT)",
                ", ".join("%s=%s" % (c.veth, c.name) for c in running)
                or "no containers"))

    def machine_settings(self):
        """Sysctls, and mount points that hosts need; noted before made."""
        wanted = dict(SYSCTLS)
        if len(self.nodes) > 25:
            wanted.update(BIG_SYSCTLS)
        notes = os.path.join(BASE, ".machine.json")
        saved = {"sysctls": {}, "dirs": []}
        if os.path.exists(notes):
            with open(notes) as f:
                saved = json.load(f)
        for key in wanted:
            if key not in saved["sysctls"]:
                saved["sysctls"][key] = ns.run(
                    ["sysctl", "-n", key]).stdout.strip()
        missing = [d for d in ns.PRIVATE.values() if not os.path.isdir(d)]
        saved["dirs"] += [d for d in missing if d not in saved["dirs"]]
        with open(notes + ".new", "w") as f:
            json.dump(saved, f)
        os.rename(notes + ".new", notes)
        for d in missing:
            os.makedirs(d)
        ns.run(["sysctl", "-qw", *("%s=%s" % kv for kv in wanted.items())])

    # Down.

    def down(self):
        """Ends everything that bears this lab's name; safe to repeat."""
        if os.geteuid() != 0:
            raise LabError("needs root")
        names = []
        if os.path.isdir(ns.NETNS_DIR):
            names = sorted(n for n in os.listdir(ns.NETNS_DIR)
                           if n.startswith("sn-%s-" % self.name))
        ul = self.ns("ul")
        if ul in names:         # the holder first: it takes the rest along
            names.remove(ul)
            names.insert(0, ul)
        for n in names:
            ns.ns_delete(n)
        with machine_lock():
            if os.path.isdir(self.dir):
                shutil.rmtree(self.dir)
            if not other_labs(self.name):
                self.restore_machine()
        with contextlib.suppress(OSError):
            os.rmdir(BASE)
        return bool(names)

    @staticmethod
    def restore_machine():
        notes = os.path.join(BASE, ".machine.json")
        if os.path.exists(notes):
            with open(notes) as f:
                saved = json.load(f)
            for key, value in saved["sysctls"].items():
                ns.run(["sysctl", "-qw", "%s=%s" % (key, value)], check=False)
            for d in saved["dirs"]:
                with contextlib.suppress(OSError):
                    os.rmdir(d)
            os.unlink(notes)
        for name in (".machine.json.new", ".lock"):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(BASE, name))

    # Inside.

    def argv(self, where, command, cwd=None):
        """The command line that runs 'command' in a node, a container, or
        internet, web, ul, nat-NODE."""
        if where == "internet":
            return self.internet.argv(command, cwd=cwd)
        if where in self.hosts:
            return self.hosts[where].argv(command, cwd=cwd)
        if where in ("web", "ul") or where.startswith("nat-"):
            return self.internet.argv(command, self.ns(where), cwd=cwd)
        c = self.container(where)
        cns = self.cont_ns(c)
        if not ns.ns_exists(cns):
            raise LabError("container %s is not running" % where)
        init = ns.wait_for("first process of " + c.name,
                           lambda: ovs.cont_init_pid(cns))
        return ns.Host(c.name, cns, None, init).argv(command, cwd=cwd)

    def run(self, where, *command, **kw):
        return ns.run(self.argv(where, list(command)), **kw)

    def cont_add(self, node_name, name, path=None):
        """Starts a container of the lab's state, or of a newer file."""
        node = self.node(node_name)
        if path:
            for n in load(path):
                for c in n.containers:
                    if n.name == node_name and name in (c.name, c.id):
                        self.forget(c.name)
                        node.containers.append(c)
        c = self.container(name, node_name)
        if ns.ns_exists(self.cont_ns(c)):
            raise LabError("container %s is running already" % name)
        host = self.hosts[node_name]
        ovs.cont_create(host, self.cont_ns(c), c, c.gateways(node),
                        self.netdev)
        ovs.plug(host, [c.veth])
        self.save()
        return c

    def forget(self, name):
        for n in self.nodes:
            n.containers = [c for c in n.containers if c.name != name]

    def cont_del(self, node_name, name):
        c = self.container(name, node_name)
        ovs.cont_delete(self.hosts[node_name], self.cont_ns(c), c)

    def cont_move_port(self, node_name, name):
        c = self.container(name, node_name)
        return ovs.move_port(self.hosts[node_name], c)

    def status(self, out=sys.stdout):
        p = lambda *a: print(*a, file=out)
        p("lab %s: %s datapath, files in %s"
          % (self.name, "userspace" if self.netdev else "kernel", self.dir))
        for n in self.nodes:
            host = self.hosts[n.name]
            p("%s: %s, %s" % (n.name, inet.outer_address(n),
                              "up" if host.alive() else "DOWN"))
            for c in n.containers:
                port = ovs.ofport(host, c.veth) if host.alive() else -1
                p("    %-12s %-10s port %-5d %s"
                  % (c.name, c.veth, port,
                     " ".join(str(a) for a in c.addresses)))
