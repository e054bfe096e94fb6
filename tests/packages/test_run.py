"""The packages' life on a host with systemd: installed, used for a network of
one host, upgraded under traffic, removed, purged.  The tests build on each
other, in this order."""

import re
import shutil
import time

import debroot
import pytest
from conftest import UPGRADE

DAEMONS = ['socknet-agent', 'socknet-controller']
UNITS = ['socknet-agent.service', 'socknet-controller.service',
         'socknet-db.service', 'socknet-db-relay.service',
         'socknet-mgmt.service', 'socknet-mgmt.socket']
# What an attacker could still do, by systemd's count: 0 is nothing, 10 all.
EXPOSURE = {'socknet-agent': 5.5, 'socknet-controller': 1.6,
            'socknet-db': 2.6, 'socknet-db-relay': 2.6, 'socknet-mgmt': 2.0}

STATE = """\
mesh: {name: test, prefix: 100.64.0.0/24, interface: nm-privacy,
       default_policy: deny}
nodes:
  h1:
    subnet: 10.0.0.0/24
    lxc:
      containers:
        - {id: "101", veth: veth101, hwaddr: "02:00:00:00:01:01",
           properties: {name: a, ipv4_address: 10.0.0.101/24}}
        - {id: "102", veth: veth102, hwaddr: "02:00:00:00:01:02",
           properties: {name: b, ipv4_address: 10.0.0.102/24}}
acls:
  - {name: ping, action: accept, src: [a], dst: [b], proto: icmp}
"""

CONTAINERS = """
ovs-vsctl --may-exist add-br vmbr0 -- \
    set bridge vmbr0 datapath_type=netdev fail_mode=secure
for n in 1 2; do
    ip netns add c$n
    ip link add veth10$n type veth peer name eth0 \
        address 02:00:00:00:01:0$n netns c$n
    ip link set veth10$n up
    ovs-vsctl --may-exist add-port vmbr0 veth10$n
    ip -n c$n link set eth0 up
    ip -n c$n addr add 10.0.0.10$n/24 dev eth0
done
"""

# Of others, or of the system's own running.
NOT_OURS = re.compile(
    r'^(var/(cache|log/(journal|openvswitch|lastlog|wtmp|btmp)|'
    r'lib/(dpkg|systemd|openvswitch|logrotate|apt|dbus))|'
    r'etc/(openvswitch|machine-id|\.pwd\.lock|ld\.so\.cache|subuid|subgid|'
    r'(passwd|group|shadow|gshadow)-?|\.updated|resolv\.conf)|var/\.updated|'
    r'var/tmp/|root/|etc/systemd/system |etc/hostname)')


@pytest.fixture(scope='module')
def folders(runner, built, tmp_path_factory):
    both = []
    for source in (built.first, built.second):
        to = tmp_path_factory.mktemp('debs')
        for deb in source.glob('*.deb'):
            shutil.copy(deb, to)
        both.append(to)
    return both


@pytest.fixture(scope='module')
def box(runner, folders, tmp_path_factory):
    root = tmp_path_factory.mktemp('box') / 'root'
    debroot.copy_root(runner, root)
    try:
        b = debroot.Box(root, 'h1', tmp_path_factory.mktemp('log') / 'boot',
                        [(folders[0], '/debs'), (folders[1], '/debs2')])
    except debroot.Unavailable as e:
        pytest.skip('no system can be booted here: %s' % e)
    b.before = debroot.files_of(root)
    yield b
    b.destroy()
    shutil.rmtree(root, ignore_errors=True)


class Ping:
    """From container a to b, without an end."""

    def __init__(self, box):
        self.box = box
        box.sh('(ip netns exec c1 ping -q -i 0.05 10.0.0.102 '
               '>/root/ping 2>&1 & echo $! >/root/ping.pid) </dev/null')

    def lost(self):
        time.sleep(0.3)
        out = self.box.sh(
            'kill -INT $(cat /root/ping.pid); '
            'until grep -q transmitted /root/ping; do sleep 0.1; done; '
            'cat /root/ping')
        m = re.search(r'(\d+) packets transmitted, (\d+) received', out)
        assert int(m[1]) > 5, out
        # The last may be on its way.
        return max(int(m[1]) - int(m[2]) - 1, 0)


