"""Plays a case on a simulator and judges by what it left behind, never by how it ended."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from golden import mvau as golden
from golden.mvau import Outcome
from sim.build import Build, build, work
from sim.cache import SimulationError
from sim.generate.sources import verilog_of
from sim.paths import BUILD, RTL
from sim.rtl import Rtl, mark, repro
from sim.tools import Simulator
from tb.case import Case
from tb.scoreboard import Tally
from tb.streams import StreamCase

MIN_LIMIT_S = 120
SLOWEST = 200  # cycles a second, on a machine that does much else


@dataclass(frozen=True, eq=False)
class Played:
    """What came of a case; ``report`` is empty if and only if RTL and golden model agree."""

    case: Case
    folder: Path
    report: str
    tallies: tuple[Tally, ...] = ()
    outcome: Outcome | None = None  # None if the simulation did not come to its end
    cycles: int = 0
    rtl: Rtl = RTL

    @property
    def passed(self) -> bool:
        return not self.report

    @property
    def replay(self) -> str:
        return f"{repro(self.folder / 'case.json', self.rtl)} WAVES=1"


def play(case: Case, simulator: Simulator, **others: Any) -> Played:
    """Play one case; see ``play_all``."""
    return play_all([case], simulator, **others)[0]


def play_all(
    cases: Sequence[Case],
    simulator: Simulator,
    waves: bool = False,
    rtl: Rtl = RTL,
    into: str = "runs",
) -> list[Played]:
    """Play cases of one unit and spec in one simulation, in a folder of its own below build/runs.

    Errors: SimulationError if the unit does not build.
    """
    unit, spec, verilog = cases[0].unit, cases[0].spec, verilog_of(cases[0], rtl)
    if any(
        (case.unit, case.spec, verilog_of(case, rtl)) != (unit, spec, verilog) for case in cases
    ):
        raise ValueError("cases of one simulation must share unit, spec and Verilog")
    built = build(unit, spec.verilog_parameters(unit), simulator, waves, verilog)
    more = f"-and-{len(cases) - 1}-more" if len(cases) > 1 else ""
    place = BUILD / into / f"{cases[0].id}{more}-{simulator.name}{mark(rtl)}"
    homes = [Path(str(i)) if more else Path() for i in range(len(cases))]
    with _taking_place(place) as fresh:
        for case, home in zip(cases, homes, strict=True):
            case.save(fresh / home / "case.json")
        env = {"A2Q_CASES": json.dumps([str(fresh / home) for home in homes])}
        tests = [f"plays_case/index={i}" for i in range(len(cases))]
        limit_s = MIN_LIMIT_S + sum(case.timeout_cycles for case in cases) / SLOWEST
        faults = simulate(built, "tb.mvau_tests", tests, fresh, env, cases[0].seed, limit_s)
        # A fault of no case in particular is one of every case. Read before the folder takes its
        # place, where another run of the same cases may follow at any time.
        outcomes = [
            read_outcome(
                case,
                fresh / home,
                [f for f in faults if f.startswith(f"{test}:") or not _names(f, tests)],
            )
            for case, home, test in zip(cases, homes, tests, strict=True)
        ]
    return [
        replace(played, folder=place / home, rtl=rtl)
        for played, home in zip(outcomes, homes, strict=True)
    ]


@contextlib.contextmanager
def _taking_place(place: Path) -> Iterator[Path]:
    """Give a fresh folder, which is put in its place once all went well."""
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".", dir=place.parent))
    try:
        yield fresh
        _take_place(fresh, place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _take_place(fresh: Path, place: Path) -> None:
    """Put a folder where an older one may be, or one that somebody else puts there meanwhile."""
    old = fresh.with_name(f"{fresh.name}.old")
    while True:
        with contextlib.suppress(FileNotFoundError):
            place.rename(old)
        shutil.rmtree(old, ignore_errors=True)
        try:
            fresh.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return


def _names(fault: str, tests: Iterable[str]) -> bool:
    return any(fault.startswith(f"{test}:") for test in tests)


def keep(failed: Played, simulator: Simulator, rtl: Rtl = RTL) -> Played:
    """Play a failure again with waves, and keep it in build/failures."""
    try:
        again = play(failed.case, simulator, waves=True, rtl=rtl, into="failures")
    except SimulationError as error:
        return replace(failed, report=f"{failed.report}\n\nno waves: {error}")
    if again.passed:
        return replace(failed, report=f"{failed.report}\n\nplayed again with waves, it passed")
    return again


def simulate(
    built: Build,
    module: str,
    tests: Iterable[str],
    folder: Path,
    env: Mapping[str, str],
    seed: int,
    limit_s: float = MIN_LIMIT_S,
) -> list[str]:
    """Run the cocotb tests of a module in ``folder``; return what is wrong, in sentences.

    All of ``tests`` must have run, nothing else may have, and all must have passed.
    """
    results, log = folder / "results.xml", folder / "sim.log"
    on_verilator = built.simulator.name == "verilator"
    seeds = [f"+verilator+seed+{seed or 1}", "+verilator+rand+reset+2"] if on_verilator else []
    dump = [] if on_verilator else [f"+dumpfile_path={folder / built.waves}"]
    job = {
        "action": "test",
        "simulator": built.simulator.name,
        "arguments": {
            "hdl_toplevel": built.top,
            "hdl_toplevel_lang": "verilog",
            "test_module": module,
            "build_dir": str(built.folder),
            "test_dir": str(folder),
            "results_xml": str(results),
            "seed": seed,
            "waves": bool(built.waves),
            "plusargs": seeds + (dump if built.waves else []),
            "test_args": ["--trace-file", built.waves] if built.waves and on_verilator else [],
        },
    }
    status = work(job, built.simulator, folder, log, limit_s, env)
    if status is None:
        return [f"the simulation was stopped after {limit_s:.0f} s; its log is {log.name}"]
    return judge(results, tests)


def play_streams(
    cases: Sequence[StreamCase], simulator: Simulator, waves: bool = False, rtl: Path = RTL
) -> tuple[Path, list[str]]:
    """Play stream cases of one unit in one simulation; return where, and what is wrong.

    Errors: SimulationError if the unit does not build.
    """
    unit, parameters = cases[0].unit, cases[0].parameters
    if any((case.unit, case.parameters) != (unit, parameters) for case in cases):
        raise ValueError("cases of one simulation must share unit and parameters")
    built = build(unit, parameters, simulator, waves, rtl)
    place = BUILD / "runs" / f"{cases[0].id}-{len(cases)}-{simulator.name}"
    with _taking_place(place) as fresh:
        files = [fresh / f"{i}.json" for i in range(len(cases))]
        for case, file in zip(cases, files, strict=True):
            case.save(file)
        env = {"A2Q_CASES": json.dumps([str(file) for file in files])}
        tests = [f"plays_streams/index={i}" for i in range(len(cases))] + ["waits_for_nobody"]
        limit_s = MIN_LIMIT_S + sum(case.timeout_cycles for case in cases) / SLOWEST
        seed = cases[0].seed
        faults = simulate(built, "tb.stream_tests", tests, fresh, env, seed, limit_s)
    return place, faults


def judge(results: Path, tests: Iterable[str]) -> list[str]:
    """Return what is wrong with a JUnit file of cocotb's: absent, unreadable, or not as due."""
    try:
        cases = list(ElementTree.parse(results).iter("testcase"))
    except FileNotFoundError:
        log = results.with_name("sim.log")
        said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        last = said.strip().rpartition("\n")[2] or "nothing"
        return [f"the simulation ended before it wrote its results; the last of sim.log: {last}"]
    except ElementTree.ParseError as error:
        return [f"the results of the simulation can not be read: {error}"]
    ran, due = [str(case.get("name")) for case in cases], sorted(tests)
    faults = []
    if sorted(ran) != due:
        faults.append(
            f"tests that must run: {', '.join(due)}; that ran: {', '.join(ran) or 'none'}"
        )
    for case in cases:
        for tag in ("failure", "error", "skipped"):
            for problem in case.iter(tag):
                told = (problem.get(word) for word in ("message", "error_msg", "type"))
                # Below the first line pytest repeats what was compared.
                text = next(filter(None, told), tag).splitlines()[0]
                faults.append(f"{case.get('name')}: {text}")
    return faults


