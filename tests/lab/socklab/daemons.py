"""socknet's own daemons on the hosts of a lab, as an operator starts them:
a certificate authority and the central database on the first node with an
endpoint, an agent and a controller on every node, TLS between all.  A cluster
of databases is cluster.py's."""

import os
import shutil
import signal

from . import cluster, ns, ovs
from .state import LabError

PKI = cluster.PKI
AGENT_PORT, CONTROLLER_PORT = 6643, 6644
PROGRAMS = {"socknet": "cli", "socknet-agent": "agent",
            "socknet-controller": "controller"}
# What ends in the logs' folder when a sanitizer has something to say.
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:log_path=/var/log/socknet/asan",
    "UBSAN_OPTIONS": "print_stacktrace=1:log_path=/var/log/socknet/ubsan",
}
PIDFILES = {
    "agent": ("run-openvswitch", "socknet-agent.pid"),
    "controller": ("run-openvswitch", "socknet-controller.pid"),
    "db": ("run-socknet", "ovsdb-server.pid"),
    "relay": ("run-socknet", "relay.pid"),
    **ovs.PIDFILES,
}


def find_build(source, wanted=None):
    """The build tree whose programs are to run."""
    top = os.path.dirname(os.path.dirname(source))
    tried = [wanted] if wanted else [
        d for d in (os.environ.get("SOCKNET_BUILDDIR"),
                    os.path.join(top, "_build"), top,
                    os.path.join(top, "_check", "build")) if d]
    for d in tried:
        d = os.path.abspath(d)
        if all(os.access(os.path.join(d, sub, name), os.X_OK)
               for name, sub in PROGRAMS.items()):
            return d
    raise LabError("no programs of socknet in %s: build first, or "
                   "--build DIR, or --bare" % " or ".join(tried))


def path_env(build):
    """PATH that finds the programs of a build tree first."""
    dirs = [os.path.join(build, d) for d in sorted(PROGRAMS.values())]
    return ":".join(dirs + [os.environ.get("PATH", ""), "/usr/sbin",
                            "/sbin"])


def environment(build):
    return dict(os.environ, PATH=path_env(build), **SANITIZER_ENV)


def db_node(lab):
    for n in cluster.members(lab) or lab.nodes:
        if n.endpoint:
            return n
    raise LabError("no node has an endpoint: the central database needs one")


def socknet(lab, node_name, *args, **kw):
    """Runs the socknet command on a node."""
    build = lab.info["build"]
    return lab.hosts[node_name].run(os.path.join(build, "cli", "socknet"),
                                    *args, env=environment(build), **kw)


def make_pki(lab):
    """The authority's key stays on its node; each other node is handed its
    own key and what is public."""
    first = db_node(lab)
    socknet(lab, first.name, "pki", "init", "--dir", PKI)
    here = lab.hosts[first.name].path("etc-socknet", "pki")
    for n in lab.nodes:
        socknet(lab, first.name, "pki", "node", n.name, "--dir", PKI)
        if n is first:
            continue
        there = lab.hosts[n.name].path("etc-socknet", "pki")
        os.makedirs(there, mode=0o700, exist_ok=True)
        for f in ("ca-cert.pem", n.name + "-cert.pem"):
            shutil.copy2(os.path.join(here, f), there)
        key = n.name + "-key.pem"
        shutil.move(os.path.join(here, key), os.path.join(there, key))
    cluster.make_keys(lab, socknet, first)


def tls_flags(name):
    return ["-p", "%s/%s-key.pem" % (PKI, name),
            "-c", "%s/%s-cert.pem" % (PKI, name), "-C", PKI + "/ca-cert.pem"]


def daemon_flags(program):
    return ["--detach", "--pidfile", "-vsyslog:off", "-vconsole:off",
            "--log-file=/var/log/socknet/%s.log" % program]


