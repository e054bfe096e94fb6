"""The central database is a cluster of three, on the hosts themselves: what
may be lost of it while nothing applied is lost and hosts keep forwarding.

The longer ones run in `make check-fleet`."""

import contextlib
import re
import signal
import time

import pytest

from fleet import AWAY, FULL, Fleet, NODES, STATE, Stream, eventually, \
    forwarding, is_long

longer = pytest.mark.skipif(not is_long(), reason="make check-fleet")


@pytest.fixture(scope="module")
def lab(make_net):
    fleet = Fleet(make_net(STATE))
    fleet.wait_healthy()
    fleet.apply("n1", "--wait")
    fleet.system.settle()
    return fleet


@pytest.fixture
def fleet(lab, expect_logs):
    for n in NODES:
        if not lab.status(n):
            lab.start(n)        # A test failed.
    lab.wait_healthy()
    with lab.system.clean_logs(expect_logs, AWAY,
                               ["was not confirmed in time"]):
        yield lab


def counters(fleet):
    """Less what reports of the daemons being alive come to."""
    return {k: v for k, v in fleet.system.counters().items()
            if k[2] != "ovsdb_writes"}


def test_every_member_takes_an_apply(fleet):
    for n in NODES:
        port, _ = fleet.apply(n, "--wait")
        fleet.wait_all_have(port)


def test_leader_killed_under_applies(fleet, record_property):
    victim = fleet.leader()
    with forwarding(fleet.system):
        stream = Stream(fleet, fleet.others(victim)[0])
        stream.wait_for(3)
        fleet.kill(victim)
        stream.wait_for(3)
        stream.stop()
    record_property("longest_gap_s", "%.2f" % stream.longest_gap())
    print("leader killed: %.2f s between two applies" % stream.longest_gap())
    stream.check()
    # The daemons found another way by themselves: all enforce it.
    fleet.apply(stream.node, "--wait")
    fleet.start(victim)
    fleet.wait_healthy()
    fleet.wait_all_have(fleet.port)


def test_leader_killed_while_nothing_changes(fleet):
    victim = fleet.leader()
    before = counters(fleet)
    fleet.kill(victim)
    assert eventually(lambda: fleet.leader() not in (None, victim))
    fleet.start(victim)
    fleet.wait_healthy()
    assert counters(fleet) == before


def test_majority_lost(fleet):
    left = fleet.leader()
    gone = fleet.others(left)
    mark = fleet.mark(left)
    with forwarding(fleet.system):
        for n in gone:
            fleet.kill(n)
        assert eventually(lambda: "no quorum" in
                          (fleet.status(left).get("problem") or ""))
        _, p = fleet.apply(left, "--timeout", "3", check=False)
        assert p.returncode == 1 and "quorum" in p.stderr
        for n in gone:
            fleet.start(n)
        fleet.wait_healthy()
    assert fleet.mark(left) == mark
    # Nobody has to be told that it is back.
    fleet.apply(left, "--wait")


def start_standby(fleet, node, name):
    """A controller of n1's bridge, of the database's leader."""
    pki = "/etc/socknet/pki/"
    remotes = ",".join("ssl:%s:6645" % fleet.lab.node(n).endpoint
                       for n in NODES)
    fleet.system.run(
        node, "%s/controller/socknet-controller" % fleet.lab.info["build"],
        "--db=" + remotes, "--standby=test", "--node=" + node,
        "-p", pki + "cluster-%s-key.pem" % node,
        "-c", pki + "cluster-%s-cert.pem" % node,
        "-C", pki + "cluster-ca-cert.pem",
        "--state-dir=/var/lib/socknet/" + name,
        "--pidfile=/run/socknet/%s.pid" % name,
        "--unixctl=/run/socknet/%s.ctl" % name,
        "--log-file=/var/log/socknet/socknet-controller.log",
        "--detach", "-vconsole:off", "-vsyslog:off")


