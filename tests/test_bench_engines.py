"""The benchmark of the engines: it says what was measured, and nothing that is wrong is fast.

What it measures is no test: the times of a shared machine prove nothing.
"""

from __future__ import annotations

import json
import shutil
import statistics
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from perfect import perfect

from golden.mvau import Outcome
from golden.spec import MvauSpec
from sim import batch, cli
from sim.bench import builds, child, command, engines, golden_model, hunt, memory
from sim.bench import main as benchmark
from sim.bench.bare import bare
from sim.bench.figures import Figure, at_least, below
from sim.bench.measure import Rates, Run, in_turn, together
from sim.bench.problem import Problem
from sim.cache import SimulationError
from sim.paths import RTL

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch

TINY = MvauSpec(mw=4, mh=4, pe=2, simd=2, weight_bits=4, input_bits=4, acc_bits=8)
SHORT = 1e-3  # seconds


def quiet(what: str, done: int, total: int) -> None:
    assert 0 <= done < total


# The command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rounds", "0"], "ROUNDS must be an integer from 1 to 1000, got '0'"),
        (["--rounds", "x"], "ROUNDS must be an integer from 1 to 1000, got 'x'"),
        (["--batches", "0"], "BATCHES must be an integer from 1 to 1000000000, got '0'"),
        (["--batches", "-1"], "BATCHES must be an integer from 1 to 1000000000, got '-1'"),
        (["--only", "engine"], "ONLY must be some of engines, two-at-once, builds, golden, hyp"),
        (
            ["--only", "golden", ""],
            "ONLY must be some of engines, two-at-once, builds, golden, hyp",
        ),
        (["--only"], "argument --only: expected at least one argument"),
        (["--json", "/dev/null"], "JSON must be a regular file that can be written, got /dev/null"),
        (["--json", "none/x.json"], "JSON must be a regular file that can be written, got none/x"),
        (["more"], "unrecognized arguments: more"),
    ],
)
def test_refuses(arguments: list[str], message: str, monkeypatch: Patch, capsys: Capture) -> None:
    monkeypatch.setattr(benchmark, "measure", lambda *_: pytest.fail("it went on"))
    assert cli.main(["bench", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"a2q: {message}")
    assert err.count("\n") == 1


GOOD = [Figure("engine", 6.7e6, "cycles/s"), Figure("engine / bare", 0.871, "x", at_least(0.85))]
MISSED = [Figure("a build", 2.34, "s", below(2)), Figure("growth", 0.0, "MiB", below(4))]


@pytest.fixture
def sections(tmp_path: Path, monkeypatch: Patch) -> dict[str, Any]:
    """The sections of the command, made up."""
    made_up = {"good": lambda *_: iter(GOOD), "missed": lambda *_: iter(MISSED)}
    monkeypatch.setattr(benchmark, "SECTIONS", made_up)
    monkeypatch.setattr(command, "BUILD", tmp_path / "build")
    return made_up


def test_prints_and_writes_all_figures_and_says_which_goal_was_missed(
    sections: dict[str, Any], tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "mine.json"
    assert cli.main(["bench", "--rounds", "3", "--json", str(file)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "good engine 6.7 M cycles/s" in lines
    assert "engine / bare 0.871 x >= 0.85 x" in lines
    assert "missed a build 2.34 s < 2 s" in lines
    assert "growth 0 MiB < 4 MiB" in lines
    assert [line for line in lines if line.startswith("goal")] == [
        "goal missed: a build: 2.34 s, the goal is < 2 s"
    ]
    assert "2 of 3 goals met" in lines
    told = json.loads(file.read_text(encoding="utf-8"))
    assert told == json.loads((tmp_path / "build/bench/engines.json").read_text(encoding="utf-8"))
    assert told["rounds"] == 3
    assert told["machine"]["cores"] >= 1
    good, missed = told["sections"]
    assert [figure["met"] for figure in good["figures"]] == [None, True]
    assert [figure["met"] for figure in missed["figures"]] == [False, True]
    assert missed["failure"] is None
    assert missed["figures"][0] == {
        "what": "a build", "value": 2.34, "unit": "s", "met": False,
        "goal": {"relation": "<", "limit": 2},
    }  # fmt: skip


def stopped(*_: object) -> Iterator[Figure]:
    yield GOOD[0]
    raise SimulationError("bare C++ is wrong")


@pytest.mark.parametrize(
    ("section", "reason", "figures"),
    [(stopped, "bare C++ is wrong", 1), (lambda *_: iter(()), "nothing was measured", 0)],
)
def test_a_section_that_came_to_no_end_fails_with_its_reason(
    section: Any, reason: str, figures: int, sections: dict[str, Any], tmp_path: Path,
    capsys: Capture,
) -> None:  # fmt: skip
    sections["good"] = section
    assert cli.main(["bench"]) == 1
    out = capsys.readouterr().out
    assert f"FAILED good: {reason}\n" in out
    assert "growth" in out  # the others go on
    first, _ = json.loads((tmp_path / "build/bench/engines.json").read_text())["sections"]
    assert first["failure"] == reason
    assert len(first["figures"]) == figures


def test_only_some_sections(sections: dict[str, Any], capsys: Capture) -> None:
    sections["good"] = lambda *_: pytest.fail("it was not asked for")
    assert cli.main(["bench", "--only", "missed"]) == 0
    assert "growth" in capsys.readouterr().out


def test_every_section_of_the_command_gets_the_plan(monkeypatch: Patch) -> None:
    asked: dict[str, int] = {}
    names = ("engines", "two_at_once", "builds", "golden_model", "hunt", "memory")
    for name in names:
        monkeypatch.setattr(
            benchmark, name, lambda count, _, name=name: iter([asked.setdefault(name, count)])
        )
    plan = benchmark.Plan(rounds=3, batches=77)
    measured = benchmark.measure(plan, benchmark.SECTIONS, quiet)
    assert [section.failure for section in measured] == [""] * 6
    assert asked == dict.fromkeys(names, 3) | {"memory": 77}


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (at_least(2), 2.0, True),
        (at_least(2), 1.99, False),
        (below(2), 1.99, True),
        (below(2), 2.0, False),
        (at_least(2), float("nan"), False),
        (below(2), float("nan"), False),
    ],
)
def test_goals(goal: Any, value: float, met: bool) -> None:
    assert goal.is_met_by(value) == met
    assert Figure("a figure", value, "x", goal).is_missed != met


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (6.7e6, "cycles/s", "6.7 M cycles/s"),
        (1.234e9, "MAC/s", "1.23 G MAC/s"),
        (12_300, "cycles/s", "12.3 k cycles/s"),
        (377.4, "examples/s", "377 examples/s"),
        (0.0034, "s", "3.4 ms"),
        (1.234, "s", "1.23 s"),
        (1234.5, "x", "1234 x"),
        (5.0, "examples", "5 examples"),
    ],
)
def test_figures_are_shown_with_three_digits(value: float, unit: str, shown: str) -> None:
    assert Figure("a figure", value, unit).shown == shown


