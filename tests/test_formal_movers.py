"""Proofs about the units that move beats: they hold, and they hold for the right RTL alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from formal_suite import assertions, require_refuted_if_negated
from planted_bugs import BUGS, RESET_BUGS, STREAM_BUGS, Bug, planted

from formal import movers
from formal.claim import Claim, Status, prove

pytestmark = pytest.mark.sim

# The least shapes that show every bug: 3 beats do not fill an address, and have a middle.
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


@pytest.mark.parametrize("unit", SMALL)
@pytest.mark.parametrize(("module", "number"), assertions("stream_rules"))
def test_no_rule_of_streams_is_idle(
    unit: str, module: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (claim,) = SMALL[unit]
    require_refuted_if_negated(claim, module, number, tmp_path, monkeypatch)


@pytest.mark.parametrize(("module", "number"), assertions(*(f"prove_{unit}" for unit in SMALL)))
def test_no_assertion_is_idle(
    module: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turned into its contrary, each is refuted."""
    (claim,) = SMALL[module.removeprefix("prove_")]
    require_refuted_if_negated(claim, module, number, tmp_path, monkeypatch)
