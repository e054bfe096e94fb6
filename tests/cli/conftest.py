"""A socknet command, and a central database of its own for each test."""

import os
import subprocess

import pytest

from clisite import Database, Result, Switch


@pytest.fixture
def socknet(builddir, tmp_path):
    """socknet(*args, stdin=, db=) runs the command in an empty folder."""
    def run(*args, stdin='', db=None, env=None, cwd=tmp_path):
        environ = dict(os.environ, **(env or {}))
        environ.pop('SOCKNET_DB', None)
        if db:
            environ['SOCKNET_DB'] = db
        return Result(subprocess.run(
            [str(builddir / 'cli/socknet'), *map(str, args)], input=stdin,
            text=True, capture_output=True, timeout=180, env=environ, cwd=cwd))
    return run


@pytest.fixture
def cramped(builddir, tmp_path):
    """cramped(n, *args, db=): the command, in the same folder, where no file
    can have more than n bytes."""
    def run(n, *args, db=''):
        return Result(subprocess.run(
            ['sh', '-c', 'trap "" XFSZ; exec prlimit --fsize=$0 -- "$@"',
             str(n), builddir / 'cli/socknet', *map(str, args)],
            text=True, capture_output=True, timeout=180, cwd=tmp_path,
            env=dict(os.environ, SOCKNET_DB=db)))
    return run


@pytest.fixture
def database(srcdir, tmp_path):
    folder = tmp_path / 'database'
    folder.mkdir()
    database = Database(srcdir / 'schemas/socknet.ovsschema', folder)
    database.start()
    yield database
    database.stop()


@pytest.fixture
def switch(tmp_path):
    """A dummy switch with the ports of both nodes of two-hosts.yaml."""
    folder = tmp_path / 'switch'
    folder.mkdir()
    switch = Switch(folder, ['veth100', 'veth102', 'veth103', 'veth104',
                             'veth200', 'veth201', 'x-warp0'])
    try:
        switch.start()
        yield switch
    finally:
        switch.stop()
