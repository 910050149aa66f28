"""Cases that were kept: each is played by both engines, for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim import batch
from sim.cli import main
from sim.paths import KEPT_CASES
from sim.run import play, play_streams
from sim.tools import simulator
from tb.case import Case
from tb.streams import StreamCase

pytestmark = pytest.mark.sim

CASES = sorted(KEPT_CASES.glob("*.json"))


def test_there_are_some() -> None:
    assert CASES


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_kept_case_passes(path: Path) -> None:
    if StreamCase.is_saved_in(path):
        streams = StreamCase.load(path)
        _, faults = play_streams([streams], simulator("verilator"))
        assert not faults
        assert batch.play_streams(streams).passed
        return
    case = Case.load(path)
    for played in (play(case, simulator("verilator")), batch.play(case)):
        assert played.passed, played.report
        assert sum(tally.results for tally in played.tallies) > 0


def test_keeping_copies_a_case_that_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sim.cli.KEPT_CASES", tmp_path / "cases")
    assert main(["keep", str(CASES[0])]) == 0
    assert "make test plays it from now on" in capsys.readouterr().out
    (kept,) = (tmp_path / "cases").glob("*.json")
    assert kept.read_bytes() == CASES[0].read_bytes()
    assert main(["keep", str(tmp_path)]) == 2
