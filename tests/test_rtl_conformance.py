"""RTL = golden model, bit for bit, on every named spec, in every way that streams can behave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from planted_bugs import unreset
from rtl_suite import SPECS, STALLS, simulators

from golden import bounds, mvau
from golden.spec import MvauSpec
from sim import batch
from sim.build import build
from sim.run import play, play_all, simulate
from sim.tools import Simulator, simulator
from tb.case import UNITS, Case
from tb.stimulus import adverse_case

pytestmark = pytest.mark.sim

EXHAUSTIVE = pytest.mark.exhaustive
WIDE = "wide tree, binary inputs"
THOROUGH = ("signed, saturating, odd tree", "no folds")
RESETS = (0, 1, 2, 5, 6, 7, 9)  # cycles: before and after the first beats and the first folds


MOST_BEATS = 20_000  # of a case with all families; of longer ones the edges are played


def cases_of(unit: str, name: str) -> list[Case]:
    """All families on every spec; on two of them, of the mac on one, all stalls and resets."""
    whole = adverse_case(unit, SPECS[name])
    is_long = whole.vector_count * whole.spec.total_fold > MOST_BEATS
    cases = [adverse_case(unit, SPECS[name], edges_only=True) if is_long else whole]
    if name in THOROUGH[: 1 if unit == "mac" else 2]:  # it knows no folds
        cases += [
            adverse_case(unit, SPECS[name], seed, edges_only=True, stalls=stalls)
            for seed, stalls in enumerate(STALLS.values(), start=2)
        ]
        cases += [
            adverse_case(
                unit, SPECS[name], edges_only=True, stalls=STALLS[stalls], reset_after=cycles
            )
            for stalls in ("no stalls", "all")
            for cycles in RESETS
        ]
    return cases


# A mac has neither lanes nor folds: of a spec that is there for its many it would play one after
# the other for half a minute. Suite full of the regressions does so.
# Each other spec is played by one unit on Verilator and by the next one on Icarus, the spec after
# it begins with the next unit; what that leaves out is played on demand.
PLAYS = [
    pytest.param(
        unit, name, simulator(sim), id=f"{sim}-{unit}-{name}",
        marks=[] if name in THOROUGH or (row + turn) % len(UNITS) == place else EXHAUSTIVE,
    )
    for turn, sim in enumerate(simulators())
    for row, name in enumerate(SPECS)
    for place, unit in enumerate(UNITS)
    if (unit, name) != ("mac", WIDE)
]  # fmt: skip


@pytest.mark.parametrize(("unit", "name", "sim"), PLAYS)
def test_rtl_equals_golden_model(unit: str, name: str, sim: Simulator) -> None:
    for played in play_all(cases_of(unit, name), sim):
        assert played.passed, played.report
        case, outcome = played.case, played.outcome
        trace = mvau.run(case.spec, case.weights, case.vectors, case.depthwise)
        np.testing.assert_array_equal(outcome.out, trace.out, err_msg=case.id)
        np.testing.assert_array_equal(outcome.overflow, trace.overflow & case.spec.observe)
        at_once = batch.load(case.spec, unit).run(case)
        np.testing.assert_array_equal(at_once.out, outcome.out, err_msg=case.id)
        np.testing.assert_array_equal(at_once.overflow, outcome.overflow, err_msg=case.id)
        if set(case.stalls.values()) == {"never"} and case.reset_after is None:
            # One beat a cycle, vectors back to back; only the latency of the pipe is added:
            # release of reset to first beat, last beat to result, result to its transfer.
            beats = len(case.vectors) * case.spec.total_fold
            assert at_once.cycles == beats + 1
            assert played.cycles <= beats + 3


@pytest.mark.parametrize("unit", ["mvau", "vvau"])
@pytest.mark.parametrize("name", SPECS)
def test_adverse_cases_are_what_they_promise(unit: str, name: str) -> None:
    """Sums at both ends and one past them, rows on both sides of the exact range."""
    case = adverse_case(unit, SPECS[name])
    spec = case.spec
    if name in ("widest", "one by one"):  # no row can leave P: here the widths are the corner
        assert bounds.layer_bits(case.weights, spec.inputs) <= spec.acc_bits
        return
    bits = bounds.row_bits(case.weights, spec.inputs)
    assert spec.acc_bits < max(bits)
    if not spec.bipolar_weight:  # without zeros no row is narrow enough
        assert min(bits) <= spec.acc_bits
    exact = mvau.matvec(case.weights, case.vectors, case.depthwise)
    reach = {spec.acc.maximum, spec.acc.maximum + 1, spec.acc.minimum, spec.acc.minimum - 1}
    if spec.bipolar_weight and spec.bipolar_input:  # as many odd products as there are inputs
        reach = {end for end in reach if (end - spec.mw) % 2 == 0}
    if name != "narrowest":  # its sums are never positive
        assert reach <= set(exact.ravel().tolist())
    trace = mvau.run(spec, case.weights, case.vectors, case.depthwise)
    assert trace.overflow.any()
    assert not trace.overflow.all()
    if name != "narrowest":  # weights of 0 and -1, inputs of 0 and 1: no way home
        assert trace.transient.any()


def test_a_build_of_another_spec_is_refused(tmp_path: Path) -> None:
    case = adverse_case("mac", SPECS["no folds"], edges_only=True)
    case.save(tmp_path / "case.json")
    parameters = case.spec.verilog_parameters("mac") | {"ACC_BITS": 13}
    built = build("mac", parameters, simulator(simulators()[-1]))
    env = {"A2Q_CASES": json.dumps([str(tmp_path)])}
    faults = simulate(built, "tb.mvau_tests", ["plays_case/index=0"], tmp_path, env, seed=1)
    assert any("the build has ACC_BITS=13, the case wants 11" in fault for fault in faults)


def test_a_reset_cuts_in_in_the_same_cycle_everywhere(tmp_path: Path) -> None:
    """Of a unit whose beats are counted on over a reset, to the length of its dot products."""
    spec = MvauSpec(20, 4, 1, 5, 4, 4, 12)
    rtl = unreset("replay_buffer.v", "beat_q", tmp_path)
    for cycles in (0, 1, 3, 4, 5):
        case = adverse_case("mvau", spec, edges_only=True, reset_after=cycles)
        is_unharmed = cycles % spec.sf == 0
        assert batch.play(case, rtl).passed == is_unharmed
        assert play(case, simulator("verilator"), rtl=rtl).passed == is_unharmed
