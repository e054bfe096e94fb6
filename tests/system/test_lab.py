"""The lab itself: it must leave nothing behind, whatever happens to it."""

import os
import subprocess
import time

import pytest

from harness import FACTOR, Lab, eventually

LAB = "l%d" % os.getpid()


@pytest.fixture
def tool(srcdir):
    """Runs tests/lab/lab under a name of its own."""
    env = dict(os.environ, SOCKNET_LAB=LAB)
    path = str(srcdir / "tests" / "lab" / "lab")

    def run(*args, wait=True):
        p = subprocess.Popen([path, *args], env=env, text=True,
                             stdin=subprocess.DEVNULL,
                             start_new_session=True, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        if not wait:
            return p
        out, err = p.communicate(timeout=120 * FACTOR)
        return p.returncode, out, err
    yield run
    run("down")


def leftovers():
    found = [n for n in os.listdir("/run/netns")
             if n.startswith("sn-%s-" % LAB)]
    found += [d for d in [Lab(LAB).dir] if os.path.exists(d)]
    with open("/proc/self/mounts") as f:
        found += [line for line in f if LAB in line]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                text = f.read()
        except OSError:
            continue
        if Lab(LAB).dir.encode() in text:
            found.append(text.replace(b"\0", b" ").decode()[:80])
    return found


def test_up_exec_down(tool, two_hosts):
    status, out, err = tool("up", "--bare", str(two_hosts))
    assert (status, err) == (0, "")
    assert leftovers()
    assert tool("exec", "node2", "--", "hostname")[1] == "node2\n"
    assert "10.0.0.102" in tool("exec", "xray", "--", "ip", "addr")[1]
    assert "exec" not in tool("exec", "node2", "--", "curl", "-sm5",
                              "http://203.0.113.10/")[2]
    status, out, err = tool("exec", "nowhere", "--", "true")
    assert status == 1 and "no container nowhere" in err
    assert tool("down")[0] == 0
    assert leftovers() == []
    status, out, err = tool("down")
    assert (status, err) == (0, "") and "nothing was up" in out


def is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("moment", (0.15, 0.4, 0.7))
def test_killed_half_way(tool, two_hosts, moment):
    p = tool("up", "--bare", str(two_hosts), wait=False)
    time.sleep(moment * FACTOR)
    p.kill()
    p.communicate()
    # What it had started for a moment ends by itself.
    eventually(lambda: is_gone(p.pid), 5)
    assert tool("down")[0] == 0
    assert leftovers() == []


def test_errors_say_why(tool, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("nodes: {a: {endpoint: example.org}}\n")
    status, out, err = tool("up", "--bare", str(bad))
    assert status == 1 and "endpoint example.org is not an IP" in err
    status, out, err = tool("up", "--bare", str(tmp_path / "none.yaml"))
    assert status == 1 and "No such file" in err
    assert leftovers() == []
