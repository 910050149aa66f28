"""How wide must the accumulator be? Over all inputs, orders and subsets where it is tiny."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from strategies import BIPOLAR, Problem, formats, problems, specs

from golden import bounds, mvau
from golden.integer import Format, InputError, IntArray
from golden.spec import MvauSpec

TINY_FORMATS = [Format(bits, signed) for bits in (1, 2) for signed in (False, True)] + [BIPOLAR]
TINY = [
    pytest.param(k, weight_bits, form, id=f"k{k}-m{weight_bits}-{form}")
    for k in (1, 2, 3)
    for weight_bits in (1, 2)
    for form in TINY_FORMATS
]


def everything(form: Format, k: int) -> IntArray:
    """Return every vector of ``k`` values of this format, as rows."""
    return np.array(list(itertools.product(form.values, repeat=k)), np.int64)


def spec_for(
    weights: IntArray, weight_bits: int, inputs: Format, acc_bits: int, simd: int = 1
) -> MvauSpec:
    mh, mw = weights.shape
    return MvauSpec(
        mw=mw, mh=mh, pe=1, simd=simd, weight_bits=weight_bits, acc_bits=acc_bits,
        input_bits=inputs.bits, signed_input=inputs.signed, bipolar_input=inputs.bipolar,
    )  # fmt: skip


def sums_in_every_order(row: list[int], inputs: IntArray) -> set[int]:
    """Return every value that a sum over any lanes, in any order, passes for any of the inputs."""
    orders = itertools.chain.from_iterable(
        itertools.permutations(range(len(row)), lanes) for lanes in range(len(row) + 1)
    )
    return {
        partial
        for order, vector in itertools.product(orders, inputs.tolist())
        for partial in itertools.accumulate((row[i] * vector[i] for i in order), initial=0)
    }


def overflows_anywhere(row: IntArray, weight_bits: int, inputs: Format, acc_bits: int) -> bool:
    """Ask the golden model: all inputs, all orders of the lanes, all folds."""
    k = len(row)
    vectors = everything(inputs, k)
    runs = [
        mvau.run(
            spec_for(row[None, :], weight_bits, inputs, acc_bits, simd),
            row[None, list(order)],
            vectors[:, list(order)],
        )
        for order in itertools.permutations(range(k))
        for simd in range(1, k + 1)
        if k % simd == 0
    ]
    return any(run.overflow.any() for run in runs)


@pytest.mark.parametrize(("k", "weight_bits", "inputs"), TINY)
def test_exact_range_is_where_all_sums_end(k: int, weight_bits: int, inputs: Format) -> None:
    weights = everything(Format(weight_bits, signed=True), k)
    vectors = everything(inputs, k)
    lowest, highest = bounds.worst_case_inputs(weights, inputs)
    for r, (low, high) in enumerate(zip(*bounds.exact_range(weights, inputs), strict=True)):
        reached = sums_in_every_order(weights[r].tolist(), vectors)
        assert (low, high) == (min(reached), max(reached))
        assert (low, high) == (lowest[r] @ weights[r], highest[r] @ weights[r])


@pytest.mark.parametrize("start", [-5, -1, 0, 1, 4])
@pytest.mark.parametrize(("k", "weight_bits", "inputs"), TINY)
def test_a_start_value_may_come_at_any_moment(
    k: int, weight_bits: int, inputs: Format, start: int
) -> None:
    """It is one more lane, whose input is 1."""
    weights = everything(Format(weight_bits, signed=True), k)
    vectors = np.pad(everything(inputs, k), ((0, 0), (0, 1)), constant_values=1)
    starts = np.full(len(weights), start)
    ends = zip(*bounds.exact_range(weights, inputs, start=starts), strict=True)
    needed = bounds.row_bits(weights, inputs, start=starts)
    for row, (low, high), bits in zip(weights.tolist(), ends, needed, strict=True):
        reached = sums_in_every_order([*row, start], vectors)
        assert (low, high) == (min(reached), max(reached))
        narrowest = (p for p in range(2, 9) if -(2 ** (p - 1)) <= low <= high < 2 ** (p - 1))
        assert bits == next(narrowest)
    assert bounds.layer_bits(weights, inputs, start=starts) == max(needed)


def test_each_row_has_its_own_start() -> None:
    weights, inputs = np.array([[1], [1]]), Format(4, signed=True)
    starts = np.array([8, -(2**61)])
    low, high = bounds.exact_range(weights, inputs, start=starts)
    assert (low.tolist(), high.tolist()) == ([-8, -(2**61) - 8], [15, 7])
    assert bounds.row_bits(weights, inputs, start=starts) == [5, 63]


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (np.zeros(1, int), "start must have MH=2 values, got 1"),
        (np.zeros((2, 1), int), "start must be a 1-dimensional"),
        (np.zeros(2), "start must be integers, got dtype float64"),
        (np.array([0, 2**61]), "start must fit signed 62-bit integers"),
    ],
)
def test_refuses_a_start(start: IntArray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bounds.row_bits(np.array([[1], [1]]), Format(4, signed=True), start=start)


@pytest.mark.parametrize(
    ("weights", "inputs", "bits", "norm"),
    [
        (np.array([[100]], np.int8), Format(4, signed=False), 12, 100),
        (np.array([[-128]], np.int8), Format(8, signed=True), 16, 128),
        (np.array([[127, 127]], np.int8), Format(1, signed=False), 9, 254),
        (np.array([[200]], np.uint8), Format(4, signed=False), 13, 200),
        (np.array([[200]], np.int16), Format(8, signed=False), 17, 200),
    ],
)
def test_weights_of_narrow_types_are_exact(
    weights: IntArray, inputs: Format, bits: int, norm: int
) -> None:
    assert bounds.row_bits(weights, inputs) == [bits]
    assert bounds.l1_norm(weights) == [norm]
    low, high = (end @ weights[0].astype(int) for end in bounds.worst_case_inputs(weights, inputs))
    assert (low, high) == bounds.exact_range(weights, inputs)


OF_ROWS = [bounds.l1_norm] + [
    lambda weights, bound=bound: bound(weights, Format(1, signed=False))
    for bound in (bounds.worst_case_inputs, bounds.exact_range, bounds.row_bits, bounds.layer_bits)
]


@pytest.mark.parametrize("bound", OF_ROWS)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.array([[1.0]]), "weights must be integers, got dtype float64"),
        (np.array([1]), "weights must be a 2-dimensional array"),
        (np.zeros((1, 0), int), "weights must be a 2-dimensional array with elements"),
        (np.array([[2**63]], np.uint64), "weights must fit signed 63-bit integers"),
        (
            np.array([[1, -(2**61)]]),
            r"^sums of 2 products of weights up to 2305843009213693952 and inputs up to 1 "
            r"must stay below 2\^62$",
        ),
    ],
)
def test_refuses_rows(bound: Callable[[IntArray], object], weights: IntArray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bound(weights)


def test_the_largest_rows_are_exact() -> None:
    most = 2**61 - 1
    rows = np.array([[most, most], [-most, -most]])
    assert bounds.l1_norm(rows).tolist() == [2 * most, 2 * most]
    low, high = bounds.exact_range(rows, Format(1, signed=False))
    assert (low.tolist(), high.tolist()) == ([0, -2 * most], [2 * most, 0])
    for inputs, factor in ((Format(8, signed=False), 255), (Format(8, signed=True), 128)):
        widest = (2**62 - 1) // factor
        low, high = bounds.exact_range(np.array([[-widest]]), inputs)
        assert max(-int(low[0]), int(high[0])) == factor * widest
        with pytest.raises(InputError, match=f"and inputs up to {factor} must stay below"):
            bounds.exact_range(np.array([[-widest - 1]]), inputs)


@pytest.mark.parametrize("acc_bits", [1, 0, -7])
@pytest.mark.parametrize("bound", [bounds.a2q_max_l1_norm, bounds.a2q_plus_max_l1_norm])
def test_norm_bounds_of_no_accumulator_are_refused(
    bound: Callable[[int, Format], Fraction], acc_bits: int
) -> None:
    with pytest.raises(InputError, match=f"^P must be at least 2, got {acc_bits}$"):
        bound(acc_bits, Format(4, signed=True))


@pytest.mark.parametrize(("k", "weight_bits", "inputs"), TINY)
def test_row_bits_is_the_smallest_safe_width(k: int, weight_bits: int, inputs: Format) -> None:
    weights = everything(Format(weight_bits, signed=True), k)
    needed = bounds.row_bits(weights, inputs)
    assert len(needed) == len(weights)
    for row, bits in zip(weights, needed, strict=True):
        assert not overflows_anywhere(row, weight_bits, inputs, bits)
        assert bits == bounds.MIN_ACC_BITS or overflows_anywhere(row, weight_bits, inputs, bits - 1)
    assert bounds.layer_bits(weights, inputs) == max(needed)


@pytest.mark.parametrize(("k", "weight_bits", "inputs"), TINY)
def test_closed_forms_imply_safety_of_every_tiny_row(
    k: int, weight_bits: int, inputs: Format
) -> None:
    weights = everything(Format(weight_bits, signed=True), k)
    norms = bounds.l1_norm(weights)
    for acc_bits in range(2, bounds.data_type_bound(k, weight_bits, inputs) + 1):
        safe = np.array(bounds.row_bits(weights, inputs)) <= acc_bits
        by_a2q = norms <= bounds.a2q_max_l1_norm(acc_bits, inputs)
        centred = weights.sum(axis=1) == 0
        by_a2q_plus = centred & (norms <= bounds.a2q_plus_max_l1_norm(acc_bits, inputs))
        assert safe[by_a2q].all()
        assert safe[by_a2q_plus].all()
    assert safe.all()  # at the data type bound itself


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("inputs", TINY_FORMATS, ids=str)
def test_closed_forms_imply_safety_of_every_tiny_bipolar_row(k: int, inputs: Format) -> None:
    """One bit is its data type; their norms are K, and half of those of an even K sum to zero."""
    weights = everything(BIPOLAR, k)
    assert max(bounds.row_bits(weights, inputs)) <= bounds.data_type_bound(k, 1, inputs)
    for acc_bits in range(2, bounds.data_type_bound(k, 1, inputs) + 1):
        for row, needed in zip(weights, bounds.row_bits(weights, inputs), strict=True):
            if k <= bounds.a2q_max_l1_norm(acc_bits, inputs):
                assert needed <= acc_bits
            if row.sum() == 0 and k <= bounds.a2q_plus_max_l1_norm(acc_bits, inputs):
                assert needed <= acc_bits


def test_bipolar_inputs_reach_the_bounds_of_the_papers() -> None:
    """At either bound a row is safe, one LSB past it is not: their sums reach the norm."""
    assert bounds.a2q_max_l1_norm(4, BIPOLAR) == bounds.a2q_plus_max_l1_norm(4, BIPOLAR) == 7
    rows = np.array([[7, 0], [-3, 4], [8, 0], [-4, 4]])
    assert bounds.row_bits(rows, BIPOLAR) == [4, 4, 5, 5]


def test_closed_forms_judge_rows_that_are_not_zero() -> None:
    weights = everything(Format(2, signed=True), 3)
    norms, one_bit = bounds.l1_norm(weights), Format(1, signed=False)
    centred = weights.sum(axis=1) == 0
    # 3 / 2 and 6 / 1: rows of norm 1, and zero-sum rows of norm 2 or 4, such as (1, 1, -2).
    assert ((norms > 0) & (norms <= bounds.a2q_max_l1_norm(3, one_bit))).sum() == 6
    assert (centred & (norms > 0) & (norms <= bounds.a2q_plus_max_l1_norm(3, one_bit))).sum() == 9


@given(problems(specs(max_mw=96, max_weight_bits=16, max_input_bits=16)))
def test_closed_forms_imply_safety_of_wide_rows(problem: Problem) -> None:
    spec, weights, _ = problem
    needed = bounds.row_bits(weights, spec.inputs)
    assert max(needed) <= bounds.data_type_bound(spec.mw, spec.weight_bits, spec.inputs)
    for row, bits in zip(weights.tolist(), needed, strict=True):
        norm = sum(abs(weight) for weight in row)
        if norm <= bounds.a2q_max_l1_norm(spec.acc_bits, spec.inputs):
            event("inside the A2Q bound")
            assert bits <= spec.acc_bits
        if sum(row) == 0 and norm <= bounds.a2q_plus_max_l1_norm(spec.acc_bits, spec.inputs):
            event("inside the A2Q+ bound")
            assert bits <= spec.acc_bits


def cut_to_norm(weights: IntArray, norm: int) -> IntArray:
    """Return rows of at most this norm, the last weights of each cut first."""
    magnitudes = np.abs(weights)
    used_before = magnitudes.cumsum(axis=1) - magnitudes
    return np.sign(weights) * np.clip(norm - used_before, 0, magnitudes)


@given(problems(specs(max_mw=96, max_weight_bits=16, max_input_bits=16)))
def test_rows_cut_to_the_a2q_bound_are_safe(problem: Problem) -> None:
    spec, weights, _ = problem
    norm = math.floor(bounds.a2q_max_l1_norm(spec.acc_bits, spec.inputs))
    cut = cut_to_norm(weights, norm)
    assert (bounds.l1_norm(cut) == np.minimum(bounds.l1_norm(weights), norm)).all()
    event("cut" if (cut != weights).any() else "whole")
    assert bounds.layer_bits(cut, spec.inputs) <= spec.acc_bits


@given(formats(), st.integers(2, 62))
def test_a2q_at_its_very_bound(inputs: Format, acc_bits: int) -> None:
    norm = math.floor(bounds.a2q_max_l1_norm(acc_bits, inputs))
    for sign in (1, -1):
        assert bounds.row_bits(np.array([[sign * norm]]), inputs)[0] <= acc_bits
    if inputs.signed:  # all weights negative, all inputs at their minimum: here the bound is tight
        assert bounds.row_bits(np.array([[-(norm + 1)]]), inputs)[0] > acc_bits


@given(formats(), st.integers(2, 61))
def test_a2q_plus_is_tight(inputs: Format, acc_bits: int) -> None:
    half = math.floor(bounds.a2q_plus_max_l1_norm(acc_bits, inputs) / 2)
    assert bounds.row_bits(np.array([[half, -half]]), inputs)[0] <= acc_bits
    assert bounds.row_bits(np.array([[half + 1, -half - 1]]), inputs)[0] > acc_bits


@given(problems(specs(max_mw=96, max_weight_bits=16, max_input_bits=16)))
def test_witnesses_overflow_one_bit_below(problem: Problem) -> None:
    spec, weights, _ = problem
    lowest, highest = bounds.worst_case_inputs(weights, spec.inputs)
    needed = bounds.row_bits(weights, spec.inputs)
    for r, bits in enumerate(needed):
        witnesses = np.stack([lowest[r], highest[r]])
        row = weights[r : r + 1]
        fits = replace(spec, mh=1, pe=1, acc_bits=bits)
        assert not mvau.run(fits, row, witnesses).overflow.any()
        if bits > bounds.MIN_ACC_BITS:
            narrow = replace(fits, acc_bits=bits - 1)
            assert mvau.run(narrow, row, witnesses).persistent.any()


@given(problems())
def test_every_partial_sum_stays_in_the_exact_range(problem: Problem) -> None:
    spec, weights, inputs = problem
    wide = replace(spec, acc_bits=64)
    partials = mvau.run(wide, weights, inputs).partials
    low, high = (end[None, :, None, None] for end in bounds.exact_range(weights, spec.inputs))
    assert ((low <= partials) & (partials <= high)).all()


@given(st.integers(1, 65536), st.integers(1, 16), formats())
def test_data_type_bound_is_the_formula_of_the_paper(
    k: int, weight_bits: int, inputs: Format
) -> None:
    """P is the smallest integer with P >= alpha + log2(1 + 2^-alpha) + 1."""
    with localcontext() as context:
        context.prec = 80
        log2 = Decimal(2).ln()
        alpha = Decimal(k).ln() / log2 + inputs.bits + weight_bits - 1 - inputs.signed
        formula = alpha + (1 + Decimal(2) ** -alpha).ln() / log2 + 1
        # 2^alpha is an integer below 2^48: the formula is an integer or at least 2^-49 away from
        # one, and 80 digits are off by far less than 10^-40.
        smallest = (formula - Decimal(10) ** -40).to_integral_value(ROUND_CEILING)
    assert bounds.data_type_bound(k, weight_bits, inputs) == smallest


@pytest.mark.parametrize(
    ("k", "weight_bits", "inputs", "bits"),
    [
        (1, 1, Format(1, signed=True), 2),  # one product, -1 * -1 = 1
        (3, 1, Format(1, signed=True), 3),  # 3 = 2^2 - 1, the end of 3 bits
        (4, 1, Format(1, signed=True), 4),  # 4 = 2^2, one past it
        (1, 8, Format(8, signed=True), 16),  # -128 * -128 = 2^14
        (256, 8, Format(8, signed=True), 24),  # 2^22
        (64, 8, Format(8, signed=False), 23),  # 2^21
        (65536, 16, Format(16, signed=False), 49),  # 2^47, the widest unit there is
    ],
)
def test_data_type_bound_by_hand(k: int, weight_bits: int, inputs: Format, bits: int) -> None:
    assert bounds.data_type_bound(k, weight_bits, inputs) == bits


@pytest.mark.parametrize(
    ("acc_bits", "inputs", "a2q", "a2q_plus"),
    [
        (2, Format(1, signed=False), Fraction(1, 2), Fraction(2)),
        (2, Format(1, signed=True), Fraction(1), Fraction(2)),
        (8, Format(4, signed=False), Fraction(127, 16), Fraction(254, 15)),
        (8, Format(4, signed=True), Fraction(127, 8), Fraction(254, 15)),
        (16, Format(8, signed=False), Fraction(32767, 256), Fraction(65534, 255)),
        (16, Format(8, signed=True), Fraction(32767, 128), Fraction(65534, 255)),
        (64, Format(16, signed=False), Fraction(2**63 - 1, 65536), Fraction(2**64 - 2, 65535)),
    ],
)
def test_norm_bounds_by_hand(
    acc_bits: int, inputs: Format, a2q: Fraction, a2q_plus: Fraction
) -> None:
    assert bounds.a2q_max_l1_norm(acc_bits, inputs) == a2q
    assert bounds.a2q_plus_max_l1_norm(acc_bits, inputs) == a2q_plus


def test_a2q_is_not_tight_for_unsigned_inputs() -> None:
    """Its 2^N stands for the largest input, which is 2^N - 1: safe rows past the bound exist."""
    row, inputs = np.array([[1]]), Format(1, signed=False)
    assert bounds.l1_norm(row)[0] > bounds.a2q_max_l1_norm(2, inputs)
    assert bounds.row_bits(row, inputs) == [2]


def test_a2q_is_not_tight_for_rows_of_both_signs() -> None:
    """The norm adds up what unsigned inputs drive to opposite ends."""
    row, inputs = np.array([[7, -7]]), Format(4, signed=False)
    assert bounds.l1_norm(row)[0] > bounds.a2q_max_l1_norm(8, inputs)
    assert bounds.row_bits(row, inputs) == [8]


def test_a2q_is_not_tight_for_signed_inputs_at_the_low_end() -> None:
    """It keeps 2^(P-1) out, which the low end of two's complement has."""
    row, inputs = np.array([[1]]), Format(4, signed=True)
    assert bounds.l1_norm(row)[0] > bounds.a2q_max_l1_norm(4, inputs)
    assert bounds.row_bits(row, inputs) == [4]


