"""What the RTL tests share: the specs that units are held to, and which simulators there are."""

from __future__ import annotations

import os

import pytest

from golden.integer import Overflow
from sim.regress import suites
from sim.tools import SIMULATORS, ToolError, simulator

WRAP, SATURATE = Overflow.WRAP, Overflow.SATURATE

SPECS = suites.specs()  # both units and both simulators play all of them

STALLS = {
    "no stalls": {},
    "input": {"input": "random-50"},
    "weight": {"weight": "bursts-3-5"},
    "output": {"output": "random-70"},
    "all": {"input": "every-3", "weight": "random-30", "output": "bursts-1-4"},
    "late": {"input": "late-20", "weight": "late-9", "output": "late-60"},
}


def missing_simulators() -> dict[str, str]:
    """Return the simulators that can not be used here, each with the reason."""
    missing = {}
    for name in SIMULATORS:
        try:
            simulator(name)
        except ToolError as error:
            missing[name] = str(error)
    return missing


def simulators() -> list[str]:
    """Return the simulators to test on: Verilator always, Icarus where it is installed.

    Where CI is set every simulator must be there.
    """
    missing = missing_simulators()
    if "verilator" in missing or (missing and os.environ.get("CI")):
        pytest.exit(f"no tests without all simulators: {missing}", returncode=2)
    return [name for name in SIMULATORS if name not in missing]
