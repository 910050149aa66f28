"""Hostile stream cases for units that are no matrix units; what is due comes from golden twins."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from golden import mvau, units
from golden.integer import Format, InputError, IntArray
from golden.layer import activate
from golden.spec import MvauSpec
from golden.streams import converted, output_size, replayed, windows
from tb.packing import lanes_of_inputs, lanes_of_weights, pack, unpack
from tb.stimulus import adverse_layer
from tb.streams import Beats, StreamCase

Parameters = Mapping[str, int]
Fields = dict[str, Any]  # of a StreamCase: what a unit is sent, and what is due

BEATS = 96  # of a stream, about


def stream_cases(
    unit: str, parameters: Parameters, seed: int = 1, **others: Any
) -> list[StreamCase]:
    """Return the cases that a unit with these parameters is held to.

    A weight_rom of which the WORDS are not given holds any. ``others`` are fields of StreamCase:
    stalls, reset_after. Errors: InputError for a unit that is none of those here.
    """
    if unit not in _CASES:
        raise InputError(f"unit must be one of {', '.join(_CASES)}, got {unit!r}")
    if unit == "weight_rom" and "WORDS" not in parameters:
        bits = parameters["DATA_BITS"] * parameters["BEATS"]
        drawn = np.random.default_rng(bits).integers(0, 2, bits).reshape(parameters["BEATS"], -1)
        drawn[1:2] = 1 - drawn[:1]  # so that each bit changes
        parameters = {**parameters, "WORDS": pack(drawn.ravel(), Format(1, signed=False))}
    rng = np.random.default_rng([seed, zlib.crc32(unit.encode())])
    return [
        StreamCase(unit, parameters, seed=seed, **given, **others)
        for given in _CASES[unit](parameters, rng)
    ]


def hostile_cases(
    unit: str, parameters: Parameters, seed: int = 1, few: bool = False
) -> list[StreamCase]:
    """Return cases with each stream stalled alone, all of them, and resets; ``few``: of each one.

    The last reset meets a unit in which all waits that can. Errors: InputError for what is no unit.
    """
    units.require(unit, parameters)
    calm = stream_cases(unit, parameters, seed)
    first = calm[0]
    names = [*first.sources, *first.sinks]
    length = first.cycles or max(map(len, first.sources.values()))
    cuts = sorted({*np.linspace(2, length, 2 if few else 6, dtype=int).tolist()})
    plans: list[dict[str, Any]] = [{"stalls": dict.fromkeys(names, "random-40")}]
    plans += [{"stalls": {name: "bursts-2-5"}} for name in names]
    plans += [{"stalls": dict.fromkeys(names, "random-30"), "reset_after": cut} for cut in cuts]
    if not few:
        plans += [{"stalls": {name: "random-60"}} for name in names]
        plans += [{"reset_after": cut} for cut in (0, 1, *cuts)]
        plans += [{"stalls": {name: "late-300"}} for name in names]
        plans += [{"stalls": dict.fromkeys(first.sinks, "late-300"), "reset_after": length}]
    cases = [*calm]
    for number, plan in enumerate(plans, start=1):
        cases += stream_cases(unit, parameters, seed + number, **plan)
    if unit == "threshold" and not few:  # a simulator's sources offer a cycle later
        cases.append(contested_case(parameters, seed))
    return cases


# Buffers


def _passed(p: Parameters, rng: np.random.Generator) -> Iterator[Fields]:
    count = max(BEATS, 2 * p.get("DEPTH", 0))  # enough to fill a fifo that is emptied slowly
    beats = _words(p["DATA_BITS"], count, rng)
    yield {"sources": {"s_axis": beats}, "sinks": {"m_axis": beats}, "cycles": count + 1}


def _replayed(p: Parameters, rng: np.random.Generator) -> Iterator[Fields]:
    per_vector, copies = p["BEATS"], p["COPIES"]
    vectors = max(2, BEATS // per_vector)
    beats = _words(p["DATA_BITS"], vectors * per_vector, rng)
    data = replayed(beats.data, per_vector, copies)
    beat = np.arange(len(data))
    due = Beats(
        data, beats.bits,
        user=(beat // per_vector % copies == copies - 1).astype(np.int64)[:, None],
        last=(beat % per_vector == per_vector - 1).astype(np.int64),
    )  # fmt: skip
    yield {"sources": {"s_axis": beats}, "sinks": {"m_axis": due}, "cycles": len(due)}


def _converted(p: Parameters, rng: np.random.Generator) -> Iterator[Fields]:
    bits, lanes_in, lanes_out = p["LANE_BITS"], p["IN_LANES"], p["OUT_LANES"]
    count = BEATS * max(1, lanes_out // lanes_in)
    sent = Beats(_integers(Format(bits, signed=True), (count, lanes_in), rng), bits)
    due = Beats(converted(sent.data, lanes_out), bits)
    # The narrower side moves a beat a cycle; a beat leaves in the cycle after its last lane came.
    last_needed = -(-len(due) * lanes_out // lanes_in)
    cycles = len(due) + 1 if lanes_in >= lanes_out else max(len(sent), last_needed + 1)
    yield {"sources": {"s_axis": sent}, "sinks": {"m_axis": due}, "cycles": cycles}


def _words_of_rom(p: Parameters, rng: np.random.Generator) -> Iterator[Fields]:
    bits, count, loops = p["DATA_BITS"], p["BEATS"], p["LOOP"] == 1
    lanes, lane_bits = _lanes(bits)
    lane = Format(lane_bits, signed=True)
    once = np.array(unpack(p["WORDS"], count * lanes, lane), np.int64).reshape(count, lanes)
    beats = 2 * count + int(rng.integers(1, count + 1)) if loops else count
    due = Beats(
        np.resize(once, (beats, lanes)), lane_bits,
        last=(np.arange(beats) % count == count - 1).astype(np.int64), endless=loops,
    )  # fmt: skip
    yield {"sources": {}, "sinks": {"m_axis": due}, "cycles": beats + 1}


# Thresholds


def _thresholded(p: Parameters, rng: np.random.Generator) -> Iterator[Fields]:
    vectors = max(2, BEATS // p["MH"])
    yield _reloaded("one_set", p, [vectors], rng)
    # The third set comes right after the second, and only it is ever used.
    yield _reloaded("sets", p, [1, 0, 2, 1, 3, vectors], rng)


def contested_case(parameters: Parameters, seed: int = 1) -> StreamCase:
    """Return a case in which new thresholds and the next vector are on offer at once.

    Only where no stream but the output stands still: what stalls late has not been on offer.
    """
    rng = np.random.default_rng([seed, zlib.crc32(b"contested")])
    given = _reloaded("contested", parameters, [2, 1, 3], rng, contested=True)
    return StreamCase("threshold", parameters, seed=seed, **given)


def _reloaded(
    name: str,
    p: Parameters,
    vectors: list[int],
    rng: np.random.Generator,
    contested: bool = False,
) -> Fields:
    """Return a case with a set of thresholds before so many vectors, and another before the next.

    A set is on offer as soon as the last vector before it has begun; unless they are contested,
    vectors of later sets than the first are not before their set has begun.
    """
    mh, pe, acc = p["MH"], p["PE"], Format(p["ACC_BITS"], signed=True)
    outputs = Format(p["OUTPUT_BITS"], p["SIGNED_OUTPUT"] == 1)
    nf, per_set = mh // pe, mh * (2**outputs.bits - 1)
    accs, results, thresholds = [], [], []
    for count in vectors:
        rows = np.stack([_steps(acc, outputs, rng) for _ in range(mh)])
        thresholds.append(rows)
        values = _near(rows, acc, count, rng)
        accs.append(values)
        if count:
            results.append(activate(rows, outputs, values))
    # How many input beats are before each set, and which set each input beat needs.
    before = nf * np.cumsum([0, *vectors[:-1]])
    begun = np.maximum(before - (nf - 1), 0) * (before > 0)
    which = np.repeat(np.arange(len(vectors)), nf * np.array(vectors))
    needs = np.where(which > 0, which * per_set + 1, 0)
    sent = np.concatenate(accs).reshape(-1, pe)
    user = rng.integers(0, 2, (len(sent), pe))
    last = rng.integers(0, 2, len(sent)) | (np.arange(1, len(sent) + 1) % nf == 0)
    steps = np.concatenate(thresholds).reshape(-1, 1)
    stages = outputs.bits if p["SEARCH"] == 1 else 0
    used = sum(count > 0 for count in vectors)
    return {
        "name": name,
        "sources": {
            "s_axis_input": Beats(
                sent, acc.bits, user, last,
                after=None if contested else ("s_axis_threshold", needs),
            ),
            "s_axis_threshold": Beats(
                steps, acc.bits + 1, after=("s_axis_input", np.repeat(begun, per_set)),
            ),
        },
        "sinks": {
            "m_axis_output": Beats(
                np.concatenate(results).reshape(-1, pe), outputs.bits, user, last
            ),
        },
        "cycles": len(steps) + len(sent) + used * stages + 1,
    }  # fmt: skip


def _steps(acc: Format, outputs: Format, rng: np.random.Generator) -> IntArray:
    """Return the thresholds of a row, of a family that is drawn too; some are out of reach."""
    count = 2**outputs.bits - 1
    ends = [acc.minimum, acc.minimum + 1, -1, 0, 1, acc.maximum, acc.maximum + 1]
    match rng.integers(5):
        case 0:  # equal ones
            steps = np.full(count, rng.choice(ends))
        case 1:  # at the ends, and one past
            steps = rng.choice(ends, count)
        case 2:  # next to each other
            steps = rng.integers(acc.minimum, acc.maximum + 2) + np.arange(count)
        case 3:  # evenly, from one end to the other
            step = (acc.maximum - acc.minimum) // (count + 1)
            steps = acc.minimum + step * np.arange(1, count + 1)
        case _:
            steps = rng.integers(acc.minimum, acc.maximum + 2, count)
    return np.sort(np.clip(steps, acc.minimum, acc.maximum + 1))


def _near(rows: IntArray, acc: Format, vectors: int, rng: np.random.Generator) -> IntArray:
    """Return accumulators (V, MH): most within one of a threshold of their row."""
    mh, steps = rows.shape
    chosen = rows[np.arange(mh), rng.integers(0, steps, (vectors, mh))]
    near = np.clip(chosen + rng.integers(-1, 2, (vectors, mh)), acc.minimum, acc.maximum)
    return np.where(rng.random((vectors, mh)) < 0.7, near, _integers(acc, (vectors, mh), rng))


def _activated(p: Parameters, rng: np.random.Generator) -> Iterator[Fields]:
    """Play rows that are hard on the accumulators, with thresholds near what they reach."""
    names = [field.name for field in fields(MvauSpec)]
    spec = MvauSpec.from_json({name: p[name.upper()] for name in names})
    weights, stimuli = adverse_layer(spec, rng)
    vectors = np.concatenate([stimulus.vectors for stimulus in stimuli])
    yield _of_sets("one_set", p, spec, weights, [vectors], rng)
    some = rng.choice(vectors, 8)
    yield _of_sets("sets", p, spec, weights, [some[:3], some[3:]], rng)


def _of_sets(
    name: str, p: Parameters, spec: MvauSpec, weights: IntArray, parts: list[IntArray],
    rng: np.random.Generator,
) -> Fields:  # fmt: skip
    """Return a case with a set of thresholds before each part of the vectors.

    A set is on offer when all results before it have left, its vectors when it has begun.
    """
    outputs = Format(p["OUTPUT_BITS"], p["SIGNED_OUTPUT"] == 1)
    steps = 2**outputs.bits - 1
    per_set, stages = spec.mh * steps, outputs.bits if p["SEARCH"] == 1 else 0
    told = [mvau.outcome(spec, weights, vectors) for vectors in parts]
    sets, results = [], []
    for each in told:
        near = rng.choice(each.out, steps, axis=0).T + rng.integers(0, 2, (spec.mh, steps))
        sets.append(np.sort(near, axis=1))
        results.append(activate(sets[-1], outputs, each.out).reshape(-1, spec.pe))
    counts = np.array([len(vectors) for vectors in parts])
    set_of_vector = np.arange(len(parts)).repeat(counts)
    begun = np.where(set_of_vector > 0, set_of_vector * per_set + 1, 0)
    left = spec.nf * np.cumsum([0, *counts[:-1]])
    vectors = np.concatenate(parts)
    tiles = lanes_of_weights(spec, spec.weights.encode(weights))
    inputs = lanes_of_inputs(spec, spec.inputs.encode(vectors))
    overflow = np.concatenate([each.overflow for each in told]) & spec.observe
    ends = np.arange(1, spec.nf * len(vectors) + 1) % spec.nf == 0
    cycles = 0
    for part in range(len(parts)):
        first = cycles + (part > 0)  # the cycle after the first threshold of a new set
        cycles = _results_left(spec, counts[part] * spec.nf, first, cycles + per_set) + stages
    return {
        "name": name,
        "sources": {
            "s_axis_input": Beats(
                inputs, spec.input_bits, after=("s_axis_threshold", begun.repeat(spec.sf))
            ),
            "s_axis_weight": Beats(np.tile(tiles, (len(vectors), 1)), spec.weight_bits),
            "s_axis_threshold": Beats(
                np.concatenate(sets).reshape(-1, 1), spec.acc_bits + 1,
                after=("m_axis_output", left.repeat(per_set)),
            ),
        },
        "sinks": {
            "m_axis_output": Beats(
                np.concatenate(results), outputs.bits,
                overflow.reshape(-1, spec.pe).astype(np.int64), ends.astype(np.int64),
            ),
        },
        "cycles": cycles,
        "latency": 64 + 2 * len(parts) * (per_set + stages),
    }  # fmt: skip


def _results_left(spec: MvauSpec, results: int, first: int, loaded: int) -> int:
    """Return the cycle after which the last sum has left, where no stream stands still.

    Beats move from cycle ``first`` on. Two sums have room to wait until thresholds are ``loaded``.
    """
    taken = [-1, -1]
    end = first - 1
    for _ in range(results):
        end = max(end, taken[-2]) + spec.sf
        taken.append(max(end + 1, taken[-1] + 1, loaded))
    return taken[-1] + 2


# Windows


def _windowed(p: Parameters, rng: np.random.Generator) -> Iterator[Fields]:
    shape = (p["HEIGHT"], p["WIDTH"], p["CHANNELS"])
    images = _integers(Format(p["INPUT_BITS"], signed=True), (3, *shape), rng)
    images[1] = -1  # all bits set, so that nothing but padding is zero
    data = _in_beats(images, p)
    per_image = len(data) // len(images)
    due = Beats(
        data, p["INPUT_BITS"],
        last=(np.arange(len(data)) % per_image == per_image - 1).astype(np.int64),
    )  # fmt: skip
    yield {
        "sources": {"s_axis": Beats(images.reshape(-1, p["SIMD"]), p["INPUT_BITS"])},
        "sinks": {"m_axis": due},
        "cycles": _window_cycles(p, len(images)),
    }


def _in_beats(images: IntArray, p: Parameters) -> IntArray:
    """Return the windows of images as beats of SIMD lanes, in the unit's order."""
    taps = windows(images, p["KERNEL"], p["STRIDE"], p["PADDING"], p["DILATION"])
    if p["DEPTHWISE"] == 1:
        folds = taps.reshape(*taps.shape[:-1], -1, p["SIMD"])
        taps = folds.transpose(0, 1, 2, 5, 3, 4, 6)
    return taps.reshape(-1, p["SIMD"])


