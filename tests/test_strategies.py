"""The generator can draw every corner that the other tests claim to visit."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from strategies import Problem, near_bound, problems, specs

from golden import bounds, mvau
from golden.integer import Format, Overflow
from golden.spec import MvauSpec


def trace(problem: Problem) -> mvau.Trace:
    return mvau.run(*problem)


def product_bits(spec: MvauSpec) -> int:
    return spec.weight_bits + spec.input_bits


def touches_the_range(problem: Problem) -> bool:
    """Some row is safe, and one more would not fit."""
    low, high = bounds.exact_range(problem.weights, problem.spec.inputs)
    acc = problem.spec.acc
    safe = (low >= acc.minimum) & (high <= acc.maximum)
    return bool((safe & ((low == acc.minimum) | (high == acc.maximum))).any())


def one_past_the_range(problem: Problem) -> bool:
    low, high = bounds.exact_range(problem.weights, problem.spec.inputs)
    acc = problem.spec.acc
    return bool(((low == acc.minimum - 1) | (high == acc.maximum + 1)).any())


PROBLEM_CORNERS: dict[str, Callable[[Problem], bool]] = {
    "persistent overflow": lambda p: bool(trace(p).persistent.any()),
    "transient overflow": lambda p: bool(trace(p).transient.any()),
    "transient overflow inside one beat": lambda p: (
        p.spec.sf == 1 and bool(trace(p).transient.any())
    ),
    "overflow that starts after the first beat": lambda p: bool(
        (trace(p).first_overflow > 0).any()
    ),
    "saturation that changes the result": lambda p: (
        p.spec.overflow is Overflow.SATURATE
        and bool((trace(p).transient & (trace(p).out != trace(p).exact)).any())
    ),
    "safe row at the very end of the range": touches_the_range,
    "row one past the range": one_past_the_range,
    "row of both signs at the end of a wide range": lambda p: (
        touches_the_range(p) and p.spec.acc_bits > 8 and bool((p.weights > 0).any())
    ),
    "both signs in one row": lambda p: bool(
        ((p.weights > 0).any(axis=1) & (p.weights < 0).any(axis=1)).any()
    ),
    "all-minimum weights with all-minimum inputs": lambda p: bool(
        (p.weights == p.spec.weights.minimum).all()
        and p.spec.signed_input
        and (p.inputs == p.spec.inputs.minimum).all()
    ),
    "zero weights": lambda p: not p.weights.any(),
}

SPEC_CORNERS: dict[str, Callable[[MvauSpec], bool]] = {
    "1-bit weights and inputs": lambda s: (s.weight_bits, s.input_bits) == (1, 1),
    "bipolar weights and inputs": lambda s: s.bipolar_weight and s.bipolar_input,
    "bipolar weights, wide inputs": lambda s: s.bipolar_weight and s.input_bits > 4,
    "bipolar inputs, wide weights": lambda s: s.bipolar_input and s.weight_bits > 4,
    "signed inputs": lambda s: s.signed_input,
    "unsigned inputs": lambda s: not s.signed_input,
    "PE > 1 with NF > 1": lambda s: s.pe > 1 and s.nf > 1,
    "SIMD > 1 with SF > 1": lambda s: s.simd > 1 and s.sf > 1,
    "SIMD not a power of two": lambda s: s.simd & (s.simd - 1) != 0,
    "P below the product width": lambda s: s.acc_bits == product_bits(s) - 1,
    "P at the product width": lambda s: s.acc_bits == product_bits(s),
    "P above the product width": lambda s: s.acc_bits == product_bits(s) + 1,
    "wrap": lambda s: s.overflow is Overflow.WRAP,
    "saturate": lambda s: s.overflow is Overflow.SATURATE,
    "observers left out": lambda s: not s.observe,
}

SEARCH = settings(max_examples=20_000, deadline=None, database=None, derandomize=True)


@pytest.mark.parametrize("corner", PROBLEM_CORNERS)
def test_problem_corner_can_be_drawn(corner: str) -> None:
    find(problems(), PROBLEM_CORNERS[corner], settings=settings(SEARCH, phases=[Phase.generate]))


@pytest.mark.parametrize("corner", SPEC_CORNERS)
def test_spec_corner_can_be_drawn(corner: str) -> None:
    find(specs(), SPEC_CORNERS[corner], settings=SEARCH)


def test_failures_shrink_to_one_short_row() -> None:
    smallest = find(problems(), lambda p: bool(trace(p).overflow.any()), settings=SEARCH)
    assert smallest.spec.mw <= 8
    assert (smallest.spec.mh, smallest.spec.overflow) == (1, Overflow.WRAP)


def test_layers_shrink_to_zeros() -> None:
    smallest = find(problems(), lambda p: p.spec.mw > 2, settings=SEARCH)
    assert (smallest.spec.mw, smallest.spec.mh) == (3, 1)
    assert not smallest.weights.any()
    assert not smallest.inputs.any()


@given(problems())
def test_problems_are_legal(problem: Problem) -> None:
    spec, weights, inputs = problem
    mvau.checked(spec, weights, inputs)
    assert spec.mw == spec.simd * spec.sf
    assert spec.mh == spec.pe * spec.nf


@pytest.mark.parametrize("signed", [False, True])
def test_near_bound_rows_lie_on_both_sides_of_the_bound(signed: bool) -> None:
    spec = MvauSpec(
        mw=24, mh=200, pe=1, simd=1, weight_bits=8, input_bits=4, acc_bits=12, signed_input=signed
    )
    weights = near_bound(np.random.default_rng(0), spec)
    bits = np.array(bounds.row_bits(weights, Format(4, signed)))
    assert set(bits) == {spec.acc_bits, spec.acc_bits + 1}
    assert ((weights > 0).any(axis=1) & (weights < 0).any(axis=1)).all()
