"""Proofs about threshold.v and its insides: they hold, see planted bugs, say nothing in vain."""

from __future__ import annotations

from pathlib import Path

import pytest
from formal_suite import assertions, is_refuted_if_negated
from planted_bugs import STREAM_BUGS, planted

from formal import activations
from formal.activations import Shape
from formal.claim import Claim, Status, prove
from sim.paths import RTL

# Small, and together enough to see each of the bugs of a file; the quickest first.
ONE_ROW = Shape(mh=1, pe=1, acc_bits=2, output_bits=2, signed_output=1, search=1)
PARALLEL = Shape(mh=2, pe=1, acc_bits=2, output_bits=1, signed_output=1, search=0)
TWO_ROWS = Shape(mh=2, pe=1, acc_bits=2, output_bits=2, signed_output=0, search=1)
SHAPES = {
    "threshold.v": (PARALLEL, ONE_ROW),
    "threshold_parallel.v": (PARALLEL,),
    "threshold_search.v": (ONE_ROW, TWO_ROWS),
    "threshold_stage.v": (TWO_ROWS,),
}
pytestmark = pytest.mark.sim

BUGS = [name for name, bug in STREAM_BUGS.items() if bug.file in SHAPES]


def _about(file: str) -> list[Claim]:
    """Return the claims that ``file`` is a part of."""
    claims = activations.claims(SHAPES[file])
    return [claim for claim in claims if RTL / file in claim.design.files().values()]


@pytest.mark.parametrize("claim", activations.claims(), ids=lambda claim: claim.name)
def test_claim_is_proved(claim: Claim) -> None:
    evidence = prove(claim)
    assert evidence.status == Status.PROVED, evidence.why


@pytest.mark.parametrize("shape", activations.SHAPES, ids=str)
def test_the_promise_that_a_claim_assumes_is_the_guarantee_of_others(shape: Shape) -> None:
    unit, *stages = activations.claims([shape])
    assert len(stages) == shape.search * shape.output_bits
    assert ("stage_promise" in unit.assumes) == (shape.search == 1)
    assert all("stage_promise" in stage.guarantees for stage in stages)


@pytest.mark.parametrize("name", BUGS)
def test_planted_bug_is_refuted(name: str, tmp_path: Path) -> None:
    bug = STREAM_BUGS[name]
    rtl = planted(bug, tmp_path)
    claims = _about(bug.file)
    assert any(prove(claim, rtl=rtl).status == Status.REFUTED for claim in claims)


@pytest.mark.parametrize(("module", "number"), assertions("prove_stage", "prove_threshold"))
def test_no_assert_holds_the_other_way_round(
    module: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = activations.claims((ONE_ROW, PARALLEL))
    about = [claim for claim in claims if claim.design.top == module]
    assert any(
        is_refuted_if_negated(claim, module, number, tmp_path, monkeypatch) for claim in about
    )
