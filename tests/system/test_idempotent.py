"""What changes nothing sends nothing, to switches or kernels."""

import contextlib
import subprocess
import time

from harness import FACTOR, pause

NODES = ("oo1424oo", "node2")


@contextlib.contextmanager
def watching(net, lines):
    """Every flow change and every netlink change on the nodes, as others
    see them: the switch's flow monitor and the kernel's notifications."""
    running = []
    for n in NODES:
        # Not in the host's pid namespace: so it is this very process.
        where = ["nsenter", "-t", str(net.lab.hosts[n].pid), "-n", "-m",
                 "--", "stdbuf", "-oL"]
        for argv in (["ovs-ofctl", "monitor", "vmbr0", "watch:!initial"],
                     ["ip", "monitor", "link", "address", "route", "rule"],
                     ["nft", "monitor"]):
            running.append((n, argv[0], subprocess.Popen(
                where + argv, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                if argv[0] == "ovs-ofctl" else subprocess.DEVNULL,
                text=True)))
    pause(0.5)
    yield
    pause(0.5)
    for n, name, p in running:
        assert p.poll() is None, "%s on %s ended early" % (name, n)
        p.terminate()
        out = p.communicate(timeout=10 * FACTOR)[0]
        lines += ["%s: %s: %s" % (n, name, x) for x in out.splitlines()
                  if interesting(x)]


def interesting(line):
    return (line.strip() and "|fatal_signal|" not in line
            and not line.startswith(("NXST_", "OFPST_")))


def test_second_apply_sends_nothing(net):
    net.apply()
    pause(1)
    before, lines = net.counters(), []
    with watching(net, lines):
        net.apply()
        pause(1)
    assert net.counters() == before
    assert not lines, "\n".join(lines)


def test_a_change_is_seen_by_the_same_watch(net):
    before, lines = net.counters(), []
    with watching(net, lines):
        net.apply(net.without_acl("mcp-to-api"))
    assert any("ovs-ofctl" in x for x in lines), lines
    after = net.counters()
    key = ("oo1424oo", "socknet-controller", "flow_mods_sent")
    assert after[key] > before[key]
    # A rule between containers is nothing to the kernel.
    assert not [x for x in lines if "ovs-ofctl" not in x], "\n".join(lines)


def test_idle_daemons_send_nothing(net):
    pause(1)
    before = net.counters()
    time.sleep(3)
    assert net.counters() == before


def test_switches_hold_what_is_compiled(net):
    """Read back, flow by flow, as the controller's audit does."""
    for n in NODES:
        out = net.appctl(n, "socknet-controller", "audit")
        assert " 0 differences, 0 foreign" in out
        assert not out.startswith(n + "/vmbr0: 0 flows")


def test_failed_apply_changes_nothing(net):
    before = net.counters()
    p = net.apply("mesh: {nme: x}\nnodes: {}\n", check=False)
    assert p.returncode == 1
    assert "nme" in p.stderr + p.stdout
    assert net.counters() == before
    assert net.reaches("mcp-server", "op-dbus-api")
    net.applied = net.base.read_text()
