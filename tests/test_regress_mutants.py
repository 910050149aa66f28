"""Mutants as jobs: noticed, proved equivalent, or shown as what no test of the suite would see."""

from __future__ import annotations

import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from regress_suite import SPEC, written

from sim.cache import SimulationError
from sim.paths import RTL
from sim.regress import kinds, suites
from sim.regress.content import ContentError, content, execute
from sim.regress.job import Job, Result, Verdict
from sim.regress.kinds import mutant

pytestmark = pytest.mark.sim

HUNT = """
[[suites.hunters.jobs]]
kind = "play"
why = "plays what is hard on a spec"
simulators = ["batch"]
units = ["mvau"]
streams = ["calm", "reset"]

[suites.mutants]
why = "all of them"
[[suites.mutants.jobs]]
kind = "mutant"
why = "must be noticed"
hunters = "hunters"
"""
SUITE = SPEC + '\n[suites.hunters]\nwhy = "one spec"\n' + HUNT


def job(suite: Path, name: str) -> Job:
    (found,) = (each for each in suites.suite("mutants", suite).jobs if re.search(name, each.name))
    return found


def fate(came: Result) -> str:
    return str(came.details["fate"])


def test_a_mutant_that_a_job_notices_is_killed(tmp_path: Path) -> None:
    came = kinds.run(job(written(tmp_path, SUITE), r"dot-105-\d+-swap-minus"))
    assert came.verdict is Verdict.PASSED
    assert fate(came) == "killed"
    assert came.details["by"] == "mvau, small, calm+reset, batch, seed 1"
    assert came.details["kind"] == "play"
    assert "MISMATCH" in came.details["evidence"]
    assert "-                wrapped = a + b;" in came.details["diff"]
    assert not list((mutant.BUILD / "mutants").iterdir()), "scratch is left behind"


def test_a_mutant_that_makes_no_difference_is_proved_equivalent(tmp_path: Path) -> None:
    came = kinds.run(job(written(tmp_path, SUITE), r"dot-029-\d+-swap-at-least"))
    assert came.verdict is Verdict.PASSED
    assert fate(came) == "equivalent"
    assert "for all inputs" in came.details["evidence"]


def test_what_a_removed_test_would_have_seen_survives_and_is_shown(tmp_path: Path) -> None:
    unsigned = SUITE.replace("signed_input = 1", "signed_input = 0")
    name = r"dot-087-\d+-swap-right"  # the sign of an input that has one
    assert fate(kinds.run(job(written(tmp_path, SUITE), name))) == "killed"
    (tmp_path / "less").mkdir()
    came = kinds.run(job(written(tmp_path / "less", unsigned), name))
    assert fate(came) == "survived"
    assert came.verdict is Verdict.FAILED
    assert came.signature.startswith("survived: dot-087-")
    assert re.search(r"in line \d+", came.report)
    assert "@@" in came.report
    assert "cycle 0: " in came.report  # an input that shows it: the test that is missing


def test_a_unit_that_never_ends_is_killed_by_the_clock(tmp_path: Path) -> None:
    came = kinds.run(job(written(tmp_path, SUITE), r"dot-080-\d+-swap-minus"))
    assert fate(came) == "killed"
    assert came.details["evidence"] == "it never ended: 10 s of processor time"


def test_a_hunt_that_breaks_is_no_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = written(tmp_path, SUITE)
    one = job(suite, r"dot-105-\d+-swap-minus")
    monkeypatch.setattr(mutant.hunt, "LOG", "nowhere/log.jsonl")
    with pytest.raises((SimulationError, FileNotFoundError)):
        mutant.run(one, RTL, explain=True)


def test_a_death_that_no_edit_can_cause_is_no_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else ended the hunt: what is short of memory, or a person."""
    one = job(written(tmp_path, SUITE), r"dot-105-\d+-swap-minus")

    def killed(command: list[str], log: Path, env: object, folder: Path, limit_s: float) -> int:
        log.write_text("what it said last", encoding="utf-8")
        (folder / mutant.hunt.LOG).write_text('{"begins": "a job"}\n', encoding="utf-8")
        return -signal.SIGKILL

    monkeypatch.setattr(mutant, "run_logged", killed)
    with pytest.raises(SimulationError, match="the hunt ended with -9: what it said last"):
        mutant.run(one, RTL, explain=True)


def test_hunters_that_were_edited_meanwhile_are_not_asked(tmp_path: Path) -> None:
    one = job(written(tmp_path, SUITE), r"skid_buffer-048-\d+-negate")
    other = replace(one, settings={**one.settings, "digest": "of another text"})
    with pytest.raises(ContentError, match="suite hunters was edited since this run was planned"):
        execute(other, "")


def test_hunters_are_those_of_units_that_have_the_module_inside() -> None:
    quick = suites.suite("quick")
    units = {each.unit for each in mutant.hunt.hunters("replay_buffer", quick)}
    assert units == {"replay_buffer", "mvau", "mvtu"}
    first, *_, last = mutant.hunt.hunters("dot", quick, is_rule=True)
    assert (first.kind, first.unit) == ("legality", "dot")
    assert (last.kind, last.unit) == ("legality", "vvau")
    assert mutant.hunt.hunters("dot", quick)[0].kind == "play"


def test_a_mutant_depends_on_all_that_its_hunters_are_made_of(tmp_path: Path) -> None:
    one = job(written(tmp_path, SUITE), r"skid_buffer-048-\d+-negate")
    made_of = content(one)
    of_mvau = {"dot.v", "mvau.v", "pe.v", "replay_buffer.v", "skid_buffer.v"}
    assert set(made_of["rtl"]) == of_mvau
    assert {"sim/mutants/hunt.py", "sim/regress/kinds/play.py", "tb/env.py"} <= set(
        made_of["files"]
    )
    (tmp_path / "fewer").mkdir()
    fewer = written(tmp_path / "fewer", SUITE.replace('"calm", "reset"', '"calm"'))
    assert job(fewer, r"skid_buffer-048-\d+-negate").settings["digest"] != one.settings["digest"]
