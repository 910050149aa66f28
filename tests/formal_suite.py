"""What tests of proofs share: property files in which one assertion says the contrary."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from formal import solver
from formal.claim import LIMIT_S, Claim
from formal.design import PROPERTIES
from formal.solver import Answer

_ASSERT = re.compile(r"\bassert \(")


def assertions(*modules: str) -> list[tuple[str, int]]:
    """Return the assertions of property modules, as module and number."""
    found = [
        (module, number)
        for module in modules
        for number, _ in enumerate(_ASSERT.finditer(_text(PROPERTIES / f"{module}.v")))
    ]
    assert {module for module, _ in found} == set(modules), "each must assert something"
    return found


def require_refuted_if_negated(
    claim: Claim, module: str, number: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negate an assertion of a copy of the properties, and require that its claim fails there."""
    assert is_refuted_if_negated(claim, module, number, folder, monkeypatch), "it says nothing"


def is_refuted_if_negated(
    claim: Claim, module: str, number: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> bool:
    """Whether a claim fails, at that very place, where an assertion says the contrary."""
    properties = Path(shutil.copytree(PROPERTIES, folder / "properties", dirs_exist_ok=True))
    path = properties / f"{module}.v"
    text, line = _negated(_text(PROPERTIES / f"{module}.v"), number)
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr("formal.design.PROPERTIES", properties)
    work = folder / claim.slug
    work.mkdir()
    model = claim.design.write(work)
    said = solver.always(model, claim.depth if claim.cycles else 1, solver.SOLVERS[0], LIMIT_S)
    return said.answer == Answer.NO and f"{module}.v:{line}" in said.places


def _negated(source: str, number: int) -> tuple[str, int]:
    """Return a property file with one assertion negated, and the line of that."""
    start = list(_ASSERT.finditer(source))[number].end()
    end, depth = start, 1
    while depth:
        depth += {"(": 1, ")": -1}.get(source[end], 0)
        end += 1
    text = f"{source[:start]}!({source[start : end - 1]}){source[end - 1 :]}"
    return text, source.count("\n", 0, start) + 1


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
