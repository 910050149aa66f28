"""Builds of the smallest unit there is, for the tests of builds and runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sim import build as builds
from sim import cache
from sim.build import Build
from sim.tools import simulator

HERE = Path(__file__).parent
RTL = HERE / "rtl"
MODULE = "one_flop_tests"
MODULE_ENV = {"PYTHONPATH": str(HERE / "sim_modules")}


def session_folder(factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of this test run share, apart from the user's."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "build"


def one_flop(simulator_name: str, width: int, folder: Path) -> Build:
    """Return a build of one_flop below ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "BUILD", folder)
        return builds.build("one_flop", {"WIDTH": width}, simulator(simulator_name), rtl=RTL)
