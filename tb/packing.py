"""Bit order on the streams: lane i at [i*bits +: bits], lane 0 in the least significant bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden.integer import Format, IntArray
from golden.spec import MvauSpec


def pack(values: npt.ArrayLike, lane: Format) -> int:
    """Return one word of lanes of that format.

    >>> hex(pack([1, -1, 2], Format(4, signed=True)))
    '0x2f1'
    """
    mask = (1 << lane.bits) - 1  # of 64 bits a word is an int64, which may be negative
    word = 0
    for i, field in enumerate(lane.encode(values).tolist()):
        word |= (field & mask) << (i * lane.bits)
    return word


def unpack(word: int, count: int, lane: Format) -> list[int]:
    """Return the values of the first ``count`` lanes; the inverse of ``pack``.

    >>> unpack(0x2f1, 3, Format(4, signed=True))
    [1, -1, 2]
    """
    mask = (1 << lane.bits) - 1
    fields = [(word >> (i * lane.bits)) & mask for i in range(count)]
    values: list[int] = lane.decode(np.array(fields, np.uint64).astype(np.int64)).tolist()
    return values


def lanes_of_inputs(spec: MvauSpec, vectors: IntArray, depthwise: bool = False) -> IntArray:
    """Return vectors (V, MW) beat by beat, (V*SF, SIMD); or (V, MH*MW), (V*NF*SF, SIMD*PE).

    Depthwise the neuron fold is outer, the synapse fold inner; in a beat lanes are outer, rows
    inner, as a sliding window delivers them.
    """
    if not depthwise:
        return vectors.reshape(-1, spec.simd)
    beats = vectors.reshape(-1, spec.nf, spec.pe, spec.sf, spec.simd).transpose(0, 1, 3, 4, 2)
    return beats.reshape(-1, spec.simd * spec.pe)


def input_beats(spec: MvauSpec, vector: IntArray, depthwise: bool = False) -> list[int]:
    """Return the beats of one vector: SF of (MW,); depthwise NF*SF of (MH*MW,)."""
    return [pack(beat, spec.inputs) for beat in lanes_of_inputs(spec, vector, depthwise)]


def lanes_of_weights(spec: MvauSpec, weights: IntArray) -> IntArray:
    """Return a matrix (MH, MW) tile by tile, (NF*SF, PE*SIMD): neuron fold outer."""
    tiles = weights.reshape(spec.nf, spec.pe, spec.sf, spec.simd).transpose(0, 2, 1, 3)
    return tiles.reshape(spec.total_fold, -1)


def weight_beats(spec: MvauSpec, weights: IntArray) -> list[int]:
    """Return the NF*SF beats of a matrix (MH, MW): neuron fold outer, synapse fold inner."""
    return [pack(tile, spec.weights) for tile in lanes_of_weights(spec, weights)]


def rows_of_tiles(spec: MvauSpec, beats: list[int]) -> IntArray:
    """Return the weights (PE, MW) of one neuron fold from its SF beats."""
    lanes = spec.pe * spec.simd
    tiles = np.array([unpack(beat, lanes, spec.weights) for beat in beats], dtype=np.int64)
    return tiles.reshape(spec.sf, spec.pe, spec.simd).transpose(1, 0, 2).reshape(spec.pe, spec.mw)


def vector_of_beats(spec: MvauSpec, beats: list[int], depthwise: bool = False) -> IntArray:
    """Return the inputs of one neuron fold from its SF beats: (MW,); depthwise (PE*MW,)."""
    lanes = spec.simd * spec.pe if depthwise else spec.simd
    values = np.array([unpack(beat, lanes, spec.inputs) for beat in beats], dtype=np.int64)
    return values.reshape(spec.mw, -1).T.ravel()
