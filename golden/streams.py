"""The twins of the units that move beats: windows, other widths, replays, in the obvious way."""

from __future__ import annotations

import numpy as np

from golden.integer import InputError, IntArray


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Return how many windows fit side by side into an edge of that many pixels.

    Errors: InputError if not a single one does.

    >>> output_size(8, kernel=3, stride=2, padding=1, dilation=1)
    4
    """
    room = size + 2 * padding - (kernel - 1) * dilation - 1
    if room < 0:
        raise InputError(
            f"a window of {(kernel - 1) * dilation + 1} pixels must fit the padded image, "
            f"got {size + 2 * padding}"
        )
    return room // stride + 1


def windows(
    images: IntArray, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> IntArray:
    """Return the window of each output position: (V, H, W, C) -> (V, OH, OW, kernel, kernel, C).

    >>> windows(np.arange(9).reshape(1, 3, 3, 1), kernel=2, stride=1)[0, 1, 1, :, :, 0]
    array([[4, 5],
           [7, 8]])
    """
    for size in images.shape[1:3]:
        output_size(size, kernel, stride, padding, dilation)
    edges = (padding, padding)
    padded = np.pad(images, ((0, 0), edges, edges, (0, 0)))
    span = (kernel - 1) * dilation + 1
    every = np.lib.stride_tricks.sliding_window_view(padded, (span, span), axis=(1, 2))
    taps = every[:, ::stride, ::stride, :, ::dilation, ::dilation]
    return np.ascontiguousarray(np.moveaxis(taps, 3, -1))


def converted(beats: IntArray, out_lanes: int) -> IntArray:
    """Return the same lanes in other beats, as many as are full: (B, lanes) -> (.., out_lanes).

    >>> converted(np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), 2).tolist()
    [[1, 2], [3, 4], [5, 6], [7, 8]]
    """
    lanes = beats.reshape(-1)
    full = len(lanes) // out_lanes
    return lanes[: full * out_lanes].reshape(full, out_lanes)


def replayed(beats: IntArray, per_vector: int, copies: int) -> IntArray:
    """Return each vector of ``per_vector`` beats so many times: (B, lanes) -> (B * copies, lanes).

    >>> replayed(np.array([[1], [2], [3], [4]]), per_vector=2, copies=2).ravel().tolist()
    [1, 2, 1, 2, 3, 4, 3, 4]
    """
    lanes = beats.shape[1]
    vectors = beats.reshape(-1, 1, per_vector, lanes)
    return vectors.repeat(copies, axis=1).reshape(-1, lanes)
