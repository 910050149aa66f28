"""The matrix-vector product twice: as mathematics writes it, and in the order hardware adds.

In a ``depthwise`` one each row has MW inputs of its own: a vector is MH*MW inputs, row by row.

``matvec`` is the obvious one. ``run`` visits every partial sum that the RTL holds: the products of
one beat, the nodes of the balanced adder tree over its SIMD lanes, then the accumulator.
``outcome`` is a second door to the same truth, for many vectors: it sees what ``run`` sees, in
another order, and forgets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate

import numpy as np

from golden.integer import BoolArray, InputError, IntArray, Overflow, narrow
from golden.spec import MvauSpec

# How many products ``outcome`` holds at once: 1 MiB of int32, about an L2 cache. Those of 64
# results at least, or the inner loops would be too short.
BLOCK = 1 << 18


@dataclass(frozen=True)
class Outcome:
    """What any engine can tell of V vectors: the results and their overflow bits."""

    out: IntArray  # (V, MH) the accumulator after the last beat
    overflow: BoolArray  # (V, MH) some partial sum of that result left P bits


@dataclass(frozen=True)
class Trace(Outcome):
    """What the golden model tells beyond the outcome.

    ``partials`` (V, MH, SF, 2*SIMD) are the values held, beat by beat: SIMD products, then the
    SIMD-1 nodes of the tree level by level, then the accumulator. ``first_overflow`` (V, MH) is the
    beat in which a result first overflowed, -1 if none. ``exact`` (V, MH) are the sums without any
    width.
    """

    partials: IntArray
    first_overflow: IntArray
    exact: IntArray
    persistent: BoolArray  # (V, MH) the exact final sum does not fit

    @property
    def transient(self) -> BoolArray:
        """(V, MH) a partial sum left the range although the final sum fits: wrapping repairs it."""
        return self.overflow & ~self.persistent


def matvec(weights: IntArray, inputs: IntArray, depthwise: bool = False) -> IntArray:
    """Return exact dot products: weights (MH, MW), inputs (V, MW) -> (V, MH)."""
    inputs, weights = inputs.astype(np.int64), weights.astype(np.int64)
    if depthwise:
        sums: IntArray = (inputs.reshape(-1, *weights.shape) * weights).sum(axis=2)
        return sums
    return inputs @ weights.T


def run(spec: MvauSpec, weights: IntArray, inputs: IntArray, depthwise: bool = False) -> Trace:
    """Add in the hardware's order, at P bits, and watch every partial sum.

    weights (MH, MW) and inputs (V, MW), or (V, MH*MW), of the spec's formats. Errors: InputError
    for anything else. A node overflows if the exact sum of the two values it is handed leaves P
    bits.
    """
    weights, inputs = checked(spec, weights, inputs, depthwise)
    rows = inputs.reshape(len(inputs), -1, spec.mw)  # one for all weights, or each its own
    partials: list[IntArray] = []
    overflowed: list[BoolArray] = []

    def hold(exact: IntArray) -> IntArray:
        held = narrow(exact, spec.acc_bits, spec.overflow)
        partials.append(held)
        overflowed.append(held != exact)
        return held

    acc = np.zeros((len(inputs), spec.mh, 1), dtype=np.int64)
    for beat in range(spec.sf):
        lanes = slice(beat * spec.simd, (beat + 1) * spec.simd)
        sums = hold(rows[:, :, lanes] * weights[None, :, lanes])
        while sums.shape[-1] > 1:
            odd_one = sums[..., sums.shape[-1] & ~1 :]  # waits for the next level
            pairs = hold(sums[..., :-1:2] + sums[..., 1::2])
            sums = np.concatenate([pairs, odd_one], axis=-1)
        acc = hold(acc + sums)

    by_beat = (len(inputs), spec.mh, spec.sf, 2 * spec.simd)
    nodes: BoolArray = np.concatenate(overflowed, axis=-1).reshape(by_beat)
    beats = np.asarray(nodes.any(axis=3))
    overflow = np.asarray(beats.any(axis=2))
    exact = matvec(weights, inputs, depthwise)
    return Trace(
        out=acc[..., 0],
        overflow=overflow,
        partials=np.concatenate(partials, axis=-1).reshape(by_beat),
        first_overflow=np.where(overflow, beats.argmax(axis=2), -1),
        exact=exact,
        persistent=narrow(exact, spec.acc_bits, spec.overflow) != exact,
    )


def outcome(
    spec: MvauSpec, weights: IntArray, inputs: IntArray, depthwise: bool = False
) -> Outcome:
    """Return the results and overflow bits of ``run``, many times faster.

    It exists because ``run`` keeps every partial sum, which explains a few vectors and is too much
    for a data set; here one block of products is at work at a time. weights (MH, MW) and inputs
    (V, MW), or (V, MH*MW), of the spec's formats. Errors: InputError for anything else.

    >>> spec = MvauSpec(mw=2, mh=1, pe=1, simd=1, weight_bits=4, input_bits=4, acc_bits=7)
    >>> told = outcome(spec, np.array([[7, -7]]), np.array([[9, 9], [10, 9]]))
    >>> told.out.T, told.overflow.T
    (array([[0, 7]]), array([[False,  True]]))
    """
    weights, inputs = checked(spec, weights, inputs, depthwise)
    # No product is larger than the peak, and no sum of k products than k times that.
    peak = _magnitude(weights) * _magnitude(inputs)
    dtype = np.dtype(np.int32 if peak * spec.mw < 1 << 31 else np.int64)

    def by_lane(rows: IntArray) -> IntArray:
        return rows.T.astype(dtype, order="C").reshape(spec.sf, spec.simd, -1)

    out = np.empty((len(inputs), spec.mh), np.int64)
    overflow = np.empty(out.shape, np.bool_)
    if depthwise:
        across = by_lane(weights)[:, :, None, :]
        for some in _slices(len(inputs), max(1, BLOCK // (spec.mh * spec.mw))):
            products = by_lane(inputs[some].reshape(-1, spec.mw)).reshape(
                spec.sf, spec.simd, -1, spec.mh
            )
            products *= across
            out[some], overflow[some] = _add_up(spec, products, peak)
        return Outcome(narrow(out, spec.acc_bits, spec.overflow), overflow)
    # Products commute: the side with more rows, vectors or weights, runs along the contiguous axis.
    if len(inputs) >= spec.mh:
        more, fewer, sums, bits = inputs, weights, out.T, overflow.T
    else:
        more, fewer, sums, bits = weights, inputs, out, overflow
    results = max(64, BLOCK // spec.mw)
    width = min(len(more), results)
    height = min(len(fewer), results // width)
    block = np.empty((spec.sf, spec.simd, height, width), dtype)
    for columns in _slices(len(more), width):
        across = by_lane(more[columns])[:, :, None, :]
        for rows in _slices(len(fewer), height):
            down = by_lane(fewer[rows])[..., None]
            products = block[:, :, : down.shape[2], : across.shape[3]]
            np.multiply(down, across, out=products)
            sums[rows, columns], bits[rows, columns] = _add_up(spec, products, peak)
    return Outcome(narrow(out, spec.acc_bits, spec.overflow), overflow)


def checked(
    spec: MvauSpec, weights: IntArray, inputs: IntArray, depthwise: bool = False
) -> tuple[IntArray, IntArray]:
    """Return both as int64; InputError for what the spec does not describe."""
    weights = spec.weights.require(weights, "weights", ndim=2)
    inputs = spec.inputs.require(inputs, "inputs", ndim=2)
    if weights.shape != (spec.mh, spec.mw):
        raise InputError(f"weights must have shape {(spec.mh, spec.mw)}, got {weights.shape}")
    size, name = (spec.mh * spec.mw, "MH*MW") if depthwise else (spec.mw, "MW")
    if inputs.shape[1] != size:
        raise InputError(f"inputs must have {name}={size} columns, got {inputs.shape[1]}")
    return weights, inputs


def _add_up(spec: MvauSpec, products: IntArray, peak: int) -> tuple[IntArray, BoolArray]:
    """Add products (SF, SIMD, ...) of at most ``peak`` in place; return sums and overflow bits.

    Up to the first overflow all values are exact: so the exact sums tell the bits, and to wrap the
    last of them is left to the caller. Saturating clamps in order, once something overflowed.
    """
    integer = np.iinfo(products.dtype)  # where it is narrower than P, all sums fit either
    low = products.dtype.type(max(spec.acc.minimum, integer.min))
    high = products.dtype.type(min(spec.acc.maximum, integer.max))
    saturates = spec.overflow is Overflow.SATURATE
    overflow = np.zeros(products.shape[2:], np.bool_)

    def hold(values: IntArray, terms: int) -> None:
        """Watch sums of up to ``terms`` products, unless so many fit whatever they are."""
        if peak * terms <= spec.acc.maximum:
            return
        overflow[:] |= (values.max(axis=(0, 1)) > high) | (values.min(axis=(0, 1)) < low)
        if saturates and overflow.any():
            values.clip(low, high, out=values)

    hold(products, 1)
    terms, nodes = 1, products
    while nodes.shape[1] > 1:
        pairs, terms = nodes[:, :-1:2], 2 * terms
        pairs += nodes[:, 1::2]
        hold(pairs, terms)
        nodes = nodes[:, ::2]  # the pairs, and the odd one that waits for the next level
    beats = nodes[:, 0]
    accumulators = np.array(list(accumulate(beats, np.add)))
    hold(accumulators[:, None], spec.mw)
    if saturates and overflow.any():
        total: IntArray = reduce(lambda acc, beat: (acc + beat).clip(low, high), beats)
        return total, overflow
    return accumulators[-1], overflow


def _magnitude(values: IntArray) -> int:
    return max(-int(values.min()), int(values.max()))


def _slices(length: int, step: int) -> Iterator[slice]:
    return (slice(start, start + step) for start in range(0, length, step))
