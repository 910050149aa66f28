"""Bugs planted in the RTL, one line each: the conformance cases must find every one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_bugs import BUGS, STREAM_BUGS, planted
from rtl_suite import SPECS, STALLS, simulators

from sim.cache import SimulationError
from sim.paths import RTL
from sim.run import play_all
from sim.tools import simulator
from tb.stimulus import adverse_case

pytestmark = pytest.mark.sim


HUNTERS = (  # in the order in which all bugs together are found soonest
    "P far under a signed product",
    "bipolar weights and inputs",
    "no folds",
    "P far under a product",
    "signed inputs of one bit",
    "unsigned, saturating",
    "P one under a product",
    "P a product, seven lanes",
)


def test_bugs_are_in_every_file() -> None:
    planted_in = {bug.file for bug in (*BUGS.values(), *STREAM_BUGS.values())}
    assert planted_in == {path.name for path in RTL.glob("*.v")}


@pytest.mark.parametrize("name", BUGS)
def test_planted_bug_is_found(name: str, tmp_path: Path) -> None:
    bug = BUGS[name]
    rtl = planted(bug, tmp_path)
    unit = bug.file.removesuffix(".v") if bug.file in ("mac.v", "vvau.v") else "mvau"
    sim = simulator("icarus" if "icarus" in simulators() else "verilator")
    for hunter in HUNTERS:
        spec = SPECS[hunter]
        cases = [
            adverse_case(unit, spec),
            adverse_case(unit, spec, 2, edges_only=True, stalls=STALLS["all"]),
            adverse_case(unit, spec, 3, edges_only=True, stalls=STALLS["output"]),
            adverse_case(unit, spec, 4, edges_only=True, reset_after=5),
            adverse_case(unit, spec, 5, edges_only=True, reset_after=6, stalls=STALLS["all"]),
            adverse_case(unit, spec, 6, edges_only=True, reset_after=7, stalls=STALLS["all"]),
        ]
        try:
            found = [played.report for played in play_all(cases, sim, rtl=rtl) if played.report]
        except SimulationError:
            found = ["it does not even build"]
        if found:
            print(f"found with {hunter}:\n{found[0]}")
            assert "no outcome" not in found[0], "an engineer must be told what is wrong"
            assert any(bug.says in report for report in found)
            return
    pytest.fail(f"not found: {name}")
