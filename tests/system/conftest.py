"""Fixtures of the system tests: real switches, tunnels and packets.

"net" is one lab of examples/two-hosts.yaml for the whole run, brought back
to that state before each test; "make_net" makes others for one module."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness      # noqa: E402

LABS = "t%d" % os.getpid()


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        skip = pytest.mark.skip(reason="needs root: it makes namespaces")
        for item in items:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def artifacts(builddir):
    """Where logs of a failed run go."""
    name = "system-logs" + ("-kernel" if os.environ.get("SOCKNET_KERNEL")
                            else "")
    return builddir / "tests" / "results" / name


@pytest.fixture(scope="session")
def clean_machine():
    harness.remove_stale_labs("t")


@pytest.fixture(scope="session")
def two_hosts(srcdir, tmp_path_factory):
    """The example less its own tests, which would refuse what is tried here:
    rules taken away, nodes revoked."""
    text = (srcdir / "examples" / "two-hosts.yaml").read_text()
    path = tmp_path_factory.mktemp("state") / "two-hosts.yaml"
    path.write_text(text[:text.index("\ntests:") + 1])
    return path


@pytest.fixture(scope="session")
def shared_net(two_hosts, builddir, artifacts, clean_machine,
               tmp_path_factory):
    with closing(LABS, builddir, two_hosts, artifacts,
                 tmp_path_factory.mktemp("net")) as system:
        system.apply()
        system.settle()
        system.serve()
        yield system


@pytest.fixture
def net(shared_net, expect_logs):
    """The shared lab, in its first state; its logs are looked at after."""
    shared_net.reset()
    with shared_net.clean_logs(expect_logs):
        yield shared_net


@pytest.fixture
def expect_logs():
    """Patterns of log lines that the test is known to cause."""
    return []


@pytest.fixture(scope="module")
def make_net(builddir, artifacts, clean_machine, tmp_path_factory):
    """make_net(state): a lab of one's own, until the end of the module.
    'node' names the node of one host's file."""
    made = []

    def make(state, bare=False, node=None):
        name = LABS + chr(ord("a") + len(made))
        manager = closing(name, builddir, state, artifacts,
                          tmp_path_factory.mktemp("net"), bare, node)
        made.append(manager)
        return manager.__enter__()
    yield make
    for manager in reversed(made):
        manager.__exit__(None, None, None)


@pytest.fixture(scope="module")
def site(make_net, two_hosts):
    """The example in a lab of the module's own, which serves what its
    containers serve."""
    system = make_net(two_hosts)
    system.apply()
    system.settle()
    system.serve()
    return system


class closing:
    """A lab that is taken down in any case, its logs kept."""

    def __init__(self, name, builddir, state, artifacts, tmp, bare=False,
                 node=None):
        self.args = name, builddir, state, tmp, bare, node
        self.name, self.artifacts = name, artifacts
        self.system = None

    def __enter__(self):
        try:
            self.system = harness.System(*self.args)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self.system

    def __exit__(self, *exc):
        lab = harness.Lab(self.name)
        try:
            system = self.system
            if system:
                system.stop_serving()
            harness.keep_lab_logs(lab, self.artifacts / self.name)
        finally:
            lab.down()
