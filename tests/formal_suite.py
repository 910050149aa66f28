"""What tests of proofs share: property files in which one assertion says the contrary."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from formal.claim import Claim, Evidence, Status, prove
from formal.design import PROPERTIES

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
) -> Evidence:
    """Negate an assertion of a copy of the properties, and require that its claim fails there."""
    properties = Path(shutil.copytree(PROPERTIES, folder / "properties"))
    path = properties / f"{module}.v"
    text, line = _negated(_text(path), number)
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr("formal.design.PROPERTIES", properties)
    if claim.cycles is not None:
        claim = replace(claim, cycles=claim.depth)  # so that all its cycles are looked at first
    evidence = prove(claim)
    assert evidence.status == Status.REFUTED, evidence.why
    assert f"{module}.v:{line}" in evidence.places
    return evidence


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