def _window_cycles(p: Parameters, images: int) -> int:
    """Return what a unit takes that waits for nothing but what it shows, and for room to keep it.

    A beat is written in the cycle in which it moves, read in the next one at the earliest, and
    leaves one later. The rows of a window are kept, and STRIDE more; a row makes room when the
    windows have left it.
    """
    height, row_beats = p["HEIGHT"], p["WIDTH"] * p["CHANNELS"] // p["SIMD"]
    rows = min((p["KERNEL"] - 1) * p["DILATION"] + 1, height) + p["STRIDE"]
    one_lane = {**p, "CHANNELS": p["CHANNELS"] // p["SIMD"], "SIMD": 1}
    count = images * height * row_beats
    numbers = np.arange(1, count + 1).reshape(images, height, p["WIDTH"], -1)
    shown = _in_beats(numbers, one_lane).reshape(images, -1)
    # Padding needs no more than that its image has begun.
    firsts = 1 + height * row_beats * np.arange(images)[:, None]
    needs = np.where(shown == 0, firsts, shown).ravel()
    heights = output_size(height, p["KERNEL"], p["STRIDE"], p["PADDING"], p["DILATION"])
    tops = np.maximum(np.arange(heights) * p["STRIDE"] - p["PADDING"], 0)
    first_of_heights = (height * np.arange(images)[:, None] + tops).ravel()
    first_rows = first_of_heights.repeat(len(needs) // len(first_of_heights))
    written: list[int] = []
    read: list[int] = []

    def write() -> None:
        row = len(written) // row_beats - rows
        left = int(np.searchsorted(first_rows, row, side="right")) - 1
        room = read[left] + 1 if row >= 0 else 0
        written.append(max(written[-1] + 1 if written else 0, room))

    for need in map(int, needs):
        while len(written) < need:
            write()
        read.append(max(read[-1] + 1 if read else 0, written[need - 1] + 1))
    while len(written) < count:
        write()
    return max(written[-1], read[-1] + 1) + 1


def _integers(lane: Format, shape: tuple[int, ...], rng: np.random.Generator) -> IntArray:
    """Return lanes of all bit patterns, the two ends more often than others."""
    values = rng.integers(lane.minimum, lane.maximum, shape, endpoint=True)
    ends = rng.choice([lane.minimum, lane.maximum], shape)
    return np.where(rng.random(shape) < 0.2, ends, values)


def _lanes(bits: int) -> tuple[int, int]:
    """Return into how many lanes of how many bits a word is cut to be held in integers.

    >>> _lanes(40), _lanes(72)
    ((1, 40), (2, 36))
    """
    lane_bits = max(width for width in range(1, min(bits, 64) + 1) if bits % width == 0)
    return bits // lane_bits, lane_bits


def _words(bits: int, count: int, rng: np.random.Generator) -> Beats:
    lanes, lane_bits = _lanes(bits)
    return Beats(_integers(Format(lane_bits, signed=True), (count, lanes), rng), lane_bits)


_CASES: dict[str, Callable[[Parameters, np.random.Generator], Iterator[Fields]]] = {
    "skid_buffer": _passed,
    "fifo": _passed,
    "replay_buffer": _replayed,
    "width_converter": _converted,
    "weight_rom": _words_of_rom,
    "threshold": _thresholded,
    "mvtu": _activated,
    "swu": _windowed,
}