def read_outcome(case: Case, folder: Path, faults: list[str]) -> Played:
    """Return what a finished simulation left in ``folder``, held against what was due."""
    try:
        data = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
        tallies = tuple(Tally(**tally) for tally in data["tallies"])
        out = np.array(data["out"], dtype=np.int64)
        overflow = np.array(data["overflow"], dtype=bool)
        report, cycles = str(data["report"]), int(data["cycles"])
    except FileNotFoundError:
        sentence = "the testbench left no outcome; see sim.log"
        return Played(case, folder, "\n".join([*faults, sentence]))
    except (ValueError, KeyError, TypeError) as error:
        sentence = f"the outcome of the testbench can not be read: {error!r}"
        return Played(case, folder, "\n".join([*faults, sentence]))
    if not report:
        problems = [*faults, *_doubts(case, str(data["case"]), tallies, Outcome(out, overflow))]
        report = "\n".join(problems)
    return Played(case, folder, report, tallies, Outcome(out, overflow), cycles)


def _doubts(case: Case, played: str, tallies: tuple[Tally, ...], outcome: Outcome) -> list[str]:
    """Return why a pass of the testbench can not be believed.

    It compared with what crossed the streams; here its outcome must also be that of the very
    vectors and weights that the case is about.
    """
    trace = golden.run(case.spec, case.weights, case.vectors, case.depthwise)
    due, compared = trace.out.size, sum(tally.results for tally in tallies)
    if played != case.id:
        return [f"the outcome is of another case: {played}"]
    if compared != due or not outcome.out.shape == outcome.overflow.shape == trace.out.shape:
        return [f"{compared} results were compared, {due} are due"]
    overflow = trace.overflow & case.spec.observe
    wrong = (outcome.out != trace.out) | (outcome.overflow != overflow)
    if wrong.any():
        return [f"{int(wrong.sum())} of {due} results are not those of the case's own vectors"]
    return []
