"""apply --confirm: every host goes back by itself, also one that is cut off
from the database."""

import pytest

from harness import eventually

CUT = """
table inet cut {
    chain output {
        type filter hook output priority 0; policy accept;
        tcp dport { 6643, 6644 } drop
    }
    chain input {
        type filter hook input priority 0; policy accept;
        tcp sport { 6643, 6644 } drop
    }
}
"""
RULE = "api-to-vectors"


@pytest.fixture
def cut(net):
    """Separates node2 from the database, until the end of the test."""
    def separate():
        net.run("node2", "nft", "-f", "-", input=CUT)
    yield separate
    net.run("node2", "nft", "delete", "table", "inet", "cut", check=False)


def reached(net):
    return net.tcp("op-dbus-api", "vector-db", 6333, timeout=0.3)


def assert_unreached(net):
    """The datapath follows the switch's tables a moment later."""
    assert eventually(lambda: not reached(net), 3)
    assert not reached(net)


def test_host_that_is_cut_off_goes_back(net, cut, expect_logs):
    expect_logs += [r"not confirmed", r"\|(reconnect|jsonrpc|stream_ssl)\|",
                    r"\|(socket_util|ovsdb_cs|db_conn)", r"database"]
    assert eventually(lambda: reached(net))
    path = net.state_file(net.without_acl(RULE))
    net.socknet("oo1424oo", "apply", str(path), "--confirm", "8", "--wait")
    assert_unreached(net)
    cut()
    assert not reached(net)
    assert eventually(lambda: reached(net), 30), "not back in time"
    # Told by nobody: node2 still has no way to the database.
    assert "cut" in net.run("node2", "nft", "list", "tables").stdout
    net.run("node2", "nft", "delete", "table", "inet", "cut")
    p = net.apply()
    assert p.returncode == 0 and eventually(lambda: reached(net))


def test_confirmed_state_stays(net, expect_logs):
    path = net.state_file(net.without_acl(RULE))
    net.socknet("oo1424oo", "apply", str(path), "--confirm", "6", "--wait")
    net.socknet("oo1424oo", "confirm")
    assert_unreached(net)
    assert not eventually(lambda: reached(net), 8)
    net.apply()
    assert eventually(lambda: reached(net))
