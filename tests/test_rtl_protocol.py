"""The protocol of the streams, explored by hypothesis inside one simulation of a unit.

A2Q_SEED plays other examples; what is found stays in build/tests/failures, to be played again.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from planted_bugs import BUGS, Bug, planted
from rtl_suite import SPECS, simulators

from sim.build import build
from sim.paths import BUILD, RTL, shown
from sim.run import play, simulate
from sim.tools import simulator
from tb.case import Case

pytestmark = pytest.mark.sim

EXAMPLES = 5000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 100
SEED = int(os.environ.get("A2Q_SEED", "1"))

UNITS = {
    "mvau": SPECS["signed, saturating, odd tree"],
    "mvau without folds": SPECS["no folds"],
    "vvau": SPECS["signed, saturating, odd tree"],
    "mac": replace(SPECS["signed, saturating, odd tree"], mw=4, mh=3, pe=1, simd=1),
}

# Bugs in how the streams move, and the unit that shows them.
PLANTED = {
    "valid dropped under backpressure": "mvau",
    "output survives a reset": "mvau",
    "reset ignored by a beat that comes in": "mvau",
    "skid beat lost": "mvau",
    "data not held under backpressure": "mvau",
    "replay position survives a reset": "mvau",
    "stalled weights eat a beat": "mvau",
    "weights taken before the inputs": "mvau",
    "result pushed without room": "mvau",
    "reset ignored by a replay": "mvau",
    "reset ignored by a moving beat": "mvau",
    "first beat forgotten by reset": "mvau",
    "tlast with the first fold": "mvau",
    "inputs taken without weights": "mac",
    "channel fold survives a reset": "vvau",
    "channels taken without weights": "vvau",
}

# One needs a stall, the other a reset, and spoils the examples after it.
ALWAYS = ("valid dropped under backpressure", "output survives a reset")

# In all resets of a case operands are on offer.
CALM_RESET = Bug("replay_buffer.v", "if (rst) begin", "if (rst & s_axis_tvalid) begin")


class Explored(NamedTuple):
    """What a search came to."""

    faults: list[str]
    found: dict[str, Any]  # as tb.protocol_tests.Search has it
    case: Path  # of the smallest failure; no file if nothing was found

    @property
    def told(self) -> str:
        """What an engineer must know of a failure."""
        again = (
            f"make repro CASE={shown(self.case)}"
            if self.found["is_a_case"]
            else "no case file has resets like these; the same A2Q_SEED finds them again"
        )
        return "\n".join([*self.faults, self.found["failure"], again])


def explore(
    name: str,
    sim: str,
    folder: Path,
    rtl: Path = RTL,
    examples: int = EXAMPLES,
    seed: int = SEED,
) -> Explored:
    unit, spec = name.split()[0], UNITS[name]
    built = build(unit, spec.verilog_parameters(unit), simulator(sim), rtl=rtl)
    env = {
        "A2Q_HOME": str(folder), "A2Q_UNIT": unit, "A2Q_SPEC": json.dumps(spec.to_json()),
        "A2Q_EXAMPLES": str(examples), "A2Q_SEED": str(seed),
    }  # fmt: skip
    faults = simulate(
        built, "tb.protocol_tests", ["explores"], folder, env, seed, limit_s=300 + examples
    )
    if not (folder / "found.json").exists():
        pytest.fail(f"nothing was explored: {faults}")
    found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    case = folder / "case.json"
    if found["is_a_case"]:
        kept = BUILD / "failures" / f"{Case.load(case).id}-protocol" / case.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        case = shutil.copy(case, kept)
    return Explored(faults, found, case)


@pytest.mark.parametrize("sim", simulators())
@pytest.mark.parametrize("name", UNITS)
def test_no_stall_and_no_reset_changes_a_result(name: str, sim: str, tmp_path: Path) -> None:
    explored = explore(name, sim, tmp_path)
    print(explored.found)
    assert explored.faults == [], explored.told
    assert explored.found["examples"] >= EXAMPLES


# On Verilator: four-state simulators see at power-on already what no reset reaches.


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ALWAYS else pytest.mark.exhaustive)
        for name in PLANTED
    ],
)
def test_planted_bug_is_found_and_shrunk(name: str, tmp_path: Path) -> None:
    rtl = planted(BUGS[name], tmp_path)
    explored = explore(PLANTED[name], "verilator", tmp_path, rtl, max(EXAMPLES, 300))
    print(f"{explored.found['examples']} examples in all\n{explored.told}")
    assert explored.faults == [f"explores: found after {explored.found['needed']} examples"]
    assert explored.found["is_a_case"]
    case = Case.load(explored.case)
    assert len(case.vectors) <= 2
    assert sum(pattern != "never" for pattern in case.stalls.values()) <= 1
    assert not play(case, simulator("verilator"), rtl=rtl).passed
    assert play(case, simulator("verilator")).passed


@pytest.mark.exhaustive
def test_what_no_case_can_hold_is_told_in_words(tmp_path: Path) -> None:
    rtl = planted(CALM_RESET, tmp_path)
    explored = explore("mvau", "verilator", tmp_path, rtl, max(EXAMPLES, 300))
    print(explored.told)
    assert not explored.found["is_a_case"]
    assert "1, nothing on offer" in explored.told
    assert "no case file" in explored.told


def test_a_search_that_tried_too_little_is_no_pass(tmp_path: Path) -> None:
    (fault,) = explore("mac", simulators()[-1], tmp_path, examples=1).faults
    assert fault.startswith("explores: 1 examples had no stalls on input, no stalls on weight")


def test_a_search_that_tried_nothing_is_no_pass(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"nothing was explored: .* max_examples=0"):
        explore("mac", simulators()[-1], tmp_path, examples=0)


def test_a_search_can_be_repeated(tmp_path: Path) -> None:
    def seen(folder: str, seed: int) -> dict[str, int]:
        (tmp_path / folder).mkdir()
        explored = explore("mac", simulators()[-1], tmp_path / folder, examples=30, seed=seed)
        seen: dict[str, int] = explored.found["seen"]
        return seen

    assert seen("once", 7) == seen("twice", 7) != seen("other", 8)