def main_pid(box, unit):
    pid = int(box.show(unit, 'MainPID'))
    assert pid, box.sh('journalctl --no-pager -n 20 -u ' + unit)
    return pid


def check_well(box, generation=1):
    """Everything is enforced and nothing has failed."""
    box.wait('socknet status --check')
    out = box.sh('systemctl --failed --no-legend')
    assert out == '', out


def test_install(box):
    box.sh('dpkg -i /debs/*.deb')
    for unit in DAEMONS:
        assert box.show(unit, 'ActiveState') == 'active'
        assert box.show(unit, 'NRestarts') == '0'
    assert box.show('socknet-db', 'ActiveState') == 'inactive'
    box.says('socknet-agent', 'no state for node h1 yet, nothing is touched')
    box.says('socknet-controller', 'no bridge, or no switch running')
    assert box.sh('stat -c "%a %U" /etc/socknet/pki') == '700 root\n'
    assert box.sh('systemctl --failed --no-legend') == ''


def test_controller_may_do_nothing(box):
    pid = main_pid(box, 'socknet-controller')
    status = box.sh('cat /proc/%d/status' % pid)
    uid = box.sh('id -u socknet').strip()
    assert re.search(r'^Uid:\s+%s\s+%s\s' % (uid, uid), status, re.M)
    for kind in ('Eff', 'Prm', 'Bnd', 'Amb'):
        assert re.search(r'^Cap%s:\s+0+$' % kind, status, re.M), status


def test_units(box):
    out = box.sh('systemd-analyze verify --man=no %s 2>&1' % ' '.join(UNITS))
    assert out == ''
    for unit, limit in EXPOSURE.items():
        out = box.sh('systemd-analyze security --no-pager %s.service | '
                     'tail -n 1' % unit)
        level = float(re.search(r': ([\d.]+) ', out)[1])
        print('%s: exposure %.1f' % (unit, level))
        assert level <= limit, unit


@pytest.mark.parametrize('unit, port', [('socknet-agent', 6643),
                                        ('socknet-controller', 6644)])
def test_wrong_settings(box, unit, port):
    """Told, and not tried again and again."""
    default = '/etc/default/' + unit
    box.sh('cp -a %s /root/default; echo SOCKNET_DB=ssl:192.0.2.1:%d >>%s'
           % (default, port, default))
    r = box.run('systemctl', 'restart', unit, check=False)
    assert r.returncode != 0
    assert box.show(unit, 'ExecMainStatus') == '78'
    time.sleep(1)
    assert box.show(unit, 'ActiveState') == 'failed'
    journal = box.wait('j=$(journalctl --no-pager -u %s -n 20); echo "$j"; '
                       '[[ $j == *"h1-key.pem: No such file"* ]]' % unit)
    assert 'socknet pki node h1' in journal
    box.sh('mv /root/default %s; systemctl restart %s' % (default, unit))
    assert box.show(unit, 'ActiveState') == 'active'


def test_one_host(box):
    (box.root / 'root/state.yaml').write_text(STATE)
    box.sh(CONTAINERS)
    box.sh('systemctl enable --now socknet-db')
    box.sh('socknet apply /root/state.yaml --wait')
    check_well(box)
    box.sh('ip netns exec c1 ping -c 1 -W 5 10.0.0.102')
    assert box.run('ip', 'netns', 'exec', 'c2', 'ping', '-c', '1', '-W', '1',
                   '10.0.0.101', check=False).returncode == 1
    for unit in DAEMONS:
        assert 'database: connected' in box.wait(
            'systemctl show -P StatusText %s | grep connected' % unit)
    # What people type.
    for unit in DAEMONS:
        assert 'database: connected' in box.sh('ovs-appctl -t %s status'
                                               % unit)


@pytest.mark.parametrize('unit', DAEMONS + ['socknet-db', 'socknet-mgmt'])
def test_killed(box, unit):
    """Comes back by itself; what runs goes on."""
    ping = Ping(box)
    pid = main_pid(box, unit)
    box.sh('kill -9 %d' % pid)
    box.wait('p=$(systemctl show -P MainPID %s); '
             'systemctl is-active -q %s && test $p != 0 && test $p != %d'
             % (unit, unit, pid))
    check_well(box)
    assert ping.lost() == 0


