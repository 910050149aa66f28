"""What the RTL tests share: the specs that units are held to, and which simulators there are."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from golden.integer import Overflow
from golden.spec import MvauSpec
from sim.tools import SIMULATORS, ToolError, simulator
from tb import stimulus
from tb.case import Case

WRAP, SATURATE = Overflow.WRAP, Overflow.SATURATE

# Each is here for a reason; both units and both simulators play all of them.
SPECS = {
    "shipped": MvauSpec(64, 10, 5, 8, 8, 8, 16),
    "signed, saturating, odd tree": MvauSpec(20, 9, 3, 5, 4, 4, 10, True, SATURATE),
    "unsigned, saturating": MvauSpec(12, 10, 2, 3, 8, 8, 17, False, SATURATE),
    "one lane, folds only": MvauSpec(9, 9, 1, 1, 5, 3, 9, True, WRAP),
    "no folds": MvauSpec(12, 9, 9, 12, 4, 6, 11, False, WRAP),
    "P one under a product": MvauSpec(8, 12, 4, 2, 8, 8, 15, True, SATURATE),
    "P far under a product": MvauSpec(10, 9, 3, 5, 8, 8, 9, False, WRAP),
    "P far under a signed product": MvauSpec(20, 9, 3, 5, 4, 4, 6, True, SATURATE),
    "signed inputs of one bit": MvauSpec(20, 9, 3, 5, 4, 1, 4, True, WRAP),
    "P a product, seven lanes": MvauSpec(14, 12, 4, 7, 6, 5, 11, False, WRAP),
    "narrowest": MvauSpec(4, 9, 9, 2, 1, 1, 2, False, WRAP),
    "two and three bits": MvauSpec(9, 10, 2, 9, 2, 3, 6, True, WRAP),
    "widest": MvauSpec(4, 10, 2, 2, 16, 16, 64, True, WRAP),
    "wide, and too narrow for it": MvauSpec(6, 10, 2, 3, 16, 16, 33, False, SATURATE),
    "without observers": MvauSpec(8, 10, 2, 4, 8, 8, 14, False, WRAP, False),
}

STALLS = {
    "no stalls": {},
    "input": {"input": "random-50"},
    "weight": {"weight": "bursts-3-5"},
    "output": {"output": "random-70"},
    "all": {"input": "every-3", "weight": "random-30", "output": "bursts-1-4"},
    "late": {"input": "late-20", "weight": "late-9", "output": "late-60"},
}


def adverse_case(
    unit: str, spec: MvauSpec, seed: int = 1, edges_only: bool = False, **others: Any
) -> Case:
    """Return a case of all families, or of the edges alone, against rows hard on ``spec``."""
    if unit == "mac":
        spec = replace(spec, pe=1, simd=1)
    weights, stimuli = stimulus.adverse_layer(spec, np.random.default_rng(seed))
    if edges_only:
        stimuli = tuple(s for s in stimuli if s.family == stimulus.EDGES)
    return Case(unit, spec, "adverse", weights, stimuli, seed=seed, **others)


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
