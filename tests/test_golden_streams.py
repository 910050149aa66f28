"""The twins of the units that move beats, held against loops that a child could follow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.integer import Format, InputError
from golden.layer import activate
from golden.streams import converted, output_size, replayed, windows


@st.composite
def windowed(draw: st.DrawFn) -> tuple[tuple[int, int, int, int], int, int, int, int]:
    """Draw a shape of images and a window that fits them: kernel, stride, padding, dilation."""
    kernel, stride, dilation = (draw(st.integers(1, 4)) for _ in range(3))
    reach = (kernel - 1) * dilation + 1
    padding = draw(st.integers(0, reach))
    least = max(1, reach - 2 * padding)
    height, width = (draw(st.integers(least, least + 4)) for _ in range(2))
    shape = (draw(st.integers(1, 3)), height, width, draw(st.integers(1, 3)))
    return shape, kernel, stride, padding, dilation


@given(windowed())
def test_each_tap_is_the_pixel_below_it_or_zero(
    drawn: tuple[tuple[int, int, int, int], int, int, int, int],
) -> None:
    shape, kernel, stride, padding, dilation = drawn
    images = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    found = windows(images, kernel, stride, padding, dilation)
    _, height, width, channels = shape
    tops = range(-padding, height + padding - (kernel - 1) * dilation, stride)
    lefts = range(-padding, width + padding - (kernel - 1) * dilation, stride)
    assert found.shape == (shape[0], len(tops), len(lefts), kernel, kernel, channels)
    assert len(tops) == output_size(height, kernel, stride, padding, dilation)
    for image, oy, ox, ky, kx, channel in np.ndindex(found.shape):
        y, x = tops[oy] + ky * dilation, lefts[ox] + kx * dilation
        inside = 0 <= y < height and 0 <= x < width
        due = images[image, y, x, channel] if inside else 0
        assert found[image, oy, ox, ky, kx, channel] == due


def test_a_window_that_does_not_fit_is_refused() -> None:
    sentence = r"^a window of 5 pixels must fit the padded image, got 4$"
    with pytest.raises(InputError, match=sentence):
        output_size(2, kernel=3, stride=1, padding=1, dilation=2)
    with pytest.raises(InputError, match=sentence):
        windows(np.zeros((1, 9, 2, 1), np.int64), kernel=3, padding=1, dilation=2)


@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 12))
def test_conversion_keeps_lanes_in_order_and_only_full_beats(
    beats: int, lanes: int, out_lanes: int
) -> None:
    stream = list(range(beats * lanes))
    found = converted(np.array(stream).reshape(beats, lanes), out_lanes)
    assert found.shape[1] == out_lanes
    assert found.ravel().tolist() == stream[: len(stream) - len(stream) % out_lanes]


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_a_replay_repeats_vectors_and_not_beats(
    vectors: int, per_vector: int, copies: int, lanes: int
) -> None:
    beats = np.arange(vectors * per_vector * lanes).reshape(-1, lanes)
    due = []
    for vector in range(vectors):
        for _ in range(copies):
            due += beats[vector * per_vector : (vector + 1) * per_vector].tolist()
    assert replayed(beats, per_vector, copies).tolist() == due


@given(st.data(), st.integers(1, 3), st.booleans())
def test_an_activation_counts_the_thresholds_that_are_reached(
    data: st.DataObject, bits: int, signed: bool
) -> None:
    level = st.integers(-20, 20)
    steps = 2**bits - 1
    rows = [sorted(data.draw(st.lists(level, min_size=steps, max_size=steps))) for _ in range(2)]
    acc = data.draw(st.lists(st.tuples(level, level), min_size=1, max_size=4))
    outputs = Format(bits, signed)
    due = [
        [outputs.minimum + sum(step <= value for step in row)
         for row, value in zip(rows, vector, strict=True)]
        for vector in acc
    ]  # fmt: skip
    assert activate(np.array(rows), outputs, np.array(acc)).tolist() == due


def test_an_activation_of_other_rows_is_refused() -> None:
    with pytest.raises(InputError, match=r"^acc must have MH=2 columns, got 3$"):
        activate(np.zeros((2, 1), np.int64), Format(1, False), np.zeros((1, 3), np.int64))