def test_switch_restarted(box):
    """The controller, which may not even connect to it, fills it at once."""
    ping = Ping(box)
    box.sh('systemctl restart ovs-vswitchd')
    box.wait('ip netns exec c1 ping -c 1 -W 1 10.0.0.102')
    check_well(box)
    lost = ping.lost() * 0.05
    print('outage of a restarted switch: %.2f s' % lost)
    assert lost < 10


def test_log_rotation(box):
    for name in ('agent', 'controller', 'db'):
        box.sh('logrotate -f /etc/logrotate.d/socknet-%s' % name)
        log = '/var/log/socknet/socknet-%s.log' % name
        assert 'opened log file' in box.sh('cat ' + log)
        assert box.sh('ls %s.1' % log)


def test_tls(box):
    """Certificates where `socknet pki` puts them; the address is all that is
    to be written.  The keys stay root's alone."""
    box.sh('socknet pki init && socknet pki node h1')
    assert box.sh('stat -c "%a %U" /etc/socknet/pki/h1-key.pem') \
        == '600 root\n'
    box.sh(r"""
sed -i 's|^SOCKNET_DB_OPTS=.*|SOCKNET_DB_OPTS="--pki /etc/socknet/pki '\
'--listen 127.0.0.1"|' /etc/default/socknet-db
echo SOCKNET_DB=ssl:127.0.0.1:6643 >>/etc/default/socknet-agent
echo SOCKNET_DB=ssl:127.0.0.1:6644 >>/etc/default/socknet-controller
systemctl restart socknet-db socknet-agent socknet-controller
""")
    for unit in DAEMONS:
        out = box.wait('ovs-appctl -t %s status | grep database: && '
                       'ss -tn | grep ":664[34]"' % unit)
        assert 'connected' in out
    check_well(box)


def test_upgrade(box):
    """Under traffic; what was edited stays, what carries packets too."""
    before = {u: main_pid(box, u) for u in DAEMONS + ['socknet-db']}
    proxy = main_pid(box, 'socknet-mgmt')
    tunnel = box.sh('pgrep -x wireguard-go')
    ping = Ping(box)
    box.sh('dpkg -i /debs2/*.deb')
    lost = ping.lost()
    for unit, pid in before.items():
        assert main_pid(box, unit) != pid, unit
    assert box.sh("dpkg-query -W -f '${Version}' socknet-agent") == UPGRADE
    assert 'ssl:127.0.0.1:6643' in box.sh('cat /etc/default/socknet-agent')
    check_well(box)
    assert box.sh('pgrep -x wireguard-go') == tunnel
    assert main_pid(box, 'socknet-mgmt') == proxy
    assert lost == 0


def test_reboot(box):
    """The host comes up as it was, also without the database."""
    box.sh('systemctl disable socknet-db')
    box.reboot()
    for unit in DAEMONS:
        assert box.show(unit, 'ActiveState') == 'active'
        status = box.says(unit, 'database: away, working headless since')
        assert ('; generation 1 of 1 in force' in status
                or '1 of 1 bridges as they should be' in status)
    assert box.show('socknet-db', 'ActiveState') == 'inactive'
    box.sh('systemctl enable --now socknet-db')
    box.sh(CONTAINERS)
    box.wait('ip netns exec c1 ping -c 1 -W 1 10.0.0.102')
    check_well(box)


def test_removed(box):
    """The host's network stays, and so does what is precious."""
    ping = Ping(box)
    out = box.sh('dpkg -r socknet-agent socknet-controller')
    assert 'socknet-agent --cleanup' in out
    box.sh('ip netns exec c1 ping -c 1 -W 5 10.0.0.102')
    assert ping.lost() == 0
    box.sh('pgrep -x wireguard-go')
    box.sh('dpkg -r socknet socknet-common')
    assert box.sh('ls /etc/socknet/pki/ca-key.pem /var/lib/socknet/test.key '
                  '/var/lib/socknet/socknet.db /etc/default/socknet-agent')
    assert box.run('pgrep', 'socknet', check=False).returncode == 1


def test_purged(box):
    box.sh('dpkg -P socknet socknet-agent socknet-controller socknet-common')
    left = sorted(f for f in debroot.files_of(box.root) - box.before
                  if not NOT_OURS.match(f))
    assert left == []
    assert box.run('ls', '/run/socknet', check=False).returncode != 0 or \
        box.sh('find /run/socknet -type f -name "*key*"') == ''
