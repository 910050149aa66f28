"""What the tests draw: legal by construction, a family and a seed at a time, expanded by numpy.

Families come simplest first, so that failures shrink to zeros; shapes shrink to one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from golden.bounds import data_type_bound, worst_case_inputs
from golden.integer import Format, IntArray, Overflow
from golden.layer import LabelledInputs, QuantLayer
from golden.spec import MvauSpec
from tb.stimulus import anything

Shape = tuple[int, ...]
BIPOLAR = Format(1, signed=True, bipolar=True)
Family = Callable[[np.random.Generator, Format, Shape], IntArray]


def zeros(rng: np.random.Generator, form: Format, shape: Shape) -> IntArray:
    return form.nearest(np.zeros(shape))


def sparse(rng: np.random.Generator, form: Format, shape: Shape) -> IntArray:
    return form.nearest(uniform(rng, form, shape) * (rng.integers(0, 8, shape) == 0))


def all_minimum(rng: np.random.Generator, form: Format, shape: Shape) -> IntArray:
    return np.full(shape, form.minimum, np.int64)


def edges(rng: np.random.Generator, form: Format, shape: Shape) -> IntArray:
    near_zero = [value for value in (-1, 0, 1) if value in form.values]
    return rng.choice(np.array([form.minimum, *near_zero, form.maximum]), shape)


def uniform(rng: np.random.Generator, form: Format, shape: Shape) -> IntArray:
    return anything(form, shape, rng)


FAMILIES: tuple[Family, ...] = (zeros, sparse, all_minimum, edges, uniform)


def near_bound(rng: np.random.Generator, spec: MvauSpec) -> IntArray:
    """Return mixed-sign rows whose range ends at the accumulator's, or just inside, or just past.

    Half the lanes are positive, half negative, and all halves have about the same norm: then either
    end of the range is that norm times the span of the inputs.
    """
    limit = spec.acc.maximum // (spec.inputs.maximum - spec.inputs.minimum)
    rows = np.zeros((spec.mh, spec.mw), np.int64)
    for row in rows:
        lanes = rng.permutation(spec.mw)
        for sign, half in ((1, lanes[::2]), (-1, lanes[1::2])):
            widest = spec.weights.maximum if sign > 0 else -spec.weights.minimum
            norm = max(0, min(limit + int(rng.integers(-1, 2)), len(half) * widest))
            share = [(norm + lane) // len(half) for lane in range(len(half))]
            row[half] = sign * np.minimum(np.array(share, np.int64), widest)
    return spec.weights.nearest(rows)


def seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)


@st.composite
def formats(draw: st.DrawFn, max_bits: int = 16) -> Format:
    bits, signed = draw(st.integers(1, max_bits)), draw(st.booleans())
    return Format(bits, signed, bipolar=bits == 1 and signed and draw(st.booleans()))


@st.composite
def specs(
    draw: st.DrawFn,
    *,
    max_mw: int = 24,
    max_mh: int = 6,
    max_weight_bits: int = 8,
    max_input_bits: int = 8,
    acc_bits: st.SearchStrategy[int] | None = None,
    overflow: st.SearchStrategy[Overflow] = st.sampled_from(Overflow),  # noqa: B008, a recipe
) -> MvauSpec:
    """Draw a legal unit; by default P lies where it matters, from 2 to one past the safe width."""
    simd = draw(st.integers(1, max_mw))
    mw = simd * draw(st.integers(1, max_mw // simd))
    pe = draw(st.integers(1, max_mh))
    mh = pe * draw(st.integers(1, max_mh // pe))
    weight_bits = draw(st.integers(1, max_weight_bits))
    inputs = draw(formats(max_input_bits))
    if acc_bits is None:
        acc_bits = st.integers(2, data_type_bound(mw, weight_bits, inputs) + 1)
    return MvauSpec(
        mw=mw, mh=mh, pe=pe, simd=simd, weight_bits=weight_bits,
        input_bits=inputs.bits, signed_input=inputs.signed,
        acc_bits=draw(acc_bits), overflow=draw(overflow), observe=draw(st.booleans()),
        bipolar_weight=weight_bits == 1 and draw(st.booleans()), bipolar_input=inputs.bipolar,
    )  # fmt: skip


@st.composite
def matrices(draw: st.DrawFn, form: Format, shape: Shape) -> IntArray:
    """Draw an array of one family."""
    return draw(st.sampled_from(FAMILIES))(np.random.default_rng(draw(seeds())), form, shape)


@st.composite
def layers(draw: st.DrawFn, spec: MvauSpec) -> IntArray:
    """Draw the weights of a layer, (MH, MW)."""
    if draw(st.booleans()):
        return near_bound(np.random.default_rng(draw(seeds())), spec)
    return draw(matrices(spec.weights, (spec.mh, spec.mw)))


def inputs(spec: MvauSpec, vectors: int = 4) -> st.SearchStrategy[IntArray]:
    """Draw input vectors, (vectors, MW)."""
    return matrices(spec.inputs, (vectors, spec.mw))


def worst_inputs(spec: MvauSpec, weights: IntArray) -> IntArray:
    """Return the vectors that drive row 0 lowest, highest, and first one way, then the other."""
    (lowest, *_), (highest, *_) = worst_case_inputs(weights, spec.inputs)
    first_half = np.arange(spec.mw) < spec.mw // 2
    return np.stack(
        [
            lowest,
            highest,
            np.where(first_half, lowest, highest),
            np.where(first_half, highest, lowest),
        ]
    )


class Problem(NamedTuple):
    """All that the golden model needs."""

    spec: MvauSpec
    weights: IntArray  # (MH, MW)
    inputs: IntArray  # (V, MW)


@st.composite
def problems(
    draw: st.DrawFn, drawn_specs: st.SearchStrategy[MvauSpec] | None = None, vectors: int = 4
) -> Problem:
    """Draw a unit, a layer for it, and vectors: of one family or the worst for the first row."""
    spec = draw(specs() if drawn_specs is None else drawn_specs)
    weights = draw(layers(spec))
    worst = draw(st.booleans())
    return Problem(
        spec, weights, worst_inputs(spec, weights) if worst else draw(inputs(spec, vectors))
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
origins = st.dictionaries(st.text(max_size=8), json_values, max_size=3)


@st.composite
def activations(draw: st.DrawFn, mh: int) -> dict[str, Any]:
    """Draw no activation, or ascending thresholds (MH, 2^B - 1) and the format of their counts."""
    outputs = draw(st.none() | formats(max_bits=8))
    if outputs is None:
        return {}
    shape = (mh, 2**outputs.bits - 1)
    thresholds = draw(matrices(Format(draw(st.sampled_from((3, 16, 63))), signed=True), shape))
    return {"thresholds": np.sort(thresholds, axis=1), "outputs": outputs}


@st.composite
def quant_layers(draw: st.DrawFn) -> QuantLayer:
    """Draw a layer with all that its file holds."""
    spec = draw(specs(max_weight_bits=16, max_input_bits=16))
    values_per_row = st.sampled_from((1, spec.mh))
    return QuantLayer(
        weights=draw(layers(spec)),
        weight_bits=spec.weight_bits,
        bipolar_weight=spec.bipolar_weight,
        inputs=spec.inputs,
        trained_acc_bits=draw(st.none() | st.just(spec.acc_bits)),
        multiplier=1 + abs(draw(matrices(Format(15, signed=True), (draw(values_per_row),)))) // 2,
        bias=draw(matrices(Format(62, signed=True), (draw(values_per_row),))),
        acc_bias=draw(matrices(Format(47, signed=True), (draw(values_per_row),))),
        **draw(activations(spec.mh)),
        origin=draw(origins),
    )


@st.composite
def labelled_inputs(draw: st.DrawFn) -> LabelledInputs:
    """Draw vectors with a label each."""
    form = draw(formats())
    vectors, mw = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    return LabelledInputs(
        values=draw(matrices(form, (vectors, mw))),
        labels=draw(matrices(Format(32, signed=False), (vectors,))),
        inputs=form,
        origin=draw(origins),
    )
