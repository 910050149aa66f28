"""What every engine is given, and what it must answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from golden import mvau
from golden.integer import IntArray
from golden.mvau import Outcome
from golden.spec import MvauSpec
from sim.cache import SimulationError
from tb import stimulus
from tb.case import Case, Stimulus

SPEC = MvauSpec(
    mw=64, mh=64, pe=4, simd=8, weight_bits=8, input_bits=8, acc_bits=16
)  # 32 MACs a cycle, 128 cycles a vector


@dataclass(frozen=True, eq=False)
class Problem:
    """A layer and vectors for it."""

    spec: MvauSpec
    weights: IntArray  # (MH, MW)
    inputs: IntArray  # (V, MW)

    @classmethod
    def random(cls, spec: MvauSpec, vectors: int, seed: int = 1) -> Problem:
        rng = np.random.default_rng(seed)
        size = (spec.mh, spec.mw)
        weights = rng.integers(spec.weights.minimum, spec.weights.maximum, size, endpoint=True)
        return cls(spec, weights, stimulus.uniform(weights, spec.inputs, vectors, rng).vectors)

    def first(self, vectors: int) -> Problem:
        return Problem(self.spec, self.weights, self.inputs[:vectors])

    @property
    def case(self) -> Case:
        given = Stimulus(stimulus.UNIFORM, self.inputs)
        return Case("mvau", self.spec, "bench", self.weights, (given,))

    @property
    def macs(self) -> int:
        return len(self.inputs) * self.spec.mh * self.spec.mw

    @cached_property
    def expected(self) -> Outcome:
        return mvau.outcome(self.spec, self.weights, self.inputs)

    def require(self, who: str, answer: Outcome) -> None:
        """Refuse a wrong answer with SimulationError: what is wrong is not fast."""
        due = self.expected
        if answer.out.shape != due.out.shape or answer.overflow.shape != due.overflow.shape:
            raise SimulationError(f"{who} answered {answer.out.shape}, {due.out.shape} are due")
        wrong = (answer.out != due.out) | (answer.overflow != due.overflow)
        if wrong.any():
            raise SimulationError(
                f"{who} is wrong: {int(wrong.sum())} of {wrong.size} results are not golden's"
            )
