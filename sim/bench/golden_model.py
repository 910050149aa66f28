"""The golden model beside the batch engine: it must not be the slower half of a comparison."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from golden import mvau
from golden.integer import narrow
from sim import batch
from sim.bench.child import answer, reply
from sim.bench.figures import Figure, at_least
from sim.bench.measure import Contestant, Progress, Rates, Run, in_turn
from sim.bench.problem import SPEC, Problem
from sim.cache import SimulationError

VECTORS = 256
MATVEC, RUN, OUTCOME, BATCH = (
    "golden.mvau.matvec", "golden.mvau.run", "golden.mvau.outcome", "batch engine"
)  # fmt: skip
# A process per core is at work in a test run; this is what each of them sees.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_SECONDS = 0.1


def golden_model(rounds: int, progress: Progress) -> Iterator[Figure]:
    """Measure MACs per second of the golden model's three functions, with one thread."""
    progress("golden: one thread", 0, 1)
    rates = Rates(answer("golden", ["-m", "sim.bench.golden_model", str(rounds)], ONE_THREAD))
    yield Figure(OUTCOME, rates.median(OUTCOME), "MAC/s", at_least(3e8))
    for name in (RUN, MATVEC, BATCH):
        yield Figure(name, rates.median(name), "MAC/s")
    yield Figure(f"{OUTCOME} / {BATCH}", rates.ratio(OUTCOME, BATCH), "x", at_least(1))


def _rates(arguments: list[str]) -> dict[str, list[float]]:
    problem = Problem.random(SPEC, VECTORS)
    spec, weights, inputs = problem.spec, problem.weights, problem.inputs
    model = batch.load(spec)
    exact = narrow(mvau.matvec(weights, inputs), spec.acc_bits, spec.overflow)
    if not (exact == problem.expected.out).all():
        raise SimulationError(f"{MATVEC} is wrong: wrapped, it is not {OUTCOME}")
    problem.require(RUN, mvau.run(spec, weights, inputs))
    problem.require(BATCH, model.run(weights, inputs))
    contestants = {
        MATVEC: _repeated(problem, lambda: mvau.matvec(weights, inputs)),
        RUN: _repeated(problem, lambda: mvau.run(spec, weights, inputs)),
        OUTCOME: _repeated(problem, lambda: mvau.outcome(spec, weights, inputs)),
        BATCH: _repeated(problem, lambda: model.run(weights, inputs)),
    }
    rates = in_turn(contestants, int(arguments[0]), lambda done: None)
    return dict(rates.by_name)


def _repeated(problem: Problem, work: Callable[[], object]) -> Contestant:
    def run() -> Run:
        started, count, seconds = time.perf_counter(), 0, 0.0
        while seconds < _SECONDS:
            work()
            count += 1
            seconds = time.perf_counter() - started
        return Run(count * problem.macs, seconds)

    return run


if __name__ == "__main__":
    reply(_rates)
