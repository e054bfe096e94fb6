"""Each fuzz target replays its seeds: crashes once found stay fixed."""

import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
TOP = HERE.parents[1]
STATES = sorted(p for d in ('examples', 'tests')
                for p in (TOP / d).rglob('*.yaml'))
SEEDS = sorted(p for p in (HERE / 'seeds').glob('*/*') if p.is_file())


@pytest.mark.parametrize('seed', SEEDS,
                         ids=lambda p: '%s-%s' % (p.parent.name, p.name))
def test_seed(builddir, seed):
    target = builddir / 'tests/fuzz' / ('fuzz-' + seed.parent.name)
    # The fuzzer's own main() takes a file to replay as well.
    r = subprocess.run([target, seed], text=True, errors='replace',
                       capture_output=True, timeout=180)
    assert r.returncode == 0, r.stderr[-4000:]


# The fuzzer starts from them; what they break need not wait for it.
@pytest.mark.parametrize('name', ['compile', 'state'])
def test_state_files(builddir, name):
    assert len(STATES) > 20
    r = subprocess.run([builddir / 'tests/fuzz' / ('fuzz-' + name), *STATES],
                       text=True, errors='replace', capture_output=True,
                       timeout=300)
    assert r.returncode == 0, r.stderr[-4000:]
