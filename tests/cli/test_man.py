"""socknet(1) says what the help says."""

import re
import subprocess


def man_text(srcdir):
    r = subprocess.run(
        ['man', '-l', '--warnings', str(srcdir / 'docs/socknet.1')],
        capture_output=True, text=True, timeout=30,
        env={'MANWIDTH': '200', 'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'})
    assert r.stderr == ''
    return r.stdout


def test_every_command_and_option(socknet, srcdir):
    overview = socknet('--help').ok().out
    text = man_text(srcdir)
    texts = [overview]
    for name in re.findall(r'^  ([a-z]+)  +\S', overview, re.M):
        assert re.search(rf'^ +{name}\b', text, re.M), name
        texts.append(socknet(name, '--help').ok().out)
    for help_ in texts:
        for option in re.findall(r'(?<!\S)\[?(--[a-z-]+)', help_):
            assert option in text, option
