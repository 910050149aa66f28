"""Whatever goes wrong in a simulation comes out as a fault, never as a pass."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from one_flop import MODULE, MODULE_ENV, one_flop
from rtl_suite import simulators

from golden.spec import MvauSpec
from sim import run
from sim.build import Build
from sim.process import run_logged
from tb.case import Case, Stimulus

# Judging the results file of cocotb

PASSED = '<testcase name="plays"/>'
MESSAGE = '<testcase name="plays"><{} message="the reason"/></testcase>'
OLD_MESSAGE = '<testcase name="plays"><failure error_msg="the reason"/></testcase>'
NO_MESSAGE = '<testcase name="plays"><failure/></testcase>'


def judged(tmp_path: Path, *testcases: str) -> list[str]:
    suite = f"<testsuites><testsuite>{''.join(testcases)}</testsuite></testsuites>"
    (tmp_path / "results.xml").write_text(suite, encoding="utf-8")
    return run.judge(tmp_path / "results.xml", ["plays"])


def test_a_passed_test_that_was_due_is_no_fault(tmp_path: Path) -> None:
    assert judged(tmp_path, PASSED) == []


def test_no_results_file(tmp_path: Path) -> None:
    assert run.judge(tmp_path / "results.xml", ["plays"]) == [
        "the simulation ended before it wrote its results; the last of sim.log: nothing"
    ]


@pytest.mark.parametrize("content", ["", "<testsuites>", "no XML", "\0"])
def test_unreadable_results_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.xml").write_text(content, encoding="utf-8")
    (fault,) = run.judge(tmp_path / "results.xml", ["plays"])
    assert fault.startswith("the results of the simulation can not be read: ")


@pytest.mark.parametrize(
    ("testcases", "ran"),
    [
        ([], "none"),
        (['<testcase name="sleeps"/>'], "sleeps"),
        (["<testcase/>"], "None"),
        ([PASSED, '<testcase name="sleeps"/>'], "plays, sleeps"),
        ([PASSED, PASSED], "plays, plays"),
    ],
    ids=["none", "another", "without a name", "one too many", "twice"],
)
def test_other_tests_than_were_due(tmp_path: Path, testcases: list[str], ran: str) -> None:
    assert judged(tmp_path, *testcases) == [f"tests that must run: plays; that ran: {ran}"]


def test_a_test_that_is_missing(tmp_path: Path) -> None:
    judged(tmp_path, PASSED)
    assert run.judge(tmp_path / "results.xml", ["plays", "ends"]) == [
        "tests that must run: ends, plays; that ran: plays"
    ]


@pytest.mark.parametrize("tag", ["failure", "error", "skipped"])
def test_a_test_that_did_not_pass(tmp_path: Path, tag: str) -> None:
    assert judged(tmp_path, MESSAGE.format(tag)) == ["plays: the reason"]


def test_what_pytest_adds_to_a_reason_is_left_out(tmp_path: Path) -> None:
    more = MESSAGE.format("failure").replace("reason", "reason&#10;assert not 3")
    assert judged(tmp_path, more) == ["plays: the reason"]


def test_a_test_that_failed_without_saying_why(tmp_path: Path) -> None:
    assert judged(tmp_path, OLD_MESSAGE) == ["plays: the reason"]
    assert judged(tmp_path, NO_MESSAGE) == ["plays: failure"]


# Reading the outcome of the testbench

CASE = Case(
    unit="mac",
    spec=MvauSpec(mw=2, mh=2, pe=1, simd=1, weight_bits=4, input_bits=4, acc_bits=3),
    layer="tiny",
    weights=np.array([[1, 2], [3, 4]]),
    stimuli=(Stimulus("uniform", np.array([[1, 1]])),),
)
OUTCOME: dict[str, Any] = {
    "case": CASE.id,
    "cycles": 12,
    "report": "",
    "tallies": [{"family": "uniform", "vectors": 1, "results": 2, "partial_sums": 8}],
    "out": [[3, -1]],  # 7 wraps at three bits
    "overflow": [[0, 1]],
}


def outcome(tmp_path: Path, **fields: Any) -> Path:
    """Leave an outcome as a testbench does, but for some fields, and return its folder."""
    (tmp_path / "outcome.json").write_text(json.dumps(OUTCOME | fields), encoding="utf-8")
    return tmp_path


def test_a_whole_outcome_passes(tmp_path: Path) -> None:
    played = run.read_outcome(CASE, outcome(tmp_path), [])
    assert played.passed
    assert (played.folder, played.cycles) == (tmp_path, 12)
    assert [tally.results for tally in played.tallies] == [2]
    assert played.outcome is not None
    assert played.outcome.out.tolist() == [[3, -1]]
    assert played.outcome.overflow.tolist() == [[False, True]]


def test_no_outcome(tmp_path: Path) -> None:
    played = run.read_outcome(CASE, tmp_path, ["plays: it stopped"])
    assert played.report == "plays: it stopped\nthe testbench left no outcome; see sim.log"
    assert played.outcome is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "{}", json.dumps(OUTCOME)[:-9], '{"tallies": [{"a": 1}]}']
)
def test_unreadable_outcome(tmp_path: Path, content: str) -> None:
    (tmp_path / "outcome.json").write_text(content, encoding="utf-8")
    played = run.read_outcome(CASE, tmp_path, ["plays: it stopped"])
    assert not played.passed
    assert played.outcome is None
    assert "plays: it stopped\nthe outcome of the testbench can not be read: " in played.report


def test_a_fault_of_the_simulation_outweighs_a_good_outcome(tmp_path: Path) -> None:
    played = run.read_outcome(CASE, outcome(tmp_path), ["plays: it stopped"])
    assert played.report == "plays: it stopped"


def test_a_report_is_a_failure(tmp_path: Path) -> None:
    assert run.read_outcome(CASE, outcome(tmp_path, report="MISMATCH"), []).report == "MISMATCH"


def test_the_outcome_of_another_case(tmp_path: Path) -> None:
    played = run.read_outcome(CASE, outcome(tmp_path, case="another"), [])
    assert played.report == "the outcome is of another case: another"


@pytest.mark.parametrize(
    "fields",
    [
        {"tallies": []},
        {"tallies": [{"family": "uniform", "results": 1}]},
        {"tallies": [{"family": "uniform", "results": 3}]},
        {"out": []},
        {"out": [[3]]},
        {"overflow": [[0]]},
        {"out": [[3]], "overflow": [[0]]},
    ],
    ids=str,
)
def test_too_few_results(tmp_path: Path, fields: dict[str, Any]) -> None:
    played = run.read_outcome(CASE, outcome(tmp_path, **fields), [])
    assert re.fullmatch(r"\d results were compared, 2 are due", played.report)


@pytest.mark.parametrize("fields", [{"out": [[3, 7]]}, {"overflow": [[0, 0]]}], ids=str)
def test_results_that_are_not_those_of_the_case(tmp_path: Path, fields: dict[str, Any]) -> None:
    played = run.read_outcome(CASE, outcome(tmp_path, **fields), [])
    assert played.report == "1 of 2 results are not those of the case's own vectors"


def test_two_runs_that_end_at_once_both_take_their_place(tmp_path: Path) -> None:
    place = tmp_path / "place"
    folders = [tmp_path / f"fresh{i}" for i in range(40)]
    for folder in folders:
        folder.mkdir()
        (folder / "outcome.json").write_text(folder.name, encoding="utf-8")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run._take_place, folders, [place] * len(folders)))
    assert (place / "outcome.json").read_text(encoding="utf-8").startswith("fresh")
    assert list(tmp_path.iterdir()) == [place]


# Real simulations


@pytest.fixture(scope="module", params=simulators())
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return one_flop(request.param, 8)


@pytest.fixture(scope="module")
def any_build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return a build for what can not depend on the simulator: on the last, which builds faster."""
    return one_flop(simulators()[-1], 8)


