"""Bit order on the streams, against one that is spelled out bit by bit and lane by lane."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import Problem, formats, problems, seeds, uniform

from golden.integer import Format
from golden.spec import MvauSpec
from tb.packing import (
    input_beats,
    pack,
    rows_of_tiles,
    unpack,
    vector_of_beats,
    weight_beats,
)


@st.composite
def lanes(draw: st.DrawFn) -> tuple[Format, list[int]]:
    form = draw(formats(max_bits=63))
    values = st.integers(form.minimum, form.maximum).filter(form.values.__contains__)
    return form, draw(st.lists(values, min_size=1, max_size=9))


def digits(value: int, form: Format) -> str:
    """Return the binary digits of a value, most significant first."""
    if form.bipolar:
        return {-1: "0", 1: "1"}[value]
    return format(value if value >= 0 else 2**form.bits + value, f"0{form.bits}b")


def spelled_out(values: list[int], form: Format) -> int:
    """Return the word whose binary digits are the lanes' from the last lane to lane 0."""
    return int("".join(digits(value, form) for value in reversed(values)), 2)


@given(lanes())
def test_lane_0_is_in_the_least_significant_bits(drawn: tuple[Format, list[int]]) -> None:
    form, values = drawn
    assert pack(values, form) == spelled_out(values, form)
    assert pack(values, form) % 2**form.bits == int(digits(values[0], form), 2)


@given(lanes())
def test_unpack_undoes_pack(drawn: tuple[Format, list[int]]) -> None:
    form, values = drawn
    assert unpack(pack(values, form), len(values), form) == values


@given(formats(max_bits=63), st.integers(1, 9), st.data())
def test_pack_undoes_unpack(form: Format, count: int, data: st.DataObject) -> None:
    word = data.draw(st.integers(0, 2 ** (count * form.bits) - 1))
    assert pack(unpack(word, count, form), form) == word


def test_numpy_integers_of_any_width_are_packed_exactly() -> None:
    assert pack(np.array([-1, 2], np.int8), Format(40, True)) == (2 << 40) + 2**40 - 1
    assert pack([-1, 2], Format(64, True)) == (2 << 64) + 2**64 - 1
    assert unpack((2 << 64) + 2**64 - 1, 2, Format(64, True)) == [-1, 2]


def test_weight_tiles_by_hand() -> None:
    """Row by row within a tile, inputs before rows between tiles: two folds of each kind."""
    spec = MvauSpec(mw=4, mh=4, pe=2, simd=2, weight_bits=8, input_bits=8, acc_bits=16)
    weights = np.array(
        [
            [0x00, 0x01, 0x02, 0x03],
            [0x10, 0x11, 0x12, 0x13],
            [0x20, 0x21, 0x22, 0x23],
            [0x30, 0x31, 0x32, 0x33],
        ]
    )
    assert weight_beats(spec, weights) == [0x11100100, 0x13120302, 0x31302120, 0x33322322]


@given(problems())
def test_weight_tiles_in_any_folding(problem: Problem) -> None:
    spec, weights, _ = problem
    expected = []
    for neuron_fold in range(spec.nf):
        for synapse_fold in range(spec.sf):
            tile = [0] * (spec.pe * spec.simd)
            for pe in range(spec.pe):
                for simd in range(spec.simd):
                    row, column = neuron_fold * spec.pe + pe, synapse_fold * spec.simd + simd
                    tile[pe * spec.simd + simd] = int(weights[row, column])
            expected.append(spelled_out(tile, spec.weights))
    assert weight_beats(spec, weights) == expected


@given(problems())
def test_input_beats_in_any_folding(problem: Problem) -> None:
    spec, _, (vector, *_) = problem
    beats = [
        spelled_out([int(vector[fold * spec.simd + simd]) for simd in range(spec.simd)],
                    spec.inputs)
        for fold in range(spec.sf)
    ]  # fmt: skip
    assert input_beats(spec, vector) == beats


def test_depthwise_input_beats_by_hand() -> None:
    """Lanes before rows within a beat, rows before lanes between beats; digits are row, lane."""
    spec = MvauSpec(mw=4, mh=4, pe=2, simd=2, weight_bits=8, input_bits=8, acc_bits=16)
    vector = np.array([16 * row + lane for row in range(4) for lane in range(4)])
    assert input_beats(spec, vector, depthwise=True) == [
        0x11011000, 0x13031202, 0x31213020, 0x33233222
    ]  # fmt: skip


@given(problems(), seeds())
def test_depthwise_input_beats_in_any_folding(problem: Problem, seed: int) -> None:
    spec = problem.spec
    vector = uniform(np.random.default_rng(seed), spec.inputs, (spec.mh * spec.mw,))
    expected = []
    for neuron_fold in range(spec.nf):
        for synapse_fold in range(spec.sf):
            beat = {
                simd * spec.pe + pe: int(
                    vector[(neuron_fold * spec.pe + pe) * spec.mw + synapse_fold * spec.simd + simd]
                )
                for pe in range(spec.pe)
                for simd in range(spec.simd)
            }
            expected.append(spelled_out([beat[lane] for lane in range(len(beat))], spec.inputs))
    beats = input_beats(spec, vector, depthwise=True)
    assert beats == expected
    folds = [beats[i : i + spec.sf] for i in range(0, spec.total_fold, spec.sf)]
    read = [vector_of_beats(spec, fold, depthwise=True) for fold in folds]
    assert np.array_equal(np.concatenate(read), vector)


@given(problems())
def test_the_monitors_read_back_what_the_sources_sent(problem: Problem) -> None:
    spec, weights, inputs = problem
    tiles = weight_beats(spec, weights)
    folds = [tiles[i : i + spec.sf] for i in range(0, spec.total_fold, spec.sf)]
    assert np.array_equal(np.concatenate([rows_of_tiles(spec, fold) for fold in folds]), weights)
    for vector in inputs:
        assert np.array_equal(vector_of_beats(spec, input_beats(spec, vector)), vector)
