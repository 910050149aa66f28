"""The golden model against a second one, written here with plain integers, one node at a time."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import event, given, target
from hypothesis import strategies as st
from strategies import BIPOLAR, Problem, problems, seeds, specs

from golden import mvau
from golden.bounds import data_type_bound, layer_bits
from golden.integer import Format, InputError, IntArray, Overflow, narrow
from golden.spec import MvauSpec


class Dot(NamedTuple):
    """One dot product as hardware builds it."""

    partials: list[list[int]]  # per beat: products, tree nodes level by level, accumulator
    overflowed: list[bool]  # per beat


def dot_by_hand(
    row: list[int], vector: list[int], simd: int, bits: int | None, overflow: Overflow
) -> Dot:
    """Add in the order of the hardware; no width at all if ``bits`` is None."""
    partials: list[list[int]] = []
    overflowed: list[bool] = []

    def hold(exact: int) -> int:
        held = exact if bits is None else fitted(exact, bits, overflow)
        partials[-1].append(held)
        overflowed[-1] |= held != exact
        return held

    accumulator = 0
    for start in range(0, len(row), simd):
        partials.append([])
        overflowed.append(False)
        level = []
        for lane in range(start, start + simd):
            level.append(hold(row[lane] * vector[lane]))
        while len(level) > 1:
            next_level = []
            for left in range(0, len(level) - 1, 2):
                next_level.append(hold(level[left] + level[left + 1]))
            if len(level) % 2 == 1:
                next_level.append(level[-1])
            level = next_level
        accumulator = hold(accumulator + level[0])
    return Dot(partials, overflowed)


def fitted(exact: int, bits: int, overflow: Overflow) -> int:
    lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if overflow is Overflow.SATURATE:
        return max(lowest, min(highest, exact))
    remainder = exact % 2**bits
    return remainder if remainder <= highest else remainder - 2**bits


def assert_equals_dots_by_hand(problem: Problem) -> int:
    """Compare everything that a trace tells; return how many dot products were compared."""
    spec, weights, inputs = problem
    trace = mvau.run(*problem)
    pairs = itertools.product(enumerate(inputs.tolist()), enumerate(weights.tolist()))
    compared = 0
    for (v, vector), (r, row) in pairs:
        held = dot_by_hand(row, vector, spec.simd, spec.acc_bits, spec.overflow)
        free = dot_by_hand(row, vector, spec.simd, None, spec.overflow)
        exact = sum(w * x for w, x in zip(row, vector, strict=True))
        fits = fitted(exact, spec.acc_bits, spec.overflow) == exact
        leaves = [
            beat
            for beat, values in enumerate(free.partials)
            if any(fitted(value, spec.acc_bits, Overflow.WRAP) != value for value in values)
        ]

        assert trace.partials[v, r].tolist() == held.partials
        assert trace.out[v, r] == held.partials[-1][-1]
        assert trace.exact[v, r] == exact
        assert trace.overflow[v, r] == any(held.overflowed) == bool(leaves)
        assert trace.first_overflow[v, r] == (leaves[0] if leaves else -1)
        assert trace.persistent[v, r] == (not fits)
        assert trace.transient[v, r] == (bool(leaves) and fits)
        if spec.overflow is Overflow.WRAP:
            assert trace.out[v, r] == fitted(exact, spec.acc_bits, Overflow.WRAP)
        compared += 1
    assert compared == trace.out.size
    return compared


def everything(form: Format, k: int) -> IntArray:
    """Return every vector of ``k`` values of this format, as rows."""
    return np.array(list(itertools.product(form.values, repeat=k)), np.int64)


TINY_FORMATS = [Format(bits, signed) for bits in (1, 2) for signed in (False, True)] + [BIPOLAR]


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("weight_format", [Format(1, True), Format(2, True), BIPOLAR], ids=str)
@pytest.mark.parametrize("input_format", TINY_FORMATS, ids=str)
def test_every_tiny_dot_product(k: int, weight_format: Format, input_format: Format) -> None:
    weights, inputs = everything(weight_format, k), everything(input_format, k)
    weight_bits = weight_format.bits
    widths = range(2, data_type_bound(k, weight_bits, input_format) + 1)
    lanes = [simd for simd in (1, 2, 3) if k % simd == 0]
    compared = 0
    for acc_bits, simd, overflow in itertools.product(widths, lanes, Overflow):
        spec = MvauSpec(
            mw=k, mh=len(weights), pe=1, simd=simd, weight_bits=weight_bits, acc_bits=acc_bits,
            input_bits=input_format.bits, signed_input=input_format.signed, overflow=overflow,
            bipolar_weight=weight_format.bipolar, bipolar_input=input_format.bipolar,
        )  # fmt: skip
        compared += assert_equals_dots_by_hand(Problem(spec, weights, inputs))
    bits_per_pair = k * (weight_bits + input_format.bits)
    assert compared == 2**bits_per_pair * len(widths) * len(lanes) * 2


@given(problems())
def test_run_equals_dots_by_hand(problem: Problem) -> None:
    trace = mvau.run(*problem)
    target(float(np.abs(trace.partials).max()), label="peak |partial sum|")
    event("persistent" if trace.persistent.any() else "transient" if trace.transient.any() else "-")
    assert_equals_dots_by_hand(problem)


@pytest.mark.parametrize("acc_bits", [2, 62, 63, 64])
@pytest.mark.parametrize("overflow", Overflow)
@given(data=st.data())
def test_narrowest_and_widest_accumulators(
    acc_bits: int, overflow: Overflow, data: st.DataObject
) -> None:
    drawn = specs(
        max_weight_bits=16,
        max_input_bits=16,
        acc_bits=st.just(acc_bits),
        overflow=st.just(overflow),
    )
    assert_equals_dots_by_hand(data.draw(problems(drawn)))


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("bits", range(2, 65))
def test_narrow_at_both_ends_of_every_width(bits: int, overflow: Overflow) -> None:
    int64, end = Format(64, signed=True), 2 ** (bits - 1)
    ends = [-end - 1, -end, -1, 0, end - 1, end, int64.minimum, int64.maximum]
    exact = [value for value in ends if int64.minimum <= value <= int64.maximum]
    expected = [fitted(value, bits, overflow) for value in exact]
    assert narrow(np.array(exact), bits, overflow).tolist() == expected


@given(problems())
def test_the_sticky_overflow_bit_does_not_depend_on_the_policy(problem: Problem) -> None:
    spec, weights, inputs = problem
    wrapped, saturated = (
        mvau.run(replace(spec, overflow=policy), weights, inputs) for policy in Overflow
    )
    assert (wrapped.overflow == saturated.overflow).all()
    assert (wrapped.first_overflow == saturated.first_overflow).all()
    assert (wrapped.persistent == saturated.persistent).all()
    assert (wrapped.transient == saturated.transient).all()


@given(problems())
def test_without_overflow_the_result_is_the_product(problem: Problem) -> None:
    trace = mvau.run(*problem)
    exact = mvau.matvec(problem.weights, problem.inputs)
    assert (trace.exact == exact).all()
    assert (trace.out == exact)[~trace.overflow].all()
    assert (trace.partials[..., -1, -1] == trace.out).all()


def test_without_overflow_is_not_a_rare_case() -> None:
    spec = MvauSpec(mw=64, mh=8, pe=2, simd=4, weight_bits=8, input_bits=8, acc_bits=23)
    random = np.random.default_rng(0)
    trace = mvau.run(spec, random.integers(-128, 128, (8, 64)), random.integers(0, 256, (32, 64)))
    assert not trace.overflow.any()
    assert trace.out.size == 256


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


@given(problems(), st.data())
def test_folding_changes_nothing_but_the_order(problem: Problem, data: st.DataObject) -> None:
    spec, weights, inputs = problem
    refolded = replace(
        spec,
        pe=data.draw(st.sampled_from(divisors(spec.mh))),
        simd=data.draw(st.sampled_from(divisors(spec.mw))),
    )
    before, after = (mvau.run(folded, weights, inputs) for folded in (spec, refolded))
    if spec.overflow is Overflow.WRAP:
        assert (before.out == after.out).all()
    assert (before.persistent == after.persistent).all()
    neither = ~before.overflow & ~after.overflow
    assert (before.out == after.out)[neither].all()


@given(problems())
def test_a_safe_layer_is_safe_at_every_fold(problem: Problem) -> None:
    spec, weights, inputs = problem
    for simd in divisors(spec.mw):
        safe = replace(spec, simd=simd, acc_bits=layer_bits(weights, spec.inputs))
        assert not mvau.run(safe, weights, inputs).overflow.any()


@given(problems(), seeds())
def test_the_order_of_columns_does_not_matter_to_a_wrapping_unit(
    problem: Problem, seed: int
) -> None:
    spec, weights, inputs = problem
    order = np.random.default_rng(seed).permutation(spec.mw)
    wrapping = replace(spec, overflow=Overflow.WRAP)
    before = mvau.run(wrapping, weights, inputs)
    after = mvau.run(wrapping, weights[:, order], inputs[:, order])
    assert (before.out == after.out).all()
    assert (before.persistent == after.persistent).all()


@given(problems())
def test_negated_weights_give_negated_sums(problem: Problem) -> None:
    spec, weights, inputs = problem
    # One weight bit more: the negated minimum has to fit. One accumulator bit more, likewise.
    wider = replace(
        spec,
        weight_bits=spec.weight_bits + 1,
        bipolar_weight=False,
        acc_bits=data_type_bound(spec.mw, spec.weight_bits + 1, spec.inputs),
    )
    before, after = (mvau.run(wider, signed, inputs) for signed in (weights, -weights))
    assert (after.out == -before.out).all()
    assert (after.partials == -before.partials).all()


def test_wrapping_repairs_a_transient_overflow_and_saturating_does_not() -> None:
    spec = MvauSpec(mw=3, mh=1, pe=1, simd=1, weight_bits=4, input_bits=1, acc_bits=4)
    weights, inputs = np.array([[7, 7, -8]]), np.array([[1, 1, 1]])
    wrapped = mvau.run(spec, weights, inputs)
    saturated = mvau.run(replace(spec, overflow=Overflow.SATURATE), weights, inputs)
    assert wrapped.partials.tolist() == [[[[7, 7], [7, -2], [-8, 6]]]]
    assert saturated.partials.tolist() == [[[[7, 7], [7, 7], [-8, -1]]]]
    for trace in (wrapped, saturated):
        assert trace.transient.tolist() == [[True]]
        assert trace.first_overflow.tolist() == [[1]]


def test_an_odd_lane_waits_for_the_next_level() -> None:
    spec = MvauSpec(mw=7, mh=1, pe=1, simd=7, weight_bits=8, input_bits=1, acc_bits=16)
    trace = mvau.run(spec, np.array([[1, 2, 4, 8, 16, 32, 64]]), np.ones((1, 7), np.int64))
    products, pairs, fours, root = [1, 2, 4, 8, 16, 32, 64], [3, 12, 48], [15, 112], 127
    assert trace.partials[0, 0, 0].tolist() == [*products, *pairs, *fours, root, root]


# The second door: the outcome alone


def assert_outcome_equals_run(problem: Problem) -> mvau.Outcome:
    """Compare the two doors under both policies; return what a saturating unit does."""
    spec, weights, inputs = problem
    for policy in (Overflow.WRAP, Overflow.SATURATE):
        either = replace(spec, overflow=policy)
        outcome, trace = mvau.outcome(either, weights, inputs), mvau.run(either, weights, inputs)
        np.testing.assert_array_equal(outcome.out, trace.out, strict=True)
        np.testing.assert_array_equal(outcome.overflow, trace.overflow, strict=True)
        assert outcome.out.shape == (len(inputs), spec.mh)
    return outcome


@given(problems())
def test_outcome_equals_run(problem: Problem) -> None:
    assert_outcome_equals_run(problem)


@pytest.mark.parametrize("acc_bits", [2, 30, 31, 32, 33, 34, 62, 63, 64])
@given(data=st.data())
def test_outcome_equals_run_at_the_widths_of_integers(acc_bits: int, data: st.DataObject) -> None:
    drawn = specs(max_weight_bits=16, max_input_bits=16, acc_bits=st.just(acc_bits))
    assert_outcome_equals_run(data.draw(problems(drawn)))


@given(problems(specs(max_mw=9, max_mh=100)), st.integers(1, 150), seeds())
def test_outcome_equals_run_in_blocks(problem: Problem, vectors: int, seed: int) -> None:
    spec, weights, inputs = problem
    inputs = inputs[np.random.default_rng(seed).integers(len(inputs), size=vectors)]
    event("blocks" if vectors * spec.mh > 64 else "one block")
    with patch.object(mvau, "BLOCK", 1):  # then a block has no more than 64 results
        assert_outcome_equals_run(Problem(spec, weights, inputs))


# Depthwise


def depthwise(problem: Problem) -> tuple[MvauSpec, IntArray, IntArray]:
    """Return a problem whose rows have inputs of their own: those of the problem, rolled."""
    spec, weights, inputs = problem
    own = [np.roll(inputs, row, axis=1) for row in range(spec.mh)]
    return spec, weights, np.concatenate(own, axis=1)


@given(problems())
def test_depthwise_is_row_by_row_what_a_single_row_is(problem: Problem) -> None:
    spec, weights, inputs = depthwise(problem)
    trace = mvau.run(spec, weights, inputs, depthwise=True)
    told = mvau.outcome(spec, weights, inputs, depthwise=True)
    assert (told.out == trace.out).all()
    assert (told.overflow == trace.overflow).all()
    assert (mvau.matvec(weights, inputs, depthwise=True) == trace.exact).all()
    for row in range(spec.mh):
        mine = slice(row * spec.mw, (row + 1) * spec.mw)
        alone = mvau.run(replace(spec, mh=1, pe=1), weights[row : row + 1], inputs[:, mine])
        for name in ("out", "overflow", "partials", "first_overflow", "exact", "persistent"):
            assert (getattr(trace, name)[:, row] == getattr(alone, name)[:, 0]).all(), name


@pytest.mark.parametrize("mh", [1, 7, 64, 65])
def test_depthwise_outcome_at_the_edges_of_blocks(mh: int) -> None:
    spec = MvauSpec(mw=683, mh=mh, pe=1, simd=1, weight_bits=5, input_bits=3, acc_bits=10)
    vectors = mvau.BLOCK // (mh * spec.mw) + 2
    random = np.random.default_rng(0)
    weights = random.integers(-16, 16, (mh, spec.mw))
    inputs = random.integers(0, 8, (vectors, mh * spec.mw)) * random.integers(0, 2, (vectors, 1))
    told = mvau.outcome(spec, weights, inputs, depthwise=True)
    trace = mvau.run(spec, weights, inputs, depthwise=True)
    assert (told.out == trace.out).all()
    assert (told.overflow == trace.overflow).all()
    assert set(told.overflow.ravel()) == {False, True}


@pytest.mark.parametrize("door", [mvau.run, mvau.outcome])
@pytest.mark.parametrize("columns", [4, 7, 9])
def test_depthwise_refuses_vectors_of_another_length(
    door: Callable[..., mvau.Outcome], columns: int
) -> None:
    with pytest.raises(InputError, match=rf"^inputs must have MH\*MW=8 columns, got {columns}$"):
        door(SPEC, WEIGHTS, np.ones((3, columns), int), depthwise=True)


@pytest.mark.parametrize(
    ("vectors", "mh"),
    [(1, 1), (63, 1), (64, 1), (65, 1), (129, 2), (20, 7), (7, 20), (2, 65), (1, 129), (24, 24)],
)
def test_outcome_at_the_edges_of_blocks(vectors: int, mh: int) -> None:
    spec = MvauSpec(mw=4098, mh=mh, pe=1, simd=683, weight_bits=5, input_bits=3, acc_bits=12)
    assert spec.mw * 64 > mvau.BLOCK, "a block has more than 64 results"
    random = np.random.default_rng(0)
    weights = random.integers(-16, 16, (mh, spec.mw))
    inputs = random.integers(0, 8, (vectors, spec.mw)) * random.integers(0, 2, (vectors, 1))
    overflow = assert_outcome_equals_run(Problem(spec, weights, inputs)).overflow
    if vectors > 1:
        assert set(overflow.ravel()) == {False, True}


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("signed", [False, True])
def test_outcome_of_every_tiny_dot_product(k: int, signed: bool) -> None:
    weights, inputs = everything(Format(2, signed=True), k), everything(Format(2, signed), k)
    widths = range(2, data_type_bound(k, 2, Format(2, signed)) + 1)
    compared = 0
    for acc_bits, simd in itertools.product(widths, divisors(k)):
        spec = MvauSpec(
            mw=k, mh=len(weights), pe=1, simd=simd, weight_bits=2, acc_bits=acc_bits,
            input_bits=2, signed_input=signed,
        )  # fmt: skip
        compared += assert_outcome_equals_run(Problem(spec, weights, inputs)).out.size
    assert compared == 2 ** (4 * k) * len(widths) * len(divisors(k))


@pytest.mark.parametrize("simd", [1, 2])
@pytest.mark.parametrize("acc_bits", [31, 32, 33])
def test_outcome_one_past_int32(acc_bits: int, simd: int) -> None:
    spec = MvauSpec(
        mw=2, mh=1, pe=1, simd=simd, weight_bits=16, input_bits=16, acc_bits=acc_bits,
        signed_input=True,
    )  # fmt: skip
    lowest = np.full((1, 2), -(2**15))
    saturated = assert_outcome_equals_run(Problem(spec, lowest, lowest))
    assert saturated.out.tolist() == [[min(2**31, spec.acc.maximum)]]


def test_outcome_of_the_largest_sums() -> None:
    spec = MvauSpec(mw=65536, mh=1, pe=1, simd=4, weight_bits=16, input_bits=16, acc_bits=64)
    weights, inputs = np.full((1, 65536), -(2**15)), np.full((2, 65536), 2**16 - 1)
    outcome = mvau.outcome(spec, weights, inputs)
    assert outcome.out.tolist() == [[-(2**31) * (2**16 - 1)]] * 2
    assert not outcome.overflow.any()


def test_outcome_holds_one_block_at_a_time() -> None:
    spec = MvauSpec(mw=64, mh=64, pe=1, simd=8, weight_bits=8, input_bits=8, acc_bits=16)
    weights, inputs = np.ones((64, 64), np.int64), np.ones((4096, 64), np.int64)
    tracemalloc.start()
    outcome = mvau.outcome(spec, weights, inputs)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.out.nbytes < most < 5 * (inputs.nbytes + outcome.out.nbytes)


SPEC = MvauSpec(mw=4, mh=2, pe=1, simd=2, weight_bits=4, input_bits=4, acc_bits=8)
WEIGHTS, INPUTS = np.ones((2, 4), np.int64), np.ones((3, 4), np.int64)

REFUSED = {
    "weights transposed": (WEIGHTS.T, INPUTS, r"weights must have shape \(2, 4\), got \(4, 2\)"),
    "weights flat": (WEIGHTS[0], INPUTS, r"weights must be a 2-dimensional array .*\(4,\)"),
    "weights of floats": (WEIGHTS / 1, INPUTS, "weights must be integers, got dtype float64"),
    "weights of truths": (WEIGHTS > 0, INPUTS, "weights must be integers, got dtype bool"),
    "weights too high": (WEIGHTS * 8, INPUTS, r"signed 4-bit integers \(-8 to 7\), got 8"),
    "weights too low": (WEIGHTS * -9, INPUTS, r"signed 4-bit integers \(-8 to 7\), got -9"),
    "inputs too long": (WEIGHTS, np.ones((3, 5), int), "inputs must have MW=4 columns, got 5"),
    "inputs flat": (WEIGHTS, INPUTS[0], r"inputs must be a 2-dimensional array .*\(4,\)"),
    "no inputs": (WEIGHTS, INPUTS[:0], r"inputs must be .* with elements, got shape \(0, 4\)"),
    "inputs too high": (WEIGHTS, INPUTS * 16, r"unsigned 4-bit integers \(0 to 15\), got 16"),
    "inputs too low": (WEIGHTS, -INPUTS, r"unsigned 4-bit integers \(0 to 15\), got -1"),
    "inputs ragged": (WEIGHTS, [[1], [1, 2]], "inputs must be an array, got rows of different"),
    "inputs beyond int64": (WEIGHTS, [[2**70] * 4], "inputs must be integers, got dtype object"),
}


@pytest.mark.parametrize("door", [mvau.run, mvau.outcome])
@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str, door: Callable[..., mvau.Outcome]) -> None:
    weights, inputs, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        door(SPEC, weights, inputs)


@pytest.mark.parametrize(
    ("bits", "signed", "message"),
    [
        (0, True, "1 to 64 bits, got 0"),
        (65, True, "1 to 64 bits, got 65"),
        (64, False, "1 to 63 bits, got 64"),
        (True, True, "an int and a bool, got True, True"),
        (8, 1, "an int and a bool, got 8, 1"),
    ],
)
def test_formats_that_do_not_exist(bits: int, signed: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Format(bits, signed)


@pytest.mark.parametrize(
    ("bits", "signed", "bipolar", "message"),
    [
        (2, True, True, "^a bipolar format must have 1 signed bit, got signed 2-bit$"),
        (1, False, True, "^a bipolar format must have 1 signed bit, got unsigned 1-bit$"),
        (1, True, 1, "^bipolar must be a bool, got 1$"),
    ],
)
def test_bipolar_formats_that_do_not_exist(
    bits: int, signed: bool, bipolar: bool, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Format(bits, signed, bipolar)


def test_a_bipolar_format() -> None:
    assert (str(BIPOLAR), list(BIPOLAR.values)) == ("bipolar 1-bit", [-1, 1])
    assert BIPOLAR.require([[-1, 1]], "inputs", ndim=2).tolist() == [[-1, 1]]
    for given_values, worst in (([0], 0), ([-1, 0, 1], 0), ([-1, 2], 2), ([-2, 0], -2)):
        message = rf"^inputs must fit bipolar 1-bit integers \(-1 or 1\), got {worst}$"
        with pytest.raises(InputError, match=message):
            BIPOLAR.require(given_values, "inputs", ndim=1)


@pytest.mark.parametrize("bits", [1, 2, 5])
@pytest.mark.parametrize("signed", [False, True])
def test_every_word_is_one_value(bits: int, signed: bool) -> None:
    """Two's complement or plain binary: what a word stands for, modulo 2^bits, is the word."""
    for form in (Format(bits, signed), *([BIPOLAR] if (bits, signed) == (1, True) else [])):
        words = np.arange(2**bits)
        values = form.decode(words)
        assert sorted(values.tolist()) == list(form.values)
        assert form.encode(values).tolist() == words.tolist()
        if not form.bipolar:
            assert (values % 2**bits == words).all()
    assert BIPOLAR.encode([-1, 1]).tolist() == [0, 1]


@pytest.mark.parametrize("form", [BIPOLAR, Format(1, True), Format(3, True), Format(2, False)])
def test_nothing_is_nearer_than_the_nearest(form: Format) -> None:
    values = np.arange(-9, 10)
    expected = [min(form.values, key=lambda legal, value=value: (abs(legal - value), legal))
                for value in values.tolist()]  # fmt: skip
    assert form.nearest(values).tolist() == expected
