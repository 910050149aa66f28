"""Builds of the smallest unit there is, for the tests of builds and runs."""

from __future__ import annotations

from pathlib import Path

from sim.build import Build, build
from sim.tools import simulator

HERE = Path(__file__).parent
RTL = HERE / "rtl"
MODULE = "one_flop_tests"
MODULE_ENV = {"PYTHONPATH": str(HERE / "sim_modules")}


def one_flop(simulator_name: str, width: int) -> Build:
    """Return a build of one_flop."""
    return build("one_flop", {"WIDTH": width}, simulator(simulator_name), rtl=RTL)
