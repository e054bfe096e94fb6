"""Each header compiles alone, after OVS's <config.h>."""

import concurrent.futures
import os
import shlex
import subprocess

import pytest

FOLDERS = ('lib', 'state', 'ovsdb-sync', 'flows', 'controller', 'agent',
           'cli')


def fault(builddir, header):
    p = subprocess.run(
        shlex.split(os.environ['SOCKNET_COMPILE'])
        + ['-fsyntax-only', '-O0', '-U_FORTIFY_SOURCE', '-include',
           'config.h', '-x', 'c', '-'],
        input='#include "%s"\nint x;\n' % header, text=True, cwd=builddir,
        capture_output=True, timeout=180)
    return p.stderr


def test_headers_are_self_contained(srcdir, builddir):
    if 'SOCKNET_COMPILE' not in os.environ:
        pytest.skip('make check says how to compile')
    headers = [h.relative_to(srcdir) for d in FOLDERS
               for h in sorted((srcdir / d).glob('*.h'))]
    assert len(headers) > 10
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = list(pool.map(lambda h: fault(builddir, h), headers))
    assert ''.join(faults) == ''


def test_fault_is_found(builddir, tmp_path):
    if 'SOCKNET_COMPILE' not in os.environ:
        pytest.skip('make check says how to compile')
    (tmp_path / 'f.h').write_text('void f(struct unknown *, some_type);\n')
    assert 'some_type' in fault(builddir, tmp_path / 'f.h')
