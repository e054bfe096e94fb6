"""A lab as the system tests see it: hosts with socknet running on them, and
questions with short answers (does a ping pass, who does the web server see,
what did the switch get)."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import sockets
from sockets import FACTOR, pause

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent
                       / "lab"))
from socklab import daemons, inet, ns, ovs      # noqa: E402
from socklab.lab import BASE, Lab               # noqa: E402

WEB4 = "http://%s/" % inet.WEB4
WEB6 = "http://[%s]/" % inet.WEB6
ECHO_TCP = (443, 6333, 6379, 7777, 9573, 9574)
ECHO_UDP = (7777, 8125)
DAEMON_LOGS = ("socknet-agent.log", "socknet-controller.log", "db.log")
# A command that ends with an answer unread, and a machine that gives a daemon
# no time: nobody's mistake.
ALWAYS = [r"unix#\d+: ((receive|send) error|connection dropped)",
          r"Dropped \d+ log",
          r"\|timeval(\(\w+\))?\|WARN\|"
          r"(Unreasonably|context switches|faults:|disk:)"]
BAD_LINE = re.compile(r"\|(WARN|ERR|EMER)\|")
COUNTERS = {
    "socknet-controller": ("flow_mods_sent", "bundles_sent"),
    "socknet-agent": ("netlink_writes", "wg_writes", "nft_writes",
                      "ovsdb_writes"),
}


class Pings:
    """What a stream of pings came to, less the 'n_head' first ones, and the
    'n_tail' last ones, whose replies the end of ping may have left no
    time."""

    def __init__(self, text, n_head, n_tail):
        got = {}
        for m in re.finditer(r"\[([\d.]+)\].*icmp_seq=(\d+) ttl", text):
            got[int(m[2])] = float(m[1])
        m = re.search(r"(\d+) packets transmitted", text)
        self.sent = int(m[1]) if m else max(got, default=0)
        last = max(n_head, self.sent - n_tail)
        self.sent = last - n_head
        got = {seq: t for seq, t in got.items() if n_head < seq <= last}
        self.lost = self.sent - len(got)
        self.gap = 0.0
        times = [got[k] for k in sorted(got)]
        for a, b in zip(times, times[1:]):
            self.gap = max(self.gap, b - a)
        self.missing = [n for n in range(n_head + 1, last + 1)
                        if n not in got]

    def __repr__(self):
        return ("%d sent, %d lost (%s), longest silence %.2f s"
                % (self.sent, self.lost,
                   ",".join(map(str, self.missing[:10])) or "-", self.gap))


TAIL_S = 0.5


class Pinger:
    def __init__(self, where, interval, *args):
        argv = ["ping", "-n", "-D", "-W", "1", "-i", str(interval), *args]
        self.n_head, self.n_tail = 0, int(TAIL_S / interval)
        self.out = tempfile.TemporaryFile("w+")
        self.p = subprocess.Popen(where + argv, stdin=subprocess.DEVNULL,
                                  stdout=self.out, stderr=subprocess.STDOUT)

    def begun(self):
        """Once a ping was answered that was sent when an answer had come;
        what was lost before does not count.  When a flow begins, a slow
        host or switch has several pings in hand at once: each makes a
        connection of its own, and conntrack drops all but the first."""
        assert eventually(self._answered)
        now = time.time()
        assert eventually(lambda: self._answered(now))
        self.n_head = self._answered(now)
        return self

    def _answered(self, since=0):
        """The last ping that was sent after 'since' and answered."""
        text = os.pread(self.out.fileno(), 1 << 24, 0).decode()
        return max([int(seq) for t, seq, ms in re.findall(
            r"\[([\d.]+)\].*icmp_seq=(\d+) ttl.* time=([\d.]+)", text)
            if float(t) - float(ms) / 1000 > since], default=0)

    def _silence(self):
        """Seconds since the last reply came."""
        size = os.fstat(self.out.fileno()).st_size
        text = os.pread(self.out.fileno(), 400, max(0, size - 400)).decode()
        times = re.findall(r"\[([\d.]+)\].* ttl", text)
        return time.time() - float(times[-1]) if times else float("inf")

    def stop(self):
        """A machine that stands still for a moment has lost nothing by that:
        where replies came until now they have time to come again."""
        waits = self._silence() < FACTOR
        time.sleep(TAIL_S)
        if waits and self._silence() > TAIL_S / 2:
            eventually(lambda: self._silence() < TAIL_S / 2, 5)
            time.sleep(0.1)         # All that came at once.
        # Below "nsenter --net" ping is this very process.
        self.p.send_signal(signal.SIGINT)
        self.p.wait(10 * FACTOR)
        self.out.seek(0)
        return Pings(self.out.read(), self.n_head, self.n_tail)


class System:
    """One lab under test."""

    def __init__(self, name, builddir, state, tmp, bare=False, node=None):
        self.lab = Lab(name)
        self.tmp = pathlib.Path(tmp)
        self.base = self.state_file(state)
        self.applied = None
        self.expected_logs = []
        self.echo = None
        self.lab.up(str(self.base), node)
        if not bare:
            daemons.start_all(self.lab, str(builddir))

    # State.

    def state_file(self, state):
        """A path for a state given as a path or as YAML."""
        if isinstance(state, pathlib.Path) or os.path.exists(state):
            return pathlib.Path(state)
        fd, path = tempfile.mkstemp(".yaml", "state-", self.tmp)
        with os.fdopen(fd, "w") as f:
            f.write(state)
        return pathlib.Path(path)

    def apply(self, state=None, wait=True, check=True):
        path = self.state_file(state or self.base)
        # As long as it waits by itself to be confirmed, also to be heard.
        p = daemons.apply(self.lab, str(path), *(["--wait"] if wait else []),
                          "--timeout=%d" % (60 * FACTOR), check=False,
                          timeout=120)
        if check and p.returncode:
            raise AssertionError("socknet apply %s: status %d\n%s%s"
                                 % (path, p.returncode, p.stdout, p.stderr))
        self.applied = path.read_text()
        return p

    def reset(self):
        """The state that this lab was made from, where it is not in force."""
        if self.applied != self.base.read_text():
            self.apply()

    def settle(self):
        """Waits until the kernels have done what new links make them do."""
        for n in self.lab.nodes:
            assert eventually(lambda: not self.run(
                n.name, "ip", "-6", "addr", "show", "tentative").stdout, 10)

    def without_acl(self, name):
        """The base state less one rule."""
        lines = self.base.read_text().splitlines(True)
        kept = [x for x in lines if "name: %s," % name not in x]
        assert len(kept) == len(lines) - 1, name
        return "".join(kept)

    # Places.

    def ns(self, where):
        with contextlib.suppress(Exception):
            return self.lab.cont_ns(self.lab.container(where))
        return self.lab.ns(where)

    def container(self, name):
        return self.lab.container(name)

    def address(self, where, version=4):
        """A container's address, or a node's gateway on its bridge."""
        if where in self.lab.hosts:
            nets = [s for s in self.lab.node(where).subnets
                    if s.version == version]
            return str(nets[0].network_address + 1)
        for a in self.container(where).addresses:
            if a.version == version:
                return str(a.ip)
        raise KeyError("%s has no IPv%d address" % (where, version))

    def resolve(self, where, version=4):
        if where == "web":
            return inet.WEB4 if version == 4 else inet.WEB6
        try:
            return self.address(where, version)
        except Exception:
            return where

    def run(self, where, *command, **kw):
        kw.setdefault("env", daemons.environment(self.lab.info["build"])
                      if "build" in self.lab.info else None)
        return self.lab.run(where, *command, **kw)

    def in_ns(self, where):
        return ["nsenter", "--net=/run/netns/" + self.ns(where)]

    # Traffic.

    def ping(self, src, dst, count=3, version=4, interval=0.2):
        """How many replies came."""
        p = ns.run(self.in_ns(src) + [
            "ping", "-n", "-c", str(count), "-i", str(interval),
            "-W", str(sockets.PAUSE_FACTOR), self.resolve(dst, version)],
            check=False)
        m = re.search(r"(\d+) received", p.stdout)
        return int(m[1]) if m else 0

    def reaches(self, src, dst, version=4, timeout=20.0):
        """Whether a ping passes, within some time."""
        end = time.monotonic() + timeout * FACTOR
        while time.monotonic() < end:
            if self.ping(src, dst, 1, version):
                return True
            time.sleep(0.1)
        return False

    def pinger(self, src, dst, interval=0.01, version=4):
        return Pinger(self.in_ns(src), interval, self.resolve(dst, version))

    def http(self, src, url=WEB4, timeout=5.0):
        """The source address that the web server saw."""
        return sockets.http_client_seen(self.ns(src), url, timeout)

    def http_fails(self, src, url=WEB4, timeout=0.9):
        try:
            self.http(src, url, timeout)
        except OSError:
            return True
        return False

    def serve(self):
        """Echo servers on the usual ports of every container."""
        self.stop_serving()
        self.echo = sockets.Echo()
        for n in self.lab.nodes:
            for c in n.containers:
                if ns.ns_exists(self.lab.cont_ns(c)):
                    self.serve_container(c)

    def serve_container(self, c):
        for port in ECHO_TCP:
            self.echo.tcp(self.lab.cont_ns(c), "::", port)
        for port in ECHO_UDP:
            for a in c.addresses:
                self.echo.udp(self.lab.cont_ns(c), str(a.ip), port)

    def stop_serving(self):
        if self.echo:
            self.echo.close()
            self.echo = None

    # A test that expects a "no" of these says how long it waits for it.

    def tcp(self, src, dst, port, version=4, timeout=5.0):
        """Whether a connection to an echo server opens and answers."""
        try:
            s = sockets.connect(self.ns(src), self.resolve(dst, version),
                                port, timeout)
        except OSError:
            return False
        with s:
            try:
                s.send(b"hello")
                return s.recv(16) == b"hello"
            except OSError:
                return False

    def udp(self, src, dst, port, version=4, timeout=5.0):
        """Whether an echo server answers one of a datagram a second."""
        address = self.resolve(dst, version)
        s = sockets.udp(self.ns(src), "::" if version == 6 else "0.0.0.0")
        with s:
            s.settimeout(sockets.scaled(min(timeout, 1)))
            s.connect((address, port))
            for _ in range(max(1, int(timeout))):
                try:
                    s.send(b"hello")
                    return s.recv(16) == b"hello"
                except TimeoutError:
                    pass
                except OSError:
                    return False
        return False

    def tcp_pair(self, src, dst, port, version=4):
        return sockets.tcp_pair(self.ns(src), self.ns(dst),
                                self.resolve(dst, version), port)

    def udp_pair(self, src, dst, port, version=4):
        return sockets.udp_pair(self.ns(src), self.resolve(src, version),
                                self.ns(dst), self.resolve(dst, version),
                                port)

    def capture(self, where, interface="eth0", expression=""):
        return sockets.Capture(self.ns(where), interface, expression)

    def send_raw(self, container, frame):
        sockets.send_frame(self.ns(container), frame)

    # Switches and daemons.

    def flows(self, node):
        out = self.run(node, "ovs-ofctl", "-t", str(int(10 * FACTOR)), "-O",
                       "OpenFlow15", "--names", "dump-flows", "vmbr0").stdout
        return [x.strip() for x in out.splitlines() if "actions=" in x]

    def appctl(self, node, target, *command):
        return daemons.appctl(self.lab, node, target, *command)

    def stats(self, node, target):
        """The counters of a daemon of ours."""
        text = self.appctl(node, target, "stats")
        return {k: int(v) for k, v in
                re.findall(r"^\s*([\w-]+):\s*(\d+)\s*$", text, re.M)}

    def counters(self):
        """All counters of messages that change something, on all nodes."""
        all_counters = {}
        for n in self.lab.nodes:
            for target, names in COUNTERS.items():
                stats = self.stats(n.name, target)
                for name in names:
                    all_counters[n.name, target, name] = stats[name]
        return all_counters

    def quiet(self):
        """Waits until a second passes with nothing written; the counters."""
        seen = []

        def still():
            seen.append(self.counters())
            return seen[-2:] == 2 * seen[-1:]
        assert eventually(still, interval=1), seen[-2:]
        return seen[-1]

    def kill(self, node, what, sig=signal.SIGKILL):
        daemons.kill(self.lab, node, what, sig)

    def start(self, node, what):
        daemons.start(self.lab, node, what)

    def socknet(self, node, *args, **kw):
        return daemons.socknet(self.lab, node, *args, **kw)

    def mark_logs(self):
        """Sizes of the daemons' logs: what is later is this test's."""
        return {path: os.path.getsize(path)
                for _, _, path in daemons.logs(self.lab)}

    def bad_log_lines(self, marks, expected=()):
        """Warnings and errors in our daemons' logs since 'marks', less the
        'expected' patterns; and anything that a sanitizer wrote."""
        bad = []
        for node, name, path in daemons.logs(self.lab):
            report = name.startswith(("asan", "ubsan"))
            if not report and name not in DAEMON_LOGS:
                continue
            with open(path, errors="replace") as f:
                f.seek(marks.get(path, 0))
                for line in f:
                    if report or BAD_LINE.search(line) and not any(
                            re.search(e, line) for e in (*ALWAYS, *expected)):
                        bad.append("%s %s: %s" % (node, name, line.rstrip()))
        return bad

    @contextlib.contextmanager
    def clean_logs(self, *expected):
        """Meanwhile the daemons' logs say nothing bad that is not in one of
        the lists of patterns, which may grow."""
        marks = self.mark_logs()
        yield
        bad = self.bad_log_lines(marks, sum(expected, []))
        assert not bad, "in the daemons' logs:\n" + "\n".join(bad)

    def down(self):
        self.stop_serving()
        self.lab.down()


def eventually(condition, timeout=30.0, interval=0.1):
    """Polls until true; for what is asynchronous by nature."""
    end = time.monotonic() + timeout * FACTOR
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(interval)


def keep_lab_logs(lab, folder):
    """Copies every log of a lab, as far as it came."""
    with contextlib.suppress(ns.LabError):
        for node, name, path in daemons.logs(lab.load()):
            os.makedirs(folder, exist_ok=True)
            shutil.copy(path, os.path.join(folder, "%s-%s" % (node, name)))


def remove_stale_labs(prefix):
    """Labs of test runs that were killed: their name has the pid."""
    if not os.path.isdir(BASE):
        return
    for name in os.listdir(BASE):
        m = re.match(prefix + r"(\d+)[a-z]*$", name)
        if m and not os.path.exists("/proc/" + m[1]):
            Lab(name).down()


__all__ = ["System", "WEB4", "WEB6", "FACTOR", "Lab", "eventually", "inet",
           "keep_lab_logs", "ns", "ovs", "pause", "remove_stale_labs"]
