"""Real containers of Debian's LXC on a host of the lab.

The package need not be installed, which would make a bridge on the machine:
SOCKNET_LXC names a folder that its .deb files were unpacked in."""

import os
import shutil
import subprocess

from harness import ns, pause

CONFIG = """\
lxc.uts.name = {name}
lxc.rootfs.path = dir:{dir}/rootfs
lxc.rootfs.mount = {dir}/mnt
lxc.mount.auto = proc:mixed
lxc.apparmor.profile = unconfined
lxc.init.cmd = /bin/sleep infinity
lxc.include = {dir}/network
"""
NETWORK = """\
lxc.net.0.type = veth
lxc.net.0.link = vmbr0
lxc.net.0.flags = up
lxc.net.0.hwaddr = {mac}
lxc.net.0.ipv4.address = {address}
lxc.net.0.ipv4.gateway = {gateway}
"""


def find():
    """(environment, folder) of LXC's programs, or None."""
    prefix = os.environ.get("SOCKNET_LXC", "/")
    if not shutil.which("lxc-start", path=os.path.join(prefix, "usr/bin")):
        return None
    libs = os.path.join(prefix, "usr/lib", os.uname().machine + "-linux-gnu")
    env = dict(os.environ)
    if prefix != "/":
        env["LD_LIBRARY_PATH"] = libs
    return env, os.path.join(prefix, "usr/bin")


class Container:
    """Without 'veth' LXC gives its port any name, as it does by default."""

    def __init__(self, system, node, name, veth, mac, address, gateway):
        self.env, self.programs = find()
        self.host, self.name = system.lab.hosts[node], name
        self.address, self.gateway = address, gateway
        self.folder = self.host.path("lxc")
        here = os.path.join(self.folder, name)
        os.makedirs(os.path.join(here, "mnt"), exist_ok=True)
        config = CONFIG.format(name=name, dir=here)
        for d in ("proc", "sys", "dev", "tmp", "run"):
            os.makedirs(os.path.join(here, "rootfs", d), exist_ok=True)
        for d in ("bin", "sbin", "lib", "lib64", "usr"):
            os.makedirs(os.path.join(here, "rootfs", d), exist_ok=True)
            config += "lxc.mount.entry = /%s %s none bind,ro 0 0\n" % (d, d)
        with open(os.path.join(here, "network"), "w") as f:
            f.write(NETWORK.format(mac=mac, address=address,
                                   gateway=gateway))
            if veth:
                f.write("lxc.net.0.veth.pair = %s\n" % veth)
        with open(os.path.join(here, "config"), "w") as f:
            f.write(config)

    def _argv(self, program, *args):
        return self.host.argv([os.path.join(self.programs, program), "-P",
                               self.folder, "-n", self.name, *args])

    def start(self):
        """On a busy machine LXC itself gives up on a start now and then, and
        what a stopped one had takes a while to go."""
        log = os.path.join(self.folder, self.name, "log")
        for _ in range(5):
            if not ns.run(self._argv("lxc-start", "-o", log, "-l", "INFO"),
                          env=self.env, check=False).returncode:
                return
            self.stop()
            pause(1)
        with open(log) as f:
            raise AssertionError("lxc-start: " + f.read()[-4000:])

    def start_as_proxmox(self):
        """In the foreground, of a service: no "[lxc monitor]" in its name."""
        self.host.daemon("env", "LD_LIBRARY_PATH="
                         + self.env.get("LD_LIBRARY_PATH", ""),
                         os.path.join(self.programs, "lxc-start"), "-F",
                         "-P", self.folder, "-n", self.name)

    def stop(self):
        ns.run(self._argv("lxc-stop", "-k"), env=self.env, check=False)

    def init(self):
        """The number of its first process, on the lab's host."""
        return ns.run(self._argv("lxc-info", "-p", "-H"),
                      env=self.env).stdout.strip()

    def move(self, from_pid, to_pid):
        """Its eth0, as root of the host can, and root in the container into
        a namespace made in there."""
        def run(pid, *command):
            self.host.run("nsenter", "-t", pid, "-n", "ip", *command)

        run(from_pid, "link", "set", "eth0", "netns", to_pid)
        run(to_pid, "addr", "add", self.address, "dev", "eth0")
        run(to_pid, "link", "set", "eth0", "up")
        run(to_pid, "route", "replace", "default", "via", self.gateway)

    def elsewhere(self):
        """A process in another network namespace."""
        p = self.host.spawn("unshare", "-n", "sh", "-c", "echo $$; exec sleep "
                            "1000", stdout=subprocess.PIPE, text=True)
        return p.stdout.readline().strip()

    def run(self, *command, check=True):
        return ns.run(self._argv("lxc-attach", "--", *command), env=self.env,
                      check=check)
