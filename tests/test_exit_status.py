"""A failed check ends with status 1, a passed one with 0, and no failure is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from perfect import perfect
from planted_bugs import BUGS, planted

from golden.integer import Format
from golden.layer import QuantLayer
from sim import build, check, cli, lint, plan, run
from sim.regress import suites
from sim.run import Played
from sim.tools import Simulator
from tb.case import Case
from tb.stimulus import adverse_case

SIMULATOR = Simulator("icarus", "a simulator")


def broken(case: Case, *_: object, **__: object) -> Played:
    return replace(perfect(case), report="MISMATCH", outcome=None)


@pytest.fixture
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(cli, "simulator", lambda name: SIMULATOR)
    path = tmp_path / "layer.npz"
    QuantLayer(np.array([[3, -2], [1, 1]]), 3, Format(2, signed=False)).save(path)
    return str(path)


@pytest.mark.parametrize(("play", "status"), [(perfect, 0), (broken, 1)])
def test_sim(play, status: int, layer: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(check, "play", play)
    monkeypatch.setattr(check, "keep", lambda failed, *_: failed)
    assert cli.main(["sim", "--acc", "8", "--layer", layer]) == status
    assert ("PASSED" if status == 0 else "FAILED") in capsys.readouterr().out


@pytest.mark.parametrize(("play", "status"), [(perfect, 0), (broken, 1)])
def test_repro(play, status: int, layer: str, tmp_path: Path, monkeypatch, capsys) -> None:
    named = plan.NamedLayer("layer", "layer", QuantLayer.load(Path(layer)))
    case = plan.cases(plan.Question(acc_bits=8), named, None)[0]
    case.save(tmp_path / "case.json")
    monkeypatch.setattr(cli, "play", play)
    assert cli.main(["repro", "--sim", "icarus", str(tmp_path / "case.json")]) == status
    assert ("MISMATCH" in capsys.readouterr().out) == bool(status)


@pytest.mark.sim
def test_repro_tries_the_engine_that_starts_from_other_values(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    """What only the batch engine shows must not seem mended under cocotb."""
    rtl = planted(BUGS["overflow bit not sticky"], tmp_path)
    case = adverse_case("mac", suites.specs()["one lane, folds only"])
    case.save(tmp_path / "case.json")
    monkeypatch.setattr(cli, "play", lambda *_, **__: Played(case, tmp_path, ""))
    asked = ["repro", "--rtl", str(rtl), str(tmp_path / "case.json")]
    assert cli.main(asked) == cli.FAILED
    assert "MISMATCH" in capsys.readouterr().out
    assert cli.main([*asked, "--sim", "icarus"]) == 0


@pytest.mark.parametrize(("findings", "status"), [([], 0), (["dot: a finding"], 1)])
def test_lint(findings: list[str], status: int, monkeypatch, capsys) -> None:
    monkeypatch.setattr(lint, "lint", lambda *_: findings)
    assert cli.main(["lint"]) == status
    assert all(finding in capsys.readouterr().out for finding in findings)


def test_a_failure_that_does_not_come_again_is_still_one(layer: str, monkeypatch) -> None:
    named = plan.NamedLayer("layer", "layer", QuantLayer.load(Path(layer)))
    case = plan.cases(plan.Question(acc_bits=8), named, None)[0]
    monkeypatch.setattr(run, "play", perfect)
    kept = run.keep(broken(case), SIMULATOR)
    assert kept.report == "MISMATCH\n\nplayed again with waves, it passed"


def test_verilator_starts_from_random_values() -> None:
    """Without these two a register that reset forgets would look like zero on Verilator."""
    flags = build.FLAGS["verilator"]
    for name in ("--x-initial", "--x-assign"):
        assert flags[flags.index(name) + 1] == "unique"
