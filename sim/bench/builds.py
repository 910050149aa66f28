"""What builds cost, from an empty folder on; every step in a process of its own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sim import batch
from sim.bench.child import answer, reply, scratch
from sim.bench.figures import Figure, Goal, below
from sim.bench.measure import Progress
from sim.bench.problem import SPEC
from sim.build import build
from sim.cache import SimulationError
from sim.runtime import runtime
from sim.tools import simulator

# Values of ACC_BITS; nobody builds what somebody else has built.
POINTS = (28, 29, 30, 31, 32)
COCOTB_POINTS = (25, 26, 27)
SWEEP = "9..24"
_AXES = ("mw", "mh", "pe", "simd", "weight_bits", "input_bits")


@dataclass(frozen=True)
class Step:
    """Something that is built: how many builds of which name are due, and what takes the time."""

    what: str
    goal: Goal
    makes: str
    due: int
    take: Callable[[Path], list[float]]


def builds(rounds: int, progress: Progress) -> Iterator[Figure]:
    """Measure a library and a cocotb build of new values of ACC_BITS, and many at once."""
    points, cocotb_points = POINTS[:rounds], COCOTB_POINTS[:rounds]
    steps = (
        Step("Verilator's runtime, once", below(30), "verilator-runtime", 1, _step("runtime", [0])),
        Step("batch engine, new", below(2), "batch-mvau", len(points), _step("batch", points)),
        Step("batch engine, known", below(0.05), "", 0, _step("batch", points)),
        Step(
            "cocotb build, new", below(4), "verilator-mvau", len(cocotb_points),
            _step("cocotb", cocotb_points),
        ),
        Step("16 values of ACC, new: a2q sweep", below(15), "batch-mvau", 16, _sweep),
    )  # fmt: skip
    with scratch() as folder:
        for done, step in enumerate(steps):
            progress(f"builds: {step.what}", done, len(steps))
            before = _made(folder)
            seconds = step.take(folder)
            made = [name for name in _made(folder) - before if name.startswith(step.makes)]
            if len(made) != step.due:
                raise SimulationError(
                    f"{step.what}: {step.due} builds are due, {len(made)} were made"
                )
            yield Figure(step.what, statistics.median(seconds), "s", step.goal)


def _made(folder: Path) -> set[str]:
    return {complete.parent.name for complete in folder.glob("sim/*/complete")}


def _runtime(_: int) -> None:
    runtime(simulator("verilator"))


def _batch(acc_bits: int) -> None:
    batch.load(replace(SPEC, acc_bits=acc_bits))


def _cocotb(acc_bits: int) -> None:
    parameters = replace(SPEC, acc_bits=acc_bits).verilog_parameters("mvau")
    build("mvau", parameters, simulator("verilator"))


def _step(name: str, widths: Sequence[int]) -> Callable[[Path], list[float]]:
    """Return what builds in a folder and tells how long each build took, in its own process."""
    arguments = ["-m", "sim.bench.builds", name, *map(str, widths)]
    return lambda folder: list(answer(f"builds-{name}", arguments, _built_in(folder)))


def _sweep(folder: Path) -> list[float]:
    """Return how long the command took, from its start to its end."""
    axes = {name: str(value) for name, value in SPEC.to_json().items() if name in _AXES}
    grid = [f"--{name.replace('_', '-')}={value}" for name, value in axes.items()]
    command = ["-m", "sim.cli", "sweep", f"--acc={SWEEP}", *grid, f"--into={folder}"]
    started = time.perf_counter()
    answer("builds-sweep", command, _built_in(folder))
    return [time.perf_counter() - started]


def _built_in(folder: Path) -> dict[str, str]:
    return {"A2Q_BUILD": str(folder), "A2Q_CACHE": str(folder / "sim")}


def _seconds(arguments: list[str]) -> list[float]:
    """Return how long each build of a step took, in this process."""
    step, *texts = arguments
    widths = [int(text) for text in texts]
    make = {"runtime": _runtime, "batch": _batch, "cocotb": _cocotb}[step]
    return [_time(make, width) for width in widths]


def _time(work: Callable[[int], None], acc_bits: int) -> float:
    started = time.perf_counter()
    work(acc_bits)
    return time.perf_counter() - started


if __name__ == "__main__":
    reply(_seconds)
