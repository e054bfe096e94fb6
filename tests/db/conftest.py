"""A central database of its own for each test."""

import pytest

from dbsite import STATE, Site


@pytest.fixture
def site(builddir, tmp_path):
    site = Site(builddir / 'cli/socknet', tmp_path)
    yield site
    site.stop()


@pytest.fixture
def served(site):
    """A site whose database is being served on this host only."""
    site.serve().ok()
    return site


@pytest.fixture
def state(tmp_path):
    path = tmp_path / 'state.yaml'
    path.write_text(STATE)
    return path
