"""Fixtures that every Python test may use."""

import os
import pathlib

import pytest


@pytest.fixture(scope='session')
def srcdir():
    """The top of the source tree."""
    default = pathlib.Path(__file__).resolve().parent.parent
    return pathlib.Path(os.environ.get('SOCKNET_SRCDIR', default))


@pytest.fixture(scope='session')
def builddir():
    """The top of the build tree; its programs are first on PATH."""
    return pathlib.Path(os.environ['SOCKNET_BUILDDIR'])