def ask(fleet, name, *command):
    return fleet.system.run("n1", "ovs-appctl", "-T", "5", "-t",
                            "/run/socknet/%s.ctl" % name, *command,
                            check=False).stdout


def turn(fleet, name):
    m = re.search("turn: (.*)", ask(fleet, name, "status"))
    return m and m[1]


def test_standby_takes_over(fleet):
    """Of two controllers of a bridge the active one is killed."""
    names = ["one", "two"]
    fleet.system.kill("n1", "controller", signal.SIGTERM)
    try:
        for name in names:
            start_standby(fleet, "n1", name)
        assert eventually(lambda: sorted(
            filter(None, (turn(fleet, n) for n in names)))
            == ["active", "standing by"])
        fleet.apply("n1", "--wait")
        if turn(fleet, "two") == "active":
            names.reverse()
        sent = re.search(r"flow_mods_sent: (\d+)",
                         ask(fleet, names[1], "stats"))[1]
        flows = sorted_flows(fleet)
        with forwarding(fleet.system):
            kill(fleet, names[0])
            start = time.monotonic()
            assert eventually(lambda: turn(fleet, names[1]) == "active",
                              interval=0.01)
            print("standby active after %.2f s"
                  % (time.monotonic() - start))
            time.sleep(0.5)
        assert "flow_mods_sent: %s\n" % sent in ask(fleet, names[1], "stats")
        assert sorted_flows(fleet) == flows
        fleet.apply("n1", "--wait")
    finally:
        for name in names:
            kill(fleet, name)
        fleet.system.start("n1", "controller")
    fleet.apply("n1", "--wait")


def kill(fleet, name):
    fleet.system.run("n1", "sh", "-c", "kill -9 $(cat /run/socknet/%s.pid); "
                     "rm /run/socknet/%s.pid" % (name, name), check=False)


def sorted_flows(fleet):
    return sorted(re.sub(r"(duration|n_packets|n_bytes|\w+_age)=[^,]*,", "", f)
                  for f in fleet.system.flows("n1"))


@longer
@pytest.mark.parametrize("which", ["leader", "follower"])
def test_member_cut_off(fleet, which):
    leader = fleet.leader()
    victim = leader if which == "leader" else fleet.others(leader)[0]
    near = fleet.others(victim)
    with forwarding(fleet.system), fleet.cut_off(victim):
        stream = Stream(fleet, near[0])
        stream.wait_for(5)
        _, p = fleet.apply(victim, "--timeout", "10", check=False)
        assert p.returncode == 1 and "quorum" in p.stderr, p.stderr
        assert any(victim_address(fleet, victim) in
                   (fleet.status(n).get("problem") or "") for n in near)
        stream.stop()
    stream.check()
    fleet.wait_healthy()
    fleet.apply(victim, "--wait", "--timeout", "60")


def victim_address(fleet, victim):
    return fleet.lab.node(victim).endpoint


@longer
def test_leader_hangs(fleet):
    victim = fleet.leader()
    with forwarding(fleet.system):
        stream = Stream(fleet, fleet.others(victim)[0])
        stream.wait_for(2)
        fleet.kill(victim, signal.SIGSTOP)
        stream.wait_for(3)
        fleet.kill(victim, signal.SIGCONT)
        stream.stop()
    print("leader hung: %.2f s between two applies" % stream.longest_gap())
    stream.check()
    fleet.wait_healthy()


@longer
def test_full_disk_of_a_follower(fleet, expect_logs):
    """It goes on in memory, and says that it is well: we know better."""
    expect_logs.append(FULL)
    victim = fleet.others(fleet.leader())[0]
    with fleet.small_disk(victim):
        other = next(n for n in fleet.others(victim))
        with forwarding(fleet.system):
            stream = Stream(fleet, other)
            stream.wait_for(2)
            fleet.fill(victim)
            stream.wait_for(6)
            stream.stop()
        stream.check()
        problem = fleet.status(victim)["problem"]
        assert "left on the disk" in problem, problem
        p = fleet.system.socknet(victim, "status", check=False)
        assert "left on the disk" in p.stdout
        fleet.make_room(victim)
        fleet.apply(other)
        problem = fleet.status(victim)["problem"]
        assert "lacks what this member agreed to" in problem, problem
        fleet.system.socknet(victim, "db", "compact")
        fleet.wait_healthy()
        # All of it is on its disk.
        port = fleet.mark(other)
        fleet.kill(victim)
        fleet.serve_small(victim)
        fleet.wait_healthy()
        fleet.wait_all_have(port)


