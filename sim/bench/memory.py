"""Whether memory stays what it was, however many batches one process runs."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from golden.spec import MvauSpec
from sim import batch
from sim.bench.child import answer, reply
from sim.bench.figures import Figure, below
from sim.bench.measure import Progress
from sim.bench.problem import Problem

SPEC = MvauSpec(mw=8, mh=4, pe=2, simd=4, weight_bits=4, input_bits=4, acc_bits=9)
WARM_UP = 10_000
MIB = 1 << 20


def memory(batches: int, progress: Progress) -> Iterator[Figure]:
    """Measure what so many batches of one vector add to the resident memory."""
    progress(f"memory: {batches:,} batches", 0, 1)
    before, after, seconds = answer("memory", ["-m", "sim.bench.memory", str(batches)])
    yield Figure("batches of one vector", batches / seconds, "batches/s")
    yield Figure("resident memory", after / MIB, "MiB")
    yield Figure(f"growth over {batches:,} batches", (after - before) / MIB, "MiB", below(4))


def _measure(arguments: list[str]) -> tuple[int, int, float]:
    """Return resident bytes after a warm-up and after all batches, and the seconds between."""
    batches = int(arguments[0])
    problem = Problem.random(SPEC, 1000)
    vectors = np.split(problem.inputs, len(problem.inputs))
    singles = [Problem(SPEC, problem.weights, vector) for vector in vectors]
    model = batch.load(SPEC)

    def play(count: int) -> None:
        for i in range(count):
            single = singles[i % len(singles)]
            single.require("the batch engine", model.run(single.weights, single.inputs))

    play(min(WARM_UP, batches))
    before, started = _resident(), time.perf_counter()
    play(batches)
    return before, _resident(), time.perf_counter() - started


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]
    return int(pages) * resource.getpagesize()


if __name__ == "__main__":
    reply(_measure)
