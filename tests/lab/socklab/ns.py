"""Namespaces, and commands inside them.

A Host is a network namespace with private mount, pid and uts namespaces:
every default path of its daemons is its own, and all of them die with its
holder, the first process of its pid namespace.  Hosts nest inside one holder
of the whole lab, so that one kill ends everything.
"""

import os
import signal
import subprocess
import time

from .state import LabError

# A machine that is slower than usual: an emulated one.
FACTOR = float(os.environ.get("SOCKNET_TIME_FACTOR") or 1)
NETNS_DIR = "/run/netns"
# Paths private to a host: name in the host's folder -> mount point.
PRIVATE = {
    "run-openvswitch": "/run/openvswitch",
    "lib-openvswitch": "/var/lib/openvswitch",
    "log-openvswitch": "/var/log/openvswitch",
    "etc-openvswitch": "/etc/openvswitch",
    "run-wireguard": "/run/wireguard",
    "run-socknet": "/run/socknet",
    "lib-socknet": "/var/lib/socknet",
    "etc-socknet": "/etc/socknet",
    "log-socknet": "/var/log/socknet",
}

HOLDER = r"""
mount -t sysfs sysfs /sys
dir=$1 name=$2; shift 2
while [ $# -gt 0 ]; do mount --bind "$1" "$2" || exit 1; shift 2; done
[ -z "$name" ] || hostname "$name"
: >"$dir/ready"
trap : CHLD
while :; do sleep 86400 & wait $!; done
"""


def run(argv, check=True, input=None, timeout=60, **kw):
    """Runs a command; returns it with its output, raises LabError with
    the command's own words when it fails."""
    try:
        p = subprocess.run(argv, input=input, text=True,
                           timeout=timeout * FACTOR,
                           stdin=None if input is not None
                           else subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           errors="replace", **kw)
    except FileNotFoundError:
        raise LabError("%s: not installed" % argv[0]) from None
    except subprocess.TimeoutExpired:
        raise LabError("%s: no end after %g s"
                       % (" ".join(argv), timeout * FACTOR)) from None
    if check and p.returncode:
        raise LabError("%s: %s" % (" ".join(argv),
                                   (p.stderr or p.stdout).strip()
                                   or "status %d" % p.returncode))
    return p


def ns_path(ns):
    return os.path.join(NETNS_DIR, ns)


def ns_exists(ns):
    return os.path.exists(ns_path(ns))


def ns_add(ns):
    run(["ip", "netns", "add", ns])
    ip(ns, "link set lo up")


def ns_pids(ns):
    p = run(["ip", "netns", "pids", ns], check=False)
    return [int(pid) for pid in p.stdout.split()]


def ns_delete(ns):
    """Ends what runs in a namespace, then the namespace."""
    end = time.monotonic() + 10 * FACTOR
    while (pids := ns_pids(ns)) and time.monotonic() < end:
        for pid in pids:
            kill(pid)
        time.sleep(0.02)
    run(["ip", "netns", "delete", ns], check=False)
    if os.path.exists(ns_path(ns)):     # a half-made one: not mounted
        try:
            os.unlink(ns_path(ns))
        except OSError as e:
            raise LabError("%s: %s" % (ns_path(ns), e)) from None


def kill(pid, sig=signal.SIGKILL):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


def ip(ns, *commands):
    """All commands in one process: each is what follows "ip"."""
    run(["ip", "-n", ns, "-batch", "-"], input="\n".join(commands) + "\n")


def sysctl(ns, *settings):
    run(["ip", "netns", "exec", ns, "sysctl", "-qw", *settings])


def wait_for(what, condition, timeout=10.0):
    timeout *= FACTOR
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError("%s: not within %g s" % (what, timeout))
        time.sleep(0.02)


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def nested_pids(pid):
    """A process's pid in each pid namespace it is in, the outermost first."""
    try:
        with open("/proc/%s/status" % pid) as f:
            for line in f:
                if line.startswith("NSpid:"):
                    return line.split()[1:]
    except OSError:
        pass
    return []


def first_of_new_pid_ns(pid, level):
    """The descendant of 'pid' that is process 1 at nesting 'level'."""
    while True:
        pids = nested_pids(pid)
        if len(pids) >= level and pids[-1] == "1":
            return pid
        below = children(pid)
        if not below:
            return None
        pid = below[0]


class Host:
    """One holder: a namespace set that commands can be run in."""

    def __init__(self, name, ns, directory, pid=None):
        self.name = name
        self.ns = ns
        self.dir = directory
        self.pid = pid

    def start(self, parent=None, private=PRIVATE, hostname=True):
        """Starts the holder, inside the pid namespace of 'parent'."""
        os.makedirs(self.dir, exist_ok=True)
        binds = []
        for sub, target in private.items():
            source = os.path.join(self.dir, sub)
            os.makedirs(source, exist_ok=True)
            binds += [source, target]
        ready = os.path.join(self.dir, "ready")
        if os.path.exists(ready):
            os.unlink(ready)
        argv = ["nsenter", "--net=" + ns_path(self.ns)]
        level = len(nested_pids("self")) + 1
        if parent:
            argv += ["-t", str(parent.pid), "-m", "-p"]
            level += 1
        argv += ["--", "unshare", "-m", "-u", "-p", "-f",
                 "--kill-child", "--mount-proc", "--propagation", "slave",
                 "bash", "-c", HOLDER, "socknet-lab-holder", self.dir,
                 self.name if hostname else "", *binds]
        log = os.path.join(self.dir, "holder.log")
        with open(log, "w") as out:
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=out, start_new_session=True, cwd="/")

        def up():
            if p.poll() is not None:
                with open(log) as f:
                    raise LabError("holder of %s: %s"
                                   % (self.name, f.read().strip()))
            return os.path.exists(ready)
        wait_for("holder of " + self.name, up, 60)
        self.pid = wait_for("holder of " + self.name,
                            lambda: first_of_new_pid_ns(p.pid, level))
        p.returncode = 0        # not ours to wait for: it outlives us

    def alive(self):
        try:
            return (self.pid and os.stat("/proc/%d/ns/net" % self.pid).st_ino
                    == os.stat(ns_path(self.ns)).st_ino)
        except OSError:
            return False

    def argv(self, command, ns=None, cwd=None):
        """The command line that runs 'command' here, or in the network
        namespace 'ns' with this host's files and processes."""
        if not self.alive():
            raise LabError("%s is not up (lab up FILE first)" % self.name)
        net = ["--net=" + ns_path(ns)] if ns else ["-n"]
        wd = ["--wdns=" + cwd] if cwd else []
        return ["nsenter", *net, "-t", str(self.pid), "-m", "-u", "-p", *wd,
                "--", *command]

    def run(self, *command, ns=None, **kw):
        return run(self.argv(list(command), ns), **kw)

    def spawn(self, *command, ns=None, **kw):
        """Starts a command without waiting; it dies with the host."""
        kw.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.argv(list(command), ns), **kw)

    def daemon(self, *command, ns=None, log=os.devnull):
        """Starts a command that does not detach by itself."""
        with open(log, "a") as out:
            subprocess.run(self.argv(["setsid", "-f", *command], ns),
                           stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                           check=True)

    def path(self, sub, *more):
        return os.path.join(self.dir, sub, *more)

    def pidfile(self, path):
        """The pid, as the host's own processes see it, or None."""
        try:
            with open(path) as f:
                return int(f.read().strip())
        except (OSError, ValueError):
            return None
