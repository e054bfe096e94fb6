"""Fixtures for tests of the controller with a real switch and database."""

import re

import pytest
import scratch


class World:
    """What a test needs, all stopped at its end."""

    def __init__(self, folder, srcdir, builddir):
        self.folder = folder
        self.program = builddir / 'controller' / 'socknet-controller'
        self.db = scratch.Database(
            folder, srcdir / 'schemas' / 'socknet.ovsschema')
        self.things = [self.db]
        self.controllers = []

    def switch(self, name='sw'):
        s = scratch.Switch(self.folder / name)
        self.things.append(s)
        return s

    def controller(self, *args, name='controller', start=True):
        c = scratch.Controller(self.folder, self.program, self.db, args, name)
        self.things.append(c)
        self.controllers.append(c)
        if start:
            c.start()
        return c

    def stop(self):
        errors = []
        for thing in reversed(self.things):
            try:
                thing.stop()
            except Exception as e:          # The others must end, too.
                errors.append(e)
        assert not errors, errors


@pytest.fixture
def world(tmp_path, srcdir, builddir, request):
    w = World(tmp_path, srcdir, builddir)
    w.expected = []
    try:
        yield w
    finally:
        w.stop()
    unexpected = [x for c in w.controllers for x in c.warnings()
                  if not any(re.search(e, x) for e in w.expected)]
    assert not unexpected, '\n'.join(unexpected)


@pytest.fixture
def one(world):
    """A node "a" with three containers plugged, all enforced."""
    world.db.create_mesh('a')
    world.sw = world.switch()
    for n in (1, 2, 3):
        world.sw.add_port('veth%d' % (100 + n))
    world.db.apply(*[scratch.container(n) for n in (1, 2, 3)])
    world.c = world.controller('--node=a', '--bridge=a=' + world.sw.target)
    world.db.wait_enforced('a')
    return world
