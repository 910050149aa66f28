"""Bins of what makes activations of accumulators: threshold, and mvtu, which has one inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from golden import mvau
from golden.integer import BoolArray, Format, IntArray, Overflow
from golden.layer import activate
from golden.spec import MvauSpec
from sim.coverage import bins
from sim.coverage.stream_cases import Seen, of_streams

Moved = Mapping[str, int]
WAYS = ("at once", "in stages")  # of finding the step: SEARCH=0 and 1
_INPUT, _WEIGHT, _THRESHOLD, _OUTPUT = (
    "s_axis_input", "s_axis_weight", "s_axis_threshold", "m_axis_output"
)  # fmt: skip


class SeenThresholds(Seen):
    """What can be told of accumulators that met thresholds."""

    @property
    def way(self) -> str:
        return WAYS[self.p["SEARCH"]]

    @property
    def nf(self) -> int:
        return self.p["MH"] // self.p["PE"]

    @property
    def steps(self) -> int:
        return int(2 ** self.p["OUTPUT_BITS"] - 1)

    @property
    def per_set(self) -> int:
        return self.p["MH"] * self.steps

    @cached_property
    def starts(self) -> IntArray:
        """The beat of accumulators from which on each set of thresholds counts."""
        thresholds = self.case.sources[_THRESHOLD]
        if thresholds.after is None:
            return np.zeros(len(thresholds) // self.per_set, np.int64)
        # A set is on offer as soon as the last vector before it has begun.
        begun = thresholds.after[1][:: self.per_set]
        return np.where(begun > 0, begun + self.nf - 1, 0)

    @cached_property
    def met(self) -> IntArray:
        """The thresholds that each accumulator meets: (beats, PE, steps)."""
        sets = self.case.sources[_THRESHOLD].data.reshape(-1, self.nf, self.p["PE"], self.steps)
        beat = np.arange(len(self.accs))
        which = np.searchsorted(self.starts, beat, side="right") - 1
        met: IntArray = sets[which, beat % self.nf]
        return met

    @cached_property
    def accs(self) -> IntArray:
        """(beats, PE, 1)."""
        return self.case.sources[_INPUT].data[..., None]

    @cached_property
    def reached(self) -> IntArray:
        """How many thresholds each accumulator reaches: (beats, PE)."""
        return np.asarray((self.met <= self.accs).sum(axis=-1))

    @cached_property
    def new_sets(self) -> BoolArray:
        """Which of the sets come between two vectors, and are used."""
        ends = np.append(self.starts[1:], len(self.accs))
        return (self.starts > 0) & (self.starts < ends)

    @property
    def contested(self) -> bool:
        """A vector is on offer with the thresholds that it is to wait for."""
        return self.case.sources[_INPUT].after is None and not self.stalled[_INPUT]


ThresholdBin = bins.Bin[SeenThresholds]


def _in_both_ways(
    name: str, happens: Callable[[SeenThresholds], npt.ArrayLike]
) -> list[bins.Bin[Any]]:
    def in_way(way: str) -> ThresholdBin:
        return ThresholdBin(
            "threshold", f"{name}, {way}",
            lambda s: np.asarray(happens(s)) if s.way == way else 0,
        )  # fmt: skip

    return [in_way(way) for way in WAYS]


def _reset_in_both_ways(
    name: str, condition: Callable[[SeenThresholds, Moved], bool]
) -> list[bins.Bin[Any]]:
    def happens(seen: SeenThresholds) -> bool:
        return seen.at_reset is not None and condition(seen, seen.at_reset)

    return _in_both_ways(f"reset {name}", happens)


class SeenActivations(Seen):
    """What can be told of a matrix unit with thresholds behind it."""

    @cached_property
    def spec(self) -> MvauSpec:
        names = [field.name for field in fields(MvauSpec)]
        return MvauSpec.from_json({name: self.p[name.upper()] for name in names})

    @property
    def per_set(self) -> int:
        """Thresholds."""
        return int(self.p["MH"] * (2 ** self.p["OUTPUT_BITS"] - 1))

    @cached_property
    def set_of_vector(self) -> IntArray:
        """Which set of thresholds each vector meets."""
        after = self.case.sources[_INPUT].after
        inputs = self.case.sources[_INPUT]
        begun = np.zeros(len(inputs), np.int64) if after is None else after[1]
        return np.maximum(begun[:: self.spec.sf] - 1, 0) // self.per_set

    @cached_property
    def _sums(self) -> tuple[IntArray, mvau.Outcome]:
        """Exact sums, and what the accumulators make of them."""
        spec = self.spec
        inputs, weights = (
            form.decode(self.case.sources[name].data & ((1 << form.bits) - 1))
            for name, form in ((_INPUT, spec.inputs), (_WEIGHT, spec.weights))
        )
        vectors = inputs.reshape(-1, spec.mw)
        tiles = weights[: spec.total_fold].reshape(spec.nf, spec.sf, spec.pe, spec.simd)
        matrix = tiles.transpose(0, 2, 1, 3).reshape(spec.mh, spec.mw)
        return mvau.matvec(matrix, vectors), mvau.outcome(spec, matrix, vectors)

    @cached_property
    def overflow(self) -> BoolArray:
        return self._sums[1].overflow

    @cached_property
    def changed(self) -> BoolArray:
        """Which activations are not those of the exact sums."""
        outputs = Format(self.p["OUTPUT_BITS"], self.p["SIGNED_OUTPUT"] == 1)
        sets = self.case.sources[_THRESHOLD].data.reshape(-1, self.spec.mh, 2**outputs.bits - 1)
        changed = np.zeros(self._sums[0].shape, bool)
        for number, thresholds in enumerate(sets):
            mine = self.set_of_vector == number
            exact, held = (
                activate(thresholds, outputs, sums[mine])
                for sums in (self._sums[0], self._sums[1].out)
            )
            changed[mine] = exact != held
        return changed

    @cached_property
    def hidden(self) -> BoolArray:
        """Which sums overflow into others of the same activation."""
        return np.asarray((self._sums[0] != self._sums[1].out) & ~self.changed)


ActivationBin = bins.Bin[SeenActivations]


def _overflows(name: str, where: Callable[[SeenActivations], BoolArray]) -> list[ActivationBin]:
    def of(policy: Overflow) -> ActivationBin:
        return ActivationBin(
            "mvtu", f"{name}, {policy.word}",
            lambda s: where(s) if s.spec.overflow is policy else 0,
        )  # fmt: skip

    return [of(policy) for policy in Overflow]


def _of_mvtu(name: str, happens: Callable[[SeenActivations], npt.ArrayLike]) -> ActivationBin:
    return ActivationBin("mvtu", name, happens)


def _reset_of_mvtu(name: str, condition: Callable[[SeenActivations, Moved], bool]) -> ActivationBin:
    return _of_mvtu(f"reset {name}", lambda s: s.at_reset is not None and condition(s, s.at_reset))


BINS: tuple[bins.Bin[Any], ...] = (
    *of_streams("threshold", _INPUT, _THRESHOLD, _OUTPUT),
    *_in_both_ways("no threshold reached", lambda s: s.reached == 0),
    *_in_both_ways("all thresholds reached", lambda s: s.reached == s.steps),
    *_in_both_ways("some thresholds reached", lambda s: (s.reached > 0) & (s.reached < s.steps)),
    *_in_both_ways("a threshold reached exactly", lambda s: (s.met == s.accs).any(axis=-1)),
    *_in_both_ways("a threshold missed by one", lambda s: (s.met == s.accs + 1).any(axis=-1)),
    *_in_both_ways(
        "several equal thresholds reached", lambda s: ((s.met == s.accs).sum(axis=-1) > 1)
    ),
    *_in_both_ways(
        "a threshold over the highest accumulator",
        lambda s: s.met == 2 ** (s.p["ACC_BITS"] - 1),
    ),
    *_in_both_ways("new thresholds between two vectors", lambda s: s.new_sets),
    *_in_both_ways("new thresholds while a vector waits", lambda s: s.new_sets * s.contested),
    *_in_both_ways("new thresholds right after others", lambda s: np.diff(s.starts) == 0),
    *_in_both_ways("unsigned outputs", lambda s: s.p["SIGNED_OUTPUT"] == 0),
    *_in_both_ways("signed outputs", lambda s: s.p["SIGNED_OUTPUT"] == 1),
    *_in_both_ways("outputs of one bit", lambda s: s.steps == 1),
    *_in_both_ways("one fold", lambda s: s.nf == 1),
    *_in_both_ways("several folds", lambda s: s.nf > 1),
    *_in_both_ways("several rows at a time", lambda s: s.p["PE"] > 1),
    *_reset_in_both_ways(
        "inside a set of thresholds", lambda s, m: m[_THRESHOLD] % s.per_set > 0
    ),
    *_reset_in_both_ways("between two beats of a vector", lambda s, m: m[_INPUT] % s.nf > 0),
    *_reset_in_both_ways("with results on their way", lambda s, m: m[_INPUT] > m[_OUTPUT]),
    *of_streams("mvtu", _INPUT, _WEIGHT, _THRESHOLD, _OUTPUT),
    _of_mvtu("no overflow", lambda s: ~s.overflow),
    *_overflows("overflow that the activation hides", lambda s: s.hidden),
    *_overflows("overflow that changes the activation", lambda s: s.changed),
    _of_mvtu("bipolar weights and inputs",
             lambda s: s.spec.bipolar_weight and s.spec.bipolar_input),
    _of_mvtu("thresholds met at once", lambda s: s.p["SEARCH"] == 0),
    _of_mvtu("thresholds met in stages", lambda s: s.p["SEARCH"] == 1),
    _of_mvtu("one neuron fold", lambda s: s.spec.nf == 1),
    _of_mvtu("several neuron folds", lambda s: s.spec.nf > 1),
    _of_mvtu("new thresholds between two vectors", lambda s: np.diff(s.set_of_vector) > 0),
    _reset_of_mvtu("inside a dot product", lambda s, m: m[_WEIGHT] % s.spec.sf > 0),
    _reset_of_mvtu("before all thresholds are in", lambda s, m: m[_THRESHOLD] < s.per_set),
    _reset_of_mvtu("while sums wait for their thresholds",
                   lambda s, m: m[_WEIGHT] >= s.spec.sf and m[_THRESHOLD] < s.per_set),
)  # fmt: skip
