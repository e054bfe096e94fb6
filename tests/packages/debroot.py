"""Debian roots: made once with debootstrap, copied for each use; commands in
them, without a network, and a whole system booted in a container."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import time

CACHE = pathlib.Path(os.environ.get('SOCKNET_CACHE', '/var/cache/socknet'))
ENV = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/root',
       'LANG': 'C.UTF-8', 'DEBIAN_FRONTEND': 'noninteractive',
       'SYSTEMD_PAGER': '', 'TERM': 'dumb'}


class Unavailable(Exception):
    """This machine cannot do it; the text says why."""


def run(argv, check=True, timeout=600, **kwargs):
    r = subprocess.run([str(a) for a in argv], text=True, errors='replace',
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=timeout, **kwargs)
    if check and r.returncode:
        raise AssertionError('%s: status %d\n%s'
                             % (' '.join(map(str, argv)), r.returncode,
                                r.stdout[-6000:]))
    return r


def suite():
    """The Debian release of this machine."""
    with open('/etc/os-release') as f:
        for line in f:
            if line.startswith('VERSION_CODENAME='):
                return line.split('=')[1].strip().strip('"')
    raise Unavailable('this is no release of Debian')


def install(root, packages):
    """With a network, that of this machine."""
    argv = ['apt-get', '-q', '-y', '--no-install-recommends', 'install']
    for _ in range(3):                  # A mirror may miss once.
        r = run(['chroot', root] + argv + packages, check=False, env=ENV,
                timeout=900)
        if r.returncode == 0:
            return
        time.sleep(5)
    raise Unavailable('packages cannot be installed: ' + r.stdout[-800:])


def cached_root(name, packages):
    """A folder with a Debian that has these packages.  Not to be changed."""
    key = hashlib.sha256(' '.join(sorted(packages)).encode()).hexdigest()[:12]
    root = CACHE / 'packages' / ('%s-%s-%s' % (suite(), name, key))
    root.parent.mkdir(parents=True, exist_ok=True)
    with open(root.parent / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.exists():
            return root
        new = pathlib.Path(str(root) + '.new')
        shutil.rmtree(new, ignore_errors=True)
        base = root.parent / (suite() + '-base')
        if not base.exists():
            part = pathlib.Path(str(base) + '.new')
            shutil.rmtree(part, ignore_errors=True)
            r = run(['debootstrap', '--variant=minbase', suite(), part],
                    check=False, timeout=900)
            if r.returncode:
                raise Unavailable('debootstrap: ' + r.stdout[-400:])
            part.rename(base)
        copy_root(base, new)
        run(['chroot', new, 'apt-get', '-q', 'update'], check=False, env=ENV)
        install(new, packages)
        new.rename(root)
    return root


def copy_root(root, to):
    run(['cp', '-a', '--reflink=auto', root, to])


def nspawn(root, *options):
    return ['systemd-nspawn', '-q', '-D', str(root), '--register=no',
            '--keep-unit', '--private-network', *options]


def run_in(root, *argv, options=(), **kwargs):
    """Without a network."""
    return run(nspawn(root, '--as-pid2', *options) + list(argv), **kwargs)


def files_of(root):
    """Everything below 'root', as 'path mode' lines, but what runs."""
    found = set()
    skip = {'proc', 'sys', 'dev', 'run', 'tmp'}
    for folder, dirs, files in os.walk(root):
        if folder == str(root):
            dirs[:] = [d for d in dirs if d not in skip]
        for name in dirs + files:
            path = os.path.join(folder, name)
            found.add('%s %o' % (os.path.relpath(path, root),
                                 os.lstat(path).st_mode))
    return found


class Box:
    """A system booted in a container."""

    def __init__(self, root, hostname, log, binds=()):
        self.root = pathlib.Path(root)
        (self.root / 'etc/hostname').write_text(hostname + '\n')
        self.boot_argv = nspawn(
            root, '--machine=' + hostname, '--hostname=' + hostname,
            '--bind=/dev/net/tun', '--boot',
            *('--bind-ro=%s:%s' % b for b in binds))
        self.log = open(log, 'wb')
        self.boot()

    def boot(self):
        self.leader = None
        self.process = subprocess.Popen(
            self.boot_argv, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=subprocess.STDOUT)
        self.wait_for_boot()

    def reboot(self):
        """What is only in the kernel's memory is gone."""
        self.power_off()
        self.boot()

    def find_leader(self):
        pid = self.process.pid
        with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
            children = f.read().split()
        return int(children[0]) if children else None

    def wait_for_boot(self):
        end = time.time() + 120
        while time.time() < end:
            if self.process.poll() is not None:
                raise Unavailable('systemd-nspawn ended: ' + self.log_end())
            self.leader = self.find_leader()
            if self.leader:
                r = self.run('systemctl', 'is-system-running', check=False)
                if r.stdout.strip() in ('running', 'degraded'):
                    return
            time.sleep(0.3)
        self.destroy()
        raise Unavailable('systemd did not come up: ' + self.log_end())

    def log_end(self):
        self.log.flush()
        with open(self.log.name, errors='replace') as f:
            return f.read()[-1500:]

    def argv(self, *command):
        return ['nsenter', '-t', str(self.leader), '-a', '/usr/bin/env', '-i',
                *('%s=%s' % kv for kv in ENV.items()), *command]

    def run(self, *command, **kwargs):
        return run(self.argv(*command), **kwargs)

    def sh(self, script, **kwargs):
        """Output of a script, which must succeed."""
        return self.run('bash', '-ec', script, **kwargs).stdout

    def popen(self, *command):
        return subprocess.Popen(self.argv(*command), text=True,
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def show(self, unit, what):
        return self.sh('systemctl show -P %s %s' % (what, unit)).strip()

    def says(self, unit, text):
        """Until a unit's status has the text: it tells what it is about a
        moment after it is active.  Returns the status."""
        return self.wait('s=$(systemctl show -P StatusText %s); echo "$s"; '
                         '[[ $s == *"%s"* ]]' % (unit, text))

    def wait(self, script, seconds=90):
        """Until a script succeeds; returns its output."""
        end = time.time() + seconds
        while True:
            r = self.run('bash', '-ec', script, check=False)
            if r.returncode == 0:
                return r.stdout
            assert time.time() < end, script + '\n' + r.stdout
            time.sleep(0.2)

    def power_off(self):
        if self.leader:
            self.run('systemctl', 'poweroff', '--force', '--force',
                     check=False, timeout=30)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def destroy(self):
        self.power_off()
        self.log.close()
