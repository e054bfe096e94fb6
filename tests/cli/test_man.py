"""The manual pages say what the help says."""

import re
import subprocess

import pytest

from test_help import commands


def man_text(srcdir, page='socknet.1'):
    r = subprocess.run(
        ['man', '-l', '--warnings', str(srcdir / 'docs' / page)],
        capture_output=True, text=True, timeout=60,
        env={'MANWIDTH': '200', 'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'})
    assert r.stderr == ''
    return r.stdout


def test_every_command_and_option(socknet, srcdir):
    overview = socknet('--help').ok().out
    text = man_text(srcdir)
    texts = [overview]
    for name in commands(socknet):
        assert re.search(rf'^ +{name}\b', text, re.M), name
        texts.append(socknet(name, '--help').ok().out)
    for help_ in texts:
        for option in re.findall(r'(?<!\S)\[?(--[a-z-]+)', help_):
            assert option in text, option


@pytest.mark.parametrize('program, page', [
    ('controller/socknet-controller', 'socknet-controller.8'),
    ('agent/socknet-agent', 'socknet-agent.8'),
    ('agent/socknet-relay', 'socknet-relay.8'),
])
def test_daemons_options(srcdir, builddir, program, page):
    """All options of their own: those of OVS's daemons are described there."""
    text = man_text(srcdir, page)
    help_ = subprocess.run([str(builddir / program), '--help'], text=True,
                           capture_output=True, timeout=60).stdout
    own = set(re.findall(r'^  (--[a-z-]+)', help_, re.M))
    ovs = {'--detach', '--no-chdir', '--pidfile', '--overwrite-pidfile',
           '--syslog-target', '--log-file', '--verbose', '--bootstrap-ca-cert',
           '--monitor', '--user', '--peer-ca-cert', '--ssl-protocols',
           '--ssl-ciphers', '--no-self-confinement', '--syslog-method'}
    for option in own - ovs:
        assert option in text, option
