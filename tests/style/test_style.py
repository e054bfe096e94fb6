"""The tree keeps the house style, and the check that says so can fail."""

import subprocess

import pytest


def style_check(srcdir, *files, cwd=None):
    return subprocess.run([srcdir / 'build-aux/style-check', *files],
                          cwd=cwd, text=True, capture_output=True,
                          timeout=120)


def test_tree(srcdir):
    r = style_check(srcdir)
    assert r.stdout == ''
    assert r.returncode == 0, r.stderr


LONG_FUNCTION = ('#include <config.h>\nint\nf(void)\n{\n'
                 + '    f();\n' * 100 + '    return 0;\n}\n')

FAULTY = [
    ('#include <config.h>\nint x; /* ' + 70 * 'y' + ' */\n', 'f.c:2: 83 col'),
    ('#include <config.h>\n\tint x;\n', 'f.c:2: tab'),
    ('#include <config.h>\nint x; \n', 'f.c:2: trailing blank'),
    ('#include <config.h>\n/* TO' 'DO */\n', 'f.c:2: "TO'),
    ('#include <stdio.h>\n#include <config.h>\n', 'f.c:1: the first include'),
    ('#include <config.h>\n' * 601, 'f.c:601: 601 lines'),
    (LONG_FUNCTION, 'f.c:3: f() has 104 lines'),
]


@pytest.mark.parametrize('text,fault', FAULTY)
def test_fault_is_found(srcdir, tmp_path, text, fault):
    (tmp_path / 'f.c').write_text(text)
    r = style_check(srcdir, 'f.c', cwd=tmp_path)
    assert r.returncode == 1
    assert r.stdout.startswith(fault)
    assert len(r.stdout.splitlines()) == 1


def test_good_file_passes(srcdir, tmp_path):
    (tmp_path / 'f.c').write_text('#include <config.h>\nint x;\n')
    r = style_check(srcdir, 'f.c', cwd=tmp_path)
    assert (r.returncode, r.stdout) == (0, '')
