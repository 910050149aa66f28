"""Rows that do not fit P bits, brought back into them by the smallest change there is, exactly."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np

from golden.bounds import row_bits
from golden.integer import Format, InputError, IntArray
from golden.spec import MvauSpec


@dataclass(frozen=True)
class Fix:
    """One row that was brought back."""

    row: int
    needed_bits: int  # what it needed before
    change: int  # L1 norm of the change


def bring_back(
    weights: IntArray, acc_bits: int, inputs: Format, start: IntArray | None = None
) -> tuple[IntArray, tuple[Fix, ...]]:
    """Return the nearest weights that are safe at ``acc_bits`` bits, and the rows that changed.

    weights (MH, MW), start (MH,) as in ``bounds.exact_range``. A row that fits stays as it is; of
    any other the L1 norm of the change is the smallest there is, and the L2 norm the smallest among
    those. Errors: InputError if a start value does not fit by itself.

    Weights only move toward zero. For any safe row, pull each weight that lies beyond its old value
    back to it, and each that crossed zero back to zero: no magnitude of either sign has grown, so
    the row is still safe, and it is no farther from the old one.

    >>> bring_back(np.array([[3, -2, 7], [1, 1, 1]]), 5, Format(2, signed=False))
    (array([[ 1, -2,  4],
           [ 1,  1,  1]]), (Fix(row=0, needed_bits=6, change=5),))
    """
    fixed = Format(16, signed=True).require(weights, "weights", ndim=2)
    mh, mw = fixed.shape
    acc = MvauSpec(  # the unit these weights are for: its spec says which widths are legal
        mw=mw, mh=mh, pe=1, simd=1, weight_bits=16, acc_bits=acc_bits,
        input_bits=inputs.bits, signed_input=inputs.signed,
    ).acc  # fmt: skip
    starts = np.zeros(mh, np.int64) if start is None else start
    fixes = []
    for row, needed in enumerate(row_bits(fixed, inputs, start)):
        if needed <= acc_bits:
            continue
        begin = int(starts[row])
        if not acc.minimum <= begin <= acc.maximum:
            raise InputError(f"start of row {row} must fit P={acc_bits} bits, got {begin}")
        nearest = _nearest_safe(fixed[row], acc, inputs, begin)
        fixes.append(Fix(row, needed, int(np.abs(nearest - fixed[row]).sum())))
        fixed[row] = nearest
    return fixed, tuple(fixes)


def _nearest_safe(row: IntArray, acc: Format, inputs: Format, start: int) -> IntArray:
    positive, negative = np.maximum(row, 0), np.maximum(-row, 0)
    p, n = int(positive.sum()), int(negative.sum())
    x, y = inputs.maximum, -inputs.minimum
    too_high = p * x + n * y + max(start, 0) - acc.maximum
    too_low = p * y + n * x + max(-start, 0) + acc.minimum

    def shares(change: int) -> range:
        """Return how much of ``change`` may come off the positive weights, the rest off the others.

        share*x + rest*y >= too_high and share*y + rest*x >= too_low, where rest = change - share.
        """
        low, high, step = too_high - change * y, change * x - too_low, x - y
        if step < 0:
            low, high, step = -high, -low, -step
        fewest, most = max(change - n, 0), min(change, p)
        if step == 0:  # bipolar: either side brings both ends in
            return range(fewest, most + 1 if low <= 0 <= high else fewest)
        return range(max(-(-low // step), fewest), min(high // step, most) + 1)

    change = bisect_left(range(p + n), True, key=lambda k: bool(shares(k)))
    legal = shares(change)
    evenly = int(_spread(np.abs(row), change)[row > 0].sum())
    share = min(max(evenly, legal[0]), legal[-1])
    return row - _spread(positive, share) + _spread(negative, change - share)


def _spread(magnitudes: IntArray, total: int) -> IntArray:
    """Return what each magnitude loses, ``total`` in all: as evenly as possible, the largest first.

    >>> _spread(np.array([9, 1, 0, 4, 9]), 8)
    array([3, 1, 0, 2, 2])
    """

    def lost_at(level: int) -> int:
        return int(np.minimum(magnitudes, level).sum())

    level = bisect_right(range(int(magnitudes.max()) + 1), total, key=lost_at) - 1
    lost = np.minimum(magnitudes, level)
    largest_first = np.argsort(-magnitudes, kind="stable")
    lost[largest_first[: total - int(lost.sum())]] += 1
    return lost
