#!/usr/bin/python3
"""revoke.py SRCDIR BUILDDIR [N]: how long others know a revoked node.

In a lab of examples/two-hosts.yaml, N times (default 40): the time from the
start of `socknet node revoke` until the other host has neither its peer nor
a route to it and its switch drops what is for it; and what a rotation of its
key costs a stream of pings at 10 ms.  Needs root; SOCKNET_LAB names the lab.
"""

import os
import pathlib
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests" / "system"))
sys.path.insert(0, str(TOP / "tests" / "lab"))
sys.dont_write_bytecode = True

import harness      # noqa: E402

A, B = "oo1424oo", "node2"


def gone(net):
    peers = net.run(A, "wg", "show", "nm-privacy", "peers").stdout
    if peers.strip():
        return False
    if net.run(A, "ip", "route", "get", "10.1.0.103",
               check=False).returncode == 0:
        return False
    return any("nw_dst=10.1.0.0/24 actions=drop" in f and "=route" in f
               for f in net.flows(A))


def wait(condition, what):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def figures(name, values, unit):
    values = sorted(values)
    at = lambda q: values[min(len(values) - 1, int(q * len(values)))]
    print("%s: median %.3g, p99 %.3g, max %.3g %s (%d runs, load %.1f)"
          % (name, at(0.5), at(0.99), values[-1], unit, len(values),
             os.getloadavg()[0]))


def measure(net, n):
    revokes, lost = [], []
    for _ in range(n):
        start = time.monotonic()
        net.socknet(A, "node", "revoke", B)
        wait(lambda: gone(net), "revoked, but still there")
        revokes.append(time.monotonic() - start)
        net.socknet(A, "node", "restore", B)
        wait(lambda: net.ping(A, "100.64.0.2", 1), "restored, but away")
    figures("revoke", revokes, "s")
    for _ in range(max(3, n // 4)):
        ping = net.pinger(A, "100.64.0.2")
        time.sleep(0.2)
        net.socknet(A, "node", "rotate", B, "--wait", timeout=60)
        time.sleep(0.3)
        lost.append(ping.stop().lost)
    figures("rotate", lost, "pings lost of those every 10 ms")


def main():
    if len(sys.argv) < 3 or os.geteuid():
        sys.exit(__doc__)
    name = os.environ.get("SOCKNET_LAB", "revoke")
    tmp = subprocess.run(["mktemp", "-d"], capture_output=True, text=True,
                         check=True).stdout.strip()
    try:
        net = harness.System(name, pathlib.Path(sys.argv[2]).resolve(),
                             TOP / "examples" / "two-hosts.yaml", tmp)
        net.apply()
        assert net.reaches(A, "100.64.0.2")
        measure(net, int(sys.argv[3]) if len(sys.argv) > 3 else 40)
    finally:
        harness.Lab(name).down()
        subprocess.run(["rm", "-rf", tmp], check=True)


if __name__ == "__main__":
    main()
