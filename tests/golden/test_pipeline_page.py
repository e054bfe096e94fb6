"""docs/pipeline.md says what the registries and a real switch say."""

import shutil
import subprocess

import pytest


def test_page_is_up_to_date(builddir, srcdir):
    if not shutil.which('ovs-vswitchd'):
        pytest.skip('needs ovs-vswitchd')
    done = subprocess.run([str(srcdir / 'docs/update-pipeline'),
                           str(builddir), '--check'],
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
