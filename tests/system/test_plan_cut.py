"""socknet plan names the open connections that a change would cut, and those
only."""

import itertools
import json

from harness import eventually
from sockets import connect, scaled

CLI = "oo1424oo"
API = ("op-dbus-api", "vector-db", "tcp/6333")


def plan(net, state):
    path = net.state_file(state)
    p = net.socknet(CLI, "--json", "plan", str(path), check=False)
    assert p.returncode in (0, 2), p.stdout + p.stderr
    answer = json.loads(p.stdout)
    return answer, [(c["src"], c["dst"], c["what"])
                    for c in answer.get("cut", [])]


serial = itertools.count()


def talks(s, timeout=5.0):
    """Whether what is said now is echoed, perhaps after what was before."""
    word = b"<%d>" % next(serial)
    s.settimeout(scaled(timeout))
    got = b""
    try:
        s.send(word)
        while word not in got:
            data = s.recv(64)
            if not data:
                return False
            got += data
    except OSError:
        return False
    return True


def assert_cut(s):
    """The datapath follows the switch's tables a moment later."""
    assert eventually(lambda: not talks(s, 0.7), 3)
    assert not talks(s, 0.7)


def dial(net, src, dst, port):
    s = connect(net.ns(src), net.resolve(dst), port, 5.0)
    assert talks(s)
    return s


def test_withdrawn_rule(net):
    with dial(net, "op-dbus-api", "vector-db", 6333) as cut, \
         dial(net, "op-dbus-api", "redis", 6379) as kept:
        answer, found = plan(net, net.without_acl("api-to-vectors"))
        assert API in found
        assert ("op-dbus-api", "redis", "tcp/6379") not in found
        row = answer["cut"][found.index(API)]
        assert row["open"] >= 1 and row["is"] == "dropped"
        assert "no rule allows it" in row["decided_by"]
        assert answer["connections"]["open"] >= 2
        assert not answer["connections"]["silent"]
        # And so it is.
        net.apply(net.without_acl("api-to-vectors"))
        assert_cut(cut)
        assert talks(kept)


def test_denial_that_is_added(net):
    text = net.base.read_text().replace(
        "\nacls:\n", "\nacls:\n  - {name: stop, action: "
        "deny, src: [op-dbus-api], dst: [redis]}\n")
    with dial(net, "op-dbus-api", "vector-db", 6333) as kept, \
         dial(net, "op-dbus-api", "redis", 6379) as cut:
        answer, found = plan(net, text)
        assert ("op-dbus-api", "redis", "tcp/6379") in found
        assert API not in found
        row = answer["cut"][found.index(("op-dbus-api", "redis",
                                         "tcp/6379"))]
        assert row["decided_by"].startswith("acl stop (")
        net.apply(text)
        assert_cut(cut)
        assert talks(kept)


def test_container_that_goes(net):
    text = net.base.read_text()
    at = text.index('        - id: "104"')
    end = text.index("\nsegments:")
    lines = [x for x in (text[:at] + text[end:]).splitlines(True)
             if "[\"redis:" not in x]
    with dial(net, "op-dbus-api", "redis", 6379):
        found = plan(net, "".join(lines))[1]
        assert ("op-dbus-api", "redis", "tcp/6379") in found


def test_agent_that_is_silent(net, expect_logs):
    expect_logs += [r"\|(reconnect|jsonrpc|stream_ssl|socket_util|unixctl)\|"]
    net.kill("node2", "agent")
    try:
        answer = plan(net, net.without_acl("api-to-vectors"))[0]
        assert answer["connections"]["silent"] == ["node2"]
    finally:
        net.start("node2", "agent")
    assert eventually(lambda: not plan(net, net.without_acl("mcp-metrics"))[
        0]["connections"]["silent"])


def test_nothing_is_cut(net):
    with dial(net, "op-dbus-api", "vector-db", 6333):
        found = plan(net, net.without_acl("mcp-metrics"))[1]
        assert API not in found