def simulated(built: Build, folder: Path, *tests: str, limit_s: float = 60) -> list[str]:
    """Run some tests of the module, all of which are due, and return the faults."""
    env = MODULE_ENV | {"COCOTB_TEST_FILTER": rf"\b({'|'.join(tests)})$"}
    return run.simulate(built, MODULE, tests, folder, env, seed=1, limit_s=limit_s)


@pytest.mark.sim
def test_registers_are_seen_before_the_edge(built: Build, tmp_path: Path) -> None:
    assert simulated(built, tmp_path, "sees_registers_before_the_edge", "passes") == []


@pytest.mark.sim
def test_a_filter_that_matches_no_test(built: Build, tmp_path: Path) -> None:
    assert simulated(built, tmp_path, "is_nowhere") == [
        "tests that must run: is_nowhere; that ran: none"
    ]


@pytest.mark.sim
def test_tests_that_do_not_pass(built: Build, tmp_path: Path) -> None:
    faults = simulated(built, tmp_path, "passes", "fails", "raises", "is_skipped", "takes_too_long")
    assert len(faults) == 4
    for name, reason in {
        "fails": "this must show",
        "raises": "this must show too",
        "is_skipped": "skipped",
        "takes_too_long": "SimTimeoutError",
    }.items():
        assert any(fault.startswith(f"{name}: ") and reason in fault for fault in faults), faults