def test_data_type_bound_is_not_tight() -> None:
    """For K=1, M=1, N=4 unsigned it needs 2^4 + 1 values below zero; the lowest product is -15."""
    inputs = Format(4, signed=False)
    assert bounds.data_type_bound(1, 1, inputs) == 6
    assert bounds.row_bits(np.array([[-1]]), inputs) == [5]


def test_bounds_of_a_row_by_hand() -> None:
    weights, inputs = np.array([[3, -2, 0], [0, 0, 0]]), Format(4, signed=True)
    low, high = bounds.exact_range(weights, inputs)
    lowest, highest = bounds.worst_case_inputs(weights, inputs)
    assert (low.tolist(), high.tolist()) == ([-38, 0], [37, 0])
    assert (lowest.tolist(), highest.tolist()) == (
        [[-8, 7, 0], [0, 0, 0]],
        [[7, -8, 0], [0, 0, 0]],
    )
    assert bounds.row_bits(weights, inputs) == [7, 2]
    assert bounds.layer_bits(weights, inputs) == 7
    assert bounds.l1_norm(weights).tolist() == [5, 0]
    trace = mvau.run(spec_for(weights, 3, inputs, 6), weights, np.concatenate([lowest, highest]))
    assert trace.persistent[:, 0].tolist() == [True, False, True, False]
