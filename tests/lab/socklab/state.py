"""Reads a state file just far enough to build hosts from it.

socknet itself is the judge of state files; this reader takes what it needs
and says in one line when that is missing.
"""

import glob
import hashlib
import ipaddress
import os
import platform
import re

import yaml


class LabError(Exception):
    """Something that the caller of the lab did or lacks, in one line."""


class Container:
    def __init__(self, node, doc):
        props = doc.get("properties") or {}
        self.node = node
        self.id = str(doc.get("id", props.get("name", "")))
        if not self.id:
            raise LabError("node %s: a container without id" % node)
        self.name = props.get("name") or "ct" + self.id
        self.veth = doc.get("veth") or "veth%si0" % self.id
        self.running = doc.get("running", True)
        self.mac = (doc.get("hwaddr") or props.get("hwaddr")
                    or stable_mac(self.name)).lower()
        self.addresses = [ipaddress.ip_interface(props[key])
                          for key in ("ipv4_address", "ipv6_address")
                          if props.get(key)]
        self.gateway = props.get("gateway")

    def gateways(self, node):
        """Default gateway per address family that the container has."""
        gws = {}
        for addr in self.addresses:
            nets = [n for n in node.subnets if addr.ip in n]
            net = nets[0] if nets else addr.network
            gws[addr.version] = net.network_address + 1
        if self.gateway:
            gw = ipaddress.ip_address(self.gateway)
            gws[gw.version] = gw
        return gws

    def to_dict(self):
        return {"node": self.node, "id": self.id, "name": self.name,
                "veth": self.veth, "mac": self.mac,
                "running": self.running,
                "addresses": [str(a) for a in self.addresses],
                "gateway": self.gateway}

    @classmethod
    def from_dict(cls, d):
        self = cls.__new__(cls)
        self.__dict__.update(d)
        self.addresses = [ipaddress.ip_interface(a) for a in d["addresses"]]
        return self


class Node:
    def __init__(self, index, name, doc, lab=None):
        self.index = index          # 1, 2, ... in file order
        self.lab = lab or {}        # of a "# lab:" line; see nat.py
        self.name = name
        self.endpoint = endpoint_address(name, doc.get("endpoint"))
        self.containers = [Container(name, c) for c in
                           (doc.get("lxc") or {}).get("containers") or []]
        self.subnets = node_subnets(doc, self.containers)
        tunnels = [
            (t.get("interface", key), t.get("profile"))
            for key, t in sorted((doc.get("wireguard") or {}).items())
            if key.endswith("_tunnel") and isinstance(t, dict)
            and t.get("enabled", True)]
        self.tunnels = [t for t, _ in tunnels]
        self.profiles = {t: p for t, p in tunnels if p}

    def to_dict(self):
        return {"index": self.index, "name": self.name,
                "endpoint": self.endpoint, "lab": self.lab,
                "subnets": [str(s) for s in self.subnets],
                "tunnels": self.tunnels, "profiles": self.profiles,
                "containers": [c.to_dict() for c in self.containers]}

    @classmethod
    def from_dict(cls, d):
        self = cls.__new__(cls)
        self.__dict__.update(d)
        self.subnets = [ipaddress.ip_network(s) for s in d["subnets"]]
        self.containers = [Container.from_dict(c) for c in d["containers"]]
        return self


def stable_mac(name):
    """Random-looking, locally administered, the same in every run."""
    digest = hashlib.sha256(name.encode()).digest()
    return "02:" + ":".join("%02x" % b for b in digest[:5])


def endpoint_address(name, text):
    if not text:
        return None
    text = str(text)
    host = text
    if text.startswith("["):
        host = text[1:].split("]")[0]
    elif text.count(":") == 1:
        host = text.split(":")[0]
    try:
        addr = ipaddress.ip_address(host)
    except ValueError:
        raise LabError("node %s: endpoint %s is not an IP address"
                       % (name, text)) from None
    if addr.version != 4:
        raise LabError("node %s: the lab's underlay endpoints are IPv4, not %s"
                       % (name, addr))
    return str(addr)


def node_subnets(doc, containers):
    subnets = doc.get("subnet") or []
    if isinstance(subnets, str):
        subnets = [subnets]
    if not subnets:
        nets = {a.network for c in containers for a in c.addresses}
        subnets = sorted(nets, key=str)
    return [ipaddress.ip_network(s) for s in subnets]


def merge(into, doc):
    for key, value in (doc or {}).items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        elif isinstance(value, list) and isinstance(into.get(key), list):
            into[key] += value
        else:
            into[key] = value
    return into


def load_document(path):
    if os.path.isdir(path):
        files = sorted(glob.glob(os.path.join(path, "*.yaml"))
                       + glob.glob(os.path.join(path, "*.yml")))
    else:
        files = [path]
    if not files:
        raise LabError("%s: no *.yaml in this folder" % path)
    doc, lab = {}, {}
    for name in files:
        try:
            with open(name, encoding="utf-8") as f:
                text = f.read()
            part = yaml.safe_load(text)
            for line in re.findall(r"^# lab:(.*)", text, re.M):
                merge(lab, yaml.safe_load(line))
        except (OSError, yaml.YAMLError) as e:
            raise LabError("%s: %s" % (name, " ".join(str(e).split())))
        if not isinstance(part, dict):
            raise LabError("%s: not a mapping" % name)
        merge(doc, part)
    return doc, lab


def load(path, node_name=None):
    """Returns the nodes of a state file; one host's file makes one node."""
    doc, lab = load_document(path)
    nodes = doc.get("nodes")
    if nodes is None:
        name = node_name or platform.node()
        doc.setdefault("endpoint", "198.51.100.11")
        nodes = {name: doc}
    result = [Node(i, name, body or {}, lab.get(name))
              for i, (name, body) in enumerate(nodes.items(), 1)]
    if not result:
        raise LabError("%s: no nodes" % path)
    names = [n.name for n in result]
    names += [c.name for n in result for c in n.containers]
    clash = sorted({n for n in names if names.count(n) > 1})
    if clash:
        raise LabError("%s: used twice as a name: %s"
                       % (path, ", ".join(clash)))
    return result
