"""A socknet command, and a central database of its own for each test."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest


class Result:
    """What a run of socknet gave."""

    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def ok(self):
        assert self.code == 0, (self.code, self.out, self.err)
        return self


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
            text=True, capture_output=True, timeout=60, env=environ, cwd=cwd))
    return run


class Database:
    """An ovsdb-server, and its files in 'folder'."""

    def __init__(self, schema, folder):
        self.folder = pathlib.Path(folder)
        self.file = self.folder / 'socknet.db'
        self.socket = self.folder / 'db.sock'
        self.remote = f'unix:{self.socket}'
        self.process = None
        subprocess.run(['ovsdb-tool', 'create', str(self.file), str(schema)],
                       check=True)

    def start(self):
        self.process = subprocess.Popen(
            ['ovsdb-server', str(self.file), f'--remote=p{self.remote}',
             '-vconsole:off', f'--log-file={self.folder}/ovsdb-server.log',
             f'--unixctl={self.folder}/ovsdb-server.ctl', '--no-chdir'])
        deadline = time.monotonic() + 20
        while not self.socket.exists():
            assert self.process.poll() is None, 'ovsdb-server ended'
            assert time.monotonic() < deadline, 'ovsdb-server is not ready'
            time.sleep(0.01)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
            self.process = None

    def transact(self, *operations):
        """Runs OVSDB operations; returns their results."""
        r = subprocess.run(
            ['ovsdb-client', 'transact', self.remote,
             json.dumps(['Socknet', *operations])],
            text=True, capture_output=True, timeout=20)
        assert r.returncode == 0, r.stderr
        results = json.loads(r.stdout)
        assert not [x for x in results if x and 'error' in x], results
        return results

    def insert(self, table, **row):
        return self.transact({'op': 'insert', 'table': table, 'row': row})


@pytest.fixture
def database(srcdir, tmp_path):
    folder = tmp_path / 'database'
    folder.mkdir()
    database = Database(srcdir / 'schemas/socknet.ovsschema', folder)
    database.start()
    yield database
    database.stop()
