"""How wide must the accumulator be? Every answer in exact integers or rationals, never in floats.

A row is safe at P bits if no input, in any order, over any subset of its lanes, drives a sum out of
[-2^(P-1), 2^(P-1)-1]. The exact range decides that; the closed forms of the papers only imply it.

Papers: A2Q is Colbert et al., ICCV 2023 (arXiv 2308.13504); A2Q+ is Colbert et al., ICML 2024
(arXiv 2401.10432). N is the input width, M the weight width, K the length of a row.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from golden.integer import Format, InputError, IntArray, bits_for

MIN_ACC_BITS = 2


def data_type_bound(k: int, weight_bits: int, inputs: Format) -> int:
    """Return the smallest P that holds every dot product of these data types.

    A2Q, section 3: P >= alpha + log2(1 + 2^-alpha) + 1, alpha = log2 K + N + M - 1 - signed(x).
    alpha + log2(1 + 2^-alpha) is log2(2^alpha + 1) and 2^alpha is an integer: no logarithm is left.

    >>> data_type_bound(64, 8, Format(8, signed=False))
    23
    """
    magnitude = k << (inputs.bits + weight_bits - 1 - inputs.signed)
    return 1 + magnitude.bit_length()


def a2q_max_l1_norm(acc_bits: int, inputs: Format) -> Fraction:
    """Return the largest L1 norm of a row that A2Q lets into ``acc_bits`` bits.

    A2Q, section 3: ||w||_1 <= (2^(P-1) - 1) * 2^(signed(x) - N).

    >>> a2q_max_l1_norm(16, Format(8, signed=False))
    Fraction(32767, 256)
    """
    _require_accumulator(acc_bits)
    return Fraction((1 << (acc_bits - 1)) - 1, 1 << (inputs.bits - inputs.signed))


def a2q_plus_max_l1_norm(acc_bits: int, inputs: Format) -> Fraction:
    """Return the largest L1 norm of a row that sums to zero which A2Q+ lets into ``acc_bits`` bits.

    A2Q+, section 3: ||w||_1 <= (2^P - 2) / (2^N - 1), where 2^N - 1 is what lies between the lowest
    input and the highest: 2 if they are bipolar.

    >>> a2q_plus_max_l1_norm(16, Format(8, signed=False))
    Fraction(65534, 255)
    """
    _require_accumulator(acc_bits)
    return Fraction((1 << acc_bits) - 2, inputs.maximum - inputs.minimum)


def l1_norm(weights: IntArray) -> IntArray:
    """Return the L1 norm of each row: weights (MH, MW) -> (MH,)."""
    norms: IntArray = np.abs(_rows(weights, 1)).sum(axis=1)
    return norms


def worst_case_inputs(weights: IntArray, inputs: Format) -> tuple[IntArray, IntArray]:
    """Return the inputs that drive each row to its lowest and to its highest sum.

    weights (MH, MW) -> two arrays (MH, MW); row r of the first is the witness for row r's ``lo``.

    >>> worst_case_inputs(np.array([[3, -2]]), Format(4, signed=False))
    (array([[ 0, 15]]), array([[15,  0]]))
    """
    weights, low, high = _rows(weights, 1), inputs.minimum, inputs.maximum
    any_input = inputs.nearest(0)  # for a weight of zero
    lowest = np.where(weights > 0, low, np.where(weights < 0, high, any_input))
    highest = np.where(weights > 0, high, np.where(weights < 0, low, any_input))
    return lowest, highest


def exact_range(
    weights: IntArray, inputs: Format, start: IntArray | None = None
) -> tuple[IntArray, IntArray]:
    """Return (lo, hi), each (MH,): the extremes of any partial sum, over all inputs and orders.

    hi = sum_i max(w_i*xmin, w_i*xmax), lo = sum_i min(w_i*xmin, w_i*xmax). A lane left out adds
    zero, which lies between the two: no format is of one sign. ``start`` (MH,) is what else goes
    into each accumulator, at any moment: hi + max(start, 0), lo + min(start, 0).

    >>> exact_range(np.array([[3, -2]]), Format(4, signed=False))
    (array([-30]), array([45]))
    >>> exact_range(np.array([[3, -2]]), Format(4, signed=False), start=np.array([-7]))
    (array([-37]), array([45]))
    """
    weights = _rows(weights, max(-inputs.minimum, inputs.maximum))
    ends = weights * inputs.minimum, weights * inputs.maximum
    lo, hi = np.minimum(*ends).sum(axis=1), np.maximum(*ends).sum(axis=1)
    if start is None:
        return lo, hi
    start = Format(62, signed=True).require(start, "start", ndim=1)  # no sum leaves 64 bits
    if len(start) != len(weights):
        raise InputError(f"start must have MH={len(weights)} values, got {len(start)}")
    return lo + np.minimum(start, 0), hi + np.maximum(start, 0)


def row_bits(weights: IntArray, inputs: Format, start: IntArray | None = None) -> list[int]:
    """Return the smallest safe P of each row, by its exact range; 2 is the narrowest there is."""
    lo, hi = exact_range(weights, inputs, start)
    return [max(MIN_ACC_BITS, bits_for(int(a), int(b))) for a, b in zip(lo, hi, strict=True)]


def layer_bits(weights: IntArray, inputs: Format, start: IntArray | None = None) -> int:
    """Return the smallest P that is safe for every row of a layer."""
    return max(row_bits(weights, inputs, start))


def _rows(weights: IntArray, largest_input: int) -> IntArray:
    """Return weights (MH, MW) as int64, or refuse those whose sums of products may leave it."""
    weights = Format(63, signed=True).require(weights, "weights", ndim=2)
    largest = max(-int(weights.min()), int(weights.max()))
    if largest * largest_input * weights.shape[1] >= 1 << 62:
        raise InputError(
            f"sums of {weights.shape[1]} products of weights up to {largest} and inputs up to "
            f"{largest_input} must stay below 2^62"
        )
    return weights


def _require_accumulator(acc_bits: int) -> None:
    if acc_bits < MIN_ACC_BITS:
        raise InputError(f"P must be at least {MIN_ACC_BITS}, got {acc_bits}")
