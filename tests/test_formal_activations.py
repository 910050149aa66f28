"""Proofs about threshold.v and its insides: they hold, see planted bugs, say nothing in vain."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from planted_bugs import STREAM_BUGS, planted

from formal import activations, design, solver
from formal.activations import Shape
from formal.claim import LIMIT_S, Claim, Status, prove
from formal.solver import Answer
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
BUGS = [name for name, bug in STREAM_BUGS.items() if bug.file in SHAPES]


def _about(file: str) -> list[Claim]:
    """Return the claims that ``file`` is a part of."""
    claims = activations.claims(SHAPES[file])
    return [claim for claim in claims if RTL / file in claim.design.files().values()]


def _asserts(text: str) -> list[tuple[int, int]]:
    """Return where the condition of each assert begins and ends, its parentheses left out."""
    places = []
    for found in re.finditer(r"\bassert \(", text):
        depth, end = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        places.append((found.end(), end - 1))
    return places


def _negated(file: str, which: int, folder: Path) -> Path:
    """Return a copy of the properties, below ``folder``, with one assert the other way round."""
    properties = Path(shutil.copytree(design.PROPERTIES, folder / "properties"))
    text = (properties / file).read_text(encoding="utf-8")
    begin, end = _asserts(text)[which]
    (properties / file).write_text(f"{text[:begin]}!({text[begin:end]}){text[end:]}", "utf-8")
    return properties


def _each_assert() -> list[tuple[str, int]]:
    return [
        (file, which)
        for file in ("prove_stage.v", "prove_threshold.v")
        for which in range(len(_asserts((design.PROPERTIES / file).read_text(encoding="utf-8"))))
    ]


def _fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


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


@pytest.mark.parametrize(("file", "which"), _each_assert())
def test_no_assert_holds_the_other_way_round(
    file: str, which: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(design, "PROPERTIES", _negated(file, which, tmp_path))
    for claim in activations.claims((ONE_ROW, PARALLEL)):
        if f"{claim.design.top}.v" == file:
            model = claim.design.write(_fresh(tmp_path / claim.slug))
            if solver.always(model, claim.depth, solver.SOLVERS[0], LIMIT_S).answer == Answer.NO:
                return
    pytest.fail("it holds as well, so it says nothing")
