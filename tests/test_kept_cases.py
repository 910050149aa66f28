"""Cases that were kept: each is played by both engines, for ever."""

from __future__ import annotations

from dataclasses import replace
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
    for when in ("from now on", "already"):
        assert main(["keep", str(CASES[0])]) == 0
        assert f"make test plays it {when}" in capsys.readouterr().out
    (kept,) = (tmp_path / "cases").glob("*.json")
    assert (kept.name, kept.read_bytes()) == (CASES[0].name, CASES[0].read_bytes())
    assert main(["keep", str(tmp_path)]) == 2


def test_another_case_of_the_same_layer_is_kept_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.cli.KEPT_CASES", tmp_path / "cases")
    case = Case.load(CASES[0])
    (stimuli,) = case.stimuli
    other = replace(case, stimuli=(replace(stimuli, vectors=stimuli.vectors + 1),))
    other.save(tmp_path / "other.json")
    assert other.id == case.id
    for path in (CASES[0], tmp_path / "other.json"):
        assert main(["keep", str(path)]) == 0
    vectors = [Case.load(path).vectors.tolist() for path in (tmp_path / "cases").iterdir()]
    assert sorted(vectors) == sorted([case.vectors.tolist(), other.vectors.tolist()])


def test_replaying_a_witness_says_that_it_overflows(capsys: pytest.CaptureFixture[str]) -> None:
    assert "-p16-wrap-loosened" in CASES[0].name
    assert main(["repro", str(CASES[0])]) == 0
    assert "; 1 of them overflow" in capsys.readouterr().out
