"""The engines on one MVAU: all compute the same, so only the time that they take differs."""

from __future__ import annotations

import json
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np

from golden.mvau import Outcome
from golden.spec import MvauSpec
from sim import batch
from sim.bench.bare import bare
from sim.bench.child import scratch
from sim.bench.figures import Figure, at_least
from sim.bench.measure import Contestant, Progress, Run, in_turn, together
from sim.bench.problem import SPEC, Problem
from sim.build import build
from sim.cache import SimulationError
from sim.paths import RTL
from sim.run import play, simulate
from sim.tools import simulator

BARE, BATCH, PLAIN, COCOTB = "bare C++", "batch engine", "plain cocotb driver", "cocotb engine"
SECONDS = 0.3  # that a measurement of the batch engine lasts
SLOWER = 100  # how many times fewer vectors cocotb is given
_LIMIT_S = 600


def batch_engine(
    problem: Problem, rtl: Path = RTL, clock: Callable[[], float] = time.perf_counter
) -> Contestant:
    """Return the batch engine, built for long runs; a time is that of a whole call."""
    model = batch.load(problem.spec, rtl=rtl, level=3)

    def run() -> Run:
        started = clock()
        trace = model.run(problem.weights, problem.inputs)
        seconds = clock() - started
        problem.require(BATCH, trace)
        return Run(trace.cycles, seconds)

    return run


def plain_driver(problem: Problem, folder: Path, rtl: Path = RTL) -> Contestant:
    """Return the plain cocotb driver; the time is that of its loop, taken in the simulator."""
    spec = problem.spec
    built = build("mvau", spec.verilog_parameters("mvau"), simulator("verilator"), rtl=rtl)

    def run() -> Run:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            home = Path(name)
            problem.case.save(home / "case.json")
            env = {"A2Q_BENCH": name}
            faults = simulate(
                built, "sim.bench.plain_driver", ["drives"], home, env, 1, _LIMIT_S
            )  # fmt: skip
            if faults:
                raise SimulationError(f"{PLAIN}: {'; '.join(faults)}")
            told = json.loads((home / "plain.json").read_text(encoding="utf-8"))
        shape = (len(problem.inputs), spec.mh)
        out, overflow = (np.array(told[name]).reshape(shape) for name in ("out", "overflow"))
        problem.require(PLAIN, Outcome(out, overflow.astype(bool)))
        return Run(told["cycles"], told["seconds"])

    return run


def cocotb_engine(problem: Problem, rtl: Path = RTL) -> Contestant:
    """Return the testbench of the main job; the time is that of its test, as cocotb reports it."""
    case = problem.case

    def run() -> Run:
        played = play(case, simulator("verilator"), rtl=rtl, into="bench")
        if played.outcome is None or not played.passed:
            raise SimulationError(f"{COCOTB}: {played.report}")
        problem.require(COCOTB, played.outcome)
        test = ElementTree.parse(played.folder / "results.xml").find(".//testcase")
        return Run(played.cycles, float(cast(ElementTree.Element, test).attrib["time"]))

    return run


def engines(
    rounds: int, progress: Progress, spec: MvauSpec = SPEC, seconds: float = SECONDS
) -> Iterator[Figure]:
    """Measure the four of them on the same layer; cocotb plays the first of the vectors."""
    progress("engines: building", 0, rounds)
    with scratch() as folder:
        problem = Problem.random(spec, _vectors(spec, seconds))
        few = problem.first(max(1, len(problem.inputs) // SLOWER))
        contestants = {
            BARE: bare(problem, folder),
            BATCH: batch_engine(problem),
            PLAIN: plain_driver(few, folder),
            COCOTB: cocotb_engine(few),
        }
        rates = in_turn(
            contestants, rounds, lambda done: progress("engines: side by side", done, rounds)
        )
    for name in contestants:
        yield Figure(name, rates.median(name), "cycles/s")
    yield Figure(f"{BATCH} / {BARE}", rates.ratio(BATCH, BARE), "x", at_least(0.85))
    yield Figure(f"{BATCH} / {PLAIN}", rates.ratio(BATCH, PLAIN), "x", at_least(300))
    yield Figure(f"{COCOTB} / {PLAIN}", rates.ratio(COCOTB, PLAIN), "x")


def two_at_once(
    rounds: int, progress: Progress, spec: MvauSpec = SPEC, seconds: float = SECONDS
) -> Iterator[Figure]:
    """Measure two models in two threads of this process against one, beside two processes.

    On a busy machine Linux gives two processes more of the cores than two threads of one. What the
    threads cost each other is the ratio in CPU time, which does not depend on that.
    """
    progress("two at once: building", 0, rounds)
    with scratch() as folder:
        vectors = _vectors(spec, seconds)
        problems = [Problem.random(spec, vectors, seed) for seed in (1, 2)]
        models = [batch_engine(problem) for problem in problems]
        by_cpu = [batch_engine(problem, clock=time.thread_time) for problem in problems]
        programs = []
        for seed, problem in enumerate(problems):
            home = folder / str(seed)
            home.mkdir()
            programs.append(bare(problem, home))
        contestants: dict[str, Contestant] = {
            "one model, CPU time": by_cpu[0],
            "two models, CPU time": lambda: together(by_cpu),
            "two models, two threads": lambda: together(models),
            "one model": models[0],
            f"one {BARE}": programs[0],
            f"two {BARE}, two processes": lambda: together(programs),
        }
        rates = in_turn(
            contestants, rounds, lambda done: progress("two at once: side by side", done, rounds)
        )
    for name in contestants:
        yield Figure(name, rates.median(name), "cycles/s")
    one_by_cpu, two_by_cpu, two_models, one_model, one_process, two_processes = contestants
    yield Figure("two models / one", rates.ratio(two_models, one_model), "x")
    yield Figure("two models / one, CPU time", rates.ratio(two_by_cpu, one_by_cpu), "x")
    yield Figure("two processes / one", rates.ratio(two_processes, one_process), "x")


def _vectors(spec: MvauSpec, seconds: float) -> int:
    """Return how many vectors keep the batch engine busy for so long."""
    trial = Problem.random(spec, 256)
    run = batch_engine(trial)
    fastest = min(run().seconds for _ in range(3))
    return max(1, round(seconds / fastest * len(trial.inputs)))
