"""The central database as a cluster: nodes with "db: member" in a "# lab:"
line each run a member and a relay, and the daemons know all relays."""

import os
import shutil

PKI = "/etc/socknet/pki"
CLUSTER_PORT = 6645


def members(lab):
    return [n for n in lab.nodes if n.lab.get("db") == "member"]


def is_member(lab, name):
    return name in [n.name for n in members(lab)]


def make_keys(lab, socknet, first):
    """The authority's node makes them and hands out what is each one's."""
    here = lab.hosts[first.name].path("etc-socknet", "pki")
    for n in members(lab):
        socknet(lab, first.name, "pki", "member", n.name, "--dir", PKI)
        if n is first:
            continue
        there = lab.hosts[n.name].path("etc-socknet", "pki")
        for f in ("cluster-ca-cert.pem", "cluster-ca-cross.pem",
                  "cluster-%s-cert.pem" % n.name):
            shutil.copy2(os.path.join(here, f), there)
        key = "cluster-%s-key.pem" % n.name
        shutil.move(os.path.join(here, key), os.path.join(there, key))


def options(name):
    return ["--pki", PKI, "--name", name]


def start_member(lab, name, socknet, flags):
    """The first one that is started makes the cluster; the others find any
    that runs."""
    node = lab.node(name)
    others = [n.endpoint for n in members(lab) if n.name != name]
    if not os.path.exists(lab.hosts[name].path("lib-socknet",
                                               "socknet.db")):
        if lab.info.get("cluster"):
            socknet(lab, name, "db", "join", "--listen", node.endpoint,
                    "--remote", ",".join(others), *options(name))
        else:
            socknet(lab, name, "db", "init", "--listen", node.endpoint,
                    *options(name))
            lab.info["cluster"] = True
            lab.save()
    socknet(lab, name, "db", "serve", *options(name), *flags)


def start_relay(lab, name, socknet, flags):
    remotes = ["unix:/run/socknet/db.sock"]
    remotes += ["ssl:%s:%d" % (n.endpoint, CLUSTER_PORT)
                for n in members(lab) if n.name != name]
    flags = [f for f in flags if not f.startswith("--pidfile")]
    socknet(lab, name, "db", "relay", "--from", ",".join(remotes),
            "--listen", lab.node(name).endpoint, *options(name), *flags,
            "--pidfile=/run/socknet/relay.pid")
