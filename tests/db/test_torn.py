"""The database's file after a host or a server died while it wrote."""

import os
import signal

import pytest

STATE = """\
mesh: {name: m, prefix: 100.64.0.0/24, interface: nm}
nodes:
  n1: {endpoint: 198.51.100.11, subnet: 10.0.%d.0/24}
"""


@pytest.fixture
def written(served, tmp_path):
    """The file after two applies, and where the last record begins."""
    state = tmp_path / 'state.yaml'
    for subnet in 1, 2:
        state.write_text(STATE % subnet)
        served.socknet('apply', state).ok()
    served.stop(signal.SIGKILL)
    data = served.file.read_bytes()
    return data, data.rindex(b'\nOVSDB JSON ') + 1


def subnet(site):
    (row,) = site.rows('Node')
    return str(row)


@pytest.mark.parametrize('keep', (1, 30, 70, -1))
def test_cut_off(served, written, keep):
    """In the header, after it, and one byte too few."""
    data, last = written
    end = last + keep if keep > 0 else len(data) + keep
    served.file.write_bytes(data[:end])
    r = served.serve().ok()
    assert f'removed {end - last} bytes' in r.err
    assert '10.0.1.0' in subnet(served)
    served.stop()
    assert 'removed' not in served.serve().ok().err


def test_right_length_but_not_the_data(served, written):
    data, last = written
    served.file.write_bytes(data[:-40] + bytes(40))
    r = served.serve().ok()
    assert f'removed {len(data) - last} bytes' in r.err


def test_whole(served, written):
    assert 'removed' not in served.serve().ok().err
    assert '10.0.2.0' in subnet(served)


def test_damage_elsewhere_is_left_alone(served, written):
    data, last = written
    damaged = bytearray(data)
    damaged[last - 20] ^= 1
    served.file.write_bytes(damaged)
    r = served.serve()
    assert r.code == 1 and str(served.file) in r.err
    assert served.file.read_bytes() == damaged


def test_open_file_is_left_alone(served, tmp_path):
    """What looks torn may be being written."""
    size = os.path.getsize(served.file)
    with open(served.file, 'ab') as f:
        f.write(b'OVSDB JSON 100 ')
    assert served.serve().code == 1
    assert os.path.getsize(served.file) == size + 15
