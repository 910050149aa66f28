"""Proofs about the units that move beats: they hold, and they hold for the right RTL alone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from planted_bugs import BUGS, RESET_BUGS, STREAM_BUGS, Bug, planted

import formal.design
from formal import movers
from formal.claim import Claim, Status, prove
from formal.design import PROPERTIES

pytestmark = pytest.mark.sim

# The least shapes that show every bug: a fifo of 3 does not fill its address, a vector has a middle.
SMALL = {
    "skid_buffer": movers.skid_buffer(2),
    "fifo": movers.fifo(2, 3),
    "replay_buffer": movers.replay_buffer(2, 3, 2),
}
PLANTED = {
    says: bug
    for bugs in (BUGS, RESET_BUGS, STREAM_BUGS)
    for says, bug in bugs.items()
    if Path(bug.file).stem in SMALL
}
_ASSERT = re.compile(r"\bassert \((.*)\);")


def asserts() -> list[tuple[str, str, int]]:
    """Return unit, property file and line of each assertion that the claims are made of."""
    return [
        (unit, file, number)
        for unit in SMALL
        for file in (f"prove_{unit}.v", "stream_rules.v")
        for number, line in enumerate((PROPERTIES / file).read_text("utf-8").splitlines(), 1)
        if _ASSERT.search(line)
    ]


@pytest.mark.parametrize("claim", movers.claims(), ids=lambda claim: claim.slug)
def test_it_is_proved(claim: Claim) -> None:
    found = prove(claim)
    assert found.status is Status.PROVED, found.why
    assert found.covers > 0


@pytest.mark.parametrize("bug", PLANTED.values(), ids=PLANTED)
def test_a_planted_bug_is_refuted(bug: Bug, tmp_path: Path) -> None:
    rtl = planted(bug, tmp_path)
    found = [prove(claim, rtl) for claim in SMALL[Path(bug.file).stem]]
    assert Status.REFUTED in [each.status for each in found], [each.why for each in found]


@pytest.mark.parametrize(("unit", "file", "number"), asserts())
def test_no_assertion_is_idle(
    unit: str, file: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turned into its contrary, each is refuted."""
    properties = Path(shutil.copytree(PROPERTIES, tmp_path / "properties"))
    lines = (properties / file).read_text("utf-8").splitlines()
    lines[number - 1], places = _ASSERT.subn(r"assert (!(\1));", lines[number - 1])
    assert places == 1
    (properties / file).write_text("\n".join(lines) + "\n", "utf-8")
    monkeypatch.setattr(formal.design, "PROPERTIES", properties)
    found = [prove(claim) for claim in SMALL[unit]]
    assert Status.REFUTED in [each.status for each in found], [each.why for each in found]
    assert f"{file}:{number}" in [place for each in found for place in each.places]
