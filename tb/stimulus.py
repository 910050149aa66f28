"""Stimulus families: input vectors that look for trouble where it is.

A random input almost never overflows, and a worst case of one sign misses bugs in carry paths; so
each family looks elsewhere. All depend on the weights that they are played against.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from golden import bounds
from golden.integer import Format, IntArray
from golden.spec import MvauSpec
from tb.case import DEPTHWISE, Case, Stimulus

REAL = "real data"
CORNERS = "corners"
EDGES = "edges"
WORST = "worst case"
MIXED = "mixed signs"
UNIFORM = "uniform"


def worst_case(weights: IntArray, inputs: Format) -> Stimulus:
    """Drive each row to its lowest and to its highest sum: weights (MH, MW) -> (2*MH, MW)."""
    lowest, highest = bounds.worst_case_inputs(weights, inputs)
    return Stimulus(WORST, np.concatenate([lowest, highest]))


def mixed_signs(weights: IntArray, inputs: Format) -> Stimulus:
    """Drive each row far out and home again: weights (MH, MW) -> (2*MH, MW).

    The first half of the lanes is played as in one worst case, the second half as in the other, so
    that sums of both signs meet in the tree and the accumulator swings out and comes back. An
    overflow on the way is transient: a look at final sums alone can not see it.
    """
    lowest, highest = bounds.worst_case_inputs(weights, inputs)
    first_half = np.arange(weights.shape[1]) < weights.shape[1] // 2
    out_and_home = np.where(first_half, highest, lowest)
    return Stimulus(MIXED, np.concatenate([out_and_home, np.where(first_half, lowest, highest)]))


def corners(weights: IntArray, inputs: Format) -> Stimulus:
    """All zero, or what is nearest, all lowest, all highest: weights (MH, MW) -> (3, MW)."""
    levels = (inputs.nearest(0), inputs.minimum, inputs.maximum)
    return Stimulus(CORNERS, np.stack([np.full(weights.shape[1], level) for level in levels]))


def systematic(weights: IntArray, inputs: Format, depthwise: bool = False) -> tuple[Stimulus, ...]:
    """Return the families that leave nothing to chance; depthwise all rows play their own at once.

    weights (MH, MW) -> vectors (V, MW), or (V, MH*MW) of which there are fewer.
    """
    whole = weights.reshape(1, -1) if depthwise else weights
    return tuple(
        Stimulus(each.family, each.vectors.reshape(-1, whole.shape[1]))
        for each in (
            worst_case(weights, inputs),
            mixed_signs(weights, inputs),
            corners(whole, inputs),
        )
    )


def uniform(weights: IntArray, inputs: Format, vectors: int, rng: np.random.Generator) -> Stimulus:
    """Any legal input, each as likely: weights (MH, MW) -> (vectors, MW)."""
    return Stimulus(UNIFORM, anything(inputs, (vectors, weights.shape[1]), rng))


def anything(form: Format, shape: int | tuple[int, ...], rng: np.random.Generator) -> IntArray:
    """Return values of a format, each as likely as any other."""
    if form.bipolar:
        return form.decode(rng.integers(0, 2, shape))
    return rng.integers(form.minimum, form.maximum, shape, endpoint=True)


def adverse_layer(
    spec: MvauSpec, rng: np.random.Generator, depthwise: bool = False
) -> tuple[IntArray, tuple[Stimulus, ...]]:
    """Make rows that are hard on this very spec, with all families played against them.

    Depthwise, one vector plays each row's own at once.

    Row by row, in turn: a sum exactly at the upper end, one past it, exactly at the lower end, one
    past it (as far as MW lanes reach); one past the upper end and home again; lowest weights with
    lowest inputs; any weights; the same cut to just inside the exact range, and to just outside;
    twice the sum that, added to itself, becomes its own complement.
    """
    ends = (spec.acc.maximum, spec.acc.maximum + 1, spec.acc.minimum, spec.acc.minimum - 1)
    rows, vectors = [], []
    for row in range(spec.mh):
        kind = row % 10
        weights = anything(spec.weights, spec.mw, rng)
        vector = anything(spec.inputs, spec.mw, rng)
        if kind < 4:
            order = rng.permutation(spec.mw)
            weights, vector = (lanes[order] for lanes in _sum_of(ends[kind], spec, spec.mw))
        elif kind == 4:
            out = _sum_of(ends[1], spec, spec.mw // 2)
            home = _sum_of(-ends[1], spec, spec.mw - spec.mw // 2)
            weights, vector = (np.concatenate(lanes) for lanes in zip(out, home, strict=True))
        elif kind == 5:
            weights = np.full(spec.mw, spec.weights.minimum)
            vector = np.full(spec.mw, spec.inputs.minimum)
        elif kind == 9:
            half = _sum_of(_own_complement(spec.acc_bits), spec, spec.mw // 2)
            left_over = _sum_of(0, spec, spec.mw % 2)
            weights, vector = (
                np.concatenate([lanes, lanes, rest])
                for lanes, rest in zip(half, left_over, strict=True)
            )
        elif kind > 6:
            weights = _near_the_limit(weights, spec, inside=kind == 7)
        rows.append(weights)
        vectors.append(vector)
    layer = np.stack(rows)
    whole = layer.reshape(1, -1) if depthwise else layer
    return layer, (
        Stimulus(EDGES, np.stack(vectors).reshape(-1, whole.shape[1])),
        *systematic(layer, spec.inputs, depthwise),
        uniform(whole, spec.inputs, 8, rng),
    )


def adverse_case(
    unit: str, spec: MvauSpec, seed: int = 1, edges_only: bool = False, **others: Any
) -> Case:
    """Return a case of all families, or of the edges alone, against rows hard on ``spec``."""
    if unit == "mac":
        spec = replace(spec, pe=1, simd=1)
    weights, stimuli = adverse_layer(spec, np.random.default_rng(seed), unit == DEPTHWISE)
    if edges_only:
        stimuli = tuple(s for s in stimuli if s.family == EDGES)
    return Case(unit, spec, "adverse", weights, stimuli, seed=seed, **others)


def _own_complement(bits: int) -> int:
    """Return v with v + v = ~v modulo 2^bits: no bit of the sum is that of what was added.

    >>> [_own_complement(bits) for bits in (3, 4)]
    [-3, 5]
    """
    word = ((1 << bits + bits % 2) - 1) // 3
    return word - (1 << bits) if bits % 2 else word


def _sum_of(target: int, spec: MvauSpec, lanes: int) -> tuple[IntArray, IntArray]:
    """Return weights and inputs (lanes,) whose products step to ``target``, or towards it.

    Where both are bipolar no product is zero: at the target, lanes step off it and back.
    """
    weights, inputs = (form.nearest(np.zeros(lanes)) for form in (spec.weights, spec.inputs))
    ends = (spec.weights.maximum, spec.weights.minimum, 1, -1)
    steps = [w for w in ends if w in spec.weights.values]
    for lane in range(lanes):
        farthest = 0
        for w in steps:
            towards = abs(target) // abs(w) * (1 if (target > 0) == (w > 0) else -1) if w else 0
            x = min(max(towards, spec.inputs.minimum), spec.inputs.maximum)
            if x * towards > 0 and abs(w * x) > farthest:
                weights[lane], inputs[lane], farthest = w, x, abs(w * x)
        target -= int(weights[lane] * inputs[lane])
    return weights, inputs


def _near_the_limit(weights: IntArray, spec: MvauSpec, inside: bool) -> IntArray:
    """Keep the largest lanes of weights (MW,) that stay inside P bits; outside: one lane more.

    The others are zero; bipolar ones are of both signs, which is as narrow as a range gets.
    """
    order = np.argsort(np.abs(weights))[::-1]
    kept = np.zeros_like(weights)
    if spec.weights.bipolar:
        kept[:] = 1
        kept[::2] = -1
    for lane in order:
        trial = kept.copy()
        trial[lane] = weights[lane]
        if bounds.row_bits(trial[None], spec.inputs)[0] > spec.acc_bits:
            return kept if inside else trial
        kept = trial
    return kept
