"""Proofs against mutants: no claim holds of RTL that an edit made another."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest

from formal import activations, arithmetic, control, movers
from formal.claim import Claim, Status, prove
from sim.mutants import equivalence
from sim.mutants.edits import Mutant, mutants, static_asserts
from sim.paths import RTL

pytestmark = pytest.mark.sim

MODULES = (
    "dot", "fifo", "mac", "mvau", "pe", "replay_buffer", "skid_buffer", "threshold",
    "threshold_parallel", "threshold_search", "threshold_stage",
)  # fmt: skip
ALWAYS = 83  # each of so many is always tried, all others on demand


@cache
def claims_about(module: str) -> list[Claim]:
    """Return what is claimed of units that have the module inside, as it is."""
    every = [*movers.claims(), *activations.claims()]
    for spec in control.SPECS:
        every += [*control.claims(spec), *arithmetic.claims(spec)]
    named = {claim.name: claim for claim in every}
    return [claim for claim in named.values() if claim.design.files().get(module) in RTL.iterdir()]


def edits() -> list[object]:
    """Return mutants that change what a unit does where its parameters are legal."""
    found: list[object] = []
    number = 0
    for module in MODULES:
        source = (RTL / f"{module}.v").read_text(encoding="utf-8")
        asserts = [(source.index(text), len(text)) for text in static_asserts(source)]
        for mutant in mutants(source):
            if not any(start <= mutant.start < start + length for start, length in asserts):
                number += 1
                marks = [] if number % ALWAYS == 0 else [pytest.mark.exhaustive]
                found.append(pytest.param(mutant, id=mutant.id, marks=marks))
    return found


@pytest.mark.parametrize("mutant", edits())
def test_a_mutant_is_not_proved(mutant: Mutant, tmp_path: Path) -> None:
    rtl = Path(shutil.copytree(RTL, tmp_path / "rtl"))
    path = rtl / f"{mutant.module}.v"
    mutated = mutant.mutated(path.read_text(encoding="utf-8"))
    path.write_text(mutated, encoding="utf-8")
    claims = claims_about(mutant.module)
    assert len(claims) >= 3
    if all(prove(claim, rtl, limit_s=30).status == Status.PROVED for claim in claims):
        said = equivalence.prove(mutant.module, mutated)
        assert said.fate == equivalence.Fate.EQUIVALENT, f"proved: {mutant.says}; {said.sentence}"