@pytest.mark.sim
def test_an_early_finish(built: Build, tmp_path: Path) -> None:
    assert simulated(built, tmp_path, "is_cut_short")


@pytest.mark.sim
def test_a_test_that_exits_with_success(built: Build, tmp_path: Path) -> None:
    assert simulated(built, tmp_path, "exits")


@pytest.mark.sim
def test_a_simulator_that_vanishes(any_build: Build, tmp_path: Path) -> None:
    (told,) = simulated(any_build, tmp_path, "vanishes")
    assert told.startswith(
        "the simulation ended before it wrote its results; the last of sim.log: "
    )
    assert told.endswith("running one_flop_tests.vanishes (1/1)")


@pytest.mark.sim
def test_results_of_an_earlier_run_do_not_count(any_build: Build, tmp_path: Path) -> None:
    assert simulated(any_build, tmp_path, "passes") == []
    env = MODULE_ENV | {"COCOTB_TEST_FILTER": "vanishes$"}
    assert run.simulate(any_build, MODULE, ["passes"], tmp_path, env, seed=1)


@pytest.mark.sim
def test_a_simulation_that_hangs(any_build: Build, tmp_path: Path) -> None:
    assert simulated(any_build, tmp_path, "hangs", limit_s=6) == [
        "the simulation was stopped after 6 s; its log is sim.log"
    ]
    assert is_gone(int((tmp_path / "group").read_text(encoding="utf-8")))


# Processes


def living(group: int) -> list[str]:
    """Return the processes of a group, but for those that only wait to be reaped."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            line = status.read_text(encoding="utf-8", errors="replace")
        except OSError:  # it ended while we looked
            continue
        # The name, in brackets, may hold anything; after it come state, parent and group.
        state, _, process_group = line.rpartition(")")[2].split()[:3]
        if int(process_group) == group and state != "Z":
            found.append(line)
    return found


def is_gone(group: int, within_s: float = 3) -> bool:
    deadline = time.monotonic() + within_s
    while living(group):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def shell(script: str, folder: Path, limit_s: float = 30) -> int | None:
    """Run a script that logs its process group first."""
    command = ["sh", "-c", f"echo $$; {script}"]
    return run_logged(command, folder / "log", os.environ, folder, limit_s)


def group_in(folder: Path) -> int:
    return int((folder / "log").read_text(encoding="utf-8").split()[0])


def test_a_process_that_ends(tmp_path: Path) -> None:
    assert shell("echo out; echo err >&2; cat; exit 3", tmp_path) == 3
    assert (tmp_path / "log").read_text(encoding="utf-8").split()[1:] == ["out", "err"]


def test_a_child_left_behind_goes_with_its_parent(tmp_path: Path) -> None:
    assert shell("sleep 30 & exit 3", tmp_path) == 3
    assert is_gone(group_in(tmp_path))


def test_past_its_limit_the_whole_group_goes(tmp_path: Path) -> None:
    started = time.monotonic()
    assert shell("trap '' TERM INT; sleep 30 & sleep 30", tmp_path, limit_s=0.5) is None
    assert time.monotonic() - started < 10
    assert is_gone(group_in(tmp_path))


def test_an_interrupt_takes_the_whole_group_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = subprocess.Popen.wait

    def interrupted(child: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if timeout is None:
            return wait(child)
        while not (tmp_path / "log").stat().st_size:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shell("sleep 30 & sleep 30", tmp_path)
    assert is_gone(group_in(tmp_path))