def start_db(lab, node_name):
    if cluster.is_member(lab, node_name):
        cluster.start_member(lab, node_name, socknet, daemon_flags("db"))
        return
    endpoint = lab.node(node_name).endpoint
    if not os.path.exists(lab.hosts[node_name].path("lib-socknet",
                                                    "socknet.db")):
        socknet(lab, node_name, "db", "create")
    socknet(lab, node_name, "db", "serve", "--pki", PKI, "--listen",
            endpoint, *daemon_flags("db"))


def more_flags(lab, node_name, program):
    """The containers' files of the lab's host, not those of the machine."""
    if program != "socknet-agent":
        return []
    host = lab.hosts[node_name]
    return ["--pve-dir=" + host.path("pve"), "--lxc-dir=" + host.path("lxc")]


def start_daemon(lab, node_name, program, port):
    build = lab.info["build"]
    remote = ",".join("ssl:%s:%d" % (n.endpoint, port) for n in
                      cluster.members(lab) or [lab.node(lab.info["db_node"])])
    lab.hosts[node_name].run(
        os.path.join(build, PROGRAMS[program], program), "--db=" + remote,
        *tls_flags(node_name), *daemon_flags(program),
        *more_flags(lab, node_name, program),
        env=environment(build))


def start(lab, node_name, what):
    host = lab.host(node_name)
    if what == "db":
        start_db(lab, node_name)
    elif what == "relay":
        cluster.start_relay(lab, node_name, socknet, daemon_flags("relay"))
    elif what == "agent":
        start_daemon(lab, node_name, "socknet-agent", AGENT_PORT)
    elif what == "controller":
        start_daemon(lab, node_name, "socknet-controller", CONTROLLER_PORT)
    elif what == "ovsdb":
        ovs.start_ovsdb(host)
    elif what == "vswitchd":
        ovs.start_vswitchd(host)
    else:
        raise LabError("%s: not one of %s" % (what, ", ".join(PIDFILES)))


def kill(lab, node_name, what, sig=signal.SIGTERM):
    if what not in PIDFILES:
        raise LabError("%s: not one of %s" % (what, ", ".join(PIDFILES)))
    host = lab.host(node_name)
    return ovs.kill_by_pidfile(host, host.path(*PIDFILES[what]), sig)


def running(lab, node_name, what):
    host = lab.host(node_name)
    pid = host.pidfile(host.path(*PIDFILES[what]))
    return pid is not None and ovs.pid_alive(host, pid)


def start_all(lab, build=None, only=None, step=lambda text: None):
    """Everything that is not running yet, on all nodes or one."""
    lab.info["build"] = find_build(lab.source, build)
    first = db_node(lab).name
    lab.info["db_node"] = first
    lab.save()
    if not os.path.isdir(lab.hosts[first].path("etc-socknet", "pki")):
        make_pki(lab)
        step("%s: certificates of the mesh for %d nodes"
             % (first, len(lab.nodes)))
    for n in cluster.members(lab) or [lab.node(first)]:
        for what in ("db", "relay") if cluster.members(lab) else ("db",):
            if not running(lab, n.name, what):
                start(lab, n.name, what)
        step("%s: central database, TLS at %s" % (n.name, n.endpoint))
    for n in lab.nodes:
        if only not in (None, n.name):
            continue
        for what in ("agent", "controller"):
            if not running(lab, n.name, what):
                start(lab, n.name, what)
        step("%s: socknet-agent and socknet-controller" % n.name)


def logs(lab):
    """(node, program, path) of every log of the lab that exists."""
    found = []
    for n in lab.nodes:
        for sub in ("log-socknet", "log-openvswitch"):
            d = lab.hosts[n.name].path(sub)
            for f in sorted(os.listdir(d)) if os.path.isdir(d) else []:
                found.append((n.name, f, os.path.join(d, f)))
    return found


def apply(lab, path, *args, **kw):
    return socknet(lab, lab.info["db_node"], "apply", os.path.abspath(path),
                   *args, **kw)


def appctl(lab, node_name, target, *command, check=True):
    return lab.hosts[node_name].run("ovs-appctl", "-T",
                                    str(int(20 * ns.FACTOR)), "-t", target,
                                    *command, check=check).stdout