# Measuring


def test_ratios_are_of_neighbours_of_the_same_round() -> None:
    """A machine that gets slower from one measurement to the next changes no ratio by much."""
    ran: list[str] = []

    def contestant(name: str, rate: float) -> Any:
        def run() -> Run:
            ran.append(name)
            return Run(rate * 10.0 ** -((len(ran) - 1) // 3), 1.0)

        return run

    contestants = {name: contestant(name, rate) for name, rate in (("a", 1), ("b", 2), ("c", 6))}
    ticks: list[int] = []
    rates = in_turn(contestants, 3, ticks.append)
    assert ran == ["a", "b", "c", "c", "b", "a", "a", "b", "c"]
    assert ticks == [0, 1, 2]
    assert (rates.ratio("b", "a"), rates.ratio("b", "c")) == (2, 1 / 3)
    assert rates.median("c") == pytest.approx(0.6)
    with pytest.raises(AssertionError, match="a, c: no neighbours"):
        rates.ratio("a", "c")


def test_a_ratio_is_the_median_of_ratios() -> None:
    rates = Rates({"a": [1.0, 9.0, 4.0], "b": [1.0, 3.0, 2.0]})
    assert rates.ratio("a", "b") == 2
    assert rates.median("a") / rates.median("b") == 2
    skewed = Rates({"a": [1.0, 9.0, 4.0], "b": [9.0, 3.0, 2.0]})
    assert skewed.ratio("a", "b") == 2
    assert skewed.median("a") / skewed.median("b") == pytest.approx(4 / 3)


def test_together_is_all_at_once_in_the_time_of_the_slowest() -> None:
    barrier = threading.Barrier(2, timeout=60)

    def contestant(seconds: float) -> Any:
        def run() -> Run:
            barrier.wait()  # nobody is alone
            return Run(12, seconds)

        return run

    assert together([contestant(2.0), contestant(3.0)]).rate == 8


# Contestants that are wrong


def wrong(outcome: Outcome, what: str) -> Outcome:
    if what == "one result":
        outcome = replace(outcome, out=outcome.out.copy())
        outcome.out[-1, -1] ^= 1
    elif what == "one overflow bit":
        outcome = replace(outcome, overflow=outcome.overflow.copy())
        outcome.overflow[-1, -1] ^= True
    else:
        outcome = Outcome(outcome.out[:-1], outcome.overflow[:-1])
    return outcome


WRONG = ["one result", "one overflow bit", "a vector too few"]


@pytest.fixture
def problem() -> Problem:
    problem = Problem.random(TINY, 20)
    assert problem.expected.overflow.any()
    assert not problem.expected.overflow.all()
    return problem


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_answer_is_refused(what: str, problem: Problem) -> None:
    problem.require("engine", problem.expected)
    with pytest.raises(SimulationError, match=r"^engine (is wrong: 1 of 80|answered)"):
        problem.require("engine", wrong(problem.expected, what))


@pytest.mark.parametrize("what", WRONG)
def test_a_batch_engine_that_is_wrong_is_refused(
    what: str, problem: Problem, monkeypatch: Patch
) -> None:
    answer = wrong(problem.expected, what)
    trace = batch.Trace(answer.out, answer.overflow, 99)
    model = SimpleNamespace(run=lambda weights, inputs: trace)
    monkeypatch.setattr(batch, "load", lambda spec, rtl, level: model)
    with pytest.raises(SimulationError, match=r"^batch engine"):
        engines.batch_engine(problem)()


@pytest.mark.parametrize("what", WRONG)
def test_a_cocotb_engine_that_is_wrong_is_refused(
    what: str, problem: Problem, monkeypatch: Patch
) -> None:
    played = perfect(problem.case)
    played = replace(
        played, outcome=wrong(Outcome(played.outcome.out, played.outcome.overflow), what)
    )
    monkeypatch.setattr(engines, "play", lambda *_, **__: played)
    with pytest.raises(SimulationError, match=r"^cocotb engine"):
        engines.cocotb_engine(problem)()


@pytest.mark.parametrize("change", [{"report": "MISMATCH"}, {"outcome": None}])
def test_a_cocotb_engine_that_found_a_fault_is_refused(
    change: dict[str, Any], problem: Problem, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(engines, "play", lambda *_, **__: replace(perfect(problem.case), **change))
    with pytest.raises(SimulationError, match=r"^cocotb engine"):
        engines.cocotb_engine(problem)()


BUGS = {
    "results": ("acc_q <= acc;", "acc_q <= ~acc;"),
    "overflow bits": ("assign overflow = beat_overflow", "assign overflow = ~beat_overflow"),
}


@pytest.mark.sim
@pytest.mark.parametrize("bug", BUGS)
def test_all_engines_see_what_the_unit_does(bug: str, problem: Problem, tmp_path: Path) -> None:
    """None has its answers from anywhere else: a unit that is wrong is wrong in each."""
    rtl = tmp_path / "rtl"
    shutil.copytree(RTL, rtl)
    source = (rtl / "pe.v").read_text(encoding="utf-8")
    assert source.count(BUGS[bug][0]) == 1
    (rtl / "pe.v").write_text(source.replace(*BUGS[bug]), encoding="utf-8")
    for name, contestant in {
        "bare C": bare(problem, tmp_path, rtl),
        "batch engine": engines.batch_engine(problem, rtl),
        "plain cocotb driver": engines.plain_driver(problem, tmp_path, rtl),
        "cocotb engine": engines.cocotb_engine(problem, rtl),
    }.items():
        with pytest.raises(SimulationError, match=f"^{name}.*(wrong|MISMATCH)"):
            contestant()


# Small, but real


@pytest.mark.sim
def test_engines_side_by_side() -> None:
    figures = list(engines.engines(1, quiet, TINY, SHORT))
    assert [(figure.what, figure.unit) for figure in figures] == [
        ("bare C++", "cycles/s"),
        ("batch engine", "cycles/s"),
        ("plain cocotb driver", "cycles/s"),
        ("cocotb engine", "cycles/s"),
        ("batch engine / bare C++", "x"),
        ("batch engine / plain cocotb driver", "x"),
        ("cocotb engine / plain cocotb driver", "x"),
    ]
    values = {figure.what: figure.value for figure in figures}
    assert all(value > 0 for value in values.values())
    for ratio in list(values)[4:]:
        mine, other = ratio.split(" / ")
        assert values[ratio] == pytest.approx(values[mine] / values[other])


@pytest.mark.sim
def test_engines_do_the_same_work(problem: Problem, tmp_path: Path) -> None:
    """Each counts about as many cycles: one for each beat, and a few at the ends."""
    beats = len(problem.inputs) * TINY.total_fold
    for contestant in (
        bare(problem, tmp_path),
        engines.batch_engine(problem),
        engines.plain_driver(problem, tmp_path),
        engines.cocotb_engine(problem),
    ):
        run = contestant()
        assert beats <= run.work <= beats + 16
        assert run.seconds > 0


@pytest.mark.sim
def test_two_at_once() -> None:
    figures = {f.what: f.value for f in engines.two_at_once(1, quiet, TINY, SHORT)}
    assert len(figures) == 9
    assert figures["two models / one"] == pytest.approx(
        figures["two models, two threads"] / figures["one model"]
    )
    assert figures["two models / one, CPU time"] == pytest.approx(
        figures["two models, CPU time"] / figures["one model, CPU time"]
    )
    assert figures["two processes / one"] == pytest.approx(
        figures["two bare C++, two processes"] / figures["one bare C++"]
    )


@pytest.mark.sim
def test_golden_model() -> None:
    figures = {figure.what: figure.value for figure in golden_model.golden_model(1, quiet)}
    outcome, engine = figures["golden.mvau.outcome"], figures["batch engine"]
    assert figures["golden.mvau.outcome / batch engine"] == pytest.approx(outcome / engine)
    assert len(figures) == 5


def test_a_golden_model_that_disagrees_is_refused(monkeypatch: Patch) -> None:
    golden = golden_model.mvau
    monkeypatch.setattr(golden, "matvec", lambda weights, inputs: inputs @ weights.T + 1)
    monkeypatch.setattr(batch, "load", lambda spec: None)
    with pytest.raises(SimulationError, match="matvec is wrong"):
        golden_model._rates(["1"])


@pytest.mark.sim
def test_memory() -> None:
    speed, resident, growth = memory.memory(1000, quiet)
    assert speed.value > 0
    assert resident.value > 10
    assert growth.what == "growth over 1,000 batches"
    assert not growth.is_missed


def test_memory_that_leaks_is_seen(monkeypatch: Patch) -> None:
    problem = Problem.random(memory.SPEC, 1000)
    known = {vector.tobytes(): i for i, vector in enumerate(problem.inputs)}
    leaked = []

    def run(weights: Any, vector: Any) -> Outcome:
        leaked.append(np.ones(1 << 13, np.uint8))
        i = known[vector.tobytes()]
        return Outcome(problem.expected.out[i : i + 1], problem.expected.overflow[i : i + 1])

    monkeypatch.setattr(batch, "load", lambda spec: SimpleNamespace(run=run))
    monkeypatch.setattr(memory, "answer", lambda name, arguments: memory._measure(arguments[2:]))
    *_, growth = memory.memory(1000, quiet)
    assert growth.is_missed


# Children


def test_a_child_that_fails_says_why(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(child, "BUILD", tmp_path)
    script = "import sys; print('first'); sys.exit('the reason')"
    with pytest.raises(SimulationError, match=r"^a child ended with status 1: the reason; its log"):
        child.answer("a child", ["-c", script])
    assert (tmp_path / "bench" / "a child.log").read_text() == "first\nthe reason\n"
    with pytest.raises(SimulationError, match=r"^a child left no answer: "):
        child.answer("a child", ["-c", "pass"])
    script = "import os, sys; open(sys.argv[-1], 'w').write(os.environ['ADDED'])"
    assert child.answer("a child", ["-c", script], {"ADDED": "[42]"}) == [42]


HUNTED = {
    "examples_per_s": 377.0,
    "vectors_per_example": 256,
    "bugs": [
        {"name": "carry", "examples": [3, 9], "median": 6.0, "seconds": [1.0, 2.5]},
        {"name": "sign", "examples": [60, 80], "median": 70.0, "seconds": [4.0, 3.0]},
    ],
}


def hunted(told: Any, tmp_path: Path, monkeypatch: Patch) -> list[Figure]:
    """Return the figures of two hunts of which a stub tells."""
    script = tmp_path / "stub.py"
    script.write_text(
        f"""import sys
assert sys.argv[1:6] == ["--seeds", "2", "--seconds", "2", "--json"]
open(sys.argv[6], "w").write({json.dumps(told)!r})
"""
    )
    monkeypatch.setattr(hunt, "HUNT", script)
    return list(hunt.hunt(2, quiet))


def test_hunt(tmp_path: Path, monkeypatch: Patch) -> None:
    figures = hunted(HUNTED, tmp_path, monkeypatch)
    assert [(figure.what, figure.value, figure.is_missed) for figure in figures] == [
        ("examples", 377.0, False),
        ("bug: carry", 6.0, False),
        ("bug: sign", 70.0, True),
        ("slowest hunt: sign", 4.0, False),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors_per_example": 1}, "an example must hold 256 vectors, got 1"),
        ({"bugs": []}, "the hunt had no bug to find"),
        ({"bugs": [{"name": "carry"}]}, "the answer of the hunt can not be read: KeyError"),
        ({"bugs": [{**HUNTED["bugs"][0], "seconds": [1.0]}]}, "carry must be hunted 2 times"),
        ({"examples_per_s": "many"}, "the answer of the hunt can not be read: ValueError"),
    ],
)
def test_a_hunt_that_proves_nothing_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path, monkeypatch: Patch
) -> None:
    with pytest.raises(SimulationError, match=message):
        hunted(HUNTED | change, tmp_path, monkeypatch)


def test_a_hunt_that_is_not_there_is_a_failure(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(hunt, "HUNT", tmp_path / "none.py")
    with pytest.raises(SimulationError, match=r"there is no .*none\.py"):
        list(hunt.hunt(1, quiet))


# Builds


@pytest.fixture
def children(tmp_path: Path, monkeypatch: Patch) -> list[list[str]]:
    """Stand in for the processes that build: they leave what builds leave."""
    ran: list[list[str]] = []
    prefixes = {"runtime": "verilator-runtime", "batch": "batch-mvau", "cocotb": "verilator-mvau"}

    def answer(name: str, arguments: list[str], environment: dict[str, str]) -> list[float]:
        ran.append(arguments)
        prefix = prefixes.get(arguments[2], "batch-mvau")
        widths = [int(width) for width in arguments[3:] if width.isdigit()]
        for width in widths or range(9, 25):
            made = Path(environment["A2Q_CACHE"]) / f"{prefix}-{width}"
            made.mkdir(parents=True, exist_ok=True)
            (made / "complete").touch()
        return [float(width) for width in widths]

    monkeypatch.setattr(builds, "answer", answer)
    monkeypatch.setattr(child, "BUILD", tmp_path)
    return ran


def test_builds(children: list[list[str]], tmp_path: Path) -> None:
    figures = list(builds.builds(2, quiet))
    assert [figure.value for figure in figures[:4]] == [
        0.0,
        *[statistics.median(builds.POINTS[:2])] * 2,
        statistics.median(builds.COCOTB_POINTS[:2]),
    ]
    assert len(figures) == 5
    assert {"sweep", "--acc=9..24", "--mw=64", "--weight-bits=8"} <= set(children[-1])
    assert not list((tmp_path / "bench").iterdir())


def test_a_build_that_was_there_before_is_not_a_new_one(
    children: list[list[str]], monkeypatch: Patch
) -> None:
    monkeypatch.setattr(builds, "COCOTB_POINTS", (25, 25))
    with pytest.raises(SimulationError, match="cocotb build, new: 2 builds are due, 1 were made"):
        list(builds.builds(2, quiet))


def test_a_known_build_that_was_made_again_is_not_known(
    children: list[list[str]], monkeypatch: Patch
) -> None:
    made = builds._made
    calls = iter(range(99))
    monkeypatch.setattr(
        builds, "_made", lambda folder: made(folder) | ({"more"} if next(calls) == 5 else set())
    )
    with pytest.raises(SimulationError, match="engine, known: 0 builds are due, 1 were made"):
        list(builds.builds(2, quiet))


@pytest.mark.sim
def test_steps_of_a_build_are_real() -> None:
    """What is timed is what users call; here all of it is known, or soon will be."""
    assert len(builds._seconds(["batch", "16", "16"])) == 2
    assert len(builds._seconds(["runtime", "0"])) == 1
