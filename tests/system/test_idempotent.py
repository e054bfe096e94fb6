"""What changes nothing sends nothing, to switches or kernels."""

import contextlib
import re
import subprocess
import time

from harness import FACTOR, eventually, pause

NODES = ("oo1424oo", "node2")


@contextlib.contextmanager
def watching(net, tmp_path):
    """Every flow change and every netlink change on the nodes, as others
    see them: the switch's flow monitor and the kernel's notifications.
    Yields what tells the lines of now."""
    running = []

    def lines():
        return ["%s: %s: %s" % (n, name, x) for n, name, _, path in running
                for x in path.read_text().splitlines() if interesting(x)]
    for n in NODES:
        # Not in the host's pid namespace: so it is this very process.
        where = ["nsenter", "-t", str(net.lab.hosts[n].pid), "-n", "-m",
                 "--", "stdbuf", "-oL"]
        for argv in (["ovs-ofctl", "monitor", "vmbr0", "watch:!initial"],
                     ["ip", "monitor", "link", "address", "route", "rule"],
                     ["nft", "monitor"]):
            path = tmp_path / ("%s-%s" % (n, argv[0]))
            with open(path, "w") as f:
                running.append((n, argv[0], subprocess.Popen(
                    where + argv, stdin=subprocess.DEVNULL, stdout=f,
                    stderr=subprocess.STDOUT if argv[0] == "ovs-ofctl"
                    else subprocess.DEVNULL), path))
    # The switch says first that it will tell.
    assert eventually(lambda: all(path.read_text() for _, name, _, path in
                                  running if name == "ovs-ofctl"))
    pause(0.5)
    try:
        yield lines
        pause(0.5)
        for n, name, p, _ in running:
            assert p.poll() is None, "%s on %s ended early" % (name, n)
    finally:
        for _, _, p, _ in running:
            p.terminate()
            p.wait(10 * FACTOR)


def interesting(line):
    return (line.strip() and not line.startswith(("NXST_", "OFPST_"))
            and not re.search(r"\|(fatal_signal|timeval)\|", line))


def test_second_apply_sends_nothing(net, tmp_path):
    net.apply()
    before = net.quiet()
    with watching(net, tmp_path) as lines:
        net.apply()
        pause(1)
    assert net.counters() == before
    assert not lines(), "\n".join(lines())


def test_a_change_is_seen_by_the_same_watch(net, tmp_path):
    before = net.quiet()
    with watching(net, tmp_path) as lines:
        net.apply(net.without_acl("mcp-to-api"))
        assert eventually(lambda: any("ovs-ofctl" in x for x in lines()))
    after = net.counters()
    key = ("oo1424oo", "socknet-controller", "flow_mods_sent")
    assert after[key] > before[key]
    # A rule between containers is nothing to the kernel.
    assert not [x for x in lines() if "ovs-ofctl" not in x], lines()


def test_idle_daemons_send_nothing(net):
    before = net.quiet()
    time.sleep(3)
    assert net.counters() == before


def test_switches_hold_what_is_compiled(net):
    """Read back, flow by flow, as the controller's audit does."""
    for n in NODES:
        out = net.appctl(n, "socknet-controller", "audit")
        assert " 0 differences, 0 foreign" in out
        assert not out.startswith(n + "/vmbr0: 0 flows")


def test_failed_apply_changes_nothing(net):
    before = net.quiet()
    p = net.apply("mesh: {nme: x}\nnodes: {}\n", check=False)
    assert p.returncode == 1
    assert "nme" in p.stderr + p.stdout
    assert net.counters() == before
    assert net.reaches("mcp-server", "op-dbus-api")
    net.applied = net.base.read_text()
