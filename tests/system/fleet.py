"""A lab whose central database is a cluster of three, and what is asked of
it: who leads, whether it is well, a stream of applies with its answers."""

import contextlib
import json
import os
import pathlib
import re
import threading
import time

from harness import daemons, eventually
from socklab import cluster

STATE = pathlib.Path(__file__).with_name("fleet.yaml")
NODES = ("n1", "n2", "n3")
SMALL = "/var/lib/socknet/small"
# What one member or host says while others are away.
AWAY = [r"\|(reconnect|jsonrpc|stream_ssl|stream_fd|socket_util|ovsdb_idl)\|",
        r"\|(ovsdb_cs|db_connection|poll_loop|timeval|raft|ovsdb_server)\|",
        r"\|(relay|fatal_signal(\(\w+\))?|memory|coverage)\|"]
FULL = r"ovsdb_log\|WARN\|.*No space left on device"
CUT = """table inet cut {
 chain i { type filter hook input priority -300
  iifname != lo tcp sport 6643-6646 drop
  iifname != lo tcp dport 6643-6646 drop
 }
 chain o { type filter hook output priority -300
  oifname != lo tcp sport 6643-6646 drop
  oifname != lo tcp dport 6643-6646 drop
 }
}"""


def port_of(text):
    return text.split('"c2:')[1].split('"')[0]


class Fleet:
    def __init__(self, system):
        self.system, self.lab = system, system.lab
        self.port = 5000

    # The database.

    def status(self, node):
        p = self.system.socknet(node, "db", "status", "--json", check=False)
        with contextlib.suppress(ValueError):
            return json.loads(p.stdout)["database"][0]
        return {}

    def leader(self):
        return eventually(lambda: next(
            (n for n in NODES if self.status(n).get("role") == "leader"),
            None), 60)

    def others(self, node):
        return [n for n in NODES if n != node]

    def is_healthy(self):
        return all(self.status(n).get("healthy") for n in NODES)

    def wait_healthy(self):
        assert eventually(self.is_healthy, 60), [
            self.status(n).get("problem") for n in NODES]

    def kill(self, node, sig=9):
        daemons.kill(self.lab, node, "db", sig)

    def start(self, node):
        daemons.start(self.lab, node, "db")

    @contextlib.contextmanager
    def cut_off(self, node):
        """Nobody reaches a host's databases, nor they anybody's."""
        self.system.run(node, "nft", CUT)
        try:
            yield
        finally:
            self.system.run(node, "nft", "delete table inet cut")

    @contextlib.contextmanager
    def small_disk(self, node):
        """Its member's file is on a disk that can be filled."""
        lab = "/var/lib/socknet/socknet.db"
        run = self.system.run
        self.kill(node, 15)
        run(node, "mkdir", "-p", SMALL)
        run(node, "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", SMALL)
        run(node, "cp", lab, SMALL)
        self.serve_small(node)
        self.wait_healthy()
        try:
            yield
        finally:
            self.kill(node, 15)
            run(node, "cp", SMALL + "/socknet.db", lab)
            run(node, "umount", SMALL)
            self.start(node)
            self.wait_healthy()

    def serve_small(self, node):
        self.system.socknet(node, "db", "serve", SMALL + "/socknet.db",
                            *cluster.options(node),
                            *daemons.daemon_flags("db"))

    def fill(self, node):
        self.system.run(node, "dd", "if=/dev/zero", "of=%s/fill" % SMALL,
                        "bs=1k", check=False)

    def make_room(self, node):
        self.system.run(node, "rm", "-f", SMALL + "/fill")

    # Applies.

    def next_state(self):
        self.port += 1
        path = self.system.tmp / ("fleet-%d.yaml" % self.port)
        path.write_text(STATE.read_text().replace("5000", str(self.port)))
        return self.port, path

    def apply(self, node, *args, check=True):
        """What `socknet apply` of a new state gave; its mark."""
        port, path = self.next_state()
        p = daemons.socknet(self.lab, node, "apply", str(path), *args,
                            check=False, timeout=120)
        if check:
            assert p.returncode == 0, p.stderr
        return port, p

    def mark(self, node, *args):
        """That of the state that is desired."""
        p = self.system.socknet(node, *args, "export", check=False)
        return int(port_of(p.stdout)) if p.returncode == 0 else None

    def enforced(self, node="n1"):
        """That of the state in a switch."""
        text = "\n".join(self.system.flows(node))
        found = map(int, re.findall(r"ct_tp_dst=(\d+)\b", text))
        return next((port for port in found if port >= 5000), None)

    def revisions(self, node, *args):
        p = self.system.socknet(node, *args, "history", "--json")
        return [r["revision"] for r in json.loads(p.stdout)["revisions"]]

    def wait_all_have(self, port):
        assert eventually(lambda: all(self.mark(n) == port for n in NODES)
                          ), [self.mark(n) for n in NODES]


class Stream:
    """One apply after the other, from one host, until it is stopped."""

    def __init__(self, fleet, node):
        self.fleet, self.node = fleet, node
        self.done, self.failed = [], []     # (mark, when it returned)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.before = max(fleet.revisions(node))
        self.thread.start()

    def run(self):
        while not self.stopping.is_set():
            port, p = self.fleet.apply(self.node, "--timeout", "20",
                                       check=False)
            (self.failed if p.returncode else self.done).append(
                (port, time.monotonic(), p.stderr))

    def wait_for(self, n):
        """Until n more have been acknowledged."""
        want = len(self.done) + n
        assert eventually(lambda: len(self.done) >= want, 90), self.failed

    def stop(self):
        self.stopping.set()
        self.thread.join()

    close = stop

    def longest_gap(self):
        """Seconds between two acknowledgements."""
        times = [t for _, t, _ in self.done]
        return max(b - a for a, b in zip(times, times[1:]))

    def check(self):
        """Nothing acknowledged is lost or there twice; what failed said why.
        The history has a revision for each, and for those whose outcome was
        said to be unknown, perhaps."""
        for _, _, text in self.failed:
            assert "is not known" in text or "no database" in text, text
        numbers = sorted(self.fleet.revisions(self.node))
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        grown = numbers[-1] - self.before
        assert len(self.done) <= grown <= len(self.done) + len(self.failed)
        if not self.failed:
            assert self.fleet.mark(self.node) == self.done[-1][0]


class Pings:
    """10 ms pings between hosts, and to a container of the same host's
    gateway, none of which may be lost."""

    def __init__(self, system):
        pairs = [("c1", "c2"), ("c2", "c3"), ("c3", "c1")]
        for src, dst in pairs:
            assert system.reaches(src, dst, timeout=20)
        self.pingers = [system.pinger(src, dst) for src, dst in pairs]
        time.sleep(0.5)
        for p in self.pingers:
            p.begun()

    def stop(self):
        results = [p.stop() for p in self.pingers]
        assert not sum(r.lost for r in results), [str(r) for r in results]


@contextlib.contextmanager
def forwarding(system):
    """Meanwhile no packet is lost."""
    pings = Pings(system)
    try:
        yield
    except BaseException:
        with contextlib.suppress(AssertionError):
            pings.stop()
        raise
    pings.stop()


def is_long():
    """make check-fleet."""
    return bool(os.environ.get("SOCKNET_FLEET"))


__all__ = ["AWAY", "FULL", "Fleet", "NODES", "STATE", "Stream", "eventually",
           "forwarding", "is_long"]