@longer
def test_full_disk_of_the_leader(fleet, expect_logs):
    """It hands over and takes no part until it is started again."""
    expect_logs.append(FULL)
    victim = fleet.others(fleet.leader())[0]
    with fleet.small_disk(victim):
        # Who starts an election first is likely to win it.
        for _ in range(10):
            if fleet.leader() == victim:
                break
            leader = fleet.leader()
            fleet.kill(leader, 15)
            eventually(lambda: fleet.leader() != leader, 10)
            fleet.start(leader)
            fleet.wait_healthy()
        assert fleet.leader() == victim
        other = fleet.others(victim)[0]
        with forwarding(fleet.system):
            stream = Stream(fleet, other)
            stream.wait_for(2)
            fleet.fill(victim)
            stream.wait_for(6)
            stream.stop()
        stream.check()
        assert fleet.leader() != victim
        status = fleet.status(victim)
        assert "takes no part" in status["problem"], status
        fleet.make_room(victim)
        fleet.kill(victim, 15)
        fleet.serve_small(victim)
        fleet.wait_healthy()
        fleet.wait_all_have(fleet.port)


@longer
def test_backup_under_applies(fleet, tmp_path):
    """A copy is one moment of the database, and a new cluster of it the
    same."""
    def run(*args, **kw):
        return fleet.system.socknet("n1", *map(str, args), **kw)

    keys = ("--pki", "/etc/socknet/pki", "--name", "n1")
    there = ("--db", "unix:%s/db.sock" % tmp_path)
    with contextlib.closing(Stream(fleet, "n2")) as stream:
        stream.wait_for(2)
        run("db", "backup", tmp_path / "backup")
        stream.wait_for(2)
    stream.check()
    fleet.kill("n1", signal.SIGTERM)    # Their ports are the same.
    run("db", "init", tmp_path / "new.db", "--listen", "127.0.0.1",
        "--from", tmp_path / "backup", *keys)
    run("db", "serve", tmp_path / "new.db", *keys, *there, "--detach",
        "--pidfile", "--log-file=%s/log" % tmp_path)
    try:
        mark = eventually(lambda: fleet.mark("n1", *there), 10)
        copy = run(*there, "export").stdout
        numbers = [r for r in fleet.revisions("n1", *there)]
    finally:
        pid = int((tmp_path / "ovsdb-server.pid").read_text())
        fleet.system.run("n1", "kill", str(pid))
        fleet.start("n1")
    fleet.wait_healthy()
    assert mark in [m for m, _, _ in stream.done]
    # What the cluster itself had at that revision.
    run("rollback", max(numbers))
    assert run("export").stdout == copy


def test_confirm_in_a_cluster(fleet):
    """A change that is not confirmed is undone once, whoever leads."""
    mark = fleet.mark("n1")
    n = max(fleet.revisions("n1"))
    port, _ = fleet.apply("n1", "--confirm", "8", "--wait")
    assert fleet.enforced() == port
    fleet.kill(fleet.leader())
    assert fleet.mark("n2") in (port, mark, None)
    alive = [x for x in NODES if fleet.status(x)]
    assert eventually(lambda: fleet.enforced() == mark, 60)
    for x in NODES:
        if x not in alive:
            fleet.start(x)
    fleet.wait_healthy()
    fleet.system.socknet("n1", "rollback")
    assert fleet.mark("n1") == mark
    assert max(fleet.revisions("n1")) == n + 2
